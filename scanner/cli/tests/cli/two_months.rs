//! Two runs, a simulated month apart: `diff` finds what was planted between them, and nothing else.

use std::path::Path;
use std::process::Command;

use crate::mxray::{refuses, run, said};

/// The script is the acceptance run of 200,000 domains; here it has few, and this build.
#[test]
fn what_was_planted_between_two_scans_is_found_and_nothing_else() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/two-months");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut command = Command::new(script);
    command.args(["--domains", "1500"]).arg(&out).env("MXRAY", env!("CARGO_BIN_EXE_mxray"));
    let script = said(&command.output().unwrap());
    assert_eq!(script.code, 0, "{}{}", script.stdout, script.stderr);
    assert!(script.stdout.contains(" 0 missed, 0 invented; 0 with another effect"), "{}", script.stdout);

    let (first, second) = (out.join("first"), out.join("second"));
    let (first, second, changes) = (first.to_str().unwrap(), second.to_str().unwrap(), out.join("changes"));
    let told = run(&["diff", second, first, "--out", changes.to_str().unwrap()]);
    assert_eq!(told.code, 1, "some of it does harm: {}", told.stderr);
    for words in ["domains compared", "sts-id-stale", "copies end", "do harm to mail now"] {
        assert!(told.stdout.contains(words), "{words:?} is not in\n{}", told.stdout);
    }
    assert!(changes.join("changes.parquet").is_file());
    assert!(
        run(&["diff", first, second]).stdout.lines().skip(3).eq(told.stdout.lines().skip(3)),
        "in the order of time"
    );
    let same = run(&["diff", first, first, "--fail-on", "any", "--format", "json-lines"]);
    assert_eq!((same.code, same.stdout.as_str()), (0, ""), "a run is as itself");
}

#[test]
fn what_is_no_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    refuses(&["diff", path, path], 2, &["is no run"]);
}
