//! The record axis, RFC 8461 §3.1.

use mxray_evidence::ByteBuf;
use mxray_rules::{Effect, Outcome};

use crate::case::{Case, dangling, lookup, timed_out, txt, withheld};

#[test]
fn rfc8461_3_1_each_broken_record_is_one_finding_and_an_invalid_record() {
    let long = format!("v=STSv1; id={};", "a".repeat(33));
    let broken = [
        ("v=stsv1; id=1;", "sts-record-version/case"),
        ("v=MTASTS1; id=1;", "sts-record-version/spelling"),
        ("v = STSv1; id=1;", "sts-record-version/spelling"),
        ("id=1; v=STSv1;", "sts-record-version/position"),
        ("v=STSv1, id=1", "sts-record-version/delimiter"),
        ("v=STSv1;", "sts-record-id-missing"),
        ("v=STSv1; mode: testing;", "sts-record-id-missing"),
        ("v=STSv1; id=1-2;", "sts-record-id-invalid/character"),
        (long.as_str(), "sts-record-id-invalid/too-long"),
        ("v=STSv1; id=; mode: testing", "sts-record-id-invalid/empty"),
        ("v=STSv1; id=<id>;", "sts-record-id-invalid/template"),
        ("v=STSv1; id=1; mode: testing;", "sts-record-extension"),
        ("v=STSv1; id=1; a=; b;", "sts-record-extension"),
    ];
    for (text, finding) in broken {
        let case = Case::with_record(text);
        assert_eq!(case.violations(), [finding], "{text}");
        let judgement = case.judge();
        assert_eq!(judgement.findings[0].effect, Effect::Downgrade);
        let verdict = judgement.verdict;
        assert_eq!((verdict.record.as_str(), verdict.downgrading), ("invalid", 1), "{text}");
        assert_eq!(verdict.policy, "valid", "the fetch and the text are judged all the same");
        assert_eq!(verdict.sts, "encrypted", "no policy is in force");
    }
}

#[test]
fn extensions_are_not_judged_where_the_id_is_wrong() {
    for text in ["v=STSv1; x;", "v=STSv1; id=-;"] {
        assert_eq!(Case::with_record(text).outcome("sts-record-extension"), Outcome::NotApplicable);
    }
}

#[test]
fn rfc8461_3_1_more_than_one_record_is_none() {
    let mut case = Case::sound();
    case.domain.sts_txt.records.push(txt("v=STSv1; id=2"));
    assert_eq!(case.violations(), ["sts-record-multiple"]);
    assert_eq!(case.judge().verdict.record, "invalid");
    assert_eq!(case.outcome("sts-record-id-missing"), Outcome::NotApplicable);
}

#[test]
fn rfc8461_3_1_records_that_do_not_begin_so_are_discarded_first() {
    let mut case = Case::sound();
    case.domain.sts_txt.records.extend([txt("v=stsv1; id=2"), txt("v=spf1 -all")]);
    assert!(case.violations().is_empty());
    for loose in ["v=STSv1 ; id=2", "v=STSv1"] {
        let mut case = Case::sound();
        case.domain.sts_txt.records.push(txt(loose));
        assert_eq!(case.violations(), ["sts-record-delimiter"], "{loose}: both readings are told");
        assert_eq!(case.judge().verdict.record, "valid");
        case.domain.sts_txt.records.remove(0);
        case.domain.sts_txt.records.push(txt(loose));
        assert_eq!(
            case.violations(),
            ["sts-record-multiple"],
            "{loose}: the grammar's reading, of several alike"
        );
    }
}

#[test]
fn rfc8461_3_2_of_several_ids_the_first_counts() {
    let judgement = Case::with_record("v=STSv1; id=1; id=2;").judge();
    assert_eq!(judgement.findings[0].rule.name, "sts-record-duplicate-id");
    assert_eq!((judgement.verdict.record.as_str(), judgement.verdict.lints), ("valid", 1));
}

#[test]
fn rfc8461_3_1_strings_are_joined_without_spaces() {
    let mut case = Case::sound();
    case.domain.sts_txt.records[0].segments =
        ["v=STS", "v1; id", "=1;"].map(|part| ByteBuf::from(part.as_bytes())).into();
    assert!(case.violations().is_empty());
}

#[test]
fn where_senders_differ_the_record_stands_and_the_reading_is_told() {
    for text in ["v=STSv1 ; id=1;", "v=STSv1; id=1 "] {
        let judgement = Case::with_record(text).judge();
        assert_eq!(judgement.findings[0].rule.name, "sts-record-delimiter");
        assert!(judgement.findings[0].detail.as_ref().is_some_and(|detail| detail.contains("read ")));
        assert_eq!((judgement.verdict.record.as_str(), judgement.verdict.lints), ("valid", 1));
    }
}

#[test]
fn no_txt_and_a_txt_of_another_kind_are_no_record() {
    for rcode in [0, 3] {
        let mut case = Case::sound();
        case.domain.sts_txt = lookup("_mta-sts.d.example", rcode, Vec::new());
        case.policy = None;
        assert!(case.violations().is_empty() && case.unknowns().is_empty());
        let verdict = case.judge().verdict;
        assert_eq!(
            (verdict.record.as_str(), verdict.policy.as_str(), verdict.mx_matched),
            ("absent", "none", None)
        );
    }
    let wildcard = Case::with_record("v=spf1 -all");
    assert_eq!(
        wildcard.violations(),
        ["sts-policy-without-record"],
        "it was fetched for the sake of the TXT"
    );
    assert_eq!(wildcard.judge().verdict.record, "absent");
}

#[test]
fn rfc8461_8_2_an_alias_that_leads_nowhere() {
    for rcode in [0, 3] {
        let mut case = Case::sound();
        case.domain.sts_txt = dangling("_mta-sts.d.example", rcode);
        case.policy = None;
        assert_eq!(case.violations(), ["sts-record-cname-dangling"]);
        assert_eq!(case.judge().verdict.record, "absent");
    }
    let mut case = Case::sound();
    case.domain.sts_txt.cnames = dangling::<()>("_mta-sts.d.example", 0).cnames;
    assert_eq!(case.outcome("sts-record-cname-dangling"), Outcome::Pass);
}

#[test]
fn a_lookup_that_failed_is_unknown_and_never_absent() {
    let name = "_mta-sts.d.example";
    for failed in [timed_out(name), withheld(name), lookup(name, 2, Vec::new()), lookup(name, 5, Vec::new())]
    {
        let mut case = Case::sound();
        case.domain.sts_txt = failed;
        case.policy = None;
        assert!(case.violations().is_empty());
        let verdict = case.judge().verdict;
        assert_eq!((verdict.record.as_str(), verdict.policy.as_str()), ("unknown", "unknown"));
        assert_eq!((verdict.sts.as_str(), verdict.sts_attacker.as_str()), ("unknown", "unknown"));
        for rule in
            ["sts-record-multiple", "sts-host-unresolvable", "sts-policy-mode", "mx-policy-mismatch-all"]
        {
            assert_eq!(case.outcome(rule), Outcome::Unknown, "{rule}");
        }
    }
}
