//! The policy axis, RFC 8461 §3.2.

use mxray_rules::{Effect, Outcome};

use crate::case::{Case, SOUND_POLICY};

fn changed(line: &str, to: &str) -> Case {
    Case::with_policy(&SOUND_POLICY.replace(line, to))
}

#[test]
fn rfc8461_3_2_each_broken_policy_is_one_finding_and_an_invalid_policy() {
    let broken = vec![
        (Case::with_policy(""), "sts-policy-empty"),
        (Case::with_policy("<html>"), "sts-policy-not-key-value/html"),
        (Case::with_policy("{}"), "sts-policy-not-key-value/json"),
        (changed("\n", "\r"), "sts-policy-not-key-value/bare-cr"),
        (changed("version", "\u{feff}version"), "sts-policy-not-key-value/bom"),
        (Case::with_policy("v\0e\0r\0"), "sts-policy-not-key-value/utf-16"),
        (Case::with_policy("no policy here"), "sts-policy-not-key-value/other"),
        (Case::with_policy("---\nlayout: none\n---\n"), "sts-policy-not-key-value/front-matter"),
        (changed("enforce", "[enforce|testing]"), "sts-policy-not-key-value/template"),
        (changed("mode", "a line\nmode"), "sts-policy-not-key-value/no-colon"),
        (changed("mode", "a key: x\nmode"), "sts-policy-not-key-value/key"),
        (changed("mode", "note:\nmode"), "sts-policy-not-key-value/value"),
        (changed("version: STSv1\n", ""), "sts-policy-version/missing"),
        (changed("STSv1", "STSv2"), "sts-policy-version/wrong"),
        (changed("mode: enforce\n", ""), "sts-policy-mode/missing"),
        (changed("enforce", "Enforce"), "sts-policy-mode/unknown"),
        (changed("max_age: 2419200\n", ""), "sts-policy-max-age/missing"),
        (changed("2419200", "4 weeks"), "sts-policy-max-age/not-a-number"),
        (changed("2419200", "31557601"), "sts-policy-max-age/too-large"),
        (changed("mx: mx1.d.example\nmx: mx2.d.example\n", ""), "sts-policy-mx-missing"),
        (changed("mx1.d", "a@d"), "sts-policy-mx-syntax/email"),
        (changed("mx1.d.example", "192.0.2.1"), "sts-policy-mx-syntax/ip"),
        (changed("mx1.d.example", "a.d.example, b.d.example"), "sts-policy-mx-syntax/comma"),
        (changed("mx1.d.example", "mx1.d.example."), "sts-policy-mx-syntax/trailing-dot"),
        (changed("mx1.d.example", "."), "sts-policy-mx-syntax/root"),
        (changed("mx1.d.example", "Priority 5: mx1.d.example"), "sts-policy-mx-syntax/preference"),
        (changed("mx1.d", "*.*.d"), "sts-policy-mx-syntax/wildcard"),
        (changed("mx1.d", "m\u{fc}.d"), "sts-policy-mx-syntax/u-label"),
        (changed("mx1.d.example", ""), "sts-policy-mx-syntax/empty"),
        (changed("mx1.d", "mx_1.d"), "sts-policy-mx-syntax/label"),
        (changed("2419200", "2419200 # four weeks"), "sts-policy-comment/tail"),
        (changed("2419200", "2419200\n# four weeks"), "sts-policy-comment/line"),
    ];
    for (case, finding) in broken {
        assert_eq!(case.violations(), [finding]);
        let judgement = case.judge();
        assert_eq!(judgement.findings[0].effect, Effect::Downgrade);
        assert_eq!(judgement.findings[0].rule.report_type, Some("sts-policy-invalid"));
        let verdict = judgement.verdict;
        assert_eq!((verdict.policy.as_str(), verdict.mode, verdict.mx_matched), ("invalid", None, None));
        assert_eq!(verdict.sts, "encrypted", "no policy is in force");
        assert_eq!(case.outcome("mx-policy-mismatch-all"), Outcome::NotApplicable);
    }
}

#[test]
fn every_flaw_of_a_policy_is_told_once_a_cause() {
    let text = "version: STSv2\nmx: a@b.example\nmx: c@d.example\nmx: e.\nmax_age: x # y\n# z\n";
    assert_eq!(
        Case::with_policy(text).violations(),
        [
            "sts-policy-version/wrong",
            "sts-policy-mode/missing",
            "sts-policy-max-age/not-a-number",
            "sts-policy-mx-syntax/email",
            "sts-policy-mx-syntax/trailing-dot",
            "sts-policy-comment/tail",
            "sts-policy-comment/line",
        ]
    );
}

#[test]
fn lints_leave_a_policy_valid() {
    let lints = vec![
        (changed("enforce", "testing"), "sts-policy-mode-weak/testing"),
        (changed("enforce", "none"), "sts-policy-mode-weak/none"),
        (changed("2419200", "86399"), "sts-policy-max-age-short/under-a-day"),
        (changed("2419200", "86400"), "sts-policy-max-age-short/under-two-weeks"),
        (changed("2419200", "1209599"), "sts-policy-max-age-short/under-two-weeks"),
        (Case::with_policy(&format!("{SOUND_POLICY}mode: none\n")), "sts-policy-duplicate-key/mode"),
        (Case::with_policy(&format!("{SOUND_POLICY}\n")), "sts-policy-whitespace/blank-line"),
        (changed("mode:", " mode:"), "sts-policy-whitespace/indent"),
        (changed("mode:", "mode :"), "sts-policy-whitespace/before-colon"),
    ];
    for (case, finding) in lints {
        assert_eq!(case.violations(), [finding]);
        let verdict = case.judge().verdict;
        assert_eq!((verdict.policy.as_str(), verdict.lints, verdict.downgrading), ("valid", 1, 0));
    }
    assert!(changed("2419200", "1209600").violations().is_empty());
}

#[test]
fn rfc8461_8_3_a_policy_that_is_withdrawn_may_be_short_lived() {
    let case = Case::with_policy("version: STSv1\nmode: none\nmax_age: 86400\n");
    assert_eq!(case.violations(), ["sts-policy-mode-weak/none"]);
    assert_eq!(case.outcome("sts-policy-mx-missing"), Outcome::NotApplicable);
    assert_eq!(case.outcome("sts-policy-max-age-short"), Outcome::NotApplicable);
}

#[test]
fn keys_that_stand_again_are_reported_up_to_a_cap() {
    let keys = (0..200).map(|n| format!("k{n}: 1\nk{n}: 2\n")).collect::<Vec<_>>().concat();
    assert_eq!(Case::with_policy(&format!("{SOUND_POLICY}{keys}")).violations().len(), 16);
}
