//! The policy's text (RFC 8461 §3.2).
//!
//! ```text
//! sts-policy-record = sts-policy-field *WSP *(sts-policy-term sts-policy-field *WSP) [sts-policy-term]
//! sts-policy-field  = name ":" *WSP value
//! sts-policy-term   = LF / CRLF
//! version           = %s"STSv1"                              ; required once
//! mode              = %s"testing" / %s"enforce" / %s"none"   ; required once
//! max_age           = 1*10(DIGIT)                            ; required once
//! mx                = ["*."] Domain                          ; required, except when mode is none
//! ```
//!
//! The readings taken where the text leaves a choice, or senders differ:
//!
//! - Lines end in LF or in CRLF, as the grammar has it; the prose of §3.2 says CRLF alone (erratum 6253, reported,
//!   mends the prose). The last line's end is optional, and one is all: what follows it is a blank line.
//! - Blank lines, indented lines and a blank before the colon are outside the grammar and are passed over, as flaws
//!   that [`PolicyFlawKind::is_tolerated`].
//! - Comments are outside the grammar and make the policy invalid. Senders that skip lines they cannot read take a
//!   policy with lines of comment, and few one with a tail behind a value: [`PolicyFlawKind::is_disputed`].
//! - Of a key that stands twice the first counts, as §3.2 has it; unknown keys are ignored, and must be well-formed.
//! - A `max_age` over 31557600 is invalid by the prose of §3.2, though the grammar's ten digits hold it; some senders
//!   take it, or cap it: disputed, too. Erratum 7282 (reported) would have the grammar say eight digits; nine or ten
//!   with zeros in front are read as the number that they are.
//! - A line that is no key and value does not keep the others from being read. Where no line at all has a key of a
//!   policy, the text is something else as a whole ([`Shape::Other`]).

mod flaw;

use std::collections::BTreeSet;
use std::ops::Range;

use crate::mx_pattern::MxPattern;
use crate::placeholder::has_placeholder;
use crate::txt_fields::{is_extension_name, is_wsp, trim};

pub use flaw::{Blank, Comment, LineSlip, PolicyFlaw, PolicyFlawKind, Shape};

/// The greatest `max_age`: a year, in seconds (§3.2).
pub const MAX_AGE_SECONDS_MAX: u64 = 31_557_600;
const MAX_AGE_DIGITS_MAX: usize = 10;

/// A policy's text, read whatever it holds. Offsets are into the bytes that were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StsPolicy {
    text: Vec<u8>,
    /// Every line that is a key and a value, in order.
    pub fields: Vec<PolicyField>,
    /// The mode, where it is well-formed.
    pub mode: Option<Mode>,
    /// The lifetime in seconds, where it is well-formed.
    pub max_age: Option<u64>,
    /// The well-formed patterns, in order.
    pub mx: Vec<MxPattern>,
    /// What is wrong with it, in the order of the text; what is missing stands last.
    pub flaws: Vec<PolicyFlaw>,
}

/// A line of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyField {
    /// Where its key stands.
    pub name: Range<usize>,
    /// Where its value stands, without the white space around it.
    pub value: Range<usize>,
}

/// What a sender does when a policy fails to validate (§5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// It does not deliver.
    Enforce,
    /// It delivers, and reports.
    Testing,
    /// It behaves as if there were no policy.
    None,
}

impl Mode {
    /// The word of the policy.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Testing => "testing",
            Self::None => "none",
        }
    }

    fn from_word(word: &[u8]) -> Option<Self> {
        [Self::Enforce, Self::Testing, Self::None].into_iter().find(|mode| mode.as_str().as_bytes() == word)
    }
}

impl StsPolicy {
    /// Reads a policy.
    pub fn parse(text: &[u8]) -> Self {
        match whole_shape(text) {
            Some(kind) => Self::without_fields(text, PolicyFlaw { span: 0..text.len(), kind }),
            None => Reader::new(text).read(),
        }
    }

    /// Whether it stands, in the reading taken here (see [`PolicyFlawKind::is_tolerated`]).
    pub fn is_valid(&self) -> bool {
        self.flaws.iter().all(|flaw| flaw.kind.is_tolerated())
    }

    /// Whether every sender, the strictest too, takes it.
    pub fn is_valid_strictly(&self) -> bool {
        self.flaws.iter().all(|flaw| flaw.kind == PolicyFlawKind::DuplicateKey)
    }

    /// Whether some sender takes it: nothing is wrong with it but what senders differ on
    /// (see [`PolicyFlawKind::is_disputed`]).
    pub fn is_valid_leniently(&self) -> bool {
        self.flaws.iter().all(|flaw| flaw.kind.is_tolerated() || flaw.kind.is_disputed())
    }

