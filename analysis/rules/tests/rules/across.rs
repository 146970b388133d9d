//! Across runs: what changed, and what did not.

use mxray_rules::{
    Change, Effect, HostStanding, PolicyStanding, RecordStanding, Standing, TlsaStanding, ValidStanding,
    across_rules, judge_across, judge_host_across, rules,
};

const DAY: i64 = 86_400_000_000;

/// A domain that is in order, so many days after the first run.
fn sound(day: i64) -> Standing {
    Standing {
        at: day * DAY,
        record: RecordStanding::Valid("1".into()),
        policy: PolicyStanding::Valid(policy()),
        policy_operator: None,
        mx: Some(vec!["mx1.a.example".into(), "mx2.a.example".into()]),
        tlsrpt: Some(true),
    }
}

fn policy() -> ValidStanding {
    ValidStanding {
        digest: [1; 32],
        mode: "enforce".into(),
        max_age: 30 * 86_400,
        mx: vec!["*.a.example".into()],
    }
}

fn with(day: i64, edit: impl FnOnce(&mut Standing)) -> Standing {
    let mut standing = sound(day);
    edit(&mut standing);
    standing
}

fn text(standing: &mut Standing) -> &mut ValidStanding {
    match &mut standing.policy {
        PolicyStanding::Valid(policy) => policy,
        _ => panic!("the policy is valid"),
    }
}

/// Change, rule, sub-cause, effect.
fn told(standings: &[Standing]) -> Vec<(&'static str, &'static str, &'static str, Effect)> {
    let tell = |change: Change| {
        (change.kind.as_str(), change.rule.unwrap_or(""), change.cause.unwrap_or(""), change.effect)
    };
    judge_across(standings).into_iter().map(tell).collect()
}

#[test]
fn nothing_changed_is_nothing_told() {
    assert_eq!(told(&[sound(0), sound(28), sound(56)]), []);
}

#[test]
fn measured_against_not_measured_is_never_a_change() {
    let unknown = |day| {
        with(day, |s| {
            s.record = RecordStanding::Unknown;
            s.policy = PolicyStanding::Unknown;
            s.mx = None;
            s.tlsrpt = None;
        })
    };
    assert_eq!(told(&[sound(0), unknown(28)]), []);
    assert_eq!(told(&[unknown(0), sound(28)]), []);
    assert_eq!(told(&[sound(0), unknown(28), sound(56)]), []);
    // What was missed in the middle is told by the third.
    let stale = with(56, |s| text(s).digest = [2; 32]);
    let changes = judge_across(&[sound(0), unknown(28), stale]);
    assert_eq!((changes[0].since, changes[0].seen, changes[0].rule), (0, 56 * DAY, Some("sts-id-stale")));
}

#[test]
fn rfc8461_8_1_id_and_policy_change_together() {
    let changed = |id: &str, digest| {
        with(28, |s| {
            s.record = RecordStanding::Valid(id.into());
            text(s).digest = [digest; 32];
        })
    };
    assert_eq!(told(&[sound(0), changed("2", 2)]), [("policy-changed", "", "", Effect::None)]);
    assert_eq!(told(&[sound(0), changed("1", 2)]), [("policy-changed", "sts-id-stale", "", Effect::None)]);
    assert_eq!(
        told(&[sound(0), changed("2", 1)]),
        [("id-changed", "sts-id-early", "not-followed", Effect::None)]
    );
    let late = with(56, |s| {
        s.record = RecordStanding::Valid("2".into());
        text(s).digest = [2; 32];
    });
    let both = told(&[sound(0), changed("2", 1), late]);
    assert_eq!(both[0], ("id-changed", "sts-id-early", "followed", Effect::None));
    assert_eq!(both[1], ("policy-changed", "sts-id-stale", "", Effect::None));
}

#[test]
fn a_stale_id_refuses_mail_where_the_old_policy_misses_the_new_hosts() {
    let moved = with(28, |s| {
        s.mx = Some(vec!["mx.b.example".into()]);
        text(s).digest = [2; 32];
        text(s).mx = vec!["mx.b.example".into()];
    });
    let changes = judge_across(&[sound(0), moved]);
    assert_eq!((changes[0].rule, changes[0].effect), (Some("sts-id-stale"), Effect::Refuse));
    assert_eq!(changes[0].cached_at_least, Some(30 * DAY));
    assert_eq!(changes[0].cached_at_most, Some(58 * DAY));
    assert_eq!((changes[1].kind.as_str(), changes[1].rule), ("mail-operator-moved", None));
}

