//! Opening a TCP connection, and how much is read from it.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use mxray_evidence::{Cause, Ending, Stage};
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
            Ok(Wire { stream, bytes_left: BYTES_A_CONNECTION_MAX, unsent: Vec::new(), is_held: false })
        }
        Some(Err(error)) => Err(ending::of_io(Stage::Connect, &error)),
        None => Err(Ending::stopped(Stage::Connect, Cause::Timeout)),
    }
}

/// A connection that gives [`BYTES_A_CONNECTION_MAX`] bytes and no more: what would be read beyond them is an error of the
/// kind `FileTooLarge`.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    bytes_left: usize,
    /// What was written and has not left yet.
    unsent: Vec<u8>,
    /// Whether what is written waits until something is to be read.
    is_held: bool,
}

impl Wire {
    /// From now on, what is written leaves in one piece when something is to be read.
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

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(context, &self.unsent))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.drain(..sent);
        }
        Poll::Ready(Ok(()))
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
            let _: Poll<()> = self.poll_send(context)?;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
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
        if !self.is_held && self.unsent.is_empty() {
            return Pin::new(&mut self.stream).poll_write(context, bytes);
        }
        if self.unsent.len() >= UNSENT_BYTES_MAX {
            ready!(self.poll_send(context))?;
        }
        self.unsent.extend_from_slice(bytes);
        if !self.is_held {
            // What does not leave yet does so with a flush.
            let _: Poll<()> = self.poll_send(context)?;
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_held {
            return Poll::Ready(Ok(()));
        }
        self.poll_send(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The end itself comes with the drop.
        self.poll_send(context)
    }
}
