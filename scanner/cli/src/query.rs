//! `mxray query`: a question of one's own.

use std::cell::Cell;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::exit::{Exit, Failure};
use crate::run_folder;
use crate::runtime;
use crate::stdout;

/// Answers SQL over a run: its evidence, its newest classification, and the codebook as `rules`.
///
/// `mxray schema` names the tables and their columns. Nothing can be written by a query. Runs named with --beside stand
/// there too: the tables of RUN as `run1.verdicts` as well as `verdicts`, those of the next as `run2.verdicts`, and so on;
/// the table `runs` says which is which.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mxray query run \"SHOW TABLES\"
  mxray query run \"SELECT mode, count(*) AS domains FROM verdicts GROUP BY mode\"
  mxray query run \"SELECT rule, violation FROM tallies ORDER BY violation DESC LIMIT 10\"
  mxray query run \"SELECT domain, refusing FROM verdicts WHERE refusing > 0\" --format csv
  mxray query run \"SELECT domain, advice FROM findings JOIN rules USING (rule) LIMIT 20\"
  mxray query run \"SELECT status, count(*) AS n FROM policies GROUP BY status\" --format json
  mxray query run \"SELECT host, certificate FROM hosts ORDER BY domains DESC LIMIT 10\"
  mxray query run \"SELECT tls['version'], count(*) FROM smtp_sessions GROUP BY 1\"
  mxray query run \"SELECT subject, not_after FROM certificates ORDER BY not_after LIMIT 10\"
  mxray query run \"SELECT * FROM verdicts\" --format parquet --out verdicts.parquet
  mxray query run \"SELECT * FROM runs\" --beside older
  mxray query run \"SELECT host FROM hosts EXCEPT SELECT host FROM run2.hosts\" --beside older")]
pub(crate) struct QueryArgs {
    /// The folder of the run.
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// The question.
    #[arg(value_name = "SQL")]
    sql: String,
    /// In which form to have the answer. CSV and JSON come as they are made, and may be larger than memory.
    #[arg(long, value_enum, default_value = "table")]
    format: QueryFormat,
    /// Other runs to ask too, each with its newest classification; repeatable.
    #[arg(long, value_name = "RUN")]
    beside: Vec<PathBuf>,
    /// The file for the answer in Parquet.
    #[arg(long, value_name = "FILE", required_if_eq("format", "parquet"))]
    out: Option<PathBuf>,
    /// Which classification to take, by the name of its folder. Default: the newest, if there is one.
    #[arg(long, value_name = "ID")]
    classification: Option<String>,
}

/// The forms of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum QueryFormat {
    /// Aligned columns.
    Table,
    /// CSV (RFC 4180), a header first.
    Csv,
    /// JSON, an object a line.
    Json,
    /// Parquet, into the file that `--out` names.
    Parquet,
}

pub(crate) fn run(args: &QueryArgs) -> Result<Exit, Failure> {
    let (run, _) = run_folder::open(&args.run)?;
    let id = match args.classification.as_deref() {
        Some(id) => Some(run_folder::classification(&run, Some(id))?.id),
        None => mxray_study::classifications(&run)?.pop().map(|classified| classified.id),
    };
    let mut runs = vec![(run, id)];
    for folder in &args.beside {
        let (run, _) = run_folder::open(folder)?;
        let id = mxray_study::classifications(&run)?.pop().map(|classified| classified.id);
        runs.push((run, id));
    }
    runtime::start()?.block_on(async {
        let answer = mxray_study::query_runs(&runs, &args.sql).await?;
        if let (QueryFormat::Parquet, Some(path)) = (args.format, &args.out) {
            return Ok(answer.write_parquet(path).await?);
        }
        let pipe = Pipe::default();
        let written = match args.format {
            QueryFormat::Table | QueryFormat::Parquet => {
                return stdout::write(&answer.into_grid().await?.to_string());
            }
            QueryFormat::Csv => answer.write_csv(&pipe).await,
            QueryFormat::Json => answer.write_json_lines(&pipe).await,
        };
        if pipe.reader_gone.get() { Ok(()) } else { Ok(written?) }
    })?;
    Ok(Exit::Done)
}

/// Stdout, whose reader may go away (`| head`), which is no failure.
#[derive(Default)]
struct Pipe {
    reader_gone: Cell<bool>,
}

impl Pipe {
    fn note<T>(&self, written: io::Result<T>) -> io::Result<T> {
        if written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            self.reader_gone.set(true);
        }
        written
    }
}

impl Write for &Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.note(io::stdout().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.note(io::stdout().flush())
    }
}
