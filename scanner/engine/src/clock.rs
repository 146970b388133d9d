//! The one place that asks what time it is.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use mxray_evidence::Micros;

/// What [`now`] is ahead of the machine's clock, microseconds.
static AHEAD: AtomicI64 = AtomicI64::new(0);

/// Dates everything that is seen from now on so far ahead: for a simulated world some time later. Whoever does so writes it
/// into the run's configuration.
pub fn set_clock_ahead(ahead: Micros) {
    AHEAD.store(ahead, Ordering::Relaxed);
}

/// Now, in microseconds since 1970-01-01T00:00:00Z, by the machine's clock.
pub fn now() -> Micros {
    #[expect(clippy::disallowed_methods, reason = "observations are dated here, and nowhere else")]
    let now = SystemTime::now();
    let now = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| Micros::try_from(since.as_micros()).unwrap_or(Micros::MAX));
    now.saturating_add(AHEAD.load(Ordering::Relaxed))
}
