use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{RData, Record};
use mxray_engine::{Fetched, OptOut, ProbeSettings, fetch_policy};
use mxray_evidence::{Cause, Ending, LookupStatus, OwnCause, PolicyRow, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;

use crate::servers::{
    Identity, SHORT, acceptor, dns, dns_addresses, dns_records, name, net, net_with, read_head,
    refusing_port, reply, server_builder, settings, tcp,
};

const DOMAIN: &str = "a.example";
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const POLICY: &str = "version: STSv1\r\nmode: enforce\r\nmx: mx.a.example\r\nmax_age: 604800\r\n";

async fn fetch_with(server: SocketAddr, tweak: impl FnOnce(&mut ProbeSettings)) -> Fetched {
    let mut settings = settings(server.port());
    tweak(&mut settings);
    fetch_policy(&net(dns_addresses(&[LOCALHOST]).await, settings), DOMAIN).await
}

async fn fetch(server: SocketAddr) -> Fetched {
    fetch_with(server, |_| {}).await
}

fn stopped(row: &PolicyRow) -> (Option<Stage>, Option<Cause>) {
    (row.ending.stage(), row.ending.cause())
}

fn body(row: &PolicyRow) -> &[u8] {
    row.body.as_deref().map_or(b"", Vec::as_slice)
}

/// A policy host that answers the first request of each connection by `serve`.
async fn https<F, T>(serve: F) -> SocketAddr
where
    F: Fn(TlsStream<TcpStream>) -> T + Clone + Send + Sync + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let tls = Identity::self_signed(&["mta-sts.a.example"]).acceptor();
    tcp(move |stream| {
        let (tls, serve) = (tls.clone(), serve.clone());
        async move {
            let mut stream = tls.accept(stream).await.unwrap();
            if read_head(&mut stream).await.is_some() {
                serve(stream).await;
            }
        }
    })
    .await
}

/// Writes, and closes as TLS says one should.
async fn respond(mut stream: TlsStream<TcpStream>, response: &[u8]) {
    let _ = stream.write_all(response).await;
    let _ = stream.shutdown().await;
}

/// A policy host with one answer for all.
async fn answering(response: impl Into<Vec<u8>>) -> SocketAddr {
    let response: Arc<Vec<u8>> = Arc::new(response.into());
    https(move |stream| {
        let response = Arc::clone(&response);
        async move { respond(stream, &response).await }
    })
    .await
}

fn ok(policy: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{policy}", policy.len())
}

#[tokio::test]
async fn rfc8461_3_3_a_policy_is_fetched_whole() {
    let head: Arc<Mutex<String>> = Arc::default();
    let seen = Arc::clone(&head);
    let identity = Identity::self_signed(&["wrong.example"]);
    let tls = identity.acceptor();
    let server = tcp(move |stream| {
        let (tls, seen) = (tls.clone(), Arc::clone(&seen));
        async move {
            let mut stream = tls.accept(stream).await.unwrap();
            assert_eq!(stream.get_ref().1.server_name(), Some("mta-sts.a.example"));
            *seen.lock().unwrap() = read_head(&mut stream).await.unwrap();
            respond(stream, ok(POLICY).as_bytes()).await;
        }
    })
    .await;
    let Fetched { row, certificates } = fetch(server).await;
    assert_eq!((row.domain.as_str(), row.host.as_str()), (DOMAIN, "mta-sts.a.example"));
    assert_eq!((row.status, body(&row), &row.ending), (Some(200), POLICY.as_bytes(), &Ending::Completed));
    assert!(!row.body_truncated);
    assert_eq!(
        (row.headers[0].name.as_str(), row.headers[0].value.as_ref()),
        ("content-type", &b"text/plain"[..])
    );
    assert_eq!((row.connects.len(), &row.connects[0].ending), (1, &Ending::Completed));
    assert_eq!((row.a.status(), row.aaaa.status()), (LookupStatus::Found, LookupStatus::NoData));
    assert_eq!(certificates, [identity.der.to_vec()]);
    assert_eq!(row.tls.unwrap().signature_valid, Some(true));
    let head = head.lock().unwrap().to_ascii_lowercase();
    assert!(head.starts_with("get /.well-known/mta-sts.txt http/1.1\n"), "{head}");
    assert!(head.contains("host: mta-sts.a.example\n") && head.contains("user-agent: mxray/"), "{head}");
}

