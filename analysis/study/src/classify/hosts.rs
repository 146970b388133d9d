//! The MX hosts of a run, each assessed once over its sessions.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mxray_evidence::derived::HostRow;
use mxray_evidence::{DomainRow, MailHostRow, RunDir, SmtpSessionRow, journal};
use mxray_rules::{DaneOutcome, HostAssessment, SessionAssessment, assess_host, assess_session, match_host};

use sha2::{Digest as _, Sha256};

use super::chains::{Chains, slices};
use super::for_each_in_chunk;
use crate::{Steps, StudyError};

/// Every MX host of a run, by name.
pub(super) struct Hosts {
    assessed: BTreeMap<String, Host>,
    /// Whether the resolvers' AD bits are believed.
    pub(super) believed: bool,
}

struct Host {
    assessment: HostAssessment,
    /// Domains that name it.
    domains: u64,
}

/// A host of which not every session was read.
struct Waiting {
    row: MailHostRow,
    /// Sessions that the run holds of it.
    due: u32,
    sessions: Vec<SessionAssessment>,
}

impl Hosts {
    /// Judges every session, and every host over its sessions as soon as the last of them was read, which may stand in a
    /// later chunk. `believed` is whether the resolvers' AD bits are.
    pub(super) fn assess(
        run: &RunDir,
        committed: &[journal::Entry],
        chains: &mut Chains<'_>,
        believed: bool,
        steps: &Steps,
    ) -> Result<Self, StudyError> {
        let mut due = sessions_by_host(run)?;
        let mut waiting: HashMap<String, Waiting> = HashMap::new();
        let mut assessed = BTreeMap::new();
        for entry in committed {
            for_each_in_chunk::<MailHostRow>(run, entry.chunk, |row| {
                let due = due.remove(&digest(&row.host)).unwrap_or(0);
                waiting.insert(row.host.clone(), Waiting { row, due, sessions: Vec::new() });
                Ok(())
            })?;
            // A host's row is never committed after its sessions.
            for_each_in_chunk::<SmtpSessionRow>(run, entry.chunk, |row| {
                if let Some(host) = waiting.get_mut(&row.host) {
                    host.sessions.push(host.assess(&row, chains, believed)?);
                }
                Ok(())
            })?;
            let complete = waiting.extract_if(|_, host| host.sessions.len() >= host.due as usize);
            assessed.extend(complete.map(|(name, host)| (name, host.end(believed))));
            steps.done(1);
        }
        assessed.extend(waiting.into_iter().map(|(name, host)| (name, host.end(believed))));
        Ok(Self { assessed, believed })
    }

    pub(super) fn get(&self, host: &str) -> Option<&HostAssessment> {
        self.assessed.get(host).map(|host| &host.assessment)
    }

    /// Counts a domain at each host that it names.
    pub(super) fn count(&mut self, domain: &DomainRow) {
        let named: BTreeSet<&str> = domain.mx.records.iter().map(|mx| mx.exchange.as_str()).collect();
        for host in named {
            if let Some(host) = self.assessed.get_mut(host) {
                host.domains += 1;
            }
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.assessed.len() as u64
    }

    /// A row a host, by name.
    pub(super) fn rows(&self) -> impl Iterator<Item = HostRow> {
        self.assessed.values().map(|host| host.assessment.to_row(host.domains))
    }
}

impl Waiting {
    fn assess(
        &self,
        row: &SmtpSessionRow,
        chains: &mut Chains<'_>,
        believed: bool,
    ) -> Result<SessionAssessment, StudyError> {
        let chain = match &row.tls {
            Some(tls) => chains.assess(tls, &row.host, row.started)?,
            None => None,
        };
        let mut assessment = assess_session(row, chain, chains.at());
        if let Some(tls) = row.tls.as_ref().filter(|_| believed && !self.row.tlsa.records.is_empty()) {
            let shown = chains.shown(tls)?.unwrap_or_default();
            let outcome = if shown.is_empty() {
                None
            } else {
                match_host(&self.row.tlsa, &slices(&shown), assessment.at)
            };
            // What another name was shown may match this one's records; where it does not, this one was not asked.
            let counts = |outcome: &DaneOutcome| {
                row.reused_from.is_none()
                    || matches!(outcome, DaneOutcome::Authenticated { .. } | DaneOutcome::Unusable)
            };
            assessment.dane = outcome.filter(counts);
        }
        Ok(assessment)
    }

    fn end(self, believed: bool) -> Host {
        Host { assessment: assess_host(&self.row, &self.sessions, believed), domains: 0 }
    }
}

/// How many sessions a run holds with each MX host.
fn sessions_by_host(run: &RunDir) -> Result<HashMap<[u8; 16], u32>, StudyError> {
    let mut sessions = HashMap::new();
    run.for_each_name::<SmtpSessionRow>(|host| *sessions.entry(digest(host)).or_default() += 1)?;
    Ok(sessions)
}

/// A name in 16 bytes.
pub(crate) fn digest(name: &str) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest(name).into();
    let (half, _) = digest.split_at(16);
    half.try_into().expect("half of 32 bytes is 16")
}
