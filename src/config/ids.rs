//! `ids`: whether callers see ids of the gate's own or the systems' keys, and how a bundle names a record then.
//!
//! Ids are random, so nobody can write one into a bundle before the record was read once: an attribute of a principal
//! that is a reference may say `{ key: "20000", of: erp }` instead, which becomes the record's id when the bundle is
//! loaded, before anybody else reads the file. What is neither an id nor such a key does not load.

use std::{collections::HashMap, sync::Arc};

use serde_json::{Value as Json, json};

use super::bundle::Sheet;
use crate::{
    crosswalk::{Naming, PublicId},
    policy::Policies,
    schema::{Entity, FieldSet, LeafId, Schema},
    store::NativeKey,
    words::{
        Diagnostic, Diagnostics, EntityName, FieldPath, Place, SystemName,
        tree::{Node, Scalar, Value},
        yaml::{FromYaml, Keys, Named, Spanned, expected},
    },
    yaml_words,
};

yaml_words! {
    /// What callers see as the id of a record.
    pub enum IdForm {
        /// A random id of the gate's own, which stays when another system serves the collection.
        Opaque = "opaque",
        /// The key by which the serving system knows it.
        Keys = "keys",
    }
}

/// `ids:` of `gateway.yaml`: one word for all collections, or one by collection; those left out are opaque.
#[derive(Clone, Debug)]
pub enum IdSettings {
    /// The same for all.
    All(IdForm),
    /// By collection.
    Each(Vec<(Spanned<String>, IdForm)>),
}

impl Default for IdSettings {
    fn default() -> Self {
        Self::All(IdForm::Opaque)
    }
}

impl FromYaml for IdSettings {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        match &node.value {
            Value::Map(_) => Named::<IdForm>::read(node, found).map(|each| Self::Each(each.0)),
            Value::Scalar(_) => IdForm::read(node, found).map(Self::All),
            Value::Null | Value::List(_) => {
                expected(node, "`opaque`, `keys`, or one of them by collection", found);
                None
            }
        }
    }

    fn schema() -> Json {
        json!({ "oneOf": [IdForm::schema(), Named::<IdForm>::schema()] })
    }
}

/// What of each entity's records is an id that callers see in the gate's own form.
#[derive(Clone, Debug, Default)]
pub struct Ids {
    /// Leaves by entity; those with none have no row.
    leaves: HashMap<EntityName, FieldSet>,
    /// Entities whose records have such ids.
    opaque: Vec<EntityName>,
    /// Leaves by entity that are ids of elements; those with none have no row.
    elements: HashMap<EntityName, Vec<ElementLeaf>>,
}

/// A leaf that is the id of an element of a list.
#[derive(Clone, Debug)]
pub struct ElementLeaf {
    /// The leaf.
    pub leaf: LeafId,
    /// What names the record whose list it is.
    pub record: LeafId,
    /// Of what entity that is.
    pub of: EntityName,
    /// Where elements of the list say their ids: `lines.id`.
    pub path: FieldPath,
}

impl Ids {
    /// Puts settings and schema together; tells collections that there are none of.
    pub(super) fn of(settings: &IdSettings, schema: &Schema, found: &mut Diagnostics) -> Self {
        if let IdSettings::Each(each) = settings {
            for (collection, _) in each.iter().filter(|(name, _)| schema.collection(&name.value).is_none()) {
                let message = format!("there is no collection `{}` in `schema/`", collection.value);
                let known = schema.entities().iter().map(|entity| entity.collection.as_str());
                found.push(Diagnostic::error(&collection.place, message).suggest(&collection.value, known));
            }
        }
        let is_opaque = |entity: &Entity| match settings {
            IdSettings::All(form) => *form == IdForm::Opaque,
            IdSettings::Each(each) => {
                let said = each.iter().find(|(name, _)| name.value == entity.collection.as_str());
                said.is_none_or(|(_, form)| *form == IdForm::Opaque)
            }
        };
        let opaque: Vec<EntityName> = schema
            .entities()
            .iter()
            .filter(|entity| is_opaque(entity))
            .map(|entity| entity.name.clone())
            .collect();
        let leaves = schema.entities().iter().filter_map(|entity| {
            let leaves = leaves(entity, &opaque);
            (!leaves.is_empty()).then(|| (entity.name.clone(), leaves))
        });
        let elements =
            schema.entities().iter().map(|entity| (entity.name.clone(), elements(entity, &opaque)));
        let elements = elements.filter(|(_, elements)| !elements.is_empty()).collect();
        Self { leaves: leaves.collect(), elements, opaque }
    }

