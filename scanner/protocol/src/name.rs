//! Domain names, from what a person typed to what DNS is asked.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

/// Octets of a label at most (RFC 1035 §2.3.4).
pub const LABEL_BYTES_MAX: usize = 63;
/// Octets of a name as text, without its last dot: 255 on the wire (RFC 1035 §2.3.4).
pub const NAME_BYTES_MAX: usize = 253;

/// A domain name that can be asked for: at least two labels of letters, digits, hyphens and underscores, in
/// lower case, internationalised labels as A-labels, no last dot.
///
/// Lenient where DNS is (an underscore, a hyphen at the edge, a label that begins `xn--` and decodes to nothing
/// are names that exist), strict where it is not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(String);

impl DomainName {
    /// Reads a name. U-labels become A-labels by UTS 46, non-transitional; one last dot is dropped.
    pub fn parse(text: &str) -> Result<Self, NameFlaw> {
        if text.is_empty() {
            return Err(NameFlaw::Empty);
        }
        if is_address(text) {
            return Err(NameFlaw::IpAddress);
        }
        let mut name = if text.is_ascii() {
            text.to_ascii_lowercase()
        } else {
            // Longer than this and no A-label form can fit; also bounds the work of the decoder.
            if text.chars().count() > NAME_BYTES_MAX + 1 {
                return Err(NameFlaw::TooLong);
            }
            Uts46::new()
                .to_ascii(text.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Ignore)
                .map_err(|_| NameFlaw::Idna)?
                .into_owned()
        };
        if name.ends_with('.') {
            name.pop();
        }
        check_form(&name)?;
        // A mapped name can turn out to be an address: fullwidth digits are digits.
        if is_address(&name) {
            return Err(NameFlaw::IpAddress);
        }
        if !name.contains('.') {
            return Err(NameFlaw::SingleLabel);
        }
        if name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit())) {
            return Err(NameFlaw::NumericTop);
        }
        Ok(Self(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as text, owned.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no domain name to scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameFlaw {
    /// Nothing is there.
    #[error("nothing is there")]
    Empty,
    /// It is an IP address, bare or in brackets.
    #[error("it is an IP address")]
    IpAddress,
    /// It has one label: a top-level domain, or a host of one's own.
    #[error("it has a single label")]
    SingleLabel,
    /// It has more than [`NAME_BYTES_MAX`] octets.
    #[error("it is longer than 253 octets")]
    TooLong,
    /// A label has more than [`LABEL_BYTES_MAX`] octets.
    #[error("a label is longer than 63 octets")]
    LabelTooLong,
    /// Two dots touch, or it begins with one.
    #[error("a label is empty")]
    EmptyLabel,
    /// A character that is no letter, digit, hyphen or underscore.
    #[error("the character {0:?} does not stand in a domain name")]
    Character(char),
    /// IDNA (UTS 46) refuses it.
    #[error("IDNA refuses it")]
    Idna,
    /// Its last label is a number, which no top-level domain is (RFC 3696 §2).
    #[error("its last label is a number")]
    NumericTop,
}

/// Whether `host`, as it stands in an MX record, is a name that an address can be asked for: of the same form
/// as a [`DomainName`], but a single label will do. An address in the place of a name is none
/// (RFC 5321 §5.1), nor is the root of the null MX (RFC 7505), nor `localhost` (RFC 6761 §6.3).
pub fn is_host_name(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    check_form(host).is_ok()
        && !is_address(host)
        && !last.eq_ignore_ascii_case("localhost")
        && !last.bytes().all(|b| b.is_ascii_digit())
}

/// Length, labels and characters of a name without its last dot.
fn check_form(name: &str) -> Result<(), NameFlaw> {
    if name.len() > NAME_BYTES_MAX {
        return Err(NameFlaw::TooLong);
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err(NameFlaw::EmptyLabel);
        }
        if let Some(odd) = label.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))) {
            return Err(NameFlaw::Character(odd));
        }
        if label.len() > LABEL_BYTES_MAX {
            return Err(NameFlaw::LabelTooLong);
        }
    }
    Ok(())
}

fn is_address(text: &str) -> bool {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let bare = bare.strip_suffix('.').unwrap_or(bare);
    bare.parse::<Ipv4Addr>().is_ok() || bare.parse::<Ipv6Addr>().is_ok()
}
