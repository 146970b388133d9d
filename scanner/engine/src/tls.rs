//! TLS that records and does not judge.
//!
//! A chain is taken whatever its names, dates and roots: whether it is valid is judged later, at a stated time
//! against stated roots. One thing can only be seen now: whether the peer holds the leaf's key. That is checked,
//! and recorded as well.

mod offer;
mod words;

use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mxray_evidence::{ByteBuf, Cause, Ending, OwnCause, Stage, TlsObservation};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, InvalidMessage, ProtocolVersion,
    SignatureScheme,
};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::connect::Wire;
use crate::deadline::Deadline;
use crate::{certificate, ending};

pub use offer::tls_provider;

/// Most certificates of one chain that are kept.
const CHAIN_MAX: usize = 32;

/// The client's side of TLS, made once.
pub(crate) struct Tls {
    config: ClientConfig,
}

/// What a handshake came to: what it showed, the certificates themselves, and the stream, or why there is none.
pub(crate) struct Handshake {
    /// `None` when none was begun.
    pub(crate) observation: Option<TlsObservation>,
    pub(crate) certificates: Vec<Vec<u8>>,
    /// On the heap, where it is not copied from hand to hand.
    pub(crate) outcome: Result<Box<TlsStream<Wire>>, Ending>,
}

impl Tls {
    pub(crate) fn new() -> Self {
        let provider = Arc::new(tls_provider());
        let verifier = Arc::new(Recorder::new(&provider));
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider supports TLS 1.2 and 1.3")
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        // A resumed session shows no chain.
        config.resumption = Resumption::disabled();
        Self { config }
    }

    /// Shakes hands until `deadline`. What the peer showed is recorded however it ends.
    pub(crate) async fn handshake(
        &self,
        mut stream: Wire,
        sni: &str,
        alpn: &[&[u8]],
        deadline: &mut Deadline,
    ) -> Handshake {
        let begin = Instant::now();
        let Ok(name) = ServerName::try_from(sni.to_owned()) else {
            return Handshake::impossible();
        };
        let mut config = self.config.clone();
        let recorder = Arc::new(Recorder::new(config.crypto_provider()));
        config.dangerous().set_certificate_verifier(Arc::<Recorder>::clone(&recorder));
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        stream.hold();
        let connect = TlsConnector::from(Arc::new(config)).connect(name, stream).into_fallible();
        let connected = deadline.bound(pin!(connect)).await;
        let mut recorded = recorder.take();
        let outcome = match connected {
            Some(Ok(stream)) => {
                let mut stream = Box::new(stream);
                stream.get_mut().0.release();
                recorded.note_session(stream.get_ref().1);
                Ok(stream)
            }
            Some(Err((error, mut stream))) => {
                stream.send_last();
                recorded.alert = alert_of(&error);
                Err(ending_of(Stage::Handshake, &error))
            }
            None => Err(Ending::stopped(Stage::Handshake, Cause::Timeout)),
        };
        let elapsed_us = begin.elapsed().as_micros() as u64;
        let (observation, certificates) = recorded.into_observation(sni, elapsed_us);
        Handshake { observation: Some(observation), certificates, outcome }
    }
}

impl Handshake {
    /// For a name that DNS allows and SNI does not, such as one with a hyphen at a label's end.
    fn impossible() -> Self {
        let ending = Ending::Withheld {
            stage: Stage::Handshake,
            cause: OwnCause::NotAsked,
            detail: Some("our TLS library cannot send this name as SNI".to_owned()),
        };
        Self { observation: None, certificates: Vec::new(), outcome: Err(ending) }
    }
}

/// A cipher suite's name in IANA's registry.
pub(crate) fn suite_name(suite: u16) -> String {
    words::cipher_suite(suite.into())
}

/// A group's name in IANA's registry.
pub(crate) fn group_name(group: u16) -> String {
    words::group(group.into())
}

/// An alert's name in RFC 8446 §6.
pub(crate) fn alert_name(code: u8) -> String {
    words::alert(code.into())
}

/// The alert that an error carries, by its name in RFC 8446 §6.
pub(crate) fn alert_of(error: &io::Error) -> Option<String> {
    match rustls_error(error) {
        Some(Error::AlertReceived(alert)) => Some(words::alert(*alert)),
        _ => None,
    }
}

