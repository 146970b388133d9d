//! The evidence behind a domain, as text: records, the policy, certificates, the lines of SMTP. Cut where it is long, and said so.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use mxray_evidence::{
    AddressRecord, CertificateRow, Digest, DomainRow, Ending, Lookup, MailHostRow, Micros, PolicyRow, RunDir,
    SmtpSessionRow, TlsObservation, TxtRecord,
};
use mxray_rules::printable;
use serde::Serialize;

use crate::StudyError;
use crate::moment::utc;

/// Domains with evidence on a page, the worst of the list.
const DOSSIERS_MAX: u32 = 2_000;
/// Bytes of evidence on a page; domains whose evidence no longer fits have none.
const EVIDENCE_BYTES_MAX: usize = 24 << 20;
/// Characters of a line.
const LINE_CHARS_MAX: usize = 400;
/// Characters of a policy.
const POLICY_CHARS_MAX: usize = 4_096;
/// Items of a list: records, addresses, sessions of a host, lines of a reply.
const ITEMS_MAX: usize = 16;

/// Evidence for the first domains of the list.
#[derive(Debug, Default, Serialize)]
pub(super) struct Evidence {
    /// By place in the list.
    domains: BTreeMap<u32, DomainEvidence>,
    hosts: BTreeMap<String, HostEvidence>,
    /// By the first 16 hexadecimal digits of the SHA-256.
    certificates: BTreeMap<String, CertificateEvidence>,
    bytes_max: usize,
    dossiers_max: u32,
}

#[derive(Debug, Default, Serialize)]
struct DomainEvidence {
    mx: Vec<String>,
    ns: Vec<String>,
    sts_txt: Vec<String>,
    tlsrpt_txt: Vec<String>,
    /// How a lookup ended that did not find anything to show, by its name.
    endings: Vec<(&'static str, String)>,
    mx_hosts: Vec<String>,
    policy: Option<PolicyEvidence>,
}

#[derive(Debug, Serialize)]
struct PolicyEvidence {
    url: String,
    asked: String,
    addresses: Vec<String>,
    alias: Option<String>,
    status: Option<u16>,
    content_type: Option<String>,
    location: Option<String>,
    body: Option<String>,
    tls: Option<String>,
    chain: Vec<String>,
    ended: String,
}

#[derive(Debug, Default, Serialize)]
struct HostEvidence {
    addresses: Vec<String>,
    alias: Option<String>,
    tlsa: Vec<String>,
    sessions: Vec<SessionEvidence>,
}

#[derive(Debug, Serialize)]
struct SessionEvidence {
    address: String,
    asked: String,
    lines: Vec<String>,
    tls: Option<String>,
    chain: Vec<String>,
    reused_from: Option<String>,
    ended: String,
}

#[derive(Debug, Serialize)]
struct CertificateEvidence {
    sha256: String,
    subject: Option<String>,
    issuer: Option<String>,
    not_before: Option<String>,
    not_after: Option<String>,
    names: Vec<String>,
    key: String,
    unreadable: Option<String>,
}

impl Evidence {
    /// The evidence of the worst domains, `places` saying where in the list each is.
    pub(super) fn gather(run: &RunDir, places: &HashMap<String, u32>) -> Result<Self, StudyError> {
        let mut all = Self { bytes_max: EVIDENCE_BYTES_MAX, dossiers_max: DOSSIERS_MAX, ..Self::default() };
        let first = |domain: &str| places.get(domain).copied().filter(|place| *place < DOSSIERS_MAX);
        run.for_each::<DomainRow>(|row| {
            if let Some(place) = first(&row.domain) {
                all.domains.insert(place, DomainEvidence::of(&row));
            }
        })?;
        run.for_each::<PolicyRow>(|row| {
            if let Some(domain) = first(&row.domain).and_then(|place| all.domains.get_mut(&place)) {
                domain.policy = Some(PolicyEvidence::of(&row));
            }
        })?;
        all.keep_what_fits();
        let named: BTreeSet<String> =
            all.domains.values().flat_map(|domain| domain.mx_hosts.iter().cloned()).collect();
        run.for_each::<MailHostRow>(|row| {
            let host = line(&row.host);
            if named.contains(&host) {
                all.hosts.entry(host).or_default().addressed(&row);
            }
        })?;
        run.for_each::<SmtpSessionRow>(|row| {
            let host = all.hosts.get_mut(&line(&row.host)).filter(|host| host.sessions.len() < ITEMS_MAX);
            if let Some(host) = host {
                host.sessions.push(SessionEvidence::of(&row));
            }
        })?;
        // Sessions stand in the order of their coming, which depends on timing.
        for host in all.hosts.values_mut() {
            host.sessions.sort_by(|a, b| a.address.cmp(&b.address));
        }
        all.keep_hosts_that_fit();
        let shown = all.chains();
        run.for_each::<CertificateRow>(|row| {
            let key = fingerprint(&row.sha256);
            if shown.contains(&key[..KEY_DIGITS]) {
                all.certificates.insert(key[..KEY_DIGITS].to_owned(), CertificateEvidence::of(&row, key));
            }
        })?;
        Ok(all)
    }

