use mxray_protocol::name::{DomainName, LABEL_BYTES_MAX, NAME_BYTES_MAX, NameFlaw, is_host_name};
use proptest::prelude::*;

fn parse(text: &str) -> Result<String, NameFlaw> {
    DomainName::parse(text).map(DomainName::into_string)
}

#[test]
fn names_become_lower_case_a_labels_without_the_last_dot() {
    assert_eq!(parse("Example.COM.").as_deref(), Ok("example.com"));
    assert_eq!(parse("Bücher.example").as_deref(), Ok("xn--bcher-kva.example"));
    assert_eq!(parse("straße.example").as_deref(), Ok("xn--strae-oqa.example"), "non-transitional");
    assert_eq!(
        parse("例え。テスト").as_deref(),
        Ok("xn--r8jz45g.xn--zckzah"),
        "an ideographic full stop is a dot"
    );
    assert_eq!(parse("XN--BCHER-KVA.example").as_deref(), Ok("xn--bcher-kva.example"));
}

#[test]
fn what_dns_holds_is_accepted() {
    for name in ["_dmarc.example.com", "-edge-.example", "a.b", "xn--zzzzzzzz--.example", "1.2.3.example"] {
        assert_eq!(parse(name).as_deref(), Ok(name));
    }
}

#[test]
fn what_is_no_name_says_why() {
    use NameFlaw::*;
    for (text, flaw) in [
        ("", Empty),
        (".", EmptyLabel),
        ("..", EmptyLabel),
        ("a..b", EmptyLabel),
        (".example.com", EmptyLabel),
        ("example.com..", EmptyLabel),
        ("192.0.2.1", IpAddress),
        ("192.0.2.1.", IpAddress),
        ("2001:db8::1", IpAddress),
        ("[2001:db8::1]", IpAddress),
        ("１９２.0.2.1", IpAddress),
        ("com", SingleLabel),
        ("com.", SingleLabel),
        ("1.2.3.4.5", NumericTop),
        ("300.1.1.1", NumericTop),
        ("https://example.com/", Character(':')),
        ("postmaster@example.com", Character('@')),
        ("*.example.com", Character('*')),
        ("example.com ", Character(' ')),
        ("a\0b.example", Character('\0')),
        ("a\u{200d}b.example", Idna),
    ] {
        assert_eq!(parse(text), Err(flaw), "{text:?}");
    }
}

#[test]
fn rfc1035_2_3_4_lengths() {
    let label = |n| "a".repeat(n);
    assert!(parse(&format!("{}.b", label(LABEL_BYTES_MAX))).is_ok());
    assert_eq!(parse(&format!("{}.b", label(LABEL_BYTES_MAX + 1))), Err(NameFlaw::LabelTooLong));
    let long = vec![label(62); 4].join(".") + ".b";
    assert_eq!(long.len(), NAME_BYTES_MAX);
    assert!(parse(&long).is_ok());
    assert_eq!(parse(&format!("{long}b")), Err(NameFlaw::TooLong));
    assert_eq!(parse(&".".repeat(1_000_000)), Err(NameFlaw::TooLong));
    assert_eq!(parse(&"ü".repeat(1_000_000)), Err(NameFlaw::TooLong));
}

#[test]
fn rfc5321_5_1_an_mx_host_is_a_name() {
    for host in ["mx.example", "mail", "_mx.example", "mx1.xn--bcher-kva.example"] {
        assert!(is_host_name(host), "{host}");
    }
    for host in [
        "",
        ".",
        "192.0.2.1",
        "2001:db8::1",
        "[192.0.2.1]",
        "localhost",
        "a.localhost",
        "mx\\032.example",
        "a..b",
        "10",
    ] {
        assert!(!is_host_name(host), "{host}");
    }
}

proptest! {
    #[test]
    fn any_text_gives_a_name_of_the_promised_form_or_a_flaw(text in any::<String>()) {
        if let Ok(name) = parse(&text) {
            prop_assert!(is_host_name(&name) || name.ends_with(".localhost"), "{name}");
            prop_assert!(name.contains('.') && !name.ends_with('.'));
            prop_assert_eq!(parse(&name), Ok(name.clone()), "a name is its own form");
        }
    }

    #[test]
    fn labels_in_any_script_come_to_a_fixed_point(text in r"\PC{1,12}\.\PC{1,12}") {
        if let Ok(name) = parse(&text) {
            prop_assert_eq!(parse(&name), Ok(name.clone()));
        }
    }
}
