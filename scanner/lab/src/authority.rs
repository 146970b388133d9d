//! The world's certification authority: leaves that are the same bytes each time they are made.
//!
//! Everything is derived from four RSA keys and two P-256 keys, made once and kept in the world's folder with the
//! time of its creation. RSA signatures of PKCS#1 v1.5 are deterministic, serial numbers are digests of names,
//! and dates count from the creation, so a server may forget a leaf and make it again.

mod association;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SanType, SerialNumber,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock;
use crate::epoch::EPOCHS_DAYS;

/// Why the authority could not be had.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Its file cannot be read or written.
    #[error("the world's keys in {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Its file is not what was written.
    #[error("the world's keys in {}: {source}; remove the file to have new ones made", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The world is so old that certificates meant to be valid have expired.
    #[error(
        "the world was made {days} days ago, and some of its certificates last {LAST_DAYS}: make a new one"
    )]
    Stale {
        /// Its age.
        days: u64,
    },
    /// A key or certificate could not be made.
    #[error("making a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// TLS could not be set up.
    #[error("setting up TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Which certificate a server shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Leaf {
    Valid,
    /// Valid like [`Valid`](Self::Valid), and another one.
    Other,
    /// Valid like [`Valid`](Self::Valid), and of another key.
    NextKey,
    Expiring,
    /// Valid for long when the world is made, and about to end at its second epoch.
    Ending,
    WrongName,
    Expired,
    NotYetValid,
    SelfSigned,
    UnknownRoot,
    MissingIntermediate,
    /// Issued for clients, and so of no use to a server (RFC 5280 §4.2.1.12).
    Malformed,
    /// Valid, and shown by one who does not hold its key.
    AnothersKey,
}

/// Keys and birth of a world, as they are kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    created_us: i64,
    root: String,
    intermediate: String,
    stranger: String,
    stranger_intermediate: String,
    leaf: String,
    next_leaf: String,
}

/// The authority of a world.
pub(crate) struct Authority {
    created: u64,
    root_pem: String,
    root: CertificateDer<'static>,
    root_key: KeyPair,
    intermediate: Issuer<'static, KeyPair>,
    chain: Vec<CertificateDer<'static>>,
    stranger_intermediate: Issuer<'static, KeyPair>,
    stranger_chain: Vec<CertificateDer<'static>>,
    stranger_key: KeyPair,
    leaf_key: KeyPair,
    /// The key that follows it.
    next_leaf_key: KeyPair,
    leaf_signer: Arc<dyn SigningKey>,
    stranger_signer: Arc<dyn SigningKey>,
    next_leaf_signer: Arc<dyn SigningKey>,
    provider: Arc<CryptoProvider>,
    made: Mutex<Remembered>,
}

const DAY_SECONDS: i64 = 86_400;
/// Days after the world's creation at which an expiring leaf expires.
const EXPIRING_DAYS: i64 = 8;
/// A world older than this is not served any more.
const LAST_DAYS: u64 = 6;

