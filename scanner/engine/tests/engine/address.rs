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
