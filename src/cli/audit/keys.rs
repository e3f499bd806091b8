//! `bramka audit keys` and `bramka audit rotate-keys`: the keys that wrap those of segments which stand encrypted.
//!
//! The first looks at names of keys and at first lines of segments, at no entry, so it is no reading of the journal.

use clap::Args;
use serde_json::{Value as Json, json};

use super::Where;
use crate::{
    audit::{self, Fault, KeyChange, KeyId, KnownKey, Rewrapped, WrappingKeys, Wraps},
    cli::{
        Came,
        error::VerbError,
        out,
        own::{Data, Record},
    },
    clock,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bramka audit keys --data data\n  \
    bramka audit keys --json | jq '.keys[] | select(.current)'\n\n\
    Exit code 0: every segment's key can be opened. 1: one cannot. 2: misused.")]
pub(in crate::cli) struct ShowKeys {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bramka audit rotate-keys\n  bramka audit rotate-keys --destroy-old\n\n\
    Works beside a gate that serves; its next segment is under the new key. No segment is written to: the key of each is \
    wrapped anew beside it. Where keys come from a file (`audit.encryption.key_file`) the first one in it is taken: put the \
    new one there before, and leave the old one behind it until this is done.\n\
    Copy the new key (`keys/journal/wrapping/`) to where the others are kept.\n\
    Exit code 0: done. 1: some segments are still under another key, or nothing stands encrypted. 2: misused.")]
pub(in crate::cli) struct RotateKeys {
    /// Destroy the gate's own keys that wrap nothing any more: copies of the journal from before then open with copies of
    /// those keys alone
    #[arg(long)]
    destroy_old: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

pub(super) fn show(arguments: &ShowKeys) -> Result<Came, VerbError> {
    let data = Data::existing(&arguments.place.data)?;
    let wrapping = arguments.place.wrapping(&data);
    // ORDER: keys after segments: a key that was begun meanwhile is known, a segment under it may be told.
    let wraps = audit::wraps(&data.audit())?;
    let shown = Shown { known: wrapping.known()?, wraps };
    if arguments.json {
        out::say(&shown.json().to_string());
    } else {
        shown.words().iter().for_each(|line| out::say(line));
    }
    tell(&shown.wraps.faults);
    Ok(if shown.wraps.faults.is_empty() && shown.missing().is_empty() { Came::Right } else { Came::Wrong })
}

pub(super) async fn rotate(arguments: &RotateKeys) -> Result<Came, VerbError> {
    let data = Data::existing(&arguments.place.data)?;
    let gate = data.gate(arguments.place.gate.as_deref())?;
    if !data.has_journal_keys() {
        return Err(VerbError::NotThere(
            "the journal's keys are not here: nothing can be written to it".into(),
        ));
    }
    let wrapping = arguments.place.wrapping(&data);
    if !wrapping.known()?.iter().any(|key| key.current) {
        out::note(
            "nothing is encrypted here: `audit.encryption` in `gateway.yaml`, and a start of the gate, begin it",
        );
        return Ok(Came::Wrong);
    }
    let Some(store) = data.store()? else { return Err(VerbError::NotThere("there is no store".into())) };
    let record = Record::open(&data, &gate, clock::now())?;
    let done = act(&record, &data, &wrapping, arguments.destroy_old).await;
    record.close(&store).await?;
    let Done { change, rewrapped, destroyed } = done?;
    if arguments.json {
        let change = change.map(|KeyChange { from, to }| json!({ "from": from, "to": to }));
        let (wrapped, faults) = (rewrapped.segments, faults(&rewrapped.faults));
        let told =
            json!({ "change": change, "rewrapped": wrapped, "destroyed": destroyed, "faults": faults });
        out::say(&told.to_string());
    } else {
        match change.and_then(|change| change.to) {
            Some(to) => {
                out::say(&format!("key {to} wraps from now on; copy it to where the others are kept"))
            }
            None => out::say("the key is the same: the first one in its file"),
        }
        out::say(&format!("{} segments were wrapped anew", rewrapped.segments));
        destroyed.iter().for_each(|id| out::say(&format!("key {id} is destroyed")));
    }
    tell(&rewrapped.faults);
    Ok(if rewrapped.faults.is_empty() { Came::Right } else { Came::Wrong })
}

/// What was done.
struct Done {
    change: Option<KeyChange>,
    rewrapped: Rewrapped,
    destroyed: Vec<KeyId>,
}

async fn act(
    record: &Record,
    data: &Data,
    wrapping: &WrappingKeys,
    destroy_old: bool,
) -> Result<Done, VerbError> {
    let (change, rewrapped) = record.rotate().await?;
    let mut destroyed = Vec::new();
    if destroy_old && rewrapped.faults.is_empty() {
        let wraps = audit::wraps(&data.audit())?;
        for key in wrapping.known()? {
            let is_old = !key.current && key.destroyed.is_none() && wrapping.is_own(key.id);
            if is_old && !wraps.by.contains_key(&key.id) {
                record.destroy(key.id).await?;
                destroyed.push(key.id);
            }
        }
    }
    Ok(Done { change, rewrapped, destroyed })
}

fn tell(faults: &[Fault]) {
    for fault in faults {
        out::note(&format!("{}: {}", fault.place, fault.what));
    }
}

fn faults(faults: &[Fault]) -> Vec<Json> {
    faults.iter().map(|fault| json!({ "place": fault.place, "what": fault.what })).collect()
}

/// Keys as they are shown.
struct Shown {
    known: Vec<KnownKey>,
    wraps: Wraps,
}

impl Shown {
    fn wraps(&self, id: KeyId) -> u64 {
        self.wraps.by.get(&id).copied().unwrap_or_default()
    }

    /// Keys that wrap something and are not here, with how much.
    fn missing(&self) -> Vec<(KeyId, u64)> {
        let is_here = |id: &KeyId| self.known.iter().any(|key| key.id == *id && key.found_in.is_some());
        self.wraps.by.iter().filter(|(id, _)| !is_here(id)).map(|(id, count)| (*id, *count)).collect()
    }

    fn json(&self) -> Json {
        let key = |key: &KnownKey| {
            json!({
                "id": key.id, "since": key.since.to_string(), "current": key.current, "wraps": self.wraps(key.id),
                "found_in": key.found_in.as_ref().map(|path| path.display().to_string()),
                "destroyed": key.destroyed.map(|at| at.to_string()),
            })
        };
        let missing = |(id, wraps)| json!({ "id": id, "wraps": wraps });
        json!({
            "keys": self.known.iter().map(key).collect::<Vec<_>>(), "in_clear": self.wraps.clear,
            "missing": self.missing().into_iter().map(missing).collect::<Vec<_>>(), "faults": faults(&self.wraps.faults),
        })
    }

    fn words(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.known.iter().map(|key| self.key(key)).collect();
        for (id, count) in self.missing() {
            lines.push(format!("key {id} wraps {count} segments and IS NOT HERE: they cannot be opened"));
        }
        if self.known.iter().all(|key| !key.current) {
            lines.push("the next segment stands in clear".to_owned());
        }
        lines.push(format!("{} segments stand in clear", self.wraps.clear));
        lines
    }

    fn key(&self, key: &KnownKey) -> String {
        let current = if key.current { ", wraps the next" } else { "" };
        let place = match (&key.found_in, key.destroyed) {
            (Some(path), _) => format!(", in {}", path.display()),
            (None, Some(at)) => format!(", destroyed {at}"),
            (None, None) => ", not here".to_owned(),
        };
        format!("key {} since {}: wraps {} segments{current}{place}", key.id, key.since, self.wraps(key.id))
    }
}
