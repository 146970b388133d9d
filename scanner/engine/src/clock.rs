//! The one place that asks what time it is.

use std::time::{SystemTime, UNIX_EPOCH};

use mxray_evidence::Micros;

/// Now, in microseconds since 1970-01-01T00:00:00Z, by the machine's clock.
pub fn now() -> Micros {
    #[expect(clippy::disallowed_methods, reason = "observations are dated here, and nowhere else")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH)
        .map_or(0, |since| Micros::try_from(since.as_micros()).unwrap_or(Micros::MAX))
}
