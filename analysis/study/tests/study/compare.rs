//! Comparison with a truth: what is missed and what is invented comes to light.

use std::path::Path;

use mxray_evidence::derived::{FindingRow, VerdictRow};
use mxray_evidence::{PartLabel, PartWriter, Table};
use mxray_study::{Agreement, ClassifyOptions, Defect, KnownDomain, classify, compare};

use crate::classify::rows;
use crate::run::small_run;

fn write<T: Table>(path: &Path, rows: &[T]) {
    let mut writer =
        PartWriter::create(path, &PartLabel { run_id: "0".into(), chunk: None }).expect("create");
    writer.write(rows).expect("write");
    writer.finish().expect("finish").publish().expect("publish");
}

/// Classifies a small run, takes the outcome for the truth, lets `bend` change both, and compares.
fn compare_bent(bend: impl Fn(&mut Vec<Defect>, &mut Vec<KnownDomain>, &mut Vec<FindingRow>)) -> Agreement {
    let folder = tempfile::tempdir().expect("a folder");
    let run = small_run(folder.path(), 2, 5);
    let classified = classify(&run, &ClassifyOptions::default()).expect("classify");
    let findings_path = run.derived_path::<FindingRow>(&classified.id);
    let mut findings = rows::<FindingRow>(&findings_path);
    findings.retain(|row| row.outcome == "violation");
    assert!(!findings.is_empty(), "there is something to miss");
    let mut defects: Vec<Defect> = findings
        .iter()
        .map(|row| Defect {
            domain: row.domain.clone(),
            subject: row.subject.clone(),
            rule: row.rule.clone(),
            outcome: row.outcome.clone(),
            cause: row.cause.clone(),
        })
        .collect();
    let mut known: Vec<KnownDomain> = rows::<VerdictRow>(&run.derived_path::<VerdictRow>(&classified.id))
        .into_iter()
        .map(|row| KnownDomain {
            domain: row.domain,
            record: row.record,
            policy: row.policy,
            mode: row.mode,
            max_age: row.max_age,
            tlsrpt: row.tlsrpt,
            mx: row.mx,
            starttls: row.starttls,
            certificates: row.certificates,
            mx_dnssec: row.mx_dnssec,
            tlsa_present: row.tlsa_present,
            tlsa: row.tlsa,
            tlsa_matching: row.tlsa_matching,
            sts: row.sts,
            dane: row.dane,
            dane_attacker: row.dane_attacker,
            both: row.both,
            both_attacker: row.both_attacker,
        })
        .collect();
    bend(&mut defects, &mut known, &mut findings);
    write(&findings_path, &findings);
    write(&folder.path().join("defects.parquet"), &defects);
    write(&folder.path().join("domains.parquet"), &known);
    compare(&run, &classified.id, folder.path()).expect("compare")
}

#[test]
fn a_truth_that_was_found_is_exact() {
    let agreement = compare_bent(|_, _, _| {});
    assert!(agreement.is_exact(), "{agreement}");
    assert_eq!(agreement.domains, 10);
    assert!(agreement.totals().planted > 0);
    assert!(agreement.to_string().contains("; exact"), "{agreement}");
}

#[test]
fn what_is_missed_and_what_is_invented_are_counted_apart() {
    let missed = compare_bent(|_, _, findings| {
        findings.remove(0);
    });
    assert_eq!((missed.totals().missed, missed.totals().invented), (1, 0), "{missed}");
    let invented = compare_bent(|defects, _, _| {
        defects.remove(0);
    });
    assert_eq!((invented.totals().missed, invented.totals().invented), (0, 1), "{invented}");
    let other_cause = compare_bent(|defects, _, _| defects[0].cause = Some("other".into()));
    assert_eq!((other_cause.totals().missed, other_cause.totals().invented), (1, 1), "{other_cause}");
    let missed_rule = other_cause.rules.iter().find(|rule| rule.missed == 1).expect("a rule");
    assert_eq!((missed_rule.cause.as_deref(), missed_rule.missed_examples.len()), (Some("other"), 1));
    assert!(!missed.is_exact() && !invented.is_exact() && !other_cause.is_exact());
}

#[test]
fn what_the_run_could_not_judge_is_neither_found_nor_missed() {
    let agreement = compare_bent(|_, _, findings| {
        findings[0].outcome = "unknown".into();
        findings[0].cause = None;
    });
    let totals = agreement.totals();
    assert_eq!((totals.unjudged, totals.missed, totals.invented), (1, 0, 0), "{agreement}");
    assert!(!agreement.is_exact());
}

#[test]
fn unknown_counts_as_a_finding_where_it_is_planted() {
    let agreement = compare_bent(|defects, _, findings| {
        let finding = FindingRow {
            rule: "mx-unreachable".into(),
            outcome: "unknown".into(),
            cause: None,
            ..findings[0].clone()
        };
        defects.push(Defect {
            domain: finding.domain.clone(),
            subject: finding.subject.clone(),
            rule: finding.rule.clone(),
            outcome: finding.outcome.clone(),
            cause: None,
        });
        findings.push(FindingRow { rule: "mx-refused-us".into(), ..finding.clone() });
        findings.push(finding);
    });
    let rule = |name: &str| agreement.rules.iter().find(|rule| rule.rule == name).expect("the rule");
    assert_eq!(rule("mx-unreachable").found, 1);
    assert_eq!(rule("mx-refused-us").invented, 1);
}

#[test]
fn columns_are_compared_word_by_word() {
    let agreement = compare_bent(|_, known, _| {
        known[0].record = "invalid".into();
        known[1].starttls = "all and some".into();
        known[2].max_age = Some(7);
    });
    let column =
        |name: &str| agreement.columns.iter().find(|column| column.column == name).expect("a column");
    assert_eq!((column("record").equal, column("record").different), (9, 1));
    assert_eq!(column("record").differences[0].examples, ["d0.example"]);
    assert_eq!(column("max_age").differences[0].truth, "7");
    assert_eq!(column("starttls").unknown + column("starttls").different, 1);
}

#[test]
fn domains_of_one_side_only_are_left_aside_and_counted() {
    let agreement = compare_bent(|_, known, _| {
        let more = KnownDomain { domain: "never-scanned.example".into(), ..known[0].clone() };
        known.push(more);
    });
    assert_eq!((agreement.not_scanned, agreement.is_exact()), (1, true));
    let agreement = compare_bent(|_, known, _| {
        known.remove(0);
    });
    assert_eq!((agreement.not_in_truth, agreement.is_exact()), (1, false));
}
