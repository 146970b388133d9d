//! The TLSA records of MX hosts, at `_25._tcp.<host>` (RFC 7672 §2.2.3).

use super::{
    ALIAS_LABELS, Answer, Code, Data, Kind, Operator, PREFIXES, Place, operator_and_below, wildcard,
};
use crate::authority::Leaf;
use crate::dane::{TlsaSet, leaf};
use crate::defect::Defect;
use crate::domain::{Domain, HOST_LABELS, HostId, Hosting, Mail, Record};
use crate::world::World;

/// An MX host, and the name by which it was asked for.
struct Host {
    domain: Option<Domain>,
    id: HostId,
    /// The name in the MX record.
    name: String,
    /// It was asked for by what it is an alias of.
    by_alias: bool,
}

/// The answer for a name that begins as those of TLSA records do; `None` for one that does not.
pub(super) fn at_prefix(world: &World, name: &str, kind: Kind) -> Option<Answer> {
    if let Some(of) = name.strip_prefix("_25._tcp.") {
        let Some(host) = host(world, of) else { return Some(without_host(world, of, kind)) };
        return Some(match set_here(world, &host) {
            Some(set) => records(world, &host, &set, kind),
            None => bare(&host, kind),
        });
    }
    let of = name.strip_prefix("_tcp.")?;
    let host = host(world, of)?;
    Some(if set_here(world, &host).is_some() { Answer::nodata() } else { bare(&host, kind) })
}

/// What stands in a zone that is not signed, and is stood for: at `<host>._dane.<zone>`.
pub(super) fn unsigned(world: &World, of: &str, kind: Kind) -> Answer {
    let set = host(world, of).and_then(|host| Some((set_here(world, &host)?, host)));
    match set {
        Some((set, host)) if set.defect == Some(Defect::TlsaUnsignedAlias) => plain(world, &host, &set, kind),
        _ => Answer::nxdomain(),
    }
}

/// The records of a host that stand where it was asked for.
fn set_here(world: &World, host: &Host) -> Option<TlsaSet> {
    world.tlsa_set(host.domain.as_ref(), host.id).filter(|set| set.at_alias == host.by_alias)
}

fn records(world: &World, host: &Host, set: &TlsaSet, kind: Kind) -> Answer {
    match (set.defect, kind) {
        (Some(Defect::TlsaServfail), Kind::Tlsa) => Answer::failed(Code::ServFail),
        (Some(Defect::TlsaRefused), Kind::Tlsa) => Answer::failed(Code::Refused),
        (Some(Defect::TlsaOtherFailure), Kind::Tlsa) => Answer::failed(Code::NotImp),
        (Some(Defect::TlsaBogus), _) => plain(world, host, set, kind).bogus(),
        (Some(Defect::TlsaUnsignedAlias), _) => {
            Answer::alias(format!("{}._dane.dns0.example", host.name), plain(world, host, set, kind))
        }
        _ => plain(world, host, set, kind),
    }
}

fn plain(world: &World, host: &Host, set: &TlsaSet, kind: Kind) -> Answer {
    let defect = match (host.id, &host.domain) {
        (HostId::Operator { operator, number }, _) => world.operator_defect(operator, number),
        (HostId::Own { .. }, Some(domain)) => world.host_defect(domain, host.id),
        (HostId::Own { .. }, None) => None,
    };
    let since = host.domain.as_ref().map(|domain| domain.since).unwrap_or_default();
    // What is said of the key that comes next is said as such.
    let leaf = leaf(defect, false, since.leaf.filter(|leaf| *leaf != Leaf::NextKey));
    let long_lived = since.long_lived;
    let of = |record| Data::Tlsa { host: host.name.clone(), leaf, record, long_lived };
    Answer::typed(kind, Kind::Tlsa, || set.records.iter().copied().map(of).collect())
}

/// What stands below a host without TLSA records.
fn bare(host: &Host, kind: Kind) -> Answer {
    let apex_has_all = host
        .domain
        .as_ref()
        .is_some_and(|domain| domain.mail == Mail::Implicit && domain.record == Record::Wildcard);
    if apex_has_all { wildcard(kind) } else { Answer::nxdomain() }
}

/// What stands at such a name below something that is no MX host: at most what a wildcard gives.
fn without_host(world: &World, of: &str, kind: Kind) -> Answer {
    let has_all = |index| {
        let domain = world.domain(index);
        domain.mail != Mail::Missing && domain.record == Record::Wildcard
    };
    if world.index(of).is_some_and(has_all) { wildcard(kind) } else { Answer::nxdomain() }
}

/// The MX host of a name.
fn host(world: &World, name: &str) -> Option<Host> {
    if let Some((Operator::Mail(operator), below)) = operator_and_below(world, name) {
        let is = |labels: &[&str], label: &str| labels.iter().position(|known| *known == label);
        let named = below.strip_suffix(".in").and_then(|label| is(&HOST_LABELS, label));
        let alias = is(&ALIAS_LABELS, below);
        let number =
            named.or(alias).filter(|number| *number < usize::from(world.operator_hosts(operator)))?;
        let id = HostId::Operator { operator, number: number as u8 };
        if alias.is_some() && world.bare_operator_defect(operator, number as u8) != Some(Defect::MxCname) {
            return None;
        }
        let name = format!("{}.in.post{operator}.example", HOST_LABELS[number]);
        return Some(Host { domain: None, id, name, by_alias: alias.is_some() });
    }
    if let Some(index) = world.index(name) {
        let domain = world.domain(index);
        let id = HostId::Own { domain: index, number: 0 };
        return (domain.mail == Mail::Implicit).then(|| Host {
            domain: Some(domain),
            id,
            name: name.to_owned(),
            by_alias: false,
        });
    }
    let (place, apex, index) = PREFIXES.iter().find_map(|(place, prefix)| {
        let apex = name.strip_prefix(prefix)?;
        Some((*place, apex, world.index(apex)?))
    })?;
    let domain = world.domain(index);
    let (number, by_alias, deep) = match place {
        Place::MxHost { number, deep } => (number, false, Some(deep)),
        Place::AliasTarget { number } => (number, true, None),
        _ => return None,
    };
    let is_host = domain.mail == Mail::Hosts
        && match domain.hosting {
            Hosting::Own { hosts, deep: is_deep } => {
                number < hosts && deep.is_none_or(|deep| deep == is_deep)
            }
            Hosting::Mixed(_) => number == 0 && deep != Some(true),
            Hosting::Operator(_) => false,
        };
    let id = HostId::Own { domain: index, number };
    if !is_host || (by_alias && world.bare_host_defect(&domain, id) != Some(Defect::MxCname)) {
        return None;
    }
    let name = world.mx_name(&domain, apex, id);
    Some(Host { domain: Some(domain), id, name, by_alias })
}
