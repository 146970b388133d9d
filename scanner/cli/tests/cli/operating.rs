//! What whoever runs a scan is told before and while it runs: the dry run, and metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::mxray::{mxray, said};
use crate::scanning::{Logging, Place, count, manifest, refused};

#[test]
fn a_dry_run_says_what_would_be_sent_and_sends_nothing() {
    let place = Place::with(20);
    let names = std::fs::read_to_string(place.lab.names_path()).unwrap();
    let first = names.lines().next().unwrap();
    let list = place.file("list", format!("# ours\n{names}{first}\nno domain\n").as_bytes());
    let opt_out = place.file("opt-out", format!("{first}\n192.0.2.0/24\n").as_bytes());
    let run = place.path("run");
    // A resolver that would hear of it.
    let resolver = UdpSocket::bind("127.0.0.1:0").unwrap();
    resolver.set_nonblocking(true).unwrap();
    let scan = |more: &[&str]| {
        let mut command = mxray(&["scan", "--ehlo-name", "scanner.example", "--contact", "you@example.net"]);
        command.arg(&list).arg("--out").arg(&run).arg("--opt-out").arg(&opt_out);
        command.args(["--resolver", &resolver.local_addr().unwrap().to_string(), "--dry-run"]).args(more);
        said(&command.output().unwrap())
    };
    let text = scan(&["--rate", "10"]);
    assert_eq!(text.code, 0, "{}", text.stderr);
    for words in [
        "23 lines = 19 domains + 4 rejects",
        "1 comment, 1 not-a-domain, 2 opt-out",
        "EHLO scanner.example; User-Agent: mxray/",
        "(+you@example.net)",
        "2 lines of the input;",
        "holds 1 domains, and 1 addresses and prefixes",
        "about 1.9 seconds",
    ] {
        assert!(text.stdout.contains(words), "{words:?} is not in {}", text.stdout);
    }
    let json = scan(&["--log", "json"]);
    let plan: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&plan["domains"], &plan["lookups"]["surely"]), (&19.into(), &(4 * 19).into()), "{plan}");
    assert_eq!(plan["pacing"]["address_connections_max"], 4);
    let most = scan(&["--log", "json", "--stages", "dns"]);
    let plan: Value = serde_json::from_str(&most.stdout).unwrap();
    assert_eq!(plan["policy_connections"]["at_most"], 0);
    assert_eq!(plan["smtp_connections"]["at_most"], 0);
    assert!(resolver.recv(&mut [0; 1]).is_err(), "nobody has heard of it");
    assert!(!run.exists(), "and nothing is written");
}

#[test]
fn a_dry_run_refuses_what_a_scan_refuses_and_tells_what_a_resumed_one_would_do() {
    let place = Place::with(30);
    let (names, run) = (place.lab.names_path(), place.path("run"));
    refused(place.scan(&place.path("nowhere"), &run).arg("--dry-run"), 2, &["nowhere"]);
    refused(place.scan(&names, &run).args(["--dry-run", "--resume"]), 2, &["--resume"]);
    let mut scan = Logging::start(place.scan(&names, &run).args([
        "--chunk-lines",
        "5",
        "--rate",
        "20",
        "--stages",
        "dns",
    ]));
    scan.until("chunk-committed");
    scan.interrupt();
    assert_eq!(scan.end(), 130);
    let before = manifest(&run);
    let lines = count(&before, "lines");
    let dry = ["--dry-run", "--resume", "--stages", "dns", "--log", "json"];
    let again = said(&place.scan(&names, &run).args(dry).output().unwrap());
    assert_eq!(again.code, 0, "{}", again.stderr);
    let plan: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!((&plan["lines_committed"], &plan["lines"]), (&lines.into(), &(30 - lines).into()), "{plan}");
    refused(place.scan(&names, &run).args(["--dry-run", "--resume"]), 2, &["stages"]);
    assert_eq!(manifest(&run), before, "nothing is written");
    let resuming = ["--resume", "--stages", "dns"];
    assert_eq!(said(&place.scan(&names, &run).args(resuming).output().unwrap()).code, 0);
    let done = said(&place.scan(&names, &run).args(resuming).arg("--dry-run").output().unwrap());
    assert!(done.code == 0 && done.stdout.contains("nothing would be done"), "{}", done.stdout);
}

/// What is answered to a request, head and body.
fn get(address: &str, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{request} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

/// Reads a page by the text exposition format 0.0.4: samples by name and labels, each behind the TYPE of its family.
fn samples(page: &str) -> BTreeMap<String, f64> {
    let mut types = BTreeMap::new();
    let mut helped = BTreeSet::new();
    let mut samples = BTreeMap::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            assert!(helped.insert(rest.split_once(' ').unwrap().0.to_owned()), "{line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{line}");
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let name = sample.split('{').next().unwrap();
            let word = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(name.chars().all(word), "{line}");
            let kind = types.get(name).unwrap_or_else(|| panic!("{line} has no type"));
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(
                samples.insert(sample.to_owned(), value.parse().unwrap()).is_none(),
                "{line} stands twice"
            );
        }
    }
    assert_eq!(helped, types.into_keys().collect());
    samples
}

#[test]
fn metrics_are_served_while_a_scan_runs_and_count_what_it_does() {
    let place = Place::with(10);
    let run = place.path("run");
    let mut command = place.scan(Path::new("-"), &run);
    let mut scan = Logging::start(command.args(["--metrics", "0", "--window", "1"]).stdin(Stdio::piped()));
    let address = scan.until("metrics")["address"].as_str().unwrap().to_owned();
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    let mut input = scan.child.stdin.take().unwrap();
    for index in 0..10 {
        writeln!(input, "{}", place.lab.world().name(index)).unwrap();
    }
    let page = loop {
        let (head, page) = get(&address, "GET /metrics");
        assert!(head.starts_with("http/1.1 200") && head.contains("text/plain; version=0.0.4"), "{head}");
        let now = samples(&page);
        if now["mxray_work_done_total{stage=\"domains\"}"] >= 10.0
            && now["mxray_work_in_flight{stage=\"sessions\"}"] == 0.0
        {
            break now;
        }
        std::thread::yield_now();
    };
    assert!((page["mxray_lines_total"] - 10.0).abs() < 1e-9);
    assert!(page["mxray_work_done_total{stage=\"lookups\"}"] >= 40.0);
    assert!(page["process_resident_memory_bytes"] > 1e6 && page["process_open_fds"] > 3.0);
    assert!(!page.contains_key("mxray_eta_seconds"), "of standard input nobody can say");
    assert!(get(&address, "GET /").0.starts_with("http/1.1 404"));
    assert!(get(&address, "POST /metrics").0.starts_with("http/1.1 405"));
    drop(input);
    scan.until("finished");
    assert_eq!(scan.end(), 0);
    assert!(TcpStream::connect(&address).is_err(), "it ends with the scan");
    // What stands in the document is what is served.
    let document = include_str!("../../../../OPERATIONS.md");
    for name in page.keys().map(|sample| sample.split('{').next().unwrap()) {
        assert!(document.contains(&format!("`{name}`")), "OPERATIONS.md does not tell of {name}");
    }
}

#[test]
fn a_port_that_is_taken_is_for_the_machine_to_mend() {
    let place = Place::with(1);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(
        place.scan(&place.lab.names_path(), &place.path("run")).args(["--metrics", &address]),
        3,
        &[&address, "metrics"],
    );
}
