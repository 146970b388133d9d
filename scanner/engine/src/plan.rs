//! What a scan would send, to whom and how fast, found out without sending anything: the input is read, and nothing else.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::config::{ScanConfig, system_resolvers};
use crate::descriptors;
use crate::error::ScanError;
use crate::folder;
use crate::net::user_agent;
use crate::opt_out::{LeftAlone, OptOut};
use crate::pacing::PacingLimits;
use crate::progress::Progress;
use crate::source::{Fate, Message, Order, Source};
use crate::wanted::{ADDRESSES_A_HOST_MAX, HOSTS_A_DOMAIN_MAX};

/// Domains that are shown as examples.
const EXAMPLES_MAX: usize = 5;
/// Lookups of a domain, whatever they say: MX, NS and the two TXT records.
const LOOKUPS_A_DOMAIN: u64 = 4;
/// Lookups for records beside their names, at most.
const LOOKUPS_ASIDE_MAX: u64 = 9;
/// A and AAAA of a policy host.
const LOOKUPS_A_POLICY: u64 = 2;
/// A, AAAA, and TLSA twice where the host is a secure alias.
const LOOKUPS_A_HOST_MAX: u64 = 4;
/// MX, A and AAAA of each name that TLS reports go to, of which a record has at most 8.
const LOOKUPS_SINKS_MAX: u64 = 3 * 8;
/// How long the answers to one domain's questions take where a resolver is near and knows half of them.
const ANSWERED_IN: Duration = Duration::from_millis(100);
/// What domains of a toplist come to, each: MX hosts, sessions and policies of the 100,000 of
/// `benches/runs/2026-11-24-acceptance-100k.txt`.
const HOSTS_A_DOMAIN: f64 = 0.28;
const SESSIONS_A_DOMAIN: f64 = 0.30;
const POLICIES_A_DOMAIN: f64 = 0.012;

/// What a scan would do.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The run's folder.
    pub folder: PathBuf,
    /// It is complete already: nothing would be done.
    pub already_complete: bool,
    /// Lines that would be read, behind those that are committed.
    pub lines: u64,
    /// Lines that are committed already.
    pub lines_committed: u64,
    /// Of the lines, domains that would be asked about.
    pub domains: u64,
    /// Of the lines, those that would not be scanned, by reason.
    pub rejects: BTreeMap<String, u64>,
    /// The first few of the domains.
    pub examples: Vec<String>,
    /// MX hosts, sessions and policies that committed rows ask for, and that are still to be measured; capped.
    pub owed: u64,
    /// Domains on the opt-out list, and addresses and prefixes.
    pub opted_out: (usize, usize),
    /// The name said in `EHLO`.
    pub ehlo_name: String,
    /// What policy hosts are told.
    pub user_agent: String,
    /// Whom to ask for names.
    pub resolvers: Vec<SocketAddr>,
    /// How much at a time, and how often: as far as this process's limits let it.
    pub pacing: PacingLimits,
    /// DNS lookups.
    pub lookups: Amount,
    /// Messages that one lookup can cost, where resolvers are silent, fail or truncate.
    pub queries_a_lookup_max: u64,
    /// Connections to policy hosts.
    pub policy_connections: Amount,
    /// Connections to MX hosts.
    pub smtp_connections: Amount,
    /// About how long it takes where resolvers answer, seconds.
    pub seconds_likely: f64,
    /// How long the lookups of the domains take where no resolver answers, seconds.
    pub seconds_unanswered: f64,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// How many of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// Whatever the answers say.
    pub surely: u64,
    /// Where the domains are as those of a toplist: a guess.
    pub likely: u64,
    /// Whatever strangers write into their zones.
    pub at_most: u64,
}

/// Says what [`scan`](crate::scan) would do, and does none of it. It reads the inputs to their end, standard input too, and
/// nothing is sent or written.
///
/// # Errors
/// What a scan would refuse before it asks anybody, for the same reasons.
pub fn plan(mut config: ScanConfig) -> Result<Plan, ScanError> {
    config.check()?;
    let is_complete = folder::look(&config)?.is_some();
    let opt_out = config.opt_out.as_deref().map(OptOut::load).transpose()?.unwrap_or_default();
    if config.resolvers.is_empty() {
        config.resolvers = system_resolvers()?;
    }
    let (_, warning) = descriptors::fit(&mut config.pacing, config.resolvers.len());
    let warnings = warning.into_iter().collect();
    let opted_out = (opt_out.domains_len(), opt_out.nets.len());
    let mut plan = Plan::of(&config, opted_out, warnings);
    if is_complete {
        plan.already_complete = true;
        return Ok(plan);
    }
    let (mark, domains, owed) = folder::peek(&config)?;
    (plan.lines_committed, plan.owed) = (mark.line, owed);
    let source = Source::open(&config.inputs, config.column.as_deref(), Progress::default().into())?;
    let order = Order { window_lines: config.window_lines, seed: config.seed };
    let mut messages =
        source.spawn(mark, order, domains, LeftAlone::new(opt_out)).map_err(ScanError::Sockets)?;
    while let Some(message) = messages.blocking_recv() {
        if let Message::Lines(lines) = message? {
            for line in lines {
                plan.count(line.fate);
            }
        }
    }
    plan.estimate(&config);
    Ok(plan)
}

