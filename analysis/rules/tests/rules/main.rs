//! The rules, from outside.

mod across;
mod aside;
mod case;
mod certificates;
mod choices;
mod codebook;
mod corpora;
mod dane;
mod dane_judged;
mod fetch;
mod golden;
mod grammar;
mod hosting;
mod hosts;
mod matching;
mod operators;
mod policy;
mod properties;
mod record;
mod sender;
mod sessions;
mod tlsrpt;
mod vectors;
