//! The names of the input that were seen before: exactly, however many, in memory that does not grow with them.
//!
//! A name is a digest of 16 bytes. The newest stand in a set in memory. When that is full it is sorted and put on the
//! disk as a *run*, and runs of one length are merged, so that there are about as many of them as a million has
//! doublings. A filter of fixed size says of nearly every new name that it stands in none, so that the disk is asked
//! about few but the names that were seen: some 10 in 10,000 of the new ones at ten million names, 500 at a hundred.
//!
//! The files have no name and are gone with the process: a resumed scan fills them again from the rows of the run.

use std::collections::HashSet;
use std::fs::File;
use std::hash::{BuildHasherDefault, Hasher};
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::iter::Peekable;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// Names in memory at most; then they go to the disk.
const FRESH_NAMES_MAX: usize = 400_000;
/// Lines of the filter, of 64 bytes: 64 MiB, of which a scan that puts nothing on the disk takes none.
const FILTER_LINES: usize = 1 << 20;
/// Bits of a filter's line.
const LINE_BITS: u128 = 512;
/// Bits that a digest sets in its line.
const BITS_A_DIGEST: u32 = 4;
/// Bytes of a digest on the disk.
const DIGEST_BYTES: usize = 16;
/// Bytes that a look into a run reads at a time.
const PAGE_BYTES: usize = 4_096;
/// Digests on them.
const PAGE_DIGESTS: u64 = (PAGE_BYTES / DIGEST_BYTES) as u64;
/// Bytes of a buffer to write a run, or to read one whole.
const BUFFER_BYTES: usize = 256 << 10;
/// A guess at a page is followed by so many others, and then by one that halves what is left.
const GUESSES: u32 = 3;

/// Names that were seen.
pub(crate) struct NamesSeen {
    /// Where there is room for files.
    folder: PathBuf,
    fresh: HashSet<u128, BuildHasherDefault<Fold>>,
    fresh_max: usize,
    /// Of what is on the disk.
    filter: Option<Filter>,
    runs: Vec<Run>,
}

impl NamesSeen {
    /// None yet. Those that find no room in memory will go to files in `folder`.
    pub(crate) fn new(folder: impl Into<PathBuf>) -> Self {
        Self::with_room(folder, FRESH_NAMES_MAX)
    }

    fn with_room(folder: impl Into<PathBuf>, fresh_max: usize) -> Self {
        let (fresh, runs) = (HashSet::default(), Vec::new());
        Self { folder: folder.into(), fresh, fresh_max, filter: None, runs }
    }

    /// Whether `name` is new; from now on it is not.
    ///
    /// # Errors
    /// A file could not be made, written or read. What was claimed so far is then not known any more.
    pub(crate) fn claim(&mut self, name: &[u8]) -> io::Result<bool> {
        let digest = fingerprint(name);
        if self.fresh.contains(&digest) || self.is_on_disk(digest)? {
            return Ok(false);
        }
        self.fresh.insert(digest);
        if self.fresh.len() >= self.fresh_max {
            self.put_away()?;
        }
        Ok(true)
    }

