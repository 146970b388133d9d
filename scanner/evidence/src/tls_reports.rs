//! What TLS reports (RFC 8460) say: the tables that `mxray tlsrpt` writes into a folder of their own.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::column::{Column, Kind, bytes, name, text, time, u32, u64};
use crate::{Micros, Table};

/// A row of `tls_reports`: a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsReportRow {
    /// Its number, from 0, in the order of reading.
    pub report: u64,
    /// The file it came from.
    pub source: String,
    /// Where in the file, if not all of it: `message 3, part 2`.
    pub part: Option<String>,
    /// Bytes of its JSON.
    pub bytes: u64,
    /// SHA-256 of its JSON.
    pub sha256: ByteBuf,
    /// The number of the first report that says the same, if it is not this one.
    pub repeats: Option<u64>,
    /// `organization-name`.
    pub organization: Option<String>,
    /// `start-datetime`.
    pub begins: Option<Micros>,
    /// `end-datetime`.
    pub ends: Option<Micros>,
    /// `contact-info`.
    pub contact: Option<String>,
    /// `report-id`.
    pub report_id: Option<String>,
    /// Rows in `tls_report_policies`.
    pub policies: u32,
    /// Rows in `tls_report_failures`.
    pub failures: u32,
    /// Rows in `tls_report_oddities`.
    pub oddities: u32,
}

impl Table for TlsReportRow {
    const NAME: &'static str = "tls_reports";
    const DOC: &'static str = "A row a TLS report that was read (RFC 8460 §4.4), however odd. One that came twice has a \
        row each time: count those whose `repeats` is null.";

    fn columns() -> Vec<Column> {
        vec![
            u64("report", "Its number, from 0, in the order of reading."),
            text("source", "The file it came from."),
            text("part", "Where in the file, if it is not all of it: `message 3, part 2`.").optional(),
            u64("bytes", "Bytes of its JSON."),
            bytes("sha256", "SHA-256 of its JSON, 32 bytes."),
            u64("repeats", "The number of the first report that says the same; null where this is it.")
                .optional(),
            text("organization", "`organization-name`: who reports.").optional(),
            time("begins", "`start-datetime`; without an offset, read as UTC.").optional(),
            time("ends", "`end-datetime`; without an offset, read as UTC.").optional(),
            text("contact", "`contact-info`.").optional(),
            text("report_id", "`report-id`.").optional(),
            u32("policies", "Rows in `tls_report_policies`."),
            u32("failures", "Rows in `tls_report_failures`."),
            u32("oddities", "Rows in `tls_report_oddities`."),
        ]
    }
}

/// A row of `tls_report_policies`: a policy that a sender applied, and how its sessions went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsReportPolicyRow {
    /// The report.
    pub report: u64,
    /// Its number in the report, from 0.
    pub policy: u32,
    /// `policy-type`.
    pub policy_type: Option<String>,
    /// `policy-domain`.
    pub policy_domain: Option<String>,
    /// `policy-string`.
    pub policy_strings: Vec<String>,
    /// `mx-host`.
    pub mx_hosts: Vec<String>,
    /// `total-successful-session-count`.
    pub successful: Option<u64>,
    /// `total-failure-session-count`.
    pub failed: Option<u64>,
}

impl Table for TlsReportPolicyRow {
    const NAME: &'static str = "tls_report_policies";
    const DOC: &'static str =
        "A row a policy of a TLS report: what the sender applied, and how its sessions went.";

    fn columns() -> Vec<Column> {
        vec![
            u64("report", "The report, as in `tls_reports`."),
            u32("policy", "Its number in the report, from 0."),
            text(
                "policy_type",
                "`tlsa`, `sts`, `no-policy-found`, or what else stands there, in lower case.",
            )
            .optional(),
            text("policy_domain", "The policy domain, as A-labels; as written where it is no name.")
                .optional(),
            Column::list(
                "policy_strings",
                Kind::Text,
                "The policy as the sender had it: its lines, or TLSA records.",
            ),
            Column::list("mx_hosts", Kind::Text, "`mx-host`: the patterns of the policy."),
            u64("successful", "`total-successful-session-count`; null where it is missing, which is not 0.")
                .optional(),
            u64("failed", "`total-failure-session-count`; null where it is missing, which is not 0.")
                .optional(),
        ]
    }
}

/// A row of `tls_report_failures`: a kind of failure, with its count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsReportFailureRow {
    /// The report.
    pub report: u64,
    /// The policy's number in it.
    pub policy: u32,
    /// The failure's number in the policy, from 0.
    pub failure: u32,
    /// The policy's `policy-type`.
    pub policy_type: Option<String>,
    /// The policy's `policy-domain`.
    pub policy_domain: Option<String>,
    /// `result-type`.
    pub result_type: Option<String>,
    /// `sending-mta-ip`.
    pub sending_address: Option<String>,
    /// `receiving-mx-hostname`.
    pub mx_host: Option<String>,
    /// `receiving-mx-helo`.
    pub mx_helo: Option<String>,
    /// `receiving-ip`.
    pub receiving_address: Option<String>,
    /// `failed-session-count`.
    pub sessions: Option<u64>,
    /// `additional-information`.
    pub information: Option<String>,
    /// `failure-reason-code`.
    pub reason: Option<String>,
}

