//! A server's certificate, and both sides' settings of TLS: a P-256 leaf and the intermediate above it.

use std::io;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme};

/// The name it is for.
pub(crate) const HOST: &str = "mx1.example";

/// A server that shows the chain.
pub(crate) fn server() -> io::Result<Arc<ServerConfig>> {
    let made = || -> Result<_, Box<dyn std::error::Error + Send + Sync>> {
        let (above_key, key) = (KeyPair::generate()?, KeyPair::generate()?);
        let mut above = CertificateParams::new(Vec::new())?;
        above.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let above_certificate = above.self_signed(&above_key)?;
        let names = vec![HOST.to_owned(), "*.example".to_owned()];
        let leaf = CertificateParams::new(names)?.signed_by(&key, &Issuer::new(above, above_key))?;
        let chain = vec![leaf.der().clone(), above_certificate.der().clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der())?;
        Ok(ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?)
    };
    made().map(Arc::new).map_err(io::Error::other)
}

/// A client that offers this, keeps the chain, and checks that the peer holds the leaf's key.
pub(crate) fn client(offer: CryptoProvider) -> io::Result<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(offer))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Keeper { provider: provider(), chain: Mutex::default() }))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

#[derive(Debug)]
struct Keeper {
    provider: Arc<CryptoProvider>,
    chain: Mutex<Vec<Vec<u8>>>,
}

impl ServerCertVerifier for Keeper {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Ok(mut chain) = self.chain.lock() {
            *chain = std::iter::once(end_entity).chain(intermediates).map(|der| der.to_vec()).collect();
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
