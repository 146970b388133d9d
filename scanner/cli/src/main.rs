//! `mxray`: a census of mail transport security. One binary; a file a verb.

mod arguments;
mod check;
mod classify;
mod config_file;
mod demo;
mod diff;
mod exit;
mod export;
mod format;
mod interrupt;
mod lab;
mod moment;
mod open_files;
mod palette;
mod probing;
mod progress_line;
mod query;
mod report;
mod rules;
mod run_folder;
mod runtime;
mod scan;
mod schema;
mod shell;
mod stdout;
mod tlsrpt;

use std::process::ExitCode;

use arguments::{Typed, Verb};
use mimalloc::MiMalloc;

/// What a scan allocates is small and short-lived: `Cargo.toml` says what this one is measured to save.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let typed = arguments::parse(std::env::args_os().collect());
    exit::conclude(typed.and_then(|Typed { verb, matches }| match verb {
        Verb::Scan(args) => scan::run(&args, &matches),
        Verb::Lab(args) => lab::run(&args),
        Verb::Check(args) => check::run(*args),
        Verb::Classify(args) => classify::run(&args),
        Verb::Report(args) => report::run(&args),
        Verb::Export(args) => export::run(&args),
        Verb::Query(args) => query::run(&args),
        Verb::Diff(args) => diff::run(&args),
        Verb::Tlsrpt(args) => tlsrpt::run(&args),
        Verb::Demo(args) => demo::run(&args),
        Verb::Rules(args) => rules::run(&args),
        Verb::Schema(args) => schema::run(&args),
    }))
}
