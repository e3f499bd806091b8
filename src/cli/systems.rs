//! `bramka systems`: describing systems. Nothing here asks a system or needs a running gate.

mod exact;
mod trial;

use clap::Subcommand;

use super::{Came, error::VerbError};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a recorded answer through a system's file: record in, entity out, record back
    Try(trial::Try),
}

/// Does it.
pub(super) fn run(command: &Command) -> Result<Came, VerbError> {
    match command {
        Command::Try(arguments) => trial::run(arguments),
    }
}
