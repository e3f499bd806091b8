//! The journal as an auditor reads it: from its files, by the crate's own readers.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use bramka::audit::{self, JournalKeys, Report, WrappingKeys};
use serde_json::Value;

/// Where the lanes of the demo's gate are.
pub(crate) fn gate(data: &Path) -> PathBuf {
    data.join("audit").join("demo")
}

/// What opens segments that stand encrypted, where the gate's folder is in its data folder.
pub(crate) fn wrapping(gate: &Path) -> WrappingKeys {
    WrappingKeys::of(&gate.join("../../keys/journal"))
}

/// Every entry there is, lane by lane.
pub(crate) fn entries(data: &Path) -> Vec<Value> {
    entries_in(&gate(data))
}

/// The same, where the journal's folder is seen from elsewhere.
pub(crate) fn entries_in(gate: &Path) -> Vec<Value> {
    let mut found = Vec::new();
    for lane in audit::lanes(gate).unwrap() {
        for line in audit::read_lane(&gate.join(lane), &wrapping(gate)).unwrap() {
            found.push(serde_json::from_str(line.unwrap().leaf()).unwrap());
        }
    }
    found
}

/// The entries of one exchange, in order.
pub(crate) fn of(data: &Path, request: &str) -> Vec<Value> {
    entries(data).into_iter().filter(|entry| entry["request"] == request).collect()
}

/// How many answers each exchange has.
pub(crate) fn answers(entries: &[Value]) -> HashMap<&str, Vec<u64>> {
    let mut found: HashMap<&str, Vec<u64>> = HashMap::new();
    for entry in entries.iter().filter(|entry| entry["kind"] == "answer") {
        // An abandoned exchange has no status.
        let status = entry["status"].as_u64().unwrap_or(0);
        found.entry(entry["request"].as_str().unwrap()).or_default().push(status);
    }
    found
}

/// Verifies the journal, sealed parts included.
pub(crate) fn verify(data: &Path) -> Report {
    verify_in(data, &gate(data))
}

/// The same, where the journal's folder is seen from elsewhere.
pub(crate) fn verify_in(data: &Path, gate: &Path) -> Report {
    let folder = data.join("keys").join("journal");
    let public = JournalKeys::read_public(&folder).unwrap();
    let opener = JournalKeys::open(&folder).unwrap();
    audit::verify(gate, &[public], None, Some(&opener)).unwrap()
}
