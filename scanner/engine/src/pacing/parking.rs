//! Work that waits for its turn, parked by address.
//!
//! Each address has a *lane*: a queue, of which only the head is looked at. The head needs the leave of three keys
//! together: its address, its prefix, its operator. A lane whose head is refused waits at the key that refused it,
//! once, however long its queue; that key calls one lane when it has something to give, and a lane that cannot use
//! it lets the next be called. So what is done for each start depends neither on how much is parked nor on who else
//! is slow, and keys of one kind take turns in the order of their asking.
//!
//! It knows no clock and no task: time is an argument, and whoever drives it ([`Errands`](crate::errands)) starts what
//! [`Parking::next`] hands out, and gives its [`Spot`] back in the end.

mod keys;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use tokio::time::Instant;

use self::keys::{AllLimits, Group, Key, Lane, Parked, Stand, Waiting, groups};
use super::PacingLimits;
use super::gauge::Refusal;

/// Idle keys are forgotten each time so many were started.
const STARTS_A_SWEEP: u32 = 4096;
/// However much is parked elsewhere, a lane may hold so many: nobody's million keeps another from his turn.
const LANE_ALWAYS_MAX: usize = 64;
/// What such lanes may take beyond what there is room for: this part of it, and never less than so many bytes.
const SPARE_ROOM: u64 = 4;
const SPARE_BYTES_MIN: u64 = 1 << 20;
/// What a lane takes while it holds anything, about: itself, its place at the key at which it waits, and that key.
const LANE_BYTES: u32 = 320;
/// Lanes that wait for one of this machine's places, at most, before it is said that no more should come.
const READY_MAX: usize = 16_384;

/// Parked work, by address.
pub(crate) struct Parking<T> {
    lanes: HashMap<IpAddr, Lane<T>>,
    groups: HashMap<Group, Waiting>,
    /// Lanes whose head is to be looked at, and the key that called them.
    called: VecDeque<(IpAddr, Option<Group>)>,
    /// Lanes whose head has its places, and waits for one of this machine's.
    ready: VecDeque<IpAddr>,
    alarms: BinaryHeap<Reverse<(Instant, Key)>>,
    limits: AllLimits,
    /// Connections that get on, and those that do not.
    brisk: u32,
    slow: u32,
    parked_bytes: u64,
    parked_bytes_max: u64,
    parked: usize,
    starts: u32,
    /// Operators are told apart by a hash that nobody can aim at.
    hasher: RandomState,
}

/// A place at an address, at its prefix, at its operator, and among this machine's connections. It is to be given back.
#[derive(Debug)]
#[must_use = "places that are not given back are lost"]
pub(crate) struct Spot {
    pub(crate) address: IpAddr,
    operator: Option<u64>,
    is_slow: bool,
}

/// What is to be done now.
#[derive(Debug)]
pub(crate) enum Next<T> {
    /// This may begin.
    Start(T, Spot),
    /// This has become needless: it is known already.
    Known(T, IpAddr),
    /// Nothing, until then, or until something is parked or given back.
    Wait(Option<Instant>),
}

impl<T> Parking<T> {
    /// Nothing is parked yet, and no more than about `parked_bytes_max` will be.
    pub(crate) fn new(limits: &PacingLimits, parked_bytes_max: u64) -> Self {
        Self {
            lanes: HashMap::new(),
            groups: HashMap::new(),
            called: VecDeque::new(),
            ready: VecDeque::new(),
            alarms: BinaryHeap::new(),
            limits: AllLimits::new(limits),
            brisk: 0,
            slow: 0,
            parked_bytes: 0,
            parked_bytes_max,
            parked: 0,
            starts: 0,
            hasher: RandomState::new(),
        }
    }

    /// Parks work for an address of an operator's, behind what is parked there. It is handed back when there is no
    /// room for it. `bytes` is what it takes, about.
    pub(crate) fn park(
        &mut self,
        address: IpAddr,
        operator: Option<&str>,
        work: T,
        bytes: u32,
        now: Instant,
    ) -> Result<(), T> {
        let operator = operator.map(|name| self.hasher.hash_one(name));
        self.park_for(address.to_canonical(), operator, work, bytes, now)
    }

    /// Parks work once more where it has had its turn already.
    pub(crate) fn park_again(&mut self, spot: &Spot, work: T, bytes: u32, now: Instant) -> Result<(), T> {
        self.park_for(spot.address, spot.operator, work, bytes, now)
    }

