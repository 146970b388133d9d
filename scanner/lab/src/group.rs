//! Worlds of exact counts: every domain belongs to one group, and the domains of a group are alike.
//!
//! Where a world of probabilities says how likely something is, a world of groups says how many domains have it. Which
//! ones they are, the seed decides: a permutation of the world's indices is cut into the groups, one after the other.

use serde::{Deserialize, Serialize};

use crate::chance::{Chance, Permutation, Stream};
use crate::defect::{Axis, Defect};
use crate::domain::{Domain, Hosting, Mail, Mode, Record, Tlsrpt};
use crate::params::{ParamsError, WorldParams};
use crate::world::World;

/// So many domains that are alike in what is said here. Each has a record, a policy and TLS-RPT, sound but for `defects`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// How many; at least one.
    pub domains: u64,
    /// Who runs the policy host: `self-managed`, or `third-party` by a CNAME.
    pub policy: Party,
    /// Who runs the MX hosts.
    pub mail: Party,
    /// The mode of the policy.
    #[serde(default)]
    pub mode: Mode,
    /// What is wrong: `rule` (its sub-causes take turns) or `rule/cause`, of an axis at most one. A defect of MX hosts is at
    /// every one of them; an operator whose hosts have it is the group's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub defects: Vec<String>,
    /// A defect of MX hosts is at the last one alone, and the domain has two or more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_host: bool,
}

/// Who runs something for a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Party {
    /// The domain.
    SelfManaged,
    /// An operator.
    ThirdParty,
    /// The domain has the first MX host, an operator the second.
    Mixed,
}

/// The groups at a scale: each has its share, by largest remainder, and one whose share is under a domain has one. What that
/// costs, the largest group gives. Says of each group that was raised so what its share was.
#[expect(clippy::cast_sign_loss, reason = "counts and the scale are not negative")]
pub(crate) fn scaled(groups: &[Group], scale: f64) -> (Vec<Group>, Vec<String>) {
    let share = |group: &Group| group.domains as f64 * scale;
    // A hair is added, so that a share that is whole is not rounded below itself.
    let whole = |group: &Group| (share(group) + 1e-9).floor() as u64;
    let all = groups.iter().map(|group| group.domains).sum::<u64>() as f64;
    let wanted = (all * scale).round() as u64;
    let mut cut: Vec<Group> =
        groups.iter().map(|group| Group { domains: whole(group).max(1), ..group.clone() }).collect();
    let mut by_remainder: Vec<usize> = (0..groups.len()).filter(|place| whole(&groups[*place]) > 0).collect();
    let remainder = |place: &usize| share(&groups[*place]) - whole(&groups[*place]) as f64;
    by_remainder.sort_by(|a, b| remainder(b).total_cmp(&remainder(a)));
    let given: u64 = cut.iter().map(|group| group.domains).sum();
    for place in by_remainder.into_iter().take(wanted.saturating_sub(given) as usize) {
        cut[place].domains += 1;
    }
    if let Some(largest) = cut.iter_mut().max_by_key(|group| group.domains) {
        largest.domains = largest.domains.saturating_sub(given.saturating_sub(wanted)).max(1);
    }
    let raised = groups.iter().filter(|group| whole(group) == 0);
    let words = |group: &Group| format!("{} (its share: {:.2})", group.defects.join(" + "), share(group));
    (cut, raised.map(words).collect())
}

/// The groups of a world, ready to be asked.
#[derive(Debug)]
pub(crate) struct Groups {
    sorts: Vec<Sort>,
    permutation: Permutation,
    /// The first operator that is a group's own.
    first_operator: u32,
    /// What is wrong with the hosts of each operator that is a group's own, and whether it is at the last host alone.
    faults: Vec<(Defect, bool)>,
}

/// A group, and where it lies.
#[derive(Debug)]
struct Sort {
    group: Group,
    /// The place of its first domain.
    start: u64,
    /// The defects of each key, which take turns.
    defects: Vec<Vec<Defect>>,
    /// The first of its operators in [`Groups::faults`], where it has any: one a defect.
    operator: Option<u32>,
}

