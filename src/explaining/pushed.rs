//! What systems are asked for in a list, in their own words: what the statements leave open becomes a filter there, as
//! far as the system has one. Every record that comes back is judged again.

use serde_json::{Value as Json, json};

use super::names::Known;
use crate::{
    config::Snapshot,
    crosswalk::PublicId,
    mapping::Mapping,
    policy::Outlook,
    schema::{Entity, Filter, LeafId, Value},
    words::SystemName,
};

/// Rows of a page that is asked for.
const LIMIT: u32 = 50;

/// The first request to one system.
pub(super) struct Pushed {
    system: SystemName,
    /// Or why there is none.
    request: Result<String, String>,
    /// Whether the system is asked for all of the filter. What comes back is judged by all statements, one by one.
    asks_all: bool,
    is_narrowed: bool,
}

/// What each system of an entity would be asked for.
pub(super) fn all(snapshot: &Snapshot, entity: &Entity, outlook: &Outlook, known: &dyn Known) -> Vec<Pushed> {
    let Some(sources) = snapshot.serving(entity) else { return Vec::new() };
    let filter = outlook.pushdown().simplified();
    let wanted = outlook.visible().union(&outlook.reads());
    let of = |source: &crate::config::EntitySource| {
        let listing = source.mapping.list(&wanted, &filter, &[], None, LIMIT);
        let asks_all = listing.as_ref().is_ok_and(|listing| listing.asks_all);
        let request = listing.map_err(|error| error.to_string()).map(|listing| {
            let request = &listing.request;
            let body = String::from_utf8_lossy(&request.body).into_owned();
            let text = format!("{} {}", request.method, readable(&request.target));
            let text = if body.is_empty() { text } else { format!("{text} {body}") };
            named(text, &filter, &source.mapping, known)
        });
        Pushed { system: source.name().clone(), request, asks_all, is_narrowed: !filter.is_everything() }
    };
    sources.all().iter().map(of).collect()
}

impl Pushed {
    pub(super) fn lines(&self) -> Vec<String> {
        let how = match (self.is_narrowed, self.asks_all) {
            (false, _) => "for all: the statements narrow nothing that a system could be asked for",
            (true, true) => "for what the permits speak of",
            (true, false) => "for more than the permits speak of, for want of words",
        };
        match &self.request {
            Ok(request) => {
                vec![
                    format!("`{}` is asked {how}; the rest is left out here:", self.system),
                    format!("  {request}"),
                ]
            }
            Err(why) => vec![format!("`{}` cannot be asked for a list so: {why}", self.system)],
        }
    }

    pub(super) fn json(&self) -> Json {
        json!({
            "system": self.system.as_str(),
            "request": self.request.as_ref().ok(),
            "why_not": self.request.as_ref().err(),
            "narrowed": self.is_narrowed,
            "asks_all": self.asks_all,
        })
    }
}

/// Percent-encoding taken off, for reading alone.
fn readable(target: &str) -> String {
    let mut out = Vec::with_capacity(target.len());
    let mut rest = target.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let pair =
            after.first_chunk::<2>().and_then(|pair| data_encoding::HEXUPPER_PERMISSIVE.decode(pair).ok());
        match (first, pair.as_deref()) {
            (b'%', Some([byte])) if !byte.is_ascii_control() => {
                out.push(*byte);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'+', _) => {
                out.push(b' ');
                rest = after;
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// LIMIT: ids of a filter that are told by their keys; the others stay ids.
const KEYS_MAX: usize = 64;

/// Puts the keys of the system in the places of the filter's ids, as a gate does before it asks.
fn named(mut text: String, filter: &Filter, mapping: &Mapping, known: &dyn Known) -> String {
    let mut ids = Vec::new();
    gather(filter, &mut ids);
    for (leaf, id) in ids {
        let entity = mapping.entity().points_to(leaf);
        if let Some(key) = entity.and_then(|entity| known.key(entity, mapping.keys_of(leaf), id)) {
            text = text.replace(id.text().as_str(), &key);
        }
    }
    text
}

/// The ids in a filter. Recursion is bounded by what compiles a statement.
fn gather(filter: &Filter, ids: &mut Vec<(LeafId, PublicId)>) {
    match filter {
        Filter::All(parts) | Filter::Any(parts) => parts.iter().for_each(|part| gather(part, ids)),
        Filter::Item(_, inner) | Filter::Not(inner) => gather(inner, ids),
        Filter::Test { leaf, value, .. } => {
            let values = match value {
                Value::List(values) => values.as_slice(),
                value => std::slice::from_ref(value),
            };
            let found = values.iter().filter_map(|value| Some((*leaf, value.as_text()?.parse().ok()?)));
            for one in found {
                if ids.len() < KEYS_MAX && !ids.contains(&one) {
                    ids.push(one);
                }
            }
        }
        Filter::Derived { .. } | Filter::Pair { .. } => {}
    }
}
