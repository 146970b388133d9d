//! Who asked not to be measured.

use std::collections::HashSet;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ipnet::IpNet;
use mxray_protocol::name::DomainName;

/// Domains and addresses that are left alone.
#[derive(Debug, Clone, Default)]
pub struct OptOut {
    domains: HashSet<String>,
    /// Addresses and prefixes, for [`AddressGate::opt_out`](crate::AddressGate::opt_out).
    pub nets: Vec<IpNet>,
}

impl OptOut {
    /// Reads a list from a file. See [`OptOut::parse`] for its form.
    ///
    /// # Errors
    /// The file cannot be read, or one of its lines cannot be understood: a list that was half understood would
    /// be worse than none.
    pub fn load(path: &Path) -> Result<Self, OptOutError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| OptOutError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// Reads a list: one domain, address or prefix a line; `#` begins a comment; blank lines are skipped. A
    /// domain stands for itself and for everything below it. `path` is for the words of an error.
    ///
    /// # Errors
    /// A line is neither.
    pub fn parse(text: &str, path: &Path) -> Result<Self, OptOutError> {
        let mut list = Self::default();
        for (index, line) in text.lines().enumerate() {
            let entry = line.split_once('#').map_or(line, |(entry, _)| entry).trim();
            if entry.is_empty() {
                continue;
            }
            if let Some(net) = net(entry) {
                list.nets.push(net);
            } else if let Some(domain) = domain(entry) {
                list.domains.insert(domain);
            } else {
                return Err(OptOutError::Line {
                    path: path.to_owned(),
                    line: index + 1,
                    entry: entry.chars().take(ENTRY_SHOWN_CHARS_MAX).collect(),
                });
            }
        }
        list.nets.sort();
        list.nets.dedup();
        Ok(list)
    }

    /// Whether a name, or a domain above it, stands on the list.
    pub fn names(&self, name: &str) -> bool {
        if self.domains.is_empty() {
            return false;
        }
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let mut rest = name.as_str();
        loop {
            if self.domains.contains(rest) {
                return true;
            }
            match rest.split_once('.') {
                Some((_, above)) => rest = above,
                None => return false,
            }
        }
    }

    /// How many domains stand on it.
    pub fn domains_len(&self) -> usize {
        self.domains.len()
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty() && self.nets.is_empty()
    }
}

/// The list that holds now. Clones see one list, and see when another takes its place.
#[derive(Debug, Clone, Default)]
pub(crate) struct LeftAlone(Arc<RwLock<Arc<OptOut>>>);

impl LeftAlone {
    /// Begins with this list.
    pub(crate) fn new(list: OptOut) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(list))))
    }

    /// From now on this list holds, and none before it.
    pub(crate) fn replace(&self, list: OptOut) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(list);
    }

    /// The list.
    pub(crate) fn now(&self) -> Arc<OptOut> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How often it is looked whether the file has changed.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A file with a list that may change while a scan runs.
///
/// A change is taken when the file stands as it did at the look before, so that a list that is being written is not taken
/// for a short one.
pub(crate) struct Watched {
    path: PathBuf,
    /// As it was when it was read.
    taken: Option<Stamp>,
    /// As it was at the last look.
    seen: Option<Stamp>,
}

/// By what a file that has changed is told from one that has not. Times are held to be equal or not, never earlier or
/// later: clocks jump.
type Stamp = (u64, u64, i64, i64);

impl Watched {
    /// Reads the list for the first time.
    pub(crate) fn open(path: &Path) -> Result<(Self, OptOut), OptOutError> {
        let stamp = stamp(path);
        let list = OptOut::load(path)?;
        Ok((Self { path: path.to_owned(), taken: stamp, seen: stamp }, list))
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Looks, and reads the list again if it has changed and stands still. A list that cannot be had is told once.
    pub(crate) fn look(&mut self) -> Option<Result<OptOut, OptOutError>> {
        let now = stamp(&self.path);
        let stands_still = std::mem::replace(&mut self.seen, now) == now;
        if !stands_still || now == self.taken {
            return None;
        }
        self.taken = now;
        Some(OptOut::load(&self.path))
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
}

/// Why an opt-out list could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum OptOutError {
    /// The file could not be read.
    #[error("reading the opt-out list {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A line is no domain, address or prefix.
    #[error(
        "opt-out list {}, line {line}: `{entry}` is no domain, address or prefix; \
         correct the line or put a # before it",
        path.display()
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What stands there.
        entry: String,
    },
}

/// How much of a bad line an error repeats.
const ENTRY_SHOWN_CHARS_MAX: usize = 80;

fn net(entry: &str) -> Option<IpNet> {
    entry
        .parse::<IpNet>()
        .map(|net| net.trunc())
        .ok()
        .or_else(|| entry.parse::<IpAddr>().map(IpNet::from).ok())
}

/// A domain as lower-case A-labels, however many labels: an opt-out of a whole TLD is one line.
fn domain(entry: &str) -> Option<String> {
    if !entry.is_ascii() {
        let name = entry.strip_prefix("*.").unwrap_or(entry);
        return DomainName::parse(name).ok().map(DomainName::into_string);
    }
    let name = entry.strip_prefix("*.").unwrap_or(entry).trim_end_matches('.').to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let all_digits = name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    (name.len() <= 253 && !all_digits && name.split('.').all(label)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_changes_is_taken_when_it_stands_still_and_a_bad_one_is_told_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list");
        std::fs::write(&path, "a.example\n").expect("write");
        let (mut watched, list) = Watched::open(&path).expect("a list");
        assert!(list.names("www.a.example"));
        assert!(watched.look().is_none() && watched.look().is_none(), "nothing has changed");
        std::fs::write(&path, "a.example\nb.exam").expect("write");
        assert!(watched.look().is_none(), "somebody may be writing");
        std::fs::write(&path, "a.example\nb.example\n192.0.2.0/24\n").expect("write");
        assert!(watched.look().is_none());
        let list = watched.look().expect("a change").expect("a list");
        assert_eq!((list.domains_len(), list.nets.len()), (2, 1));
        assert!(watched.look().is_none());
        for bad in [Some("not a domain!\n"), None] {
            match bad {
                Some(text) => std::fs::write(&path, text).expect("write"),
                None => std::fs::remove_file(&path).expect("remove"),
            }
            assert!(watched.look().is_none());
            assert!(watched.look().expect("a change").is_err());
            assert!(watched.look().is_none(), "it is told once");
        }
    }
}
