//! The record axis: the TXT at `_mta-sts` (RFC 8461 §3.1).

use mxray_evidence::{DomainRow, Lookup, LookupStatus, TxtRecord};
use mxray_protocol::sts_record::{StsRecord, StsRecordFlawKind as Flaw};
use mxray_protocol::{FieldFlaw, Opening, VersionSlip};

use crate::aside::STS_OWNER_CAUSES;
use crate::finding::Notes;
use crate::quote::quote;
use crate::rule::{CauseDoc, Effect, Rule, RuleId, Subject, cause};

const BASE: Rule = Rule {
    id: RuleId::StsRecordMultiple,
    name: "",
    summary: "",
    section: "RFC 8461 §3.1",
    effect: Effect::Downgrade,
    report_type: None,
    advice: "",
    causes: &[],
    subject: Subject::Domain,
};

/// Sub-causes of a version that is not what it should be; TLS-RPT has the same.
pub(crate) const VERSION_CAUSES: &[CauseDoc] = &[
    cause("case", "the letters are right and their case is not"),
    cause("spelling", "other characters stand in it, blanks included"),
    cause("position", "something stands before it"),
    cause("delimiter", "no semicolon follows it"),
];

pub(crate) const RULES: &[Rule] = &[
    Rule {
        id: RuleId::StsRecordMultiple,
        name: "sts-record-multiple",
        summary: "More than one TXT record at _mta-sts begins with v=STSv1;",
        advice: "Keep the one record with the current id and delete the others: senders ignore them all.",
        ..BASE
    },
    Rule {
        id: RuleId::StsRecordVersion,
        name: "sts-record-version",
        summary: "A TXT record that plainly means to be an MTA-STS record does not begin with v=STSv1;",
        advice: "Begin the record with exactly v=STSv1; - the case counts, and nothing may stand before it.",
        causes: VERSION_CAUSES,
        ..BASE
    },
    Rule {
        id: RuleId::StsRecordIdMissing,
        name: "sts-record-id-missing",
        summary: "The record has no id",
        advice: "Add an id of 1 to 32 letters or digits, such as the time of the change: v=STSv1; id=20160831085700Z;",
        ..BASE
    },
    Rule {
        id: RuleId::StsRecordIdInvalid,
        name: "sts-record-id-invalid",
        summary: "The id is not 1 to 32 letters or digits",
        advice: "Use only letters and digits in the id, at most 32: no hyphens, colons, dots, quotes or blanks.",
        causes: &[
            cause("character", "something other than letters and digits"),
            cause("template", "a placeholder that nobody has filled in"),
            cause("too-long", "more than 32 characters"),
            cause("empty", "nothing stands after id="),
        ],
        ..BASE
    },
    Rule {
        id: RuleId::StsRecordExtension,
        name: "sts-record-extension",
        summary: "A field of the record is no name=value of the grammar's",
        advice: "Remove the field. The mode, the MX hosts and max_age belong into the policy file, not into the record.",
        ..BASE
    },
    Rule {
        id: RuleId::StsRecordDelimiter,
        name: "sts-record-delimiter",
        summary: "White space stands where senders differ: before the first semicolon (allowed by the grammar, discarded \
            by the prose; erratum 6285), or at the end. Reading taken: the record stands",
        effect: Effect::None,
        advice: "Write v=STSv1; without a blank before the semicolon, and none at the end.",
        ..BASE
    },
    Rule {
        id: RuleId::StsRecordDuplicateId,
        name: "sts-record-duplicate-id",
        summary: "The record has more than one id; senders take the first, and some validators refuse the record",
        section: "RFC 8461 §3.1, §3.2",
        effect: Effect::None,
        advice: "Keep the id of the current policy, and remove the others.",
        ..BASE
    },
    Rule {
        id: RuleId::StsRecordCnameDangling,
        name: "sts-record-cname-dangling",
        summary: "The CNAME at _mta-sts leads to no TXT record",
        section: "RFC 8461 §3.1, §8.2",
        advice: "Ask the operator to whom the name is delegated for the right target, or remove the CNAME: whoever can \
            register the target speaks for you.",
        ..BASE
    },
    Rule {
        id: RuleId::StsRecordWrongOwner,
        name: "sts-record-wrong-owner",
        summary: "An MTA-STS record stands where no sender looks, and none that is valid where they do. Judged only where \
            a run was asked to look aside",
        section: "RFC 8461 §3.1, §3.4",
        advice: "Publish the record at _mta-sts.<domain>, with a hyphen, and delete it elsewhere.",
        causes: STS_OWNER_CAUSES,
        ..BASE
    },
    Rule {
        id: RuleId::StsPolicyWithoutRecord,
        name: "sts-policy-without-record",
        summary: "A valid policy is served, and no TXT record announces it. Judged only where a run was asked to fetch \
            without a record",
        advice: "Publish v=STSv1; id=<date>; at _mta-sts.<domain>: without it, no sender looks for the policy.",
        subject: Subject::PolicyHost,
        ..BASE
    },
];

