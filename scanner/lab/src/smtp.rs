//! The MX hosts: SMTP with STARTTLS, each at addresses of its own.

use std::borrow::Cow;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::server::Acceptor;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;

use crate::authority::{Authority, Leaf};
use crate::chance::{Draw, Stream};
use crate::clock;
use crate::dane::leaf;
use crate::defect::Defect;
use crate::domain::{HOST_LABELS, HostId};
use crate::hostile::{Hostile, serve_mail};
use crate::https::{ALERT_HANDSHAKE_FAILURE, close_after};
use crate::ledger::{Ledger, Seen, SmtpSeen};
use crate::listener::{Stop, stopped};
use crate::mutation::{Layer, Spoiler};
use crate::old_tls;
use crate::plan::Slot;
use crate::trouble::{self, CROWD_NAME};
use crate::world::World;

/// A session lasts so long at most (RFC 5321 §4.5.3.2 lets a client wait five minutes for most replies).
const SESSION_MAX: Duration = Duration::from_mins(5);
/// A command line has so many bytes at most (RFC 5321 §4.5.3.1.4 asks for 512).
const LINE_BYTES_MAX: usize = 1_024;
/// A session has so many commands at most.
const COMMANDS_MAX: usize = 100;
/// The alert `protocol_version`, as a server that knows TLS 1.0 alone sends it.
pub(crate) const ALERT_PROTOCOL_VERSION: [u8; 7] = [0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46];

/// A `ServerHello` (RFC 5246 §7.4.1.3) of TLS 1.2 that takes `TLS_RSA_WITH_NULL_MD5`, which no client offers.
const HELLO_OF_A_SUITE_NOT_OFFERED: [u8; 47] = {
    let mut record = [0; 47];
    let head = [0x16, 0x03, 0x03, 0x00, 0x2a, 0x02, 0x00, 0x00, 0x26, 0x03, 0x03];
    let mut at = 0;
    while at < head.len() {
        record[at] = head[at];
        at += 1;
    }
    // Behind the random number (all zeros) and an empty session id: the suite, and no compression.
    record[45] = 0x01;
    record
};

/// What MX hosts serve from.
#[derive(Clone)]
pub(crate) struct MxHosts {
    pub(crate) world: Arc<World>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) spoiler: Spoiler,
    pub(crate) ledger: Option<Ledger>,
}

/// The host at an address.
struct Host {
    name: String,
    defect: Option<Defect>,
    second_address: bool,
    /// The certificate that an epoch gave it.
    since: Option<Leaf>,
    style: Draw,
}

/// Why a dialogue in the clear was over.
enum Next {
    Quit,
    Handshake,
}

impl MxHosts {
    /// Serves one connection, and notes it.
    pub(crate) async fn serve(self, stream: TcpStream, address: Ipv4Addr, mut stop: Stop) {
        let began = Instant::now();
        let mut seen =
            SmtpSeen { time_us: clock::now_us(), address: address.to_string(), ..SmtpSeen::default() };
        if let Some(case) = Hostile::at(address) {
            case.name().clone_into(&mut seen.host);
            tokio::select! {
                _ = tokio::time::timeout(SESSION_MAX, serve_mail(case, stream, &self.authority, &mut seen)) => {}
                () = stopped(&mut stop) => {}
            }
        } else if trouble::is_tarpit(address) {
            trouble::hold(stream, stop, true).await;
        } else if let Some(host) = self.host_at(address) {
            seen.host.clone_from(&host.name);
            tokio::select! {
                // What a client does wrong is its own affair; the ledger says how far it came.
                _ = tokio::time::timeout(SESSION_MAX, self.converse(stream, &host, &mut seen)) => {}
                () = stopped(&mut stop) => {}
            }
        }
        if let Some(ledger) = &self.ledger {
            seen.elapsed_us = began.elapsed().as_micros() as u64;
            ledger.note(Seen::Smtp(seen));
        }
    }

