//! Lines read ahead, and the order in which they are scanned.
//!
//! A list is most often sorted, by zone, by registrar, by rank, and what one operator holds stands together in it. So lines
//! are read a *window* at a time, and leave it in an order drawn from the seed. A window is closed when it is full, or
//! its input ends: which lines share one depends on the input alone, and a resumed run draws the same order again.

use std::io;

use super::InputDigest;
use super::lines::{LineReader, Text};

/// Bytes of text in a window at most, whatever its lines: the last line may go beyond.
const WINDOW_BYTES_MAX: usize = 16 << 20;

/// Lines that stand together in an input.
#[derive(Default)]
pub(super) struct Window {
    text: Vec<u8>,
    lines: Vec<Held>,
}

struct Held {
    /// Where it ends in the text.
    end: usize,
    is_too_long: bool,
}

impl Window {
    /// Forgets what it held, and reads so many lines, or as many as there are.
    pub(super) fn fill(
        &mut self,
        reader: &mut LineReader,
        digest: &mut InputDigest,
        lines_max: usize,
    ) -> io::Result<()> {
        self.text.clear();
        self.lines.clear();
        while self.lines.len() < lines_max && self.text.len() < WINDOW_BYTES_MAX {
            let Some(line) = reader.next(digest)? else { break };
            self.text.extend_from_slice(line.bytes());
            self.lines.push(Held { end: self.text.len(), is_too_long: line.is_too_long() });
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The line at a place, counted from 0.
    pub(super) fn line(&self, place: usize) -> Text<'_> {
        let start = if place == 0 { 0 } else { self.lines[place - 1].end };
        let Held { end, is_too_long } = self.lines[place];
        Text::new(&self.text[start..end], is_too_long)
    }
}

/// The places 0 to `length` in the order that a seed draws for the window whose first line is `first_line`.
pub(super) fn shuffled(length: usize, seed: u64, first_line: u64) -> Vec<usize> {
    let mut draws = Draws(seed ^ mix(first_line));
    let mut places: Vec<usize> = (0..length).collect();
    // Fisher and Yates.
    for place in (1..length).rev() {
        places.swap(place, draws.below(place as u64 + 1) as usize);
    }
    places
}

/// A sequence of numbers that a seed decides (`SplitMix64`).
struct Draws(u64);

impl Draws {
    /// A number below `bound`. Its bias is that of 2^64 against a window's length.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        ((u128::from(mix(self.0)) * u128::from(bound)) >> 64) as u64
    }
}

fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_holds_every_place_once_and_depends_on_the_seed_and_the_window() {
        let order = shuffled(10_000, 7, 1);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..10_000).collect::<Vec<_>>());
        assert_eq!(order, shuffled(10_000, 7, 1));
        assert_ne!(order, shuffled(10_000, 8, 1));
        assert_ne!(order, shuffled(10_000, 7, 10_001));
        assert_eq!((shuffled(0, 7, 1), shuffled(1, 7, 1)), (vec![], vec![0]));
    }

    #[test]
    fn what_stood_together_is_spread_over_the_window() {
        let order = shuffled(10_000, 7, 1);
        // An operator's 1,000 lines, in a row: how many of them fall into each tenth.
        let mut tenths = [0; 10];
        for (turn, place) in order.iter().enumerate() {
            tenths[turn / 1_000] += usize::from((3_000..4_000).contains(place));
        }
        assert!(tenths.iter().all(|count| (60..140).contains(count)), "{tenths:?}");
    }
}
