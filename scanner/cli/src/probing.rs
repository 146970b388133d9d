//! How to probe: the flags that `scan` and `check` share.

use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use ipnet::IpNet;
use mxray_engine::{Input, PacingLimits, ScanConfig};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Serialize;

use crate::exit::{Blame, Failure};

const DNS_PORT: u16 = 53;

/// How to probe, as typed.
#[derive(Debug, Args)]
pub(crate) struct ProbeFlags {
    /// The name to say in EHLO: one that resolves to this machine. A real scan refuses to start without.
    #[arg(long, value_name = "NAME", help_heading = "Identity")]
    pub(crate) ehlo_name: Option<String>,
    /// Where you can be reached: a mail address or a page. It goes into the User-Agent and the manifest.
    #[arg(long, value_name = "ADDRESS", help_heading = "Identity")]
    pub(crate) contact: Option<String>,
    /// Where this scan looks from, in a word of yours; for the manifest.
    #[arg(long, value_name = "WORD", help_heading = "Identity")]
    pub(crate) vantage: Option<String>,

    /// Domains, addresses and prefixes never to be probed, one a line.
    #[arg(long, value_name = "FILE", help_heading = "What may be probed")]
    pub(crate) opt_out: Option<PathBuf>,
    /// A range to probe although it is not globally routable, such as 127.0.0.0/8 for the lab; repeatable.
    #[arg(long, value_name = "CIDR", help_heading = "What may be probed")]
    pub(crate) allow_net: Vec<IpNet>,

    /// A resolver to ask; repeatable. Default: the system's.
    #[arg(long, value_name = "ADDR[:PORT]", value_parser = resolver, help_heading = "Network")]
    pub(crate) resolver: Vec<SocketAddr>,
    /// Believe the AD bit of resolvers that are not on this machine: the way to them cannot be tampered with. Without
    /// validating resolvers that may be believed DANE is `unknown`.
    #[arg(long, help_heading = "Network")]
    pub(crate) trust_ad: bool,
    /// Port for policies.
    #[arg(long, value_name = "PORT", default_value_t = 443, help_heading = "Network")]
    pub(crate) https_port: u16,
    /// Port for mail hosts.
    #[arg(long, value_name = "PORT", default_value_t = 25, help_heading = "Network")]
    pub(crate) smtp_port: u16,

    /// Wait for an answer to a DNS query, seconds, or with a unit: 500ms, 5s, 2m.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "3s", help_heading = "Patience")]
    pub(crate) dns_timeout: Duration,
    /// Ask again so often when no answer comes.
    #[arg(long, value_name = "N", default_value_t = 5, help_heading = "Patience")]
    pub(crate) dns_retries: u32,
    /// Wait for one TCP connection to open.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "10s", help_heading = "Patience")]
    pub(crate) connect_timeout: Duration,
    /// Total deadline of a policy fetch (RFC 8461 §3.3 suggests one minute).
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "60s", help_heading = "Patience")]
    pub(crate) policy_timeout: Duration,
    /// Total deadline of an SMTP session.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "60s", help_heading = "Patience")]
    pub(crate) smtp_timeout: Duration,

    /// Domains in flight at once.
    #[arg(long, value_name = "N", default_value = "1000", help_heading = "Pace")]
    pub(crate) concurrency: NonZeroUsize,
    /// Domains begun a second, at most: time lost is not made up for. Default: no limit.
    #[arg(long, value_name = "N", help_heading = "Pace")]
    pub(crate) rate: Option<NonZeroU32>,
    /// Connections at a time, to everybody together.
    #[arg(long, value_name = "N", default_value = "512", help_heading = "Pace")]
    pub(crate) connections: NonZeroU32,
    /// Connections beside those that have taken longer than a second: silent addresses and tarpits.
    #[arg(long, value_name = "N", default_value = "2048", help_heading = "Pace")]
    pub(crate) slow_connections: u32,
    /// Connections to one address at a time.
    #[arg(long, value_name = "N", default_value = "4", help_heading = "Pace")]
    pub(crate) address_connections: NonZeroU32,
    /// Connections begun to one address a second, or `none` for no limit.
    #[arg(long, value_name = "N", default_value = "10", help_heading = "Pace")]
    pub(crate) address_rate: Rate,
    /// Connections to one prefix (/24, /48) at a time.
    #[arg(long, value_name = "N", default_value = "32", help_heading = "Pace")]
    pub(crate) prefix_connections: NonZeroU32,
    /// Connections begun to one prefix (/24, /48) a second, or `none` for no limit.
    #[arg(long, value_name = "N", default_value = "100", help_heading = "Pace")]
    pub(crate) prefix_rate: Rate,
    /// Connections to one operator at a time: the registrable domain of an MX host, or of what a name is an alias of.
    #[arg(long, value_name = "N", default_value = "64", help_heading = "Pace")]
    pub(crate) operator_connections: NonZeroU32,
    /// Connections begun to one operator a second, or `none` for no limit.
    #[arg(long, value_name = "N", default_value = "100", help_heading = "Pace")]
    pub(crate) operator_rate: Rate,

    /// Roots to trust beside the built-in ones when certificates are judged; repeatable.
    #[arg(long, value_name = "FILE.pem", help_heading = "Judgement")]
    pub(crate) trust_roots: Vec<PathBuf>,
    /// Seed of every random choice that the evidence can show: the order of the input within a `--window`.
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Judgement")]
    pub(crate) seed: u64,
}

