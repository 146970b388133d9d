//! What a world is like: a small TOML of probabilities, or of groups with exact counts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::defect::{Axis, Defect};
use crate::group::{self, Group};

/// The probabilities of a world. Every field has a default, and a field that is not known is an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorldParams {
    /// Suffixes of invented names, picked evenly. The default ones are reserved (RFC 2606), so that a list of
    /// invented names that is scanned through a real resolver by accident meets nobody.
    pub suffixes: Vec<String>,
    /// Where mail goes, and who runs it.
    pub mail: MailParams,
    /// Who publishes MTA-STS.
    pub sts: StsParams,
    /// Who publishes TLS-RPT.
    pub tlsrpt: TlsrptParams,
    /// Who signs zones, and who publishes TLSA records.
    pub dane: DaneParams,
    /// What goes wrong on the way to the name server.
    pub dns: DnsParams,
    /// Probability by `rule` (spread evenly over its sub-causes) or `rule/cause`, for a subject to which it can
    /// apply. What one axis adds up to may not exceed 1. Empty where a TOML text has no `[defects]`.
    #[serde(default)]
    pub defects: BTreeMap<String, f64>,
    /// Exact counts in the place of probabilities: every domain belongs to one group. What is left of the fields above
    /// is `suffixes`, `dns`, operators and their concentration, and `mail.two_hosts`; nothing is signed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// Probability by kind of change that it happens to a domain to which it can happen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub changes: BTreeMap<String, f64>,
}

/// Where mail goes, and who runs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailParams {
    /// Share of domains whose MX hosts are an operator's; the others run their own.
    pub operated: f64,
    /// Mail operators, each with two to four MX hosts.
    pub operators: u32,
    /// Exponent of Zipf's law over them: 0 makes all equal, 1 the second half as large as the first.
    pub concentration: f64,
    /// Factor on the probability of a defect at an operator's MX host: operators are better kept than most.
    pub operator_care: f64,
    /// Share of the others with two MX hosts.
    pub two_hosts: f64,
    /// Share of domains with a null MX (RFC 7505), among those without an MTA-STS record.
    pub null: f64,
    /// Share without MX but with an address (RFC 5321 §5.1), among those without an MTA-STS record.
    pub implicit: f64,
    /// Share of domains that do not exist.
    pub missing: f64,
    /// Share of domains whose MX lookup gives SERVFAIL.
    pub servfail: f64,
}

/// Who publishes MTA-STS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StsParams {
    /// Share of domains that publish a record, or mean to.
    pub record: f64,
    /// Share of domains whose every name has the same TXT that has nothing to do with MTA-STS.
    pub wildcard_txt: f64,
    /// Share of policy hosts that are a CNAME to a policy operator's.
    pub operated: f64,
    /// Policy operators.
    pub operators: u32,
    /// Exponent of Zipf's law over them.
    pub concentration: f64,
}

/// Who publishes TLS-RPT.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsrptParams {
    /// Share of domains with a TLS-RPT record, among those without a valid MTA-STS record. Those with one have
    /// it but for the rate of `tlsrpt-absent-with-policy`.
    pub record: f64,
}

/// Who signs zones, and who publishes TLSA records (RFC 7672). The root and the top-level domains are always signed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DaneParams {
    /// Share of domains whose zone is signed.
    pub signed: f64,
    /// Share of mail operators whose zone is, spread evenly over their sizes.
    pub operators_signed: f64,
    /// Share of those, domains and operators alike, whose MX hosts have TLSA records.
    pub tlsa: f64,
}

/// What goes wrong on the way to the name server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DnsParams {
    /// Share of UDP queries that are never answered. A repeated query has another id, and another chance.
    pub loss: f64,
    /// Share of (name, type) pairs that are answered truncated over UDP, so that TCP must be used.
    pub truncation: f64,
}

