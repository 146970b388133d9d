//! The MX host axes: addresses, STARTTLS and certificates of one host, over its addresses.
//!
//! A host is judged once, and the judgement counts against every domain that names it. An address that could not be
//! judged does not matter beside one that could.

mod table;

use std::collections::BTreeSet;

use mxray_evidence::derived::HostRow;
use mxray_evidence::{MailHostRow, Micros};

use crate::certificates::ChainAssessment;
use crate::chain::{CertificateRules, Problem};
use crate::dane::HostDane;
use crate::finding::Notes;
use crate::resolution::{Resolution, alias_target};
use crate::route::not_a_host;
use crate::rule::{Outcome, RuleId};
use crate::session::{HandshakeFailure, OldTls, SessionAssessment, SessionOutcome};

pub(crate) use table::RULES;

const CERTIFICATE: CertificateRules = CertificateRules {
    name: RuleId::MxCertName,
    expired: RuleId::MxCertExpired,
    untrusted: RuleId::MxCertUntrusted,
    expiring: RuleId::MxCertExpiring,
};
const STARTTLS: [RuleId; 4] =
    [RuleId::StarttlsAbsent, RuleId::StarttlsRejected, RuleId::StarttlsMangled, RuleId::StarttlsHandshake];
/// What is only known once hands are shaken.
const CERTIFICATES: [RuleId; 6] = [
    RuleId::MxCertName,
    RuleId::MxCertExpired,
    RuleId::MxCertUntrusted,
    RuleId::MxCertExpiring,
    RuleId::MxCertVaries,
    RuleId::MxTlsOld,
];
/// Addresses named in a detail.
const ADDRESSES_SHOWN_MAX: usize = 6;
const FIRST: usize = RuleId::MxUnresolvable.index();
const RULES_COUNT: usize = RuleId::MxTlsOld.index() - FIRST + 1;

/// An MX host, assessed over its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostAssessment {
    /// The host.
    pub host: String,
    /// Addresses it has.
    pub addresses: u32,
    /// Whether it has any.
    pub resolution: Resolution,
    /// How its sessions came out.
    pub tally: SessionTally,
    /// Versions of TLS agreed, sorted.
    pub tls_versions: Vec<String>,
    /// The earliest end of validity among its leaves.
    pub not_after: Option<Micros>,
    /// The lowest code by which it refused us.
    pub refused_code: Option<u16>,
    /// What it is an alias of.
    pub(crate) alias: Option<String>,
    /// DANE, where the resolvers' AD bits are believed.
    pub(crate) dane: Option<HostDane>,
    outcomes: [Outcome; RULES_COUNT],
    problems: Vec<Problem>,
    /// Why it could not be judged, where it could not.
    unknown: Option<String>,
}

/// Over the sessions with one host, how many came how far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionTally {
    /// `STARTTLS` offered and answered by 220.
    pub offered: u16,
    /// Not offered.
    pub absent: u16,
    /// Offered, and answered by something else.
    pub rejected: u16,
    /// The keyword overwritten.
    pub mangled: u16,
    /// No connection, or no greeting.
    pub unreachable: u16,
    /// 4xx or 5xx before anything could be asked.
    pub refused: u16,
    /// Otherwise not known.
    pub unknown: u16,
    /// TLS stands.
    pub encrypted: u16,
    /// The handshake failed, and not for want of a suite or a group that other senders have.
    pub handshake_failed: u16,
    /// TLS stands, and the certificate is valid.
    pub authenticated: u16,
    /// TLS stands, and the certificate is not valid.
    pub unauthenticated: u16,
    /// Of all, those that were not held, since others at the address had shown what they would show.
    pub reused: u16,
}

impl SessionTally {
    fn add(&mut self, session: &SessionAssessment) {
        self.reused += u16::from(session.is_reused);
        match session.outcome {
            SessionOutcome::Withheld
            | SessionOutcome::NotGlobal
            | SessionOutcome::Unreadable
            | SessionOutcome::Offered => {
                self.unknown += 1;
            }
            SessionOutcome::Unreachable => self.unreachable += 1,
            SessionOutcome::Refused(_) => self.refused += 1,
            SessionOutcome::Absent => self.absent += 1,
            SessionOutcome::Mangled => self.mangled += 1,
            SessionOutcome::Rejected(_) => self.rejected += 1,
            SessionOutcome::Answered => self.offered += 1,
            SessionOutcome::HandshakeFailed(_) => {
                self.offered += 1;
                self.handshake_failed += u16::from(session.old_tls != Some(OldTls::Odd));
            }
            SessionOutcome::Encrypted => {
                self.offered += 1;
                self.encrypted += 1;
                match &session.chain {
                    Some(chain) if chain.is_valid() => self.authenticated += 1,
                    Some(_) => self.unauthenticated += 1,
                    None => {}
                }
            }
        }
    }

