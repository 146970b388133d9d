//! Replies, cut out of the bytes of a server that may be anything (RFC 5321 §4.2).
//!
//! The readings taken where hosts differ from the letter: a bare LF ends a line, though only CRLF does (§2.3.8); a code
//! without text is a reply (§4.2 bids clients take it); the lines of a reply should have one code (§4.2.1), and where they
//! do not, the last one's counts. Every line is kept as it came.

/// Longest line taken, without its end. RFC 5321 §4.5.3.1.5 says 512 with it; some say more.
pub const LINE_BYTES_MAX: usize = 2_048;
/// Most lines of one reply.
pub const REPLY_LINES_MAX: usize = 256;
/// Most bytes of one reply.
pub const REPLY_BYTES_MAX: usize = 32 << 10;

/// A reply of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The code of its last line; `None` when the bytes are no reply, or no whole one.
    pub code: Option<u16>,
    /// Its lines as received, without their ends.
    pub lines: Vec<Vec<u8>>,
}

/// What is wrong with the bytes that should be a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyFlaw {
    /// A line does not begin with three digits and a space, a hyphen or its end.
    Malformed,
    /// A line, or the reply, is longer than the cap.
    Oversize,
}

/// Collects bytes, gives replies. It never holds more than the caps and what was given to it at once.
#[derive(Debug, Default)]
pub(super) struct ReplyReader {
    buffer: Vec<u8>,
    lines: Vec<Vec<u8>>,
    bytes: usize,
}

impl ReplyReader {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole reply, if its last line has arrived. A flaw comes with what was read of it.
    pub(super) fn next(&mut self) -> Option<(Reply, Option<ReplyFlaw>)> {
        let mut begin = 0;
        let found = loop {
            let rest = &self.buffer[begin..];
            let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
                // Its `\r` may have come without its `\n`.
                if rest.strip_suffix(b"\r").unwrap_or(rest).len() > LINE_BYTES_MAX {
                    self.lines.push(rest[..LINE_BYTES_MAX].to_vec());
                    break Some((None, Some(ReplyFlaw::Oversize)));
                }
                break None;
            };
            let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
            begin += end + 1;
            self.bytes += end + 1;
            let kept = line.len().min(LINE_BYTES_MAX);
            self.lines.push(line[..kept].to_vec());
            let too_long = kept < line.len()
                || self.bytes > REPLY_BYTES_MAX
                || (self.lines.len() == REPLY_LINES_MAX && !is_last(line));
            match code(line) {
                _ if too_long => break Some((None, Some(ReplyFlaw::Oversize))),
                None => break Some((None, Some(ReplyFlaw::Malformed))),
                Some(code) if is_last(line) => break Some((Some(code), None)),
                Some(_) => {}
            }
        };
        self.buffer.drain(..begin);
        let (code, flaw) = found?;
        self.bytes = 0;
        Some((Reply { code, lines: std::mem::take(&mut self.lines) }, flaw))
    }

    /// Takes the bytes after the last reply.
    pub(super) fn take_rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// Takes what has arrived of a reply that will not be whole.
    pub(super) fn take_partial(&mut self) -> Option<Reply> {
        let mut lines = std::mem::take(&mut self.lines);
        let mut rest = self.take_rest();
        if !rest.is_empty() {
            rest.truncate(LINE_BYTES_MAX);
            lines.push(rest);
        }
        (!lines.is_empty()).then_some(Reply { code: None, lines })
    }
}

/// The code of a line that has the form of a reply's.
fn code(line: &[u8]) -> Option<u16> {
    let (digits, rest) = line.split_at_checked(3)?;
    if !digits.iter().all(u8::is_ascii_digit) || !matches!(rest.first(), None | Some(b' ' | b'-')) {
        return None;
    }
    Some(digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0')))
}

fn is_last(line: &[u8]) -> bool {
    line.get(3) != Some(&b'-')
}

/// The keywords of an `EHLO` reply, as written: the first word of each line but the first, which is the server's
/// greeting (RFC 5321 §4.1.1.1). Keywords have no case.
pub fn ehlo_keywords<'a, L>(lines: L) -> impl Iterator<Item = &'a [u8]>
where
    L: IntoIterator<Item = &'a [u8]>,
{
    lines.into_iter().skip(1).filter_map(|line| {
        let text = line.get(4..)?.trim_ascii_start();
        let end = text.iter().position(|byte| matches!(byte, b' ' | b'\t' | b'=')).unwrap_or(text.len());
        (end > 0).then_some(&text[..end])
    })
}
