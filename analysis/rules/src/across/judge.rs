//! The changes of a domain.

use mxray_evidence::Micros;

use super::change::{Change, ChangeKind};
use super::standing::{PolicyStanding, RecordStanding, Standing, ValidStanding, registrable};
use crate::rule::Effect;

/// So many days of `testing` are enough: `enforce` or nothing should follow.
pub const TESTING_DAYS_MOST: i64 = 90;
/// So many days of `testing` should stand before `enforce`.
pub const TESTING_DAYS_LEAST: i64 = 30;

const DAY: Micros = 86_400_000_000;
/// Names in a text.
const NAMES_SHOWN_MAX: usize = 8;

/// Says what changed of a domain over its standings, in the order of time.
pub fn judge_across(standings: &[Standing]) -> Vec<Change> {
    let mut history = History { standings, changes: Vec::new() };
    for now in 1..standings.len() {
        history.judge_record(now);
        history.judge_policy(now);
        history.judge_mx(now);
        history.judge_tlsrpt(now);
    }
    history.judge_testing();
    history.changes
}

struct History<'a> {
    standings: &'a [Standing],
    changes: Vec<Change>,
}

/// A valid policy, and when it was seen.
type Had<'a> = (&'a Standing, &'a ValidStanding);

impl<'a> History<'a> {
    /// The last standing before `now` of which something is known.
    fn before(&self, now: usize, is_known: impl Fn(&Standing) -> bool) -> Option<&'a Standing> {
        self.standings[..now].iter().rev().find(|standing| is_known(standing))
    }

    /// The policy that was last seen valid before `now`.
    fn had(&self, now: usize) -> Option<Had<'a>> {
        self.standings[..now].iter().rev().find_map(|standing| Some((standing, valid(standing)?)))
    }

    /// The MX hosts as they are known at `now`, or were last.
    fn hosts(&self, now: usize) -> Option<&'a [String]> {
        self.standings[..=now].iter().rev().find_map(|standing| standing.mx.as_deref())
    }

    fn push(
        &mut self,
        kind: ChangeKind,
        (since, seen): (Micros, Micros),
        (before, after): (Option<String>, Option<String>),
        (effect, means): (Effect, String),
    ) -> &mut Change {
        self.changes.push(Change {
            kind,
            rule: None,
            cause: None,
            since,
            seen,
            before,
            after,
            effect,
            means,
            cached_at_least: None,
            cached_at_most: None,
        });
        self.changes.last_mut().expect("it was just pushed")
    }

    fn judge_record(&mut self, now: usize) {
        use RecordStanding as R;
        let is = &self.standings[now];
        if is.record == R::Unknown {
            return;
        }
        let Some(was) = self.before(now, |standing| standing.record != R::Unknown) else { return };
        let span = (was.at, is.at);
        match (&was.record, &is.record) {
            (R::Absent, R::Valid(id)) => self.adopted(now, span, id),
            (R::Valid(id), R::Absent) => self.abandoned(now, span, id),
            (R::Valid(id), R::Invalid) => {
                let left = self.left(now, is.at);
                let change = self.push(ChangeKind::RecordBroken, span, (Some(id.clone()), None), left.0);
                (change.cached_at_least, change.cached_at_most) = left.1;
                change.rule = Some("sts-policy-unreachable-since");
                change.cause = Some("record");
            }
            (R::Invalid, R::Valid(id)) => {
                let means = (Effect::None, "senders find the policy again".to_owned());
                self.push(ChangeKind::RecordMended, span, (None, Some(id.clone())), means);
            }
            _ => {}
        }
    }

    fn adopted(&mut self, now: usize, span: (Micros, Micros), id: &str) {
        let mode = valid(&self.standings[now]).map(|policy| policy.mode.clone());
        let means = match mode.as_deref() {
            Some("enforce") => {
                "senders with MTA-STS deliver to the MX hosts of the policy over authenticated TLS, or not at all"
            }
            Some("testing") => "senders with MTA-STS report what would fail, and deliver all the same",
            Some(_) => "the policy says that there is none",
            None => "there is no valid policy behind the record: nothing changes for mail",
        };
        let after = Some(format!("id {id}, mode {}", mode.as_deref().unwrap_or("unknown")));
        let change = self.push(ChangeKind::Adopted, span, (None, after), (Effect::None, means.to_owned()));
        if mode.as_deref() == Some("enforce") && span.1 - span.0 < TESTING_DAYS_LEAST * DAY {
            change.rule = Some("sts-testing-too-short");
        }
    }

    fn abandoned(&mut self, now: usize, span: (Micros, Micros), id: &str) {
        let had = self.had(now);
        let left = self.left(now, span.1);
        // Whoever fetched the last policy in force may still hold it: it was withdrawn too soon, whatever stood between.
        let in_force = self.standings[..now].iter().rev().find_map(|standing| {
            Some((standing.at, valid(standing).filter(|policy| policy.mode != "none")?))
        });
        let abrupt = in_force.is_some_and(|(at, policy)| at + policy.lasts() > span.1);
        let mode = had.map_or("unknown", |(_, policy)| policy.mode.as_str());
        let before = Some(format!("id {id}, mode {mode}"));
        let change = self.push(ChangeKind::Abandoned, span, (before, None), left.0);
        (change.cached_at_least, change.cached_at_most) = left.1;
        change.rule = abrupt.then_some("sts-removal-abrupt");
    }

    /// What cached copies of the last valid policy do to mail, where no sender gets a new one; and until when.
    fn left(&self, now: usize, at: Micros) -> ((Effect, String), (Option<Micros>, Option<Micros>)) {
        let Some((standing, policy)) = self.had(now) else {
            return (
                (Effect::None, "no valid policy was seen before: nothing changes for mail".to_owned()),
                (None, None),
            );
        };
        let cached = (Some(standing.at + policy.lasts()), Some(at + policy.lasts()));
        let missed = self.hosts(now).map(|hosts| policy.missed(hosts));
        let told = match (policy.mode.as_str(), missed) {
            ("enforce", Some(missed)) if !missed.is_empty() => {
                let names = shown(missed.into_iter());
                (
                    Effect::Refuse,
                    format!(
                        "senders with a cached copy do not deliver to {names} until it ends; others deliver unprotected"
                    ),
                )
            }
            ("enforce", _) => (
                Effect::Downgrade,
                "senders with a cached copy protect mail until it ends; others deliver unprotected"
                    .to_owned(),
            ),
            _ => (Effect::None, "the policy was not in force: nothing changes for mail".to_owned()),
        };
        (told, cached)
    }

    /// Whether a sender may still keep a copy of the last valid policy: one that fetched it just before it was seen to be
    /// gone.
    fn copies_live(&self, now: usize) -> bool {
        let Some((standing, policy)) = self.had(now) else { return false };
        let known = |later: &&Standing| later.at > standing.at && later.policy != PolicyStanding::Unknown;
        let gone = self.standings[..=now].iter().find(known);
        gone.is_none_or(|gone| gone.at + policy.lasts() > self.standings[now].at)
    }

    fn judge_policy(&mut self, now: usize) {
        use PolicyStanding as P;
        let announced = |standing: &Standing| {
            matches!(standing.record, RecordStanding::Valid(_))
                && !matches!(standing.policy, P::Unknown | P::None)
        };
        let is = &self.standings[now];
        if !announced(is) {
            return;
        }
        let Some(was) = self.before(now, announced) else { return };
        let span = (was.at, is.at);
        match (&was.policy, &is.policy) {
            (P::Valid(old), P::Valid(new)) => {
                self.judge_texts(now, (was, old), (is, new));
                if was.policy_operator != is.policy_operator {
                    let (before, after) = (was.policy_operator.clone(), is.policy_operator.clone());
                    let means = (
                        Effect::None,
                        "another operator's web server, and its certificate, carry the policy".to_owned(),
                    );
                    self.push(ChangeKind::PolicyOperatorMoved, span, (before, after), means);
                }
            }
            (P::Valid(old), lost @ (P::Unfetched(_) | P::Invalid)) => {
                let (cause, after) = match lost {
                    P::Unfetched(why) => ("unfetched", why.clone()),
                    _ => ("invalid", "no valid policy".to_owned()),
                };
                let left = self.left(now, is.at);
                let before = Some(format!("mode {}", old.mode));
                let change = self.push(ChangeKind::PolicyLost, span, (before, Some(after)), left.0);
                (change.cached_at_least, change.cached_at_most) = left.1;
                change.rule = Some("sts-policy-unreachable-since");
                change.cause = Some(cause);
            }
            (P::Unfetched(_) | P::Invalid, P::Valid(new)) => {
                let means = (Effect::None, "senders get the policy again".to_owned());
                self.push(ChangeKind::PolicyBack, span, (None, Some(format!("mode {}", new.mode))), means);
            }
            _ => {}
        }
    }

    /// The bytes of two valid policies, and the ids that announced them.
    fn judge_texts(&mut self, now: usize, (was, old): Had<'a>, (is, new): Had<'a>) {
        let span = (was.at, is.at);
        let same_id = was.record == is.record;
        if old.digest == new.digest {
            if !same_id {
                let followed = self.standings[now + 1..].iter().any(|later| {
                    later.record == is.record
                        && valid(later).is_some_and(|policy| policy.digest != new.digest)
                });
                let means = (Effect::None, "senders fetched the same policy again".to_owned());
                let change = self.push(ChangeKind::IdChanged, span, (id(was), id(is)), means);
                change.rule = Some("sts-id-early");
                change.cause = Some(if followed { "followed" } else { "not-followed" });
            }
            return;
        }
        let moded = old.mode != new.mode;
        let kind = if moded { ChangeKind::ModeChanged } else { ChangeKind::PolicyChanged };
        let (before, after) =
            if moded { (old.mode.clone(), new.mode.clone()) } else { (told(old), told(new)) };
        let dropped = self.dropped(now, old, new);
        let means = match &dropped {
            _ if same_id => self.stale(now, old, new),
            Some((means, _)) => means.clone(),
            None => (effect_of(old, new), fetched(old, new)),
        };
        let texts = (Some(before), Some(after));
        if let Some((means, all)) = dropped {
            // The single run's finding, refined: the pattern was there, and was taken away.
            let change = self.push(kind, span, texts.clone(), means);
            change.rule = Some(if all { "mx-policy-mismatch-all" } else { "mx-policy-mismatch-some" });
            change.cause = Some("dropped");
        }
        let change = self.push(kind, span, texts, means);
        if same_id {
            change.rule = Some("sts-id-stale");
            change.cached_at_least = Some(was.at + old.lasts());
            change.cached_at_most = Some(is.at + old.lasts());
        }
        if old.mode == "testing" && new.mode == "enforce" {
            self.too_short(now, span);
        }
    }

    /// What a policy does that names MX hosts of today no more which the one before it named, and whether it names none.
    fn dropped(
        &self,
        now: usize,
        old: &ValidStanding,
        new: &ValidStanding,
    ) -> Option<((Effect, String), bool)> {
        let hosts = self.hosts(now).filter(|_| new.mode != "none")?;
        let (before, missed) = (old.missed(hosts), new.missed(hosts));
        let dropped: Vec<&String> = missed.iter().copied().filter(|host| !before.contains(host)).collect();
        if dropped.is_empty() {
            return None;
        }
        let names = shown(dropped.into_iter());
        let means = if new.mode == "enforce" {
            let text = format!(
                "senders that fetch the new policy do not deliver to {names}: it does not name it any more"
            );
            (Effect::Refuse, text)
        } else {
            let text = format!("senders report {names}, and deliver: the policy is in mode testing");
            (effect_of(old, new), text)
        };
        Some((means, missed.len() == hosts.len()))
    }

    /// What a stale id does: senders with a copy keep the old policy.
    fn stale(&self, now: usize, old: &ValidStanding, new: &ValidStanding) -> (Effect, String) {
        let missed = self.hosts(now).map(|hosts| old.missed(hosts)).unwrap_or_default();
        if old.mode == "enforce" && !missed.is_empty() {
            let names = shown(missed.into_iter());
            return (
                Effect::Refuse,
                format!("senders with a copy of the old policy do not deliver to {names} until it ends"),
            );
        }
        let effect =
            if old.mode != "enforce" && new.mode == "enforce" { Effect::Downgrade } else { Effect::None };
        (effect, "senders with a copy of the old policy keep to it until it ends".to_owned())
    }

    /// `enforce`, where testing is known to have begun too short before.
    fn too_short(&mut self, now: usize, span: (Micros, Micros)) {
        let is_testing = |standing: &Standing| valid(standing).is_some_and(|policy| policy.mode == "testing");
        let measured = |standing: &Standing| {
            !matches!(standing.policy, PolicyStanding::Unknown | PolicyStanding::Unfetched(_))
                && standing.record != RecordStanding::Unknown
        };
        let other = self.before(now, |standing| measured(standing) && !is_testing(standing));
        if let Some(other) = other.filter(|other| span.1 - other.at < TESTING_DAYS_LEAST * DAY) {
            let days = (span.1 - other.at) / DAY;
            let means = (Effect::None, format!("testing had at most {days} days"));
            let change = self.push(
                ChangeKind::ModeChanged,
                span,
                (Some("testing".to_owned()), Some("enforce".to_owned())),
                means,
            );
            change.rule = Some("sts-testing-too-short");
        }
    }

    fn judge_mx(&mut self, now: usize) {
        let is = &self.standings[now];
        let Some(new) = &is.mx else { return };
        let Some(was) = self.before(now, |standing| standing.mx.is_some()) else { return };
        let old = was.mx.as_ref().expect("it was looked for");
        if old == new {
            return;
        }
        let span = (was.at, is.at);
        let kind = if operators(old) == operators(new) {
            ChangeKind::MxChanged
        } else {
            ChangeKind::MailOperatorMoved
        };
        let texts = || (Some(shown(old.iter())), Some(shown(new.iter())));
        let stood = self.had(now).map(|(_, policy)| policy);
        let current =
            valid(is).filter(|policy| policy.mode != "none" && matches!(is.record, RecordStanding::Valid(_)));
        let missed = current.map(|policy| policy.missed(new)).unwrap_or_default();
        let unfollowed = match (stood, current) {
            (Some(stood), Some(current)) => stood.digest == current.digest && !missed.is_empty(),
            _ => false,
        };
        if !unfollowed {
            let (effect, means) = match current {
                Some(_) if missed.is_empty() => {
                    (Effect::None, "the policy names the MX hosts of today".to_owned())
                }
                Some(_) => (Effect::None, "the policy does not name all MX hosts of today".to_owned()),
                None => match self.left(now, is.at).0 {
                    (Effect::Refuse, means) if self.copies_live(now) => (Effect::Refuse, means),
                    _ => (Effect::None, "no policy is in the way".to_owned()),
                },
            };
            self.push(kind, span, texts(), (effect, means));
            return;
        }
        let policy = current.expect("it did not follow");
        let all = missed.len() == new.len();
        let enforced = policy.mode == "enforce";
        let names = shown(missed.into_iter());
        let means = if enforced {
            (
                Effect::Refuse,
                format!("senders with MTA-STS do not deliver to {names}: the policy does not name it"),
            )
        } else {
            (
                Effect::None,
                format!("senders with MTA-STS report {names}, and deliver: the policy is in mode testing"),
            )
        };
        let change = self.push(kind, span, texts(), means.clone());
        change.rule = Some("sts-policy-stale");
        change.cause = Some(if all { "all" } else { "some" });
        // The single run's finding, refined: the pattern is right for an MX host of an earlier run.
        if policy.missed(old).len() < old.len() {
            let change = self.push(kind, span, texts(), means);
            change.rule = Some(if all { "mx-policy-mismatch-all" } else { "mx-policy-mismatch-some" });
            change.cause = Some("stale");
        }
    }

    fn judge_tlsrpt(&mut self, now: usize) {
        let is = &self.standings[now];
        let Some(new) = is.tlsrpt else { return };
        let Some(was) = self.before(now, |standing| standing.tlsrpt.is_some()) else { return };
        let span = (was.at, is.at);
        match (was.tlsrpt, new) {
            (Some(false), true) => {
                let means = (Effect::None, "senders report from now on".to_owned());
                self.push(ChangeKind::TlsrptAdopted, span, (None, None), means);
            }
            (Some(true), false) => {
                let means = (Effect::None, "senders report no more".to_owned());
                self.push(ChangeKind::TlsrptAbandoned, span, (None, None), means);
            }
            _ => {}
        }
    }

    /// Testing for months on end, up to the last run.
    fn judge_testing(&mut self) {
        let announced = |standing: &Standing| matches!(standing.record, RecordStanding::Valid(_));
        let testing = |standing: &&Standing| {
            announced(standing) && valid(standing).is_some_and(|policy| policy.mode == "testing")
                || standing.record == RecordStanding::Unknown
                || standing.policy == PolicyStanding::Unknown
        };
        let mut trail: Vec<&Standing> = self.standings.iter().rev().take_while(testing).collect();
        trail.retain(|standing| announced(standing) && valid(standing).is_some());
        let (Some(last), Some(first)) = (trail.first(), trail.last()) else { return };
        if last.at - first.at >= TESTING_DAYS_MOST * DAY {
            let span = (first.at, last.at);
            let means = (
                Effect::Downgrade,
                "mail is open to an attacker: senders do not enforce the policy".to_owned(),
            );
            let mode = || Some("testing".to_owned());
            let change = self.push(ChangeKind::Unchanged, span, (mode(), mode()), means);
            change.rule = Some("sts-testing-too-long");
        }
    }
}

