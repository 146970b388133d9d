//! What senders report, beside what a scan found.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use mxray_evidence::derived::{FindingRow, VerdictRow};
use mxray_evidence::tls_reports::TlsReportMatchRow;
use mxray_evidence::{DomainRow, Micros, RunDir, read_rows};
use mxray_protocol::tls_report::TlsReport;

use crate::StudyError;

/// A kind of failure: policy domain, MX host, result type.
type Kind = (Option<String>, Option<String>, Option<String>);

/// The failures of many reports, added up by policy domain, MX host and result type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportedFailures {
    kinds: BTreeMap<Kind, Sum>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Sum {
    reports: u64,
    sessions: u64,
    first: Option<Micros>,
    last: Option<Micros>,
}

impl ReportedFailures {
    /// Adds a report's.
    pub(super) fn add(&mut self, report: &TlsReport) {
        let mut here = BTreeSet::new();
        for policy in &report.policies {
            for failure in &policy.failures {
                let kind = (policy.domain.clone(), failure.mx_host.clone(), failure.result_type.clone());
                let sum = self.kinds.entry(kind.clone()).or_default();
                sum.sessions = sum.sessions.saturating_add(failure.sessions.unwrap_or(0));
                if here.insert(kind) {
                    sum.reports += 1;
                    sum.first = earlier(sum.first, report.begins);
                    sum.last = sum.last.max(report.ends);
                }
            }
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }
}

fn earlier(a: Option<Micros>, b: Option<Micros>) -> Option<Micros> {
    a.into_iter().chain(b).min()
}

/// What a run holds of a domain that is reported on.
#[derive(Default)]
struct Seen {
    mx_hosts: BTreeSet<String>,
    mx_measured: bool,
    findings: Vec<FindingRow>,
    verdict: Option<VerdictRow>,
}

/// Lays reported failures beside the classification `id` of `run`, and writes what comes of it into `out`. Reads the run
/// once; keeps of it what it says of the domains that are reported on.
pub fn match_tls_reports(
    run: &RunDir,
    id: &str,
    failures: &ReportedFailures,
    out: &Path,
) -> Result<Vec<TlsReportMatchRow>, StudyError> {
    let manifest = run.read_manifest().map_err(StudyError::file("reading", &run.manifest_path()))?;
    let wanted = failures.kinds.keys().filter_map(|(domain, _, _)| domain.clone());
    let mut domains: HashMap<String, Seen> = wanted.map(|domain| (domain, Seen::default())).collect();
    let mut scanned = BTreeSet::new();
    run.for_each::<DomainRow>(|row| {
        if let Some(seen) = domains.get_mut(&*row.domain) {
            seen.mx_measured = row.mx.is_measured();
            seen.mx_hosts = row.mx.records.into_iter().map(|mx| mx.exchange.into()).collect();
            scanned.insert(String::from(row.domain));
        }
    })?;
    for rows in read_rows::<FindingRow>(&run.derived_path::<FindingRow>(id))? {
        for row in rows? {
            if let Some(seen) = domains.get_mut(&row.domain) {
                seen.findings.push(row);
            }
        }
    }
    for rows in read_rows::<VerdictRow>(&run.derived_path::<VerdictRow>(id))? {
        for row in rows? {
            if let Some(seen) = domains.get_mut(&row.domain) {
                seen.verdict = Some(row);
            }
        }
    }
    let mut rows = Vec::new();
    for (kind, sum) in &failures.kinds {
        let seen =
            kind.0.as_ref().filter(|domain| scanned.contains(*domain)).and_then(|domain| domains.get(domain));
        let told = seen.map_or(Told::of("not-scanned", None), |seen| seen.tell(kind, manifest.dnssec));
        let (policy_domain, mx_host, result_type) = kind.clone();
        rows.push(TlsReportMatchRow {
            policy_domain,
            mx_host,
            result_type,
            reports: sum.reports,
            sessions: sum.sessions,
            first: sum.first,
            last: sum.last,
            outcome: told.outcome.to_owned(),
            detail: told.detail,
            rule: told.finding.as_ref().map(|finding| finding.rule.clone()),
            cause: told.finding.as_ref().and_then(|finding| finding.cause.clone()),
            subject: told.finding.map(|finding| finding.subject),
        });
    }
    let mut writer = super::table(out)?;
    writer.write(rows.iter().cloned())?;
    writer.finish()?.publish()?;
    Ok(rows)
}

/// What a scan says to a reported failure.
struct Told {
    outcome: &'static str,
    detail: Option<String>,
    finding: Option<FindingRow>,
}

impl Told {
    fn of(outcome: &'static str, detail: Option<String>) -> Self {
        Self { outcome, detail, finding: None }
    }

