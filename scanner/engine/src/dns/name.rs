//! Names, between the wire and the tables.

use mxray_evidence::Text;
use smallvec::SmallVec;

/// The longest name on the wire, its root label included (RFC 1035 §2.3.4).
const NAME_BYTES_MAX: usize = 255;
/// The longest label (RFC 1035 §2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// As many as nearly all names have.
const TEXT_BYTES: usize = 64;

/// The bits of a length byte that make it a pointer (RFC 1035 §4.1.4).
const POINTER: u8 = 0xc0;

/// Where the bytes after a name begin, which begins itself at `begin` and is found to be whole: labels, perhaps a pointer
/// to an earlier name, the root.
///
/// # Errors
/// Why it cannot be read.
pub(super) fn end(message: &[u8], begin: usize) -> Result<usize, &'static str> {
    let (mut at, mut bytes, mut end) = (begin, 1, None);
    // A pointer leads to before the piece it ends, and what it leads to ends before that: so every name ends.
    let (mut piece, mut limit) = (begin, message.len());
    loop {
        let length = match message.get(at) {
            Some(&length) if at < limit => length,
            _ => return Err("a name does not end"),
        };
        match length & POINTER {
            _ if length == 0 => return Ok(end.unwrap_or(at + 1)),
            0 => {
                at += usize::from(length) + 1;
                bytes += usize::from(length) + 1;
                if bytes > NAME_BYTES_MAX {
                    return Err("a name is longer than 255 bytes");
                }
            }
            POINTER => {
                let target = pointed_at(message, at).ok_or("a name does not end")?;
                if target >= piece {
                    return Err("a name points to no earlier one");
                }
                end = end.or(Some(at + 2));
                limit = piece;
                (piece, at) = (target, target);
            }
            _ => return Err("a label is of no known kind"),
        }
    }
}

/// The labels of a name that was found to be whole.
struct Labels<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let length = *self.message.get(self.at)?;
            if length & POINTER == POINTER {
                self.at = pointed_at(self.message, self.at)?;
            } else if length == 0 {
                return None;
            } else {
                let begin = self.at + 1;
                self.at = begin + usize::from(length);
                return self.message.get(begin..self.at);
            }
        }
    }
}

fn pointed_at(message: &[u8], at: usize) -> Option<usize> {
    let pointer: &[u8; 2] = message.get(at..)?.first_chunk()?;
    Some(usize::from(u16::from_be_bytes(*pointer) & 0x3fff))
}

/// Whether two whole names of a message are one (RFC 1035 §2.3.3: whatever their case).
pub(super) fn is_same(message: &[u8], one: usize, other: usize) -> bool {
    let begin = |at| match message.get(at) {
        Some(&length) if length & POINTER == POINTER => pointed_at(message, at).unwrap_or(at),
        _ => at,
    };
    let (one, other) = (begin(one), begin(other));
    if one == other {
        return true;
    }
    let (mut one, mut other) = (Labels { message, at: one }, Labels { message, at: other });
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(label), Some(other)) if label.eq_ignore_ascii_case(other) => {}
            _ => return false,
        }
    }
}

/// A whole name as it stands in the tables: lower case, no last dot, `.` for the root; bytes that are no printable
/// ASCII as `\DDD`, a dot or backslash within a label with a backslash before it (RFC 1035 §5.1).
pub(super) fn to_text(message: &[u8], at: usize) -> Text {
    let mut text = SmallVec::<[u8; TEXT_BYTES]>::new();
    for label in (Labels { message, at }) {
        if !text.is_empty() {
            text.push(b'.');
        }
        for &byte in label {
            match byte {
                b'.' | b'\\' => text.extend_from_slice(&[b'\\', byte]),
                0x21..=0x7e => text.push(byte.to_ascii_lowercase()),
                _ => {
                    let digits = [byte / 100, byte / 10 % 10, byte % 10].map(|digit| b'0' + digit);
                    text.push(b'\\');
                    text.extend_from_slice(&digits);
                }
            }
        }
    }
    match std::str::from_utf8(&text) {
        Ok("") => Text::const_new("."),
        Ok(text) => text.into(),
        Err(_) => unreachable!("what is no printable ASCII was escaped"),
    }
}

/// Appends a name's wire form, uncompressed; the reverse of [`to_text`].
///
/// # Errors
/// Why no such name can be asked for.
pub(super) fn to_wire<const N: usize>(text: &str, wire: &mut SmallVec<[u8; N]>) -> Result<(), &'static str> {
    let begin = wire.len();
    let mut label_at = begin;
    wire.push(0);
    let mut bytes = text.strip_suffix('.').unwrap_or(text).bytes();
    if text.is_empty() || text == "." {
        return Ok(());
    }
    loop {
        let byte = bytes.next();
        match byte {
            None | Some(b'.') => {
                let length = wire.len() - label_at - 1;
                if length == 0 {
                    return Err("a label is empty");
                }
                if length > LABEL_BYTES_MAX {
                    return Err("a label is longer than 63 bytes");
                }
                wire[label_at] = length as u8;
                label_at = wire.len();
                wire.push(0);
                if byte.is_none() {
                    break;
                }
            }
            Some(b'\\') => wire.push(unescape(&mut bytes)?),
            Some(plain) => wire.push(plain.to_ascii_lowercase()),
        }
    }
    if wire.len() - begin > NAME_BYTES_MAX {
        return Err("the name is longer than 255 bytes");
    }
    Ok(())
}

fn unescape(bytes: &mut std::str::Bytes<'_>) -> Result<u8, &'static str> {
    const BAD: &str = "a backslash stands before nothing it can escape";
    let first = bytes.next().ok_or(BAD)?;
    if !first.is_ascii_digit() {
        return Ok(first);
    }
    let mut value = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = bytes.next().filter(u8::is_ascii_digit).ok_or(BAD)?;
        value = value * 10 + u16::from(digit - b'0');
    }
    u8::try_from(value).map_err(|_| BAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(text: &str) -> Result<Vec<u8>, &'static str> {
        let mut wire = SmallVec::<[u8; 16]>::new();
        to_wire(text, &mut wire).map(|()| wire.to_vec())
    }

    #[test]
    fn what_is_no_ascii_survives_the_way_to_text_and_back() {
        let text = to_text(b"\x05a.B\\c\x05\x00\x09\x7f\xff \x07Example\x00", 0);
        assert_eq!(text, r"a\.b\\c.\000\009\127\255\032.example");
        let back = wire(&text).unwrap();
        assert_eq!(back, b"\x05a.b\\c\x05\x00\x09\x7f\xff \x07example\x00");
    }

    #[test]
    fn the_root_is_a_dot() {
        assert_eq!(to_text(&[0], 0), ".");
        assert_eq!(wire(".").unwrap(), [0]);
    }

    #[test]
    fn a_name_that_cannot_be_is_refused() {
        assert!(wire(&format!("{}.example", "a".repeat(64))).is_err());
        let long = vec!["abcdefgh"; 28].join(".");
        assert_eq!(wire(&long).unwrap().len(), 253);
        assert!(wire(&format!("_mta-sts.{long}")).is_err());
        for bad in ["a..b", ".a", r"a\", r"a\2", r"a\300", r"a\12x"] {
            assert!(wire(bad).is_err(), "{bad}");
        }
    }
}
