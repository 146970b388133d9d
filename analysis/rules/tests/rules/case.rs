//! A domain built by hand: sound in everything until a test breaks something.

use std::collections::BTreeMap;

use mxray_evidence::{
    AddressRecord, ByteBuf, Cause, Cname, Connect, DomainRow, Ending, Header, Lookup, MailHostRow, Micros,
    MxRecord, OwnCause, PolicyRow, Reply, ReportSinkRow, SmtpSessionRow, Stage, TlsObservation, TxtRecord,
};
use mxray_rules::{
    ChainAssessment, ChainProblem, DaneOutcome, Dossier, Finding, HostAssessment, Judgement, Outcome,
    SessionAssessment, assess_host, assess_session, assess_sink, judge, rules,
};

pub(crate) const DOMAIN: &str = "d.example";
pub(crate) const NOW: Micros = 1_700_000_000_000_000;
pub(crate) const DAY: Micros = 86_400_000_000;
pub(crate) const SOUND_POLICY: &str =
    "version: STSv1\nmode: enforce\nmx: mx1.d.example\nmx: mx2.d.example\nmax_age: 2419200\n";

pub(crate) fn lookup<R>(name: &str, rcode: u16, records: Vec<R>) -> Lookup<R> {
    Lookup {
        name: name.into(),
        started: NOW,
        elapsed_us: 1,
        resolver: Some("127.0.0.1:53".into()),
        queries: 1,
        tcp: false,
        rcode: Some(rcode),
        unchecked_rcode: None,
        authenticated: Some(false),
        extended_errors: Vec::new(),
        security: None,
        cnames: Vec::new(),
        records,
        ending: Ending::Completed,
    }
}

/// No answer came.
pub(crate) fn timed_out<R>(name: &str) -> Lookup<R> {
    let ending = Ending::stopped(Stage::Dns, Cause::Timeout);
    Lookup { rcode: None, resolver: None, ending, ..lookup(name, 0, Vec::new()) }
}

/// We did not ask.
pub(crate) fn withheld<R>(name: &str) -> Lookup<R> {
    let ending = Ending::withheld(Stage::Dns, OwnCause::Cancelled);
    Lookup { rcode: None, resolver: None, ending, ..lookup(name, 0, Vec::new()) }
}

/// An alias that leads to nothing.
pub(crate) fn dangling<R>(name: &str, rcode: u16) -> Lookup<R> {
    let cname = Cname { owner: name.into(), target: "gone.example".into(), ttl: 60 };
    Lookup { cnames: vec![cname], ..lookup(name, rcode, Vec::new()) }
}

pub(crate) fn txt(text: &str) -> TxtRecord {
    TxtRecord { segments: vec![ByteBuf::from(text.as_bytes())], ttl: 60 }
}

pub(crate) fn address(address: &str) -> AddressRecord {
    AddressRecord { address: address.into(), ttl: 60 }
}

pub(crate) fn mx(preference: u16, exchange: &str) -> MxRecord {
    MxRecord { preference, exchange: exchange.into(), ttl: 60 }
}

pub(crate) fn tls(sni: &str) -> TlsObservation {
    TlsObservation {
        sni: sni.to_owned(),
        elapsed_us: 1,
        version: Some("TLSv1.3".to_owned()),
        cipher_suite: None,
        group: None,
        chain: vec![ByteBuf::from([1; 32])],
        signature_scheme: None,
        signature_valid: Some(true),
        alert: None,
    }
}

/// A name that reports go to: its MX, and one address.
pub(crate) fn sink(name: &str, mx: Lookup<MxRecord>) -> ReportSinkRow {
    let (a, aaaa) = (lookup(name, 0, vec![address("192.0.2.7")]), lookup(name, 0, Vec::new()));
    ReportSinkRow { sink: name.to_owned(), mx, a, aaaa }
}

/// A chain that has 90 days left.
pub(crate) fn chain(problems: &[ChainProblem]) -> ChainAssessment {
    ChainAssessment {
        problems: problems.to_vec(),
        not_after: Some(NOW + 90 * DAY),
        names: vec!["some.example".to_owned()],
        detail: None,
    }
}

