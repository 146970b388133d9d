//! Opening a TCP connection, and how much is read from it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use mxray_evidence::{Cause, Ending, Stage};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::{Net, ending};

/// Most bytes that are read from one connection, whatever they are. Whoever reads has caps of its own for what is kept;
/// this one is for what is not: interim responses, tickets and key updates, chunks of a byte, all without end.
pub(crate) const BYTES_A_CONNECTION_MAX: usize = 1 << 20;

/// Opens a connection until `deadline`, unless the address may not be probed: nothing that a probe connects to passes by
/// here unjudged, whatever was decided when its name was resolved.
pub(crate) async fn open(net: &Net, address: SocketAddr, deadline: Instant) -> Result<Wire, Ending> {
    if let Err(cause) = net.admits(address.ip()) {
        return Err(Ending::withheld(Stage::Connect, cause));
    }
    match tokio::time::timeout_at(deadline, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => {
            // Commands are small and wait for their answers; a socket that refuses this is only slower.
            let _ = stream.set_nodelay(true);
            Ok(Wire { stream, bytes_left: BYTES_A_CONNECTION_MAX })
        }
        Ok(Err(error)) => Err(ending::of_io(Stage::Connect, &error)),
        Err(_) => Err(Ending::stopped(Stage::Connect, Cause::Timeout)),
    }
}

/// A connection that gives [`BYTES_A_CONNECTION_MAX`] bytes and no more: what would be read beyond them is an error of the
/// kind `FileTooLarge`.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    bytes_left: usize,
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
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
