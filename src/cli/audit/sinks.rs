//! `bramka audit sinks`: how far each sink was sent the journal, and what keeps it.
//!
//! It looks at cursors and signed heads, at no entry, so it is no reading of the journal.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value as Json, json};

use super::Where;
use crate::{
    audit::JournalKeys,
    cli::{Came, error::VerbError, out, own::Data},
    sinks::{self, Cursor},
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bramka audit sinks --data data\n  \
    bramka audit sinks --json | jq '.sinks[] | select(.behind > 10000)'")]
pub(in crate::cli) struct ShowSinks {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

pub(super) fn run(arguments: &ShowSinks) -> Result<Came, VerbError> {
    let data = Data::existing(&arguments.place.data)?;
    let gate = data.gate(arguments.place.gate.as_deref())?;
    let key = JournalKeys::read_public(&data.journal_keys())?;
    let folder = data.sinks(&gate);
    // ORDER: cursors first, which never pass what is signed.
    let cursors =
        Cursor::all(&folder).map_err(|error| VerbError::NotThere(crate::cli::error::chain(&error)))?;
    let signed = sinks::signed(&data.audit().join(&gate), &gate, &key)?;
    let shown: Vec<Shown> = cursors
        .into_iter()
        .map(|cursor| Shown { is_sent: sinks::is_held(&folder, &cursor.sink), cursor, signed: &signed })
        .collect();
    if arguments.json {
        let told: Vec<Json> = shown.iter().map(Shown::json).collect();
        out::say(&json!({ "gate": gate, "sinks": told }).to_string());
    } else if shown.is_empty() {
        out::say("no sink was sent anything of this journal");
    } else {
        shown.iter().for_each(|one| out::say(&one.words()));
    }
    let is_well = shown.iter().all(|one| one.cursor.trouble.is_none());
    Ok(if is_well { Came::Right } else { Came::Wrong })
}

/// A sink as it is shown.
struct Shown<'a> {
    cursor: Cursor,
    is_sent: bool,
    signed: &'a BTreeMap<String, u64>,
}

impl Shown<'_> {
    /// Lanes, where the sink is, and where the lane is.
    fn lanes(&self) -> impl Iterator<Item = (&str, u64, u64)> {
        self.signed.iter().map(|(lane, signed)| (lane.as_str(), self.cursor.next(lane), *signed))
    }

    fn behind(&self) -> u64 {
        self.lanes().map(|(_, next, signed)| signed.saturating_sub(next)).sum()
    }

    fn json(&self) -> Json {
        let lane = |(lane, next, signed)| json!({ "lane": lane, "next": next, "signed": signed });
        json!({
            "sink": self.cursor.sink, "kind": self.cursor.kind, "running": self.is_sent, "behind": self.behind(),
            "taken_at": self.cursor.taken_at.map(|at| at.to_string()),
            "lanes": self.lanes().map(lane).collect::<Vec<_>>(),
            "trouble": self.cursor.trouble.as_ref().map(|trouble| {
                json!({ "since": trouble.since.to_string(), "why": trouble.why })
            }),
        })
    }

    fn words(&self) -> String {
        let taken =
            self.cursor.taken_at.map_or("nothing taken yet".to_owned(), |at| format!("last taken {at}"));
        let is_sent = if self.is_sent { "" } else { ", no gate is running" };
        let mut words =
            format!("{} {}: {} behind, {taken}{is_sent}", self.cursor.sink, self.cursor.kind, self.behind());
        for (lane, next, signed) in self.lanes() {
            words.push_str(&format!("\n  lane {lane}: {next} of {signed}"));
        }
        if let Some(trouble) = &self.cursor.trouble {
            words.push_str(&format!("\n  in trouble since {}: {}", trouble.since, trouble.why));
        }
        words
    }
}
