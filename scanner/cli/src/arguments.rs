//! What can be typed: the verbs, and the way from words to a verb with its arguments.

use std::ffi::OsString;

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::check::CheckArgs;
use crate::classify::ClassifyArgs;
use crate::config_file;
use crate::demo::DemoArgs;
use crate::diff::DiffArgs;
use crate::exit::{self, Failure};
use crate::export::ExportArgs;
use crate::lab::LabArgs;
use crate::query::QueryArgs;
use crate::report::ReportArgs;
use crate::rules::RulesArgs;
use crate::scan::ScanArgs;
use crate::schema::SchemaArgs;
use crate::tlsrpt::TlsrptArgs;

/// Measures how mail transport is secured, domain by domain.
///
/// mxray reads domain names, asks DNS, HTTPS and SMTP what each domain publishes and what its mail hosts do,
/// keeps the evidence as Parquet, and says by re-runnable rules who is protected, who only believes it, and whose
/// mail will bounce.
#[derive(Debug, Parser)]
#[command(name = "mxray", version, after_help = after_help(), max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Demo(DemoArgs),
    Check(Box<CheckArgs>),
    Scan(Box<ScanArgs>),
    Classify(ClassifyArgs),
    Report(ReportArgs),
    Export(ExportArgs),
    Query(QueryArgs),
    Diff(DiffArgs),
    Tlsrpt(TlsrptArgs),
    Rules(RulesArgs),
    Schema(SchemaArgs),
    Lab(LabArgs),
}

/// What was typed, with the configuration file's part of it written out.
pub(crate) struct Typed {
    /// The verb and its arguments.
    pub(crate) verb: Verb,
    /// The same before it had types: what `--print-config` shows.
    pub(crate) matches: ArgMatches,
}

/// Reads the command line. Help, versions and mistyped flags end the process here, as clap has them.
pub(crate) fn parse(argv: Vec<OsString>) -> Result<Typed, Failure> {
    let first = Cli::command().get_matches_from(&argv);
    let argv = config_file::written_out(argv, &first)?;
    let matches = Cli::command().get_matches_from(argv);
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    Ok(Typed { verb: cli.verb, matches })
}

fn after_help() -> String {
    format!(
        "{}\n\nExample:\n  mxray scan domains.txt --out run --ehlo-name scan.example.net --contact https://example.net/scan",
        exit::HELP
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command, the top one first.
    fn commands() -> Vec<clap::Command> {
        let top = Cli::command();
        let verbs = top.get_subcommands().cloned().collect::<Vec<_>>();
        [top].into_iter().chain(verbs).collect()
    }

    #[test]
    fn every_help_ends_with_an_example_that_parses() {
        for mut command in commands() {
            let help = command.render_long_help().to_string();
            let (_, examples) = help
                .rsplit_once("Examples:\n")
                .or_else(|| help.rsplit_once("Example:\n"))
                .expect("every help has an example");
            let mut count = 0;
            for line in examples.lines().filter(|line| !line.trim().is_empty()) {
                let words = line.split('"').enumerate().flat_map(|(i, part)| match i % 2 {
                    0 => part.split_whitespace().collect(),
                    _ => vec![part],
                });
                Cli::command().try_get_matches_from(words).unwrap_or_else(|e| panic!("{line}: {e}"));
                count += 1;
            }
            assert!(count > 0, "{help}");
        }
    }

    #[test]
    fn clap_finds_no_contradiction() {
        Cli::command().debug_assert();
    }
}
