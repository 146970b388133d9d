//! What the demo prints when it is done.

use std::fmt::Write;
use std::path::Path;

use indicatif::HumanCount;
use mxray_study::Grid;

use super::Outcome;
use crate::palette::Palette;
use crate::shell;

/// The whole of it, ready to be printed.
pub(super) fn letter(outcome: &Outcome, palette: Palette) -> String {
    let mut text = opening(outcome);
    for name in ["adoption", "misconfiguration"] {
        for table in outcome.report.tables.iter().filter(|table| table.name == name) {
            let (title, grid) = match name {
                "misconfiguration" => ("Misconfiguration, by rule", by_rule(&table.for_people())),
                _ => (table.title, table.for_people()),
            };
            let _ = write!(text, "\n{}\n\n{}", palette.heading(title), grid.indented("  "));
        }
    }
    text += &agreement(outcome, palette);
    text += &written(&outcome.folder, palette);
    text + &next(outcome, palette)
}

fn opening(outcome: &Outcome) -> String {
    let counts = outcome.scanned.counts;
    let number = |n: u64| HumanCount(n).to_string();
    format!(
        "Scanned {} simulated domains on loopback in {:.1} s: {} policies, {} mail hosts, {} SMTP sessions,\n\
         {} certificates. Judged by {} rules: {} findings.\n",
        number(counts.domains),
        outcome.scan_time.as_secs_f64(),
        number(counts.policies),
        number(counts.mail_hosts),
        number(counts.smtp_sessions),
        number(counts.certificates),
        mxray_rules::rules().len(),
        number(outcome.classified.findings),
    )
}

/// Rules as a whole, without sub-causes and sections: the page in the report has all of it.
fn by_rule(grid: &Grid) -> Grid {
    let kept: Vec<usize> = ["rule", "effect", "violations", "judged", "rate", "unknown"]
        .iter()
        .filter_map(|name| grid.header.iter().position(|title| title == name))
        .collect();
    let cause = grid.header.iter().position(|title| title == "cause");
    let rows = grid
        .rows
        .iter()
        .filter(|row| cause.is_none_or(|cause| row[cause].is_empty()))
        .map(|row| kept.iter().map(|&column| row[column].clone()).collect())
        .collect();
    Grid {
        header: kept.iter().map(|&column| grid.header[column].clone()).collect(),
        right: kept.iter().map(|&column| grid.right[column]).collect(),
        rows,
    }
}

/// How what was found agrees with what was planted.
fn agreement(outcome: &Outcome, palette: Palette) -> String {
    let agreement = &outcome.agreement;
    let totals = agreement.totals();
    let mut text = format!(
        "\n{}\n\nBy rule and sub-cause, a defect a subject.\n\n{}",
        palette.heading("What was planted, and what was found"),
        agreement.rules_grid().indented("  ")
    );
    let _ = write!(text, "\nThe summary of each domain.\n\n{}", agreement.columns_grid().indented("  "));
    let differences = agreement.differences_grid();
    if !differences.rows.is_empty() {
        let _ = write!(text, "\n{}\n\n{}", palette.bad("They differ"), differences.indented("  "));
    }
    let sum = format!(
        "{} defects planted in {} domains: {} found, {} missed, {} not judged, {} invented",
        HumanCount(totals.planted),
        HumanCount(agreement.domains),
        HumanCount(totals.found),
        HumanCount(totals.missed),
        HumanCount(totals.unjudged),
        HumanCount(totals.invented),
    );
    let sum = if agreement.is_exact() {
        palette.good(&format!("{sum}. Exact agreement."))
    } else {
        palette.bad(&format!("{sum}. NOT in agreement."))
    };
    let _ = writeln!(text, "\n{sum}");
    text
}

fn written(folder: &Path, palette: Palette) -> String {
    let places = [
        ("run/", "the evidence, as Parquet; run.json says how it was made"),
        ("run/derived/", "findings, verdicts, hosts, tallies"),
        ("report/report.md", "every table, on a page; a CSV file each beside it"),
        ("lab/truth/", "what was planted"),
        ("lab/ledger/", "what the servers saw"),
    ]
    .map(|(path, what)| (folder.join(path).display().to_string(), what));
    let width = places.iter().map(|(path, _)| path.chars().count()).max().unwrap_or(0);
    let lines = places.map(|(path, what)| format!("  {path:<width$}  {what}\n")).concat();
    format!("\n{}\n\n{lines}", palette.heading("What was written"))
}

/// Three commands that work as they stand.
fn next(outcome: &Outcome, palette: Palette) -> String {
    let (program, run) = (shell::program(), outcome.folder.join("run"));
    let run = shell::word(&run.display().to_string());
    format!(
        "\n{}\n\n  \
         {program} query {run} \"SELECT domain, detail FROM findings WHERE rule = 'mx-policy-mismatch-all'\"\n  \
         {program} rules mx-policy-mismatch-all\n  \
         {program} classify {run} --at 2040-01-01\n",
        palette.heading("What to try next")
    )
}
