//! The mail hosts of the real world: what each is to show, and where its names stand.

use super::certificates::{Authority, Chain, Of, Shown, TlsaOf};

/// A domain and its MX host, which is `mx.<domain>` unless its place says otherwise.
#[derive(Clone)]
pub(crate) struct Host {
    /// The label before the zone.
    pub(crate) name: &'static str,
    /// What is to be seen there.
    pub(crate) planted: &'static str,
    pub(crate) place: Place,
    pub(crate) chain: Chain,
    /// What Postfix's `smtpd` is told at this address: `name=value`.
    pub(crate) options: Vec<&'static str>,
    pub(crate) tlsa: Vec<TlsaOf>,
    pub(crate) policy: Option<Policy>,
}

/// Where its names stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// All of them in the signed zone `signed`.
    Signed,
    /// All of them in the unsigned zone `plain`.
    Unsigned,
    /// The MX set is signed, the host is not.
    HostUnsigned,
    /// The host is signed, the MX set is not.
    MxUnsigned,
    /// The host is a signed alias of a signed name, where the TLSA records are.
    Alias,
    /// The host is a signed alias of a signed name, and the TLSA records are at the alias.
    AliasHolds,
    /// The host is a signed alias of an unsigned name; the TLSA records are at the alias.
    AliasOut,
    /// No MX record: the domain is its own host.
    Implicit,
    /// The zone of the TLSA records has signatures that ran out.
    BogusTlsa,
    /// Nobody serves the zone of the TLSA records.
    DeadTlsa,
    /// The zone of the host has signatures that ran out.
    BogusHost,
    /// The zone of the domain has signatures that ran out.
    BogusMx,
    /// A null MX.
    NullMx,
    /// The host has no address.
    NoAddress,
}

/// What its policy host does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// An enforced policy that names the host.
    Enforced,
    /// One in testing.
    Testing,
    /// An enforced policy that names another host.
    OtherHost,
    /// The server has no certificate for the name.
    WrongCertificate,
    Expired,
    NotFound,
    Redirect,
}

impl Host {
    fn new(name: &'static str, planted: &'static str, place: Place) -> Self {
        let (options, tlsa) = (Vec::new(), Vec::new());
        Self { name, planted, place, chain: Chain::Sound, options, tlsa, policy: None }
    }

    fn chain(self, chain: Chain) -> Self {
        Self { chain, ..self }
    }

