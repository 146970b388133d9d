//! What is true of DANE (RFC 7672), said from what was planted.

use super::{Known, Witness, over};
use crate::defect::Defect;
use crate::domain::{Domain, HostId, Mail, Mode};
use crate::world::World;

/// What a sender with DANE finds at an MX host (RFC 7672 §2.2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// No TLSA record, or none that is signed.
    None,
    /// A lookup fails, so that the sender keeps away.
    Fails,
    /// Records, none of which can be used.
    Unusable,
    /// Records that can be used, and whether the certificate that is shown matches one.
    Usable { matches: bool },
}

impl Standing {
    pub(super) fn of(world: &World, domain: &Domain, host: HostId) -> (Self, Option<Defect>) {
        let defect = world.tlsa_defect(Some(domain), host);
        let standing = match defect {
            Some(defect) if defect.fails_lookup() => Self::Fails,
            Some(defect) if defect.is_tlsa_unusable() => Self::Unusable,
            Some(Defect::TlsaUnsignedZone | Defect::TlsaUnsignedAlias | Defect::TlsaPartial) => Self::None,
            Some(defect) => Self::Usable { matches: !defect.is_tlsa_mismatch() },
            None if world.tlsa_set(Some(domain), host).is_some() => Self::Usable { matches: true },
            None => Self::None,
        };
        (standing, defect)
    }

    fn is_usable(self) -> bool {
        matches!(self, Self::Usable { .. })
    }
}

/// The MX hosts of a domain, under DANE.
pub(super) struct Dane<'a> {
    domain: &'a Domain,
    /// Whether the MX set is signed, or its absence is.
    signed: bool,
    /// Those with an address, most preferred first.
    hosts: Vec<&'a Witness>,
    /// Whether the hosts are probed at all.
    probed: bool,
}

impl<'a> Dane<'a> {
    pub(super) fn new(domain: &'a Domain, hosts: &'a [Witness]) -> Self {
        let mut hosts: Vec<&Witness> = hosts.iter().filter(|host| !host.is_unresolvable()).collect();
        hosts.sort_by_key(|host| host.preference);
        let probed = match domain.mail {
            Mail::Hosts => true,
            Mail::Implicit => domain.has_txt(),
            _ => false,
        };
        Self { domain, signed: domain.is_signed(), hosts, probed }
    }

    /// Plants what DANE finds; `enforced` or not, `policy` is whether there is a valid one that is not in mode none.
    pub(super) fn plant(&self, name: &str, policy: bool, plant: &mut impl FnMut(&str, Defect)) {
        if self.domain.mail == Mail::Bogus {
            plant(name, Defect::MxBogus);
        }
        if !self.probed {
            return;
        }
        for host in &self.hosts {
            match (host.standing, host.tlsa_defect) {
                (Standing::Usable { .. }, _) if host.starttls() == Known::No => {
                    plant(&host.name, Defect::TlsaWithoutStarttls);
                }
                // Whether the chain matches shows where a chain is shown.
                (Standing::Usable { matches: false }, Some(defect)) if host.handshake() == Known::Yes => {
                    plant(&host.name, defect);
                }
                (Standing::Usable { .. }, _) | (_, None | Some(Defect::TlsaPartial)) => {}
                (_, Some(defect)) => plant(&host.name, defect),
            }
        }
        if !self.hosts.iter().any(|host| host.standing.is_usable()) {
            return;
        }
        if !self.signed {
            plant(name, Defect::TlsaBehindInsecureMx);
        }
        if self.hosts.iter().any(|host| host.standing == Standing::None) {
            plant(name, Defect::TlsaPartial);
        }
        let conflicts = |host: &Witness| {
            let fails = host.standing == Standing::Usable { matches: false };
            fails && host.matches && host.certificate() == Known::Yes
        };
        if policy && self.hosts.iter().any(|host| conflicts(host)) {
            plant(name, Defect::DaneStsConflict);
        }
    }