    /// Which MX host has the address; `None` where nobody does.
    fn host_at(&self, address: Ipv4Addr) -> Option<Host> {
        let world = &self.world;
        if address == trouble::CROWD {
            let style = world.draw(Stream::HostStyle, 0);
            let name = CROWD_NAME.to_owned();
            return Some(Host { name, defect: None, second_address: false, since: None, style });
        }
        match world.plan().slot(address)? {
            Slot::Policies { .. } => None,
            Slot::Operator { operator, number, address } => {
                let host = HostId::Operator { operator, number };
                let exists = number < world.operator_hosts(operator)
                    && usize::from(address) < world.host_slots(None, host).len();
                exists.then(|| Host {
                    name: format!("{}.in.post{operator}.example", HOST_LABELS[usize::from(number)]),
                    defect: world.operator_defect(operator, number),
                    second_address: address == 1,
                    since: None,
                    style: world.draw(Stream::HostStyle, u64::from(operator) << 32 | u64::from(number)),
                })
            }
            Slot::Own { domain: index, second } => {
                let domain = world.domain(index);
                let slot = Slot::Own { domain: index, second };
                let host = world.mx_hosts(&domain).into_iter().map(|(_, host)| host).find(|host| {
                    matches!(host, HostId::Own { .. })
                        && world.host_slots(Some(&domain), *host).contains(&slot)
                })?;
                Some(Host {
                    name: world.mx_name(&domain, &world.name(index), host),
                    defect: world.host_defect(&domain, host),
                    second_address: second,
                    since: domain.since.leaf,
                    style: world.draw(Stream::HostStyle, index).next(u64::from(second)),
                })
            }
        }
    }

    async fn converse(&self, stream: TcpStream, host: &Host, seen: &mut SmtpSeen) -> io::Result<()> {
        let key = format!("smtp {}", seen.address);
        let mut stream = BufReader::new(self.spoiler.stream(stream, &key, Layer::Wire));
        match speak(&mut stream, host, seen, false).await? {
            Next::Quit => return Ok(()),
            Next::Handshake => {}
        }
        // What came after STARTTLS in the clear is thrown away (RFC 3207 §6).
        let mut stream = stream.into_inner();
        if host.defect == Some(Defect::HandshakeNotTls) {
            stream.read_u8().await?;
            return close_after(&mut stream, b"500 5.5.2 Error: command not recognized\r\n").await;
        }
        if let Some(version) = host.defect.and_then(Defect::old_tls) {
            let chain = self.authority.chain(&host.name, Leaf::Valid).map_err(io::Error::other)?;
            return old_tls::answer(&mut stream, version, &chain).await;
        }
        let mut hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        seen.sni = hello.client_hello().server_name().map(str::to_ascii_lowercase);
        match host.defect {
            Some(Defect::HandshakeAlert) => {
                return close_after(&mut hello.io, &ALERT_HANDSHAKE_FAILURE).await;
            }
            Some(Defect::HandshakeProtocolVersion) => {
                return close_after(&mut hello.io, &ALERT_PROTOCOL_VERSION).await;
            }
            Some(Defect::HandshakeClosed) => return close_after(&mut hello.io, &[]).await,
            Some(Defect::HandshakeFailed) => {
                return close_after(&mut hello.io, &HELLO_OF_A_SUITE_NOT_OFFERED).await;
            }
            _ => {}
        }
        // Who serves a crowd has a certificate for each of it.
        let sni = seen.sni.as_deref().filter(|sni| host.name == CROWD_NAME && sni.ends_with(CROWD_NAME));
        let name = sni.unwrap_or(&host.name);
        let config = self
            .authority
            .server(name, leaf(host.defect, host.second_address, host.since), false)
            .map_err(io::Error::other)?;
        let tls = hello.into_stream(config).await?;
        seen.handshake = true;
        let mut tls = BufReader::new(self.spoiler.stream(tls, &key, Layer::InsideTls));
        speak(&mut tls, host, seen, true).await?;
        tls.shutdown().await
    }
}

/// The dialogue (RFC 5321 §4.1), before TLS with the greeting, inside it without.
async fn speak<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    host: &Host,
    seen: &mut SmtpSeen,
    inside: bool,
) -> io::Result<Next> {
    if !inside {
        let greeting = greeting(host);
        say(stream, &greeting).await?;
        // 421 says that the channel is closed (RFC 5321 §4.2.2); any other refusal waits for QUIT (§3.1).
        if greeting.starts_with("421") {
            return Ok(Next::Quit);
        }
    }
    let mut line = Vec::new();
    for _ in 0..COMMANDS_MAX {
        line.clear();
        let read = (&mut *stream).take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line).await?;
        if read == 0 {
            return Ok(Next::Quit);
        }
        if !line.ends_with(b"\n") {
            say(stream, "500 5.5.2 Line too long\r\n").await?;
            return Ok(Next::Quit);
        }
        let text = String::from_utf8_lossy(&line);
        let (verb, argument) = text.trim_end().split_once(' ').unwrap_or((text.trim_end(), ""));
        let verb = verb.to_ascii_uppercase();
        note(seen, &verb, argument);
        let (reply, next) = answer(host, &verb, inside);
        say(stream, &reply).await?;
        if let Some(next) = next {
            return Ok(next);
        }
    }
    say(stream, "421 4.7.0 Too many commands\r\n").await?;
    Ok(Next::Quit)
}

