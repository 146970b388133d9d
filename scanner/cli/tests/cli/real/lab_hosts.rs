//! The mail hosts of the lab, which plants what is wrong with them: Postfix's client says whether it is really so.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::Value;

use super::namespace;
use super::ours::{query, scan};
use super::posttls_finger::{Level, at_once, finger};
use crate::mxray::{golden, mxray};
use crate::unbound::{self, Unbound};

const DOMAINS: &str = "200";

#[test]
fn lab_hosts_are_judged_as_posttls_finger_judges_them() {
    let name = "real::lab_hosts::lab_hosts_are_judged_as_posttls_finger_judges_them";
    namespace::enter(name, &["unbound"], compare);
}

fn compare(desk: &Path) {
    let world = desk.join("lab");
    let lab = Lab::start(&world);
    // Who asks for DANE asks a resolver that validates.
    let unbound = unbound::installed().expect("the namespace was entered with it");
    let resolver = Unbound::start(&unbound, desk, (53, lab.dns_port), &world.join("root.key"));
    resolver.wait();
    let list = std::fs::read_to_string(world.join("names.txt")).unwrap();
    let domains: Vec<String> = list.lines().map(str::to_owned).collect();
    let run = scan(desk, &domains, &lab.ca);
    let hosts = query(&run, "SELECT host, starttls, certificate, refused_code FROM hosts ORDER BY host");
    let findings =
        query(&run, "SELECT DISTINCT subject, rule, cause FROM findings WHERE outcome = 'violation'");
    let signed = query(
        &run,
        "SELECT host FROM mail_hosts WHERE tlsa['security'] = 'secure' AND tlsa['records'] <> []",
    );
    let theirs = at_once(&hosts, |host| {
        let host = format!("[{}]", host["host"].as_str().unwrap());
        [Level::Verify, Level::Dane].map(|level| finger(&host, level, &lab.ca))
    });
    assert!(hosts.len() > 100, "a world with mail hosts");
    // How many there are of each is the world's affair.
    let mut rows = BTreeSet::new();
    for (host, theirs) in hosts.iter().zip(theirs) {
        let found = found(&findings, &host["host"]);
        let words = found.iter().cloned().collect::<Vec<_>>().join(" ");
        let pkix = pkix(host, &found);
        let dane = dane(&pkix, &found, signed.iter().any(|row| row["host"] == host["host"]));
        let [by_pkix, by_dane] = theirs.map(|finger| finger.verdict);
        rows.insert([words, by_pkix, pkix, by_dane, dane]);
    }
    let mut text = HEAD.to_owned();
    let mut surprises = Vec::new();
    for [found, by_pkix, pkix, by_dane, dane] in &rows {
        let differ = (by_pkix, by_dane) != (pkix, dane);
        let why = EXPLAINED.iter().find(|(rule, _)| differ && found.contains(rule));
        let why = why.map_or("", |(_, why)| why);
        if differ && why.is_empty() {
            surprises.push(format!("{found}: they say {by_pkix} and {by_dane}, we say {pkix} and {dane}"));
        }
        writeln!(text, "| {found} | {by_pkix} | {pkix} | {by_dane} | {dane} | {why} |").unwrap();
    }
    assert!(surprises.is_empty(), "{}\n{text}\n{}", surprises.join("\n"), resolver.log());
    golden("scanner/cli/tests/golden/lab_hosts.md", &text);
}

const HEAD: &str = "\
# The lab's mail hosts, as Postfix's client and as mxray judge them

A world of `mxray lab`, 200 domains, seed 1, behind an Unbound that trusts its root key: whatever is found at its mail hosts, in the
words of [real_servers.md](real_servers.md). `posttls-finger` is asked of the host at the levels `verify` (PKIX) and `dane-only`.
`scanner/cli/tests/cli/real/lab_hosts.rs` makes this file.

| mxray found | PKIX: posttls-finger | mxray | DANE: posttls-finger | mxray | a difference, and why |
|---|---|---|---|---|---|
";

