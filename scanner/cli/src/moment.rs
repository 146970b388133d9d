//! A time, as it is typed.

use mxray_evidence::Micros;
use toml::value::{Datetime, Offset};

const SECONDS_PER_DAY: i64 = 86_400;

/// Reads a date, or a date and time by RFC 3339. Without an offset, and for a date its first moment, in UTC.
pub(crate) fn parse(text: &str) -> Result<Micros, String> {
    let told = || "a date such as 2027-01-31, or a time such as 2027-01-31T08:00:00Z, is wanted".to_owned();
    let read: Datetime = text.parse().map_err(|_| told())?;
    let date = read.date.ok_or_else(told)?;
    let time = read.time.map_or(0, |time| {
        let minutes = i64::from(time.hour) * 60 + i64::from(time.minute);
        minutes * 60 + i64::from(time.second.unwrap_or(0))
    });
    let east = match read.offset {
        Some(Offset::Custom { minutes }) => i64::from(minutes) * 60,
        Some(Offset::Z) | None => 0,
    };
    let day = day_since_1970(i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let nanos = read.time.map_or(0, |time| i64::from(time.nanosecond.unwrap_or(0)));
    Ok((day * SECONDS_PER_DAY + time - east) * 1_000_000 + nanos / 1_000)
}

/// Counted in eras of 400 years that begin in March, so that the leap day is the last of a year.
fn day_since_1970(year: i64, month: i64, day: i64) -> i64 {
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
        for (text, second) in [
            ("1970-01-01", 0),
            ("2000-02-28T23:59:59Z", 951_782_399),
            ("2000-02-29", 951_782_400),
            ("2026-11-23T08:00:00Z", 1_795_420_800),
            ("2026-11-23T10:00:00+02:00", 1_795_420_800),
            ("2026-11-23T08:00:00", 1_795_420_800),
            ("2100-03-01", 4_107_542_400),
        ] {
            assert_eq!(parse(text), Ok(second * 1_000_000), "{text}");
        }
        assert_eq!(parse("1970-01-01T00:00:00.5Z"), Ok(500_000));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "now", "08:00:00", "2026-13-01", "2026-02-30", "1795420800", "2026"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
