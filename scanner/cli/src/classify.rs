//! `mxray classify`: judge a run's evidence.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use mxray_evidence::Micros;
use mxray_study::{ClassifyOptions, Grid};

use crate::exit::{Exit, Failure};
use crate::moment;
use crate::progress_line::ProgressLine;
use crate::run_folder;
use crate::stdout;

/// Judges the evidence of a run, and writes findings, verdicts, hosts and tallies under `RUN/derived/`.
///
/// Nothing is asked of the network. The same run, rules, roots and time give the same bytes, so what is derived
/// can be deleted and made again; each choice of them has a folder of its own.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mxray classify run
  mxray classify run --at 2027-01-31 --trust-roots ca.pem
  mxray classify run --truth lab/truth")]
pub(crate) struct ClassifyArgs {
    /// The folder of the run.
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Judge certificates as of this time, such as 2027-01-31 or 2027-01-31T08:00:00Z. Default: when each was
    /// seen.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    at: Option<Micros>,
    /// Roots to trust beside the built-in ones; repeatable. Default: those that the scan was told of.
    #[arg(long, value_name = "FILE.pem")]
    trust_roots: Vec<PathBuf>,
    /// The truth of the lab that was scanned: says how the findings agree with it, and ends with code 1 if they
    /// do not.
    #[arg(long, value_name = "DIR")]
    truth: Option<PathBuf>,
}

pub(crate) fn run(args: &ClassifyArgs) -> Result<Exit, Failure> {
    let (run, manifest) = run_folder::open(&args.run)?;
    let trust_pem = if args.trust_roots.is_empty() {
        run_folder::remembered_roots(&manifest)?
    } else {
        run_folder::roots_from(&args.trust_roots)?
    };
    let options = ClassifyOptions { at: args.at, trust_pem, ..ClassifyOptions::default() };
    let what = format!("judging {}", args.run.display());
    let line = ProgressLine::counting(&what, Arc::clone(&options.steps));
    let classified = mxray_study::classify(&run, &options)?;
    drop(line);
    let mut grid = Grid::new(&["", ""]);
    let mut push = |name: &str, value: String| grid.push(vec![name.to_owned(), value]);
    push("classification", classified.id.clone());
    push("trusted roots", classified.root_sources.join(", "));
    push("domains", classified.domains.to_string());
    push("findings", classified.findings.to_string());
    push("mail hosts", classified.hosts.to_string());
    if classified.chains_incomplete > 0 {
        push("chains not judged, a certificate missing", classified.chains_incomplete.to_string());
    }
    push("written to", classified.folder.display().to_string());
    stdout::write(grid.to_string().trim_start_matches('\n'))?;
    let Some(truth) = &args.truth else { return Ok(Exit::Done) };
    let agreement = mxray_study::compare(&run, &classified.id, truth)?;
    stdout::write(&format!("\n{agreement}"))?;
    Ok(if agreement.is_exact() { Exit::Done } else { Exit::Findings })
}
