//! The lab's catalogue of hostile peers, scanned and judged by the binary: what is found of each, and what is left unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use mxray_lab::Hostile;
use serde_json::Value;

use crate::mxray::run;
use crate::world::Lab;

/// A mail host that could not be asked for its TLS.
const UNASKED: &[&str] = &["starttls-absent", "starttls-handshake", "mx-cert-name"];
/// A mail host that offered TLS, and whose certificates were not seen.
const UNSEEN: &[&str] = &["starttls-handshake", "mx-cert-name"];
/// Where mail goes is not known.
const UNROUTED: &[&str] = &["mx-policy-mismatch-all", "mx-unresolvable"];
/// A handshake that fails.
const FAILED: &[&str] = &["starttls-handshake failed"];
const NOT_TLS: &[&str] = &["starttls-handshake not-tls"];
const OVERSIZE: &[&str] = &["sts-fetch-oversize"];
const TIMEOUT: &[&str] = &["sts-fetch-timeout"];
const MALFORMED: &[&str] = &["sts-fetch-incomplete malformed"];
const NONE: &[&str] = &[];

/// Everything that is violated, with its sub-cause; and rules that must be left unknown, nothing being unknown where there are
/// none.
type Expected = (Hostile, &'static [&'static str], &'static [&'static str]);

const CASES: &[Expected] = &[
    (Hostile::Sound, NONE, NONE),
    (Hostile::DnsCompressionLoop, NONE, UNROUTED),
    // The name behind the pointers is the domain's own, which has no address.
    (Hostile::DnsPointerChain, &["mx-policy-mismatch-all label", "mx-unresolvable no-data"], NONE),
    (Hostile::DnsPointerForward, NONE, UNROUTED),
    (Hostile::DnsCountLiar, NONE, UNROUTED),
    (Hostile::DnsRdataOverrun, NONE, UNROUTED),
    (Hostile::DnsWrongId, NONE, UNROUTED),
    (Hostile::DnsWrongQuestion, NONE, UNROUTED),
    (Hostile::DnsSpoofFlood, NONE, NONE),
    (Hostile::DnsSilence, NONE, UNROUTED),
    (Hostile::DnsRunts, NONE, UNROUTED),
    (Hostile::DnsTruncatedForever, NONE, UNROUTED),
    (Hostile::DnsTcpDrip, NONE, UNROUTED),
    (Hostile::DnsTcpShort, NONE, UNROUTED),
    (Hostile::DnsAnswerLong, NONE, &["sts-record-multiple", "sts-fetch-status"]),
    (Hostile::DnsAddressesMany, NONE, &["mx-unresolvable"]),
    (Hostile::DnsMxThousand, NONE, UNROUTED),
    // Those that are more than are looked at.
    (Hostile::DnsMxHundred, NONE, &["mx-unresolvable"]),
    (Hostile::DnsCnameChain, NONE, &["mx-unresolvable"]),
    (Hostile::DnsCnameLoop, &["mx-unresolvable no-data"], NONE),
    (Hostile::DnsCnameSelf, &["mx-unresolvable no-data"], NONE),
    (Hostile::DnsNameLong, &["mx-policy-mismatch-all wildcard-depth"], NONE),
    (Hostile::DnsNameBinary, &["mx-policy-mismatch-all domain"], &["mx-unresolvable"]),
    (Hostile::DnsTxtBinary, &["sts-policy-without-record"], NONE),
    (Hostile::DnsTxtMany, &["sts-record-multiple"], NONE),
    (Hostile::DnsGlue, NONE, NONE),
    (Hostile::DnsMetadata, &["mx-unresolvable not-global"], NONE),
    (Hostile::DnsPolicyMetadata, NONE, &["sts-host-unreachable", "sts-fetch-status"]),
    (Hostile::TlsChainLong, NONE, NONE),
    (Hostile::TlsCertificateLong, NONE, UNSEEN),
    (Hostile::TlsFragments, NONE, UNSEEN),
    (Hostile::TlsFragmentsSmall, NONE, UNSEEN),
    (Hostile::TlsEmptyRecords, NOT_TLS, NONE),
    (Hostile::TlsWarnings, FAILED, NONE),
    (Hostile::TlsChangeCipherSpecs, FAILED, NONE),
    (Hostile::TlsHelloRequests, FAILED, NONE),
    (Hostile::TlsDrip, NONE, UNSEEN),
    (Hostile::TlsRecordLong, NOT_TLS, NONE),
    (Hostile::TlsResumedKey, FAILED, NONE),
    (Hostile::TlsResumedSession, FAILED, NONE),
    (Hostile::TlsRetries, FAILED, NONE),
    (Hostile::TlsDowngrade, FAILED, NONE),
    (Hostile::TlsWrongKey, &["starttls-handshake signature"], NONE),
    (Hostile::TlsTickets, NONE, NONE),
    (Hostile::TlsKeyUpdates, FAILED, NONE),
    (Hostile::TlsRenegotiations, FAILED, NONE),
    (Hostile::HttpsSilence, TIMEOUT, NONE),
    (Hostile::HttpsDrip, TIMEOUT, NONE),
    (Hostile::HttpsHeadersDrip, TIMEOUT, NONE),
    (Hostile::HttpsBodyEndless, OVERSIZE, NONE),
    (Hostile::HttpsChunkedEndless, OVERSIZE, NONE),
    (Hostile::HttpsChunkExtension, OVERSIZE, NONE),
    (Hostile::HttpsTrailersEndless, OVERSIZE, NONE),
    (Hostile::HttpsHeadersEndless, OVERSIZE, NONE),
    (Hostile::HttpsHeaderLong, OVERSIZE, NONE),
    (Hostile::HttpsInterimEndless, OVERSIZE, NONE),
    (Hostile::HttpsUpgrade, &["sts-fetch-status 101"], NONE),
    // Kept as it came: nobody unpacks it.
    (Hostile::HttpsGzipBomb, &["sts-policy-not-key-value other"], NONE),
    (Hostile::HttpsRedirectFile, &["sts-fetch-redirect"], NONE),
    (Hostile::HttpsRedirectLoopback, &["sts-fetch-redirect"], NONE),
    (Hostile::HttpsLengthLiar, MALFORMED, NONE),
    (Hostile::HttpsLengthsTwo, MALFORMED, NONE),
    (Hostile::HttpsNuls, &["sts-policy-not-key-value utf-16"], NONE),
    (Hostile::SmtpBannerEndless, NONE, UNASKED),
    (Hostile::SmtpLineEndless, NONE, UNASKED),
    (Hostile::SmtpEhloEndless, NONE, UNASKED),
    // TLS stood, and its certificate is sound.
    (Hostile::SmtpEhloTlsEndless, NONE, NONE),
    (Hostile::SmtpDrip, NONE, UNASKED),
    (Hostile::SmtpNuls, NONE, NONE),
    (Hostile::SmtpBlankLines, NONE, UNASKED),
    (Hostile::SmtpCodesDiffer, NONE, UNASKED),
    // What was slipped in stands in `early_bytes`, and was not read.
    (Hostile::SmtpInjection, NONE, NONE),
    (Hostile::SmtpEarly, NOT_TLS, NONE),
    (Hostile::SmtpQuitSilence, NONE, NONE),
];

