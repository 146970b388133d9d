//! The ground truth: what a census of the world must find, said from what was planted and not from what is served.

mod dane;
mod files;

pub use files::TruthError;

use crate::defect::Defect;
use crate::domain::{Domain, HostId, Mail, Mode, Record, Tlsrpt};
use crate::world::World;
use dane::{Dane, Standing};

/// A defect of a domain: a row of `truth/defects.parquet`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlantedDefect {
    /// The domain that it counts against.
    pub domain: String,
    /// What it is about: the domain, its policy host or one of its MX hosts.
    pub subject: String,
    /// The rule's name.
    pub rule: &'static str,
    /// `violation`, or `unknown` where nobody can measure.
    pub outcome: &'static str,
    /// The sub-cause.
    pub cause: Option<&'static str>,
}

/// What is true of a domain as a whole: a row of `truth/domains.parquet`. The words are a verdict's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrueVerdict {
    /// The domain.
    pub domain: String,
    /// The MTA-STS record: `absent`, `valid`, `invalid`.
    pub record: &'static str,
    /// The policy: `none`, `valid`, `invalid`, `unfetched`.
    pub policy: &'static str,
    /// The policy's mode, where it is valid.
    pub mode: Option<&'static str>,
    /// The policy's `max_age` in seconds, where it is valid.
    pub max_age: Option<u64>,
    /// The TLS-RPT record: `absent`, `valid`, `invalid`.
    pub tlsrpt: &'static str,
    /// Where mail goes: `hosts`, `null`, `implicit`, `none`, `unknown`.
    pub mx: &'static str,
    /// STARTTLS over the MX hosts: `all`, `some`, `no`, `unknown`, `not-applicable`.
    pub starttls: &'static str,
    /// Valid certificates over the MX hosts, in the same words.
    pub certificates: &'static str,
    /// What DNSSEC says of the MX lookup: `secure`, `insecure`, `bogus`, `unknown`.
    pub mx_dnssec: &'static str,
    /// TLSA records of whatever kind over the MX hosts, in the words of `starttls`.
    pub tlsa_present: &'static str,
    /// Those that are signed and can be used.
    pub tlsa: &'static str,
    /// Certificates that match them, over the hosts that have such.
    pub tlsa_matching: &'static str,
    /// What a sender with MTA-STS does: `authenticated`, `encrypted`, `cleartext`, `deferred`, `no-mail`, `unknown`.
    pub sts: &'static str,
    /// What a sender with DANE does.
    pub dane: &'static str,
    /// What an active attacker then gets: `nothing`, `the-message`, `unknown`.
    pub dane_attacker: &'static str,
    /// What a sender with both does, DANE first.
    pub both: &'static str,
    /// What an active attacker then gets.
    pub both_attacker: &'static str,
}

impl World {
    /// The truth about the domain with this index.
    pub fn truth(&self, index: u64) -> (Vec<PlantedDefect>, TrueVerdict) {
        let domain = self.domain(index);
        let name = self.name(index);
        // Who cannot validate the MX set does not know the hosts.
        let hosts = if domain.mail == Mail::Bogus { Vec::new() } else { self.mx_hosts(&domain) };
        let hosts: Vec<Witness> = hosts
            .into_iter()
            .map(|(preference, host)| Witness::of(self, &domain, &name, preference, host))
            .collect();
        let mut defects = Vec::new();
        let mut plant = |subject: &str, defect: Defect| {
            defects.push(PlantedDefect {
                domain: name.to_string(),
                subject: subject.to_owned(),
                rule: defect.rule(),
                outcome: if defect.is_unknown() { "unknown" } else { "violation" },
                cause: defect.cause(),
            });
        };
        plant_domain(&domain, &name, &mut plant);
        plant_aside(&domain, &name, &mut plant);
        plant_policy(&domain, &name, &mut plant);
        if domain.text_is_valid() {
            plant_match(&domain, &name, &hosts, &mut plant);
        }
        if domain.mail == Mail::Hosts || domain.has_txt() {
            for host in &hosts {
                if let Some(defect) = host.defect {
                    plant(&host.name, defect);
                    if defect.old_tls().is_some() {
                        plant(&host.name, Defect::HandshakeProtocolVersion);
                    }
                }
            }
        }
        let dane = Dane::new(&domain, &hosts);
        let is_valid = domain.policy_is_valid();
        dane.plant(&name, is_valid && domain.mode != Mode::None, &mut plant);
        let verdict = verdict(&domain, &name, &hosts, &dane);
        (defects, verdict)
    }
}

fn plant_domain(domain: &Domain, name: &str, plant: &mut impl FnMut(&str, Defect)) {
    if let Record::Published(Some(defect)) = domain.record
        && !is_aside(defect)
    {
        plant(name, defect);
    }
    match domain.tlsrpt {
        Tlsrpt::Published(Some(defect)) if !defect.is_tlsrpt_owner() => plant(name, defect),
        Tlsrpt::Absent | Tlsrpt::Published(Some(_)) if domain.record_is_valid() => {
            plant(name, Defect::TlsrptAbsentWithPolicy);
        }
        _ => {}
    }
}

