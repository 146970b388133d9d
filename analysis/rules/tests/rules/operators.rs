//! Who operates a domain's mail, policy host and DNS, and how that is known.

use mxray_evidence::{Cname, NsRecord};

use crate::case::{Case, Host, lookup, mx, timed_out};

fn case() -> Case {
    let mut case = Case::sound();
    let servers = ["ns1.dns.example", "ns2.dns.example", "ns.d.example"];
    let servers = servers.map(|name| NsRecord { nameserver: name.into(), ttl: 60 });
    case.domain.ns = lookup("d.example", 0, servers.into());
    case
}

fn alias(owner: &str, target: &str) -> Cname {
    Cname { owner: owner.into(), target: target.into(), ttl: 60 }
}

#[track_caller]
fn is(case: &Case, mail: (Option<&str>, &str), policy: (Option<&str>, &str), dns: (Option<&str>, &str)) {
    let verdict = case.judge().verdict;
    assert_eq!((verdict.mail_operator.as_deref(), verdict.mail_operator_by.as_str()), mail, "mail");
    assert_eq!((verdict.policy_operator.as_deref(), verdict.policy_operator_by.as_str()), policy, "policy");
    assert_eq!((verdict.dns_operator.as_deref(), verdict.dns_operator_by.as_str()), dns, "dns");
}

const DNS: (Option<&str>, &str) = (Some("dns.example"), "ns");

#[test]
fn at_names_of_the_domains_own_it_may_be_who_runs_its_name_servers() {
    is(&case(), DNS, DNS, DNS);
    let mut own = case();
    own.domain.ns.records.drain(..2);
    is(&own, (None, "own"), (None, "own"), (None, "own"));
    let mut unmeasured = case();
    unmeasured.domain.ns = timed_out("d.example");
    is(&unmeasured, (None, "unknown"), (None, "unknown"), (None, "unknown"));
}

#[test]
fn a_name_of_the_operators_says_more() {
    let mut named = case();
    named.domain.mx.records = vec![mx(10, "mx1.mail.example"), mx(20, "mx2.mail.example")];
    let row = named.policy_row();
    row.a.cnames =
        vec![alias("mta-sts.d.example", "web.d.example"), alias("web.d.example", "x.policy.example")];
    is(&named, (Some("mail.example"), "mx"), (Some("policy.example"), "cname"), DNS);

    let mut aliased = case();
    aliased.domain.mx.records.truncate(1);
    let mut host = Host::sound("mx1.d.example");
    host.row.a.cnames = vec![alias("mx1.d.example", "in.mail.example")];
    aliased.hosts = [("mx1.d.example".to_owned(), host)].into();
    is(&aliased, (Some("mail.example"), "cname"), DNS, DNS);
}

#[test]
fn of_several_operators_the_most_preferred_is_named() {
    let mut several = case();
    several.domain.mx.records = vec![mx(20, "mx.backup.example"), mx(10, "mx.mail.example")];
    is(&several, (Some("mail.example"), "first-mx"), DNS, DNS);
    several.domain.mx.records = vec![mx(20, "mx.backup.example"), mx(10, "mx1.d.example")];
    is(&several, (None, "first-mx"), DNS, DNS);
}

#[test]
fn where_there_is_nothing_to_run_nobody_does() {
    let mut nowhere = case();
    nowhere.domain.mx.records = vec![mx(0, ".")];
    nowhere.domain.sts_txt = lookup("_mta-sts.d.example", 3, vec![]);
    is(&nowhere, (None, "not-applicable"), (None, "not-applicable"), DNS);
    nowhere.domain.mx = timed_out("d.example");
    nowhere.domain.ns = lookup("d.example", 0, vec![]);
    is(&nowhere, (None, "unknown"), (None, "not-applicable"), (None, "not-applicable"));
}

#[test]
fn the_letters_of_the_rules_are_their_outcomes() {
    let judgement = case().judge();
    let letters: String = judgement.outcomes.iter().map(|outcome| outcome.letter()).collect();
    assert_eq!(judgement.verdict.outcomes, letters);
    assert!(letters.contains('p') && letters.contains('-'), "{letters}");
}
