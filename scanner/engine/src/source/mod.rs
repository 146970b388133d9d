//! From input to targets: files and standard input, plain or compressed, lists or tables.
//!
//! One line is one record, always: a line becomes one [`Line`], whether it is scanned or not, so that lines =
//! domains + rejects can be counted by anybody with `wc -l`. (A quoted CSV field that goes on in the next line is
//! therefore not read: both lines are rejects.) A line's end is `\n` or `\r\n`; what follows the last `\n` is a
//! line if it is not empty.
//!
//! Lines are scanned in an order that a seed draws, a window of the input after the other
//! ([`window`]); their numbers are those of the input. Nothing here grows with the input: names that were seen are on the
//! disk ([`NamesSeen`]), and a line longer than [`LINE_BYTES_MAX`] is streamed past, not held.

mod lines;
mod reader;
mod shape;
mod walk;
mod window;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use mxray_evidence::{InputColumn, RejectRow, Text};
use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use self::reader::InputReader;
pub use self::shape::ShapeError;
use self::walk::Walk;
use crate::names_seen::NamesSeen;
use crate::opt_out::LeftAlone;
use crate::progress::Progress;

/// Bytes of a line at most. The longest name is 253; a table's line carries more.
pub const LINE_BYTES_MAX: usize = 4_096;
/// Lines handed over at a time, at most: whoever waits for a line is woken once for all of them.
const LINES_A_MESSAGE_MAX: usize = 64;
/// Messages that wait to be let in, at most.
const MESSAGES_AHEAD_MAX: usize = 16;

/// Where domain names come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file: a list or a table, plain, gzip or zstd.
    Path(PathBuf),
    /// Standard input, likewise.
    Stdin,
}

impl Input {
    /// What an argument names: `-` is standard input, anything else a path.
    pub fn named(argument: &str) -> Self {
        if argument == "-" { Self::Stdin } else { Self::Path(argument.into()) }
    }

    /// Bytes of a file; `None` for what has no length, and can be read only once.
    fn length(&self) -> Option<u64> {
        match self {
            Self::Path(path) => {
                std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|file| file.len())
            }
            Self::Stdin => None,
        }
    }
}

impl std::fmt::Display for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Stdin => f.write_str("-"),
        }
    }
}

impl Serialize for Input {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why the input cannot be read, or not further.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Reading failed.
    #[error("reading {input}: {source}")]
    Read {
        /// Which input.
        input: String,
        /// What the operating system, or the decompressor, said.
        source: io::Error,
    },
    /// It is of a kind that is not read.
    #[error("{input} is {kind}: {advice}")]
    Kind {
        /// Which input.
        input: String,
        /// What it looks like.
        kind: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// Its columns are not understood.
    #[error("{input}: {source}")]
    Shape {
        /// Which input.
        input: String,
        /// Why not.
        source: ShapeError,
    },
    /// Standard input can be read once.
    #[error("standard input (-) is named twice; name it once")]
    StdinTwice,
    /// A resumed run is given another input than it began with.
    #[error(
        "the input is not the one this run began with: its first {lines} lines differ. Resume with the same \
         inputs in the same order, or start a new run in another folder"
    )]
    OtherInput {
        /// The lines that are committed.
        lines: u64,
    },
    /// A resumed run is given less input than it has read already.
    #[error(
        "the input has {found} lines, and this run has already read {lines}. Resume with the same inputs in \
         the same order, or start a new run in another folder"
    )]
    ShorterInput {
        /// The lines that are committed.
        lines: u64,
        /// The lines that are there.
        found: u64,
    },
    /// The names that were read cannot be kept account of.
    #[error(
        "putting the names that were read aside, on the disk of the run's folder: {source}. Mend it, then go on with \
         --resume: what was committed is kept"
    )]
    NamesSeen {
        /// What the operating system said.
        source: io::Error,
    },
}

/// A line of the input, and what becomes of it.
pub(crate) struct Line {
    /// Its place in the order of the scan, counted from 1 over all inputs.
    pub(crate) turn: u64,
    /// What becomes of it.
    pub(crate) fate: Fate,
    /// The digest over every line up to the end of its window.
    pub(crate) digest: Arc<str>,
}

/// What becomes of a line.
pub(crate) enum Fate {
    /// It is scanned.
    Scan(Target),
    /// It is not.
    Reject(RejectRow),
}

/// A domain to scan, and what the input says of it.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) domain: Text,
    pub(crate) source: Arc<str>,
    /// Its number in the input, counted from 1 over all inputs.
    pub(crate) line: u64,
    pub(crate) rank: Option<u64>,
    pub(crate) columns: Vec<InputColumn>,
}

