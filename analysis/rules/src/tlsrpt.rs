//! The TLS-RPT axis: the TXT at `_smtp._tls` (RFC 8460 §3).

use mxray_evidence::{DomainRow, LookupStatus};
use mxray_protocol::tlsrpt::{TlsrptFlawKind as Flaw, TlsrptRecord, UriSlip};

use crate::aside::TLSRPT_OWNER_CAUSES;
use crate::finding::Notes;
use crate::quote::quote;
use crate::record::{
    Candidates, DISCARDED, RecordVerdict, SPACED, TRAILING, VERSION_CAUSES, candidates, field_words,
    version_cause,
};
use crate::report_sink::SINK_CAUSES;
use crate::rule::{Effect, Rule, RuleId, Subject, cause};

const BASE: Rule = Rule {
    id: RuleId::TlsrptMultiple,
    name: "",
    summary: "",
    section: "RFC 8460 §3",
    effect: Effect::None,
    report_type: None,
    advice: "",
    causes: &[],
    subject: Subject::Domain,
};

pub(crate) const RULES: &[Rule] = &[
    Rule {
        id: RuleId::TlsrptMultiple,
        name: "tlsrpt-multiple",
        summary: "More than one TXT record at _smtp._tls begins with v=TLSRPTv1;",
        advice: "Keep one record, with every address in its rua: senders ignore them all.",
        ..BASE
    },
    Rule {
        id: RuleId::TlsrptVersion,
        name: "tlsrpt-version",
        summary: "A TXT record that plainly means to be a TLS-RPT record does not begin with v=TLSRPTv1;",
        advice: "Begin the record with exactly v=TLSRPTv1; - the case counts, and nothing may stand before it.",
        causes: VERSION_CAUSES,
        ..BASE
    },
    Rule {
        id: RuleId::TlsrptRuaMissing,
        name: "tlsrpt-rua-missing",
        summary: "The record has no rua, so there is nowhere to report to",
        advice: "Add rua=mailto: and an address, or rua=https: and a URL.",
        ..BASE
    },
    Rule {
        id: RuleId::TlsrptUriScheme,
        name: "tlsrpt-uri-scheme",
        summary: "A URI of rua is neither mailto: nor https:",
        advice: "Write mailto: before each address; reports go nowhere by http:.",
        ..BASE
    },
    Rule {
        id: RuleId::TlsrptUriSyntax,
        name: "tlsrpt-uri-syntax",
        summary: "A mailto: or https: URI of rua is malformed",
        section: "RFC 8460 §3, RFC 3986 §2, RFC 6068 §2",
        advice: "Write each URI without blanks, percent-encode , ! and ; inside it, and leave no comma at an end.",
        causes: &[
            cause("raw-delimiter", "a comma, exclamation mark or semicolon that is not encoded"),
            cause("no-at", "a mailto: without an address"),
            cause("address", "a mailto: with two @, or a domain with an empty label or a dot at its end"),
            cause("no-host", "an https: without a host"),
            cause("space", "white space inside, or before the first"),
            cause("template", "a placeholder that nobody has filled in"),
            cause("empty", "nothing where a URI should stand"),
            cause("character", "another character that URIs have not"),
        ],
        ..BASE
    },
    Rule {
        id: RuleId::TlsrptExtension,
        name: "tlsrpt-extension",
        summary: "A field of the record is no name=value of the grammar's",
        advice: "Remove the field.",
        ..BASE
    },
    Rule {
        id: RuleId::TlsrptDelimiter,
        name: "tlsrpt-delimiter",
        summary: "White space stands where senders differ: before the first semicolon (allowed by the grammar, discarded \
            by the prose), or at the end. Reading taken: the record stands",
        advice: "Write v=TLSRPTv1; without a blank before the semicolon, and none at the end.",
        ..BASE
    },
    Rule {
        id: RuleId::TlsrptAbsentWithPolicy,
        name: "tlsrpt-absent-with-policy",
        summary: "The domain has a valid MTA-STS record and no TLS-RPT record: nobody will tell it what fails",
        section: "RFC 8461 §6",
        advice: "Publish v=TLSRPTv1; rua=mailto:<address> at _smtp._tls.",
        ..BASE
    },
    Rule {
        id: RuleId::TlsrptWrongOwner,
        name: "tlsrpt-wrong-owner",
        summary: "A TLS-RPT record stands where no sender looks, and none that is valid where they do. Judged only where a \
            run was asked to look aside",
        advice: "Publish the record at _smtp._tls.<domain>, two labels with a dot between, and delete it elsewhere.",
        causes: TLSRPT_OWNER_CAUSES,
        ..BASE
    },
    Rule {
        id: RuleId::TlsrptSinkDead,
        name: "tlsrpt-sink-dead",
        summary: "What rua names can take no report, by DNS: a mail domain without MX and address, an https host without \
            address",
        section: "RFC 8460 §3, RFC 5321 §5.1",
        advice: "Send the reports where somebody reads them, or remove the address that is gone: whoever registers its \
            domain gets them.",
        causes: SINK_CAUSES,
        ..BASE
    },
];

