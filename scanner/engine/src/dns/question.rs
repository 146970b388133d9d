//! The query as it is sent.

use smallvec::SmallVec;

use super::name;

/// A query, whole but for its id.
#[derive(Clone)]
pub(super) struct Question {
    packet: SmallVec<[u8; PACKET_BYTES]>,
    /// Bytes of the question section: what a reply must repeat.
    section_bytes: usize,
}

/// A type of record, by IANA's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind(pub(super) u16);

impl Kind {
    pub(super) const A: Self = Self(1);
    pub(super) const NS: Self = Self(2);
    pub(super) const CNAME: Self = Self(5);
    pub(super) const MX: Self = Self(15);
    pub(super) const TXT: Self = Self(16);
    pub(super) const AAAA: Self = Self(28);
    pub(super) const TLSA: Self = Self(52);
}

/// As many as nearly all queries have.
const PACKET_BYTES: usize = 80;
/// Header bytes before the question section (RFC 1035 §4.1.1).
pub(super) const HEADER_BYTES: usize = 12;

/// Recursion desired; and AD, which asks for the AD bit in the answer without DNSSEC records (RFC 6840 §5.7).
const FLAGS: [u8; 2] = [0x01, 0x20];
/// The same with CD, which asks for what does not validate, too (RFC 4035 §3.2.2).
const FLAGS_UNCHECKED: [u8; 2] = [0x01, 0x30];
/// One question, one additional record.
const COUNTS: [u8; 8] = [0, 1, 0, 0, 0, 0, 0, 1];
/// Class IN.
const CLASS: [u8; 2] = [0, 1];
/// EDNS (RFC 6891 §6.1.2): root, OPT, 1232 bytes over UDP, version 0, DO off, no options.
const OPT: [u8; 11] = [0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0];

impl Question {
    /// A question for the records of a type at a name.
    ///
    /// # Errors
    /// Why no such name can be asked for.
    pub(super) fn new(name: &str, kind: Kind) -> Result<Self, &'static str> {
        let mut packet = SmallVec::new();
        packet.extend_from_slice(&[0, 0]);
        packet.extend_from_slice(&FLAGS);
        packet.extend_from_slice(&COUNTS);
        name::to_wire(name, &mut packet)?;
        packet.extend_from_slice(&kind.0.to_be_bytes());
        packet.extend_from_slice(&CLASS);
        let section_bytes = packet.len() - HEADER_BYTES;
        packet.extend_from_slice(&OPT);
        Ok(Self { packet, section_bytes })
    }

    /// From now on it asks for what does not validate, too.
    pub(super) fn uncheck(&mut self) {
        self.packet[2..4].copy_from_slice(&FLAGS_UNCHECKED);
    }

    /// The query without its id: everything behind the first two bytes.
    pub(super) fn behind_id(&self) -> &[u8] {
        &self.packet[2..]
    }

    pub(super) fn section(&self) -> &[u8] {
        &self.packet[HEADER_BYTES..][..self.section_bytes]
    }
}

/// Whether a message is a reply to this question: a response, to a query, that repeats the question and no other.
/// The id is the caller's to compare.
pub(super) fn answers(message: &[u8], section: &[u8]) -> bool {
    const RESPONSE_TO_QUERY: u8 = 0x80;
    message.len() >= HEADER_BYTES + section.len()
        && message[2] & 0xf8 == RESPONSE_TO_QUERY
        && message[4..6] == [0, 1]
        && is_same(&message[HEADER_BYTES..][..section.len()], section)
}

/// Whether two names, of nearly all resolvers to the byte, differ at most in their case.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    one == other || one.eq_ignore_ascii_case(other)
}

/// A message's id.
pub(super) fn id(message: &[u8]) -> Option<u16> {
    message.first_chunk::<2>().map(|id| u16::from_be_bytes(*id))
}
