//! The two TXT records.

use mxray_protocol::sts_record::{STS_ID_CHARS_MAX, StsRecord, StsRecordFlawKind};
use mxray_protocol::tlsrpt::{TlsrptFlawKind, TlsrptRecord};
use mxray_protocol::{FieldFlaw, TxtField};

use crate::{grammar, lies_in};

/// An `_mta-sts` record.
pub fn sts_record(text: &[u8]) {
    let record = StsRecord::parse(text);
    check_fields(text, &record.fields);
    assert!(record.flaws.iter().all(|flaw| lies_in(&flaw.span, text.len())), "a flaw outside the text");
    assert!(record.flaws.is_sorted_by_key(|flaw| flaw.span.start), "flaws in the order of the text");
    assert!(record.is_valid() || !record.is_valid_strictly(), "strictly valid is valid");
    if let Some(id) = &record.id {
        assert!((1..=STS_ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric()));
        let is_id =
            |field: &&TxtField| field.flaw != Some(FieldFlaw::NoEquals) && text[field.name.clone()] == *b"id";
        let first = record.fields.iter().find(is_id);
        assert!(
            first.is_some_and(|field| text[field.value.clone()] == *id.as_bytes()),
            "the first id counts"
        );
    }
    assert_eq!(record.print(), text, "nothing is lost");
    assert_eq!(record.id.is_none(), record.flaws.iter().any(|flaw| is_about_id(flaw.kind)));

    let kinds = |record: &StsRecord| {
        let kinds = record.flaws.iter().map(|flaw| flaw.kind);
        kinds.filter(|kind| *kind != StsRecordFlawKind::TrailingSpace).collect::<Vec<_>>()
    };
    let printed = print(text, &record.fields);
    let again = StsRecord::parse(&printed);
    assert_eq!(words(text, &record.fields), words(&printed, &again.fields));
    assert_eq!((&record.id, kinds(&record)), (&again.id, kinds(&again)));

    // An id that stands again is a flaw, though the grammar holds it.
    let opens = StsRecord::opening(text).is_record();
    let allowed = grammar::is_sts_record(text);
    assert!(
        allowed || !(opens && record.is_valid_strictly()),
        "strictly valid is in the ABNF of RFC 8461 §3.1"
    );
    let is_prose = |kind| matches!(kind, StsRecordFlawKind::SpacedDelimiter | StsRecordFlawKind::IdDuplicate);
    let stands = opens && record.flaws.iter().all(|flaw| is_prose(flaw.kind));
    assert!(stands || !allowed, "what the ABNF allows stands: {:?}", record.flaws);
}

fn is_about_id(kind: StsRecordFlawKind) -> bool {
    use StsRecordFlawKind as K;
    matches!(kind, K::IdMissing | K::IdEmpty | K::IdTooLong | K::IdCharacter | K::IdPlaceholder)
}

/// An `_smtp._tls` record.
pub fn tlsrpt_record(text: &[u8]) {
    let record = TlsrptRecord::parse(text);
    check_fields(text, &record.fields);
    assert!(record.flaws.iter().all(|flaw| lies_in(&flaw.span, text.len())), "a flaw outside the text");
    assert!(!record.is_valid() || !record.rua.is_empty(), "a valid record says where to report to");
    for uri in &record.rua {
        let scheme = uri.split(':').next().unwrap_or_default().to_ascii_lowercase();
        assert!(matches!(scheme.as_str(), "mailto" | "https"), "{uri:?}");
        assert!(!uri.contains([',', '!', ';']) && uri.bytes().all(|b| b.is_ascii_graphic()), "{uri:?}");
        let alone = TlsrptRecord::parse(format!("v=TLSRPTv1;rua={uri}").as_bytes());
        assert!(alone.is_valid() && alone.rua == [uri.clone()], "{uri:?} stands on its own");
    }

    let kinds = |record: &TlsrptRecord| {
        let kinds = record.flaws.iter().map(|flaw| flaw.kind);
        kinds.filter(|kind| *kind != TlsrptFlawKind::TrailingSpace).collect::<Vec<_>>()
    };
    let printed = print(text, &record.fields);
    let again = TlsrptRecord::parse(&printed);
    assert_eq!(words(text, &record.fields), words(&printed, &again.fields));
    assert_eq!((&record.rua, kinds(&record)), (&again.rua, kinds(&again)));

    assert_eq!(record.print(), text, "nothing is lost");
    let allowed = TlsrptRecord::opening(text).is_record()
        && record.flaws.iter().all(|flaw| flaw.kind == TlsrptFlawKind::SpacedDelimiter);
    assert!(!allowed || grammar::is_tlsrpt_record(text), "what we take is what RFC 8460 §3 allows");
}

/// Fields lie in the text in order, apart from each other by blanks and semicolons alone.
fn check_fields(text: &[u8], fields: &[TxtField]) {
    let Some(mut at) = text.iter().position(|byte| *byte == b';') else {
        return assert!(fields.is_empty(), "a field without a delimiter");
    };
    for field in fields {
        assert!(lies_in(&field.span, text.len()) && at <= field.span.start, "spans in order");
        assert!(between(&text[at..field.span.start]), "something stands between two fields");
        assert!(field.name.start == field.span.start && field.name.end <= field.span.end);
        assert!(field.value.start >= field.name.end && field.value.end == field.span.end);
        at = field.span.end;
    }
    assert!(between(&text[at..]), "something stands behind the fields");
}

fn between(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b' ' | b'\t' | b';'))
}

/// The record without its blanks: what stands before the first semicolon, then the fields.
fn print(text: &[u8], fields: &[TxtField]) -> Vec<u8> {
    let Some(head) = text.iter().position(|byte| *byte == b';') else { return text.to_vec() };
    let mut printed = text[..=head].to_vec();
    for field in fields {
        printed.extend_from_slice(&text[field.span.clone()]);
        printed.push(b';');
    }
    printed
}

/// What fields say, wherever they stand.
fn words<'a>(text: &'a [u8], fields: &[TxtField]) -> Vec<(&'a [u8], &'a [u8], Option<FieldFlaw>)> {
    fields.iter().map(|field| (&text[field.name.clone()], &text[field.value.clone()], field.flaw)).collect()
}
