//! Moments on the command line: a moment, a day, or how long ago.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

use crate::clock;

/// Units of how long ago, in seconds.
const UNITS: [(char, i64); 5] = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400), ('w', 604_800)];

/// A moment, or the beginning of a day (UTC).
pub(in crate::cli) fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(moment) = text.parse() {
        return Ok(moment);
    }
    let day: Option<Date> = text.parse().ok();
    let begins = day.and_then(|day| day.to_zoned(TimeZone::UTC).ok());
    begins
        .map(|moment| moment.timestamp())
        .ok_or_else(|| "expected a day or a moment, as in 2026-01-31 or 2026-01-31T12:00:00Z".to_owned())
}

/// The same, or how long before now: `90m`, `7d`.
pub(in crate::cli) fn past(text: &str) -> Result<Timestamp, String> {
    before(text, clock::now().wall).map_or_else(|| moment(text).map_err(|_| expected()), Ok)
}

fn before(text: &str, now: Timestamp) -> Option<Timestamp> {
    let unit = text.chars().last()?;
    let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let count: i64 = text.strip_suffix(unit)?.parse().ok().filter(|count| *count >= 0)?;
    now.checked_sub(SignedDuration::from_secs(count.checked_mul(*seconds)?)).ok()
}

fn expected() -> String {
    "expected a day, a moment or how long ago, as in 2026-01-31, 2026-01-31T12:00:00Z, 90m, 12h, 7d or 4w"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_day_or_a_second() {
        assert_eq!(moment("2026-01-31").unwrap(), moment("2026-01-31T00:00:00Z").unwrap());
        assert!(moment("yesterday").is_err());
    }

    #[test]
    fn how_long_ago_is_counted_back_from_now_and_what_is_beyond_all_time_is_refused() {
        let now: Timestamp = "2026-05-08T12:00:00Z".parse().unwrap();
        let back = |text| before(text, now).map(|at| at.to_string());
        assert_eq!(back("7d").as_deref(), Some("2026-05-01T12:00:00Z"));
        assert_eq!(back("90m").as_deref(), Some("2026-05-08T10:30:00Z"));
        for wrong in ["", "d", "-1d", "7", "7y", "9223372036854775807w", "9999999999d", "\u{e9}"] {
            assert_eq!(back(wrong), None, "{wrong}");
        }
        assert!(past("7y").is_err() && past("2026-01-31").is_ok());
    }
}
