//! What DNS says in a world: a question in, an answer out, nothing kept.

mod beside;
mod cut;
mod hosts;
mod operators;
mod tlsa;

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::authority::Leaf;
use crate::chance::{Draw, Stream};
use crate::dane::Tlsa;
use crate::defect::Defect;
use crate::domain::{Domain, HostId, Hosting, Mail, Record, Tlsrpt};
use crate::plan::{AddressPlan, PER_POLICY_OPERATOR, Slot};
use crate::text;
use crate::trouble;
use crate::world::World;
use beside::{aside_texts, at_apex_txt, beside_a_domain};
pub(crate) use cut::{Cut, cut};
use hosts::{alias_target, host_addresses};
use operators::{DNS_OPERATORS, Operator, at_operator, operator_and_below, operator_zone};

/// Addresses that never answer a connection: their servers' queues are kept full. There are several, in as many
/// /24s, so that a scanner with manners does not wait for them one by one.
pub(crate) const SILENT: [Ipv4Addr; 16] = {
    let mut addresses = [Ipv4Addr::LOCALHOST; 16];
    let mut network = 0;
    while network < addresses.len() {
        addresses[network] = Ipv4Addr::new(127, 255, network as u8, 1);
        network += 1;
    }
    addresses
};
/// Refuses connections: the servers' ports are taken there, and nobody listens.
pub(crate) const REFUSING: Ipv6Addr = Ipv6Addr::LOCALHOST;

/// The record types a world has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    A,
    Aaaa,
    Mx,
    Ns,
    Txt,
    Tlsa,
    Other,
}

/// A record's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Data {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Mx(u16, String),
    Ns(String),
    Txt(Vec<Vec<u8>>),
    /// A TLSA record of the host, which shows the leaf at its first address.
    Tlsa {
        host: String,
        leaf: Leaf,
        record: Tlsa,
        /// Whether its TTL is long.
        long_lived: bool,
    },
}

/// How a question ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    NoError,
    ServFail,
    NxDomain,
    NotImp,
    Refused,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) code: Code,
    /// What the name is an alias of, where it is one.
    pub(crate) cname: Option<String>,
    /// Records of the type, at the end of the chain.
    pub(crate) records: Vec<Data>,
    /// Its signatures do not validate.
    pub(crate) bogus: bool,
}

impl Answer {
    pub(crate) fn nxdomain() -> Self {
        Self { code: Code::NxDomain, cname: None, records: Vec::new(), bogus: false }
    }

    fn of(records: Vec<Data>) -> Self {
        Self { code: Code::NoError, cname: None, records, bogus: false }
    }

    fn nodata() -> Self {
        Self::of(Vec::new())
    }

    /// The records, or none where another type was asked for.
    pub(crate) fn typed(asked: Kind, kind: Kind, records: impl FnOnce() -> Vec<Data>) -> Self {
        if asked == kind { Self::of(records()) } else { Self::nodata() }
    }

    fn failed(code: Code) -> Self {
        Self { code, ..Self::nodata() }
    }

    /// The same, with signatures that do not validate, where there is anything that could be signed.
    fn bogus(self) -> Self {
        let bogus = self.cname.is_some() || !self.records.is_empty();
        Self { bogus, ..self }
    }

    fn alias(target: String, end: Self) -> Self {
        Self { cname: Some(target), ..end }
    }
}

