//! The domains on the page: worst first, each with its verdict and findings, and evidence for the first of them.
//!
//! What is not on the page is counted, and the page says so: it holds so many domains at most, and evidence for as many of them
//! as fit into so many bytes.

use std::collections::{BTreeMap, BinaryHeap, HashMap};

use mxray_evidence::RunDir;
use mxray_evidence::derived::{FindingRow, VerdictRow};
use mxray_evidence::{Table, read_rows};
use mxray_rules::printable;
use serde::Serialize;

use super::dossier::Evidence;
use crate::StudyError;

/// Domains on a page.
const DOMAINS_MAX: usize = 100_000;
/// Findings on a page; those of the worst domains first.
const FINDINGS_MAX: usize = 1_000_000;
/// Values of an input's column that can be filtered by.
const COLUMNS_MAX: usize = 8;

/// The domains of a run as the page holds them: columns, words by number.
#[derive(Debug, Serialize)]
pub(crate) struct Roll {
    /// Domains of the run.
    total: u64,
    domains: Vec<String>,
    /// By name, a column of the verdicts.
    verdicts: BTreeMap<&'static str, Words>,
    counts: Counts,
    /// The input's other columns, by name.
    inputs: Vec<(String, Words)>,
    findings: Findings,
    rules: Vec<RuleText>,
    evidence: Evidence,
}

/// A column of few distinct words.
#[derive(Debug, Default, Serialize)]
struct Words {
    list: Vec<String>,
    /// A word's number a row.
    of: Vec<u32>,
    #[serde(skip)]
    numbers: HashMap<String, u32>,
}

impl Words {
    /// A word as it may be shown: what strangers wrote is made printable here.
    fn push(&mut self, word: &str) {
        let number = self.number(&printable(word));
        self.of.push(number);
    }

    fn number(&mut self, word: &str) -> u32 {
        self.numbers.get(word).copied().unwrap_or_else(|| {
            let number = self.list.len() as u32;
            self.list.push(word.to_owned());
            self.numbers.insert(word.to_owned(), number);
            number
        })
    }
}

#[derive(Debug, Default, Serialize)]
struct Counts {
    refusing: Vec<u32>,
    downgrading: Vec<u32>,
    lints: Vec<u32>,
    unknowns: Vec<u32>,
    mx_hosts: Vec<u32>,
    mx_matched: Vec<Option<u32>>,
    max_age: Vec<Option<u64>>,
    rank: Vec<Option<u64>>,
}

/// Findings, domain by domain: those of domain `n` are `starts[n]..starts[n + 1]`.
#[derive(Debug, Default, Serialize)]
struct Findings {
    starts: Vec<u32>,
    rule: Vec<u16>,
    outcome: Words,
    effect: Words,
    subject: Words,
    cause: Words,
    detail: Words,
    /// Findings that had no room.
    left_out: u64,
}

/// A rule, for whom it is news.
#[derive(Debug, Serialize)]
struct RuleText {
    name: &'static str,
    summary: &'static str,
    section: &'static str,
    effect: &'static str,
    report: Option<&'static str>,
    advice: &'static str,
    /// Its place among the parts of the codebook.
    axis: &'static str,
}

/// The order of the list: the worst is the greatest.
type Badness = (u32, u32, u32, u32);

fn badness(verdict: &VerdictRow) -> Badness {
    (verdict.refusing, verdict.downgrading, verdict.lints, verdict.unknowns)
}

impl Roll {
    /// Gathers the worst domains of a classification. Memory is bounded by what the page may hold.
    pub(crate) fn gather(run: &RunDir, id: &str) -> Result<Self, StudyError> {
        let (total, verdicts) = worst(run, id)?;
        let places: HashMap<String, u32> = verdicts
            .iter()
            .enumerate()
            .map(|(place, verdict)| (verdict.domain.clone(), place as u32))
            .collect();
        let findings = Findings::gather(run, id, &places)?;
        let evidence = Evidence::gather(run, &places)?;
        let mut roll = Self {
            total,
            domains: Vec::with_capacity(verdicts.len()),
            verdicts: BTreeMap::new(),
            counts: Counts::default(),
            inputs: Vec::new(),
            findings,
            rules: mxray_rules::rules().iter().map(RuleText::of).collect(),
            evidence,
        };
        for (row, verdict) in verdicts.iter().enumerate() {
            roll.push(row, verdict);
        }
        for (name, _) in &mut roll.inputs {
            *name = printable(name).into_owned();
        }
        Ok(roll)
    }

