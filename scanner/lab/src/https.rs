//! The policy hosts: HTTPS by SNI, on every address.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};

use crate::authority::{Authority, Leaf};
use crate::chance::{Draw, Stream};
use crate::clock;
use crate::defect::Defect;
use crate::domain::Domain;
use crate::hostile::{Hostile, serve_policy};
use crate::ledger::{HttpsSeen, Ledger, Seen};
use crate::listener::{Stop, stopped};
use crate::mutation::{Layer, Mutated, Spoiler};
use crate::text;
use crate::trouble;
use crate::world::World;

/// A connection lasts so long at most, whatever its client does.
const CONNECTION_MAX: Duration = Duration::from_mins(10);
/// A request's head has so many bytes at most.
const HEAD_BYTES_MAX: usize = 8_192;
/// Between two bytes of a body that drips.
const DRIP: Duration = Duration::from_secs(1);
/// The alert `handshake_failure` (RFC 8446 §6), as a record.
pub(crate) const ALERT_HANDSHAKE_FAILURE: [u8; 7] = [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28];
/// The alert `unrecognized_name` (RFC 6066 §3).
const ALERT_UNRECOGNIZED_NAME: [u8; 7] = [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x70];

/// What policy hosts serve from.
#[derive(Clone)]
pub(crate) struct PolicyHosts {
    pub(crate) world: Arc<World>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) spoiler: Spoiler,
    pub(crate) ledger: Option<Ledger>,
}

impl PolicyHosts {
    /// Serves one connection, and notes it.
    pub(crate) async fn serve(self, stream: TcpStream, address: Ipv4Addr, mut stop: Stop) {
        let began = Instant::now();
        let mut seen =
            HttpsSeen { time_us: clock::now_us(), address: address.to_string(), ..HttpsSeen::default() };
        if trouble::is_tarpit(address) {
            trouble::hold(stream, stop, false).await;
        } else {
            tokio::select! {
                // What a client does wrong is its own affair; the ledger says how far it came.
                _ = tokio::time::timeout(CONNECTION_MAX, self.converse(stream, &mut seen)) => {}
                () = stopped(&mut stop) => {}
            }
        }
        if let Some(ledger) = &self.ledger {
            seen.elapsed_us = began.elapsed().as_micros() as u64;
            ledger.note(Seen::Https(seen));
        }
    }

    async fn converse(&self, stream: TcpStream, seen: &mut HttpsSeen) -> io::Result<()> {
        let key = format!("https {}", seen.address);
        let stream = self.spoiler.stream(stream, &key, Layer::Wire);
        let mut hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        seen.sni = hello.client_hello().server_name().map(str::to_ascii_lowercase);
        if let Some(domain) = seen.sni.as_deref().and_then(hostile_domain).map(str::to_owned) {
            return self.serve_hostile(hello, &domain, seen).await;
        }
        let Some((domain, name)) = seen.sni.as_deref().and_then(|sni| self.policy_domain(sni)) else {
            return close_after(&mut hello.io, &ALERT_UNRECOGNIZED_NAME).await;
        };
        match domain.fetch {
            Some(Defect::PolicyHostAlert) => {
                return close_after(&mut hello.io, &ALERT_HANDSHAKE_FAILURE).await;
            }
            Some(Defect::PolicyHostClosed) => return close_after(&mut hello.io, &[]).await,
            Some(Defect::PolicyHostNotTls) => {
                return close_after(&mut hello.io, b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
                    .await;
            }
            _ => {}
        }
        let config = self
            .authority
            .server(&format!("mta-sts.{name}"), leaf(domain.fetch), true)
            .map_err(io::Error::other)?;
        let tls = hello.into_stream(config).await?;
        let mut tls = self.spoiler.stream(tls, &key, Layer::InsideTls);
        seen.handshake = true;
        let head = read_head(&mut tls).await?;
        let mut lines = head.split("\r\n");
        let request = lines.next().unwrap_or_default().to_owned();
        seen.user_agent = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("user-agent"))
            .map(|(_, value)| value.trim().to_owned());
        let response = self.response(&domain, &name, &request);
        seen.request = Some(request);
        self.answer(&mut tls, response, &domain, seen).await
    }

    /// Serves the policy of a hostile domain, behind a certificate that is valid.
    async fn serve_hostile(
        &self,
        hello: StartHandshake<Mutated<TcpStream>>,
        domain: &str,
        seen: &mut HttpsSeen,
    ) -> io::Result<()> {
        let config = self.authority.server(&format!("mta-sts.{domain}"), Leaf::Valid, true);
        let mut tls = hello.into_stream(config.map_err(io::Error::other)?).await?;
        seen.handshake = true;
        seen.request = Some(read_head(&mut tls).await?.lines().next().unwrap_or_default().to_owned());
        serve_policy(domain, &mut tls).await
    }

    async fn answer(
        &self,
        tls: &mut (impl AsyncRead + AsyncWrite + Unpin),
        response: Response,
        domain: &Domain,
        seen: &mut HttpsSeen,
    ) -> io::Result<()> {
        if domain.fetch == Some(Defect::FetchTimeout) {
            if self.style(domain).hits(0.5) {
                seen.status = Some(response.status);
                tls.write_all(response.head(100_000).as_bytes()).await?;
                tls.flush().await?;
                return drip(tls).await;
            }
            return wait_for_end(tls).await;
        }
        match domain.fetch {
            Some(Defect::FetchClosed) => return tls.shutdown().await,
            Some(Defect::FetchMalformed) => {
                tls.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await?;
                return tls.shutdown().await;
            }
            _ => {}
        }
        seen.status = Some(response.status);
        let mut bytes = response.head(response.body.len()).into_bytes();
        bytes.extend_from_slice(&response.body);
        tls.write_all(&bytes).await?;
        tls.shutdown().await
    }

