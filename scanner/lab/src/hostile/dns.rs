//! What the name server says of hostile domains, and how it says it.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::records::{A, AAAA, ASKED, CNAME, HEADER_BYTES, MX, NS, NULL, Reply, TXT, mx, pointer, txt, wire};
use super::{Hostile, Place};

/// The last label of hostile names, on the wire, with the root.
const TAIL: &[u8] = b"\x07hostile\0";
/// Between two bytes of what drips.
pub(super) const DRIP: Duration = Duration::from_millis(50);
/// A cloud's metadata service.
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// What a record of MTA-STS holds.
const RECORD: &[u8] = b"v=STSv1; id=1;";
/// What a record of TLS-RPT holds: the reports go where nothing is wrong.
const REPORTS: &[u8] = b"v=TLSRPTv1; rua=mailto:tls@sound-0.hostile";
/// Replies that are forged before the true one.
const FORGERIES: u16 = 200;

/// Whether a query is for a hostile name, at a glance.
pub(crate) fn is_hostile(query: &[u8]) -> bool {
    query.get(HEADER_BYTES..).is_some_and(|rest| rest.windows(TAIL.len()).any(|bytes| bytes == TAIL))
}

/// The datagrams that answer a query over UDP; `None` where it is for no hostile name.
pub(crate) fn replies(query: &[u8]) -> Option<Vec<Vec<u8>>> {
    let asked = Asked::read(query)?;
    let place = Place::of(&asked.name)?;
    let reply = Reply::to(query, asked.end);
    let sound = || sound(&reply, &place, asked.kind);
    let one = |reply: Reply| Some(vec![reply.bytes]);
    if place.below.is_empty() && asked.kind == MX {
        let host = mx(10, &wire(&format!("mx.{}", place.domain)));
        match place.case {
            Hostile::DnsCompressionLoop => {
                let itself = pointer(reply.data_at(ASKED.len()) + 2);
                return one(reply.with(&ASKED, MX, &mx(10, &itself)));
            }
            Hostile::DnsPointerChain => return one(pointer_chain(reply)),
            Hostile::DnsPointerForward => return one(reply.with(&ASKED, MX, &mx(10, &pointer(0x3fff)))),
            Hostile::DnsCountLiar => return one(reply.with(&ASKED, MX, &host).counting(u16::MAX)),
            Hostile::DnsRdataOverrun => {
                let mut reply = reply.with(&ASKED, MX, &host);
                let at = reply.bytes.len() - host.len() - 2;
                reply.bytes[at..at + 2].copy_from_slice(&[0xff, 0xff]);
                return one(reply);
            }
            Hostile::DnsWrongId => {
                let mut sound = sound().bytes;
                sound[1] ^= 1;
                return Some(vec![sound]);
            }
            Hostile::DnsWrongQuestion => {
                let mut sound = sound().bytes;
                sound[HEADER_BYTES + 1] = b'x';
                return Some(vec![sound]);
            }
            Hostile::DnsSpoofFlood => {
                let forged = reply.clone().with(&ASKED, MX, &mx(0, &wire("mx.forged.hostile"))).bytes;
                let mut all: Vec<Vec<u8>> = (1..=FORGERIES).map(|n| with_id_off_by(&forged, n)).collect();
                all.push(sound().bytes);
                return Some(all);
            }
            Hostile::DnsSilence => return Some(Vec::new()),
            Hostile::DnsRunts => {
                let header = sound().bytes[..HEADER_BYTES].to_vec();
                return Some(vec![Vec::new(), vec![query[0]], header]);
            }
            Hostile::DnsNameBinary => {
                let name = b"\x03mx\0\x06a.b\\\x1b[\x05\xff\xfe\r\n\x80\x07hostile\0";
                return one(reply.with(&ASKED, MX, &mx(10, name)));
            }
            Hostile::DnsNameLong => {
                return one(reply.with(&ASKED, MX, &mx(10, &wire(&long_name(place.domain)))));
            }
            Hostile::DnsGlue => {
                let owner = wire(&format!("mx.{}", place.domain));
                let forged = reply.with(&ASKED, MX, &host);
                return one(forged.with_additional(&owner, A, &METADATA.octets()));
            }
            _ => {}
        }
    }
    if over_tcp(&reply, &place, asked.kind).is_some() {
        return one(reply.truncated());
    }
    one(sound())
}

