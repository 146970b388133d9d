//! What a domain's own answers give reason to look at besides: names that TLS reports go to, names where a record may
//! stand by mistake, a policy that nothing announces.

use std::collections::HashSet;

use mxray_evidence::{DomainRow, Lookup, LookupStatus, TxtRecord};
use mxray_protocol::aside::{Aside, has_sts_record, has_tlsrpt_record, sts_names, tlsrpt_names};
use mxray_protocol::report_sink::sinks;

use crate::config::Extras;
use crate::once::Once;

/// What is looked at once in a run, however many domains name it.
#[derive(Default)]
pub(crate) struct Seen {
    /// MX hosts.
    pub(crate) hosts: Once,
    /// Names that TLS reports go to.
    pub(crate) sinks: Once,
}

/// Whether a policy is to be fetched: one is announced by any TXT, or it was asked for where none is.
pub(crate) fn is_fetched(row: &DomainRow, extras: Extras) -> bool {
    let is_there = row.mx.status() != LookupStatus::NxDomain;
    !row.sts_txt.records.is_empty() || (extras.fetch_without_record && row.sts_txt.is_measured() && is_there)
}

/// The names that the TLS reports about a domain go to, each once. It depends on the row alone, so that a resumed run
/// can say which names a committed domain asked for.
pub(crate) fn report_sinks(row: &DomainRow) -> Vec<String> {
    let mut names: Vec<String> = sinks(&texts(&row.tlsrpt_txt)).into_iter().map(|sink| sink.name).collect();
    names.sort();
    names.dedup();
    names
}

/// Where to look for the records that a domain lacks, each name once; nowhere if it does not exist.
pub(crate) fn aside_names(row: &DomainRow) -> Vec<String> {
    let mut names: Vec<(Aside, String)> = Vec::new();
    if row.mx.status() != LookupStatus::NxDomain {
        if row.sts_txt.is_measured() && !has_sts_record(&texts(&row.sts_txt)) {
            names.extend(sts_names(&row.domain));
        }
        if row.tlsrpt_txt.is_measured() && !has_tlsrpt_record(&texts(&row.tlsrpt_txt)) {
            names.extend(tlsrpt_names(&row.domain));
        }
    }
    let mut named = HashSet::new();
    names.into_iter().map(|(_, name)| name).filter(|name| named.insert(name.clone())).collect()
}

fn texts(lookup: &Lookup<TxtRecord>) -> Vec<Vec<u8>> {
    lookup.records.iter().map(TxtRecord::joined).collect()
}
