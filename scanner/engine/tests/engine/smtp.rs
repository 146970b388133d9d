mod handshakes;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mxray_engine::certificate::digest;
use mxray_engine::{AddressGate, Net, OptOut, ProbeSettings, Session, probe_smtp};
use mxray_evidence::{Cause, Ending, OwnCause, SmtpSessionRow, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use crate::servers::{
    Heard, Identity, SHORT, answer_lines, dns, dns_settings, net, net_with, read_line, refusing_port,
    settings, tcp,
};

const HOST: &str = "mx.example";
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const OFFER: &[u8] = b"250-mx.example\r\n250 StartTLS\r\n";

/// What a server answers to line after line.
type Script = &'static [&'static [u8]];

/// No probe of an address asks DNS.
async fn no_dns() -> SocketAddr {
    dns(|_, _| Vec::new()).await
}

async fn probe_with(server: SocketAddr, tweak: impl FnOnce(&mut ProbeSettings)) -> Session {
    let mut settings = settings(server.port());
    tweak(&mut settings);
    probe_smtp(&net(no_dns().await, settings), HOST, LOCALHOST).await
}

async fn probe(server: SocketAddr) -> Session {
    probe_with(server, |_| {}).await
}

fn stopped(row: &SmtpSessionRow) -> (Option<Stage>, Option<Cause>) {
    (row.ending.stage(), row.ending.cause())
}

fn codes(row: &SmtpSessionRow) -> Vec<(&str, Option<u16>)> {
    row.replies.iter().map(|reply| (reply.stage.as_str(), reply.code)).collect()
}

/// A server that says its greeting and then answers line by line, in the clear.
async fn plain(greeting: &'static [u8], script: Script) -> (SocketAddr, Heard) {
    let heard = Heard::default();
    let log = Arc::clone(&heard);
    let server = tcp(move |mut stream| {
        let log = Arc::clone(&log);
        async move {
            stream.write_all(greeting).await.unwrap();
            answer_lines(&mut stream, script, &log).await;
        }
    })
    .await;
    (server, heard)
}

/// A server by the book, which answers line by line inside TLS as well.
async fn encrypted(tls: TlsAcceptor, ready: &'static [u8], inside: Script) -> (SocketAddr, Heard) {
    let heard = Heard::default();
    let log = Arc::clone(&heard);
    let server = tcp(move |mut stream| {
        let (log, tls) = (Arc::clone(&log), tls.clone());
        async move {
            speak_until_tls(&mut stream, ready).await;
            if let Ok(mut stream) = tls.accept(stream).await {
                answer_lines(&mut stream, inside, &log).await;
            }
        }
    })
    .await;
    (server, heard)
}

/// Greets, offers TLS, and answers `STARTTLS`.
async fn speak_until_tls(stream: &mut TcpStream, ready: &[u8]) {
    stream.write_all(b"220 mx.example ESMTP\r\n").await.unwrap();
    assert_eq!(read_line(stream).await.as_deref(), Some("EHLO probe.example"));
    stream.write_all(OFFER).await.unwrap();
    assert_eq!(read_line(stream).await.as_deref(), Some("STARTTLS"));
    stream.write_all(ready).await.unwrap();
}

const READY: &[u8] = b"220 go ahead\r\n";
const INSIDE: &[&[u8]] = &[b"250-mx.example\r\n250 SIZE 100\r\n", b"221 bye\r\n"];

#[tokio::test]
async fn rfc3207_a_session_by_the_book_is_complete() {
    let identity = Identity::self_signed(&["another.example"]);
    let (server, heard) = encrypted(identity.acceptor(), READY, INSIDE).await;
    let Session { row, certificates } = probe(server).await;
    assert_eq!(row.ending, Ending::Completed);
    assert_eq!(
        codes(&row),
        [
            ("banner", Some(220)),
            ("ehlo", Some(250)),
            ("starttls", Some(220)),
            ("ehlo-tls", Some(250)),
            ("quit", Some(221)),
        ]
    );
    assert_eq!(*heard.lock().unwrap(), ["EHLO probe.example", "QUIT"]);
    let tls = row.tls.unwrap();
    assert_eq!((tls.sni.as_str(), tls.version.as_deref()), (HOST, Some("TLSv1.3")));
    assert_eq!(tls.cipher_suite.as_deref(), Some("TLS_AES_128_GCM_SHA256"));
    assert_eq!(tls.group.as_deref(), Some("X25519MLKEM768"));
    assert_eq!(tls.signature_scheme.as_deref(), Some("ecdsa_secp256r1_sha256"));
    assert_eq!((tls.signature_valid, tls.alert), (Some(true), None));
    assert_eq!(certificates, [identity.der.to_vec()]);
    assert_eq!(tls.chain[0].as_ref(), digest(&identity.der));
    assert_eq!((row.host.as_str(), row.address.as_str(), row.port), (HOST, "127.0.0.1", server.port()));
    assert!(row.started > 0 && row.elapsed_us > 0 && row.early_bytes.is_none());
}

