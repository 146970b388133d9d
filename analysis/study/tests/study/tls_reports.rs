//! TLS reports: all that is collected, read; hostile files, refused one by one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use mxray_evidence::Table;
use mxray_evidence::tls_reports::{
    TlsReportFailureRow, TlsReportMatchRow, TlsReportOddityRow, TlsReportPolicyRow, TlsReportRejectRow,
    TlsReportRow,
};
use mxray_study::{TlsReportsRead, classify, match_tls_reports, read_tls_reports, utc};

use crate::run::small_run;

/// The rows of a table that was written.
fn rows<T: Table>(out: &Path) -> Vec<T> {
    let path = out.join(format!("{}.parquet", T::NAME));
    let read = mxray_evidence::read_rows::<T>(&path).expect("a table");
    read.flat_map(|rows| rows.expect("rows")).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

fn report(domain: &str, failed: u64, details: &str) -> String {
    format!(
        r#"{{"organization-name":"o","contact-info":"c@o.example","report-id":"{domain}",
        "date-range":{{"start-datetime":"2026-11-01T00:00:00Z","end-datetime":"2026-11-01T23:59:59Z"}},
        "policies":[{{"policy":{{"policy-type":"sts","policy-domain":"{domain}"}},
        "summary":{{"total-successful-session-count":1,"total-failure-session-count":{failed}}},
        "failure-details":[{details}]}}]}}"#
    )
}

fn mail(media_type: &str, name: &str, body: &str) -> String {
    format!(
        "From: a@o.example\nSubject: Report Domain: a.example\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=tlsrpt; boundary=x\n\n--x\nContent-Type: text/plain\n\nHello.\n\
         --x\nContent-Type: {media_type}\nContent-Disposition: attachment; filename=\"{name}\"\n\n{body}\n--x--\n"
    )
}

fn read(folder: &Path) -> (TlsReportsRead, PathBuf) {
    let out = folder.with_extension("out");
    let read = read_tls_reports(&[folder.to_owned()], &out).expect("bad files are no error");
    (read, out)
}

/// A row a report that is collected: what was accepted, and which oddities were noted.
#[test]
fn every_report_collected_is_read_as_the_table_has_it() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/tlsrpt");
    if !corpus.is_dir() {
        eprintln!("skipped: {} is not there", corpus.display());
        return;
    }
    let scratch = tempfile::tempdir().expect("a folder");
    let out = scratch.path().join("out");
    let read = read_tls_reports(&[corpus], &out).expect("read");
    let mut odd: BTreeMap<u64, String> = BTreeMap::new();
    for row in rows::<TlsReportOddityRow>(&out) {
        let told = odd.entry(row.report).or_default();
        let space = if told.is_empty() { "" } else { " " };
        write!(told, "{space}{}", row.oddity).expect("a string");
        if !row.place.is_empty() {
            write!(told, "@{}", row.place).expect("a string");
        }
    }
    let (policies, failures) = (rows::<TlsReportPolicyRow>(&out), rows::<TlsReportFailureRow>(&out));
    let mut table =
        "file\tpart\trepeats\torganization\tbegins\tends\tpolicies\tsessions\tfailures\toddities\n"
            .to_owned();
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let file = |source: &str| source.rsplit('/').next().unwrap_or_default().to_owned();
    for row in rows::<TlsReportRow>(&out) {
        let of_report = |policy: &&TlsReportPolicyRow| policy.report == row.report;
        let number = |count: Option<u64>| or_dash(count.map(|count| count.to_string()));
        let told = |policy: &TlsReportPolicyRow| {
            let kind = or_dash(policy.policy_type.clone());
            format!("{kind}:{}:{}", or_dash(policy.policy_domain.clone()), policy.policy_strings.len())
        };
        let sessions =
            |policy: &TlsReportPolicyRow| format!("{}+{}", number(policy.successful), number(policy.failed));
        let kinds = policies.iter().filter(of_report).map(told).collect::<Vec<_>>().join(" ");
        let sessions = policies.iter().filter(of_report).map(sessions).collect::<Vec<_>>().join(" ");
        let failed = failures.iter().filter(|failure| failure.report == row.report);
        let failed = failed.map(|failure| or_dash(failure.result_type.clone())).collect::<Vec<_>>().join(" ");
        writeln!(
            table,
            "{}\t{}\t{}\t{}\t{}\t{}\t{kinds}\t{sessions}\t{}\t{}",
            file(&row.source),
            or_dash(row.part.clone()),
            number(row.repeats),
            or_dash(row.organization.clone()),
            or_dash(row.begins.map(utc)),
            or_dash(row.ends.map(utc)),
            if failed.is_empty() { "-" } else { &failed },
            odd.get(&row.report).map_or("-", String::as_str),
        )
        .expect("a string");
    }
    for row in rows::<TlsReportRejectRow>(&out) {
        writeln!(table, "{}\t{}\trefused\t{}", file(&row.source), or_dash(row.part), row.reason)
            .expect("a string");
    }
    assert_eq!(read.rejects, 0, "all of it is read: {table}");
    assert_eq!(read.files, 29);
    hold("tls_reports.tsv", &table);
}

