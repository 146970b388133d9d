//! A run in which every field that a stranger controls holds markup, script, formulas, escape sequences, marks of direction,
//! bytes that are no text, and a line of 64 KiB: what is made of it stays harmless.

use std::fs;
use std::path::Path;

use mxray_evidence::derived::FindingRow;
use mxray_evidence::journal::{Entry, Journal};
use mxray_evidence::{
    AddressRecord, ByteBuf, CertificateRow, Cname, Counts, DomainRow, Ending, Header, InputColumn,
    MailHostRow, MxRecord, NsRecord, PolicyRow, RejectRow, Reply, RunDir, SmtpSessionRow, Stage,
    TlsObservation, TxtRecord, read_rows,
};
use mxray_study::{
    ClassifyOptions, ReportOptions, Steps, classify, export, newest_classification, query, report,
};
use serde_json::Value;

use crate::run;
use crate::{browser, export, latex};

/// What strangers write.
const POISON: &str = "=cmd|' /C calc'!A0</script><script>window.poisoned=1</script><img src=x onerror=window.poisoned=1>\
    <svg onload=window.poisoned=1>]]>-->\"'&{{7*7}}\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}\u{2066}\u{200b}\u{2028}\r\n<b>";

/// The same, behind a word that a rule looks for.
fn poison(begin: &str) -> String {
    format!("{begin}{POISON}")
}

fn poison_bytes(begin: &str) -> ByteBuf {
    let mut bytes = poison(begin).into_bytes();
    bytes.extend([0xff, 0xfe, 0x00, 0xc0, 0x80]);
    bytes.resize(64 << 10, b'<');
    ByteBuf::from(bytes)
}

fn alias(owner: &str) -> Vec<Cname> {
    vec![Cname { owner: owner.into(), target: poison("cdn").into(), ttl: 1 }]
}

fn stopped() -> Ending {
    Ending::stopped_with(Stage::Handshake, mxray_evidence::Cause::TlsError, POISON)
}

fn domain(n: u64) -> DomainRow {
    let mut row = run::domain(3 * n);
    row.domain = format!("{}.example", poison(&format!("d{n}"))).into();
    row.source = poison("list").into();
    row.columns = vec![InputColumn { name: poison("sector"), value: poison("law") }];
    row.mx.records = vec![MxRecord { preference: 10, exchange: poison("mx").into(), ttl: 1 }];
    row.mx.cnames = alias("d");
    row.ns.records = vec![NsRecord { nameserver: poison("ns").into(), ttl: 1 }];
    let txt = |begin: &str| vec![TxtRecord { segments: vec![poison_bytes(begin)], ttl: 1 }];
    row.sts_txt.records = match n {
        0 => vec![TxtRecord { segments: vec![ByteBuf::from(*b"v=STSv1; id=1;")], ttl: 1 }],
        1 => txt("v=STSv1; id="),
        _ => txt("v=stsv1; id=1; "),
    };
    row.tlsrpt_txt.records = txt(if n == 0 { "v=TLSRPTv1; rua=mailto:" } else { "v=TLSRPTv1; rua=" });
    row
}

fn tls(sni: &str) -> TlsObservation {
    TlsObservation {
        sni: sni.to_owned(),
        elapsed_us: 1,
        version: Some(poison("TLSv1.3")),
        cipher_suite: Some(poison("TLS")),
        group: Some(poison("X25519")),
        chain: vec![ByteBuf::from([7; 32])],
        signature_scheme: Some(poison("rsa")),
        signature_valid: Some(true),
        alert: Some(poison("alert")),
    }
}

fn policy(domain: &str, n: u64) -> PolicyRow {
    let mut row = run::policy(domain, 0);
    row.a.cnames = alias(&row.host);
    row.a.records = vec![AddressRecord { address: poison("127.0.0.2").into(), ttl: 1 }];
    row.tls = Some(tls(&row.host));
    row.headers = ["content-type", "location", "server"]
        .map(|name| Header { name: name.to_owned(), value: poison_bytes("text/") })
        .into();
    row.body = Some(poison_bytes("version: STSv1\nmode: "));
    if n > 0 {
        row.ending = stopped();
    }
    row
}

