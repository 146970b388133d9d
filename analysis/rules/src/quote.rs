//! Bytes off the wire, for a person.

use mxray_evidence::Micros;

use crate::harmless::is_treacherous;

/// Characters of a quotation; the rest is cut.
const QUOTE_CHARS_MAX: usize = 160;

/// The bytes as text: what is no printable UTF-8 is escaped, and what is long is cut.
pub(crate) fn quote(bytes: &[u8]) -> String {
    let mut quoted = String::new();
    let mut chars = 0;
    for chunk in bytes.utf8_chunks() {
        let valid = chunk
            .valid()
            .chars()
            .map(|c| if is_treacherous(c) { c.escape_default().to_string() } else { c.into() });
        let invalid = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}"));
        for piece in valid.chain(invalid) {
            if chars == QUOTE_CHARS_MAX {
                quoted.push('…');
                return quoted;
            }
            quoted.push_str(&piece);
            chars += 1;
        }
    }
    quoted
}

/// A moment as `2026-08-31T08:57:00Z`; fractions of a second are cut.
pub(crate) fn moment(at: Micros) -> String {
    let seconds = at.div_euclid(1_000_000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days to a civil date over 400-year eras that begin on 1 March.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotation_is_printable_and_short() {
        assert_eq!(quote(b"a\x00\xff\n\xc3\xa9"), "a\\u{0}\\xff\\n\u{e9}");
        assert_eq!(quote("a\u{202e}b\u{200b}".as_bytes()), "a\\u{202e}b\\u{200b}");
        assert_eq!(quote(&[b'x'; 1_000]).chars().count(), QUOTE_CHARS_MAX + 1);
    }

    #[test]
    fn a_moment_is_written_as_in_rfc_3339() {
        assert_eq!(moment(0), "1970-01-01T00:00:00Z");
        assert_eq!(moment(951_782_400_000_000), "2000-02-29T00:00:00Z");
        assert_eq!(moment(1_472_633_820_999_999), "2016-08-31T08:57:00Z");
        assert_eq!(moment(-1), "1969-12-31T23:59:59Z");
    }
}
