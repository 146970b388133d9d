//! A classified run as one flat file: a row a domain, with all that is known of it.
//!
//! Verdicts, findings and the domains of the evidence stand in one order, that of the scan, so that they are read side by side; policies
//! come with their chunk. What is kept in memory is a few words an MX host.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use mxray_evidence::derived::{FindingRow, HostRow, VerdictRow};
use mxray_evidence::flat::{Facts, FlatRow, FlatWriter, INPUT_PREFIX, input_names, rule_column};
use mxray_evidence::{
    DomainRow, Ending, Lookup, LookupStatus, Micros, PartError, PartLabel, PolicyRow, RunDir, Table,
    read_rows,
};
use mxray_rules::{Outcome, printable, rules};

use crate::classify::{Classified, LatePolicies, digest, for_each_in_chunk};
use crate::{Steps, StudyError};

/// Rows gathered before they are written at a time.
const ROWS_BUFFERED: usize = 4_096;
/// Columns of the input that there may be: each is a column of the file.
const INPUT_COLUMNS_MAX: usize = 1_000;

/// Writes `path`, a Parquet file with a row a domain of a classification, in the order of the scan, and gives the number of rows. The
/// file has its name once it is whole. A chunk is a step.
pub fn export(run: &RunDir, classified: &Classified, path: &Path, steps: &Steps) -> Result<u64, StudyError> {
    let verdicts_path = run.derived_path::<VerdictRow>(&classified.id);
    let label = PartLabel { run_id: classified.run_id.clone(), chunk: None };
    let names: Vec<String> = rules().iter().map(|rule| rule_column(rule.name)).collect();
    let inputs = input_names(&verdicts_path)?;
    if inputs.len() > INPUT_COLUMNS_MAX {
        return Err(StudyError::InputColumns(INPUT_COLUMNS_MAX));
    }
    let mut writer = FlatWriter::create(path, &label, &names, columns_of(inputs))?;

    let committed = run.committed().map_err(StudyError::file("reading the journal of", run.root()))?;
    let stale = || StudyError::Stale(run.root().to_owned());
    steps.expect(u64::from(classified.chunks).min(committed.len() as u64));
    let hosts = Hosts::read(run, &classified.id)?;
    let mut late = LatePolicies::gather(run)?;
    let mut verdicts = rows_of::<VerdictRow>(&verdicts_path)?;
    let mut findings = rows_of::<FindingRow>(&run.derived_path::<FindingRow>(&classified.id))?.peekable();
    let mut rows: Vec<FlatRow> = Vec::with_capacity(ROWS_BUFFERED);
    for entry in committed.iter().take(classified.chunks as usize) {
        let mut policies: HashMap<String, Policy> = HashMap::new();
        let mut keep = |row: PolicyRow| drop(policies.insert(row.domain.clone(), Policy::of(row)));
        late.take(entry.chunk)?.into_iter().for_each(&mut keep);
        for_each_in_chunk::<PolicyRow>(run, entry.chunk, |row| {
            if row.chunk == entry.chunk {
                keep(row);
            }
            Ok(())
        })?;
        for_each_in_chunk::<DomainRow>(run, entry.chunk, |domain| {
            let verdict = verdicts.next().ok_or_else(stale)??;
            if verdict.domain != domain.domain {
                return Err(stale());
            }
            let mut violations = Vec::new();
            while let Some(finding) =
                findings.next_if(|row| row.as_ref().map_or(true, |row| row.domain == domain.domain))
            {
                note(&mut violations, finding?);
            }
            let facts = facts(&verdict, &domain, policies.remove(&*domain.domain), &hosts, violations);
            let outcomes = verdict.outcomes.chars().map(word).collect();
            rows.push(FlatRow { verdict, facts, outcomes });
            if rows.len() == ROWS_BUFFERED {
                writer.write(&rows)?;
                rows.clear();
            }
            Ok(())
        })?;
        steps.done(1);
    }
    writer.write(&rows)?;
    if verdicts.next().is_some() || findings.next().is_some() {
        return Err(stale());
    }
    Ok(writer.finish()?.publish()?)
}

/// The rows of a file, one by one.
fn rows_of<T: Table>(path: &Path) -> Result<impl Iterator<Item = Result<T, PartError>> + use<T>, PartError> {
    Ok(read_rows::<T>(path)?.flat_map(|rows| match rows {
        Ok(rows) => rows.into_iter().map(Ok).collect::<Vec<_>>(),
        Err(error) => vec![Err(error)],
    }))
}

/// A name for each of the input's columns that is printable, and the column of no other, whatever its case.
fn columns_of(inputs: Vec<String>) -> Vec<(String, String)> {
    let mut taken: HashSet<String> = HashSet::new();
    let mut named = Vec::new();
    for input in inputs {
        let name = format!("{INPUT_PREFIX}{}", printable(&input));
        let numbered = (2_u32..).map(|n| format!("{name}_{n}"));
        let free =
            std::iter::once(name.clone()).chain(numbered).find(|name| taken.insert(name.to_lowercase()));
        named.push((input, free.expect("one of so many is free")));
    }
    named
}

/// Notes a violation, once each sub-cause.
fn note(violations: &mut Vec<String>, finding: FindingRow) {
    if finding.outcome != Outcome::Violation.as_str() {
        return;
    }
    let name = match finding.cause {
        Some(cause) => format!("{}:{cause}", finding.rule),
        None => finding.rule,
    };
    if !violations.contains(&name) {
        violations.push(name);
    }
}

