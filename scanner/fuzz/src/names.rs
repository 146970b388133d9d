//! Domain names, host names, and the patterns they are held against.

use mxray_protocol::mx_pattern::MxPattern;
use mxray_protocol::name::{DomainName, LABEL_BYTES_MAX, NAME_BYTES_MAX, is_host_name};

/// Two lines: a pattern, and a host to hold against it. Both are read as domain names too.
pub fn names(data: &[u8]) {
    let mut lines = data.splitn(2, |byte| *byte == b'\n');
    let (pattern, host) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    for text in [pattern, host] {
        if let Ok(text) = std::str::from_utf8(text) {
            domain_name(text);
        }
    }
    let host = String::from_utf8_lossy(host);
    if let Ok(pattern) = MxPattern::parse(pattern) {
        mx_pattern(&pattern, &host);
    }
}

fn domain_name(text: &str) {
    if is_host_name(text) {
        assert!(has_form(text), "{text:?}");
    }
    let Ok(name) = DomainName::parse(text) else { return };
    let name = name.into_string();
    assert!(has_form(&name) && name.contains('.'), "{name:?}");
    assert!(!name.bytes().any(|byte| byte.is_ascii_uppercase()), "{name:?} is in lower case");
    let again = DomainName::parse(&name).map(DomainName::into_string);
    assert_eq!(again.as_ref(), Ok(&name), "a name read twice is the same");
    assert!(is_host_name(&name) || name.ends_with(".localhost"), "{name:?} can be an MX host");
}

fn has_form(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= NAME_BYTES_MAX && name.split('.').all(is_label)
}

fn mx_pattern(pattern: &MxPattern, host: &str) {
    let printed = pattern.to_string();
    assert_eq!(MxPattern::parse(printed.as_bytes()).as_ref(), Ok(pattern), "a pattern printed reads back");
    let name = pattern.name();
    assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'0'..=b'9' | b'-' | b'.')));
    assert_eq!(printed.starts_with("*."), pattern.is_wildcard());

    // RFC 8461 §4.1 by labels: as many, and each the same or, leftmost, the wildcard.
    let (labels, patterns): (Vec<_>, Vec<_>) = (host.split('.').collect(), printed.split('.').collect());
    let by_label = labels.len() == patterns.len()
        && labels.iter().zip(&patterns).enumerate().all(|(at, (label, pattern))| {
            (at == 0 && *pattern == "*" && !label.is_empty()) || label.eq_ignore_ascii_case(pattern)
        });
    assert_eq!(pattern.matches(host), by_label, "{printed:?} and {host:?}");
    assert_eq!(pattern.matches(name), !pattern.is_wildcard());
    assert_eq!(pattern.matches(&format!("a.{name}")), pattern.is_wildcard());
    assert!(!pattern.matches(&format!("a.b.{name}")), "a wildcard stands for one label");
    assert_eq!(pattern.matches(&host.to_ascii_uppercase()), pattern.matches(host), "letters have no case");
}
