//! The sender's view: RFC 3207, RFC 8461 §5.

use std::collections::BTreeSet;

use mxray_evidence::{Cause, Ending, SmtpSessionRow, Stage, TlsObservation};
use mxray_rules::{ChainProblem, Outcome, rules};

use crate::case::{Case, Host, SOUND_POLICY, chain, cut, lookup, mx, policy_row, reply, session, tls};

/// Makes a host of a kind, with this name.
type Kind = fn(&str) -> Host;

fn clear(host: &str) -> Host {
    let mut row: SmtpSessionRow = cut(host, "192.0.2.1", 2, Ending::stopped(Stage::Ehlo, Cause::NotOffered));
    row.replies[1] = reply(Stage::Ehlo, 250, &["250 mx"]);
    Host::with_sessions(host, vec![(row, None)])
}

fn silent(host: &str) -> Host {
    let row = cut(host, "192.0.2.1", 0, Ending::stopped(Stage::Connect, Cause::Timeout));
    Host::with_sessions(host, vec![(row, None)])
}

fn gone(host: &str) -> Host {
    let mut gone = Host::with_sessions(host, Vec::new());
    gone.row.a = lookup(host, 3, Vec::new());
    gone
}

fn named_wrong(host: &str) -> Host {
    Host::with_sessions(host, vec![(session(host, "192.0.2.1"), Some(chain(&[ChainProblem::Name])))])
}

/// The verdict with these two hosts in place of the sound ones, at these preferences.
fn verdict(preferences: [u16; 2], hosts: [Kind; 2], mode: &str) -> [String; 4] {
    let mut case = Case::with_policy(&SOUND_POLICY.replace("enforce", mode));
    let names = ["mx1.d.example", "mx2.d.example"];
    case.domain.mx.records = (0..2).map(|n| mx(preferences[n], names[n])).collect();
    case.hosts = (0..2).map(|n| (names[n].to_owned(), hosts[n](names[n]))).collect();
    let verdict = case.judge().verdict;
    [verdict.opportunistic, verdict.opportunistic_attacker, verdict.sts, verdict.sts_attacker]
}

#[test]
fn an_opportunistic_sender_meets_the_worst_of_the_first_group() {
    let sound = Host::sound;
    let cases: [([u16; 2], [Kind; 2], &str); 8] = [
        ([10, 20], [sound, clear], "encrypted"),
        ([20, 10], [sound, clear], "cleartext"),
        ([10, 10], [sound, clear], "cleartext"),
        ([10, 10], [sound, silent], "unknown"),
        ([10, 10], [clear, silent], "unknown"),
        ([10, 20], [sound, silent], "encrypted"),
        ([10, 20], [gone, clear], "cleartext"),
        ([10, 10], [named_wrong, sound], "encrypted"),
    ];
    for (preferences, hosts, delivery) in cases {
        let [opportunistic, attacker, ..] = verdict(preferences, hosts, "enforce");
        assert_eq!(opportunistic, delivery, "{preferences:?}");
        assert_eq!(attacker, if delivery == "unknown" { "unknown" } else { "the-message" });
    }
    assert_eq!(verdict([10, 20], [gone, gone], "enforce")[..2], ["deferred", "nothing"]);
}

#[test]
fn rfc8461_5_an_enforced_policy_goes_on_to_the_next_candidate() {
    let sound = Host::sound;
    let cases: [([Kind; 2], &str); 6] = [
        ([clear, sound], "authenticated"),
        ([named_wrong, sound], "authenticated"),
        ([silent, sound], "authenticated"),
        ([clear, named_wrong], "deferred"),
        ([clear, silent], "unknown"),
        ([gone, clear], "deferred"),
    ];
    for (hosts, delivery) in cases {
        let [.., sts, attacker] = verdict([10, 20], hosts, "enforce");
        assert_eq!((sts.as_str(), attacker.as_str()), (delivery, "nothing"));
    }
}

#[test]
fn rfc8461_5_testing_and_none_deliver_as_if_there_were_no_policy() {
    for mode in ["testing", "none"] {
        let [opportunistic, spoils, sts, attacker] = verdict([10, 20], [clear, Host::sound], mode);
        assert_eq!((sts.as_str(), attacker.as_str()), ("cleartext", "the-message"));
        assert_eq!((opportunistic, spoils), (sts, attacker));
    }
}

/// A fault, in a domain with an enforced policy that is otherwise sound.
struct Fault {
    /// The result type that a sender reports (RFC 8460 §4.3).
    report_type: &'static str,
    case: Case,
    /// What becomes of a message from a sender without MTA-STS and DANE; also in mode testing, and where the policy is
    /// not in force.
    opportunistic: &'static str,
    /// What becomes of it from one with MTA-STS.
    sts: &'static str,
    /// Whether the policy is in force all the same.
    in_force: bool,
}

fn host_fault(
    report_type: &'static str,
    row: SmtpSessionRow,
    problems: Option<&[ChainProblem]>,
    opportunistic: &'static str,
) -> Fault {
    let case = Case::with_session(row, problems.map(chain));
    let sts = if opportunistic == "unknown" { "unknown" } else { "deferred" };
    Fault { report_type, case, opportunistic, sts, in_force: true }
}

fn policy_fault(report_type: &'static str, change: impl FnOnce(&mut Case)) -> Fault {
    let mut case = Case::sound();
    change(&mut case);
    Fault { report_type, case, opportunistic: "encrypted", sts: "encrypted", in_force: false }
}

