//! The engine: its probes against servers on loopback that do as a test tells them, and whole runs against a
//! simulated internet, whose ledger says what it really did.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a finding")]

mod address;
mod bench;
mod beside;
mod certificate;
mod crash;
mod dns;
mod hostile;
mod https;
mod legacy;
mod load;
mod manners;
mod name_servers;
mod opt_out;
mod policy_backoff;
mod reach;
mod reload;
mod resolvers;
mod run;
mod segments;
mod servers;
mod signed;
mod smtp;
mod stalls;
mod tenants;
