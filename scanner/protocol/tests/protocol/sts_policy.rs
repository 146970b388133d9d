//! RFC 8461 §3.2.

use mxray_protocol::mx_pattern::MxPatternFlaw;
use mxray_protocol::sts_policy::{Blank, Comment, LineSlip, Mode, PolicyFlawKind as K, Shape, StsPolicy};
use proptest::prelude::*;

const SOUND: &str = "version: STSv1\nmode: enforce\nmx: mx.example\nmax_age: 604800\n";

fn kinds(text: impl AsRef<[u8]>) -> Vec<K> {
    StsPolicy::parse(text.as_ref()).flaws.iter().map(|flaw| flaw.kind).collect()
}

fn changed(line: &str, to: &str) -> Vec<K> {
    kinds(SOUND.replace(line, to))
}

#[test]
fn rfc8461_3_2_the_example() {
    let text = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\n\
        mx: backupmx.example.com\r\nmax_age: 604800\r\n";
    let policy = StsPolicy::parse(text.as_bytes());
    assert!(policy.is_valid_strictly());
    assert_eq!((policy.mode, policy.max_age), (Some(Mode::Enforce), Some(604_800)));
    let patterns = policy.mx.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(patterns, ["mail.example.com", "*.example.net", "backupmx.example.com"]);
}

#[test]
fn rfc8461_3_2_crlf_is_optional_and_so_is_the_last_line_end() {
    for text in [SOUND.to_owned(), SOUND.replace('\n', "\r\n"), SOUND.trim_end().to_owned()] {
        assert_eq!(kinds(&text), [], "{text:?}");
    }
}

#[test]
fn rfc8461_3_2_white_space_follows_the_colon_and_the_value() {
    assert_eq!(kinds("version:STSv1 \nmode:\tenforce\t \nmx:  \t*.example \nmax_age:1\nmore:e  x t"), []);
}

#[test]
fn rfc8461_3_2_the_version_stands_once_and_is_stsv1() {
    assert_eq!(changed("version: STSv1\n", ""), [K::VersionMissing]);
    assert_eq!(changed("version: STSv1\n", "Version: STSv1\n"), [K::VersionMissing]);
    for wrong in ["STSv2", "stsv1", "STSv10", "", "\"STSv1\""] {
        assert_eq!(changed("STSv1", wrong), [K::VersionWrong], "{wrong}");
    }
}

#[test]
fn rfc8461_3_2_the_mode_is_one_of_three_words_and_their_case_counts() {
    assert_eq!(changed("mode: enforce\n", ""), [K::ModeMissing]);
    for wrong in ["Enforce", "test", "[testing]", ""] {
        assert_eq!(changed("enforce", wrong), [K::ModeUnknown], "{wrong}");
    }
}

#[test]
fn rfc8461_3_2_max_age_is_at_most_31557600() {
    assert_eq!(changed("max_age: 604800\n", ""), [K::MaxAgeMissing]);
    for (wrong, kind) in [
        ("one week", K::MaxAgeNotANumber),
        ("-1", K::MaxAgeNotANumber),
        ("6e5", K::MaxAgeNotANumber),
        ("", K::MaxAgeNotANumber),
        ("31557601", K::MaxAgeTooLarge),
        ("9999999999", K::MaxAgeTooLarge),
        ("00000000001", K::MaxAgeTooLong),
        ("99999999999999999999999999", K::MaxAgeTooLong),
    ] {
        assert_eq!(changed("604800", wrong), [kind], "{wrong}");
    }
    for fine in ["0", "31557600", "0000000001"] {
        assert_eq!(changed("604800", fine), [], "{fine}");
    }
}

#[test]
fn rfc8461_3_2_mx_is_required_except_when_the_mode_is_none() {
    assert_eq!(changed("mx: mx.example\n", ""), [K::MxMissing]);
    assert_eq!(kinds("version: STSv1\nmode: none\nmax_age: 86400\n"), []);
    assert_eq!(changed("mx.example", ""), [K::MxSyntax(MxPatternFlaw::Empty)]);
    assert_eq!(changed("mx.example", "mx.example."), [K::MxSyntax(MxPatternFlaw::TrailingDot)]);
}

#[test]
fn rfc8461_3_2_of_a_key_that_stands_twice_the_first_counts() {
    let text = format!("{SOUND}mode: none\nmax_age: soon\nx: 1\nx: 2\n");
    let policy = StsPolicy::parse(text.as_bytes());
    assert_eq!(policy.mode, Some(Mode::Enforce));
    assert_eq!(kinds(&text), [K::DuplicateKey; 3]);
    assert!(policy.is_valid() && policy.is_valid_strictly());
}

