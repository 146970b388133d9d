//! Who waits at a socket, by id, and until when.

use std::collections::hash_map::{Entry, RandomState};
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::sync::Arc;

use tokio::time::Instant;

use super::datagrams::Datagrams;
use super::group::Group;
use super::question;

/// Half of the ids: a free one is then found in two draws.
const WAITING_MAX: usize = 1 << 15;

/// Questions that were asked and not answered, and those still to be sent.
#[derive(Default)]
pub(super) struct Waiting {
    by_id: HashMap<u16, Waiter, BuildHasherDefault<IdHasher>>,
    /// In the order of their time, which is that of their coming: all wait equally long.
    deadlines: VecDeque<Deadline>,
    /// Queries that nobody has sent yet.
    pub(super) outbox: Datagrams,
    /// Drawn ids are hashes of a counter under a key of this socket's own: unforeseeable from outside, and nothing in
    /// the evidence depends on them.
    ids: RandomState,
    asked: u32,
    /// Nobody listens any more.
    pub(super) is_closed: bool,
}

/// A question of a group.
pub(super) struct Waiter {
    pub(super) group: Arc<Group>,
    pub(super) index: usize,
    serial: u32,
}

struct Deadline {
    at: Instant,
    id: u16,
    serial: u32,
}

impl Waiting {
    /// Whether so many more find room.
    pub(super) fn has_room_for(&self, questions: usize) -> bool {
        self.by_id.len() + questions <= WAITING_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Lets a group's questions wait, each under an id of its own, and lays them in the outbox.
    pub(super) fn add(&mut self, group: &Arc<Group>, at: Instant) {
        for (index, question) in group.questions.iter().enumerate() {
            let id = loop {
                self.asked = self.asked.wrapping_add(1);
                let id = self.ids.hash_one(self.asked) as u16;
                if let Entry::Vacant(vacant) = self.by_id.entry(id) {
                    vacant.insert(Waiter { group: Arc::clone(group), index, serial: self.asked });
                    break id;
                }
            };
            self.deadlines.push_back(Deadline { at, id, serial: self.asked });
            self.outbox.push_query(id, question.behind_id());
        }
    }

    /// Whoever a message answers: by its id, and by the question, which it repeats.
    pub(super) fn take_asker(&mut self, message: &[u8]) -> Option<Waiter> {
        match self.by_id.entry(question::id(message)?) {
            Entry::Occupied(entry) => {
                let Waiter { group, index, .. } = entry.get();
                question::answers(message, group.questions[*index].section()).then(|| entry.remove())
            }
            Entry::Vacant(_) => None,
        }
    }

    /// Those whose time is over.
    pub(super) fn take_late(&mut self, now: Instant) -> Vec<Waiter> {
        let mut late = Vec::new();
        while let Some(id) = self.next_deadline().filter(|next| next.at <= now).map(|next| next.id) {
            late.extend(self.by_id.remove(&id));
        }
        late
    }

    /// When the first of them has waited long enough.
    pub(super) fn next_due(&mut self) -> Option<Instant> {
        self.next_deadline().map(|next| next.at)
    }

    /// Everybody.
    pub(super) fn take_all(&mut self) -> Vec<Waiter> {
        self.outbox.clear();
        self.deadlines.clear();
        std::mem::take(&mut self.by_id).into_values().collect()
    }

    /// The first deadline of somebody who still waits; earlier ones are forgotten.
    fn next_deadline(&mut self) -> Option<&Deadline> {
        while let Some(next) = self.deadlines.front() {
            if self.by_id.get(&next.id).is_some_and(|waiter| waiter.serial == next.serial) {
                break;
            }
            self.deadlines.pop_front();
        }
        self.deadlines.front()
    }
}

/// Ids are drawn at random by ourselves: there is nothing to be mixed but what the table looks at, the upper bits.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u16(byte.into());
        }
    }

    fn write_u16(&mut self, id: u16) {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        self.0 = (self.0 ^ u64::from(id)).wrapping_mul(ODD);
    }
}
