//! Writing what hangs on more than one native scalar, or shares one. What would not come back the same is refused.

use compact_str::CompactString;

use super::Writing;
use crate::{
    mapping::{
        behind::{Behind, Head},
        choice::Choice,
        codec::Codec,
        inward::pieces,
        model::{Hole, Join, Native, Part, Source, Split, TextPart},
        out::Out,
        places::elements,
        tuple::Tuple,
    },
    schema::{FieldSet, Fields, LeafId, Object, Value},
};

/// The text that some elements are kept in; else which one cannot stand in it, and why.
pub(in crate::mapping) fn packed(split: &Split, values: &[Value]) -> Result<CompactString, (usize, String)> {
    let mut text = CompactString::default();
    for (at, value) in values.iter().enumerate() {
        let piece = split.item.settled(value).and_then(|(out, _)| match out.raw().text() {
            Some(piece) => Ok(piece.into_owned()),
            None => Err("expected a value".to_owned()),
        });
        let piece = piece.map_err(|why| (at, why))?;
        if pieces(&piece, &split.by).collect::<Vec<_>>() != [piece.as_str()] {
            let by = split.by.escape_debug();
            return Err((
                at,
                format!(
                    "the system keeps these in one text with `{by}` between them: none may be empty, hold it, or begin or end with a blank"
                ),
            ));
        }
        if at > 0 {
            text.push_str(&split.by);
        }
        text.push_str(&piece);
    }
    Ok(text)
}

/// The text that some fields are kept in: `None` where all of them are empty.
pub(in crate::mapping) fn written_text(
    text: &TextPart,
    fields: Option<&Fields>,
) -> Result<Option<Out>, String> {
    let value = |hole: &Hole| {
        fields.and_then(|fields| fields.at(hole.position)).filter(|value| **value != Value::Null)
    };
    if text.holes.iter().all(|hole| value(hole).is_none()) {
        return Ok(None);
    }
    let names = || text.pattern.names().collect::<Vec<_>>().join("`, `");
    let mut spelt = Vec::with_capacity(text.holes.len());
    for hole in &text.holes {
        let Some(value) = value(hole) else {
            return Err(format!("the system keeps `{}` in one text: send all of them or none", names()));
        };
        let (out, _) = hole.codec.settled(value)?;
        spelt.push(out.raw().text().unwrap_or_default().into_owned());
    }
    let spelt: Vec<&str> = spelt.iter().map(String::as_str).collect();
    let filled = text.pattern.fill(&spelt).ok_or_else(|| {
        format!("the system keeps `{}` in one text, and could not tell these values apart in it", names())
    })?;
    text.native.codec.write(&Value::Text(filled.into())).map(Some)
}

/// What a text that is put together is written to its parts as: all of it to the first, nothing to the others. A new
/// record sends nothing for nothing.
pub(in crate::mapping) fn back_to_parts(
    join: &Join,
    first: &Native,
    value: Option<&Value>,
    create: bool,
) -> Result<Vec<(u16, Out)>, String> {
    let nothing = |codec: &Codec| codec.write(&Value::Null);
    let whole = match value {
        Some(Value::Text(text)) if text.trim().is_empty() => {
            return Err(
                "the system takes this for nothing; leave the field out, or clear it with null".to_owned()
            );
        }
        Some(Value::Text(text)) => first.codec.write(&Value::Text(text.trim().into()))?,
        _ if create => return Ok(Vec::new()),
        _ => nothing(&first.codec)?,
    };
    let mut out = vec![(first.slot, whole)];
    if !create {
        let rest = join.parts.iter().map(|(slot, _)| slot).filter(|slot| **slot != first.slot);
        for slot in rest {
            out.push((*slot, nothing(&first.codec)?));
        }
    }
    Ok(out)
}

impl<'m> Writing<'m> {
    /// A list in one text.
    pub(super) fn split(&mut self, split: &'m Split, new: Option<&Value>, old: Option<&Value>) {
        let Source::Native(native) = &split.line.source else { return };
        let leaf = split.line.leaf;
        let (items, before) = (elements(new), elements(old));
        let is_emptied = items.is_empty() && self.empties(&split.line);
        if !is_emptied && (items == before || (self.create && items.is_empty())) {
            return;
        }
        if !native.writes(self.create) {
            return self.fault_here(Some(leaf), "the system does not let this be set");
        }
        let out = match items.is_empty() {
            true => native.codec.write(&Value::Null).map_err(|why| (None, why)),
            false => packed(split, items)
                .map_err(|(at, why)| (Some(at), why))
                .and_then(|text| native.codec.write(&Value::Text(text)).map_err(|why| (None, why))),
        };
        match out {
            Ok(out) => self.put(native.slot, &native.write_at, out, None),
            Err((None, why)) => self.fault_here(Some(leaf), why),
            Err((Some(at), why)) => {
                self.within(&at.to_string(), |this| this.fault_here(Some(leaf), why));
            }
        }
    }

