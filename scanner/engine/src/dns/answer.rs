//! A reply, read as far as it can be.
//!
//! Names are not copied out of the message before somebody wants them as text: a census reads four answers a domain, and
//! most of them say that there is nothing.

use std::net::IpAddr;
use std::ops::Range;

use mxray_evidence::{Cause, Cname, Ending, ExtendedError, Stage};

use super::edns::Edns;
use super::name;
use super::question::{HEADER_BYTES, Kind};
use super::record::{FromRecord, Record};

/// Most records kept of one answer.
const RECORDS_MAX: usize = 256;
/// Longest CNAME chain followed within an answer; resolvers stop at 8 to 16.
const CNAMES_MAX: usize = 32;
/// Most bytes kept of one answer's TXT or TLSA records.
const DATA_BYTES_MAX: usize = 16 << 10;
/// Class IN (RFC 1035 §3.2.4).
const IN: u16 = 1;
/// What stands between a record's owner and its data: type, class, TTL, length (RFC 1035 §4.1.3).
const FIXED_BYTES: usize = 10;
/// Why nothing more can be read.
const CUT_OFF: &str = "the message ends within a record";

/// What a reply holds, before it is known which type was asked for.
pub(super) struct Answer {
    pub(super) rcode: u16,
    pub(super) authenticated: bool,
    pub(super) truncated: bool,
    /// Extended errors that it carries.
    pub(super) errors: Vec<ExtendedError>,
    message: Box<[u8]>,
    /// Those of the answer section whose type is one that is asked for, or CNAME.
    records: Vec<Found>,
    /// Why not all of it could be read.
    pub(super) flaw: Option<&'static str>,
}

/// A record, where it stands.
struct Found {
    /// Where its owner begins.
    owner: usize,
    kind: Kind,
    ttl: u32,
    data: Data,
}

/// A record's data; names by where they begin.
pub(super) enum Data {
    /// `A`, `AAAA`.
    Address(IpAddr),
    /// `MX`.
    Mail { preference: u16, exchange: usize },
    /// `NS`, `CNAME`.
    Name(usize),
    /// `TXT`, `TLSA`.
    Bytes(Range<usize>),
}

impl Answer {
    /// Reads a message whose header and question were found to answer a question of `section_bytes` bytes.
    pub(super) fn read(message: Box<[u8]>, section_bytes: usize) -> Self {
        let mut answer = Self {
            rcode: u16::from(message[3] & 0x0f),
            authenticated: message[3] & 0x20 != 0,
            truncated: message[2] & 0x02 != 0,
            errors: Vec::new(),
            records: Vec::new(),
            flaw: None,
            message,
        };
        match answer.read_records(HEADER_BYTES + section_bytes) {
            Ok(end) => {
                let rest = usize::from(answer.u16_at(8)) + usize::from(answer.u16_at(10));
                if let Some(edns) = Edns::find(&answer.message, end, rest) {
                    answer.rcode |= u16::from(edns.rcode_high) << 4;
                    answer.errors = edns.errors;
                }
            }
            // What is cut off is no flaw: the flag says so.
            Err(_) if answer.truncated => {}
            Err(flaw) => answer.flaw = Some(flaw),
        }
        answer
    }

