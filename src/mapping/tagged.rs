//! `tagged:` — decimals, days and moments that travel as objects which say what they are:
//! `{"__class__": "Decimal", "decimal": "1.10"}`.
//!
//! One tree serves both ways. What is read becomes the plain spelling of the value (digits, RFC 3339), and what is
//! written is made of it, so that everything else of a line is as it is without tags. An object that says another
//! class, or lacks a part, is no value; nothing is guessed.

use std::{collections::HashMap, sync::Arc};

use compact_str::{CompactString, format_compact};
use jiff::{Timestamp, civil, tz::TimeZone};

use super::{
    number::is_number,
    out::Out,
    scan::{BadJson, Raw, Scanner},
};
use crate::{
    schema::LeafKind,
    words::{
        Diagnostic, Diagnostics,
        tree::{self, Node},
        yaml::Keys,
    },
};

/// Most names of one object.
const NAMES_MAX: usize = 16;

/// The trees of a system's tagged values.
#[derive(Debug, Default)]
pub(super) struct Tags {
    decimal: Option<Arc<Tag>>,
    date: Option<Arc<Tag>>,
    instant: Option<Arc<Tag>>,
}

/// The tree of one type.
#[derive(Debug)]
pub(super) struct Tag {
    kind: Kind,
    pairs: Vec<(Arc<str>, Piece)>,
}

#[derive(Debug)]
enum Piece {
    /// The same in every value of the type.
    Says(Box<str>),
    Hole(Hole),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Decimal,
    Date,
    Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Hole {
    Value,
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Micro,
}

impl Hole {
    const DAY: &[(&str, Self)] = &[("year", Self::Year), ("month", Self::Month), ("day", Self::Day)];
    const TIME: &[(&str, Self)] =
        &[("hour", Self::Hour), ("minute", Self::Minute), ("second", Self::Second), ("micro", Self::Micro)];
}

impl Kind {
    /// What must stand in the tree: one `{value}`, or each of the parts.
    fn parts(self) -> impl Iterator<Item = (&'static str, Hole)> {
        let time = if self == Self::Instant { Hole::TIME } else { &[] };
        let day = if self == Self::Decimal { &[] } else { Hole::DAY };
        day.iter().chain(time).copied()
    }

    fn hole(self, name: &str) -> Option<Hole> {
        let value = ("value", Hole::Value);
        std::iter::once(value).chain(self.parts()).find(|(known, _)| *known == name).map(|(_, hole)| hole)
    }
}

impl Tags {
    /// Reads `tagged`.
    pub(super) fn load(node: Option<&Node>, found: &mut Diagnostics) -> Self {
        let Some(mut keys) = node.and_then(|node| Keys::of(node, found)) else { return Self::default() };
        let mut read = |key: &'static str, kind: Kind, found: &mut Diagnostics| {
            keys.take(key).and_then(|node| Tag::load(kind, node, found)).map(Arc::new)
        };
        let (decimal, date, instant) = (
            read("decimal", Kind::Decimal, found),
            read("date", Kind::Date, found),
            read("instant", Kind::Instant, found),
        );
        keys.finish(found);
        Self { decimal, date, instant }
    }

    /// The tree of a leaf's type, where it travels so.
    pub(super) fn of(&self, kind: &LeafKind) -> Option<Arc<Tag>> {
        match kind {
            LeafKind::Decimal => self.decimal.clone(),
            LeafKind::Date => self.date.clone(),
            LeafKind::Instant => self.instant.clone(),
            LeafKind::Text { .. }
            | LeafKind::Code(_)
            | LeafKind::Id
            | LeafKind::Integer
            | LeafKind::Boolean => None,
        }
    }
}

impl Tag {
    fn load(kind: Kind, node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let like = match kind {
            Kind::Decimal => "`{ __class__: Decimal, decimal: \"{value}\" }`",
            Kind::Date => "`{ __class__: date, year: \"{year}\", month: \"{month}\", day: \"{day}\" }`",
            Kind::Instant => "a map with each of `{year}` to `{micro}`, in UTC, or with `{value}`",
        };
        let mut mistake = |node: &Node, text: String| {
            found.push(Diagnostic::error(&node.place, text).help(format!("write {like}")));
        };
        let Some(map) = node.as_map().filter(|map| map.len() <= NAMES_MAX) else {
            mistake(node, "an object that says what it is was expected".to_owned());
            return None;
        };
        let (mut pairs, mut holes) = (Vec::new(), Vec::new());
        for (key, node) in map {
            let tree::Value::Scalar(scalar) = &node.value else {
                mistake(node, "a text or a hole was expected".to_owned());
                return None;
            };
            let inner = scalar.text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
            let piece = match inner {
                None => Piece::Says(scalar.text.as_str().into()),
                Some(name) => match kind.hole(name) {
                    Some(hole) => {
                        holes.push(hole);
                        Piece::Hole(hole)
                    }
                    None => {
                        mistake(node, format!("`{{{name}}}` is nothing to fill in here"));
                        return None;
                    }
                },
            };
            pairs.push((Arc::from(key.text.as_str()), piece));
        }
        let all: Vec<Hole> = kind.parts().map(|(_, hole)| hole).collect();
        let in_parts = !all.is_empty() && holes.len() == all.len() && all.iter().all(|h| holes.contains(h));
        if holes != [Hole::Value] && !in_parts {
            mistake(node, "the object does not hold all of the value, once".to_owned());
            return None;
        }
        Some(Self { kind, pairs })
    }

