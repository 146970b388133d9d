//! What a classification says of each domain that was asked about, sorted for a person.

use std::collections::BTreeMap;

use mxray_evidence::derived::{FindingRow, VerdictRow};
use mxray_evidence::{DomainRow, LookupStatus, RunDir, Table, read_rows};
use serde::Serialize;

use crate::exit::{Blame, Failure};

/// One domain.
#[derive(Debug, Serialize)]
pub(super) struct Assessment {
    /// What it comes to.
    pub(super) outcome: Outcome,
    /// The sum of it.
    pub(super) verdict: VerdictRow,
    /// Its MX hosts, in the order in which a sender tries them.
    pub(super) hosts: Vec<String>,
    /// Violations of rules that bear on mail.
    pub(super) broken: Vec<Problem>,
    /// Violations of rules that do not.
    pub(super) lints: Vec<Problem>,
    /// Rules that could not be judged.
    pub(super) unmeasured: Vec<Problem>,
}

/// What an assessment comes to: broken before not measured before sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    /// Nothing that bears on mail is wrong.
    Sound,
    /// Something is.
    Broken,
    /// Nothing that was seen is, and not everything could be seen; or there is no such domain.
    Unmeasured,
}

/// A finding, and what its rule's entry in the codebook says.
#[derive(Debug, Serialize)]
pub(super) struct Problem {
    #[serde(flatten)]
    pub(super) finding: FindingRow,
    pub(super) summary: &'static str,
    pub(super) section: &'static str,
    pub(super) advice: &'static str,
}

impl Assessment {
    /// Violations, of rules that bear on mail first.
    pub(super) fn violations(&self) -> impl Iterator<Item = &Problem> {
        self.broken.iter().chain(&self.lints)
    }

    /// Whether DNS knows no such domain.
    pub(super) fn is_nowhere(&self) -> bool {
        self.verdict.mx == "none"
    }
}

/// Every domain of a classified run, in the order in which they were asked about.
pub(super) fn assessments(run: &RunDir, id: &str) -> Result<Vec<Assessment>, Failure> {
    let mut order = Vec::new();
    let mut hosts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    run.for_each::<DomainRow>(|row| {
        hosts.insert(row.domain.to_string(), mx_hosts(&row));
        order.push(String::from(row.domain));
    })
    .environment(|| format!("reading the run in {}", run.root().display()))?;

    let mut findings: BTreeMap<String, Vec<FindingRow>> = BTreeMap::new();
    for finding in derived::<FindingRow>(run, id)? {
        findings.entry(finding.domain.clone()).or_default().push(finding);
    }
    let mut verdicts: BTreeMap<String, VerdictRow> =
        derived::<VerdictRow>(run, id)?.into_iter().map(|row| (row.domain.clone(), row)).collect();
    Ok(order
        .iter()
        .filter_map(|domain| {
            let verdict = verdicts.remove(domain)?;
            let findings = findings.remove(domain).unwrap_or_default();
            Some(sorted(verdict, hosts.remove(domain).unwrap_or_default(), findings))
        })
        .collect())
}

fn mx_hosts(row: &DomainRow) -> Vec<String> {
    if row.mx.status() != LookupStatus::Found {
        return Vec::new();
    }
    let mut records: Vec<_> = row.mx.records.iter().map(|mx| (mx.preference, mx.exchange.clone())).collect();
    records.sort();
    records.dedup_by(|a, b| a.1 == b.1);
    records.into_iter().map(|(_, host)| host.into()).collect()
}

fn derived<T: Table>(run: &RunDir, id: &str) -> Result<Vec<T>, Failure> {
    let path = run.derived_path::<T>(id);
    let told = || format!("reading {}", path.display());
    let mut all = Vec::new();
    for rows in read_rows::<T>(&path).environment(told)? {
        all.extend(rows.environment(told)?);
    }
    Ok(all)
}

fn sorted(verdict: VerdictRow, hosts: Vec<String>, findings: Vec<FindingRow>) -> Assessment {
    let (broken, lints, unmeasured) = (Vec::new(), Vec::new(), Vec::new());
    let mut of = Assessment { outcome: Outcome::Sound, verdict, hosts, broken, lints, unmeasured };
    for finding in findings {
        let rule = mxray_rules::rules().iter().find(|rule| rule.name == finding.rule);
        let lint = rule.is_some_and(|rule| rule.effect.as_str() == "none");
        let list = match finding.outcome.as_str() {
            "unknown" => &mut of.unmeasured,
            _ if lint => &mut of.lints,
            _ => &mut of.broken,
        };
        list.push(Problem {
            summary: rule.map_or("", |rule| rule.summary),
            section: rule.map_or("", |rule| rule.section),
            advice: rule.map_or("", |rule| rule.advice),
            finding,
        });
    }
    if !of.broken.is_empty() {
        of.outcome = Outcome::Broken;
    } else if !of.unmeasured.is_empty() || of.is_nowhere() {
        of.outcome = Outcome::Unmeasured;
    }
    of
}