/// A running digest over lines of input, each ended by `\n` whether or not it was.
#[derive(Clone, Default)]
pub(crate) struct InputDigest(Sha256);

impl InputDigest {
    fn feed(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest as text.
    pub(crate) fn to_text(&self) -> String {
        use std::fmt::Write as _;
        let digest: [u8; 32] = self.0.clone().finalize().into();
        digest.iter().fold("sha256:".to_owned(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a String takes everything");
            text
        })
    }
}

/// Where a resumed run goes on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mark {
    /// The [turn](Line::turn) of the last line that is committed; 0 is the beginning.
    pub(crate) line: u64,
    /// [`Line::digest`] there.
    pub(crate) digest: String,
}

/// The order in which lines are scanned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    /// Lines of a window; 1 is the input's order.
    pub(crate) window_lines: usize,
    /// Decides the order within a window.
    pub(crate) seed: u64,
}

/// The inputs of a scan, looked at and found readable.
pub(crate) struct Source {
    inputs: Vec<FoundInput>,
    column: Option<String>,
    progress: Arc<Progress>,
}

/// An input that was looked into.
struct FoundInput {
    input: Input,
    /// Where looking was the only reading: standard input and pipes cannot be opened twice. Files are opened again
    /// when it is their turn, so that there may be more of them than descriptors.
    kept: Option<InputReader>,
}

impl Source {
    /// Looks into every input, so that what cannot be read is said before anything is written.
    pub(crate) fn open(
        inputs: &[Input],
        column: Option<&str>,
        progress: Arc<Progress>,
    ) -> Result<Self, SourceError> {
        check_names(inputs)?;
        let mut found = Vec::new();
        let mut bytes_total = Some(0);
        for input in inputs {
            let length = input.length();
            bytes_total = bytes_total.zip(length).map(|(total, length): (u64, u64)| total + length);
            let kept = if length.is_some() {
                InputReader::open(input, column, Arc::default())?;
                None
            } else {
                Some(InputReader::open(input, column, Arc::clone(&progress.input_bytes))?)
            };
            found.push(FoundInput { input: input.clone(), kept });
        }
        progress.input_bytes_total.store(bytes_total.unwrap_or(0), Ordering::Relaxed);
        Ok(Self { inputs: found, column: column.map(str::to_owned), progress })
    }

    /// Reads in a thread of its own, in this order, from behind `mark` on. `seen` are names that have a row. The first message comes when `mark` is reached; an
    /// error is the last one. Dropping the receiver ends the thread at its next line.
    pub(crate) fn spawn(
        self,
        mark: Mark,
        order: Order,
        seen: NamesSeen,
        left_alone: LeftAlone,
    ) -> io::Result<mpsc::Receiver<Result<Message, SourceError>>> {
        let (sender, receiver) = mpsc::channel(MESSAGES_AHEAD_MAX);
        let walk = Walk::new(mark, order, seen, left_alone, sender);
        thread::Builder::new().name("source".into()).spawn(move || walk.run(self))?;
        Ok(receiver)
    }
}

/// Hands over every line of the inputs as a scan would read it, in their order: a domain and its rank, or a reject.
pub fn read_inputs(
    inputs: &[Input],
    column: Option<&str>,
    mut line: impl FnMut(Result<(String, Option<u64>), RejectRow>),
) -> Result<(), SourceError> {
    let source = Source::open(inputs, column, Arc::default())?;
    let no_thread = |source| SourceError::Read { input: "in a thread of its own".to_owned(), source };
    let (order, seen) = (Order { window_lines: 1, seed: 0 }, NamesSeen::new(std::env::temp_dir()));
    let spawned = source.spawn(Mark::default(), order, seen, LeftAlone::default());
    let mut messages = spawned.map_err(no_thread)?;
    while let Some(message) = messages.blocking_recv() {
        if let Message::Lines(lines) = message? {
            for read in lines {
                line(match read.fate {
                    Fate::Scan(target) => Ok((target.domain.into(), target.rank)),
                    Fate::Reject(row) => Err(row),
                });
            }
        }
    }
    Ok(())
}

/// Says what is wrong with the inputs before any of them is touched.
fn check_names(inputs: &[Input]) -> Result<(), SourceError> {
    match inputs.iter().filter(|input| **input == Input::Stdin).count() {
        0 | 1 => Ok(()),
        _ => Err(SourceError::StdinTwice),
    }
}

/// What the reading thread says.
pub(crate) enum Message {
    /// The mark is reached: what was committed is still there.
    Ready,
    /// The next lines.
    Lines(Vec<Line>),
}

#[cfg(test)]
mod tests;
