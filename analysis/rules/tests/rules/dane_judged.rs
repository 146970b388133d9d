//! DANE at a domain: what is found, and what a sender does.

use mxray_evidence::{ByteBuf, Cause, Cname, Ending, ExtendedError, Lookup, OwnCause, Stage, TlsaRecord};
use mxray_rules::{ChainProblem, DaneOutcome, NearMiss, Outcome};

use crate::case::{Case, Host, address, chain, cut, lookup, mx, reply, session, timed_out};

const MATCH: DaneOutcome = DaneOutcome::Authenticated { record: 0, depth: Some(0) };
const MISMATCH: DaneOutcome = DaneOutcome::Mismatch(NearMiss::None);

fn tlsa(host: &str) -> Lookup<TlsaRecord> {
    let record = TlsaRecord { usage: 3, selector: 1, matching: 1, data: ByteBuf::from([7; 32]), ttl: 60 };
    secure(lookup(&format!("_25._tcp.{host}"), 0, vec![record]))
}

fn secure<R>(lookup: Lookup<R>) -> Lookup<R> {
    Lookup { authenticated: Some(true), ..lookup }
}

fn bogus<R>(name: &str) -> Lookup<R> {
    Lookup { unchecked_rcode: Some(0), ..lookup(name, 2, Vec::new()) }
}

/// A host in a signed zone, without TLSA records.
fn signed(name: &str) -> Host {
    let mut host = Host::sound(name);
    host.row.a = secure(host.row.a);
    host.row.aaaa = secure(host.row.aaaa);
    host.row.tlsa = secure(host.row.tlsa);
    host
}

/// The same with a usable record, of which each session makes `outcome`.
fn guarded(name: &str, outcome: DaneOutcome) -> Host {
    let mut host = signed(name);
    host.row.tlsa = tlsa(name);
    host.dane = Some(outcome);
    host
}

/// A domain with a signed MX set and these hosts, by falling preference, and no MTA-STS.
fn with_hosts(hosts: &[Host]) -> Case {
    let mut case = Case::sound();
    case.dnssec = true;
    case.domain.sts_txt.records.clear();
    case.policy = None;
    case.domain.mx = secure(case.domain.mx);
    let places = hosts.iter().zip(1..);
    case.domain.mx.records = places.map(|(host, place)| mx(10 * place, &host.row.host)).collect();
    case.hosts = hosts.iter().map(|host| (host.row.host.clone(), host.clone())).collect();
    case
}

/// The same beside an enforced policy that every host matches.
fn enforced(hosts: &[Host]) -> Case {
    let mut case = with_hosts(hosts);
    let sound = Case::sound();
    (case.domain.sts_txt, case.policy) = (sound.domain.sts_txt, sound.policy);
    case
}

fn senders(case: &Case) -> [String; 4] {
    let verdict = case.judge().verdict;
    [verdict.dane, verdict.dane_attacker, verdict.both, verdict.both_attacker]
}

const A: &str = "mx1.d.example";
const B: &str = "mx2.d.example";

#[test]
fn rfc7672_2_2_a_host_with_a_record_that_matches_is_authenticated() {
    let case = with_hosts(&[guarded(A, MATCH), guarded(B, MATCH)]);
    assert_eq!(case.violations(), [""; 0]);
    assert_eq!(senders(&case), ["authenticated", "nothing", "authenticated", "nothing"]);
    let verdict = case.judge().verdict;
    let words = [verdict.mx_dnssec, verdict.tlsa_present, verdict.tlsa, verdict.tlsa_matching];
    assert_eq!(words, ["secure", "all", "all", "all"]);
    for rule in ["dnssec-bogus", "tlsa-mismatch", "tlsa-partial", "tlsa-behind-insecure-mx", "tlsa-unusable"]
    {
        assert_eq!(case.outcome(rule), Outcome::Pass, "{rule}");
    }
}

#[test]
fn without_resolvers_that_validate_nothing_is_said() {
    let mut case = with_hosts(&[guarded(A, MISMATCH)]);
    case.dnssec = false;
    assert_eq!((case.violations(), case.unknowns()), (Vec::new(), Vec::new()));
    assert_eq!(senders(&case), ["unknown"; 4]);
    assert_eq!(case.judge().verdict.tlsa, "unknown");
}

