//! The policy's text.

use mxray_protocol::mx_pattern::{MxPattern, MxPatternFlaw};
use mxray_protocol::sts_policy::{MAX_AGE_SECONDS_MAX, Mode, PolicyFlawKind as Kind, StsPolicy};

use crate::{grammar, lies_in};

/// A policy, as a policy host serves it.
pub fn sts_policy(text: &[u8]) {
    let policy = StsPolicy::parse(text);
    for field in &policy.fields {
        assert!(lies_in(&field.name, text.len()) && lies_in(&field.value, text.len()));
        assert!(field.name.end < field.value.start || field.value.is_empty(), "a colon stands between them");
    }
    assert!(policy.fields.is_sorted_by_key(|field| field.name.start));
    assert!(policy.flaws.iter().all(|flaw| lies_in(&flaw.span, text.len())), "a flaw outside the text");
    assert!(policy.flaws.is_sorted_by_key(|flaw| flaw.span.start), "flaws in the order of the text");
    if policy.flaws.iter().any(|flaw| matches!(flaw.kind, Kind::Empty | Kind::NotKeyValue(_))) {
        assert!(policy.flaws.len() == 1 && policy.fields.is_empty(), "nothing is said of what is no policy");
    }
    assert_eq!(policy.print(), text, "nothing is lost");
    assert!(policy.is_valid() || !policy.is_valid_strictly(), "strictly valid is valid");
    assert!(policy.is_valid_leniently() || !policy.is_valid(), "valid is leniently valid");
    if policy.is_valid() {
        assert!(policy.mode == Some(Mode::None) || policy.mode.is_some() && !policy.mx.is_empty());
        assert!(policy.max_age.is_some());
    }
    assert!(policy.max_age.is_none_or(|seconds| seconds <= MAX_AGE_SECONDS_MAX));
    for pattern in &policy.mx {
        assert_eq!(MxPattern::parse(pattern.to_string().as_bytes()).as_ref(), Ok(pattern));
    }
    prints_and_reads_back(text, &policy);
    line_ends_do_not_count(text, &policy);
    agrees_with_the_grammar(text, &policy);
}

/// What remains of a policy that is written down again, field by field, without what stands on lines of its own.
fn essence(policy: &StsPolicy) -> (Option<Mode>, Option<u64>, &[MxPattern], Vec<Kind>) {
    let kinds = policy.flaws.iter().map(|flaw| flaw.kind);
    let beside = |kind: &Kind| {
        matches!(kind, Kind::Whitespace(_) | Kind::Comment(_) | Kind::Line(_) | Kind::Placeholder)
    };
    let kinds = kinds.filter(|kind| !beside(kind)).collect();
    (policy.mode, policy.max_age, &policy.mx, kinds)
}

fn prints_and_reads_back(text: &[u8], policy: &StsPolicy) {
    // Zeros are counted against the length, to tell UTF-16; a shorter text has more of them.
    if policy.fields.is_empty() || text.contains(&0) {
        return;
    }
    let mut printed = Vec::new();
    for field in &policy.fields {
        printed.extend_from_slice(&text[field.name.clone()]);
        printed.extend_from_slice(b": ");
        printed.extend_from_slice(&text[field.value.clone()]);
        printed.push(b'\n');
    }
    let again = StsPolicy::parse(&printed);
    let words = |text: &[u8], policy: &StsPolicy| {
        let words =
            policy.fields.iter().map(|f| (text[f.name.clone()].to_vec(), text[f.value.clone()].to_vec()));
        words.collect::<Vec<_>>()
    };
    assert_eq!(words(text, policy), words(&printed, &again));
    assert_eq!(essence(policy), essence(&again));
}

fn line_ends_do_not_count(text: &[u8], policy: &StsPolicy) {
    if policy.fields.is_empty() || text.contains(&0) {
        return;
    }
    let mut crlf = Vec::new();
    for byte in text.iter().filter(|byte| **byte != b'\r') {
        if *byte == b'\n' {
            crlf.push(b'\r');
        }
        crlf.push(*byte);
    }
    let again = StsPolicy::parse(&crlf);
    assert_eq!(essence(policy), essence(&again));
    assert_eq!(policy.is_valid_strictly(), again.is_valid_strictly());
}

fn agrees_with_the_grammar(text: &[u8], policy: &StsPolicy) {
    let allowed = grammar::is_sts_policy(text);
    if policy.is_valid_strictly() {
        assert!(allowed, "what we hold for strictly valid is in the ABNF of RFC 8461 §3.2");
    } else if allowed && !text.contains(&0) {
        // Many zeros make a text UTF-16, even in a key that stands again and is passed over.
        // Beyond the grammar: a year at most, by the prose; no address, no name that DNS cannot hold.
        let beyond = |kind| {
            matches!(
                kind,
                Kind::DuplicateKey
                    | Kind::MaxAgeTooLarge
                    | Kind::MxSyntax(MxPatternFlaw::Ip | MxPatternFlaw::Label)
            )
        };
        assert!(policy.flaws.iter().all(|flaw| beyond(flaw.kind)), "{:?}", policy.flaws);
    }
}
