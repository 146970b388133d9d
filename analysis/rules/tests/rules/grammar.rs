//! What the grammars make passes, and each kind of flaw added to it is the finding of its name and no other.

use mxray_rules::Outcome;
use proptest::prelude::*;

use crate::case::{Case, txt};

/// Findings of rules whose names begin so; what is only short or weak counts for no flaw.
fn flaws(case: &Case, family: &str) -> Vec<String> {
    let is_flaw =
        |name: &String| name.starts_with(family) && !name.contains("-weak") && !name.contains("-short");
    case.violations().into_iter().filter(is_flaw).collect()
}

fn policy(lines: &[String], end: &str) -> Case {
    Case::with_policy(&lines.iter().flat_map(|line| [line.as_str(), end]).collect::<String>())
}

fn tlsrpt(text: &str) -> Case {
    let mut case = Case::sound();
    case.domain.tlsrpt_txt.records = vec![txt(text)];
    case
}

/// A line to add to a sound policy, and its finding.
const LINES: &[(&str, &str)] = &[
    ("mx: a@b.example", "sts-policy-mx-syntax/email"),
    ("mx: 192.0.2.1", "sts-policy-mx-syntax/ip"),
    ("mx: a.example, b.example", "sts-policy-mx-syntax/comma"),
    ("mx: a.example.", "sts-policy-mx-syntax/trailing-dot"),
    ("mx: .", "sts-policy-mx-syntax/root"),
    ("mx: Priority 5: a.example", "sts-policy-mx-syntax/preference"),
    ("mx: 10 a.example", "sts-policy-mx-syntax/preference"),
    ("mx: *.*.example", "sts-policy-mx-syntax/wildcard"),
    ("mx: \u{fc}.example", "sts-policy-mx-syntax/u-label"),
    ("mx:", "sts-policy-mx-syntax/empty"),
    ("mx: a_b.example", "sts-policy-mx-syntax/label"),
    ("mx: {{ host }}", "sts-policy-not-key-value/template"),
    ("no colon", "sts-policy-not-key-value/no-colon"),
    ("a key: x", "sts-policy-not-key-value/key"),
    ("note:", "sts-policy-not-key-value/value"),
    ("# comment", "sts-policy-comment/line"),
    ("mx: a.example # comment", "sts-policy-comment/tail"),
    ("", "sts-policy-whitespace/blank-line"),
    (" note: x", "sts-policy-whitespace/indent"),
    ("note : x", "sts-policy-whitespace/before-colon"),
    ("version: STSv9", "sts-policy-duplicate-key/version"),
    ("mode: none", "sts-policy-duplicate-key/mode"),
    ("max_age: soon", "sts-policy-duplicate-key/max_age"),
];

/// What to put in the place of a field's line, and its finding.
const REPLACEMENTS: &[(&str, &str, &str)] = &[
    ("version", "note: x", "sts-policy-version/missing"),
    ("version", "Version: STSv1", "sts-policy-version/missing"),
    ("version", "version: STSv2", "sts-policy-version/wrong"),
    ("mode", "note: x", "sts-policy-mode/missing"),
    ("mode", "mode: Enforce", "sts-policy-mode/unknown"),
    ("mode", "mode: [enforce|none]", "sts-policy-not-key-value/template"),
    ("max_age", "note: x", "sts-policy-max-age/missing"),
    ("max_age", "max_age: 1 week", "sts-policy-max-age/not-a-number"),
    ("max_age", "max_age: 31557601", "sts-policy-max-age/too-large"),
    ("max_age", "max_age: 10000000000", "sts-policy-max-age/too-large"),
];

/// What to put behind a sound record, and its finding.
const STS_FIELDS: &[(&str, &str)] = &[
    ("; id=2", "sts-record-duplicate-id"),
    ("; mode: testing", "sts-record-extension"),
    (";; x=1", "sts-record-extension"),
    ("; -x=1", "sts-record-extension"),
    ("; x=", "sts-record-extension"),
    ("; x=1 ", "sts-record-delimiter"),
];

/// What to put behind a sound TLS-RPT record, and its finding.
const URIS: &[(&str, &str)] = &[
    (",", "tlsrpt-uri-syntax/empty"),
    (",mailto:a", "tlsrpt-uri-syntax/no-at"),
    (",mailto:a@b@c.example", "tlsrpt-uri-syntax/address"),
    (",mailto:a@<domain>", "tlsrpt-uri-syntax/template"),
    (",mailto:a b@c.example", "tlsrpt-uri-syntax/space"),
    (",mailto:a@b.example!1m", "tlsrpt-uri-syntax/raw-delimiter"),
    (",mailto:\"a@b.example", "tlsrpt-uri-syntax/character"),
    (",https:///x", "tlsrpt-uri-syntax/no-host"),
    (",http://a.example", "tlsrpt-uri-scheme"),
    (";x=", "tlsrpt-extension"),
    ("; x=1 ", "tlsrpt-delimiter"),
];

