//! One TLSA record, and what it selects of a certificate.

use sha2::{Digest, Sha256, Sha512};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::SubjectPublicKeyInfo;

use super::{DANE_EE, DANE_TA};

const SELECTOR_CERTIFICATE: u8 = 0;
const SELECTOR_KEY: u8 = 1;
const MATCHING_FULL: u8 = 0;
const MATCHING_SHA256: u8 = 1;
const MATCHING_SHA512: u8 = 2;

/// A TLSA record's fields (RFC 6698 §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlsa<'a> {
    /// Certificate usage.
    pub usage: u8,
    /// Selector: 0 the whole certificate, 1 its public key.
    pub selector: u8,
    /// Matching type: 0 the thing itself, 1 its SHA-256, 2 its SHA-512.
    pub matching: u8,
    /// The association data.
    pub data: &'a [u8],
}

/// Why a record is of no use to a mail client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unusable {
    /// Usages 0 and 1: web PKI, of which SMTP has none (RFC 7672 §3.1.3).
    PkixUsage,
    /// A usage, selector or matching type that nobody has defined (RFC 7671 §4).
    UnknownParameter,
    /// A digest of another length than its algorithm gives.
    DigestLength,
    /// Full data that is no certificate, or no public key.
    Malformed,
}

impl Unusable {
    /// The sub-cause of `tlsa-unusable`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PkixUsage => "pkix-usage",
            Self::UnknownParameter => "unknown-parameter",
            Self::DigestLength => "digest-length",
            Self::Malformed => "malformed",
        }
    }
}

impl Tlsa<'_> {
    /// Why it cannot be used; `None` where it can.
    pub fn unusable(&self) -> Option<Unusable> {
        let known = self.selector <= SELECTOR_KEY && self.matching <= MATCHING_SHA512;
        let is_whole = match (self.selector, self.matching) {
            (_, MATCHING_SHA256) => self.data.len() == 32,
            (_, MATCHING_SHA512) => self.data.len() == 64,
            (SELECTOR_CERTIFICATE, _) => {
                X509Certificate::from_der(self.data).is_ok_and(|(rest, _)| rest.is_empty())
            }
            _ => SubjectPublicKeyInfo::from_der(self.data).is_ok_and(|(rest, _)| rest.is_empty()),
        };
        match self.usage {
            0 | 1 => Some(Unusable::PkixUsage),
            DANE_TA | DANE_EE if known && is_whole => None,
            DANE_TA | DANE_EE if known && self.matching == MATCHING_FULL => Some(Unusable::Malformed),
            DANE_TA | DANE_EE if known => Some(Unusable::DigestLength),
            _ => Some(Unusable::UnknownParameter),
        }
    }

    /// The whole thing that it stands for, where the record holds it rather than a digest.
    pub(super) fn full(&self) -> Option<Full<'_>> {
        match (self.matching, self.selector) {
            (MATCHING_FULL, SELECTOR_CERTIFICATE) => Some(Full::Certificate(self.data)),
            (MATCHING_FULL, SELECTOR_KEY) => Some(Full::Key(self.data)),
            _ => None,
        }
    }

    /// Whether its data is what it selects of a certificate.
    pub(super) fn matches(&self, certificate: &[u8]) -> bool {
        selected(certificate, self.selector).is_some_and(|bytes| self.is_data_of(bytes, self.matching))
    }

    /// Whether its data would match under another selector or matching type, if one of these was mistaken.
    pub(super) fn matches_otherwise(&self, certificate: &[u8]) -> bool {
        (SELECTOR_CERTIFICATE..=SELECTOR_KEY)
            .filter_map(|selector| selected(certificate, selector))
            .any(|bytes| (MATCHING_FULL..=MATCHING_SHA512).any(|matching| self.is_data_of(bytes, matching)))
    }

    /// Whether it is the digest of no bytes at all.
    pub(super) fn is_digest_of_nothing(&self) -> bool {
        self.matching != MATCHING_FULL && self.is_data_of(&[], self.matching)
    }

    fn is_data_of(&self, bytes: &[u8], matching: u8) -> bool {
        match matching {
            MATCHING_FULL => self.data == bytes,
            MATCHING_SHA256 => self.data == Sha256::digest(bytes).as_slice(),
            MATCHING_SHA512 => self.data == Sha512::digest(bytes).as_slice(),
            _ => false,
        }
    }
}

/// What full data is.
pub(super) enum Full<'a> {
    Certificate(&'a [u8]),
    Key(&'a [u8]),
}

fn selected(certificate: &[u8], selector: u8) -> Option<&[u8]> {
    match selector {
        SELECTOR_CERTIFICATE => Some(certificate),
        SELECTOR_KEY => X509Certificate::from_der(certificate)
            .ok()
            .map(|(_, parsed)| parsed.tbs_certificate.subject_pki.raw),
        _ => None,
    }
}

/// The records that count: of those that share usage and selector, the ones with the strongest digest, and full
/// data always (RFC 7671 §9).
pub(super) fn strongest<'r, 'd>(usable: &[(usize, &'r Tlsa<'d>)]) -> Vec<(usize, &'r Tlsa<'d>)> {
    let is_outdone = |record: &Tlsa<'_>| {
        record.matching == MATCHING_SHA256
            && usable.iter().any(|(_, other)| {
                other.matching == MATCHING_SHA512
                    && (other.usage, other.selector) == (record.usage, record.selector)
            })
    };
    usable.iter().filter(|(_, record)| !is_outdone(record)).copied().collect()
}
