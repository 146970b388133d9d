//! `check --fail-on` in a pipeline: exit codes, SARIF and JUnit XML, of a world with a defect, of the same world without, and of one that
//! cannot be measured.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};

use mxray_lab::{Lab, WorldParams};
use mxray_rules::rules;
use serde_json::Value;

use crate::mxray::{Said, refuses};
use crate::planted::{check, keys, lab};

const DOMAINS: u64 = 4;
/// A rule whose violation leaves mail open, and refuses none.
const PLANTED: &str = "sts-record-multiple";

#[test]
fn a_planted_domain_fails_and_its_clean_twin_passes() {
    let desk = tempfile::tempdir().unwrap();
    let keys = keys(desk.path());
    let params = WorldParams::only(PLANTED, None).unwrap();
    let mut clean = params.clone();
    clean.defects.clear();
    let world = lab(&desk.path().join("planted"), params, DOMAINS, &keys);
    let twin = lab(&desk.path().join("twin"), clean, DOMAINS, &keys);
    let planted: BTreeSet<String> =
        (0..DOMAINS).flat_map(|index| world.world().truth(index).0).map(|row| row.domain).collect();
    assert!(!planted.is_empty());

    let on = ["--fail-on", "refuse,sts-record-multiple", "--format", "sarif"];
    let (failed, failing) = sarif(&check(&world, &on), &world);
    assert_eq!((failed, &failing["fail"]), (1, &planted));
    let (passed, failing) = sarif(&check(&twin, &on), &twin);
    assert_eq!((passed, failing.len()), (0, 0));

    let on = ["--fail-on", "downgrade", "--format", "junit"];
    let (failed, cases) = junit(&check(&world, &on), &world);
    assert_eq!(failed, 1);
    for (domain, cases) in &cases {
        assert_eq!(cases[PLANTED].0, if planted.contains(domain) { "failure" } else { "pass" }, "{domain}");
    }
    let (passed, cases) = junit(&check(&twin, &on), &twin);
    assert_eq!((passed, cases.len() as u64), (0, DOMAINS));
    assert!(cases.values().flat_map(BTreeMap::values).all(|(state, _)| state == "pass"), "{cases:?}");

    // A violation that is not one to fail on is no pass either.
    let (passed, cases) = junit(&check(&world, &["--fail-on", "refuse", "--format", "junit"]), &world);
    assert_eq!(passed, 0);
    for domain in &planted {
        let (state, words) = &cases[domain][PLANTED];
        assert!(state == "skipped" && words.starts_with("violated, and not to fail on"), "{state}: {words}");
    }
}

#[test]
fn what_was_not_measured_neither_passes_nor_fails() {
    let desk = tempfile::tempdir().unwrap();
    let keys = keys(desk.path());
    let world =
        lab(&desk.path().join("lab"), WorldParams::only("mx-refused-us", None).unwrap(), DOMAINS, &keys);
    let (code, results) =
        sarif(&check(&world, &["--fail-on", "starttls-absent", "--format", "sarif"]), &world);
    assert_eq!(code, 2, "the rule could fail, and could not be told");
    assert!(!results["open"].is_empty(), "{results:?}");
    let (code, cases) = junit(&check(&world, &["--fail-on", "starttls-absent", "--format", "junit"]), &world);
    assert_eq!(code, 2);
    let mut unknown = 0;
    for domain in &results["open"] {
        if let Some((state, words)) = cases[domain].get("starttls-absent") {
            assert!(state == "skipped" && words.starts_with("not measured: "), "{domain}: {state} {words}");
            unknown += 1;
        }
    }
    assert!(unknown > 0);
    let (code, _) = sarif(&check(&world, &["--fail-on", "sts-record-multiple", "--format", "sarif"]), &world);
    assert_eq!(code, 0, "it could be told, and is in order");
}

#[test]
fn a_word_that_names_nothing_is_refused() {
    let said = crate::mxray::run(&["check", "example.com", "--fail-on", "refuse,mx-cert"]);
    assert_eq!((said.code, said.stdout.as_str()), (2, ""));
    assert!(said.stderr.contains("mx-cert") && said.stderr.contains("mxray rules"), "{}", said.stderr);
    refuses(&["check", "192.0.2.1", "--fail-on", "lint", "--format", "sarif"], 2, &["192.0.2.1"]);
}

