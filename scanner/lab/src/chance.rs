//! Chance without state: every draw is a hash of the seed, of what it decides, and of whom it decides it for.

/// What a draw decides. Two draws of different streams are independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Stream {
    Suffix = 1,
    Existence,
    Adoption,
    Record,
    Fetch,
    Policy,
    Mode,
    Age,
    Match,
    Mail,
    Hosting,
    Operator,
    HostCount,
    HostDefect,
    OperatorHosts,
    OperatorHostDefect,
    OperatorAddresses,
    PolicyHosting,
    PolicyOperator,
    PolicyAddress,
    Tlsrpt,
    TlsrptDefect,
    RecordStyle,
    PolicyStyle,
    TlsrptStyle,
    HostStyle,
    NameServers,
    Identifier,
    Truncation,
    Names,
    Addresses,
    Groups,
    Mutation,
    Epoch,
    Signed,
    Signatures,
    Tlsa,
    OperatorTlsa,
    TlsaDefect,
    OperatorTlsaDefect,
    Keys,
    ZoneKey,
    Flaw,
}

/// The source of all draws of a world.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chance {
    seed: u64,
}

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed: mix(seed ^ 0x6d78_7261_795f_6c61) }
    }

    /// The draw for `key` in `stream`: always the same one.
    pub(crate) fn draw(self, stream: Stream, key: u64) -> Draw {
        Draw(mix(mix(self.seed ^ (stream as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(key)))
    }

    /// The draw for a text, such as a DNS name.
    pub(crate) fn draw_text(self, stream: Stream, text: &[u8]) -> Draw {
        let folded = text.chunks(8).fold(text.len() as u64, |state, chunk| {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            mix(state ^ u64::from_le_bytes(bytes))
        });
        self.draw(stream, folded)
    }
}

/// A uniformly drawn 64-bit number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    /// Uniform in `0..n`; 0 for `n` = 0.
    pub(crate) fn below(self, n: u64) -> u64 {
        ((u128::from(self.0) * u128::from(n)) >> 64) as u64
    }

    /// Uniform in `[0, 1)`.
    pub(crate) fn unit(self) -> f64 {
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with the probability given.
    pub(crate) fn hits(self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A further draw from this one.
    pub(crate) fn next(self, step: u64) -> Self {
        Self(mix(self.0 ^ mix(step.wrapping_add(0x51_7cc1))))
    }

    /// One of several.
    pub(crate) fn pick<T>(self, options: &[T]) -> &T {
        &options[self.below(options.len() as u64) as usize]
    }
}

/// The finaliser of `SplitMix64` (Steele, Lea, Flood 2014): a bijection of 64 bits with full avalanche.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A keyed bijection of `0..n`: a Feistel network over the next even number of bits, walked until it lands inside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Permutation {
    n: u64,
    half_bits: u32,
    keys: [u64; 4],
}

impl Permutation {
    pub(crate) fn new(chance: Chance, stream: Stream, n: u64) -> Self {
        let bits = u64::BITS - n.saturating_sub(1).leading_zeros();
        let keys = std::array::from_fn(|round| chance.draw(stream, round as u64).0);
        Self { n, half_bits: bits.div_ceil(2).max(1), keys }
    }

    /// Where `value` goes; `value` must be below `n`.
    pub(crate) fn forward(&self, value: u64) -> u64 {
        self.walk(value, |state, value| {
            state.keys.iter().fold(value, |value, key| {
                let (left, right) = state.halves(value);
                (right << state.half_bits) | (left ^ state.round(right, *key))
            })
        })
    }

    /// Where `value` came from: the inverse of [`forward`](Self::forward).
    pub(crate) fn backward(&self, value: u64) -> u64 {
        self.walk(value, |state, value| {
            state.keys.iter().rev().fold(value, |value, key| {
                let (left, right) = state.halves(value);
                ((right ^ state.round(left, *key)) << state.half_bits) | left
            })
        })
    }

    fn walk(&self, mut value: u64, step: impl Fn(&Self, u64) -> u64) -> u64 {
        debug_assert!(value < self.n, "{value} is outside 0..{}", self.n);
        loop {
            value = step(self, value);
            if value < self.n {
                return value;
            }
        }
    }

    fn halves(&self, value: u64) -> (u64, u64) {
        (value >> self.half_bits, value & ((1 << self.half_bits) - 1))
    }

    fn round(&self, half: u64, key: u64) -> u64 {
        mix(half ^ key) & ((1 << self.half_bits) - 1)
    }
}

/// Zipf's law over operators, as its cumulative distribution.
#[derive(Debug)]
pub(crate) struct Zipf(Vec<f64>);

impl Zipf {
    pub(crate) fn new(operators: u32, exponent: f64) -> Self {
        let weights = (1..=operators).map(|rank| f64::from(rank).powf(-exponent));
        let mut sum = 0.0;
        let mut cumulative: Vec<f64> = weights
            .map(|weight| {
                sum += weight;
                sum
            })
            .collect();
        for value in &mut cumulative {
            *value /= sum;
        }
        Self(cumulative)
    }

    pub(crate) fn pick(&self, draw: Draw) -> u32 {
        let unit = draw.unit();
        self.0.partition_point(|value| *value <= unit).min(self.0.len() - 1) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permutation_is_a_bijection_and_backward_undoes_it() {
        for n in [1, 2, 3, 10, 1000, 4097] {
            let permutation = Permutation::new(Chance::new(n), Stream::Names, n);
            let mut seen = vec![false; n as usize];
            for value in 0..n {
                let image = permutation.forward(value);
                assert!(!std::mem::replace(&mut seen[image as usize], true), "{image} twice for n = {n}");
                assert_eq!(permutation.backward(image), value);
            }
        }
    }

    #[test]
    fn draws_are_uniform_and_streams_are_independent() {
        let chance = Chance::new(7);
        let trials = 100_000;
        let both = (0..trials)
            .filter(|&key| {
                chance.draw(Stream::Record, key).hits(0.3) && chance.draw(Stream::Policy, key).hits(0.5)
            })
            .count() as f64;
        assert!((both / f64::from(trials as u32) - 0.15).abs() < 0.005, "{both}");
    }
}
