//! Fields and collections as OData spells them: `/` between the steps of a path, no `-` in a name.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::fault::{Fault, told};
use crate::{
    schema::{Entity, FieldSet, Leaf, LeafKind, Shape, query::QueryFaultKind},
    words::nearest,
};

/// The namespace of every type.
pub const NAMESPACE: &str = "bramka";

/// The entity set of a collection: an identifier, which a `-` cannot stand in.
pub fn set(entity: &Entity) -> String {
    entity.collection.as_str().replace('-', "_")
}

/// The type of a value. A masked one keeps it.
pub(super) fn primitive(kind: &LeafKind) -> &'static str {
    match kind {
        LeafKind::Text { .. } | LeafKind::Code(_) | LeafKind::Id => "Edm.String",
        LeafKind::Decimal => "Edm.Decimal",
        LeafKind::Integer => "Edm.Int64",
        LeafKind::Boolean => "Edm.Boolean",
        LeafKind::Date => "Edm.Date",
        LeafKind::Instant => "Edm.DateTimeOffset",
    }
}

/// What a key may hold in an address as it is.
const KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'\'');

/// The address of a record under the service's: `orders('7')`.
pub(super) fn address(entity: &Entity, id: &str) -> String {
    format!("{}('{}')", set(entity), utf8_percent_encode(&id.replace('\'', "''"), KEY))
}

/// The properties that a selection comes to, as a context names them: groups that are whole by their name.
pub(super) fn selected(entity: &Entity, columns: &FieldSet) -> Vec<String> {
    let mut out = Vec::new();
    for field in &entity.root.fields {
        let chosen = FieldSet::of_range(&field.leaves).intersection(columns);
        match &field.shape {
            _ if chosen.is_empty() => {}
            Shape::Object(_) if chosen.len() < field.leaves.len() => {
                out.extend(chosen.iter().filter_map(|id| entity.leaf(id)).map(of));
            }
            Shape::Object(_) | Shape::Leaf(_) | Shape::List(_) => out.push(field.name.to_string()),
        }
    }
    out
}

/// A leaf's path.
pub(super) fn of(leaf: &Leaf) -> String {
    leaf.path.as_str().replace('.', "/")
}

/// A field that does not exist, or may not serve: one and the same. `path` has dots; a hint names only what would
/// have been taken.
pub(super) fn unknown(option: &str, entity: &Entity, known: &FieldSet, path: &str) -> Fault {
    let path = told(&path.replace('.', "/"));
    let known: Vec<String> = known.iter().filter_map(|id| entity.leaf(id)).map(of).collect();
    let message = match nearest(&path, known.iter().map(String::as_str)) {
        Some(near) => format!("unknown field `{path}`, did you mean `{near}`?"),
        None => format!("unknown field `{path}`"),
    };
    Fault::of(option, QueryFaultKind::Unknown, message)
}

/// A field that the system does not hold: no record would fit, and a tool would take that for the truth.
pub(super) fn unheld(option: &str, leaf: &Leaf) -> Fault {
    let message = format!("the system behind this collection does not hold `{}`", of(leaf));
    Fault::of(option, QueryFaultKind::Unknown, message)
}

/// Whether a list stands at a path (with dots), inside another list or not.
pub(super) fn is_list(entity: &Entity, path: &str) -> bool {
    let mut object = &entity.root;
    let mut steps = path.split('.').peekable();
    while let Some(step) = steps.next() {
        let Some((_, field)) = object.field(step) else { return false };
        let mut shape = &field.shape;
        if steps.peek().is_none() {
            return matches!(shape, Shape::List(_));
        }
        while let Shape::List(item) = shape {
            shape = item;
        }
        let Shape::Object(inner) = shape else { return false };
        object = inner;
    }
    false
}
