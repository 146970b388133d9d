//! What DNS said about a domain.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::cells::cells;
use crate::column::{Column, Kind, boolean, bytes, name, text, time, u16, u32, u64, word};
use crate::{Ending, ExtendedError, Micros, Security, Table, Text};

/// One question to DNS, everything that came back, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup<R> {
    /// The name asked for.
    pub name: Text,
    /// When the first query left.
    pub started: Micros,
    /// From the first query to the end, microseconds.
    pub elapsed_us: u64,
    /// The resolver that gave the last answer, `address:port`; `None` when none answered.
    pub resolver: Option<Text>,
    /// Queries sent, retries and the TCP repeat included.
    pub queries: u16,
    /// Whether the answer came over TCP, after a truncated one.
    pub tcp: bool,
    /// The response code (with its EDNS bits); `None` when nothing answered.
    pub rcode: Option<u16>,
    /// After a SERVFAIL: the response code to the same question with validation off (the CD bit, RFC 4035 §3.2.2). 0 or 3
    /// says that the answer was there and did not validate.
    pub unchecked_rcode: Option<u16>,
    /// The AD bit: the resolver claims to have validated the whole answer.
    pub authenticated: Option<bool>,
    /// Extended errors (RFC 8914) that came with the answer, or with that to the question with validation off.
    #[serde(default)]
    pub extended_errors: Vec<ExtendedError>,
    /// What DNSSEC makes of the answer, by all of this; `None` where none came.
    #[serde(default)]
    pub security: Option<Security>,
    /// The CNAME chain in the answer, in order.
    pub cnames: Vec<Cname>,
    /// The records of the type asked for, at the end of the chain, in the order received.
    pub records: Vec<R>,
    /// How it ended. An answer of any code is `completed`.
    pub ending: Ending,
}

/// What a [`Lookup`] amounts to, with what failed kept apart from what is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookupStatus {
    /// Records of the type exist.
    Found,
    /// The name exists; no record of the type does (RFC 2308 §2.2).
    NoData,
    /// The name does not exist (RFC 2308 §2.1, RFC 8020).
    NxDomain,
    /// The resolver answered with a failure: SERVFAIL, REFUSED or any other code.
    Failed(u16),
    /// Nothing answered, or we did not ask.
    Unanswered,
}

impl<R> Lookup<R> {
    /// What it amounts to.
    pub fn status(&self) -> LookupStatus {
        match (&self.ending, self.rcode) {
            (Ending::Completed, Some(0)) if self.records.is_empty() => LookupStatus::NoData,
            (Ending::Completed, Some(0)) => LookupStatus::Found,
            (Ending::Completed, Some(3)) => LookupStatus::NxDomain,
            (Ending::Completed, Some(code)) => LookupStatus::Failed(code),
            _ => LookupStatus::Unanswered,
        }
    }

    /// Whether the answer is one from which presence or absence may be concluded.
    pub fn is_measured(&self) -> bool {
        !matches!(self.status(), LookupStatus::Failed(_) | LookupStatus::Unanswered)
    }

    pub(crate) fn column(name: &'static str, doc: &'static str, records: Vec<Column>) -> Column {
        Column::group(name, doc, Self::columns(records))
    }

