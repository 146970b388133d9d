//! Signatures over what the name server says (RFC 4034), made when they are asked for.
//!
//! The keys come from the world's seed, a few for all zones, so that nothing need be kept of a zone; their algorithm is
//! Ed25519 (RFC 8080), whose signatures are the same bytes each time. What is not there is proven by NSEC records that
//! cover just the name asked for (RFC 4470).

use std::fmt;

use domain::base::Ttl;
use domain::base::iana::{Class, DigestAlgorithm, Rtype, SecurityAlgorithm};
use domain::base::name::{Name, ToLabelIter as _, ToName as _};
use domain::base::rdata::ComposeRecordData;
use domain::rdata::dnssec::{Dnskey, Ds, Nsec, ProtoRrsig, Rrsig, RtypeBitmap, Timestamp};
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData as _, SigningKey as _};
use rustls::pki_types::PrivatePkcs8KeyDer;
use sha2::{Digest, Sha256};

use crate::authority::AuthorityError;
use crate::chance::{Chance, Stream};
use crate::clock;

/// A name in wire form.
pub(super) type WireName = Name<Vec<u8>>;

/// Keys for all zones but the root.
const ZONE_KEYS: u64 = 16;
/// Flags of a key that signs both its zone and its own set (RFC 4034 §2.1.1).
const KEY_FLAGS: u16 = 257;
/// The only protocol there is (RFC 4034 §2.1.2).
const KEY_PROTOCOL: u8 = 3;
/// A private key of Ed25519 in PKCS #8 (RFC 8410 §7), before its 32 bytes.
const PKCS8_HEAD: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
const DAY_SECONDS: u32 = 86_400;
/// Days before and after today for which a signature holds.
const VALID_DAYS: (u32, u32) = (2, 14);
/// When a signature that has run out did: the first of February 2020.
const LONG_AGO: u32 = 1_580_515_200;

/// What is wrong with a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It has run out.
    Expired,
    /// It is of other bytes.
    Broken,
}

/// The keys of a world's zones.
pub(crate) struct Signer {
    chance: Chance,
    root: Key,
    zones: Vec<Key>,
}

struct Key {
    pair: KeyPair,
    dnskey: Dnskey<Vec<u8>>,
    tag: u16,
}

impl Signer {
    /// Makes the keys of a world.
    pub(crate) fn new(chance: Chance) -> Result<Self, AuthorityError> {
        let zones = (1..=ZONE_KEYS).map(|number| Key::new(chance, number));
        Ok(Self { chance, root: Key::new(chance, 0)?, zones: zones.collect::<Result<_, _>>()? })
    }

    /// The root's key, as a line of a zone file: what a resolver of this world is told to trust.
    pub(crate) fn anchor(&self) -> String {
        format!(". 300 IN DNSKEY {}\n", self.root.dnskey)
    }

    /// The key of a zone.
    pub(super) fn dnskey(&self, apex: &str) -> &Dnskey<Vec<u8>> {
        &self.key(apex).dnskey
    }

    /// The digest of a zone's key, for the zone above (RFC 4034 §5).
    pub(super) fn ds(&self, apex: &str, name: &WireName) -> Option<Ds<Vec<u8>>> {
        let key = self.key(apex);
        let mut bytes = Vec::new();
        let Ok(()) = name.compose_canonical(&mut bytes);
        let Ok(()) = key.dnskey.compose_canonical_rdata(&mut bytes);
        let digest = Sha256::digest(&bytes).to_vec();
        Ds::new(key.tag, SecurityAlgorithm::ED25519, DigestAlgorithm::SHA256, digest).ok()
    }

    /// Signs a set (RFC 4034 §3.1.8.1): the canonical forms of its records' data, in any order.
    pub(super) fn sign(
        &self,
        (apex, signer_name): (&str, WireName),
        (owner, rtype, ttl): (&WireName, Rtype, Ttl),
        mut datas: Vec<Vec<u8>>,
        flaw: Option<Flaw>,
    ) -> Option<Rrsig<Vec<u8>, WireName>> {
        let key = self.key(apex);
        let today = u32::try_from(clock::now_us() / 1_000_000).ok()? / DAY_SECONDS * DAY_SECONDS;
        let (from, until) = match flaw {
            Some(Flaw::Expired) => (LONG_AGO - 30 * DAY_SECONDS, LONG_AGO),
            _ => (today - VALID_DAYS.0 * DAY_SECONDS, today + VALID_DAYS.1 * DAY_SECONDS),
        };
        // Without the root's own label (RFC 4034 §3.1.3).
        let labels = u8::try_from(owner.iter_labels().count() - 1).ok()?;
        let (from, until) = (Timestamp::from(from), Timestamp::from(until));
        let algorithm = SecurityAlgorithm::ED25519;
        let signature = ProtoRrsig::new(rtype, algorithm, labels, ttl, until, from, key.tag, signer_name);
        let mut bytes = Vec::with_capacity(512);
        let Ok(()) = signature.compose_canonical(&mut bytes);
        datas.sort();
        for data in datas {
            let Ok(()) = owner.compose_canonical(&mut bytes);
            bytes.extend_from_slice(&rtype.to_int().to_be_bytes());
            bytes.extend_from_slice(&Class::IN.to_int().to_be_bytes());
            bytes.extend_from_slice(&ttl.as_secs().to_be_bytes());
            bytes.extend_from_slice(&u16::try_from(data.len()).ok()?.to_be_bytes());
            bytes.extend_from_slice(&data);
        }
        if flaw == Some(Flaw::Broken) {
            bytes.push(0);
        }
        signature.into_rrsig(key.pair.sign(&bytes).ok()?).ok()
    }

