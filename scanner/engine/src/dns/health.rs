//! Which resolvers answer: one that is silent is asked nothing but whether it is back, and while all are, nobody asks.
//!
//! A resolver is *out* when many questions went to it and for a while not one answer came, or when a few were given up
//! and nothing came meanwhile. The former is known long before the first of them is given up, so that a resolver that dies
//! costs those who had just asked it a wait, and nobody else anything. Once a second it is asked for the root's name
//! servers; any answer will do, and it is in again. Before any resolver has answered anything, none is out.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// So many questions without an answer say something.
const QUESTIONS_MIN: u32 = 16;
/// One that was given up, or refused, while nothing was answered, counts for so many.
const GIVEN_UP_WEIGHT: u32 = QUESTIONS_MIN / 4;
/// If the first of them was asked so long ago; sooner where questions are given up sooner.
const SILENCE_MAX: Duration = Duration::from_millis(750);
/// How often one that is out is asked whether it is back.
pub(super) const PROBE_EVERY: Duration = Duration::from_secs(1);
/// How long a lookup waits for a resolver to come back when all are out, in all. Then it asks, and is not answered.
pub(super) const LOST_WAIT_MAX: Duration = Duration::from_mins(10);

/// Which of some resolvers answer.
pub(super) struct Health {
    silence: Duration,
    marks: Vec<Mutex<Mark>>,
    back: Notify,
    /// One of them has answered something.
    is_armed: AtomicBool,
    /// Nobody waits any more.
    is_hurried: AtomicBool,
}

/// What is known of a resolver.
#[derive(Default, Clone, Copy)]
struct Mark {
    /// Questions since its last answer, and when the first of them was asked.
    unanswered: u32,
    since: Option<Instant>,
    answered: Option<Instant>,
}

impl Health {
    /// So many resolvers, all of which are believed to answer, and questions that wait for their answers until `timeout`.
    pub(super) fn new(resolvers: usize, timeout: Duration) -> Self {
        let marks = (0..resolvers).map(|_| Mutex::default()).collect();
        Self {
            silence: SILENCE_MAX.min(timeout / 2),
            marks,
            back: Notify::new(),
            is_armed: AtomicBool::new(false),
            is_hurried: AtomicBool::new(false),
        }
    }

    /// Questions go to a resolver.
    pub(super) fn asked(&self, resolver: usize, questions: u32) {
        let mut mark = self.mark(resolver);
        mark.unanswered = mark.unanswered.saturating_add(questions);
        mark.since.get_or_insert_with(Instant::now);
    }

    /// A resolver has answered something.
    pub(super) fn answered(&self, resolver: usize) {
        self.is_armed.store(true, Ordering::Relaxed);
        let fresh = Mark { answered: Some(Instant::now()), ..Mark::default() };
        let was = std::mem::replace(&mut *self.mark(resolver), fresh);
        if self.tells(was) {
            self.back.notify_waiters();
        }
    }

    /// A question that was asked then was given up, or refused.
    pub(super) fn failed(&self, resolver: usize, asked: Instant) {
        let mut mark = self.mark(resolver);
        if mark.answered.is_none_or(|answered| answered < asked) {
            mark.unanswered = mark.unanswered.saturating_add(GIVEN_UP_WEIGHT);
            mark.since = Some(mark.since.map_or(asked, |since| since.min(asked)));
        }
    }

    /// Whether it is out.
    pub(super) fn is_out(&self, resolver: usize) -> bool {
        self.tells(*self.mark(resolver))
    }

    fn tells(&self, mark: Mark) -> bool {
        let is_silent = |since: Instant| since.elapsed() >= self.silence;
        self.is_armed.load(Ordering::Relaxed)
            && mark.unanswered >= QUESTIONS_MIN
            && mark.since.is_some_and(is_silent)
    }

    /// Whether every one is.
    pub(super) fn is_lost(&self) -> bool {
        (0..self.marks.len()).all(|resolver| self.is_out(resolver))
    }

