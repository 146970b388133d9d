//! Tasks that can be ended together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

/// Tasks under way. A task a domain is begun: one costs a place in a list, and no task is woken for what has ended.
#[derive(Default)]
pub(crate) struct Tasks(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    under_way: Vec<Option<AbortHandle>>,
    /// Places of tasks that have ended.
    free: Vec<usize>,
    is_aborted: bool,
}

/// Gives a task's place back, however it ends.
struct Place {
    state: Arc<Mutex<State>>,
    number: usize,
}

impl Tasks {
    /// Begins a task, unless all are cancelled.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // Held until the task has its place: it may end before.
        let mut state = lock(&self.0);
        if state.is_aborted {
            return;
        }
        let number = state.free.pop().unwrap_or(state.under_way.len());
        let tasks = Arc::clone(&self.0);
        // Otherwise it has two places in the task, that of what was given and that of what is awaited, and is moved from
        // the one to the other.
        let task = Box::pin(task);
        let begun = tokio::spawn(async move {
            // Made here, as a task that a runtime at its end never begins has nothing to give back.
            let _place = Place { state: tasks, number };
            task.await;
        });
        let handle = Some(begun.abort_handle());
        match state.under_way.get_mut(number) {
            Some(place) => *place = handle,
            None => state.under_way.push(handle),
        }
    }

    /// Cancels every task, and those that somebody would begin.
    pub(crate) fn abort(&self) {
        let mut state = lock(&self.0);
        state.is_aborted = true;
        state.under_way.iter().flatten().for_each(AbortHandle::abort);
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.abort();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        let handle = state.under_way[self.number].take();
        state.free.push(self.number);
        drop(state);
        drop(handle);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
