//! Times as reports write them.

use super::OddityKind;

const SECONDS_PER_DAY: i64 = 86_400;

/// A time, in microseconds since 1970 in UTC, and what is odd about its form. RFC 3339 §5.6 is in order; without an
/// offset it is UTC.
pub(super) fn parse(text: &str) -> Option<(i64, Option<OddityKind>)> {
    let trimmed = text.trim();
    let bytes = trimmed.as_bytes();
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let digits = bytes.get(range)?;
        digits
            .iter()
            .try_fold(0, |sum: i64, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
    };
    let is = |at: usize, any: &[u8]| bytes.get(at).is_some_and(|byte| any.contains(byte));
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    if !is(4, b"-") || !is(7, b"-") || !is_date(year, month, day) {
        return None;
    }
    let midnight = days_since_1970(year, month, day) * SECONDS_PER_DAY;
    if bytes.len() == 10 {
        return Some((midnight * 1_000_000, Some(OddityKind::DateForm)));
    }
    let (hour, minute) = (number(11..13)?, number(14..16)?);
    let mut odd = (trimmed.len() < text.len() || !is(10, b"T")).then_some(OddityKind::DateForm);
    let (second, mut at) = if is(16, b":") {
        (number(17..19)?, 19)
    } else {
        odd = Some(OddityKind::DateForm);
        (0, 16)
    };
    // A leap second is the second before it.
    if !is(10, b"Tt ") || !is(13, b":") || hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    if hour == 24 {
        if minute + second > 0 {
            return None;
        }
        odd = Some(OddityKind::DateForm);
    }
    let mut micros = 0;
    if is(at, b".") {
        let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        micros = (0..6).try_fold(0, |sum: i64, place| {
            let digit = if place < digits { i64::from(bytes[at + 1 + place] - b'0') } else { 0 };
            Some(sum * 10 + digit)
        })?;
        at += 1 + digits;
    }
    let (east, form) = offset(&trimmed[at..])?;
    let seconds = midnight + hour * 3_600 + minute * 60 + second.min(59) - east;
    Some((seconds * 1_000_000 + micros, form.or(odd)))
}

/// Seconds east of UTC, and what is odd about the way of saying it.
fn offset(text: &str) -> Option<(i64, Option<OddityKind>)> {
    let (sign, digits) = match text.as_bytes() {
        [] => return Some((0, Some(OddityKind::DateWithoutOffset))),
        b"Z" => return Some((0, None)),
        b"z" | b" UTC" | b" GMT" => return Some((0, Some(OddityKind::DateForm))),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let (digits, odd) = match digits {
        [a, b, b':', c, d] => ([a, b, c, d], None),
        [a, b, c, d] => ([a, b, c, d], Some(OddityKind::DateForm)),
        _ => return None,
    };
    if !digits.iter().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let [a, b, c, d] = digits.map(|digit| i64::from(digit - b'0'));
    let (hours, minutes) = (a * 10 + b, c * 10 + d);
    (hours < 24 && minutes < 60).then_some((sign * (hours * 3_600 + minutes * 60), odd))
}

fn is_date(year: i64, month: i64, day: i64) -> bool {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

/// Counted in eras of 400 years that begin in March, so that the leap day is the last of a year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_which_the_second_is_known() {
        use OddityKind::{DateForm, DateWithoutOffset};
        for (text, second, odd) in [
            ("1970-01-01T00:00:00Z", 0, None),
            ("2000-02-29T00:00:00Z", 951_782_400, None),
            ("2026-11-23T10:00:00+02:00", 1_795_420_800, None),
            ("2026-11-23T08:00:00.000-00:00", 1_795_420_800, None),
            ("2026-11-23T08:00:00", 1_795_420_800, Some(DateWithoutOffset)),
            ("2026-11-23 08:00:00Z", 1_795_420_800, Some(DateForm)),
            ("2026-11-23t08:00z", 1_795_420_800, Some(DateForm)),
            ("2026-11-23", 1_795_392_000, Some(DateForm)),
            ("2026-11-23T10:00:00+0200", 1_795_420_800, Some(DateForm)),
            ("2026-11-23T24:00:00Z", 1_795_478_400, Some(DateForm)),
        ] {
            assert_eq!(parse(text), Some((second * 1_000_000, odd)), "{text}");
        }
        assert_eq!(parse("1970-01-01T00:00:00.000001999Z"), Some((1, None)));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "now",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-11-23T25:00:00Z",
            "2026-11-23T24:00:01Z",
            "2026-11-23T08:00:00.Z",
            "2026-11-23T08:00:00+2",
            "2026-11-23T08:00:00+é0",
            "2026-11-2éT08",
            "99999-01-01T00:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
