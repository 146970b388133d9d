//! Studies of small runs that are made for the purpose.

mod browser;
mod classify;
mod compare;
mod export;
mod grid;
mod latex;
mod poisoned;
mod report;
mod run;
mod sql;
mod tls_reports;
