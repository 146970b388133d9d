//! The fetch of an MTA-STS policy (RFC 8461 §3.3).
//!
//! A fetch ends within one deadline, however the bytes drip; it follows no redirect; and a certificate that no
//! sender would accept does not stop it, for the text behind it is evidence as well.

mod exchange;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mxray_evidence::{
    AddressRecord, Cause, Connect, Ending, Lookup, LookupStatus, OwnCause, PolicyRow, Stage,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::connect::Wire;
use crate::deadline::Deadline;
use crate::dns::withheld_lookup;
use crate::pacing::operator_of;
use crate::{Net, ProbeSettings, clock, connect};

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
/// takes the connection. It waits for nobody's leave, and always gives a row.
pub async fn fetch_policy(net: &Net, domain: &str) -> Fetched {
    let mut fetch = PolicyFetch::resolve(net, domain).await;
    while let Some(address) = fetch.next_address(net) {
        if fetch.attempt(net, address).await {
            break;
        }
    }
    fetch.end()
}

/// A policy fetch under way: its addresses are known, and each of them may have to be waited for.
pub(crate) struct PolicyFetch {
    fetched: Fetched,
    /// Addresses that were not tried yet, the last of them next.
    untried: Vec<IpAddr>,
    /// Of the deadline, which counts the exchanges and not the waits for our own turn.
    time_left: Duration,
    /// How it ended; `None` while there are addresses to be tried.
    ending: Option<Ending>,
}

impl PolicyFetch {
    /// Asks for the addresses of `mta-sts.<domain>`.
    pub(crate) async fn resolve(net: &Net, domain: &str) -> Self {
        let host = format!("mta-sts.{domain}");
        let time_left = net.settings.policy_timeout;
        if net.opts_out(&host) {
            let unasked = || withheld_lookup(&host, OwnCause::OptOut);
            let fetched = Fetched::new(domain, &host, unasked(), unasked());
            let ending = Some(Ending::withheld(Stage::Dns, OwnCause::OptOut));
            return Self { fetched, untried: Vec::new(), time_left, ending };
        }
        let (a, aaaa) = net.resolver.addresses(&host).await;
        let fetched = Fetched::new(domain, &host, a, aaaa);
        let mut untried = addresses(&fetched.row, net.settings.addresses_max);
        untried.reverse();
        let mut fetch = Self { fetched, untried, time_left, ending: None };
        if fetch.is_left_alone(net) {
            fetch.ending = Some(Ending::withheld(Stage::Connect, OwnCause::OptOut));
        }
        fetch
    }

    /// Whether the policy host, or what it is an alias of, asked to be left alone.
    fn is_left_alone(&self, net: &Net) -> bool {
        let row = &self.fetched.row;
        let cnames = row.a.cnames.iter().chain(&row.aaaa.cnames);
        net.opts_out(&row.host) || cnames.into_iter().any(|cname| net.opts_out(&cname.target))
    }

    /// A name of whoever runs the policy host: what it is an alias of.
    pub(crate) fn operator(&self) -> Option<&str> {
        let row = &self.fetched.row;
        let cname = row.a.cnames.last().or(row.aaaa.cnames.last())?;
        operator_of(&cname.target)
    }

    /// The address to be tried next; what may not be tried is noted on the way. `None` when there is none.
    pub(crate) fn next_address(&mut self, net: &Net) -> Option<IpAddr> {
        if self.ending.is_some() || self.time_left.is_zero() {
            return None;
        }
        while let Some(address) = self.untried.pop() {
            let Err(cause) = net.admits(address) else { return Some(address) };
            self.note_connect(net, address, Duration::ZERO, Ending::withheld(Stage::Connect, cause));
        }
        None
    }

    /// Fetches from one address; `false` when it does not take the connection, and others may.
    pub(crate) async fn attempt(&mut self, net: &Net, address: IpAddr) -> bool {
        if self.turn_away(net, address) {
            return self.ending.is_some();
        }
        if self.fetched.row.connects.iter().all(|connect| connect.ending.is_withheld()) {
            self.fetched.row.started = clock::now();
        }
        let begin = Instant::now();
        let mut deadline = Deadline::new(begin + self.time_left.min(net.settings.connect_timeout));
        let place = SocketAddr::new(address, net.settings.https_port);
        let attempt = connect::open(net, place, &mut deadline).await;
        let ending = attempt.as_ref().err().cloned().unwrap_or(Ending::Completed);
        let ending = net.stalls.judge(ending, begin);
        self.note_connect(net, address, begin.elapsed(), ending);
        if let Ok(stream) = attempt {
            deadline.move_to(begin + self.time_left);
            let ending = self.fetched.fetch(net, stream, &mut deadline).await;
            self.ending = Some(net.stalls.judge(ending, begin));
        }
        let elapsed = begin.elapsed();
        self.time_left = self.time_left.saturating_sub(elapsed);
        self.fetched.row.elapsed_us += elapsed.as_micros() as u64;
        self.ending.is_some()
    }

    /// Whether the server asks to be left alone for a while (RFC 6585 §4, RFC 9110 §15.6.4).
    pub(crate) fn asks_to_wait(&self) -> bool {
        matches!(self.fetched.row.status, Some(429 | 503))
    }

    /// Why the policy is not to be fetched from this address, if it is not: what may be probed can change while it is
    /// parked.
    pub(crate) fn refusal(&self, net: &Net, address: IpAddr) -> Option<OwnCause> {
        if self.is_left_alone(net) { Some(OwnCause::OptOut) } else { net.admits(address).err() }
    }

    /// Notes that it is not fetched from this address, if it is not to be.
    pub(crate) fn turn_away(&mut self, net: &Net, address: IpAddr) -> bool {
        let Some(cause) = self.refusal(net, address) else { return false };
        let ending = Ending::withheld(Stage::Connect, cause);
        self.note_connect(net, address, Duration::ZERO, ending.clone());
        if self.is_left_alone(net) {
            self.ending = Some(ending);
        }
        true
    }

    /// What came of it.
    pub(crate) fn end(self) -> Fetched {
        let Self { mut fetched, ending, .. } = self;
        fetched.row.ending = ending.unwrap_or_else(|| fetched.why_unconnected());
        fetched
    }

    fn note_connect(&mut self, net: &Net, address: IpAddr, elapsed: Duration, ending: Ending) {
        self.fetched.row.connects.push(Connect {
            address: address.to_string(),
            port: net.settings.https_port,
            elapsed_us: elapsed.as_micros() as u64,
            ending,
        });
    }
}

impl Fetched {
    fn new(domain: &str, host: &str, a: Lookup<AddressRecord>, aaaa: Lookup<AddressRecord>) -> Self {
        let row = PolicyRow {
            domain: domain.to_owned(),
            chunk: 0,
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

    /// What stands for all attempts: a stall of ours, which may have hidden an open door; then theirs before ours, the first
    /// of each.
    fn why_unconnected(&self) -> Ending {
        let endings = || self.row.connects.iter().map(|connect| &connect.ending);
        if let Some(ending) = endings().find(|ending| ending.own_cause() == Some(OwnCause::Stalled)) {
            return ending.clone();
        }
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

    async fn fetch(&mut self, net: &Net, stream: Wire, deadline: &mut Deadline) -> Ending {
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
    let mut deadline = Deadline::new(Instant::now() + settings.policy_timeout);
    row.ending = exchange::get(settings, stream, &mut row, &mut deadline).await;
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
