//! A network namespace of a test's own, in which port 25 and the resolver's address are free.

use std::path::Path;
use std::process::Command;

use super::name_servers::{is_installed, program};

const INSIDE: &str = "MXRAY_INSIDE_A_NAMESPACE";
const NEEDED: [&str; 4] = ["posttls-finger", "unshare", "ip", "mount"];

/// Runs the test of this name once more inside a namespace, where `inside` is what it does, with a folder to itself. There
/// 127.0.0.1 is the resolver, and what the test has started ends with it. Where the programs or the namespace are not to
/// be had, it says so, and that is all.
pub(crate) fn enter(test: &str, programs: &[&str], inside: impl FnOnce(&Path)) {
    if std::env::var_os(INSIDE).is_some() {
        let desk = tempfile::tempdir().unwrap();
        furnish(desk.path());
        return inside(desk.path());
    }
    let missing: Vec<&str> =
        NEEDED.iter().chain(programs).copied().filter(|program| !is_installed(program)).collect();
    let why = if !missing.is_empty() {
        format!("not installed: {}", missing.join(", "))
    } else if !unshare().arg("true").output().is_ok_and(|tried| tried.status.success()) {
        "no network namespace is to be had".to_owned()
    } else {
        let mut command = unshare();
        command.arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]).env(INSIDE, "1");
        return assert!(command.status().unwrap().success(), "inside the namespace");
    };
    assert!(std::env::var_os("CI").is_none(), "{why}");
    eprintln!("SKIPPED: {why}");
}

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    command
}

fn furnish(desk: &Path) {
    let done = |command: &mut Command| assert!(command.status().unwrap().success(), "{command:?}");
    done(program("ip").args(["link", "set", "lo", "up"]));
    let file = desk.join("resolv.conf");
    std::fs::write(&file, "nameserver 127.0.0.1\noptions trust-ad edns0\n").unwrap();
    done(program("mount").arg("--bind").arg(&file).arg("/etc/resolv.conf"));
}
