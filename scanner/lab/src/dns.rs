//! The name server: every name of the world, over UDP and TCP, as a recursive resolver would answer.

mod proof;
mod reply;
mod signing;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::authority::Authority;
use crate::hostile;
use crate::ledger::{Ledger, Seen};
use crate::mutation::Spoiler;
use crate::world::World;
pub(crate) use signing::Signer;

/// How a query came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// Queries noted in the ledger at a time.
const SEEN_PER_BATCH: usize = 256;
/// A TCP connection may idle for so long.
const TCP_IDLE: Duration = Duration::from_secs(20);

/// What the name server answers from.
#[derive(Clone)]
pub(crate) struct NameServer {
    pub(crate) world: Arc<World>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) signer: Arc<Signer>,
    pub(crate) spoiler: Spoiler,
}

/// Answers queries that come in on `socket` until `stop` is set and a last datagram wakes it.
pub(crate) fn serve_udp(socket: &UdpSocket, server: &NameServer, stop: &AtomicBool, ledger: Option<&Ledger>) {
    let mut query = [0; 4_096];
    let mut buffer = Vec::with_capacity(4_096);
    let mut seen = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let Ok((length, peer)) = socket.recv_from(&mut query) else { continue };
        if hostile::is_hostile(&query[..length])
            && let Some(replies) = hostile::replies(&query[..length])
        {
            for reply in replies {
                let _ = socket.send_to(&reply, peer);
            }
            continue;
        }
        let (reply, row) = server.respond(&query[..length], Transport::Udp, std::mem::take(&mut buffer));
        let spoil = |reply: &mut Vec<u8>| {
            row.as_ref().is_none_or(|row| server.spoiler.reply(&row.name, row.kind, reply))
        };
        if let Some(mut reply) = reply
            && spoil(&mut reply)
        {
            // A reply that the kernel does not take is a lost packet.
            let _ = socket.send_to(&reply, peer);
            buffer = reply;
        }
        if let (Some(ledger), Some(row)) = (ledger, row) {
            seen.push(row);
            if seen.len() >= SEEN_PER_BATCH {
                ledger.note(Seen::Dns(std::mem::take(&mut seen)));
            }
        }
    }
    if let Some(ledger) = ledger {
        ledger.note(Seen::Dns(seen));
    }
}

/// Answers the queries of one TCP connection (RFC 7766), until it is closed or idle.
pub(crate) async fn serve_tcp(mut stream: TcpStream, server: NameServer, ledger: Option<Ledger>) {
    loop {
        let query = tokio::time::timeout(TCP_IDLE, read_framed(&mut stream)).await;
        let Ok(Ok(query)) = query else { return };
        if hostile::is_hostile(&query) {
            // However long it takes: the caller ends it with the lab.
            let _ = hostile::serve_over_tcp(&mut stream, &query).await;
            return;
        }
        let (mut reply, row) = server.respond(&query, Transport::Tcp, Vec::new());
        if let (Some(said), Some(row)) = (&mut reply, &row)
            && !server.spoiler.reply(&row.name, row.kind, said)
        {
            return;
        }
        if let (Some(ledger), Some(row)) = (&ledger, row) {
            ledger.note(Seen::Dns(vec![row]));
        }
        let Some(reply) = reply else { return };
        let Ok(length) = u16::try_from(reply.len()) else { return };
        let framed = [&length.to_be_bytes(), reply.as_slice()].concat();
        match tokio::time::timeout(TCP_IDLE, stream.write_all(&framed)).await {
            Ok(Ok(())) => {}
            _ => return,
        }
    }
}

async fn read_framed(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut query = vec![0; usize::from(length)];
    stream.read_exact(&mut query).await?;
    Ok(query)
}

/// The UDP and TCP sockets of the name server, on one port of 127.0.0.1.
pub(crate) fn bind(port: u16) -> io::Result<(UdpSocket, std::net::TcpListener)> {
    const ATTEMPTS: usize = 16;
    const RECEIVE_BUFFER_BYTES: usize = 4 << 20;
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..if port == 0 { ATTEMPTS } else { 1 } {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
        socket2::SockRef::from(&udp).set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
        match std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, udp.local_addr()?.port())) {
            Ok(tcp) => {
                tcp.set_nonblocking(true)?;
                return Ok((udp, tcp));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Wakes a thread that waits in [`serve_udp`].
pub(crate) fn wake(address: SocketAddr) {
    if let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)) {
        let _ = socket.send_to(&[], address);
    }
}