/// Why they say otherwise, by a rule.
const EXPLAINED: &[(&str, &str)] = &[
    (
        "mx-unresolvable/not-global",
        "it connects to addresses that are not globally routable, where nobody answers; we leave them alone, and no sender reaches them",
    ),
    ("tlsa-unusable/digest-length", UNUSABLE),
    ("tlsa-unusable/malformed", UNUSABLE),
    ("tlsa-unusable/unknown-parameter", UNUSABLE),
];

const UNUSABLE: &str = "it calls the record unusable as well, but in the handshake, where `dane-only` then trusts nobody; RFC 7672 §2.2 \
    asks for TLS without authentication";

/// The rules that a host violates, with their causes.
fn found(findings: &[Value], host: &Value) -> BTreeSet<String> {
    let of_host = findings.iter().filter(|row| row["subject"] == *host);
    let words = of_host.map(|row| match (row["rule"].as_str(), row["cause"].as_str()) {
        (Some(rule), Some(cause)) => format!("{rule}/{cause}"),
        (rule, _) => rule.unwrap_or_default().to_owned(),
    });
    let is_hosts = |rule: &String| {
        ["mx-", "starttls-", "tlsa-", "dnssec-bogus/"].iter().any(|prefix| rule.starts_with(prefix))
    };
    // A host that does not match a policy is judged by the policy.
    words.filter(|rule| is_hosts(rule) && !rule.starts_with("mx-policy")).collect()
}

/// What they would call it.
fn pkix(host: &Value, found: &BTreeSet<String>) -> String {
    let finds = |rule: &str| found.iter().any(|found| found.starts_with(rule));
    let word = match (host["starttls"].as_str().unwrap(), host["certificate"].as_str().unwrap()) {
        // Nobody who validates has an address that does not.
        _ if finds("dnssec-bogus/address") => "no address",
        _ if finds("mx-unresolvable") && !finds("mx-unresolvable/cname") => "no address",
        _ if finds("starttls-handshake") => "handshake fails",
        ("absent" | "mangled", _) => "no STARTTLS",
        ("rejected", _) => "STARTTLS refused",
        ("offered", "valid") => "verified",
        ("offered", "invalid") => "untrusted",
        (starttls, certificate) => match host["refused_code"].as_u64() {
            Some(code) => return format!("refused {code}"),
            None if starttls == "unknown" => "no answer",
            None => return format!("{starttls} {certificate}"),
        },
    };
    word.to_owned()
}

/// The same under DANE, of a host that has TLSA records which are signed, or has none.
fn dane(pkix: &str, found: &BTreeSet<String>, is_signed: bool) -> String {
    let finds = |rule: &str| found.iter().any(|found| found.starts_with(rule));
    let word = match pkix {
        _ if finds("dnssec-bogus/tlsa") || finds("tlsa-lookup-fails") => "TLSA lookup fails",
        "no address" => "no address",
        _ if finds("tlsa-unusable/pkix-usage") => "unusable TLSA",
        _ if !is_signed || finds("tlsa-insecure") => "no TLSA",
        "verified" | "untrusted" if finds("tlsa-unusable") => "unusable TLSA",
        "verified" | "untrusted" if finds("tlsa-mismatch") || finds("tlsa-anchor") => "untrusted",
        "verified" | "untrusted" => "verified",
        without_tls => without_tls,
    };
    word.to_owned()
}

/// `mxray lab` at the ports of the real world but for DNS, until it is dropped.
struct Lab {
    process: Child,
    dns_port: u16,
    ca: std::path::PathBuf,
}

impl Lab {
    fn start(world: &Path) -> Self {
        let ports = ["--https-port", "443", "--smtp-port", "25"];
        let mut process = mxray(&["lab", "--domains", DOMAINS, "--format", "json"])
            .args(ports)
            .arg("--out")
            .arg(world)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let ready: Value = serde_json::from_str(&ready).unwrap();
        let dns: SocketAddr = ready["dns"].as_str().unwrap().parse().unwrap();
        Self { process, dns_port: dns.port(), ca: ready["ca"].as_str().unwrap().into() }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
