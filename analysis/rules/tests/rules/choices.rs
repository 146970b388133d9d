//! webpki's choices, where OpenSSL or Go choose otherwise: what each test shows is what the module says of them.

use std::path::Path;
use std::process::Command;

use mxray_evidence::Micros;
use mxray_rules::{ChainProblem as P, TrustStore, assess_chain};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, GeneralSubtree,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType, date_time_ymd,
};

const HOST: &str = "mx1.example.net";
/// The middle of the year in which everything here is valid.
const AT_DATE: (i32, u8, u8) = (2025, 6, 1);

fn at() -> Micros {
    date_time_ymd(AT_DATE.0, AT_DATE.1, AT_DATE.2).unix_timestamp() * 1_000_000
}

type Signer = Issuer<'static, KeyPair>;

/// A CA: its DER, its PEM, and what signs with it.
struct Ca {
    der: Vec<u8>,
    pem: String,
    signer: Signer,
}

fn blank(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2026, 1, 1);
    params
}

fn ca(name: &str, above: Option<&Ca>, change: impl FnOnce(&mut CertificateParams)) -> Ca {
    let mut params = blank(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut params);
    let key = KeyPair::generate().expect("a key");
    let certificate = match above {
        Some(above) => params.signed_by(&key, &above.signer),
        None => params.self_signed(&key),
    }
    .expect("a certificate");
    Ca { der: certificate.der().to_vec(), pem: certificate.pem(), signer: Issuer::new(params, key) }
}

fn leaf(above: &Ca, change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut params = blank("leaf");
    params.subject_alt_names = vec![dns(HOST)];
    change(&mut params);
    let key = KeyPair::generate().expect("a key");
    params.signed_by(&key, &above.signer).expect("a certificate").der().to_vec()
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().expect("ASCII"))
}

fn store(roots: &[&str]) -> TrustStore {
    roots.iter().fold(TrustStore::empty(), |store, pem| store.with_pem(pem.as_bytes()).expect("a root"))
}

/// What is wrong with a leaf that is changed so, under a root and a sound intermediate.
fn problems(host: &str, change: impl FnOnce(&mut CertificateParams)) -> Vec<P> {
    let root = ca("root", None, |_| {});
    let middle = ca("intermediate", Some(&root), |_| {});
    let leaf = leaf(&middle, change);
    assess_chain(&[&leaf, &middle.der], host, at(), &store(&[&root.pem])).problems
}

/// What is wrong with a sound leaf under an intermediate that is changed so.
fn under(change: impl FnOnce(&mut CertificateParams)) -> Vec<P> {
    let root = ca("root", None, |_| {});
    let middle = ca("intermediate", Some(&root), change);
    let leaf = leaf(&middle, |_| {});
    assess_chain(&[&leaf, &middle.der], HOST, at(), &store(&[&root.pem])).problems
}

#[test]
fn names_stand_among_the_alternative_names_alone_and_are_compared_without_case() {
    let named = |name: &str, host: &str| problems(host, |params| params.subject_alt_names = vec![dns(name)]);
    assert_eq!(named("MX1.Example.NET", HOST), []);
    assert_eq!(named("_mx._tcp.example.net", "_mx._tcp.example.net"), [], "an underscore is a letter");
    assert_eq!(
        named("*.net", "example.net"),
        [P::Name],
        "as NSS: two labels must follow the asterisk; Go takes it"
    );
    assert_eq!(named("m*1.example.net", HOST), [P::Name], "OpenSSL takes a part of a label by default");
    assert_eq!(named("*.*.net", HOST), [P::Name]);
    assert_eq!(named("mx1.example.net.", HOST), [P::Name], "a name shown has no last dot");
    assert_eq!(
        named("xn--mx1-hoa.example.net", "xn--mx1-hoa.example.net"),
        [],
        "A-labels are letters like others"
    );
    let without = |params: &mut CertificateParams| {
        params.subject_alt_names.clear();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, HOST);
    };
    assert_eq!(
        problems(HOST, without),
        [P::Name],
        "OpenSSL looks at the common name where there is no DNS-ID"
    );
    let address = SanType::IpAddress("192.0.2.1".parse().expect("an address"));
    assert_eq!(problems(HOST, |params| params.subject_alt_names = vec![address.clone()]), [P::Name]);
    assert_eq!(problems("192.0.2.1", |params| params.subject_alt_names = vec![address]), [P::Name]);
}

