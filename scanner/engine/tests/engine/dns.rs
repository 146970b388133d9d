mod failing;

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, NS, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use mxray_engine::bytes::{FromRecord, read_reply};
use mxray_engine::{DnsSettings, DomainLookups, Event, Input, Progress, Resolver, Stop, scan};
use mxray_evidence::{
    AddressRecord, Cause, Ending, Lookup, LookupStatus, Manifest, MxRecord, NsRecord, OwnCause, Stage,
    TxtRecord,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

use crate::bench::{Doors, recorder};
use crate::servers::{SHORT, dns, dns_records, dns_settings, name, record, reply};

fn resolver(resolvers: &[SocketAddr]) -> Resolver {
    Resolver::new(dns_settings(resolvers)).unwrap()
}

fn impatient(resolvers: &[SocketAddr], retries: u32) -> Resolver {
    Resolver::new(DnsSettings { retries, timeout: SHORT, ..dns_settings(resolvers) }).unwrap()
}

fn a(owner: &str, last: u8) -> Record {
    record(owner, RData::A(A(Ipv4Addr::new(192, 0, 2, last))))
}

fn cname(owner: &str, target: &str) -> Record {
    record(owner, RData::CNAME(CNAME(name(target))))
}

fn addresses<T>(lookup: &Lookup<T>, address: impl Fn(&T) -> &str) -> Vec<&str> {
    lookup.records.iter().map(address).collect()
}

#[tokio::test]
async fn mx_hosts_are_lower_case_without_a_last_dot_and_in_the_order_received() {
    let records = vec![
        record("example.com", RData::MX(MX::new(20, name("B.Example.COM.")))),
        record("EXAMPLE.com", RData::MX(MX::new(10, name("a.example.net.")))),
        record("example.com", RData::MX(MX::new(0, Name::root()))),
        record("other.example", RData::MX(MX::new(5, name("not-ours.example.")))),
        record("example.com", RData::NS(NS(name("ns.example.")))),
    ];
    let found = resolver(&[dns_records(ResponseCode::NoError, records).await]).mx("example.com").await;
    let hosts: Vec<_> =
        found.records.iter().map(|mx| (mx.preference, mx.exchange.as_str(), mx.ttl)).collect();
    assert_eq!(hosts, [(20, "b.example.com", 300), (10, "a.example.net", 300), (0, ".", 300)]);
    assert_eq!((found.status(), found.queries, found.tcp), (LookupStatus::Found, 1, false));
    assert!(found.resolver.unwrap().starts_with("127.0.0.1:"));
}

#[tokio::test]
async fn txt_segments_stay_apart_and_binary() {
    let txt = TXT::from_bytes(vec![b"v=STSv1; ", b"", b"id=\xff\x00"]);
    let server = dns_records(ResponseCode::NoError, vec![record("_mta-sts.example", RData::TXT(txt))]).await;
    let found = resolver(&[server]).txt("_mta-sts.example").await;
    let segments: Vec<&[u8]> = found.records[0].segments.iter().map(AsRef::as_ref).collect();
    assert_eq!(segments, [&b"v=STSv1; "[..], b"", b"id=\xff\x00"]);
}

#[tokio::test]
async fn addresses_and_name_servers_are_read() {
    let records = vec![
        a("h.example", 1),
        record("h.example", RData::AAAA(AAAA("2001:DB8:0:0:0::1".parse().unwrap()))),
        record("h.example", RData::NS(NS(name("NS1.example")))),
    ];
    let resolver = resolver(&[dns_records(ResponseCode::NoError, records).await]);
    assert_eq!(addresses(&resolver.a("h.example").await, |r| &r.address), ["192.0.2.1"]);
    assert_eq!(addresses(&resolver.aaaa("h.example").await, |r| &r.address), ["2001:db8::1"]);
    assert_eq!(addresses(&resolver.ns("h.example").await, |r| &r.nameserver), ["ns1.example"]);
}

#[tokio::test]
async fn the_cname_chain_is_kept_in_order_whatever_the_order_of_the_answer() {
    let records = vec![
        a("c.example", 3),
        cname("b.example", "C.example"),
        cname("a.example", "b.example"),
        a("b.example", 9),
    ];
    let resolver = resolver(&[dns_records(ResponseCode::NoError, records).await]);
    let found = resolver.a("A.example").await;
    let chain: Vec<_> = found.cnames.iter().map(|c| (c.owner.as_str(), c.target.as_str())).collect();
    assert_eq!(chain, [("a.example", "b.example"), ("b.example", "c.example")]);
    assert_eq!(addresses(&found, |r| &r.address), ["192.0.2.3"]);
}

#[tokio::test]
async fn a_dangling_chain_is_nxdomain_with_its_chain() {
    let server = dns_records(ResponseCode::NXDomain, vec![cname("mta-sts.a.example", "gone.example")]).await;
    let found = resolver(&[server]).a("mta-sts.a.example").await;
    assert_eq!(found.status(), LookupStatus::NxDomain);
    assert_eq!(found.cnames[0].target, "gone.example");
}

#[tokio::test]
async fn a_cname_loop_ends() {
    let records = vec![cname("a.example", "b.example"), cname("b.example", "a.example")];
    let found = resolver(&[dns_records(ResponseCode::NoError, records).await]).a("a.example").await;
    assert_eq!((found.status(), found.cnames.len()), (LookupStatus::NoData, 2));
}

#[tokio::test]
async fn the_query_asks_for_recursion_and_the_ad_bit_and_no_dnssec_records() {
    let seen: Arc<Mutex<Vec<Message>>> = Arc::default();
    let log = Arc::clone(&seen);
    let server = dns(move |query, _| {
        log.lock().unwrap().push(query.clone());
        let mut answer = reply(query, ResponseCode::NoError, &[]);
        answer.metadata.authentic_data = query.queries[0].name().to_ascii().starts_with("signed");
        vec![answer.to_vec().unwrap()]
    })
    .await;
    let resolver = resolver(&[server]);
    let signed = resolver.mx("signed.example").await;
    assert_eq!((signed.authenticated, signed.status()), (Some(true), LookupStatus::NoData));
    assert_eq!(resolver.mx("plain.example").await.authenticated, Some(false));
    let seen = seen.lock().unwrap();
    let query = &seen[0];
    let edns = query.edns.as_ref().unwrap();
    assert!(query.recursion_desired && query.authentic_data && !query.checking_disabled);
    assert_eq!((edns.max_payload(), edns.flags().dnssec_ok, edns.version()), (1232, false, 0));
    assert_eq!(query.queries[0].query_type(), RecordType::MX);
    assert_ne!(seen[0].id, seen[1].id);
}

#[tokio::test]
async fn a_forged_reply_is_a_stray_and_the_true_one_is_taken() {
    let server = dns(|query, _| {
        let wrong = |change: &dyn Fn(&mut Message)| {
            let mut forged = reply(query, ResponseCode::NoError, &[a("h.example", 66)]);
            change(&mut forged);
            forged.to_vec().unwrap()
        };
        vec![
            wrong(&|m| m.metadata.id ^= 1),
            wrong(&|m| m.queries[0].name = name("other.example")),
            wrong(&|m| m.queries[0].query_type = RecordType::AAAA),
            wrong(&|m| m.metadata.message_type = hickory_proto::op::MessageType::Query),
            wrong(&|m| m.queries.clear()),
            vec![0],
            Vec::new(),
            reply(query, ResponseCode::NoError, &[a("h.example", 1)]).to_vec().unwrap(),
        ]
    })
    .await;
    let resolver = resolver(&[server]);
    let found = resolver.a("h.example").await;
    assert_eq!(addresses(&found, |r| &r.address), ["192.0.2.1"]);
    assert_eq!((resolver.strays(), found.queries), (7, 1));
}

#[tokio::test]
async fn a_reply_from_elsewhere_is_never_seen() {
    let forger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = server.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        let (length, peer) = server.recv_from(&mut buffer).await.unwrap();
        let query = Message::from_vec(&buffer[..length]).unwrap();
        let answer = |last| reply(&query, ResponseCode::NoError, &[a("h.example", last)]).to_vec().unwrap();
        // The forger knows everything but cannot send from the resolver's address.
        forger.send_to(&answer(66), peer).await.unwrap();
        server.send_to(&answer(1), peer).await.unwrap();
    });
    let found = resolver(&[address]).a("h.example").await;
    assert_eq!(addresses(&found, |r| &r.address), ["192.0.2.1"]);
}

