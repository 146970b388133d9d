//! The engine's sessions with a mail host, and its fetches of a policy: as many as are asked for, so many at a time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mxray_engine::{AddressGate, DnsSettings, Net, OptOut, ProbeSettings, fetch_policy, probe_smtp};

use crate::identity::HOST;
use crate::processor;
use crate::servers::Kind;
use crate::usage::Meter;

pub(crate) struct Settings {
    pub(crate) kind: Kind,
    pub(crate) server: SocketAddr,
    pub(crate) resolver: SocketAddr,
    pub(crate) sessions: u64,
    pub(crate) in_flight: usize,
}

/// Holds them all, and says how many of them completed.
pub(crate) fn run(settings: &Settings) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(hold(settings))
}

async fn hold(settings: &Settings) -> io::Result<()> {
    let &Settings { kind, server, resolver, sessions, in_flight } = settings;
    let dns = DnsSettings {
        resolvers: vec![resolver],
        timeout: Duration::from_secs(3),
        retries: 3,
        validating: false,
    };
    let mut probe = ProbeSettings::new("scan.example.net", "https://example.net/scan");
    probe.smtp_port = server.port();
    probe.https_port = server.port();
    let loopback = "127.0.0.0/8".parse().map_err(io::Error::other)?;
    let gate = AddressGate { allow: vec![loopback], opt_out: Vec::new() };
    let net = Arc::new(Net::new(dns, gate, OptOut::default(), probe)?);
    // What the TLS library does once a process, above all gathering entropy (28 ms), is no session's.
    let _ = once(&net, kind, server).await;
    let (meter, used_before) = (Meter::start(), processor::of_process());
    let (next, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..in_flight {
        let (net, next, done) = (Arc::clone(&net), Arc::clone(&next), Arc::clone(&done));
        workers.spawn(async move {
            while next.fetch_add(1, Ordering::Relaxed) < sessions {
                let is_completed = once(&net, kind, server).await;
                done.fetch_add(u64::from(is_completed), Ordering::Relaxed);
            }
        });
    }
    while workers.join_next().await.is_some() {}
    let used = processor::of_process().saturating_sub(used_before);
    meter.stop(done.load(Ordering::Relaxed), sessions, &[("processor_us", used.as_micros() as u64)]);
    Ok(())
}

/// Holds one, and says whether it completed.
async fn once(net: &Net, kind: Kind, server: SocketAddr) -> bool {
    let ending = match kind {
        Kind::Mail => probe_smtp(net, HOST, server.ip()).await.row.ending,
        Kind::Policy => fetch_policy(net, "example").await.row.ending,
    };
    ending.is_completed()
}
