//! `mxray scan`: measure, and keep what was seen.

mod display;
mod dry_run;
mod meter;
mod metrics;
mod summary;

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{ArgMatches, Args, ValueEnum};
use mxray_engine::{Extras, Input, Progress, ScanConfig, Stages, Stop, StopReason, WINDOW_LINES_MAX};
use mxray_evidence::HowEnded;

use self::display::Display;
use self::metrics::Metrics;
use crate::exit::{self, Exit, Failure};
use crate::interrupt::Interrupts;
use crate::probing::ProbeFlags;
use crate::{config_file, open_files, probing, runtime, stdout};

/// Measures: asks DNS, HTTPS and SMTP about every domain of the inputs, and writes what was seen as a run.
///
/// Every flag can stand in a TOML file (`--config`), its long name the key; what is typed wins.
/// `--print-config` writes such a file. The first Ctrl-C finishes what is in flight and leaves a run that
/// `--resume` goes on with; the second leaves at once, and what was not committed is measured again.
#[derive(Debug, Args)]
#[command(after_help = after_help())]
pub(crate) struct ScanArgs {
    /// Lists of domains, plain, CSV, gz or zst; `-` is stdin.
    #[arg(value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// The folder of the run, to be made.
    #[arg(long, value_name = "RUN")]
    out: Option<PathBuf>,
    /// The column of the CSV that holds the domain. Default: found by its header.
    #[arg(long, value_name = "NAME")]
    column: Option<String>,
    /// What to ask: DNS always, policies by HTTPS, mail hosts by SMTP.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "dns,policy,smtp")]
    stages: Vec<StageWord>,
    #[command(flatten)]
    on_request: OnRequest,
    /// Lines of input in a chunk, which is committed as a whole.
    #[arg(long, value_name = "N", default_value = "10000")]
    chunk_lines: NonZeroU64,
    /// Lines of input that are read ahead and scanned in an order that `--seed` draws, so that what one operator holds is
    /// not asked for in a row; 1 keeps the order of the input, and waits for no line but the next.
    #[arg(long, value_name = "N", default_value_t = 65_536, value_parser = window)]
    window: usize,
    /// Go on with the run in `--out` where its journal ends.
    #[arg(long)]
    resume: bool,
    /// Stop after so long (90s, 30m, 12h, 7d) as after Ctrl-C, with exit code 5; `--resume` goes on. What is in flight then
    /// takes as long as it may: --policy-timeout, --smtp-timeout.
    #[arg(long, value_name = "TIME", value_parser = probing::long_time)]
    max_runtime: Option<Duration>,
    #[command(flatten)]
    probe: ProbeFlags,
    /// MX hosts at one address that must show one certificate before others that it is for are taken to do so, unasked;
    /// 0 asks every one.
    #[arg(long, value_name = "N", default_value = "3", help_heading = "Pace")]
    sni_samples: u32,
    /// Sessions to try once more where a server said that it has no time now (421, or 4xx to the greeting or EHLO).
    #[arg(long, value_name = "N", default_value = "2", help_heading = "Pace")]
    refusal_retries: u16,
    /// How long such a server's address is left alone, and twice as long each time; its operator for a tenth of it.
    /// `none` is not at all.
    #[arg(long, value_name = "TIME", value_parser = pause, default_value = "60s", help_heading = "Pace")]
    refusal_backoff: Duration,
    /// How long a policy is not fetched again whose fetch failed just before a crash, when `--resume` goes on (RFC 8461
    /// §3.3). Nothing else waits for it. `none` is not at all.
    #[arg(long, value_name = "TIME", value_parser = pause, default_value = "5m", help_heading = "Pace")]
    policy_backoff: Duration,
    /// Read the input and say what would be sent to whom, and how fast, on stdout; send nothing, not even a DNS query, and
    /// write nothing. With `--log json`, as JSON.
    #[arg(long)]
    dry_run: bool,
    /// Serve metrics for Prometheus at /metrics of this port, on loopback unless an address is named; 0 takes a free one.
    #[arg(long, value_name = "[ADDR:]PORT", value_parser = metrics::address)]
    metrics: Option<SocketAddr>,
    /// For a simulated world some time later: date everything so many days ahead. Written into the run's configuration.
    #[arg(long, value_name = "DAYS", default_value = "0", hide = true)]
    clock_ahead: u16,
    /// What to say on stderr.
    #[arg(long, value_enum, default_value = "text")]
    log: LogForm,
    /// A TOML file of these flags, their long names the keys; what is typed wins.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write the configuration as a file for `--config` to stdout, and measure nothing.
    #[arg(long)]
    print_config: bool,
}