#[tokio::test]
async fn bytes_after_220_are_kept_and_the_handshake_goes_on() {
    let identity = Identity::self_signed(&[HOST]);
    // As much as comes in one read: none of it may be taken for TLS.
    let long = [b'x'; 3_000];
    for early in [&b"250 injected\r\n"[..], &long] {
        let ready = [&b"220 go\r\n"[..], early].concat().leak();
        let (server, _) = encrypted(identity.acceptor(), ready, INSIDE).await;
        let row = probe(server).await.row;
        assert_eq!(row.early_bytes.as_deref().map(Vec::as_slice), Some(early));
        assert_eq!(row.ending, Ending::Completed);
        assert_eq!(row.reply(Stage::EhloTls).unwrap().lines.len(), 2);
    }
}

#[tokio::test]
async fn without_an_offer_it_quits_politely() {
    let (server, heard) = plain(b"220 hi\r\n", &[b"250-mx\r\n250 XXXXXXXA\r\n", b"221 bye\r\n"]).await;
    let row = probe(server).await.row;
    assert_eq!(stopped(&row), (Some(Stage::Ehlo), Some(Cause::NotOffered)));
    assert_eq!(*heard.lock().unwrap(), ["EHLO probe.example", "QUIT"]);
    assert_eq!(codes(&row).last(), Some(&("quit", Some(221))));
    assert_eq!(row.tls, None);
}

#[tokio::test]
async fn rfc5321_a_refusal_stops_at_its_step_and_quit_is_said() {
    let turns: [(&[u8], Script, Stage, &[&str]); 5] = [
        (b"554 blocked\r\n", &[], Stage::Banner, &["QUIT"]),
        (b"220 hi\r\n", &[b"450 later\r\n"], Stage::Ehlo, &["EHLO probe.example", "QUIT"]),
        (
            b"220 hi\r\n",
            &[b"500 what\r\n", b"550 no\r\n"],
            Stage::Helo,
            &["EHLO probe.example", "HELO probe.example", "QUIT"],
        ),
        (
            b"220 hi\r\n",
            &[OFFER, b"454 not now\r\n"],
            Stage::Starttls,
            &["EHLO probe.example", "STARTTLS", "QUIT"],
        ),
        (
            b"220 hi\r\n",
            &[OFFER, b"501 no\r\n"],
            Stage::Starttls,
            &["EHLO probe.example", "STARTTLS", "QUIT"],
        ),
    ];
    for (greeting, script, stage, said) in turns {
        // The server hears `QUIT` and closes without an answer: that changes nothing.
        let heard = Heard::default();
        let log = Arc::clone(&heard);
        let server = tcp(move |mut stream| {
            let log = Arc::clone(&log);
            async move {
                stream.write_all(greeting).await.unwrap();
                for answer in script {
                    let line = read_line(&mut stream).await.unwrap();
                    log.lock().unwrap().push(line);
                    stream.write_all(answer).await.unwrap();
                }
                let line = read_line(&mut stream).await.unwrap();
                log.lock().unwrap().push(line);
            }
        })
        .await;
        let row = probe(server).await.row;
        assert_eq!(stopped(&row), (Some(stage), Some(Cause::Reply)), "{stage}");
        assert_eq!(*heard.lock().unwrap(), said, "{stage}");
    }
}

