//! Names, between the wire and the tables.

use hickory_proto::rr::Name;

/// The longest name on the wire, its root label included (RFC 1035 §2.3.4).
const NAME_BYTES_MAX: usize = 255;
/// The longest label (RFC 1035 §2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// A name as it stands in the tables: lower case, no last dot, `.` for the root; bytes that are no printable
/// ASCII as `\DDD`, a dot or backslash within a label with a backslash before it (RFC 1035 §5.1).
pub(super) fn to_text(name: &Name) -> String {
    if name.is_root() {
        return ".".to_owned();
    }
    let mut text = String::with_capacity(name.len());
    for label in name {
        if !text.is_empty() {
            text.push('.');
        }
        for &byte in label {
            match byte {
                b'.' | b'\\' => text.extend(['\\', char::from(byte)]),
                0x21..=0x7e => text.push(char::from(byte.to_ascii_lowercase())),
                _ => text.extend([
                    '\\',
                    char::from(b'0' + byte / 100),
                    char::from(b'0' + byte / 10 % 10),
                    char::from(b'0' + byte % 10),
                ]),
            }
        }
    }
    text
}

/// Appends a name's wire form, uncompressed; the reverse of [`to_text`].
///
/// # Errors
/// Why no such name can be asked for.
pub(super) fn to_wire(text: &str, wire: &mut Vec<u8>) -> Result<(), &'static str> {
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
        let mut wire = Vec::new();
        to_wire(text, &mut wire).map(|()| wire)
    }

    #[test]
    fn what_is_no_ascii_survives_the_way_to_text_and_back() {
        let labels: [&[u8]; 3] = [b"a.B\\c", &[0, 9, 0x7f, 0xff, b' '], b"Example"];
        let name = Name::from_labels(labels).unwrap();
        let text = to_text(&name);
        assert_eq!(text, r"a\.b\\c.\000\009\127\255\032.example");
        let back = wire(&text).unwrap();
        assert_eq!(back, b"\x05a.b\\c\x05\x00\x09\x7f\xff \x07example\x00");
    }

    #[test]
    fn the_root_is_a_dot() {
        assert_eq!(to_text(&Name::root()), ".");
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
