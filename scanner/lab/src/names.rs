//! The names of a world: invented, or read from a list.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::chance::{Chance, Permutation, Stream};
use crate::zone;

/// Where the names of a world come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// So many invented names: computed from their index, never stored.
    Invented(u64),
    /// One name a line, or the last column of `rank,domain`. Held in memory.
    File(PathBuf),
}

/// Why the names cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum NamesError {
    /// The list cannot be read.
    #[error("reading the names in {}: {source}", path.display())]
    Read {
        /// The list.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// No line of the list is a name.
    #[error("{} holds no domain name in lower-case A-labels", .0.display())]
    Empty(PathBuf),
    /// More names than an index holds.
    #[error("a world has at least one and at most {NAMES_MAX} names, not {0}")]
    Count(u64),
}

/// Most names of a world.
pub const NAMES_MAX: u64 = 1_000_000_000;

/// Names by index, and back.
#[derive(Debug)]
pub(crate) enum NameTable {
    Invented(Invented),
    Listed(Listed),
}

impl NameTable {
    pub(crate) fn new(names: &Names, suffixes: &[String], chance: Chance) -> Result<Self, NamesError> {
        match names {
            Names::Invented(count) if (1..=NAMES_MAX).contains(count) => {
                Ok(Self::Invented(Invented::new(*count, suffixes, chance)))
            }
            Names::Invented(count) => Err(NamesError::Count(*count)),
            Names::File(path) => Listed::read(path).map(Self::Listed),
        }
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Invented(invented) => invented.count,
            Self::Listed(listed) => listed.ends.len() as u64,
        }
    }

    /// The name of an index below `len`.
    pub(crate) fn name(&self, index: u64) -> Cow<'_, str> {
        match self {
            Self::Invented(invented) => Cow::Owned(invented.name(index)),
            Self::Listed(listed) => Cow::Borrowed(listed.name(index as usize)),
        }
    }

    /// The index of a name in lower case, without the last dot.
    pub(crate) fn index(&self, name: &str) -> Option<u64> {
        match self {
            Self::Invented(invented) => invented.index(name),
            Self::Listed(listed) => listed.index(name),
        }
    }
}

const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
const VOWELS: &[u8; 5] = b"aeiou";
const SYLLABLES: u64 = 80;

/// Pronounceable names: the index, permuted, in base 80, a syllable a digit.
#[derive(Debug)]
pub(crate) struct Invented {
    count: u64,
    syllables: u32,
    permutation: Permutation,
    suffixes: Vec<String>,
    chance: Chance,
}

impl Invented {
    fn new(count: u64, suffixes: &[String], chance: Chance) -> Self {
        let syllables = (3..5).find(|&n| SYLLABLES.pow(n) >= count).unwrap_or(5);
        let permutation = Permutation::new(chance, Stream::Names, SYLLABLES.pow(syllables));
        Self { count, syllables, permutation, suffixes: suffixes.to_vec(), chance }
    }

    fn name(&self, index: u64) -> String {
        let code = self.permutation.forward(index);
        let suffix = self.suffix(code);
        let mut name = String::with_capacity(self.syllables as usize * 2 + 1 + suffix.len());
        let mut rest = code;
        for _ in 0..self.syllables {
            let syllable = (rest % SYLLABLES) as usize;
            rest /= SYLLABLES;
            name.push(char::from(CONSONANTS[syllable / 5]));
            name.push(char::from(VOWELS[syllable % 5]));
        }
        name.push('.');
        name.push_str(suffix);
        name
    }

    fn index(&self, name: &str) -> Option<u64> {
        let (stem, suffix) = name.split_once('.')?;
        if stem.len() != self.syllables as usize * 2 {
            return None;
        }
        let code = stem.as_bytes().rchunks_exact(2).try_fold(0, |code, pair| {
            let consonant = CONSONANTS.iter().position(|c| *c == pair[0])?;
            let vowel = VOWELS.iter().position(|v| *v == pair[1])?;
            Some(code * SYLLABLES + (consonant * 5 + vowel) as u64)
        })?;
        let index = self.permutation.backward(code);
        (index < self.count && self.suffix(code) == suffix).then_some(index)
    }

    fn suffix(&self, code: u64) -> &str {
        self.chance.draw(Stream::Suffix, code).pick::<String>(&self.suffixes)
    }
}

/// A list in one block of text, with an open-addressed table of indices over it.
#[derive(Debug)]
pub(crate) struct Listed {
    text: String,
    ends: Vec<u32>,
    slots: Vec<u32>,
}

impl Default for Listed {
    fn default() -> Self {
        Self { text: String::new(), ends: Vec::new(), slots: vec![VACANT; 1_024] }
    }
}

/// Longest line that is looked at, bytes.
const LINE_BYTES_MAX: usize = 4_096;
/// A slot of the table that holds nothing.
const VACANT: u32 = u32::MAX;

