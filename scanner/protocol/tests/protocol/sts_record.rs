//! RFC 8461 §3.1.

use mxray_protocol::sts_record::{StsRecord, StsRecordFlawKind as K};
use mxray_protocol::{FieldFlaw, Opening, VersionSlip};
use proptest::prelude::*;

fn kinds(text: &str) -> Vec<K> {
    StsRecord::parse(text.as_bytes()).flaws.iter().map(|flaw| flaw.kind).collect()
}

fn opening(text: &str) -> Opening {
    StsRecord::opening(text.as_bytes())
}

#[test]
fn rfc8461_3_1_the_example() {
    let record = StsRecord::parse(b"v=STSv1; id=20160831085700Z;");
    assert_eq!(record.id.as_deref(), Some("20160831085700Z"));
    assert!(record.is_valid_strictly());
}

#[test]
fn rfc8461_3_1_delimiters_take_white_space_and_the_last_is_optional() {
    for text in ["v=STSv1;id=a", "v=STSv1;\t id=a \t;", "v=STSv1; x=1; id=a", "v=STSv1; id=a; x-1.y_z=!#:"] {
        assert_eq!(kinds(text), [], "{text}");
    }
}

#[test]
fn rfc8461_3_1_the_version_begins_the_record() {
    assert_eq!(opening("v=STSv1; id=a"), Opening::Record);
    for loose in ["v=STSv1", "v=STSv1 ", "v=STSv1 ; id=a", "v=STSv1\t ;"] {
        assert_eq!(opening(loose), Opening::Loose, "{loose:?}");
        assert!(opening(loose).is_record());
    }
    let meant = [
        ("v=stsv1; id=a", VersionSlip::Case),
        ("V=STSv1; id=a", VersionSlip::Case),
        ("v=STSv10; id=a", VersionSlip::Spelling),
        ("v=STSV2; id=a", VersionSlip::Spelling),
        ("v=MTASTS1; id=a", VersionSlip::Spelling),
        ("v = STSv1; id=a", VersionSlip::Spelling),
        ("version: STSv1; id=a", VersionSlip::Spelling),
        ("STSv1; id=a", VersionSlip::Spelling),
        ("id=a; v=STSv1;", VersionSlip::Position),
        (" v=STSv1; id=a", VersionSlip::Position),
        ("\"v=STSv1; id=a\"", VersionSlip::Position),
        ("v=STSv1, id=a", VersionSlip::Delimiter),
        ("v=STSv1 id=a", VersionSlip::Delimiter),
        ("v=STSv1\\; id=a", VersionSlip::Delimiter),
    ];
    for (text, slip) in meant {
        assert_eq!(opening(text), Opening::Meant(slip), "{text}");
    }
    for text in [
        "",
        ";",
        "v=spf1 -all",
        "v=TLSRPTv1; rua=mailto:a@b",
        "google-site-verification=sts",
        "v=DMARC1; p=none",
    ] {
        assert_eq!(opening(text), Opening::Other, "{text}");
    }
}

#[test]
fn rfc8461_3_1_the_id_is_1_to_32_letters_or_digits() {
    let long = "a".repeat(33);
    assert_eq!(kinds("v=STSv1"), [K::IdMissing]);
    assert_eq!(kinds("v=STSv1;"), [K::IdMissing]);
    assert_eq!(kinds("v=STSv1; ID=a"), [K::IdMissing]);
    assert_eq!(kinds("v=STSv1; id="), [K::IdEmpty]);
    assert_eq!(kinds("v=STSv1; id=2024-01-15"), [K::IdCharacter]);
    assert_eq!(kinds("v=STSv1; id= a"), [K::IdCharacter]);
    assert_eq!(kinds("v=STSv1; id=a=b"), [K::IdCharacter]);
    assert_eq!(kinds(&format!("v=STSv1; id={long}")), [K::IdTooLong]);
    assert_eq!(kinds(&format!("v=STSv1; id={}", &long[1..])), []);
}

#[test]
fn rfc8461_3_2_of_a_field_that_stands_twice_the_first_counts() {
    let record = StsRecord::parse(b"v=STSv1; id=first; id=second; id=-");
    assert_eq!(record.id.as_deref(), Some("first"));
    assert_eq!(kinds("v=STSv1; id=first; id=second; id=-"), [K::IdDuplicate, K::IdDuplicate]);
    assert!(record.is_valid() && !record.is_valid_strictly());
    let broken_first = StsRecord::parse(b"v=STSv1; id=-; id=second");
    assert_eq!((broken_first.id.as_ref(), broken_first.is_valid()), (None, false));
    assert_eq!(kinds("v=STSv1; x=1; x=2; v=STSv1; id=a"), [], "only the fields of the standard stand once");
}

#[test]
fn a_placeholder_is_told_from_a_slip() {
    for template in ["<policy-id>", "${local.hash}", "{{ id }}", "$(date)", "your_id", "[a|b]"] {
        assert_eq!(kinds(&format!("v=STSv1; id={template}")), [K::IdPlaceholder], "{template}");
    }
    for slip in ["<>", "a<b", "*Z", "###", "${", "[a]"] {
        assert_eq!(kinds(&format!("v=STSv1; id={slip}")), [K::IdCharacter], "{slip}");
    }
    assert_eq!(kinds("v=STSv1; id=YYYYMMDD"), [], "what the grammar allows is no finding");
}

