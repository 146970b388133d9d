//! The rules, from outside.

mod aside;
mod case;
mod certificates;
mod codebook;
mod dane;
mod fetch;
mod hosts;
mod matching;
mod policy;
mod properties;
mod record;
mod sender;
mod sessions;
mod tlsrpt;
