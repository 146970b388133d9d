//! Opening a TCP connection, and how much is read from it.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use mxray_evidence::{Cause, Ending, Stage};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::deadline::Deadline;
use crate::{Net, ending};

/// Most bytes that are read from one connection, whatever they are. Whoever reads has caps of its own for what is kept;
/// this one is for what is not: interim responses, tickets and key updates, chunks of a byte, all without end.
pub(crate) const BYTES_A_CONNECTION_MAX: usize = 1 << 20;
/// So many bytes that are held are sent before more are taken.
const UNSENT_BYTES_MAX: usize = 16 << 10;

/// Opens a connection until `deadline`, unless the address may not be probed: nothing that a probe connects to passes by
/// here unjudged, whatever was decided when its name was resolved.
pub(crate) async fn open(net: &Net, address: SocketAddr, deadline: &mut Deadline) -> Result<Wire, Ending> {
    if let Err(cause) = net.admits(address.ip()) {
        return Err(Ending::withheld(Stage::Connect, cause));
    }
    match deadline.bound(pin!(TcpStream::connect(address))).await {
        Some(Ok(stream)) => {
            // Nagle's algorithm stays: what is said leaves in one piece and is answered, so that nothing waits for it.
            Ok(Wire::new(stream))
        }
        Some(Err(error)) => Err(ending::of_io(Stage::Connect, &error)),
        None => Err(Ending::stopped(Stage::Connect, Cause::Timeout)),
    }
}

/// A connection that gives [`BYTES_A_CONNECTION_MAX`] bytes and no more: what would be read beyond them is an error of the
/// kind `FileTooLarge`. What cannot be sent is an error of the next read, behind all that has arrived: a peer that hangs up
/// may have said why.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    bytes_left: usize,
    /// What was written and has not left yet.
    unsent: Vec<u8>,
    /// Whether what is written waits until something is to be read.
    is_held: bool,
    /// Why nothing more can be sent.
    broken: Option<io::Error>,
}

impl Wire {
    fn new(stream: TcpStream) -> Self {
        Self { stream, bytes_left: BYTES_A_CONNECTION_MAX, unsent: Vec::new(), is_held: false, broken: None }
    }

    /// From now on, what is written leaves in one piece when something is to be read, or with the end.
    pub(crate) fn hold(&mut self) {
        self.is_held = true;
    }

    /// From now on, what is written leaves at once, and with the first of it whatever is still held: the end of a handshake,
    /// which nobody answers, goes with what is said first within TLS.
    pub(crate) fn release(&mut self) {
        self.is_held = false;
    }

    /// Sends what is held as far as that goes without waiting: the last word of whoever hangs up.
    pub(crate) fn send_last(&mut self) {
        // A courtesy; nothing depends on its arrival.
        let _ = self.stream.try_write(&std::mem::take(&mut self.unsent));
    }

    /// Sends what is held; on a connection that cannot send any more there is nothing to be sent.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while !self.unsent.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(context, &self.unsent)) {
                Ok(0) => self.note_broken(io::ErrorKind::WriteZero.into()),
                // A connection waits far longer than it sends, and waits without a buffer.
                Ok(sent) if sent == self.unsent.len() => self.unsent = Vec::new(),
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(error) => self.note_broken(error),
            }
        }
        Poll::Ready(())
    }

    fn note_broken(&mut self, error: io::Error) {
        self.unsent.clear();
        self.broken = Some(error);
    }

    /// What has arrived on a connection that cannot send any more, and then why it cannot.
    fn read_rest(&mut self, error: io::Error, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        match recv(&self.stream, buffer.initialize_unfilled(), RecvFlags::DONTWAIT) {
            Ok((_, length @ 1..)) => {
                buffer.advance(length);
                self.broken = Some(error);
                Ok(())
            }
            _ => Err(error),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.bytes_left == 0 {
            return Poll::Ready(Err(io::ErrorKind::FileTooLarge.into()));
        }
        if self.is_held {
            // What does not leave yet does not keep from reading.
            let _: Poll<()> = self.poll_send(context);
        }
        let before = buffer.filled().len();
        let read = match self.broken.take() {
            Some(error) => Poll::Ready(self.read_rest(error, buffer)),
            None => Pin::new(&mut self.stream).poll_read(context, buffer),
        };
        self.bytes_left = self.bytes_left.saturating_sub(buffer.filled().len() - before);
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.unsent.len() >= UNSENT_BYTES_MAX {
            ready!(self.poll_send(context));
        }
        if self.broken.is_none() {
            self.unsent.extend_from_slice(bytes);
        }
        if !self.is_held {
            // What does not leave yet does so with a flush.
            let _: Poll<()> = self.poll_send(context);
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_held {
            return Poll::Ready(Ok(()));
        }
        self.poll_send(context).map(Ok)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The end itself comes with the drop, and what is held leaves in one piece with it.
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL | SendFlags::MORE;
        if !self.unsent.is_empty()
            && let Ok(sent) = send(&self.stream, &self.unsent, flags)
        {
            self.unsent.drain(..sent);
        }
        self.poll_send(context).map(Ok)
    }
}
