//! DANE over the MX hosts of a domain.

use mxray_evidence::{DomainRow, LookupStatus};

use super::{HostDane, Standing};
use crate::finding::Notes;
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
    let met = || candidates.iter().filter(|candidate| candidate.meeting() != Meeting::Skipped);
    for candidate in met() {
        if let Some(dane) = candidate.dane() {
            dane.count(&candidate.exchange.host, name, notes);
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
    judge_conflict(name, candidates, in_force, notes);
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

/// Hosts that fail DANE and pass MTA-STS. A host of which a session passes DANE is no conflict.
fn judge_conflict(name: &str, candidates: &[Candidate<'_>], in_force: InForce<'_>, notes: &mut Notes) {
    let InForce::Yes(policy) = in_force else { return };
    for candidate in candidates {
        let (Meeting::Met(host), Some(dane)) = (candidate.meeting(), candidate.dane()) else { continue };
        let passes = is_matched(&policy.policy.mx, &candidate.exchange.host) && host.tally.authenticated > 0;
        if dane.standing != Standing::Usable || !passes {
            continue;
        }
        if dane.fails_for(name) {
            let detail = Some(candidate.exchange.host.clone());
            notes.violation(RuleId::DaneStsConflict, name, None, detail);
        } else {
            notes.pass(RuleId::DaneStsConflict);
        }
    }
}

/// Over the MX hosts that have an address, how many have usable records that DNSSEC vouches for.
pub(crate) fn share(believed: bool, route: &Route, candidates: &[Candidate<'_>]) -> &'static str {
    let met = || candidates.iter().filter(|candidate| candidate.meeting() != Meeting::Skipped);
    let count = |wanted: Standing| met().filter(|candidate| candidate.standing() == wanted).count();
    let (all, usable, unknown) = (met().count(), count(Standing::Usable), count(Standing::Unknown));
    match () {
        () if !believed || *route == Route::Unknown => "unknown",
        () if *route == Route::Implicit && candidates.is_empty() => "unknown",
        () if all == 0 => "not-applicable",
        () if usable == all => "all",
        () if usable + unknown == 0 => "no",
        () if usable > 0 && usable + unknown < all => "some",
        () => "unknown",
    }
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
