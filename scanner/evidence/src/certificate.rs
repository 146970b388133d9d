//! TLS as it was spoken, and the certificates that were shown.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::column::{Column, Kind, boolean, bytes, name, text, time, u32, word};
use crate::{Micros, Table};

/// The SHA-256 of a certificate's DER, 32 bytes: its key in `certificates`.
pub type Digest = ByteBuf;

/// What a TLS handshake showed, however it ended. Nothing here says whether a chain is *valid*: that is judged
/// later, at a stated time against stated roots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsObservation {
    /// The name sent as SNI.
    pub sni: String,
    /// From the first byte of ours to the end, microseconds.
    pub elapsed_us: u64,
    /// `TLSv1.2` or `TLSv1.3`; `None` when none was agreed.
    pub version: Option<String>,
    /// The suite, by its IANA name.
    pub cipher_suite: Option<String>,
    /// The key exchange group, by its IANA name.
    pub group: Option<String>,
    /// The certificates shown, leaf first, as keys into `certificates`.
    pub chain: Vec<Digest>,
    /// The scheme of the peer's handshake signature, by its IANA name.
    pub signature_scheme: Option<String>,
    /// Whether that signature proves that the peer holds the leaf's key; `None` when it came to none.
    pub signature_valid: Option<bool>,
    /// The alert we were sent, by its name in RFC 8446 §6.
    pub alert: Option<String>,
}

impl TlsObservation {
    pub(crate) fn column() -> Column {
        Column::group(
            "tls",
            "What the TLS handshake showed; null when none was begun.",
            vec![
                name("sni", "The name sent as SNI."),
                crate::column::u64("elapsed_us", "Duration of the handshake, microseconds."),
                word("version", "`TLSv1.2` or `TLSv1.3`; null when none was agreed.").optional(),
                word(
                    "cipher_suite",
                    "The suite the peer took of those offered (AES-128 first), by its IANA name.",
                )
                .optional(),
                word("group", "The key exchange group, by its IANA name.").optional(),
                Column::list(
                    "chain",
                    Kind::Binary,
                    "SHA-256 of each certificate shown, leaf first: keys into `certificates`.",
                ),
                word("signature_scheme", "Scheme of the peer's handshake signature, by its IANA name.")
                    .optional(),
                boolean("signature_valid", "Whether that signature proves possession of the leaf's key.")
                    .optional(),
                word("alert", "The alert received, by its name in RFC 8446 §6.").optional(),
            ],
        )
        .optional()
    }
}

/// A row of `certificates`: a distinct certificate, and its fields for those who do not read DER.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRow {
    /// SHA-256 of `der`, 32 bytes.
    pub sha256: Digest,
    /// The certificate as received.
    pub der: ByteBuf,
    /// When it was first seen.
    pub first_seen: Micros,
    /// Why the fields below could not be read; `None` when they could.
    pub parse_error: Option<String>,
    /// Subject, RFC 4514.
    pub subject: Option<String>,
    /// Issuer, RFC 4514.
    pub issuer: Option<String>,
    /// Serial number, lower-case hexadecimal.
    pub serial: Option<String>,
    /// Validity's begin.
    pub not_before: Option<Micros>,
    /// Validity's end.
    pub not_after: Option<Micros>,
    /// The DNS-IDs among the subject alternative names, as written.
    pub san_dns: Vec<String>,
    /// Key algorithm: `RSA`, `EC`, or an OID.
    pub key_algorithm: Option<String>,
    /// Key size, bits.
    pub key_bits: Option<u32>,
    /// Signature algorithm's OID.
    pub signature_algorithm: Option<String>,
    /// SHA-256 of the subject public key info, 32 bytes.
    pub spki_sha256: Option<ByteBuf>,
    /// Basic constraints say that it is a CA.
    pub is_ca: Option<bool>,
    /// Subject and issuer are the same bytes.
    pub self_issued: Option<bool>,
}

impl Table for CertificateRow {
    const NAME: &'static str = "certificates";
    const DOC: &'static str = "A row a distinct certificate, whoever showed it, with its DER.";

    fn columns() -> Vec<Column> {
        vec![
            bytes("sha256", "SHA-256 of `der`."),
            bytes("der", "The certificate as received."),
            time("first_seen", "When it was first seen in the run."),
            text("parse_error", "Why the fields below could not be read; null when they could.").optional(),
            text("subject", "Subject, as text (RFC 4514).").optional(),
            text("issuer", "Issuer, as text (RFC 4514).").optional(),
            text("serial", "Serial number, lower-case hexadecimal.").optional(),
            time("not_before", "Begin of its validity.").optional(),
            time("not_after", "End of its validity.").optional(),
            Column::list(
                "san_dns",
                Kind::Text,
                "The DNS-IDs among its subject alternative names, as written.",
            ),
            word("key_algorithm", "`RSA`, `EC`, `Ed25519`, or an OID.").optional(),
            u32("key_bits", "Size of its key, bits.").optional(),
            word("signature_algorithm", "OID of its signature's algorithm.").optional(),
            bytes("spki_sha256", "SHA-256 of its subject public key info.").optional(),
            boolean("is_ca", "Basic constraints say that it is a CA.").optional(),
            boolean("self_issued", "Subject and issuer are the same bytes.").optional(),
        ]
    }
}
