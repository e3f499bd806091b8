//! One native scalar becomes a value and back: tables, spellings of nothing, exact decimals, dates.
//!
//! Nothing passes through a float. Both directions come from the same [`Codec`].

use std::{collections::HashMap, sync::Arc};

use compact_str::CompactString;
use jiff::tz::TimeZone;

use super::{
    jq::Jq,
    model::KeyForm,
    number::{decimal, integer, shifted},
    scan::Raw,
    tagged::Tag,
    time::{Day, Moment, When},
};
use crate::{
    schema::{LeafKind, Value, value::ID_CHARS_MAX},
    words::yaml_words,
};

mod filtered;
mod nothing;
mod outward;
mod spelling;
mod tabled;

pub(super) use nothing::Nothing;
pub(super) use spelling::{bounded, clip, normal};
pub(super) use tabled::{Cell, Tabled};

yaml_words! {
    /// How a scalar is written into JSON.
    pub(super) enum Wire {
        /// As a string.
        Text = "text",
        /// As a number.
        Number = "number",
        /// As `true` or `false`.
        Boolean = "boolean",
    }

    /// What stands between the whole and the fraction of a decimal.
    pub(super) enum Point {
        /// A point.
        Point = "point",
        /// A comma.
        Comma = "comma",
    }

    /// How a system keeps the numbers of authorities.
    pub(super) enum Spelt {
        /// As somebody typed them.
        Variously = "variously",
        /// Each in the schema's spelling.
        Once = "once",
    }

    /// How text is brought into one spelling, both ways.
    pub(super) enum Norm {
        /// Without white space around it.
        Trim = "trim",
        /// Upper case.
        Upper = "upper",
        /// Lower case.
        Lower = "lower",
        /// Digits only.
        Digits = "digits",
        /// Letters and digits of ASCII only.
        Alnum = "alnum",
        /// Plain text of what the system keeps as HTML.
        Html = "html",
        /// `_` in the place of `-`.
        Underscore = "underscore",
    }
}

/// Most values of a table that are named to a caller.
const KNOWN_MAX: usize = 40;

/// Native spellings and canonical ones.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Native → canonical.
    pub(super) read: HashMap<Box<str>, Value, foldhash::fast::RandomState>,
    /// In file order, for the way back and for filters.
    pub(super) rows: Vec<(Box<str>, Value)>,
    /// Which native spelling a canonical value is written as, where several mean it.
    pub(super) back: Vec<(Value, Box<str>)>,
    /// Canonical values that are read and never written.
    pub(super) one_way: Vec<Value>,
    /// Of these, what several native spellings mean and none is named for.
    pub(super) several: Vec<Value>,
}

impl Table {
    /// The native spelling that a canonical value is written as; none of one that is only read.
    pub(super) fn back(&self, value: &Value) -> Option<&str> {
        if self.one_way.contains(value) {
            return None;
        }
        let named = self.back.iter().find(|(canonical, _)| canonical == value).map(|(_, native)| native);
        named.or_else(|| self.rows.iter().find(|(_, v)| v == value).map(|(native, _)| native)).map(|n| &**n)
    }

    /// Every native spelling of a canonical value.
    pub(super) fn natives<'t>(&'t self, value: &'t Value) -> impl Iterator<Item = &'t str> {
        self.rows.iter().filter(move |(_, canonical)| canonical == value).map(|(native, _)| &**native)
    }
}

/// How null is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Clear {
    /// It cannot be.
    Refused,
    /// As JSON null.
    Null,
    /// As this text.
    Text(Box<str>),
    /// As this text, which was said of all types: it is no boolean.
    AnyText(Box<str>),
    /// As JSON's `false`.
    False,
}

/// How one native scalar and one value mean each other.
#[derive(Clone, Debug)]
pub(super) struct Codec {
    /// What the leaf holds.
    pub(super) kind: LeafKind,
    /// How it is written.
    pub(super) wire: Wire,
    /// What the system keeps here; another text is neither written nor asked for.
    pub(super) form: KeyForm,
    /// Spellings that a table gives a meaning.
    pub(super) table: Option<Tabled>,
    /// What an unknown spelling reads as.
    pub(super) otherwise: Option<Value>,
    /// Whether a spelling that the table does not know is kept as it is.
    pub(super) keep: bool,
    /// Spellings of nothing.
    pub(super) absent: Nothing,
    /// How null is written.
    pub(super) clear: Clear,
    /// What nothing reads as.
    pub(super) default: Option<Value>,
    /// One spelling, both ways.
    pub(super) norm: Vec<Norm>,
    /// The country of a VAT number that does not begin with one.
    pub(super) home: Option<Box<str>>,
    /// How an authority's number is kept there.
    pub(super) spelt: Spelt,
    /// Most characters the system keeps.
    pub(super) most: Option<u32>,
    /// Fewest characters the system keeps.
    pub(super) least: Option<u32>,
    /// Most digits after the point the system keeps.
    pub(super) scale: Option<u32>,
    /// Whether what has more digits is rounded, both ways; else it is refused, and read as it stands.
    pub(super) rounds: bool,
    /// What characters the system's texts can hold.
    pub(super) charset: Charset,
    /// How numbers, days and moments are spelt.
    pub(super) forms: Forms,
    /// The object that it travels as, where it does.
    pub(super) tag: Option<Arc<Tag>>,
    /// How it is written, where that is not how it is read.
    pub(super) write_as: Option<Box<Codec>>,
    /// The filters between the native value and the scalar that all of this is about.
    pub(super) jq: Option<Arc<Jq>>,
}

