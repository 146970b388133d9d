//! The certificates that the real servers show, and what TLSA records say of them.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, PublicKeyData, SanType,
};
use sha2::{Digest, Sha256, Sha512};

const DAY: Duration = Duration::from_hours(24);

/// What a server shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chain {
    /// A leaf for the host, with a P-256 key, and the intermediate.
    Sound,
    /// The same with an RSA key.
    Rsa,
    /// The same with a P-384 key.
    P384,
    /// Sound, and the root behind it.
    WithRoot,
    /// A leaf for every host one label below the domain.
    Wildcard,
    /// A leaf for another host.
    WrongName,
    /// The host's name in the subject alone, and no alternative names.
    CommonNameOnly,
    /// Expired.
    Expired,
    /// Not valid yet.
    Future,
    /// For clients alone.
    ClientOnly,
    /// Signed by itself.
    SelfSigned,
    /// Signed by itself, for another host, and expired.
    SelfSignedAndWrong,
    /// From a root that nobody trusts.
    UnknownRoot,
    /// The leaf alone.
    NoIntermediate,
}

/// What a TLSA record is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Leaf,
    Intermediate,
    Root,
    /// A leaf that nobody shows.
    Another,
    /// Nothing at all.
    Nothing,
}

/// Usage, selector, matching type, and of what.
pub(crate) type TlsaOf = (u8, u8, u8, Of);

/// The authority, and one key of each kind for all leaves.
pub(crate) struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
    intermediate: CertifiedIssuer<'static, KeyPair>,
    stranger: CertifiedIssuer<'static, KeyPair>,
    p256: KeyPair,
    p384: KeyPair,
    rsa: KeyPair,
}

/// A chain, leaf first, and its key.
pub(crate) struct Shown {
    /// DER and PEM of each certificate.
    certificates: Vec<(Vec<u8>, String)>,
    key_pem: String,
    key: Vec<u8>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = |algorithm| KeyPair::generate_for(algorithm).unwrap();
        let root =
            CertifiedIssuer::self_signed(authority("a root that is trusted"), key(&PKCS_ECDSA_P256_SHA256))
                .unwrap();
        let intermediate =
            CertifiedIssuer::signed_by(authority("an intermediate"), key(&PKCS_ECDSA_P256_SHA256), &root)
                .unwrap();
        let stranger = CertifiedIssuer::self_signed(
            authority("a root that nobody trusts"),
            key(&PKCS_ECDSA_P256_SHA256),
        )
        .unwrap();
        let (p256, p384, rsa) =
            (key(&PKCS_ECDSA_P256_SHA256), key(&PKCS_ECDSA_P384_SHA384), key(&PKCS_RSA_SHA256));
        Self { root, intermediate, stranger, p256, p384, rsa }
    }

    /// The root to be trusted.
    pub(crate) fn root_pem(&self) -> String {
        self.root.pem()
    }

    /// The chain for a host.
    pub(crate) fn chain(&self, chain: Chain, host: &str) -> Shown {
        let key = match chain {
            Chain::Rsa => &self.rsa,
            Chain::P384 => &self.p384,
            _ => &self.p256,
        };
        let params = leaf(chain, host);
        let leaf = match chain {
            Chain::SelfSigned | Chain::SelfSignedAndWrong => params.self_signed(key),
            Chain::UnknownRoot => params.signed_by(key, &self.stranger),
            _ => params.signed_by(key, &self.intermediate),
        };
        let issuers = match chain {
            Chain::SelfSigned | Chain::SelfSignedAndWrong | Chain::NoIntermediate => vec![],
            Chain::UnknownRoot => vec![&self.stranger],
            Chain::WithRoot => vec![&self.intermediate, &self.root],
            _ => vec![&self.intermediate],
        };
        let leaf = leaf.unwrap();
        let issuers = issuers.into_iter().map(|issuer| (issuer.der().to_vec(), issuer.pem()));
        let certificates = [(leaf.der().to_vec(), leaf.pem())].into_iter().chain(issuers).collect();
        Shown { certificates, key_pem: key.serialize_pem(), key: key.subject_public_key_info() }
    }

    /// What follows `TLSA` in a record about a chain.
    pub(crate) fn tlsa(&self, (usage, selector, matching, of): TlsaOf, shown: &Shown) -> String {
        let another = self.chain(Chain::Sound, "another.test");
        let (certificate, key) = match of {
            Of::Leaf => (shown.certificates[0].0.clone(), shown.key.clone()),
            Of::Another => (another.certificates[0].0.clone(), self.stranger.key().subject_public_key_info()),
            Of::Intermediate => of_issuer(&self.intermediate),
            Of::Root => of_issuer(&self.root),
            Of::Nothing => Default::default(),
        };
        let content = if selector == 1 { key } else { certificate };
        let data = match matching {
            1 => Sha256::digest(content).to_vec(),
            2 => Sha512::digest(content).to_vec(),
            _ => content,
        };
        let mut text = format!("{usage} {selector} {matching} ");
        for byte in data {
            write!(text, "{byte:02x}").unwrap();
        }
        text
    }
}

impl Shown {
    /// The key, then the chain: as Postfix reads them, and nginx both times.
    pub(crate) fn pem(&self) -> String {
        let certificates: String = self.certificates.iter().map(|(_, pem)| pem.as_str()).collect();
        format!("{}{certificates}", self.key_pem)
    }
}

fn of_issuer(issuer: &CertifiedIssuer<'static, KeyPair>) -> (Vec<u8>, Vec<u8>) {
    (issuer.der().to_vec(), issuer.key().subject_public_key_info())
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    within(&mut params, -30, 30);
    params
}

fn leaf(chain: Chain, host: &str) -> CertificateParams {
    let wildcard = host.split_once('.').map(|(_, domain)| format!("*.{domain}"));
    let name = match chain {
        Chain::WrongName | Chain::SelfSignedAndWrong => "elsewhere.test".to_owned(),
        Chain::Wildcard => wildcard.unwrap(),
        _ => host.to_owned(),
    };
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name.as_str());
    if chain != Chain::CommonNameOnly {
        params.subject_alt_names.push(SanType::DnsName(name.try_into().unwrap()));
    }
    if chain == Chain::ClientOnly {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    }
    match chain {
        Chain::Expired | Chain::SelfSignedAndWrong => within(&mut params, -20, -10),
        Chain::Future => within(&mut params, 10, 20),
        _ => within(&mut params, -10, 20),
    }
    params
}

/// Valid between so many days from now.
#[expect(
    clippy::disallowed_methods,
    reason = "other programs read the clock, and judge these certificates by it"
)]
fn within(params: &mut CertificateParams, from: i32, to: i32) {
    let now = SystemTime::now();
    let since_1970 = |days: i32| {
        let shift = DAY * days.unsigned_abs();
        let moment = if days < 0 { now.checked_sub(shift) } else { now.checked_add(shift) };
        moment.unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap()
    };
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + since_1970(from);
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + since_1970(to);
}
