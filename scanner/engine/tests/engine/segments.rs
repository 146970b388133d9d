//! What leaves in one piece, as the other end reads it.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use mxray_engine::{fetch_policy, probe_smtp};
use mxray_evidence::{Cause, Ending, Stage};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use crate::servers::{Identity, dns, dns_addresses, net, read_line, settings, tcp};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Content types of TLS records (RFC 8446 §5.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const APPLICATION_DATA: u8 = 23;
/// An alert of TLS (RFC 8446 §6).
const HANDSHAKE_FAILURE: u8 = 40;

/// A server's stream that writes down what each read brought.
struct Reads {
    stream: TcpStream,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl AsyncRead for Reads {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let bytes = buffer.filled()[before..].to_vec();
        if !bytes.is_empty() {
            self.seen.lock().unwrap().push(bytes);
        }
        read
    }
}

impl AsyncWrite for Reads {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The content types of the records that the end of the handshake came with, in one read.
fn end_of_handshake(seen: &Mutex<Vec<Vec<u8>>>) -> Vec<u8> {
    let seen = seen.lock().unwrap();
    let mut rest = &seen.iter().find(|read| read[0] == CHANGE_CIPHER_SPEC).expect("it changes ciphers")[..];
    let mut types = Vec::new();
    while let [kind, _, _, high, low, record @ ..] = rest {
        types.push(*kind);
        rest = record.get(usize::from(u16::from_be_bytes([*high, *low]))..).expect("whole records");
    }
    types
}

/// Greets, offers TLS, and is ready for it.
async fn speak_until_tls(stream: &mut TcpStream) {
    stream.write_all(b"220 mx.example ESMTP\r\n").await.unwrap();
    read_line(stream).await.unwrap();
    stream.write_all(b"250-mx.example\r\n250 STARTTLS\r\n").await.unwrap();
    read_line(stream).await.unwrap();
    stream.write_all(b"220 go ahead\r\n").await.unwrap();
}

#[tokio::test]
async fn the_end_of_a_handshake_goes_with_ehlo() {
    let tls = Identity::self_signed(&["mx.example"]).acceptor();
    let seen = Arc::default();
    let log = Arc::clone(&seen);
    let server = tcp(move |mut stream| {
        let (tls, seen) = (tls.clone(), Arc::clone(&log));
        async move {
            speak_until_tls(&mut stream).await;
            let mut stream = tls.accept(Reads { stream, seen }).await.unwrap();
            read_line(&mut stream).await.unwrap();
            stream.write_all(b"250 mx.example\r\n").await.unwrap();
            read_line(&mut stream).await.unwrap();
            stream.write_all(b"221 bye\r\n").await.unwrap();
        }
    })
    .await;
    let net = net(dns(|_, _| Vec::new()).await, settings(server.port()));
    let row = probe_smtp(&net, "mx.example", LOCALHOST).await.row;
    assert_eq!(row.ending, Ending::Completed);
    assert_eq!(end_of_handshake(&seen), [CHANGE_CIPHER_SPEC, APPLICATION_DATA, APPLICATION_DATA]);
}

#[tokio::test]
async fn the_end_of_a_handshake_goes_with_the_request() {
    let tls = Identity::self_signed(&["mta-sts.a.example"]).acceptor();
    let seen = Arc::default();
    let log = Arc::clone(&seen);
    let server = tcp(move |stream| {
        let (tls, seen) = (tls.clone(), Arc::clone(&log));
        async move {
            let mut stream = tls.accept(Reads { stream, seen }).await.unwrap();
            while read_line(&mut stream).await.is_some_and(|line| !line.is_empty()) {}
            stream.write_all(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let net = net(dns_addresses(&[LOCALHOST]).await, settings(server.port()));
    let row = fetch_policy(&net, "a.example").await.row;
    assert_eq!((row.status, row.ending), (Some(404), Ending::Completed));
    assert_eq!(end_of_handshake(&seen), [CHANGE_CIPHER_SPEC, APPLICATION_DATA, APPLICATION_DATA]);
}

#[tokio::test]
async fn whoever_breaks_the_handshake_is_told_so_by_an_alert() {
    let heard: Arc<Mutex<Vec<u8>>> = Arc::default();
    let log = Arc::clone(&heard);
    let server = tcp(move |mut stream| {
        let heard = Arc::clone(&log);
        async move {
            speak_until_tls(&mut stream).await;
            let mut header = [0; 5];
            stream.read_exact(&mut header).await.unwrap();
            let mut hello = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
            stream.read_exact(&mut hello).await.unwrap();
            // A record of a handshake that is none.
            stream.write_all(b"\x16\x03\x03\x00\x05\x63\x00\x00\x01\x00").await.unwrap();
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            *heard.lock().unwrap() = rest;
        }
    })
    .await;
    let net = net(dns(|_, _| Vec::new()).await, settings(server.port()));
    let row = probe_smtp(&net, "mx.example", LOCALHOST).await.row;
    assert_eq!((row.ending.stage(), row.ending.cause()), (Some(Stage::Handshake), Some(Cause::TlsError)));
    // The server writes it down once the connection has ended.
    while heard.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(heard.lock().unwrap()[0], ALERT);
}

#[tokio::test]
async fn what_was_said_before_hanging_up_is_read_though_nothing_can_be_sent_any_more() {
    let server = tcp(|mut stream| async move {
        stream.write_all(b"220 mx.example ESMTP\r\n").await.unwrap();
        read_line(&mut stream).await.unwrap();
        stream.write_all(b"250-mx.example\r\n250 STARTTLS\r\n").await.unwrap();
        read_line(&mut stream).await.unwrap();
        // So long that it is one read of the client's to the byte, and the alert behind it is not read in the clear.
        let words = "x".repeat(1_018);
        let mut said = format!("220-{words}\r\n220-{words}\r\n220-{words}\r\n220 {words}\r\n").into_bytes();
        said.extend([ALERT, 3, 3, 0, 2, 2, HANDSHAKE_FAILURE]);
        // Once dropped, it is closed by a reset: before the client has said hello.
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        stream.write_all(&said).await.unwrap();
    })
    .await;
    let net = net(dns(|_, _| Vec::new()).await, settings(server.port()));
    let row = probe_smtp(&net, "mx.example", LOCALHOST).await.row;
    assert_eq!((row.ending.stage(), row.ending.cause()), (Some(Stage::Handshake), Some(Cause::TlsAlert)));
    assert_eq!(row.tls.unwrap().alert.as_deref(), Some("handshake_failure"));
}
