//! How often each rule came out which way, over all domains.

use std::collections::BTreeMap;

use mxray_evidence::derived::TallyRow;
use mxray_rules::{Judgement, Outcome, rules};

/// Counts of a rule or of a sub-cause of it.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    pass: u64,
    violation: u64,
    unknown: u64,
    not_applicable: u64,
}

/// The counts of all rules.
pub(super) struct Tallies {
    /// In the order of the codebook.
    whole: Vec<Count>,
    /// By rule and sub-cause, those of the codebook and any other that was met.
    causes: BTreeMap<(String, String), Count>,
}

impl Default for Tallies {
    fn default() -> Self {
        let causes = rules().iter().flat_map(|rule| {
            rule.causes
                .iter()
                .map(|cause| ((rule.name.to_string(), cause.name.to_string()), Count::default()))
        });
        Self { whole: vec![Count::default(); rules().len()], causes: causes.collect() }
    }
}

impl Tallies {
    /// Adds a domain: once a rule, and once each sub-cause, however many of its hosts have it.
    pub(super) fn add(&mut self, judgement: &Judgement) {
        for (count, outcome) in self.whole.iter_mut().zip(&judgement.outcomes) {
            match outcome {
                Outcome::Pass => count.pass += 1,
                Outcome::Violation => count.violation += 1,
                Outcome::Unknown => count.unknown += 1,
                Outcome::NotApplicable => count.not_applicable += 1,
            }
        }
        for (rule, cause, outcome) in judgement.causes() {
            let count = self.causes.entry((rule.name.to_owned(), cause.to_owned())).or_default();
            match outcome {
                Outcome::Violation => count.violation += 1,
                _ => count.unknown += 1,
            }
        }
    }

    /// A row a rule, in the order of the codebook, each followed by its sub-causes, sorted.
    pub(super) fn rows(&self) -> Vec<TallyRow> {
        let row = |rule: &str, cause: Option<&str>, count: &Count| TallyRow {
            rule: rule.to_owned(),
            cause: cause.map(str::to_owned),
            pass: count.pass,
            violation: count.violation,
            unknown: count.unknown,
            not_applicable: count.not_applicable,
        };
        let mut rows = Vec::new();
        for (rule, count) in rules().iter().zip(&self.whole) {
            rows.push(row(rule.name, None, count));
            let causes = self.causes.iter().filter(|((of, _), _)| of == rule.name);
            rows.extend(causes.map(|((of, cause), count)| row(of, Some(cause), count)));
        }
        rows
    }
}
