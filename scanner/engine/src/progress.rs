//! What a scan is doing, as numbers that a display samples.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Counters of a running scan. They are written with relaxed ordering and are for people to look at: what was
/// measured stands in the run.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes taken from the inputs, as stored: compressed ones count before they are unpacked.
    pub input_bytes: Arc<AtomicU64>,
    /// Bytes of all inputs; 0 when that is not known (standard input).
    pub input_bytes_total: AtomicU64,
    /// Lines of input admitted, in this run and the ones it resumes.
    pub lines: AtomicU64,
    /// Lines that were rejected, likewise.
    pub rejects: AtomicU64,
    /// Domains: their DNS lookups.
    pub domains: StageProgress,
    /// DNS lookups, of domains and of mail hosts.
    pub lookups: StageProgress,
    /// Policy fetches.
    pub policies: StageProgress,
    /// Mail hosts: their addresses.
    pub mail_hosts: StageProgress,
    /// SMTP sessions.
    pub sessions: StageProgress,
    /// Of these, sessions that were not held, since others at the address have shown what they would show.
    pub sessions_reused: AtomicU64,
    /// Policy fetches and sessions that wait for their turn, now.
    pub parked: AtomicU64,
    /// What they take, about, in bytes.
    pub parked_bytes: AtomicU64,
    /// Rows that wait to be written, in bytes, about.
    pub held_bytes: Arc<AtomicU64>,
    /// What is remembered of things that were seen.
    pub remembered: Remembered,
    /// Connections that get on, now.
    pub connections: AtomicU64,
    /// Connections that have taken longer than a second, now.
    pub slow_connections: AtomicU64,
    /// Chunks committed, in this run and the ones it resumes.
    pub chunks_committed: AtomicU32,
    /// Lines committed, likewise.
    pub lines_committed: AtomicU64,
    /// Rows committed, likewise, over all tables.
    pub rows_committed: AtomicU64,
}

/// How many things of each kind are remembered, so that none is looked at twice.
#[derive(Debug, Default)]
pub struct Remembered {
    /// MX hosts.
    pub hosts: AtomicU64,
    /// Names that TLS reports go to.
    pub sinks: AtomicU64,
    /// Certificates that are on the disk.
    pub certificates: AtomicU64,
    /// Addresses at which a chain was shown.
    pub addresses: AtomicU64,
}

/// Counters of one kind of work.
#[derive(Debug, Default)]
pub struct StageProgress {
    /// Begun, or waiting for its turn.
    pub started: AtomicU64,
    /// Ended, however.
    pub done: AtomicU64,
    /// Ended, and not completed: refused, timed out, withheld.
    pub failed: AtomicU64,
}

impl StageProgress {
    /// Begun and not ended.
    pub fn in_flight(&self) -> u64 {
        let done = self.done.load(Ordering::Relaxed);
        self.started.load(Ordering::Relaxed).saturating_sub(done)
    }

    pub(crate) fn start(&self) {
        self.start_many(1);
    }

    pub(crate) fn start_many(&self, count: u64) {
        self.started.fetch_add(count, Ordering::Relaxed);
    }

    /// It is left for later, as if it had not begun.
    pub(crate) fn put_off(&self) {
        self.started.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn end(&self, completed: bool) {
        self.done.fetch_add(1, Ordering::Relaxed);
        if !completed {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

pub(crate) fn set(gauge: &AtomicU64, to: usize) {
    gauge.store(to as u64, Ordering::Relaxed);
}

pub(crate) fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}
