//! `fields:` — each line is `canonical path: source`, checked against the entity and against the other lines.

use std::sync::Arc;

use super::{Defaults, pairs, path, path_at};
use crate::{
    mapping::{
        codec::Codec,
        model::{EachPart, Line, Named, Native, ObjectPart, Part, Source},
        path::{Path, Step},
        trie::Frame,
    },
    schema::{Entity, Field, FieldSet, LeafId, Object, Shape},
    words::{
        Diagnostic, Diagnostics, Place,
        tree::{self, Node},
        yaml::{FromYaml, Keys, expected},
        yaml_words,
    },
};

/// Most fixed places of a list.
const SLOTS_MAX: usize = 16;

yaml_words! {
    /// When a line is written.
    enum WriteWord {
        /// Never.
        Never = "never",
        /// With a new record only.
        Create = "create",
        /// With a change only.
        Update = "update",
        /// Both.
        Always = "always",
    }
}

/// What the lines come to, besides the parts.
#[derive(Default)]
pub(super) struct Lines {
    /// Which native paths of the record a leaf is read from; `true` for a list read element by element.
    pub(super) reads: Vec<(FieldSet, Path, bool)>,
    /// Where filters find the leaf of each line.
    pub(super) filters: Vec<FilterLine>,
}

/// Where filters find what a line reads.
pub(super) struct FilterLine {
    pub(super) leaf: LeafId,
    /// `None` where they cannot.
    pub(super) place: Option<(Path, Arc<Codec>)>,
}

pub(super) struct Loader<'l> {
    pub(super) entity: &'l Entity,
    pub(super) defaults: &'l Defaults,
    pub(super) found: &'l mut Diagnostics,
    pub(super) lines: Lines,
    /// Native places that are written: the list they stand in, the path, and who writes.
    pub(super) written: Vec<(u16, Path, String)>,
    /// Number of the list whose elements are being mapped; 0 outside.
    list: u16,
    lists: u16,
}

/// A field that is being mapped.
#[derive(Clone, Copy)]
struct At<'s> {
    field: &'s Field,
    position: u16,
    /// Whether callers may ever write it.
    read_only: bool,
}

impl<'l> Loader<'l> {
    pub(super) fn new(entity: &'l Entity, defaults: &'l Defaults, found: &'l mut Diagnostics) -> Self {
        Self { entity, defaults, found, lines: Lines::default(), written: Vec::new(), list: 0, lists: 0 }
    }

    /// The lines of a map, under one object of the schema.
    pub(super) fn object(
        &mut self,
        shape: &Object,
        node: &Node,
        frame: &mut Frame,
        read_only: bool,
    ) -> ObjectPart {
        let mut part = ObjectPart::default();
        self.fill_object(shape, &mut part, node, frame, read_only);
        part
    }

    fn fill_object(
        &mut self,
        shape: &Object,
        part: &mut ObjectPart,
        node: &Node,
        frame: &mut Frame,
        read_only: bool,
    ) {
        for (key, node) in pairs(Some(node), self.found) {
            match Path::parse(&key.text) {
                Ok(path) => self.put(shape, part, path.steps(), &key.place, node, frame, read_only),
                Err(why) => self.found.error(&key.place, why),
            }
        }
        part.parts.sort_by_key(|named| named.position);
    }

