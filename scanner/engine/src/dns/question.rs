//! The query as it is sent.

use std::sync::Arc;

use hickory_proto::rr::RecordType;

use super::name;

/// A query, whole but for its id.
pub(super) struct Question {
    packet: Vec<u8>,
    /// The question section alone: what a reply must repeat.
    section: Arc<[u8]>,
}

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
    pub(super) fn new(name: &str, kind: RecordType) -> Result<Self, &'static str> {
        let mut packet = Vec::with_capacity(HEADER_BYTES + name.len() + 2 + 4 + OPT.len());
        packet.extend_from_slice(&[0, 0]);
        packet.extend_from_slice(&FLAGS);
        packet.extend_from_slice(&COUNTS);
        name::to_wire(name, &mut packet)?;
        packet.extend_from_slice(&u16::from(kind).to_be_bytes());
        packet.extend_from_slice(&CLASS);
        let section = packet[HEADER_BYTES..].into();
        packet.extend_from_slice(&OPT);
        Ok(Self { packet, section })
    }

    /// From now on it asks for what does not validate, too.
    pub(super) fn uncheck(&mut self) {
        self.packet[2..4].copy_from_slice(&FLAGS_UNCHECKED);
    }

    /// The query with an id.
    pub(super) fn packet(&mut self, id: u16) -> &[u8] {
        self.packet[..2].copy_from_slice(&id.to_be_bytes());
        &self.packet
    }

    pub(super) fn section(&self) -> &Arc<[u8]> {
        &self.section
    }
}

/// Whether a message is a reply to this question: a response, to a query, that repeats the question and no other.
/// The id is the caller's to compare.
pub(super) fn answers(message: &[u8], section: &[u8]) -> bool {
    const RESPONSE_TO_QUERY: u8 = 0x80;
    message.len() >= HEADER_BYTES + section.len()
        && message[2] & 0xf8 == RESPONSE_TO_QUERY
        && message[4..6] == [0, 1]
        && message[HEADER_BYTES..][..section.len()].eq_ignore_ascii_case(section)
}

/// A message's id.
pub(super) fn id(message: &[u8]) -> Option<u16> {
    message.first_chunk::<2>().map(|id| u16::from_be_bytes(*id))
}
