//! The queries: for each of so many domains the four that a census asks.

use std::fmt::Write as _;

/// So many domains.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    pub(crate) domains: u64,
}

/// Queries a domain.
pub(crate) const QUERIES_A_DOMAIN: u64 = 4;

/// MX, NS and TXT by their numbers.
pub(crate) const MX: u16 = 15;
pub(crate) const NS: u16 = 2;
pub(crate) const TXT: u16 = 16;

impl Work {
    pub(crate) fn queries(self) -> u64 {
        self.domains * QUERIES_A_DOMAIN
    }

    /// Writes the name of a query over `name`, and says its type.
    pub(crate) fn query(number: u64, name: &mut String) -> u16 {
        name.clear();
        let (prefix, kind) = match number % QUERIES_A_DOMAIN {
            0 => ("", MX),
            1 => ("", NS),
            2 => ("_mta-sts.", TXT),
            _ => ("_smtp._tls.", TXT),
        };
        name.push_str(prefix);
        domain(number / QUERIES_A_DOMAIN, name);
        kind
    }
}

/// Appends a domain: of the lengths that domains have, and each another.
pub(crate) fn domain(number: u64, name: &mut String) {
    const WORDS: [&str; 8] =
        ["mail", "shop", "garden", "studio", "consulting", "example", "bakery-of-the-town", "net"];
    const ENDS: [&str; 4] = ["com", "net", "co.uk", "de"];
    let word = WORDS[number as usize % WORDS.len()];
    let end = ENDS[(number / 8) as usize % ENDS.len()];
    let written = write!(name, "{word}{number}.{end}");
    debug_assert!(written.is_ok(), "a String takes everything");
}

/// Prints the domains, or the queries as `NAME TYPE`.
pub(crate) fn print(work: Work, queries: bool) {
    let mut text = String::new();
    let mut name = String::new();
    if queries {
        for number in 0..work.queries() {
            let kind = match Work::query(number, &mut name) {
                MX => "MX",
                NS => "NS",
                _ => "TXT",
            };
            text += &name;
            text += " ";
            text += kind;
            text += "\n";
        }
    } else {
        for number in 0..work.domains {
            domain(number, &mut text);
            text += "\n";
        }
    }
    print!("{text}");
}
