//! What becomes of TLSA records, of the keys that they are of, and of the signatures over them (RFC 7671 §8.1, §8.4).

use super::{Change, Since, is_in_order, own_hosts};
use crate::authority::Leaf;
use crate::dane::{Association, Certificate, Tlsa};
use crate::domain::{Domain, Hosting, Mail};
use crate::world::World;

/// The TLSA records that a domain's own MX hosts have, where these are not drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsaNow {
    /// None.
    Absent,
    /// Of the key that is shown at first.
    Key,
    /// Of that and of the next one.
    BothKeys,
    /// Of the next one.
    NextKey,
    /// Of the certificate of the first key.
    Certificate,
}

impl TlsaNow {
    pub(crate) fn records(self) -> Vec<Tlsa> {
        let record = |certificate, selector| Tlsa {
            usage: 3,
            selector,
            matching: 1,
            data: Association::Of { certificate, selector, matching: 1 },
        };
        match self {
            Self::Absent => Vec::new(),
            Self::Key => vec![record(Certificate::Leaf, 1)],
            Self::BothKeys => vec![record(Certificate::Leaf, 1), record(Certificate::NextLeaf, 1)],
            Self::NextKey => vec![record(Certificate::NextLeaf, 1)],
            Self::Certificate => vec![record(Certificate::Leaf, 0)],
        }
    }

    /// Whether one of them is of what the host shows, or there are none.
    pub(crate) fn match_leaf(self, leaf: Option<Leaf>) -> bool {
        match self {
            Self::Absent | Self::BothKeys => true,
            Self::Key | Self::Certificate => leaf != Some(Leaf::NextKey),
            Self::NextKey => leaf == Some(Leaf::NextKey),
        }
    }
}

impl Change {
    /// Whether it is one of TLSA records, their keys or their signatures.
    pub(super) fn is_tlsa(self) -> bool {
        rolls(self).is_some() || self == Self::DnssecLost
    }
}

/// Records, and whether the next key is shown: at each epoch.
type Rolls = [(Option<TlsaNow>, bool); 3];

fn rolls(kind: Change) -> Option<Rolls> {
    use TlsaNow::{Absent, BothKeys, Certificate, Key, NextKey};
    let at = |records, next| (Some(records), next);
    Some(match kind {
        // As the domain was drawn, and then otherwise.
        Change::TlsaAdopted => [(None, false), at(Key, false), at(Key, false)],
        Change::TlsaAbandoned => [(None, false), at(Absent, false), at(Absent, false)],
        Change::TlsaReplaced => [at(Key, false), at(Certificate, false), at(Certificate, false)],
        Change::TlsaAnnounced => [at(Key, false), at(BothKeys, false), at(BothKeys, false)],
        // The record beside the old one, then the key, then the old record goes.
        Change::RolloverDone => [at(BothKeys, false), at(BothKeys, true), at(NextKey, true)],
        Change::RolloverEarly => [at(Key, false), at(NextKey, false), at(NextKey, false)],
        // Both, while senders may hold the old record; or with so short a TTL that there was time for each.
        Change::RolloverLate | Change::RolloverBetween => {
            [at(Key, false), at(NextKey, true), at(NextKey, true)]
        }
        Change::RolloverNever => [at(Key, false), at(Key, true), at(Key, true)],
        _ => return None,
    })
}

/// Whether it can happen to a domain: it signs, runs its own hosts, and all is well with them.
pub(super) fn can_happen(world: &World, kind: Change, first: &Domain) -> bool {
    let own = matches!(first.hosting, Hosting::Own { .. });
    let publishes =
        || world.mx_hosts(first).iter().all(|(_, host)| world.tlsa_set(Some(first), *host).is_some());
    first.mail == Mail::Hosts
        && own
        && first.signed
        && own_hosts(world, first).all(|host| is_in_order(world, first, host))
        && publishes() == (kind != Change::TlsaAdopted)
}

/// What it makes of the domain's records, keys and signatures at an epoch.
pub(super) fn roll(kind: Change, epoch: u32, since: &mut Since) {
    let Some(rolls) = rolls(kind) else {
        since.unsigned = epoch > 0;
        return;
    };
    let (records, next) = rolls[epoch as usize];
    since.tlsa = records;
    since.leaf = next.then_some(Leaf::NextKey);
    since.long_lived = kind == Change::RolloverLate;
}