/// Answers the first query of a TCP connection that was read already.
pub(crate) async fn serve_over_tcp(stream: &mut TcpStream, query: &[u8]) -> std::io::Result<()> {
    let Some(asked) = Asked::read(query) else { return Ok(()) };
    let Some(place) = Place::of(&asked.name) else { return Ok(()) };
    let reply = Reply::to(query, asked.end);
    let answer =
        over_tcp(&reply, &place, asked.kind).unwrap_or_else(|| sound(&reply, &place, asked.kind)).bytes;
    let promised = match place.case {
        Hostile::DnsTcpDrip | Hostile::DnsTcpShort if answer.is_empty() => u16::MAX,
        _ => answer.len() as u16,
    };
    stream.write_all(&promised.to_be_bytes()).await?;
    match place.case {
        Hostile::DnsTcpDrip if answer.is_empty() => loop {
            stream.write_all(&[0]).await?;
            tokio::time::sleep(DRIP).await;
        },
        Hostile::DnsTcpShort if answer.is_empty() => stream.write_all(&[0; 100]).await?,
        _ => stream.write_all(&answer).await?,
    }
    stream.shutdown().await?;
    let mut sink = [0; 64];
    while stream.read(&mut sink).await? > 0 {}
    Ok(())
}

/// What is only said over TCP; empty where it is no message. `None` where UDP does.
fn over_tcp(reply: &Reply, place: &Place<'_>, kind: u16) -> Option<Reply> {
    let reply = reply.clone();
    match (place.case, place.below, kind) {
        (Hostile::DnsTruncatedForever, "", MX) => Some(reply.truncated()),
        (Hostile::DnsTcpDrip | Hostile::DnsTcpShort, "", MX) => Some(Reply { bytes: Vec::new() }),
        (Hostile::DnsAnswerLong, "_mta-sts", TXT) => {
            let segment = [b'x'; 255];
            let data = txt(&[&segment, &segment, &segment, &segment]);
            Some(filled(reply, TXT, |_| data.clone()))
        }
        (Hostile::DnsAddressesMany, "mx", A) => {
            Some(filled(reply, A, |n| Ipv4Addr::from(0x7f00_1000 + n).octets().to_vec()))
        }
        (Hostile::DnsMxThousand, "", MX) => Some(hosts(reply, place.domain, 1_000)),
        (Hostile::DnsMxHundred, "", MX) => Some(hosts(reply, place.domain, 100)),
        (Hostile::DnsTxtMany, "_mta-sts", TXT) => {
            Some((0..100).fold(reply, |reply, _| reply.with(&ASKED, TXT, &txt(&[RECORD]))))
        }
        (Hostile::DnsCnameChain, "mx", A | AAAA) => Some(chain(reply, place.domain, 40)),
        _ => None,
    }
}

/// What a domain says that has nothing to hide, apart from where its case lies in the data.
fn sound(reply: &Reply, place: &Place<'_>, kind: u16) -> Reply {
    let reply = reply.clone();
    let own = place.case.address(place.number).octets();
    let alias = |reply: Reply, from: &[u8], to: &str| reply.with(from, CNAME, &wire(to));
    let is_host = is_mail_host(place);
    match (place.case, place.below, kind) {
        (Hostile::DnsCnameSelf, "mx", A | AAAA) => alias(reply, &ASKED, &format!("mx.{}", place.domain)),
        (Hostile::DnsCnameLoop, "mx", A | AAAA) => {
            let (this, other) = (format!("mx.{}", place.domain), format!("b.{}", place.domain));
            alias(alias(reply, &ASKED, &other), &wire(&other), &this)
        }
        (Hostile::DnsMetadata, "mx", A) | (Hostile::DnsPolicyMetadata, "mta-sts", A) => {
            reply.with(&ASKED, A, &METADATA.octets())
        }
        (Hostile::DnsMetadata, "mx", AAAA) | (Hostile::DnsPolicyMetadata, "mta-sts", AAAA) => {
            METADATA_V6.iter().fold(reply, |reply, address| reply.with(&ASKED, AAAA, &address.octets()))
        }
        (Hostile::DnsTxtBinary, "_mta-sts", TXT) => {
            let (low, high): (Vec<u8>, Vec<u8>) = ((0..128).collect(), (128..=255).collect());
            reply.with(&ASKED, TXT, &txt(&[&low, &high]))
        }
        (_, "", MX) => reply.with(&ASKED, MX, &mx(10, &wire(&format!("mx.{}", place.domain)))),
        (_, "", NS) => reply.with(&ASKED, NS, &wire(&format!("ns.{}", place.domain))),
        (_, "_mta-sts", TXT) => reply.with(&ASKED, TXT, &txt(&[RECORD])),
        (_, "_smtp._tls", TXT) => reply.with(&ASKED, TXT, &txt(&[REPORTS])),
        (_, "mta-sts", A) => reply.with(&ASKED, A, &own),
        (_, _, A) if is_host => reply.with(&ASKED, A, &own),
        (_, "" | "_mta-sts" | "mta-sts" | "_smtp._tls" | "_tls", _) => reply,
        _ if is_host => reply,
        _ => reply.nxdomain(),
    }
}

