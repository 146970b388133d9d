//! A server of yesterday: it answers a hello in its own version by hand, up to its certificates.

use std::io;

use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use crate::https::close_after;
use crate::smtp::ALERT_PROTOCOL_VERSION;

/// `TLS_RSA_WITH_AES_128_CBC_SHA`, which everybody had (RFC 3268).
const SUITE: [u8; 2] = [0x00, 0x2f];
/// Most bytes of a record (RFC 2246 §6.2.1).
const RECORD_BYTES_MAX: usize = 1 << 14;

/// Reads a hello. To one that offers nothing newer than TLS 1.1 it answers in `version`, with its certificates; to any
/// other by the alert `protocol_version`.
pub(crate) async fn answer(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    version: [u8; 2],
    chain: &[CertificateDer<'static>],
) -> io::Result<()> {
    let mut head = [0; 5];
    stream.read_exact(&mut head).await?;
    let length = usize::from(u16::from_be_bytes([head[3], head[4]]));
    let mut hello = vec![0; length.min(RECORD_BYTES_MAX)];
    stream.read_exact(&mut hello).await?;
    // `msg_type length client_version`: TLS 1.3 says 1.2 here.
    let offered = hello.get(4..6).ok_or(io::ErrorKind::InvalidData)?;
    if offered > [3, 2].as_slice() {
        return close_after(stream, &ALERT_PROTOCOL_VERSION).await;
    }
    close_after(stream, &flight(version, chain)).await
}

/// `ServerHello`, `Certificate`, `ServerHelloDone` (RFC 2246 §7.4), each in a record of its own.
fn flight(version: [u8; 2], chain: &[CertificateDer<'static>]) -> Vec<u8> {
    let hello = [&version[..], &[0x5a; 32], &[0], &SUITE, &[0]].concat();
    let list: Vec<u8> = chain.iter().flat_map(|der| sized24(der)).collect();
    let messages = [message(2, &hello), message(11, &sized24(&list)), message(14, &[])];
    let record = |message: &Vec<u8>| {
        let length = (message.len() as u16).to_be_bytes();
        [&[0x16][..], &version, &length, message].concat()
    };
    messages.iter().flat_map(record).collect()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &sized24(body)].concat()
}

fn sized24(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[1..], bytes].concat()
}
