//! For every defect, a domain that has it, and proof that it is served.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use domain::base::iana::{Rcode, Rtype};
use mxray_lab::{Defect, Lab, LabConfig, Names, PlantedDefect, WorldParams};
use rustls::ClientConfig;

use crate::client::{self, Fetch, Session};
use crate::signed;

/// A world with every defect, and how to ask it.
struct Witness {
    lab: Lab,
    config: Arc<ClientConfig>,
}

impl Witness {
    fn texts(&self, name: &str) -> Vec<String> {
        client::ask(self.lab.dns_addr(), name, Rtype::TXT).texts
    }

    fn text(&self, name: &str) -> String {
        self.texts(name).into_iter().find(|text| !text.starts_with("site-verification")).unwrap()
    }

    fn addresses(&self, host: &str) -> Vec<IpAddr> {
        client::addresses(self.lab.dns_addr(), host)
    }

    fn fetch(&self, host: &str) -> Fetch {
        let address = self.addresses(host)[0];
        client::fetch(&self.config, SocketAddr::new(address, self.lab.https_port()), host)
    }

    fn body(&self, host: &str) -> Vec<u8> {
        match self.fetch(host) {
            Fetch::Response { status: 200, body, .. } => body,
            other => panic!("{host}: {other:?}"),
        }
    }

    fn lines(&self, host: &str, key: &str) -> Vec<String> {
        let body = String::from_utf8(self.body(host)).unwrap();
        let pairs = body.lines().filter_map(|line| line.split_once(':'));
        pairs.filter(|(k, _)| *k == key).map(|(_, value)| value.trim().to_owned()).collect()
    }

    fn line(&self, host: &str, key: &str) -> Option<String> {
        self.lines(host, key).into_iter().next()
    }

    fn mx(&self, domain: &str) -> Vec<String> {
        let records = client::ask(self.lab.dns_addr(), domain, Rtype::MX).records;
        records.iter().map(|record| record.split_once(' ').unwrap().1.to_owned()).collect()
    }

    fn sessions(&self, host: &str) -> Vec<Session> {
        let addresses = self.addresses(host).into_iter();
        addresses
            .map(|address| {
                client::session(&self.config, SocketAddr::new(address, self.lab.smtp_port()), host)
            })
            .collect()
    }

    fn session(&self, host: &str) -> Session {
        self.sessions(host).remove(0)
    }

    fn tls_error(&self, host: &str) -> String {
        match self.fetch(host) {
            Fetch::Tls(error) => error.to_string(),
            other => panic!("{host}: {other:?}"),
        }
    }
}

#[test]
fn every_defect_is_served_as_it_is_planted() {
    let folder = tempfile::tempdir().unwrap();
    let mut params = WorldParams::default();
    // A policy is looked at where nothing else is wrong; its certificates are the usual verifier's to judge.
    params.dns.truncation = 0.0;
    let lab = Lab::start(LabConfig::new(folder.path(), 5, params, Names::Invented(12_000))).unwrap();
    let truths: Vec<_> = (0..12_000).map(|index| lab.world().truth(index).0).collect();
    let config = client::tls_config(&lab.ca_pem_path());
    let witness = Witness { lab, config };
    // In a world of its own: the names of this one have no parent.
    for defect in Defect::ALL.iter().filter(|defect| **defect != Defect::RecordOwnerParent) {
        let is_it = |row: &&PlantedDefect| row.rule == defect.rule() && row.cause == defect.cause();
        let fetch_is_sound = |rows: &&Vec<PlantedDefect>| {
            !rows.iter().any(|row| row.rule.starts_with("sts-host-") || row.rule.starts_with("sts-fetch-"))
        };
        // Where the fetch is to show it, in a domain whose fetch is sound; else anywhere.
        let alone = truths.iter().filter(fetch_is_sound).flatten().find(is_it);
        let row = alone.or_else(|| truths.iter().flatten().find(is_it)).unwrap();
        match defect.axis() {
            mxray_lab::Axis::Record => record(&witness, *defect, row),
            mxray_lab::Axis::Fetch => fetch(&witness, *defect, row),
            mxray_lab::Axis::Policy | mxray_lab::Axis::Mode | mxray_lab::Axis::Age => {
                policy(&witness, *defect, row);
            }
            mxray_lab::Axis::Match | mxray_lab::Axis::Mail => matching(&witness, *defect, row),
            mxray_lab::Axis::Host => host(&witness, *defect, row),
            mxray_lab::Axis::Tlsrpt => tlsrpt(&witness, *defect, row),
            mxray_lab::Axis::Signatures | mxray_lab::Axis::Tlsa | mxray_lab::Axis::Consequence => {
                signed::is_served(&witness.lab, *defect, row);
            }
        }
    }
}

