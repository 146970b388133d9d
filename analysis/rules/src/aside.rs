//! What stands where no sender looks: a record under another name, a policy that nothing announces.
//!
//! Only a run that was asked to look (`--look-aside`, `--fetch-without-record`) can say; in another these rules are
//! unknown, and make no finding, since that would be a row for nearly every domain.

use mxray_evidence::{DomainRow, Ending, PolicyRow, TxtRecord};
use mxray_protocol::aside::{Aside, has_sts_record, has_tlsrpt_record, sts_names, tlsrpt_names};
use mxray_protocol::sts_policy::StsPolicy;

use crate::finding::Notes;
use crate::record::RecordVerdict;
use crate::route::Route;
use crate::rule::{CauseDoc, RuleId, cause};

/// Sub-causes of an MTA-STS record in the wrong place.
pub(crate) const STS_OWNER_CAUSES: &[CauseDoc] = &[
    cause("underscore", "at _mta_sts, with an underscore for the hyphen"),
    cause("policy-host", "at mta-sts, the policy host"),
    cause("apex", "at the domain itself"),
    cause("doubled", "below the domain's name written twice, as where a zone file lacks a last dot"),
    cause("parent", "at _mta-sts of the domain above, whose record does not reach down (§3.4)"),
];

/// Sub-causes of a TLS-RPT record in the wrong place.
pub(crate) const TLSRPT_OWNER_CAUSES: &[CauseDoc] = &[
    cause("hyphen", "at _smtp-tls"),
    cause("underscore", "at _smtp_tls"),
    cause("tls", "at _tls, without _smtp"),
    cause("apex", "at the domain itself"),
    cause("doubled", "below the domain's name written twice, as where a zone file lacks a last dot"),
];

fn cause_of(aside: Aside) -> &'static str {
    match aside {
        Aside::Underscore => "underscore",
        Aside::Hyphen => "hyphen",
        Aside::PolicyHost => "policy-host",
        Aside::Tls => "tls",
        Aside::Apex => "apex",
        Aside::Doubled => "doubled",
        Aside::Parent => "parent",
    }
}

/// Judges where the MTA-STS record of a domain stands.
pub(crate) fn judge_sts(domain: &DomainRow, record: RecordVerdict, route: &Route, notes: &mut Notes) {
    let names = sts_names(&domain.domain);
    // Only who has MX hosts of its own can have thought that the record above was theirs as well; and under a public
    // suffix (PSL) the name above is a stranger.
    let is_meant = |aside: Aside, name: &str| {
        let above = name.strip_prefix("_mta-sts.").unwrap_or(name);
        aside != Aside::Parent
            || (matches!(route, Route::Hosts(_))
                && psl::suffix_str(above).is_some_and(|suffix| suffix != above))
    };
    let names = names.into_iter().filter(|(aside, name)| is_meant(*aside, name)).collect::<Vec<_>>();
    let place = Place { rule: RuleId::StsRecordWrongOwner, names, is_record: has_sts_record };
    place.judge(domain, record, route, notes);
}

/// Judges where the TLS-RPT record of a domain stands.
pub(crate) fn judge_tlsrpt(domain: &DomainRow, record: RecordVerdict, route: &Route, notes: &mut Notes) {
    let names = tlsrpt_names(&domain.domain);
    let place = Place { rule: RuleId::TlsrptWrongOwner, names, is_record: has_tlsrpt_record };
    place.judge(domain, record, route, notes);
}

/// Where one kind of record stands by mistake.
struct Place {
    rule: RuleId,
    names: Vec<(Aside, String)>,
    is_record: fn(&[Vec<u8>]) -> bool,
}

impl Place {
    fn judge(&self, domain: &DomainRow, record: RecordVerdict, route: &Route, notes: &mut Notes) {
        let takes_mail = !matches!(route, Route::Null | Route::None);
        if !takes_mail || !matches!(record, RecordVerdict::Absent | RecordVerdict::Invalid) {
            return;
        }
        if domain.aside_txt.is_empty() {
            return notes.unasked(self.rule);
        }
        let subject = domain.domain.as_str();
        notes.pass(self.rule);
        for (aside, name) in &self.names {
            let Some(lookup) = domain.aside_txt.iter().find(|lookup| lookup.name == *name) else { continue };
            let texts = lookup.records.iter().map(TxtRecord::joined).collect::<Vec<_>>();
            if (self.is_record)(&texts) {
                let detail = format!("a record stands at {name}, where no sender looks");
                notes.violation(self.rule, subject, Some(cause_of(*aside).into()), Some(detail));
            } else if !lookup.is_measured() {
                notes.unknown(&[self.rule], subject, &format!("the TXT lookup at {name} was not answered"));
            }
        }
    }
}

/// Judges whether a policy is served that no record announces. A record that is there and invalid has a finding of its
/// own; a certificate that no sender would take does not unsay that somebody set up a policy.
pub(crate) fn judge_unannounced(
    domain: &DomainRow,
    record: RecordVerdict,
    served: Option<&PolicyRow>,
    route: &Route,
    notes: &mut Notes,
) {
    const RULE: RuleId = RuleId::StsPolicyWithoutRecord;
    if record != RecordVerdict::Absent || *route == Route::None {
        return;
    }
    let Some(row) = served else { return notes.unasked(RULE) };
    let subject = row.host.as_str();
    match (&row.ending, row.status, &row.body) {
        (Ending::Withheld { .. }, ..) => {
            notes.unknown(&[RULE], subject, "the policy was not fetched");
        }
        (Ending::Completed, Some(200), Some(body)) if StsPolicy::parse(body).is_valid() => {
            let detail = format!(
                "a valid policy of {} bytes, and no record at _mta-sts.{}",
                body.len(),
                domain.domain
            );
            notes.violation(RULE, subject, None, Some(detail));
        }
        _ => notes.pass(RULE),
    }
}
