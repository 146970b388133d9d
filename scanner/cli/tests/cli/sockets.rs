//! Fuzzing through the sockets: a lab that spoils its good replies (datagrams of DNS, records of TLS, words of SMTP and
//! HTTP) is scanned by the engine and judged, seed after seed. Whatever arrives: no panic, an end by the deadline, every row
//! written once, every bound kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mxray_engine::{
    EventSink, Extras, Input, PacingLimits, Progress, ScanConfig, ScanError, ScanSummary, Stop,
};
use mxray_evidence::{
    CertificateRow, DomainRow, Ending, HowEnded, Lookup, MailHostRow, PolicyRow, RunDir, SmtpSessionRow,
    Table,
};
use mxray_lab::{Lab, LabConfig, Mutation, NETWORKS, Names, WorldParams};
use mxray_study::ClassifyOptions;

/// Domains of one seed's world.
const DOMAINS: u64 = 60;
/// Seeds that are played in the gate.
const SEEDS: u64 = 3;
/// Worlds at a time.
const WORKERS: u64 = 4;
/// The share of replies of DNS that are spoilt: few enough that most hosts are found.
const REPLIES: f64 = 0.15;
/// The share of connections that are spoilt.
const CONNECTIONS: f64 = 0.7;
/// A spoilt address may be anybody's: all but 127.0.0.0/8 and `::1` have opted out.
const ELSEWHERE: &str = "0.0.0.0/2\n64.0.0.0/3\n96.0.0.0/4\n112.0.0.0/5\n120.0.0.0/6\n124.0.0.0/7\n126.0.0.0/8\n\
    128.0.0.0/1\n2000::/3\n64:ff9b::/96\n";
const QUERY: Duration = Duration::from_millis(300);
const CONNECT: Duration = Duration::from_millis(800);
const EXCHANGE: Duration = Duration::from_secs(1);
/// A busy machine's grace behind a deadline.
const GRACE: Duration = Duration::from_secs(8);
/// For a whole scan: it hangs when it is over.
const SCAN: Duration = Duration::from_mins(2);
/// Times that a scan is tried whose resolver does not answer.
const BEGINNINGS_MAX: u32 = 20;
const POLICY_BYTES_MAX: usize = 64 << 10;
const REPLY_BYTES_MAX: usize = 40 << 10;
const CHAIN_MAX: usize = 32;
const HEADERS_MAX: usize = 128;
const RECORDS_MAX: usize = 256;

static PANICS: AtomicU64 = AtomicU64::new(0);

#[test]
fn whatever_the_replies_are_spoilt_to_every_row_is_written_and_every_bound_is_kept() {
    let desk = Desk::new();
    let counts = desk.play_all(0, |seed| seed < SEEDS);
    assert!(counts.replies > 50 && counts.connections > 50, "{counts:?}");
    assert!(counts.rows > SEEDS * DOMAINS * 3, "{counts:?}");
}

#[test]
#[ignore = "as long as MXRAY_FUZZ_SECONDS says, from MXRAY_FUZZ_SEED on: scripts/fuzz-sockets runs it"]
fn long() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seconds = Duration::from_secs(number("MXRAY_FUZZ_SECONDS").unwrap_or(60));
    let first = number("MXRAY_FUZZ_SEED").unwrap_or(0);
    let began = Instant::now();
    let counts = Desk::new().play_all(first, |_| began.elapsed() < seconds);
    let (took, last) = (began.elapsed().as_secs(), first + counts.worlds - 1);
    println!("\n{took} seconds, seeds {first} to {last}\n{counts}\n");
    for (ending, count) in &counts.endings {
        println!("{count:>8}  {ending}");
    }
}

/// What was done, and what came of it.
#[derive(Debug, Default)]
struct Counts {
    worlds: u64,
    replies: u64,
    connections: u64,
    rows: u64,
    findings: u64,
    longest: Duration,
    /// For how long nothing of ours was let run, in the worst of the worlds.
    stalled: Duration,
    endings: BTreeMap<String, u64>,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { worlds, replies, connections, rows, findings, longest, stalled, endings } = self;
        write!(
            f,
            "{worlds} worlds, {replies} replies of DNS and {connections} connections spoilt, {rows} rows, {findings} findings, \
             {} ways to end, the longest exchange {:.1} s, the longest stall of the machine {:.1} s",
            endings.len(),
            longest.as_secs_f64(),
            stalled.as_secs_f64()
        )
    }
}