pub(crate) fn reply(stage: Stage, code: u16, lines: &[&str]) -> Reply {
    let lines = lines.iter().map(|line| ByteBuf::from(line.as_bytes())).collect();
    Reply { stage: stage.as_str().to_owned(), code: Some(code), lines, elapsed_us: 1 }
}

/// A session in which all goes well, up to `QUIT`.
pub(crate) fn session(host: &str, address: &str) -> SmtpSessionRow {
    SmtpSessionRow {
        host: host.to_owned(),
        address: address.to_owned(),
        port: 25,
        started: NOW,
        elapsed_us: 1,
        attempts: 1,
        reused_from: None,
        replies: vec![
            reply(Stage::Banner, 220, &["220 mx ESMTP"]),
            reply(Stage::Ehlo, 250, &["250-mx", "250-SIZE 1000", "250 StartTLS"]),
            reply(Stage::Starttls, 220, &["220 go ahead"]),
            reply(Stage::EhloTls, 250, &["250 mx"]),
            reply(Stage::Quit, 221, &["221 bye"]),
        ],
        early_bytes: None,
        tls: Some(tls(host)),
        legacy: None,
        ending: Ending::Completed,
    }
}

/// A session that ended at `stage`: the replies up to there, and how.
pub(crate) fn cut(host: &str, address: &str, replies: usize, ending: Ending) -> SmtpSessionRow {
    let mut row = session(host, address);
    row.replies.truncate(replies);
    row.tls = None;
    row.ending = ending;
    row
}

/// A host with its sessions, as they are assessed.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) row: MailHostRow,
    pub(crate) sessions: Vec<(SmtpSessionRow, Option<ChainAssessment>)>,
    /// What its TLSA records make of each session, where the resolvers' AD bits are believed.
    pub(crate) dane: Option<DaneOutcome>,
}

impl Host {
    pub(crate) fn sound(name: &str) -> Self {
        Self::with_sessions(name, vec![(session(name, "192.0.2.1"), Some(chain(&[])))])
    }

    pub(crate) fn with_sessions(
        name: &str,
        sessions: Vec<(SmtpSessionRow, Option<ChainAssessment>)>,
    ) -> Self {
        let addresses = sessions.iter().map(|(row, _)| address(&row.address)).collect();
        let row = MailHostRow {
            host: name.to_owned(),
            a: lookup(name, 0, addresses),
            aaaa: lookup(name, 0, Vec::new()),
            tlsa: lookup(&format!("_25._tcp.{name}"), 3, Vec::new()),
            tlsa_alias: None,
        };
        Self { row, sessions, dane: None }
    }

    pub(crate) fn assess(&self, dnssec: bool) -> HostAssessment {
        let sessions = self.sessions.iter().cloned().map(|(row, chain)| SessionAssessment {
            dane: self.dane.clone(),
            ..assess_session(&row, chain, None)
        });
        assess_host(&self.row, &sessions.collect::<Vec<_>>(), dnssec)
    }
}

/// A domain and all that is known of it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) domain: DomainRow,
    pub(crate) policy: Option<(PolicyRow, Option<ChainAssessment>)>,
    pub(crate) hosts: BTreeMap<String, Host>,
    /// What is known of names that reports go to; of any other, that it takes them.
    pub(crate) sinks: BTreeMap<String, ReportSinkRow>,
    /// Whether the resolvers' AD bits are believed.
    pub(crate) dnssec: bool,
}

impl Case {
    /// A domain that does everything right.
    pub(crate) fn sound() -> Self {
        let domain = DomainRow {
            domain: DOMAIN.into(),
            source: "list".into(),
            line: 1,
            rank: Some(7),
            columns: Vec::new(),
            mx: lookup(DOMAIN, 0, vec![mx(10, "mx1.d.example"), mx(20, "mx2.d.example")]),
            ns: lookup(DOMAIN, 0, Vec::new()),
            sts_txt: lookup("_mta-sts.d.example", 0, vec![txt("v=STSv1; id=1;")]),
            tlsrpt_txt: lookup("_smtp._tls.d.example", 0, vec![txt("v=TLSRPTv1; rua=mailto:a@d.example")]),
            aside_txt: Vec::new(),
        };
        let hosts = ["mx1.d.example", "mx2.d.example"].map(|name| (name.to_owned(), Host::sound(name)));
        Self {
            domain,
            policy: Some((policy_row(SOUND_POLICY.as_bytes()), Some(chain(&[])))),
            hosts: hosts.into(),
            sinks: BTreeMap::new(),
            dnssec: false,
        }
    }

