//! A deadline whose timer is set once, whatever is awaited under it.

use std::pin::Pin;
use std::task::Poll;

use tokio::time::{Instant, Sleep, sleep_until};

/// When an exchange must have come to an end: all that it waits for, one thing after the other.
#[derive(Debug)]
pub(crate) struct Deadline {
    sleep: Pin<Box<Sleep>>,
}

impl Deadline {
    /// At this time.
    pub(crate) fn new(at: Instant) -> Self {
        Self { sleep: Box::pin(sleep_until(at)) }
    }

    /// When that is.
    pub(crate) fn at(&self) -> Instant {
        self.sleep.deadline()
    }

    /// At this time instead.
    pub(crate) fn move_to(&mut self, at: Instant) {
        self.sleep.as_mut().reset(at);
    }

    /// What a future comes to; `None` where the time is over first. It is pinned where it stands: futures of exchanges are
    /// kilobytes, and are not to be moved from hand to hand.
    pub(crate) async fn bound<F: Future>(&mut self, mut future: Pin<&mut F>) -> Option<F::Output> {
        // Whoever never ceases to speak uses up what a task may do in one go, and the time is looked at nevertheless.
        let mut sleep = std::pin::pin!(tokio::task::unconstrained(self.sleep.as_mut()));
        std::future::poll_fn(|context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            sleep.as_mut().poll(context).map(|()| None)
        })
        .await
    }
}
