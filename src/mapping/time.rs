//! Days and moments as systems spell them, both ways; each form is one of a closed list.
//!
//! A day never passes through a moment's zone: where a system spells one as a moment, it is the day that this
//! moment has in UTC. A time without a zone is read in the zone that the mapping names: in the hour that comes
//! twice it is the earlier one, and that is told; one that the clocks skip is none.

use compact_str::{CompactString, format_compact};
use jiff::{
    Timestamp, ToSpan,
    civil::{Date, DateTime},
    tz::{AmbiguousOffset, TimeZone},
};

use crate::{
    schema::value::{date, instant},
    words::yaml_words,
};

const MS: i128 = 1_000_000;
const SECOND: i128 = 1_000_000_000;
const DAY_MS: i64 = 86_400_000;

yaml_words! {
    /// How a moment is spelt.
    pub(super) enum Moment {
        /// RFC 3339.
        Iso = "iso",
        /// RFC 3339 with an offset that has no colon: `2026-01-31T12:00:00.000+0000`.
        IsoHhmm = "iso_hhmm",
        /// Milliseconds since 1970.
        UnixMs = "unix_ms",
        /// Seconds since 1970.
        Unix = "unix",
        /// `/Date(1492041600000)/`, perhaps with an offset that changes nothing.
        MsDate = "ms_date",
        /// `2026-01-31T12:00:00`, in the zone that the mapping names.
        Naive = "naive",
        /// `2026-01-31 12:00:00`, in the zone that the mapping names.
        NaiveSpace = "naive_space",
    }

    /// How a day is spelt.
    pub(super) enum Day {
        /// `2026-01-31`.
        Iso = "iso",
        /// `2026-01-31T00:00:00Z`: the day as it is written, whatever the time.
        IsoMidnight = "iso_midnight",
        /// `2026-01-31T12:00:00Z`: the same, written at noon.
        IsoNoon = "iso_noon",
        /// `/Date(1492041600000)/`: the day in UTC.
        MsDate = "ms_date",
        /// `20260131`.
        Compact = "compact",
        /// `2026-01`: the first day of that month.
        MonthFirst = "month_first",
        /// `2026-01`: the last day of that month.
        MonthLast = "month_last",
        /// Day, month, year with dots.
        DmyDots = "dd.mm.yyyy",
        /// Day, month, year with slashes.
        DmySlashes = "dd/mm/yyyy",
        /// Day, month, year with dashes.
        DmyDashes = "dd-mm-yyyy",
        /// Month, day, year with slashes.
        MdySlashes = "mm/dd/yyyy",
        /// Month, day, year with dashes.
        MdyDashes = "mm-dd-yyyy",
    }
}

/// A moment as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// As told.
    At(Timestamp),
    /// The earlier of two that are spelt alike.
    Earlier(Timestamp),
}

impl Moment {
    /// Whether the spelling tells no zone.
    pub(super) fn is_naive(self) -> bool {
        match self {
            Self::Naive | Self::NaiveSpace => true,
            Self::Iso | Self::IsoHhmm | Self::UnixMs | Self::Unix | Self::MsDate => false,
        }
    }

    /// Nanoseconds that the spelling cannot tell apart; 1 where it tells all.
    pub(super) fn grain(self) -> i128 {
        match self {
            Self::UnixMs | Self::MsDate => MS,
            Self::Unix => SECOND,
            Self::Iso | Self::IsoHhmm | Self::Naive | Self::NaiveSpace => 1,
        }
    }