    /// Drops the evidence of domains, the least bad first, until half of the room is left for hosts.
    fn keep_what_fits(&mut self) {
        let mut bytes = 0;
        self.domains.retain(|_, domain| {
            bytes += size(domain);
            bytes <= EVIDENCE_BYTES_MAX / 2
        });
    }

    /// Drops sessions, and then hosts, that the other half has no room for.
    fn keep_hosts_that_fit(&mut self) {
        let mut bytes = 0;
        self.hosts.retain(|_, host| {
            bytes += size(host);
            bytes <= EVIDENCE_BYTES_MAX / 2
        });
    }

    fn chains(&self) -> BTreeSet<String> {
        let of_policies =
            self.domains.values().filter_map(|domain| domain.policy.as_ref()).map(|policy| &policy.chain);
        let of_hosts = self.hosts.values().flat_map(|host| &host.sessions).map(|session| &session.chain);
        of_policies.chain(of_hosts).flatten().cloned().collect()
    }
}

/// About how many bytes of the page it takes.
fn size(of: &impl Serialize) -> usize {
    serde_json::to_vec(of).map_or(0, |json| json.len())
}

impl DomainEvidence {
    fn of(row: &DomainRow) -> Self {
        let mut endings = Vec::new();
        note_ending(&mut endings, "MX", &row.mx);
        note_ending(&mut endings, "NS", &row.ns);
        note_ending(&mut endings, "_mta-sts TXT", &row.sts_txt);
        note_ending(&mut endings, "_smtp._tls TXT", &row.tlsrpt_txt);
        let mut mx: Vec<_> = row.mx.records.iter().map(|mx| (mx.preference, mx.exchange.as_str())).collect();
        mx.sort_unstable();
        mx.dedup();
        let mx_hosts = mx.iter().map(|(_, host)| *host).filter(|host| *host != ".");
        Self {
            mx_hosts: some(mx_hosts).iter().map(|host| line(host)).collect(),
            mx: some(mx.iter())
                .iter()
                .map(|(preference, host)| line(&format!("{preference} {host}")))
                .collect(),
            ns: some(row.ns.records.iter()).iter().map(|ns| line(&ns.nameserver)).collect(),
            sts_txt: records(&row.sts_txt),
            tlsrpt_txt: records(&row.tlsrpt_txt),
            endings,
            policy: None,
        }
    }
}

/// How a lookup ended, where it found nothing.
fn note_ending<R>(endings: &mut Vec<(&'static str, String)>, name: &'static str, lookup: &Lookup<R>) {
    if lookup.records.is_empty() {
        let words = match lookup.rcode {
            Some(0) => "no such record".to_owned(),
            Some(2) => "SERVFAIL".to_owned(),
            Some(3) => "NXDOMAIN".to_owned(),
            Some(code) => format!("response code {code}"),
            None => ended(&lookup.ending),
        };
        endings.push((name, words));
    }
}

fn records(lookup: &Lookup<TxtRecord>) -> Vec<String> {
    some(lookup.records.iter()).iter().map(|record| bytes(&record.joined(), LINE_CHARS_MAX)).collect()
}

impl PolicyEvidence {
    fn of(row: &PolicyRow) -> Self {
        let header = |name: &str| {
            let header = row.headers.iter().find(|header| header.name == name);
            header.map(|header| bytes(&header.value, LINE_CHARS_MAX))
        };
        Self {
            url: line(&format!("https://{}/.well-known/mta-sts.txt", row.host)),
            asked: utc(row.started),
            addresses: addresses(&row.a, &row.aaaa),
            alias: alias(&row.a, &row.aaaa),
            status: row.status,
            content_type: header("content-type"),
            location: header("location"),
            body: row.body.as_ref().map(|body| text_of_lines(body, row.body_truncated)),
            tls: row.tls.as_ref().map(tls),
            chain: row.tls.as_ref().map(chain).unwrap_or_default(),
            ended: ended(&row.ending),
        }
    }
}

impl HostEvidence {
    fn addressed(&mut self, row: &MailHostRow) {
        self.addresses = addresses(&row.a, &row.aaaa);
        self.alias = alias(&row.a, &row.aaaa);
        let tlsa = some(row.tlsa.records.iter());
        self.tlsa = tlsa
            .iter()
            .map(|tlsa| {
                line(&format!(
                    "{} {} {} {}",
                    tlsa.usage,
                    tlsa.selector,
                    tlsa.matching,
                    hexadecimal(&tlsa.data)
                ))
            })
            .collect();
    }
}

impl SessionEvidence {
    fn of(row: &SmtpSessionRow) -> Self {
        let mut lines = Vec::new();
        for reply in &row.replies {
            lines.push(format!("— {}", line(&reply.stage)));
            let shown = some(reply.lines.iter());
            lines.extend(shown.iter().map(|said| bytes(said, LINE_CHARS_MAX)));
            if reply.lines.len() > shown.len() {
                lines.push(format!("… {} more lines", reply.lines.len() - shown.len()));
            }
        }
        Self {
            address: line(&row.address),
            asked: utc(row.started),
            lines,
            tls: row.tls.as_ref().map(tls),
            chain: row.tls.as_ref().map(chain).unwrap_or_default(),
            reused_from: row.reused_from.as_deref().map(line),
            ended: ended(&row.ending),
        }
    }
}

impl CertificateEvidence {
    fn of(row: &CertificateRow, sha256: String) -> Self {
        let moment = |at: Option<Micros>| at.map(utc);
        Self {
            sha256,
            subject: row.subject.as_deref().map(line),
            issuer: row.issuer.as_deref().map(line),
            not_before: moment(row.not_before),
            not_after: moment(row.not_after),
            names: some(row.san_dns.iter()).iter().map(|name| line(name)).collect(),
            key: match (&row.key_algorithm, row.key_bits) {
                (Some(algorithm), Some(bits)) => line(&format!("{algorithm} {bits}")),
                (Some(algorithm), None) => line(algorithm),
                _ => String::new(),
            },
            unreadable: row.parse_error.as_deref().map(line),
        }
    }
}

fn addresses(a: &Lookup<AddressRecord>, aaaa: &Lookup<AddressRecord>) -> Vec<String> {
    some(a.records.iter().chain(&aaaa.records)).iter().map(|record| line(&record.address)).collect()
}

fn alias(a: &Lookup<AddressRecord>, aaaa: &Lookup<AddressRecord>) -> Option<String> {
    a.cnames.last().or(aaaa.cnames.last()).map(|cname| line(&cname.target))
}

fn tls(of: &TlsObservation) -> String {
    let agreed = [&of.version, &of.cipher_suite, &of.group, &of.signature_scheme];
    let mut words: Vec<&str> = agreed.into_iter().flatten().map(String::as_str).collect();
    let alert = of.alert.as_ref().map(|alert| format!("alert {alert}"));
    words.extend(alert.as_deref());
    line(&words.join(", "))
}

fn chain(of: &TlsObservation) -> Vec<String> {
    some(of.chain.iter()).iter().map(|digest| fingerprint(digest)[..KEY_DIGITS].to_owned()).collect()
}

/// Hexadecimal digits by which a certificate is found on the page.
const KEY_DIGITS: usize = 16;

/// The digest in hexadecimal, 64 digits; a shorter one is filled up.
fn fingerprint(digest: &Digest) -> String {
    format!("{:0<64}", hexadecimal(digest))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes what is written to it");
        text
    })
}

