//! What can be wrong with a policy's text.

use std::ops::Range;

use crate::mx_pattern::MxPatternFlaw;

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
    /// A line that is no key and value.
    Line(LineSlip),
    /// A template's placeholder, where a value of a known key or a whole line should be:
    /// `mode: [enforce|testing|none]`, `{% include policy %}`.
    Placeholder,
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
    /// A `max_age` over 31557600 that the grammar's ten digits hold.
    MaxAgeTooLarge,
    /// A `max_age` of more than ten digits.
    MaxAgeTooLong,
    /// No `mx`, and the mode is not `none`.
    MxMissing,
    /// An `mx` that is no pattern.
    MxSyntax(MxPatternFlaw),
    /// A key other than `mx` that stands again: this one is ignored.
    DuplicateKey,
    /// Something that begins with `#`.
    Comment(Comment),
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
    /// It begins with a line `---`: the front matter of a site generator that did not run.
    FrontMatter,
    /// Something else: no line has a key of a policy, and some are no keys and values at all.
    Other,
}

/// Why a line is no key and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LineSlip {
    /// There is no colon.
    NoColon,
    /// What stands before the colon is no name of a key.
    Key,
    /// An extension's value that is empty, or has a control character or is not UTF-8.
    Value,
}

/// Where a comment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comment {
    /// On a line of its own.
    Line,
    /// Behind a value.
    Tail,
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

    /// Whether senders differ on it, though the reading taken here is that the policy is invalid.
    pub fn is_disputed(self) -> bool {
        matches!(self, Self::Comment(_) | Self::MaxAgeTooLarge)
    }
}