fn id(text: &str) -> &str {
    let field = text.split(';').map(str::trim).find(|field| field.starts_with("id="));
    field.unwrap().strip_prefix("id=").unwrap()
}

fn record(witness: &Witness, defect: Defect, row: &PlantedDefect) {
    let owner = format!("_mta-sts.{}", row.domain);
    let aside = match defect {
        Defect::RecordOwnerUnderscore => format!("_mta_sts.{}", row.domain),
        Defect::RecordOwnerPolicyHost => format!("mta-sts.{}", row.domain),
        Defect::RecordOwnerApex => row.domain.clone(),
        Defect::RecordOwnerDoubled => format!("{owner}.{}", row.domain),
        Defect::PolicyWithoutRecord => {
            assert!(witness.texts(&owner).is_empty(), "{row:?}");
            let fetched = client::ask(witness.lab.dns_addr(), &row.subject, Rtype::A);
            return assert!(!fetched.records.is_empty(), "{row:?}: {fetched:?}");
        }
        _ => String::new(),
    };
    if !aside.is_empty() {
        assert!(witness.texts(&owner).is_empty(), "{row:?}");
        assert!(witness.texts(&aside).iter().any(|text| text.starts_with("v=STSv1;")), "{aside}");
        return;
    }
    if defect == Defect::RecordDangling {
        let answer = client::ask(witness.lab.dns_addr(), &owner, Rtype::TXT);
        assert!(!answer.cnames.is_empty() && answer.texts.is_empty(), "{answer:?}");
        return;
    }
    let texts = witness.texts(&owner);
    if defect == Defect::RecordMultiple {
        assert_eq!(texts.iter().filter(|text| text.starts_with("v=STSv1;")).count(), 2, "{texts:?}");
        return;
    }
    let text = witness.text(&owner);
    let sound_version = text.starts_with("v=STSv1;");
    let shown = match defect {
        Defect::RecordVersionCase => !sound_version && text.to_lowercase().starts_with("v=stsv1;"),
        Defect::RecordVersionSpelling => !text.to_lowercase().starts_with("v=stsv1"),
        Defect::RecordVersionPosition => text.starts_with("id=") && text.contains("v=STSv1;"),
        Defect::RecordVersionDelimiter => text.starts_with("v=STSv1") && !text.contains(';'),
        Defect::RecordIdMissing => sound_version && !text.contains("id="),
        Defect::RecordIdCharacter => sound_version && !id(&text).chars().all(|c| c.is_ascii_alphanumeric()),
        Defect::RecordIdTooLong => sound_version && id(&text).len() > 32,
        Defect::RecordIdEmpty => sound_version && id(&text).is_empty(),
        Defect::RecordIdTemplate => sound_version && id(&text).ends_with(['>', '}']),
        Defect::RecordExtension => sound_version && id(&text).len() <= 32 && text.matches(';').count() == 3,
        Defect::RecordDelimiter => text.starts_with("v=STSv1 ;"),
        Defect::RecordDuplicateId => sound_version && text.matches("; id=").count() == 2,
        other => panic!("{other:?}"),
    };
    assert!(shown, "{defect:?}: {text:?}");
}

