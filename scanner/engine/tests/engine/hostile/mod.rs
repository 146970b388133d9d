//! The lab's catalogue of hostile peers, scanned: how each ends, by which bound, and what is kept of it.

mod cases;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use mxray_engine::ScanConfig;
use mxray_evidence::{DomainRow, Ending, HowEnded, MailHostRow, PolicyRow, SmtpSessionRow};
use mxray_lab::{Hostile, WorldParams};
use parquet::record::RowAccessor;

use crate::bench::{Bench, rows};
use cases::{CASES, Case, Row};

/// For a whole policy fetch, and for a whole session: what has no other end than this costs it.
const EXCHANGE: Duration = Duration::from_secs(8);
/// For one query, which is sent twice.
const QUERY: Duration = Duration::from_secs(2);
/// A busy machine's grace behind a deadline.
const GRACE: Duration = Duration::from_secs(10);
/// Most bytes that any of these leave in one row.
const ROW_BYTES_MAX: usize = 512 << 10;

/// What a run holds of one case.
#[derive(Default)]
struct Seen {
    domain: Option<DomainRow>,
    hosts: Vec<MailHostRow>,
    policies: Vec<PolicyRow>,
    sessions: Vec<SmtpSessionRow>,
}

impl Seen {
    /// By the name of the domain.
    fn in_run(run: &Path) -> HashMap<String, Self> {
        let mut seen: HashMap<String, Self> = HashMap::new();
        for row in rows::<MailHostRow>(run) {
            seen.entry(domain_of(&row.host)).or_default().hosts.push(row);
        }
        for row in rows::<SmtpSessionRow>(run) {
            seen.entry(domain_of(&row.host)).or_default().sessions.push(row);
        }
        for row in rows::<PolicyRow>(run) {
            seen.entry(row.domain.clone()).or_default().policies.push(row);
        }
        for row in rows::<DomainRow>(run) {
            let name = row.domain.clone();
            seen.entry(name.into()).or_default().domain = Some(row);
        }
        seen
    }

    /// How the exchange that the case is about ended, and how much is kept of it.
    fn found(&self, row: Row) -> (String, usize) {
        let domain = self.domain.as_ref().expect("each line has its row");
        let none = |count| ("none, or several".to_owned(), count);
        match (row, &self.hosts[..], &self.policies[..], &self.sessions[..]) {
            (Row::Mx, ..) => (words(&domain.mx.ending), domain.mx.records.len()),
            (Row::Sts, ..) => (words(&domain.sts_txt.ending), domain.sts_txt.records.len()),
            (Row::Host, [host], ..) => (words(&host.a.ending), host.a.records.len() + host.a.cnames.len()),
            (Row::Policy, _, [row], _) => {
                (words(&row.ending), row.body.as_ref().map_or(0, |body| body.len()))
            }
            (Row::Session, .., [row]) => {
                let lines = row.replies.iter().flat_map(|reply| &reply.lines);
                (words(&row.ending), lines.map(|line| line.len()).sum())
            }
            (Row::Chain, .., [row]) => {
                (words(&row.ending), row.tls.as_ref().map_or(0, |tls| tls.chain.len()))
            }
            (Row::Early, .., [row]) => {
                (words(&row.ending), row.early_bytes.as_ref().map_or(0, |early| early.len()))
            }
            (Row::Sessions, .., [first, rest @ ..]) if rest.iter().all(|row| row.ending == first.ending) => {
                (words(&first.ending), self.sessions.len())
            }
            (.., sessions) => none(sessions.len()),
        }
    }

    /// What lasted longer than it may, or is larger.
    fn excesses(&self) -> Vec<String> {
        let mut told = Vec::new();
        let mut hold = |what: &str, took_us: u64, most: Duration, row: String| {
            let took = Duration::from_micros(took_us);
            if took > most + GRACE || row.len() > ROW_BYTES_MAX {
                told.push(format!("{what}: {took:?} of {most:?}, {} bytes", row.len()));
            }
        };
        let json = |row| serde_json::to_string(row).expect("JSON");
        if let Some(row) = &self.domain {
            hold("domain", row.mx.elapsed_us, QUERY * 4, json(row));
        }
        for row in &self.policies {
            hold("policy", row.elapsed_us, EXCHANGE, serde_json::to_string(row).expect("JSON"));
        }
        for row in &self.sessions {
            hold("session", row.elapsed_us, EXCHANGE, serde_json::to_string(row).expect("JSON"));
        }
        told
    }
}

