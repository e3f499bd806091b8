//! `when`, `$when`: what has to stand somewhere for a part to be there.
//!
//! A line may hang on what stands outside of the element that it is read from, as `$up.taxes_included`: what is written
//! says how the record has to stand, if its list is one of the record's own; else the line is only read. It may hang on a
//! setting of the file, which is known when the file is read: a line whose setting is another is none, though all that
//! is wrong with it is told.

use super::{
    elements::{SWITCH, narrows, narrows_by},
    fields::{At, Loader, leaves},
};
use crate::{
    mapping::{
        model::{Line, Narrow, ObjectPart, Part, Source},
        path::{Path, Step},
        trie::Frame,
    },
    words::{
        Diagnostic, Diagnostics, Place,
        tree::{Node, Value},
        yaml::expected,
    },
};

const SETTINGS: &str = "$settings.";

/// How much was noted of a file, to forget what comes after.
pub(super) struct Mark {
    reads: usize,
    inner: usize,
    filters: usize,
    written: usize,
}

impl Mark {
    /// How many lines were noted for filters.
    pub(super) fn filters(&self) -> usize {
        self.filters
    }
}

impl Loader<'_> {
    /// The switches of a fixed place, on which what is loaded next hangs.
    pub(super) fn switches(&mut self, node: Option<&Node>, at: At<'_>, frame: &mut Frame) -> Vec<Narrow> {
        let Some(node) = node else { return Vec::new() };
        let switches = narrows(Some(node), frame, self.defaults, self.found);
        for switch in switches.iter().filter(|_| !at.read_only) {
            self.writes(&switch.at, SWITCH, &node.place);
        }
        self.hang(switches, at)
    }

    /// The switches of a line, and whether the settings on which it hangs are so.
    pub(super) fn switches_of_line(
        &mut self,
        node: Option<&Node>,
        at: At<'_>,
        frame: &mut Frame,
    ) -> (Vec<Narrow>, bool) {
        let Some(node) = node else { return (Vec::new(), true) };
        let (rest, holds) = self.by_settings(node);
        let switches = narrows_by(Path::source, Some(&rest), frame, self.defaults, self.found);
        if switches.iter().any(|switch| switch.at.ups() > self.depth) {
            self.found.error(&node.place, "`$up` goes out of a native list; there is none here");
        }
        (self.hang(switches, at), holds)
    }

    fn hang(&mut self, switches: Vec<Narrow>, at: At<'_>) -> Vec<Narrow> {
        for switch in &switches {
            self.reads_for(leaves(at.field), &switch.at);
            let values = std::iter::once(&switch.value).chain(&switch.also).cloned().collect();
            self.guards.push((switch.at.clone(), values));
        }
        switches
    }

    /// What of a `when` is left for records, and whether what it says of settings is so.
    fn by_settings(&mut self, node: &Node) -> (Node, bool) {
        let pairs = node.as_map().unwrap_or_default();
        let (settings, rest): (Vec<_>, Vec<_>) =
            pairs.iter().cloned().partition(|(key, _)| key.text.starts_with(SETTINGS));
        let mut holds = true;
        for (key, value) in &settings {
            let named = Node { value: value.value.clone(), place: key.place.clone() };
            match (self.defaults.setting(&key.text, &named, self.found), value.as_text()) {
                (Some(setting), Some(wanted)) => {
                    holds &= setting == wanted;
                    // Lines of two settings are never there together.
                    let of = Path(vec![Step::Key(key.text.as_str().into())]);
                    self.guards.push((of, vec![wanted.into()]));
                }
                (None, _) => {}
                (Some(_), None) => expected(value, "a text", self.found),
            }
        }
        let value = if node.as_map().is_some() { Value::Map(rest) } else { node.value.clone() };
        (Node { value, place: node.place.clone() }, holds)
    }

    /// A line that is written sets its switches. One that hangs on what stands elsewhere is written where the record that
    /// holds its list can say so; else nobody sets that.
    pub(super) fn sets_switches(&mut self, line: &Line, switches: &[Narrow], place: &Place) {
        for switch in switches.iter().filter(|_| is_written(line)) {
            if !switch.at.is_rooted() {
                self.writes(&switch.at, SWITCH, place);
                continue;
            }
            let Some(of_record) = switch.of_record().filter(|_| self.depth == 1 && !self.in_entry) else {
                let text = format!("`{}` is outside of what the line writes, and cannot be set", switch.at);
                self.found.push(Diagnostic::error(place, text).help("say `write: never`"));
                continue;
            };
            let list = std::mem::replace(&mut self.list, 0);
            self.writes(&of_record, SWITCH, place);
            self.list = list;
        }
    }

    pub(super) fn mark(&self) -> Mark {
        let lines = &self.lines;
        Mark {
            reads: lines.reads.len(),
            inner: lines.inner.len(),
            filters: lines.filters.len(),
            written: self.written.len(),
        }
    }

    /// What was noted since is of a line that is none.
    pub(super) fn forget(&mut self, mark: &Mark) {
        self.lines.reads.truncate(mark.reads);
        self.lines.inner.truncate(mark.inner);
        self.lines.filters.truncate(mark.filters);
        self.written.truncate(mark.written);
    }
}

/// What the elements of a list hang on stays as the record was made: changed, it would give each of them another meaning.
pub(super) fn check(root: &ObjectPart, is_changed: bool, node: &Node, found: &mut Diagnostics) {
    let mut outside = Vec::new();
    root.parts.iter().for_each(|named| written_outside(&named.part, &mut outside));
    for at in outside {
        let (text, help) = match root.of_place(&at) {
            None => (
                format!("elements of a list are kept by `{at}`, and no line reads it"),
                "add a line for it, or say `write: never` of those that hang on it",
            ),
            Some((_, native)) if native.update && is_changed => (
                format!("elements of a list are kept by `{at}`, and a change of it would change them all"),
                "say `write: create` of the line that writes it",
            ),
            Some(_) => continue,
        };
        found.push(Diagnostic::error(&node.place, text).help(help));
    }
}

/// Places of the record on which written lines of its lists hang. Recursion is bounded by the depth of the entity.
fn written_outside(part: &Part, into: &mut Vec<Path>) {
    match part {
        Part::When(when) => {
            let mut is_one = false;
            when.part.lines(true, &mut |line, _| is_one |= is_written(line));
            let places = when.switches.iter().filter(|_| is_one).filter_map(Narrow::of_record);
            for at in places {
                if !into.contains(&at) {
                    into.push(at);
                }
            }
            written_outside(&when.part, into);
        }
        Part::Object(object) => object.parts.iter().for_each(|named| written_outside(&named.part, into)),
        Part::Slots(slots) => slots.iter().for_each(|slot| written_outside(slot, into)),
        Part::Each(each) => written_outside(&each.item, into),
        Part::Leaf(_) | Part::Split(_) => {}
    }
}

fn is_written(line: &Line) -> bool {
    match &line.source {
        Source::Native(native) => native.create || native.update,
        Source::Behind(behind) => behind.rest.create || behind.rest.update,
        Source::Tuple(tuple) => tuple.create || tuple.update,
        Source::Constant(_) | Source::Join(_) | Source::First(_) | Source::Calc(_) | Source::Hole(_) => false,
    }
}