/// What is asked only on request.
#[derive(Debug, Args)]
struct OnRequest {
    /// Ask for records where they stand by mistake (`_mta_sts`, the apex, …): up to nine more TXT queries for each domain
    /// that lacks a valid record, which is nearly every domain of most lists.
    #[arg(long)]
    look_aside: bool,
    /// Fetch policies that no record announces: two more address queries for each domain without one, and a fetch
    /// wherever there is an `mta-sts` host.
    #[arg(long)]
    fetch_without_record: bool,
    /// Ask MX hosts whose handshake fails as old or odd servers' do what they speak: TLS 1.1 and older, static RSA, CBC,
    /// P-521. One or two more sessions with each such address, up to the server's hello.
    #[arg(long)]
    legacy_tls: bool,
}

/// A stage of the scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StageWord {
    /// MX, NS and the two TXT records.
    Dns,
    /// The MTA-STS policy.
    Policy,
    /// Sessions with the MX hosts.
    Smtp,
}

/// What goes to stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    /// Progress on a terminal; warnings and the end anywhere.
    Text,
    /// An event a line, as JSON.
    Json,
    /// Errors alone.
    Quiet,
}

pub(crate) fn run(args: &ScanArgs, typed: &ArgMatches) -> Result<Exit, Failure> {
    if args.print_config {
        stdout::write(&config_file::sample(typed))?;
        return Ok(Exit::Done);
    }
    let config = config(args)?;
    open_files::raise();
    if args.dry_run {
        let plan = mxray_engine::plan(config.clone())?;
        match args.log {
            LogForm::Json => stdout::write_json(&plan)?,
            LogForm::Text | LogForm::Quiet => stdout::write(&dry_run::text(&plan, &config))?,
        }
        return Ok(Exit::Done);
    }
    runtime::start()?.block_on(scan(config, args))
}

fn after_help() -> String {
    format!(
        "{}\n\n{}",
        exit::HELP,
        "\
Examples:
  mxray scan domains.txt --out run --ehlo-name scan.example.net --contact https://example.net/scan
  mxray scan toplist.csv.gz --column domain --out run --config scan.toml --rate 200
  mxray scan toplist.csv.gz --column domain --out run --config scan.toml --resume"
    )
}

/// What was typed, as what is to be done.
fn config(args: &ScanArgs) -> Result<ScanConfig, Failure> {
    if args.inputs.is_empty() {
        return Err(Failure::refused("nothing to scan: name a list of domains, or - for stdin"));
    }
    let Some(out) = args.out.clone() else {
        return Err(Failure::refused("nowhere to write: name a folder for the run with --out"));
    };
    let named =
        |path: &PathBuf| if path.as_os_str() == "-" { Input::Stdin } else { Input::Path(path.clone()) };
    let mut config = ScanConfig {
        column: args.column.clone(),
        stages: Stages {
            policy: args.stages.contains(&StageWord::Policy),
            smtp: args.stages.contains(&StageWord::Smtp),
        },
        extras: Extras {
            look_aside: args.on_request.look_aside,
            fetch_without_record: args.on_request.fetch_without_record,
            legacy_tls: args.on_request.legacy_tls,
        },
        chunk_lines: args.chunk_lines.get(),
        window_lines: args.window,
        resume: args.resume,
        sni_samples: args.sni_samples,
        refusal_retries: args.refusal_retries,
        refusal_backoff: args.refusal_backoff,
        policy_backoff: args.policy_backoff,
        ..args.probe.config(args.inputs.iter().map(named).collect(), out)?
    };
    if args.clock_ahead > 0 {
        mxray_engine::set_clock_ahead(i64::from(args.clock_ahead) * 86_400_000_000);
        config.extra["clock_ahead_days"] = args.clock_ahead.into();
    }
    Ok(config)
}

