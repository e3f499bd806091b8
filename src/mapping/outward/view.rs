//! What a caller may send, as far as the lines go.

use super::{WriteView, Writing};
use crate::{
    catalog::Action,
    mapping::{
        codec::Clear,
        model::{EachPart, Join, Mapping, ObjectPart, Part, Source},
    },
    schema::{FieldSet, Object, Record, Shape, Value},
};

impl Mapping {
    /// What may and must be sent.
    pub fn view(&self, action: Action) -> WriteView {
        let mut view = WriteView::default();
        let create = match action {
            Action::Create => true,
            Action::Update => false,
            Action::Read | Action::List | Action::Delete | Action::Call => return view,
        };
        if self.can(action) {
            view_of(&self.root, &self.entity.root, create, true, &mut view);
            let led = if create { self.led_at_once() } else { self.led() };
            view.writable = view.writable.union(&led);
        }
        if create {
            // Which of several, hangs on what is sent.
            let by_itself = self.requires.iter().filter(|either| either.iter().count() == 1);
            for leaf in by_itself {
                view.required = view.required.union(&leaf.intersection(&view.writable));
            }
        }
        view
    }

    /// Whether all that this system needs of a new record is there; of lists, one of it at least.
    pub(super) fn check_required(&self, out: &mut Writing<'_>, record: &Record) {
        let is_sent = |leaf| record.first(&self.entity, leaf).is_some_and(|value| *value != Value::Null);
        for either in self.requires.iter().filter(|either| !either.iter().any(is_sent)) {
            let Some(leaf) = either.iter().next() else { continue };
            let pointer = self.pointers.get(usize::from(leaf.0)).cloned().flatten();
            let path = self.entity.leaf(leaf).map_or("", |leaf| leaf.path.as_str());
            let top = || format!("/{}", path.split('.').next().unwrap_or_default());
            // Of a list none of whose elements has it, the list is told.
            let listed = pointer.as_ref().and_then(|at| {
                let is_place = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
                let before = at.split('/').take_while(|part| !is_place(part)).collect::<Vec<_>>();
                (before.len() < at.split('/').count()).then(|| before.join("/"))
            });
            let named = |leaf| self.entity.leaf(leaf).map_or("", |leaf| leaf.path.as_str());
            let names = either.iter().map(named).collect::<Vec<_>>().join("` or `");
            let message = format!("the system needs `{names}`");
            out.fault(Some(leaf), listed.or(pointer).unwrap_or_else(top), message);
        }
    }

    /// Leaves that an update can empty, in some place at least.
    pub fn clearable(&self) -> FieldSet {
        let mut found = FieldSet::EMPTY;
        self.root.lines(false, &mut |line, in_each| {
            let native = match &line.source {
                Source::Native(native) | Source::Join(Join { back: Some(native), .. }) => native,
                Source::Constant(_)
                | Source::Join(_)
                | Source::First(_)
                | Source::Calc(_)
                | Source::Hole(_) => return,
                Source::Behind(behind) => &behind.rest,
                Source::Tuple(tuple) => {
                    if tuple.is_clearable() && !in_each {
                        found.insert(line.leaf);
                    }
                    return;
                }
            };
            if native.update && !in_each && native.codec.clear != Clear::Refused {
                found.insert(line.leaf);
            }
        });
        found
    }
}

/// What lines let a caller send, with a new record or with a change.
pub(in crate::mapping) fn writable(part: &ObjectPart, shape: &Object, create: bool) -> FieldSet {
    let mut view = WriteView::default();
    view_of(part, shape, create, true, &mut view);
    view.writable
}

fn view_of(part: &ObjectPart, shape: &Object, create: bool, required: bool, view: &mut WriteView) {
    for named in &part.parts {
        let Some(field) = shape.at(named.position) else { continue };
        view_of_part(&named.part, &field.shape, create, required && field.required, view);
    }
    // Which of them is required hangs on the others.
    let branches = part.choices.iter().flat_map(|choice| &choice.branches).filter(|_| create);
    for named in branches.flat_map(|branch| &branch.lines) {
        let Some(field) = shape.at(named.position) else { continue };
        view_of_part(&named.part, &field.shape, create, false, view);
    }
}

fn view_of_part(part: &Part, shape: &Shape, create: bool, required: bool, view: &mut WriteView) {
    match (part, shape) {
        (Part::Leaf(line), _) => {
            let (writable, own) = match &line.source {
                Source::Native(native) => (native.writes(create), true),
                Source::Join(Join { back: Some(native), .. }) => (true, native.writes(create)),
                Source::Constant(_) | Source::Join(_) => (true, false),
                Source::Hole(held) => (held.writes(create), true),
                Source::Behind(behind) => (behind.rest.writes(create), true),
                Source::Tuple(tuple) => (tuple.writes(create), true),
                Source::First(_) | Source::Calc(_) => (false, false),
            };
            if writable {
                view.writable.insert(line.leaf);
            }
            if writable && own && required && create {
                view.required.insert(line.leaf);
            }
        }
        (Part::Object(object), Shape::Object(shape)) => view_of(object, shape, create, required, view),
        // Of fixed places none is required by itself.
        (Part::Slots(slots), Shape::List(item)) => {
            slots.iter().for_each(|slot| view_of_part(slot, item, create, false, view));
        }
        (Part::Each(each), Shape::List(item)) if create && each.create => {
            view_of_part(&each.item, item, create, true, view);
        }
        // A new element may come with a change: what one may say, another may.
        (Part::Each(each), Shape::List(item)) if !create && each.update => {
            view_of_part(&each.item, item, true, false, view);
            if let Part::Object(object) = &*each.item {
                let key = object.parts.iter().find(|named| each.is_key(&named.part, named.position));
                if let Some(Part::Leaf(line)) = key.map(|named| &named.part) {
                    view.writable.insert(line.leaf);
                }
            }
        }
        // An element may be a new one, or one that is there and is named by its key.
        (Part::Each(EachPart { parts: Some(parts), item: part, .. }), Shape::List(item))
            if !create && parts.update.is_some() =>
        {
            view_of_part(part, item, true, false, view);
            view_of_part(part, item, false, false, view);
            view.writable.insert(parts.key_leaf);
        }
        (Part::Split(split), Shape::List(_)) => {
            if let Source::Native(native) = &split.line.source
                && native.writes(create)
            {
                view.writable.insert(split.line.leaf);
                if required && create {
                    view.required.insert(split.line.leaf);
                }
            }
        }
        // What hangs on a switch is not required by itself.
        (Part::When(when), shape) => view_of_part(&when.part, shape, create, false, view),
        (Part::Each(_) | Part::Object(_) | Part::Slots(_) | Part::Split(_), _) => {}
    }
}