    fn put(
        &mut self,
        shape: &Object,
        into: &mut ObjectPart,
        steps: &[Step],
        place: &Place,
        node: &Node,
        frame: &mut Frame,
        read_only: bool,
    ) {
        let Some((Step::Key(name), rest)) = steps.split_first() else {
            return self.found.error(place, "a field's name was expected, not an index");
        };
        let Some((position, field)) = shape.field(name) else {
            return self.found.push(
                Diagnostic::error(place, format!("`{name}` is no field of `{}` here", self.entity.name))
                    .suggest(name, shape.fields.iter().map(|field| &*field.name)),
            );
        };
        if self.list == 0 && matches!(field.shape, Shape::Leaf(LeafId(0))) {
            return self.found.error(place, "`id` is not mapped by a line; it comes from the entity's `key`");
        }
        let at = At { field, position, read_only: read_only || field.read_only };
        match (&field.shape, rest) {
            (Shape::Leaf(_), [_, ..]) => self.found.error(place, format!("`{name}` is a single value")),
            (Shape::Leaf(leaf), []) => {
                if let Some(line) = self.line(at, *leaf, node, frame) {
                    self.add(into, at, Part::Leaf(line), place);
                }
            }
            (Shape::Object(object), rest) => {
                let child = entry(into, at, || Part::Object(ObjectPart::default()));
                let Some(Part::Object(child)) = child else { return };
                match rest {
                    [] => self.fill_object(object, child, node, frame, at.read_only),
                    rest => {
                        self.put(object, child, rest, place, node, frame, at.read_only);
                        child.parts.sort_by_key(|named| named.position);
                    }
                }
            }
            (Shape::List(item), []) if node.as_list().is_some() => {
                let items = node.as_list().unwrap_or_default();
                for (index, node) in items.iter().enumerate() {
                    self.slot(item, into, at, index, &[], &node.place, node, frame);
                }
            }
            (Shape::List(item), []) => {
                if let Some(part) = self.each(at, item, node, frame) {
                    self.add(into, at, Part::Each(part), place);
                }
            }
            (Shape::List(item), [Step::Index(index), rest @ ..]) => {
                self.slot(item, into, at, usize::from(*index), rest, place, node, frame);
            }
            (Shape::List(_), [Step::Key(_), ..]) => self.found.push(
                Diagnostic::error(place, format!("`{name}` is a list"))
                    .help(format!("write `{name}[0].…` for a fixed place, or `{name}: {{ each: … }}`")),
            ),
        }
    }

