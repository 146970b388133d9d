//! First words in TLS that a library of today does not say, and what a server answers to them in the clear (RFC 8446 §4.1,
//! RFC 5246 §7.4, RFC 2246 §7.4).
//!
//! Nothing is encrypted and nothing agreed: the hello asks whether anybody speaks so, and the answer shows a version, a
//! cipher suite, the group of the key exchange and, before TLS 1.3, the certificates.

/// What a hello offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// TLS 1.0 to 1.3, and every suite and group that a mail host may be left with: static RSA, CBC, finite fields, P-521,
    /// and last of all suites without a certificate.
    Everything,
    /// TLS 1.1 at most, for servers that are upset by what is newer.
    Tls11,
}

impl Offer {
    /// The newest version that it offers.
    pub fn newest(self) -> &'static str {
        match self {
            Self::Everything => "TLSv1.3",
            Self::Tls11 => "TLSv1.1",
        }
    }

    /// The version in the hello's own field: one that offers TLS 1.3 says 1.2 there (RFC 8446 §4.1.2).
    fn version(self) -> [u8; 2] {
        match self {
            Self::Everything => [3, 3],
            Self::Tls11 => [3, 2],
        }
    }

    fn suites(self) -> Vec<u16> {
        match self {
            Self::Everything => [NEW_SUITES, OLD_SUITES, ANONYMOUS_SUITES, &[RENEGOTIATION]].concat(),
            // Who could speak a newer version answers the fallback signal by an alert (RFC 7507 §3).
            Self::Tls11 => [OLD_SUITES, &[RENEGOTIATION, FALLBACK]].concat(),
        }
    }

    fn groups(self) -> &'static [u16] {
        match self {
            // X25519, P-256, P-384, P-521, X448, the Brainpool curves, finite fields of 2,048 to 8,192 bits.
            Self::Everything => &[29, 23, 24, 25, 30, 26, 27, 28, 256, 257, 258, 259, 260],
            Self::Tls11 => &[23, 24, 25],
        }
    }
}

/// Those of TLS 1.3; then 1.2's: ECDHE and DHE with AEAD, with CBC and SHA-2, and static RSA.
const NEW_SUITES: &[u16] = &[
    0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xccaa, 0x009e, 0x009f, 0xc023,
    0xc027, 0xc024, 0xc028, 0x0067, 0x006b, 0x009c, 0x009d, 0x003c, 0x003d,
];
/// With RSA, (EC)DHE, AES, 3DES and RC4, as servers of TLS 1.1 have them.
const OLD_SUITES: &[u16] = &[
    0xc014, 0xc013, 0xc00a, 0xc009, 0x0039, 0x0033, 0x0035, 0x002f, 0xc012, 0xc008, 0x0016, 0x000a, 0xc011,
    0x0005, 0x0004,
];
/// Without a certificate, with DH and ECDH: opportunistic senders take these as well (RFC 7672 §2.2).
const ANONYMOUS_SUITES: &[u16] = &[0x00a6, 0x00a7, 0xc018, 0xc019, 0x006c, 0x006d, 0x0034, 0x003a];
/// The renegotiation signal (RFC 5746 §3.3).
const RENEGOTIATION: u16 = 0x00ff;
const FALLBACK: u16 = 0x5600;
/// ECDSA, `EdDSA`, RSA-PSS and RSA with SHA-2, then what is left of SHA-1.
const SIGNATURES: &[u16] = &[
    0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, 0x0401, 0x0501,
    0x0601, 0x0203, 0x0201,
];
/// TLS 1.3 to 1.0.
const VERSIONS: [u8; 9] = [8, 3, 4, 3, 3, 3, 2, 3, 1];
/// The random number of a `ServerHello` that asks for another key share (RFC 8446 §4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];
/// In TLS 1.3 it says nothing, and may stand anywhere (RFC 8446 §5).
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const SERVER_KEY_EXCHANGE: u8 = 12;
const CERTIFICATE_REQUEST: u8 = 13;
const CERTIFICATE_STATUS: u8 = 22;
const SUPPORTED_GROUPS: u16 = 10;
const SUPPORTED_VERSIONS: u16 = 43;
const KEY_SHARE: u16 = 51;

