//! A moment, as people and file names write it.

use mxray_evidence::Micros;

const SECONDS_PER_DAY: i64 = 86_400;

/// A moment to the second, in UTC: `2026-11-23T08:00:00Z`.
pub fn utc(at: Micros) -> String {
    let (year, month, day, second) = civil(at);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The same without `-` and `:`, for names of files: `20261123T080000Z`.
pub(crate) fn utc_short(at: Micros) -> String {
    utc(at).replace(['-', ':'], "")
}

/// Year, month, day, and second of the day. Counted in eras of 400 years that begin in March, so that the leap
/// day is the last of a year.
fn civil(at: Micros) -> (i64, i64, i64, i64) {
    let second = at.div_euclid(1_000_000);
    let days = second.div_euclid(SECONDS_PER_DAY) + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day, second.rem_euclid(SECONDS_PER_DAY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_which_the_date_is_known() {
        for (second, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_420_800, "2026-11-23T08:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(utc(second * 1_000_000), expected);
        }
        assert_eq!(utc_short(1_795_420_800_999_999), "20261123T080000Z");
    }
}
