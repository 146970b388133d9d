//! The zones of operators: of mail, of policies, of name servers.

use std::net::Ipv4Addr;

use super::hosts::{alias_target, host_addresses};
use super::{
    ALIAS_LABELS, Answer, Data, Kind, mute_operator, policies_addresses, refusing, sts_record, tlsa,
};
use crate::domain::{HOST_LABELS, HostId};
use crate::world::World;

/// Who runs a zone under `example` that is no domain of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    /// `post<n>`: MX hosts.
    Mail(u32),
    /// `sts<n>`: policies.
    Policies(u32),
    /// `dns<n>`: name servers.
    Names,
}

/// The operator whose zone a name is in, and what stands before the zone's own name.
pub(super) fn operator_and_below<'a>(world: &World, name: &'a str) -> Option<(Operator, &'a str)> {
    let stem = name.strip_suffix(".example")?;
    let (below, apex) = stem.rsplit_once('.').unwrap_or(("", stem));
    let numbered = |prefix: &str, count: u32| {
        let digits = apex.strip_prefix(prefix)?;
        let number: u32 = digits.parse().ok()?;
        // No second spelling of a number.
        (number < count && (digits == "0" || !digits.starts_with('0'))).then_some(number)
    };
    let operator = numbered("post", world.mail_operators())
        .map(Operator::Mail)
        .or_else(|| numbered("sts", world.params().sts.operators).map(Operator::Policies))
        .or_else(|| numbered("dns", DNS_OPERATORS).map(|_| Operator::Names))?;
    Some((operator, below))
}

/// Whether an operator's zone of this name is signed; `None` where there is none.
pub(super) fn operator_zone(world: &World, apex: &str) -> Option<bool> {
    match operator_and_below(world, apex)? {
        (Operator::Mail(operator), "") => Some(world.operator_is_signed(operator)),
        (_, "") => Some(false),
        _ => None,
    }
}

/// Operators of name servers.
pub(super) const DNS_OPERATORS: u32 = 50;

pub(super) fn at_operator(world: &World, name: &str, kind: Kind) -> Option<Answer> {
    let (operator, below) = operator_and_below(world, name)?;
    Some(match operator {
        Operator::Mail(operator) => at_mail_operator(world, operator, below, kind),
        Operator::Policies(operator) => at_policy_operator(world, operator, (name, below), kind),
        Operator::Names => match below {
            "ns1" | "ns2" => Answer::typed(kind, Kind::A, || vec![Data::A(Ipv4Addr::LOCALHOST)]),
            "" => Answer::nodata(),
            _ => match below.strip_suffix("._dane") {
                Some(host) => tlsa::unsigned(world, host, kind),
                None => Answer::nxdomain(),
            },
        },
    })
}

fn at_mail_operator(world: &World, operator: u32, below: &str, kind: Kind) -> Answer {
    let exists = |number: &usize| *number < usize::from(world.operator_hosts(operator));
    let host = |number: usize| HostId::Operator { operator, number: number as u8 };
    if let Some(number) = ALIAS_LABELS.iter().position(|known| *known == below).filter(exists) {
        return alias_target(world, None, host(number), kind);
    }
    let label = below.strip_suffix(".in");
    let number = label.and_then(|label| HOST_LABELS.iter().position(|known| *known == label));
    match number.filter(exists) {
        Some(number) => {
            host_addresses(world, None, host(number), Some(&format!("post{operator}.example")), kind)
        }
        None if matches!(below, "" | "in") => Answer::nodata(),
        None => Answer::nxdomain(),
    }
}

fn at_policy_operator(world: &World, operator: u32, (name, below): (&str, &str), kind: Kind) -> Answer {
    if let Some(customer) = below.strip_suffix("._mta-sts") {
        let Some(index) = world.index(customer) else { return Answer::nxdomain() };
        let asked = sts_record(world, &world.domain(index), customer, kind);
        return match asked.cname {
            Some(target) if target == name => Answer::of(asked.records),
            _ => Answer::nxdomain(),
        };
    }
    match below {
        "policies" => policies_addresses(world, operator, kind),
        "down" => refusing(kind),
        "mute" => mute_operator(world, operator, kind),
        "" | "_mta-sts" => Answer::nodata(),
        _ => Answer::nxdomain(),
    }
}
