//! Being told to stop, gently or at once.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::watch;

/// A switch that a scan watches. It only ever moves towards stopping.
///
/// ```
/// let stop = mxray_engine::Stop::new();
/// let switch = stop.clone(); // for the handler of Ctrl-C
/// switch.drain();
/// assert!(stop.is_draining());
/// ```
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<State>>);

/// Why a scan is to end before its input does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    /// Somebody said so.
    Told,
    /// The time that it was given is up.
    OutOfTime,
}

#[derive(Debug, Clone, Copy)]
struct State {
    pace: Pace,
    reason: Option<StopReason>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pace {
    Running,
    Draining,
    Aborted,
}

impl Stop {
    /// A switch that says: go on.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(State { pace: Pace::Running, reason: None })))
    }

    /// Admit no more lines; finish and commit what was admitted.
    pub fn drain(&self) {
        self.raise(Pace::Draining, StopReason::Told);
    }

    /// The same, because the time is up.
    pub fn drain_out_of_time(&self) {
        self.raise(Pace::Draining, StopReason::OutOfTime);
    }

    /// Leave now. What is not committed is lost, and is measured again by a resumed run.
    pub fn abort(&self) {
        self.raise(Pace::Aborted, StopReason::Told);
    }

    /// Why the scan is to end, if it is: the first reason that was given.
    pub fn reason(&self) -> Option<StopReason> {
        self.0.borrow().reason
    }

    /// Whether no more lines are to be admitted.
    pub fn is_draining(&self) -> bool {
        self.0.borrow().pace >= Pace::Draining
    }

    /// Whether everything is to be left as it is.
    pub fn is_aborted(&self) -> bool {
        self.0.borrow().pace >= Pace::Aborted
    }

    /// Returns once no more lines are to be admitted.
    pub async fn draining(&self) {
        self.reached(Pace::Draining).await;
    }

    /// Returns once everything is to be left as it is.
    pub async fn aborted(&self) {
        self.reached(Pace::Aborted).await;
    }

    fn raise(&self, pace: Pace, reason: StopReason) {
        self.0.send_if_modified(|now| {
            let further = pace > now.pace;
            now.pace = pace.max(now.pace);
            now.reason.get_or_insert(reason);
            further
        });
    }

    async fn reached(&self, pace: Pace) {
        let mut receiver = self.0.subscribe();
        receiver.wait_for(|now| now.pace >= pace).await.expect("the sender is held by self");
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_counts_and_the_pace_never_goes_back() {
        let stop = Stop::new();
        assert_eq!((stop.reason(), stop.is_draining()), (None, false));
        stop.drain_out_of_time();
        stop.drain();
        assert_eq!(
            (stop.reason(), stop.is_draining(), stop.is_aborted()),
            (Some(StopReason::OutOfTime), true, false)
        );
        stop.abort();
        stop.drain();
        assert_eq!((stop.reason(), stop.is_aborted()), (Some(StopReason::OutOfTime), true));
    }
}
