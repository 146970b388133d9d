//! `mxray scan`, against a lab in this process.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use mxray_lab::{Lab, LabConfig, NETWORKS, Names, WorldParams};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::mxray::{Said, mxray, said};

/// A small world, and a folder for everything.
pub(crate) struct Place {
    pub(crate) lab: Lab,
    folder: TempDir,
    /// Deadlines of a query, a policy fetch and a session.
    deadlines: [&'static str; 3],
}

impl Place {
    /// Everything in it answers, so that nothing has to be waited for, and deadlines are so long that a machine which has other
    /// work meets none of them.
    pub(crate) fn with(domains: u64) -> Self {
        Self { deadlines: ["10s", "1m", "1m"], ..Self::of(domains, WorldParams::clean()) }
    }

    pub(crate) fn of(domains: u64, params: WorldParams) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names = Names::Invented(domains);
        let lab = Lab::start(LabConfig::new(folder.path().join("lab"), 1, params, names)).unwrap();
        assert!(lab.write_truth(|_| true).unwrap());
        Self { lab, folder, deadlines: ["1s", "5s", "5s"] }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    /// A scan of `input` into `out`, ready to run.
    pub(crate) fn scan(&self, input: &Path, out: &Path) -> Command {
        let mut command = mxray(&["scan", "--ehlo-name", "scanner.example", "--contact", "you@example.net"]);
        command.arg(input).arg("--out").arg(out);
        command.args(["--address-rate", "none", "--prefix-rate", "none", "--operator-rate", "none"]);
        command.args(["--refusal-retries", "0", "--refusal-backoff", "none", "--policy-backoff", "none"]);
        let [query, fetch, session] = self.deadlines;
        command.args(["--dns-timeout", query, "--policy-timeout", fetch, "--smtp-timeout", session]);
        command.arg("--resolver").arg(self.lab.dns_addr().to_string());
        command.arg("--https-port").arg(self.lab.https_port().to_string());
        command.arg("--smtp-port").arg(self.lab.smtp_port().to_string());
        command.arg("--trust-roots").arg(self.lab.ca_pem_path());
        for network in NETWORKS {
            command.args(["--allow-net", network]);
        }
        command
    }

    /// Scans `input` to the end.
    pub(crate) fn completes(&self, input: &Path, out: &Path) -> (Said, Value) {
        let said = said(&self.scan(input, out).output().unwrap());
        assert_eq!(said.code, 0, "{}", said.stderr);
        assert_eq!(said.stdout, "");
        (said, manifest(out))
    }
}

pub(crate) fn manifest(run: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(run.join("run.json")).unwrap()).unwrap()
}

pub(crate) fn count(manifest: &Value, table: &str) -> u64 {
    manifest["counts"][table].as_u64().unwrap()
}

/// Ends with `code` and one line that has every one of `words`.
pub(crate) fn refused(command: &mut Command, code: i32, words: &[&str]) {
    let said = said(&command.output().unwrap());
    assert_eq!(said.code, code, "{}", said.stderr);
    assert_eq!(said.stdout, "");
    assert_eq!(said.stderr.lines().count(), 1, "{}", said.stderr);
    for word in words {
        assert!(said.stderr.contains(word), "{word:?} is not in {}", said.stderr);
    }
}

#[test]
fn a_scan_fills_every_table_and_says_so() {
    let place = Place::with(40);
    let (said, manifest) = place.completes(&place.lab.names_path(), &place.path("run"));
    assert_eq!((count(&manifest, "lines"), count(&manifest, "domains")), (40, 40));
    assert_eq!(manifest["how_ended"], "completed");
    for table in ["policies", "mail_hosts", "smtp_sessions", "certificates"] {
        assert!(count(&manifest, table) > 0, "{table}: {manifest}");
    }
    for words in ["scan completed", "40 lines = 40 domains + 0 rejects", "next: "] {
        assert!(said.stderr.contains(words), "{words:?} is not in {}", said.stderr);
    }
}

#[test]
fn the_manifest_remembers_the_roots_with_their_text() {
    let place = Place::with(1);
    let (_, manifest) = place.completes(&place.lab.names_path(), &place.path("run"));
    let root = &manifest["config"]["extra"]["trust_roots"][0];
    let pem = place.lab.ca_pem_path();
    assert_eq!(root["name"], pem.to_str().unwrap());
    assert_eq!(root["pem"], std::fs::read_to_string(&pem).unwrap());
}

#[test]
fn what_is_in_a_stage_that_is_left_out_is_not_asked() {
    let place = Place::with(20);
    let run = place.path("run");
    let said = said(&place.scan(&place.lab.names_path(), &run).args(["--stages", "dns"]).output().unwrap());
    assert_eq!(said.code, 0, "{}", said.stderr);
    let manifest = manifest(&run);
    assert!(count(&manifest, "mail_hosts") > 0);
    assert_eq!((count(&manifest, "policies"), count(&manifest, "smtp_sessions")), (0, 0));
}

