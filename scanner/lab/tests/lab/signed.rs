//! A world with signed zones, as a resolver that validates tells of it.

use std::net::{SocketAddr, UdpSocket};

use domain::base::iana::{Rcode, Rtype};
use domain::base::{Message, MessageBuilder, Name, RecordData as _};
use domain::rdata::AllRecordData;
use mxray_lab::{Defect, Lab, LabConfig, Names, PlantedDefect, WorldParams};

use crate::client::{self, PATIENCE};

/// What a resolver says of a question, and whether it vouches for it.
#[derive(Debug)]
struct Told {
    rcode: Rcode,
    authenticated: bool,
    /// Why it fails (RFC 8914).
    why: Option<u16>,
    records: Vec<String>,
}

/// Asks for a resolver's word (the AD bit), or that it keep it to itself (`CD`).
fn ask(server: SocketAddr, name: &str, rtype: Rtype, unchecked: bool) -> Told {
    let name: Name<Vec<u8>> = name.parse().unwrap();
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_rd(true);
    builder.header_mut().set_ad(true);
    builder.header_mut().set_cd(unchecked);
    let mut builder = builder.question();
    builder.push((&name, rtype)).unwrap();
    let mut builder = builder.additional();
    builder
        .opt(|opt| {
            opt.set_udp_payload_size(1_232);
            Ok(())
        })
        .unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send(&builder.finish()).unwrap();
    let mut buffer = [0; 2_048];
    let length = socket.recv(&mut buffer).unwrap();
    let bytes = &buffer[..length];
    let message = Message::from_octets(bytes).unwrap();
    Told {
        rcode: message.header().rcode(),
        authenticated: message.header().ad(),
        why: message.opt().unwrap().opt().extended_error().map(|error| error.code().to_int()),
        records: client::parsed(bytes, rtype).records,
    }
}

/// A TLSA record's fields: usage, selector, matching type, and the data in hexadecimal digits.
fn fields(record: &str) -> (u8, u8, u8, &str) {
    let mut words = record.split(' ').filter(|word| *word != "(");
    let mut number = || words.next().unwrap().parse().unwrap();
    let (usage, selector, matching) = (number(), number(), number());
    (usage, selector, matching, words.next().unwrap_or_default())
}

