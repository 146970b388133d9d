//! A domain, judged from its dossier.

use mxray_evidence::derived::VerdictRow;
use mxray_evidence::{DomainRow, LookupStatus, Micros, PolicyRow};

use crate::certificates::ChainAssessment;
use crate::dane::NextHop;
use crate::fetch::{Fetch, Soundness};
use crate::finding::{Finding, Judgement, Notes};
use crate::host::{self, HostAssessment};
use crate::hosting::{mx_hosting, policy_hosting};
use crate::mx_match::{self, is_matched};
use crate::operator::{dns_operator, mail_operator, policy_operator};
use crate::policy::{Text, ValidPolicy};
use crate::record::RecordVerdict;
use crate::report_sink::{self, SinkAssessment};
use crate::route::{Exchange, Route};
use crate::rule::{Effect, Outcome, RuleId};
use crate::sender::{self, Candidate, InForce, Meeting, Secure};
use crate::{aside, dane, fetch, policy, record, tlsrpt};

/// Everything that is known of a domain.
pub struct Dossier<'a> {
    /// What DNS said.
    pub domain: &'a DomainRow,
    /// The fetch of its policy, and the judgement of the certificates that the policy host showed; `None` in
    /// the one where it was not fetched, in the other where none was shown or could be had.
    pub policy: Option<(&'a PolicyRow, Option<&'a ChainAssessment>)>,
    /// The assessment of an MX host; `None` for one that was not probed.
    pub hosts: &'a dyn Fn(&str) -> Option<&'a HostAssessment>,
    /// The assessment of a name that TLS reports go to; `None` for one that was not looked up.
    pub sinks: &'a dyn Fn(&str) -> Option<SinkAssessment>,
    /// Whether the AD bits of the resolvers that were asked are believed. Where not, DANE is unknown.
    pub dnssec: bool,
}

/// Judges a domain. Dates are judged at `at`; `None` is each observation's own time.
pub fn judge(dossier: &Dossier<'_>, at: Option<Micros>) -> Judgement {
    let domain = dossier.domain;
    let name = domain.domain.as_str();
    let mut notes = Notes::new();
    let record = record::judge(domain, &mut notes);
    let fetch = fetch::judge(name, record, dossier.policy, at, &mut notes);
    let text = policy::judge(name, fetch, &mut notes);
    let route = Route::of(domain);
    mx_match::judge(name, &text, &route, &mut notes);
    aside::judge_sts(domain, record, &route, &mut notes);
    let served = dossier.policy.map(|(row, _)| row);
    aside::judge_unannounced(domain, record, served, &route, &mut notes);
    let announced = domain.sts_txt.status() == LookupStatus::Found;
    let candidates = candidates(dossier, &route, announced);
    if route == Route::Unknown {
        host::unmeasured(name, "the MX lookup was not answered", &mut notes);
    }
    for candidate in &candidates {
        host::judge(&candidate.exchange.host, candidate.assessment, &mut notes);
    }
    let tlsrpt = tlsrpt::judge(domain, record, &mut notes);
    aside::judge_tlsrpt(domain, tlsrpt, &route, &mut notes);
    report_sink::judge(domain, dossier.sinks, &mut notes);

    let standing = PolicyStanding::of(fetch, &text, &notes);
    let in_force = match (record, standing, &text) {
        (RecordVerdict::Valid, PolicyStanding::Valid, Text::Valid(valid)) => InForce::Yes(valid),
        (RecordVerdict::Unknown, _, _) | (RecordVerdict::Valid, PolicyStanding::Unknown, _) => {
            InForce::Unknown
        }
        _ => InForce::No,
    };
    if dossier.dnssec {
        dane::judge(domain, &route, &candidates, in_force, &mut notes);
    }
    let unknowns = notes.unknowns();
    let (findings, outcomes) = notes.close(in_force.is_enforced());
    let valid = match &text {
        Text::Valid(valid) if standing == PolicyStanding::Valid => Some(valid),
        _ => None,
    };
    let matched = |valid: &ValidPolicy| {
        candidates.iter().filter(|c| is_matched(&valid.policy.mx, &c.exchange.host)).count() as u32
    };
    let (starttls, certificates) = over_hosts(&route, &candidates);
    let (opportunistic, opportunistic_attacker) = sender::opportunistic(&route, &candidates);
    let (sts, sts_attacker) = sender::sts(&route, &candidates, in_force);
    let secure = Secure::of(dossier.dnssec, domain);
    let next_hop = NextHop::of(domain);
    let (dane, dane_attacker) = sender::dane(&next_hop, secure, &route, &candidates, InForce::No);
    let (both, both_attacker) = sender::dane(&next_hop, secure, &route, &candidates, in_force);
    let shares = dane::shares(dossier.dnssec, &next_hop, &route, &candidates);
    let count = count_effects(&findings);
    let alias = |host: &str| (dossier.hosts)(host).and_then(|host| host.alias.as_deref());
    let mail = mail_operator(domain, &route, alias);
    let hosted = policy_operator(domain, record, served);
    let dns = dns_operator(domain);
    let verdict = VerdictRow {
        domain: domain.domain.to_string(),
        rank: domain.rank,
        columns: domain.columns.clone(),
        record: record.as_str().to_owned(),
        policy: standing.as_str().to_owned(),
        mode: valid.map(|valid| valid.mode.as_str().to_owned()),
        max_age: valid.map(|valid| valid.max_age),
        policy_hosting: policy_hosting(name, record, served).as_str().to_owned(),
        policy_operator: hosted.name,
        policy_operator_by: hosted.by.as_str().to_owned(),
        tlsrpt: tlsrpt.as_str().to_owned(),
        mx: route.as_str().to_owned(),
        mx_hosting: mx_hosting(name, &route).as_str().to_owned(),
        mail_operator: mail.name,
        mail_operator_by: mail.by.as_str().to_owned(),
        dns_operator: dns.name,
        dns_operator_by: dns.by.as_str().to_owned(),
        mx_hosts: candidates.len() as u32,
        mx_matched: valid.filter(|_| route != Route::Unknown).map(matched),
        starttls: starttls.to_owned(),
        certificates: certificates.to_owned(),
        mx_dnssec: secure.as_str().to_owned(),
        tlsa_present: shares.present.to_owned(),
        tlsa: shares.usable.to_owned(),
        tlsa_matching: shares.matching.to_owned(),
        opportunistic: opportunistic.as_str().to_owned(),
        opportunistic_attacker: opportunistic_attacker.as_str().to_owned(),
        sts: sts.as_str().to_owned(),
        sts_attacker: sts_attacker.as_str().to_owned(),
        dane: dane.as_str().to_owned(),
        dane_attacker: dane_attacker.as_str().to_owned(),
        both: both.as_str().to_owned(),
        both_attacker: both_attacker.as_str().to_owned(),
        refusing: count(Effect::Refuse),
        downgrading: count(Effect::Downgrade),
        lints: count(Effect::None),
        unknowns,
        outcomes: outcomes.iter().map(|outcome| outcome.letter()).collect(),
    };
    Judgement { findings, outcomes, verdict }
}

