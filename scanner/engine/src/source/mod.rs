//! From input to targets: files and standard input, plain or compressed, lists or tables.
//!
//! One line is one record, always: a line becomes one [`Line`], whether it is scanned or not, so that lines =
//! domains + rejects can be counted by anybody with `wc -l`. (A quoted CSV field that goes on in the next line is
//! therefore not read: both lines are rejects.) A line's end is `\n` or `\r\n`; what follows the last `\n` is a
//! line if it is not empty.
//!
//! Nothing here grows with the input but the set of names seen: a line longer than [`LINE_BYTES_MAX`] is
//! streamed past, not held.

mod lines;
mod reader;
mod shape;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use mxray_evidence::{ByteBuf, InputColumn, RejectReason, RejectRow};
use mxray_protocol::name::{DomainName, NameFlaw};
use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use self::lines::LineReader;
use self::reader::InputReader;
pub use self::shape::ShapeError;
use self::shape::{Record, Shape};
use crate::once::Once;
use crate::opt_out::LeftAlone;
use crate::progress::Progress;

/// Bytes of a line at most. The longest name is 253; a table's line carries more.
pub const LINE_BYTES_MAX: usize = 4_096;
/// Bytes of a rejected line that are kept.
const REJECT_TEXT_BYTES_MAX: usize = 256;
/// Lines read ahead of the scan.
const LINES_AHEAD_MAX: usize = 1_024;

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
}

/// A line of the input, and what becomes of it.
pub(crate) struct Line {
    /// Counted from 1 over all inputs.
    pub(crate) number: u64,
    /// What becomes of it.
    pub(crate) fate: Fate,
    /// The digest over every line up to this one.
    pub(crate) digest: InputDigest,
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
    pub(crate) domain: String,
    pub(crate) source: String,
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
    /// The last line that is committed; 0 is the beginning.
    pub(crate) line: u64,
    /// [`InputDigest::to_text`] there.
    pub(crate) digest: String,
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

    /// Reads in a thread of its own, from behind `mark` on. The first message comes when `mark` is reached; an
    /// error is the last one. Dropping the receiver ends the thread at its next line.
    pub(crate) fn spawn(
        self,
        mark: Mark,
        seen: Once,
        left_alone: LeftAlone,
    ) -> io::Result<mpsc::Receiver<Result<Message, SourceError>>> {
        let (sender, receiver) = mpsc::channel(LINES_AHEAD_MAX);
        let walk = Walk { mark, seen, left_alone, sender, number: 0, digest: InputDigest::default() };
        thread::Builder::new().name("source".into()).spawn(move || walk.run(self))?;
        Ok(receiver)
    }
}

