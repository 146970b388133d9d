//! Resolvers that cut short, fail, refuse, and are silent.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::Record;
use hickory_proto::rr::rdata::opt::EdnsOption;
use mxray_engine::{DnsSettings, Resolver};
use mxray_evidence::{Cause, Ending, LookupStatus, Security, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

use super::{a, impatient, resolver};
use crate::servers::{dns, dns_records, dns_settings, reply};

/// A server whose UDP answers are truncated to one record, and whose TCP does as told.
async fn truncating(over_tcp: bool) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let socket = UdpSocket::bind(address).await.unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let query = Message::from_vec(&buffer[..length]).unwrap();
            let mut answer = reply(&query, ResponseCode::NoError, &[a("h.example", 1)]);
            answer.metadata.truncation = true;
            socket.send_to(&answer.to_vec().unwrap(), peer).await.unwrap();
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let length = stream.read_u16().await.unwrap();
            let mut query = vec![0; usize::from(length)];
            stream.read_exact(&mut query).await.unwrap();
            if !over_tcp {
                continue;
            }
            let query = Message::from_vec(&query).unwrap();
            let records: Vec<Record> = (1..=200).map(|last| a("h.example", last)).collect();
            let answer = reply(&query, ResponseCode::NoError, &records).to_vec().unwrap();
            let (one, other) = answer.split_at(700);
            stream.write_u16(u16::try_from(answer.len()).unwrap()).await.unwrap();
            stream.write_all(one).await.unwrap();
            stream.write_all(other).await.unwrap();
        }
    });
    address
}

#[tokio::test]
async fn rfc7766_a_truncated_answer_is_asked_for_again_over_tcp() {
    let found = resolver(&[truncating(true).await]).a("h.example").await;
    assert_eq!((found.records.len(), found.tcp, found.queries), (200, true, 2));
    assert_eq!(found.status(), LookupStatus::Found);
}

#[tokio::test]
async fn what_a_truncated_answer_held_is_kept_when_tcp_fails() {
    let found = impatient(&[truncating(false).await], 0).a("h.example").await;
    assert_eq!((found.records.len(), found.tcp, found.queries), (1, false, 2));
    assert_eq!((found.ending.stage(), found.ending.cause()), (Some(Stage::Dns), Some(Cause::Closed)));
    assert_eq!((found.status(), found.rcode), (LookupStatus::Unanswered, Some(0)));
}

/// Counts its queries; the code for the first ones, then an answer.
pub(super) async fn failing(code: ResponseCode, times: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let asked: Arc<AtomicUsize> = Arc::default();
    let count = Arc::clone(&asked);
    let server = dns(move |query, _| {
        let code = if count.fetch_add(1, Ordering::Relaxed) < times { code } else { ResponseCode::NoError };
        vec![reply(query, code, &[a("h.example", 1)]).to_vec().unwrap()]
    })
    .await;
    (server, asked)
}

#[tokio::test]
async fn a_servfail_is_asked_once_more_and_then_recorded() {
    let (flaky, _) = failing(ResponseCode::ServFail, 1).await;
    let found = resolver(&[flaky]).a("h.example").await;
    assert_eq!((found.status(), found.queries), (LookupStatus::Found, 2));
    // A SERVFAIL is also asked about with validation off.
    for (code, queries) in [(ResponseCode::ServFail, 3), (ResponseCode::Refused, 2)] {
        let (broken, asked) = failing(code, usize::MAX).await;
        let found = resolver(&[broken]).a("h.example").await;
        assert_eq!(found.status(), LookupStatus::Failed(code.into()));
        let asked = asked.load(Ordering::Relaxed);
        assert_eq!((found.ending, usize::from(found.queries), asked), (Ending::Completed, queries, queries));
    }
}