proptest! {
    // Each case is some dozens of judgements.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_policy_of_valid_parts_has_no_flaw_and_each_flaw_added_is_its_finding(
        mode in "enforce|testing|none",
        max_age in 0_u64..=31_557_600,
        patterns in prop::collection::vec("(\\*\\.)?[a-z]([a-z0-9-]{0,9}[a-z0-9])?(\\.[a-z]{2,9}){1,3}", 1..5),
        note in prop::option::of("x[A-Za-z0-9_.-]{0,9}:[!-\"$-~]([ -\"$-~]{0,9}[!-\"$-~])?"),
        blank in "[ \t]{0,2}",
        end in "\r?\n",
        place in any::<prop::sample::Index>(),
        order in any::<u64>(),
    ) {
        let mut lines = patterns.iter().map(|pattern| format!("mx:{blank}{pattern}{blank}")).collect::<Vec<_>>();
        lines.extend([format!("version:{blank}STSv1"), format!("mode:{blank}{mode}"), format!("max_age:{blank}{max_age}")]);
        lines.extend(note);
        let turn = (order % lines.len() as u64) as usize;
        lines.rotate_left(turn);
        let sound = policy(&lines, &end);
        prop_assert_eq!(flaws(&sound, "sts-policy-"), Vec::<String>::new());
        prop_assert_eq!(sound.judge().verdict.policy, "valid");
        for (line, finding) in LINES {
            let mut lines = lines.clone();
            // What stands again must stand behind the first.
            let at = if finding.contains("duplicate") { lines.len() } else { place.index(lines.len() + 1) };
            lines.insert(at, (*line).to_owned());
            prop_assert_eq!(flaws(&policy(&lines, &end), "sts-policy-"), [*finding], "{:?}", lines);
        }
        for (key, replacement, finding) in REPLACEMENTS {
            let replaced = lines.iter().map(|line| {
                if line.split(':').next() == Some(key) { (*replacement).to_owned() } else { line.clone() }
            });
            let case = policy(&replaced.collect::<Vec<_>>(), &end);
            prop_assert_eq!(flaws(&case, "sts-policy-"), [*finding]);
            prop_assert_eq!(case.judge().verdict.policy, "invalid");
        }
    }

    #[test]
    fn an_sts_record_of_valid_parts_has_no_flaw_and_each_flaw_added_is_its_finding(
        id in "[A-Za-z0-9]{1,32}",
        extension in prop::option::of("[A-HJ-Z0-9][A-Za-z0-9_.-]{0,9}=[!-:<>-~&&[^=]]{1,9}"),
        blank in "[ \t]{0,2}",
    ) {
        let extension = extension.map(|field| format!(";{blank}{field}")).unwrap_or_default();
        let text = format!("v=STSv1;{blank}id={id}{extension}");
        prop_assert_eq!(flaws(&Case::with_record(&text), "sts-record-"), Vec::<String>::new());
        for (behind, finding) in STS_FIELDS {
            let case = Case::with_record(&format!("{text}{behind}"));
            prop_assert_eq!(flaws(&case, "sts-record-"), [*finding], "{}", behind);
        }
        for (from, to, finding) in [
            ("v=STSv1", "v=stsv1", "sts-record-version/case"),
            ("v=STSv1", "v=STSv2", "sts-record-version/spelling"),
            ("v=STSv1", "x=1;v=STSv1", "sts-record-version/position"),
            ("v=STSv1;", "v=STSv1,", "sts-record-version/delimiter"),
            ("v=STSv1;", "v=STSv1 ;", "sts-record-delimiter"),
            ("id=", "ID=", "sts-record-id-missing"),
            ("id=", "id=-", "sts-record-id-invalid/character"),
            ("id=", "id=<id>", "sts-record-id-invalid/template"),
            ("id=", "id=00000000000000000000000000000000", "sts-record-id-invalid/too-long"),
            ("id=", "id=;x=", "sts-record-id-invalid/empty"),
        ] {
            let case = Case::with_record(&text.replacen(from, to, 1));
            prop_assert_eq!(flaws(&case, "sts-record-"), [finding], "{} for {}", to, from);
        }
    }

    #[test]
    fn a_tlsrpt_record_of_valid_parts_has_no_flaw_and_each_flaw_added_is_its_finding(
        uris in prop::collection::vec("mailto:[a-z.+-]{1,9}@[a-z]{1,9}\\.example(\\?subject=[a-z]{1,9})?|https://[a-z]{1,9}\\.example(/([a-z]|%[0-9A-F]{2}){0,9})?", 1..4),
        blank in "[ \t]{0,2}",
    ) {
        let text = format!("v=TLSRPTv1;{blank}rua={}", uris.join(&format!("{blank},{blank}")));
        prop_assert_eq!(flaws(&tlsrpt(&text), "tlsrpt-"), Vec::<String>::new());
        for (behind, finding) in URIS {
            let case = tlsrpt(&format!("{text}{behind}"));
            prop_assert_eq!(flaws(&case, "tlsrpt-"), [*finding], "{}", behind);
        }
    }

    #[test]
    fn any_bytes_are_judged_and_what_the_rules_call_valid_the_parser_does(
        body in prop::collection::vec(any::<u8>(), 0..200),
        lines in prop::collection::vec("(version|mode|mx|max_age|x): ?[a-zA-Z0-9.*@#{}<> ]{0,9}", 0..6),
    ) {
        for text in [body, lines.join("\n").into_bytes()] {
            let mut case = Case::sound();
            case.policy_row().body = Some(text.clone().into());
            case.domain.sts_txt.records[0].segments = vec![text.clone().into()];
            let verdict = case.judge().verdict;
            let is_valid = mxray_protocol::sts_policy::StsPolicy::parse(&text).is_valid();
            prop_assert!(verdict.policy != "valid" || is_valid);
            let broken = case.outcome("sts-policy-empty") == Outcome::Violation || !flaws(&case, "sts-policy-").is_empty();
            prop_assert!(is_valid || broken || verdict.policy == "none", "an invalid policy has its finding");
        }
    }
}
