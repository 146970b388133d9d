//! A scan, from its configuration to its end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};

use mxray_evidence::{Cause, Counts, HowEnded, Manifest};
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::address::AddressGate;
use crate::admission::{Admission, Closing, Cutter};
use crate::beside::Seen;
use crate::commit::{OpenRun, Writer, Written, rows_in};
use crate::config::{ScanConfig, system_resolvers};
use crate::descriptors;
use crate::dns::{DnsSettings, Resolver};
use crate::error::ScanError;
use crate::events::{Event, EventSink};
use crate::failed_fetches::FailedFetches;
use crate::folder::{self, Means, Opened};
use crate::load::Load;
use crate::net::{Net, ProbeSettings};
use crate::opt_out::{OptOut, Watched};
use crate::pipeline::Pipeline;
use crate::progress::{Progress, add};
use crate::reach;
use crate::source::{Order, Source};
use crate::stop::Stop;
use crate::tray::Tray;

/// What a scan came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScanSummary {
    /// The run's id.
    pub run_id: String,
    /// The run's folder.
    pub folder: PathBuf,
    /// How it ended.
    pub how: HowEnded,
    /// It was complete before, and nothing was done.
    pub already_complete: bool,
    /// What is committed, over all times it was resumed.
    pub counts: Counts,
    /// Replies of resolvers that answered no open question, and were dropped; likewise.
    pub stray_replies: u64,
}

/// Scans: reads the inputs, measures every domain, and leaves a run in `config.out`.
///
/// `progress` is written to all the time, `events` gets what happens, `stop` ends it early. An interrupted run, or
/// one that failed or crashed, is gone on with by [`ScanConfig::resume`].
///
/// # Errors
/// What is wrong with the configuration, the input, the folder or the network is said before anything is written.
/// Later only this machine can fail it (a full disk, an input that breaks off); what is committed stays.
pub async fn scan(
    mut config: ScanConfig,
    progress: Arc<Progress>,
    events: EventSink,
    stop: Stop,
) -> Result<ScanSummary, ScanError> {
    config.check()?;
    if let Some(manifest) = folder::look(&config)? {
        events.send(Event::AlreadyComplete { run_id: manifest.run_id.clone() });
        return Ok(ScanSummary { already_complete: true, ..summary(&config, &manifest) });
    }
    let (watched, opt_out) = config.opt_out.as_deref().map(Watched::open).transpose()?.unzip();
    let source = tokio::select! {
        biased;
        // A thread that waits for standard input is left to it.
        () = stop.draining() => return Err(ScanError::StoppedEarly),
        source = open_source(&config, &progress) => source?,
    };
    if config.resolvers.is_empty() {
        config.resolvers = system_resolvers()?;
    }
    let (resolver_connections, warning) = descriptors::fit(&mut config.pacing, config.resolvers.len());
    if let Some(warning) = warning {
        events.warn(warning);
    }
    let dnssec = tokio::select! {
        biased;
        () = stop.draining() => return Err(ScanError::StoppedEarly),
        asked = ask_resolvers(&config, &events) => asked?,
    };
    let ipv6 = reach::has_ipv6();
    if !ipv6 {
        events.warn(
            "this machine has no way to the IPv6 internet: what is only to be had there is not measured, and is nobody's fault",
        );
    }
    let net = open_net(&config, dnssec, opt_out.unwrap_or_default())?;
    net.resolver.limit_connections(resolver_connections);
    let Opened { mut run, mark, domains, hosts, sinks, owed } =
        open_folder(&config, Means { dnssec, ipv6 }).await?;
    let failed = open_failed(&config, &events).await?;
    let order = Order { window_lines: config.window_lines, seed: config.seed };
    let left_alone = net.left_alone();
    let mut messages = source.spawn(mark.clone(), order, domains, left_alone).map_err(ScanError::Sockets)?;
    // A resumed run skips what it has read, and sees whether it is what it was.
    let ready = tokio::select! {
        biased;
        ready = messages.recv() => ready,
        () = stop.draining() => return Err(ScanError::StoppedEarly),
    };
    if let Some(Err(error)) = ready {
        return Err(error.into());
    }
    announce(&mut run, &config, &progress, &events, owed.len())?;
    let (deliveries, delivered) = mpsc::channel();
    let next_chunk = run.journal.entries().len() as u32;
    let load = Load::new(Arc::clone(&progress.held_bytes), config.held_bytes_max);
    let tray = Tray::new(&load);
    let cutter = Cutter::new(deliveries, &config, next_chunk, mark, load, Arc::clone(&tray));
    let seen = Seen { hosts, sinks };
    let pipeline =
        Arc::new(Pipeline::new(&config, net, seen, Arc::clone(&tray), Arc::clone(&progress), failed));
    pipeline.heed_resolvers(events.clone());
    if let Some(watched) = watched {
        pipeline.heed_opt_out(watched, events.clone());
    }
    let admission = Admission {
        pipeline: Arc::clone(&pipeline),
        progress: Arc::clone(&progress),
        events: events.clone(),
        stop: stop.clone(),
        messages,
        lines: Vec::new().into_iter(),
        concurrency: config.concurrency,
        config: config.clone(),
        run: run.dir.clone(),
        tray: Arc::clone(&tray),
    };
    let writer = Writer { run, tray, progress, events: events.clone(), stop: stop.clone() };
    let written = writer.spawn(delivered).map_err(ScanError::Sockets)?;
    let (closing, written) = work(admission.run(cutter, owed), written, &pipeline, &stop).await?;
    end(&config, closing, written, &pipeline, &stop, &events)
}

