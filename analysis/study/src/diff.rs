//! Two runs or more, side by side: what changed, which rule that breaks, and what it means for mail now.
//!
//! Runs may hold their domains in any order, and more of them than fit into memory. So what each run holds of a domain is
//! brought down to a [`Standing`] and put into one of several files by a digest of its name; then one file after the other
//! is read, and the standings of each name are judged. MX hosts go the same way, session by session. Memory holds one such
//! file, the digests of a run's certificates, and the certificates of hosts with TLSA records.

mod hosts;
mod partitions;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use mxray_evidence::changes::ChangeRow;
use mxray_evidence::derived::VerdictRow;
use mxray_evidence::{DomainRow, Micros, PartLabel, PolicyRow, RunDir, Table, read_rows};
use mxray_rules::{
    Change, Effect, PolicyStanding, RecordStanding, Standing, judge_across, judge_host_across,
};
use serde::Serialize;

use crate::buffered::Buffered;
use crate::classify::{LatePolicies, for_each_in_chunk};
use crate::{Steps, StudyError};
use partitions::{Partitions, Spilled};

/// Runs that are compared at most.
pub const RUNS_MAX: usize = 1_000;

/// A run to compare, and its classification.
#[derive(Debug, Clone)]
pub struct RunToCompare {
    /// The run.
    pub run: RunDir,
    /// Which classification of it.
    pub id: String,
}

/// A comparison, summed up.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Differences {
    /// The runs, in the order of time.
    pub runs: Vec<ComparedRun>,
    /// Domains that stand in two runs or more.
    pub compared: u64,
    /// Domains that stand in one run alone: nothing is said of them.
    pub single: u64,
    /// Of those compared, how many could not be measured in the last run that has them: record, policy or MX.
    pub unmeasured: u64,
    /// MX hosts that were seen in two runs or more.
    pub hosts: u64,
    /// Domains and hosts with a change.
    pub changed: u64,
    /// Rows of changes.
    pub changes: u64,
    /// Of these, how many do harm to mail now: effect `refuse` or `downgrade`.
    pub harmful: u64,
    /// Rows by change, rule and sub-cause.
    pub kinds: Vec<KindCount>,
}

/// A run that was compared.
#[derive(Debug, Clone, Serialize)]
pub struct ComparedRun {
    /// Its id.
    pub run_id: String,
    /// When it was begun.
    pub started: Micros,
    /// Its folder.
    pub folder: String,
    /// The classification that was taken.
    pub classification: String,
}

/// How often a change was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KindCount {
    /// The change.
    pub change: String,
    /// The rule it breaks.
    pub rule: Option<String>,
    /// The sub-cause.
    pub cause: Option<String>,
    /// Its worst effect.
    pub effect: String,
    /// Rows.
    pub count: u64,
}

/// Change, rule, sub-cause.
type Kind = (String, Option<String>, Option<String>);

/// Lays runs side by side. Each change goes to `each`, by name within a part of the names; with `out`, into
/// `out/changes.parquet` too. A domain of a run is two steps: put beside the others, and judged.
pub fn diff(
    runs: &[RunToCompare],
    out: Option<&Path>,
    steps: &Steps,
    mut each: impl FnMut(&ChangeRow) -> Result<(), StudyError>,
) -> Result<Differences, StudyError> {
    let mut runs: Vec<(Micros, &RunToCompare)> = runs
        .iter()
        .map(|to| {
            let manifest =
                to.run.read_manifest().map_err(StudyError::file("reading", &to.run.manifest_path()))?;
            Ok((manifest.started, to))
        })
        .collect::<Result<_, StudyError>>()?;
    runs.sort_by_key(|(started, _)| *started);
    let mut found = Differences::default();
    let mut domains = 0;
    for (started, to) in &runs {
        let manifest =
            to.run.read_manifest().map_err(StudyError::file("reading", &to.run.manifest_path()))?;
        domains += manifest.counts.domains;
        found.runs.push(ComparedRun {
            run_id: manifest.run_id,
            started: *started,
            folder: to.run.root().display().to_string(),
            classification: to.id.clone(),
        });
    }
    steps.expect(2 * domains);
    let mut partitions = Partitions::create(domains)?;
    for (number, (_, to)) in runs.iter().enumerate() {
        spill_domains(number, to, &mut partitions, steps)?;
        hosts::spill(number, &to.run, &mut partitions)?;
    }
    let mut writer = match out {
        Some(out) => {
            fs::create_dir_all(out).map_err(StudyError::file("creating", out))?;
            let label = PartLabel {
                run_id: found.runs.last().map(|run| run.run_id.clone()).unwrap_or_default(),
                chunk: None,
            };
            Some(Buffered::create(&out.join(format!("{}.parquet", ChangeRow::NAME)), &label)?)
        }
        None => None,
    };
    let mut kinds: BTreeMap<Kind, (u64, Effect)> = BTreeMap::new();
    for partition in partitions.finish()? {
        let names = partition.read()?;
        for (name, spilled) in names {
            let of_domains = spilled.iter().filter(|(_, spilled)| matches!(spilled, Spilled::Domain(_)));
            steps.done(of_domains.count() as u64);
            let (kind, changes) = judge_name(spilled, &mut found);
            let name = &name[1..];
            found.changed += u64::from(!changes.is_empty());
            for change in changes {
                let row = to_row(name, kind, &change);
                let key = (row.change.clone(), row.rule.clone(), row.cause.clone());
                let count = kinds.entry(key).or_insert((0, Effect::None));
                *count = (count.0 + 1, count.1.max(change.effect));
                found.changes += 1;
                found.harmful += u64::from(change.effect >= Effect::Downgrade);
                each(&row)?;
                if let Some(writer) = &mut writer {
                    writer.write([row])?;
                }
            }
        }
    }
    if let Some(writer) = writer {
        writer.finish()?.publish()?;
    }
    found.kinds = kinds
        .into_iter()
        .map(|((change, rule, cause), (count, effect))| KindCount {
            change,
            rule,
            cause,
            effect: effect.as_str().to_owned(),
            count,
        })
        .collect();
    Ok(found)
}