fn valid(standing: &Standing) -> Option<&ValidStanding> {
    match &standing.policy {
        PolicyStanding::Valid(policy) => Some(policy),
        _ => None,
    }
}

fn id(standing: &Standing) -> Option<String> {
    match &standing.record {
        RecordStanding::Valid(id) => Some(id.clone()),
        _ => None,
    }
}

fn operators(hosts: &[String]) -> Vec<&str> {
    let mut operators: Vec<&str> = hosts.iter().map(|host| registrable(host)).collect();
    operators.sort_unstable();
    operators.dedup();
    operators
}

fn told(policy: &ValidStanding) -> String {
    format!("mode {}, max_age {}, mx {}", policy.mode, policy.max_age, shown(policy.mx.iter()))
}

/// What a change does that senders fetch, for its id is new.
fn fetched(old: &ValidStanding, new: &ValidStanding) -> String {
    match (old.mode.as_str(), new.mode.as_str()) {
        (was, is) if was == is => "senders fetch the new policy with the next message",
        (_, "enforce") => "senders with MTA-STS protect mail from now on, or do not deliver",
        ("enforce", _) => "mail is not protected any more",
        _ => "mail was not protected, and is not",
    }
    .to_owned()
}

fn effect_of(old: &ValidStanding, new: &ValidStanding) -> Effect {
    if old.mode == "enforce" && new.mode != "enforce" { Effect::Downgrade } else { Effect::None }
}

fn shown<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    let more = if names.len() > NAMES_SHOWN_MAX { ", …" } else { "" };
    names[..names.len().min(NAMES_SHOWN_MAX)].join(", ") + more
}
