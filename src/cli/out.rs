//! What is said, and where: the log and errors to standard error, data to standard output.

use std::{
    error::Error,
    io::{self, IsTerminal, Write},
    sync::OnceLock,
};

use jiff::Timestamp;
use tracing_subscriber::EnvFilter;

use super::{
    Came,
    error::{VerbError, chain},
};
use crate::{
    config::{Colour, Env, ProcessEnv, Report},
    gateway::RunError,
};

/// Starts the log: `BRAMKA_LOG` chooses what is said (`usual` where it is not set).
pub(super) fn log(usual: &str) {
    let wanted = ProcessEnv.var("BRAMKA_LOG").unwrap_or_else(|| usual.to_owned());
    let filter = EnvFilter::try_new(wanted).unwrap_or_else(|_| EnvFilter::new(usual));
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .try_init();
    // A second log in one process is a test's; the first stays.
    drop(started);
}

/// Colour on a terminal, none in a pipe or where `NO_COLOR` is set.
pub(super) fn colour(stream: &impl IsTerminal) -> Colour {
    if stream.is_terminal() && ProcessEnv.var("NO_COLOR").is_none() { Colour::On } else { Colour::Off }
}

/// The first line that standard output did not take. It belongs to the process, as standard output does.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Says a line on standard output. A closed pipe ends what is said, not the work; what else keeps it from being
/// said is told by [`lost`].
pub(super) fn say(line: &str) {
    note_lost(hand_over(line));
}

/// Says a line that must arrive.
///
/// # Errors
/// Standard output did not take it.
pub(super) fn hand_over(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush())
}

/// Why not everything was said, where somebody was there to hear it.
pub(super) fn lost() -> Option<&'static io::Error> {
    LOST.get()
}

fn note_lost(said: io::Result<()>) {
    if let Err(error) = said
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        // The first tells why; those after it say the same.
        drop(LOST.set(error));
    }
}

/// Says what went wrong, with all its causes.
pub(super) fn failed(error: &dyn Error) {
    note(&format!("error: {}", chain(error)));
}

/// Says what is wrong with a bundle.
pub(super) fn report(report: &Report) {
    let text = report.render(colour(&io::stderr()));
    drop(write!(io::stderr(), "{text}"));
}

/// Says what is wrong with a bundle to whoever asked just that.
pub(super) fn say_report(report: &Report) {
    let text = report.render(colour(&io::stdout()));
    let mut stdout = io::stdout();
    note_lost(write!(stdout, "{text}").and_then(|()| stdout.flush()));
}

/// Says why a gate did not run.
pub(super) fn run_failed(error: &RunError) {
    match error {
        RunError::Bundle(found) => report(found),
        other => failed(other),
    }
}

/// Says a line about the data, not of it. A closed pipe ends what is said, not the work.
pub(super) fn note(line: &str) {
    drop(writeln!(io::stderr(), "{line}"));
}

/// Replaces the line on the terminal that says how far it is; nothing wipes it.
pub(super) fn progress(shown: bool, text: &str) {
    if shown {
        let mut stderr = io::stderr();
        drop(write!(stderr, "\r\u{1b}[K{text}").and_then(|()| stderr.flush()));
    }
}

/// Text of a system is text in the report, whatever stands in it.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Says why a verb failed, and gives what it came to.
pub(super) fn verb_failed(error: &VerbError) -> Came {
    match error {
        VerbError::Bundle(found) => {
            report(found);
            Came::Wrong
        }
        VerbError::Misused(_) => {
            failed(error);
            Came::Misused
        }
        other => {
            failed(other);
            Came::Wrong
        }
    }
}

/// A moment, to the second, for people.
pub(super) fn moment(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// Says rows in columns; nothing where there are none.
pub(super) fn table(heads: &[&str], rows: &[Vec<String>]) {
    if rows.is_empty() {
        return;
    }
    for line in columns(heads, rows) {
        say(&line);
    }
}

/// Rows in columns under their heads.
pub(super) fn columns(heads: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&heads).chain(rows).collect();
    let width = |column: usize| {
        all.iter().filter_map(|row| row.get(column)).map(|cell| printable(cell).chars().count()).max()
    };
    let line = |row: &&Vec<String>| {
        let cells: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(column, cell)| {
                format!("{:<width$}", printable(cell), width = width(column).unwrap_or_default())
            })
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    all.iter().map(line).collect()
}

/// What somebody noted must not speak to the terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_their_heads_and_notes_do_not_speak_to_the_terminal() {
        let rows = [vec!["a".to_owned(), "\u{1b}[2J".to_owned()], vec!["longer".to_owned(), String::new()]];
        assert_eq!(columns(&["id", "note"], &rows), ["id      note", "a       \u{fffd}[2J", "longer"]);
    }

    #[test]
    fn a_moment_is_told_to_the_second() {
        assert_eq!(moment(Timestamp::UNIX_EPOCH), "1970-01-01 00:00:00Z");
    }
}