#[test]
fn rfc8461_3_2_unknown_keys_are_ignored_and_must_be_well_formed() {
    assert_eq!(kinds(format!("{SOUND}note.x-1_y: caf\u{e9} # not a comment here\n")), []);
    let name = "n".repeat(33);
    let broken = [
        ("note", LineSlip::NoColon),
        ("mode testing", LineSlip::NoColon),
        ("-note: x", LineSlip::Key),
        ("no te: x", LineSlip::Key),
        (": x", LineSlip::Key),
        (&format!("{name}: x"), LineSlip::Key),
        ("note:", LineSlip::Value),
        ("note: a\u{7}b", LineSlip::Value),
        ("note: a\tb", LineSlip::Value),
    ];
    for (line, slip) in broken {
        let policy = StsPolicy::parse(format!("{line}\n{SOUND}").as_bytes());
        assert_eq!(
            policy.flaws.iter().map(|flaw| flaw.kind).collect::<Vec<_>>(),
            [K::Line(slip)],
            "{line:?}"
        );
        assert_eq!(policy.flaws[0].span, 0..line.len());
        assert_eq!(
            (policy.mode, policy.is_valid_leniently()),
            (Some(Mode::Enforce), false),
            "the rest is read"
        );
    }
    assert_eq!(kinds([SOUND.as_bytes(), b"note: \xff\n"].concat()), [K::Line(LineSlip::Value)]);
    let known_name = "n".repeat(32);
    assert_eq!(kinds(format!("{SOUND}{known_name}: x\n")), []);
}

#[test]
fn a_template_that_nobody_filled_in_is_one() {
    let template = "version: STSv1\nmode: [enforce|testing|none]\nmx: mx1.your_domain.tld\nmx: {{ mx2 }}\nmax_age: <seconds>\n";
    assert_eq!(kinds(template), [K::Placeholder; 4]);
    assert_eq!(
        kinds("{% include 'mta-sts.txt' %}"),
        [K::Placeholder, K::VersionMissing, K::ModeMissing, K::MaxAgeMissing]
    );
    assert_eq!(
        changed("enforce", "[enforce]"),
        [K::ModeUnknown],
        "brackets around a value are no placeholder"
    );
    assert_eq!(changed("mx.example", "<mx.example>"), [K::MxSyntax(MxPatternFlaw::Label)]);
    assert_eq!(changed("mx.example", "mx.your-domain.example"), [], "what the grammar allows is no finding");
    let policy = StsPolicy::parse(template.as_bytes());
    assert_eq!(&template[policy.flaws[1].span.clone()], "mx: mx1.your_domain.tld");
}

#[test]
fn what_is_no_list_of_keys_and_values_has_that_flaw_alone() {
    let utf_16 = format!("\u{feff}{SOUND}").encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
    let texts = [
        (b"<!DOCTYPE html>\n<title>404</title>".to_vec(), Shape::Html),
        (b" \n{\"version\": \"STSv1\"}".to_vec(), Shape::Json),
        (SOUND.replace('\n', "\r").into_bytes(), Shape::BareCr),
        (SOUND.replace('\n', "\r\r\n").into_bytes(), Shape::BareCr),
        (format!("\u{feff}{SOUND}").into_bytes(), Shape::Bom),
        (utf_16[2..].to_vec(), Shape::Utf16),
        (utf_16, Shape::Utf16),
        (b"\xef\xbb\xbf <html>".to_vec(), Shape::Html),
        (format!("---\r\nlayout: none\n---\n{SOUND}").into_bytes(), Shape::FrontMatter),
        (b"see the documentation\n".to_vec(), Shape::Other),
        (b"see: the documentation\nor not\n".to_vec(), Shape::Other),
    ];
    for (text, shape) in texts {
        assert_eq!(kinds(&text), [K::NotKeyValue(shape)], "{text:?}");
    }
}

#[test]
fn nothing_and_nothing_but_white_space_are_empty() {
    for text in ["", "\n", " \r\n\t"] {
        assert_eq!(kinds(text), [K::Empty], "{text:?}");
    }
}

#[test]
fn comments_make_a_policy_invalid_and_hide_nothing_else() {
    assert_eq!(changed("mode", "# a comment\nmode"), [K::Comment(Comment::Line)]);
    assert_eq!(changed("mode", "\t# a comment\nmode"), [K::Comment(Comment::Line)]);
    assert_eq!(changed("604800", "604800   # a week"), [K::Comment(Comment::Tail)]);
    assert_eq!(changed("mx.example", "mx.example # 10%"), [K::Comment(Comment::Tail)]);
}

#[test]
fn where_senders_differ_both_readings_are_given() {
    let readings = |text: &str| {
        let policy = StsPolicy::parse(text.as_bytes());
        (policy.is_valid_strictly(), policy.is_valid(), policy.is_valid_leniently())
    };
    assert_eq!(readings(SOUND), (true, true, true));
    assert_eq!(readings(&format!("{SOUND}\n")), (false, true, true));
    for disputed in ["604800 # a week", "604800\n# a week", "31557601", "9999999999"] {
        assert_eq!(readings(&SOUND.replace("604800", disputed)), (false, false, true), "{disputed}");
    }
    for broken in ["10000000000", "soon", ""] {
        assert_eq!(readings(&SOUND.replace("604800", broken)), (false, false, false), "{broken}");
    }
}

