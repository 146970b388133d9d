//! `mxray export`: a run as one flat file.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use mxray_study::Steps;

use crate::exit::{Exit, Failure};
use crate::progress_line::ProgressLine;
use crate::run_folder;
use crate::stdout;

/// Writes a classified run as one Parquet file with a row a domain, for those who want no join.
///
/// A row holds the verdict, the operators, the MX hosts and what their TLS is, how the policy's fetch ended, a column a rule
/// (`rule_…`: pass, violation, unknown, not-applicable) and each column of the input (`input_…`). `mxray schema flat` says
/// what each means. The path of the file goes to stdout.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  mxray export run --out domains.parquet")]
pub(crate) struct ExportArgs {
    /// The folder of the run, classified.
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// The file: made, or written over.
    #[arg(long, value_name = "FILE.parquet")]
    out: PathBuf,
    /// Which classification to take, by the name of its folder. Default: the newest.
    #[arg(long, value_name = "ID")]
    classification: Option<String>,
}

pub(crate) fn run(args: &ExportArgs) -> Result<Exit, Failure> {
    let (run, _) = run_folder::open(&args.run)?;
    let classified = run_folder::classification(&run, args.classification.as_deref())?;
    let steps = Arc::new(Steps::default());
    let what = format!("writing {}", args.out.display());
    let line = ProgressLine::counting(&what, Arc::clone(&steps));
    mxray_study::export(&run, &classified, &args.out, &steps)?;
    drop(line);
    stdout::write(&format!("{}\n", args.out.display()))?;
    Ok(Exit::Done)
}
