//! DNS messages written by hand, since no library would.

/// IANA's numbers of record types.
pub(super) const A: u16 = 1;
pub(super) const NS: u16 = 2;
pub(super) const CNAME: u16 = 5;
pub(super) const NULL: u16 = 10;
pub(super) const MX: u16 = 15;
pub(super) const TXT: u16 = 16;
pub(super) const AAAA: u16 = 28;

/// Bytes before the question.
pub(super) const HEADER_BYTES: usize = 12;
/// A pointer to the name in the question.
pub(super) const ASKED: [u8; 2] = [0xc0, HEADER_BYTES as u8];
/// The bit of the header's third byte that says that not all is there.
const TRUNCATED: u8 = 0x02;
const NXDOMAIN: u8 = 3;

/// A reply under construction.
#[derive(Clone)]
pub(super) struct Reply {
    pub(super) bytes: Vec<u8>,
}

impl Reply {
    /// A reply without records to a query whose question ends at `question_end`.
    pub(super) fn to(query: &[u8], question_end: usize) -> Self {
        let mut bytes = query[..question_end].to_vec();
        bytes[2..HEADER_BYTES].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0]);
        Self { bytes }
    }

    /// The name does not exist.
    pub(super) fn nxdomain(mut self) -> Self {
        self.bytes[3] |= NXDOMAIN;
        self
    }

    /// Not all is here.
    pub(super) fn truncated(mut self) -> Self {
        self.bytes[2] |= TRUNCATED;
        self
    }

    /// With a record more in the answer.
    pub(super) fn with(mut self, owner: &[u8], kind: u16, data: &[u8]) -> Self {
        self.push(6, owner, kind, data);
        self
    }

    /// With a record more that nobody asked for.
    pub(super) fn with_additional(mut self, owner: &[u8], kind: u16, data: &[u8]) -> Self {
        self.push(10, owner, kind, data);
        self
    }

    /// Says that there are so many records in the answer.
    pub(super) fn counting(mut self, records: u16) -> Self {
        self.bytes[6..8].copy_from_slice(&records.to_be_bytes());
        self
    }

    /// Where the data of a record that is added now would stand, whose owner takes so many bytes.
    pub(super) fn data_at(&self, owner_bytes: usize) -> usize {
        self.bytes.len() + owner_bytes + 10
    }

    fn push(&mut self, count_at: usize, owner: &[u8], kind: u16, data: &[u8]) {
        let count = u16::from_be_bytes([self.bytes[count_at], self.bytes[count_at + 1]]) + 1;
        self.bytes[count_at..count_at + 2].copy_from_slice(&count.to_be_bytes());
        self.bytes.extend_from_slice(owner);
        self.bytes.extend_from_slice(&kind.to_be_bytes());
        self.bytes.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
        self.bytes.extend_from_slice(&(data.len() as u16).to_be_bytes());
        self.bytes.extend_from_slice(data);
    }
}

/// A pointer to a place in the message.
pub(super) fn pointer(to: usize) -> [u8; 2] {
    (0xc000 | to as u16).to_be_bytes()
}

/// A name on the wire.
pub(super) fn wire(name: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len() + 2);
    for label in name.split('.').filter(|label| !label.is_empty()) {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// The data of an MX record.
pub(super) fn mx(preference: u16, exchange: &[u8]) -> Vec<u8> {
    [&preference.to_be_bytes(), exchange].concat()
}

/// The data of a TXT record.
pub(super) fn txt(segments: &[&[u8]]) -> Vec<u8> {
    segments.iter().flat_map(|segment| [&[segment.len() as u8], *segment].concat()).collect()
}
