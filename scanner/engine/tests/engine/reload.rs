//! An opt-out list that changes while a scan runs: from then on nothing new is sent to whom it names.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use mxray_engine::{Event, EventSink, PacingLimits, Progress, ScanConfig, Stop, scan};
use mxray_evidence::{DomainRow, Ending, HowEnded, MailHostRow, OwnCause, RejectRow, SmtpSessionRow, Stage};

use crate::bench::rows;
use crate::tenants::{config, provider_smtp};

const OPT_OUT: Ending = Ending::Withheld { stage: Stage::Connect, cause: OwnCause::OptOut, detail: None };

/// Scans, and once something has happened lets `entry` opt out. Says how often `counter` had counted when the list was
/// taken.
async fn scanned(
    config: ScanConfig,
    entry: &str,
    has_begun: impl Fn(&Progress) -> bool,
    counter: &Arc<AtomicU32>,
) -> u32 {
    let list = config.opt_out.clone().unwrap();
    let progress = Arc::new(Progress::default());
    let at_the_change = Arc::new(AtomicU64::new(u64::MAX));
    let (noted, counted) = (Arc::clone(&at_the_change), Arc::clone(counter));
    let events = EventSink::new(move |event| match event {
        Event::OptOutTaken { .. } => noted.store(counted.load(Ordering::SeqCst).into(), Ordering::SeqCst),
        Event::Warning { message } => assert!(!message.contains("opt-out"), "{message}"),
        _ => {}
    });
    let scanning = tokio::spawn(scan(config, Arc::clone(&progress), events, Stop::new()));
    while !has_begun(&progress) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    std::fs::write(&list, format!("# they asked\n{entry}\n")).unwrap();
    assert_eq!(scanning.await.unwrap().unwrap().how, HowEnded::Completed);
    u32::try_from(at_the_change.load(Ordering::SeqCst)).expect("the list was taken")
}

fn with_list(folder: &Path, config: ScanConfig) -> ScanConfig {
    let list = folder.join("opt-out");
    std::fs::write(&list, "").unwrap();
    ScanConfig { opt_out: Some(list), ..config }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_opts_out_by_name_address_or_prefix_hears_nothing_more_of_what_is_parked() {
    const TENANTS: u32 = 200;
    let by = |entry: &'static str| async move {
        let folder = tempfile::tempdir().unwrap();
        let (smtp, clients, _) = provider_smtp(0).await;
        let config = with_list(folder.path(), config(folder.path(), TENANTS, smtp).await);
        let pacing = PacingLimits { address_rate: NonZeroU32::new(10), ..config.pacing };
        let config = ScanConfig { sni_samples: 0, pacing, ..config };
        let held = |progress: &Progress| progress.sessions.done.load(Ordering::Relaxed) > 0;
        let before = scanned(config, entry, held, &clients).await;
        // One may have been on its way.
        let heard = clients.load(Ordering::SeqCst);
        assert!(
            (before..=before + 1).contains(&heard),
            "{entry}: {before} before the change, {heard} in all"
        );
        let sessions = rows::<SmtpSessionRow>(&folder.path().join("run"));
        // Of a host whose addresses had not been asked for, the row itself says it, and there is no session to hold.
        let hosts = rows::<MailHostRow>(&folder.path().join("run"));
        let unasked = hosts.iter().filter(|row| row.a.ending.is_withheld()).count();
        assert_eq!(
            (hosts.len(), sessions.len() + unasked),
            (TENANTS as usize, TENANTS as usize),
            "each has its row"
        );
        let withheld = sessions.iter().filter(|row| row.ending == OPT_OUT).count() + unasked;
        assert_eq!(withheld, (TENANTS - heard) as usize, "{entry}: and it says why nobody was asked");
    };
    tokio::join!(by("tenants.example"), by("127.0.0.1"), by("127.0.0.0/9"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn domains_that_opt_out_are_not_asked_about_whether_their_line_was_read_or_not() {
    const DOMAINS: u32 = 3_000;
    let folder = tempfile::tempdir().unwrap();
    let (smtp, clients, _) = provider_smtp(0).await;
    let config = with_list(folder.path(), config(folder.path(), DOMAINS, smtp).await);
    // A line is judged when its window is read.
    let config = ScanConfig { rate: NonZeroU32::new(500), window_lines: 1, ..config };
    let begun = |progress: &Progress| progress.domains.done.load(Ordering::Relaxed) > 0;
    scanned(config, "example", begun, &clients).await;
    let run = folder.path().join("run");
    let (domains, rejects) = (rows::<DomainRow>(&run), rows::<RejectRow>(&run));
    assert_eq!(domains.len() + rejects.len(), DOMAINS as usize);
    assert!(rejects.iter().all(|row| row.reason == "opt-out") && !rejects.is_empty());
    // Lines that had been read ahead, and whose turn came after the change.
    let left_alone = |row: &&DomainRow| {
        let causes = [&row.mx.ending, &row.ns.ending, &row.sts_txt.ending, &row.tlsrpt_txt.ending];
        causes.iter().all(|ending| matches!(ending, Ending::Withheld { cause: OwnCause::OptOut, .. }))
    };
    let last_asked = domains.iter().filter(|row| !left_alone(row)).map(|row| row.line).max().unwrap();
    let first_left = domains.iter().filter(left_alone).map(|row| row.line).min().unwrap();
    // So many may begin at the same time, in any order.
    let in_flight = 20;
    assert!(
        last_asked < first_left + in_flight,
        "{first_left} was left alone, and {last_asked} was asked about"
    );
    assert!(domains.iter().filter(left_alone).all(|row| row.mx.queries == 0));
}
