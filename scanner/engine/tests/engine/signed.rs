//! DNSSEC as it is met: every algorithm, every proof and every way to break one, in zones signed by ldns and served by
//! NSD. What we write down of each name, through Unbound's AD bit, stands beside what Unbound's own library says, and
//! what hickory's validator said. Where the programs are not installed, the test says so and is skipped.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mxray_engine::{DnsSettings, Resolver};
use mxray_evidence::{Lookup, LookupStatus, Security};

use crate::name_servers::{Ds, NameServers, PROGRAMS, Signing, Zone, is_installed, program};
use crate::servers::dns_settings;

/// How long the servers may take until they answer.
const STARTING: Duration = Duration::from_secs(20);
const GOLDEN: &str = "tests/golden/dnssec.md";
/// What hickory's validator said, name by name: measured by `scripts/dnssec`.
const HICKORY: &str = "tests/golden/hickory.tsv";

/// A zone that nobody serves.
const DEAD: &str = "dead";
const RECORDS: &str = "@ MX 10 mx\nmx A 192.0.2.1\ntxt TXT \"v=spf1 -all\"\ndeep.ent A 192.0.2.3\n*.wild A 192.0.2.2\n\
    *.alias CNAME mx.p384.\ntosecure CNAME mx.p384.\ntoplain CNAME mx.plain.\ntoexpired CNAME mx.expired.\n\
    tonothing CNAME none.p384.\ntodead CNAME mx.dead.\ntoexotic CNAME mx.exotic.\ntoalias CNAME tosecure.nsec3.\n\
    toany CNAME any.wild.nsec3.\ndn DNAME p384.";

fn zones() -> Vec<Zone> {
    let records = format!("{RECORDS}\n_25._tcp.mx TLSA 3 1 1 {}", "ab".repeat(32));
    let signed = |name: &str| Zone::signed(name, &records);
    let by = |name: &str, algorithms: &'static [&'static str], args: &'static [&'static str]| Zone {
        signing: Some(Signing { algorithms, args }),
        ..signed(name)
    };
    let p256 = |name, args| by(name, &["ECDSAP256SHA256"], args);
    let ds = |name, ds| Zone { ds, ..signed(name) };
    let bent = |name, bend| Zone { bend, ..signed(name) };
    vec![
        by("rsasha1", &["RSASHA1"], &[]),
        by("nsec3rsasha1", &["RSASHA1-NSEC3-SHA1"], &["-n", "-t", "0"]),
        by("rsa", &["RSASHA256"], &[]),
        by("rsa512", &["RSASHA512"], &[]),
        signed("p256"),
        by("p384", &["ECDSAP384SHA384"], &[]),
        by("ed25519", &["ED25519"], &[]),
        by("ed448", &["ED448"], &[]),
        by("rsamd5", &["RSAMD5"], &[]),
        by("dual", &["RSASHA256", "ECDSAP256SHA256"], &[]),
        p256("nsec3", &["-n", "-t", "0"]),
        p256("optout", &["-n", "-p", "-t", "0"]),
        p256("iter100", &["-n", "-t", "100", "-s", "abcd"]),
        p256("iter500", &["-n", "-t", "500", "-s", "abcd"]),
        Zone::unsigned("plain", &records),
        Zone::unsigned("open.p256", "mx A 192.0.2.1"),
        Zone::unsigned("open.nsec3", "mx A 192.0.2.1"),
        Zone::unsigned("open.optout", "mx A 192.0.2.1"),
        Zone::signed("child.p256", "mx A 192.0.2.1"),
        Zone::signed("child.open.p256", "mx A 192.0.2.1"),
        ds("island", Ds::None),
        p256("expired", &["-i", "20200101000000", "-e", "20200201000000"]),
        p256("future", &["-i", "20360101000000", "-e", "20360201000000"]),
        ds(
            "keyless",
            Ds::False(&["12345 13 2 cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"]),
        ),
        ds(
            "exotic",
            Ds::False(&["12345 200 2 cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"]),
        ),
        ds("oddhash", Ds::False(&["12345 13 99 cdcdcdcd"])),
        ds("manyds", Ds::And("12345 13 2 cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd")),
        ds("sha384", Ds::Sha384),
        Zone {
            ds: Ds::False(&["12345 13 2 cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"]),
            ..Zone::unsigned("stripped", &records)
        },
        bent("unsigneda", |zone| without(&zone, &["\tRRSIG\tA "])),
        bent("unsignedkey", |zone| without(&zone, &["\tRRSIG\tDNSKEY "])),
        bent("unproven", |zone| without(&zone, &["\tNSEC\t", "\tRRSIG\tNSEC "])),
        bent("forged", |zone| zone.replace("192.0.2.1", "192.0.2.66").replace("192.0.2.2", "192.0.2.67")),
    ]
}

