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
//! The reading taken where senders differ: blank lines, indented lines and a blank before the colon are outside
//! the grammar and are passed over, as flaws that [`PolicyFlawKind::is_tolerated`]; comments are outside the
//! grammar and make the policy invalid; of a key that stands twice the first counts, as §3.2 has it; a `max_age`
//! over 31557600 is invalid by the prose, though the grammar's ten digits would hold it (erratum 7282).

use std::collections::BTreeSet;
use std::ops::Range;

use crate::mx_pattern::{MxPattern, MxPatternFlaw};
use crate::txt_fields::{is_extension_name, is_wsp, trim};

/// The greatest `max_age`: a year, in seconds (§3.2).
pub const MAX_AGE_SECONDS_MAX: u64 = 31_557_600;
const MAX_AGE_DIGITS_MAX: usize = 10;

/// A policy's text, read whatever it holds. Offsets are into the bytes that were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StsPolicy {
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

/// Something that the grammar does not allow, or that senders read differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFlaw {
    /// Where it stands; empty at the end of the text for what is missing.
    pub span: Range<usize>,
    /// What it is.
    pub kind: PolicyFlawKind,
}

/// What can be wrong with a policy's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PolicyFlawKind {
    /// Nothing stands there, or nothing but white space.
    Empty,
    /// It is not made of keys and values. No other flaw stands beside this one.
    NotKeyValue(Shape),
    /// No `version`.
    VersionMissing,
    /// A `version` other than `STSv1`.
    VersionWrong,
    /// No `mode`.
    ModeMissing,
    /// A `mode` that is none of the three words; their case counts.
    ModeUnknown,
    /// No `max_age`.
    MaxAgeMissing,
    /// A `max_age` that is not made of digits.
    MaxAgeNotANumber,
    /// A `max_age` over 31557600, or of more than ten digits.
    MaxAgeTooLarge,
    /// No `mx`, and the mode is not `none`.
    MxMissing,
    /// An `mx` that is no pattern.
    MxSyntax(MxPatternFlaw),
    /// A key other than `mx` that stands again: this one is ignored.
    DuplicateKey,
    /// A line, or the tail of a value, that begins with `#`.
    Comment,
    /// White space where the grammar has none.
    Whitespace(Blank),
}

/// What a text is, that is no list of keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// It begins with `<`.
    Html,
    /// It begins with `{` or `[`.
    Json,
    /// Its lines end in CR alone.
    BareCr,
    /// It begins with the UTF-8 byte order mark.
    Bom,
    /// UTF-16, by its mark or by its zero bytes.
    Utf16,
    /// Something else: a line without a colon, a key or an extension's value that the grammar does not allow.
    Other,
}

/// White space where the grammar has none, over which the reading taken here passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blank {
    /// A line with nothing on it.
    Line,
    /// Before a key.
    Indent,
    /// Between a key and its colon.
    BeforeColon,
}

impl PolicyFlawKind {
    /// Whether the policy stands in spite of it: nothing is wrong by §3.2 (a duplicate key), or senders differ and
    /// the reading taken here passes over it (white space).
    pub fn is_tolerated(self) -> bool {
        matches!(self, Self::DuplicateKey | Self::Whitespace(_))
    }
}

