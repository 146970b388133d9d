//! Queries of a Postfix policy service, answered from the zone and web server that the same project's tests have.

use mxray_protocol::name::DomainName;
use mxray_rules::ChainProblem;

use super::Vector;
use crate::case::{Case, DOMAIN, chain, lookup, txt};

/// What such a service answers to `<sender's table> <next hop>`: `OK` where mail must be authenticated, `NOTFOUND` where no
/// policy with mode `enforce` is in force. The next hop is Postfix's: a domain, perhaps in brackets, perhaps with a port.
pub(super) fn answer(query: &str, all: &[Vector]) -> String {
    let hop = query.split(' ').nth(1).unwrap_or_default();
    let bare = match hop.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => hop.split(':').next().unwrap_or_default(),
    };
    let is_enforced = DomainName::parse(bare).is_ok_and(|domain| is_enforced(domain.as_str(), all));
    if is_enforced { "OK" } else { "NOTFOUND" }.to_owned()
}

fn is_enforced(domain: &str, all: &[Vector]) -> bool {
    let of_kind = |kind: &'static str| all.iter().filter(move |vector| vector.word("kind") == kind);
    let mut case = Case::sound();
    let zone = of_kind("zone-txt").find(|vector| vector.word("expect") == domain);
    case.domain.sts_txt = match zone {
        Some(zone) => lookup(&format!("_mta-sts.{DOMAIN}"), 0, vec![txt(zone.word("input"))]),
        None => lookup(&format!("_mta-sts.{DOMAIN}"), 3, Vec::new()),
    };
    let host = format!("mta-sts.{domain}");
    match of_kind("sts-http").find(|vector| vector.word("host") == host) {
        None => case.policy = None,
        Some(http) => {
            let row = case.policy_row();
            row.status = http.number("status").and_then(|status| u16::try_from(status).ok());
            row.body = Some(http.word("input").as_bytes().to_vec().into());
        }
    }
    if let Some((_, shown)) = case.policy.as_mut().filter(|_| domain.starts_with("bad-cert")) {
        // The collection has no certificates; the name says that it is a bad one.
        *shown = Some(chain(&[ChainProblem::UnknownRoot]));
    }
    let verdict = case.judge().verdict;
    verdict.record == "valid" && verdict.policy == "valid" && verdict.mode.as_deref() == Some("enforce")
}
