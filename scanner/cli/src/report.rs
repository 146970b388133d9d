//! `mxray report`: the tables of a study.

use std::path::PathBuf;

use clap::Args;

use crate::exit::{Exit, Failure};
use crate::run_folder;
use crate::runtime;
use crate::stdout;

/// Writes the tables of a classified run: adoption, misconfiguration by rule, delivery, hosts.
///
/// `report.md` is one page of Markdown, and beside it stands a CSV file a table. Every rate has its numerator, its
/// denominator, and what could not be measured. The paths of what was written go to stdout.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mxray report run --out report")]
pub(crate) struct ReportArgs {
    /// The folder of the run, classified.
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// The folder for the tables: made, or written over.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Which classification to take, by the name of its folder. Default: the newest.
    #[arg(long, value_name = "ID")]
    classification: Option<String>,
}

pub(crate) fn run(args: &ReportArgs) -> Result<Exit, Failure> {
    let (run, _) = run_folder::open(&args.run)?;
    let classified = run_folder::classification(&run, args.classification.as_deref())?;
    let report = runtime::start()?.block_on(mxray_study::report(&run, &classified.id, &args.out))?;
    let paths: Vec<String> = report.files.iter().map(|path| path.display().to_string()).collect();
    stdout::write(&(paths.join("\n") + "\n"))?;
    Ok(Exit::Done)
}
