//! Addresses at which some names have shown what every name would show.
//!
//! A mail provider may name an MX host a tenant, and serve them all from a few addresses with one certificate. What is
//! said before TLS cannot depend on the name, which comes with the handshake; so a session is not held where enough
//! names at the address were shown one chain, none another, and that chain's leaf is for the new name as well. A name
//! that the leaf is not for is always asked: a server may well hold a certificate of its own for it.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mxray_evidence::SmtpSessionRow;
use mxray_protocol::mx_pattern::MxPattern;

use crate::certificate;
use crate::once::Table;
use crate::smtp::Session;

/// Addresses whose chains are compared. Those that come later are asked every name.
const ADDRESSES_MAX: usize = 2_000_000;
/// Addresses whose sessions are reused; of each a session and the leaf's names are kept.
const SETTLED_MAX: usize = 10_000;

/// What names were shown, by address.
pub(crate) struct Samples {
    /// Names that must have been shown one chain; 0 is never enough.
    wanted: u32,
    state: Mutex<State>,
    hasher: RandomState,
}

#[derive(Default)]
struct State {
    /// By the octets of an address. There may be millions, most of them with one name.
    shown: Table<Shown>,
    settled: HashMap<IpAddr, Sample>,
}

/// The first chain that was shown at an address.
struct Shown {
    chain: u64,
    /// To so many names, as far as they are counted; or others were shown another.
    names: Option<u32>,
}

/// What enough names were shown.
struct Sample {
    row: SmtpSessionRow,
    /// The chunk before which the session is not written.
    chunk: u32,
    /// The leaf's DNS-IDs. They match as the patterns of a policy do (RFC 8461 §4.1): a `*` is the whole first label.
    ids: Vec<MxPattern>,
}

impl Samples {
    /// None yet.
    pub(crate) fn new(wanted: u32) -> Self {
        Self { wanted, state: Mutex::default(), hasher: RandomState::new() }
    }

    /// Counts a session that was held. `chunk` is that of its promise.
    pub(crate) fn note(&self, address: IpAddr, session: &Session, chunk: u32) {
        let chain = session.row.tls.as_ref().map(|tls| &tls.chain).filter(|chain| !chain.is_empty());
        let (Some(chain), true) = (chain, self.wanted > 0) else { return };
        let (chain, key) = (self.hasher.hash_one(chain), octets(address));
        let mut state = self.state();
        let State { shown, settled } = &mut *state;
        if shown.get(&key).is_none() && shown.len() < ADDRESSES_MAX {
            shown.insert(&key, Shown { chain, names: Some(0) });
        }
        let Some(Shown { chain: first, names }) = shown.get_mut(&key) else { return };
        if *first != chain {
            // The chain depends on the name, or on chance.
            *names = None;
            settled.remove(&address);
        } else if let Some(names) = names
            && !settled.contains_key(&address)
            // One that broke off, or did not prove its key, is no sample.
            && is_sample(&session.row)
        {
            *names = names.saturating_add(1);
            if *names >= self.wanted && settled.len() < SETTLED_MAX {
                let ids = session.certificates.first().map(|leaf| ids(leaf)).unwrap_or_default();
                settled.insert(address, Sample { row: session.row.clone(), chunk, ids });
            }
        }
    }

    /// Whether it is known what a name would be shown.
    pub(crate) fn know(&self, address: IpAddr, host: &str) -> bool {
        self.wanted > 0 && self.state().sample(address, host).is_some()
    }

    /// The session that a name need not hold, as that of another, and the chunk before which it is not to be written.
    pub(crate) fn reuse(&self, address: IpAddr, host: &str) -> Option<(SmtpSessionRow, u32)> {
        let state = self.state();
        let sample = state.sample(address, host)?;
        let reused_from = Some(sample.row.host.clone());
        let row = SmtpSessionRow { host: host.to_owned(), attempts: 0, reused_from, ..sample.row.clone() };
        Some((row, sample.chunk))
    }

