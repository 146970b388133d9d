//! Where a report is not as RFC 8460 has it.

/// Something in a report that is not as the RFC has it, and was read all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oddity {
    /// What.
    pub kind: OddityKind,
    /// Where, as a path into the JSON: `policies[0].policy.mx-host`; empty for the whole.
    pub place: String,
    /// The offending text, cut at 200 characters.
    pub detail: Option<String>,
}

macro_rules! oddities {
    ($($(#[doc = $doc:literal])* $variant:ident = $word:literal,)*) => {
        /// The kinds of [`Oddity`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum OddityKind { $($(#[doc = $doc])* $variant,)* }

        impl OddityKind {
            /// Every kind, in the order of its documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word for it in tables.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

oddities! {
    /// A byte order mark before the JSON (RFC 8259 §8.1 forbids it).
    ByteOrderMark = "byte-order-mark",
    /// Bytes that are no UTF-8, each replaced by U+FFFD.
    NotUtf8 = "not-utf8",
    /// Something behind the JSON object, which was not read.
    TrailingBytes = "trailing-bytes",
    /// A key stands twice in one object: the last counts.
    KeyTwice = "key-twice",
    /// A known key, spelt otherwise.
    KeySpelling = "key-spelling",
    /// A key that the RFC does not know: not read.
    KeyUnknown = "key-unknown",
    /// A field that the RFC asks for is not there.
    FieldMissing = "field-missing",
    /// A field that the RFC asks for is `null` or empty.
    FieldEmpty = "field-empty",
    /// A value of another type than the RFC's; taken where it says the same.
    WrongType = "wrong-type",
    /// A single value where a list should be: taken as a list of one.
    NotAList = "not-a-list",
    /// More than is taken of one report: the rest is not read.
    TooMany = "too-many",
    /// A time without an offset, read as UTC.
    DateWithoutOffset = "date-without-offset",
    /// A time in another form than RFC 3339's, understood.
    DateForm = "date-form",
    /// A time that is none.
    DateInvalid = "date-invalid",
    /// The range ends before it begins.
    DateRangeReversed = "date-range-reversed",
    /// The range is longer than a day.
    DateRangeLong = "date-range-long",
    /// A `policy-type` other than the three.
    PolicyTypeUnknown = "policy-type-unknown",
    /// A policy string that holds a list in JSON: its items are taken.
    PolicyStringJson = "policy-string-json",
    /// A policy string of several lines: each is taken as one.
    PolicyStringLines = "policy-string-lines",
    /// An `mx-host` that begins with the policy's key `mx:`, which is cut off.
    MxHostPrefixed = "mx-host-prefixed",
    /// A name that is no domain name, or not in A-labels.
    NameForm = "name-form",
    /// A `result-type` that is not in §4.3.
    ResultTypeUnknown = "result-type-unknown",
    /// An address that is none.
    AddressInvalid = "address-invalid",
    /// An `additional-information` that is no URI.
    UriInvalid = "uri-invalid",
    /// A count written as a string: taken.
    CountAsText = "count-as-text",
    /// A count that is negative, no whole number, or over 2^64 - 1: not taken.
    CountInvalid = "count-invalid",
    /// Failures in the summary, and no details of them.
    DetailsMissing = "details-missing",
    /// The failures in the details are not as many as the summary says.
    TotalsDiffer = "totals-differ",
    /// More oddities than are noted of one report.
    OdditiesMany = "oddities-many",
}