#[test]
fn rfc7672_2_2_a_host_that_matches_no_record_is_left_out() {
    let case = with_hosts(&[guarded(A, MISMATCH)]);
    assert_eq!(case.violations(), ["tlsa-mismatch/other"]);
    assert_eq!(senders(&case), ["deferred", "nothing", "deferred", "nothing"]);
    let finding = case.judge().findings.remove(0);
    assert_eq!((finding.effect.as_str(), finding.rule.report_type), ("refuse", Some("tlsa-invalid")));
    // The next host takes over, and nobody else can.
    let case = with_hosts(&[guarded(A, MISMATCH), guarded(B, MATCH)]);
    let verdict = case.judge().verdict;
    assert_eq!([verdict.tlsa.as_str(), &verdict.tlsa_matching], ["all", "some"]);
    assert_eq!(senders(&case), ["authenticated", "nothing", "authenticated", "nothing"]);
}

#[test]
fn rfc8461_2_mta_sts_does_not_make_up_for_dane() {
    let case = enforced(&[guarded(A, MISMATCH)]);
    assert_eq!(case.violations(), ["mx-pattern-unused", "tlsa-mismatch/other", "dane-sts-conflict"]);
    let verdict = case.judge().verdict;
    assert_eq!((verdict.sts.as_str(), verdict.both.as_str()), ("authenticated", "deferred"));
    // And DANE makes up for a certificate that MTA-STS would refuse.
    let mut host = guarded(A, MATCH);
    host.sessions[0].1 = Some(chain(&[ChainProblem::SelfSigned]));
    let verdict = enforced(&[host]).judge().verdict;
    assert_eq!((verdict.sts.as_str(), verdict.both.as_str()), ("deferred", "authenticated"));
}

#[test]
fn where_dane_has_nothing_to_say_the_policy_decides() {
    let case = enforced(&[signed(A), signed(B)]);
    assert_eq!(case.violations(), [""; 0]);
    assert_eq!(senders(&case), ["encrypted", "the-message", "authenticated", "nothing"]);
    assert_eq!(case.judge().verdict.tlsa, "no");
    let mut wrong = signed(A);
    wrong.sessions[0].1 = Some(chain(&[ChainProblem::Name]));
    assert_eq!(senders(&enforced(&[wrong])), ["encrypted", "the-message", "deferred", "nothing"]);
}

#[test]
fn rfc8461_5_a_host_that_the_policy_does_not_name_is_refused_whatever_it_would_have_said() {
    let another = "mx.another.example";
    let mut silent = signed(another);
    silent.sessions[0] =
        (cut(another, "192.0.2.1", 0, Ending::stopped(Stage::Connect, Cause::Timeout)), None);
    let case = enforced(&[silent.clone()]);
    assert_eq!(senders(&case), ["unknown", "unknown", "deferred", "nothing"]);
    // The next host takes over; and one that the policy names, and that was not measured, may.
    assert_eq!(senders(&enforced(&[silent.clone(), signed(A)]))[2..], ["authenticated", "nothing"]);
    let mut named = signed(A);
    named.sessions[0] = (cut(A, "192.0.2.1", 0, Ending::stopped(Stage::Connect, Cause::Timeout)), None);
    assert_eq!(senders(&enforced(&[silent.clone(), named]))[2..], ["unknown", "unknown"]);
    // DANE would have come first: what is not known of it leaves the host's lot open.
    silent.row.tlsa = timed_out(&format!("_25._tcp.{another}"));
    assert_eq!(senders(&enforced(&[silent]))[2..], ["unknown", "unknown"]);
}

#[test]
fn a_host_without_records_lets_an_attacker_in() {
    let case = with_hosts(&[guarded(A, MATCH), signed(B)]);
    assert_eq!(case.violations(), ["tlsa-partial"]);
    assert_eq!(senders(&case), ["authenticated", "the-message", "authenticated", "the-message"]);
    assert_eq!(case.judge().verdict.tlsa, "some");
}

