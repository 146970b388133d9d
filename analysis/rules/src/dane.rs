//! TLSA records against the chain that a mail host showed (RFC 6698, RFC 7671), as SMTP uses them (RFC 7672 §3).
//!
//! Usages 0 and 1 are unusable for SMTP (RFC 7672 §3.1.3). Usage 3 asks only whether the leaf is the one published:
//! neither name nor dates count (RFC 7671 §5.1). Usage 2 asks for a path from the leaf to an anchor that a record
//! names, within its dates, and for the host's name (RFC 7671 §5.2).
//!
//! Whether the records may be believed at all is DNSSEC's to say, and not asked here.

mod anchor;
mod domain;
mod host;
mod record;
mod table;

use mxray_evidence::{Lookup, Micros, TlsaRecord};
use record::strongest;

pub(crate) use domain::{judge, shares};
pub(crate) use host::{HostDane, NextHop, Standing};
pub use record::{Tlsa, Unusable};
pub(crate) use table::RULES;

/// Certificates of one chain that are looked at; what follows is ignored. Real chains have two to four.
const CHAIN_CERTIFICATES_MAX: usize = 16;

/// What TLSA records and a chain make of each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DaneOutcome {
    /// No record can be used: TLS is asked for, and nobody is authenticated (RFC 7672 §2.2).
    Unusable,
    /// A record authenticates the host.
    Authenticated {
        /// Its place among the records.
        record: usize,
        /// The certificate that it matches: 0 is the leaf; `None` one that stands in DNS alone.
        depth: Option<usize>,
    },
    /// Usable records stand there, and none of them matches the chain.
    Mismatch(NearMiss),
    /// Only usage 2 can be used, and no record's anchor is in the chain.
    AnchorAbsent,
    /// An anchor is there and a path leads to it, but the leaf is not for the host.
    AnchorName,
    /// An anchor is there, and no valid path leads to it: dates, signatures, constraints. In words.
    AnchorPath(String),
}

/// What a mismatch looks like from near.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NearMiss {
    /// A record is the digest of nothing: whoever made it hashed an empty file.
    DigestOfNothing,
    /// The data of a record would match under another selector or matching type.
    SelectorOrType,
    /// The data of a record would match under another usage.
    Usage,
    /// Only a record with a weaker digest matches; whoever chooses the strongest (RFC 7671 §9) does not see it.
    WeakerDigest,
    /// None of these.
    None,
}

impl NearMiss {
    /// The sub-cause of `tlsa-mismatch`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DigestOfNothing => "digest-of-nothing",
            Self::SelectorOrType => "selector-or-type",
            Self::Usage => "usage",
            Self::WeakerDigest => "weaker-digest",
            Self::None => "other",
        }
    }
}

/// Matches the TLSA records of a host against the chain that it showed, leaf first, DER. `names` are those that the
/// leaf may be for under usage 2 (RFC 7672 §3.2.2): the TLSA base domain, and the domain itself where its MX set is
/// secure. Dates of usage 2 are judged at `at`.
///
/// Of the records that share a usage and a selector only those with the strongest digest count, as RFC 7671 §9 asks
/// of clients that know both; full data counts always.
pub fn match_tlsa(records: &[Tlsa<'_>], chain: &[&[u8]], names: &[&str], at: Micros) -> DaneOutcome {
    let chain = &chain[..chain.len().min(CHAIN_CERTIFICATES_MAX)];
    let usable: Vec<(usize, &Tlsa<'_>)> =
        records.iter().enumerate().filter(|(_, record)| record.unusable().is_none()).collect();
    if usable.is_empty() {
        return DaneOutcome::Unusable;
    }
    let counted = strongest(&usable);
    if let Some(leaf) = chain.first()
        && let Some((place, _)) =
            counted.iter().find(|(_, record)| record.usage == DANE_EE && record.matches(leaf))
    {
        return DaneOutcome::Authenticated { record: *place, depth: Some(0) };
    }
    let anchors: Vec<(usize, &Tlsa<'_>)> =
        counted.iter().filter(|(_, record)| record.usage == DANE_TA).copied().collect();
    match anchor::search(&anchors, chain, names, at) {
        anchor::Found::Path { record, depth } => DaneOutcome::Authenticated { record, depth },
        anchor::Found::Name => DaneOutcome::AnchorName,
        anchor::Found::NoPath(words) => DaneOutcome::AnchorPath(words),
        anchor::Found::Nothing => match near_miss(&usable, &counted, chain) {
            NearMiss::None if counted.len() == anchors.len() => DaneOutcome::AnchorAbsent,
            near => DaneOutcome::Mismatch(near),
        },
    }
}

/// The TLSA records of a host against the chain that a session with it showed, leaf first, DER. `None` where there are
/// no records, or they are not signed.
pub fn match_host(lookup: &Lookup<TlsaRecord>, chain: &[&[u8]], at: Micros) -> Option<DaneOutcome> {
    if lookup.records.is_empty() || lookup.authenticated != Some(true) {
        return None;
    }
    let base = lookup.name.strip_prefix("_25._tcp.").unwrap_or(&lookup.name);
    Some(match_tlsa(&records(lookup), chain, &[base], at))
}

/// The records of a lookup. What does not fit into a field of the record is a parameter that nobody has defined.
fn records(lookup: &Lookup<TlsaRecord>) -> Vec<Tlsa<'_>> {
    let field = |number: u16| u8::try_from(number).unwrap_or(u8::MAX);
    let records = lookup.records.iter().map(|row| Tlsa {
        usage: field(row.usage),
        selector: field(row.selector),
        matching: field(row.matching),
        data: &row.data,
    });
    records.collect()
}

/// Usage DANE-TA (RFC 7218 §2.1).
const DANE_TA: u8 = 2;
/// Usage DANE-EE (RFC 7218 §2.1).
const DANE_EE: u8 = 3;

fn near_miss(usable: &[(usize, &Tlsa<'_>)], counted: &[(usize, &Tlsa<'_>)], chain: &[&[u8]]) -> NearMiss {
    let Some((leaf, issuers)) = chain.split_first() else { return NearMiss::None };
    let any = |test: &dyn Fn(&Tlsa<'_>) -> bool| usable.iter().any(|(_, record)| test(record));
    // Where a record of its usage should have matched.
    let place = |record: &Tlsa<'_>| if record.usage == DANE_EE { &chain[..1] } else { issuers };
    let is_left_out = |place: usize| !counted.iter().any(|(kept, _)| *kept == place);
    let weaker = |&(index, record): &(usize, &Tlsa<'_>)| {
        is_left_out(index) && place(record).iter().any(|certificate| record.matches(certificate))
    };
    if usable.iter().any(weaker) {
        NearMiss::WeakerDigest
    } else if any(&|record| record.is_digest_of_nothing()) {
        NearMiss::DigestOfNothing
    } else if any(&|record| place(record).iter().any(|certificate| record.matches_otherwise(certificate))) {
        NearMiss::SelectorOrType
    } else if any(&|record| match record.usage {
        DANE_EE => issuers.iter().any(|certificate| record.matches(certificate)),
        _ => record.matches(leaf),
    }) {
        NearMiss::Usage
    } else {
        NearMiss::None
    }
}
