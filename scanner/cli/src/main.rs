//! `mxray`: a census of mail transport security. One binary; a file a verb.

mod arguments;
mod config_file;
mod exit;
mod format;
mod grid;
mod interrupt;
mod lab;
mod open_files;
mod palette;
mod probing;
mod runtime;
mod scan;
mod schema;
mod shell;
mod stdout;

use std::process::ExitCode;

use arguments::{Typed, Verb};

fn main() -> ExitCode {
    let typed = arguments::parse(std::env::args_os().collect());
    exit::conclude(typed.and_then(|Typed { verb, matches }| match verb {
        Verb::Scan(args) => scan::run(&args, &matches),
        Verb::Lab(args) => lab::run(&args),
        Verb::Schema(args) => schema::run(&args),
    }))
}