fn fetch(witness: &Witness, defect: Defect, row: &PlantedDefect) {
    let host = row.subject.as_str();
    assert_eq!(host, format!("mta-sts.{}", row.domain));
    let dns = witness.lab.dns_addr();
    let shown = match defect {
        Defect::PolicyHostNxdomain => client::ask(dns, host, Rtype::A).rcode == Rcode::NXDOMAIN,
        Defect::PolicyHostDangling => {
            let answer = client::ask(dns, host, Rtype::A);
            answer.rcode == Rcode::NXDOMAIN && answer.cnames.len() == 1
        }
        Defect::PolicyHostNoData => {
            let answer = client::ask(dns, host, Rtype::A);
            answer.rcode == Rcode::NOERROR && witness.addresses(host).is_empty()
        }
        Defect::PolicyHostRefused => {
            matches!(witness.fetch(host), Fetch::Unconnected(std::io::ErrorKind::ConnectionRefused))
        }
        Defect::PolicyHostTimeout => {
            matches!(witness.fetch(host), Fetch::Unconnected(std::io::ErrorKind::TimedOut))
        }
        Defect::PolicyHostAlert => witness.tls_error(host).contains("HandshakeFailure"),
        Defect::PolicyHostClosed => witness.tls_error(host).contains("end of file"),
        Defect::PolicyHostNotTls => witness.tls_error(host).contains("corrupt message"),
        Defect::PolicyCertMalformed => {
            witness.tls_error(host).contains("key usage") || witness.tls_error(host).contains("Usage")
        }
        Defect::FetchClosed => matches!(witness.fetch(host), Fetch::NotHttp(bytes) if bytes.is_empty()),
        Defect::FetchMalformed => {
            matches!(witness.fetch(host), Fetch::NotHttp(bytes) if bytes.starts_with(b"SSH-"))
        }
        Defect::PolicyCertName => witness.tls_error(host).contains("not valid for name"),
        Defect::PolicyCertExpired => witness.tls_error(host).contains("expired"),
        Defect::PolicyCertNotYetValid => witness.tls_error(host).contains("not valid yet"),
        Defect::PolicyCertSelfSigned
        | Defect::PolicyCertUnknownRoot
        | Defect::PolicyCertMissingIntermediate => witness.tls_error(host).contains("UnknownIssuer"),
        Defect::PolicyCertExpiring => matches!(witness.fetch(host), Fetch::Response { .. }),
        Defect::FetchTimeout => matches!(witness.fetch(host), Fetch::TimedOut),
        Defect::FetchOversize => witness.body(host).len() > 65_536,
        Defect::FetchRedirect => match witness.fetch(host) {
            Fetch::Response { status: 300..=399, head, .. } => head.contains("\r\nLocation: https://"),
            _ => false,
        },
        Defect::FetchMediaType => match witness.fetch(host) {
            Fetch::Response { status: 200, head, .. } => !head.to_lowercase().contains("text/plain"),
            _ => false,
        },
        _ => match witness.fetch(host) {
            Fetch::Response { status, .. } => row.cause == Some(status.to_string().as_str()),
            _ => false,
        },
    };
    assert!(shown, "{defect:?}: {row:?}: {:?}: {:?}", witness.addresses(host), witness.fetch(host));
}