#[test]
fn rfc8461_3_1_an_extension_is_a_name_and_a_value() {
    let name = "x".repeat(33);
    let broken = [
        ("mode: testing".to_owned(), FieldFlaw::NoEquals),
        (String::new(), FieldFlaw::Empty),
        (format!("{name}=1"), FieldFlaw::Name),
        ("-a=1".to_owned(), FieldFlaw::Name),
        ("n@te=1".to_owned(), FieldFlaw::Name),
        ("=1".to_owned(), FieldFlaw::Name),
        ("a=".to_owned(), FieldFlaw::Value),
        ("a=b=c".to_owned(), FieldFlaw::Value),
        ("a=two words".to_owned(), FieldFlaw::Value),
        ("a=\u{e9}".to_owned(), FieldFlaw::Value),
    ];
    for (field, flaw) in broken {
        assert_eq!(kinds(&format!("v=STSv1; id=a; {field};")), [K::Extension(flaw)], "{field}");
    }
    assert_eq!(kinds(&format!("v=STSv1; id=a; {}=1", &name[1..])), []);
}

#[test]
fn where_senders_differ_both_readings_are_given() {
    for (text, kind) in [("v=STSv1 ; id=a", K::SpacedDelimiter), ("v=STSv1; id=a ", K::TrailingSpace)] {
        let record = StsRecord::parse(text.as_bytes());
        assert_eq!(record.flaws.iter().map(|flaw| flaw.kind).collect::<Vec<_>>(), [kind]);
        assert!(record.is_valid() && !record.is_valid_strictly());
    }
}

#[test]
fn a_flaw_says_where_it_stands() {
    let text = b"v=STSv1 ; id=a!; mode: x; id=b ";
    let record = StsRecord::parse(text);
    let shown = record.flaws.iter().map(|flaw| &text[flaw.span.clone()]).collect::<Vec<_>>();
    assert_eq!(shown, [&b" "[..], b"id=a!", b"mode: x", b"id=b", b" "]);
    assert_eq!(record.flaws[4].span, 30..31);
}

proptest! {
    #[test]
    fn any_bytes_are_read(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let record = StsRecord::parse(&text);
        StsRecord::opening(&text);
        prop_assert!(record.flaws.iter().all(|flaw| flaw.span.end <= text.len()));
        prop_assert_eq!(record.id.is_none(), record.flaws.iter().any(|flaw| matches!(
            flaw.kind, K::IdMissing | K::IdEmpty | K::IdTooLong | K::IdCharacter | K::IdPlaceholder)));
        prop_assert_eq!(&record.print(), &text);
    }

    #[test]
    fn what_looks_like_a_record_is_read(text in "v ?= ?STSv1[; a-z=\\t\u{e9}]{0,60}") {
        StsRecord::opening(text.as_bytes());
        let record = StsRecord::parse(text.as_bytes());
        prop_assert_eq!(StsRecord::parse(&record.print()), record.clone());
        // Every byte belongs to a field, a delimiter, the version or a flaw: nothing is passed over.
        let begin = text.find(';').unwrap_or(text.len());
        let read = |at: usize| {
            at < begin
                || record.fields.iter().any(|field| field.span.contains(&at))
                || record.flaws.iter().any(|flaw| flaw.span.contains(&at))
        };
        let dropped = (0..text.len()).find(|at| !read(*at) && !b"; \t".contains(&text.as_bytes()[*at]));
        prop_assert_eq!(dropped, None);
    }

    #[test]
    fn what_the_grammar_makes_has_no_flaw_and_each_flaw_added_is_found(
        id in "[A-Za-z0-9]{1,32}",
        extensions in prop::collection::vec("[A-HJ-Z0-9][A-Za-z0-9_.-]{0,31}=[!-:<>-~&&[^=]]{1,20}", 0..4),
        blank in "[ \\t]{0,3}",
        end in "([ \\t]{0,2};[ \\t]{0,2})?",
        bad in "[!-/&&[^;=]]{1,5}",
    ) {
        let fields = extensions.iter().flat_map(|field| [";", &blank, field]).collect::<String>();
        let text = format!("v=STSv1;{blank}id={id}{fields}{end}");
        let record = StsRecord::parse(text.as_bytes());
        prop_assert!(record.flaws.is_empty(), "{text}: {:?}", record.flaws);
        prop_assert_eq!(record.id.as_deref(), Some(id.as_str()));
        prop_assert_eq!(kinds(&format!("v=STSv1;{blank}x=1{fields}{end}")), [K::IdMissing]);
        let with_id_broken = format!("v=STSv1;{blank}id={id}{bad}{fields}{end}");
        prop_assert_eq!(kinds(&with_id_broken), [K::IdCharacter]);
        let with_field_broken = format!("v=STSv1;{blank}id={id};{bad}{fields}{end}");
        prop_assert_eq!(kinds(&with_field_broken), [K::Extension(FieldFlaw::NoEquals)]);
    }
}
