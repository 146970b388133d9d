//! Where records stand that no sender looks for: beside the names that RFC 8461 §3.1 and RFC 8460 §3 give them.
//!
//! A record in the wrong place is as good as none, and its owner believes otherwise. These are the places where people
//! put them: nobody asks there but one who wonders where the record is.

use crate::Opening;
use crate::sts_record::StsRecord;
use crate::tlsrpt::TlsrptRecord;

/// In which way a name is not the one that senders ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aside {
    /// An underscore for the hyphen or the dot: `_mta_sts`, `_smtp_tls`.
    Underscore,
    /// A hyphen for the dot: `_smtp-tls`.
    Hyphen,
    /// At the policy host, `mta-sts`.
    PolicyHost,
    /// At `_tls`, without `_smtp`.
    Tls,
    /// At the domain itself.
    Apex,
    /// Below the domain's name written twice, as where a zone file lacks a last dot.
    Doubled,
    /// At the domain above, whose record is its own alone (RFC 8461 §3.4).
    Parent,
}

/// The names beside `_mta-sts.<domain>`.
pub fn sts_names(domain: &str) -> Vec<(Aside, String)> {
    let mut names = vec![
        (Aside::Underscore, format!("_mta_sts.{domain}")),
        (Aside::PolicyHost, format!("mta-sts.{domain}")),
        (Aside::Apex, domain.to_owned()),
        (Aside::Doubled, format!("_mta-sts.{domain}.{domain}")),
    ];
    // A top-level domain is nobody's parent in this sense.
    if let Some((_, parent)) = domain.split_once('.').filter(|(_, parent)| parent.contains('.')) {
        names.push((Aside::Parent, format!("_mta-sts.{parent}")));
    }
    names
}

/// The names beside `_smtp._tls.<domain>`.
pub fn tlsrpt_names(domain: &str) -> Vec<(Aside, String)> {
    vec![
        (Aside::Hyphen, format!("_smtp-tls.{domain}")),
        (Aside::Underscore, format!("_smtp_tls.{domain}")),
        (Aside::Tls, format!("_tls.{domain}")),
        (Aside::Apex, domain.to_owned()),
        (Aside::Doubled, format!("_smtp._tls.{domain}.{domain}")),
    ]
}

/// Whether the TXT records of a name, each joined, are one valid MTA-STS record beside others that are none.
pub fn has_sts_record(texts: &[Vec<u8>]) -> bool {
    sole(texts, StsRecord::opening).is_some_and(|text| StsRecord::parse(text).is_valid())
}

/// Whether the TXT records of a name, each joined, are one valid TLS-RPT record beside others that are none.
pub fn has_tlsrpt_record(texts: &[Vec<u8>]) -> bool {
    sole(texts, TlsrptRecord::opening).is_some_and(|text| TlsrptRecord::parse(text).is_valid())
}

/// The only one of `texts` that begins as a record; senders take none where there are several.
pub(crate) fn sole(texts: &[Vec<u8>], opening: fn(&[u8]) -> Opening) -> Option<&[u8]> {
    let of = |kind: Opening| texts.iter().filter(move |text| opening(text) == kind);
    // Beside one that begins with the semicolon, those that do not are discarded (see `Opening::Loose`).
    let kind = if of(Opening::Record).next().is_some() { Opening::Record } else { Opening::Loose };
    match (of(kind).next(), of(kind).nth(1)) {
        (Some(record), None) => Some(record),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_below_another_has_a_parent() {
        let parent = |domain: &str| {
            sts_names(domain).into_iter().find(|(aside, _)| *aside == Aside::Parent).map(|(_, name)| name)
        };
        assert_eq!(parent("example.com"), None);
        assert_eq!(parent("mail.example.com").as_deref(), Some("_mta-sts.example.com"));
    }

    #[test]
    fn rfc8461_3_1_one_record_counts_and_two_are_none() {
        let texts = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>();
        assert!(has_sts_record(&texts(&["v=spf1 -all", "v=STSv1; id=1"])));
        assert!(!has_sts_record(&texts(&["v=STSv1; id=1", "v=STSv1; id=2"])));
        assert!(has_sts_record(&texts(&["v=STSv1 ; id=1", "v=STSv1; id=2"])));
        assert!(has_sts_record(&texts(&["v=STSv1 ; id=1"])));
        assert!(!has_sts_record(&texts(&["v=STSv1; id=-"])));
        assert!(has_tlsrpt_record(&texts(&["v=TLSRPTv1; rua=mailto:a@example.com"])));
        assert!(!has_tlsrpt_record(&texts(&["v=TLSRPTv1; rua=a@example.com"])));
    }
}
