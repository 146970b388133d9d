//! A world some time later: what its domains have changed, and what is true of that.
//!
//! At epoch 0 a world is as its parameters make it; at epoch 1 a share of its domains has changed, by the rates of
//! `[changes]`. As everything in a world a change is drawn, not kept: whoever asks about a domain computes what it was and
//! what became of it. A change happens only to domains that it can happen to, and to those for which nothing else is wrong
//! that it would be mixed up with.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::chance::Stream;
use crate::defect::Defect;
use crate::domain::{Domain, Hosting, Mail, Mode, Record, Tlsrpt};
use crate::params::ParamsError;
use crate::world::World;

/// Days between the two epochs: what a second scan sets its clock ahead by.
pub const EPOCH_DAYS: u64 = 28;

/// What an epoch added to a domain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Since {
    /// How often the id was changed.
    pub(crate) ids: u64,
    /// Whose MX hosts the policy names, where it did not follow.
    pub(crate) patterns_of: Option<Hosting>,
    /// Whether its own MX hosts show another certificate.
    pub(crate) certificates: bool,
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
    PolicyChanged = "policy-changed",
    IdStale = "id-stale",
    IdEarly = "id-early",
    PolicyUnfetched = "policy-unfetched",
    PolicyInvalid = "policy-invalid",
    PolicyBack = "policy-back",
    PolicyOperatorMoved = "policy-operator-moved",
    MailMoved = "mail-moved",
    MailMovedAlone = "mail-moved-alone",
    TlsrptAdopted = "tlsrpt-adopted",
    TlsrptAbandoned = "tlsrpt-abandoned",
    CertificateReplaced = "certificate-replaced",
    Unmeasured = "unmeasured",
}

/// A change that a comparison of both epochs has to find: its subject, the change, the rule it breaks, the sub-cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrueChange {
    /// The domain, or the MX host.
    pub subject: String,
    /// The kind of change.
    pub change: &'static str,
    /// The rule it breaks; empty where it breaks none.
    pub rule: &'static str,
    /// The sub-cause; empty where there is none.
    pub cause: &'static str,
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

/// What happens to a domain, and what becomes of it.
pub(crate) fn changed(world: &World, first: &Domain) -> Option<(Change, Domain)> {
    let draw = world.draw(Stream::Epoch, first.index);
    let mut left = draw.unit();
    let kind = world.changes().iter().find_map(|(kind, rate)| {
        left -= rate;
        (left < 0.0).then_some(*kind)
    })?;
    let mut domain = first.clone();
    become_changed(world, kind, first, &mut domain).then_some((kind, domain))
}

/// Whether all is well with the domain's record, policy and match.
fn is_sound(first: &Domain) -> bool {
    first.mail == Mail::Hosts
        && first.record == Record::Published(None)
        && (first.fetch, first.policy, first.matching) == (None, None, None)
}

