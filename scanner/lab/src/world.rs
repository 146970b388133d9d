//! The world: from an index to everything that is true of a domain, without keeping any of it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::chance::{Chance, Draw, Stream, Zipf};
use crate::defect::{Axis, Defect};
use crate::domain::{Domain, HOST_LABELS, HostId, Hosting, Mail, Mode, Record, Tlsrpt};
use crate::epoch::{self, Change, Since};
use crate::group::Groups;
use crate::names::{NameTable, Names, NamesError};
use crate::params::{ParamsError, WorldParams};
use crate::plan::{AddressPlan, Slot};

/// Why a world cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// Its parameters contradict themselves.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// Its names cannot be had.
    #[error(transparent)]
    Names(#[from] NamesError),
}

/// A simulated internet: the same for the same seed, parameters and names.
///
/// Holds no state of any domain: what is asked about one is computed from its index.
#[derive(Debug)]
pub struct World {
    pub(crate) chance: Chance,
    params: WorldParams,
    names: NameTable,
    plan: AddressPlan,
    rates: BTreeMap<Axis, Vec<(Defect, f64)>>,
    groups: Option<Groups>,
    changes: Vec<(Change, f64)>,
    epoch: u32,
    mail_operators: Zipf,
    policy_operators: Zipf,
    /// Whether `::1` can be used to refuse connections.
    ipv6: bool,
}

impl World {
    /// Makes the world of a seed.
    pub fn new(seed: u64, params: WorldParams, names: &Names) -> Result<Self, WorldError> {
        params.check()?;
        let rates = params.rates()?;
        let changes = epoch::rates(&params.changes)?;
        let chance = Chance::new(seed);
        let names = NameTable::new(names, &params.suffixes, chance)?;
        let groups = Groups::new(&params, chance)?;
        if let Some(needed) = params.domains().filter(|needed| *needed != names.len()) {
            return Err(ParamsError::GroupsAndNames { needed, given: names.len() }.into());
        }
        let operators = params.mail.operators + groups.as_ref().map_or(0, Groups::operators);
        let plan = AddressPlan::new(chance, names.len(), operators, params.sts.operators);
        let mail_operators = Zipf::new(params.mail.operators, params.mail.concentration);
        let policy_operators = Zipf::new(params.sts.operators, params.sts.concentration);
        let world = Self {
            chance,
            params,
            names,
            plan,
            rates,
            groups,
            changes,
            epoch: 0,
            mail_operators,
            policy_operators,
            ipv6: true,
        };
        if let Some(groups) = &world.groups {
            groups.hold_against(&world)?;
        }
        Ok(world)
    }

    /// The same world on a machine without `::1`: hosts that would refuse a connection leave it unanswered.
    #[must_use]
    pub fn without_ipv6(self) -> Self {
        Self { ipv6: false, ..self }
    }

    /// Domains in it.
    pub fn domains(&self) -> u64 {
        self.names.len()
    }

