//! Who signs what in a world, and which TLSA records an MX host has (RFC 6698, RFC 7672).
//!
//! The top-level domains and the root are signed. A domain's zone is or is not, and so is a mail operator's. In a signed
//! zone all MX hosts have TLSA records, or none has; what is wrong with them is of [`Axis::Tlsa`].

use crate::authority::Leaf;
use crate::chance::{Draw, Stream};
use crate::defect::{Axis, Defect};
use crate::domain::{Domain, HostId};
use crate::epoch::Since;
use crate::world::World;

/// A TLSA record that is planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tlsa {
    pub(crate) usage: u8,
    pub(crate) selector: u8,
    pub(crate) matching: u8,
    pub(crate) data: Association,
}

/// What the data of a TLSA record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Association {
    /// What a selector and a matching type make of a certificate.
    Of { certificate: Certificate, selector: u8, matching: u8 },
    /// So many bytes that are nothing's digest; a number tells them apart.
    Noise(usize, u8),
    /// The SHA-256 of no bytes at all.
    Nothing,
}

/// A certificate that a TLSA record may be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certificate {
    /// What the host shows first.
    Leaf,
    /// The same of the key that comes next.
    NextLeaf,
    /// The intermediate, which it shows second.
    Intermediate,
    /// The root, which it does not show.
    Root,
}

impl TlsaSet {
    /// Whether a record is of the leaf itself, and not of its key.
    pub(crate) fn is_of_the_leaf(&self) -> bool {
        let of_leaf = |record: &Tlsa| {
            matches!(record.data, Association::Of { certificate: Certificate::Leaf, selector: 0, .. })
        };
        self.records.iter().any(of_leaf)
    }
}

/// What a host's TLSA records are, and how they are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsaSet {
    pub(crate) records: Vec<Tlsa>,
    pub(crate) defect: Option<Defect>,
    /// They stand at what the host is an alias of, and not at the host itself.
    pub(crate) at_alias: bool,
}

impl World {
    /// Whether a domain's zone is signed, and every zone above it.
    pub(crate) fn is_signed(&self, index: u64) -> bool {
        if self.changes().is_empty() {
            self.is_signed_at_first(index)
        } else {
            self.domain(index).is_signed()
        }
    }

    /// The same at epoch 0.
    pub(crate) fn is_signed_at_first(&self, index: u64) -> bool {
        let dane = &self.params().dane;
        if self.has_groups() || !self.draw(Stream::Signed, index).hits(dane.signed) {
            return false;
        }
        // A zone above decides in turn about what lies above itself.
        dane.signed >= 1.0 || self.parent(index).is_none_or(|parent| self.is_signed_at_first(parent))
    }

    /// The domain of the world that this one is below, if it is below any.
    pub(crate) fn parent(&self, index: u64) -> Option<u64> {
        if self.names_are_invented() {
            return None;
        }
        let name = self.name(index);
        let mut parents = std::iter::successors(name.split_once('.'), |(_, rest)| rest.split_once('.'));
        parents.find_map(|(_, parent)| self.index(parent))
    }

    /// Whether a mail operator's zone is signed. Those whose are lie evenly among the others by size, and the largest is not
    /// among them unless all are: what share of the domains is with them depends little on the seed.
    pub(crate) fn operator_is_signed(&self, operator: u32) -> bool {
        let share = self.params().dane.operators_signed;
        let below = |count: u32| (f64::from(count) * share).floor();
        !self.has_groups() && below(operator + 1) > below(operator)
    }

    /// Whether the zone of an MX host is signed.
    fn host_is_signed(&self, domain: Option<&Domain>, host: HostId) -> bool {
        match (host, domain) {
            (HostId::Own { .. }, Some(domain)) => domain.is_signed(),
            (HostId::Own { domain, .. }, None) => self.is_signed(domain),
            (HostId::Operator { operator, .. }, _) => self.operator_is_signed(operator),
        }
    }