#[tokio::test]
async fn what_cannot_be_parsed_is_kept_as_far_as_it_can() {
    let server = dns(|query, _| {
        let sound = reply(query, ResponseCode::NoError, &[a("h.example", 1), a("h.example", 2)]);
        let mut bytes = sound.to_vec().unwrap();
        bytes.truncate(bytes.len() - 3);
        vec![bytes]
    })
    .await;
    let found = resolver(&[server]).a("h.example").await;
    assert_eq!((found.ending.stage(), found.ending.cause()), (Some(Stage::Dns), Some(Cause::Malformed)));
    assert_eq!(addresses(&found, |r| &r.address), ["192.0.2.1"]);
    assert_eq!((found.rcode, found.queries), (Some(0), 3));
}

#[tokio::test]
async fn rfc6891_the_upper_bits_of_the_code_are_read_past_broken_records() {
    let server = dns(|query, _| {
        let mut answer = reply(query, ResponseCode::BADVERS, &[]);
        answer.set_edns(Edns::new());
        vec![answer.to_vec().unwrap()]
    })
    .await;
    let found = resolver(&[server]).a("h.example").await;
    assert_eq!(found.status(), LookupStatus::Failed(16));
}

#[tokio::test]
async fn names_of_odd_bytes_are_asked_for_as_they_are() {
    let server = dns(|query, bytes| {
        assert!(bytes[12..].starts_with(b"\x05a.b\xff\\\x07example\x00"), "{bytes:?}");
        let record =
            Record::from_rdata(query.queries[0].name().clone(), 60, RData::A(A(Ipv4Addr::LOCALHOST)));
        vec![reply(query, ResponseCode::NoError, &[record]).to_vec().unwrap()]
    })
    .await;
    let found = resolver(&[server]).a(r"A\.b\255\\.Example").await;
    assert_eq!((found.records.len(), found.cnames.len()), (1, 0));
}

