//! TLS reports (RFC 8460): read as they come, written as Parquet, and laid beside a run.
//!
//! What a report says is read by [`mxray_protocol::tls_report`]; here is what it comes in (JSON, gzip, mails, mailboxes,
//! folders), and where it goes. One bad file never stops the rest: it is a row of `tls_report_rejects`.

mod envelope;
mod inputs;
mod mailbox;
mod matching;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use mxray_evidence::tls_reports::{
    TlsReportFailureRow, TlsReportOddityRow, TlsReportPolicyRow, TlsReportRejectRow, TlsReportRow,
};
use mxray_evidence::{ByteBuf, PartLabel, Table};
use mxray_protocol::tls_report::{NotAReport, TlsReport};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::StudyError;
use crate::buffered::Buffered;
use envelope::{Enclosed, Found};
pub use matching::{ReportedFailures, match_tls_reports};

/// What was read, summed up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TlsReportsRead {
    /// Files looked at.
    pub files: u64,
    /// Reports read, repeats among them.
    pub reports: u64,
    /// Of these, how many say what one before them said.
    pub repeats: u64,
    /// Files, mails and attachments that should have held a report, and gave none.
    pub rejects: u64,
    /// Policies in the reports, repeats left out; so in all that follows.
    pub policies: u64,
    /// Sessions that succeeded.
    pub successful_sessions: u128,
    /// Sessions that failed, by the summaries.
    pub failed_sessions: u128,
    /// Reports with each oddity, by its name; repeats among them.
    pub oddities: BTreeMap<String, u64>,
    /// Rejects by reason.
    pub reject_reasons: BTreeMap<String, u64>,
    /// The tables that were written.
    pub tables: Vec<PathBuf>,
    /// The failures, added up.
    #[serde(skip)]
    pub failures: ReportedFailures,
}

/// Reads every report in `inputs` (files and folders) and writes the tables of it into `out`.
pub fn read_tls_reports(inputs: &[PathBuf], out: &Path) -> Result<TlsReportsRead, StudyError> {
    fs::create_dir_all(out).map_err(StudyError::file("creating", out))?;
    let mut writers = Writers::create(out)?;
    let mut read = TlsReportsRead::default();
    let mut seen = HashMap::new();
    read.files = inputs::for_each(inputs, |path, found| {
        let source = path.display().to_string();
        write_found(&source, found, &mut seen, &mut writers, &mut read)
    })?;
    read.tables = writers.finish(out)?;
    Ok(read)
}

fn write_found(
    source: &str,
    found: Found,
    seen: &mut HashMap<[u8; 32], u64>,
    writers: &mut Writers,
    read: &mut TlsReportsRead,
) -> Result<(), StudyError> {
    let mut reject = |part: String, reason: &str, detail: Option<String>, read: &mut TlsReportsRead| {
        read.rejects += 1;
        *read.reject_reasons.entry(reason.to_owned()).or_default() += 1;
        let part = (!part.is_empty()).then_some(part);
        let row = TlsReportRejectRow { source: source.to_owned(), part, reason: reason.to_owned(), detail };
        writers.rejects.write([row])
    };
    for refused in found.refused {
        reject(refused.part, refused.reason, refused.detail, read)?;
    }
    let mut reports = Vec::new();
    for enclosed in found.enclosed {
        match TlsReport::parse(&enclosed.json) {
            Ok(report) => reports.push((enclosed, report)),
            Err(error) => {
                let detail = matches!(error, NotAReport::NotJson(_)).then(|| error.to_string());
                reject(enclosed.part, error.word(), detail, read)?;
            }
        }
    }
    for (enclosed, report) in reports {
        let number = read.reports;
        let first = *seen.entry(said(&report)).or_insert(number);
        let repeats = (first != number).then_some(first);
        read.count(&enclosed, &report, repeats.is_some());
        writers.write(number, source, enclosed, repeats, report)?;
    }
    Ok(())
}

/// A digest of what a report says, however it is written.
fn said(report: &TlsReport) -> [u8; 32] {
    let TlsReport { organization, begins, ends, contact, report_id, policies, oddities: _ } = report;
    Sha256::digest(format!("{:?}", (organization, begins, ends, contact, report_id, policies))).into()
}

