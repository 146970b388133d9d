//! Chains of certificates, as a server shows them.

use std::sync::LazyLock;

use mxray_engine::certificate;
use mxray_rules::{ChainProblem, TrustStore, assess_chain};

/// A root of our own beside Mozilla's, so that the seeds' chains lead somewhere. Nobody has its key any more.
static STORE: LazyLock<TrustStore> = LazyLock::new(|| {
    TrustStore::mozilla().with_pem(include_bytes!("root.pem")).expect("the root is a certificate")
});
/// Names that a chain is asked for; the first is the seeds'.
const HOSTS: [&str; 6] =
    ["mx1.example.net", "a.example.org", "example.org", "a.b.example.org", "_x.example.net", "192.0.2.1"];
/// Certificates of one input at most.
const CERTIFICATES_MAX: usize = 20;

/// Eight bytes of time in microseconds, one that picks the host, then certificates, each behind its length in two.
pub fn certificate_chain(data: &[u8]) {
    let Some((at, rest)) = data.split_first_chunk() else { return };
    let Some((host, mut rest)) = rest.split_first() else { return };
    let (at, host) = (i64::from_be_bytes(*at), HOSTS[usize::from(*host) % HOSTS.len()]);
    let mut chain = Vec::new();
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length)).min(behind.len());
        let (der, behind) = behind.split_at(length);
        if chain.len() < CERTIFICATES_MAX {
            chain.push(der);
        }
        rest = behind;
    }
    describe(&chain);
    assess(&chain, host, at);
}

fn describe(chain: &[&[u8]]) {
    for der in chain {
        let row = certificate::describe(der, 0);
        assert_eq!(&row.der[..], *der, "kept as it came");
        assert!(row.parse_error.is_some() || row.subject.is_some() && row.is_ca.is_some());
    }
}

fn assess(chain: &[&[u8]], host: &str, at: i64) {
    let found = assess_chain(chain, host, at, &STORE);
    assert!(found.problems.is_sorted() && found.problems.windows(2).all(|two| two[0] != two[1]));
    let untrusted = assess_chain(chain, host, at, &TrustStore::empty());
    assert!(!untrusted.is_valid(), "nothing is valid without a root");
    if let Some(leaf) = chain.first() {
        let row = certificate::describe(leaf, 0);
        assert!(found.names.starts_with(&row.san_dns), "the names recorded are the names judged");
        assert!(found.not_after.is_none_or(|end| row.not_after == Some(end)));
    }
    if !found.is_valid() {
        return;
    }
    assert_eq!(found.detail, None, "a valid chain leaves nothing to say");
    assert!(found.not_after.is_some_and(|end| at.div_euclid(1_000_000) <= end.div_euclid(1_000_000)));
    assert!(found.names.iter().any(|name| is_for(name, host)), "{host} by {:?}", found.names);
    let other = assess_chain(chain, "other.test", at, &STORE);
    assert_eq!(other.problems, [ChainProblem::Name], "the name is all that another name changes");
    let twice = [chain, chain].concat();
    assert!(assess_chain(&twice, host, at, &STORE).is_valid(), "what is shown twice does no harm");
}

/// RFC 6125 §6.4, by labels.
fn is_for(name: &str, host: &str) -> bool {
    let name = name.to_ascii_lowercase();
    match name.strip_prefix("*.") {
        Some(rest) => host.split_once('.').is_some_and(|(_, parent)| parent == rest),
        None => name == host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_that_is_to_be_valid_is() {
        let seed = include_bytes!("../seeds/certificate_chain/valid");
        let (at, rest) = seed.split_first_chunk().expect("a time");
        let (leaf, inter) = rest[3..].split_at(usize::from(u16::from_be_bytes([rest[1], rest[2]])));
        let found = assess_chain(&[leaf, &inter[2..]], HOSTS[0], i64::from_be_bytes(*at), &STORE);
        assert_eq!(found.problems, []);
    }
}