#[tokio::test]
async fn a_name_that_cannot_be_is_not_asked_for() {
    let (server, asked) = failing::failing(ResponseCode::NoError, 0).await;
    let long = format!("_mta-sts.{}", ["abcdefgh"; 28].join("."));
    let resolver = resolver(&[server]);
    for name in [long.as_str(), "a..example", &format!("{}.example", "x".repeat(64))] {
        let found = resolver.txt(name).await;
        assert!(
            matches!(found.ending, Ending::Withheld { stage: Stage::Dns, cause: OwnCause::NotAsked, .. }),
            "{name}"
        );
        assert_eq!(found.queries, 0);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn too_much_is_cut_and_says_so() {
    let txt = TXT::from_bytes(vec![&[b'x'; 200]; 5]);
    let records: Vec<Record> = (0..40).map(|_| record("t.example", RData::TXT(txt.clone()))).collect();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let socket = UdpSocket::bind(address).await.unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        let (length, peer) = socket.recv_from(&mut buffer).await.unwrap();
        let mut short = reply(&Message::from_vec(&buffer[..length]).unwrap(), ResponseCode::NoError, &[]);
        short.metadata.truncation = true;
        socket.send_to(&short.to_vec().unwrap(), peer).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut query = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut query).await.unwrap();
        let whole =
            reply(&Message::from_vec(&query).unwrap(), ResponseCode::NoError, &records).to_vec().unwrap();
        stream.write_u16(u16::try_from(whole.len()).unwrap()).await.unwrap();
        stream.write_all(&whole).await.unwrap();
    });
    let found = resolver(&[address]).txt("t.example").await;
    assert_eq!(found.ending, Ending::withheld(Stage::Dns, OwnCause::Limit));
    assert_eq!(found.records.len(), 16);
    assert!(!found.is_measured());
}