    /// Reads the answer section, which begins at `at`; says where it ends.
    fn read_records(&mut self, mut at: usize) -> Result<usize, &'static str> {
        for _ in 0..self.u16_at(6) {
            let owner = at;
            let fixed_at = name::end(&self.message, owner)?;
            let fixed: &[u8; FIXED_BYTES] =
                self.message.get(fixed_at..).and_then(|rest| rest.first_chunk()).ok_or(CUT_OFF)?;
            let [kind_0, kind_1, class_0, class_1, ttl_0, ttl_1, ttl_2, ttl_3, length_0, length_1] = *fixed;
            let begin = fixed_at + FIXED_BYTES;
            at = begin + usize::from(u16::from_be_bytes([length_0, length_1]));
            if at > self.message.len() {
                return Err(CUT_OFF);
            }
            let kind = Kind(u16::from_be_bytes([kind_0, kind_1]));
            let is_in = u16::from_be_bytes([class_0, class_1]) == IN;
            if is_in && let Some(data) = read_data(&self.message, kind, begin..at)? {
                let ttl = u32::from_be_bytes([ttl_0, ttl_1, ttl_2, ttl_3]);
                self.records.push(Found { owner, kind, ttl, data });
            }
        }
        Ok(at)
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
        match self.flaw {
            None => Ending::Completed,
            Some(flaw) => Ending::stopped_with(Stage::Dns, Cause::Malformed, flaw),
        }
    }

    /// The CNAME chain from the name that was asked for, and the records of a type at its end.
    pub(super) fn select<R: FromRecord>(&self, kind: Kind) -> Selected<R> {
        let mut selected = Selected { cnames: Vec::new(), records: Vec::new(), over_limit: false };
        // The reply repeats the name behind its header.
        let mut owner = HEADER_BYTES;
        while let Some((target, ttl)) = self.alias(owner) {
            if selected.cnames.len() == CNAMES_MAX {
                selected.over_limit = true;
                break;
            }
            let text = |at| name::to_text(&self.message, at);
            let cname = Cname { owner: text(owner), target: text(target), ttl };
            selected.cnames.push(cname);
            owner = target;
            let target = text(target);
            if selected.cnames.iter().any(|earlier| earlier.owner == target) {
                break;
            }
        }
        let mut bytes = 0;
        for found in &self.records {
            if found.kind != kind || !self.is_owned_by(found, owner) {
                continue;
            }
            let record = Record { message: &self.message, ttl: found.ttl, data: &found.data };
            let Some(row) = R::from_record(&record) else { continue };
            bytes += row.bytes();
            if selected.records.len() == RECORDS_MAX || bytes > DATA_BYTES_MAX {
                selected.over_limit = true;
                break;
            }
            selected.records.push(row);
        }
        selected
    }

    fn alias(&self, owner: usize) -> Option<(usize, u32)> {
        self.records.iter().find_map(|found| match found.data {
            Data::Name(target) if found.kind == Kind::CNAME && self.is_owned_by(found, owner) => {
                Some((target, found.ttl))
            }
            _ => None,
        })
    }

    fn is_owned_by(&self, found: &Found, owner: usize) -> bool {
        name::is_same(&self.message, found.owner, owner)
    }

    /// Two bytes of the header.
    fn u16_at(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.message[at], self.message[at + 1]])
    }
}

/// Reads a record's data, if it is of a type that is asked for. Data without bytes are those of a record that is not
/// there (RFC 2136 §2.4), and belong to no answer.
fn read_data(message: &[u8], kind: Kind, range: Range<usize>) -> Result<Option<Data>, &'static str> {
    let bytes = &message[range.clone()];
    let name_at = |at| match name::end(message, at) {
        Ok(end) if end == range.end => Ok(at),
        Ok(_) => Err("a record's name does not end where the record does"),
        Err(flaw) => Err(flaw),
    };
    if bytes.is_empty() {
        return Ok(None);
    }
    Ok(Some(match kind {
        Kind::A => {
            Data::Address(<[u8; 4]>::try_from(bytes).map_err(|_| "an A record is not of four bytes")?.into())
        }
        Kind::AAAA => Data::Address(
            <[u8; 16]>::try_from(bytes).map_err(|_| "an AAAA record is not of sixteen bytes")?.into(),
        ),
        Kind::MX => {
            let preference = bytes.first_chunk().ok_or("an MX record is cut short")?;
            let exchange = name_at(range.start + preference.len())?;
            Data::Mail { preference: u16::from_be_bytes(*preference), exchange }
        }
        Kind::NS | Kind::CNAME => Data::Name(name_at(range.start)?),
        Kind::TXT => {
            let mut rest = bytes;
            while let Some((&length, behind)) = rest.split_first() {
                rest = behind.get(usize::from(length)..).ok_or("a TXT record ends within a string")?;
            }
            Data::Bytes(range)
        }
        Kind::TLSA if bytes.len() < 3 => return Err("a TLSA record is cut short"),
        Kind::TLSA => Data::Bytes(range),
        _ => return Ok(None),
    }))
}

/// What an answer says about one question.
pub(super) struct Selected<R> {
    pub(super) cnames: Vec<Cname>,
    pub(super) records: Vec<R>,
    /// More was there than is kept.
    pub(super) over_limit: bool,
}
