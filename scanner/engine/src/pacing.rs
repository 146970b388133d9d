//! Politeness: how much at a time, and how often, by address, by prefix and by operator.
//!
//! One address may stand behind a hundred thousand domains. What waits for it is *parked* ([`Parking`]): a name in a
//! queue, not a task, and it holds nothing that work for another address could use. Keys (addresses, prefixes,
//! operators) take fair turns, and are forgotten when they are idle.

mod gauge;
mod parking;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

pub(crate) use parking::{Next, Parking, Spot};

/// An IPv4 prefix that is paced as one.
const PREFIX_V4_BITS: u8 = 24;
/// An IPv6 prefix that is paced as one.
const PREFIX_V6_BITS: u8 = 48;

/// How much, and how often. `None` is without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacingLimits {
    /// Connections at a time, to everybody together: what this machine can bear.
    pub connections_max: u32,
    /// Connections beside those that have taken longer than a second: silent addresses and tarpits, which cost this
    /// machine next to nothing, and are not to stand in the way of those that answer.
    pub slow_connections_max: u32,
    /// Connections to one address at a time.
    pub address_connections_max: u32,
    /// Connections begun to one address a second.
    pub address_rate: Option<NonZeroU32>,
    /// Connections to one prefix (/24, /48) at a time.
    pub prefix_connections_max: u32,
    /// Connections begun to one prefix (/24, /48) a second.
    pub prefix_rate: Option<NonZeroU32>,
    /// Connections to one operator at a time: the registrable domain of an MX host, or of what a name is an alias of.
    pub operator_connections_max: u32,
    /// Connections begun to one operator a second.
    pub operator_rate: Option<NonZeroU32>,
    /// Domains begun a second.
    pub domain_rate: Option<NonZeroU32>,
}

impl Default for PacingLimits {
    /// What a large operator would not notice, and a small one could bear.
    fn default() -> Self {
        Self {
            connections_max: 512,
            slow_connections_max: 2048,
            address_connections_max: 4,
            address_rate: NonZeroU32::new(10),
            prefix_connections_max: 32,
            prefix_rate: NonZeroU32::new(100),
            operator_connections_max: 64,
            operator_rate: NonZeroU32::new(100),
            domain_rate: None,
        }
    }
}

/// Whoever runs a host, as far as its name says: the registrable domain, by the Public Suffix List. `None` for a name
/// that has none.
pub(crate) fn operator_of(name: &str) -> Option<&str> {
    psl::domain_str(name)
}

/// The prefix that an address is paced with.
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

/// How many a second may begin at once: a fiftieth of a second's worth, so that coarse timers do not slow a high rate.
fn burst(rate: NonZeroU32) -> NonZeroU32 {
    NonZeroU32::new(rate.get() / 50).unwrap_or(NonZeroU32::MIN)
}

/// The turns of domains, which wait for nothing but their rate.
pub(crate) struct DomainTurns {
    limiter: Option<RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Duration>>>,
    clock: TokioClock,
}

impl DomainTurns {
    /// So many a second; `None` is without limit.
    pub(crate) fn new(rate: Option<NonZeroU32>) -> Self {
        let clock = TokioClock { origin: Instant::now() };
        let quota = |rate| Quota::per_second(rate).allow_burst(burst(rate));
        Self { limiter: rate.map(|rate| RateLimiter::direct_with_clock(quota(rate), clock)), clock }
    }

    /// Waits until another domain may be begun.
    pub(crate) async fn next(&self) {
        let Some(limiter) = &self.limiter else { return };
        while let Err(not_until) = limiter.check() {
            tokio::time::sleep(not_until.wait_time_from(self.clock.now())).await;
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn domains_begin_at_their_rate_whether_it_is_low_or_high() {
        for rate in [2_u32, 5_000] {
            let turns = DomainTurns::new(NonZeroU32::new(rate));
            let begin = Instant::now();
            for _ in 0..rate * 4 {
                turns.next().await;
            }
            let seconds = begin.elapsed().as_secs_f64();
            assert!((3.4..4.2).contains(&seconds), "{rate} a second: {seconds}");
        }
        let begin = Instant::now();
        DomainTurns::new(None).next().await;
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn time_that_was_lost_is_not_made_up_for() {
        let turns = DomainTurns::new(NonZeroU32::new(1_000));
        turns.next().await;
        tokio::time::advance(Duration::from_secs(10)).await;
        let begin = Instant::now();
        for _ in 0..1_000 {
            turns.next().await;
        }
        assert!(begin.elapsed() >= Duration::from_millis(950), "{:?}", begin.elapsed());
    }

    #[test]
    fn an_operator_is_the_registrable_domain() {
        assert_eq!(operator_of("mx1.in.post7.example"), Some("post7.example"));
        assert_eq!(operator_of("a.mail.example.co.uk"), Some("example.co.uk"));
        assert_eq!(operator_of("co.uk"), None);
    }
}
