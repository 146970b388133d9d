//! A lab, and scans of it.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mxray_engine::{
    Event, EventSink, Input, PacingLimits, Progress, ScanConfig, ScanError, ScanSummary, Stop, scan,
};
use mxray_evidence::{
    CertificateRow, DomainRow, MailHostRow, PolicyRow, RejectRow, ReportSinkRow, RunDir, SmtpSessionRow,
    Table,
};
use mxray_lab::{Lab, LabConfig, Names, WorldParams};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Row;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A lab with its world's folder, a folder for runs, and a runtime to scan on.
pub(crate) struct Bench {
    pub(crate) lab: Lab,
    pub(crate) folder: TempDir,
    runtime: Runtime,
}

impl Bench {
    /// A world of so many domains.
    pub(crate) fn new(domains: u64, params: WorldParams) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = LabConfig::new(folder.path().join("world"), 7, params, Names::Invented(domains));
        let lab = Lab::start(config).expect("a lab");
        lab.write_truth(|_| true).expect("names and truth");
        Self { lab, folder, runtime: runtime() }
    }

    /// The names of the world, as an input.
    pub(crate) fn names(&self) -> Input {
        Input::Path(self.lab.names_path())
    }

    /// A folder for a run.
    pub(crate) fn out(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes an input.
    pub(crate) fn input(&self, name: &str, text: impl AsRef<[u8]>) -> Input {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("write");
        Input::Path(path)
    }

    /// Where the lab listens.
    pub(crate) fn doors(&self) -> Doors {
        Doors { dns: self.lab.dns_addr(), https: self.lab.https_port(), smtp: self.lab.smtp_port() }
    }

    /// How to scan the lab.
    pub(crate) fn config(&self, input: Input, run: &str) -> ScanConfig {
        self.doors().config(input, &self.out(run))
    }

    /// Scans without disturbance.
    pub(crate) fn scan(&self, config: ScanConfig) -> Result<ScanSummary, ScanError> {
        self.scan_with(config, EventSink::none(), &Stop::new())
    }

    /// Scans, and hands every event to `each`, with the switch.
    pub(crate) fn scan_watched(
        &self,
        config: ScanConfig,
        each: impl Fn(&Event, &Stop) + Send + Sync + 'static,
    ) -> Result<ScanSummary, ScanError> {
        let stop = Stop::new();
        let switch = stop.clone();
        self.scan_with(config, EventSink::new(move |event| each(&event, &switch)), &stop)
    }

    fn scan_with(
        &self,
        config: ScanConfig,
        events: EventSink,
        stop: &Stop,
    ) -> Result<ScanSummary, ScanError> {
        self.runtime.block_on(scan(config, Arc::new(Progress::default()), events, stop.clone()))
    }

    /// Stops the lab, and reads what its servers saw: each row of a ledger, mapped.
    pub(crate) fn ledger<T>(self, name: &str, map: impl Fn(&Row) -> T) -> Vec<T> {
        self.stop().read(name, map)
    }

    /// Stops the lab, which completes its ledgers.
    pub(crate) fn stop(self) -> Ledgers {
        self.runtime.block_on(self.lab.stop()).expect("a clean stop");
        Ledgers(self.folder)
    }
}

/// What a lab's servers saw.
pub(crate) struct Ledgers(TempDir);

impl Ledgers {
    /// Each row of a ledger, mapped.
    pub(crate) fn read<T>(&self, name: &str, map: impl Fn(&Row) -> T) -> Vec<T> {
        let path = self.0.path().join("world/ledger").join(name);
        let file = fs::File::open(&path).expect("a ledger");
        let reader = SerializedFileReader::new(file).expect("a Parquet file");
        let rows = reader.get_row_iter(None).expect("rows");
        rows.map(|row| map(&row.expect("a row"))).collect()
    }
}

/// Where a lab listens.
pub(crate) struct Doors {
    pub(crate) dns: SocketAddr,
    pub(crate) https: u16,
    pub(crate) smtp: u16,
}