/// What characters a system's texts can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    /// Every one.
    All,
    /// Those of XML 1.0.
    Xml,
}

/// How numbers, days and moments are spelt.
#[derive(Clone, Debug)]
pub(super) struct Forms {
    pub(super) moment: Moment,
    pub(super) day: Day,
    /// Of moments that are spelt without one.
    pub(super) zone: TimeZone,
    pub(super) point: Point,
    /// The value is what stands there, times ten to this power.
    pub(super) shift: i32,
    /// Whether nothing below zero is one.
    pub(super) unsigned: bool,
    /// What stands before and behind a key that is written as an address.
    pub(super) around: Option<Arc<(Box<str>, Box<str>)>>,
}

impl Default for Forms {
    fn default() -> Self {
        let (moment, day, point) = (Moment::Iso, Day::Iso, Point::Point);
        Self { moment, day, zone: TimeZone::UTC, point, shift: 0, unsigned: false, around: None }
    }
}

/// Why null is not written.
const CANNOT_EMPTY: &str = "the system cannot empty this field";

/// What a native scalar reads as.
#[derive(Debug, PartialEq)]
pub(super) enum Got {
    /// The system did not tell.
    Missing,
    /// It is known to be empty.
    Nothing,
    /// A value.
    Is(Value),
    /// One of two values that are spelt alike.
    Assumed(Value, &'static str),
    /// A value that stands for a spelling the table does not know.
    Unknown(Option<Value>, CompactString),
    /// It does not fit the field.
    Unfit(&'static str),
}

impl Codec {
    /// Reads what the scanner found.
    #[inline]
    pub(super) fn read(&self, raw: Raw<'_>) -> Got {
        match (raw, &self.jq) {
            // Most are: nothing to decode, and nothing to bring into another spelling.
            (Raw::Text(text) | Raw::Number(text), None) if self.norm.is_empty() => self.read_text(text),
            (raw, None) => self.read_scalar(raw),
            (raw, Some(jq)) => self.read_filtered(jq, raw),
        }
    }

    fn read_scalar(&self, raw: Raw<'_>) -> Got {
        match raw {
            Raw::Absent => return Got::Missing,
            Raw::Null => return self.nothing(),
            Raw::Tree(object) => {
                return match self.tag.as_ref().map(|tag| tag.read(object)) {
                    Some(Some(plain)) => self.read_text(&plain),
                    Some(None) => Got::Unfit("not of the form of its type"),
                    None => Got::Unfit("expected a single value"),
                };
            }
            Raw::Object | Raw::Array | Raw::Elements { .. } | Raw::Next(_) => {
                return Got::Unfit("expected a single value");
            }
            Raw::Boolean(false) if self.is_nothing_here() => return self.nothing(),
            Raw::Boolean(value) if self.table.is_none() => {
                return if self.kind == LeafKind::Boolean {
                    Got::Is(Value::Boolean(value))
                } else {
                    Got::Unfit("expected no boolean")
                };
            }
            Raw::Boolean(_) | Raw::Number(_) | Raw::Text(_) | Raw::Escaped(_) | Raw::Marked(..) => {}
        }
        let Some(text) = raw.text() else { return Got::Unfit("half a surrogate pair is no text") };
        match (self.norm.is_empty(), self.norm.contains(&Norm::Html)) {
            (true, _) => self.read_text(&text),
            (false, false) => self.read_text(&normal(&self.norm, &text)),
            (false, true) => self.read_text(&normal(&self.norm, &super::html::plain(&text))),
        }
    }

    /// Whether `false` is nothing here: no value of its own, and not in the table.
    fn is_nothing_here(&self) -> bool {
        let known = self.table.as_ref().and_then(Tabled::now);
        self.absent.is_false() && known.is_none_or(|table| !table.read.contains_key("false"))
    }

    fn nothing(&self) -> Got {
        self.default.clone().map_or(Got::Nothing, Got::Is)
    }

    fn read_text(&self, text: &str) -> Got {
        if let Some(tabled) = &self.table {
            // Of a table that was never told nobody knows what a spelling means, not even whether it is nothing.
            let Some(table) = tabled.now() else { return Got::Missing };
            if let Some(value) = table.read.get(text) {
                return Got::Is(value.clone());
            }
        }
        // ORDER: the table first: an empty text may have a meaning of its own.
        if self.absent.is_spelt(text) {
            return self.nothing();
        }
        if let Some(tabled) = &self.table {
            tabled.missed();
            return self.unknown(text);
        }
        let may_be_nothing = matches!(self.kind, LeafKind::Date | LeafKind::Instant);
        if may_be_nothing && self.is_nothing_by_value(text) {
            return self.nothing();
        }
        match self.parse(text) {
            Ok(value) if matches!(value, Value::Instant(_)) && self.is_doubled(text) => {
                Got::Assumed(value, "this hour comes twice; the earlier one is meant")
            }
            // Signs around no number say nothing.
            Ok(Value::Text(text)) if text.is_empty() && self.is_number() => self.nothing(),
            Ok(value @ Value::Decimal(_)) if self.rounds => match self.rounded(&value) {
                rounded if rounded == value => Got::Is(value),
                rounded => Got::Assumed(rounded, "it had more digits than the system means, and was rounded"),
            },
            Ok(value) => Got::Is(value),
            Err(_) if matches!(self.kind, LeafKind::Code(_)) => {
                Got::Unknown(self.otherwise.clone(), clip(text))
            }
            Err(why) => Got::Unfit(why),
        }
    }

    /// What a spelling reads as that the table does not know.
    fn unknown(&self, text: &str) -> Got {
        let kept = self.keep.then(|| self.parse(text).ok()).flatten();
        Got::Unknown(kept.or_else(|| self.otherwise.clone()), clip(text))
    }

    /// Whether a day or a moment is one that means nothing, which a file spells as RFC 3339 has it.
    fn is_nothing_by_value(&self, text: &str) -> bool {
        let plain = match self.kind {
            _ if self.absent.is_unspelt() => return false,
            LeafKind::Date if self.forms.day != Day::Iso => {
                self.forms.day.read(text).ok().map(|day| Day::Iso.spell(day))
            }
            LeafKind::Instant => self.forms.moment.plain(text),
            LeafKind::Date
            | LeafKind::Text { .. }
            | LeafKind::Code(_)
            | LeafKind::Id
            | LeafKind::Decimal
            | LeafKind::Integer
            | LeafKind::Boolean => None,
        };
        plain.is_some_and(|plain| self.absent.is_spelt(&plain))
    }

    /// Whether a time without a zone is one of the hour that comes twice.
    fn is_doubled(&self, text: &str) -> bool {
        self.forms.moment.is_naive()
            && matches!(self.forms.moment.read(&self.forms.zone, text), Ok(When::Earlier(_)))
    }

    /// Reads the spelling of a value of the leaf's kind, tables aside.
    #[inline]
    pub(super) fn parse(&self, text: &str) -> Result<Value, &'static str> {
        let text = match self.forms.around.as_deref() {
            Some((before, after)) => {
                let inner = text.strip_prefix(&**before).and_then(|text| text.strip_suffix(&**after));
                inner.ok_or("not the address of a record")?
            }
            None => text,
        };
        match &self.kind {
            LeafKind::Text { chars_max, spelling } => {
                let text = self.one_spelling(text);
                if spelling.refuses(&text) { Err("no language") } else { bounded(&text, *chars_max) }
            }
            LeafKind::Id => bounded(text, ID_CHARS_MAX),
            LeafKind::Code(codes) => match codes.iter().any(|code| **code == *text) {
                true => Ok(Value::Text(CompactString::from(text))),
                false => Err("not one of the field's codes"),
            },
            LeafKind::Decimal => self.decimal(text).map(Value::Decimal),
            LeafKind::Integer => integer(text).map(Value::Integer),
            LeafKind::Boolean => text.parse().map(Value::Boolean).map_err(|_| "not a boolean"),
            LeafKind::Date => self.forms.day.read(text).map(Value::Date),
            LeafKind::Instant => match self.forms.moment.read(&self.forms.zone, text)? {
                When::At(at) | When::Earlier(at) => Ok(Value::Instant(at)),
            },
        }
    }

    /// A decimal in the system's spelling; another separator than its own is none.
    fn decimal(&self, text: &str) -> Result<rust_decimal::Decimal, &'static str> {
        let read = match self.forms.point {
            Point::Point => decimal(text)?,
            Point::Comma if text.contains('.') => return Err("not a decimal with a comma"),
            Point::Comma => decimal(&text.replacen(',', ".", 1))?,
        };
        match self.forms.unsigned && read < rust_decimal::Decimal::ZERO {
            true => Err("below zero, where nothing is"),
            false if self.forms.shift == 0 => Ok(read),
            false => shifted(read, self.forms.shift),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    use crate::schema::Spelling;

    fn codec(kind: LeafKind) -> Codec {
        Codec {
            kind,
            wire: Wire::Text,
            form: KeyForm::Text,
            table: None,
            otherwise: None,
            keep: false,
            absent: Nothing::default(),
            clear: Clear::Refused,
            default: None,
            norm: Vec::new(),
            home: None,
            spelt: Spelt::Variously,
            most: None,
            least: None,
            scale: None,
            rounds: false,
            forms: Forms::default(),
            charset: Charset::All,
            tag: None,
            write_as: None,
            jq: None,
        }
    }

    #[test]
    fn dates_do_not_pass_through_an_instant() {
        let date = codec(LeafKind::Date);
        assert_eq!(
            date.read(Raw::Text("2015-12-31")),
            Got::Is(Value::Date(jiff::civil::Date::constant(2015, 12, 31)))
        );
        assert!(matches!(date.read(Raw::Text("2015-12-31T00:00:00Z")), Got::Unfit(_)));
        assert!(matches!(codec(LeafKind::Instant).read(Raw::Text("2015-12-31T00:00:00")), Got::Unfit(_)));
    }

    fn values() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            "[a-c ]{0,6}".prop_map(|text| Value::Text(text.into())),
            (any::<i64>(), 0u32..28)
                .prop_map(|(mantissa, scale)| Value::Decimal(Decimal::new(mantissa, scale))),
            (-3i64..3).prop_map(Value::Integer),
            any::<bool>().prop_map(Value::Boolean),
        ]
    }

