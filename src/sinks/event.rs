//! An entry of the journal on its way out: read from its line, opened as far as its sink may, redacted, and written
//! down in the sink's form.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value as Json, value::RawValue};

use super::{
    ocsf::{self, Leaf},
    redact::Rules,
    settings::{Clear, Format, SinkSettings},
};
use crate::{
    audit::{Beside, JournalKeys, Line, Opened, WrappingKeys, leaf_hash},
    words::Digest,
};

/// One entry in the form of a sink.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// Where it stands: `main/0:17`.
    pub(super) id: String,
    /// When what it tells was.
    pub(super) at: Timestamp,
    /// How grave it is.
    pub(super) severity: ocsf::Severity,
    /// `intent`, `answer` …, or the act of an operator.
    pub(super) kind: String,
    /// One line of JSON.
    pub(super) text: String,
}

/// How a sink wants entries.
#[derive(Debug)]
pub(super) struct Form {
    format: Format,
    with: Vec<Clear>,
    rules: Rules,
    keys: Arc<JournalKeys>,
    gate: String,
}

/// An entry as it may be told.
#[derive(Debug)]
pub(super) struct Told<'a> {
    pub(super) gate: &'a str,
    pub(super) lane: &'a str,
    pub(super) sequence: u64,
    pub(super) leaf_hash: Digest,
    pub(super) at: Timestamp,
    /// The leaf, redacted, with what was opened beside it under `opened`.
    pub(super) entry: Map<String, Json>,
    pub(super) redacted: Vec<&'static str>,
    /// What stood beside it is erased.
    pub(super) is_erased: bool,
}

/// An entry that is no JSON, or has no time: nothing a gate writes.
#[derive(Debug, thiserror::Error)]
#[error("entry {lane}:{sequence} cannot be told: {why}")]
pub(super) struct Untold {
    lane: String,
    sequence: u64,
    why: String,
}

impl Form {
    /// What opens segments that stand encrypted.
    pub(super) fn wrapping(&self) -> &WrappingKeys {
        self.keys.wrapping()
    }

    pub(super) fn new(settings: &SinkSettings, keys: Arc<JournalKeys>, gate: &str) -> Self {
        let rules = Rules::new(&settings.name, settings.redact.clone());
        let (format, with) = (settings.format, settings.with.clone());
        Self { format, with, rules, keys, gate: gate.to_owned() }
    }

    /// The entry of a line.
    ///
    /// # Errors
    /// [`Untold`].
    pub(super) fn event(&self, lane: &str, line: &Line) -> Result<Event, Untold> {
        let untold = |why: &dyn std::fmt::Display| Untold {
            lane: lane.to_owned(),
            sequence: line.sequence,
            why: why.to_string(),
        };
        let told = self.told(lane, line).map_err(|why| untold(&why))?;
        let leaf = Leaf::of(&told).map_err(|why| untold(&why))?;
        let (kind, severity) = (leaf.event_code().to_owned(), leaf.severity());
        let (id, at) = (format!("{}/{lane}:{}", self.gate, line.sequence), told.at);
        let text = match self.format {
            Format::Ocsf => ocsf::event(&told, &leaf).to_string(),
            Format::Bramka => as_it_stands(told, line.leaf()).map_err(|why| untold(&why))?,
        };
        Ok(Event { id, at, severity, kind, text })
    }

    fn told<'a>(&'a self, lane: &'a str, line: &Line) -> Result<Told<'a>, serde_json::Error> {
        let mut entry: Map<String, Json> = serde_json::from_str(line.leaf())?;
        let text = |key| entry.get(key).and_then(Json::as_str).unwrap_or_default();
        let at = text("at").parse().map_err(<serde_json::Error as serde::de::Error>::custom)?;
        let opened = match line.beside() {
            Beside::Sealed(sealed) if !self.with.is_empty() => {
                self.opened(self.keys.unseal(sealed, text("salt"), text("sealed")))
            }
            Beside::Sealed(_) | Beside::Nothing | Beside::Erased => Map::new(),
        };
        if !opened.is_empty() {
            entry.insert("opened".into(), opened.into());
        }
        let redacted = self.rules.apply(&mut entry, &self.keys);
        if !redacted.is_empty() {
            // With it the hash of the leaf would tell whoever guesses what was redacted that they are right.
            entry.remove("salt");
        }
        Ok(Told {
            gate: &self.gate,
            lane,
            sequence: line.sequence,
            leaf_hash: leaf_hash(line.leaf().as_bytes(), &mut Vec::new()),
            at,
            entry,
            redacted,
            is_erased: line.beside() == Beside::Erased,
        })
    }

    /// Of what was sealed, what is named under `with`; the rest never leaves.
    fn opened(&self, opened: Opened) -> Map<String, Json> {
        let Opened::Plain(plain) = opened else { return Map::new() };
        let mut plain: Map<String, Json> = serde_json::from_str(&plain).unwrap_or_default();
        plain.retain(|key, _| {
            let needs = match key.as_str() {
                "address" | "peer" => Clear::Addresses,
                "id" | "partner" => Clear::Ids,
                _ => return false,
            };
            self.with.contains(&needs)
        });
        plain
    }
}

/// `format: bramka`.
#[derive(Serialize)]
struct AsItStands<'a> {
    gate: &'a str,
    lane: &'a str,
    sequence: u64,
    leaf_hash: String,
    entry: Entry<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opened: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    beside: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    redacted: Vec<&'static str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Entry<'a> {
    /// Byte for byte: its hash can be made from it.
    Leaf(&'a RawValue),
    /// Some of it is redacted.
    Redacted(Map<String, Json>),
}

fn as_it_stands(told: Told<'_>, leaf: &str) -> Result<String, serde_json::Error> {
    let Told { gate, lane, sequence, leaf_hash, mut entry, redacted, is_erased, .. } = told;
    let opened = entry.remove("opened");
    let entry = match redacted.is_empty() {
        true => Entry::Leaf(serde_json::from_str(leaf)?),
        false => Entry::Redacted(entry),
    };
    let leaf_hash = leaf_hash.to_string();
    let beside = is_erased.then_some("erased");
    serde_json::to_string(&AsItStands { gate, lane, sequence, leaf_hash, entry, opened, beside, redacted })
}
