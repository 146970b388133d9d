//! `mxray report`: the tables of a study.

use std::path::PathBuf;

use clap::Args;
use mxray_evidence::RunDir;
use mxray_study::ReportOptions;

use crate::exit::{Exit, Failure};
use crate::progress_line::ProgressLine;
use crate::run_folder;
use crate::runtime;
use crate::stdout;

/// Writes the tables of one classified run or several: adoption, misconfiguration by rule, who operates what, delivery, hosts.
///
/// `index.html` is one page that needs no network, `report.md` one of Markdown. Beside them stand a file a table as CSV, as
/// JSON and as LaTeX (booktabs; `report.tex` is a document of all), and the figures as SVG. Every rate has its numerator, its
/// denominator, and what could not be measured. Of several runs the tables are those of the newest, and
/// `adoption_over_time` goes over all. The paths of what was written go to stdout.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mxray report run --out report
  mxray report run-january run-february --out report
  mxray report run --out report --sample-of 87000000")]
pub(crate) struct ReportArgs {
    /// The folder of each run, classified.
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// The folder for the tables: made, or written over.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The input is a random sample of so many domains: rates of domains get 95 % intervals.
    #[arg(long, value_name = "N")]
    sample_of: Option<u64>,
    /// Which classification to take, by the name of its folder. Default: the newest of each run.
    #[arg(long, value_name = "ID")]
    classification: Option<String>,
}

pub(crate) fn run(args: &ReportArgs) -> Result<Exit, Failure> {
    let open = |folder: &PathBuf| -> Result<(RunDir, String), Failure> {
        let (run, _) = run_folder::open(folder)?;
        let id = run_folder::classification(&run, args.classification.as_deref())?.id;
        Ok((run, id))
    };
    let runs = args.runs.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let options = ReportOptions { sample_of: args.sample_of };
    let mut line = ProgressLine::start();
    let doing = &mut |what: &str| line.doing(what);
    let report = runtime::start()?.block_on(mxray_study::report(&runs, &args.out, &options, doing))?;
    drop(line);
    let paths: Vec<String> = report.files.iter().map(|path| path.display().to_string()).collect();
    stdout::write(&(paths.join("\n") + "\n"))?;
    Ok(Exit::Done)
}
