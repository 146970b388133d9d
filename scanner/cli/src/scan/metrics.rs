//! Numbers of a running scan for Prometheus, in its text exposition format 0.0.4.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use mxray_engine::Progress;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::meter::{Meter, Reading};
use crate::exit::{Blame, Failure};

/// Where they are.
const PATH: &str = "/metrics";
/// What they are, by the format's own name.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Who asks for numbers at a time: one, as a rule.
const CONNECTIONS_MAX: usize = 8;
/// A connection may stay for so long.
const CONNECTION_MAX: Duration = Duration::from_secs(30);
/// Clock ticks a second of `/proc/PID/stat`, on every Linux that has more than one program.
const TICKS_A_SECOND: f64 = 100.0;
/// Bytes of a page, likewise on the machines this is built for.
const PAGE_BYTES: f64 = 4096.0;

/// A server of metrics, until it is dropped.
pub(super) struct Metrics {
    /// Where it listens.
    pub(super) address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Metrics {
    /// Begins to serve.
    pub(super) async fn serve(address: SocketAddr, progress: Arc<Progress>) -> Result<Self, Failure> {
        let doing = || format!("listening on {address} for those who ask for metrics");
        let listener = TcpListener::bind(address).await.environment(doing)?;
        let address = listener.local_addr().environment(doing)?;
        let shown = Arc::new(Shown { progress, meter: Mutex::new(Meter::new()) });
        Ok(Self { address, serving: tokio::spawn(accept(listener, shown)) })
    }
}

impl Drop for Metrics {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Where to listen: a port of this machine's own, or an address with its port.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').unwrap_or(text).parse().ok();
    port.map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
        .or_else(|| text.parse().ok())
        .ok_or_else(|| "a port, or an address such as 127.0.0.1:9464 or [::1]:9464, is wanted".to_owned())
}

struct Shown {
    progress: Arc<Progress>,
    meter: Mutex<Meter>,
}

async fn accept(listener: TcpListener, shown: Arc<Shown>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // No descriptor to be had, most likely: the scan is what matters.
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        };
        let shown = Arc::clone(&shown);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let response = respond(&request, &shown);
                async move { Ok::<_, Infallible>(response) }
            });
            let serving = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service);
            // What goes wrong is for whoever asked to notice.
            let _ = tokio::time::timeout(CONNECTION_MAX, serving).await;
            drop(place);
        });
    }
}

fn respond(request: &Request<Incoming>, shown: &Shown) -> Response<Full<Bytes>> {
    let answer = |status, text: String| {
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = status;
        response
    };
    if request.uri().path() != PATH {
        return answer(StatusCode::NOT_FOUND, format!("metrics are at {PATH}\n"));
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response = answer(StatusCode::METHOD_NOT_ALLOWED, String::new());
        response.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let reading =
        shown.meter.lock().unwrap_or_else(PoisonError::into_inner).read(&shown.progress, Instant::now());
    let mut response = answer(StatusCode::OK, text(&shown.progress, &reading));
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(FORMAT));
    response
}

