//! The addresses of MX hosts.

use std::net::Ipv4Addr;

use super::{ALIAS_LABELS, Answer, Data, Kind, refusing, silent};
use crate::chance::Stream;
use crate::defect::Defect;
use crate::domain::{Domain, HostId};
use crate::world::World;

/// Addresses that are not globally routable (RFC 6890), and that a lab does not serve on.
const NOT_GLOBAL: [Ipv4Addr; 4] = [
    Ipv4Addr::new(10, 1, 2, 3),
    Ipv4Addr::new(172, 16, 0, 25),
    Ipv4Addr::new(192, 168, 1, 10),
    Ipv4Addr::new(100, 64, 9, 9),
];

/// The addresses of an MX host; `zone` is what an alias of it lies in, where it can be one.
pub(super) fn host_addresses(
    world: &World,
    domain: Option<&Domain>,
    host: HostId,
    zone: Option<&str>,
    kind: Kind,
) -> Answer {
    let (number, defect) = number_and_defect(world, domain, host);
    match defect {
        Some(Defect::MxNxdomain | Defect::MxIpLiteral | Defect::MxLocalhost) => return Answer::nxdomain(),
        Some(Defect::MxNoData) => return Answer::nodata(),
        Some(Defect::MxNotGlobal) => {
            let key = match host {
                HostId::Own { domain, .. } => domain,
                HostId::Operator { operator, .. } => u64::from(operator),
            };
            let address = *world.draw(Stream::HostStyle, key).next(6).pick(&NOT_GLOBAL);
            return Answer::typed(kind, Kind::A, || vec![Data::A(address)]);
        }
        Some(Defect::MxUnreachable) if world.has_ipv6() => return refusing(kind),
        Some(Defect::MxUnreachable) => {
            let key = match host {
                HostId::Own { domain, .. } => domain,
                HostId::Operator { operator, .. } => u64::from(operator),
            };
            return silent(world.draw(Stream::PolicyAddress, key).next(1), kind);
        }
        _ => {}
    }
    let end = match world.tlsa_defect(domain, host) {
        Some(Defect::AddressBogus) => return planned(world, domain, host, kind).bogus(),
        _ => planned(world, domain, host, kind),
    };
    match (defect, zone) {
        (Some(Defect::MxCname), Some(zone)) => {
            Answer::alias(format!("{}.{zone}", ALIAS_LABELS[usize::from(number)]), end)
        }
        _ => end,
    }
}

/// What an MX host that is an alias stands for.
pub(super) fn alias_target(world: &World, domain: Option<&Domain>, host: HostId, kind: Kind) -> Answer {
    match number_and_defect(world, domain, host) {
        (_, Some(Defect::MxCname)) => planned(world, domain, host, kind),
        _ => Answer::nxdomain(),
    }
}

fn number_and_defect(world: &World, domain: Option<&Domain>, host: HostId) -> (u8, Option<Defect>) {
    match (host, domain) {
        (HostId::Own { number, .. }, Some(domain)) => (number, world.host_defect(domain, host)),
        (HostId::Operator { operator, number }, _) => (number, world.operator_defect(operator, number)),
        (HostId::Own { number, .. }, None) => (number, None),
    }
}

fn planned(world: &World, domain: Option<&Domain>, host: HostId, kind: Kind) -> Answer {
    Answer::typed(kind, Kind::A, || {
        let slots = world.host_slots(domain, host).into_iter();
        slots.map(|slot| Data::A(world.plan().address(slot))).collect()
    })
}
