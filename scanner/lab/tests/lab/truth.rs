//! The truth on its own: what is planted, how often, and beside what.

use std::collections::{BTreeMap, BTreeSet};

use mxray_lab::{Defect, Names, PlantedDefect, TrueVerdict, World, WorldParams};

fn truths(params: WorldParams, domains: u64) -> Vec<(Vec<PlantedDefect>, TrueVerdict)> {
    let world = World::new(11, params, &Names::Invented(domains)).unwrap();
    (0..domains).map(|index| world.truth(index)).collect()
}

/// Whether everybody found is of the rule and cause, or a consequence that the rules' definitions force.
fn is_expected(row: &PlantedDefect, defect: Defect) -> bool {
    let planted = row.rule == defect.rule() && row.cause == defect.cause();
    // The pattern that misses its host matches no other.
    let unused = row.rule == "mx-pattern-unused" && defect.rule() == "mx-policy-mismatch-some";
    // A policy whose record is not where it belongs is announced by nothing, and neither is a report's address.
    let unannounced = row.rule == "sts-policy-without-record"
        && ["sts-record-wrong-owner", "sts-record-cname-dangling"].contains(&defect.rule());
    let no_reports = row.rule == "tlsrpt-absent-with-policy" && defect.rule() == "tlsrpt-wrong-owner";
    let refused = row.cause == Some("protocol-version") && defect.rule() == "mx-tls-old";
    // What fails with DANE fails beside something else.
    let beside = match defect {
        Defect::TlsaAnchorName => "mx-cert-name",
        Defect::TlsaAnchorPath => "mx-cert-expired",
        Defect::TlsaWithoutStarttls => "starttls-absent",
        Defect::DaneStsConflict => "tlsa-mismatch",
        _ => "",
    };
    planted || row.rule == beside || refused || unused || unannounced || no_reports
}

#[test]
fn a_clean_world_has_no_defect() {
    for (planted, verdict) in truths(WorldParams::clean(), 2_000) {
        assert_eq!(planted, [], "{verdict:?}");
        assert_eq!((verdict.record, verdict.policy, verdict.mode), ("valid", "valid", Some("enforce")));
        assert_eq!((verdict.tlsrpt, verdict.mx, verdict.starttls), ("valid", "hosts", "all"));
        assert_eq!((verdict.certificates, verdict.sts), ("all", "authenticated"));
    }
}

#[test]
fn a_world_of_one_defect_has_that_one_in_every_domain_it_can_be_in() {
    for defect in Defect::ALL {
        let params = WorldParams::only(defect.rule(), defect.cause()).unwrap();
        let truths = truths(params, 300);
        let hit = truths.iter().filter(|(planted, _)| !planted.is_empty()).count();
        assert!(hit * 10 >= truths.len() * 9, "{defect:?} in {hit} of {}", truths.len());
        for row in truths.iter().flat_map(|(planted, _)| planted) {
            assert!(is_expected(row, *defect), "{defect:?} brings {row:?}");
        }
    }
}

#[test]
fn every_defect_stands_in_the_demo_world() {
    let found: BTreeSet<_> = truths(WorldParams::default(), 6_000)
        .iter()
        .flat_map(|(planted, _)| planted)
        .map(|row| (row.rule, row.cause))
        .collect();
    let missing: Vec<_> = Defect::ALL.iter().filter(|d| !found.contains(&(d.rule(), d.cause()))).collect();
    // The names of the demo are below a top-level domain: there is no parent to have a record.
    assert_eq!(missing, [&Defect::RecordOwnerParent]);
}

#[test]
fn the_same_seed_gives_the_same_world_and_another_seed_another() {
    let world = |seed| World::new(seed, WorldParams::default(), &Names::Invented(500)).unwrap();
    let (one, same, other) = (world(3), world(3), world(4));
    let all = |world: &World| (0..500).map(|index| world.truth(index)).collect::<Vec<_>>();
    assert_eq!(all(&one), all(&same));
    assert_ne!(all(&one), all(&other));
    assert_ne!(one.name(0), other.name(0));
}

