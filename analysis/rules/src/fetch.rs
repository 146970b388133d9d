//! The fetch axis: `https://mta-sts.<domain>/.well-known/mta-sts.txt` (RFC 8461 §3.3).

mod table;

use mxray_evidence::{Cause, Connect, Ending, Micros, PolicyRow, Stage};

use crate::certificates::ChainAssessment;
use crate::chain::CertificateRules;
use crate::finding::Notes;
use crate::quote::quote;
use crate::record::RecordVerdict;
use crate::resolution::{Resolution, alias_target};
use crate::rule::RuleId;
use crate::session::{HandshakeFailure, end_words, handshake_failure};

pub(crate) use table::RULES;

const CERTIFICATE: CertificateRules = CertificateRules {
    name: RuleId::StsHostCertName,
    expired: RuleId::StsHostCertExpired,
    untrusted: RuleId::StsHostCertUntrusted,
    expiring: RuleId::StsHostCertExpiring,
};
/// What is asked of a response, whatever it holds.
const RESPONSE: &[RuleId] = &[
    RuleId::StsFetchStatus,
    RuleId::StsFetchRedirect,
    RuleId::StsFetchTimeout,
    RuleId::StsFetchIncomplete,
    RuleId::StsFetchOversize,
];

/// What the fetch of a policy came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fetch<'a> {
    /// No record announces a policy.
    NotAnnounced,
    /// It was not measured.
    Unknown,
    /// It failed.
    Failed,
    /// A text arrived; whether it counts, its certificate decides.
    Text(&'a [u8], Soundness),
}

/// Whether the policy host proved who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Soundness {
    Sound,
    Unsound,
    Unknown,
}

/// A policy's row and the judgement of the certificates it showed.
pub(crate) type Served<'a> = Option<(&'a PolicyRow, Option<&'a ChainAssessment>)>;

/// Judges the fetch of a domain's policy. The scanner looks for one wherever a TXT record stands at `_mta-sts`; a
/// record that neither is nor means to be one of MTA-STS, as under a wildcard, announces none, and then nothing that
/// was fetched is held against the domain.
pub(crate) fn judge<'a>(
    domain: &str,
    record: RecordVerdict,
    served: Served<'a>,
    at: Option<Micros>,
    notes: &mut Notes,
) -> Fetch<'a> {
    let subject = format!("mta-sts.{domain}");
    let unknown = |notes: &mut Notes, why: &str| {
        let all = RULES.iter().map(|rule| rule.id).collect::<Vec<_>>();
        notes.unknown(&all, &subject, why);
        Fetch::Unknown
    };
    match (record, served) {
        (RecordVerdict::Absent, _) => Fetch::NotAnnounced,
        (RecordVerdict::Unknown, _) => unknown(notes, "whether a record announces a policy is not known"),
        (_, None) => unknown(notes, "the policy was not fetched"),
        (_, Some((row, _))) if Resolution::of(&row.a, &row.aaaa) == Resolution::Unknown => {
            unknown(notes, "the policy host's addresses were not answered for")
        }
        (_, Some((row, chain))) => {
            let mut judging = Judging { subject: &subject, row, notes };
            judging.fetch(chain, at.unwrap_or(row.started))
        }
    }
}

struct Judging<'n, 'a> {
    subject: &'n str,
    row: &'a PolicyRow,
    notes: &'n mut Notes,
}

