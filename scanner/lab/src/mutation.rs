//! Good replies, spoilt on their way out: for fuzzing whoever reads them through real sockets.
//!
//! What is spoilt, and how, is decided by the mutation's seed and by whom is asked what, so that a seed can be played again.
//! A datagram is spoilt as a whole; of a connection either the bytes on the wire (records of TLS, or SMTP in the clear) or
//! those inside TLS are.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::chance::{Chance, Draw, Stream};

/// How much is spoilt, and by which seed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mutation {
    /// Decides what is spoilt and how.
    pub seed: u64,
    /// The share of DNS replies that are spoilt.
    pub replies: f64,
    /// The share of connections that are spoilt.
    pub connections: f64,
}

/// What was spoilt so far.
#[derive(Debug, Default)]
pub(crate) struct Spoilt {
    replies: AtomicU64,
    connections: AtomicU64,
}

/// Spoils what servers say; without a mutation, nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spoiler {
    mutation: Option<Mutation>,
    spoilt: Arc<Spoilt>,
}

/// Which bytes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    Wire,
    InsideTls,
}

/// Where in a connection something is done, at most; most often early.
const REACH_BITS: u64 = 13;
/// Things done to one reply or connection, at most.
const EDITS_MAX: u64 = 4;
/// Bytes put in, taken out or said twice, at most.
const RUN_BYTES_MAX: u64 = 48;
/// What readers trip over.
const AWKWARD: &[u8] = b"\0\r\n\x1b \xff\x7f\x80-:;,=\"\\.";

/// One thing done.
#[derive(Debug, Clone, Copy)]
enum Edit {
    Flip(u8),
    Set(u8),
    Insert(u8, u8),
    Delete(u8),
    Twice(u8),
    /// Nothing more is said, and the connection stands.
    Stall,
    /// Nothing more is said, and it is closed.
    Close,
}

impl Edit {
    fn drawn(draw: Draw) -> Self {
        let run = (1 + draw.next(1).below(RUN_BYTES_MAX)) as u8;
        let byte =
            if draw.next(2).hits(0.5) { *draw.next(3).pick(AWKWARD) } else { draw.next(3).below(256) as u8 };
        match draw.below(16) {
            0..=4 => Self::Flip(1 << draw.next(1).below(8)),
            5..=8 => Self::Set(byte),
            9 | 10 => Self::Insert(byte, run),
            11 | 12 => Self::Delete(run),
            13 => Self::Twice(run),
            14 => Self::Close,
            _ => Self::Stall,
        }
    }
}

impl Spoiler {
    pub(crate) fn new(mutation: Option<Mutation>) -> Self {
        Self { mutation, spoilt: Arc::default() }
    }

    /// Replies and connections that were spoilt.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.spoilt.replies), read(&self.spoilt.connections))
    }

    /// Spoils a reply to a question; `false` where it is to be lost.
    pub(crate) fn reply(&self, name: &str, kind: u16, reply: &mut Vec<u8>) -> bool {
        // A scanner asks for the root to see whether there is a resolver at all.
        let Some(draw) =
            self.drawn(&format!("{kind} {name}"), |mutation| mutation.replies).filter(|_| !name.is_empty())
        else {
            return true;
        };
        self.spoilt.replies.fetch_add(1, Ordering::Relaxed);
        for edit in 0..=draw.next(1).below(EDITS_MAX) {
            let draw = draw.next(10 + edit);
            let at = draw.next(4).below(reply.len().max(1) as u64) as usize;
            match Edit::drawn(draw) {
                Edit::Flip(_) | Edit::Set(_) if reply.is_empty() => {}
                Edit::Flip(bit) => reply[at] ^= bit,
                Edit::Set(byte) => reply[at] = byte,
                Edit::Insert(byte, run) => drop(reply.splice(at..at, vec![byte; run.into()])),
                Edit::Delete(run) => drop(reply.drain(at..reply.len().min(at + usize::from(run)))),
                Edit::Twice(run) => {
                    let part = reply[at..reply.len().min(at + usize::from(run))].to_vec();
                    drop(reply.splice(at..at, part));
                }
                Edit::Close => reply.truncate(at),
                Edit::Stall => return false,
            }
        }
        true
    }

    /// A connection, one layer of which is spoilt or not: as was drawn for `key`.
    pub(crate) fn stream<S>(&self, stream: S, key: &str, layer: Layer) -> Mutated<S> {
        let draw = self
            .drawn(key, |mutation| mutation.connections)
            .filter(|draw| layer == if draw.next(1).hits(0.5) { Layer::Wire } else { Layer::InsideTls });
        let mut edits = Vec::new();
        if let Some(draw) = draw {
            self.spoilt.connections.fetch_add(1, Ordering::Relaxed);
            for edit in 0..=draw.next(2).below(EDITS_MAX) {
                let draw = draw.next(20 + edit);
                // As many before the hundredth byte as between it and the thousandth, about.
                let reach = 1 << (3 + draw.next(5).below(REACH_BITS - 2));
                edits.push((draw.next(6).below(reach), Edit::drawn(draw)));
            }
            // The last is the next.
            edits.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        }
        Mutated { stream, edits, taken: 0, pending: Vec::new(), end: None }
    }

    fn drawn(&self, key: &str, share: impl Fn(Mutation) -> f64) -> Option<Draw> {
        let mutation = self.mutation?;
        let draw = Chance::new(mutation.seed).draw_text(Stream::Mutation, key.as_bytes());
        draw.hits(share(mutation)).then(|| draw.next(7))
    }
}