#[tokio::test]
async fn rfc8461_3_3_a_redirect_is_recorded_and_not_followed() {
    let hits: Arc<Mutex<u32>> = Arc::default();
    let count = Arc::clone(&hits);
    let server = https(move |stream| {
        *count.lock().unwrap() += 1;
        respond(stream, b"HTTP/1.1 301 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
    })
    .await;
    let row = fetch(server).await.row;
    assert_eq!((row.status, &row.ending), (Some(301), &Ending::Completed));
    let location = row.headers.iter().find(|header| header.name == "location").unwrap();
    assert_eq!(location.value.as_ref(), b"/elsewhere");
    assert_eq!(*hits.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_body_of_any_framing_is_read() {
    let chunked = "HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngone\r\n0\r\n\r\n";
    let until_close = "HTTP/1.0 404 No\r\n\r\ngone";
    for response in [chunked, until_close] {
        let row = fetch(answering(response).await).await.row;
        assert_eq!((row.status, body(&row), &row.ending), (Some(404), &b"gone"[..], &Ending::Completed));
        assert!(!row.body_truncated);
    }
    let empty = fetch(answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await).await.row;
    assert_eq!((body(&empty), empty.body.is_some(), empty.body_truncated), (&b""[..], true, false));
}

#[tokio::test]
async fn rfc8461_3_3_a_body_over_the_cap_is_cut() {
    const CAP: usize = 64 << 10;
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n".to_owned() + &"x".repeat(CAP + 1);
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(CAP));
    let chunks = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n");
    for response in [length, chunks, "HTTP/1.1 200 OK\r\n\r\n".to_owned() + &"x".repeat(1 << 20)] {
        let row = fetch(answering(response).await).await.row;
        assert_eq!(stopped(&row), (Some(Stage::Body), Some(Cause::Oversize)));
        assert_eq!((body(&row).len(), row.body_truncated, row.status), (CAP, true, Some(200)));
    }
    let exact = fetch(answering(ok(&"x".repeat(CAP))).await).await.row;
    assert_eq!((body(&exact).len(), exact.body_truncated, &exact.ending), (CAP, false, &Ending::Completed));
}

#[tokio::test]
async fn rfc8461_3_3_a_drip_cannot_stretch_the_deadline_and_is_kept() {
    let server = https(|mut stream| async move {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nversion: ";
        if stream.write_all(head).await.is_err() {
            return;
        }
        while stream.write_all(b"x").await.is_ok() && stream.flush().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let begin = Instant::now();
    let row = fetch_with(server, |settings| settings.policy_timeout = SHORT * 3).await.row;
    assert_eq!(stopped(&row), (Some(Stage::Body), Some(Cause::Timeout)));
    assert!(begin.elapsed() < SHORT * 15);
    assert!(body(&row).starts_with(b"version: x") && row.body_truncated && row.status == Some(200));
}

#[tokio::test]
async fn a_server_that_says_nothing_times_out_at_the_headers() {
    let server = https(|mut stream| async move {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let row = fetch_with(server, |settings| settings.policy_timeout = SHORT * 3).await.row;
    assert_eq!(stopped(&row), (Some(Stage::Headers), Some(Cause::Timeout)));
    assert_eq!((row.status, row.body, row.tls.is_some()), (None, None, true));
}

#[tokio::test]
async fn a_response_cut_short_is_closed_and_kept() {
    let row =
        fetch(answering("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nversion: STSv1").await).await.row;
    assert_eq!(stopped(&row), (Some(Stage::Body), Some(Cause::Closed)));
    assert_eq!((body(&row), row.body_truncated), (&b"version: STSv1"[..], true));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let row = fetch(answering(chunked).await).await.row;
    assert_eq!((stopped(&row), body(&row)), ((Some(Stage::Body), Some(Cause::Closed)), &b"hello"[..]));
    let row = fetch(answering("").await).await.row;
    assert_eq!((stopped(&row), row.status), ((Some(Stage::Headers), Some(Cause::Closed)), None));
    let row = fetch(answering("HTTP/1.1 200 O").await).await.row;
    assert_eq!(stopped(&row), (Some(Stage::Headers), Some(Cause::Closed)));
}

#[tokio::test]
async fn what_is_no_http_is_malformed_and_what_is_too_much_oversize() {
    let row = fetch(answering("220 mx.example ESMTP\r\n\r\n").await).await.row;
    assert_eq!(stopped(&row), (Some(Stage::Headers), Some(Cause::Malformed)));
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nnonsense\r\n";
    let row = fetch(answering(chunks).await).await.row;
    assert_eq!((stopped(&row), body(&row)), ((Some(Stage::Body), Some(Cause::Malformed)), &b"ok"[..]));
    let fields = "X-A: b\r\n".repeat(1_000);
    let row = fetch(answering(format!("HTTP/1.1 200 OK\r\n{fields}\r\n")).await).await.row;
    assert_eq!(stopped(&row), (Some(Stage::Headers), Some(Cause::Oversize)));
    let field = format!("X-A: {}\r\n", "b".repeat(1 << 20));
    let row = fetch(answering(format!("HTTP/1.1 200 OK\r\n{field}\r\n")).await).await.row;
    assert_eq!(stopped(&row), (Some(Stage::Headers), Some(Cause::Oversize)));
}

#[tokio::test]
async fn bad_tls_stops_at_the_handshake() {
    let identity = Identity::self_signed(&["x.example"]);
    let mut config = server_builder(rustls::DEFAULT_VERSIONS)
        .with_no_client_auth()
        .with_single_cert(vec![identity.der.clone()], identity.key.clone_key())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let tls = acceptor(config);
    let server = tcp(move |stream| {
        let tls = tls.clone();
        async move {
            let _ = tls.accept(stream).await;
        }
    })
    .await;
    let row = fetch(server).await.row;
    assert_eq!(stopped(&row), (Some(Stage::Handshake), Some(Cause::TlsAlert)));
    assert_eq!(row.tls.unwrap().alert.as_deref(), Some("no_application_protocol"));

    let in_the_clear =
        tcp(|mut stream| async move { stream.write_all(b"HTTP/1.1 400 Bad\r\n\r\n").await.unwrap() }).await;
    let row = fetch(in_the_clear).await.row;
    assert_eq!(stopped(&row), (Some(Stage::Handshake), Some(Cause::TlsError)));
    assert_eq!(row.connects[0].ending, Ending::Completed);
}

#[tokio::test]
async fn without_an_address_there_is_no_fetch() {
    let nothing = dns_records(ResponseCode::NXDomain, Vec::new()).await;
    let row = fetch_policy(&net(nothing, settings(9)), DOMAIN).await.row;
    assert_eq!(row.ending, Ending::stopped(Stage::Connect, Cause::NoAddress));
    assert_eq!((row.a.status(), row.connects.len()), (LookupStatus::NxDomain, 0));

    let broken = dns_records(ResponseCode::ServFail, Vec::new()).await;
    let row = fetch_policy(&net(broken, settings(9)), DOMAIN).await.row;
    assert_eq!(stopped(&row), (Some(Stage::Dns), Some(Cause::Reply)));
}

#[tokio::test]
async fn every_address_is_tried_in_turn_and_written_down() {
    let server = answering(ok(POLICY)).await;
    let addresses =
        ["10.0.0.1", "127.0.0.77", "::1", "127.0.0.1", "127.0.0.2"].map(|text| text.parse().unwrap());
    let resolver = dns_addresses(&addresses).await;
    let row = fetch_policy(&net(resolver, settings(server.port())), DOMAIN).await.row;
    assert_eq!(row.ending, Ending::Completed);
    let tried: Vec<_> =
        row.connects.iter().map(|connect| (connect.address.as_str(), &connect.ending)).collect();
    let not_routable = Ending::withheld(Stage::Connect, OwnCause::NotRoutable);
    assert_eq!((tried[0], tried[1]), (("10.0.0.1", &not_routable), ("::1", &not_routable)));
    assert_eq!((tried[2].0, tried[2].1.cause()), ("127.0.0.77", Some(Cause::Refused)));
    assert_eq!(tried[3], ("127.0.0.1", &Ending::Completed));
    assert_eq!(tried.len(), 4);
}

#[tokio::test]
async fn refused_everywhere_is_refused_and_not_routable_anywhere_is_withheld() {
    let (port, _held) = refusing_port();
    let mixed = dns_addresses(&["10.0.0.1".parse().unwrap(), LOCALHOST]).await;
    let row = fetch_policy(&net(mixed, settings(port)), DOMAIN).await.row;
    assert_eq!(stopped(&row), (Some(Stage::Connect), Some(Cause::Refused)));
    assert_eq!(row.connects.len(), 2);
    let private = dns_addresses(&["10.0.0.1".parse().unwrap(), "::1".parse().unwrap()]).await;
    let row = fetch_policy(&net(private, settings(port)), DOMAIN).await.row;
    assert_eq!(row.ending, Ending::withheld(Stage::Connect, OwnCause::NotRoutable));
    assert_eq!(row.connects.len(), 2);
}

#[tokio::test]
async fn no_more_addresses_are_tried_than_the_cap() {
    let (port, _held) = refusing_port();
    let many: Vec<IpAddr> = (1..=60).map(|last| IpAddr::from([127, 0, 1, last])).collect();
    let resolver = dns_addresses(&many).await;
    let mut settings = settings(port);
    settings.addresses_max = 5;
    let row = fetch_policy(&net(resolver, settings), DOMAIN).await.row;
    assert_eq!((row.a.records.len(), row.connects.len()), (60, 5));
}

#[tokio::test]
async fn who_opted_out_is_left_alone_by_name_and_by_alias() {
    let asked: Arc<Mutex<u32>> = Arc::default();
    let count = Arc::clone(&asked);
    let resolver = dns(move |query, _| {
        *count.lock().unwrap() += 1;
        let owner = query.queries[0].name().clone();
        let alias = Record::from_rdata(owner, 60, RData::CNAME(CNAME(name("policies.operator.test"))));
        vec![reply(query, ResponseCode::NoError, &[alias]).to_vec().unwrap()]
    })
    .await;
    let list = |text: &str| OptOut::parse(text, Path::new("list")).unwrap();
    let by_name = net_with(resolver, settings(9), list("a.example"));
    let row = fetch_policy(&by_name, DOMAIN).await.row;
    assert_eq!(row.ending, Ending::withheld(Stage::Dns, OwnCause::OptOut));
    assert_eq!((*asked.lock().unwrap(), row.a.queries), (0, 0));
    let by_alias = net_with(resolver, settings(9), list("operator.test"));
    let row = fetch_policy(&by_alias, DOMAIN).await.row;
    assert_eq!(row.ending, Ending::withheld(Stage::Connect, OwnCause::OptOut));
}