    fn columns(records: Vec<Column>) -> Vec<Column> {
        vec![
            name("name", "The name asked for."),
            time("started", "When the first query left."),
            u64("elapsed_us", "From the first query to the end, microseconds."),
            word("resolver", "The resolver that answered last, `address:port`; null when none did.")
                .optional(),
            u16("queries", "Queries sent, retries and the TCP repeat included."),
            boolean("tcp", "The answer came over TCP, after a truncated one over UDP."),
            u16("rcode", "Response code (0 NOERROR, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED); null: no answer.")
                .optional(),
            u16(
                "unchecked_rcode",
                "After a SERVFAIL: the code to the same question with validation off (CD); 0 or 3: the answer did not \
                 validate.",
            )
            .optional(),
            boolean("authenticated", "The AD bit, for the whole answer; null: no answer.").optional(),
            ExtendedError::column(),
            word(
                "security",
                "What DNSSEC makes of the answer (RFC 4033 §5), by `authenticated`, `unchecked_rcode` and `extended_errors`: \
                 `secure`, `insecure`, `bogus`, `indeterminate`: the resolver could not find out, or the run's resolvers are \
                 not believed (`dnssec` in the manifest); null: no answer.",
            )
            .optional(),
            Column::groups(
                "cnames",
                "The CNAME chain, in order.",
                vec![
                    name("owner", "The alias."),
                    name("target", "What it stands for."),
                    u32("ttl", "Time to live as received, seconds."),
                ],
            ),
            Column::groups(
                "records",
                "The records of the type asked for, at the end of the chain, as received.",
                records,
            ),
            Ending::column(),
        ]
    }
}

/// A link of a CNAME chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cname {
    /// The alias.
    pub owner: Text,
    /// What it stands for.
    pub target: Text,
    /// Seconds.
    pub ttl: u32,
}

/// An MX record. The null MX (RFC 7505) has the exchange `"."`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MxRecord {
    /// Lower is tried first.
    pub preference: u16,
    /// The MX host.
    pub exchange: Text,
    /// Seconds.
    pub ttl: u32,
}

/// An NS record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NsRecord {
    /// The name server.
    pub nameserver: Text,
    /// Seconds.
    pub ttl: u32,
}

/// A TXT record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxtRecord {
    /// Its character-strings, unjoined.
    pub segments: Vec<ByteBuf>,
    /// Seconds.
    pub ttl: u32,
}

impl TxtRecord {
    /// Its character-strings, joined without spaces (RFC 8461 §3.1).
    pub fn joined(&self) -> Vec<u8> {
        self.segments.iter().flat_map(|segment| segment.iter().copied()).collect()
    }
}

/// An A or AAAA record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressRecord {
    /// As text, in the form of RFC 5952.
    pub address: Text,
    /// Seconds.
    pub ttl: u32,
}

/// A TLSA record (RFC 6698 §2.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsaRecord {
    /// Certificate usage.
    pub usage: u16,
    /// Selector.
    pub selector: u16,
    /// Matching type.
    pub matching: u16,
    /// The association data, as received.
    pub data: ByteBuf,
    /// Seconds.
    pub ttl: u32,
}

pub(crate) fn tlsa_columns() -> Vec<Column> {
    vec![
        u16(
            "usage",
            "Certificate usage: 2 DANE-TA, 3 DANE-EE; others are unusable for SMTP (RFC 7672 §3.1).",
        ),
        u16("selector", "0 the whole certificate, 1 its public key."),
        u16("matching", "0 the thing itself, 1 its SHA-256, 2 its SHA-512."),
        bytes("data", "The association data, as received."),
        u32("ttl", "Time to live as received, seconds."),
    ]
}

pub(crate) fn address_columns() -> Vec<Column> {
    vec![
        text("address", "The address, as text (RFC 5952)."),
        u32("ttl", "Time to live as received, seconds."),
    ]
}

/// A column of the input that travels along.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputColumn {
    /// Its header.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A row of `domains`: one domain of the input and what DNS says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainRow {
    /// The domain, as lower-case A-labels.
    pub domain: Text,
    /// Which input it came from, as given on the command line.
    #[serde(with = "shared")]
    pub source: Arc<str>,
    /// Its line in the whole input, counted from 1 over all sources.
    pub line: u64,
    /// Its rank, where the input has one.
    pub rank: Option<u64>,
    /// The input's other columns.
    pub columns: Vec<InputColumn>,
    /// `MX` at the domain.
    pub mx: Lookup<MxRecord>,
    /// `NS` at the domain.
    pub ns: Lookup<NsRecord>,
    /// `TXT` at `_mta-sts.<domain>`.
    pub sts_txt: Lookup<TxtRecord>,
    /// `TXT` at `_smtp._tls.<domain>`.
    pub tlsrpt_txt: Lookup<TxtRecord>,
    /// `TXT` at names where such records stand by mistake; empty unless asked for, and where nothing is missing.
    pub aside_txt: Vec<Lookup<TxtRecord>>,
}

