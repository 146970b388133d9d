//! The `_mta-sts` TXT record (RFC 8461 §3.1).
//!
//! ```text
//! sts-text-record = sts-version 1*(sts-field-delim sts-field) [sts-field-delim]
//! sts-field       = sts-id / sts-extension      ; sts-id is required
//! sts-version     = %s"v=STSv1"
//! sts-id          = %s"id=" 1*32(ALPHA / DIGIT)
//! ```
//!
//! The readings taken where the text leaves a choice:
//!
//! - An `id` that is no `sts-id` would be a well-formed `sts-extension` of that name (`id=2024-01-15`), but then the
//!   required `sts-id` is missing: it is told as an `id` that is wrong, not as one that is missing.
//! - Of an `id` that stands twice "all entries except for the first SHALL be ignored" (§3.2, last paragraph, of TXT
//!   records too); some validators refuse the record. The first counts here, and the second is a flaw that
//!   [is tolerated](StsRecordFlawKind::is_tolerated). Other fields may stand as often as they like.
//! - A second `v` is an extension field, and ignored.
//! - White space before the first semicolon, and at the end without one: see [`Opening::Loose`] and
//!   [`StsRecordFlawKind::TrailingSpace`].

use std::ops::Range;

use crate::placeholder::has_placeholder;
use crate::txt_fields::{self, FieldFlaw, Opening, TxtField};

/// Characters that an `id` may have.
pub const STS_ID_CHARS_MAX: usize = 32;

/// An `_mta-sts` record, read whatever it holds. Offsets are into the bytes that were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StsRecord {
    text: Vec<u8>,
    /// The fields after the version, in order.
    pub fields: Vec<TxtField>,
    /// The `id`, where it is well-formed. The first counts (§3.2, last paragraph).
    pub id: Option<String>,
    /// What is wrong with it, in the order of the text.
    pub flaws: Vec<StsRecordFlaw>,
}

/// Something that the grammar does not allow, or that senders read differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StsRecordFlaw {
    /// Where it stands; empty at the end of the record for what is missing.
    pub span: Range<usize>,
    /// What it is.
    pub kind: StsRecordFlawKind,
}

/// What can be wrong with an `_mta-sts` record that begins as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StsRecordFlawKind {
    /// No field is named `id`.
    IdMissing,
    /// `id=`.
    IdEmpty,
    /// More than 32 letters and digits.
    IdTooLong,
    /// Something other than letters and digits.
    IdCharacter,
    /// A template's placeholder: `id=<policy-id>`.
    IdPlaceholder,
    /// An `id` that stands again: this one is ignored.
    IdDuplicate,
    /// A field that is no extension either.
    Extension(FieldFlaw),
    /// `v=STSv1 ;`: allowed by the grammar, discarded by the prose (erratum 6285, reported); see [`Opening::Loose`].
    SpacedDelimiter,
    /// White space at the end without a semicolon: outside the grammar, and widely trimmed.
    TrailingSpace,
}

impl StsRecordFlawKind {
    /// Whether senders differ on it, and the reading taken here is that the record stands.
    pub fn is_tolerated(self) -> bool {
        matches!(self, Self::SpacedDelimiter | Self::TrailingSpace | Self::IdDuplicate)
    }
}

impl StsRecord {
    /// How a TXT record begins: only those that begin as [`Opening::Record`] are candidates.
    pub fn opening(text: &[u8]) -> Opening {
        txt_fields::opening(text, "STSv1", "sts")
    }

    /// Reads a record, its character-strings joined. What does not begin as a record is read all the same.
    pub fn parse(text: &[u8]) -> Self {
        let read = txt_fields::fields(text, Self::opening(text));
        let mut flaws = Vec::new();
        let mut flaw = |span: &Range<usize>, kind| flaws.push(StsRecordFlaw { span: span.clone(), kind });
        if let Some(span) = &read.spaced {
            flaw(span, StsRecordFlawKind::SpacedDelimiter);
        }
        let mut id = None;
        let mut id_seen = false;
        for field in &read.fields {
            if text[field.name.clone()] != *b"id" || field.flaw == Some(FieldFlaw::NoEquals) {
                if let Some(kind) = field.flaw {
                    flaw(&field.span, StsRecordFlawKind::Extension(kind));
                }
            } else if id_seen {
                flaw(&field.span, StsRecordFlawKind::IdDuplicate);
            } else {
                id_seen = true;
                match read_id(&text[field.value.clone()]) {
                    Ok(value) => id = Some(value),
                    Err(kind) => flaw(&field.span, kind),
                }
            }
        }
        if let Some(span) = &read.trailing_space {
            flaw(span, StsRecordFlawKind::TrailingSpace);
        }
        if !id_seen {
            flaw(&(text.len()..text.len()), StsRecordFlawKind::IdMissing);
        }
        Self { text: text.to_vec(), fields: read.fields, id, flaws }
    }

    /// The record, put together again from its fields and what stands between them: what was read, to the byte.
    pub fn print(&self) -> Vec<u8> {
        txt_fields::print(&self.text, &self.fields)
    }

    /// Whether it stands, in the reading taken here (see [`StsRecordFlawKind::is_tolerated`]).
    pub fn is_valid(&self) -> bool {
        self.flaws.iter().all(|flaw| flaw.kind.is_tolerated())
    }

    /// Whether every sender, the strictest too, takes it.
    pub fn is_valid_strictly(&self) -> bool {
        self.flaws.is_empty()
    }
}

/// `1*32(ALPHA / DIGIT)`
fn read_id(value: &[u8]) -> Result<String, StsRecordFlawKind> {
    if value.is_empty() {
        Err(StsRecordFlawKind::IdEmpty)
    } else if !value.iter().all(u8::is_ascii_alphanumeric) {
        let is_template = has_placeholder(value);
        Err(if is_template { StsRecordFlawKind::IdPlaceholder } else { StsRecordFlawKind::IdCharacter })
    } else if value.len() > STS_ID_CHARS_MAX {
        Err(StsRecordFlawKind::IdTooLong)
    } else {
        Ok(value.iter().map(|byte| char::from(*byte)).collect())
    }
}
