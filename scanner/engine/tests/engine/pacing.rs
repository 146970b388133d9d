use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use mxray_engine::{Pacer, PacingLimits};
use tokio::time::{Instant, timeout};

const UNLIMITED: PacingLimits = PacingLimits {
    connections_max: 10_000,
    address_connections_max: 1_000,
    address_rate: None,
    prefix_connections_max: 1_000,
    prefix_rate: None,
    domain_rate: None,
};
/// By the paused clock: passes at once when there is nothing else to do.
const A_WHILE: Duration = Duration::from_secs(1);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn one_address_is_given_so_many_connections_at_a_time() {
    let pacer = Pacer::new(&PacingLimits { address_connections_max: 2, ..UNLIMITED });
    let first = pacer.admit(ip("192.0.2.1")).await;
    let _second = pacer.admit(ip("192.0.2.1")).await;
    assert!(timeout(A_WHILE, pacer.admit(ip("192.0.2.1"))).await.is_err());
    // The same address in other clothes is the same address; another is not.
    assert!(timeout(A_WHILE, pacer.admit(ip("::ffff:192.0.2.1"))).await.is_err());
    assert!(timeout(A_WHILE, pacer.admit(ip("192.0.2.2"))).await.is_ok());
    drop(first);
    assert!(timeout(A_WHILE, pacer.admit(ip("192.0.2.1"))).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn one_prefix_is_given_so_many_connections_at_a_time() {
    let pacer = Pacer::new(&PacingLimits { prefix_connections_max: 2, ..UNLIMITED });
    for (inside, outside) in [("192.0.2.", "192.0.3.1"), ("2001:db8:1::", "2001:db8:2::1")] {
        let _held =
            (pacer.admit(ip(&format!("{inside}1"))).await, pacer.admit(ip(&format!("{inside}2"))).await);
        assert!(timeout(A_WHILE, pacer.admit(ip(&format!("{inside}3")))).await.is_err());
        assert!(timeout(A_WHILE, pacer.admit(ip(outside))).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn everybody_together_is_given_so_many_connections_at_a_time() {
    let pacer = Pacer::new(&PacingLimits { connections_max: 1, ..UNLIMITED });
    let held = pacer.admit(ip("192.0.2.1")).await;
    assert!(timeout(A_WHILE, pacer.admit(ip("198.51.100.1"))).await.is_err());
    drop(held);
    assert!(timeout(A_WHILE, pacer.admit(ip("198.51.100.1"))).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn rates_hold_by_address_and_by_prefix() {
    let rate = NonZeroU32::new(10);
    let by_address = PacingLimits { address_rate: rate, ..UNLIMITED };
    let by_prefix = PacingLimits { prefix_rate: rate, ..UNLIMITED };
    for (limits, last_byte_step) in [(by_address, 0), (by_prefix, 1)] {
        let pacer = Pacer::new(&limits);
        let begin = Instant::now();
        for n in 0..31_u8 {
            drop(pacer.admit(IpAddr::from([192, 0, 2, n * last_byte_step])).await);
        }
        let elapsed = begin.elapsed();
        assert!(elapsed >= Duration::from_secs(3) && elapsed < Duration::from_millis(3_200), "{elapsed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_crowd_at_one_address_holds_up_nobody_else() {
    let limits = PacingLimits { address_connections_max: 1, prefix_connections_max: 2, ..UNLIMITED };
    let pacer = Arc::new(Pacer::new(&limits));
    let held = pacer.admit(ip("192.0.2.1")).await;
    let crowd: Vec<_> = (0..500)
        .map(|_| {
            let pacer = Arc::clone(&pacer);
            tokio::spawn(async move { drop(pacer.admit(ip("192.0.2.1")).await) })
        })
        .collect();
    tokio::task::yield_now().await;
    // The prefix has two places; the crowd, which waits for its address, takes none of them.
    assert!(timeout(A_WHILE, pacer.admit(ip("192.0.2.2"))).await.is_ok());
    drop(held);
    for waiter in crowd {
        waiter.await.unwrap();
    }
    assert_eq!(pacer.keys_in_use(), 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_waiting_leaves_no_trace() {
    let pacer = Pacer::new(&PacingLimits { address_connections_max: 1, ..UNLIMITED });
    let held = pacer.admit(ip("192.0.2.1")).await;
    assert!(timeout(A_WHILE, pacer.admit(ip("192.0.2.1"))).await.is_err());
    assert_eq!(pacer.keys_in_use(), 2);
    drop(held);
    assert_eq!(pacer.keys_in_use(), 0);
}

#[tokio::test(start_paused = true)]
async fn domains_begin_at_their_rate_whether_it_is_low_or_high() {
    for rate in [2_u32, 5_000] {
        let limits = PacingLimits { domain_rate: NonZeroU32::new(rate), ..UNLIMITED };
        let pacer = Pacer::new(&limits);
        let begin = Instant::now();
        for _ in 0..rate * 4 {
            pacer.domain_turn().await;
        }
        let seconds = begin.elapsed().as_secs_f64();
        assert!((3.4..4.2).contains(&seconds), "{rate} a second: {seconds}");
    }
    let unlimited = Pacer::new(&UNLIMITED);
    assert!(timeout(A_WHILE, unlimited.domain_turn()).await.is_ok());
}
