//! What is done for a domain, for a policy, for a mail host: each in a task of its own.
//!
//! A domain's row names its MX hosts and waits for none of them. Tasks ask DNS, which ends soon, and there are so many
//! of them at a time; whoever would add to them waits, and in the end no more lines are let in. What has to connect to
//! somebody is handed to the [`Errands`], which never make anybody wait.

use std::net::IpAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mxray_evidence::{
    AddressRecord, DomainRow, Lookup, MailHostRow, OwnCause, ReportSinkRow, TlsaRecord, TxtRecord,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::beside::{Seen, aside_names, is_fetched, report_sinks};
use crate::chunk::{Chunk, Found, Work};
use crate::config::{Extras, ScanConfig, Stages};
use crate::dns::{DomainLookups, withheld_lookup};
use crate::errands::Errands;
use crate::events::{Event, EventSink};
use crate::failed_fetches::FailedFetches;
use crate::https::PolicyFetch;
use crate::net::Net;
use crate::once::Once;
use crate::opt_out::{self, Watched};
use crate::owed::{Owed, OwedPolicy, OwedSession};
use crate::pacing::{DomainTurns, operator_of};
use crate::progress::{Progress, StageProgress, set};
use crate::source::Target;
use crate::tasks::Tasks;
use crate::tray::{Promise, Tray};
use crate::wanted::{aliases, planned_sessions, probed_hosts};
use crate::withheld::{tlsa_name, withheld_domain, withheld_host, withheld_session, withheld_sink};

/// How often it is looked whether there is a resolver that answers.
const RESOLVERS_LOOKED_AT_EVERY: Duration = Duration::from_secs(1);

/// Policy hosts, and MX hosts, whose addresses are asked for or wait to be, for each domain that may be in flight.
const HOSTS_A_DOMAIN_IN_FLIGHT_MAX: usize = 4;

/// The work of a scan, and who does it.
pub(crate) struct Pipeline {
    net: Arc<Net>,
    stages: Stages,
    progress: Arc<Progress>,
    extras: Extras,
    /// What somebody looks at already.
    seen: Mutex<Seen>,
    turns: DomainTurns,
    /// Hosts whose addresses are asked for at a time.
    host_places: Semaphore,
    host_queue: Arc<Semaphore>,
    tray: Arc<Tray>,
    errands: Arc<Errands>,
    failed: Arc<FailedFetches>,
    tasks: Arc<Tasks>,
}

impl Pipeline {
    /// A pipeline in which nothing is under way. What is `seen` is not looked at again.
    pub(crate) fn new(
        config: &ScanConfig,
        net: Net,
        seen: Seen,
        tray: Arc<Tray>,
        progress: Arc<Progress>,
        failed: FailedFetches,
    ) -> Self {
        let (net, tasks, failed) = (Arc::new(net), Arc::new(Tasks::default()), Arc::new(failed));
        Self {
            errands: Errands::begin(config, &net, &progress, &tasks, &failed),
            failed,
            net,
            stages: config.stages,
            progress,
            extras: config.extras,
            seen: Mutex::new(seen),
            turns: DomainTurns::new(config.rate.or(config.pacing.domain_rate)),
            host_places: Semaphore::new(config.concurrency),
            host_queue: Arc::new(Semaphore::new(config.concurrency * HOSTS_A_DOMAIN_IN_FLIGHT_MAX)),
            tray,
            tasks,
        }
    }

    /// Waits until another domain may be begun, by the rate that was asked for.
    pub(crate) async fn domain_turn(&self) {
        self.turns.next().await;
    }

    /// Begins a domain. `place` is held until its lookups are done.
    pub(crate) fn begin_domain(
        self: &Arc<Self>,
        target: Target,
        chunk: &Arc<Chunk>,
        place: OwnedSemaphorePermit,
    ) {
        self.progress.domains.start();
        let (this, work) = (Arc::clone(self), chunk.begin(&target.domain));
        let attendance = self.tray.attend();
        self.tasks.spawn(async move {
            this.measure_domain(target, work, place).await;
            drop(attendance);
        });
    }

    /// Begins what a run owes: what its committed rows ask for and do not hold.
    pub(crate) async fn begin_owed(self: &Arc<Self>, owed: Owed) {
        let Owed { hosts, sinks, sessions, policies, .. } = owed;
        for OwedPolicy { domain, chunk } in policies {
            self.begin_policy(&domain, chunk).await;
        }
        for OwedSession { host, aliases, address, withheld } in sessions {
            self.begin_session(self.tray.promise(&host, 0), address, &aliases, withheld);
        }
        for sink in sinks {
            self.begin_sink(sink, 0).await;
        }
        for host in hosts {
            self.begin_host(host, 0).await;
        }
    }

    /// Until when what is owed has to wait, if all of it is policies that are not to be fetched again yet.
    pub(crate) fn backs_off(&self, owed: &Owed) -> Option<Instant> {
        if owed.policies.len() < owed.len() {
            return None;
        }
        let due = owed.policies.iter().map(|policy| self.failed.due(&policy.domain));
        due.reduce(|one, other| Some(one?.max(other?)))?
    }

    /// Looks at the opt-out list for as long as the scan lasts. One that has changed holds for whatever is not under way
    /// yet, parked work included.
    pub(crate) fn heed_opt_out(&self, mut watched: Watched, events: EventSink) {
        let net = Arc::clone(&self.net);
        self.tasks.spawn(async move {
            loop {
                tokio::time::sleep(opt_out::LOOK_EVERY).await;
                let look = move || {
                    let looked = watched.look();
                    (watched, looked)
                };
                let Ok((again, looked)) = tokio::task::spawn_blocking(look).await else { return };
                watched = again;
                match looked {
                    None => {}
                    Some(Ok(list)) => {
                        let (domains, nets) = (list.domains_len() as u64, list.nets.len() as u64);
                        net.replace_opt_out(list);
                        let path = watched.path().display().to_string();
                        events.send(Event::OptOutTaken { path, domains, nets });
                    }
                    Some(Err(error)) => events.warn(format!(
                        "the opt-out list has changed and cannot be taken, so that the one before it holds: {error}"
                    )),
                }
            }
        });
    }

    /// Tells when no resolver answers any more, and when one does again, for as long as the scan lasts.
    pub(crate) fn heed_resolvers(&self, events: EventSink) {
        let net = Arc::clone(&self.net);
        self.tasks.spawn(async move {
            let mut was_lost = false;
            loop {
                tokio::time::sleep(RESOLVERS_LOOKED_AT_EVERY).await;
                let is_lost = net.resolver.is_lost();
                if is_lost != std::mem::replace(&mut was_lost, is_lost) {
                    events.warn(if is_lost {
                        "no resolver answers any more: the scan waits for one to come back"
                    } else {
                        "a resolver answers again: the scan goes on"
                    });
                }
            }
        });
    }

    /// Whether so many may be connected to that more domains would only wait for their sessions.
    pub(crate) fn is_behind(&self) -> bool {
        self.errands.is_behind()
    }

    /// Connects to nobody more; what waits for its turn is put off.
    pub(crate) fn close(&self) {
        self.net.resolver.hurry();
        self.errands.close();
    }

    /// Datagrams from resolvers that answered no open question.
    pub(crate) fn strays(&self) -> u64 {
        self.net.resolver.strays()
    }

    /// When this machine stood still, if that left something unmeasured.
    pub(crate) fn stalls(&self) -> Option<String> {
        self.net.stalls.words()
    }

    /// Cancels every task; their chunks are broken and will not be written.
    pub(crate) fn abort(&self) {
        self.tasks.abort();
    }

    async fn measure_domain(self: Arc<Self>, target: Target, work: Work, place: OwnedSemaphorePermit) {
        if self.net.opts_out(&target.domain) {
            // It was on the list only after its line had been read.
            drop(place);
            self.progress.domains.end(false);
            return work.done(&withheld_domain(target));
        }
        let DomainLookups { mx, ns, sts_txt, tlsrpt_txt } = self.look_up_domain(&target.domain).await;
        let Target { domain, source, line, rank, columns } = target;
        let aside_txt = Vec::new();
        // Boxed, as a thousand tasks wait for their answers, and none of them has a row yet.
        let mut row = Box::new(DomainRow {
            domain,
            source,
            line,
            rank,
            columns,
            mx,
            ns,
            sts_txt,
            tlsrpt_txt,
            aside_txt,
        });
        if self.extras.look_aside {
            row.aside_txt = Box::pin(self.look_aside(&row)).await;
        }
        let chunk = work.chunk().number();
        if self.stages.policy && is_fetched(&row, self.extras) {
            Box::pin(self.begin_policy(&row.domain, chunk)).await;
        }
        for host in probed_hosts(&row) {
            if self.is_new(&host, |seen| &mut seen.hosts, &self.progress.remembered.hosts) {
                self.begin_host(host.into(), chunk).await;
            }
        }
        for sink in report_sinks(&row) {
            if self.is_new(&sink, |seen| &mut seen.sinks, &self.progress.remembered.sinks) {
                Box::pin(self.begin_sink(sink, chunk)).await;
            }
        }
        drop(place);
        self.progress.domains.end(row.mx.is_measured());
        work.done(&row);
    }

    /// Begins a name that TLS reports go to and that is claimed already, once there is room for it: DNS alone.
    async fn begin_sink(self: &Arc<Self>, sink: String, chunk: u32) {
        let queued = room_in(&self.host_queue).await;
        let (this, promise) = (Arc::clone(self), self.tray.promise(&sink, chunk));
        self.tasks.spawn(async move {
            let _place = this.host_places.acquire().await.expect("the semaphore is never closed");
            let row = if this.net.opts_out(&sink) {
                withheld_sink(sink)
            } else {
                let mx = this.counted(this.net.resolver.mx(&sink));
                let (mx, (a, aaaa)) = tokio::join!(mx, this.look_up_addresses(&sink));
                ReportSinkRow { sink, mx, a, aaaa }
            };
            promise.keep(Found::ReportSink(Box::new(row)));
            drop(queued);
        });
    }

    /// Asks for the records that a domain lacks where they stand by mistake, one name after the other: what is
    /// missing at the right name is most often missing everywhere, and there is no hurry.
    async fn look_aside(&self, row: &DomainRow) -> Vec<Lookup<TxtRecord>> {
        let mut lookups = Vec::new();
        for name in aside_names(row) {
            if !self.net.opts_out(&name) {
                lookups.push(self.counted(self.net.resolver.txt(&name)).await);
            }
        }
        lookups
    }

    /// Begins a policy fetch, once there is room for it. One that failed a moment before this sitting is put off.
    async fn begin_policy(self: &Arc<Self>, domain: &str, chunk: u32) {
        if self.failed.due(domain).is_some() {
            return self.tray.promise(domain, chunk).put_off();
        }
        let queued = room_in(&self.host_queue).await;
        self.progress.policies.start();
        let (this, promise) = (Arc::clone(self), self.tray.promise(domain, chunk));
        self.tasks.spawn(async move {
            let place = this.host_places.acquire().await.expect("the semaphore is never closed");
            let fetch = PolicyFetch::resolve(&this.net, promise.subject()).await;
            drop(place);
            this.errands.policy(promise, Box::new(fetch));
            drop(queued);
        });
    }

    /// Begins an MX host that is claimed already, once there is room for it.
    async fn begin_host(self: &Arc<Self>, host: String, chunk: u32) {
        let queued = room_in(&self.host_queue).await;
        self.progress.mail_hosts.start();
        let (this, promise) = (Arc::clone(self), self.tray.promise(&host, chunk));
        self.tasks.spawn(async move {
            this.measure_host(host, promise).await;
            drop(queued);
        });
    }

    async fn measure_host(&self, host: String, promise: Promise) {
        let place = self.host_places.acquire().await.expect("the semaphore is never closed");
        let row = if self.net.opts_out(&host) {
            withheld_host(host)
        } else {
            let (a, aaaa) = self.look_up_addresses(&host).await;
            let (tlsa, tlsa_alias) = self.tlsa(&host, &a, &aaaa).await;
            MailHostRow { host, a, aaaa, tlsa, tlsa_alias }
        };
        drop(place);
        self.progress.mail_hosts.end(row.a.is_measured() || row.aaaa.is_measured());
        if !self.stages.smtp {
            return promise.keep(Found::MailHost(Box::new(row)));
        }
        let (aliases, planned) = (aliases(&row), planned_sessions(&row));
        let sessions: Vec<Promise> = planned.iter().map(|_| promise.another(&row.host)).collect();
        // Before its sessions, so that none of them is ever committed without it.
        promise.keep(Found::MailHost(Box::new(row)));
        for ((address, withheld), promise) in planned.into_iter().zip(sessions) {
            self.begin_session(promise, address, &aliases, withheld);
        }
    }

    /// The TLSA records of a host that has an address. Where it is a secure alias they are looked for at the end of
    /// the alias first, and where none are there, at the host itself (RFC 7672 §2.2.2); then the first answer comes second.
    async fn tlsa(
        &self,
        host: &str,
        a: &Lookup<AddressRecord>,
        aaaa: &Lookup<AddressRecord>,
    ) -> (Lookup<TlsaRecord>, Option<Box<Lookup<TlsaRecord>>>) {
        if a.records.is_empty() && aaaa.records.is_empty() {
            return (withheld_lookup(&tlsa_name(host), OwnCause::NotAsked), None);
        }
        let resolver = &self.net.resolver;
        let mut in_vain = None;
        let mut secure = [a, aaaa].into_iter().filter(|lookup| lookup.authenticated == Some(true));
        if let Some(alias) = secure.find_map(|lookup| lookup.cnames.last()) {
            let lookup = self.counted(resolver.tlsa(&tlsa_name(&alias.target))).await;
            if !lookup.is_measured() || !lookup.records.is_empty() {
                return (lookup, None);
            }
            in_vain = Some(Box::new(lookup));
        }
        (self.counted(resolver.tlsa(&tlsa_name(host))).await, in_vain)
    }

    /// Parks a session, unless there is a reason why it will not be held.
    fn begin_session(
        &self,
        promise: Promise,
        address: IpAddr,
        aliases: &[String],
        withheld: Option<OwnCause>,
    ) {
        let opted_out = || aliases.iter().any(|alias| self.net.opts_out(alias)).then_some(OwnCause::OptOut);
        let refused = || self.net.admits(address).err();
        let Some(cause) = opted_out().or(withheld).or_else(refused) else {
            // Whoever runs it: what it is an alias of, or itself.
            let operator =
                operator_of(aliases.last().map_or(promise.subject(), String::as_str)).map(str::to_owned);
            return self.errands.session(promise, address, operator.as_deref(), aliases);
        };
        self.progress.sessions.start();
        self.progress.sessions.end(false);
        let row = withheld_session(promise.subject(), address, self.net.settings.smtp_port, cause);
        promise.keep(Found::Session(Box::new(row), Vec::new()));
    }

    async fn look_up_domain(&self, domain: &str) -> DomainLookups {
        let counter = &self.progress.lookups;
        counter.start_many(4);
        let lookups = self.net.resolver.domain(domain).await;
        let DomainLookups { mx, ns, sts_txt, tlsrpt_txt } = &lookups;
        for is_measured in
            [mx.is_measured(), ns.is_measured(), sts_txt.is_measured(), tlsrpt_txt.is_measured()]
        {
            counter.end(is_measured);
        }
        lookups
    }

    async fn look_up_addresses(&self, name: &str) -> (Lookup<AddressRecord>, Lookup<AddressRecord>) {
        let counter = &self.progress.lookups;
        counter.start_many(2);
        let (a, aaaa) = self.net.resolver.addresses(name).await;
        counter.end(a.is_measured());
        counter.end(aaaa.is_measured());
        (a, aaaa)
    }

    async fn counted<R>(&self, lookup: impl Future<Output = Lookup<R>>) -> Lookup<R> {
        let counter: &StageProgress = &self.progress.lookups;
        counter.start();
        let lookup = lookup.await;
        counter.end(lookup.is_measured());
        lookup
    }

    /// Whether somebody is yet to look at a name of one kind; from now on somebody does.
    fn is_new(&self, name: &str, kind: impl Fn(&mut Seen) -> &mut Once, remembered: &AtomicU64) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = kind(&mut seen);
        let is_new = kind.claim(name.as_bytes());
        set(remembered, kind.len());
        is_new
    }
}

async fn room_in(queue: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    Arc::clone(queue).acquire_owned().await.expect("the semaphore is never closed")
}
