//! The servers, in a clean world.

use std::net::SocketAddr;

use client::{ask, ask_once, ask_tcp, session};
use domain::base::iana::{Rcode, Rtype};
use mxray_lab::{Lab, LabConfig, Names, WorldParams};

use crate::client;

fn lab(params: WorldParams, domains: u64) -> (tempfile::TempDir, Lab) {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::start(LabConfig::new(folder.path(), 1, params, Names::Invented(domains))).unwrap();
    (folder, lab)
}

#[tokio::test]
async fn a_clean_world_serves_a_record_a_policy_and_mail_hosts_with_valid_certificates() {
    let (_folder, lab) = lab(WorldParams::clean(), 20);
    let config = client::tls_config(&lab.ca_pem_path());
    for index in 0..lab.world().domains() {
        let name = lab.world().name(index).into_owned();
        let record = ask(lab.dns_addr(), &format!("_mta-sts.{name}"), Rtype::TXT);
        assert!(record.texts.iter().any(|text| text.starts_with("v=STSv1;")), "{record:?}");
        let report = ask(lab.dns_addr(), &format!("_smtp._tls.{name}"), Rtype::TXT);
        assert!(report.texts[0].starts_with("v=TLSRPTv1;"), "{report:?}");
        let host = format!("mta-sts.{name}");
        for address in client::addresses(lab.dns_addr(), &host) {
            let fetched = client::fetch(&config, SocketAddr::new(address, lab.https_port()), &host);
            let client::Fetch::Response { status: 200, body, .. } = fetched else { panic!("{fetched:?}") };
            assert!(String::from_utf8(body).unwrap().contains("mode:"));
        }
        for record in ask(lab.dns_addr(), &name, Rtype::MX).records {
            let host = record.split_once(' ').unwrap().1;
            let addresses = client::addresses(lab.dns_addr(), host);
            assert!(!addresses.is_empty(), "{host}");
            for address in addresses {
                let seen = session(&config, SocketAddr::new(address, lab.smtp_port()), host);
                assert_eq!(seen.handshake, Some(Ok(())), "{host}: {seen:?}");
                assert!(!seen.ehlo_tls.unwrap().contains("STARTTLS"));
            }
        }
    }
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn names_that_do_not_exist_and_types_that_do_not_are_told_apart_with_an_soa() {
    let (_folder, lab) = lab(WorldParams::clean(), 20);
    let name = lab.world().name(3).into_owned();
    let missing = ask(lab.dns_addr(), &format!("no-such-host.{name}"), Rtype::A);
    assert_eq!((missing.rcode, missing.has_soa), (Rcode::NXDOMAIN, true));
    let empty = ask(lab.dns_addr(), &name, Rtype::TXT);
    assert_eq!((empty.rcode, empty.has_soa, empty.texts.len()), (Rcode::NOERROR, true, 0));
    assert_eq!(ask(lab.dns_addr(), "elsewhere.invalid", Rtype::MX).rcode, Rcode::NXDOMAIN);
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn a_truncated_answer_is_whole_over_tcp() {
    let mut params = WorldParams::clean();
    params.dns.truncation = 1.0;
    let (_folder, lab) = lab(params, 5);
    let name = lab.world().name(0).into_owned();
    let udp = ask_once(lab.dns_addr(), &name, Rtype::MX, 1, client::PATIENCE).unwrap();
    assert!(udp.truncated && udp.records.is_empty());
    assert!(!ask_tcp(lab.dns_addr(), &name, Rtype::MX).records.is_empty());
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn a_lost_query_is_answered_when_it_is_repeated() {
    let mut params = WorldParams::clean();
    params.dns.loss = 0.5;
    let (_folder, lab) = lab(params, 5);
    let name = lab.world().name(0).into_owned();
    let patience = std::time::Duration::from_millis(100);
    let answered =
        (0..20).filter(|id| ask_once(lab.dns_addr(), &name, Rtype::MX, *id, patience).is_some()).count();
    assert!((3..=17).contains(&answered), "{answered} of 20");
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn a_world_in_the_same_folder_shows_the_same_certificates_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut leaves = Vec::new();
    for _ in 0..2 {
        let config = LabConfig::new(folder.path(), 1, WorldParams::clean(), Names::Invented(5));
        let lab = Lab::start(config).unwrap();
        let tls = client::tls_config(&lab.ca_pem_path());
        let mx = ask(lab.dns_addr(), &lab.world().name(0), Rtype::MX).records.remove(0);
        let host = mx.split_once(' ').unwrap().1;
        let address = client::addresses(lab.dns_addr(), host)[0];
        leaves.push(session(&tls, SocketAddr::new(address, lab.smtp_port()), host).leaf.unwrap());
        lab.stop().await.unwrap();
    }
    assert_eq!(leaves[0], leaves[1]);
}
