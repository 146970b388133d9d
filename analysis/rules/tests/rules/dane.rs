//! TLSA records against chains: OpenSSL's own vectors, where the collection is at hand, and cases of our own.

use std::fmt::Write as _;
use std::path::PathBuf;

use mxray_rules::{DaneOutcome, NearMiss, Tlsa, Unusable, match_tlsa};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest as _, Sha256, Sha512};

/// 2026-01-01, in microseconds.
const AT: i64 = 1_767_225_600_000_000;

/// A block of OpenSSL's file: records, chain, and what its verifier makes of them.
struct Block {
    number: usize,
    no_name_checks: bool,
    result: i32,
    depth: i32,
    records: Vec<(u8, u8, u8, Vec<u8>)>,
    chain: Vec<CertificateDer<'static>>,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    while let Some(head) = lines.next() {
        let numbers: Vec<i32> = head.split(' ').filter_map(|number| number.parse().ok()).collect();
        let [records, certificates, no_name_checks, result, depth] = numbers[..] else {
            panic!("no head of a block: {head}")
        };
        let records = lines.by_ref().take(usize::try_from(records).expect("a count")).map(record).collect();
        let mut pem = String::new();
        let mut ends = 0;
        while ends < certificates {
            let line = lines.next().expect("a certificate");
            writeln!(pem, "{line}").expect("sound test data");
            ends += i32::from(line == "-----END CERTIFICATE-----");
        }
        let chain =
            CertificateDer::pem_slice_iter(pem.as_bytes()).map(|der| der.expect("sound test data")).collect();
        let number = blocks.len() + 1;
        blocks.push(Block { number, no_name_checks: no_name_checks == 1, result, depth, records, chain });
    }
    blocks
}

fn record(line: &str) -> (u8, u8, u8, Vec<u8>) {
    let fields: Vec<&str> = line.split(' ').collect();
    let hex = fields[3].as_bytes().chunks(2);
    let data = hex
        .map(|pair| {
            u8::from_str_radix(std::str::from_utf8(pair).expect("sound test data"), 16)
                .expect("sound test data")
        })
        .collect();
    (
        fields[0].parse().expect("sound test data"),
        fields[1].parse().expect("sound test data"),
        fields[2].parse().expect("sound test data"),
        data,
    )
}

fn tlsa(record: &(u8, u8, u8, Vec<u8>)) -> Tlsa<'_> {
    Tlsa { usage: record.0, selector: record.1, matching: record.2, data: &record.3 }
}

/// What OpenSSL's figures are, in words: its verifier's code, or the depth at which it found a match.
fn openssl(block: &Block) -> String {
    match (block.result, block.depth) {
        (0, depth) => format!("authenticated at {depth}"),
        (62, _) => "name mismatch".to_owned(),
        (65, _) => "no match".to_owned(),
        (20, _) => "no issuer found".to_owned(),
        (code, _) => format!("error {code}"),
    }
}

fn ours(outcome: &DaneOutcome) -> String {
    match outcome {
        DaneOutcome::Unusable => "unusable".to_owned(),
        DaneOutcome::Authenticated { depth: Some(depth), .. } => format!("authenticated at {depth}"),
        DaneOutcome::Authenticated { depth: None, .. } => "authenticated by DNS alone".to_owned(),
        DaneOutcome::Mismatch(NearMiss::None) => "no match (nothing near)".to_owned(),
        DaneOutcome::Mismatch(near) => format!("no match ({})", near.as_str()),
        DaneOutcome::AnchorAbsent => "no match (anchor absent)".to_owned(),
        DaneOutcome::AnchorName => "name mismatch".to_owned(),
        DaneOutcome::AnchorPath(words) => format!("no path ({words})"),
    }
}

/// Why the two differ, where they do; `None` is a difference that nobody has explained.
fn verdict(block: &Block, openssl: &str, ours: &str) -> Option<&'static str> {
    let is_pkix = block.records.iter().all(|record| record.0 < 2);
    if is_pkix && ours == "unusable" {
        Some("not SMTP's: usages 0 and 1 are unusable there (RFC 7672 3.1.3)")
    } else if ours == openssl || (openssl == "no match" && ours.starts_with("no match")) {
        Some("agreed")
    } else if openssl.starts_with("authenticated") && ours == "authenticated by DNS alone" {
        Some("agreed; the anchor stands in the record, so that no certificate shown is counted as the match")
    } else if openssl == "name mismatch" && ours == "authenticated at 0" && block.records[0].0 == 3 {
        Some("ours: usage 3 asks for no name (RFC 7671 5.1, RFC 7672 3.1.1); OpenSSL was told to ask for one")
    } else {
        None
    }
}

