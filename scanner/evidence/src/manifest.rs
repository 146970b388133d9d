//! The manifest of a run: how it was made, by whom, and how it ended.

use serde::{Deserialize, Serialize};

use crate::Micros;
use crate::ending::words;

/// The version of the tables' schema. It grows when a column changes its name, type or meaning, and not when
/// one is added: an older part is read as if a later column were null or empty.
pub const SCHEMA_VERSION: u32 = 1;

/// `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`SCHEMA_VERSION`] of its tables.
    pub schema_version: u32,
    /// The version of mxray that began it.
    pub mxray_version: String,
    /// Sixteen hexadecimal digits, drawn when it was begun.
    pub run_id: String,
    /// When it was begun.
    pub started: Micros,
    /// When it last ended; `None` while it runs, or after a crash.
    pub ended: Option<Micros>,
    /// How it last ended.
    pub how_ended: HowEnded,
    /// Times it was resumed.
    pub resumed: u32,
    /// Who asks.
    pub identity: Identity,
    /// Where from: a word of the operator's, or the host's name.
    pub vantage: Option<String>,
    /// The resolvers asked, `address:port`.
    pub resolvers: Vec<String>,
    /// Whether their AD bit is believed: each of them showed that it validates, by the root's own records, and the
    /// way to them is this machine's or was said to be safe. Where not, nothing of DANE can be judged.
    #[serde(default)]
    pub dnssec: bool,
    /// Whether this machine had a way to the IPv6 internet, each time that it was begun or resumed. Where not, what is
    /// only to be had there ends as `withheld`, `no-route`, and nobody is blamed for it. `None` in runs that did not ask.
    #[serde(default)]
    pub ipv6: Option<bool>,
    /// The seed of every random choice that can be seen in the evidence; the window within which it orders the input is
    /// `window_lines` of `config`.
    pub seed: u64,
    /// The inputs, as named on the command line.
    pub inputs: Vec<String>,
    /// The whole configuration, as it was after the command line and the file were read.
    pub config: serde_json::Value,
    /// What has been committed.
    pub counts: Counts,
    /// Datagrams of resolvers that answered no open question, over all times it was resumed: late, or forged. Each was
    /// dropped.
    #[serde(default)]
    pub stray_replies: u64,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The name said in `EHLO`.
    pub ehlo_name: String,
    /// Where to reach the operator: an address or a page.
    pub contact: String,
}

/// Rows committed, by table, and what was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Lines of input read.
    pub lines: u64,
    /// Rows in `domains`.
    pub domains: u64,
    /// Rows in `policies`.
    pub policies: u64,
    /// Rows in `mail_hosts`.
    pub mail_hosts: u64,
    /// Rows in `smtp_sessions`.
    pub smtp_sessions: u64,
    /// Rows in `certificates`.
    pub certificates: u64,
    /// Rows in `report_sinks`.
    pub report_sinks: u64,
    /// Rows in `rejects`.
    pub rejects: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.lines += other.lines;
        self.domains += other.domains;
        self.policies += other.policies;
        self.mail_hosts += other.mail_hosts;
        self.smtp_sessions += other.smtp_sessions;
        self.certificates += other.certificates;
        self.report_sinks += other.report_sinks;
        self.rejects += other.rejects;
    }
}

words! {
    /// How a run ended.
    HowEnded {
        /// It has not, or it crashed: `scan --resume` goes on.
        Running = "running",
        /// Every line of the input has been dealt with.
        Completed = "completed",
        /// It was told to stop: `scan --resume` goes on.
        Interrupted = "interrupted",
        /// It failed: `scan --resume` goes on once the reason is mended.
        Failed = "failed",
    }
}

impl Serialize for HowEnded {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for HowEnded {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        Self::from_word(&word).ok_or_else(|| serde::de::Error::custom(format!("unknown ending {word:?}")))
    }
}
