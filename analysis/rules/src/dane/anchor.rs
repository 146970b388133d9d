//! Usage 2: from the leaf to an anchor that a record names.

use mxray_evidence::Micros;
use rustls_pki_types::{CertificateDer, Der, TrustAnchor};
use webpki::EndEntityCert;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::record::{Full, Tlsa};
use crate::certificates::{contents, date_problem, is_for, verify_path};

/// What the search for an anchor came to. The order is by how near it came.
#[derive(Debug)]
pub(super) enum Found {
    /// No record's anchor is at hand.
    Nothing,
    /// An anchor is, and no valid path leads to it.
    NoPath(String),
    /// A path leads to it; the name is another's.
    Name,
    /// All is in order.
    Path {
        /// The record's place.
        record: usize,
        /// The certificate that it matches; `None` one that stands in DNS alone.
        depth: Option<usize>,
    },
}

impl Found {
    fn rank(&self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::NoPath(_) => 1,
            Self::Name => 2,
            Self::Path { .. } => 3,
        }
    }
}

/// Looks for the best that any of the records, all of usage 2, makes of the chain.
pub(super) fn search(records: &[(usize, &Tlsa<'_>)], chain: &[&[u8]], names: &[&str], at: Micros) -> Found {
    let mut best = Found::Nothing;
    let Some((leaf, rest)) = chain.split_first() else { return best };
    let der = CertificateDer::from(*leaf);
    for (place, record) in records {
        for candidate in candidates(record, leaf, rest) {
            let found = match EndEntityCert::try_from(&der) {
                Ok(end_entity) => assess(*place, &candidate, &end_entity, rest, names, at),
                Err(error) => Found::NoPath(format!("the leaf cannot be used: {error}")),
            };
            if found.rank() > best.rank() {
                best = found;
            }
            if matches!(best, Found::Path { .. }) {
                return best;
            }
        }
    }
    best
}

/// A certificate or a key that a record makes an anchor.
struct Candidate<'a> {
    anchor: Result<TrustAnchor<'a>, String>,
    /// The whole certificate, where there is one: its dates count.
    certificate: Option<&'a [u8]>,
    depth: Option<usize>,
}

/// The anchors that a record offers: certificates of the chain that match it, and what stands in DNS in full
/// (RFC 7671 §5.2.2, §5.2.3).
fn candidates<'a>(record: &'a Tlsa<'_>, leaf: &'a [u8], rest: &[&'a [u8]]) -> Vec<Candidate<'a>> {
    let shown = rest.iter().enumerate().filter(|(_, certificate)| record.matches(certificate));
    let mut found: Vec<Candidate<'a>> = shown
        .map(|(index, certificate)| Candidate {
            anchor: anchor_of(certificate),
            certificate: Some(certificate),
            depth: Some(index + 1),
        })
        .collect();
    match record.full() {
        _ if !found.is_empty() => {}
        Some(Full::Certificate(certificate)) => found.push(Candidate {
            anchor: anchor_of(certificate),
            certificate: Some(certificate),
            depth: None,
        }),
        // A bare key has no name: it may stand above any certificate of the chain.
        Some(Full::Key(key)) => {
            let below =
                std::iter::once(&leaf).chain(rest).filter_map(|der| X509Certificate::from_der(der).ok());
            found.extend(below.map(|(_, parsed)| Candidate {
                anchor: Ok(TrustAnchor {
                    subject: Der::from(contents(parsed.issuer().as_raw()).to_vec()),
                    subject_public_key_info: Der::from(contents(key)),
                    name_constraints: None,
                }),
                certificate: None,
                depth: None,
            }));
        }
        None => {}
    }
    found
}

fn anchor_of(certificate: &[u8]) -> Result<TrustAnchor<'static>, String> {
    let der = CertificateDer::from(certificate);
    webpki::anchor_from_trusted_cert(&der)
        .map(|anchor| anchor.to_owned())
        .map_err(|error| format!("the anchor cannot be used: {error}"))
}

fn assess(
    record: usize,
    candidate: &Candidate<'_>,
    end_entity: &EndEntityCert<'_>,
    rest: &[&[u8]],
    names: &[&str],
    at: Micros,
) -> Found {
    let anchor = match &candidate.anchor {
        Ok(anchor) => anchor,
        Err(words) => return Found::NoPath(words.clone()),
    };
    if let Some(Ok((_, parsed))) = candidate.certificate.map(X509Certificate::from_der)
        && date_problem(&parsed, at).is_some()
    {
        return Found::NoPath("the anchor is out of its dates".to_owned());
    }
    if let Err(error) = verify_path(end_entity, std::slice::from_ref(anchor), rest, at) {
        return Found::NoPath(error.to_string());
    }
    if names.iter().any(|name| is_for(end_entity, name)) {
        Found::Path { record, depth: candidate.depth }
    } else {
        Found::Name
    }
}