#[test]
fn rfc7672_2_2_1_an_unsigned_mx_set_lets_an_attacker_in() {
    let mut case = with_hosts(&[guarded(A, MATCH)]);
    case.domain.mx.authenticated = Some(false);
    assert_eq!(case.violations(), ["tlsa-behind-insecure-mx"]);
    assert_eq!(senders(&case), ["authenticated", "the-message", "authenticated", "the-message"]);
}

#[test]
fn rfc7672_2_2_records_that_are_not_signed_are_ignored() {
    let mut host = guarded(A, MATCH);
    host.row.tlsa.authenticated = Some(false);
    host.dane = None;
    let case = with_hosts(&[host]);
    assert_eq!(case.violations(), ["tlsa-insecure/record"]);
    assert_eq!(senders(&case), ["encrypted", "the-message", "encrypted", "the-message"]);
    let mut host = guarded(A, MATCH);
    host.row.a.authenticated = Some(false);
    let case = with_hosts(&[host]);
    assert_eq!(case.violations(), ["tlsa-insecure/address"]);
    assert_eq!(senders(&case), ["encrypted", "the-message", "encrypted", "the-message"]);
}

#[test]
fn rfc7672_2_1_3_a_tlsa_lookup_that_fails_defers_and_never_downgrades() {
    for (code, cause) in [(2, "servfail"), (5, "refused"), (4, "other")] {
        let mut host = signed(A);
        host.row.tlsa = lookup("_25._tcp.mx1.d.example", code, Vec::new());
        let case = with_hosts(&[host]);
        assert_eq!(case.violations(), [format!("tlsa-lookup-fails/{cause}")]);
        assert_eq!(senders(&case), ["deferred", "nothing", "deferred", "nothing"]);
    }
    // No answer at all is ours as likely as theirs.
    let mut host = signed(A);
    host.row.tlsa = timed_out("_25._tcp.mx1.d.example");
    let case = with_hosts(&[host]);
    assert_eq!((case.violations(), case.unknowns()), (Vec::new(), vec!["tlsa-lookup-fails".to_owned()]));
    assert_eq!(senders(&case), ["unknown"; 4]);
}

#[test]
fn what_does_not_validate_is_deferred() {
    let mut host = signed(A);
    host.row.tlsa = bogus("_25._tcp.mx1.d.example");
    let case = with_hosts(&[host]);
    assert_eq!(case.violations(), ["dnssec-bogus/tlsa"]);
    assert_eq!(senders(&case), ["deferred", "nothing", "deferred", "nothing"]);

    let mut host = signed(A);
    (host.row.a, host.row.aaaa) = (bogus(A), bogus(A));
    host.sessions.clear();
    let case = with_hosts(&[host]);
    assert_eq!(case.violations(), ["dnssec-bogus/address"]);
    assert_eq!(senders(&case), ["deferred", "nothing", "deferred", "nothing"]);

    let mut case = with_hosts(&[]);
    case.domain.mx = bogus("d.example");
    assert_eq!(case.violations(), ["dnssec-bogus/mx"]);
    assert_eq!(senders(&case), ["deferred", "nothing", "deferred", "nothing"]);
    // A SERVFAIL that is one with validation off as well says nothing of DNSSEC.
    case.domain.mx = Lookup { unchecked_rcode: Some(2), ..bogus("d.example") };
    assert_eq!(case.violations(), [""; 0]);
    assert_eq!(case.outcome("dnssec-bogus"), Outcome::Unknown);
    assert_eq!(senders(&case), ["unknown"; 4]);
}

#[test]
fn rfc7672_2_2_2_a_signed_alias_of_an_unsigned_name_has_records_of_its_own() {
    fn alias<R>(lookup: Lookup<R>) -> Lookup<R> {
        let cname = Cname { owner: A.into(), target: "mx.plain.example".into(), ttl: 60 };
        Lookup { authenticated: Some(false), cnames: vec![cname], ..lookup }
    }
    let mut host = guarded(A, MATCH);
    (host.row.a, host.row.aaaa) = (alias(host.row.a), alias(host.row.aaaa));
    let case = with_hosts(&[host.clone()]);
    assert_eq!(case.violations(), ["mx-unresolvable/cname"]);
    assert_eq!(senders(&case), ["authenticated", "nothing", "authenticated", "nothing"]);
    let mut unmeasured = host.clone();
    unmeasured.row.tlsa = lookup(&host.row.tlsa.name, 2, Vec::new());
    let case = with_hosts(&[unmeasured]);
    assert_eq!(
        (case.outcome("tlsa-lookup-fails"), senders(&case)[0].as_str()),
        (Outcome::Unknown, "unknown")
    );
    // Without a signature the records count for nothing, and those at the target's name are not the alias's.
    host.row.tlsa.authenticated = Some(false);
    assert!(with_hosts(&[host.clone()]).violations().contains(&"tlsa-insecure/address".to_owned()));
    host.row.tlsa = tlsa("mx.plain.example");
    assert!(with_hosts(&[host]).violations().contains(&"tlsa-insecure/address".to_owned()));
}

