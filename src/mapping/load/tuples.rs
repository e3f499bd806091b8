//! `ref` with a list of places: what the key of the record referred to is made of, and how many parts that is.

use std::{collections::HashMap, sync::Arc};

use super::{
    Defaults,
    fields::{At, FilterPlace, Loader, WriteWord},
    lines, pairs,
};
use crate::{
    mapping::{
        path::Path,
        trie::Frame,
        tuple::{Tuple, TuplePart},
    },
    schema::LeafId,
    words::{
        Diagnostic, Diagnostics,
        tree::Node,
        yaml::{Keys, expected},
    },
};

/// What keys of a file's records are made of, by the entities' names. Mistakes in them are told where they are loaded.
#[derive(Default)]
pub(super) struct KeyWords(HashMap<String, KeyWord>);

/// One of them.
struct KeyWord {
    /// Each part, and what it is in every record.
    parts: Vec<(Path, Option<Box<str>>)>,
    /// What every record says of itself.
    narrow: Vec<(Path, Box<str>)>,
}

impl KeyWords {
    /// Of the entities of a file.
    pub(super) fn read(node: Option<&Node>, settings: &HashMap<String, String>) -> Self {
        let entities = node.and_then(Node::as_map).unwrap_or_default();
        let word = |node: &Node| {
            let text = |node: &Node| node.as_text().map(str::to_owned);
            let narrow: Vec<_> = pairs(node.get("where"), &mut Diagnostics::default())
                .iter()
                .filter_map(|(key, value)| {
                    let text = text(value)?;
                    let named = text.strip_prefix("$settings.").and_then(|name| settings.get(name));
                    Some((Path::parse(&key.text).ok()?, named.cloned().unwrap_or(text).into()))
                })
                .collect();
            let at = |node: &Node| Path::parse(node.get("at").unwrap_or(node).as_text()?).ok();
            let parts: Vec<_> = match node.get("key") {
                Some(key) if key.as_list().is_some() => {
                    key.as_list().unwrap_or_default().iter().filter_map(at).collect()
                }
                Some(key) => at(key).into_iter().collect(),
                None => Path::parse("id").into_iter().collect(),
            };
            let of_several = parts.len() > 1;
            let fixed = |at: &Path| {
                let narrow = narrow.iter().find(|(path, _): &&(Path, Box<str>)| path == at);
                narrow.filter(|_| of_several).map(|(_, is)| is.clone())
            };
            let parts = parts.iter().map(|at| (at.clone(), fixed(at))).collect();
            KeyWord { parts, narrow }
        };
        Self(entities.iter().map(|(key, node)| (key.text.clone(), word(node))).collect())
    }
}

impl KeyWord {
    fn free(&self) -> usize {
        self.parts.iter().filter(|(_, fixed)| fixed.is_none()).count()
    }

    /// What of so many places is fixed; none where they are not those of the key.
    fn of(&self, count: usize) -> Option<Vec<Option<Box<str>>>> {
        match count {
            all if all == self.parts.len() => {
                Some(self.parts.iter().map(|(_, fixed)| fixed.clone()).collect())
            }
            free if free == self.free() => Some(vec![None; free]),
            _ => None,
        }
    }

    fn told(&self) -> String {
        self.parts.iter().map(|(at, _)| format!("`{at}`")).collect::<Vec<_>>().join(", ")
    }
}

