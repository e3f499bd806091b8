//! Switches: what has to stand somewhere for a part to be there is set with what is written. One that cannot stand both
//! ways is refused, whoever said the other.

use super::{Whose, Writing};
use crate::{
    mapping::{
        model::{Mapping, Narrow, When},
        out::Out,
        path::Path,
    },
    schema::{LeafId, Record, Shape, Value},
};

/// Told where a system would have to keep something in two ways.
const EITHER: &str = "the system keeps either this or what else was sent, not both";

impl Mapping {
    /// What the elements of lists ask of the record that holds them: a new one is made so, one that is there has to be so.
    pub(in crate::mapping) fn say_outside<'m>(&'m self, out: &mut Writing<'m>, old: Option<&Record>) {
        for (switch, leaf, pointer) in std::mem::take(&mut out.outside) {
            let Some(at) = switch.of_record() else { continue };
            let line = self.root.of_place(&at);
            let said = out.body.at(at.steps()).cloned().or_else(|| {
                let (leaf, native) = line?;
                let value = old?.first(&self.entity, leaf).filter(|value| **value != Value::Null)?;
                native.codec.write(value).ok()
            });
            match (said, old) {
                (Some(said), _) if said.stands(switch) => {}
                (Some(_), _) => out.fault(leaf, pointer, EITHER.to_owned()),
                (None, None) => match line {
                    Some((_, native)) => out.put(native.slot, &at, switch.out.clone(), None),
                    None => out.body.put(at.steps(), switch.out.clone()),
                },
                (None, Some(_)) => {
                    let message = "the system does not say how it keeps this".to_owned();
                    out.push(super::MappingFault { whose: Whose::System, leaf, pointer, message });
                }
            }
        }
    }
}

impl Out {
    /// Whether it is what a switch has to be.
    fn stands(&self, switch: &Narrow) -> bool {
        self.raw().text().is_some_and(|text| switch.is(&text))
    }
}

impl<'m> Writing<'m> {
    /// What is there where switches stand so: they are set with what is written.
    pub(super) fn when(&mut self, when: &'m When, shape: &Shape, new: Option<&Value>, old: Option<&Value>) {
        let puts = self.puts;
        self.part(&when.part, shape, new, old);
        if new.is_none_or(|value| *value == Value::Null) {
            return;
        }
        // What was read there was read because they stood so; in a list that is sent whole they go along.
        let stood = !self.in_each && old.is_some_and(|value| *value != Value::Null);
        let mut leaf = None;
        when.part.lines(false, &mut |line, _| leaf = leaf.or(Some(line.leaf)));
        for switch in &when.switches {
            match (switch.at.is_rooted(), self.puts > puts) {
                (true, true) => self.outside.push((switch, leaf, self.pointer.clone())),
                (true, false) => {}
                (false, sets) => self.switch(switch, leaf, sets && !stood),
            }
        }
    }

    /// A switch of this object, or list element; `sets` if something is written that hangs on it.
    pub(super) fn switch(&mut self, switch: &'m Narrow, leaf: Option<LeafId>, sets: bool) {
        let is_other = |(at, out): &(&Path, &Out)| *at == &switch.at && *out != &switch.out;
        let said = self.body.at(switch.at.steps());
        if self.switches.iter().any(is_other) || said.is_some_and(|said| !said.stands(switch)) {
            return self.fault_here(leaf, EITHER);
        }
        let is_said = said.is_some();
        self.switches.push((&switch.at, &switch.out));
        if sets && !is_said {
            self.put(switch.slot, &switch.at, switch.out.clone(), None);
        }
    }

    /// Whether what a line writes is not what hangs on it there.
    pub(super) fn is_switched(&self, at: &Path, out: &Out) -> bool {
        let text = |out: &Out| out.raw().text().map(std::borrow::Cow::into_owned);
        self.switches.iter().any(|(path, is)| *path == at && text(is) != text(out))
    }

    pub(super) fn switched(&mut self, leaf: LeafId) {
        self.fault_here(Some(leaf), EITHER);
    }
}
