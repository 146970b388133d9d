//! What a scan says on stderr: bars for a person at a terminal, lines of JSON for a machine.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use mxray_engine::{Event, EventSink, Progress};
use mxray_evidence::Micros;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::LogForm;
use super::meter::{Meter, Reading};

/// A terminal is drawn so often.
const DRAWN_EVERY: Duration = Duration::from_millis(250);
/// A log has a line of numbers so often.
const LOGGED_EVERY: Duration = Duration::from_secs(10);
/// And its first one, a sign of life, so soon.
const FIRST_LOGGED_AFTER: Duration = Duration::from_secs(1);
/// The bar's length in steps.
const STEPS: u64 = 10_000;

/// The display of a running scan.
pub(crate) struct Display {
    form: LogForm,
    bar: Option<ProgressBar>,
    ticking: Option<JoinHandle<()>>,
}

impl Display {
    /// Begins to look at `progress`, on the current tokio runtime.
    pub(crate) fn start(form: LogForm, progress: Arc<Progress>) -> Self {
        let bar = (form == LogForm::Text && io::stderr().is_terminal()).then(bar);
        let ticking = match (form, &bar) {
            (LogForm::Json, _) => Some(tokio::spawn(log(progress))),
            (_, Some(bar)) => Some(tokio::spawn(draw(bar.clone(), progress))),
            _ => None,
        };
        Self { form, bar, ticking }
    }

    /// Where the scan's events are to go.
    pub(crate) fn events(&self) -> EventSink {
        let (form, bar) = (self.form, self.bar.clone());
        EventSink::new(move |event| match form {
            LogForm::Json => eprintln!("{}", stamped(serde_json::to_value(&event).unwrap_or_default())),
            LogForm::Text => {
                if let Some(line) = in_words(&event, bar.is_some()) {
                    say(bar.as_ref(), &line);
                }
            }
            LogForm::Quiet => {}
        })
    }

    /// A way to tell a person something; those who read JSON are told by events.
    pub(crate) fn voice(&self) -> impl Fn(&str) + Send + use<> {
        let (form, bar) = (self.form, self.bar.clone());
        move |line| {
            if form == LogForm::Text {
                say(bar.as_ref(), line);
            }
        }
    }

    /// Says where metrics are to be had.
    pub(crate) fn metrics_at(&self, address: SocketAddr) {
        match self.form {
            LogForm::Json => eprintln!("{}", stamped(json!({ "event": "metrics", "address": address }))),
            LogForm::Text => say(self.bar.as_ref(), &format!("metrics at http://{address}/metrics")),
            LogForm::Quiet => {}
        }
    }

    /// Says in the log's own form why the scan ended; `false` when that is for somebody else to say.
    pub(crate) fn failed(&self, line: &str) -> bool {
        if self.form == LogForm::Json {
            eprintln!("{}", stamped(json!({ "event": "failed", "message": line })));
        }
        self.form == LogForm::Json
    }

    /// Takes the bar off the terminal.
    pub(crate) fn stop(self) {
        if let Some(ticking) = self.ticking {
            ticking.abort();
        }
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{msg}\n{bar:40} {prefix}").expect("the template is a template");
    ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr()).with_style(style)
}

fn say(bar: Option<&ProgressBar>, line: &str) {
    match bar {
        Some(bar) => bar.suspend(|| eprintln!("{line}")),
        None => eprintln!("{line}"),
    }
}

async fn draw(bar: ProgressBar, progress: Arc<Progress>) {
    let mut meter = Meter::new();
    let mut ticks = tokio::time::interval(DRAWN_EVERY);
    loop {
        ticks.tick().await;
        let reading = meter.read(&progress, Instant::now());
        bar.set_message(table(&reading));
        bar.set_prefix(bottom_line(&reading));
        bar.set_position(reading.fraction.map_or(0, step));
        bar.tick();
    }
}

#[expect(clippy::cast_sign_loss, reason = "a fraction is not negative")]
fn step(fraction: f64) -> u64 {
    (fraction * STEPS as f64) as u64
}

async fn log(progress: Arc<Progress>) {
    let mut meter = Meter::new();
    meter.read(&progress, Instant::now());
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + FIRST_LOGGED_AFTER, LOGGED_EVERY);
    loop {
        ticks.tick().await;
        let reading = meter.read(&progress, Instant::now());
        eprintln!("{}", stamped(numbers(&reading)));
    }
}

fn numbers(reading: &Reading) -> Value {
    let mut value = json!({
        "event": "progress",
        "lines": reading.lines,
        "rejects": reading.rejects,
        "lines_committed": reading.lines_committed,
        "chunks_committed": reading.chunks_committed,
        "fraction": reading.fraction,
        "eta_seconds": reading.eta_seconds,
    });
    for (name, stage) in &reading.stages {
        value[name] = json!(stage);
    }
    value
}

fn stamped(mut event: Value) -> Value {
    event["time_us"] = mxray_engine::now().into();
    event
}

fn table(reading: &Reading) -> String {
    let mut text = format!("{:<11}{:>12}{:>10}{:>12}{:>11}\n", "", "done", "a second", "in flight", "failed");
    for (name, stage) in &reading.stages {
        let _ = writeln!(
            text,
            "{:<11}{:>12}{:>10}{:>12}{:>11}",
            name.replace('_', " "),
            HumanCount(stage.done).to_string(),
            format!("{:.0}", stage.per_second),
            HumanCount(stage.in_flight).to_string(),
            HumanCount(stage.failed).to_string(),
        );
    }
    text.pop();
    text
}

fn bottom_line(reading: &Reading) -> String {
    let committed = format!("{} lines on disk", HumanCount(reading.lines_committed));
    let part = reading
        .fraction
        .map_or(String::new(), |fraction| format!("{:.1} % of the input, ", fraction * 100.0));
    let eta = match reading.eta_seconds {
        Some(seconds) if seconds < 1e7 => {
            format!(", {} to go", HumanDuration(Duration::from_secs_f64(seconds)))
        }
        _ => String::new(),
    };
    format!("{part}{committed}{eta}")
}

fn time_of_day(moment: Micros) -> String {
    let second = moment.div_euclid(1_000_000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)
}

/// What a person wants to be told. Away from a terminal that is what went wrong, and the end.
fn in_words(event: &Event, terminal: bool) -> Option<String> {
    match event {
        Event::Started { folder, .. } if terminal => Some(format!("scanning into {folder}")),
        Event::Resumed { folder, counts, .. } if terminal => {
            Some(format!("going on in {folder}: {} lines are done", HumanCount(counts.lines)))
        }
        Event::OptOutTaken { path, domains, nets } => Some(format!(
            "the opt-out list {path} has changed: {domains} domains, and {nets} addresses and prefixes, are left alone \
             from now on"
        )),
        Event::BackingOff { policies, until } => Some(format!(
            "waiting until {} UTC for {policies} policies whose fetch failed just before the run was cut short (RFC 8461 \
             §3.3): all else is done; Ctrl-C leaves them to --resume",
            time_of_day(*until)
        )),
        Event::Warning { message } => Some(format!("warning: {message}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_with_its_end() {
        let event = Event::BackingOff { policies: 3, until: 1_795_442_401_999_999 };
        let line = in_words(&event, false).expect("a person is told");
        assert!(line.starts_with("waiting until 14:00:01 UTC for 3 policies"), "{line}");
    }
}