    /// Fields in one text: written together when one of them changes.
    pub(super) fn text(
        &mut self,
        text: &'m TextPart,
        shape: &Object,
        new: Option<&Fields>,
        old: Option<&Fields>,
    ) {
        if !text.native.writes(self.create) {
            return;
        }
        let at = |fields: Option<&'_ Fields>, hole: &Hole| {
            fields.and_then(|fields| fields.at(hole.position)).filter(|v| **v != Value::Null).cloned()
        };
        let leaves: FieldSet = text.holes.iter().map(|hole| hole.leaf).collect();
        let is_emptied = !self.create && !self.emptied.intersection(&leaves).is_empty();
        let is_changed = text.holes.iter().any(|hole| at(new, hole) != at(old, hole));
        if !is_changed && !is_emptied {
            return;
        }
        let out = match written_text(text, new) {
            Ok(None) if self.create => return,
            Ok(None) => text.native.codec.write(&Value::Null),
            Ok(Some(out)) => Ok(out),
            Err(why) => Err(why),
        };
        match out {
            Ok(out) => self.put(text.native.slot, &text.native.write_at, out, None),
            Err(why) => {
                let changed = text.holes.iter().find(|hole| at(new, hole) != at(old, hole));
                let Some(hole) = changed.or(text.holes.first()) else { return };
                let name = shape.at(hole.position).map_or("", |field| &*field.name);
                self.within(name, |this| this.fault_here(Some(hole.leaf), why));
            }
        }
    }

    /// A text of which the beginning stands elsewhere.
    pub(super) fn behind(&mut self, leaf: LeafId, behind: &'m Behind, new: Option<&Value>) {
        if !behind.rest.writes(self.create) {
            return self.fault_here(Some(leaf), "the system does not let this be set");
        }
        let rest = &behind.rest;
        let Some(value) = new.filter(|value| **value != Value::Null) else {
            return match rest.codec.write(&Value::Null) {
                Ok(out) => {
                    if let Head::At(head) = &behind.head {
                        self.put(head.slot, &head.at, out.clone(), None);
                    }
                    self.put(rest.slot, &rest.write_at, out, None);
                }
                Err(why) => self.fault_here(Some(leaf), why),
            };
        };
        match behind.cut(value) {
            Ok(cut) => {
                if let Some((head, out)) = cut.head {
                    self.put(head.slot, &head.at, out, None);
                }
                let (out, held) = cut.rest;
                self.put(rest.slot, &rest.write_at, out, Some(held));
            }
            Err(why) => self.fault_here(Some(leaf), why),
        }
    }

    /// A reference to a key of several parts.
    pub(super) fn tuple(&mut self, leaf: LeafId, tuple: &'m Tuple, new: Option<&Value>) {
        if !tuple.writes(self.create) {
            return self.fault_here(Some(leaf), "the system does not let this be set");
        }
        let Some(value) = new.filter(|value| **value != Value::Null) else {
            // What is fixed says nothing by itself.
            for part in tuple.free() {
                match part.codec.write(&Value::Null) {
                    Ok(out) => self.put(part.slot, &part.at, out, None),
                    Err(why) => return self.fault_here(Some(leaf), why),
                }
            }
            return;
        };
        match tuple.cut(value) {
            Ok(cut) => {
                for (part, out, held) in cut.parts.into_iter().filter(|(part, ..)| part.is_written) {
                    self.put(part.slot, &part.at, out, Some(held));
                }
            }
            Err(why) => self.fault_here(Some(leaf), why),
        }
    }

    /// Fields that are kept in one of several ways; sent with a new record only.
    pub(super) fn choice(
        &mut self,
        choice: &'m Choice,
        shape: &Object,
        new: Option<&Fields>,
        old: Option<&Fields>,
    ) {
        let value = |fields: Option<&'_ Fields>, position: u16| {
            fields.and_then(|fields| fields.at(position)).filter(|v| **v != Value::Null).cloned()
        };
        let leaf_of = |(position, leaves): &(u16, FieldSet)| (*position, leaves.iter().next());
        if !self.create {
            let changed = choice.fields.iter().find(|(at, _)| value(new, *at) != value(old, *at));
            if let Some((position, leaf)) = changed.map(leaf_of) {
                let name = shape.at(position).map_or("", |field| &*field.name);
                self.within(name, |this| {
                    this.fault_here(leaf, "the system does not let this be changed with the record");
                });
            }
            return;
        }
        // Of what is not there, nothing is chosen.
        let Some(fields) = new else { return };
        let Some(branch) = choice.write(new) else {
            let sent = choice.fields.iter().find(|(at, _)| value(new, *at).is_some());
            let Some((position, leaf)) = sent.or(choice.fields.first()).map(leaf_of) else { return };
            let name = shape.at(position).map_or("", |field| &*field.name);
            return self.within(name, |this| this.fault_here(leaf, choice.told()));
        };
        for named in &branch.lines {
            if let Part::Leaf(line) = &named.part {
                let value = fields.at(named.position);
                self.within(&named.name, |this| this.line(line, value, None));
            }
        }
        let leaf = choice.fields.first().and_then(|(_, leaves)| leaves.iter().next());
        for switch in &branch.switches {
            self.switch(switch, leaf, true);
        }
    }

    /// A joined text, written to its first part.
    pub(super) fn back(&mut self, leaf: LeafId, join: &'m Join, first: &'m Native, new: Option<&Value>) {
        match back_to_parts(join, first, new, self.create) {
            Ok(outs) => {
                for (slot, out) in outs {
                    let at = join.parts.iter().find(|(known, _)| *known == slot).map(|(_, path)| path);
                    self.put(slot, at.unwrap_or(&first.write_at), out, None);
                }
            }
            Err(why) => self.fault_here(Some(leaf), why),
        }
    }
}