#[tokio::test]
async fn a_421_ends_it_without_quit_at_each_step() {
    const CLOSING: &[u8] = b"421 closing\r\n";
    let turns: [(&[u8], Script, Stage); 3] = [
        (CLOSING, &[], Stage::Banner),
        (b"220 hi\r\n", &[CLOSING], Stage::Ehlo),
        (b"220 hi\r\n", &[OFFER, CLOSING], Stage::Starttls),
    ];
    for (greeting, script, stage) in turns {
        let (server, heard) = plain(greeting, script).await;
        let row = probe(server).await.row;
        assert_eq!(stopped(&row), (Some(stage), Some(Cause::Reply)), "{stage}");
        assert!(!heard.lock().unwrap().contains(&"QUIT".to_owned()), "{stage}");
    }
    let identity = Identity::self_signed(&[HOST]);
    let (server, heard) = encrypted(identity.acceptor(), READY, &[CLOSING]).await;
    let session = probe(server).await;
    assert_eq!(stopped(&session.row), (Some(Stage::EhloTls), Some(Cause::Reply)));
    assert_eq!(*heard.lock().unwrap(), ["EHLO probe.example"]);
    assert_eq!(session.certificates.len(), 1);
}

#[tokio::test]
async fn a_refusal_within_tls_is_followed_by_quit() {
    let identity = Identity::self_signed(&[HOST]);
    let (server, heard) = encrypted(identity.acceptor(), READY, &[b"550 no\r\n", b"221 bye\r\n"]).await;
    let row = probe(server).await.row;
    assert_eq!(stopped(&row), (Some(Stage::EhloTls), Some(Cause::Reply)));
    assert_eq!(*heard.lock().unwrap(), ["EHLO probe.example", "QUIT"]);
}

#[tokio::test]
async fn a_reply_of_ten_megabytes_is_cut() {
    let server = tcp(|mut stream| async move {
        let _ = stream.write_all(&vec![b'2'; 10 << 20]).await;
    })
    .await;
    let row = probe(server).await.row;
    assert_eq!(stopped(&row), (Some(Stage::Banner), Some(Cause::Oversize)));
    assert_eq!(row.replies[0].code, None);
    assert!((1..100_000).contains(&row.replies[0].lines.iter().map(|line| line.len()).sum::<usize>()));
}

