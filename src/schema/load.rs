//! An entity's file — JSON Schema 2020-12 in YAML — compiled into an [`Entity`].
//!
//! Promises: every mistake of a file is told at once, with its place; a keyword we do not know is an error,
//! because a constraint that is silently ignored is worse than none; every leaf says its class. Local
//! references (`$ref: "#/$defs/Address"`) are written out at load, without cycles and within bounds. A file with
//! `x-extends` adds a company's own fields to an entity.

mod editor;
mod extend;
mod node;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use self::editor::file_schema;
use self::node::{Compiler, Link};
use super::contact::Contact;
use super::entity::{Class, ElementOf, Entity, Leaf, LeafKind, Object, Schema};
use super::fields::LeafId;
use crate::words::{
    CollectionName, Diagnostic, Diagnostics, EntityName, FieldPath, Place,
    tree::Node,
    yaml::{FromYaml, Keys, Spanned, expected},
};

/// The dialect a file may name.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// Names of query parameters: no field of a record's root may be called so.
pub const RESERVED: [&str; 5] = ["fields", "sort", "limit", "cursor", "include"];
/// Where an answer has what stands beside a record: no field of a record's root may be called so either.
pub const INCLUDED: &str = "included";
/// The name under which an answer says which fields it lacks; no field may be called so.
pub const PARTIAL: &str = "partial";
/// What `x-subject` says for "the record itself".
pub const SELF: &str = "self";
/// Longest name of an entity, a collection or a field.
const NAME_CHARS_MAX: usize = 64;

/// Compiles one file.
///
/// What needs other files (whether `x-ref` names an entity) is left to [`schema`].
pub fn entity(file: &Arc<str>, node: &Node, found: &mut Diagnostics) -> Option<Entity> {
    compile(file, node, found).map(|compiled| compiled.entity)
}

/// Compiles all files and checks what one says of another.
///
/// # Errors
/// Every mistake of every file, when one of them is an error.
pub fn schema(files: &[(Arc<str>, Node)]) -> Result<(Schema, Diagnostics), Diagnostics> {
    let mut found = Diagnostics::default();
    let files = extend::merged(files, &mut found);
    let compiled: Vec<Compiled> =
        files.iter().filter_map(|(file, node)| compile(file, node, &mut found)).collect();
    check_unique(&compiled, &mut found);
    // A file that did not compile may be the one a reference names: then its own errors say enough.
    if compiled.len() == files.len() {
        check_links(&compiled, &mut found);
        check_elements(&compiled, &mut found);
    }
    let entities = compiled.into_iter().map(|compiled| Arc::new(compiled.entity)).collect();
    found.finish(Schema::new(entities))
}

struct Compiled {
    entity: Entity,
    name: Place,
    collection: Place,
    links: Vec<Link>,
    elements: Vec<(ElementOf, Place)>,
}

fn compile(file: &Arc<str>, node: &Node, found: &mut Diagnostics) -> Option<Compiled> {
    let before = found.0.len();
    let compiled = compile_file(file, node, found);
    // One definition used in several places tells its mistakes once.
    let mut told = std::collections::HashSet::new();
    let tail = found.0.split_off(before);
    found.0.extend(tail.into_iter().filter(|one| told.insert((one.place.start, one.message.clone()))));
    let failed = found.0.iter().skip(before).any(|one| one.severity == crate::words::Severity::Error);
    compiled.filter(|_| !failed)
}

fn compile_file(file: &Arc<str>, node: &Node, found: &mut Diagnostics) -> Option<Compiled> {
    let mut keys = Keys::of(node, found)?;
    if let Some(dialect) = keys.take("$schema").filter(|dialect| dialect.as_text() != Some(DIALECT)) {
        expected(dialect, &format!("`{DIALECT}`"), found);
    }
    keys.take("$comment");
    let name: Option<Spanned<String>> = keys.required("title", found);
    let collection: Option<Spanned<String>> = keys.required("x-collection", found);
    let description = keys.required::<String>("description", found);
    let subject: Option<Option<Spanned<String>>> = keys.or("x-subject", || None, found);
    let definitions = keys.take("$defs");
    for shared in ["type", "required", "properties"] {
        keys.take(shared);
    }
    keys.finish(found);

    check_name(file, name.as_ref(), found);
    if let Some(collection) = collection.as_ref().filter(|name| !is_collection_name(&name.value)) {
        let message = format!("`{}` is no name of a collection", collection.value);
        found.push(
            Diagnostic::error(&collection.place, message).help("lower case with `-`, as in `stock-levels`"),
        );
    }
    let mut compiler = Compiler::new(definitions, subject.flatten(), found);
    let root = compiler.root(node);
    let (leaves, links, elements) = compiler.finish();
    let (name, collection) = (name?, collection?);
    check_root(node, &root, &leaves, found);
    Some(Compiled {
        entity: Entity {
            name: EntityName::new(name.value),
            collection: CollectionName::new(collection.value),
            description: description.unwrap_or_default().into(),
            root,
            contacts: Contact::of(&leaves),
            leaves,
        },
        name: name.place,
        collection: collection.place,
        links,
        elements,
    })
}

fn check_name(file: &Arc<str>, name: Option<&Spanned<String>>, found: &mut Diagnostics) {
    let Some(name) = name else { return };
    if !is_entity_name(&name.value) {
        let message = format!("`{}` is no name of an entity", name.value);
        found.push(Diagnostic::error(&name.place, message).help("words run together, as in `StockLevel`"));
        return;
    }
    check_stem(file, name, found);
}

