//! Runs: undisturbed, interrupted, crashed, resumed, refused.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mxray_engine::{
    ErrorClass, Event, EventSink, Input, PacingLimits, Progress, ScanConfig, ScanError, Stages, Stop, scan,
};
use mxray_evidence::{
    CertificateRow, Counts, DomainRow, HowEnded, MailHostRow, PolicyRow, RejectRow, RunDir, SmtpSessionRow,
    Table,
};
use mxray_lab::WorldParams;
use parquet::record::RowAccessor;

use crate::bench::{Bench, assert_same, evidence, recorder, rows, runtime};
use crate::crash::crash;

/// A world in which everything that the lab knows goes wrong somewhere.
pub(crate) fn demo(domains: u64) -> Bench {
    Bench::new(domains, WorldParams::default())
}

pub(crate) fn resumed(config: &ScanConfig) -> ScanConfig {
    ScanConfig { resume: true, ..config.clone() }
}

#[test]
fn every_line_has_a_row_and_everything_is_probed_once() {
    let bench = demo(300);
    let names = fs::read_to_string(bench.lab.names_path()).expect("names");
    let input = bench.input("list", format!("# names\n\n{names}com\n192.0.2.1\n{names}"));
    let config = ScanConfig { chunk_lines: 64, ..bench.config(input, "run") };
    let summary = bench.scan(config).expect("a scan");
    let run = bench.out("run");
    assert_eq!(summary.how, HowEnded::Completed);
    let domains = rows::<DomainRow>(&run);
    let rejects = rows::<RejectRow>(&run);
    assert_eq!((domains.len(), rejects.len()), (300, 304));
    let lines: BTreeSet<u64> =
        domains.iter().map(|row| row.line).chain(rejects.iter().map(|row| row.line)).collect();
    assert_eq!(lines, (1..=604).collect(), "each line has one row");
    assert_eq!((summary.counts.lines, summary.counts.domains, summary.counts.rejects), (604, 300, 304));

    let policies = rows::<PolicyRow>(&run);
    let with_txt: BTreeSet<&str> =
        domains.iter().filter(|d| !d.sts_txt.records.is_empty()).map(|d| d.domain.as_str()).collect();
    assert_eq!(policies.iter().map(|p| p.domain.as_str()).collect::<BTreeSet<_>>(), with_txt);
    assert_eq!(policies.len(), with_txt.len());
    assert!(!policies.is_empty());

    let hosts = rows::<MailHostRow>(&run);
    let distinct: HashSet<&str> = hosts.iter().map(|host| host.host.as_str()).collect();
    assert_eq!(distinct.len(), hosts.len(), "a host is looked up once");
    let sessions = rows::<SmtpSessionRow>(&run);
    let pairs: BTreeSet<(&str, &str)> =
        sessions.iter().map(|s| (s.host.as_str(), s.address.as_str())).collect();
    assert_eq!(pairs.len(), sessions.len(), "a host is probed once at each address");
    let named: BTreeSet<(&str, &str)> = hosts
        .iter()
        .flat_map(|h| {
            h.a.records.iter().chain(&h.aaaa.records).map(|a| (h.host.as_str(), a.address.as_str()))
        })
        .collect();
    assert_eq!(pairs, named, "and at every address");

    let certificates = rows::<CertificateRow>(&run);
    let known: BTreeSet<&[u8]> = certificates.iter().map(|row| &row.sha256[..]).collect();
    assert_eq!(known.len(), certificates.len(), "a certificate has one row");
    let shown: BTreeSet<&[u8]> = sessions
        .iter()
        .map(|session| &session.tls)
        .chain(policies.iter().map(|policy| &policy.tls))
        .flatten()
        .flat_map(|tls| tls.chain.iter().map(|digest| &digest[..]))
        .collect();
    assert_eq!(known, shown, "and what was shown is there");
    assert!(!known.is_empty());

    // The world's own account: what was connected to was connected to once.
    let mut seen = bench.ledger("smtp.parquet", |row| {
        let column = |name| {
            row.get_column_iter().position(|(found, _)| found == name).expect("a column of the ledger")
        };
        (
            row.get_string(column("host")).expect("text").clone(),
            row.get_string(column("address")).expect("text").clone(),
        )
    });
    let total = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), total);
    assert!(
        total > 0 && seen.iter().all(|(host, address)| pairs.contains(&(host.as_str(), address.as_str())))
    );
}

