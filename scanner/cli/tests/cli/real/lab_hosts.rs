//! The mail hosts of the lab, which plants what is wrong with them: Postfix's client says whether it is really so.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::Value;

use super::namespace;
use super::ours::{query, scan};
use super::posttls_finger::{Level, at_once, finger};
use crate::mxray::{golden, mxray};

const DOMAINS: &str = "200";

#[test]
fn lab_hosts_are_judged_as_posttls_finger_judges_them() {
    namespace::enter("real::lab_hosts::lab_hosts_are_judged_as_posttls_finger_judges_them", &[], compare);
}

fn compare(desk: &Path) {
    let world = desk.join("lab");
    let lab = Lab::start(&world);
    let list = std::fs::read_to_string(world.join("names.txt")).unwrap();
    let domains: Vec<String> = list.lines().map(str::to_owned).collect();
    let run = scan(desk, &domains, &lab.ca);
    let hosts = query(&run, "SELECT host, starttls, certificate, refused_code FROM hosts ORDER BY host");
    let findings =
        query(&run, "SELECT DISTINCT subject, rule, cause FROM findings WHERE outcome = 'violation'");
    let theirs = at_once(&hosts, |host| {
        finger(&format!("[{}]", host["host"].as_str().unwrap()), Level::Verify, &lab.ca)
    });
    assert!(hosts.len() > 100, "a world with mail hosts");
    // How many there are of each is the world's affair.
    let mut rows = BTreeSet::new();
    for (host, theirs) in hosts.iter().zip(theirs) {
        let found = found(&findings, &host["host"]);
        let words = found.iter().cloned().collect::<Vec<_>>().join(" ");
        rows.insert([words, pkix(host, &found), theirs.verdict]);
    }
    let mut text = HEAD.to_owned();
    let mut surprises = Vec::new();
    for [found, ours, theirs] in &rows {
        let why = EXPLAINED.iter().find(|(rule, _)| ours != theirs && found.contains(rule));
        let why = why.map_or("", |(_, why)| why);
        if ours != theirs && why.is_empty() {
            surprises.push(format!("{found}: they say {theirs}, we say {ours}"));
        }
        writeln!(text, "| {found} | {theirs} | {ours} | {why} |").unwrap();
    }
    assert!(surprises.is_empty(), "{}\n{text}", surprises.join("\n"));
    golden("scanner/cli/tests/golden/lab_hosts.md", &text);
}

const HEAD: &str = "\
# The lab's mail hosts, as Postfix's client and as mxray judge them

A world of `mxray lab`, 200 domains, seed 1: whatever is found at its mail hosts, in the words of
[real_servers.md](real_servers.md). `posttls-finger` is asked at the level `verify`. `scanner/cli/tests/cli/real/lab_hosts.rs` makes this file.

| mxray found | posttls-finger | mxray | a difference, and why |
|---|---|---|---|
";

/// Why they say otherwise, by a rule.
const EXPLAINED: &[(&str, &str)] = &[(
    "mx-unresolvable/not-global",
    "it connects to addresses that are not globally routable, where nobody answers; we leave them alone, and no sender reaches them",
)];

/// The rules that a host violates, with their causes.
fn found(findings: &[Value], host: &Value) -> BTreeSet<String> {
    let of_host = findings.iter().filter(|row| row["subject"] == *host);
    let words = of_host.map(|row| match (row["rule"].as_str(), row["cause"].as_str()) {
        (Some(rule), Some(cause)) => format!("{rule}/{cause}"),
        (rule, _) => rule.unwrap_or_default().to_owned(),
    });
    let is_hosts = |rule: &String| {
        rule.starts_with("mx-") || rule.starts_with("starttls-") || rule == "dnssec-bogus/address"
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

/// `mxray lab` at the ports of the real world, until it is dropped.
struct Lab {
    process: Child,
    ca: std::path::PathBuf,
}

impl Lab {
    fn start(world: &Path) -> Self {
        let ports = ["--dns-port", "53", "--https-port", "443", "--smtp-port", "25"];
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
        Self { process, ca: ready["ca"].as_str().unwrap().into() }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
