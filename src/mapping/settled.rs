//! What a write comes to before it is sent: each value in the system's one spelling of it, and the record as the
//! system will hold it, read back through the same lines.
//!
//! Nothing here refuses. A value that would read back as another is left as it was sent, and [`Mapping::create`] and
//! [`Mapping::update`] refuse it.

use super::{
    codec::Codec,
    model::{Mapping, Native, ObjectPart, Part, Source},
    native::NativeAnswer,
    out::Out,
    outward::{Writing, elements, fields_of, places},
    scan::{BadJson, Scanner},
    trie::{Raws, walk},
};
use crate::schema::{FieldSet, Fields, Object, Record, Shape, Value};

/// A record before a write.
#[derive(Clone, Copy, Debug)]
pub enum Before<'a> {
    /// There is none. Constants are filled in where the caller may write them (`writable`).
    Nothing {
        /// The leaves that the caller may write.
        writable: &'a FieldSet,
    },
    /// One that a system told.
    Told {
        /// As it reads.
        record: &'a Record,
        /// As the system told it, all of it.
        answer: &'a NativeAnswer,
    },
    /// One of the shared schema, of which no system was asked.
    Written {
        /// As it stands.
        record: &'a Record,
    },
}

/// What a write comes to.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The new record: what is sent of it, as it will read back.
    pub sent: Record,
    /// The new record as the system will hold it: what it puts together of what is sent, and its constants, with it.
    pub held: Record,
}

impl Mapping {
    /// A new record as it will be sent, and as it will read back. `emptied` are the leaves that are cleared though
    /// the stored record does not tell of a value.
    pub fn settled(&self, before: Before<'_>, new: Record, emptied: &FieldSet) -> Settled {
        let mut sent = new;
        let filled = match before {
            Before::Nothing { writable } => *writable,
            Before::Told { .. } | Before::Written { .. } => FieldSet::EMPTY,
        };
        settle_fields(&self.root, &self.entity.root, &mut sent.fields, &filled);
        let held = self.held(before, &sent, emptied).unwrap_or_else(|_| sent.clone());
        Settled { sent, held }
    }

    fn held(&self, before: Before<'_>, sent: &Record, emptied: &FieldSet) -> Result<Record, BadJson> {
        let old = match before {
            Before::Nothing { .. } => None,
            Before::Told { record, .. } | Before::Written { record } => Some(record),
        };
        let mut out = Writing::new(old.is_none(), emptied);
        let fields = old.map(|record| &record.fields);
        out.object(&self.root, &self.entity.root, Some(&sent.fields), fields);
        let (mut written, mut spelt) = (out.slots, Vec::new());
        let body = match before {
            Before::Nothing { .. } => {
                self.beside(&mut out.body);
                out.body.to_bytes()
            }
            Before::Told { answer, .. } => answer.body.to_vec(),
            Before::Written { record } => {
                spell(&self.root, &self.entity.root, &record.fields, &mut spelt);
                Out::object().to_bytes()
            }
        };
        // ORDER: what is written comes over what was there.
        spelt.append(&mut written);
        let mut raws = Raws::new(&self.words.absent);
        raws.restart(self.frame);
        walk(&mut Scanner::new(&body)?, &self.record, 0, &mut raws, &mut |scan| scan.skip())?;
        for (slot, out) in &spelt {
            raws.set(0, *slot, out.raw());
        }
        let (mut fields, missing) = self.filled(&raws, &self.entity.all());
        if let Some((position, _)) = self.entity.root.field("id")
            && let Some(id) = sent.fields.at(position)
        {
            fields.set(position, id.clone());
        }
        Ok(match before {
            Before::Nothing { .. } | Before::Told { .. } => Record { fields },
            Before::Written { .. } => {
                let mut held = sent.clone();
                graft(&self.entity.root, &mut held.fields, &fields, &missing);
                held
            }
        })
    }
}