#[test]
fn rfc8914_data_that_a_resolver_calls_bogus_is() {
    fn doubted<R>(lookup: Lookup<R>) -> Lookup<R> {
        let error = ExtendedError { code: 7, text: ByteBuf::new(), unchecked: false };
        Lookup { authenticated: Some(false), extended_errors: vec![error], ..lookup }
    }
    let mut host = guarded(A, MATCH);
    host.row.tlsa = doubted(host.row.tlsa);
    let case = with_hosts(&[host]);
    assert_eq!(case.violations(), ["dnssec-bogus/tlsa"]);
    assert_eq!(senders(&case), ["deferred", "nothing", "deferred", "nothing"]);

    let mut host = guarded(A, MATCH);
    (host.row.a, host.row.aaaa) = (doubted(host.row.a), doubted(host.row.aaaa));
    assert_eq!(with_hosts(&[host]).violations(), ["dnssec-bogus/address"]);

    let mut case = with_hosts(&[guarded(A, MATCH)]);
    case.domain.mx = doubted(case.domain.mx);
    assert!(case.violations().contains(&"dnssec-bogus/mx".to_owned()));
}

#[test]
fn rfc7672_2_2_unusable_records_ask_for_tls_and_authenticate_nobody() {
    let unusable = || {
        let mut host = guarded(A, DaneOutcome::Unusable);
        host.row.tlsa.records[0].usage = 1;
        host
    };
    let case = with_hosts(&[unusable()]);
    assert_eq!(case.violations(), ["tlsa-unusable/pkix-usage"]);
    assert_eq!(senders(&case), ["encrypted", "the-message", "encrypted", "the-message"]);
    let mut clear = unusable();
    clear.sessions[0] = (without_starttls(A), None);
    let case = with_hosts(&[clear]);
    assert_eq!(senders(&case), ["deferred", "nothing", "deferred", "nothing"]);
}

fn without_starttls(host: &str) -> mxray_evidence::SmtpSessionRow {
    let mut row = session(host, "192.0.2.1");
    row.replies[1] = reply(Stage::Ehlo, 250, &["250-mx", "250 SIZE 1000"]);
    row.replies.truncate(2);
    row.tls = None;
    row.ending = Ending::stopped(Stage::Ehlo, Cause::NotOffered);
    row
}

#[test]
fn rfc7672_2_2_usable_records_without_starttls_mean_no_delivery() {
    let mut host = guarded(A, MATCH);
    host.sessions[0] = (without_starttls(A), None);
    host.dane = None;
    let case = with_hosts(&[host]);
    assert_eq!(case.violations(), ["starttls-absent", "tlsa-without-starttls"]);
    assert_eq!(senders(&case), ["deferred", "nothing", "deferred", "nothing"]);
}

#[test]
fn rfc7672_3_2_2_the_domains_own_name_counts_under_usage_2() {
    let mut host = guarded(A, DaneOutcome::AnchorName);
    let case = with_hosts(&[host.clone()]);
    assert_eq!(case.violations(), ["tlsa-anchor-name"]);
    assert_eq!(senders(&case)[0], "deferred");
    host.sessions[0].1.as_mut().expect("a chain").names = vec!["*.example".to_owned()];
    let mut case = with_hosts(&[host]);
    assert_eq!(case.violations(), [""; 0]);
    assert_eq!(senders(&case)[0], "authenticated");
    // Whoever forges an MX set that is not signed would lead mail to any host that is for the domain.
    case.domain.mx.authenticated = Some(false);
    assert_eq!(case.violations(), ["tlsa-anchor-name", "tlsa-behind-insecure-mx"]);
    assert_eq!(senders(&case)[0], "deferred");
}