#[test]
fn rfc8461_8_1_the_policy_follows_the_mx_set() {
    let moved =
        |hosts: &[&str]| with(28, |s| s.mx = Some(hosts.iter().map(|host| (*host).to_owned()).collect()));
    assert_eq!(
        told(&[sound(0), moved(&["mx.b.example"])]),
        [
            ("mail-operator-moved", "sts-policy-stale", "all", Effect::Refuse),
            ("mail-operator-moved", "mx-policy-mismatch-all", "stale", Effect::Refuse),
        ]
    );
    assert_eq!(
        told(&[sound(0), moved(&["mx.b.example", "mx1.a.example"])]),
        [
            ("mail-operator-moved", "sts-policy-stale", "some", Effect::Refuse),
            ("mail-operator-moved", "mx-policy-mismatch-some", "stale", Effect::Refuse),
        ]
    );
    assert_eq!(told(&[sound(0), moved(&["mx3.a.example"])]), [("mx-changed", "", "", Effect::None)]);
}

#[test]
fn rfc8461_4_1_a_policy_that_drops_an_mx_host_of_today() {
    let policy = |mode: &str, mx: &[&str]| {
        with(28, |s| {
            s.record = RecordStanding::Valid("2".into());
            let policy = text(s);
            (policy.digest, policy.mode) = ([2; 32], mode.into());
            policy.mx = mx.iter().map(|mx| (*mx).to_owned()).collect();
        })
    };
    assert_eq!(
        told(&[sound(0), policy("enforce", &["mx1.a.example"])]),
        [
            ("policy-changed", "mx-policy-mismatch-some", "dropped", Effect::Refuse),
            ("policy-changed", "", "", Effect::Refuse),
        ]
    );
    assert_eq!(
        told(&[sound(0), policy("enforce", &["mx.b.example"])])[0],
        ("policy-changed", "mx-policy-mismatch-all", "dropped", Effect::Refuse)
    );
    assert_eq!(
        told(&[sound(0), policy("testing", &["mx1.a.example"])])[1],
        ("mode-changed", "", "", Effect::Downgrade)
    );
    assert_eq!(
        told(&[sound(0), policy("none", &[])]),
        [("mode-changed", "", "", Effect::Downgrade)],
        "what is not in force names nobody"
    );
    assert_eq!(
        told(&[sound(0), policy("enforce", &["*.a.example", "mx.b.example"])]),
        [("policy-changed", "", "", Effect::None)],
        "a host that is to come is named ahead"
    );
}

#[test]
fn rfc8461_8_3_a_policy_is_taken_back_by_mode_none() {
    let gone = |day| {
        with(day, |s| {
            s.record = RecordStanding::Absent;
            s.policy = PolicyStanding::None;
        })
    };
    let none = |day| {
        with(day, |s| {
            s.record = RecordStanding::Valid("2".into());
            (text(s).mode, text(s).digest) = ("none".into(), [2; 32]);
            text(s).max_age = 86_400;
        })
    };
    let abrupt = judge_across(&[sound(0), gone(28)]);
    assert_eq!((abrupt[0].kind.as_str(), abrupt[0].rule), ("abandoned", Some("sts-removal-abrupt")));
    assert_eq!((abrupt[0].effect, abrupt[0].cached_at_least), (Effect::Downgrade, Some(30 * DAY)));
    assert_eq!(
        told(&[sound(0), none(14), gone(28)])[1].1,
        "sts-removal-abrupt",
        "copies of the first may live"
    );
    assert_eq!(told(&[sound(0), none(28), gone(56)])[1], ("abandoned", "", "", Effect::None));
    assert_eq!(told(&[none(0), gone(28)]), [("abandoned", "", "", Effect::None)]);
}

