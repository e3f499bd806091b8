//! OData v4 query options as a stand-in understands them: `$filter`, `$orderby`, `$select`, `$expand`, `$top`,
//! `$skip`, `$count`, `$skiptoken`. What is not understood is refused, never ignored. A GUID is a type of its own:
//! it stands bare, and compares with nothing else.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::{Map, Value};

/// A row of an entity set.
pub(crate) type Row = Map<String, Value>;

/// The query options of one request.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(super) filter: Option<Expression>,
    pub(super) order: Vec<(String, bool)>,
    pub(super) select: Option<Vec<String>>,
    pub(super) expand: Vec<String>,
    pub(super) top: Option<usize>,
    pub(super) skip: usize,
    pub(super) count: bool,
}

/// A boolean expression.
#[derive(Debug)]
pub(super) enum Expression {
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
    Compare(String, Comparison, Value),
    In(String, Vec<Value>),
    Text(TextTest, String, String),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Comparison {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum TextTest {
    Contains,
    StartsWith,
    EndsWith,
}

/// Nesting a filter may have.
const DEPTH_MAX: usize = 40;

impl Options {
    /// Reads the pairs of a query; `known` are the properties of the entity set.
    pub(crate) fn read(pairs: &[(String, String)], known: &[&str]) -> Result<Self, String> {
        let mut options = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "$filter" => options.filter = Some(filter(value, known)?),
                "$orderby" => options.order = order(value, known)?,
                "$select" => options.select = Some(names(value, known)?),
                "$expand" => options.expand = value.split(',').map(|part| part.trim().to_owned()).collect(),
                "$top" => options.top = Some(number(name, value)?),
                "$skip" | "$skiptoken" => options.skip += number(name, value)?,
                "$count" if value == "true" || value == "false" => options.count = value == "true",
                _ => return Err(format!("The query parameter '{name}' is not supported.")),
            }
        }
        Ok(options)
    }

    /// Whether a row passes the filter.
    pub(crate) fn holds(&self, row: &Row) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.holds(row))
    }

    /// Orders rows as asked for.
    pub(super) fn sort(&self, rows: &mut [&Row]) {
        rows.sort_by(|a, b| {
            for (name, descending) in &self.order {
                let order = compare(a.get(name), b.get(name)).unwrap_or(Ordering::Equal);
                if order.is_ne() {
                    return if *descending { order.reverse() } else { order };
                }
            }
            Ordering::Equal
        });
    }
}

fn number(name: &str, value: &str) -> Result<usize, String> {
    value.parse().map_err(|_| format!("The value '{value}' of {name} is not a whole number."))
}

fn names(text: &str, known: &[&str]) -> Result<Vec<String>, String> {
    text.split(',').map(|name| property(name.trim(), known)).collect()
}

fn order(text: &str, known: &[&str]) -> Result<Vec<(String, bool)>, String> {
    let one = |part: &str| {
        let mut words = part.split_whitespace();
        let name = property(words.next().unwrap_or_default(), known)?;
        match (words.next(), words.next()) {
            (None | Some("asc"), None) => Ok((name, false)),
            (Some("desc"), None) => Ok((name, true)),
            _ => Err(format!("Syntax error in '$orderby': '{part}'.")),
        }
    };
    text.split(',').map(one).collect()
}

fn property(name: &str, known: &[&str]) -> Result<String, String> {
    if known.contains(&name) {
        Ok(name.to_owned())
    } else {
        Err(format!("Could not find a property named '{name}'."))
    }
}

/// Whether a property is an `Edm.Guid`; the real system names all of them so, and no other.
pub(super) fn is_guid_property(name: &str) -> bool {
    name == "id" || name.ends_with("Id")
}

/// Whether text is a GUID.
pub(super) fn is_guid(text: &str) -> bool {
    let groups = text.split('-').map(str::len);
    groups.eq([8, 4, 4, 4, 12]) && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

fn filter(text: &str, known: &[&str]) -> Result<Expression, String> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, known, depth: 0 };
    let expression = parser.or()?;
    match parser.tokens {
        [] => Ok(expression),
        [rest, ..] => Err(format!("Syntax error in '$filter' at {rest:?}.")),
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Literal(Value),
    Guid(String),
    Open,
    Close,
    Comma,
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut out = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(&c) = rest.peek() {
        match c {
            ' ' => drop(rest.next()),
            '(' | ')' | ',' => {
                rest.next();
                out.push(match c {
                    '(' => Token::Open,
                    ')' => Token::Close,
                    _ => Token::Comma,
                });
            }
            '\'' => {
                rest.next();
                out.push(Token::Text(quoted(&mut rest)?));
            }
            _ => {
                let mut word = String::new();
                while let Some(&c) = rest.peek().filter(|c| !matches!(c, ' ' | '(' | ')' | ',' | '\'')) {
                    word.push(c);
                    rest.next();
                }
                out.push(match literal(&word) {
                    _ if is_guid(&word) => Token::Guid(word),
                    Some(value) => Token::Literal(value),
                    None => Token::Word(word),
                });
            }
        }
    }
    Ok(out)
}

