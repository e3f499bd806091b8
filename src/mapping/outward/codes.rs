//! Writing keys that are found by a code. A place that a key and a code are both said for keeps one record; two are
//! refused.

use compact_str::CompactString;

use super::{Whose, Writing};
use crate::{
    mapping::{
        finding::{SetFound, Sought},
        model::{Native, Source},
        out::Out,
    },
    schema::LeafId,
};

/// Told where a key and a code name two records.
const TWO: &str = "the system keeps one record here, and what was sent names two";

impl<'m> Writing<'m> {
    /// Whether an element has another line for the same place, one of the two by a code.
    pub(super) fn is_said_twice(&self, native: &Native) -> bool {
        let mut places = 0_usize;
        let mut by_code = false;
        if let Some(item) = self.item {
            item.lines(true, &mut |line, _| {
                if let Source::Native(other) = &line.source
                    && other.write_at == native.write_at
                {
                    places += 1;
                    by_code |= other.find.is_some();
                }
            });
        }
        by_code && places > 1
    }

    /// Puts the value of a line: as it is read, as it is written, or the key that is found by it.
    pub(super) fn scalar(&mut self, leaf: LeafId, native: &'m Native, out: Out, held: Option<Out>) {
        if self.is_held() {
            let at = native.read_at.as_ref().unwrap_or(&native.write_at);
            let out = held.clone().unwrap_or(out);
            return self.put(native.slot, at, out, held);
        }
        let at = native.place(self.create);
        if self.is_switched(at, &out) {
            return self.switched(leaf);
        }
        let is_nothing = matches!(out, Out::Null);
        let Some(find) = native.find.as_ref().filter(|_| !is_nothing) else {
            let stands = match self.found_here.contains(&at) {
                true => self.body.at(at.steps()),
                false => None,
            };
            // Before it is found nobody knows whether the code is that key.
            let is_known = self.found.is_some();
            return match stands {
                Some(stands) if is_known && !is_nothing && *stands != out => self.fault_here(Some(leaf), TWO),
                Some(_) => {}
                None => self.put(native.slot, at, out, held),
            };
        };
        let stands = self.body.at(at.steps()).cloned();
        let code = out.raw().text().map(|text| CompactString::from(&*text)).unwrap_or_default();
        let key = match self.found {
            None => {
                self.sought.push(Sought { find: find.clone(), code });
                Ok(out)
            }
            Some(found) => found.key(find, &code),
        };
        match (key, stands) {
            (Err((whose, message)), _) => {
                self.fault_here(Some(leaf), message);
                if let Some(fault) = self.faults.last_mut() {
                    fault.whose = whose;
                }
            }
            (Ok(key), Some(stands)) if self.found.is_some() && stands != Out::Null && stands != key => {
                self.fault_here(Some(leaf), TWO);
            }
            (Ok(key), _) => {
                self.found_here.push(at);
                self.put(native.slot, at, key, held);
            }
        }
    }

    /// Puts what a new record carries and is found by what it says elsewhere; nothing where it says nothing there.
    pub(super) fn set_found(&mut self, set: &'m SetFound) {
        let code =
            self.body.at(set.of.steps()).and_then(|out| out.raw().text()).map(|text| text.into_owned());
        let Some(code) = code else { return };
        match self.found.map(|found| found.key(&set.find, &code)) {
            None => self.body.put(set.at.steps(), Out::text(&code)),
            Some(Ok(key)) => self.body.put(set.at.steps(), key),
            Some(Err((whose, _))) => {
                let message = match whose {
                    Whose::Several => "the system has several records that this one could go with",
                    Whose::Caller | Whose::System => "the system lacks a record that this one needs",
                };
                self.fault(None, String::new(), message.to_owned());
                if let Some(fault) = self.faults.last_mut() {
                    fault.whose = whose;
                }
            }
        }
    }
}
