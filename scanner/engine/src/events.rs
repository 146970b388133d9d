//! What happens in a scan, one thing at a time: for a log that machines read.

use std::sync::Arc;

use mxray_evidence::{Counts, HowEnded, Micros};
use serde::Serialize;

use crate::stop::StopReason;

/// Something that happened. Numbers that move all the time are in [`Progress`](crate::Progress).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A new run has its folder.
    Started {
        /// Its id.
        run_id: String,
        /// Its folder.
        folder: String,
    },
    /// A run goes on.
    Resumed {
        /// Its id.
        run_id: String,
        /// Its folder.
        folder: String,
        /// What is committed already.
        counts: Counts,
        /// MX hosts, sessions and policies that committed rows ask for, and that are still to be measured.
        owed: u64,
    },
    /// The run was complete already: nothing is done.
    AlreadyComplete {
        /// Its id.
        run_id: String,
    },
    /// A chunk is on the disk for good.
    ChunkCommitted {
        /// Its number.
        chunk: u32,
        /// The last line it holds, counted in the order of the scan.
        last_line: u64,
        /// Rows it added.
        counts: Counts,
    },
    /// The opt-out list has changed, and the new one holds from now on.
    OptOutTaken {
        /// The file.
        path: String,
        /// Domains on it.
        domains: u64,
        /// Addresses and prefixes on it.
        nets: u64,
    },
    /// Something the operator should know, after which the scan goes on.
    Warning {
        /// In words.
        message: String,
    },
    /// All that is left to do is to fetch policies whose fetch failed just before the run was cut short: the scan waits.
    BackingOff {
        /// How many.
        policies: u64,
        /// Until when, microseconds since 1970-01-01T00:00:00Z.
        until: Micros,
    },
    /// No more lines are admitted; what is in flight is finished.
    Draining {
        /// Why.
        reason: StopReason,
    },
    /// The scan has ended.
    Finished {
        /// How.
        how: HowEnded,
        /// What is committed.
        counts: Counts,
        /// Replies of resolvers that answered no open question, and were dropped.
        stray_replies: u64,
    },
}

/// Where events go. Called from several threads, and expected to return soon.
#[derive(Clone)]
pub struct EventSink(Arc<dyn Fn(Event) + Send + Sync>);

impl EventSink {
    /// Hands every event to `each`.
    pub fn new(each: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(each))
    }

    /// Drops every event.
    pub fn none() -> Self {
        Self::new(drop)
    }

    pub(crate) fn send(&self, event: Event) {
        (self.0)(event);
    }

    pub(crate) fn warn(&self, message: impl Into<String>) {
        self.send(Event::Warning { message: message.into() });
    }
}

impl std::fmt::Debug for EventSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EventSink")
    }
}
