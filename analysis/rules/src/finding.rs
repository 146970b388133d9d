//! What comes of judging: findings, and how every rule came out.

use std::borrow::Cow;

use mxray_evidence::derived::{FindingRow, VerdictRow};

use crate::harmless::printable;
use crate::rule::{Effect, Outcome, Rule, RuleId, rules};

/// A rule that a subject violates, or on which it could not be judged.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// The domain, its policy host, or one of its MX hosts.
    pub subject: String,
    /// [`Outcome::Violation`] or [`Outcome::Unknown`].
    pub outcome: Outcome,
    /// The sub-cause.
    pub cause: Option<Cow<'static, str>>,
    /// The words for a person: the offending text, address, date.
    pub detail: Option<String>,
    /// What it does here: the rule's effect, but nothing is refused where no policy is in force with mode
    /// `enforce`; DANE needs none.
    pub effect: Effect,
}

impl Finding {
    /// As a row of `findings`. Names in its words may hold what strangers like: they are made printable.
    pub fn to_row(&self, domain: &str) -> FindingRow {
        FindingRow {
            domain: domain.to_owned(),
            subject: self.subject.clone(),
            rule: self.rule.name.to_owned(),
            outcome: self.outcome.as_str().to_owned(),
            cause: self.cause.as_deref().map(|cause| printable(cause).into_owned()),
            detail: self.detail.as_deref().map(|detail| printable(detail).into_owned()),
            effect: self.effect.as_str().to_owned(),
            report_type: self.rule.report_type.map(str::to_owned),
        }
    }
}

/// A domain, judged.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// Violations and unknowns, in the order of the rules.
    pub findings: Vec<Finding>,
    /// How each rule came out over all subjects, in the order of [`rules`].
    pub outcomes: Vec<Outcome>,
    /// The domain, summed up.
    pub verdict: VerdictRow,
}

impl Judgement {
    /// How a rule came out over all subjects.
    pub fn outcome(&self, rule: RuleId) -> Outcome {
        self.outcomes[rule.index()]
    }

    /// The distinct sub-causes of each rule among the findings, each with its worst outcome: what a tally counts.
    pub fn causes(&self) -> Vec<(&'static Rule, &str, Outcome)> {
        let mut causes: Vec<(&'static Rule, &str, Outcome)> = Vec::new();
        for finding in &self.findings {
            let Some(cause) = finding.cause.as_deref() else { continue };
            match causes.iter_mut().find(|(rule, name, _)| rule.id == finding.rule.id && *name == cause) {
                Some((_, _, outcome)) => *outcome = finding.outcome.max(*outcome),
                None => causes.push((finding.rule, cause, finding.outcome)),
            }
        }
        causes
    }
}

/// What is noted while the axes are judged, one after the other.
#[derive(Debug)]
pub(crate) struct Notes {
    outcomes: Vec<Outcome>,
    findings: Vec<Finding>,
    unasked: u32,
}

impl Notes {
    pub(crate) fn new() -> Self {
        Self { outcomes: vec![Outcome::NotApplicable; rules().len()], findings: Vec::new(), unasked: 0 }
    }

    /// Notes that a rule was looked at and is in order, unless it is already known to be otherwise.
    pub(crate) fn pass(&mut self, id: RuleId) {
        self.outcome(id, Outcome::Pass);
    }

    /// Notes that each of these was looked at; violations may follow.
    pub(crate) fn applies(&mut self, ids: &[RuleId]) {
        for id in ids {
            self.pass(*id);
        }
    }

    pub(crate) fn violation(
        &mut self,
        id: RuleId,
        subject: &str,
        cause: Option<Cow<'static, str>>,
        detail: Option<String>,
    ) {
        self.finding(id, subject, Outcome::Violation, cause, detail);
    }

    /// Notes that these were not measured, and why.
    pub(crate) fn unknown(&mut self, ids: &[RuleId], subject: &str, why: &str) {
        for id in ids {
            self.finding(*id, subject, Outcome::Unknown, None, Some(why.to_owned()));
        }
    }

    /// Notes that this run did not ask: unknown in every count, and without a finding.
    pub(crate) fn unasked(&mut self, id: RuleId) {
        self.outcome(id, Outcome::Unknown);
        self.unasked += 1;
    }

    /// Rules that were asked, and could not be judged.
    pub(crate) fn unknowns(&self) -> u32 {
        self.outcomes.iter().filter(|outcome| **outcome == Outcome::Unknown).count() as u32 - self.unasked
    }

    /// Notes a finding, once for each rule, subject and cause.
    pub(crate) fn finding(
        &mut self,
        id: RuleId,
        subject: &str,
        outcome: Outcome,
        cause: Option<Cow<'static, str>>,
        detail: Option<String>,
    ) {
        self.outcome(id, outcome);
        let rule = id.rule();
        let stands =
            |finding: &Finding| finding.rule.id == id && finding.subject == subject && finding.cause == cause;
        if !self.findings.iter().any(stands) {
            let effect = if outcome == Outcome::Unknown { Effect::Unknown } else { rule.effect };
            self.findings.push(Finding { rule, subject: subject.to_owned(), outcome, cause, detail, effect });
        }
    }

    pub(crate) fn outcome(&mut self, id: RuleId, outcome: Outcome) {
        let noted = &mut self.outcomes[id.index()];
        *noted = outcome.max(*noted);
    }

    pub(crate) fn is_violated(&self, id: RuleId) -> bool {
        self.outcomes[id.index()] == Outcome::Violation
    }

    /// Closes the notes: where no policy is `enforced`, nothing is refused, but for what DANE refuses.
    pub(crate) fn close(mut self, enforced: bool) -> (Vec<Finding>, Vec<Outcome>) {
        if !enforced {
            let refusing =
                |finding: &&mut Finding| finding.effect == Effect::Refuse && !finding.rule.id.is_dane();
            for finding in self.findings.iter_mut().filter(refusing) {
                finding.effect = Effect::None;
            }
        }
        self.findings.sort_by_key(|finding| finding.rule.id);
        (self.findings, self.outcomes)
    }
}
