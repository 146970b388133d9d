//! The roots that a judgement stands on.

use std::fmt::Write;

use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, TrustAnchor};
use sha2::{Digest, Sha256};

/// A set of roots, and a digest that names it.
#[derive(Debug, Clone, Default)]
pub struct TrustStore {
    anchors: Vec<TrustAnchor<'static>>,
}

/// Why a file of roots was not taken.
#[derive(Debug)]
pub enum TrustError {
    /// The file is not PEM.
    Pem(pem::Error),
    /// The certificate with this number, from 1, is none.
    Certificate(usize, webpki::Error),
    /// There is no certificate in the file.
    Empty,
}

impl std::fmt::Display for TrustError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pem(error) => write!(f, "reading roots as PEM: {error}"),
            Self::Certificate(number, error) => {
                write!(f, "root {number} of the PEM file cannot be used: {error}")
            }
            Self::Empty => f.write_str("no `BEGIN CERTIFICATE` in the PEM file of roots"),
        }
    }
}

impl std::error::Error for TrustError {}

impl TrustStore {
    /// No root at all: everything is untrusted.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Mozilla's roots for servers, as `webpki-roots` had them when this was built.
    pub fn mozilla() -> Self {
        Self { anchors: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
    }

    /// Adds every certificate of a PEM file as a root.
    pub fn with_pem(mut self, pem: &[u8]) -> Result<Self, TrustError> {
        let before = self.anchors.len();
        for (index, der) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let der = der.map_err(TrustError::Pem)?;
            let anchor = webpki::anchor_from_trusted_cert(&der)
                .map_err(|error| TrustError::Certificate(index + 1, error))?;
            if !self.anchors.contains(&anchor) {
                self.anchors.push(anchor.to_owned());
            }
        }
        if before == self.anchors.len() && CertificateDer::pem_slice_iter(pem).next().is_none() {
            return Err(TrustError::Empty);
        }
        Ok(self)
    }

    /// SHA-256 over its roots, in an order of their own, as hexadecimal: two stores with the same roots have
    /// the same id, however they were put together.
    pub fn id(&self) -> String {
        let mut roots: Vec<[u8; 32]> = self.anchors.iter().map(anchor_digest).collect();
        roots.sort_unstable();
        let digest = Sha256::digest(roots.concat());
        digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a string takes what is written to it");
            hex
        })
    }

    /// Roots in the store.
    pub fn len(&self) -> usize {
        self.anchors.len()
    }

    /// Whether it has no root.
    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }

    pub(super) fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }

    /// Whether a root has this name: the contents of a DER `Name`, without its header.
    pub(super) fn has_name(&self, name: &[u8]) -> bool {
        self.anchors.iter().any(|anchor| anchor.subject.as_ref() == name)
    }
}

fn anchor_digest(anchor: &TrustAnchor<'_>) -> [u8; 32] {
    let parts = [
        anchor.subject.as_ref(),
        anchor.subject_public_key_info.as_ref(),
        anchor.name_constraints.as_ref().map_or(&[][..], |constraints| constraints.as_ref()),
    ];
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}
