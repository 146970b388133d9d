//! What a world is known to be like: the tables that a lab leaves beside it.
//!
//! The lab shares no type with the scanner, so the columns are named here once more, on purpose.

use std::path::{Path, PathBuf};

use mxray_evidence::{Column, Kind, Table};
use serde::{Deserialize, Serialize};

/// A defect that was planted in the world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Defect {
    /// The domain it counts against.
    pub domain: String,
    /// The domain, its policy host, or one of its MX hosts.
    pub subject: String,
    /// The rule that must find it.
    pub rule: String,
    /// `violation` or `unknown`.
    pub outcome: String,
    /// The sub-cause.
    pub cause: Option<String>,
}

/// A domain of the world, summed up in the words of `verdicts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownDomain {
    /// The domain.
    pub domain: String,
    /// The MTA-STS record.
    pub record: String,
    /// The MTA-STS policy.
    pub policy: String,
    /// The policy's mode, where it is valid.
    pub mode: Option<String>,
    /// Its `max_age` in seconds, where it is valid.
    pub max_age: Option<u64>,
    /// The TLS-RPT record.
    pub tlsrpt: String,
    /// Where mail goes.
    pub mx: String,
    /// STARTTLS over the MX hosts.
    pub starttls: String,
    /// Valid certificates over the MX hosts.
    pub certificates: String,
    /// What DNSSEC says of the MX lookup.
    pub mx_dnssec: String,
    /// TLSA records of whatever kind over the MX hosts.
    pub tlsa_present: String,
    /// Usable TLSA records that are signed over the MX hosts.
    pub tlsa: String,
    /// What matches them, over the MX hosts that have any.
    pub tlsa_matching: String,
    /// What a sender with MTA-STS alone does.
    pub sts: String,
    /// What a sender with DANE alone does.
    pub dane: String,
    /// What an active attacker then gets.
    pub dane_attacker: String,
    /// What a sender with both does.
    pub both: String,
    /// What an active attacker then gets.
    pub both_attacker: String,
}

/// Where the defects stand in a folder of truth.
pub(crate) fn defects_path(folder: &Path) -> PathBuf {
    folder.join("defects.parquet")
}

/// Where the domains stand in a folder of truth.
pub(crate) fn domains_path(folder: &Path) -> PathBuf {
    folder.join("domains.parquet")
}

fn text(name: &'static str, doc: &'static str) -> Column {
    Column { name, kind: Kind::Text, nullable: false, doc }
}

fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Column {
    Column { name, kind, nullable: true, doc }
}

impl Table for Defect {
    const NAME: &'static str = "defects";
    const DOC: &'static str = "A row a defect that was planted in a world.";

    fn columns() -> Vec<Column> {
        vec![
            text("domain", "The domain it counts against."),
            text("subject", "The domain, its policy host, or one of its MX hosts."),
            text("rule", "The rule that must find it."),
            text("outcome", "`violation` or `unknown`."),
            optional("cause", Kind::Text, "The sub-cause; null where the rule has none."),
        ]
    }
}

impl Table for KnownDomain {
    const NAME: &'static str = "domains";
    const DOC: &'static str = "A row a domain of a world, in the words of `verdicts`.";

    fn columns() -> Vec<Column> {
        vec![
            text("domain", "The domain."),
            text("record", "The MTA-STS record."),
            text("policy", "The MTA-STS policy."),
            optional("mode", Kind::Text, "The policy's mode; null without a valid policy."),
            optional("max_age", Kind::U64, "Seconds; null without a valid policy."),
            text("tlsrpt", "The TLS-RPT record."),
            text("mx", "Where mail goes."),
            text("starttls", "STARTTLS over the MX hosts."),
            text("certificates", "Valid certificates over the MX hosts."),
            text("mx_dnssec", "What DNSSEC says of the MX lookup."),
            text("tlsa_present", "TLSA records of whatever kind over the MX hosts."),
            text("tlsa", "Usable TLSA records that are signed over the MX hosts."),
            text("tlsa_matching", "What matches them, over the MX hosts that have any."),
            text("sts", "What a sender with MTA-STS alone does."),
            text("dane", "What a sender with DANE alone does."),
            text("dane_attacker", "What an active attacker then gets."),
            text("both", "What a sender with both does."),
            text("both_attacker", "What an active attacker then gets."),
        ]
    }
}
