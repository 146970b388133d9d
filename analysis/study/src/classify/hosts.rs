//! The MX hosts of a run, each assessed once over its sessions.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mxray_evidence::derived::HostRow;
use mxray_evidence::{DomainRow, Lookup, MailHostRow, RunDir, SmtpSessionRow, TlsaRecord};
use mxray_rules::{DaneOutcome, HostAssessment, SessionAssessment, assess_host, assess_session, match_host};

use super::chains::Chains;
use crate::StudyError;

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

impl Hosts {
    /// Judges every session, then every host over its sessions. `believed` is whether the resolvers' AD bits are.
    pub(super) fn assess(run: &RunDir, chains: &mut Chains<'_>, believed: bool) -> Result<Self, StudyError> {
        let published = if believed { published(run)? } else { HashMap::new() };
        let mut sessions: HashMap<String, Vec<SessionAssessment>> = HashMap::new();
        run.for_each::<SmtpSessionRow>(|row| {
            let chain = row.tls.as_ref().and_then(|tls| chains.assess(tls, &row.host, row.started));
            let mut assessment = assess_session(&row, chain, chains.at());
            if let (Some(tls), Some(tlsa)) = (&row.tls, published.get(&row.host)) {
                let shown = chains.ders(tls).unwrap_or_default();
                let outcome = if shown.is_empty() { None } else { match_host(tlsa, &shown, assessment.at) };
                // What another name was shown may match this one's records; where it does not, this one was not asked.
                let counts = |outcome: &DaneOutcome| {
                    row.reused_from.is_none()
                        || matches!(outcome, DaneOutcome::Authenticated { .. } | DaneOutcome::Unusable)
                };
                assessment.dane = outcome.filter(counts);
            }
            sessions.entry(row.host).or_default().push(assessment);
        })?;
        let mut assessed = BTreeMap::new();
        run.for_each::<MailHostRow>(|row| {
            let of_host = sessions.remove(&row.host).unwrap_or_default();
            let assessment = assess_host(&row, &of_host, believed);
            assessed.insert(row.host, Host { assessment, domains: 0 });
        })?;
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

/// The TLSA lookups of the hosts that have records.
fn published(run: &RunDir) -> Result<HashMap<String, Lookup<TlsaRecord>>, StudyError> {
    let mut published = HashMap::new();
    run.for_each::<MailHostRow>(|row| {
        if !row.tlsa.records.is_empty() {
            published.insert(row.host, row.tlsa);
        }
    })?;
    Ok(published)
}
