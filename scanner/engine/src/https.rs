//! The fetch of an MTA-STS policy (RFC 8461 §3.3).
//!
//! A fetch ends within one deadline, however the bytes drip; it follows no redirect; and a certificate that no
//! sender would accept does not stop it, for the text behind it is evidence as well.

mod exchange;

use std::net::{IpAddr, SocketAddr};

use mxray_evidence::{
    AddressRecord, Cause, Connect, Ending, Lookup, LookupStatus, OwnCause, PolicyRow, Stage,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::dns::withheld_lookup;
use crate::{Net, Permit, ProbeSettings, clock, connect};

/// The only protocol offered by ALPN.
const ALPN: &[u8] = b"http/1.1";

/// A policy fetch, and the certificates that its row names by their digests.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// What was observed.
    pub row: PolicyRow,
    /// DER, in the order of the chain.
    pub certificates: Vec<Vec<u8>>,
}

/// Fetches a domain's policy from `mta-sts.<domain>`: its addresses first, then one address after another until one
/// takes the connection. It waits for its turn at each, and always gives a row.
pub async fn fetch_policy(net: &Net, domain: &str) -> Fetched {
    let host = format!("mta-sts.{domain}");
    if net.opt_out.names(&host) {
        let unasked = || withheld_lookup(&host, OwnCause::OptOut);
        let mut fetched = Fetched::new(domain, &host, unasked(), unasked());
        fetched.row.ending = Ending::withheld(Stage::Dns, OwnCause::OptOut);
        return fetched;
    }
    let (a, aaaa) = tokio::join!(net.resolver.a(&host), net.resolver.aaaa(&host));
    let mut fetched = Fetched::new(domain, &host, a, aaaa);
    fetched.row.started = clock::now();
    let begin = Instant::now();
    fetched.row.ending = match fetched.connect(net).await {
        Ok(connected) => fetched.fetch(net, connected).await,
        Err(ending) => ending,
    };
    fetched.row.elapsed_us = begin.elapsed().as_micros() as u64;
    fetched
}

/// A connection, for as long as there is leave and time to use it.
struct Connected {
    stream: TcpStream,
    deadline: Instant,
    _permit: Permit,
}

impl Fetched {
    fn new(domain: &str, host: &str, a: Lookup<AddressRecord>, aaaa: Lookup<AddressRecord>) -> Self {
        let row = PolicyRow {
            domain: domain.to_owned(),
            host: host.to_owned(),
            a,
            aaaa,
            started: clock::now(),
            elapsed_us: 0,
            connects: Vec::new(),
            tls: None,
            status: None,
            headers: Vec::new(),
            body: None,
            body_truncated: false,
            ending: Ending::Completed,
        };
        Self { row, certificates: Vec::new() }
    }

    /// Tries the addresses in turn. The deadline counts from the first connection, without the waits for our own
    /// turn.
    async fn connect(&mut self, net: &Net) -> Result<Connected, Ending> {
        let mut cnames = self.row.a.cnames.iter().chain(&self.row.aaaa.cnames);
        if cnames.any(|cname| net.opt_out.names(&cname.target)) {
            return Err(Ending::withheld(Stage::Connect, OwnCause::OptOut));
        }
        let port = net.settings.https_port;
        let mut time_left = net.settings.policy_timeout;
        for address in addresses(&self.row, net.settings.addresses_max) {
            if let Err(cause) = net.gate.admit(address) {
                let ending = Ending::withheld(Stage::Connect, cause);
                self.row.connects.push(Connect { address: address.to_string(), port, elapsed_us: 0, ending });
                continue;
            }
            let permit = net.pacer.admit(address).await;
            let begin = Instant::now();
            let patience = time_left.min(net.settings.connect_timeout);
            let attempt = connect::open(SocketAddr::new(address, port), begin + patience).await;
            let elapsed = begin.elapsed();
            self.row.connects.push(Connect {
                address: address.to_string(),
                port,
                elapsed_us: elapsed.as_micros() as u64,
                ending: attempt.as_ref().err().cloned().unwrap_or(Ending::Completed),
            });
            if let Ok(stream) = attempt {
                return Ok(Connected { stream, deadline: begin + time_left, _permit: permit });
            }
            time_left = time_left.saturating_sub(elapsed);
            if time_left.is_zero() {
                break;
            }
        }
        Err(self.why_unconnected())
    }

    /// What stands for all attempts: theirs before ours, the first of each.
    fn why_unconnected(&self) -> Ending {
        let endings = || self.row.connects.iter().map(|connect| &connect.ending);
        if let Some(ending) = endings().find(|ending| !ending.is_withheld()).or_else(|| endings().next()) {
            return ending.clone();
        }
        for lookup in [&self.row.a, &self.row.aaaa] {
            match lookup.status() {
                LookupStatus::Unanswered => return lookup.ending.clone(),
                LookupStatus::Failed(code) => {
                    return Ending::stopped_with(
                        Stage::Dns,
                        Cause::Reply,
                        format_args!("response code {code}"),
                    );
                }
                LookupStatus::Found | LookupStatus::NoData | LookupStatus::NxDomain => {}
            }
        }
        Ending::stopped(Stage::Connect, Cause::NoAddress)
    }

    async fn fetch(&mut self, net: &Net, connected: Connected) -> Ending {
        let Connected { stream, deadline, _permit } = connected;
        let shaken = net.tls.handshake(stream, &self.row.host, &[ALPN], deadline).await;
        self.certificates = shaken.certificates;
        self.row.tls = shaken.observation;
        match shaken.outcome {
            Ok(stream) => exchange::get(&net.settings, stream, &mut self.row, deadline).await,
            Err(ending) => ending,
        }
    }
}

/// A policy's row, of what a stream brings in answer to the request for it.
pub async fn read_response<S>(settings: &ProbeSettings, stream: S, domain: &str) -> PolicyRow
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let unasked = || withheld_lookup(domain, OwnCause::NotAsked);
    let mut row = Fetched::new(domain, &format!("mta-sts.{domain}"), unasked(), unasked()).row;
    let deadline = Instant::now() + settings.policy_timeout;
    row.ending = exchange::get(settings, stream, &mut row, deadline).await;
    row
}

/// The addresses to try: IPv4 and IPv6 in turn, each once.
fn addresses(row: &PolicyRow, max: usize) -> Vec<IpAddr> {
    let read = |lookup: &Lookup<AddressRecord>| -> Vec<IpAddr> {
        lookup.records.iter().filter_map(|record| record.address.parse().ok()).collect()
    };
    let (v4, v6) = (read(&row.a), read(&row.aaaa));
    let mut addresses = Vec::new();
    for index in 0..v4.len().max(v6.len()) {
        for address in [v4.get(index), v6.get(index)].into_iter().flatten() {
            if addresses.len() < max && !addresses.contains(address) {
                addresses.push(*address);
            }
        }
    }
    addresses
}
