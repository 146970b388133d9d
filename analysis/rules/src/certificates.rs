//! Certificates judged offline: at a stated time, against stated roots, for a stated name.
//!
//! A client stops at the first thing that is wrong; a census wants all of it. So path, name and dates are asked
//! apart: a chain that has run out is asked for its path once more at a time at which it had not, and a chain
//! that ends nowhere is told by where it ends.
//!
//! Paths are built by `webpki`, which is stricter than some of the software that senders run. Where it differs from
//! OpenSSL (Postfix, Exim) or Go, the reading taken is `webpki`'s, and `tests/rules/choices.rs` shows each:
//!
//! - **Names.** Only DNS-IDs count, without case; OpenSSL falls back to the common name where there is none. `*` is a
//!   whole leftmost label with two labels behind it: OpenSSL takes `mx*.example.net` too, Go takes `*.net`. Underscores
//!   are letters; a name shown with a last dot matches nothing; an IP address is no name.
//! - **Leaves.** One with `CA:TRUE` is `malformed`, or `self-signed` if it is its own issuer, even where it stands among
//!   the roots; OpenSSL and Go take both. One of X.509 version 1 cannot be read; it could name nobody either. Extended
//!   key usage counts, and `anyExtendedKeyUsage` (taken by Go) is not server authentication; key usage is not looked at
//!   (OpenSSL does), for a CA neither (both do).
//! - **Algorithms.** Signatures by SHA-1, or by RSA keys outside 2048 to 8192 bits, do not count: as in Go for SHA-1, and as
//!   OpenSSL has it at security level 2. A leaf's own key may be smaller: only signatures by it are refused.
//! - **Paths.** Name constraints and critical extensions are obeyed, an expired certificate is in nobody's way while
//!   another path is open, and a path has six intermediates at most.
//!
//! So a chain that is `malformed` here may be good enough for some sender: the rule's words say what is in its way.

mod path;
mod trust;

use mxray_evidence::Micros;
use rustls_pki_types::{CertificateDer, DnsName, ServerName};
use webpki::EndEntityCert;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

pub(crate) use path::{contents, date_problem, verify_path};
pub use trust::{TrustError, TrustStore};

/// Certificates of one chain that are looked at; what follows is ignored. Real chains have two to four.
const CHAIN_CERTIFICATES_MAX: usize = 16;

/// Something that makes a certificate of no use for a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChainProblem {
    /// No DNS-ID among the leaf's subject alternative names matches the host (RFC 8461 §3.3, §4.2; RFC 6125
    /// §6.4). The common name does not count, and a `*` stands for the whole leftmost label only.
    Name,
    /// The leaf, or a certificate on its only paths, had run out.
    Expired,
    /// The leaf, or a certificate on its only paths, was not valid yet.
    NotYetValid,
    /// The leaf is its own issuer, and no root.
    SelfSigned,
    /// The chain shown leads to a CA that no root stands behind.
    UnknownRoot,
    /// Nothing shown issued the leaf, and neither did a root: the server forgot the intermediate (or the
    /// leaf's issuer is a private CA, which cannot be told from here).
    MissingIntermediate,
    /// The chain leads to a root by its names, yet a certificate on the way cannot be read or used: encoding,
    /// version, signature, algorithm, constraint or purpose. [`ChainAssessment::detail`] has the words.
    Malformed,
}

/// What is wrong with a chain for a host at a time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChainAssessment {
    /// Everything that is wrong, sorted; empty is a valid certificate.
    pub problems: Vec<ChainProblem>,
    /// End of the leaf's validity; `None` where the leaf cannot be read.
    pub not_after: Option<Micros>,
    /// The leaf's DNS-IDs, as written.
    pub names: Vec<String>,
    /// Where the path ended, for a person; `None` where there is one.
    pub detail: Option<String>,
}

impl ChainAssessment {
    /// Whether a conforming client would accept the chain.
    pub fn is_valid(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether `problem` is among its problems.
    pub fn has(&self, problem: ChainProblem) -> bool {
        self.problems.contains(&problem)
    }
}

/// Judges the certificates a server showed, leaf first, DER, for `host` at `at` against `store`.
///
/// Revocation is not asked for: an opinion about a stored chain has no network.
pub fn assess_chain(chain: &[&[u8]], host: &str, at: Micros, store: &TrustStore) -> ChainAssessment {
    let chain = &chain[..chain.len().min(CHAIN_CERTIFICATES_MAX)];
    let Some((leaf, rest)) = chain.split_first() else {
        return unreadable("no certificate was shown");
    };
    let Ok((_, parsed)) = X509Certificate::from_der(leaf) else {
        return unreadable("the leaf is not a certificate");
    };
    let names = dns_ids(&parsed);
    let leaf = CertificateDer::from(*leaf);
    let mut problems = Vec::new();
    let mut detail = None;
    match EndEntityCert::try_from(&leaf) {
        Ok(end_entity) => {
            if !is_for(&end_entity, host) {
                problems.push(ChainProblem::Name);
            }
            path::assess(&end_entity, &parsed, rest, at, store, &mut problems, &mut detail);
        }
        Err(error) => {
            if names.is_empty() {
                problems.push(ChainProblem::Name);
            }
            problems.extend(date_problem(&parsed, at));
            problems.push(if path::is_self_issued(&parsed) {
                ChainProblem::SelfSigned
            } else {
                ChainProblem::Malformed
            });
            detail = Some(format!("the leaf cannot be used: {error}"));
        }
    }
    problems.sort_unstable();
    problems.dedup();
    ChainAssessment { problems, not_after: Some(path::micros(parsed.validity().not_after)), names, detail }
}

fn unreadable(why: &str) -> ChainAssessment {
    ChainAssessment {
        problems: vec![ChainProblem::Malformed],
        detail: Some(why.to_owned()),
        ..ChainAssessment::default()
    }
}

/// Whether a DNS-ID of the leaf matches. A host that is no DNS name matches nothing.
pub(crate) fn is_for(leaf: &EndEntityCert<'_>, host: &str) -> bool {
    DnsName::try_from(host)
        .is_ok_and(|host| leaf.verify_is_valid_for_subject_name(&ServerName::DnsName(host)).is_ok())
}

fn dns_ids(leaf: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = leaf.subject_alternative_name() else { return Vec::new() };
    let ids = extension.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(id) => Some((*id).to_owned()),
        _ => None,
    });
    ids.collect()
}