    /// Reads a spelling; the error says what it is not.
    pub(super) fn read(self, zone: &TimeZone, text: &str) -> Result<When, &'static str> {
        let at = |at: Option<Timestamp>, why| at.map(When::At).ok_or(why);
        match self {
            Self::Iso => at(instant(text), "not a moment with its zone"),
            Self::IsoHhmm => at(instant(text).or_else(|| with_colon(text)), "not a moment with its zone"),
            Self::UnixMs => at(whole(text).and_then(from_ms), "not milliseconds since 1970"),
            Self::Unix => at(
                whole(text).and_then(|seconds| Timestamp::from_second(seconds).ok()),
                "not seconds since 1970",
            ),
            Self::MsDate => at(ms_date(text).and_then(from_ms), "not a moment spelt as `/Date(…)/`"),
            Self::Naive => local(text, 'T').and_then(|local| in_zone(zone, local)),
            Self::NaiveSpace => local(text, ' ').and_then(|local| in_zone(zone, local)),
        }
    }

    /// Spells a moment; what the form cannot tell is refused, never cut.
    pub(super) fn spell(self, zone: &TimeZone, at: Timestamp) -> Result<CompactString, &'static str> {
        if at.as_nanosecond().rem_euclid(self.grain()) != 0 {
            return Err(match self {
                Self::Unix => "the system keeps whole seconds",
                _ => "the system keeps whole milliseconds",
            });
        }
        let local = || zone.to_datetime(at);
        Ok(match self {
            Self::Iso => format_compact!("{at}"),
            Self::IsoHhmm => match at.to_string().strip_suffix('Z') {
                Some(plain) => format_compact!("{plain}+0000"),
                None => return Err("the system cannot keep this moment"),
            },
            Self::UnixMs => format_compact!("{}", at.as_millisecond()),
            Self::Unix => format_compact!("{}", at.as_second()),
            Self::MsDate => format_compact!("/Date({})/", at.as_millisecond()),
            Self::Naive => format_compact!("{}", local()),
            Self::NaiveSpace => format_compact!("{} {}", local().date(), local().time()),
        })
    }

    /// A spelling as RFC 3339 has it, also of a moment that is too late to be held; for spellings of nothing.
    pub(super) fn plain(self, text: &str) -> Option<CompactString> {
        let ms = match self {
            Self::MsDate => ms_date(text)?,
            Self::UnixMs => whole(text)?,
            Self::Unix => whole(text)?.checked_mul(1000)?,
            Self::Iso | Self::IsoHhmm | Self::Naive | Self::NaiveSpace => return None,
        };
        let (day, left) = (day_of_ms(ms)?, ms.rem_euclid(DAY_MS) / 1000);
        Some(format_compact!("{day}T{:02}:{:02}:{:02}Z", left / 3600, left / 60 % 60, left % 60))
    }
}

impl Day {
    /// Whether it spells a moment of the day, so that a system may hold any of it.
    pub(super) fn is_moment(self) -> bool {
        matches!(self, Self::MsDate | Self::IsoMidnight | Self::IsoNoon)
    }

    /// Whether it spells a whole month.
    pub(super) fn is_month(self) -> bool {
        matches!(self, Self::MonthFirst | Self::MonthLast)
    }

    /// Reads a spelling; the error says what it is not.
    pub(super) fn read(self, text: &str) -> Result<Date, &'static str> {
        let day = match self {
            Self::Iso => date(text),
            // The day as it is written: a zone moves nothing.
            Self::IsoMidnight | Self::IsoNoon => {
                instant(text).and_then(|_| date(text.split_once(['T', 't'])?.0))
            }
            Self::MsDate => ms_date(text).and_then(day_of_ms),
            Self::Compact => compact(text),
            Self::MonthFirst => month(text),
            Self::MonthLast => month(text).map(Date::last_of_month),
            Self::DmyDots => parted(text, '.').and_then(|[d, m, y]| civil(y, m, d)),
            Self::DmySlashes => parted(text, '/').and_then(|[d, m, y]| civil(y, m, d)),
            Self::DmyDashes => parted(text, '-').and_then(|[d, m, y]| civil(y, m, d)),
            Self::MdySlashes => parted(text, '/').and_then(|[m, d, y]| civil(y, m, d)),
            Self::MdyDashes => parted(text, '-').and_then(|[m, d, y]| civil(y, m, d)),
        };
        day.ok_or(if self.is_month() { "not a month" } else { "not a date" })
    }

    /// Spells a day.
    pub(super) fn spell(self, day: Date) -> CompactString {
        let (y, m, d) = (day.year(), day.month(), day.day());
        match self {
            Self::Iso => format_compact!("{day}"),
            Self::IsoMidnight => format_compact!("{day}T00:00:00Z"),
            Self::IsoNoon => format_compact!("{day}T12:00:00Z"),
            Self::MsDate => format_compact!("/Date({})/", ms_of_day(day)),
            Self::Compact => format_compact!("{y:04}{m:02}{d:02}"),
            // Another day of the month is found out by what it reads back as.
            Self::MonthFirst | Self::MonthLast => format_compact!("{y:04}-{m:02}"),
            Self::DmyDots => format_compact!("{d:02}.{m:02}.{y:04}"),
            Self::DmySlashes => format_compact!("{d:02}/{m:02}/{y:04}"),
            Self::DmyDashes => format_compact!("{d:02}-{m:02}-{y:04}"),
            Self::MdySlashes => format_compact!("{m:02}/{d:02}/{y:04}"),
            Self::MdyDashes => format_compact!("{m:02}-{d:02}-{y:04}"),
        }
    }
}

