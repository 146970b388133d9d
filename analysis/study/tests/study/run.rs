//! A small run, written by hand.

use std::path::Path;

use mxray_evidence::journal::{Entry, Journal};
use mxray_evidence::{
    AddressRecord, ByteBuf, CertificateRow, Counts, DomainRow, Ending, HowEnded, Identity, InputColumn,
    Lookup, MailHostRow, Manifest, MxRecord, NsRecord, PartLabel, PartWriter, PolicyRow, RejectRow, Reply,
    RunDir, SCHEMA_VERSION, SmtpSessionRow, Table, TlsObservation, TxtRecord,
};

const LABEL: &str = "00112233aabbccdd";

/// A run of `chunks` chunks with `domains` domains each: all have one MX host in common, every third has an
/// MTA-STS record and a policy.
pub(crate) fn small_run(folder: &Path, chunks: u32, domains: u64) -> RunDir {
    run_of(folder, chunks, domains, false)
}

/// The same, but that every policy came late: all of them stand in the last chunk.
pub(crate) fn late_run(folder: &Path, chunks: u32, domains: u64) -> RunDir {
    run_of(folder, chunks, domains, true)
}

fn run_of(folder: &Path, chunks: u32, domains: u64, is_late: bool) -> RunDir {
    let run = RunDir::new(folder.join("run"));
    run.create().expect("create the run");
    let mut journal = Journal::open(&run.journal_path()).expect("open the journal");
    let mut counts = Counts::default();
    let mut late = Vec::new();
    for chunk in 0..chunks {
        let first = u64::from(chunk) * domains;
        let rows: Vec<DomainRow> = (first..first + domains).map(domain).collect();
        let mut policies: Vec<PolicyRow> = rows
            .iter()
            .filter(|row| !row.sts_txt.records.is_empty())
            .map(|row| policy(&row.domain, chunk))
            .collect();
        if is_late {
            late.append(&mut policies);
            if chunk + 1 == chunks {
                policies.append(&mut late);
            }
        }
        let mut added = Counts { lines: domains, domains, ..Counts::default() };
        added.policies = policies.len() as u64;
        write(&run, chunk, &rows);
        write(&run, chunk, &policies);
        if chunk == 0 {
            write(&run, chunk, &[mail_host("mx.example")]);
            write(&run, chunk, &[session("mx.example")]);
            write(&run, chunk, &[certificate()]);
            write::<RejectRow>(&run, chunk, &[]);
            added.mail_hosts = 1;
            added.smtp_sessions = 1;
            added.certificates = 1;
        }
        counts += added;
        let entry = Entry {
            chunk,
            last_line: first + domains,
            input_digest: "ab".into(),
            counts: added,
            committed: 1,
        };
        journal.append(entry).expect("append");
    }
    run.write_manifest(&manifest(counts)).expect("write the manifest");
    run
}

pub(crate) fn write<T: Table>(run: &RunDir, chunk: u32, rows: &[T]) {
    let label = PartLabel { run_id: LABEL.into(), chunk: Some(chunk) };
    let mut writer = PartWriter::create(&run.part_path::<T>(chunk), &label).expect("create");
    writer.write(rows).expect("write");
    writer.finish().expect("finish").publish().expect("publish");
}

pub(crate) fn manifest(counts: Counts) -> Manifest {
    Manifest {
        schema_version: SCHEMA_VERSION,
        mxray_version: "0".into(),
        run_id: LABEL.into(),
        started: 1,
        ended: Some(2),
        how_ended: HowEnded::Completed,
        resumed: 0,
        identity: Identity { ehlo_name: "probe.example".into(), contact: "mailto:a@example".into() },
        vantage: None,
        resolvers: vec!["127.0.0.1:53".into()],
        ipv6: None,
        dnssec: false,
        seed: 0,
        inputs: vec!["list|with a bar.csv".into()],
        config: serde_json::Value::Null,
        counts,
        stray_replies: 0,
    }
}

pub(crate) fn lookup<R>(name: &str, records: Vec<R>) -> Lookup<R> {
    Lookup {
        name: name.into(),
        started: 1,
        elapsed_us: 1,
        resolver: Some("127.0.0.1:53".into()),
        queries: 1,
        tcp: false,
        rcode: Some(0),
        unchecked_rcode: None,
        authenticated: Some(false),
        extended_errors: Vec::new(),
        security: None,
        cnames: vec![],
        records,
        ending: Ending::Completed,
    }
}

