//! What one SMTP session showed.

use mxray_evidence::{Cause, Ending, LegacyHello, Micros, OwnCause, Reply, SmtpSessionRow, Stage};
use mxray_protocol::smtp::ehlo_keywords;

use crate::certificates::ChainAssessment;
use crate::dane::DaneOutcome;
use crate::quote::quote;

/// What one session showed of STARTTLS and of certificates: owned, and small enough to hold one for each session
/// of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionAssessment {
    /// The address.
    pub address: String,
    /// How far it came.
    pub outcome: SessionOutcome,
    /// The words for a person.
    pub detail: Option<String>,
    /// The version of TLS agreed.
    pub tls_version: Option<String>,
    /// SHA-256 of the leaf shown.
    pub leaf: Option<[u8; 32]>,
    /// The version that it takes of a hello of our own, as the sub-cause of `mx-tls-old`; `None` where it was not asked.
    pub old_tls: Option<OldTls>,
    /// The judgement of the chain shown; `None` where none was, or where it could not be had.
    pub chain: Option<ChainAssessment>,
    /// What the host's TLSA records make of the chain shown; `None` where there are none that count, or no chain.
    pub dane: Option<DaneOutcome>,
    /// The time at which dates are judged.
    pub at: Micros,
    /// It was not held: others at the address had shown what it would show.
    pub is_reused: bool,
}

/// What came of a hello that offers TLS of every age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OldTls {
    /// The host takes SSL 3.0.
    Ssl30,
    /// The host takes TLS 1.0.
    Tls10,
    /// The host takes TLS 1.1.
    Tls11,
    /// The host takes TLS 1.2 or 1.3, with a suite or a group that our library does not have: a sender whose library has it
    /// shakes hands.
    Odd,
    /// The host takes TLS 1.2 or 1.3 with what our library has too: it failed for another reason.
    Usual,
    /// It takes none of them either.
    None,
}

impl OldTls {
    fn of(hello: &LegacyHello) -> Self {
        match hello.version.as_deref() {
            Some("SSLv3") => Self::Ssl30,
            Some("TLSv1.0") => Self::Tls10,
            Some("TLSv1.1") => Self::Tls11,
            Some("TLSv1.2" | "TLSv1.3") if is_usual(hello) => Self::Usual,
            Some("TLSv1.2" | "TLSv1.3") => Self::Odd,
            _ => Self::None,
        }
    }

    /// The sub-cause.
    pub fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Ssl30 => Some("ssl-3"),
            Self::Tls10 => Some("tls-1-0"),
            Self::Tls11 => Some("tls-1-1"),
            Self::Odd | Self::Usual | Self::None => None,
        }
    }
}

/// Whether our library has the suite and the group of a key exchange: those of TLS 1.3, and ECDHE with AEAD.
fn is_usual(hello: &LegacyHello) -> bool {
    const CIPHERS: [&str; 3] = ["AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256"];
    const EXCHANGES: [&str; 3] = ["TLS_", "TLS_ECDHE_RSA_WITH_", "TLS_ECDHE_ECDSA_WITH_"];
    let suite = hello.cipher_suite.as_deref().unwrap_or_default();
    let has_suite = EXCHANGES
        .iter()
        .filter_map(|exchange| suite.strip_prefix(exchange))
        .any(|rest| CIPHERS.contains(&rest));
    has_suite
        && hello.group.as_deref().is_none_or(|group| ["x25519", "secp256r1", "secp384r1"].contains(&group))
}

/// How far a session came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionOutcome {
    /// We ended it, or never began.
    Withheld,
    /// The address is not globally routable, so that it was left alone.
    NotGlobal,
    /// No connection, no greeting, or no answer to `EHLO`.
    Unreachable,
    /// What answered is not SMTP, or more of it than is read.
    Unreadable,
    /// The greeting, or `EHLO` and `HELO`, were answered by this 4xx or 5xx code.
    Refused(u16),
    /// `EHLO` (or only `HELO`) was answered, and `STARTTLS` is not offered.
    Absent,
    /// A keyword stands in its place that a middlebox has overwritten.
    Mangled,
    /// It is offered, and what became of the command is not known.
    Offered,
    /// It is offered, and was answered by this code in place of 220.
    Rejected(u16),
    /// It was answered by 220, and what became of the handshake is not known.
    Answered,
    /// The handshake failed.
    HandshakeFailed(HandshakeFailure),
    /// TLS stands.
    Encrypted,
}

/// Why a handshake failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HandshakeFailure {
    /// An alert of theirs.
    Alert,
    /// No version in common: they speak TLS 1.1 or older.
    ProtocolVersion,
    /// They closed or reset the connection.
    Closed,
    /// What they sent is not TLS.
    NotTls,
    /// Their signature does not prove that they hold the key.
    Signature,
    /// Any other failure on our side of it.
    Failed,
}

impl HandshakeFailure {
    /// The sub-cause.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::ProtocolVersion => "protocol-version",
            Self::Closed => "closed",
            Self::NotTls => "not-tls",
            Self::Signature => "signature",
            Self::Failed => "failed",
        }
    }
}

