//! What a write comes to before it is sent: each value in the system's one spelling of it, and the record as the
//! system will hold it, read back through the same lines.
//!
//! Nothing here refuses. A value that would read back as another is left as it was sent, and judged so;
//! [`Mapping::create`] and [`Mapping::update`] refuse it.

use super::{
    codec::Codec,
    inward::Absent,
    model::{Join, Mapping, Native, ObjectPart, Part, Source},
    native::NativeAnswer,
    out::Out,
    outward::{MappingFault, Whose, Writing, back_to_parts, packed, written_text},
    path::Path,
    places::{elements, fields_of, leaf_of, places},
    scan::{Raw, Scanner},
    trie::{Raws, walk},
};
use crate::{
    clock,
    schema::{FieldSet, Fields, LeafId, Money, Object, Record, Shape, Value},
};

/// A record before a write.
#[derive(Clone, Copy, Debug)]
pub enum Before<'a> {
    /// There is none.
    Nothing,
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
    /// The new record as it is sent: each value in the spelling that reads back.
    pub sent: Record,
    /// The new record as the system will hold it: with what it puts together of what is sent, and with its constants.
    pub held: Record,
}

impl Mapping {
    /// A new record as it will be sent, and as it will be held. `emptied` are the leaves that are cleared though
    /// the stored record does not tell of a value.
    pub fn settled(&self, before: Before<'_>, new: Record, emptied: &FieldSet) -> Settled {
        let mut sent = new;
        settle_fields(&self.root, &self.entity.root, &mut sent.fields);
        let mut held = self.held(before, &sent, emptied).unwrap_or_else(|_| sent.clone());
        // What calls lead somewhere is held where they lead; where they do not, as it was.
        for (position, value) in self.led_in(&sent) {
            match value {
                Some(value) => held.fields.set(position, value.clone()),
                None => drop(held.fields.take(position)),
            }
        }
        if let Before::Nothing = before {
            for (position, value) in self.led_from() {
                if leaf_of(sent.fields.at(position)).is_none() {
                    held.fields.set(position, value.clone());
                }
            }
        }
        Settled { sent, held }
    }

    /// Amounts that are sent and of which the record, as it will be held, would not say the currency. What stands bare in
    /// the system already is no fault of who changes something else.
    pub fn bare(&self, sent: &Record, held: &Record) -> Vec<MappingFault> {
        let bare = self.entity.strike_bare(&mut held.clone(), &self.entity.all());
        let path = |leaf: LeafId| self.entity.leaf(leaf).map_or("", |leaf| leaf.path.as_str());
        let of = |(amount, money): (LeafId, &Money)| {
            let is_sent = sent.first(&self.entity, amount).is_some_and(|value| *value != Value::Null);
            (is_sent && bare.contains(amount)).then(|| MappingFault {
                whose: Whose::Caller,
                leaf: Some(amount),
                pointer: format!("/{}", self.standing(amount).replace('.', "/")),
                message: format!("an amount needs its currency: say `{}` too", path(money.currency)),
            })
        };
        self.entity.amounts().filter_map(of).collect()
    }

    /// Where a leaf stands in a document: the list, of one in its elements.
    fn standing(&self, leaf: LeafId) -> &str {
        let Some(leaf) = self.entity.leaf(leaf) else { return "" };
        let path = leaf.path.as_str();
        path.split_once('.').filter(|_| leaf.in_list).map_or(path, |(list, _)| list)
    }

    /// The id of a record is that of another.
    fn name_as(&self, record: &Record, fields: &mut Fields) {
        if let Some((position, _)) = self.entity.root.field("id")
            && let Some(id) = record.fields.at(position)
        {
            fields.set(position, id.clone());
        }
    }

