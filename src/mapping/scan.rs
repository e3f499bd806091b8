//! One pass over JSON bytes: strict, bounded, without recursion on what a peer sends and without a tree.
//!
//! Numbers and strings stay slices of the input; a string with escapes is decoded by whoever wants it.

use std::borrow::Cow;

use super::{jq::ANSWER_WORK_MAX, xml};

/// Deepest nesting of what is skipped; what is read is as deep as the mapping's own paths.
pub(super) const DEPTH_MAX: u32 = 64;

/// Why an answer is not read as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadJson {
    /// Bytes that are no text.
    #[error("the answer is not valid UTF-8")]
    Utf8,
    /// Not JSON.
    #[error("the answer is not valid JSON at byte {0}")]
    Syntax(usize),
    /// Nested too deep.
    #[error("the answer is nested deeper than {DEPTH_MAX} levels")]
    Depth,
    /// More elements than anyone asked for.
    #[error("the answer holds more elements than the bound")]
    TooMany,
    /// A part of an answer that comes in parts holds no list where rows are due.
    #[error("a part of the answer holds no list where rows are due")]
    NoRows,
    /// Its records take more of filters than those of one answer may.
    #[error("the filters of `jq` would go through more than {} MiB for this answer; ask for fewer rows a page, or read less by `at`", ANSWER_WORK_MAX / 1024 / 1024)]
    Work,
}