/// Every metric.
fn text(progress: &Progress, reading: &Reading) -> String {
    let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed) as f64;
    let mut page = Page::default();
    page.family("mxray_build_info", "gauge", "Always 1; the label says which mxray this is.");
    page.sample("mxray_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    for (name, kind, help, value) in [
        (
            "mxray_lines_total",
            "counter",
            "Lines of input let in, with those of the runs that this one resumes.",
            load(&progress.lines),
        ),
        ("mxray_rejects_total", "counter", "Of these, lines that are not scanned.", load(&progress.rejects)),
        (
            "mxray_lines_committed_total",
            "counter",
            "Lines of input that are on the disk for good.",
            load(&progress.lines_committed),
        ),
        (
            "mxray_rows_committed_total",
            "counter",
            "Rows that are on the disk for good, over all tables.",
            load(&progress.rows_committed),
        ),
        (
            "mxray_chunks_committed_total",
            "counter",
            "Chunks that are on the disk for good.",
            f64::from(progress.chunks_committed.load(Ordering::Relaxed)),
        ),
        (
            "mxray_input_read_bytes_total",
            "counter",
            "Bytes of input read, as stored.",
            load(&progress.input_bytes),
        ),
        (
            "mxray_input_size_bytes",
            "gauge",
            "Bytes of all inputs; 0 where that is not known.",
            load(&progress.input_bytes_total),
        ),
        (
            "mxray_sessions_reused_total",
            "counter",
            "SMTP sessions that were not held, since others at the address had shown what they would show.",
            load(&progress.sessions_reused),
        ),
        (
            "mxray_parked",
            "gauge",
            "Policy fetches and sessions that wait for their turn.",
            load(&progress.parked),
        ),
    ] {
        page.family(name, kind, help);
        page.sample(name, &[], value);
    }
    page.family(
        "mxray_connections",
        "gauge",
        "Connections to policy and MX hosts; slow ones have taken longer than a second.",
    );
    page.sample("mxray_connections", &[("pace", "brisk")], load(&progress.connections));
    page.sample("mxray_connections", &[("pace", "slow")], load(&progress.slow_connections));
    memory(&mut page, progress);
    page.family("mxray_work_done_total", "counter", "Pieces of work that have ended, however, by stage.");
    for (stage, reading) in &reading.stages {
        page.sample("mxray_work_done_total", &[("stage", stage)], reading.done as f64);
    }
    page.family(
        "mxray_work_failed_total",
        "counter",
        "Of these, not completed: refused, timed out, withheld.",
    );
    for (stage, reading) in &reading.stages {
        page.sample("mxray_work_failed_total", &[("stage", stage)], reading.failed as f64);
    }
    page.family(
        "mxray_work_in_flight",
        "gauge",
        "Pieces of work that have begun, or wait for their turn, by stage.",
    );
    for (stage, reading) in &reading.stages {
        page.sample("mxray_work_in_flight", &[("stage", stage)], reading.in_flight as f64);
    }
    // What nobody can say has no sample.
    page.family(
        "mxray_input_done_ratio",
        "gauge",
        "How much of the input is dealt with, 0 to 1; no sample where its size is not known.",
    );
    reading.fraction.into_iter().for_each(|ratio| page.sample("mxray_input_done_ratio", &[], ratio));
    page.family(
        "mxray_eta_seconds",
        "gauge",
        "Seconds to go at the pace of the last seconds; no sample when nobody can say.",
    );
    reading.eta_seconds.into_iter().for_each(|eta| page.sample("mxray_eta_seconds", &[], eta));
    process(&mut page);
    page.text
}

/// What takes memory.
fn memory(page: &mut Page, progress: &Progress) {
    let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed) as f64;
    page.family("mxray_parked_bytes", "gauge", "What is parked: what it takes in memory, about.");
    page.sample("mxray_parked_bytes", &[], load(&progress.parked_bytes));
    page.family(
        "mxray_held_bytes",
        "gauge",
        "Rows that wait to be written: what they take in memory, about.",
    );
    page.sample("mxray_held_bytes", &[], load(&progress.held_bytes));
    page.family(
        "mxray_remembered",
        "gauge",
        "Things of which it is remembered that they were seen, by kind, so that none is looked at twice.",
    );
    let remembered = &progress.remembered;
    for (kind, count) in [
        ("mail_hosts", &remembered.hosts),
        ("report_sinks", &remembered.sinks),
        ("certificates", &remembered.certificates),
        ("addresses", &remembered.addresses),
    ] {
        page.sample("mxray_remembered", &[("kind", kind)], load(count));
    }
}

/// What Prometheus' own libraries say of a process, under their names.
fn process(page: &mut Page) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, in brackets, may hold anything.
    let fields: Vec<f64> = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect())
        .unwrap_or_default();
    // utime, stime and rss are the fields 14, 15 and 24 of proc_pid_stat(5), of which two are before the bracket.
    if let (Some(user), Some(system), Some(pages)) = (fields.get(11), fields.get(12), fields.get(21)) {
        page.family("process_cpu_seconds_total", "counter", "Processor time, user and system.");
        page.sample("process_cpu_seconds_total", &[], (user + system) / TICKS_A_SECOND);
        page.family("process_resident_memory_bytes", "gauge", "Memory that is resident.");
        page.sample("process_resident_memory_bytes", &[], pages * PAGE_BYTES);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        page.family("process_open_fds", "gauge", "Open files and sockets.");
        page.sample("process_open_fds", &[], open.count() as f64);
    }
}

/// A page of metrics.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// Labels hold words of ours, which need no escapes.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> = labels.iter().map(|(label, word)| format!("{label}=\"{word}\"")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.text, "{name}{labels} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_of_this_machine() {
        assert_eq!(address("9464"), Ok("127.0.0.1:9464".parse().unwrap()));
        assert_eq!(address(":9464"), Ok("127.0.0.1:9464".parse().unwrap()));
        assert_eq!(address("[::1]:1"), Ok("[::1]:1".parse().unwrap()));
        assert_eq!(address("0.0.0.0:9464"), Ok("0.0.0.0:9464".parse().unwrap()));
        assert!(address("localhost:1").is_err() && address("").is_err() && address("70000").is_err());
    }
}
