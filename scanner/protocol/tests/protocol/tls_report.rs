//! RFC 8460 §4.4: reports as they come.

use mxray_protocol::tls_report::{
    NotAReport, OddityKind, REPORT_BYTES_MAX, REPORT_FAILURES_MAX, REPORT_ODDITIES_MAX, TlsReport,
};

/// As the RFC has it, erratum 6241 applied.
const SOUND: &str = r#"{
  "organization-name": "Company-X",
  "date-range": {"start-datetime": "2016-04-01T00:00:00Z", "end-datetime": "2016-04-01T23:59:59Z"},
  "contact-info": "sts-reporting@company-x.example",
  "report-id": "5065427c-23d3-47ca-b6e0-946ea0e8c4be",
  "policies": [{
    "policy": {
      "policy-type": "sts",
      "policy-string": ["version: STSv1", "mode: testing", "mx: *.mail.company-y.example", "max_age: 86400"],
      "policy-domain": "company-y.example",
      "mx-host": ["*.mail.company-y.example"]
    },
    "summary": {"total-successful-session-count": 5326, "total-failure-session-count": 300},
    "failure-details": [{
      "result-type": "certificate-expired",
      "sending-mta-ip": "2001:db8:abcd:0012::1",
      "receiving-mx-hostname": "mx1.mail.company-y.example",
      "failed-session-count": 300
    }]
  }]
}"#;

fn read(text: &str) -> TlsReport {
    TlsReport::parse(text.as_bytes()).expect("a report")
}

/// The oddities of the sound report with `from` replaced by `to`.
fn odd(from: &str, to: &str) -> (TlsReport, Vec<OddityKind>) {
    assert!(SOUND.contains(from), "{from}");
    let report = read(&SOUND.replacen(from, to, 1));
    let kinds = report.oddities.iter().map(|oddity| oddity.kind).collect();
    (report, kinds)
}

#[test]
fn a_report_as_the_rfc_has_it_is_not_odd() {
    let report = read(SOUND);
    assert_eq!(report.oddities, []);
    assert_eq!(report.organization.as_deref(), Some("Company-X"));
    assert_eq!((report.begins, report.ends), (Some(1_459_468_800_000_000), Some(1_459_555_199_000_000)));
    let [policy] = report.policies.as_slice() else { panic!("one policy") };
    assert_eq!((policy.kind.as_deref(), policy.domain.as_deref()), (Some("sts"), Some("company-y.example")));
    assert_eq!((policy.successful, policy.failed), (Some(5_326), Some(300)));
    assert_eq!(
        (policy.strings.len(), policy.mx_hosts.as_slice()),
        (4, &["*.mail.company-y.example".to_owned()][..])
    );
    assert_eq!(policy.failures[0].sessions, Some(300));
    assert_eq!(policy.failures[0].mx_host.as_deref(), Some("mx1.mail.company-y.example"));
}

#[test]
fn each_oddity_is_named_and_what_it_says_is_taken() {
    use OddityKind as K;
    let cases: &[(&str, &str, K)] = &[
        ("2016-04-01T00:00:00Z", "2016-04-01T00:00:00", K::DateWithoutOffset),
        ("2016-04-01T00:00:00Z", "2016-04-01 00:00:00Z", K::DateForm),
        ("2016-04-01T00:00:00Z", "yesterday", K::DateInvalid),
        ("2016-04-01T23:59:59Z", "2016-03-31T23:59:59Z", K::DateRangeReversed),
        ("2016-04-01T23:59:59Z", "2016-04-08T23:59:59Z", K::DateRangeLong),
        ("\"Company-X\"", "null", K::FieldEmpty),
        ("\"organization-name\": \"Company-X\",", "", K::FieldMissing),
        ("\"Company-X\"", "7", K::WrongType),
        ("\"organization-name\"", "\"organization_name\"", K::KeySpelling),
        ("receiving-mx-hostname", "receiving-mx-host-name", K::KeySpelling),
        ("\"contact-info\"", "\"x\": 1, \"contact-info\"", K::KeyUnknown),
        ("\"contact-info\"", "\"contact-info\": \"a@b.example\", \"contact-info\"", K::KeyTwice),
        ("[\"*.mail.company-y.example\"]", "\"*.mail.company-y.example\"", K::NotAList),
        ("[\"*.mail.company-y.example\"]", "[\"mx: *.mail.company-y.example\"]", K::MxHostPrefixed),
        ("\"sts\"", "\"STS\"", K::PolicyTypeUnknown),
        ("certificate-expired", "certificate_expired", K::ResultTypeUnknown),
        ("2001:db8:abcd:0012::1", "mta.company-x.example", K::AddressInvalid),
        (
            "\"failed-session-count\"",
            "\"additional-information\": \"see our page\", \"failed-session-count\"",
            K::UriInvalid,
        ),
        ("5326", "\"5326\"", K::CountAsText),
        ("5326", "5326.0", K::WrongType),
        ("5326", "-1", K::CountInvalid),
        ("5326", "18446744073709551616", K::CountInvalid),
        ("\"failed-session-count\": 300", "\"failed-session-count\": 299", K::TotalsDiffer),
        ("company-y.example\",\n", "firma-ü.example\",\n", K::NameForm),
        ("{\n  \"org", "\u{feff}{\n  \"org", K::ByteOrderMark),
    ];
    for (from, to, kind) in cases {
        let (report, kinds) = odd(from, to);
        assert_eq!(kinds, [*kind], "{to}: {:?}", report.oddities);
    }
    assert_eq!(odd("receiving-mx-hostname", "receivingMxHostname").0.policies, read(SOUND).policies);
    assert_eq!(odd("5326", "\"5326\"").0.policies, read(SOUND).policies);
    assert_eq!(odd("5326", "-1").0.policies[0].successful, None, "not taken is unknown, not 0");
    assert_eq!(odd("5326", "18446744073709551615").0.policies[0].successful, Some(u64::MAX));
    let twice = odd("\"contact-info\"", "\"contact-info\": \"a@b.example\", \"contact-info\"").0;
    assert_eq!(twice.contact.as_deref(), Some("sts-reporting@company-x.example"), "the last counts");
}

