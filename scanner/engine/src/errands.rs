//! Policy fetches and sessions: parked until it is their turn, then done, each in a task of its own.
//!
//! What is parked is a name and a promise; a connection that has taken longer than [`SLOW_AFTER`] steps aside, so
//! that those which answer find a place. A server that says *not now* is left alone for a while, and asked again.

use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mxray_evidence::{OwnCause, SmtpSessionRow};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::chunk::Found;
use crate::config::ScanConfig;
use crate::failed_fetches::FailedFetches;
use crate::https::PolicyFetch;
use crate::net::Net;
use crate::pacing::{Next, Parking, Spot};
use crate::progress::{Progress, set};
use crate::samples::Samples;
use crate::smtp::{asks_to_wait, probe};
use crate::tasks::Tasks;
use crate::tray::Promise;
use crate::withheld::withheld_session;

/// A connection that has taken so long counts among the slow ones.
const SLOW_AFTER: Duration = Duration::from_secs(1);
/// What an operator is left alone for, of the time that his server is.
const OPERATOR_SHARE: u32 = 10;
/// What a parked session takes, about: itself, its name, its place in a queue that has room to grow.
const SESSION_BYTES: u32 = 160;
/// What a parked policy fetch takes, about: its lookups are done, and their answers wait with it.
const POLICY_BYTES: u32 = 2_048;

/// One thing to be done at an address.
pub(crate) enum Errand {
    /// A session with the MX host that the promise is about.
    Session { promise: Promise, attempts: u16, aliases: Aliases },
    /// A fetch whose next address it is.
    Policy { promise: Promise, fetch: Box<PolicyFetch> },
}

impl Errand {
    /// What it takes while it is parked, about.
    fn bytes(&self) -> u32 {
        match self {
            Self::Session { aliases, .. } => {
                let names = aliases.iter().flatten();
                SESSION_BYTES + names.map(|name| (size_of::<String>() + name.len()) as u32).sum::<u32>()
            }
            Self::Policy { .. } => POLICY_BYTES,
        }
    }
}

/// What an MX host is an alias of, and what that is: whoever runs these may opt out while the session is parked.
type Aliases = Option<Box<[String]>>;

/// Everything that waits for its turn at an address.
pub(crate) struct Errands {
    net: Arc<Net>,
    progress: Arc<Progress>,
    tasks: Arc<Tasks>,
    samples: Samples,
    failed: Arc<FailedFetches>,
    retries: u16,
    backoff: Duration,
    state: Mutex<State>,
    bell: Notify,
    /// What is ready to be begun is more than this machine gets done soon.
    is_behind: AtomicBool,
}

struct State {
    parking: Parking<Errand>,
    /// Nothing more is begun: the scan is to end.
    is_closed: bool,
}

impl Errands {
    /// Nothing is parked yet. Begins to start what will be.
    pub(crate) fn begin(
        config: &ScanConfig,
        net: &Arc<Net>,
        progress: &Arc<Progress>,
        tasks: &Arc<Tasks>,
        failed: &Arc<FailedFetches>,
    ) -> Arc<Self> {
        let parking = Parking::new(&config.pacing, config.parked_bytes_max);
        let this = Arc::new(Self {
            net: Arc::clone(net),
            progress: Arc::clone(progress),
            tasks: Arc::clone(tasks),
            samples: Samples::new(config.sni_samples),
            failed: Arc::clone(failed),
            retries: config.refusal_retries,
            backoff: config.refusal_backoff,
            state: Mutex::new(State { parking, is_closed: false }),
            bell: Notify::new(),
            is_behind: AtomicBool::new(false),
        });
        tasks.spawn(Arc::clone(&this).drive());
        this
    }

    /// Parks a session with the MX host that `promise` is about. `operator` is a name of whoever runs it.
    pub(crate) fn session(
        &self,
        promise: Promise,
        address: IpAddr,
        operator: Option<&str>,
        aliases: &[String],
    ) {
        self.progress.sessions.start();
        let aliases = (!aliases.is_empty()).then(|| aliases.into());
        self.park(address, operator, Errand::Session { promise, attempts: 0, aliases });
    }

    /// Parks a policy fetch at the first of its addresses; what cannot be fetched is done with.
    pub(crate) fn policy(&self, promise: Promise, mut fetch: Box<PolicyFetch>) {
        match fetch.next_address(&self.net) {
            Some(address) => {
                let operator = fetch.operator().map(str::to_owned);
                self.park(address, operator.as_deref(), Errand::Policy { promise, fetch });
            }
            None => self.fetched(promise, fetch),
        }
    }

