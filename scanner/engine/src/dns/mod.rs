//! DNS, asked of recursive resolvers, for everything that mail transport security publishes there.
//!
//! DNS is the bulk of a census, so a query costs no socket: each resolver has a few connected UDP sockets, shared
//! by all who ask, and a reply finds its asker by id and question. Questions of one thing are asked together, and those
//! of many things leave and come back in batches. A stub asks; recursion and DNSSEC validation are the resolver's.

mod answer;
mod asking;
mod channel;
mod datagrams;
mod edns;
mod group;
mod health;
mod name;
mod question;
mod record;
mod tcp;
mod upstream;
mod waiting;

use std::hash::RandomState;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use std::vec;

use mxray_evidence::{
    AddressRecord, Ending, Lookup, Micros, MxRecord, NsRecord, OwnCause, Stage, Text, TlsaRecord, TxtRecord,
};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::clock;
use crate::descriptors::RESOLVER_CONNECTIONS_MAX;
use crate::stalls::Stalls;
use answer::Answer;
use asking::Asked;
use group::Group;
use health::Health;
use question::{Kind, Question};
pub use record::FromRecord;
use upstream::{Ledger, Upstream};

/// After so many queries a socket is replaced by one with another source port.
const QUERIES_A_CHANNEL_MAX: u32 = 50_000;

/// Whom to ask, and how patiently.
#[derive(Debug, Clone)]
pub struct DnsSettings {
    /// The resolvers, `address:port`; each lookup begins at another.
    pub resolvers: Vec<SocketAddr>,
    /// How long one query waits for its reply.
    pub timeout: Duration,
    /// How often a query that went unanswered is sent again, each time to the next resolver.
    pub retries: u32,
    /// Whether they showed that they validate, and are believed.
    pub validating: bool,
}

/// A stub resolver. Clones share its sockets.
#[derive(Clone)]
pub struct Resolver {
    inner: Arc<Inner>,
}

struct Inner {
    upstreams: Vec<Upstream>,
    timeout: Duration,
    retries: u32,
    validating: bool,
    turn: AtomicUsize,
    ids: RandomState,
    connections: Arc<Semaphore>,
    strays: Arc<AtomicU64>,
    health: Arc<Health>,
    stalls: Arc<Stalls>,
}

/// What a domain's row asks.
pub struct DomainLookups {
    /// `MX` at the domain (RFC 5321 §5.1).
    pub mx: Lookup<MxRecord>,
    /// `NS` at the domain.
    pub ns: Lookup<NsRecord>,
    /// `TXT` at `_mta-sts.<domain>` (RFC 8461 §3.1).
    pub sts_txt: Lookup<TxtRecord>,
    /// `TXT` at `_smtp._tls.<domain>` (RFC 8460 §3).
    pub tlsrpt_txt: Lookup<TxtRecord>,
}

impl Resolver {
    /// Opens the sockets and begins to listen, on the current tokio runtime.
    ///
    /// # Errors
    /// No resolver was named, or a socket could not be opened.
    pub fn new(settings: DnsSettings) -> io::Result<Self> {
        if settings.resolvers.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no resolver to ask"));
        }
        let strays = Arc::new(AtomicU64::new(0));
        let health = Arc::new(Health::new(settings.resolvers.len(), settings.timeout));
        let open = |(number, address)| {
            let ledger = Ledger { strays: Arc::clone(&strays), health: Arc::clone(&health), number };
            Upstream::open(address, ledger, QUERIES_A_CHANNEL_MAX)
        };
        let upstreams = settings.resolvers.into_iter().enumerate().map(open).collect::<io::Result<_>>()?;
        let inner = Inner {
            upstreams,
            timeout: settings.timeout,
            retries: settings.retries,
            validating: settings.validating,
            turn: AtomicUsize::new(0),
            ids: RandomState::new(),
            connections: Arc::new(Semaphore::new(RESOLVER_CONNECTIONS_MAX as usize)),
            strays,
            health,
            stalls: Stalls::watch(),
        };
        let inner = Arc::new(inner);
        tokio::spawn(call_back(Arc::downgrade(&inner)));
        Ok(Self { inner })
    }

    /// When this machine stood still while it was asked.
    pub(crate) fn stalls(&self) -> &Arc<Stalls> {
        &self.inner.stalls
    }

    /// Whether no resolver answers any more, so that lookups wait for one to come back.
    pub fn is_lost(&self) -> bool {
        self.inner.health.is_lost()
    }

    /// From now on no lookup waits for a resolver that is lost: the scan is to end.
    pub(crate) fn hurry(&self) {
        self.inner.health.hurry();
    }

    /// The four lookups of a domain, asked together.
    pub async fn domain(&self, domain: &str) -> DomainLookups {
        let mut asked = self
            .ask([
                (domain.into(), Kind::MX),
                (domain.into(), Kind::NS),
                (below("_mta-sts.", domain), Kind::TXT),
                (below("_smtp._tls.", domain), Kind::TXT),
            ])
            .await;
        DomainLookups {
            mx: asked.next_lookup(),
            ns: asked.next_lookup(),
            sts_txt: asked.next_lookup(),
            tlsrpt_txt: asked.next_lookup(),
        }
    }

    /// `A` and `AAAA` at a name, asked together.
    pub async fn addresses(&self, name: &str) -> (Lookup<AddressRecord>, Lookup<AddressRecord>) {
        let mut asked = self.ask([(name.into(), Kind::A), (name.into(), Kind::AAAA)]).await;
        (asked.next_lookup(), asked.next_lookup())
    }

    /// `MX` at a name (RFC 5321 §5.1).
    pub async fn mx(&self, name: &str) -> Lookup<MxRecord> {
        self.one(name, Kind::MX).await
    }

    /// `NS` at a name.
    pub async fn ns(&self, name: &str) -> Lookup<NsRecord> {
        self.one(name, Kind::NS).await
    }

    /// `TXT` at a name.
    pub async fn txt(&self, name: &str) -> Lookup<TxtRecord> {
        self.one(name, Kind::TXT).await
    }

    /// `A` at a name.
    pub async fn a(&self, name: &str) -> Lookup<AddressRecord> {
        self.one(name, Kind::A).await
    }

    /// `AAAA` at a name.
    pub async fn aaaa(&self, name: &str) -> Lookup<AddressRecord> {
        self.one(name, Kind::AAAA).await
    }

    /// `TLSA` at a name (RFC 6698 §3).
    pub async fn tlsa(&self, name: &str) -> Lookup<TlsaRecord> {
        self.one(name, Kind::TLSA).await
    }

    /// Has no more than so many connections at a time, for truncated answers, before the first is opened.
    pub(crate) fn limit_connections(&self, connections_max: u32) {
        let surplus = RESOLVER_CONNECTIONS_MAX.saturating_sub(connections_max);
        self.inner.connections.forget_permits(surplus as usize);
    }

    /// Datagrams that answered no open question: late, or forged.
    pub fn strays(&self) -> u64 {
        self.inner.strays.load(Ordering::Relaxed)
    }

    async fn one<R: FromRecord>(&self, name: &str, kind: Kind) -> Lookup<R> {
        self.ask([(name.into(), kind)]).await.next_lookup()
    }

    /// Asks questions together, and waits for what comes of each.
    async fn ask<const N: usize>(&self, wanted: [(Text, Kind); N]) -> Answered<'_> {
        let (inner, started, begin) = (&*self.inner, clock::now(), Instant::now());
        Answered { inner, started, begin, asked: inner.ask(wanted).await.into_iter() }
    }
}