fn policy(witness: &Witness, defect: Defect, row: &PlantedDefect) {
    let host = row.subject.as_str();
    let line = |key| witness.line(host, key);
    let body = || witness.body(host);
    let any_line = |broken: &dyn Fn(&str) -> bool| String::from_utf8(body()).unwrap().lines().any(broken);
    let any_mx = |broken: fn(&str) -> bool| witness.lines(host, "mx").iter().any(|mx| broken(mx));
    let shown = match defect {
        Defect::PolicyEmpty => body().is_empty(),
        Defect::PolicyHtml => body().starts_with(b"<!DOCTYPE html>"),
        Defect::PolicyJson => body().starts_with(b"{"),
        Defect::PolicyBareCr => body().contains(&b'\r') && !body().contains(&b'\n'),
        Defect::PolicyBom => body().starts_with(b"\xef\xbb\xbfversion"),
        Defect::PolicyUtf16 => body().starts_with(b"\xff\xfev\0e\0"),
        Defect::PolicyOther => !body().contains(&b':') && !body().is_empty(),
        Defect::PolicyFrontMatter => body().starts_with(b"---"),
        Defect::PolicyTemplate => line("mode").unwrap().ends_with([']', '}']),
        Defect::PolicyNoColon => any_line(&|line| !line.contains(':')) && line("version").is_some(),
        Defect::PolicyKey => any_line(&|line| line.split(':').next().unwrap().contains(' ')),
        Defect::PolicyValue => any_line(&|line| line.trim_end().ends_with(':')),
        Defect::PolicyVersionMissing => line("version").is_none() && line("mode").is_some(),
        Defect::PolicyVersionWrong => line("version").unwrap() != "STSv1",
        Defect::PolicyModeMissing => line("mode").is_none() && line("version").is_some(),
        Defect::PolicyModeUnknown => {
            !["enforce", "testing", "none"].contains(&line("mode").unwrap().as_str())
        }
        Defect::PolicyMaxAgeMissing => line("max_age").is_none() && line("version").is_some(),
        Defect::PolicyMaxAgeNotANumber => line("max_age").unwrap().parse::<u64>().is_err(),
        Defect::PolicyMaxAgeTooLarge => line("max_age").unwrap().parse::<u64>().unwrap() > 31_557_600,
        Defect::PolicyMxMissing => line("mx").is_none() && line("mode").unwrap() != "none",
        Defect::PolicyMxEmail => any_mx(|mx| mx.contains('@')),
        Defect::PolicyMxIp => any_mx(|mx| mx.parse::<IpAddr>().is_ok()),
        Defect::PolicyMxComma => any_mx(|mx| mx.contains(',')),
        Defect::PolicyMxPreference => any_mx(|mx| mx.contains(' ')),
        Defect::PolicyMxRoot => any_mx(|mx| mx == "."),
        Defect::PolicyMxTrailingDot => any_mx(|mx| mx.ends_with('.')),
        Defect::PolicyMxWildcard => {
            any_mx(|mx| mx.rfind('*').is_some_and(|at| at > 0) || mx.starts_with("re*"))
        }
        Defect::PolicyMxULabel => any_mx(|mx| !mx.is_ascii()),
        Defect::PolicyMxEmpty => any_mx(str::is_empty),
        Defect::PolicyMxLabel => any_mx(|mx| mx.contains('_') || mx.contains("-.") || mx.starts_with('-')),
        Defect::PolicyBlankLine => String::from_utf8(body()).unwrap().lines().any(str::is_empty),
        Defect::PolicyIndent => String::from_utf8(body()).unwrap().lines().any(|line| line.starts_with(' ')),
        Defect::PolicyBlankBeforeColon => String::from_utf8(body()).unwrap().contains(" :"),
        Defect::PolicyDuplicateVersion | Defect::PolicyDuplicateMode | Defect::PolicyDuplicateMaxAge => {
            witness.lines(host, defect.cause().unwrap()).len() == 2
        }
        Defect::PolicyCommentLine => any_line(&|line| line.starts_with('#')),
        Defect::PolicyCommentTail => any_line(&|line| line.contains("  # ") && line.contains(':')),
        Defect::ModeTesting | Defect::ModeNone => line("mode").as_deref() == defect.cause(),
        Defect::AgeUnderADay => line("max_age").unwrap().parse::<u64>().unwrap() < 86_400,
        Defect::AgeUnderTwoWeeks => {
            (86_400..1_209_600).contains(&line("max_age").unwrap().parse::<u64>().unwrap())
        }
        other => panic!("{other:?}"),
    };
    assert!(shown, "{defect:?}: {row:?}: {:?}", String::from_utf8_lossy(&body()));
}

/// RFC 8461 §4.1, once more and simply.
fn matches(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => host.split_once('.').is_some_and(|(_, rest)| rest == parent),
        None => pattern == host,
    }
}

