//! The `_smtp._tls` TXT record (RFC 8460 §3).
//!
//! ```text
//! tlsrpt-record  = tlsrpt-version 1*(field-delim tlsrpt-field) [field-delim]
//! tlsrpt-version = %s"v=TLSRPTv1"
//! tlsrpt-rua     = %s"rua=" tlsrpt-uri *(*WSP "," *WSP tlsrpt-uri)     ; required
//! tlsrpt-uri     = URI                    ; RFC 3986; "," "!" ";" MUST be encoded
//! ```
//!
//! The readings taken where the text leaves a choice:
//!
//! - The grammar lets `rua` stand more than once, and says nothing of what that means: all are read. Some validators
//!   refuse the second.
//! - `rua=` takes a URI at once: white space behind the `=` is outside the grammar, though it is around a comma. The
//!   URI behind it is read all the same, and the record is invalid.
//! - "URI" is RFC 3986's, so a scheme has no case (§3.1) and `%` takes two hexadecimal digits (§2.1); what a `mailto:`
//!   names is one `addr-spec` (RFC 6068 §2), or several between encoded commas.
//! - White space before the first semicolon, and at the end without one: as in an `_mta-sts` record
//!   (see [`Opening::Loose`]).

use std::ops::Range;

use crate::placeholder::has_placeholder;
use crate::txt_fields::{self, FieldFlaw, Opening, TxtField, trim};

/// An `_smtp._tls` record, read whatever it holds. Offsets are into the bytes that were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsrptRecord {
    text: Vec<u8>,
    /// The fields after the version, in order.
    pub fields: Vec<TxtField>,
    /// The well-formed URIs to which reports go, in order.
    pub rua: Vec<String>,
    /// What is wrong with it.
    pub flaws: Vec<TlsrptFlaw>,
}

/// Something that the grammar does not allow, or that senders read differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsrptFlaw {
    /// Where it stands; empty at the end of the record for what is missing.
    pub span: Range<usize>,
    /// What it is.
    pub kind: TlsrptFlawKind,
}

/// What can be wrong with an `_smtp._tls` record that begins as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsrptFlawKind {
    /// No field is named `rua`.
    RuaMissing,
    /// A URI that is neither `mailto:` nor `https:`, or that has no scheme.
    UriScheme,
    /// A URI of the right scheme that is none.
    UriSyntax(UriSlip),
    /// Another field that breaks the grammar.
    Extension(FieldFlaw),
    /// `v=TLSRPTv1 ;`: allowed by the grammar, discarded by the prose.
    SpacedDelimiter,
    /// White space at the end without a semicolon: outside the grammar, and widely trimmed.
    TrailingSpace,
}

/// What is wrong with a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UriSlip {
    /// Nothing stands there.
    Empty,
    /// A `,`, `!` or `;` that is not percent-encoded.
    RawDelimiter,
    /// A `mailto:` without an address.
    NoAt,
    /// A `mailto:` with something that is no address: two `@`, or a domain with an empty label or a dot at its end.
    Address,
    /// An `https:` without a host.
    NoHost,
    /// White space inside, or before it.
    Space,
    /// A template's placeholder: `mailto:tls@<your-domain>`.
    Placeholder,
    /// Another character that a URI has not (RFC 3986 §2).
    Character,
}

impl TlsrptFlawKind {
    /// Whether senders differ on it, and the reading taken here is that the record stands.
    pub fn is_tolerated(self) -> bool {
        matches!(self, Self::SpacedDelimiter | Self::TrailingSpace)
    }
}

impl TlsrptRecord {
    /// How a TXT record begins: only those that begin as [`Opening::Record`] are candidates.
    pub fn opening(text: &[u8]) -> Opening {
        txt_fields::opening(text, "TLSRPTv1", "tlsrpt")
    }

