//! `$one_of`: fields that are kept in one of several ways, and `behind`: a text of which the beginning stands
//! elsewhere.

use super::{
    elements::{SWITCH, narrows},
    fields::{At, FilterLine, Loader, named},
    pairs,
};
use crate::{
    mapping::{
        behind::{Behind, Head, HeadAt},
        choice::{Branch, Choice},
        model::{Line, Named, ObjectPart, Part, Source},
        path::{Path, Step},
        trie::Frame,
    },
    schema::{FieldSet, LeafId, LeafKind, Object, Shape, Spelling},
    words::{
        Diagnostic,
        tree::{Key, Node},
        yaml::{Keys, expected},
    },
};

/// Most branches of a choice.
const BRANCHES_MAX: usize = 32;

impl Loader<'_> {
    /// `$one_of`, under one object of the schema.
    pub(super) fn one_of(
        &mut self,
        shape: &Object,
        into: &mut ObjectPart,
        node: &Node,
        frame: &mut Frame,
        read_only: bool,
    ) {
        let list = node;
        let Some(nodes) = node.as_list().filter(|nodes| (1..=BRANCHES_MAX).contains(&nodes.len())) else {
            expected(node, &format!("a list of up to {BRANCHES_MAX} maps of lines"), self.found);
            return;
        };
        let reads = self.lines.reads.len();
        let mut choice = Choice { fields: Vec::new(), branches: Vec::new() };
        for (number, node) in nodes.iter().enumerate() {
            // Only one of them is written, so they may write the same places.
            let guard = Path(vec![Step::Key(format!("$one_of {}", list.place.start).into())]);
            let guards = self.guards.len();
            self.guards.push((guard, vec![number.to_string().into()]));
            if let Some(branch) = self.branch(shape, node, frame, read_only) {
                for named in &branch.lines {
                    if !choice.fields.iter().any(|(position, _)| *position == named.position) {
                        choice.fields.push((named.position, named.leaves));
                    }
                }
                choice.branches.push(branch);
            }
            self.guards.truncate(guards);
        }
        for (position, _) in &choice.fields {
            self.only_here(into, *position, node);
        }
        // Which of them it is hangs on all of their places.
        let all = choice.leaves();
        self.lines.reads.iter_mut().skip(reads).for_each(|(leaves, _, _)| *leaves = leaves.union(&all));
        into.choices.push(choice);
    }

    /// Tells of a field that is mapped beside a choice too.
    fn only_here(&mut self, into: &ObjectPart, position: u16, node: &Node) {
        if let Some(named) = into.at(position) {
            self.found.error(&node.place, format!("`{}` is mapped a second time", named.name));
        }
    }

    fn branch(&mut self, shape: &Object, node: &Node, frame: &mut Frame, read_only: bool) -> Option<Branch> {
        if node.as_map().is_none() {
            expected(node, "a map of lines", self.found);
            return None;
        }
        let list = node.place.clone();
        let fields = pairs(Some(node), self.found).iter().filter(|(key, _)| key.text != "$when");
        let mut lines: Vec<Named> = Vec::new();
        let mut known = FieldSet::EMPTY;
        for (key, node) in fields {
            let Some((at, leaf)) = self.single(shape, key, read_only) else { continue };
            if known.contains(leaf) {
                self.found.error(&key.place, format!("`{}` is mapped a second time", key.text));
                continue;
            }
            known.insert(leaf);
            // Both ends of a month are sent as that one month, or not at all.
            let end = month_of(node).map(|end| {
                let guard = Path(vec![Step::Key(format!("$month {}", list.start).into())]);
                self.guards.push((guard, vec![end.into()]));
            });
            let line = self.line_of_branch(at, leaf, node, frame);
            if end.is_some() {
                self.guards.pop();
            }
            let Some(mut line) = line else { continue };
            match &mut line.source {
                // A change would have to take the other ways out.
                Source::Native(native) => native.update = false,
                Source::Behind(behind) => behind.rest.update = false,
                Source::Constant(_) => {}
                Source::Join(_) | Source::First(_) | Source::Calc(_) | Source::Hole(_) | Source::Tuple(_) => {
                    self.found.push(
                        Diagnostic::error(&node.place, "a line of `$one_of` is a path or a constant")
                            .help("write it beside `$one_of`, or as `{ at: … }`"),
                    );
                }
            }
            self.lines.filters.push(FilterLine { leaf, place: None, is_shared: false });
            lines.push(named(at, Part::Leaf(line)));
        }
        let when = node.get("$when");
        let switches = narrows(when, frame, self.defaults, self.found);
        for switch in &switches {
            if self.list == 0 {
                self.lines.reads.push((known, switch.at.clone(), false));
            }
            if !read_only {
                self.writes(&switch.at, SWITCH, &when.unwrap_or(node).place);
            }
        }
        if switches.is_empty() && !lines.is_empty() && lines.iter().all(is_constant) {
            self.found.push(
                Diagnostic::error(&node.place, "nothing in the record says that it is this branch")
                    .help("say `$when: { path: value }`, or map a field from a path"),
            );
        }
        lines.sort_by_key(|named| named.position);
        Some(Branch { switches, lines })
    }

    fn line_of_branch(&mut self, at: At<'_>, leaf: LeafId, node: &Node, frame: &mut Frame) -> Option<Line> {
        if let Some(when) = node.get("when") {
            self.found.push(
                Diagnostic::error(&when.place, "`when` is not for a line of `$one_of`")
                    .help("say `$when` beside the lines of the branch"),
            );
            return None;
        }
        self.line(at, leaf, node, frame)
    }

    /// The single value that a branch's line fills.
    fn single<'s>(&mut self, shape: &'s Object, key: &Key, read_only: bool) -> Option<(At<'s>, LeafId)> {
        let Some((position, field)) = shape.field(&key.text) else {
            self.found.push(
                Diagnostic::error(
                    &key.place,
                    format!("`{}` is no field of `{}` here", key.text, self.entity.name),
                )
                .suggest(&key.text, shape.fields.iter().map(|field| &*field.name)),
            );
            return None;
        };
        match &field.shape {
            Shape::Leaf(LeafId(0)) => {
                self.found
                    .error(&key.place, "`id` is not mapped by a line; it comes from the entity's `key`");
                None
            }
            Shape::Leaf(leaf) => {
                Some((At { field, position, read_only: read_only || field.read_only }, *leaf))
            }
            Shape::Object(_) | Shape::List(_) => {
                self.found.push(
                    Diagnostic::error(&key.place, format!("`{}` is no single value", key.text))
                        .help("write `$one_of` inside of it"),
                );
                None
            }
        }
    }

    /// `behind`: a text of which the beginning stands elsewhere.
    pub(super) fn behind(
        &mut self,
        at: At<'_>,
        leaf: LeafId,
        node: &Node,
        frame: &mut Frame,
    ) -> Option<Behind> {
        let mut keys = Keys::of(node, self.found)?;
        let source: Option<Node> = keys.required("at", self.found);
        let head = keys.take("behind").cloned();
        let write = self.write_word(&mut keys);
        keys.take("when");
        let mut codec = self.codec(leaf);
        self.codec_words(leaf, &mut codec, &mut keys);
        keys.finish(self.found);
        let LeafKind::Text { chars_max, spelling } = self.entity.leaf(leaf)?.kind else {
            self.found.error(&node.place, "only a text stands `behind` another");
            return None;
        };
        // What stands behind a country is no number by itself.
        codec.kind = LeafKind::Text { chars_max, spelling: Spelling::Free };
        let source = source?;
        let native = super::path(&source, self.found)?;
        let head = self.head(&head?, frame)?;
        let (create, update) = self.when_written(at, write, &native, &native, &source.place);
        let of_head = match &head {
            Head::At(head) => Some(&head.at),
            Head::Text(_) => None,
        };
        for path in of_head.into_iter().chain([&native]) {
            self.reads(leaf, path);
            if create || update {
                self.writes(path, &at.field.name, &source.place);
            }
        }
        let slot = frame.slot(native.steps());
        let codec = std::sync::Arc::new(codec);
        let rest = crate::mapping::model::Native::plain(slot, codec, native, create, update);
        Some(Behind { head, rest, chars_max, spelling })
    }

    fn head(&mut self, node: &Node, frame: &mut Frame) -> Option<Head> {
        if let Some(text) = node.as_text() {
            if text.is_empty() {
                self.found.error(&node.place, "`behind` is a text, or says where one stands");
                return None;
            }
            return Some(Head::Text(text.into()));
        }
        let mut keys = Keys::of(node, self.found)?;
        let source: Option<Node> = keys.required("at", self.found);
        let chars: Option<u32> = keys.required("chars", self.found);
        let (of, not) = (keys.take("of"), keys.take("not"));
        keys.finish(self.found);
        let (source, chars) = (source?, usize::try_from(chars?).ok()?);
        let at = super::path(&source, self.found)?;
        let (of, not) = (self.spellings(of)?, self.spellings(not)?);
        if chars == 0 || of.iter().chain(&not).any(|one| one.len() != chars) {
            self.found.error(&node.place, format!("what is in `of` and `not` has {chars} characters each"));
            return None;
        }
        Some(Head::At(HeadAt { slot: frame.slot(at.steps()), at, chars, of, not }))
    }
}

/// Which end of a month a line says to be, where it does.
fn month_of(node: &Node) -> Option<&str> {
    node.get("as")?.get("date")?.as_text().filter(|form| matches!(*form, "month_first" | "month_last"))
}

fn is_constant(named: &Named) -> bool {
    matches!(named.part, Part::Leaf(Line { source: Source::Constant(_), .. }))
}

/// Every leaf of a choice's branches that is the same in each record of its branch.
pub(super) fn tags(choice: &Choice, out: &mut Vec<(LeafId, FieldSet)>) {
    let all = choice.leaves();
    for branch in choice.branches.iter().filter(|branch| branch.switches.is_empty()) {
        for named in &branch.lines {
            if let Part::Leaf(Line { leaf, source: Source::Constant(_), .. }) = &named.part {
                out.push((*leaf, all));
            }
        }
    }
}
