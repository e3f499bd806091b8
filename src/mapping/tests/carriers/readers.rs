//! A reader of each dialect, written from what the system is said to understand and not from the writer.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use rust_decimal::Decimal;
use serde_json::Value as Json;

use crate::schema::Op;

/// What a system compares.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Text(String),
    Number(Decimal),
    Boolean(bool),
    At(Timestamp),
    Local(DateTime),
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Test(String, Op, Vec<Cell>),
}

/// Who reads a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    Odata,
    Soql,
    NoOr,
    List,
    Prefix,
    Flat,
    Brackets,
    Criteria,
    Groups,
}

impl Condition {
    pub(super) fn one(name: &str, op: Op, cell: Cell) -> Self {
        Self::All(vec![Self::Test(name.to_owned(), op, vec![cell])])
    }

    pub(super) fn holds(&self, row: &BTreeMap<&'static str, Cell>) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(row)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(row)),
            Self::Test(name, op, cells) => {
                let stored = &row[name.as_str()];
                cells.iter().any(|cell| match op {
                    Op::Eq | Op::In => stored.order(cell).is_eq(),
                    Op::Lt => stored.order(cell).is_lt(),
                    Op::Lte => stored.order(cell).is_le(),
                    Op::Gt => stored.order(cell).is_gt(),
                    Op::Gte => stored.order(cell).is_ge(),
                    Op::Ne | Op::Contains | Op::StartsWith | Op::EndsWith => panic!("never asked for"),
                })
            }
        }
    }
}

impl Cell {
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.cmp(b),
            (Self::Boolean(a), Self::Boolean(b)) => a.cmp(b),
            (Self::At(a), Self::At(b)) => a.cmp(b),
            (Self::Local(a), Self::Local(b)) => a.cmp(b),
            (a, b) => panic!("{a:?} is compared with {b:?}"),
        }
    }
}

impl Reader {
    pub(super) fn read(self, pairs: &[(String, String)], body: &Json) -> Condition {
        let of = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        match self {
            Self::Odata => text(of("$filter"), self),
            Self::Soql => {
                let query = of("q").unwrap();
                let rest = query
                    .strip_prefix("SELECT x FROM Y")
                    .unwrap()
                    .strip_suffix(" LIMIT 10 OFFSET 0")
                    .unwrap();
                text(rest.strip_prefix(" WHERE "), self)
            }
            Self::NoOr => {
                let query = body["query"]["text"].as_str().unwrap();
                text(query.strip_prefix("select * from Y").unwrap().strip_prefix(" where "), self)
            }
            Self::List => match &body["params"][0] {
                Json::Null => Condition::All(Vec::new()),
                list => domain(list),
            },
            Self::Prefix => match &body["params"][0] {
                Json::Null => Condition::All(Vec::new()),
                list => prefixed(list),
            },
            Self::Flat => flat(pairs),
            Self::Brackets => brackets(pairs),
            Self::Criteria => criteria(pairs),
            Self::Groups => groups(body),
        }
    }
}

fn op(word: &str) -> Op {
    match word {
        "eq" | "=" | "EQ" => Op::Eq,
        "lt" | "<" | "LT" => Op::Lt,
        "le" | "<=" | "lteq" | "LTE" => Op::Lte,
        "gt" | ">" | "GT" => Op::Gt,
        "ge" | ">=" | "gteq" | "GTE" => Op::Gte,
        "in" => Op::In,
        other => panic!("{other} is no operator"),
    }
}

/// A plain value of a field, as a parameter or a JSON text has it.
fn plain(name: &str, text: &str, zone: &TimeZone) -> Cell {
    match name {
        "name" | "ref" | "cur" | "state" => Cell::Text(text.to_owned()),
        "gross" => Cell::Boolean(matches!(text, "1" | "true")),
        "total" => Cell::Number(text.parse().unwrap()),
        "day" => Cell::At(day(text)),
        _ => Cell::At(zone.to_timestamp(text.replace(' ', "T").parse::<DateTime>().unwrap()).unwrap()),
    }
}

fn day(text: &str) -> Timestamp {
    text.parse::<jiff::civil::Date>().unwrap().to_zoned(TimeZone::UTC).unwrap().timestamp()
}

// --- text

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Sign(char),
    Word(String),
    Text(String),
    /// A text with a type before it: `datetime'…'`.
    Typed(String, String),
}