/// A host lies below a domain of two labels.
fn domain_of(host: &str) -> String {
    let labels: Vec<&str> = host.rsplitn(3, '.').collect();
    format!("{}.{}", labels[1], labels[0])
}

fn words(ending: &Ending) -> String {
    match ending {
        Ending::Completed => "completed".to_owned(),
        Ending::Stopped { stage, cause, .. } => format!("stopped {stage} {cause}"),
        Ending::Withheld { stage, cause, .. } => format!("withheld {stage} {}", cause.as_str()),
    }
}

/// A run over a domain of every case.
fn scan_all() -> (Bench, Duration) {
    let bench = Bench::new(1, WorldParams::clean());
    let names: String = Hostile::ALL.iter().map(|case| case.domain(0) + "\n").collect();
    let config = ScanConfig {
        dns_timeout: QUERY,
        dns_retries: 1,
        policy_timeout: EXCHANGE,
        smtp_timeout: EXCHANGE,
        // Else one address that says much would be asked less.
        sni_samples: 0,
        ..bench.config(bench.input("list", names), "run")
    };
    let began = Instant::now();
    let summary = bench.scan(config).expect("a scan");
    assert_eq!((summary.how, summary.counts.domains), (HowEnded::Completed, Hostile::ALL.len() as u64));
    (bench, began.elapsed())
}

#[test]
fn every_hostile_peer_ends_by_its_bound_leaves_its_evidence_and_leads_nowhere_else() {
    assert_eq!(CASES.iter().map(|case| case.of).collect::<Vec<_>>(), Hostile::ALL, "each case stands here");
    let (bench, elapsed) = scan_all();
    let seen = Seen::in_run(&bench.out("run"));
    let mut wrong = String::new();
    for Case { of: case, row, ending, kept } in CASES {
        let seen = &seen[&case.domain(0)];
        let (found, count) = seen.found(*row);
        if found != *ending || !kept.contains(&count) {
            let _ = writeln!(wrong, "{}: {found}, {count} kept; expected {ending}, {kept:?}", case.name());
        }
        for excess in seen.excesses() {
            let _ = writeln!(wrong, "{}: {excess}", case.name());
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(elapsed < EXCHANGE * 2 + QUERY * 4 + GRACE, "{elapsed:?}");

    // The forged record was not believed, nor was what nobody asked for.
    let mx =
        |case: Hostile| seen[&case.domain(0)].domain.as_ref().map(|row| row.mx.records[0].exchange.clone());
    assert_eq!(mx(Hostile::DnsSpoofFlood), Some(format!("mx.{}", Hostile::DnsSpoofFlood.domain(0)).into()));
    let glued = &seen[&Hostile::DnsGlue.domain(0)].sessions;
    assert!(glued.iter().all(|row| row.address.starts_with("127.0.")), "{glued:?}");

    // By the servers' own account nobody followed a redirect, and nobody came to where nobody may.
    let asked = bench.ledger("https.parquet", |row| {
        let at = |name| row.get_column_iter().position(|(found, _)| found == name).expect("a column");
        (row.get_string(at("sni")).ok().cloned(), row.get_string(at("request")).ok().cloned())
    });
    for case in Hostile::ALL {
        let host = format!("mta-sts.{}", case.domain(0));
        let of_host: Vec<_> = asked.iter().filter(|(sni, _)| sni.as_deref() == Some(&host)).collect();
        // There is no address to go to.
        let expected = usize::from(*case != Hostile::DnsPolicyMetadata);
        let is_policy = |(_, request): &&(_, Option<String>)| {
            request.as_deref() == Some("GET /.well-known/mta-sts.txt HTTP/1.1")
        };
        assert!(of_host.iter().all(is_policy), "{host}: {of_host:?}");
        assert_eq!(of_host.len(), expected, "{host}: {of_host:?}");
    }
    assert!(
        asked.iter().all(|(sni, _)| sni.as_deref().is_some_and(|sni| sni.ends_with(".hostile"))),
        "{asked:?}"
    );
}
