//! Rows that are derived from evidence and stand under `derived/<id>/`: deleting them loses nothing.

use serde::{Deserialize, Serialize};

use crate::column::{Column, Kind, name, text, time, u16, u32, u64};
use crate::{InputColumn, Micros, Table};

/// A row of `findings`: a rule that a domain violates, or on which it could not be judged.
///
/// What passes, and what does not apply, is counted in `tallies` and has no row here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingRow {
    /// The domain it counts against.
    pub domain: String,
    /// What it is about: the domain, its policy host, or one of its MX hosts.
    pub subject: String,
    /// The rule's name.
    pub rule: String,
    /// `violation` or `unknown`.
    pub outcome: String,
    /// The sub-cause, a kebab-case word.
    pub cause: Option<String>,
    /// The words for a person: the offending text, address, date.
    pub detail: Option<String>,
    /// Effect on a conforming sender: `none`, `downgrade`, `refuse`, `unknown`.
    pub effect: String,
    /// The result type of RFC 8460 §4.3 that a sender would report.
    pub report_type: Option<String>,
}

impl Table for FindingRow {
    const NAME: &'static str = "findings";
    const DOC: &'static str = "A row a (domain, subject, rule, sub-cause) that is a violation, or that could not \
        be judged. What passes or does not apply is counted in `tallies`.";

    fn columns() -> Vec<Column> {
        vec![
            name("domain", "The domain it counts against."),
            name("subject", "What it is about: the domain, its policy host, or one of its MX hosts."),
            text("rule", "The rule's name; `mxray rules` explains it."),
            text("outcome", "`violation` or `unknown` (not measured, so not judged)."),
            text("cause", "The sub-cause, a kebab-case word; null where the rule has none.").optional(),
            text("detail", "The offending text, address or date, for a person.").optional(),
            text("effect", "On a conforming sender: `none`, `downgrade`, `refuse`, `unknown`."),
            text("report_type", "The RFC 8460 §4.3 result type a sender would report.").optional(),
        ]
    }
}

/// A row of `verdicts`: one domain, summed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictRow {
    /// The domain.
    pub domain: String,
    /// Its rank, where the input has one.
    pub rank: Option<u64>,
    /// The input's other columns.
    pub columns: Vec<InputColumn>,
    /// The MTA-STS record: `absent`, `valid`, `invalid`, `unknown`.
    pub record: String,
    /// The policy: `none` (no record), `valid`, `invalid`, `unfetched` (the fetch failed), `unknown`.
    pub policy: String,
    /// The policy's mode, where it is valid.
    pub mode: Option<String>,
    /// The policy's `max_age`, seconds, where it is valid.
    pub max_age: Option<u64>,
    /// Who runs the policy host: `self-managed`, `third-party`, `unknown`, `not-applicable` (no record).
    pub policy_hosting: String,
    /// The TLS-RPT record: `absent`, `valid`, `invalid`, `unknown`.
    pub tlsrpt: String,
    /// Where mail goes: `hosts`, `null`, `implicit`, `none`, `unknown`.
    pub mx: String,
    /// Who runs the MX hosts: `self-managed`, `third-party`, `mixed`, `unknown`, `not-applicable` (none).
    pub mx_hosting: String,
    /// MX hosts named.
    pub mx_hosts: u32,
    /// MX hosts that match the policy; `None` without a valid policy.
    pub mx_matched: Option<u32>,
    /// STARTTLS over the MX hosts: `all`, `some`, `no`, `unknown`, `not-applicable`.
    pub starttls: String,
    /// Valid certificates over the MX hosts: `all`, `some`, `no`, `unknown`, `not-applicable`.
    pub certificates: String,
    /// What DNSSEC says of the MX lookup: `secure`, `insecure`, `bogus`, `unknown`.
    pub mx_dnssec: String,
    /// TLSA records of whatever kind over the MX hosts: `all`, `some`, `no`, `unknown`, `not-applicable`.
    pub tlsa_present: String,
    /// Usable TLSA records that DNSSEC vouches for, over the MX hosts: `all`, `some`, `no`, `unknown`, `not-applicable`.
    pub tlsa: String,
    /// A session that such a record authenticates, over the MX hosts that have any, in the same words.
    pub tlsa_matching: String,
    /// What an opportunistic sender (RFC 3207) does.
    pub opportunistic: String,
    /// What an active attacker then gets.
    pub opportunistic_attacker: String,
    /// What a sender with MTA-STS alone does.
    pub sts: String,
    /// What an active attacker then gets.
    pub sts_attacker: String,
    /// What a sender with DANE alone does.
    pub dane: String,
    /// What an active attacker then gets.
    pub dane_attacker: String,
    /// What a sender with both does, DANE first (RFC 8461 §2).
    pub both: String,
    /// What an active attacker then gets.
    pub both_attacker: String,
    /// Rules violated, by their worst effect: refuse.
    pub refusing: u32,
    /// Rules violated with the effect `downgrade`.
    pub downgrading: u32,
    /// Rules violated with the effect `none`.
    pub lints: u32,
    /// Rules that could not be judged.
    pub unknowns: u32,
    /// Who runs the policy host, by registrable domain; `None` where that is the domain itself, or not known.
    pub policy_operator: Option<String>,
    /// How that is known: `cname`, `ns`, `own`, `unknown`, `not-applicable` (no record).
    pub policy_operator_by: String,
    /// Who runs the MX hosts, by registrable domain; `None` where that is the domain itself, or not known.
    pub mail_operator: Option<String>,
    /// How that is known: `mx`, `first-mx`, `cname`, `ns`, `own`, `unknown`, `not-applicable` (no mail).
    pub mail_operator_by: String,
    /// Who runs the name servers, by registrable domain; `None` where that is the domain itself, or not known.
    pub dns_operator: Option<String>,
    /// How that is known: `ns`, `own`, `unknown`, `not-applicable` (no NS record at the domain).
    pub dns_operator_by: String,
    /// A letter a rule, in the order of the codebook: how it came out.
    pub outcomes: String,
}