#[test]
fn nobody_is_probed_by_nobody() {
    let place = Place::with(1);
    let (names, out) = (place.lab.names_path(), place.path("run"));
    let scan = |rest: &[&str]| {
        let mut command = mxray(&["scan", names.to_str().unwrap(), "--out", out.to_str().unwrap()]);
        command.args(rest);
        command
    };
    refused(&mut scan(&[]), 2, &["--ehlo-name", "--contact"]);
    refused(&mut scan(&["--contact", "you@example.net"]), 2, &["--ehlo-name"]);
    refused(&mut scan(&["--ehlo-name", "scanner.example", "--contact", " "]), 2, &["--contact"]);
    assert!(!out.exists());
}

#[test]
fn input_without_a_domain_is_wrong_and_leaves_a_run_that_says_why() {
    let place = Place::with(1);
    for (name, bytes, lines) in [("empty", &b""[..], 0), ("junk", &b"\x00\xfe\n..\n"[..], 2)] {
        let run = place.path(&format!("run-{name}"));
        let told = format!("not one domain in {lines} lines");
        refused(&mut place.scan(&place.file(name, bytes), &run), 2, &[&told, "rejects"]);
        let manifest = manifest(&run);
        assert_eq!((count(&manifest, "lines"), count(&manifest, "rejects")), (lines, lines), "{name}");
        assert_eq!(manifest["how_ended"], "completed", "{name}");
        assert!(run.join("domains/part-000000.parquet").is_file(), "{name}");
    }
}

#[test]
fn input_that_nobody_should_send_is_rejected_line_by_line() {
    let place = Place::with(1);
    let good = place.lab.world().name(0).into_owned();
    let after = |bad: Vec<u8>| [bad, b"\n".to_vec(), good.clone().into_bytes(), b"\n".to_vec()].concat();
    let binary: Vec<u8> = (0..100_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (name, bytes) in [
        ("long", after(vec![b'a'; 10 << 20])),
        ("dots", after(vec![b'.'; 1_000_000])),
        ("binary", after(binary)),
    ] {
        let lines = bytes.split(|byte| *byte == b'\n').count() as u64 - 1;
        let (said, manifest) =
            place.completes(&place.file(name, &bytes), &place.path(&format!("run-{name}")));
        assert_eq!(count(&manifest, "lines"), lines, "{name}");
        assert_eq!(
            count(&manifest, "domains") + count(&manifest, "rejects"),
            lines,
            "{name}: {}",
            said.stderr
        );
        assert_eq!(count(&manifest, "domains"), 1, "{name}: the good line after it is measured");
    }
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_written() {
    let place = Place::with(1);
    let (names, run) = (place.lab.names_path(), place.path("run"));
    let table = place.file("table.csv", b"rank,domain\n1,example.test\n");
    refused(place.scan(&table, &run).args(["--column", "host"]), 2, &["\"host\"", "domain"]);
    refused(&mut place.scan(&place.path("nowhere.txt"), &run), 2, &["nowhere.txt"]);
    let roots = place.file("no.pem", b"no certificate");
    refused(place.scan(&names, &run).arg("--trust-roots").arg(&roots), 2, &["no.pem"]);
    refused(place.scan(&names, &run).arg("--resume"), 2, &["--resume"]);
    assert!(!run.exists());
}

#[test]
fn a_folder_that_holds_something_is_left_as_it_is() {
    let place = Place::with(2);
    let (names, run) = (place.lab.names_path(), place.path("run"));
    place.completes(&names, &run);
    let before = std::fs::read(run.join("run.json")).unwrap();
    refused(&mut place.scan(&names, &run), 2, &["is not empty", "--resume"]);
    assert_eq!(std::fs::read(run.join("run.json")).unwrap(), before);
    let again = said(&place.scan(&names, &run).arg("--resume").output().unwrap());
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert!(again.stderr.contains("nothing to do"), "{}", again.stderr);
    assert_eq!(std::fs::read(run.join("run.json")).unwrap(), before);
}

#[test]
fn a_folder_that_cannot_be_made_is_for_the_machine_to_mend() {
    let place = Place::with(1);
    let names = place.lab.names_path();
    refused(&mut place.scan(&names, Path::new("/proc/mxray/run")), 3, &["/proc/mxray/run", "--out"]);
}

#[test]
fn a_resolver_that_does_not_answer_is_named() {
    let place = Place::with(1);
    let (names, run) = (place.lab.names_path(), place.path("run"));
    // Held, never read: it takes queries and says nothing.
    let deaf = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = deaf.local_addr().unwrap().to_string();
    let mut command = mxray(&["scan", "--ehlo-name", "s.example", "--contact", "you@example.net"]);
    command.arg(&names).arg("--out").arg(&run).args(["--resolver", &address]);
    command.args(["--dns-timeout", "50ms", "--dns-retries", "1"]);
    refused(&mut command, 3, &[&address, "--resolver"]);
    assert!(!run.exists());
}

/// A scan that logs as JSON, and its log.
pub(crate) struct Logging {
    pub(crate) child: Child,
    log: std::io::Lines<BufReader<ChildStderr>>,
}

impl Logging {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.args(["--log", "json"]).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, log }
    }

    /// Reads until the event is there.
    pub(crate) fn until(&mut self, name: &str) -> Value {
        loop {
            let line = self.log.next().unwrap_or_else(|| panic!("no {name} before the end")).unwrap();
            let event: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line}: {e}"));
            if event["event"] == name {
                return event;
            }
        }
    }

    pub(crate) fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
    }

    /// The rest of the log, each line JSON, and the exit code.
    pub(crate) fn end(mut self) -> i32 {
        for line in self.log {
            serde_json::from_str::<Value>(&line.unwrap()).unwrap();
        }
        self.child.wait().unwrap().code().unwrap()
    }
}

