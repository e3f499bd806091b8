//! How a mistake in a file is told: where, what was expected, and the nearest valid name.
//!
//! Rooms collect every mistake of a file into [`Diagnostics`] before giving up; a person fixes them in one
//! go. Rendering (code frame, colour) is `config::report`'s; `Display` is the one-line form.

use std::{fmt, sync::Arc};

/// A place in a file: 1-based line and column, and the byte range for the code frame.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, relative to the bundle: `systems/crm.yaml`.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Byte offset where the marked text starts.
    pub start: u32,
    /// Byte offset just after it.
    pub end: u32,
}

impl Place {
    /// The start of a file, for mistakes that have no better place (a missing key, say).
    pub fn file(file: impl Into<Arc<str>>) -> Self {
        Self { file: file.into(), line: 1, column: 1, start: 0, end: 0 }
    }

    /// A place by byte range in known text.
    pub fn in_text(file: &Arc<str>, text: &str, start: usize, end: usize) -> Self {
        let before = text.get(..start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            file: file.clone(),
            line: narrow(line),
            column: narrow(column),
            start: narrow(start),
            end: narrow(end),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The bundle does not load.
    Error,
    /// The bundle loads; a person should look.
    Warning,
}

/// One mistake, told so that a person can act on it. Lower case, no full stop, user text in backticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Where.
    pub place: Place,
    /// What is wrong and what was expected.
    pub message: String,
    /// What to do, or the nearest valid name.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A mistake that keeps the bundle from loading.
    pub fn error(place: &Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, place: place.clone(), message: message.into(), help: None }
    }

    /// A doubt that does not keep the bundle from loading.
    pub fn warning(place: &Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(place, message) }
    }

    /// Adds what to do about it.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds "did you mean" when one of `names` is near `word`, else lists them when they are few.
    pub fn suggest<'a>(self, word: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<&str> = names.into_iter().collect();
        match super::nearest(word, names.iter().copied()) {
            Some(name) => self.help(format!("did you mean `{name}`?")),
            None if names.is_empty() || names.len() > 16 => self,
            None => self.help(format!("expected one of: {}", names.join(", "))),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{}: {severity}: {}", self.place, self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// All mistakes found so far.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Adds an error at a place.
    pub fn error(&mut self, place: &Place, message: impl Into<String>) {
        self.push(Diagnostic::error(place, message));
    }

    /// Takes over another list.
    pub fn absorb(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether anything keeps the bundle from loading.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }

    /// The value if nothing is wrong with it, else all that is.
    ///
    /// # Errors
    /// The diagnostics, when one of them is an error.
    pub fn finish<T>(self, value: T) -> Result<(T, Self), Self> {
        if self.has_errors() { Err(self) } else { Ok((value, self)) }
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in &self.0 {
            writeln!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(one: Diagnostic) -> Self {
        Self(vec![one])
    }
}
