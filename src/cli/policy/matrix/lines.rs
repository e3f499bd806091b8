//! The matrix as text and as CSV.

use super::{is_close, remarks};
use crate::{
    claims::{Matrix, Row, Subject},
    config::Colour,
    policy::Openness,
};

/// How wide lines of fields become.
const WIDTH: usize = 110;
/// LIMIT: names of those who share access told one by one.
const NAMES_MAX: usize = 8;

/// A block for each who, a paragraph for each subject and action.
pub(super) fn text(matrix: &Matrix, colour: Colour) -> Vec<String> {
    let mut lines = Vec::new();
    let mut who: Option<&[String]> = None;
    for alike in matrix.rows.chunk_by(is_alike) {
        let Some(row) = alike.first() else { continue };
        if who != Some(&row.who) {
            if who.is_some() {
                lines.push(String::new());
            }
            lines.push(bold(&names(&row.who), colour));
            who = Some(&row.who);
        }
        let actions: Vec<&str> = alike.iter().map(|row| row.action.as_str()).collect();
        let (actions, subject, surety) = (actions.join(", "), row.subject.as_str(), row.surety.as_str());
        lines.push(format!("  {actions} {subject}: {surety}{}", by(row)));
        lines.extend(fields(row, colour));
    }
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines.push(summary(matrix));
    lines
}

/// Whether two rows differ in their action alone.
fn is_alike(one: &Row, other: &Row) -> bool {
    let fields = |row: &Row| {
        let cells = row.cells.iter();
        cells.map(|cell| (cell.field.clone(), cell.shown, cell.surety)).collect::<Vec<_>>()
    };
    one.who == other.who
        && one.subject == other.subject
        && one.surety == other.surety
        && one.permits == other.permits
        && one.forbids == other.forbids
        && fields(one) == fields(other)
}

/// How many it speaks of.
pub(super) fn summary(matrix: &Matrix) -> String {
    let mut able: Vec<&String> = matrix.rows.iter().flat_map(|row| &row.who).collect();
    able.sort();
    able.dedup();
    let (all, able) = (matrix.covered.len(), able.len());
    format!("{able} of the {all} looked at can do any of it; bundle {}", matrix.bundle)
}

fn names(who: &[String]) -> String {
    let shown: Vec<&str> = who.iter().take(NAMES_MAX).map(String::as_str).collect();
    match who.len().saturating_sub(NAMES_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn by(row: &Row) -> String {
    let permits: Vec<&str> = row.permits.iter().map(|id| id.as_str()).collect();
    let forbids: Vec<&str> = row.forbids.iter().map(|id| id.as_str()).collect();
    match (permits.is_empty(), forbids.is_empty()) {
        (true, _) => String::new(),
        (false, true) => format!(", by {}", permits.join(", ")),
        (false, false) => format!(", by {}, against it {}", permits.join(", "), forbids.join(", ")),
    }
}

/// The fields, wrapped; what is confidential, personal, secret or masked says so.
fn fields(row: &Row, colour: Colour) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut line, mut width) = (String::new(), 0);
    for cell in &row.cells {
        let remarks = remarks(row, cell);
        let mut word = cell.field.to_string();
        if !remarks.is_empty() {
            word = format!("{word} ({})", remarks.join(", "));
        }
        if width > 0 && width + word.chars().count() > WIDTH {
            lines.push(format!("    {}", std::mem::take(&mut line)));
            width = 0;
        }
        if width > 0 {
            line.push_str(", ");
        }
        width = width.saturating_add(word.chars().count()).saturating_add(2);
        line.push_str(&if is_close(cell.class) { marked(&word, colour) } else { word });
    }
    if !line.is_empty() {
        lines.push(format!("    {line}"));
    }
    lines
}

fn bold(text: &str, colour: Colour) -> String {
    match colour {
        Colour::On => format!("\u{1b}[1m{text}\u{1b}[0m"),
        Colour::Off => text.to_owned(),
    }
}

fn marked(text: &str, colour: Colour) -> String {
    match colour {
        Colour::On => format!("\u{1b}[33m{text}\u{1b}[0m"),
        Colour::Off => text.to_owned(),
    }
}

/// A line a who, subject, action and field (RFC 4180), the heads first. A row without fields has one line.
pub(super) fn csv(matrix: &Matrix) -> Vec<String> {
    let mut lines =
        vec!["who,entity,system,action,can,field,class,shown,surety,filters,permits,forbids".to_owned()];
    for row in &matrix.rows {
        let (entity, system) = match &row.subject {
            Subject::Entity(name) => (name.as_str(), ""),
            Subject::System(name) => ("", name.as_str()),
        };
        let ids = |ids: &[crate::words::StatementId]| {
            ids.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(" ")
        };
        let (permits, forbids) = (ids(&row.permits), ids(&row.forbids));
        for who in &row.who {
            let head = [who.as_str(), entity, system, row.action.as_str(), row.surety.as_str()];
            let mut line = |field: [&str; 5]| {
                let cells = head.iter().chain(&field).copied().chain([permits.as_str(), forbids.as_str()]);
                lines.push(cells.map(quoted).collect::<Vec<_>>().join(","));
            };
            if row.cells.is_empty() {
                line(["", "", "", "", ""]);
            }
            for cell in &row.cells {
                let filters = if cell.filters { "yes" } else { "no" };
                let shown = cell.shown.map_or("changed", Openness::as_str);
                line([cell.field.as_str(), cell.class.as_str(), shown, cell.surety.as_str(), filters]);
            }
        }
    }
    lines
}

/// A cell of CSV. What a spreadsheet would take for a formula begins with an apostrophe.
fn quoted(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = if is_formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}
