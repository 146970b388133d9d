//! Time is what a test says it is.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use super::*;

const UNLIMITED: PacingLimits = PacingLimits {
    connections_max: 10_000,
    slow_connections_max: 10_000,
    address_connections_max: 1_000,
    address_rate: None,
    prefix_connections_max: 1_000,
    prefix_rate: None,
    operator_connections_max: 1_000,
    operator_rate: None,
    domain_rate: None,
};

/// Parked numbers, and a clock.
struct Desk {
    parking: Parking<u32>,
    now: Instant,
}

impl Desk {
    fn new(limits: &PacingLimits) -> Self {
        Self { parking: Parking::new(limits, u64::MAX), now: Instant::now() }
    }

    fn park(&mut self, address: &str, operator: Option<&str>, work: u32) {
        let address = address.parse().expect("an address");
        self.parking.park(address, operator, work, 1, self.now).expect("room");
    }

    /// Everything that may begin now.
    fn started(&mut self) -> Vec<(u32, Spot)> {
        let mut started = Vec::new();
        while let Next::Start(work, spot) = self.parking.next(self.now, |_, _| false) {
            started.push((work, spot));
        }
        started
    }

    fn give_back(&mut self, spots: impl IntoIterator<Item = (u32, Spot)>) {
        spots.into_iter().for_each(|(_, spot)| self.parking.give_back(spot, self.now));
    }

    /// Lets time pass until something is due; `false` when nothing will be.
    fn wait(&mut self) -> bool {
        match self.parking.next(self.now, |_, _| false) {
            Next::Wait(Some(due)) => self.now = due,
            Next::Wait(None) => return false,
            other => panic!("{other:?} was not taken"),
        }
        true
    }
}

fn numbers(started: &[(u32, Spot)]) -> Vec<u32> {
    started.iter().map(|(work, _)| *work).collect()
}

