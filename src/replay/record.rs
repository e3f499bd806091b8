//! A record as far as an entry holds it.

use std::sync::Arc;

use crate::{
    audit::{ReplayedBeneath, ReplayedRow},
    policy::Relation,
    schema::{Entity, FieldSet, Fields, LeafId, Object, Record, Related, Shape, Value, value},
};

/// A record, and which of its leaves are not known.
pub(super) struct Recalled {
    pub(super) record: Record,
    pub(super) untold: FieldSet,
}

impl Recalled {
    /// The record of a row, with what it names where all that statements go by of that is kept (`follows`).
    pub(super) fn of(
        entity: &Entity,
        follows: &[Relation],
        beneath: &ReplayedBeneath<'_>,
        row: &ReplayedRow<'_>,
    ) -> Self {
        let mut recalled = Self::read(entity, "", beneath, row);
        let related = follows.iter().filter_map(|relation| {
            let path = entity.leaf(relation.by)?.path.as_str();
            let id = recalled.record.first(entity, relation.by)?.as_text()?.into();
            let named = Self::read(&relation.to, &format!("{path}."), beneath, row);
            let is_kept = !named.untold.meets(&relation.reads);
            is_kept.then(|| Related { by: relation.by, id, record: Arc::new(named.record) })
        });
        let related = related.collect();
        recalled.record = recalled.record.with_related(related);
        recalled
    }

    /// What stands under names that begin so.
    fn read(entity: &Entity, prefix: &str, beneath: &ReplayedBeneath<'_>, row: &ReplayedRow<'_>) -> Self {
        let mut recalled = Self { record: Record::default(), untold: entity.all() };
        let mut values: Vec<(LeafId, Vec<&str>)> = Vec::new();
        for (name, text) in beneath.values(row) {
            let Some(leaf) = name.strip_prefix(prefix).and_then(|name| entity.leaf_at(name)) else {
                continue;
            };
            match values.last_mut().filter(|(last, _)| *last == leaf) {
                Some((_, texts)) => texts.push(text),
                None => values.push((leaf, vec![text])),
            }
        }
        for (leaf, texts) in values {
            recalled.put(entity, leaf, &texts);
        }
        recalled
    }

    fn put(&mut self, entity: &Entity, leaf: LeafId, texts: &[&str]) {
        let Some(of) = entity.leaf(leaf) else { return };
        let parsed =
            texts.iter().filter(|text| !text.is_empty()).map(|text| value::parse_text(&of.kind, text));
        let Ok(values) = parsed.collect::<Result<Vec<_>, _>>() else { return };
        let path: Vec<&str> = of.path.as_str().split('.').collect();
        if set(&entity.root, &mut self.record.fields, &path, values).is_some() {
            self.untold.remove(leaf);
        }
    }
}

/// Puts values where a path leads; none where it leads through a list. Recursion goes down the schema.
fn set(object: &Object, fields: &mut Fields, path: &[&str], mut values: Vec<Value>) -> Option<()> {
    let (name, rest) = path.split_first()?;
    let (position, field) = object.field(name)?;
    match (&field.shape, rest.is_empty()) {
        (Shape::Leaf(_), true) => {
            if let Some(value) = values.pop() {
                fields.set(position, value);
            }
            Some(())
        }
        (Shape::List(item), true) if matches!(**item, Shape::Leaf(_)) => {
            // None may be an empty list or no list, and statements tell the two apart.
            (!values.is_empty()).then(|| fields.set(position, Value::List(values)))
        }
        (Shape::Object(inner), false) => {
            let is_sure = field.required && !field.nullable;
            if fields.at(position).is_none() && (is_sure || !values.is_empty()) {
                fields.set(position, Value::Object(Fields::default()));
            }
            match fields.at_mut(position) {
                Some(Value::Object(fields)) => set(inner, fields, rest, values),
                Some(_) => None,
                // Nothing is in a group that is not there.
                None => Some(()),
            }
        }
        (Shape::Leaf(_) | Shape::Object(_) | Shape::List(_), _) => None,
    }
}
