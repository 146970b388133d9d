//! Names that belong to no world and are nothing but trouble, for whoever wants to see that they hold up nobody else.
//!
//! | domain | its MX host | which is |
//! |---|---|---|
//! | `tarpit-<n>.example` | `mx.tarpit-<n>.example` | at one of 8,128 addresses that take a connection and, as MX hosts, say a word every ten seconds, for ever |
//! | `swamp-<n>.example` | `mx-<n>.swamp.example` | the same, and all of them one operator's |
//! | `crowd-<n>.example` | `mx-<n>.crowd.example` | one of any number at one address, each with a certificate of its own |
//! | `void-<n>.example` | `mx.void-<n>.example` | in 10.66.0.0/16, which whoever looks for trouble has made a black hole |
//!
//! A tarpit has an `_mta-sts` TXT and a policy host at the same address. Tarpits whose numbers are the same modulo 32 share a
//! /24, and modulo 8,128 an address.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::listener::{Stop, stopped};
use crate::zone::{Answer, Data, Kind};

/// Where the crowd is.
pub(crate) const CROWD: Ipv4Addr = Ipv4Addr::new(127, 0, 220, 1);
/// The name of whoever serves the crowd.
pub(crate) const CROWD_NAME: &str = "crowd.example";
/// The first /24 of the tarpits, and how many there are.
const TARPITS: (u8, u32) = (224, 32);
/// A tarpit says a word so often.
const WORD_EVERY: Duration = Duration::from_secs(10);

/// What DNS says of a name that is trouble; `None` for others.
pub(crate) fn answer(name: &str, kind: Kind) -> Option<Answer> {
    let rest = name.strip_suffix(".example")?;
    if rest.strip_suffix(".crowd").is_some_and(|host| number(host, "mx-").is_some()) {
        return Some(Answer::typed(kind, Kind::A, || vec![Data::A(CROWD)]));
    }
    if let Some(number) = rest.strip_suffix(".swamp").and_then(|host| number(host, "mx-")) {
        return Some(Answer::typed(kind, Kind::A, || vec![Data::A(tarpit(number))]));
    }
    let (host, domain) = rest.rsplit_once('.').map_or(("", rest), |(host, domain)| (host, domain));
    if let Some(number) = number(domain, "crowd-") {
        return Some(match host {
            "" => mx(kind, format!("mx-{number}.crowd.example")),
            _ => Answer::nxdomain(),
        });
    }
    if let Some(number) = number(domain, "swamp-") {
        return Some(match host {
            "" => mx(kind, format!("mx-{number}.swamp.example")),
            _ => Answer::nxdomain(),
        });
    }
    if let Some(number) = number(domain, "tarpit-") {
        let address = || vec![Data::A(tarpit(number))];
        return Some(match host {
            "" => mx(kind, format!("mx.{name}")),
            "mx" | "mta-sts" => Answer::typed(kind, Kind::A, address),
            "_mta-sts" => {
                Answer::typed(kind, Kind::Txt, || vec![Data::Txt(vec![b"v=STSv1; id=1;".to_vec()])])
            }
            _ => Answer::nxdomain(),
        });
    }
    let number = number(domain, "void-")?;
    Some(match host {
        "" => mx(kind, format!("mx.{name}")),
        "mx" => Answer::typed(kind, Kind::A, || vec![Data::A(void(number))]),
        _ => Answer::nxdomain(),
    })
}

fn mx(kind: Kind, host: String) -> Answer {
    Answer::typed(kind, Kind::Mx, || vec![Data::Mx(10, host)])
}

/// The number behind a word, written without noughts before it.
fn number(label: &str, word: &str) -> Option<u32> {
    let digits = label.strip_prefix(word)?;
    let number: u32 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

fn tarpit(number: u32) -> Ipv4Addr {
    let (first, networks) = TARPITS;
    Ipv4Addr::new(127, 0, first + (number % networks) as u8, 1 + (number / networks % 254) as u8)
}

fn void(number: u32) -> Ipv4Addr {
    Ipv4Addr::new(10, 66, (number % 256) as u8, 1 + (number / 256 % 254) as u8)
}

/// Whether a tarpit has the address.
pub(crate) fn is_tarpit(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    (a, b) == (127, 0) && u32::from(c).wrapping_sub(TARPITS.0.into()) < TARPITS.1
}

/// Holds a connection for as long as the client, or the lab, lets it. Whoever waits for TLS hears no word, for a word would be
/// an error.
pub(crate) async fn hold(mut stream: TcpStream, mut stop: Stop, speaks: bool) {
    let (mut from, mut to) = stream.split();
    let holding = async {
        while !speaks || to.write_all(b"220-please wait\r\n").await.is_ok() {
            tokio::time::sleep(WORD_EVERY).await;
        }
    };
    tokio::select! {
        () = holding => {}
        () = until_left(&mut from) => {}
        () = stopped(&mut stop) => {}
    }
}

/// Reads, and heeds nothing, until there is nobody to read from.
async fn until_left(from: &mut (impl AsyncRead + Unpin)) {
    let mut heard = [0; 512];
    while from.read(&mut heard).await.is_ok_and(|length| length > 0) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(name: &str) -> Vec<Data> {
        answer(name, Kind::A).map(|answer| answer.records).unwrap_or_default()
    }

    #[test]
    fn what_is_trouble_has_its_records_and_nothing_else_has() {
        let mx_of = |name: &str| answer(name, Kind::Mx).map(|answer| answer.records);
        let host = |host: &str| Some(vec![Data::Mx(10, host.to_owned())]);
        assert_eq!(mx_of("tarpit-7.example"), host("mx.tarpit-7.example"));
        assert_eq!(mx_of("crowd-100000.example"), host("mx-100000.crowd.example"));
        assert_eq!(mx_of("void-0.example"), host("mx.void-0.example"));
        for name in
            ["tarpit-07.example", "tarpit-.example", "crowd.example", "tarpit-7.test", "atarpit-7.example"]
        {
            assert!(answer(name, Kind::Mx).is_none(), "{name}");
        }
        let Some(Data::A(tar)) = addresses("mx.tarpit-9999.example").pop() else { panic!("an address") };
        assert!(is_tarpit(tar) && !is_tarpit(CROWD) && !is_tarpit(Ipv4Addr::new(127, 1, 224, 1)));
        assert_eq!(addresses("mta-sts.tarpit-9999.example"), [Data::A(tar)]);
        assert_eq!(addresses("mx-9999.swamp.example"), [Data::A(tar)]);
        assert_eq!(addresses("mx-5.crowd.example"), addresses("mx-6.crowd.example"));
        assert_eq!(addresses("mx.void-257.example"), [Data::A(Ipv4Addr::new(10, 66, 1, 2))]);
    }
}