/// Proves that a defect of signatures or of TLSA records is served.
pub(crate) fn is_served(lab: &Lab, defect: Defect, row: &PlantedDefect) {
    let dns = lab.dns_addr();
    let tlsa_name = format!("_25._tcp.{}", row.subject);
    let bogus = |name: &str, rtype| {
        let (checked, unchecked) = (ask(dns, name, rtype, false), ask(dns, name, rtype, true));
        checked.rcode == Rcode::SERVFAIL
            && [Some(6), Some(7)].contains(&checked.why)
            && unchecked.rcode == Rcode::NOERROR
            && !unchecked.records.is_empty()
    };
    let fails =
        |rcode| [true, false].into_iter().all(|cd| ask(dns, &tlsa_name, Rtype::TLSA, cd).rcode == rcode);
    let tlsa = ask(dns, &tlsa_name, Rtype::TLSA, false);
    let first = || fields(&tlsa.records[0]);
    let secure = tlsa.authenticated && !tlsa.records.is_empty();
    let shown = match defect {
        Defect::MxBogus => bogus(&row.domain, Rtype::MX),
        Defect::AddressBogus => bogus(&row.subject, Rtype::A) || bogus(&row.subject, Rtype::AAAA),
        Defect::TlsaBogus => bogus(&tlsa_name, Rtype::TLSA),
        Defect::TlsaServfail => fails(Rcode::SERVFAIL),
        Defect::TlsaRefused => fails(Rcode::REFUSED),
        Defect::TlsaOtherFailure => fails(Rcode::NOTIMP),
        Defect::TlsaUnsignedZone => {
            !ask(dns, &row.subject, Rtype::A, false).authenticated && !tlsa.records.is_empty()
        }
        Defect::TlsaUnsignedAlias => !tlsa.authenticated && !tlsa.records.is_empty(),
        Defect::TlsaPkixUsage => secure && first().0 < 2,
        Defect::TlsaUnknownParameter => secure && (first().0 > 3 || first().1 > 1 || first().2 > 2),
        Defect::TlsaDigestLength => secure && first().3.len() != [0, 64, 128][usize::from(first().2)],
        Defect::TlsaMalformed => secure && first().2 == 0 && !first().3.starts_with("30"),
        Defect::TlsaOfNothing => secure && first().3.to_lowercase().starts_with("e3b0c44298fc1c14"),
        Defect::TlsaWeakerDigest => secure && tlsa.records.len() == 2,
        Defect::TlsaAnchorAbsent | Defect::TlsaAnchorName | Defect::TlsaAnchorPath => {
            secure && first().0 == 2
        }
        // What they are like is seen beside the certificate, which the scanner's tests do.
        Defect::TlsaSelectorOrType
        | Defect::TlsaUsage
        | Defect::TlsaOfAnotherKey
        | Defect::TlsaWithoutStarttls => secure,
        // Of the domain's hosts one has records that count, another has not, or the MX set is not signed.
        Defect::TlsaPartial | Defect::TlsaBehindInsecureMx | Defect::DaneStsConflict => {
            let mx = ask(dns, &row.domain, Rtype::MX, false);
            let hosts = mx.records.iter().map(|record| record.split_once(' ').unwrap().1);
            let found: Vec<bool> = hosts
                .map(|host| ask(dns, &format!("_25._tcp.{host}"), Rtype::TLSA, false))
                .map(|told| told.authenticated && !told.records.is_empty())
                .collect();
            match defect {
                Defect::TlsaPartial => found.contains(&true) && found.contains(&false),
                Defect::TlsaBehindInsecureMx => found.contains(&true) && !mx.authenticated,
                _ => found.contains(&true),
            }
        }
        other => panic!("{other:?}"),
    };
    assert!(shown, "{defect:?}: {row:?}: {tlsa:?}");
}

#[test]
fn the_root_and_what_is_not_there_are_signed_and_the_word_is_given_only_where_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::start(LabConfig::new(folder.path(), 3, WorldParams::clean(), Names::Invented(5))).unwrap();
    let dns = lab.dns_addr();
    assert!(ask(dns, ".", Rtype::NS, false).authenticated);
    assert!(!ask(dns, ".", Rtype::NS, true).authenticated, "who checks for himself gets no word");
    let absent = ask(dns, "absent.test", Rtype::A, false);
    assert_eq!((absent.rcode, absent.authenticated), (Rcode::NXDOMAIN, true));
    let domain = lab.world().name(0).into_owned();
    assert!(!ask(dns, &domain, Rtype::MX, false).authenticated, "nothing is signed in a clean world");
}

#[test]
fn in_a_signed_world_a_resolver_vouches_for_all_that_a_sender_with_dane_asks() {
    let folder = tempfile::tempdir().unwrap();
    let mut params = WorldParams::clean();
    (params.dane.signed, params.dane.operators_signed, params.dane.tlsa) = (1.0, 1.0, 1.0);
    let lab = Lab::start(LabConfig::new(folder.path(), 3, params, Names::Invented(120))).unwrap();
    let dns = lab.dns_addr();
    let mut kinds = std::collections::BTreeSet::new();
    for index in 0..120 {
        let (planted, verdict) = lab.world().truth(index);
        assert_eq!(planted, []);
        assert_eq!((verdict.tlsa, verdict.dane, verdict.dane_attacker), ("all", "authenticated", "nothing"));
        let mx = ask(dns, &verdict.domain, Rtype::MX, false);
        assert!(mx.authenticated);
        for host in mx.records.iter().map(|record| record.split_once(' ').unwrap().1) {
            let addresses = ask(dns, host, Rtype::A, false);
            let tlsa = ask(dns, &format!("_25._tcp.{host}"), Rtype::TLSA, false);
            // Those that are too large for a datagram come over TCP.
            assert!(addresses.authenticated && tlsa.authenticated, "{host}: {tlsa:?}");
            let combination = |record: &String| {
                let (usage, selector, matching, _) = fields(record);
                (usage, selector, matching)
            };
            kinds.extend(tlsa.records.iter().map(combination));
        }
    }
    let wanted = [(3, 1, 1), (3, 1, 2), (3, 0, 1), (2, 1, 1), (2, 0, 1), (1, 1, 1)];
    assert!(wanted.into_iter().all(|kind| kinds.contains(&kind)), "{kinds:?}");
}