#[test]
fn a_leaf_that_says_it_is_a_ca_is_none() {
    let as_ca = |params: &mut CertificateParams| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    assert_eq!(problems(HOST, as_ca), [P::Malformed], "OpenSSL and Go take it");
    // A certificate that is its own anchor, as where an operator's file of roots holds a server's own.
    let own = ca(HOST, None, |params| params.subject_alt_names = vec![dns(HOST)]);
    let problems = assess_chain(&[&own.der], HOST, at(), &store(&[&own.pem])).problems;
    assert_eq!(problems, [P::SelfSigned], "OpenSSL and Go take a trusted leaf for its own anchor");
}

#[test]
fn the_purpose_of_a_leaf_counts_and_its_key_usage_does_not() {
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, ServerAuth};
    let purpose =
        |list: Vec<ExtendedKeyUsagePurpose>| problems(HOST, |params| params.extended_key_usages = list);
    assert_eq!(purpose(vec![]), [], "without the extension, any purpose");
    assert_eq!(purpose(vec![ClientAuth, ServerAuth]), []);
    assert_eq!(purpose(vec![ClientAuth]), [P::Malformed]);
    assert_eq!(purpose(vec![Any]), [P::Malformed], "Go takes anyExtendedKeyUsage");
    let usage = |list: Vec<KeyUsagePurpose>| problems(HOST, |params| params.key_usages = list);
    assert_eq!(
        usage(vec![KeyUsagePurpose::CrlSign]),
        [],
        "OpenSSL refuses a key that may not sign or encipher"
    );
}

#[test]
fn an_intermediate_that_may_not_issue_does_not() {
    assert_eq!(under(|_| {}), []);
    assert_eq!(under(|params| params.is_ca = IsCa::NoCa), [P::Malformed]);
    let client = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    assert_eq!(under(client), [P::Malformed], "its purposes bind those below it, in OpenSSL and Go as well");
    let constrained = |permitted: &str| {
        let subtrees = vec![GeneralSubtree::DnsName(permitted.to_owned())];
        under(|params| {
            params.name_constraints =
                Some(NameConstraints { permitted_subtrees: subtrees, excluded_subtrees: Vec::new() });
        })
    };
    assert_eq!(constrained("example.net"), []);
    assert_eq!(constrained("example.org"), [P::Malformed], "the name matches, and may not be given");
    // An extension that nobody knows and that must be understood (RFC 5280 §4.2).
    let unknown = |params: &mut CertificateParams| {
        let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        extension.set_criticality(true);
        params.custom_extensions = vec![extension];
    };
    assert_eq!(under(unknown), [P::Malformed]);
    let shut = |params: &mut CertificateParams| params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    assert_eq!(under(shut), [], "key usage of a CA is not looked at; OpenSSL and Go want keyCertSign");
}

#[test]
fn a_chain_has_at_most_six_intermediates() {
    let chain = |length: usize| {
        let root = ca("root", None, |_| {});
        let mut middles: Vec<Ca> = Vec::new();
        for number in 0..length {
            let above = middles.last().unwrap_or(&root);
            middles.push(ca(&format!("intermediate {number}"), Some(above), |_| {}));
        }
        let leaf = leaf(middles.last().expect("one"), |_| {});
        let mut shown = vec![leaf.as_slice()];
        shown.extend(middles.iter().rev().map(|ca| ca.der.as_slice()));
        assess_chain(&shown, HOST, at(), &store(&[&root.pem])).problems
    };
    assert_eq!(chain(6), []);
    assert_eq!(chain(7), [P::Malformed], "OpenSSL stops at a hundred, Go nowhere");
}

