//! What is written can be read, and what a crash leaves behind is told from what was committed.

use std::fs;

use mxray_evidence::derived::{FindingRow, HostRow, TallyRow, VerdictRow};
use mxray_evidence::journal::{Entry, Journal};
use mxray_evidence::*;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

fn label() -> PartLabel {
    PartLabel { run_id: "00112233aabbccdd".into(), chunk: Some(7) }
}

fn lookup<R>(name: &str, records: Vec<R>, ending: Ending) -> Lookup<R> {
    Lookup {
        name: name.into(),
        started: 1_700_000_000_000_001,
        elapsed_us: 42,
        resolver: Some("127.0.0.1:5300".into()),
        queries: 2,
        tcp: true,
        rcode: Some(0),
        unchecked_rcode: None,
        authenticated: Some(false),
        extended_errors: vec![ExtendedError { code: 6, text: ByteBuf::from(*b"why"), unchecked: true }],
        security: Some(Security::Bogus),
        cnames: vec![Cname { owner: name.into(), target: "target.example".into(), ttl: 60 }],
        records,
        ending,
    }
}

fn tls() -> TlsObservation {
    TlsObservation {
        sni: "mx.example".into(),
        elapsed_us: 900,
        version: Some("TLSv1.3".into()),
        cipher_suite: Some("TLS_AES_128_GCM_SHA256".into()),
        group: Some("x25519".into()),
        chain: vec![ByteBuf::from([1; 32]), ByteBuf::from([2; 32])],
        signature_scheme: Some("ecdsa_secp256r1_sha256".into()),
        signature_valid: Some(true),
        alert: None,
    }
}

fn domain(n: u64) -> DomainRow {
    let name = format!("d{n}.example");
    let stopped = Ending::stopped_with(Stage::Dns, Cause::Timeout, "3 queries, no answer");
    DomainRow {
        source: "list.csv".into(),
        line: n,
        rank: n.is_multiple_of(2).then_some(n),
        columns: vec![InputColumn { name: "tier".into(), value: "gold".into() }],
        mx: lookup(
            &name,
            vec![MxRecord { preference: 10, exchange: "mx.example".into(), ttl: 300 }],
            Ending::Completed,
        ),
        ns: lookup(&name, vec![], Ending::withheld(Stage::Dns, OwnCause::Cancelled)),
        sts_txt: lookup(
            &format!("_mta-sts.{name}"),
            vec![TxtRecord {
                segments: vec![ByteBuf::from(*b"v=STSv1;"), ByteBuf::from([0, 255, 10])],
                ttl: 1,
            }],
            Ending::Completed,
        ),
        tlsrpt_txt: lookup(&format!("_smtp._tls.{name}"), vec![], stopped),
        aside_txt: vec![lookup(
            &format!("_mta_sts.{name}"),
            vec![TxtRecord { segments: vec![ByteBuf::from(*b"v=STSv1; id=1;")], ttl: 1 }],
            Ending::Completed,
        )],
        domain: name.into(),
    }
}

fn round_trip<T: Table + Clone + PartialEq + std::fmt::Debug>(rows: &[T]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("part-000007.parquet");
    let mut writer = PartWriter::<T>::create(&path, &label()).expect("create");
    writer.write(rows).expect("write");
    let finished = writer.finish().expect("finish");
    assert!(!path.exists(), "a part has no name before it is published");
    assert_eq!(finished.publish().expect("publish"), rows.len() as u64);
    let read: Vec<T> = read_rows::<T>(&path).expect("open").flat_map(|batch| batch.expect("read")).collect();
    assert_eq!(read, rows);
}

#[test]
fn domains_round_trip_over_many_batches() {
    round_trip(&(1..=10_000).map(domain).collect::<Vec<_>>());
}

#[test]
fn rows_that_come_in_any_order_are_written_in_that_of_their_keys() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("part-000007.parquet");
    let varied = |n: u64| {
        let mut row = domain(n);
        row.mx.records.truncate(n as usize % 2);
        row.sts_txt.records.extend(row.aside_txt[0].records.iter().take(n as usize % 3).cloned());
        row.aside_txt.truncate(usize::from(n.is_multiple_of(5)));
        (row.ns.rcode, row.ns.authenticated) =
            if n.is_multiple_of(7) { (None, None) } else { (Some(3), Some(true)) };
        row
    };
    let mut gathered = Gathered::default();
    for n in 0..9_000 {
        // 7,919 is prime to 9,000: each once.
        let row = varied(n * 7_919 % 9_000);
        gathered.put(row.line, &row);
    }
    assert_eq!((gathered.len(), gathered.is_empty()), (9_000, false));
    let mut writer = PartWriter::<DomainRow>::create(&path, &label()).expect("create");
    writer.write_gathered(&Gathered::default()).expect("nothing");
    writer.write_gathered(&gathered).expect("write");
    assert_eq!(writer.finish().expect("finish").publish().expect("publish"), 9_000);
    let read = read_rows::<DomainRow>(&path).expect("open").flat_map(|batch| batch.expect("read"));
    assert!(read.eq((0..9_000).map(varied)));
}