/// Lines of a window.
fn window(text: &str) -> Result<usize, String> {
    let told = || format!("a number of lines from 1 to {WINDOW_LINES_MAX} is wanted");
    text.parse().ok().filter(|lines| (1..=WINDOW_LINES_MAX).contains(lines)).ok_or_else(told)
}

/// A time, or `none`.
fn pause(text: &str) -> Result<Duration, String> {
    if text == "none" { Ok(Duration::ZERO) } else { probing::time(text) }
}

/// Scans until the input ends or somebody says stop, and tells about it on stderr.
async fn scan(config: ScanConfig, args: &ScanArgs) -> Result<Exit, Failure> {
    let log = args.log;
    let (progress, stop, begun) = (Arc::new(Progress::default()), Stop::new(), Instant::now());
    let interrupts = Interrupts::listen()?;
    let display = Display::start(log, Arc::clone(&progress));
    let heeding = tokio::spawn(heed(interrupts, stop.clone(), display.voice()));
    let metrics = match args.metrics {
        Some(address) => Some(Metrics::serve(address, Arc::clone(&progress)).await?),
        None => None,
    };
    if let Some(Metrics { address, .. }) = &metrics {
        display.metrics_at(*address);
    }
    let timing = args.max_runtime.map(|time| tokio::spawn(end_after(time, stop.clone(), display.voice())));
    let ended = mxray_engine::scan(config, Arc::clone(&progress), display.events(), stop.clone()).await;
    heeding.abort();
    if let Some(timing) = timing {
        timing.abort();
    }
    drop(metrics);
    let stopped = match stop.reason() {
        Some(StopReason::OutOfTime) => Exit::OutOfTime,
        _ => Exit::Interrupted,
    };
    let ended = match ended {
        Ok(summary) => Ok(summary),
        Err(error) => {
            let failure = Failure::of_scan(error, stopped);
            let exit = failure.exit();
            if display.failed(&failure.line()) { Err(Ok(exit)) } else { Err(Err(failure)) }
        }
    };
    display.stop();
    let summary = match ended {
        Ok(summary) => summary,
        Err(told) => return told,
    };
    if summary.how == HowEnded::Completed && summary.counts.domains == 0 {
        return Err(Failure::refused(format!(
            "nothing was measured: not one domain in {} lines of input; {} says why of each",
            summary.counts.lines,
            summary.folder.join("rejects").display()
        )));
    }
    if log == LogForm::Text {
        eprint!("{}", summary::text(&summary, &progress, begun.elapsed()));
    }
    match summary.how {
        HowEnded::Completed => Ok(Exit::Done),
        HowEnded::Interrupted => Ok(stopped),
        HowEnded::Running | HowEnded::Failed => Ok(Exit::Internal),
    }
}

/// Drains when the time is up. The clock that counts is the one that nobody sets.
async fn end_after(time: Duration, stop: Stop, say: impl Fn(&str)) {
    tokio::time::sleep(time).await;
    stop.drain_out_of_time();
    say("stopping: the time of --max-runtime is up; what is in flight is finished and kept");
}

/// The first signal drains, the second aborts, and a third does not wait for the disk either: the journal holds.
async fn heed(mut interrupts: Interrupts, stop: Stop, say: impl Fn(&str)) {
    interrupts.next().await;
    stop.drain();
    say("stopping: what is in flight is finished and kept; Ctrl-C again leaves at once");
    interrupts.next().await;
    stop.abort();
    say("leaving: what is not kept yet will be measured again");
    interrupts.next().await;
    std::process::exit(Exit::Interrupted.code().into());
}
