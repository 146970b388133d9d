//! TLS reports (RFC 8460 §4.4): what senders say of their sessions with a domain's mail hosts.
//!
//! Reports are read for what they say, not for how well they are made: whatever of a report can be understood is, and
//! each place where it is not as the RFC has it is an [`Oddity`] beside it. Only what is no JSON object, or one without
//! a single field of a report's, is [refused](NotAReport).
//!
//! The readings taken:
//!
//! - Every field may be missing. A missing count is unknown, never 0.
//! - `mx-host` is a list (§4.4) and a string in the RFC's own example (Appendix B; erratum 6241): both are read.
//! - Of a key that stands twice the last counts, as most JSON readers have it.
//! - Keys are known by their letters: `receiving-mx-host-name` and `receivingMxHostname` are `receiving-mx-hostname`.
//! - A time without an offset is UTC (§4.4 asks for a full UTC day).
//! - Totals that do not add up are kept as they are, both of them.

mod date_time;
mod fields;
mod json;
mod oddity;

use fields::{Fields, Reader};
use json::Json;
pub use oddity::{Oddity, OddityKind};

/// Bytes of a report's JSON, read at most: some hundred times what the largest senders send.
pub const REPORT_BYTES_MAX: usize = 16 << 20;
/// Policies of a report, taken at most; the rest is counted in an oddity.
pub const REPORT_POLICIES_MAX: usize = 10_000;
/// Failures of a report over all its policies, taken at most; the rest is counted in an oddity.
pub const REPORT_FAILURES_MAX: usize = 100_000;
/// Strings of a policy or of its `mx-host`, taken at most; the rest is counted in an oddity.
pub const POLICY_STRINGS_MAX: usize = 1_000;
/// Oddities noted of a report at most; the last of them says how many were not.
pub const REPORT_ODDITIES_MAX: usize = 1_000;

/// A report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsReport {
    /// `organization-name`: who reports.
    pub organization: Option<String>,
    /// `start-datetime`, microseconds since 1970 in UTC.
    pub begins: Option<i64>,
    /// `end-datetime`, microseconds since 1970 in UTC.
    pub ends: Option<i64>,
    /// `contact-info`.
    pub contact: Option<String>,
    /// `report-id`.
    pub report_id: Option<String>,
    /// What was applied, and how it went.
    pub policies: Vec<ReportedPolicy>,
    /// Where it is not as the RFC has it, in the order of reading.
    pub oddities: Vec<Oddity>,
}

/// A policy that a sender applied, and what came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportedPolicy {
    /// `policy-type` in lower case: `tlsa`, `sts`, `no-policy-found`, or another word.
    pub kind: Option<String>,
    /// `policy-string`: the lines of a policy, or TLSA records.
    pub strings: Vec<String>,
    /// `policy-domain`: lower-case A-labels where it is a name, else as written.
    pub domain: Option<String>,
    /// `mx-host`: the policy's patterns.
    pub mx_hosts: Vec<String>,
    /// `total-successful-session-count`.
    pub successful: Option<u64>,
    /// `total-failure-session-count`.
    pub failed: Option<u64>,
    /// `failure-details`.
    pub failures: Vec<ReportedFailure>,
}

/// A kind of failure, with its count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportedFailure {
    /// `result-type` in lower case: of §4.3, or another word.
    pub result_type: Option<String>,
    /// `sending-mta-ip`, as written.
    pub sending_address: Option<String>,
    /// `receiving-mx-hostname`: lower-case A-labels where it is a name, else as written.
    pub mx_host: Option<String>,
    /// `receiving-mx-helo`.
    pub mx_helo: Option<String>,
    /// `receiving-ip`, as written.
    pub receiving_address: Option<String>,
    /// `failed-session-count`.
    pub sessions: Option<u64>,
    /// `additional-information`.
    pub information: Option<String>,
    /// `failure-reason-code`.
    pub reason: Option<String>,
}

/// Why bytes are no report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAReport {
    /// Nothing but white space.
    #[error("empty")]
    Empty,
    /// More than [`REPORT_BYTES_MAX`].
    #[error("longer than {REPORT_BYTES_MAX} bytes")]
    TooLong,
    /// Not JSON, or nested too deeply.
    #[error("no JSON: {0}")]
    NotJson(String),
    /// JSON, but no object.
    #[error("no JSON object")]
    NotAnObject,
    /// An object without any field of a report.
    #[error("none of the fields of a report")]
    NoFields,
}

impl NotAReport {
    /// The word for it in tables.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too-long",
            Self::NotJson(_) => "not-json",
            Self::NotAnObject => "not-an-object",
            Self::NoFields => "not-a-report",
        }
    }
}

/// The types of policy (§4.4).
pub const POLICY_TYPES: &[&str] = &["tlsa", "sts", "no-policy-found"];

