//! The one place where the lab asks what time it is: worlds are the same next year, their logs are not.

use std::time::SystemTime;

/// Microseconds since 1970, UTC.
#[expect(
    clippy::disallowed_methods,
    reason = "a ledger says when; nothing that is served depends on it but the \
                                               world's creation time, which is kept in its folder"
)]
pub(crate) fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |elapsed| elapsed.as_micros() as i64)
}
