//! What holds for every dossier.

use mxray_evidence::{Cause, Ending, OwnCause, Stage};
use mxray_rules::{ChainProblem, Effect, Outcome, rules};
use proptest::prelude::*;

use crate::case::{Case, Host, chain, lookup, mx, reply, timed_out, txt, withheld};

/// An ending of any kind, stage and cause.
fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        Just(Ending::Completed),
        (prop::sample::select(Stage::ALL), prop::sample::select(Cause::ALL))
            .prop_map(|(s, c)| Ending::stopped(s, c)),
        (prop::sample::select(Stage::ALL), prop::sample::select(OwnCause::ALL))
            .prop_map(|(s, c)| Ending::withheld(s, c)),
    ]
}

prop_compose! {
    /// A case in which anything may be anything.
    fn any_case()(
        sts in "(v=STSv1;? ?)?(id=)?[ -~]{0,20}",
        tlsrpt in "(v=TLSRPTv1;? ?)?(rua=)?[ -~]{0,20}",
        dns in prop::collection::vec(0_u8..8, 4),
        body in prop::collection::vec(any::<u8>(), 0..60),
        text in prop::option::of("version: STSv1\nmode: (enforce|testing|none)\n(mx: [a-z0-9.*]{1,14}\n){0,2}max_age: [0-9]{1,9}\n"),
        policy_ending in ending(),
        status in prop::option::of(prop::sample::select(vec![200_u16, 204, 301, 404, 500])),
        has_tls in any::<bool>(),
        problems in prop::option::of(prop::collection::vec(prop::sample::select(vec![
            ChainProblem::Name, ChainProblem::Expired, ChainProblem::SelfSigned]), 0..3)),
        session_ending in ending(),
        replies in prop::collection::vec((prop::sample::select(Stage::ALL), 200_u16..600), 0..6),
        exchanges in prop::collection::vec((0_u16..3, "\\.|localhost|mx[12]\\.d\\.example|192\\.0\\.2\\.[1-9]"), 0..4),
    ) -> Case {
        let mut case = Case::sound();
        case.domain.sts_txt.records = vec![txt(&sts)];
        case.domain.tlsrpt_txt.records = vec![txt(&tlsrpt)];
        case.domain.mx.records = exchanges.iter().map(|(preference, host)| mx(*preference, host)).collect();
        for (place, choice) in dns.into_iter().enumerate() {
            spoil(&mut case, place, choice);
        }
        let (row, policy_chain) = case.policy.as_mut().expect("a policy");
        row.body = Some(text.map_or(body, String::into_bytes).into());
        row.status = status;
        row.tls = row.tls.take().filter(|_| has_tls);
        row.ending = policy_ending.clone();
        row.connects[0].ending = policy_ending;
        *policy_chain = problems.as_ref().map(|problems| chain(problems));
        let host = case.hosts.get_mut("mx1.d.example").expect("a host");
        host.sessions[0].0.replies = replies.iter().map(|(stage, code)| reply(*stage, *code, &["250-mx", "250 STARTTLS"])).collect();
        host.sessions[0].0.ending = session_ending;
        host.sessions[0].1 = problems.map(|problems| chain(&problems));
        case
    }
}

/// Makes one of the lookups fail, or be of another kind; most choices leave it as it is.
fn spoil(case: &mut Case, place: usize, choice: u8) {
    macro_rules! spoil {
        ($lookup:expr) => {
            match choice {
                0 => $lookup = timed_out("x"),
                1 => $lookup = withheld("x"),
                2 => $lookup = lookup("x", 2, Vec::new()),
                3 => $lookup = lookup("x", 3, Vec::new()),
                _ => {}
            }
        };
    }
    match place {
        0 => spoil!(case.domain.sts_txt),
        1 => spoil!(case.domain.tlsrpt_txt),
        2 => spoil!(case.domain.mx),
        _ => spoil!(case.policy_row().a),
    }
}

/// Rules that make no finding in a run that was not asked for them.
const ON_REQUEST: [&str; 3] = ["sts-record-wrong-owner", "sts-policy-without-record", "tlsrpt-wrong-owner"];

