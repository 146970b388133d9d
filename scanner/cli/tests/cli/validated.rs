//! A signed world behind a resolver that validates: Unbound is told to trust the lab's root key, asks the lab, and believes
//! nothing that its signatures do not prove. What the scan makes of its AD bits is the truth, to the last column.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use mxray_evidence::RunDir;
use mxray_lab::{Lab, LabConfig, NETWORKS, Names, WorldParams};

use crate::mxray::{mxray, run, said};
use crate::unbound::{self, Unbound};

const DOMAINS: u64 = 200;

#[test]
fn what_unbound_validates_of_the_lab_is_the_truth_of_every_domain() {
    let Some(program) = unbound::installed() else {
        assert!(std::env::var_os("CI").is_none(), "unbound is not installed");
        return eprintln!("skipped: unbound is not installed");
    };
    let desk = tempfile::tempdir().unwrap();
    let lab = Lab::start(LabConfig {
        ledger: false,
        ..LabConfig::new(desk.path().join("lab"), 1, params(), Names::Invented(DOMAINS))
    })
    .unwrap();
    assert!(lab.write_truth(|_| true).unwrap());
    let port = unbound::free_port();
    let resolver = Unbound::start(&program, desk.path(), (port, lab.dns_addr().port()), &lab.anchor_path());
    resolver.wait();

    let out = desk.path().join("run");
    let scanned = said(&scan(&lab, resolver.address, &out).output().unwrap());
    assert_eq!(scanned.code, 0, "{}\n{}", scanned.stderr, resolver.log());
    let classified = run(&["classify", out.to_str().unwrap()]);
    assert_eq!(classified.code, 0, "{}", classified.stderr);
    let dir = RunDir::new(&out);
    let id = mxray_study::newest_classification(&dir).unwrap().id;
    let agreement = mxray_study::compare(&dir, &id, &desk.path().join("lab/truth")).unwrap();
    assert!(agreement.is_exact(), "{agreement:#?}\n{}", resolver.log());
    let planted = |rule: &str| -> u64 {
        agreement.rules.iter().filter(|of| of.rule == rule).map(|of| of.planted).sum()
    };
    for rule in
        ["dnssec-bogus", "tlsa-insecure", "tlsa-mismatch", "tlsa-behind-insecure-mx", "tlsa-lookup-fails"]
    {
        assert!(planted(rule) > 0, "{rule} is planted nowhere");
    }
}

/// The demo's world, without what costs a deadline, and without what a resolver in the middle says in other words: it
/// answers REFUSED and NOTIMP with a SERVFAIL of its own.
fn params() -> WorldParams {
    let mut params = WorldParams::default();
    params.defects.remove("tlsa-lookup-fails");
    params.defects.insert("tlsa-lookup-fails/servfail".to_owned(), 0.045);
    for slow in ["sts-host-unreachable/timeout", "sts-fetch-timeout"] {
        params.defects.remove(slow);
    }
    params
}

fn scan(lab: &Lab, resolver: SocketAddr, out: &Path) -> Command {
    let mut command = mxray(&["scan", "--ehlo-name", "scanner.example", "--contact", "you@example.net"]);
    command.arg(lab.names_path()).arg("--out").arg(out);
    command.args(["--address-rate", "none", "--prefix-rate", "none", "--operator-rate", "none"]);
    command.args(["--refusal-retries", "0", "--refusal-backoff", "none", "--dns-timeout", "20s"]);
    command.args(["--connect-timeout", "10s", "--policy-timeout", "30s", "--smtp-timeout", "30s"]);
    command.args(["--look-aside", "--fetch-without-record", "--legacy-tls"]);
    command.arg("--resolver").arg(resolver.to_string());
    command.arg("--https-port").arg(lab.https_port().to_string());
    command.arg("--smtp-port").arg(lab.smtp_port().to_string());
    command.arg("--trust-roots").arg(lab.ca_pem_path());
    for network in NETWORKS {
        command.args(["--allow-net", network]);
    }
    command
}