    /// A line into one of a list's fixed places.
    #[expect(
        clippy::too_many_arguments,
        reason = "one step of a recursion over path, schema and tree at once"
    )]
    fn slot(
        &mut self,
        item: &Shape,
        into: &mut ObjectPart,
        at: At<'_>,
        index: usize,
        rest: &[Step],
        place: &Place,
        node: &Node,
        frame: &mut Frame,
    ) {
        let name = &at.field.name;
        let Some(Part::Slots(slots)) = entry(into, at, || Part::Slots(Vec::new())) else {
            return self.found.error(place, format!("`{name}` is read by `each` already"));
        };
        if index > slots.len() || index >= SLOTS_MAX {
            return self.found.error(
                place,
                format!("places of `{name}` are numbered from 0 without gaps, up to {SLOTS_MAX}"),
            );
        }
        match (item, rest) {
            (Shape::Object(object), rest) => {
                if index == slots.len() {
                    slots.push(Part::Object(ObjectPart::default()));
                }
                let Some(Part::Object(child)) = slots.get_mut(index) else { return };
                match rest {
                    [] => self.fill_object(object, child, node, frame, at.read_only),
                    rest => {
                        self.put(object, child, rest, place, node, frame, at.read_only);
                        child.parts.sort_by_key(|named| named.position);
                    }
                }
            }
            (Shape::Leaf(leaf), []) if index == slots.len() => {
                if let Some(line) = self.line(at, *leaf, node, frame) {
                    slots.push(Part::Leaf(line));
                }
            }
            (Shape::Leaf(_) | Shape::List(_), _) => {
                self.found.error(place, format!("this place of `{name}` cannot be mapped so"));
            }
        }
    }

    fn add(&mut self, into: &mut ObjectPart, at: At<'_>, part: Part, place: &Place) {
        if into.at(at.position).is_some() {
            return self.found.error(place, format!("`{}` is mapped a second time", at.field.name));
        }
        into.parts.push(named(at, part));
    }

    fn each(&mut self, at: At<'_>, item: &Shape, node: &Node, frame: &mut Frame) -> Option<EachPart> {
        let mut keys = Keys::of(node, self.found)?;
        let source: Node = keys.required("each", self.found)?;
        let native = path(&source, self.found)?;
        let key = path_at(&mut keys, "key", self.found);
        let write = self.list_write_word(&mut keys, &at.field.name);
        let outer = std::mem::replace(&mut self.list, self.lists + 1);
        self.lists += 1;
        let mut element = Frame::default();
        let part = match (item, keys.take("fields")) {
            (Shape::Object(object), Some(fields)) => {
                let mut part = self.object(object, fields, &mut element, at.read_only);
                if let Some(key) = &key {
                    self.element_id(object, &mut part, key, &mut element);
                }
                Part::Object(part)
            }
            (Shape::Object(_), None) => {
                self.found.error(&node.place, "key `fields` is missing");
                return None;
            }
            (Shape::Leaf(leaf), _) => Part::Leaf(self.line_of(at, *leaf, &Path::default(), &mut element)),
            (Shape::List(_), _) => {
                self.found.error(&node.place, "a list of lists cannot be mapped");
                return None;
            }
        };
        self.list = outer;
        keys.finish(self.found);
        let Some(slot) = frame.each(native.steps(), element) else {
            self.found.error(&source.place, format!("`{native}` is read element by element already"));
            return None;
        };
        self.lines.reads.push((leaves(at.field), native.clone(), true));
        let create = !at.read_only && !matches!(write, Some(WriteWord::Never));
        if create {
            self.writes(&native, &at.field.name, &source.place);
        }
        Some(EachPart { slot, at: native, item: Box::new(part), create })
    }

    /// An element's `id`, when the schema has one and no line fills it, is its native key.
    fn element_id(&mut self, object: &Object, part: &mut ObjectPart, key: &Path, frame: &mut Frame) {
        let Some((position, field)) = object.field("id") else { return };
        let Shape::Leaf(leaf) = &field.shape else { return };
        if part.at(position).is_none() {
            let at = At { field, position, read_only: true };
            let line = self.line_of(at, *leaf, key, frame);
            part.parts.push(named(at, Part::Leaf(line)));
            part.parts.sort_by_key(|named| named.position);
        }
    }

    /// A line that is just a path.
    fn line_of(&mut self, at: At<'_>, leaf: LeafId, native: &Path, frame: &mut Frame) -> Line {
        let codec = Arc::new(self.codec(leaf));
        let slot = frame.slot(native.steps());
        self.reads(leaf, native);
        let write = !at.read_only;
        let native = Native { slot, codec, write_at: native.clone(), create: write, update: write };
        Line { leaf, nullable: at.field.nullable, source: Source::Native(Box::new(native)) }
    }

    fn line(&mut self, at: At<'_>, leaf: LeafId, node: &Node, frame: &mut Frame) -> Option<Line> {
        let source = match &node.value {
            tree::Value::Scalar(scalar) => match scalar.text.strip_prefix('=') {
                Some(_) => Source::Constant(self.value_of(leaf, node)?),
                None => {
                    let native = path(node, self.found)?;
                    let line = self.line_of(at, leaf, &native, frame);
                    self.filter(leaf, &line.source, Some(native.clone()));
                    if !at.read_only {
                        self.writes(&native, &at.field.name, &node.place);
                    }
                    return Some(line);
                }
            },
            tree::Value::Map(_) if node.get("join").is_some() => Source::Join(self.join(leaf, node, frame)?),
            tree::Value::Map(_) if node.get("first").is_some() => {
                Source::First(self.first(leaf, node, frame)?)
            }
            tree::Value::Map(_) => self.native(at, leaf, node, frame)?,
            tree::Value::Null | tree::Value::List(_) => {
                expected(node, "a native path, `=constant`, or a map with `at`", self.found);
                return None;
            }
        };
        match source {
            Source::Constant(_) | Source::Join(_) | Source::First(_) => self.filter(leaf, &source, None),
            Source::Native(_) => {}
        }
        Some(Line { leaf, nullable: at.field.nullable, source })
    }

    fn native(&mut self, at: At<'_>, leaf: LeafId, node: &Node, frame: &mut Frame) -> Option<Source> {
        let mut keys = Keys::of(node, self.found)?;
        let source: Option<Node> = keys.required("at", self.found);
        let native = source.as_ref().and_then(|source| path(source, self.found));
        let write = self.write_word(&mut keys);
        let mut codec = self.codec(leaf);
        self.codec_words(leaf, &mut codec, &mut keys);
        self.reference(leaf, &mut keys);
        let write_at = path_at(&mut keys, "write_at", self.found).or_else(|| native.clone());
        let filter_at = match keys.take("filter_at") {
            Some(node) if node.as_text() == Some("never") => None,
            Some(node) => path(node, self.found),
            None => native.clone(),
        };
        // ORDER: every word has been asked for by now, so that all mistakes of the line are told.
        keys.finish(self.found);
        let (source, native, write_at) = (source?, native?, write_at?);
        let (create, update) = match write {
            None | Some(WriteWord::Always) => (true, true),
            Some(WriteWord::Never) => (false, false),
            Some(WriteWord::Create) => (true, false),
            Some(WriteWord::Update) => (false, true),
        };
        let (create, update) = (create && !at.read_only, update && !at.read_only);
        if create || update {
            self.invertible(leaf, &codec, node);
            self.writes(&write_at, &at.field.name, &source.place);
        }
        self.reads(leaf, &native);
        let slot = frame.slot(native.steps());
        let source =
            Source::Native(Box::new(Native { slot, codec: Arc::new(codec), write_at, create, update }));
        self.filter(leaf, &source, filter_at);
        Some(source)
    }

    fn write_word(&mut self, keys: &mut Keys<'_>) -> Option<WriteWord> {
        keys.take("write").and_then(|node| WriteWord::read(node, self.found))
    }

    /// The word of a native list, which is sent with a new record or never.
    fn list_write_word(&mut self, keys: &mut Keys<'_>, name: &str) -> Option<WriteWord> {
        let node = keys.take("write")?;
        let word = WriteWord::read(node, self.found)?;
        if word == WriteWord::Update {
            self.found.push(
                Diagnostic::error(
                    &node.place,
                    format!("`{name}` cannot be changed with the record: it is a native list"),
                )
                .help("say `write: create` or `write: never`"),
            );
        }
        Some(word)
    }

    fn reference(&mut self, leaf: LeafId, keys: &mut Keys<'_>) {
        let Some(node) = keys.take("ref") else { return };
        let wanted = self.entity.leaf(leaf).and_then(|leaf| leaf.reference.as_ref());
        match (node.as_text(), wanted) {
            (Some(text), Some(name)) if text == name.as_str() => {}
            (_, Some(name)) => expected(node, &format!("`{name}`, to which the schema points"), self.found),
            (_, None) => {
                self.found.error(&node.place, "the schema says of no entity to which this field points")
            }
        }
    }

    pub(super) fn reads(&mut self, leaf: LeafId, path: &Path) {
        if self.list == 0 {
            self.lines.reads.push((FieldSet::of(leaf), path.clone(), false));
        }
    }

    fn filter(&mut self, leaf: LeafId, source: &Source, at: Option<Path>) {
        let place = match source {
            // A value that stands for nothing is nowhere in the system's own data, and elements of native lists
            // are asked for by none of the dialects.
            Source::Native(native) if self.list == 0 && native.codec.default.is_none() => {
                at.map(|at| (at, native.codec.clone()))
            }
            Source::Native(_) | Source::Constant(_) | Source::Join(_) | Source::First(_) => None,
        };
        self.lines.filters.push(FilterLine { leaf, place });
    }

    /// Tells when two lines write one native place.
    pub(super) fn writes(&mut self, path: &Path, who: &str, place: &Place) {
        let clash = |other: &Path| path.0.starts_with(&other.0) || other.0.starts_with(&path.0);
        if let Some((_, _, other)) = self.written.iter().find(|(list, p, _)| *list == self.list && clash(p)) {
            self.found.push(
                Diagnostic::error(place, format!("`{path}` is written by `{other}` already"))
                    .help("say `write: never` on one of the two"),
            );
        }
        self.written.push((self.list, path.clone(), who.to_owned()));
    }
}

/// The part at a field's position, made when there is none; always there.
fn entry<'p>(into: &'p mut ObjectPart, at: At<'_>, make: impl FnOnce() -> Part) -> Option<&'p mut Part> {
    let index = into.parts.iter().position(|named| named.position == at.position).unwrap_or_else(|| {
        into.parts.push(named(at, make()));
        into.parts.len() - 1
    });
    into.parts.get_mut(index).map(|named| &mut named.part)
}

fn named(at: At<'_>, part: Part) -> Named {
    Named { position: at.position, name: at.field.name.clone(), leaves: leaves(at.field), part }
}

fn leaves(field: &Field) -> FieldSet {
    field.leaves.clone().filter_map(|n| u8::try_from(n).ok()).map(LeafId).collect()
}
