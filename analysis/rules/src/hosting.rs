//! Who runs a domain's policy host and its MX hosts, as far as names tell.
//!
//! What lies in the domain's registrable domain (the Public Suffix List's, one label under the public suffix) counts as the
//! domain's own. A provider that is reached by an address record alone has no name of its own here, and a host under a
//! name of the domain's may be anybody's machine: `self-managed` means that no name says otherwise.

use mxray_evidence::PolicyRow;

use crate::record::RecordVerdict;
use crate::route::{Route, not_a_host};

/// Who runs the hosts of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hosting {
    SelfManaged,
    ThirdParty,
    /// Some are the domain's own, and some are not.
    Mixed,
    Unknown,
    /// There are none.
    NotApplicable,
}

impl Hosting {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::SelfManaged => "self-managed",
            Self::ThirdParty => "third-party",
            Self::Mixed => "mixed",
            Self::Unknown => "unknown",
            Self::NotApplicable => "not-applicable",
        }
    }
}

/// Who runs the policy host: a third party, where a CNAME at it (RFC 8461 §8.2) leads out of the domain.
pub(crate) fn policy_hosting(domain: &str, record: RecordVerdict, row: Option<&PolicyRow>) -> Hosting {
    let row = match (record, row) {
        (RecordVerdict::Absent, _) => return Hosting::NotApplicable,
        (RecordVerdict::Unknown, _) | (_, None) => return Hosting::Unknown,
        (_, Some(row)) => row,
    };
    let mut targets = row.a.cnames.iter().chain(&row.aaaa.cnames).map(|cname| cname.target.as_str());
    if targets.any(|target| !is_own(domain, target)) {
        Hosting::ThirdParty
    } else if row.a.is_measured() || row.aaaa.is_measured() {
        Hosting::SelfManaged
    } else {
        Hosting::Unknown
    }
}

/// Who runs the MX hosts. Without an MX record mail goes to the domain itself (RFC 5321 §5.1).
pub(crate) fn mx_hosting(domain: &str, route: &Route) -> Hosting {
    let hosts = match route {
        Route::Unknown => return Hosting::Unknown,
        Route::Null | Route::None => return Hosting::NotApplicable,
        Route::Implicit => return Hosting::SelfManaged,
        Route::Hosts(hosts) => hosts,
    };
    let named = hosts.iter().map(|exchange| exchange.host.as_str()).filter(|host| not_a_host(host).is_none());
    let (own, others): (Vec<&str>, Vec<&str>) = named.partition(|host| is_own(domain, host));
    match (own.is_empty(), others.is_empty()) {
        (true, true) => Hosting::NotApplicable,
        (false, true) => Hosting::SelfManaged,
        (true, false) => Hosting::ThirdParty,
        (false, false) => Hosting::Mixed,
    }
}

/// Whether a host lies in the domain's registrable domain, or under the domain where that is itself a public suffix.
pub(crate) fn is_own(domain: &str, host: &str) -> bool {
    let below = || host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    match psl::domain_str(domain) {
        Some(registrable) => psl::domain_str(host) == Some(registrable),
        None => below(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Exchange;

    fn of(domain: &str, hosts: &[&str]) -> &'static str {
        let hosts = hosts.iter().map(|host| Exchange { preference: 10, host: (*host).to_owned() }).collect();
        mx_hosting(domain, &Route::Hosts(hosts)).as_str()
    }

    #[test]
    fn mx_hosts_are_the_domains_own_by_registrable_domain() {
        assert_eq!(of("a.co.uk", &["mx.a.co.uk"]), "self-managed");
        assert_eq!(of("a.co.uk", &["mx.b.co.uk"]), "third-party");
        assert_eq!(of("shop.a.com", &["mx.a.com", "a.com"]), "self-managed");
        assert_eq!(of("a.com", &["mx.a.com", "mx.b.com"]), "mixed");
        assert_eq!(of("a.com", &["192.0.2.1", "localhost"]), "not-applicable");
        assert_eq!(of("co.uk", &["mx.co.uk"]), "self-managed", "a public suffix that takes mail");
        assert_eq!(of("co.uk", &["mxco.uk"]), "third-party");
        assert_eq!(mx_hosting("a.com", &Route::Implicit), Hosting::SelfManaged);
        assert_eq!(mx_hosting("a.com", &Route::Null), Hosting::NotApplicable);
        assert_eq!(mx_hosting("a.com", &Route::Unknown), Hosting::Unknown);
    }
}