impl Doors {
    /// How to scan a lab: its ports, and deadlines that suit a loopback.
    pub(crate) fn config(&self, input: Input, out: &Path) -> ScanConfig {
        ScanConfig {
            resolvers: vec![self.dns],
            https_port: self.https,
            smtp_port: self.smtp,
            // What is silent costs the first; what answers may share its processors with many.
            connect_timeout: Duration::from_secs(3),
            policy_timeout: Duration::from_secs(5),
            smtp_timeout: Duration::from_secs(30),
            allow_nets: vec!["127.0.0.0/8".parse().expect("a net"), "::1/128".parse().expect("a net")],
            pacing: PacingLimits {
                connections_max: 512,
                slow_connections_max: 512,
                address_connections_max: 16,
                address_rate: None,
                prefix_connections_max: 256,
                prefix_rate: None,
                operator_connections_max: 256,
                operator_rate: None,
                domain_rate: None,
            },
            // A lab's servers say the same however often they are asked.
            refusal_retries: 0,
            refusal_backoff: Duration::ZERO,
            policy_backoff: Duration::ZERO,
            ..ScanConfig::new(vec![input], out, "scan.example.net", "https://example.net/scan")
        }
    }
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// Collects the events of a scan.
pub(crate) fn recorder() -> (Arc<Mutex<Vec<Event>>>, EventSink) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&events);
    (events, EventSink::new(move |event| sink.lock().expect("a lock").push(event)))
}

/// All rows of a table.
pub(crate) fn rows<T: Table>(run: &Path) -> Vec<T> {
    let mut rows = Vec::new();
    RunDir::new(run).for_each(|row: T| rows.push(row)).expect("readable parts");
    rows
}

/// Every row of every table of evidence, as text without times and places, sorted: what two runs of one world have in common.
pub(crate) fn evidence(run: &Path) -> BTreeMap<&'static str, Vec<String>> {
    fn texts<T: Table>(run: &Path) -> (&'static str, Vec<String>) {
        let mut texts: Vec<String> = rows::<T>(run)
            .iter()
            .map(|row| {
                let mut value = serde_json::to_value(row).expect("JSON");
                forget_times(&mut value);
                value.to_string()
            })
            .collect();
        texts.sort();
        (T::NAME, texts)
    }
    BTreeMap::from([
        texts::<DomainRow>(run),
        texts::<PolicyRow>(run),
        texts::<MailHostRow>(run),
        texts::<SmtpSessionRow>(run),
        texts::<CertificateRow>(run),
        texts::<ReportSinkRow>(run),
        texts::<RejectRow>(run),
    ])
}

/// Holds that two runs of one world have the same rows, and says which do not if they have not.
pub(crate) fn assert_same(run: &Path, other: &Path) {
    assert_same_as(run, &evidence(other));
}

/// The same, against rows that were read before.
pub(crate) fn assert_same_as(run: &Path, other: &BTreeMap<&'static str, Vec<String>>) {
    let mut said = Vec::new();
    for (table, rows) in evidence(run) {
        let others = &other[table];
        let mut only = |here: &[String], there: &[String], where_: &str| {
            for row in here.iter().filter(|row| there.binary_search(row).is_err()) {
                said.push(format!("{table}, {where_}: {}", &row[..row.len().min(800)]));
            }
        };
        only(&rows, others, "in this run only");
        only(others, &rows, "in the other only");
        if rows.len() != others.len() {
            said.push(format!("{table}: {} rows here, {} there", rows.len(), others.len()));
        }
    }
    assert!(said.is_empty(), "{}:\n{}", run.display(), said.join("\n"));
}

/// What differs between two measurements of the same thing: when, how long, how often it had to be asked, and where in
/// the run it stands.
fn forget_times(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(fields) => {
            fields.retain(|name, _| {
                !matches!(name.as_str(), "started" | "elapsed_us" | "first_seen" | "queries" | "chunk")
            });
            fields.values_mut().for_each(forget_times);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(forget_times),
        _ => {}
    }
}
