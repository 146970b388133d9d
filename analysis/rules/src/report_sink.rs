//! Whether TLS reports can arrive: by DNS alone, never by sending one.

use mxray_evidence::{DomainRow, LookupStatus, ReportSinkRow, TxtRecord};
use mxray_protocol::report_sink::{Carrier, sinks};

use crate::finding::Notes;
use crate::resolution::Resolution;
use crate::rule::{CauseDoc, RuleId, cause};

pub(crate) const SINK_CAUSES: &[CauseDoc] = &[
    cause("nxdomain", "the name does not exist"),
    cause("no-data", "the name has neither MX nor address; for https, no address"),
    cause("null-mx", "the mail domain says that it takes no mail (RFC 7505)"),
];

/// What DNS says of a name that TLS reports go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SinkAssessment {
    mail: Standing,
    https: Standing,
}

/// Whether something can arrive at a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Alive,
    Dead(&'static str),
    Unknown,
}

/// Assesses a sink, once for all the domains that name it.
pub fn assess_sink(row: &ReportSinkRow) -> SinkAssessment {
    let https = match Resolution::of(&row.a, &row.aaaa) {
        Resolution::Found | Resolution::NotGlobal => Standing::Alive,
        Resolution::NxDomain => Standing::Dead("nxdomain"),
        Resolution::NoData => Standing::Dead("no-data"),
        Resolution::Unknown => Standing::Unknown,
    };
    // RFC 5321 §5.1: MX hosts, or the name's own address where there are none.
    let mail = match row.mx.status() {
        LookupStatus::Found if row.mx.records.iter().all(|mx| mx.exchange == ".") => {
            Standing::Dead("null-mx")
        }
        LookupStatus::Found => Standing::Alive,
        LookupStatus::NxDomain => Standing::Dead("nxdomain"),
        LookupStatus::NoData => https,
        LookupStatus::Failed(_) | LookupStatus::Unanswered => Standing::Unknown,
    };
    SinkAssessment { mail, https }
}

/// Judges the sinks of a domain's TLS-RPT record.
pub(crate) fn judge(domain: &DomainRow, known: &dyn Fn(&str) -> Option<SinkAssessment>, notes: &mut Notes) {
    const RULE: RuleId = RuleId::TlsrptSinkDead;
    let texts = domain.tlsrpt_txt.records.iter().map(TxtRecord::joined).collect::<Vec<_>>();
    for sink in sinks(&texts) {
        let (standing, what) = match (known(&sink.name), sink.by) {
            (None, _) => (Standing::Unknown, "name"),
            (Some(of), Carrier::Mail) => (of.mail, "mail domain"),
            (Some(of), Carrier::Https) => (of.https, "host"),
        };
        match standing {
            Standing::Alive => notes.pass(RULE),
            Standing::Dead(cause) => {
                let detail = format!("reports go to the {what} {}", sink.name);
                notes.violation(RULE, &domain.domain, Some(cause.into()), Some(detail));
            }
            Standing::Unknown => {
                let why = format!("what DNS has for {} was not answered", sink.name);
                notes.unknown(&[RULE], &domain.domain, &why);
            }
        }
    }
}