/// The result types (§4.3), in the order of the RFC.
pub const RESULT_TYPES: &[&str] = &[
    "starttls-not-supported",
    "certificate-host-mismatch",
    "certificate-expired",
    "certificate-not-trusted",
    "validation-failure",
    "tlsa-invalid",
    "dnssec-invalid",
    "dane-required",
    "sts-policy-fetch-error",
    "sts-policy-invalid",
    "sts-webpki-invalid",
];

/// Whether a result type is about the policy (§4.3.2), so that no session with a mail host need be behind it.
fn is_about_policy(result_type: &str) -> bool {
    !matches!(
        result_type,
        "starttls-not-supported"
            | "certificate-host-mismatch"
            | "certificate-expired"
            | "certificate-not-trusted"
            | "validation-failure"
    )
}

const REPORT: &[&str] = &["organization-name", "date-range", "contact-info", "report-id", "policies"];
const DATE_RANGE: &[&str] = &["start-datetime", "end-datetime"];
const ENTRY: &[&str] = &["policy", "summary", "failure-details"];
const POLICY: &[&str] = &["policy-type", "policy-string", "policy-domain", "mx-host"];
const SUMMARY: &[&str] = &["total-successful-session-count", "total-failure-session-count"];
const FAILURE: &[&str] = &[
    "result-type",
    "sending-mta-ip",
    "receiving-mx-hostname",
    "receiving-mx-helo",
    "receiving-ip",
    "failed-session-count",
    "additional-information",
    "failure-reason-code",
];

impl TlsReport {
    /// Reads a report from its JSON, decompressed.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotAReport> {
        if bytes.len() > REPORT_BYTES_MAX {
            return Err(NotAReport::TooLong);
        }
        let mut reader = Reader::default();
        let json = json::read(bytes, &mut reader)?;
        let Json::Object(_) = &json else { return Err(NotAReport::NotAnObject) };
        let top = reader.fields(&json, "", REPORT);
        if top.is_empty() {
            return Err(NotAReport::NoFields);
        }
        let mut report = Self {
            organization: reader.required_text(&top, "organization-name"),
            contact: reader.required_text(&top, "contact-info"),
            report_id: reader.required_text(&top, "report-id"),
            ..Self::default()
        };
        if let Some(range) = reader.object(&top, "date-range", DATE_RANGE) {
            report.begins = reader.time(&range, "start-datetime");
            report.ends = reader.time(&range, "end-datetime");
            reader.check_range(&range, report.begins, report.ends);
        }
        let entries = reader.objects(&top, "policies", ENTRY, REPORT_POLICIES_MAX, true);
        let mut failures_left = REPORT_FAILURES_MAX;
        for entry in &entries {
            report.policies.push(ReportedPolicy::read(&mut reader, entry, &mut failures_left));
        }
        report.oddities = reader.into_oddities();
        Ok(report)
    }
}

impl ReportedPolicy {
    fn read(reader: &mut Reader, entry: &Fields<'_>, failures_left: &mut usize) -> Self {
        let mut read = Self::default();
        if let Some(policy) = reader.object(entry, "policy", POLICY) {
            read.kind = reader.word(&policy, "policy-type", POLICY_TYPES, OddityKind::PolicyTypeUnknown);
            read.domain = reader.name(&policy, "policy-domain", true);
            read.strings = reader.policy_strings(&policy, "policy-string");
            read.mx_hosts = reader.mx_hosts(&policy, "mx-host");
        }
        if let Some(summary) = reader.object(entry, "summary", SUMMARY) {
            read.successful = reader.count(&summary, "total-successful-session-count");
            read.failed = reader.count(&summary, "total-failure-session-count");
        }
        let details = reader.objects(entry, "failure-details", FAILURE, *failures_left, false);
        *failures_left -= details.len();
        read.failures = details.iter().map(|detail| ReportedFailure::read(reader, detail)).collect();
        reader.check_totals(entry, read.failed, &read.failures);
        read
    }
}

impl ReportedFailure {
    fn read(reader: &mut Reader, detail: &Fields<'_>) -> Self {
        let result_type = reader.word(detail, "result-type", RESULT_TYPES, OddityKind::ResultTypeUnknown);
        let of_session = !is_about_policy(result_type.as_deref().unwrap_or_default());
        Self {
            sending_address: reader.address(detail, "sending-mta-ip", of_session),
            mx_host: reader.name(detail, "receiving-mx-hostname", of_session),
            mx_helo: reader.text(detail, "receiving-mx-helo"),
            receiving_address: reader.address(detail, "receiving-ip", false),
            sessions: reader.count(detail, "failed-session-count"),
            information: reader.uri(detail, "additional-information"),
            reason: reader.text(detail, "failure-reason-code"),
            result_type,
        }
    }
}
