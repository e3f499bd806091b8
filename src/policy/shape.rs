//! What a statement can read of an entity, and the Cedar schema that says so.
//!
//! A leaf is an attribute, a group of fields a record, a list of values a set where its order means nothing;
//! other lists and the record's own id (`resource == Order::"17"`) are no attributes.

use std::{fmt::Write as _, sync::Arc};

use smallvec::SmallVec;

use super::principals::{AttributeType, PrincipalTypes};
use crate::{
    catalog::Action,
    schema::{Entity, Field, FieldSet, LeafId, LeafKind, Object, Record, Schema, Shape, Value},
    words::{EntityName, Kind},
};

/// Names that Cedar entities of ours have; no entity of the shared schema may be called so.
pub(super) const RESERVED: [&str; 7] = ["App", "Partner", "User", "Anonymous", "Group", "System", "Action"];

/// The way from a record's root to what an attribute stands for.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) steps: SmallVec<[Step; 3]>,
    pub(super) target: Target,
}

/// One step: the position of a field, and whether a record must have it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) position: u16,
    pub(super) required: bool,
}

/// What stands at the end of a route.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Leaf(LeafId, Holds),
    Set(LeafId, Holds),
    Object(FieldSet),
}

/// The type of a leaf as Cedar knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    Text,
    Reference(EntityName),
    Decimal,
    Integer,
    Boolean,
    Date,
    Instant,
}

/// A record is not what its schema says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

impl Route {
    /// The route of an attribute's path, when statements can read it.
    pub(super) fn of(entity: &Entity, names: &[&str]) -> Option<Self> {
        let mut steps = SmallVec::new();
        let mut object = &entity.root;
        let mut names = names.iter();
        let mut name = names.next()?;
        loop {
            let (position, field) = object.field(name)?;
            steps.push(Step { position, required: is_sure(field) });
            match (names.next(), &field.shape) {
                (None, shape) => return target(entity, field, shape).map(|target| Self { steps, target }),
                (Some(next), Shape::Object(inner)) => (name, object) = (next, inner),
                (Some(_), Shape::Leaf(_) | Shape::List(_)) => return None,
            }
        }
    }

    /// The route of a leaf.
    pub(super) fn of_leaf(entity: &Entity, leaf: LeafId) -> Option<Self> {
        let path = entity.leaf(leaf)?.path.as_str().split('.').collect::<SmallVec<[&str; 4]>>();
        Self::of(entity, &path)
    }

    /// The route of the record's own id, which every stored record has.
    pub(super) fn of_id(entity: &Entity) -> Option<Self> {
        let id = entity.leaf(LeafId(0))?.path.as_str();
        let (position, _) = entity.root.field(id)?;
        let steps = SmallVec::from_slice(&[Step { position, required: true }]);
        Some(Self { steps, target: Target::Leaf(LeafId(0), Holds::Text) })
    }

    /// What stands there; nothing for absent, null and empty text, which statements do not tell apart.
    #[inline]
    pub(super) fn find<'a>(&self, record: &'a Record) -> Result<Option<&'a Value>, Broken> {
        let mut fields = &record.fields;
        let mut steps = self.steps.iter().peekable();
        while let Some(step) = steps.next() {
            let found = match fields.at(step.position) {
                None | Some(Value::Null) => None,
                Some(Value::Text(text)) if text.is_empty() => None,
                Some(value) => Some(value),
            };
            match (found, steps.peek()) {
                (None, _) => return if step.required { Err(Broken) } else { Ok(None) },
                (Some(value), None) => return Ok(Some(value)),
                (Some(Value::Object(inner)), Some(_)) => fields = inner,
                (Some(_), Some(_)) => return Err(Broken),
            }
        }
        Ok(None)
    }

    /// The leaves at or under it.
    pub(super) fn leaves(&self) -> FieldSet {
        match &self.target {
            Target::Leaf(leaf, _) | Target::Set(leaf, _) => FieldSet::of(*leaf),
            Target::Object(leaves) => *leaves,
        }
    }
}

fn target(entity: &Entity, field: &Field, shape: &Shape) -> Option<Target> {
    match shape {
        Shape::Leaf(LeafId(0)) => None,
        Shape::Leaf(leaf) => Some(Target::Leaf(*leaf, holds(entity, *leaf)?)),
        Shape::Object(object) if object.fields.iter().any(|field| is_readable(&field.shape)) => Some(
            Target::Object(field.leaves.clone().filter_map(|n| u8::try_from(n).ok()).map(LeafId).collect()),
        ),
        Shape::Object(_) => None,
        Shape::List(item) => match &**item {
            Shape::Leaf(leaf) if entity.leaf(*leaf).is_some_and(|leaf| leaf.unordered) => {
                Some(Target::Set(*leaf, holds(entity, *leaf)?))
            }
            Shape::Leaf(_) | Shape::Object(_) | Shape::List(_) => None,
        },
    }
}

