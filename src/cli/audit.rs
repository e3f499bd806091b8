//! `bramka audit`: whether the journal is whole, and what stands in it.
//!
//! Every reading of the journal is itself an entry, where the journal can be written; where it cannot (a
//! verifier without its keys, a copy with rights that no gate would take, a read-only disk) that is said, and
//! nothing is written at all.

mod tail;
mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{
    Came,
    error::{VerbError, chain},
    out,
    own::{self, Data, Record},
};
use crate::clock;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check every entry, every signed head and every lane: exit code 0 whole, 1 not whole
    Verify(verify::Verify),
    /// Show the last entries
    Tail(tail::Tail),
}

/// Which journal.
#[derive(Debug, Args)]
pub(super) struct Where {
    /// The folder of keys, store and journal
    #[arg(long, default_value = "data")]
    data: PathBuf,
    /// Which gate's journal, where the folder holds several
    #[arg(long)]
    gate: Option<String>,
}

/// Does it.
pub(super) fn run(command: &Command) -> Result<Came, VerbError> {
    own::runtime()?.block_on(async {
        match command {
            Command::Verify(arguments) => verify::run(arguments).await,
            Command::Tail(arguments) => tail::run(arguments).await,
        }
    })
}

/// Writes down that the journal is read; says so where that cannot be.
async fn record(data: &Data, gate: &str, what: &str) {
    if !data.has_journal_keys() {
        out::note("this reading is not on record: the journal's keys are not here");
        return;
    }
    if let Err(error) = recorded(data, gate, what).await {
        out::note(&format!("this reading is not on record: {}", chain(&error)));
    }
}

async fn recorded(data: &Data, gate: &str, what: &str) -> Result<(), VerbError> {
    // ORDER: before anything is opened, which would write to somebody's evidence.
    data.check_own(gate)?;
    let Some(store) = data.store()? else { return Err(VerbError::NotThere("there is no store".into())) };
    let record = Record::open(data, gate, clock::now())?;
    let read = record.reading(what).await;
    record.close(&store).await?;
    read?;
    Ok(())
}