/// Assesses a session. `chain` is the judgement of the certificates it showed; `at` the time at which dates are
/// judged, `None` being the session's own.
pub fn assess_session(
    row: &SmtpSessionRow,
    chain: Option<ChainAssessment>,
    at: Option<Micros>,
) -> SessionAssessment {
    let (mut outcome, mut detail) = outcome(row);
    let tls = row.tls.as_ref();
    let old_tls = row.legacy.as_ref().map(OldTls::of);
    // Whatever words it found for refusing us: it has no version in common.
    if let SessionOutcome::HandshakeFailed(failure) = &mut outcome
        && old_tls.and_then(OldTls::as_str).is_some()
    {
        *failure = HandshakeFailure::ProtocolVersion;
    }
    if let (SessionOutcome::HandshakeFailed(_), Some(words)) = (outcome, row.legacy.as_ref().and_then(spoken))
    {
        detail = Some(detail.map_or_else(|| words.clone(), |detail| format!("{detail}; {words}")));
    }
    SessionAssessment {
        address: row.address.clone(),
        outcome,
        detail,
        tls_version: tls.and_then(|tls| tls.version.clone()),
        old_tls,
        leaf: tls
            .and_then(|tls| tls.chain.first())
            .and_then(|leaf| <[u8; 32]>::try_from(leaf.as_slice()).ok()),
        dane: None,
        chain: chain.filter(|chain| is_shown(row, chain)),
        is_reused: row.reused_from.is_some(),
        at: at.unwrap_or(row.started),
    }
}

/// What a host speaks that our library does not.
fn spoken(hello: &LegacyHello) -> Option<String> {
    let words =
        [hello.version.as_deref()?, hello.cipher_suite.as_deref()?, hello.group.as_deref().unwrap_or("")];
    Some(format!("it takes {}", words.join(" ").trim_end()))
}

/// Whether a chain may be judged: one was shown. Where it was shown to another name, a valid one speaks for this name as
/// well, which it is issued for; of one that is not, nobody knows whether this name would have been shown a better.
fn is_shown(row: &SmtpSessionRow, chain: &ChainAssessment) -> bool {
    let is_any = row.tls.as_ref().is_some_and(|tls| !tls.chain.is_empty());
    is_any && (row.reused_from.is_none() || chain.is_valid())
}

fn outcome(row: &SmtpSessionRow) -> (SessionOutcome, Option<String>) {
    let greeting = match answered(row, Stage::Banner) {
        Ok(reply) => reply,
        Err(ended) => return ended,
    };
    if let Some(code) = refusal(greeting) {
        return (SessionOutcome::Refused(code), Some(words(greeting)));
    }
    let ehlo = match answered(row, Stage::Ehlo) {
        Ok(reply) => reply,
        Err(ended) => return ended,
    };
    match refusal(ehlo) {
        None => {}
        Some(code) if code < 500 => return (SessionOutcome::Refused(code), Some(words(ehlo))),
        Some(_) => {
            let helo = match answered(row, Stage::Helo) {
                Ok(reply) => reply,
                Err(ended) => return ended,
            };
            return match refusal(helo) {
                Some(code) => (SessionOutcome::Refused(code), Some(words(helo))),
                None => (SessionOutcome::Absent, Some(format!("EHLO refused: {}", words(ehlo)))),
            };
        }
    }
    match keyword(ehlo) {
        // The reply was cut, or breaks off: what is missing from it may have been there.
        Keyword::Absent if is_cut(row, Stage::Ehlo) => {
            (SessionOutcome::Unreadable, Some(end_words(&row.ending)))
        }
        Keyword::Absent => (SessionOutcome::Absent, None),
        Keyword::Mangled(word) => (SessionOutcome::Mangled, Some(word)),
        Keyword::Offered => after_offer(row),
    }
}

/// The reply to a stage, if it is one; else what a session is that ended there.
fn answered(row: &SmtpSessionRow, stage: Stage) -> Result<&Reply, (SessionOutcome, Option<String>)> {
    if let Some(reply) = row.reply(stage).filter(|reply| reply.code.is_some()) {
        return Ok(reply);
    }
    let outcome = match &row.ending {
        Ending::Withheld { cause: OwnCause::NotRoutable, .. } => SessionOutcome::NotGlobal,
        Ending::Withheld { .. } => SessionOutcome::Withheld,
        Ending::Stopped { cause: Cause::Malformed | Cause::Oversize, .. } => SessionOutcome::Unreadable,
        _ => SessionOutcome::Unreachable,
    };
    Err((outcome, Some(end_words(&row.ending))))
}

/// Whether the session ended within the reply to a stage, rather than for what it says.
fn is_cut(row: &SmtpSessionRow, stage: Stage) -> bool {
    row.ending.stage() == Some(stage) && row.ending.cause() != Some(Cause::NotOffered)
}

/// The code, where it is none of success.
fn refusal(reply: &Reply) -> Option<u16> {
    reply.code.filter(|code| !(200..300).contains(code))
}

