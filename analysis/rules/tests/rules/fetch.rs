//! The fetch axis, RFC 8461 §3.3.

use mxray_evidence::{ByteBuf, Cause, Connect, Ending, Header, OwnCause, Stage};
use mxray_rules::{ChainProblem, Effect, Outcome};

use crate::case::{Case, DAY, NOW, chain, dangling, lookup, timed_out, withheld};

/// A case whose policy row a test changes.
fn fetched(change: impl FnOnce(&mut mxray_evidence::PolicyRow)) -> Case {
    let mut case = Case::sound();
    change(case.policy_row());
    case
}

/// A fetch that ended before any answer.
fn stopped(stage: Stage, cause: Cause) -> Case {
    fetched(|row| {
        row.ending = Ending::stopped(stage, cause);
        row.status = None;
        row.headers.clear();
        row.body = None;
        if stage != Stage::Headers && stage != Stage::Body {
            row.tls = row.tls.take().filter(|_| stage == Stage::Handshake).map(|mut tls| {
                tls.chain.clear();
                tls
            });
        }
        if stage == Stage::Connect {
            row.connects[0].ending = row.ending.clone();
        }
    })
}

/// The one violation, the policy is not fetched, and nothing behind it applies.
fn assert_unfetched(case: &Case, finding: &str) {
    assert_eq!(case.violations(), [finding]);
    let judgement = case.judge();
    assert_eq!(judgement.findings[0].effect, Effect::Downgrade);
    assert_eq!(judgement.findings[0].subject, "mta-sts.d.example");
    assert_eq!((judgement.verdict.policy.as_str(), judgement.verdict.mode), ("unfetched", None));
    assert_eq!(judgement.verdict.sts, "encrypted", "no policy is in force");
    for rule in ["sts-policy-empty", "mx-policy-mismatch-all"] {
        assert_eq!(case.outcome(rule), Outcome::NotApplicable, "{rule}");
    }
}

#[test]
fn rfc8461_3_3_the_policy_host_has_an_address() {
    let host = "mta-sts.d.example";
    let cases = [
        (lookup(host, 3, Vec::new()), "nxdomain"),
        (lookup(host, 0, Vec::new()), "no-data"),
        (dangling(host, 3), "dangling-cname"),
        (dangling(host, 0), "dangling-cname"),
    ];
    for (answer, cause) in cases {
        let mut case = stopped(Stage::Connect, Cause::NoAddress);
        case.policy_row().connects.clear();
        case.policy_row().a = answer.clone();
        case.policy_row().aaaa = answer;
        assert_unfetched(&case, &format!("sts-host-unresolvable/{cause}"));
    }
}

#[test]
fn rfc8461_3_3_the_policy_host_takes_connections() {
    for (cause, word) in [
        (Cause::Refused, "refused"),
        (Cause::Reset, "refused"),
        (Cause::Timeout, "timeout"),
        (Cause::Unreachable, "unreachable"),
    ] {
        assert_unfetched(&stopped(Stage::Connect, cause), &format!("sts-host-unreachable/{word}"));
    }
}

#[test]
fn each_address_family_that_takes_no_connections_is_told_apart() {
    let mut case = stopped(Stage::Connect, Cause::Refused);
    let connect = |address: &str, cause| Connect {
        address: address.to_owned(),
        port: 443,
        elapsed_us: 1,
        ending: Ending::stopped(Stage::Connect, cause),
    };
    let attempts =
        [("192.0.2.80", Cause::Refused), ("192.0.2.81", Cause::Refused), ("2001:db8::80", Cause::Timeout)];
    case.policy_row().connects = attempts.map(|(address, cause)| connect(address, cause)).into();
    assert_eq!(case.violations(), ["sts-host-unreachable/refused", "sts-host-unreachable/timeout"]);
    // One that takes them is enough.
    case.policy_row().connects[2].ending = Ending::Completed;
    assert!(!case.violations().iter().any(|name| name.starts_with("sts-host-unreachable")));
}