    /// What is wrong with the signatures or the TLSA records of an MX host.
    pub(crate) fn tlsa_defect(&self, domain: Option<&Domain>, host: HostId) -> Option<Defect> {
        if self.has_groups() {
            return None;
        }
        if let (HostId::Own { .. }, Some(domain)) = (host, domain) {
            if domain.since.unsigned {
                return self.tlsa_set(Some(domain), host).and_then(|set| set.defect);
            }
            if let Some(records) = domain.since.tlsa {
                return (!records.match_leaf(domain.since.leaf)).then_some(Defect::TlsaOfAnotherKey);
            }
        }
        let (draw, factor, bare) = match host {
            HostId::Own { domain: index, number } => {
                let key = index * 2 + u64::from(number);
                let bare = domain.and_then(|domain| self.bare_host_defect(domain, host));
                (self.draw(Stream::TlsaDefect, key), 1.0, bare)
            }
            HostId::Operator { operator, number } => {
                let key = u64::from(operator) * 4 + u64::from(number);
                let bare = self.bare_operator_defect(operator, number);
                (self.draw(Stream::OperatorTlsaDefect, key), self.params().mail.operator_care, bare)
            }
        };
        let defect = self.afflict_scaled(Axis::Tlsa, draw, factor)?;
        let (number, signed) = (number_of(host), self.host_is_signed(domain, host));
        let possible = match defect {
            _ if bare.is_some_and(Defect::is_unresolvable) => false,
            // Without an address nothing else is seen of a host.
            Defect::AddressBogus => signed && bare.is_none(),
            _ if defect.fails_lookup() => signed,
            Defect::TlsaUnsignedZone => !signed && self.publishes_tlsa(host),
            Defect::TlsaPartial => signed && number > 0,
            // Who finds no record at the end of an alias looks at its beginning; these have none.
            Defect::TlsaUnsignedAlias => signed && self.publishes_tlsa(host) && bare != Some(Defect::MxCname),
            // A certificate of another chain, or a second one, is not near in the same way.
            Defect::TlsaUsage | Defect::TlsaSelectorOrType => {
                signed && self.publishes_tlsa(host) && bare.is_none()
            }
            _ if defect.brings().is_some() => signed && self.publishes_tlsa(host) && bare.is_none(),
            _ => signed && self.publishes_tlsa(host),
        };
        possible.then_some(defect)
    }

    /// The TLSA records of an MX host; `None` where it has none.
    pub(crate) fn tlsa_set(&self, domain: Option<&Domain>, host: HostId) -> Option<TlsaSet> {
        if let (HostId::Own { .. }, Some(domain)) = (host, domain)
            && domain.since.unsigned
        {
            // What stood in the zone when it was signed stands there still.
            let signed = Domain { since: Since { unsigned: false, ..domain.since }, ..domain.clone() };
            let set = self.tlsa_set(Some(&signed), host)?;
            return Some(TlsaSet { defect: Some(Defect::TlsaUnsignedZone), at_alias: false, ..set });
        }
        let defect = self.tlsa_defect(domain, host);
        if let (HostId::Own { .. }, Some(records)) = (host, domain.and_then(|domain| domain.since.tlsa)) {
            let records = records.records();
            return (!records.is_empty()).then_some(TlsaSet { records, defect, at_alias: false });
        }
        let publishes = self.publishes_tlsa(host) && self.host_is_signed(domain, host);
        match defect {
            Some(Defect::AddressBogus | Defect::TlsaPartial) => return None,
            None if !publishes => return None,
            _ => {}
        }
        let bare = match host {
            HostId::Own { .. } => self.bare_host_defect(domain?, host),
            HostId::Operator { operator, number } => self.bare_operator_defect(operator, number),
        };
        if bare.is_some_and(Defect::is_unresolvable) {
            return None;
        }
        let draw = self.tlsa_draw(host);
        let records = match defect {
            Some(defect) => faulty(defect, draw.next(2)),
            None => sound(bare, draw.next(3 + u64::from(number_of(host)))),
        };
        // Where the addresses are not signed nobody follows the alias.
        let at_alias =
            bare == Some(Defect::MxCname) && self.host_is_signed(domain, host) && draw.next(9).hits(0.5);
        Some(TlsaSet { records, defect, at_alias })
    }

    fn publishes_tlsa(&self, host: HostId) -> bool {
        self.tlsa_draw(host).hits(self.params().dane.tlsa)
    }

    fn tlsa_draw(&self, host: HostId) -> Draw {
        match host {
            HostId::Own { domain, .. } => self.draw(Stream::Tlsa, domain),
            HostId::Operator { operator, .. } => self.draw(Stream::OperatorTlsa, u64::from(operator)),
        }
    }
}

fn number_of(host: HostId) -> u8 {
    match host {
        HostId::Own { number, .. } | HostId::Operator { number, .. } => number,
    }
}

/// A record that is as it says.
fn record(usage: u8, selector: u8, matching: u8) -> Tlsa {
    let certificate = if usage == 0 || usage == 2 { Certificate::Intermediate } else { Certificate::Leaf };
    of(usage, selector, matching, Association::Of { certificate, selector, matching })
}

fn of(usage: u8, selector: u8, matching: u8, data: Association) -> Tlsa {
    Tlsa { usage, selector, matching, data }
}

