//! Being told to stop, gently or at once.

use std::sync::Arc;

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
pub struct Stop(Arc<watch::Sender<Pace>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pace {
    Running,
    Draining,
    Aborted,
}

impl Stop {
    /// A switch that says: go on.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Pace::Running)))
    }

    /// Admit no more lines; finish and commit what was admitted.
    pub fn drain(&self) {
        self.raise(Pace::Draining);
    }

    /// Leave now. What is not committed is lost, and is measured again by a resumed run.
    pub fn abort(&self) {
        self.raise(Pace::Aborted);
    }

    /// Whether no more lines are to be admitted.
    pub fn is_draining(&self) -> bool {
        *self.0.borrow() >= Pace::Draining
    }

    /// Whether everything is to be left as it is.
    pub fn is_aborted(&self) -> bool {
        *self.0.borrow() >= Pace::Aborted
    }

    /// Returns once no more lines are to be admitted.
    pub async fn draining(&self) {
        self.reached(Pace::Draining).await;
    }

    /// Returns once everything is to be left as it is.
    pub async fn aborted(&self) {
        self.reached(Pace::Aborted).await;
    }

    fn raise(&self, pace: Pace) {
        self.0.send_if_modified(|now| {
            let further = pace > *now;
            *now = pace.max(*now);
            further
        });
    }

    async fn reached(&self, pace: Pace) {
        let mut receiver = self.0.subscribe();
        receiver.wait_for(|now| *now >= pace).await.expect("the sender is held by self");
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}