/// Judges what runs hold of a name: a domain's standings, or a host's sessions.
fn judge_name(spilled: Vec<(usize, Spilled)>, found: &mut Differences) -> (&'static str, Vec<Change>) {
    let is_host = spilled.first().is_some_and(|(_, spilled)| !matches!(spilled, Spilled::Domain(_)));
    if is_host {
        let standings = hosts::standings(spilled);
        found.hosts += u64::from(standings.len() > 1);
        return (
            "mx-host",
            standings.windows(2).flat_map(|pair| judge_host_across(&pair[0], &pair[1])).collect(),
        );
    }
    let standings: Vec<Standing> = spilled
        .into_iter()
        .filter_map(|(_, spilled)| match spilled {
            Spilled::Domain(standing) => Some(standing),
            _ => None,
        })
        .collect();
    if standings.len() < 2 {
        found.single += 1;
        return ("domain", Vec::new());
    }
    found.compared += 1;
    let last = standings.last().expect("there are two");
    let unknown =
        last.record == RecordStanding::Unknown || last.policy == PolicyStanding::Unknown || last.mx.is_none();
    found.unmeasured += u64::from(unknown);
    ("domain", judge_across(&standings))
}

fn to_row(name: &str, kind: &str, change: &Change) -> ChangeRow {
    ChangeRow {
        subject: name.to_owned(),
        subject_kind: kind.to_owned(),
        change: change.kind.as_str().to_owned(),
        rule: change.rule.map(str::to_owned),
        cause: change.cause.map(str::to_owned),
        since: change.since,
        seen: change.seen,
        before: change.before.clone(),
        after: change.after.clone(),
        effect: change.effect.as_str().to_owned(),
        means: change.means.clone(),
        cached_at_least: change.cached_at_least,
        cached_at_most: change.cached_at_most,
    }
}

/// Brings every domain of a run down to its standing. Verdicts stand in the order of the domains.
fn spill_domains(
    number: usize,
    to: &RunToCompare,
    partitions: &mut Partitions,
    steps: &Steps,
) -> Result<(), StudyError> {
    let run = &to.run;
    let committed = run.committed().map_err(StudyError::file("reading the journal of", run.root()))?;
    let mut verdicts = read_rows::<VerdictRow>(&run.derived_path::<VerdictRow>(&to.id))?;
    let mut batch = Vec::new().into_iter();
    let mut late = LatePolicies::gather(run)?;
    for entry in &committed {
        let chunk = entry.chunk;
        let mut policies: std::collections::HashMap<String, PolicyRow> =
            late.take(chunk)?.into_iter().map(|row| (row.domain.clone(), row)).collect();
        for_each_in_chunk::<PolicyRow>(run, chunk, |row| {
            if row.chunk == chunk {
                policies.insert(row.domain.clone(), row);
            }
            Ok(())
        })?;
        for_each_in_chunk::<DomainRow>(run, chunk, |row| {
            let verdict: VerdictRow = loop {
                if let Some(verdict) = batch.next() {
                    break verdict;
                }
                match verdicts.next() {
                    Some(rows) => batch = rows?.into_iter(),
                    None => return Err(StudyError::Stale(run.root().to_owned())),
                }
            };
            if verdict.domain != row.domain {
                return Err(StudyError::Stale(run.root().to_owned()));
            }
            let standing = Standing::of(&row, policies.get(&*row.domain), &verdict);
            steps.done(1);
            partitions.put(number, &row.domain, &Spilled::Domain(standing))
        })?;
    }
    Ok(())
}
