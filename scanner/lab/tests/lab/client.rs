//! Clients of the tests' own: plain sockets, `domain`'s codec, and rustls with its usual verifier.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::base::iana::{Rcode, Rtype};
use domain::base::{Message, MessageBuilder, Name, RecordData as _};
use domain::rdata::AllRecordData;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// How long a test waits for what must come, and for what must not.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
const IMPATIENCE: Duration = Duration::from_millis(300);

/// An answer, as text: records of the type asked for at the end of the chain.
#[derive(Debug)]
pub(crate) struct DnsAnswer {
    pub(crate) rcode: Rcode,
    pub(crate) truncated: bool,
    pub(crate) cnames: Vec<String>,
    pub(crate) records: Vec<String>,
    /// TXT records, joined.
    pub(crate) texts: Vec<String>,
    pub(crate) has_soa: bool,
}

pub(crate) fn query(name: &str, rtype: Rtype, id: u16, edns: Option<u16>) -> Vec<u8> {
    let name: Name<Vec<u8>> = name.parse().unwrap();
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_rd(true);
    builder.header_mut().set_id(id);
    let mut builder = builder.question();
    builder.push((&name, rtype)).unwrap();
    let mut builder = builder.additional();
    if let Some(size) = edns {
        builder
            .opt(|opt| {
                opt.set_udp_payload_size(size);
                Ok(())
            })
            .unwrap();
    }
    builder.finish()
}

pub(crate) fn parsed(bytes: &[u8], rtype: Rtype) -> DnsAnswer {
    let message = Message::from_octets(bytes).unwrap();
    assert!(message.header().qr() && message.header().ra());
    let mut answer = DnsAnswer {
        rcode: message.header().rcode(),
        truncated: message.header().tc(),
        cnames: Vec::new(),
        records: Vec::new(),
        texts: Vec::new(),
        has_soa: false,
    };
    for record in message.answer().unwrap() {
        let record = record.unwrap().into_record::<AllRecordData<_, _>>().unwrap().unwrap();
        match record.data() {
            AllRecordData::Cname(cname) => answer.cnames.push(without_last_dot(&cname.to_string())),
            AllRecordData::Txt(txt) => {
                let joined: Vec<u8> = txt.iter().flatten().copied().collect();
                answer.texts.push(String::from_utf8(joined).unwrap());
            }
            data => {
                assert_eq!(data.rtype(), rtype);
                answer.records.push(without_last_dot(&data.to_string()));
            }
        }
    }
    let mut authority = message.authority().unwrap();
    answer.has_soa = authority.any(|record| record.unwrap().rtype() == Rtype::SOA);
    answer
}

/// Names are shown with their last dot; the root stays one.
fn without_last_dot(text: &str) -> String {
    match text.strip_suffix('.') {
        Some(name) if !name.is_empty() && !name.ends_with(' ') => name.to_owned(),
        _ => text.to_owned(),
    }
}

/// Asks over UDP; `None` if nothing comes.
pub(crate) fn ask_once(
    server: SocketAddr,
    name: &str,
    rtype: Rtype,
    id: u16,
    patience: Duration,
) -> Option<DnsAnswer> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(patience)).unwrap();
    socket.send(&query(name, rtype, id, Some(1_232))).unwrap();
    let mut buffer = [0; 2_048];
    let length = socket.recv(&mut buffer).ok()?;
    assert_eq!(buffer[..2], id.to_be_bytes());
    Some(parsed(&buffer[..length], rtype))
}

/// Asks over UDP, and over TCP where that is truncated.
pub(crate) fn ask(server: SocketAddr, name: &str, rtype: Rtype) -> DnsAnswer {
    let answer = ask_once(server, name, rtype, 7, PATIENCE).unwrap();
    if !answer.truncated {
        return answer;
    }
    ask_tcp(server, name, rtype)
}

pub(crate) fn ask_tcp(server: SocketAddr, name: &str, rtype: Rtype) -> DnsAnswer {
    parsed(&exchange_tcp(server, &query(name, rtype, 9, Some(1_232))), rtype)
}

/// The reply to a query over TCP, as it came.
pub(crate) fn exchange_tcp(server: SocketAddr, query: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.write_all(&u16::try_from(query.len()).unwrap().to_be_bytes()).unwrap();
    stream.write_all(query).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply).unwrap();
    reply
}

/// The addresses of a host, both families.
pub(crate) fn addresses(server: SocketAddr, name: &str) -> Vec<IpAddr> {
    [Rtype::A, Rtype::AAAA]
        .into_iter()
        .flat_map(|rtype| ask(server, name, rtype).records)
        .map(|address| address.parse().unwrap())
        .collect()
}