#[test]
fn every_other_table_round_trips() {
    let addresses = || vec![AddressRecord { address: "2001:db8::1".into(), ttl: 5 }];
    round_trip(&[PolicyRow {
        domain: "d.example".into(),
        chunk: 3,
        host: "mta-sts.d.example".into(),
        a: lookup("mta-sts.d.example", addresses(), Ending::Completed),
        aaaa: lookup("mta-sts.d.example", vec![], Ending::Completed),
        started: 5,
        elapsed_us: 6,
        connects: vec![Connect {
            address: "192.0.2.1".into(),
            port: 443,
            elapsed_us: 3,
            ending: Ending::stopped(Stage::Connect, Cause::Refused),
        }],
        tls: Some(tls()),
        status: Some(200),
        headers: vec![Header { name: "content-type".into(), value: ByteBuf::from(*b"text/plain") }],
        body: Some(ByteBuf::from(*b"version: STSv1\r\n")),
        body_truncated: false,
        ending: Ending::Completed,
    }]);
    round_trip(&[MailHostRow {
        host: "mx.example".into(),
        a: lookup("mx.example", addresses(), Ending::Completed),
        aaaa: lookup("mx.example", vec![], Ending::Completed),
        tlsa: lookup(
            "_25._tcp.mx.example",
            vec![TlsaRecord { usage: 3, selector: 1, matching: 1, data: ByteBuf::from([7; 32]), ttl: 60 }],
            Ending::Completed,
        ),
        tlsa_alias: Some(Box::new(lookup("_25._tcp.mx.example.net", vec![], Ending::Completed))),
    }]);
    let session = SmtpSessionRow {
        host: "mx.example".into(),
        address: "192.0.2.1".into(),
        port: 25,
        started: 1,
        elapsed_us: 2,
        attempts: 2,
        reused_from: None,
        replies: vec![Reply {
            stage: "banner".into(),
            code: Some(220),
            lines: vec![ByteBuf::from(*b"220 mx \xff")],
            elapsed_us: 1,
        }],
        early_bytes: None,
        tls: None,
        legacy: None,
        ending: Ending::stopped(Stage::Starttls, Cause::Reply),
    };
    assert_eq!(session.reply(Stage::Banner).and_then(|reply| reply.code), Some(220));
    round_trip(&[
        session.clone(),
        SmtpSessionRow {
            tls: Some(tls()),
            early_bytes: Some(ByteBuf::new()),
            reused_from: Some("other.example".into()),
            ..session
        },
    ]);
    round_trip(&[CertificateRow {
        sha256: ByteBuf::from([3; 32]),
        der: ByteBuf::from([0x30, 0x82]),
        first_seen: 9,
        parse_error: None,
        subject: Some("CN=mx.example".into()),
        issuer: None,
        serial: Some("0a".into()),
        not_before: Some(-1),
        not_after: Some(i64::from(u32::MAX) * 1_000_000),
        san_dns: vec!["*.example".into()],
        key_algorithm: Some("EC".into()),
        key_bits: Some(256),
        signature_algorithm: None,
        spki_sha256: Some(ByteBuf::from([4; 32])),
        is_ca: Some(false),
        self_issued: None,
    }]);
    round_trip(&[RejectRow {
        source: "-".into(),
        line: 1,
        reason: RejectReason::Duplicate.as_str().into(),
        detail: None,
        text: ByteBuf::from([0xff]),
    }]);
}

