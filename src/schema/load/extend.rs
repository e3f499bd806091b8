//! A company's own fields beside ours: a file with `x-extends` adds to an entity and takes nothing from it.
//!
//! Promises: what an entity's own file says of a field stands; a field is described once; a mistake is told at the
//! line of the file that holds it. `customer.acme.yaml` reads:
//!
//! ```yaml
//! x-extends: Customer
//! properties:
//!   loyalty_tier: { type: string, enum: [silver, gold], x-class: internal, description: "Tier in the loyalty programme" }
//! ```

use std::sync::Arc;

use super::check_stem;
use crate::words::{
    Diagnostic, Diagnostics,
    tree::{Key, Node, Value},
    yaml::{Keys, Spanned, expected},
};

/// The key by which a file says whose fields it adds to.
pub(super) const EXTENDS: &str = "x-extends";
/// What may be added to in an object or a list that both files describe.
const MEETING: [&str; 3] = ["properties", "required", "items"];

/// Puts the files that add to entities into those entities' own files; the rest comes back as it was.
pub(super) fn merged(files: &[(Arc<str>, Node)], found: &mut Diagnostics) -> Vec<(Arc<str>, Node)> {
    let (additions, mut own): (Vec<_>, Vec<_>) =
        files.iter().cloned().partition(|(_, node)| node.get(EXTENDS).is_some());
    for (file, node) in &additions {
        add(file, node, &mut own, found);
    }
    own
}

fn add(file: &Arc<str>, node: &Node, own: &mut [(Arc<str>, Node)], found: &mut Diagnostics) {
    let Some(mut keys) = Keys::of(node, found) else { return };
    let name: Option<Spanned<String>> = keys.required(EXTENDS, found);
    let properties = keys.take("properties");
    let (required, definitions) = (keys.take("required"), keys.take("$defs"));
    for word in ["$schema", "$comment", "description"] {
        keys.take(word);
    }
    keys.finish(found);
    let Some(name) = name else { return };
    check_stem(file, &name, found);
    if properties.or(definitions).is_none() {
        found.error(&node.place, "it adds nothing: fields stand under `properties`");
    }
    let title = |node: &Node| node.get("title").and_then(Node::as_text).map(str::to_owned);
    let names: Vec<String> = own.iter().filter_map(|(_, node)| title(node)).collect();
    let Some((_, base)) = own.iter_mut().find(|(_, node)| title(node).as_ref() == Some(&name.value)) else {
        let error = Diagnostic::error(&name.place, format!("there is no entity `{}` to add to", name.value));
        found.push(error.suggest(&name.value, names.iter().map(String::as_str)));
        return;
    };
    for (word, more) in [("properties", properties), ("$defs", definitions)] {
        if let Some(more) = more {
            fields(base, word, more, found);
        }
    }
    if let Some(more) = required {
        names_of_required(base, more, found);
    }
}

/// Adds the entries of a map that stands under `word`.
fn fields(base: &mut Node, word: &str, more: &Node, found: &mut Diagnostics) {
    let Some(additions) = more.as_map() else { return expected(more, "a map of fields", found) };
    let Some(into) = child(base, word, || Value::Map(Vec::new()), more) else { return };
    let Value::Map(pairs) = &mut into.value else { return };
    for (key, node) in additions {
        match pairs.iter_mut().find(|(known, _)| known.text == key.text) {
            Some((known, own)) => meet(known, own, key, node, found),
            None => pairs.push((key.clone(), node.clone())),
        }
    }
}

/// Both describe it: that is well where the addition only adds to what stands inside.
fn meet(known: &Key, own: &mut Node, key: &Key, node: &Node, found: &mut Diagnostics) {
    let adds = node.as_map().filter(|pairs| {
        !pairs.is_empty() && pairs.iter().all(|(word, _)| MEETING.contains(&word.text.as_str()))
    });
    let Some(pairs) = adds else {
        let message = format!("`{}` is described at {} already", key.text, known.place);
        found.push(Diagnostic::error(&key.place, message).help(
            "give your field a name of its own; inside a group or list only `properties` can be added",
        ));
        return;
    };
    for (word, more) in pairs {
        match (word.text.as_str(), own.get(&word.text).is_some()) {
            ("properties", true) => fields(own, "properties", more, found),
            ("required", _) if own.get("properties").is_some() => names_of_required(own, more, found),
            ("items", true) => {
                if let Value::Map(inner) = &mut own.value
                    && let Some((at, items)) = inner.iter_mut().find(|(known, _)| known.text == "items")
                {
                    meet(at, items, word, more, found);
                }
            }
            _ => {
                let message = format!("`{}` has no `{}` to add to", key.text, word.text);
                let error = Diagnostic::error(&word.place, message);
                found.push(match own.get("$ref").and_then(Node::as_text) {
                    Some(target) => {
                        error.help(format!("it stands under `{target}`: add to that under `$defs`"))
                    }
                    None => error,
                });
            }
        }
    }
}

fn names_of_required(base: &mut Node, more: &Node, found: &mut Diagnostics) {
    let Some(names) = more.as_list() else { return expected(more, "a list of fields", found) };
    if let Some(into) = child(base, "required", || Value::List(Vec::new()), more)
        && let Value::List(items) = &mut into.value
    {
        items.extend(names.iter().cloned());
    }
}

/// What stands under a key; made where nothing does, with the place of what is put there.
fn child<'a>(base: &'a mut Node, word: &str, made: impl Fn() -> Value, from: &Node) -> Option<&'a mut Node> {
    let Value::Map(pairs) = &mut base.value else { return None };
    if !pairs.iter().any(|(key, _)| key.text == word) {
        let key = Key { text: word.to_owned(), place: from.place.clone() };
        pairs.push((key, Node { value: made(), place: from.place.clone() }));
    }
    pairs.iter_mut().find(|(key, _)| key.text == word).map(|(_, node)| node)
}
