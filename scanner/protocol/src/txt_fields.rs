//! What the `_mta-sts` and `_smtp._tls` TXT records have in common: a version, then fields between semicolons.
//!
//! RFC 8461 §3.1 and RFC 8460 §3 write the same grammar twice:
//!
//! ```text
//! record      = version 1*(field-delim field) [field-delim]
//! field-delim = *WSP ";" *WSP
//! extension   = ext-name "=" ext-value
//! ext-name    = (ALPHA / DIGIT) *31(ALPHA / DIGIT / "_" / "-" / ".")
//! ext-value   = 1*(%x21-3A / %x3C / %x3E-7E)  ; no "=", ";", SP, CTL
//! ```

use std::ops::Range;

/// Characters that an extension's name may have.
const EXTENSION_NAME_CHARS_MAX: usize = 32;

/// How a TXT record begins, read for a version such as `v=STSv1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// With the version and a semicolon right behind it.
    Record,
    /// With the version, and no semicolon right behind it: white space stands between, or nothing follows at all.
    ///
    /// By the grammar (`*WSP ";" *WSP`) the white space is fine; by the prose, of several records those "that do
    /// not begin with `v=STSv1;` are discarded" (erratum 6285 to RFC 8461, reported, would forbid it in the grammar
    /// too; RFC 8460 §3 has the same pair of sentences). The reading taken: beside a record that begins with the
    /// semicolon it is discarded, as the prose has it; on its own it stands, as the grammar has it.
    Loose,
    /// It plainly means to be such a record, and is none.
    Meant(VersionSlip),
    /// It is something else, as under a wildcard.
    Other,
}

impl Opening {
    /// Whether it is that of a record, by the grammar at least.
    pub fn is_record(self) -> bool {
        matches!(self, Self::Record | Self::Loose)
    }
}

/// What keeps a record that means to be one from beginning as it must.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VersionSlip {
    /// The letters' case: the version is a case-sensitive string (RFC 7405 `%s`).
    Case,
    /// Other characters: `v=STSV2`, `v=MTASTS1`, `v = STSv1`.
    Spelling,
    /// The version stands, but something stands before it.
    Position,
    /// The version stands first, but no semicolon follows.
    Delimiter,
}

/// A field after the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxtField {
    /// Where it stands, without the white space of its delimiters.
    pub span: Range<usize>,
    /// Where its name stands: all of it, where there is no `=`.
    pub name: Range<usize>,
    /// Where its value stands; empty at its end, where there is no `=`.
    pub value: Range<usize>,
    /// What breaks the grammar of an extension field, if anything does.
    pub flaw: Option<FieldFlaw>,
}

/// What breaks the grammar of an extension field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldFlaw {
    /// Nothing stands between two semicolons.
    Empty,
    /// There is no `=`.
    NoEquals,
    /// The name is empty, longer than 32, or has a character that names have not.
    Name,
    /// The value is empty, or has a character that values have not.
    Value,
}

/// The fields of a record, and what its ends look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) fields: Vec<TxtField>,
    /// White space between a version that stands first and the first semicolon: see [`Opening::Loose`].
    pub(crate) spaced: Option<Range<usize>>,
    /// White space after the last field with no semicolon behind it: outside the grammar, and widely trimmed.
    pub(crate) trailing_space: Option<Range<usize>>,
}

/// How `text` begins, for the version `v=<version>`; `family` in lower case is what a misspelt one has in it.
pub(crate) fn opening(text: &[u8], version: &str, family: &str) -> Opening {
    let exact = [b"v=", version.as_bytes()].concat();
    if let Some(rest) = text.strip_prefix(exact.as_slice()) {
        let blank = rest.iter().take_while(|byte| is_wsp(**byte)).count();
        return match rest.get(blank) {
            Some(b';') if blank == 0 => Opening::Record,
            None | Some(b';') => Opening::Loose,
            Some(byte) if blank == 0 && byte.is_ascii_alphanumeric() => Opening::Meant(VersionSlip::Spelling),
            Some(_) => Opening::Meant(VersionSlip::Delimiter),
        };
    }
    let exact = exact.to_ascii_lowercase();
    let mut pieces = text.split(|byte| *byte == b';').map(squeezed);
    let first = pieces.next().unwrap_or_default();
    if first == exact {
        return Opening::Meant(first_slip(text, &exact));
    }
    if pieces.any(|piece| piece == exact) {
        return Opening::Meant(VersionSlip::Position);
    }
    let value = [&b"v="[..], b"v:", b"version=", b"version:"]
        .iter()
        .find_map(|name| first.strip_prefix(*name))
        .or_else(|| first.starts_with(family.as_bytes()).then_some(first.as_slice()));
    match value {
        Some(value) if contains(value, family.as_bytes()) => Opening::Meant(VersionSlip::Spelling),
        _ => Opening::Other,
    }
}

