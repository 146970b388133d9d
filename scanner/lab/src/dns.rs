//! The name server: every name of the world, over UDP and TCP, as a recursive resolver would answer.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::base::iana::{Class, Opcode, Rcode, Rtype};
use domain::base::message_builder::{AnswerBuilder, StaticCompressor};
use domain::base::name::{Name, ToName};
use domain::base::{Message, MessageBuilder, Serial, Ttl};
use domain::rdata::{A, Aaaa, Cname, Mx, Ns, Soa, Txt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::chance::Stream;
use crate::clock;
use crate::hostile;
use crate::ledger::{DnsSeen, Ledger, Seen};
use crate::mutation::Spoiler;
use crate::world::World;
use crate::zone::{self, Answer, Code, Data, Kind};

/// How a query came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// Seconds; short, as for names that change.
const TTL_SECONDS: u32 = 300;
/// What the server takes and sends over UDP at most, whatever the client offers (DNS flag day 2020).
const UDP_BYTES_MAX: u16 = 1_232;
/// Without EDNS (RFC 1035 §4.2.1).
const PLAIN_UDP_BYTES_MAX: u16 = 512;
/// Queries noted in the ledger at a time.
const SEEN_PER_BATCH: usize = 256;
/// A TCP connection may idle for so long.
const TCP_IDLE: Duration = Duration::from_secs(20);

/// Answers queries that come in on `socket` until `stop` is set and a last datagram wakes it.
pub(crate) fn serve_udp(
    socket: &UdpSocket,
    world: &World,
    spoiler: &Spoiler,
    stop: &AtomicBool,
    ledger: Option<&Ledger>,
) {
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
        let (reply, row) = respond(world, &query[..length], Transport::Udp, std::mem::take(&mut buffer));
        let spoil =
            |reply: &mut Vec<u8>| row.as_ref().is_none_or(|row| spoiler.reply(&row.name, row.kind, reply));
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
pub(crate) async fn serve_tcp(
    mut stream: TcpStream,
    world: Arc<World>,
    spoiler: Spoiler,
    ledger: Option<Ledger>,
) {
    loop {
        let query = tokio::time::timeout(TCP_IDLE, read_framed(&mut stream)).await;
        let Ok(Ok(query)) = query else { return };
        if hostile::is_hostile(&query) {
            // However long it takes: the caller ends it with the lab.
            let _ = hostile::serve_over_tcp(&mut stream, &query).await;
            return;
        }
        let (mut reply, row) = respond(&world, &query, Transport::Tcp, Vec::new());
        if let (Some(said), Some(row)) = (&mut reply, &row)
            && !spoiler.reply(&row.name, row.kind, said)
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

/// The reply to a query (none to what is not a query, or is lost on the way), and what to note of it.
pub(crate) fn respond(
    world: &World,
    query: &[u8],
    transport: Transport,
    mut buffer: Vec<u8>,
) -> (Option<Vec<u8>>, Option<DnsSeen>) {
    buffer.clear();
    let Ok(query) = Message::from_octets(query) else { return (None, None) };
    if query.header().qr() {
        return (None, None);
    }
    let Ok(question) = query.sole_question() else {
        return (
            finished(
                MessageBuilder::from_target(StaticCompressor::new(buffer))
                    .ok()
                    .and_then(|builder| builder.start_answer(&query, Rcode::FORMERR).ok()),
            ),
            None,
        );
    };
    let name = presented(question.qname());
    let mut row = DnsSeen {
        time_us: clock::now_us(),
        transport: if transport == Transport::Udp { "udp" } else { "tcp" },
        name,
        kind: question.qtype().to_int(),
        rcode: None,
        truncated: false,
    };
    let draw = world.chance.draw_text(Stream::Truncation, row.name.as_bytes()).next(u64::from(row.kind));
    let dns = &world.params().dns;
    if transport == Transport::Udp && draw.next(u64::from(query.header().id())).hits(dns.loss) {
        return (None, Some(row));
    }
    let answer = if query.header().opcode() != Opcode::QUERY {
        Err(Rcode::NOTIMP)
    } else if question.qclass() != Class::IN {
        Err(Rcode::REFUSED)
    } else {
        Ok(zone::answer(world, &row.name, kind_of(question.qtype())))
    };
    let rcode = match &answer {
        Err(rcode) => *rcode,
        Ok(answer) => match answer.code {
            Code::NoError => Rcode::NOERROR,
            Code::ServFail => Rcode::SERVFAIL,
            Code::NxDomain => Rcode::NXDOMAIN,
        },
    };
    row.rcode = Some(u16::from(rcode.to_int()));
    let truncate = transport == Transport::Udp && draw.hits(dns.truncation);
    let Ok(mut builder) = MessageBuilder::from_target(StaticCompressor::new(buffer));
    if transport == Transport::Udp {
        builder.set_push_limit(usize::from(udp_limit(&query)));
    }
    let Ok(mut builder) = builder.start_answer(&query, rcode) else { return (None, Some(row)) };
    builder.header_mut().set_ra(true);
    // It answers as a resolver that validates does: the root is signed, and nothing in the world is.
    builder.header_mut().set_ad(row.name.is_empty() && rcode == Rcode::NOERROR);
    let whole = match &answer {
        _ if truncate => Err(()),
        Ok(answer) => fill(&mut builder, question.qname(), answer),
        Err(_) => Ok(()),
    };
    if whole.is_err() {
        builder.rewind();
        builder.header_mut().set_tc(true);
        row.truncated = true;
    }
    let negative = answer.as_ref().ok().filter(|answer| !row.truncated && answer.records.is_empty());
    (with_tail(builder, negative.and_then(|answer| answer.apex.as_deref()), query.opt().is_some()), Some(row))
}

type Builder = AnswerBuilder<StaticCompressor<Vec<u8>>>;

fn fill(builder: &mut Builder, owner: impl ToName, answer: &Answer) -> Result<(), ()> {
    let ttl = Ttl::from_secs(TTL_SECONDS);
    let Some(target) = &answer.cname else {
        return answer.records.iter().try_for_each(|data| push(builder, &owner, data));
    };
    let target = encoded(target).ok_or(())?;
    builder.push((&owner, Class::IN, ttl, Cname::new(&target))).map_err(drop)?;
    answer.records.iter().try_for_each(|data| push(builder, &target, data))
}

fn push(builder: &mut Builder, owner: &impl ToName, data: &Data) -> Result<(), ()> {
    let ttl = Ttl::from_secs(TTL_SECONDS);
    match data {
        Data::A(address) => builder.push((owner, Class::IN, ttl, A::new(*address))),
        Data::Aaaa(address) => builder.push((owner, Class::IN, ttl, Aaaa::new(*address))),
        Data::Mx(preference, exchange) => {
            let exchange = encoded(exchange).ok_or(())?;
            builder.push((owner, Class::IN, ttl, Mx::new(*preference, exchange)))
        }
        Data::Ns(server) => builder.push((owner, Class::IN, ttl, Ns::new(encoded(server).ok_or(())?))),
        Data::Txt(segments) => {
            let mut wire = Vec::with_capacity(segments.iter().map(|s| s.len() + 1).sum());
            for segment in segments {
                wire.push(u8::try_from(segment.len()).map_err(drop)?);
                wire.extend_from_slice(segment);
            }
            builder.push((owner, Class::IN, ttl, Txt::from_octets(wire).map_err(drop)?))
        }
    }
    .map_err(drop)
}

/// Adds the SOA of a negative answer (RFC 2308 §3) and the OPT record, if the query had one.
fn with_tail(builder: Builder, apex: Option<&str>, edns: bool) -> Option<Vec<u8>> {
    let mut builder = builder.authority();
    if let Some(apex) = apex.and_then(encoded) {
        let ttl = Ttl::from_secs(TTL_SECONDS);
        let soa = Soa::new(&apex, &apex, Serial(1), ttl, ttl, ttl, ttl);
        // Left out where there is no room for it.
        let _ = builder.push((&apex, Class::IN, ttl, soa));
    }
    let mut builder = builder.additional();
    if edns {
        builder
            .opt(|opt| {
                opt.set_udp_payload_size(UDP_BYTES_MAX);
                Ok(())
            })
            .ok()?;
    }
    Some(builder.finish().into_target())
}

fn finished(builder: Option<Builder>) -> Option<Vec<u8>> {
    builder.map(|builder| builder.finish().into_target())
}

fn udp_limit(query: &Message<&[u8]>) -> u16 {
    query
        .opt()
        .map_or(PLAIN_UDP_BYTES_MAX, |opt| opt.udp_payload_size().clamp(PLAIN_UDP_BYTES_MAX, UDP_BYTES_MAX))
}

fn kind_of(rtype: Rtype) -> Kind {
    match rtype {
        Rtype::A => Kind::A,
        Rtype::AAAA => Kind::Aaaa,
        Rtype::MX => Kind::Mx,
        Rtype::NS => Kind::Ns,
        Rtype::TXT => Kind::Txt,
        _ => Kind::Other,
    }
}

/// A name as text: lower case, without the last dot. Bytes that no name of a world has become `?`.
fn presented(name: impl ToName) -> String {
    let mut text = String::with_capacity(64);
    for label in name.iter_labels().filter(|label| !label.is_root()) {
        if !text.is_empty() {
            text.push('.');
        }
        text.extend(label.as_slice().iter().map(|byte| match byte {
            b'!'..=b'-' | b'/'..=b'~' => char::from(byte.to_ascii_lowercase()),
            _ => '?',
        }));
    }
    text
}

/// The wire form of a name; the empty text is the root.
fn encoded(name: &str) -> Option<Name<Vec<u8>>> {
    let mut wire = Vec::with_capacity(name.len() + 2);
    for label in name.split('.').filter(|label| !label.is_empty()) {
        wire.push(u8::try_from(label.len()).ok()?);
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    Name::from_octets(wire).ok()
}