    fn by(outcome: &'static str, finding: &FindingRow) -> Self {
        Self { outcome, detail: finding.detail.clone(), finding: Some(finding.clone()) }
    }
}

impl Seen {
    fn tell(&self, (domain, host, result_type): &Kind, dnssec: bool) -> Told {
        let result_type = result_type.as_deref().unwrap_or_default();
        // Of the policy nothing is wrong at a host.
        let host = host.as_deref().filter(|_| !result_type.starts_with("sts-"));
        let is_about = |finding: &&FindingRow| {
            host.is_none_or(|host| finding.subject == host || Some(&finding.subject) == domain.as_ref())
        };
        let violated =
            || self.findings.iter().filter(is_about).filter(|finding| finding.outcome == "violation");
        let same = |finding: &&FindingRow| finding.report_type.as_deref() == Some(result_type);
        if let Some(finding) = violated().find(same) {
            return Told::by("explained", finding);
        }
        if let Some(finding) = violated().find(|finding| is_kind_of(finding, result_type)) {
            return Told::by("explained", finding);
        }
        if let Some(host) = host
            && !self.mx_hosts.contains(host)
        {
            if !self.mx_measured {
                return Told::of("unknown", Some("its MX set was not measured".to_owned()));
            }
            let hosts = self.mx_hosts.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Told::of("other-host", Some(format!("its MX hosts: {hosts}")));
        }
        let of_dane = matches!(result_type, "tlsa-invalid" | "dnssec-invalid" | "dane-required");
        if of_dane && !dnssec {
            return Told::of("unknown", Some("DNSSEC was not measured".to_owned()));
        }
        let unknown = self.findings.iter().filter(is_about).filter(|finding| finding.outcome == "unknown");
        if let Some(finding) =
            unknown.into_iter().find(|finding| same(finding) || is_kind_of(finding, result_type))
        {
            return Told::of("unknown", finding.detail.clone());
        }
        if let Some(finding) = violated().find(|finding| finding.report_type.is_some()) {
            return Told::by("related", finding);
        }
        let (known, detail) = self.standing(result_type);
        Told::of(if known { "not-seen" } else { "unknown" }, detail)
    }

    /// Whether that on which a result type bears was measured, and how it stands.
    fn standing(&self, result_type: &str) -> (bool, Option<String>) {
        let Some(verdict) = &self.verdict else { return (false, None) };
        let words = match result_type {
            word if word.starts_with("sts-") => {
                vec![("record", &verdict.record), ("policy", &verdict.policy)]
            }
            "tlsa-invalid" | "dnssec-invalid" | "dane-required" => vec![("TLSA", &verdict.tlsa)],
            _ => vec![("STARTTLS", &verdict.starttls), ("certificates", &verdict.certificates)],
        };
        let told = words.iter().map(|(name, word)| format!("{name} {word}")).collect::<Vec<_>>().join(", ");
        (words.iter().all(|(_, word)| *word != "unknown"), Some(told))
    }
}

/// `validation-failure` is what a sender says of any failed handshake that it has no better word for (RFC 8460 §4.3.3),
/// and Google says it of an MX host that the policy does not name.
fn is_kind_of(finding: &FindingRow, result_type: &str) -> bool {
    let of_finding = finding.report_type.as_deref().unwrap_or_default();
    result_type == "validation-failure"
        && (of_finding.starts_with("certificate-")
            || of_finding == "starttls-not-supported"
            || of_finding == "tlsa-invalid")
}
