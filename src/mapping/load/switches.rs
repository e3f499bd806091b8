//! `when`, `$when`: what has to stand somewhere for a part to be there.
//!
//! A line may hang on what stands outside of the element that it is read from, as `$up.taxes_included`: then it is only
//! read. It may hang on a setting of the file, which is known when the file is read: a line whose setting is another is
//! none, though all that is wrong with it is told.

use super::{
    elements::{SWITCH, narrows, narrows_by},
    fields::{At, Loader, leaves},
};
use crate::{
    mapping::{
        model::{Line, Narrow, Source},
        path::{Path, Step},
        trie::Frame,
    },
    words::{
        Diagnostic, Place,
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

impl Loader<'_> {
    /// The switches of a fixed place, on which what is loaded next hangs.
    pub(super) fn switches(&mut self, node: Option<&Node>, at: At<'_>, frame: &mut Frame) -> Vec<Narrow> {
        let Some(node) = node else { return Vec::new() };
        let switches = narrows(Some(node), frame, self.defaults, self.found);
        self.hang(switches, at, &node.place)
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
        (self.hang(switches, at, &node.place), holds)
    }

    fn hang(&mut self, switches: Vec<Narrow>, at: At<'_>, place: &Place) -> Vec<Narrow> {
        for switch in &switches {
            self.reads_for(leaves(at.field), &switch.at);
            if !at.read_only && !switch.at.is_rooted() {
                self.writes(&switch.at, SWITCH, place);
            }
            self.guards.push((switch.at.clone(), switch.value.clone()));
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
                    self.guards.push((of, wanted.into()));
                }
                (None, _) => {}
                (Some(_), None) => expected(value, "a text", self.found),
            }
        }
        let value = if node.as_map().is_some() { Value::Map(rest) } else { node.value.clone() };
        (Node { value, place: node.place.clone() }, holds)
    }

    /// A line that hangs on what stands elsewhere cannot be written: nobody sets that.
    pub(super) fn only_read(&mut self, line: &Line, switches: &[Narrow], place: &Place) {
        let is_written = match &line.source {
            Source::Native(native) => native.create || native.update,
            Source::Behind(behind) => behind.rest.create || behind.rest.update,
            Source::Tuple(tuple) => tuple.create || tuple.update,
            Source::Constant(_) | Source::Join(_) | Source::First(_) | Source::Calc(_) | Source::Hole(_) => {
                false
            }
        };
        if let Some(switch) = switches.iter().find(|switch| is_written && switch.at.is_rooted()) {
            let text = format!("`{}` is outside of what the line writes, and cannot be set", switch.at);
            self.found.push(Diagnostic::error(place, text).help("say `write: never`"));
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
