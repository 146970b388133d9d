//! Servers on loopback that do as a test tells them.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use mxray_engine::{AddressGate, DnsSettings, Net, OptOut, ProbeSettings};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A resolver over UDP: each query gets the datagrams that `answer` makes of it.
pub(crate) async fn dns<F>(mut answer: F) -> SocketAddr
where
    F: FnMut(&Message, &[u8]) -> Vec<Vec<u8>> + Send + 'static,
{
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let query = Message::from_vec(&buffer[..length]).unwrap();
            for reply in answer(&query, &buffer[..length]) {
                socket.send_to(&reply, peer).await.unwrap();
            }
        }
    });
    address
}

/// A resolver over UDP that answers every query with these records, as they are, and a code.
pub(crate) async fn dns_records(code: ResponseCode, records: Vec<Record>) -> SocketAddr {
    dns(move |query, _| vec![reply(query, code, &records).to_vec().unwrap()]).await
}

/// A resolver that knows one address for every name.
pub(crate) async fn dns_addresses(addresses: &[std::net::IpAddr]) -> SocketAddr {
    let addresses = addresses.to_vec();
    dns(move |query, _| {
        let question = &query.queries[0];
        let records: Vec<Record> = addresses
            .iter()
            .filter_map(|address| match (address, question.query_type()) {
                (std::net::IpAddr::V4(v4), RecordType::A) => Some(RData::A(A(*v4))),
                (std::net::IpAddr::V6(v6), RecordType::AAAA) => Some(RData::AAAA(AAAA(*v6))),
                _ => None,
            })
            .map(|data| Record::from_rdata(question.name().clone(), 60, data))
            .collect();
        vec![reply(query, ResponseCode::NoError, &records).to_vec().unwrap()]
    })
    .await
}

/// A reply to a query.
pub(crate) fn reply(query: &Message, code: ResponseCode, records: &[Record]) -> Message {
    let mut reply = Message::new(query.id, MessageType::Response, OpCode::Query);
    reply.metadata.recursion_desired = true;
    reply.metadata.recursion_available = true;
    reply.metadata.response_code = code;
    reply.add_queries(query.queries.clone());
    reply.add_answers(records.iter().cloned());
    reply
}

/// A record.
pub(crate) fn record(owner: &str, data: RData) -> Record {
    Record::from_rdata(name(owner), 300, data)
}

/// A name.
pub(crate) fn name(text: &str) -> Name {
    let mut name = Name::from_ascii(text).unwrap();
    name.set_fqdn(true);
    name
}

/// A TCP server: `serve` runs for every connection.
pub(crate) async fn tcp<F, T>(serve: F) -> SocketAddr
where
    F: Fn(TcpStream) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// A port of 127.0.0.1 that refuses connections: bound, and not listening. It refuses while the socket lives.
pub(crate) fn refusing_port() -> (u16, socket2::Socket) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    (socket.local_addr().unwrap().as_socket().unwrap().port(), socket)
}

/// A certificate made for a test, and its key.
pub(crate) struct Identity {
    pub(crate) der: CertificateDer<'static>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Identity {
    /// A self-signed certificate for these names.
    pub(crate) fn self_signed(names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        Self { der: made.cert.der().clone(), key }
    }

    /// A server that shows it.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        acceptor(
            server_builder(rustls::DEFAULT_VERSIONS)
                .with_no_client_auth()
                .with_single_cert(vec![self.der.clone()], self.key.clone_key())
                .unwrap(),
        )
    }
}

pub(crate) fn server_builder(
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    ServerConfig::builder_with_provider(provider()).with_protocol_versions(versions).unwrap()
}

pub(crate) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

pub(crate) fn acceptor(config: ServerConfig) -> TlsAcceptor {
    TlsAcceptor::from(Arc::new(config))
}

/// What a server was told, line by line.
pub(crate) type Heard = Arc<Mutex<Vec<String>>>;

/// Reads a line, byte by byte so that nothing after it is taken; `None` at the end.
pub(crate) async fn read_line<S: tokio::io::AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut line = Vec::new();
    loop {
        match stream.read_u8().await {
            Ok(b'\n') => return Some(String::from_utf8(line).unwrap().trim_end().to_owned()),
            Ok(byte) => line.push(byte),
            Err(_) => return None,
        }
    }
}

/// Answers line after line from a script, and writes down what it heard. What is left of the script when the client
/// goes is not said; when the script is over it listens until the client goes.
pub(crate) async fn answer_lines<S>(stream: &mut S, script: &[&[u8]], heard: &Heard)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut script = script.iter();
    while let Some(line) = read_line(stream).await {
        heard.lock().unwrap().push(line);
        if let Some(answer) = script.next() {
            let _ = stream.write_all(answer).await;
            let _ = stream.flush().await;
        }
    }
}

/// The network for probes of 127.0.0.0/8 and nothing else.
pub(crate) fn net(resolver: SocketAddr, settings: ProbeSettings) -> Net {
    net_with(resolver, settings, OptOut::default())
}

pub(crate) fn net_with(resolver: SocketAddr, settings: ProbeSettings, opt_out: OptOut) -> Net {
    let gate = AddressGate { allow: vec!["127.0.0.0/8".parse().unwrap()], opt_out: Vec::new() };
    Net::new(dns_settings(&[resolver]), gate, opt_out, settings).unwrap()
}

pub(crate) fn dns_settings(resolvers: &[SocketAddr]) -> DnsSettings {
    DnsSettings { resolvers: resolvers.to_vec(), timeout: GENEROUS, retries: 2, validating: true }
}

/// Longer than anything on loopback takes.
pub(crate) const GENEROUS: Duration = Duration::from_secs(20);
/// Short enough to wait for.
pub(crate) const SHORT: Duration = Duration::from_millis(150);

pub(crate) fn settings(port: u16) -> ProbeSettings {
    let mut settings = ProbeSettings::new("probe.example", "https://probe.example/");
    settings.https_port = port;
    settings.smtp_port = port;
    settings.policy_timeout = GENEROUS;
    settings.smtp_timeout = GENEROUS;
    settings
}

/// Reads an HTTP request's head.
pub(crate) async fn read_head(stream: &mut TlsStream<TcpStream>) -> Option<String> {
    let mut head = String::new();
    loop {
        let line = read_line(stream).await?;
        if line.is_empty() {
            return Some(head);
        }
        head.push_str(&line);
        head.push('\n');
    }
}
