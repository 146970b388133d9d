//! Who runs a domain's policy host and its MX hosts.

use mxray_evidence::Cname;

use crate::case::{Case, lookup, mx, timed_out};

/// The CNAME chain of the policy host, in both lookups.
fn through(case: &mut Case, targets: &[&str]) {
    let row = case.policy_row();
    let chain = |owner: &str| -> Vec<Cname> {
        let mut owner = owner.to_owned();
        let link = |target: &&str| {
            let owner = std::mem::replace(&mut owner, (*target).to_owned());
            Cname { owner: owner.into(), target: (*target).into(), ttl: 60 }
        };
        targets.iter().map(link).collect()
    };
    row.a.cnames = chain(&row.host);
    row.aaaa.cnames = chain(&row.host);
}

fn policy_hosting(case: &Case) -> String {
    case.judge().verdict.policy_hosting
}

#[test]
fn a_policy_host_is_a_third_partys_where_its_cname_leads_out_of_the_domain() {
    let mut case = Case::sound();
    assert_eq!(policy_hosting(&case), "self-managed");
    through(&mut case, &["web.d.example"]);
    assert_eq!(policy_hosting(&case), "self-managed");
    through(&mut case, &["policies.provider.example"]);
    assert_eq!(policy_hosting(&case), "third-party");
    through(&mut case, &["web.d.example", "edge.cdn.example"]);
    assert_eq!(policy_hosting(&case), "third-party");
}

#[test]
fn a_policy_host_that_is_gone_still_says_whose_it_was() {
    let mut case = Case::sound();
    case.policy_row().a = lookup("mta-sts.d.example", 3, vec![]);
    assert_eq!(policy_hosting(&case), "self-managed");
    through(&mut case, &["gone.provider.example"]);
    assert_eq!(policy_hosting(&case), "third-party");
}

#[test]
fn what_was_not_measured_is_nobodys() {
    let mut case = Case::sound();
    case.policy_row().a = timed_out("mta-sts.d.example");
    case.policy_row().aaaa = timed_out("mta-sts.d.example");
    assert_eq!(policy_hosting(&case), "unknown");
    case.policy = None;
    assert_eq!(policy_hosting(&case), "unknown");
    case.domain.sts_txt = timed_out("_mta-sts.d.example");
    assert_eq!(policy_hosting(&case), "unknown");
    case.domain.sts_txt = lookup("_mta-sts.d.example", 3, vec![]);
    assert_eq!(policy_hosting(&case), "not-applicable");
    case.domain.mx = timed_out("d.example");
    assert_eq!(case.judge().verdict.mx_hosting, "unknown");
}

#[test]
fn mail_is_mixed_where_one_host_is_the_domains_own_and_another_is_not() {
    let mut case = Case::sound();
    assert_eq!(case.judge().verdict.mx_hosting, "self-managed");
    case.domain.mx.records.push(mx(30, "mx.provider.example"));
    assert_eq!(case.judge().verdict.mx_hosting, "mixed");
    case.domain.mx.records.drain(..2);
    assert_eq!(case.judge().verdict.mx_hosting, "third-party");
}
