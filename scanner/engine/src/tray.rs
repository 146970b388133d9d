//! Rows that belong to no line of the input, and wait for the next commit.
//!
//! A mail host, a session and a policy fetch take as long as they take, and no chunk waits for them: what they come
//! to is laid on the tray, and goes to the disk with the first chunk that is committed after it, and not before the
//! chunk of the domain that was the reason for it. So whatever a crash leaves is explained by a domain that it leaves,
//! and what is missing can be read off what is there ([`owed`](crate::owed)).
//!
//! Who is to bring a row holds a [`Promise`] of it. A promise that is dropped (its task panicked) breaks the run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::chunk::{Found, Rows};
use crate::load::{Held, Load};

/// Where rows wait for a commit, and who is still to bring some.
pub(crate) struct Tray {
    state: Mutex<State>,
    load: Arc<Load>,
    settled: Notify,
}

#[derive(Default)]
struct State {
    /// By the chunk of the domain that was the reason.
    rows: BTreeMap<u32, Laid>,
    /// Promises that are open, and domains whose lookups are not done: they may make more of them.
    under_way: u64,
    /// Promises that were put off.
    put_off: u64,
    /// What the first promise that was broken was about.
    broken: Option<String>,
}

/// Rows, and their share of what is held in memory.
pub(crate) struct Laid {
    pub(crate) rows: Rows,
    held: Held,
}

impl Tray {
    /// An empty one, whose rows count in `load`.
    pub(crate) fn new(load: &Arc<Load>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), load: Arc::clone(load), settled: Notify::new() })
    }

    /// Promises a row about something, a name, for the sake of a domain of this chunk.
    pub(crate) fn promise(self: &Arc<Self>, subject: &str, chunk: u32) -> Promise {
        self.state().under_way += 1;
        Promise { tray: Arc::clone(self), subject: subject.into(), chunk, is_settled: false }
    }

    /// Notes that somebody is at work who may make promises.
    pub(crate) fn attend(self: &Arc<Self>) -> Attendance {
        self.state().under_way += 1;
        Attendance(Arc::clone(self))
    }

    /// Takes what may stand in this chunk.
    pub(crate) fn take(&self, chunk: u32) -> Vec<Laid> {
        let mut state = self.state();
        let later = state.rows.split_off(&(chunk + 1));
        std::mem::replace(&mut state.rows, later).into_values().collect()
    }

    /// Whether nothing waits here.
    pub(crate) fn is_empty(&self) -> bool {
        self.state().rows.is_empty()
    }

    /// Returns when nobody is at work any more.
    pub(crate) async fn quiet(&self) {
        loop {
            let settled = self.settled.notified();
            if self.state().under_way == 0 {
                return;
            }
            settled.await;
        }
    }

    /// How many promises were put off since the last time.
    pub(crate) fn take_put_off(&self) -> u64 {
        std::mem::take(&mut self.state().put_off)
    }

    /// What the first broken promise was about.
    pub(crate) fn broken(&self) -> Option<String> {
        self.state().broken.clone()
    }

    fn settle(&self, how: impl FnOnce(&mut State)) {
        let mut state = self.state();
        how(&mut state);
        state.under_way -= 1;
        if state.under_way == 0 {
            self.settled.notify_waiters();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody at work who may make promises.
pub(crate) struct Attendance(Arc<Tray>);

impl Drop for Attendance {
    fn drop(&mut self) {
        self.0.settle(|_| {});
    }
}

/// A row that is to come.
#[must_use = "a promise that is dropped breaks the run"]
pub(crate) struct Promise {
    tray: Arc<Tray>,
    subject: Box<str>,
    chunk: u32,
    is_settled: bool,
}

impl Promise {
    /// What it is about: a name.
    pub(crate) fn subject(&self) -> &str {
        &self.subject
    }

    /// The chunk of the domain that is the reason for it.
    pub(crate) fn chunk(&self) -> u32 {
        self.chunk
    }

    /// Another promise, about something else, for the same reason.
    pub(crate) fn another(&self, subject: &str) -> Self {
        self.tray.promise(subject, self.chunk)
    }

    /// The same, but that the row is not to be written before this chunk.
    pub(crate) fn not_before(mut self, chunk: u32) -> Self {
        self.chunk = self.chunk.max(chunk);
        self
    }

    /// Lays the row on the tray.
    pub(crate) fn keep(mut self, found: Found) {
        self.is_settled = true;
        let load = &self.tray.load;
        self.tray.settle(|state| {
            let laid = state
                .rows
                .entry(self.chunk)
                .or_insert_with(|| Laid { rows: Rows::default(), held: Held::new(load) });
            let bytes = laid.rows.put(found);
            laid.held.add(bytes);
        });
    }

    /// Leaves it for later: for the end of this run, or for a resumed one.
    pub(crate) fn put_off(mut self) {
        self.is_settled = true;
        self.tray.settle(|state| state.put_off += 1);
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if !self.is_settled {
            let subject = std::mem::take(&mut self.subject);
            self.tray.settle(|state| {
                state.broken.get_or_insert(subject.into());
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use mxray_evidence::{MailHostRow, OwnCause};

    use super::*;
    use crate::dns::withheld_lookup;

    fn host(name: &str) -> Found {
        let lookup = || withheld_lookup(name, OwnCause::NotAsked);
        let tlsa = withheld_lookup(name, OwnCause::NotAsked);
        Found::MailHost(Box::new(MailHostRow {
            host: name.into(),
            a: lookup(),
            aaaa: lookup(),
            tlsa,
            tlsa_alias: None,
        }))
    }

    fn hosts(laid: Vec<Laid>) -> Vec<String> {
        laid.into_iter().flat_map(|laid| laid.rows.mail_hosts).map(|row| row.host).collect()
    }

    #[tokio::test]
    async fn a_row_goes_to_no_chunk_before_that_of_its_domain() {
        let load = Load::new(Arc::default(), 1);
        let tray = Tray::new(&load);
        let (early, late) = (tray.promise("a", 2), tray.promise("b", 5));
        late.keep(host("b"));
        early.keep(host("a"));
        assert!(load.is_heavy());
        assert_eq!(hosts(tray.take(1)), [""; 0]);
        assert_eq!(hosts(tray.take(4)), ["a"]);
        assert_eq!(hosts(tray.take(5)), ["b"]);
        assert!(tray.is_empty() && !load.is_heavy(), "what is taken and dropped is held no more");
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_quiet_when_nobody_is_at_work() {
        let tray = Tray::new(&Load::new(Arc::default(), 1));
        let (attendance, kept) = (tray.attend(), tray.promise("a", 0));
        let another = kept.another("b");
        drop(attendance);
        kept.keep(host("a"));
        let soon = std::time::Duration::from_secs(1);
        assert!(tokio::time::timeout(soon, tray.quiet()).await.is_err());
        another.put_off();
        tray.quiet().await;
        assert_eq!((tray.take_put_off(), tray.take_put_off(), tray.broken()), (1, 0, None));
    }

    #[test]
    fn a_broken_promise_is_named() {
        let tray = Tray::new(&Load::new(Arc::default(), 1));
        drop(tray.promise("mx.example", 0));
        drop(tray.promise("other.example", 0));
        assert_eq!(tray.broken().as_deref(), Some("mx.example"));
    }
}