/// Holds what was said to SARIF 2.1.0; gives the exit code, and the domains by the kind of their results.
#[track_caller]
fn sarif(said: &Said, lab: &Lab) -> (i32, BTreeMap<String, BTreeSet<String>>) {
    let log: Value =
        serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{}{}", said.stdout, said.stderr));
    assert_eq!(log["version"], "2.1.0");
    assert_eq!(log["runs"].as_array().unwrap().len(), 1);
    let run = &log["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!(
        (driver["name"].as_str(), run["invocations"][0]["exitCode"].as_i64()),
        (Some("mxray"), Some(said.code.into()))
    );
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
    let described = driver["rules"].as_array().unwrap();
    assert_eq!(described.len(), rules().len());
    for rule in described {
        assert!(
            rule["helpUri"].as_str().unwrap().starts_with("https://www.rfc-editor.org/rfc/rfc"),
            "{rule}"
        );
        assert!(
            ["error", "warning", "note"].contains(&rule["defaultConfiguration"]["level"].as_str().unwrap())
        );
        assert!(!rule["shortDescription"]["text"].as_str().unwrap().is_empty());
    }
    let domains: BTreeSet<String> = names(lab);
    let mut by_kind: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for result in run["results"].as_array().unwrap() {
        let word = |name: &str| result[name].as_str().unwrap();
        assert_eq!(described[result["ruleIndex"].as_u64().unwrap() as usize]["id"], word("ruleId"));
        match word("kind") {
            "fail" => assert!(["error", "warning", "note"].contains(&word("level")), "{result}"),
            // §3.27.10: of any other kind, the level is none.
            "open" => assert_eq!(word("level"), "none", "{result}"),
            other => panic!("{other}"),
        }
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let place = &result["locations"][0]["logicalLocations"][0];
        let domain = place["fullyQualifiedName"].as_str().unwrap().to_owned();
        assert!(domains.contains(&domain) && place["kind"] == "resource", "{result}");
        by_kind.entry(word("kind").to_owned()).or_default().insert(domain);
    }
    (said.code, by_kind)
}

type Cases = BTreeMap<String, BTreeMap<String, (String, String)>>;

/// Reads what was said as XML, by Python's reader, and holds its sums to its cases; gives the exit code, and how each case of each
/// domain came out, with the words.
#[track_caller]
fn junit(said: &Said, lab: &Lab) -> (i32, Cases) {
    const READ: &str = "
import json, sys, xml.etree.ElementTree as tree
root = tree.fromstring(sys.stdin.buffer.read())
assert root.tag == 'testsuites', root.tag
found, sums = {}, {'tests': 0, 'failures': 0, 'errors': 0, 'skipped': 0}
for suite in root:
    assert suite.tag == 'testsuite', suite.tag
    cases = {}
    for case in suite:
        assert case.tag == 'testcase' and case.get('classname') == suite.get('name'), case.attrib
        inside = list(case)
        assert len(inside) <= 1
        state = inside[0].tag if inside else 'pass'
        assert case.get('name') not in cases, case.get('name')
        cases[case.get('name')] = [state, inside[0].get('message') + (inside[0].text or '') if inside else '']
    states = [state for state, _ in cases.values()]
    counted = {'tests': len(states), 'failures': states.count('failure'), 'errors': 0, 'skipped': states.count('skipped')}
    assert counted == {name: int(suite.get(name)) for name in counted}, suite.attrib
    sums = {name: sums[name] + counted[name] for name in sums}
    found[suite.get('name')] = cases
assert sums == {name: int(root.get(name)) for name in sums}, root.attrib
print(json.dumps(found))
";
    let mut python = Command::new("python3")
        .args(["-c", READ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is there: the gate needs it");
    python.stdin.take().unwrap().write_all(said.stdout.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{}{}", said.stdout, said.stderr);
    let cases: Cases = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(cases.keys().cloned().collect::<BTreeSet<_>>(), names(lab));
    (said.code, cases)
}

fn names(lab: &Lab) -> BTreeSet<String> {
    (0..lab.world().domains()).map(|index| lab.world().name(index).into_owned()).collect()
}
