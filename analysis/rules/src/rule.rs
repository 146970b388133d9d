//! What a rule is.

use std::fmt;
use std::sync::LazyLock;

use crate::{dane, fetch, host, mx_match, policy, record, tlsrpt};

/// A rule: a row of the codebook.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its place in [`rules`].
    pub id: RuleId,
    /// Its name: a contract with every table that has been written with it.
    pub name: &'static str,
    /// When it is violated.
    pub summary: &'static str,
    /// Where the standard says so.
    pub section: &'static str,
    /// What a violation does to a conforming sender where a policy is in force with mode `enforce`. The effect of
    /// a finding can be less: see [`crate::Finding::effect`].
    pub effect: Effect,
    /// The result type of RFC 8460 §4.3 that a sender would report.
    pub report_type: Option<&'static str>,
    /// What a postmaster can do about it.
    pub advice: &'static str,
    /// Its sub-causes. A rule whose cause is text of the domain's own (a status code, a key) says so in one entry in
    /// angle brackets.
    pub causes: &'static [CauseDoc],
    /// What it is about.
    pub subject: Subject,
}

/// A sub-cause of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CauseDoc {
    /// Its name, a kebab-case word.
    pub name: &'static str,
    /// What it means.
    pub summary: &'static str,
}

/// What a rule is about, and so what stands as subject in its findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// The domain.
    Domain,
    /// `mta-sts.<domain>`.
    PolicyHost,
    /// Each of its MX hosts.
    MxHost,
}

/// What a rule is judged on: the parts of the codebook, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Axis {
    /// The TXT record at `_mta-sts`.
    Record,
    /// The way to the policy, and its server.
    PolicyHost,
    /// The policy's text.
    PolicyText,
    /// The policy against the MX set.
    Match,
    /// The MX hosts: addresses, STARTTLS, certificates.
    MxHosts,
    /// DNSSEC and TLSA records.
    Dane,
    /// The TXT record at `_smtp._tls`.
    TlsRpt,
}

/// Whose work a rule is about, where a domain has others do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperatorRole {
    /// Who runs the name servers.
    Dns,
    /// Who runs the policy host.
    Policy,
    /// Who runs the MX hosts.
    Mail,
}

impl Axis {
    /// Whose work its rules are about.
    pub const fn operator_role(self) -> OperatorRole {
        match self {
            Self::Record | Self::TlsRpt => OperatorRole::Dns,
            Self::PolicyHost | Self::PolicyText | Self::Match => OperatorRole::Policy,
            Self::MxHosts | Self::Dane => OperatorRole::Mail,
        }
    }
}

/// How a rule came out. The order is that in which the subjects of a domain add up: the worst counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// There is nothing that it could be about.
    NotApplicable,
    /// It was looked at and is in order.
    Pass,
    /// It was not measured: never absence, never a violation.
    Unknown,
    /// It is violated.
    Violation,
}

/// What a violation does to mail from a conforming sender. The order is by harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing: a lint.
    None,
    /// It cannot be told.
    Unknown,
    /// The sender behaves as if there were no policy.
    Downgrade,
    /// It does not deliver there.
    Refuse,
}

