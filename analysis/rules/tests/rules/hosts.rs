//! The MX host axes: RFC 5321 §5.1, RFC 3207, RFC 8461 §4.2.

use mxray_evidence::{Cause, Ending, LegacyHello, OwnCause, SmtpSessionRow, Stage, TlsObservation};
use mxray_rules::{ChainAssessment, ChainProblem, Effect, Outcome};

use crate::case::{Case, DAY, Host, NOW, chain, cut, dangling, lookup, mx, reply, session, timed_out, tls};

const HOST: &str = "mx1.d.example";
const STARTTLS: [&str; 4] =
    ["starttls-absent", "starttls-rejected", "starttls-mangled", "starttls-handshake"];

fn ehlo(line: &str) -> SmtpSessionRow {
    let mut row = cut(HOST, "192.0.2.1", 2, Ending::stopped(Stage::Ehlo, Cause::NotOffered));
    row.replies[1] = reply(Stage::Ehlo, 250, &["250-mx", line]);
    row
}

fn rejected() -> SmtpSessionRow {
    let mut row = cut(HOST, "192.0.2.1", 3, Ending::stopped(Stage::Starttls, Cause::Reply));
    row.replies[2] = reply(Stage::Starttls, 454, &["454 TLS not available"]);
    row
}

fn unshaken(cause: Cause) -> SmtpSessionRow {
    let mut row = cut(HOST, "192.0.2.1", 3, Ending::stopped(Stage::Handshake, cause));
    row.tls = Some(TlsObservation { chain: Vec::new(), ..tls(HOST) });
    row
}

fn unreachable() -> SmtpSessionRow {
    cut(HOST, "192.0.2.1", 0, Ending::stopped(Stage::Connect, Cause::Timeout))
}

fn refused() -> SmtpSessionRow {
    let mut row = cut(HOST, "192.0.2.1", 1, Ending::stopped(Stage::Banner, Cause::Reply));
    row.replies[0] = reply(Stage::Banner, 554, &["554 go away"]);
    row
}

fn at(address: &str, mut row: SmtpSessionRow) -> SmtpSessionRow {
    address.clone_into(&mut row.address);
    row
}

fn two(first: SmtpSessionRow, second: SmtpSessionRow) -> Host {
    let valid =
        |row: &SmtpSessionRow| row.tls.as_ref().filter(|tls| !tls.chain.is_empty()).map(|_| chain(&[]));
    let sessions = [first, at("192.0.2.2", second)].map(|row| (row.clone(), valid(&row)));
    Host::with_sessions(HOST, sessions.into())
}

#[test]
fn rfc5321_5_1_an_mx_host_has_an_address_of_its_own() {
    for (answer, cause) in [
        (lookup(HOST, 3, Vec::new()), "nxdomain"),
        (lookup(HOST, 0, Vec::new()), "no-data"),
        (dangling(HOST, 3), "nxdomain"),
    ] {
        let mut host = Host::with_sessions(HOST, Vec::new());
        host.row.a = answer.clone();
        host.row.aaaa = answer;
        let case = Case::with_host(&host);
        assert_eq!(case.violations(), [format!("mx-unresolvable/{cause}")]);
        let judgement = case.judge();
        assert_eq!(judgement.findings[0].effect, Effect::Refuse);
        let verdict = judgement.verdict;
        assert_eq!(
            (verdict.starttls.as_str(), verdict.certificates.as_str()),
            ("not-applicable", "not-applicable")
        );
        assert_eq!((verdict.sts.as_str(), verdict.opportunistic.as_str()), ("deferred", "deferred"));
        assert_eq!(case.outcome("mx-unreachable"), Outcome::NotApplicable);
    }
}

#[test]
fn rfc5321_5_1_an_alias_is_a_violation_and_is_judged_all_the_same() {
    let mut host = Host::sound(HOST);
    host.row.a.cnames = dangling::<()>(HOST, 0).cnames;
    let case = Case::with_host(&host);
    assert_eq!(case.violations(), ["mx-unresolvable/cname"]);
    assert_eq!(case.judge().verdict.starttls, "all");
}

#[test]
fn rfc5321_5_1_what_is_no_host_name() {
    for (exchange, cause) in
        [("192.0.2.1", "ip-literal"), ("[2001:db8::1]", "ip-literal"), ("localhost", "localhost")]
    {
        let mut case = Case::sound();
        case.domain.mx.records.push(mx(30, exchange));
        let violations = case.violations();
        assert!(violations.contains(&format!("mx-unresolvable/{cause}")), "{violations:?}");
        assert!(case.unknowns().is_empty());
        assert_eq!(case.judge().verdict.starttls, "all", "it is left out");
    }
}

