//! `demo`, `classify`, `query`, `report` and `check`, on worlds whose truth is known.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::mxray::{golden, refuses, run, said};
use crate::world::{Demo, Lab};

/// Every file under a folder, by its path in it.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_demo_agrees_with_its_truth_and_its_run_can_be_worked_on() {
    let demo = Demo::of(150);
    assert_eq!(demo.said.code, 0, "{}{}", demo.said.stdout, demo.said.stderr);
    for word in ["Adoption", "Misconfiguration", "0 missed", "0 invented", "Exact agreement", "report.md"] {
        assert!(demo.said.stdout.contains(word), "{word}: {}", demo.said.stdout);
    }
    assert!(!demo.said.stdout.contains("in 0 domains"), "{}", demo.said.stdout);

    let run_folder = demo.run();
    let derived = Path::new(&run_folder).join("derived");
    let before = files(&derived);
    assert!(before.len() >= 5, "{:?}", before.keys());
    fs::remove_dir_all(&derived).unwrap();
    refuses(&["report", &run_folder, "--out", "/nowhere"], 2, &["mxray classify"]);
    assert_eq!(run(&["classify", &run_folder]).code, 0);
    assert!(files(&derived) == before, "a second classification differs");
    let truth = demo.folder.path().join("demo/lab/truth");
    let compared = run(&["classify", &run_folder, "--truth", truth.to_str().unwrap()]);
    assert_eq!(compared.code, 0, "{}", compared.stdout);
    assert!(compared.stdout.contains("all rules"), "{}", compared.stdout);

    let count = |sql: &str, format: &str| run(&["query", &run_folder, sql, "--format", format]).stdout;
    assert_eq!(count("SELECT count(*) AS n FROM domains", "csv"), "n\n150\n");
    assert_eq!(count("SELECT count(*) AS n FROM verdicts", "json"), "{\"n\":150}\n");
    assert_eq!(count("SELECT count(*) AS n FROM domains", "table"), "  n\n150\n");
    refuses(&["query", &run_folder, "SELECT nothing FROM domains"], 2, &["nothing"]);
    refuses(&["query", &run_folder, "DROP TABLE domains"], 2, &["DDL"]);

    let report = demo.folder.path().join("report");
    let said = run(&["report", &run_folder, "--out", report.to_str().unwrap()]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(said.stdout.lines().all(|path| Path::new(path).is_file()), "{}", said.stdout);
    golden("scanner/cli/tests/golden/tables.csv", &tables(&report));
    let flat = demo.folder.path().join("flat.parquet");
    let said = run(&["export", &run_folder, "--out", flat.to_str().unwrap()]);
    assert_eq!((said.code, said.stdout), (0, format!("{}\n", flat.display())), "{}", said.stderr);
    two_engines_have_one_answer(&run_folder, &report, &flat);
    let here = std::process::Command::new(env!("CARGO_BIN_EXE_mxray"))
        .args(["export", &run_folder, "--out", "here.parquet"])
        .current_dir(demo.folder.path())
        .output()
        .unwrap();
    assert!(here.status.success(), "a name without a folder: {}", String::from_utf8_lossy(&here.stderr));
    assert_eq!(fs::read(demo.folder.path().join("here.parquet")).unwrap(), fs::read(&flat).unwrap());

    let later = run(&["classify", &run_folder, "--at", "2040-01-01"]);
    assert!(later.stdout.contains("at-20400101T000000Z"), "{}", later.stdout);
    assert_eq!(count("SELECT count(*) AS n FROM hosts WHERE certificate = 'valid'", "csv"), "n\n0\n");
    what_another_version_wrote_is_refused_with_what_to_do(&run_folder, &flat);
}

