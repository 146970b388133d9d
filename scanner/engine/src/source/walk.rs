//! The reading thread: from inputs to lines, each with its fate.

use std::sync::Arc;

use mxray_evidence::{ByteBuf, RejectReason, RejectRow};
use mxray_protocol::name::{DomainName, NameFlaw};
use tokio::sync::mpsc;

use super::lines::{LineReader, Text};
use super::reader::InputReader;
use super::shape::{Record, Shape};
use super::window::{Window, shuffled};
use super::{
    Fate, FoundInput, InputDigest, LINES_A_MESSAGE_MAX, Line, Mark, Message, Order, Source, SourceError,
    Target,
};
use crate::names_seen::NamesSeen;
use crate::opt_out::LeftAlone;

/// Bytes of a rejected line that are kept.
pub(super) const REJECT_TEXT_BYTES_MAX: usize = 256;

/// Why nothing more is read.
enum Halt {
    /// The receiver is gone: nobody wants more.
    Unwanted,
    /// It cannot be.
    Failed(SourceError),
}

impl From<SourceError> for Halt {
    fn from(error: SourceError) -> Self {
        Self::Failed(error)
    }
}

/// The reading thread.
pub(super) struct Walk {
    mark: Mark,
    order: Order,
    seen: NamesSeen,
    left_alone: LeftAlone,
    sender: mpsc::Sender<Result<Message, SourceError>>,
    /// Lines read.
    lines: u64,
    digest: InputDigest,
    window: Window,
}

impl Walk {
    pub(super) fn new(
        mark: Mark,
        order: Order,
        seen: NamesSeen,
        left_alone: LeftAlone,
        sender: mpsc::Sender<Result<Message, SourceError>>,
    ) -> Self {
        let (digest, window) = (InputDigest::default(), Window::default());
        Self { mark, order, seen, left_alone, sender, lines: 0, digest, window }
    }

    pub(super) fn run(mut self, source: Source) {
        if let Err(Halt::Failed(error)) = self.walk(source) {
            // Nobody listens when the scan has ended for another reason.
            let _ = self.sender.blocking_send(Err(error));
        }
    }

    fn walk(&mut self, source: Source) -> Result<(), Halt> {
        if self.mark.line == 0 {
            self.send(Message::Ready)?;
        }
        for FoundInput { input, kept } in source.inputs {
            let counter = Arc::clone(&source.progress.input_bytes);
            let reader = match kept {
                Some(reader) => reader,
                None => InputReader::open(&input, source.column.as_deref(), counter)?,
            };
            self.walk_input(&input.to_string(), reader)?;
        }
        if self.lines < self.mark.line {
            return Err(SourceError::ShorterInput { lines: self.mark.line, found: self.lines }.into());
        }
        Ok(())
    }

    fn walk_input(&mut self, name: &str, input: InputReader) -> Result<(), Halt> {
        let InputReader { bytes, shape } = input;
        let mut reader = LineReader::new(bytes);
        let mut header_due = shape.has_header();
        loop {
            let first = self.lines + 1;
            // A window that breaks off is not begun: mended, it would have another order.
            self.window
                .fill(&mut reader, &mut self.digest, self.order.window_lines)
                .map_err(|source| SourceError::Read { input: name.to_owned(), source })?;
            let length = self.window.len();
            if length == 0 {
                return Ok(());
            }
            let header = (0..length).find(|&place| header_due && self.window.line(place).is_content());
            header_due &= header.is_none();
            self.lines += length as u64;
            let digest: Arc<str> = self.digest.to_text().into();
            let done = (self.mark.line + 1).saturating_sub(first).min(length as u64) as usize;
            if done > 0 && self.mark.line <= self.lines {
                if *digest != self.mark.digest {
                    return Err(SourceError::OtherInput { lines: self.mark.line }.into());
                }
                self.send(Message::Ready)?;
            }
            if done < length {
                let order = shuffled(length, self.order.seed, first);
                let mut fates = self.judge_window(name, &shape, first, header, &order[done..])?;
                let mut lines = order.iter().enumerate().skip(done).filter_map(|(turn, &place)| {
                    let fate = fates[place].take()?;
                    Some(Line { turn: first + turn as u64, fate, digest: Arc::clone(&digest) })
                });
                loop {
                    let block: Vec<Line> = lines.by_ref().take(LINES_A_MESSAGE_MAX).collect();
                    if block.is_empty() {
                        break;
                    }
                    self.send(Message::Lines(block))?;
                }
            }
        }
    }

    fn send(&self, message: Message) -> Result<(), Halt> {
        self.sender.blocking_send(Ok(message)).map_err(|_| Halt::Unwanted)
    }

    /// What becomes of the lines of the window at these places. They are judged as they stand in the input, so that of
    /// two lines with one name the first is scanned.
    fn judge_window(
        &mut self,
        source: &str,
        shape: &Shape,
        first: u64,
        header: Option<usize>,
        places: &[usize],
    ) -> Result<Vec<Option<Fate>>, SourceError> {
        let mut fates: Vec<Option<Fate>> = Vec::new();
        fates.resize_with(self.window.len(), || None);
        let mut places = places.to_vec();
        places.sort_unstable();
        let source: Arc<str> = source.into();
        for place in places {
            let text = self.window.line(place);
            let number = first + place as u64;
            let target = if header == Some(place) {
                Err(RejectReason::Header.into())
            } else {
                target(shape, text, &self.left_alone, &mut self.seen)?
            };
            fates[place] = Some(match target {
                Ok((domain, record)) => Fate::Scan(Target {
                    domain: domain.into(),
                    source: Arc::clone(&source),
                    line: number,
                    rank: record.rank,
                    columns: record.columns,
                }),
                Err(Rejection { reason, detail }) => Fate::Reject(RejectRow {
                    source: source.to_string(),
                    line: number,
                    reason: reason.as_str().to_owned(),
                    detail,
                    text: ByteBuf::from(&text.bytes()[..text.bytes().len().min(REJECT_TEXT_BYTES_MAX)]),
                }),
            });
        }
        Ok(fates)
    }
}

/// The domain of a line, if it is to be scanned.
fn target(
    shape: &Shape,
    text: Text<'_>,
    left_alone: &LeftAlone,
    seen: &mut NamesSeen,
) -> Result<Result<(String, Record), Rejection>, SourceError> {
    let (domain, record) = match name(shape, text) {
        Ok(named) => named,
        Err(rejection) => return Ok(Err(rejection)),
    };
    if left_alone.now().names(&domain) {
        return Ok(Err(RejectReason::OptOut.into()));
    }
    let is_new = seen.claim(domain.as_bytes()).map_err(|source| SourceError::NamesSeen { source })?;
    Ok(if is_new { Ok((domain, record)) } else { Err(RejectReason::Duplicate.into()) })
}

/// The domain that a line names.
fn name(shape: &Shape, text: Text<'_>) -> Result<(String, Record), Rejection> {
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
    Ok((DomainName::parse(record.domain.trim())?.into_string(), record))
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