impl Table for TlsReportFailureRow {
    const NAME: &'static str = "tls_report_failures";
    const DOC: &'static str = "A row an entry of a policy's `failure-details`.";

    fn columns() -> Vec<Column> {
        vec![
            u64("report", "The report, as in `tls_reports`."),
            u32("policy", "The policy, as in `tls_report_policies`."),
            u32("failure", "Its number in the policy, from 0."),
            text("policy_type", "The policy's `policy-type`.").optional(),
            text("policy_domain", "The policy's `policy-domain`.").optional(),
            text("result_type", "`result-type` (§4.3), or what else stands there, in lower case.").optional(),
            text("sending_address", "`sending-mta-ip`, as written.").optional(),
            text("mx_host", "`receiving-mx-hostname`, as A-labels; as written where it is no name.")
                .optional(),
            text("mx_helo", "`receiving-mx-helo`.").optional(),
            text("receiving_address", "`receiving-ip`, as written.").optional(),
            u64("sessions", "`failed-session-count`; null where it is missing.").optional(),
            text("information", "`additional-information`.").optional(),
            text("reason", "`failure-reason-code`.").optional(),
        ]
    }
}

/// A row of `tls_report_oddities`: something that is not as the RFC has it, and was read all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsReportOddityRow {
    /// The report.
    pub report: u64,
    /// What, a kebab-case word.
    pub oddity: String,
    /// Where, as a path into the JSON.
    pub place: String,
    /// The offending text, cut.
    pub detail: Option<String>,
}

impl Table for TlsReportOddityRow {
    const NAME: &'static str = "tls_report_oddities";
    const DOC: &'static str = "A row a place where a report, or what it came in, is not as RFC 8460 has it, and was read \
        all the same.";

    fn columns() -> Vec<Column> {
        vec![
            u64("report", "The report, as in `tls_reports`."),
            text("oddity", "What, a kebab-case word: `date-without-offset`, `totals-differ` and others."),
            text("place", "Where, as a path into the JSON; empty for the whole, or for what it came in."),
            text("detail", "The offending text, cut at 200 characters.").optional(),
        ]
    }
}

/// A row of `tls_report_rejects`: what was looked at and gave no report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsReportRejectRow {
    /// The file.
    pub source: String,
    /// Where in the file, if not all of it.
    pub part: Option<String>,
    /// Why, a kebab-case word.
    pub reason: String,
    /// More of it, for a person.
    pub detail: Option<String>,
}

impl Table for TlsReportRejectRow {
    const NAME: &'static str = "tls_report_rejects";
    const DOC: &'static str =
        "A row a file, mail or attachment that should have held a report, and gave none.";

    fn columns() -> Vec<Column> {
        vec![
            text("source", "The file."),
            text("part", "Where in the file, if it is not all of it.").optional(),
            text(
                "reason",
                "Why, a kebab-case word: `not-json`, `too-long`, `no-report-attached`, `unreadable` and others.",
            ),
            text("detail", "More of it, for a person.").optional(),
        ]
    }
}

/// A row of `tls_report_matches`: a reported failure beside what a scan found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsReportMatchRow {
    /// The policy domain.
    pub policy_domain: Option<String>,
    /// The MX host, where the report names one.
    pub mx_host: Option<String>,
    /// The result type.
    pub result_type: Option<String>,
    /// Reports that say so, repeats left out.
    pub reports: u64,
    /// Failed sessions in them.
    pub sessions: u64,
    /// Begin of the first of these reports.
    pub first: Option<Micros>,
    /// End of the last of these reports.
    pub last: Option<Micros>,
    /// What the scan says to it.
    pub outcome: String,
    /// Why the outcome is what it is, or what else the scan found.
    pub detail: Option<String>,
    /// The rule that explains it.
    pub rule: Option<String>,
    /// That rule's sub-cause.
    pub cause: Option<String>,
    /// What the finding is about.
    pub subject: Option<String>,
}

impl Table for TlsReportMatchRow {
    const NAME: &'static str = "tls_report_matches";
    const DOC: &'static str = "A row a distinct reported failure (policy domain, MX host, result type), beside what a scan \
        found: written where a run was given.";

    fn columns() -> Vec<Column> {
        vec![
            name("policy_domain", "The policy domain.").optional(),
            name("mx_host", "The MX host; null where no report of it names one.").optional(),
            text("result_type", "The result type.").optional(),
            u64("reports", "Reports that say so, repeats left out."),
            u64("sessions", "Failed sessions in them, added up."),
            time("first", "Begin of the first of these reports.").optional(),
            time("last", "End of the last of these reports.").optional(),
            text(
                "outcome",
                "`explained` (the scan found what a sender reports so), `related` (it found another fault there), \
                 `not-seen` (it looked, and found none), `unknown` (it could not measure it), `other-host` (the domain \
                 had not that MX host), `not-scanned` (the domain is not in the run).",
            ),
            text("detail", "Why, or what else was found, for a person.").optional(),
            text("rule", "The rule whose violation explains it, or is related.").optional(),
            text("cause", "That rule's sub-cause.").optional(),
            name("subject", "What that finding is about.").optional(),
        ]
    }
}