/// A folder, and the keys of all its worlds: RSA keys take their time.
struct Desk {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    stalls: Arc<Stalls>,
}

/// When this machine ran nothing of ours, and for how long: no deadline is kept by who is not let run.
#[derive(Default)]
struct Stalls(Mutex<Vec<(Instant, Duration)>>);

impl Stalls {
    /// Looks how late a short sleep ends, for as long as somebody wants to know.
    fn watch(this: &Arc<Self>) {
        const NAP: Duration = Duration::from_millis(20);
        const NOTED: Duration = Duration::from_millis(200);
        let this = Arc::downgrade(this);
        std::thread::spawn(move || {
            loop {
                let begin = Instant::now();
                std::thread::sleep(NAP);
                let Some(stalls) = this.upgrade() else { return };
                let late = begin.elapsed().saturating_sub(NAP);
                if late > NOTED {
                    stalls.0.lock().unwrap().push((begin, late));
                }
            }
        });
    }

    fn since(&self, begin: Instant) -> Duration {
        self.0.lock().unwrap().iter().filter(|(at, _)| *at >= begin).map(|(_, late)| *late).sum()
    }
}

impl Desk {
    fn new() -> Self {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::Relaxed);
            previous(panic);
        }));
        let folder = tempfile::tempdir().unwrap();
        let keys = LabConfig::new(folder.path().join("keys"), 1, WorldParams::clean(), Names::Invented(1));
        drop(Lab::start(keys).unwrap());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let stalls = Arc::default();
        Stalls::watch(&stalls);
        Self { folder, runtime: runtime.unwrap(), stalls }
    }

    /// Plays seed after seed, several at a time, while `goes_on`.
    fn play_all(&self, first: u64, goes_on: impl Fn(u64) -> bool + Sync) -> Counts {
        let (next, total) = (AtomicU64::new(first), Mutex::new(Counts::default()));
        std::thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if !goes_on(seed) {
                            return;
                        }
                        let mut counts = Counts::default();
                        self.play(seed, &mut counts);
                        let mut total = total.lock().unwrap();
                        total.add(counts);
                        if total.worlds.is_multiple_of(100) {
                            println!("after {} worlds: {total}", total.worlds);
                        }
                    }
                });
            }
        });
        total.into_inner().unwrap()
    }

    /// Scans and judges the world of a seed, and holds the run to what is promised of any.
    fn play(&self, seed: u64, counts: &mut Counts) {
        let (panics, begin) = (PANICS.load(Ordering::Relaxed), Instant::now());
        let home = self.folder.path().join(seed.to_string());
        fs::create_dir_all(home.join("lab")).unwrap();
        fs::copy(self.folder.path().join("keys/authority.json"), home.join("lab/authority.json")).unwrap();
        let config = LabConfig {
            ledger: false,
            mutation: Some(Mutation { seed, replies: REPLIES, connections: CONNECTIONS }),
            ..LabConfig::new(home.join("lab"), seed, WorldParams::default(), Names::Invented(DOMAINS))
        };
        let lab = Lab::start(config).unwrap();
        lab.write_truth(|_| true).unwrap();
        fs::write(home.join("elsewhere"), ELSEWHERE).unwrap();
        let summary = self.scan(&scan_config(&lab, &home), seed);
        assert_eq!(summary.how, HowEnded::Completed, "seed {seed}");
        let run = RunDir::new(home.join("run"));
        counts.stalled = self.stalls.since(begin);
        hold(&run, seed, counts);
        let options = ClassifyOptions::default();
        let classified = mxray_study::classify(&run, &options).unwrap();
        assert_eq!(classified.domains, DOMAINS, "seed {seed}: a verdict each");
        let (replies, connections) = lab.spoilt();
        counts.worlds += 1;
        counts.replies += replies;
        counts.connections += connections;
        counts.findings += classified.findings;
        assert_eq!(PANICS.load(Ordering::Relaxed), panics, "seed {seed}: something panicked");
        drop(lab);
        fs::remove_dir_all(&home).unwrap();
    }
}