#[test]
fn so_many_at_a_time_by_address_prefix_operator_and_in_all() {
    let by = |limits| {
        let mut desk = Desk::new(&limits);
        for (work, (address, operator)) in [
            ("192.0.2.1", "a.example"),
            ("::ffff:192.0.2.1", "a.example"),
            ("192.0.2.1", "b.example"),
            ("192.0.2.2", "a.example"),
            ("192.0.2.3", "b.example"),
            ("198.51.100.1", "a.example"),
            ("198.51.100.2", "c.example"),
        ]
        .into_iter()
        .enumerate()
        {
            desk.park(address, Some(operator), work as u32);
        }
        let first = desk.started();
        let mut sorted = numbers(&first);
        sorted.sort_unstable();
        assert_eq!(numbers(&desk.started()), [0; 0]);
        // Whatever waited gets its turn in the end, and nothing is forgotten.
        let mut all = sorted.clone();
        let mut held = first;
        while !held.is_empty() {
            desk.give_back(held);
            held = desk.started();
            all.extend(numbers(&held));
        }
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!((desk.parking.keys(), desk.parking.parked(), desk.parking.connections()), (0, 0, (0, 0)));
        sorted
    };
    assert_eq!(by(UNLIMITED), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(by(PacingLimits { address_connections_max: 1, ..UNLIMITED }), [0, 3, 4, 5, 6]);
    assert_eq!(by(PacingLimits { prefix_connections_max: 1, ..UNLIMITED }), [0, 5]);
    // The third at 192.0.2.1 stands behind the second, which is the operator's.
    assert_eq!(by(PacingLimits { operator_connections_max: 1, ..UNLIMITED }), [0, 4, 6]);
    assert_eq!(by(PacingLimits { connections_max: 2, ..UNLIMITED }).len(), 2);
}

/// Runs until nothing is left, each exchange ending at once, and gives the times of the beginnings.
fn beginnings(limits: &PacingLimits, addresses: &[&str], operator: Option<&str>) -> Vec<Duration> {
    let mut desk = Desk::new(limits);
    let begin = desk.now;
    addresses.iter().zip(0..).for_each(|(address, work)| desk.park(address, operator, work));
    let mut times = Vec::new();
    loop {
        let started = desk.started();
        times.extend(started.iter().map(|_| desk.now - begin));
        let any = !started.is_empty();
        desk.give_back(started);
        if !any && !desk.wait() {
            return times;
        }
    }
}

#[test]
fn rates_hold_by_address_by_prefix_and_by_operator() {
    let rate = NonZeroU32::new(10);
    let one = vec!["192.0.2.1"; 31];
    let prefix: Vec<String> = (0..31).map(|n| format!("192.0.2.{n}")).collect();
    let prefix: Vec<&str> = prefix.iter().map(String::as_str).collect();
    let spread: Vec<String> = (0..31).map(|n| format!("198.51.{n}.1")).collect();
    let spread: Vec<&str> = spread.iter().map(String::as_str).collect();
    for (limits, addresses) in [
        (PacingLimits { address_rate: rate, ..UNLIMITED }, &one),
        (PacingLimits { prefix_rate: rate, ..UNLIMITED }, &prefix),
        (PacingLimits { operator_rate: rate, ..UNLIMITED }, &spread),
    ] {
        let times = beginnings(&limits, addresses, Some("a.example"));
        let expected: Vec<Duration> = (0..31).map(|n| Duration::from_millis(100 * n)).collect();
        assert_eq!(times, expected);
    }
    let free = beginnings(&PacingLimits { operator_rate: rate, ..UNLIMITED }, &spread, None);
    assert_eq!(free, [Duration::ZERO; 31], "without an operator there is none to be spared");
}

#[test]
fn all_three_rates_hold_together() {
    // Ten addresses in each of five prefixes of one operator, three pieces each.
    let addresses: Vec<String> = (0..150).map(|n| format!("192.0.{}.{}", n % 5, n / 5 % 10)).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let limits = PacingLimits {
        address_rate: NonZeroU32::new(2),
        prefix_rate: NonZeroU32::new(5),
        operator_rate: NonZeroU32::new(20),
        ..UNLIMITED
    };
    let times = beginnings(&limits, &addresses, Some("a.example"));
    assert_eq!(times.len(), 150);
    let last = times.last().copied().unwrap_or_default();
    assert!(last >= Duration::from_millis(149 * 50), "{last:?}: the operator's rate");
    assert!(last < Duration::from_millis(149 * 50 + 2_000), "{last:?}: and no slower than it must be");
}

#[test]
fn a_crowd_at_one_address_keeps_nobody_else_from_his_turn() {
    let limits = PacingLimits {
        connections_max: 8,
        address_connections_max: 2,
        address_rate: NonZeroU32::new(1),
        ..UNLIMITED
    };
    let mut desk = Desk::new(&limits);
    (0..100_000).for_each(|work| desk.park("192.0.2.1", Some("crowd.example"), work));
    (0..6).for_each(|n| desk.park(&format!("192.0.2.{}", n + 2), None, 200_000 + n));
    let started = desk.started();
    assert_eq!(numbers(&started), [0, 200_000, 200_001, 200_002, 200_003, 200_004, 200_005]);
    assert_eq!(desk.parking.parked(), 99_999);
}

#[test]
fn keys_take_turns() {
    let limits = PacingLimits { connections_max: 1, address_connections_max: 1, ..UNLIMITED };
    let mut desk = Desk::new(&limits);
    (0..3).for_each(|work| desk.park("192.0.2.1", None, work));
    (10..12).for_each(|work| desk.park("198.51.100.1", None, work));
    desk.park("203.0.113.1", None, 20);
    let mut order = Vec::new();
    loop {
        let started = desk.started();
        if started.is_empty() {
            break;
        }
        order.extend(numbers(&started));
        desk.give_back(started);
    }
    assert_eq!(order, [0, 10, 20, 1, 11, 2]);
}

#[test]
fn what_a_start_costs_does_not_grow_with_what_is_parked() {
    // An operator and an address that both refuse, in turns: nobody may be moved about for that.
    let limits = PacingLimits { address_connections_max: 1, operator_connections_max: 2, ..UNLIMITED };
    let mut desk = Desk::new(&limits);
    for work in 0..20_000 {
        desk.park(&format!("192.0.{}.{}", work % 3, work % 100), Some("a.example"), work);
    }
    let mut held = desk.started();
    let (mut done, mut looks) = (0, 0);
    while !held.is_empty() {
        assert!(held.len() <= 2);
        done += held.len();
        desk.give_back(held);
        looks += desk.parking.called.len();
        held = desk.started();
    }
    assert_eq!(done, 20_000);
    assert!(looks < 5 * done, "{looks} looks for {done} starts");
}

#[test]
fn keys_whose_rate_has_no_more_to_say_are_forgotten() {
    let rate = NonZeroU32::new(10);
    let mut desk =
        Desk::new(&PacingLimits { address_rate: rate, prefix_rate: rate, operator_rate: rate, ..UNLIMITED });
    let mut most = 0;
    for work in 0..30_000_u32 {
        // Neighbours are in other prefixes.
        let [a, b, c, _] = work.to_le_bytes();
        desk.park(&format!("198.{a}.{b}.{c}"), Some(&format!("operator-{work}.example")), work);
        let started = desk.started();
        desk.give_back(started);
        // A thousand a second: what was asked a tenth of a second ago is idle.
        desk.now += Duration::from_millis(1);
        most = most.max(desk.parking.keys());
    }
    assert_eq!(desk.parking.parked(), 0);
    // Those that were started since the last sweep, each with its prefix and its operator; not all that there were.
    assert!(most < 4 * STARTS_A_SWEEP as usize, "{most} keys were remembered");
}

#[test]
fn who_is_slow_steps_aside_while_there_is_room() {
    let limits = PacingLimits { connections_max: 2, slow_connections_max: 2, ..UNLIMITED };
    let mut desk = Desk::new(&limits);
    (0..6).for_each(|work| desk.park(&format!("192.0.2.{work}"), None, work));
    let mut held = Vec::new();
    for expected in [[0, 1], [2, 3]] {
        let mut started = desk.started();
        assert_eq!(numbers(&started), expected);
        let aside: Vec<bool> = started.iter_mut().map(|(_, spot)| desk.parking.step_aside(spot)).collect();
        assert_eq!(aside, [expected == [0, 1]; 2], "there is room for two");
        held.extend(started);
    }
    assert_eq!((numbers(&desk.started()), desk.parking.connections()), (Vec::new(), (2, 2)));
    desk.give_back(held);
    assert_eq!(numbers(&desk.started()), [4, 5]);
}

#[test]
fn an_address_that_asks_to_wait_is_left_alone_and_its_operator_for_a_while() {
    let mut desk = Desk::new(&UNLIMITED);
    desk.park("192.0.2.1", Some("a.example"), 0);
    let (_, spot) = desk.started().swap_remove(0);
    let (minute, second) = (Duration::from_mins(1), Duration::from_secs(6));
    desk.parking.delay(&spot, desk.now + minute, desk.now + second);
    desk.parking.park_again(&spot, 0, 1, desk.now).expect("room");
    desk.give_back([(0, spot)]);
    desk.park("198.51.100.1", Some("a.example"), 1);
    desk.park("198.51.100.1", Some("b.example"), 2);
    desk.park("203.0.113.1", Some("b.example"), 3);
    let begin = desk.now;
    let mut times = HashMap::new();
    while times.len() < 4 {
        let started = desk.started();
        times.extend(numbers(&started).into_iter().map(|work| (work, desk.now - begin)));
        desk.give_back(started);
        if times.len() < 4 {
            assert!(desk.wait(), "{times:?}");
        }
    }
    assert_eq!([times[&3], times[&1], times[&2], times[&0]], [Duration::ZERO, second, second, minute]);
}

#[test]
fn what_has_become_needless_takes_nobodys_turn() {
    let limits = PacingLimits { address_connections_max: 1, address_rate: NonZeroU32::new(1), ..UNLIMITED };
    let mut desk = Desk::new(&limits);
    (0..1_000).for_each(|work| desk.park("192.0.2.1", Some("a.example"), work));
    let held = desk.started();
    assert_eq!(numbers(&held), [0]);
    // While somebody is there the lane is not looked at; then all of it is, at once.
    desk.give_back(held);
    let mut known = 0;
    while let Next::Known(work, address) = desk.parking.next(desk.now, |work, _| *work != 999) {
        assert_eq!((work, address.to_string()), (known + 1, "192.0.2.1".to_owned()));
        known += 1;
    }
    assert_eq!(known, 998);
    assert!(desk.wait());
    assert_eq!(numbers(&desk.started()), [999]);
}

#[test]
fn there_is_room_for_so_much_and_always_for_a_little() {
    let room = u64::from(LANE_BYTES) + 1_000;
    let mut parking = Parking::new(&PacingLimits { address_connections_max: 1, ..UNLIMITED }, room);
    let (now, crowd) = (Instant::now(), IpAddr::from([192, 0, 2, 1]));
    let parked = (0..5_000).filter(|work| parking.park(crowd, None, *work, 1, now).is_ok()).count();
    assert_eq!(parked, 1_000);
    let other = IpAddr::from([198, 51, 100, 1]);
    let parked = (0..5_000).filter(|work| parking.park(other, None, *work, 1, now).is_ok()).count();
    assert_eq!(parked, LANE_ALWAYS_MAX);
    assert_eq!(parking.clear().len(), 1_000 + LANE_ALWAYS_MAX);
    assert_eq!((parking.parked(), parking.parked_bytes()), (0, 0));
    assert!(matches!(parking.next(now, |_, _| false), Next::Wait(None)));
}

#[test]
fn a_million_addresses_with_one_piece_each_find_room_for_so_many() {
    for room in [0, 40 << 20] {
        let mut parking = Parking::new(&PacingLimits { prefix_connections_max: 1, ..UNLIMITED }, room);
        let now = Instant::now();
        let addresses = (0..1_000_000_u32).map(|n| IpAddr::from((10_u32 << 24 | n).to_be_bytes()));
        let parked = addresses.filter(|address| parking.park(*address, None, 0, 160, now).is_ok()).count();
        let most = (room + (room / SPARE_ROOM).max(SPARE_BYTES_MIN)) as usize;
        assert_eq!(parked, most.div_ceil(160 + LANE_BYTES as usize));
        assert_eq!(parking.keys(), parked, "who found no room is not remembered");
    }
}

#[test]
fn it_is_behind_when_too_much_waits_for_this_machine_alone() {
    let limits = PacingLimits { connections_max: 1, address_connections_max: 1, ..UNLIMITED };
    let mut desk = Desk::new(&limits);
    let addresses = |from: u8, count: u32| {
        (0..count).map(move |n| IpAddr::from((u32::from(from) << 24 | n).to_be_bytes()).to_string())
    };
    // What waits at one address waits for that.
    (0..100_000).for_each(|work| desk.park("192.0.2.1", None, work));
    let held = desk.started();
    assert!(!desk.parking.is_behind());
    addresses(10, READY_MAX as u32).for_each(|address| desk.park(&address, None, 0));
    assert_eq!(desk.started().len(), 0);
    assert!(desk.parking.is_behind());
    desk.give_back(held);
    let held = desk.started();
    assert_eq!((held.len(), desk.parking.is_behind()), (1, true), "the crowd's next stands behind them");
    desk.give_back(held);
    let held = desk.started();
    assert_eq!((held.len(), desk.parking.is_behind()), (1, false));
    desk.give_back(held);
}

#[test]
fn what_is_cleared_gives_back_its_places() {
    let limits = PacingLimits { connections_max: 1, address_connections_max: 1, ..UNLIMITED };
    let mut desk = Desk::new(&limits);
    desk.park("192.0.2.1", Some("a.example"), 0);
    desk.park("198.51.100.1", Some("a.example"), 1);
    let held = desk.started();
    assert_eq!((numbers(&held), desk.parking.clear()), (vec![0], vec![1]));
    desk.park("198.51.100.1", Some("a.example"), 2);
    desk.give_back(held);
    let held = desk.started();
    assert_eq!(numbers(&held), [2]);
    desk.give_back(held);
    desk.parking.sweep(desk.now);
    assert_eq!(desk.parking.keys(), 0);
}

proptest::proptest! {
    /// Whatever is parked and however long it takes: no limit is broken, and everything gets its turn.
    #[test]
    fn no_limit_is_broken_and_nobody_waits_for_ever(
        work in proptest::collection::vec((0_u8..4, 0_u8..4, proptest::option::of(0_u8..4), 0_u64..3_000), 1..120),
        (places, prefix_places, operator_places, all) in (1_u32..4, 1_u32..6, 1_u32..6, 1_u32..10),
        (rate, prefix_rate, operator_rate) in (1_u32..300, 1_u32..300, 1_u32..300),
    ) {
        let limits = PacingLimits {
            connections_max: all,
            slow_connections_max: 2,
            address_connections_max: places,
            address_rate: NonZeroU32::new(rate),
            prefix_connections_max: prefix_places,
            prefix_rate: NonZeroU32::new(prefix_rate),
            operator_connections_max: operator_places,
            operator_rate: NonZeroU32::new(operator_rate),
            domain_rate: None,
        };
        let mut desk = Desk::new(&limits);
        for (index, (prefix, host, operator, _)) in work.iter().enumerate() {
            let operator = operator.map(|n| format!("o{n}.example"));
            desk.park(&format!("192.0.{prefix}.{host}"), operator.as_deref(), index as u32);
        }
        let (mut held, mut done) = (Vec::<(Instant, u32, Spot)>::new(), 0);
        while done < work.len() {
            let due = loop {
                let (index, mut spot) = match desk.parking.next(desk.now, |_, _| false) {
                    Next::Start(index, spot) => (index, spot),
                    Next::Wait(due) => break due,
                    Next::Known(..) => unreachable!("nothing is known"),
                };
                let lasts = work[index as usize].3;
                if lasts > 1_000 {
                    desk.parking.step_aside(&mut spot);
                }
                held.push((desk.now + Duration::from_millis(lasts), index, spot));
            };
            let mut taken = [HashMap::new(), HashMap::new(), HashMap::new()];
            for (_, index, _) in &held {
                let (prefix, host, operator, _) = work[*index as usize];
                *taken[0].entry((prefix, host)).or_insert(0) += 1;
                *taken[1].entry((prefix, 0)).or_insert(0) += 1;
                if let Some(operator) = operator {
                    *taken[2].entry((operator, 0)).or_insert(0) += 1;
                }
            }
            for (taken, most) in taken.iter().zip([places, prefix_places, operator_places]) {
                proptest::prop_assert!(taken.values().all(|taken| *taken <= most), "{:?} of {}", taken, most);
            }
            proptest::prop_assert!(held.iter().filter(|(_, _, spot)| !spot.is_slow).count() <= all as usize);
            let end = held.iter().map(|(end, ..)| *end).min();
            let next = due.into_iter().chain(end).min();
            proptest::prop_assert!(next.is_some(), "{} of {} are done, and nothing is to come", done, work.len());
            desk.now = desk.now.max(next.unwrap_or(desk.now));
            let now = desk.now;
            for (_, _, spot) in held.extract_if(.., |(end, ..)| *end <= now) {
                desk.parking.give_back(spot, now);
                done += 1;
            }
        }
        desk.now += Duration::from_secs(10);
        desk.parking.sweep(desk.now);
        proptest::prop_assert_eq!(desk.parking.keys(), 0);
    }
}
