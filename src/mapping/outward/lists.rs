//! Lists: elements by their keys, and lists that stand in named places.

use super::Writing;
use crate::{
    mapping::{
        model::{EachPart, Part},
        out::Out,
        places::{elements, places},
        sets::{self, Moment},
    },
    schema::{Shape, Value},
};

impl<'m> Writing<'m> {
    pub(super) fn slots(
        &mut self,
        slots: &'m [Part],
        item: &Shape,
        new: Option<&Value>,
        old: Option<&Value>,
    ) {
        let (new, left) = places(slots, elements(new));
        let (old, _) = places(slots, elements(old));
        // ORDER: what is emptied goes first: an element may move to a place that shares native values with its old one.
        for fills in [false, true] {
            for ((slot, new), old) in slots.iter().zip(&new).zip(&old) {
                if new.is_some() != fills {
                    continue;
                }
                let index = new.or(*old).map_or(0, |(index, _)| index);
                let (new, old) = (new.map(|(_, value)| value), old.map(|(_, value)| value));
                self.within(&index.to_string(), |this| this.part(slot, item, new, old));
            }
        }
        for index in left {
            let message = format!("the system has room for {} of these, each of its kind", slots.len());
            self.within(&index.to_string(), |this| this.fault_here(None, message));
        }
    }

    pub(super) fn each(
        &mut self,
        each: &'m EachPart,
        item: &Shape,
        new: Option<&Value>,
        old: Option<&Value>,
    ) {
        let (new, old) = (elements(new), elements(old));
        if !self.create {
            let calls =
                each.parts.as_deref().and_then(|parts| parts.update.as_ref().map(|calls| (parts, calls)));
            match calls {
                _ if new == old => {}
                Some(calls) => self.parts_changed(each, calls, item, (new, old)),
                None if each.update => self.changed(each, item, (new, old)),
                None => {
                    self.fault_here(None, "the system does not let this list be changed with the record");
                }
            }
            return;
        }
        if new.is_empty() {
            return;
        }
        if !each.create {
            return self.fault_here(None, "the system does not let this list be set");
        }
        if let Some(parts) = each.parts.as_deref().filter(|parts| self.splits && parts.create.is_some()) {
            return self.new_parts(each, parts, item, new);
        }
        let elements = new.iter().enumerate();
        let mut list: Vec<Out> =
            elements.map(|(at, value)| self.element(each, item, at, (value, None))).collect();
        if let Some(entries) = &each.entries {
            return self.under_names(each, entries, &list);
        }
        if let Some(commands) = each.commands.as_ref().filter(|_| !self.is_held()) {
            return self.additions(commands, list);
        }
        self.puts += 1;
        // Another part of the same native list may stand there.
        let mut all = match self.body.at(each.at.steps()) {
            Some(Out::List(others)) => others.clone(),
            _ => Vec::new(),
        };
        all.append(&mut list);
        self.body.put(each.at.steps(), Out::List(all));
    }

    /// One element of a native list: all of it, or what differs from an old one.
    pub(super) fn element(
        &mut self,
        each: &'m EachPart,
        item: &Shape,
        at: usize,
        (new, old): (&Value, Option<&Value>),
    ) -> Out {
        let room = match each.item.bare() {
            Part::Object(object) => object.parts.len(),
            Part::Leaf(_) | Part::Slots(_) | Part::Each(_) | Part::Split(_) | Part::When(_) => 0,
        };
        let outer = std::mem::replace(&mut self.body, Out::Object(Vec::with_capacity(room)));
        let was_in_each = std::mem::replace(&mut self.in_each, true);
        let was_new = std::mem::replace(&mut self.create, old.is_none());
        let switches = std::mem::take(&mut self.switches);
        let found_here = std::mem::take(&mut self.found_here);
        let was_item = self.item.replace(&each.item);
        self.within(&at.to_string(), |this| this.part(&each.item, item, Some(new), old));
        self.item = was_item;
        if old.is_none() {
            for narrow in &each.narrow {
                self.body.put(narrow.at.steps(), narrow.out.clone());
            }
            if let Err(why) = sets::put(&each.set, &mut self.body, Moment { now: self.now, index: at }) {
                self.within(&at.to_string(), |this| this.fault_here(None, why));
            }
        }
        self.in_each = was_in_each;
        self.create = was_new;
        self.switches = switches;
        self.found_here = found_here;
        std::mem::replace(&mut self.body, outer)
    }
}
