//! `mxray check`: a few domains, for a person.

mod assessment;
mod fail_on;
mod junit;
mod letter;
mod sarif;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use mxray_engine::{EventSink, Extras, Input, Progress, ScanConfig, Stop};
use mxray_protocol::name::DomainName;
use tempfile::TempDir;

use crate::exit::{Blame, Exit, Failure};
use crate::palette::Palette;
use crate::probing::ProbeFlags;
use crate::progress_line::ProgressLine;
use crate::run_folder;
use crate::runtime;
use crate::stdout;
use assessment::Assessment;
use fail_on::FailOn;

/// Where the system says what it is called.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// Measures and judges a few domains: what stands, what breaks, what a sender does, and what to change.
///
/// It asks the same questions as `scan` with everything that `scan` asks on request, and judges by the same rules. The exit code is 0 when nothing is wrong, 1
/// when a rule is violated that bears on mail, and 2 when something could not be measured. With --fail-on it is 1 where there
/// is a violation that it names, 2 where one of these could not be told, and else 0. Where no identity is given, it says this
/// machine's name, and its postmaster as contact.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mxray check example.com
  mxray check example.com example.net --resolver 192.0.2.53 --format json
  mxray check example.com --fail-on refuse,sts-host-cert-expiring --format junit
  mxray check example.com --fail-on lint --format sarif")]
pub(crate) struct CheckArgs {
    /// The domains: what stands behind the `@`.
    #[arg(value_name = "DOMAIN", required = true)]
    domains: Vec<String>,
    /// In which form.
    #[arg(long, value_enum, default_value = "text")]
    format: CheckFormat,
    /// Which violations fail: `refuse` (a sender refuses to deliver), `downgrade` (those, and others that do something to mail
    /// as things are), `broken` (of rules that bear on mail, also where no policy is in force), `lint` (all), `never`, or rules
    /// by name; separated by commas.
    #[arg(long, value_name = "WHAT", value_delimiter = ',', default_value = "broken")]
    fail_on: Vec<FailOn>,
    /// Keep the run in this folder, to be made. Default: nothing is kept.
    #[arg(long, value_name = "RUN")]
    out: Option<PathBuf>,
    #[command(flatten)]
    probe: ProbeFlags,
}

/// The forms of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CheckFormat {
    /// For a person.
    Text,
    /// JSON.
    Json,
    /// SARIF 2.1.0: a result a finding, with the domain as its logical location; `open` is what was not measured.
    Sarif,
    /// JUnit XML: a suite a domain, a case a rule that applies; what was not measured is skipped.
    Junit,
}

pub(crate) fn run(mut args: CheckArgs) -> Result<Exit, Failure> {
    let names = args.domains.iter().map(|name| read_name(name)).collect::<Result<Vec<_>, _>>()?;
    introduce(&mut args.probe);
    let desk = tempfile::tempdir().environment(|| "making a temporary folder".to_owned())?;
    let out = args.out.clone().unwrap_or_else(|| desk.path().join("run"));
    let assessments = measure(&args.probe, &names, &desk, &out)?;
    let exit = worst(&assessments, &args.fail_on);
    match args.format {
        CheckFormat::Text => {
            let letters: Vec<String> =
                assessments.iter().map(|of| letter::letter(of, Palette::stdout())).collect();
            stdout::write(&letters.join("\n"))?;
        }
        CheckFormat::Json => stdout::write_json(&assessments)?,
        CheckFormat::Sarif => stdout::write_json(&sarif::log(&assessments, exit))?,
        CheckFormat::Junit => stdout::write(&junit::document(&assessments, &args.fail_on))?,
    }
    Ok(exit)
}

fn read_name(name: &str) -> Result<DomainName, Failure> {
    DomainName::parse(name).refused(|| format!("{name:?} is no domain to check"))
}

/// Who asks, where nobody has said: one connection a host is what any mail server makes.
fn introduce(probe: &mut ProbeFlags) {
    let named = || std::fs::read_to_string(HOST_NAME).ok().map(|name| name.trim().to_owned());
    let name = || named().filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned());
    let ehlo_name = probe.ehlo_name.get_or_insert_with(name).clone();
    probe.contact.get_or_insert_with(|| format!("postmaster@{ehlo_name}"));
}

/// Scans into `out` and judges what came of it.
fn measure(
    probe: &ProbeFlags,
    names: &[DomainName],
    desk: &TempDir,
    out: &Path,
) -> Result<Vec<Assessment>, Failure> {
    let list = desk.path().join("domains.txt");
    let names: Vec<&str> = names.iter().map(DomainName::as_str).collect();
    std::fs::write(&list, names.join("\n")).environment(|| format!("writing {}", list.display()))?;
    // A person waits: whoever has no time now is not asked again. And everything is asked that is asked about.
    let config = ScanConfig {
        extras: Extras::all(),
        refusal_retries: 0,
        sni_samples: 0,
        ..probe.config(vec![Input::Path(list)], out.to_owned())?
    };
    let progress = Arc::new(Progress::default());
    runtime::start()?.block_on(async {
        let mut line = ProgressLine::start();
        line.doing("asking");
        line.watch(Arc::clone(&progress));
        mxray_engine::scan(config, progress, EventSink::none(), Stop::new()).await
    })?;
    let (run, manifest) = run_folder::open(out)?;
    let classified = run_folder::classify(&run, &manifest)?;
    let assessments = assessment::assessments(&run, &classified.id)?;
    if assessments.is_empty() {
        return Err(Failure::refused("nothing was measured: every domain is on the opt-out list"));
    }
    Ok(assessments)
}

/// What is broken counts before what could not be measured.
fn worst(assessments: &[Assessment], fail_on: &[FailOn]) -> Exit {
    let any = |exit: Exit| assessments.iter().any(|of| fail_on::exit(fail_on, of) == exit);
    if any(Exit::Findings) {
        Exit::Findings
    } else if any(Exit::Refused) {
        Exit::Refused
    } else {
        Exit::Done
    }
}
