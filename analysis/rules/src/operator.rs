//! Who operates a domain's mail, its policy host and its DNS, by the registrable domains of what they are named.
//!
//! Names are a claim, and some are a better one than others: a provider's host name in an MX record or at the end of an alias is
//! the domain's own statement; a name of the domain's own, with the name servers of a provider, is a guess at that provider, which
//! is where a registrar's or web host's tenants are found. [`Operator::by`] says which it is.

use std::collections::BTreeMap;

use mxray_evidence::{DomainRow, PolicyRow};

use crate::hosting::is_own;
use crate::record::RecordVerdict;
use crate::route::{Route, not_a_host};

/// Registrable domains (or what they begin with, before a `*`) of operators that use several, and the one they stand under
/// in the tables. What people know, not what DNS says; few, and each plain.
const ONE_OPERATOR: &[(&str, &str)] = &[
    ("googlemail.com", "google.com"),
    ("mx.microsoft", "outlook.com"),
    ("hotmail.com", "outlook.com"),
    ("ppe-hosted.com", "pphosted.com"),
    ("mimecast.co.za", "mimecast.com"),
    ("awsdns-*", "awsdns"),
    ("azure-dns.*", "azure-dns.com"),
    ("ultradns.*", "ultradns.com"),
];

/// An operator, and how it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operator {
    /// Its registrable domain; `None` where it is the domain itself, or not known.
    pub(crate) name: Option<String>,
    pub(crate) by: By,
}

/// How an operator is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// All MX hosts have its names.
    Mx,
    /// The MX hosts have several operators' names; it is that of the most preferred.
    FirstMx,
    /// A name of the domain's own is an alias of its.
    Cname,
    /// Names of the domain's own, on its name servers: a guess.
    Ns,
    /// No name leads out of the domain.
    Own,
    Unknown,
    /// There is nothing to operate.
    NotApplicable,
}

impl By {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Mx => "mx",
            Self::FirstMx => "first-mx",
            Self::Cname => "cname",
            Self::Ns => "ns",
            Self::Own => "own",
            Self::Unknown => "unknown",
            Self::NotApplicable => "not-applicable",
        }
    }
}

impl Operator {
    fn nobody(by: By) -> Self {
        Self { name: None, by }
    }
}

/// Who runs the MX hosts. `alias` gives what a host is an alias of.
pub(crate) fn mail_operator<'a>(
    row: &DomainRow,
    route: &Route,
    alias: impl Fn(&str) -> Option<&'a str>,
) -> Operator {
    let domain = row.domain.as_str();
    let hosts = match route {
        Route::Unknown => return Operator::nobody(By::Unknown),
        Route::Null | Route::None => return Operator::nobody(By::NotApplicable),
        Route::Implicit => return at_own_name(row),
        Route::Hosts(hosts) => hosts,
    };
    let of_host = |host: &str| {
        if !is_own(domain, host) {
            return (Some(registrable(host)), By::Mx);
        }
        match alias(host).filter(|target| !is_own(domain, target)) {
            Some(target) => (Some(registrable(target)), By::Cname),
            None => (None, By::Own),
        }
    };
    let named = hosts.iter().map(|exchange| exchange.host.as_str()).filter(|host| not_a_host(host).is_none());
    let operators: Vec<_> = named.map(of_host).collect();
    match operators.first() {
        None => Operator::nobody(By::NotApplicable),
        Some((name, _)) if operators.iter().any(|(other, _)| other != name) => {
            Operator { name: name.clone(), by: By::FirstMx }
        }
        Some((None, _)) => at_own_name(row),
        Some((name, by)) => Operator { name: name.clone(), by: *by },
    }
}

/// Who runs the policy host, of a domain that announces a policy.
pub(crate) fn policy_operator(
    row: &DomainRow,
    record: RecordVerdict,
    policy: Option<&PolicyRow>,
) -> Operator {
    let policy = match (record, policy) {
        (RecordVerdict::Absent, _) => return Operator::nobody(By::NotApplicable),
        (RecordVerdict::Unknown, _) | (_, None) => return Operator::nobody(By::Unknown),
        (_, Some(policy)) => policy,
    };
    let mut targets = policy.a.cnames.iter().chain(&policy.aaaa.cnames).map(|cname| cname.target.as_str());
    match targets.rfind(|target| !is_own(&row.domain, target)) {
        Some(target) => Operator { name: Some(registrable(target)), by: By::Cname },
        None if policy.a.is_measured() || policy.aaaa.is_measured() => at_own_name(row),
        None => Operator::nobody(By::Unknown),
    }
}

/// Who runs the name servers: whom most of them belong to.
pub(crate) fn dns_operator(row: &DomainRow) -> Operator {
    if !row.ns.is_measured() {
        return Operator::nobody(By::Unknown);
    }
    let mut servers: BTreeMap<Option<String>, usize> = BTreeMap::new();
    for server in &row.ns.records {
        let name = Some(&server.nameserver).filter(|name| !is_own(&row.domain, name));
        *servers.entry(name.map(|name| registrable(name))).or_default() += 1;
    }
    // Of those with as many, the first by name.
    let most = servers.into_iter().rev().max_by_key(|(_, count)| *count);
    match most {
        None => Operator::nobody(By::NotApplicable),
        Some((None, _)) => Operator::nobody(By::Own),
        Some((name, _)) => Operator { name, by: By::Ns },
    }
}

/// Who may run what has a name of the domain's own: the operator of its name servers, or itself.
fn at_own_name(row: &DomainRow) -> Operator {
    match dns_operator(row) {
        Operator { by: By::NotApplicable, .. } => Operator::nobody(By::Own),
        operator => operator,
    }
}

/// What a name's operator is called: its registrable domain, or the name where it is a public suffix.
fn registrable(name: &str) -> String {
    let registrable = psl::domain_str(name).unwrap_or(name);
    let same = ONE_OPERATOR.iter().find(|(pattern, _)| match pattern.strip_suffix('*') {
        Some(begin) => registrable.starts_with(begin),
        None => registrable == *pattern,
    });
    same.map_or(registrable, |(_, name)| name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_with_several_names_are_one() {
        assert_eq!(registrable("alt3.aspmx.l.google.com"), "google.com");
        assert_eq!(registrable("aspmx2.googlemail.com"), "google.com");
        assert_eq!(registrable("ns-1023.awsdns-63.co.uk"), "awsdns");
        assert_eq!(registrable("ns2-07.azure-dns.org"), "azure-dns.com");
        assert_eq!(registrable("mx.googlemail.com.example"), "com.example");
        assert_eq!(registrable("co.uk"), "co.uk");
    }
}