fn note(seen: &mut SmtpSeen, verb: &str, argument: &str) {
    if !seen.commands.is_empty() {
        seen.commands.push(' ');
    }
    seen.commands.push_str(verb);
    match verb {
        "EHLO" | "HELO" => {
            seen.client.get_or_insert_with(|| argument.to_owned());
        }
        "MAIL" => seen.mail = true,
        "QUIT" => seen.quit = true,
        _ => {}
    }
}

/// The reply to a command, and whether the dialogue in this form is over with it.
fn answer(host: &Host, verb: &str, inside: bool) -> (Cow<'static, str>, Option<Next>) {
    let refused = match (Refusal::of(host), verb) {
        (Some(Refusal::Banner(_)), verb) if verb != "QUIT" => Some("503 5.5.1 Bad sequence of commands\r\n"),
        (Some(Refusal::Hello(text)), "EHLO" | "HELO") => Some(text),
        _ => None,
    };
    if let Some(text) = refused {
        return (text.into(), None);
    }
    let text = match verb {
        "EHLO" => return (capabilities(host, inside).into(), None),
        "HELO" => return (format!("250 {}\r\n", host.name).into(), None),
        "STARTTLS" if inside => "503 5.5.1 TLS is already active\r\n",
        "STARTTLS" => match host.defect {
            Some(Defect::StarttlsAbsent | Defect::StarttlsMangled) => NOT_IMPLEMENTED,
            Some(Defect::StarttlsRejected) => host.style.next(5).pick(&[
                "454 4.7.0 TLS not available due to temporary reason\r\n",
                "554 5.7.3 Unable to initialize security subsystem\r\n",
            ]),
            _ => return ("220 2.0.0 Ready to start TLS\r\n".into(), Some(Next::Handshake)),
        },
        "NOOP" | "RSET" => "250 2.0.0 Ok\r\n",
        "QUIT" => return ("221 2.0.0 Bye\r\n".into(), Some(Next::Quit)),
        "MAIL" => "550 5.7.1 This host takes no mail\r\n",
        _ => NOT_IMPLEMENTED,
    };
    (text.into(), None)
}

const NOT_IMPLEMENTED: &str = "502 5.5.1 Command not implemented\r\n";

/// How a host turns a client away.
#[derive(Clone, Copy)]
enum Refusal {
    Banner(&'static str),
    Hello(&'static str),
}

impl Refusal {
    fn of(host: &Host) -> Option<Self> {
        let options = [
            Self::Banner("554 5.7.1 Your address is on our list\r\n"),
            Self::Banner("421 4.7.0 Try again later\r\n"),
            Self::Hello("550 5.7.1 Access denied\r\n"),
            Self::Hello("450 4.7.1 Client host rejected: try again later\r\n"),
        ];
        (host.defect == Some(Defect::MxRefusedUs)).then(|| *host.style.next(4).pick(&options))
    }
}

fn greeting(host: &Host) -> Cow<'static, str> {
    if let Some(Refusal::Banner(text)) = Refusal::of(host) {
        return text.into();
    }
    let name = &host.name;
    match host.style.next(1).below(4) {
        0 => format!("220-{name} ESMTP\r\n220-No solicitation\r\n220 Ready\r\n"),
        1 => format!("220 {name} ESMTP Postfix\r\n"),
        _ => format!("220 {name} ESMTP\r\n"),
    }
    .into()
}

fn capabilities(host: &Host, inside: bool) -> String {
    let name = &host.name;
    let keyword = match host.defect {
        _ if inside => "",
        Some(Defect::StarttlsAbsent) => "",
        Some(Defect::StarttlsMangled) => "250-XXXXXXXA\r\n",
        // Keywords have no case (RFC 5321 §2.4).
        _ if host.style.next(2).hits(0.05) => "250-starttls\r\n",
        _ => "250-STARTTLS\r\n",
    };
    format!(
        "250-{name}\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n{keyword}250-ENHANCEDSTATUSCODES\r\n250 8BITMIME\r\n"
    )
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes()).await?;
    stream.flush().await
}