/// Whether statements can read it, sets aside (an object of nothing but ordered lists is none).
fn is_readable(shape: &Shape) -> bool {
    match shape {
        Shape::Leaf(leaf) => leaf.0 != 0,
        Shape::Object(object) => object.fields.iter().any(|field| is_readable(&field.shape)),
        Shape::List(item) => matches!(**item, Shape::Leaf(_)),
    }
}

fn holds(entity: &Entity, leaf: LeafId) -> Option<Holds> {
    let leaf = entity.leaf(leaf)?;
    Some(match (&leaf.reference, &leaf.kind) {
        (Some(other), LeafKind::Id | LeafKind::Text { .. }) => Holds::Reference(other.clone()),
        (_, LeafKind::Text { .. } | LeafKind::Code(_) | LeafKind::Id) => Holds::Text,
        (_, LeafKind::Decimal) => Holds::Decimal,
        (_, LeafKind::Integer) => Holds::Integer,
        (_, LeafKind::Boolean) => Holds::Boolean,
        (_, LeafKind::Date) => Holds::Date,
        (_, LeafKind::Instant) => Holds::Instant,
    })
}

/// Whether every record must have the field.
fn is_sure(field: &Field) -> bool {
    field.required && !field.nullable
}

/// The Cedar schema of a bundle, as text.
pub(super) fn cedar_schema(schema: &Schema, principals: &PrincipalTypes) -> String {
    let mut out = String::from("entity Group;\nentity System;\n");
    for kind in Kind::ALL {
        let member = if kind == Kind::Anonymous { "" } else { " in [Group]" };
        let mut attributes = vec!["\"partner\"?: String".to_owned()];
        attributes.extend(principals.of(kind).map(|attribute| {
            let mark = if attribute.required { "" } else { "?" };
            format!("{}{mark}: {}", quoted(&attribute.name), attribute_type(&attribute.holds))
        }));
        _ = writeln!(out, "entity {kind}{member} {{ {} }};", attributes.join(", "));
    }
    for entity in schema.entities() {
        let attributes = object_text(entity, &entity.root);
        _ = writeln!(out, "entity {} {attributes};", entity.name);
    }
    let names: Vec<&str> = schema.entities().iter().map(|entity| entity.name.as_str()).collect();
    for action in Action::ALL {
        let resources = match action {
            Action::Call => "System".to_owned(),
            Action::Read | Action::List | Action::Create | Action::Update | Action::Delete => {
                names.join(", ")
            }
        };
        if !resources.is_empty() {
            _ = writeln!(out, "action \"{}\" appliesTo {{", action.as_str());
            _ = writeln!(out, "  principal: [App, Partner, User, Anonymous],\n  resource: [{resources}],");
            _ = writeln!(out, "  context: {}\n}};", context_text(action));
        }
    }
    out
}

fn attribute_type(holds: &AttributeType) -> String {
    match holds {
        AttributeType::Text => "String".into(),
        AttributeType::Integer => "Long".into(),
        AttributeType::Boolean => "Bool".into(),
        AttributeType::Decimal => "decimal".into(),
        AttributeType::Texts => "Set<String>".into(),
        AttributeType::Reference(entity) => entity.to_string(),
    }
}

fn object_text(entity: &Entity, object: &Object) -> String {
    let fields = object.fields.iter().filter_map(|field| {
        let holds = shape_text(entity, field)?;
        let mark = if is_sure(field) { "" } else { "?" };
        Some(format!("{}{mark}: {holds}", quoted(&field.name)))
    });
    format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
}

fn shape_text(entity: &Entity, field: &Field) -> Option<String> {
    match (target(entity, field, &field.shape)?, &field.shape) {
        (Target::Leaf(_, holds), _) => Some(holds_text(&holds)),
        (Target::Set(_, holds), _) => Some(format!("Set<{}>", holds_text(&holds))),
        (Target::Object(_), Shape::Object(object)) => Some(object_text(entity, object)),
        (Target::Object(_), Shape::Leaf(_) | Shape::List(_)) => None,
    }
}

fn holds_text(holds: &Holds) -> String {
    match holds {
        Holds::Text => "String".into(),
        Holds::Reference(entity) => entity.to_string(),
        Holds::Decimal => "decimal".into(),
        Holds::Integer => "Long".into(),
        Holds::Boolean => "Bool".into(),
        Holds::Date | Holds::Instant => "datetime".into(),
    }
}

fn context_text(action: Action) -> String {
    let more = match action {
        Action::Read | Action::List | Action::Create => "",
        Action::Update | Action::Delete => ", guarded: Bool",
        Action::Call => ", call: { method: String, path: String }",
    };
    format!(
        "{{ checked: {{ channel: {{ tls: Bool, listener: String, certificate?: String }}, \
         address: ipaddr, time: datetime, hours: Set<String>, scopes: Set<String>, token_age?: Long, \
         request: {{ method: String, bytes?: Long }}{more} }}, \
         claimed: {{ purpose?: String, user_agent?: String }} }}"
    )
}

fn quoted(name: &Arc<str>) -> String {
    format!("\"{}\"", name.escape_default())
}
