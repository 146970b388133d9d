//! Peers that mean harm: a catalogue of what a name server, a mail host or a policy host can do to whoever asks it.
//!
//! Every lab serves them beside its world, under names of their own: `tls-chain-long-7.hostile` is the eighth domain of
//! the case `tls-chain-long`. Such a domain is sound but for what its case says (it has an MX host, its records, a
//! policy that names the host, and valid certificates), so that whatever is found is the case's doing. No domain of a world is touched
//! by it, and the truth says nothing of it.

mod dns;
mod https;
mod records;
mod smtp;
mod tls;

use std::net::Ipv4Addr;

pub(crate) use dns::{is_hostile, replies, serve_over_tcp};
pub(crate) use https::serve_policy;
pub(crate) use smtp::serve_mail;

/// The top-level domain of them all.
const SUFFIX: &str = ".hostile";
/// Their addresses begin here; there are [`ADDRESSES`].
const FIRST: u32 = u32::from_be_bytes([127, 0, 16, 0]);
const ADDRESSES: u32 = 200 << 8;

macro_rules! cases {
    ($($variant:ident = $name:literal: $does:literal,)*) => {
        /// What a peer does to harm whoever asks it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "`does` says what each is")]
        pub enum Hostile { $($variant,)* }

        impl Hostile {
            /// Every case.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name, as it stands in the names of its domains.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it does, in words.
            pub fn does(self) -> &'static str {
                match self { $(Self::$variant => $does,)* }
            }
        }
    };
}

cases! {
    Sound = "sound": "nothing: what the others are compared with",
    DnsCompressionLoop = "dns-compression-loop": "an MX host's name is a pointer to itself (RFC 1035 §4.1.4)",
    DnsPointerChain = "dns-pointer-chain": "an MX host's name is behind a hundred pointers",
    DnsPointerForward = "dns-pointer-forward": "an MX host's name points behind the end of the message",
    DnsCountLiar = "dns-count-liar": "the header promises 65,535 records, and one follows",
    DnsRdataOverrun = "dns-rdata-overrun": "a record is longer than the message",
    DnsWrongId = "dns-wrong-id": "every reply has another id than its query",
    DnsWrongQuestion = "dns-wrong-question": "every reply answers another question",
    DnsSpoofFlood = "dns-spoof-flood": "two hundred forged replies come before the true one",
    DnsSilence = "dns-silence": "no reply to a question for MX",
    DnsRunts = "dns-runts": "replies of no byte, one byte, and a header alone",
    DnsTruncatedForever = "dns-truncated-forever": "truncated over UDP, and over TCP again",
    DnsTcpDrip = "dns-tcp-drip": "truncated, and over TCP a byte now and then",
    DnsTcpShort = "dns-tcp-short": "truncated, and over TCP 65,535 bytes are promised and a hundred sent",
    DnsAnswerLong = "dns-answer-long": "64 KiB of TXT records at _mta-sts",
    DnsAddressesMany = "dns-addresses-many": "an MX host with four thousand addresses",
    DnsMxThousand = "dns-mx-thousand": "a thousand MX records",
    DnsMxHundred = "dns-mx-hundred": "a hundred MX hosts, all at one address",
    DnsCnameChain = "dns-cname-chain": "an MX host is an alias of an alias, forty times",
    DnsCnameLoop = "dns-cname-loop": "an MX host is an alias of an alias of itself",
    DnsCnameSelf = "dns-cname-self": "an MX host is an alias of itself",
    DnsNameLong = "dns-name-long": "an MX host's name of 255 bytes",
    DnsNameBinary = "dns-name-binary": "an MX host's name with NULs, dots within labels and terminal controls",
    DnsTxtBinary = "dns-txt-binary": "a TXT record of every byte there is at _mta-sts",
    DnsTxtMany = "dns-txt-many": "a hundred records of MTA-STS",
    DnsGlue = "dns-glue": "beside the MX record stands an address for its host that is a cloud's metadata service",
    DnsMetadata = "dns-metadata": "an MX host at a cloud's metadata service, in five ways of writing its address",
    DnsPolicyMetadata = "dns-policy-metadata": "a policy host at a cloud's metadata service",
    TlsChainLong = "tls-chain-long": "a chain of a hundred certificates",
    TlsCertificateLong = "tls-certificate-long": "a certificate of a megabyte",
    TlsFragments = "tls-fragments": "a hello in records of one byte, and it promises sixteen megabytes",
    TlsFragmentsSmall = "tls-fragments-small": "a hello of 60 kB in records of one byte",
    TlsEmptyRecords = "tls-empty-records": "records of the handshake without a byte in them, without end",
    TlsWarnings = "tls-warnings": "warnings without end",
    TlsChangeCipherSpecs = "tls-change-cipher-specs": "ChangeCipherSpec without end",
    TlsHelloRequests = "tls-hello-requests": "requests to begin again, without end, before the hello",
    TlsDrip = "tls-drip": "a hello, a byte now and then",
    TlsRecordLong = "tls-record-long": "a record of 65,535 bytes",
    TlsResumedKey = "tls-resumed-key": "a hello that takes a pre-shared key that was never offered",
    TlsResumedSession = "tls-resumed-session": "a hello that resumes a session that never was",
    TlsRetries = "tls-retries": "asks for another hello, again and again",
    TlsDowngrade = "tls-downgrade": "a hello of TLS 1.2 with the mark of a downgrade (RFC 8446 §4.1.3)",
    TlsWrongKey = "tls-wrong-key": "a certificate whose key it does not hold",
    TlsTickets = "tls-tickets": "tickets without end after the handshake",
    TlsKeyUpdates = "tls-key-updates": "new keys without end after the handshake",
    TlsRenegotiations = "tls-renegotiations": "TLS 1.2, and requests to begin again without end after the handshake",
    HttpsSilence = "https-silence": "takes the request and says nothing",
    HttpsDrip = "https-drip": "a body, a byte now and then",
    HttpsHeadersDrip = "https-headers-drip": "a header field, a byte now and then",
    HttpsBodyEndless = "https-body-endless": "a body without end",
    HttpsChunkedEndless = "https-chunked-endless": "chunks of four bytes without end",
    HttpsChunkExtension = "https-chunk-extension": "a chunk's extension without end",
    HttpsTrailersEndless = "https-trailers-endless": "trailers without end",
    HttpsHeadersEndless = "https-headers-endless": "header fields without end",
    HttpsHeaderLong = "https-header-long": "a header field without end",
    HttpsInterimEndless = "https-interim-endless": "100 Continue without end",
    HttpsUpgrade = "https-upgrade": "switches to another protocol, unasked",
    HttpsGzipBomb = "https-gzip-bomb": "gzip that nobody asked for: eight megabytes in fifty thousand bytes",
    HttpsRedirectFile = "https-redirect-file": "a redirect to file:///etc/passwd",
    HttpsRedirectLoopback = "https-redirect-loopback": "a redirect to 127.0.0.1",
    HttpsLengthLiar = "https-length-liar": "a length of 2^64",
    HttpsLengthsTwo = "https-lengths-two": "two lengths that differ",
    HttpsNuls = "https-nuls": "a policy of NULs",
    SmtpBannerEndless = "smtp-banner-endless": "a greeting of lines without end",
    SmtpLineEndless = "smtp-line-endless": "a line without end",
    SmtpEhloEndless = "smtp-ehlo-endless": "keywords without end",
    SmtpEhloTlsEndless = "smtp-ehlo-tls-endless": "keywords without end, inside TLS",
    SmtpDrip = "smtp-drip": "a greeting, a byte now and then",
    SmtpNuls = "smtp-nuls": "NULs and terminal controls in every reply",
    SmtpBlankLines = "smtp-blank-lines": "empty lines without end",
    SmtpCodesDiffer = "smtp-codes-differ": "one reply with two codes",
    SmtpInjection = "smtp-injection": "answers of its own behind the 220 to STARTTLS, in the clear",
    SmtpEarly = "smtp-early": "greets, answers EHLO and is ready for TLS before a word was said to it",
    SmtpQuitSilence = "smtp-quit-silence": "does not answer QUIT, and does not close",
}