#[test]
fn defects_come_at_their_rates() {
    let mut params = WorldParams::clean();
    params.sts.record = 0.5;
    params.defects = BTreeMap::from([
        ("sts-record-id-missing".to_owned(), 0.2),
        ("sts-record-version".to_owned(), 0.4),
        ("sts-fetch-status/404".to_owned(), 0.1),
    ]);
    let truths = truths(params, 40_000);
    let share = |rule: &str, cause: Option<&str>| {
        let rows = truths.iter().flat_map(|(planted, _)| planted);
        rows.filter(|row| row.rule == rule && (cause.is_none() || row.cause == cause)).count() as f64
            / 20_000.0
    };
    for (found, wanted) in [
        (share("sts-record-id-missing", None), 0.2),
        (share("sts-record-version", None), 0.4),
        (share("sts-record-version", Some("case")), 0.1),
        (share("sts-fetch-status", Some("404")), 0.1),
    ] {
        assert!((found - wanted).abs() < 0.01, "{found} in place of {wanted}");
    }
}

#[test]
fn axes_are_independent_and_a_subject_has_at_most_one_defect_of_each() {
    let mut params = WorldParams::clean();
    params.defects = BTreeMap::from([
        ("sts-record-id-missing".to_owned(), 0.5),
        ("sts-policy-empty".to_owned(), 0.5),
        ("tlsrpt-multiple".to_owned(), 0.5),
    ]);
    let truths = truths(params, 20_000);
    let has = |planted: &[PlantedDefect], rule: &str| planted.iter().any(|row| row.rule == rule);
    let all_three = truths
        .iter()
        .filter(|(planted, _)| {
            ["sts-record-id-missing", "sts-policy-empty", "tlsrpt-multiple"].iter().all(|r| has(planted, r))
        })
        .count() as f64;
    assert!((all_three / 20_000.0 - 0.125).abs() < 0.01, "{all_three}");

    for (planted, _) in self::truths(WorldParams::default(), 3_000) {
        let axis = |row: &PlantedDefect| {
            Defect::ALL.iter().find(|d| d.rule() == row.rule && d.cause() == row.cause).unwrap().axis()
        };
        let unforced = |row: &&PlantedDefect| {
            !["mx-pattern-unused", "tlsrpt-absent-with-policy", "mx-tls-old"].contains(&row.rule)
                && !["tlsa-behind-insecure-mx", "dane-sts-conflict"].contains(&row.rule)
        };
        let mut subjects = BTreeSet::new();
        for row in planted.iter().filter(unforced) {
            assert!(subjects.insert((row.subject.as_str(), axis(row))), "{planted:?}");
        }
    }
}

#[test]
fn the_verdict_follows_from_the_defects() {
    for (planted, verdict) in truths(WorldParams::default(), 5_000) {
        let has = |rule: &str| planted.iter().any(|row| row.rule == rule);
        assert_eq!(verdict.mode.is_some(), verdict.policy == "valid");
        if has("sts-host-cert-name") {
            assert_eq!(verdict.policy, "unfetched");
        }
        if has("sts-policy-mode") && !has("sts-host-cert-name") && !has("sts-host-cert-expired") {
            assert!(["invalid", "unfetched"].contains(&verdict.policy), "{planted:?}");
        }
        if has("sts-record-id-missing") {
            assert_eq!(verdict.record, "invalid");
        }
        if has("mx-policy-mismatch-all") && verdict.mode == Some("enforce") && verdict.record == "valid" {
            assert_eq!(verdict.sts, "deferred");
        }
        if verdict.sts == "authenticated" {
            assert_eq!((verdict.record, verdict.mode), ("valid", Some("enforce")));
            assert_ne!(verdict.certificates, "no");
        }
    }
}

#[test]
fn ten_million_domains_are_a_world_at_once_and_lead_back_to_their_index() {
    let world = World::new(1, WorldParams::default(), &Names::Invented(10_000_000)).unwrap();
    for index in [0, 1, 4_999_999, 9_999_999] {
        let name = world.name(index).into_owned();
        assert_eq!(world.index(&name), Some(index));
        assert_eq!(world.truth(index).1.domain, name);
    }
}

