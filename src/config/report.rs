//! What is wrong with a bundle, told to a person (code frames, all mistakes, counts at the end) or to a
//! program (JSON).

use std::{fmt, sync::Arc};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::json;

use super::files::{Files, Source};
use crate::words::{Diagnostic, Diagnostics, Place, Severity};

/// Most mistakes that are shown with their code frame.
const FRAMES_MAX: usize = 100;

/// Everything found in a bundle, with the files it was found in.
#[derive(Clone, Debug, Default)]
pub struct Report {
    files: Option<Arc<Files>>,
    found: Diagnostics,
}

impl Report {
    /// The same report, able to show lines of further files too.
    #[must_use]
    pub fn beside(mut self, others: &[Source]) -> Self {
        let own = self.files.take();
        self.files = Some(Arc::new(own.map_or_else(|| Files::showing(others), |own| own.beside(others))));
        self
    }

    /// What was found in files.
    pub fn new(files: Arc<Files>, mut found: Diagnostics) -> Self {
        in_order(&mut found);
        Self { files: Some(files), found }
    }

    /// What was found before there were files.
    pub fn without_files(mut found: Diagnostics) -> Self {
        in_order(&mut found);
        Self { files: None, found }
    }

    /// The same with what was found since.
    pub fn with(mut self, more: Diagnostics) -> Self {
        self.found.absorb(more);
        in_order(&mut self.found);
        self
    }

    /// The mistakes, by file and place.
    pub fn found(&self) -> &Diagnostics {
        &self.found
    }

    /// Errors and warnings.
    pub fn counts(&self) -> (usize, usize) {
        let errors = self.found.0.iter().filter(|one| one.severity == Severity::Error).count();
        (errors, self.found.0.len() - errors)
    }

    /// For a person.
    pub fn render(&self, colour: Colour) -> String {
        render(&self.found, self.files.as_deref(), colour)
    }

    /// For a program.
    pub fn json(&self) -> String {
        let (errors, warnings) = self.counts();
        let diagnostics: Vec<_> = self.found.0.iter().map(as_json).collect();
        json!({ "errors": errors, "warnings": warnings, "diagnostics": diagnostics }).to_string()
    }
}

/// One line a mistake, for logs.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.found, f)
    }
}

impl std::error::Error for Report {}

/// Whether the output understands colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// A terminal.
    On,
    /// A file, a pipe, `NO_COLOR`.
    Off,
}

/// Renders diagnostics with the lines they are about, and counts them.
pub fn render(found: &Diagnostics, files: Option<&Files>, colour: Colour) -> String {
    let renderer = match colour {
        Colour::On => Renderer::styled(),
        Colour::Off => Renderer::plain(),
    };
    let mut told = String::new();
    for diagnostic in found.0.iter().take(FRAMES_MAX) {
        told.push_str(&frame(&renderer, diagnostic, files));
        told.push_str("\n\n");
    }
    for diagnostic in found.0.iter().skip(FRAMES_MAX) {
        told.push_str(&format!("{diagnostic}\n"));
    }
    told.push_str(&counted(found));
    told
}

fn frame(renderer: &Renderer, diagnostic: &Diagnostic, files: Option<&Files>) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let place = &diagnostic.place;
    let title = level.primary_title(diagnostic.message.as_str());
    let framed =
        files.and_then(|files| files.text(&place.file)).and_then(|text| Some((text, marked(place, text)?)));
    let mut group = match framed {
        Some((text, span)) => Group::with_title(title).element(
            Snippet::source(&**text).path(&*place.file).annotation(AnnotationKind::Primary.span(span)),
        ),
        None => Group::with_title(title).element(Origin::path(&*place.file)),
    };
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(printable(help)));
    }
    renderer.render(&[group])
}

/// The bytes to mark: within the first line of what is meant, at least one character. None where there is
/// nothing to mark: a mistake about the file as a whole.
fn marked(place: &Place, text: &str) -> Option<std::ops::Range<usize>> {
    let (start, end) = (usize::try_from(place.start).ok()?, usize::try_from(place.end).ok()?);
    if end == 0 {
        return None;
    }
    let rest = text.get(start..)?;
    let line = rest.split('\n').next().unwrap_or_default().trim_end();
    let wanted = text.get(start..end.max(start)).unwrap_or_default();
    let length = if wanted.is_empty() { line.chars().next().map_or(0, char::len_utf8) } else { wanted.len() };
    Some(start..start + length.min(line.len()))
}

/// Help may quote what a file says; a file must not speak to the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn counted(found: &Diagnostics) -> String {
    let errors = found.0.iter().filter(|one| one.severity == Severity::Error).count();
    let several = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let warnings = found.0.len() - errors;
    format!("{}, {}\n", several(errors, "error"), several(warnings, "warning"))
}

fn in_order(found: &mut Diagnostics) {
    found.0.sort_by(|one, other| one.place.cmp(&other.place).then(one.severity.cmp(&other.severity)));
    found.0.dedup();
}

fn as_json(diagnostic: &Diagnostic) -> serde_json::Value {
    let place = &diagnostic.place;
    json!({
        "severity": match diagnostic.severity { Severity::Error => "error", Severity::Warning => "warning" },
        "file": &*place.file, "line": place.line, "column": place.column,
        "start": place.start, "end": place.end,
        "message": diagnostic.message, "help": diagnostic.help,
    })
}