/// The first day of a month `2026-01`.
fn month(text: &str) -> Option<Date> {
    date(&format_compact!("{text}-01")).filter(|_| text.len() == "2026-01".len())
}

/// Whether clocks in the zone show at this moment what they show at another one too.
pub(super) fn is_doubled(zone: &TimeZone, at: Timestamp) -> bool {
    matches!(zone.to_ambiguous_timestamp(zone.to_datetime(at)).offset(), AmbiguousOffset::Fold { .. })
}

fn in_zone(zone: &TimeZone, local: DateTime) -> Result<When, &'static str> {
    const RANGE: &str = "not a moment that can be held";
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => {
            offset.to_timestamp(local).map(When::At).map_err(|_| RANGE)
        }
        AmbiguousOffset::Fold { before, .. } => {
            before.to_timestamp(local).map(When::Earlier).map_err(|_| RANGE)
        }
        AmbiguousOffset::Gap { .. } => Err("the clocks skip this time in the system's zone"),
    }
}

/// A local date and time with the separator between them; fractions of a second up to nine digits.
fn local(text: &str, between: char) -> Result<DateTime, &'static str> {
    const NONE: &str = "not a time without a zone";
    let (day, time) = text.split_once(between).ok_or(NONE)?;
    // RFC 3339's reader checks the digits; the zone it needs is put there and taken away again.
    let at = instant(&format_compact!("{day}T{time}Z")).ok_or(NONE)?;
    Ok(TimeZone::UTC.to_datetime(at))
}

fn with_colon(text: &str) -> Option<Timestamp> {
    let (time, minutes) = text.split_at_checked(text.len().checked_sub(2)?)?;
    instant(&format_compact!("{time}:{minutes}"))
}

/// A whole number; no sign but a minus, no exponent.
fn whole(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return super::number::integer(text).ok();
    }
    text.parse().ok()
}

fn from_ms(ms: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(ms).ok()
}

/// The milliseconds of `/Date(1492041600000)/`; an offset behind them says in which zone they were entered, and
/// moves nothing.
fn ms_date(text: &str) -> Option<i64> {
    let inner = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
    let number = match inner.get(1..).and_then(|rest| rest.find(['+', '-'])) {
        None => inner,
        Some(at) => {
            let (number, offset) = inner.split_at_checked(at + 1)?;
            let digits = offset.get(1..)?;
            let is_offset = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
            if !is_offset {
                return None;
            }
            number
        }
    };
    let digits = number.strip_prefix('-').unwrap_or(number);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| number.parse().ok()).flatten()
}

fn day_of_ms(ms: i64) -> Option<Date> {
    // LIMIT: far beyond any day that can be held, and within a span of days.
    let days = ms.div_euclid(DAY_MS);
    if days.abs() > 4_000_000 {
        return None;
    }
    Date::constant(1970, 1, 1).checked_add(days.days()).ok().filter(|day| day.year() >= 0)
}

fn ms_of_day(day: Date) -> i64 {
    let days = Date::constant(1970, 1, 1).until(day).map_or(0, |span| i64::from(span.get_days()));
    days.saturating_mul(DAY_MS)
}

fn compact(text: &str) -> Option<Date> {
    let (year, rest) = text.split_at_checked(4)?;
    let (month, day) = rest.split_at_checked(2)?;
    civil(year, month, day)
}

fn parted(text: &str, by: char) -> Option<[&str; 3]> {
    let mut parts = text.split(by);
    let three = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(three)
}

