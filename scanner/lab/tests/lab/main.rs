//! The lab, seen from outside: over real sockets, by clients that know nothing of it.
#![expect(clippy::unwrap_used, reason = "a test says so by panicking")]

mod client;
mod epochs;
mod groups;
mod ledger;
mod parquet;
mod planted;
mod servers;
mod signed;
mod truth;