#[test]
fn derived_tables_round_trip() {
    round_trip(&[FindingRow {
        domain: "d.example".into(),
        subject: "mx.example".into(),
        rule: "mx-cert-name".into(),
        outcome: "violation".into(),
        cause: None,
        detail: Some("has a.example".into()),
        effect: "refuse".into(),
        report_type: Some("certificate-host-mismatch".into()),
    }]);
    round_trip(&[HostRow {
        host: "mx.example".into(),
        addresses: 2,
        judged: 1,
        reused: 0,
        starttls: "offered".into(),
        tls_versions: vec!["TLSv1.2".into()],
        certificate: "valid".into(),
        certificate_violations: vec![],
        not_after: Some(1),
        domains: 3,
        refused_code: None,
    }]);
    round_trip(&[TallyRow {
        rule: "r".into(),
        cause: None,
        pass: 1,
        violation: 2,
        unknown: 3,
        not_applicable: 4,
    }]);
    let unknown = || "unknown".to_owned();
    round_trip(&[VerdictRow {
        domain: "d.example".into(),
        rank: None,
        columns: vec![InputColumn { name: "sector".into(), value: "retail".into() }],
        record: unknown(),
        policy: unknown(),
        mode: None,
        max_age: Some(86_400),
        policy_hosting: unknown(),
        policy_operator: None,
        policy_operator_by: unknown(),
        tlsrpt: unknown(),
        mx: unknown(),
        mx_hosting: unknown(),
        mail_operator: Some("mail.example".into()),
        mail_operator_by: "mx".into(),
        dns_operator: None,
        dns_operator_by: "own".into(),
        mx_hosts: 0,
        mx_matched: None,
        starttls: unknown(),
        certificates: unknown(),
        mx_dnssec: "secure".into(),
        tlsa_present: "all".into(),
        tlsa: "no".into(),
        tlsa_matching: "all".into(),
        opportunistic: unknown(),
        opportunistic_attacker: unknown(),
        sts: unknown(),
        sts_attacker: unknown(),
        dane: unknown(),
        dane_attacker: unknown(),
        both: unknown(),
        both_attacker: unknown(),
        refusing: 0,
        downgrading: 0,
        lints: 0,
        unknowns: 9,
        outcomes: "pv-u".into(),
    }]);
}

#[test]
fn an_empty_part_opens() {
    round_trip::<RejectRow>(&[]);
}

#[test]
fn a_part_that_is_not_published_goes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("part-000000.parquet");
    let files = || fs::read_dir(folder.path()).expect("a folder").count();
    let create = || PartWriter::<RejectRow>::create(&path, &label()).expect("create");
    let begun = create();
    assert_eq!(files(), 1);
    drop(begun);
    assert_eq!(files(), 0, "given up while it is written");
    drop(create().finish().expect("finish"));
    assert_eq!(files(), 0, "given up when it is whole");
    create().finish().expect("finish").publish().expect("publish");
    assert!(path.is_file() && files() == 1);
}

#[test]
fn a_disk_that_is_full_at_the_last_flush_is_told_as_that() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("part-000000.parquet");
    // The device that is always full, in the place of the file.
    std::os::unix::fs::symlink("/dev/full", path.with_extension("parquet.tmp")).expect("a link");
    // So little that it stays in the writer's buffer to the end.
    let mut writer = PartWriter::<RejectRow>::create(&path, &label()).expect("create");
    let row = RejectRow {
        source: "-".into(),
        line: 1,
        reason: RejectReason::Empty.as_str().into(),
        detail: None,
        text: ByteBuf::new(),
    };
    writer.write(&[row]).expect("into the buffer");
    let error = writer.finish().map(drop).expect_err("no space is left");
    assert_eq!(error.io().map(std::io::Error::kind), Some(std::io::ErrorKind::StorageFull), "{error}");
    assert!(error.to_string().ends_with(": No space left on device (os error 28)"), "{error}");
}

#[test]
fn what_failed_is_not_what_is_absent() {
    let answered = |rcode| Lookup::<MxRecord> { rcode, ..lookup("d", vec![], Ending::Completed) };
    assert_eq!(answered(Some(0)).status(), LookupStatus::NoData);
    assert_eq!(answered(Some(3)).status(), LookupStatus::NxDomain);
    assert_eq!(answered(Some(2)).status(), LookupStatus::Failed(2));
    let silent = Lookup::<MxRecord> {
        rcode: None,
        ..lookup("d", vec![], Ending::stopped(Stage::Dns, Cause::Timeout))
    };
    assert_eq!(silent.status(), LookupStatus::Unanswered);
    assert!(!silent.is_measured() && !answered(Some(2)).is_measured() && answered(Some(3)).is_measured());
}

fn entry(chunk: u32) -> Entry {
    Entry {
        chunk,
        last_line: u64::from(chunk + 1) * 10,
        input_digest: "ab".into(),
        counts: Counts { lines: 10, domains: 9, rejects: 1, ..Counts::default() },
        committed: 1,
    }
}

#[test]
fn a_journal_line_cut_short_is_no_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("journal");
    let mut journal = Journal::open(&path).expect("open");
    journal.append(entry(0)).expect("append");
    journal.append(entry(1)).expect("append");
    let whole = fs::read(&path).expect("read");
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).expect("write");
        let expected = whole[..cut].split(|byte| *byte == b'\n').count() - 1;
        assert_eq!(journal::read(&path).expect("read").len(), expected, "cut at {cut}");
        let mut journal = Journal::open(&path).expect("open");
        journal.append(entry(expected as u32)).expect("append after a crash");
        assert_eq!(journal::read(&path).expect("read").len(), expected + 1, "cut at {cut}, appended");
    }
}

