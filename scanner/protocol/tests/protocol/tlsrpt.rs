//! RFC 8460 §3.

use mxray_protocol::tlsrpt::{TlsrptFlawKind as K, TlsrptRecord, UriSlip};
use mxray_protocol::{FieldFlaw, Opening, VersionSlip};
use proptest::prelude::*;

fn kinds(text: &str) -> Vec<K> {
    TlsrptRecord::parse(text.as_bytes()).flaws.iter().map(|flaw| flaw.kind).collect()
}

fn rua(value: &str) -> Vec<K> {
    kinds(&format!("v=TLSRPTv1; rua={value}"))
}

#[test]
fn rfc8460_3_1_the_examples() {
    for (text, uri) in [
        ("v=TLSRPTv1;rua=mailto:reports@example.com", "mailto:reports@example.com"),
        (
            "v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt",
            "https://reporting.example.com/v1/tlsrpt",
        ),
    ] {
        let record = TlsrptRecord::parse(text.as_bytes());
        assert_eq!(record.flaws, []);
        assert_eq!(record.rua, [uri]);
    }
}

#[test]
fn rfc8460_3_several_uris_stand_between_commas() {
    let record = TlsrptRecord::parse(
        b"v=TLSRPTv1; rua=mailto:a@b.example , \t https://c.example/d ,MAILTO:e@f.example?subject=g",
    );
    assert_eq!(record.flaws, []);
    assert_eq!(record.rua.len(), 3);
}

#[test]
fn rfc8460_3_the_version_begins_the_record() {
    let opening = |text: &str| TlsrptRecord::opening(text.as_bytes());
    assert_eq!(opening("v=TLSRPTv1;rua=mailto:a@b"), Opening::Record);
    assert_eq!(opening("v=TLSRPTv1 ;rua=mailto:a@b"), Opening::Loose);
    assert_eq!(opening("v=tlsrptv1; rua=mailto:a@b"), Opening::Meant(VersionSlip::Case));
    assert_eq!(opening("v=TLSRPT1; rua=mailto:a@b"), Opening::Meant(VersionSlip::Spelling));
    assert_eq!(opening("rua=mailto:a@b; v=TLSRPTv1;"), Opening::Meant(VersionSlip::Position));
    assert_eq!(opening("v=STSv1; id=a"), Opening::Other);
}

#[test]
fn rfc8460_3_a_rua_is_required() {
    assert_eq!(kinds("v=TLSRPTv1;"), [K::RuaMissing]);
    assert_eq!(kinds("v=TLSRPTv1; ruf=mailto:a@b.example"), [K::RuaMissing]);
}

#[test]
fn rfc8460_3_the_schemes_are_mailto_and_https() {
    assert_eq!(rua("http://reports.example/"), [K::UriScheme]);
    assert_eq!(rua("reports@example.com"), [K::UriScheme]);
    assert_eq!(rua("mailto:a@b.example,c@d.example"), [K::UriScheme]);
    assert_eq!(TlsrptRecord::parse(b"v=TLSRPTv1; rua=mailto:a@b.example,http://c").rua.len(), 1);
}