impl Desk {
    fn scan(&self, config: &ScanConfig, seed: u64) -> ScanSummary {
        for _ in 0..BEGINNINGS_MAX {
            let progress = Arc::new(Progress::default());
            let scanning = mxray_engine::scan(config.clone(), progress, EventSink::none(), Stop::new());
            let scanned = self.runtime.block_on(async { tokio::time::timeout(SCAN, scanning).await });
            match scanned.unwrap_or_else(|_| panic!("seed {seed}: the scan hangs")) {
                Ok(summary) => return summary,
                // The lab had not a moment, on a machine that has much to do: nothing was begun.
                Err(ScanError::ResolverSilent { .. }) => {}
                Err(error) => panic!("seed {seed}: {error}"),
            }
        }
        panic!("seed {seed}: the lab does not answer");
    }
}

fn scan_config(lab: &Lab, home: &Path) -> ScanConfig {
    let limit = 256;
    ScanConfig {
        resolvers: vec![lab.dns_addr()],
        https_port: lab.https_port(),
        smtp_port: lab.smtp_port(),
        allow_nets: NETWORKS.iter().map(|net| net.parse().unwrap()).collect(),
        dns_timeout: QUERY,
        dns_retries: 1,
        connect_timeout: CONNECT,
        policy_timeout: EXCHANGE,
        smtp_timeout: EXCHANGE,
        pacing: PacingLimits {
            connections_max: limit,
            slow_connections_max: limit,
            address_connections_max: limit,
            address_rate: None,
            prefix_connections_max: limit,
            prefix_rate: None,
            operator_connections_max: limit,
            operator_rate: None,
            domain_rate: None,
        },
        extras: Extras::all(),
        opt_out: Some(home.join("elsewhere")),
        refusal_retries: 0,
        refusal_backoff: Duration::ZERO,
        policy_backoff: Duration::ZERO,
        chunk_lines: 16,
        ..ScanConfig::new(
            vec![Input::Path(lab.names_path())],
            home.join("run"),
            "fuzz.example",
            "https://fuzz.example/",
        )
    }
}

fn rows<T: Table>(run: &RunDir) -> Vec<T> {
    let mut rows = Vec::new();
    run.for_each(|row: T| rows.push(row)).unwrap();
    rows
}