    /// The domain whose policy host has this name, if there is one.
    fn policy_domain(&self, sni: &str) -> Option<(Domain, String)> {
        let name = sni.strip_prefix("mta-sts.")?;
        let domain = self.world.domain(self.world.index(name)?);
        domain.has_policy_host().then(|| (domain, name.to_owned()))
    }

    fn response(&self, domain: &Domain, name: &str, request: &str) -> Response {
        let page = |status, reason| Response::page(status, reason);
        let mut parts = request.split(' ');
        let (method, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if method != "GET" {
            return page(405, "Method Not Allowed");
        }
        if path != "/.well-known/mta-sts.txt" {
            return page(404, "Not Found");
        }
        match domain.fetch {
            Some(Defect::FetchStatus403) => return page(403, "Forbidden"),
            Some(Defect::FetchStatus404) => return page(404, "Not Found"),
            Some(Defect::FetchStatus410) => return page(410, "Gone"),
            Some(Defect::FetchStatus500) => return page(500, "Internal Server Error"),
            Some(Defect::FetchStatus503) => return page(503, "Service Unavailable"),
            Some(Defect::FetchRedirect) => {
                let (status, reason) = *self.style(domain).pick(&[
                    (301, "Moved Permanently"),
                    (302, "Found"),
                    (307, "Temporary Redirect"),
                    (308, "Permanent Redirect"),
                ]);
                let location = format!("https://www.{name}/.well-known/mta-sts.txt");
                return Response { location: Some(location), ..page(status, reason) };
            }
            _ => {}
        }
        let mut body = text::policy_body(&self.world, domain, name);
        if domain.fetch == Some(Defect::FetchOversize) {
            let line = b"note: this line is repeated until the policy is too large\r\n";
            while body.len() <= OVERSIZE_BYTES {
                body.extend_from_slice(line);
            }
        }
        let sound = ["text/plain", "text/plain; charset=utf-8", "Text/Plain;charset=US-ASCII"];
        let media_type = match domain.fetch {
            Some(Defect::FetchMediaType) => *self.style(domain).pick(&[
                "text/html",
                "application/octet-stream",
                "text/html; charset=utf-8",
            ]),
            _ => *self.style(domain).pick(&sound),
        };
        Response { status: 200, reason: "OK", media_type, location: None, body }
    }

    fn style(&self, domain: &Domain) -> Draw {
        self.world.draw(Stream::PolicyStyle, domain.index).next(100)
    }
}

/// The hostile domain whose policy host has this name.
fn hostile_domain(sni: &str) -> Option<&str> {
    let domain = sni.strip_prefix("mta-sts.")?;
    Hostile::of_domain(domain).map(|_| domain)
}

/// More than the 64 KiB that RFC 8461 §3.3 suggests as a limit.
const OVERSIZE_BYTES: usize = 80 << 10;

struct Response {
    status: u16,
    reason: &'static str,
    media_type: &'static str,
    location: Option<String>,
    body: Vec<u8>,
}

impl Response {
    fn page(status: u16, reason: &'static str) -> Self {
        let body = format!("<html><body><h1>{status} {reason}</h1></body></html>\n").into_bytes();
        Self { status, reason, media_type: "text/html", location: None, body }
    }

    fn head(&self, length: usize) -> String {
        let location = self.location.as_ref().map(|to| format!("Location: {to}\r\n")).unwrap_or_default();
        format!(
            "HTTP/1.1 {} {}\r\nServer: mxray-lab\r\nContent-Type: {}\r\n{location}Content-Length: {length}\r\n\
             Connection: close\r\n\r\n",
            self.status, self.reason, self.media_type
        )
    }
}

fn leaf(fetch: Option<Defect>) -> Leaf {
    match fetch {
        Some(Defect::PolicyCertName) => Leaf::WrongName,
        Some(Defect::PolicyCertExpired) => Leaf::Expired,
        Some(Defect::PolicyCertNotYetValid) => Leaf::NotYetValid,
        Some(Defect::PolicyCertSelfSigned) => Leaf::SelfSigned,
        Some(Defect::PolicyCertUnknownRoot) => Leaf::UnknownRoot,
        Some(Defect::PolicyCertMissingIntermediate) => Leaf::MissingIntermediate,
        Some(Defect::PolicyCertMalformed) => Leaf::Malformed,
        Some(Defect::PolicyCertExpiring) => Leaf::Expiring,
        _ => Leaf::Valid,
    }
}

/// Sends the bytes and closes, so that the client sees an end and not a reset.
pub(crate) async fn close_after(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    bytes: &[u8],
) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.shutdown().await?;
    wait_for_end(stream).await
}

/// Reads and forgets until the client closes.
async fn wait_for_end(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut sink = [0; 1_024];
    while stream.read(&mut sink).await? > 0 {}
    Ok(())
}

/// A byte now and then, until the client has had enough.
async fn drip(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    let mut sink = [0; 1_024];
    loop {
        stream.write_all(b"v").await?;
        stream.flush().await?;
        if let Ok(read) = tokio::time::timeout(DRIP, stream.read(&mut sink)).await
            && read? == 0
        {
            return Ok(());
        }
    }
}

async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= HEAD_BYTES_MAX || stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
