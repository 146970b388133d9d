//! Input that was not scanned.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::Table;
use crate::column::{Column, bytes, text, u64, word};
use crate::ending::words;

words! {
    /// Why a line of the input was not scanned.
    RejectReason {
        /// Nothing stands on the line.
        Empty = "empty",
        /// A comment.
        Comment = "comment",
        /// The header of a table.
        Header = "header",
        /// The domain stood on an earlier line.
        Duplicate = "duplicate",
        /// Longer than a line may be.
        LineTooLong = "line-too-long",
        /// Not UTF-8.
        NotUtf8 = "not-utf8",
        /// Not a domain name that DNS can hold, or IDNA refuses it.
        NotADomain = "not-a-domain",
        /// An IP address.
        IpAddress = "ip-address",
        /// A single label: a top-level domain or a host of one's own.
        SingleLabel = "single-label",
        /// The named column is missing from the line.
        ColumnMissing = "column-missing",
        /// On the opt-out list.
        OptOut = "opt-out",
    }
}

/// A row of `rejects`: a line of the input that has no row in `domains`.
///
/// Lines of the input = rows in `domains` + rows in `rejects`, always.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectRow {
    /// The input, as named on the command line.
    pub source: String,
    /// Its line in the whole input, counted from 1 over all sources.
    pub line: u64,
    /// A [`RejectReason`], as its word.
    pub reason: String,
    /// More of it, for a person.
    pub detail: Option<String>,
    /// The line's bytes, cut at 256.
    pub text: ByteBuf,
}

impl Table for RejectRow {
    const NAME: &'static str = "rejects";
    const DOC: &'static str = "A row a line of the input that was not scanned, and why. Lines of the input = rows \
        in `domains` + rows in `rejects`.";

    fn columns() -> Vec<Column> {
        vec![
            word("source", "The input it came from, as named on the command line."),
            u64("line", "Its line in the whole input, counted from 1 over all sources."),
            word("reason", "Why, as a kebab-case word."),
            text("detail", "More of it, for a person.").optional(),
            bytes("text", "The line's bytes, cut at 256."),
        ]
    }
}
