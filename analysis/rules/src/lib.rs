//! From evidence to opinion, without a socket, a clock or a random number.
//!
//! [`rules`] is the codebook: each [`Rule`] has its section, its effect on a conforming sender, the result type that
//! a sender would report, and what a postmaster can do. [`assess_chain`] judges certificates: at a stated time,
//! against a stated [`TrustStore`], for a stated name. [`assess_session`] and [`assess_host`] judge, once, what many
//! domains share; [`judge`] joins them to one domain's [`Dossier`] and gives a [`Judgement`]: findings, the outcome
//! of every rule, and the verdict with the senders' views.
//!
//! The rules stand by axis: the record, the fetch, the policy's text, its match with the MX set, the MX hosts, and
//! TLS-RPT. [`judge_across`] and [`judge_host_across`] lay runs side by side. [`Outcome::Unknown`] means that something was not measured. It is never absence, and never a violation.

mod across;
mod aside;
mod certificates;
mod chain;
mod dane;
mod fetch;
mod finding;
mod harmless;
mod host;
mod hosting;
mod judge;
mod mx_match;
mod operator;
mod policy;
mod quote;
mod record;
mod remark;
mod report_sink;
mod resolution;
mod route;
mod rule;
mod sender;
mod session;
mod tlsrpt;

pub use across::{
    AcrossRule, Change, ChangeKind, HostChange, HostStanding, PolicyStanding, RecordStanding, Standing,
    TESTING_DAYS_LEAST, TESTING_DAYS_MOST, TlsaStanding, ValidStanding, across_rules, judge_across,
    judge_host_across,
};
pub use certificates::{ChainAssessment, ChainProblem, TrustError, TrustStore, assess_chain};
pub use chain::CERTIFICATE_EXPIRING_DAYS;
pub use dane::{DaneOutcome, NearMiss, Tlsa, Unusable, match_host, match_tlsa};
pub use finding::{Finding, Judgement};
pub use harmless::printable;
pub use host::{HostAssessment, SessionTally, assess_host};
pub use judge::{Dossier, judge};
pub use remark::remark;
pub use report_sink::{SinkAssessment, assess_sink};
pub use resolution::Resolution;
pub use rule::{Axis, CauseDoc, Effect, OperatorRole, Outcome, Rule, RuleId, Subject, rules};
pub use sender::{Delivery, Spoils};
pub use session::{HandshakeFailure, OldTls, SessionAssessment, SessionOutcome, assess_session};