/// The first field is the version once case, blanks and quotes are disregarded: which of them is it?
fn first_slip(text: &[u8], exact: &[u8]) -> VersionSlip {
    if text.to_ascii_lowercase().starts_with(exact) {
        VersionSlip::Case
    } else if text.first().is_some_and(|byte| byte.eq_ignore_ascii_case(&b'v')) {
        VersionSlip::Spelling
    } else {
        VersionSlip::Position
    }
}

/// In lower case, without blanks, quotes and backslashes.
fn squeezed(piece: &[u8]) -> Vec<u8> {
    piece
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace() && !matches!(byte, b'"' | b'\'' | b'\\'))
        .map(u8::to_ascii_lowercase)
        .collect()
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// The fields of `text` behind its first semicolon; `opening` is how it begins.
pub(crate) fn fields(text: &[u8], opening: Opening) -> Read {
    let mut fields = Vec::new();
    let mut trailing_space = None;
    let Some(first) = text.iter().position(|byte| *byte == b';') else {
        return Read { fields, spaced: None, trailing_space };
    };
    let version_end = trim(text, 0..first).end;
    let spaced = (opening == Opening::Loose).then_some(version_end..first);
    let mut at = first + 1;
    loop {
        let end = text[at..].iter().position(|byte| *byte == b';').map(|length| at + length);
        let piece = at..end.unwrap_or(text.len());
        let span = trim(text, piece.clone());
        if end.is_some() || !span.is_empty() {
            if end.is_none() && span.end < piece.end {
                trailing_space = Some(span.end..piece.end);
            }
            fields.push(field(text, span));
        }
        match end {
            Some(end) => at = end + 1,
            None => return Read { fields, spaced, trailing_space },
        }
    }
}

fn field(text: &[u8], span: Range<usize>) -> TxtField {
    let Some(length) = text[span.clone()].iter().position(|byte| *byte == b'=') else {
        let flaw = if span.is_empty() { FieldFlaw::Empty } else { FieldFlaw::NoEquals };
        return TxtField { name: span.clone(), value: span.end..span.end, span, flaw: Some(flaw) };
    };
    let name = span.start..span.start + length;
    let value = name.end + 1..span.end;
    let flaw = if !is_extension_name(&text[name.clone()]) {
        Some(FieldFlaw::Name)
    } else if !is_extension_value(&text[value.clone()]) {
        Some(FieldFlaw::Value)
    } else {
        None
    };
    TxtField { span, name, value, flaw }
}

/// `text` put together again: each field from its spans, and between them what stands between them. Nothing that
/// was read is lost, so that it is `text` to the byte.
pub(crate) fn print(text: &[u8], fields: &[TxtField]) -> Vec<u8> {
    let mut printed = Vec::with_capacity(text.len());
    for field in fields {
        printed.extend_from_slice(&text[printed.len()..field.span.start]);
        printed.extend_from_slice(&text[field.name.clone()]);
        if field.flaw != Some(FieldFlaw::Empty) && field.flaw != Some(FieldFlaw::NoEquals) {
            printed.push(b'=');
        }
        printed.extend_from_slice(&text[field.value.clone()]);
    }
    printed.extend_from_slice(&text[printed.len()..]);
    printed
}

/// `(ALPHA / DIGIT) *31(ALPHA / DIGIT / "_" / "-" / ".")`: extensions of both records and of policies.
pub(crate) fn is_extension_name(name: &[u8]) -> bool {
    name.len() <= EXTENSION_NAME_CHARS_MAX
        && name.first().is_some_and(u8::is_ascii_alphanumeric)
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

fn is_extension_value(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|byte| matches!(byte, 0x21..=0x3a | 0x3c | 0x3e..=0x7e))
}

/// RFC 5234 `WSP`.
pub(crate) fn is_wsp(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// `span` without the white space at its ends.
pub(crate) fn trim(text: &[u8], span: Range<usize>) -> Range<usize> {
    let part = &text[span.clone()];
    let blank = part.iter().take_while(|byte| is_wsp(**byte)).count();
    let tail = part[blank..].iter().rev().take_while(|byte| is_wsp(**byte)).count();
    span.start + blank..span.end - tail
}
