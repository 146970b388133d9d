//! A mail provider that names an MX host a tenant, and serves them all from one address.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{A, MX};
use hickory_proto::rr::{RData, Record, RecordType};
use mxray_engine::{EventSink, Input, PacingLimits, Progress, ScanConfig, ScanSummary, Stop, scan};
use mxray_evidence::{HowEnded, MailHostRow, SmtpSessionRow};
use tokio::io::AsyncWriteExt;

use crate::bench::rows;
use crate::servers::{Identity, dns, name, read_line, reply, tcp};

/// The MX host of `<n>.example` is `mx-<n>.tenants.example`, and all of these are at 127.0.0.1.
async fn provider_dns() -> SocketAddr {
    dns(|query, _| {
        let question = &query.queries[0];
        let asked = question.name().to_ascii().trim_end_matches('.').to_owned();
        let data = match question.query_type() {
            RecordType::MX => {
                let tenant = asked.split('.').next().unwrap_or_default();
                Some(RData::MX(MX::new(10, name(&format!("mx-{tenant}.tenants.example")))))
            }
            RecordType::A => Some(RData::A(A(Ipv4Addr::LOCALHOST))),
            _ => None,
        };
        let records: Vec<Record> =
            data.into_iter().map(|data| Record::from_rdata(question.name().clone(), 60, data)).collect();
        vec![reply(query, ResponseCode::NoError, &records).to_vec().unwrap()]
    })
    .await
}

