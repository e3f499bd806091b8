//! `hours.yaml`: spans of the week by name, each in its own time zone, as `context.checked.hours` tells them.

use std::sync::Arc;

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, Time, Weekday},
    tz::TimeZone,
};

use crate::words::{
    Diagnostics,
    tree::Node,
    yaml::{FromYaml, Named, Spanned},
    yaml_object, yaml_words,
};

/// LIMIT: named hours of a bundle.
const HOURS_MAX: usize = 64;

yaml_object! {
    /// Spans of the week by name: small letters, digits and `-`.
    pub struct HoursFile {
        /// The hours by name.
        pub hours: Named<SpanFile>;
    }

    /// One span of the week.
    pub struct SpanFile {
        /// The time zone that its times are in, as the IANA database names it: `Europe/Warsaw`.
        pub zone: Spanned<String>;
        /// The days on which it begins.
        pub days: Vec<Day>;
        /// When it begins: `08:00`.
        pub from: Spanned<String>;
        /// When it ends, that moment not counted: `17:00`; on the next day where it is not after `from`. `24:00` is the
        /// end of the day.
        pub to: Spanned<String>;
        /// Days on which it does not begin: `2026-12-24`.
        pub except: Vec<Spanned<String>> = Vec::new();
    }
}

yaml_words! {
    /// A day of the week.
    pub enum Day {
        /// Monday.
        Monday = "mon",
        /// Tuesday.
        Tuesday = "tue",
        /// Wednesday.
        Wednesday = "wed",
        /// Thursday.
        Thursday = "thu",
        /// Friday.
        Friday = "fri",
        /// Saturday.
        Saturday = "sat",
        /// Sunday.
        Sunday = "sun",
    }
}

/// The named hours of a bundle.
#[derive(Clone, Debug, Default)]
pub struct Hours {
    spans: Vec<Stretch>,
    names: Vec<Arc<str>>,
}

#[derive(Clone, Debug)]
struct Stretch {
    name: Arc<str>,
    zone: TimeZone,
    days: Vec<Weekday>,
    from: Time,
    to: End,
    except: Vec<Date>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    SameDay(Time),
    NextDay(Time),
}

impl Hours {
    /// Reads `hours.yaml`; every mistake goes into `found`.
    pub fn load(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let file = HoursFile::read(node, found)?;
        if file.hours.0.len() > HOURS_MAX {
            found.error(&node.place, format!("there are at most {HOURS_MAX} named hours"));
            return None;
        }
        let spans = file.hours.0.iter().map(|(name, span)| Stretch::of(name, span, found));
        let spans: Vec<Option<Stretch>> = spans.collect();
        let spans = spans.into_iter().collect::<Option<Vec<_>>>()?;
        let names = spans.iter().map(|span| span.name.clone()).collect();
        Some(Self { spans, names })
    }

    /// Every name, in file order.
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// The names of those that a moment lies in, milliseconds since 1970.
    pub(super) fn at(&self, time: i64) -> Vec<Arc<str>> {
        // What is no moment lies in none.
        let Ok(moment) = Timestamp::from_millisecond(time) else { return Vec::new() };
        self.spans.iter().filter(|span| span.has(moment)).map(|span| span.name.clone()).collect()
    }

    /// Moments at the edges of each, from some day on: for whoever tries what could be.
    pub(super) fn edges(&self, from: i64) -> Vec<i64> {
        let Ok(from) = Timestamp::from_millisecond(from) else { return Vec::new() };
        let mut edges = Vec::new();
        for span in &self.spans {
            let first = from.to_zoned(span.zone.clone()).date();
            for day in first.series(1.day()).take(8) {
                let end = match span.to {
                    End::SameDay(time) => day.to_datetime(time),
                    End::NextDay(time) => day.saturating_add(1.day()).to_datetime(time),
                };
                for moment in [day.to_datetime(span.from), end] {
                    let moment = moment.to_zoned(span.zone.clone());
                    edges.extend(moment.map(|moment| moment.timestamp().as_millisecond()));
                }
            }
        }
        edges
    }
}

impl Stretch {
    fn of(name: &Spanned<String>, file: &SpanFile, found: &mut Diagnostics) -> Option<Self> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.value.is_empty() || !name.value.chars().all(is_plain) {
            found.error(&name.place, "a name of hours has small letters, digits and `-`");
            return None;
        }
        if file.days.is_empty() {
            found.error(&name.place, "`days` names no day: these hours never are");
            return None;
        }
        let Ok(zone) = TimeZone::get(&file.zone.value) else {
            let message = format!("there is no time zone `{}`", file.zone.value);
            found.push(
                crate::words::Diagnostic::error(&file.zone.place, message)
                    .help("zones are named as in the IANA database: `Europe/Warsaw`, `UTC`"),
            );
            return None;
        };
        let mut time = |text: &Spanned<String>, what: &str| -> Option<Time> {
            let read = (text.value.len() == 5).then(|| Time::strptime("%H:%M", &text.value).ok()).flatten();
            if read.is_none() {
                found.error(&text.place, format!("`{}` is no time of day; {what}", text.value));
            }
            read
        };
        let from = time(&file.from, "write `08:00`");
        let is_midnight = file.to.value == "24:00";
        let to =
            if is_midnight { Some(Time::midnight()) } else { time(&file.to, "write `17:00`, or `24:00`") };
        let mut except = Vec::new();
        for day in &file.except {
            match day.value.parse::<Date>() {
                Ok(date) => except.push(date),
                Err(_) => found.error(&day.place, format!("`{}` is no day; write `2026-12-24`", day.value)),
            }
        }
        let (from, to) = (from?, to?);
        if except.len() < file.except.len() {
            return None;
        }
        let to = if to > from { End::SameDay(to) } else { End::NextDay(to) };
        let days = file.days.iter().map(|day| day.weekday()).collect();
        Some(Self { name: name.value.as_str().into(), zone, days, from, to, except })
    }

    /// Whether a moment lies in it: it began today, or yesterday and has not ended.
    fn has(&self, moment: Timestamp) -> bool {
        let here = moment.to_zoned(self.zone.clone());
        let (day, time) = (here.date(), here.time());
        let begins = |day: Date| self.days.contains(&day.weekday()) && !self.except.contains(&day);
        match self.to {
            End::SameDay(to) => begins(day) && time >= self.from && time < to,
            End::NextDay(to) => {
                (begins(day) && time >= self.from) || (time < to && day.yesterday().is_ok_and(begins))
            }
        }
    }
}

impl Day {
    fn weekday(self) -> Weekday {
        match self {
            Self::Monday => Weekday::Monday,
            Self::Tuesday => Weekday::Tuesday,
            Self::Wednesday => Weekday::Wednesday,
            Self::Thursday => Weekday::Thursday,
            Self::Friday => Weekday::Friday,
            Self::Saturday => Weekday::Saturday,
            Self::Sunday => Weekday::Sunday,
        }
    }
}
