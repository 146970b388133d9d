//! DANE over the MX hosts of a domain.

use mxray_evidence::{DomainRow, LookupStatus};
use mxray_protocol::sts_policy::Mode;

use super::{HostDane, NextHop, Standing};
use crate::finding::Notes;
use crate::judge::Share;
use crate::mx_match::is_matched;
use crate::route::Route;
use crate::rule::RuleId;
use crate::sender::{Candidate, InForce, Meeting};

/// Counts what DANE says of a domain. Nothing of it applies where the resolvers' AD bits are not believed.
pub(crate) fn judge(
    domain: &DomainRow,
    route: &Route,
    candidates: &[Candidate<'_>],
    in_force: InForce<'_>,
    notes: &mut Notes,
) {
    let name = domain.domain.as_str();
    judge_mx_set(domain, notes);
    if !matches!(route, Route::Hosts(_) | Route::Implicit) {
        return;
    }
    let next_hop = NextHop::of(domain);
    let met = || candidates.iter().filter(|candidate| candidate.meeting() != Meeting::Skipped);
    for candidate in met() {
        if let Some(dane) = candidate.dane() {
            dane.count(&candidate.exchange.host, &next_hop, notes);
        }
    }
    let of_standing = |wanted: Standing| -> Vec<&str> {
        let hosts = met().filter(|candidate| candidate.standing() == wanted);
        hosts.map(|candidate| candidate.exchange.host.as_str()).collect()
    };
    let usable = of_standing(Standing::Usable);
    if usable.is_empty() {
        return;
    }
    if domain.mx.authenticated == Some(true) {
        notes.pass(RuleId::TlsaBehindInsecureMx);
    } else {
        let detail = Some(format!("TLSA records at {}", usable.join(", ")));
        notes.violation(RuleId::TlsaBehindInsecureMx, name, None, detail);
    }
    let without = of_standing(Standing::None);
    if !without.is_empty() {
        notes.violation(RuleId::TlsaPartial, name, None, Some(format!("none at {}", without.join(", "))));
    } else if of_standing(Standing::Unknown).is_empty() {
        notes.pass(RuleId::TlsaPartial);
    } else {
        notes.unknown(&[RuleId::TlsaPartial], name, "not every MX host was measured");
    }
    judge_conflict((name, &next_hop), candidates, in_force, notes);
}

fn judge_mx_set(domain: &DomainRow, notes: &mut Notes) {
    match domain.mx.status() {
        _ if domain.mx.is_bogus() => {
            let detail = Some("the MX set".to_owned());
            notes.violation(RuleId::DnssecBogus, &domain.domain, Some("mx".into()), detail);
        }
        LookupStatus::Failed(_) | LookupStatus::Unanswered => {
            notes.unknown(&[RuleId::DnssecBogus], &domain.domain, "the MX lookup was not answered");
        }
        _ => notes.pass(RuleId::DnssecBogus),
    }
}

/// Hosts that fail DANE and pass MTA-STS. A host of which a session passes DANE is no conflict, and a policy in mode none
/// passes nobody (RFC 8461 §5).
fn judge_conflict(
    (name, next_hop): (&str, &NextHop<'_>),
    candidates: &[Candidate<'_>],
    in_force: InForce<'_>,
    notes: &mut Notes,
) {
    let InForce::Yes(policy) = in_force else { return };
    if policy.mode == Mode::None {
        return;
    }
    for candidate in candidates {
        let (Meeting::Met(host), Some(dane)) = (candidate.meeting(), candidate.dane()) else { continue };
        let passes = is_matched(&policy.policy.mx, &candidate.exchange.host) && host.tally.authenticated > 0;
        if dane.standing != Standing::Usable || !passes {
            continue;
        }
        if dane.fails_for(next_hop) {
            let detail = Some(candidate.exchange.host.clone());
            notes.violation(RuleId::DaneStsConflict, name, None, detail);
        } else {
            notes.pass(RuleId::DaneStsConflict);
        }
    }
}

/// What stands over the MX hosts that have an address, each as a word of a verdict.
pub(crate) struct Shares {
    /// TLSA records, of whatever kind.
    pub(crate) present: &'static str,
    /// Usable records that DNSSEC vouches for.
    pub(crate) usable: &'static str,
    /// Sessions that such records authenticate, over the hosts that have any.
    pub(crate) matching: &'static str,
}

/// How DANE stands over the MX hosts.
pub(crate) fn shares(
    believed: bool,
    next_hop: &NextHop<'_>,
    route: &Route,
    candidates: &[Candidate<'_>],
) -> Shares {
    let is_unprobed = *route == Route::Implicit && candidates.is_empty();
    if !believed || *route == Route::Unknown || is_unprobed {
        return Shares { present: "unknown", usable: "unknown", matching: "unknown" };
    }
    let (mut present, mut usable, mut matching) = (Share::default(), Share::default(), Share::default());
    for candidate in candidates.iter().filter(|candidate| candidate.meeting() != Meeting::Skipped) {
        let (standing, dane) = (candidate.standing(), candidate.dane());
        let has_records = dane.and_then(|dane| dane.has_records);
        present.add(has_records == Some(true), has_records == Some(false));
        usable.add(standing == Standing::Usable, !matches!(standing, Standing::Usable | Standing::Unknown));
        if let Some(dane) = dane.filter(|dane| dane.standing == Standing::Usable) {
            matching.add(dane.authenticated > 0 || dane.is_for(next_hop), dane.fails_for(next_hop));
        }
    }
    Shares { present: present.word(), usable: usable.word(), matching: matching.word() }
}

impl<'a> Candidate<'a> {
    /// DANE at the host, where it was assessed.
    pub(crate) fn dane(&self) -> Option<&'a HostDane> {
        self.assessment?.dane.as_ref()
    }

    fn standing(&self) -> Standing {
        self.dane().map_or(Standing::Unknown, |dane| dane.standing)
    }
}