#[test]
fn rfc7672_3_2_2_the_name_that_the_domain_is_an_alias_of_counts_too() {
    let mut host = guarded(A, DaneOutcome::AnchorName);
    host.sessions[0].1.as_mut().expect("a chain").names = vec!["real.example".to_owned()];
    let mut case = with_hosts(&[host]);
    let (owner, target) = (case.domain.domain.clone(), "real.example".to_owned());
    case.domain.mx.cnames.push(Cname { owner, target: target.into(), ttl: 60 });
    assert_eq!(case.violations(), [""; 0]);
    assert_eq!(senders(&case)[0], "authenticated");
}

#[test]
fn rfc8461_2_records_that_nobody_can_use_leave_the_host_to_the_policy() {
    let unusable = |problems: &[ChainProblem]| {
        let mut host = guarded(A, DaneOutcome::Unusable);
        host.row.tlsa.records[0].usage = 1;
        host.sessions[0].1 = Some(chain(problems));
        host
    };
    let case = enforced(&[unusable(&[])]);
    assert_eq!(senders(&case), ["encrypted", "the-message", "authenticated", "nothing"]);
    let case = enforced(&[unusable(&[ChainProblem::SelfSigned])]);
    assert_eq!(senders(&case), ["encrypted", "the-message", "deferred", "nothing"]);
}

#[test]
fn rfc8461_5_a_policy_in_mode_none_conflicts_with_nothing() {
    let mut case = enforced(&[guarded(A, MISMATCH)]);
    case.policy =
        Case::with_policy("version: STSv1\nmode: none\nmax_age: 604800\nmx: mx1.d.example\n").policy;
    assert!(!case.violations().contains(&"dane-sts-conflict".to_owned()));
}

#[test]
fn each_way_to_fail_has_a_rule_of_its_own() {
    let cases = [
        (DaneOutcome::AnchorAbsent, "tlsa-anchor-absent"),
        (DaneOutcome::AnchorPath("expired".to_owned()), "tlsa-anchor-path"),
        (DaneOutcome::Mismatch(NearMiss::SelectorOrType), "tlsa-mismatch/selector-or-type"),
        (DaneOutcome::Mismatch(NearMiss::Usage), "tlsa-mismatch/usage"),
        (DaneOutcome::Mismatch(NearMiss::WeakerDigest), "tlsa-mismatch/weaker-digest"),
        (DaneOutcome::Mismatch(NearMiss::DigestOfNothing), "tlsa-mismatch/digest-of-nothing"),
        (MISMATCH, "tlsa-mismatch/other"),
    ];
    for (outcome, rule) in cases {
        let case = with_hosts(&[guarded(A, outcome)]);
        assert_eq!(case.violations(), [rule]);
        assert_eq!(senders(&case), ["deferred", "nothing", "deferred", "nothing"]);
    }
}

#[test]
fn what_was_not_measured_is_unknown() {
    let mut host = guarded(A, MATCH);
    let ending = Ending::withheld(Stage::Connect, OwnCause::Cancelled);
    host.sessions[0] = (cut(A, "192.0.2.1", 0, ending), None);
    host.dane = None;
    let case = with_hosts(&[host]);
    assert_eq!(case.violations(), [""; 0]);
    assert!(case.unknowns().contains(&"tlsa-mismatch".to_owned()));
    assert_eq!(senders(&case), ["unknown"; 4]);
}

#[test]
fn a_host_with_one_address_that_matches_and_one_that_does_not_is_reported() {
    // A sender goes on to the address that matches.
    let mut host = guarded(A, MATCH);
    host.row.a.records.push(address("192.0.2.9"));
    host.sessions.push((without_starttls(A), None));
    host.sessions[1].0.address = "192.0.2.9".to_owned();
    let case = with_hosts(&[host]);
    assert_eq!(case.violations(), ["starttls-absent", "tlsa-without-starttls"]);
    assert_eq!(senders(&case)[..2], ["authenticated", "nothing"]);
}
