//! Native texts that hold more than one value: a list in one text, several fields in one, a text from several.

use std::sync::Arc;

use super::{
    elements::plain_text,
    fields::{At, FilterLine, Loader},
    path_at,
};
use crate::{
    mapping::{
        calc::{self, Calc},
        codec::{Clear, Codec, Norm, Wire},
        model::{Held, Hole, Join, Line, Native, ObjectPart, Part, Source, Split, TextPart},
        path::Path,
        pattern::Pattern,
        trie::Frame,
    },
    schema::{Field, FieldSet, LeafId, LeafKind, Object, Shape},
    words::{
        Diagnostic,
        tree::Node,
        yaml::{FromYaml, Keys, expected},
    },
};

impl Loader<'_> {
    /// `split`: a list whose elements stand in one text.
    pub(super) fn split(
        &mut self,
        at: At<'_>,
        item: &Shape,
        node: &Node,
        frame: &mut Frame,
    ) -> Option<Split> {
        let mut keys = Keys::of(node, self.found)?;
        let source: Node = keys.required("split", self.found)?;
        let by = keys.or("by", || ",".to_owned(), self.found)?;
        let write = self.write_word(&mut keys);
        let Shape::Leaf(leaf) = item else {
            self.found.error(&node.place, format!("`{}` is no list of single values", at.field.name));
            return None;
        };
        let mut codec = self.codec(*leaf);
        self.codec_words(*leaf, &mut codec, &mut keys);
        keys.finish(self.found);
        if by.is_empty() {
            self.found.error(&node.place, "`by` is what stands between two elements; it must not be empty");
            return None;
        }
        let native = self.source(&source)?;
        let (create, update) = self.when_written(at, write, &native, &native, &source.place);
        if create || update {
            self.invertible(*leaf, &codec, node);
            self.writes(&native, &at.field.name, &source.place);
        }
        self.reads(*leaf, &native);
        self.lines.filters.push(FilterLine { leaf: *leaf, place: None, is_shared: false });
        let whole = plain_text(self, *leaf);
        let slot = frame.slot(native.steps());
        let native = Native::plain(slot, Arc::new(whole), native, create, update);
        let source = Source::Native(Box::new(native));
        // What travels in a text is a text.
        let item = Codec { wire: Wire::Text, ..codec };
        let line = Line { leaf: *leaf, nullable: false, source };
        Some(Split { line, by: by.into(), item: Arc::new(item) })
    }

    /// `parent+`: several fields of an object in one text, or in several, each with fields of its own.
    pub(super) fn texts(
        &mut self,
        shape: &Object,
        into: &mut ObjectPart,
        node: &Node,
        frame: &mut Frame,
        read_only: bool,
    ) {
        let nodes = node.as_list().unwrap_or(std::slice::from_ref(node));
        for node in nodes {
            self.text(shape, into, node, frame, read_only);
        }
        into.parts.sort_by_key(|named| named.position);
    }

    fn text(
        &mut self,
        shape: &Object,
        into: &mut ObjectPart,
        node: &Node,
        frame: &mut Frame,
        read_only: bool,
    ) -> Option<()> {
        let mut keys = Keys::of(node, self.found)?;
        let source: Option<Node> = keys.required("at", self.found);
        let pattern: Option<Node> = keys.required("pattern", self.found);
        let most = keys.take("most").and_then(|node| u32::read(node, self.found));
        let write = self.write_word(&mut keys);
        keys.finish(self.found);
        let (source, pattern_node) = (source?, pattern?);
        let native = self.source(&source)?;
        let text = pattern_node.as_text().or_else(|| {
            expected(&pattern_node, "a text with holes, as in `{post_code} {city}`", self.found);
            None
        })?;
        let pattern = Pattern::parse(text)
            .map_err(|why| self.found.error(&pattern_node.place, why))
            .ok()
            .map(Arc::new)?;
        let (mut holes, mut fields, mut is_read_only) = (Vec::new(), Vec::new(), read_only);
        for name in pattern.names() {
            let (position, field, leaf) = self.held(shape, name, &pattern_node)?;
            is_read_only |= field.read_only;
            let codec = Codec { wire: Wire::Text, ..self.codec(leaf) };
            holes.push(Hole { position, leaf, codec: Arc::new(codec) });
            fields.push(field);
        }
        let first = holes.first()?.leaf;
        let place = At { field: fields.first()?, position: 0, read_only: is_read_only };
        let (create, update) = self.when_written(place, write, &native, &native, &source.place);
        if create || update {
            self.writes(&native, &pattern.names().collect::<Vec<_>>().join("`, `"), &source.place);
        }
        let slot = frame.slot(native.steps());
        let whole = Codec { most, ..plain_text(self, first) };
        for (index, (hole, field)) in holes.iter().zip(&fields).enumerate() {
            self.reads(hole.leaf, &native);
            self.lines.filters.push(FilterLine { leaf: hole.leaf, place: None, is_shared: false });
            let held = Held {
                slot,
                pattern: pattern.clone(),
                hole: index,
                codec: hole.codec.clone(),
                absent: whole.absent.clone(),
                create,
                update,
            };
            let source = Source::Hole(Box::new(held));
            let at = At { field, position: hole.position, read_only: is_read_only };
            let line = Line { leaf: hole.leaf, nullable: field.nullable, source };
            self.add(into, at, Part::Leaf(line), &pattern_node.place);
        }
        let native = Native::plain(slot, Arc::new(whole), native, create, update);
        into.texts.push(TextPart { pattern, native, holes });
        Some(())
    }

    /// The field that a hole names.
    fn held<'s>(&mut self, shape: &'s Object, name: &str, node: &Node) -> Option<(u16, &'s Field, LeafId)> {
        let Some((position, field)) = shape.field(name) else {
            self.found.push(
                Diagnostic::error(
                    &node.place,
                    format!("`{name}` is no field of `{}` here", self.entity.name),
                )
                .suggest(name, shape.fields.iter().map(|field| &*field.name)),
            );
            return None;
        };
        match &field.shape {
            Shape::Leaf(LeafId(0)) => {
                self.found
                    .error(&node.place, "`id` is not mapped by a line; it comes from the entity's `key`");
                None
            }
            Shape::Leaf(leaf) => Some((position, field, *leaf)),
            Shape::Object(_) | Shape::List(_) => {
                self.found.error(&node.place, format!("`{name}` is no single value"));
                None
            }
        }
    }

    /// `join`: a text put together of others; with `back: first` it is written to the first of them.
    pub(super) fn join(&mut self, at: At<'_>, leaf: LeafId, node: &Node, frame: &mut Frame) -> Option<Join> {
        let mut keys = Keys::of(node, self.found)?;
        let parts: Vec<Node> = keys.required("join", self.found)?;
        let by = keys.or("by", || " ".to_owned(), self.found)?;
        let otherwise = path_at(&mut keys, "else", self.found);
        let back = keys.take("back").cloned();
        if back.is_none() {
            for name in ["most", "write"] {
                if let Some(node) = keys.take(name) {
                    let error = Diagnostic::error(&node.place, format!("`{name}` goes with `back: first`"));
                    self.found.push(error.help(
                        "without it a joined text is never written; say `back: first`, or take this out",
                    ));
                }
            }
        }
        let most = keys.take("most").and_then(|node| self.most(leaf, node)).filter(|_| back.is_some());
        let write = back.is_some().then(|| self.write_word(&mut keys)).flatten();
        keys.finish(self.found);
        let LeafKind::Text { chars_max, .. } = self.entity.leaf(leaf)?.kind else {
            self.found.error(&node.place, "only a text can be joined");
            return None;
        };
        let places: Vec<_> = parts.iter().map(|node| node.place.clone()).collect();
        let parts = parts.iter().map(|node| self.source(node)).collect::<Option<Vec<_>>>()?;
        let mut take = |this: &mut Self, path: Path| {
            this.reads(leaf, &path);
            (frame.slot(path.steps()), path)
        };
        let otherwise = otherwise.map(|path| take(self, path));
        let parts: Vec<_> = parts.into_iter().map(|path| take(self, path)).collect();
        let back = match back {
            None => None,
            Some(node) if node.as_text() != Some("first") => {
                expected(&node, "`first`", self.found);
                return None;
            }
            Some(node) => {
                let (slot, first) = parts.first()?;
                let (create, update) = self.when_written(at, write, first, first, &node.place);
                let codec = Codec { most, norm: vec![Norm::Trim], ..self.codec(leaf) };
                if parts.iter().any(|(_, path)| path.is_rooted()) {
                    self.found.error(&node.place, "what is outside of the record cannot be written");
                }
                if otherwise.is_some() {
                    self.found.error(&node.place, "a text with `else` cannot be written back to its parts");
                }
                if update && parts.len() > 1 && codec.clear == Clear::Refused {
                    self.found.push(
                        Diagnostic::error(
                            &node.place,
                            "a change empties all parts but the first, and nothing says how",
                        )
                        .help("say `clear: { text: \"\" }` in the file, or `write: create` here"),
                    );
                }
                if create || update {
                    for ((_, path), place) in parts.iter().zip(&places) {
                        self.writes(path, &at.field.name, place);
                    }
                }
                Some(Box::new(Native::plain(*slot, Arc::new(codec), first.clone(), create, update)))
            }
        };
        Some(Join { parts, by: by.into(), otherwise, back, chars_max })
    }

    /// `calc`: worked out of native numbers, never written.
    pub(super) fn calc(&mut self, leaf: LeafId, node: &Node, frame: &mut Frame) -> Option<Box<Calc>> {
        let mut keys = Keys::of(node, self.found)?;
        let text: Option<Node> = keys.required("calc", self.found);
        keys.take("when");
        keys.finish(self.found);
        self.calc_of(leaf, &text?, frame)
    }

    /// A calculation's text.
    pub(super) fn calc_of(&mut self, leaf: LeafId, text_node: &Node, frame: &mut Frame) -> Option<Box<Calc>> {
        if self.entity.leaf(leaf)?.kind != LeafKind::Decimal {
            self.found.error(&text_node.place, "only a decimal can be calculated");
            return None;
        }
        let Some(text) = text_node.as_text() else {
            expected(text_node, "a calculation, as in `total - tax`", self.found);
            return None;
        };
        let mut read = Vec::new();
        let parsed = calc::parse(text, frame, &mut |path, list| read.push((path.clone(), list)));
        let calc = parsed.map_err(|why| self.found.error(&text_node.place, why)).ok()?;
        for (path, is_list) in read {
            if path.ups() > self.depth {
                self.found.error(&text_node.place, "`$up` goes out of a native list; there is none here");
                return None;
            }
            match is_list && self.depth == 0 {
                true => self.lines.reads.push((FieldSet::of(leaf), path, true)),
                false => self.reads(leaf, &path),
            }
        }
        Some(Box::new(calc))
    }
}
