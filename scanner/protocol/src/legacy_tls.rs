//! A first word in TLS 1.1 or older, and what a server answers to it in the clear (RFC 4346 §7.4, RFC 2246 §7.4).
//!
//! Nothing is encrypted and nothing agreed: the hello asks whether anybody speaks so, and the answer shows a version, a
//! cipher suite and, before TLS 1.3, the certificates.

/// TLS 1.1, the newest that the hello offers.
const OFFERED: [u8; 2] = [3, 2];
/// Suites with RSA, (EC)DHE, AES, 3DES and RC4 as such servers have them; then the renegotiation signal (RFC 5746
/// §3.3), and the fallback signal (RFC 7507 §3): who could speak a newer version answers it by an alert.
const SUITES: [u16; 17] = [
    0xc014, 0xc013, 0xc00a, 0xc009, 0x0039, 0x0033, 0x0035, 0x002f, 0xc012, 0xc008, 0x0016, 0x000a, 0xc011,
    0x0005, 0x0004, 0x00ff, 0x5600,
];
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;

/// The hello for a host, as one record. `random` is to differ from time to time, and protects nothing here.
pub fn client_hello(host: &str, random: &[u8; 32]) -> Vec<u8> {
    let mut extensions = Vec::new();
    // server_name (RFC 6066 §3).
    let name = sized16(&[&[0][..], &sized16(host.as_bytes())].concat());
    extensions.extend([&[0, 0][..], &sized16(&name)].concat());
    // supported_groups: secp256r1, secp384r1, secp521r1 (RFC 8422 §5.1.1); ec_point_formats: uncompressed.
    extensions.extend([0, 10, 0, 8, 0, 6, 0, 23, 0, 24, 0, 25, 0, 11, 0, 2, 1, 0]);
    let suites: Vec<u8> = SUITES.iter().flat_map(|suite| suite.to_be_bytes()).collect();
    let body = [&OFFERED[..], random, &[0], &sized16(&suites), &[1, 0], &sized16(&extensions)].concat();
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
            [] | [ALERT | HANDSHAKE] | [ALERT | HANDSHAKE, 3] => true,
            [kind, 3, 0..=4, ..] => matches!(*kind, ALERT | HANDSHAKE),
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
                CERTIFICATE => {
                    self.certificates = certificates(body);
                    self.is_over = true;
                }
                // Whatever else comes, comes after the certificate, or there is none.
                _ => self.is_over = true,
            }
            rest = after;
        }
    }

    /// `server_version random session_id cipher_suite …`
    fn read_hello(&mut self, body: &[u8]) {
        let suite = || {
            let session = usize::from(*body.get(34)?);
            Some(u16::from_be_bytes([*body.get(35 + session)?, *body.get(36 + session)?]))
        };
        match (body, suite()) {
            ([major, minor, ..], Some(suite)) => {
                self.version = Some(u16::from_be_bytes([*major, *minor]));
                self.cipher_suite = Some(suite);
            }
            _ => self.is_malformed = true,
        }
    }
}

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
        let hello = client_hello("mx.example", &[5; 32]);
        assert_eq!(hello[..3], [22, 3, 1]);
        assert_eq!(usize::from(u16::from_be_bytes([hello[3], hello[4]])), hello.len() - 5);
        assert_eq!(usize::from(u16::from_be_bytes([hello[7], hello[8]])), hello.len() - 9);
        assert_eq!(hello[9..11], OFFERED);
        assert!(hello.windows(10).any(|window| window == b"mx.example"));
    }
}
