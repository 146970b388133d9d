//! What a row asks for besides: a domain's its MX hosts, a mail host's its sessions.
//!
//! It depends on the row alone, so that a resumed run can say what its committed rows asked for ([`owed`](crate::owed)).

use std::collections::HashSet;
use std::net::IpAddr;

use mxray_evidence::{DomainRow, LookupStatus, MailHostRow, OwnCause, Text};
use mxray_protocol::name::is_host_name;

/// MX hosts of one domain that are probed, most preferred first. A domain can name as many as fit into 64 KiB, and
/// each costs its own addresses and sessions: what a stranger writes into his zone must not set us on a thousand.
pub const HOSTS_A_DOMAIN_MAX: usize = 32;
/// Addresses of one MX host that are probed, IPv4 first.
pub const ADDRESSES_A_HOST_MAX: usize = 16;

/// The MX hosts of a domain that are probed: those of its MX set that an address can be asked for, most preferred
/// first, up to [`HOSTS_A_DOMAIN_MAX`]. A domain without MX is its own MX host (RFC 5321 §5.1), and is probed as
/// such if it has any `_mta-sts` TXT.
pub(crate) fn probed_hosts(row: &DomainRow) -> Vec<Text> {
    match row.mx.status() {
        LookupStatus::NoData if !row.sts_txt.records.is_empty() => vec![row.domain.clone()],
        LookupStatus::Found => {
            let mut records: Vec<_> = row.mx.records.iter().collect();
            records.sort_by(|a, b| (a.preference, &a.exchange).cmp(&(b.preference, &b.exchange)));
            // Few enough to be looked through.
            let mut hosts: Vec<Text> = Vec::new();
            for host in records.into_iter().map(|record| &record.exchange) {
                if hosts.len() < HOSTS_A_DOMAIN_MAX && is_host_name(host) && !hosts.contains(host) {
                    hosts.push(host.clone());
                }
            }
            hosts
        }
        _ => Vec::new(),
    }
}

/// What a mail host is an alias of, and what that is, in order.
pub(crate) fn aliases(row: &MailHostRow) -> Vec<String> {
    let cnames = if row.a.cnames.is_empty() { &row.aaaa.cnames } else { &row.a.cnames };
    cnames.iter().map(|cname| cname.target.to_string()).collect()
}

/// The sessions that a mail host's row asks for, and why one of them is not held.
pub(crate) fn planned_sessions(row: &MailHostRow) -> Vec<(IpAddr, Option<OwnCause>)> {
    let addresses = addresses(row).into_iter().enumerate();
    addresses
        .map(|(index, address)| (address, (index >= ADDRESSES_A_HOST_MAX).then_some(OwnCause::Limit)))
        .collect()
}

/// The distinct addresses of a host, IPv4 first, each family in the order received.
fn addresses(row: &MailHostRow) -> Vec<IpAddr> {
    let mut seen = HashSet::new();
    let records = row.a.records.iter().chain(&row.aaaa.records);
    records.filter_map(|record| record.address.parse().ok()).filter(|address| seen.insert(*address)).collect()
}

#[cfg(test)]
mod tests {
    use mxray_evidence::{AddressRecord, ByteBuf, Ending, Lookup, MxRecord, TxtRecord};

    use super::*;
    use crate::dns::withheld_lookup;

    fn lookup<R>(rcode: u16, records: Vec<R>) -> Lookup<R> {
        let unasked = withheld_lookup("d.example", OwnCause::NotAsked);
        Lookup { rcode: Some(rcode), records, ending: Ending::Completed, ..unasked }
    }

    fn domain(mx: Lookup<MxRecord>, has_txt: bool) -> DomainRow {
        let txt = TxtRecord { segments: vec![ByteBuf::from(*b"v=spf1")], ttl: 1 };
        DomainRow {
            domain: "d.example".into(),
            source: "list".into(),
            line: 1,
            rank: None,
            columns: Vec::new(),
            mx,
            ns: lookup(0, Vec::new()),
            sts_txt: lookup(0, if has_txt { vec![txt] } else { Vec::new() }),
            tlsrpt_txt: lookup(0, Vec::new()),
            aside_txt: Vec::new(),
        }
    }

    fn mx(preference: u16, exchange: &str) -> MxRecord {
        MxRecord { preference, exchange: exchange.into(), ttl: 1 }
    }

    #[test]
    fn rfc5321_5_1_hosts_are_probed_by_preference_each_once() {
        let records =
            vec![mx(20, "b.example"), mx(10, "c.example"), mx(10, "a.example"), mx(30, "a.example")];
        assert_eq!(probed_hosts(&domain(lookup(0, records), false)), ["a.example", "c.example", "b.example"]);
    }

    #[test]
    fn what_has_no_address_to_ask_for_is_not_probed() {
        let records = [".", "192.0.2.1", "localhost", "mx\\032.example", "[2001:db8::1]"];
        let records = records.into_iter().map(|exchange| mx(0, exchange)).collect();
        assert_eq!(probed_hosts(&domain(lookup(0, records), true)), [""; 0]);
    }

    #[test]
    fn rfc5321_5_1_a_domain_without_mx_is_its_own_host_if_it_has_a_record_to_keep() {
        assert_eq!(probed_hosts(&domain(lookup(0, Vec::new()), true)), ["d.example"]);
        assert_eq!(probed_hosts(&domain(lookup(0, Vec::new()), false)), [""; 0]);
        assert_eq!(probed_hosts(&domain(lookup(3, Vec::new()), true)), [""; 0], "it does not exist");
        assert_eq!(probed_hosts(&domain(lookup(2, Vec::new()), true)), [""; 0], "nobody knows");
    }

    #[test]
    fn a_thousand_mx_records_do_not_make_a_thousand_probes() {
        let records = (0..1_000).map(|n| mx(n, &format!("mx{n}.example"))).collect();
        let hosts = probed_hosts(&domain(lookup(0, records), false));
        assert_eq!((hosts.len(), hosts[0].as_str()), (HOSTS_A_DOMAIN_MAX, "mx0.example"));
    }

    #[test]
    fn an_address_is_probed_once_however_often_it_is_given() {
        let addresses_of = |texts: &[&str]| {
            let records = texts.iter().map(|text| AddressRecord { address: (*text).into(), ttl: 1 });
            lookup(0, records.collect())
        };
        let (a, aaaa) =
            (addresses_of(&["192.0.2.2", "192.0.2.1", "192.0.2.2"]), addresses_of(&["2001:db8::1"]));
        let tlsa = lookup(0, Vec::new());
        let row = MailHostRow { host: "mx.example".into(), a, aaaa, tlsa, tlsa_alias: None };
        let texts: Vec<String> = addresses(&row).iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["192.0.2.2", "192.0.2.1", "2001:db8::1"]);
    }
}
