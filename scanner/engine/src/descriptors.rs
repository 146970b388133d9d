//! How many sockets this process may have.

use crate::pacing::PacingLimits;

/// Descriptors kept for everything but connections to policy and MX hosts: part files, resolvers' sockets, DNS
/// over TCP, the runtime's own.
const RESERVED: u32 = 256;

/// Lowers the connections at a time to what the process's limit on open files allows, and says so.
pub(crate) fn fit(limits: &mut PacingLimits) -> Option<String> {
    fit_to(limits, soft_limit(&std::fs::read_to_string("/proc/self/limits").ok()?)?)
}

fn fit_to(limits: &mut PacingLimits, files: u32) -> Option<String> {
    let PacingLimits { connections_max: brisk, slow_connections_max: slow, .. } = *limits;
    let allowed = files.saturating_sub(RESERVED).max(1);
    limits.connections_max = brisk.min(allowed);
    limits.slow_connections_max = slow.min(allowed - limits.connections_max);
    let (brisk_left, slow_left) = (limits.connections_max, limits.slow_connections_max);
    ((brisk_left, slow_left) != (brisk, slow)).then(|| {
        format!(
            "the limit of {files} open files allows {brisk_left} connections at a time and {slow_left} slow ones, not \
             {brisk} and {slow}: raise it (ulimit -n) to go faster"
        )
    })
}

/// The soft limit on open files, by `proc_pid_limits(5)`; `None` when there is none.
fn soft_limit(limits: &str) -> Option<u32> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_flight_fits_the_limit_on_open_files() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1024                 524288               files     \n";
        assert_eq!(soft_limit(limits), Some(1024));
        let mut pacing =
            PacingLimits { connections_max: 500, slow_connections_max: 500, ..PacingLimits::default() };
        assert!(fit_to(&mut pacing, 1024).is_some());
        assert_eq!((pacing.connections_max, pacing.slow_connections_max), (500, 268));
        assert_eq!(fit_to(&mut pacing, 1024), None);
        assert!(fit_to(&mut pacing, 10).is_some());
        assert_eq!(pacing.connections_max, 1, "one connection is always possible");
    }
}
