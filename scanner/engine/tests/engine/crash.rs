//! Runs whose process ended in the midst of them, and which are gone on with.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use mxray_engine::{Event, EventSink, Input, Progress, ScanConfig, Stop, scan};
use mxray_evidence::journal::Entry;
use mxray_evidence::{DomainRow, HowEnded, MailHostRow, RunDir, SmtpSessionRow};
use mxray_lab::WorldParams;

use crate::bench::{Bench, Doors, assert_same, assert_same_as, evidence, recorder, runtime};
use crate::run::{demo, resumed};

/// Leaves a run as a process leaves it that is killed when chunk `chunks` is due: the rest of the journal is not
/// there, half of its next line is, and nobody said how it ended.
pub(crate) fn crash(run: &Path, chunks: usize) {
    let dir = RunDir::new(run);
    let journal = fs::read_to_string(dir.journal_path()).expect("a journal");
    let lines: Vec<&str> = journal.split_inclusive('\n').collect();
    let half = lines.get(chunks).map_or("", |line| &line[..line.len() / 2]);
    fs::write(dir.journal_path(), lines[..chunks].concat() + half).expect("write");
    let mut manifest = dir.read_manifest().expect("a manifest");
    (manifest.how_ended, manifest.ended) = (HowEnded::Running, None);
    dir.write_manifest(&manifest).expect("write");
}

#[test]
fn a_run_that_was_killed_again_and_again_comes_to_the_same_rows() {
    let bench = demo(200);
    let undisturbed = ScanConfig { chunk_lines: 16, ..bench.config(bench.names(), "undisturbed") };
    bench.scan(undisturbed).expect("a scan");

    let mut config = ScanConfig { chunk_lines: 16, ..bench.config(bench.names(), "disturbed") };
    let mut aborts = 0;
    loop {
        let committed = AtomicU32::new(0);
        let summary = bench
            .scan_watched(config.clone(), move |event, stop| {
                let is_commit = matches!(event, Event::ChunkCommitted { .. });
                if is_commit && committed.fetch_add(1, Ordering::Relaxed) == 2 {
                    stop.abort();
                }
            })
            .expect("an abort is no error");
        config.resume = true;
        if summary.how == HowEnded::Completed {
            break;
        }
        assert_eq!(summary.how, HowEnded::Interrupted);
        aborts += 1;
    }
    assert!(aborts >= 2, "{aborts}");
    assert_same(&bench.out("disturbed"), &bench.out("undisturbed"));
    let manifest = RunDir::new(bench.out("disturbed")).read_manifest().expect("a manifest");
    assert_eq!((manifest.resumed, manifest.counts.lines), (aborts, 200));
}

/// What the child of the next test is told, as words: the DNS server's address, two ports, the list, the run.
const CHILD: &str = "MXRAY_TEST_CHILD";

#[test]
#[ignore = "the child of `a_process_that_is_killed_loses_no_line_and_doubles_none`, which calls it by name"]
fn child() {
    let words = std::env::var(CHILD).expect("words of the parent's");
    let words: Vec<&str> = words.split_whitespace().collect();
    let doors = Doors {
        dns: words[0].parse().expect("an address"),
        https: words[1].parse().expect("a port"),
        smtp: words[2].parse().expect("a port"),
    };
    let out = Path::new(words[4]);
    let resume = out.join("run.json").exists();
    let config = ScanConfig { resume, chunk_lines: 5, ..doors.config(Input::named(words[3]), out) };
    let events = EventSink::new(|event| {
        if matches!(event, Event::ChunkCommitted { .. }) {
            println!("\ncommitted");
        }
    });
    let scanning = scan(config, Arc::new(Progress::default()), events, Stop::new());
    runtime().block_on(scanning).expect("a scan");
}

#[test]
fn a_process_that_is_killed_loses_no_line_and_doubles_none() {
    let bench = demo(150);
    bench.scan(bench.config(bench.names(), "undisturbed")).expect("a scan");
    let (doors, run) = (bench.doors(), bench.out("killed"));
    let words = format!(
        "{} {} {} {} {}",
        doors.dns,
        doors.https,
        doors.smtp,
        bench.lab.names_path().display(),
        run.display()
    );
    let mut killed = 0;
    for lives in [1, 4, 2, 7, 3, usize::MAX] {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "crash::child", "--ignored", "--nocapture"])
            .env(CHILD, &words)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let said = BufReader::new(child.stdout.take().expect("its words")).lines();
        let mut commits = said.map(|line| line.expect("text")).filter(|line| line == "committed");
        if commits.by_ref().nth(lives - 1).is_some() {
            child.kill().expect("SIGKILL");
            killed += 1;
        }
        // What it says after its last life is read, or it would wait for a reader.
        commits.for_each(drop);
        let status = child.wait().expect("an end");
        assert!(status.success() || status.signal() == Some(9), "{status}");
    }
    assert!(killed >= 3, "{killed}");
    let manifest = RunDir::new(&run).read_manifest().expect("a manifest");
    assert_eq!((manifest.how_ended, manifest.counts.lines), (HowEnded::Completed, 150));
    assert_same(&run, &bench.out("undisturbed"));
}