const CANDIDATE_RULES: &[RuleId] = &[RuleId::StsRecordMultiple, RuleId::StsRecordVersion];
const FIELD_RULES: &[RuleId] =
    &[RuleId::StsRecordIdMissing, RuleId::StsRecordDelimiter, RuleId::StsRecordDuplicateId];

/// What the record amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordVerdict {
    /// No TXT record begins as one or means to.
    Absent,
    Valid,
    Invalid,
    Unknown,
}

impl RecordVerdict {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Unknown => "unknown",
        }
    }
}

/// The records of a lookup that begin as they must, or, if none does, the first that means to.
pub(crate) enum Candidates {
    None,
    Meant(VersionSlip, Vec<u8>),
    Records {
        texts: Vec<Vec<u8>>,
        /// How many more begin with the version and no semicolon right behind it: discarded (see [`Opening::Loose`]).
        discarded: usize,
    },
}

/// What to say of a blank before the first semicolon.
pub(crate) const SPACED: &str = "a blank before the first semicolon; read as the grammar has it, the record stands; \
    read as the prose has it, there is none";
/// What to say of a blank at the end.
pub(crate) const TRAILING: &str = "a blank at the end; read as most senders do, the record stands; read strictly, it is \
    invalid";
/// What to say of records that are discarded beside one that begins with the version and a semicolon.
pub(crate) const DISCARDED: &str = "another record has no semicolon right behind the version; read as the prose has it, \
    it is discarded; read as the grammar has it, there are several records, and so none";

/// Sorts the TXT records of a name: the character-strings of each are joined without spaces.
pub(crate) fn candidates(lookup: &Lookup<TxtRecord>, opening: fn(&[u8]) -> Opening) -> Candidates {
    let mut meant = None;
    let (mut exact, mut loose) = (Vec::new(), Vec::new());
    for record in &lookup.records {
        let text = record.joined();
        match opening(&text) {
            Opening::Record => exact.push(text),
            Opening::Loose => loose.push(text),
            Opening::Meant(slip) => meant = meant.or(Some(Candidates::Meant(slip, text))),
            Opening::Other => {}
        }
    }
    match (exact.is_empty(), loose.is_empty()) {
        (true, true) => meant.unwrap_or(Candidates::None),
        (true, false) => Candidates::Records { texts: loose, discarded: 0 },
        (false, _) => Candidates::Records { texts: exact, discarded: loose.len() },
    }
}

pub(crate) fn version_cause(slip: VersionSlip) -> &'static str {
    match slip {
        VersionSlip::Case => "case",
        VersionSlip::Spelling => "spelling",
        VersionSlip::Position => "position",
        VersionSlip::Delimiter => "delimiter",
    }
}

pub(crate) fn field_words(flaw: FieldFlaw) -> &'static str {
    match flaw {
        FieldFlaw::Empty => "nothing stands between two semicolons",
        FieldFlaw::NoEquals => "a field without =",
        FieldFlaw::Name => "a name that the grammar does not allow",
        FieldFlaw::Value => "a value that the grammar does not allow",
    }
}