macro_rules! impl_words {
    ($type:ident { $($variant:ident = $word:literal,)* }) => {
        impl $type {
            /// The word that stands in the tables.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

impl_words!(Subject { Domain = "domain", PolicyHost = "policy-host", MxHost = "mx-host", });
impl_words!(Axis {
    Record = "record",
    PolicyHost = "policy host",
    PolicyText = "policy text",
    Match = "policy and MX set",
    MxHosts = "MX hosts",
    Dane = "DANE",
    TlsRpt = "TLS-RPT",
});
impl_words!(OperatorRole { Dns = "dns", Policy = "policy", Mail = "mail", });
impl_words!(Outcome {
    NotApplicable = "not-applicable",
    Pass = "pass",
    Unknown = "unknown",
    Violation = "violation",
});
impl Outcome {
    /// The letter that stands for it in `verdicts.outcomes`.
    pub const fn letter(self) -> char {
        match self {
            Self::NotApplicable => '-',
            Self::Pass => 'p',
            Self::Unknown => 'u',
            Self::Violation => 'v',
        }
    }
}

impl_words!(Effect { None = "none", Unknown = "unknown", Downgrade = "downgrade", Refuse = "refuse", });

/// The place of a rule in [`rules`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each variant is a rule, and the rule's row documents it")]
pub enum RuleId {
    StsRecordMultiple,
    StsRecordVersion,
    StsRecordIdMissing,
    StsRecordIdInvalid,
    StsRecordExtension,
    StsRecordDelimiter,
    StsRecordDuplicateId,
    StsRecordCnameDangling,
    StsRecordWrongOwner,
    StsPolicyWithoutRecord,
    StsHostUnresolvable,
    StsHostUnreachable,
    StsHostTlsAlert,
    StsHostCertName,
    StsHostCertExpired,
    StsHostCertUntrusted,
    StsHostCertExpiring,
    StsFetchStatus,
    StsFetchRedirect,
    StsFetchTimeout,
    StsFetchIncomplete,
    StsFetchOversize,
    StsFetchMediaType,
    StsPolicyEmpty,
    StsPolicyNotKeyValue,
    StsPolicyVersion,
    StsPolicyMode,
    StsPolicyMaxAge,
    StsPolicyMxMissing,
    StsPolicyMxSyntax,
    StsPolicyComment,
    StsPolicyWhitespace,
    StsPolicyDuplicateKey,
    StsPolicyModeWeak,
    StsPolicyMaxAgeShort,
    MxPolicyMismatchAll,
    MxPolicyMismatchSome,
    MxPatternUnused,
    MxNullWithPolicy,
    MxImplicitWithPolicy,
    MxUnresolvable,
    MxUnreachable,
    MxRefusedUs,
    StarttlsAbsent,
    StarttlsRejected,
    StarttlsMangled,
    StarttlsHandshake,
    MxCertName,
    MxCertExpired,
    MxCertUntrusted,
    MxCertExpiring,
    MxCertVaries,
    MxTlsOld,
    DnssecBogus,
    TlsaLookupFails,
    TlsaInsecure,
    TlsaUnusable,
    TlsaMismatch,
    TlsaAnchorAbsent,
    TlsaAnchorName,
    TlsaAnchorPath,
    TlsaWithoutStarttls,
    TlsaBehindInsecureMx,
    TlsaPartial,
    DaneStsConflict,
    TlsrptMultiple,
    TlsrptVersion,
    TlsrptRuaMissing,
    TlsrptUriScheme,
    TlsrptUriSyntax,
    TlsrptExtension,
    TlsrptDelimiter,
    TlsrptAbsentWithPolicy,
    TlsrptWrongOwner,
    TlsrptSinkDead,
}

impl RuleId {
    /// Its index in [`rules`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether it is a rule of DANE: what it says holds whatever the MTA-STS policy is.
    pub(crate) const fn is_dane(self) -> bool {
        self.index() >= Self::DnssecBogus.index() && self.index() <= Self::DaneStsConflict.index()
    }

    /// The part of the codebook that it stands in.
    pub const fn axis(self) -> Axis {
        let place = self.index();
        if place < Self::StsHostUnresolvable.index() {
            Axis::Record
        } else if place < Self::StsPolicyEmpty.index() {
            Axis::PolicyHost
        } else if place < Self::MxPolicyMismatchAll.index() {
            Axis::PolicyText
        } else if place < Self::MxUnresolvable.index() {
            Axis::Match
        } else if place < Self::DnssecBogus.index() {
            Axis::MxHosts
        } else if place < Self::TlsrptMultiple.index() {
            Axis::Dane
        } else {
            Axis::TlsRpt
        }
    }

    /// The rule itself.
    pub fn rule(self) -> &'static Rule {
        &rules()[self.index()]
    }
}

/// Every rule, axis by axis: record, fetch, policy, match, MX hosts, DANE, TLS-RPT.
pub fn rules() -> &'static [Rule] {
    static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
        [record::RULES, fetch::RULES, policy::RULES, mx_match::RULES, host::RULES, dane::RULES, tlsrpt::RULES]
            .concat()
    });
    &RULES
}

/// A sub-cause, as the tables of rules write it.
pub(crate) const fn cause(name: &'static str, summary: &'static str) -> CauseDoc {
    CauseDoc { name, summary }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_rule_is_its_place() {
        for (place, rule) in rules().iter().enumerate() {
            assert_eq!(rule.id.index(), place, "{}", rule.name);
        }
        assert_eq!(rules().len(), RuleId::TlsrptSinkDead.index() + 1);
    }

    #[test]
    fn the_axis_of_a_rule_is_the_table_that_it_stands_in() {
        let tables = [
            (record::RULES, Axis::Record),
            (fetch::RULES, Axis::PolicyHost),
            (policy::RULES, Axis::PolicyText),
            (mx_match::RULES, Axis::Match),
            (host::RULES, Axis::MxHosts),
            (dane::RULES, Axis::Dane),
            (tlsrpt::RULES, Axis::TlsRpt),
        ];
        for (table, axis) in tables {
            assert!(table.iter().all(|rule| rule.id.axis() == axis), "{axis}");
        }
    }
}
