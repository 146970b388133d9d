//! Where mail for a domain goes (RFC 5321 §5.1, RFC 7505).

use std::net::IpAddr;

use mxray_evidence::{DomainRow, LookupStatus};

/// The MX set of a domain, as a sender reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// To these hosts, each once, by preference and then by name.
    Hosts(Vec<Exchange>),
    /// Nowhere: a null MX.
    Null,
    /// No MX: to the domain itself.
    Implicit,
    /// The domain does not exist.
    None,
    /// The lookup was not answered.
    Unknown,
}

/// An MX host and its best preference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exchange {
    pub(crate) preference: u16,
    pub(crate) host: String,
}

impl Route {
    /// Reads the MX lookup of a domain.
    pub(crate) fn of(domain: &DomainRow) -> Self {
        match domain.mx.status() {
            LookupStatus::Failed(_) | LookupStatus::Unanswered => return Self::Unknown,
            LookupStatus::NxDomain => return Self::None,
            LookupStatus::NoData => return Self::Implicit,
            LookupStatus::Found => {}
        }
        let named = domain.mx.records.iter().filter(|record| record.exchange != ".");
        let mut hosts = named
            .map(|record| Exchange { preference: record.preference, host: record.exchange.to_string() })
            .collect::<Vec<_>>();
        hosts.sort_by(|a, b| (&a.host, a.preference).cmp(&(&b.host, b.preference)));
        hosts.dedup_by(|later, kept| later.host == kept.host);
        hosts.sort_by(|a, b| (a.preference, &a.host).cmp(&(b.preference, &b.host)));
        if hosts.is_empty() { Self::Null } else { Self::Hosts(hosts) }
    }

    /// The hosts that are looked at: the named ones, or the domain itself where it is its own MX host and
    /// `announced` by a TXT record at `_mta-sts`, without which it is not probed.
    pub(crate) fn hosts(&self, domain: &str, announced: bool) -> Vec<Exchange> {
        match self {
            Self::Hosts(hosts) => hosts.clone(),
            Self::Implicit if announced => vec![Exchange { preference: 0, host: domain.to_owned() }],
            _ => Vec::new(),
        }
    }

    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Hosts(_) => "hosts",
            Self::Null => "null",
            Self::Implicit => "implicit",
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }
}

/// Why an exchange is no name that can be looked up, as the sub-cause of `mx-unresolvable`.
pub(crate) fn not_a_host(exchange: &str) -> Option<&'static str> {
    let bare = exchange.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(exchange);
    if bare.parse::<IpAddr>().is_ok() {
        Some("ip-literal")
    } else if exchange == "localhost" || exchange.ends_with(".localhost") {
        Some("localhost")
    } else {
        None
    }
}