    fn options(self, options: &[&'static str]) -> Self {
        Self { options: options.to_vec(), ..self }
    }

    fn tlsa(self, tlsa: &[TlsaOf]) -> Self {
        Self { tlsa: tlsa.to_vec(), ..self }
    }

    fn at(self, place: Place) -> Self {
        Self { place, ..self }
    }

    fn policy(self, policy: Policy) -> Self {
        Self { policy: Some(policy), ..self }
    }

    /// The domain.
    pub(crate) fn domain(&self) -> String {
        let zone = match self.place {
            Place::Unsigned | Place::MxUnsigned | Place::NullMx | Place::NoAddress => "plain",
            _ => "signed",
        };
        format!("{}.{zone}", self.name)
    }

    /// The MX host.
    pub(crate) fn host(&self) -> String {
        match self.place {
            Place::HostUnsigned => format!("mx.{}.plain", self.name),
            Place::MxUnsigned => format!("mx.{}.signed", self.name),
            Place::Implicit => self.domain(),
            _ => format!("mx.{}", self.domain()),
        }
    }
}

const EE: TlsaOf = (3, 1, 1, Of::Leaf);
const OTHER_EE: TlsaOf = (3, 1, 1, Of::Another);
const TA: TlsaOf = (2, 0, 1, Of::Intermediate);
const NO_STARTTLS: &str = "smtpd_tls_security_level=none";
/// smtpd cannot load what it needs, has no TLS, and says so after STARTTLS.
const BROKEN_TLS: &str = "smtpd_tls_CAfile=/nonexistent";
const REFUSES: [&str; 2] = ["smtpd_delay_reject=no", "smtpd_client_restrictions=reject"];
const DEFERS: [&str; 3] = ["smtpd_delay_reject=no", "smtpd_client_restrictions=defer", "defer_code=421"];
const TLS_1_2: &str = "smtpd_tls_protocols=TLSv1.2";
const TLS_1_0: [&str; 3] =
    ["smtpd_tls_protocols=TLSv1", "smtpd_tls_ciphers=export", "tls_export_cipherlist=DEFAULT:@SECLEVEL=0"];
const TLS_1_1: [&str; 3] =
    ["smtpd_tls_protocols=TLSv1.1", "smtpd_tls_ciphers=export", "tls_export_cipherlist=DEFAULT:@SECLEVEL=0"];
const P521: &str = "tls_eecdh_auto_curves=secp521r1";

/// A host as it stands in the world.
pub(crate) struct Settled {
    pub(crate) host: Host,
    /// Its address.
    pub(crate) address: String,
    /// What it shows.
    pub(crate) shown: Shown,
}

/// Every host, with an address and a chain.
pub(crate) fn settle(authority: &Authority) -> Vec<Settled> {
    let settled = hosts().into_iter().zip(1..).map(|(host, place)| Settled {
        address: format!("127.0.1.{place}"),
        shown: authority.chain(host.chain, &host.host()),
        host,
    });
    settled.collect()
}

/// Every host, in the order of the table.
fn hosts() -> Vec<Host> {
    [starttls(), certificates(), old(), dane(), dane_and_more()].concat()
}

fn starttls() -> Vec<Host> {
    let host = |name, planted| Host::new(name, planted, Place::Unsigned);
    vec![
        host("sound", "STARTTLS with a valid certificate").policy(Policy::Enforced),
        host("encrypt", "the same, and mail is taken over TLS alone")
            .options(&["smtpd_tls_security_level=encrypt"]),
        host("off", "no STARTTLS").options(&[NO_STARTTLS]).policy(Policy::Enforced),
        host("hidden", "STARTTLS is not offered, and would work")
            .options(&["smtpd_discard_ehlo_keywords=starttls"]),
        host("broken", "STARTTLS is offered and answered by 454").options(&[BROKEN_TLS]),
        host("dropped", "STARTTLS is answered by 220, and the connection closed")
            .options(&["smtpd_tls_ciphers=nonsense"]),
        host("banner554", "the greeting is 554").options(&REFUSES),
        host("banner421", "the greeting is 421").options(&DEFERS),
        host("null", "a null MX").at(Place::NullMx),
        host("nowhere", "the MX host has no address").at(Place::NoAddress),
    ]
}

fn certificates() -> Vec<Host> {
    let host = |name, planted, chain| Host::new(name, planted, Place::Unsigned).chain(chain);
    vec![
        host("rsa", "an RSA key", Chain::Rsa),
        host("p384", "a P-384 key", Chain::P384),
        host("withroot", "the root comes along", Chain::WithRoot),
        host("wildcard", "a wildcard", Chain::Wildcard),
        host("wrongname", "a certificate for another name", Chain::WrongName).policy(Policy::Testing),
        host("sni", "the right certificate by SNI, the wrong one without", Chain::Sound)
            .options(&["tls_server_sni_maps=hash:$config_directory/sni"])
            .policy(Policy::OtherHost),
        host("nameinsubject", "the name in the subject alone", Chain::CommonNameOnly),
        host("expired", "an expired certificate", Chain::Expired).policy(Policy::NotFound),
        host("future", "a certificate that is not valid yet", Chain::Future),
        host("client", "a certificate for clients alone", Chain::ClientOnly),
        host("selfsigned", "a self-signed certificate", Chain::SelfSigned).policy(Policy::WrongCertificate),
        host("unknownroot", "a root that nobody trusts", Chain::UnknownRoot).policy(Policy::Expired),
        host("nointermediate", "the intermediate is missing", Chain::NoIntermediate).policy(Policy::Redirect),
    ]
}

fn old() -> Vec<Host> {
    let host = |name, planted, options: &[_]| {
        Host::new(name, planted, Place::Unsigned).chain(Chain::Rsa).options(options)
    };
    let cipher = |list| [TLS_1_2, "smtpd_tls_ciphers=high", list];
    vec![
        host("tls12", "TLS 1.2 alone", &[TLS_1_2]),
        host("tls13", "TLS 1.3 alone", &["smtpd_tls_protocols=TLSv1.3"]),
        host("tls10", "TLS 1.0 alone", &TLS_1_0),
        host("tls11", "TLS 1.1 alone", &TLS_1_1),
        host("staticrsa", "TLS 1.2 with static RSA alone", &cipher("tls_high_cipherlist=AES128-GCM-SHA256")),
        host("cbc", "TLS 1.2 with CBC alone", &cipher("tls_high_cipherlist=ECDHE-RSA-AES128-SHA256")),
        host(
            "dhe",
            "TLS 1.2 with finite-field Diffie-Hellman alone",
            &cipher("tls_high_cipherlist=DHE-RSA-AES128-GCM-SHA256"),
        ),
        host("p521", "P-521 alone, TLS 1.2", &[TLS_1_2, P521]),
        host("p521tls13", "P-521 alone, TLS 1.3", &["smtpd_tls_protocols=TLSv1.3", P521]),
        host("anonymous", "no certificate at all", &["smtpd_tls_chain_files=", "smtpd_tls_cert_file=none"]),
    ]
}

fn dane() -> Vec<Host> {
    let host = |name, planted, tlsa: &[_]| Host::new(name, planted, Place::Signed).tlsa(tlsa);
    vec![
        host("ee", "3 1 1 of the leaf", &[EE]),
        host("ee301", "3 0 1 of the leaf", &[(3, 0, 1, Of::Leaf)]),
        host("ee312", "3 1 2 of the leaf", &[(3, 1, 2, Of::Leaf)]),
        host("ee310", "3 1 0, the key itself", &[(3, 1, 0, Of::Leaf)]),
        host("eewrong", "3 1 1 of another key", &[OTHER_EE]),
        host("eeselfsigned", "3 1 1, self-signed, another's name, expired", &[EE])
            .chain(Chain::SelfSignedAndWrong),
        host("rollover", "3 1 1 of the old key and of the new", &[OTHER_EE, EE]),
        host("agility", "3 1 1 that matches beside 3 1 2 that does not", &[EE, (3, 1, 2, Of::Another)]),
        host("nothing", "3 1 1 of an empty file", &[(3, 1, 1, Of::Nothing)]),
        host("ta", "2 0 1 of the intermediate", &[TA]),
        host("ta211", "2 1 1 of the intermediate", &[(2, 1, 1, Of::Intermediate)]),
        host("tafull", "2 0 0, the root itself, which the host does not show", &[(2, 0, 0, Of::Root)]),
        host("taroot", "2 0 1 of the root, which the host shows", &[(2, 0, 1, Of::Root)])
            .chain(Chain::WithRoot),
        host("taabsent", "2 0 1 of the root, which the host does not show", &[(2, 0, 1, Of::Root)]),
        host("taname", "2 0 1 of the intermediate, a leaf for another name", &[TA]).chain(Chain::WrongName),
        host("taexpired", "2 0 1 of the intermediate, an expired leaf", &[TA]).chain(Chain::Expired),
        host("taleaf", "2 0 1 of the leaf", &[(2, 0, 1, Of::Leaf)]),
        host("either", "2 0 1 that matches beside 3 1 1 that does not", &[TA, OTHER_EE]),
        host("pkixee", "1 1 1, which is unusable", &[(1, 1, 1, Of::Leaf)]),
        host("pkixta", "0 0 1, which is unusable", &[(0, 0, 1, Of::Intermediate)]),
        host(
            "mixed",
            "1 1 1, which is unusable, beside 3 1 1 of another key",
            &[(1, 1, 1, Of::Leaf), OTHER_EE],
        ),
        host("oddtype", "3 1 9, a matching type that nobody knows", &[(3, 1, 9, Of::Leaf)]),
        host("signednone", "signed, and no TLSA", &[]),
    ]
}

fn dane_and_more() -> Vec<Host> {
    let at = |name, planted, place| Host::new(name, planted, place).tlsa(&[EE]);
    let signed = |name, planted, options: &[_]| at(name, planted, Place::Signed).options(options);
    vec![
        signed("eeoff", "3 1 1 and no STARTTLS", &[NO_STARTTLS]),
        signed("eebroken", "3 1 1, and STARTTLS is answered by 454", &[BROKEN_TLS]),
        signed("eetls10", "3 1 1, and TLS 1.0 alone", &TLS_1_0).chain(Chain::Rsa),
        at("insecure", "TLSA in an unsigned zone", Place::Unsigned),
        at("hostunsigned", "a signed MX set, an unsigned host", Place::HostUnsigned),
        at("mxunsigned", "an unsigned MX set, a signed host", Place::MxUnsigned),
        at("alias", "the host is an alias, the TLSA at its target", Place::Alias),
        at("aliasholds", "the host is an alias, the TLSA at the alias", Place::AliasHolds),
        at("aliasout", "the host is an alias of an unsigned name, the TLSA at the alias", Place::AliasOut),
        at("implicit", "no MX record, TLSA at the domain", Place::Implicit),
        at("bogustlsa", "the TLSA records do not validate", Place::BogusTlsa),
        at("deadtlsa", "the TLSA records cannot be had", Place::DeadTlsa),
        at("bogushost", "the host's addresses do not validate", Place::BogusHost),
        at("bogusmx", "the MX set does not validate", Place::BogusMx),
    ]
}
