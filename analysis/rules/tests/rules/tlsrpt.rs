//! The TLS-RPT axis, RFC 8460 §3.

use mxray_rules::{Effect, Outcome};

use crate::case::{Case, dangling, lookup, timed_out, txt};

const NAME: &str = "_smtp._tls.d.example";

fn with(texts: &[&str]) -> Case {
    let mut case = Case::sound();
    case.domain.tlsrpt_txt.records = texts.iter().map(|text| txt(text)).collect();
    case
}

#[test]
fn rfc8460_3_each_broken_record_is_one_finding_without_effect_on_mail() {
    let broken: [(&[&str], &str); 17] = [
        (&["v=TLSRPTv1; rua=mailto:a@b.example", "v=TLSRPTv1; rua=mailto:c@b.example"], "tlsrpt-multiple"),
        (&["v=tlsrptv1; rua=mailto:a@b.example"], "tlsrpt-version/case"),
        (&["v=TLSRPT1; rua=mailto:a@b.example"], "tlsrpt-version/spelling"),
        (&["rua=mailto:a@b.example; v=TLSRPTv1"], "tlsrpt-version/position"),
        (&["v=TLSRPTv1, rua=mailto:a@b.example"], "tlsrpt-version/delimiter"),
        (&["v=TLSRPTv1;"], "tlsrpt-rua-missing"),
        (&["v=TLSRPTv1; rua=http://b.example"], "tlsrpt-uri-scheme"),
        (&["v=TLSRPTv1; rua=mailto:a@b.example!10m"], "tlsrpt-uri-syntax/raw-delimiter"),
        (&["v=TLSRPTv1; rua=mailto:b.example"], "tlsrpt-uri-syntax/no-at"),
        (&["v=TLSRPTv1; rua=mailto:a@b.example."], "tlsrpt-uri-syntax/address"),
        (&["v=TLSRPTv1; rua=mailto:a@<domain>"], "tlsrpt-uri-syntax/template"),
        (&["v=TLSRPTv1; rua=https:///x"], "tlsrpt-uri-syntax/no-host"),
        (&["v=TLSRPTv1; rua=mailto:a b@c.example"], "tlsrpt-uri-syntax/space"),
        (&["v=TLSRPTv1; rua="], "tlsrpt-uri-syntax/empty"),
        (&["v=TLSRPTv1; rua=mailto:a@b.example,"], "tlsrpt-uri-syntax/empty"),
        (&["v=TLSRPTv1; rua=mailto:<a@b.example>"], "tlsrpt-uri-syntax/character"),
        (&["v=TLSRPTv1; rua=mailto:a@b.example; x"], "tlsrpt-extension"),
    ];
    for (texts, finding) in broken {
        let case = with(texts);
        assert_eq!(case.violations(), [finding], "{texts:?}");
        let judgement = case.judge();
        assert_eq!(judgement.findings[0].effect, Effect::None);
        assert_eq!(
            (judgement.verdict.tlsrpt.as_str(), judgement.verdict.sts.as_str()),
            ("invalid", "authenticated")
        );
    }
}

#[test]
fn where_senders_differ_the_record_stands_and_the_reading_is_told() {
    let spaced = "v=TLSRPTv1 ; rua=mailto:a@b.example";
    for texts in [
        &[spaced][..],
        &["v=TLSRPTv1; rua=mailto:a@b.example "],
        &["v=TLSRPTv1; rua=mailto:a@b.example", spaced],
    ] {
        let judgement = with(texts).judge();
        assert_eq!(judgement.findings.len(), 1, "{texts:?}");
        assert_eq!(judgement.findings[0].rule.name, "tlsrpt-delimiter");
        assert!(judgement.findings[0].detail.as_ref().is_some_and(|detail| detail.contains("read ")));
        assert_eq!(judgement.verdict.tlsrpt, "valid");
    }
}

#[test]
fn rfc8461_6_a_policy_without_reports_is_a_lint() {
    for answer in [lookup(NAME, 3, Vec::new()), lookup(NAME, 0, Vec::new()), dangling(NAME, 3)] {
        let mut case = Case::sound();
        case.domain.tlsrpt_txt = answer;
        assert_eq!(case.violations(), ["tlsrpt-absent-with-policy"]);
        assert_eq!(case.judge().verdict.tlsrpt, "absent");
        case.domain.sts_txt.records = vec![txt("v=STSv1;")];
        assert_eq!(case.outcome("tlsrpt-absent-with-policy"), Outcome::NotApplicable);
    }
}

#[test]
fn a_lookup_that_failed_is_unknown_and_never_absent() {
    let mut case = Case::sound();
    case.domain.tlsrpt_txt = timed_out(NAME);
    assert!(case.violations().is_empty());
    assert_eq!(case.judge().verdict.tlsrpt, "unknown");
    assert_eq!(case.outcome("tlsrpt-absent-with-policy"), Outcome::Unknown);
    assert_eq!(case.outcome("tlsrpt-multiple"), Outcome::Unknown);
    let mut case = Case::sound();
    case.domain.tlsrpt_txt = lookup(NAME, 3, Vec::new());
    case.domain.sts_txt = timed_out("_mta-sts.d.example");
    assert_eq!(case.outcome("tlsrpt-absent-with-policy"), Outcome::Unknown);
}
