//! What mxray says of the real servers, in the words of `posttls-finger`.

use std::path::Path;

use serde_json::Value;

use super::hosts::Settled;
use crate::mxray::{mxray, run, said};

/// What a run says of a domain.
#[derive(Debug)]
pub(crate) struct Ours {
    verdict: Value,
    /// Rules violated, with their causes, sorted.
    violations: Vec<String>,
    /// The code by which the host refused us.
    refused: Option<u64>,
    /// The version and the suite of the handshake, or, in brackets, of the answer to our own hello.
    pub(crate) spoke: String,
}

/// Scans and classifies domains inside the namespace, and gives the run's folder.
pub(crate) fn scan(desk: &Path, domains: &[String], root: &Path) -> String {
    let (list, out) = (desk.join("domains.txt"), desk.join("run"));
    std::fs::write(&list, domains.join("\n")).unwrap();
    let mut scan =
        mxray(&["scan", "--ehlo-name", "scanner.example", "--contact", "you@example.net", "--legacy-tls"]);
    scan.args(["--resolver", "127.0.0.1", "--allow-net", "127.0.0.0/8", "--refusal-retries", "0"]);
    scan.args(["--address-rate", "none", "--prefix-rate", "none", "--operator-rate", "none"]);
    scan.args(["--sni-samples", "0"]).arg("--trust-roots").arg(root).arg(&list).arg("--out").arg(&out);
    let scanned = said(&scan.output().unwrap());
    assert_eq!(scanned.code, 0, "{}", scanned.stderr);
    let out = out.to_str().unwrap();
    let classified = run(&["classify", out]);
    assert_eq!(classified.code, 0, "{}", classified.stderr);
    out.to_owned()
}

/// What a run says of each domain.
pub(crate) fn ask(desk: &Path, hosts: &[Settled], root: &Path) -> Vec<Ours> {
    let domains: Vec<String> = hosts.iter().map(|settled| settled.host.domain()).collect();
    let out = &scan(desk, &domains, root);
    let verdicts = query(out, "SELECT * FROM verdicts");
    let findings = query(
        out,
        "SELECT domain, rule, cause FROM findings WHERE outcome = 'violation' ORDER BY rule, cause",
    );
    let refused = query(out, "SELECT host, refused_code FROM hosts WHERE refused_code IS NOT NULL");
    let sessions = query(
        out,
        "SELECT host, tls['version'] AS version, tls['cipher_suite'] AS suite, legacy['version'] AS legacy_version, \
         legacy['cipher_suite'] AS legacy_suite, legacy['group'] AS legacy_group FROM smtp_sessions",
    );
    let of = |rows: &[Value], column: &str, name: &str| -> Vec<Value> {
        rows.iter().filter(|row| row[column] == name).cloned().collect()
    };
    let ours = hosts.iter().map(|Settled { host, .. }| {
        let (domain, mx) = (host.domain(), host.host());
        let violations = of(&findings, "domain", &domain);
        let violations = violations.iter().map(|row| match (row["rule"].as_str(), row["cause"].as_str()) {
            (Some(rule), Some(cause)) => format!("{rule}/{cause}"),
            (rule, _) => rule.unwrap_or_default().to_owned(),
        });
        Ours {
            verdict: of(&verdicts, "domain", &domain).pop().unwrap(),
            violations: violations.collect(),
            refused: of(&refused, "host", &mx).first().and_then(|row| row["refused_code"].as_u64()),
            spoke: of(&sessions, "host", &mx).first().map(spoken).unwrap_or_default(),
        }
    });
    ours.collect()
}

/// The answer of a run, a value a row.
pub(crate) fn query(run_folder: &str, sql: &str) -> Vec<Value> {
    let answer = run(&["query", run_folder, sql, "--format", "json"]);
    assert_eq!(answer.code, 0, "{sql}: {}", answer.stderr);
    answer.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn spoken(session: &Value) -> String {
    let word = |column: &str| session[column].as_str();
    let shown = |words: &[Option<&str>]| words.iter().copied().flatten().collect::<Vec<_>>().join(" ");
    if word("suite").is_some() {
        return shown(&[word("version"), word("suite")]);
    }
    match shown(&[word("legacy_version"), word("legacy_suite"), word("legacy_group")]) {
        nothing if nothing.is_empty() => nothing,
        spoken => format!("({spoken})"),
    }
}

impl Ours {
    /// Rules violated that bear on what is compared.
    pub(crate) fn findings(&self) -> Vec<&str> {
        let of_policies = |rule: &&str| rule.starts_with("sts-") || rule.starts_with("tlsrpt-");
        self.violations.iter().map(String::as_str).filter(|rule| !of_policies(rule)).collect()
    }

    /// Rules violated that are about the policy.
    pub(crate) fn policy_findings(&self) -> Vec<&str> {
        self.violations.iter().map(String::as_str).filter(|rule| rule.starts_with("sts-")).collect()
    }

    /// A column of its verdict.
    pub(crate) fn verdict(&self, column: &str) -> &str {
        self.verdict[column].as_str().unwrap()
    }

    fn finds(&self, rule: &str) -> bool {
        self.violations.iter().any(|found| found.starts_with(rule))
    }

    /// What they would call it, of STARTTLS and the certificate.
    pub(crate) fn pkix(&self) -> String {
        let is_bogus = self.finds("dnssec-bogus/mx") || self.finds("dnssec-bogus/address");
        let word = match self.verdict("starttls") {
            _ if is_bogus || self.verdict("mx") == "null" || self.finds("mx-unresolvable/no") => "no address",
            _ if self.finds("starttls-handshake") => "handshake fails",
            _ if self.finds("starttls-rejected") => "STARTTLS refused",
            _ if self.finds("starttls-absent") => "no STARTTLS",
            "all" if self.verdict("certificates") == "all" => "verified",
            "all" if self.finds("mx-cert-") => "untrusted",
            _ => return self.refused.map_or_else(|| "unknown".to_owned(), |code| format!("refused {code}")),
        };
        word.to_owned()
    }

    /// What they would call it, of DANE.
    pub(crate) fn dane(&self) -> String {
        let word = match self.verdict("dane") {
            // What an unsigned MX set leads to is not authenticated (RFC 7672 §2.2.1); they say *trusted*.
            "authenticated" if self.finds("tlsa-behind-insecure-mx") => "trusted",
            "authenticated" => "verified",
            _ if self.finds("dnssec-bogus/tlsa") || self.finds("tlsa-lookup-fails") => "TLSA lookup fails",
            _ if self.pkix() == "no address" => "no address",
            _ if self.finds("tlsa-unusable") => "unusable TLSA",
            _ if self.finds("tlsa-without-starttls") => return self.pkix(),
            _ if self.finds("tlsa-mismatch") || self.finds("tlsa-anchor") => "untrusted",
            _ if self.verdict("tlsa") == "all" && self.finds("starttls-handshake") => "handshake fails",
            _ => "no TLSA",
        };
        word.to_owned()
    }
}