/// What is found only by those who look where no sender does.
fn plant_aside(domain: &Domain, name: &str, plant: &mut impl FnMut(&str, Defect)) {
    let takes_mail = !matches!(domain.mail, Mail::Missing | Mail::Null);
    if let Record::Published(Some(defect)) = domain.record
        && is_aside(defect)
        && defect != Defect::PolicyWithoutRecord
        && takes_mail
    {
        plant(name, defect);
    }
    if let Tlsrpt::Published(Some(defect)) = domain.tlsrpt
        && defect.is_tlsrpt_owner()
        && takes_mail
    {
        plant(name, defect);
    }
    if domain.policy_is_unannounced() {
        plant(&format!("mta-sts.{name}"), Defect::PolicyWithoutRecord);
    }
}

fn is_aside(defect: Defect) -> bool {
    defect.leaves_no_txt() && defect != Defect::RecordDangling
}

fn plant_policy(domain: &Domain, name: &str, plant: &mut impl FnMut(&str, Defect)) {
    let host = format!("mta-sts.{name}");
    if !domain.has_txt() || !domain.has_policy_host() {
        return;
    }
    if let Some(defect) = domain.fetch {
        plant(&host, defect);
    }
    if !domain.text_arrives() {
        return;
    }
    if let Some(defect) = domain.policy {
        plant(&host, defect);
    }
    if domain.text_is_valid() {
        match domain.mode {
            Mode::Enforce => {}
            Mode::Testing => plant(&host, Defect::ModeTesting),
            Mode::None => plant(&host, Defect::ModeNone),
        }
        if let Some(defect) = domain.age {
            plant(&host, defect);
        }
    }
}

fn plant_match(domain: &Domain, name: &str, hosts: &[Witness], plant: &mut impl FnMut(&str, Defect)) {
    match domain.mail {
        Mail::Null => plant(name, Defect::NullWithPolicy),
        Mail::Implicit => plant(name, Defect::ImplicitWithPolicy),
        _ => {}
    }
    let Some(defect) = domain.matching else { return };
    if defect == Defect::PatternUnused {
        plant(name, defect);
        return;
    }
    for host in hosts.iter().filter(|host| !host.matches) {
        plant(&host.name, defect);
    }
    if defect.is_mismatch_some() && domain.since.patterns_of.is_none() {
        // The pattern that was to match the last host matches none.
        plant(name, Defect::PatternUnused);
    }
}

/// What is true of one MX host of a domain.
struct Witness {
    name: String,
    preference: u16,
    defect: Option<Defect>,
    standing: Standing,
    /// What is wrong with its signatures or its TLSA records.
    tlsa_defect: Option<Defect>,
    /// Whether the policy's patterns match it.
    matches: bool,
}

/// An answer that may be impossible to have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Yes,
    No,
    Unknown,
}

impl Witness {
    fn of(world: &World, domain: &Domain, name: &str, preference: u16, host: HostId) -> Self {
        let hosts = world.mx_hosts(domain);
        let last = hosts.last().is_some_and(|(_, last)| *last == host);
        let matches = match domain.matching {
            Some(defect) if defect.is_mismatch_all() => false,
            Some(defect) if defect.is_mismatch_some() => !last,
            _ => true,
        };
        let (standing, tlsa_defect) = Standing::of(world, domain, host);
        Self {
            name: world.mx_name(domain, name, host),
            preference,
            defect: world.host_defect(domain, host),
            standing,
            tlsa_defect,
            matches,
        }
    }

    fn is_unresolvable(&self) -> bool {
        self.defect.is_some_and(Defect::is_unresolvable)
    }

    /// Whether STARTTLS is offered, and answered with 220.
    fn starttls(&self) -> Known {
        match self.defect {
            Some(Defect::StarttlsAbsent | Defect::StarttlsRejected) => Known::No,
            Some(Defect::MxUnreachable | Defect::MxRefusedUs | Defect::StarttlsMangled) => Known::Unknown,
            // Nobody who validates has its address.
            None if self.tlsa_defect == Some(Defect::AddressBogus) => Known::Unknown,
            _ => Known::Yes,
        }
    }

    /// Whether the handshake succeeds.
    fn handshake(&self) -> Known {
        match self.defect {
            Some(
                Defect::HandshakeAlert
                | Defect::HandshakeProtocolVersion
                | Defect::HandshakeClosed
                | Defect::HandshakeNotTls
                | Defect::HandshakeSignature
                | Defect::HandshakeFailed
                | Defect::MxTls11
                | Defect::MxTls10
                | Defect::MxSsl30,
            ) => Known::No,
            _ => self.starttls(),
        }
    }

    /// Whether the certificate is valid for the host.
    fn certificate(&self) -> Known {
        match self.defect {
            Some(
                Defect::MxCertName
                | Defect::MxCertExpired
                | Defect::MxCertNotYetValid
                | Defect::MxCertSelfSigned
                | Defect::MxCertUnknownRoot
                | Defect::MxCertMissingIntermediate
                | Defect::MxCertMalformed,
            ) => Known::No,
            _ => self.handshake(),
        }
    }
}