/// The hello for a host, as one record. `random` is to differ from time to time, and protects nothing here.
pub fn client_hello(offer: Offer, host: &str, random: &[u8; 32]) -> Vec<u8> {
    let list = |numbers: &[u16]| {
        sized16(&numbers.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<_>>())
    };
    // server_name (RFC 6066 §3).
    let name = sized16(&[&[0][..], &sized16(host.as_bytes())].concat());
    let mut extensions = vec![(0, name), (SUPPORTED_GROUPS, list(offer.groups()))];
    // ec_point_formats: uncompressed (RFC 8422 §5.1.2).
    extensions.push((11, vec![1, 0]));
    if offer == Offer::Everything {
        extensions.push((13, list(SIGNATURES)));
        extensions.push((SUPPORTED_VERSIONS, VERSIONS.to_vec()));
        // No key share at all: who speaks TLS 1.3 says in the clear which group it wants one of (RFC 8446 §4.2.8).
        extensions.push((KEY_SHARE, vec![0, 0]));
    }
    let extensions: Vec<u8> = extensions
        .into_iter()
        .flat_map(|(kind, data): (u16, Vec<u8>)| [&kind.to_be_bytes()[..], &sized16(&data)].concat())
        .collect();
    let body =
        [&offer.version()[..], random, &[0], &list(&offer.suites()), &[1, 0], &sized16(&extensions)].concat();
    let length = (body.len() as u32).to_be_bytes();
    let message = [&[1][..], &length[1..], &body].concat();
    [&[HANDSHAKE, 3, 1][..], &sized16(&message)].concat()
}

fn sized16(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

/// What a server has answered so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerFlight {
    /// The version that it takes, as on the wire: `0x0301` is TLS 1.0.
    pub version: Option<u16>,
    /// The suite that it takes.
    pub cipher_suite: Option<u16>,
    /// The group of its key exchange, by IANA's number of named groups.
    pub group: Option<u16>,
    /// The length of the prime of its key exchange in a finite field, bits.
    pub prime_bits: Option<u32>,
    /// The certificates that it shows, leaf first, DER.
    pub certificates: Vec<Vec<u8>>,
    /// The code of an alert.
    pub alert: Option<u8>,
    /// Whether there is nothing more to wait for.
    pub is_over: bool,
    /// Whether what it sends is no TLS.
    pub is_malformed: bool,
}

impl ServerFlight {
    /// Reads what was received, whole records and the begun one. Total: every text gives a flight.
    pub fn read(bytes: &[u8]) -> Self {
        let mut flight = Self::default();
        let mut messages = Vec::new();
        let mut rest = bytes;
        while let [kind, 3, 0..=4, high, low, tail @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let Some((body, after)) = tail.split_at_checked(length) else { break };
            match *kind {
                HANDSHAKE => messages.extend_from_slice(body),
                CHANGE_CIPHER_SPEC => {}
                ALERT => {
                    flight.alert = body.get(1).copied();
                    flight.is_over = true;
                    break;
                }
                _ => {
                    flight.is_malformed = true;
                    break;
                }
            }
            rest = after;
        }
        let begins_as_record = match rest {
            [] => true,
            [kind] | [kind, 3] | [kind, 3, 0..=4, ..] => {
                matches!(*kind, CHANGE_CIPHER_SPEC | ALERT | HANDSHAKE)
            }
            _ => false,
        };
        flight.is_malformed |= !begins_as_record;
        flight.read_messages(&messages);
        flight.is_over |= flight.is_malformed;
        flight
    }

