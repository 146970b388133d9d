//! Sockets that stand for a whole internet: one port on every address of 127.0.0.0/8, and on nothing else.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::zone::{REFUSING, SILENT};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4_096;
/// Connections served at a time, over all addresses of a server.
pub(crate) const CONNECTIONS_MAX: usize = 8_192;

/// A port of every address in 127.0.0.0/8, with one address where it refuses and one where it is silent.
pub(crate) struct Port {
    everywhere: Socket,
    /// Listeners with a full queue, and what fills it: whoever connects waits in vain.
    _silent: Vec<(Socket, Socket)>,
    /// Bound and not listening: whoever connects is refused. `None` on a machine without `::1`.
    refusing: Option<Socket>,
}

impl Port {
    /// Takes the port, or, for 0, one that is free everywhere it is needed.
    pub(crate) fn take(port: u16) -> io::Result<Self> {
        const ATTEMPTS: usize = 16;
        let attempts = if port == 0 { ATTEMPTS } else { 1 };
        let mut taken = Self::try_take(port);
        for _ in 1..attempts {
            if taken.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse) {
                taken = Self::try_take(port);
            }
        }
        taken
    }

    fn try_take(port: u16) -> io::Result<Self> {
        // The sockets share their port with each other and with nobody else: see that it is free first.
        drop(bound(Ipv4Addr::UNSPECIFIED.into(), port, false)?);
        let everywhere = bound(Ipv4Addr::UNSPECIFIED.into(), port, true)?;
        everywhere.listen(BACKLOG)?;
        let port = local_port(&everywhere)?;
        let silent = SILENT.map(|address| silent(address, port)).into_iter().collect::<Result<_, _>>()?;
        let refusing = match bound(Ipv6Addr::from(REFUSING.octets()).into(), port, false) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            other => other.ok(),
        };
        Ok(Self { everywhere, _silent: silent, refusing })
    }

    pub(crate) fn number(&self) -> io::Result<u16> {
        local_port(&self.everywhere)
    }

    /// Whether connections to `::1` are refused by this port, rather than left to chance.
    pub(crate) fn can_refuse(&self) -> bool {
        self.refusing.is_some()
    }

    /// The listener on every address.
    pub(crate) fn listener(&self) -> io::Result<std::net::TcpListener> {
        let socket = self.everywhere.try_clone()?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    }
}

/// A listener whose queue holds one connection, and that connection: the kernel drops every further one's SYN.
fn silent(address: Ipv4Addr, port: u16) -> io::Result<(Socket, Socket)> {
    let listening = bound(address.into(), port, true)?;
    listening.listen(0)?;
    let filling = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    filling.connect(&SocketAddr::from((address, port)).into())?;
    Ok((listening, filling))
}

fn bound(address: IpAddr, port: u16, shared: bool) -> io::Result<Socket> {
    let address = SocketAddr::from((address, port));
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Nothing from outside reaches a socket that is bound to the loopback device.
    socket.bind_device(Some(b"lo"))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A lab that comes back to the ports of one just ended meets that one's last connections.
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

fn local_port(socket: &Socket) -> io::Result<u16> {
    let address = socket.local_addr()?.as_socket();
    address.map(|address| address.port()).ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

/// A signal that comes once.
pub(crate) type Stop = watch::Receiver<bool>;

/// Resolves when the signal has come, or its sender is gone.
pub(crate) async fn stopped(stop: &mut Stop) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Accepts connections until told to stop, and serves each in a task of its own, which is dropped at the stop.
/// `places` bounds the connections, and is whole again when the last of them has ended.
pub(crate) async fn accept_all<F>(
    listener: TcpListener,
    places: Arc<Semaphore>,
    mut stop: Stop,
    serve: impl Fn(TcpStream, Ipv4Addr, Stop) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stop) => return,
        };
        let Ok((stream, peer)) = accepted else {
            // No descriptor to be had, most likely: one will be when a connection has ended.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            continue;
        };
        let Ok(SocketAddr::V4(local)) = stream.local_addr() else { continue };
        if !local.ip().is_loopback() || !peer.ip().is_loopback() {
            continue;
        }
        // Small writes of a dialogue must not wait for each other.
        let _ = stream.set_nodelay(true);
        let served = serve(stream, *local.ip(), stop.clone());
        tokio::spawn(async move {
            served.await;
            drop(place);
        });
    }
}