    /// Reads a record, its character-strings joined. What does not begin as a record is read all the same.
    pub fn parse(text: &[u8]) -> Self {
        let read = txt_fields::fields(text, Self::opening(text));
        let mut record =
            Self { text: text.to_vec(), fields: read.fields, rua: Vec::new(), flaws: Vec::new() };
        if let Some(span) = read.spaced {
            record.flaw(span, TlsrptFlawKind::SpacedDelimiter);
        }
        let mut rua_seen = false;
        let mut at = 0;
        while let Some(field) = record.fields.get(at).cloned() {
            at += 1;
            if field.flaw != Some(FieldFlaw::NoEquals) && text[field.name.clone()] == *b"rua" {
                rua_seen = true;
                let next = record.fields.get(at);
                if let Some(cut) = next.filter(|next| was_cut(text, &field, next)) {
                    let span = field.span.start..cut.span.end;
                    record.flaw(span, TlsrptFlawKind::UriSyntax(UriSlip::RawDelimiter));
                    at += 1;
                } else {
                    record.read_uris(text, field.value);
                }
            } else if let Some(flaw) = field.flaw {
                record.flaw(field.span, TlsrptFlawKind::Extension(flaw));
            }
        }
        if let Some(span) = read.trailing_space {
            record.flaw(span, TlsrptFlawKind::TrailingSpace);
        }
        if !rua_seen {
            record.flaw(text.len()..text.len(), TlsrptFlawKind::RuaMissing);
        }
        record
    }

    /// The record, put together again from its fields and what stands between them: what was read, to the byte.
    pub fn print(&self) -> Vec<u8> {
        txt_fields::print(&self.text, &self.fields)
    }

    /// Whether it stands, in the reading taken here (see [`TlsrptFlawKind::is_tolerated`]).
    pub fn is_valid(&self) -> bool {
        self.flaws.iter().all(|flaw| flaw.kind.is_tolerated())
    }

    /// Whether every sender, the strictest too, takes it.
    pub fn is_valid_strictly(&self) -> bool {
        self.flaws.is_empty()
    }

    fn flaw(&mut self, span: Range<usize>, kind: TlsrptFlawKind) {
        self.flaws.push(TlsrptFlaw { span, kind });
    }

    /// `tlsrpt-uri *(*WSP "," *WSP tlsrpt-uri)`
    fn read_uris(&mut self, text: &[u8], value: Range<usize>) {
        let pieces = split_at_commas(text, value.clone());
        let begin = pieces.first().map_or(value.start, |piece| piece.start);
        if begin > value.start && begin < value.end {
            self.flaw(value.start..begin, TlsrptFlawKind::UriSyntax(UriSlip::Space));
        }
        let mut at = 0;
        while let Some(piece) = pieces.get(at).cloned() {
            at += 1;
            let mut span = piece;
            // A comma inside a URI looks like one between two: what follows has no scheme.
            while let Some(next) = pieces.get(at).filter(|next| is_severed(text, &span, next)) {
                span.end = next.end;
                at += 1;
            }
            match read_uri(&text[span.clone()]) {
                Ok(uri) => self.rua.push(uri),
                Err(kind) => self.flaw(span, kind),
            }
        }
    }
}

/// Whether `next` is the rest of the last URI of `rua`, cut off by a raw semicolon.
fn was_cut(text: &[u8], rua: &TxtField, next: &TxtField) -> bool {
    let last = split_at_commas(text, rua.value.clone()).pop().unwrap_or_default();
    next.flaw == Some(FieldFlaw::NoEquals) && is_severed(text, &last, &next.span)
}

/// Whether `next` is no URI of its own, and `uri` one that wants a rest: a `mailto:` without `@` before something
/// with one, or an `https:` before something without a scheme.
fn is_severed(text: &[u8], uri: &Range<usize>, next: &Range<usize>) -> bool {
    let (uri, next) = (&text[uri.clone()], &text[next.clone()]);
    if next.is_empty() || scheme(next).is_some() {
        return false;
    }
    match scheme(uri).as_deref() {
        Some("mailto") => !uri.contains(&b'@') && next.contains(&b'@'),
        Some("https") => !next.contains(&b'@'),
        _ => false,
    }
}

