//! JSON as a run of tokens, pulled one by one. Strict (RFC 8259), depth bounded, no recursion; numbers stay
//! the text they were, so that nothing is rounded on the way.

use std::borrow::Cow;

/// Deepest nesting of a body.
pub(crate) const DEPTH_MAX: u8 = 32;

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// `{`
    ObjectStart,
    /// `}`
    ObjectEnd,
    /// `[`
    ListStart,
    /// `]`
    ListEnd,
    /// The name of a member; its value follows.
    Key(Cow<'a, str>),
    /// A string.
    Text(Cow<'a, str>),
    /// A number, as written.
    Number(&'a str),
    /// `true` or `false`.
    Boolean(bool),
    /// `null`
    Null,
    /// Nothing follows.
    End,
}

/// Where a body stops being JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not JSON at byte {at}: {what}")]
pub struct SyntaxError {
    /// Byte offset.
    pub at: usize,
    /// What was expected there.
    pub what: &'static str,
}

/// Pulls tokens out of a text.
pub(crate) struct Tokens<'a> {
    text: &'a str,
    at: usize,
    /// One bit a level, the innermost lowest: set for an object.
    objects: u32,
    depth: u8,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// A value must follow.
    Value,
    /// A value, or the end of the list just begun.
    FirstItem,
    /// A name, or the end of the object just begun.
    FirstKey,
    /// A comma or the end of what is open.
    After,
}

impl<'a> Tokens<'a> {
    /// Starts at the beginning; the bytes must be UTF-8.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, SyntaxError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| SyntaxError { at: error.valid_up_to(), what: "the bytes are not UTF-8" })?;
        Ok(Self { text, at: 0, objects: 0, depth: 0, state: State::Value })
    }

    /// How many objects and lists are open.
    pub(crate) fn depth(&self) -> u8 {
        self.depth
    }

    /// The next token.
    pub(crate) fn next(&mut self) -> Result<Token<'a>, SyntaxError> {
        self.skip_space();
        match self.state {
            State::Value => self.value(),
            State::FirstItem => match self.peek() {
                Some(b']') => self.close(Token::ListEnd),
                _ => self.value(),
            },
            State::FirstKey => match self.peek() {
                Some(b'}') => self.close(Token::ObjectEnd),
                _ => self.key(),
            },
            State::After => self.after(),
        }
    }

    /// Passes over the value whose first token was just read.
    pub(crate) fn skip(&mut self, first: &Token<'_>) -> Result<(), SyntaxError> {
        if matches!(first, Token::ObjectStart | Token::ListStart) {
            let outside = self.depth - 1;
            while self.depth > outside {
                self.next()?;
            }
        }
        Ok(())
    }

    fn after(&mut self) -> Result<Token<'a>, SyntaxError> {
        let in_object = self.objects & 1 == 1;
        match (self.peek(), self.depth) {
            (None, 0) => Ok(Token::End),
            (Some(_), 0) => Err(self.wrong("nothing may follow the value")),
            (Some(b','), _) => {
                self.at += 1;
                self.skip_space();
                if in_object { self.key() } else { self.value() }
            }
            (Some(b'}'), _) if in_object => self.close(Token::ObjectEnd),
            (Some(b']'), _) if !in_object => self.close(Token::ListEnd),
            _ if in_object => Err(self.wrong("expected `,` or `}`")),
            _ => Err(self.wrong("expected `,` or `]`")),
        }
    }

    fn value(&mut self) -> Result<Token<'a>, SyntaxError> {
        match self.peek() {
            Some(b'{') => self.open(Token::ObjectStart, 1, State::FirstKey),
            Some(b'[') => self.open(Token::ListStart, 0, State::FirstItem),
            Some(b'"') => {
                self.state = State::After;
                self.string().map(Token::Text)
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Token::Boolean(true)),
            Some(b'f') => self.word("false", Token::Boolean(false)),
            Some(b'n') => self.word("null", Token::Null),
            _ => Err(self.wrong("expected a value")),
        }
    }

    fn open(&mut self, token: Token<'a>, bit: u32, state: State) -> Result<Token<'a>, SyntaxError> {
        if self.depth >= DEPTH_MAX {
            return Err(self.wrong("nested too deep"));
        }
        self.at += 1;
        self.depth += 1;
        self.objects = self.objects << 1 | bit;
        self.state = state;
        Ok(token)
    }

    fn close(&mut self, token: Token<'a>) -> Result<Token<'a>, SyntaxError> {
        self.at += 1;
        self.depth = self.depth.saturating_sub(1);
        self.objects >>= 1;
        self.state = State::After;
        Ok(token)
    }

    fn key(&mut self) -> Result<Token<'a>, SyntaxError> {
        if self.peek() != Some(b'"') {
            return Err(self.wrong("expected a name in quotes"));
        }
        let key = self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.wrong("expected `:`"));
        }
        self.at += 1;
        self.state = State::Value;
        Ok(Token::Key(key))
    }

    fn word(&mut self, word: &str, token: Token<'a>) -> Result<Token<'a>, SyntaxError> {
        if !self.rest().starts_with(word) {
            return Err(self.wrong("expected a value"));
        }
        self.at += word.len();
        self.state = State::After;
        Ok(token)
    }

    fn number(&mut self) -> Result<Token<'a>, SyntaxError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.wrong("a number has no zeros in front"));
        }
        self.state = State::After;
        Ok(Token::Number(self.text.get(start..self.at).unwrap_or_default()))
    }

    fn digits(&mut self) -> Result<(), SyntaxError> {
        let count = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        if count == 0 {
            return Err(self.wrong("expected a digit"));
        }
        self.at += count;
        Ok(())
    }

    /// A string whose opening quote stands here.
    fn string(&mut self) -> Result<Cow<'a, str>, SyntaxError> {
        self.at += 1;
        let mut built: Option<String> = None;
        loop {
            let rest = self.rest();
            let Some(length) = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) else {
                self.at = self.text.len();
                return Err(self.wrong("the string has no end"));
            };
            // The byte that ends the run is ASCII, so the cut is between characters.
            let plain = rest.get(..length).unwrap_or_default();
            let end = rest.as_bytes().get(length);
            self.at += length;
            match end {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(match built {
                        None => Cow::Borrowed(plain),
                        Some(mut built) => {
                            built.push_str(plain);
                            Cow::Owned(built)
                        }
                    });
                }
                Some(b'\\') => {
                    let built = built.get_or_insert_default();
                    built.push_str(plain);
                    self.at += 1;
                    built.push(self.escape()?);
                }
                _ => return Err(self.wrong("control characters in a string are escaped")),
            }
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Result<char, SyntaxError> {
        let mark = self.peek();
        self.at += 1;
        Ok(match mark {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => {
                self.at -= 1;
                return Err(self.wrong("this is no escape"));
            }
        })
    }

    /// `\uXXXX`, or a pair of them for a character beyond the first plane.
    fn unicode(&mut self) -> Result<char, SyntaxError> {
        let first = self.hex()?;
        let code = match first {
            0xd800..=0xdbff => {
                if !self.rest().starts_with("\\u") {
                    return Err(self.wrong("half of a surrogate pair is missing"));
                }
                self.at += 2;
                let second = self.hex()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(self.wrong("half of a surrogate pair is missing"));
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            code => code,
        };
        char::from_u32(code).ok_or_else(|| self.wrong("half of a surrogate pair is missing"))
    }

    fn hex(&mut self) -> Result<u32, SyntaxError> {
        let digits =
            self.rest().get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let code = code.ok_or_else(|| self.wrong("expected four hex digits"))?;
        self.at += 4;
        Ok(code)
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn wrong(&self, what: &'static str) -> SyntaxError {
        SyntaxError { at: self.at, what }
    }
}
