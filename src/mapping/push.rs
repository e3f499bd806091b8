//! A filter of the schema as far as a system can be asked for it: more may come back, never less.

use std::sync::Arc;

use compact_str::format_compact;
use jiff::{Timestamp, ToSpan, civil::Date};

use super::{
    codec::{Codec, Norm, Point, Spelt, Wire, normal},
    dialect::{Compares, Dialect, Literal, Numbers, Or, Tie},
    model::{Filterable, KeyForm, Mapping},
    number::{is_number, shifted},
    time::Day,
};
use crate::schema::{Direction, Filter, LeafKind, Op, Sort, Value};

/// Most values of one `in`.
const VALUES_MAX: usize = 100;

/// A condition in native names and literals.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Push {
    /// Every one.
    All(Vec<Push>),
    /// At least one.
    Any(Vec<Push>),
    /// One field.
    Test(Test),
}

/// One native field against literals.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Test {
    pub(super) name: Arc<str>,
    /// A comparison for equality or order, or [`Op::In`].
    pub(super) op: Op,
    pub(super) values: Vec<Literal>,
}

impl Mapping {
    /// What of a filter can be asked for; `None` asks for every record.
    pub(super) fn push(&self, dialect: &Dialect, filter: &Filter) -> Option<Push> {
        match filter {
            Filter::All(parts) => {
                let mut pushes: Vec<_> = parts.iter().filter_map(|part| self.push(dialect, part)).collect();
                if pushes.len() > 1 { Some(Push::All(pushes)) } else { pushes.pop() }
            }
            Filter::Any(parts) => {
                let pushes = parts.iter().map(|part| self.push(dialect, part)).collect::<Option<Vec<_>>>()?;
                any_of(dialect, pushes)
            }
            // What a negation leaves out cannot be known where what it denies is only known roughly.
            Filter::Not(_) => None,
            Filter::Derived { .. } | Filter::Pair { .. } => None,
            // Asked of any item each: more may pass than where all is asked of one.
            Filter::Item(_, inner) => self.push(dialect, inner),
            Filter::Test { leaf, op, value } => {
                if let Some((_, tuple)) = self.tuples.iter().find(|(of, _)| of == leaf) {
                    return tuple.push(dialect, *op, value);
                }
                let places = self.filters.get(usize::from(leaf.0))?;
                let tests = places.iter().map(|place| test(dialect, place, *op, value));
                any_of(dialect, tests.collect::<Option<Vec<_>>>()?)
            }
        }
    }

    /// The native keys of an order, the tiebreak last; `None` when the system cannot be asked for it.
    pub(super) fn push_sort(&self, dialect: &Dialect, sort: &[Sort]) -> Option<Vec<(Arc<str>, Direction)>> {
        let words = dialect.sort.as_ref()?;
        let mut keys = Vec::new();
        for Sort { leaf, direction } in sort {
            let [place] = self.filters.get(usize::from(leaf.0))?.as_slice() else { return None };
            let alike = match place.codec.kind {
                LeafKind::Decimal | LeafKind::Integer => is_number_there(dialect, &place.codec),
                LeafKind::Date => is_day_there(dialect, &place.codec),
                LeafKind::Instant => true,
                LeafKind::Text { .. } | LeafKind::Code(_) | LeafKind::Id | LeafKind::Boolean => false,
            };
            if !alike || place.is_shared || place.codec.table.is_some() || !words.knows(&place.name) {
                return None;
            }
            keys.push((place.name.clone(), *direction));
        }
        match words.tie {
            Tie::Key => {
                let names = self.key_names.as_ref()?;
                keys.extend(names.iter().map(|name| (name.clone(), Direction::Ascending)));
            }
            Tie::Own => {}
        }
        (keys.len() <= words.most).then_some(keys)
    }
}

pub(super) fn any_of(dialect: &Dialect, mut pushes: Vec<Push>) -> Option<Push> {
    if pushes.len() < 2 {
        return pushes.pop();
    }
    let mut names = pushes.iter().map(|push| match push {
        Push::Test(test) => Some(&test.name),
        Push::All(_) | Push::Any(_) => None,
    });
    let first = names.next().flatten();
    let one_field = first.is_some() && names.all(|name| name == first);
    match dialect.or {
        Or::Any => Some(Push::Any(pushes)),
        Or::SameField => one_field.then_some(Push::Any(pushes)),
        Or::Never => None,
    }
}

