//! What stands where no sender looks, and where reports go: RFC 8461 §3.1 and §3.4, RFC 8460 §3.

use mxray_evidence::{ByteBuf, Lookup, MxRecord, TxtRecord};
use mxray_rules::Outcome;

use crate::case::{Case, lookup, mx, sink, timed_out, txt};

const STS: &str = "v=STSv1; id=1;";
const TLSRPT: &str = "v=TLSRPTv1; rua=mailto:a@r.example";

/// A domain under another, without records where they belong, and asked aside: `text` stands at `name`.
fn beside(name: &str, text: &str) -> Case {
    let mut case = Case::sound();
    case.domain.sts_txt = lookup("_mta-sts.d.example", 3, Vec::new());
    case.domain.tlsrpt_txt = lookup("_smtp._tls.d.example", 3, Vec::new());
    case.policy = None;
    case.domain.aside_txt = vec![
        lookup("unrelated.example", 0, vec![txt("v=spf1 -all")]),
        lookup(name, 0, vec![txt("v=spf1 -all"), txt(text)]),
    ];
    case
}

#[test]
fn a_record_beside_its_name_is_told_by_where_it_stands() {
    for (name, cause) in [
        ("_mta_sts.d.example", "underscore"),
        ("mta-sts.d.example", "policy-host"),
        ("d.example", "apex"),
        ("_mta-sts.d.example.d.example", "doubled"),
    ] {
        assert_eq!(beside(name, STS).violations(), [format!("sts-record-wrong-owner/{cause}")]);
        assert_eq!(beside(name, STS).outcome("tlsrpt-wrong-owner"), Outcome::Pass);
    }
    for (name, cause) in [
        ("_smtp-tls.d.example", "hyphen"),
        ("_smtp_tls.d.example", "underscore"),
        ("_tls.d.example", "tls"),
        ("d.example", "apex"),
        ("_smtp._tls.d.example.d.example", "doubled"),
    ] {
        assert_eq!(beside(name, TLSRPT).violations(), [format!("tlsrpt-wrong-owner/{cause}")]);
    }
    assert!(
        beside("_mta_sts.d.example", "v=STSv1; id=-;").violations().is_empty(),
        "that is none there either"
    );
}

#[test]
fn rfc8461_3_4_the_record_above_is_not_the_one_of_the_domain_below() {
    let below = |domain: &str, above: &str| {
        let mut case = beside(&format!("_mta-sts.{above}"), STS);
        case.domain.domain = domain.into();
        case
    };
    assert_eq!(below("in.d.example", "d.example").violations(), ["sts-record-wrong-owner/parent"]);
    assert!(below("d.co.uk", "co.uk").violations().is_empty(), "a public suffix is nobody's parent");
    let mut implicit = below("www.d.example", "d.example");
    implicit.domain.mx.records.clear();
    assert!(implicit.violations().is_empty(), "it names no MX host, and may take no mail at all");
}

#[test]
fn what_was_not_asked_is_unknown_and_makes_no_finding() {
    let mut case = beside("d.example", STS);
    case.domain.aside_txt.clear();
    assert!(case.judge().findings.is_empty());
    for rule in ["sts-record-wrong-owner", "tlsrpt-wrong-owner", "sts-policy-without-record"] {
        assert_eq!(case.outcome(rule), Outcome::Unknown, "{rule}");
    }
    assert_eq!(case.judge().verdict.unknowns, 0, "nothing that was asked");
    let mut unanswered = beside("d.example", "v=spf1 -all");
    unanswered.domain.aside_txt.push(timed_out("_mta_sts.d.example"));
    assert_eq!(unanswered.unknowns(), ["sts-record-wrong-owner"]);
    for mx in [lookup("d.example", 3, Vec::new()), lookup("d.example", 0, vec![mx(0, ".")])] {
        let mut mailless = beside("d.example", STS);
        mailless.domain.mx = mx;
        assert_eq!(mailless.outcome("sts-record-wrong-owner"), Outcome::NotApplicable);
    }
}

#[test]
fn rfc8461_3_1_a_policy_that_nothing_announces() {
    let mut case = beside("d.example", "v=spf1 -all");
    case.policy = Case::sound().policy;
    assert_eq!(case.violations(), ["sts-policy-without-record"]);
    assert_eq!(case.judge().verdict.policy, "none");
    case.policy_row().body = Some(ByteBuf::from(*b"<html>"));
    assert_eq!(case.outcome("sts-policy-without-record"), Outcome::Pass, "no policy is served");
    let invalid = Case::with_record("v=STSv1; id=-;");
    assert_eq!(
        invalid.outcome("sts-policy-without-record"),
        Outcome::NotApplicable,
        "the record has its own finding"
    );
}

#[test]
fn rfc8460_3_a_report_needs_somewhere_to_go() {
    let with = |rua: &str, mx: Lookup<MxRecord>, has_address: bool| {
        let mut case = Case::sound();
        case.domain.tlsrpt_txt.records = vec![txt(&format!("v=TLSRPTv1; rua={rua}"))];
        let mut row = sink("r.example", mx);
        if !has_address {
            row.a = lookup("r.example", row.mx.rcode.unwrap_or(2), Vec::new());
            row.aaaa = row.a.clone();
        }
        case.sinks.insert("r.example".to_owned(), row);
        case
    };
    let (mail, web) = ("mailto:a@r.example", "https://r.example/v1");
    let found = || lookup("r.example", 0, vec![mx(10, "mx.r.example")]);
    let none = || lookup("r.example", 0, Vec::new());
    let gone = || lookup("r.example", 3, Vec::new());
    let null = || lookup("r.example", 0, vec![mx(0, ".")]);
    for (rua, mx, has_address, cause) in [
        (mail, gone(), false, Some("nxdomain")),
        (mail, none(), false, Some("no-data")),
        (mail, none(), true, None),
        (mail, null(), true, Some("null-mx")),
        (mail, found(), false, None),
        (web, gone(), false, Some("nxdomain")),
        (web, found(), false, Some("no-data")),
        (web, null(), true, None),
    ] {
        let wanted = cause.map(|cause| format!("tlsrpt-sink-dead/{cause}"));
        assert_eq!(with(rua, mx, has_address).violations(), wanted.into_iter().collect::<Vec<_>>(), "{rua}");
    }
    assert_eq!(with(mail, timed_out("r.example"), false).unknowns(), ["tlsrpt-sink-dead"]);
    let one_of_two = with(&format!("{mail},mailto:b@alive.example"), gone(), false);
    assert_eq!(one_of_two.violations(), ["tlsrpt-sink-dead/nxdomain"]);
    let several: [TxtRecord; 2] = [txt(TLSRPT), txt(TLSRPT)];
    let mut case = with(mail, gone(), false);
    case.domain.tlsrpt_txt.records = several.into();
    assert_eq!(case.violations(), ["tlsrpt-multiple"], "a record that is ignored sends nothing");
}
