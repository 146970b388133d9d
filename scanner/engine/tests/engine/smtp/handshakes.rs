//! Handshakes that end well, badly, or oddly.

use std::sync::Arc;

use mxray_engine::probe_smtp;
use mxray_evidence::{Cause, Ending, OwnCause, SmtpSessionRow, Stage};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    HOST, INSIDE, LOCALHOST, OFFER, READY, encrypted, no_dns, plain, probe, probe_with, reset,
    speak_until_tls, stopped,
};
use crate::servers::{Identity, SHORT, acceptor, net, provider, server_builder, settings, tcp};

#[tokio::test]
async fn tls_1_2_is_recorded_by_its_names() {
    let identity = Identity::self_signed(&[HOST]);
    let config = server_builder(&[&rustls::version::TLS12])
        .with_no_client_auth()
        .with_single_cert(vec![identity.der.clone(), identity.der.clone()], identity.key.clone_key())
        .unwrap();
    let (server, _) = encrypted(acceptor(config), READY, INSIDE).await;
    let session = probe(server).await;
    let tls = session.row.tls.unwrap();
    assert_eq!((tls.version.as_deref(), tls.chain.len()), (Some("TLSv1.2"), 2));
    assert_eq!(tls.cipher_suite.as_deref(), Some("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"));
    assert_eq!(tls.signature_valid, Some(true));
    assert_eq!(session.certificates.len(), 2);
}

#[tokio::test]
async fn a_peer_that_does_not_hold_the_key_is_recorded_so() {
    #[derive(Debug)]
    struct Stolen(Arc<CertifiedKey>);
    impl rustls::server::ResolvesServerCert for Stolen {
        fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }
    }
    let (shown, held) = (Identity::self_signed(&[HOST]), Identity::self_signed(&[HOST]));
    for versions in [&[&rustls::version::TLS13][..], &[&rustls::version::TLS12]] {
        let key = provider().key_provider.load_private_key(held.key.clone_key()).unwrap();
        let stolen = Stolen(Arc::new(CertifiedKey::new(vec![shown.der.clone()], key)));
        let config = server_builder(versions).with_no_client_auth().with_cert_resolver(Arc::new(stolen));
        let (server, _) = encrypted(acceptor(config), READY, INSIDE).await;
        let session = probe(server).await;
        assert_eq!(session.row.ending, Ending::Completed);
        assert_eq!(session.row.tls.unwrap().signature_valid, Some(false));
        assert_eq!(session.certificates, [shown.der.to_vec()]);
    }
}

#[tokio::test]
async fn what_is_no_certificate_at_all_is_recorded_too() {
    #[derive(Debug)]
    struct Garbage(Arc<CertifiedKey>);
    impl rustls::server::ResolvesServerCert for Garbage {
        fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }
    }
    let held = Identity::self_signed(&[HOST]);
    let key = provider().key_provider.load_private_key(held.key.clone_key()).unwrap();
    let garbage = Garbage(Arc::new(CertifiedKey::new(vec![b"no DER".to_vec().into()], key)));
    let config =
        server_builder(rustls::DEFAULT_VERSIONS).with_no_client_auth().with_cert_resolver(Arc::new(garbage));
    let (server, _) = encrypted(acceptor(config), READY, INSIDE).await;
    let session = probe(server).await;
    assert_eq!(session.certificates, [b"no DER".to_vec()]);
    assert_eq!(session.row.tls.unwrap().signature_valid, None);
    assert_eq!(session.row.ending, Ending::Completed);
}

/// What a server does in place of a handshake, after its 220.
async fn handshake_of(respond: &'static [u8], then_reset: bool) -> SmtpSessionRow {
    let server = tcp(move |mut stream| async move {
        speak_until_tls(&mut stream, READY).await;
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).await.unwrap();
        let mut rest = vec![0; usize::from(u16::from_be_bytes([hello[3], hello[4]]))];
        stream.read_exact(&mut rest).await.unwrap();
        stream.write_all(respond).await.unwrap();
        if then_reset {
            drop(reset(stream));
        }
    })
    .await;
    probe(server).await.row
}

#[tokio::test]
async fn rfc8446_6_an_alert_is_recorded_by_its_name() {
    for (code, name) in [(40, "handshake_failure"), (70, "protocol_version"), (112, "unrecognized_name")] {
        let record: &'static [u8] = Box::leak(Box::new([21, 3, 3, 0, 2, 2, code]));
        let row = handshake_of(record, false).await;
        assert_eq!(stopped(&row), (Some(Stage::Handshake), Some(Cause::TlsAlert)), "{name}");
        assert_eq!(row.tls.unwrap().alert.as_deref(), Some(name));
    }
}

#[tokio::test]
async fn the_ways_a_handshake_breaks_are_told_apart() {
    let closed = handshake_of(b"", false).await;
    assert_eq!(stopped(&closed), (Some(Stage::Handshake), Some(Cause::Closed)));
    let reset = handshake_of(b"", true).await;
    assert_eq!(stopped(&reset), (Some(Stage::Handshake), Some(Cause::Reset)));
    let words = handshake_of(b"500 what do you mean\r\n", false).await;
    assert_eq!(stopped(&words), (Some(Stage::Handshake), Some(Cause::TlsError)));
    let tls = words.tls.unwrap();
    assert_eq!((tls.alert, tls.version, tls.chain.len()), (None, None, 0));
    assert_eq!(words.replies.len(), 3);

    let silent = tcp(|mut stream| async move {
        speak_until_tls(&mut stream, READY).await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let row = probe_with(silent, |settings| settings.smtp_timeout = SHORT).await.row;
    assert_eq!(stopped(&row), (Some(Stage::Handshake), Some(Cause::Timeout)));
}

#[tokio::test]
async fn an_alert_after_the_handshake_stands_beside_the_chain() {
    let identity = Identity::self_signed(&[HOST]);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(identity.der.clone()).unwrap();
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .unwrap();
    let config = server_builder(&[&rustls::version::TLS13])
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![identity.der.clone()], identity.key.clone_key())
        .unwrap();
    let (server, _) = encrypted(acceptor(config), READY, INSIDE).await;
    let session = probe(server).await;
    assert_eq!(stopped(&session.row), (Some(Stage::EhloTls), Some(Cause::TlsAlert)));
    let tls = session.row.tls.unwrap();
    assert_eq!(tls.alert.as_deref(), Some("certificate_required"));
    assert_eq!((tls.version.as_deref(), session.certificates.len()), (Some("TLSv1.3"), 1));
}

#[tokio::test]
async fn a_name_that_sni_cannot_carry_is_our_limit_and_not_their_fault() {
    let (server, _) = plain(b"220 hi\r\n", &[OFFER, READY]).await;
    let net = net(no_dns().await, settings(server.port()));
    let row = probe_smtp(&net, "mx-.example", LOCALHOST).await.row;
    assert!(matches!(
        row.ending,
        Ending::Withheld { stage: Stage::Handshake, cause: OwnCause::NotAsked, .. }
    ));
    assert_eq!((row.replies.len(), row.tls), (3, None));
}

#[tokio::test]
async fn an_underscore_is_no_obstacle_to_sni() {
    let identity = Identity::self_signed(&[HOST]);
    let (server, _) = encrypted(identity.acceptor(), READY, INSIDE).await;
    let net = net(no_dns().await, settings(server.port()));
    assert_eq!(probe_smtp(&net, "mx_1.example", LOCALHOST).await.row.ending, Ending::Completed);
}