fn what_another_version_wrote_is_refused_with_what_to_do(run_folder: &str, flat: &Path) {
    let edit = |path: &Path, name: &str, value: Value| {
        let mut json: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        json[name] = value;
        fs::write(path, json.to_string()).unwrap();
    };
    // What is derived can be made again.
    for classification in fs::read_dir(Path::new(run_folder).join("derived")).unwrap() {
        edit(&classification.unwrap().path().join("classification.json"), "columns", "others".into());
    }
    let flat = flat.to_str().unwrap();
    refuses(&["report", run_folder, "--out", "/nowhere"], 2, &["of this version", "mxray classify"]);
    refuses(&["export", run_folder, "--out", flat], 2, &["of this version", "mxray classify"]);
    assert_eq!(run(&["classify", run_folder]).code, 0);
    assert_eq!(run(&["export", run_folder, "--out", flat]).code, 0);
    // Evidence cannot.
    edit(&Path::new(run_folder).join("run.json"), "schema_version", 2.into());
    for verb in [
        &["classify", run_folder][..],
        &["report", run_folder, "--out", "/nowhere"],
        &["export", run_folder, "--out", flat],
        &["query", run_folder, "SELECT 1"],
        &["diff", run_folder, run_folder],
    ] {
        refuses(verb, 2, &[run_folder, "schema version 2", "reads version 1", "scan again"]);
    }
}

/// The tables that depend on nothing but the world, one after the other.
fn tables(report: &Path) -> String {
    let names = [
        "funnel",
        "adoption",
        "adoption_by_tld",
        "max_age",
        "hosting",
        "mail_operators",
        "policy_operators",
        "standing",
        "misconfiguration_by_class",
        "misconfiguration",
        "misconfiguration_by_operator",
        "protection",
        "delivery",
        "tlsrpt",
        "hosts",
    ];
    let text =
        |name: &str| format!("# {name}\n{}", fs::read_to_string(report.join(format!("{name}.csv"))).unwrap());
    names.map(text).join("\n")
}

/// DuckDB, asked the same SQL over the same files. Left out, and said so, where it cannot be had; under `CI` that is a failure.
fn two_engines_have_one_answer(run_folder: &str, report: &Path, flat: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/two-engines");
    let mut command = std::process::Command::new(script);
    command.arg(run_folder).arg(report).arg(flat).env("MXRAY", env!("CARGO_BIN_EXE_mxray"));
    let said = said(&command.output().unwrap());
    match said.code {
        0 => assert!(said.stdout.contains("0 differ"), "{}", said.stdout),
        4 if std::env::var_os("CI").is_none() => eprintln!("SKIPPED: {}", said.stderr),
        _ => panic!("{}{}", said.stdout, said.stderr),
    }
}

#[test]
fn check_ends_as_the_domain_is() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::start(&folder.path().join("lab"), 200);
    let names = fs::read_to_string(folder.path().join("lab/names.txt")).unwrap();
    let names: Vec<&str> = names.lines().collect();
    let out = folder.path().join("run");
    let said = lab.check(&[&names[..], &["--format", "json", "--out", out.to_str().unwrap()]].concat());
    let all: Vec<Value> = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((all.len(), said.code), (200, 1), "{}", said.stderr);

    for (outcome, code, words) in [
        ("sound", 0, ["nothing is wrong", "What a sender does"]),
        ("broken", 1, ["What breaks", "change  "]),
        ("unmeasured", 2, ["could not be measured", "not judged"]),
    ] {
        let one = all.iter().find(|one| {
            one["outcome"] == outcome
                && one["verdict"]["mx"] == "hosts"
                && one["verdict"]["record"] != "absent"
        });
        let domain = one.unwrap()["verdict"]["domain"].as_str().unwrap();
        let said = lab.check(&[domain]);
        assert_eq!(said.code, code, "{domain}: {}{}", said.stdout, said.stderr);
        assert!(said.stdout.starts_with(domain), "{}", said.stdout);
        assert!(words.iter().all(|word| said.stdout.contains(word)), "{}", said.stdout);
    }
    let nowhere = lab.check(&["no-such-name.test"]);
    assert_eq!(nowhere.code, 2, "{}", nowhere.stdout);
    assert!(nowhere.stdout.contains("does not exist"), "{}", nowhere.stdout);
}

#[test]
fn what_cannot_be_asked_is_refused() {
    refuses(&["check", "192.0.2.1"], 2, &["192.0.2.1", "IP address"]);
    refuses(&["classify", "/nowhere"], 2, &["/nowhere", "no run"]);
    refuses(&["query", "/nowhere", "SELECT 1"], 2, &["/nowhere", "no run"]);
    refuses(&["demo", "--out", "/"], 2, &["/"]);
    refuses(&["rules", "sts"], 2, &["\"sts\"", "mxray rules"]);
}
