//! How far a long piece of work is.

use std::sync::atomic::{AtomicU64, Ordering};

/// Steps done of steps in all, for whoever watches. The steps take about as long as each other.
#[derive(Debug, Default)]
pub struct Steps {
    done: AtomicU64,
    all: AtomicU64,
}

impl Steps {
    /// How many are done, and how many there are; nothing before that is known.
    pub fn so_far(&self) -> Option<(u64, u64)> {
        let all = self.all.load(Ordering::Relaxed);
        (all > 0).then(|| (self.done.load(Ordering::Relaxed).min(all), all))
    }

    pub(crate) fn expect(&self, steps: u64) {
        self.all.store(steps, Ordering::Relaxed);
    }

    pub(crate) fn done(&self, steps: u64) {
        self.done.fetch_add(steps, Ordering::Relaxed);
    }
}
