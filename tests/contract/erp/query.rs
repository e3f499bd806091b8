//! Query options of OData 2 as a stand-in understands them: typed literals, and a refusal of what it does not know.

use std::cmp::Ordering;

use bramka::demo::standin::Ask;
use serde_json::{Map, Value};

pub(super) type Row = Map<String, Value>;

/// The type of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    /// `datetime'…'`
    Date,
    /// `datetimeoffset'…Z'`
    Moment,
    /// `12.30M`, in JSON a text.
    Decimal,
    Flag,
}

pub(super) type Properties = &'static [(&'static str, Type)];

/// What is compared.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum Key {
    None,
    Text(String),
    Number(f64),
}

#[derive(Debug)]
enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    Compare(String, Type, String, Key),
}

/// One request's options.
#[derive(Debug, Default)]
pub(super) struct Options {
    filter: Option<Test>,
    order: Vec<(String, Type, bool)>,
    pub(super) select: Option<Vec<String>>,
    pub(super) expand: Vec<String>,
    top: Option<usize>,
    skip: usize,
}

impl Options {
    pub(super) fn read(ask: &Ask, properties: Properties, ways: &[&str]) -> Result<Self, String> {
        let mut out = Self::default();
        let known = |name: &str| properties.iter().find(|(known, _)| *known == name).copied();
        for (name, value) in ask.pairs() {
            match name.as_str() {
                "$filter" => out.filter = Some(Parser::whole(&value, properties)?),
                "$orderby" => {
                    for part in value.split(',') {
                        let (name, dir) = part.split_once(' ').unwrap_or((part, "asc"));
                        let (name, kind) = known(name).ok_or_else(|| format!("Property {name} not found"))?;
                        if !["asc", "desc"].contains(&dir) {
                            return Err(format!("Invalid direction '{dir}'"));
                        }
                        out.order.push((name.to_owned(), kind, dir == "desc"));
                    }
                }
                "$select" | "$expand" => {
                    for part in value.split(',') {
                        let is_way = ways.contains(&part);
                        if !is_way && (name == "$expand" || known(part).is_none()) {
                            return Err(format!("Property {part} not found"));
                        }
                        let list = if name == "$expand" {
                            &mut out.expand
                        } else {
                            out.select.get_or_insert_default()
                        };
                        list.push(part.to_owned());
                    }
                }
                "$top" => out.top = Some(value.parse().map_err(|_| "Invalid $top".to_owned())?),
                "$skip" => out.skip = value.parse().map_err(|_| "Invalid $skip".to_owned())?,
                other => return Err(format!("The option {other} is not supported")),
            }
        }
        if let Some(select) = &out.select
            && let Some(way) = out.expand.iter().find(|way| !select.contains(way))
        {
            return Err(format!("{way} is expanded and not selected"));
        }
        Ok(out)
    }

    /// The rows that are asked for, in their order.
    pub(super) fn page<'r>(&self, rows: impl Iterator<Item = &'r Row>) -> Vec<&'r Row> {
        let mut rows: Vec<&Row> =
            rows.filter(|row| self.filter.as_ref().is_none_or(|test| test.holds(row))).collect();
        rows.sort_by(|a, b| {
            let by = |(name, kind, falls): &(String, Type, bool)| {
                let order = key(a, name, *kind).partial_cmp(&key(b, name, *kind)).unwrap();
                if *falls { order.reverse() } else { order }
            };
            self.order.iter().map(by).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        });
        rows.into_iter().skip(self.skip).take(self.top.unwrap_or(usize::MAX)).collect()
    }
}

/// The milliseconds of `/Date(…)/`.
pub(super) fn millis(text: &str) -> Option<i64> {
    let inner = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
    inner.split('+').next()?.parse().ok()
}

fn key(row: &Row, name: &str, kind: Type) -> Key {
    match (row.get(name).unwrap_or(&Value::Null), kind) {
        (Value::Null, _) => Key::None,
        (Value::String(text), Type::Text) => Key::Text(text.clone()),
        (Value::String(text), Type::Date | Type::Moment) => Key::Number(millis(text).unwrap() as f64),
        (Value::String(text), Type::Decimal) => Key::Number(text.parse().unwrap()),
        (Value::Bool(flag), Type::Flag) => Key::Number(f64::from(u8::from(*flag))),
        (value, kind) => panic!("{name}: {value} is no {kind:?}"),
    }
}

