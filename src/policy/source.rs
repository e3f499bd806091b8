//! A Cedar file cut into statements, each with its place, and a statement's annotations with theirs.
//!
//! Cedar's own parser reads every statement; this only finds where one ends, so that all mistakes of a file
//! are told at once and every word of an annotation has a line and a column. And it bounds how deep and how
//! long a statement may be: everything that reads or judges one goes down its tree on the stack.

use std::sync::Arc;

use crate::words::Place;

/// Most bytes of a statement.
const STATEMENT_BYTES_MAX: usize = 64 * 1024;
/// How deep brackets and `if`s may stand in each other.
const NESTING_MAX: usize = 32;
/// How deep `if`s may stand in each other: Cedar's validator takes twice as long for each.
const IFS_MAX: usize = 4;
/// Most operators of a statement; its tree is hardly higher. A worker judges this many on its own stack.
const OPERATORS_MAX: usize = 512;

/// One statement of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    /// Byte offset in the file.
    pub(super) start: usize,
    /// From its first annotation to its `;`.
    pub(super) text: &'a str,
}

/// One annotation: `@key("value")`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Note<'a> {
    pub(super) key: &'a str,
    /// Byte offset of the key in the file.
    pub(super) key_at: usize,
    /// The text between the quotes, as written; none for a bare `@key`.
    pub(super) value: Option<&'a str>,
    /// Byte offset of that text in the file.
    pub(super) value_at: usize,
}

/// A file and its text, to make places in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) file: &'a Arc<str>,
    pub(super) text: &'a str,
}

impl<'a> Source<'a> {
    /// The place of a run of bytes.
    pub(super) fn place(&self, start: usize, length: usize) -> Place {
        Place::in_text(self.file, self.text, start, start.saturating_add(length))
    }

    /// Every statement, in file order. What stands after the last `;` is a piece too (Cedar says what is
    /// wrong with it).
    pub(super) fn pieces(&self) -> Vec<Piece<'a>> {
        let mut pieces = Vec::new();
        let mut at = skip_blank(self.text, 0);
        while at < self.text.len() {
            let end = statement_end(self.text, at);
            if let Some(text) = self.text.get(at..end) {
                pieces.push(Piece { start: at, text });
            }
            at = skip_blank(self.text, end);
        }
        pieces
    }
}

impl<'a> Piece<'a> {
    /// The annotations that open the statement.
    pub(super) fn notes(&self) -> Vec<Note<'a>> {
        let mut notes = Vec::new();
        let mut at = 0;
        while byte(self.text, at) == Some(b'@') {
            let key_start = skip_blank(self.text, at.saturating_add(1));
            let key_end = word_end(self.text, key_start);
            let Some(key) = self.text.get(key_start..key_end) else { break };
            let mut note =
                Note { key, key_at: self.start.saturating_add(key_start), value: None, value_at: self.start };
            at = skip_blank(self.text, key_end);
            if byte(self.text, at) == Some(b'(') {
                let open = skip_blank(self.text, at.saturating_add(1));
                let close = string_end(self.text, open);
                note.value = self.text.get(open.saturating_add(1)..close.saturating_sub(1));
                note.value_at = self.start.saturating_add(open).saturating_add(1);
                at = skip_blank(self.text, close);
                at = skip_blank(self.text, at.saturating_add(1));
            }
            notes.push(note);
        }
        notes
    }
}

/// Why a statement is not given to Cedar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Excess {
    /// Byte offset in the statement of what is one too many.
    pub(super) at: usize,
    pub(super) message: String,
    pub(super) help: &'static str,
}

impl Piece<'_> {
    /// What makes the statement too deep or too long; what stands in strings and comments does not count.
    pub(super) fn excess(&self) -> Option<Excess> {
        let of = |at, message, help| Some(Excess { at, message, help });
        if self.text.len() > STATEMENT_BYTES_MAX {
            let message = format!("a statement has at most {STATEMENT_BYTES_MAX} bytes");
            return of(0, message, "make several of it");
        }
        let mut height = Height::default();
        for token in tokens(self.text) {
            height.add(&token);
            if height.ifs() > IFS_MAX {
                let message = format!("`if`s stand in each other at most {IFS_MAX} deep");
                return of(token.at, message, "say it with `&&` and `||`, or in several statements");
            }
            if height.nesting() > NESTING_MAX {
                let message = format!("brackets and `if`s stand in each other at most {NESTING_MAX} deep");
                return of(token.at, message, "make several statements of it");
            }
            if height.operators > OPERATORS_MAX {
                let message = format!("a statement has at most {OPERATORS_MAX} operators and accesses");
                let help = "ask whether a set holds the value: `[\"a\", \"b\"].contains(…)`; or make several statements";
                return of(token.at, message, help);
            }
        }
        None
    }

    /// Where a name or the text of a string stands first: byte offset in the file, and length.
    pub(super) fn find(&self, word: &str) -> Option<(usize, usize)> {
        let is_meant = |token: &Token<'_>| match token.what {
            What::Word(text) | What::String(text) => text == word,
            What::Sign(_) => false,
        };
        let token = tokens(self.text).find(is_meant)?;
        let quote = usize::from(matches!(token.what, What::String(_)));
        Some((self.start.saturating_add(token.at).saturating_add(quote), word.len()))
    }
}