#[test]
fn a_journal_that_skips_a_chunk_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("journal");
    let mut journal = Journal::open(&path).expect("open");
    journal.append(entry(1)).expect("append");
    assert!(journal::read(&path).is_err());
}

#[test]
fn readers_see_committed_parts_only() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = RunDir::new(folder.path().join("run"));
    run.create().expect("create");
    for chunk in 0..2 {
        let mut writer = PartWriter::create(&run.part_path::<DomainRow>(chunk), &label()).expect("create");
        writer.write(&[domain(u64::from(chunk))]).expect("write");
        writer.finish().expect("finish").publish().expect("publish");
    }
    Journal::open(&run.journal_path()).expect("open").append(entry(0)).expect("append");
    let mut seen = Vec::new();
    run.for_each::<DomainRow>(|row| seen.push(row.domain)).expect("read");
    assert_eq!(seen, ["d0.example"], "part 1 has no line in the journal");
}

#[test]
fn a_column_has_the_name_of_its_field_and_a_meaning() {
    fn check(table: &str, columns: &[Column]) {
        for column in columns {
            assert!(
                column.doc.ends_with('.') || column.doc.ends_with(')'),
                "{table}.{}: {}",
                column.name,
                column.doc
            );
            check(table, column.kind.fields());
        }
    }
    for table in tables() {
        check(table.name, &table.columns);
    }
}

#[test]
fn a_part_from_before_a_column_was_added_is_read_as_if_it_were_null() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (now, before) = (folder.path().join("now.parquet"), folder.path().join("before.parquet"));
    let address = || lookup::<AddressRecord>("mx.example", vec![], Ending::Completed);
    let tlsa = || lookup::<TlsaRecord>("_25._tcp.mx.example", vec![], Ending::Completed);
    let row = MailHostRow {
        host: "mx.example".into(),
        a: address(),
        aaaa: address(),
        tlsa: tlsa(),
        tlsa_alias: Some(Box::new(tlsa())),
    };
    let mut writer = PartWriter::<MailHostRow>::create(&now, &label()).expect("create");
    writer.write(std::slice::from_ref(&row)).expect("write");
    writer.finish().expect("finish").publish().expect("publish");

    let open = fs::File::open(&now).expect("open");
    let mut batches = ParquetRecordBatchReaderBuilder::try_new(open).expect("read").build().expect("read");
    let batch = batches.next().expect("a batch").expect("its rows");
    let without = batch.schema().index_of("tlsa_alias").expect("the column");
    let kept: Vec<usize> = (0..batch.num_columns()).filter(|&index| index != without).collect();
    let batch = batch.project(&kept).expect("project");
    let create = fs::File::create(&before).expect("create");
    let mut writer = ArrowWriter::try_new(create, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("write");
    writer.close().expect("close");

    let read: Vec<MailHostRow> =
        read_rows(&before).expect("open").flat_map(|batch| batch.expect("read")).collect();
    assert_eq!(read, [MailHostRow { tlsa_alias: None, ..row }]);
}

/// Runs are read by their columns' names: none is taken away, renamed or given another type under one version, and one that is added
/// may be missing in older parts.
#[test]
fn under_one_version_columns_are_only_added_and_may_be_missing() {
    let first = include_str!("golden/columns.txt");
    let (version, first) = first.split_once('\n').expect("a first line");
    assert_eq!(version, format!("schema version {SCHEMA_VERSION}"));
    let all: Vec<TableDoc> = tables().into_iter().filter(|table| table.home == Home::Run).collect();
    let now: String = all.iter().map(TableDoc::signature).collect();
    for line in first.lines() {
        assert!(
            now.lines().any(|now| now == line),
            "{line}: is another column now; raise SCHEMA_VERSION, and write the columns there are now under it"
        );
    }
    let is_new = |place: &str| !first.lines().any(|line| line.split(": ").next() == Some(place));
    for line in now.lines() {
        let (place, kind) = line.split_once(": ").expect("a place and a type");
        let parent = place.rsplit_once('.').map_or("", |(parent, _)| parent);
        let stands_in_new = parent.contains('.') && is_new(parent);
        let may_be_missing = kind.ends_with(", or null") || kind.starts_with("list of ");
        assert!(!is_new(place) || stands_in_new || may_be_missing, "{line}: older parts have no such column");
    }
}
