//! What a run owes: work that its committed rows ask for, and that no committed row answers.
//!
//! A domain's row names MX hosts and says whether there is a policy to fetch; a mail host's row names addresses. What
//! they ask for comes later, in any chunk, or not at all if a crash, a stop or a lack of room came first. Nothing
//! else has to be remembered of it: it is read off the run.

use std::net::IpAddr;

use mxray_evidence::{
    DomainRow, MailHostRow, OwnCause, PartError, PolicyRow, ReportSinkRow, RunDir, SmtpSessionRow,
};

use crate::beside::{Seen, is_fetched, report_sinks};
use crate::config::{ScanConfig, Stages};
use crate::once::Once;
use crate::wanted::{aliases, planned_sessions, probed_hosts};

/// Of each kind, so much is taken at a time: the rest is read once this is done.
const OWED_MAX: usize = 100_000;

/// What a run owes.
#[derive(Default)]
pub(crate) struct Owed {
    pub(crate) hosts: Vec<String>,
    /// Names that TLS reports go to.
    pub(crate) sinks: Vec<String>,
    pub(crate) sessions: Vec<OwedSession>,
    pub(crate) policies: Vec<OwedPolicy>,
    /// There is more of it.
    pub(crate) has_more: bool,
}

/// A session with a mail host at one of its addresses.
pub(crate) struct OwedSession {
    pub(crate) host: String,
    /// What it is an alias of, and what that is, in order.
    pub(crate) aliases: Vec<String>,
    pub(crate) address: IpAddr,
    /// Why it will not be held, as far as its host's row says.
    pub(crate) withheld: Option<OwnCause>,
}

/// The fetch of a domain's policy.
pub(crate) struct OwedPolicy {
    pub(crate) domain: String,
    /// The chunk of the domain's row.
    pub(crate) chunk: u32,
}

impl Owed {
    /// How many things.
    pub(crate) fn len(&self) -> usize {
        self.hosts.len() + self.sinks.len() + self.sessions.len() + self.policies.len()
    }

    /// Reads a run, of which nothing is under way. Every domain's row is handed to `each_domain`; What has a row,
    /// or is owed, is `seen`.
    pub(crate) fn read(
        dir: &RunDir,
        config: &ScanConfig,
        seen: &mut Seen,
        mut each_domain: impl FnMut(&DomainRow),
    ) -> Result<Self, PartError> {
        let mut owed = Self::default();
        let Seen { hosts, sinks } = seen;
        owed.read_hosts(dir, config.stages, hosts)?;
        dir.for_each_name::<ReportSinkRow>(|sink| {
            sinks.claim(sink.as_bytes());
        })?;
        let mut fetched = Once::default();
        dir.for_each_name::<PolicyRow>(|domain| {
            fetched.claim(domain.as_bytes());
        })?;
        dir.for_each_with_chunk(|chunk, row: DomainRow| {
            each_domain(&row);
            for host in probed_hosts(&row) {
                // One that finds no room now is not claimed, and is found again.
                if !hosts.holds(host.as_bytes()) && owed.has_room(owed.hosts.len()) {
                    hosts.claim(host.as_bytes());
                    owed.hosts.push(host.into());
                }
            }
            for sink in report_sinks(&row) {
                if !sinks.holds(sink.as_bytes()) && owed.has_room(owed.sinks.len()) {
                    sinks.claim(sink.as_bytes());
                    owed.sinks.push(sink);
                }
            }
            let wants_policy = config.stages.policy && is_fetched(&row, config.extras);
            if wants_policy && !fetched.holds(row.domain.as_bytes()) && owed.has_room(owed.policies.len()) {
                owed.policies.push(OwedPolicy { domain: row.domain.into(), chunk });
            }
        })?;
        Ok(owed)
    }

    fn read_hosts(&mut self, dir: &RunDir, stages: Stages, hosts: &mut Once) -> Result<(), PartError> {
        let mut held = Once::default();
        if stages.smtp {
            dir.for_each(|row: SmtpSessionRow| {
                held.claim(&session_key(&row.host, &row.address));
            })?;
        }
        dir.for_each(|row: MailHostRow| {
            hosts.claim(row.host.as_bytes());
            let planned = if stages.smtp { planned_sessions(&row) } else { Vec::new() };
            for (address, withheld) in planned {
                let is_owed = !held.holds(&session_key(&row.host, &address.to_string()));
                if is_owed && self.has_room(self.sessions.len()) {
                    let (host, aliases) = (row.host.clone(), aliases(&row));
                    self.sessions.push(OwedSession { host, aliases, address, withheld });
                }
            }
        })
    }

    fn has_room(&mut self, taken: usize) -> bool {
        self.has_more |= taken >= OWED_MAX;
        taken < OWED_MAX
    }
}

fn session_key(host: &str, address: &str) -> Vec<u8> {
    [host.as_bytes(), &[0], address.as_bytes()].concat()
}
