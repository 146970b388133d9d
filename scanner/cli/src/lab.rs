//! `mxray lab`: an internet of our own, whose truth is known.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use indicatif::HumanCount;
use mxray_lab::{Hostile, Lab, LabConfig, LabError, NETWORKS, Names, WorldParams};

use crate::exit::{Blame, Exit, Failure};
use crate::format::AnswerFormat;
use crate::interrupt::Interrupts;
use crate::{open_files, runtime, shell, stdout};

/// Serves a simulated internet on loopback: DNS, HTTPS and SMTP for a world made from a seed.
///
/// Every simulated host has an address of its own in 127.0.0.0/8. What is wrong in the world is planted, and is
/// written to the folder as Parquet beside a ledger of what the servers saw, the world's CA, and its names. It
/// serves until Ctrl-C; no privilege is needed, and nothing leaves this machine.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mxray lab --domains 1000 --out lab
  mxray lab --names toplist.csv --world datasets/worlds/census.toml --seed 7 --out lab
  mxray lab --world datasets/worlds/imc2025.toml --scale 0.1 --out lab")]
pub(crate) struct LabArgs {
    /// The world's folder: made, or filled again with the same world.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Invent so many domains. Default: 10000, or as many as the world's groups have.
    #[arg(long, value_name = "N", conflicts_with = "names")]
    domains: Option<u64>,
    /// Take the domains from a list, plain or `rank,domain`.
    #[arg(long, value_name = "FILE")]
    names: Option<PathBuf>,
    /// A TOML file of the world's probabilities, or of its groups. Default: the probabilities of the demo.
    #[arg(long, value_name = "FILE.toml")]
    world: Option<PathBuf>,
    /// Make a world of groups smaller, such as 0.1 for a tenth: each group by largest remainder, none below one domain.
    #[arg(long, value_name = "SHARE")]
    scale: Option<f64>,
    /// The world's seed.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Write the names of so many domains of each hostile case to hostile.txt. They are served in any case, beside the
    /// world, and the truth says nothing of them.
    #[arg(long, value_name = "N")]
    hostile: Option<u32>,
    /// Serve the world as it is later: 28 days (1), or 98 (2). The `[changes]` of its file have happened, and are written
    /// to `truth/changes.csv`. The same folder and seed as before give the same world.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=2))]
    epoch: u32,
    /// Port for DNS; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    dns_port: u16,
    /// Port for policies; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    https_port: u16,
    /// Port for mail hosts; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    smtp_port: u16,
    /// How to say on stdout that it is ready: for a person, or one line of JSON.
    #[arg(long, value_enum, default_value = "text")]
    format: AnswerFormat,
}

/// Domains of a world of probabilities, where nobody says otherwise.
const DOMAINS_DEFAULT: u64 = 10_000;

pub(crate) fn run(args: &LabArgs) -> Result<Exit, Failure> {
    let mut params = params(args.world.as_deref())?;
    if let Some(scale) = args.scale {
        for raised in params.scale(scale).refused(|| "scaling the world".to_owned())? {
            eprintln!("raised to one domain: {raised}");
        }
    }
    let domains = args.domains.or(params.domains()).unwrap_or(DOMAINS_DEFAULT);
    let names = args.names.clone().map_or(Names::Invented(domains), Names::File);
    let config = LabConfig {
        dns_port: args.dns_port,
        https_port: args.https_port,
        smtp_port: args.smtp_port,
        epoch: args.epoch,
        ..LabConfig::new(&args.out, args.seed, params, names)
    };
    open_files::raise();
    let runtime = runtime::start()?;
    runtime.block_on(async {
        let mut interrupts = Interrupts::listen()?;
        let lab = Lab::start(config)?;
        let served = serve(&lab, args, &mut interrupts).await;
        let kept = lab.stop().await;
        served?;
        kept?;
        eprintln!("stopped: the ledger of what the servers saw is in {}", args.out.join("ledger").display());
        Ok(Exit::Done)
    })
}