#[test]
fn white_space_that_the_grammar_has_not_is_passed_over_and_noted() {
    let texts = [
        (format!("{SOUND}\n"), Blank::Line),
        (SOUND.replace("mode", "\nmode"), Blank::Line),
        (SOUND.replace("mode", "  mode"), Blank::Indent),
        (SOUND.replace("mode:", "mode :"), Blank::BeforeColon),
    ];
    for (text, blank) in texts {
        let policy = StsPolicy::parse(text.as_bytes());
        assert_eq!(kinds(&text), [K::Whitespace(blank)], "{text:?}");
        assert!(policy.is_valid() && !policy.is_valid_strictly());
    }
}

#[test]
fn a_flaw_says_where_it_stands() {
    let text = SOUND.replace("enforce", "on");
    let policy = StsPolicy::parse(text.as_bytes());
    assert_eq!(&text[policy.flaws[0].span.clone()], "mode: on");
}

#[test]
fn many_keys_cost_little() {
    let text = (0..16_000).fold(SOUND.to_owned(), |text, n| text + &format!("{n:x}:1\n"));
    assert_eq!(kinds(&text), []);
}

proptest! {
    #[test]
    fn any_bytes_are_read(text in prop::collection::vec(any::<u8>(), 0..300)) {
        let policy = StsPolicy::parse(&text);
        prop_assert!(policy.flaws.iter().all(|flaw| flaw.span.end <= text.len()));
        prop_assert!(!policy.is_valid() || (policy.mode.is_some() && policy.max_age.is_some()));
        prop_assert_eq!(&policy.print(), &text);
    }

    #[test]
    fn what_looks_like_a_policy_is_read(
        lines in prop::collection::vec("[ \\t]?(version|mode|mx|max_age|x|#|\u{e9})? ?:? ?[a-zA-Z0-9*.@,# ]{0,12}(\r?\n|\r)?", 0..12)
    ) {
        let text = lines.concat();
        let policy = StsPolicy::parse(text.as_bytes());
        prop_assert!(!policy.is_valid_strictly() || policy.is_valid());
        prop_assert!(!policy.is_valid() || policy.is_valid_leniently());
        prop_assert_eq!(StsPolicy::parse(&policy.print()), policy.clone());
        // Every byte belongs to a field, stands between two, or is in a flaw: nothing is passed over.
        let in_field = |at: usize| policy.fields.iter().any(|field| (field.name.start..field.value.end).contains(&at));
        let in_flaw = |at: usize| policy.flaws.iter().any(|flaw| flaw.span.contains(&at));
        let dropped = (0..text.len()).find(|at| {
            !in_field(*at) && !in_flaw(*at) && !b" \t\r\n".contains(&text.as_bytes()[*at])
        });
        let is_whole = policy.flaws.iter().any(|flaw| matches!(flaw.kind, K::NotKeyValue(_) | K::Empty));
        prop_assert!(is_whole || dropped.is_none(), "{:?}", dropped);
        prop_assert_eq!(policy.flaws.iter().any(|f| matches!(f.kind, K::NotKeyValue(_) | K::Empty)) && policy.flaws.len() > 1, false);
    }

    #[test]
    fn what_the_grammar_makes_has_no_flaw_and_each_flaw_added_is_found(
        mode in "enforce|testing|none",
        max_age in 0_u64..=31_557_600,
        hosts in prop::collection::vec("(\\*\\.)?[a-z]{1,9}\\.example", 1..6),
        note in "[!-~]([ -~]{0,20}[!-~])?",
        blank in "[ \\t]{0,3}",
        end in "\r?\n",
    ) {
        let mut lines = hosts.iter().map(|host| format!("mx:{blank}{host}{blank}")).collect::<Vec<_>>();
        lines.insert(0, format!("max_age:{blank}{max_age}"));
        lines.push(format!("mode:{blank}{mode}"));
        lines.push(format!("note:{blank}{note}"));
        lines.push(format!("version:{blank}STSv1{blank}"));
        let text = lines.join(&end);
        prop_assert_eq!(kinds(&text), []);
        let policy = StsPolicy::parse(text.as_bytes());
        prop_assert_eq!(policy.mode.map(Mode::as_str), Some(mode.as_str()));
        prop_assert_eq!(policy.max_age, Some(max_age));
        prop_assert_eq!(policy.mx.len(), hosts.len());
        prop_assert_eq!(kinds(format!("{text}{end}mx: a@b.example")), [K::MxSyntax(MxPatternFlaw::Email)]);
        prop_assert_eq!(kinds(text.replace("version", "ver")), [K::VersionMissing]);
        prop_assert_eq!(kinds(format!("{text}{end}no colon here")), [K::Line(LineSlip::NoColon)]);
        prop_assert_eq!(kinds(format!("# {text}")), [K::Comment(Comment::Line), K::MaxAgeMissing]);
    }
}
