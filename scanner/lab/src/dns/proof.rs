//! Where zones begin, and what is not there: the records that only those see who ask for signatures.

use domain::base::iana::{Rcode, Rtype};
use domain::rdata::dnssec::Nsec;

use super::NameServer;
use super::reply::{Question, Reply, Set, TTL, Typed, encoded, soa};
use super::signing::{WireName, absence_of, types_at};
use crate::zone::{self, Code, Cut, Kind, cut};

/// The types of which a world has records, beside those of a zone's own.
const KINDS: [(Kind, Rtype); 6] = [
    (Kind::A, Rtype::A),
    (Kind::Ns, Rtype::NS),
    (Kind::Mx, Rtype::MX),
    (Kind::Txt, Rtype::TXT),
    (Kind::Aaaa, Rtype::AAAA),
    (Kind::Tlsa, Rtype::TLSA),
];

impl NameServer {
    /// The reply to a question about a zone itself; `None` for any other.
    pub(super) fn at_cut(&self, question: Question<'_>) -> Option<Reply> {
        let here = cut(&self.world, question.name);
        let is_apex = here.apex == question.name;
        let records: Vec<Typed> = match question.rtype {
            Rtype::SOA if is_apex => return Some(found(question, soa(here)?)),
            Rtype::DNSKEY if is_apex && here.signed => {
                vec![self.signer.dnskey(&here.apex).clone().into()]
            }
            Rtype::DS if !question.name.is_empty() => return self.delegation(question, &here),
            _ => return None,
        };
        Some(found(question, Set { owner: question.wire.clone(), records, zone: here, flaw: None, ttl: TTL }))
    }

    /// What the zone above says of the key of a zone (RFC 4035 §3.1.4.1), or that there is none.
    fn delegation(&self, question: Question<'_>, here: &Cut) -> Option<Reply> {
        let is_apex = here.apex == question.name;
        let above = if is_apex { cut(&self.world, parent(question.name)) } else { here.clone() };
        if is_apex && here.signed {
            let records = vec![self.signer.ds(&here.apex, question.wire)?.into()];
            let set = Set { owner: question.wire.clone(), records, zone: above, flaw: None, ttl: TTL };
            return Some(found(question, set));
        }
        // Below a top-level domain any name may have others below it.
        if !is_apex && above.apex.contains('.') {
            return None;
        }
        let types: &[Rtype] = if is_apex { &[Rtype::NS] } else { &[] };
        let mut reply = Reply::failed(Rcode::NOERROR, None);
        reply.authenticated = question.vouched && above.signed;
        reply.authority = self.negative(&above, question.name, Some(types), question.signatures);
        Some(reply)
    }

    /// The authority section of an answer that there is nothing: of the type asked for, where there are `types` at the
    /// name; or no such name.
    pub(super) fn negative(
        &self,
        zone: &Cut,
        name: &str,
        types: Option<&[Rtype]>,
        signatures: bool,
    ) -> Vec<Set> {
        let mut sets: Vec<Set> = soa(zone.clone()).into_iter().collect();
        if !signatures || !zone.signed {
            return sets;
        }
        let proofs = if let Some(types) = types {
            vec![encoded(name).and_then(|name| types_at(&name, types))]
        } else {
            let (encloser, next) = self.closest_encloser(zone, name);
            let wildcard = format!("*.{encloser}");
            [next, &wildcard].map(|name| encoded(name).and_then(|name| absence_of(&name))).to_vec()
        };
        let proof = |(owner, nsec): (WireName, Nsec<Vec<u8>, WireName>)| Set {
            owner,
            records: vec![nsec.into()],
            zone: zone.clone(),
            flaw: None,
            ttl: TTL,
        };
        sets.extend(proofs.into_iter().flatten().map(proof));
        sets
    }

    /// The types of which there are records at a name that exists.
    pub(super) fn types_there(&self, name: &str) -> Vec<Rtype> {
        let mut types = Vec::new();
        for (kind, rtype) in KINDS {
            let answer = zone::answer(&self.world, name, kind);
            if answer.cname.is_some() {
                return vec![Rtype::CNAME];
            }
            // A type that nobody gets an answer about may be there.
            if !answer.records.is_empty() || !matches!(answer.code, Code::NoError | Code::NxDomain) {
                types.push(rtype);
            }
        }
        if cut(&self.world, name).apex == name {
            types.extend([Rtype::SOA, Rtype::DNSKEY]);
        }
        types
    }

    /// The nearest name above one that does not exist that does (RFC 4592 §3.3.1), and the next one towards it.
    fn closest_encloser<'a>(&self, zone: &Cut, name: &'a str) -> (&'a str, &'a str) {
        let mut next = name;
        loop {
            let above = parent(next);
            let exists = || zone::answer(&self.world, above, Kind::Other).code != Code::NxDomain;
            // Below a top-level domain any name may have others below it.
            if above == zone.apex || above.is_empty() || !zone.apex.contains('.') || exists() {
                return (above, next);
            }
            next = above;
        }
    }
}

fn found(question: Question<'_>, set: Set) -> Reply {
    let mut reply = Reply::failed(Rcode::NOERROR, None);
    reply.authenticated = question.vouched && set.zone.signed;
    reply.answer.push(set);
    reply
}

/// What a name is below; the root is below itself.
fn parent(name: &str) -> &str {
    name.split_once('.').map_or("", |(_, parent)| parent)
}