#[test]
fn rfc8461_3_3_the_handshake_brings_a_certificate() {
    for (cause, word) in [
        (Cause::TlsAlert, "alert"),
        (Cause::Closed, "closed"),
        (Cause::Reset, "closed"),
        (Cause::TlsError, "failed"),
    ] {
        assert_unfetched(&stopped(Stage::Handshake, cause), &format!("sts-host-tls-alert/{word}"));
    }
    let unproven = fetched(|row| row.tls.as_mut().unwrap().signature_valid = Some(false));
    assert_unfetched(&unproven, "sts-host-tls-alert/failed");
}

#[test]
fn rfc8461_3_3_the_certificate_is_valid() {
    for (problem, finding) in [
        (ChainProblem::Name, "sts-host-cert-name"),
        (ChainProblem::Expired, "sts-host-cert-expired/expired"),
        (ChainProblem::NotYetValid, "sts-host-cert-expired/not-yet-valid"),
        (ChainProblem::SelfSigned, "sts-host-cert-untrusted/self-signed"),
        (ChainProblem::UnknownRoot, "sts-host-cert-untrusted/unknown-root"),
        (ChainProblem::MissingIntermediate, "sts-host-cert-untrusted/missing-intermediate"),
        (ChainProblem::Malformed, "sts-host-cert-untrusted/malformed"),
    ] {
        let mut case = Case::sound();
        case.policy.as_mut().unwrap().1 = Some(chain(&[problem]));
        assert_eq!(case.violations(), [finding]);
        let verdict = case.judge().verdict;
        assert_eq!((verdict.policy.as_str(), verdict.mode, verdict.max_age), ("unfetched", None, None));
        assert_eq!(case.outcome("sts-policy-mode"), Outcome::Pass, "the text is judged all the same");
        assert_eq!(case.outcome("mx-policy-mismatch-all"), Outcome::Pass);
    }
}

#[test]
fn everything_that_is_wrong_with_a_certificate_is_told() {
    let mut case = Case::sound();
    case.policy.as_mut().unwrap().1 = Some(chain(&[ChainProblem::Name, ChainProblem::Expired]));
    assert_eq!(case.violations(), ["sts-host-cert-name", "sts-host-cert-expired/expired"]);
    assert_eq!(case.judge().verdict.downgrading, 2);
}

#[test]
fn a_certificate_that_ends_within_14_days_is_a_lint() {
    let mut case = Case::sound();
    case.policy.as_mut().unwrap().1.as_mut().unwrap().not_after = Some(NOW + 14 * DAY - 1);
    assert_eq!(case.violations(), ["sts-host-cert-expiring"]);
    assert_eq!(case.judge().verdict.policy, "valid");
    case.policy.as_mut().unwrap().1.as_mut().unwrap().not_after = Some(NOW + 14 * DAY);
    assert!(case.violations().is_empty());
    assert!(case.judge_at(Some(NOW - DAY)).findings.is_empty(), "the time is an argument");
}

#[test]
fn rfc8461_3_3_only_200_is_a_policy() {
    for status in [403_u16, 404, 500, 503, 204] {
        let case = fetched(|row| row.status = Some(status));
        assert_unfetched(&case, &format!("sts-fetch-status/{status}"));
    }
    let redirect = fetched(|row| {
        row.status = Some(301);
        row.headers
            .push(Header { name: "location".into(), value: ByteBuf::from(*b"https://other.example/") });
    });
    assert_unfetched(&redirect, "sts-fetch-redirect");
    assert!(redirect.judge().findings[0].detail.as_ref().unwrap().contains("https://other.example/"));
}

#[test]
fn rfc8461_3_3_the_response_is_whole_in_time_and_size() {
    for stage in [Stage::Handshake, Stage::Headers, Stage::Body] {
        assert_unfetched(&stopped(stage, Cause::Timeout), "sts-fetch-timeout");
    }
    assert_unfetched(&stopped(Stage::Body, Cause::Oversize), "sts-fetch-oversize");
    assert_unfetched(&stopped(Stage::Body, Cause::Closed), "sts-fetch-incomplete/closed");
    assert_unfetched(&stopped(Stage::Headers, Cause::Malformed), "sts-fetch-incomplete/malformed");
    let dripping = fetched(|row| row.ending = Ending::stopped(Stage::Body, Cause::Timeout));
    assert_unfetched(&dripping, "sts-fetch-timeout");
    let announced = fetched(|row| row.body_truncated = true);
    assert_unfetched(&announced, "sts-fetch-oversize");

    // More was announced than arrived, and the connection ended: that is no size.
    let cut = fetched(|row| {
        row.body_truncated = true;
        row.ending = Ending::stopped(Stage::Body, Cause::Closed);
    });
    assert_unfetched(&cut, "sts-fetch-incomplete/closed");
}

