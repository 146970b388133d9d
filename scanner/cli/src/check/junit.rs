//! `check` as JUnit XML, for pipelines that show tests: a suite a domain, a case a rule that applies to it.

use std::fmt::Write as _;

use mxray_rules::{Outcome, printable, rules};

use super::assessment::{Assessment, Problem};
use super::fail_on::{FailOn, fails};

/// The document. What fails is what `--fail-on` says; what was not measured is skipped, which is neither pass nor fail, and so is a
/// violation that does not fail, in words that say so.
pub(super) fn document(assessments: &[Assessment], on: &[FailOn]) -> String {
    let suites: Vec<Suite> = assessments.iter().map(|of| Suite::of(of, on)).collect();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    element(
        &mut xml,
        "testsuites name=\"mxray check\"",
        Counts::sum(suites.iter().map(|suite| suite.counts)),
    );
    for Suite { domain, counts, cases } in &suites {
        element(&mut xml, &format!("testsuite name=\"{}\"", escaped(domain)), *counts);
        xml.push_str(cases);
        xml.push_str("</testsuite>\n");
    }
    xml + "</testsuites>\n"
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    tests: u32,
    failures: u32,
    skipped: u32,
}

impl Counts {
    fn sum(all: impl Iterator<Item = Self>) -> Self {
        all.fold(Self::default(), |sum, of| Self {
            tests: sum.tests + of.tests,
            failures: sum.failures + of.failures,
            skipped: sum.skipped + of.skipped,
        })
    }
}

/// Begins an element that counts its cases.
fn element(xml: &mut String, begin: &str, counts: Counts) {
    let Counts { tests, failures, skipped } = counts;
    let _ = writeln!(
        xml,
        "<{begin} tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\">"
    );
}

struct Suite<'a> {
    domain: &'a str,
    counts: Counts,
    cases: String,
}

impl<'a> Suite<'a> {
    fn of(of: &'a Assessment, on: &[FailOn]) -> Self {
        let mut suite = Self { domain: &of.verdict.domain, counts: Counts::default(), cases: String::new() };
        if of.is_nowhere() {
            suite.skipped("domain", "the domain does not exist");
        }
        for (rule, letter) in rules().iter().zip(of.verdict.outcomes.chars()) {
            let found = |problem: &&Problem| problem.finding.rule == rule.name;
            let violations: Vec<&Problem> = of.violations().filter(found).collect();
            if letter == Outcome::Pass.letter() {
                suite.case(rule.name, "");
            } else if letter == Outcome::Violation.letter() {
                let words: Vec<String> = violations.iter().map(|problem| told(problem)).collect();
                if violations.iter().any(|problem| fails(on, problem)) {
                    suite.counts.failures += 1;
                    let text = [rule.summary, &words.join("\n"), rule.advice, rule.section].join("\n");
                    let failure = format!(
                        "<failure type=\"{}\" message=\"{}\">{}</failure>",
                        rule.effect,
                        escaped(rule.summary),
                        text.lines().map(escaped).collect::<Vec<_>>().join("\n")
                    );
                    suite.case(rule.name, &failure);
                } else {
                    let words =
                        format!("violated, and not to fail on: {}; {}", rule.summary, words.join("; "));
                    suite.skipped(rule.name, &words);
                }
            } else if letter == Outcome::Unknown.letter() {
                let details = of
                    .unmeasured
                    .iter()
                    .filter(found)
                    .filter_map(|problem| problem.finding.detail.as_deref());
                let mut why: Vec<&str> = details.collect();
                why.dedup();
                suite.skipped(rule.name, &format!("not measured: {}", why.join("; ")));
            }
        }
        suite
    }

    fn case(&mut self, rule: &str, inside: &str) {
        self.counts.tests += 1;
        let _ = writeln!(
            self.cases,
            "<testcase classname=\"{}\" name=\"{rule}\">{inside}</testcase>",
            escaped(self.domain)
        );
    }

    fn skipped(&mut self, rule: &str, why: &str) {
        self.counts.skipped += 1;
        self.case(rule, &format!("<skipped message=\"{}\"/>", escaped(why)));
    }
}

/// What was seen, and where.
fn told(problem: &Problem) -> String {
    let of = &problem.finding;
    let cause = of.cause.as_ref().map_or(String::new(), |cause| format!(" ({cause})"));
    let seen = of.detail.as_ref().map_or(String::new(), |detail| format!(": {detail}"));
    format!("{}{cause}{seen} [{}]", of.subject, of.effect)
}

/// Text as XML 1.0 takes it, in an attribute too: what is no character of its is written out.
fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '&' => shown.push_str("&amp;"),
            '"' => shown.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => shown.push('\u{fffd}'),
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_no_markup() {
        assert_eq!(escaped("<a b=\"&\">\u{1b}\u{ffff}é"), "&lt;a b=&quot;&amp;&quot;&gt;\\u{1b}\u{fffd}é");
    }
}
