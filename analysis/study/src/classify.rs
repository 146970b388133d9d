//! A run's evidence, judged: findings, verdicts, hosts and tallies under `derived/<id>/`.
//!
//! What many domains share is judged once: first every session, at its host; then every domain, which looks
//! its hosts up. Memory holds a short assessment a host, never the domains; certificates are put into a file, and what is
//! kept of each is where it stands there. Nothing that is written depends on when it was written: the same run under the same [`ClassifyOptions`] gives the same
//! bytes.

mod chains;
mod hosts;
mod late;
mod opinion;
mod sinks;
mod tally;

use std::path::PathBuf;
use std::sync::Arc;

use mxray_evidence::derived::{FindingRow, HostRow, TallyRow, VerdictRow};
use mxray_evidence::{DomainRow, Micros, PartError, PartLabel, PolicyRow, RunDir, Table, read_rows};
use mxray_rules::{Dossier, judge};
use serde::{Deserialize, Serialize};

use crate::buffered::Buffered;
use crate::{Steps, StudyError};
use chains::Chains;
use hosts::Hosts;
pub(crate) use hosts::digest;
pub(crate) use late::LatePolicies;
use opinion::Opinion;
pub use opinion::{classifications, newest_classification};
use sinks::Sinks;
use tally::Tallies;

/// Against what, and at which time, to judge.
#[derive(Debug, Clone, Default)]
pub struct ClassifyOptions {
    /// The time at which certificates are judged; `None` is the time of each observation.
    pub at: Option<Micros>,
    /// Files of roots in PEM that are trusted besides Mozilla's: name and contents.
    pub trust_pem: Vec<(String, Vec<u8>)>,
    /// How far it is: two steps a chunk, one for its sessions and one for its domains.
    pub steps: Arc<Steps>,
}

/// What a classification stands on and what came of it: `derived/<id>/classification.json`, written last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classified {
    /// Names rule set, trust store and time.
    pub id: String,
    /// The run.
    pub run_id: String,
    /// Chunks of the run that were committed.
    pub chunks: u32,
    /// Digest of the rule set.
    pub rules: String,
    /// Digest of the trust store.
    pub roots: String,
    /// Digest of the columns of its tables. What has other columns is passed over as if it were not there: it can be made again.
    #[serde(default)]
    pub columns: String,
    /// What the trust store was put together from.
    pub root_sources: Vec<String>,
    /// The time certificates were judged at; `None` is the time of each observation.
    pub at: Option<Micros>,
    /// Rows in `verdicts`.
    pub domains: u64,
    /// Rows in `findings`.
    pub findings: u64,
    /// Rows in `hosts`.
    pub hosts: u64,
    /// Chains of which a certificate is not among those committed, so that they were not judged.
    pub chains_incomplete: u64,
    /// The folder.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// Judges the committed evidence of `run`, replacing what stood under the same id.
pub fn classify(run: &RunDir, options: &ClassifyOptions) -> Result<Classified, StudyError> {
    let committed = run.committed().map_err(StudyError::file("reading the journal of", run.root()))?;
    if committed.is_empty() {
        return Err(StudyError::NothingCommitted(run.root().to_owned()));
    }
    let manifest = run.read_manifest().map_err(StudyError::file("reading", &run.manifest_path()))?;
    let opinion = Opinion::new(options)?;
    let id = opinion.id();
    let folder = run.derived_dir(&id);
    opinion::begin(&folder)?;

    let label = PartLabel { run_id: manifest.run_id.clone(), chunk: None };
    let mut writers = Writers::create(run, &id, &label)?;
    options.steps.expect(2 * committed.len() as u64);
    let mut chains = Chains::read(run, &opinion)?;
    let mut hosts = Hosts::assess(run, &committed, &mut chains, manifest.dnssec, &options.steps)?;
    let sinks = Sinks::assess(run)?;
    let mut late = LatePolicies::gather(run)?;
    let mut tallies = Tallies::default();
    for entry in &committed {
        judge_chunk(&mut late, entry.chunk, &mut chains, &mut hosts, &sinks, &mut tallies, &mut writers)?;
        options.steps.done(1);
    }
    let classified = Classified {
        id,
        run_id: manifest.run_id,
        chunks: committed.len() as u32,
        rules: opinion.rules.clone(),
        roots: opinion.store.id(),
        columns: opinion::columns_digest(),
        root_sources: opinion.root_sources.clone(),
        at: options.at,
        domains: writers.verdicts.rows(),
        findings: writers.findings.rows(),
        hosts: hosts.len(),
        chains_incomplete: chains.incomplete(),
        folder,
    };
    writers.finish(&hosts, &tallies)?;
    opinion::complete(&classified)?;
    Ok(classified)
}

