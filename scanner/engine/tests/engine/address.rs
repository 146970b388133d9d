use std::net::IpAddr;

use mxray_engine::{AddressGate, is_global};
use mxray_evidence::OwnCause;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn rfc6890_what_is_not_globally_routable_is_refused() {
    let gate = AddressGate::default();
    for address in [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:8.8.8.8",
        "::ffff:127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:2::1",
        "2001:10::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:a00:1::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "4000::1",
    ] {
        assert_eq!(gate.admit(ip(address)), Err(OwnCause::NotRoutable), "{address}");
    }
}

#[test]
fn rfc6890_what_is_global_is_admitted() {
    for address in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.0.9",
        "192.0.0.10",
        "192.0.1.1",
        "192.31.196.1",
        "192.52.193.1",
        "192.175.48.1",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "168.63.129.17",
        "2000::1",
        "2001:1::1",
        "2001:3::1",
        "2001:4:112::1",
        "2001:20::1",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2002:808:808::1",
        "2620:4f:8000::1",
        "2a00:1450::1",
        "3ffe::1",
        "64:ff9b::8.8.8.8",
    ] {
        assert!(is_global(ip(address)), "{address}");
    }
}

#[test]
fn a_named_range_is_admitted_and_its_neighbour_is_not() {
    let gate = AddressGate { allow: vec!["127.0.0.0/9".parse().unwrap()], opt_out: Vec::new() };
    assert_eq!(gate.admit(ip("127.1.2.3")), Ok(()));
    assert_eq!(gate.admit(ip("127.128.0.0")), Err(OwnCause::NotRoutable));
    assert_eq!(gate.admit(ip("::1")), Err(OwnCause::NotRoutable));
}

#[test]
fn nothing_overrides_an_opt_out_whatever_its_wrapping() {
    let net = "8.8.0.0/16".parse().unwrap();
    let gate = AddressGate { allow: vec![net, "::/0".parse().unwrap()], opt_out: vec![net] };
    for address in ["8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"] {
        assert_eq!(gate.admit(ip(address)), Err(OwnCause::OptOut), "{address}");
    }
    assert_eq!(gate.admit(ip("8.9.0.0")), Ok(()));
}

/// What the registries say of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Registry {
    Global,
    NotGlobal,
    /// It is only as global as the IPv4 address within.
    AsWithin,
}

use Registry::{AsWithin, Global, NotGlobal};

/// The IANA IPv4 Special-Purpose Address Registry as of 2025-10-09, each of its rows; and what other registries keep from
/// being anybody's. What is "N/A" there, being deprecated, is not global.
const SPECIAL_V4: &[(&str, &str, Registry)] = &[
    ("0.0.0.0/8", "this network, RFC 791 §3.2", NotGlobal),
    ("0.0.0.0/32", "this host on this network, RFC 1122 §3.2.1.3", NotGlobal),
    ("10.0.0.0/8", "private use, RFC 1918", NotGlobal),
    ("100.64.0.0/10", "shared address space, RFC 6598", NotGlobal),
    ("127.0.0.0/8", "loopback, RFC 1122 §3.2.1.3", NotGlobal),
    ("169.254.0.0/16", "link local, RFC 3927", NotGlobal),
    ("172.16.0.0/12", "private use, RFC 1918", NotGlobal),
    ("192.0.0.0/24", "IETF protocol assignments, RFC 6890 §2.1", NotGlobal),
    ("192.0.0.0/29", "service continuity, RFC 7335", NotGlobal),
    ("192.0.0.8/32", "dummy address, RFC 7600", NotGlobal),
    ("192.0.0.9/32", "port control protocol anycast, RFC 7723", Global),
    ("192.0.0.10/32", "TURN anycast, RFC 8155", Global),
    ("192.0.0.170/32", "NAT64 discovery, RFC 8880, RFC 7050 §2.2", NotGlobal),
    ("192.0.0.171/32", "NAT64 discovery, RFC 8880, RFC 7050 §2.2", NotGlobal),
    ("192.0.2.0/24", "documentation, RFC 5737", NotGlobal),
    ("192.31.196.0/24", "AS112-v4, RFC 7535", Global),
    ("192.52.193.0/24", "AMT, RFC 7450", Global),
    ("192.88.99.0/24", "6to4 relay anycast, deprecated, RFC 7526", NotGlobal),
    ("192.88.99.2/32", "6a44 relay anycast, RFC 6751", NotGlobal),
    ("192.168.0.0/16", "private use, RFC 1918", NotGlobal),
    ("192.175.48.0/24", "direct delegation AS112, RFC 7534", Global),
    ("198.18.0.0/15", "benchmarking, RFC 2544", NotGlobal),
    ("198.51.100.0/24", "documentation, RFC 5737", NotGlobal),
    ("203.0.113.0/24", "documentation, RFC 5737", NotGlobal),
    ("224.0.0.0/4", "multicast, RFC 5771", NotGlobal),
    ("240.0.0.0/4", "reserved, RFC 1112 §4", NotGlobal),
    ("255.255.255.255/32", "limited broadcast, RFC 8190, RFC 919 §7", NotGlobal),
];