/// Brings what is sent under an object into its one spelling. Recursion is bounded by the depth of the entity.
fn settle_fields(part: &ObjectPart, shape: &Object, fields: &mut Fields, filled: &FieldSet) {
    for named in &part.parts {
        let Some(field) = shape.at(named.position) else { continue };
        match fields.at_mut(named.position) {
            Some(value) => settle(&named.part, &field.shape, value, filled),
            None => {
                if let Part::Leaf(line) = &named.part
                    && let (Source::Constant(constant), true) = (&line.source, filled.contains(line.leaf))
                {
                    fields.set(named.position, constant.clone());
                }
            }
        }
    }
}

fn settle(part: &Part, shape: &Shape, value: &mut Value, filled: &FieldSet) {
    match (part, shape, value) {
        (Part::Leaf(line), _, value) if *value != Value::Null => {
            if let Source::Native(native) = &line.source
                && let Ok((_, back)) = native.codec.settled(value)
            {
                *value = back;
            }
        }
        (Part::Object(object), Shape::Object(shape), Value::Object(fields)) => {
            settle_fields(object, shape, fields, filled);
        }
        (Part::Slots(slots), Shape::List(item), Value::List(values)) => {
            let (placed, _) = places(slots, values);
            let placed: Vec<_> = placed.into_iter().map(|place| place.map(|(index, _)| index)).collect();
            for (slot, index) in slots.iter().zip(placed) {
                if let Some(value) = index.and_then(|index| values.get_mut(index)) {
                    settle(slot, item, value, filled);
                }
            }
        }
        (Part::Each(each), Shape::List(item), Value::List(values)) => {
            values.iter_mut().for_each(|value| settle(&each.item, item, value, filled));
        }
        (Part::Leaf(_) | Part::Object(_) | Part::Slots(_) | Part::Each(_), _, _) => {}
    }
}

/// What a record's values outside native lists are in the system's words, by their slots.
fn spell(part: &ObjectPart, shape: &Object, fields: &Fields, into: &mut Vec<(u16, Out)>) {
    for named in &part.parts {
        if let (Some(field), Some(value)) = (shape.at(named.position), fields.at(named.position)) {
            spell_part(&named.part, &field.shape, value, into);
        }
    }
}

fn spell_part(part: &Part, shape: &Shape, value: &Value, into: &mut Vec<(u16, Out)>) {
    match (part, shape) {
        (Part::Leaf(line), _) => {
            if let Source::Native(native) = &line.source {
                into.extend(word(native, value).map(|out| (native.slot, out)));
            }
        }
        (Part::Object(object), Shape::Object(shape)) => {
            if let Some(fields) = fields_of(Some(value)) {
                spell(object, shape, fields, into);
            }
        }
        (Part::Slots(slots), Shape::List(item)) => {
            let (placed, _) = places(slots, elements(Some(value)));
            for (slot, place) in slots.iter().zip(placed) {
                if let Some((_, value)) = place {
                    spell_part(slot, item, value, into);
                }
            }
        }
        (Part::Object(_) | Part::Slots(_) | Part::Each(_), _) => {}
    }
}

fn word(native: &Native, value: &Value) -> Option<Out> {
    let codec: &Codec = &native.codec;
    match value {
        Value::Null => Some(Out::Null),
        value => codec.write(value).ok(),
    }
}

/// Puts what was read back into a record, and leaves the rest of it.
fn graft(object: &Object, into: &mut Fields, from: &Fields, missing: &FieldSet) {
    for (position, field) in (0_u16..).zip(&object.fields) {
        let is_told = !missing.any_in(&field.leaves);
        match (&field.shape, is_told, from.at(position)) {
            (_, true, Some(value)) => into.set(position, value.clone()),
            (Shape::Leaf(_) | Shape::Object(_), true, None) => drop(into.take(position)),
            (Shape::Object(inner), false, from) => {
                let none = Fields::default();
                let from = fields_of(from).unwrap_or(&none);
                if let Some(Value::Object(into)) = into.at_mut(position) {
                    graft(inner, into, from, missing);
                }
            }
            (Shape::Leaf(_) | Shape::List(_), _, _) => {}
        }
    }
}