fn ended(ending: &Ending) -> String {
    match ending {
        Ending::Completed => "completed".to_owned(),
        Ending::Stopped { stage, cause, detail } => {
            said("stopped", stage.as_str(), cause.as_str(), detail.as_deref())
        }
        Ending::Withheld { stage, cause, detail } => {
            said("withheld by us", stage.as_str(), cause.as_str(), detail.as_deref())
        }
    }
}

fn said(how: &str, stage: &str, cause: &str, detail: Option<&str>) -> String {
    let detail = detail.map_or(String::new(), |detail| format!(" ({})", line(detail)));
    format!("{how} at {stage}: {cause}{detail}")
}

/// The first items of a list.
fn some<T>(items: impl Iterator<Item = T>) -> Vec<T> {
    items.take(ITEMS_MAX).collect()
}

/// A line of text: printable, and not too long.
fn line(text: &str) -> String {
    cut(&printable(text), LINE_CHARS_MAX)
}

/// Bytes off the wire as a line: what is no UTF-8 as `\xNN`, what cannot be seen escaped, and not too long.
fn bytes(bytes: &[u8], chars_max: usize) -> String {
    // Four bytes are one character at least.
    let (head, rest) = bytes.split_at(bytes.len().min(4 * chars_max));
    let mut text = String::new();
    for chunk in head.utf8_chunks() {
        text.push_str(&printable(chunk.valid()));
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").expect("a string takes what is written to it");
        }
    }
    let shown = cut(&text, chars_max);
    if shown.len() < text.len() || !rest.is_empty() {
        format!("{shown} [{} bytes in all]", bytes.len())
    } else {
        shown
    }
}