#[test]
fn rfc8461_5_1_cached_copies_protect_or_harm_while_the_policy_cannot_be_had() {
    let lost = |day, hosts: &[&str]| {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        with(day, |s| (s.policy, s.mx) = (PolicyStanding::Unfetched("status 404".into()), Some(hosts)))
    };
    let kept = judge_across(&[sound(0), lost(28, &["mx1.a.example", "mx2.a.example"])]);
    assert_eq!((kept[0].rule, kept[0].cause), (Some("sts-policy-unreachable-since"), Some("unfetched")));
    assert_eq!((kept[0].effect, kept[0].cached_at_most), (Effect::Downgrade, Some(58 * DAY)));
    let harmed = judge_across(&[sound(0), lost(28, &["mx.b.example"])]);
    assert_eq!(harmed[0].effect, Effect::Refuse, "{}", harmed[0].means);
    let moved = &harmed[1];
    assert_eq!(
        (moved.kind.as_str(), moved.effect),
        ("mail-operator-moved", Effect::Refuse),
        "{}",
        moved.means
    );
    // Mail moves later: while copies may live, and when the last has ended.
    let kept = ["mx1.a.example", "mx2.a.example"];
    for (day, effect) in [(57, Effect::Refuse), (59, Effect::None)] {
        let later = judge_across(&[sound(0), lost(28, &kept), lost(day, &["mx.b.example"])]);
        assert_eq!((later[1].kind.as_str(), later[1].effect), ("mail-operator-moved", effect), "day {day}");
    }
    let back = told(&[sound(0), lost(28, &["mx1.a.example", "mx2.a.example"]), sound(56)]);
    assert_eq!(back[1], ("policy-back", "", "", Effect::None));
}

#[test]
fn testing_has_its_time() {
    let testing = |day| with(day, |s| text(s).mode = "testing".into());
    let absent = |day| {
        with(day, |s| {
            s.record = RecordStanding::Absent;
            s.policy = PolicyStanding::None;
        })
    };
    let enforced = |day| {
        with(day, |s| {
            s.record = RecordStanding::Valid("2".into());
            text(s).digest = [2; 32];
        })
    };
    assert_eq!(told(&[absent(0), sound(28)]), [("adopted", "sts-testing-too-short", "", Effect::None)]);
    assert_eq!(told(&[absent(0), sound(31)]), [("adopted", "", "", Effect::None)], "it may have had 31 days");
    assert_eq!(
        told(&[testing(0), enforced(28)]),
        [("mode-changed", "", "", Effect::None)],
        "nobody knows since when"
    );
    let short = told(&[absent(0), testing(14), enforced(28)]);
    assert_eq!(short[2], ("mode-changed", "sts-testing-too-short", "", Effect::None));
    assert_eq!(
        told(&[testing(0), testing(45), testing(90)]),
        [("unchanged", "sts-testing-too-long", "", Effect::Downgrade)]
    );
    assert_eq!(told(&[testing(0), testing(89)]), []);
    let unannounced = |day| {
        with(day, |s| {
            text(s).mode = "testing".into();
            s.record = RecordStanding::Invalid;
        })
    };
    let told_of_it = told(&[unannounced(0), unannounced(45), unannounced(90)]);
    assert_eq!(told_of_it, [], "a policy that no valid record announces is no sender's");
    assert_eq!(
        told(&[testing(0), sound(45), testing(95)]).iter().filter(|change| change.0 == "unchanged").count(),
        0
    );
}

#[test]
fn records_tlsrpt_and_operators() {
    let broken = with(28, |s| {
        s.record = RecordStanding::Invalid;
        s.policy = PolicyStanding::Unknown;
    });
    let change = ("record-broken", "sts-policy-unreachable-since", "record", Effect::Downgrade);
    assert_eq!(told(&[sound(0), broken.clone()]), [change]);
    assert_eq!(told(&[broken, sound(56)]), [("record-mended", "", "", Effect::None)]);
    assert_eq!(
        told(&[sound(0), with(28, |s| s.tlsrpt = Some(false))]),
        [("tlsrpt-abandoned", "", "", Effect::None)]
    );
    assert_eq!(
        told(&[with(0, |s| s.tlsrpt = Some(false)), sound(28)]),
        [("tlsrpt-adopted", "", "", Effect::None)]
    );
    let operated = with(28, |s| s.policy_operator = Some("sts.example".into()));
    assert_eq!(told(&[sound(0), operated]), [("policy-operator-moved", "", "", Effect::None)]);
}

