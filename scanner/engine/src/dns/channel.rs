//! One UDP socket to one resolver, and all who wait at it.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mxray_evidence::{Cause, Ending, OwnCause, Stage};
use socket2::{Domain, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::{Notify, oneshot};

use super::question::{self, Question};
use crate::ending;

/// The largest reply taken over UDP; we offer 1232 bytes (EDNS), and some exceed what they are offered.
const REPLY_BYTES_MAX: usize = 4096;
/// Replies read before others get their turn.
const REPLIES_A_TURN_MAX: usize = 64;
/// What the kernel is asked to hold while we are busy; it may give less.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;
/// Half of the ids: a free one is then found in two draws.
const WAITING_MAX: usize = 1 << 15;

/// A connected socket with a source port of its own, shared by many queries.
pub(super) struct Channel {
    socket: UdpSocket,
    waiting: Mutex<Waiting>,
    /// Drawn ids are hashes of a counter under a key of this process: unforeseeable from outside, and nothing in
    /// the evidence depends on them.
    ids: RandomState,
    drawn: AtomicU64,
    sent: AtomicU32,
    retired: AtomicBool,
    changed: Notify,
    strays: Arc<AtomicU64>,
}

#[derive(Default)]
struct Waiting {
    by_id: HashMap<u16, Waiter>,
    /// Nobody listens any more.
    closed: bool,
}

type Reply = Result<Box<[u8]>, io::ErrorKind>;
type Taken<'a> = (Place<'a>, oneshot::Receiver<Reply>);

struct Waiter {
    section: Arc<[u8]>,
    reply: oneshot::Sender<Reply>,
}

impl Channel {
    /// Opens a socket on a random port and begins to listen, on the current runtime.
    pub(super) fn open(resolver: SocketAddr, strays: Arc<AtomicU64>) -> io::Result<Arc<Self>> {
        let socket = Socket::new(Domain::for_address(resolver), Type::DGRAM, None)?;
        // The kernel grants what it allows; less is slower under load, never wrong.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
        socket.set_nonblocking(true)?;
        let any = if resolver.is_ipv4() {
            IpAddr::from(Ipv4Addr::UNSPECIFIED)
        } else {
            IpAddr::from(Ipv6Addr::UNSPECIFIED)
        };
        socket.bind(&SocketAddr::new(any, 0).into())?;
        socket.connect(&resolver.into())?;
        let channel = Arc::new(Self {
            socket: UdpSocket::from_std(socket.into())?,
            waiting: Mutex::default(),
            ids: RandomState::new(),
            drawn: AtomicU64::new(0),
            sent: AtomicU32::new(0),
            retired: AtomicBool::new(false),
            changed: Notify::new(),
            strays,
        });
        tokio::spawn(Arc::clone(&channel).listen());
        Ok(channel)
    }