fn hold(name: &str, now: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("MXRAY_BLESS").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, now).expect("the golden file can be written");
    }
    let then = fs::read_to_string(&path).unwrap_or_default();
    for (was, is) in then.lines().zip(now.lines()) {
        assert_eq!(was, is, "MXRAY_BLESS=1 accepts it");
    }
    assert_eq!(then.lines().count(), now.lines().count());
}

#[test]
fn one_report_in_every_wrapping_is_one_report() {
    let scratch = tempfile::tempdir().expect("a folder");
    let folder = scratch.path().join("reports");
    fs::create_dir_all(folder.join("deep/er")).expect("a folder");
    let json = report("a.example", 0, "");
    fs::write(folder.join("1.json"), &json).expect("written");
    fs::write(folder.join("2.json.gz"), gzip(json.as_bytes())).expect("written");
    fs::write(folder.join("3.txt"), gzip(&gzip(json.as_bytes()))).expect("written");
    fs::write(folder.join("4.eml"), mail("application/tlsrpt+json", "a.json", &json)).expect("written");
    let forwarded = mail(
        "message/rfc822",
        "a.eml",
        &mail("application/octet-stream", "a.json", &json).replace("=x", "=y").replace("--x", "--y"),
    );
    fs::write(folder.join("5"), forwarded).expect("written");
    let mbox = format!(
        "From a Thu\n{0}\nFrom a Thu\nSubject: no report\n\nhello\n\nFrom b Fri\n{0}",
        mail("application/tlsrpt", "a", &json)
    );
    fs::write(folder.join("deep/er/6.mbox"), mbox).expect("written");
    let (read, out) = read(&folder);
    assert_eq!((read.files, read.reports, read.repeats, read.rejects), (6, 7, 6, 1));
    assert_eq!((read.policies, read.successful_sessions), (1, 1), "repeats count once");
    let reports = rows::<TlsReportRow>(&out);
    let parts: Vec<_> = reports.iter().map(|row| row.part.as_deref().unwrap_or("-")).collect();
    assert_eq!(parts, ["-", "-", "-", "part 2", "part 2 part 2", "message 1, part 2", "message 3, part 2"]);
    let odd: Vec<_> =
        rows::<TlsReportOddityRow>(&out).into_iter().map(|row| (row.report, row.oddity)).collect();
    let expected = [(2, "gzip-twice"), (4, "media-type"), (5, "media-type"), (6, "media-type")];
    assert_eq!(odd, expected.map(|(report, oddity)| (report, oddity.to_owned())));
    let rejected = rows::<TlsReportRejectRow>(&out);
    assert_eq!(rejected[0].part.as_deref(), Some("message 2"));
    assert_eq!(rejected[0].reason, "no-report-attached");
}

#[test]
fn one_bad_file_never_stops_the_rest() {
    let scratch = tempfile::tempdir().expect("a folder");
    let folder = scratch.path().join("reports");
    fs::create_dir(&folder).expect("a folder");
    let good = report("a.example", 0, "");
    let bomb = gzip(&vec![b' '; 32 << 20]);
    assert!(bomb.len() < 1 << 16, "a thousandfold");
    let nested = (0..5).fold(good.clone().into_bytes(), |inner, _| gzip(&inner));
    let mut damaged = gzip(good.as_bytes());
    let crc = damaged.len() - 5;
    damaged[crc] ^= 1;
    let whole = gzip(good.as_bytes());
    let bytes = |text: &str| text.as_bytes().to_vec();
    let two = "x\n--x\nContent-Type: application/json\n\ny";
    let files: Vec<(&str, Vec<u8>, Option<&str>)> = vec![
        ("a-bomb.json.gz", bomb, Some("too-long")),
        ("b-empty.json", Vec::new(), Some("empty")),
        ("c-other.json", bytes("{}"), Some("not-a-report")),
        ("d-half.json", bytes(&good[..100]), Some("not-json")),
        ("e-half.json.gz", whole[..60].to_vec(), Some("not-json")),
        ("f-nested.gz", nested, Some("too-deep")),
        ("g-deep.json", bytes(&"[".repeat(1 << 20)), Some("not-json")),
        ("h-binary.json", vec![0xff; 1_000], Some("not-recognised")),
        ("i-bomb.eml", bytes(&mail("application/json", "a.json", &"[".repeat(1 << 20))), Some("not-json")),
        ("j-mails.eml", bytes(&"Content-Type: message/rfc822\n\n".repeat(100_000)), Some("too-deep")),
        ("k-parts.eml", bytes(&mail("application/json", "a.json", two)), Some("not-recognised")),
        ("l-crc.json.gz", damaged, None),
        ("m-good.json", bytes(&good), None),
    ];
    for (name, bytes, _) in &files {
        fs::write(folder.join(name), bytes).expect("written");
    }
    std::os::unix::fs::symlink(&folder, folder.join("n-loop")).expect("a link");
    std::os::unix::fs::symlink("nowhere", folder.join("o-dangling")).expect("a link");
    let (read, out) = read(&folder);
    let rejected = rows::<TlsReportRejectRow>(&out);
    for (name, _, reason) in &files {
        let of_file = rejected.iter().find(|row| row.source.ends_with(name)).map(|row| row.reason.as_str());
        assert_eq!(of_file, *reason, "{name}");
    }
    assert_eq!(rejected.last().map(|row| row.reason.as_str()), Some("unreadable"));
    assert_eq!(read.reports, 2, "the good one, and one whose checksum alone is wrong");
    assert_eq!(rows::<TlsReportOddityRow>(&out)[0].oddity, "gzip-damaged");
}