impl TlsReportsRead {
    fn count(&mut self, enclosed: &Enclosed, report: &TlsReport, is_repeat: bool) {
        self.reports += 1;
        let words = report.oddities.iter().map(|oddity| oddity.kind.as_str());
        let mut words: Vec<&str> = words.chain(enclosed.oddities.iter().map(|(word, _)| *word)).collect();
        words.sort_unstable();
        words.dedup();
        for word in words {
            *self.oddities.entry(word.to_owned()).or_default() += 1;
        }
        if is_repeat {
            self.repeats += 1;
            return;
        }
        for policy in &report.policies {
            self.policies += 1;
            self.successful_sessions += u128::from(policy.successful.unwrap_or(0));
            self.failed_sessions += u128::from(policy.failed.unwrap_or(0));
        }
        self.failures.add(report);
    }
}

/// The files of the tables.
struct Writers {
    reports: Buffered<TlsReportRow>,
    policies: Buffered<TlsReportPolicyRow>,
    failures: Buffered<TlsReportFailureRow>,
    oddities: Buffered<TlsReportOddityRow>,
    rejects: Buffered<TlsReportRejectRow>,
}

/// Where a table of reports stands.
fn table_path<T: Table>(out: &Path) -> PathBuf {
    out.join(format!("{}.parquet", T::NAME))
}

fn table<T: Table>(out: &Path) -> Result<Buffered<T>, StudyError> {
    // No run wrote them.
    let label = PartLabel { run_id: String::new(), chunk: None };
    Ok(Buffered::create(&table_path::<T>(out), &label)?)
}

impl Writers {
    fn create(out: &Path) -> Result<Self, StudyError> {
        Ok(Self {
            reports: table(out)?,
            policies: table(out)?,
            failures: table(out)?,
            oddities: table(out)?,
            rejects: table(out)?,
        })
    }

    fn write(
        &mut self,
        number: u64,
        source: &str,
        enclosed: Enclosed,
        repeats: Option<u64>,
        report: TlsReport,
    ) -> Result<(), StudyError> {
        let mut odd: Vec<TlsReportOddityRow> = Vec::new();
        for (word, detail) in enclosed.oddities {
            let oddity = word.to_owned();
            odd.push(TlsReportOddityRow { report: number, oddity, place: String::new(), detail });
        }
        odd.extend(report.oddities.into_iter().map(|oddity| TlsReportOddityRow {
            report: number,
            oddity: oddity.kind.as_str().to_owned(),
            place: oddity.place,
            detail: oddity.detail,
        }));
        let row = TlsReportRow {
            report: number,
            source: source.to_owned(),
            part: (!enclosed.part.is_empty()).then_some(enclosed.part),
            bytes: enclosed.json.len() as u64,
            sha256: ByteBuf::from(Sha256::digest(&enclosed.json).to_vec()),
            repeats,
            organization: report.organization,
            begins: report.begins,
            ends: report.ends,
            contact: report.contact,
            report_id: report.report_id,
            policies: report.policies.len() as u32,
            failures: report.policies.iter().map(|policy| policy.failures.len() as u32).sum(),
            oddities: odd.len() as u32,
        };
        self.reports.write([row])?;
        self.oddities.write(odd)?;
        for (place, policy) in report.policies.into_iter().enumerate() {
            let place = place as u32;
            let failures = policy.failures.into_iter().enumerate().map(|(at, failure)| TlsReportFailureRow {
                report: number,
                policy: place,
                failure: at as u32,
                policy_type: policy.kind.clone(),
                policy_domain: policy.domain.clone(),
                result_type: failure.result_type,
                sending_address: failure.sending_address,
                mx_host: failure.mx_host,
                mx_helo: failure.mx_helo,
                receiving_address: failure.receiving_address,
                sessions: failure.sessions,
                information: failure.information,
                reason: failure.reason,
            });
            self.failures.write(failures)?;
            self.policies.write([TlsReportPolicyRow {
                report: number,
                policy: place,
                policy_type: policy.kind,
                policy_domain: policy.domain,
                policy_strings: policy.strings,
                mx_hosts: policy.mx_hosts,
                successful: policy.successful,
                failed: policy.failed,
            }])?;
        }
        Ok(())
    }

    /// Gives all files their names.
    fn finish(self, out: &Path) -> Result<Vec<PathBuf>, StudyError> {
        let parts = [
            self.reports.finish()?,
            self.policies.finish()?,
            self.failures.finish()?,
            self.oddities.finish()?,
            self.rejects.finish()?,
        ];
        for part in parts {
            part.publish()?;
        }
        Ok(vec![
            table_path::<TlsReportRow>(out),
            table_path::<TlsReportPolicyRow>(out),
            table_path::<TlsReportFailureRow>(out),
            table_path::<TlsReportOddityRow>(out),
            table_path::<TlsReportRejectRow>(out),
        ])
    }
}
