//! What we offer in TLS.

use rustls::SupportedCipherSuite;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{cipher_suite as suites, default_provider};

/// The library's suites, AES-128 first of each kind. `TLS_AES_128_GCM_SHA256` is the one suite that everybody must have
/// (RFC 8446 §9.1), and a handshake that hashes by SHA-256, for which processors have instructions, takes a tenth less of
/// both sides than one that hashes by SHA-384.
const SUITES: [SupportedCipherSuite; 9] = [
    suites::TLS13_AES_128_GCM_SHA256,
    suites::TLS13_AES_256_GCM_SHA384,
    suites::TLS13_CHACHA20_POLY1305_SHA256,
    suites::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    suites::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    suites::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    suites::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    suites::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    suites::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

/// The cryptography of every handshake, and with it what is offered: the library's, its suites in the order of ours.
pub fn tls_provider() -> CryptoProvider {
    CryptoProvider { cipher_suites: SUITES.to_vec(), ..default_provider() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_library_offers_is_offered() {
        let sorted = |provider: CryptoProvider| {
            let mut numbers: Vec<u16> =
                provider.cipher_suites.iter().map(|suite| suite.suite().into()).collect();
            numbers.sort_unstable();
            numbers
        };
        assert_eq!(sorted(tls_provider()), sorted(default_provider()));
    }
}
