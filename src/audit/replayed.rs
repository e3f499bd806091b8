//! An entry read back for those who decide again what it tells of: who asked, for what, under which circumstances, on
//! what of which records, and what came of it.
//!
//! What stands sealed is opened with the journal's keys. Where that cannot be (erased, or the key is gone) it is not
//! told, and never taken for empty.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    JournalKeys, Opened,
    leaf::Text,
    line::{Beside, Line},
};

/// What an entry must say of itself to hold all that statements may go by.
pub(super) const VERSION: u64 = 1;
/// What a name begins with where it is of the record as it would be.
const OF_NEW: &str = "new:";
/// What a text ends with that was cut.
const CUT: char = '~';

/// The sealed part of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beneath {
    /// In clear.
    Plain(String),
    /// It was erased, or the key that opens it is gone.
    Erased,
    /// It does not open, or does not fit its leaf: somebody changed it.
    Forged,
}

impl Beneath {
    /// Opens what stands beside a leaf.
    pub fn of(line: &Line, keys: &JournalKeys) -> Self {
        let Ok(facts) = line.facts() else { return Self::Forged };
        match (line.beside(), facts.sealed) {
            (Beside::Sealed(sealed), Some(commitment)) => match keys.unseal(sealed, facts.salt, commitment) {
                Opened::Plain(plain) => Self::Plain(plain),
                Opened::KeyGone => Self::Erased,
                Opened::Forged => Self::Forged,
            },
            (Beside::Erased, _) => Self::Erased,
            (Beside::Nothing, None) => Self::Plain("{}".to_owned()),
            (Beside::Nothing, Some(_)) | (Beside::Sealed(_), None) => Self::Forged,
        }
    }
}

/// What an answer's leaf says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Replayed<'a> {
    /// `answer`, or another kind that tells of no decision.
    #[serde(borrow)]
    pub kind: &'a str,
    /// When it was written.
    pub at: &'a str,
    /// Microseconds before that it was opened.
    pub micros: u64,
    /// The exchange.
    pub request: Option<&'a str>,
    /// How much of this it holds: 0 where it was written before entries did.
    pub replay: u64,
    /// The bundle that decided, in hex.
    pub bundle: Option<&'a str>,
    /// Who asked.
    #[serde(borrow)]
    pub who: Option<ReplayedWho<'a>>,
    /// Over which listener.
    #[serde(borrow)]
    listener: Option<Text<'a>>,
    #[serde(borrow)]
    tls: Option<Text<'a>>,
    /// The digest of the client certificate, in hex.
    pub certificate: Option<&'a str>,
    #[serde(borrow)]
    method: Option<Text<'a>>,
    #[serde(borrow)]
    action: Option<Text<'a>>,
    #[serde(borrow)]
    target: Option<Text<'a>>,
    #[serde(borrow)]
    refusal: Option<Text<'a>>,
    /// The answer's status.
    pub status: Option<u16>,
    #[serde(borrow)]
    plans: Vec<Text<'a>>,
    #[serde(borrow)]
    narrowed: Option<Text<'a>>,
    #[serde(borrow)]
    wanted: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    filtered_by: Vec<Text<'a>>,
    #[serde(borrow)]
    changed: Vec<Text<'a>>,
    #[serde(borrow)]
    subjects: Vec<&'a str>,
    /// Subjects beyond those that are named.
    pub subjects_more: u64,
    /// What was shown.
    #[serde(borrow)]
    pub shown: Vec<ReplayedShown<'a>>,
    #[serde(borrow)]
    notes: Vec<(Text<'a>, Text<'a>)>,
}

/// Who asked, as far as the leaf says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ReplayedWho<'a> {
    /// What sort of principal.
    #[serde(borrow)]
    pub kind: &'a str,
    /// Its keyed digest.
    pub id: &'a str,
    /// That of its organisation.
    pub partner: Option<&'a str>,
    #[serde(borrow)]
    groups: Vec<Text<'a>>,
    #[serde(borrow)]
    scopes: Vec<Text<'a>>,
    #[serde(borrow)]
    plan: Option<Text<'a>>,
    /// The digest of all that was known of it, in hex.
    pub facts: &'a str,
}