/// Records that authenticate the host. Usage 3 asks for neither name nor dates (RFC 7671 §5.1), and so suits a host whose
/// certificate has something wrong with it; usage 2 suits only one that has not.
fn sound(bare: Option<Defect>, draw: Draw) -> Vec<Tlsa> {
    let next = of(3, 1, 1, Association::Noise(32, 1));
    match (bare, draw.below(20)) {
        (None | Some(Defect::MxCertExpiring), 0) => vec![record(3, 0, 2)],
        (None | Some(Defect::MxCertExpiring), 1..3) => vec![record(3, 0, 1)],
        (None | Some(Defect::MxCertExpiring), 3..5) => vec![record(2, 1, 1)],
        (None | Some(Defect::MxCertExpiring), 5) => vec![record(2, 0, 1)],
        (None | Some(Defect::MxCertExpiring), 6) => vec![record(2, 0, 0)],
        (None | Some(Defect::MxCertExpiring), 7) => vec![record(3, 1, 1), record(2, 1, 1)],
        (_, 8) => vec![record(3, 1, 0)],
        (Some(Defect::MxCertVaries), 0..8) | (_, 9) => vec![record(3, 1, 2)],
        (_, 10) => vec![record(1, 1, 1), record(3, 1, 1)],
        // The key that comes next (RFC 7671 §8.1).
        (_, 11..14) => vec![record(3, 1, 1), next],
        _ => vec![record(3, 1, 1)],
    }
}

fn faulty(defect: Defect, draw: Draw) -> Vec<Tlsa> {
    let leaf = |selector, matching| Association::Of { certificate: Certificate::Leaf, selector, matching };
    let root = |selector, matching| Association::Of { certificate: Certificate::Root, selector, matching };
    let one = |options: &[Tlsa]| vec![*draw.pick(options)];
    match defect {
        Defect::TlsaPkixUsage => one(&[record(0, 0, 1), record(1, 1, 1), record(1, 0, 1)]),
        Defect::TlsaUnknownParameter => {
            one(&[of(3, 2, 1, leaf(1, 1)), of(4, 1, 1, leaf(1, 1)), of(3, 1, 3, leaf(1, 1))])
        }
        Defect::TlsaDigestLength => {
            one(&[of(3, 1, 1, Association::Noise(20, 0)), of(2, 1, 2, Association::Noise(32, 0))])
        }
        Defect::TlsaMalformed => {
            one(&[of(3, 0, 0, Association::Noise(40, 0)), of(2, 1, 0, Association::Noise(40, 0))])
        }
        Defect::TlsaOfNothing => one(&[of(3, 1, 1, Association::Nothing), of(3, 0, 1, Association::Nothing)]),
        Defect::TlsaSelectorOrType => one(&[of(3, 1, 1, leaf(0, 1)), of(3, 0, 1, leaf(1, 1))]),
        Defect::TlsaUsage => {
            let issuer = Association::Of { certificate: Certificate::Intermediate, selector: 1, matching: 1 };
            one(&[of(3, 1, 1, issuer), of(2, 1, 1, leaf(1, 1))])
        }
        Defect::TlsaWeakerDigest => vec![record(3, 1, 1), of(3, 1, 2, Association::Noise(64, 0))],
        Defect::TlsaOfAnotherKey => {
            one(&[of(3, 1, 1, Association::Noise(32, 0)), of(3, 0, 1, Association::Noise(32, 0))])
        }
        Defect::TlsaAnchorAbsent => {
            one(&[of(2, 1, 1, root(1, 1)), of(2, 0, 1, root(0, 1)), of(2, 1, 2, Association::Noise(64, 0))])
        }
        Defect::TlsaAnchorName | Defect::TlsaAnchorPath => one(&[record(2, 1, 1), record(2, 0, 1)]),
        _ => vec![record(3, 1, 1)],
    }
}

/// The certificate that an MX host shows at its first address, or at its second: where nothing is wrong with it, what an
/// epoch gave it.
pub(crate) fn leaf(defect: Option<Defect>, second_address: bool, since: Option<Leaf>) -> Leaf {
    match defect {
        _ if since == Some(Leaf::Ending) => Leaf::Ending,
        None => since.unwrap_or(Leaf::Valid),
        Some(Defect::MxCertName) => Leaf::WrongName,
        Some(Defect::MxCertExpired) => Leaf::Expired,
        Some(Defect::MxCertNotYetValid) => Leaf::NotYetValid,
        Some(Defect::MxCertSelfSigned) => Leaf::SelfSigned,
        Some(Defect::MxCertUnknownRoot) => Leaf::UnknownRoot,
        Some(Defect::MxCertMissingIntermediate) => Leaf::MissingIntermediate,
        Some(Defect::MxCertMalformed) => Leaf::Malformed,
        Some(Defect::HandshakeSignature) => Leaf::AnothersKey,
        Some(Defect::MxCertExpiring) => Leaf::Expiring,
        Some(Defect::MxCertVaries) if second_address => Leaf::Other,
        _ => Leaf::Valid,
    }
}