    /// Sessions that showed what becomes of STARTTLS.
    pub fn judged(&self) -> u16 {
        self.offered + self.absent + self.rejected + self.mangled
    }

    /// Whether any address takes mail in the clear from a sender that asks for TLS: not offered, rejected, or a
    /// handshake that fails.
    pub fn has_cleartext(&self) -> bool {
        self.absent + self.rejected + self.handshake_failed > 0
    }
}

/// Assesses a host from its addresses and its sessions, one or none for each address. `believed` is whether the
/// resolvers' AD bits are: without, nothing is said of DANE.
pub fn assess_host(row: &MailHostRow, sessions: &[SessionAssessment], believed: bool) -> HostAssessment {
    let mut tally = SessionTally::default();
    for session in sessions {
        tally.add(session);
    }
    let addresses = row.a.records.iter().chain(&row.aaaa.records);
    let addresses = addresses.map(|record| record.address.as_str()).collect::<BTreeSet<_>>().len();
    let versions = sessions.iter().filter_map(|session| session.tls_version.clone());
    let refusals = sessions.iter().filter_map(|session| match session.outcome {
        SessionOutcome::Refused(code) => Some(code),
        _ => None,
    });
    let mut host = HostAssessment {
        host: row.host.clone(),
        addresses: addresses.try_into().unwrap_or(u32::MAX),
        resolution: Resolution::of(&row.a, &row.aaaa),
        tally,
        tls_versions: versions.collect::<BTreeSet<_>>().into_iter().collect(),
        not_after: sessions.iter().filter_map(|session| session.chain.as_ref()?.not_after).min(),
        refused_code: refusals.min(),
        alias: alias_target(&row.a, &row.aaaa).map(str::to_owned),
        dane: believed.then(HostDane::unknown),
        outcomes: [Outcome::NotApplicable; RULES_COUNT],
        problems: Vec::new(),
        unknown: None,
    };
    // The address itself is what DNS says; that the session was left out only says how it was read.
    let is_not_global = |session: &SessionAssessment| session.outcome == SessionOutcome::NotGlobal;
    if host.resolution == Resolution::Found && !sessions.is_empty() && sessions.iter().all(is_not_global) {
        host.resolution = Resolution::NotGlobal;
    }
    host.judge_resolution(row);
    if host.resolution == Resolution::Found {
        host.judge_reach(sessions);
        for session in sessions {
            host.judge_session(session);
        }
        host.judge_varying(sessions);
    }
    if believed && !host.resolution.is_none() {
        host.dane = Some(HostDane::assess(row, sessions));
    }
    host
}

impl HostAssessment {
    /// As a row of `hosts`; `domains` of the run name it.
    pub fn to_row(&self, domains: u64) -> HostRow {
        let tally = &self.tally;
        let certificate =
            if self.resolution.is_none() || (tally.judged() > 0 && tally.offered + tally.mangled == 0) {
                "not-applicable"
            } else {
                match (tally.authenticated > 0, tally.unauthenticated > 0) {
                    (true, true) => "varies",
                    (true, false) => "valid",
                    (false, true) => "invalid",
                    (false, false) => "unknown",
                }
            };
        let violations = self.problems.iter().map(|problem| problem.rule);
        let violations = violations.filter(|rule| CERTIFICATE.always().contains(rule));
        let violations = violations.map(|rule| rule.rule().name.to_owned()).collect::<BTreeSet<_>>();
        HostRow {
            host: self.host.clone(),
            addresses: self.addresses,
            judged: tally.judged().into(),
            reused: tally.reused.into(),
            starttls: self.starttls().to_owned(),
            tls_versions: self.tls_versions.clone(),
            certificate: certificate.to_owned(),
            certificate_violations: violations.into_iter().collect(),
            not_after: self.not_after,
            domains,
            refused_code: self.refused_code,
        }
    }

