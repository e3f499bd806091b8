//! `$filter`: read whole, then bound to an entity, so that nothing of it is text any more.
//!
//! The reader knows the grammar and no fields; the binder knows the fields and gives a [`Filter`](crate::schema::Filter).
//! What the grammar has and a filter cannot carry is refused by name, never left out: what is left out of a
//! filter shows more than was asked for.

mod bind;
mod constant;
mod derived;
mod lexer;
mod pair;
mod parser;
mod range;
mod rows;
#[cfg(test)]
mod tests;

pub(super) use bind::{Names, filter, is_single_under};
pub(super) use parser::parse;
pub(super) use rows::{RowFilter, rows};

use jiff::SignedDuration;

/// LIMIT: bytes of one filter.
pub(super) const FILTER_BYTES_MAX: usize = 16 * 1024;
/// LIMIT: brackets, functions and `not` inside each other.
const DEPTH_MAX: usize = 32;
/// LIMIT: operands, operators and calls of one filter. What binding makes of them is a small multiple.
const NODES_MAX: usize = 400;
/// What looking through a list counts for: each item is looked at.
const LAMBDA_NODES: usize = 20;

/// The option that faults name.
const OPTION: &str = "$filter";

/// A filter as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    /// `a and b and …`
    All(Vec<Expr>),
    /// `a or b or …`
    Any(Vec<Expr>),
    /// `not a`
    Not(Box<Expr>),
    /// `a eq b`
    Compare(Compare, Box<(Expr, Expr)>),
    /// `a in (…)`
    In(Box<Expr>, Vec<Expr>),
    /// `contains(a,b)`
    Call(Function, Vec<Expr>),
    /// `lines/any(l:…)`; no body is `any()`.
    Lambda {
        /// Which of the two.
        all: bool,
        /// The list, with `/`.
        path: String,
        /// What stands for an item, and what is asked of it.
        body: Option<Box<(String, Expr)>>,
    },
    /// `ship_to/city`, as it is written.
    Path(String),
    /// A value.
    Literal(Literal),
}

/// How two operands are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    /// `eq`
    Equal,
    /// `ne`
    NotEqual,
    /// `lt`
    Less,
    /// `le`
    LessOrEqual,
    /// `gt`
    Greater,
    /// `ge`
    GreaterOrEqual,
}

/// A value as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    /// `null`
    Null,
    /// `true`, `false`
    Boolean(bool),
    /// `'…'`, with `''` made one.
    Text(String),
    /// A number, a day or a moment: its own spelling, read when it is known for what.
    Bare(String),
    /// `duration'P7D'`
    Duration(SignedDuration),
}

/// A function that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Contains,
    StartsWith,
    EndsWith,
    ToLower,
    ToUpper,
    Trim,
    Length,
    Substring,
    Concat,
    IndexOf,
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    FractionalSeconds,
    Date,
    Time,
    /// `a add b`
    Add,
    /// `a sub b`
    Sub,
    /// `a mul b`
    Mul,
    /// `a div b`
    Div,
    /// `a divby b`
    DivBy,
    /// `a mod b`
    Mod,
}

impl Function {
    /// Those that stand between what they are of, by their words.
    const BETWEEN: [(&'static str, Self); 6] = [
        ("add", Self::Add),
        ("sub", Self::Sub),
        ("mul", Self::Mul),
        ("div", Self::Div),
        ("divby", Self::DivBy),
        ("mod", Self::Mod),
    ];

    /// Every function that is known, by its name.
    pub(super) const ALL: [(&'static str, Self); 19] = [
        ("contains", Self::Contains),
        ("startswith", Self::StartsWith),
        ("endswith", Self::EndsWith),
        ("tolower", Self::ToLower),
        ("toupper", Self::ToUpper),
        ("trim", Self::Trim),
        ("length", Self::Length),
        ("substring", Self::Substring),
        ("concat", Self::Concat),
        ("indexof", Self::IndexOf),
        ("year", Self::Year),
        ("month", Self::Month),
        ("day", Self::Day),
        ("hour", Self::Hour),
        ("minute", Self::Minute),
        ("second", Self::Second),
        ("fractionalseconds", Self::FractionalSeconds),
        ("date", Self::Date),
        ("time", Self::Time),
    ];

    /// How many arguments it takes, at least and at most.
    fn arguments(self) -> (usize, usize) {
        match self {
            Self::Contains
            | Self::StartsWith
            | Self::EndsWith
            | Self::Concat
            | Self::IndexOf
            | Self::Add
            | Self::Sub
            | Self::Mul
            | Self::Div
            | Self::DivBy
            | Self::Mod => (2, 2),
            Self::Substring => (2, 3),
            Self::ToLower
            | Self::ToUpper
            | Self::Trim
            | Self::Length
            | Self::Year
            | Self::Month
            | Self::Day
            | Self::Hour
            | Self::Minute
            | Self::Second
            | Self::FractionalSeconds
            | Self::Date
            | Self::Time => (1, 1),
        }
    }

    /// Its name.
    fn name(self) -> &'static str {
        let known = Self::ALL.iter().chain(&Self::BETWEEN).find(|(_, known)| *known == self);
        known.map_or("", |(name, _)| name)
    }
}