    /// The plain spelling of the value in an object; `None` where it is not one of this type.
    pub(super) fn read(&self, object: &str) -> Option<CompactString> {
        let raws = members(object).ok()?;
        let mut holes = HashMap::new();
        for (name, piece) in &self.pairs {
            let text = raws.iter().find(|(known, _)| *known == **name).and_then(|(_, raw)| raw.text())?;
            match piece {
                Piece::Says(says) => (*text == **says).then_some(())?,
                Piece::Hole(hole) => drop(holes.insert(*hole, text)),
            }
        }
        if let Some(value) = holes.get(&Hole::Value) {
            return Some(CompactString::from(&**value));
        }
        let number = |hole| holes.get(&hole).and_then(|text| text.parse::<u32>().ok());
        let small = |hole| number(hole).and_then(|n| i8::try_from(n).ok());
        let year = number(Hole::Year).and_then(|n| i16::try_from(n).ok())?;
        let day = civil::Date::new(year, small(Hole::Month)?, small(Hole::Day)?).ok()?;
        match self.kind {
            Kind::Decimal => None,
            Kind::Date => Some(format_compact!("{day}")),
            Kind::Instant => {
                let nanos = i32::try_from(number(Hole::Micro)?).ok()?.checked_mul(1000)?;
                let (hour, minute, second) = (small(Hole::Hour)?, small(Hole::Minute)?, small(Hole::Second)?);
                let time = civil::Time::new(hour, minute, second, nanos).ok()?;
                let at = day.to_datetime(time).to_zoned(TimeZone::UTC).ok()?.timestamp();
                Some(format_compact!("{at}"))
            }
        }
    }

    /// The object of a plain spelling; nothing stays nothing.
    ///
    /// # Errors
    /// It cannot hold the value, as when a moment is finer than a microsecond.
    pub(super) fn write(&self, plain: &Out) -> Result<Out, String> {
        if *plain == Out::Null {
            return Ok(Out::Null);
        }
        let cannot = || "the system cannot keep this as it is".to_owned();
        let text = plain.raw().text().ok_or_else(cannot)?;
        let number = |n: i32| Some(Out::Number(format_compact!("{n}")));
        let fill = |part: &dyn Fn(Hole) -> Option<Out>| {
            let one = |(name, piece): &(Arc<str>, Piece)| {
                let out = match piece {
                    Piece::Says(says) => Out::text(says),
                    Piece::Hole(hole) => part(*hole)?,
                };
                Some((name.clone(), out))
            };
            self.pairs.iter().map(one).collect::<Option<_>>().map(Out::Object)
        };
        let day = |day: civil::Date, hole| match hole {
            Hole::Value => Some(Out::text(&text)),
            Hole::Year => number(day.year().into()),
            Hole::Month => number(day.month().into()),
            Hole::Day => number(day.day().into()),
            Hole::Hour | Hole::Minute | Hole::Second | Hole::Micro => None,
        };
        let out = match self.kind {
            Kind::Decimal => {
                is_number(&text).then(|| fill(&|hole| (hole == Hole::Value).then(|| Out::text(&text))))
            }
            Kind::Date => text.parse().ok().map(|date| fill(&|hole| day(date, hole))),
            Kind::Instant => {
                let at = text.parse::<Timestamp>().ok().map(|at| TimeZone::UTC.to_datetime(at));
                let at = at.filter(|at| at.subsec_nanosecond() % 1000 == 0);
                at.map(|at| {
                    fill(&|hole| match hole {
                        Hole::Hour => number(at.hour().into()),
                        Hole::Minute => number(at.minute().into()),
                        Hole::Second => number(at.second().into()),
                        Hole::Micro => number(at.subsec_nanosecond() / 1000),
                        Hole::Value | Hole::Year | Hole::Month | Hole::Day => day(at.date(), hole),
                    })
                })
            }
        };
        out.flatten().ok_or_else(cannot)
    }
}

/// The scalars of an object, each name once.
fn members(object: &str) -> Result<Vec<(std::borrow::Cow<'_, str>, Raw<'_>)>, BadJson> {
    let mut scan = Scanner::new(object.as_bytes())?;
    let mut members = Vec::new();
    if scan.peek()? != b'{' {
        return Err(scan.bad());
    }
    let mut more = scan.enter(b'}')?;
    while more {
        let name = scan.key()?;
        let is_known = members.iter().any(|(known, _)| *known == name);
        if is_known || members.len() == NAMES_MAX {
            return Err(scan.bad());
        }
        members.push((name, scan.scalar()?));
        more = scan.more(b'}')?;
    }
    Ok(members)
}