/// A name below another.
fn below(label: &'static str, name: &str) -> Text {
    let mut below = Text::with_capacity(label.len() + name.len());
    below.push_str(label);
    below.push_str(name);
    below
}

/// What came of questions that were asked together.
struct Answered<'a> {
    inner: &'a Inner,
    started: Micros,
    begin: Instant,
    asked: vec::IntoIter<Asked>,
}

impl Answered<'_> {
    /// Writes the next of them down, in the order in which they were asked.
    fn next_lookup<R: FromRecord>(&mut self) -> Lookup<R> {
        let asked = self.asked.next().expect("each question has its outcome");
        let Asked { name, kind, upstream, queries, tcp, answer, unchecked_rcode, unchecked_errors, .. } =
            asked;
        let mut lookup = Lookup {
            name,
            started: self.started,
            elapsed_us: asked.ended.saturating_duration_since(self.begin).as_micros() as u64,
            resolver: upstream.map(|upstream| self.inner.upstreams[upstream].name.clone()),
            queries,
            tcp,
            rcode: None,
            unchecked_rcode,
            authenticated: None,
            extended_errors: unchecked_errors,
            security: None,
            cnames: Vec::new(),
            records: Vec::new(),
            ending: asked.ending,
        };
        if let Some(answer) = answer {
            fill(&mut lookup, answer, kind);
            lookup.security = lookup.security_by(self.inner.validating);
        }
        lookup
    }
}

/// Writes down what an answer says.
fn fill<R: FromRecord>(lookup: &mut Lookup<R>, answer: Answer, kind: Kind) {
    let selected = answer.select(kind);
    lookup.rcode = Some(answer.rcode);
    lookup.authenticated = Some(answer.authenticated);
    lookup.cnames = selected.cnames;
    lookup.records = selected.records;
    lookup.extended_errors.splice(0..0, answer.errors);
    if selected.over_limit && lookup.ending.is_completed() {
        lookup.ending = Ending::withheld(Stage::Dns, OwnCause::Limit);
    }
}

/// What a message says of the records of a type (IANA's number) at a name; `None` where it answers another question.
pub fn read_reply<R: FromRecord>(message: &[u8], name: &str, kind: u16) -> Option<Lookup<R>> {
    let kind = Kind(kind);
    let question = Question::new(name, kind).ok()?;
    if !question::answers(message, question.section()) {
        return None;
    }
    let answer = Answer::read(message.into(), question.section().len());
    let mut lookup = withheld_lookup(name, OwnCause::NotAsked);
    lookup.ending = answer.ending();
    fill(&mut lookup, answer, kind);
    Some(lookup)
}

/// A lookup that was never made, for a reason of ours.
pub fn withheld_lookup<R>(name: &str, cause: OwnCause) -> Lookup<R> {
    Lookup {
        name: name.into(),
        started: clock::now(),
        elapsed_us: 0,
        resolver: None,
        queries: 0,
        tcp: false,
        rcode: None,
        unchecked_rcode: None,
        authenticated: None,
        extended_errors: Vec::new(),
        security: None,
        cnames: Vec::new(),
        records: Vec::new(),
        ending: Ending::withheld(Stage::Dns, cause),
    }
}

/// Asks resolvers that are out whether they are back, for as long as anybody may ask them anything. Any answer will do.
async fn call_back(inner: Weak<Inner>) {
    loop {
        tokio::time::sleep(health::PROBE_EVERY).await;
        let Some(inner) = inner.upgrade() else { return };
        for (number, upstream) in inner.upstreams.iter().enumerate() {
            let Ok(root) = Question::new(".", Kind::NS) else { return };
            if inner.health.is_out(number) {
                let group = Group::new([root].into_iter().collect());
                upstream.ask(&group, health::PROBE_EVERY);
                drop(group.outcomes().await);
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for upstream in &self.upstreams {
            upstream.retire();
        }
    }
}
