//! MX hosts of a run: certificates and TLSA records.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;

use mxray_evidence::{
    CertificateRow, Lookup, MailHostRow, Micros, RunDir, Security, SmtpSessionRow, TlsObservation, TlsaRecord,
};
use mxray_rules::{DaneOutcome, HostStanding, TlsaStanding, match_host};

use super::partitions::{Partitions, Spilled};
use crate::StudyError;

/// Brings every session of a run, and the TLSA records of its hosts, down to what is compared.
pub(super) fn spill(number: usize, run: &RunDir, partitions: &mut Partitions) -> Result<(), StudyError> {
    let manifest = run.read_manifest().map_err(StudyError::file("reading", &run.manifest_path()))?;
    let mut published: HashMap<String, Lookup<TlsaRecord>> = HashMap::new();
    let mut failed = Ok(());
    if manifest.dnssec {
        run.for_each::<MailHostRow>(|row| {
            let signed = match row.tlsa.security_by(true) {
                Some(Security::Secure) => true,
                Some(Security::Insecure) => false,
                // Senders put off what does not validate: that is no absence.
                Some(Security::Bogus | Security::Indeterminate) | None => return,
            };
            if failed.is_err() {
                return;
            }
            let records = if signed { records(&row.tlsa) } else { Vec::new() };
            let unsigned = !signed && !row.tlsa.records.is_empty();
            let ttl = row.tlsa.records.iter().map(|record| record.ttl).min().unwrap_or(0);
            let standing = TlsaStanding { records, unsigned, matching: Vec::new(), ttl };
            failed = partitions.put(number, &row.host, &Spilled::Tlsa(standing));
            if signed && !row.tlsa.records.is_empty() {
                published.insert(row.host, row.tlsa);
            }
        })?;
        failed?;
    }
    let mut needed: HashSet<Vec<u8>> = HashSet::new();
    run.for_each::<SmtpSessionRow>(|row| {
        if let (true, Some(tls)) = (published.contains_key(&row.host), &row.tls) {
            needed.extend(tls.chain.iter().map(|digest| digest.to_vec()));
        }
    })?;
    let (mut ends, mut ders) = (HashMap::new(), HashMap::new());
    run.for_each::<CertificateRow>(|row| {
        let digest = row.sha256.to_vec();
        if needed.contains(&digest) {
            ders.insert(digest.clone(), row.der.to_vec());
        }
        ends.insert(digest, row.not_after);
    })?;
    let mut failed = Ok(());
    run.for_each::<SmtpSessionRow>(|row| {
        if failed.is_ok() {
            let matching = match (published.get(&row.host), &row.tls) {
                (Some(lookup), Some(tls)) => matching(lookup, tls, &ders, row.started),
                _ => Vec::new(),
            };
            failed = partitions.put(number, &row.host, &session(&row, &ends, matching));
        }
    })?;
    failed
}

fn session(row: &SmtpSessionRow, ends: &HashMap<Vec<u8>, Option<Micros>>, matching: Vec<String>) -> Spilled {
    // A session that was copied says nothing of this host's own certificate.
    let asked = row.tls.as_ref().filter(|tls| row.reused_from.is_none() && tls.signature_valid == Some(true));
    let leaf = asked.and_then(|tls| tls.chain.first()).map(|digest| digest.to_vec());
    Spilled::Session {
        at: row.started,
        not_after: leaf.as_ref().and_then(|leaf| ends.get(leaf).copied().flatten()),
        leaf: leaf.and_then(|leaf| leaf.try_into().ok()),
        matching,
    }
}

/// Each record as text.
fn records(lookup: &Lookup<TlsaRecord>) -> Vec<String> {
    let mut records: Vec<String> = lookup.records.iter().map(text).collect();
    records.sort_unstable();
    records.dedup();
    records
}

fn text(record: &TlsaRecord) -> String {
    let mut text = format!("{} {} {} ", record.usage, record.selector, record.matching);
    for byte in &*record.data {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Those of the records that match, each on its own, what a session showed.
fn matching(
    lookup: &Lookup<TlsaRecord>,
    tls: &TlsObservation,
    ders: &HashMap<Vec<u8>, Vec<u8>>,
    at: Micros,
) -> Vec<String> {
    let chain: Option<Vec<&[u8]>> =
        tls.chain.iter().map(|digest| ders.get(digest.as_slice()).map(Vec::as_slice)).collect();
    let Some(chain) = chain else { return Vec::new() };
    let matches = |record: &&TlsaRecord| {
        let alone = Lookup { records: vec![(*record).clone()], ..lookup.clone() };
        matches!(match_host(&alone, &chain, at), Some(DaneOutcome::Authenticated { .. }))
    };
    lookup.records.iter().filter(matches).map(text).collect()
}

/// How a host stood in each run that has sessions with it.
pub(super) fn standings(spilled: Vec<(usize, Spilled)>) -> Vec<HostStanding> {
    let mut runs: BTreeMap<usize, HostStanding> = BTreeMap::new();
    let mut records: HashMap<usize, TlsaStanding> = HashMap::new();
    for (run, spilled) in spilled {
        match spilled {
            Spilled::Session { at, leaf, not_after, matching } => {
                let empty =
                    HostStanding { at, leaves: Vec::new(), complete: true, not_after: None, tlsa: None };
                let host = runs.entry(run).or_insert(empty);
                host.at = host.at.min(at);
                host.complete &= leaf.is_some();
                host.leaves.extend(leaf);
                host.not_after = host.not_after.into_iter().chain(not_after).min();
                records.entry(run).or_default().matching.extend(matching);
            }
            Spilled::Tlsa(standing) => {
                let TlsaStanding { records: all, unsigned, ttl, .. } = standing;
                let kept = records.entry(run).or_default();
                (kept.records, kept.unsigned, kept.ttl) = (all, unsigned, ttl);
                // Its presence says that they were measured.
                kept.matching.push(String::new());
            }
            Spilled::Domain(_) => {}
        }
    }
    for (run, host) in &mut runs {
        host.leaves.sort_unstable();
        host.leaves.dedup();
        let Some(mut standing) = records.remove(run) else { continue };
        if standing.matching.iter().any(String::is_empty) {
            standing.matching.retain(|record| !record.is_empty());
            standing.matching.sort_unstable();
            standing.matching.dedup();
            host.tlsa = Some(standing);
        }
    }
    runs.into_values().collect()
}