pub(crate) fn tls_config(roots_pem: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(roots_pem).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// What a policy fetch came to.
#[derive(Debug)]
pub(crate) enum Fetch {
    /// No TCP connection.
    Unconnected(io::ErrorKind),
    /// The handshake failed.
    Tls(io::Error),
    /// The response did not come whole in time.
    TimedOut,
    Response {
        status: u16,
        head: String,
        body: Vec<u8>,
    },
    /// TLS stood, and what came has no head of HTTP's.
    NotHttp(Vec<u8>),
}

/// Fetches the policy at one address, refusing what a usual verifier refuses.
pub(crate) fn fetch(config: &Arc<ClientConfig>, address: SocketAddr, host: &str) -> Fetch {
    let stream = match TcpStream::connect_timeout(&address, IMPATIENCE) {
        Ok(stream) => stream,
        Err(error) => return Fetch::Unconnected(error.kind()),
    };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut tls = StreamOwned::new(ClientConnection::new(Arc::clone(config), name).unwrap(), stream);
    let request = format!(
        "GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: {host}\r\nUser-Agent: a test\r\nConnection: close\r\n\r\n"
    );
    if let Err(error) = tls.write_all(request.as_bytes()).and_then(|()| tls.flush()) {
        return Fetch::Tls(error);
    }
    tls.sock.set_read_timeout(Some(IMPATIENCE)).unwrap();
    let mut response = Vec::new();
    let mut chunk = [0; 4_096];
    loop {
        match tls.read(&mut chunk) {
            Ok(0) => break,
            // Drops of a body: not for a whole deadline.
            Ok(_) if response.len() > 200_000 => return Fetch::TimedOut,
            Ok(read) => response.extend_from_slice(&chunk[..read]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Fetch::TimedOut,
            Err(error) => return Fetch::Tls(error),
        }
    }
    let Some(end) = response.windows(4).position(|w| w == b"\r\n\r\n") else {
        return Fetch::NotHttp(response);
    };
    let body = response.split_off(end + 4);
    let head = String::from_utf8(response).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Fetch::Response { status, head, body }
}

/// What a session came to.
#[derive(Debug, Default)]
pub(crate) struct Session {
    pub(crate) connected: bool,
    pub(crate) refused: bool,
    pub(crate) banner: String,
    pub(crate) ehlo: String,
    pub(crate) starttls: Option<String>,
    /// What the handshake, with a usual verifier, came to.
    pub(crate) handshake: Option<Result<(), String>>,
    pub(crate) leaf: Option<Vec<u8>>,
    pub(crate) ehlo_tls: Option<String>,
}

/// A session with one MX host: greeting, EHLO, STARTTLS, EHLO, QUIT.
pub(crate) fn session(config: &Arc<ClientConfig>, address: SocketAddr, host: &str) -> Session {
    let mut session = Session::default();
    let stream = match TcpStream::connect_timeout(&address, IMPATIENCE) {
        Ok(stream) => stream,
        Err(error) => {
            session.refused = error.kind() == io::ErrorKind::ConnectionRefused;
            return session;
        }
    };
    session.connected = true;
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = BufReader::new(stream);
    session.banner = reply(&mut stream);
    // With 421 the channel is closed (RFC 5321 §4.2.2).
    if session.banner.starts_with("421") {
        return session;
    }
    session.ehlo = command(&mut stream, "EHLO a.test");
    if !session.ehlo.to_ascii_uppercase().contains("STARTTLS") {
        command(&mut stream, "QUIT");
        return session;
    }
    let answer = command(&mut stream, "STARTTLS");
    let ready = answer.starts_with("220");
    session.starttls = Some(answer);
    if !ready {
        command(&mut stream, "QUIT");
        return session;
    }
    let mut socket = stream.into_inner();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut connection = ClientConnection::new(Arc::clone(config), name).unwrap();
    let shaken = connection.complete_io(&mut socket);
    session.leaf = connection.peer_certificates().and_then(|chain| chain.first()).map(|leaf| leaf.to_vec());
    session.handshake = Some(shaken.map(drop).map_err(|error| error.to_string()));
    if session.handshake == Some(Ok(())) {
        let mut tls = BufReader::new(StreamOwned::new(connection, socket));
        session.ehlo_tls = Some(command(&mut tls, "EHLO a.test"));
        assert!(command(&mut tls, "QUIT").starts_with("221"));
    }
    session
}

fn command<S: Read + Write>(stream: &mut BufReader<S>, line: &str) -> String {
    stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
    stream.get_mut().flush().unwrap();
    reply(stream)
}

fn reply(stream: &mut impl BufRead) -> String {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        let last = line.as_bytes().get(3) != Some(&b'-');
        text.push_str(&line);
        if last || line.is_empty() {
            return text;
        }
    }
}