    fn starttls(&self) -> &'static str {
        let tally = &self.tally;
        let shown = [
            (tally.offered, "offered"),
            (tally.absent, "absent"),
            (tally.rejected, "rejected"),
            (tally.mangled, "mangled"),
        ];
        let mut shown = shown.into_iter().filter(|(count, _)| *count > 0).map(|(_, word)| word);
        match (shown.next(), shown.next()) {
            (None, _) => "unknown",
            (Some(word), None) => word,
            _ => "varies",
        }
    }

    /// How a rule came out: over addresses, what was seen counts for more than what was not.
    fn note(&mut self, rule: RuleId, outcome: Outcome) {
        let weight = |outcome| match outcome {
            Outcome::NotApplicable => 0,
            Outcome::Unknown => 1,
            Outcome::Pass => 2,
            Outcome::Violation => 3,
        };
        let noted = &mut self.outcomes[rule.index() - FIRST];
        if weight(outcome) > weight(*noted) {
            *noted = outcome;
        }
    }

    fn note_all(&mut self, rules: &[RuleId], outcome: Outcome) {
        for rule in rules {
            self.note(*rule, outcome);
        }
    }

    fn violation(&mut self, rule: RuleId, cause: Option<&'static str>, detail: Option<String>) {
        self.note(rule, Outcome::Violation);
        if !self.problems.iter().any(|problem| problem.rule == rule && problem.cause == cause) {
            self.problems.push(Problem { rule, cause, detail });
        }
    }

    fn judge_resolution(&mut self, row: &MailHostRow) {
        let cause = match self.resolution {
            Resolution::Found => {
                self.note(RuleId::MxUnresolvable, Outcome::Pass);
                if let Some(target) = alias_target(&row.a, &row.aaaa) {
                    let detail = Some(format!("an alias of {target}"));
                    self.violation(RuleId::MxUnresolvable, Some("cname"), detail);
                }
                return;
            }
            Resolution::Unknown => {
                self.note(RuleId::MxUnresolvable, Outcome::Unknown);
                self.note_all(&STARTTLS, Outcome::Unknown);
                self.note_all(&CERTIFICATES, Outcome::Unknown);
                self.unknown = Some("the host's addresses were not answered for".to_owned());
                return;
            }
            Resolution::NxDomain => "nxdomain",
            Resolution::NoData => "no-data",
            Resolution::NotGlobal => {
                let addresses = row.a.records.iter().chain(&row.aaaa.records);
                let addresses = addresses.take(ADDRESSES_SHOWN_MAX).map(|record| record.address.as_str());
                let detail = Some(addresses.collect::<Vec<_>>().join(", "));
                return self.violation(RuleId::MxUnresolvable, Some("not-global"), detail);
            }
        };
        let detail = alias_target(&row.a, &row.aaaa).map(|target| format!("an alias of {target}"));
        self.violation(RuleId::MxUnresolvable, Some(cause), detail);
    }

    /// Whether anything could be asked. Where not, that is noted, and why.
    fn judge_reach(&mut self, sessions: &[SessionAssessment]) {
        let tally = self.tally;
        if tally.judged() > 0 {
            self.note_all(&[RuleId::MxUnreachable, RuleId::MxRefusedUs], Outcome::Pass);
            return;
        }
        self.note_all(&STARTTLS, Outcome::Unknown);
        self.note_all(&CERTIFICATES, Outcome::Unknown);
        let words = |session: &SessionAssessment| {
            let detail = session.detail.as_deref().unwrap_or("no words");
            format!("{}: {detail}", session.address)
        };
        let told = sessions.iter().map(words).collect::<Vec<_>>().join("; ");
        self.unknown = Some(if told.is_empty() { "no session was held".to_owned() } else { told });
        // A session that came further, or that we withheld, says nothing about reach.
        if tally.unknown > 0 || sessions.is_empty() {
            return;
        }
        if tally.refused > 0 {
            self.note(RuleId::MxRefusedUs, Outcome::Unknown);
            self.note(RuleId::MxUnreachable, Outcome::Pass);
        } else {
            self.note(RuleId::MxUnreachable, Outcome::Unknown);
        }
    }

    fn judge_session(&mut self, session: &SessionAssessment) {
        let detail = Some(match &session.detail {
            Some(detail) => format!("{}: {detail}", session.address),
            None => session.address.clone(),
        });
        let [absent, rejected, mangled, handshake] = STARTTLS;
        let before_tls = [absent, rejected, mangled];
        match session.outcome {
            SessionOutcome::Withheld
            | SessionOutcome::NotGlobal
            | SessionOutcome::Unreachable
            | SessionOutcome::Unreadable
            | SessionOutcome::Refused(_) => return,
            SessionOutcome::Absent => {
                self.note(mangled, Outcome::Pass);
                return self.violation(absent, None, detail);
            }
            SessionOutcome::Mangled => {
                self.note_all(&[absent, rejected, handshake], Outcome::Unknown);
                self.note_all(&CERTIFICATES, Outcome::Unknown);
                return self.violation(mangled, None, detail);
            }
            SessionOutcome::Offered => {
                self.note_all(&[absent, mangled], Outcome::Pass);
                self.note_all(&[rejected, handshake], Outcome::Unknown);
                return self.note_all(&CERTIFICATES, Outcome::Unknown);
            }
            SessionOutcome::Rejected(_) => {
                self.note_all(&[absent, mangled], Outcome::Pass);
                return self.violation(rejected, None, detail);
            }
            SessionOutcome::Answered => {
                self.note_all(&before_tls, Outcome::Pass);
                self.note(handshake, Outcome::Unknown);
            }
            SessionOutcome::HandshakeFailed(failure) => {
                self.note_all(&before_tls, Outcome::Pass);
                self.violation(handshake, Some(failure.as_str()), detail);
            }
            SessionOutcome::Encrypted => self.note_all(&STARTTLS, Outcome::Pass),
        }
        self.judge_age(session);
        self.judge_chain(session);
    }

    /// Whether the best version that is agreed is older than TLS 1.2, which our own handshakes never are.
    fn judge_age(&mut self, session: &SessionAssessment) {
        const RULE: RuleId = RuleId::MxTlsOld;
        match (session.outcome, session.old_tls) {
            (SessionOutcome::Encrypted, _) | (_, Some(OldTls::Odd | OldTls::Usual)) => {
                self.note(RULE, Outcome::Pass);
            }
            (SessionOutcome::Answered, _) => self.note(RULE, Outcome::Unknown),
            (SessionOutcome::HandshakeFailed(HandshakeFailure::ProtocolVersion), None) => {
                self.note(RULE, Outcome::Unknown);
                self.unknown.get_or_insert_with(|| "versions older than TLS 1.2 were not offered".to_owned());
            }
            (_, Some(old)) => {
                if let Some(cause) = old.as_str() {
                    self.violation(RULE, Some(cause), Some(session.address.clone()));
                }
            }
            _ => {}
        }
    }

    fn judge_chain(&mut self, session: &SessionAssessment) {
        let failed = matches!(session.outcome, SessionOutcome::HandshakeFailed(_));
        match &session.chain {
            Some(chain) => {
                self.note_all(&CERTIFICATE.always(), Outcome::Pass);
                if chain.is_valid() {
                    self.note(CERTIFICATE.expiring, Outcome::Pass);
                }
                for problem in CERTIFICATE.problems(chain, session.at) {
                    let detail = problem.detail.map(|words| format!("{}: {words}", session.address));
                    self.violation(problem.rule, problem.cause, detail);
                }
            }
            // A handshake that failed before any certificate leaves nothing to judge.
            None if failed && session.leaf.is_none() => {}
            None => self.note_all(&CERTIFICATE.all(), Outcome::Unknown),
        }
    }

    /// Whether valid leaves differ from address to address; with one alone there is nothing to compare.
    fn judge_varying(&mut self, sessions: &[SessionAssessment]) {
        let valid =
            sessions.iter().filter(|session| session.chain.as_ref().is_some_and(ChainAssessment::is_valid));
        let leaves = valid.filter_map(|session| session.leaf).collect::<Vec<_>>();
        if leaves.len() < 2 {
            return;
        }
        self.note(RuleId::MxCertVaries, Outcome::Pass);
        let distinct = leaves.iter().collect::<BTreeSet<_>>().len();
        if distinct > 1 {
            let detail = format!("{distinct} certificates at {} addresses", leaves.len());
            self.violation(RuleId::MxCertVaries, None, Some(detail));
        }
    }

    /// Counts the host against a domain.
    fn count(&self, notes: &mut Notes) {
        for (place, outcome) in self.outcomes.iter().enumerate() {
            let rule = RULES[place].id;
            match outcome {
                Outcome::NotApplicable | Outcome::Pass => notes.outcome(rule, *outcome),
                Outcome::Unknown => {
                    let detail = self.unknown.clone();
                    notes.finding(rule, &self.host, Outcome::Unknown, None, detail);
                }
                Outcome::Violation => {}
            }
        }
        for problem in &self.problems {
            let cause = problem.cause.map(Into::into);
            notes.violation(problem.rule, &self.host, cause, problem.detail.clone());
        }
    }
}

/// Counts an MX host against a domain, whether it is known or not.
pub(crate) fn judge(host: &str, assessment: Option<&HostAssessment>, notes: &mut Notes) {
    if let Some(cause) = not_a_host(host) {
        let detail = Some(format!("the MX record names {host}"));
        return notes.violation(RuleId::MxUnresolvable, host, Some(cause.into()), detail);
    }
    match assessment {
        Some(assessment) => assessment.count(notes),
        None => unmeasured(host, "the host was not probed", notes),
    }
}

/// Notes that nothing is known of `subject`'s hosts: neither that they can be reached nor that they cannot.
pub(crate) fn unmeasured(subject: &str, why: &str, notes: &mut Notes) {
    notes.unknown(&[RuleId::MxUnresolvable], subject, why);
    notes.unknown(&STARTTLS, subject, why);
    notes.unknown(&CERTIFICATES, subject, why);
}
