//! Conditions in two query languages, SOQL and OData 4, as the systems' own parsers take them: what one of them would
//! not understand is refused here in its words. One tree and one evaluation serve both.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::{Map, Value};

/// A record of a stand-in; moments are kept as RFC 3339 has them.
pub(crate) type Row = Map<String, Value>;

/// Nesting a condition may have.
const DEPTH_MAX: usize = 40;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// Text in SOQL, a bare GUID in OData.
    Key,
    Moment,
    Whole,
}

/// Fields of a set, and what each holds.
pub(crate) type Fields = &'static [(&'static str, Kind)];

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Soql,
    Odata,
}

/// Why a query is refused.
#[derive(Debug)]
pub(crate) enum Bad {
    /// It cannot be taken apart.
    Syntax(String),
    /// It names a field that is not there, or compares it with another kind of value.
    Field(String),
}

/// A piece of a query.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Word(String),
    Text(String),
    Sign(&'static str),
}

/// A value that stands in a condition.
#[derive(Clone, Debug, PartialEq)]
enum Literal {
    Text(String),
    Guid(String),
    Moment(Timestamp),
    Whole(i64),
    Null,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Eq,
    Ne,
    Lt,
    Lte,
    Gt,
    Gte,
}

/// A condition.
#[derive(Debug)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Compare(String, Kind, Op, Fitting),
    In(String, Kind, Vec<Fitting>),
    Like(String, Vec<Part>),
}

/// A literal that fits its field.
pub(crate) type Fitting = Option<Key>;

/// What values are compared by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Text(String),
    Moment(Timestamp),
    Whole(i64),
}

/// A piece of a pattern of `LIKE`.
#[derive(Debug, PartialEq)]
pub(crate) enum Part {
    Is(char),
    One,
    Many,
}

/// Takes a query apart.
pub(crate) fn tokens(language: Language, text: &str) -> Result<Vec<Token>, Bad> {
    let mut out = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            ' ' | '\t' | '\n' => {}
            '\'' => out.push(Token::Text(quoted(language, &mut rest)?)),
            '(' => out.push(Token::Sign("(")),
            ')' => out.push(Token::Sign(")")),
            ',' => out.push(Token::Sign(",")),
            '=' if language == Language::Soql => out.push(Token::Sign("=")),
            '!' if language == Language::Soql && rest.next_if_eq(&'=').is_some() => {
                out.push(Token::Sign("!="))
            }
            '<' if language == Language::Soql => out.push(Token::Sign(match rest.peek() {
                Some('=') => "<=",
                Some('>') => "!=",
                _ => "<",
            })),
            '>' if language == Language::Soql => {
                out.push(Token::Sign(if rest.peek() == Some(&'=') { ">=" } else { ">" }));
            }
            c if c.is_alphanumeric() || "_-.+:".contains(c) => {
                let mut word = String::from(c);
                while let Some(c) = rest.next_if(|c| c.is_alphanumeric() || "_-.+:".contains(*c)) {
                    word.push(c);
                }
                out.push(Token::Word(word));
            }
            c => return Err(Bad::Syntax(format!("unexpected token: '{c}'"))),
        }
        if matches!(out.last(), Some(Token::Sign("<=" | ">="))) || (c == '<' && rest.peek() == Some(&'>')) {
            rest.next_if(|c| *c == '=' || *c == '>');
        }
    }
    Ok(out)
}

/// A text up to its closing quote.
fn quoted(language: Language, rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, Bad> {
    let mut text = String::new();
    while let Some(c) = rest.next() {
        match (language, c) {
            (Language::Odata, '\'') if rest.next_if_eq(&'\'').is_some() => text.push('\''),
            (_, '\'') => return Ok(text),
            (Language::Soql, '\\') => match rest.next() {
                Some(c @ ('\'' | '"' | '\\')) => text.push(c),
                Some('n' | 'N') => text.push('\n'),
                Some('r' | 'R') => text.push('\r'),
                Some('t' | 'T') => text.push('\t'),
                // Kept for `LIKE`, which takes them apart.
                Some(c @ ('%' | '_')) => text.extend(['\\', c]),
                _ => return Err(Bad::Syntax("illegal string escape".into())),
            },
            (Language::Soql, '\n') => return Err(Bad::Syntax("a line ends within a text".into())),
            (_, c) => text.push(c),
        }
    }
    Err(Bad::Syntax("a text has no end".into()))
}

/// Goes through the tokens of a query.
pub(crate) struct Reader<'t> {
    language: Language,
    fields: Fields,
    rest: std::slice::Iter<'t, Token>,
}

impl<'t> Reader<'t> {
    pub(crate) fn new(language: Language, fields: Fields, tokens: &'t [Token]) -> Self {
        Self { language, fields, rest: tokens.iter() }
    }

