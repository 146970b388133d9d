//! Rows of what we did not ask: of who asked to be left alone, and of what goes beyond our limits.

use std::net::IpAddr;

use mxray_evidence::{DomainRow, Ending, MailHostRow, OwnCause, ReportSinkRow, SmtpSessionRow, Stage};

use crate::clock;
use crate::dns::withheld_lookup;
use crate::source::Target;

/// A domain that asked to be left alone.
pub(crate) fn withheld_domain(target: Target) -> DomainRow {
    let Target { domain, source, line, rank, columns } = target;
    DomainRow {
        source,
        line,
        rank,
        columns,
        mx: withheld_lookup(&domain, OwnCause::OptOut),
        ns: withheld_lookup(&domain, OwnCause::OptOut),
        sts_txt: withheld_lookup(&format!("_mta-sts.{domain}"), OwnCause::OptOut),
        tlsrpt_txt: withheld_lookup(&format!("_smtp._tls.{domain}"), OwnCause::OptOut),
        aside_txt: Vec::new(),
        domain,
    }
}

/// A mail host that asked to be left alone.
pub(crate) fn withheld_host(host: String) -> MailHostRow {
    let unasked = || withheld_lookup(&host, OwnCause::OptOut);
    let tlsa = withheld_lookup(&tlsa_name(&host), OwnCause::OptOut);
    MailHostRow { a: unasked(), aaaa: unasked(), tlsa, tlsa_alias: None, host }
}

/// A name that TLS reports go to, and that asked to be left alone.
pub(crate) fn withheld_sink(sink: String) -> ReportSinkRow {
    let unasked = || withheld_lookup(&sink, OwnCause::OptOut);
    ReportSinkRow { mx: withheld_lookup(&sink, OwnCause::OptOut), a: unasked(), aaaa: unasked(), sink }
}

/// A session that we did not begin.
pub(crate) fn withheld_session(host: &str, address: IpAddr, port: u16, cause: OwnCause) -> SmtpSessionRow {
    SmtpSessionRow {
        host: host.to_owned(),
        address: address.to_string(),
        port,
        started: clock::now(),
        elapsed_us: 0,
        attempts: 0,
        reused_from: None,
        replies: Vec::new(),
        early_bytes: None,
        tls: None,
        legacy: None,
        ending: Ending::withheld(Stage::Connect, cause),
    }
}

/// Where the TLSA records of a mail host stand (RFC 7672 §2.2.3).
pub(crate) fn tlsa_name(host: &str) -> String {
    format!("_25._tcp.{host}")
}