#[test]
fn the_first_ctrl_c_finishes_what_was_admitted() {
    let bench = demo(200);
    let plain = |out| ScanConfig { window_lines: 1, ..bench.config(bench.names(), out) };
    let config = ScanConfig { chunk_lines: 20, concurrency: 8, ..plain("run") };
    let summary = bench
        .scan_watched(config.clone(), |event, stop| {
            if matches!(event, Event::ChunkCommitted { .. }) {
                stop.drain();
            }
        })
        .expect("a drained scan");
    let run = bench.out("run");
    assert_eq!(summary.how, HowEnded::Interrupted);
    assert!(summary.counts.lines < 200, "it was stopped early: {:?}", summary.counts);
    let journal = RunDir::new(&run).committed().expect("a journal");
    let last = journal.last().expect("a chunk");
    assert_eq!(last.last_line, summary.counts.lines);
    let lines: BTreeSet<u64> = rows::<DomainRow>(&run)
        .iter()
        .map(|row| row.line)
        .chain(rows::<RejectRow>(&run).iter().map(|row| row.line))
        .collect();
    assert_eq!(lines, (1..=last.last_line).collect(), "every line up to there");
    let text = evidence(&run).into_values().flatten().collect::<String>();
    assert!(!text.contains("cancelled"), "nothing stands there as if it had been measured");

    let rest = bench.scan(resumed(&config)).expect("a resumed scan");
    assert_eq!((rest.how, rest.counts.lines), (HowEnded::Completed, 200));
    bench.scan(bench.config(bench.names(), "undisturbed")).expect("a scan");
    assert_same(&run, &bench.out("undisturbed"));
}

#[test]
fn whatever_is_full_the_scan_goes_on() {
    let bench = demo(120);
    bench.scan(bench.config(bench.names(), "roomy")).expect("a scan");
    let roomy = bench.config(bench.names(), "narrow");
    // Queues of a few places, and memory for a few rows.
    let pacing = PacingLimits { connections_max: 2, ..roomy.pacing };
    let narrow = ScanConfig { pacing, concurrency: 50, held_bytes_max: 20_000, ..roomy };
    bench.scan(narrow).expect("a scan");
    assert_same(&bench.out("narrow"), &bench.out("roomy"));
    let chunks = |run| {
        let entries = RunDir::new(bench.out(run)).committed().expect("a journal");
        entries.iter().filter(|entry| entry.counts.lines > 0).count()
    };
    assert_eq!(chunks("roomy"), 1);
    assert!(chunks("narrow") > 1, "chunks were cut short");
}

#[test]
fn an_empty_input_is_a_complete_run_with_every_table() {
    let bench = Bench::new(1, WorldParams::clean());
    let config = bench.config(bench.input("list", ""), "run");
    let summary = bench.scan(config.clone()).expect("a scan");
    assert_eq!((summary.how, summary.counts), (HowEnded::Completed, Counts::default()));
    let dir = RunDir::new(bench.out("run"));
    for part in [
        dir.part_path::<DomainRow>(0),
        dir.part_path::<PolicyRow>(0),
        dir.part_path::<MailHostRow>(0),
        dir.part_path::<SmtpSessionRow>(0),
        dir.part_path::<CertificateRow>(0),
        dir.part_path::<RejectRow>(0),
    ] {
        assert!(part.exists(), "{}", part.display());
    }
    crash(&bench.out("run"), 0);
    assert_eq!(bench.scan(resumed(&config)).expect("a resumed scan").how, HowEnded::Completed);
}

#[test]
fn a_completed_run_is_left_as_it_is() {
    let bench = Bench::new(5, WorldParams::clean());
    let config = bench.config(bench.names(), "run");
    bench.scan(config.clone()).expect("a scan");
    let manifest = fs::read(bench.out("run").join("run.json")).expect("a manifest");
    // Not even a resolver is needed.
    let summary =
        bench.scan(ScanConfig { resolvers: vec![silent_resolver().1], ..resumed(&config) }).expect("no scan");
    assert!(summary.already_complete);
    assert_eq!(fs::read(bench.out("run").join("run.json")).expect("a manifest"), manifest);
}