/// Hands over every line of the inputs as a scan would read it: a domain and its rank, or a reject.
pub fn read_inputs(
    inputs: &[Input],
    column: Option<&str>,
    mut line: impl FnMut(Result<(String, Option<u64>), RejectRow>),
) -> Result<(), SourceError> {
    let source = Source::open(inputs, column, Arc::default())?;
    let no_thread = |source| SourceError::Read { input: "in a thread of its own".to_owned(), source };
    let spawned = source.spawn(Mark::default(), Once::default(), LeftAlone::default());
    let mut messages = spawned.map_err(no_thread)?;
    while let Some(message) = messages.blocking_recv() {
        if let Message::Line(read) = message? {
            line(match read.fate {
                Fate::Scan(target) => Ok((target.domain, target.rank)),
                Fate::Reject(row) => Err(row),
            });
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
    /// The next line.
    Line(Box<Line>),
}

/// The receiver is gone: nobody wants more.
struct Unwanted;

/// The reading thread.
struct Walk {
    mark: Mark,
    seen: Once,
    left_alone: LeftAlone,
    sender: mpsc::Sender<Result<Message, SourceError>>,
    number: u64,
    digest: InputDigest,
}

impl Walk {
    fn run(mut self, source: Source) {
        let outcome = self.walk(source);
        if let Ok(Err(error)) = outcome {
            // Nobody listens when the scan has ended for another reason.
            let _ = self.sender.blocking_send(Err(error));
        }
    }

    fn walk(&mut self, source: Source) -> Result<Result<(), SourceError>, Unwanted> {
        if self.mark.line == 0 {
            self.send(Message::Ready)?;
        }
        for FoundInput { input, kept } in source.inputs {
            let counter = Arc::clone(&source.progress.input_bytes);
            let reader =
                kept.map_or_else(|| InputReader::open(&input, source.column.as_deref(), counter), Ok);
            let walked = match reader {
                Ok(reader) => self.walk_input(&input.to_string(), reader)?,
                Err(error) => Err(error),
            };
            if walked.is_err() {
                return Ok(walked);
            }
        }
        if self.number < self.mark.line {
            return Ok(Err(SourceError::ShorterInput { lines: self.mark.line, found: self.number }));
        }
        Ok(Ok(()))
    }

    fn walk_input(&mut self, name: &str, input: InputReader) -> Result<Result<(), SourceError>, Unwanted> {
        let InputReader { bytes, shape } = input;
        let mut lines = LineReader::new(bytes);
        let mut header_due = shape.has_header();
        loop {
            let text = match lines.next(&mut self.digest) {
                Ok(Some(text)) => text,
                Ok(None) => return Ok(Ok(())),
                Err(source) => return Ok(Err(SourceError::Read { input: name.to_owned(), source })),
            };
            self.number += 1;
            let is_header = header_due && text.is_content();
            header_due &= !is_header;
            if self.number <= self.mark.line {
                if self.number == self.mark.line {
                    if self.digest.to_text() != self.mark.digest {
                        return Ok(Err(SourceError::OtherInput { lines: self.mark.line }));
                    }
                    self.send(Message::Ready)?;
                }
                continue;
            }
            let fate = self.judge(name, &shape, text, is_header);
            let line = Line { number: self.number, fate, digest: self.digest.clone() };
            self.send(Message::Line(Box::new(line)))?;
        }
    }

    fn send(&self, message: Message) -> Result<(), Unwanted> {
        self.sender.blocking_send(Ok(message)).map_err(|_| Unwanted)
    }

    fn judge(&mut self, source: &str, shape: &Shape, text: lines::Text<'_>, is_header: bool) -> Fate {
        let target = if is_header { Err(RejectReason::Header.into()) } else { self.target(shape, text) };
        match target {
            Ok((domain, record)) => Fate::Scan(Target {
                domain,
                source: source.to_owned(),
                line: self.number,
                rank: record.rank,
                columns: record.columns,
            }),
            Err(Rejection { reason, detail }) => Fate::Reject(RejectRow {
                source: source.to_owned(),
                line: self.number,
                reason: reason.as_str().to_owned(),
                detail,
                text: ByteBuf::from(&text.bytes()[..text.bytes().len().min(REJECT_TEXT_BYTES_MAX)]),
            }),
        }
    }

    fn target(&mut self, shape: &Shape, text: lines::Text<'_>) -> Result<(String, Record), Rejection> {
        if text.is_too_long() {
            return Err(RejectReason::LineTooLong.into());
        }
        let text = std::str::from_utf8(text.bytes()).map_err(|_| RejectReason::NotUtf8)?;
        match text.trim_start().chars().next() {
            None => return Err(RejectReason::Empty.into()),
            Some('#') => return Err(RejectReason::Comment.into()),
            Some(_) => {}
        }
        let record = shape
            .read(text)
            .map_err(|why| Rejection { reason: RejectReason::ColumnMissing, detail: Some(why.to_owned()) })?;
        let domain = DomainName::parse(record.domain.trim())?.into_string();
        if self.left_alone.now().names(&domain) {
            return Err(RejectReason::OptOut.into());
        }
        if !self.seen.claim(domain.as_bytes()) {
            return Err(RejectReason::Duplicate.into());
        }
        Ok((domain, record))
    }
}

/// Why a line is not scanned.
struct Rejection {
    reason: RejectReason,
    detail: Option<String>,
}

impl From<RejectReason> for Rejection {
    fn from(reason: RejectReason) -> Self {
        Self { reason, detail: None }
    }
}

impl From<NameFlaw> for Rejection {
    fn from(flaw: NameFlaw) -> Self {
        let reason = match flaw {
            NameFlaw::Empty => RejectReason::ColumnMissing,
            NameFlaw::IpAddress => RejectReason::IpAddress,
            NameFlaw::SingleLabel => RejectReason::SingleLabel,
            _ => RejectReason::NotADomain,
        };
        Self { reason, detail: Some(flaw.to_string()) }
    }
}

#[cfg(test)]
mod tests;