/// Records that were shown with the same fields in the same way.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ReplayedShown<'a> {
    #[serde(borrow)]
    fields: Vec<Text<'a>>,
    #[serde(borrow)]
    masks: Vec<(Text<'a>, Text<'a>)>,
    #[serde(borrow)]
    records: Vec<&'a str>,
    /// Records beyond those that are named.
    pub more: u64,
}

/// What stands sealed beside it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ReplayedBeneath<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    partner: Option<Text<'a>>,
    #[serde(borrow)]
    attributes: BTreeMap<Cow<'a, str>, &'a RawValue>,
    #[serde(borrow)]
    address: Option<Text<'a>>,
    #[serde(borrow)]
    read: Vec<(Text<'a>, Text<'a>)>,
    #[serde(borrow)]
    rows: Vec<ReplayedRow<'a>>,
    /// Rows that found no room.
    pub rows_more: u64,
}

/// One record that was judged, or several that had the same values.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct ReplayedRow<'a>(#[serde(borrow)] Vec<Mark<'a>>);

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Mark<'a> {
    Place(usize),
    Came(&'a str),
}

/// What came of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowCame {
    /// It was shown in the group of that number.
    Shown(usize),
    /// It may be seen; how much of it is not told.
    Permitted,
    /// It was not there for the caller.
    Denied,
    /// A statement could not be judged on it.
    Erring,
    /// It was part of a write.
    Weighed,
}

/// Of which record a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowSide {
    /// As the system holds it.
    Stored,
    /// As it would be.
    New,
}

impl<'a> Replayed<'a> {
    /// Reads a leaf; none of what is no entry.
    pub fn read(line: &'a Line) -> Option<Self> {
        let leaf: Self = serde_json::from_slice(line.leaf_bytes()).ok()?;
        (!leaf.kind.is_empty() && !leaf.at.is_empty()).then_some(leaf)
    }

    /// Whether it holds all that statements may go by.
    pub fn is_replayable(&self) -> bool {
        self.replay == VERSION
    }

    /// Over which listener it came.
    pub fn listener(&self) -> Option<&str> {
        self.listener.as_ref().map(|text| &*text.0)
    }

    /// Whether under TLS.
    pub fn is_tls(&self) -> bool {
        self.tls.as_ref().is_some_and(|text| !text.is("none"))
    }

    /// The method.
    pub fn method(&self) -> Option<&str> {
        self.method.as_ref().map(|text| &*text.0)
    }

    /// What was asked for.
    pub fn action(&self) -> Option<&str> {
        self.action.as_ref().map(|text| &*text.0)
    }

    /// The entity or the system.
    pub fn target(&self) -> Option<&str> {
        self.target.as_ref().map(|text| &*text.0)
    }

    /// Why it was refused.
    pub fn refusal(&self) -> Option<&str> {
        self.refusal.as_ref().map(|text| &*text.0)
    }

    /// How statements narrowed what the system was asked for; none where they did not.
    pub fn narrowed(&self) -> Option<&str> {
        self.narrowed.as_ref().map(|text| &*text.0)
    }

    /// The plans of permits that could still apply.
    pub fn plans(&self) -> impl Iterator<Item = &str> {
        words(&self.plans)
    }

    /// The leaves that were wanted; none where all were.
    pub fn wanted(&self) -> Option<impl Iterator<Item = &str>> {
        self.wanted.as_deref().map(words)
    }

    /// The leaves that it was filtered and sorted by.
    pub fn filtered_by(&self) -> impl Iterator<Item = &str> {
        words(&self.filtered_by)
    }

    /// The leaves that changed.
    pub fn changed(&self) -> impl Iterator<Item = &str> {
        words(&self.changed)
    }

    /// The keyed digests of those whose data it tells of, in hex.
    pub fn subjects(&self) -> impl Iterator<Item = &str> {
        self.subjects.iter().copied()
    }

