//! The tables of the report: what each is called, what a reader must know, its SQL, and which of its columns are rates of what.

/// A table of the report.
#[derive(Debug)]
pub(super) struct Section {
    /// Its file's name.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// What a reader must know to read it rightly.
    pub(super) about: &'static str,
    pub(super) sql: &'static str,
    pub(super) rates: &'static [Rate],
    /// For people: what a line is by, where the table is shown with its measures side by side.
    pub(super) pivot: Option<&'static [&'static str]>,
    pub(super) reader: Reader,
}

/// A column that is a rate.
#[derive(Debug)]
pub(super) struct Rate {
    /// Its name.
    pub(super) column: &'static str,
    /// The column of its numerator.
    pub(super) over: &'static str,
    /// The column of its denominator.
    pub(super) of: &'static str,
    /// Whether it counts the domains of the input, so that it has an interval where those are a sample.
    pub(super) of_domains: bool,
}

/// For whom a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Who studies what people publish and do.
    Study,
    /// Who ran the scan: what it did to the network.
    Operator,
}

const fn rate(column: &'static str, over: &'static str, of: &'static str) -> Rate {
    Rate { column, over, of, of_domains: true }
}

const RATE: &[Rate] = &[rate("rate", "domains", "measured")];
const RATE_AND_WITHOUT: &[Rate] =
    &[rate("rate", "violations", "judged"), rate("without_rate", "violations_without", "judged_without")];

macro_rules! sections {
    ($($name:ident, $reader:ident, $pivot:expr, $rates:expr, $title:literal, $about:literal;)*) => {
        /// The tables, in the order of the page.
        pub(super) const SECTIONS: &[Section] = &[$(Section {
            name: stringify!($name),
            title: $title,
            about: $about,
            sql: include_str!(concat!(stringify!($name), ".sql")),
            rates: $rates,
            pivot: $pivot,
            reader: Reader::$reader,
        },)*];
    };
}

