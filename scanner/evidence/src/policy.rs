//! The fetch of an MTA-STS policy.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::column::{Column, boolean, bytes, name, text, time, u16, u32, u64};
use crate::dns::address_columns;
use crate::{AddressRecord, Ending, Lookup, Micros, Table, TlsObservation};

/// An attempt to open a TCP connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connect {
    /// The address, RFC 5952.
    pub address: String,
    /// The port.
    pub port: u16,
    /// Microseconds.
    pub elapsed_us: u64,
    /// How it ended; `completed` is a connection.
    pub ending: Ending,
}

/// An HTTP header field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Its name in lower case.
    pub name: String,
    /// Its value as received.
    pub value: ByteBuf,
}

/// A row of `policies`: one fetch of `https://mta-sts.<domain>/.well-known/mta-sts.txt`.
///
/// A domain without a row was not fetched: it has no `_mta-sts` TXT, or the stage was not asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRow {
    /// The domain whose policy it is.
    pub domain: String,
    /// The chunk in which the domain's row stands. The policy's own may be a later one: nothing waits for a slow host.
    pub chunk: u32,
    /// The policy host, `mta-sts.<domain>`.
    pub host: String,
    /// `A` at the policy host.
    pub a: Lookup<AddressRecord>,
    /// `AAAA` at the policy host.
    pub aaaa: Lookup<AddressRecord>,
    /// When the fetch began, after the addresses were known.
    pub started: Micros,
    /// Connection to last byte, microseconds.
    pub elapsed_us: u64,
    /// Every address tried, in order.
    pub connects: Vec<Connect>,
    /// What TLS showed; `None` when no connection was made.
    pub tls: Option<TlsObservation>,
    /// The status code.
    pub status: Option<u16>,
    /// The header fields, in order; `location` is recorded and never followed.
    pub headers: Vec<Header>,
    /// The body, up to the cap.
    pub body: Option<ByteBuf>,
    /// More of the body was there, or announced, than `body` holds.
    pub body_truncated: bool,
    /// How it ended: `completed` when a whole response of any status arrived.
    pub ending: Ending,
}

impl Table for PolicyRow {
    const NAME: &'static str = "policies";
    const DOC: &'static str = "A row a policy fetch (RFC 8461 §3.3). A domain without a row was not fetched: it \
        has no `_mta-sts` TXT, or the stage was not asked for.";

    fn columns() -> Vec<Column> {
        vec![
            name("domain", "The domain whose policy it is."),
            u32("chunk", "The chunk (part number) of the domain's row; the policy may stand in a later one."),
            name("host", "The policy host, `mta-sts.<domain>`."),
            Lookup::<AddressRecord>::column("a", "`A` at the policy host.", address_columns()),
            Lookup::<AddressRecord>::column("aaaa", "`AAAA` at the policy host.", address_columns()),
            time("started", "When the fetch began, its addresses known."),
            u64("elapsed_us", "Connection to last byte, microseconds."),
            Column::groups(
                "connects",
                "Every address tried, in order.",
                vec![
                    text("address", "The address (RFC 5952)."),
                    u16("port", "The port."),
                    u64("elapsed_us", "Duration, microseconds."),
                    Ending::column(),
                ],
            ),
            TlsObservation::column(),
            u16("status", "HTTP status; null when none arrived.").optional(),
            Column::groups(
                "headers",
                "Response header fields, in order. A `location` is recorded and never followed (RFC 8461 §3.3).",
                vec![text("name", "Field name, lower case."), bytes("value", "Field value as received.")],
            ),
            bytes("body", "The body as received, up to the cap; null when no response arrived.").optional(),
            boolean("body_truncated", "More was there, or announced, than `body` holds."),
            Ending::column(),
        ]
    }
}
