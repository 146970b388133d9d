//! TLS reports: JSON that anybody may send.

use mxray_protocol::tls_report::{
    OddityKind, POLICY_STRINGS_MAX, REPORT_BYTES_MAX, REPORT_FAILURES_MAX, REPORT_ODDITIES_MAX,
    REPORT_POLICIES_MAX, TlsReport,
};

/// A report.
pub fn tls_report(bytes: &[u8]) {
    let Ok(report) = TlsReport::parse(bytes) else { return };
    assert!(bytes.len() <= REPORT_BYTES_MAX);
    assert!(report.policies.len() <= REPORT_POLICIES_MAX && report.oddities.len() <= REPORT_ODDITIES_MAX);
    let failures: usize = report.policies.iter().map(|policy| policy.failures.len()).sum();
    assert!(failures <= REPORT_FAILURES_MAX);
    let odd = |kind: OddityKind| report.oddities.iter().any(|oddity| oddity.kind == kind);
    let is_cut = odd(OddityKind::OdditiesMany);
    for policy in &report.policies {
        assert!(policy.strings.len() <= POLICY_STRINGS_MAX && policy.mx_hosts.len() <= POLICY_STRINGS_MAX);
        let sum: u128 = policy.failures.iter().map(|failure| u128::from(failure.sessions.unwrap_or(0))).sum();
        let differ = policy.failed.is_some_and(|failed| u128::from(failed) != sum);
        let noted = odd(OddityKind::TotalsDiffer) || odd(OddityKind::DetailsMissing);
        assert!(!differ || noted || is_cut, "totals that do not add up are noted");
    }
    if let (Some(begins), Some(ends)) = (report.begins, report.ends) {
        assert!(ends >= begins || odd(OddityKind::DateRangeReversed) || is_cut);
    }
    assert!(
        report
            .oddities
            .iter()
            .all(|oddity| oddity.detail.as_ref().is_none_or(|text| text.chars().count() <= 200))
    );

    // What stands before the JSON or behind it changes nothing but the oddities.
    let spaced = [b" \n", bytes, b" \n"].concat();
    if let Ok(again) = TlsReport::parse(&spaced) {
        assert_eq!((&report.policies, report.begins), (&again.policies, again.begins));
    } else {
        assert!(
            bytes.starts_with(b"\xef\xbb\xbf") || spaced.len() > REPORT_BYTES_MAX,
            "a mark within is no JSON"
        );
    }
}