fn session(n: u64) -> SmtpSessionRow {
    let mut row = run::session("");
    row.host = poison("mx");
    row.address = poison(&format!("127.0.0.{n}"));
    row.tls = Some(tls(&row.host));
    row.replies = ["banner", "ehlo", "starttls"]
        .map(|stage| Reply {
            stage: stage.to_owned(),
            code: Some(220),
            lines: vec![poison_bytes("220 "), poison_bytes("220-STARTTLS")],
            elapsed_us: 1,
        })
        .into();
    row.early_bytes = Some(poison_bytes(""));
    row.ending = stopped();
    row
}

fn certificate() -> CertificateRow {
    CertificateRow {
        der: poison_bytes("0"),
        parse_error: None,
        subject: Some(poison("CN=")),
        issuer: Some(poison("O=")),
        serial: Some(poison("1")),
        not_before: Some(1),
        not_after: Some(2),
        san_dns: vec![poison("a"), poison("b")],
        key_algorithm: Some(poison("RSA")),
        key_bits: Some(1),
        signature_algorithm: Some(poison("1.2")),
        ..run::certificate()
    }
}

fn poisoned_run(folder: &Path) -> RunDir {
    let of = RunDir::new(folder.join("run"));
    of.create().expect("create the run");
    let domains: Vec<DomainRow> = (0..4).map(domain).collect();
    let policies: Vec<PolicyRow> = domains.iter().zip(0..).map(|(row, n)| policy(&row.domain, n)).collect();
    let mut host: MailHostRow = run::mail_host("");
    host.host = poison("mx");
    host.a.cnames = alias("mx");
    host.a.records =
        (0..2).map(|n| AddressRecord { address: poison(&format!("127.0.0.{n}")).into(), ttl: 1 }).collect();
    let reject = RejectRow {
        source: poison("list"),
        line: 9,
        reason: poison("reason"),
        detail: Some(poison("detail")),
        text: poison_bytes("line"),
    };
    run::write(&of, 0, &domains);
    run::write(&of, 0, &policies);
    run::write(&of, 0, &[host]);
    run::write(&of, 0, &[session(0), session(1)]);
    run::write(&of, 0, &[certificate()]);
    run::write(&of, 0, &[reject]);
    let counts = Counts { lines: 5, domains: 4, policies: 4, rejects: 1, ..Counts::default() };
    let mut journal = Journal::open(&of.journal_path()).expect("open the journal");
    let entry = Entry { chunk: 0, last_line: 5, input_digest: "ab".into(), counts, committed: 1 };
    journal.append(entry).expect("append");
    let mut manifest = run::manifest(counts);
    manifest.inputs = vec![poison("list")];
    manifest.vantage = Some(poison("here"));
    of.write_manifest(&manifest).expect("write the manifest");
    of
}

/// Whether a terminal would do as the text says, or a reader be led astray. Line ends and tabs are a file's own.
fn is_obeyed(text: &str) -> Option<char> {
    let is_mark = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().find(|c| is_mark(*c))
}

