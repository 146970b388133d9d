//! The rules across runs.

use crate::rule::{CauseDoc, Effect, Subject, cause};

/// A rule that takes two runs to judge: a row of the codebook.
#[derive(Debug, Clone, Copy)]
pub struct AcrossRule {
    /// Its name: a contract with every table that has been written with it.
    pub name: &'static str,
    /// When it is violated.
    pub summary: &'static str,
    /// Where the standard says so.
    pub section: &'static str,
    /// The worst that it does to a conforming sender.
    pub effect: Effect,
    /// What a postmaster can do about it.
    pub advice: &'static str,
    /// Its sub-causes.
    pub causes: &'static [CauseDoc],
    /// What it is about.
    pub subject: Subject,
}

/// The rules across runs, in the order of the life of a policy.
pub fn across_rules() -> &'static [AcrossRule] {
    RULES
}

const RULES: &[AcrossRule] = &[
    AcrossRule {
        name: "sts-id-stale",
        summary: "The policy's bytes changed and the id did not: senders with a cached copy do not fetch the new one",
        section: "RFC 8461 §8.1, §3.1",
        effect: Effect::Refuse,
        advice: "Publish a new id with every change of the policy.",
        causes: &[],
        subject: Subject::Domain,
    },
    AcrossRule {
        name: "sts-id-early",
        summary: "The id changed and the policy's bytes did not: senders fetched the old policy again, and keep it",
        section: "RFC 8461 §8.1",
        effect: Effect::None,
        advice: "Change the policy first, then the id.",
        causes: &[
            cause(
                "followed",
                "a later run sees another policy under that id: it came too late for those who fetched",
            ),
            cause("not-followed", "no later run sees another policy under that id"),
        ],
        subject: Subject::Domain,
    },
    AcrossRule {
        name: "sts-policy-stale",
        summary: "The MX set changed and the policy did not follow: it names none, or not all, of the MX hosts of today",
        section: "RFC 8461 §8.1, §4.1",
        effect: Effect::Refuse,
        advice: "Add the new MX hosts to the policy, with a new id, and wait until old copies have ended before you change MX.",
        causes: &[
            cause("all", "the policy matches no MX host of today"),
            cause("some", "the policy misses some MX hosts of today"),
        ],
        subject: Subject::Domain,
    },
    AcrossRule {
        name: "sts-removal-abrupt",
        summary: "Record or policy is gone without a period of mode: none as long as the old max_age",
        section: "RFC 8461 §8.3",
        effect: Effect::Refuse,
        advice: "Publish mode: none with a new id and a short max_age, and leave it until old copies have ended.",
        causes: &[],
        subject: Subject::Domain,
    },
    AcrossRule {
        name: "sts-policy-unreachable-since",
        summary: "The policy cannot be had now, and could be before; senders live on cached copies",
        section: "RFC 8461 §5.1, §3.3",
        effect: Effect::Downgrade,
        advice: "Serve the policy again before the cached copies end.",
        causes: &[
            cause("unfetched", "it cannot be fetched"),
            cause("invalid", "what is fetched is no valid policy"),
            cause("record", "the record that announces it is not valid any more"),
        ],
        subject: Subject::PolicyHost,
    },
    AcrossRule {
        name: "sts-testing-too-long",
        summary: "The policy is in mode testing for 90 days or more, as far as runs saw: nobody is protected",
        section: "RFC 8461 §5",
        effect: Effect::Downgrade,
        advice: "Read the TLS reports, mend what they show, and set mode: enforce.",
        causes: &[],
        subject: Subject::Domain,
    },
    AcrossRule {
        name: "sts-testing-too-short",
        summary: "Mode enforce after less than 30 days of testing",
        section: "RFC 8461 §5",
        effect: Effect::None,
        advice: "Begin with mode testing, and read the TLS reports of some weeks before enforcing.",
        causes: &[],
        subject: Subject::Domain,
    },
    AcrossRule {
        name: "tlsa-rollover-early",
        summary: "The TLSA record that matched is withdrawn, and the certificate that it was for is still shown",
        section: "RFC 7671 §8.1",
        effect: Effect::Refuse,
        advice: "Keep the old record until the old certificate is shown no more.",
        causes: &[],
        subject: Subject::MxHost,
    },
    AcrossRule {
        name: "tlsa-rollover-late",
        summary: "Certificate and TLSA records changed between two runs that are less than two TTLs of the record apart",
        section: "RFC 7671 §8.1",
        effect: Effect::Refuse,
        advice: "Publish the record for the next certificate at least two TTLs before it is shown.",
        causes: &[],
        subject: Subject::MxHost,
    },
    AcrossRule {
        name: "tlsa-rollover-never",
        summary: "The certificate changed, and the TLSA records, which matched the old one, are as they were",
        section: "RFC 7671 §8.1",
        effect: Effect::Refuse,
        advice: "Publish a record for the certificate that is shown; publish the next one's before it is.",
        causes: &[],
        subject: Subject::MxHost,
    },
];
