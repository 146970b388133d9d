//! A scanner that stands still: what ends meanwhile is not the other side's doing.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use mxray_engine::{Net, Resolver, fetch_policy, probe_smtp};
use mxray_evidence::{Cause, Ending, OwnCause, Stage};
use tokio::io::AsyncReadExt;

use crate::servers::{dns, dns_addresses, dns_settings, net, settings, tcp};

const PATIENCE: Duration = Duration::from_millis(1500);
/// Longer than a deadline, within the test's own thread: nothing else of the runtime goes on.
const STALL: Duration = Duration::from_secs(3);
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

async fn silent() -> SocketAddr {
    tcp(|mut stream| async move {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await
}

fn net_of(resolver: SocketAddr, server: SocketAddr) -> Net {
    let mut settings = settings(server.port());
    (settings.policy_timeout, settings.smtp_timeout) = (PATIENCE, PATIENCE);
    net(resolver, settings)
}

/// Lets an exchange begin, and stands still until its deadline has passed.
async fn stalled<T>(exchange: impl Future<Output = T>) -> T {
    let stall = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        std::thread::sleep(STALL);
    };
    tokio::join!(exchange, stall).0
}

fn own(ending: &Ending) -> Option<(Stage, OwnCause)> {
    Some((ending.stage()?, ending.own_cause()?))
}

#[tokio::test]
async fn a_session_whose_deadline_passes_in_a_stall_is_withheld_and_otherwise_a_timeout() {
    let net = net_of(dns(|_, _| Vec::new()).await, silent().await);
    let row = stalled(probe_smtp(&net, "mx.example", LOCALHOST)).await.row;
    assert_eq!(own(&row.ending), Some((Stage::Banner, OwnCause::Stalled)), "{:?}", row.ending);

    let row = probe_smtp(&net, "mx.example", LOCALHOST).await.row;
    assert_eq!(row.ending, Ending::stopped(Stage::Banner, Cause::Timeout), "the stall is over");
}

#[tokio::test]
async fn a_policy_fetch_whose_deadline_passes_in_a_stall_is_withheld_and_otherwise_a_timeout() {
    let net = net_of(dns_addresses(&[LOCALHOST]).await, silent().await);
    let row = Box::pin(stalled(fetch_policy(&net, "d.example"))).await.row;
    assert_eq!(own(&row.ending), Some((Stage::Handshake, OwnCause::Stalled)), "{:?}", row.ending);

    let row = fetch_policy(&net, "d.example").await.row;
    assert_eq!(row.ending, Ending::stopped(Stage::Handshake, Cause::Timeout), "the stall is over");
}

#[tokio::test]
async fn a_lookup_that_a_stall_left_without_an_answer_is_withheld_and_otherwise_a_timeout() {
    let mut settings = dns_settings(&[dns(|_, _| Vec::new()).await]);
    (settings.timeout, settings.retries) = (PATIENCE, 0);
    let resolver = Resolver::new(settings).unwrap();
    let lookup = stalled(resolver.ns("d.example")).await;
    assert_eq!(own(&lookup.ending), Some((Stage::Dns, OwnCause::Stalled)), "{:?}", lookup.ending);

    let lookup = resolver.ns("d.example").await;
    assert_eq!(lookup.ending, Ending::stopped(Stage::Dns, Cause::Timeout), "the stall is over");
}
