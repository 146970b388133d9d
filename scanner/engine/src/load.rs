//! How much is held in memory, so that no more is let in than can be held.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// A chunk is cut of so small a part of what may be held, where nothing else says when: writing one takes as much memory again.
const CHUNKS_A_LOAD: u64 = 8;

/// Bytes of rows that wait to be written. What is under way when there are too many still comes on top: the queues
/// of the pipeline bound it.
pub(crate) struct Load {
    bytes: Arc<AtomicU64>,
    bytes_max: u64,
    eased: Notify,
}

impl Load {
    /// No more than `bytes_max` should be held. What is stands in `bytes`, for others to see.
    pub(crate) fn new(bytes: Arc<AtomicU64>, bytes_max: u64) -> Arc<Self> {
        Arc::new(Self { bytes, bytes_max, eased: Notify::new() })
    }

    /// Whether so much waits to be written that no more should come.
    pub(crate) fn is_heavy(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) >= self.bytes_max
    }

    /// Whether so much waits to be written that it had better be.
    pub(crate) fn is_worth_a_chunk(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) >= self.bytes_max / CHUNKS_A_LOAD
    }

    /// Returns when something has been written since the last time. One waits at a time.
    pub(crate) async fn eased(&self) {
        self.eased.notified().await;
    }
}

/// A share of what is held, given back when it is dropped.
pub(crate) struct Held {
    bytes: u64,
    load: Arc<Load>,
}

impl Held {
    /// No share yet.
    pub(crate) fn new(load: &Arc<Load>) -> Self {
        Self { bytes: 0, load: Arc::clone(load) }
    }

    /// Adds to the share.
    pub(crate) fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.load.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Hands the share on.
    pub(crate) fn take(&mut self) -> Self {
        Self { bytes: std::mem::take(&mut self.bytes), load: Arc::clone(&self.load) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.load.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.load.eased.notify_one();
    }
}