#[test]
fn ctrl_c_drains_and_resume_completes() {
    let place = Place::with(300);
    let (names, run) = (place.lab.names_path(), place.path("run"));
    let slowly = ["--chunk-lines", "20", "--rate", "50"];
    let mut scan = Logging::start(place.scan(&names, &run).args(slowly));
    scan.until("chunk-committed");
    scan.interrupt();
    scan.until("draining");
    let finished = scan.until("finished");
    assert_eq!(finished["how"], "interrupted");
    assert_eq!(scan.end(), 130);
    let drained = manifest(&run);
    let lines = count(&drained, "lines");
    assert!((20..300).contains(&lines), "{drained}");
    assert_eq!(count(&drained, "domains"), lines, "what was admitted was kept");

    let resumed = said(&place.scan(&names, &run).args(["--resume", "--chunk-lines", "20"]).output().unwrap());
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    let (whole, straight) = (manifest(&run), place.completes(&names, &place.path("straight")).1);
    assert_eq!(whole["how_ended"], "completed");
    assert_eq!(whole["counts"], straight["counts"], "as many rows as a run that was not disturbed");
}

#[test]
fn a_scan_whose_time_is_up_says_so_by_its_code_and_can_be_gone_on_with() {
    let place = Place::with(300);
    let (names, run) = (place.lab.names_path(), place.path("run"));
    let slowly = ["--chunk-lines", "20", "--rate", "50", "--max-runtime", "1500ms"];
    let mut scan = Logging::start(place.scan(&names, &run).args(slowly));
    assert_eq!(scan.until("draining")["reason"], "out-of-time");
    assert_eq!(scan.until("finished")["how"], "interrupted");
    assert_eq!(scan.end(), 5);
    let stopped = manifest(&run);
    let lines = count(&stopped, "lines");
    assert!((1..300).contains(&lines), "{stopped}");
    assert_eq!(count(&stopped, "domains"), lines, "what was admitted was kept");

    let resuming = ["--resume", "--max-runtime", "10m"];
    let resumed = said(&place.scan(&names, &run).args(resuming).output().unwrap());
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert_eq!((count(&manifest(&run), "lines"), count(&manifest(&run), "domains")), (300, 300));
}

#[test]
fn a_time_that_is_up_before_anything_was_asked_leaves_nothing() {
    let place = Place::with(1);
    let run = place.path("run");
    // Standard input that never says a word.
    let mut child = place
        .scan(Path::new("-"), &run)
        .args(["--max-runtime", "50ms"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let input = child.stdin.take();
    assert_eq!(child.wait().unwrap().code(), Some(5));
    drop(input);
    assert!(!run.exists());
}

#[test]
fn the_second_ctrl_c_does_not_wait_for_what_is_in_flight() {
    let place = Place::of(1, WorldParams::only("sts-fetch-timeout", None).unwrap());
    let run = place.path("run");
    // Kept open: the input has not ended, and no window of it is full but one of a line.
    let input = ["--window", "1"];
    let mut scan = Logging::start(place.scan(Path::new("-"), &run).args(input).stdin(Stdio::piped()));
    let mut input = scan.child.stdin.take().unwrap();
    writeln!(input, "{}", place.lab.world().name(0)).unwrap();
    let progress = scan.until("progress");
    assert_eq!(progress["policies"]["in_flight"], 1, "{progress}");
    scan.interrupt();
    scan.until("draining");
    scan.interrupt();
    assert_eq!(scan.until("finished")["how"], "interrupted");
    assert_eq!(scan.end(), 130);
    assert_eq!(count(&manifest(&run), "policies"), 0, "what was in flight is measured again");
}

#[test]
fn a_failure_is_a_line_of_json_where_lines_of_json_are_read() {
    let place = Place::with(1);
    let mut scan = Logging::start(&mut place.scan(&place.path("nowhere.txt"), &place.path("run")));
    assert!(scan.until("failed")["message"].as_str().unwrap().contains("nowhere.txt"));
    assert_eq!(scan.end(), 2);
}
