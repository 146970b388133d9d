//! Whether a host has an address.

use mxray_evidence::{AddressRecord, Lookup, LookupStatus};

/// What the A and AAAA lookups of a host amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// It has an address.
    Found,
    /// The name does not exist.
    NxDomain,
    /// The name exists, without an address.
    NoData,
    /// It has addresses, and none that is globally routable (RFC 6890).
    NotGlobal,
    /// A lookup failed, and the other does not settle it.
    Unknown,
}

impl Resolution {
    /// Reads both lookups. An NXDOMAIN speaks for the name whatever the type (RFC 8020).
    pub fn of(a: &Lookup<AddressRecord>, aaaa: &Lookup<AddressRecord>) -> Self {
        let both = [a.status(), aaaa.status()];
        if both.contains(&LookupStatus::Found) {
            Self::Found
        } else if both.contains(&LookupStatus::NxDomain) {
            Self::NxDomain
        } else if both == [LookupStatus::NoData; 2] {
            Self::NoData
        } else {
            Self::Unknown
        }
    }

    /// Whether it is known to have none.
    pub fn is_none(self) -> bool {
        matches!(self, Self::NxDomain | Self::NoData | Self::NotGlobal)
    }
}

/// The end of the CNAME chain that either lookup met.
pub(crate) fn alias_target<'a>(
    a: &'a Lookup<AddressRecord>,
    aaaa: &'a Lookup<AddressRecord>,
) -> Option<&'a str> {
    let last = a.cnames.last().or(aaaa.cnames.last());
    last.map(|cname| cname.target.as_str())
}
