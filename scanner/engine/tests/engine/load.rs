//! Nothing slow holds what is fast, on real sockets: honest domains between tarpits. The figures, and those of other
//! trouble, are `scripts/hostile-load`'s.

use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mxray_engine::{EventSink, PacingLimits, Progress, ScanConfig, Stop, scan};
use mxray_evidence::HowEnded;
use mxray_lab::WorldParams;

use crate::bench::{Bench, runtime};

/// If it takes so long, it hangs.
const PATIENCE: Duration = Duration::from_mins(2);

#[test]
fn what_is_honest_is_done_while_tarpits_hold() {
    const HONEST: u64 = 60;
    let bench = Bench::new(HONEST, WorldParams::clean());
    let alone = bench.scan(bench.config(bench.names(), "alone")).expect("a scan").counts;
    let mut names = String::new();
    for (number, honest) in fs::read_to_string(bench.lab.names_path()).expect("names").lines().enumerate() {
        // Hostile ones first, so that they have begun when the honest ones come.
        for further in 0..2 {
            let _ = writeln!(names, "tarpit-{}.example", 2 * number + further);
        }
        let _ = writeln!(names, "{honest}");
    }
    let config = bench.config(bench.input("list", names), "beside");
    // Fewer places than tarpits; and nobody gives up before the end of this test.
    let pacing = PacingLimits { connections_max: 48, ..config.pacing };
    let (smtp_timeout, policy_timeout) = (10 * PATIENCE, 10 * PATIENCE);
    let config = ScanConfig { pacing, smtp_timeout, policy_timeout, ..config };

    let (progress, stop) = (Arc::new(Progress::default()), Stop::new());
    let how = runtime().block_on(async {
        let scanning = tokio::spawn(scan(config, Arc::clone(&progress), EventSink::none(), stop.clone()));
        let begun = Instant::now();
        let done = || {
            let policies = progress.policies.done.load(Ordering::Relaxed);
            (policies, progress.sessions.done.load(Ordering::Relaxed))
        };
        let held = || progress.slow_connections.load(Ordering::Relaxed);
        // Nothing of a tarpit's ends.
        while done() != (alone.policies, alone.smtp_sessions) || held() < HONEST {
            assert!(begun.elapsed() < PATIENCE, "{:?} of {alone:?} are done, {} held", done(), held());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stop.abort();
        scanning.await.expect("no panic").expect("an abort is no error").how
    });
    assert_eq!(how, HowEnded::Interrupted);
    assert!(alone.policies > 0 && alone.smtp_sessions > 0);
}