/// A zone without the lines that hold any of the words.
fn without(zone: &str, words: &[&str]) -> String {
    let kept = zone.lines().filter(|line| !words.iter().any(|word| line.contains(word)));
    kept.collect::<Vec<_>>().join("\n") + "\n"
}

use LookupStatus::{Failed, Found, NoData, NxDomain};
use Security::{Bogus, Indeterminate, Insecure, Secure};

const SERVFAIL: LookupStatus = Failed(2);

/// A name, the type asked for, what is planted there, and what must come of it.
type Row = (&'static str, &'static str, &'static str, Security, LookupStatus);

const NAMES: &[Row] = &[
    ("mx.rsasha1", "A", "algorithm 5, RSA with SHA-1", Secure, Found),
    ("mx.nsec3rsasha1", "A", "algorithm 7, RSA with SHA-1", Secure, Found),
    ("none.nsec3rsasha1", "A", "algorithm 7, no such name", Secure, NxDomain),
    ("mx.rsa", "A", "algorithm 8, RSA with SHA-256", Secure, Found),
    ("mx.rsa512", "A", "algorithm 10, RSA with SHA-512", Secure, Found),
    ("mx.p256", "A", "algorithm 13, P-256", Secure, Found),
    ("mx.p384", "A", "algorithm 14, P-384", Secure, Found),
    ("mx.ed25519", "A", "algorithm 15, Ed25519", Secure, Found),
    ("mx.ed448", "A", "algorithm 16, Ed448", Secure, Found),
    (
        "mx.rsamd5",
        "A",
        "algorithm 1, RSA with MD5, which nobody may validate (RFC 8624 §3.1)",
        Insecure,
        Found,
    ),
    ("mx.dual", "A", "algorithms 8 and 13 together", Secure, Found),
    ("p384", "MX", "other types", Secure, Found),
    ("_25._tcp.mx.p256", "TLSA", "other types", Secure, Found),
    ("txt.p256", "TXT", "other types", Secure, Found),
    ("none.p256", "A", "no such name, by NSEC", Secure, NxDomain),
    ("txt.p256", "A", "no such type, by NSEC", Secure, NoData),
    ("ent.p256", "A", "an empty non-terminal, by NSEC", Secure, NoData),
    ("_25._tcp.none.p256", "TLSA", "no such name, by NSEC", Secure, NxDomain),
    ("none.nsec3", "A", "no such name, by NSEC3", Secure, NxDomain),
    ("txt.nsec3", "A", "no such type, by NSEC3", Secure, NoData),
    ("ent.nsec3", "A", "an empty non-terminal, by NSEC3", Secure, NoData),
    ("mx.optout", "A", "a name in a zone with opt-out", Secure, Found),
    (
        "none.optout",
        "A",
        "no such name under an opt-out span, which proves nothing (RFC 5155 §9.2)",
        Insecure,
        NxDomain,
    ),
    ("none.iter100", "A", "no such name, by NSEC3 of 100 iterations", Secure, NxDomain),
    ("mx.iter500", "A", "a name in a zone with NSEC3 of 500 iterations", Secure, Found),
    ("none.iter500", "A", "no such name, by NSEC3 of 500 iterations (RFC 9276 §3.2)", Insecure, NxDomain),
    ("any.wild.p256", "A", "a wildcard, by NSEC", Secure, Found),
    ("any.wild.nsec3", "A", "a wildcard, by NSEC3", Secure, Found),
    ("any.wild.optout", "A", "a wildcard under an opt-out span", Insecure, Found),
    ("any.wild.p256", "TXT", "a wildcard without the type, by NSEC", Secure, NoData),
    ("any.wild.nsec3", "TXT", "a wildcard without the type, by NSEC3", Secure, NoData),
    ("any.alias.p256", "A", "a wildcard that is an alias, by NSEC", Secure, Found),
    ("any.alias.nsec3", "A", "a wildcard that is an alias, by NSEC3", Secure, Found),
    ("tosecure.p256", "A", "an alias into another signed zone", Secure, Found),
    ("toalias.p256", "A", "two aliases over three signed zones", Secure, Found),
    ("toany.p256", "A", "an alias of a wildcard, by NSEC3", Secure, Found),
    ("tonothing.p256", "A", "an alias of a name that is not there", Secure, NxDomain),
    ("mx.dn.p256", "A", "an alias by DNAME", Secure, Found),
    ("toplain.p256", "A", "an alias into an unsigned zone", Insecure, Found),
    ("toexotic.p256", "A", "an alias into a zone whose algorithm nobody knows", Insecure, Found),
    ("tosecure.plain", "A", "an unsigned alias into a signed zone", Insecure, Found),
    ("toexpired.p256", "A", "an alias of a name that does not validate", Bogus, SERVFAIL),
    ("todead.p256", "A", "an alias into a zone that nobody serves", Indeterminate, SERVFAIL),
    ("mx.child.p256", "A", "a signed zone below a signed one", Secure, Found),
    ("mx.open.p256", "A", "an unsigned zone below a signed one, by NSEC", Insecure, Found),
    ("mx.open.nsec3", "A", "an unsigned zone below a signed one, by NSEC3", Insecure, Found),
    ("mx.open.optout", "A", "an unsigned zone below a signed one, by opt-out", Insecure, Found),
    ("mx.child.open.p256", "A", "a signed zone below an unsigned one", Insecure, Found),
    ("mx.plain", "A", "an unsigned zone", Insecure, Found),
    ("none.plain", "A", "an unsigned zone, no such name", Insecure, NxDomain),
    ("mx.island", "A", "a signed zone without a DS", Insecure, Found),
    ("mx.manyds", "A", "two DS, one of them of no key that is there", Secure, Found),
    ("mx.sha384", "A", "a DS with SHA-384", Secure, Found),
    ("mx.exotic", "A", "a DS of an algorithm that nobody knows (RFC 4035 §5.2)", Insecure, Found),
    ("mx.oddhash", "A", "a DS with a digest that nobody knows (RFC 4509 §3)", Insecure, Found),
    ("mx.keyless", "A", "a DS without its key", Bogus, SERVFAIL),
    ("mx.stripped", "A", "a DS and no signatures", Bogus, SERVFAIL),
    ("mx.unsigneda", "A", "the signature of the record taken away", Bogus, SERVFAIL),
    ("txt.unsigneda", "TXT", "another record of that zone", Secure, Found),
    ("mx.unsignedkey", "A", "the signature of the keys taken away", Bogus, SERVFAIL),
    ("none.unproven", "A", "no such name, the proof taken away", Bogus, SERVFAIL),
    ("txt.unproven", "A", "no such type, the proof taken away", Bogus, SERVFAIL),
    ("any.wild.unproven", "A", "a wildcard, the proof taken away", Bogus, SERVFAIL),
    ("mx.unproven", "A", "a record of that zone that needs none", Secure, Found),
    ("mx.forged", "A", "a record changed after it was signed", Bogus, SERVFAIL),
    ("any.wild.forged", "A", "a wildcard changed after it was signed", Bogus, SERVFAIL),
    ("mx.expired", "A", "signatures that have run out", Bogus, SERVFAIL),
    ("none.expired", "A", "signatures that have run out, no such name", Bogus, SERVFAIL),
    ("_25._tcp.mx.expired", "TLSA", "signatures that have run out", Bogus, SERVFAIL),
    ("mx.future", "A", "signatures that do not count yet", Bogus, SERVFAIL),
    ("mx.dead", "A", "a zone that nobody serves", Indeterminate, SERVFAIL),
];

/// Who says otherwise than we do, of which names, and why. What hickory was given holds all that is needed, as `drill -D`
/// shows of the same resolver.
const EXPLAINED: &[(&str, &[&str], &str)] = &[
    (
        "Unbound",
        &["mx.ed448"],
        "its library is built with nettle here, and knows no Ed448; the server, with OpenSSL, does",
    ),
    ("Unbound", &["todead.p256", "mx.dead"], "it has no answer, and no word for that"),
    ("hickory", &["todead.p256", "mx.dead"], "it has no answer, and no word for that"),
    ("hickory", &["mx.ed448"], "it knows no Ed448 (RFC 8080 §4)"),
    (
        "hickory",
        &["none.optout", "any.wild.optout"],
        "wrong: an opt-out span proves no absence (RFC 5155 §9.2)",
    ),
    (
        "hickory",
        &["any.wild.p256", "any.alias.p256"],
        "wrong: the NSEC that proves the wildcard is there (RFC 4035 §5.3.4)",
    ),
    ("hickory", &["toany.p256"], "wrong: asked for by its own name, the wildcard is secure to it"),
    ("hickory", &["tonothing.p256"], "wrong: asked for by its own name, its absence is secure to it"),
    (
        "hickory",
        &["mx.dn.p256"],
        "wrong: a CNAME that is made of a DNAME has no signature of its own (RFC 6672 §5.3.1)",
    ),
    ("hickory", &["mx.child.open.p256"], "wrong: below a proven gap nothing is bogus (RFC 4035 §4.3)"),
];

#[tokio::test]
async fn our_verdict_is_unbounds_for_every_name_of_a_signed_world() {
    let needed = PROGRAMS.into_iter().chain(["unbound-host", "ldns-key2ds"]);
    let missing: Vec<&str> = needed.filter(|program| !is_installed(program)).collect();
    if !missing.is_empty() {
        assert!(std::env::var_os("CI").is_none(), "not installed: {}", missing.join(", "));
        return eprintln!("SKIPPED: not installed: {}", missing.join(", "));
    }
    let servers = NameServers::start(&zones(), &[DEAD], None);
    let resolver = ready_resolver(&servers).await;
    let root = resolver.ns(".").await;
    assert_eq!((root.status(), root.authenticated), (Found, Some(true)), "the root shows that it validates");

    let unbound = ask_unbound(&servers.file("unbound.conf"));
    if let Some(hickory) = std::env::var_os("MXRAY_HICKORY") {
        measure_hickory(Path::new(&hickory), &servers);
    }
    let hickory = read_hickory();
    let mut table = String::from(HEAD);
    let mut surprises = Vec::new();
    for ((name, kind, planted, security, status), unbound) in NAMES.iter().zip(unbound) {
        let asked = ask(&resolver, name, kind).await;
        let (ours, answer) = (asked.security.map_or("none", Security::as_str), words(asked.status));
        if (asked.security, asked.status) != (Some(*security), *status) {
            surprises.push(format!("{name} {kind}: expected {security} {status:?}, got {asked:?}"));
        }
        let hickory = hickory.get(&format!("{name} {kind}")).map_or("not measured", String::as_str);
        let mut why = Vec::new();
        for (whose, verdict) in [("Unbound", unbound.as_str()), ("hickory", hickory)] {
            let known = EXPLAINED.iter().find(|(who, names, _)| *who == whose && names.contains(name));
            match (verdict == ours, known) {
                (true, _) => {}
                (false, Some((_, _, words))) => why.push(format!("{whose}: {words}")),
                (false, None) => {
                    surprises.push(format!("{name} {kind}: {whose} says {verdict}, we say {ours}"));
                }
            }
        }
        let (codes, why) = (asked.codes.join(" "), why.join("; "));
        writeln!(
            table,
            "| {name} | {kind} | {planted} | {answer} | {codes} | {ours} | {unbound} | {hickory} | {why} |"
        )
        .unwrap();
    }
    assert!(surprises.is_empty(), "{}\n{table}\n{}", surprises.join("\n"), servers.logs());
    if std::env::var_os("MXRAY_BLESS").is_some() {
        std::fs::write(here(GOLDEN), &table).unwrap();
    }
    assert_eq!(std::fs::read_to_string(here(GOLDEN)).unwrap_or_default(), table, "MXRAY_BLESS=1 accepts it");
}

const HEAD: &str = "\
# DNSSEC in a world of signed zones

Signed by ldns, served by NSD, resolved by Unbound. *answer* and *extended errors* (RFC 8914) are as the resolver gave them;
*mxray* is the word written in evidence, by the AD bit, the same question with CD, and the extended errors; *Unbound* is its
library's own word (`unbound-host -v`); *hickory* is hickory-resolver 0.26.3's validator behind an Unbound that does not
validate, as `scripts/dnssec` measured it. `scanner/engine/tests/engine/signed.rs` makes this file.

| name | type | planted | answer | extended errors | mxray | Unbound | hickory | a difference, and why |
|---|---|---|---|---|---|---|---|---|
";

/// What we write down of a name.
#[derive(Debug)]
struct Asked {
    status: LookupStatus,
    security: Option<Security>,
    codes: Vec<String>,
}

async fn ask(resolver: &Resolver, name: &str, kind: &str) -> Asked {
    fn asked<R>(lookup: &Lookup<R>) -> Asked {
        let mut codes: Vec<String> =
            lookup.extended_errors.iter().map(|error| error.code.to_string()).collect();
        codes.dedup();
        Asked { status: lookup.status(), security: lookup.security, codes }
    }
    match kind {
        "A" => asked(&resolver.a(name).await),
        "MX" => asked(&resolver.mx(name).await),
        "TXT" => asked(&resolver.txt(name).await),
        "TLSA" => asked(&resolver.tlsa(name).await),
        other => panic!("nobody asks for {other}"),
    }
}

fn words(status: LookupStatus) -> &'static str {
    match status {
        Found => "found",
        NoData => "no data",
        NxDomain => "no name",
        Failed(2) => "SERVFAIL",
        Failed(_) => "failed",
        LookupStatus::Unanswered => "none",
    }
}