    /// The policy, put together again from its fields and what stands between them: what was read, to the byte.
    pub fn print(&self) -> Vec<u8> {
        let text = &self.text;
        let mut printed = Vec::with_capacity(text.len());
        for field in &self.fields {
            printed.extend_from_slice(&text[printed.len()..field.name.start]);
            printed.extend_from_slice(&text[field.name.clone()]);
            printed.extend_from_slice(&text[printed.len()..field.value.start]);
            printed.extend_from_slice(&text[field.value.clone()]);
        }
        printed.extend_from_slice(&text[printed.len()..]);
        printed
    }

    fn empty(text: &[u8]) -> Self {
        let text = text.to_vec();
        Self { text, fields: Vec::new(), mode: None, max_age: None, mx: Vec::new(), flaws: Vec::new() }
    }

    fn without_fields(text: &[u8], flaw: PolicyFlaw) -> Self {
        Self { flaws: vec![flaw], ..Self::empty(text) }
    }
}

/// What can be told before any line is read.
fn whole_shape(text: &[u8]) -> Option<PolicyFlawKind> {
    let Some(first) = text.iter().find(|byte| !byte.is_ascii_whitespace()) else {
        return Some(PolicyFlawKind::Empty);
    };
    let zeros = text.iter().map(|byte| usize::from(*byte == 0)).sum::<usize>();
    let marked = text.strip_prefix(b"\xef\xbb\xbf");
    let first = marked.and_then(|rest| rest.iter().find(|byte| !byte.is_ascii_whitespace())).unwrap_or(first);
    let shape =
        if text.starts_with(&[0xff, 0xfe]) || text.starts_with(&[0xfe, 0xff]) || zeros * 4 > text.len() {
            Shape::Utf16
        } else if *first == b'<' {
            Shape::Html
        } else if matches!(first, b'{' | b'[') && !has_placeholder(first_line(text)) {
            Shape::Json
        } else if marked.is_some() {
            Shape::Bom
        } else if has_bare_cr(text) {
            Shape::BareCr
        } else if first_line(text).trim_ascii_end() == b"---" {
            Shape::FrontMatter
        } else {
            return None;
        };
    Some(PolicyFlawKind::NotKeyValue(shape))
}

fn first_line(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == b'\n').next().unwrap_or_default()
}

fn has_bare_cr(text: &[u8]) -> bool {
    text.iter().enumerate().any(|(at, byte)| *byte == b'\r' && text.get(at + 1) != Some(&b'\n'))
}

/// Reads line by line.
struct Reader<'a> {
    text: &'a [u8],
    policy: StsPolicy,
    seen: BTreeSet<&'a [u8]>,
    mx_seen: bool,
}

