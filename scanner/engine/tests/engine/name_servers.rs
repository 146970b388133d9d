//! Name servers that are not ours: zones signed by ldns, served by NSD, and resolved by Unbound. It stands by itself, so
//! that the tests of another crate can take it in.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What has to be installed.
pub(crate) const PROGRAMS: [&str; 4] = ["nsd", "unbound", "ldns-keygen", "ldns-signzone"];

/// A zone below the root.
#[derive(Clone)]
pub(crate) struct Zone {
    /// Its name, without the last dot.
    pub(crate) name: String,
    /// Its records but those of delegations, relative to its name.
    pub(crate) records: String,
    /// How it is signed, if it is.
    pub(crate) signing: Option<Signing>,
    /// What the zone above says of its key.
    pub(crate) ds: Ds,
    /// What is done to the signed zone before it is served.
    pub(crate) bend: fn(String) -> String,
}

/// How a zone is signed.
#[derive(Clone, Copy)]
pub(crate) struct Signing {
    /// As `ldns-keygen` names them; a key of each signs everything.
    pub(crate) algorithms: &'static [&'static str],
    /// What else `ldns-signzone` is told.
    pub(crate) args: &'static [&'static str],
}

/// What the zone above says of a zone's key.
#[derive(Clone, Copy)]
pub(crate) enum Ds {
    /// The DS of each of its keys.
    True,
    /// None.
    None,
    /// These, in place of the true ones: all that follows the type.
    False(&'static [&'static str]),
    /// The true ones, and this.
    And(&'static str),
    /// The true ones under SHA-384 (RFC 6605 §2).
    Sha384,
}

impl Zone {
    /// A zone that is signed with P-256 and has a true DS.
    pub(crate) fn signed(name: &str, records: &str) -> Self {
        let signing = Some(Signing { algorithms: &["ECDSAP256SHA256"], args: &[] });
        Self { name: name.to_owned(), records: records.to_owned(), signing, ds: Ds::True, bend: |zone| zone }
    }

    /// A zone without signatures.
    pub(crate) fn unsigned(name: &str, records: &str) -> Self {
        Self { signing: None, ds: Ds::None, ..Self::signed(name, records) }
    }
}

/// Whether a program is there; some stand where only administrators look.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .any(|folder| folder.join(program).exists())
}

/// A program of Debian's.
pub(crate) fn program(name: &str) -> Command {
    let administrators = Path::new("/usr/sbin").join(name);
    Command::new(if administrators.exists() { administrators } else { name.into() })
}

/// The servers, while they run.
pub(crate) struct NameServers {
    desk: tempfile::TempDir,
    servers: Vec<Child>,
    /// Unbound, which validates from the root's key down.
    pub(crate) validating: SocketAddr,
    /// Another Unbound, which does not validate.
    pub(crate) plain: SocketAddr,
}

