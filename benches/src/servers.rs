//! The other ends of the TLS benchmarks: a mail host and a policy host that say the least there is to say.

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::identity;

const LINE_BYTES_MAX: usize = 4_096;
/// Connections that may wait to be accepted: more than are ever in flight. Where there is no room, Linux answers with a SYN
/// cookie, and a client is connected to nobody, who never greets it.
const WAITING_MAX: u32 = 4_096;
const POLICY: &str = "version: STSv1\r\nmode: enforce\r\nmx: mx1.example\r\nmax_age: 604800\r\n";

/// What a server is.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Mail,
    Policy,
}

/// Serves until standard input closes; says where first, and in the end how many came. One that stays awake never waits
/// for the kernel to wake it, which on one machine whoever sends has to pay for.
pub(crate) fn run(kind: Kind, stays_awake: bool) -> io::Result<()> {
    let acceptor = TlsAcceptor::from(identity::server()?);
    let served: Arc<AtomicU64> = Arc::default();
    let count = Arc::clone(&served);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(async { listen() })?;
    println!("{}", listener.local_addr()?);
    std::thread::spawn(move || {
        runtime.block_on(async {
            if stays_awake {
                tokio::spawn(async {
                    loop {
                        tokio::task::yield_now().await;
                    }
                });
            }
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, count) = (acceptor.clone(), Arc::clone(&count));
                tokio::spawn(async move {
                    let talked = match kind {
                        Kind::Mail => talk_mail(stream, acceptor).await,
                        Kind::Policy => talk_policy(stream, acceptor).await,
                    };
                    count.fetch_add(u64::from(talked.is_ok()), Ordering::Relaxed);
                });
            }
        });
    });
    io::stdin().read_to_end(&mut Vec::new())?;
    println!("{{\"served\": {}}}", served.load(Ordering::Relaxed));
    Ok(())
}

fn listen() -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    socket.listen(WAITING_MAX)
}

async fn talk_mail(mut stream: TcpStream, acceptor: TlsAcceptor) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.write_all(b"220 mx1.example ESMTP\r\n").await?;
    hear(&mut stream, b"\r\n").await?;
    stream.write_all(b"250-mx1.example\r\n250-SIZE 10240000\r\n250-8BITMIME\r\n250 STARTTLS\r\n").await?;
    hear(&mut stream, b"\r\n").await?;
    stream.write_all(b"220 2.0.0 Ready\r\n").await?;
    let mut stream = acceptor.accept(stream).await?;
    hear(&mut stream, b"\r\n").await?;
    stream.write_all(b"250-mx1.example\r\n250-SIZE 10240000\r\n250 8BITMIME\r\n").await?;
    hear(&mut stream, b"\r\n").await?;
    stream.write_all(b"221 2.0.0 Bye\r\n").await?;
    stream.shutdown().await
}

async fn talk_policy(stream: TcpStream, acceptor: TlsAcceptor) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = acceptor.accept(stream).await?;
    hear(&mut stream, b"\r\n\r\n").await?;
    let length = POLICY.len();
    let response = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{POLICY}"
    );
    stream.write_all(response.as_bytes()).await?;
    stream.shutdown().await
}

/// Reads until what ends a command has come.
async fn hear<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, end: &[u8]) -> io::Result<()> {
    let mut heard = Vec::with_capacity(256);
    while !heard.ends_with(end) {
        if stream.read_buf(&mut heard).await? == 0 || heard.len() > LINE_BYTES_MAX {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}
