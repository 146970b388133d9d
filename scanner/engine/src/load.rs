//! How much is under way, so that no more is let in than can be held.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Pieces of work under way or waiting for their turn, beyond which no more lines are admitted. Every one of them
/// may bring a policy body of 64 KiB: the worst that can come is 256 MiB.
const PENDING_MAX: u64 = 4_096;
/// Bytes of rows that wait to be written, beyond which no more lines are admitted.
const HELD_BYTES_MAX: u64 = 256 << 20;

/// How much is under way.
#[derive(Default)]
pub(crate) struct Load {
    pending: AtomicU64,
    held_bytes: AtomicU64,
    eased: Notify,
}

/// A piece of work under way, until it is dropped.
pub(crate) struct Pending(Arc<Load>);

impl Load {
    /// Counts a piece of work.
    pub(crate) fn begin(self: &Arc<Self>) -> Pending {
        self.pending.fetch_add(1, Ordering::Relaxed);
        Pending(Arc::clone(self))
    }

    pub(crate) fn hold(&self, bytes: u64) {
        self.held_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn release(&self, bytes: u64) {
        self.held_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.eased.notify_one();
    }

    /// Whether so much waits to be written that the open chunk should be cut short.
    pub(crate) fn is_heavy(&self) -> bool {
        self.held_bytes.load(Ordering::Relaxed) >= HELD_BYTES_MAX
    }

    /// Whether more may be let in, `concurrency` being at work at a time.
    pub(crate) fn has_room(&self, concurrency: usize) -> bool {
        let pending_max = PENDING_MAX.max(2 * concurrency as u64);
        self.pending.load(Ordering::Relaxed) < pending_max && !self.is_heavy()
    }

    /// Returns when something has become less since the last time, or may have. One waits at a time.
    pub(crate) async fn eased(&self) {
        self.eased.notified().await;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::Relaxed);
        self.0.eased.notify_one();
    }
}
