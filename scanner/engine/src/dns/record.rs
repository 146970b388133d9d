//! Resource records as rows.

use mxray_evidence::{AddressRecord, ByteBuf, MxRecord, NsRecord, TlsaRecord, TxtRecord};

use super::answer::Data;
use super::name;

/// A resource record of an answer.
pub struct Record<'a> {
    pub(super) message: &'a [u8],
    pub(super) ttl: u32,
    pub(super) data: &'a Data,
}

/// A row that stands for a resource record.
pub trait FromRecord: Sized {
    /// The row, if the record is of its kind.
    fn from_record(record: &Record<'_>) -> Option<Self>;

    /// Bytes that count against what is kept of one answer.
    fn bytes(&self) -> usize {
        0
    }
}

impl FromRecord for MxRecord {
    fn from_record(record: &Record<'_>) -> Option<Self> {
        let Data::Mail { preference, exchange } = *record.data else { return None };
        Some(Self { preference, exchange: name::to_text(record.message, exchange), ttl: record.ttl })
    }
}

impl FromRecord for NsRecord {
    fn from_record(record: &Record<'_>) -> Option<Self> {
        let Data::Name(nameserver) = *record.data else { return None };
        Some(Self { nameserver: name::to_text(record.message, nameserver), ttl: record.ttl })
    }
}

impl FromRecord for TxtRecord {
    fn from_record(record: &Record<'_>) -> Option<Self> {
        let Data::Bytes(range) = record.data else { return None };
        let mut segments = Vec::new();
        let mut rest = &record.message[range.clone()];
        while let Some((&length, behind)) = rest.split_first() {
            let (segment, others) = behind.split_at_checked(length.into())?;
            segments.push(ByteBuf::from(segment.to_vec()));
            rest = others;
        }
        Some(Self { segments, ttl: record.ttl })
    }

    fn bytes(&self) -> usize {
        self.segments.iter().map(|segment| segment.len() + 1).sum()
    }
}

impl FromRecord for AddressRecord {
    fn from_record(record: &Record<'_>) -> Option<Self> {
        let Data::Address(address) = record.data else { return None };
        Some(Self { address: address.to_string().into(), ttl: record.ttl })
    }
}

impl FromRecord for TlsaRecord {
    fn from_record(record: &Record<'_>) -> Option<Self> {
        let Data::Bytes(range) = record.data else { return None };
        let [usage, selector, matching, data @ ..] = &record.message[range.clone()] else { return None };
        Some(Self {
            usage: (*usage).into(),
            selector: (*selector).into(),
            matching: (*matching).into(),
            data: ByteBuf::from(data.to_vec()),
            ttl: record.ttl,
        })
    }

    fn bytes(&self) -> usize {
        self.data.len()
    }
}
