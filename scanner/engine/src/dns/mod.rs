//! DNS, asked of recursive resolvers, for everything that mail transport security publishes there.
//!
//! DNS is the bulk of a census, so a query costs no socket: each resolver has a few connected UDP sockets, shared
//! by all who ask, and a reply finds its asker by id and question. A stub asks; recursion and DNSSEC validation
//! are the resolver's.

mod answer;
mod channel;
mod edns;
mod health;
mod name;
mod question;
mod tcp;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use hickory_proto::rr::RecordType;
use mxray_evidence::{
    AddressRecord, Cause, Ending, ExtendedError, Lookup, MxRecord, NsRecord, OwnCause, Stage, TlsaRecord,
    TxtRecord,
};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::clock;
use crate::descriptors::RESOLVER_CONNECTIONS_MAX;
use answer::Answer;
pub use answer::FromRecord;
use channel::Channel;
use health::Health;
use question::Question;

/// Sockets to each resolver: as many source ports to guess, and as many receive buffers.
const CHANNELS_A_RESOLVER: usize = 4;
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
    connections: Semaphore,
    strays: Arc<AtomicU64>,
    health: Health,
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
        let upstreams = settings
            .resolvers
            .into_iter()
            .map(|address| Upstream::open(address, &strays, QUERIES_A_CHANNEL_MAX))
            .collect::<io::Result<Vec<_>>>()?;
        let inner = Inner {
            health: Health::new(upstreams.len(), settings.timeout),
            upstreams,
            timeout: settings.timeout,
            retries: settings.retries,
            validating: settings.validating,
            turn: AtomicUsize::new(0),
            ids: RandomState::new(),
            connections: Semaphore::new(RESOLVER_CONNECTIONS_MAX as usize),
            strays,
        };
        let inner = Arc::new(inner);
        tokio::spawn(call_back(Arc::downgrade(&inner)));
        Ok(Self { inner })
    }

    /// Whether no resolver answers any more, so that lookups wait for one to come back.
    pub fn is_lost(&self) -> bool {
        self.inner.health.is_lost()
    }

    /// From now on no lookup waits for a resolver that is lost: the scan is to end.
    pub(crate) fn hurry(&self) {
        self.inner.health.hurry();
    }

    /// `MX` at a name (RFC 5321 §5.1).
    pub async fn mx(&self, name: &str) -> Lookup<MxRecord> {
        self.lookup(name, RecordType::MX).await
    }

    /// `NS` at a name.
    pub async fn ns(&self, name: &str) -> Lookup<NsRecord> {
        self.lookup(name, RecordType::NS).await
    }

    /// `TXT` at a name.
    pub async fn txt(&self, name: &str) -> Lookup<TxtRecord> {
        self.lookup(name, RecordType::TXT).await
    }

    /// `A` at a name.
    pub async fn a(&self, name: &str) -> Lookup<AddressRecord> {
        self.lookup(name, RecordType::A).await
    }

    /// `AAAA` at a name.
    pub async fn aaaa(&self, name: &str) -> Lookup<AddressRecord> {
        self.lookup(name, RecordType::AAAA).await
    }

    /// `TLSA` at a name (RFC 6698 §3).
    pub async fn tlsa(&self, name: &str) -> Lookup<TlsaRecord> {
        self.lookup(name, RecordType::TLSA).await
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

    async fn lookup<R: FromRecord>(&self, name: &str, kind: RecordType) -> Lookup<R> {
        let started = clock::now();
        let begin = Instant::now();
        let asked = match Question::new(name, kind) {
            Ok(question) => self.inner.ask(question).await,
            Err(why) => Asked::nothing(Ending::Withheld {
                stage: Stage::Dns,
                cause: OwnCause::NotAsked,
                detail: Some(why.to_owned()),
            }),
        };
        let elapsed_us = begin.elapsed().as_micros() as u64;
        let mut lookup = Lookup {
            name: name.to_owned(),
            started,
            elapsed_us,
            resolver: asked.resolver.map(|address| address.to_string()),
            queries: asked.queries,
            tcp: asked.tcp,
            rcode: None,
            unchecked_rcode: asked.unchecked_rcode,
            authenticated: None,
            extended_errors: asked.unchecked_errors,
            security: None,
            cnames: Vec::new(),
            records: Vec::new(),
            ending: asked.ending,
        };
        if let Some(answer) = asked.answer {
            fill(&mut lookup, answer, kind);
            lookup.security = lookup.security_by(self.inner.validating);
        }
        lookup
    }
}

