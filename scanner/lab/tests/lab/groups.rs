//! Worlds of exact counts.

use std::collections::BTreeMap;

use mxray_lab::{Group, Mode, Names, Party, World, WorldError, WorldParams};

fn world(text: &str) -> Result<World, WorldError> {
    let params = WorldParams::from_toml(text)?;
    let names = Names::Invented(params.domains().unwrap_or(10));
    World::new(11, params, &names)
}

fn imc2025(scale: f64) -> (WorldParams, Vec<String>) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../datasets/worlds/imc2025.toml");
    let mut params = WorldParams::from_toml(&std::fs::read_to_string(path).unwrap()).unwrap();
    let raised = params.scale(scale).unwrap();
    (params, raised)
}

/// Domains by the rules that are planted in them.
fn planted(world: &World) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for index in 0..world.domains() {
        let mut rules: Vec<&str> = world.truth(index).0.iter().map(|row| row.rule).collect();
        rules.dedup();
        *counts.entry(rules.join(" ")).or_default() += 1;
    }
    counts
}

#[test]
fn every_group_has_its_domains_and_no_others_whatever_the_seed() {
    let params = imc2025(1.0).0;
    let mut said = BTreeMap::<String, u64>::new();
    for group in &params.groups {
        let mut rules: Vec<&str> = group
            .defects
            .iter()
            .map(|key| key.split_once('/').map_or(key.as_str(), |(rule, _)| rule))
            .collect();
        if group.mode != Mode::Enforce {
            rules.insert(0, "sts-policy-mode-weak");
        }
        *said.entry(rules.join(" ")).or_default() += group.domains;
    }
    for seed in [1, 2] {
        let world = World::new(seed, params.clone(), &Names::Invented(68_030)).unwrap();
        assert_eq!(planted(&world), said);
    }
}

#[test]
fn sub_causes_take_turns_and_hosting_is_as_it_is_said() {
    let world = world(
        "[[groups]]\ndomains = 7\npolicy = 'self-managed'\nmail = 'self-managed'\ndefects = ['sts-record-id-invalid']\n\
         [[groups]]\ndomains = 6\npolicy = 'third-party'\nmail = 'third-party'\ndefects = ['mx-cert-expired']\n\
         one_host = true",
    )
    .unwrap();
    let mut causes = BTreeMap::<_, u64>::new();
    for index in 0..world.domains() {
        let (planted, verdict) = world.truth(index);
        let mut found: Vec<_> = planted.iter().map(|row| (row.rule, row.cause)).collect();
        found.dedup();
        assert_eq!(found.len(), 1, "{planted:?}");
        *causes.entry(found[0]).or_default() += 1;
        let expired = found[0].0 == "mx-cert-expired";
        assert_eq!(verdict.certificates, if expired { "some" } else { "all" });
        assert!(!expired || planted.len() == 1 && planted[0].subject.ends_with(".example"), "{planted:?}");
    }
    for (rule, domains) in [("sts-record-id-invalid", 7), ("mx-cert-expired", 6)] {
        let counts: Vec<u64> =
            causes.iter().filter(|(of, _)| of.0 == rule).map(|(_, count)| *count).collect();
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert_eq!(counts.iter().sum::<u64>(), domains);
        assert!(counts.len() > 1 && most - least <= 1, "{causes:?}");
    }
}

#[test]
fn at_a_scale_no_group_is_lost_and_the_sum_is_what_it_should_be() {
    let (tenth, raised) = imc2025(0.1);
    assert_eq!(tenth.domains(), Some(6_803));
    assert!(tenth.groups.iter().all(|group| group.domains > 0));
    assert_eq!(raised.len(), 4, "{raised:?}");
    assert!(raised[0].starts_with("sts-record-extension (its share: 0.20)"), "{raised:?}");
    for (group, whole) in tenth.groups.iter().zip(&imc2025(1.0).0.groups) {
        let share = whole.domains as f64 / 10.0;
        assert!((group.domains as f64 - share).abs() < 1.0, "{group:?} of {share}");
    }
    assert_eq!(imc2025(1.0).1, Vec::<String>::new());
    let few = imc2025(0.000_1).0;
    assert_eq!(few.domains(), Some(few.groups.len() as u64), "one each, though a share of all is fewer");
}

#[test]
fn groups_that_make_no_sense_are_refused() {
    let group = |rest: &str| format!("[[groups]]\ndomains = 3\npolicy = 'self-managed'\n{rest}");
    let own = |rest: &str| group(&format!("mail = 'self-managed'\n{rest}"));
    for (text, words) in [
        (own("colour = 1"), "unknown field"),
        (own("defects = ['sts-record-colour']"), "sts-record-colour"),
        (own("defects = ['sts-policy-mode-weak']"), "`mode`"),
        (own("defects = ['sts-record-multiple', 'sts-record-id-missing']"), "one axis"),
        (
            own(
                "defects = ['sts-host-cert-name', 'sts-record-multiple', 'sts-policy-mx-missing']\nmode = 'none'",
            ),
            "mode none",
        ),
        (own("defects = ['sts-policy-empty', 'mx-pattern-unused']"), "cannot stand"),
        (own("one_host = true"), "one_host"),
        (own("defects = ['mx-unresolvable/localhost']"), "no name"),
        (own("defects = ['mx-policy-mismatch-some/domain']"), "mixed"),
        (group("mail = 'mixed'\ndefects = ['mx-policy-mismatch-all/tld']"), "public suffix"),
        (own("[defects]\nsts-record-multiple = 0.1"), "no [defects]"),
    ] {
        let error = world(&text).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
    let params = WorldParams::from_toml(&own("")).unwrap();
    let error = World::new(1, params.clone(), &Names::Invented(4)).unwrap_err().to_string();
    assert!(error.contains("have 3 domains, and 4"), "{error}");
    assert_eq!(WorldParams::from_toml(&params.to_toml()).unwrap(), params);
    let sound = Group {
        domains: 3,
        policy: Party::SelfManaged,
        mail: Party::SelfManaged,
        mode: Mode::Enforce,
        defects: vec![],
        one_host: false,
    };
    assert_eq!(params.groups, [sound]);
    assert!(WorldParams::default().scale(0.5).is_err());
    assert!(params.clone().scale(0.0).is_err() && params.clone().scale(1.5).is_err());
}
