//! What was seen before, by digest: in tables that take little more than what stands in them, and never grow at once.
//!
//! A hash table doubles when it is full, and holds both halves while it does: at a million entries that is as much again as
//! all of them. Here a key's digest says in which of some thousand sorted lists it stands, and each of them grows by
//! an eighth when it has to.

use std::hash::{BuildHasher, RandomState};

/// Lists of a table: a power of two, so that the upper bits of a digest name one.
const LISTS: usize = 1 << LIST_BITS;
const LIST_BITS: u32 = 12;
/// A list grows by this part of itself.
const GROWS_BY: usize = 8;

/// Keys that were seen. A key costs nine bytes or so, however long it is.
#[derive(Default)]
pub(crate) struct Once {
    seen: Table<()>,
}

impl Once {
    /// Whether `key` is new; from now on it is not.
    pub(crate) fn claim(&mut self, key: &[u8]) -> bool {
        self.seen.insert(key, ())
    }

    /// Whether `key` was claimed.
    pub(crate) fn holds(&self, key: &[u8]) -> bool {
        self.seen.get(key).is_some()
    }

    /// How many keys.
    pub(crate) fn len(&self) -> usize {
        self.seen.len()
    }
}

/// Values by the digests of keys, of 76 bits. That two among ten million are the same happens in one run of a billion, and
/// nobody can bring it about: the digests are keyed anew in each process (`SipHash`, by the system's random numbers).
pub(crate) struct Table<V> {
    /// None before the first key.
    lists: Vec<Vec<(u64, V)>>,
    len: usize,
    hasher: RandomState,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self { lists: Vec::new(), len: 0, hasher: RandomState::new() }
    }
}

impl<V> Table<V> {
    /// The value of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&V> {
        let (list, digest) = self.place(key);
        let list = self.lists.get(list)?;
        let at = list.binary_search_by_key(&digest, |(digest, _)| *digest).ok()?;
        list.get(at).map(|(_, value)| value)
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, key: &[u8]) -> Option<&mut V> {
        let (list, digest) = self.place(key);
        let list = self.lists.get_mut(list)?;
        let at = list.binary_search_by_key(&digest, |(digest, _)| *digest).ok()?;
        list.get_mut(at).map(|(_, value)| value)
    }

    /// Puts a value in, if the key has none: says whether it had none.
    pub(crate) fn insert(&mut self, key: &[u8], value: V) -> bool {
        if self.lists.is_empty() {
            self.lists.resize_with(LISTS, Vec::new);
        }
        let (list, digest) = self.place(key);
        let list = &mut self.lists[list];
        let Err(at) = list.binary_search_by_key(&digest, |(digest, _)| *digest) else { return false };
        if list.len() == list.capacity() {
            list.reserve_exact(list.len() / GROWS_BY + 1);
        }
        list.insert(at, (digest, value));
        self.len += 1;
        true
    }

    /// How many keys.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Its list, and its digest there.
    fn place(&self, key: &[u8]) -> (usize, u64) {
        let list = self.hasher.hash_one((0_u8, key)) >> (u64::BITS - LIST_BITS);
        (list as usize, self.hasher.hash_one((1_u8, key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_claimed_once() {
        let mut once = Once::default();
        for n in 0..100_000u32 {
            assert!(!once.holds(&n.to_be_bytes()));
            assert!(once.claim(&n.to_be_bytes()));
        }
        for n in 0..100_000u32 {
            assert!(once.holds(&n.to_be_bytes()));
            assert!(!once.claim(&n.to_be_bytes()));
        }
        assert_eq!(once.len(), 100_000);
    }

    #[test]
    fn a_key_costs_nine_bytes_and_no_more_while_the_table_grows() {
        let mut once = Once::default();
        let mut most = 0.0_f64;
        for n in 0..400_000u32 {
            once.claim(&n.to_be_bytes());
            if n >= 100_000 && n % 10_000 == 0 {
                let room: usize = once.seen.lists.iter().map(Vec::capacity).sum();
                most = most.max(room as f64 * size_of::<(u64, ())>() as f64 / once.len() as f64);
            }
        }
        assert!(most < 9.0, "{most}");
        assert!(once.seen.lists.iter().all(|list| (20..250).contains(&list.len())), "evenly spread");
    }

    #[test]
    fn a_value_can_be_changed_and_not_replaced() {
        let mut table = Table::default();
        assert!(table.insert(b"a", 1));
        assert!(!table.insert(b"a", 2));
        *table.get_mut(b"a").expect("it is there") += 5;
        assert_eq!((table.get(b"a"), table.get(b"b"), table.len()), (Some(&6), None, 1));
        assert!(Table::<u8>::default().get(b"a").is_none());
    }
}