fn host(day: i64, leaf: u8, records: &[&str], matching: &[&str]) -> HostStanding {
    let owned = |records: &[&str]| records.iter().map(|record| (*record).to_owned()).collect();
    let tlsa =
        TlsaStanding { records: owned(records), unsigned: false, matching: owned(matching), ttl: 3_600 };
    HostStanding {
        at: day * DAY,
        leaves: vec![[leaf; 32]],
        complete: true,
        not_after: Some(200 * DAY),
        tlsa: Some(tlsa),
    }
}

fn told_of_host(before: &HostStanding, after: &HostStanding) -> Vec<(&'static str, &'static str)> {
    judge_host_across(before, after)
        .iter()
        .map(|change| (change.kind.as_str(), change.rule.unwrap_or("")))
        .collect()
}

#[test]
fn rfc7671_8_1_records_and_certificates_roll_over_together() {
    let before = host(0, 1, &["a"], &["a"]);
    assert_eq!(told_of_host(&before, &host(28, 1, &["a"], &["a"])), []);
    let never = host(28, 2, &["a"], &[]);
    assert_eq!(
        told_of_host(&before, &never),
        [("certificate-replaced", ""), ("unchanged", "tlsa-rollover-never"), ("unchanged", "tlsa-mismatch")]
    );
    assert_eq!(told_of_host(&before, &host(28, 1, &["b"], &[])), [("tlsa-changed", "tlsa-rollover-early")]);
    let orderly = host(28, 2, &["b"], &["b"]);
    assert_eq!(told_of_host(&before, &orderly), [("certificate-replaced", ""), ("tlsa-changed", "")]);
    let mut at_once = orderly.clone();
    at_once.at = 3_600_000_000;
    assert_eq!(told_of_host(&before, &at_once)[1], ("tlsa-changed", "tlsa-rollover-late"), "within two TTLs");
    assert_eq!(
        told_of_host(&before, &host(28, 1, &["a", "b"], &["a"])),
        [("tlsa-changed", "")],
        "the next one ahead"
    );
    assert_eq!(told_of_host(&before, &host(28, 1, &[], &[])), [("tlsa-abandoned", "")]);
    assert_eq!(told_of_host(&host(0, 1, &[], &[]), &before), [("tlsa-adopted", "")]);
}

#[test]
fn rfc7672_2_2_records_that_are_not_signed_any_more_are_not_gone() {
    let before = host(0, 1, &["a"], &["a"]);
    let mut after = host(28, 1, &[], &[]);
    after.tlsa.as_mut().unwrap().unsigned = true;
    assert_eq!(told_of_host(&before, &after), [("tlsa-unsigned", "")]);
    assert_eq!(told_of_host(&after, &after), []);
    let mut gone = after.clone();
    gone.tlsa.as_mut().unwrap().unsigned = false;
    assert_eq!(told_of_host(&after, &gone), [], "no sender took them before");
    assert_eq!(told_of_host(&after, &host(56, 1, &["a"], &["a"])), [("tlsa-adopted", "")]);
}

#[test]
fn a_host_that_was_not_wholly_seen_has_not_changed() {
    let before = host(0, 1, &["a"], &["a"]);
    let mut half = host(28, 2, &["a"], &[]);
    half.complete = false;
    assert_eq!(told_of_host(&before, &half), []);
    let mut unsigned = host(28, 1, &[], &[]);
    unsigned.tlsa = None;
    assert_eq!(told_of_host(&before, &unsigned), []);
}

#[test]
fn a_certificate_ends() {
    let mut before = host(0, 1, &[], &[]);
    before.not_after = Some(40 * DAY);
    let mut after = host(28, 1, &[], &[]);
    after.not_after = Some(40 * DAY);
    assert_eq!(told_of_host(&before, &after), [("certificate-ending", "")]);
    after.at = 41 * DAY;
    assert_eq!(told_of_host(&before, &after), [("certificate-ended", "")]);
}

#[test]
fn every_rule_across_runs_is_in_the_codebook_once() {
    let mut names: Vec<&str> = across_rules().iter().map(|rule| rule.name).collect();
    names.extend(rules().iter().map(|rule| rule.name));
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    for rule in across_rules() {
        assert!(
            rule.section.starts_with("RFC ") && !rule.advice.is_empty() && !rule.summary.is_empty(),
            "{}",
            rule.name
        );
    }
}
