//! Politeness: how much at a time, and how often, by address and by prefix.
//!
//! One address may stand behind a hundred thousand domains. Work for it waits in a queue of its own, where it
//! holds nothing that work for another address could use; a queue is forgotten when nobody waits in it.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// An IPv4 prefix that is paced as one.
const PREFIX_V4_BITS: u8 = 24;
/// An IPv6 prefix that is paced as one.
const PREFIX_V6_BITS: u8 = 48;
/// Rates are forgotten, where they have no more to say, each time so many connections were admitted.
const ADMISSIONS_A_SWEEP: u32 = 4096;

/// How much, and how often. `None` is without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacingLimits {
    /// Connections at a time, to everybody together: what this machine can bear.
    pub connections_max: u32,
    /// Connections to one address at a time.
    pub address_connections_max: u32,
    /// Connections begun to one address a second.
    pub address_rate: Option<NonZeroU32>,
    /// Connections to one prefix (/24, /48) at a time.
    pub prefix_connections_max: u32,
    /// Connections begun to one prefix (/24, /48) a second.
    pub prefix_rate: Option<NonZeroU32>,
    /// Domains begun a second.
    pub domain_rate: Option<NonZeroU32>,
}

impl Default for PacingLimits {
    /// What a large operator would not notice, and a small one could bear.
    fn default() -> Self {
        Self {
            connections_max: 512,
            address_connections_max: 4,
            address_rate: NonZeroU32::new(10),
            prefix_connections_max: 32,
            prefix_rate: NonZeroU32::new(100),
            domain_rate: None,
        }
    }
}

/// Who may connect, and when.
pub struct Pacer {
    addresses: Lanes<IpAddr>,
    prefixes: Lanes<IpNet>,
    connections: Arc<Semaphore>,
    domains: Option<RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Duration>>>,
    clock: TokioClock,
}

/// Leave to connect, until it is dropped.
#[must_use = "the connection is only counted while the permit is held"]
pub struct Permit {
    _address: Ticket<IpAddr>,
    _prefix: Ticket<IpNet>,
    _connection: OwnedSemaphorePermit,
}

impl Pacer {
    /// A pacer that has admitted nothing yet.
    pub fn new(limits: &PacingLimits) -> Self {
        let clock = TokioClock { origin: Instant::now() };
        Self {
            addresses: Lanes::new(limits.address_connections_max, limits.address_rate, clock),
            prefixes: Lanes::new(limits.prefix_connections_max, limits.prefix_rate, clock),
            connections: Arc::new(Semaphore::new(limits.connections_max.max(1) as usize)),
            domains: limits.domain_rate.map(|rate| RateLimiter::direct_with_clock(quota(rate), clock)),
            clock,
        }
    }

    /// Waits for leave to open a connection to an address, in the order of asking.
    ///
    /// Whoever waits holds only what others with the same wait could not use either: a place at the address while
    /// waiting for the address's rate, or for its prefix.
    pub async fn admit(&self, address: IpAddr) -> Permit {
        let address = address.to_canonical();
        let address_ticket = self.addresses.enter(address).await;
        let prefix_ticket = self.prefixes.enter(prefix_of(address)).await;
        // Last, so that whoever waits for his turn at one address holds no connection that another could use.
        let connections = Arc::clone(&self.connections);
        let connection = connections.acquire_owned().await.expect("the semaphore is never closed");
        Permit { _address: address_ticket, _prefix: prefix_ticket, _connection: connection }
    }

    /// Waits until another domain may be begun.
    pub async fn domain_turn(&self) {
        let Some(limiter) = &self.domains else { return };
        while let Err(not_until) = limiter.check() {
            tokio::time::sleep(not_until.wait_time_from(self.clock.now())).await;
        }
    }

    /// Addresses and prefixes that somebody uses or waits for now.
    pub fn keys_in_use(&self) -> usize {
        self.addresses.lanes().len() + self.prefixes.lanes().len()
    }
}

/// A queue a key: so many at a time, so many a second.
struct Lanes<K: Hash + Eq + Copy> {
    places: usize,
    by_key: Arc<Mutex<HashMap<K, Lane>>>,
    rate: Option<RateLimiter<K, HashMapStateStore<K>, TokioClock, NoOpMiddleware<Duration>>>,
    admissions: AtomicU32,
    clock: TokioClock,
}

struct Lane {
    semaphore: Arc<Semaphore>,
    /// Who uses it or waits for it.
    users: usize,
}

impl<K: Hash + Eq + Copy> Lanes<K> {
    fn new(places: u32, rate: Option<NonZeroU32>, clock: TokioClock) -> Self {
        Self {
            places: places.max(1) as usize,
            by_key: Arc::default(),
            rate: rate.map(|rate| RateLimiter::hashmap_with_clock(quota(rate), clock)),
            admissions: AtomicU32::new(0),
            clock,
        }
    }

    async fn enter(&self, key: K) -> Ticket<K> {
        let (semaphore, user) = self.join(key);
        let place = semaphore.acquire_owned().await.expect("the semaphore is never closed");
        if let Some(rate) = &self.rate {
            while let Err(not_until) = rate.check_key(&key) {
                tokio::time::sleep(not_until.wait_time_from(self.clock.now())).await;
            }
            if self.admissions.fetch_add(1, Ordering::Relaxed) % ADMISSIONS_A_SWEEP == ADMISSIONS_A_SWEEP - 1
            {
                rate.retain_recent();
                rate.shrink_to_fit();
            }
        }
        Ticket { _place: place, _user: user }
    }

    fn join(&self, key: K) -> (Arc<Semaphore>, User<K>) {
        let mut lanes = self.lanes();
        let lane = lanes
            .entry(key)
            .or_insert_with(|| Lane { semaphore: Arc::new(Semaphore::new(self.places)), users: 0 });
        lane.users += 1;
        (Arc::clone(&lane.semaphore), User { lanes: Arc::clone(&self.by_key), key })
    }

    fn lanes(&self) -> MutexGuard<'_, HashMap<K, Lane>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a lane; first the place is given back, then the lane may be forgotten.
struct Ticket<K: Hash + Eq + Copy> {
    _place: OwnedSemaphorePermit,
    _user: User<K>,
}

/// Somebody who uses a lane or waits for it.
struct User<K: Hash + Eq + Copy> {
    lanes: Arc<Mutex<HashMap<K, Lane>>>,
    key: K,
}

impl<K: Hash + Eq + Copy> Drop for User<K> {
    fn drop(&mut self) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get_mut(&self.key) {
            lane.users -= 1;
            if lane.users == 0 {
                lanes.remove(&self.key);
            }
        }
    }
}

fn prefix_of(address: IpAddr) -> IpNet {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX << (32 - u32::from(PREFIX_V4_BITS));
            Ipv4Net::new_assert(Ipv4Addr::from_bits(v4.to_bits() & mask), PREFIX_V4_BITS).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX << (128 - u32::from(PREFIX_V6_BITS));
            Ipv6Net::new_assert(Ipv6Addr::from_bits(v6.to_bits() & mask), PREFIX_V6_BITS).into()
        }
    }
}

/// A rate, evenly spread: a burst holds a fiftieth of a second's worth, so that coarse timers do not slow it.
fn quota(rate: NonZeroU32) -> Quota {
    let burst = NonZeroU32::new(rate.get() / 50).unwrap_or(NonZeroU32::MIN);
    Quota::per_second(rate).allow_burst(burst)
}

/// Tokio's clock, which tests can pause, in governor's terms.
#[derive(Debug, Clone, Copy)]
struct TokioClock {
    origin: Instant,
}

impl Clock for TokioClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }
}