/// Whether a name is one of the domain's MX hosts.
fn is_mail_host(place: &Place<'_>) -> bool {
    match place.case {
        Hostile::DnsMxHundred => place.below.strip_prefix('h').is_some_and(|n| n.parse::<u16>().is_ok()),
        Hostile::DnsNameLong => place.below.len() > 63,
        _ => place.below == "mx",
    }
}

/// The metadata service in other clothes: a cloud's own, mapped, translated, and by 6to4.
const METADATA_V6: [Ipv6Addr; 4] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0xa9fe, 0xa9fe),
    Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
    Ipv6Addr::new(0x2002, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1),
];

/// An MX host whose name leads back through a hundred pointers to the name that was asked for.
fn pointer_chain(reply: Reply) -> Reply {
    let begin = reply.data_at(ASKED.len());
    let mut pointers = ASKED.to_vec();
    for n in 0..99 {
        pointers.extend_from_slice(&pointer(begin + n * 2));
    }
    let last = pointer(begin + pointers.len() - 2);
    reply.with(&ASKED, NULL, &pointers).with(&ASKED, MX, &mx(10, &last))
}

/// As many records as a message over TCP holds.
fn filled(mut reply: Reply, kind: u16, data: impl Fn(u32) -> Vec<u8>) -> Reply {
    for number in 0.. {
        let data = data(number);
        if reply.data_at(ASKED.len()) + data.len() > usize::from(u16::MAX) {
            break;
        }
        reply = reply.with(&ASKED, kind, &data);
    }
    reply
}

/// So many MX hosts, `h0` to the last.
fn hosts(reply: Reply, domain: &str, count: u16) -> Reply {
    (0..count).fold(reply, |reply, n| reply.with(&ASKED, MX, &mx(n, &wire(&format!("h{n}.{domain}")))))
}

/// An alias of an alias, so many times, without an address at the end.
fn chain(reply: Reply, domain: &str, length: u16) -> Reply {
    let mut owner = ASKED.to_vec();
    (0..length).fold(reply, |reply, n| {
        let target = wire(&format!("c{n}.{domain}"));
        reply.with(&std::mem::replace(&mut owner, target.clone()), CNAME, &target)
    })
}

/// A name below a domain that is as long as a name can be: 255 bytes on the wire.
fn long_name(domain: &str) -> String {
    const NAME_BYTES_MAX: usize = 255;
    let mut labels = vec![domain.to_owned()];
    let mut left = NAME_BYTES_MAX - wire(domain).len();
    while left > 1 {
        // A label costs a byte more than it has, and must not leave a byte that no label fits in.
        let bytes = (left - 1).min(63);
        let bytes = if left - 1 - bytes == 1 { bytes - 1 } else { bytes };
        labels.push("n".repeat(bytes));
        left -= bytes + 1;
    }
    labels.reverse();
    labels.join(".")
}

fn with_id_off_by(reply: &[u8], difference: u16) -> Vec<u8> {
    let mut forged = reply.to_vec();
    let id = u16::from_be_bytes([forged[0], forged[1]]).wrapping_add(difference);
    forged[..2].copy_from_slice(&id.to_be_bytes());
    forged
}

/// The question of a query.
struct Asked {
    name: String,
    kind: u16,
    /// Where it ends.
    end: usize,
}

impl Asked {
    fn read(query: &[u8]) -> Option<Self> {
        let mut name = String::new();
        let mut at = HEADER_BYTES;
        loop {
            let length = usize::from(*query.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            let label = query.get(at..at + length)?;
            if !name.is_empty() {
                name.push('.');
            }
            name.extend(label.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
            at += length;
        }
        let kind = u16::from_be_bytes(*query.get(at..)?.first_chunk()?);
        Some(Self { name, kind, end: (at + 4 <= query.len()).then_some(at + 4)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_long_name_is_as_long_as_can_be() {
        for number in [0, 10, 100, 1_000, 10_000] {
            let name = long_name(&Hostile::DnsNameLong.domain(number));
            assert_eq!(wire(&name).len(), 255, "{name}");
            assert!(name.split('.').all(|label| (1..=63).contains(&label.len())), "{name}");
        }
    }
}