    fn is_on_disk(&self, digest: u128) -> io::Result<bool> {
        if self.filter.as_ref().is_none_or(|filter| filter.excludes(digest)) {
            return Ok(false);
        }
        for run in &self.runs {
            if run.holds(digest)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Puts the names in memory on the disk.
    fn put_away(&mut self) -> io::Result<()> {
        let mut digests: Vec<u128> = self.fresh.drain().collect();
        digests.sort_unstable();
        let filter = self.filter.get_or_insert_with(Filter::new);
        for &digest in &digests {
            filter.add(digest);
        }
        let mut run = Run::write(&self.folder, digests.into_iter().map(Ok))?;
        while let Some(last) = self.runs.pop_if(|last| last.digests <= run.digests) {
            run = Run::write(&self.folder, Merged::new(last.into_digests()?, run.into_digests()?))?;
        }
        self.runs.push(run);
        Ok(())
    }
}

/// The first half of a name's SHA-256, so that nobody can bring two names to stand for one.
fn fingerprint(name: &[u8]) -> u128 {
    let digest: [u8; 32] = Sha256::digest(name).into();
    let (half, _) = digest.split_at(DIGEST_BYTES);
    u128::from_le_bytes(half.try_into().expect("half of 32 bytes is 16"))
}

/// A digest is its own hash.
#[derive(Default)]
struct Fold(u64);

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

/// A Bloom filter, each of whose digests stands in one line of the processor's cache.
struct Filter(Vec<[u64; 8]>);

impl Filter {
    fn new() -> Self {
        Self(vec![[0; 8]; FILTER_LINES])
    }

    fn add(&mut self, digest: u128) {
        let line = &mut self.0[Self::line(digest)];
        Self::bits(digest).for_each(|bit| line[bit / 64] |= 1 << (bit % 64));
    }

    /// Whether a digest was surely not added.
    fn excludes(&self, digest: u128) -> bool {
        let line = &self.0[Self::line(digest)];
        Self::bits(digest).any(|bit| line[bit / 64] & (1 << (bit % 64)) == 0)
    }

    /// The upper bits: what is added in order goes through the filter in order.
    fn line(digest: u128) -> usize {
        (digest >> (u128::BITS - FILTER_LINES.trailing_zeros())) as usize
    }

    fn bits(digest: u128) -> impl Iterator<Item = usize> {
        (0..BITS_A_DIGEST).map(move |n| ((digest >> (n * LINE_BITS.trailing_zeros())) % LINE_BITS) as usize)
    }
}

/// Digests in a file of their own, sorted, each once.
struct Run {
    file: File,
    digests: u64,
}

impl Run {
    fn write(folder: &Path, digests: impl Iterator<Item = io::Result<u128>>) -> io::Result<Self> {
        let mut writer = BufWriter::with_capacity(BUFFER_BYTES, tempfile::tempfile_in(folder)?);
        let mut count = 0;
        for digest in digests {
            writer.write_all(&digest?.to_be_bytes())?;
            count += 1;
        }
        Ok(Self { file: writer.into_inner().map_err(io::IntoInnerError::into_error)?, digests: count })
    }

    /// All of them, in order.
    fn into_digests(mut self) -> io::Result<impl Iterator<Item = io::Result<u128>>> {
        self.file.rewind()?;
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, self.file);
        Ok((0..self.digests).map(move |_| {
            let mut bytes = [0; DIGEST_BYTES];
            reader.read_exact(&mut bytes).map(|()| u128::from_be_bytes(bytes))
        }))
    }

    /// Whether a digest stands in it. Digests are spread evenly, so that where one must stand can be guessed to a few
    /// pages; should somebody have bent them, every fourth guess halves what is left.
    fn holds(&self, digest: u128) -> io::Result<bool> {
        let (mut low, mut high) = (0, self.digests.div_ceil(PAGE_DIGESTS));
        let (mut least, mut most) = (0, u128::MAX);
        let mut guesses = 0;
        while low < high {
            let pages = high - low;
            let is_guess = guesses % (GUESSES + 1) < GUESSES;
            // A run of one page spans all digests there are, and one more is not to be counted.
            let span_a_page = ((most - least) / u128::from(pages)).saturating_add(1);
            let guess = ((digest - least) / span_a_page) as u64;
            let page = low + if is_guess { guess.min(pages - 1) } else { pages / 2 };
            guesses += 1;
            let digests = self.page(page)?;
            let (Some(&first), Some(&last)) = (digests.first(), digests.last()) else { return Ok(false) };
            if digest < first {
                (high, most) = (page, first);
            } else if digest > last {
                (low, least) = (page + 1, last);
            } else {
                return Ok(digests.binary_search(&digest).is_ok());
            }
        }
        Ok(false)
    }

    fn page(&self, page: u64) -> io::Result<Vec<u128>> {
        let first = page * PAGE_DIGESTS;
        let digests = PAGE_DIGESTS.min(self.digests - first) as usize;
        let mut bytes = [0; PAGE_BYTES];
        let bytes = &mut bytes[..digests * DIGEST_BYTES];
        self.file.read_exact_at(bytes, first * DIGEST_BYTES as u64)?;
        let (digests, _) = bytes.as_chunks();
        Ok(digests.iter().map(|&digest| u128::from_be_bytes(digest)).collect())
    }
}

/// Two sorted sequences as one. They have no digest in common.
struct Merged<A: Iterator, B: Iterator> {
    one: Peekable<A>,
    other: Peekable<B>,
}

impl<A: Iterator, B: Iterator> Merged<A, B> {
    fn new(one: A, other: B) -> Self {
        Self { one: one.peekable(), other: other.peekable() }
    }
}

impl<A, B> Iterator for Merged<A, B>
where
    A: Iterator<Item = io::Result<u128>>,
    B: Iterator<Item = io::Result<u128>>,
{
    type Item = io::Result<u128>;

    fn next(&mut self) -> Option<Self::Item> {
        match (self.one.peek(), self.other.peek()) {
            (Some(Ok(one)), Some(Ok(other))) if other < one => self.other.next(),
            (Some(_), _) => self.one.next(),
            (None, _) => self.other.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_claimed_once_wherever_it_stands() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut names = NamesSeen::with_room(folder.path(), 1_000);
        for round in [true, false] {
            for n in 0..100_500u32 {
                assert_eq!(names.claim(&n.to_be_bytes()).expect("room"), round, "{n}");
            }
        }
        let lengths: Vec<u64> = names.runs.iter().map(|run| run.digests).collect();
        assert_eq!(lengths, [64_000, 32_000, 4_000], "few runs, however many names");
        assert_eq!(names.fresh.len(), 500);
        let files = std::fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(files, 0, "nothing is left of it after a crash");
    }

    #[test]
    fn a_run_of_one_page_holds_the_least_and_the_greatest_digest() {
        let folder = tempfile::tempdir().expect("a folder");
        let ends = [0, 7, u128::MAX];
        let run = Run::write(folder.path(), ends.into_iter().map(Ok)).expect("room");
        for digest in ends {
            assert!(run.holds(digest).expect("a page"), "{digest}");
        }
        for digest in [1, u128::MAX - 1] {
            assert!(!run.holds(digest).expect("a page"), "{digest}");
        }
    }

    #[test]
    fn the_filter_excludes_what_was_not_added_and_nothing_that_was() {
        let mut filter = Filter::new();
        let digests = |names: std::ops::Range<u32>| names.map(|n| fingerprint(&n.to_be_bytes()));
        digests(0..100_000).for_each(|digest| filter.add(digest));
        assert!(digests(0..100_000).all(|digest| !filter.excludes(digest)));
        let wrong = digests(100_000..200_000).filter(|&digest| !filter.excludes(digest)).count();
        assert!(wrong < 10, "{wrong}");
    }

    #[test]
    fn a_folder_that_is_gone_is_an_error_and_no_new_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut names = NamesSeen::with_room(folder.path().join("gone"), 2);
        assert!(names.claim(b"a").expect("in memory"));
        assert!(names.claim(b"b").is_err());
    }

    proptest! {
        #[test]
        fn it_says_what_a_set_says(keys in proptest::collection::vec(0u16..400, 0..900), room in 1usize..50) {
            let folder = tempfile::tempdir().expect("a folder");
            let mut names = NamesSeen::with_room(folder.path(), room);
            let mut set = HashSet::new();
            for key in keys {
                prop_assert_eq!(names.claim(&key.to_be_bytes()).expect("room"), set.insert(key));
            }
        }

        /// Digests as nobody's names would have them: in heaps.
        #[test]
        fn a_run_finds_its_digests_however_they_lie(mut digests in proptest::collection::vec(
            prop_oneof![any::<u128>(), 0u128..5_000, (0u128..3_000).prop_map(|n| u128::MAX - n)], 1..3_000,
        )) {
            let folder = tempfile::tempdir().expect("a folder");
            digests.sort_unstable();
            digests.dedup();
            let (there, absent): (Vec<_>, Vec<_>) = digests.iter().partition(|&&digest| digest % 3 > 0);
            let run = Run::write(folder.path(), there.iter().map(|&digest| Ok(digest))).expect("room");
            for digest in there {
                prop_assert!(run.holds(digest).expect("a page"));
            }
            for digest in absent {
                prop_assert!(!run.holds(digest).expect("a page"));
            }
        }
    }
}