impl Table for VerdictRow {
    const NAME: &'static str = "verdicts";
    const DOC: &'static str = "A row a domain: what it publishes, what its mail hosts do, and what happens to mail \
        for it under four kinds of sender.";

    fn columns() -> Vec<Column> {
        let delivery = "What happens to a message: `authenticated`, `encrypted` (unauthenticated), `cleartext`, \
            `deferred`, `no-mail`, `unknown`.";
        let attacker = "What an active attacker who strips STARTTLS or offers another certificate gets: `nothing`, \
            `the-message`, `unknown`.";
        let mut columns = vec![
            name("domain", "The domain."),
            u64("rank", "Its rank, where the input has one.").optional(),
            Column::groups(
                "columns",
                "The input's other columns, which travel along.",
                vec![text("name", "The column's header."), text("value", "Its value.")],
            ),
            text("record", "MTA-STS record: `absent`, `valid`, `invalid`, `unknown` (RFC 8461 §3.1)."),
            text(
                "policy",
                "MTA-STS policy: `none` (no record announces one), `valid`, `invalid`, `unfetched`, `unknown` \
                 (RFC 8461 §3.2, §3.3).",
            ),
            text("mode", "`enforce`, `testing` or `none`; null without a valid policy.").optional(),
            u64("max_age", "Seconds; null without a valid policy.").optional(),
            text(
                "policy_hosting",
                "Who runs the policy host, as far as names tell: `third-party` where its CNAME leads out of the \
                 domain's registrable domain (by the Public Suffix List), else `self-managed`; `unknown`, \
                 `not-applicable` (no record).",
            ),
            text("tlsrpt", "TLS-RPT record: `absent`, `valid`, `invalid`, `unknown` (RFC 8460 §3)."),
            text(
                "mx",
                "Where mail goes: `hosts`, `null` (RFC 7505), `implicit` (no MX: A or AAAA, RFC 5321 §5.1), `none` \
                 (the domain does not exist), `unknown`.",
            ),
            text(
                "mx_hosting",
                "Who runs the MX hosts, as far as names tell: `self-managed` where all lie in the domain's registrable \
                 domain (by the Public Suffix List), `third-party` where none does, `mixed`, `unknown`, \
                 `not-applicable` (it names none).",
            ),
            u32("mx_hosts", "Distinct MX hosts named."),
            u32("mx_matched", "MX hosts that match the policy; null without a valid policy.").optional(),
            text("starttls", "STARTTLS over the MX hosts: `all`, `some`, `no`, `unknown`, `not-applicable`."),
            text(
                "certificates",
                "Valid certificates over the MX hosts: `all`, `some`, `no`, `unknown`, `not-applicable`.",
            ),
            text(
                "mx_dnssec",
                "What DNSSEC says of the MX lookup, whatever it found: `secure`, `insecure`, `bogus`, `unknown`.",
            ),
            text(
                "tlsa_present",
                "TLSA records over the MX hosts, signed and usable or not: `all`, `some`, `no`, `unknown`, \
                 `not-applicable`.",
            ),
            text(
                "tlsa",
                "Usable TLSA records that DNSSEC vouches for, over the MX hosts: `all`, `some`, `no`, `unknown`, \
                 `not-applicable` (RFC 7672 §2.2).",
            ),
            text(
                "tlsa_matching",
                "A session that such a record authenticates, over the MX hosts that have any: `all`, `some`, `no`, \
                 `unknown`, `not-applicable`.",
            ),
            text("opportunistic", delivery),
            text("opportunistic_attacker", attacker),
            text("sts", delivery),
            text("sts_attacker", attacker),
            text("dane", delivery),
            text("dane_attacker", attacker),
            text("both", delivery),
            text("both_attacker", attacker),
            u32("refusing", "Rules violated whose effect is `refuse`."),
            u32("downgrading", "Rules violated whose effect is `downgrade`."),
            u32("lints", "Rules violated whose effect is `none`."),
            u32("unknowns", "Rules that apply and could not be judged."),
        ];
        columns.extend(operator_columns());
        columns
    }
}