impl<'a> Reader<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { text, policy: StsPolicy::empty(text), seen: BTreeSet::new(), mx_seen: false }
    }

    fn read(mut self) -> StsPolicy {
        let mut at = 0;
        let mut first_slip = None;
        while at < self.text.len() {
            let length = self.text[at..].iter().position(|byte| *byte == b'\n');
            let end = length.map_or(self.text.len(), |length| at + length);
            let line_end = if end > at && self.text[end - 1] == b'\r' { end - 1 } else { end };
            if let Err((span, slip)) = self.line(at..line_end) {
                let is_template = has_placeholder(&self.text[span.clone()]);
                let kind = if is_template { PolicyFlawKind::Placeholder } else { PolicyFlawKind::Line(slip) };
                first_slip.get_or_insert((span.clone(), is_template));
                self.flaw(span, kind);
            }
            at = end + 1;
        }
        match first_slip {
            Some((span, false)) if !self.has_known_key() => {
                let kind = PolicyFlawKind::NotKeyValue(Shape::Other);
                StsPolicy::without_fields(self.text, PolicyFlaw { span, kind })
            }
            _ => {
                self.policy.flaws.sort_by_key(|flaw| flaw.span.start);
                self.missing();
                self.policy
            }
        }
    }

    fn has_known_key(&self) -> bool {
        self.mx_seen || self.seen.iter().any(|key| is_known(key))
    }

    fn flaw(&mut self, span: Range<usize>, kind: PolicyFlawKind) {
        self.policy.flaws.push(PolicyFlaw { span, kind });
    }

    /// Reads a line; `Err` is one that is no key and value: where, and why.
    fn line(&mut self, line: Range<usize>) -> Result<(), (Range<usize>, LineSlip)> {
        let whole = trim(self.text, line.clone());
        if whole.is_empty() {
            self.flaw(line, PolicyFlawKind::Whitespace(Blank::Line));
            return Ok(());
        }
        if self.text[whole.start] == b'#' {
            self.flaw(whole, PolicyFlawKind::Comment(Comment::Line));
            return Ok(());
        }
        let colon = self.text[whole.clone()].iter().position(|byte| *byte == b':');
        let colon = colon.ok_or((whole.clone(), LineSlip::NoColon))?;
        let colon = whole.start + colon;
        let name = trim(self.text, whole.start..colon);
        if !is_extension_name(&self.text[name.clone()]) {
            return Err((whole, LineSlip::Key));
        }
        if whole.start > line.start {
            self.flaw(line.start..whole.start, PolicyFlawKind::Whitespace(Blank::Indent));
        }
        if name.end < colon {
            self.flaw(name.end..colon, PolicyFlawKind::Whitespace(Blank::BeforeColon));
        }
        let value = trim(self.text, colon + 1..whole.end);
        self.field(name, value)
    }

    fn field(&mut self, name: Range<usize>, value: Range<usize>) -> Result<(), (Range<usize>, LineSlip)> {
        let key = &self.text[name.clone()];
        let known = is_known(key);
        if !known && !is_extension_value(&self.text[value.clone()]) {
            return Err((name.start..value.end, LineSlip::Value));
        }
        self.policy.fields.push(PolicyField { name: name.clone(), value: value.clone() });
        if key != b"mx" && self.seen.contains(key) {
            self.flaw(name.start..value.end, PolicyFlawKind::DuplicateKey);
            return Ok(());
        }
        if !known {
            self.seen.insert(key);
            return Ok(());
        }
        let value = self.without_comment(value);
        let text = &self.text[value.clone()];
        let flaw = match key {
            b"mx" => {
                self.mx_seen = true;
                match MxPattern::parse(text) {
                    Ok(pattern) => {
                        self.policy.mx.push(pattern);
                        None
                    }
                    Err(flaw) => Some(PolicyFlawKind::MxSyntax(flaw)),
                }
            }
            b"version" => (text != b"STSv1").then_some(PolicyFlawKind::VersionWrong),
            b"mode" => {
                self.policy.mode = Mode::from_word(text);
                self.policy.mode.is_none().then_some(PolicyFlawKind::ModeUnknown)
            }
            _ => match read_max_age(text) {
                Ok(seconds) => {
                    self.policy.max_age = Some(seconds);
                    None
                }
                Err(flaw) => Some(flaw),
            },
        };
        if key != b"mx" {
            self.seen.insert(key);
        }
        if let Some(kind) = flaw {
            let kind = if has_placeholder(text) { PolicyFlawKind::Placeholder } else { kind };
            self.flaw(name.start..value.end, kind);
        }
        Ok(())
    }

    /// The value without a tail that begins with a blank and `#`, which is noted.
    fn without_comment(&mut self, value: Range<usize>) -> Range<usize> {
        let text = &self.text[value.clone()];
        let tail = (0..text.len()).find(|at| text[*at] == b'#' && (*at == 0 || is_wsp(text[*at - 1])));
        match tail {
            None => value,
            Some(tail) => {
                self.flaw(value.start + tail..value.end, PolicyFlawKind::Comment(Comment::Tail));
                trim(self.text, value.start..value.start + tail)
            }
        }
    }

    fn missing(&mut self) {
        let end = self.text.len()..self.text.len();
        let required: [(&[u8], PolicyFlawKind); 3] = [
            (b"version", PolicyFlawKind::VersionMissing),
            (b"mode", PolicyFlawKind::ModeMissing),
            (b"max_age", PolicyFlawKind::MaxAgeMissing),
        ];
        for (key, kind) in required {
            if !self.seen.contains(key) {
                self.flaw(end.clone(), kind);
            }
        }
        if !self.mx_seen && self.policy.mode.is_some_and(|mode| mode != Mode::None) {
            self.flaw(end, PolicyFlawKind::MxMissing);
        }
    }
}

/// The keys that §3.2 defines; case counts.
fn is_known(key: &[u8]) -> bool {
    matches!(key, b"version" | b"mode" | b"max_age" | b"mx")
}

/// `1*10(DIGIT)`, at most a year.
fn read_max_age(text: &[u8]) -> Result<u64, PolicyFlawKind> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err(PolicyFlawKind::MaxAgeNotANumber);
    }
    if text.len() > MAX_AGE_DIGITS_MAX {
        return Err(PolicyFlawKind::MaxAgeTooLong);
    }
    let seconds = text.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    if seconds > MAX_AGE_SECONDS_MAX { Err(PolicyFlawKind::MaxAgeTooLarge) } else { Ok(seconds) }
}

/// `sts-policy-vchar [*(%x20 / sts-policy-vchar) sts-policy-vchar]`: UTF-8 without controls, blanks only inside.
fn is_extension_value(value: &[u8]) -> bool {
    !value.is_empty()
        && std::str::from_utf8(value).is_ok_and(|text| !text.bytes().any(|byte| byte < 0x20 || byte == 0x7f))
}