/// The types of the records of each section, signatures with what they are over.
fn with_signatures(server: SocketAddr, name: &str, rtype: Rtype) -> (Rcode, Vec<String>, Vec<String>) {
    let name: Name<Vec<u8>> = name.parse().unwrap();
    let mut builder = MessageBuilder::new_vec().question();
    builder.push((&name, rtype)).unwrap();
    let mut builder = builder.additional();
    builder
        .opt(|opt| {
            opt.set_udp_payload_size(1_232);
            opt.set_dnssec_ok(true);
            Ok(())
        })
        .unwrap();
    let bytes = client::exchange_tcp(server, &builder.finish());
    let message = Message::from_octets(bytes.as_slice()).unwrap();
    assert!(message.opt().unwrap().dnssec_ok());
    let shown = |section: domain::base::RecordSection<'_, &[u8]>| {
        let records = section.map(|record| {
            let record = record.unwrap().into_record::<AllRecordData<_, _>>().unwrap().unwrap();
            match record.data() {
                AllRecordData::Rrsig(signature) => format!("RRSIG {}", signature.type_covered()),
                data => data.rtype().to_string(),
            }
        });
        records.collect::<Vec<_>>()
    };
    let (answer, authority) = (message.answer().unwrap(), message.authority().unwrap());
    (message.header().rcode(), shown(answer), shown(authority))
}

#[test]
fn signatures_and_proofs_come_where_they_are_asked_for_and_only_of_what_is_signed() {
    let folder = tempfile::tempdir().unwrap();
    let mut params = WorldParams::clean();
    params.dane.signed = 1.0;
    params.mail.operated = 1.0;
    let lab = Lab::start(LabConfig::new(folder.path(), 3, params, Names::Invented(5))).unwrap();
    let (dns, domain) = (lab.dns_addr(), lab.world().name(0).into_owned());
    let top = domain.split_once('.').unwrap().1;
    let of = |name: &str, rtype| with_signatures(dns, name, rtype);
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<String>>();
    let proof = words(&["SOA", "RRSIG SOA", "NSEC", "RRSIG NSEC"]);

    assert_eq!(of(".", Rtype::DNSKEY).1, ["DNSKEY", "RRSIG DNSKEY"]);
    assert_eq!(of(top, Rtype::DS).1, ["DS", "RRSIG DS"]);
    assert_eq!(of(top, Rtype::DNSKEY).1, ["DNSKEY", "RRSIG DNSKEY"]);
    assert_eq!(of(&domain, Rtype::DS).1, ["DS", "RRSIG DS"]);
    assert_eq!(of(&domain, Rtype::DNSKEY).1, ["DNSKEY", "RRSIG DNSKEY"]);
    let mx = of(&domain, Rtype::MX).1;
    assert_eq!(mx.last().unwrap(), "RRSIG MX");
    assert_eq!(of(&domain, Rtype::AAAA), (Rcode::NOERROR, Vec::new(), proof.clone()));
    let absent = [proof.as_slice(), &words(&["NSEC", "RRSIG NSEC"])].concat();
    assert_eq!(of(&format!("absent.{domain}"), Rtype::A), (Rcode::NXDOMAIN, Vec::new(), absent));
    // The operators' zones are not signed, which the zone above proves.
    assert_eq!(of("post0.example", Rtype::DS), (Rcode::NOERROR, Vec::new(), proof));
    assert_eq!(of("post0.example", Rtype::DNSKEY), (Rcode::NOERROR, Vec::new(), words(&["SOA"])));
    assert_eq!(
        client::ask(dns, &domain, Rtype::MX).records.len(),
        mx.len() - 1,
        "nobody asked for a signature"
    );
}