#[tokio::test]
async fn hundreds_in_flight_each_get_their_own_answer() {
    const LOOKUPS: usize = 3_000;
    // What the server's own receive buffer holds by default.
    const IN_FLIGHT: usize = 200;
    let mut held: Vec<Vec<u8>> = Vec::new();
    let ports: Arc<Mutex<HashSet<u16>>> = Arc::default();
    let seen = Arc::clone(&ports);
    // Answers are held back and given in another order than asked, from a socket that sees where each came from.
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        let mut peers = Vec::new();
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            seen.lock().unwrap().insert(peer.port());
            let query = Message::from_vec(&buffer[..length]).unwrap();
            let asked = query.queries[0].name().to_ascii();
            let number: u32 = asked.trim_start_matches('n').split('.').next().unwrap().parse().unwrap();
            let record = record(&asked, RData::A(A(Ipv4Addr::from_bits(number))));
            held.push(reply(&query, ResponseCode::NoError, &[record]).to_vec().unwrap());
            peers.push(peer);
            if held.len() == 50 {
                for (bytes, peer) in held.drain(..).zip(peers.drain(..)).rev() {
                    socket.send_to(&bytes, peer).await.unwrap();
                }
            }
        }
    });
    let resolver = resolver(&[address]);
    let places = Arc::new(tokio::sync::Semaphore::new(IN_FLIGHT));
    let lookups: Vec<_> = (0..LOOKUPS)
        .map(|number| {
            let (resolver, places) = (resolver.clone(), Arc::clone(&places));
            tokio::spawn(async move {
                let _place = places.acquire().await;
                (number, resolver.a(&format!("n{number}.example")).await)
            })
        })
        .collect();
    for lookup in lookups {
        let (number, found) = lookup.await.unwrap();
        let expected = Ipv4Addr::from_bits(u32::try_from(number).unwrap()).to_string();
        assert_eq!(found.records[0].address, expected);
    }
    assert_eq!((resolver.strays(), ports.lock().unwrap().len()), (0, 4));
}

/// The records of a type at `d.example` in a message, each as text without its names, by hickory's codec; `None` where it
/// cannot read the message.
fn by_hickory(message: &[u8], kind: RecordType) -> Option<Vec<String>> {
    let message = Message::from_vec(message).ok()?;
    let owner = name("d.example");
    let records = message.answers.iter().filter(|record| {
        record.name.eq_ignore_root(&owner) && record.record_type() == kind && record.dns_class == DNSClass::IN
    });
    let text = |record: &Record| match &record.data {
        RData::A(a) => Some(a.0.to_string()),
        RData::AAAA(aaaa) => Some(aaaa.0.to_string()),
        RData::MX(mx) => Some(mx.preference.to_string()),
        RData::NS(_) => Some("a name".to_owned()),
        RData::TXT(txt) => Some(format!("{:?}", txt.txt_data.iter().map(|s| s.to_vec()).collect::<Vec<_>>())),
        _ => None,
    };
    Some(records.filter_map(text).collect())
}

/// The same by the engine.
fn by_engine(message: &[u8], kind: RecordType) -> (Vec<String>, bool) {
    fn read<R: FromRecord>(
        message: &[u8],
        kind: RecordType,
        text: impl Fn(&R) -> String,
    ) -> (Vec<String>, bool) {
        let lookup = read_reply::<R>(message, "d.example", kind.into()).unwrap();
        let is_plain = lookup.ending.is_completed() && lookup.cnames.is_empty();
        (lookup.records.iter().map(text).collect(), is_plain)
    }
    match kind {
        RecordType::MX => read(message, kind, |row: &MxRecord| row.preference.to_string()),
        RecordType::NS => read(message, kind, |_: &NsRecord| "a name".to_owned()),
        RecordType::TXT => read(message, kind, |row: &TxtRecord| {
            format!("{:?}", row.segments.iter().map(|s| s.to_vec()).collect::<Vec<_>>())
        }),
        _ => read(message, kind, |row: &AddressRecord| row.address.to_string()),
    }
}

#[test]
fn what_hickory_reads_of_the_fuzzers_seeds_the_engine_reads_too() {
    const KINDS: [RecordType; 5] =
        [RecordType::MX, RecordType::NS, RecordType::TXT, RecordType::A, RecordType::AAAA];
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/dns_reply");
    let mut compared = 0;
    for seed in std::fs::read_dir(folder).unwrap() {
        let seed = seed.unwrap().path();
        let data = std::fs::read(&seed).unwrap();
        let Some((header, sections)) = data.get(1..).and_then(|rest| rest.split_first_chunk::<10>()) else {
            continue;
        };
        for kind in KINDS {
            let mut message = [&[0, 0][..], header, b"\x01d\x07example\x00"].concat();
            message[2] = message[2] & 0x05 | 0x80;
            message[4..6].copy_from_slice(&[0, 1]);
            message.extend_from_slice(&u16::from(kind).to_be_bytes());
            message.extend_from_slice(&[0, 1]);
            message.extend_from_slice(sections);
            let (ours, is_plain) = by_engine(&message, kind);
            if let Some(theirs) = by_hickory(&message, kind).filter(|_| is_plain) {
                assert_eq!(ours, theirs, "{} as {kind}", seed.display());
                compared += 1;
            }
        }
    }
    assert!(compared > 10, "{compared}");
}

