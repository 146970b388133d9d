//! How fast each stage goes, from two looks at its counters.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mxray_engine::{Progress, StageProgress};
use serde::Serialize;

/// Rates are over so long.
const WINDOW: Duration = Duration::from_secs(5);

/// A stage now.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct StageReading {
    /// Ended, however.
    pub(super) done: u64,
    /// Ended a second, over the last seconds.
    pub(super) per_second: f64,
    /// Begun and not ended.
    pub(super) in_flight: u64,
    /// Ended, and not completed.
    pub(super) failed: u64,
}

/// Everything now.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Reading {
    /// The stages, by name.
    pub(super) stages: [(&'static str, StageReading); 5],
    /// Lines read.
    pub(super) lines: u64,
    /// Of these, rejected.
    pub(super) rejects: u64,
    /// Lines committed.
    pub(super) lines_committed: u64,
    /// Chunks committed.
    pub(super) chunks_committed: u32,
    /// How much of the input is dealt with, 0 to 1; `None` when its size is not known.
    pub(super) fraction: Option<f64>,
    /// Seconds to go at the pace of the last seconds; `None` when nobody can say.
    pub(super) eta_seconds: Option<f64>,
}

/// Looks at the counters, and remembers the last few looks.
pub(super) struct Meter {
    looks: VecDeque<Look>,
}

struct Look {
    at: Instant,
    done: [u64; 5],
    started: [u64; 5],
    fraction: Option<f64>,
}

impl Meter {
    /// One that has not looked yet.
    pub(super) fn new() -> Self {
        Self { looks: VecDeque::new() }
    }

    /// Looks at `at`, which never goes back.
    pub(super) fn read(&mut self, progress: &Progress, at: Instant) -> Reading {
        let stages = stages(progress);
        let done = stages.map(|(_, stage)| stage.done.load(Ordering::Relaxed));
        let started = stages.map(|(_, stage)| stage.started.load(Ordering::Relaxed));
        let fraction = fraction(progress);
        while self.looks.len() > 1 && at - self.looks[0].at > WINDOW {
            self.looks.pop_front();
        }
        self.looks.push_back(Look { at, done, started, fraction });
        let first = &self.looks[0];
        let seconds = (at - first.at).as_secs_f64();
        let rate = |grown: f64| if seconds > 0.0 { grown / seconds } else { 0.0 };
        let mut index = 0;
        let stages = stages.map(|(name, stage)| {
            let per_second = rate((done[index] - first.done[index].min(done[index])) as f64);
            let failed = stage.failed.load(Ordering::Relaxed);
            let reading =
                StageReading { done: done[index], per_second, in_flight: stage.in_flight(), failed };
            index += 1;
            (name, reading)
        });
        let pace = fraction.zip(first.fraction).map_or(0.0, |(now, then)| rate(now - then));
        let input = fraction.filter(|now| pace > 0.0 || *now >= 1.0);
        let input = input.map(|now| if now < 1.0 { (1.0 - now) / pace } else { 0.0 });
        let arriving = std::array::from_fn(|stage| {
            rate((started[stage] - first.started[stage].min(started[stage])) as f64)
        });
        let eta_seconds =
            input.and_then(|input| Some(input.max(backlog_seconds(&stages, &arriving, input)?)));
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        Reading {
            stages,
            lines: load(&progress.lines),
            rejects: load(&progress.rejects),
            lines_committed: load(&progress.lines_committed),
            chunks_committed: progress.chunks_committed.load(Ordering::Relaxed),
            fraction,
            eta_seconds,
        }
    }
}

/// How long what has begun, and what will be until the input ends, takes to end at the pace of the slowest stage; `None` when
/// one stands still.
fn backlog_seconds(
    stages: &[(&'static str, StageReading); 5],
    arriving: &[f64; 5],
    input_seconds: f64,
) -> Option<f64> {
    let busy = stages.iter().zip(arriving).filter(|((_, stage), _)| stage.in_flight > 0);
    busy.map(|((_, stage), arriving)| (stage, stage.in_flight as f64 + arriving * input_seconds)).try_fold(
        0.0,
        |longest: f64, (stage, to_come)| {
            (stage.per_second > 0.0).then(|| longest.max(to_come / stage.per_second))
        },
    )
}

fn stages(progress: &Progress) -> [(&'static str, &StageProgress); 5] {
    [
        ("domains", &progress.domains),
        ("lookups", &progress.lookups),
        ("policies", &progress.policies),
        ("mail_hosts", &progress.mail_hosts),
        ("sessions", &progress.sessions),
    ]
}

/// The part of the input's bytes that has been read, less what of it still waits.
fn fraction(progress: &Progress) -> Option<f64> {
    let total = progress.input_bytes_total.load(Ordering::Relaxed);
    let lines = progress.lines.load(Ordering::Relaxed);
    if total == 0 {
        return None;
    }
    let read = progress.input_bytes.load(Ordering::Relaxed).min(total) as f64 / total as f64;
    let in_flight = progress.domains.in_flight().min(lines) as f64;
    Some(if lines == 0 { 0.0 } else { read * (1.0 - in_flight / lines as f64) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_over_the_last_seconds_and_not_the_whole_run() {
        let progress = Progress::default();
        let (mut meter, begun) = (Meter::new(), Instant::now());
        for second in 0..20u64 {
            progress
                .domains
                .done
                .store(if second < 10 { 1000 * second } else { 9000 + second }, Ordering::Relaxed);
            let reading = meter.read(&progress, begun + Duration::from_secs(second));
            let (name, stage) = reading.stages[0];
            assert_eq!(name, "domains");
            if second == 9 {
                assert!((stage.per_second - 1000.0).abs() < 1.0, "{}", stage.per_second);
            }
            if second == 19 {
                assert!((stage.per_second - 1.0).abs() < 0.1, "{}", stage.per_second);
            }
        }
    }

    #[test]
    fn an_end_of_input_is_not_yet_the_end() {
        let progress = Progress::default();
        progress.input_bytes_total.store(100, Ordering::Relaxed);
        progress.input_bytes.store(100, Ordering::Relaxed);
        progress.lines.store(10, Ordering::Relaxed);
        progress.sessions.started.store(30, Ordering::Relaxed);
        let (mut meter, begun) = (Meter::new(), Instant::now());
        assert_eq!(meter.read(&progress, begun).eta_seconds, None, "nobody can say");
        progress.sessions.done.store(10, Ordering::Relaxed);
        let eta = meter.read(&progress, begun + Duration::from_secs(1)).eta_seconds.unwrap();
        assert!((eta - 2.0).abs() < 1e-9, "{eta}");
    }

    #[test]
    fn what_comes_faster_than_it_is_done_takes_longer_than_the_input() {
        let progress = Progress::default();
        progress.input_bytes_total.store(1_000, Ordering::Relaxed);
        let (mut meter, begun) = (Meter::new(), Instant::now());
        let mut eta = None;
        for second in 0..=10u64 {
            progress.input_bytes.store(50 * second, Ordering::Relaxed);
            progress.lines.store(50 * second, Ordering::Relaxed);
            progress.sessions.started.store(100 * second, Ordering::Relaxed);
            progress.sessions.done.store(50 * second, Ordering::Relaxed);
            eta = meter.read(&progress, begun + Duration::from_secs(second)).eta_seconds;
        }
        // The input has ten seconds to go, in which a thousand sessions come to the five hundred that wait.
        let eta = eta.unwrap();
        assert!((eta - 30.0).abs() < 1e-6, "{eta}");
    }

    #[test]
    fn what_is_read_and_still_in_flight_is_not_dealt_with() {
        let progress = Progress::default();
        assert_eq!(fraction(&progress), None);
        progress.input_bytes_total.store(100, Ordering::Relaxed);
        progress.input_bytes.store(100, Ordering::Relaxed);
        progress.lines.store(10, Ordering::Relaxed);
        progress.domains.started.store(10, Ordering::Relaxed);
        progress.domains.done.store(4, Ordering::Relaxed);
        assert!((fraction(&progress).unwrap() - 0.4).abs() < 1e-9);
    }
}
