//! What to scan, and how: everything a run is made from.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use serde::{Serialize, Serializer};

use crate::error::ScanError;
use crate::pacing::PacingLimits;
use crate::source::Input;

/// Where the system says whom to ask.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Domains in flight at most: their rows have to be held.
const CONCURRENCY_MAX: usize = 1_000_000;
/// Lines of a window at most: about 250 bytes each are held.
pub const WINDOW_LINES_MAX: usize = 1_000_000;
/// The port of DNS.
const DNS_PORT: u16 = 53;

/// Everything a run is made from. It stands whole in the run's manifest.
#[derive(Debug, Clone, Serialize)]
pub struct ScanConfig {
    /// Where the domains come from, in order.
    pub inputs: Vec<Input>,
    /// The folder of the run.
    pub out: PathBuf,
    /// The column of a table that holds the domain: a header, or a number counted from 1; `None` finds it.
    pub column: Option<String>,
    /// Whom to ask for names; empty is the system's resolvers.
    pub resolvers: Vec<SocketAddr>,
    /// The way to the resolvers cannot be tampered with, so that their AD bit may be believed (RFC 4035 §4.9.3). That of
    /// resolvers on this machine always is.
    pub trust_ad: bool,
    /// What to measure.
    pub stages: Stages,
    /// What to ask beyond that.
    pub extras: Extras,
    /// Domains whose DNS lookups are in flight at a time; also mail hosts, of their own account.
    pub concurrency: usize,
    /// Domains begun a second, at most: what a stall of this machine cost is not made up for. `None` is without limit.
    pub rate: Option<NonZeroU32>,
    /// Connections at a time: in all, to one address, to one prefix; and how often. `rate` stands above its `domain_rate`.
    pub pacing: PacingLimits,
    /// The port of policy hosts.
    pub https_port: u16,
    /// The port of MX hosts.
    pub smtp_port: u16,
    /// For opening one TCP connection.
    #[serde(serialize_with = "seconds")]
    pub connect_timeout: Duration,
    /// For a whole policy fetch.
    #[serde(serialize_with = "seconds")]
    pub policy_timeout: Duration,
    /// For a whole SMTP session.
    #[serde(serialize_with = "seconds")]
    pub smtp_timeout: Duration,
    /// For one DNS query.
    #[serde(serialize_with = "seconds")]
    pub dns_timeout: Duration,
    /// Times an unanswered query is sent again.
    pub dns_retries: u32,
    /// Ranges that are probed although they are not globally routable.
    pub allow_nets: Vec<IpNet>,
    /// The name said in `EHLO`.
    pub ehlo_name: String,
    /// Where to reach the operator: an address or a page.
    pub contact: String,
    /// A list of domains, addresses and prefixes that are left alone.
    pub opt_out: Option<PathBuf>,
    /// The seed of every random choice that can be seen in the evidence: the order of the lines within a window.
    pub seed: u64,
    /// Lines of the input that are shuffled together, at most [`WINDOW_LINES_MAX`]; 1 keeps its order.
    pub window_lines: usize,
    /// Lines of input in a chunk, at most.
    pub chunk_lines: u64,
    /// Bytes of rows that may wait to be written. When there are more, the chunk is cut short and no line is let in
    /// until some are.
    pub held_bytes_max: u64,
    /// Bytes that parked policy fetches and sessions may take. What finds no room is done at the end of the scan.
    pub parked_bytes_max: u64,
    /// MX hosts at one address that must have been shown one chain before others that it is for are not asked any more;
    /// 0 asks every one.
    pub sni_samples: u32,
    /// Sessions that are tried once more after a server said that it has no time now.
    pub refusal_retries: u16,
    /// How long such a server's address is left alone, the first time; then twice as long each time.
    #[serde(serialize_with = "seconds")]
    pub refusal_backoff: Duration,
    /// How long a policy is not fetched again whose fetch failed before a crash took its row, when the run is gone on with
    /// (RFC 8461 §3.3); zero is not at all.
    #[serde(serialize_with = "seconds")]
    pub policy_backoff: Duration,
    /// Where from: a word of the operator's.
    pub vantage: Option<String>,
    /// Go on with the run in `out` where its journal ends.
    #[serde(skip)]
    pub resume: bool,
    /// What else is to stand in the manifest: trust roots, the command line.
    pub extra: serde_json::Value,
}

/// What to measure. MX, NS and TXT lookups, and the addresses of MX hosts, always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Stages {
    /// Fetch the policy of every domain with an `_mta-sts` TXT.
    pub policy: bool,
    /// Hold a session with every MX host, at every address.
    pub smtp: bool,
}

/// What is asked only on request: it costs those who are asked, and what it finds concerns few.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Extras {
    /// Ask for records at the names where they stand by mistake: up to nine TXT queries a domain that lacks a valid
    /// record.
    pub look_aside: bool,
    /// Fetch a policy that no TXT announces: two address queries a domain, and a fetch where there is a host.
    pub fetch_without_record: bool,
    /// Offer TLS 1.1 to MX hosts whose handshake fails as old servers' do: one more session each.
    pub legacy_tls: bool,
}

