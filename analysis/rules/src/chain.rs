//! What a judged chain means for a host, in the words of the rules.

use mxray_evidence::Micros;

use crate::certificates::{ChainAssessment, ChainProblem};
use crate::quote::moment;
use crate::rule::{CauseDoc, RuleId, cause};

/// A certificate that ends within so many days is reported while it is still valid.
pub const CERTIFICATE_EXPIRING_DAYS: i64 = 14;
const DAY_MICROS: Micros = 86_400 * 1_000_000;
const NAMES_SHOWN_MAX: usize = 6;

pub(crate) const EXPIRED_CAUSES: &[CauseDoc] =
    &[cause("expired", "its validity has ended"), cause("not-yet-valid", "its validity has not begun")];

pub(crate) const UNTRUSTED_CAUSES: &[CauseDoc] = &[
    cause("self-signed", "the certificate is its own issuer"),
    cause("unknown-root", "the chain leads to a CA that is not trusted"),
    cause("missing-intermediate", "the server does not send the certificate of the CA that issued its own"),
    cause("malformed", "a certificate on the way cannot be read or used"),
];

/// The rules for certificates of one kind of host.
pub(crate) struct CertificateRules {
    pub(crate) name: RuleId,
    pub(crate) expired: RuleId,
    pub(crate) untrusted: RuleId,
    pub(crate) expiring: RuleId,
}

/// A violation, as yet without a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) rule: RuleId,
    pub(crate) cause: Option<&'static str>,
    pub(crate) detail: Option<String>,
}

impl CertificateRules {
    /// The rules that every chain is held against; `expiring` only a valid one.
    pub(crate) fn always(&self) -> [RuleId; 3] {
        [self.name, self.expired, self.untrusted]
    }

    pub(crate) fn all(&self) -> [RuleId; 4] {
        [self.name, self.expired, self.untrusted, self.expiring]
    }

    /// What is wrong with a chain at `at`.
    pub(crate) fn problems(&self, chain: &ChainAssessment, at: Micros) -> Vec<Problem> {
        let mut problems = Vec::new();
        for problem in &chain.problems {
            let (rule, cause) = match problem {
                ChainProblem::Name => (self.name, None),
                ChainProblem::Expired => (self.expired, Some("expired")),
                ChainProblem::NotYetValid => (self.expired, Some("not-yet-valid")),
                ChainProblem::SelfSigned => (self.untrusted, Some("self-signed")),
                ChainProblem::UnknownRoot => (self.untrusted, Some("unknown-root")),
                ChainProblem::MissingIntermediate => (self.untrusted, Some("missing-intermediate")),
                ChainProblem::Malformed => (self.untrusted, Some("malformed")),
            };
            let detail = match problem {
                ChainProblem::Name => Some(names(chain)),
                ChainProblem::Expired => chain.not_after.map(|end| format!("ended {}", moment(end))),
                ChainProblem::NotYetValid => Some(format!("seen {}", moment(at))),
                _ => chain.detail.clone(),
            };
            problems.push(Problem { rule, cause, detail });
        }
        if let Some(end) = expiring(chain, at) {
            let detail = Some(format!("ends {}", moment(end)));
            problems.push(Problem { rule: self.expiring, cause: None, detail });
        }
        problems
    }
}

fn names(chain: &ChainAssessment) -> String {
    if chain.names.is_empty() {
        return "the certificate has no DNS name".to_owned();
    }
    let shown = chain.names.iter().take(NAMES_SHOWN_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    match chain.names.len().saturating_sub(NAMES_SHOWN_MAX) {
        0 => format!("issued for {shown}"),
        more => format!("issued for {shown} and {more} more"),
    }
}

/// The end of a certificate that is valid at `at` and will not be for long.
fn expiring(chain: &ChainAssessment, at: Micros) -> Option<Micros> {
    let end = chain.not_after.filter(|_| chain.is_valid())?;
    (end.saturating_sub(at) < CERTIFICATE_EXPIRING_DAYS * DAY_MICROS).then_some(end)
}
