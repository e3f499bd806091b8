//! How a fault of a body is told: with its pointer, in words the caller may know.

use std::borrow::Cow;

use super::{Reader, Step, Stop};
use crate::{
    schema::{
        entity::{LeafKind, Object},
        json::{
            tokens::{SyntaxError, Token},
            view::{FAULTS_MAX, Fault, FaultKind, HINTS_MAX},
        },
        value::BadValue,
    },
    words::nearest,
};

/// Most characters of a caller's own words that a message repeats.
const REPEATED_CHARS_MAX: usize = 64;

impl<'e> Reader<'e> {
    pub(super) fn unknown(&mut self, object: &'e Object, name: &str) -> Result<(), Stop> {
        let known = object.fields.iter().filter(|field| self.is_known(field)).map(|field| &*field.name);
        let repeated = shortened(name);
        // Looking for near names costs more than all the rest: a body of nonsense gets few hints.
        let near = if self.faults.len() < HINTS_MAX { nearest(&repeated, known) } else { None };
        let message = match near {
            Some(near) => format!("unknown field `{repeated}`, did you mean `{near}`?"),
            None => format!("unknown field `{repeated}`"),
        };
        let mut pointer = self.pointer();
        push_step(&mut pointer, &repeated);
        self.push(Fault { pointer, kind: FaultKind::Unknown, message })
    }

    pub(super) fn mistyped(&mut self, expected: &str, token: &Token<'_>) -> Result<(), Stop> {
        let found = match token {
            Token::ObjectStart => "an object",
            Token::ListStart => "a list",
            Token::Text(_) => "text",
            Token::Number(_) => "a number",
            Token::Boolean(_) => "a boolean",
            Token::Null => "null",
            Token::ObjectEnd | Token::ListEnd | Token::Key(_) | Token::End => "nothing",
        };
        self.fault(FaultKind::Type, format!("expected {expected}, found {found}"))
    }

    pub(super) fn fault(&mut self, kind: FaultKind, message: String) -> Result<(), Stop> {
        let pointer = self.pointer();
        self.push(Fault { pointer, kind, message })
    }

    pub(super) fn push(&mut self, fault: Fault) -> Result<(), Stop> {
        self.faults.push(fault);
        if self.faults.len() >= FAULTS_MAX { Err(Stop) } else { Ok(()) }
    }

    pub(super) fn syntax(&mut self, error: &SyntaxError) -> Stop {
        let pointer = self.pointer();
        self.faults.push(Fault { pointer, kind: FaultKind::Syntax, message: error.to_string() });
        Stop
    }

    pub(super) fn pointer(&self) -> String {
        let mut pointer = String::new();
        for step in &self.path {
            match step {
                Step::Name(name) => push_step(&mut pointer, name),
                Step::Index(index) => push_step(&mut pointer, &index.to_string()),
            }
        }
        pointer
    }
}

pub(super) fn expectation(kind: &LeafKind) -> &'static str {
    match kind {
        LeafKind::Text { .. } => "text",
        LeafKind::Code(_) => "one of a list of words",
        LeafKind::Id => "text that names a record",
        LeafKind::Decimal => "a decimal, as text",
        LeafKind::Integer => "a whole number",
        LeafKind::Boolean => "`true` or `false`",
        LeafKind::Date => "a day, as text",
        LeafKind::Instant => "a moment, as text",
    }
}

pub(super) fn kind_of(error: &BadValue) -> FaultKind {
    match error {
        BadValue::Decimal | BadValue::Integer | BadValue::Boolean | BadValue::Date | BadValue::Instant => {
            FaultKind::Type
        }
        BadValue::Code(_) | BadValue::Language => FaultKind::Code,
        BadValue::Digits | BadValue::TooLong { .. } => FaultKind::TooLong,
        BadValue::Empty => FaultKind::Missing,
    }
}

/// A caller's own words, cut to what a message may repeat.
pub(in crate::schema) fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(REPEATED_CHARS_MAX) {
        Some((at, _)) => Cow::Owned(format!("{}…", text.get(..at).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

fn push_step(pointer: &mut String, step: &str) {
    pointer.push('/');
    for each in step.chars() {
        match each {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            each => pointer.push(each),
        }
    }
}