/// A mail server that turns its first `refusals` clients away for now, and counts what it hears.
pub(crate) async fn provider_smtp(refusals: u32) -> (SocketAddr, Arc<AtomicU32>, Arc<Mutex<Vec<String>>>) {
    let tls = Identity::self_signed(&["*.tenants.example"]).acceptor();
    let (clients, heard) = (Arc::new(AtomicU32::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (counter, log) = (Arc::clone(&clients), Arc::clone(&heard));
    let address = tcp(move |mut stream| {
        let (tls, log, client) = (tls.clone(), Arc::clone(&log), counter.fetch_add(1, Ordering::SeqCst));
        async move {
            if client < refusals {
                stream.write_all(b"450 4.7.1 Not now\r\n").await.unwrap();
                let line = read_line(&mut stream).await;
                log.lock().unwrap().extend(line);
                let _ = stream.write_all(b"221 Bye\r\n").await;
                return;
            }
            stream.write_all(b"220 mx\r\n").await.unwrap();
            read_line(&mut stream).await;
            stream.write_all(b"250-mx\r\n250 STARTTLS\r\n").await.unwrap();
            read_line(&mut stream).await;
            stream.write_all(b"220 go\r\n").await.unwrap();
            let Ok(mut stream) = tls.accept(stream).await else { return };
            for answer in [&b"250 mx\r\n"[..], b"221 Bye\r\n"] {
                read_line(&mut stream).await;
                let _ = stream.write_all(answer).await;
            }
        }
    })
    .await;
    (address, clients, heard)
}

pub(crate) async fn config(folder: &Path, tenants: u32, smtp: SocketAddr) -> ScanConfig {
    let list = folder.join("list");
    let names: Vec<String> = (0..tenants).map(|n| format!("{n}.example")).collect();
    std::fs::write(&list, names.join("\n")).unwrap();
    ScanConfig {
        resolvers: vec![provider_dns().await],
        smtp_port: smtp.port(),
        allow_nets: vec!["127.0.0.0/8".parse().unwrap()],
        pacing: PacingLimits {
            address_rate: None,
            prefix_rate: None,
            operator_rate: None,
            ..PacingLimits::default()
        },
        refusal_backoff: Duration::from_millis(1),
        // The resolver of this test has one small socket.
        concurrency: 20,
        ..ScanConfig::new(
            vec![Input::Path(list)],
            folder.join("run"),
            "scan.example.net",
            "https://example.net/",
        )
    }
}

async fn scanned(config: ScanConfig) -> ScanSummary {
    scan(config, Arc::new(Progress::default()), EventSink::none(), Stop::new()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tenants_cost_a_handful_of_sessions_and_each_has_its_row() {
    let folder = tempfile::tempdir().unwrap();
    let (smtp, clients, _) = provider_smtp(0).await;
    let config = config(folder.path(), 400, smtp).await;
    assert_eq!(scanned(config.clone()).await.how, HowEnded::Completed);
    let run = folder.path().join("run");
    let sessions = rows::<SmtpSessionRow>(&run);
    assert_eq!((sessions.len(), rows::<MailHostRow>(&run).len()), (400, 400));
    let held: Vec<&SmtpSessionRow> = sessions.iter().filter(|row| row.reused_from.is_none()).collect();
    // Those that were under way at the time when enough had been seen.
    assert!((3..=8).contains(&held.len()), "{} sessions were held", held.len());
    assert_eq!(held.len(), clients.load(Ordering::SeqCst) as usize);
    for row in sessions.iter().filter(|row| row.reused_from.is_some()) {
        let source = held.iter().find(|held| Some(&held.host) == row.reused_from.as_ref()).unwrap();
        assert_eq!((&row.tls, &row.replies, row.started), (&source.tls, &source.replies, source.started));
        assert_eq!(row.attempts, 0);
    }

    let every = ScanConfig { sni_samples: 0, out: folder.path().join("every"), ..config };
    scanned(every).await;
    assert!(rows::<SmtpSessionRow>(&folder.path().join("every")).iter().all(|row| row.reused_from.is_none()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_has_no_time_is_asked_again_and_the_row_says_how_often() {
    for (refusals, retries, attempts) in [(2, 2, 3), (9, 1, 2), (1, 0, 1)] {
        let folder = tempfile::tempdir().unwrap();
        let (smtp, clients, heard) = provider_smtp(refusals).await;
        let config = ScanConfig { refusal_retries: retries, ..config(folder.path(), 1, smtp).await };
        assert_eq!(scanned(config).await.how, HowEnded::Completed);
        let rows = rows::<SmtpSessionRow>(&folder.path().join("run"));
        assert_eq!((rows.len(), rows[0].attempts), (1, attempts));
        assert_eq!(clients.load(Ordering::SeqCst), u32::from(attempts));
        assert_eq!(rows[0].ending.is_completed(), refusals < u32::from(attempts));
        assert!(
            heard.lock().unwrap().iter().all(|line| line == "QUIT"),
            "whoever turns us away is told goodbye"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_finds_no_room_is_done_in_the_end_and_nothing_is_doubled() {
    let folder = tempfile::tempdir().unwrap();
    let (smtp, clients, _) = provider_smtp(0).await;
    // Room for nothing but the few that every address may park; one at a time, so that they pile up.
    let config = config(folder.path(), 200, smtp).await;
    let pacing = PacingLimits { address_connections_max: 1, ..config.pacing };
    let config = ScanConfig { sni_samples: 0, parked_bytes_max: 0, pacing, ..config };
    assert_eq!(scanned(config).await.how, HowEnded::Completed);
    let run = folder.path().join("run");
    let mut hosts: Vec<String> = rows::<SmtpSessionRow>(&run).into_iter().map(|row| row.host).collect();
    hosts.sort();
    hosts.dedup();
    assert_eq!((hosts.len(), rows::<SmtpSessionRow>(&run).len()), (200, 200));
    assert_eq!(clients.load(Ordering::SeqCst), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_does_not_wait_for_what_is_parked_and_a_resumed_run_does_it() {
    let folder = tempfile::tempdir().unwrap();
    let (smtp, _, _) = provider_smtp(0).await;
    let config = config(folder.path(), 300, smtp).await;
    let pacing = PacingLimits {
        address_rate: std::num::NonZeroU32::new(1),
        address_connections_max: 1,
        ..config.pacing
    };
    let slow = ScanConfig { sni_samples: 0, pacing, chunk_lines: 50, ..config.clone() };
    let (stop, progress) = (Stop::new(), Arc::new(Progress::default()));
    let scanning = tokio::spawn(scan(slow, Arc::clone(&progress), EventSink::none(), stop.clone()));
    while progress.sessions.done.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.drain();
    assert_eq!(scanning.await.unwrap().unwrap().how, HowEnded::Interrupted);
    let held = rows::<SmtpSessionRow>(&folder.path().join("run")).len();
    assert!((1..300).contains(&held), "{held} sessions are kept");
    assert_eq!(scanned(ScanConfig { sni_samples: 0, resume: true, ..config }).await.how, HowEnded::Completed);
    let mut hosts: Vec<String> =
        rows::<SmtpSessionRow>(&folder.path().join("run")).into_iter().map(|row| row.host).collect();
    assert_eq!(hosts.len(), 300);
    hosts.sort();
    hosts.dedup();
    assert_eq!(hosts.len(), 300);
}
