//! What this machine can reach.

use std::net::{Ipv6Addr, UdpSocket};

/// The first address of global unicast (RFC 4291 §2.4), which nobody has. Nothing is sent to it.
const ANYWHERE: Ipv6Addr = Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 1);
/// Any port will do.
const PORT: u16 = 9;

/// Whether there is a way to the IPv6 internet. Connecting a datagram socket asks for a route and sends nothing.
pub(crate) fn has_ipv6() -> bool {
    UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).and_then(|socket| socket.connect((ANYWHERE, PORT))).is_ok()
}