#[tokio::test]
async fn what_strangers_wrote_stays_data() {
    let folder = tempfile::tempdir().expect("a folder");
    let of = poisoned_run(folder.path());
    let id = classify(&of, &ClassifyOptions::default()).expect("classify").id;
    let out = folder.path().join("report");
    let written = report(&[(of.clone(), id.clone())], &out, &ReportOptions::default(), &mut |_| {})
        .await
        .expect("report");

    // Files that a terminal may be shown: nothing in them is obeyed.
    for path in &written.files {
        let text = fs::read_to_string(path).expect("read");
        assert_eq!(is_obeyed(&text), None, "{}", path.display());
    }
    cells_are_no_formulas(&out);
    latex_compiles_and_json_is_what_was_said(&out);
    the_flat_file_has_columns_that_can_be_shown(&of, folder.path());
    let page = fs::read_to_string(out.join("index.html")).expect("read");
    assert_eq!(page.matches("<script").count(), 2, "the data and the script");
    assert!(page.contains("window.poisoned=1"), "the poison is on the page, as text");
    for element in ["<img", "<b>=", "<svg onload", "<!--", "javascript:"] {
        assert!(!page.contains(element), "{element}");
    }
    for path in written.files.iter().filter(|path| path.extension().is_some_and(|end| end == "svg")) {
        let text = fs::read_to_string(path).expect("read");
        assert!(
            !text.contains("<script") && !text.contains("<img") && text.matches("<svg").count() == 1,
            "{text}"
        );
    }
    assert!(!written.markdown.contains("<img") && !written.markdown.contains("<script"));

    // What `check` shows of a domain: findings; what `query` shows of anything: a table of text.
    let details = read_rows::<FindingRow>(&of.derived_path::<FindingRow>(&id)).expect("open");
    let findings: Vec<FindingRow> = details.flat_map(|rows| rows.expect("read")).collect();
    assert!(findings.len() > 20, "{}", findings.len());
    for said in findings.iter().flat_map(|finding| [&finding.detail, &finding.cause]).flatten() {
        assert_eq!(is_obeyed(said), None, "{said}");
    }
    for table in [
        "domains",
        "policies",
        "mail_hosts",
        "smtp_sessions",
        "certificates",
        "rejects",
        "findings",
        "verdicts",
    ] {
        let answer = query(&of, Some(&id), &format!("SELECT * FROM {table}")).await.expect("plan");
        let shown = answer.into_grid().await.expect("answer").to_string();
        assert_eq!(is_obeyed(&shown), None, "{table}");
    }
    let mut csv = Vec::new();
    let answer = query(&of, None, "SELECT host, address, 1 - 2 AS n FROM smtp_sessions").await.expect("plan");
    answer.write_csv(&mut csv).await.expect("write");
    let csv = String::from_utf8(csv).expect("text");
    assert_eq!(is_obeyed(&csv), None);
    assert!(
        csv.contains("\nmx=cmd") || csv.contains("\n\"mx=cmd"),
        "what begins otherwise stands as it is: {csv}"
    );
    assert!(csv.contains(",-1\n"), "and so does a number: {csv}");
    browser::holds(&out.join("index.html"));
}

/// In LaTeX nothing that strangers wrote is a command; in JSON it is there to the character.
fn latex_compiles_and_json_is_what_was_said(out: &Path) {
    let (mut poisoned, mut said) = (0, 0);
    for entry in fs::read_dir(out).expect("list") {
        let path = entry.expect("an entry").path();
        let text = || fs::read_to_string(&path).expect("read");
        match path.extension().and_then(|end| end.to_str()) {
            Some("tex") if !path.ends_with("report.tex") => {
                latex::compiles(&text());
                poisoned += usize::from(text().contains("window.poisoned"));
            }
            Some("json") => {
                let rows: Vec<serde_json::Map<String, Value>> = serde_json::from_str(&text())
                    .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let cells = rows.iter().flat_map(serde_json::Map::values).filter_map(Value::as_str);
                said += cells.filter(|cell| cell.contains(POISON)).count();
            }
            _ => {}
        }
    }
    assert!(poisoned > 2 && said > 2, "{poisoned} {said}: what was written holds the poison");
}

/// Its values are data, as in the run; the names of its columns are looked at by people.
fn the_flat_file_has_columns_that_can_be_shown(of: &RunDir, folder: &Path) {
    let path = folder.join("flat.parquet");
    export(of, &newest_classification(of).expect("classified"), &path, &Steps::default()).expect("export");
    let rows = export::read(&path);
    assert_eq!(rows.num_rows(), 4);
    let schema = rows.schema();
    assert!(schema.fields().iter().all(|field| is_obeyed(field.name()).is_none()), "{schema}");
    let last = schema.fields().last().expect("a column").name();
    assert!(last.starts_with("input_sector=cmd"), "{last}");
    assert_eq!(export::texts(&rows, last)[0], Some(&*poison("law")));
}

/// No cell of any CSV file is one that a spreadsheet calculates.
fn cells_are_no_formulas(out: &Path) {
    let mut poisoned = 0;
    for entry in fs::read_dir(out).expect("list") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|end| end != "csv") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("read");
        for line in text.lines() {
            for cell in line.split(',') {
                let first = cell.trim_start_matches('"').chars().next().unwrap_or(' ');
                let number = cell.parse::<f64>().is_ok();
                assert!(number || !"=+-@|%\t".contains(first), "{}: {cell}", path.display());
            }
            poisoned += usize::from(line.contains("window.poisoned"));
        }
    }
    assert!(poisoned > 5, "{poisoned}: what was written holds the poison");
}