/// Lets lines in and waits until the last chunk is written; or, when the writer fails or the scan is to be left at
/// once, gives up what is in flight.
async fn work(
    admission: impl Future<Output = Closing> + Send + 'static,
    mut written: oneshot::Receiver<Written>,
    pipeline: &Arc<Pipeline>,
    stop: &Stop,
) -> Result<(Closing, Written), ScanError> {
    let lost = |_| ScanError::Internal("the writing thread is gone".into());
    // When the scan itself is dropped, so is its work.
    let abandon = AbortOnDrop(Arc::clone(pipeline));
    // Among the tasks that it begins, and not in the caller's thread: each domain would wake another one.
    let mut admitting = JoinSet::new();
    admitting.spawn(admission);
    let closing = tokio::select! {
        biased;
        () = stop.aborted() => Closing::Told,
        early = &mut written => {
            let written = early.map_err(lost)?;
            // It has failed; or the last chunk was let go of a moment ago, and whoever did that is about to say why.
            let closing = if written.outcome.is_err() { Closing::Told } else { closing_of(&mut admitting).await? };
            return Ok((closing, written));
        }
        closing = closing_of(&mut admitting) => closing?,
    };
    // Nothing more is begun.
    admitting.shutdown().await;
    let written = tokio::select! {
        biased;
        written = &mut written => written,
        () = stop.aborted() => {
            pipeline.abort();
            written.await
        }
    };
    drop(abandon);
    written.map(|written| (closing, written)).map_err(lost)
}

async fn closing_of(admitting: &mut JoinSet<Closing>) -> Result<Closing, ScanError> {
    match admitting.join_next().await {
        Some(Ok(closing)) => Ok(closing),
        _ => Err(ScanError::Internal("the task that lets lines in is gone".into())),
    }
}

/// Says in the manifest how it ended, and to the caller.
fn end(
    config: &ScanConfig,
    closing: Closing,
    written: Written,
    pipeline: &Pipeline,
    stop: &Stop,
    events: &EventSink,
) -> Result<ScanSummary, ScanError> {
    let Written { mut run, outcome } = written;
    let (how, error) = match (outcome, closing) {
        (Err(error), _) | (Ok(()), Closing::Broken(error)) => (HowEnded::Failed, Some(error)),
        (Ok(()), Closing::InputEnded) if !stop.is_aborted() => (HowEnded::Completed, None),
        (Ok(()), _) => (HowEnded::Interrupted, None),
    };
    if let Some(words) = pipeline.stalls() {
        events.warn(words);
    }
    run.manifest.stray_replies += pipeline.strays();
    if how == HowEnded::Completed
        && let Err(error) = FailedFetches::remove(run.dir.root())
    {
        events
            .warn(format!("removing what is not needed any more from {}: {error}", run.dir.root().display()));
    }
    let noted = run.end(how);
    let Manifest { counts, stray_replies, .. } = run.manifest;
    events.send(Event::Finished { how, counts, stray_replies });
    match error {
        // The first error says more than that the manifest could not be written after it.
        Some(error) => Err(error),
        None => noted.map(|()| summary(config, &run.manifest)),
    }
}

fn summary(config: &ScanConfig, manifest: &Manifest) -> ScanSummary {
    ScanSummary {
        run_id: manifest.run_id.clone(),
        folder: config.out.clone(),
        how: manifest.how_ended,
        already_complete: false,
        counts: manifest.counts,
        stray_replies: manifest.stray_replies,
    }
}

/// Notes the resumption in the manifest, and tells everybody what is there already.
fn announce(
    run: &mut OpenRun,
    config: &ScanConfig,
    progress: &Progress,
    events: &EventSink,
    owed: usize,
) -> Result<(), ScanError> {
    let counts = run.manifest.counts;
    let (run_id, folder) = (run.manifest.run_id.clone(), run.dir.root().display().to_string());
    if config.resume {
        run.save()?;
        events.send(Event::Resumed { run_id, folder, counts, owed: owed as u64 });
    } else {
        events.send(Event::Started { run_id, folder });
    }
    add(&progress.lines, counts.lines);
    add(&progress.rejects, counts.rejects);
    add(&progress.lines_committed, counts.lines);
    add(&progress.rows_committed, rows_in(&counts));
    progress.chunks_committed.fetch_add(run.journal.entries().len() as u32, Ordering::Relaxed);
    Ok(())
}