/// A number that a name and a count decide.
fn dice(name: &str, count: u32) -> u32 {
    name.bytes().fold(count.wrapping_mul(0x9e37_79b9), |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[tokio::test]
async fn no_name_is_lost_by_a_resolver_that_loses_one_query_in_twenty() {
    const DOMAINS: usize = 400;
    // Their queries fit into the server's receive buffer.
    const IN_FLIGHT: usize = 40;
    let lost: Arc<AtomicUsize> = Arc::default();
    let count = Arc::clone(&lost);
    let mut asked: std::collections::HashMap<String, u32> = std::collections::HashMap::new();
    let server = dns(move |query, _| {
        let question = query.queries[0].to_string();
        let times = asked.entry(question.clone()).or_default();
        *times += 1;
        if (dice(&question, *times) >> 16).is_multiple_of(20) {
            count.fetch_add(1, Ordering::Relaxed);
            return Vec::new();
        }
        vec![reply(query, ResponseCode::NoError, &[]).to_vec().unwrap()]
    })
    .await;
    let resolver = impatient(&[server], 5);
    let places = Arc::new(tokio::sync::Semaphore::new(IN_FLIGHT));
    let lookups: Vec<_> = (0..DOMAINS)
        .map(|number| {
            let (resolver, places) = (resolver.clone(), Arc::clone(&places));
            tokio::spawn(async move {
                let _place = places.acquire().await;
                resolver.domain(&format!("n{number}.example")).await
            })
        })
        .collect();
    let mut queries = 0;
    for lookup in lookups {
        let DomainLookups { mx, ns, sts_txt, tlsrpt_txt } = lookup.await.unwrap();
        assert!(mx.is_measured() && ns.is_measured() && sts_txt.is_measured() && tlsrpt_txt.is_measured());
        assert_eq!(
            (sts_txt.name.as_str(), tlsrpt_txt.name.as_str()),
            (&*format!("_mta-sts.{}", mx.name), &*format!("_smtp._tls.{}", mx.name))
        );
        queries += usize::from(mx.queries + ns.queries + sts_txt.queries + tlsrpt_txt.queries);
    }
    let lost = lost.load(Ordering::Relaxed);
    assert!(lost > DOMAINS / 10 && queries >= 4 * DOMAINS + lost, "{lost} lost, {queries} sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_says_how_many_replies_answered_nobody() {
    // Every reply comes twice: there is nobody any more to whom the second could go.
    let server = dns(|query, _| vec![reply(query, ResponseCode::NoError, &[]).to_vec().unwrap(); 2]).await;
    let folder = tempfile::tempdir().unwrap();
    let names = folder.path().join("names.txt");
    std::fs::write(&names, "a.example\nb.example\n").unwrap();
    let doors = Doors { dns: server, https: 1, smtp: 1 };
    let config = doors.config(Input::Path(names), &folder.path().join("run"));
    let (events, sink) = recorder();
    let summary = scan(config, Arc::new(Progress::default()), sink, Stop::new()).await.unwrap();
    // The last of them may still have been on its way.
    assert!((7..=8).contains(&summary.stray_replies), "{summary:?}");
    let manifest: Manifest =
        serde_json::from_slice(&std::fs::read(folder.path().join("run/run.json")).unwrap()).unwrap();
    assert_eq!(manifest.stray_replies, summary.stray_replies);
    let events = events.lock().unwrap();
    assert!(events.iter().any(
        |event| matches!(event, Event::Finished { stray_replies, .. } if *stray_replies == summary.stray_replies)
    ));
}

#[tokio::test]
async fn without_a_resolver_there_is_no_asking() {
    assert!(Resolver::new(dns_settings(&[])).is_err());
}