#[tokio::test]
async fn rfc4035_3_2_2_what_does_not_validate_is_told_from_what_cannot_be_had() {
    let answering = |unchecked: ResponseCode| {
        dns(move |query, _| {
            let code = if query.metadata.checking_disabled { unchecked } else { ResponseCode::ServFail };
            vec![reply(query, code, &[a("h.example", 1)]).to_vec().unwrap()]
        })
    };
    let cases =
        [(ResponseCode::NoError, true), (ResponseCode::NXDomain, true), (ResponseCode::ServFail, false)];
    for (code, is_bogus) in cases {
        let found = resolver(&[answering(code).await]).a("h.example").await;
        assert_eq!((found.status(), found.unchecked_rcode), (LookupStatus::Failed(2), Some(code.into())));
        assert_eq!((found.is_bogus(), found.records.len(), found.queries), (is_bogus, 1, 3));
    }
    let sound = resolver(&[dns_records(ResponseCode::NoError, vec![a("h.example", 1)]).await]);
    assert_eq!(sound.a("h.example").await.unchecked_rcode, None);
}

#[tokio::test]
async fn rfc8914_extended_errors_are_kept_and_tell_bogus_from_indeterminate() {
    use ResponseCode::{NXDomain, NoError, ServFail};
    // The code with validation on and off, the extended errors beside them, and whether there is an AD bit.
    let answering = |codes: [ResponseCode; 2], errors: [Option<u16>; 2], authentic: bool| {
        dns(move |query, _| {
            let place = usize::from(query.metadata.checking_disabled);
            let mut reply = reply(query, codes[place], &[a("h.example", 1)]);
            reply.metadata.authentic_data = authentic;
            let mut edns = Edns::new();
            if let Some(code) = errors[place] {
                let data = [&code.to_be_bytes()[..], b"words"].concat();
                edns.options_mut().insert(EdnsOption::Unknown(15, data));
            }
            reply.set_edns(edns);
            vec![reply.to_vec().unwrap()]
        })
    };
    for (codes, errors, authentic, security, kept) in [
        ([NoError, NoError], [None, None], true, Security::Secure, &[][..]),
        // What it met on the way to what it could prove.
        ([NoError, NoError], [Some(6), None], true, Security::Secure, &[(6, false)]),
        ([NXDomain, NoError], [None, None], false, Security::Insecure, &[]),
        ([NoError, NoError], [Some(1), None], false, Security::Insecure, &[(1, false)]),
        ([NoError, NoError], [Some(7), None], false, Security::Bogus, &[(7, false)]),
        ([NoError, NoError], [Some(5), None], false, Security::Indeterminate, &[(5, false)]),
        ([ServFail, NoError], [Some(9), None], false, Security::Bogus, &[(9, false)]),
        ([ServFail, NoError], [None, Some(10)], false, Security::Bogus, &[(10, true)]),
        ([ServFail, NoError], [Some(22), None], false, Security::Indeterminate, &[(22, false)]),
        (
            [ServFail, ServFail],
            [Some(22), Some(22)],
            false,
            Security::Indeterminate,
            &[(22, false), (22, true)],
        ),
        ([ServFail, ServFail], [Some(6), None], false, Security::Bogus, &[(6, false)]),
    ] {
        let found = resolver(&[answering(codes, errors, authentic).await]).a("h.example").await;
        let got: Vec<_> = found.extended_errors.iter().map(|error| (error.code, error.unchecked)).collect();
        assert_eq!((found.security, got.as_slice()), (Some(security), kept), "{codes:?} {errors:?}");
        assert!(found.extended_errors.iter().all(|error| error.text.as_slice() == b"words"));
    }
}

#[tokio::test]
async fn of_a_resolver_that_is_not_believed_every_answer_is_indeterminate() {
    let server = dns_records(ResponseCode::NoError, vec![a("h.example", 1)]).await;
    let settings = DnsSettings { validating: false, ..dns_settings(&[server]) };
    let found = Resolver::new(settings).unwrap().a("h.example").await;
    assert_eq!((found.status(), found.security), (LookupStatus::Found, Some(Security::Indeterminate)));
    let nobody = dns(|_, _| Vec::new()).await;
    let silent = impatient(&[nobody], 0);
    assert_eq!(silent.a("h.example").await.security, None, "there is no answer");
}

#[tokio::test]
async fn a_servfail_is_asked_of_another_resolver() {
    let (broken, _) = failing(ResponseCode::ServFail, usize::MAX).await;
    let (sound, _) = failing(ResponseCode::ServFail, 0).await;
    let resolver = resolver(&[broken, sound]);
    for _ in 0..4 {
        let found = resolver.a("h.example").await;
        assert_eq!((found.status(), found.resolver), (LookupStatus::Found, Some(sound.to_string().into())));
    }
}