fn split_at_commas(text: &[u8], value: Range<usize>) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = value.start;
    for at in value.clone() {
        if text[at] == b',' {
            pieces.push(trim(text, start..at));
            start = at + 1;
        }
    }
    pieces.push(trim(text, start..value.end));
    pieces
}

/// `ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ) ":"` (RFC 3986 §3.1), in lower case.
fn scheme(uri: &[u8]) -> Option<String> {
    let colon = uri.iter().position(|byte| *byte == b':')?;
    let scheme = &uri[..colon];
    let well_formed = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    well_formed.then(|| scheme.iter().map(|byte| char::from(byte.to_ascii_lowercase())).collect())
}

fn read_uri(uri: &[u8]) -> Result<String, TlsrptFlawKind> {
    if uri.is_empty() {
        return Err(TlsrptFlawKind::UriSyntax(UriSlip::Empty));
    }
    let scheme = scheme(uri);
    let rest = match scheme.as_deref() {
        Some("mailto") => &uri["mailto:".len()..],
        Some("https") => &uri["https:".len()..],
        _ => return Err(TlsrptFlawKind::UriScheme),
    };
    let slip = if rest.is_empty() {
        Some(UriSlip::Empty)
    } else if !rest.iter().all(|byte| is_uri_char(*byte)) || !is_encoded(rest) {
        Some(odd_character(rest))
    } else if scheme.as_deref() == Some("mailto") {
        mailbox_slip(rest)
    } else {
        (!has_host(rest)).then_some(UriSlip::NoHost)
    };
    match slip {
        Some(slip) => Err(TlsrptFlawKind::UriSyntax(slip)),
        None => Ok(uri.iter().map(|byte| char::from(*byte)).collect()),
    }
}

/// What to call a text that has a character which URIs have not here.
fn odd_character(rest: &[u8]) -> UriSlip {
    if has_placeholder(rest) {
        UriSlip::Placeholder
    } else if rest.iter().any(u8::is_ascii_whitespace) {
        UriSlip::Space
    } else if rest.iter().any(|byte| matches!(byte, b',' | b'!' | b';')) {
        UriSlip::RawDelimiter
    } else {
        UriSlip::Character
    }
}

/// unreserved, reserved and `%` (RFC 3986 §2), without the three that must be encoded here.
fn is_uri_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#[]@$&'()*+=%".contains(&byte)
}

/// Whether two hexadecimal digits follow each `%` (RFC 3986 §2.1).
fn is_encoded(rest: &[u8]) -> bool {
    let digits = |tail: &[u8]| tail.len() >= 2 && tail[..2].iter().all(u8::is_ascii_hexdigit);
    rest.iter().enumerate().all(|(at, byte)| *byte != b'%' || digits(&rest[at + 1..]))
}

/// What is wrong with the address before any `?`: `local-part "@" domain` (RFC 6068 §2).
fn mailbox_slip(rest: &[u8]) -> Option<UriSlip> {
    let address = rest.split(|byte| *byte == b'?').next().unwrap_or_default();
    let mut sides = address.split(|byte| *byte == b'@');
    let (local, domain) = (sides.next().unwrap_or_default(), sides.next());
    match domain {
        Some(domain) if !local.is_empty() && !domain.is_empty() => {
            let has_empty_label = domain.split(|byte| *byte == b'.').any(<[u8]>::is_empty);
            (has_empty_label || sides.next().is_some()).then_some(UriSlip::Address)
        }
        _ => Some(UriSlip::NoAt),
    }
}

/// `//` and a host.
fn has_host(rest: &[u8]) -> bool {
    rest.strip_prefix(b"//")
        .and_then(<[u8]>::first)
        .is_some_and(|byte| !matches!(byte, b'/' | b'?' | b'#' | b':'))
}