/// How high the tree of a statement may be, as far as its tokens tell.
#[derive(Debug, Default)]
struct Height {
    /// For every open bracket, and for what stands outside of all: the `if`s since its last comma.
    open: Vec<usize>,
    outside: usize,
    operators: usize,
    /// Whether an operand ended just before: a bracket is a call or an access then.
    after_operand: bool,
    after_dot: bool,
}

impl Height {
    fn add(&mut self, token: &Token<'_>) {
        let (mut is_operand, mut is_dot) = (false, false);
        match token.what {
            What::Word("if") if !self.after_dot => {
                let ifs = self.open.last_mut().unwrap_or(&mut self.outside);
                *ifs = ifs.saturating_add(1);
            }
            What::Word("has" | "in" | "like" | "is") if !self.after_dot => self.operator(),
            What::Word("then" | "else") if !self.after_dot => {}
            What::Word(_) | What::String(_) => is_operand = true,
            What::Sign("(" | "[" | "{") => {
                // A clause of its own is one operand more of the whole condition.
                if self.after_operand {
                    self.operator();
                }
                self.open.push(0);
            }
            What::Sign(")" | "]" | "}") => {
                self.open.truncate(self.open.len().saturating_sub(1));
                is_operand = true;
            }
            What::Sign(",") => *self.open.last_mut().unwrap_or(&mut self.outside) = 0,
            What::Sign("::" | ":" | ";" | "@") => {}
            What::Sign(sign) => {
                is_dot = sign == ".";
                self.operator();
            }
        }
        (self.after_operand, self.after_dot) = (is_operand, is_dot);
    }

    fn operator(&mut self) {
        self.operators = self.operators.saturating_add(1);
    }

    fn ifs(&self) -> usize {
        self.open.iter().fold(self.outside, |all, ifs| all.saturating_add(*ifs))
    }

    fn nesting(&self) -> usize {
        self.open.len().saturating_add(self.ifs())
    }
}

/// A token of Cedar's, as far as it matters here.
#[derive(Clone, Copy, Debug)]
struct Token<'a> {
    /// Byte offset in the text.
    at: usize,
    what: What<'a>,
}

#[derive(Clone, Copy, Debug)]
enum What<'a> {
    /// A name, a keyword or a number.
    Word(&'a str),
    /// What stands between quotes.
    String(&'a str),
    Sign(&'a str),
}

/// The tokens of a text, without white space and comments.
fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut next = 0;
    std::iter::from_fn(move || {
        let at = skip_blank(text, next);
        let rest = text.get(at..)?;
        let first = rest.chars().next()?;
        let is_word = first == '_' || first.is_ascii_alphanumeric();
        let double =
            ["==", "!=", "<=", ">=", "&&", "||", "::"].into_iter().find(|sign| rest.starts_with(sign));
        next = match (first, double) {
            ('"', _) => string_end(text, at).min(text.len()),
            _ if is_word => word_end(text, at),
            (_, sign) => at.saturating_add(sign.map_or(first.len_utf8(), str::len)),
        };
        let token = text.get(at..next)?;
        let inside = token.strip_prefix('"').map(|inner| inner.strip_suffix('"').unwrap_or(inner));
        let what = match inside {
            Some(inner) => What::String(inner),
            None if is_word => What::Word(token),
            None => What::Sign(token),
        };
        Some(Token { at, what })
    })
}

impl<'a> Note<'a> {
    /// The words of the value between commas, trimmed, each with its byte offset in the file.
    pub(super) fn words(&self) -> Vec<(&'a str, usize)> {
        let mut at = self.value_at;
        let mut words = Vec::new();
        for part in self.value.unwrap_or_default().split(',') {
            let lead = part.len().saturating_sub(part.trim_start().len());
            words.push((part.trim(), at.saturating_add(lead)));
            at = at.saturating_add(part.len()).saturating_add(1);
        }
        words
    }
}

fn byte(text: &str, at: usize) -> Option<u8> {
    text.as_bytes().get(at).copied()
}

/// Past white space and comments, as Cedar's own lexer knows them: any white space of Unicode, and comments
/// that end at a line feed or a carriage return.
fn skip_blank(text: &str, mut at: usize) -> usize {
    loop {
        let rest = text.get(at..).unwrap_or_default();
        match rest.chars().next() {
            Some(first) if first.is_whitespace() => at = at.saturating_add(first.len_utf8()),
            Some('/') if rest.starts_with("//") => at = line_end(text, at),
            Some(_) | None => return at,
        }
    }
}

fn line_end(text: &str, at: usize) -> usize {
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    rest.iter().position(|b| matches!(b, b'\n' | b'\r')).map_or(text.len(), |n| at.saturating_add(n))
}

fn word_end(text: &str, at: usize) -> usize {
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    let length = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    at.saturating_add(length)
}

/// Just after the string that starts at `at`.
fn string_end(text: &str, at: usize) -> usize {
    let mut at = at.saturating_add(1);
    loop {
        match byte(text, at) {
            Some(b'\\') => at = at.saturating_add(2),
            Some(b'"') => return at.saturating_add(1),
            Some(_) => at = at.saturating_add(1),
            None => return text.len(),
        }
    }
}

/// Just after the `;` that ends the statement which starts at `at`.
fn statement_end(text: &str, mut at: usize) -> usize {
    loop {
        match byte(text, at) {
            Some(b';') => return at.saturating_add(1),
            Some(b'"') => at = string_end(text, at),
            Some(b'/') if byte(text, at.saturating_add(1)) == Some(b'/') => at = line_end(text, at),
            Some(_) => at = at.saturating_add(1),
            None => return text.len(),
        }
    }
}