    /// Addresses that something is remembered of.
    pub(crate) fn addresses(&self) -> usize {
        self.state().shown.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn sample(&self, address: IpAddr, host: &str) -> Option<&Sample> {
        self.settled.get(&address).filter(|sample| sample.ids.iter().any(|id| id.matches(host)))
    }
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// Whether a session shows what a server does when all goes well.
fn is_sample(row: &SmtpSessionRow) -> bool {
    row.ending.is_completed() && row.tls.as_ref().is_some_and(|tls| tls.signature_valid == Some(true))
}

fn ids(leaf: &[u8]) -> Vec<MxPattern> {
    let names = certificate::describe(leaf, 0).san_dns;
    names.iter().filter_map(|name| MxPattern::parse(name.to_ascii_lowercase().as_bytes()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use mxray_evidence::{ByteBuf, Cause, Ending, Stage, TlsObservation};

    use super::*;

    /// A session with a host that showed a certificate for these names.
    fn session(host: &str, names: &[&str]) -> Session {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let key = rcgen::KeyPair::generate().expect("a key");
        let made =
            rcgen::CertificateParams::new(names).expect("names").self_signed(&key).expect("a certificate");
        let der = made.der().to_vec();
        let tls = TlsObservation {
            sni: host.into(),
            elapsed_us: 1,
            version: None,
            cipher_suite: None,
            group: None,
            chain: vec![ByteBuf::from(certificate::digest(&der).to_vec())],
            signature_scheme: None,
            signature_valid: Some(true),
            alert: None,
        };
        let row = SmtpSessionRow {
            host: host.into(),
            address: "192.0.2.1".into(),
            port: 25,
            started: 7,
            elapsed_us: 1,
            attempts: 1,
            reused_from: None,
            replies: Vec::new(),
            early_bytes: None,
            legacy: None,
            tls: Some(tls),
            ending: Ending::Completed,
        };
        Session { row, certificates: vec![der] }
    }

    /// The same for another host.
    fn at(host: &str, session: &Session) -> Session {
        let mut session = session.clone();
        session.row.host = host.into();
        session
    }

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn reused(samples: &Samples, host: &str) -> Option<String> {
        samples.reuse(ADDRESS, host).map(|(row, _)| row.reused_from.unwrap_or_default())
    }

    #[test]
    fn enough_names_that_are_shown_one_chain_speak_for_those_it_is_for() {
        let samples = Samples::new(3);
        let shown = session("a.tenants.example", &["*.tenants.example", "MX.example"]);
        for (host, chunk) in [("a.tenants.example", 4), ("b.tenants.example", 9), ("c.tenants.example", 2)] {
            assert!(!samples.know(ADDRESS, "d.tenants.example"), "before {host}");
            samples.note(ADDRESS, &at(host, &shown), chunk);
        }
        let (row, chunk) = samples.reuse(ADDRESS, "d.tenants.example").expect("known");
        assert_eq!(
            (row.host.as_str(), row.reused_from.as_deref(), chunk),
            ("d.tenants.example", Some("c.tenants.example"), 2)
        );
        assert_eq!((row.attempts, row.started, row.tls), (0, 7, shown.row.tls));
        assert_eq!(reused(&samples, "mx.example").as_deref(), Some("c.tenants.example"));
        for other in ["d.e.tenants.example", "tenants.example", "vanity.example"] {
            assert!(!samples.know(ADDRESS, other), "{other} may have a certificate of its own");
        }
        assert!(!samples.know(IpAddr::from([192, 0, 2, 2]), "d.tenants.example"), "another address");
    }

    #[test]
    fn one_other_chain_and_every_name_is_asked() {
        let names = ["*.tenants.example"];
        let (shown, other) =
            (session("a.tenants.example", &names), session("vanity.example", &["vanity.example"]));
        let samples = Samples::new(2);
        samples.note(ADDRESS, &shown, 0);
        samples.note(ADDRESS, &at("b.tenants.example", &shown), 0);
        assert!(samples.know(ADDRESS, "c.tenants.example"));
        samples.note(ADDRESS, &other, 0);
        assert!(!samples.know(ADDRESS, "c.tenants.example"));
        (0..5).for_each(|_| samples.note(ADDRESS, &shown, 0));
        assert!(!samples.know(ADDRESS, "c.tenants.example"));
    }

    #[test]
    fn a_session_that_broke_off_is_no_sample() {
        let shown = session("a.tenants.example", &["*.tenants.example"]);
        let mut unproven = shown.clone();
        unproven.row.tls.as_mut().expect("tls").signature_valid = Some(false);
        let mut broken = shown.clone();
        broken.row.ending = Ending::stopped(Stage::EhloTls, Cause::Closed);
        let samples = Samples::new(1);
        for session in [&unproven, &broken] {
            samples.note(ADDRESS, session, 0);
            assert!(!samples.know(ADDRESS, "b.tenants.example"));
        }
        samples.note(ADDRESS, &shown, 0);
        assert!(samples.know(ADDRESS, "b.tenants.example"));
    }

    #[test]
    fn nothing_is_reused_when_that_is_not_wanted() {
        let samples = Samples::new(0);
        (0..9).for_each(|_| samples.note(ADDRESS, &session("a.tenants.example", &["*.tenants.example"]), 0));
        assert!(!samples.know(ADDRESS, "b.tenants.example"));
    }
}
