//! Lists that are kept under free names: each element under its own. What is kept under other names stays.

use super::Writing;
use crate::{
    mapping::{entries::Entries, model::EachPart, out::Out},
    schema::{Shape, Value},
};

impl<'m> Writing<'m> {
    /// Puts the elements of a new record under their names.
    pub(super) fn under_names(&mut self, each: &'m EachPart, entries: &Entries, list: &[Out]) {
        for (name, value) in self.entries(entries, list) {
            self.puts += 1;
            self.body.put(each.place_of(&name).steps(), value);
        }
    }

    /// What changes of a list: names that come or whose value is another, and `null` for those that go.
    pub(super) fn renamed(
        &mut self,
        (each, entries): (&'m EachPart, &Entries),
        item: &Shape,
        (new, old): (&[Value], &[Value]),
    ) {
        let old = {
            // What of the stored record cannot be told by a name stays as it is.
            let faults = self.faults.len();
            let old = self.whole_elements(each, item, old);
            self.faults.truncate(faults);
            old.iter().filter_map(|element| entries.names.entry(element).ok()).collect::<Vec<_>>()
        };
        let new = self.whole_elements(each, item, new);
        let new = self.entries(entries, &new);
        let gone = old.iter().filter(|(name, _)| !new.iter().any(|(other, _)| other == name));
        let gone: Vec<_> = gone.map(|(name, _)| (name.clone(), Out::Null)).collect();
        for (name, value) in new.into_iter().filter(|entry| !old.contains(entry)).chain(gone) {
            self.puts += 1;
            self.body.put(each.place_of(&name).steps(), value);
        }
    }

    fn whole_elements(&mut self, each: &'m EachPart, item: &Shape, values: &[Value]) -> Vec<Out> {
        let values = values.iter().enumerate();
        values.map(|(at, value)| self.element(each, item, at, (value, None))).collect()
    }

    /// Names and values; a fault for each element that has none, and for one of a name that another has.
    fn entries(&mut self, entries: &Entries, list: &[Out]) -> Vec<(String, Out)> {
        let mut all: Vec<(String, Out)> = Vec::with_capacity(list.len());
        for (at, element) in list.iter().enumerate() {
            let entry = match entries.names.entry(element) {
                Ok((name, _)) if all.iter().any(|(other, _)| *other == name) => {
                    Err("another of these has the same name")
                }
                entry => entry,
            };
            match entry {
                Ok(entry) => all.push(entry),
                Err(why) => self.within(&at.to_string(), |this| this.fault_here(None, why)),
            }
        }
        all
    }
}