/// The IANA IPv6 Special-Purpose Address Registry as of 2025-10-09, each of its rows; and the blocks of the IPv6 address space
/// that hold no global unicast.
const SPECIAL_V6: &[(&str, &str, Registry)] = &[
    ("::1/128", "loopback, RFC 4291", NotGlobal),
    ("::/128", "unspecified, RFC 4291", NotGlobal),
    ("::/96", "IPv4-compatible, deprecated, RFC 4291 §2.5.5.1", NotGlobal),
    ("::ffff:0:0/96", "IPv4-mapped, RFC 4291", NotGlobal),
    ("::ffff:0:0:0/96", "IPv4-translated, RFC 2765 §2.1", NotGlobal),
    ("64:ff9b::/96", "IPv4-IPv6 translation, RFC 6052", AsWithin),
    ("64:ff9b:1::/48", "IPv4-IPv6 translation, local, RFC 8215", NotGlobal),
    ("100::/64", "discard only, RFC 6666", NotGlobal),
    ("100:0:0:1::/64", "dummy prefix, RFC 9780", NotGlobal),
    ("2001::/23", "IETF protocol assignments, RFC 2928", NotGlobal),
    ("2001::/32", "Teredo, RFC 4380, RFC 8190", NotGlobal),
    ("2001:1::1/128", "port control protocol anycast, RFC 7723", Global),
    ("2001:1::2/128", "TURN anycast, RFC 8155", Global),
    ("2001:1::3/128", "DNS-SD service registration anycast, RFC 9665", Global),
    ("2001:2::/48", "benchmarking, RFC 5180", NotGlobal),
    ("2001:3::/32", "AMT, RFC 7450", Global),
    ("2001:4:112::/48", "AS112-v6, RFC 7535", Global),
    ("2001:10::/28", "ORCHID, deprecated, RFC 4843", NotGlobal),
    ("2001:20::/28", "ORCHIDv2, RFC 7343", Global),
    ("2001:30::/28", "drone remote identification, RFC 9374", Global),
    ("2001:db8::/32", "documentation, RFC 3849", NotGlobal),
    ("2002::/16", "6to4, RFC 3056", AsWithin),
    ("2620:4f:8000::/48", "direct delegation AS112, RFC 7534", Global),
    ("3fff::/20", "documentation, RFC 9637", NotGlobal),
    ("5f00::/16", "segment routing, RFC 9602", NotGlobal),
    ("fc00::/7", "unique local, RFC 4193, RFC 8190", NotGlobal),
    ("fe80::/10", "link-local unicast, RFC 4291", NotGlobal),
    ("fec0::/10", "site-local unicast, deprecated, RFC 3879", NotGlobal),
    ("ff00::/8", "multicast, RFC 4291", NotGlobal),
    ("4000::/3", "not assigned, RFC 4291 §4", NotGlobal),
    ("8000::/3", "not assigned, RFC 4291 §4", NotGlobal),
    ("e000::/4", "not assigned, RFC 4291 §4", NotGlobal),
];

/// The first and the last address of a block.
fn ends(block: &str) -> [IpAddr; 2] {
    let net: ipnet::IpNet = block.parse().unwrap();
    [net.network(), net.broadcast()]
}

#[test]
fn rfc6890_each_row_of_the_registries_at_its_first_and_its_last_address() {
    for (block, what, registry) in SPECIAL_V4.iter().chain(SPECIAL_V6) {
        for address in ends(block) {
            match registry {
                Global => assert!(is_global(address), "{address} of {block}, {what}"),
                NotGlobal => assert!(!is_global(address), "{address} of {block}, {what}"),
                AsWithin => {}
            }
        }
    }
}

#[test]
fn rfc6052_rfc3056_what_is_translated_is_judged_by_the_address_within_and_what_is_mapped_is_nobodys() {
    let anybodys = ["1.1.1.1", "8.8.8.8", "223.255.255.255"].map(|text| (ip(text), Global));
    let special = SPECIAL_V4.iter().flat_map(|(block, _, registry)| ends(block).map(|end| (end, *registry)));
    for (address, registry) in anybodys.into_iter().chain(special) {
        let IpAddr::V4(v4) = address else { panic!("{address}") };
        let [a, b, c, d] = v4.octets().map(u16::from);
        let (high, low) = (a << 8 | b, c << 8 | d);
        let nat64 = IpAddr::from([0x64, 0xff9b, 0, 0, 0, 0, high, low]);
        let six_to_four = IpAddr::from([0x2002, high, low, 0, 0, 0, 0, 25]);
        for translated in [nat64, six_to_four] {
            assert_eq!(is_global(translated), registry == Global, "{translated} holds {v4}");
        }
        let mapped = IpAddr::V6(v4.to_ipv6_mapped());
        assert!(!is_global(mapped), "{mapped}: no such address is ever on a wire");
    }
}