/// Answers a question for a name in lower case, without the last dot.
pub(crate) fn answer(world: &World, name: &str, kind: Kind) -> Answer {
    if let Some(index) = world.index(name) {
        return at_apex(world, &world.domain(index), name, kind);
    }
    if let Some(answer) = tlsa::at_prefix(world, name, kind) {
        return answer;
    }
    if let Some(answer) = at_operator(world, name, kind) {
        return answer;
    }
    for (place, prefix) in PREFIXES {
        let Some(rest) = name.strip_prefix(prefix) else { continue };
        let Some(index) = world.index(rest) else { continue };
        let domain = world.domain(index);
        if domain.mail == Mail::Missing {
            return Answer::nxdomain();
        }
        return below(world, &domain, rest, *place, kind);
    }
    if name.is_empty() {
        return Answer::typed(kind, Kind::Ns, || vec![Data::Ns("a.root-servers.net".to_owned())]);
    }
    if name == "localhost" {
        return Answer::typed(kind, Kind::A, || vec![Data::A(Ipv4Addr::LOCALHOST)]);
    }
    if !name.contains('.') {
        return Answer::nodata();
    }
    if let Some(answer) = beside_a_domain(world, name, kind) {
        return answer;
    }
    if let Some(answer) = trouble::answer(name, kind) {
        return answer;
    }
    // Names below a wildcard exist, however they read.
    let parents = std::iter::successors(name.split_once('.'), |(_, rest)| rest.split_once('.'));
    for (_, parent) in parents {
        if let Some(index) = world.index(parent) {
            let domain = world.domain(index);
            let answer = if domain.record == Record::Wildcard { wildcard(kind) } else { Answer::nxdomain() };
            return answer;
        }
    }
    Answer::nxdomain()
}

/// A name below a domain that means something.
#[derive(Debug, Clone, Copy)]
enum Place {
    PolicyHost,
    StsRecord,
    TlsrptRecord,
    TlsrptParent,
    /// Where a record stands that nobody looks for.
    Aside(Defect),
    /// What stands behind `rua`.
    Reports,
    /// It exists, and has nothing.
    Bare,
    /// It takes no mail.
    NoMail,
    MxHost {
        number: u8,
        deep: bool,
    },
    DeepParent,
    /// What an MX host that is an alias stands for.
    AliasTarget {
        number: u8,
    },
}

/// What stands before a domain's name in the names that mean something.
pub(crate) fn prefixes() -> impl Iterator<Item = &'static str> {
    PREFIXES.iter().map(|(_, prefix)| *prefix)
}

const PREFIXES: &[(Place, &str)] = &[
    (Place::StsRecord, "_mta-sts."),
    (Place::TlsrptRecord, "_smtp._tls."),
    (Place::PolicyHost, "mta-sts."),
    (Place::MxHost { number: 0, deep: false }, "mx1."),
    (Place::MxHost { number: 1, deep: false }, "backup."),
    (Place::MxHost { number: 0, deep: true }, "mx1.in."),
    (Place::MxHost { number: 1, deep: true }, "backup.in."),
    (Place::DeepParent, "in."),
    (Place::TlsrptParent, "_tls."),
    (Place::Aside(Defect::RecordOwnerUnderscore), "_mta_sts."),
    (Place::Aside(Defect::TlsrptOwnerHyphen), "_smtp-tls."),
    (Place::Aside(Defect::TlsrptOwnerUnderscore), "_smtp_tls."),
    (Place::Reports, "reports."),
    (Place::Bare, "bare."),
    (Place::NoMail, "nomail."),
    (Place::AliasTarget { number: 0 }, "node1."),
    (Place::AliasTarget { number: 1 }, "node2."),
];

/// First labels of what an MX host that is an alias stands for, by the host's number.
const ALIAS_LABELS: [&str; 4] = ["node1", "node2", "node3", "node4"];

fn at_apex(world: &World, domain: &Domain, name: &str, kind: Kind) -> Answer {
    match (domain.mail, kind) {
        (Mail::Missing, _) => Answer::nxdomain(),
        (Mail::Unanswered, Kind::Mx) => Answer::failed(Code::ServFail),
        (Mail::Null, Kind::Mx) => Answer::of(vec![Data::Mx(0, String::new())]),
        (Mail::Hosts, Kind::Mx) => mx_set(world, domain, name),
        (Mail::Bogus, Kind::Mx) => mx_set(world, domain, name).bogus(),
        (Mail::Implicit, Kind::A | Kind::Aaaa) => {
            let host = HostId::Own { domain: domain.index, number: 0 };
            host_addresses(world, Some(domain), host, None, kind)
        }
        (_, Kind::Ns) => {
            let operator = world.draw(Stream::NameServers, domain.index).below(DNS_OPERATORS.into());
            Answer::of([1, 2].map(|n| Data::Ns(format!("ns{n}.dns{operator}.example"))).to_vec())
        }
        (_, Kind::Txt) if domain.record == Record::Wildcard => wildcard(kind),
        (_, Kind::Txt) => Answer::of(at_apex_txt(world, domain, name)),
        _ => Answer::nodata(),
    }
}