impl Authority {
    /// The authority kept in `folder`, made there if there is none yet.
    pub(crate) fn open(folder: &Path) -> Result<Self, AuthorityError> {
        let path = folder.join("authority.json");
        let failed = |source| AuthorityError::File { path: path.clone(), source };
        let kept = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| AuthorityError::Format { path: path.clone(), source })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let kept = Kept::make()?;
                write_private(&path, &serde_json::to_vec_pretty(&kept).expect("strings are JSON"))
                    .map_err(failed)?;
                kept
            }
            Err(error) => return Err(failed(error)),
        };
        let days = (clock::now_us() - kept.created_us).max(0).cast_unsigned()
            / 1_000_000
            / DAY_SECONDS.cast_unsigned();
        if days >= LAST_DAYS {
            return Err(AuthorityError::Stale { days });
        }
        Self::from_kept(&kept)
    }

    fn from_kept(kept: &Kept) -> Result<Self, AuthorityError> {
        let created = kept.created_us.max(0).cast_unsigned() / 1_000_000;
        let rsa = |pem: &str| KeyPair::from_pem_and_sign_algo(pem, &PKCS_RSA_SHA256);
        let (root_key, stranger_key) = (rsa(&kept.root)?, rsa(&kept.stranger)?);
        let intermediate_key = rsa(&kept.intermediate)?;
        let stranger_intermediate_key = rsa(&kept.stranger_intermediate)?;
        let p256 = |pem: &str| KeyPair::from_pem_and_sign_algo(pem, &PKCS_ECDSA_P256_SHA256);
        let (leaf_key, next_leaf_key) = (p256(&kept.leaf)?, p256(&kept.next_leaf)?);

        let root = authority_params("mxray lab root", created, 3_650);
        let root_certificate = root.self_signed(&root_key)?;
        let middle = authority_params("mxray lab intermediate", created, 1_825);
        let middle_certificate =
            middle.signed_by(&intermediate_key, &Issuer::from_params(&root, &root_key))?;
        let stranger = authority_params("a root that nobody trusts", created, 3_650);
        let stranger_certificate = stranger.self_signed(&stranger_key)?;
        let stranger_middle = authority_params("an intermediate that nobody trusts", created, 1_825);
        let stranger_middle_certificate = stranger_middle
            .signed_by(&stranger_intermediate_key, &Issuer::from_params(&stranger, &stranger_key))?;

        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let signer = |key: &KeyPair| {
            let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
            provider.key_provider.load_private_key(der)
        };
        Ok(Self {
            created,
            root_pem: root_certificate.pem(),
            root: root_certificate.der().clone(),
            root_key,
            intermediate: Issuer::new(middle, intermediate_key),
            chain: vec![middle_certificate.der().clone()],
            stranger_intermediate: Issuer::new(stranger_middle, stranger_intermediate_key),
            stranger_chain: vec![
                stranger_middle_certificate.der().clone(),
                stranger_certificate.der().clone(),
            ],
            leaf_signer: signer(&leaf_key)?,
            stranger_signer: signer(&stranger_key)?,
            next_leaf_signer: signer(&next_leaf_key)?,
            stranger_key,
            leaf_key,
            next_leaf_key,
            provider,
            made: Mutex::new(Remembered::default()),
        })
    }

    /// The root, as PEM: what a scanner of this world is told to trust.
    pub(crate) fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// The TLS configuration that shows `leaf` for `host`, speaking HTTP where `http`.
    pub(crate) fn server(
        &self,
        host: &str,
        leaf: Leaf,
        http: bool,
    ) -> Result<Arc<ServerConfig>, AuthorityError> {
        let key = (host.to_owned(), leaf, http);
        let remembered = self.made.lock().unwrap_or_else(PoisonError::into_inner).get(&key);
        if let Some(config) = remembered {
            return Ok(config);
        }
        let (chain, signer) = self.chain_for(host, leaf)?;
        let certified = CertifiedKey::new(chain, signer);
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&versions(host))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        if http {
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
        }
        let config = Arc::new(config);
        self.made.lock().unwrap_or_else(PoisonError::into_inner).put(key, Arc::clone(&config));
        Ok(config)
    }

    /// The certificates that `leaf` for `host` is shown with, itself first.
    pub(crate) fn chain(
        &self,
        host: &str,
        leaf: Leaf,
    ) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
        self.chain_for(host, leaf).map(|(chain, _)| chain)
    }

    /// The same, and what signs for it.
    pub(crate) fn chain_for(
        &self,
        host: &str,
        leaf: Leaf,
    ) -> Result<(Vec<CertificateDer<'static>>, Arc<dyn SigningKey>), AuthorityError> {
        let params = self.leaf_params(host, leaf)?;
        let (first, rest, signer) = match leaf {
            Leaf::SelfSigned => {
                (params.self_signed(&self.stranger_key)?, [].as_slice(), &self.stranger_signer)
            }
            Leaf::UnknownRoot => (
                params.signed_by(&self.leaf_key, &self.stranger_intermediate)?,
                self.stranger_chain.as_slice(),
                &self.leaf_signer,
            ),
            Leaf::MissingIntermediate => {
                (params.signed_by(&self.leaf_key, &self.intermediate)?, [].as_slice(), &self.leaf_signer)
            }
            Leaf::NextKey => (
                params.signed_by(&self.next_leaf_key, &self.intermediate)?,
                self.chain.as_slice(),
                &self.next_leaf_signer,
            ),
            _ => (
                params.signed_by(&self.leaf_key, &self.intermediate)?,
                self.chain.as_slice(),
                if leaf == Leaf::AnothersKey { &self.next_leaf_signer } else { &self.leaf_signer },
            ),
        };
        let chain = std::iter::once(first.der().clone()).chain(rest.iter().cloned()).collect();
        Ok((chain, Arc::clone(signer)))
    }

    fn leaf_params(&self, host: &str, leaf: Leaf) -> Result<CertificateParams, AuthorityError> {
        let (from, until) = match leaf {
            // Days before and after the world's creation.
            Leaf::Expired => (-120, -30),
            Leaf::NotYetValid => (90, 180),
            Leaf::Expiring => (-80, EXPIRING_DAYS),
            Leaf::Ending => (-60, EPOCHS_DAYS[1].cast_signed() + EXPIRING_DAYS),
            _ => (-30, 150),
        };
        let mut params = CertificateParams::default();
        set_validity(&mut params, self.created, from, until);
        let serial = serial(&format!("{host} {leaf:?}"));
        let parent = host.split_once('.').map_or("", |(_, parent)| parent);
        let alternative = match leaf {
            // A label more: RFC 6125 §6.4.3 lets nothing stretch to it, nor shrink.
            Leaf::WrongName => format!("www.{host}"),
            // A wildcard may stand for the left-most label (RFC 8461 §3.3).
            Leaf::Valid if parent.contains('.') && serial.as_ref()[15] < 64 => format!("*.{parent}"),
            _ => host.to_owned(),
        };
        params.subject_alt_names = vec![SanType::DnsName(alternative.try_into()?)];
        params.distinguished_name = DistinguishedName::new();
        // The common name never counts (RFC 8461 §3.3); it holds 64 characters at most (RFC 5280, appendix A).
        let common = if host.len() <= 64 { host } else { "mxray lab" };
        params.distinguished_name.push(DnType::CommonName, common);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let purpose = match leaf {
            Leaf::Malformed => ExtendedKeyUsagePurpose::ClientAuth,
            _ => ExtendedKeyUsagePurpose::ServerAuth,
        };
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = leaf != Leaf::SelfSigned;
        params.serial_number = Some(serial);
        Ok(params)
    }
}

