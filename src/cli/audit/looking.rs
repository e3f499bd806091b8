//! Looking into a journal through its index: with the keys, on record, and with nothing written to what is somebody's
//! evidence.

use std::{path::PathBuf, sync::atomic::Ordering};

use clap::Args;
use tempfile::TempDir;

use super::{Where, patiently, record};
use crate::{
    audit::{self, AskError, Index, IndexProgress, JournalKeys},
    cli::{error::VerbError, out, own::Data},
};

/// Which journal, and where its index lies.
#[derive(Debug, Args)]
pub(in crate::cli) struct Place {
    #[command(flatten)]
    pub(in crate::cli) journal: Where,
    /// The folder of the index; it can be made anew at any time [default: `index` in the data folder]
    #[arg(long, value_name = "DIR")]
    index: Option<PathBuf>,
}

impl Place {
    /// The journal of a data folder, with the index that lies there.
    pub(in crate::cli) fn of(data: &std::path::Path) -> Self {
        Self { journal: Where { data: data.to_owned(), gate: None, wrapping_key: None }, index: None }
    }
}

/// A journal that is looked into.
pub(in crate::cli) struct Looking {
    pub(in crate::cli) data: Data,
    pub(in crate::cli) gate: String,
    pub(in crate::cli) keys: JournalKeys,
    index: PathBuf,
    /// The index's folder, where it is made for this once.
    _once: Option<TempDir>,
}

impl Looking {
    /// Finds the journal and its keys; writes nothing.
    pub(in crate::cli) fn open(place: &Place) -> Result<Self, VerbError> {
        let data = Data::existing(&place.journal.data)?;
        let gate = data.gate(place.journal.gate.as_deref())?;
        if !data.has_journal_keys() {
            let why = "the journal's keys are not here: entries name everybody by keyed digests, and without the keys \
                       nobody can be looked for; `bramka audit tail` shows the entries as they are";
            return Err(VerbError::NotThere(why.into()));
        }
        let keys =
            JournalKeys::existing(&data.journal_keys())?.looking_in(place.journal.wrapping_key.clone());
        let (index, once) = match (&place.index, data.check_own(&gate)) {
            (Some(folder), _) => (folder.clone(), None),
            (None, Ok(())) => (place.journal.data.join("index"), None),
            (None, Err(_)) => {
                out::note(
                    "this is a copy that is left as it is: its index is made for this once; `--index` keeps one",
                );
                let folder = TempDir::new()?;
                (folder.path().to_owned(), Some(folder))
            }
        };
        Ok(Self { data, gate, keys, index, _once: once })
    }

    /// Writes down that the journal is read, and what for.
    pub(in crate::cli) async fn record(&self, what: &str) {
        record(&self.data, &self.gate, what).await;
    }

    /// Asks the index, once it is up to what the journal is; says on a terminal how far it is.
    pub(in crate::cli) fn ask<T: Send>(
        &self,
        ask: impl Fn(&Index<'_>) -> Result<T, AskError> + Send,
    ) -> Result<T, VerbError> {
        let progress = IndexProgress::default();
        let directory = self.data.audit().join(&self.gate);
        patiently(
            || audit::asked((&directory, &self.index), &self.keys, &progress, ask),
            |seconds| {
                let bytes = |count: u64| count / (1024 * 1024);
                let entries = progress.entries.load(Ordering::Relaxed);
                let done = bytes(progress.bytes.load(Ordering::Relaxed));
                let all = bytes(progress.bytes_in_all.load(Ordering::Relaxed));
                match entries {
                    0 => format!("looking, {seconds} s so far"),
                    _ => format!("index: {entries} entries, {done} of {all} MiB or more, {seconds} s so far"),
                }
            },
        )
    }
}
