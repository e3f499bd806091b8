//! Lists whose elements are written by themselves: what of them is new, differs, and goes.

use std::collections::{HashMap, HashSet};

use super::{MappingFault, Whose, Writing};
use crate::{
    mapping::{
        model::EachPart,
        out::Out,
        parts::{PartCalls, PartChange, PartDraft, Parts},
        places::fields_of,
    },
    schema::{FieldSet, Shape, Value},
};

impl<'m> Writing<'m> {
    /// Elements of a record that is made: each is sent once the record has a key.
    pub(super) fn new_parts(&mut self, each: &'m EachPart, parts: &Parts, item: &Shape, new: &[Value]) {
        if new.len() > parts.most {
            return self.too_many(parts);
        }
        for (at, value) in new.iter().enumerate() {
            self.add_part(each, parts, item, (at, value));
        }
    }

    /// Elements of a record that is there.
    pub(super) fn parts_changed(
        &mut self,
        each: &'m EachPart,
        (parts, calls): (&Parts, &PartCalls),
        item: &Shape,
        (new, old): (&[Value], &[Value]),
    ) {
        each.item.lines(true, &mut |line, _| self.relisted.insert(line.leaf));
        let Some(known) = by_key(parts, old) else {
            let pointer = self.pointer.clone();
            let message = "an element of this list has no key of its own".to_owned();
            return self.push(MappingFault { whose: Whose::System, leaf: None, pointer, message });
        };
        let (mut added, mut changed, mut seen, mut last) = (Vec::new(), Vec::new(), HashSet::new(), None);
        for (at, value) in new.iter().enumerate() {
            let Some(id) = key_of(parts, value) else {
                added.push((at, value));
                continue;
            };
            let place = known.get(id).copied();
            let why = match place {
                None => Some("the record has no such element"),
                Some(_) if !seen.insert(id) => Some("this element stands here a second time"),
                Some(place) if last.is_some_and(|last| place < last) => {
                    Some("the system keeps these in an order of its own")
                }
                Some(_) => None,
            };
            if let Some(why) = why {
                self.within(&at.to_string(), |this| {
                    this.within("id", |this| this.fault_here(Some(parts.key_leaf), why));
                });
            }
            last = place.or(last);
            if let Some(old) = place.and_then(|place| old.get(place)).filter(|old| *old != value) {
                changed.push((at, value, old));
            }
        }
        let gone: Vec<&Value> =
            old.iter().filter(|value| key_of(parts, value).is_some_and(|id| !seen.contains(id))).collect();
        if added.len().saturating_add(changed.len()).saturating_add(gone.len()) > parts.most {
            return self.too_many(parts);
        }
        for (at, value) in added {
            match calls.add {
                Some(_) => self.add_part(each, parts, item, (at, value)),
                None => self.cannot(at, "the system adds none of these to a record that is there"),
            }
        }
        for (at, value, old) in changed {
            let body = self.in_part(false, |this| this.element(each, item, at, (value, Some(old))));
            if body.is_empty() {
                continue;
            }
            match calls.change {
                Some(_) => self.draft(parts, PartChange::Changed, (Some(at), value), body),
                None => self.cannot(at, "the system changes none of these"),
            }
        }
        for value in gone {
            match calls.remove {
                Some(_) => self.draft(parts, PartChange::Removed, (None, value), Out::Null),
                None => self.fault_here(None, "the system takes none of these out"),
            }
        }
    }

    fn add_part(&mut self, each: &'m EachPart, parts: &Parts, item: &Shape, (at, value): (usize, &Value)) {
        let body = self.in_part(true, |this| this.element(each, item, at, (value, None)));
        self.draft(parts, PartChange::Added, (Some(at), value), body);
    }

    /// Writes as for a new element, or as for one that is there. What is emptied of the record is none of theirs.
    fn in_part<T>(&mut self, create: bool, then: impl FnOnce(&mut Self) -> T) -> T {
        let was =
            (std::mem::replace(&mut self.create, create), std::mem::replace(&mut self.parts_only, true));
        let emptied = std::mem::replace(&mut self.emptied, &FieldSet::EMPTY);
        let done = then(self);
        (self.create, self.parts_only) = was;
        self.emptied = emptied;
        done
    }

    fn draft(&mut self, parts: &Parts, what: PartChange, (at, value): (Option<usize>, &Value), body: Out) {
        let mut pointer = self.pointer.clone();
        if let Some(at) = at {
            pointer.push_str(&format!("/{at}"));
        }
        let id = match what {
            PartChange::Added | PartChange::Led | PartChange::Beside => None,
            PartChange::Changed | PartChange::Removed => key_of(parts, value).map(Into::into),
        };
        self.drafts.push(PartDraft { position: parts.position, what, pointer, id, body, turn: None });
    }

    fn cannot(&mut self, at: usize, why: &str) {
        self.within(&at.to_string(), |this| this.fault_here(None, why));
    }

    fn too_many(&mut self, parts: &Parts) {
        self.fault_here(None, format!("at most {} of these are written at once", parts.most));
    }
}

/// Where the element of each key stands; none where one has no key, or two have the same.
fn by_key<'v>(parts: &Parts, values: &'v [Value]) -> Option<HashMap<&'v str, usize>> {
    let mut known = HashMap::with_capacity(values.len());
    for (at, value) in values.iter().enumerate() {
        if known.insert(key_of(parts, value)?, at).is_some() {
            return None;
        }
    }
    Some(known)
}

fn key_of<'v>(parts: &Parts, value: &'v Value) -> Option<&'v str> {
    fields_of(Some(value))?.at(parts.key)?.as_text()
}