impl Kept {
    fn make() -> Result<Self, AuthorityError> {
        let rsa = || KeyPair::generate_for(&PKCS_RSA_SHA256).map(|key| key.serialize_pem());
        Ok(Self {
            created_us: clock::now_us(),
            root: rsa()?,
            intermediate: rsa()?,
            stranger: rsa()?,
            stranger_intermediate: rsa()?,
            leaf: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?.serialize_pem(),
            next_leaf: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?.serialize_pem(),
        })
    }
}

fn authority_params(name: &str, created: u64, days: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // Longer than any leaf, on both sides.
    set_validity(&mut params, created, -730, days);
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(serial(name));
    params
}

fn serial(text: &str) -> SerialNumber {
    let mut bytes: [u8; 16] = Sha256::digest(text.as_bytes())[..16].try_into().expect("16 of 32 bytes");
    // A positive number of a fixed length.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::from_slice(&bytes)
}

/// Sets the validity to whole seconds, so many days from the world's creation.
fn set_validity(params: &mut CertificateParams, created: u64, from_days: i64, until_days: i64) {
    let since_1970 = |days: i64| Duration::from_secs(created.saturating_add_signed(days * DAY_SECONDS));
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + since_1970(from_days);
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + since_1970(until_days);
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Most hosts speak TLS 1.3 and 1.2, some 1.2 alone.
fn versions(host: &str) -> Vec<&'static SupportedProtocolVersion> {
    if serial(host).as_ref()[15] < 40 { vec![&TLS12] } else { vec![&TLS13, &TLS12] }
}

type Key = (String, Leaf, bool);

/// The last configurations used: two generations, of which the older is dropped whole.
#[derive(Default)]
struct Remembered {
    young: HashMap<Key, Arc<ServerConfig>>,
    old: HashMap<Key, Arc<ServerConfig>>,
}

/// Configurations in a generation.
const GENERATION: usize = 1_024;

impl Remembered {
    fn get(&mut self, key: &Key) -> Option<Arc<ServerConfig>> {
        if let Some(config) = self.young.get(key) {
            return Some(Arc::clone(config));
        }
        let config = self.old.remove(key)?;
        self.put(key.clone(), Arc::clone(&config));
        Some(config)
    }

    fn put(&mut self, key: Key, config: Arc<ServerConfig>) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, config);
    }
}
