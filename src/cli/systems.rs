//! `bramka systems`: describing systems, and what their records are like. Nothing here needs a running gate, and only
//! what says so asks a system.

mod compare;
mod draft;
mod exact;
mod planned;
mod quality;
mod recorded;
mod references;
mod report;
mod trial;

use clap::Subcommand;

use super::{Came, error::VerbError};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a recorded answer or a query through a system's file: record in, entity out, record back; what is asked
    Try(trial::Try),
    /// Propose a system's file from recorded answers or an OpenAPI description
    Draft(draft::DraftOf),
    /// Tell what of the systems' records does not fit the shared schema, as gates have seen it
    Quality(quality::Quality),
    /// Tell what is lost and gained where another system serves a collection
    Compare(compare::Compare),
}

/// Does it.
pub(super) fn run(command: &Command) -> Result<Came, VerbError> {
    match command {
        Command::Try(arguments) => trial::run(arguments),
        Command::Draft(arguments) => draft::run(arguments),
        Command::Quality(arguments) => quality::run(arguments),
        Command::Compare(arguments) => Ok(compare::run(arguments)),
    }
}