    /// Whether what may begin, and waits for nothing but one of this machine's places, is so much that no more should come.
    pub(crate) fn is_behind(&self) -> bool {
        self.is_behind.load(Ordering::Relaxed)
    }

    /// Starts nothing more, and puts off what is parked.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        let parked = state.parking.clear();
        drop(state);
        for errand in parked {
            self.put_off(errand);
        }
    }

    fn park(&self, address: IpAddr, operator: Option<&str>, errand: Errand) {
        let bytes = errand.bytes();
        let mut state = self.state();
        let refused = if state.is_closed {
            Some(errand)
        } else {
            state.parking.park(address, operator, errand, bytes, Instant::now()).err()
        };
        self.note(&state.parking);
        drop(state);
        match refused {
            Some(errand) => self.put_off(errand),
            None => self.bell.notify_one(),
        }
    }

    fn put_off(&self, errand: Errand) {
        let (stage, promise) = match errand {
            Errand::Session { promise, .. } => (&self.progress.sessions, promise),
            Errand::Policy { promise, .. } => (&self.progress.policies, promise),
        };
        stage.put_off();
        promise.put_off();
    }

    /// Starts whatever may begin, for as long as the scan lasts.
    async fn drive(self: Arc<Self>) {
        loop {
            let next = {
                let mut state = self.state();
                let next = state.parking.next(Instant::now(), |errand, address| self.knows(errand, address));
                self.note(&state.parking);
                next
            };
            match next {
                Next::Start(errand, spot) => {
                    let turn = Turn { errands: Arc::clone(&self), spot: Some(spot) };
                    self.tasks.spawn(turn.run(errand));
                }
                Next::Known(errand, address) => self.reuse(errand, address),
                Next::Wait(None) => self.bell.notified().await,
                Next::Wait(Some(due)) => {
                    tokio::select! {
                        () = self.bell.notified() => {}
                        () = tokio::time::sleep_until(due) => {}
                    }
                }
            }
        }
    }

    /// Whether what the errand is about has been seen already, or may not be looked at any more.
    fn knows(&self, errand: &Errand, address: IpAddr) -> bool {
        match errand {
            Errand::Session { promise, aliases, .. } => {
                self.refuses(promise.subject(), aliases, address).is_some()
                    || self.samples.know(address, promise.subject())
            }
            Errand::Policy { fetch, .. } => fetch.refusal(&self.net, address).is_some(),
        }
    }

    /// Why an MX host is not to be probed at this address, if it is not: what may be probed can change while it is parked.
    fn refuses(&self, host: &str, aliases: &Aliases, address: IpAddr) -> Option<OwnCause> {
        let is_left_alone =
            self.net.opts_out(host) || aliases.iter().flatten().any(|alias| self.net.opts_out(alias));
        if is_left_alone { Some(OwnCause::OptOut) } else { self.net.admits(address).err() }
    }

    /// Writes down that a session is not held.
    fn withhold(&self, promise: Promise, address: IpAddr, cause: OwnCause) {
        let row = withheld_session(promise.subject(), address, self.net.settings.smtp_port, cause);
        self.progress.sessions.end(false);
        promise.keep(Found::Session(Box::new(row), Vec::new()));
    }

    fn reuse(&self, errand: Errand, address: IpAddr) {
        match errand {
            Errand::Session { promise, aliases, .. } => {
                if let Some(cause) = self.refuses(promise.subject(), &aliases, address) {
                    return self.withhold(promise, address, cause);
                }
                match self.samples.reuse(address, promise.subject()) {
                    Some((row, chunk)) => {
                        self.progress.sessions.end(true);
                        self.progress.sessions_reused.fetch_add(1, Ordering::Relaxed);
                        promise.not_before(chunk).keep(Found::Session(Box::new(row), Vec::new()));
                    }
                    // A session that ended meanwhile has shown something else.
                    None => self.park(address, None, Errand::Session { promise, attempts: 0, aliases }),
                }
            }
            Errand::Policy { promise, mut fetch } => {
                fetch.turn_away(&self.net, address);
                self.policy(promise, fetch);
            }
        }
    }

    fn fetched(&self, promise: Promise, fetch: Box<PolicyFetch>) {
        let mut fetched = fetch.end();
        fetched.row.chunk = promise.chunk();
        self.failed.note(&fetched.row);
        self.progress.policies.end(fetched.row.ending.is_completed());
        promise.keep(Found::Policy(Box::new(fetched.row), fetched.certificates));
    }

    fn note(&self, parking: &Parking<Errand>) {
        let (brisk, slow) = parking.connections();
        self.is_behind.store(parking.is_behind(), Ordering::Relaxed);
        self.progress.parked.store(parking.parked() as u64, Ordering::Relaxed);
        self.progress.parked_bytes.store(parking.parked_bytes(), Ordering::Relaxed);
        self.progress.connections.store(u64::from(brisk), Ordering::Relaxed);
        self.progress.slow_connections.store(u64::from(slow), Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An errand's turn; its places are given back when it is dropped.
struct Turn {
    errands: Arc<Errands>,
    spot: Option<Spot>,
}

impl Turn {
    async fn run(mut self, errand: Errand) {
        let Some(address) = self.spot.as_ref().map(|spot| spot.address) else { return };
        let errands = Arc::clone(&self.errands);
        match errand {
            Errand::Session { promise, attempts, aliases } => {
                // It may have waited for one of this machine's places since it was looked at.
                if let Some(cause) = errands.refuses(promise.subject(), &aliases, address) {
                    drop(self);
                    return errands.withhold(promise, address, cause);
                }
                let attempts = attempts.saturating_add(1);
                let mut session = self.hold(pin!(probe(&errands.net, promise.subject(), address))).await;
                session.row.attempts = attempts;
                let is_turned_away = asks_to_wait(&session.row);
                if is_turned_away {
                    self.back_off(attempts);
                }
                if is_turned_away && attempts <= errands.retries {
                    return self.ask_again(Errand::Session { promise, attempts, aliases });
                }
                errands.progress.sessions.end(session.row.ending.is_completed());
                let (sample, chunk) = (session.clone(), promise.chunk());
                promise.keep(Found::Session(Box::new(session.row), session.certificates));
                // After it, so that what is reused is never written before it.
                errands.samples.note(address, &sample, chunk);
                set(&errands.progress.remembered.addresses, errands.samples.addresses());
            }
            Errand::Policy { promise, mut fetch } => {
                let is_done = self.hold(pin!(fetch.attempt(&errands.net, address))).await;
                if fetch.asks_to_wait() {
                    self.back_off(1);
                }
                drop(self);
                if is_done { errands.fetched(promise, fetch) } else { errands.policy(promise, fetch) }
            }
        }
    }

    /// Waits for an exchange to end, where it stands; when it takes long, it steps aside.
    async fn hold<F: Future>(&mut self, mut exchange: Pin<&mut F>) -> F::Output {
        loop {
            tokio::select! {
                biased;
                ended = exchange.as_mut() => return ended,
                () = tokio::time::sleep(SLOW_AFTER) => {
                    if self.step_aside() {
                        return exchange.await;
                    }
                }
            }
        }
    }

    fn step_aside(&mut self) -> bool {
        let Some(spot) = &mut self.spot else { return true };
        let has_stepped_aside = self.errands.state().parking.step_aside(spot);
        if has_stepped_aside {
            self.errands.bell.notify_one();
        }
        has_stepped_aside
    }

    /// Leaves the address alone for a while, longer each time, and its operator for a part of it.
    fn back_off(&self, attempts: u16) {
        let Some(spot) = &self.spot else { return };
        let pause = self.errands.backoff * 2_u32.pow(u32::from(attempts.clamp(1, 8)) - 1);
        let now = Instant::now();
        self.errands.state().parking.delay(spot, now + pause, now + pause / OPERATOR_SHARE);
    }

    /// Parks the errand behind whatever else waits at its address.
    fn ask_again(mut self, errand: Errand) {
        let Some(spot) = self.spot.take() else { return };
        let mut state = self.errands.state();
        let again = if state.is_closed {
            Err(errand)
        } else {
            let bytes = errand.bytes();
            state.parking.park_again(&spot, errand, bytes, Instant::now())
        };
        state.parking.give_back(spot, Instant::now());
        drop(state);
        if let Err(errand) = again {
            self.errands.put_off(errand);
        }
        self.errands.bell.notify_one();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(spot) = self.spot.take() {
            self.errands.state().parking.give_back(spot, Instant::now());
            self.errands.bell.notify_one();
        }
    }
}

/// A parked session is small: there may be a million.
const _: () = assert!(size_of::<Errand>() <= 56 && size_of::<SmtpSessionRow>() > 56);