fn verdict(domain: &Domain, name: &str, hosts: &[Witness], dane: &Dane<'_>) -> TrueVerdict {
    let record = match domain.record {
        Record::Absent | Record::Wildcard => "absent",
        Record::Published(_) if !domain.has_txt() => "absent",
        Record::Published(_) if domain.record_is_valid() => "valid",
        Record::Published(_) => "invalid",
    };
    let sound_fetch = domain.fetch.is_none_or(Defect::is_lint);
    let policy = match () {
        // A TXT that has nothing to do with MTA-STS announces no policy.
        () if !domain.has_txt() || !domain.has_policy_host() => "none",
        () if !sound_fetch => "unfetched",
        () if domain.text_is_valid() => "valid",
        () => "invalid",
    };
    let valid = policy == "valid";
    let mx = match domain.mail {
        Mail::Missing => "none",
        Mail::Unanswered | Mail::Bogus => "unknown",
        Mail::Null => "null",
        Mail::Implicit => "implicit",
        Mail::Hosts => "hosts",
    };
    let (starttls, certificates) = match domain.mail {
        Mail::Missing | Mail::Null => ("not-applicable", "not-applicable"),
        Mail::Unanswered | Mail::Bogus => ("unknown", "unknown"),
        Mail::Implicit if !domain.has_txt() => ("unknown", "unknown"),
        Mail::Implicit | Mail::Hosts => {
            let met = || hosts.iter().filter(|host| !host.is_unresolvable());
            (over(met().map(Witness::starttls)), over(met().map(Witness::certificate)))
        }
    };
    let (alone, alone_attacker) = dane.sender(None);
    let (both, both_attacker) = dane.sender(domain.policy_is_valid().then_some(domain.mode));
    TrueVerdict {
        domain: name.to_owned(),
        record,
        policy,
        mode: valid.then(|| domain.mode.as_str()),
        max_age: valid.then_some(domain.max_age),
        tlsrpt: match domain.tlsrpt {
            Tlsrpt::Absent => "absent",
            Tlsrpt::Published(Some(defect)) if defect.is_tlsrpt_owner() => "absent",
            Tlsrpt::Published(Some(defect)) if defect.is_tlsrpt_sink() || defect.is_lint() => "valid",
            Tlsrpt::Published(None) => "valid",
            Tlsrpt::Published(Some(_)) => "invalid",
        },
        mx,
        starttls,
        certificates,
        mx_dnssec: dane.mx_dnssec(),
        tlsa_present: dane.present(),
        tlsa: dane.usable(),
        tlsa_matching: dane.matching(),
        dane: alone,
        dane_attacker: alone_attacker,
        both,
        both_attacker,
        sts: if domain.policy_is_valid() && domain.mode == Mode::Enforce {
            enforced(domain, hosts)
        } else {
            opportunistic(domain, hosts)
        },
    }
}

/// `all`, `some`, `no`, `unknown` or `not-applicable`.
fn over(known: impl Iterator<Item = Known>) -> &'static str {
    let known: Vec<Known> = known.collect();
    let (yes, no) = (known.contains(&Known::Yes), known.contains(&Known::No));
    match (yes, no, known.contains(&Known::Unknown)) {
        (false, false, false) => "not-applicable",
        (true, true, _) => "some",
        (true, false, false) => "all",
        (false, true, false) => "no",
        _ => "unknown",
    }
}

/// What a sender does that takes TLS where it is offered (RFC 3207).
fn opportunistic(domain: &Domain, hosts: &[Witness]) -> &'static str {
    match domain.mail {
        Mail::Missing | Mail::Null => return "no-mail",
        Mail::Unanswered | Mail::Bogus => return "unknown",
        Mail::Implicit if !domain.has_txt() => return "unknown",
        Mail::Implicit | Mail::Hosts => {}
    }
    let resolvable: Vec<&Witness> = hosts.iter().filter(|host| !host.is_unresolvable()).collect();
    let Some(first) = resolvable.iter().map(|host| host.preference).min() else { return "deferred" };
    let group: Vec<Known> =
        resolvable.iter().filter(|host| host.preference == first).map(|host| host.handshake()).collect();
    match () {
        () if group.contains(&Known::Unknown) => "unknown",
        () if group.contains(&Known::No) => "cleartext",
        () => "encrypted",
    }
}

/// What a sender does that holds a policy in mode enforce (RFC 8461 §5).
fn enforced(domain: &Domain, hosts: &[Witness]) -> &'static str {
    match domain.mail {
        Mail::Missing | Mail::Null => return "no-mail",
        Mail::Unanswered | Mail::Bogus => return "unknown",
        Mail::Implicit | Mail::Hosts => {}
    }
    let known: Vec<Known> = hosts
        .iter()
        .filter(|host| host.matches && !host.is_unresolvable())
        .map(Witness::certificate)
        .collect();
    match () {
        () if known.contains(&Known::Yes) => "authenticated",
        () if known.contains(&Known::Unknown) => "unknown",
        () => "deferred",
    }
}