#[test]
fn openssl_vectors_agree_but_for_what_the_table_explains() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("../../../shared/corpora/dane");
    if !folder.is_dir() {
        return eprintln!("skipped: no collection at {}", folder.display());
    }
    let mut table = String::from("file\tblock\trecords\tnames\topenssl\tmxray\tverdict\n");
    for (file, name) in [("danetest.in", "example.com"), ("dane-cross.in", "server.example")] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        for block in blocks(&text) {
            let records: Vec<Tlsa<'_>> = block.records.iter().map(tlsa).collect();
            let chain: Vec<&[u8]> = block.chain.iter().map(AsRef::as_ref).collect();
            let (ours, openssl) = (ours(&match_tlsa(&records, &chain, &[name], AT)), openssl(&block));
            let verdict = verdict(&block, &openssl, &ours)
                .unwrap_or_else(|| panic!("{file} {}: OpenSSL {openssl}, ours {ours}", block.number));
            let parameters: Vec<String> =
                records.iter().map(|r| format!("{} {} {}", r.usage, r.selector, r.matching)).collect();
            let names = if block.no_name_checks { "not asked" } else { "asked" };
            let cells =
                [file, &block.number.to_string(), &parameters.join(", "), names, &openssl, &ours, verdict];
            writeln!(table, "{}", cells.join("\t")).unwrap();
        }
    }
    let golden = root.join("tests/golden/dane_vectors.tsv");
    if std::env::var_os("MXRAY_BLESS").is_some() {
        std::fs::write(&golden, &table).unwrap();
    }
    assert_eq!(std::fs::read_to_string(golden).unwrap(), table, "MXRAY_BLESS=1 writes the table anew");
}

/// A root, an intermediate and a leaf for `mx.example.test`, all of usual dates but where `leaf` says otherwise.
struct Chain {
    ders: Vec<Vec<u8>>,
}

impl Chain {
    fn new(leaf: impl FnOnce(&mut CertificateParams)) -> Self {
        let ca = |name: &str| {
            let mut params = CertificateParams::new(Vec::new()).expect("sound test data");
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            params
        };
        let keys: Vec<KeyPair> = (0..3).map(|_| KeyPair::generate().expect("sound test data")).collect();
        let root = ca("Root");
        let root_der = root.self_signed(&keys[0]).expect("sound test data");
        let intermediate = ca("Intermediate");
        let root = Issuer::new(root, &keys[0]);
        let intermediate_der = intermediate.signed_by(&keys[1], &root).expect("sound test data");
        let intermediate = Issuer::new(intermediate, &keys[1]);
        let mut params = CertificateParams::new(["mx.example.test".to_owned()]).expect("sound test data");
        leaf(&mut params);
        let leaf_der = params.signed_by(&keys[2], &intermediate).expect("sound test data");
        Self { ders: [leaf_der, intermediate_der, root_der].map(|der| der.der().to_vec()).into() }
    }

    fn shown(&self) -> Vec<&[u8]> {
        self.ders.iter().map(Vec::as_slice).collect()
    }

    fn key(&self, depth: usize) -> &[u8] {
        let (_, parsed) = x509_parser::parse_x509_certificate(&self.ders[depth]).expect("sound test data");
        let raw = parsed.tbs_certificate.subject_pki.raw;
        let at =
            self.ders[depth].windows(raw.len()).position(|window| window == raw).expect("sound test data");
        &self.ders[depth][at..at + raw.len()]
    }
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

fn sha512(bytes: &[u8]) -> Vec<u8> {
    Sha512::digest(bytes).to_vec()
}

const fn of(usage: u8, selector: u8, matching: u8, data: &[u8]) -> Tlsa<'_> {
    Tlsa { usage, selector, matching, data }
}