    fn push(&mut self, row: usize, verdict: &VerdictRow) {
        let words = [
            ("record", verdict.record.as_str()),
            ("policy", &verdict.policy),
            ("mode", verdict.mode.as_deref().unwrap_or_default()),
            ("tlsrpt", &verdict.tlsrpt),
            ("mx", &verdict.mx),
            ("starttls", &verdict.starttls),
            ("certificates", &verdict.certificates),
            ("tlsa", &verdict.tlsa),
            ("opportunistic", &verdict.opportunistic),
            ("opportunistic_attacker", &verdict.opportunistic_attacker),
            ("sts", &verdict.sts),
            ("sts_attacker", &verdict.sts_attacker),
            ("dane", &verdict.dane),
            ("dane_attacker", &verdict.dane_attacker),
            ("both", &verdict.both),
            ("both_attacker", &verdict.both_attacker),
            ("mail_operator", verdict.mail_operator.as_deref().unwrap_or_default()),
            ("mail_operator_by", &verdict.mail_operator_by),
            ("policy_operator", verdict.policy_operator.as_deref().unwrap_or_default()),
            ("policy_operator_by", &verdict.policy_operator_by),
        ];
        for (name, word) in words {
            self.verdicts.entry(name).or_default().push(word);
        }
        for input in &verdict.columns {
            if !self.inputs.iter().any(|(name, _)| *name == input.name) && self.inputs.len() < COLUMNS_MAX {
                self.inputs.push((input.name.clone(), Words::default()));
            }
        }
        for (name, words) in &mut self.inputs {
            while words.of.len() < row {
                words.push("");
            }
            let value = verdict.columns.iter().find(|input| input.name == *name);
            words.push(value.map_or("", |input| input.value.as_str()));
        }
        let counts = &mut self.counts;
        counts.refusing.push(verdict.refusing);
        counts.downgrading.push(verdict.downgrading);
        counts.lints.push(verdict.lints);
        counts.unknowns.push(verdict.unknowns);
        counts.mx_hosts.push(verdict.mx_hosts);
        counts.mx_matched.push(verdict.mx_matched);
        counts.max_age.push(verdict.max_age);
        counts.rank.push(verdict.rank);
        self.domains.push(printable(&verdict.domain).into_owned());
    }
}

impl RuleText {
    fn of(rule: &mxray_rules::Rule) -> Self {
        Self {
            name: rule.name,
            summary: rule.summary,
            section: rule.section,
            effect: rule.effect.as_str(),
            report: rule.report_type,
            advice: rule.advice,
            axis: rule.id.axis().as_str(),
        }
    }
}

/// The domains of a classification, and the worst of them in order, as many as a page holds.
fn worst(run: &RunDir, id: &str) -> Result<(u64, Vec<VerdictRow>), StudyError> {
    let mut total = 0;
    let mut kept: BinaryHeap<Kept> = BinaryHeap::new();
    for_each::<VerdictRow>(run, id, |verdict| {
        total += 1;
        kept.push(Kept { badness: badness(&verdict), verdict });
        if kept.len() > DOMAINS_MAX {
            kept.pop();
        }
    })?;
    Ok((total, kept.into_sorted_vec().into_iter().map(|kept| kept.verdict).collect()))
}

/// A domain in the order of the page: the worst first, those as bad by name.
#[derive(PartialEq, Eq)]
struct Kept {
    badness: Badness,
    verdict: VerdictRow,
}

impl Ord for Kept {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.badness, &self.verdict.domain).cmp(&(self.badness, &other.verdict.domain))
    }
}

impl PartialOrd for Kept {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Findings {
    fn gather(run: &RunDir, id: &str, places: &HashMap<String, u32>) -> Result<Self, StudyError> {
        let numbers: HashMap<&str, u16> = mxray_rules::rules()
            .iter()
            .enumerate()
            .map(|(number, rule)| (rule.name, number as u16))
            .collect();
        let mut told = Told::default();
        for_each::<FindingRow>(run, id, |finding| {
            let rule = numbers.get(finding.rule.as_str());
            if let (Some(place), Some(rule)) = (places.get(&finding.domain), rule) {
                told.push(*place, *rule, &finding);
            }
        })?;
        told.keep_the_worst();
        let mut all = Self { left_out: told.left_out, ..Self::default() };
        for (place, rule, words) in &told.findings {
            while all.starts.len() <= *place as usize {
                all.starts.push(all.rule.len() as u32);
            }
            all.rule.push(*rule);
            let columns =
                [&mut all.outcome, &mut all.effect, &mut all.subject, &mut all.cause, &mut all.detail];
            columns.into_iter().zip(words).for_each(|(column, word)| column.push(told.word(*word)));
        }
        while all.starts.len() <= places.len() {
            all.starts.push(all.rule.len() as u32);
        }
        Ok(all)
    }
}

/// Findings of the domains on the page while they are gathered: a few numbers each, and no more than twice what a page holds.
#[derive(Default)]
struct Told {
    /// The domain's place, the rule, and the words by number, as they were found: outcome, effect, subject, cause, detail.
    findings: Vec<(u32, u16, [u32; 5])>,
    words: Words,
    left_out: u64,
}

impl Told {
    fn push(&mut self, place: u32, rule: u16, finding: &FindingRow) {
        let words = [
            finding.outcome.as_str(),
            &finding.effect,
            &finding.subject,
            finding.cause.as_deref().unwrap_or_default(),
            finding.detail.as_deref().unwrap_or_default(),
        ];
        self.findings.push((place, rule, words.map(|word| self.words.number(word))));
        if self.findings.len() >= 2 * FINDINGS_MAX {
            self.keep_the_worst();
        }
    }

    /// Puts them in the order of the page, and drops what it has no room for. Those of a domain are in the order of the rules already.
    fn keep_the_worst(&mut self) {
        self.findings.sort_by_key(|(place, ..)| *place);
        self.left_out += self.findings.len().saturating_sub(FINDINGS_MAX) as u64;
        self.findings.truncate(FINDINGS_MAX);
    }

    fn word(&self, number: u32) -> &str {
        &self.words.list[number as usize]
    }
}

fn for_each<T: Table>(run: &RunDir, id: &str, mut each: impl FnMut(T)) -> Result<(), StudyError> {
    for rows in read_rows::<T>(&run.derived_path::<T>(id))? {
        rows?.into_iter().for_each(&mut each);
    }
    Ok(())
}
