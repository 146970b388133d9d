//! What the OPT record of a reply adds to it (RFC 6891 §6.1): the upper bits of the response code, and extended errors.

use mxray_evidence::{ByteBuf, ExtendedError};

/// Most extended errors kept of one answer.
const EXTENDED_ERRORS_MAX: usize = 8;
/// Most bytes kept of an extended error's text.
const EXTRA_TEXT_BYTES_MAX: usize = 256;
/// The option that holds an extended error (RFC 8914 §2).
const EXTENDED_ERROR: [u8; 2] = [0, 15];

/// What an OPT record says.
#[derive(Debug, Default)]
pub(super) struct Edns {
    /// The upper bits of the response code (RFC 6891 §6.1.3).
    pub(super) rcode_high: u8,
    /// Extended errors (RFC 8914), in the order received.
    pub(super) errors: Vec<ExtendedError>,
}

impl Edns {
    /// Finds the OPT record among the `count` records at `at`, and reads it as far as it can be.
    pub(super) fn find(message: &[u8], mut at: usize, count: usize) -> Option<Self> {
        const OPT: [u8; 2] = [0, 41];
        for _ in 0..count {
            at = after_name(message, at)?;
            let fixed: &[u8; 10] = message.get(at..)?.first_chunk()?;
            at += fixed.len();
            let length = usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
            if fixed[..2] == OPT {
                let options = message.get(at..)?;
                let errors = extended_errors(&options[..length.min(options.len())]);
                return Some(Self { rcode_high: fixed[4], errors });
            }
            at += length;
        }
        None
    }
}

fn extended_errors(mut options: &[u8]) -> Vec<ExtendedError> {
    let mut errors = Vec::new();
    while let [a, b, high, low, rest @ ..] = options {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((data, after)) = rest.split_at_checked(length) else { break };
        if let ([a, b], [high, low, text @ ..]) = ([*a, *b], data)
            && [a, b] == EXTENDED_ERROR
            && errors.len() < EXTENDED_ERRORS_MAX
        {
            let text = ByteBuf::from(&text[..text.len().min(EXTRA_TEXT_BYTES_MAX)]);
            errors.push(ExtendedError { code: u16::from_be_bytes([*high, *low]), text, unchecked: false });
        }
        options = after;
    }
    errors
}

/// Where the bytes after a name begin, compressed or not.
fn after_name(message: &[u8], mut at: usize) -> Option<usize> {
    const POINTER: u8 = 0xc0;
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length if length & POINTER == POINTER => return Some(at + 2),
            length => at += usize::from(length) + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(code: u16, data: &[u8]) -> Vec<u8> {
        [&code.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), data].concat()
    }

    fn opt(options: &[u8]) -> Vec<u8> {
        [&[0, 0, 41, 4, 208, 1, 0, 0, 0][..], &(options.len() as u16).to_be_bytes(), options].concat()
    }

    #[test]
    fn rfc8914_2_extended_errors_among_other_options_in_order() {
        let options = [option(15, b"\0\x06no"), option(10, b"cookie.."), option(15, b"\0\x16")].concat();
        let edns = Edns::find(&opt(&options), 0, 1).unwrap();
        let codes: Vec<_> = edns.errors.iter().map(|error| (error.code, error.text.as_slice())).collect();
        assert_eq!((edns.rcode_high, codes), (1, vec![(6, &b"no"[..]), (22, b"")]));
    }

    #[test]
    fn options_that_are_cut_off_too_many_or_too_long_are_bounded() {
        let long = option(15, &[&[0, 7][..], &[b'x'; 1_000]].concat());
        let many = opt(&option(15, &[0, 6]).repeat(100));
        assert_eq!(Edns::find(&opt(&long), 0, 1).unwrap().errors[0].text.len(), EXTRA_TEXT_BYTES_MAX);
        assert_eq!(Edns::find(&many, 0, 1).unwrap().errors.len(), EXTENDED_ERRORS_MAX);
        let whole = opt(&[option(15, b"\0\x06no"), option(15, b"\0\x07")].concat());
        for cut in 0..whole.len() {
            if let Some(edns) = Edns::find(&whole[..cut], 0, 1) {
                assert!(edns.errors.len() < 2, "cut at {cut}");
            }
        }
        assert!(Edns::find(&opt(&option(15, &[6])), 0, 1).unwrap().errors.is_empty(), "half a code is none");
    }
}