impl<'a> Judging<'_, 'a> {
    /// Goes from the address to the body; where it ended, what lies behind does not apply.
    fn fetch(&mut self, chain: Option<&ChainAssessment>, at: Micros) -> Fetch<'a> {
        if let Some(end) = self.address().or_else(|| self.connection()) {
            return end;
        }
        let handshake = self.handshake();
        let soundness = self.certificate(chain, at);
        handshake.unwrap_or_else(|| self.response(soundness))
    }

    fn violation(&mut self, id: RuleId, cause: Option<&str>, detail: impl Into<String>) -> Fetch<'a> {
        let cause = cause.map(|cause| cause.to_owned().into());
        self.notes.violation(id, self.subject, cause, Some(detail.into()));
        Fetch::Failed
    }

    fn unknown(&mut self, rules: &[RuleId]) -> Fetch<'a> {
        let why = end_words(&self.row.ending);
        self.notes.unknown(rules, self.subject, &why);
        Fetch::Unknown
    }

    fn address(&mut self) -> Option<Fetch<'a>> {
        let alias = alias_target(&self.row.a, &self.row.aaaa);
        let (cause, words) = match (Resolution::of(&self.row.a, &self.row.aaaa), alias) {
            (Resolution::NxDomain | Resolution::NoData, Some(target)) => {
                ("dangling-cname", format!("a CNAME leads to {target}, which has no address"))
            }
            (Resolution::NxDomain, None) => ("nxdomain", "the name does not exist".to_owned()),
            (Resolution::NoData, None) => ("no-data", "the name has no address".to_owned()),
            _ => {
                self.notes.pass(RuleId::StsHostUnresolvable);
                return None;
            }
        };
        Some(self.violation(RuleId::StsHostUnresolvable, Some(cause), words))
    }

    fn connection(&mut self) -> Option<Fetch<'a>> {
        let row = self.row;
        let connected = row.tls.is_some()
            || row.status.is_some()
            || row.connects.iter().any(|connect| connect.ending.is_completed());
        if connected {
            self.notes.pass(RuleId::StsHostUnreachable);
            return None;
        }
        let stopped = row.connects.iter().filter_map(|connect| Some((connect, connect.ending.cause()?)));
        let causes = stopped.clone().map(|(_, cause)| cause).chain(row.ending.cause()).collect::<Vec<_>>();
        if row.ending.is_withheld() || causes.is_empty() {
            let behind = [RuleId::StsHostUnreachable, RuleId::StsHostTlsAlert];
            let behind = [&behind, &CERTIFICATE.all()[..], RESPONSE, &[RuleId::StsFetchMediaType]].concat();
            return Some(self.unknown(&behind));
        }
        let word = |cause: Cause| match cause {
            Cause::Timeout => "timeout",
            Cause::Unreachable => "unreachable",
            _ => "refused",
        };
        let tried = stopped
            .clone()
            .map(|(connect, cause)| format!("{}: {cause}", connect.address))
            .collect::<Vec<_>>();
        // Each family by what it says first: one can be refused and the other time out.
        let is_v6 = |connect: &Connect| connect.address.contains(':');
        let of_family = |v6: bool| stopped.clone().find(move |(connect, _)| is_v6(connect) == v6);
        let families = [of_family(false), of_family(true)].into_iter().flatten().map(|(_, cause)| cause);
        let mut told: Vec<&str> = families.map(word).collect();
        if told.is_empty() {
            told.push(word(causes[0]));
        }
        let mut fetch = None;
        for cause in told {
            fetch = Some(self.violation(RuleId::StsHostUnreachable, Some(cause), tried.join(", ")));
        }
        fetch
    }

    fn handshake(&mut self) -> Option<Fetch<'a>> {
        let tls = self.row.tls.as_ref();
        let words = end_words(&self.row.ending);
        match &self.row.ending {
            Ending::Stopped { stage: Stage::Connect | Stage::Handshake, cause, detail } => {
                let alert = tls.and_then(|tls| tls.alert.as_deref());
                let cause = match handshake_failure(*cause, alert, detail.as_deref()) {
                    None => {
                        self.notes.pass(RuleId::StsHostTlsAlert);
                        return Some(self.violation(RuleId::StsFetchTimeout, None, words));
                    }
                    Some(HandshakeFailure::Alert | HandshakeFailure::ProtocolVersion) => "alert",
                    Some(HandshakeFailure::Closed) => "closed",
                    Some(_) => "failed",
                };
                let words = alert.map_or(words, |alert| format!("alert {alert}"));
                Some(self.violation(RuleId::StsHostTlsAlert, Some(cause), words))
            }
            Ending::Withheld { stage: Stage::Connect | Stage::Handshake, .. } => {
                let behind = [&[RuleId::StsHostTlsAlert], RESPONSE, &[RuleId::StsFetchMediaType]].concat();
                Some(self.unknown(&behind))
            }
            _ if tls.is_some_and(|tls| tls.signature_valid == Some(false)) => {
                let words = "the handshake's signature does not prove that the host holds the key";
                Some(self.violation(RuleId::StsHostTlsAlert, Some("failed"), words))
            }
            _ => {
                self.notes.pass(RuleId::StsHostTlsAlert);
                None
            }
        }
    }

    /// Judges the certificates, if any were shown: also where the handshake failed behind them.
    fn certificate(&mut self, chain: Option<&ChainAssessment>, at: Micros) -> Soundness {
        let shown = self.row.tls.as_ref().is_some_and(|tls| !tls.chain.is_empty());
        let Some(chain) = chain.filter(|_| shown) else {
            if shown || self.row.status.is_some() || self.row.ending.is_withheld() {
                let why = "the certificates shown could not be had";
                self.notes.unknown(&CERTIFICATE.all(), self.subject, why);
            }
            return Soundness::Unknown;
        };
        self.notes.applies(&CERTIFICATE.always());
        if chain.is_valid() {
            self.notes.pass(CERTIFICATE.expiring);
        }
        for problem in CERTIFICATE.problems(chain, at) {
            let cause = problem.cause.map(Into::into);
            self.notes.violation(problem.rule, self.subject, cause, problem.detail);
        }
        if chain.is_valid() { Soundness::Sound } else { Soundness::Unsound }
    }

    fn response(&mut self, soundness: Soundness) -> Fetch<'a> {
        let row = self.row;
        match row.status {
            Some(200) => {
                self.notes.applies(&[RuleId::StsFetchStatus, RuleId::StsFetchRedirect]);
                self.media_type();
            }
            Some(status @ 300..=399) => {
                self.notes.pass(RuleId::StsFetchStatus);
                let target = header(row, "location").map_or("no location".to_owned(), quote);
                return self.violation(RuleId::StsFetchRedirect, None, format!("{status} to {target}"));
            }
            Some(status) => {
                self.notes.pass(RuleId::StsFetchRedirect);
                let cause = status.to_string();
                return self.violation(RuleId::StsFetchStatus, Some(&cause), format!("status {status}"));
            }
            None => {}
        }
        let behind = if row.status.is_some() { &RESPONSE[2..] } else { RESPONSE };
        let words = end_words(&row.ending);
        match &row.ending {
            Ending::Withheld { .. } => self.unknown(behind),
            Ending::Stopped { cause: Cause::Timeout, .. } => {
                self.violation(RuleId::StsFetchTimeout, None, words)
            }
            Ending::Stopped { cause: Cause::Oversize, .. } => {
                self.violation(RuleId::StsFetchOversize, None, words)
            }
            Ending::Completed if row.body_truncated => {
                self.violation(RuleId::StsFetchOversize, None, "the body is longer than what was kept of it")
            }
            Ending::Stopped { cause, .. } => {
                let cause = match cause {
                    Cause::Closed | Cause::Reset | Cause::TlsAlert | Cause::TlsError => "closed",
                    _ => "malformed",
                };
                self.violation(RuleId::StsFetchIncomplete, Some(cause), words)
            }
            Ending::Completed => match (row.status, &row.body) {
                (Some(_), body) => {
                    self.notes.applies(RESPONSE);
                    Fetch::Text(body.as_ref().map_or(&[], |body| body.as_slice()), soundness)
                }
                (None, _) => self.unknown(behind),
            },
        }
    }

    /// `text/plain`, without case and whatever its parameters (§3.2).
    fn media_type(&mut self) {
        self.notes.pass(RuleId::StsFetchMediaType);
        let value = header(self.row, "content-type");
        let essence = value.and_then(|value| value.split(|byte| *byte == b';').next()).unwrap_or_default();
        if !essence.trim_ascii().eq_ignore_ascii_case(b"text/plain") {
            let detail = value.map_or("no content-type".to_owned(), quote);
            self.violation(RuleId::StsFetchMediaType, None, detail);
        }
    }
}

fn header<'a>(row: &'a PolicyRow, name: &str) -> Option<&'a [u8]> {
    row.headers.iter().find(|header| header.name == name).map(|header| header.value.as_slice())
}