/// Roots to trust, as a run's manifest remembers them, so that it can be judged without their file.
#[derive(Debug, Serialize)]
struct TrustRoots {
    /// The file they were in.
    name: String,
    /// What it said.
    pem: String,
}

impl ProbeFlags {
    /// What a scan of `inputs` into `out` by these flags is made from. Files they name are read, except for the
    /// opt-out list. Refuses when nobody says who asks.
    pub(crate) fn config(&self, inputs: Vec<Input>, out: PathBuf) -> Result<ScanConfig, Failure> {
        let (ehlo_name, contact) = self.identity()?;
        let trust_roots = self.trust_roots.iter().map(trust_roots).collect::<Result<Vec<_>, _>>()?;
        Ok(ScanConfig {
            resolvers: self.resolver.clone(),
            trust_ad: self.trust_ad,
            concurrency: self.concurrency.get(),
            rate: self.rate,
            pacing: self.pacing(),
            https_port: self.https_port,
            smtp_port: self.smtp_port,
            connect_timeout: self.connect_timeout,
            policy_timeout: self.policy_timeout,
            smtp_timeout: self.smtp_timeout,
            dns_timeout: self.dns_timeout,
            dns_retries: self.dns_retries,
            allow_nets: self.allow_net.clone(),
            opt_out: self.opt_out.clone(),
            seed: self.seed,
            vantage: self.vantage.clone(),
            extra: serde_json::json!({ "trust_roots": trust_roots }),
            ..ScanConfig::new(inputs, out, ehlo_name, contact)
        })
    }

    fn pacing(&self) -> PacingLimits {
        PacingLimits {
            connections_max: self.connections.get(),
            slow_connections_max: self.slow_connections,
            address_connections_max: self.address_connections.get(),
            address_rate: self.address_rate.0,
            prefix_connections_max: self.prefix_connections.get(),
            prefix_rate: self.prefix_rate.0,
            operator_connections_max: self.operator_connections.get(),
            operator_rate: self.operator_rate.0,
            domain_rate: None,
        }
    }

