//! What a mail host that shakes no hands with us speaks instead: TLS 1.1 or older, or suites and groups that our library does
//! not have. One more session or two, up to the server's first words in the clear. No key is agreed, and nothing is said
//! inside; what speaks is this file, and no library.

use std::net::{IpAddr, SocketAddr};

use mxray_evidence::{ByteBuf, Cause, Ending, LegacyHello, Stage};
use mxray_protocol::legacy_tls::{Offer, ServerFlight, client_hello};
use mxray_protocol::smtp::Dialogue;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::connect::Wire;
use crate::deadline::Deadline;
use crate::smtp::{Talk, converse};
use crate::{Net, certificate, clock, connect, ending, tls};

/// Most bytes of an answer that are read: two or three certificates, and room.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Most certificates that are kept.
const CHAIN_MAX: usize = 32;

/// Whether a session ended in a way that an old or odd server may be behind: it refused our versions or suites, or went
/// away at the hello.
pub(crate) fn is_suspected(ending: &Ending, alert: Option<&str>) -> bool {
    let Ending::Stopped { stage: Stage::Handshake, cause, detail } = ending else { return false };
    match cause {
        Cause::TlsAlert => {
            matches!(alert, Some("protocol_version" | "handshake_failure" | "insufficient_security"))
        }
        Cause::Closed | Cause::Reset => true,
        // The library's word for a hello in a version that it does not speak.
        Cause::TlsError => {
            detail.as_deref().is_some_and(|words| words.to_ascii_lowercase().contains("version"))
        }
        _ => false,
    }
}

/// Says one hello after the other until one is taken, each in a session of its own, and says what came of the last, with the
/// certificates shown. It comes within the place of the session before it, which has ended: never two at a time; the rates
/// do not count it.
pub(crate) async fn ask(net: &Net, host: &str, address: IpAddr) -> (LegacyHello, Vec<Vec<u8>>) {
    let begin = Instant::now();
    let deadline = begin + net.settings.smtp_timeout;
    let (hello, certificates) = say(net, host, address, Offer::Everything, deadline).await;
    let is_upset = matches!(
        hello.ending.cause(),
        Some(Cause::TlsAlert | Cause::Closed | Cause::Reset | Cause::Malformed)
    );
    if hello.version.is_some() || hello.ending.stage() != Some(Stage::Handshake) || !is_upset {
        return (hello, certificates);
    }
    say(net, host, address, Offer::Tls11, deadline).await
}

async fn say(
    net: &Net,
    host: &str,
    address: IpAddr,
    offer: Offer,
    deadline: Instant,
) -> (LegacyHello, Vec<Vec<u8>>) {
    let begin = Instant::now();
    let mut received = Vec::new();
    let ending = match reach(net, address, deadline).await {
        Ok(mut stream) => greet(&mut stream, offer, host, &mut received, deadline).await,
        Err(ending) => ending,
    };
    let ending = net.stalls.judge(ending, begin);
    let flight = ServerFlight::read(&received);
    let mut certificates = flight.certificates;
    certificates.truncate(CHAIN_MAX);
    let hello = LegacyHello {
        elapsed_us: begin.elapsed().as_micros() as u64,
        offered: offer.newest().to_owned(),
        version: flight.version.map(version),
        cipher_suite: flight.cipher_suite.map(tls::suite_name),
        group: flight.group.map(tls::group_name).or(flight.prime_bits.map(|bits| format!("dh-{bits}"))),
        chain: certificates.iter().map(|der| ByteBuf::from(certificate::digest(der).to_vec())).collect(),
        alert: flight.alert.map(tls::alert_name),
        ending,
    };
    (hello, certificates)
}

/// Connects and talks until the server is ready for TLS.
async fn reach(net: &Net, address: IpAddr, deadline: Instant) -> Result<Wire, Ending> {
    let address = SocketAddr::new(address, net.settings.smtp_port);
    let mut within = Deadline::new(deadline.min(Instant::now() + net.settings.connect_timeout));
    let mut stream = connect::open(net, address, &mut within).await?;
    within.move_to(deadline);
    let mut dialogue = Dialogue::new(&net.settings.ehlo_name);
    match converse(&mut stream, &mut dialogue, &mut Vec::new(), &mut None, &mut within).await {
        Talk::Handshake(_) => Ok(stream),
        // It was ready a moment ago: what it says now stands in the ending alone.
        Talk::Ended(Ending::Completed) => Err(Ending::stopped(Stage::Starttls, Cause::Reply)),
        Talk::Ended(ending) => Err(ending),
    }
}

/// Says the hello and reads until there is nothing more to wait for.
async fn greet(
    stream: &mut Wire,
    offer: Offer,
    host: &str,
    received: &mut Vec<u8>,
    deadline: Instant,
) -> Ending {
    let random: [u8; 32] = Sha256::digest(format!("{host} {}", clock::now())).into();
    let exchange = async {
        stream.write_all(&client_hello(offer, host, &random)).await?;
        stream.flush().await?;
        while received.len() < ANSWER_BYTES_MAX {
            if stream.read_buf(received).await? == 0 {
                return Ok(Ending::stopped(Stage::Handshake, Cause::Closed));
            }
            let flight = ServerFlight::read(received);
            if flight.is_over {
                return Ok(match (flight.alert, flight.is_malformed) {
                    (Some(_), _) => Ending::stopped(Stage::Handshake, Cause::TlsAlert),
                    (None, true) => Ending::stopped(Stage::Handshake, Cause::Malformed),
                    (None, false) => Ending::Completed,
                });
            }
        }
        Ok(Ending::stopped(Stage::Handshake, Cause::Oversize))
    };
    match tokio::time::timeout_at(deadline, exchange).await {
        Ok(Ok(ending)) => ending,
        Ok(Err(error)) => ending::of_io(Stage::Handshake, &error),
        Err(_) => Ending::stopped(Stage::Handshake, Cause::Timeout),
    }
}

fn version(version: u16) -> String {
    match version {
        0x0300 => "SSLv3".to_owned(),
        0x0301 => "TLSv1.0".to_owned(),
        0x0302 => "TLSv1.1".to_owned(),
        0x0303 => "TLSv1.2".to_owned(),
        0x0304 => "TLSv1.3".to_owned(),
        other => format!("{other:#06x}"),
    }
}
