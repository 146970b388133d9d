//! DANE at one MX host: whether it has records that count, and whether its sessions match them.

use std::collections::BTreeSet;

use mxray_evidence::{AddressRecord, DomainRow, Lookup, LookupStatus, MailHostRow, Security};

use super::{DaneOutcome, NearMiss};
use crate::finding::Notes;
use crate::rule::{Outcome, RuleId};
use crate::session::{OldTls, SessionAssessment, SessionOutcome};

/// Names of leaves that are kept for the domains they may be for.
const NAMES_MAX: usize = 64;

/// Rules that ask what the sessions made of usable records.
const MATCHING: [RuleId; 5] = [
    RuleId::TlsaMismatch,
    RuleId::TlsaAnchorAbsent,
    RuleId::TlsaAnchorName,
    RuleId::TlsaAnchorPath,
    RuleId::TlsaWithoutStarttls,
];

/// What a sender that asks for DANE finds at a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// DNSSEC was not measured, or the host's lookups were not.
    Unknown,
    /// No record, or none that counts: DANE does not apply.
    None,
    /// The TLSA lookup, or that of the addresses, fails: the host is left out (RFC 7672 §2.2).
    Fails,
    /// Records, none of them usable: TLS is asked for, and nobody is authenticated.
    Unusable,
    /// Usable records.
    Usable,
}

/// DANE at a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostDane {
    pub(crate) standing: Standing,
    /// Whether TLSA records are there, signed or not; `None` where that was not measured.
    pub(crate) has_records: Option<bool>,
    /// Sessions that a record authenticated.
    pub(crate) authenticated: u16,
    /// Sessions that showed that a sender with DANE would not deliver: no match, no STARTTLS, no handshake.
    pub(crate) failed: u16,
    /// Sessions that failed for the name alone under usage 2.
    misnamed: u16,
    /// DNS names in the leaves of those.
    names: BTreeSet<String>,
    marks: Vec<Mark>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    rule: RuleId,
    outcome: Outcome,
    cause: Option<&'static str>,
    detail: Option<String>,
}

impl HostDane {
    /// Of a host about which nothing is known.
    pub(crate) fn unknown() -> Self {
        Self {
            standing: Standing::Unknown,
            has_records: None,
            authenticated: 0,
            failed: 0,
            misnamed: 0,
            names: BTreeSet::new(),
            marks: Vec::new(),
        }
    }

    /// Of a host with an address, where the resolver's AD bit is believed.
    pub(crate) fn assess(row: &MailHostRow, sessions: &[SessionAssessment]) -> Self {
        let has_records = row.tlsa.is_measured().then(|| row.tlsa.status() == LookupStatus::Found);
        let mut dane = Self { has_records, ..Self::unknown() };
        match security(&row.a, &row.aaaa) {
            Security::Indeterminate => {
                dane.mark(RuleId::DnssecBogus, Outcome::Unknown, None, Some("its addresses".into()));
                return dane;
            }
            Security::Bogus => {
                dane.standing = Standing::Fails;
                let detail = Some(format!("the addresses of {}", row.host));
                dane.mark(RuleId::DnssecBogus, Outcome::Violation, Some("address"), detail);
                return dane;
            }
            // An alias in a signed zone may have records of its own, whatever it leads to (RFC 7672 §2.2.2). That they are
            // signed says that the zone is, and so the alias.
            Security::Insecure if is_signed_alias(row) => {
                dane.mark(RuleId::DnssecBogus, Outcome::Pass, None, None);
            }
            Security::Insecure if is_alias(row) && !row.tlsa.is_measured() => {
                dane.mark(RuleId::DnssecBogus, Outcome::Pass, None, None);
                let detail = Some("whether the alias is signed was not measured".into());
                dane.mark(RuleId::TlsaLookupFails, Outcome::Unknown, None, detail);
                return dane;
            }
            Security::Insecure => {
                dane.mark(RuleId::DnssecBogus, Outcome::Pass, None, None);
                dane.standing = Standing::None;
                if row.tlsa.status() == LookupStatus::Found {
                    let detail = Some(format!("{} records", row.tlsa.records.len()));
                    dane.mark(RuleId::TlsaInsecure, Outcome::Violation, Some("address"), detail);
                }
                return dane;
            }
            Security::Secure => dane.mark(RuleId::DnssecBogus, Outcome::Pass, None, None),
        }
        dane.judge_records(row);
        if dane.standing == Standing::Usable {
            for session in sessions {
                dane.judge_session(session);
            }
            if dane.authenticated + dane.failed == 0 {
                for rule in MATCHING {
                    dane.mark(rule, Outcome::Unknown, None, Some("no session came so far".into()));
                }
            }
        }
        dane
    }

