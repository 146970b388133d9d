//! The rules of DANE.

use crate::rule::{Effect, Rule, RuleId, Subject, cause};

const HOST: Rule = Rule {
    id: RuleId::DnssecBogus,
    name: "",
    summary: "",
    section: "RFC 7672 §2.2",
    effect: Effect::Refuse,
    report_type: Some("tlsa-invalid"),
    advice: "",
    causes: &[],
    subject: Subject::MxHost,
};
const DOMAIN: Rule = Rule { subject: Subject::Domain, effect: Effect::None, report_type: None, ..HOST };

pub(crate) const RULES: &[Rule] = &[
    Rule {
        id: RuleId::DnssecBogus,
        name: "dnssec-bogus",
        summary: "The answer for the MX set, or for the addresses or TLSA records of an MX host, is there and does not validate: a \
            validating sender defers",
        section: "RFC 7672 §2.1.3, §2.2",
        report_type: Some("dnssec-invalid"),
        advice: "Look the name up in a DNSSEC debugger: most often signatures have run out, or the DS at the parent belongs to an \
            old key.",
        causes: &[
            cause("mx", "the MX set"),
            cause("address", "the addresses of an MX host"),
            cause("tlsa", "the TLSA records of an MX host"),
        ],
        ..HOST
    },
    Rule {
        id: RuleId::TlsaLookupFails,
        name: "tlsa-lookup-fails",
        summary: "The TLSA lookup of an MX host in a signed zone fails: a sender with DANE defers, and never falls back",
        section: "RFC 7672 §2.1.3, §2.2",
        report_type: Some("dnssec-invalid"),
        advice: "Let every name server of the zone answer queries of type TLSA, also for names that do not exist.",
        causes: &[
            cause("servfail", "response code 2, with validation off as well"),
            cause("refused", "response code 5"),
            cause("other", "another response code"),
        ],
        ..HOST
    },
    Rule {
        id: RuleId::TlsaInsecure,
        name: "tlsa-insecure",
        summary: "TLSA records stand where DNSSEC does not reach, so that every sender ignores them",
        section: "RFC 7672 §2.2.2",
        effect: Effect::Downgrade,
        report_type: None,
        advice: "Sign the zone and have its DS published at the parent, or remove the TLSA records.",
        causes: &[
            cause("address", "the addresses of the MX host are not signed"),
            cause("record", "the TLSA records are not"),
        ],
        ..HOST
    },
    Rule {
        id: RuleId::TlsaUnusable,
        name: "tlsa-unusable",
        summary: "No TLSA record of an MX host can be used by a mail sender: TLS is asked for, and nobody is authenticated",
        section: "RFC 7672 §3.1.3, §2.2",
        effect: Effect::None,
        advice: "Publish usage 3, selector 1, matching type 1 (3 1 1) for the server's key.",
        causes: &[
            cause("pkix-usage", "usage 0 or 1"),
            cause("unknown-parameter", "a usage, selector or matching type that nobody has defined"),
            cause("digest-length", "a digest of another length than its algorithm gives"),
            cause("malformed", "full data that is no certificate, or no key"),
        ],
        ..HOST
    },
    Rule {
        id: RuleId::TlsaMismatch,
        name: "tlsa-mismatch",
        summary: "None of the usable TLSA records matches what an MX host shows",
        section: "RFC 7672 §3.1, RFC 7671 §9",
        advice: "Publish the digest of the key in use beside the old one, two TTLs before a certificate is changed; keep the key \
            when the certificate is renewed.",
        causes: &[
            cause("digest-of-nothing", "the data is the digest of an empty file"),
            cause("selector-or-type", "the data would match under another selector or matching type"),
            cause("usage", "the data would match under the other usage, 2 or 3"),
            cause(
                "weaker-digest",
                "only the weaker of two digests matches, and the stronger is the one that counts",
            ),
            cause(
                "other",
                "the data is of another key or certificate: the server's was changed, and the record was not",
            ),
        ],
        ..HOST
    },
    Rule {
        id: RuleId::TlsaAnchorAbsent,
        name: "tlsa-anchor-absent",
        summary: "TLSA usage 2 names a trust anchor that is not in the chain an MX host shows",
        section: "RFC 7672 §3.1.2",
        advice: "Let the mail server send the anchor's certificate at the end of its chain, even if it is a root; or publish usage 3.",
        ..HOST
    },
    Rule {
        id: RuleId::TlsaAnchorName,
        name: "tlsa-anchor-name",
        summary: "The anchor of TLSA usage 2 is there, but the certificate is for another name than the MX host's",
        section: "RFC 7672 §3.2.2",
        report_type: Some("certificate-host-mismatch"),
        advice: "Have the certificate issued for the name in the MX record, or publish usage 3, which asks for no name.",
        ..HOST
    },
    Rule {
        id: RuleId::TlsaAnchorPath,
        name: "tlsa-anchor-path",
        summary: "The anchor of TLSA usage 2 is there, but no valid path leads to it: dates, signatures, constraints",
        section: "RFC 7671 §5.2",
        advice: "Renew what has run out, and send every certificate between the server's own and the anchor.",
        ..HOST
    },
    Rule {
        id: RuleId::TlsaWithoutStarttls,
        name: "tlsa-without-starttls",
        summary: "An MX host has usable TLSA records, and offers no STARTTLS or rejects it",
        section: "RFC 7672 §2.2",
        report_type: Some("starttls-not-supported"),
        advice: "Offer STARTTLS on port 25, or remove the TLSA records.",
        ..HOST
    },
    Rule {
        id: RuleId::TlsaBehindInsecureMx,
        name: "tlsa-behind-insecure-mx",
        summary: "An MX host has usable TLSA records, but the MX set that names it is not signed: whoever forges the MX set \
            names a host of his own",
        section: "RFC 7672 §2.2.1",
        advice: "Sign the domain's own zone, too.",
        ..DOMAIN
    },
    Rule {
        id: RuleId::TlsaPartial,
        name: "tlsa-partial",
        summary: "Only some MX hosts have TLSA records that count: an attacker leads mail to the others",
        section: "RFC 7672 §2.2",
        advice: "Publish TLSA records for every MX host, backups too.",
        ..DOMAIN
    },
    Rule {
        id: RuleId::DaneStsConflict,
        name: "dane-sts-conflict",
        summary: "An MX host fails DANE and passes MTA-STS: a sender that does both does not deliver there, for MTA-STS must not \
            override DANE",
        section: "RFC 8461 §2",
        effect: Effect::Refuse,
        report_type: Some("tlsa-invalid"),
        advice: "Mend or remove the TLSA records: MTA-STS does not make up for them.",
        ..DOMAIN
    },
];
