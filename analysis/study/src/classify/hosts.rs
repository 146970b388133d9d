//! The MX hosts of a run, each assessed once over its sessions.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mxray_evidence::derived::HostRow;
use mxray_evidence::{DomainRow, MailHostRow, RunDir, SmtpSessionRow};
use mxray_rules::{HostAssessment, SessionAssessment, assess_host, assess_session};

use super::chains::Chains;
use crate::StudyError;

/// Every MX host of a run, by name.
pub(super) struct Hosts {
    assessed: BTreeMap<String, Host>,
}

struct Host {
    assessment: HostAssessment,
    /// Domains that name it.
    domains: u64,
}

impl Hosts {
    /// Judges every session, then every host over its sessions.
    pub(super) fn assess(run: &RunDir, chains: &mut Chains<'_>) -> Result<Self, StudyError> {
        let mut sessions: HashMap<String, Vec<SessionAssessment>> = HashMap::new();
        run.for_each::<SmtpSessionRow>(|row| {
            let chain = row.tls.as_ref().and_then(|tls| chains.assess(tls, &row.host, row.started));
            let assessment = assess_session(&row, chain, chains.at());
            sessions.entry(row.host).or_default().push(assessment);
        })?;
        let mut assessed = BTreeMap::new();
        run.for_each::<MailHostRow>(|row| {
            let of_host = sessions.remove(&row.host).unwrap_or_default();
            let assessment = assess_host(&row, &of_host);
            assessed.insert(row.host, Host { assessment, domains: 0 });
        })?;
        Ok(Self { assessed })
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