    /// The first that is not out, beginning at `from`. Where all are, waits for one to come back until `deadline`, and then
    /// names `from` all the same.
    pub(super) async fn choose(&self, from: usize, deadline: Instant) -> usize {
        loop {
            let back = self.back.notified();
            tokio::pin!(back);
            // From here on no notice is missed.
            back.as_mut().enable();
            let count = self.marks.len();
            let mut turn = (0..count).map(|further| (from + further) % count);
            if let Some(resolver) = turn.find(|resolver| !self.is_out(*resolver)) {
                return resolver;
            }
            let is_over = self.is_hurried.load(Ordering::Relaxed);
            if is_over || tokio::time::timeout_at(deadline, back).await.is_err() {
                return from;
            }
        }
    }

    /// From now on nobody waits.
    pub(super) fn hurry(&self) {
        self.is_hurried.store(true, Ordering::Relaxed);
        self.back.notify_waiters();
    }

    fn mark(&self, resolver: usize) -> MutexGuard<'_, Mark> {
        self.marks[resolver].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const SILENCE: Duration = SILENCE_MAX;

    async fn pass(time: Duration) {
        tokio::time::advance(time).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_resolver_is_out_when_many_questions_found_no_answer_for_a_while_and_in_with_its_first() {
        let health = Health::new(2, 2 * SILENCE);
        let soon = || Instant::now() + Duration::from_secs(1);
        health.asked(0, 2 * QUESTIONS_MIN);
        pass(Duration::from_hours(1)).await;
        assert!(!health.is_out(0), "nobody has ever answered");
        health.answered(0);
        health.asked(0, QUESTIONS_MIN - 1);
        pass(Duration::from_hours(1)).await;
        assert!(!health.is_out(0), "few questions say nothing");
        health.asked(0, 1);
        assert!(health.is_out(0) && !health.is_lost());
        assert_eq!((health.choose(0, soon()).await, health.choose(1, soon()).await), (1, 1));
        health.answered(0);
        assert_eq!((health.choose(0, soon()).await, health.choose(1, soon()).await), (0, 1));
        // A burst is no silence.
        health.asked(0, 10_000);
        pass(SILENCE / 2).await;
        assert!(!health.is_out(0));
        health.answered(0);
        pass(SILENCE).await;
        assert!(!health.is_out(0));
        // Few questions say something once they are given up, if nothing was answered after they were asked.
        let asked = Instant::now();
        pass(2 * SILENCE).await;
        (0..3).for_each(|_| health.failed(0, asked));
        assert!(!health.is_out(0));
        health.failed(0, asked);
        assert!(health.is_out(0));
        health.answered(0);
        (0..9).for_each(|_| health.failed(0, asked));
        assert!(!health.is_out(0));
    }

    #[tokio::test(start_paused = true)]
    async fn where_all_are_out_whoever_asks_waits_for_the_first_to_come_back_or_for_the_end() {
        let health = Arc::new(Health::new(2, 2 * SILENCE));
        for resolver in 0..2 {
            health.answered(resolver);
            health.asked(resolver, QUESTIONS_MIN);
        }
        pass(SILENCE).await;
        assert!(health.is_lost());
        let deadline = Instant::now() + LOST_WAIT_MAX;
        let waiting = tokio::spawn({
            let health = Arc::clone(&health);
            async move { health.choose(0, deadline).await }
        });
        pass(Duration::from_mins(1)).await;
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        health.answered(1);
        assert_eq!(waiting.await.expect("a choice"), 1);

        health.asked(1, QUESTIONS_MIN);
        pass(SILENCE).await;
        let begin = Instant::now();
        assert_eq!(health.choose(1, begin + LOST_WAIT_MAX).await, 1);
        assert_eq!(begin.elapsed(), LOST_WAIT_MAX);
        health.hurry();
        let begin = Instant::now();
        health.choose(1, begin + LOST_WAIT_MAX).await;
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }
}
