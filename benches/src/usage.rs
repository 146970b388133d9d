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
        println!("}}");
    }
}
