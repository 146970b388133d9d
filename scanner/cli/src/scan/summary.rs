//! What a scan came to, to be read in ten seconds.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use indicatif::{HumanCount, HumanDuration};
use mxray_engine::{Progress, ScanSummary, StageProgress};
use mxray_evidence::HowEnded;
use mxray_study::Grid;

use crate::palette::Palette;
use crate::shell;

/// The whole run in rows, this sitting in failures and pace, and what to type next.
pub(super) fn text(summary: &ScanSummary, progress: &Progress, took: Duration) -> String {
    let (palette, counts) = (Palette::stderr(), summary.counts);
    let folder = summary.folder.display();
    let mut text = match summary.how {
        _ if summary.already_complete => {
            format!("{}: {folder} was complete before\n", palette.good("nothing to do"))
        }
        HowEnded::Completed => format!("{}: {folder}\n", palette.good("scan completed")),
        _ => format!("{}: {folder} holds what is finished\n", palette.doubtful("scan interrupted")),
    };
    let domains_and_rejects = format!(
        "{} lines = {} domains + {} rejects",
        HumanCount(counts.lines),
        HumanCount(counts.domains),
        HumanCount(counts.rejects)
    );
    let _ = writeln!(text, "{domains_and_rejects}\n");
    text += &tables(summary, progress).indented("  ");
    if !summary.already_complete {
        let domains = progress.domains.done.load(Ordering::Relaxed);
        let pace = domains as f64 / took.as_secs_f64().max(0.001);
        let took = if took.as_secs() < 60 {
            format!("{:.1} s", took.as_secs_f64())
        } else {
            HumanDuration(took).to_string()
        };
        let _ = writeln!(text, "\n{} domains in {took}, {:.0} a second", HumanCount(domains), pace);
    }
    if summary.stray_replies > 0 {
        let strays = HumanCount(summary.stray_replies);
        let _ = writeln!(
            text,
            "{strays} DNS replies answered no open question (late, or forged) and were dropped"
        );
    }
    let next = match summary.how {
        HowEnded::Completed => format!("{} classify {}", shell::program(), shell::word(&folder.to_string())),
        _ => shell::resuming(),
    };
    let _ = writeln!(text, "next: {}", palette.heading(&next));
    text
}

/// What is committed, and beside it what did not go through while this process ran.
fn tables(summary: &ScanSummary, progress: &Progress) -> Grid {
    let counts = summary.counts;
    let mut grid = Grid::new(&["table", ">rows", ">failed"]);
    let failed = |stage: &StageProgress| match stage.done.load(Ordering::Relaxed) {
        0 => String::new(),
        _ => HumanCount(stage.failed.load(Ordering::Relaxed)).to_string(),
    };
    for (name, rows, failed) in [
        ("domains", counts.domains, failed(&progress.domains)),
        ("policies", counts.policies, failed(&progress.policies)),
        ("mail_hosts", counts.mail_hosts, failed(&progress.mail_hosts)),
        ("smtp_sessions", counts.smtp_sessions, failed(&progress.sessions)),
        ("certificates", counts.certificates, String::new()),
        ("rejects", counts.rejects, String::new()),
    ] {
        grid.push(vec![name.to_owned(), HumanCount(rows).to_string(), failed]);
    }
    grid
}