/// Cuts a text into tokens: a quote inside a text is doubled, or stands behind a backslash.
fn tokens(text: &str, doubled: bool) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let (mut at, mut out) = (0, Vec::new());
    while let Some(char) = chars.get(at).copied() {
        at += 1;
        match char {
            ' ' => {}
            '(' | ')' | ',' => out.push(Token::Sign(char)),
            '\'' => out.push(Token::Text(quoted(&chars, &mut at, doubled))),
            first => {
                let mut word = String::from(first);
                while let Some(next) = chars.get(at).filter(|c| !matches!(c, ' ' | '(' | ')' | ',' | '\'')) {
                    word.push(*next);
                    at += 1;
                }
                if chars.get(at) == Some(&'\'') {
                    at += 1;
                    out.push(Token::Typed(word, quoted(&chars, &mut at, doubled)));
                } else {
                    out.push(Token::Word(word));
                }
            }
        }
    }
    out
}

fn quoted(chars: &[char], at: &mut usize, doubled: bool) -> String {
    let mut out = String::new();
    loop {
        let char = *chars.get(*at).expect("a literal is left open");
        *at += 1;
        match char {
            '\'' if doubled && chars.get(*at) == Some(&'\'') => {
                *at += 1;
                out.push('\'');
            }
            '\'' => return out,
            '\\' if !doubled => {
                let escaped = *chars.get(*at).expect("an escape is left open");
                *at += 1;
                out.push(match escaped {
                    'n' => '\n',
                    '\'' | '\\' => escaped,
                    other => panic!("\\{other} is no escape"),
                });
            }
            char => out.push(char),
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    reader: Reader,
}

fn text(filter: Option<&str>, reader: Reader) -> Condition {
    let Some(filter) = filter else { return Condition::All(Vec::new()) };
    let mut parser = Parser { tokens: tokens(filter, reader == Reader::Odata), at: 0, reader };
    let read = parser.any();
    assert_eq!(parser.at, parser.tokens.len(), "something is left over in {filter}");
    match read {
        whole @ Condition::All(_) => whole,
        one => Condition::All(vec![one]),
    }
}

impl Parser {
    fn next(&mut self) -> Token {
        self.at += 1;
        self.tokens[self.at - 1].clone()
    }

    fn takes(&mut self, word: &str) -> bool {
        let is = matches!(self.tokens.get(self.at), Some(Token::Word(is)) if is == word);
        self.at += usize::from(is);
        is
    }

    fn any(&mut self) -> Condition {
        let word = if self.reader == Reader::Odata { "or" } else { "OR" };
        let mut parts = vec![self.all()];
        while self.takes(word) {
            assert!(self.reader != Reader::NoOr, "there is no `or` here");
            parts.push(self.all());
        }
        if parts.len() == 1 { parts.remove(0) } else { Condition::Any(parts) }
    }

    fn all(&mut self) -> Condition {
        let word = if self.reader == Reader::Odata { "and" } else { "AND" };
        let mut parts = vec![self.one()];
        while self.takes(word) {
            parts.push(self.one());
        }
        if parts.len() == 1 { parts.remove(0) } else { Condition::All(parts) }
    }

    fn one(&mut self) -> Condition {
        if self.tokens[self.at] == Token::Sign('(') {
            self.at += 1;
            let inner = self.any();
            assert_eq!(self.next(), Token::Sign(')'));
            return inner;
        }
        let Token::Word(name) = self.next() else { panic!("a field was expected") };
        let Token::Word(word) = self.next() else { panic!("an operator was expected") };
        if word == "IN" {
            assert_eq!(self.next(), Token::Sign('('));
            let mut cells = vec![self.literal(&name)];
            while self.next() == Token::Sign(',') {
                cells.push(self.literal(&name));
            }
            assert_eq!(self.tokens[self.at - 1], Token::Sign(')'));
            return Condition::Test(name, Op::In, cells);
        }
        let cell = self.literal(&name);
        Condition::Test(name, op(&word), vec![cell])
    }

    fn literal(&mut self, name: &str) -> Cell {
        match (self.next(), name) {
            (Token::Text(text), "day") if self.reader == Reader::NoOr => Cell::At(day(&text)),
            (Token::Text(text), "moment") if self.reader == Reader::NoOr => Cell::At(text.parse().unwrap()),
            (Token::Text(text), "name" | "ref" | "cur" | "state") => Cell::Text(text),
            (Token::Word(word), "gross") => Cell::Boolean(word.parse().unwrap()),
            (Token::Word(word), "total") => Cell::Number(word.trim_end_matches('M').parse().unwrap()),
            (Token::Word(word), "day") => Cell::At(day(&word)),
            (Token::Word(word), "moment") => Cell::At(word.parse().unwrap()),
            (Token::Typed(of, text), "day") if of == "datetime" => {
                Cell::At(format!("{text}Z").parse().unwrap())
            }
            (Token::Typed(of, text), "moment") if of == "datetimeoffset" => Cell::At(text.parse().unwrap()),
            (token, name) => panic!("{token:?} is no literal of {name}"),
        }
    }
}

// --- JSON

/// Read from its end: a word takes the two that follow it; what is left over must all hold.
fn prefixed(list: &Json) -> Condition {
    let mut open: Vec<Condition> = Vec::new();
    for item in list.as_array().unwrap().iter().rev() {
        match item.as_str() {
            Some("|") => {
                let two = [open.pop().unwrap(), open.pop().unwrap()];
                open.push(Condition::Any(two.into()));
            }
            Some("&") => {
                let two = [open.pop().unwrap(), open.pop().unwrap()];
                open.push(flat_all(two.into()));
            }
            Some(word) => panic!("{word} joins nothing"),
            None => open.push(domain(&Json::Array(vec![item.clone()]))),
        }
    }
    flat_all(open)
}

/// What must all hold, without what must all hold inside of it.
fn flat_all(parts: Vec<Condition>) -> Condition {
    let inner = |part| match part {
        Condition::All(parts) => parts,
        other => vec![other],
    };
    Condition::All(parts.into_iter().flat_map(inner).collect())
}

fn domain(list: &Json) -> Condition {
    let items = list.as_array().unwrap();
    let (any, items) = match items.split_first() {
        Some((Json::String(word), rest)) if word == "OR" => (true, rest),
        _ => (false, items.as_slice()),
    };
    let parts = items.iter().map(|item| match item.as_array().unwrap().as_slice() {
        [Json::String(name), Json::String(word), value] if word != "OR" && name != "OR" => {
            let cells = match (op(word), value) {
                (Op::In, Json::Array(values)) => values.iter().map(|value| typed(name, value)).collect(),
                (_, value) => vec![typed(name, value)],
            };
            Condition::Test(name.clone(), op(word), cells)
        }
        _ => domain(item),
    });
    let parts = parts.collect();
    if any { Condition::Any(parts) } else { Condition::All(parts) }
}

fn typed(name: &str, value: &Json) -> Cell {
    let n = |key: &str| value[key].as_i64().unwrap();
    match (name, value["__class__"].as_str()) {
        ("total", Some("Decimal")) => Cell::Number(value["decimal"].as_str().unwrap().parse().unwrap()),
        ("day", Some("date")) => {
            Cell::At(day(&format!("{:04}-{:02}-{:02}", n("year"), n("month"), n("day"))))
        }
        ("moment", Some("datetime")) => {
            let text = format!(
                "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
                n("year"),
                n("month"),
                n("day"),
                n("hour"),
                n("minute"),
                n("second"),
                n("microsecond")
            );
            Cell::At(text.parse().unwrap())
        }
        ("gross", None) => Cell::Boolean(value.as_bool().unwrap()),
        (_, None) => Cell::Text(value.as_str().unwrap().to_owned()),
        (name, of) => panic!("{of:?} is no type of {name}"),
    }
}

fn groups(body: &Json) -> Condition {
    let Some(groups) = body["groups"].as_array() else { return Condition::All(Vec::new()) };
    let one = |filter: &Json| {
        let name = filter["name"].as_str().unwrap();
        let cell = |value: &Json| match name {
            "moment" => {
                Cell::At(Timestamp::from_millisecond(value.as_str().unwrap().parse().unwrap()).unwrap())
            }
            name => plain(name, value.as_str().unwrap(), &TimeZone::UTC),
        };
        match filter["values"].as_array() {
            Some(values) => Condition::Test(name.to_owned(), Op::In, values.iter().map(cell).collect()),
            None => Condition::Test(
                name.to_owned(),
                op(filter["op"].as_str().unwrap()),
                vec![cell(&filter["value"])],
            ),
        }
    };
    let group = |group: &Json| Condition::All(group["filters"].as_array().unwrap().iter().map(one).collect());
    let mut all: Vec<_> = groups.iter().map(group).collect();
    if all.len() == 1 { all.remove(0) } else { Condition::Any(all) }
}

// --- parameters

fn flat(pairs: &[(String, String)]) -> Condition {
    let mut parts = Vec::new();
    for (name, value) in pairs {
        let local = || vec![Cell::Local(value.parse().unwrap())];
        let one = |field: &str| vec![plain(field, value, &TimeZone::UTC)];
        let several =
            |field: &str| value.split(',').map(|value| plain(field, value, &TimeZone::UTC)).collect();
        let (field, op, cells) = match name.as_str() {
            "name" => ("name", Op::Eq, one("name")),
            "refs" => ("ref", Op::In, several("ref")),
            "currencies" => ("cur", Op::In, several("cur")),
            "day_after" => ("day", Op::Gt, one("day")),
            "day_before" => ("day", Op::Lt, one("day")),
            "moment_min" => ("moment", Op::Gte, local()),
            "moment_max" => ("moment", Op::Lte, local()),
            "total_min" => ("total", Op::Gte, one("total")),
            "total_below" => ("total", Op::Lt, one("total")),
            "state" => ("state", Op::Eq, one("state")),
            "dates_are_gmt" => continue,
            other => panic!("{other} is no parameter"),
        };
        assert!(!value.is_empty());
        parts.push(Condition::Test(field.to_owned(), op, cells));
    }
    Condition::All(parts)
}

fn brackets(pairs: &[(String, String)]) -> Condition {
    let mut parts = Vec::new();
    for (name, value) in pairs.iter().filter(|(name, _)| name != "date") {
        let field = name.strip_prefix("filter[").and_then(|name| name.strip_suffix(']')).unwrap();
        let (word, inner) = match value.split_at(1) {
            ("[", _) => ("=", value.as_str()),
            (word, rest) => (word, rest),
        };
        let inner = inner.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap();
        assert!(!inner.contains(['[', ']', '%']));
        let cell = |text: &str| plain(field, text, &TimeZone::UTC);
        let test = |op, cells| Condition::Test(field.to_owned(), op, cells);
        match (word, inner.split_once(',')) {
            ("=", Some((from, to))) => {
                parts.push(test(Op::Gte, vec![cell(from)]));
                parts.push(test(Op::Lte, vec![cell(to)]));
            }
            ("=", None) => {
                let cells: Vec<_> = inner.split('|').map(cell).collect();
                parts.push(test(if cells.len() == 1 { Op::Eq } else { Op::In }, cells));
            }
            (word, None) => parts.push(test(op(word), vec![cell(inner)])),
            (_, Some(_)) => panic!("{value} is no range"),
        }
    }
    Condition::All(parts)
}

fn criteria(pairs: &[(String, String)]) -> Condition {
    let mut found: BTreeMap<(usize, usize), BTreeMap<&str, &str>> = BTreeMap::new();
    for (name, value) in pairs {
        let rest = name.strip_prefix("sc[filter_groups][").unwrap();
        let (group, rest) = rest.split_once("][filters][").unwrap();
        let (n, rest) = rest.split_once("][").unwrap();
        let word = rest.strip_suffix(']').unwrap();
        let place = (group.parse().unwrap(), n.parse().unwrap());
        assert!(found.entry(place).or_default().insert(word, value).is_none());
    }
    let mut groups: BTreeMap<usize, Vec<Condition>> = BTreeMap::new();
    for ((group, _), words) in found {
        let (field, value) = (words["field"], words["value"]);
        let cell = |text: &str| plain(field, text, &TimeZone::UTC);
        let op = op(words["condition_type"]);
        let cells = if op == Op::In { value.split(',').map(cell).collect() } else { vec![cell(value)] };
        groups.entry(group).or_default().push(Condition::Test(field.to_owned(), op, cells));
    }
    let one =
        |mut tests: Vec<Condition>| if tests.len() == 1 { tests.remove(0) } else { Condition::Any(tests) };
    Condition::All(groups.into_values().map(one).collect())
}