/// A native scalar as it stands in the input, or what stood in its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Raw<'a> {
    /// The path is not there.
    Absent,
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// The token of a number.
    Number(&'a str),
    /// A string without escapes.
    Text(&'a str),
    /// A string with escapes, still escaped.
    Escaped(&'a str),
    /// Text between marks of XML, which may hold references, sections and comments.
    Marked(&'a str, xml::Place),
    /// An object that may be a tagged value, whole.
    Tree(&'a str),
    /// An object where a scalar was due.
    Object,
    /// A list where a scalar was due.
    Array,
    /// The elements of a list: the first one's frame and how many there are.
    Elements {
        /// Base of the first frame.
        first: u32,
        /// How many.
        count: u32,
    },
    /// The frame of the next element of the same list.
    Next(u32),
}

impl<'a> Raw<'a> {
    /// The scalar as text: a string's text, a number's token, a boolean's word.
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(Cow::Borrowed(text)),
            Self::Escaped(text) => unescape(text).map(Cow::Owned),
            Self::Marked(text, place) => xml::decode(text, place).map(Cow::Owned),
            Self::Boolean(true) => Some(Cow::Borrowed("true")),
            Self::Boolean(false) => Some(Cow::Borrowed("false")),
            Self::Absent
            | Self::Null
            | Self::Tree(_)
            | Self::Object
            | Self::Array
            | Self::Elements { .. }
            | Self::Next(_) => None,
        }
    }
}

/// A place in the input.
#[derive(Clone, Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    /// The start of some bytes, which must be text.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, BadJson> {
        let text = std::str::from_utf8(bytes).map_err(|_| BadJson::Utf8)?;
        Ok(Self { text, bytes, at: 0 })
    }

    /// The start of a text.
    pub(super) fn of_text(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0 }
    }

    /// Whether all of it is one number.
    pub(super) fn reads_as_number(mut self) -> bool {
        let is_begun = matches!(self.bytes.first(), Some(b'-' | b'0'..=b'9'));
        is_begun && self.number().is_ok() && self.at == self.bytes.len()
    }

    /// The next byte that is not white space; it stays.
    #[inline]
    pub(super) fn peek(&mut self) -> Result<u8, BadJson> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(byte) => return Ok(*byte),
                None => return Err(BadJson::Syntax(self.at)),
            }
        }
    }

    /// Steps over the byte that [`peek`](Self::peek) showed.
    #[inline]
    pub(super) fn step(&mut self) {
        self.at += 1;
    }

    /// Steps over so many bytes, if they are as they are to be.
    #[inline]
    pub(super) fn pass_if(&mut self, length: usize, is_so: impl FnOnce(&[u8]) -> bool) -> bool {
        let end = self.at.saturating_add(length);
        let is_so = self.bytes.get(self.at..end).is_some_and(is_so);
        if is_so {
            self.at = end;
        }
        is_so
    }

    /// How many bytes stand before here.
    pub(super) fn here(&self) -> usize {
        self.at
    }

    /// The bytes from another place up to here.
    pub(super) fn since(&self, from: &Self) -> &'a [u8] {
        self.bytes.get(from.at..self.at).unwrap_or_default()
    }

    /// Nothing but white space may follow.
    pub(super) fn end(&mut self) -> Result<(), BadJson> {
        match self.peek() {
            Err(_) => Ok(()),
            Ok(_) => Err(self.bad()),
        }
    }

    /// The mistake here.
    pub(super) fn bad(&self) -> BadJson {
        BadJson::Syntax(self.at)
    }

    /// A key and its colon.
    pub(super) fn key(&mut self) -> Result<Cow<'a, str>, BadJson> {
        let (start, end, is_escaped) = self.key_span()?;
        let text = self.text.get(start..end).ok_or_else(|| self.bad())?;
        match is_escaped {
            false => Ok(Cow::Borrowed(text)),
            true => unescape(text).map(Cow::Owned).ok_or_else(|| self.bad()),
        }
    }

    /// A key as it stands, and its colon.
    pub(super) fn label(&mut self) -> Result<Raw<'a>, BadJson> {
        let (start, end, is_escaped) = self.key_span()?;
        let text = self.text.get(start..end).ok_or_else(|| self.bad())?;
        Ok(if is_escaped { Raw::Escaped(text) } else { Raw::Text(text) })
    }

    /// The same as bytes, for whoever compares it and does no more.
    #[inline]
    pub(super) fn name(&mut self) -> Result<Cow<'a, [u8]>, BadJson> {
        let (start, end, is_escaped) = self.key_span()?;
        if is_escaped {
            return self.decoded_name(start, end);
        }
        self.bytes.get(start..end).map(Cow::Borrowed).ok_or_else(|| self.bad())
    }

    #[cold]
    fn decoded_name(&self, start: usize, end: usize) -> Result<Cow<'a, [u8]>, BadJson> {
        let text = self.text.get(start..end).and_then(unescape);
        text.map(|text| Cow::Owned(text.into_bytes())).ok_or_else(|| self.bad())
    }

    /// Steps over a key and its colon, checking that it is one.
    #[inline]
    fn pass_key(&mut self) -> Result<(), BadJson> {
        match self.key_span()? {
            (_, _, false) => Ok(()),
            (start, end, true) => self.decoded_name(start, end).map(drop),
        }
    }

    /// Where a key stands between its quotes, and whether escapes stand in it; steps over its colon.
    #[inline]
    fn key_span(&mut self) -> Result<(usize, usize, bool), BadJson> {
        if self.peek()? != b'"' {
            return Err(self.bad());
        }
        let span = self.span()?;
        if self.peek()? != b':' {
            return Err(self.bad());
        }
        self.step();
        Ok(span)
    }

    /// After an element: whether another follows; steps over the comma or the closing byte.
    #[inline]
    pub(super) fn more(&mut self, close: u8) -> Result<bool, BadJson> {
        let next = self.peek()?;
        if next != b',' && next != close {
            return Err(self.bad());
        }
        self.step();
        Ok(next == b',')
    }

    /// After an opening byte was seen: steps into it; whether anything stands inside.
    #[inline]
    pub(super) fn enter(&mut self, close: u8) -> Result<bool, BadJson> {
        self.step();
        if self.peek()? == close {
            self.step();
            return Ok(false);
        }
        Ok(true)
    }

    /// A string, number, boolean or null.
    #[inline]
    pub(super) fn scalar(&mut self) -> Result<Raw<'a>, BadJson> {
        let first = self.peek()?;
        self.scalar_at(first)
    }

    /// The same, where [`peek`](Self::peek) has shown its first byte.
    #[inline]
    pub(super) fn scalar_at(&mut self, first: u8) -> Result<Raw<'a>, BadJson> {
        match first {
            b'"' => {
                let (start, end, is_escaped) = self.span()?;
                let text = self.text.get(start..end).ok_or_else(|| self.bad())?;
                Ok(if is_escaped { Raw::Escaped(text) } else { Raw::Text(text) })
            }
            b'-' | b'0'..=b'9' => {
                let start = self.at;
                self.number()?;
                self.text.get(start..self.at).map(Raw::Number).ok_or_else(|| self.bad())
            }
            b't' => self.word(b"true").map(|()| Raw::Boolean(true)),
            b'f' => self.word(b"false").map(|()| Raw::Boolean(false)),
            b'n' => self.word(b"null").map(|()| Raw::Null),
            _ => Err(self.bad()),
        }
    }

    /// Steps over a scalar, checking that it is one.
    #[inline]
    fn pass_scalar(&mut self, first: u8) -> Result<(), BadJson> {
        match first {
            b'"' => self.span().map(drop),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => Err(self.bad()),
        }
    }

    /// The whole text of the value here, which stays.
    pub(super) fn ahead(&self) -> Result<&'a str, BadJson> {
        let mut ahead = self.clone();
        ahead.peek()?;
        let from = ahead.at;
        ahead.skip()?;
        self.text.get(from..ahead.at).ok_or_else(|| self.bad())
    }

    /// Steps over any value, checking that it is one.
    #[inline]
    pub(super) fn skip(&mut self) -> Result<(), BadJson> {
        match self.peek()? {
            b'{' | b'[' => self.skip_nested(),
            first => self.pass_scalar(first),
        }
    }

    fn skip_nested(&mut self) -> Result<(), BadJson> {
        // One bit a level: 1 for an object, 0 for a list.
        let mut open: u64 = 0;
        let mut depth: u32 = 0;
        loop {
            let opens = match self.peek()? {
                b'{' => self.enter(b'}')?.then_some(1),
                b'[' => self.enter(b']')?.then_some(0),
                first => {
                    self.pass_scalar(first)?;
                    None
                }
            };
            if let Some(bit) = opens {
                if depth == DEPTH_MAX {
                    return Err(BadJson::Depth);
                }
                depth += 1;
                open = open << 1 | bit;
                if bit == 1 {
                    self.pass_key()?;
                }
                continue;
            }
            // A value has ended: close what ends with it.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let object = open & 1 == 1;
                if self.more(if object { b'}' } else { b']' })? {
                    if object {
                        self.pass_key()?;
                    }
                    break;
                }
                depth -= 1;
                open >>= 1;
            }
        }
    }

    /// The text of any value, checking that it is one.
    pub(super) fn whole(&mut self) -> Result<&'a str, BadJson> {
        self.peek()?;
        let from = self.at;
        self.skip()?;
        self.text.get(from..self.at).ok_or_else(|| self.bad())
    }

    fn word(&mut self, word: &[u8]) -> Result<(), BadJson> {
        if !self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(self.bad());
        }
        self.at += word.len();
        Ok(())
    }

    /// Where the digits end that stand at a place; there is at least one.
    #[inline]
    fn digits(&mut self, from: usize) -> Result<usize, BadJson> {
        let mut at = from;
        while self.bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        self.at = at;
        if at == from { Err(self.bad()) } else { Ok(at) }
    }

    /// Steps over a number.
    #[inline]
    fn number(&mut self) -> Result<(), BadJson> {
        let mut at = self.at;
        at += usize::from(self.bytes.get(at) == Some(&b'-'));
        at = match self.bytes.get(at) {
            Some(b'0') => at + 1,
            _ => self.digits(at)?,
        };
        if self.bytes.get(at) == Some(&b'.') {
            at = self.digits(at + 1)?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(at) {
            at = self.digits(at + 1 + usize::from(matches!(self.bytes.get(at + 1), Some(b'+' | b'-'))))?;
        }
        self.at = at;
        Ok(())
    }

    /// Where a string stands between its quotes, and whether escapes stand in it; steps over it.
    #[inline]
    fn span(&mut self) -> Result<(usize, usize, bool), BadJson> {
        let start = self.at + 1;
        let end = stop(self.bytes, start);
        if self.bytes.get(end) != Some(&b'"') {
            return self.escaped_span(start, end);
        }
        self.at = end + 1;
        Ok((start, end, false))
    }

    /// The same of one in which something stands before its end.
    fn escaped_span(&mut self, start: usize, mut at: usize) -> Result<(usize, usize, bool), BadJson> {
        let mut is_escaped = false;
        loop {
            match self.bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    is_escaped = true;
                    at += escape_length(self.bytes, at).ok_or(BadJson::Syntax(at))?;
                }
                Some(_) | None => return Err(BadJson::Syntax(at)),
            }
            at = stop(self.bytes, at);
        }
        self.at = at + 1;
        Ok((start, at, is_escaped))
    }
}

