//! How many sockets this process may have.
//!
//! The limit on open files is shared out before a scan begins, so that none is wanting in its midst: what is open
//! already and the files of the run come first, then resolvers, then connections to policy and MX hosts.

use crate::pacing::PacingLimits;

/// Files that a scan opens besides: the journal, the lock and a part of each table, runs of names that are merged, an
/// input, the opt-out list read again, the folders that are synced, the runtime's own.
const FILES: u32 = 32;
/// Sockets to one resolver: those in use, and as many worn ones whose last answers are waited for.
const SOCKETS_A_RESOLVER: u32 = 8;
/// Connections to resolvers at a time, for truncated answers, where there is no want.
pub(crate) const RESOLVER_CONNECTIONS_MAX: u32 = 128;
/// Of what is left, connections to resolvers get so small a part.
const RESOLVER_SHARE: u32 = 4;

/// Connections at a time, as the process's limit on open files allows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// To resolvers.
    pub(crate) resolvers: u32,
    /// To policy and MX hosts that answer.
    brisk: u32,
    /// To those that do not.
    slow: u32,
}

/// Lowers the connections at a time to what the process's limit on open files allows, and says so. Also says how many
/// connections to the resolvers, of which there are so many, are allowed.
pub(crate) fn fit(limits: &mut PacingLimits, resolvers: usize) -> (u32, Option<String>) {
    let Some(files) = std::fs::read_to_string("/proc/self/limits").ok().and_then(|text| soft_limit(&text))
    else {
        return (RESOLVER_CONNECTIONS_MAX, None);
    };
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count) as u32;
    let taken = open + FILES + SOCKETS_A_RESOLVER * resolvers as u32;
    let allowance = share(limits, files, taken);
    let (brisk, slow) = (limits.connections_max, limits.slow_connections_max);
    limits.connections_max = allowance.brisk;
    limits.slow_connections_max = allowance.slow;
    let warning = ((allowance.brisk, allowance.slow) != (brisk, slow)).then(|| {
        format!(
            "the limit of {files} open files allows {} connections at a time and {} slow ones, not {brisk} and {slow}: \
             raise it (ulimit -n) to go faster",
            allowance.brisk, allowance.slow,
        )
    });
    (allowance.resolvers, warning)
}

/// Shares out what is left of `files` when so many are taken. One connection of each kind is always possible: where not
/// even that is left, what finds no descriptor is written down as withheld.
fn share(limits: &PacingLimits, files: u32, taken: u32) -> Allowance {
    let left = files.saturating_sub(taken);
    let resolvers = (left / RESOLVER_SHARE).clamp(1, RESOLVER_CONNECTIONS_MAX);
    let left = left.saturating_sub(resolvers).max(1);
    let brisk = limits.connections_max.min(left);
    Allowance { resolvers, brisk, slow: limits.slow_connections_max.min(left - brisk) }
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
        let pacing =
            PacingLimits { connections_max: 500, slow_connections_max: 500, ..PacingLimits::default() };
        let shared = |files| share(&pacing, files, 60);
        assert_eq!(shared(10_000), Allowance { resolvers: 128, brisk: 500, slow: 500 });
        assert_eq!(shared(1_024), Allowance { resolvers: 128, brisk: 500, slow: 336 });
        assert_eq!(shared(100), Allowance { resolvers: 10, brisk: 30, slow: 0 });
        assert_eq!(shared(10), Allowance { resolvers: 1, brisk: 1, slow: 0 }, "one is always possible");
    }
}