/// Whatever is done to a mail's bytes, it is read or refused.
#[test]
fn a_mail_with_any_byte_changed_is_read_or_refused() {
    let scratch = tempfile::tempdir().expect("a folder");
    let folder = scratch.path().join("reports");
    fs::create_dir(&folder).expect("a folder");
    let whole = mail("application/tlsrpt+json", "a.json", &report("a.example", 0, "")).into_bytes();
    let mut mbox = Vec::new();
    let mut mails = 0;
    for at in (0..whole.len()).step_by(9) {
        for byte in [0, b'\n', b'=', b'"', b';', 0xff] {
            let mut changed = whole.clone();
            changed[at] = byte;
            mbox.extend_from_slice(b"From a Thu\n");
            mbox.extend_from_slice(&changed);
            mbox.extend_from_slice(b"\n\n");
            mails += 1;
        }
    }
    fs::write(folder.join("all.mbox"), mbox).expect("written");
    let (read, _) = read(&folder);
    assert!(read.reports > mails / 2 && read.rejects > 0, "{read:?}");
    assert!(read.reports + read.rejects >= mails, "each gives something: {read:?}");
}

#[test]
fn each_reported_failure_is_laid_beside_the_scan() {
    let scratch = tempfile::tempdir().expect("a folder");
    let run = small_run(scratch.path(), 1, 9);
    let classified = classify(&run, &mxray_study::ClassifyOptions::default()).expect("classified");
    let folder = scratch.path().join("reports");
    fs::create_dir(&folder).expect("a folder");
    let detail = |kind: &str, host: &str| {
        format!(
            r#"{{"result-type":"{kind}","sending-mta-ip":"192.0.2.1","receiving-mx-hostname":"{host}","failed-session-count":2}}"#
        )
    };
    let all = [
        detail("certificate-host-mismatch", "mx.example"),
        detail("starttls-not-supported", "mx.example"),
        detail("validation-failure", "old.example"),
        detail("tlsa-invalid", "mx.example"),
    ]
    .join(",");
    fs::write(folder.join("1.json"), report("d0.example", 8, &all)).expect("written");
    fs::write(
        folder.join("2.json"),
        report("elsewhere.example", 2, &detail("certificate-expired", "mx.example")),
    )
    .expect("written");
    let (read, out) = read(&folder);
    let matches = match_tls_reports(&run, &classified.id, &read.failures, &out).expect("matched");
    let told: Vec<_> = matches
        .iter()
        .map(|row| (row.result_type.as_deref().unwrap_or_default(), row.outcome.as_str(), row.sessions))
        .collect();
    assert_eq!(
        told,
        [
            ("certificate-host-mismatch", "related", 2),
            ("starttls-not-supported", "explained", 2),
            ("tlsa-invalid", "unknown", 2),
            ("validation-failure", "other-host", 2),
            ("certificate-expired", "not-scanned", 2),
        ],
        "the host offers no STARTTLS, and DNSSEC was not measured"
    );
    assert_eq!(matches[1].rule.as_deref(), Some("starttls-absent"));
    assert_eq!(matches[3].detail.as_deref(), Some("its MX hosts: mx.example"));
    assert_eq!(rows::<TlsReportMatchRow>(&out), matches, "the table holds what is returned");
}
