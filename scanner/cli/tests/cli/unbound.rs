//! Unbound between a client and the lab: it is told to trust the lab's root key, and validates.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long it may take until it answers.
const STARTING: Duration = Duration::from_secs(20);

/// Unbound, while it runs.
pub(crate) struct Unbound {
    process: Child,
    pub(crate) address: SocketAddr,
    desk: PathBuf,
}

impl Unbound {
    /// Listens on a port, forwards every question to the lab's, and trusts its root key alone. A busy machine must not look
    /// like a dead server.
    pub(crate) fn start(program: &Path, desk: &Path, (port, lab_port): (u16, u16), anchor: &Path) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let folder = desk.display();
        let config = format!(
            "server:\n  interface: {ip}\n  port: {port}\n  username: \"\"\n  chroot: \"\"\n  directory: \"{folder}\"\n  \
             pidfile: \"{folder}/unbound.pid\"\n  use-syslog: no\n  logfile: \"\"\n  do-daemonize: no\n  do-ip6: no\n  \
             module-config: \"validator iterator\"\n  trust-anchor-file: \"{anchor}\"\n  val-log-level: 2\n  \
             do-not-query-localhost: no\n  access-control: 127.0.0.0/8 allow\n  num-threads: 1\n  \
             local-zone: \"test.\" nodefault\n  unknown-server-time-limit: 10000\n  jostle-timeout: 20000\nremote-control:\n  control-enable: no\n\
             forward-zone:\n  name: \".\"\n  forward-addr: 127.0.0.1@{lab_port}\n",
            ip = address.ip(),
            anchor = anchor.display(),
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
    pub(crate) fn wait(&self) {
        let begin = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            assert!(begin.elapsed() < STARTING, "Unbound does not answer: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What it says of itself, the last of it.
    pub(crate) fn log(&self) -> String {
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
pub(crate) fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join("unbound")).find(|program| program.exists())
}

pub(crate) fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = tcp.local_addr().unwrap().port();
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