proptest! {
    #[test]
    fn findings_outcomes_and_verdict_agree(case in any_case()) {
        let judgement = case.judge();
        prop_assert_eq!(judgement.outcomes.len(), rules().len());
        for (rule, outcome) in rules().iter().zip(&judgement.outcomes) {
            let of_rule = judgement.findings.iter().filter(|finding| finding.rule.id == rule.id);
            let worst = of_rule.clone().map(|finding| finding.outcome).max();
            let unasked = worst.is_none() && *outcome == Outcome::Unknown && ON_REQUEST.contains(&rule.name);
            prop_assert!(unasked || worst == (*outcome >= Outcome::Unknown).then_some(*outcome), "{}", rule.name);
            for finding in of_rule {
                let known = |cause: &str| rule.causes.iter().any(|doc| doc.name == cause || doc.name.starts_with('<'));
                prop_assert!(finding.cause.as_deref().is_none_or(known), "{} {:?}", rule.name, finding.cause);
                prop_assert!(finding.effect <= rule.effect.max(Effect::Unknown), "{}", rule.name);
                prop_assert!(finding.outcome == Outcome::Unknown || finding.cause.is_some() != rule.causes.is_empty(), "{}", rule.name);
            }
        }
        let count = |wanted: Effect| judgement.findings.iter().any(|f| f.outcome == Outcome::Violation && f.effect == wanted);
        prop_assert_eq!(judgement.verdict.refusing > 0, count(Effect::Refuse));
        prop_assert_eq!(judgement.verdict.downgrading > 0, count(Effect::Downgrade));
        prop_assert!(judgement.verdict.mode.is_some() == (judgement.verdict.policy == "valid"));
    }

    #[test]
    fn what_we_withheld_is_never_a_violation(case in any_case(), stage in prop::sample::select(Stage::ALL)) {
        let mut case = case;
        case.domain.sts_txt = withheld("x");
        case.domain.tlsrpt_txt = withheld("x");
        case.domain.mx.records = vec![mx(10, "mx1.d.example")];
        case.policy = None;
        let host = case.hosts.get_mut("mx1.d.example").expect("a host");
        host.sessions[0].0.replies.clear();
        host.sessions[0].0.ending = Ending::withheld(stage, OwnCause::Cancelled);
        let judgement = case.judge();
        prop_assert!(judgement.findings.iter().all(|finding| finding.outcome == Outcome::Unknown));
        prop_assert_eq!(judgement.verdict.sts, "unknown");
    }

    #[test]
    fn judging_twice_gives_the_same(case in any_case()) {
        let rows = |case: &Case| {
            let judgement = case.judge();
            let rows = judgement.findings.iter().map(|finding| finding.to_row("d.example")).collect::<Vec<_>>();
            (rows, judgement.verdict, judgement.outcomes)
        };
        let first = rows(&case);
        let mut case = case;
        case.domain.mx.records.reverse();
        prop_assert!(first == rows(&case), "the order of the answer does not count");
    }

    #[test]
    fn a_flaw_added_to_a_sound_domain_is_found_and_nothing_else_is(
        flaws in prop::collection::btree_set(0_usize..6, 0..6)
    ) {
        let mut case = Case::sound();
        let mut wanted = Vec::new();
        for flaw in flaws {
            wanted.push(add(&mut case, flaw));
        }
        let mut found = case.violations();
        found.sort();
        wanted.sort_unstable();
        prop_assert_eq!(found, wanted);
    }
}

/// Breaks one axis of a sound case, and names the finding.
fn add(case: &mut Case, flaw: usize) -> &'static str {
    match flaw {
        0 => {
            case.domain.sts_txt.records = vec![txt("v=STSv1; id=1; x")];
            "sts-record-extension"
        }
        1 => {
            case.policy.as_mut().expect("a policy").1 = Some(chain(&[ChainProblem::Name]));
            "sts-host-cert-name"
        }
        2 => {
            let text = crate::case::SOUND_POLICY.replace("2419200", "60");
            case.policy_row().body = Some(text.into_bytes().into());
            "sts-policy-max-age-short/under-a-day"
        }
        3 => {
            case.policy_row().headers.clear();
            "sts-fetch-media-type"
        }
        4 => {
            case.domain.tlsrpt_txt.records = vec![txt("v=TLSRPTv1;")];
            "tlsrpt-rua-missing"
        }
        _ => {
            let mut host = Host::sound("mx2.d.example");
            host.sessions[0].1 = Some(chain(&[ChainProblem::SelfSigned]));
            case.hosts.insert("mx2.d.example".to_owned(), host);
            "mx-cert-untrusted/self-signed"
        }
    }
}