    fn judge_records(&mut self, row: &MailHostRow) {
        let lookup = &row.tlsa;
        if lookup.is_bogus() {
            self.standing = Standing::Fails;
            let detail = Some(lookup.name.to_string());
            return self.mark(RuleId::DnssecBogus, Outcome::Violation, Some("tlsa"), detail);
        }
        match lookup.status() {
            LookupStatus::Failed(code) => {
                self.standing = Standing::Fails;
                let cause = match code {
                    2 => "servfail",
                    5 => "refused",
                    _ => "other",
                };
                let detail = Some(format!("{} gives response code {code}", lookup.name));
                self.mark(RuleId::TlsaLookupFails, Outcome::Violation, Some(cause), detail);
            }
            LookupStatus::Unanswered => {
                self.standing = Standing::Unknown;
                self.mark(RuleId::TlsaLookupFails, Outcome::Unknown, None, Some("no answer".into()));
            }
            LookupStatus::NoData | LookupStatus::NxDomain => {
                self.standing = Standing::None;
                self.mark(RuleId::TlsaLookupFails, Outcome::Pass, None, None);
            }
            LookupStatus::Found => {
                self.mark(RuleId::TlsaLookupFails, Outcome::Pass, None, None);
                if lookup.authenticated != Some(true) {
                    self.standing = Standing::None;
                    let detail = Some(format!("{} records", lookup.records.len()));
                    return self.mark(RuleId::TlsaInsecure, Outcome::Violation, Some("record"), detail);
                }
                self.mark(RuleId::TlsaInsecure, Outcome::Pass, None, None);
                let unusable: Vec<_> = super::records(lookup).iter().map(super::Tlsa::unusable).collect();
                if let Some(cause) = unusable.iter().copied().min().flatten() {
                    self.standing = Standing::Unusable;
                    let detail = Some(format!("{} of {}", unusable.len(), unusable.len()));
                    return self.mark(RuleId::TlsaUnusable, Outcome::Violation, Some(cause.as_str()), detail);
                }
                self.standing = Standing::Usable;
                self.mark(RuleId::TlsaUnusable, Outcome::Pass, None, None);
            }
        }
    }

    fn judge_session(&mut self, session: &SessionAssessment) {
        let at = session.address.as_str();
        let violated = match (&session.outcome, &session.dane) {
            (SessionOutcome::Absent | SessionOutcome::Rejected(_), _) => {
                (RuleId::TlsaWithoutStarttls, None, at.to_owned())
            }
            // A sender whose library has the suite sees more than we did.
            (SessionOutcome::HandshakeFailed(_), _) if session.old_tls == Some(OldTls::Odd) => return,
            // That the handshake fails is a rule of its own.
            (SessionOutcome::HandshakeFailed(_), _) => {
                self.failed += 1;
                return;
            }
            (SessionOutcome::Encrypted, Some(outcome)) => match outcome {
                DaneOutcome::Authenticated { .. } => {
                    self.authenticated += 1;
                    for rule in MATCHING {
                        self.mark(rule, Outcome::Pass, None, None);
                    }
                    return;
                }
                DaneOutcome::Unusable => return,
                DaneOutcome::Mismatch(near) => {
                    (RuleId::TlsaMismatch, Some(NearMiss::as_str(*near)), at.to_owned())
                }
                DaneOutcome::AnchorAbsent => (RuleId::TlsaAnchorAbsent, None, at.to_owned()),
                DaneOutcome::AnchorName => {
                    self.misnamed += 1;
                    let names = session.chain.iter().flat_map(|chain| &chain.names);
                    self.names.extend(names.take(NAMES_MAX).map(|name| name.to_ascii_lowercase()));
                    (RuleId::TlsaAnchorName, None, at.to_owned())
                }
                DaneOutcome::AnchorPath(words) => (RuleId::TlsaAnchorPath, None, format!("{at}: {words}")),
            },
            _ => return,
        };
        self.failed += 1;
        let (rule, cause, detail) = violated;
        self.mark(rule, Outcome::Violation, cause, Some(detail));
    }

