//! How a domain stood when a run looked.

use mxray_evidence::{DomainRow, LookupStatus, Micros, PolicyRow};
use mxray_protocol::mx_pattern::MxPattern;
use mxray_protocol::sts_policy::StsPolicy;
use mxray_protocol::sts_record::StsRecord;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use mxray_evidence::derived::VerdictRow;

/// MX hosts that are compared, of one domain.
const MX_HOSTS_MAX: usize = 64;
/// Patterns that are compared, of one policy.
const PATTERNS_MAX: usize = 256;

/// How a domain stood when a run looked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// When it was asked.
    pub at: Micros,
    /// The MTA-STS record.
    pub record: RecordStanding,
    /// The policy.
    pub policy: PolicyStanding,
    /// The registrable domain under which the policy host is an alias, where it is one.
    pub policy_operator: Option<String>,
    /// The MX hosts, sorted; `None` where they were not measured. Empty where there are none.
    pub mx: Option<Vec<String>>,
    /// Whether there is a valid TLS-RPT record; `None` where it was not measured.
    pub tlsrpt: Option<bool>,
}

/// An MTA-STS record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordStanding {
    /// Not measured.
    Unknown,
    /// There is none.
    Absent,
    /// There is one that no sender uses.
    Invalid,
    /// A valid one, and its id.
    Valid(String),
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PolicyStanding {
    /// Not measured.
    Unknown,
    /// Nothing announces one.
    None,
    /// It cannot be fetched; in a word, why.
    Unfetched(String),
    /// What is fetched is no valid policy.
    Invalid,
    /// A valid one.
    Valid(ValidStanding),
}

/// A valid policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidStanding {
    /// SHA-256 of its bytes.
    pub digest: [u8; 32],
    /// `enforce`, `testing` or `none`.
    pub mode: String,
    /// Seconds.
    pub max_age: u64,
    /// Its patterns.
    pub mx: Vec<String>,
}

impl ValidStanding {
    /// The MX hosts among `hosts` that it does not match.
    pub(super) fn missed<'a>(&self, hosts: &'a [String]) -> Vec<&'a String> {
        let patterns: Vec<MxPattern> =
            self.mx.iter().filter_map(|mx| MxPattern::parse(mx.as_bytes()).ok()).collect();
        hosts.iter().filter(|host| !patterns.iter().any(|pattern| pattern.matches(host))).collect()
    }

    /// How many microseconds a sender keeps it.
    pub(super) fn lasts(&self) -> Micros {
        Micros::try_from(self.max_age).unwrap_or(0).saturating_mul(1_000_000)
    }
}

impl Standing {
    /// From what a run holds of a domain, and its verdict.
    pub fn of(domain: &DomainRow, policy: Option<&PolicyRow>, verdict: &VerdictRow) -> Self {
        let mx = match domain.mx.status() {
            LookupStatus::Failed(_) | LookupStatus::Unanswered => None,
            _ => {
                let named =
                    domain.mx.records.iter().map(|mx| mx.exchange.to_string()).filter(|host| host != ".");
                let mut hosts: Vec<String> = named.collect();
                hosts.sort_unstable();
                hosts.dedup();
                hosts.truncate(MX_HOSTS_MAX);
                Some(hosts)
            }
        };
        let record = match verdict.record.as_str() {
            "absent" => RecordStanding::Absent,
            "invalid" => RecordStanding::Invalid,
            "valid" => id_of(domain).map_or(RecordStanding::Invalid, RecordStanding::Valid),
            _ => RecordStanding::Unknown,
        };
        Self {
            at: domain.sts_txt.started,
            record,
            policy: policy_of(policy, verdict),
            policy_operator: policy.and_then(|row| operator_of(&domain.domain, row)),
            mx,
            tlsrpt: match verdict.tlsrpt.as_str() {
                "valid" => Some(true),
                "absent" | "invalid" => Some(false),
                _ => None,
            },
        }
    }
}

/// The id of the record that counts.
fn id_of(domain: &DomainRow) -> Option<String> {
    let texts = domain.sts_txt.records.iter().map(mxray_evidence::TxtRecord::joined);
    let candidate = texts.into_iter().find(|text| StsRecord::opening(text).is_record())?;
    StsRecord::parse(&candidate).id
}

fn policy_of(row: Option<&PolicyRow>, verdict: &VerdictRow) -> PolicyStanding {
    match (verdict.policy.as_str(), row) {
        ("none", _) => PolicyStanding::None,
        ("unfetched", Some(row)) => PolicyStanding::Unfetched(match row.status {
            Some(200) | None => {
                row.ending.stage().map_or_else(|| "certificate".to_owned(), |stage| stage.to_string())
            }
            Some(status) => format!("status {status}"),
        }),
        ("unfetched", None) => PolicyStanding::Unfetched(String::new()),
        ("invalid", _) => PolicyStanding::Invalid,
        ("valid", Some(row)) => {
            let body = row.body.as_ref().map(|body| body.as_slice()).unwrap_or_default();
            let policy = StsPolicy::parse(body);
            PolicyStanding::Valid(ValidStanding {
                digest: Sha256::digest(body).into(),
                mode: verdict.mode.clone().unwrap_or_default(),
                max_age: verdict.max_age.unwrap_or_default(),
                mx: policy.mx.iter().take(PATTERNS_MAX).map(ToString::to_string).collect(),
            })
        }
        _ => PolicyStanding::Unknown,
    }
}

/// Where an alias at the policy host leads, if it leads out of the domain.
fn operator_of(domain: &str, row: &PolicyRow) -> Option<String> {
    let target = row.a.cnames.iter().chain(&row.aaaa.cnames).map(|cname| &cname.target).next_back()?;
    let operator = registrable(target);
    (operator != registrable(domain)).then(|| operator.to_owned())
}

/// The registrable domain of a name, by the Public Suffix List; the name itself where it has none.
pub(super) fn registrable(name: &str) -> &str {
    psl::domain_str(name).unwrap_or(name)
}