/// A policy, line by line, as it would be read.
fn text_of_lines(body: &[u8], truncated: bool) -> String {
    let (head, rest) = body.split_at(body.len().min(POLICY_CHARS_MAX));
    let lines: Vec<String> = head
        .split(|byte| *byte == b'\n')
        .map(|line| bytes(line.strip_suffix(b"\r").unwrap_or(line), LINE_CHARS_MAX))
        .collect();
    let mut text = lines.join("\n");
    if !rest.is_empty() || truncated {
        let more = if truncated { ", and more was there" } else { "" };
        write!(text, "\n… [{} bytes were kept{more}]", body.len())
            .expect("a string takes what is written to it");
    }
    text
}

fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_off_the_wire_are_text_and_short() {
        assert_eq!(bytes(b"220 \x1b[2J\xff hi", 100), "220 \\u{1b}[2J\\xff hi");
        let long = bytes(&vec![b'x'; 65_536], LINE_CHARS_MAX);
        assert_eq!(long, format!("{}… [65536 bytes in all]", "x".repeat(LINE_CHARS_MAX)));
        let policy = text_of_lines(b"version: STSv1\r\nmode: \xe2\x80\xaeenforce\n", true);
        assert_eq!(
            policy,
            "version: STSv1\nmode: \\u{202e}enforce\n\n… [33 bytes were kept, and more was there]"
        );
    }
}
