//! The sender's view: what becomes of a message, and what an attacker on the path then gets.

use mxray_evidence::DomainRow;
use mxray_protocol::sts_policy::Mode;

use crate::dane::{NextHop, Standing};
use crate::host::HostAssessment;
use crate::mx_match::is_matched;
use crate::policy::ValidPolicy;
use crate::resolution::Resolution;
use crate::route::{Exchange, Route, not_a_host};

/// What happens to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// It is delivered over TLS to a host that proved who it is.
    Authenticated,
    /// It is delivered over TLS.
    Encrypted,
    /// It is delivered in the clear.
    Cleartext,
    /// It is not delivered for now.
    Deferred,
    /// There is nowhere to deliver it to.
    NoMail,
    /// Not measured.
    Unknown,
}

/// What an active attacker gets, who strips STARTTLS or offers another certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Spoils {
    /// Nothing.
    Nothing,
    /// The message.
    TheMessage,
    /// It cannot be told.
    Unknown,
}

impl Delivery {
    /// The word that stands in `verdicts`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authenticated => "authenticated",
            Self::Encrypted => "encrypted",
            Self::Cleartext => "cleartext",
            Self::Deferred => "deferred",
            Self::NoMail => "no-mail",
            Self::Unknown => "unknown",
        }
    }
}

impl Spoils {
    /// The word that stands in `verdicts`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::TheMessage => "the-message",
            Self::Unknown => "unknown",
        }
    }
}

/// The policy, as a sender without a cache finds it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum InForce<'a> {
    Yes(&'a ValidPolicy),
    No,
    Unknown,
}

impl InForce<'_> {
    /// Whether mail is refused where the policy fails to validate.
    pub(crate) fn is_enforced(self) -> bool {
        matches!(self, Self::Yes(policy) if policy.mode == Mode::Enforce)
    }
}

/// An MX host as a sender meets it.
pub(crate) struct Candidate<'a> {
    pub(crate) exchange: Exchange,
    pub(crate) assessment: Option<&'a HostAssessment>,
}

/// What a candidate does with mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meeting<'a> {
    /// It has no address, so the sender goes on to the next.
    Skipped,
    /// Not measured.
    Unknown,
    /// At least one of its addresses showed what becomes of STARTTLS.
    Met(&'a HostAssessment),
}

impl<'a> Candidate<'a> {
    pub(crate) fn meeting(&self) -> Meeting<'a> {
        if not_a_host(&self.exchange.host).is_some() {
            return Meeting::Skipped;
        }
        match self.assessment {
            Some(host) if host.resolution.is_none() => Meeting::Skipped,
            Some(host) if host.resolution == Resolution::Found && host.tally.judged() > 0 => {
                Meeting::Met(host)
            }
            _ => Meeting::Unknown,
        }
    }
}