fn mx_set(world: &World, domain: &Domain, name: &str) -> Answer {
    let hosts = world.mx_hosts(domain).into_iter();
    let named = hosts.map(|(preference, host)| Data::Mx(preference, world.mx_name(domain, name, host)));
    Answer::of(named.collect())
}

fn below(world: &World, domain: &Domain, name: &str, place: Place, kind: Kind) -> Answer {
    match place {
        _ if domain.record == Record::Wildcard
            && !matches!(place, Place::MxHost { .. } | Place::DeepParent | Place::AliasTarget { .. }) =>
        {
            wildcard(kind)
        }
        Place::StsRecord => sts_record(world, domain, name, kind),
        Place::TlsrptRecord => match domain.tlsrpt {
            Tlsrpt::Absent => Answer::nxdomain(),
            Tlsrpt::Published(Some(defect)) if defect.is_tlsrpt_owner() => Answer::nxdomain(),
            Tlsrpt::Published(defect) => Answer::typed(kind, Kind::Txt, || {
                text::tlsrpt_records(world, domain, name, defect).into_iter().map(Data::Txt).collect()
            }),
        },
        Place::TlsrptParent => match domain.tlsrpt {
            Tlsrpt::Absent => Answer::nxdomain(),
            Tlsrpt::Published(Some(Defect::TlsrptOwnerTls)) => {
                Answer::typed(kind, Kind::Txt, || aside_texts(world, domain, name, Defect::TlsrptOwnerTls))
            }
            Tlsrpt::Published(_) => Answer::nodata(),
        },
        Place::Aside(defect) => match aside_texts(world, domain, name, defect) {
            texts if texts.is_empty() => Answer::nxdomain(),
            texts => Answer::typed(kind, Kind::Txt, || texts),
        },
        Place::Reports => {
            let address = AddressPlan::shared(world.draw(Stream::PolicyAddress, domain.index));
            Answer::typed(kind, Kind::A, || vec![Data::A(address)])
        }
        Place::Bare => Answer::nodata(),
        Place::NoMail => Answer::typed(kind, Kind::Mx, || vec![Data::Mx(0, String::new())]),
        Place::PolicyHost => policy_host(world, domain, name, kind),
        Place::MxHost { number, deep } => match (domain.mail, domain.hosting) {
            (Mail::Hosts, Hosting::Own { hosts, deep: is_deep }) if number < hosts && deep == is_deep => {
                let host = HostId::Own { domain: domain.index, number };
                host_addresses(world, Some(domain), host, Some(name), kind)
            }
            (Mail::Hosts, Hosting::Mixed(_)) if number == 0 && !deep => {
                let host = HostId::Own { domain: domain.index, number };
                host_addresses(world, Some(domain), host, Some(name), kind)
            }
            _ => Answer::nxdomain(),
        },
        Place::DeepParent => match domain.hosting {
            Hosting::Own { deep: true, .. } => Answer::nodata(),
            _ => Answer::nxdomain(),
        },
        Place::AliasTarget { number } => match (domain.mail, domain.hosting) {
            (Mail::Hosts, Hosting::Own { hosts, .. }) if number < hosts => {
                alias_target(world, Some(domain), HostId::Own { domain: domain.index, number }, kind)
            }
            (Mail::Hosts, Hosting::Mixed(_)) if number == 0 => {
                alias_target(world, Some(domain), HostId::Own { domain: domain.index, number }, kind)
            }
            _ => Answer::nxdomain(),
        },
    }
}