    fn held(&self, before: Before<'_>, sent: &Record, emptied: &FieldSet) -> Result<Record, ()> {
        let old = match before {
            Before::Nothing => None,
            Before::Told { record, .. } | Before::Written { record } => Some(record),
        };
        let mut out = Writing::new(old.is_none(), emptied).at(clock::now().wall).noting(self.led());
        out.object(&self.root, &self.entity.root, Some(&sent.fields), old.map(|record| &record.fields));
        self.say_outside(&mut out, old);
        let (faulty, relisted) = (out.faulty(), out.relisted);
        let (mut written, mut spelt) = (out.slots.unwrap_or_default(), Vec::new());
        let body = match before {
            Before::Nothing => {
                self.beside(&mut out.body, clock::now().wall).map_err(drop)?;
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
        let given = match before {
            Before::Told { answer, .. } => self.given(answer, None, None).map_err(drop)?,
            Before::Nothing | Before::Written { .. } => Vec::new(),
        };
        let mut raws = Raws::new(&self.words.absent).given(given);
        raws.restart(self.frame);
        if old.is_none() {
            raws.none(&self.record, 0);
        }
        match before {
            Before::Told { .. } => self.told(&body, &mut raws).map_err(drop)?,
            Before::Nothing | Before::Written { .. } => {
                let mut scan = Scanner::new(&body).map_err(drop)?;
                walk(&mut scan, &self.record, 0, &mut raws, &mut |scan| scan.skip()).map_err(drop)?;
            }
        }
        raws.lift(&self.record, 0);
        self.forget_filtered(before, &out.body, &mut raws);
        for (slot, out) in &spelt {
            // Which of several elements the system will change, nobody knows.
            if raws.is_doubtful(*slot) {
                continue;
            }
            raws.set(0, *slot, out.raw());
        }
        // ORDER: again, for what was just put.
        raws.lift(&self.record, 0);
        let absent = match before {
            Before::Nothing | Before::Told { .. } => Absent::Untold,
            Before::Written { .. } => Absent::Empty,
        };
        let (mut fields, missing) = self.filled(&raws, &self.entity.all(), absent);
        self.name_as(sent, &mut fields);
        Ok(match (before, faulty) {
            (Before::Nothing | Before::Told { .. }, None) if relisted.is_empty() => {
                self.keep_elsewhere(&sent.fields, &mut fields);
                Record::from(fields)
            }
            // What no system tells of stays as it was sent, and so does what this one cannot take, and a list whose
            // elements come and go by themselves.
            (Before::Nothing | Before::Told { .. } | Before::Written { .. }, faulty) => {
                let mut held = sent.clone();
                let kept = missing.union(&faulty.unwrap_or_default()).union(&relisted);
                graft(&self.entity.root, &mut held.fields, &fields, &kept);
                held
            }
        })
    }

    /// What a filter makes of a place of which a part is written, nobody knows before the system has answered.
    fn forget_filtered(&self, before: Before<'_>, body: &Out, raws: &mut Raws<'_>) {
        let is_untold = |path: &Path| match before {
            Before::Nothing => false,
            Before::Told { .. } => body.touches(path.steps()),
            Before::Written { .. } => true,
        };
        for (_, slot) in self.filtered.wholes.iter().filter(|(path, _)| is_untold(path)) {
            raws.set(0, *slot, Raw::Absent);
        }
    }
}

/// Brings what is sent under an object into its one spelling. Recursion is bounded by the depth of the entity.
fn settle_fields(part: &ObjectPart, shape: &Object, fields: &mut Fields) {
    for named in &part.parts {
        if let (Some(field), Some(value)) = (shape.at(named.position), fields.at_mut(named.position)) {
            settle(&named.part, &field.shape, value);
        }
    }
    for choice in &part.choices {
        for named in choice.write(Some(&*fields)).into_iter().flat_map(|branch| &branch.lines) {
            if let (Some(field), Some(value)) = (shape.at(named.position), fields.at_mut(named.position)) {
                settle(&named.part, &field.shape, value);
            }
        }
    }
}

fn settle(part: &Part, shape: &Shape, value: &mut Value) {
    match (part, shape, value) {
        (Part::Leaf(line), _, value) if *value != Value::Null => {
            let codec = match &line.source {
                Source::Native(native) | Source::Join(Join { back: Some(native), .. }) => &native.codec,
                Source::Hole(held) => &held.codec,
                Source::Behind(behind) => {
                    if let Ok(cut) = behind.cut(value) {
                        *value = cut.back;
                    }
                    return;
                }
                Source::Tuple(tuple) => {
                    if let Ok(cut) = tuple.cut(value) {
                        *value = cut.back;
                    }
                    return;
                }
                Source::Constant(_) | Source::Join(_) | Source::First(_) | Source::Calc(_) => return,
            };
            if let Ok((_, back)) = codec.settled(value) {
                *value = back;
            }
        }
        (Part::Object(object), Shape::Object(shape), Value::Object(fields)) => {
            settle_fields(object, shape, fields);
        }
        (Part::Slots(slots), Shape::List(item), Value::List(values)) => {
            let (placed, _) = places(slots, values);
            let placed: Vec<_> = placed.into_iter().map(|place| place.map(|(index, _)| index)).collect();
            for (slot, index) in slots.iter().zip(placed) {
                if let Some(value) = index.and_then(|index| values.get_mut(index)) {
                    settle(slot, item, value);
                }
            }
        }
        (Part::Each(each), Shape::List(item), Value::List(values)) => {
            values.iter_mut().for_each(|value| settle(&each.item, item, value));
        }
        (Part::Split(split), _, Value::List(values)) => {
            for value in values {
                if let Ok((_, back)) = split.item.settled(value) {
                    *value = back;
                }
            }
        }
        (Part::When(when), shape, value) => settle(&when.part, shape, value),
        (Part::Leaf(_) | Part::Object(_) | Part::Slots(_) | Part::Each(_) | Part::Split(_), _, _) => {}
    }
}

/// What a record's values outside native lists are in the system's words, by their slots.
fn spell(part: &ObjectPart, shape: &Object, fields: &Fields, into: &mut Vec<(u16, Out)>) {
    for named in &part.parts {
        if let (Some(field), Some(value)) = (shape.at(named.position), fields.at(named.position)) {
            spell_part(&named.part, &field.shape, value, into);
        }
    }
    for branch in part.choices.iter().filter_map(|choice| choice.write(Some(fields))) {
        into.extend(branch.switches.iter().map(|switch| (switch.slot, switch.out.clone())));
        for named in &branch.lines {
            if let (Some(field), Some(value)) = (shape.at(named.position), fields.at(named.position)) {
                spell_part(&named.part, &field.shape, value, into);
            }
        }
    }
    for text in &part.texts {
        if let Ok(Some(out)) = written_text(text, Some(fields)) {
            into.push((text.native.slot, out));
        }
    }
}

fn spell_part(part: &Part, shape: &Shape, value: &Value, into: &mut Vec<(u16, Out)>) {
    match (part, shape) {
        (Part::Leaf(line), _) => match &line.source {
            Source::Native(native) => into.extend(word(native, value).map(|out| (native.slot, out))),
            Source::Join(join @ Join { back: Some(native), .. }) => {
                into.extend(back_to_parts(join, native, Some(value), false).into_iter().flatten());
            }
            Source::Behind(behind) => {
                if let Ok(cut) = behind.cut(value) {
                    into.extend(cut.head.map(|(head, out)| (head.slot, out)));
                    into.push((behind.rest.slot, cut.rest.1));
                }
            }
            Source::Tuple(tuple) => {
                if let Ok(cut) = tuple.cut(value) {
                    into.extend(cut.parts.into_iter().map(|(part, _, held)| (part.slot, held)));
                }
            }
            Source::Constant(_) | Source::Join(_) | Source::First(_) | Source::Calc(_) | Source::Hole(_) => {}
        },
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
        (Part::Split(split), _) => {
            if let (Source::Native(native), Ok(text)) =
                (&split.line.source, packed(split, elements(Some(value))))
            {
                let out = if text.is_empty() { Out::Null } else { Out::Text(text) };
                into.push((native.slot, out));
            }
        }
        (Part::When(when), shape) if *value != Value::Null => {
            into.extend(when.switches.iter().map(|switch| (switch.slot, switch.out.clone())));
            spell_part(&when.part, shape, value, into);
        }
        (Part::Object(_) | Part::Slots(_) | Part::Each(_) | Part::When(_), _) => {}
    }
}

fn word(native: &Native, value: &Value) -> Option<Out> {
    let codec: &Codec = &native.codec;
    match value {
        Value::Null => Some(Out::Null),
        // As it reads, which need not be how it is written.
        value => codec.write(value).ok().and_then(|_| codec.held(value).ok()),
    }
}

/// Puts what was read back into a record, and leaves the leaves `kept` as they are there.
fn graft(object: &Object, into: &mut Fields, from: &Fields, kept: &FieldSet) {
    for (position, field) in (0_u16..).zip(&object.fields) {
        let is_told = !kept.any_in(&field.leaves);
        match (&field.shape, is_told, from.at(position)) {
            (_, true, Some(value)) => into.set(position, value.clone()),
            (Shape::Leaf(_) | Shape::Object(_), true, None) => drop(into.take(position)),
            (Shape::Object(inner), false, from) => {
                let none = Fields::default();
                let from = fields_of(from).unwrap_or(&none);
                if let Some(Value::Object(into)) = into.at_mut(position) {
                    graft(inner, into, from, kept);
                }
            }
            (Shape::Leaf(_) | Shape::List(_), _, _) => {}
        }
    }
}
