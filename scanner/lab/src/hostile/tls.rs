//! Handshakes that mean harm: records written by hand, and a TLS library led astray.

use std::io;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::server::{Acceptor, ServerSessionMemoryCache};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CipherSuite, ConnectionTrafficSecrets, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::Hostile;
use super::smtp::flood;
use crate::authority::{Authority, Leaf};
use crate::ledger::SmtpSeen;

/// Certificates in a chain that is too long.
const CHAIN: usize = 100;
/// Bytes in a certificate that is too long.
const CERTIFICATE_BYTES: usize = 1 << 20;
/// More tickets than anybody takes.
const TICKETS: usize = 4_000;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;
const VERSION_12: [u8; 2] = [3, 3];
const VERSION_13: [u8; 2] = [3, 4];
/// `TLS_AES_128_GCM_SHA256` (RFC 8446 §B.4).
const SUITE_13: [u8; 2] = [0x13, 0x01];
/// `TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256` (RFC 5289 §3.2).
const SUITE_12: [u8; 2] = [0xc0, 0x2b];
/// The same, to the library.
const SEALED_SUITE: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
/// What stands for a random number in a request for another hello (RFC 8446 §4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Shakes hands as the case says; `None` where nothing is left to be said afterwards.
pub(super) async fn shake(
    case: Hostile,
    mut stream: TcpStream,
    authority: &Authority,
    seen: &mut SmtpSeen,
) -> io::Result<Option<TlsStream<TcpStream>>> {
    if let Some(records) = endless(case) {
        read_record(&mut stream).await?;
        flood(&mut stream, &records).await?;
        return Ok(None);
    }
    match case {
        Hostile::TlsFragments | Hostile::TlsFragmentsSmall => {
            read_record(&mut stream).await?;
            let length: &[u8] = if case == Hostile::TlsFragments { &[0xff; 3] } else { &[0, 0xea, 0x60] };
            let first: Vec<u8> = [&[SERVER_HELLO], length].concat();
            let first: Vec<u8> = first.iter().flat_map(|byte| record(HANDSHAKE, &[*byte])).collect();
            stream.write_all(&first).await?;
            flood(&mut stream, &record(HANDSHAKE, &[0])).await?;
        }
        Hostile::TlsRecordLong => {
            read_record(&mut stream).await?;
            stream.write_all(&[HANDSHAKE, 3, 3, 0xff, 0xff]).await?;
            flood(&mut stream, &[0; 64]).await?;
        }
        Hostile::TlsDrip => {
            read_record(&mut stream).await?;
            stream.write_all(&[HANDSHAKE, 3, 3, 0x20, 0, SERVER_HELLO, 0, 0x1f, 0xfc]).await?;
            loop {
                tokio::time::sleep(super::dns::DRIP).await;
                stream.write_all(&[3]).await?;
            }
        }
        Hostile::TlsRetries => {
            while let Ok(hello) = read_record(&mut stream).await {
                let chosen = extension(51, &[0, 0x18]);
                let retry = server_hello(&RETRY, &hello, SUITE_13, &[version_13(), chosen].concat());
                stream.write_all(&retry).await?;
            }
        }
        Hostile::TlsResumedKey => {
            let hello = read_record(&mut stream).await?;
            let share = extension(51, &[&[0, 0x1d, 0, 32][..], &[9; 32]].concat());
            let extensions = [version_13(), share, extension(41, &[0, 0])].concat();
            close_after(&mut stream, &server_hello(&[7; 32], &hello, SUITE_13, &extensions)).await?;
        }
        Hostile::TlsResumedSession => {
            let hello = read_record(&mut stream).await?;
            let mut flight = server_hello(&[7; 32], &hello, SUITE_12, &[]);
            flight.extend(record(20, &[1]));
            flight.extend(record(HANDSHAKE, &[5; 40]));
            close_after(&mut stream, &flight).await?;
        }
        Hostile::TlsDowngrade => {
            let hello = read_record(&mut stream).await?;
            let mut random = [7; 32];
            random[24..].copy_from_slice(b"DOWNGRD\x01");
            close_after(&mut stream, &server_hello(&random, &hello, SUITE_12, &[])).await?;
        }
        _ => return accept(case, stream, authority, seen).await,
    }
    Ok(None)
}

/// The record that is sent again and again.
fn endless(case: Hostile) -> Option<Vec<u8>> {
    match case {
        Hostile::TlsEmptyRecords => Some(record(HANDSHAKE, &[])),
        // A warning: `user_canceled` (RFC 8446 §6.1).
        Hostile::TlsWarnings => Some(record(ALERT, &[1, 90])),
        Hostile::TlsChangeCipherSpecs => Some(record(20, &[1])),
        Hostile::TlsHelloRequests => Some(record(HANDSHAKE, &[0; 4])),
        _ => None,
    }
}

/// Shakes hands by the library.
async fn accept(
    case: Hostile,
    stream: TcpStream,
    authority: &Authority,
    seen: &mut SmtpSeen,
) -> io::Result<Option<TlsStream<TcpStream>>> {
    let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let name = hello.client_hello().server_name().map(str::to_ascii_lowercase);
    let host = name.clone().unwrap_or_else(|| "mx.hostile".to_owned());
    seen.sni = name;
    let config = config(case, &host, authority)?;
    let mut stream = hello.into_stream(config).await?;
    seen.handshake = true;
    match case {
        Hostile::TlsKeyUpdates => loop {
            stream.get_mut().1.refresh_traffic_keys().map_err(io::Error::other)?;
            stream.flush().await?;
        },
        Hostile::TlsRenegotiations => renegotiate(stream).await.map(|()| None),
        _ => Ok(Some(stream)),
    }
}