#[test]
fn rfc8460_3_what_is_no_uri() {
    let broken = [
        ("", UriSlip::Empty),
        ("mailto:", UriSlip::Empty),
        ("mailto:a@b.example,", UriSlip::Empty),
        (",mailto:a@b.example", UriSlip::Empty),
        ("mailto:a@b.example!10m", UriSlip::RawDelimiter),
        ("mailto:a,b@c.example", UriSlip::RawDelimiter),
        ("mailto:a;b@c.example", UriSlip::RawDelimiter),
        ("https://a.example/b,c", UriSlip::RawDelimiter),
        ("https://a.example/b;c", UriSlip::RawDelimiter),
        ("mailto:reports.example", UriSlip::NoAt),
        ("mailto:@b.example", UriSlip::NoAt),
        ("mailto:x?cc=a@b.example", UriSlip::NoAt),
        ("https:reports.example", UriSlip::NoHost),
        ("https:///tlsrpt", UriSlip::NoHost),
        ("mailto:a@b@c.example", UriSlip::Address),
        ("mailto:a@b.example.", UriSlip::Address),
        ("mailto:a@b..example?subject=x", UriSlip::Address),
        (" mailto:a@b.example", UriSlip::Space),
        ("mailto: a@b.example", UriSlip::Space),
        ("mailto:a@b.example c@d.example", UriSlip::Space),
        ("mailto:<a@b.example>", UriSlip::Character),
        ("mailto:tls@<your_domain.tld>", UriSlip::Placeholder),
        ("https://{{ domain }}/v1", UriSlip::Placeholder),
        ("mailto:a%2@b.example", UriSlip::Character),
        ("https://a.example/%zz", UriSlip::Character),
        ("mailto:\u{e9}@b.example", UriSlip::Character),
    ];
    for (value, slip) in broken {
        assert_eq!(rua(value), [K::UriSyntax(slip)], "{value}");
    }
    assert_eq!(rua("mailto:a%2Cb%21c@b.example,HTTPS://a.example:8443/%7E?x#y"), []);
    let spaced = TlsrptRecord::parse(b"v=TLSRPTv1; rua= mailto:a@b.example");
    assert_eq!((spaced.is_valid(), spaced.rua), (false, vec!["mailto:a@b.example".to_owned()]));
}

#[test]
fn rfc8460_3_extensions_are_ignored_and_must_be_well_formed() {
    assert_eq!(rua("mailto:a@b.example; x=1"), []);
    assert_eq!(rua("mailto:a@b.example; x"), [K::Extension(FieldFlaw::NoEquals)]);
    assert_eq!(rua("mailto:a@b.example;;"), [K::Extension(FieldFlaw::Empty)]);
}

#[test]
fn where_senders_differ_the_record_stands() {
    for text in ["v=TLSRPTv1 ;rua=mailto:a@b.example", "v=TLSRPTv1;rua=mailto:a@b.example "] {
        let record = TlsrptRecord::parse(text.as_bytes());
        assert!(record.is_valid() && !record.is_valid_strictly() && record.flaws.len() == 1, "{text}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let record = TlsrptRecord::parse(&text);
        TlsrptRecord::opening(&text);
        prop_assert!(record.flaws.iter().all(|flaw| flaw.span.end <= text.len()));
        prop_assert!(!record.is_valid() || !record.rua.is_empty());
        prop_assert_eq!(&record.print(), &text);
    }

    #[test]
    fn what_looks_like_a_record_is_read(text in "v=TLSRPTv1[;, ]{1,2}(rua=)?[a-z:/@!,; =]{0,60}") {
        let record = TlsrptRecord::parse(text.as_bytes());
        prop_assert_eq!(TlsrptRecord::parse(&record.print()), record.clone());
        // Each URI is well-formed and counted, or is a flaw.
        let pieces = record.fields.iter().filter(|field| text[field.name.clone()] == *"rua");
        prop_assert!(pieces.clone().next().is_none() || !record.rua.is_empty() || !record.is_valid());
    }

    #[test]
    fn what_the_grammar_makes_has_no_flaw_and_each_flaw_added_is_found(
        uris in prop::collection::vec("mailto:[a-z.+-]{1,12}@[a-z]{1,9}\\.example|https://[a-z]{1,9}\\.example(/([a-z0-9~]|%[0-9A-F]{2}){0,9})?", 1..4),
        blank in "[ \\t]{0,2}",
        end in "([ \\t]{0,2};[ \\t]{0,2})?",
    ) {
        let text = format!("v=TLSRPTv1;{blank}rua={}{end}", uris.join(&format!("{blank},{blank}")));
        let record = TlsrptRecord::parse(text.as_bytes());
        prop_assert!(record.flaws.is_empty(), "{text}: {:?}", record.flaws);
        prop_assert_eq!(&record.rua, &uris);
        let joined = uris.join(",");
        prop_assert_eq!(rua(&format!("{joined},ftp://x.example{end}")), [K::UriScheme]);
        prop_assert_eq!(rua(&format!("{joined},,{joined}")), [K::UriSyntax(UriSlip::Empty)]);
        prop_assert_eq!(kinds(&format!("v=TLSRPTv1;{blank}x=1{end}")), [K::RuaMissing]);
    }
}