impl Test {
    fn holds(&self, row: &Row) -> bool {
        match self {
            Self::All(all) => all.iter().all(|test| test.holds(row)),
            Self::Any(any) => any.iter().any(|test| test.holds(row)),
            Self::Not(test) => !test.holds(row),
            Self::Compare(name, kind, op, value) => {
                let found = key(row, name, *kind);
                match op.as_str() {
                    "eq" => found == *value,
                    "ne" => found != *value,
                    _ if found == Key::None || *value == Key::None => false,
                    "gt" => found > *value,
                    "ge" => found >= *value,
                    "lt" => found < *value,
                    _ => found <= *value,
                }
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    /// A text, with the word before its quote.
    Text(String, String),
    Sign(char),
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut out = Vec::new();
    let mut rest = text.chars().peekable();
    let mut word = String::new();
    loop {
        let c = rest.next();
        if c == Some('\'') {
            let mut text = String::new();
            loop {
                match rest.next().ok_or("A literal is not terminated")? {
                    '\'' if rest.next_if_eq(&'\'').is_some() => text.push('\''),
                    '\'' => break,
                    c => text.push(c),
                }
            }
            out.push(Token::Text(std::mem::take(&mut word), text));
            if rest.peek().is_some_and(|c| !matches!(c, ' ' | ')')) {
                return Err("Something stands right behind a literal".to_owned());
            }
            continue;
        }
        match c {
            Some(c) if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') => word.push(c),
            other => {
                if !word.is_empty() {
                    out.push(Token::Word(std::mem::take(&mut word)));
                }
                match other {
                    None => return Ok(out),
                    Some(' ') => {}
                    Some(sign @ ('(' | ')')) => out.push(Token::Sign(sign)),
                    Some(c) => return Err(format!("Unexpected '{c}'")),
                }
            }
        }
    }
}

struct Parser<'t> {
    rest: std::slice::Iter<'t, Token>,
    properties: Properties,
}

impl Parser<'_> {
    fn whole(text: &str, properties: Properties) -> Result<Test, String> {
        let tokens = tokens(text)?;
        let mut parser = Parser { rest: tokens.iter(), properties };
        let test = parser.any(0)?;
        parser.rest.next().map_or(Ok(test), |token| Err(format!("Unexpected {token:?}")))
    }

    fn eats(&mut self, wanted: &Token) -> bool {
        let is = self.rest.as_slice().first() == Some(wanted);
        if is {
            self.rest.next();
        }
        is
    }

    fn any(&mut self, depth: usize) -> Result<Test, String> {
        let mut any = vec![self.all(depth)?];
        while self.eats(&Token::Word("or".into())) {
            any.push(self.all(depth)?);
        }
        Ok(Test::Any(any))
    }

    fn all(&mut self, depth: usize) -> Result<Test, String> {
        let mut all = vec![self.one(depth)?];
        while self.eats(&Token::Word("and".into())) {
            all.push(self.one(depth)?);
        }
        Ok(Test::All(all))
    }

    fn one(&mut self, depth: usize) -> Result<Test, String> {
        if depth > 20 {
            return Err("Too deep".to_owned());
        }
        if self.eats(&Token::Word("not".into())) {
            return self.one(depth + 1).map(|test| Test::Not(Box::new(test)));
        }
        if self.eats(&Token::Sign('(')) {
            let inner = self.any(depth + 1)?;
            return if self.eats(&Token::Sign(')')) {
                Ok(inner)
            } else {
                Err("A bracket is open".to_owned())
            };
        }
        let (Some(Token::Word(name)), Some(Token::Word(op))) = (self.rest.next(), self.rest.next()) else {
            return Err("A comparison was expected".to_owned());
        };
        let (_, kind) = self
            .properties
            .iter()
            .find(|(known, _)| known == name)
            .ok_or_else(|| format!("Property {name} not found"))?;
        if !["eq", "ne", "gt", "ge", "lt", "le"].contains(&op.as_str()) {
            return Err(format!("Unknown operator {op}"));
        }
        let value = match (kind, self.rest.next()) {
            (_, Some(Token::Word(word))) if word == "null" => Key::None,
            (Type::Text, Some(Token::Text(before, text))) if before.is_empty() => Key::Text(text.clone()),
            (Type::Date, Some(Token::Text(before, text))) if before == "datetime" => {
                let at: jiff::civil::DateTime = text.parse().map_err(|_| "Invalid datetime".to_owned())?;
                Key::Number(at.in_tz("UTC").unwrap().timestamp().as_millisecond() as f64)
            }
            (Type::Moment, Some(Token::Text(before, text))) if before == "datetimeoffset" => {
                let at: jiff::Timestamp = text.parse().map_err(|_| "Invalid datetimeoffset".to_owned())?;
                Key::Number(at.as_millisecond() as f64)
            }
            (Type::Decimal, Some(Token::Word(word))) => {
                let number = word.strip_suffix('M').and_then(|number| number.parse().ok());
                Key::Number(number.ok_or("A decimal ends with M")?)
            }
            (Type::Flag, Some(Token::Word(word))) if word == "true" || word == "false" => {
                Key::Number(f64::from(u8::from(word == "true")))
            }
            (kind, token) => return Err(format!("{token:?} is no literal of {kind:?}")),
        };
        Ok(Test::Compare(name.clone(), *kind, op.clone(), value))
    }
}
