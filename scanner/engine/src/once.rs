//! What was seen before, by digest.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use sha2::{Digest as _, Sha256};

/// Keys that were seen. A key costs seventeen bytes and some air, however long it is: the first half of its
/// SHA-256, so that nobody can bring two names to stand for one.
#[derive(Default)]
pub(crate) struct Once {
    seen: HashSet<u128, BuildHasherDefault<Fold>>,
}

impl Once {
    /// Whether `key` is new; from now on it is not.
    pub(crate) fn claim(&mut self, key: &[u8]) -> bool {
        self.seen.insert(fingerprint(key))
    }

    /// Whether `key` was claimed.
    pub(crate) fn holds(&self, key: &[u8]) -> bool {
        self.seen.contains(&fingerprint(key))
    }
}

/// The first half of a key's SHA-256.
pub(crate) fn fingerprint(key: &[u8]) -> u128 {
    let digest: [u8; 32] = Sha256::digest(key).into();
    let (half, _) = digest.split_at(16);
    u128::from_le_bytes(half.try_into().expect("half of 32 bytes is 16"))
}

/// A digest is its own hash.
#[derive(Default)]
pub(crate) struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 ^= u64::from_le_bytes(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_claimed_once() {
        let mut once = Once::default();
        for n in 0..10_000u32 {
            assert!(!once.holds(&n.to_be_bytes()));
            assert!(once.claim(&n.to_be_bytes()));
        }
        for n in 0..10_000u32 {
            assert!(once.holds(&n.to_be_bytes()));
            assert!(!once.claim(&n.to_be_bytes()));
        }
    }
}