    fn read_messages(&mut self, mut rest: &[u8]) {
        while let [kind, a, b, c, tail @ ..] = rest {
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            let Some((body, after)) = tail.split_at_checked(length) else { return };
            match *kind {
                SERVER_HELLO => self.read_hello(body),
                CERTIFICATE => self.certificates = certificates(body),
                SERVER_KEY_EXCHANGE => self.read_key_exchange(body),
                CERTIFICATE_REQUEST | CERTIFICATE_STATUS => {}
                // `ServerHelloDone`, or what nobody should say here.
                _ => self.is_over = true,
            }
            rest = after;
        }
    }

    /// `server_version random session_id cipher_suite compression extensions`
    fn read_hello(&mut self, body: &[u8]) {
        let rest = body.get(34).and_then(|length| body.get(35 + usize::from(*length)..));
        let ([major, minor, ..], Some([high, low, rest @ ..])) = (body, rest) else {
            self.is_malformed = true;
            return;
        };
        self.version = Some(u16::from_be_bytes([*major, *minor]));
        self.cipher_suite = Some(u16::from_be_bytes([*high, *low]));
        let mut extensions = rest.get(3..).unwrap_or_default();
        while let [a, b, high, low, tail @ ..] = extensions {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let Some((data, after)) = tail.split_at_checked(length) else { break };
            let number = || Some(u16::from_be_bytes([*data.first()?, *data.get(1)?]));
            match u16::from_be_bytes([*a, *b]) {
                SUPPORTED_VERSIONS => self.version = number().or(self.version),
                KEY_SHARE => self.group = number(),
                _ => {}
            }
            extensions = after;
        }
        // What follows is encrypted, or waits for us.
        self.is_over |= body[2..34] == RETRY || self.version == Some(TLS_1_3);
    }

    /// `ServerECDHParams` (RFC 8422 §5.4) or `ServerDHParams` (RFC 5246 §7.4.3), whichever the suite calls for.
    fn read_key_exchange(&mut self, body: &[u8]) {
        const NAMED_CURVE: u8 = 3;
        const DHE_WITH_CHACHA20: u16 = 0xccaa;
        let suite = self.cipher_suite.unwrap_or_default();
        let is_elliptic = matches!(suite >> 8, 0xc0 | 0xcc) && suite != DHE_WITH_CHACHA20;
        match body {
            [NAMED_CURVE, high, low, ..] if is_elliptic => {
                self.group = Some(u16::from_be_bytes([*high, *low]));
            }
            [high, low, rest @ ..] if !is_elliptic => {
                let prime = rest.get(..usize::from(u16::from_be_bytes([*high, *low]))).unwrap_or_default();
                let leading = prime.iter().take_while(|byte| **byte == 0).count();
                let zeros = prime.get(leading).map_or(0, |byte| byte.leading_zeros());
                self.prime_bits = Some(8 * (prime.len() - leading) as u32 - zeros);
            }
            _ => {}
        }
    }
}

const TLS_1_3: u16 = 0x0304;