fn matching(witness: &Witness, defect: Defect, row: &PlantedDefect) {
    let patterns = witness.lines(&format!("mta-sts.{}", row.domain), "mx");
    let hosts = witness.mx(&row.domain);
    let matched = hosts.iter().filter(|host| patterns.iter().any(|p| matches(p, host))).count();
    let unused = patterns.iter().filter(|p| !hosts.iter().any(|host| matches(p, host))).count();
    let words = || format!("{defect:?}: {row:?}: {patterns:?} for {hosts:?}");
    match defect {
        Defect::NullWithPolicy => assert_eq!(hosts, ["."]),
        Defect::ImplicitWithPolicy => {
            assert!(hosts.is_empty() && !witness.addresses(&row.domain).is_empty(), "{}", words());
        }
        Defect::PatternUnused => assert!(matched > 0 && unused > 0, "{}", words()),
        _ if row.rule == "mx-policy-mismatch-all" => assert!(matched == 0 && unused > 0, "{}", words()),
        _ => assert!(matched > 0 && matched < hosts.len() && unused > 0, "{}", words()),
    }
    if row.rule.starts_with("mx-policy-mismatch") {
        let host = row.subject.as_str();
        assert!(hosts.iter().any(|h| h == host) && !patterns.iter().any(|p| matches(p, host)), "{}", words());
        let labels = |name: &str| name.split('.').count();
        let near = |p: &str| match row.cause.unwrap() {
            "tld" => p.rsplit_once('.').unwrap().0 == host.rsplit_once('.').unwrap().0,
            "label" => labels(p) == labels(host) + 1 && p.ends_with(host),
            "mta-sts-host" => p == format!("mta-sts.{}", row.domain),
            "typo" => labels(p) == labels(host) && p.len() == host.len() + 1,
            "wildcard-depth" => p.starts_with("*.") && host.ends_with(&p[1..]),
            "domain" => {
                let parent = host.splitn(3, '.').nth(2).unwrap();
                p.starts_with("mail.") && patterns.iter().all(|p| !p.ends_with(parent))
            }
            other => panic!("{other}"),
        };
        assert!(patterns.iter().any(|p| near(p)), "{}", words());
    }
}

fn host(witness: &Witness, defect: Defect, row: &PlantedDefect) {
    let host = row.subject.as_str();
    if host != row.domain {
        assert!(witness.mx(&row.domain).iter().any(|mx| mx == host), "{row:?}");
    }
    let dns = witness.lab.dns_addr();
    let handshake = || witness.session(host).handshake.unwrap().unwrap_err();
    let shown = match defect {
        Defect::MxNxdomain => client::ask(dns, host, Rtype::A).rcode == Rcode::NXDOMAIN,
        Defect::MxNoData => {
            client::ask(dns, host, Rtype::A).rcode == Rcode::NOERROR && witness.addresses(host).is_empty()
        }
        Defect::MxCname => {
            let answer = client::ask(dns, host, Rtype::A);
            let target = witness.addresses(&answer.cnames[0]);
            !target.is_empty() && witness.addresses(host) == target
        }
        Defect::MxIpLiteral => host.parse::<IpAddr>().is_ok(),
        Defect::MxLocalhost => host == "localhost",
        Defect::MxNotGlobal => witness.addresses(host).iter().all(|address| !address.is_loopback()),
        Defect::MxUnreachable => witness.sessions(host).iter().all(|session| session.refused),
        Defect::MxRefusedUs => {
            let session = witness.session(host);
            [&session.banner, &session.ehlo].iter().any(|text| text.starts_with(['4', '5']))
        }
        Defect::StarttlsAbsent => {
            let session = witness.session(host);
            session.ehlo.starts_with("250") && session.starttls.is_none() && !session.ehlo.contains("XXXX")
        }
        Defect::StarttlsMangled => witness.session(host).ehlo.contains("250-XXXXXXXA\r\n"),
        Defect::StarttlsRejected => witness.session(host).starttls.unwrap().starts_with(['4', '5']),
        Defect::HandshakeAlert => handshake().contains("HandshakeFailure"),
        Defect::HandshakeProtocolVersion | Defect::MxTls11 | Defect::MxTls10 | Defect::MxSsl30 => {
            handshake().contains("ProtocolVersion")
        }
        Defect::HandshakeClosed => handshake().contains("eof") || handshake().contains("end of file"),
        Defect::HandshakeNotTls => handshake().contains("corrupt message"),
        Defect::HandshakeSignature => handshake().contains("ignature"),
        Defect::HandshakeFailed => handshake().contains("misbehaved"),
        Defect::MxCertMalformed => handshake().contains("sage"),
        Defect::MxCertName => handshake().contains("not valid for name"),
        Defect::MxCertExpired => handshake().contains("expired"),
        Defect::MxCertNotYetValid => handshake().contains("not valid yet"),
        Defect::MxCertSelfSigned | Defect::MxCertUnknownRoot | Defect::MxCertMissingIntermediate => {
            handshake().contains("UnknownIssuer")
        }
        Defect::MxCertExpiring => witness.session(host).handshake == Some(Ok(())),
        Defect::MxCertVaries => {
            let sessions = witness.sessions(host);
            sessions.len() == 2
                && sessions.iter().all(|session| session.handshake == Some(Ok(())))
                && sessions[0].leaf != sessions[1].leaf
        }
        other => panic!("{other:?}"),
    };
    assert!(shown, "{defect:?}: {row:?}");
}