    fn codecs() -> impl Strategy<Value = Codec> {
        let kinds = [
            LeafKind::Text { chars_max: 4, spelling: Spelling::Free },
            LeafKind::Id,
            LeafKind::Decimal,
            LeafKind::Integer,
            LeafKind::Boolean,
        ];
        let forms = (-2i32..2, any::<bool>()).prop_map(|(shift, comma)| Forms {
            shift,
            point: if comma { Point::Comma } else { Point::Point },
            ..Forms::default()
        });
        let absent = proptest::sample::select(vec![vec![], vec!["", "a"], vec!["0", "1", "ab"]]);
        let norm = proptest::sample::select(vec![vec![], vec![Norm::Trim], vec![Norm::Upper]]);
        let wire = proptest::sample::select(vec![Wire::Text, Wire::Number]);
        let rest = (proptest::option::of(0u32..4), proptest::option::of(0u32..4));
        (proptest::sample::select(kinds.to_vec()), forms, absent, norm, wire, rest).prop_map(
            |(kind, forms, absent, norm, wire, (most, scale))| Codec {
                absent: Nothing::new(absent.into_iter().map(Into::into).collect(), false),
                clear: Clear::Text("a".into()),
                forms,
                norm,
                wire,
                most,
                scale,
                ..codec(kind)
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_let_through_at_a_glance_is_what_a_second_look_lets_through(codec in codecs(), value in values()) {
            prop_assert_eq!(codec.write(&value), codec.settled(&value).map(|(out, _)| out));
        }

        #[test]
        fn what_is_written_reads_back(mantissa in any::<i64>(), scale in 0u32..20, ms in -10_000_000_000_000i64..10_000_000_000_000, text in "\\PC{0,40}") {
            let decimal = Value::Decimal(Decimal::new(mantissa, scale));
            let at = Value::Instant(Timestamp::from_millisecond(ms).unwrap());
            for (kind, value) in [(LeafKind::Decimal, decimal), (LeafKind::Integer, Value::Integer(mantissa)), (LeafKind::Instant, at), (LeafKind::Text { chars_max: 40, spelling: Spelling::Free }, Value::Text(text.into()))] {
                for moment in [Moment::Iso, Moment::UnixMs] {
                    let codec = Codec { forms: Forms { moment, ..Forms::default() }, ..codec(kind.clone()) };
                    let spelt = codec.spell(&value).unwrap();
                    prop_assert_eq!(codec.read(Raw::Text(&spelt)), Got::Is(value.clone()));
                }
            }
        }
    }
}
