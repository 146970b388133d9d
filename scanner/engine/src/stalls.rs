//! When this machine stood still, so that our silence is never taken for theirs.
//!
//! A process that gets no processor for a while (a busy machine, a disk that blocks, a paused guest) finds its deadlines
//! passed and its connections closed when it goes on, and none of that is the other side's doing. A task that should be woken
//! at every [`TICK`] notes how late it was; an exchange that met too much of such time is withheld, as `stalled`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use mxray_evidence::{Cause, Ending, OwnCause};
use tokio::time::Instant;

/// How often the watching task means to be woken.
const TICK: Duration = Duration::from_millis(250);
/// Being late by less than this is the everyday business of a machine at work, and less than a tenth of any deadline that is
/// set by default.
const LATE_MIN: Duration = Duration::from_secs(1);
/// Most stalls that are remembered. Together they last longer than any exchange.
const STALLS_MAX: usize = 256;
/// An exchange is believed as long as less than one part in so many of its time was lost.
const LOST_SHARE: u32 = 10;
/// Nobody hangs up on a client that has been silent for less than this (RFC 5321 §4.5.3.2 asks servers for minutes).
const HANG_UP_MIN: Duration = Duration::from_secs(3);

/// What is known of the times that this process stood still.
#[derive(Debug)]
pub(crate) struct Stalls {
    seen: Mutex<Seen>,
    withheld: AtomicU64,
}

#[derive(Debug)]
struct Seen {
    /// When the watching task is to be woken next.
    due: Instant,
    /// From when it was due to when it was woken, oldest first.
    late: VecDeque<(Instant, Instant)>,
    number: u64,
    lost: Duration,
}

impl Stalls {
    /// Begins to watch the current tokio runtime, until the last holder lets go.
    pub(crate) fn watch() -> Arc<Self> {
        let stalls = Arc::new(Self::since(Instant::now()));
        tokio::spawn(tick(Arc::downgrade(&stalls)));
        stalls
    }

    fn since(now: Instant) -> Self {
        let seen = Seen { due: now + TICK, late: VecDeque::new(), number: 0, lost: Duration::ZERO };
        Self { seen: Mutex::new(seen), withheld: AtomicU64::new(0) }
    }

    /// What to say of an exchange that began at `begin` and ends now: a silence or a lost connection that a stall of ours may
    /// have caused says nothing about the other side.
    pub(crate) fn judge(&self, ending: Ending, begin: Instant) -> Ending {
        self.judge_at(ending, begin, Instant::now())
    }

    fn judge_at(&self, ending: Ending, begin: Instant, now: Instant) -> Ending {
        let (stage, least) = match ending {
            Ending::Stopped { stage, cause: Cause::Timeout, .. } => (stage, Duration::ZERO),
            Ending::Stopped { stage, cause: Cause::Closed | Cause::Reset, .. } => (stage, HANG_UP_MIN),
            _ => return ending,
        };
        let lost = self.lost(begin, now);
        if lost.is_zero() || lost < least || lost * LOST_SHARE < now - begin {
            return ending;
        }
        self.withheld.fetch_add(1, Ordering::Relaxed);
        let detail =
            format!("this machine stood still for {:.1} s of {:.1} s", secs(lost), secs(now - begin));
        Ending::Withheld { stage, cause: OwnCause::Stalled, detail: Some(detail) }
    }

    /// How much of the time from `begin` to `now` was lost.
    fn lost(&self, begin: Instant, now: Instant) -> Duration {
        let seen = self.seen();
        // Whoever asks may be woken before the watching task is.
        let under_way = (now.saturating_duration_since(seen.due) >= LATE_MIN).then_some((seen.due, now));
        let late = seen.late.iter().rev().take_while(|(_, until)| *until > begin).copied();
        late.chain(under_way)
            .map(|(from, until)| until.min(now).saturating_duration_since(from.max(begin)))
            .sum()
    }

    fn woken(&self, now: Instant) {
        let mut seen = self.seen();
        let late = now.saturating_duration_since(seen.due);
        if late >= LATE_MIN {
            if seen.late.len() == STALLS_MAX {
                seen.late.pop_front();
            }
            let due = seen.due;
            seen.late.push_back((due, now));
            seen.number += 1;
            seen.lost += late;
        }
        seen.due = now + TICK;
    }

