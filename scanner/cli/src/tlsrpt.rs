//! `mxray tlsrpt`: what senders report (RFC 8460).

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use mxray_evidence::tls_reports::TlsReportMatchRow;
use mxray_study::{Grid, TlsReportsRead, match_tls_reports, read_tls_reports, utc};
use serde_json::json;

use crate::exit::{Exit, Failure};
use crate::format::AnswerFormat;
use crate::palette::Palette;
use crate::run_folder;
use crate::stdout;

/// Reads TLS reports (RFC 8460) as they come, and writes them as Parquet: what senders saw of a domain's mail hosts.
///
/// A FILE is JSON, gzip, a mail with attachments, or a mailbox (mbox); a FOLDER is read whole. What something is, is told
/// by its bytes. Reports are read for what they say: where one is not as the RFC has it, that is noted as an oddity. A
/// file that holds no report is a row of `tls_report_rejects`, and never stops the rest; then the exit code is 1.
///
/// With --run, each reported failure is laid beside what that scan found of the domain.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mxray tlsrpt reports/ --out tlsrpt
  mxray tlsrpt reports.mbox google.json.gz --out tlsrpt --run run --format json")]
pub(crate) struct TlsrptArgs {
    /// Files and folders to read.
    #[arg(value_name = "FILE|FOLDER", required = true)]
    inputs: Vec<PathBuf>,
    /// The folder for the tables: made, or written over.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// A run, classified, to lay the failures beside.
    #[arg(long, value_name = "RUN")]
    run: Option<PathBuf>,
    /// Which classification of it to take, by the name of its folder. Default: the newest.
    #[arg(long, value_name = "ID", requires = "run")]
    classification: Option<String>,
    /// In which form to have the summary.
    #[arg(long, value_enum, default_value = "text")]
    format: AnswerFormat,
}

pub(crate) fn run(args: &TlsrptArgs) -> Result<Exit, Failure> {
    // A run that is not there is said before the reading begins.
    let beside = match &args.run {
        Some(folder) => {
            let (run, manifest) = run_folder::open(folder)?;
            let classified = run_folder::classification(&run, args.classification.as_deref())?;
            Some((run, manifest, classified))
        }
        None => None,
    };
    let read = read_tls_reports(&args.inputs, &args.out)?;
    let matches = match &beside {
        Some((run, _, classified)) => {
            Some(match_tls_reports(run, &classified.id, &read.failures, &args.out)?)
        }
        None => None,
    };
    match args.format {
        AnswerFormat::Json => {
            let run = beside.as_ref().map(|(_, manifest, classified)| {
                json!({ "run_id": manifest.run_id, "classification": classified.id })
            });
            let mut answer = json!({ "summary": read, "run": run });
            if let Some(matches) = &matches {
                answer["failures"] = json!(matches);
            }
            stdout::write_json(&answer)?;
        }
        AnswerFormat::Text => {
            let began = beside.as_ref().map(|(_, manifest, _)| utc(manifest.started));
            stdout::write(&letter(&read, matches.as_deref(), began.as_deref()))?;
        }
    }
    Ok(if read.rejects > 0 { Exit::Findings } else { Exit::Done })
}

/// The summary, for a person.
fn letter(read: &TlsReportsRead, matches: Option<&[TlsReportMatchRow]>, began: Option<&str>) -> String {
    let palette = Palette::stdout();
    let mut counts = Grid::new(&["", ">"]);
    let mut push = |name: &str, value: u128| counts.push(vec![name.to_owned(), value.to_string()]);
    push("files", read.files.into());
    push("reports", read.reports.into());
    push("of these repeats, counted once below", read.repeats.into());
    push("files, mails and attachments without a report", read.rejects.into());
    push("policies", read.policies.into());
    push("sessions that succeeded", read.successful_sessions);
    push("sessions that failed", read.failed_sessions);
    let mut text = counts.to_string().trim_start_matches('\n').to_owned();
    let mut list = |title: &str, rows: &std::collections::BTreeMap<String, u64>, unit: &str| {
        if rows.is_empty() {
            return;
        }
        let mut grid = Grid::new(&["", unit]);
        for (word, count) in rows {
            grid.push(vec![word.clone(), count.to_string()]);
        }
        let _ = write!(text, "\n{}\n{}", palette.heading(title), grid.indented("  "));
    };
    list("No report", &read.reject_reasons, ">times");
    list("Oddities, read all the same", &read.oddities, ">reports");
    if let Some(matches) = matches {
        let title = format!("Reported failures beside the scan of {}", began.unwrap_or_default());
        let grid = grid_of(matches);
        let _ = writeln!(text, "\n{}", palette.heading(&title));
        text += &if matches.is_empty() { "  none\n".to_owned() } else { grid.indented("  ") };
    }
    text
}

fn grid_of(matches: &[TlsReportMatchRow]) -> Grid {
    let mut grid =
        Grid::new(&["domain", "MX host", "reported", ">sessions", "from", "to", "the scan", "by", "detail"]);
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let day = |at: Option<i64>| at.map(|at| utc(at)[..10].to_owned()).unwrap_or_default();
    for row in matches {
        let by = match (&row.rule, &row.cause) {
            (Some(rule), Some(cause)) => format!("{rule} ({cause})"),
            (rule, _) => text(rule),
        };
        grid.push(vec![
            text(&row.policy_domain),
            text(&row.mx_host),
            text(&row.result_type),
            row.sessions.to_string(),
            day(row.first),
            day(row.last),
            row.outcome.clone(),
            by,
            text(&row.detail),
        ]);
    }
    grid
}
