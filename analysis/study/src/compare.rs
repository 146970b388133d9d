//! A classification beside the truth of the world that was scanned: what was planted and missed, and what was
//! found and never planted.
//!
//! Memory is some tens of bytes a domain and a defect, whatever the files hold: names are kept as 64-bit
//! digests (a million of them collide with a probability of 3 in 10⁸), and examples are few.

mod agreement;
mod columns;

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use mxray_evidence::derived::{FindingRow, VerdictRow};
use mxray_evidence::{RunDir, Table, read_rows};

use crate::StudyError;
use crate::truth::{Defect, KnownDomain, defects_path, domains_path};
pub use agreement::{Agreement, ColumnAgreement, Difference, RuleAgreement};
use columns::Columns;

/// Examples that are kept of each kind of difference.
const EXAMPLES_MAX: usize = 5;

/// Rules whose `unknown` is planted, and so is compared. Elsewhere an `unknown` follows from another defect.
const RULES_PLANTED_UNKNOWN: [&str; 2] = ["mx-unreachable", "mx-refused-us"];

/// Rules that a run can judge only if it was asked for something more, and for what.
const RULES_ON_REQUEST: [(&str, &str); 4] = [
    ("sts-record-wrong-owner", "look_aside"),
    ("tlsrpt-wrong-owner", "look_aside"),
    ("sts-policy-without-record", "fetch_without_record"),
    ("mx-tls-old", "legacy_tls"),
];

/// Compares the classification `id` of `run` with the truth in `folder` (`defects.parquet`,
/// `domains.parquet`). Domains of the world that the run did not scan are left aside and counted.
pub fn compare(run: &RunDir, id: &str, folder: &Path) -> Result<Agreement, StudyError> {
    let mut columns = Columns::default();
    for_each::<KnownDomain>(&domains_path(folder), |known| columns.know(&known))?;
    for_each::<VerdictRow>(&run.derived_path::<VerdictRow>(id), |verdict| columns.meet(&verdict))?;

    let mut defects = Defects { unasked: unasked(run)?, ..Defects::default() };
    let defects_path = defects_path(folder);
    for_each::<Defect>(&defects_path, |defect| {
        if columns.is_scanned(&defect.domain) {
            defects.plant(&defect);
        }
    })?;
    for_each::<FindingRow>(&run.derived_path::<FindingRow>(id), |finding| {
        if columns.is_scanned(&finding.domain) {
            defects.meet(&finding);
        }
    })?;
    for_each::<Defect>(&defects_path, |defect| {
        if columns.is_scanned(&defect.domain) {
            defects.settle(&defect);
        }
    })?;
    let (domains, not_scanned, not_in_truth, columns) = columns.into_parts();
    Ok(Agreement { domains, not_scanned, not_in_truth, rules: defects.into_rules(), columns })
}

/// What the run was not asked for, by the configuration in its manifest.
fn unasked(run: &RunDir) -> Result<Vec<&'static str>, StudyError> {
    let manifest = run.read_manifest().map_err(StudyError::file("reading", &run.manifest_path()))?;
    let was_asked = |extra: &str| manifest.config.pointer(&format!("/extras/{extra}")) == Some(&true.into());
    let rules = RULES_ON_REQUEST.into_iter();
    Ok(rules.filter(|(_, extra)| !was_asked(extra)).map(|(rule, _)| rule).collect())
}

fn for_each<T: Table>(path: &Path, mut each: impl FnMut(T)) -> Result<(), StudyError> {
    for rows in read_rows::<T>(path)? {
        rows?.into_iter().for_each(&mut each);
    }
    Ok(())
}

fn digest(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// The defects planted in what was scanned, and what became of each.
#[derive(Default)]
struct Defects {
    /// By the digest of the whole defect: found?
    planted: HashMap<u64, Fate>,
    /// By the digest of (domain, rule): could the run not judge it?
    unjudged: HashMap<u64, bool>,
    rules: BTreeMap<(String, Option<String>), RuleAgreement>,
    /// Rules that the run was not asked for, so that it cannot have missed anything.
    unasked: Vec<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Planted,
    Found,
    Settled,
}

impl Defects {
    fn plant(&mut self, defect: &Defect) {
        let key =
            key(&defect.domain, &defect.subject, &defect.rule, &defect.outcome, defect.cause.as_deref());
        if self.planted.insert(key, Fate::Planted).is_none() {
            self.rule(&defect.rule, defect.cause.as_deref()).planted += 1;
            let unasked = self.unasked.contains(&defect.rule.as_str());
            self.unjudged.insert(digest((&defect.domain, &defect.rule)), unasked);
        }
    }

    fn meet(&mut self, finding: &FindingRow) {
        if finding.outcome == "unknown" && !RULES_PLANTED_UNKNOWN.contains(&finding.rule.as_str()) {
            if let Some(unjudged) = self.unjudged.get_mut(&digest((&finding.domain, &finding.rule))) {
                *unjudged = true;
            }
            return;
        }
        let cause = finding.cause.as_deref();
        let key = key(&finding.domain, &finding.subject, &finding.rule, &finding.outcome, cause);
        match self.planted.get_mut(&key) {
            Some(fate @ Fate::Planted) => {
                *fate = Fate::Found;
                self.rule(&finding.rule, cause).found += 1;
            }
            Some(_) => {}
            None => {
                let detail = finding.detail.as_deref().unwrap_or("no detail");
                let example =
                    format!("{} {} ({}): {detail}", finding.domain, finding.subject, finding.outcome);
                let rule = self.rule(&finding.rule, cause);
                rule.invented += 1;
                keep(&mut rule.invented_examples, example);
            }
        }
    }

    /// Second reading of the truth: what was not found is missed, unless the run says that it could not judge.
    fn settle(&mut self, defect: &Defect) {
        let cause = defect.cause.as_deref();
        let key = key(&defect.domain, &defect.subject, &defect.rule, &defect.outcome, cause);
        let Some(fate @ Fate::Planted) = self.planted.get_mut(&key) else { return };
        *fate = Fate::Settled;
        let unjudged = self.unjudged.get(&digest((&defect.domain, &defect.rule))).copied().unwrap_or(false);
        let rule = self.rule(&defect.rule, cause);
        let example = format!("{} {} ({})", defect.domain, defect.subject, defect.outcome);
        if unjudged {
            rule.unjudged += 1;
            keep(&mut rule.unjudged_examples, example);
        } else {
            rule.missed += 1;
            keep(&mut rule.missed_examples, example);
        }
    }

    fn rule(&mut self, rule: &str, cause: Option<&str>) -> &mut RuleAgreement {
        self.rules.entry((rule.to_owned(), cause.map(str::to_owned))).or_insert_with(|| RuleAgreement {
            rule: rule.to_owned(),
            cause: cause.map(str::to_owned),
            ..RuleAgreement::default()
        })
    }

    fn into_rules(self) -> Vec<RuleAgreement> {
        self.rules.into_values().collect()
    }
}

fn key(domain: &str, subject: &str, rule: &str, outcome: &str, cause: Option<&str>) -> u64 {
    digest((domain, subject, rule, outcome, cause))
}

fn keep(examples: &mut Vec<String>, example: String) {
    if examples.len() < EXAMPLES_MAX {
        examples.push(example);
    }
}
