//! Filters as a list in a JSON body: `["OR", ["f", "=", "v"], [["g", ">", 1], ["h", "=", 2]]]`, or in prefix notation, where
//! a word joins the two that follow it: `["|", ["f", "=", "v"], "&", ["g", ">", 1], ["h", "=", 2]]`.

use jiff::tz::TimeZone;

use super::{
    Asked,
    literal::{Literal, Literals},
    ops::Ops,
    template::{Hole, Template},
};
use crate::{
    mapping::{
        out::Out,
        path::Path,
        push::{Push, Test},
    },
    schema::Op,
    words::{
        Diagnostics,
        tree::Node,
        yaml::{FromYaml, Keys},
    },
};

/// Most conditions of a filter.
const TESTS_MAX: usize = 100;

#[derive(Debug)]
pub(super) struct Domain {
    /// What begins a list of which one condition must hold.
    any: String,
    /// What begins a list of which all must; nothing where a list by itself says so.
    all: Option<String>,
    /// Whether a word joins the two that follow it, whatever list they stand in.
    is_prefix: bool,
    one: Template,
    ops: Ops,
    at: Path,
    decimal: Option<Template>,
    date: Option<Template>,
    instant: Option<Template>,
}

impl Domain {
    pub(super) fn load(keys: &mut Keys<'_>, found: &mut Diagnostics) -> Option<Self> {
        let any = keys.or("any", || "OR".to_owned(), found);
        let is_prefix = keys.or("prefix", || false, found)?;
        let all = match is_prefix {
            true => Some(keys.required::<String>("all", found)?),
            false => keys.take("all").and_then(|node| String::read(node, found)),
        };
        let one: Node = keys.required("one", found)?;
        let one = Template::load(&one, &[Hole::Field, Hole::Op, Hole::Value], found);
        let ops: Node = keys.required("ops", found)?;
        let at: Node = keys.required("body", found)?;
        let at = crate::mapping::load::place(&at, found);
        let mut typed = keys.take("typed").and_then(|node| Keys::of(node, found));
        let mut value = |key: &'static str, found: &mut Diagnostics| {
            let node = typed.as_mut()?.take(key)?;
            Template::load(
                node,
                &[
                    Hole::Value,
                    Hole::Year,
                    Hole::Month,
                    Hole::Day,
                    Hole::Hour,
                    Hole::Minute,
                    Hole::Second,
                    Hole::Micro,
                ],
                found,
            )
        };
        let (decimal, date, instant) =
            (value("decimal", found), value("date", found), value("instant", found));
        if let Some(typed) = typed {
            typed.finish(found);
        }
        Some(Self {
            any: any?,
            all,
            is_prefix,
            one: one?,
            ops: Ops::load(&ops, true, found),
            at: at?,
            decimal,
            date,
            instant,
        })
    }

    /// Whether its lists have no place of their own in a body, but fill the hole that is for them.
    pub(super) fn is_whole(&self) -> bool {
        self.at.steps().is_empty()
    }

    pub(super) fn filter(&self, literals: &Literals, push: &Push) -> Asked {
        let mut asked = Asked::default();
        if count(push) > TESTS_MAX {
            return asked;
        }
        // The whole is a list of conditions.
        let whole = match push {
            _ if self.is_prefix => self.prefixed(literals, push).map(Out::List),
            Push::Test(_) => self.part(literals, push).map(|list| Out::List(vec![list])),
            Push::All(_) | Push::Any(_) => self.part(literals, push),
        };
        asked.body.extend(whole.map(|whole| (self.at.clone(), whole)));
        asked
    }

    /// One condition; `None` asks for everything. Recursion is bounded by the depth of a filter.
    fn part(&self, literals: &Literals, push: &Push) -> Option<Out> {
        match push {
            Push::Test(test) => self.test(literals, test),
            Push::All(parts) => {
                let said: Vec<_> = parts.iter().filter_map(|part| self.part(literals, part)).collect();
                let word = self.all.iter().map(|word| Out::text(word));
                (!said.is_empty()).then(|| Out::List(word.chain(said).collect()))
            }
            Push::Any(parts) => {
                let said: Vec<_> =
                    parts.iter().map(|part| self.part(literals, part)).collect::<Option<_>>()?;
                (!said.is_empty())
                    .then(|| Out::List(std::iter::once(Out::text(&self.any)).chain(said).collect()))
            }
        }
    }

    /// The same in prefix notation: one word fewer than there are parts, then the parts. Recursion as in [`Self::part`].
    fn prefixed(&self, literals: &Literals, push: &Push) -> Option<Vec<Out>> {
        let (word, said): (&str, Vec<Vec<Out>>) = match push {
            Push::Test(test) => return self.test(literals, test).map(|test| vec![test]),
            Push::All(parts) => {
                let said = parts.iter().filter_map(|part| self.prefixed(literals, part)).collect();
                (self.all.as_deref()?, said)
            }
            Push::Any(parts) => {
                let said = parts.iter().map(|part| self.prefixed(literals, part)).collect::<Option<_>>()?;
                (&self.any, said)
            }
        };
        let words = std::iter::repeat_n(Out::text(word), said.len().checked_sub(1)?);
        Some(words.chain(said.into_iter().flatten()).collect())
    }

    fn test(&self, literals: &Literals, test: &Test) -> Option<Out> {
        let values: Vec<Out> =
            test.values.iter().map(|value| self.value(literals, value)).collect::<Option<_>>()?;
        let word = self.ops.word(test.op)?;
        Some(self.one.fill(&|hole| match hole {
            Hole::Field => Some(Out::text(&test.name)),
            Hole::Op => Some(Out::text(word)),
            Hole::Value if test.op == Op::In => Some(Out::List(values.clone())),
            Hole::Value => values.first().cloned(),
            _ => None,
        }))
    }

    fn value(&self, literals: &Literals, literal: &Literal) -> Option<Out> {
        let number = |n: i64| Some(Out::Number(compact_str::format_compact!("{n}")));
        match (literal, &self.decimal, &self.date, &self.instant) {
            (Literal::Decimal(token), Some(template), _, _) => Some(template.fill(&|hole| match hole {
                Hole::Value => Some(Out::Text(token.clone())),
                _ => None,
            })),
            (Literal::Date(day), _, Some(template), _) => Some(template.fill(&|hole| match hole {
                Hole::Value => Some(Out::text(&day.to_string())),
                Hole::Year => number(day.year().into()),
                Hole::Month => number(day.month().into()),
                Hole::Day => number(day.day().into()),
                _ => None,
            })),
            (Literal::Instant(at), _, _, Some(template)) => {
                let (day, time) = {
                    let local = TimeZone::UTC.to_datetime(*at);
                    (local.date(), local.time())
                };
                // A finer moment would be cut, and then it would be another one.
                if time.nanosecond() != 0 {
                    return None;
                }
                Some(template.fill(&|hole| match hole {
                    Hole::Value => Some(Out::text(&at.to_string())),
                    Hole::Year => number(day.year().into()),
                    Hole::Month => number(day.month().into()),
                    Hole::Day => number(day.day().into()),
                    Hole::Hour => number(time.hour().into()),
                    Hole::Minute => number(time.minute().into()),
                    Hole::Second => number(time.second().into()),
                    Hole::Micro => {
                        number(i64::from(time.millisecond()) * 1000 + i64::from(time.microsecond()))
                    }
                    _ => None,
                }))
            }
            (literal, ..) => literals.typed(literal),
        }
    }
}

fn count(push: &Push) -> usize {
    match push {
        Push::Test(_) => 1,
        Push::All(parts) | Push::Any(parts) => parts.iter().map(count).sum(),
    }
}
