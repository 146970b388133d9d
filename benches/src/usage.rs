//! What came of a measurement, as one line of JSON. What it used is for whoever began the process to ask the system.

use std::time::Instant;

/// A measurement under way.
pub(crate) struct Meter {
    begun: Instant,
}

impl Meter {
    /// Begins.
    pub(crate) fn start() -> Self {
        Self { begun: Instant::now() }
    }

    /// Prints how many of how many there were, and whatever else there is to say: pairs of a word and a number.
    pub(crate) fn stop(&self, done: u64, asked: u64, more: &[(&str, u64)]) {
        let wall = self.begun.elapsed().as_secs_f64();
        print!("{{\"done\": {done}, \"asked\": {asked}, \"wall\": {wall:.6}");
        for (word, number) in more {
            print!(", \"{word}\": {number}");
        }
        if let Some(peak) = peak_kib() {
            print!(", \"peak_kib\": {peak}");
        }
        println!("}}");
    }
}

/// The most memory that this process has held. What `wait4` says of it is never less than what its parent held.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