#[test]
fn what_is_found_of_every_hostile_peer_is_its_own_doing_and_our_limits_are_unknown() {
    assert_eq!(
        CASES.iter().map(|(case, ..)| *case).collect::<Vec<_>>(),
        Hostile::ALL,
        "each case stands here"
    );
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::start(&folder.path().join("lab"), 1);
    let (names, out) = (folder.path().join("names.txt"), folder.path().join("run"));
    let list: String = Hostile::ALL.iter().map(|case| case.domain(0) + "\n").collect();
    std::fs::write(&names, list).unwrap();
    let said = lab.scan(&[
        names.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
        "--dns-timeout=2s",
        "--dns-retries=1",
        "--policy-timeout=8s",
        "--smtp-timeout=8s",
        "--sni-samples=0",
        "--fetch-without-record",
    ]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let (violated, unknown) = findings(out.to_str().unwrap());
    let mut wrong = String::new();
    for (case, expected, left_unknown) in CASES {
        let domain = case.domain(0);
        let found = violated.get(&domain).cloned().unwrap_or_default();
        let open = unknown.get(&domain).cloned().unwrap_or_default();
        let is_left = left_unknown.iter().all(|rule| open.contains(*rule));
        if found != expected.iter().map(|rule| (*rule).to_owned()).collect()
            || !is_left
            || open.is_empty() != left_unknown.is_empty()
        {
            let _ = writeln!(
                wrong,
                "{domain}: {found:?}, unknown {open:?}; expected {expected:?}, {left_unknown:?}"
            );
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");

    // Whatever a server wrote, a terminal is told nothing.
    for case in [Hostile::SmtpNuls, Hostile::DnsNameBinary, Hostile::DnsTxtBinary, Hostile::HttpsNuls] {
        let said = lab.check(&[&case.domain(0)]);
        let is_harmless = |text: &str| !text.chars().any(|c| c.is_control() && c != '\n');
        assert!(
            is_harmless(&said.stdout) && is_harmless(&said.stderr),
            "{:?} {:?}",
            said.stdout,
            said.stderr
        );
    }
}

type ByDomain = BTreeMap<String, BTreeSet<String>>;

/// What is violated by whom, with its sub-cause, and what is unknown of whom.
fn findings(run_folder: &str) -> (ByDomain, ByDomain) {
    assert_eq!(run(&["classify", run_folder]).code, 0);
    let sql = "SELECT DISTINCT domain, rule, cause, outcome FROM findings";
    let said = run(&["query", run_folder, sql, "--format", "json"]);
    let (mut violated, mut unknown) = (ByDomain::new(), ByDomain::new());
    for line in said.stdout.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let word = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let whole = format!("{} {}", word("rule"), word("cause")).trim_end().to_owned();
        match word("outcome").as_str() {
            "violation" => violated.entry(word("domain")).or_default().insert(whole),
            _ => unknown.entry(word("domain")).or_default().insert(word("rule")),
        };
    }
    (violated, unknown)
}