    /// What DNSSEC says of the MX lookup.
    pub(super) fn mx_dnssec(&self) -> &'static str {
        match self.domain.mail {
            Mail::Unanswered => "unknown",
            Mail::Bogus => "bogus",
            // That there is no such domain, a top-level domain says, which is signed.
            Mail::Missing => "secure",
            _ if self.signed => "secure",
            _ => "insecure",
        }
    }

    /// At how many of the hosts TLSA records stand, of whatever kind.
    pub(super) fn present(&self) -> &'static str {
        self.over(|host| match (host.standing, host.tlsa_defect) {
            (Standing::Fails, _) => Some(Known::Unknown),
            (_, Some(Defect::TlsaPartial)) | (Standing::None, None) => Some(Known::No),
            _ => Some(Known::Yes),
        })
    }

    /// How many of the hosts have records that are signed and can be used.
    pub(super) fn usable(&self) -> &'static str {
        self.over(|host| Some(if host.standing.is_usable() { Known::Yes } else { Known::No }))
    }

    /// How many of those show a certificate that matches.
    pub(super) fn matching(&self) -> &'static str {
        self.over(|host| match host.standing {
            Standing::Usable { matches: false } if host.handshake() == Known::Yes => Some(Known::No),
            Standing::Usable { .. } => Some(host.handshake()),
            _ => None,
        })
    }

    fn over(&self, what: impl Fn(&Witness) -> Option<Known>) -> &'static str {
        match self.domain.mail {
            Mail::Missing | Mail::Null => "not-applicable",
            _ if !self.probed => "unknown",
            _ => over(self.hosts.iter().filter_map(|host| what(host))),
        }
    }

    /// What a sender with DANE does, and what an active attacker gets; with a policy in mode enforce too if it is one that
    /// does `both`.
    pub(super) fn sender(&self, both: Option<Mode>) -> (&'static str, &'static str) {
        let enforced = both == Some(Mode::Enforce);
        let delivery = match self.domain.mail {
            Mail::Missing | Mail::Null => "no-mail",
            // What does not validate is as good as not answered (RFC 7672 §2.1.3).
            Mail::Bogus => "deferred",
            _ if !self.probed => "unknown",
            _ => self.delivery(enforced),
        };
        let guarded = |host: &Witness| matches!(host.standing, Standing::Usable { .. } | Standing::Fails);
        let attacker = match delivery {
            "unknown" => "unknown",
            "no-mail" | "deferred" => "nothing",
            _ if enforced || (self.signed && self.hosts.iter().all(|host| guarded(host))) => "nothing",
            _ => "the-message",
        };
        (delivery, attacker)
    }

    /// The worst that can happen in the first group of hosts to any of which the sender delivers.
    fn delivery(&self, enforced: bool) -> &'static str {
        for group in self.hosts.chunk_by(|a, b| a.preference == b.preference) {
            let fates: Vec<&str> = group.iter().map(|host| fate(host, enforced)).collect();
            let worst = ["unknown", "cleartext", "encrypted", "authenticated"];
            if let Some(fate) = worst.into_iter().find(|fate| fates.contains(fate)) {
                return fate;
            }
        }
        "deferred"
    }
}

/// What becomes of a message at one host; `refused` where the sender goes on to the next.
fn fate(host: &Witness, enforced: bool) -> &'static str {
    let by = |known: Known, yes, no| match known {
        Known::Yes => yes,
        Known::No => no,
        Known::Unknown => "unknown",
    };
    match host.standing {
        Standing::Fails => "refused",
        Standing::Usable { matches } => {
            by(host.handshake(), if matches { "authenticated" } else { "refused" }, "refused")
        }
        // DANE has nothing to say, or asks for TLS alone; the policy asks for more (RFC 8461 §5).
        Standing::None | Standing::Unusable if enforced && !host.matches => "refused",
        Standing::None | Standing::Unusable if enforced => by(host.certificate(), "authenticated", "refused"),
        Standing::Unusable => by(host.handshake(), "encrypted", "refused"),
        Standing::None => by(host.handshake(), "encrypted", "cleartext"),
    }
}
