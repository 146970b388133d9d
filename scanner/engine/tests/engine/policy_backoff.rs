//! Policy fetches that fail, of a run that is killed before their rows are on the disk (RFC 8461 §3.3).

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{A, TXT};
use hickory_proto::rr::{RData, Record, RecordType};
use mxray_engine::{Event, EventSink, Input, Progress, ScanConfig, ScanSummary, Stages, Stop, now, scan};
use mxray_evidence::{DomainRow, HowEnded, PolicyRow, RunDir};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::bench::{rows, runtime};
use crate::servers::{Identity, dns, read_head, reply, tcp};

const NAMES: &str = "fails-1.example\nserves-1.example\nfails-2.example\nserves-2.example\nfails-3.example\n";
const FAILING: [&str; 3] = ["fails-1.example", "fails-2.example", "fails-3.example"];
const SERVING: [&str; 2] = ["serves-1.example", "serves-2.example"];
/// Where the engine notes fetches that fail.
const NOTES: &str = "failed-fetches";
const HOUR: Duration = Duration::from_hours(1);
const BACKOFF: Duration = Duration::from_secs(3);

/// Every domain has an `_mta-sts` TXT and a policy host.
async fn resolver() -> SocketAddr {
    dns(|query, _| {
        let question = &query.queries[0];
        let is_record = question.name().to_ascii().starts_with("_mta-sts.");
        let data = match question.query_type() {
            RecordType::TXT if is_record => Some(RData::TXT(TXT::new(vec!["v=STSv1; id=1;".to_owned()]))),
            RecordType::A => Some(RData::A(A(Ipv4Addr::LOCALHOST))),
            _ => None,
        };
        let records: Vec<Record> =
            data.into_iter().map(|data| Record::from_rdata(question.name().clone(), 60, data)).collect();
        vec![reply(query, ResponseCode::NoError, &records).to_vec().unwrap()]
    })
    .await
}

/// When a domain's policy was asked for.
type Requests = Arc<Mutex<HashMap<String, Vec<Instant>>>>;

