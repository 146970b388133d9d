//! A reply, read as far as it can be.

use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use mxray_evidence::{
    AddressRecord, ByteBuf, Cause, Cname, Ending, ExtendedError, MxRecord, NsRecord, Stage, TlsaRecord,
    TxtRecord,
};

use super::edns::Edns;
use super::name;
use super::question::HEADER_BYTES;

/// Most records kept of one answer.
const RECORDS_MAX: usize = 256;
/// Longest CNAME chain followed within an answer; resolvers stop at 8 to 16.
const CNAMES_MAX: usize = 32;
/// Most bytes kept of one answer's TXT or TLSA records.
const DATA_BYTES_MAX: usize = 16 << 10;

/// What a reply holds, before it is known which type was asked for.
pub(super) struct Answer {
    pub(super) rcode: u16,
    pub(super) authenticated: bool,
    pub(super) truncated: bool,
    /// Extended errors that it carries.
    pub(super) errors: Vec<ExtendedError>,
    records: Vec<Record>,
    /// Why not all of it could be read.
    pub(super) flaw: Option<String>,
}

impl Answer {
    /// Reads a message whose header and question were found to answer a question of `section_bytes` bytes.
    pub(super) fn read(message: &[u8], section_bytes: usize) -> Self {
        let count = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
        let mut answer = Self {
            rcode: u16::from(message[3] & 0x0f),
            authenticated: message[3] & 0x20 != 0,
            truncated: message[2] & 0x02 != 0,
            errors: Vec::new(),
            records: Vec::new(),
            flaw: None,
        };
        let mut decoder = BinDecoder::new(message);
        if let Err(error) = decoder.read_slice(HEADER_BYTES + section_bytes) {
            answer.flaw = Some(error.to_string());
            return answer;
        }
        for _ in 0..count(6) {
            match Record::read(&mut decoder) {
                Ok(record) => answer.records.push(record),
                // What is cut off is no flaw: the flag says so.
                Err(_) if answer.truncated => return answer,
                Err(error) => {
                    answer.flaw = Some(error.to_string());
                    return answer;
                }
            }
        }
        let rest = usize::from(count(8)) + usize::from(count(10));
        if let Some(edns) = Edns::find(message, decoder.index(), rest) {
            answer.rcode |= u16::from(edns.rcode_high) << 4;
            answer.errors = edns.errors;
        }
        answer
    }

    /// Whether the resolver says that it could not find out.
    pub(super) fn is_failure(&self) -> bool {
        const REFUSED: u16 = 5;
        self.is_servfail() || self.rcode == REFUSED
    }

    /// Whether the resolver failed: it says so of what does not validate, too.
    pub(super) fn is_servfail(&self) -> bool {
        const SERVFAIL: u16 = 2;
        self.rcode == SERVFAIL
    }

    /// How the lookup ended, as far as the answer decides it.
    pub(super) fn ending(&self) -> Ending {
        match &self.flaw {
            None => Ending::Completed,
            Some(flaw) => Ending::stopped_with(Stage::Dns, Cause::Malformed, flaw),
        }
    }

    /// The CNAME chain from a name, and the records of a type at its end.
    pub(super) fn select<R: FromRecord>(&self, name: &str, kind: RecordType) -> Selected<R> {
        let mut selected = Selected { cnames: Vec::new(), records: Vec::new(), over_limit: false };
        let mut wire = Vec::new();
        let Ok(mut owner) = name::to_wire(name, &mut wire)
            .map_err(drop)
            .and_then(|()| Name::read(&mut BinDecoder::new(&wire)).map_err(drop))
        else {
            return selected;
        };
        while let Some((target, ttl)) = self.alias(&owner) {
            if selected.cnames.len() == CNAMES_MAX {
                selected.over_limit = true;
                break;
            }
            let cname = Cname { owner: name::to_text(&owner), target: name::to_text(target), ttl };
            selected.cnames.push(cname);
            owner = target.clone();
            let target = name::to_text(&owner);
            if selected.cnames.iter().any(|earlier| earlier.owner == target) {
                break;
            }
        }
        let mut bytes = 0;
        for record in &self.records {
            if record.record_type() != kind || !is_owned_by(record, &owner) {
                continue;
            }
            let Some(row) = R::from_record(record) else { continue };
            bytes += row.bytes();
            if selected.records.len() == RECORDS_MAX || bytes > DATA_BYTES_MAX {
                selected.over_limit = true;
                break;
            }
            selected.records.push(row);
        }
        selected
    }

    fn alias(&self, owner: &Name) -> Option<(&Name, u32)> {
        self.records.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if is_owned_by(record, owner) => Some((&target.0, record.ttl)),
            _ => None,
        })
    }
}

fn is_owned_by(record: &Record, owner: &Name) -> bool {
    record.dns_class == DNSClass::IN && record.name.eq_ignore_root(owner)
}

/// What an answer says about one question.
pub(super) struct Selected<R> {
    pub(super) cnames: Vec<Cname>,
    pub(super) records: Vec<R>,
    /// More was there than is kept.
    pub(super) over_limit: bool,
}

/// A row that stands for a resource record.
pub trait FromRecord: Sized {
    /// The row, if the record is of its kind.
    fn from_record(record: &Record) -> Option<Self>;

    /// Bytes that count against the limit of the data.
    fn bytes(&self) -> usize {
        0
    }
}

impl FromRecord for MxRecord {
    fn from_record(record: &Record) -> Option<Self> {
        let RData::MX(mx) = &record.data else { return None };
        Some(Self { preference: mx.preference, exchange: name::to_text(&mx.exchange), ttl: record.ttl })
    }
}

impl FromRecord for NsRecord {
    fn from_record(record: &Record) -> Option<Self> {
        let RData::NS(ns) = &record.data else { return None };
        Some(Self { nameserver: name::to_text(&ns.0), ttl: record.ttl })
    }
}

impl FromRecord for TxtRecord {
    fn from_record(record: &Record) -> Option<Self> {
        let RData::TXT(txt) = &record.data else { return None };
        let segments = txt.txt_data.iter().map(|segment| ByteBuf::from(segment.to_vec())).collect();
        Some(Self { segments, ttl: record.ttl })
    }

    fn bytes(&self) -> usize {
        self.segments.iter().map(|segment| segment.len() + 1).sum()
    }
}

impl FromRecord for AddressRecord {
    fn from_record(record: &Record) -> Option<Self> {
        let address = match &record.data {
            RData::A(a) => a.0.to_string(),
            RData::AAAA(aaaa) => aaaa.0.to_string(),
            _ => return None,
        };
        Some(Self { address, ttl: record.ttl })
    }
}

impl FromRecord for TlsaRecord {
    fn from_record(record: &Record) -> Option<Self> {
        let RData::TLSA(tlsa) = &record.data else { return None };
        Some(Self {
            usage: u8::from(tlsa.cert_usage).into(),
            selector: u8::from(tlsa.selector).into(),
            matching: u8::from(tlsa.matching).into(),
            data: ByteBuf::from(tlsa.cert_data.clone()),
            ttl: record.ttl,
        })
    }

    fn bytes(&self) -> usize {
        self.data.len()
    }
}