/// Every result type that a sender without DANE can report, by every fault that brings it.
fn faults() -> Vec<Fault> {
    let at = |host: &str| (host.to_owned(), "192.0.2.1");
    let (host, address) = at("mx1.d.example");
    let offered = |line: &str| {
        let mut row = cut(&host, address, 2, Ending::stopped(Stage::Ehlo, Cause::NotOffered));
        row.replies[1] = reply(Stage::Ehlo, 250, &["250-mx", line]);
        row
    };
    let mut rejected = cut(&host, address, 3, Ending::stopped(Stage::Starttls, Cause::Reply));
    rejected.replies[2] = reply(Stage::Starttls, 454, &["454 TLS not available"]);
    let mut refused = cut(&host, address, 3, Ending::stopped(Stage::Handshake, Cause::TlsAlert));
    refused.tls = Some(TlsObservation { chain: Vec::new(), ..tls(&host) });
    let shown =
        |problem| host_fault(report_of(problem), session(&host, address), Some(&[problem]), "encrypted");
    let mut mismatch = Case::with_policy(&SOUND_POLICY.replace("mx: mx", "mx: other"));
    mismatch.domain.mx.records = vec![mx(10, "mx1.d.example")];
    let mut all = vec![
        host_fault("starttls-not-supported", offered("250 SIZE 1000"), None, "cleartext"),
        host_fault("starttls-not-supported", rejected, None, "cleartext"),
        host_fault("starttls-not-supported", offered("250 XXXXXXXA"), None, "unknown"),
        host_fault("validation-failure", refused, None, "cleartext"),
        Fault {
            report_type: "validation-failure",
            case: mismatch,
            opportunistic: "encrypted",
            sts: "deferred",
            in_force: true,
        },
        policy_fault("sts-policy-fetch-error", |case| case.policy_row().status = Some(404)),
        policy_fault("sts-policy-invalid", |case| {
            case.policy = Some((policy_row(b"<html></html>"), Some(chain(&[]))));
        }),
    ];
    all.extend(CHAIN_PROBLEMS.map(shown));
    all.extend(CHAIN_PROBLEMS.map(|problem| {
        policy_fault("sts-webpki-invalid", |case| {
            case.policy = Some((policy_row(SOUND_POLICY.as_bytes()), Some(chain(&[problem]))));
        })
    }));
    all
}

const CHAIN_PROBLEMS: [ChainProblem; 7] = [
    ChainProblem::Name,
    ChainProblem::Expired,
    ChainProblem::NotYetValid,
    ChainProblem::SelfSigned,
    ChainProblem::UnknownRoot,
    ChainProblem::MissingIntermediate,
    ChainProblem::Malformed,
];

fn report_of(problem: ChainProblem) -> &'static str {
    match problem {
        ChainProblem::Name => "certificate-host-mismatch",
        ChainProblem::Expired | ChainProblem::NotYetValid => "certificate-expired",
        _ => "certificate-not-trusted",
    }
}

#[test]
fn rfc8460_4_3_what_each_sender_does_and_reports() {
    let mut met = BTreeSet::new();
    for Fault { report_type, case, opportunistic, sts, in_force } in faults() {
        let judgement = case.judge();
        let told: Vec<_> = judgement
            .findings
            .iter()
            .filter(|finding| finding.outcome == Outcome::Violation)
            .filter_map(|finding| finding.to_row("d.example").report_type)
            .collect();
        assert!(!told.is_empty() && told.iter().all(|told| told == report_type), "{report_type}: {told:?}");
        met.insert(report_type);

        let spoils = |delivery: &str| if delivery == "unknown" { "unknown" } else { "the-message" };
        let held = |spoils| if in_force { "nothing" } else { spoils };
        let verdict = judgement.verdict;
        let views = [
            (&verdict.opportunistic, &verdict.opportunistic_attacker, opportunistic, spoils(opportunistic)),
            (
                &verdict.sts,
                &verdict.sts_attacker,
                sts,
                if sts == "unknown" { "nothing" } else { held(spoils(sts)) },
            ),
            (&verdict.dane, &verdict.dane_attacker, "unknown", "unknown"),
            (&verdict.both, &verdict.both_attacker, "unknown", "unknown"),
        ];
        for (number, (delivery, attacker, expected, gets)) in views.into_iter().enumerate() {
            assert_eq!(
                (delivery.as_str(), attacker.as_str()),
                (expected, gets),
                "{report_type}, sender {number}"
            );
        }

        // RFC 8461 §5: in mode testing the failure is reported, and the message goes as it would without a policy.
        let mut testing = case.clone();
        let body = testing.policy_row().body.clone().unwrap_or_default();
        let body = String::from_utf8(body.into_vec()).expect("ASCII").replace("enforce", "testing");
        testing.policy_row().body = Some(mxray_evidence::ByteBuf::from(body.into_bytes()));
        let verdict = testing.judge().verdict;
        assert_eq!(
            (verdict.sts, verdict.sts_attacker),
            (verdict.opportunistic, verdict.opportunistic_attacker)
        );
    }
    // Those of DANE have cases of their own.
    let known = rules().iter().filter_map(|rule| rule.report_type);
    let known =
        known.filter(|name| !["tlsa-invalid", "dnssec-invalid"].contains(name)).collect::<BTreeSet<_>>();
    assert_eq!(met, known, "a result type that no fault here brings");
}