/// A condition on one native field.
pub(super) fn test(dialect: &Dialect, place: &Filterable, op: Op, value: &Value) -> Option<Push> {
    let wanted: &[Value] = match (op, value) {
        (Op::Ne | Op::Contains | Op::StartsWith | Op::EndsWith, _) => return None,
        (Op::In, Value::List(values)) => values,
        (Op::In, _) => return None,
        (Op::Eq | Op::Lt | Op::Lte | Op::Gt | Op::Gte, value) => std::slice::from_ref(value),
    };
    let (mut values, mut others) = (Vec::new(), Vec::new());
    for value in wanted {
        let said = said(dialect, &place.codec, if op == Op::In { Op::Eq } else { op }, value)?;
        let equal = |(op, literal): &(Op, Literal)| (*op == Op::Eq).then(|| literal.clone());
        match (said.any, said.tests.iter().map(equal).collect::<Option<Vec<_>>>()) {
            (true, Some(equal)) => values.extend(equal),
            (_, _) => others.push(all_of(place, said.tests)),
        }
    }
    if (values.is_empty() && others.is_empty()) || values.len().saturating_add(others.len()) > VALUES_MAX {
        return None;
    }
    let op = if values.len() == 1 { Op::Eq } else { Op::In };
    if !values.is_empty() {
        others.push(Push::Test(Test { name: place.name.clone(), op, values }));
    }
    any_of(dialect, others)
}

/// Every one of the comparisons.
fn all_of(place: &Filterable, tests: Vec<(Op, Literal)>) -> Push {
    let test = |(op, value)| Push::Test(Test { name: place.name.clone(), op, values: vec![value] });
    let mut tests: Vec<_> = tests.into_iter().map(test).collect();
    match (tests.len(), tests.pop()) {
        (1, Some(one)) => one,
        (_, last) => Push::All(tests.into_iter().chain(last).collect()),
    }
}

/// Comparisons that hold of whatever the system stores for a value that passes.
struct Said {
    /// Whether one of them is enough; else all must hold.
    any: bool,
    tests: Vec<(Op, Literal)>,
}

/// How a value is looked for; `None` where it cannot be.
fn said(dialect: &Dialect, codec: &Codec, op: Op, value: &Value) -> Option<Said> {
    // What stands for the unknown is many values.
    if codec.otherwise.as_ref() == Some(value) || !is_spelt_so(dialect, codec) {
        return None;
    }
    if let Some(tabled) = &codec.table {
        let table = tabled.now()?;
        let own = value.as_text().filter(|_| codec.keep);
        let natives = table.natives(value).chain(own).map(|native| {
            Some((
                Op::Eq,
                match codec.wire {
                    Wire::Text => text_of(dialect, codec, native)?,
                    Wire::Number => is_number(native).then(|| Literal::Token(native.into()))?,
                    Wire::Boolean => Literal::Boolean(native == "true"),
                },
            ))
        });
        let tests: Option<Vec<_>> = natives.collect();
        return tests.filter(|_| op == Op::Eq).map(|tests| Said { any: true, tests });
    }
    let one = |literal: Literal| Some(Said { any: true, tests: vec![(op, literal)] });
    match (&codec.kind, value) {
        (LeafKind::Text { .. } | LeafKind::Code(_) | LeafKind::Id, Value::Text(text)) if op == Op::Eq => {
            one(text_literal(dialect, codec, text)?)
        }
        (LeafKind::Decimal, Value::Decimal(n)) if is_number_there(dialect, codec) => {
            let native = match codec.forms.shift {
                0 => *n,
                shift => shifted(n.normalize(), shift.saturating_neg()).ok()?.normalize(),
            };
            one(told(codec, Literal::Decimal(format_compact!("{native}")))?)
        }
        (LeafKind::Integer, Value::Integer(n)) if is_number_there(dialect, codec) => {
            one(told(codec, Literal::Integer(format_compact!("{n}")))?)
        }
        (LeafKind::Boolean, Value::Boolean(yes)) if op == Op::Eq => one(Literal::Boolean(*yes)),
        (LeafKind::Date, Value::Date(day)) if is_day_there(dialect, codec) => {
            let tests = days(codec, op, *day)?;
            tests.iter().all(|(_, day)| is_told(codec, &Day::Iso.spell(*day))).then_some(())?;
            let tests = tests.into_iter().map(|(op, day)| (op, Literal::Date(day))).collect();
            Some(Said { any: false, tests })
        }
        (LeafKind::Instant, Value::Instant(at)) => {
            is_told(codec, &format_compact!("{at}")).then_some(())?;
            Some(Said { any: false, tests: moments(dialect, codec, op, *at)? })
        }
        (
            LeafKind::Text { .. }
            | LeafKind::Code(_)
            | LeafKind::Id
            | LeafKind::Decimal
            | LeafKind::Integer
            | LeafKind::Boolean
            | LeafKind::Date
            | LeafKind::Instant,
            _,
        ) => None,
    }
}

/// Whether a filter compares the number by its value.
fn is_number_there(dialect: &Dialect, codec: &Codec) -> bool {
    // What was rounded is not what the system compares.
    if codec.rounds {
        return false;
    }
    let by_value = codec.wire == Wire::Number || dialect.literals.numbers == Numbers::ByValue;
    by_value && codec.forms.point == Point::Point
}

/// Whether a filter compares the day as a day: where the system keeps one as text, only in the same form.
fn is_day_there(dialect: &Dialect, codec: &Codec) -> bool {
    let (kept, told) = (codec.forms.day, dialect.literals.day);
    // What is kept with a time is compared with a moment.
    let with_time = matches!(kept, Day::IsoMidnight | Day::IsoNoon) && told == Day::IsoMidnight;
    matches!(kept, Day::Iso | Day::MsDate) || kept == told || with_time
}

