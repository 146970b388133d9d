//! What came of a measurement, as one line of JSON. What it used is for whoever began the process to ask the system.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// A measurement under way.
pub(crate) struct Meter {
    begun: Instant,
    used_before: Duration,
}

impl Meter {
    /// Begins.
    pub(crate) fn start() -> Self {
        Self { begun: Instant::now(), used_before: processor_time(ClockId::ProcessCPUTime) }
    }

    /// The processor time of this process since, microseconds.
    pub(crate) fn processor_us(&self) -> u64 {
        processor_time(ClockId::ProcessCPUTime).saturating_sub(self.used_before).as_micros() as u64
    }

    /// Prints how many of how many there were, and whatever else there is to say: pairs of a word and a number.
    pub(crate) fn stop(&self, done: u64, asked: u64, more: &[(&str, u64)]) {
        let wall = self.begun.elapsed().as_secs_f64();
        print!("{{\"done\": {done}, \"asked\": {asked}, \"wall\": {wall:.6}");
        for (word, number) in more {
            print!(", \"{word}\": {number}");
        }
        println!("}}");
    }
}

/// The processor time of this process, or of this thread.
pub(crate) fn processor_time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
