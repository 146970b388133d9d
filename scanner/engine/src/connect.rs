//! Opening a TCP connection.

use std::net::SocketAddr;

use mxray_evidence::{Cause, Ending, Stage};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::ending;

/// Opens a connection until `deadline`.
pub(crate) async fn open(address: SocketAddr, deadline: Instant) -> Result<TcpStream, Ending> {
    match tokio::time::timeout_at(deadline, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => {
            // Commands are small and wait for their answers; a socket that refuses this is only slower.
            let _ = stream.set_nodelay(true);
            Ok(stream)
        }
        Ok(Err(error)) => Err(ending::of_io(Stage::Connect, &error)),
        Err(_) => Err(Ending::stopped(Stage::Connect, Cause::Timeout)),
    }
}
