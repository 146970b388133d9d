//! The match axis, RFC 8461 §4.1.

use mxray_rules::{Effect, Outcome};

use crate::case::{Case, DOMAIN, Host, lookup, mx, timed_out};

fn policy(mode: &str, patterns: &[&str]) -> Case {
    let patterns = patterns.iter().map(|pattern| format!("mx: {pattern}\n")).collect::<Vec<_>>().concat();
    Case::with_policy(&format!("version: STSv1\nmode: {mode}\n{patterns}max_age: 2419200\n"))
}

#[test]
fn rfc8461_4_1_no_host_matches() {
    let case = policy("enforce", &["mx1.d.test", "mx2.d.test"]);
    assert_eq!(case.violations(), ["mx-policy-mismatch-all/tld"; 2]);
    let judgement = case.judge();
    let subjects = judgement.findings.iter().map(|finding| finding.subject.as_str()).collect::<Vec<_>>();
    assert_eq!(subjects, ["mx1.d.example", "mx2.d.example"]);
    assert!(judgement.findings.iter().all(|finding| finding.effect == Effect::Refuse));
    assert_eq!((judgement.verdict.refusing, judgement.verdict.mx_matched), (1, Some(0)));
    assert_eq!(
        (judgement.verdict.sts.as_str(), judgement.verdict.sts_attacker.as_str()),
        ("deferred", "nothing")
    );
    assert_eq!(case.outcome("mx-pattern-unused"), Outcome::NotApplicable);
}

#[test]
fn rfc8461_4_1_some_hosts_match() {
    let case = policy("enforce", &["mx1.d.example", "mta-sts.d.example"]);
    assert_eq!(case.violations(), ["mx-policy-mismatch-some/mta-sts-host", "mx-pattern-unused"]);
    assert_eq!(case.outcome("mx-policy-mismatch-all"), Outcome::Pass);
    let verdict = case.judge().verdict;
    assert_eq!((verdict.mx_matched, verdict.refusing, verdict.lints), (Some(1), 1, 1));
    assert_eq!(verdict.sts, "authenticated");
}

#[test]
fn rfc8461_5_nothing_is_refused_unless_a_policy_is_in_force_with_mode_enforce() {
    let effect = |case: &Case| {
        let judgement = case.judge();
        let finding =
            judgement.findings.iter().find(|finding| finding.rule.name.starts_with("mx-policy")).unwrap();
        (finding.effect, judgement.verdict.refusing)
    };
    assert_eq!(effect(&policy("enforce", &["other.example"])), (Effect::Refuse, 1));
    assert_eq!(effect(&policy("testing", &["other.example"])), (Effect::None, 0));
    let mut invalid_record = policy("enforce", &["other.example"]);
    invalid_record.domain.sts_txt.records[0].segments[0] = b"v=STSv1;".to_vec().into();
    assert_eq!(effect(&invalid_record), (Effect::None, 0));
    assert_eq!(policy("none", &["other.example"]).outcome("mx-policy-mismatch-all"), Outcome::NotApplicable);
}

#[test]
fn a_pattern_that_matches_nothing_is_a_lint() {
    let case = policy("enforce", &["*.d.example", "old.d.example"]);
    assert_eq!(case.violations(), ["mx-pattern-unused"]);
    assert_eq!(case.judge().findings[0].detail.as_deref(), Some("old.d.example"));
}

#[test]
fn rfc7505_a_null_mx_beside_a_policy() {
    let mut case = policy("enforce", &["mx1.d.example"]);
    case.domain.mx.records = vec![mx(0, ".")];
    assert_eq!(case.violations(), ["mx-null-with-policy"]);
    let verdict = case.judge().verdict;
    assert_eq!(
        (verdict.mx.as_str(), verdict.mx_hosts, verdict.starttls.as_str()),
        ("null", 0, "not-applicable")
    );
    assert_eq!((verdict.sts.as_str(), verdict.opportunistic.as_str()), ("no-mail", "no-mail"));
    assert_eq!(verdict.opportunistic_attacker, "nothing");
}

#[test]
fn rfc5321_5_1_without_mx_the_domain_is_its_own_host() {
    let mut case = policy("enforce", &[DOMAIN]);
    case.domain.mx.records.clear();
    case.hosts = [(DOMAIN.to_owned(), Host::sound(DOMAIN))].into();
    assert_eq!(case.violations(), ["mx-implicit-with-policy"]);
    let verdict = case.judge().verdict;
    assert_eq!(
        (verdict.mx.as_str(), verdict.starttls.as_str(), verdict.sts.as_str()),
        ("implicit", "all", "authenticated")
    );
}

#[test]
fn a_domain_without_mx_and_record_is_not_probed_and_not_judged() {
    let mut case = Case::sound();
    case.domain.mx.records.clear();
    case.domain.sts_txt = lookup("_mta-sts.d.example", 3, Vec::new());
    case.policy = None;
    case.hosts.clear();
    assert!(case.violations().is_empty() && case.unknowns().is_empty());
    let verdict = case.judge().verdict;
    assert_eq!(
        (verdict.mx.as_str(), verdict.mx_hosts, verdict.starttls.as_str()),
        ("implicit", 0, "unknown")
    );
    assert_eq!((verdict.opportunistic.as_str(), verdict.sts.as_str()), ("unknown", "unknown"));
}

#[test]
fn a_domain_that_does_not_exist_takes_no_mail() {
    let mut case = Case::sound();
    case.domain.mx = lookup(DOMAIN, 3, Vec::new());
    case.domain.sts_txt = lookup("_mta-sts.d.example", 3, Vec::new());
    case.domain.tlsrpt_txt = lookup("_smtp._tls.d.example", 3, Vec::new());
    case.policy = None;
    assert!(case.judge().findings.is_empty());
    let verdict = case.judge().verdict;
    assert_eq!(
        (verdict.mx.as_str(), verdict.sts.as_str(), verdict.certificates.as_str()),
        ("none", "no-mail", "not-applicable")
    );
}

#[test]
fn an_mx_lookup_that_failed_leaves_everything_about_hosts_unknown() {
    for failed in [timed_out(DOMAIN), lookup(DOMAIN, 2, Vec::new())] {
        let mut case = Case::sound();
        case.domain.mx = failed;
        assert!(case.violations().is_empty());
        for rule in [
            "mx-policy-mismatch-all",
            "mx-null-with-policy",
            "mx-unresolvable",
            "starttls-absent",
            "mx-cert-name",
        ] {
            assert_eq!(case.outcome(rule), Outcome::Unknown, "{rule}");
        }
        let verdict = case.judge().verdict;
        assert_eq!(
            (verdict.mx.as_str(), verdict.starttls.as_str(), verdict.mx_matched),
            ("unknown", "unknown", None)
        );
        assert_eq!((verdict.sts.as_str(), verdict.sts_attacker.as_str()), ("unknown", "nothing"));
    }
}
