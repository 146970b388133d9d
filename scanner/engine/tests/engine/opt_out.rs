use std::path::Path;

use mxray_engine::{OptOut, OptOutError};

fn parse(text: &str) -> Result<OptOut, OptOutError> {
    OptOut::parse(text, Path::new("opt-out.txt"))
}

#[test]
fn a_domain_stands_for_itself_and_what_is_below_it() {
    let list =
        parse("# who asked\n\nExample.COM.\n*.wild.example  # and below\r\ngov\nBücher.example\n").unwrap();
    for name in [
        "example.com",
        "EXAMPLE.com.",
        "mta-sts.example.com",
        "a.b.wild.example",
        "wild.example",
        "x.gov",
        "mx.xn--bcher-kva.example",
    ] {
        assert!(list.names(name), "{name}");
    }
    for name in ["notexample.com", "com", "example.com.evil.test", "example.org", ""] {
        assert!(!list.names(name), "{name}");
    }
}

#[test]
fn addresses_and_prefixes_become_nets() {
    let list = parse("192.0.2.7\n198.51.100.9/24\n2001:db8::1/32\n2001:db8:1::2\n192.0.2.7\n").unwrap();
    let nets: Vec<String> = list.nets.iter().map(ToString::to_string).collect();
    assert_eq!(nets, ["192.0.2.7/32", "198.51.100.0/24", "2001:db8::/32", "2001:db8:1::2/128"]);
    assert!(!list.is_empty());
    assert!(parse("# nothing\n").unwrap().is_empty());
}

#[test]
fn a_line_that_cannot_be_understood_is_named() {
    for bad in ["exa mple.com", "192.0.2.0/33", "1.2.3", "exä mple.com", "a..b", "user@example.com"] {
        let error = parse(&format!("ok.example\n{bad}\n")).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("opt-out.txt") && said.contains("line 2") && said.contains(bad), "{said}");
    }
}

#[test]
fn a_file_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.txt");
    assert!(OptOut::load(&path).unwrap_err().to_string().contains("none.txt"));
    std::fs::write(&path, "example.com\n").unwrap();
    assert!(OptOut::load(&path).unwrap().names("example.com"));
}
