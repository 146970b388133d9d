//! Where TLS reports go (RFC 8460 §3): the host behind each URI of `rua`.

use crate::aside::sole;
use crate::name::DomainName;
use crate::tlsrpt::TlsrptRecord;

/// URIs of one record whose hosts are looked up. A record can name as many as fit into 64 KiB of a stranger's zone.
pub const SINKS_A_RECORD_MAX: usize = 8;

/// A host that takes reports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReportSink {
    /// The name: the mail domain of a `mailto:`, the host of an `https:`.
    pub name: String,
    /// How it is reached.
    pub by: Carrier,
}

/// How a report travels (RFC 8460 §5.3, §5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carrier {
    /// By mail: the name has MX hosts, or is its own.
    Mail,
    /// By `POST`: the name has an address.
    Https,
}

/// The sinks that the TXT records of a name, each joined, send reports to, each once. None where there are several
/// TLS-RPT records, which senders then ignore. What stands behind a URI that is no name to look up (an address, a
/// percent-encoded domain) is left out.
pub fn sinks(texts: &[Vec<u8>]) -> Vec<ReportSink> {
    let Some(text) = sole(texts, TlsrptRecord::opening) else { return Vec::new() };
    let uris = TlsrptRecord::parse(text).rua;
    let mut sinks: Vec<ReportSink> = Vec::new();
    for sink in uris.iter().take(SINKS_A_RECORD_MAX).filter_map(|uri| sink(uri)) {
        if !sinks.contains(&sink) {
            sinks.push(sink);
        }
    }
    sinks
}

/// What stands behind one URI. The scheme has no case (RFC 3986 §3.1).
fn sink(uri: &str) -> Option<ReportSink> {
    let (scheme, rest) = uri.split_once(':')?;
    let (name, by) = if scheme.eq_ignore_ascii_case("mailto") {
        // `mailto:` has its domain before any `?` (RFC 6068 §2).
        let address = rest.split('?').next()?;
        (address.rsplit_once('@')?.1, Carrier::Mail)
    } else if scheme.eq_ignore_ascii_case("https") {
        // `//` userinfo `@` host `:` port (RFC 3986 §3.2).
        let authority = rest.strip_prefix("//")?.split(['/', '?', '#']).next()?;
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        (host.split(':').next()?, Carrier::Https)
    } else {
        return None;
    };
    let name = DomainName::parse(name).ok()?.as_str().to_owned();
    Some(ReportSink { name, by })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rua: &str) -> Vec<(String, Carrier)> {
        let text = format!("v=TLSRPTv1; rua={rua}").into_bytes();
        sinks(&[b"v=spf1 -all".to_vec(), text]).into_iter().map(|sink| (sink.name, sink.by)).collect()
    }

    #[test]
    fn the_host_of_each_uri_once() {
        let mail = |name: &str| (name.to_owned(), Carrier::Mail);
        let web = |name: &str| (name.to_owned(), Carrier::Https);
        assert_eq!(of("mailto:a@R.example.com,mailto:b@r.example.com?subject=x"), [mail("r.example.com")]);
        assert_eq!(
            of("https://u@r.example.com:8443/v1?a=b,HTTPS://s.example"),
            [web("r.example.com"), web("s.example")]
        );
        assert_eq!(of("mailto:a@r.example,https://r.example/"), [mail("r.example"), web("r.example")]);
    }

    #[test]
    fn what_is_no_name_is_not_looked_up_and_a_list_has_an_end() {
        assert_eq!(of("https://192.0.2.1/v1"), []);
        assert_eq!(of("https://[2001:db8::1]/v1"), []);
        assert_eq!(of("mailto:a@localhost"), []);
        assert_eq!(of("mailto:a@r%2Eexample"), []);
        let many = (0..100).map(|n| format!("mailto:a@r{n}.example")).collect::<Vec<_>>().join(",");
        assert_eq!(of(&many).len(), SINKS_A_RECORD_MAX);
        let two = ["v=TLSRPTv1; rua=mailto:a@r.example"; 2].map(|text| text.as_bytes().to_vec());
        assert_eq!(sinks(&two), []);
    }
}