#[test]
fn rfc3207_each_way_to_have_no_tls() {
    let cases = [
        (ehlo("250 SIZE"), "starttls-absent", "no", "absent"),
        (rejected(), "starttls-rejected", "no", "rejected"),
        (unshaken(Cause::TlsAlert), "starttls-handshake/alert", "all", "offered"),
        (unshaken(Cause::Closed), "starttls-handshake/closed", "all", "offered"),
        (unshaken(Cause::Malformed), "starttls-handshake/not-tls", "all", "offered"),
    ];
    for (row, finding, starttls, host_word) in cases {
        let case = Case::with_session(row, None);
        assert_eq!(case.violations(), [finding]);
        assert!(case.unknowns().is_empty(), "{:?}", case.unknowns());
        let verdict = case.judge().verdict;
        assert_eq!((verdict.starttls.as_str(), verdict.certificates.as_str()), (starttls, "no"), "{finding}");
        assert_eq!((verdict.opportunistic.as_str(), verdict.sts.as_str()), ("cleartext", "deferred"));
        assert_eq!(verdict.refusing, 1);
        assert_eq!(case.hosts[HOST].assess(false).to_row(3).starttls, host_word);
    }
}

#[test]
fn a_mangled_keyword_is_a_violation_of_unknown_effect() {
    let case = Case::with_session(ehlo("250 XXXXXXXA"), None);
    assert_eq!(case.violations(), ["starttls-mangled"]);
    let judgement = case.judge();
    let finding = judgement.findings.iter().find(|f| f.outcome == Outcome::Violation).unwrap();
    assert_eq!(finding.effect, Effect::Unknown);
    let verdict = judgement.verdict;
    assert_eq!((verdict.starttls.as_str(), verdict.certificates.as_str()), ("unknown", "unknown"));
    assert_eq!((verdict.opportunistic.as_str(), verdict.sts.as_str()), ("unknown", "unknown"));
    assert_eq!((verdict.refusing, verdict.downgrading, verdict.lints), (0, 0, 0));
}

#[test]
fn rfc8461_4_2_each_way_to_have_no_valid_certificate() {
    for (problem, finding) in [
        (ChainProblem::Name, "mx-cert-name"),
        (ChainProblem::Expired, "mx-cert-expired/expired"),
        (ChainProblem::NotYetValid, "mx-cert-expired/not-yet-valid"),
        (ChainProblem::SelfSigned, "mx-cert-untrusted/self-signed"),
        (ChainProblem::UnknownRoot, "mx-cert-untrusted/unknown-root"),
        (ChainProblem::MissingIntermediate, "mx-cert-untrusted/missing-intermediate"),
    ] {
        let case = Case::with_session(session(HOST, "192.0.2.1"), Some(chain(&[problem])));
        assert_eq!(case.violations(), [finding]);
        let verdict = case.judge().verdict;
        assert_eq!((verdict.starttls.as_str(), verdict.certificates.as_str()), ("all", "no"));
        assert_eq!((verdict.opportunistic.as_str(), verdict.sts.as_str()), ("encrypted", "deferred"));
        let row = case.hosts[HOST].assess(false).to_row(1);
        assert_eq!(row.certificate_violations, [finding.split('/').next().unwrap()]);
        assert_eq!(row.certificate, "invalid");
    }
}

#[test]
fn a_host_counts_whether_or_not_the_domain_has_a_policy() {
    let mut case = Case::with_session(ehlo("250 SIZE"), None);
    case.domain.sts_txt = lookup("_mta-sts.d.example", 3, Vec::new());
    case.policy = None;
    assert_eq!(case.violations(), ["starttls-absent"]);
    let judgement = case.judge();
    assert_eq!(judgement.findings[0].effect, Effect::None);
    assert_eq!((judgement.verdict.refusing, judgement.verdict.lints), (0, 1));
}

#[test]
fn a_host_that_was_not_reached_is_unknown_and_violates_nothing() {
    for (row, rule) in [(unreachable(), "mx-unreachable"), (refused(), "mx-refused-us")] {
        let case = Case::with_session(row, None);
        assert!(case.violations().is_empty());
        assert!(case.unknowns().contains(&rule.to_owned()));
        assert_eq!(
            case.unknowns().iter().filter(|name| name.starts_with("mx-")).count(),
            7,
            "itself, and what a handshake shows"
        );
        for rule in STARTTLS {
            assert_eq!(case.outcome(rule), Outcome::Unknown, "{rule}");
        }
        let verdict = case.judge().verdict;
        assert_eq!((verdict.starttls.as_str(), verdict.sts.as_str()), ("unknown", "unknown"));
        assert_eq!(
            (verdict.opportunistic_attacker.as_str(), verdict.sts_attacker.as_str()),
            ("unknown", "nothing")
        );
    }
    assert_eq!(Host::with_sessions(HOST, vec![(refused(), None)]).assess(false).refused_code, Some(554));
}

