//! The sender's view: RFC 3207, RFC 8461 §5.

use mxray_evidence::{Cause, Ending, SmtpSessionRow, Stage};
use mxray_rules::ChainProblem;

use crate::case::{Case, Host, chain, cut, lookup, mx, reply, session};

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
    let mut case = Case::with_policy(&crate::case::SOUND_POLICY.replace("enforce", mode));
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