#[test]
fn policy_strings_that_hold_json_or_lines_are_taken_apart() {
    let strings = r#"["version: STSv1", "mode: testing", "mx: *.mail.company-y.example", "max_age: 86400"]"#;
    let in_json = serde_json::to_string(&[strings]).expect("JSON");
    let (report, kinds) = odd(strings, &in_json);
    assert_eq!(kinds, [OddityKind::PolicyStringJson]);
    assert_eq!(report.policies, read(SOUND).policies);
    let (report, kinds) = odd(
        strings,
        r#"["version: STSv1\r\nmode: testing\r\nmx: *.mail.company-y.example\r\nmax_age: 86400\r\n"]"#,
    );
    assert_eq!(kinds, [OddityKind::PolicyStringLines]);
    assert_eq!(report.policies, read(SOUND).policies);
}

#[test]
fn a_failure_of_the_policy_names_no_mail_host() {
    let report = read(
        r#"{"organization-name":"a","contact-info":"b@c.example","report-id":"d",
        "date-range":{"start-datetime":"2016-04-01T00:00:00Z","end-datetime":"2016-04-02T00:00:00Z"},
        "policies":[{"policy":{"policy-type":"sts","policy-domain":"e.example"},
        "summary":{"total-successful-session-count":0,"total-failure-session-count":3},
        "failure-details":[{"result-type":"sts-policy-fetch-error","failed-session-count":3}]}]}"#,
    );
    assert_eq!(report.oddities, []);
}

#[test]
fn what_is_no_report_is_refused_by_name() {
    for (text, word) in [
        ("", "empty"),
        ("  \n", "empty"),
        ("not a report", "not-json"),
        ("[]", "not-an-object"),
        ("7", "not-an-object"),
        ("{}", "not-a-report"),
        (r#"{"feedback": 1}"#, "not-a-report"),
        (&"[".repeat(100_000), "not-json"),
        (&format!("{}{}", "{\"policies\":".repeat(200), "}".repeat(200)), "not-json"),
    ] {
        let refused = TlsReport::parse(text.as_bytes()).expect_err("no report");
        assert_eq!(refused.word(), word, "{refused}");
    }
    assert_eq!(TlsReport::parse(&vec![b' '; REPORT_BYTES_MAX + 1]), Err(NotAReport::TooLong));
}

#[test]
fn half_a_report_is_not_json_and_two_are_one_with_something_behind_it() {
    assert_eq!(TlsReport::parse(&SOUND.as_bytes()[..300]).expect_err("half").word(), "not-json");
    let twice = read(&SOUND.repeat(2));
    assert_eq!(twice.policies.len(), 1);
    assert_eq!(twice.oddities[0].kind, OddityKind::TrailingBytes);
}

#[test]
fn a_report_beyond_every_limit_is_cut_and_says_so() {
    let details = vec![r#"{"x":1}"#; REPORT_FAILURES_MAX + 5].join(",");
    let report =
        read(&format!(r#"{{"policies":[{{"failure-details":[{details}]}},{{"failure-details":[{{}}]}}]}}"#));
    assert_eq!(report.policies[0].failures.len(), REPORT_FAILURES_MAX);
    assert_eq!(report.policies[1].failures.len(), 0);
    assert_eq!(report.oddities.len(), REPORT_ODDITIES_MAX);
    assert!(report.oddities.iter().any(|oddity| oddity.kind == OddityKind::TooMany));
    let last = report.oddities.last().expect("the last");
    assert_eq!(last.kind, OddityKind::OdditiesMany);
    assert!(last.detail.as_ref().is_some_and(|detail| detail.ends_with(" more")));
}

#[test]
fn totals_at_the_end_of_64_bits_are_added_without_overflow() {
    let max = u64::MAX;
    let report = read(&format!(
        r#"{{"policies":[{{"summary":{{"total-failure-session-count":{max}}},
        "failure-details":[{{"failed-session-count":{max}}},{{"failed-session-count":{max}}}]}}]}}"#
    ));
    let differ =
        report.oddities.iter().find(|oddity| oddity.kind == OddityKind::TotalsDiffer).expect("noted");
    assert!(differ.detail.as_ref().is_some_and(|detail| detail.contains("36893488147419103230")));
}
