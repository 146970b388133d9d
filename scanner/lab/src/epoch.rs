//! A world some time later: what its domains have changed, and what is true of that.
//!
//! At epoch 0 a world is as its parameters make it; at epoch 1 a share of its domains has changed, by the rates of
//! `[changes]`; at epoch 2 time has passed, and what was begun is completed. As everything in a world a change is drawn,
//! not kept: whoever asks about a domain computes what it was and what became of it. A change happens only to domains that
//! it can happen to, and to those for which nothing else is wrong that it would be mixed up with.

mod rollover;
mod truth;

use std::collections::BTreeMap;

use crate::authority::Leaf;
use crate::chance::Stream;
use crate::defect::Defect;
use crate::domain::{Domain, HostId, Hosting, Mail, Mode, Record, Tlsrpt};
use crate::params::ParamsError;
use crate::text;
use crate::world::World;
pub(crate) use rollover::TlsaNow;
pub use truth::TrueChange;

/// Days from the first epoch to each: what a scan of it sets its clock ahead by.
pub const EPOCHS_DAYS: [u64; 3] = [0, 28, 98];

/// What its fate over the epochs added to a domain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Since {
    /// How often the id was changed.
    pub(crate) ids: u64,
    /// Whose MX hosts the policy names, where it did not follow.
    pub(crate) patterns_of: Option<Hosting>,
    /// The certificate that its own MX hosts show.
    pub(crate) leaf: Option<Leaf>,
    /// What that certificate is found to be.
    pub(crate) host: Option<Defect>,
    /// The TLSA records of its own MX hosts.
    pub(crate) tlsa: Option<TlsaNow>,
    /// Whether these have a long TTL.
    pub(crate) long_lived: bool,
    /// Its zone is not signed any more.
    pub(crate) unsigned: bool,
}

macro_rules! changes {
    ($($variant:ident = $word:literal,)*) => {
        /// What may happen to a domain between two epochs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Change { $($variant,)* }

        impl Change {
            const ALL: &[(Self, &str)] = &[$((Self::$variant, $word),)*];
        }
    };
}

changes! {
    Adopted = "adopted",
    Abandoned = "abandoned",
    Withdrawn = "withdrawn",
    RecordBroken = "record-broken",
    RecordMended = "record-mended",
    TestingToEnforce = "testing-to-enforce",
    EnforceToTesting = "enforce-to-testing",
    EnforceToNone = "enforce-to-none",
    ModeStale = "mode-stale",
    PolicyChanged = "policy-changed",
    PolicyNarrowed = "policy-narrowed",
    IdStale = "id-stale",
    IdEarly = "id-early",
    IdFollowed = "id-followed",
    PolicyUnfetched = "policy-unfetched",
    PolicyInvalid = "policy-invalid",
    PolicyBack = "policy-back",
    PolicyOperatorMoved = "policy-operator-moved",
    MailMoved = "mail-moved",
    MailMovedAlone = "mail-moved-alone",
    MailMovedIdStale = "mail-moved-id-stale",
    MailMovedPolicyLost = "mail-moved-policy-lost",
    HostAdded = "host-added",
    HostAddedAlone = "host-added-alone",
    TlsrptAdopted = "tlsrpt-adopted",
    TlsrptAbandoned = "tlsrpt-abandoned",
    CertificateReplaced = "certificate-replaced",
    CertificateEnding = "certificate-ending",
    TlsaAdopted = "tlsa-adopted",
    TlsaAbandoned = "tlsa-abandoned",
    TlsaReplaced = "tlsa-replaced",
    TlsaAnnounced = "tlsa-announced",
    RolloverDone = "rollover-done",
    RolloverBetween = "rollover-between",
    RolloverEarly = "rollover-early",
    RolloverLate = "rollover-late",
    RolloverNever = "rollover-never",
    DnssecLost = "dnssec-lost",
    Unmeasured = "unmeasured",
}

impl Change {
    /// Whether hosts come or go, so that their names are held against each other.
    fn is_of_host_names(self) -> bool {
        matches!(self, Self::PolicyNarrowed | Self::HostAdded | Self::HostAddedAlone)
    }
}

/// The rates by kind of change, in the order of the kinds.
pub(crate) fn rates(changes: &BTreeMap<String, f64>) -> Result<Vec<(Change, f64)>, ParamsError> {
    let mut rates = Vec::new();
    for (name, rate) in changes {
        let kind = Change::ALL.iter().find(|(_, word)| word == name);
        let (kind, _) = kind.ok_or_else(|| ParamsError::UnknownChange(name.clone()))?;
        if !(0.0..=1.0).contains(rate) {
            return Err(ParamsError::NotAProbability(format!("changes.{name}"), *rate));
        }
        rates.push((*kind, *rate));
    }
    rates.sort_by_key(|(kind, _)| *kind);
    let sum: f64 = rates.iter().map(|(_, rate)| rate).sum();
    if sum > 1.0 + 1e-9 {
        return Err(ParamsError::NotAProbability("the sum of changes".to_owned(), sum));
    }
    Ok(rates)
}

