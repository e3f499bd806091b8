//! Tokens become an expression, by precedence: `or`, `and`, `not`, comparison.

use jiff::Timestamp;

use super::{
    Compare, DEPTH_MAX, Expr, FILTER_BYTES_MAX, Function, LAMBDA_NODES, Literal, NODES_MAX, OPTION, constant,
    lexer::{Lexer, Token},
};
use crate::{
    odata::fault::{Fault, told},
    schema::query::QueryFaultKind,
};

/// What OData has and a filter here cannot carry.
const UNSUPPORTED: [&str; 18] = [
    "matchesPattern",
    "hassubset",
    "hassubsequence",
    "maxdatetime",
    "mindatetime",
    "totaloffsetminutes",
    "totalseconds",
    "ceiling",
    "floor",
    "round",
    "cast",
    "isof",
    "case",
    "geo.distance",
    "geo.intersects",
    "geo.length",
    "exists",
    "count",
];

/// The word between operands of which there is no kind here.
const HAS: &str = "has";

const COMPARE: [(&str, Compare); 6] = [
    ("eq", Compare::Equal),
    ("ne", Compare::NotEqual),
    ("lt", Compare::Less),
    ("le", Compare::LessOrEqual),
    ("gt", Compare::Greater),
    ("ge", Compare::GreaterOrEqual),
];

