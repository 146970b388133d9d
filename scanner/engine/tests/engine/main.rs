//! The engine against a simulated internet, whose ledger says what it really did.

mod bench;
mod run;