    /// Sends a question and waits for its reply. `None`: the channel was closed just before.
    pub(super) async fn ask(
        &self,
        question: &mut Question,
        timeout: Duration,
    ) -> Option<Result<Box<[u8]>, Ending>> {
        let (place, reply) = match self.take_place(question.section())? {
            Ok(taken) => taken,
            Err(ending) => return Some(Err(ending)),
        };
        let packet = question.packet(place.id);
        let exchange = async {
            self.send(packet).await?;
            match reply.await {
                Ok(Ok(reply)) => Ok(reply),
                Ok(Err(kind)) => Err(io::Error::from(kind)),
                Err(_) => Err(io::Error::from(io::ErrorKind::NotConnected)),
            }
        };
        Some(match tokio::time::timeout(timeout, exchange).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => Err(ending::of_io(Stage::Dns, &error)),
            Err(_) => Err(Ending::stopped(Stage::Dns, Cause::Timeout)),
        })
    }

    /// Queries sent so far.
    pub(super) fn sent(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Takes no more questions; closes when the last waiter has gone.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    async fn send(&self, packet: &[u8]) -> io::Result<()> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        match self.socket.send(packet).await {
            // The ICMP answer to an earlier query is reported in place of sending this one.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                self.socket.send(packet).await.map(drop)
            }
            sent => sent.map(drop),
        }
    }

    fn take_place(&self, section: &Arc<[u8]>) -> Option<Result<Taken<'_>, Ending>> {
        let (reply, receiver) = oneshot::channel();
        let mut waiting = self.waiting();
        if waiting.closed {
            return None;
        }
        if waiting.by_id.len() >= WAITING_MAX {
            return Some(Err(Ending::withheld(Stage::Dns, OwnCause::Limit)));
        }
        let id = loop {
            let draw = self.drawn.fetch_add(1, Ordering::Relaxed);
            let id = self.ids.hash_one(draw) as u16;
            if let Entry::Vacant(vacant) = waiting.by_id.entry(id) {
                vacant.insert(Waiter { section: Arc::clone(section), reply });
                break id;
            }
        };
        Some(Ok((Place { channel: self, id, section: Arc::clone(section) }, receiver)))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes a retired channel that nobody waits at.
    fn close_if_idle(&self) -> bool {
        let mut waiting = self.waiting();
        waiting.closed = self.retired.load(Ordering::Acquire) && waiting.by_id.is_empty();
        waiting.closed
    }

    async fn listen(self: Arc<Self>) {
        let mut buffer = vec![0; REPLY_BYTES_MAX];
        loop {
            tokio::select! {
                () = self.changed.notified() => if self.close_if_idle() { return },
                error = self.error() => self.fail_all(error.kind()),
                ready = self.socket.readable() => {
                    if ready.is_err() {
                        return;
                    }
                    for _ in 0..REPLIES_A_TURN_MAX {
                        match self.socket.try_recv(&mut buffer) {
                            Ok(length) => self.deliver(&buffer[..length]),
                            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                            Err(error) => self.fail_all(error.kind()),
                        }
                    }
                }
            }
        }
    }

    /// Waits for what ICMP has to say about this socket. Linux reports it as an error, not as something to read.
    async fn error(&self) -> io::Error {
        let taken = self.socket.async_io(Interest::ERROR, || {
            self.socket.take_error()?.ok_or_else(|| io::Error::from(io::ErrorKind::WouldBlock))
        });
        taken.await.unwrap_or_else(|error| error)
    }

    /// Hands a reply to whoever asked. Whatever answers no open question exactly is a stray: late, or forged.
    fn deliver(&self, message: &[u8]) {
        if let Some(id) = question::id(message) {
            let mut waiting = self.waiting();
            if let Entry::Occupied(entry) = waiting.by_id.entry(id)
                && question::answers(message, &entry.get().section)
            {
                let waiter = entry.remove();
                drop(waiting);
                // A waiter may just have gone.
                let _ = waiter.reply.send(Ok(message.into()));
                return;
            }
        }
        self.strays.fetch_add(1, Ordering::Relaxed);
    }

    /// An ICMP answer names a port, not a query: it is about everything that was sent there.
    fn fail_all(&self, kind: io::ErrorKind) {
        let all = std::mem::take(&mut self.waiting().by_id);
        for waiter in all.into_values() {
            let _ = waiter.reply.send(Err(kind));
        }
    }
}

/// A waiter's place, given back however the wait ends.
struct Place<'a> {
    channel: &'a Channel,
    id: u16,
    section: Arc<[u8]>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.channel.waiting();
        // After a delivery the id may already be another's.
        if let Entry::Occupied(entry) = waiting.by_id.entry(self.id)
            && Arc::ptr_eq(&entry.get().section, &self.section)
        {
            entry.remove();
        }
        let empty = waiting.by_id.is_empty();
        drop(waiting);
        if empty && self.channel.retired.load(Ordering::Acquire) {
            self.channel.changed.notify_one();
        }
    }
}