pub(crate) fn domain(n: u64) -> DomainRow {
    let name = format!("d{n}.example");
    let txt = TxtRecord { segments: vec![ByteBuf::from(*b"v=STSv1; id=1;")], ttl: 1 };
    DomainRow {
        source: "list.csv".into(),
        line: n + 1,
        rank: Some(n + 1),
        columns: vec![InputColumn {
            name: "sector".into(),
            value: if n.is_multiple_of(2) { "retail".into() } else { "=law\u{1b}[31m".into() },
        }],
        mx: lookup(&name, vec![MxRecord { preference: 10, exchange: "mx.example".into(), ttl: 1 }]),
        ns: lookup(&name, vec![NsRecord { nameserver: "ns.example".into(), ttl: 1 }]),
        sts_txt: lookup(&format!("_mta-sts.{name}"), if n.is_multiple_of(3) { vec![txt] } else { vec![] }),
        tlsrpt_txt: lookup(&format!("_smtp._tls.{name}"), vec![]),
        aside_txt: vec![],
        domain: name.into(),
    }
}

fn tls(sni: &str) -> TlsObservation {
    TlsObservation {
        sni: sni.into(),
        elapsed_us: 1,
        version: Some("TLSv1.3".into()),
        cipher_suite: Some("TLS13_AES_128_GCM_SHA256".into()),
        group: Some("X25519".into()),
        chain: vec![ByteBuf::from([7; 32])],
        signature_scheme: Some("ecdsa_secp256r1_sha256".into()),
        signature_valid: Some(true),
        alert: None,
    }
}

pub(crate) fn policy(domain: &str, chunk: u32) -> PolicyRow {
    let host = format!("mta-sts.{domain}");
    let address = AddressRecord { address: "127.0.0.2".into(), ttl: 1 };
    PolicyRow {
        domain: domain.into(),
        chunk,
        a: lookup(&host, vec![address]),
        aaaa: lookup(&host, vec![]),
        started: 1,
        elapsed_us: 1,
        connects: vec![],
        tls: Some(tls(&host)),
        status: Some(200),
        headers: vec![],
        body: Some(ByteBuf::from(*b"version: STSv1\nmode: enforce\nmx: mx.example\nmax_age: 86400\n")),
        body_truncated: false,
        ending: Ending::Completed,
        host,
    }
}

pub(crate) fn mail_host(host: &str) -> MailHostRow {
    let address = AddressRecord { address: "127.0.0.3".into(), ttl: 1 };
    let tlsa = lookup(&format!("_25._tcp.{host}"), vec![]);
    let (a, aaaa) = (lookup(host, vec![address]), lookup(host, vec![]));
    MailHostRow { host: host.into(), a, aaaa, tlsa, tlsa_alias: None }
}

pub(crate) fn session(host: &str) -> SmtpSessionRow {
    let reply = |stage: &str, code: u16, line: &str| Reply {
        stage: stage.into(),
        code: Some(code),
        lines: vec![ByteBuf::from(line.as_bytes())],
        elapsed_us: 1,
    };
    SmtpSessionRow {
        host: host.into(),
        address: "127.0.0.3".into(),
        port: 25,
        started: 1,
        elapsed_us: 1,
        attempts: 1,
        reused_from: None,
        replies: vec![
            reply("banner", 220, "220 mx"),
            reply("ehlo", 250, "250 STARTTLS"),
            reply("starttls", 220, "220 go"),
            reply("ehlo-tls", 250, "250 mx"),
        ],
        early_bytes: None,
        tls: Some(tls(host)),
        legacy: None,
        ending: Ending::Completed,
    }
}

/// Not a certificate at all: what matters here is that it is found.
pub(crate) fn certificate() -> CertificateRow {
    CertificateRow {
        sha256: ByteBuf::from([7; 32]),
        der: ByteBuf::from([0x30, 0x00]),
        first_seen: 1,
        parse_error: Some("not a certificate".into()),
        subject: None,
        issuer: None,
        serial: None,
        not_before: None,
        not_after: None,
        san_dns: vec![],
        key_algorithm: None,
        key_bits: None,
        signature_algorithm: None,
        spki_sha256: None,
        is_ca: None,
        self_issued: None,
    }
}
