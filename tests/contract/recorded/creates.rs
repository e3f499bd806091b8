//! Requests that make a record: what the gate sends for a caller's record, against what was recorded, place by place.

use std::collections::BTreeMap;

use bramka::{
    catalog::Action,
    mapping::{Before, Mapping},
    schema::{self, Body, FieldSet, View},
};

use super::{
    body,
    flat::flat,
    lines::{Apart, Is},
    mapping,
    table::LINES,
};

/// What is sent for a record, as a caller would write it; else why nothing is.
pub(super) fn sent(mapping: &Mapping, record: &str) -> Result<String, String> {
    let entity = mapping.entity();
    let system = mapping.view(Action::Create);
    let writable = system.writable.intersection(&entity.writable());
    let required = entity.required().union(&system.required).intersection(&writable);
    let view = View { body: Body::Create, writable, required, visible: entity.all() };
    let proposed = schema::json::read(entity, record.as_bytes(), &view).map_err(|why| format!("{why:?}"))?;
    let settled = mapping.settled(Before::Nothing, proposed.record, &FieldSet::EMPTY);
    let request = mapping.create(&settled.sent).map_err(|why| format!("{why:?}"))?;
    Ok(String::from_utf8(request.body.to_vec()).unwrap())
}

/// How two bodies are apart: places, with what stands there in ours and in theirs.
fn apart(ours: &str, theirs: &str) -> BTreeMap<String, (Option<String>, Option<String>)> {
    let (ours, mut theirs) = (flat(ours), flat(theirs));
    let mut apart = BTreeMap::new();
    for (at, value) in ours {
        let recorded = theirs.remove(&at);
        if recorded.as_ref() != Some(&value) {
            apart.insert(at, (Some(value), recorded));
        }
    }
    apart.extend(theirs.into_iter().map(|(at, value)| (at, (None, Some(value)))));
    apart
}

/// Whether a line of the table speaks of a place, or of one above it.
fn speaks_of(said: &str, at: &str) -> bool {
    at.strip_prefix(said).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[test]
fn a_record_is_made_as_it_was_recorded_and_what_is_apart_has_a_reason() {
    let (mut count, mut wrong) = (0, Vec::new());
    for line in LINES {
        let Is::Create { of, record, apart: reasons } = &line.is else { continue };
        let ours = match sent(mapping(of), record) {
            Ok(ours) => ours,
            Err(why) => {
                wrong.push(format!("{}: {why}", line.file));
                continue;
            }
        };
        let recorded = body(line.file);
        let recorded = match of.within {
            Some((before, after)) => format!("{before}{recorded}{after}"),
            None => recorded,
        };
        let found = apart(&ours, &recorded);
        for (at, (ours, theirs)) in &found {
            let kind = match (ours, theirs) {
                (Some(_), Some(_)) => Apart::Other,
                (Some(_), None) => Apart::More,
                (None, _) => Apart::Less,
            };
            if !reasons.iter().any(|(said, place, _)| *said == kind && speaks_of(place, at)) {
                wrong.push(format!("{}: {kind:?} at {at}: ours {ours:?}, recorded {theirs:?}", line.file));
            }
        }
        for (kind, place, why) in *reasons {
            assert!(why.len() > 5, "{}: {place} has no reason", line.file);
            if !found.keys().any(|at| speaks_of(place, at)) {
                wrong.push(format!(
                    "{}: nothing is apart at {place}, though {kind:?} is said of it",
                    line.file
                ));
            }
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 8, "{count}");
}
