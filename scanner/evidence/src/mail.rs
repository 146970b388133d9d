//! Mail hosts and what they said.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::column::{Column, Kind, bytes, name, text, time, u16, u64};
use crate::dns::{address_columns, tlsa_columns};
use crate::{AddressRecord, Ending, Lookup, Micros, Stage, Table, TlsObservation, TlsaRecord};

/// A row of `mail_hosts`: a distinct MX host and its addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailHostRow {
    /// The MX host.
    pub host: String,
    /// `A` at the host, with the CNAME chain.
    pub a: Lookup<AddressRecord>,
    /// `AAAA` at the host, with the CNAME chain.
    pub aaaa: Lookup<AddressRecord>,
    /// `TLSA` at `_25._tcp.<host>`, or below the name that the host is a secure alias of (RFC 7672 §2.2.2).
    pub tlsa: Lookup<TlsaRecord>,
}

impl Table for MailHostRow {
    const NAME: &'static str = "mail_hosts";
    const DOC: &'static str = "A row a distinct MX host, however many domains name it.";

    fn columns() -> Vec<Column> {
        vec![
            name("host", "The MX host."),
            Lookup::<AddressRecord>::column("a", "`A` at the host.", address_columns()),
            Lookup::<AddressRecord>::column("aaaa", "`AAAA` at the host.", address_columns()),
            Lookup::<TlsaRecord>::column(
                "tlsa",
                "`TLSA` at `_25._tcp.<host>`, or below the end of a secure alias (RFC 7672 §2.2.2); withheld where the host \
                 has no address.",
                tlsa_columns(),
            ),
        ]
    }
}

/// A reply of the server, and what it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// What it answers: the stage's word.
    pub stage: String,
    /// Its code; `None` when the bytes are no reply.
    pub code: Option<u16>,
    /// Its lines as received, without their line ends.
    pub lines: Vec<ByteBuf>,
    /// From the command (or connection) to its last line, microseconds.
    pub elapsed_us: u64,
}

/// A row of `smtp_sessions`: one session with one MX host at one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmtpSessionRow {
    /// The MX host, which is also the name sent as SNI.
    pub host: String,
    /// The address, RFC 5952.
    pub address: String,
    /// The port.
    pub port: u16,
    /// When the connection was begun.
    pub started: Micros,
    /// From then to the end, microseconds.
    pub elapsed_us: u64,
    /// Every reply, in order.
    pub replies: Vec<Reply>,
    /// Bytes that followed the reply to `STARTTLS` in the clear: recorded, never acted on.
    pub early_bytes: Option<ByteBuf>,
    /// What TLS showed; `None` when no handshake was begun.
    pub tls: Option<TlsObservation>,
    /// How it ended: `completed` when `QUIT` was sent after all that was to be asked.
    pub ending: Ending,
}

impl SmtpSessionRow {
    /// The first reply to a stage.
    pub fn reply(&self, stage: Stage) -> Option<&Reply> {
        self.replies.iter().find(|reply| reply.stage == stage.as_str())
    }
}

impl Table for SmtpSessionRow {
    const NAME: &'static str = "smtp_sessions";
    const DOC: &'static str = "A row a session: each distinct (MX host, address) once.";

    fn columns() -> Vec<Column> {
        vec![
            name("host", "The MX host, sent as SNI."),
            text("address", "The address (RFC 5952)."),
            u16("port", "The port."),
            time("started", "When the connection was begun."),
            u64("elapsed_us", "From then to the end, microseconds."),
            Column::groups(
                "replies",
                "Every reply of the server, in order.",
                vec![
                    text(
                        "stage",
                        "What it answers: `banner`, `ehlo`, `helo`, `starttls`, `ehlo-tls`, `quit`.",
                    ),
                    u16("code", "Reply code; null when the bytes are no reply.").optional(),
                    Column::list("lines", Kind::Binary, "Its lines as received, without line ends."),
                    u64("elapsed_us", "From the command (or connection) to its last line, microseconds."),
                ],
            ),
            bytes("early_bytes", "Bytes in the clear after the reply to STARTTLS: recorded, never acted on.")
                .optional(),
            TlsObservation::column(),
            Ending::column(),
        ]
    }
}