    /// What a note says.
    pub fn note(&self, key: &str) -> Option<&str> {
        self.notes.iter().find(|(name, _)| name.is(key)).map(|(_, value)| &*value.0)
    }
}

impl ReplayedWho<'_> {
    /// Its groups, as its credential asserted them.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        words(&self.groups)
    }

    /// Its scopes.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        words(&self.scopes)
    }

    /// Its own plan.
    pub fn plan(&self) -> Option<&str> {
        self.plan.as_ref().map(|text| &*text.0)
    }
}

impl ReplayedShown<'_> {
    /// The leaves shown, masked ones included.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        words(&self.fields)
    }

    /// The keyed digests of the records, in hex.
    pub fn records(&self) -> impl Iterator<Item = &str> {
        self.records.iter().copied()
    }

    /// Those behind a mask, and how open each is.
    pub fn masks(&self) -> impl Iterator<Item = (&str, &str)> {
        self.masks.iter().map(|(leaf, openness)| (&*leaf.0, &*openness.0))
    }
}

impl<'a> ReplayedBeneath<'a> {
    /// Reads it; none of what is nothing of ours.
    pub fn read(plain: &'a str) -> Option<Self> {
        serde_json::from_str(plain).ok()
    }

    /// The principal's id in clear.
    pub fn id(&self) -> Option<&str> {
        self.id.as_ref().map(|text| &*text.0)
    }

    /// Its organisation.
    pub fn partner(&self) -> Option<&str> {
        self.partner.as_ref().map(|text| &*text.0)
    }

    /// What it carries, as JSON.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.iter().map(|(name, value)| (&**name, value.get()))
    }

    /// From where it asked.
    pub fn address(&self) -> Option<&str> {
        self.address.as_ref().map(|text| &*text.0)
    }

    /// What was read of the request by that name; none where it was not there, or longer than an entry holds.
    pub fn fact(&self, name: &str) -> Option<&str> {
        let found = self.read.iter().find(|(of, _)| of.is(name))?;
        Some(&*found.1.0).filter(|text| !text.ends_with(CUT))
    }

    /// Whether something was read of the request by that name, whole or not.
    pub fn has_fact(&self, name: &str) -> bool {
        self.read.iter().any(|(of, _)| of.is(name))
    }

    /// The records that were judged.
    pub fn rows(&self) -> &[ReplayedRow<'a>] {
        &self.rows
    }

    /// The leaves and values of a row, of a leaf with several values one after the other; empty text is none.
    pub fn values<'s>(&'s self, row: &'s ReplayedRow<'a>) -> impl Iterator<Item = (&'s str, &'s str)> {
        let places = row.0.iter().filter_map(|mark| match mark {
            Mark::Place(place) => self.read.get(*place),
            Mark::Came(_) => None,
        });
        places.map(|(name, value)| (name.0.strip_prefix(OF_NEW).unwrap_or(&name.0), &*value.0))
    }

    /// Of which record it is; none where nothing of it was read.
    pub fn side(&self, row: &ReplayedRow<'a>) -> Option<RowSide> {
        let first = row.0.iter().find_map(|mark| match mark {
            Mark::Place(place) => self.read.get(*place),
            Mark::Came(_) => None,
        });
        first.map(|(name, _)| if name.0.starts_with(OF_NEW) { RowSide::New } else { RowSide::Stored })
    }
}

impl ReplayedRow<'_> {
    /// What came of it.
    pub fn came(&self) -> Option<RowCame> {
        let word = self.0.iter().find_map(|mark| match mark {
            Mark::Came(word) => Some(*word),
            Mark::Place(_) => None,
        })?;
        match word {
            "p" => Some(RowCame::Permitted),
            "d" => Some(RowCame::Denied),
            "e" => Some(RowCame::Erring),
            "w" => Some(RowCame::Weighed),
            number => number.parse().ok().map(RowCame::Shown),
        }
    }
}

fn words<'s>(texts: &'s [Text<'_>]) -> impl Iterator<Item = &'s str> {
    texts.iter().map(|text| &*text.0)
}
