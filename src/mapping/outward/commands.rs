//! Native lists that are written as commands: what is sent for each element that comes, changes or goes.
//!
//! Elements are told apart by their keys, never by their places. One that says no key is a new one; one that says a key
//! which the stored record does not have is refused, and so is another order of those that stay.

use super::{Naming, Writing};
use crate::{
    mapping::{
        body::{Body, Holes},
        model::{CommandWords, Commands, EachPart, Part, Source},
        number::is_number,
        out::Out,
        places::fields_of,
    },
    schema::{Shape, Value},
};

impl Body {
    fn command(&self, naming: Naming<'_>, record: Option<Out>) -> Out {
        self.fill(&mut Holes { record, key: naming.key, ..Holes::default() })
    }
}

impl EachPart {
    /// Where the key of an element stands, where elements may come, change and go.
    fn changing(&self) -> Option<(&Commands, u16)> {
        let commands = self.commands.as_ref()?;
        commands.key.filter(|_| self.update).map(|key| (commands, key))
    }
}

fn key_of(value: &Value, position: u16) -> Option<&str> {
    fields_of(Some(value)).and_then(|fields| fields.at(position)).and_then(Value::as_text)
}

impl<'m> Writing<'m> {
    /// What changes of a list.
    pub(super) fn changed(&mut self, each: &'m EachPart, item: &Shape, (new, old): (&[Value], &[Value])) {
        each.item.lines(true, &mut |line, _| self.relisted.insert(line.leaf));
        // ORDER: what is held of it is what is sent.
        if self.is_held() {
            return;
        }
        if let Some(entries) = &each.entries {
            return self.renamed((each, entries), item, (new, old));
        }
        let Some((commands, key)) = each.changing() else { return };
        let CommandWords { change: Some(change), remove: Some(remove), .. } = &*commands.words else {
            return;
        };
        let stays = |value: &&Value| {
            let id = key_of(value, key);
            id.is_some() && new.iter().any(|new| key_of(new, key) == id)
        };
        let mut all: Vec<Out> = Vec::new();
        for gone in old.iter().filter(|value| !stays(value)) {
            match key_of(gone, key).filter(|id| takes(remove, id)) {
                Some(id) => all.push(remove.command(Naming { key: Some(id), ..Naming::default() }, None)),
                None => self.fault_here(None, "the system tells no key of what is to be taken out"),
            }
        }
        let mut last = None;
        for (index, value) in new.iter().enumerate() {
            let id = key_of(value, key);
            let place = id.and_then(|id| old.iter().position(|old| key_of(old, key) == Some(id)));
            if place.is_some_and(|place| last.is_some_and(|last| place < last)) {
                self.within(&index.to_string(), |this| {
                    this.fault_here(None, "the system keeps these in an order of its own");
                });
            }
            last = place.or(last);
            let before = place.and_then(|place| old.get(place));
            let is_twice = id.is_some() && new.iter().take(index).any(|other| key_of(other, key) == id);
            let (id, before) = match (id, before) {
                (Some(id), Some(before)) if takes(change, id) && !is_twice => (Some(id), Some(before)),
                (None, _) => (None, None),
                (Some(_), _) => {
                    self.within(&index.to_string(), |this| {
                        this.fault_here(None, "there is no such element to be changed, or it is named twice");
                    });
                    continue;
                }
            };
            if before == Some(value) {
                continue;
            }
            let record = self.element(each, item, index, (value, before));
            match (id, record.is_empty()) {
                (Some(_), true) => {}
                (Some(id), false) => {
                    all.push(change.command(Naming { key: Some(id), ..Naming::default() }, Some(record)));
                }
                (None, _) => all.push(commands.words.add.command(Naming::default(), Some(record))),
            }
        }
        self.send(commands, all);
    }

    /// The elements of a new record's list.
    pub(super) fn additions(&mut self, commands: &'m Commands, list: Vec<Out>) {
        let add = |record| commands.words.add.command(Naming::default(), Some(record));
        self.send(commands, list.into_iter().map(add).collect());
    }

    fn send(&mut self, commands: &'m Commands, mut list: Vec<Out>) {
        if list.is_empty() {
            return;
        }
        self.puts += 1;
        let mut all = match self.body.at(commands.at.steps()) {
            Some(Out::List(others)) => others.clone(),
            _ => Vec::new(),
        };
        all.append(&mut list);
        self.body.put(commands.at.steps(), Out::List(all));
    }
}

fn takes(body: &Body, key: &str) -> bool {
    !key.is_empty() && (body.takes_key(key) || is_number(key))
}

impl EachPart {
    /// Whether the key is what this part of an element holds.
    pub(in crate::mapping) fn is_key(&self, part: &Part, position: u16) -> bool {
        let is_native = matches!(part, Part::Leaf(line) if matches!(line.source, Source::Native(_)));
        is_native && self.changing().is_some_and(|(_, key)| key == position)
    }
}
