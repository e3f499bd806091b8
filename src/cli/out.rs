//! What is said, and where: the log and errors to standard error, data to standard output.

use std::{
    error::Error,
    io::{self, IsTerminal, Write},
};

use tracing_subscriber::EnvFilter;

use crate::{
    config::{Colour, Env, ProcessEnv, Report},
    gateway::RunError,
};

/// Starts the log: `BRAMKA_LOG` chooses what is said (`info` where it is not set).
pub(super) fn log() {
    let wanted = ProcessEnv.var("BRAMKA_LOG").unwrap_or_else(|| "info".to_owned());
    let filter = EnvFilter::try_new(wanted).unwrap_or_else(|_| EnvFilter::new("info"));
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

/// Says a line on standard output. A closed pipe ends what is said, not the work.
pub(super) fn say(line: &str) {
    drop(writeln!(io::stdout(), "{line}"));
}

/// Says what went wrong, with all its causes.
pub(super) fn failed(error: &dyn Error) {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    drop(writeln!(io::stderr(), "error: {text}"));
}

/// Says what is wrong with a bundle.
pub(super) fn report(report: &Report) {
    let text = report.render(colour(&io::stderr()));
    drop(write!(io::stderr(), "{text}"));
}

/// Says why a gate did not run.
pub(super) fn run_failed(error: &RunError) {
    match error {
        RunError::Bundle(found) => report(found),
        other => failed(other),
    }
}