fn outcome(records: &[Tlsa<'_>], chain: &Chain) -> DaneOutcome {
    match_tlsa(records, &chain.shown(), &["mx.example.test"], AT)
}

#[test]
fn rfc7671_5_1_usage_3_asks_for_neither_name_nor_dates() {
    let chain = Chain::new(|leaf| {
        leaf.subject_alt_names.clear();
        leaf.not_after = rcgen::date_time_ymd(2001, 1, 1);
    });
    let digest = sha256(chain.key(0));
    let expected = DaneOutcome::Authenticated { record: 0, depth: Some(0) };
    assert_eq!(outcome(&[of(3, 1, 1, &digest)], &chain), expected);
}

#[test]
fn rfc7671_5_2_usage_2_asks_for_the_name_and_for_dates() {
    let chain = Chain::new(|_| {});
    let digest = sha256(chain.key(1));
    let records = [of(2, 1, 1, &digest)];
    assert_eq!(outcome(&records, &chain), DaneOutcome::Authenticated { record: 0, depth: Some(1) });
    assert_eq!(match_tlsa(&records, &chain.shown(), &["other.test"], AT), DaneOutcome::AnchorName);
    let also = ["other.test", "mx.example.test"];
    assert!(matches!(match_tlsa(&records, &chain.shown(), &also, AT), DaneOutcome::Authenticated { .. }));

    let ended = Chain::new(|leaf| leaf.not_after = rcgen::date_time_ymd(2001, 1, 1));
    let digest = sha256(ended.key(1));
    assert!(matches!(outcome(&[of(2, 1, 1, &digest)], &ended), DaneOutcome::AnchorPath(_)));
}

#[test]
fn rfc7672_3_1_2_an_anchor_that_is_not_shown_authenticates_nobody() {
    let chain = Chain::new(|_| {});
    let root = sha256(&chain.ders[2]);
    assert!(matches!(outcome(&[of(2, 0, 1, &root)], &chain), DaneOutcome::Authenticated { .. }));
    let without_root = &chain.shown()[..2];
    assert_eq!(
        match_tlsa(&[of(2, 0, 1, &root)], without_root, &["mx.example.test"], AT),
        DaneOutcome::AnchorAbsent
    );
    // In full, the record brings the anchor along.
    assert_eq!(
        match_tlsa(&[of(2, 0, 0, &chain.ders[2])], without_root, &["mx.example.test"], AT),
        DaneOutcome::Authenticated { record: 0, depth: None }
    );
}

#[test]
fn an_anchor_by_name_that_did_not_sign_is_no_anchor() {
    let (chain, stranger) = (Chain::new(|_| {}), Chain::new(|_| {}));
    assert!(matches!(
        match_tlsa(&[of(2, 0, 0, &stranger.ders[1])], &chain.shown(), &["mx.example.test"], AT),
        DaneOutcome::AnchorPath(_)
    ));
    assert!(matches!(
        match_tlsa(&[of(2, 1, 0, stranger.key(1))], &chain.shown(), &["mx.example.test"], AT),
        DaneOutcome::AnchorPath(_)
    ));
}

#[test]
fn rfc7671_9_of_two_digests_the_stronger_counts() {
    let chain = Chain::new(|_| {});
    let (weak, wrong) = (sha256(chain.key(0)), sha512(b"another key"));
    let records = [of(3, 1, 1, &weak), of(3, 1, 2, &wrong)];
    assert_eq!(outcome(&records, &chain), DaneOutcome::Mismatch(NearMiss::WeakerDigest));
    // Under another selector they do not compete.
    let records = [of(3, 1, 1, &weak), of(3, 0, 2, &wrong)];
    assert_eq!(outcome(&records, &chain), DaneOutcome::Authenticated { record: 0, depth: Some(0) });
}

#[test]
fn a_mismatch_says_what_it_is_near() {
    let chain = Chain::new(|_| {});
    let cases = [
        (3, 0, 1, sha256(chain.key(0)), NearMiss::SelectorOrType),
        (3, 1, 1, sha256(&chain.ders[0]), NearMiss::SelectorOrType),
        (3, 1, 1, sha256(chain.key(1)), NearMiss::Usage),
        (2, 1, 1, sha256(chain.key(0)), NearMiss::Usage),
        (3, 1, 1, sha256(b""), NearMiss::DigestOfNothing),
        (3, 1, 2, sha512(b""), NearMiss::DigestOfNothing),
        (3, 1, 1, sha256(b"the key of last year"), NearMiss::None),
    ];
    for (usage, selector, matching, data, near) in cases {
        let record = of(usage, selector, matching, &data);
        assert_eq!(outcome(&[record], &chain), DaneOutcome::Mismatch(near), "{record:?}");
    }
}

#[test]
fn rfc7672_2_2_records_that_nobody_can_use_are_not_a_mismatch() {
    let chain = Chain::new(|_| {});
    let digest = sha256(chain.key(0));
    let cases = [
        (of(1, 1, 1, &digest), Unusable::PkixUsage),
        (of(0, 1, 1, &digest), Unusable::PkixUsage),
        (of(4, 1, 1, &digest), Unusable::UnknownParameter),
        (of(3, 2, 1, &digest), Unusable::UnknownParameter),
        (of(3, 1, 3, &digest), Unusable::UnknownParameter),
        (of(3, 1, 1, &digest[..31]), Unusable::DigestLength),
        (of(3, 1, 2, &digest), Unusable::DigestLength),
        (of(3, 1, 0, &digest), Unusable::Malformed),
        (of(2, 0, 0, b""), Unusable::Malformed),
    ];
    for (record, why) in cases {
        assert_eq!(record.unusable(), Some(why), "{record:?}");
        assert_eq!(outcome(&[record], &chain), DaneOutcome::Unusable);
        // Beside a good one it does no harm.
        let good = of(3, 1, 1, &digest);
        assert_eq!(
            outcome(&[record, good], &chain),
            DaneOutcome::Authenticated { record: 1, depth: Some(0) }
        );
    }
}

#[test]
fn a_chain_of_nothing_matches_nothing() {
    let digest = sha256(b"x");
    let records = [of(3, 1, 1, &digest)];
    assert_eq!(match_tlsa(&records, &[], &["mx.example.test"], AT), DaneOutcome::Mismatch(NearMiss::None));
    let noise: [&[u8]; 2] = [b"", b"not a certificate"];
    assert_eq!(match_tlsa(&records, &noise, &["a.test"], AT), DaneOutcome::Mismatch(NearMiss::None));
    let anchors = [of(2, 0, 1, &digest)];
    assert_eq!(match_tlsa(&anchors, &noise, &["a.test"], AT), DaneOutcome::AnchorAbsent);
}
