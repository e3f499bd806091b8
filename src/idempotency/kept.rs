//! What is kept of the answer to a write: what it takes to judge it anew and show it again.

use serde_json::{Value, json};

/// LIMIT: bytes of a record that is kept; of a larger one its id is.
pub const KEPT_BYTES_MAX: usize = 32 * 1024;

/// What is kept of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Its status.
    pub status: u16,
    /// Whether it said that the system could not check the version.
    pub is_unguarded: bool,
    /// The record's id, where it is known.
    pub id: Option<String>,
    /// Whether the answer showed the id as it is.
    pub is_id_shown: bool,
    /// The record, where it is known and not too large.
    pub record: Option<KeptRecord>,
    /// By what it is asked for, where it was accepted and not finished.
    pub accepted: Option<String>,
}

/// A record as the write left it, before anything was struck or masked.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptRecord {
    /// Paths of the leaves that the system told of.
    pub leaves: Vec<String>,
    /// Whether these are all that the caller's own `read` asked for: then the answer had a tag.
    pub is_whole: bool,
    /// The record as JSON.
    pub json: String,
}

impl Kept {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let record = self
            .record
            .as_ref()
            .map(|record| json!({ "leaves": record.leaves, "whole": record.is_whole, "json": record.json }));
        json!({
            "status": self.status, "unguarded": self.is_unguarded,
            "id": self.id, "shown": self.is_id_shown, "record": record, "accepted": self.accepted,
        })
        .to_string()
        .into_bytes()
    }

    /// What was kept; none where it is not as it was written.
    pub(super) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let kept: Value = serde_json::from_slice(bytes).ok()?;
        let flag = |of: &Value, name: &str| of.get(name)?.as_bool();
        let text = |of: &Value, name: &str| Some(of.get(name)?.as_str()?.to_owned());
        let record = match kept.get("record")? {
            Value::Null => None,
            record => Some(KeptRecord {
                leaves: record
                    .get("leaves")?
                    .as_array()?
                    .iter()
                    .map(|leaf| leaf.as_str().map(str::to_owned))
                    .collect::<Option<_>>()?,
                is_whole: flag(record, "whole")?,
                json: text(record, "json")?,
            }),
        };
        Some(Self {
            status: kept.get("status")?.as_u64().and_then(|status| u16::try_from(status).ok())?,
            is_unguarded: flag(&kept, "unguarded")?,
            id: if kept.get("id")?.is_null() { None } else { Some(text(&kept, "id")?) },
            is_id_shown: flag(&kept, "shown")?,
            record,
            // Earlier versions knew of none.
            accepted: text(&kept, "accepted"),
        })
    }
}

impl std::fmt::Debug for KeptRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeptRecord(…)")
    }
}
