//! `mxray diff`: what changed between runs.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use mxray_evidence::changes::ChangeRow;
use mxray_rules::printable;
use mxray_study::{Differences, Grid, RUNS_MAX, RunToCompare, Steps, StudyError, diff, utc};

use crate::exit::{Exit, Failure};
use crate::palette::Palette;
use crate::progress_line::ProgressLine;
use crate::run_folder;
use crate::stdout;

/// Says what changed between runs, which rules that breaks, and what it means for mail now.
///
/// Runs are taken in the order of time, whatever the order they are named in, and each has to be classified. A domain or
/// an MX host is compared with the last run before that measured the same of it: what a run could not measure is never a
/// change. Senders' caches are simulated: `cached_at_least` and `cached_at_most` say until when copies of a policy last.
///
/// The exit code is 1 where a change does harm to mail now (effect `refuse` or `downgrade`), or as `--fail-on` says.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mxray diff october november
  mxray diff september october november --out changes --format json-lines --fail-on any")]
pub(crate) struct DiffArgs {
    /// The folders of the runs, classified: two or more.
    #[arg(value_name = "RUN", required = true, num_args = 2..)]
    runs: Vec<PathBuf>,
    /// A folder for the changes as Parquet, `changes.parquet`: made, or written over.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// In which form: a summary for a person, a summary as JSON, or the rows.
    #[arg(long, value_enum, default_value = "text")]
    format: DiffFormat,
    /// Changes that are told one by one in the summary, those that do harm first.
    #[arg(long, value_name = "N", default_value_t = 40)]
    show: usize,
    /// What makes the exit code 1.
    #[arg(long, value_enum, default_value = "harm")]
    fail_on: FailOn,
}

/// The forms of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DiffFormat {
    /// A summary for a person.
    Text,
    /// A summary in JSON.
    Json,
    /// Each change in JSON, an object a line.
    JsonLines,
}

/// What makes a comparison fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// A change that does harm to mail now.
    Harm,
    /// Any change.
    Any,
    /// Nothing.
    Never,
}

pub(crate) fn run(args: &DiffArgs) -> Result<Exit, Failure> {
    if args.runs.len() > RUNS_MAX {
        return Err(Failure::refused(format!("at most {RUNS_MAX} runs can be compared")));
    }
    let open = |folder: &PathBuf| {
        let (run, _) = run_folder::open(folder)?;
        let id = run_folder::classification(&run, None)?.id;
        Ok(RunToCompare { run, id })
    };
    let runs = args.runs.iter().map(open).collect::<Result<Vec<_>, Failure>>()?;
    let worst = RefCell::new(Worst { most: args.show, harmful: Vec::new(), rest: Vec::new() });
    let mut out = BufWriter::new(io::stdout());
    let mut reader_gone = false;
    let steps = Arc::new(Steps::default());
    // Lines that scroll by on a terminal say as much.
    let is_told = args.format != DiffFormat::JsonLines || !io::stdout().is_terminal();
    let line = is_told.then(|| ProgressLine::counting("comparing", Arc::clone(&steps)));
    let found = diff(&runs, args.out.as_deref(), &steps, |row| {
        if args.format != DiffFormat::JsonLines {
            worst.borrow_mut().add(row);
        } else if !reader_gone {
            let written = serde_json::to_writer(&mut out, row).map_err(io::Error::from);
            match written.and_then(|()| out.write_all(b"\n")) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => reader_gone = true,
                Err(error) => return Err(StudyError::Sql(format!("writing to stdout: {error}"))),
                Ok(()) => {}
            }
        }
        Ok(())
    })?;
    let _ = out.flush();
    drop(line);
    match args.format {
        DiffFormat::Text => stdout::write(&letter(&found, &worst.into_inner()))?,
        DiffFormat::Json => stdout::write_json(&found)?,
        DiffFormat::JsonLines => {}
    }
    let fails = match args.fail_on {
        FailOn::Harm => found.harmful > 0,
        FailOn::Any => found.changes > 0,
        FailOn::Never => false,
    };
    Ok(if fails { Exit::Findings } else { Exit::Done })
}

/// The changes that are told one by one: no more than `most` of each kind are held.
struct Worst {
    most: usize,
    harmful: Vec<ChangeRow>,
    rest: Vec<ChangeRow>,
}

impl Worst {
    fn add(&mut self, row: &ChangeRow) {
        let harmful = matches!(row.effect.as_str(), "refuse" | "downgrade");
        let list = if harmful { &mut self.harmful } else { &mut self.rest };
        if list.len() < self.most {
            list.push(row.clone());
        }
    }
}

/// The summary, for a person.
fn letter(found: &Differences, worst: &Worst) -> String {
    let palette = Palette::stdout();
    let mut text = String::new();
    let mut runs = Grid::new(&["", "began", "run"]);
    for (number, run) in found.runs.iter().enumerate() {
        runs.push(vec![(number + 1).to_string(), utc(run.started), run.folder.clone()]);
    }
    text += &runs.to_string();
    let _ = writeln!(
        text,
        "\n{} domains compared, {} of them not wholly measured by the last run; {} stand in one run alone. {} MX hosts.\n\
         {} of these changed: {} changes, of which {} do harm to mail now.",
        found.compared,
        found.unmeasured,
        found.single,
        found.hosts,
        found.changed,
        found.changes,
        found.harmful
    );
    let mut kinds = Grid::new(&[">rows", "change", "breaks", "cause", "effect"]);
    for kind in &found.kinds {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        kinds.push(vec![
            kind.count.to_string(),
            kind.change.clone(),
            text(&kind.rule),
            text(&kind.cause),
            kind.effect.clone(),
        ]);
    }
    if !found.kinds.is_empty() {
        let _ = write!(text, "\n{}\n{}", palette.heading("Changes"), kinds.indented("  "));
    }
    let shown: Vec<&ChangeRow> = worst.harmful.iter().chain(&worst.rest).take(worst.most).collect();
    if !shown.is_empty() {
        let _ = write!(text, "\n{}\n", palette.heading("One by one, those that do harm first"));
    }
    for row in shown {
        text += &told(row);
    }
    text
}

/// A change, in a few lines.
fn told(row: &ChangeRow) -> String {
    let rule = row.rule.as_deref().map(|rule| match &row.cause {
        Some(cause) => format!("  {rule} ({cause})"),
        None => format!("  {rule}"),
    });
    let mut grid = Grid::new(&["", ""]);
    let mut push = |name: &str, value: String| grid.push(vec![name.to_owned(), value]);
    push("between", format!("{} and {}", utc(row.since), utc(row.seen)));
    if row.before.is_some() || row.after.is_some() {
        let or_nothing = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        push("was", or_nothing(&row.before));
        push("is", or_nothing(&row.after));
    }
    push("effect", format!("{}: {}", row.effect, row.means));
    if let (Some(least), Some(most)) = (row.cached_at_least, row.cached_at_most) {
        push("copies end", format!("{} to {}", utc(least), utc(most)));
    }
    let grid = grid.to_string();
    let lines =
        grid.trim_start_matches('\n').lines().flat_map(|line| ["    ", line, "\n"]).collect::<String>();
    format!("  {}  {}{}\n{lines}", printable(&row.subject), row.change, rule.unwrap_or_default())
}