#[tokio::test]
async fn a_drip_cannot_stretch_the_deadline_and_is_kept() {
    let server = tcp(|mut stream| async move {
        for byte in b"220-".iter().chain(b"x".repeat(10_000).iter()) {
            if stream.write_u8(*byte).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let begin = Instant::now();
    let row = probe_with(server, |settings| settings.smtp_timeout = SHORT).await.row;
    assert_eq!(stopped(&row), (Some(Stage::Banner), Some(Cause::Timeout)));
    assert!(begin.elapsed() < SHORT * 10);
    assert!(row.replies[0].lines[0].starts_with(b"220-x"));
}

#[tokio::test]
async fn silence_is_a_timeout_at_its_step_and_quit_is_said_where_it_was_greeted() {
    let (server, heard) = plain(b"", &[]).await;
    let row = probe_with(server, |settings| settings.smtp_timeout = SHORT).await.row;
    assert_eq!(stopped(&row), (Some(Stage::Banner), Some(Cause::Timeout)));
    assert!(row.replies.is_empty() && heard.lock().unwrap().is_empty());

    let (done, heard_all) = tokio::sync::oneshot::channel();
    let done = Arc::new(std::sync::Mutex::new(Some(done)));
    let server = tcp(move |mut stream| {
        let done = Arc::clone(&done);
        async move {
            stream.write_all(b"220 hi\r\n").await.unwrap();
            let mut all = String::new();
            stream.read_to_string(&mut all).await.unwrap();
            done.lock().unwrap().take().unwrap().send(all).unwrap();
        }
    })
    .await;
    let row = probe_with(server, |settings| settings.smtp_timeout = SHORT).await.row;
    assert_eq!(stopped(&row), (Some(Stage::Ehlo), Some(Cause::Timeout)));
    assert_eq!(heard_all.await.unwrap(), "EHLO probe.example\r\nQUIT\r\n");
}

#[tokio::test]
async fn a_server_that_closes_or_resets_is_told_apart() {
    let closing = tcp(|mut stream| async move {
        stream.write_all(b"220 hi\r\n").await.unwrap();
        read_line(&mut stream).await.unwrap();
        stream.write_all(b"250-half").await.unwrap();
    })
    .await;
    let row = probe(closing).await.row;
    assert_eq!(stopped(&row), (Some(Stage::Ehlo), Some(Cause::Closed)));
    assert_eq!(row.replies[1].lines[0].as_ref(), b"250-half");
    assert_eq!(row.replies[1].code, None);

    let resetting = tcp(|stream| async move { drop(reset(stream)) }).await;
    let row = probe(resetting).await.row;
    assert_eq!(stopped(&row), (Some(Stage::Banner), Some(Cause::Reset)));
}

/// Arranges that a connection, once dropped, is closed by a reset.
fn reset(stream: TcpStream) -> TcpStream {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    stream
}

#[tokio::test]
async fn what_speaks_another_protocol_is_malformed_and_kept() {
    let (server, _) = plain(b"SSH-2.0-OpenSSH_9.9\r\n", &[]).await;
    let row = probe(server).await.row;
    assert_eq!(stopped(&row), (Some(Stage::Banner), Some(Cause::Malformed)));
    assert_eq!(row.replies[0].lines[0].as_ref(), b"SSH-2.0-OpenSSH_9.9");
}

#[tokio::test]
async fn a_broken_farewell_within_tls_leaves_it_complete() {
    let identity = Identity::self_signed(&[HOST]);
    let tls = identity.acceptor();
    let server = tcp(move |mut stream| {
        let tls = tls.clone();
        async move {
            speak_until_tls(&mut stream, READY).await;
            let mut stream = tls.accept(stream).await.unwrap();
            read_line(&mut stream).await.unwrap();
            stream.write_all(b"250 mx.example\r\n").await.unwrap();
            stream.flush().await.unwrap();
            assert_eq!(read_line(&mut stream).await.as_deref(), Some("QUIT"));
        }
    })
    .await;
    let row = probe(server).await.row;
    assert_eq!(row.ending, Ending::Completed);
    assert_eq!(codes(&row).last(), Some(&("ehlo-tls", Some(250))));
}

#[tokio::test]
async fn rfc8446_6_1_the_end_within_tls_is_said_before_the_connection_ends() {
    let (heard, mut ends) = tokio::sync::mpsc::channel(1);
    let tls = Identity::self_signed(&[HOST]).acceptor();
    let server = tcp(move |mut stream| {
        let (heard, tls) = (heard.clone(), tls.clone());
        async move {
            speak_until_tls(&mut stream, READY).await;
            let mut stream = tls.accept(stream).await.unwrap();
            for answer in INSIDE {
                read_line(&mut stream).await.unwrap();
                stream.write_all(answer).await.unwrap();
                stream.flush().await.unwrap();
            }
            // An error where the connection ends without `close_notify`.
            heard.send(stream.read(&mut [0; 1]).await.map_err(|error| error.kind())).await.unwrap();
        }
    })
    .await;
    assert_eq!(probe(server).await.row.ending, Ending::Completed);
    assert_eq!(ends.recv().await, Some(Ok(0)));
}

#[tokio::test]
async fn a_refused_port_is_refused() {
    let (port, _held) = refusing_port();
    let row = probe(SocketAddr::new(LOCALHOST, port)).await.row;
    assert_eq!(stopped(&row), (Some(Stage::Connect), Some(Cause::Refused)));
    assert!(row.replies.is_empty() && row.tls.is_none());
}

#[tokio::test]
async fn what_may_not_be_probed_is_not() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let make = |gate, opt_out| {
        let resolver = dns_settings(&[SocketAddr::new(LOCALHOST, 9)]);
        Net::new(resolver, gate, opt_out, settings(port)).unwrap()
    };
    let closed = make(AddressGate::default(), OptOut::default());
    let row = probe_smtp(&closed, HOST, LOCALHOST).await.row;
    assert_eq!(row.ending, Ending::withheld(Stage::Connect, OwnCause::NotRoutable));

    let asked = OptOut::parse("example\n", Path::new("list")).unwrap();
    let by_name = net_with(no_dns().await, settings(port), asked);
    let row = probe_smtp(&by_name, HOST, LOCALHOST).await.row;
    assert_eq!(row.ending, Ending::withheld(Stage::Connect, OwnCause::OptOut));

    let asked = OptOut::parse("127.0.0.0/30\n", Path::new("list")).unwrap();
    let by_address = net_with(no_dns().await, settings(port), asked);
    let row = probe_smtp(&by_address, "mx.other.test", LOCALHOST).await.row;
    assert_eq!(row.ending, Ending::withheld(Stage::Connect, OwnCause::OptOut));

    let knock = tokio::time::timeout(Duration::from_millis(20), listener.accept()).await;
    assert!(knock.is_err(), "somebody connected");
}
