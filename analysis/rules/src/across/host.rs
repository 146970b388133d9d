//! An MX host across runs: its certificates and its TLSA records.

use mxray_evidence::Micros;
use serde::{Deserialize, Serialize};

use super::change::{Change, ChangeKind};
use crate::chain::CERTIFICATE_EXPIRING_DAYS;
use crate::rule::Effect;

/// How an MX host stood when a run looked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostStanding {
    /// When it was asked.
    pub at: Micros,
    /// SHA-256 of the leaves that it showed over its addresses, sorted, and whether each address showed one.
    pub leaves: Vec<[u8; 32]>,
    /// Whether every session with it showed one: only then may a certificate be said to be gone.
    pub complete: bool,
    /// The earliest end of validity among them.
    pub not_after: Option<Micros>,
    /// Its TLSA records; `None` where they were not measured, or do not validate.
    pub tlsa: Option<TlsaStanding>,
}

/// The TLSA records of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsaStanding {
    /// Those that are signed, as `usage selector matching data`, in hexadecimal, sorted.
    pub records: Vec<String>,
    /// Whether there are some that are not signed, so that no sender takes them (RFC 7672 §2.2).
    pub unsigned: bool,
    /// Which of these match what the host showed.
    pub matching: Vec<String>,
    /// Their TTL as received, seconds.
    pub ttl: u32,
}

/// A change of a host, and the host.
pub type HostChange = Change;

/// Says what changed of a host between two runs that both reached it.
pub fn judge_host_across(before: &HostStanding, after: &HostStanding) -> Vec<HostChange> {
    let mut changes = Vec::new();
    let mut push = |kind, rule, was: String, is: String, effect, means: &str| {
        changes.push(Change {
            kind,
            rule,
            cause: (rule == Some("tlsa-mismatch")).then_some("earlier-certificate"),
            since: before.at,
            seen: after.at,
            before: Some(was),
            after: Some(is),
            effect,
            means: means.to_owned(),
            cached_at_least: None,
            cached_at_most: None,
        });
    };
    let known = before.complete && after.complete && !before.leaves.is_empty() && !after.leaves.is_empty();
    let replaced = known && before.leaves != after.leaves;
    if replaced {
        let means = "another certificate is shown; those who pin the old one must follow";
        push(
            ChangeKind::CertificateReplaced,
            None,
            shown(&before.leaves),
            shown(&after.leaves),
            Effect::None,
            means,
        );
    }
    if let (true, Some(was), Some(is)) = (known, before.not_after, after.not_after) {
        let soon = CERTIFICATE_EXPIRING_DAYS * 86_400_000_000;
        let (ended, ends) = (|end: Micros, at: Micros| end < at, |end: Micros, at: Micros| end < at + soon);
        let (was_text, is_text) = (was.to_string(), is.to_string());
        if ended(is, after.at) && !ended(was, before.at) {
            let means = "senders that enforce a policy do not deliver there";
            push(ChangeKind::CertificateEnded, None, was_text, is_text, Effect::Refuse, means);
        } else if ends(is, after.at) && !ended(is, after.at) && !ends(was, before.at) {
            let means = "it has to be renewed before it ends";
            push(ChangeKind::CertificateEnding, None, was_text, is_text, Effect::None, means);
        }
    }
    if let (Some(was), Some(is)) = (&before.tlsa, &after.tlsa) {
        judge_tlsa(before, after, (was, is), replaced, known, &mut push);
    }
    changes
}

fn judge_tlsa(
    before: &HostStanding,
    after: &HostStanding,
    (was, is): (&TlsaStanding, &TlsaStanding),
    replaced: bool,
    known: bool,
    push: &mut impl FnMut(ChangeKind, Option<&'static str>, String, String, Effect, &str),
) {
    let (was_text, is_text) = (was.records.join(", "), is.records.join(", "));
    match (was.records.is_empty(), is.records.is_empty()) {
        (true, true) => return,
        (true, false) => {
            let means = "senders with DANE authenticate the host from now on";
            return push(ChangeKind::TlsaAdopted, None, was_text, is_text, Effect::None, means);
        }
        (false, true) if is.unsigned => {
            let means =
                "the records are not signed any more: senders with DANE take the host without authentication";
            return push(ChangeKind::TlsaUnsigned, None, was_text, is_text, Effect::Downgrade, means);
        }
        (false, true) => {
            let means = "senders with DANE take the host without authentication";
            return push(ChangeKind::TlsaAbandoned, None, was_text, is_text, Effect::Downgrade, means);
        }
        _ => {}
    }
    let broken = known && !was.matching.is_empty() && is.matching.is_empty();
    if was.records == is.records {
        if broken && replaced {
            let means =
                "senders with DANE do not deliver there: the certificate changed, and the records did not";
            for rule in ["tlsa-rollover-never", "tlsa-mismatch"] {
                let texts = (was_text.clone(), is_text.clone());
                push(ChangeKind::Unchanged, Some(rule), texts.0, texts.1, Effect::Refuse, means);
            }
        }
        return;
    }
    let withdrawn = was.matching.iter().any(|record| !is.records.contains(record));
    let apart = after.at - before.at;
    let (rule, effect, means) = if broken && !replaced && withdrawn {
        let means = "senders with DANE do not deliver there: the record went before its certificate";
        (Some("tlsa-rollover-early"), Effect::Refuse, means)
    } else if replaced && withdrawn && apart < 2 * Micros::from(was.ttl) * 1_000_000 {
        let means = "senders that hold the old records do not deliver there until these end";
        (Some("tlsa-rollover-late"), Effect::Refuse, means)
    } else {
        (None, Effect::None, "senders with DANE follow the records")
    };
    push(ChangeKind::TlsaChanged, rule, was_text, is_text, effect, means);
}

/// The first eight hexadecimal digits of each.
fn shown(leaves: &[[u8; 32]]) -> String {
    let begin = |leaf: &[u8; 32]| format!("{:08x}", u32::from_be_bytes([leaf[0], leaf[1], leaf[2], leaf[3]]));
    leaves.iter().map(begin).collect::<Vec<_>>().join(", ")
}