/// A sender that uses TLS where it is offered, and asks no certificate (RFC 3207).
pub(crate) fn opportunistic(route: &Route, candidates: &[Candidate<'_>]) -> (Delivery, Spoils) {
    let delivery = match route {
        Route::Null | Route::None => Delivery::NoMail,
        Route::Unknown => Delivery::Unknown,
        Route::Implicit if candidates.is_empty() => Delivery::Unknown,
        Route::Implicit | Route::Hosts(_) => first_group(candidates),
    };
    let spoils = match delivery {
        Delivery::NoMail | Delivery::Deferred => Spoils::Nothing,
        Delivery::Unknown => Spoils::Unknown,
        Delivery::Authenticated | Delivery::Encrypted | Delivery::Cleartext => Spoils::TheMessage,
    };
    (delivery, spoils)
}

/// The worst that can happen in the most preferred group of hosts that have addresses.
fn first_group(candidates: &[Candidate<'_>]) -> Delivery {
    let met = candidates.iter().map(|candidate| (candidate.exchange.preference, candidate.meeting()));
    let mut left = met.filter(|(_, meeting)| *meeting != Meeting::Skipped).peekable();
    let Some(best) = left.peek().map(|(preference, _)| *preference) else {
        return Delivery::Deferred;
    };
    let mut worst = Delivery::Encrypted;
    for (_, meeting) in left.take_while(|(preference, _)| *preference == best) {
        match meeting {
            Meeting::Met(host) if host.tally.has_cleartext() => worst = Delivery::Cleartext,
            Meeting::Met(host) if host.tally.encrypted > 0 && host.tally.mangled == 0 => {}
            _ => return Delivery::Unknown,
        }
    }
    worst
}

/// A sender with MTA-STS and without DANE (RFC 8461 §5).
pub(crate) fn sts(route: &Route, candidates: &[Candidate<'_>], policy: InForce<'_>) -> (Delivery, Spoils) {
    let policy = match policy {
        InForce::Unknown => return (Delivery::Unknown, Spoils::Unknown),
        InForce::Yes(policy) if policy.mode == Mode::Enforce => policy,
        InForce::Yes(_) | InForce::No => return opportunistic(route, candidates),
    };
    let delivery = match route {
        Route::Null | Route::None => Delivery::NoMail,
        Route::Unknown => Delivery::Unknown,
        Route::Implicit | Route::Hosts(_) => enforced(candidates, policy),
    };
    (delivery, Spoils::Nothing)
}

fn enforced(candidates: &[Candidate<'_>], policy: &ValidPolicy) -> Delivery {
    let mut unknown = false;
    for candidate in candidates.iter().filter(|c| is_matched(&policy.policy.mx, &c.exchange.host)) {
        match candidate.meeting() {
            Meeting::Skipped => {}
            Meeting::Unknown => unknown = true,
            Meeting::Met(host) if host.tally.authenticated > 0 => return Delivery::Authenticated,
            Meeting::Met(host) => {
                let tally = &host.tally;
                let answered_only = tally.offered > tally.encrypted + tally.handshake_failed;
                let unjudged = tally.encrypted > tally.authenticated + tally.unauthenticated;
                unknown |= answered_only || unjudged || tally.mangled > 0;
            }
        }
    }
    if unknown { Delivery::Unknown } else { Delivery::Deferred }
}

/// What DNSSEC says of a domain's MX set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secure {
    /// It was validated.
    Yes,
    /// It is not signed.
    No,
    /// It is there and does not validate.
    Bogus,
    /// Nobody who is believed has said.
    Unknown,
}

impl Secure {
    /// By the AD bit of the MX lookup, if it is `believed`.
    pub(crate) fn of(believed: bool, domain: &DomainRow) -> Self {
        match domain.mx.authenticated {
            _ if !believed => Self::Unknown,
            _ if domain.mx.is_bogus() => Self::Bogus,
            _ if !domain.mx.is_measured() => Self::Unknown,
            Some(true) => Self::Yes,
            _ => Self::No,
        }
    }

    /// The word that stands in `verdicts`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "secure",
            Self::No => "insecure",
            Self::Bogus => "bogus",
            Self::Unknown => "unknown",
        }
    }
}

/// What a sender makes of one MX host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leave {
    /// It delivers there, as said.
    Deliver(Delivery),
    /// It does not deliver there, and tries the next.
    Refuse,
    /// Not measured.
    Unknown,
}