/// A text that many rows have in common, between the row and the table.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
        String::deserialize(deserializer).map(Arc::from)
    }
}

cells! {
    /// Columns of lookups.
    LookupCells[R] of Lookup<R> {
        name: Text,
        started: Micros,
        elapsed_us: u64,
        resolver: Option<Text>,
        queries: u16,
        tcp: bool,
        rcode: Option<u16>,
        unchecked_rcode: Option<u16>,
        authenticated: Option<bool>,
        extended_errors: Vec<ExtendedError>,
        security: Option<Security>,
        cnames: Vec<Cname>,
        records: Vec<R>,
        ending: Ending,
    }
}

cells! {
    /// Columns of links of CNAME chains.
    CnameCells of Cname { owner: Text, target: Text, ttl: u32, }
}

cells! {
    /// Columns of MX records.
    MxCells of MxRecord { preference: u16, exchange: Text, ttl: u32, }
}

cells! {
    /// Columns of NS records.
    NsCells of NsRecord { nameserver: Text, ttl: u32, }
}

cells! {
    /// Columns of TXT records.
    TxtCells of TxtRecord { segments: Vec<ByteBuf>, ttl: u32, }
}

cells! {
    /// Columns of what travels along.
    InputCells of InputColumn { name: String, value: String, }
}

cells! {
    /// Columns of `domains`.
    DomainCells of DomainRow {
        domain: Text,
        source: Arc<str>,
        line: u64,
        rank: Option<u64>,
        columns: Vec<InputColumn>,
        mx: Lookup<MxRecord>,
        ns: Lookup<NsRecord>,
        sts_txt: Lookup<TxtRecord>,
        tlsrpt_txt: Lookup<TxtRecord>,
        aside_txt: Vec<Lookup<TxtRecord>>,
    }
}

impl Table for DomainRow {
    const NAME: &'static str = "domains";
    const DOC: &'static str = "A row a domain of the input: its MX and NS sets and its MTA-STS and TLS-RPT \
        records, as received.";

    fn columns() -> Vec<Column> {
        let ttl = || u32("ttl", "Time to live as received, seconds.");
        let txt = || {
            vec![
                Column::list(
                    "segments",
                    Kind::Binary,
                    "The character-strings of the record, unjoined, as received.",
                ),
                ttl(),
            ]
        };
        vec![
            name("domain", "The domain: lower-case A-labels, no last dot."),
            word("source", "The input it came from, as named on the command line."),
            u64("line", "Its line in the whole input, counted from 1 over all sources."),
            u64("rank", "Its rank, where the input has one.").optional(),
            Column::groups(
                "columns",
                "The input's other columns, which travel along.",
                vec![text("name", "The column's header."), text("value", "Its value.")],
            ),
            Lookup::<MxRecord>::column(
                "mx",
                "`MX` at the domain (RFC 5321 §5.1).",
                vec![
                    u16("preference", "Lower is tried first."),
                    name("exchange", "The MX host; `.` is the null MX (RFC 7505)."),
                    ttl(),
                ],
            ),
            Lookup::<NsRecord>::column(
                "ns",
                "`NS` at the domain.",
                vec![name("nameserver", "The name server."), ttl()],
            ),
            Lookup::<TxtRecord>::column("sts_txt", "`TXT` at `_mta-sts.<domain>` (RFC 8461 §3.1).", txt()),
            Lookup::<TxtRecord>::column("tlsrpt_txt", "`TXT` at `_smtp._tls.<domain>` (RFC 8460 §3).", txt()),
            Column::groups(
                "aside_txt",
                "`TXT` at names where such records stand by mistake. Asked for by `--look-aside`, and only where one of \
                 the two right names has no valid record; empty elsewhere.",
                Lookup::<TxtRecord>::columns(txt()),
            ),
        ]
    }
}