    fn key(&self, apex: &str) -> &Key {
        let draw = self.chance.draw_text(Stream::ZoneKey, apex.as_bytes());
        if apex.is_empty() { &self.root } else { &self.zones[draw.below(ZONE_KEYS) as usize] }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

impl Key {
    fn new(chance: Chance, number: u64) -> Result<Self, AuthorityError> {
        let draw = chance.draw(Stream::Keys, number);
        let seed = (1..=4).flat_map(|step| draw.next(step).0.to_be_bytes());
        let pkcs8 = PrivatePkcs8KeyDer::from(PKCS8_HEAD.into_iter().chain(seed).collect::<Vec<_>>());
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, &PKCS_ED25519)?;
        let public = pair.der_bytes().to_vec();
        let dnskey = Dnskey::new(KEY_FLAGS, KEY_PROTOCOL, SecurityAlgorithm::ED25519, public)
            .expect("a key of Ed25519 has 32 bytes");
        Ok(Self { tag: dnskey.key_tag(), pair, dnskey })
    }
}

/// The NSEC record at a name that says which types are there, and that nothing lies between it and the next name that could
/// be (RFC 4470 §3): its owner and its data.
pub(super) fn types_at(name: &WireName, types: &[Rtype]) -> Option<(WireName, Nsec<Vec<u8>, WireName>)> {
    let mut next = vec![1, 0];
    next.extend_from_slice(name.as_slice());
    // A name of 254 bytes has none below it.
    let next = Name::from_octets(next).ok().or_else(|| successor(name))?;
    Some((name.clone(), Nsec::new(next, bitmap(types)?)))
}

/// The NSEC record that says that a name does not exist, nor anything below it.
pub(super) fn absence_of(name: &WireName) -> Option<(WireName, Nsec<Vec<u8>, WireName>)> {
    Some((predecessor(name)?, Nsec::new(successor(name)?, bitmap(&[])?)))
}

fn bitmap(types: &[Rtype]) -> Option<RtypeBitmap<Vec<u8>>> {
    let mut bitmap = RtypeBitmap::<Vec<u8>>::builder();
    for rtype in types.iter().chain(&[Rtype::RRSIG, Rtype::NSEC]) {
        bitmap.add(*rtype).ok()?;
    }
    Some(bitmap.finalize())
}

/// A name just before this one and everything below it, and after every other that a world can have.
fn predecessor(name: &WireName) -> Option<WireName> {
    with_first_label(name, |label| {
        let last = label.last_mut()?;
        // Nothing in a world has a byte that high.
        *last = last.checked_sub(1)?;
        if label.len() < LABEL_BYTES_MAX {
            label.push(0xff);
        }
        Some(())
    })
}

/// A name just behind this one and everything below it.
fn successor(name: &WireName) -> Option<WireName> {
    with_first_label(name, |label| {
        if label.len() < LABEL_BYTES_MAX {
            label.push(0);
        } else {
            let last = label.last_mut()?;
            *last = last.checked_add(1)?;
        }
        Some(())
    })
}

const LABEL_BYTES_MAX: usize = 63;

fn with_first_label(name: &WireName, change: impl FnOnce(&mut Vec<u8>) -> Option<()>) -> Option<WireName> {
    let wire = name.as_slice();
    let length = usize::from(*wire.first()?);
    let mut label = wire.get(1..=length)?.to_vec();
    change(&mut label)?;
    let mut changed = vec![u8::try_from(label.len()).ok()?];
    changed.extend_from_slice(&label);
    changed.extend_from_slice(&wire[1 + length..]);
    Name::from_octets(changed).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc4470_a_proof_covers_the_name_and_what_is_below_it_and_no_neighbour() {
        let name = |text: &str| text.parse::<WireName>().unwrap();
        let (owner, nsec) = absence_of(&name("mx1.d.test")).unwrap();
        let covers = |other: &str| owner < name(other) && name(other) < *nsec.next_name();
        assert!(covers("mx1.d.test") && covers("_25._tcp.mx1.d.test"));
        for other in
            ["mx0.d.test", "mx.d.test", "mx10.d.test", "mx2.d.test", "mx1-2.d.test", "d.test", "x.mx0.d.test"]
        {
            assert!(!covers(other), "{other}");
        }
        let (owner, nsec) = types_at(&name("d.test"), &[Rtype::MX]).unwrap();
        assert_eq!(owner, name("d.test"));
        assert!(*nsec.next_name() < name("a.d.test"));
        assert!(nsec.types().contains(Rtype::MX) && !nsec.types().contains(Rtype::A));
    }
}
