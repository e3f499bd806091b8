//! `bramka audit`: whether the journal is whole, what stands in it, who received what, and erasing what it holds of
//! somebody.
//!
//! Every reading of the journal is itself an entry, where the journal can be written; where it cannot (a
//! verifier without its keys, a copy with rights that no gate would take, a read-only disk) that is said, and
//! nothing is written at all.

mod breach;
mod erase;
mod index;
mod keys;
pub(super) mod looking;
mod named;
mod page;
mod prove;
mod retain;
mod search;
mod sinks;
mod subject;
mod tail;
mod verify;
pub(super) mod when;

use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::{
    Came,
    error::{VerbError, chain},
    out,
    own::{self, Data, Record},
};
use crate::{
    audit::{self, JournalError, PutAway, WrappingKeys},
    clock,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check every entry, every signed head and every lane: exit code 0 whole, 1 not whole
    Verify(verify::Verify),
    /// Show the last entries
    Tail(tail::Tail),
    /// Find entries: of somebody, of a record, under a statement, with an outcome, in a time
    Search(search::Search),
    /// Who received which fields of a record, when and through what, and what cannot be told
    Subject(subject::Subject),
    /// What a credential reached: whose data, which fields, how much, from where
    Breach(breach::Breach),
    /// Make the index that search, subject and breach use, ahead of time
    Index(index::MakeIndex),
    /// Prove to somebody elsewhere that an entry stands in the journal
    ProveEntry(prove::ProveEntry),
    /// Prove to somebody who kept a head that the journal has only grown since
    ProveConsistency(prove::ProveConsistency),
    /// Check such a proof, with the public key and without the journal
    CheckProof(prove::CheckProof),
    /// The keys that wrap those of encrypted segments: since when, and how many each wraps
    Keys(keys::ShowKeys),
    /// Begin another wrapping key, and wrap the keys of all segments by it
    RotateKeys(keys::RotateKeys),
    /// How far each sink was sent the journal, and what keeps it: exit code 1 where one is in trouble
    Sinks(sinks::ShowSinks),
    /// Put old entries away as the policies say, and keep their hashes: exit code 1 where something stays that should go
    Retain(retain::Retain),
    /// Erase for good what stands in clear beside the entries of a person, an app or a record
    Erase(erase::Erase),
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
    /// A file of wrapping keys that is looked into first, where entries stand encrypted and their key is not with the
    /// others
    #[arg(long, value_name = "FILE")]
    wrapping_key: Option<PathBuf>,
}

impl Where {
    /// What opens segments that stand encrypted.
    fn wrapping(&self, data: &Data) -> WrappingKeys {
        WrappingKeys::with(&data.journal_keys(), self.wrapping_key.clone())
    }
}

/// Does it.
pub(super) fn run(command: &Command) -> Result<Came, VerbError> {
    own::runtime()?.block_on(async {
        match command {
            Command::Verify(arguments) => verify::run(arguments).await,
            Command::Tail(arguments) => tail::run(arguments).await,
            Command::Search(arguments) => search::run(arguments).await,
            Command::Subject(arguments) => subject::run(arguments).await,
            Command::Breach(arguments) => breach::run(arguments).await,
            Command::Index(arguments) => index::run(arguments).await,
            Command::ProveEntry(arguments) => prove::entry_of(arguments).await,
            Command::ProveConsistency(arguments) => prove::consistency(arguments).await,
            Command::CheckProof(arguments) => prove::check(arguments),
            Command::Keys(arguments) => keys::show(arguments),
            Command::RotateKeys(arguments) => keys::rotate(arguments).await,
            Command::Sinks(arguments) => sinks::run(arguments),
            Command::Retain(arguments) => retain::run(arguments).await,
            Command::Erase(arguments) => erase::run(arguments).await,
        }
    })
}

/// Writes down that the journal is read; says so where that cannot be.
pub(super) async fn record(data: &Data, gate: &str, what: &str) {
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

/// Says in words what a lane has no more, where a time reaches into it.
pub(super) fn gone_words(lane: &str, gone: &PutAway) -> String {
    format!(
        "lane {lane}: the first {} entries, of before {}, were put away by the rule `{}`, the last of them on {}: nothing of \
         them can be told",
        gone.entries,
        out::moment(gone.until),
        gone.rule,
        out::moment(gone.on)
    )
}

/// The same in JSON.
pub(super) fn gone_json(gone: &PutAway) -> Json {
    json!({
        "entries": gone.entries, "from": gone.from.to_string(), "until": gone.until.to_string(),
        "on": gone.on.to_string(), "rule": gone.rule,
    })
}

/// Says what was put away of a journal, where a time that begins at a moment reaches into it.
///
/// # Errors
/// It cannot be read.
pub(super) fn tell_gone(gate_directory: &Path, since: Option<Timestamp>) -> Result<(), JournalError> {
    for (lane, gone) in gone(gate_directory, since)? {
        out::note(&gone_words(&lane, &gone));
    }
    Ok(())
}

/// The same in JSON.
///
/// # Errors
/// It cannot be read.
pub(super) fn gone_of_gate(gate_directory: &Path, since: Option<Timestamp>) -> Result<Json, JournalError> {
    let gone = gone(gate_directory, since)?;
    Ok(gone.iter().map(|(lane, gone)| json!({ "lane": lane, "put_away": gone_json(gone) })).collect())
}

fn gone(gate_directory: &Path, since: Option<Timestamp>) -> Result<Vec<(String, PutAway)>, JournalError> {
    let mut found = Vec::new();
    for lane in audit::lanes(gate_directory)? {
        let gone = audit::put_away(&gate_directory.join(&lane))?;
        found.extend(gone.filter(|gone| gone.is_since(since)).map(|gone| (lane, gone)));
    }
    Ok(found)
}

/// Does what takes long on a thread of its own, and says on a terminal how far it is after so many seconds.
fn patiently<T: Send>(
    work: impl FnOnce() -> Result<T, JournalError> + Send,
    told: impl Fn(u64) -> String,
) -> Result<T, VerbError> {
    let started = clock::mono();
    let shown = io::stderr().is_terminal();
    thread::scope(|scope| {
        let (tell, done) = mpsc::channel();
        let worker = thread::Builder::new().name("audit".into());
        let worker = worker.spawn_scoped(scope, move || drop(tell.send(work())))?;
        loop {
            match done.recv_timeout(Duration::from_secs(1)) {
                Ok(done) => {
                    out::progress(shown, "");
                    return Ok(done?);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let so_far = clock::mono().saturating_duration_since(started).as_secs();
                    out::progress(shown, &told(so_far));
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    // Its panic is told by now; it ends here.
                    drop(worker.join());
                    return Err(VerbError::NotThere("reading the journal broke off".into()));
                }
            }
        }
    })
}