fn word(letter: char) -> &'static str {
    [Outcome::Pass, Outcome::Violation, Outcome::NotApplicable]
        .into_iter()
        .find(|outcome| outcome.letter() == letter)
        .unwrap_or(Outcome::Unknown)
        .as_str()
}

fn facts(
    verdict: &VerdictRow,
    domain: &DomainRow,
    policy: Option<Policy>,
    hosts: &Hosts,
    violations: Vec<String>,
) -> Facts {
    let mx_names = mx_names(domain);
    let mail = hosts.over(&mx_names);
    let policy = policy.unwrap_or_default();
    Facts {
        protection: protection(verdict).to_owned(),
        violations,
        source: domain.source.to_string(),
        line: domain.line,
        asked: domain.mx.started,
        mx_lookup: lookup(&domain.mx).to_owned(),
        ns_lookup: lookup(&domain.ns).to_owned(),
        sts_lookup: lookup(&domain.sts_txt).to_owned(),
        tlsrpt_lookup: lookup(&domain.tlsrpt_txt).to_owned(),
        mx_hosts_measured: mail.measured,
        tls_versions: (mail.measured > 0).then_some(mail.versions),
        certificate_not_after: mail.not_after,
        mx_names,
        policy_fetch: policy.ended,
        policy_fetch_stage: policy.stage,
        policy_fetch_cause: policy.cause,
        policy_status: policy.status,
        policy_tls_version: policy.tls_version,
    }
}

/// What comes of it with a sender that honours MTA-STS and DANE: as `report/protection.sql` has it.
fn protection(verdict: &VerdictRow) -> &'static str {
    match (verdict.both.as_str(), verdict.both_attacker.as_str()) {
        ("no-mail", _) => "no-mail",
        ("unknown", _) | (_, "unknown") => "unknown",
        ("deferred", _) => "refused",
        (_, "nothing") => "protected",
        _ => "not-protected",
    }
}

fn lookup<R>(of: &Lookup<R>) -> &'static str {
    match of.status() {
        LookupStatus::Found => "found",
        LookupStatus::NoData => "no-data",
        LookupStatus::NxDomain => "nxdomain",
        LookupStatus::Failed(_) => "failed",
        LookupStatus::Unanswered => "unanswered",
    }
}

fn mx_names(domain: &DomainRow) -> Vec<String> {
    let mut records: Vec<_> = domain.mx.records.iter().filter(|mx| mx.exchange != ".").collect();
    records.sort_by(|a, b| (a.preference, &a.exchange).cmp(&(b.preference, &b.exchange)));
    let mut names: Vec<String> = Vec::new();
    for record in records {
        if names.iter().all(|name| *name != record.exchange) {
            names.push(record.exchange.to_string());
        }
    }
    names
}

/// What is told of a policy's fetch.
#[derive(Default)]
struct Policy {
    ended: Option<String>,
    stage: Option<String>,
    cause: Option<String>,
    status: Option<u16>,
    tls_version: Option<String>,
}

impl Policy {
    fn of(row: PolicyRow) -> Self {
        let (ended, cause) = match &row.ending {
            Ending::Completed => ("completed", None),
            Ending::Stopped { cause, .. } => ("stopped", Some(cause.as_str())),
            Ending::Withheld { cause, .. } => ("withheld", Some(cause.as_str())),
        };
        Self {
            ended: Some(ended.to_owned()),
            stage: row.ending.stage().map(|stage| stage.as_str().to_owned()),
            cause: cause.map(str::to_owned),
            status: row.status,
            tls_version: row.tls.and_then(|tls| tls.version),
        }
    }
}

/// The MX hosts of a run, by a digest of the name: what is told of them.
struct Hosts {
    by_name: HashMap<[u8; 16], Host>,
    /// Each list of versions that a host has agreed, once.
    versions: Vec<Vec<String>>,
}

#[derive(Clone, Copy)]
struct Host {
    is_judged: bool,
    versions: u32,
    not_after: Option<Micros>,
}

/// What is told of the hosts of a domain.
#[derive(Default)]
struct Mail {
    measured: u32,
    versions: Vec<String>,
    not_after: Option<Micros>,
}

impl Hosts {
    fn read(run: &RunDir, id: &str) -> Result<Self, StudyError> {
        let mut all = Self { by_name: HashMap::new(), versions: Vec::new() };
        let mut known: HashMap<Vec<String>, u32> = HashMap::new();
        for row in rows_of::<HostRow>(&run.derived_path::<HostRow>(id))? {
            let row = row?;
            let next = all.versions.len() as u32;
            let versions = *known.entry(row.tls_versions).or_insert_with_key(|list| {
                all.versions.push(list.clone());
                next
            });
            let host = Host { is_judged: row.judged > 0, versions, not_after: row.not_after };
            all.by_name.insert(digest(&row.host), host);
        }
        Ok(all)
    }

    fn over(&self, names: &[String]) -> Mail {
        let mut mail = Mail::default();
        for host in names.iter().filter_map(|name| self.by_name.get(&digest(name))) {
            mail.measured += u32::from(host.is_judged);
            mail.versions.extend_from_slice(&self.versions[host.versions as usize]);
            mail.not_after = match (mail.not_after, host.not_after) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        mail.versions.sort();
        mail.versions.dedup();
        mail
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_the_input_have_names_of_their_own() {
        let inputs = ["sector", "Sector", "a\u{1b}[2J", "sector_2", ""].map(str::to_owned).to_vec();
        let named: Vec<String> = columns_of(inputs).into_iter().map(|(_, column)| column).collect();
        assert_eq!(
            named,
            ["input_sector", "input_Sector_2", "input_a\\u{1b}[2J", "input_sector_2_2", "input_"]
        );
    }
}