    /// For whoever runs the scan, if anything was withheld.
    pub(crate) fn words(&self) -> Option<String> {
        let withheld = self.withheld.load(Ordering::Relaxed);
        let seen = self.seen();
        (withheld > 0).then(|| {
            format!(
                "this machine stood still {} times, for {:.1} s in all; {withheld} exchanges that met it are withheld \
                 (`stalled`), and count as not measured: give the scan a quieter machine or a lower --concurrency",
                seen.number,
                secs(seen.lost)
            )
        })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn tick(stalls: Weak<Stalls>) {
    loop {
        tokio::time::sleep(TICK).await;
        let Some(stalls) = stalls.upgrade() else { return };
        stalls.woken(Instant::now());
    }
}

fn secs(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mxray_evidence::Stage;

    const SECOND: Duration = Duration::from_secs(1);

    fn silence() -> Ending {
        Ending::stopped(Stage::Banner, Cause::Timeout)
    }

    fn is_ours(ending: &Ending) -> bool {
        matches!(ending, Ending::Withheld { stage: Stage::Banner, cause: OwnCause::Stalled, .. })
    }

    #[tokio::test]
    async fn a_deadline_that_passed_while_we_stood_still_is_ours() {
        let begin = Instant::now();
        let stalls = Stalls::since(begin);
        stalls.woken(begin + TICK);
        let woken = begin + TICK * 2 + SECOND * 3;
        // Both before the watching task has noticed and after.
        assert!(is_ours(&stalls.judge_at(silence(), begin, woken)));
        stalls.woken(woken);
        assert!(is_ours(&stalls.judge_at(silence(), begin, woken)));
        for cause in [Cause::Closed, Cause::Reset] {
            let hung_up = || Ending::stopped(Stage::Banner, cause);
            assert!(is_ours(&stalls.judge_at(hung_up(), begin, woken)));
            // Too soon for that to be for our silence.
            let late = woken - SECOND * 2;
            assert_eq!(stalls.judge_at(hung_up(), late, woken), hung_up());
            assert!(is_ours(&stalls.judge_at(silence(), late, woken)));
        }
        assert!(stalls.words().expect("something was withheld").contains("stood still 1 times, for 3.0 s"));
    }

    #[tokio::test]
    async fn what_the_other_side_said_stays_its_word() {
        let begin = Instant::now();
        let stalls = Stalls::since(begin);
        let woken = begin + SECOND * 5;
        stalls.woken(woken);
        for ending in [
            Ending::Completed,
            Ending::stopped(Stage::Banner, Cause::Reply),
            Ending::stopped(Stage::Connect, Cause::Refused),
            Ending::withheld(Stage::Dns, OwnCause::OptOut),
        ] {
            assert_eq!(stalls.judge_at(ending.clone(), begin, woken), ending);
        }
        assert_eq!(stalls.words(), None);
    }

    #[tokio::test]
    async fn a_stall_before_the_exchange_or_a_small_one_within_excuses_nobody() {
        let begin = Instant::now();
        let stalls = Stalls::since(begin);
        let woken = begin + TICK + SECOND;
        stalls.woken(woken);
        let after = woken + Duration::from_millis(100);
        stalls.woken(after);
        assert_eq!(stalls.judge_at(silence(), woken, after), silence(), "the stall was over");
        let mut now = after;
        while now < begin + SECOND * 20 {
            now += TICK;
            stalls.woken(now);
        }
        assert_eq!(stalls.judge_at(silence(), begin, now), silence(), "one second of twenty");
    }

    #[tokio::test]
    async fn no_more_stalls_are_remembered_than_there_is_room_for() {
        let stalls = Stalls::since(Instant::now());
        let mut now = Instant::now();
        for _ in 0..2 * STALLS_MAX {
            now += SECOND * 2;
            stalls.woken(now);
        }
        assert_eq!(stalls.seen().late.len(), STALLS_MAX);
    }
}