/// A resolver that has been answered once.
async fn ready_resolver(servers: &NameServers) -> Resolver {
    let patience = Duration::from_secs(5);
    let settings = DnsSettings { timeout: patience, retries: 1, ..dns_settings(&[servers.validating]) };
    let resolver = Resolver::new(settings).unwrap();
    let begin = Instant::now();
    while resolver.a("mx.plain").await.status() != Found {
        assert!(begin.elapsed() < STARTING, "the servers do not answer:\n{}", servers.logs());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    resolver
}

/// What Unbound's library says of each name: its own word, not the AD bit.
fn ask_unbound(config: &Path) -> Vec<String> {
    let of = |&(name, kind, ..): &Row| {
        let output =
            program("unbound-host").arg("-C").arg(config).args(["-v", "-t", kind, name]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let words = [("(BOGUS", "bogus"), ("(secure)", "secure"), ("(insecure)", "insecure")];
        // One that is not proven to be secure speaks for the chain.
        words.into_iter().find(|(mark, _)| text.contains(mark)).map_or("failed", |(_, word)| word).to_owned()
    };
    NAMES.iter().map(of).collect()
}

/// Has hickory's validator judge each name through a resolver that does not validate, and writes it down.
fn measure_hickory(binary: &Path, servers: &NameServers) {
    let mut process = Command::new(binary)
        .arg(servers.plain.to_string())
        .arg(servers.file("root.key"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = process.stdin.take().unwrap();
    for (name, kind, ..) in NAMES {
        writeln!(stdin, "{name} {kind}").unwrap();
    }
    drop(stdin);
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success());
    std::fs::write(here(HICKORY), output.stdout).unwrap();
}

fn read_hickory() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(here(HICKORY)).unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    lines.map(|(question, verdict)| (question.to_owned(), verdict.to_owned())).collect()
}

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
