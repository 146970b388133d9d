//! From a leaf to a root, and when.

use std::time::Duration;

use mxray_evidence::Micros;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage, VerifiedPath};
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};

use super::{ChainProblem, TrustStore};

const MICROS_PER_SECOND: i64 = 1_000_000;

pub(super) fn micros(time: ASN1Time) -> Micros {
    time.timestamp().saturating_mul(MICROS_PER_SECOND)
}

/// What the dates of one certificate say at `at`. X.509 counts in seconds, both ends included (RFC 5280 §4.1.2.5).
pub(crate) fn date_problem(certificate: &X509Certificate<'_>, at: Micros) -> Option<ChainProblem> {
    let second = at.div_euclid(MICROS_PER_SECOND);
    if second > certificate.validity().not_after.timestamp() {
        Some(ChainProblem::Expired)
    } else if second < certificate.validity().not_before.timestamp() {
        Some(ChainProblem::NotYetValid)
    } else {
        None
    }
}

pub(super) fn is_self_issued(certificate: &X509Certificate<'_>) -> bool {
    certificate.subject().as_raw() == certificate.issuer().as_raw()
}

/// Adds what path and dates have to say.
pub(super) fn assess(
    end_entity: &EndEntityCert<'_>,
    leaf: &X509Certificate<'_>,
    rest: &[&[u8]],
    at: Micros,
    store: &TrustStore,
    problems: &mut Vec<ChainProblem>,
    detail: &mut Option<String>,
) {
    let search =
        Search { end_entity, shown: rest.iter().map(|der| CertificateDer::from(*der)).collect(), store };
    let second = at.div_euclid(MICROS_PER_SECOND);
    let Err(first) = search.dates_of_path_at(second, at) else { return };
    problems.extend(date_problem(leaf, at));
    let others: Vec<X509Certificate<'_>> =
        rest.iter().filter_map(|der| X509Certificate::from_der(der).ok()).map(|(_, parsed)| parsed).collect();
    let error = match &first {
        // webpki ranks a date above every other objection: without one, no path is only out of date.
        Error::CertExpired { .. } | Error::CertNotValidYet { .. } => {
            match search.another_time(leaf, &others, at) {
                Another::Path(dates) => return problems.extend(dates),
                Another::NoPath(error) => error,
                Another::NeverTogether => {
                    *detail = Some("its certificates are never valid together".to_owned());
                    return problems.push(match first {
                        Error::CertNotValidYet { .. } => ChainProblem::NotYetValid,
                        _ => ChainProblem::Expired,
                    });
                }
            }
        }
        _ => first,
    };
    let (problem, words) = where_it_ends(leaf, &others, store, &error);
    problems.push(problem);
    *detail = Some(words);
}

/// What another time than the one in question showed.
enum Another {
    /// A path, and what the dates on it say at the time in question.
    Path(Vec<ChainProblem>),
    /// No path, for a reason other than dates.
    NoPath(Error),
    /// Dates stand in the way at any time.
    NeverTogether,
}

struct Search<'a> {
    end_entity: &'a EndEntityCert<'a>,
    shown: Vec<CertificateDer<'a>>,
    store: &'a TrustStore,
}

impl Search<'_> {
    /// Looks for a path at `second`; on it, the date problems at `at`.
    fn dates_of_path_at(&self, second: i64, at: Micros) -> Result<Vec<ChainProblem>, Error> {
        verify(self.end_entity, self.store.anchors(), &self.shown, second)
            .map(|path| date_problems(&path, at))
    }

    /// A path valid at all is valid when the last of its certificates begins: those moments are all there is
    /// to try.
    fn another_time(
        &self,
        leaf: &X509Certificate<'_>,
        others: &[X509Certificate<'_>],
        at: Micros,
    ) -> Another {
        let begins = |certificate: &X509Certificate<'_>| certificate.validity().not_before.timestamp();
        let window = begins(leaf)..=leaf.validity().not_after.timestamp();
        let mut moments: Vec<i64> =
            others.iter().map(begins).filter(|moment| window.contains(moment)).collect();
        moments.push(begins(leaf));
        moments.sort_unstable();
        moments.dedup();
        let mut outcome = Another::NeverTogether;
        for moment in moments {
            match self.dates_of_path_at(moment, at) {
                Ok(dates) => return Another::Path(dates),
                Err(Error::CertExpired { .. } | Error::CertNotValidYet { .. }) => {}
                Err(error) => outcome = Another::NoPath(error),
            }
        }
        outcome
    }
}