#[test]
fn a_crash_between_any_two_steps_of_a_commit_loses_nothing_and_doubles_nothing() {
    let bench = demo(120);
    let config = ScanConfig { chunk_lines: 10, ..bench.config(bench.names(), "run") };
    bench.scan(config.clone()).expect("a scan");
    let run = bench.out("run");
    let whole = evidence(&run);
    let dir = RunDir::new(&run);
    for chunks in [0, 1, 5, 11, 12] {
        // Parts have their names, the journal lacks their line.
        crash(&run, chunks);
        // Parts of the next chunk that have no name yet, and a manifest that was being written.
        for table in ["domains", "policies", "certificates"] {
            fs::write(run.join(table).join(format!("part-{:06}.parquet.tmp", chunks + 1)), "half")
                .expect("write");
        }
        fs::write(run.join("run.json.tmp"), "{").expect("write");
        let summary = bench.scan(resumed(&config)).expect("a resumed scan");
        assert_eq!(summary.how, HowEnded::Completed);
        assert_same_as(&run, &whole);
        let leftovers = fs::read_dir(run.join("domains")).expect("a folder").count();
        let with_domains =
            |entries: Vec<Entry>| entries.iter().filter(|entry| entry.counts.domains > 0).count();
        assert_eq!(leftovers, with_domains(dir.committed().expect("a journal")), "one part a chunk");
        let lines: u64 = dir.committed().expect("a journal").iter().map(|entry| entry.counts.lines).sum();
        assert_eq!((lines, summary.counts.lines), (120, 120));
    }
}

#[test]
fn a_stale_part_does_not_slip_into_another_chunk() {
    // The first time, chunk 1 has a domain; the second time, other lines fall to it and it has none: the part that
    // the crash left must not come back to life under its number.
    let bench = Bench::new(3, WorldParams::clean());
    let names = fs::read_to_string(bench.lab.names_path()).expect("names");
    let input = bench.input("list", names.replace('\n', "\n#\n#\n"));
    let config = ScanConfig { chunk_lines: 3, window_lines: 1, ..bench.config(input, "run") };
    bench.scan(config.clone()).expect("a scan");
    let run = bench.out("run");
    let whole = evidence(&run);
    crash(&run, 1);
    bench.scan(ScanConfig { chunk_lines: 1, ..resumed(&config) }).expect("a resumed scan");
    assert_same_as(&run, &whole);
    let journal = RunDir::new(&run).committed().expect("a journal");
    assert_eq!(journal.iter().filter(|entry| entry.counts.lines > 0).count(), 1 + 6);
    assert!(!RunDir::new(&run).part_path::<DomainRow>(2).exists(), "a chunk of comments has no domains");
}

#[test]
fn a_mail_host_whose_chunk_a_crash_took_is_probed_for_the_domain_that_stayed() {
    // Two chunks, one MX host: whichever claims it first has its row. The crash takes that row away.
    let mut params = WorldParams::clean();
    (params.mail.operated, params.mail.operators) = (1.0, 1);
    let bench = Bench::new(12, params);
    let config = ScanConfig { chunk_lines: 6, ..bench.config(bench.names(), "run") };
    bench.scan(config.clone()).expect("a scan");
    let run = bench.out("run");
    let dir = RunDir::new(&run);
    let whole = evidence(&run);
    crash(&run, 1);
    // As if chunk 1 had been the first to name the hosts: chunk 0 is committed without them.
    fs::remove_file(dir.part_path::<MailHostRow>(0)).expect("remove");
    fs::remove_file(dir.part_path::<SmtpSessionRow>(0)).expect("remove");
    let journal = fs::read_to_string(dir.journal_path()).expect("a journal");
    let mut entry: serde_json::Value =
        serde_json::from_str(journal.lines().next().expect("a line")).expect("an entry");
    entry["counts"]["mail_hosts"] = 0.into();
    entry["counts"]["smtp_sessions"] = 0.into();
    fs::write(dir.journal_path(), format!("{entry}\n")).expect("write");
    let (events, sink) = recorder();
    let scanning = scan(resumed(&config), Arc::new(Progress::default()), sink, Stop::new());
    runtime().block_on(scanning).expect("a resumed scan");
    assert_same_as(&run, &whole);
    let owed = events.lock().expect("a lock").iter().find_map(|event| match event {
        Event::Resumed { owed, .. } => Some(*owed),
        _ => None,
    });
    assert!(owed.is_some_and(|owed| owed > 0), "{owed:?}");
}