    fn park_for(
        &mut self,
        address: IpAddr,
        operator: Option<u64>,
        work: T,
        bytes: u32,
        now: Instant,
    ) -> Result<(), T> {
        let lane = self.lanes.entry(address).or_insert_with(|| Lane::new(now));
        let is_short = lane.queue.len() < LANE_ALWAYS_MAX;
        let spare = if is_short { (self.parked_bytes_max / SPARE_ROOM).max(SPARE_BYTES_MIN) } else { 0 };
        if self.parked_bytes >= self.parked_bytes_max.saturating_add(spare) {
            self.forget_if_idle(address, now);
            return Err(work);
        }
        let mut bytes = bytes;
        if lane.queue.is_empty() {
            lane.queue.reserve_exact(1);
            bytes += LANE_BYTES;
        }
        lane.queue.push_back(Parked { operator, bytes, work });
        self.parked += 1;
        self.parked_bytes += u64::from(bytes);
        self.call(address);
        Ok(())
    }

    /// What is to be done now. `is_known` says of work whether it has become needless.
    pub(crate) fn next(&mut self, now: Instant, is_known: impl Fn(&T, IpAddr) -> bool) -> Next<T> {
        while self.alarms.peek().is_some_and(|Reverse((due, _))| *due <= now) {
            let Some(Reverse((_, key))) = self.alarms.pop() else { break };
            match key {
                Key::Address(address) => self.called.push_back((address, None)),
                Key::Group(group) => {
                    if let Some(waiting) = self.groups.get_mut(&group) {
                        waiting.has_alarm = false;
                    }
                    self.call_one(group, now);
                }
            }
        }
        loop {
            if let Some((address, caller)) = self.called.pop_front() {
                if let Some((work, address)) = self.look_at(address, caller, now, &is_known) {
                    return Next::Known(work, address);
                }
            } else if self.brisk >= self.limits.brisk_max {
                break;
            } else if let Some(address) = self.ready.pop_front() {
                if let Some((work, spot)) = self.start(address, now) {
                    return Next::Start(work, spot);
                }
            } else {
                break;
            }
        }
        Next::Wait(self.alarms.peek().map(|Reverse((due, _))| *due))
    }

    /// Gives a place back.
    #[expect(clippy::needless_pass_by_value, reason = "what is given back is given away")]
    pub(crate) fn give_back(&mut self, spot: Spot, now: Instant) {
        let Spot { address, operator, is_slow } = spot;
        *if is_slow { &mut self.slow } else { &mut self.brisk } -= 1;
        self.leave(address, operator, now);
        self.call(address);
        self.forget_if_idle(address, now);
    }

    /// Counts a connection among the slow ones, if there is room among them: then another can begin in its place.
    pub(crate) fn step_aside(&mut self, spot: &mut Spot) -> bool {
        if !spot.is_slow && self.slow < self.limits.slow_max {
            spot.is_slow = true;
            self.slow += 1;
            self.brisk -= 1;
        }
        spot.is_slow
    }

    /// Nobody begins at this address before `address_until`, and none at its operator before `operator_until`.
    pub(crate) fn delay(&mut self, spot: &Spot, address_until: Instant, operator_until: Instant) {
        if let Some(lane) = self.lanes.get_mut(&spot.address) {
            lane.gauge.delay(address_until);
        }
        if let Some(waiting) = spot.operator.and_then(|hash| self.groups.get_mut(&Group::Operator(hash))) {
            waiting.gauge.delay(operator_until);
        }
    }

    /// Takes out everything that is parked.
    pub(crate) fn clear(&mut self) -> Vec<T> {
        let mut cleared = Vec::with_capacity(self.parked);
        let ready: Vec<IpAddr> = self.ready.drain(..).collect();
        for address in ready {
            if let Some(head) = self.head(address) {
                self.release(address, head.operator);
            }
        }
        for lane in self.lanes.values_mut() {
            cleared.extend(lane.queue.drain(..).map(|parked| parked.work));
            lane.stand = Stand::Idle;
        }
        self.called.clear();
        self.alarms.clear();
        for waiting in self.groups.values_mut() {
            waiting.lanes.clear();
            waiting.has_alarm = false;
        }
        (self.parked, self.parked_bytes) = (0, 0);
        cleared
    }

    /// Pieces of work that are parked.
    pub(crate) fn parked(&self) -> usize {
        self.parked
    }