/// The ending that an error of a TLS stream is.
pub(crate) fn ending_of(stage: Stage, error: &io::Error) -> Ending {
    match rustls_error(error) {
        Some(Error::AlertReceived(_)) => Ending::stopped_with(stage, Cause::TlsAlert, error),
        Some(Error::InvalidMessage(
            InvalidMessage::HandshakePayloadTooLarge | InvalidMessage::CertificatePayloadTooLarge,
        )) => limit(stage, error),
        Some(_) => Ending::stopped_with(stage, Cause::TlsError, error),
        None => match error.kind() {
            io::ErrorKind::FileTooLarge | io::ErrorKind::InvalidData if stage == Stage::Handshake => {
                limit(stage, error)
            }
            // The library's word for a message that outgrows its buffers: what is wrong otherwise is an error of its own.
            io::ErrorKind::InvalidData => Ending::stopped_with(stage, Cause::Oversize, error),
            _ => ending::of_io(stage, error),
        },
    }
}

/// A handshake larger than is read: 64 KiB a message, by the library, and a connection's bytes. Others may read on, so that
/// nothing may be said of it.
fn limit(stage: Stage, error: &io::Error) -> Ending {
    Ending::Withheld { stage, cause: OwnCause::Limit, detail: Some(error.to_string()) }
}

/// Whether an error is the TLS library's, and not of what is read through it.
pub(crate) fn is_of_tls(error: &io::Error) -> bool {
    rustls_error(error).is_some()
}

fn rustls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// What one handshake showed.
#[derive(Debug, Default)]
struct Recorded {
    version: Option<ProtocolVersion>,
    cipher_suite: Option<rustls::CipherSuite>,
    group: Option<rustls::NamedGroup>,
    chain: Vec<Vec<u8>>,
    signature_scheme: Option<SignatureScheme>,
    signature_valid: Option<bool>,
    alert: Option<String>,
}

impl Recorded {
    fn note_session(&mut self, session: &rustls::ClientConnection) {
        self.version = session.protocol_version();
        self.cipher_suite = session.negotiated_cipher_suite().map(|suite| suite.suite());
        self.group = session.negotiated_key_exchange_group().map(rustls::crypto::SupportedKxGroup::name);
    }

    /// The observation, and the certificates that it names by their digests.
    fn into_observation(self, sni: &str, elapsed_us: u64) -> (TlsObservation, Vec<Vec<u8>>) {
        let key = |der: &Vec<u8>| ByteBuf::from(certificate::digest(der).to_vec());
        let observation = TlsObservation {
            sni: sni.to_owned(),
            elapsed_us,
            version: self.version.map(words::version),
            cipher_suite: self.cipher_suite.map(words::cipher_suite),
            group: self.group.map(words::group),
            chain: self.chain.iter().map(key).collect(),
            signature_scheme: self.signature_scheme.map(words::signature_scheme),
            signature_valid: self.signature_valid,
            alert: self.alert,
        };
        (observation, self.chain)
    }
}

/// A verifier for one handshake, which writes down what it is shown and agrees to it.
#[derive(Debug)]
struct Recorder {
    provider: Arc<CryptoProvider>,
    recorded: Mutex<Recorded>,
}

impl Recorder {
    fn new(provider: &Arc<CryptoProvider>) -> Self {
        Self { provider: Arc::clone(provider), recorded: Mutex::default() }
    }

    fn recorded(&self) -> MutexGuard<'_, Recorded> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Recorded {
        std::mem::take(&mut *self.recorded())
    }

    fn note_signature(
        &self,
        version: ProtocolVersion,
        scheme: SignatureScheme,
        certificate: &[u8],
        verified: &Result<HandshakeSignatureValid, Error>,
    ) -> HandshakeSignatureValid {
        let mut recorded = self.recorded();
        recorded.version = Some(version);
        recorded.signature_scheme = Some(scheme);
        recorded.signature_valid = match verified {
            Ok(_) => Some(true),
            // The library checks no signature by such a key, and its word for that is that the signature is bad.
            Err(_) if certificate::is_rsa_out_of_range(certificate) => None,
            Err(Error::InvalidCertificate(CertificateError::BadSignature)) => Some(false),
            // A certificate or algorithm that cannot be read proves nothing, either way.
            Err(_) => None,
        };
        HandshakeSignatureValid::assertion()
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(end_entity).chain(intermediates).take(CHAIN_MAX);
        self.recorded().chain = chain.map(|der| der.to_vec()).collect();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        let verified = verify_tls12_signature(message, cert, dss, algorithms);
        Ok(self.note_signature(ProtocolVersion::TLSv1_2, dss.scheme, cert, &verified))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        let verified = verify_tls13_signature(message, cert, dss, algorithms);
        Ok(self.note_signature(ProtocolVersion::TLSv1_3, dss.scheme, cert, &verified))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