fn candidates<'a>(dossier: &Dossier<'a>, route: &Route, announced: bool) -> Vec<Candidate<'a>> {
    let hosts = route.hosts(&dossier.domain.domain, announced);
    let candidate = |exchange: Exchange| Candidate { assessment: (dossier.hosts)(&exchange.host), exchange };
    hosts.into_iter().map(candidate).collect()
}

/// What the policy amounts to: the fetch and the text together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PolicyStanding {
    None,
    Valid,
    Invalid,
    Unfetched,
    Unknown,
}

impl PolicyStanding {
    fn of(fetch: Fetch<'_>, text: &Text, notes: &Notes) -> Self {
        let failed =
            fetch::RULES.iter().any(|rule| rule.effect != Effect::None && notes.is_violated(rule.id));
        match (fetch, text) {
            (Fetch::NotAnnounced, _) => Self::None,
            _ if failed => Self::Unfetched,
            (Fetch::Text(_, Soundness::Sound), Text::Valid(_)) => Self::Valid,
            (Fetch::Text(_, Soundness::Sound), _) => Self::Invalid,
            _ => Self::Unknown,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Unfetched => "unfetched",
            Self::Unknown => "unknown",
        }
    }
}

/// How something stands over the MX hosts of a domain.
#[derive(Default)]
pub(crate) struct Share {
    hosts: usize,
    only_yes: usize,
    only_no: usize,
    any_yes: bool,
    any_no: bool,
}

impl Share {
    pub(crate) fn add(&mut self, yes: bool, no: bool) {
        self.hosts += 1;
        self.only_yes += usize::from(yes && !no);
        self.only_no += usize::from(no && !yes);
        self.any_yes |= yes;
        self.any_no |= no;
    }

    pub(crate) fn word(&self) -> &'static str {
        if self.hosts == 0 {
            "not-applicable"
        } else if self.only_yes == self.hosts {
            "all"
        } else if self.only_no == self.hosts {
            "no"
        } else if self.any_yes && self.any_no {
            "some"
        } else {
            "unknown"
        }
    }
}

/// STARTTLS and valid certificates over the MX hosts that have an address.
fn over_hosts(route: &Route, candidates: &[Candidate<'_>]) -> (&'static str, &'static str) {
    if *route == Route::Unknown || (*route == Route::Implicit && candidates.is_empty()) {
        return ("unknown", "unknown");
    }
    let (mut starttls, mut certificates) = (Share::default(), Share::default());
    for candidate in candidates {
        match candidate.meeting() {
            Meeting::Skipped => {}
            Meeting::Unknown => {
                starttls.add(false, false);
                certificates.add(false, false);
            }
            Meeting::Met(host) => {
                let tally = &host.tally;
                starttls.add(tally.offered > 0, tally.absent + tally.rejected > 0);
                certificates.add(tally.authenticated > 0, tally.has_cleartext() || tally.unauthenticated > 0);
            }
        }
    }
    (starttls.word(), certificates.word())
}

/// How many rules are violated whose worst effect is the one asked for. The findings are in the order of the rules.
fn count_effects(findings: &[Finding]) -> impl Fn(Effect) -> u32 + use<> {
    let mut worst: Vec<(RuleId, Effect)> = Vec::new();
    for finding in findings.iter().filter(|finding| finding.outcome == Outcome::Violation) {
        match worst.last_mut() {
            Some((id, effect)) if *id == finding.rule.id => *effect = finding.effect.max(*effect),
            _ => worst.push((finding.rule.id, finding.effect)),
        }
    }
    move |wanted| worst.iter().filter(|(_, effect)| *effect == wanted).count() as u32
}