    /// What they take, about.
    pub(crate) fn parked_bytes(&self) -> u64 {
        self.parked_bytes
    }

    /// Whether so much waits for one of this machine's places, and for nobody else's, that no more should come.
    pub(crate) fn is_behind(&self) -> bool {
        self.ready.len() >= READY_MAX
    }

    /// Connections that get on, and connections that have taken long.
    pub(crate) fn connections(&self) -> (u32, u32) {
        (self.brisk, self.slow)
    }

    /// Keys that are remembered: addresses, prefixes, operators.
    #[cfg(test)]
    pub(super) fn keys(&self) -> usize {
        self.lanes.len() + self.groups.len()
    }

    /// Has a lane looked at, if it does not stand anywhere.
    fn call(&mut self, address: IpAddr) {
        if let Some(lane) = self.lanes.get_mut(&address)
            && lane.stand == Stand::Idle
            && !lane.queue.is_empty()
        {
            lane.stand = Stand::Waiting;
            self.called.push_back((address, None));
        }
    }

    /// Calls one lane of those that wait at a key, if it has something to give.
    fn call_one(&mut self, group: Group, now: Instant) {
        let Some(waiting) = self.groups.get_mut(&group) else { return };
        if waiting.lanes.is_empty() {
            return;
        }
        match waiting.gauge.refuses(self.limits.of(group), now) {
            None => self.called.extend(waiting.lanes.pop_front().map(|address| (address, Some(group)))),
            Some(Refusal::Full) => {}
            Some(Refusal::Early(due)) => {
                if !std::mem::replace(&mut waiting.has_alarm, true) {
                    self.alarms.push(Reverse((due, Key::Group(group))));
                }
            }
        }
    }

    /// Looks at a lane's head: gets it its places, or lets the lane wait where they are refused.
    fn look_at(
        &mut self,
        address: IpAddr,
        caller: Option<Group>,
        now: Instant,
        is_known: &impl Fn(&T, IpAddr) -> bool,
    ) -> Option<(T, IpAddr)> {
        let lane = self.lanes.get_mut(&address)?;
        let Some(head) = lane.queue.front() else {
            lane.stand = Stand::Idle;
            self.forget_if_idle(address, now);
            return None;
        };
        let operator = head.operator;
        if is_known(&head.work, address) {
            let parked = lane.queue.pop_front()?;
            lane.stand = Stand::Idle;
            self.unpark(parked.bytes);
            self.call(address);
            // Whatever called this lane may call another for what it did not take.
            self.pass_on(address, operator, now);
            return Some((parked.work, address));
        }
        if let Some(refusal) = lane.gauge.refuses(&self.limits.address, now) {
            match refusal {
                // The place that is given back calls the lane.
                Refusal::Full => lane.stand = Stand::Idle,
                Refusal::Early(due) => self.alarms.push(Reverse((due, Key::Address(address)))),
            }
        } else if let Some(group) = groups(address, operator)
            .find(|group| self.refuses(*group, now) || self.has_others(*group, caller))
        {
            self.wait_at(group, address, now, false);
        } else {
            if let Some(lane) = self.lanes.get_mut(&address) {
                lane.stand = Stand::Ready;
                lane.gauge.take();
            }
            for group in groups(address, operator) {
                self.group(group, now).gauge.take();
            }
            self.ready.push_back(address);
        }
        self.pass_on(address, operator, now);
        None
    }

    /// Begins a lane's head, which has its places; or takes these back, where the rate has changed meanwhile.
    fn start(&mut self, address: IpAddr, now: Instant) -> Option<(T, Spot)> {
        let operator = self.head(address)?.operator;
        let lane = self.lanes.get_mut(&address)?;
        if let Some(Refusal::Early(due)) = lane.gauge.is_early(&self.limits.address, now) {
            self.release(address, operator);
            if let Some(lane) = self.lanes.get_mut(&address) {
                lane.stand = Stand::Waiting;
            }
            self.alarms.push(Reverse((due, Key::Address(address))));
            self.pass_on(address, operator, now);
            return None;
        }
        let early = groups(address, operator).find(|group| {
            self.groups.get(group).is_some_and(|w| w.gauge.is_early(self.limits.of(*group), now).is_some())
        });
        if let Some(group) = early {
            self.release(address, operator);
            self.wait_at(group, address, now, true);
            self.pass_on(address, operator, now);
            return None;
        }
        for group in groups(address, operator) {
            let limits = *self.limits.of(group);
            self.group(group, now).gauge.begin(&limits, now);
        }
        let lane = self.lanes.get_mut(&address)?;
        lane.gauge.begin(&self.limits.address, now);
        let parked = lane.queue.pop_front()?;
        lane.stand = Stand::Idle;
        if lane.queue.len() < lane.queue.capacity() / 4 {
            lane.queue.shrink_to(lane.queue.len() * 2);
        }
        self.unpark(parked.bytes);
        self.brisk += 1;
        self.call(address);
        self.pass_on(address, operator, now);
        self.starts = self.starts.wrapping_add(1);
        if self.starts.is_multiple_of(STARTS_A_SWEEP) {
            self.sweep(now);
        }
        Some((parked.work, Spot { address, operator, is_slow: false }))
    }

