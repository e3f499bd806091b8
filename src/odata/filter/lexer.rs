//! A filter's text as tokens. A quoted text is one token, whatever stands in it.

use super::OPTION;
use crate::{odata::fault::Fault, schema::query::QueryFaultKind};

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A name or a word of the grammar.
    Word(&'a str),
    /// A quoted text, `''` made one.
    Text(String),
    /// What begins with a digit or a sign: a number, a day, a moment.
    Bare(&'a str),
    /// `(`, `)`, `,`, `/`, `:`, and what no filter holds.
    Mark(char),
    /// Nothing is left.
    End,
}

/// Reads tokens one by one.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    next: Token<'a>,
    /// Whether white space stands before [`Self::next`].
    spaced: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self, Fault> {
        let mut lexer = Self { text, at: 0, next: Token::End, spaced: false };
        lexer.take()?;
        Ok(lexer)
    }

    /// The token that comes.
    pub(super) fn peek(&self) -> &Token<'a> {
        &self.next
    }

    /// Whether a word comes.
    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self.next, Token::Word(next) if next == word)
    }

    /// Whether a mark comes.
    pub(super) fn is_mark(&self, mark: char) -> bool {
        self.next == Token::Mark(mark)
    }

    /// Whether a quoted text comes with nothing before it, as in `guid'…'`.
    pub(super) fn is_tied_text(&self) -> bool {
        !self.spaced && matches!(self.next, Token::Text(_))
    }

    /// Takes the token that comes.
    pub(super) fn take(&mut self) -> Result<Token<'a>, Fault> {
        let start = self.at;
        let rest = self.rest().trim_start_matches([' ', '\t']);
        self.at = self.text.len() - rest.len();
        self.spaced = self.at > start;
        let next = match rest.chars().next() {
            None => Token::End,
            Some('\'') => self.quoted(rest)?,
            Some(first) if first.is_ascii_alphabetic() || first == '_' => {
                Token::Word(self.run(rest, |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.')))
            }
            Some(first) if first.is_ascii_digit() || first == '-' => Token::Bare(
                self.run(rest, |c| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '+')),
            ),
            Some(other) => {
                self.at += other.len_utf8();
                Token::Mark(other)
            }
        };
        Ok(std::mem::replace(&mut self.next, next))
    }

    /// Takes a mark that has to come.
    pub(super) fn expect(&mut self, mark: char) -> Result<(), Fault> {
        if self.is_mark(mark) {
            self.take().map(drop)
        } else {
            Err(self.wrong(&format!("expected `{mark}`")))
        }
    }

    /// What is wrong at the token that comes.
    pub(super) fn wrong(&self, what: &str) -> Fault {
        let found = match &self.next {
            Token::Word(word) | Token::Bare(word) => format!("`{}`", crate::odata::fault::told(word)),
            Token::Text(_) => "a text".to_owned(),
            Token::Mark(mark) => format!("`{mark}`"),
            Token::End => "the end".to_owned(),
        };
        Fault::of(OPTION, QueryFaultKind::Operator, format!("{what}, found {found}"))
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn run(&mut self, rest: &'a str, goes_on: impl Fn(char) -> bool) -> &'a str {
        let end = rest.find(|c| !goes_on(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    /// A text from its quote on.
    fn quoted(&mut self, rest: &'a str) -> Result<Token<'a>, Fault> {
        let mut text = String::new();
        let mut left = rest.get(1..).unwrap_or_default();
        loop {
            let (plain, after) =
                left.split_once('\'').ok_or_else(|| Fault::value(OPTION, "a text does not end with `'`"))?;
            text.push_str(plain);
            left = match after.strip_prefix('\'') {
                Some(after) => after,
                None => {
                    self.at = self.text.len() - after.len();
                    return Ok(Token::Text(text));
                }
            };
            text.push('\'');
        }
    }
}
