//! The whole path of a scan's DNS: from a list of names to the rows of a run on the disk, as `mxray scan --stages dns` goes it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use mxray_engine::{EventSink, Input, Progress, ScanConfig, Stages, Stop, scan};

use crate::usage::Meter;

pub(crate) struct Settings {
    pub(crate) resolver: SocketAddr,
    pub(crate) input: PathBuf,
    pub(crate) out: PathBuf,
    /// Threads of the runtime; `mxray scan` has one a core.
    pub(crate) threads: usize,
    pub(crate) concurrency: usize,
}

/// Scans, and says how many domains have a row.
pub(crate) fn run(settings: Settings) -> io::Result<()> {
    let Settings { resolver, input, out, threads, concurrency } = settings;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    let inputs = vec![Input::Path(input)];
    let config = ScanConfig {
        resolvers: vec![resolver],
        stages: Stages { policy: false, smtp: false },
        concurrency,
        ..ScanConfig::new(inputs, out, "scan.example.net", "https://example.net/scan")
    };
    let meter = Meter::start();
    let scan = scan(config, Arc::new(Progress::default()), EventSink::none(), Stop::new());
    let counts = runtime.block_on(scan).map_err(io::Error::other)?.counts;
    meter.stop(counts.domains, counts.lines, &[]);
    Ok(())
}
