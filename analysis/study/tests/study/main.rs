//! Studies of small runs that are made for the purpose.

mod classify;
mod compare;
mod grid;
mod report;
mod run;
mod sql;
mod tls_reports;
