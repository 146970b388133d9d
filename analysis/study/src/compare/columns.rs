//! The columns of `verdicts`, compared with what is known of each domain.

use std::collections::{BTreeMap, HashMap};

use mxray_evidence::derived::VerdictRow;

use super::agreement::{ColumnAgreement, Difference};
use super::{digest, keep};
use crate::truth::KnownDomain;

const COLUMNS: [&str; 17] = [
    "record",
    "policy",
    "mode",
    "max_age",
    "tlsrpt",
    "mx",
    "starttls",
    "certificates",
    "mx_dnssec",
    "tlsa_present",
    "tlsa",
    "tlsa_matching",
    "sts",
    "dane",
    "dane_attacker",
    "both",
    "both_attacker",
];

/// What stands for a column that is null.
const ABSENT: &str = "null";

/// How often a word of the truth met a word of the run, and where they differ, in which domains.
type Pairs = BTreeMap<(u32, u32), (u64, Vec<String>)>;

#[derive(Default)]
pub(super) struct Columns {
    words: Words,
    known: HashMap<u64, Known>,
    not_in_truth: u64,
    counts: [Pairs; COLUMNS.len()],
}

struct Known {
    words: [u32; COLUMNS.len()],
    scanned: bool,
}

impl Columns {
    pub(super) fn know(&mut self, domain: &KnownDomain) {
        let max_age = domain.max_age.map(|seconds| seconds.to_string());
        let words = [
            domain.record.as_str(),
            &domain.policy,
            domain.mode.as_deref().unwrap_or(ABSENT),
            max_age.as_deref().unwrap_or(ABSENT),
            &domain.tlsrpt,
            &domain.mx,
            &domain.starttls,
            &domain.certificates,
            &domain.mx_dnssec,
            &domain.tlsa_present,
            &domain.tlsa,
            &domain.tlsa_matching,
            &domain.sts,
            &domain.dane,
            &domain.dane_attacker,
            &domain.both,
            &domain.both_attacker,
        ]
        .map(|word| self.words.number(word));
        self.known.insert(digest(&domain.domain), Known { words, scanned: false });
    }

    pub(super) fn meet(&mut self, verdict: &VerdictRow) {
        let Some(known) = self.known.get_mut(&digest(&verdict.domain)) else {
            self.not_in_truth += 1;
            return;
        };
        known.scanned = true;
        let max_age = verdict.max_age.map(|seconds| seconds.to_string());
        let found = [
            verdict.record.as_str(),
            &verdict.policy,
            verdict.mode.as_deref().unwrap_or(ABSENT),
            max_age.as_deref().unwrap_or(ABSENT),
            &verdict.tlsrpt,
            &verdict.mx,
            &verdict.starttls,
            &verdict.certificates,
            &verdict.mx_dnssec,
            &verdict.tlsa_present,
            &verdict.tlsa,
            &verdict.tlsa_matching,
            &verdict.sts,
            &verdict.dane,
            &verdict.dane_attacker,
            &verdict.both,
            &verdict.both_attacker,
        ];
        for (index, word) in found.into_iter().enumerate() {
            let pair = (known.words[index], self.words.number(word));
            let (count, examples) = self.counts[index].entry(pair).or_default();
            *count += 1;
            if pair.0 != pair.1 {
                keep(examples, verdict.domain.clone());
            }
        }
    }

    pub(super) fn is_scanned(&self, domain: &str) -> bool {
        self.known.get(&digest(domain)).is_some_and(|known| known.scanned)
    }

    /// Domains in both, domains of the truth alone, of the run alone, and the columns.
    pub(super) fn into_parts(self) -> (u64, u64, u64, Vec<ColumnAgreement>) {
        let domains = self.known.values().filter(|known| known.scanned).count() as u64;
        let not_scanned = self.known.len() as u64 - domains;
        let Self { words, counts, not_in_truth, .. } = self;
        let columns = COLUMNS.iter().zip(counts).map(|(column, counts)| agreement(column, counts, &words));
        (domains, not_scanned, not_in_truth, columns.collect())
    }
}

fn agreement(column: &str, counts: Pairs, words: &Words) -> ColumnAgreement {
    let mut agreement = ColumnAgreement { column: column.to_owned(), ..ColumnAgreement::default() };
    for ((truth, found), (count, examples)) in counts {
        if truth == found {
            agreement.equal += count;
            continue;
        }
        let (truth, found) = (words.word(truth), words.word(found));
        if found == "unknown" {
            agreement.unknown += count;
        } else {
            agreement.different += count;
        }
        agreement.differences.push(Difference { truth, found, domains: count, examples });
    }
    agreement.differences.sort_by(|a, b| (&a.truth, &a.found).cmp(&(&b.truth, &b.found)));
    agreement
}

/// Words, each held once.
#[derive(Default)]
struct Words {
    numbers: HashMap<String, u32>,
    words: Vec<String>,
}

impl Words {
    fn number(&mut self, word: &str) -> u32 {
        if let Some(number) = self.numbers.get(word) {
            return *number;
        }
        let number = self.words.len() as u32;
        self.words.push(word.to_owned());
        self.numbers.insert(word.to_owned(), number);
        number
    }

    fn word(&self, number: u32) -> String {
        self.words[number as usize].clone()
    }
}