impl Loader<'_> {
    /// A reference in one place: the key that it points to has one part.
    pub(super) fn is_single(&mut self, name: &str, node: &Node) {
        let Some(word) = self.defaults.keys.0.get(name).filter(|word| word.free() > 1) else { return };
        let text = format!("the key of `{name}` has {} parts: {}", word.parts.len(), word.told());
        self.found.push(
            Diagnostic::error(&node.place, text).help("name a native path for each of them: `at: [ …, … ]`"),
        );
    }

    /// The entity that a `ref` names; none where its keys are another system's, which is told.
    fn of_this_file(&mut self, node: Option<&Node>) -> Option<Option<String>> {
        if let Some(of) = node.and_then(|node| node.get("of")) {
            let text = "a key of another system stands in one place";
            let help = "what the parts of a key are is known of records of this file alone";
            self.found.push(Diagnostic::error(&of.place, text).help(help));
            return None;
        }
        Some(node.and_then(Node::as_text).map(str::to_owned))
    }

    /// A reference in several places, one for each part of the key.
    pub(super) fn tuple(
        &mut self,
        at: At<'_>,
        leaf: LeafId,
        node: &Node,
        frame: &mut Frame,
    ) -> Option<Tuple> {
        let defaults: &Defaults = self.defaults;
        let mut keys = Keys::of(node, self.found)?;
        let places: Option<Node> = keys.required("at", self.found);
        keys.take("when");
        let write = self.write_word(&mut keys);
        let name = self.of_this_file(keys.take("ref"))?;
        let is_asked = keys.take("filter_at").map(|node| node.as_text() != Some("never"));
        keys.finish(self.found);
        let wanted = self.entity.leaf(leaf).and_then(|leaf| leaf.reference.clone());
        let Some(name) = name.filter(|name| wanted.as_ref().is_some_and(|wanted| wanted.as_str() == name))
        else {
            let text = "several places at once are those of a reference";
            let help = "say `ref: E` with the entity to which the schema points";
            self.found.push(Diagnostic::error(&node.place, text).help(help));
            return None;
        };
        let places = places?;
        let items = places.as_list().unwrap_or_default();
        let Some(word) = defaults.keys.0.get(&name) else {
            let text = format!("this file does not map `{name}`, so nothing says what its key is made of");
            self.found.error(&places.place, text);
            return None;
        };
        let Some(of) = word.of(items.len()) else {
            let text = format!(
                "{} places for a key of {} parts: `{name}` is named by {}",
                items.len(),
                word.parts.len(),
                word.told()
            );
            let help = "name one native path for each part, in their order; those that `where` fixes may all be left out";
            self.found.push(Diagnostic::error(&places.place, text).help(help));
            return None;
        };
        let own = defaults.keys.0.get(self.entity.name.as_str());
        let mut parts = Vec::new();
        for (item, fixed) in items.iter().zip(of) {
            let mut codec = self.codec(leaf);
            let source = match item.as_text() {
                Some(_) => Some(item.clone()),
                None => {
                    let mut keys = Keys::of(item, self.found)?;
                    let source: Option<Node> = keys.required("at", self.found);
                    self.codec_words(leaf, &mut codec, &mut keys);
                    keys.finish(self.found);
                    source
                }
            };
            let native = self.source(&source?)?;
            self.reads(leaf, &native);
            let says = |own: &KeyWord| {
                fixed
                    .as_ref()
                    .is_some_and(|fixed| own.narrow.iter().any(|(path, is)| *path == native && is == fixed))
            };
            // What `where` says of the record itself is written by that.
            let is_written = !(self.list == 0 && own.is_some_and(says));
            let slot = lines::slot(frame, &native, &codec);
            parts.push(TuplePart { slot, at: native, codec: Arc::new(codec), fixed, is_written });
        }
        let (create, update) = self.tuple_written(at, write, &parts, &places);
        self.lines.tuples.push((leaf, self.names_of(&parts, is_asked.unwrap_or(true))));
        Some(Tuple { parts, create, update })
    }

    /// When it is written: with all its parts or not at all.
    fn tuple_written(
        &mut self,
        at: At<'_>,
        write: Option<WriteWord>,
        parts: &[TuplePart],
        node: &Node,
    ) -> (bool, bool) {
        let (mut create, mut update) = (true, true);
        for part in parts {
            let when = self.when_written(at, write, &part.at, &part.at, &node.place);
            (create, update) = (create && when.0, update && when.1);
        }
        if create || update {
            for part in parts.iter().filter(|part| part.is_written) {
                self.writes(&part.at, &at.field.name, &node.place);
            }
        }
        (create, update)
    }

    /// Where filters find the parts that are not fixed; elements of native lists are asked for by none of the dialects.
    fn names_of(&self, parts: &[TuplePart], is_asked: bool) -> Vec<Option<FilterPlace>> {
        let free = parts.iter().filter(|part| part.fixed.is_none());
        free.map(|part| {
            let is_named = is_asked && self.list == 0 && !part.at.is_rooted();
            is_named.then(|| (part.at.clone(), part.codec.clone()))
        })
        .collect()
    }
}

/// A key's words are needed where one is read that names none.
pub(super) fn is_list(node: &Node, found: &mut Diagnostics) -> bool {
    let Some(list) = node.get("at").and_then(Node::as_list) else { return false };
    if list.is_empty() {
        expected(node, "a native path, or one for each part of a key", found);
    }
    true
}