/// `certificate_list<0..2^24-1>`: what is cut off is left out.
fn certificates(body: &[u8]) -> Vec<Vec<u8>> {
    let mut list = Vec::new();
    let mut rest = body.get(3..).unwrap_or_default();
    while let [a, b, c, tail @ ..] = rest {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let Some((der, after)) = tail.split_at_checked(length) else { break };
        list.push(der.to_vec());
        rest = after;
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind][..], &(body.len() as u32).to_be_bytes()[1..], body].concat()
    }

    fn record(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind, 3, 1][..], &sized16(body)].concat()
    }

    fn answer() -> Vec<u8> {
        let hello = [&[3, 1][..], &[7; 32], &[2, 9, 9], &[0, 0x2f], &[0]].concat();
        let list = [&[0, 0, 2, 1, 2][..], &[0, 0, 1, 3]].concat();
        let certificate = [&[0, 0, list.len() as u8][..], &list].concat();
        let messages = [message(2, &hello), message(11, &certificate), message(14, &[])].concat();
        // Records may cut messages anywhere.
        let (first, second) = messages.split_at(20);
        [record(22, first), record(22, second)].concat()
    }

    #[test]
    fn a_server_hello_and_its_certificates_however_they_arrive() {
        let bytes = answer();
        let flight = ServerFlight::read(&bytes);
        assert_eq!((flight.version, flight.cipher_suite), (Some(0x0301), Some(0x002f)));
        assert_eq!(flight.certificates, [vec![1, 2], vec![3]]);
        assert!(flight.is_over && !flight.is_malformed);
        for cut in 0..bytes.len() {
            let part = ServerFlight::read(&bytes[..cut]);
            assert!(!part.is_malformed, "cut at {cut}: {part:?}");
            assert!(part.version.is_none() || part.version == flight.version);
        }
    }

    #[test]
    fn an_alert_and_what_is_no_tls() {
        let alert = ServerFlight::read(&[21, 3, 1, 0, 2, 2, 70]);
        assert_eq!((alert.alert, alert.is_over, alert.is_malformed), (Some(70), true, false));
        for text in [&b"500 what?\r\n"[..], b"\x17\x03\x01\x00\x00", b"\x80\x2e\x01"] {
            assert!(ServerFlight::read(text).is_malformed, "{text:?}");
        }
        assert!(!ServerFlight::read(b"").is_over);
    }

    #[test]
    fn no_bytes_are_too_odd() {
        let good = answer();
        for at in 0..good.len() {
            for bent in [0, 0xff, good[at] ^ 0x55] {
                let mut bytes = good.clone();
                bytes[at] = bent;
                ServerFlight::read(&bytes);
            }
        }
    }

    #[test]
    fn the_hello_is_one_record_of_a_consistent_length() {
        for (offer, version) in [(Offer::Everything, [3, 3]), (Offer::Tls11, [3, 2])] {
            let hello = client_hello(offer, "mx.example", &[5; 32]);
            assert_eq!(hello[..3], [22, 3, 1]);
            assert_eq!(usize::from(u16::from_be_bytes([hello[3], hello[4]])), hello.len() - 5);
            assert_eq!(usize::from(u16::from_be_bytes([hello[7], hello[8]])), hello.len() - 9);
            assert_eq!(hello[9..11], version);
            assert!(hello.windows(10).any(|window| window == b"mx.example"));
        }
    }

    #[test]
    fn rfc8446_4_1_4_a_retry_names_the_version_and_the_group() {
        let extensions = [&[0, 43, 0, 2, 3, 4][..], &[0, 51, 0, 2, 0, 25]].concat();
        let hello = [&[3, 3][..], &RETRY, &[0], &[0x13, 0x02], &[0], &sized16(&extensions)].concat();
        let flight = ServerFlight::read(&[record(22, &message(2, &hello)), record(20, &[1])].concat());
        let shown = (flight.version, flight.cipher_suite, flight.group);
        assert_eq!(shown, (Some(0x0304), Some(0x1302), Some(25)));
        assert!(flight.is_over && !flight.is_malformed);
    }

    #[test]
    fn rfc8422_5_4_the_group_of_a_key_exchange() {
        let exchange = |suite: [u8; 2], body: &[u8]| {
            let hello = [&[3, 3][..], &[7; 32], &[0], &suite, &[0]].concat();
            let messages = [message(2, &hello), message(12, body), message(14, &[])].concat();
            let flight = ServerFlight::read(&record(22, &messages));
            (flight.group, flight.prime_bits)
        };
        assert_eq!(exchange([0xc0, 0x2f], &[3, 0, 25, 1, 4]), (Some(25), None));
        let prime = [&[0, 129, 0, 0x80][..], &[1; 127]].concat();
        assert_eq!(exchange([0x00, 0x9e], &prime), (None, Some(1_024)));
        assert_eq!(exchange([0xcc, 0xaa], &[0, 1, 1]), (None, Some(1)));
        assert_eq!(exchange([0x00, 0x9e], &[0, 9, 1]), (None, Some(0)), "cut off");
    }
}
