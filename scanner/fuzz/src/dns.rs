//! Replies of resolvers.

use mxray_engine::bytes::read_reply;
use mxray_evidence::{AddressRecord, Ending, Lookup, MxRecord, NsRecord, TxtRecord};

const NAME: &str = "d.example";
/// The same on the wire.
const WIRE: &[u8] = b"\x01d\x07example\x00";
/// MX, NS, TXT, A, AAAA.
const KINDS: [u16; 5] = [15, 2, 16, 1, 28];
const RECORDS_MAX: usize = 256;
const CNAMES_MAX: usize = 32;
const TXT_BYTES_MAX: usize = 16 << 10;

/// One byte that picks the type asked for, ten of header behind the id, then all that follows the question.
pub fn dns_reply(data: &[u8]) {
    let Some((kind, message)) = read(data) else { return };
    match kind {
        15 => check(&message, kind, |record: &MxRecord| check_name(&record.exchange)),
        2 => check(&message, kind, |record: &NsRecord| check_name(&record.nameserver)),
        16 => {
            let bytes = std::cell::Cell::new(0);
            check(&message, kind, |record: &TxtRecord| {
                assert!(record.segments.iter().all(|segment| segment.len() <= 255));
                bytes.set(bytes.get() + record.segments.iter().map(|segment| segment.len()).sum::<usize>());
            });
            assert!(bytes.get() <= TXT_BYTES_MAX, "only so much text is kept");
        }
        _ => check(&message, kind, |record: &AddressRecord| {
            let address: std::net::IpAddr = record.address.parse().expect("an address");
            assert_eq!(address.is_ipv4(), kind == 1);
            assert_eq!(address.to_string(), record.address);
        }),
    }
}

/// The type asked for, and the message.
fn read(data: &[u8]) -> Option<(u16, Vec<u8>)> {
    let (kind, rest) = data.split_first()?;
    let (header, sections) = rest.split_first_chunk::<10>()?;
    let kind = KINDS[usize::from(*kind) % KINDS.len()];
    let mut message = [&[0, 0][..], header].concat();
    // A response to a query, with one question.
    message[2] = message[2] & 0x07 | 0x80;
    message[4..6].copy_from_slice(&[0, 1]);
    message.extend_from_slice(WIRE);
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    message.extend_from_slice(sections);
    Some((kind, message))
}

fn check<R>(message: &[u8], kind: u16, record: impl Fn(&R))
where
    R: mxray_engine::bytes::FromRecord + PartialEq + std::fmt::Debug,
{
    let lookup = read_reply::<R>(message, NAME, kind).expect("it repeats the question");
    assert!(read_reply::<R>(message, "e.example", kind).is_none(), "nobody asked for that");
    check_shape(&lookup, message);
    lookup.records.iter().for_each(record);
    // What a message is cut off to never says more, and is never silently whole.
    let cut = &message[..message.len() - message.len().min(1)];
    if let Some(less) = read_reply::<R>(cut, NAME, kind) {
        assert!(less.records.len() <= lookup.records.len() || !lookup.cnames.is_empty());
    }
}

fn check_shape<R>(lookup: &Lookup<R>, message: &[u8]) {
    assert!(lookup.records.len() <= RECORDS_MAX && lookup.cnames.len() <= CNAMES_MAX);
    assert_eq!(lookup.rcode.map(|code| code & 0x0f), Some(u16::from(message[3] & 0x0f)));
    assert_eq!(lookup.authenticated, Some(message[3] & 0x20 != 0));
    assert!(lookup.ending.is_completed() || !lookup.is_measured(), "half an answer measures nothing");
    assert!(!matches!(lookup.ending, Ending::Stopped { detail: None, .. }), "what is malformed says why");
    let mut owner = NAME;
    for cname in &lookup.cnames {
        assert_eq!(cname.owner, owner, "each link begins where the last one leads");
        check_name(&cname.owner);
        check_name(&cname.target);
        owner = &cname.target;
    }
}

/// Printable ASCII in lower case, and short: what came as 255 bytes stands as four characters each at most.
fn check_name(name: &str) {
    assert!(!name.is_empty() && name.len() <= 4 * 255, "{name:?}");
    assert!(name.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()), "{name:?}");
    assert!(name == "." || !name.ends_with('.') || name.ends_with("\\."), "{name:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_with_two_mx_has_two() {
        let (kind, message) = read(include_bytes!("../seeds/dns_reply/mx")).expect("a message");
        let lookup = read_reply::<MxRecord>(&message, NAME, kind).expect("an answer");
        let hosts: Vec<_> = lookup.records.iter().map(|record| record.exchange.as_str()).collect();
        assert_eq!(hosts, ["mx.d.example", "mx.other.test"]);
    }
}
