//! What comes of each case: the exchange that it is about, how that ends, and how much is kept.

use std::ops::RangeInclusive;

use mxray_lab::Hostile;

/// The row of a run that shows what became of a case.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Row {
    /// The domain's MX lookup: records are counted.
    Mx,
    /// The domain's lookup at `_mta-sts`: records are counted.
    Sts,
    /// The address lookup of its MX host: addresses and aliases are counted.
    Host,
    /// The policy's fetch: bytes of the body are counted.
    Policy,
    /// The session with the MX host: bytes of its replies are counted.
    Session,
    /// The same: certificates are counted.
    Chain,
    /// The same: bytes that came in the clear behind the answer to STARTTLS are counted.
    Early,
    /// The sessions with all its MX hosts, which end alike: they are counted.
    Sessions,
}

/// A case, and what is to come of it.
pub(crate) struct Case {
    pub(crate) of: Hostile,
    pub(crate) row: Row,
    pub(crate) ending: &'static str,
    pub(crate) kept: RangeInclusive<usize>,
}

const fn case(of: Hostile, row: Row, ending: &'static str, kept: RangeInclusive<usize>) -> Case {
    Case { of, row, ending, kept }
}

/// Every case there is.
pub(crate) const CASES: &[Case] = &[
    case(Hostile::Sound, Row::Session, "completed", 80..=130),
    case(Hostile::DnsCompressionLoop, Row::Mx, "stopped dns malformed", 0..=0),
    case(Hostile::DnsPointerChain, Row::Mx, "completed", 1..=1),
    case(Hostile::DnsPointerForward, Row::Mx, "stopped dns malformed", 0..=0),
    case(Hostile::DnsCountLiar, Row::Mx, "stopped dns malformed", 1..=1),
    case(Hostile::DnsRdataOverrun, Row::Mx, "stopped dns malformed", 0..=0),
    case(Hostile::DnsWrongId, Row::Mx, "stopped dns timeout", 0..=0),
    case(Hostile::DnsWrongQuestion, Row::Mx, "stopped dns timeout", 0..=0),
    case(Hostile::DnsSpoofFlood, Row::Mx, "completed", 1..=1),
    case(Hostile::DnsSilence, Row::Mx, "stopped dns timeout", 0..=0),
    case(Hostile::DnsRunts, Row::Mx, "stopped dns timeout", 0..=0),
    case(Hostile::DnsTruncatedForever, Row::Mx, "stopped dns malformed", 0..=0),
    case(Hostile::DnsTcpDrip, Row::Mx, "stopped dns timeout", 0..=0),
    case(Hostile::DnsTcpShort, Row::Mx, "stopped dns closed", 0..=0),
    case(Hostile::DnsAnswerLong, Row::Sts, "withheld dns limit", 16..=16),
    case(Hostile::DnsAddressesMany, Row::Host, "withheld dns limit", 256..=256),
    case(Hostile::DnsMxThousand, Row::Mx, "withheld dns limit", 256..=256),
    case(Hostile::DnsMxHundred, Row::Sessions, "completed", 32..=32),
    case(Hostile::DnsCnameChain, Row::Host, "withheld dns limit", 32..=32),
    case(Hostile::DnsCnameLoop, Row::Host, "completed", 2..=2),
    case(Hostile::DnsCnameSelf, Row::Host, "completed", 1..=1),
    case(Hostile::DnsNameLong, Row::Session, "completed", 80..=130),
    case(Hostile::DnsNameBinary, Row::Mx, "completed", 1..=1),
    case(Hostile::DnsTxtBinary, Row::Sts, "completed", 1..=1),
    case(Hostile::DnsTxtMany, Row::Sts, "completed", 100..=100),
    case(Hostile::DnsGlue, Row::Session, "completed", 80..=130),
    case(Hostile::DnsMetadata, Row::Sessions, "withheld connect not-routable", 5..=5),
    case(Hostile::DnsPolicyMetadata, Row::Policy, "withheld connect not-routable", 0..=0),
    case(Hostile::TlsChainLong, Row::Chain, "completed", 32..=32),
    case(Hostile::TlsCertificateLong, Row::Chain, "withheld handshake limit", 0..=0),
    case(Hostile::TlsFragments, Row::Session, "withheld handshake limit", 67..=67),
    case(Hostile::TlsFragmentsSmall, Row::Session, "withheld handshake limit", 67..=67),
    case(Hostile::TlsEmptyRecords, Row::Session, "stopped handshake tls-error", 67..=67),
    case(Hostile::TlsWarnings, Row::Session, "stopped handshake tls-error", 67..=67),
    case(Hostile::TlsChangeCipherSpecs, Row::Session, "stopped handshake tls-error", 67..=67),
    case(Hostile::TlsHelloRequests, Row::Session, "stopped handshake tls-error", 67..=67),
    case(Hostile::TlsDrip, Row::Session, "stopped handshake timeout", 67..=67),
    case(Hostile::TlsRecordLong, Row::Session, "stopped handshake tls-error", 67..=67),
    case(Hostile::TlsResumedKey, Row::Session, "stopped handshake tls-error", 67..=67),
    case(Hostile::TlsResumedSession, Row::Session, "stopped handshake tls-error", 67..=67),
    case(Hostile::TlsRetries, Row::Session, "stopped handshake tls-error", 67..=67),
    case(Hostile::TlsDowngrade, Row::Session, "stopped handshake tls-error", 67..=67),
    case(Hostile::TlsWrongKey, Row::Chain, "completed", 2..=2),
    case(Hostile::TlsTickets, Row::Chain, "stopped ehlo-tls oversize", 2..=2),
    case(Hostile::TlsKeyUpdates, Row::Chain, "stopped ehlo-tls tls-error", 2..=2),
    case(Hostile::TlsRenegotiations, Row::Chain, "stopped ehlo-tls tls-error", 2..=2),
    case(Hostile::HttpsSilence, Row::Policy, "stopped headers timeout", 0..=0),
    case(Hostile::HttpsDrip, Row::Policy, "stopped body timeout", 15..=1000),
    case(Hostile::HttpsHeadersDrip, Row::Policy, "stopped headers timeout", 0..=0),
    case(Hostile::HttpsBodyEndless, Row::Policy, "stopped body oversize", 65536..=65536),
    case(Hostile::HttpsChunkedEndless, Row::Policy, "stopped body oversize", 65536..=65536),
    case(Hostile::HttpsChunkExtension, Row::Policy, "stopped body oversize", 0..=0),
    case(Hostile::HttpsTrailersEndless, Row::Policy, "stopped body oversize", 1..=1),
    case(Hostile::HttpsHeadersEndless, Row::Policy, "stopped headers oversize", 0..=0),
    case(Hostile::HttpsHeaderLong, Row::Policy, "stopped headers oversize", 0..=0),
    case(Hostile::HttpsInterimEndless, Row::Policy, "stopped headers oversize", 0..=0),
    case(Hostile::HttpsUpgrade, Row::Policy, "completed", 0..=0),
    case(Hostile::HttpsGzipBomb, Row::Policy, "completed", 50397..=50397),
    case(Hostile::HttpsRedirectFile, Row::Policy, "completed", 0..=0),
    case(Hostile::HttpsRedirectLoopback, Row::Policy, "completed", 0..=0),
    case(Hostile::HttpsLengthLiar, Row::Policy, "stopped headers malformed", 0..=0),
    case(Hostile::HttpsLengthsTwo, Row::Policy, "stopped headers malformed", 0..=0),
    case(Hostile::HttpsNuls, Row::Policy, "completed", 4096..=4096),
    case(Hostile::SmtpBannerEndless, Row::Session, "stopped banner oversize", 2048..=32768),
    case(Hostile::SmtpLineEndless, Row::Session, "stopped banner oversize", 2048..=2048),
    case(Hostile::SmtpEhloEndless, Row::Session, "stopped ehlo oversize", 2048..=32768),
    case(Hostile::SmtpEhloTlsEndless, Row::Session, "stopped ehlo-tls oversize", 2048..=32768),
    case(Hostile::SmtpDrip, Row::Session, "stopped banner timeout", 23..=1000),
    case(Hostile::SmtpNuls, Row::Session, "completed", 119..=132),
    case(Hostile::SmtpBlankLines, Row::Session, "stopped banner malformed", 0..=0),
    case(Hostile::SmtpCodesDiffer, Row::Session, "stopped banner reply", 36..=36),
    case(Hostile::SmtpInjection, Row::Early, "completed", 60..=60),
    case(Hostile::SmtpEarly, Row::Session, "stopped handshake tls-error", 55..=55),
    case(Hostile::SmtpQuitSilence, Row::Session, "completed", 93..=93),
];