/// Where the next quote, backslash or control character stands, eight bytes at a time.
#[inline]
pub(super) fn stop(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES * 0x80;
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        // Each marks what it looks for, and else only bytes beyond ASCII or above a true mark: the lowest is right.
        let control = word.wrapping_sub(ONES * 0x20);
        let quote = (word ^ (ONES * 0x22)).wrapping_sub(ONES);
        let escape = (word ^ (ONES * 0x5c)).wrapping_sub(ONES);
        let hit = (control | quote | escape) & !word & HIGH;
        if hit != 0 {
            return at + usize::try_from(hit.trailing_zeros() / 8).unwrap_or(0);
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)).unwrap_or(rest.len())
}

fn escape_length(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at + 1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => {
            let hex = bytes.get(at + 2..at + 6)?;
            hex.iter().all(u8::is_ascii_hexdigit).then_some(6)
        }
        _ => None,
    }
}

/// The text of an escaped string; `None` where a surrogate stands alone.
fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut after = escape.chars();
        let one = match after.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (char, left) = code_point(after.as_str())?;
                out.push(char);
                rest = left;
                continue;
            }
            other => other,
        };
        out.push(one);
        rest = after.as_str();
    }
    out.push_str(rest);
    Some(out)
}

fn code_point(text: &str) -> Option<(char, &str)> {
    let (first, rest) = text.split_at_checked(4)?;
    let high = u32::from_str_radix(first, 16).ok()?;
    if !(0xd800..0xdc00).contains(&high) {
        return Some((char::from_u32(high)?, rest));
    }
    let (second, rest) = rest.strip_prefix("\\u")?.split_at_checked(4)?;
    let low = u32::from_str_radix(second, 16).ok().filter(|low| (0xdc00..0xe000).contains(low))?;
    Some((char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn skipped(bytes: &[u8]) -> Result<(), BadJson> {
        let mut scanner = Scanner::new(bytes)?;
        scanner.skip()?;
        scanner.end()
    }

    #[test]
    fn hostile_json_is_refused_and_never_overflows_the_stack() {
        for bad in [
            "",
            "{",
            "[1,]",
            "{\"a\":}",
            "{\"a\" 1}",
            "{,}",
            "01",
            "1.",
            "-",
            "1e",
            "+1",
            ".5",
            "tru",
            "nul",
            "\"a",
            "\"\\x\"",
            "\"\\u12\"",
            "\"a\nb\"",
            "[1 2]",
            "{\"a\":1]",
            "1 2",
            "{a:1}",
            "'a'",
            "NaN",
        ] {
            assert!(skipped(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(skipped("[".repeat(1_000_000).as_bytes()), Err(BadJson::Depth));
        assert_eq!(skipped("{\"a\":".repeat(1_000_000).as_bytes()), Err(BadJson::Depth));
        assert_eq!(skipped(b"\"\xff\""), Err(BadJson::Utf8));
    }

    #[test]
    fn escapes_are_decoded_and_lone_surrogates_are_not_text() {
        let read =
            |text: &str| Scanner::new(text.as_bytes()).unwrap().scalar().unwrap().text().map(Cow::into_owned);
        assert_eq!(read(r#""a\"\\\/\n\u017b\ud83d\ude00""#).unwrap(), "a\"\\/\nŻ😀");
        assert_eq!(read(r#""\ud83d""#), None);
        assert_eq!(read(r#""\udc00x""#), None);
    }

    proptest! {
        #[test]
        fn the_scanner_agrees_with_serde_on_random_text(text in "[\\[\\]{}:,\"\\\\a-c0-9.eE+\\- tfnulr]{0,24}") {
            let ours = skipped(text.as_bytes()).is_ok();
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(ours, theirs, "{}", text);
        }

        #[test]
        fn strings_read_back_as_serde_wrote_them(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            let raw = Scanner::new(json.as_bytes()).unwrap().scalar().unwrap();
            prop_assert_eq!(raw.text().unwrap().into_owned(), text);
        }
    }
}
