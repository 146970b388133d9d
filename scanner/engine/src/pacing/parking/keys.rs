//! The keys whose leave parked work needs, and what waits at each: an address its own queue, a prefix and an operator
//! the lanes of addresses.

use std::collections::VecDeque;
use std::net::IpAddr;

use ipnet::IpNet;
use tokio::time::Instant;

use super::super::gauge::{Gauge, Limits};
use super::super::{PacingLimits, prefix_of};

/// What is parked at one address.
pub(super) struct Lane<T> {
    pub(super) gauge: Gauge,
    pub(super) queue: VecDeque<Parked<T>>,
    pub(super) stand: Stand,
}

/// A piece of work, and what it takes.
pub(super) struct Parked<T> {
    pub(super) operator: Option<u64>,
    pub(super) bytes: u32,
    pub(super) work: T,
}

/// Where a lane stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// Nowhere: it is empty, or waits for one of its own places.
    Idle,
    /// It waits at a key, or has been called from there.
    Waiting,
    /// Its head has its places.
    Ready,
}

impl<T> Lane<T> {
    /// An empty one.
    pub(super) fn new(now: Instant) -> Self {
        Self { gauge: Gauge::new(now), queue: VecDeque::new(), stand: Stand::Idle }
    }

    /// Whether there is nothing to remember of it.
    pub(super) fn is_forgettable(&self, now: Instant) -> bool {
        self.stand == Stand::Idle && self.queue.is_empty() && self.gauge.is_idle(now)
    }
}

/// A key that several addresses share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Group {
    Prefix(IpNet),
    Operator(u64),
}

/// What may have something to give at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Address(IpAddr),
    Group(Group),
}

/// A shared key, and the lanes that wait at it.
pub(super) struct Waiting {
    pub(super) gauge: Gauge,
    pub(super) lanes: VecDeque<IpAddr>,
    pub(super) has_alarm: bool,
}

impl Waiting {
    /// Nobody waits yet.
    pub(super) fn new(now: Instant) -> Self {
        Self { gauge: Gauge::new(now), lanes: VecDeque::new(), has_alarm: false }
    }

    /// Whether there is nothing to remember of it.
    pub(super) fn is_forgettable(&self, now: Instant) -> bool {
        self.lanes.is_empty() && self.gauge.is_idle(now)
    }
}

/// The keys that an address shares with others.
pub(super) fn groups(address: IpAddr, operator: Option<u64>) -> impl Iterator<Item = Group> {
    std::iter::once(Group::Prefix(prefix_of(address))).chain(operator.map(Group::Operator))
}

/// What each kind of key gives, and this machine.
pub(super) struct AllLimits {
    pub(super) address: Limits,
    pub(super) prefix: Limits,
    pub(super) operator: Limits,
    pub(super) brisk_max: u32,
    pub(super) slow_max: u32,
}

impl AllLimits {
    pub(super) fn new(limits: &PacingLimits) -> Self {
        Self {
            address: Limits::new(limits.address_connections_max, limits.address_rate),
            prefix: Limits::new(limits.prefix_connections_max, limits.prefix_rate),
            operator: Limits::new(limits.operator_connections_max, limits.operator_rate),
            brisk_max: limits.connections_max.max(1),
            slow_max: limits.slow_connections_max,
        }
    }

    /// Those of a key's kind.
    pub(super) fn of(&self, group: Group) -> &Limits {
        match group {
            Group::Prefix(_) => &self.prefix,
            Group::Operator(_) => &self.operator,
        }
    }
}