/// A policy host for all, which fails those domains that are called so.
async fn policy_host() -> (SocketAddr, Requests) {
    let tls = Identity::self_signed(&["policies.example"]).acceptor();
    let requests = Requests::default();
    let log = Arc::clone(&requests);
    let server = tcp(move |stream| {
        let (tls, log) = (tls.clone(), Arc::clone(&log));
        async move {
            // One that was killed says no more.
            let Ok(mut stream) = tls.accept(stream).await else { return };
            let Some(head) = read_head(&mut stream).await else { return };
            let head = head.to_lowercase();
            let host = head.lines().find_map(|line| line.strip_prefix("host: mta-sts.")).unwrap();
            let domain = host.split(':').next().unwrap().to_owned();
            let status = if domain.starts_with("fails") { "500 Out of order" } else { "200 OK" };
            log.lock().unwrap().entry(domain).or_default().push(Instant::now());
            let policy = "version: STSv1\nmode: none\nmax_age: 86400\n";
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{policy}", policy.len());
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    })
    .await;
    (server, requests)
}

fn config(input: Input, run: &Path, dns: SocketAddr, https: u16) -> ScanConfig {
    ScanConfig {
        resolvers: vec![dns],
        https_port: https,
        stages: Stages { policy: true, smtp: false },
        allow_nets: vec!["127.0.0.0/8".parse().unwrap()],
        window_lines: 1,
        policy_backoff: HOUR,
        resume: run.join("run.json").exists(),
        ..ScanConfig::new(vec![input], run, "scan.example.net", "https://example.net/scan")
    }
}

/// What the child is told, as words: the DNS server's address, a port, the run.
const CHILD: &str = "MXRAY_TEST_POLICY_CHILD";

#[test]
#[ignore = "the child of the test below, which calls it by name"]
fn child() {
    let words = std::env::var(CHILD).expect("words of the parent's");
    let words: Vec<&str> = words.split_whitespace().collect();
    let (dns, https) = (words[0].parse().expect("an address"), words[1].parse().expect("a port"));
    let events = EventSink::new(|event| {
        if let Event::BackingOff { policies, .. } = event {
            println!("\nbacks off {policies}");
        }
    });
    let config = config(Input::Stdin, Path::new(words[2]), dns, https);
    runtime().block_on(scan(config, Arc::new(Progress::default()), events, Stop::new())).expect("a scan");
}

/// A place to scan in, and whom to scan.
struct Place {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    dns: SocketAddr,
    https: SocketAddr,
    requests: Requests,
}

impl Place {
    fn new() -> Self {
        let (folder, runtime) = (tempfile::tempdir().unwrap(), runtime());
        let dns = runtime.block_on(resolver());
        let (https, requests) = runtime.block_on(policy_host());
        fs::write(folder.path().join("list"), NAMES).unwrap();
        Self { folder, runtime, dns, https, requests }
    }

    fn run(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    fn noted(&self) -> String {
        fs::read_to_string(self.run().join(NOTES)).unwrap_or_default()
    }

    fn config(&self) -> ScanConfig {
        config(Input::Path(self.folder.path().join("list")), &self.run(), self.dns, self.https.port())
    }

    /// Scans in a process of its own; the lines stand in its input, which is not closed.
    fn child(&self) -> Child {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "policy_backoff::child", "--ignored", "--nocapture"])
            .env(CHILD, format!("{} {} {}", self.dns, self.https.port(), self.run().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        child.stdin.as_mut().expect("its input").write_all(NAMES.as_bytes()).expect("write");
        child
    }

    /// Scans in a process that is killed when it has noted every failure.
    fn kill_once_all_have_failed(&self) {
        let mut child = self.child();
        while self.noted().matches('\n').count() < FAILING.len() {
            assert!(child.try_wait().expect("a state").is_none(), "it has ended by itself");
            std::thread::yield_now();
        }
        kill(child);
    }

    /// Scans here; `each` gets every event, and the switch.
    fn scan(&self, config: ScanConfig, each: impl Fn(&Event, &Stop) + Send + Sync + 'static) -> ScanSummary {
        let (stop, progress) = (Stop::new(), Arc::new(Progress::default()));
        let switch = stop.clone();
        let events = EventSink::new(move |event| each(&event, &switch));
        self.runtime.block_on(scan(config, progress, events, stop)).expect("a scan")
    }

    /// How often each of the failing was asked.
    fn asked(&self) -> Vec<usize> {
        let requests = self.requests.lock().unwrap();
        FAILING.iter().map(|domain| requests.get(*domain).map_or(0, Vec::len)).collect()
    }
}

fn kill(mut child: Child) {
    child.kill().expect("SIGKILL");
    assert_eq!(child.wait().expect("an end").signal(), Some(9));
}

fn domains_of(rows: &[PolicyRow]) -> Vec<&str> {
    let mut domains: Vec<&str> = rows.iter().map(|row| row.domain.as_str()).collect();
    domains.sort_unstable();
    domains
}

#[test]
fn rfc8461_3_3_a_fetch_that_failed_is_not_made_again_at_once_by_a_run_that_was_killed() {
    let place = Place::new();
    // While its input may go on, nothing is committed; then it is killed.
    place.kill_once_all_have_failed();
    assert_eq!(rows::<DomainRow>(&place.run()).len(), 0);
    assert_eq!(place.asked(), [1, 1, 1]);

    // It reads all lines again, and does everything but those fetches; killed while it waits for these, too.
    let mut child = place.child();
    drop(child.stdin.take());
    let said = BufReader::new(child.stdout.take().expect("its words")).lines();
    let waits = said.map(|line| line.expect("text")).find(|line| line.starts_with("backs off"));
    assert_eq!(waits.as_deref(), Some("backs off 3"));
    let policies = rows::<PolicyRow>(&place.run());
    assert_eq!((domains_of(&policies), rows::<DomainRow>(&place.run()).len()), (SERVING.to_vec(), 5));
    kill(child);

    // Now they are owed by rows that are on the disk. Being told to stop ends the wait, of an hour.
    let begun = now();
    let told = place.scan(place.config(), move |event, stop| {
        if let Event::BackingOff { policies, until } = event {
            assert_eq!(*policies, 3);
            assert!(*until <= begun + 3_600_000_000);
            stop.drain();
        }
    });
    assert_eq!((told.how, told.counts.policies, place.asked()), (HowEnded::Interrupted, 2, vec![1, 1, 1]));

    // Load can but lengthen the time that lies between.
    let summary = place.scan(ScanConfig { policy_backoff: BACKOFF, ..place.config() }, |_, _| {});
    assert_eq!((summary.how, summary.counts.policies), (HowEnded::Completed, 5));
    let policies = rows::<PolicyRow>(&place.run());
    assert_eq!(domains_of(&policies), [&FAILING[..], &SERVING].concat(), "each has one row");
    assert_eq!(place.asked(), [2, 2, 2]);
    for (domain, times) in place.requests.lock().unwrap().iter().filter(|(_, times)| times.len() == 2) {
        let apart = times[1] - times[0];
        assert!(domain.starts_with("serves") || apart >= BACKOFF, "{domain}: {apart:?}");
    }
    let left: Vec<_> = fs::read_dir(place.run()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains(NOTES)), "{left:?}");
    assert_eq!(RunDir::new(place.run()).read_manifest().unwrap().config["policy_backoff"], 3_600.0);
}

#[test]
fn without_a_back_off_a_killed_run_fetches_again_at_once() {
    let place = Place::new();
    place.kill_once_all_have_failed();
    let impatient = ScanConfig { policy_backoff: Duration::ZERO, ..place.config() };
    let summary = place.scan(impatient, |event, _| {
        assert!(!matches!(event, Event::BackingOff { .. }), "it waits");
    });
    assert_eq!((summary.how, place.asked()), (HowEnded::Completed, vec![2, 2, 2]));
    assert!(!place.run().join(NOTES).exists());
}
