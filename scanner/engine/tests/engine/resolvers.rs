//! Resolvers that die in the middle of a scan.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};
use mxray_engine::{Event, EventSink, Input, Progress, ScanConfig, Stages, Stop, scan};
use mxray_evidence::{DomainRow, HowEnded};

use crate::bench::rows;
use crate::servers::{dns, reply};

const DOMAINS: u32 = 1_000;

/// A resolver that can be silenced.
struct Mortal {
    address: SocketAddr,
    /// It says nothing.
    is_dead: Arc<AtomicBool>,
    /// Queries that it heard, and those of them that it heard when it was dead.
    heard: Arc<AtomicU32>,
    heard_dead: Arc<AtomicU32>,
}

impl Mortal {
    /// One that is silenced by its query number `last`.
    async fn until(last: u32) -> Self {
        let (is_dead, heard, heard_dead) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let (dead, all, vain) = (Arc::clone(&is_dead), Arc::clone(&heard), Arc::clone(&heard_dead));
        let address = dns(move |query, _| {
            if all.fetch_add(1, Ordering::SeqCst) + 1 == last {
                dead.store(true, Ordering::SeqCst);
            }
            if dead.load(Ordering::SeqCst) {
                vain.fetch_add(1, Ordering::SeqCst);
                return Vec::new();
            }
            let question = &query.queries[0];
            let data = (question.query_type() == RecordType::A).then_some(RData::A(A(Ipv4Addr::LOCALHOST)));
            let records: Vec<Record> =
                data.into_iter().map(|data| Record::from_rdata(question.name().clone(), 60, data)).collect();
            vec![reply(query, ResponseCode::NoError, &records).to_vec().unwrap()]
        })
        .await;
        Self { address, is_dead, heard, heard_dead }
    }
}

fn config(folder: &Path, resolvers: Vec<SocketAddr>) -> ScanConfig {
    let list = folder.join("list");
    let names: Vec<String> = (0..DOMAINS).map(|n| format!("{n}.example")).collect();
    std::fs::write(&list, names.join("\n")).unwrap();
    ScanConfig {
        resolvers,
        stages: Stages { policy: false, smtp: false },
        concurrency: 20,
        ..ScanConfig::new(
            vec![Input::Path(list)],
            folder.join("run"),
            "scan.example.net",
            "https://example.net/",
        )
    }
}

/// Holds that each domain has its row, and that nothing in it is unknown.
fn is_whole(folder: &Path) {
    let rows = rows::<DomainRow>(&folder.join("run"));
    assert_eq!(rows.len(), DOMAINS as usize);
    for row in rows {
        let measured = [
            row.mx.is_measured(),
            row.ns.is_measured(),
            row.sts_txt.is_measured(),
            row.tlsrpt_txt.is_measured(),
        ];
        assert_eq!(measured, [true; 4], "{}", row.domain);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_that_dies_is_left_alone_and_the_other_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (sound, dying) = (Mortal::until(u32::MAX).await, Mortal::until(200).await);
    let config = config(folder.path(), vec![sound.address, dying.address]);
    let scanned = scan(config, Arc::new(Progress::default()), EventSink::none(), Stop::new()).await.unwrap();
    assert_eq!(scanned.how, HowEnded::Completed);
    is_whole(folder.path());
    // Who had just asked it, all that can be in flight, and whether it is back; of 2,000 that would have been its share.
    let vain = dying.heard_dead.load(Ordering::SeqCst);
    assert!((1..=20 * 4 * 3).contains(&vain), "{vain} queries went to the dead one");
    assert!(sound.heard.load(Ordering::SeqCst) > 3 * DOMAINS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_only_one_is_lost_the_scan_waits_and_nothing_becomes_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let mortal = Mortal::until(1_000).await;
    let config = ScanConfig {
        dns_timeout: Duration::from_secs(2),
        dns_retries: 2,
        ..config(folder.path(), vec![mortal.address])
    };
    // It comes back when somebody has noticed that it is gone.
    let (is_dead, told) = (Arc::clone(&mortal.is_dead), Arc::new(AtomicU32::new(0)));
    let counter = Arc::clone(&told);
    let events = EventSink::new(move |event| {
        if matches!(&event, Event::Warning { message } if message.starts_with("no resolver answers")) {
            counter.fetch_add(1, Ordering::SeqCst);
            is_dead.store(false, Ordering::SeqCst);
        }
    });
    let scanned = scan(config, Arc::new(Progress::default()), events, Stop::new()).await.unwrap();
    assert_eq!((scanned.how, told.load(Ordering::SeqCst)), (HowEnded::Completed, 1));
    is_whole(folder.path());
    let vain = mortal.heard_dead.load(Ordering::SeqCst);
    assert!((1..=20 * 4 * 2).contains(&vain), "{vain} queries went to nobody");
}