/// Every row is there once, and none is larger or took longer than any may.
fn hold(run: &RunDir, seed: u64, counts: &mut Counts) {
    let (domains, policies) = (rows::<DomainRow>(run), rows::<PolicyRow>(run));
    let (hosts, sessions) = (rows::<MailHostRow>(run), rows::<SmtpSessionRow>(run));
    let once = |what: &str, names: Vec<String>| {
        let distinct: BTreeSet<String> = names.iter().cloned().collect();
        assert_eq!(distinct.len(), names.len(), "seed {seed}: {what} stand twice");
        distinct
    };
    let scanned = once("domains", domains.iter().map(|row| row.domain.to_string()).collect());
    assert_eq!(scanned.len() as u64, DOMAINS, "seed {seed}: each line has its row");
    let fetched = once("policies", policies.iter().map(|row| row.domain.clone()).collect());
    for row in domains.iter().filter(|row| !row.sts_txt.records.is_empty()) {
        assert!(fetched.contains(&*row.domain), "seed {seed}: {} has no policy's row", row.domain);
    }
    once("mail hosts", hosts.iter().map(|row| row.host.clone()).collect());
    let held = once("sessions", sessions.iter().map(|row| format!("{} {}", row.host, row.address)).collect());
    let addresses = hosts.iter().flat_map(|host| {
        host.a
            .records
            .iter()
            .chain(&host.aaaa.records)
            .map(|record| format!("{} {}", host.host, record.address))
    });
    assert_eq!(held, addresses.collect(), "seed {seed}: a session for each address of each host");

    for row in &domains {
        for (what, lookup) in [("mx", lookup(&row.mx)), ("ns", lookup(&row.ns))] {
            counts.note(what, &row.mx.ending, lookup, seed);
        }
        counts.note("txt", &row.sts_txt.ending, lookup(&row.sts_txt), seed);
        counts.note("txt", &row.tlsrpt_txt.ending, lookup(&row.tlsrpt_txt), seed);
        for aside in &row.aside_txt {
            counts.note("txt", &aside.ending, lookup(aside), seed);
        }
    }
    for row in &hosts {
        counts.note("a", &row.a.ending, lookup(&row.a), seed);
        counts.note("aaaa", &row.aaaa.ending, lookup(&row.aaaa), seed);
        counts.note("tlsa", &row.tlsa.ending, lookup(&row.tlsa), seed);
    }
    let mut shown: BTreeSet<Vec<u8>> = BTreeSet::new();
    for row in &policies {
        let took = Duration::from_micros(row.elapsed_us);
        counts.note("policy", &row.ending, (took, EXCHANGE), seed);
        let (body, headers) = (row.body.as_ref().map_or(0, |body| body.len()), row.headers.len());
        assert!(body <= POLICY_BYTES_MAX && headers <= HEADERS_MAX, "seed {seed}: {row:?}");
        shown.extend(row.tls.iter().flat_map(|tls| tls.chain.iter().map(|digest| digest.to_vec())));
    }
    for row in &sessions {
        // A word of farewell may wait for half a second, in the clear and inside.
        let took = Duration::from_micros(row.elapsed_us);
        counts.note("session", &row.ending, (took, EXCHANGE + Duration::from_secs(1)), seed);
        for reply in &row.replies {
            let bytes: usize = reply.lines.iter().map(|line| line.len()).sum();
            assert!(bytes <= REPLY_BYTES_MAX, "seed {seed}: a reply of {bytes} bytes");
        }
        for tls in row.tls.iter().map(|tls| &tls.chain).chain(row.legacy.iter().map(|hello| &hello.chain)) {
            assert!(tls.len() <= CHAIN_MAX, "seed {seed}: {} certificates", tls.len());
            shown.extend(tls.iter().map(|digest| digest.to_vec()));
        }
    }
    let known: BTreeSet<Vec<u8>> =
        rows::<CertificateRow>(run).into_iter().map(|row| row.sha256.to_vec()).collect();
    assert_eq!(known, shown, "seed {seed}: the certificates that were shown are there, and no other");
}

/// How long a lookup took, and how long it may: each query a timeout over UDP and one over TCP.
fn lookup<R>(lookup: &Lookup<R>) -> (Duration, Duration) {
    assert!(lookup.records.len() <= RECORDS_MAX, "{} records", lookup.records.len());
    let asked = u32::from(lookup.queries) + 1;
    (Duration::from_micros(lookup.elapsed_us), QUERY * 2 * asked)
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.worlds += other.worlds;
        self.replies += other.replies;
        self.connections += other.connections;
        self.rows += other.rows;
        self.findings += other.findings;
        self.longest = self.longest.max(other.longest);
        self.stalled = self.stalled.max(other.stalled);
        for (ending, count) in other.endings {
            *self.endings.entry(ending).or_default() += count;
        }
    }

    /// Counts a row, and holds it to its deadline.
    fn note(&mut self, what: &str, ending: &Ending, (took, most): (Duration, Duration), seed: u64) {
        assert!(
            took <= most + GRACE + self.stalled,
            "seed {seed}: {what} took {took:?} of {most:?}: {ending:?}"
        );
        self.rows += 1;
        self.longest = self.longest.max(took);
        let words = match ending {
            Ending::Completed => "completed".to_owned(),
            Ending::Stopped { stage, cause, .. } => format!("stopped at {stage}: {cause}"),
            Ending::Withheld { stage, cause, .. } => format!("withheld at {stage}: {cause}"),
        };
        *self.endings.entry(format!("{what}: {words}")).or_default() += 1;
    }
}
