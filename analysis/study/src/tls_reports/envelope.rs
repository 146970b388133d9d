//! What a report comes in: JSON, gzip, a mail with attachments, one in the other.
//!
//! What something is, is told by its first bytes, not by its name or its media type: senders differ in both. Nothing is
//! inflated or parsed beyond a limit, and nothing is followed deeper than [`LAYERS_MAX`].

use std::io::Read;

use flate2::read::MultiGzDecoder;
use mailparse::{MailHeaderMap, ParsedMail};
use mxray_protocol::tls_report::REPORT_BYTES_MAX;

/// Bytes of a file or of a mail in a mailbox, at most.
pub(super) const FILE_BYTES_MAX: usize = 64 << 20;
/// Gzip in gzip, mail in mail: how deep.
const LAYERS_MAX: usize = 4;
/// Attachments of a mail that are looked at.
const ATTACHMENTS_MAX: usize = 1_000;

/// JSON that may be a report.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Enclosed {
    /// Where it was: `part 2`; empty for the whole.
    pub(super) part: String,
    pub(super) json: Vec<u8>,
    /// What is odd about the way it came: word and detail.
    pub(super) oddities: Vec<(&'static str, Option<String>)>,
}

/// Something in which there is no report.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) part: String,
    pub(super) reason: &'static str,
    pub(super) detail: Option<String>,
}

/// What was found in a file.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) enclosed: Vec<Enclosed>,
    pub(super) refused: Vec<Refused>,
}

/// What bytes are, by how they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Gzip,
    Json,
    Mailbox,
    Mail,
    Empty,
    Other,
}

impl Shape {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let bare = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
        match bare {
            [] => Self::Empty,
            [0x1f, 0x8b, ..] => Self::Gzip,
            [b'{' | b'[', ..] => Self::Json,
            _ if bare.starts_with(b"From ") => Self::Mailbox,
            _ if begins_as_header(bare) => Self::Mail,
            _ => Self::Other,
        }
    }
}

/// A field name (RFC 5322 §2.2) and its colon.
fn begins_as_header(bytes: &[u8]) -> bool {
    let name = bytes.iter().take_while(|byte| byte.is_ascii_graphic() && **byte != b':').count();
    (1..=80).contains(&name) && bytes.get(name) == Some(&b':')
}

impl Found {
    /// Opens a file's bytes, or those of one mail.
    pub(super) fn in_bytes(bytes: &[u8]) -> Self {
        let mut found = Self::default();
        found.open(bytes, Way::default());
        found
    }

    fn refuse(&mut self, part: String, reason: &'static str, detail: Option<String>) {
        self.refused.push(Refused { part, reason, detail });
    }

    fn open(&mut self, bytes: &[u8], mut way: Way) {
        if way.layers > LAYERS_MAX {
            return self.refuse(way.part, "too-deep", Some(format!("more than {LAYERS_MAX} layers")));
        }
        way.layers += 1;
        match Shape::of(bytes) {
            Shape::Empty => self.refuse(way.part, "empty", None),
            Shape::Json => {
                let Way { part, oddities, .. } = way;
                self.enclosed.push(Enclosed { part, json: bytes.to_vec(), oddities });
            }
            Shape::Gzip => self.open_gzip(bytes, way),
            Shape::Mail | Shape::Mailbox => self.open_mail(bytes, &way.part, way.layers),
            Shape::Other => self.refuse(way.part, "not-recognised", Some(beginning(bytes))),
        }
    }

    fn open_gzip(&mut self, bytes: &[u8], mut way: Way) {
        if way.is_inflated {
            way.oddities.push(("gzip-twice", None));
        }
        way.is_inflated = true;
        match inflate(bytes) {
            Inflated::Whole(inner) => self.open(&inner, way),
            Inflated::Damaged(inner, why) => {
                way.oddities.push(("gzip-damaged", Some(why)));
                self.open(&inner, way);
            }
            Inflated::TooLong => {
                let detail = format!("more than {REPORT_BYTES_MAX} bytes when inflated");
                self.refuse(way.part, "too-long", Some(detail));
            }
        }
    }