impl Plan {
    fn of(config: &ScanConfig, opted_out: (usize, usize), warnings: Vec<String>) -> Self {
        let nothing = Amount { surely: 0, likely: 0, at_most: 0 };
        Self {
            folder: config.out.clone(),
            already_complete: false,
            lines: 0,
            lines_committed: 0,
            domains: 0,
            rejects: BTreeMap::new(),
            examples: Vec::new(),
            owed: 0,
            opted_out,
            ehlo_name: config.ehlo_name.clone(),
            user_agent: user_agent(&config.contact),
            resolvers: config.resolvers.clone(),
            pacing: config.pacing,
            lookups: nothing,
            // Each try, and one more after a failure; each of them again over TCP; and each try without validation.
            queries_a_lookup_max: 2 * (u64::from(config.dns_retries) + 2) + u64::from(config.dns_retries) + 1,
            policy_connections: nothing,
            smtp_connections: nothing,
            seconds_likely: 0.0,
            seconds_unanswered: 0.0,
            warnings,
        }
    }

    fn count(&mut self, fate: Fate) {
        self.lines += 1;
        match fate {
            Fate::Scan(target) => {
                self.domains += 1;
                if self.examples.len() < EXAMPLES_MAX {
                    self.examples.push(target.domain.into());
                }
            }
            Fate::Reject(row) => *self.rejects.entry(row.reason).or_default() += 1,
        }
    }

    fn estimate(&mut self, config: &ScanConfig) {
        let domains = self.domains;
        let times = |each: f64| (domains as f64 * each).round();
        let (stages, extras) = (config.stages, config.extras);
        let (hosts_max, addresses_max) = (HOSTS_A_DOMAIN_MAX as u64, ADDRESSES_A_HOST_MAX as u64);
        let aside = if extras.look_aside { LOOKUPS_ASIDE_MAX } else { 0 };
        let policies = if !stages.policy {
            0.0
        } else if extras.fetch_without_record {
            times(1.0)
        } else {
            times(POLICIES_A_DOMAIN)
        };
        let policy_lookups = if stages.policy { LOOKUPS_A_POLICY } else { 0 };
        let lookups_a_domain_max =
            LOOKUPS_A_DOMAIN + aside + policy_lookups + hosts_max * LOOKUPS_A_HOST_MAX + LOOKUPS_SINKS_MAX;
        let lookups = times((LOOKUPS_A_DOMAIN + aside) as f64)
            + policies * LOOKUPS_A_POLICY as f64
            + times(HOSTS_A_DOMAIN * (LOOKUPS_A_HOST_MAX - 1) as f64);
        self.lookups = Amount {
            surely: domains * LOOKUPS_A_DOMAIN,
            likely: whole(lookups),
            at_most: domains.saturating_mul(lookups_a_domain_max),
        };
        let fetches = if extras.fetch_without_record { times(POLICIES_A_DOMAIN) } else { policies };
        let a_policy = if stages.policy { addresses_max } else { 0 };
        self.policy_connections =
            Amount { surely: 0, likely: whole(fetches), at_most: domains.saturating_mul(a_policy) };
        let a_session = 1 + u64::from(config.refusal_retries) + u64::from(extras.legacy_tls);
        let a_domain = if stages.smtp { hosts_max * addresses_max * a_session } else { 0 };
        let sessions = if stages.smtp { times(SESSIONS_A_DOMAIN) } else { 0.0 };
        self.smtp_connections =
            Amount { surely: 0, likely: whole(sessions), at_most: domains.saturating_mul(a_domain) };
        let rate =
            config.rate.or(config.pacing.domain_rate).map_or(f64::INFINITY, |rate| f64::from(rate.get()));
        let pace = |answered: Duration| rate.min(config.concurrency as f64 / answered.as_secs_f64());
        self.seconds_likely = domains as f64 / pace(ANSWERED_IN);
        self.seconds_unanswered = domains as f64 / pace(config.dns_timeout * (config.dns_retries + 1));
    }
}

#[expect(clippy::cast_sign_loss, reason = "it counts")]
fn whole(number: f64) -> u64 {
    number as u64
}
