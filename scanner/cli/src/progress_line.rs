//! One line on a terminal that says what is being done, and goes away.

use std::fmt;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use mxray_engine::Progress;
use mxray_study::Steps;
use tokio::task::JoinHandle;

/// It is drawn so often.
const DRAWN_EVERY: Duration = Duration::from_millis(100);

/// The line, on stderr, where that is a terminal. It goes when this is dropped.
pub(crate) struct ProgressLine {
    bar: ProgressBar,
    watching: Option<JoinHandle<()>>,
}

impl ProgressLine {
    /// An empty line.
    pub(crate) fn start() -> Self {
        let target = if io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target).with_style(style("{spinner} {msg}{prefix}"));
        bar.enable_steady_tick(DRAWN_EVERY);
        Self { bar, watching: None }
    }

    /// Says what is being done now.
    pub(crate) fn doing(&mut self, what: &str) {
        if let Some(watching) = self.watching.take() {
            watching.abort();
        }
        self.bar.set_prefix("");
        self.bar.set_message(what.to_owned());
    }

    /// A line that says what is being done, how far it is, and how long it will take.
    pub(crate) fn counting(what: &str, steps: Arc<Steps>) -> Self {
        let mut line = Self::start();
        line.doing(what);
        let begun = Instant::now();
        let told = move |_: &ProgressState, out: &mut dyn fmt::Write| {
            // There is nobody to tell.
            let _ = out.write_str(&share(steps.so_far(), begun.elapsed()));
        };
        line.bar.set_style(style("{spinner} {msg}{share}").with_key("share", told));
        line
    }

    /// Says how far a scan is, until something else is done. Must be called on a tokio runtime.
    pub(crate) fn watch(&mut self, progress: Arc<Progress>) {
        let bar = self.bar.clone();
        self.watching = Some(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(DRAWN_EVERY);
            loop {
                ticks.tick().await;
                bar.set_prefix(figures(&progress));
            }
        }));
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if let Some(watching) = self.watching.take() {
            watching.abort();
        }
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is a template")
}

/// The share that is done, and the time for what is left, as far as the time for what is done tells.
fn share(steps: Option<(u64, u64)>, spent: Duration) -> String {
    match steps {
        Some((done @ 1.., all)) => {
            let left = spent.mul_f64((all - done) as f64 / done as f64);
            format!(": {} %, {} left", 100 * done / all, HumanDuration(left))
        }
        _ => String::new(),
    }
}

fn figures(progress: &Progress) -> String {
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let stages = [&progress.domains, &progress.policies, &progress.mail_hosts, &progress.sessions];
    let waiting: u64 = stages.iter().map(|stage| stage.in_flight()).sum();
    format!(
        ": {} domains, {} policies, {} sessions; waiting for {waiting} answers",
        load(&progress.domains.done),
        load(&progress.policies.done),
        load(&progress.sessions.done),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_told_once_a_step_was_done() {
        let spent = Duration::from_secs(10);
        assert_eq!(share(None, spent), "");
        assert_eq!(share(Some((0, 40)), spent), "");
        assert_eq!(share(Some((10, 40)), spent), ": 25 %, 30 seconds left");
        assert_eq!(share(Some((40, 40)), spent), ": 100 %, 0 seconds left");
    }

    #[test]
    fn what_was_begun_and_has_not_ended_is_waited_for() {
        let progress = Progress::default();
        progress.domains.started.store(3, Ordering::Relaxed);
        progress.domains.done.store(2, Ordering::Relaxed);
        progress.sessions.started.store(4, Ordering::Relaxed);
        assert_eq!(figures(&progress), ": 2 domains, 0 policies, 0 sessions; waiting for 5 answers");
    }
}
