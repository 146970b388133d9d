//! The data of TLSA records (RFC 6698 §2.1.4): what a selector and a matching type make of a certificate.

use rcgen::PublicKeyData as _;
use sha2::{Digest, Sha256, Sha512};

use super::{Authority, AuthorityError, Leaf};
use crate::dane::{Association, Certificate};

impl Authority {
    /// The data of a TLSA record for `host`, which shows `leaf`.
    pub(crate) fn association(
        &self,
        host: &str,
        leaf: Leaf,
        of: Association,
    ) -> Result<Vec<u8>, AuthorityError> {
        Ok(match of {
            Association::Nothing => Sha256::digest([]).to_vec(),
            Association::Noise(length, number) => noise(host, length, number),
            Association::Of { certificate, selector, matching } => {
                let selected = if selector == 1 {
                    self.public_key(certificate, leaf)
                } else {
                    self.certificate(host, certificate, leaf)?
                };
                match matching {
                    1 => Sha256::digest(&selected).to_vec(),
                    2 => Sha512::digest(&selected).to_vec(),
                    _ => selected,
                }
            }
        })
    }

    fn certificate(&self, host: &str, which: Certificate, leaf: Leaf) -> Result<Vec<u8>, AuthorityError> {
        Ok(match which {
            Certificate::Leaf => self.chain(host, leaf)?.first().map(|der| der.to_vec()).unwrap_or_default(),
            Certificate::NextLeaf => return self.certificate(host, Certificate::Leaf, Leaf::NextKey),
            Certificate::Intermediate => self.chain[0].to_vec(),
            Certificate::Root => self.root.to_vec(),
        })
    }

    fn public_key(&self, which: Certificate, leaf: Leaf) -> Vec<u8> {
        match which {
            Certificate::Leaf if leaf == Leaf::SelfSigned => self.stranger_key.subject_public_key_info(),
            Certificate::Leaf => self.leaf_key.subject_public_key_info(),
            Certificate::NextLeaf => self.next_leaf_key.subject_public_key_info(),
            Certificate::Intermediate => self.intermediate.key().subject_public_key_info(),
            Certificate::Root => self.root_key.subject_public_key_info(),
        }
    }
}

/// Bytes that are no certificate, no key and no digest of any, of up to 64.
fn noise(host: &str, length: usize, number: u8) -> Vec<u8> {
    let mut bytes = Sha512::digest(format!("{number} {host}").as_bytes()).to_vec();
    // No DER of a certificate or key begins so.
    bytes[0] = 0xff;
    bytes.truncate(length);
    bytes
}