/// Judges the TLS-RPT record of a domain; `record` is its MTA-STS record.
pub(crate) fn judge(domain: &DomainRow, record: RecordVerdict, notes: &mut Notes) -> RecordVerdict {
    let tlsrpt = judge_record(domain, notes);
    let subject = &domain.domain;
    match (record, tlsrpt) {
        (RecordVerdict::Valid, RecordVerdict::Unknown) | (RecordVerdict::Unknown, RecordVerdict::Absent) => {
            let why = "one of the two records was not measured";
            notes.unknown(&[RuleId::TlsrptAbsentWithPolicy], subject, why);
        }
        (RecordVerdict::Valid, RecordVerdict::Absent) => {
            let detail = Some(format!("no TLS-RPT record at {}", domain.tlsrpt_txt.name));
            notes.violation(RuleId::TlsrptAbsentWithPolicy, subject, None, detail);
        }
        (RecordVerdict::Valid, _) => notes.pass(RuleId::TlsrptAbsentWithPolicy),
        _ => {}
    }
    tlsrpt
}

fn judge_record(domain: &DomainRow, notes: &mut Notes) -> RecordVerdict {
    let subject = domain.domain.as_str();
    let lookup = &domain.tlsrpt_txt;
    match lookup.status() {
        LookupStatus::Failed(_) | LookupStatus::Unanswered => {
            let rules = RULES.iter().map(|rule| rule.id).filter(|id| *id != RuleId::TlsrptAbsentWithPolicy);
            let why = "the TXT lookup at _smtp._tls was not answered";
            notes.unknown(&rules.collect::<Vec<_>>(), subject, why);
            return RecordVerdict::Unknown;
        }
        LookupStatus::NoData | LookupStatus::NxDomain => return RecordVerdict::Absent,
        LookupStatus::Found => {}
    }
    match candidates(lookup, TlsrptRecord::opening) {
        Candidates::None => RecordVerdict::Absent,
        Candidates::Meant(slip, text) => {
            let cause = Some(version_cause(slip).into());
            notes.violation(RuleId::TlsrptVersion, subject, cause, Some(quote(&text)));
            RecordVerdict::Invalid
        }
        Candidates::Records { texts, discarded } => {
            notes.applies(&[RuleId::TlsrptMultiple, RuleId::TlsrptVersion]);
            if discarded > 0 {
                notes.violation(RuleId::TlsrptDelimiter, subject, None, Some(DISCARDED.to_owned()));
            }
            match texts.as_slice() {
                [text] => judge_fields(subject, text, notes),
                several => {
                    let detail = several.iter().map(|text| quote(text)).collect::<Vec<_>>().join(" | ");
                    notes.violation(RuleId::TlsrptMultiple, subject, None, Some(detail));
                    RecordVerdict::Invalid
                }
            }
        }
    }
}

fn judge_fields(subject: &str, text: &[u8], notes: &mut Notes) -> RecordVerdict {
    let record = TlsrptRecord::parse(text);
    notes.applies(&[RuleId::TlsrptRuaMissing, RuleId::TlsrptExtension, RuleId::TlsrptDelimiter]);
    if !record.flaws.iter().any(|flaw| flaw.kind == Flaw::RuaMissing) {
        notes.applies(&[RuleId::TlsrptUriScheme, RuleId::TlsrptUriSyntax]);
    }
    for flaw in &record.flaws {
        let words = quote(&text[flaw.span.clone()]);
        let (rule, cause, detail) = match flaw.kind {
            Flaw::RuaMissing => (RuleId::TlsrptRuaMissing, None, quote(text)),
            Flaw::UriScheme => (RuleId::TlsrptUriScheme, None, words),
            Flaw::UriSyntax(slip) => (RuleId::TlsrptUriSyntax, Some(slip_cause(slip)), words),
            Flaw::Extension(kind) => {
                (RuleId::TlsrptExtension, None, format!("{}: {words}", field_words(kind)))
            }
            Flaw::SpacedDelimiter => (RuleId::TlsrptDelimiter, None, SPACED.to_owned()),
            Flaw::TrailingSpace => (RuleId::TlsrptDelimiter, None, TRAILING.to_owned()),
        };
        notes.violation(rule, subject, cause.map(Into::into), Some(detail));
    }
    if record.is_valid() { RecordVerdict::Valid } else { RecordVerdict::Invalid }
}

fn slip_cause(slip: UriSlip) -> &'static str {
    match slip {
        UriSlip::Empty => "empty",
        UriSlip::RawDelimiter => "raw-delimiter",
        UriSlip::NoAt => "no-at",
        UriSlip::Address => "address",
        UriSlip::NoHost => "no-host",
        UriSlip::Space => "space",
        UriSlip::Placeholder => "template",
        UriSlip::Character => "character",
    }
}