    /// The next token.
    pub(crate) fn next(&mut self) -> Option<&'t Token> {
        self.rest.next()
    }

    /// Whether the next token is this word, which it passes then; SOQL's words have no case.
    pub(crate) fn word(&mut self, word: &str) -> bool {
        let same = |found: &str| match self.language {
            Language::Soql => found.eq_ignore_ascii_case(word),
            Language::Odata => found == word,
        };
        let is = matches!(self.rest.as_slice().first(), Some(Token::Word(found)) if same(found));
        if is {
            self.rest.next();
        }
        is
    }

    /// The same for a sign.
    pub(crate) fn sign(&mut self, sign: &str) -> bool {
        let is = matches!(self.rest.as_slice().first(), Some(Token::Sign(found)) if *found == sign);
        if is {
            self.rest.next();
        }
        is
    }

    /// That there is nothing more.
    pub(crate) fn end(&mut self) -> Result<(), Bad> {
        self.rest.next().map_or(Ok(()), |token| Err(Bad::Syntax(format!("unexpected token: {token:?}"))))
    }

    /// A field that is there.
    pub(crate) fn field(&mut self) -> Result<(&'static str, Kind), Bad> {
        let Some(Token::Word(name)) = self.rest.next() else {
            return Err(Bad::Syntax("a field was expected".into()));
        };
        let known = self.fields.iter().find(|(field, _)| match self.language {
            Language::Soql => field.eq_ignore_ascii_case(name),
            Language::Odata => field == name,
        });
        known.copied().ok_or_else(|| Bad::Field(format!("No such column '{name}'")))
    }

    /// A condition; words that bind are `and`, `or` and `not`. In SOQL `AND` and `OR` do not mix without brackets.
    pub(crate) fn condition(&mut self, depth: usize) -> Result<Condition, Bad> {
        if depth > DEPTH_MAX {
            return Err(Bad::Syntax("too deep".into()));
        }
        let first = self.conjunction(depth)?;
        let mut any = vec![first];
        while self.word("or") {
            any.push(self.conjunction(depth)?);
        }
        let mixes = any.len() > 1 && any.iter().any(|one| matches!(one, Condition::All(_)));
        if mixes && self.language == Language::Soql {
            return Err(Bad::Syntax("unexpected token: 'OR'".into()));
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Condition::Any(any) })
    }

    fn conjunction(&mut self, depth: usize) -> Result<Condition, Bad> {
        let mut all = vec![self.one(depth)?];
        while self.word("and") {
            all.push(self.one(depth)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Condition::All(all) })
    }

    fn one(&mut self, depth: usize) -> Result<Condition, Bad> {
        if self.word("not") {
            return Ok(Condition::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.sign("(") {
            let inner = self.condition(depth + 1)?;
            return match self.sign(")") {
                // What stands in brackets is one, whatever it is made of.
                true => Ok(Condition::Any(vec![inner])),
                false => Err(Bad::Syntax("expecting a right parentheses".into())),
            };
        }
        let (name, kind) = self.field()?;
        if self.language == Language::Soql {
            if self.word("in") {
                return Ok(Condition::In(name.into(), kind, self.list(name, kind)?));
            }
            if self.word("like") {
                let Some(Token::Text(pattern)) = self.rest.next() else {
                    return Err(Bad::Syntax("LIKE needs a text".into()));
                };
                return Ok(Condition::Like(name.into(), parts(pattern)));
            }
        }
        let op = self.op()?;
        let value = self.literal()?;
        Ok(Condition::Compare(name.into(), kind, op, fit(self.language, name, kind, value)?))
    }

    fn list(&mut self, name: &str, kind: Kind) -> Result<Vec<Fitting>, Bad> {
        if !self.sign("(") {
            return Err(Bad::Syntax("IN needs a list".into()));
        }
        let mut values = Vec::new();
        loop {
            let value = self.literal()?;
            values.push(fit(self.language, name, kind, value)?);
            if self.sign(")") {
                return Ok(values);
            }
            if !self.sign(",") {
                return Err(Bad::Syntax("a list goes on with a comma".into()));
            }
        }
    }

    fn op(&mut self) -> Result<Op, Bad> {
        let word = match self.rest.next() {
            Some(Token::Sign(sign)) => *sign,
            Some(Token::Word(word)) if self.language == Language::Odata => word.as_str(),
            _ => return Err(Bad::Syntax("an operator was expected".into())),
        };
        Ok(match word {
            "=" | "eq" => Op::Eq,
            "!=" | "ne" => Op::Ne,
            "<" | "lt" => Op::Lt,
            "<=" | "le" => Op::Lte,
            ">" | "gt" => Op::Gt,
            ">=" | "ge" => Op::Gte,
            _ => return Err(Bad::Syntax(format!("unexpected token: '{word}'"))),
        })
    }

    fn literal(&mut self) -> Result<Literal, Bad> {
        let word = match self.rest.next() {
            Some(Token::Text(text)) => return Ok(Literal::Text(text.clone())),
            Some(Token::Word(word)) => word.as_str(),
            _ => return Err(Bad::Syntax("a value was expected".into())),
        };
        let guid = word.len() == 36 && word.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        if word.eq_ignore_ascii_case("null") {
            Ok(Literal::Null)
        } else if guid && self.language == Language::Odata {
            Ok(Literal::Guid(word.to_lowercase()))
        } else if let Ok(at) = word.parse() {
            Ok(Literal::Moment(at))
        } else {
            word.parse().map(Literal::Whole).map_err(|_| Bad::Syntax(format!("unexpected token: '{word}'")))
        }
    }
}

/// A literal, where it is of the field's kind.
fn fit(language: Language, name: &str, kind: Kind, literal: Literal) -> Result<Fitting, Bad> {
    let odata = language == Language::Odata;
    match (kind, literal) {
        (_, Literal::Null) => Ok(None),
        (Kind::Key, Literal::Guid(text)) if odata => Ok(Some(Key::Text(text))),
        (Kind::Key, Literal::Text(text)) if !odata && [15, 18].contains(&text.len()) => {
            Ok(Some(Key::Text(text.to_lowercase())))
        }
        (Kind::Text, Literal::Text(text)) => Ok(Some(Key::Text(text.to_lowercase()))),
        (Kind::Moment, Literal::Moment(at)) => Ok(Some(Key::Moment(at))),
        (Kind::Whole, Literal::Whole(n)) => Ok(Some(Key::Whole(n))),
        (_, literal) => Err(Bad::Field(format!(
            "value of filter criterion for field '{name}' must be of type {kind:?} and is {literal:?}"
        ))),
    }
}

fn parts(pattern: &str) -> Vec<Part> {
    let mut chars = pattern.chars();
    let mut parts = Vec::new();
    while let Some(c) = chars.next() {
        parts.push(match c {
            '\\' => Part::Is(chars.next().unwrap_or('\\')),
            '%' => Part::Many,
            '_' => Part::One,
            c => Part::Is(c),
        });
    }
    parts
}

/// What a field of a record is compared by; `None` where there is nothing.
pub(crate) fn key(row: &Row, name: &str, kind: Kind) -> Option<Key> {
    let value = row.get(name)?;
    match kind {
        Kind::Text | Kind::Key => value.as_str().map(|text| Key::Text(text.to_lowercase())),
        Kind::Moment => value.as_str().map(|text| Key::Moment(text.parse().unwrap())),
        Kind::Whole => value.as_i64().map(Key::Whole),
    }
}

impl Condition {
    /// Whether a record fits.
    pub(crate) fn holds(&self, row: &Row) -> bool {
        match self {
            Self::All(all) => all.iter().all(|one| one.holds(row)),
            Self::Any(any) => any.iter().any(|one| one.holds(row)),
            Self::Not(one) => !one.holds(row),
            Self::Compare(name, kind, op, value) => {
                let (found, value) = (key(row, name, *kind), value);
                match op {
                    Op::Eq => found == *value,
                    Op::Ne => found != *value,
                    Op::Lt | Op::Lte | Op::Gt | Op::Gte => match (&found, value) {
                        (Some(found), Some(value)) => match found.cmp(value) {
                            Ordering::Less => matches!(op, Op::Lt | Op::Lte),
                            Ordering::Equal => matches!(op, Op::Lte | Op::Gte),
                            Ordering::Greater => matches!(op, Op::Gt | Op::Gte),
                        },
                        _ => false,
                    },
                }
            }
            Self::In(name, kind, values) => values.contains(&key(row, name, *kind)),
            Self::Like(name, parts) => match row.get(name).and_then(Value::as_str) {
                Some(text) => like(&text.to_lowercase().chars().collect::<Vec<_>>(), parts),
                None => false,
            },
        }
    }
}

fn like(text: &[char], parts: &[Part]) -> bool {
    match (text, parts) {
        ([], []) => true,
        (_, [Part::Many, rest @ ..]) => (0..=text.len()).any(|from| like(&text[from..], rest)),
        ([_, text @ ..], [Part::One, rest @ ..]) => like(text, rest),
        ([c, text @ ..], [Part::Is(is), rest @ ..]) => {
            is.to_lowercase().eq(c.to_lowercase()) && like(text, rest)
        }
        _ => false,
    }
}

/// One key of an order.
#[derive(Debug)]
pub(crate) struct By {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) descending: bool,
    pub(crate) nulls_last: bool,
}

/// Puts records in order.
pub(crate) fn sort(rows: &mut [Row], order: &[By]) {
    rows.sort_by(|a, b| {
        order
            .iter()
            .map(|by| match (key(a, by.name, by.kind), key(b, by.name, by.kind)) {
                (Some(a), Some(b)) if by.descending => b.cmp(&a),
                (Some(a), Some(b)) => a.cmp(&b),
                (None, None) => Ordering::Equal,
                (None, Some(_)) if by.nulls_last => Ordering::Greater,
                (None, Some(_)) => Ordering::Less,
                (Some(_), None) if by.nulls_last => Ordering::Less,
                (Some(_), None) => Ordering::Greater,
            })
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    });
}
