//! Questions that are asked together, and whoever waits for all of their answers.
//!
//! A domain has four questions, and nothing to do before the last of them is answered: it is woken once.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use smallvec::SmallVec;
use tokio::time::Instant;

use super::question::Question;

/// What became of one question.
pub(super) struct Outcome {
    pub(super) reply: Result<Box<[u8]>, Failure>,
    /// When.
    pub(super) at: Instant,
}

/// Why there is no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// None came in time.
    Timeout,
    /// Too many wait at the socket already.
    Full,
    /// What the operating system says.
    Io(io::ErrorKind),
}

/// As many as most often stand together, a domain's.
const TOGETHER: usize = 4;

/// So many things of each question that no heap is needed for them.
pub(super) type Few<T> = SmallVec<[T; TOGETHER]>;

/// Questions under way.
pub(super) struct Group {
    pub(super) questions: Few<Question>,
    state: Mutex<State>,
}

struct State {
    outcomes: Few<Option<Outcome>>,
    open: usize,
    waker: Option<Waker>,
}

impl Group {
    pub(super) fn new(questions: Few<Question>) -> Arc<Self> {
        let outcomes = questions.iter().map(|_| None).collect();
        let state = State { outcomes, open: questions.len(), waker: None };
        Arc::new(Self { questions, state: Mutex::new(state) })
    }

    /// Says what became of a question; once. Whoever waits is to be woken if it was the last.
    pub(super) fn settle(&self, index: usize, outcome: Outcome) -> Option<Waker> {
        let mut state = self.state();
        let State { outcomes, open, waker } = &mut *state;
        if outcomes[index].replace(outcome).is_none() {
            *open -= 1;
        }
        if *open == 0 { waker.take() } else { None }
    }

    /// Waits for every question's outcome, in the order of the questions. To be called once.
    pub(super) async fn outcomes(&self) -> impl Iterator<Item = Outcome> + use<> {
        std::future::poll_fn(|context| {
            let mut state = self.state();
            if state.open > 0 {
                state.waker = Some(context.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(std::mem::take(&mut state.outcomes).into_iter().flatten())
        })
        .await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
