//! A certificate's fields, for those who do not read DER.

use mxray_evidence::{ByteBuf, CertificateRow, Micros};
use sha2::{Digest as _, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;

/// Most names taken from one certificate; public CAs stop at 100, some at 2,000.
const SAN_NAMES_MAX: usize = 2_000;

/// SHA-256 of a certificate: its key in `certificates`.
pub fn digest(der: &[u8]) -> [u8; 32] {
    Sha256::digest(der).into()
}

/// A certificate as a row. What cannot be read leaves its fields null, and says why.
pub fn describe(der: &[u8], first_seen: Micros) -> CertificateRow {
    let mut row = CertificateRow {
        sha256: ByteBuf::from(digest(der).to_vec()),
        der: ByteBuf::from(der.to_vec()),
        first_seen,
        parse_error: None,
        subject: None,
        issuer: None,
        serial: None,
        not_before: None,
        not_after: None,
        san_dns: Vec::new(),
        key_algorithm: None,
        key_bits: None,
        signature_algorithm: None,
        spki_sha256: None,
        is_ca: None,
        self_issued: None,
    };
    match X509Certificate::from_der(der) {
        Ok((rest, certificate)) => {
            fill(&mut row, &certificate);
            if !rest.is_empty() {
                row.parse_error = Some(format!("{} bytes follow the certificate", rest.len()));
            }
        }
        Err(error) => row.parse_error = Some(error.to_string()),
    }
    row
}

fn fill(row: &mut CertificateRow, certificate: &X509Certificate<'_>) {
    row.subject = Some(certificate.subject().to_string());
    row.issuer = Some(certificate.issuer().to_string());
    row.serial = Some(hexadecimal(certificate.raw_serial()));
    row.not_before = Some(micros(certificate.validity().not_before));
    row.not_after = Some(micros(certificate.validity().not_after));
    row.signature_algorithm = Some(certificate.signature_algorithm.algorithm.to_id_string());
    row.spki_sha256 = Some(ByteBuf::from(digest(certificate.public_key().raw).to_vec()));
    row.self_issued = Some(certificate.subject().as_raw() == certificate.issuer().as_raw());
    (row.key_algorithm, row.key_bits) = key(certificate);
    match certificate.basic_constraints() {
        Ok(constraints) => row.is_ca = Some(constraints.is_some_and(|found| found.value.ca)),
        Err(error) => row.parse_error = Some(format!("basic constraints: {error}")),
    }
    match certificate.subject_alternative_name() {
        Ok(found) => {
            let names = found.iter().flat_map(|extension| &extension.value.general_names);
            row.san_dns = names
                .filter_map(|name| if let GeneralName::DNSName(name) = name { Some(*name) } else { None })
                .take(SAN_NAMES_MAX)
                .map(str::to_owned)
                .collect();
        }
        Err(error) => row.parse_error = Some(format!("subject alternative names: {error}")),
    }
}

/// The key's algorithm by its usual name (or OID), and its size in bits.
fn key(certificate: &X509Certificate<'_>) -> (Option<String>, Option<u32>) {
    const ED25519: &str = "1.3.101.112";
    let info = certificate.public_key();
    let oid = info.algorithm.algorithm.to_id_string();
    match info.parsed() {
        Ok(PublicKey::RSA(key)) => (Some("RSA".to_owned()), u32::try_from(key.key_size()).ok()),
        Ok(PublicKey::EC(point)) => (Some("EC".to_owned()), u32::try_from(point.key_size()).ok()),
        _ if oid == ED25519 => (Some("Ed25519".to_owned()), Some(256)),
        _ => (Some(oid), None),
    }
}

fn micros(time: ASN1Time) -> Micros {
    time.timestamp().saturating_mul(1_000_000)
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}

/// Bits of RSA keys by which our TLS library checks signatures.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;

/// Whether a certificate's key is an RSA key of a size by which our TLS library checks no signature.
pub(crate) fn is_rsa_out_of_range(der: &[u8]) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return false };
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => !RSA_BITS.contains(&key.key_size()),
        _ => false,
    }
}