/// The columns of `verdicts` that say who operates what, and the letters of its rules.
fn operator_columns() -> Vec<Column> {
    vec![
            name(
                "policy_operator",
                "Who runs the policy host, by registrable domain; operators known to have several stand under one. Null \
                 where it is the domain itself, or not known.",
            )
            .optional(),
            text(
                "policy_operator_by",
                "How that is known: `cname` (the policy host is an alias of its), `ns` (a guess: the name is the domain's \
                 own, its name servers are the operator's), `own` (no name leads out of the domain), `unknown`, \
                 `not-applicable` (no record).",
            ),
            name(
                "mail_operator",
                "Who runs the MX hosts, by registrable domain; operators known to have several stand under one. Null where \
                 it is the domain itself, or not known.",
            )
            .optional(),
            text(
                "mail_operator_by",
                "How that is known: `mx` (all MX hosts have its names), `first-mx` (they have several operators' names: that \
                 of the most preferred), `cname` (hosts of the domain's own are aliases of its), `ns` (a guess: the names are \
                 the domain's own, its name servers are the operator's), `own` (no name leads out of the domain), `unknown`, \
                 `not-applicable` (no mail).",
            ),
            name(
                "dns_operator",
                "Who runs most of the name servers, by registrable domain. Null where it is the domain itself, or not known.",
            )
            .optional(),
            text(
                "dns_operator_by",
                "How that is known: `ns`, `own`, `unknown`, `not-applicable` (no NS record at the domain).",
            ),
            text(
                "outcomes",
                "A letter a rule, in the order of the codebook: `p` pass, `v` violation, `u` not measured, `-` does not apply.",
            ),
    ]
}

/// A row of `hosts`: one MX host, assessed over its addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRow {
    /// The MX host.
    pub host: String,
    /// Addresses it has.
    pub addresses: u32,
    /// Of these, how many could be judged.
    pub judged: u32,
    /// Of its sessions, how many were not held but taken from another host's at the same address.
    pub reused: u32,
    /// `offered`, `absent`, `rejected`, `mangled`, `varies`, `unknown`.
    pub starttls: String,
    /// Versions of TLS agreed, over the addresses, sorted.
    pub tls_versions: Vec<String>,
    /// `valid`, `invalid`, `varies`, `unknown`, `not-applicable`.
    pub certificate: String,
    /// The rules its certificates violate, sorted.
    pub certificate_violations: Vec<String>,
    /// The earliest end of validity among its leaves.
    pub not_after: Option<Micros>,
    /// Domains of the run that name it as MX.
    pub domains: u64,
    /// Lowest reply code of a greeting that refused us, if any did.
    pub refused_code: Option<u16>,
}

impl Table for HostRow {
    const NAME: &'static str = "hosts";
    const DOC: &'static str = "A row an MX host: its STARTTLS and certificates, assessed over its addresses.";

    fn columns() -> Vec<Column> {
        vec![
            name("host", "The MX host."),
            u32("addresses", "Addresses it has."),
            u32("judged", "Of these, how many could be judged."),
            u32(
                "reused",
                "Addresses at which it was not asked, since others there had shown one certificate, which is for it too.",
            ),
            text("starttls", "`offered`, `absent`, `rejected`, `mangled`, `varies`, `unknown`."),
            Column::list("tls_versions", Kind::Text, "Versions of TLS agreed, over the addresses, sorted."),
            text("certificate", "`valid`, `invalid`, `varies`, `unknown`, `not-applicable`."),
            Column::list("certificate_violations", Kind::Text, "The rules its certificates violate, sorted."),
            time("not_after", "The earliest end of validity among its leaves.").optional(),
            u64("domains", "Domains of the run that name it as MX."),
            u16("refused_code", "Lowest reply code of a greeting that refused us, if any did.").optional(),
        ]
    }
}

/// A row of `tallies`: over all domains, how often a rule came out which way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TallyRow {
    /// The rule's name.
    pub rule: String,
    /// The sub-cause; `None` is the rule as a whole.
    pub cause: Option<String>,
    /// Domains that pass (0 on rows of a sub-cause).
    pub pass: u64,
    /// Domains that violate it.
    pub violation: u64,
    /// Domains that could not be judged.
    pub unknown: u64,
    /// Domains to which it does not apply (0 on rows of a sub-cause).
    pub not_applicable: u64,
}

impl Table for TallyRow {
    const NAME: &'static str = "tallies";
    const DOC: &'static str = "A row a rule (and one a sub-cause of it): in how many domains it came out which way. \
        pass + violation + unknown is the denominator of every rate; with not_applicable it is all domains.";

    fn columns() -> Vec<Column> {
        vec![
            text("rule", "The rule's name."),
            text("cause", "The sub-cause; null is the rule as a whole.").optional(),
            u64("pass", "Domains that pass; 0 on rows of a sub-cause."),
            u64("violation", "Domains that violate it."),
            u64("unknown", "Domains that could not be judged."),
            u64("not_applicable", "Domains to which it does not apply; 0 on rows of a sub-cause."),
        ]
    }
}