impl Drop for NameServers {
    fn drop(&mut self) {
        for server in &mut self.servers {
            // One that is gone already has been killed enough.
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

impl NameServers {
    /// Serves the zones, and a root above them; `dead` are names that are delegated to nobody. Unbound listens on
    /// `port`, or on one that is free.
    pub(crate) fn start(zones: &[Zone], dead: &[&str], port: Option<u16>) -> Self {
        let desk = tempfile::tempdir().unwrap();
        let anchor = write_zones(desk.path(), zones, dead);
        fs::write(desk.path().join("root.key"), anchor).unwrap();
        let (unbound, plain) = (port.unwrap_or_else(free_port), free_port());
        let nsd = Nsd { zones: free_port(), nothing: free_port() };
        write_nsd_config(desk.path(), "nsd", nsd.zones, names(zones));
        write_nsd_config(desk.path(), "nobody", nsd.nothing, []);
        write_unbound_config(desk.path(), nsd, zones, dead, Unbound { validates: true, port: unbound });
        write_unbound_config(desk.path(), nsd, zones, dead, Unbound { validates: false, port: plain });
        let programs = [("nsd", "nsd"), ("nsd", "nobody"), ("unbound", "unbound"), ("unbound", "plain")];
        let servers = programs.map(|(program, name)| start(program, name, desk.path()));
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self { desk, servers: servers.into(), validating: local(unbound), plain: local(plain) }
    }

    /// A file of theirs: `unbound.conf`, `root.key`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.desk.path().join(name)
    }

    /// What they have said.
    pub(crate) fn logs(&self) -> String {
        ["nsd", "unbound", "plain"]
            .map(|name| fs::read_to_string(self.file(&format!("{name}.log"))).unwrap())
            .concat()
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

fn start(binary: &str, name: &str, desk: &Path) -> Child {
    let log = File::create(desk.join(format!("{name}.log"))).unwrap();
    program(binary)
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

/// Writes and signs every zone, those below first, and gives the root's key.
fn write_zones(desk: &Path, zones: &[Zone], dead: &[&str]) -> String {
    let mut order: Vec<&Zone> = zones.iter().collect();
    order.sort_by_key(|zone| std::cmp::Reverse(zone.name.split('.').count()));
    let delegation = |name: &str| format!("{name}. NS ns.{name}.\nns.{name}. A 127.0.0.1\n");
    // Names, and what the zone above each, or the root, says of it.
    let mut delegations: Vec<(&str, String)> = dead.iter().map(|&name| (name, delegation(name))).collect();
    for zone in order {
        let Zone { name, records, .. } = zone;
        let mut text = format!(
            "$ORIGIN {name}.\n$TTL 300\n@ SOA ns h 1 3600 600 86400 300\n@ NS ns\nns A 127.0.0.1\n{records}\n"
        );
        delegations.retain(|(below, delegation)| {
            let is_here = below.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
            if is_here {
                text += delegation;
            }
            !is_here
        });
        let keys = sign(desk, name, zone.signing.as_ref(), &text, zone.bend);
        let mut delegation = delegation(name);
        for ds in ds_records(desk, zone.ds, &keys) {
            writeln!(delegation, "{name}. DS {ds}").unwrap();
        }
        delegations.push((name, delegation));
    }
    let mut root = String::from(
        "$ORIGIN .\n$TTL 300\n. SOA ns.root. h.root. 1 3600 600 86400 300\n. NS ns.root.\nns.root. A 127.0.0.1\n",
    );
    root.extend(delegations.into_iter().map(|(_, delegation)| delegation));
    let signing = Signing { algorithms: &["ECDSAP256SHA256"], args: &[] };
    let keys = sign(desk, ".", Some(&signing), &root, |zone| zone);
    fs::read_to_string(desk.join(format!("{}.key", keys[0]))).unwrap()
}

/// Writes a zone as it is served, and gives the names of its keys.
fn sign(
    desk: &Path,
    name: &str,
    signing: Option<&Signing>,
    text: &str,
    bend: fn(String) -> String,
) -> Vec<String> {
    let served = desk.join(format!("{}.served", file_name(name)));
    let Some(Signing { algorithms, args }) = signing else {
        fs::write(served, bend(text.to_owned())).unwrap();
        return Vec::new();
    };
    let source = format!("{}.zone", file_name(name));
    fs::write(desk.join(&source), text).unwrap();
    // RSA takes its time to find primes; these are long enough, and the other algorithms do not ask.
    let keygen = |algorithm: &&str| ldns(desk, "ldns-keygen", &["-a", algorithm, "-b", "2048", "-k", name]);
    let keys: Vec<String> = algorithms.iter().map(keygen).collect();
    let mut all = args.to_vec();
    all.extend(["-A", "-U", "-o", name, "-f", "signed", &source]);
    all.extend(keys.iter().map(String::as_str));
    ldns(desk, "ldns-signzone", &all);
    fs::write(served, bend(fs::read_to_string(desk.join("signed")).unwrap())).unwrap();
    keys
}

/// What follows the type in each DS.
fn ds_records(desk: &Path, ds: Ds, keys: &[String]) -> Vec<String> {
    let of = |digest: &str, key: &String| {
        let line = ldns(desk, "ldns-key2ds", &["-n", digest, &format!("{key}.key")]);
        line.split_once("DS").expect("a DS").1.trim().to_owned()
    };
    let keys = keys.iter();
    match ds {
        Ds::None => Vec::new(),
        Ds::True => keys.map(|key| of("-2", key)).collect(),
        Ds::Sha384 => keys.map(|key| of("-4", key)).collect(),
        Ds::And(other) => keys.map(|key| of("-2", key)).chain([other.to_owned()]).collect(),
        Ds::False(records) => records.iter().map(|&record| record.to_owned()).collect(),
    }
}

fn file_name(zone: &str) -> &str {
    if zone == "." { "root" } else { zone }
}

fn names(zones: &[Zone]) -> impl Iterator<Item = &str> {
    zones.iter().map(|zone| zone.name.as_str()).chain(["."])
}

/// NSD serves these zones, and refuses what is asked of others.
fn write_nsd_config<'a>(desk: &Path, server: &str, port: u16, zones: impl IntoIterator<Item = &'a str>) {
    let at = desk.display();
    let mut config = format!(
        "server:\n  ip-address: 127.0.0.1@{port}\n  username: \"\"\n  chroot: \"\"\n  zonesdir: \"{at}\"\n  \
         pidfile: \"{at}/{server}.pid\"\n  database: \"\"\n  xfrdfile: \"{at}/{server}.state\"\n  \
         xfrdir: \"{at}\"\n  zonelistfile: \"{at}/{server}.list\"\nremote-control:\n  control-enable: no\n"
    );
    for name in zones {
        writeln!(config, "zone:\n  name: \"{name}\"\n  zonefile: \"{}.served\"", file_name(name)).unwrap();
    }
    fs::write(desk.join(format!("{server}.conf")), config).unwrap();
}

/// The ports of the NSD that serves all zones, and of one that serves none.
#[derive(Clone, Copy)]
struct Nsd {
    zones: u16,
    nothing: u16,
}

#[derive(Clone, Copy)]
struct Unbound {
    validates: bool,
    port: u16,
}

/// Unbound asks for every zone where it is served, and for the dead ones where nothing is; what validates is decided by the root's key alone.
fn write_unbound_config(desk: &Path, nsd: Nsd, zones: &[Zone], dead: &[&str], unbound: Unbound) {
    let desk_text = desk.display();
    let Unbound { validates, port } = unbound;
    let name = if validates { "unbound" } else { "plain" };
    let modules = if validates { "validator iterator" } else { "iterator" };
    let mut config = format!(
        "server:\n  interface: 127.0.0.1\n  port: {port}\n  username: \"\"\n  chroot: \"\"\n  directory: \"{desk_text}\"\n  \
         pidfile: \"{desk_text}/{name}.pid\"\n  use-syslog: no\n  logfile: \"\"\n  do-daemonize: no\n  do-ip6: no\n  \
         module-config: \"{modules}\"\n  trust-anchor-file: \"{desk_text}/root.key\"\n  ede: yes\n  \
         do-not-query-localhost: no\n  access-control: 127.0.0.0/8 allow\n  num-threads: 1\n\
         remote-control:\n  control-enable: no\n"
    );
    let served = names(zones).map(|name| (name, nsd.zones));
    for (name, port) in served.chain(dead.iter().map(|&name| (name, nsd.nothing))) {
        writeln!(config, "stub-zone:\n  name: \"{name}\"\n  stub-addr: 127.0.0.1@{port}").unwrap();
    }
    fs::write(desk.join(format!("{name}.conf")), config).unwrap();
}