async fn open_source(config: &ScanConfig, progress: &Arc<Progress>) -> Result<Source, ScanError> {
    let (inputs, column) = (config.inputs.clone(), config.column.clone());
    let progress = Arc::clone(progress);
    Ok(off_the_runtime(move || Source::open(&inputs, column.as_deref(), progress)).await??)
}

async fn open_folder(config: &ScanConfig, means: Means) -> Result<Opened, ScanError> {
    let config = config.clone();
    off_the_runtime(move || folder::open(&config, means)).await?
}

/// The policy fetches that failed before, where the run is gone on with.
async fn open_failed(config: &ScanConfig, events: &EventSink) -> Result<FailedFetches, ScanError> {
    let (folder, backoff, events) = (config.out.clone(), config.policy_backoff, events.clone());
    if !config.resume {
        return Ok(FailedFetches::new(&folder, backoff, events));
    }
    off_the_runtime(move || FailedFetches::resume(&folder, backoff, events)).await?
}

/// Runs what reads or writes files in a thread of its own, which nobody waits for if the scan is stopped: standard
/// input may never say another word.
pub(crate) async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ScanError> {
    let (sender, receiver) = oneshot::channel();
    let run = move || {
        // Nobody waits any more when the scan was stopped.
        let _ = sender.send(work());
    };
    std::thread::Builder::new().name("files".into()).spawn(run).map_err(ScanError::Sockets)?;
    receiver.await.map_err(|_| ScanError::Internal("a thread that reads files is gone".into()))
}

fn open_net(config: &ScanConfig, dnssec: bool, opt_out: OptOut) -> Result<Net, ScanError> {
    let gate = AddressGate { allow: config.allow_nets.clone(), opt_out: Vec::new() };
    let settings = ProbeSettings {
        https_port: config.https_port,
        smtp_port: config.smtp_port,
        connect_timeout: config.connect_timeout,
        policy_timeout: config.policy_timeout,
        smtp_timeout: config.smtp_timeout,
        legacy_tls: config.extras.legacy_tls,
        ..ProbeSettings::new(config.ehlo_name.as_str(), &config.contact)
    };
    let dns = DnsSettings { validating: dnssec, ..dns_settings(config, config.resolvers.clone()) };
    Net::new(dns, gate, opt_out, settings).map_err(ScanError::Sockets)
}

fn dns_settings(config: &ScanConfig, resolvers: Vec<SocketAddr>) -> DnsSettings {
    DnsSettings { resolvers, timeout: config.dns_timeout, retries: config.dns_retries, validating: false }
}

/// Asks each resolver for the root's name servers. Any answer will do; when none answers, a scan would fill a run
/// with nothing. The root is signed, so a resolver that validates sets the AD bit: whether it may be believed of all of
/// them is what comes back.
async fn ask_resolvers(config: &ScanConfig, events: &EventSink) -> Result<bool, ScanError> {
    let mut asking = JoinSet::new();
    for &address in &config.resolvers {
        let resolver = Resolver::new(dns_settings(config, vec![address])).map_err(ScanError::Sockets)?;
        asking.spawn(async move { (address, resolver.ns(".").await) });
    }
    let mut silent = Vec::new();
    let mut unbelieved = Vec::new();
    while let Some(asked) = asking.join_next().await {
        let (address, lookup) =
            asked.map_err(|error| ScanError::Internal(format!("a task was lost: {error}")))?;
        if lookup.rcode.is_none() {
            let why = lookup.ending.cause().map_or("not asked", Cause::as_str);
            silent.push(format!("{address}: {why} after {} queries", lookup.queries));
        }
        if lookup.authenticated != Some(true) {
            unbelieved.push(format!("{address} does not validate"));
        } else if !config.trust_ad && !address.ip().to_canonical().is_loopback() {
            unbelieved.push(format!(
                "{address} validates, but is not on this machine, and --trust-ad is not given"
            ));
        }
    }
    silent.sort();
    if silent.len() == config.resolvers.len() {
        return Err(ScanError::ResolverSilent { answers: silent });
    }
    for silent in silent {
        events.warn(format!("a resolver does not answer and slows the scan down: {silent}"));
    }
    unbelieved.sort();
    for reason in &unbelieved {
        events.warn(format!("DANE will not be judged: the resolver {reason}"));
    }
    Ok(unbelieved.is_empty())
}

/// Cancels the work of a scan that is dropped.
struct AbortOnDrop(Arc<Pipeline>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
