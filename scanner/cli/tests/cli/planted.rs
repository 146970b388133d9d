//! One world a defect: `mxray check` finds what was planted in it, and nothing else; and in the same world without the
//! defect, the rule passes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use mxray_lab::{Defect, Lab, LabConfig, NETWORKS, Names, PlantedDefect, WorldParams};
use mxray_rules::rules;
use serde_json::Value;

use crate::mxray::{Said, run};

/// Domains of a world with a defect. All that can have it do.
const DOMAINS: u64 = 5;
/// Domains of a world where each costs a deadline.
const SLOW_DOMAINS: u64 = 2;
/// Domains of a world without any: enough that each rule applies to one.
const CLEAN_DOMAINS: u64 = 30;
/// Worlds at a time.
const WORKERS: usize = 3;

/// Sub-causes that no lab can plant, and why.
const UNPLANTED: [(&str, &str, &str); 1] = [(
    "sts-host-unreachable",
    "unreachable",
    "it takes a router's ICMP answer, and there is none on a loopback",
)];

/// What follows from a defect by the rules' own definitions: the defect's rule, and the other.
const CONSEQUENCES: [(&str, &str, &str); 9] = [
    ("mx-policy-mismatch-some", "mx-pattern-unused", "the pattern that misses its host matches no other"),
    (
        "sts-record-wrong-owner",
        "sts-policy-without-record",
        "the record that would announce it stands elsewhere",
    ),
    ("sts-record-cname-dangling", "sts-policy-without-record", "the record that would announce it is gone"),
    ("mx-tls-old", "starttls-handshake", "a sender of today has no version in common with it"),
    ("tlsrpt-wrong-owner", "tlsrpt-absent-with-policy", "the record stands elsewhere"),
    ("tlsa-anchor-name", "mx-cert-name", "who looks for a name under usage 2 looks for the same as web PKI"),
    ("tlsa-anchor-path", "mx-cert-expired", "the path is broken for its dates"),
    ("tlsa-without-starttls", "starttls-absent", "it is what it says"),
    ("dane-sts-conflict", "tlsa-mismatch", "that DANE fails is one half of it"),
];

/// What cannot be judged behind a defect.
const UNJUDGED: [(&str, &[&str]); 4] = [
    ("mx-unreachable", BEHIND_THE_DOOR),
    ("mx-refused-us", BEHIND_THE_DOOR),
    ("starttls-mangled", BEHIND_THE_DOOR),
    // Who has no address, or no MX set, does not come to the door.
    ("dnssec-bogus", BEHIND_THE_DOOR),
];
const BEHIND_THE_DOOR: &[&str] = &[
    "mx-unresolvable",
    "starttls-absent",
    "starttls-rejected",
    "starttls-mangled",
    "starttls-handshake",
    "mx-cert-name",
    "mx-cert-expired",
    "mx-cert-untrusted",
    "mx-cert-expiring",
    "mx-cert-varies",
    "mx-tls-old",
];

/// A finding, as far as it is compared: domain, subject, rule, sub-cause.
type Found = (String, String, String, Option<String>);

#[test]
fn every_rule_and_every_sub_cause_has_a_defect_that_plants_it_and_something_to_do() {
    let planted: BTreeSet<_> = Defect::ALL.iter().map(|defect| (defect.rule(), defect.cause())).collect();
    let excepted = |rule: &str, cause: &str| UNPLANTED.iter().any(|(r, c, _)| (*r, *c) == (rule, cause));
    for rule in rules() {
        assert!(!rule.advice.is_empty() && !rule.summary.is_empty(), "{}", rule.name);
        let of_rule: Vec<_> = planted.iter().filter(|(name, _)| *name == rule.name).collect();
        assert!(!of_rule.is_empty(), "nothing plants {}", rule.name);
        let open = rule.causes.iter().any(|cause| cause.name.starts_with('<'));
        for cause in rule.causes.iter().filter(|cause| !cause.name.starts_with('<')) {
            let is_planted = planted.contains(&(rule.name, Some(cause.name)));
            assert_ne!(is_planted, excepted(rule.name, cause.name), "{}/{}", rule.name, cause.name);
        }
        for (_, cause) in of_rule {
            let known = cause.map_or(rule.causes.is_empty(), |cause| {
                open || rule.causes.iter().any(|known| known.name == cause)
            });
            assert!(known, "the codebook does not know {}/{cause:?}", rule.name);
        }
    }
    for (rule, cause, _) in UNPLANTED {
        let stands = rules().iter().any(|r| r.name == rule && r.causes.iter().any(|c| c.name == cause));
        assert!(stands, "{rule}/{cause} is no longer in the codebook");
    }
    for (rule, _) in planted {
        assert!(rules().iter().any(|known| known.name == rule), "{rule} is no rule");
    }
}