/// A path from a leaf to one of `anchors` by way of `shown` at a second.
fn verify<'p>(
    end_entity: &'p EndEntityCert<'p>,
    anchors: &'p [TrustAnchor<'_>],
    shown: &'p [CertificateDer<'p>],
    second: i64,
) -> Result<VerifiedPath<'p>, Error> {
    let time = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(second).unwrap_or(0)));
    end_entity.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        anchors,
        shown,
        time,
        KeyUsage::server_auth(),
        None,
        None,
    )
}

/// Whether a path leads from a leaf to one of `anchors` by way of `shown` at `at`.
pub(crate) fn verify_path(
    end_entity: &EndEntityCert<'_>,
    anchors: &[TrustAnchor<'_>],
    shown: &[&[u8]],
    at: Micros,
) -> Result<(), Error> {
    let shown: Vec<CertificateDer<'_>> = shown.iter().map(|der| CertificateDer::from(*der)).collect();
    verify(end_entity, anchors, &shown, at.div_euclid(MICROS_PER_SECOND)).map(drop)
}

fn date_problems(path: &VerifiedPath<'_>, at: Micros) -> Vec<ChainProblem> {
    let ders = path.intermediate_certificates().map(webpki::Cert::der);
    let ders = ders.chain(std::iter::once(path.end_entity().der()));
    ders.filter_map(|der| {
        X509Certificate::from_der(&der).ok().and_then(|(_, parsed)| date_problem(&parsed, at))
    })
    .collect()
}

/// Tells the ways in which a chain can fail to reach a root apart, by following issuers' names upwards.
fn where_it_ends(
    leaf: &X509Certificate<'_>,
    others: &[X509Certificate<'_>],
    store: &TrustStore,
    error: &Error,
) -> (ChainProblem, String) {
    if is_self_issued(leaf) {
        return (ChainProblem::SelfSigned, format!("{} is its own issuer", leaf.subject()));
    }
    let top = top_of(leaf, others, store);
    if store.has_name(contents(top.issuer().as_raw())) {
        return (ChainProblem::Malformed, format!("no path to the root {}: {error}", top.issuer()));
    }
    let problem =
        if std::ptr::eq(top, leaf) { ChainProblem::MissingIntermediate } else { ChainProblem::UnknownRoot };
    (problem, format!("ends at {}, which is no known root", top.issuer()))
}

/// The last certificate on the way up from the leaf; where two ways part, the one that has a root's name above.
fn top_of<'c, 'd>(
    leaf: &'c X509Certificate<'d>,
    others: &'c [X509Certificate<'d>],
    store: &TrustStore,
) -> &'c X509Certificate<'d> {
    let mut unused: Vec<&X509Certificate<'_>> = others.iter().collect();
    let mut top = leaf;
    while !is_self_issued(top) {
        let issues_top =
            |candidate: &&X509Certificate<'_>| candidate.subject().as_raw() == top.issuer().as_raw();
        let rooted = |candidate: &&X509Certificate<'_>| store.has_name(contents(candidate.issuer().as_raw()));
        let next = unused
            .iter()
            .position(|candidate| issues_top(candidate) && rooted(candidate))
            .or_else(|| unused.iter().position(issues_top));
        match next {
            Some(index) => top = unused.swap_remove(index),
            None => break,
        }
    }
    top
}

/// The contents of a DER value that is known to be whole: what follows its tag and length.
pub(crate) fn contents(der: &[u8]) -> &[u8] {
    let header = match der.get(1) {
        Some(length) if length & 0x80 != 0 => 2 + usize::from(length & 0x7f),
        _ => 2,
    };
    der.get(header..).unwrap_or_default()
}