/// A file is called as its entity: `stock_level.yaml`, or `stock_level.acme.yaml` where it adds to it.
fn check_stem(file: &Arc<str>, name: &Spanned<String>, found: &mut Diagnostics) {
    let stem = file.rsplit('/').next().and_then(|last| last.split('.').next()).unwrap_or_default();
    let expected = snake(&name.value);
    if stem != expected {
        let message = format!("the file `{stem}.yaml` describes `{}`", name.value);
        found.push(Diagnostic::warning(&name.place, message).help(format!("call it `{expected}.yaml`")));
    }
}

fn check_root(node: &Node, root: &Object, leaves: &[Leaf], found: &mut Diagnostics) {
    let properties = node.get("properties").unwrap_or(node);
    let first = leaves.first().map(|leaf| (leaf.path.as_str(), &leaf.kind, leaf.reference.is_none()));
    if !root.fields.is_empty() && first != Some(("id", &LeafKind::Id, true)) {
        let message = "the first field of an entity is `id`, text that names the record";
        found.error(&properties.place, message);
    }
    if let Some(id) = root.fields.first().filter(|field| &*field.name == "id" && !field.read_only) {
        let place = properties.get(&id.name).map_or(&properties.place, |node| &node.place);
        let error = Diagnostic::error(place, "ids are given by systems, never by callers");
        found.push(error.help("add `readOnly: true`"));
    }
    for (key, _) in properties.as_map().unwrap_or_default() {
        if RESERVED.contains(&key.text.as_str()) {
            let message = format!("`{}` is a query parameter, so no field may be called so", key.text);
            found.error(&key.place, message);
        }
        if key.text == PARTIAL {
            let message = format!("`{PARTIAL}` says what an answer lacks, so no field may be called so");
            found.error(&key.place, message);
        }
        if key.text == INCLUDED {
            let message =
                format!("`{INCLUDED}` holds what stands beside a record, so no field may be called so");
            found.error(&key.place, message);
        }
    }
}

fn check_unique(compiled: &[Compiled], found: &mut Diagnostics) {
    for (index, this) in compiled.iter().enumerate() {
        for earlier in compiled.iter().take(index) {
            if earlier.entity.name == this.entity.name {
                let message =
                    format!("entity `{}` is described at {} already", this.entity.name, earlier.name);
                found.error(&this.name, message);
            }
            if earlier.entity.collection == this.entity.collection {
                let message = format!(
                    "collection `{}` belongs to `{}` already",
                    this.entity.collection, earlier.entity.name
                );
                found.error(&this.collection, message);
            }
        }
    }
}

fn check_links(compiled: &[Compiled], found: &mut Diagnostics) {
    let names: Vec<&str> = compiled.iter().map(|compiled| compiled.entity.name.as_str()).collect();
    for link in compiled.iter().flat_map(|compiled| &compiled.links) {
        if !names.contains(&link.entity.as_str()) {
            let message = format!("there is no entity `{}`", link.entity);
            found.push(
                Diagnostic::error(&link.place, message).suggest(link.entity.as_str(), names.iter().copied()),
            );
        }
    }
}

/// Tells lists of other entities that are named and have no elements with ids.
fn check_elements(compiled: &[Compiled], found: &mut Diagnostics) {
    for this in compiled {
        for (of, place) in &this.elements {
            let record = this.entity.leaf_at(of.record.as_str());
            let Some(name) = record.and_then(|record| this.entity.points_to(record)) else { continue };
            let Some(other) = compiled.iter().find(|other| other.entity.name == *name) else { continue };
            let ids = other.entity.ids().filter_map(|leaf| other.entity.names_element(leaf));
            let mut ids = ids.filter(|(record, ..)| *record == LeafId(0)).map(|(.., id)| id);
            if !ids.any(|id| *id == of.id) {
                let list = of.id.as_str().trim_end_matches(".id");
                found.error(place, format!("`{name}` has no list `{list}` whose elements have an `id`"));
            }
        }
    }
}

/// Whether a path may stand as a subject: `self`, or a reference outside lists.
fn is_subject(leaves: &[Leaf], path: &FieldPath) -> bool {
    path.as_str() == SELF
        || leaves.iter().any(|leaf| leaf.path == *path && leaf.reference.is_some() && !leaf.in_list)
}

fn is_entity_name(name: &str) -> bool {
    name.len() <= NAME_CHARS_MAX
        && name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.chars().all(|each| each.is_ascii_alphanumeric())
}

fn is_collection_name(name: &str) -> bool {
    name.len() <= NAME_CHARS_MAX
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.chars().all(|each| each.is_ascii_lowercase() || each.is_ascii_digit() || each == '-')
}

fn is_field_name(name: &str) -> bool {
    name.len() <= NAME_CHARS_MAX
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|each| each.is_ascii_lowercase() || each.is_ascii_digit() || each == '_')
}

/// `StockLevel` → `stock_level`.
fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for each in name.chars() {
        if each.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(each.to_ascii_lowercase());
    }
    out
}

impl FromYaml for Class {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let Some(text) = node.as_text() else {
            expected(node, "a class", found);
            return None;
        };
        let class = Self::ALL.into_iter().find(|class| class.as_str() == text);
        if class.is_none() {
            let error = Diagnostic::error(&node.place, format!("`{text}` is no class"));
            found.push(error.suggest(text, Self::ALL.map(Self::as_str)));
        }
        class
    }

    fn schema() -> serde_json::Value {
        serde_json::json!({ "enum": Self::ALL.map(Self::as_str) })
    }
}