fn after_offer(row: &SmtpSessionRow) -> (SessionOutcome, Option<String>) {
    let reply = row.reply(Stage::Starttls);
    match reply.and_then(|reply| reply.code) {
        None => return (SessionOutcome::Offered, Some(end_words(&row.ending))),
        Some(220) if row.ending.stage() == Some(Stage::Starttls) => {
            return (SessionOutcome::Offered, Some(end_words(&row.ending)));
        }
        Some(220) => {}
        Some(code) => return (SessionOutcome::Rejected(code), reply.map(words)),
    }
    let signature = row.tls.as_ref().and_then(|tls| tls.signature_valid);
    match &row.ending {
        Ending::Stopped { stage, cause, detail } if is_handshake(*stage, *cause) => {
            let alert = row.tls.as_ref().and_then(|tls| tls.alert.as_deref());
            match handshake_failure(*cause, alert, detail.as_deref()) {
                Some(failure) => (
                    SessionOutcome::HandshakeFailed(failure),
                    alert.map(|alert| format!("alert {alert}")).or(Some(end_words(&row.ending))),
                ),
                None => (SessionOutcome::Answered, Some(end_words(&row.ending))),
            }
        }
        _ if signature == Some(false) => (SessionOutcome::HandshakeFailed(HandshakeFailure::Signature), None),
        Ending::Withheld { stage: Stage::Handshake, .. } => {
            (SessionOutcome::Answered, Some(end_words(&row.ending)))
        }
        _ if row.tls.is_none() => (SessionOutcome::Answered, Some("no handshake was recorded".to_owned())),
        _ => (SessionOutcome::Encrypted, None),
    }
}

/// Whether a stop belongs to the handshake. In TLS 1.3 a server's last word on it, such as that it wants a certificate
/// of ours, can come after ours (RFC 8446 §4.6.2 and §6), at the first thing said inside.
fn is_handshake(stage: Stage, cause: Cause) -> bool {
    match stage {
        Stage::Handshake => true,
        Stage::EhloTls => matches!(cause, Cause::TlsAlert | Cause::TlsError),
        _ => false,
    }
}

/// What a handshake failed of; `None` where it was not seen to fail: a time that ran out is ours as likely as theirs.
pub(crate) fn handshake_failure(
    cause: Cause,
    alert: Option<&str>,
    detail: Option<&str>,
) -> Option<HandshakeFailure> {
    let detail = detail.unwrap_or_default().to_ascii_lowercase();
    let detail_has = |words: &[&str]| words.iter().any(|word| detail.contains(word));
    Some(match cause {
        Cause::Timeout => return None,
        Cause::Closed | Cause::Reset => HandshakeFailure::Closed,
        Cause::TlsAlert if alert == Some("protocol_version") || detail_has(&["protocolversion"]) => {
            HandshakeFailure::ProtocolVersion
        }
        Cause::TlsAlert => HandshakeFailure::Alert,
        Cause::Malformed => HandshakeFailure::NotTls,
        // The library's words: evidence keeps them, and has no column for what they say.
        _ if detail_has(&["tls12or13", "tlsversion", "protocolversion"]) => HandshakeFailure::ProtocolVersion,
        _ if detail_has(&["invalidcontenttype", "corrupt message"]) => HandshakeFailure::NotTls,
        _ => HandshakeFailure::Failed,
    })
}

enum Keyword {
    Offered,
    Mangled(String),
    Absent,
}

/// Looks for `STARTTLS` among the keywords of an EHLO reply. Keywords have no case (RFC 5321 §2.4).
fn keyword(ehlo: &Reply) -> Keyword {
    let keywords = || ehlo_keywords(ehlo.lines.iter().map(|line| line.as_slice()));
    if keywords().any(|word| word.eq_ignore_ascii_case(b"STARTTLS")) {
        return Keyword::Offered;
    }
    match keywords().find(|word| is_overwritten(word)) {
        Some(word) => Keyword::Mangled(quote(word)),
        None => Keyword::Absent,
    }
}

/// As firewalls overwrite the keyword: as long as `STARTTLS`, and of X but for a letter or two.
fn is_overwritten(word: &[u8]) -> bool {
    word.len() == b"STARTTLS".len() && word.iter().filter(|byte| **byte != b'X').take(3).count() <= 2
}

fn words(reply: &Reply) -> String {
    let lines = reply.lines.iter().map(|line| line.as_slice()).collect::<Vec<_>>();
    quote(&lines.join(&b' '))
}

/// How an observation ended, for a person.
pub(crate) fn end_words(ending: &Ending) -> String {
    match ending {
        Ending::Completed => "the session holds no such reply".to_owned(),
        Ending::Stopped { stage, cause, detail } => {
            with_detail(format!("{cause} at {stage}"), detail.as_deref())
        }
        Ending::Withheld { stage, cause, detail } => {
            with_detail(format!("withheld at {stage}: {cause}"), detail.as_deref())
        }
    }
}

fn with_detail(words: String, detail: Option<&str>) -> String {
    match detail {
        Some(detail) => format!("{words} ({})", quote(detail.as_bytes())),
        None => words,
    }
}
