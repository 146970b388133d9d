//! The patterns of a policy's `mx` fields (RFC 8461 §3.2, §4.1).
//!
//! ```text
//! sts-policy-mx-value = ["*."] Domain
//! Domain     = sub-domain *("." sub-domain)             ; RFC 5321 §4.1.2
//! sub-domain = Let-dig [Ldh-str]
//! ```
//!
//! So a single label is a `Domain`, an underscore is none, a dot at the end is none, and a U-label is none ("MUST
//! specify the Punycode-encoded A-label", §3.2). The lengths are DNS's (RFC 1035 §2.3.4). Four numbers between dots
//! would be a `Domain` by the letter; they are an address, which no MX host is (RFC 5321 §5.1).

use std::fmt;
use std::net::IpAddr;

const NAME_OCTETS_MAX: usize = 253;
const LABEL_OCTETS_MAX: usize = 63;

/// A well-formed `mx` pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MxPattern {
    wildcard: bool,
    name: String,
}

/// What keeps an `mx` value from being a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MxPatternFlaw {
    /// Nothing stands there.
    Empty,
    /// An e-mail address, or anything with an `@`.
    Email,
    /// An IP address, with or without brackets or `*.`.
    Ip,
    /// A list: each pattern needs a line of its own.
    Comma,
    /// A `*` that is not the whole leftmost label of a longer name.
    Wildcard,
    /// A dot at the end, which `Domain` has not.
    TrailingDot,
    /// A dot alone: the host of a null MX (RFC 7505).
    Root,
    /// A preference before the name, as DNS and the consoles of operators show it: `10 mx.example`,
    /// `Priority 5: mx.example`.
    Preference,
    /// Characters beyond ASCII: a U-label where the A-label must stand.
    ULabel,
    /// A label that `Domain` does not allow: empty, over 63 octets, with an underscore, a blank or a hyphen at
    /// an end; or a name over 253.
    Label,
}

impl MxPattern {
    /// Reads the value of an `mx` field, without the white space around it.
    pub fn parse(value: &[u8]) -> Result<Self, MxPatternFlaw> {
        if value.is_empty() {
            return Err(MxPatternFlaw::Empty);
        }
        if value.contains(&b'@') {
            return Err(MxPatternFlaw::Email);
        }
        if value.iter().any(|byte| matches!(byte, b',' | b';')) {
            return Err(MxPatternFlaw::Comma);
        }
        let Some(text) = std::str::from_utf8(value).ok().filter(|text| text.is_ascii()) else {
            return Err(MxPatternFlaw::ULabel);
        };
        let (wildcard, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        if is_address(name) {
            return Err(MxPatternFlaw::Ip);
        }
        if name.contains('*') || name.is_empty() {
            return Err(MxPatternFlaw::Wildcard);
        }
        if text == "." {
            return Err(MxPatternFlaw::Root);
        }
        if has_preference(text) {
            return Err(MxPatternFlaw::Preference);
        }
        if name.ends_with('.') {
            return Err(MxPatternFlaw::TrailingDot);
        }
        if name.len() > NAME_OCTETS_MAX || !name.split('.').all(is_sub_domain) {
            return Err(MxPatternFlaw::Label);
        }
        Ok(Self { wildcard, name: name.to_ascii_lowercase() })
    }

    /// Whether `host` (A-labels, no last dot) matches (§4.1): `*` stands for the whole leftmost label and for no
    /// more, and ASCII letters have no case (RFC 6125 §6.4).
    pub fn matches(&self, host: &str) -> bool {
        let name = if self.wildcard {
            match host.split_once('.') {
                Some((label, rest)) if !label.is_empty() => rest,
                _ => return false,
            }
        } else {
            host
        };
        name.eq_ignore_ascii_case(&self.name)
    }

    /// Whether it begins with `*.`.
    pub fn is_wildcard(&self) -> bool {
        self.wildcard
    }

    /// Its name, in lower case; of a wildcard, what follows `*.`.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for MxPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wildcard {
            f.write_str("*.")?;
        }
        f.write_str(&self.name)
    }
}

fn is_address(text: &str) -> bool {
    let bare = text.strip_prefix('[').map_or(text, |rest| rest.strip_suffix(']').unwrap_or(rest));
    let bare = bare.strip_prefix("IPv6:").unwrap_or(bare);
    bare.parse::<IpAddr>().is_ok()
}

/// Whether it is a word for a preference or a number, perhaps a colon, blanks, and something more.
fn has_preference(text: &str) -> bool {
    let Some((before, rest)) = text.rsplit_once([' ', '\t']) else { return false };
    let mut words = before.split([' ', '\t', ':']).filter(|word| !word.is_empty());
    let is_preference = |word: &str| {
        ["pref", "preference", "prio", "priority"].iter().any(|name| word.eq_ignore_ascii_case(name))
            || word.bytes().all(|byte| byte.is_ascii_digit())
    };
    let begins = before.starts_with(|first: char| first.is_ascii_alphanumeric());
    begins && !rest.is_empty() && words.all(is_preference)
}

/// `Let-dig [Ldh-str]`, of at most 63 octets.
fn is_sub_domain(label: &str) -> bool {
    let bytes = label.as_bytes();
    bytes.len() <= LABEL_OCTETS_MAX
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}