#[test]
fn what_we_did_not_measure_says_nothing_of_reach() {
    let mut missing = Case::sound();
    missing.hosts.clear();
    let mut unanswered = Host::with_sessions(HOST, Vec::new());
    unanswered.row.a = timed_out(HOST);
    let mut unasked = Host::sound(HOST);
    unasked.sessions.clear();
    let withheld = cut(HOST, "192.0.2.1", 0, Ending::withheld(Stage::Connect, OwnCause::Throttle));
    let cases = [
        missing,
        Case::with_host(&unanswered),
        Case::with_host(&unasked),
        Case::with_session(withheld, None),
    ];
    for case in cases {
        assert!(case.violations().is_empty());
        assert_eq!(case.outcome("starttls-absent"), Outcome::Unknown);
        assert_eq!(case.outcome("mx-cert-expired"), Outcome::Unknown);
        assert_eq!(case.outcome("mx-unreachable"), Outcome::NotApplicable);
        assert_eq!(case.judge().verdict.starttls, "unknown");
    }
}

#[test]
fn a_host_at_addresses_that_are_not_global_is_as_good_as_none() {
    let private = |address: &str| {
        (cut(HOST, address, 0, Ending::withheld(Stage::Connect, OwnCause::NotRoutable)), None)
    };
    let host = Host::with_sessions(HOST, vec![private("10.1.2.3"), private("192.168.0.1")]);
    let case = Case::with_host(&host);
    assert_eq!(case.violations(), ["mx-unresolvable/not-global"]);
    assert_eq!(case.judge().findings[0].detail.as_deref(), Some("10.1.2.3, 192.168.0.1"));
    assert_eq!(case.judge().verdict.sts, "deferred");
    let sound = (session(HOST, "192.0.2.1"), Some(chain(&[])));
    let mixed = Case::with_host(&Host::with_sessions(HOST, vec![private("10.1.2.3"), sound]));
    assert!(mixed.violations().is_empty(), "a sender goes on to the other address");
}

#[test]
fn an_address_that_was_not_reached_does_not_matter_beside_one_that_was() {
    let host = two(session(HOST, "192.0.2.1"), unreachable());
    let case = Case::with_host(&host);
    assert!(case.judge().findings.is_empty(), "{:?}", case.judge().findings);
    let row = host.assess(false).to_row(2);
    assert_eq!((row.addresses, row.judged, row.starttls.as_str(), row.domains), (2, 1, "offered", 2));
    assert_eq!(row.tls_versions, ["TLSv1.3"]);
}

#[test]
fn a_chain_that_could_not_be_had_does_not_matter_beside_one_that_could() {
    let judged = (session(HOST, "192.0.2.1"), Some(chain(&[])));
    let unjudged = (session(HOST, "192.0.2.2"), None);
    for sessions in [vec![judged.clone(), unjudged.clone()], vec![unjudged, judged]] {
        let case = Case::with_host(&Host::with_sessions(HOST, sessions));
        assert_eq!(case.outcome("mx-cert-name"), Outcome::Pass);
    }
}

#[test]
fn an_address_with_a_mangled_keyword_leaves_open_what_a_sender_meets() {
    let host = two(session(HOST, "192.0.2.1"), ehlo("250 XXXXXXXA"));
    let verdict = Case::with_host(&host).judge().verdict;
    assert_eq!((verdict.opportunistic.as_str(), verdict.sts.as_str()), ("unknown", "authenticated"));
}

#[test]
fn addresses_that_differ() {
    let host = two(session(HOST, "192.0.2.1"), ehlo("250 SIZE"));
    let case = Case::with_host(&host);
    assert_eq!(case.violations(), ["starttls-absent"]);
    assert_eq!(host.assess(false).to_row(1).starttls, "varies");
    let verdict = case.judge().verdict;
    assert_eq!((verdict.starttls.as_str(), verdict.certificates.as_str()), ("some", "some"));
    assert_eq!((verdict.opportunistic.as_str(), verdict.sts.as_str()), ("cleartext", "authenticated"));
}