#[test]
fn rfc8461_3_2_the_media_type_is_text_plain_in_whatever_case() {
    for value in [Some("text/html"), Some("text/plainly"), Some(""), None] {
        let case = fetched(|row| {
            row.headers = value
                .map(|value| Header { name: "content-type".into(), value: value.as_bytes().to_vec().into() })
                .into_iter()
                .collect();
        });
        assert_eq!(case.violations(), ["sts-fetch-media-type"], "{value:?}");
        assert_eq!(case.judge().verdict.policy, "valid");
    }
    assert_eq!(fetched(|row| row.status = Some(404)).outcome("sts-fetch-media-type"), Outcome::NotApplicable);
}

#[test]
fn what_was_not_measured_is_unknown() {
    let mut unfetched = Case::sound();
    unfetched.policy = None;
    let host = "mta-sts.d.example";
    let unanswered = fetched(|row| {
        row.a = timed_out(host);
        row.aaaa = withheld(host);
    });
    let servfail = fetched(|row| {
        row.a = lookup(host, 2, Vec::new());
        row.ending = Ending::stopped(Stage::Dns, Cause::Reply);
    });
    let opted_out = fetched(|row| {
        row.ending = Ending::withheld(Stage::Connect, OwnCause::NotRoutable);
        row.connects[0].ending = row.ending.clone();
        row.tls = None;
        row.status = None;
        row.body = None;
    });
    let mut given_up = stopped(Stage::Connect, Cause::Refused);
    given_up.policy_row().ending = Ending::withheld(Stage::Connect, OwnCause::Cancelled);
    for case in [unfetched, unanswered, servfail, opted_out, given_up] {
        assert!(case.violations().is_empty(), "{:?}", case.violations());
        let verdict = case.judge().verdict;
        assert_eq!((verdict.policy.as_str(), verdict.sts.as_str()), ("unknown", "unknown"));
        for rule in ["sts-fetch-status", "sts-host-cert-name", "sts-policy-mode", "mx-policy-mismatch-some"] {
            assert_eq!(case.outcome(rule), Outcome::Unknown, "{rule}");
        }
    }
}

#[test]
fn what_was_seen_before_we_stopped_is_judged() {
    let case = fetched(|row| {
        row.ending = Ending::withheld(Stage::Body, OwnCause::Cancelled);
        row.body = None;
    });
    assert!(case.violations().is_empty());
    for (rule, outcome) in [
        ("sts-host-unreachable", Outcome::Pass),
        ("sts-host-cert-name", Outcome::Pass),
        ("sts-fetch-status", Outcome::Pass),
        ("sts-fetch-oversize", Outcome::Unknown),
        ("sts-policy-mode", Outcome::Unknown),
    ] {
        assert_eq!(case.outcome(rule), outcome, "{rule}");
    }
    let mut unjudged = Case::sound();
    unjudged.policy.as_mut().unwrap().1 = None;
    assert_eq!(unjudged.outcome("sts-host-cert-name"), Outcome::Unknown);
    assert_eq!(unjudged.judge().verdict.policy, "unknown");
}

#[test]
fn a_txt_record_of_another_kind_announces_no_policy() {
    let mut case = stopped(Stage::Connect, Cause::NoAddress);
    case.domain.sts_txt.records[0].segments = vec![ByteBuf::from(*b"v=spf1 -all")];
    case.policy_row().a = lookup("mta-sts.d.example", 3, Vec::new());
    case.policy_row().aaaa = lookup("mta-sts.d.example", 3, Vec::new());
    let judgement = case.judge();
    assert!(judgement.findings.is_empty());
    assert_eq!((judgement.verdict.record.as_str(), judgement.verdict.policy.as_str()), ("absent", "none"));
    assert_eq!(case.outcome("sts-host-unresolvable"), Outcome::NotApplicable);
}