    pub(crate) fn with_record(text: &str) -> Self {
        let mut case = Self::sound();
        case.domain.sts_txt.records = vec![txt(text)];
        case
    }

    pub(crate) fn with_policy(text: &str) -> Self {
        let mut case = Self::sound();
        case.policy_row().body = Some(ByteBuf::from(text.as_bytes()));
        case
    }

    /// Every MX host replaced by one with these sessions.
    pub(crate) fn with_host(host: &Host) -> Self {
        let mut case = Self::sound();
        case.domain.mx.records = vec![mx(10, &host.row.host)];
        case.hosts = [(host.row.host.clone(), host.clone())].into();
        let text = format!("version: STSv1\nmode: enforce\nmx: {}\nmax_age: 2419200\n", host.row.host);
        case.policy_row().body = Some(ByteBuf::from(text.as_bytes()));
        case
    }

    pub(crate) fn with_session(row: SmtpSessionRow, chain: Option<ChainAssessment>) -> Self {
        Self::with_host(&Host::with_sessions("mx1.d.example", vec![(row, chain)]))
    }

    pub(crate) fn policy_row(&mut self) -> &mut PolicyRow {
        &mut self.policy.as_mut().expect("a case with a policy").0
    }

    pub(crate) fn judge(&self) -> Judgement {
        self.judge_at(None)
    }

    pub(crate) fn judge_at(&self, at: Option<Micros>) -> Judgement {
        let assessed = self.hosts.iter().map(|(name, host)| (name.clone(), host.assess(self.dnssec)));
        let assessed = assessed.collect::<BTreeMap<_, _>>();
        let hosts = |name: &str| assessed.get(name);
        let policy = self.policy.as_ref().map(|(row, chain)| (row, chain.as_ref()));
        let sinks = |name: &str| {
            let alive = || sink(name, lookup(name, 0, vec![mx(10, "mx.elsewhere.example")]));
            Some(assess_sink(&self.sinks.get(name).cloned().unwrap_or_else(alive)))
        };
        judge(
            &Dossier { domain: &self.domain, policy, hosts: &hosts, sinks: &sinks, dnssec: self.dnssec },
            at,
        )
    }

    /// Violations as `rule` or `rule/cause`.
    pub(crate) fn violations(&self) -> Vec<String> {
        names(&self.judge().findings, Outcome::Violation)
    }

    pub(crate) fn unknowns(&self) -> Vec<String> {
        names(&self.judge().findings, Outcome::Unknown)
    }

    pub(crate) fn outcome(&self, rule: &str) -> Outcome {
        let place = rules().iter().position(|row| row.name == rule).expect("a rule of that name");
        self.judge().outcomes[place]
    }
}

fn names(findings: &[Finding], outcome: Outcome) -> Vec<String> {
    let chosen = findings.iter().filter(|finding| finding.outcome == outcome);
    let name = |finding: &Finding| match &finding.cause {
        Some(cause) => format!("{}/{cause}", finding.rule.name),
        None => finding.rule.name.to_owned(),
    };
    chosen.map(name).collect()
}

/// A policy served as it should be.
pub(crate) fn policy_row(text: &[u8]) -> PolicyRow {
    let host = "mta-sts.d.example";
    PolicyRow {
        domain: DOMAIN.to_owned(),
        chunk: 0,
        host: host.to_owned(),
        a: lookup(host, 0, vec![address("192.0.2.80")]),
        aaaa: lookup(host, 0, Vec::new()),
        started: NOW,
        elapsed_us: 1,
        connects: vec![Connect {
            address: "192.0.2.80".to_owned(),
            port: 443,
            elapsed_us: 1,
            ending: Ending::Completed,
        }],
        tls: Some(tls(host)),
        status: Some(200),
        headers: vec![Header {
            name: "content-type".to_owned(),
            value: ByteBuf::from(*b"Text/Plain; charset=utf-8"),
        }],
        body: Some(ByteBuf::from(text)),
        body_truncated: false,
        ending: Ending::Completed,
    }
}