#[tokio::test]
async fn a_later_silence_does_not_unsay_a_servfail() {
    let mut first = true;
    let server = dns(move |query, _| {
        let reply = reply(query, ResponseCode::ServFail, &[]).to_vec().unwrap();
        if std::mem::take(&mut first) { vec![reply] } else { Vec::new() }
    })
    .await;
    let found = impatient(&[server], 1).a("h.example").await;
    assert_eq!((found.status(), found.queries, found.unchecked_rcode), (LookupStatus::Failed(2), 4, None));
}

#[tokio::test]
async fn a_lost_query_without_validation_is_sent_again_as_often_as_any() {
    for (lost, queries, code) in [(0, 3, Some(0)), (1, 4, Some(0)), (2, 5, Some(0)), (3, 5, None)] {
        let mut left = lost;
        let lossy = dns(move |query, _| {
            if !query.metadata.checking_disabled {
                return vec![reply(query, ResponseCode::ServFail, &[]).to_vec().unwrap()];
            }
            if left > 0 {
                left -= 1;
                return Vec::new();
            }
            vec![reply(query, ResponseCode::NoError, &[a("h.example", 1)]).to_vec().unwrap()]
        })
        .await;
        let found = impatient(&[lossy], 2).a("h.example").await;
        assert_eq!((found.status(), found.unchecked_rcode), (LookupStatus::Failed(2), code), "{lost} lost");
        assert_eq!((found.queries, found.is_bogus()), (queries, code.is_some()), "{lost} lost");
    }
}

#[tokio::test]
async fn a_resolver_that_has_died_is_not_asked_again_without_validation() {
    let server = dns(|query, _| {
        let is_servfail = query.queries[0].name().to_ascii().starts_with('h');
        if is_servfail && !query.metadata.checking_disabled {
            return vec![reply(query, ResponseCode::ServFail, &[]).to_vec().unwrap()];
        }
        Vec::new()
    })
    .await;
    let resolver = impatient(&[server], 20);
    // Many more find no answer meanwhile, and wait for the resolver to come back.
    for n in 0..32 {
        let resolver = resolver.clone();
        tokio::spawn(async move { resolver.a(&format!("{n}.example")).await });
    }
    let found = resolver.a("h.example").await;
    assert_eq!((found.status(), found.unchecked_rcode), (LookupStatus::Failed(2), None));
    assert!(found.queries < 2 + 21, "{} queries", found.queries);
}

#[tokio::test]
async fn a_lost_query_is_sent_again_and_silence_is_a_timeout() {
    let mut lost = 0;
    let lossy = dns(move |query, _| {
        lost += 1;
        if lost % 2 == 1 {
            return Vec::new();
        }
        vec![reply(query, ResponseCode::NoError, &[a("h.example", 1)]).to_vec().unwrap()]
    })
    .await;
    let found = impatient(&[lossy], 1).a("h.example").await;
    assert_eq!((found.status(), found.queries), (LookupStatus::Found, 2));
    let silent = dns(|_, _| Vec::new()).await;
    let nothing = impatient(&[silent], 2).a("h.example").await;
    assert_eq!(nothing.ending, Ending::stopped(Stage::Dns, Cause::Timeout));
    assert_eq!(nothing.status(), LookupStatus::Unanswered);
    assert_eq!((nothing.queries, nothing.resolver, nothing.rcode), (3, None, None));
}

#[tokio::test]
async fn a_silent_resolver_is_passed_over_for_the_next() {
    let silent = dns(|_, _| Vec::new()).await;
    let (sound, _) = failing(ResponseCode::NoError, 0).await;
    let resolver = impatient(&[silent, sound], 1);
    let (one, other) = tokio::join!(resolver.a("h.example"), resolver.a("h.example"));
    assert!(one.is_measured() && other.is_measured());
    assert_eq!(one.queries + other.queries, 3);
}

#[tokio::test]
async fn rfc1122_a_refused_port_is_refused_and_not_a_timeout() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let nobody = socket.local_addr().unwrap();
    drop(socket);
    let found = impatient(&[nobody], 1).a("h.example").await;
    assert_eq!((found.ending.stage(), found.ending.cause()), (Some(Stage::Dns), Some(Cause::Refused)));
    assert_eq!(found.queries, 2);
}