impl StsPolicy {
    /// Reads a policy.
    pub fn parse(text: &[u8]) -> Self {
        match whole_shape(text) {
            Some(kind) => Self::without_fields(PolicyFlaw { span: 0..text.len(), kind }),
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

    fn without_fields(flaw: PolicyFlaw) -> Self {
        Self { fields: Vec::new(), mode: None, max_age: None, mx: Vec::new(), flaws: vec![flaw] }
    }
}

/// What can be told before any line is read.
fn whole_shape(text: &[u8]) -> Option<PolicyFlawKind> {
    let Some(first) = text.iter().find(|byte| !byte.is_ascii_whitespace()) else {
        return Some(PolicyFlawKind::Empty);
    };
    let zeros = text.iter().map(|byte| usize::from(*byte == 0)).sum::<usize>();
    let shape =
        if text.starts_with(&[0xff, 0xfe]) || text.starts_with(&[0xfe, 0xff]) || zeros * 4 > text.len() {
            Shape::Utf16
        } else if text.starts_with(&[0xef, 0xbb, 0xbf]) {
            Shape::Bom
        } else if *first == b'<' {
            Shape::Html
        } else if matches!(first, b'{' | b'[') {
            Shape::Json
        } else if has_bare_cr(text) {
            Shape::BareCr
        } else {
            return None;
        };
    Some(PolicyFlawKind::NotKeyValue(shape))
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
        let policy =
            StsPolicy { fields: Vec::new(), mode: None, max_age: None, mx: Vec::new(), flaws: Vec::new() };
        Self { text, policy, seen: BTreeSet::new(), mx_seen: false }
    }

    fn read(mut self) -> StsPolicy {
        let mut at = 0;
        while at < self.text.len() {
            let length = self.text[at..].iter().position(|byte| *byte == b'\n');
            let end = length.map_or(self.text.len(), |length| at + length);
            let line_end = if end > at && self.text[end - 1] == b'\r' { end - 1 } else { end };
            if let Err(span) = self.line(at..line_end) {
                let kind = PolicyFlawKind::NotKeyValue(Shape::Other);
                return StsPolicy::without_fields(PolicyFlaw { span, kind });
            }
            at = end + 1;
        }
        self.missing();
        self.policy
    }

    fn flaw(&mut self, span: Range<usize>, kind: PolicyFlawKind) {
        self.policy.flaws.push(PolicyFlaw { span, kind });
    }

    /// Reads a line; `Err` is one that is no key and value.
    fn line(&mut self, line: Range<usize>) -> Result<(), Range<usize>> {
        let whole = trim(self.text, line.clone());
        if whole.is_empty() {
            self.flaw(line, PolicyFlawKind::Whitespace(Blank::Line));
            return Ok(());
        }
        if self.text[whole.start] == b'#' {
            self.flaw(whole, PolicyFlawKind::Comment);
            return Ok(());
        }
        let colon = self.text[whole.clone()].iter().position(|byte| *byte == b':').ok_or(whole.clone())?;
        let colon = whole.start + colon;
        let name = trim(self.text, whole.start..colon);
        if !is_extension_name(&self.text[name.clone()]) {
            return Err(whole);
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

    fn field(&mut self, name: Range<usize>, value: Range<usize>) -> Result<(), Range<usize>> {
        let key = &self.text[name.clone()];
        let known = matches!(key, b"version" | b"mode" | b"max_age" | b"mx");
        if !known && !is_extension_value(&self.text[value.clone()]) {
            return Err(name.start..value.end);
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
                self.flaw(value.start + tail..value.end, PolicyFlawKind::Comment);
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

/// `1*10(DIGIT)`, at most a year.
fn read_max_age(text: &[u8]) -> Result<u64, PolicyFlawKind> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err(PolicyFlawKind::MaxAgeNotANumber);
    }
    if text.len() > MAX_AGE_DIGITS_MAX {
        return Err(PolicyFlawKind::MaxAgeTooLarge);
    }
    let seconds = text.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    if seconds > MAX_AGE_SECONDS_MAX { Err(PolicyFlawKind::MaxAgeTooLarge) } else { Ok(seconds) }
}

/// `sts-policy-vchar [*(%x20 / sts-policy-vchar) sts-policy-vchar]`: UTF-8 without controls, blanks only inside.
fn is_extension_value(value: &[u8]) -> bool {
    !value.is_empty()
        && std::str::from_utf8(value).is_ok_and(|text| !text.bytes().any(|byte| byte < 0x20 || byte == 0x7f))
}
