//! Mail hosts that we did not write: what we say of each beside what Postfix's own client says.
//!
//! Postfix, nginx, NSD and Unbound run as they come from Debian's packages, in a network namespace of the test's own, in
//! which port 25 and the resolver's address are free. Where the packages or the namespace are not to be had, the test
//! says so and is skipped.

mod certificates;
mod hosts;
mod lab_hosts;
#[expect(dead_code, reason = "not all that the other crate's tests need is needed here")]
#[path = "../../../engine/tests/engine/name_servers.rs"]
mod name_servers;
mod namespace;
mod ours;
mod posttls_finger;
mod servers;

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::mxray::golden;
use certificates::Authority;
use hosts::{Host, Settled, settle};
use name_servers::{NameServers, program};
use ours::Ours;
use posttls_finger::{Finger, Level, at_once, finger};
use servers::{Nginx, Postfix};

#[test]
fn real_servers_are_judged_as_posttls_finger_judges_them() {
    let programs = ["postfix", "postmap", "nginx", "curl"];
    namespace::enter(
        "real::real_servers_are_judged_as_posttls_finger_judges_them",
        &[&programs[..], &name_servers::PROGRAMS].concat(),
        compare,
    );
}

/// What is done inside the namespace.
fn compare(desk: &Path) {
    let authority = Authority::new();
    let hosts = settle(&authority);
    let root = desk.join("root.pem");
    std::fs::write(&root, authority.root_pem()).unwrap();
    let names = NameServers::start(&servers::zones(&hosts, &authority), &[servers::DEAD], Some(53));
    let postfix = Postfix::start(desk, &hosts, &authority);
    let _nginx = Nginx::start(desk, &hosts, &authority);
    let begin = Instant::now();
    while finger(&hosts[0].host.domain(), Level::Verify, &root).verdict != "verified" {
        assert!(begin.elapsed() < STARTING, "the servers do not answer: {}", names.logs());
        std::thread::sleep(Duration::from_millis(100));
    }
    let theirs = at_once(&hosts, |settled| {
        [Level::May, Level::Verify, Level::Dane].map(|level| finger(&settled.host.domain(), level, &root))
    });
    let ours = ours::ask(desk, &hosts, &root);
    let mut surprises = Vec::new();
    let mut text = HEAD.to_owned();
    for (Settled { host, .. }, (fingers, ours)) in hosts.iter().zip(theirs.iter().zip(&ours)) {
        compare_host(host, fingers, ours, &mut text, &mut surprises);
    }
    text += POLICIES_HEAD;
    let with_policy = || hosts.iter().zip(&ours).filter(|(settled, _)| settled.host.policy.is_some());
    for (Settled { host, .. }, ours) in with_policy() {
        let (curl, policy) = (curl(&host.domain(), &root), ours.verdict("policy"));
        if (curl == "200") != (policy == "valid") {
            surprises.push(format!("{}: curl says {curl}, we say {policy}", host.name));
        }
        let planted = format!("{:?}", host.policy.unwrap());
        writeln!(
            text,
            "| {} | {planted} | {curl} | {policy} | {} |",
            host.name,
            ours.policy_findings().join(" ")
        )
        .unwrap();
    }
    assert!(surprises.is_empty(), "{}\n{text}\n{}", surprises.join("\n\n"), postfix.log());
    golden("scanner/cli/tests/golden/real_servers.md", &text);
}

/// Writes a row of the table, and what in it nobody has explained.
fn compare_host(
    host: &Host,
    fingers: &[Finger; 3],
    ours: &Ours,
    text: &mut String,
    surprises: &mut Vec<String>,
) {
    let [may, verify, dane] = fingers;
    let (pkix, by_dane) = (ours.pkix(), ours.dane());
    if version(&may.spoke) != version(&ours.spoke) {
        surprises.push(format!("{}: they spoke {:?}, we {:?}", host.name, may.spoke, ours.spoke));
    }
    let differs = verify.verdict != pkix || dane.verdict != by_dane;
    let why = EXPLAINED.iter().find(|(names, _)| names.contains(&host.name)).map(|(_, why)| *why);
    if differs != why.is_some() {
        surprises.push(format!("{} ({why:?}): {ours:?}\n{}\n{}", host.name, verify.said, dane.said));
    }
    writeln!(
        text,
        "| {} | {} | {} | {pkix} | {} | {by_dane} | {} | {} | {} | {} |",
        host.name,
        host.planted,
        verify.verdict,
        dane.verdict,
        may.spoke,
        ours.spoke,
        ours.findings().join(" "),
        why.unwrap_or_default(),
    )
    .unwrap();
}

/// The version in what was spoken.
fn version(spoken: &str) -> &str {
    match spoken.trim_start_matches('(').split(' ').next().unwrap_or_default() {
        "TLSv1" => "TLSv1.0",
        version => version,
    }
}

/// What curl makes of a domain's policy: the status, or why there is none.
fn curl(domain: &str, root: &Path) -> String {
    const NOT_VERIFIED: i32 = 60;
    let output = program("curl")
        .args(["-sS", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", "--cacert"])
        .arg(root)
        .arg(format!("https://mta-sts.{domain}/.well-known/mta-sts.txt"))
        .output()
        .unwrap();
    match output.status.code() {
        Some(0) => String::from_utf8(output.stdout).unwrap(),
        Some(NOT_VERIFIED) => "certificate refused".to_owned(),
        code => format!("error {code:?}"),
    }
}

const HEAD: &str = "\
# Real mail hosts, as Postfix's client and as mxray judge them

Postfix 3.7 serves, and `posttls-finger` asks, at the levels `verify` (PKIX) and `dane-only`; a host that it calls *untrusted* has a
certificate that is not for the name, or not trusted. mxray's columns are its verdicts and findings in the same words. What was
*spoken*: by posttls-finger at the level `may`, without a certificate only where nothing else is to be had; by mxray in a handshake
(rustls), or, in brackets, in the answer to a hello of its own (`--legacy-tls`). Postfix takes the first suite that it has of what is
offered: posttls-finger offers AES-256 first, mxray AES-128.
`scanner/cli/tests/cli/real.rs` makes this file.

| host | planted | PKIX: posttls-finger | mxray | DANE: posttls-finger | mxray | spoken: posttls-finger | mxray | mxray found | a difference, and why |
|---|---|---|---|---|---|---|---|---|---|
";

const POLICIES_HEAD: &str = "
# Policy hosts

nginx serves, by SNI at one address; curl and mxray fetch.

| host | planted | curl | mxray | mxray found |
|---|---|---|---|---|
";

/// How long the servers may take until they answer.
const STARTING: Duration = Duration::from_secs(30);

/// Why we do not say what posttls-finger says, of which hosts.
const EXPLAINED: &[(&[&str], &str)] = &[
    (
        &["nameinsubject"],
        "OpenSSL takes the common name where there are no alternative names; RFC 8461 §4.2 asks for a DNS-ID, and webpki knows no other",
    ),
    (
        &["staticrsa", "cbc", "dhe", "p521", "p521tls13"],
        "rustls has no such suite or group, RFC 9325 §4.2 recommends those that it has, and a sender like it fails as we do; what the host speaks is recorded",
    ),
    (
        &["oddtype"],
        "it calls the record unusable as well, but in the handshake, where `dane-only` then trusts nobody; RFC 7672 §2.2 asks for TLS without authentication",
    ),
];