/// Two digits each, the year four.
fn civil(year: &str, month: &str, day: &str) -> Option<Date> {
    date(&format_compact!("{year}-{month}-{day}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAYS: [Day; 10] = [
        Day::Iso,
        Day::IsoMidnight,
        Day::IsoNoon,
        Day::MsDate,
        Day::Compact,
        Day::DmyDots,
        Day::DmySlashes,
        Day::DmyDashes,
        Day::MdySlashes,
        Day::MdyDashes,
    ];
    const MOMENTS: [Moment; 7] = [
        Moment::Iso,
        Moment::IsoHhmm,
        Moment::UnixMs,
        Moment::Unix,
        Moment::MsDate,
        Moment::Naive,
        Moment::NaiveSpace,
    ];

    fn warsaw() -> TimeZone {
        TimeZone::get("Europe/Warsaw").unwrap()
    }

    #[test]
    fn a_day_spelt_as_a_moment_is_its_day_in_utc() {
        for (text, day) in [
            ("/Date(1492041600000)/", "2017-04-13"),
            ("/Date(1492041600000+0000)/", "2017-04-13"),
            ("/Date(1492041600000-0700)/", "2017-04-13"),
            ("/Date(1492084800000)/", "2017-04-13"),
            ("/Date(-1)/", "1969-12-31"),
            ("/Date(253402300799000)/", "9999-12-31"),
        ] {
            assert_eq!(Day::MsDate.read(text).unwrap().to_string(), day, "{text}");
        }
        for text in
            ["/Date()/", "/Date(1", "Date(1)", "/Date(1+1)/", "/Date(1+00x0)/", "/Date(--1)/", "/Date(+1)/"]
        {
            assert!(Day::MsDate.read(text).is_err(), "{text}");
        }
        assert_eq!(Moment::MsDate.plain("/Date(253402300799000)/").unwrap(), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn a_day_that_comes_with_a_time_is_the_day_that_is_written() {
        for form in [Day::IsoMidnight, Day::IsoNoon] {
            for text in ["2026-07-30T12:00:00Z", "2026-07-30T00:00:00Z", "2026-07-30T23:59:59.5-11:00"] {
                assert_eq!(form.read(text), Ok(Date::constant(2026, 7, 30)), "{text}");
            }
            for text in [
                "2026-07-30",
                "2026-07-30T",
                "2026-07-30T12:00:00",
                "2026-02-30T12:00:00Z",
                "x2026-07-30T12:00:00Z",
            ] {
                assert!(form.read(text).is_err(), "{text}");
            }
        }
        assert_eq!(Day::IsoMidnight.spell(Date::constant(2026, 7, 30)), "2026-07-30T00:00:00Z");
        assert_eq!(Day::IsoNoon.spell(Date::constant(2026, 7, 30)), "2026-07-30T12:00:00Z");
    }

    #[test]
    fn another_order_or_separator_is_no_date() {
        assert_eq!(Day::DmyDots.read("31.01.2026"), Ok(Date::constant(2026, 1, 31)));
        assert_eq!(Day::MdySlashes.read("01/31/2026"), Ok(Date::constant(2026, 1, 31)));
        for (day, text) in [
            (Day::DmyDots, "31/01/2026"),
            (Day::DmyDots, "31.1.2026"),
            (Day::MdySlashes, "31/01/2026"),
            (Day::Compact, "2026-01-31"),
            (Day::Compact, "202601311"),
            (Day::Iso, "31.01.2026"),
        ] {
            assert!(day.read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_naive_time_is_read_in_its_zone_and_the_hour_that_comes_twice_is_the_earlier_one() {
        let zone = warsaw();
        let read = |text: &str| Moment::NaiveSpace.read(&zone, text);
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(read("2026-07-01 12:00:00"), Ok(When::At(at("2026-07-01T10:00:00Z"))));
        assert_eq!(read("2026-10-25 02:30:00"), Ok(When::Earlier(at("2026-10-25T00:30:00Z"))));
        assert_eq!(read("2026-03-29 02:30:00"), Err("the clocks skip this time in the system's zone"));
        for text in ["2026-07-01T12:00:00", "2026-07-01 12:00:00Z", "2026-07-01 12:00:00+02:00", "2026-07-01"]
        {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(is_doubled(&zone, at("2026-10-25T01:30:00Z")));
        assert!(!is_doubled(&zone, at("2026-10-25T02:30:00Z")));
    }

    proptest! {
        #[test]
        fn what_is_spelt_reads_back(days in -700_000i32..2_900_000, seconds in -10_000_000_000i64..250_000_000_000) {
            let day = Date::constant(1970, 1, 1).checked_add(days.days()).unwrap();
            for form in DAYS.iter().filter(|_| day.year() >= 0) {
                prop_assert_eq!(form.read(&form.spell(day)), Ok(day), "{:?}", form);
            }
            let at = Timestamp::from_second(seconds).unwrap();
            for form in MOMENTS.iter().filter(|_| seconds > -60_000_000_000) {
                for zone in [TimeZone::UTC, warsaw()] {
                    let spelt = form.spell(&zone, at).unwrap();
                    let read = form.read(&zone, &spelt).unwrap();
                    let doubled = form.is_naive() && is_doubled(&zone, at);
                    prop_assert!(doubled || read == When::At(at), "{:?} {}", form, spelt);
                }
            }
        }

        #[test]
        fn no_text_makes_a_reader_panic(text in "\\PC{0,30}|/Date\\([0-9+\\-]{0,30}\\)/|[0-9./ T:\\-]{0,24}") {
            for form in DAYS {
                let _ = form.read(&text);
            }
            for form in MOMENTS {
                let _ = form.read(&TimeZone::UTC, &text);
                let _ = form.plain(&text);
            }
        }
    }
}