/// A domain's place in its group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member<'a> {
    sort: &'a Sort,
    /// Its number in the group.
    rank: u64,
}

impl Groups {
    /// Checks and compiles the groups of a world; `None` where it has none.
    pub(crate) fn new(params: &WorldParams, chance: Chance) -> Result<Option<Self>, ParamsError> {
        if params.groups.is_empty() {
            return Ok(None);
        }
        let mut sorts = Vec::new();
        let mut faults = Vec::new();
        let mut start = 0;
        for (place, group) in params.groups.iter().enumerate() {
            let defects = group.compile().map_err(|why| ParamsError::Group(place + 1, why))?;
            let host = defects.iter().find(|causes| causes[0].axis() == Axis::Host);
            let operator = host.filter(|_| group.mail == Party::ThirdParty).map(|causes| {
                let first = faults.len() as u32;
                faults.extend(causes.iter().map(|defect| (*defect, group.one_host)));
                first
            });
            sorts.push(Sort { group: group.clone(), start, defects, operator });
            start += group.domains;
        }
        let permutation = Permutation::new(chance, Stream::Groups, start);
        Ok(Some(Self { sorts, permutation, first_operator: params.mail.operators, faults }))
    }

    /// Mail operators that are a group's own, beside those of the world.
    pub(crate) fn operators(&self) -> u32 {
        self.faults.len() as u32
    }

    /// Where a domain belongs.
    pub(crate) fn member(&self, index: u64) -> Member<'_> {
        let place = self.permutation.forward(index);
        let sort = &self.sorts[self.sorts.partition_point(|sort| sort.start <= place) - 1];
        Member { sort, rank: place - sort.start }
    }

    /// What is wrong with a host of an operator that has so many.
    pub(crate) fn operator_defect(&self, operator: u32, number: u8, hosts: u8) -> Option<Defect> {
        let own = operator.checked_sub(self.first_operator)?;
        let (defect, one_host) = *self.faults.get(own as usize)?;
        (!one_host || number + 1 == hosts).then_some(defect)
    }

    /// Holds that what a group says is what the world plants: in a domain for each way in which its defects take turns.
    pub(crate) fn hold_against(&self, world: &World) -> Result<(), ParamsError> {
        for (place, sort) in self.sorts.iter().enumerate() {
            let turns = sort.defects.iter().map(Vec::len).max().unwrap_or(1) as u64;
            for rank in 0..turns.min(sort.group.domains) {
                let planted = world.truth(self.permutation.backward(sort.start + rank)).0;
                for defect in (Member { sort, rank }).defects() {
                    if !planted.iter().any(|row| row.rule == defect.rule() && row.cause == defect.cause()) {
                        let why = format!("{} cannot stand beside the rest", defect.rule());
                        return Err(ParamsError::Group(place + 1, why));
                    }
                }
            }
        }
        Ok(())
    }
}

impl Member<'_> {
    fn defects(&self) -> impl Iterator<Item = Defect> {
        self.sort.defects.iter().map(|causes| causes[(self.rank % causes.len() as u64) as usize])
    }

    fn defect(&self, axis: Axis) -> Option<Defect> {
        self.defects().find(|defect| defect.axis() == axis)
    }

    /// What is wrong with a host of the domain's own.
    pub(crate) fn own_defect(&self, number: u8) -> Option<Defect> {
        let here = !self.sort.group.one_host || number == 1;
        self.defect(Axis::Host).filter(|_| here)
    }

    /// The operator of the group's own that has the domain's mail.
    fn operator(&self) -> Option<u32> {
        let causes = self.sort.defects.iter().find(|causes| causes[0].axis() == Axis::Host)?;
        Some(self.sort.operator? + (self.rank % causes.len() as u64) as u32)
    }
}