/// Conditions on the stored days that read as one which passes. Where a day is kept as a moment, any moment of
/// it is that day.
fn days(codec: &Codec, op: Op, day: Date) -> Option<Vec<(Op, Date)>> {
    if !codec.forms.day.is_moment() {
        return Some(vec![(op, day)]);
    }
    let next = day.checked_add(1.day()).ok()?;
    Some(match op {
        Op::Eq => vec![(Op::Gte, day), (Op::Lt, next)],
        Op::Gt => vec![(Op::Gte, next)],
        Op::Lte => vec![(Op::Lt, next)],
        Op::Gte | Op::Lt => vec![(op, day)],
        Op::In | Op::Ne | Op::Contains | Op::StartsWith | Op::EndsWith => return None,
    })
}

/// Conditions on the stored moments that read as one which passes, in moments that the dialect can tell. What is
/// read may be cut to the form's grain, so the stored one lies within a grain of it.
fn moments(dialect: &Dialect, codec: &Codec, op: Op, at: Timestamp) -> Option<Vec<(Op, Literal)>> {
    let (read, told) = (codec.forms.moment.grain(), dialect.literals.grain());
    let down = |at: i128, grain: i128| at.div_euclid(grain) * grain;
    let up = |at: i128, grain: i128| -down(-at, grain);
    let at = at.as_nanosecond();
    let after = up(down(at, read) + read, told);
    let tests = match op {
        Op::Gte | Op::Gt => vec![(op, down(at, told))],
        Op::Lt => vec![(Op::Lt, up(up(at, read), told))],
        Op::Lte if read == 1 => vec![(Op::Lte, up(at, told))],
        Op::Lte => vec![(Op::Lt, after)],
        Op::Eq if read == 1 && down(at, told) == at => vec![(Op::Eq, at)],
        Op::Eq if read == 1 => vec![(Op::Gte, down(at, told)), (Op::Lte, up(at, told))],
        Op::Eq => vec![(Op::Gte, down(at, told)), (Op::Lt, after)],
        Op::In | Op::Ne | Op::Contains | Op::StartsWith | Op::EndsWith => return None,
    };
    let literal = |(op, at)| {
        let at = Timestamp::from_nanosecond(at).ok().filter(|at| dialect.literals.tells(*at))?;
        Some((op, Literal::Instant(at)))
    };
    tests.into_iter().map(literal).collect()
}

/// A literal, unless the system's spelling of nothing is spelt so: that one never reads as a value.
fn told(codec: &Codec, literal: Literal) -> Option<Literal> {
    let is_told = match &literal {
        Literal::Text(text)
        | Literal::Integer(text)
        | Literal::Decimal(text)
        | Literal::Token(text)
        | Literal::Guid(text) => is_told(codec, text),
        Literal::Date(_) | Literal::Instant(_) | Literal::Boolean(_) => true,
    };
    is_told.then_some(literal)
}

fn is_told(codec: &Codec, spelt: &str) -> bool {
    !codec.absent.is_spelt(spelt)
}

fn text_literal(dialect: &Dialect, codec: &Codec, text: &str) -> Option<Literal> {
    let text = if codec.norm.is_empty() { text.to_owned() } else { normal(&codec.norm, text).into_owned() };
    match codec.wire {
        Wire::Text => told(codec, text_of(dialect, codec, &text)?),
        Wire::Number => told(codec, is_number(&text).then(|| Literal::Token(text.into()))?),
        Wire::Boolean => None,
    }
}

/// Whether stored text is found by the spelling it reads as: of what a norm changes, only case is known to be
/// overlooked, and that by a system that compares loosely.
pub(super) fn is_spelt_so(dialect: &Dialect, codec: &Codec) -> bool {
    let case_only = codec.norm.iter().all(|norm| matches!(norm, Norm::Upper | Norm::Lower));
    // A number may stand there with blanks and dashes, unless the file says otherwise.
    let is_spelt_once = !codec.is_number() || codec.spelt == Spelt::Once || codec.form == KeyForm::Digits;
    is_spelt_once && (codec.norm.is_empty() || (case_only && dialect.text == Compares::Loosely))
}

/// Text as a literal: quoted, or bare where the system keeps a form that it does not quote; `None` where it
/// cannot be said.
fn text_of(dialect: &Dialect, codec: &Codec, text: &str) -> Option<Literal> {
    let literal = match codec.form {
        KeyForm::Text if dialect.literals.holds(text) && codec.can_hold(text) => Literal::Text(text.into()),
        // The system knows no such value; it would refuse the question instead of finding nothing.
        KeyForm::Digits if codec.form.fits(text) => Literal::Token(text.into()),
        KeyForm::Guid if codec.form.fits(text) => Literal::Guid(text.into()),
        KeyForm::Alnum if codec.form.fits(text) => Literal::Text(text.into()),
        KeyForm::Text | KeyForm::Digits | KeyForm::Guid | KeyForm::Alnum => return None,
    };
    Some(literal)
}
