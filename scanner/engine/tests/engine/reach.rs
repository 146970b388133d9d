//! Where no scan may go, and where this machine cannot: evidence, and never a probe.

use std::net::{IpAddr, Ipv6Addr};
use std::process::Command;
use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{A, AAAA, MX, TXT};
use hickory_proto::rr::{RData, Record, RecordType};
use mxray_engine::{AddressGate, Event, Net, OptOut, Progress, ScanConfig, Stop, probe_smtp, scan};
use mxray_evidence::{
    DomainRow, Ending, LookupStatus, MailHostRow, OwnCause, PolicyRow, RunDir, SmtpSessionRow, Stage,
};
use mxray_lab::WorldParams;
use parquet::record::Row;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::bench::{Bench, Doors, recorder, rows, runtime};
use crate::servers::{dns, dns_settings, name, reply, settings};

#[test]
fn a_scan_that_may_go_nowhere_writes_down_every_address_and_knocks_at_none() {
    let bench = Bench::new(40, WorldParams::clean());
    let config = ScanConfig { allow_nets: Vec::new(), ..bench.config(bench.names(), "run") };
    bench.scan(config).expect("a scan");
    let run = bench.out("run");
    let not_routable = Ending::withheld(Stage::Connect, OwnCause::NotRoutable);
    let (hosts, sessions) = (rows::<MailHostRow>(&run), rows::<SmtpSessionRow>(&run));
    let addresses: usize = hosts.iter().map(|host| host.a.records.len() + host.aaaa.records.len()).sum();
    assert!(addresses > 0 && addresses == sessions.len(), "{addresses}, {}", sessions.len());
    assert!(sessions.iter().all(|row| row.ending == not_routable && row.replies.is_empty()), "{sessions:?}");
    let policies = rows::<PolicyRow>(&run);
    assert!(policies.iter().any(|row| row.a.status() == LookupStatus::Found), "{policies:?}");
    for row in policies.iter().filter(|row| row.a.status() == LookupStatus::Found) {
        assert!(row.ending == not_routable && row.connects.len() == row.a.records.len(), "{row:?}");
    }
    assert_eq!(rows::<DomainRow>(&run).len(), 40);
    let ledgers = bench.stop();
    for name in ["smtp.parquet", "https.parquet"] {
        assert!(ledgers.read(name, Row::to_string).is_empty(), "somebody came: {name}");
    }
    assert!(!ledgers.read("dns.parquet", Row::to_string).is_empty());
}

#[tokio::test]
async fn an_address_of_ipv6_is_probed_as_one_of_ipv4_is() {
    let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await else {
        eprintln!("SKIPPED: this machine has no ::1");
        return;
    };
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"554 no\r\n").await.unwrap();
    });
    let gate = AddressGate { allow: vec!["::1/128".parse().unwrap()], opt_out: Vec::new() };
    let nobody = dns_settings(&["127.0.0.1:9".parse().unwrap()]);
    let net = Net::new(nobody, gate, OptOut::default(), settings(port)).unwrap();
    let row = probe_smtp(&net, "mx.example", IpAddr::V6(Ipv6Addr::LOCALHOST)).await.row;
    assert_eq!(row.replies[0].code, Some(554));
}

/// Nobody's, and global: nothing is sent to it from where there is no way.
const ELSEWHERE: Ipv6Addr = Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0x25);

/// `d.example`: an MX host and a policy host that have addresses of IPv6 alone, but for `both.d.example`.
async fn a_domain_of_ipv6() -> std::net::SocketAddr {
    dns(|query, _| {
        let question = &query.queries[0];
        let asked = question.name().to_ascii();
        let data: Vec<RData> = match (asked.trim_end_matches('.'), question.query_type()) {
            ("d.example", RecordType::MX) => {
                ["mx.d.example", "both.d.example"].map(|host| RData::MX(MX::new(10, name(host)))).to_vec()
            }
            ("_mta-sts.d.example", RecordType::TXT) => {
                vec![RData::TXT(TXT::new(vec!["v=STSv1; id=1;".to_owned()]))]
            }
            ("mx.d.example" | "both.d.example" | "mta-sts.d.example", RecordType::AAAA) => {
                vec![RData::AAAA(AAAA(ELSEWHERE))]
            }
            ("both.d.example", RecordType::A) => vec![RData::A(A([10, 0, 0, 1].into()))],
            _ => Vec::new(),
        };
        let records: Vec<Record> =
            data.into_iter().map(|data| Record::from_rdata(question.name().clone(), 60, data)).collect();
        vec![reply(query, ResponseCode::NoError, &records).to_vec().unwrap()]
    })
    .await
}

#[test]
#[ignore = "the child of `without_a_way_to_ipv6_it_is_said_once_and_nobody_is_blamed`, in a network of its own"]
fn child() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list");
    std::fs::write(&list, "d.example\n").unwrap();
    let (events, sink) = recorder();
    let run = folder.path().join("run");
    runtime().block_on(async {
        let doors = Doors { dns: a_domain_of_ipv6().await, https: 9, smtp: 9 };
        let config = doors.config(mxray_engine::Input::Path(list), &run);
        scan(config, Arc::new(Progress::default()), sink, Stop::new()).await.unwrap();
    });
    let warnings: Vec<String> = events
        .lock()
        .unwrap()
        .iter()
        .filter_map(|event| match event {
            Event::Warning { message } if message.contains("IPv6") => Some(message.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(RunDir::new(&run).read_manifest().unwrap().ipv6, Some(false));
    let sessions = rows::<SmtpSessionRow>(&run);
    for row in &sessions {
        let cause = if row.address.contains(':') { OwnCause::NoRoute } else { OwnCause::NotRoutable };
        assert!(
            matches!(row.ending, Ending::Withheld { stage: Stage::Connect, cause: found, .. } if found == cause),
            "{row:?}"
        );
    }
    assert_eq!(sessions.len(), 3);
    let policy = &rows::<PolicyRow>(&run)[0];
    let no_route = |ending: &Ending| matches!(ending, Ending::Withheld { cause: OwnCause::NoRoute, .. });
    assert!(no_route(&policy.ending) && no_route(&policy.connects[0].ending), "{policy:?}");
}

#[test]
fn without_a_way_to_ipv6_it_is_said_once_and_nobody_is_blamed() {
    let isolated = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--net", "sh", "-c", script]);
        command
    };
    if !isolated("ip link set lo up").output().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: no network of its own is to be had here (unshare, ip)");
        return;
    }
    let child = isolated("ip link set lo up && exec \"$0\" --exact reach::child --ignored --nocapture")
        .arg(std::env::current_exe().unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
}