impl Default for WorldParams {
    /// The demo world: adoption is high, and every defect occurs.
    fn default() -> Self {
        Self {
            suffixes: vec!["test".to_owned(), "example".to_owned()],
            mail: MailParams::default(),
            sts: StsParams::default(),
            tlsrpt: TlsrptParams::default(),
            dane: DaneParams::default(),
            dns: DnsParams::default(),
            defects: demo_defects(),
            groups: Vec::new(),
            changes: BTreeMap::new(),
        }
    }
}

impl Default for MailParams {
    fn default() -> Self {
        Self {
            operated: 0.5,
            operators: 100,
            concentration: 1.0,
            operator_care: 0.25,
            two_hosts: 0.4,
            null: 0.03,
            implicit: 0.03,
            missing: 0.01,
            servfail: 0.01,
        }
    }
}

impl Default for StsParams {
    fn default() -> Self {
        Self { record: 0.7, wildcard_txt: 0.01, operated: 0.4, operators: 12, concentration: 1.0 }
    }
}

impl Default for TlsrptParams {
    fn default() -> Self {
        Self { record: 0.2 }
    }
}

impl Default for DaneParams {
    fn default() -> Self {
        Self { signed: 0.6, operators_signed: 0.5, tlsa: 0.6 }
    }
}

impl DaneParams {
    /// Nothing below a top-level domain is signed.
    const NONE: Self = Self { signed: 0.0, operators_signed: 0.0, tlsa: 0.0 };
    /// Everything is signed, and every MX host has TLSA records.
    const ALL: Self = Self { signed: 1.0, operators_signed: 1.0, tlsa: 1.0 };
}

impl Default for DnsParams {
    fn default() -> Self {
        Self { loss: 0.0, truncation: 0.01 }
    }
}

/// Why a world cannot be made from its parameters.
#[derive(Debug, thiserror::Error)]
pub enum ParamsError {
    /// The text is not the TOML that was expected.
    #[error("reading the world's parameters: {0}")]
    Toml(#[from] toml::de::Error),
    /// A key of `[defects]` names nothing.
    #[error("no rule or rule/cause of the catalogue is called {0:?}")]
    UnknownDefect(String),
    /// A key of `[changes]` names nothing.
    #[error("no change is called {0:?}")]
    UnknownChange(String),
    /// A key of `[defects]` names what has no probability of its own.
    #[error("{0:?} follows from other things that are planted, and has no probability of its own")]
    Consequence(String),
    /// A number is not a probability.
    #[error("{0} = {1} is not a probability between 0 and 1")]
    NotAProbability(String, f64),
    /// The defects of one axis exceed certainty.
    #[error("the defects of the axis {0:?} add up to {1:.4}, which is more than 1")]
    AxisOverfull(Axis, f64),
    /// A number is outside what the address plan can hold.
    #[error("{0} = {1} is outside {2}")]
    OutOfRange(&'static str, f64, &'static str),
    /// A group cannot be.
    #[error("group {0} of the world: {1}")]
    Group(usize, String),
    /// Probabilities stand beside groups.
    #[error("a world of groups has exact counts, and no [defects]")]
    GroupsAndDefects,
    /// A scale is asked of a world of probabilities.
    #[error(
        "only a world of groups can be scaled: one of probabilities has as many domains as are asked for"
    )]
    NothingToScale,
    /// As many names are needed as the groups have domains.
    #[error("the groups of the world have {needed} domains, and {given} were given")]
    GroupsAndNames {
        /// Domains of the groups.
        needed: u64,
        /// Names.
        given: u64,
    },
}

/// Most operators of a kind: the address plan holds 8 addresses for each.
const OPERATORS_MAX: u32 = 100_000;

impl WorldParams {
    /// Reads and checks a TOML text.
    pub fn from_toml(text: &str) -> Result<Self, ParamsError> {
        let params: Self = toml::from_str(text)?;
        params.check()?;
        Ok(params)
    }

