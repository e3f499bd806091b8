//! A Cedar file cut into statements, each with its place, and a statement's annotations with theirs.
//!
//! Cedar's own parser reads every statement; this only finds where one ends, so that all mistakes of a file
//! are told at once and every word of an annotation has a line and a column.

use std::sync::Arc;

use crate::words::Place;

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