/// Reads a filter, percent-decoded; `now()` is a moment that is given.
///
/// # Errors
/// What is wrong with it, or what of it is not carried here; the first of all.
pub(in crate::odata) fn parse(text: &str, now: Timestamp) -> Result<Expr, Fault> {
    if text.len() > FILTER_BYTES_MAX {
        return Err(too_many(&format!("at most {FILTER_BYTES_MAX} bytes")));
    }
    let mut parser = Parser { lexer: Lexer::new(text)?, nodes: 0, now };
    let expr = parser.any(0)?;
    match parser.lexer.peek() {
        Token::End => Ok(expr),
        _ => Err(parser.lexer.wrong("expected `and`, `or` or the end")),
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    nodes: usize,
    now: Timestamp,
}

impl Parser<'_> {
    fn any(&mut self, depth: usize) -> Result<Expr, Fault> {
        self.several(depth, "or", Self::all, Expr::Any)
    }

    fn all(&mut self, depth: usize) -> Result<Expr, Fault> {
        self.several(depth, "and", Self::one, Expr::All)
    }

    /// Parts with a word between them; a loop, so that many need no stack.
    fn several(
        &mut self,
        depth: usize,
        word: &str,
        part: fn(&mut Self, usize) -> Result<Expr, Fault>,
        join: fn(Vec<Expr>) -> Expr,
    ) -> Result<Expr, Fault> {
        let first = part(self, depth)?;
        if !self.lexer.is_word(word) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.lexer.is_word(word) {
            self.lexer.take()?;
            parts.push(part(self, depth)?);
        }
        Ok(join(parts))
    }

    /// One condition.
    fn one(&mut self, depth: usize) -> Result<Expr, Fault> {
        if self.lexer.is_word("not") {
            self.lexer.take()?;
            let denied = self.deeper(depth, Self::denied)?;
            return Ok(Expr::Not(Box::new(denied)));
        }
        let left = self.sum(depth)?;
        if self.lexer.is_word("in") {
            self.lexer.take()?;
            return Ok(Expr::In(Box::new(left), self.list(depth)?));
        }
        let Some(compare) = self.compare()? else { return Ok(left) };
        let right = self.sum(depth)?;
        match self.compare()? {
            None => Ok(Expr::Compare(compare, Box::new((left, right)))),
            Some(_) => Err(self.lexer.wrong("comparisons of comparisons need brackets")),
        }
    }

    /// What stands behind `not`.
    fn denied(&mut self, depth: usize) -> Result<Expr, Fault> {
        if self.lexer.is_word("not") {
            return self.one(depth);
        }
        let denied = self.operand(depth)?;
        // `not a eq b` denies `a` by the letter, and means the comparison: they differ where `a` is null.
        if self.lexer.is_word("in") || self.compare()?.is_some() {
            return Err(self.lexer.wrong("what `not` denies stands in brackets, as in `not (a eq b)`"));
        }
        Ok(denied)
    }

    fn compare(&mut self) -> Result<Option<Compare>, Fault> {
        let Token::Word(word) = *self.lexer.peek() else { return Ok(None) };
        if word == HAS {
            return Err(Fault::unsupported("`has` in a filter"));
        }
        let found = COMPARE.iter().find(|(known, _)| *known == word).map(|(_, compare)| *compare);
        if found.is_some() {
            self.lexer.take()?;
        }
        Ok(found)
    }

    /// The values of `in`.
    fn list(&mut self, depth: usize) -> Result<Vec<Expr>, Fault> {
        self.lexer.expect('(')?;
        let mut values = vec![self.operand(depth)?];
        while self.lexer.is_mark(',') {
            self.lexer.take()?;
            values.push(self.operand(depth)?);
        }
        self.lexer.expect(')')?;
        Ok(values)
    }

    /// What `add` and `sub` stand between, from the left; `mul` and divisions bind closer.
    fn sum(&mut self, depth: usize) -> Result<Expr, Fault> {
        self.between(depth, &[Function::Add, Function::Sub], |parser, depth| {
            let words = [Function::Mul, Function::Div, Function::DivBy, Function::Mod];
            parser.between(depth, &words, Self::operand)
        })
    }

    /// Operands with one of some words between them; each of them lies one deeper.
    fn between(
        &mut self,
        depth: usize,
        words: &[Function],
        part: fn(&mut Self, usize) -> Result<Expr, Fault>,
    ) -> Result<Expr, Fault> {
        let (mut left, mut deep) = (part(self, depth)?, depth);
        while let Some(function) = words.iter().find(|word| self.lexer.is_word(word.name())) {
            self.lexer.take()?;
            deep = deep.saturating_add(1);
            let right = self.deeper(deep, part)?;
            left = called(*function, vec![left, right]);
        }
        Ok(left)
    }

    fn operand(&mut self, depth: usize) -> Result<Expr, Fault> {
        self.spend(1)?;
        match self.lexer.peek() {
            Token::Mark('(') => {
                self.lexer.take()?;
                let inner = self.deeper(depth, Self::any)?;
                self.lexer.expect(')')?;
                Ok(inner)
            }
            Token::Mark('$' | '@') => {
                Err(Fault::unsupported("`$it`, `$count`, `$root` and aliases in a filter"))
            }
            Token::Mark(_) | Token::End => Err(self.lexer.wrong("expected a field, a value or a condition")),
            Token::Text(_) | Token::Bare(_) | Token::Word(_) => match self.lexer.take()? {
                Token::Text(text) => Ok(Expr::Literal(Literal::Text(text))),
                Token::Bare(text) => Ok(Expr::Literal(Literal::Bare(text.to_owned()))),
                Token::Word("null") => Ok(Expr::Literal(Literal::Null)),
                Token::Word("true") => Ok(Expr::Literal(Literal::Boolean(true))),
                Token::Word("false") => Ok(Expr::Literal(Literal::Boolean(false))),
                Token::Word(word) => self.named(word, depth),
                Token::Mark(_) | Token::End => Err(self.lexer.wrong("expected a field")),
            },
        }
    }

    /// What begins with a word: a call, a path, a list's `any` or `all`.
    fn named(&mut self, word: &str, depth: usize) -> Result<Expr, Fault> {
        if word == "duration" && self.lexer.is_tied_text() {
            let Token::Text(text) = self.lexer.take()? else { return Err(duration_due()) };
            return constant::duration(&text)
                .map(Literal::Duration)
                .map(Expr::Literal)
                .ok_or_else(duration_due);
        }
        if self.lexer.is_tied_text() {
            let message = format!(
                "`{}'…'` is a literal of another version; write days and moments bare, texts in quotes alone",
                told(word)
            );
            return Err(Fault::value(OPTION, message));
        }
        if self.lexer.is_mark('(') {
            return if word == "now" { self.now() } else { self.call(word, depth) };
        }
        let mut path = word.to_owned();
        while self.lexer.is_mark('/') {
            self.lexer.take()?;
            let Token::Word(step) = *self.lexer.peek() else {
                if self.lexer.is_mark('$') {
                    return Err(Fault::unsupported("`$count` in a filter"));
                }
                return Err(self.lexer.wrong("expected a field behind `/`"));
            };
            self.lexer.take()?;
            if matches!(step, "any" | "all") && self.lexer.is_mark('(') {
                return self.lambda(step == "all", path, depth);
            }
            path.push('/');
            path.push_str(step);
        }
        Ok(Expr::Path(path))
    }

    fn now(&mut self) -> Result<Expr, Fault> {
        self.lexer.expect('(')?;
        self.lexer.expect(')')?;
        Ok(Expr::Literal(constant::moment(self.now)))
    }

    fn call(&mut self, name: &str, depth: usize) -> Result<Expr, Fault> {
        let Some((_, function)) = Function::ALL.iter().find(|(known, _)| *known == name) else {
            if UNSUPPORTED.contains(&name) {
                return Err(Fault::unsupported(format!("the function `{name}`")));
            }
            let hint = if name == "substringof" { ", write `contains(field,'part')`" } else { "" };
            return Err(Fault::value(OPTION, format!("unknown function `{}`{hint}", told(name))));
        };
        self.lexer.expect('(')?;
        let mut arguments = Vec::new();
        loop {
            arguments.push(self.deeper(depth, Self::any)?);
            if !self.lexer.is_mark(',') {
                break;
            }
            self.lexer.take()?;
        }
        self.lexer.expect(')')?;
        let (least, most) = function.arguments();
        if !(least..=most).contains(&arguments.len()) {
            let count = if least == most { least.to_string() } else { format!("{least} or {most}") };
            let message = format!("`{name}` takes {count} arguments");
            return Err(Fault::of(OPTION, QueryFaultKind::Operator, message));
        }
        Ok(called(*function, arguments))
    }

    fn lambda(&mut self, all: bool, path: String, depth: usize) -> Result<Expr, Fault> {
        self.spend(LAMBDA_NODES)?;
        self.lexer.expect('(')?;
        if self.lexer.is_mark(')') && !all {
            self.lexer.take()?;
            return Ok(Expr::Lambda { all, path, body: None });
        }
        let Token::Word(variable) = *self.lexer.peek() else {
            return Err(self.lexer.wrong("expected a name for an item, as in `lines/any(l:l/sku eq 'A')`"));
        };
        self.lexer.take()?;
        self.lexer.expect(':')?;
        let body = self.deeper(depth, Self::any)?;
        self.lexer.expect(')')?;
        Ok(Expr::Lambda { all, path, body: Some(Box::new((variable.to_owned(), body))) })
    }

    fn spend(&mut self, nodes: usize) -> Result<(), Fault> {
        self.nodes += nodes;
        if self.nodes > NODES_MAX {
            return Err(too_many(&format!(
                "at most {NODES_MAX} operands, `any` and `all` for {LAMBDA_NODES} each"
            )));
        }
        Ok(())
    }

    fn deeper(
        &mut self,
        depth: usize,
        read: fn(&mut Self, usize) -> Result<Expr, Fault>,
    ) -> Result<Expr, Fault> {
        if depth >= DEPTH_MAX {
            return Err(too_many(&format!("at most {DEPTH_MAX} brackets inside each other")));
        }
        read(self, depth + 1)
    }
}

/// A call, or the value that one of values comes to.
fn called(function: Function, arguments: Vec<Expr>) -> Expr {
    constant::of(function, &arguments).map_or_else(|| Expr::Call(function, arguments), Expr::Literal)
}

fn duration_due() -> Fault {
    Fault::value(OPTION, "expected a duration of days, hours, minutes and seconds, as in `duration'P7D'`")
}

fn too_many(message: &str) -> Fault {
    Fault::of(OPTION, QueryFaultKind::TooMany, message)
}
