//! One step away: what conditions go by of the records that a record names, as in `resource.order.customer`.
//!
//! A reference is followed once, by its plain path. What it names is fetched before the record is judged, and judged on
//! as far as conditions read it. Where that cannot be had, where it is not there, or does not tell what is read, the
//! condition is an error: of a record that nobody can look at nothing is taken to be so.

use std::sync::Arc;

use super::{
    shape::{Holds, Route, Target},
    value::val,
};
use crate::schema::{Entity, FieldSet, LeafId, Record, Value};

/// Records that a record names and conditions go by.
#[derive(Clone, Debug)]
pub struct Relation {
    /// The reference.
    pub by: LeafId,
    /// What it names.
    pub to: Arc<Entity>,
    /// The leaves of it that conditions read.
    pub reads: FieldSet,
    /// Those of them that are read by name, not as parts of a group that is asked for.
    pub names: FieldSet,
}

/// The way to something of a record that another one names.
#[derive(Clone, Debug)]
pub(super) struct Beyond {
    /// To the reference.
    pub(super) by: Route,
    pub(super) leaf: LeafId,
    /// From what it names on.
    pub(super) rest: Route,
}

impl Relation {
    /// Whether statements can be judged by what it names: all that they read of it is there where every record has it,
    /// of its type, held exactly.
    pub fn is_sound(&self, record: &Record) -> bool {
        self.reads.iter().all(|leaf| {
            let Some(route) = Route::of_leaf(&self.to, leaf) else { return true };
            match (route.find(record), &route.target) {
                (Err(_), _) => false,
                (Ok(None), _) => true,
                (Ok(Some(value)), Target::Leaf(_, holds)) => val(holds, value).is_some(),
                (Ok(Some(Value::List(values))), Target::Set(_, holds)) => {
                    values.iter().all(|value| is_none(value) || val(holds, value).is_some())
                }
                (Ok(Some(_)), Target::Set(..)) => false,
                (Ok(Some(value)), Target::Object(_)) => matches!(value, Value::Object(_)),
            }
        })
    }

    /// Puts relations together, each reference once.
    pub(super) fn join<'r>(all: impl Iterator<Item = &'r Self>) -> Vec<Self> {
        let mut joined: Vec<Self> = Vec::new();
        for relation in all {
            match joined.iter_mut().find(|one| one.by == relation.by) {
                Some(one) => {
                    one.reads = one.reads.union(&relation.reads);
                    one.names = one.names.union(&relation.names);
                }
                None => joined.push(relation.clone()),
            }
        }
        joined
    }

    /// The record that a record names so and its id, where it names any; an error where that was not fetched.
    pub(super) fn of<'r>(
        &self,
        entity: &Entity,
        record: &'r Record,
    ) -> Result<Option<(&'r str, &'r Record)>, Unfetched> {
        let route = Route::of_leaf(entity, self.by).ok_or(Unfetched)?;
        let Some(id) = route.find(record).map_err(|_broken| Unfetched)?.and_then(Value::as_text) else {
            return Ok(None);
        };
        record.related(self.by, id).map(|found| Some((id, found))).ok_or(Unfetched)
    }
}

/// Whether some of what a record names was not fetched.
pub(super) fn is_unfetched(relations: &[Relation], entity: &Entity, record: &Record) -> bool {
    relations.iter().any(|relation| relation.of(entity, record).is_err())
}

/// What a record names was not fetched.
pub(super) struct Unfetched;

fn is_none(value: &Value) -> bool {
    *value == Value::Null || value.as_text().is_some_and(str::is_empty)
}

/// The reference that a path follows, and the names behind it.
pub(super) fn step<'n, 's>(
    entity: &Entity,
    names: &'n [&'s str],
) -> Option<(Route, LeafId, crate::words::EntityName, &'n [&'s str])> {
    let splits = (1..names.len()).filter_map(|at| names.split_at_checked(at));
    splits.into_iter().find_map(|(before, after)| {
        let route = Route::of(entity, before)?;
        match &route.target {
            Target::Leaf(leaf, Holds::Reference(other)) => {
                let (leaf, other) = (*leaf, other.clone());
                Some((route, leaf, other, after))
            }
            Target::Leaf(..) | Target::Set(..) | Target::Object(_) => None,
        }
    })
}

impl Beyond {
    /// The way of a path that follows a reference.
    pub(super) fn of(entity: &Entity, names: &[&str], entities: &[Arc<Entity>]) -> Option<Self> {
        let (by, leaf, other, after) = step(entity, names)?;
        let other = entities.iter().find(|entity| entity.name == other)?;
        Some(Self { by, leaf, rest: Route::of(other, after)? })
    }
}