fn params(path: Option<&Path>) -> Result<WorldParams, Failure> {
    let Some(path) = path else { return Ok(WorldParams::default()) };
    let doing = || format!("reading the world {}", path.display());
    let text = std::fs::read_to_string(path).refused(doing)?;
    WorldParams::from_toml(&text).refused(doing)
}

/// Writes the truth while the servers already answer, says that all is ready, and waits for Ctrl-C.
async fn serve(lab: &Lab, args: &LabArgs, interrupts: &mut Interrupts) -> Result<(), Failure> {
    let (world, folder, go_on) = (Arc::clone(lab.world()), args.out.clone(), Arc::new(AtomicBool::new(true)));
    eprintln!(
        "serving {} domains; writing their names and the truth to {}",
        HumanCount(world.domains()),
        folder.display()
    );
    let going = Arc::clone(&go_on);
    if args.epoch > 0 {
        let written =
            world.write_true_changes(&folder).environment(|| "writing the true changes".to_owned())?;
        eprintln!("{written} changes planted");
    }
    let mut writing =
        tokio::task::spawn_blocking(move || world.write_truth(&folder, |_| going.load(Ordering::Relaxed)));
    let written = tokio::select! {
        written = &mut writing => written,
        () = interrupts.next() => {
            go_on.store(false, Ordering::Relaxed);
            let _ = writing.await;
            eprintln!("stopped before the truth was written");
            return Ok(());
        }
    };
    written
        .map_err(anyhow::Error::from)
        .and_then(|written| Ok(written?))
        .environment(|| "writing the truth".to_owned())?;
    if let Some(count) = args.hostile {
        let path = args.out.join("hostile.txt");
        std::fs::write(&path, hostile_names(count)).environment(|| format!("writing {}", path.display()))?;
    }
    match args.format {
        AnswerFormat::Text => stdout::write(&ready(lab, args))?,
        AnswerFormat::Json => stdout::write(&format!("{}\n", lab.ready_json()))?,
    }
    interrupts.next().await;
    Ok(())
}

/// A domain of every hostile case, then another of each, so many times.
fn hostile_names(count: u32) -> String {
    (0..count).flat_map(|number| Hostile::ALL.iter().map(move |case| case.domain(number) + "\n")).collect()
}

/// Where everything is, and the command that scans it.
fn ready(lab: &Lab, args: &LabArgs) -> String {
    let word = |path: &Path| shell::word(&path.display().to_string());
    let names = args.names.clone().unwrap_or_else(|| lab.names_path());
    let networks = NETWORKS.map(|network| format!("--allow-net {network}")).join(" ");
    format!(
        "Ready, until Ctrl-C.\n  DNS      {dns}, UDP and TCP\n  HTTPS    127.0.0.0/8, port {https}\n  \
         SMTP     127.0.0.0/8, port {smtp}\n  trust    {ca}\n  truth    {truth}\n\nScan it from another terminal:\n\n\
         {program} scan {names} --out run \\\n  --resolver {dns} --https-port {https} --smtp-port {smtp} \\\n  \
         --trust-roots {trust} {networks} \\\n  {LOOPBACK_MANNERS} \\\n  \
         --ehlo-name scanner.example --contact you@example.net\n",
        dns = lab.dns_addr(),
        https = lab.https_port(),
        smtp = lab.smtp_port(),
        ca = lab.ca_pem_path().display(),
        truth = args.out.join("truth").display(),
        program = shell::program(),
        names = word(&names),
        trust = word(&lab.ca_pem_path()),
    )
}

/// Loopback is near, and nobody on it minds.
const LOOPBACK_MANNERS: &str = "--address-rate none --prefix-rate none --operator-rate none \\
  --address-connections 64 --prefix-connections 512 --operator-connections 512 --refusal-retries 0 --refusal-backoff none \\
  --policy-backoff none --dns-timeout 1s --connect-timeout 3s --policy-timeout 10s --smtp-timeout 10s";

impl From<LabError> for Failure {
    fn from(error: LabError) -> Self {
        let exit = match &error {
            LabError::World(_) => Exit::Refused,
            LabError::Authority(_) | LabError::Ledger(_) | LabError::System { .. } => Exit::Environment,
        };
        Self::new(exit, error.into())
    }
}
