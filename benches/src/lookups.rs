//! The engine's lookups, as the pipeline makes them: the four of a domain at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mxray_engine::{DnsSettings, Resolver};
use mxray_evidence::Lookup;

use crate::Asking;
use crate::usage::Meter;
use crate::work::{QUERIES_A_DOMAIN, domain};

pub(crate) struct Settings {
    /// Threads of the runtime; 0 is the thread that began.
    pub(crate) threads: usize,
    pub(crate) timeout_ms: u64,
    pub(crate) retries: u32,
}

/// Looks everything up, and says what it cost.
pub(crate) fn run(settings: &Settings, asking: &Asking) -> std::io::Result<()> {
    let mut builder = match settings.threads {
        0 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.worker_threads(settings.threads.max(1)).enable_all().build()?;
    runtime.block_on(look_up(settings, asking))
}

async fn look_up(settings: &Settings, asking: &Asking) -> std::io::Result<()> {
    let work = asking.work;
    let resolver = Resolver::new(DnsSettings {
        resolvers: vec![asking.resolver],
        timeout: Duration::from_millis(settings.timeout_ms),
        retries: settings.retries,
        validating: false,
    })?;
    let meter = Meter::start();
    let (next, done, queries) =
        (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..asking.in_flight.div_ceil(QUERIES_A_DOMAIN as usize) {
        let resolver = resolver.clone();
        let (next, done, queries) = (Arc::clone(&next), Arc::clone(&done), Arc::clone(&queries));
        workers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= work.domains {
                    return;
                }
                let (resolver, done, queries) = (resolver.clone(), Arc::clone(&done), Arc::clone(&queries));
                // A task a domain, as in a scan.
                let one = tokio::spawn(async move {
                    let mut name = String::new();
                    domain(number, &mut name);
                    let lookups = resolver.domain(&name).await;
                    let (mut measured, mut sent) = (0, 0);
                    count(&lookups.mx, &mut measured, &mut sent);
                    count(&lookups.ns, &mut measured, &mut sent);
                    count(&lookups.sts_txt, &mut measured, &mut sent);
                    count(&lookups.tlsrpt_txt, &mut measured, &mut sent);
                    done.fetch_add(measured, Ordering::Relaxed);
                    queries.fetch_add(sent, Ordering::Relaxed);
                });
                let _ = one.await;
            }
        });
    }
    while workers.join_next().await.is_some() {}
    let more = [("queries", queries.load(Ordering::Relaxed)), ("strays", resolver.strays())];
    meter.stop(done.load(Ordering::Relaxed), work.queries(), &more);
    Ok(())
}

fn count<R>(lookup: &Lookup<R>, measured: &mut u64, sent: &mut u64) {
    *measured += u64::from(lookup.is_measured());
    *sent += u64::from(lookup.queries);
}