/// How a domain that was drawn stands at an epoch.
pub(crate) fn at(world: &World, drawn: Domain, epoch: u32) -> Domain {
    let Some(kind) = fate(world, &drawn) else { return drawn };
    let mut first = drawn;
    if let (true, Hosting::Own { deep, .. }) = (kind.is_of_host_names(), &mut first.hosting) {
        // Below a label more two hosts lie under one registrable domain in any case: where a listed name's public suffix
        // begins is not known here.
        *deep = true;
    }
    let mut domain = first.clone();
    if kind.is_tlsa() {
        rollover::roll(kind, epoch, &mut domain.since);
    } else if kind == Change::CertificateEnding {
        domain.since.leaf = Some(Leaf::Ending);
        domain.since.host = [None, Some(Defect::MxCertExpiring), Some(Defect::MxCertExpired)][epoch as usize];
    } else if epoch > 0 && !(kind == Change::Unmeasured && epoch > 1) {
        become_changed(world, kind, &first, &mut domain);
        if kind == Change::IdFollowed && epoch > 1 {
            domain.max_age = other_age(first.max_age);
        }
    }
    domain
}

/// What happens to a domain that was drawn.
fn fate(world: &World, drawn: &Domain) -> Option<Change> {
    // A zone below one that is not signed any more is not, either.
    let lost = |parent| fate(world, &world.drawn(parent)) == Some(Change::DnssecLost);
    if drawn.signed && world.parent(drawn.index).is_some_and(lost) {
        return Some(Change::DnssecLost);
    }
    let mut left = world.draw(Stream::Epoch, drawn.index).unit();
    let kind = world.changes().iter().find_map(|(kind, rate)| {
        left -= rate;
        (left < 0.0).then_some(*kind)
    })?;
    let happens = if kind.is_tlsa() {
        rollover::can_happen(world, kind, drawn)
    } else {
        become_changed(world, kind, drawn, &mut drawn.clone())
    };
    happens.then_some(kind)
}

/// Whether all is well with the domain's record, policy and match.
fn is_sound(first: &Domain) -> bool {
    first.mail == Mail::Hosts
        && first.record == Record::Published(None)
        && (first.fetch, first.policy, first.matching) == (None, None, None)
}

fn become_changed(world: &World, kind: Change, first: &Domain, domain: &mut Domain) -> bool {
    let operated = matches!(first.hosting, Hosting::Operator(_));
    let hosts = first.mail == Mail::Hosts;
    let sound = is_sound(first);
    let other = |operator: u32, operators: u32| (operator + 1) % operators;
    match kind {
        Change::Adopted if hosts && operated && first.record == Record::Absent => {
            domain.record = Record::Published(None);
            (domain.fetch, domain.policy, domain.mode) = (None, None, Mode::Enforce);
            (domain.age, domain.max_age) = (None, other_age(first.max_age));
        }
        Change::Abandoned if sound && first.mode != Mode::None => domain.record = Record::Absent,
        Change::Withdrawn if sound && first.mode == Mode::None => domain.record = Record::Absent,
        Change::RecordBroken if sound => domain.record = Record::Published(Some(Defect::RecordIdMissing)),
        Change::RecordMended
            if hosts
                && matches!(first.record, Record::Published(Some(_)))
                && first.has_txt()
                && !first.record_is_valid()
                && (first.fetch, first.policy, first.matching) == (None, None, None) =>
        {
            domain.record = Record::Published(None);
        }
        Change::TestingToEnforce if sound && first.mode == Mode::Testing => {
            (domain.mode, domain.since.ids) = (Mode::Enforce, 1);
        }
        Change::EnforceToTesting if sound && first.mode == Mode::Enforce => {
            (domain.mode, domain.since.ids) = (Mode::Testing, 1);
        }
        Change::EnforceToNone if sound && first.mode == Mode::Enforce => {
            (domain.mode, domain.since.ids) = (Mode::None, 1);
        }
        Change::ModeStale if sound && first.mode == Mode::Testing => domain.mode = Mode::Enforce,
        Change::PolicyChanged if sound => {
            domain.max_age = other_age(first.max_age);
            domain.since.ids = 1;
        }
        Change::IdStale if sound => domain.max_age = other_age(first.max_age),
        Change::IdEarly | Change::IdFollowed if sound => domain.since.ids = 1,
        Change::PolicyUnfetched if sound => domain.fetch = Some(Defect::FetchStatus404),
        Change::PolicyInvalid if sound => domain.policy = Some(Defect::PolicyEmpty),
        Change::PolicyBack
            if hosts
                && first.record == Record::Published(None)
                && (first.policy, first.matching) == (None, None)
                && first.fetch == Some(Defect::FetchStatus404) =>
        {
            domain.fetch = None;
        }
        Change::PolicyOperatorMoved if sound && world.params().sts.operators > 1 => {
            let Some(operator) = first.policy_operator else { return false };
            domain.policy_operator = Some(other(operator, world.params().sts.operators));
        }
        Change::MailMoved if operated && world.params().mail.operators > 1 => {
            let followed = sound && first.mode != Mode::None;
            if !(followed || hosts && first.record == Record::Absent) {
                return false;
            }
            let Hosting::Operator(operator) = first.hosting else { return false };
            domain.hosting = Hosting::Operator(other(operator, world.params().mail.operators));
            domain.since.ids = u64::from(followed);
        }
        Change::TlsrptAdopted
            if hosts && first.tlsrpt == Tlsrpt::Absent && first.record != Record::Wildcard =>
        {
            domain.tlsrpt = Tlsrpt::Published(None);
        }
        Change::TlsrptAbandoned if hosts && first.tlsrpt == Tlsrpt::Published(None) => {
            domain.tlsrpt = Tlsrpt::Absent;
        }
        Change::Unmeasured if hosts && first.matching.is_none() => {
            domain.mail = Mail::Unanswered;
            domain.since.patterns_of = Some(first.hosting);
        }
        _ => return become_changed_at_its_own(world, kind, first, domain),
    }
    true
}

