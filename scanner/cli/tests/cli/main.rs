//! The binary, run as a person or a script would run it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod configuration;
mod documents;
mod hostile;
mod imc2025;
mod judging;
mod lab;
mod limits;
mod mxray;
mod operating;
mod pipelines;
mod planted;
mod queries;
mod real;
mod scanning;
mod sockets;
mod tlsrpt;
mod two_months;
mod unbound;
mod validated;
mod world;
