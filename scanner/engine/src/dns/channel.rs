//! One UDP socket to one resolver, and all who wait at it.
//!
//! A task a socket does the work: what is asked between two of its turns leaves together, and what came back is taken
//! together. So a query costs a share of a system call, of a waking and of a timer.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::datagrams::{self, Datagrams};
use super::group::{Failure, Group, Outcome};
use super::upstream::Ledger;
use super::waiting::{Waiter, Waiting};
use crate::ending;

/// Times that replies are taken before others get their turn.
const BATCHES_A_TURN_MAX: usize = 4;
/// What the kernel is asked to hold while we are busy; it may give less.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;
/// How late a question that is not answered may be given up.
const LATE_MAX: Duration = Duration::from_millis(10);

/// A connected socket with a source port of its own, shared by many queries.
pub(super) struct Channel {
    socket: UdpSocket,
    waiting: Mutex<Waiting>,
    asked: AtomicU32,
    retired: AtomicBool,
    /// Whether the kernel cuts apart what leaves as one piece, as far as it is known.
    is_cut: AtomicBool,
    bell: Notify,
    ledger: Ledger,
}

impl Channel {
    /// Opens a socket on a random port and begins to listen, on the current runtime.
    pub(super) fn open(resolver: SocketAddr, ledger: Ledger) -> io::Result<Arc<Self>> {
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
            asked: AtomicU32::new(0),
            retired: AtomicBool::new(false),
            is_cut: AtomicBool::new(true),
            bell: Notify::new(),
            ledger,
        });
        tokio::spawn(Arc::clone(&channel).serve());
        Ok(channel)
    }

    /// Asks a group's questions, each of which waits for its reply until `timeout` from now. `false`: the channel was
    /// closed just before.
    pub(super) fn ask(&self, group: &Arc<Group>, timeout: Duration) -> bool {
        let now = Instant::now();
        let mut waiting = self.waiting();
        if waiting.is_closed {
            return false;
        }
        if !waiting.has_room_for(group.questions.len()) {
            drop(waiting);
            for index in 0..group.questions.len() {
                settle(group, index, Err(Failure::Full), now);
            }
            return true;
        }
        let is_first = waiting.outbox.len() == 0;
        waiting.add(group, now + timeout);
        drop(waiting);
        self.asked.fetch_add(group.questions.len() as u32, Ordering::Relaxed);
        if is_first {
            self.bell.notify_one();
        }
        true
    }

    /// Questions asked so far.
    pub(super) fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Takes no more questions; closes when the last waiter has gone.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        self.bell.notify_one();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes a retired channel that nobody waits at.
    fn close_if_idle(&self) -> bool {
        if !self.retired.load(Ordering::Acquire) {
            return false;
        }
        let mut waiting = self.waiting();
        waiting.is_closed = waiting.is_empty();
        waiting.is_closed
    }

    async fn serve(self: Arc<Self>) {
        let end = End(&self);
        let (mut inbox, mut outbox) = (Datagrams::default(), Datagrams::default());
        let mut error = pin!(self.error());
        let mut alarm = pin!(tokio::time::sleep(Duration::ZERO));
        let mut is_armed = false;
        while !self.close_if_idle() {
            tokio::select! {
                ready = self.socket.readable() => if ready.is_err() { break },
                // Whoever is ready to ask asks first, and all of it leaves together.
                () = self.bell.notified() => tokio::task::yield_now().await,
                error_now = &mut error => {
                    self.fail_all(error_now.kind());
                    error.set(self.error());
                }
                () = &mut alarm, if is_armed => {
                    is_armed = false;
                    self.give_up_late();
                }
            }
            self.receive(&mut inbox);
            self.send(&mut outbox).await;
            if !is_armed && let Some(due) = self.waiting().next_due() {
                alarm.as_mut().reset(due + LATE_MAX);
                is_armed = true;
            }
        }
        drop(end);
    }

    /// Waits for what ICMP has to say about this socket. Linux reports it as an error, not as something to read.
    async fn error(&self) -> io::Error {
        let taken = self.socket.async_io(Interest::ERROR, || {
            self.socket.take_error()?.ok_or_else(|| io::Error::from(io::ErrorKind::WouldBlock))
        });
        taken.await.unwrap_or_else(|error| error)
    }

    /// Sends what has been asked since the last time.
    async fn send(&self, outbox: &mut Datagrams) {
        outbox.clear();
        std::mem::swap(outbox, &mut self.waiting().outbox);
        outbox.sort_by_length();
        let mut sent = 0;
        while sent < outbox.len() {
            let is_cut = self.is_cut.load(Ordering::Relaxed);
            match self.socket.try_io(Interest::WRITABLE, || outbox.send(sent, &self.socket, is_cut)) {
                Ok(count) => sent += count,
                Err(error) if is_cut && datagrams::is_about_cutting(&error) => {
                    self.is_cut.store(false, Ordering::Relaxed);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.socket.writable().await.is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The kernel has no memory for it now: lost, as on the way.
                Err(error) if error.raw_os_error() == Some(ending::ENOBUFS) => sent += 1,
                // ICMP about earlier queries, or this machine cannot send there at all.
                Err(error) => return self.fail_all(error.kind()),
            }
        }
    }

    /// Takes what has come, and what there is left to take is taken in the next turn.
    fn receive(&self, inbox: &mut Datagrams) {
        for _ in 0..BATCHES_A_TURN_MAX {
            let mut received = Err(io::ErrorKind::WouldBlock.into());
            let is_more = self.socket.try_io(Interest::READABLE, || {
                received = inbox.receive(&self.socket);
                match &received {
                    Ok(true) => Err(io::ErrorKind::WouldBlock.into()),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error.kind().into()),
                    _ => Ok(()),
                }
            });
            match received {
                Ok(_) => self.deliver(inbox),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => self.fail_all(error.kind()),
            }
            if is_more.is_err() {
                return;
            }
        }
    }

    /// Hands replies to whoever asked. Whatever answers no open question exactly is a stray: late, or forged.
    fn deliver(&self, inbox: &Datagrams) {
        let now = Instant::now();
        let mut strays = 0;
        let mut answered = Vec::with_capacity(inbox.len());
        let mut waiting = self.waiting();
        for message in inbox.iter() {
            match waiting.take_asker(message) {
                Some(waiter) => answered.push((waiter, message)),
                None => strays += 1,
            }
        }
        drop(waiting);
        if !answered.is_empty() {
            self.ledger.health.answered(self.ledger.number);
        }
        for (Waiter { group, index, .. }, message) in answered {
            settle(&group, index, Ok(message.into()), now);
        }
        if strays > 0 {
            self.ledger.strays.fetch_add(strays, Ordering::Relaxed);
        }
    }

    fn give_up_late(&self) {
        let now = Instant::now();
        let late = self.waiting().take_late(now);
        for Waiter { group, index, .. } in late {
            settle(&group, index, Err(Failure::Timeout), now);
        }
    }

    /// An ICMP answer names a port, not a query: it is about everything that was sent there.
    fn fail_all(&self, kind: io::ErrorKind) {
        let all = self.waiting().take_all();
        let now = Instant::now();
        for Waiter { group, index, .. } in all {
            settle(&group, index, Err(Failure::Io(kind)), now);
        }
    }
}

fn settle(group: &Group, index: usize, reply: Result<Box<[u8]>, Failure>, at: Instant) {
    if let Some(waker) = group.settle(index, Outcome { reply, at }) {
        waker.wake();
    }
}

/// Nobody waits at a channel whose task has ended, however it ended.
struct End<'a>(&'a Channel);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.waiting().is_closed = true;
        self.0.fail_all(io::ErrorKind::NotConnected);
    }
}