impl Hostile {
    /// The domain of the case with this number.
    pub fn domain(self, number: u32) -> String {
        format!("{}-{number}{SUFFIX}", self.name())
    }

    /// The case that a domain is of, by its name in lower case.
    pub fn of_domain(domain: &str) -> Option<Self> {
        let (name, number) = domain.strip_suffix(SUFFIX)?.rsplit_once('-')?;
        let _: u32 = number.parse().ok()?;
        Self::ALL.iter().find(|case| case.name() == name).copied()
    }

    /// Where the mail host and the policy host of a domain are.
    fn address(self, number: u32) -> Ipv4Addr {
        let cases = Self::ALL.len() as u32;
        Ipv4Addr::from(FIRST + (number % (ADDRESSES / cases)) * cases + self as u32)
    }

    /// Who is at an address.
    pub(crate) fn at(address: Ipv4Addr) -> Option<Self> {
        let offset = u32::from(address).checked_sub(FIRST).filter(|offset| *offset < ADDRESSES)?;
        Self::ALL.get(offset as usize % Self::ALL.len()).copied()
    }
}

/// A name below a hostile domain.
struct Place<'a> {
    case: Hostile,
    number: u32,
    /// The domain itself.
    domain: &'a str,
    /// What stands before the domain's name, without the dot; empty at the domain itself.
    below: &'a str,
}

impl<'a> Place<'a> {
    /// Which domain a name in lower case belongs to; `None` where none of these.
    fn of(name: &'a str) -> Option<Self> {
        let stem = name.strip_suffix(SUFFIX)?;
        let at = stem.rfind('.').map_or(0, |dot| dot + 1);
        let domain = &name[at..];
        let case = Hostile::of_domain(domain)?;
        let number = stem[at..].rsplit_once('-')?.1.parse().ok()?;
        Some(Self { case, number, domain, below: name[..at].trim_end_matches('.') })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_and_addresses_lead_back_to_their_case() {
        let mut seen = HashSet::new();
        for case in Hostile::ALL.iter().copied() {
            for number in [0, 7, 400] {
                let domain = case.domain(number);
                let host = format!("mx.{domain}");
                let place = Place::of(&host).unwrap();
                assert_eq!((place.case, place.number, place.domain), (case, number, domain.as_str()));
                assert_eq!(place.below, "mx");
                assert_eq!(Hostile::at(case.address(number)), Some(case));
                assert!(seen.insert(case.address(number)), "{domain}");
            }
            assert!(Hostile::at(case.address(4_000_000_000)).is_some());
        }
        assert!(Place::of("example.com").is_none() && Place::of("x.hostile").is_none());
        assert_eq!(Hostile::at(Ipv4Addr::LOCALHOST), None);
        assert_eq!(Hostile::at(Ipv4Addr::new(127, 1, 0, 0)), None);
    }
}
