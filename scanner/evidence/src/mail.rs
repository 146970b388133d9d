//! Mail hosts and what they said.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::column::{Column, Kind, bytes, name, text, time, u16, u64, word};
use crate::dns::{address_columns, tlsa_columns};
use crate::{AddressRecord, Digest, Ending, Lookup, Micros, Stage, Table, TlsObservation, TlsaRecord};

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
    /// Likewise below that name, where it was asked for in vain and `tlsa` is the host's own.
    #[serde(default)]
    pub tlsa_alias: Option<Box<Lookup<TlsaRecord>>>,
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
            Lookup::<TlsaRecord>::column(
                "tlsa_alias",
                "`TLSA` below the end of a secure alias, where it has none, and `tlsa` was then asked of the host itself (RFC 7672 \
                 §2.2.2); null where there was no such question.",
                tlsa_columns(),
            )
            .optional(),
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

/// The answer to a hello that we say ourselves, without our TLS library, in a session of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegacyHello {
    /// From the connection to the end, microseconds.
    pub elapsed_us: u64,
    /// The newest version that the hello offers: `TLSv1.3`, or `TLSv1.1` where one with that was not taken.
    pub offered: String,
    /// The version that the server takes: `SSLv3` to `TLSv1.3`; `None` when it takes none.
    pub version: Option<String>,
    /// The suite that it takes, by its IANA name.
    pub cipher_suite: Option<String>,
    /// The group of its key exchange, by its IANA name; `dh-` and the bits of the prime where it has no name.
    pub group: Option<String>,
    /// The certificates shown, leaf first, as keys into `certificates`. Nothing proves that it holds their key.
    pub chain: Vec<Digest>,
    /// The alert it sent, by its name in RFC 8446 §6.
    pub alert: Option<String>,
    /// How it ended: `completed` when the server took the hello.
    pub ending: Ending,
}

impl LegacyHello {
    fn column() -> Column {
        Column::group(
            "legacy",
            "The answer to a hello that mxray says itself, up to the server's last word in the clear: no library speaks, no key \
             is agreed. In a session of its own after a handshake of `tls` (which is rustls's) that failed in a way that an \
             old or odd server may be behind; null where it was not asked for (`--legacy-tls`), or not called for.",
            vec![
                u64("elapsed_us", "From the connection to the end, microseconds."),
                text(
                    "offered",
                    "The newest version the hello offers: `TLSv1.3` with all older ones and every suite and group, or, where \
                     that was not taken, `TLSv1.1`.",
                ),
                word("version", "The version the server takes: `SSLv3` to `TLSv1.3`; null when none.").optional(),
                word("cipher_suite", "The suite it takes, by its IANA name.").optional(),
                word("group", "The group of its key exchange, by its IANA name, or `dh-` and the bits of its prime.").optional(),
                Column::list(
                    "chain",
                    Kind::Binary,
                    "SHA-256 of each certificate shown, leaf first: keys into `certificates`. Nothing proves that the \
                     server holds their key.",
                ),
                word("alert", "The alert it sent, by its name in RFC 8446 §6.").optional(),
                Ending::column(),
            ],
        )
        .optional()
    }
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
    /// Sessions that were begun to get it: more than one where the server had no time at first. The row is the last's.
    pub attempts: u16,
    /// The MX host whose session this is a copy of: some hosts at this address had shown one certificate for all of
    /// them, which is for this host too, and it was not asked.
    pub reused_from: Option<String>,
    /// Every reply, in order.
    pub replies: Vec<Reply>,
    /// Bytes that followed the reply to `STARTTLS` in the clear: recorded, never acted on.
    pub early_bytes: Option<ByteBuf>,
    /// What TLS showed; `None` when no handshake was begun.
    pub tls: Option<TlsObservation>,
    /// What the server says to a hello of our own, where that was asked.
    pub legacy: Option<LegacyHello>,
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
            u16(
                "attempts",
                "Sessions begun to get it: above 1 where the server said 421 or 4xx first; 0 where none was.",
            ),
            name(
                "reused_from",
                "Where not null, no session was held: the MX host whose session at this address all the rest is copied from.",
            )
            .optional(),
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
            LegacyHello::column(),
            Ending::column(),
        ]
    }
}