/// A sender with DANE (RFC 7672), and with MTA-STS besides where there is a policy: DANE first, at each host that has
/// TLSA records; what MTA-STS says must not override it (RFC 8461 §2).
///
/// TLSA records behind an MX set that is not signed are asked for as well, which RFC 7672 §2.2.1 leaves to the sender
/// and Postfix does; whoever forges the MX set gets the message all the same.
pub(crate) fn dane(
    next_hop: &NextHop<'_>,
    secure: Secure,
    route: &Route,
    candidates: &[Candidate<'_>],
    policy: InForce<'_>,
) -> (Delivery, Spoils) {
    let delivery = match (secure, route) {
        (Secure::Bogus, _) => Delivery::Deferred,
        (Secure::Unknown, _) | (_, Route::Unknown) => Delivery::Unknown,
        (_, Route::Null | Route::None) => Delivery::NoMail,
        (_, Route::Implicit) if candidates.is_empty() => Delivery::Unknown,
        (_, Route::Implicit | Route::Hosts(_)) => {
            let leaves = candidates
                .iter()
                .filter(|candidate| candidate.meeting() != Meeting::Skipped)
                .map(|candidate| (candidate.exchange.preference, leave(next_hop, candidate, policy)));
            by_preference(&leaves.collect::<Vec<_>>())
        }
    };
    let guarded = |candidate: &Candidate<'_>| {
        let standing = candidate.dane().map(|dane| dane.standing);
        candidate.meeting() == Meeting::Skipped
            || matches!(standing, Some(Standing::Usable | Standing::Fails))
    };
    let spoils = match delivery {
        Delivery::Unknown => Spoils::Unknown,
        Delivery::NoMail | Delivery::Deferred => Spoils::Nothing,
        // Whatever he offers, it is not what the policy demands.
        _ if policy.is_enforced() => Spoils::Nothing,
        _ if secure == Secure::Yes && candidates.iter().all(guarded) => Spoils::Nothing,
        _ if matches!(policy, InForce::Unknown) => Spoils::Unknown,
        _ => Spoils::TheMessage,
    };
    (delivery, spoils)
}

/// What a sender with DANE, and with `policy` where DANE has nothing to say, makes of one host.
fn leave(next_hop: &NextHop<'_>, candidate: &Candidate<'_>, policy: InForce<'_>) -> Leave {
    let Some(dane) = candidate.dane() else { return Leave::Unknown };
    match dane.standing {
        Standing::Unknown => return Leave::Unknown,
        Standing::Fails => return Leave::Refuse,
        Standing::Usable | Standing::Unusable | Standing::None => {}
    }
    // Records that nobody can use do not fail DANE, and so do not stand in the policy's way. A host that the policy does not
    // name is refused whatever it does, measured or not.
    if let (Standing::Unusable | Standing::None, InForce::Yes(policy)) = (dane.standing, policy)
        && policy.mode == Mode::Enforce
    {
        return match enforced(std::slice::from_ref(candidate), policy) {
            Delivery::Deferred => Leave::Refuse,
            Delivery::Unknown => Leave::Unknown,
            delivery => Leave::Deliver(delivery),
        };
    }
    let Meeting::Met(host) = candidate.meeting() else { return Leave::Unknown };
    let tally = &host.tally;
    match (dane.standing, policy) {
        (Standing::Usable, _) if dane.authenticated > 0 || dane.is_for(next_hop) => {
            Leave::Deliver(Delivery::Authenticated)
        }
        (Standing::Usable, _) if dane.failed > 0 && dane.failed == tally.judged() => Leave::Refuse,
        (Standing::Unusable, InForce::Unknown) => Leave::Unknown,
        (Standing::Unusable, _) if tally.encrypted > 0 => Leave::Deliver(Delivery::Encrypted),
        (Standing::Unusable, _) if tally.has_cleartext() => Leave::Refuse,
        (Standing::Usable | Standing::Unusable, _) | (_, InForce::Unknown) => Leave::Unknown,
        _ => match first_group(std::slice::from_ref(candidate)) {
            Delivery::Deferred => Leave::Refuse,
            Delivery::Unknown => Leave::Unknown,
            delivery => Leave::Deliver(delivery),
        },
    }
}

/// The worst that can happen in the most preferred group of hosts to any of which the sender delivers.
fn by_preference(leaves: &[(u16, Leave)]) -> Delivery {
    let badness = |delivery: &Delivery| match delivery {
        Delivery::Cleartext => 2,
        Delivery::Encrypted => 1,
        _ => 0,
    };
    for group in leaves.chunk_by(|(a, _), (b, _)| a == b) {
        if group.iter().any(|(_, leave)| *leave == Leave::Unknown) {
            return Delivery::Unknown;
        }
        let delivered = group.iter().filter_map(|(_, leave)| match leave {
            Leave::Deliver(delivery) => Some(*delivery),
            _ => None,
        });
        if let Some(worst) = delivered.max_by_key(badness) {
            return worst;
        }
    }
    Delivery::Deferred
}
