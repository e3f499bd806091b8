//! What systems are asked for in a list, in their own words: what the statements leave open becomes a filter there, as
//! far as the system has one. Every record that comes back is judged again.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value as Json, json};

use crate::{
    config::Snapshot,
    crosswalk::{MadeUp, Naming as _},
    policy::Outlook,
    schema::Entity,
    store::NativeKey,
    words::{EntityName, SystemName, tree::Node},
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

/// What each system of an entity would be asked for. `principals` are the files that name records by keys.
pub(super) fn all(
    snapshot: &Snapshot,
    entity: &Arc<Entity>,
    outlook: &Outlook,
    principals: &[&Node],
) -> Vec<Pushed> {
    let Some(sources) = snapshot.serving(entity) else { return Vec::new() };
    let filter = outlook.pushdown().simplified();
    let wanted = outlook.visible().union(&outlook.reads());
    let keys = keys(snapshot, principals);
    let of = |source: &crate::config::EntitySource| {
        let listing = source.mapping.list(&wanted, &filter, &[], None, LIMIT);
        let asks_all = listing.as_ref().is_ok_and(|listing| listing.asks_all);
        let request = listing.map_err(|error| error.to_string()).map(|listing| {
            let request = &listing.request;
            let body = String::from_utf8_lossy(&request.body).into_owned();
            let text = format!("{} {}", request.method, readable(&request.target));
            named(if body.is_empty() { text } else { format!("{text} {body}") }, &keys)
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

/// The keys behind ids that principals carry: without a store a record that is named by key goes by a fixed id.
fn keys(snapshot: &Snapshot, principals: &[&Node]) -> BTreeMap<String, String> {
    let mut pairs = Vec::new();
    principals.iter().for_each(|node| gather(node, &mut pairs, 0));
    let mut keys = BTreeMap::new();
    for (key, system) in pairs {
        for entity in snapshot.schema.entities() {
            let native = NativeKey {
                entity: EntityName::new(entity.name.as_str()),
                system: SystemName::new(system.as_str()),
                native: key.as_str().into(),
            };
            if let Some(id) = MadeUp.ids(&[native]).ok().and_then(|ids| ids.first().map(|id| id.text())) {
                keys.insert(id.to_string(), key.clone());
            }
        }
    }
    keys
}

/// LIMIT: how deep keys stand in a file.
const DEPTH_MAX: usize = 16;

fn gather(node: &Node, pairs: &mut Vec<(String, String)>, depth: usize) {
    if depth > DEPTH_MAX {
        return;
    }
    let text = |name: &str| node.get(name).and_then(Node::as_text).map(str::to_owned);
    if let (Some(key), Some(of)) = (text("key"), text("of")) {
        pairs.push((key, of));
    }
    let deeper = depth.saturating_add(1);
    node.as_map().unwrap_or_default().iter().for_each(|(_, inner)| gather(inner, pairs, deeper));
    node.as_list().unwrap_or_default().iter().for_each(|inner| gather(inner, pairs, deeper));
}

fn named(mut text: String, keys: &BTreeMap<String, String>) -> String {
    for (id, key) in keys {
        text = text.replace(id, key);
    }
    text
}