/// A stream whose written bytes are spoilt.
#[derive(Debug)]
pub(crate) struct Mutated<S> {
    stream: S,
    /// What is still to be done, by the offset of the bytes written, the next one last.
    edits: Vec<(u64, Edit)>,
    /// Bytes taken from whoever writes.
    taken: u64,
    pending: Vec<u8>,
    end: Option<Edit>,
}

impl<S> Mutated<S> {
    /// Takes bytes, as they are to be sent.
    fn take(&mut self, bytes: &[u8]) {
        let begin = self.pending.len();
        self.pending.extend_from_slice(bytes);
        let (first, last) = (self.taken, self.taken + bytes.len() as u64);
        self.taken = last;
        // Behind an edit that moves the rest, offsets are those of the bytes as spoilt, which is as good.
        while self.end.is_none()
            && let Some((at, edit)) = self.edits.pop_if(|(at, _)| *at < last)
        {
            let at = (begin + at.saturating_sub(first) as usize).min(self.pending.len());
            let run = |run: u8| at..(at + usize::from(run)).min(self.pending.len());
            match edit {
                Edit::Flip(bit) => self.pending.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= bit),
                Edit::Set(new) => self.pending.iter_mut().skip(at).take(1).for_each(|byte| *byte = new),
                Edit::Insert(byte, times) => {
                    drop(self.pending.splice(at..at, std::iter::repeat_n(byte, times.into())));
                }
                Edit::Delete(length) => drop(self.pending.drain(run(length))),
                Edit::Twice(length) => {
                    let part = self.pending[run(length)].to_vec();
                    drop(self.pending.splice(at..at, part));
                }
                Edit::Stall | Edit::Close => {
                    self.pending.truncate(at);
                    self.end = Some(edit);
                }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Mutated<S> {
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(context, &self.pending))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pending.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Mutated<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Mutated<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.edits.is_empty() && self.pending.is_empty() && self.end.is_none() {
            return Pin::new(&mut self.stream).poll_write(context, bytes);
        }
        ready!(self.poll_send(context))?;
        match self.end {
            Some(Edit::Close) => {
                let _ = ready!(Pin::new(&mut self.stream).poll_shutdown(context));
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            // Taken, and gone: the server believes that it was heard, and waits as the client does.
            Some(_) => return Poll::Ready(Ok(bytes.len())),
            None => {}
        }
        self.take(bytes);
        // Not all may leave at once: the rest does with whatever is next.
        if let Poll::Ready(Err(error)) = self.poll_send(context) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(context))?;
        if let Some(Edit::Close) = self.end {
            return Pin::new(&mut self.stream).poll_shutdown(context);
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(context))?;
        if let Some(Edit::Stall) = self.end {
            return Pin::new(&mut self.stream).poll_flush(context);
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const SAID: &[u8] = b"220 mx.example ESMTP\r\n250-mx.example\r\n250 STARTTLS\r\n";

    async fn heard(seed: u64, share: f64, key: &str) -> Vec<u8> {
        let (near, mut far) = tokio::io::duplex(1 << 16);
        let spoiler = Spoiler::new(Some(Mutation { seed, replies: 0.0, connections: share }));
        let mut stream = spoiler.stream(near, key, Layer::Wire);
        for chunk in SAID.chunks(7) {
            if stream.write_all(chunk).await.is_err() {
                break;
            }
        }
        let _ = stream.flush().await;
        drop(stream);
        let mut heard = Vec::new();
        far.read_to_end(&mut heard).await.unwrap();
        heard
    }

    #[tokio::test]
    async fn a_seed_spoils_the_same_each_time_and_another_otherwise() {
        let mut spoilt = 0;
        for seed in 0..64 {
            let first = heard(seed, 1.0, "a").await;
            assert_eq!(first, heard(seed, 1.0, "a").await);
            spoilt += u32::from(first != SAID);
        }
        assert!(spoilt > 10, "{spoilt}");
        assert_eq!(heard(1, 0.0, "a").await, SAID);
    }

    #[test]
    fn replies_are_spoilt_and_the_root_is_not() {
        let spoiler = Spoiler::new(Some(Mutation { seed: 3, replies: 1.0, connections: 0.0 }));
        let mut spoilt = 0;
        for n in 0..200 {
            let mut reply = vec![7; 64];
            let is_sent = spoiler.reply(&format!("d{n}.example"), 15, &mut reply);
            spoilt += u32::from(!is_sent || reply != [7; 64]);
        }
        assert!(spoilt > 150, "{spoilt}");
        let mut root = vec![7; 64];
        assert!(spoiler.reply("", 2, &mut root) && root == [7; 64]);
        assert_eq!(spoiler.counts(), (200, 0));
    }
}