    fn open_mail(&mut self, bytes: &[u8], part: &str, layers: usize) {
        let mail = match mailparse::parse_mail(bytes) {
            Ok(mail) => mail,
            Err(error) => return self.refuse(part.to_owned(), "not-a-mail", Some(error.to_string())),
        };
        let before = (self.enclosed.len(), self.refused.len());
        let mut taken = 0;
        for (number, candidate) in mail.parts().enumerate().filter(|(_, part)| part.subparts.is_empty()) {
            // Where the transfer encoding is damaged, what there is may do.
            let contents = candidate.get_body_raw().unwrap_or_default();
            if !is_candidate(candidate, &contents) {
                continue;
            }
            let number = number.to_string();
            let place = [part, "part", &number].join(" ").trim_start().to_owned();
            if taken == ATTACHMENTS_MAX {
                self.refuse(place, "too-many-attachments", Some(format!("{ATTACHMENTS_MAX} were read")));
                break;
            }
            taken += 1;
            let oddities = oddities_of(candidate, &contents);
            self.open(&contents, Way { part: place, oddities, layers, is_inflated: false });
        }
        if (self.enclosed.len(), self.refused.len()) == before {
            self.refuse(part.to_owned(), "no-report-attached", mail.headers.get_first_value("Subject"));
        }
    }
}

/// How one came to some bytes.
#[derive(Default)]
struct Way {
    part: String,
    oddities: Vec<(&'static str, Option<String>)>,
    layers: usize,
    is_inflated: bool,
}

/// Whether a part may hold a report: by its media type or its name, or because it is gzip, or a mail that was forwarded.
fn is_candidate(part: &ParsedMail<'_>, contents: &[u8]) -> bool {
    let media_type = part.ctype.mimetype.as_str();
    let disposition = part.get_content_disposition();
    let name = disposition.params.get("filename").or_else(|| part.ctype.params.get("name"));
    let name = name.map(|name| name.to_ascii_lowercase()).unwrap_or_default();
    let is_file = [".json", ".gz", ".gzip"].iter().any(|end| name.ends_with(end));
    let is_type = ["tlsrpt", "json", "gzip"].iter().any(|word| media_type.contains(word));
    is_file || is_type || is_mail(part) || Shape::of(contents) == Shape::Gzip
}

fn is_mail(part: &ParsedMail<'_>) -> bool {
    matches!(part.ctype.mimetype.as_str(), "message/rfc822" | "message/global")
}

/// Where a part's media type does not say what RFC 8460 §5.3 asks for, or says what it is not.
fn oddities_of(part: &ParsedMail<'_>, contents: &[u8]) -> Vec<(&'static str, Option<String>)> {
    let is_gzip = Shape::of(contents) == Shape::Gzip;
    match part.ctype.mimetype.as_str() {
        "application/tlsrpt+gzip" if is_gzip => Vec::new(),
        "application/tlsrpt+json" if !is_gzip => Vec::new(),
        _ if is_mail(part) => Vec::new(),
        media_type => vec![("media-type", Some(media_type.to_owned()))],
    }
}

enum Inflated {
    Whole(Vec<u8>),
    /// What there is before the damage, and what the damage is.
    Damaged(Vec<u8>, String),
    TooLong,
}

/// Inflates gzip, never to more than a report may have.
fn inflate(bytes: &[u8]) -> Inflated {
    let mut inner = Vec::new();
    let read = MultiGzDecoder::new(bytes).take(REPORT_BYTES_MAX as u64 + 1).read_to_end(&mut inner);
    match read {
        _ if inner.len() > REPORT_BYTES_MAX => Inflated::TooLong,
        Ok(_) => Inflated::Whole(inner),
        Err(error) => Inflated::Damaged(inner, error.to_string()),
    }
}

fn beginning(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned()
}