#[test]
fn hosts_that_differ() {
    let words = |first: (SmtpSessionRow, Option<ChainAssessment>)| {
        let mut case = Case::sound();
        case.hosts.insert(HOST.to_owned(), Host::with_sessions(HOST, vec![first]));
        let verdict = case.judge().verdict;
        (verdict.starttls, verdict.certificates)
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(words((ehlo("250 SIZE"), None)), pair("some", "some"));
    assert_eq!(words((unshaken(Cause::TlsAlert), None)), pair("all", "some"));
    assert_eq!(words((unreachable(), None)), pair("unknown", "unknown"));
    assert_eq!(words((session(HOST, "192.0.2.1"), Some(chain(&[ChainProblem::Name])))), pair("all", "some"));
    assert_eq!(words((session(HOST, "192.0.2.1"), None)), pair("all", "unknown"));
}

#[test]
fn certificates_that_end_soon_or_differ_are_lints() {
    let mut ending = chain(&[]);
    ending.not_after = Some(NOW + 3 * DAY);
    let case = Case::with_session(session(HOST, "192.0.2.1"), Some(ending));
    assert_eq!(case.violations(), ["mx-cert-expiring"]);
    let mut other = session(HOST, "192.0.2.2");
    other.tls.as_mut().unwrap().chain[0] = [2; 32].to_vec().into();
    let host = two(session(HOST, "192.0.2.1"), other);
    let case = Case::with_host(&host);
    assert_eq!(case.violations(), ["mx-cert-varies"]);
    assert_eq!(case.judge().verdict.lints, 1);
    assert_eq!(
        Case::with_host(&two(session(HOST, "192.0.2.1"), session(HOST, ""))).outcome("mx-cert-varies"),
        Outcome::Pass
    );
}

#[test]
fn rfc8996_a_host_that_takes_nothing_newer_than_tls_1_1() {
    let refused = |alert: &str, hello: Option<Option<&str>>| {
        let mut row = unshaken(Cause::TlsAlert);
        row.tls.as_mut().expect("a handshake").alert = Some(alert.to_owned());
        row.legacy = hello.map(|version| LegacyHello {
            elapsed_us: 1,
            offered: "TLSv1.3".to_owned(),
            version: version.map(str::to_owned),
            cipher_suite: version.map(|_| "TLS_RSA_WITH_AES_128_CBC_SHA".to_owned()),
            group: None,
            chain: Vec::new(),
            alert: None,
            ending: Ending::Completed,
        });
        Case::with_session(row, None)
    };
    for (version, cause) in [("TLSv1.1", "tls-1-1"), ("TLSv1.0", "tls-1-0"), ("SSLv3", "ssl-3")] {
        // Whatever the alert: it has no version in common with a sender of today.
        for alert in ["protocol_version", "handshake_failure"] {
            let wanted = ["starttls-handshake/protocol-version".to_owned(), format!("mx-tls-old/{cause}")];
            assert_eq!(refused(alert, Some(Some(version))).violations(), wanted);
        }
    }
    let neither = refused("handshake_failure", Some(None));
    assert_eq!(neither.violations(), ["starttls-handshake/alert"]);
    assert_eq!(neither.outcome("mx-tls-old"), Outcome::NotApplicable);
    let odd = refused("handshake_failure", Some(Some("TLSv1.2")));
    assert_eq!(odd.violations(), ["starttls-handshake/alert"]);
    assert_eq!(odd.outcome("mx-tls-old"), Outcome::Pass, "TLS 1.2 is not old, whatever the suite");
    let finding = odd.judge().findings.into_iter().find(|finding| finding.rule.name == "starttls-handshake");
    let detail = finding.and_then(|finding| finding.detail).unwrap();
    assert!(detail.ends_with("; it takes TLSv1.2 TLS_RSA_WITH_AES_128_CBC_SHA"), "{detail}");
    let verdict = odd.judge().verdict;
    assert_eq!([verdict.opportunistic, verdict.sts], ["unknown"; 2], "senders that have the suite deliver");
    let verdict = neither.judge().verdict;
    assert_eq!([verdict.opportunistic, verdict.sts], ["cleartext", "deferred"]);
    let unasked = refused("protocol_version", None);
    assert_eq!(unasked.unknowns(), ["mx-tls-old"]);
    assert_eq!(Case::sound().outcome("mx-tls-old"), Outcome::Pass);
}

#[test]
fn what_was_shown_to_another_name_speaks_for_this_one_only_if_it_is_valid_for_it() {
    let reused = |problems: &[ChainProblem]| {
        let mut row = session(HOST, "192.0.2.1");
        row.reused_from = Some("mx2.d.example".to_owned());
        Case::with_session(row, Some(chain(problems)))
    };
    for rule in ["mx-cert-name", "mx-cert-expired", "mx-cert-untrusted"] {
        assert_eq!(reused(&[]).outcome(rule), Outcome::Pass, "{rule}");
        assert_eq!(reused(&[ChainProblem::Expired]).outcome(rule), Outcome::Unknown, "{rule}");
    }
    for rule in STARTTLS {
        assert_eq!(
            reused(&[ChainProblem::Expired]).outcome(rule),
            Outcome::Pass,
            "{rule}: it is said before any name"
        );
    }
}