/// Asks to begin again (RFC 5246 §7.4.1.1), again and again, in records sealed as the library would, which sends none.
async fn renegotiate(mut stream: TlsStream<TcpStream>) -> io::Result<()> {
    stream.flush().await?;
    let (mut stream, session) = stream.into_inner();
    let secrets = session.dangerous_extract_secrets().map_err(io::Error::other)?;
    let (begin, ConnectionTrafficSecrets::Aes128Gcm { key, iv }) = secrets.tx else {
        return Err(io::Error::other("another suite than the only one offered"));
    };
    let key = UnboundKey::new(&AES_128_GCM, key.as_ref()).map_err(io::Error::other)?;
    let key = LessSafeKey::new(key);
    // Once the client has said something: the handshake is over for both.
    read_record(&mut stream).await?;
    for number in begin.. {
        stream.write_all(&sealed_request(&key, iv.as_ref(), number).map_err(io::Error::other)?).await?;
    }
    Ok(())
}

/// A `HelloRequest` in a record of AES-GCM (RFC 5288 §3): its nonce's last eight bytes, the sealed message, the tag.
fn sealed_request(key: &LessSafeKey, iv: &[u8], number: u64) -> Result<Vec<u8>, Unspecified> {
    let mut request = vec![0; 4];
    let mut nonce = <[u8; NONCE_LEN]>::try_from(iv).map_err(|_| Unspecified)?;
    nonce[4..].iter_mut().zip(number.to_be_bytes()).for_each(|(byte, count)| *byte ^= count);
    let head = [HANDSHAKE, 3, 3, 0, request.len() as u8];
    let bound = Aad::from([&number.to_be_bytes()[..], &head].concat());
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound, &mut request)?;
    Ok(record(HANDSHAKE, &[&nonce[4..], &request].concat()))
}

fn config(case: Hostile, host: &str, authority: &Authority) -> io::Result<Arc<ServerConfig>> {
    let leaf = if case == Hostile::TlsWrongKey { Leaf::AnothersKey } else { Leaf::Valid };
    let (mut chain, signer) = authority.chain_for(host, leaf).map_err(io::Error::other)?;
    match case {
        Hostile::TlsChainLong => chain.extend_from_slice(&padding()[chain.len()..]),
        Hostile::TlsCertificateLong => chain = vec![CertificateDer::from(vec![0x30; CERTIFICATE_BYTES])],
        _ => {}
    }
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    let versions: &[_] = match case {
        Hostile::TlsRenegotiations => {
            provider.cipher_suites.retain(|suite| suite.suite() == SEALED_SUITE);
            &[&rustls::version::TLS12]
        }
        Hostile::TlsTickets | Hostile::TlsKeyUpdates => &[&rustls::version::TLS13],
        _ => rustls::ALL_VERSIONS,
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, signer))));
    if case == Hostile::TlsTickets {
        config.session_storage = ServerSessionMemoryCache::new(16);
        config.send_tls13_tickets = TICKETS;
    }
    config.enable_secret_extraction = case == Hostile::TlsRenegotiations;
    Ok(Arc::new(config))
}

/// Certificates that lead nowhere, each another one; made once.
fn padding() -> &'static [CertificateDer<'static>] {
    static MADE: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();
    MADE.get_or_init(|| {
        let Ok(key) = KeyPair::generate() else { return Vec::new() };
        let made = (0..CHAIN).filter_map(|n| {
            let params = CertificateParams::new(vec![format!("n{n}.hostile")]).ok()?;
            Some(params.self_signed(&key).ok()?.der().clone())
        });
        made.collect()
    })
}

fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &(payload.len() as u16).to_be_bytes(), payload].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), data].concat()
}

/// The extension that says TLS 1.3 (RFC 8446 §4.2.1).
fn version_13() -> Vec<u8> {
    extension(43, &VERSION_13)
}

/// A `ServerHello` (RFC 8446 §4.1.3) that gives the session's id back to the hello it answers, as a record.
fn server_hello(random: &[u8; 32], client_hello: &[u8], suite: [u8; 2], extensions: &[u8]) -> Vec<u8> {
    // Type, length, version and random stand before it.
    let id = client_hello.get(38..).unwrap_or_default();
    let id = id.get(..1 + usize::from(id.first().copied().unwrap_or(0)).min(32)).unwrap_or(&[0]);
    let mut body = [&VERSION_12[..], random, id, &suite, &[0]].concat();
    if !extensions.is_empty() {
        body.extend_from_slice(&(extensions.len() as u16).to_be_bytes());
        body.extend_from_slice(extensions);
    }
    let head = [SERVER_HELLO, 0, (body.len() >> 8) as u8, body.len() as u8];
    record(HANDSHAKE, &[&head[..], &body].concat())
}

async fn read_record(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = [0; 5];
    stream.read_exact(&mut head).await?;
    let mut body = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

async fn close_after(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    crate::https::close_after(stream, bytes).await
}
