//! What DNSSEC makes of an answer, as a validating resolver tells it.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::Lookup;
use crate::cells::{Cell, cells};
use crate::column::{Column, boolean, bytes, u16};
use crate::ending::words;

words! {
    /// What DNSSEC makes of an answer (RFC 4033 §5).
    Security {
        /// A chain of signatures leads from a trust anchor to all of it.
        Secure = "secure",
        /// It is proven that no chain leads there: no DS, or only algorithms that nobody knows (RFC 4035 §5.2).
        Insecure = "insecure",
        /// A chain should lead there and does not.
        Bogus = "bogus",
        /// Nobody could say: the resolver could not get what it needed, or does not validate.
        Indeterminate = "indeterminate",
    }
}

impl Serialize for Security {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Cell for Security {
    type Cells = <&'static str as Cell>::Cells;

    fn put(&self, cells: &mut Self::Cells) {
        self.as_str().put(cells);
    }
}

impl<'de> Deserialize<'de> for Security {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        Self::from_word(&word).ok_or_else(|| serde::de::Error::custom(format!("unknown security {word:?}")))
    }
}

/// An extended error: what a resolver adds to an answer to say what it met (RFC 8914).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtendedError {
    /// The INFO-CODE, by IANA's registry.
    pub code: u16,
    /// The EXTRA-TEXT, as received, up to 256 bytes.
    pub text: ByteBuf,
    /// It came with the answer to the question with validation off (CD).
    pub unchecked: bool,
}

cells! {
    /// Columns of extended errors.
    ExtendedErrorCells of ExtendedError { code: u16, text: ByteBuf, unchecked: bool, }
}

impl ExtendedError {
    /// Whether it says that the answer does not validate: DNSSEC Bogus, Signature Expired, Signature Not Yet Valid,
    /// DNSKEY Missing, RRSIGs Missing, No Zone Key Bit Set, NSEC Missing (RFC 8914 §4.7 to §4.13), and Signature Expired
    /// before Valid (IANA's 25).
    fn says_bogus(&self) -> bool {
        matches!(self.code, 6..=12 | 25)
    }

    /// Whether it says that the resolver could not find out: DNSSEC Indeterminate, Not Ready, No Reachable Authority,
    /// Network Error (RFC 8914 §4.6, §4.15, §4.23, §4.24).
    fn says_indeterminate(&self) -> bool {
        matches!(self.code, 5 | 14 | 22 | 23)
    }

    pub(crate) fn column() -> Column {
        Column::groups(
            "extended_errors",
            "Extended errors (RFC 8914) that came with the answer, as received; up to 8.",
            vec![
                u16(
                    "code",
                    "The INFO-CODE: 6 bogus, 7 signature expired, 9 DNSKEY missing, 22 no reachable authority, and others (IANA's registry).",
                ),
                bytes("text", "The EXTRA-TEXT, up to 256 bytes."),
                boolean("unchecked", "It came with the answer to the question with validation off (CD)."),
            ],
        )
    }
}

impl<R> Lookup<R> {
    /// Whether there is an answer, or what a resolver keeps back, that does not validate. A SERVFAIL is that where the same
    /// question with CD was answered, unless the resolver's extended errors say that it could not find out; data is, where
    /// an extended error says so and there is no AD bit.
    pub fn is_bogus(&self) -> bool {
        const NOERROR: u16 = 0;
        const SERVFAIL: u16 = 2;
        const NXDOMAIN: u16 = 3;
        let said_bogus = self.extended_errors.iter().any(ExtendedError::says_bogus);
        let said_indeterminate = self.extended_errors.iter().any(ExtendedError::says_indeterminate);
        let is_there = matches!(self.unchecked_rcode, Some(NOERROR | NXDOMAIN));
        match self.rcode {
            Some(SERVFAIL) => said_bogus || is_there && !said_indeterminate,
            Some(NOERROR | NXDOMAIN) => said_bogus && self.authenticated != Some(true),
            _ => false,
        }
    }

    /// What DNSSEC makes of the answer; `None` where none came. `validated` is whether the resolver showed that it
    /// validates and is believed: without, nothing is known of any answer.
    pub fn security_by(&self, validated: bool) -> Option<Security> {
        let says_indeterminate = || self.extended_errors.iter().any(ExtendedError::says_indeterminate);
        self.rcode?;
        Some(match self.authenticated {
            _ if !validated => Security::Indeterminate,
            _ if self.is_bogus() => Security::Bogus,
            _ if !self.is_measured() => Security::Indeterminate,
            Some(true) => Security::Secure,
            _ if says_indeterminate() => Security::Indeterminate,
            _ => Security::Insecure,
        })
    }
}