#[test]
fn what_would_spoil_a_run_is_refused() {
    let bench = Bench::new(5, WorldParams::clean());
    let config = bench.config(bench.names(), "run");
    let refused = |config: ScanConfig| {
        let error = bench.scan(config).expect_err("a refusal");
        assert_eq!(error.class(), ErrorClass::Usage, "{error}");
        error
    };
    assert!(matches!(refused(resumed(&config)), ScanError::NothingToResume { .. }));
    assert!(!bench.out("run").exists());
    bench.scan(config.clone()).expect("a scan");
    let again = refused(config.clone());
    assert!(matches!(again, ScanError::OutNotEmpty { resumable: true, .. }));
    assert!(again.to_string().contains("--resume"), "{again}");

    crash(&bench.out("run"), 1);
    let dns_only = Stages { policy: true, smtp: false };
    let other = refused(ScanConfig { stages: dns_only, ..resumed(&config) });
    assert!(matches!(&other, ScanError::ResumeMismatch { name, .. } if name == "stages.smtp"), "{other}");
    let input = bench.input("other", "other.example\n".repeat(5));
    refused(ScanConfig { inputs: vec![input], ..resumed(&config) });
    let input = bench.input("short", "other.example\n");
    refused(ScanConfig { inputs: vec![input], ..resumed(&config) });
    refused(ScanConfig { inputs: vec![Input::Path("/nowhere/list".into())], ..resumed(&config) });
    let manifest = RunDir::new(bench.out("run")).read_manifest().expect("a manifest");
    assert_eq!((manifest.how_ended, manifest.resumed), (HowEnded::Running, 0), "a refusal changes nothing");
    bench.scan(resumed(&config)).expect("the same input goes on");

    fs::create_dir(bench.out("photos")).expect("a folder");
    fs::write(bench.out("photos").join("cat.jpg"), "").expect("write");
    let foreign = refused(bench.config(bench.names(), "photos"));
    assert!(matches!(foreign, ScanError::OutNotEmpty { resumable: false, .. }), "{foreign}");
}

#[test]
fn two_scanners_do_not_write_into_one_run() {
    let bench = Bench::new(5, WorldParams::clean());
    let config = bench.config(bench.names(), "run");
    bench.scan(config.clone()).expect("a scan");
    crash(&bench.out("run"), 0);
    let lock = fs::File::open(bench.out("run").join("lock")).expect("a lock file");
    lock.lock().expect("the lock of the first scanner");
    let error = bench.scan(resumed(&config)).expect_err("the second scanner is refused");
    assert!(matches!(error, ScanError::Busy { .. }), "{error}");
    drop(lock);
    bench.scan(resumed(&config)).expect("a scan");
}

/// A resolver that hears and says nothing.
fn silent_resolver() -> (UdpSocket, std::net::SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address = socket.local_addr().expect("an address");
    (socket, address)
}

#[test]
fn a_resolver_that_does_not_answer_is_said_before_anything_is_written() {
    let bench = Bench::new(5, WorldParams::clean());
    let (_socket, address) = silent_resolver();
    let quick = |resolvers| ScanConfig {
        resolvers,
        dns_timeout: Duration::from_millis(50),
        dns_retries: 1,
        ..bench.config(bench.names(), "run")
    };
    let error = bench.scan(quick(vec![address])).expect_err("no answer");
    assert_eq!(error.class(), ErrorClass::Environment);
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    assert!(!bench.out("run").exists());

    // One of two that answers is enough, with a warning.
    let (events, sink) = recorder();
    let config = quick(vec![address, bench.lab.dns_addr()]);
    let scanning = scan(config, Arc::new(Progress::default()), sink, Stop::new());
    runtime().block_on(scanning).expect("a scan");
    let warned =
        |event: &Event| matches!(event, Event::Warning { message } if message.contains(&address.to_string()));
    assert!(events.lock().expect("a lock").iter().any(warned));
}

#[test]
fn a_folder_that_cannot_be_written_fails_the_scan_and_the_run_can_go_on() {
    let bench = demo(60);
    let config = ScanConfig { chunk_lines: 10, ..bench.config(bench.names(), "run") };
    // In the place of the file that the third chunk wants to write, something that is no file.
    let blocked = bench.out("run").join("domains/part-000002.parquet.tmp");
    let blocker = blocked.clone();
    let error = bench
        .scan_watched(config.clone(), move |event, _| {
            if matches!(event, Event::Started { .. }) {
                fs::create_dir(&blocker).expect("a folder");
            }
        })
        .expect_err("the third chunk cannot be written");
    assert_eq!(error.class(), ErrorClass::Environment, "{error}");
    assert!(error.to_string().contains("part-000002"), "{error}");
    let manifest = RunDir::new(bench.out("run")).read_manifest().expect("a manifest");
    assert_eq!((manifest.how_ended, manifest.counts.lines), (HowEnded::Failed, 20));
    fs::remove_dir(blocked).expect("remove");
    bench.scan(resumed(&config)).expect("a resumed scan");
    bench.scan(bench.config(bench.names(), "undisturbed")).expect("a scan");
    assert_same(&bench.out("run"), &bench.out("undisturbed"));

    let file = bench.folder.path().join("file");
    fs::write(&file, "").expect("write");
    let error =
        bench.scan(ScanConfig { out: file.join("run"), ..config }).expect_err("no folder below a file");
    assert_eq!(error.class(), ErrorClass::Environment, "{error}");
}

