//! Bytes cut into lines, each held only up to a cap.

use std::io::{self, BufRead};

use super::{InputDigest, LINE_BYTES_MAX};

/// Cuts a stream into lines.
pub(super) struct LineReader {
    bytes: Box<dyn BufRead + Send>,
    line: Vec<u8>,
    first: bool,
}

/// A line without its end, and without the byte order mark that may begin a file.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    bytes: &'a [u8],
    too_long: bool,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl<'a> Text<'a> {
    /// A line that was read before.
    pub(super) fn new(bytes: &'a [u8], too_long: bool) -> Self {
        Self { bytes, too_long }
    }

    /// Its bytes: all of them, or the first [`LINE_BYTES_MAX`] if it is too long.
    pub(super) fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Whether it goes on behind [`bytes`](Self::bytes).
    pub(super) fn is_too_long(self) -> bool {
        self.too_long
    }

    /// Whether there is anything on it but a comment.
    pub(super) fn is_content(self) -> bool {
        is_content(self.bytes)
    }
}

/// Whether a line holds anything but white space and comment.
pub(super) fn is_content(line: &[u8]) -> bool {
    !matches!(line.trim_ascii_start().first(), None | Some(b'#'))
}

/// A file's first line without the mark that may begin it.
pub(super) fn without_mark(line: &[u8]) -> &[u8] {
    line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line)
}

impl LineReader {
    pub(super) fn new(bytes: Box<dyn BufRead + Send>) -> Self {
        Self { bytes, line: Vec::with_capacity(LINE_BYTES_MAX), first: true }
    }

    /// The next line; `None` at the end. Every byte of it goes into the digest, however long it is.
    pub(super) fn next(&mut self, digest: &mut InputDigest) -> io::Result<Option<Text<'_>>> {
        self.line.clear();
        let mut length = 0u64;
        let mut last = 0;
        loop {
            let available = match self.bytes.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() && length == 0 {
                return Ok(None);
            }
            let (piece, ended) = match available.iter().position(|&byte| byte == b'\n') {
                Some(end) => (&available[..end], true),
                None => (available, available.is_empty()),
            };
            digest.feed(piece);
            // One byte more than the cap is kept, so that a `\r` there can be dropped.
            let room = LINE_BYTES_MAX + 1 - self.line.len();
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            length += piece.len() as u64;
            last = piece.last().copied().unwrap_or(last);
            let consumed = piece.len() + usize::from(ended && !available.is_empty());
            self.bytes.consume(consumed);
            if ended {
                break;
            }
        }
        digest.feed(b"\n");
        Ok(Some(self.text(length, last)))
    }

    fn text(&mut self, length: u64, last: u8) -> Text<'_> {
        let length = length - u64::from(last == b'\r' && length > 0);
        let held = LINE_BYTES_MAX.min(usize::try_from(length).unwrap_or(usize::MAX));
        let bytes = &self.line[..held];
        let bytes = if std::mem::take(&mut self.first) { without_mark(bytes) } else { bytes };
        Text { bytes, too_long: length > LINE_BYTES_MAX as u64 }
    }
}