#[test]
fn parameters_that_make_no_sense_are_refused() {
    for (text, words) in [
        ("nonsense = 1", "unknown field"),
        ("[defects]\n\"sts-record-colour\" = 0.1", "sts-record-colour"),
        ("[defects]\n\"sts-record-id-missing\" = 1.5", "not a probability"),
        ("[defects]\n\"sts-record-id-missing\" = 0.7\n\"sts-record-multiple\" = 0.7", "more than 1"),
        ("[mail]\noperators = 0", "mail.operators"),
        ("suffixes = []", "suffixes"),
        ("[dane]\nsigned = 2", "dane.signed"),
        ("[defects]\ndane-sts-conflict = 0.1", "no probability of its own"),
    ] {
        let error = WorldParams::from_toml(text).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
    let params = WorldParams::default();
    assert_eq!(WorldParams::from_toml(&params.to_toml()).unwrap(), params);
    assert!(WorldParams::only("sts-record-id-missing", Some("colour")).is_err());
}

#[test]
fn the_truth_is_written_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(1, WorldParams::default(), &Names::Invented(20_000)).unwrap();
    assert!(!world.write_truth(folder.path(), |_| false).unwrap());
    assert!(!folder.path().join("names.txt").exists());
    assert!(!folder.path().join("truth/defects.parquet").exists());

    let mut told = Vec::new();
    let whole = world.write_truth(folder.path(), |done| {
        told.push(done);
        true
    });
    assert!(whole.unwrap());
    assert_eq!(told.last(), Some(&20_000));
    let names = std::fs::read_to_string(folder.path().join("names.txt")).unwrap();
    assert_eq!(names.lines().count(), 20_000);
    assert_eq!(names.lines().nth(17).unwrap(), world.name(17));
    let planted: usize = (0..20_000).map(|index| world.truth(index).0.len()).sum();
    assert_eq!(crate::parquet::rows(&folder.path().join("truth/defects.parquet")), planted);
    assert_eq!(crate::parquet::rows(&folder.path().join("truth/domains.parquet")), 20_000);
}

#[test]
fn the_worlds_of_the_datasets_can_be_made() {
    let worlds = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../datasets/worlds"));
    let params =
        |file: &str| WorldParams::from_toml(&std::fs::read_to_string(worlds.join(file)).unwrap()).unwrap();
    assert_eq!(params("demo.toml"), WorldParams::default());
    for file in ["demo.toml", "census.toml", "quick.toml"] {
        World::new(1, params(file), &Names::Invented(100)).unwrap();
    }
    let waits = |row: &PlantedDefect| row.cause == Some("timeout") || row.rule == "sts-fetch-timeout";
    assert!(!truths(params("quick.toml"), 5_000).iter().flat_map(|(planted, _)| planted).any(waits));

    let census = truths(params("census.toml"), 50_000);
    let adopters = census.iter().filter(|(_, verdict)| verdict.record != "absent").count();
    assert!((350..650).contains(&adopters), "{adopters}");
    let with_mail = census.iter().filter(|(_, verdict)| verdict.mx == "hosts").count();
    let with_dane = census.iter().filter(|(_, verdict)| ["all", "some"].contains(&verdict.tlsa)).count();
    let per_mille = with_dane * 1_000 / with_mail;
    assert!((25..=55).contains(&per_mille), "{per_mille}");
}

#[test]
fn without_ipv6_nothing_can_refuse_a_connection_so_none_is_said_to() {
    let params = WorldParams::only("sts-host-unreachable", Some("refused")).unwrap();
    let world = World::new(11, params, &Names::Invented(50)).unwrap().without_ipv6();
    for index in 0..50 {
        let causes: Vec<_> = world.truth(index).0.iter().map(|row| row.cause).collect();
        assert_eq!(causes, [Some("timeout")]);
    }
}