    /// The leaves of an entity that hold such ids: its own, and references.
    pub fn leaves(&self, entity: &Entity) -> FieldSet {
        self.leaves.get(&entity.name).copied().unwrap_or(FieldSet::EMPTY)
    }

    /// The leaves of an entity that are ids of elements of lists of such records.
    pub fn elements(&self, entity: &Entity) -> &[ElementLeaf] {
        self.elements.get(&entity.name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether records of an entity have such ids.
    pub fn are_opaque(&self, entity: &str) -> bool {
        self.opaque.iter().any(|name| name.as_str() == entity)
    }
}

fn leaves(entity: &Entity, opaque: &[EntityName]) -> FieldSet {
    let is_id = |leaf: &LeafId| entity.points_to(*leaf).is_some_and(|name| opaque.contains(name));
    entity.ids().filter(is_id).collect()
}

fn elements(entity: &Entity, opaque: &[EntityName]) -> Vec<ElementLeaf> {
    let element = |leaf| {
        let (record, of, path) = entity.names_element(leaf)?;
        opaque.contains(of).then(|| ElementLeaf { leaf, record, of: of.clone(), path: path.clone() })
    };
    entity.ids().filter_map(element).collect()
}

/// The files of `principals/` with ids in the places of keys. `systems` are the names of systems that there are.
pub(crate) fn named(
    sheets: &[Sheet],
    settings: &IdSettings,
    schema: Option<&Schema>,
    systems: &[&str],
    naming: &dyn Naming,
    found: &mut Diagnostics,
) -> Vec<(Arc<str>, Node)> {
    let mut nodes: Vec<(Arc<str>, Node)> =
        sheets.iter().map(|sheet| (sheet.file.clone(), sheet.node.clone())).collect();
    let ids = schema.map(|schema| Ids::of(settings, schema, &mut Diagnostics::default()));
    let form = |entity: &str| match &ids {
        Some(ids)
            if schema.is_some_and(|schema| schema.entity(entity).is_some()) && ids.are_opaque(entity) =>
        {
            IdForm::Opaque
        }
        Some(_) | None => IdForm::Keys,
    };
    let references = references(&nodes);
    let mut keyed = Vec::new();
    for (_, node) in nodes.iter_mut().filter(|(file, _)| !is_types(file)) {
        each_attribute(node, &mut |name, value| {
            if let Some(entity) = references.get(name) {
                read(value, entity, form(entity.as_str()), systems, &mut keyed, found);
            }
        });
    }
    give(&mut nodes, keyed, naming, found);
    nodes
}

/// Whether a file types attributes rather than giving them.
fn is_types(file: &str) -> bool {
    file.rsplit('/').next() == Some("attributes.yaml")
}

/// The attributes that are references, and to what.
fn references(nodes: &[(Arc<str>, Node)]) -> HashMap<String, EntityName> {
    let types = nodes.iter().filter(|(file, _)| is_types(file)).map(|(_, node)| node);
    let pairs = types.filter_map(|node| node.get("attributes")?.as_map()).flatten();
    let reference = |(name, typed): &(crate::words::tree::Key, Node)| {
        (typed.get("type")?.as_text()? == "reference").then_some(())?;
        Some((name.text.clone(), EntityName::new(typed.get("entity")?.as_text()?)))
    };
    pairs.filter_map(reference).collect()
}

/// Calls `see` with every attribute of a file: those of a partner, and of its principals.
fn each_attribute(node: &mut Node, see: &mut dyn FnMut(&str, &mut Node)) {
    let Value::Map(pairs) = &mut node.value else { return };
    for (key, value) in pairs {
        match (key.text.as_str(), &mut value.value) {
            ("attributes", Value::Map(attributes)) => {
                attributes.iter_mut().for_each(|(name, value)| see(&name.text, value));
            }
            ("principals", Value::List(principals)) => {
                for principal in principals {
                    let Value::Map(pairs) = &mut principal.value else { continue };
                    for (_, carried) in pairs.iter_mut().filter(|(key, _)| key.text == "attributes") {
                        let Value::Map(attributes) = &mut carried.value else { continue };
                        attributes.iter_mut().for_each(|(name, value)| see(&name.text, value));
                    }
                }
            }
            _ => {}
        }
    }
}

/// A key that waits for its id, and where it stands.
struct Keyed {
    key: NativeKey,
    place: Place,
}

/// Reads one reference: an id stays as it is, a key waits.
fn read(
    node: &mut Node,
    entity: &EntityName,
    form: IdForm,
    systems: &[&str],
    keyed: &mut Vec<Keyed>,
    found: &mut Diagnostics,
) {
    let place = node.place.clone();
    match &node.value {
        Value::Map(_) => {
            let Some((key, system)) = key_of(node, found) else {
                node.value = Value::Null;
                return;
            };
            if !systems.contains(&system.value.as_str()) {
                let message = format!("there is no system `{}` in `systems/`", system.value);
                let known = systems.iter().copied();
                found.push(Diagnostic::error(&system.place, message).suggest(&system.value, known));
            }
            if form == IdForm::Opaque && systems.contains(&system.value.as_str()) {
                let system = SystemName::new(system.value.as_str());
                let native = key.as_str().into();
                keyed.push(Keyed { key: NativeKey { entity: entity.clone(), system, native }, place });
                return;
            }
            node.value = Value::Scalar(Scalar { text: key, quoted: true });
        }
        Value::Scalar(scalar) if form == IdForm::Opaque && !scalar.text.is_empty() => {
            if scalar.text.parse::<PublicId>().is_err() {
                let message = format!("`{}` is no id of a {entity}", scalar.text);
                found.push(Diagnostic::error(&place, message).help(format!(
                    "write `{{ key: \"{}\", of: SYSTEM }}` for the record that a system knows by that key",
                    scalar.text
                )));
            }
        }
        Value::Scalar(_) | Value::Null | Value::List(_) => {}
    }
}

fn key_of(node: &Node, found: &mut Diagnostics) -> Option<(String, Spanned<String>)> {
    let mut keys = Keys::of(node, found)?;
    let key: Option<Spanned<String>> = keys.required("key", found);
    let system: Option<Spanned<String>> = keys.required("of", found);
    keys.finish(found);
    let (key, system) = (key?, system?);
    if key.value.is_empty() {
        found.error(&key.place, "a key is not empty");
        return None;
    }
    Some((key.value, system))
}

/// Puts ids in the places of keys, all of them with one question.
fn give(nodes: &mut [(Arc<str>, Node)], keyed: Vec<Keyed>, naming: &dyn Naming, found: &mut Diagnostics) {
    let Some(first) = keyed.first() else { return };
    let keys: Vec<NativeKey> = keyed.iter().map(|keyed| keyed.key.clone()).collect();
    let ids = match naming.ids(&keys) {
        Ok(ids) => ids,
        Err(error) => {
            let message =
                format!("the ids of records that are named by key cannot be had: {}", cause(&error));
            found.push(Diagnostic::error(&first.place, message).help("the store must be there to load this"));
            return;
        }
    };
    let mut given = keyed.iter().zip(ids).map(|(keyed, id)| (&keyed.place, id)).peekable();
    for (_, node) in nodes.iter_mut().filter(|(file, _)| !is_types(file)) {
        each_attribute(node, &mut |_, value| {
            // They were found in this very order.
            if matches!(value.value, Value::Map(_))
                && let Some((_, id)) = given.next_if(|(place, _)| **place == value.place)
            {
                value.value = Value::Scalar(Scalar { text: id.to_string(), quoted: true });
            }
        });
    }
}

fn cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Tells statements that name a record by what is no id.
pub(super) fn check(policies: &Policies, ids: &Ids) -> Diagnostics {
    policies.nameless(|entity, id| !ids.are_opaque(entity) || id.parse::<PublicId>().is_ok())
}
