//! What one key, an address or a prefix or an operator, is given at a time and a second.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

use super::burst;

/// The limits of one kind of key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    places: u32,
    /// From one beginning to the next.
    interval: Duration,
    /// How far before its time one may begin, so that a burst is one.
    slack: Duration,
}

impl Limits {
    pub(super) fn new(places: u32, rate: Option<NonZeroU32>) -> Self {
        let interval = rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.get());
        let slack = rate.map_or(Duration::ZERO, |rate| interval * (burst(rate).get() - 1));
        Self { places: places.max(1), interval, slack }
    }
}

/// Why a key gives nobody leave now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// All its places are taken: until one is given back.
    Full,
    /// It is too soon: until then.
    Early(Instant),
}

/// What is under way at one key, and when the next may begin there.
///
/// The rate is the generic cell rate algorithm's. Governor's limiters cannot be looked at without taking from them,
/// and a connection needs the leave of three keys together, or takes from none.
#[derive(Debug)]
pub(super) struct Gauge {
    taken: u32,
    /// When the next is due, if beginnings are spread evenly.
    due: Instant,
}

impl Gauge {
    pub(super) fn new(now: Instant) -> Self {
        Self { taken: 0, due: now }
    }

    /// Whether another may begin now; if not, why.
    pub(super) fn refuses(&self, limits: &Limits, now: Instant) -> Option<Refusal> {
        if self.taken >= limits.places {
            return Some(Refusal::Full);
        }
        self.is_early(limits, now)
    }

    /// Whether it is too soon for whoever has a place already.
    pub(super) fn is_early(&self, limits: &Limits, now: Instant) -> Option<Refusal> {
        (self.due > now + limits.slack).then(|| Refusal::Early(self.due - limits.slack))
    }

    /// Takes a place.
    pub(super) fn take(&mut self) {
        self.taken += 1;
    }

    /// One begins.
    pub(super) fn begin(&mut self, limits: &Limits, now: Instant) {
        self.due = self.due.max(now) + limits.interval;
    }

    /// Gives a place back.
    pub(super) fn give_back(&mut self) {
        self.taken -= 1;
    }

    /// Nobody begins before `until`.
    pub(super) fn delay(&mut self, until: Instant) {
        self.due = self.due.max(until);
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.taken == 0 && self.due <= now
    }
}