    /// Who asks: a name for EHLO, and a contact.
    fn identity(&self) -> Result<(&str, &str), Failure> {
        let said =
            |flag: &Option<String>| flag.as_deref().map(str::trim).is_some_and(|word| !word.is_empty());
        let missing = match (said(&self.ehlo_name), said(&self.contact)) {
            (true, true) => {
                return Ok((
                    self.ehlo_name.as_deref().unwrap_or_default(),
                    self.contact.as_deref().unwrap_or_default(),
                ));
            }
            (false, true) => "--ehlo-name, a name that resolves to this machine",
            (true, false) => "--contact, a mail address or page where you can be reached",
            (false, false) => {
                "--ehlo-name, a name that resolves to this machine, and --contact, a mail address or page where you \
                 can be reached"
            }
        };
        Err(Failure::refused(format!("those who are probed can see who asks: give {missing}")))
    }
}

/// The roots in a file, held to be certificates before a long scan begins.
fn trust_roots(path: &PathBuf) -> Result<TrustRoots, Failure> {
    let doing = || format!("reading the trust roots {}", path.display());
    let pem = std::fs::read_to_string(path).refused(doing)?;
    let roots: Vec<_> =
        CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().refused(doing)?;
    if roots.is_empty() {
        return Err(Failure::refused(format!("{} holds no certificate in PEM", path.display())));
    }
    Ok(TrustRoots { name: path.display().to_string(), pem })
}

/// So many a second, or without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate(pub(crate) Option<NonZeroU32>);

impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self(None)),
            number => number
                .parse()
                .map(|rate| Self(Some(rate)))
                .map_err(|_| "a number above 0, or `none`, is wanted"),
        }
    }
}

/// An address, with or without a port.
fn resolver(text: &str) -> Result<SocketAddr, String> {
    let told = || "an address such as 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:53 is wanted".to_owned();
    text.parse()
        .or_else(|_| text.trim_matches(['[', ']']).parse().map(|ip: IpAddr| SocketAddr::new(ip, DNS_PORT)))
        .map_err(|_| told())
}

/// Seconds, or a number with its unit. Nothing is waited for without end, and nothing for no time.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    time_to(text, TIME_MAX_SECONDS).ok_or_else(|| {
        "a time such as 30, 30s, 500ms or 2m is wanted, above nothing and at most a day".to_owned()
    })
}

/// The time that a whole scan may take: to a year.
pub(crate) fn long_time(text: &str) -> Result<Duration, String> {
    time_to(text, LONG_TIME_MAX_SECONDS).ok_or_else(|| {
        "a time such as 90s, 30m, 12h or 7d is wanted, above nothing and at most 365d".to_owned()
    })
}

fn time_to(text: &str, seconds_max: f64) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = match unit {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    let seconds = number.parse::<f64>().ok()? * scale;
    (TIME_MIN_SECONDS..=seconds_max).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

const TIME_MIN_SECONDS: f64 = 0.001;
const TIME_MAX_SECONDS: f64 = 86_400.0;
const LONG_TIME_MAX_SECONDS: f64 = 365.0 * 86_400.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolver_without_a_port_is_asked_at_53() {
        assert_eq!(resolver("192.0.2.1"), Ok("192.0.2.1:53".parse().unwrap()));
        assert_eq!(resolver("192.0.2.1:5300"), Ok("192.0.2.1:5300".parse().unwrap()));
        assert_eq!(resolver("2001:db8::1"), Ok("[2001:db8::1]:53".parse().unwrap()));
        assert_eq!(resolver("[2001:db8::1]:5300"), Ok("[2001:db8::1]:5300".parse().unwrap()));
        assert!(resolver("dns.example").is_err());
    }

    #[test]
    fn a_time_has_a_unit_or_means_seconds() {
        assert_eq!(time("30"), Ok(Duration::from_secs(30)));
        assert_eq!(time("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(time("2m"), Ok(Duration::from_mins(2)));
        for wrong in ["", "s", "-1", "0", "1 s", "1x", "inf", "NaN", "1e9", "25h"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
        assert_eq!(long_time("7d"), Ok(Duration::from_hours(7 * 24)));
        assert!(long_time("366d").is_err() && long_time("0").is_err());
    }
}
