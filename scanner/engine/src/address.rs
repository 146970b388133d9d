//! May this address be probed?
//!
//! A domain's MX may point anywhere: at 127.0.0.1, into our own network, at a cloud's metadata service. What is
//! not globally routable is never probed, unless the person who runs the scan named its range.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use mxray_evidence::OwnCause;

/// The judge of addresses: what may be probed, what may not, and why.
#[derive(Debug, Clone, Default)]
pub struct AddressGate {
    /// Ranges that may be probed although they are not globally routable.
    pub allow: Vec<IpNet>,
    /// Ranges whose owners asked not to be probed. Nothing overrides them.
    pub opt_out: Vec<IpNet>,
}

impl AddressGate {
    /// Whether `address` may be probed.
    ///
    /// # Errors
    /// [`OwnCause::OptOut`] when it, or the IPv4 address inside it, stands on the opt-out list;
    /// [`OwnCause::NotRoutable`] when it is not globally routable and no allowed range holds it.
    pub fn admit(&self, address: IpAddr) -> Result<(), OwnCause> {
        let inner = embedded_ipv4(address).map(IpAddr::V4);
        let holds = |nets: &[IpNet], address: IpAddr| nets.iter().any(|net| net.contains(&address));
        if holds(&self.opt_out, address) || inner.is_some_and(|inner| holds(&self.opt_out, inner)) {
            return Err(OwnCause::OptOut);
        }
        if holds(&self.allow, address) || is_global(address) {
            return Ok(());
        }
        Err(OwnCause::NotRoutable)
    }
}

/// Whether an address is globally routable unicast, by the IANA special-purpose registries (RFC 6890). An IPv6
/// address that carries an IPv4 address is only as global as that one.
pub fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_global_v4(v4),
        IpAddr::V6(v6) => is_global_v6(v6) && embedded_ipv4(address).is_none_or(is_global_v4),
    }
}

fn is_global_v4(address: Ipv4Addr) -> bool {
    within_v4(&GLOBAL_V4, address) || !within_v4(&SPECIAL_V4, address)
}

fn is_global_v6(address: Ipv6Addr) -> bool {
    within_v6(&GLOBAL_V6, address) || (within_v6(&ASSIGNED_V6, address) && !within_v6(&SPECIAL_V6, address))
}

fn within_v4(nets: &[Ipv4Net], address: Ipv4Addr) -> bool {
    nets.iter().any(|net| net.contains(&address))
}

fn within_v6(nets: &[Ipv6Net], address: Ipv6Addr) -> bool {
    nets.iter().any(|net| net.contains(&address))
}

/// The IPv4 address to which packets for an IPv6 address would go in the end: mapped (RFC 4291 §2.5.5.2), 6to4
/// (RFC 3056), NAT64 by the well-known prefix (RFC 6052).
fn embedded_ipv4(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(v6) = address else { return None };
    let pair = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(pair(high, low)),
        _ => None,
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(s: [u16; 8], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]), length)
}

/// Not globally reachable, by the IANA IPv4 Special-Purpose Address Registry, with multicast and what is reserved.
const SPECIAL_V4: [Ipv4Net; 17] = [
    v4(0, 0, 0, 0, 8),          // this network
    v4(10, 0, 0, 0, 8),         // private use
    v4(100, 64, 0, 0, 10),      // shared address space: carriers, and one cloud's metadata service
    v4(127, 0, 0, 0, 8),        // loopback
    v4(169, 254, 0, 0, 16),     // link local: most clouds' metadata services
    v4(172, 16, 0, 0, 12),      // private use
    v4(192, 0, 0, 0, 24),       // IETF protocol assignments
    v4(192, 0, 2, 0, 24),       // documentation
    v4(192, 88, 99, 0, 24),     // 6to4 relay anycast, deprecated
    v4(192, 168, 0, 0, 16),     // private use
    v4(198, 18, 0, 0, 15),      // benchmarking
    v4(198, 51, 100, 0, 24),    // documentation
    v4(203, 0, 113, 0, 24),     // documentation
    v4(224, 0, 0, 0, 4),        // multicast
    v4(240, 0, 0, 0, 4),        // reserved
    v4(255, 255, 255, 255, 32), // limited broadcast
    v4(168, 63, 129, 16, 32), // not in the registry: a cloud's platform service, reached from its machines alone
];

/// Global within a range that is not.
const GLOBAL_V4: [Ipv4Net; 2] = [
    v4(192, 0, 0, 9, 32),  // port control protocol anycast
    v4(192, 0, 0, 10, 32), // TURN anycast
];

/// What holds global unicast at all: the rest of IPv6 is not assigned, or is local.
const ASSIGNED_V6: [Ipv6Net; 2] = [
    v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3),
    v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), // NAT64: its IPv4 address is judged too
];

/// Not globally reachable within that, by the IANA IPv6 Special-Purpose Address Registry.
const SPECIAL_V6: [Ipv6Net; 3] = [
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), // IETF protocol assignments: Teredo, benchmarking, ORCHID
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), // documentation
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), // documentation
];

/// Global within a range that is not.
const GLOBAL_V6: [Ipv6Net; 7] = [
    v6([0x2001, 1, 0, 0, 0, 0, 0, 1], 128), // port control protocol anycast
    v6([0x2001, 1, 0, 0, 0, 0, 0, 2], 128), // TURN anycast
    v6([0x2001, 1, 0, 0, 0, 0, 0, 3], 128), // DNS-SD service registration anycast
    v6([0x2001, 3, 0, 0, 0, 0, 0, 0], 32),  // AMT
    v6([0x2001, 4, 0x112, 0, 0, 0, 0, 0], 48), // AS112
    v6([0x2001, 0x20, 0, 0, 0, 0, 0, 0], 28), // ORCHIDv2
    v6([0x2001, 0x30, 0, 0, 0, 0, 0, 0], 28), // drone remote identification
];