impl Listed {
    fn read(path: &Path) -> Result<Self, NamesError> {
        let failed = |source| NamesError::Read { path: path.to_owned(), source };
        let mut reader = BufReader::new(File::open(path).map_err(failed)?);
        let mut listed = Self::default();
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = io::Read::take(&mut reader, LINE_BYTES_MAX as u64).read_until(b'\n', &mut line);
            match read.map_err(failed)? {
                0 => break,
                _ => listed.insert_line(&line),
            }
        }
        let listed = listed.without_collisions();
        if listed.ends.is_empty() { Err(NamesError::Empty(path.to_owned())) } else { Ok(listed) }
    }

    /// Leaves out names that are already something else: the policy host or an MX host of another listed name.
    fn without_collisions(self) -> Self {
        let collides = |name: &str| {
            let of_another =
                |prefix: &&str| name.strip_prefix(*prefix).is_some_and(|rest| self.index(rest).is_some());
            zone::prefixes().any(|prefix| of_another(&prefix))
        };
        let names = || (0..self.ends.len()).map(|index| self.name(index));
        if !names().any(collides) {
            return self;
        }
        let mut kept = Self::default();
        names().filter(|name| !collides(name)).for_each(|name| kept.insert(name));
        kept
    }

    fn insert_line(&mut self, line: &[u8]) {
        let Ok(line) = std::str::from_utf8(line) else { return };
        let name = line.trim_end_matches(['\r', '\n']).rsplit(',').next().unwrap_or_default();
        let name = name.trim().trim_end_matches('.').to_ascii_lowercase();
        // Names beyond 200 bytes leave no room for the labels that are put before and after them.
        let fits = name.len() <= 200
            && name.contains('.')
            && name.split('.').all(|label| (1..=63).contains(&label.len()))
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
            && name.bytes().any(|b| b.is_ascii_alphabetic());
        let full = self.text.len() + name.len() >= u32::MAX as usize;
        if fits && !full && self.index(&name).is_none() {
            self.insert(&name);
        }
    }

    fn insert(&mut self, name: &str) {
        let index = self.ends.len() as u32;
        self.text.push_str(name);
        self.ends.push(self.text.len() as u32);
        if self.ends.len() * 2 > self.slots.len() {
            self.slots = vec![VACANT; self.slots.len() * 2];
            for index in 0..self.ends.len() {
                let slot = self.slot(self.name(index));
                self.slots[slot] = index as u32;
            }
        } else {
            let slot = self.slot(name);
            self.slots[slot] = index;
        }
    }

    fn name(&self, index: usize) -> &str {
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.text[start..self.ends[index] as usize]
    }

    fn index(&self, name: &str) -> Option<u64> {
        let found = self.slots[self.slot(name)];
        (found != VACANT).then_some(u64::from(found))
    }

    /// The slot that holds the name, or the vacant one where it would stand.
    fn slot(&self, name: &str) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = Chance::new(0).draw_text(Stream::Names, name.as_bytes()).0 as usize & mask;
        while self.slots[slot] != VACANT && self.name(self.slots[slot] as usize) != name {
            slot = (slot + 1) & mask;
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invented_names_are_distinct_and_lead_back_to_their_index() {
        let suffixes = ["test".to_owned(), "co.test".to_owned()];
        let names = NameTable::new(&Names::Invented(5_000), &suffixes, Chance::new(3)).unwrap();
        let mut seen = std::collections::HashSet::new();
        for index in 0..names.len() {
            let name = names.name(index).into_owned();
            assert_eq!(names.index(&name), Some(index), "{name}");
            assert!(seen.insert(name));
        }
        assert_eq!(names.index("bababa.invalid"), None);
        assert_eq!(names.index(""), None);
    }

    #[test]
    fn a_list_is_read_with_or_without_ranks_and_without_doubles() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines = "1,Example.COM\r\nexample.com\nsecond.org.\n\nbücher.de\n4,third.net";
        std::fs::write(file.path(), lines).unwrap();
        let names = NameTable::new(&Names::File(file.path().to_owned()), &[], Chance::new(3)).unwrap();
        let listed: Vec<_> = (0..names.len()).map(|i| names.name(i).into_owned()).collect();
        assert_eq!(listed, ["example.com", "second.org", "third.net"]);
        assert_eq!(names.index("third.net"), Some(2));
        assert_eq!(names.index("fourth.net"), None);
    }

    #[test]
    fn a_name_that_is_another_names_host_is_left_out() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            "mta-sts.example.com\nexample.com\nbackup.example.com\nmx1.example.org\n",
        )
        .unwrap();
        let names = NameTable::new(&Names::File(file.path().to_owned()), &[], Chance::new(3)).unwrap();
        let listed: Vec<_> = (0..names.len()).map(|i| names.name(i).into_owned()).collect();
        assert_eq!(listed, ["example.com", "mx1.example.org"]);
    }

    #[test]
    fn a_long_list_grows_its_table() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = (0..3_000).map(|i| format!("{i},d{i}.example")).collect::<Vec<_>>().join("\n");
        std::fs::write(file.path(), text).unwrap();
        let names = NameTable::new(&Names::File(file.path().to_owned()), &[], Chance::new(3)).unwrap();
        assert!((0..3_000).all(|i| names.index(&format!("d{i}.example")) == Some(i)));
    }
}