#[test]
fn check_finds_in_each_world_what_was_planted_and_only_that() {
    let desk = tempfile::tempdir().unwrap();
    let keys = keys(desk.path());
    let left = Mutex::new(Defect::ALL.iter().rev().copied().collect::<Vec<_>>());
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (left, wrong, keys) = (&left, &wrong, &keys);
            let desk = desk.path().join(format!("worker-{worker}"));
            scope.spawn(move || {
                loop {
                    let Some(defect) = left.lock().unwrap().pop() else { return };
                    if let Err(words) = find(defect, &desk, keys) {
                        wrong.lock().unwrap().push(format!("{defect:?}: {words}"));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), Defect::ALL.len(), wrong.join("\n"));
}

#[test]
fn each_rule_passes_in_the_same_world_without_its_defect() {
    let desk = tempfile::tempdir().unwrap();
    let keys = keys(desk.path());
    let mut twins: Vec<(WorldParams, BTreeSet<&str>)> = Vec::new();
    for defect in Defect::ALL {
        let twin = twin(*defect);
        match twins.iter_mut().find(|(params, _)| *params == twin) {
            Some((_, rules)) => drop(rules.insert(defect.rule())),
            None => twins.push((twin, BTreeSet::from([defect.rule()]))),
        }
    }
    for (number, (params, expected)) in twins.into_iter().enumerate() {
        let folder = desk.path().join(format!("twin-{number}"));
        let lab = lab(&folder, params, CLEAN_DOMAINS, &keys);
        let out = folder.join("run");
        let said = check(&lab, &["--format", "json", "--out", out.to_str().unwrap()]);
        let (broken, unmeasured) = findings(&said);
        assert_eq!((broken, unmeasured), (BTreeSet::new(), BTreeSet::new()), "{expected:?}: {}", said.stderr);
        let sql = "SELECT rule, pass, unknown FROM tallies WHERE cause IS NULL";
        let tallies = run(&["query", out.to_str().unwrap(), sql, "--format", "json"]).stdout;
        let passed: BTreeMap<String, u64> = tallies
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|row| (row["rule"].as_str().unwrap().to_owned(), row["pass"].as_u64().unwrap()))
            .collect();
        for rule in expected {
            assert!(passed[rule] > 0, "{rule} passes nowhere: {tallies}");
        }
    }
}

/// The world of a defect, without it.
fn twin(defect: Defect) -> WorldParams {
    let mut params = WorldParams::only(defect.rule(), defect.cause()).unwrap();
    params.defects.clear();
    // A record that is where it belongs is looked for nowhere else, and a policy that it announces is announced.
    match defect.rule() {
        "sts-record-wrong-owner" | "sts-policy-without-record" | "tlsrpt-wrong-owner" => {
            params.sts.record = 0.0;
            params.tlsrpt.record = 0.0;
        }
        // What is missing is a signature.
        "tlsa-insecure" | "tlsa-behind-insecure-mx" => {
            (params.dane.signed, params.dane.operators_signed) = (1.0, 1.0);
        }
        _ => {}
    }
    params
}

/// Serves the world of a defect, checks it, and compares with its truth.
fn find(defect: Defect, folder: &Path, keys: &Path) -> Result<(), String> {
    let params = WorldParams::only(defect.rule(), defect.cause()).unwrap();
    let slow = ["sts-fetch-timeout", "sts-host-unreachable"].contains(&defect.rule());
    let lab = lab(folder, params, if slow { SLOW_DOMAINS } else { DOMAINS }, keys);
    let patience: &[&str] = if slow {
        &["--format", "json", "--connect-timeout", "1s", "--policy-timeout", "3s"]
    } else {
        &["--format", "json", "--connect-timeout", "10s"]
    };
    let said = check(&lab, patience);
    let (mut planted, mut unmeasurable) = (BTreeSet::new(), BTreeSet::new());
    for row in (0..lab.world().domains()).flat_map(|index| lab.world().truth(index).0) {
        let is_it = row.rule == defect.rule() && row.cause == defect.cause();
        let follows = CONSEQUENCES.iter().any(|(of, rule, _)| *of == defect.rule() && *rule == row.rule);
        if !is_it && !follows {
            return Err(format!("the world has {row:?} besides"));
        }
        if row.outcome == "unknown" {
            unmeasurable.insert(found(&row))
        } else {
            planted.insert(found(&row))
        };
    }
    let is_planted =
        |(_, _, rule, cause): &Found| rule == defect.rule() && cause.as_deref() == defect.cause();
    if !planted.iter().chain(&unmeasurable).any(is_planted) {
        return Err("it is planted nowhere".to_owned());
    }
    let (broken, unmeasured) = findings(&said);
    let behind = UNJUDGED.iter().find(|(of, _)| *of == defect.rule()).map_or(&[][..], |(_, rules)| *rules);
    let unexpected: Vec<_> = unmeasured
        .iter()
        .filter(|found| !unmeasurable.contains(*found) && !behind.contains(&found.2.as_str()))
        .collect();
    let unmissed = unmeasurable.is_subset(&unmeasured);
    if broken == planted && unexpected.is_empty() && unmissed {
        return Ok(());
    }
    let missed: Vec<_> = planted.difference(&broken).collect();
    let invented: Vec<_> = broken.difference(&planted).collect();
    Err(format!(
        "missed {missed:?}, invented {invented:?}, unmeasured {unexpected:?}, unmissed {unmissed}: {}",
        said.stderr
    ))
}

fn found(row: &PlantedDefect) -> Found {
    (row.domain.clone(), row.subject.clone(), row.rule.to_owned(), row.cause.map(str::to_owned))
}

/// What `check` says is broken or could be better, and what it could not measure.
fn findings(said: &Said) -> (BTreeSet<Found>, BTreeSet<Found>) {
    let all: Vec<Value> =
        serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{}{}", said.stdout, said.stderr));
    let listed = |lists: &[&str]| {
        let mut found = BTreeSet::new();
        for problem in all.iter().flat_map(|one| lists.iter().flat_map(|list| one[*list].as_array().unwrap()))
        {
            let word = |name: &str| problem[name].as_str().map(str::to_owned);
            let whole = |name: &str| word(name).unwrap();
            found.insert((whole("domain"), whole("subject"), whole("rule"), word("cause")));
        }
        found
    };
    (listed(&["broken", "lints"]), listed(&["unmeasured"]))
}

/// The keys of a world, made once for all of them: RSA keys take their time.
pub(crate) fn keys(desk: &Path) -> std::path::PathBuf {
    let folder = desk.join("keys");
    drop(Lab::start(LabConfig::new(&folder, 1, WorldParams::clean(), Names::Invented(1))).unwrap());
    folder.join("authority.json")
}

/// Serves a world.
pub(crate) fn lab(folder: &Path, params: WorldParams, domains: u64, keys: &Path) -> Lab {
    fs::create_dir_all(folder).unwrap();
    fs::copy(keys, folder.join("authority.json")).unwrap();
    let config = LabConfig { ledger: false, ..LabConfig::new(folder, 1, params, Names::Invented(domains)) };
    Lab::start(config).unwrap()
}

/// `mxray check` of all of its domains.
pub(crate) fn check(lab: &Lab, more: &[&str]) -> Said {
    let names: Vec<String> =
        (0..lab.world().domains()).map(|index| lab.world().name(index).into_owned()).collect();
    let (dns, https, smtp) =
        (lab.dns_addr().to_string(), lab.https_port().to_string(), lab.smtp_port().to_string());
    let ca = lab.ca_pem_path();
    let mut args = vec!["check", "--address-rate", "none", "--prefix-rate", "none"];
    args.extend(["--resolver", &dns, "--https-port", &https, "--smtp-port", &smtp]);
    args.extend(["--trust-roots", ca.to_str().unwrap()]);
    for network in NETWORKS {
        args.extend(["--allow-net", network]);
    }
    args.extend(more.iter().copied().chain(names.iter().map(String::as_str)));
    run(&args)
}