impl Extras {
    /// All of it, as for a few domains.
    pub fn all() -> Self {
        Self { look_aside: true, fetch_without_record: true, legacy_tls: true }
    }
}

impl Default for Stages {
    fn default() -> Self {
        Self { policy: true, smtp: true }
    }
}

impl ScanConfig {
    /// A configuration with the defaults: what to scan, where to write it, and who asks.
    pub fn new(
        inputs: Vec<Input>,
        out: impl Into<PathBuf>,
        ehlo_name: impl Into<String>,
        contact: impl Into<String>,
    ) -> Self {
        Self {
            inputs,
            out: out.into(),
            column: None,
            resolvers: Vec::new(),
            trust_ad: false,
            stages: Stages::default(),
            extras: Extras::default(),
            concurrency: 1_000,
            rate: None,
            pacing: PacingLimits::default(),
            https_port: 443,
            smtp_port: 25,
            connect_timeout: Duration::from_secs(10),
            policy_timeout: Duration::from_mins(1),
            smtp_timeout: Duration::from_mins(1),
            dns_timeout: Duration::from_secs(3),
            dns_retries: 5,
            allow_nets: Vec::new(),
            ehlo_name: ehlo_name.into(),
            contact: contact.into(),
            opt_out: None,
            seed: 0,
            window_lines: 65_536,
            chunk_lines: 10_000,
            held_bytes_max: 256 << 20,
            parked_bytes_max: 256 << 20,
            sni_samples: 3,
            refusal_retries: 2,
            refusal_backoff: Duration::from_mins(1),
            policy_backoff: Duration::from_mins(5),
            vantage: None,
            resume: false,
            extra: serde_json::Value::Null,
        }
    }

    /// Says what cannot be, before anything is begun.
    pub(crate) fn check(&self) -> Result<(), ScanError> {
        let wrong = |message: &str| Err(ScanError::Config(message.to_owned()));
        if self.inputs.is_empty() {
            return wrong("no input is named: give a file, or - for standard input");
        }
        if self.ehlo_name.trim().is_empty() || self.contact.trim().is_empty() {
            return wrong("a scan says who asks: set an EHLO name and a contact");
        }
        if self.concurrency == 0 || self.chunk_lines == 0 {
            return wrong("the concurrency, and the lines of a chunk, must be at least 1");
        }
        if self.concurrency > CONCURRENCY_MAX {
            return wrong("the concurrency must be at most 1,000,000");
        }
        if !(1..=WINDOW_LINES_MAX).contains(&self.window_lines) {
            return wrong("the window must be of 1 to 1,000,000 lines");
        }
        Ok(())
    }

    /// What a resumed run must have in common with its beginning, so that its rows are of one kind: name and value.
    pub(crate) fn character(&self) -> Vec<(&'static str, serde_json::Value)> {
        vec![
            ("column", self.column.clone().into()),
            ("stages.policy", self.stages.policy.into()),
            ("stages.smtp", self.stages.smtp.into()),
            ("extras.look_aside", self.extras.look_aside.into()),
            ("extras.fetch_without_record", self.extras.fetch_without_record.into()),
            ("extras.legacy_tls", self.extras.legacy_tls.into()),
            ("https_port", self.https_port.into()),
            ("smtp_port", self.smtp_port.into()),
            ("sni_samples", self.sni_samples.into()),
            ("seed", self.seed.into()),
            ("window_lines", self.window_lines.into()),
        ]
    }
}

/// The resolvers that the system asks, by `/etc/resolv.conf`.
pub(crate) fn system_resolvers() -> Result<Vec<SocketAddr>, ScanError> {
    let text = std::fs::read_to_string(RESOLV_CONF)
        .map_err(|source| ScanError::folder("reading", Path::new(RESOLV_CONF), source))?;
    let resolvers = nameservers(&text);
    if resolvers.is_empty() { Err(ScanError::NoResolver) } else { Ok(resolvers) }
}

/// The `nameserver` lines of a resolv.conf (resolv.conf(5)). An address with a zone cannot be written as a socket
/// address portably, and is left out.
fn nameservers(text: &str) -> Vec<SocketAddr> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"))
        .filter_map(|rest| rest.split_whitespace().next()?.parse::<IpAddr>().ok())
        .map(|address| SocketAddr::new(address, DNS_PORT))
        .collect()
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolv_conf_5_nameserver_lines() {
        let text = "# made by hand\nsearch example\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 # second\n\
                    nameserver fe80::1%eth0\nnameserver\noptions edns0\n";
        let expect: Vec<SocketAddr> =
            ["192.0.2.1:53", "[2001:db8::1]:53"].iter().map(|a| a.parse().expect("an address")).collect();
        assert_eq!(nameservers(text), expect);
    }

    #[test]
    fn a_scan_without_identity_does_not_begin() {
        let anonymous = ScanConfig::new(vec![Input::Stdin], "run", " ", "https://example.net/scan");
        assert!(matches!(anonymous.check(), Err(ScanError::Config(_))));
        let named = ScanConfig { ehlo_name: "scan.example.net".into(), ..anonymous };
        assert!(named.check().is_ok());
        assert!(matches!(ScanConfig { chunk_lines: 0, ..named }.check(), Err(ScanError::Config(_))));
    }
}
