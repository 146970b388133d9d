//! Servers of yesterday: OpenSSL's own, behind a mail host's first words.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use mxray_engine::certificate::digest;
use mxray_engine::{Session, probe_smtp};
use mxray_evidence::{Cause, Ending, LegacyHello, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::servers::{dns, net, read_line, settings, tcp};

const HOST: &str = "mx.example";
const SECURITY_LEVEL_0: [&str; 2] = ["-cipher", "ALL:@SECLEVEL=0"];

/// `openssl s_server` with a key of so many bits; it ends when it is dropped.
struct Server {
    process: Child,
    address: SocketAddr,
    certificate: Vec<u8>,
    _folder: tempfile::TempDir,
}

impl Server {
    /// `None`, said aloud, where there is no openssl or it will not serve so.
    fn start(bits: u32, flags: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let made = openssl(folder.path())
            .args([
                "req",
                "-x509",
                "-newkey",
                &format!("rsa:{bits}"),
                "-nodes",
                "-keyout",
                "key.pem",
                "-out",
                "cert.pem",
            ])
            .args(["-subj", "/CN=mx.example", "-days", "3"])
            .output();
        if !made.is_ok_and(|made| made.status.success()) {
            eprintln!("SKIPPED: there is no openssl here that makes a certificate");
            return None;
        }
        let mut process = openssl(folder.path())
            .args(["s_server", "-accept", "127.0.0.1:0", "-cert", "cert.pem", "-key", "key.pem"])
            // What is said inside comes back reversed, which is no SMTP.
            .arg("-rev")
            .args(SECURITY_LEVEL_0)
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let Some(address) =
            lines.map_while(Result::ok).find_map(|line| line.strip_prefix("ACCEPT ")?.parse().ok())
        else {
            eprintln!("SKIPPED: this openssl does not serve with {flags:?}");
            let _ = process.kill();
            let _ = process.wait();
            return None;
        };
        let der =
            openssl(folder.path()).args(["x509", "-in", "cert.pem", "-outform", "DER"]).output().unwrap();
        Some(Self { process, address, certificate: der.stdout, _folder: folder })
    }

    /// A mail host in front of it.
    async fn mail_host(&self) -> SocketAddr {
        let behind = self.address;
        tcp(move |mut stream| async move {
            stream.write_all(b"220 mx.example ESMTP\r\n").await.unwrap();
            read_line(&mut stream).await;
            stream.write_all(b"250-mx.example\r\n250 STARTTLS\r\n").await.unwrap();
            if read_line(&mut stream).await.as_deref() == Some("STARTTLS") {
                stream.write_all(b"220 go ahead\r\n").await.unwrap();
                let mut server = TcpStream::connect(behind).await.unwrap();
                // Either side may be the one that breaks it off.
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
            }
        })
        .await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn openssl(folder: &Path) -> Command {
    let mut command = Command::new("openssl");
    command.current_dir(folder).stdin(Stdio::null());
    command
}

async fn probe(server: SocketAddr, legacy_tls: bool) -> Session {
    let mut settings = settings(server.port());
    settings.legacy_tls = legacy_tls;
    let resolver = dns(|_, _| Vec::new()).await;
    probe_smtp(&net(resolver, settings), HOST, IpAddr::V4(Ipv4Addr::LOCALHOST)).await
}

#[tokio::test]
async fn what_speaks_tls_1_1_at_most_shows_its_version_suite_and_certificate_on_request() {
    for (flag, version) in [("-tls1", "TLSv1.0"), ("-tls1_1", "TLSv1.1")] {
        let Some(server) = Server::start(2_048, &[flag]) else { return };
        let mail_host = server.mail_host().await;
        let unasked = probe(mail_host, false).await;
        assert_eq!(unasked.row.ending.stage(), Some(Stage::Handshake), "{flag}: {:?}", unasked.row);
        assert_eq!((unasked.row.legacy, unasked.certificates.len()), (None, 0));

        let Session { row, certificates } = probe(mail_host, true).await;
        assert_eq!(row.ending.stage(), Some(Stage::Handshake), "what the session came to stands as it was");
        let LegacyHello { version: taken, cipher_suite, chain, alert, ending, .. } = row.legacy.unwrap();
        assert_eq!((taken.as_deref(), alert, ending), (Some(version), None, Ending::Completed), "{flag}");
        assert!(cipher_suite.unwrap().starts_with("TLS_"));
        assert_eq!(certificates, std::slice::from_ref(&server.certificate));
        assert_eq!(chain[0].as_ref(), digest(&server.certificate));
    }
}

#[tokio::test]
async fn what_our_library_has_no_suite_or_group_for_says_what_it_speaks() {
    for (flags, wanted) in [
        (
            &["-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"][..],
            ("TLSv1.2", "TLS_RSA_WITH_AES_128_CBC_SHA", None),
        ),
        (
            &["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA256"],
            ("TLSv1.2", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", Some("x25519")),
        ),
        (
            &["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256", "-curves", "P-521"],
            ("TLSv1.2", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", Some("secp521r1")),
        ),
        (&["-tls1_3", "-curves", "P-521"], ("TLSv1.3", "TLS_AES_128_GCM_SHA256", Some("secp521r1"))),
        // Able to speak 1.1, too: that is not its best.
        (
            &["-no_tls1_3", "-cipher", "AES128-SHA:@SECLEVEL=0"],
            ("TLSv1.2", "TLS_RSA_WITH_AES_128_CBC_SHA", None),
        ),
    ] {
        let Some(server) = Server::start(2_048, flags) else { return };
        let Session { row, certificates } = probe(server.mail_host().await, true).await;
        assert_eq!(row.ending.stage(), Some(Stage::Handshake), "{flags:?}: what the session came to stands");
        let legacy = row.legacy.expect("asked after a handshake_failure");
        let spoke = (legacy.version.as_deref(), legacy.cipher_suite.as_deref(), legacy.group.as_deref());
        assert_eq!(spoke, (Some(wanted.0), Some(wanted.1), wanted.2), "{flags:?}: {legacy:?}");
        assert_eq!((legacy.offered.as_str(), legacy.ending), ("TLSv1.3", Ending::Completed));
        // From TLS 1.3 on certificates are encrypted.
        let shown = if wanted.0 == "TLSv1.3" { &[] } else { std::slice::from_ref(&server.certificate) };
        assert_eq!(certificates, shown);
    }
}

#[tokio::test]
async fn who_shakes_hands_is_not_asked_twice() {
    if let Some(server) = Server::start(2_048, &[]) {
        let row = probe(server.mail_host().await, true).await.row;
        assert_eq!((row.legacy, row.tls.unwrap().signature_valid), (None, Some(true)), "it shook hands");
    }
}

#[tokio::test]
async fn a_server_that_takes_no_hello_at_all_is_not_called_old() {
    let server = tcp(|mut stream| async move {
        stream.write_all(b"220 mx.example ESMTP\r\n").await.unwrap();
        read_line(&mut stream).await;
        stream.write_all(b"250-mx.example\r\n250 STARTTLS\r\n").await.unwrap();
        read_line(&mut stream).await;
        stream.write_all(b"220 go ahead\r\n").await.unwrap();
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).await.unwrap();
        stream.write_all(&[21, 3, 1, 0, 2, 2, 70]).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let legacy = probe(server, true).await.row.legacy.unwrap();
    assert_eq!((legacy.version, legacy.alert.as_deref()), (None, Some("protocol_version")));
    assert_eq!(legacy.offered, "TLSv1.1", "the last that it was asked");
    assert_eq!(legacy.ending, Ending::stopped(Stage::Handshake, Cause::TlsAlert));
}

#[tokio::test]
async fn a_signature_by_a_key_that_is_too_small_to_be_checked_is_not_called_false() {
    for flag in ["-no_tls1_3", "-no_tls1_2"] {
        let Some(server) = Server::start(1_024, &[flag]) else { return };
        let row = probe(server.mail_host().await, false).await.row;
        let tls = row.tls.expect("a handshake");
        assert_eq!(tls.chain[0].as_ref(), digest(&server.certificate));
        assert!(tls.signature_scheme.is_some(), "{flag}: {:?}", row.ending);
        assert_eq!(tls.signature_valid, None, "{flag}: nothing was shown, either way");
    }
}