fn tlsrpt(witness: &Witness, defect: Defect, row: &PlantedDefect) {
    let owner = format!("_smtp._tls.{}", row.domain);
    if defect == Defect::TlsrptAbsentWithPolicy {
        assert_eq!(client::ask(witness.lab.dns_addr(), &owner, Rtype::TXT).rcode, Rcode::NXDOMAIN);
        return;
    }
    let aside = match defect {
        Defect::TlsrptOwnerHyphen => format!("_smtp-tls.{}", row.domain),
        Defect::TlsrptOwnerUnderscore => format!("_smtp_tls.{}", row.domain),
        Defect::TlsrptOwnerTls => format!("_tls.{}", row.domain),
        Defect::TlsrptOwnerApex => row.domain.clone(),
        Defect::TlsrptOwnerDoubled => format!("{owner}.{}", row.domain),
        _ => String::new(),
    };
    if !aside.is_empty() {
        assert!(witness.texts(&owner).is_empty(), "{row:?}");
        assert!(witness.texts(&aside).iter().any(|text| text.starts_with("v=TLSRPTv1;")), "{aside}");
        return;
    }
    let texts = witness.texts(&owner);
    let text = texts[0].as_str();
    let rua = text.split_once("rua=").map(|(_, rua)| rua.trim_end_matches(';')).unwrap_or_default();
    let sound_version = text.starts_with("v=TLSRPTv1;");
    let shown = match defect {
        Defect::TlsrptMultiple => texts.iter().filter(|t| t.starts_with("v=TLSRPTv1;")).count() == 2,
        Defect::TlsrptVersionCase => !sound_version && text.to_lowercase().starts_with("v=tlsrptv1;"),
        Defect::TlsrptVersionSpelling => !text.to_lowercase().starts_with("v=tlsrptv1"),
        Defect::TlsrptVersionPosition => text.starts_with("rua=") && text.contains("v=TLSRPTv1;"),
        Defect::TlsrptRuaMissing => sound_version && !text.contains("rua="),
        Defect::TlsrptUriScheme => !rua.starts_with("mailto:") && !rua.starts_with("https:"),
        Defect::TlsrptUriRawDelimiter => rua.contains('!'),
        Defect::TlsrptUriNoAt => rua.starts_with("mailto:") && !rua.contains('@'),
        Defect::TlsrptUriAddress => rua.matches('@').count() == 2 || rua.ends_with('.'),
        Defect::TlsrptUriTemplate => rua.ends_with('>'),
        Defect::TlsrptDelimiter => text.starts_with("v=TLSRPTv1 ;") || text.ends_with(' '),
        Defect::TlsrptUriSpace => rua.contains(' '),
        Defect::TlsrptUriEmpty => text.contains("rua=") && rua.is_empty(),
        Defect::TlsrptVersionDelimiter => text.starts_with("v=TLSRPTv1") && !text.contains(';'),
        Defect::TlsrptUriNoHost => rua.starts_with("https:///"),
        Defect::TlsrptUriCharacter => rua.contains('<'),
        Defect::TlsrptExtension => sound_version && text.matches(';').count() == 2,
        Defect::TlsrptSinkNxdomain | Defect::TlsrptSinkNoData => {
            let sink = rua.rsplit(['@', '/']).next().unwrap();
            let rcode = client::ask(witness.lab.dns_addr(), sink, Rtype::MX).rcode;
            witness.addresses(sink).is_empty()
                && (rcode == Rcode::NXDOMAIN) == (defect == Defect::TlsrptSinkNxdomain)
        }
        Defect::TlsrptSinkNullMx => witness.mx(rua.rsplit('@').next().unwrap()) == ["."],
        other => panic!("{other:?}"),
    };
    assert!(shown, "{defect:?}: {texts:?}");
}
