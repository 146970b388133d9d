use mxray_engine::certificate::{describe, digest};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, SanType, SerialNumber, date_time_ymd,
};

fn params() -> CertificateParams {
    let mut params =
        CertificateParams::new(vec!["mx.example".to_owned(), "*.Example.org".to_owned()]).unwrap();
    params.subject_alt_names.push(SanType::IpAddress([192, 0, 2, 1].into()));
    params.distinguished_name.push(DnType::CommonName, "mx.example");
    params.serial_number = Some(SerialNumber::from(vec![0x0a, 0xff]));
    params.not_before = date_time_ymd(2026, 1, 2);
    params.not_after = date_time_ymd(2026, 4, 2);
    params
}

#[test]
fn a_certificate_tells_its_fields() {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let der = params().self_signed(&key).unwrap().der().to_vec();
    let row = describe(&der, 7);
    assert_eq!(row.parse_error, None);
    assert_eq!(row.sha256.as_ref(), digest(&der));
    assert_eq!((row.der.as_ref(), row.first_seen), (der.as_slice(), 7));
    assert!(row.subject.unwrap().contains("CN=mx.example"));
    assert_eq!(row.serial.as_deref(), Some("0aff"));
    assert_eq!(row.not_before, Some(1_767_312_000_000_000));
    assert_eq!(row.not_after, Some(1_775_088_000_000_000));
    assert_eq!(row.san_dns, ["mx.example", "*.Example.org"]);
    assert_eq!((row.key_algorithm.as_deref(), row.key_bits), (Some("EC"), Some(384)));
    assert_eq!(row.signature_algorithm.as_deref(), Some("1.2.840.10045.4.3.3"));
    assert_eq!((row.is_ca, row.self_issued), (Some(false), Some(true)));
    assert_eq!(
        row.spki_sha256.unwrap().as_ref(),
        digest(&rcgen::PublicKeyData::subject_public_key_info(&key))
    );
}

#[test]
fn a_ca_is_told_from_a_leaf_and_ed25519_by_its_name() {
    let mut params = params();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let row = describe(params.self_signed(&ca_key).unwrap().der(), 0);
    assert_eq!(row.is_ca, Some(true));
    assert_eq!((row.key_algorithm.as_deref(), row.key_bits), (Some("Ed25519"), Some(256)));
}

#[test]
fn what_is_no_certificate_is_kept_and_says_why() {
    let good = params().self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
    for der in [&b""[..], b"\x30\x82", b"hello", &good[..good.len() / 2]] {
        let row = describe(der, 0);
        assert!(row.parse_error.is_some());
        assert_eq!((row.der.as_ref(), row.subject, row.not_after), (der, None, None));
    }
    let trailing = describe(&[good, b"more".to_vec()].concat(), 0);
    assert_eq!(trailing.parse_error.as_deref(), Some("4 bytes follow the certificate"));
    assert!(trailing.subject.is_some());
}
