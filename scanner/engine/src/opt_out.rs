//! Who asked not to be measured.

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

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

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty() && self.nets.is_empty()
    }
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
