//! Processor time, where a part of what the process used is to be told apart.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The processor time of this process.
pub(crate) fn of_process() -> Duration {
    time(ClockId::ProcessCPUTime)
}

/// The processor time of this thread.
pub(crate) fn of_thread() -> Duration {
    time(ClockId::ThreadCPUTime)
}

fn time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