    /// Lets a lane wait at a key.
    fn wait_at(&mut self, group: Group, address: IpAddr, now: Instant, is_first: bool) {
        if let Some(lane) = self.lanes.get_mut(&address) {
            lane.stand = Stand::Waiting;
        }
        let waiting = self.group(group, now);
        if is_first {
            waiting.lanes.push_front(address);
        } else {
            waiting.lanes.push_back(address);
        }
        // Sets the alarm, where it is only too soon.
        let limits = self.limits.of(group);
        let waiting = self.groups.get_mut(&group).expect("it was made above");
        if let Some(Refusal::Early(due)) = waiting.gauge.refuses(limits, now)
            && !std::mem::replace(&mut waiting.has_alarm, true)
        {
            self.alarms.push(Reverse((due, Key::Group(group))));
        }
    }

    /// Lets the keys of a lane that has been looked at call the next.
    fn pass_on(&mut self, address: IpAddr, operator: Option<u64>, now: Instant) {
        for group in groups(address, operator) {
            self.call_one(group, now);
        }
    }

    /// Gives back the places of a head that was ready.
    fn release(&mut self, address: IpAddr, operator: Option<u64>) {
        if let Some(lane) = self.lanes.get_mut(&address) {
            lane.gauge.give_back();
        }
        for group in groups(address, operator) {
            if let Some(waiting) = self.groups.get_mut(&group) {
                waiting.gauge.give_back();
            }
        }
    }

    /// Gives back the places of a connection that has ended, and calls who waits for them.
    fn leave(&mut self, address: IpAddr, operator: Option<u64>, now: Instant) {
        self.release(address, operator);
        for group in groups(address, operator) {
            self.call_one(group, now);
            if self.groups.get(&group).is_some_and(|waiting| waiting.is_forgettable(now)) {
                self.groups.remove(&group);
            }
        }
    }

    fn refuses(&self, group: Group, now: Instant) -> bool {
        let limits = self.limits.of(group);
        self.groups.get(&group).is_some_and(|waiting| waiting.gauge.refuses(limits, now).is_some())
    }

    /// Whether others stand in line at a key that has not called this lane. An operator's word is the last: whom he has
    /// called stands in no other line.
    fn has_others(&self, group: Group, caller: Option<Group>) -> bool {
        let is_called = caller == Some(group) || matches!(caller, Some(Group::Operator(_)));
        !is_called && self.groups.get(&group).is_some_and(|waiting| !waiting.lanes.is_empty())
    }

    fn group(&mut self, group: Group, now: Instant) -> &mut Waiting {
        self.groups.entry(group).or_insert_with(|| Waiting::new(now))
    }

    fn head(&self, address: IpAddr) -> Option<&Parked<T>> {
        self.lanes.get(&address)?.queue.front()
    }

    fn unpark(&mut self, bytes: u32) {
        self.parked -= 1;
        self.parked_bytes -= u64::from(bytes);
    }

    fn forget_if_idle(&mut self, address: IpAddr, now: Instant) {
        if self.lanes.get(&address).is_some_and(|lane| lane.is_forgettable(now)) {
            self.lanes.remove(&address);
        }
    }

    /// Forgets the keys whose rate has no more to say.
    fn sweep(&mut self, now: Instant) {
        self.lanes.retain(|_, lane| !lane.is_forgettable(now));
        self.groups.retain(|_, waiting| !waiting.is_forgettable(now));
        self.lanes.shrink_to(self.lanes.len() * 2);
        self.groups.shrink_to(self.groups.len() * 2);
    }
}

#[cfg(test)]
mod tests;
