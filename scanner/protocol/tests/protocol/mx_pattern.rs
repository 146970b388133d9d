//! RFC 8461 §3.2 (`sts-policy-mx-value`) and §4.1.

use mxray_protocol::mx_pattern::{MxPattern, MxPatternFlaw as F};
use proptest::prelude::*;

fn pattern(text: &str) -> MxPattern {
    MxPattern::parse(text.as_bytes()).expect("a well-formed pattern")
}

#[test]
fn rfc8461_4_1_a_wildcard_stands_for_the_whole_leftmost_label() {
    let wildcard = pattern("*.example.com");
    assert!(wildcard.matches("mail.example.com"));
    assert!(wildcard.matches("MAIL.EXAMPLE.COM"));
    assert!(!wildcard.matches("example.com"));
    assert!(!wildcard.matches("foo.bar.example.com"));
    assert!(!wildcard.matches(".example.com"));
    assert!(!wildcard.matches("mailexample.com"));
}

#[test]
fn rfc8461_4_1_a_name_matches_itself_without_regard_to_case() {
    assert!(pattern("Mail.Example.COM").matches("mail.example.com"));
    assert!(!pattern("example.com").matches("mail.example.com"));
    assert_eq!(pattern("*.Example.COM").to_string(), "*.example.com");
}

#[test]
fn rfc8461_3_2_what_is_no_pattern() {
    let long_label = "a".repeat(64);
    let long_name = format!("{}example", "abcdefgh.".repeat(30));
    let broken = [
        ("", F::Empty),
        ("postmaster@example.com", F::Email),
        ("192.0.2.1", F::Ip),
        ("[192.0.2.1]", F::Ip),
        ("*.192.0.2.1", F::Ip),
        ("2001:db8::1", F::Ip),
        ("[IPv6:2001:db8::1]", F::Ip),
        ("a.example, b.example", F::Comma),
        ("*", F::Wildcard),
        ("*.", F::Wildcard),
        ("*.*.example", F::Wildcard),
        ("**.example", F::Wildcard),
        ("mx*.example", F::Wildcard),
        ("mx.*.example", F::Wildcard),
        ("mx.example.", F::TrailingDot),
        ("*.example.com.", F::TrailingDot),
        ("m\u{fc}ller.example", F::ULabel),
        ("mx_1.example", F::Label),
        ("mx 1.example", F::Label),
        ("mx..example", F::Label),
        (".example", F::Label),
        ("mx.example-", F::Label),
        (".", F::Root),
        ("*..", F::TrailingDot),
        ("10 mx.example", F::Preference),
        ("10\tmx.example.", F::Preference),
        ("Priority 5: MX.EXAMPLE", F::Preference),
        ("priority: mx.example", F::Preference),
        ("mx.example 10", F::Label),
        ("a.example b.example", F::Label),
        ("10 ", F::Label),
        ("mx.example:25", F::Label),
        (long_label.as_str(), F::Label),
        (long_name.as_str(), F::Label),
    ];
    for (text, flaw) in broken {
        assert_eq!(MxPattern::parse(text.as_bytes()), Err(flaw), "{text}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read(value in prop::collection::vec(any::<u8>(), 0..100), host in ".{0,40}") {
        if let Ok(pattern) = MxPattern::parse(&value) {
            pattern.matches(&host);
            prop_assert_eq!(MxPattern::parse(pattern.to_string().as_bytes()), Ok(pattern));
        }
    }

    #[test]
    fn rfc5321_4_1_2_every_domain_is_a_pattern(
        labels in prop::collection::vec("[a-z]([a-z0-9-]{0,20}[a-z0-9])?", 2..5)
    ) {
        let name = labels.join(".");
        prop_assert!(pattern(&name).matches(&name));
        let wildcard = pattern(&format!("*.{name}"));
        prop_assert!(wildcard.is_wildcard() && !wildcard.matches(&name));
        let below = format!("x.{name}");
        prop_assert!(wildcard.matches(&below));
        let two_below = format!("y.{below}");
        prop_assert!(!wildcard.matches(&two_below));
    }
}
