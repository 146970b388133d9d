//! What there is to say of a domain.

use serde::{Deserialize, Serialize};

use crate::defect::Defect;
use crate::epoch::Since;

/// Everything that is true of a domain, its name apart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Domain {
    pub(crate) index: u64,
    pub(crate) mail: Mail,
    pub(crate) hosting: Hosting,
    pub(crate) record: Record,
    pub(crate) fetch: Option<Defect>,
    pub(crate) policy: Option<Defect>,
    pub(crate) mode: Mode,
    pub(crate) max_age: u64,
    pub(crate) age: Option<Defect>,
    pub(crate) matching: Option<Defect>,
    pub(crate) tlsrpt: Tlsrpt,
    /// The operator that its policy host is a CNAME to.
    pub(crate) policy_operator: Option<u32>,
    /// Whether its zone is signed, and every zone above it, at the first epoch.
    pub(crate) signed: bool,
    /// What an epoch added.
    pub(crate) since: Since,
}

/// What an MX query gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mail {
    /// The domain does not exist.
    Missing,
    /// SERVFAIL.
    Unanswered,
    /// MX hosts, with signatures that do not validate.
    Bogus,
    /// The null MX of RFC 7505.
    Null,
    /// No MX, but an address (RFC 5321 §5.1).
    Implicit,
    /// MX hosts.
    Hosts,
}

/// Who runs the MX hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hosting {
    /// The domain: one host or two, with a label between them and the domain if `deep`.
    Own { hosts: u8, deep: bool },
    /// An operator.
    Operator(u32),
    /// The domain has the first host, and an operator the second.
    Mixed(u32),
}

/// What stands at `_mta-sts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    /// Nothing.
    Absent,
    /// A TXT of a wildcard, which has nothing to do with MTA-STS.
    Wildcard,
    /// A record, or what was meant to be one.
    Published(Option<Defect>),
}

/// The mode of a policy (RFC 8461 §5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// A sender delivers as the policy says, or not at all.
    #[default]
    Enforce,
    /// A sender reports, and delivers.
    Testing,
    /// A sender behaves as if there were no policy.
    None,
}

impl Mode {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Testing => "testing",
            Self::None => "none",
        }
    }
}

/// What stands at `_smtp._tls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tlsrpt {
    Absent,
    Published(Option<Defect>),
}

/// An MX host, whoever names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum HostId {
    /// The `number`th of the domain with this index, or that domain itself where it has no MX.
    Own { domain: u64, number: u8 },
    /// The `number`th of an operator.
    Operator { operator: u32, number: u8 },
}

/// First labels of MX hosts. They lie far apart in edit distance, so that none is another's misspelling.
pub(crate) const HOST_LABELS: [&str; 4] = ["mx1", "backup", "gateway", "inbound"];

impl Domain {
    /// Whether its zone is signed, and every zone above it.
    pub(crate) fn is_signed(&self) -> bool {
        self.signed && !self.since.unsigned
    }

    /// Whether a TXT record is found at `_mta-sts`, so that a sender goes on to fetch.
    pub(crate) fn has_txt(&self) -> bool {
        match self.record {
            Record::Absent => false,
            Record::Wildcard | Record::Published(None) => true,
            Record::Published(Some(defect)) => !defect.leaves_no_txt(),
        }
    }

    /// Whether the record is one that a sender uses.
    pub(crate) fn record_is_valid(&self) -> bool {
        matches!(
            self.record,
            Record::Published(None | Some(Defect::RecordDelimiter | Defect::RecordDuplicateId))
        )
    }

    /// Whether a policy host was set up, found or not.
    pub(crate) fn has_policy_host(&self) -> bool {
        matches!(self.record, Record::Published(_))
    }

    /// Whether a policy is served, sound but for its certificate, and nothing at `_mta-sts` announces it.
    pub(crate) fn policy_is_unannounced(&self) -> bool {
        !self.has_txt() && self.text_is_served() && self.policy.is_none_or(Defect::is_lint)
    }

    /// Whether a fetch brings the policy's text, whatever the certificate.
    pub(crate) fn text_arrives(&self) -> bool {
        self.has_txt() && self.text_is_served()
    }

    /// Whether a sender finds a policy, announced and sound.
    pub(crate) fn policy_is_valid(&self) -> bool {
        self.record_is_valid() && self.text_is_valid() && self.fetch.is_none_or(Defect::is_lint)
    }

    /// Whether it finds one that is in mode testing.
    pub(crate) fn is_in_testing(&self) -> bool {
        self.policy_is_valid() && self.mode == Mode::Testing
    }

    fn text_is_served(&self) -> bool {
        self.has_policy_host()
            && self.fetch.is_none_or(|d| d.is_policy_certificate() || d == Defect::FetchMediaType)
    }

    /// Whether a fetch brings a valid policy, whatever the certificate.
    pub(crate) fn text_is_valid(&self) -> bool {
        self.text_arrives() && self.policy.is_none_or(Defect::is_lint)
    }
}
