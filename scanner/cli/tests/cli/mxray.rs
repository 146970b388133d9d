//! Running the binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The binary, deaf, with nothing of this terminal's in its environment.
pub(crate) fn mxray(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mxray"));
    command.args(args).stdin(Stdio::null()).env("COLUMNS", "100").env_remove("NO_COLOR");
    command
}

/// What it said and how it ended.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn run(args: &[&str]) -> Said {
    said(&mxray(args).output().expect("the binary runs"))
}

pub(crate) fn said(output: &Output) -> Said {
    Said {
        code: output.status.code().expect("it ended by itself"),
        stdout: String::from_utf8(output.stdout.clone()).expect("stdout is UTF-8"),
        stderr: String::from_utf8(output.stderr.clone()).expect("stderr is UTF-8"),
    }
}

/// Runs it, and holds that it refuses with `code`, says nothing on stdout, and one line on stderr with every one
/// of `words`.
pub(crate) fn refuses(args: &[&str], code: i32, words: &[&str]) {
    let said = run(args);
    assert_eq!(said.code, code, "{args:?}: {}", said.stderr);
    assert_eq!(said.stdout, "", "{args:?}");
    assert_eq!(said.stderr.lines().count(), 1, "{args:?}: {}", said.stderr);
    for word in words {
        assert!(said.stderr.contains(word), "{args:?}: {word:?} is not in {}", said.stderr);
    }
}

/// Holds that a contract, a file of this repository, has not changed. `MXRAY_BLESS=1` writes it anew, for a
/// change that is meant.
pub(crate) fn golden(name: &str, now: &str) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    if std::env::var_os("MXRAY_BLESS").is_some() {
        std::fs::write(&path, now).expect("the golden file can be written");
    }
    let then = std::fs::read_to_string(&path).unwrap_or_default();
    if let Some((line, (was, is))) =
        then.lines().zip(now.lines()).enumerate().find(|(_, (was, is))| was != is)
    {
        panic!("{name}, line {}: was\n  {was}\nis\n  {is}\nMXRAY_BLESS=1 accepts it", line + 1);
    }
    assert_eq!(then.lines().count(), now.lines().count(), "{name} has another length");
}