sections! {
    adoption, Study, None, RATE,
    "Adoption",
    "`rate` is `domains` over `measured`. What could not be measured is in `unknown`, and in no rate.";

    funnel, Study, None, RATE,
    "From names to verdicts",
    "How many each step leaves of those of the one before of which it could be told.";

    adoption_over_time, Study, Some(&["began", "run"]), RATE,
    "Adoption over time",
    "The same measures for each run, by when it began. One line where the report is of one run.";

    adoption_by_rank, Study, Some(&["rank_from", "rank_to"]), RATE,
    "Adoption by rank",
    "By decade of the list. Empty where the input has no ranks.";

    adoption_by_tld, Study, Some(&["tld"]), RATE,
    "Adoption by top-level domain",
    "The forty that most domains of the input are in.";

    adoption_by_cohort, Study, Some(&["input_column", "cohort"]), RATE,
    "Adoption by cohort",
    "By each column of the input that has at most forty values: a sector, a tier, a country.";

    max_age, Study, None, RATE,
    "How long policies may be kept",
    "`max_age` of valid policies, by mode.";

    hosting, Study, None, RATE,
    "Self-managed and third-party",
    "By the lines of the IMC 2025 study: a policy host is a third party's where its CNAME leads out of the domain's registrable \
     domain, MX hosts are where they lie outside of it.";

    mail_operators, Study, None, &[rate("rate", "domains", "measured"), rate("sts_rate", "sts_records", "sts_measured")],
    "Who runs the mail",
    "Operators by registrable domain, and how each is known. A guess by name servers is one: the MX hosts have names of the \
     domain's own, and its name servers are the operator's.";

    policy_operators, Study, None,
    &[rate("rate", "domains", "measured"), rate("valid_rate", "valid_policies", "policies_measured")],
    "Who runs the policy host",
    "Of domains with an MTA-STS record.";

    standing, Study, None, &[rate("rate", "domains", "of_all")],
    "Standing",
    "Domains by the worst effect of what is wrong with them. `with_unknown_rules` of them have rules that could not be judged, \
     and may stand worse than they seem.";

    misconfiguration_by_class, Study, None, RATE_AND_WITHOUT,
    "Misconfiguration, by class",
    "Of what a sender acts on, and, of TLS-RPT, of what keeps reports away; once a domain and class. Beside it the same without the \
     operator that has most of it.";

    misconfiguration, Study, None, &[rate("rate", "violations", "judged")],
    "Misconfiguration, by rule and sub-cause",
    "In domains. `rate` is `violations` over `judged`; a sub-cause has the denominator of its rule. A domain with two hosts that \
     differ in sub-cause counts in both.";

    misconfiguration_by_operator, Study, None, RATE_AND_WITHOUT,
    "Misconfiguration, with and without the largest operator",
    "The operator that has most of a rule's violations (of the policy host, the mail or the DNS, whichever the rule is about), \
     and what is left without its domains. Rules that nobody violates are left out.";

    protection, Study, None, RATE,
    "Who is protected, and who only thinks so",
    "What a domain publishes to be protected from an active attacker, and what comes of it with a sender that honours MTA-STS \
     and DANE.";

    delivery, Study, None, RATE,
    "The sender's view",
    "What happens to a message from each kind of sender, and what an attacker gets who strips STARTTLS or offers another \
     certificate.";

    tlsrpt, Study, None, RATE,
    "Who asks for reports",
    "TLS-RPT records, valid or not, by what there is to report on; `invalid` of them are not valid.";

    tls, Study, None, &[Rate { column: "rate", over: "hosts", of: "measured", of_domains: false }],
    "TLS",
    "Each host once a value. `measured` finished a handshake; with `unknown` hosts one was begun, and none finished.";

    certificates, Study, None, &[Rate { column: "rate", over: "certificates", of: "measured", of_domains: false }],
    "Certificates",
    "Distinct leaves.";

    hosts, Study, None, &[],
    "Mail hosts",
    "Each host once; `named_by` sums the domains that name it.";

    weighty_hosts, Study, None, &[],
    "Faulty hosts on which most domains depend",
    "The first twenty.";

    imc2025, Study, None, &[rate("rate", "domains", "measured")],
    "Beside the IMC 2025 study",
    "The breakdown of Ashiq, Fiebig and Chung (doi 10.1145/3730567.3732916: 68,030 domains with a record on 2024-09-29), and how \
     many domains of this run are in each class. A domain counts in every class that it is in; a policy host that fails, at the \
     first layer that does. `self-managed` and `third-party` are `policy_hosting` of the verdicts for the policy, `mx_hosting` \
     for the certificates, as names tell; mixed and unknown hosting is in `all` only. The study's own heuristics for them are \
     not known here, nor are its denominators: compare counts with care, and rates with more. \
     `datasets/published/imc2025.csv` says which figures are published and which are derived from them.";

    unknowns, Study, None, &[Rate { column: "rate", over: "observations", of: "of_all", of_domains: false }],
    "What was not measured, and why",
    "How lookups, fetches and sessions ended: `stopped` by the other side or the network, `withheld` by ourselves.";

    input, Study, None, &[],
    "Input that was not scanned",
    "By reason. Lines of the input are domains and these.";

    footprint, Operator, None, &[],
    "What the scan did to the network",
    "Counted from the evidence.";

    busiest_addresses, Operator, None, &[],
    "The addresses that were asked most",
    "Of mail hosts; the first twenty.";
}

/// Tables that stand between the run's own and the report's: each answered once, and kept under its name. In this order.
pub(super) const DERIVED: &[(&str, &str)] = &[
    ("standings", include_str!("derived/standings.sql")),
    ("measures", include_str!("derived/measures.sql")),
    ("members", include_str!("derived/members.sql")),
    ("shares", include_str!("derived/shares.sql")),
    ("outcomes", include_str!("derived/outcomes.sql")),
    ("lookups", include_str!("derived/lookups.sql")),
];
/// How many of [`DERIVED`] the lines of one run over time need.
pub(super) const DERIVED_FOR_SERIES: usize = 4;
