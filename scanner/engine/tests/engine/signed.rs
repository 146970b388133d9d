//! DNSSEC as it is met: zones signed by ldns, served by NSD, validated by Unbound, asked by us. Each name of the world
//! has a row that says what must come of it. Where the programs are not installed, the test says so and is skipped.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mxray_engine::{DnsSettings, Resolver};
use mxray_evidence::{Lookup, LookupStatus};

use crate::servers::dns_settings;

const PROGRAMS: [&str; 4] = ["nsd", "unbound", "ldns-keygen", "ldns-signzone"];
/// How long the servers may take until they answer.
const STARTING: Duration = Duration::from_secs(20);

/// A zone below the root.
struct Zone {
    name: &'static str,
    /// By which algorithm it is signed, if it is, and with what else `ldns-signzone` is told.
    signed: Option<(&'static str, &'static [&'static str])>,
    /// What the root says of its key.
    ds: Ds,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ds {
    /// The DS of its key.
    True,
    /// None.
    None,
    /// That of another key.
    Wrong,
    /// Of an algorithm that nobody knows.
    Unknown,
}

const PAST: &[&str] = &["-i", "20200101000000", "-e", "20200201000000"];
const ZONES: &[Zone] = &[
    Zone { name: "rsa", signed: Some(("RSASHA256", &[])), ds: Ds::True },
    Zone { name: "p256", signed: Some(("ECDSAP256SHA256", &[])), ds: Ds::True },
    Zone { name: "p384", signed: Some(("ECDSAP384SHA384", &[])), ds: Ds::True },
    Zone { name: "ed25519", signed: Some(("ED25519", &[])), ds: Ds::True },
    Zone { name: "ed448", signed: Some(("ED448", &[])), ds: Ds::True },
    Zone { name: "nsec3", signed: Some(("ECDSAP256SHA256", &["-n", "-t", "0"])), ds: Ds::True },
    Zone { name: "optout", signed: Some(("ECDSAP256SHA256", &["-n", "-p", "-t", "0"])), ds: Ds::True },
    Zone { name: "plain", signed: None, ds: Ds::None },
    Zone { name: "island", signed: Some(("ECDSAP256SHA256", &[])), ds: Ds::None },
    Zone { name: "expired", signed: Some(("ECDSAP256SHA256", PAST)), ds: Ds::True },
    Zone { name: "keyless", signed: Some(("ECDSAP256SHA256", &[])), ds: Ds::Wrong },
    Zone { name: "stripped", signed: None, ds: Ds::Wrong },
    Zone { name: "exotic", signed: Some(("ECDSAP256SHA256", &[])), ds: Ds::Unknown },
];
/// A zone that nobody serves.
const DEAD: &str = "dead";

/// What must come of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Secure(LookupStatus),
    Insecure(LookupStatus),
    Bogus,
    /// It cannot be had, signed or not.
    Failed,
}

use Expected::{Bogus, Failed, Insecure, Secure};
use LookupStatus::{Found, NoData, NxDomain};

/// Names to ask the addresses of, and why.
const NAMES: &[(&str, Expected)] = &[
    // Every algorithm in use.
    ("mx.rsa", Secure(Found)),
    ("mx.p256", Secure(Found)),
    ("mx.p384", Secure(Found)),
    ("mx.ed25519", Secure(Found)),
    ("mx.ed448", Secure(Found)),
    // What is not there, by NSEC and by NSEC3.
    ("none.p256", Secure(NxDomain)),
    ("txt.p256", Secure(NoData)),
    ("none.nsec3", Secure(NxDomain)),
    ("txt.nsec3", Secure(NoData)),
    // A name that an opt-out span covers is not proven to be absent.
    ("none.optout", Insecure(NxDomain)),
    ("mx.optout", Secure(Found)),
    // Wildcards need a second proof.
    ("any.wild.p256", Secure(Found)),
    ("any.wild.nsec3", Secure(Found)),
    // One AD bit for the whole chain of aliases.
    ("tosecure.p256", Secure(Found)),
    ("toplain.p256", Insecure(Found)),
    ("tosecure.plain", Insecure(Found)),
    ("toexpired.p256", Bogus),
    ("tonothing.p256", Secure(NxDomain)),
    // Unsigned, and signed where no DS leads.
    ("mx.plain", Insecure(Found)),
    ("none.plain", Insecure(NxDomain)),
    ("mx.island", Insecure(Found)),
    // Signatures that ran out, a DS without its key, signatures that somebody took away.
    ("mx.expired", Bogus),
    ("none.expired", Bogus),
    ("mx.keyless", Bogus),
    ("mx.stripped", Bogus),
    // An algorithm that nobody knows is as good as none (RFC 4035 §5.2).
    ("mx.exotic", Insecure(Found)),
    ("mx.dead", Failed),
];

#[tokio::test]
async fn what_unbound_validates_is_what_we_write_down() {
    let missing: Vec<&str> = PROGRAMS.into_iter().filter(|program| !is_installed(program)).collect();
    if !missing.is_empty() {
        assert!(std::env::var_os("CI").is_none(), "not installed: {}", missing.join(", "));
        return eprintln!("skipped: not installed: {}", missing.join(", "));
    }
    let world = World::start();
    let resolver = world.resolver().await;
    let root = resolver.ns(".").await;
    assert_eq!((root.status(), root.authenticated), (Found, Some(true)), "the root shows that it validates");

    let mut differences = Vec::new();
    for (name, expected) in NAMES {
        let lookup = resolver.a(name).await;
        let got = outcome(&lookup);
        if got != *expected {
            differences.push(format!("{name}: expected {expected:?}, got {got:?}: {lookup:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));

    let tlsa = resolver.tlsa("_25._tcp.mx.p256").await;
    assert_eq!(outcome(&tlsa), Secure(Found));
    let record = &tlsa.records[0];
    let fields = (record.usage, record.selector, record.matching, record.data.as_slice());
    assert_eq!(fields, (3, 1, 1, &[0xab; 32][..]));
    assert_eq!(outcome(&resolver.tlsa("_25._tcp.none.p256").await), Secure(NxDomain));
    assert_eq!(outcome(&resolver.tlsa("_25._tcp.mx.expired").await), Bogus);
    assert_eq!(outcome(&resolver.mx("p384").await), Secure(Found));
}

fn outcome<R>(lookup: &Lookup<R>) -> Expected {
    match (lookup.status(), lookup.authenticated) {
        _ if lookup.is_bogus() => Bogus,
        (LookupStatus::Failed(_) | LookupStatus::Unanswered, _) => Failed,
        (status, Some(true)) => Secure(status),
        (status, _) => Insecure(status),
    }
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .any(|folder| folder.join(program).exists())
}

/// A program of Debian's; some stand where only administrators look.
fn program(name: &str) -> Command {
    let administrators = Path::new("/usr/sbin").join(name);
    Command::new(if administrators.exists() { administrators } else { name.into() })
}

/// The servers, while they run.
struct World {
    desk: tempfile::TempDir,
    servers: Vec<Child>,
    unbound: SocketAddr,
}

impl Drop for World {
    fn drop(&mut self) {
        for server in &mut self.servers {
            // One that is gone already has been killed enough.
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

impl World {
    fn start() -> Self {
        let desk = tempfile::tempdir().unwrap();
        let anchor = write_zones(desk.path());
        let (nsd, unbound) = (free_port(), free_port());
        let names = || ZONES.iter().map(|zone| zone.name).chain(["."]);
        write_nsd_config(desk.path(), nsd, names());
        write_unbound_config(desk.path(), nsd, unbound, &anchor, names());
        let servers = vec![start("nsd", desk.path()), start("unbound", desk.path())];
        Self { desk, servers, unbound: SocketAddr::from((Ipv4Addr::LOCALHOST, unbound)) }
    }

    /// A resolver that has been answered once.
    async fn resolver(&self) -> Resolver {
        let patience = Duration::from_secs(5);
        let settings = DnsSettings { timeout: patience, retries: 1, ..dns_settings(&[self.unbound]) };
        let resolver = Resolver::new(settings).unwrap();
        let begin = Instant::now();
        while resolver.a("mx.plain").await.status() != Found {
            assert!(begin.elapsed() < STARTING, "the servers do not answer:\n{}", self.logs());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        resolver
    }

    fn logs(&self) -> String {
        let log = |name: &str| fs::read_to_string(self.desk.path().join(name)).unwrap_or_default();
        log("nsd.log") + &log("unbound.log")
    }
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

fn start(name: &str, desk: &Path) -> Child {
    let log = File::create(desk.join(format!("{name}.log"))).unwrap();
    program(name)
        .args(["-d", "-c"])
        .arg(desk.join(format!("{name}.conf")))
        .current_dir(desk)
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

/// Runs a tool of ldns in `desk`, and gives what it said.
fn ldns(desk: &Path, name: &str, args: &[&str]) -> String {
    let output = program(name).args(args).current_dir(desk).output().unwrap();
    assert!(output.status.success(), "{name} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Writes and signs every zone, and gives the root's key.
fn write_zones(desk: &Path) -> String {
    let mut root = String::from(
        "$TTL 300\n. SOA ns.root. h.root. 1 3600 600 86400 300\n. NS ns.root.\nns.root. A 127.0.0.1\n",
    );
    for Zone { name, signed, ds } in ZONES {
        let text = zone_text(name);
        fs::write(desk.join(format!("{name}.zone")), text).unwrap();
        writeln!(root, "{name}. NS ns.{name}.\nns.{name}. A 127.0.0.1").unwrap();
        let own = if let Some((algorithm, args)) = signed {
            sign(desk, name, algorithm, args)
        } else {
            fs::copy(desk.join(format!("{name}.zone")), desk.join(format!("{name}.signed"))).unwrap();
            String::new()
        };
        let ds = match ds {
            Ds::None => continue,
            Ds::True => own,
            Ds::Wrong => format!("{name}. DS 12345 13 2 {}", "cd".repeat(32)),
            Ds::Unknown => format!("{name}. DS 12345 200 2 {}", "cd".repeat(32)),
        };
        writeln!(root, "{ds}").unwrap();
    }
    writeln!(root, "{DEAD}. NS ns.{DEAD}.\nns.{DEAD}. A 127.0.0.1").unwrap();
    fs::write(desk.join("root.zone"), root).unwrap();
    let key = ldns(desk, "ldns-keygen", &["-a", "ECDSAP256SHA256", "-k", "."]);
    ldns(desk, "ldns-signzone", &["-o", ".", "-f", "root.signed", "root.zone", &key]);
    fs::read_to_string(desk.join(format!("{key}.key"))).unwrap()
}

/// Signs a zone, and gives the DS of its key.
fn sign(desk: &Path, name: &str, algorithm: &str, args: &[&str]) -> String {
    let key = ldns(desk, "ldns-keygen", &["-a", algorithm, "-k", name]);
    let (from, to) = (format!("{name}.zone"), format!("{name}.signed"));
    let args = [args, &["-f", &to, &from, &key]].concat();
    ldns(desk, "ldns-signzone", &args);
    fs::read_to_string(desk.join(format!("{key}.ds"))).unwrap().trim().to_owned()
}

fn zone_text(name: &str) -> String {
    format!(
        "$ORIGIN {name}.\n$TTL 300\n@ SOA ns h 1 3600 600 86400 300\n@ NS ns\n@ MX 10 mx\nns A 127.0.0.1\n\
         mx A 192.0.2.1\n_25._tcp.mx TLSA 3 1 1 {}\ntxt TXT \"v=spf1 -all\"\n*.wild A 192.0.2.2\n\
         tosecure CNAME mx.p384.\ntoplain CNAME mx.plain.\ntoexpired CNAME mx.expired.\n\
         tonothing CNAME none.p384.\n",
        "ab".repeat(32)
    )
}

fn write_nsd_config<'a>(desk: &Path, port: u16, zones: impl Iterator<Item = &'a str>) {
    let desk_text = desk.display();
    let mut config = format!(
        "server:\n  ip-address: 127.0.0.1@{port}\n  username: \"\"\n  chroot: \"\"\n  zonesdir: \"{desk_text}\"\n  \
         pidfile: \"{desk_text}/nsd.pid\"\n  database: \"\"\n  xfrdfile: \"{desk_text}/xfrd.state\"\n  \
         zonelistfile: \"{desk_text}/zone.list\"\nremote-control:\n  control-enable: no\n"
    );
    for zone in zones {
        let file = if zone == "." { "root" } else { zone };
        writeln!(config, "zone:\n  name: \"{zone}\"\n  zonefile: \"{file}.signed\"").unwrap();
    }
    fs::write(desk.join("nsd.conf"), config).unwrap();
}

/// Unbound asks NSD for every zone, and nobody for the dead one; what validates is decided by the root's key alone.
fn write_unbound_config<'a>(
    desk: &Path,
    nsd: u16,
    port: u16,
    anchor: &str,
    zones: impl Iterator<Item = &'a str>,
) {
    let desk_text = desk.display();
    fs::write(desk.join("root.key"), anchor).unwrap();
    let mut config = format!(
        "server:\n  interface: 127.0.0.1\n  port: {port}\n  username: \"\"\n  chroot: \"\"\n  directory: \"{desk_text}\"\n  \
         pidfile: \"{desk_text}/unbound.pid\"\n  use-syslog: no\n  logfile: \"\"\n  do-daemonize: no\n  do-ip6: no\n  \
         module-config: \"validator iterator\"\n  trust-anchor-file: \"{desk_text}/root.key\"\n  \
         do-not-query-localhost: no\n  access-control: 127.0.0.0/8 allow\n  num-threads: 1\n\
         remote-control:\n  control-enable: no\n"
    );
    for zone in zones {
        writeln!(config, "stub-zone:\n  name: \"{zone}\"\n  stub-addr: 127.0.0.1@{nsd}").unwrap();
    }
    // The discard port: nobody serves names there.
    writeln!(config, "stub-zone:\n  name: \"{DEAD}\"\n  stub-addr: 127.0.0.1@9").unwrap();
    fs::write(desk.join("unbound.conf"), config).unwrap();
}
