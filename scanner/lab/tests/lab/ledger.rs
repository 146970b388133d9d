//! What the servers saw, and what they bear.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};

use domain::base::iana::Rtype;
use mxray_lab::{Lab, LabConfig, Names, WorldParams};

use crate::{client, parquet};

fn lab() -> (tempfile::TempDir, Lab) {
    let folder = tempfile::tempdir().unwrap();
    let config = LabConfig::new(folder.path(), 1, WorldParams::clean(), Names::Invented(5));
    let lab = Lab::start(config).unwrap();
    (folder, lab)
}

/// The first MX host of the first domain, and where it is.
fn some_host(lab: &Lab) -> (String, SocketAddr) {
    let mx = client::ask(lab.dns_addr(), &lab.world().name(0), Rtype::MX).records.remove(0);
    let host = mx.split_once(' ').unwrap().1.to_owned();
    let address = client::addresses(lab.dns_addr(), &host)[0];
    (host, SocketAddr::new(address, lab.smtp_port()))
}

fn converse(address: SocketAddr, lines: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(client::PATIENCE)).unwrap();
    stream.write_all(lines.as_bytes()).unwrap();
    let mut replies = Vec::new();
    // A reset after the last reply is no matter here.
    let _ = stream.read_to_end(&mut replies);
    String::from_utf8(replies).unwrap()
}

#[tokio::test]
async fn the_ledger_is_complete_when_the_lab_has_stopped() {
    let (folder, lab) = lab();
    let config = client::tls_config(&lab.ca_pem_path());
    let (host, address) = some_host(&lab);
    client::session(&config, address, &host);
    converse(address, "EHLO b.test\r\nMAIL FROM:<a@b.test>\r\nQUIT\r\n");
    let policy_host = format!("mta-sts.{}", lab.world().name(0));
    let policies = client::addresses(lab.dns_addr(), &policy_host)[0];
    client::fetch(&config, SocketAddr::new(policies, lab.https_port()), &policy_host);
    // One that is still open at the stop is noted too.
    let open = TcpStream::connect(address).unwrap();
    let mut banner = [0; 3];
    (&open).read_exact(&mut banner).unwrap();
    lab.stop().await.unwrap();

    let smtp = folder.path().join("ledger/smtp.parquet");
    let mut commands = parquet::texts(&smtp, "commands");
    commands.sort();
    let told = ["", "EHLO MAIL QUIT", "EHLO STARTTLS EHLO QUIT"].map(|text| Some(text.to_owned()));
    assert_eq!(commands, told);
    assert!(parquet::texts(&smtp, "host").iter().all(|seen| seen.as_deref() == Some(host.as_str())));
    assert!(parquet::texts(&smtp, "client").contains(&Some("a.test".to_owned())));
    assert!(parquet::texts(&smtp, "sni").contains(&Some(host)));
    let mut mail = parquet::flags(&smtp, "mail");
    mail.sort_unstable();
    assert_eq!(mail, [false, false, true]);

    let https = folder.path().join("ledger/https.parquet");
    assert_eq!(parquet::texts(&https, "sni"), [Some(policy_host)]);
    let request = "GET /.well-known/mta-sts.txt HTTP/1.1".to_owned();
    assert_eq!(parquet::texts(&https, "request"), [Some(request)]);
    assert_eq!(parquet::texts(&https, "user_agent"), [Some("a test".to_owned())]);
    // MX once, addresses of two hosts in two families.
    assert_eq!(parquet::rows(&folder.path().join("ledger/dns.parquet")), 5);
}

#[tokio::test]
async fn clients_that_misbehave_do_no_harm() {
    let (_folder, lab) = lab();
    let (host, address) = some_host(&lab);
    let noise = UdpSocket::bind("127.0.0.1:0").unwrap();
    for datagram in
        [&[][..], &[0; 3], &[0xff; 512], &[0; 12], b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\xc0\x0c\0\x01\0\x01"]
    {
        noise.send_to(datagram, lab.dns_addr()).unwrap();
    }
    assert!(converse(address, &"x".repeat(5_000)).contains("500 5.5.2 Line too long"));
    assert!(converse(address, &"NOOP\r\n".repeat(200)).contains("421 4.7.0 Too many commands"));
    assert!(converse(address, "\u{0}\u{ff}\r\nHELP me\r\nQUIT\r\n").contains("502 "));
    let policies = SocketAddr::new(address.ip(), lab.https_port());
    converse(policies, "GET / HTTP/1.1\r\n\r\n");
    let config = client::tls_config(&lab.ca_pem_path());
    assert!(matches!(client::fetch(&config, policies, "nobody.test"), client::Fetch::Tls(_)));
    assert_eq!(client::session(&config, address, &host).handshake, Some(Ok(())));
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_to_be() {
    let (_folder, lab) = lab();
    let folder = tempfile::tempdir().unwrap();
    let mut config = LabConfig::new(folder.path(), 1, WorldParams::clean(), Names::Invented(5));
    config.https_port = lab.https_port();
    let error = Lab::start(config).err().unwrap().to_string();
    assert!(error.contains("policy hosts' port"), "{error}");
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn a_program_is_told_all_it_needs_as_json() {
    let (folder, lab) = lab();
    let ready: serde_json::Value = serde_json::from_str(&lab.ready_json()).unwrap();
    assert_eq!(ready["dns"], lab.dns_addr().to_string());
    assert_eq!(ready["https_port"], lab.https_port());
    assert_eq!(ready["domains"], 5);
    assert!(folder.path().join("world.toml").exists());
    lab.stop().await.unwrap();
}