    fn mark(&mut self, rule: RuleId, outcome: Outcome, cause: Option<&'static str>, detail: Option<String>) {
        self.marks.push(Mark { rule, outcome, cause, detail });
    }

    /// Whether usage 2 authenticates the host by a name of the next hop, which counts as well (RFC 7672 §3.2.2).
    pub(crate) fn is_for(&self, next_hop: &NextHop<'_>) -> bool {
        let is_named = |name: &&str| {
            let wildcard = name.split_once('.').map(|(_, parent)| format!("*.{parent}"));
            self.names.contains(*name) || wildcard.is_some_and(|name| self.names.contains(&name))
        };
        self.misnamed > 0 && self.misnamed == self.failed && next_hop.0.iter().any(is_named)
    }

    /// Whether a sender with DANE delivers to the host at none of the addresses that were seen.
    pub(crate) fn fails_for(&self, next_hop: &NextHop<'_>) -> bool {
        self.failed > 0 && self.authenticated == 0 && !self.is_for(next_hop)
    }

    /// Counts the host against a domain.
    pub(crate) fn count(&self, host: &str, next_hop: &NextHop<'_>, notes: &mut Notes) {
        for mark in &self.marks {
            let excused = mark.rule == RuleId::TlsaAnchorName && self.is_for(next_hop);
            match mark.outcome {
                Outcome::NotApplicable | Outcome::Pass => notes.outcome(mark.rule, mark.outcome),
                Outcome::Violation if excused => notes.pass(mark.rule),
                Outcome::Unknown | Outcome::Violation => {
                    let cause = mark.cause.map(Into::into);
                    notes.finding(mark.rule, host, mark.outcome, cause, mark.detail.clone());
                }
            }
        }
    }
}

/// Whether the host is an alias, and the records that were asked for at its own name are signed.
fn is_signed_alias(row: &MailHostRow) -> bool {
    is_alias(row)
        && row.tlsa.authenticated == Some(true)
        && row.tlsa.name.strip_prefix("_25._tcp.") == Some(&row.host)
}

fn is_alias(row: &MailHostRow) -> bool {
    [&row.a, &row.aaaa].iter().any(|lookup| !lookup.cnames.is_empty())
}

/// The names of the next hop that a certificate may be for under usage 2, beside the TLSA base domain.
pub(crate) struct NextHop<'a>(Vec<&'a str>);

impl<'a> NextHop<'a> {
    /// The domain, and what it is an alias of; none where the MX set that led to the host is not signed, for then whoever
    /// forged it would choose among all hosts that are for the domain (RFC 7672 §3.2.2).
    pub(crate) fn of(domain: &'a DomainRow) -> Self {
        let expanded = domain.mx.cnames.last().map(|cname| cname.target.as_str());
        let names = std::iter::once(domain.domain.as_str()).chain(expanded);
        Self(names.filter(|_| domain.mx.authenticated == Some(true)).collect())
    }
}

/// What DNSSEC says of a host's addresses: secure where every family that has addresses is (RFC 7672 §2.2.2). Those that
/// do not validate are none.
fn security(a: &Lookup<AddressRecord>, aaaa: &Lookup<AddressRecord>) -> Security {
    let families = [a, aaaa];
    let usable =
        || families.iter().filter(|lookup| lookup.status() == LookupStatus::Found && !lookup.is_bogus());
    if usable().next().is_none() {
        let is_bogus = families.iter().any(|lookup| lookup.is_bogus());
        return if is_bogus { Security::Bogus } else { Security::Indeterminate };
    }
    if usable().all(|lookup| lookup.authenticated == Some(true)) {
        Security::Secure
    } else {
        Security::Insecure
    }
}
