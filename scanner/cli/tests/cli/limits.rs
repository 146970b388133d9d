//! What the system allows a scan: few files.

use std::process::Command;

use mxray_evidence::{DomainRow, MailHostRow, PolicyRow, RunDir, SmtpSessionRow, Table};
use mxray_lab::{Lab, LabConfig, NETWORKS, Names, WorldParams};

/// How often a row of a table says that no descriptor was to be had.
fn wanting<T: Table>(run: &RunDir) -> usize {
    let mut wanting = 0;
    run.for_each(|row: T| {
        let text = serde_json::to_string(&row).unwrap();
        wanting += usize::from(text.contains("\"descriptors\""));
    })
    .unwrap();
    wanting
}

#[test]
fn a_scan_fits_into_64_open_files_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut params = WorldParams::default();
    // Every second answer comes over a connection of its own.
    params.dns.truncation = 0.5;
    let lab = Lab::start(LabConfig::new(folder.path().join("lab"), 1, params, Names::Invented(300))).unwrap();
    assert!(lab.write_truth(|_| true).unwrap());
    let run = folder.path().join("run");
    let said = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_mxray"), "scan"])
        .args(["--ehlo-name", "scanner.example", "--contact", "you@example.net"])
        .args(["--address-rate", "none", "--prefix-rate", "none", "--operator-rate", "none"])
        .args(["--refusal-retries", "0", "--refusal-backoff", "none", "--dns-timeout", "5s"])
        .args(["--policy-timeout", "2s", "--smtp-timeout", "2s", "--chunk-lines", "50"])
        .args(["--resolver", &lab.dns_addr().to_string()])
        .args(["--https-port", &lab.https_port().to_string(), "--smtp-port", &lab.smtp_port().to_string()])
        .args(["--allow-net", NETWORKS[0], "--allow-net", NETWORKS[1]])
        .arg(lab.names_path())
        .arg("--out")
        .arg(&run)
        .output()
        .unwrap();
    let words = String::from_utf8(said.stderr).unwrap();
    assert!(said.status.success(), "{words}");
    assert!(words.contains("the limit of 64 open files"), "{words}");
    let run = RunDir::new(run);
    let held = (
        wanting::<DomainRow>(&run),
        wanting::<MailHostRow>(&run),
        wanting::<PolicyRow>(&run),
        wanting::<SmtpSessionRow>(&run),
    );
    assert_eq!(held, (0, 0, 0, 0), "nothing was left out for want of a descriptor");
    let manifest = run.read_manifest().unwrap();
    assert_eq!((manifest.counts.lines, manifest.counts.domains), (300, 300));
    assert!(manifest.counts.smtp_sessions > 100, "{:?}", manifest.counts);
}