/// Judges the record of a domain.
pub(crate) fn judge(domain: &DomainRow, notes: &mut Notes) -> RecordVerdict {
    let subject = domain.domain.as_str();
    let lookup = &domain.sts_txt;
    match lookup.status() {
        LookupStatus::Failed(_) | LookupStatus::Unanswered => {
            let all = RULES.iter().map(|rule| rule.id).collect::<Vec<_>>();
            notes.unknown(&all, subject, "the TXT lookup at _mta-sts was not answered");
            return RecordVerdict::Unknown;
        }
        LookupStatus::NoData | LookupStatus::NxDomain => {
            if let Some(last) = lookup.cnames.last() {
                let detail = format!("{} leads to {}, which has no TXT record", lookup.name, last.target);
                notes.violation(RuleId::StsRecordCnameDangling, subject, None, Some(detail));
            }
            return RecordVerdict::Absent;
        }
        LookupStatus::Found => {}
    }
    if !lookup.cnames.is_empty() {
        notes.pass(RuleId::StsRecordCnameDangling);
    }
    match candidates(lookup, StsRecord::opening) {
        Candidates::None => RecordVerdict::Absent,
        Candidates::Meant(slip, text) => {
            let cause = Some(version_cause(slip).into());
            notes.violation(RuleId::StsRecordVersion, subject, cause, Some(quote(&text)));
            RecordVerdict::Invalid
        }
        Candidates::Records { texts, discarded } => {
            notes.applies(CANDIDATE_RULES);
            if discarded > 0 {
                let detail = Some(DISCARDED.to_owned());
                notes.violation(RuleId::StsRecordDelimiter, subject, None, detail);
            }
            match texts.as_slice() {
                [text] => judge_fields(subject, text, notes),
                several => {
                    let detail = several.iter().map(|text| quote(text)).collect::<Vec<_>>().join(" | ");
                    notes.violation(RuleId::StsRecordMultiple, subject, None, Some(detail));
                    RecordVerdict::Invalid
                }
            }
        }
    }
}

fn judge_fields(subject: &str, text: &[u8], notes: &mut Notes) -> RecordVerdict {
    let record = StsRecord::parse(text);
    notes.applies(FIELD_RULES);
    let id_missing = record.flaws.iter().any(|flaw| flaw.kind == Flaw::IdMissing);
    if !id_missing {
        notes.pass(RuleId::StsRecordIdInvalid);
    }
    // Where the id is wrong too, the broken field is most often where it should stand.
    if record.id.is_some() {
        notes.pass(RuleId::StsRecordExtension);
    }
    for flaw in &record.flaws {
        let words = quote(&text[flaw.span.clone()]);
        let (rule, cause, detail) = match flaw.kind {
            Flaw::IdMissing => (RuleId::StsRecordIdMissing, None, quote(text)),
            Flaw::IdEmpty => (RuleId::StsRecordIdInvalid, Some("empty"), words),
            Flaw::IdTooLong => (RuleId::StsRecordIdInvalid, Some("too-long"), words),
            Flaw::IdCharacter => (RuleId::StsRecordIdInvalid, Some("character"), words),
            Flaw::IdPlaceholder => (RuleId::StsRecordIdInvalid, Some("template"), words),
            Flaw::IdDuplicate => (RuleId::StsRecordDuplicateId, None, words),
            Flaw::Extension(kind) if record.id.is_some() => {
                (RuleId::StsRecordExtension, None, format!("{}: {words}", field_words(kind)))
            }
            Flaw::Extension(_) => continue,
            Flaw::SpacedDelimiter => (RuleId::StsRecordDelimiter, None, SPACED.to_owned()),
            Flaw::TrailingSpace => (RuleId::StsRecordDelimiter, None, TRAILING.to_owned()),
        };
        notes.violation(rule, subject, cause.map(Into::into), Some(detail));
    }
    if record.is_valid() { RecordVerdict::Valid } else { RecordVerdict::Invalid }
}