impl Group {
    /// The defects of each key, or why the group cannot be.
    fn compile(&self) -> Result<Vec<Vec<Defect>>, String> {
        let defects: Vec<Vec<Defect>> = self.defects.iter().map(|key| Defect::named(key)).collect();
        if let Some(place) = defects.iter().position(Vec::is_empty) {
            return Err(format!(
                "no rule or rule/cause of the catalogue is called {:?}",
                self.defects[place]
            ));
        }
        let axes: Vec<Axis> = defects.iter().map(|causes| causes[0].axis()).collect();
        let has = |axis| axes.contains(&axis);
        let any = |of: fn(Defect) -> bool| defects.iter().flatten().any(|defect| of(*defect));
        let nameless = |d| matches!(d, Defect::MxIpLiteral | Defect::MxLocalhost);
        let other_top = |d| matches!(d, Defect::MismatchAllTld | Defect::MismatchSomeTld);
        let wrong = [
            (self.domains == 0, "it has no domain"),
            (self.policy == Party::Mixed, "a policy host is self-managed or a third party's"),
            ((1..axes.len()).any(|n| axes[..n].contains(&axes[n])), "two of its defects are of one axis"),
            (has(Axis::Mode), "the mode is said by `mode`"),
            (
                self.mode == Mode::None && (has(Axis::Policy) || has(Axis::Match) || has(Axis::Age)),
                "a policy in mode none is not held against anything",
            ),
            (self.one_host && !has(Axis::Host), "`one_host` is said of no defect of MX hosts"),
            (
                self.one_host && self.mail == Party::Mixed,
                "with mixed mail only the domain's own host is faulty",
            ),
            (any(nameless), "an MX of no name cannot stand in a policy"),
            (
                any(other_top) && self.mail != Party::ThirdParty,
                "where a domain's public suffix begins is not known here",
            ),
            (
                any(|d| d == Defect::MismatchSomeDomain) && self.mail != Party::Mixed,
                "hosts under two domains are mixed mail",
            ),
        ];
        match wrong.iter().find(|(is_wrong, _)| *is_wrong) {
            Some((_, why)) => Err((*why).to_owned()),
            None => Ok(defects),
        }
    }
}

impl World {
    /// Everything that is true of a domain that belongs to a group.
    pub(crate) fn grouped(&self, index: u64, member: Member<'_>) -> Domain {
        let group = &member.sort.group;
        let age = member.defect(Axis::Age);
        let matching = member.defect(Axis::Match);
        Domain {
            index,
            mail: match member.defect(Axis::Mail) {
                Some(Defect::NullWithPolicy) => Mail::Null,
                Some(Defect::ImplicitWithPolicy) => Mail::Implicit,
                _ => Mail::Hosts,
            },
            hosting: self.grouped_hosting(index, member, matching),
            record: Record::Published(member.defect(Axis::Record)),
            fetch: member.defect(Axis::Fetch).map(|defect| self.substitute(defect)),
            policy: member.defect(Axis::Policy),
            mode: group.mode,
            max_age: self.max_age(index, group.mode, age),
            age,
            matching,
            signed: false,
            since: crate::epoch::Since::default(),
            tlsrpt: match member.defect(Axis::Tlsrpt) {
                Some(Defect::TlsrptAbsentWithPolicy) => Tlsrpt::Absent,
                defect => Tlsrpt::Published(defect),
            },
            policy_operator: (group.policy == Party::ThirdParty).then(|| self.policy_operator(index)),
        }
    }

    fn grouped_hosting(&self, index: u64, member: Member<'_>, matching: Option<Defect>) -> Hosting {
        let group = &member.sort.group;
        match group.mail {
            Party::ThirdParty => {
                let own = member.operator().map(|operator| self.params().mail.operators + operator);
                Hosting::Operator(own.unwrap_or_else(|| self.mail_operator(index)))
            }
            Party::Mixed => Hosting::Mixed(self.mail_operator(index)),
            Party::SelfManaged => {
                let draw = self.draw(Stream::HostCount, index);
                let two = group.one_host || matching.is_some_and(Defect::is_mismatch_some);
                let one = member.defect(Axis::Host) == Some(Defect::MxCertVaries);
                let deep = matches!(
                    matching,
                    Some(Defect::MismatchAllWildcardDepth | Defect::MismatchSomeWildcardDepth)
                );
                Hosting::Own {
                    hosts: 1 + u8::from(two || (!one && draw.hits(self.params().mail.two_hosts))),
                    deep: deep || draw.next(1).hits(0.1),
                }
            }
        }
    }
}
