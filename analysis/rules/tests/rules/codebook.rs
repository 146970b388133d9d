//! The codebook is a contract with every table written with it.

use std::collections::BTreeSet;

use mxray_rules::{Effect, Outcome, rules};

use crate::case::Case;

fn is_word(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[test]
fn every_rule_says_what_it_is_about_where_it_stands_and_what_to_do() {
    let mut names = BTreeSet::new();
    for rule in rules() {
        assert!(is_word(rule.name) && names.insert(rule.name), "{}", rule.name);
        assert!(!rule.summary.is_empty() && !rule.advice.is_empty(), "{}", rule.name);
        assert!(rule.section.starts_with("RFC "), "{}", rule.name);
        let mut causes = BTreeSet::new();
        for cause in rule.causes {
            let bare = cause.name.trim_start_matches('<').trim_end_matches('>');
            assert!(is_word(bare) && causes.insert(cause.name) && !cause.summary.is_empty(), "{}", rule.name);
        }
    }
}

#[test]
fn rfc8460_4_3_report_types_are_those_of_the_standard() {
    let standard = [
        "starttls-not-supported",
        "certificate-host-mismatch",
        "certificate-expired",
        "certificate-not-trusted",
        "validation-failure",
        "sts-policy-fetch-error",
        "sts-policy-invalid",
        "sts-webpki-invalid",
        "tlsa-invalid",
        "dnssec-invalid",
    ];
    for report_type in rules().iter().filter_map(|rule| rule.report_type) {
        assert!(standard.contains(&report_type), "{report_type}");
    }
}

#[test]
fn a_sound_domain_passes_everything_that_applies() {
    let judgement = Case::sound().judge();
    assert!(judgement.findings.is_empty(), "{:?}", judgement.findings);
    let inapplicable =
        rules().iter().zip(&judgement.outcomes).filter(|(_, outcome)| **outcome != Outcome::Pass);
    let inapplicable = inapplicable.map(|(rule, outcome)| (rule.name, *outcome)).collect::<Vec<_>>();
    // Without resolvers that validate, DANE is nobody's to judge.
    let dane = rules().iter().map(|rule| rule.name).skip_while(|name| *name != "dnssec-bogus");
    let dane = dane.take_while(|name| *name != "tlsrpt-multiple");
    let before = [
        "sts-record-cname-dangling",
        "sts-record-wrong-owner",
        "sts-policy-without-record",
        "mx-cert-varies",
    ];
    let expected = before.into_iter().chain(dane).chain(["tlsrpt-wrong-owner"]);
    assert_eq!(inapplicable, expected.map(|rule| (rule, Outcome::NotApplicable)).collect::<Vec<_>>());
    let verdict = judgement.verdict;
    let words =
        [verdict.record, verdict.policy, verdict.tlsrpt, verdict.mx, verdict.starttls, verdict.certificates];
    assert_eq!(words, ["valid", "valid", "valid", "hosts", "all", "all"]);
    assert_eq!((verdict.mode.as_deref(), verdict.max_age), (Some("enforce"), Some(2_419_200)));
    assert_eq!((verdict.mx_hosts, verdict.mx_matched, verdict.rank), (2, Some(2), Some(7)));
    assert_eq!((verdict.refusing, verdict.downgrading, verdict.lints, verdict.unknowns), (0, 0, 0, 0));
    assert_eq!(
        (verdict.opportunistic.as_str(), verdict.opportunistic_attacker.as_str()),
        ("encrypted", "the-message")
    );
    assert_eq!((verdict.sts.as_str(), verdict.sts_attacker.as_str()), ("authenticated", "nothing"));
    assert_eq!((verdict.dane.as_str(), verdict.both_attacker.as_str()), ("unknown", "unknown"));
}

#[test]
fn the_effect_of_every_unreachable_rule_is_unknown() {
    for rule in rules().iter().filter(|rule| ["mx-unreachable", "mx-refused-us"].contains(&rule.name)) {
        assert_eq!(rule.effect, Effect::Unknown);
    }
}