/// What happens to those who run their own MX hosts.
fn become_changed_at_its_own(world: &World, kind: Change, first: &Domain, domain: &mut Domain) -> bool {
    let Hosting::Own { hosts, deep } = first.hosting else { return false };
    let in_order =
        first.mail == Mail::Hosts && own_hosts(world, first).all(|host| is_in_order(world, first, host));
    let (sound, enforced) = (is_sound(first), first.mode == Mode::Enforce);
    match kind {
        Change::MailMovedAlone if sound && first.mode != Mode::None => {
            domain.hosting = Hosting::Operator(world.mail_operator(first.index));
            domain.since.patterns_of = Some(first.hosting);
            domain.matching = Some(Defect::MismatchAllDomain);
        }
        Change::MailMovedIdStale if sound && enforced => {
            domain.hosting = Hosting::Operator(world.mail_operator(first.index));
        }
        Change::MailMovedPolicyLost if sound && enforced => {
            domain.hosting = Hosting::Operator(world.mail_operator(first.index));
            domain.since.patterns_of = Some(first.hosting);
            domain.fetch = Some(Defect::FetchStatus404);
        }
        Change::PolicyNarrowed if sound && enforced && hosts == 2 && names_hosts(world, first) => {
            domain.since.patterns_of = Some(Hosting::Own { hosts: 1, deep });
            domain.matching = Some(Defect::MismatchSomeLabel);
            domain.since.ids = 1;
        }
        Change::HostAdded if in_order && hosts == 1 => {
            let followed = sound && first.mode != Mode::None;
            if !(followed || first.record == Record::Absent) {
                return false;
            }
            domain.hosting = Hosting::Own { hosts: 2, deep };
            domain.since.ids = u64::from(followed && names_hosts(world, first));
        }
        Change::HostAddedAlone
            if in_order && sound && first.mode != Mode::None && hosts == 1 && names_hosts(world, first) =>
        {
            domain.hosting = Hosting::Own { hosts: 2, deep };
            domain.since.patterns_of = Some(first.hosting);
            domain.matching = Some(Defect::MismatchSomeLabel);
        }
        Change::CertificateReplaced if first.mail == Mail::Hosts && !replaced(world, first).is_empty() => {
            domain.since.leaf = Some(Leaf::Other);
        }
        // Records that pin an authority fail with its certificate: that is a finding of its own.
        Change::CertificateEnding
            if in_order
                && own_hosts(world, first).all(|host| world.tlsa_set(Some(first), host).is_none()) => {}
        _ => return false,
    }
    true
}

/// Another lifetime, as long as any.
fn other_age(age: u64) -> u64 {
    if age == 10_368_000 { 2_592_000 } else { 10_368_000 }
}

/// The hosts that a domain of its own has, or could have.
fn own_hosts(world: &World, domain: &Domain) -> impl Iterator<Item = HostId> {
    let hosts = world.mx_hosts(domain).len() as u8;
    let domain = domain.index;
    (0..hosts.max(2)).map(move |number| HostId::Own { domain, number })
}

/// Whether nothing is wrong with a host.
fn is_in_order(world: &World, domain: &Domain, host: HostId) -> bool {
    (world.bare_host_defect(domain, host), world.tlsa_defect(Some(domain), host)) == (None, None)
}

/// Whether the policy names the MX hosts one by one.
fn names_hosts(world: &World, domain: &Domain) -> bool {
    let patterns = text::patterns(world, domain, &world.name(domain.index));
    patterns.iter().all(|pattern| !pattern.starts_with("*."))
}

/// The MX hosts of a domain's own that show a valid certificate, and so can show another; none where a TLSA record is of the
/// certificate itself, and would have to follow.
fn replaced(world: &World, domain: &Domain) -> Vec<String> {
    let name = world.name(domain.index);
    let hosts = || world.mx_hosts(domain).into_iter().map(|(_, host)| host);
    let pinned = |host| world.tlsa_set(Some(domain), host).is_some_and(|set| set.is_of_the_leaf());
    if hosts().any(pinned) {
        return Vec::new();
    }
    let sound = hosts().filter(|host| world.host_defect(domain, *host).is_none());
    sound.map(|host| world.mx_name(domain, &name, host)).collect()
}
