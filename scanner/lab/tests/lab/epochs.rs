//! Worlds some time later.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use mxray_lab::{Names, World, WorldParams};

fn two_months() -> WorldParams {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../datasets/worlds/two-months.toml");
    WorldParams::from_toml(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn world(params: &WorldParams, names: &Names, epoch: u32) -> World {
    World::new(7, params.clone(), names).unwrap().at_epoch(epoch)
}

#[test]
fn every_kind_of_change_can_happen_and_each_epoch_has_those_of_the_one_before() {
    let params = two_months();
    let at = |params: &WorldParams, epoch| world(params, &Names::Invented(60_000), epoch);
    for kind in params.changes.keys() {
        // What happens is drawn first, and then whether it can: one kind alone happens wherever it can.
        let only = WorldParams { changes: BTreeMap::from([(kind.clone(), 1.0)]), ..params.clone() };
        let world = world(&only, &Names::Invented(3_000), 1);
        let told = (0..3_000).filter(|index| !world.true_changes(*index).is_empty()).count();
        assert_eq!(told > 0, kind != "unmeasured", "{kind}");
    }
    let [none, one, two] = [0, 1, 2].map(|epoch| at(&params, epoch));
    for index in 0..60_000 {
        assert_eq!(none.true_changes(index), []);
        let (before, after) = (one.true_changes(index), two.true_changes(index));
        let by_then = after.iter().filter(|change| change.epochs.1 == 1);
        let same = |(a, b): (&mxray_lab::TrueChange, &mxray_lab::TrueChange)| {
            (&a.subject, a.change, a.rule) == (&b.subject, b.change, b.rule)
        };
        assert!(
            before.iter().zip(by_then.clone()).all(same) && before.len() == by_then.count(),
            "{before:?}"
        );
    }
}

#[test]
fn what_lies_below_a_zone_that_is_not_signed_any_more_is_not_signed() {
    let mut list = tempfile::NamedTempFile::new().unwrap();
    for number in 0..400 {
        writeln!(list, "d{number}.test\nbelow.d{number}.test").unwrap();
    }
    let mut params = two_months();
    params.mail.operated = 0.0;
    params.changes = BTreeMap::from([("dnssec-lost".to_owned(), 0.5)]);
    let names = Names::File(list.path().to_owned());
    let (first, later) = (world(&params, &names, 0), world(&params, &names, 1));
    let mut seen = BTreeSet::new();
    for number in 0..400 {
        let index = |name: &str| later.index(name).unwrap();
        let (above, below) = (index(&format!("d{number}.test")), index(&format!("below.d{number}.test")));
        if later.true_changes(above).iter().all(|change| change.change != "tlsa-unsigned") {
            continue;
        }
        let dnssec = |world: &World| (world.truth(below).1.mx_dnssec, world.truth(below).1.tlsa);
        let (was, is) = (dnssec(&first), dnssec(&later));
        assert!(is.0 != "secure" || later.truth(below).1.mx == "none", "{number}: {was:?} {is:?}");
        if was == ("secure", "all") {
            let told = later.true_changes(below);
            assert!(
                told.iter().all(|change| change.change == "tlsa-unsigned") && !told.is_empty(),
                "{told:?}"
            );
        }
        seen.insert(was);
    }
    assert!(seen.contains(&("secure", "all")), "{seen:?}");
}