    /// The name of the domain with an index below [`domains`](Self::domains).
    pub fn name(&self, index: u64) -> Cow<'_, str> {
        self.names.name(index)
    }

    /// The index of a domain's name, in lower case and without the last dot.
    pub fn index(&self, name: &str) -> Option<u64> {
        self.names.index(name)
    }

    /// What it was made from.
    pub fn params(&self) -> &WorldParams {
        &self.params
    }

    pub(crate) fn has_groups(&self) -> bool {
        self.groups.is_some()
    }

    pub(crate) fn names_are_invented(&self) -> bool {
        matches!(self.names, NameTable::Invented(_))
    }

    pub(crate) fn has_ipv6(&self) -> bool {
        self.ipv6
    }

    pub(crate) fn plan(&self) -> &AddressPlan {
        &self.plan
    }

    /// Mail operators, those that are a group's own included.
    pub(crate) fn mail_operators(&self) -> u32 {
        self.params.mail.operators + self.groups.as_ref().map_or(0, Groups::operators)
    }

    /// The same world at an epoch: 0 is the first, 2 the last; they are later by [`EPOCHS_DAYS`](crate::epoch::EPOCHS_DAYS).
    #[must_use]
    pub fn at_epoch(self, epoch: u32) -> Self {
        Self { epoch: epoch.min(2), ..self }
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    pub(crate) fn changes(&self) -> &[(Change, f64)] {
        &self.changes
    }

    /// Everything that is true of the domain with this index.
    pub(crate) fn domain(&self, index: u64) -> Domain {
        let drawn = self.drawn(index);
        if self.changes.is_empty() { drawn } else { epoch::at(self, drawn, self.epoch) }
    }

    /// The same without what its fate over the epochs makes of it.
    pub(crate) fn drawn(&self, index: u64) -> Domain {
        if let Some(groups) = &self.groups {
            return self.grouped(index, groups.member(index));
        }
        let mut hosting = self.hosting(index);
        let mut mail = if self.exists(index) { Mail::Hosts } else { Mail::Missing };
        let record = if mail == Mail::Missing { Record::Absent } else { self.record(index, hosting) };
        if mail != Mail::Missing {
            mail = self.mail(index, record);
        }
        let mut domain = Domain {
            index,
            mail,
            hosting,
            record,
            fetch: self.afflict(Axis::Fetch, Stream::Fetch, index).map(|d| self.substitute(d)),
            policy: self.afflict(Axis::Policy, Stream::Policy, index),
            mode: Mode::Enforce,
            max_age: 0,
            age: None,
            matching: None,
            tlsrpt: Tlsrpt::Absent,
            policy_operator: None,
            signed: self.is_signed_at_first(index),
            since: Since::default(),
        };
        self.fill_policy(&mut domain);
        domain.tlsrpt = self.tlsrpt(&domain);
        if domain.text_is_valid() && domain.mode != Mode::None && mail == Mail::Hosts {
            domain.matching = self.afflict(Axis::Match, Stream::Match, index);
        }
        match domain.matching {
            // Every pattern is to be under another domain than the host it misses: the hosts lie in two.
            Some(Defect::MismatchSomeDomain) => match self.mixed(index) {
                Some(mixed) => hosting = mixed,
                None => domain.matching = None,
            },
            // Where a listed name's public suffix begins is not known here; where an operator's does, is.
            Some(Defect::MismatchAllTld | Defect::MismatchSomeTld) => {
                hosting = Hosting::Operator(self.mail_operator(index));
            }
            _ => {}
        }
        domain.hosting = hosting;
        if let Hosting::Own { hosts, deep } = &mut hosting {
            if domain.matching.is_some_and(Defect::is_mismatch_some) {
                *hosts = 2;
            } else if self.own_defect(index, 0) == Some(Defect::MxCertVaries) {
                *hosts = 1;
            }
            *deep |= matches!(
                domain.matching,
                Some(Defect::MismatchAllWildcardDepth | Defect::MismatchSomeWildcardDepth)
            );
            domain.hosting = hosting;
        }
        domain
    }

    /// Whether the domain with this index is to be found in DNS.
    pub(crate) fn exists(&self, index: u64) -> bool {
        self.has_groups() || !self.draw(Stream::Existence, index).hits(self.params.mail.missing)
    }

    /// The MX hosts that a domain names, most preferred first, with their preference.
    pub(crate) fn mx_hosts(&self, domain: &Domain) -> Vec<(u16, HostId)> {
        match (domain.mail, domain.hosting) {
            (Mail::Implicit, _) => vec![(0, HostId::Own { domain: domain.index, number: 0 })],
            (Mail::Hosts | Mail::Bogus, Hosting::Own { hosts, .. }) => {
                let equal = self.draw(Stream::HostStyle, domain.index).hits(0.3);
                (0..hosts)
                    .map(|number| {
                        let preference = if equal { 10 } else { 10 * (u16::from(number) + 1) };
                        (preference, HostId::Own { domain: domain.index, number })
                    })
                    .collect()
            }
            (Mail::Hosts | Mail::Bogus, Hosting::Operator(operator)) => {
                let hosts = self.operator_hosts(operator);
                let equal = self.draw(Stream::OperatorHosts, u64::from(operator)).next(1).hits(0.5);
                (0..hosts)
                    .map(|number| {
                        let preference = if equal { 10 } else { 10 * (u16::from(number) + 1) };
                        (preference, HostId::Operator { operator, number })
                    })
                    .collect()
            }
            (Mail::Hosts | Mail::Bogus, Hosting::Mixed(operator)) => vec![
                (10, HostId::Own { domain: domain.index, number: 0 }),
                (20, HostId::Operator { operator, number: 0 }),
            ],
            (Mail::Missing | Mail::Unanswered | Mail::Null, _) => Vec::new(),
        }
    }

    /// The name under which a domain's MX record names the host.
    pub(crate) fn mx_name(&self, domain: &Domain, name: &str, host: HostId) -> String {
        let number = match host {
            HostId::Operator { operator, number } => {
                return format!("{}.in.post{operator}.example", HOST_LABELS[usize::from(number)]);
            }
            HostId::Own { .. } if domain.mail == Mail::Implicit => return name.to_owned(),
            HostId::Own { number, .. } => number,
        };
        let label = HOST_LABELS[usize::from(number)];
        match (self.host_defect(domain, host), domain.hosting) {
            (Some(Defect::MxIpLiteral), _) => {
                let draw = self.draw(Stream::HostStyle, domain.index).next(2);
                // Documentation addresses (RFC 5737).
                format!("192.0.2.{}", 1 + draw.below(254))
            }
            (Some(Defect::MxLocalhost), _) => "localhost".to_owned(),
            (_, Hosting::Own { deep: true, .. }) => format!("{label}.in.{name}"),
            _ => format!("{label}.{name}"),
        }
    }

    /// What is wrong with one of a domain's MX hosts.
    pub(crate) fn host_defect(&self, domain: &Domain, host: HostId) -> Option<Defect> {
        let bare = self.bare_host_defect(domain, host);
        let own = matches!(host, HostId::Own { .. });
        bare.or(domain.since.host.filter(|_| own)).or_else(|| self.tlsa_defect(Some(domain), host)?.brings())
    }

    /// The same, but for what its TLSA records bring with them.
    pub(crate) fn bare_host_defect(&self, domain: &Domain, host: HostId) -> Option<Defect> {
        match host {
            HostId::Operator { operator, number } => self.bare_operator_defect(operator, number),
            HostId::Own { domain: index, number } => {
                let defect = self.own_defect(index, number)?;
                let alone = matches!(domain.hosting, Hosting::Own { hosts: 1, .. } | Hosting::Mixed(_));
                let mixed = matches!(domain.hosting, Hosting::Mixed(_));
                let implicit = domain.mail == Mail::Implicit;
                let possible = match defect {
                    Defect::MxCertVaries => alone && !implicit,
                    Defect::MxIpLiteral | Defect::MxLocalhost if mixed => false,
                    _ if implicit => !defect.is_unresolvable() && defect != Defect::MxCname,
                    _ => true,
                };
                possible.then_some(defect)
            }
        }
    }

    /// What is wrong with an operator's MX host.
    pub(crate) fn operator_defect(&self, operator: u32, number: u8) -> Option<Defect> {
        let bare = self.bare_operator_defect(operator, number);
        bare.or_else(|| self.tlsa_defect(None, HostId::Operator { operator, number })?.brings())
    }

    /// The same, but for what its TLSA records bring with them.
    pub(crate) fn bare_operator_defect(&self, operator: u32, number: u8) -> Option<Defect> {
        if let Some(groups) = &self.groups {
            return groups.operator_defect(operator, number, self.operator_hosts(operator));
        }
        let key = u64::from(operator) * 4 + u64::from(number);
        let draw = self.draw(Stream::OperatorHostDefect, key);
        self.afflict_scaled(Axis::Host, draw, self.params.mail.operator_care)
            // Those stand in a customer's MX record, not in the operator's zone.
            .filter(|d| !matches!(d, Defect::MxIpLiteral | Defect::MxLocalhost))
    }

    /// The addresses of a host (before any defect), as slots of the address plan.
    pub(crate) fn host_slots(&self, domain: Option<&Domain>, host: HostId) -> Vec<Slot> {
        match host {
            HostId::Operator { operator, number } => {
                let two = self.operator_defect(operator, number) == Some(Defect::MxCertVaries)
                    || self
                        .draw(Stream::OperatorAddresses, u64::from(operator) * 4 + u64::from(number))
                        .hits(0.4);
                (0..=u8::from(two)).map(|address| Slot::Operator { operator, number, address }).collect()
            }
            HostId::Own { domain: index, number } => {
                let varies =
                    domain.is_some_and(|domain| self.host_defect(domain, host) == Some(Defect::MxCertVaries));
                let second = varies.then_some(Slot::Own { domain: index, second: true });
                [Slot::Own { domain: index, second: number == 1 }].into_iter().chain(second).collect()
            }
        }
    }

    /// MX hosts of an operator.
    pub(crate) fn operator_hosts(&self, operator: u32) -> u8 {
        2 + self.draw(Stream::OperatorHosts, u64::from(operator)).below(3) as u8
    }

    pub(crate) fn draw(&self, stream: Stream, key: u64) -> Draw {
        self.chance.draw(stream, key)
    }

    fn hosting(&self, index: u64) -> Hosting {
        let stride = self.plan.stride();
        let own = index.is_multiple_of(stride)
            && self.draw(Stream::Hosting, index).hits((1.0 - self.params.mail.operated) * stride as f64);
        if own {
            let hosts = 1 + u8::from(self.draw(Stream::HostCount, index).hits(self.params.mail.two_hosts));
            let deep = self.draw(Stream::HostCount, index).next(1).hits(0.1);
            Hosting::Own { hosts, deep }
        } else {
            Hosting::Operator(self.mail_operator(index))
        }
    }

    /// An operator beside a host of the domain's own, if it can have one.
    fn mixed(&self, index: u64) -> Option<Hosting> {
        index.is_multiple_of(self.plan.stride()).then_some(Hosting::Mixed(self.mail_operator(index)))
    }

    pub(crate) fn mail_operator(&self, index: u64) -> u32 {
        self.mail_operators.pick(self.draw(Stream::Operator, index))
    }

    fn record(&self, index: u64, hosting: Hosting) -> Record {
        // An MX of no name cannot stand in a policy: such a domain has none, or two things were wrong at once.
        if let Hosting::Own { .. } = hosting {
            let nameless = |number| {
                matches!(self.own_defect(index, number), Some(Defect::MxIpLiteral | Defect::MxLocalhost))
            };
            if nameless(0) || nameless(1) {
                return Record::Absent;
            }
        }
        let draw = self.draw(Stream::Adoption, index).unit();
        if draw < self.params.sts.record {
            let defect = self.afflict(Axis::Record, Stream::Record, index);
            // Only a name below another that is no top-level domain has a parent whose record could be meant.
            let parent_can = || self.name(index).split('.').count() > 2;
            Record::Published(defect.filter(|d| *d != Defect::RecordOwnerParent || parent_can()))
        } else if draw < self.params.sts.record + self.params.sts.wildcard_txt {
            Record::Wildcard
        } else {
            Record::Absent
        }
    }

    fn mail(&self, index: u64, record: Record) -> Mail {
        let draw = self.draw(Stream::Mail, index);
        if draw.next(1).hits(self.params.mail.servfail) {
            return Mail::Unanswered;
        }
        if self.is_signed_at_first(index)
            && self.afflict(Axis::Signatures, Stream::Signatures, index).is_some()
        {
            return Mail::Bogus;
        }
        let mail = if let Record::Published(_) = record {
            match self.afflict(Axis::Mail, Stream::Mail, index) {
                Some(Defect::NullWithPolicy) => Mail::Null,
                Some(Defect::ImplicitWithPolicy) => Mail::Implicit,
                _ => Mail::Hosts,
            }
        } else if draw.unit() < self.params.mail.null {
            Mail::Null
        } else if draw.unit() < self.params.mail.null + self.params.mail.implicit {
            Mail::Implicit
        } else {
            Mail::Hosts
        };
        // Only those with an address of their own can do without MX.
        match (mail, index.is_multiple_of(self.plan.stride())) {
            (Mail::Implicit, false) => Mail::Hosts,
            (mail, _) => mail,
        }
    }

    fn fill_policy(&self, domain: &mut Domain) {
        let index = domain.index;
        domain.mode = match self.afflict(Axis::Mode, Stream::Mode, index) {
            // A policy without MX patterns, or with wrong ones, is wrong in the other modes only.
            Some(Defect::ModeNone) if domain.policy.is_none_or(Defect::is_lint) => Mode::None,
            Some(Defect::ModeTesting) => Mode::Testing,
            _ => Mode::Enforce,
        };
        domain.age = self.afflict(Axis::Age, Stream::Age, index).filter(|_| domain.mode != Mode::None);
        domain.max_age = self.max_age(index, domain.mode, domain.age);
        if self.draw(Stream::PolicyHosting, index).hits(self.params.sts.operated) {
            domain.policy_operator = Some(self.policy_operator(index));
        }
    }

    pub(crate) fn policy_operator(&self, index: u64) -> u32 {
        self.policy_operators.pick(self.draw(Stream::PolicyOperator, index))
    }

    pub(crate) fn max_age(&self, index: u64, mode: Mode, age: Option<Defect>) -> u64 {
        let ages: &[u64] = match age {
            // Who takes a policy back is advised to make its lifetime short (RFC 8461 §8.3).
            None if mode == Mode::None => &[86_400, 604_800, 2_592_000],
            Some(Defect::AgeUnderADay) => &[0, 300, 3_600, 86_399],
            Some(_) => &[86_400, 604_800, 1_209_599],
            None => &[1_209_600, 2_592_000, 10_368_000, 31_557_600],
        };
        *self.draw(Stream::Age, index).next(1).pick(ages)
    }

    fn tlsrpt(&self, domain: &Domain) -> Tlsrpt {
        let index = domain.index;
        if domain.mail == Mail::Missing || domain.record == Record::Wildcard {
            return Tlsrpt::Absent;
        }
        let defect = self.afflict(Axis::Tlsrpt, Stream::TlsrptDefect, index);
        let absent = if domain.record_is_valid() {
            defect == Some(Defect::TlsrptAbsentWithPolicy)
        } else {
            defect == Some(Defect::TlsrptAbsentWithPolicy)
                || !self.draw(Stream::Tlsrpt, index).hits(self.params.tlsrpt.record)
        };
        if absent { Tlsrpt::Absent } else { Tlsrpt::Published(defect) }
    }

    /// What the draw for a domain's own host says, before anything that makes it impossible.
    fn own_defect(&self, index: u64, number: u8) -> Option<Defect> {
        if let Some(groups) = &self.groups {
            return groups.member(index).own_defect(number);
        }
        self.afflict_scaled(Axis::Host, self.draw(Stream::HostDefect, index * 2 + u64::from(number)), 1.0)
    }

    fn afflict(&self, axis: Axis, stream: Stream, key: u64) -> Option<Defect> {
        self.afflict_scaled(axis, self.draw(stream, key), 1.0)
    }

    pub(crate) fn afflict_scaled(&self, axis: Axis, draw: Draw, factor: f64) -> Option<Defect> {
        let mut left = draw.unit();
        self.rates.get(&axis)?.iter().find_map(|(defect, rate)| {
            left -= rate * factor;
            (left < 0.0).then_some(*defect)
        })
    }

    pub(crate) fn substitute(&self, defect: Defect) -> Defect {
        match defect {
            Defect::PolicyHostRefused if !self.ipv6 => Defect::PolicyHostTimeout,
            other => other,
        }
    }
}