#[test]
fn a_cross_signed_intermediate_is_taken_by_the_way_that_is_open() {
    let (old, new) = (ca("old root", None, |_| {}), ca("new root", None, |_| {}));
    let past = |params: &mut CertificateParams| params.not_after = date_time_ymd(2025, 1, 1);
    // One intermediate under two roots: the same name and key, two certificates, of which one has run out.
    let key = KeyPair::generate().expect("a key");
    let mut params = blank("intermediate");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let fresh = params.signed_by(&key, &new.signer).expect("a certificate").der().to_vec();
    past(&mut params);
    let stale = params.signed_by(&key, &old.signer).expect("a certificate").der().to_vec();
    let middle = Ca { der: fresh.clone(), pem: String::new(), signer: Issuer::new(params, key) };
    let leaf = leaf(&middle, |_| {});
    let judge = |shown: &[&[u8]], roots: &[&str]| assess_chain(shown, HOST, at(), &store(roots)).problems;
    assert_eq!(judge(&[&leaf, &stale, &fresh], &[&old.pem, &new.pem]), []);
    assert_eq!(judge(&[&leaf, &stale], &[&old.pem, &new.pem]), [P::Expired]);
    assert_eq!(
        judge(&[&leaf, &stale, &fresh], &[&old.pem]),
        [P::Expired],
        "the open way leads to nobody known"
    );
    assert_eq!(judge(&[&leaf, &stale], &[&new.pem]), [P::UnknownRoot]);
}

/// Runs `openssl` in a folder; `None`, said aloud, where there is none.
fn openssl(folder: &Path, lines: &[&str]) -> Option<()> {
    for line in lines {
        let ran = Command::new("openssl").args(line.split(' ')).current_dir(folder).output();
        let Ok(output) = ran else {
            eprintln!("SKIPPED: there is no openssl here to make this certificate");
            return None;
        };
        assert!(output.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Some(())
}

/// A leaf of openssl's making: the digest of its signature, the bits of its issuer's RSA key, its extensions.
fn made(digest: &str, bits: &str, extensions: &str) -> Option<Vec<P>> {
    let folder = std::env::temp_dir().join(format!(
        "mxray-choices-{}-{digest}-{bits}-{}",
        std::process::id(),
        extensions.len()
    ));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("leaf.ext"), extensions).expect("a file");
    let key = format!("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:{bits} -out ca.key -quiet");
    let key = key.trim_end_matches(" -quiet");
    let signed = format!(
        "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -set_serial 7 -days 10 -{digest} -outform DER -out leaf.der"
    );
    let signed = if extensions.is_empty() { signed } else { format!("{signed} -extfile leaf.ext") };
    let made = openssl(
        &folder,
        &[
            key,
            "req -x509 -new -key ca.key -subj /CN=ca -days 10 -sha256 -out ca.pem",
            "req -new -newkey rsa:2048 -nodes -keyout leaf.key -subj /CN=mx1.example.net -out leaf.csr",
            &signed,
        ],
    );
    let judged = made.map(|()| {
        let leaf = std::fs::read(folder.join("leaf.der")).expect("a leaf");
        let root = std::fs::read_to_string(folder.join("ca.pem")).expect("a root");
        let begin = x509_parser_begin(&leaf);
        assess_chain(&[&leaf], HOST, begin, &store(&[&root])).problems
    });
    std::fs::remove_dir_all(&folder).expect("it is ours");
    judged
}

/// A minute after a certificate's validity begins.
fn x509_parser_begin(leaf: &[u8]) -> Micros {
    use x509_parser::prelude::{FromDer, X509Certificate};
    let (_, parsed) = X509Certificate::from_der(leaf).expect("a certificate");
    (parsed.validity().not_before.timestamp() + 60) * 1_000_000
}

#[test]
fn old_algorithms_and_versions_are_refused() {
    const SAN: &str = "subjectAltName=DNS:mx1.example.net\n";
    let (sound, sha1) = (made("sha256", "2048", SAN), made("sha1", "2048", SAN));
    let (small, version_1) = (made("sha256", "1024", SAN), made("sha256", "2048", ""));
    for (judged, expected, words) in [
        (sound, vec![], "as a control"),
        (sha1, vec![P::Malformed], "SHA-1: Go refuses it as well, OpenSSL from security level 1 on"),
        (small, vec![P::Malformed], "a CA of 1024 bits: OpenSSL takes it at security level 1"),
        (
            version_1,
            vec![P::Name, P::Malformed],
            "X.509 version 1: OpenSSL and Go take such a leaf, by its common name or not",
        ),
    ] {
        if let Some(judged) = judged {
            assert_eq!(judged, expected, "{words}");
        }
    }
}