/// The rest of a text literal; a doubled quote stands for one.
fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, String> {
    let mut text = String::new();
    while let Some(c) = rest.next() {
        if c != '\'' {
            text.push(c);
        } else if rest.peek() == Some(&'\'') {
            rest.next();
            text.push('\'');
        } else {
            return Ok(text);
        }
    }
    Err("There is an unterminated string literal in '$filter'.".into())
}

/// Numbers, booleans and null; dates and instants stay text and compare as such.
fn literal(word: &str) -> Option<Value> {
    match word {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        "null" => Some(Value::Null),
        word => {
            let first = word.chars().next()?;
            if !(first.is_ascii_digit() || first == '-') {
                return None;
            }
            let number = serde_json::from_str::<serde_json::Number>(word).ok().map(Value::Number);
            number.or_else(|| Some(Value::String(word.to_owned())))
        }
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    known: &'a [&'a str],
    depth: usize,
}

impl Parser<'_> {
    fn next(&mut self) -> Result<Token, String> {
        let (first, rest) = self.tokens.split_first().ok_or("Syntax error: '$filter' ends too early.")?;
        self.tokens = rest;
        Ok(first.clone())
    }

    fn eat(&mut self, word: &str) -> bool {
        match self.tokens.split_first() {
            Some((Token::Word(found), rest)) if found == word => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }

    fn expect(&mut self, token: &Token) -> Result<(), String> {
        let found = self.next()?;
        if found == *token { Ok(()) } else { Err(format!("Syntax error in '$filter' at {found:?}.")) }
    }

    fn or(&mut self) -> Result<Expression, String> {
        let mut left = self.and()?;
        while self.eat("or") {
            left = Expression::Or(left.into(), self.and()?.into());
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expression, String> {
        let mut left = self.term()?;
        while self.eat("and") {
            left = Expression::And(left.into(), self.term()?.into());
        }
        Ok(left)
    }

    fn term(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("The '$filter' is nested too deeply.".into());
        }
        let expression = match self.next()? {
            Token::Open => {
                let inner = self.or()?;
                self.expect(&Token::Close)?;
                inner
            }
            Token::Word(word) if word == "not" => Expression::Not(self.term()?.into()),
            Token::Word(word) => match word.as_str() {
                "contains" => self.text(TextTest::Contains)?,
                "startswith" => self.text(TextTest::StartsWith)?,
                "endswith" => self.text(TextTest::EndsWith)?,
                name => {
                    let name = property(name, self.known)?;
                    self.comparison(name)?
                }
            },
            other => return Err(format!("Syntax error in '$filter' at {other:?}.")),
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn comparison(&mut self, name: String) -> Result<Expression, String> {
        let Token::Word(operator) = self.next()? else { return Err("An operator was expected.".into()) };
        let comparison = match operator.as_str() {
            "eq" => Comparison::Eq,
            "ne" => Comparison::Ne,
            "gt" => Comparison::Gt,
            "ge" => Comparison::Ge,
            "lt" => Comparison::Lt,
            "le" => Comparison::Le,
            "in" => return self.listed(name),
            other => return Err(format!("The operator '{other}' is not supported.")),
        };
        let value = self.value(&name)?;
        Ok(Expression::Compare(name, comparison, value))
    }

    fn listed(&mut self, name: String) -> Result<Expression, String> {
        self.expect(&Token::Open)?;
        let mut values = vec![self.value(&name)?];
        loop {
            match self.next()? {
                Token::Comma => values.push(self.value(&name)?),
                Token::Close => return Ok(Expression::In(name, values)),
                other => return Err(format!("Syntax error in '$filter' at {other:?}.")),
            }
        }
    }

    fn text(&mut self, test: TextTest) -> Result<Expression, String> {
        self.expect(&Token::Open)?;
        let Token::Word(name) = self.next()? else { return Err("A property was expected.".into()) };
        let name = property(&name, self.known)?;
        if is_guid_property(&name) {
            return Err(incompatible("Edm.Guid", "Edm.String"));
        }
        self.expect(&Token::Comma)?;
        let Token::Text(text) = self.next()? else { return Err("A text literal was expected.".into()) };
        self.expect(&Token::Close)?;
        Ok(Expression::Text(test, name, text))
    }

    /// A literal of the property's type.
    fn value(&mut self, name: &str) -> Result<Value, String> {
        match (self.next()?, is_guid_property(name)) {
            (Token::Guid(guid), true) => Ok(Value::String(guid)),
            (Token::Literal(Value::Null), true) => Ok(Value::Null),
            (Token::Text(_) | Token::Literal(_), true) => Err(incompatible("Edm.Guid", "Edm.String")),
            (Token::Guid(_), false) => Err(incompatible("Edm.String", "Edm.Guid")),
            (Token::Text(text), false) => Ok(Value::String(text)),
            (Token::Literal(value), false) => Ok(value),
            (other, _) => Err(format!("A literal was expected at {other:?}.")),
        }
    }
}

fn incompatible(left: &str, right: &str) -> String {
    format!(
        "A binary operator with incompatible types was detected. Found operand types '{left}' and '{right}'."
    )
}

impl Expression {
    fn holds(&self, row: &Row) -> bool {
        match self {
            Self::And(left, right) => left.holds(row) && right.holds(row),
            Self::Or(left, right) => left.holds(row) || right.holds(row),
            Self::Not(inner) => !inner.holds(row),
            Self::In(name, values) => {
                values.iter().any(|value| compare(row.get(name), Some(value)) == Some(Ordering::Equal))
            }
            Self::Text(test, name, text) => {
                let found = row.get(name).and_then(Value::as_str).unwrap_or_default().to_lowercase();
                let text = text.to_lowercase();
                match test {
                    TextTest::Contains => found.contains(&text),
                    TextTest::StartsWith => found.starts_with(&text),
                    TextTest::EndsWith => found.ends_with(&text),
                }
            }
            Self::Compare(name, comparison, value) => {
                let order = compare(row.get(name), Some(value));
                match comparison {
                    Comparison::Eq => order == Some(Ordering::Equal),
                    Comparison::Ne => order != Some(Ordering::Equal),
                    Comparison::Gt => order == Some(Ordering::Greater),
                    Comparison::Ge => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
                    Comparison::Lt => order == Some(Ordering::Less),
                    Comparison::Le => matches!(order, Some(Ordering::Less | Ordering::Equal)),
                }
            }
        }
    }
}

/// Text without regard to case, numbers and moments by value; nothing across types.
fn compare(left: Option<&Value>, right: Option<&Value>) -> Option<Ordering> {
    match (left.unwrap_or(&Value::Null), right.unwrap_or(&Value::Null)) {
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::String(a), Value::String(b)) => {
            Some(match (a.parse::<Timestamp>(), b.parse::<Timestamp>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                _ => a.to_lowercase().cmp(&b.to_lowercase()),
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str) -> bool {
        let row: Row = serde_json::from_str(
            r#"{"name":"O'Neil","total":12.5,"day":"2026-01-02","open":true,"at":"2026-01-02T03:04:05.5Z"}"#,
        )
        .unwrap();
        let pairs = [("$filter".to_owned(), text.to_owned())];
        Options::read(&pairs, &["name", "total", "day", "open", "at"]).unwrap().holds(&row)
    }

    #[test]
    fn filters_mean_what_odata_says() {
        for yes in [
            "name eq 'O''NEIL'",
            "total gt 12 and day ge 2026-01-01",
            "not (total lt 12.5) and open eq true",
            "name in ('x','O''Neil') or total eq 1",
            "contains(name,'neil')",
            "at ge 2026-01-02T03:04:05Z and at lt 2026-01-02T03:04:06Z",
        ] {
            assert!(holds(yes), "{yes}");
        }
        for no in ["name eq 'O'", "total gt 12.5", "day lt 2026-01-02", "open ne true", "total eq '12.5'"] {
            assert!(!holds(no), "{no}");
        }
    }

    #[test]
    fn a_guid_compares_with_a_bare_guid_and_with_nothing_else() {
        let guid = "5d115c9c-44e3-ea11-bb43-000d3a2feca1";
        let row: Row = serde_json::from_str(&format!(r#"{{"orderId":"{guid}","number":"1"}}"#)).unwrap();
        let holds = |text: &str| {
            let pairs = [("$filter".to_owned(), text.to_owned())];
            Options::read(&pairs, &["orderId", "number"]).map(|options| options.holds(&row))
        };
        assert_eq!(holds(&format!("orderId eq {guid}")), Ok(true));
        assert_eq!(holds("orderId eq b6f4017a-b749-ee11-ad0b-a1422c0f7f1f"), Ok(false));
        for text in [
            format!("orderId eq '{guid}'"),
            format!("orderId in ({guid},'1')"),
            format!("number eq {guid}"),
            "orderId eq 5".to_owned(),
            "contains(orderId,'5')".to_owned(),
        ] {
            assert!(holds(&text).unwrap_err().contains("incompatible types"), "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (name, text) in [
            ("$filter", "name like 'x'"),
            ("$filter", "nome eq 'x'"),
            ("$filter", "name eq 'x"),
            ("$filter", "name eq 'x' or"),
            ("$filter", "(name eq 'x'"),
            ("$orderby", "name up"),
            ("$select", "nome"),
            ("$apply", "x"),
            ("$top", "-1"),
        ] {
            let pairs = [(name.to_owned(), text.to_owned())];
            assert!(Options::read(&pairs, &["name"]).is_err(), "{name}={text}");
        }
        let deep = format!("{}name eq 'x'{}", "(".repeat(500), ")".repeat(500));
        assert!(Options::read(&[("$filter".to_owned(), deep)], &["name"]).is_err());
    }
}