/// Writes down what an answer says.
fn fill<R: FromRecord>(lookup: &mut Lookup<R>, answer: Answer, kind: RecordType) {
    let selected = answer.select(&lookup.name, kind);
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
    let kind = RecordType::from(kind);
    let question = Question::new(name, kind).ok()?;
    if !question::answers(message, question.section()) {
        return None;
    }
    let answer = Answer::read(message, question.section().len());
    let mut lookup = withheld_lookup(name, OwnCause::NotAsked);
    lookup.ending = answer.ending();
    fill(&mut lookup, answer, kind);
    Some(lookup)
}

/// A lookup that was never made, for a reason of ours.
pub fn withheld_lookup<R>(name: &str, cause: OwnCause) -> Lookup<R> {
    Lookup {
        name: name.to_owned(),
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

/// What came of asking one question, of however many resolvers.
struct Asked {
    resolver: Option<SocketAddr>,
    queries: u16,
    tcp: bool,
    answer: Option<Answer>,
    unchecked_rcode: Option<u16>,
    unchecked_errors: Vec<ExtendedError>,
    ending: Ending,
}

impl Asked {
    fn nothing(ending: Ending) -> Self {
        Self {
            resolver: None,
            queries: 0,
            tcp: false,
            answer: None,
            unchecked_rcode: None,
            unchecked_errors: Vec::new(),
            ending,
        }
    }

    fn keep(&mut self, resolver: SocketAddr, answer: Answer, tcp: bool, ending: Ending) {
        self.resolver = Some(resolver);
        self.answer = Some(answer);
        self.tcp = tcp;
        self.ending = ending;
    }

    /// A failure replaces no answer: a later silence does not unsay a SERVFAIL.
    fn fail(&mut self, ending: Ending) {
        if self.answer.is_none() {
            self.ending = ending;
        }
    }
}

impl Inner {
    /// Asks, and after a SERVFAIL once more with validation off, which tells what does not validate from what cannot be
    /// had. Of that answer only the codes are kept: its records are nobody's word.
    async fn ask(&self, mut question: Question) -> Asked {
        let mut asked = self.ask_checked(&mut question).await;
        let refuses = asked.ending.is_completed() && asked.answer.as_ref().is_some_and(Answer::is_servfail);
        let resolver = self.upstreams.iter().find(|upstream| Some(upstream.address) == asked.resolver);
        if let Some(resolver) = resolver.filter(|_| refuses) {
            question.uncheck();
            asked.queries = asked.queries.saturating_add(1);
            let section_bytes = question.section().len();
            if let Ok(message) = resolver.ask(&mut question, self.timeout).await {
                let answer = Answer::read(&message, section_bytes);
                asked.unchecked_rcode = Some(answer.rcode);
                let errors = answer.errors.into_iter();
                asked.unchecked_errors =
                    errors.map(|error| ExtendedError { unchecked: true, ..error }).collect();
            }
        }
        asked
    }

    /// Asks until there is an answer or the tries are used up. A resolver's own failure is asked of the next one,
    /// once, and then recorded.
    async fn ask_checked(&self, question: &mut Question) -> Asked {
        let mut asked = Asked::nothing(Ending::stopped(Stage::Dns, Cause::Timeout));
        let mut tries_left = self.retries.saturating_add(1);
        let mut failures_left = 1;
        let mut upstream = self.turn.fetch_add(1, Ordering::Relaxed) % self.upstreams.len();
        let lost_until = Instant::now() + health::LOST_WAIT_MAX;
        while tries_left > 0 {
            tries_left -= 1;
            upstream = self.health.choose(upstream, lost_until).await;
            let now = Instant::now();
            self.health.asked(upstream, 1);
            let resolver = self.upstreams[upstream].address;
            asked.queries = asked.queries.saturating_add(1);
            match self.upstreams[upstream].ask(question, self.timeout).await {
                Err(ending) => {
                    self.health.failed(upstream, now);
                    let refused = ending.cause() == Some(Cause::Refused);
                    asked.fail(ending);
                    if refused && tries_left > 0 && self.upstreams.len() == 1 {
                        // A resolver that restarts is refused at once; all tries at once would meet nothing else.
                        tokio::time::sleep(self.timeout / 4).await;
                    }
                }
                Ok(message) => {
                    self.health.answered(upstream);
                    let (answer, tcp, ending) =
                        self.read(resolver, question, &message, &mut asked.queries).await;
                    let retry_failure = answer.is_failure() && failures_left > 0;
                    let is_whole = ending.is_completed();
                    asked.keep(resolver, answer, tcp, ending);
                    if retry_failure {
                        failures_left -= 1;
                        tries_left = tries_left.max(1);
                    } else if is_whole {
                        return asked;
                    }
                }
            }
            upstream = (upstream + 1) % self.upstreams.len();
        }
        asked
    }

    /// Reads a reply, and asks again over TCP if it is truncated. What a truncated answer held is kept when TCP
    /// gives nothing better.
    async fn read(
        &self,
        resolver: SocketAddr,
        question: &mut Question,
        message: &[u8],
        queries: &mut u16,
    ) -> (Answer, bool, Ending) {
        let section_bytes = question.section().len();
        let mut answer = Answer::read(message, section_bytes);
        let mut tcp = false;
        if answer.truncated {
            *queries = queries.saturating_add(1);
            let id = self.ids.hash_one((&question.section(), *queries, clock::now())) as u16;
            let permit = self.connections.acquire().await;
            let reply = tcp::ask(resolver, question, id, self.timeout).await;
            drop(permit);
            match reply {
                Ok(message) => {
                    answer = Answer::read(&message, section_bytes);
                    // Nowhere is more to be had: what is here is not all, and must not be taken for it.
                    if answer.truncated {
                        answer.flaw.get_or_insert_with(|| "truncated over TCP as well".to_owned());
                    }
                }
                Err(ending) => return (answer, false, ending),
            }
            tcp = true;
        }
        let ending = answer.ending();
        (answer, tcp, ending)
    }
}

/// Asks resolvers that are out whether they are back, for as long as anybody may ask them anything.
async fn call_back(inner: Weak<Inner>) {
    loop {
        tokio::time::sleep(health::PROBE_EVERY).await;
        let Some(inner) = inner.upgrade() else { return };
        for (number, upstream) in inner.upstreams.iter().enumerate() {
            let Ok(mut root) = Question::new(".", RecordType::NS) else { return };
            if inner.health.is_out(number) && upstream.ask(&mut root, health::PROBE_EVERY).await.is_ok() {
                inner.health.answered(number);
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for upstream in &self.upstreams {
            for channel in &upstream.channels {
                channel.lock().unwrap_or_else(PoisonError::into_inner).retire();
            }
        }
    }
}

/// A resolver and our sockets to it.
struct Upstream {
    address: SocketAddr,
    channels: Vec<Mutex<Arc<Channel>>>,
    queries_a_channel_max: u32,
    turn: AtomicUsize,
    strays: Arc<AtomicU64>,
}

impl Upstream {
    fn open(address: SocketAddr, strays: &Arc<AtomicU64>, queries_a_channel_max: u32) -> io::Result<Self> {
        let channels = (0..CHANNELS_A_RESOLVER)
            .map(|_| Channel::open(address, Arc::clone(strays)).map(Mutex::new))
            .collect::<io::Result<_>>()?;
        let turn = AtomicUsize::new(0);
        Ok(Self { address, channels, queries_a_channel_max, turn, strays: Arc::clone(strays) })
    }

    async fn ask(&self, question: &mut Question, timeout: Duration) -> Result<Box<[u8]>, Ending> {
        loop {
            if let Some(reply) = self.channel().ask(question, timeout).await {
                return reply;
            }
        }
    }

    /// The next socket in turn; a worn one is replaced, unless no other is to be had.
    fn channel(&self) -> Arc<Channel> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.channels.len();
        let mut channel = self.channels[turn].lock().unwrap_or_else(PoisonError::into_inner);
        if channel.sent() >= self.queries_a_channel_max
            && let Ok(fresh) = Channel::open(self.address, Arc::clone(&self.strays))
        {
            channel.retire();
            *channel = fresh;
        }
        Arc::clone(&channel)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tokio::net::UdpSocket;

    use super::*;

    #[tokio::test]
    async fn worn_sockets_are_replaced_and_those_who_wait_at_them_are_answered() {
        const QUERIES: usize = 100;
        let server = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
        let upstream = Upstream::open(server.local_addr().unwrap(), &Arc::default(), 5).unwrap();
        let first = Arc::downgrade(&upstream.channel());
        let asking = async {
            let upstream = Arc::new(upstream);
            let mut asking = tokio::task::JoinSet::new();
            for _ in 0..QUERIES {
                let upstream = Arc::clone(&upstream);
                asking.spawn(async move {
                    let mut question = Question::new("h.example", RecordType::A).unwrap();
                    upstream.ask(&mut question, Duration::from_secs(20)).await.unwrap()
                });
            }
            asking.join_all().await.len()
        };
        // Nobody is answered before all have asked, so every retired socket has somebody who waits.
        let answering = async {
            let mut asked = Vec::new();
            let mut buffer = [0; 512];
            while asked.len() < QUERIES {
                let (length, peer) = server.recv_from(&mut buffer).await.unwrap();
                asked.push((buffer[..length].to_vec(), peer));
            }
            for (query, peer) in &mut asked {
                query[2] |= 0x80;
                server.send_to(query, *peer).await.unwrap();
            }
            asked.into_iter().map(|(_, peer)| peer.port()).collect::<HashSet<_>>()
        };
        let (answered, ports) = tokio::join!(asking, answering);
        assert_eq!((answered, ports.len()), (QUERIES, QUERIES / 5));
        while first.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
