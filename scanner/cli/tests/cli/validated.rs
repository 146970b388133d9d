//! A signed world behind a resolver that validates: Unbound is told to trust the lab's root key, asks the lab, and believes
//! nothing that its signatures do not prove. What the scan makes of its AD bits is the truth, to the last column.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mxray_evidence::RunDir;
use mxray_lab::{Lab, LabConfig, NETWORKS, Names, WorldParams};

use crate::mxray::{mxray, run, said};

const DOMAINS: u64 = 200;
/// How long Unbound may take until it answers.
const STARTING: Duration = Duration::from_secs(20);

#[test]
fn what_unbound_validates_of_the_lab_is_the_truth_of_every_domain() {
    let Some(program) = unbound() else {
        assert!(std::env::var_os("CI").is_none(), "unbound is not installed");
        return eprintln!("skipped: unbound is not installed");
    };
    let desk = tempfile::tempdir().unwrap();
    let lab = Lab::start(LabConfig {
        ledger: false,
        ..LabConfig::new(desk.path().join("lab"), 1, params(), Names::Invented(DOMAINS))
    })
    .unwrap();
    assert!(lab.write_truth(|_| true).unwrap());
    let resolver = Unbound::start(&program, desk.path(), &lab);
    resolver.wait();

    let out = desk.path().join("run");
    let scanned = said(&scan(&lab, resolver.address, &out).output().unwrap());
    assert_eq!(scanned.code, 0, "{}\n{}", scanned.stderr, resolver.log());
    let classified = run(&["classify", out.to_str().unwrap()]);
    assert_eq!(classified.code, 0, "{}", classified.stderr);
    let dir = RunDir::new(&out);
    let id = mxray_study::newest_classification(&dir).unwrap().id;
    let agreement = mxray_study::compare(&dir, &id, &desk.path().join("lab/truth")).unwrap();
    assert!(agreement.is_exact(), "{agreement:#?}\n{}", resolver.log());
    let planted = |rule: &str| -> u64 {
        agreement.rules.iter().filter(|of| of.rule == rule).map(|of| of.planted).sum()
    };
    for rule in
        ["dnssec-bogus", "tlsa-insecure", "tlsa-mismatch", "tlsa-behind-insecure-mx", "tlsa-lookup-fails"]
    {
        assert!(planted(rule) > 0, "{rule} is planted nowhere");
    }
}

/// The demo's world, without what costs a deadline, and without what a resolver in the middle says in other words: it
/// answers REFUSED and NOTIMP with a SERVFAIL of its own.
fn params() -> WorldParams {
    let mut params = WorldParams::default();
    params.defects.remove("tlsa-lookup-fails");
    params.defects.insert("tlsa-lookup-fails/servfail".to_owned(), 0.045);
    for slow in ["sts-host-unreachable/timeout", "sts-fetch-timeout"] {
        params.defects.remove(slow);
    }
    params
}

fn scan(lab: &Lab, resolver: SocketAddr, out: &Path) -> Command {
    let mut command = mxray(&["scan", "--ehlo-name", "scanner.example", "--contact", "you@example.net"]);
    command.arg(lab.names_path()).arg("--out").arg(out);
    command.args(["--address-rate", "none", "--prefix-rate", "none", "--operator-rate", "none"]);
    command.args(["--refusal-retries", "0", "--refusal-backoff", "none", "--dns-timeout", "20s"]);
    command.args(["--connect-timeout", "10s", "--policy-timeout", "30s", "--smtp-timeout", "30s"]);
    command.args(["--look-aside", "--fetch-without-record", "--legacy-tls"]);
    command.arg("--resolver").arg(resolver.to_string());
    command.arg("--https-port").arg(lab.https_port().to_string());
    command.arg("--smtp-port").arg(lab.smtp_port().to_string());
    command.arg("--trust-roots").arg(lab.ca_pem_path());
    for network in NETWORKS {
        command.args(["--allow-net", network]);
    }
    command
}

/// Unbound, while it runs.
struct Unbound {
    process: Child,
    address: SocketAddr,
    desk: PathBuf,
}

impl Unbound {
    /// Forwards every question to the lab, and trusts its root key alone. A busy machine must not look like a dead server.
    fn start(program: &Path, desk: &Path, lab: &Lab) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let (folder, anchor) = (desk.display(), lab.anchor_path());
        let config = format!(
            "server:\n  interface: {ip}\n  port: {port}\n  username: \"\"\n  chroot: \"\"\n  directory: \"{folder}\"\n  \
             pidfile: \"{folder}/unbound.pid\"\n  use-syslog: no\n  logfile: \"\"\n  do-daemonize: no\n  do-ip6: no\n  \
             module-config: \"validator iterator\"\n  trust-anchor-file: \"{anchor}\"\n  val-log-level: 2\n  \
             do-not-query-localhost: no\n  access-control: 127.0.0.0/8 allow\n  num-threads: 1\n  \
             local-zone: \"test.\" nodefault\n  unknown-server-time-limit: 10000\n  jostle-timeout: 20000\nremote-control:\n  control-enable: no\n\
             forward-zone:\n  name: \".\"\n  forward-addr: 127.0.0.1@{lab_port}\n",
            ip = address.ip(),
            port = address.port(),
            anchor = anchor.display(),
            lab_port = lab.dns_addr().port(),
        );
        fs::write(desk.join("unbound.conf"), config).unwrap();
        let log = File::create(desk.join("unbound.log")).unwrap();
        let process = Command::new(program)
            .args(["-d", "-c"])
            .arg(desk.join("unbound.conf"))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, address, desk: desk.to_owned() }
    }

    /// Until it takes connections.
    fn wait(&self) {
        let begin = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            assert!(begin.elapsed() < STARTING, "Unbound does not answer: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What it says of itself, the last of it.
    fn log(&self) -> String {
        let text = fs::read_to_string(self.desk.join("unbound.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Unbound {
    fn drop(&mut self) {
        // One that is gone already has been killed enough.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where it is installed; administrators' programs may not be on the path.
fn unbound() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join("unbound")).find(|program| program.exists())
}

fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = tcp.local_addr().unwrap().port();
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
