//! How far a classification and a truth agree.

use std::fmt;

use serde::Serialize;

use crate::grid::Grid;

/// How far a classification and a truth agree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Agreement {
    /// Domains that both speak of.
    pub domains: u64,
    /// Domains of the truth that the run did not scan: left aside.
    pub not_scanned: u64,
    /// Domains of the run of which the truth knows nothing: left aside.
    pub not_in_truth: u64,
    /// By rule and sub-cause, sorted.
    pub rules: Vec<RuleAgreement>,
    /// By column of `verdicts`.
    pub columns: Vec<ColumnAgreement>,
}

/// One rule and sub-cause.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RuleAgreement {
    /// The rule.
    pub rule: String,
    /// The sub-cause.
    pub cause: Option<String>,
    /// Defects planted in what was scanned.
    pub planted: u64,
    /// Of these, found: same domain, subject, rule, outcome and sub-cause.
    pub found: u64,
    /// Of these, neither found nor excluded: the run says `unknown`.
    pub unjudged: u64,
    /// Of these, neither found nor excused.
    pub missed: u64,
    /// Findings that nobody planted.
    pub invented: u64,
    /// A few that were missed.
    pub missed_examples: Vec<String>,
    /// A few that could not be judged.
    pub unjudged_examples: Vec<String>,
    /// A few that were invented, with the finding's words.
    pub invented_examples: Vec<String>,
}

/// One column of `verdicts`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ColumnAgreement {
    /// The column.
    pub column: String,
    /// Domains for which both say the same.
    pub equal: u64,
    /// Domains for which the run says `unknown`, and the truth knows.
    pub unknown: u64,
    /// Domains for which the two contradict each other.
    pub different: u64,
    /// Every pair of different words.
    pub differences: Vec<Difference>,
}

/// A pair of words that should be one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What the truth says.
    pub truth: String,
    /// What the run found.
    pub found: String,
    /// In how many domains.
    pub domains: u64,
    /// A few of them.
    pub examples: Vec<String>,
}

impl Agreement {
    /// Whether everything planted was found, nothing was invented, and every column agrees.
    pub fn is_exact(&self) -> bool {
        self.not_in_truth == 0
            && self.rules.iter().all(|rule| rule.found == rule.planted && rule.invented == 0)
            && self.columns.iter().all(|column| column.unknown == 0 && column.different == 0)
    }

    /// Defects planted, found, not judged, missed; and findings invented.
    pub fn totals(&self) -> RuleAgreement {
        let mut total = RuleAgreement { rule: "all rules".to_owned(), ..RuleAgreement::default() };
        for rule in &self.rules {
            total.planted += rule.planted;
            total.found += rule.found;
            total.unjudged += rule.unjudged;
            total.missed += rule.missed;
            total.invented += rule.invented;
        }
        total
    }

    /// A row a rule and sub-cause, and one for all.
    pub fn rules_grid(&self) -> Grid {
        let mut grid =
            Grid::new(&["rule", "cause", ">planted", ">found", ">not judged", ">missed", ">invented"]);
        for rule in self.rules.iter().chain([&self.totals()]) {
            grid.push(vec![
                rule.rule.clone(),
                rule.cause.clone().unwrap_or_default(),
                rule.planted.to_string(),
                rule.found.to_string(),
                rule.unjudged.to_string(),
                rule.missed.to_string(),
                rule.invented.to_string(),
            ]);
        }
        grid
    }

    /// A row a column of `verdicts`.
    pub fn columns_grid(&self) -> Grid {
        let mut grid = Grid::new(&["column", ">equal", ">not judged", ">different"]);
        for column in &self.columns {
            grid.push(vec![
                column.column.clone(),
                column.equal.to_string(),
                column.unknown.to_string(),
                column.different.to_string(),
            ]);
        }
        grid
    }

    /// Every difference with an example or more; empty where the two agree.
    pub fn differences_grid(&self) -> Grid {
        let mut grid = Grid::new(&["where", "difference", ">count", "example"]);
        let mut push = |place: String, kind: String, count: u64, examples: &[String]| {
            for (index, example) in examples.iter().enumerate() {
                let first = index == 0;
                grid.push(vec![
                    if first { place.clone() } else { String::new() },
                    if first { kind.clone() } else { String::new() },
                    if first { count.to_string() } else { String::new() },
                    example.clone(),
                ]);
            }
        };
        for rule in &self.rules {
            let place = match &rule.cause {
                Some(cause) => format!("{} {cause}", rule.rule),
                None => rule.rule.clone(),
            };
            push(place.clone(), "missed".into(), rule.missed, &rule.missed_examples);
            push(place.clone(), "not judged".into(), rule.unjudged, &rule.unjudged_examples);
            push(place, "invented".into(), rule.invented, &rule.invented_examples);
        }
        for column in &self.columns {
            for difference in &column.differences {
                let kind = format!("{} is {}", difference.truth, difference.found);
                push(column.column.clone(), kind, difference.domains, &difference.examples);
            }
        }
        grid
    }
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.rules_grid(), self.columns_grid())?;
        let differences = self.differences_grid();
        if !differences.rows.is_empty() {
            write!(f, "\n{differences}")?;
        }
        write!(f, "\n{} domains compared", self.domains)?;
        if self.not_scanned > 0 {
            write!(f, "; {} of the world not scanned", self.not_scanned)?;
        }
        if self.not_in_truth > 0 {
            write!(f, "; {} of the run unknown to the truth", self.not_in_truth)?;
        }
        writeln!(f, "; {}", if self.is_exact() { "exact" } else { "not exact" })
    }
}