/// `v=spf1 -all` at every name.
fn wildcard(kind: Kind) -> Answer {
    Answer::typed(kind, Kind::Txt, || vec![Data::Txt(vec![b"v=spf1 -all".to_vec()])])
}

fn sts_record(world: &World, domain: &Domain, name: &str, kind: Kind) -> Answer {
    let Record::Published(defect) = domain.record else { return Answer::nxdomain() };
    let draw = world.draw(Stream::RecordStyle, domain.index).next(9);
    if !domain.has_txt() && defect != Some(Defect::RecordDangling) {
        return Answer::nxdomain();
    }
    if defect == Some(Defect::RecordDangling) {
        let operator = domain.policy_operator.unwrap_or_default();
        return if draw.hits(0.5) {
            Answer::alias(format!("{name}._gone.sts{operator}.example"), Answer::nxdomain())
        } else {
            Answer::alias(format!("policies.sts{operator}.example"), Answer::nodata())
        };
    }
    let end = Answer::typed(kind, Kind::Txt, || {
        text::sts_records(world, domain, defect).into_iter().map(Data::Txt).collect()
    });
    // A record may be an alias of the operator's (RFC 8461 §8.2).
    match domain.policy_operator {
        Some(operator) if draw.hits(0.5) => {
            Answer::alias(format!("{name}._mta-sts.sts{operator}.example"), end)
        }
        _ => end,
    }
}

fn policy_host(world: &World, domain: &Domain, name: &str, kind: Kind) -> Answer {
    if !domain.has_policy_host() {
        return Answer::nxdomain();
    }
    let texts = aside_texts(world, domain, name, Defect::RecordOwnerPolicyHost);
    if kind == Kind::Txt && !texts.is_empty() {
        return Answer::of(texts);
    }
    match domain.fetch {
        Some(Defect::PolicyHostNxdomain) => return Answer::nxdomain(),
        Some(Defect::PolicyHostNoData) => return Answer::nodata(),
        Some(Defect::PolicyHostDangling) => {
            let operator = domain.policy_operator.unwrap_or_default();
            return Answer::alias(format!("{name}._gone.sts{operator}.example"), Answer::nxdomain());
        }
        // An operator's customers are aliases of a host of its own that is out of order.
        Some(Defect::PolicyHostRefused) => {
            return match domain.policy_operator {
                Some(operator) => Answer::alias(format!("down.sts{operator}.example"), refusing(kind)),
                None => refusing(kind),
            };
        }
        Some(Defect::PolicyHostTimeout) => {
            return match domain.policy_operator {
                Some(operator) => {
                    Answer::alias(format!("mute.sts{operator}.example"), mute_operator(world, operator, kind))
                }
                None => silent(world.draw(Stream::PolicyAddress, domain.index), kind),
            };
        }
        _ => {}
    }
    if let Some(operator) = domain.policy_operator {
        let end = policies_addresses(world, operator, kind);
        return Answer::alias(format!("policies.sts{operator}.example"), end);
    }
    let address = AddressPlan::shared(world.draw(Stream::PolicyAddress, domain.index));
    Answer::typed(kind, Kind::A, || vec![Data::A(address)])
}

fn policies_addresses(world: &World, operator: u32, kind: Kind) -> Answer {
    let addresses = 0..PER_POLICY_OPERATOR as u8;
    let slots = addresses.map(|address| Slot::Policies { operator, address });
    Answer::typed(kind, Kind::A, || slots.map(|slot| Data::A(world.plan().address(slot))).collect())
}

fn refusing(kind: Kind) -> Answer {
    Answer::typed(kind, Kind::Aaaa, || vec![Data::Aaaa(REFUSING)])
}

fn silent(draw: Draw, kind: Kind) -> Answer {
    Answer::typed(kind, Kind::A, || vec![Data::A(*draw.pick(&SILENT))])
}

fn mute_operator(world: &World, operator: u32, kind: Kind) -> Answer {
    silent(world.draw(Stream::PolicyOperator, u64::from(operator)).next(1), kind)
}