#[test]
fn a_full_disk_says_what_to_do_and_the_run_goes_on_once_there_is_room() {
    let bench = Bench::new(30, WorldParams::clean());
    let config = ScanConfig { chunk_lines: 10, ..bench.config(bench.names(), "run") };
    let part = bench.out("run").join("domains/part-000001.parquet.tmp");
    let error = bench
        .scan_watched(config.clone(), move |event, _| {
            if matches!(event, Event::Started { .. }) {
                // The device that is always full.
                std::os::unix::fs::symlink("/dev/full", &part).expect("a link");
            }
        })
        .expect_err("no space is left");
    assert_eq!(error.class(), ErrorClass::Environment, "{error}");
    assert!(error.to_string().contains("--resume"), "{error}");
    let summary = bench.scan(resumed(&config)).expect("a resumed scan");
    assert_eq!((summary.how, summary.counts.lines), (HowEnded::Completed, 30));
}

#[test]
fn who_opted_out_is_left_alone() {
    let bench = Bench::new(40, WorldParams::clean());
    let names = fs::read_to_string(bench.lab.names_path()).expect("names");
    let out = names.lines().next().expect("a name").to_owned();
    bench.scan(bench.config(bench.names(), "all")).expect("a scan");
    let host = rows::<MailHostRow>(&bench.out("all")).swap_remove(0).host;
    let list = bench.input("opt-out", format!("# they asked\n{out}\n{host}\n"));
    let Input::Path(list) = list else { panic!("a path") };
    bench.scan(ScanConfig { opt_out: Some(list), ..bench.config(bench.names(), "run") }).expect("a scan");
    let run = bench.out("run");
    assert!(rows::<DomainRow>(&run).iter().all(|row| row.domain != out));
    let reject = rows::<RejectRow>(&run).swap_remove(0);
    assert_eq!((reject.line, reject.reason.as_str()), (1, "opt-out"));
    assert!(rows::<SmtpSessionRow>(&run).iter().all(|row| row.host != host));
    for row in rows::<MailHostRow>(&run).iter().filter(|row| row.host == host) {
        assert!(row.a.ending.is_withheld() && row.aaaa.ending.is_withheld());
    }
}

#[test]
fn stages_that_were_not_asked_for_leave_no_rows() {
    let bench = demo(40);
    let stages = Stages { policy: false, smtp: false };
    let summary = bench.scan(ScanConfig { stages, ..bench.config(bench.names(), "run") }).expect("a scan");
    assert_eq!((summary.counts.policies, summary.counts.smtp_sessions), (0, 0));
    assert!(summary.counts.mail_hosts > 0);
}

#[test]
fn a_scan_that_is_dropped_ends_its_work_and_can_be_resumed() {
    let bench = demo(100);
    let config = ScanConfig { chunk_lines: 10, ..bench.config(bench.names(), "run") };
    let stop = Stop::new();
    let switch = stop.clone();
    let events = EventSink::new(move |event| {
        if matches!(event, Event::ChunkCommitted { .. }) {
            // Here only a signal to the test: the scan watches another switch.
            switch.abort();
        }
    });
    runtime().block_on(async {
        tokio::select! {
            _ = scan(config.clone(), Arc::new(Progress::default()), events, Stop::new()) => {}
            () = stop.aborted() => {}
        }
    });
    // The writer lets go of the lock when it has finished what it was writing.
    let summary = loop {
        match bench.scan(resumed(&config)) {
            Err(ScanError::Busy { .. }) => std::thread::yield_now(),
            other => break other.expect("a resumed scan"),
        }
    };
    assert_eq!((summary.how, summary.counts.lines), (HowEnded::Completed, 100));
}

/// The order in which a run's rows stand does not depend on who answered first.
#[test]
fn rows_stand_in_order() {
    fn ordered<T: Table, K: Ord>(run: &Path, key: impl Fn(&T) -> K) {
        for part in RunDir::new(run).parts::<T>().expect("parts") {
            let rows: Vec<T> = mxray_evidence::read_rows::<T>(&part)
                .expect("open")
                .flat_map(|batch| batch.expect("read"))
                .collect();
            assert!(rows.is_sorted_by_key(&key), "{}", part.display());
        }
    }
    let bench = demo(100);
    bench.scan(ScanConfig { chunk_lines: 50, ..bench.config(bench.names(), "run") }).expect("a scan");
    let run = bench.out("run");
    ordered(&run, |row: &DomainRow| row.line);
    ordered(&run, |row: &RejectRow| row.line);
    ordered(&run, |row: &PolicyRow| row.domain.clone());
    ordered(&run, |row: &MailHostRow| row.host.clone());
    ordered(&run, |row: &SmtpSessionRow| (row.host.clone(), row.address.clone()));
    ordered(&run, |row: &CertificateRow| row.sha256.clone());
}
