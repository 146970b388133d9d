//! `mxray demo`: the whole way, from a world to its tables, on this machine alone.

mod letter;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use mxray_engine::{EventSink, Extras, Input, PacingLimits, Progress, ScanConfig, ScanSummary, Stop};
use mxray_lab::{Lab, LabConfig, NETWORKS, Names, WorldParams};
use mxray_study::{Agreement, Classified, Report, ReportOptions};
use serde_json::json;

use crate::exit::{Blame, Exit, Failure};
use crate::palette::Palette;
use crate::progress_line::ProgressLine;
use crate::run_folder;
use crate::runtime;
use crate::stdout;

/// What the world is like.
const WORLD: &str = include_str!("../../../datasets/worlds/demo.toml");
/// Connections at a time. They end on this machine as well, which answers in time if there are not too many.
const CONNECTIONS_MAX: u32 = 128;
/// For opening a connection. A host that says nothing costs it whole; a busy machine must not look like one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For a policy fetch, and for a session.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);
/// For one DNS query.
const DNS_TIMEOUT: Duration = Duration::from_secs(2);
/// Folders that are tried when the default one is there.
const FOLDERS_MAX: u32 = 1_000;

/// Shows the whole way in one go: makes a world with known defects, scans it, judges it, and compares.
///
/// The world is simulated on loopback: nothing leaves this machine, and no privilege is needed. It prints what it
/// found, how that agrees with what was planted, defect by defect, and where everything stands; it ends with code 1
/// when they differ.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mxray demo
  mxray demo --domains 500 --seed 7 --out elsewhere")]
pub(crate) struct DemoArgs {
    /// The folder for everything, to be made. Default: demo-run, or the first of demo-run-2, … that is free.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Domains in the world.
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    domains: u64,
    /// The world's seed.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// Everything that came of it.
struct Outcome {
    folder: PathBuf,
    scanned: ScanSummary,
    scan_time: Duration,
    classified: Classified,
    report: Report,
    agreement: Agreement,
}

pub(crate) fn run(args: &DemoArgs) -> Result<Exit, Failure> {
    let folder = make_folder(args.out.as_deref())?;
    let outcome = runtime::start()?.block_on(demonstrate(args, folder))?;
    stdout::write(&letter::letter(&outcome, Palette::stdout()))?;
    Ok(if outcome.agreement.is_exact() { Exit::Done } else { Exit::Findings })
}

fn make_folder(named: Option<&Path>) -> Result<PathBuf, Failure> {
    let told = |path: &Path| format!("making the folder {}", path.display());
    if let Some(path) = named {
        std::fs::create_dir(path).refused(|| told(path))?;
        return Ok(path.to_owned());
    }
    for number in 1..=FOLDERS_MAX {
        let path =
            PathBuf::from(if number == 1 { "demo-run".to_owned() } else { format!("demo-run-{number}") });
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).environment(|| told(&path)),
        }
    }
    Err(Failure::refused("there are a thousand demo-run folders here: name another with --out"))
}

async fn demonstrate(args: &DemoArgs, folder: PathBuf) -> Result<Outcome, Failure> {
    let mut line = ProgressLine::start();
    let params = WorldParams::from_toml(WORLD).expect("the demo's world is one: a test reads it");
    line.doing("making the world");
    let config = LabConfig::new(folder.join("lab"), args.seed, params, Names::Invented(args.domains));
    let lab = Lab::start(config).environment(|| "starting the lab".to_owned())?;
    lab.write_truth(|_| true).environment(|| "writing what is true of the world".to_owned())?;

    line.doing("scanning it");
    let begun = Instant::now();
    let progress = Arc::new(Progress::default());
    line.watch(Arc::clone(&progress));
    let events = EventSink::none();
    let scanned = mxray_engine::scan(scan_config(&lab, &folder)?, progress, events, Stop::new()).await?;
    let scan_time = begun.elapsed();

    line.doing("judging it");
    let (run, manifest) = run_folder::open(&folder.join("run"))?;
    let classified = run_folder::classify(&run, &manifest)?;
    line.doing("comparing it with the truth");
    let agreement = mxray_study::compare(&run, &classified.id, &folder.join("lab/truth"))?;
    let of = [(run, classified.id.clone())];
    let report =
        mxray_study::report(&of, &folder.join("report"), &ReportOptions::default(), &mut |_| {}).await?;
    lab.stop().await.environment(|| "ending the lab".to_owned())?;
    Ok(Outcome { folder, scanned, scan_time, classified, report, agreement })
}

fn scan_config(lab: &Lab, folder: &Path) -> Result<ScanConfig, Failure> {
    let ca = lab.ca_pem_path();
    let pem = std::fs::read_to_string(&ca).environment(|| format!("reading {}", ca.display()))?;
    let allow_nets =
        NETWORKS.iter().map(|net| net.parse().expect("the lab's networks are networks")).collect();
    let names = Input::Path(lab.names_path());
    Ok(ScanConfig {
        resolvers: vec![lab.dns_addr()],
        https_port: lab.https_port(),
        smtp_port: lab.smtp_port(),
        allow_nets,
        connect_timeout: CONNECT_TIMEOUT,
        policy_timeout: EXCHANGE_TIMEOUT,
        smtp_timeout: EXCHANGE_TIMEOUT,
        dns_timeout: DNS_TIMEOUT,
        pacing: PacingLimits {
            connections_max: CONNECTIONS_MAX,
            slow_connections_max: CONNECTIONS_MAX,
            address_connections_max: CONNECTIONS_MAX,
            address_rate: None,
            prefix_connections_max: CONNECTIONS_MAX,
            prefix_rate: None,
            operator_connections_max: CONNECTIONS_MAX,
            operator_rate: None,
            domain_rate: None,
        },
        extras: Extras::all(),
        // Its servers say the same however often they are asked.
        refusal_retries: 0,
        refusal_backoff: Duration::ZERO,
        policy_backoff: Duration::ZERO,
        vantage: Some("demo".to_owned()),
        extra: json!({ "trust_roots": [{ "name": "lab/ca.pem", "pem": pem }] }),
        ..ScanConfig::new(vec![names], folder.join("run"), "demo.example", "https://demo.example/")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_of_the_demo_is_one() {
        assert!(WorldParams::from_toml(WORLD).is_ok());
    }
}
