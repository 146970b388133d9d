//! `mxray lab`: a world in a process of its own.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::mxray::{mxray, refuses};

fn start(args: &[&str]) -> Child {
    mxray(&[&["lab"], args].concat()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Interrupts it, and gives the exit code and the rest of stderr.
fn stop(mut child: Child) -> (i32, String) {
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    (child.wait().unwrap().code().unwrap(), stderr)
}

#[test]
fn ready_means_that_names_and_truth_are_there_and_stopped_means_the_ledger_is() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("lab");
    let mut lab = start(&["--domains", "50", "--out", out.to_str().unwrap(), "--format", "json"]);
    let mut line = String::new();
    BufReader::new(lab.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(ready["domains"], 50);
    assert_eq!(std::fs::read_to_string(ready["names"].as_str().unwrap()).unwrap().lines().count(), 50);
    for file in ["ca.pem", "world.toml", "truth/defects.parquet", "truth/domains.parquet"] {
        assert!(out.join(file).is_file(), "{file}");
    }
    let (code, stderr) = stop(lab);
    assert_eq!(code, 0, "{stderr}");
    for file in ["ledger/dns.parquet", "ledger/https.parquet", "ledger/smtp.parquet"] {
        let bytes = std::fs::read(out.join(file)).unwrap();
        assert!(bytes.ends_with(b"PAR1"), "{file} is whole");
    }
}

#[test]
fn the_command_that_it_shows_scans_it() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a lab");
    let mut lab = start(&["--domains", "20", "--out", out.to_str().unwrap()]);
    let mut stdout = BufReader::new(lab.stdout.take().unwrap());
    let mut shown = String::new();
    while !shown.ends_with("you@example.net\n") {
        assert!(stdout.read_line(&mut shown).unwrap() > 0, "it ended after {shown}");
    }
    let (_, command) = shown.split_once("another terminal:\n\n").unwrap();
    let shell =
        std::process::Command::new("sh").arg("-c").arg(command).current_dir(&folder).output().unwrap();
    assert_eq!(shell.status.code(), Some(0), "{}", String::from_utf8_lossy(&shell.stderr));
    assert!(folder.path().join("run/run.json").is_file());
    assert_eq!(stop(lab).0, 0);
}

#[test]
fn a_world_that_cannot_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (out, world) = (folder.path().join("lab"), folder.path().join("world.toml"));
    let (out, path) = (out.to_str().unwrap(), world.to_str().unwrap());
    std::fs::write(&world, "sideways = 1\n").unwrap();
    refuses(&["lab", "--out", out, "--world", path], 2, &["world.toml", "sideways"]);
    refuses(&["lab", "--out", out, "--domains", "0"], 2, &["at least one"]);
    refuses(&["lab", "--out", out, "--names", "/nowhere.txt"], 2, &["/nowhere.txt"]);
}