    /// The parameters as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a struct of tables of numbers is TOML")
    }

    /// A world in which every domain has a record, a policy in mode enforce and TLS-RPT, nothing is signed, and nothing
    /// is wrong.
    pub fn clean() -> Self {
        Self {
            suffixes: vec!["test".to_owned(), "example".to_owned()],
            mail: MailParams {
                null: 0.0,
                implicit: 0.0,
                missing: 0.0,
                servfail: 0.0,
                operator_care: 1.0,
                ..MailParams::default()
            },
            sts: StsParams { record: 1.0, wildcard_txt: 0.0, ..StsParams::default() },
            tlsrpt: TlsrptParams { record: 1.0 },
            dane: DaneParams::NONE,
            dns: DnsParams { loss: 0.0, truncation: 0.0 },
            defects: BTreeMap::new(),
            groups: Vec::new(),
            changes: BTreeMap::new(),
        }
    }

    /// A world in which everything is clean but for one defect, which every subject it can apply to has.
    /// Without a cause, all sub-causes of the rule occur evenly.
    pub fn only(rule: &str, cause: Option<&str>) -> Result<Self, ParamsError> {
        let key = cause.map_or_else(|| rule.to_owned(), |cause| format!("{rule}/{cause}"));
        let planted = Defect::named(&key);
        let Some(first) = planted.first() else { return Err(ParamsError::UnknownDefect(key)) };
        let mut params = Self::clean();
        if matches!(first.axis(), Axis::Signatures | Axis::Tlsa | Axis::Consequence) {
            params.dane = DaneParams::ALL;
            // A policy that is kept while DANE fails is another finding.
            params.sts.record = 0.0;
        }
        match first {
            Defect::DaneStsConflict => {
                params.sts.record = 1.0;
                params.defects.insert("tlsa-mismatch/other".to_owned(), 1.0);
            }
            Defect::TlsaBehindInsecureMx => {
                params.dane.signed = 0.0;
                params.mail.operated = 1.0;
            }
            _ => drop(params.defects.insert(key, 1.0)),
        }
        match first {
            // The first host has what the second has not.
            Defect::TlsaPartial => params.mail.two_hosts = 1.0,
            Defect::TlsaUnsignedZone if planted.len() == 1 => {
                params.dane = DaneParams { tlsa: 1.0, ..DaneParams::NONE };
            }
            // A second address is to be had where the second MX host would be.
            Defect::MxCertVaries => params.mail.two_hosts = 0.0,
            // Without MX the domain's own address counts, which only those have who run their own mail.
            Defect::ImplicitWithPolicy => params.mail.operated = 0.0,
            // The parent of an invented name is its suffix.
            Defect::RecordOwnerParent => params.suffixes = vec!["group.example".to_owned()],
            // These stand in the MX record itself, which is the domain's own.
            _ if planted.iter().all(|d| matches!(d, Defect::MxIpLiteral | Defect::MxLocalhost)) => {
                params.mail.operated = 0.0;
            }
            _ => {}
        }
        Ok(params)
    }

    /// Domains of the groups; `None` for a world of probabilities, which can have any number.
    pub fn domains(&self) -> Option<u64> {
        (!self.groups.is_empty()).then(|| self.groups.iter().map(|group| group.domains).sum())
    }

    /// Makes a world of groups smaller: each group gets its share by largest remainder, and one whose share is under one
    /// domain has one all the same. Says which were raised so.
    pub fn scale(&mut self, scale: f64) -> Result<Vec<String>, ParamsError> {
        if self.groups.is_empty() {
            return Err(ParamsError::NothingToScale);
        }
        if !(scale > 0.0 && scale <= 1.0) {
            return Err(ParamsError::OutOfRange("the scale", scale, "above 0 to 1"));
        }
        let (groups, raised) = group::scaled(&self.groups, scale);
        self.groups = groups;
        Ok(raised)
    }

    /// Checks every number.
    pub fn check(&self) -> Result<(), ParamsError> {
        let shares = [
            ("mail.operated", self.mail.operated),
            ("mail.operator_care", self.mail.operator_care),
            ("mail.two_hosts", self.mail.two_hosts),
            ("mail.null + mail.implicit", self.mail.null + self.mail.implicit),
            ("mail.missing", self.mail.missing),
            ("mail.servfail", self.mail.servfail),
            ("sts.record + sts.wildcard_txt", self.sts.record + self.sts.wildcard_txt),
            ("sts.operated", self.sts.operated),
            ("tlsrpt.record", self.tlsrpt.record),
            ("dane.signed", self.dane.signed),
            ("dane.operators_signed", self.dane.operators_signed),
            ("dane.tlsa", self.dane.tlsa),
            ("dane.signed", self.dane.signed),
            ("dane.operators_signed", self.dane.operators_signed),
            ("dane.tlsa", self.dane.tlsa),
            ("dns.loss", self.dns.loss),
            ("dns.truncation", self.dns.truncation),
            ("mail.null", self.mail.null),
            ("mail.implicit", self.mail.implicit),
            ("sts.record", self.sts.record),
            ("sts.wildcard_txt", self.sts.wildcard_txt),
        ];
        let defects = self.defects.iter().map(|(key, rate)| (key.as_str(), *rate));
        for (name, value) in shares.into_iter().chain(defects) {
            if !(0.0..=1.0).contains(&value) {
                return Err(ParamsError::NotAProbability(name.to_owned(), value));
            }
        }
        for (name, value) in [("mail.operators", self.mail.operators), ("sts.operators", self.sts.operators)]
        {
            if !(1..=OPERATORS_MAX).contains(&value) {
                return Err(ParamsError::OutOfRange(name, f64::from(value), "1 to 100000"));
            }
        }
        for (name, value) in
            [("mail.concentration", self.mail.concentration), ("sts.concentration", self.sts.concentration)]
        {
            if !(0.0..=8.0).contains(&value) {
                return Err(ParamsError::OutOfRange(name, value, "0 to 8"));
            }
        }
        if self.suffixes.is_empty() || self.suffixes.iter().any(|suffix| !is_suffix(suffix)) {
            return Err(ParamsError::OutOfRange(
                "suffixes",
                self.suffixes.len() as f64,
                "names in lower case",
            ));
        }
        if !self.groups.is_empty() && !self.defects.is_empty() {
            return Err(ParamsError::GroupsAndDefects);
        }
        self.rates().map(drop)
    }

    /// The rate of every defect, by axis.
    pub(crate) fn rates(&self) -> Result<BTreeMap<Axis, Vec<(Defect, f64)>>, ParamsError> {
        let mut rates = BTreeMap::<Axis, Vec<(Defect, f64)>>::new();
        for (key, rate) in &self.defects {
            let defects = Defect::named(key);
            if defects.is_empty() {
                return Err(ParamsError::UnknownDefect(key.clone()));
            }
            if defects.iter().any(|defect| defect.axis() == Axis::Consequence) {
                return Err(ParamsError::Consequence(key.clone()));
            }
            let share = rate / defects.len() as f64;
            for defect in defects {
                rates.entry(defect.axis()).or_default().push((defect, share));
            }
        }
        for (axis, rates) in &mut rates {
            rates.sort_by_key(|(defect, _)| *defect);
            let sum: f64 = rates.iter().map(|(_, rate)| rate).sum();
            if sum > 1.0 + 1e-9 {
                return Err(ParamsError::AxisOverfull(*axis, sum));
            }
        }
        Ok(rates)
    }
}

fn is_suffix(suffix: &str) -> bool {
    !suffix.is_empty()
        && suffix.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
}

/// The rates of the demo world, from where a person reads them.
fn demo_defects() -> BTreeMap<String, f64> {
    #[derive(Deserialize)]
    struct Demo {
        defects: BTreeMap<String, f64>,
    }
    let demo: Demo = toml::from_str(include_str!("../../../datasets/worlds/demo.toml"))
        .expect("demo.toml is checked by a test");
    demo.defects
}