fn become_changed(world: &World, kind: Change, first: &Domain, domain: &mut Domain) -> bool {
    let operated = matches!(first.hosting, Hosting::Operator(_));
    let own = matches!(first.hosting, Hosting::Own { .. });
    let hosts = first.mail == Mail::Hosts;
    let sound = is_sound(first);
    let other = |operator: u32, operators: u32| (operator + 1) % operators;
    match kind {
        Change::Adopted if hosts && operated && first.record == Record::Absent => {
            domain.record = Record::Published(None);
            (domain.fetch, domain.policy, domain.mode) = (None, None, Mode::Enforce);
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
        Change::PolicyChanged if sound => {
            domain.max_age = other_age(first.max_age);
            domain.since.ids = 1;
        }
        Change::IdStale if sound => domain.max_age = other_age(first.max_age),
        Change::IdEarly if sound => domain.since.ids = 1,
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
        Change::MailMovedAlone if sound && own && first.mode != Mode::None => {
            domain.hosting = Hosting::Operator(world.mail_operator(first.index));
            domain.since.patterns_of = Some(first.hosting);
            domain.matching = Some(Defect::MismatchAllDomain);
        }
        Change::TlsrptAdopted
            if hosts && first.tlsrpt == Tlsrpt::Absent && first.record != Record::Wildcard =>
        {
            domain.tlsrpt = Tlsrpt::Published(None);
        }
        Change::TlsrptAbandoned if hosts && first.tlsrpt == Tlsrpt::Published(None) => {
            domain.tlsrpt = Tlsrpt::Absent;
        }
        Change::CertificateReplaced if hosts && own && !replaced(world, first).is_empty() => {
            domain.since.certificates = true;
        }
        Change::Unmeasured if hosts && first.matching.is_none() => {
            domain.mail = Mail::Unanswered;
            domain.since.patterns_of = Some(first.hosting);
        }
        _ => return false,
    }
    true
}

/// Another lifetime, as long as any.
fn other_age(age: u64) -> u64 {
    if age == 10_368_000 { 2_592_000 } else { 10_368_000 }
}

/// The MX hosts of a domain's own that show a valid certificate, and so can show another.
fn replaced(world: &World, domain: &Domain) -> Vec<String> {
    let name = world.name(domain.index);
    let hosts = world.mx_hosts(domain).into_iter().map(|(_, host)| host);
    let sound = hosts.filter(|host| world.host_defect(domain, *host).is_none());
    sound.map(|host| world.mx_name(domain, &name, host)).collect()
}

impl World {
    /// The changes of a domain that a comparison of epochs 0 and 1, [`EPOCH_DAYS`] apart, has to find.
    pub fn true_changes(&self, index: u64) -> Vec<TrueChange> {
        let first = self.domain_at_first(index);
        let Some((kind, now)) = changed(self, &first) else { return Vec::new() };
        let name = self.name(index);
        let mut found = Vec::new();
        let mut add = |subject: &str, change, rule, cause| {
            found.push(TrueChange { subject: subject.to_owned(), change, rule, cause });
        };
        let unreachable = "sts-policy-unreachable-since";
        match kind {
            Change::Adopted => add(&name, "adopted", "sts-testing-too-short", ""),
            Change::Abandoned => {
                let abrupt = first.max_age > EPOCH_DAYS * 86_400;
                add(&name, "abandoned", if abrupt { "sts-removal-abrupt" } else { "" }, "");
            }
            Change::Withdrawn => add(&name, "abandoned", "", ""),
            Change::RecordBroken => add(&name, "record-broken", unreachable, "record"),
            Change::RecordMended => add(&name, "record-mended", "", ""),
            Change::TestingToEnforce | Change::EnforceToTesting | Change::EnforceToNone => {
                add(&name, "mode-changed", "", "");
            }
            Change::PolicyChanged => add(&name, "policy-changed", "", ""),
            Change::IdStale => add(&name, "policy-changed", "sts-id-stale", ""),
            Change::IdEarly => add(&name, "id-changed", "sts-id-early", "not-followed"),
            Change::PolicyUnfetched => add(&name, "policy-lost", unreachable, "unfetched"),
            Change::PolicyInvalid => add(&name, "policy-lost", unreachable, "invalid"),
            Change::PolicyBack => add(&name, "policy-back", "", ""),
            Change::PolicyOperatorMoved => add(&name, "policy-operator-moved", "", ""),
            Change::MailMoved => {
                add(&name, "mail-operator-moved", "", "");
                if now.since.ids > 0 {
                    add(&name, "policy-changed", "", "");
                }
            }
            Change::MailMovedAlone => {
                add(&name, "mail-operator-moved", "sts-policy-stale", "all");
                add(&name, "mail-operator-moved", "mx-policy-mismatch-all", "stale");
            }
            Change::TlsrptAdopted => add(&name, "tlsrpt-adopted", "", ""),
            Change::TlsrptAbandoned => add(&name, "tlsrpt-abandoned", "", ""),
            Change::CertificateReplaced => {
                for host in replaced(self, &first) {
                    add(&host, "certificate-replaced", "", "");
                }
            }
            // Nobody could look: nothing changed that anybody knows of.
            Change::Unmeasured => {}
        }
        found
    }

    /// Writes every change that a comparison has to find as `changes.csv` into `truth/` of `folder`. Returns how many.
    pub fn write_true_changes(&self, folder: &Path) -> io::Result<u64> {
        let truth = folder.join("truth");
        fs::create_dir_all(&truth)?;
        let tmp = truth.join("changes.csv.tmp");
        let mut out = BufWriter::new(File::create(&tmp)?);
        writeln!(out, "subject,change,rule,cause")?;
        let mut written = 0;
        for index in 0..self.domains() {
            for TrueChange { subject, change, rule, cause } in self.true_changes(index) {
                writeln!(out, "{subject},{change},{rule},{cause}")?;
                written += 1;
            }
        }
        out.into_inner().map_err(io::IntoInnerError::into_error)?;
        fs::rename(tmp, truth.join("changes.csv"))?;
        Ok(written)
    }
}