/// Judges the domains of a chunk, with their policies: those that stand in it, and `late`, those that came in a later
/// one. So no more than a chunk's are held.
fn judge_chunk(
    late: &mut LatePolicies,
    chunk: u32,
    chains: &mut Chains<'_>,
    hosts: &mut Hosts,
    sinks: &Sinks,
    tallies: &mut Tallies,
    writers: &mut Writers,
) -> Result<(), StudyError> {
    let mut policies = std::collections::HashMap::new();
    let mut judge_policy = |policy: PolicyRow| {
        let chain = match &policy.tls {
            Some(tls) => chains.assess(tls, &policy.host, policy.started)?,
            None => None,
        };
        policies.insert(policy.domain.clone(), (policy, chain));
        Ok(())
    };
    let (run, late) = (late.run().clone(), late.take(chunk)?);
    late.into_iter().try_for_each(&mut judge_policy)?;
    for_each_in_chunk::<PolicyRow>(&run, chunk, |policy| {
        if policy.chunk == chunk { judge_policy(policy) } else { Ok(()) }
    })?;
    for_each_in_chunk::<DomainRow>(&run, chunk, |domain| {
        hosts.count(&domain);
        let dossier = Dossier {
            domain: &domain,
            policy: policies.get(&*domain.domain).map(|(policy, chain)| (policy, chain.as_ref())),
            hosts: &|host| hosts.get(host),
            sinks: &|name| sinks.get(name),
            dnssec: hosts.believed,
        };
        let judgement = judge(&dossier, chains.at());
        tallies.add(&judgement);
        writers.findings.write(judgement.findings.iter().map(|finding| finding.to_row(&domain.domain)))?;
        writers.verdicts.write([judgement.verdict])?;
        Ok(())
    })
}

pub(crate) fn for_each_in_chunk<T: Table>(
    run: &RunDir,
    chunk: u32,
    mut each: impl FnMut(T) -> Result<(), StudyError>,
) -> Result<(), StudyError> {
    let path = run.part_path::<T>(chunk);
    if !path.exists() {
        return Ok(());
    }
    for rows in read_rows::<T>(&path)? {
        for row in rows? {
            each(row)?;
        }
    }
    Ok(())
}

/// The files of a classification.
struct Writers {
    findings: Buffered<FindingRow>,
    verdicts: Buffered<VerdictRow>,
    hosts: Buffered<HostRow>,
    tallies: Buffered<TallyRow>,
}

impl Writers {
    fn create(run: &RunDir, id: &str, label: &PartLabel) -> Result<Self, PartError> {
        Ok(Self {
            findings: Buffered::create(&run.derived_path::<FindingRow>(id), label)?,
            verdicts: Buffered::create(&run.derived_path::<VerdictRow>(id), label)?,
            hosts: Buffered::create(&run.derived_path::<HostRow>(id), label)?,
            tallies: Buffered::create(&run.derived_path::<TallyRow>(id), label)?,
        })
    }

    /// Writes what had to wait for the end, and gives all files their names.
    fn finish(mut self, hosts: &Hosts, tallies: &Tallies) -> Result<(), PartError> {
        for row in hosts.rows() {
            self.hosts.write([row])?;
        }
        self.tallies.write(tallies.rows())?;
        let parts =
            [self.findings.finish()?, self.verdicts.finish()?, self.hosts.finish()?, self.tallies.finish()?];
        for part in parts {
            part.publish()?;
        }
        Ok(())
    }
}
