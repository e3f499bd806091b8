//! `fields:` — each line is `canonical path: source`, checked against the entity and against the other lines.

use std::sync::Arc;

use super::{
    Defaults,
    elements::{Guard, Written},
    pairs, path,
};
use crate::{
    mapping::{
        codec::{Codec, Forms},
        model::{Line, Named, Narrow, Native, ObjectPart, Part, Source, When},
        path::{Path, Step},
        trie::Frame,
    },
    schema::{Entity, Field, FieldSet, Leaf, LeafId, LeafKind, Object, Shape},
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
    pub(super) enum WriteWord {
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
    /// What the elements of native lists are read by, with the list's own path before it.
    pub(super) inner: Vec<(FieldSet, Path)>,
    /// Where filters find the leaf of each line.
    pub(super) filters: Vec<FilterLine>,
    /// Where filters find the parts of references that have several.
    pub(super) tuples: Vec<(LeafId, Vec<Option<FilterPlace>>)>,
    /// Places outside lists that jq filters read whole.
    pub(super) wholes: Vec<Whole>,
    /// Where the line of a leaf stands in the file.
    pub(super) places: Vec<(LeafId, Place)>,
    /// What is read of other records that tell of one: of which sort, and whether from within a list.
    pub(super) also: Vec<(FieldSet, Arc<str>, bool)>,
    /// What each `ref` says.
    pub(super) refs: Vec<super::refs::Ref>,
    /// Lists in the elements of lists: what is read there, the outer one and the inner one.
    pub(super) nested: Vec<(FieldSet, Path, Path)>,
}

/// A place that a jq filter reads whole.
pub(super) struct Whole {
    pub(super) at: Path,
    pub(super) slot: u16,
    pub(super) place: Place,
}

impl Lines {
    /// What a record has of its own figure is asked for and filtered by under no name.
    pub(super) fn unpivoted(&mut self, cells: &super::cells::Written) {
        self.reads = cells.reads(std::mem::take(&mut self.reads));
        for line in &mut self.filters {
            line.place = line.place.take().filter(|(path, _)| !cells.is_own(path));
        }
    }
}

/// A native path that filters speak of, and how it is spelt.
pub(super) type FilterPlace = (Path, Arc<Codec>);

/// Where filters find what a line reads.
pub(super) struct FilterLine {
    pub(super) leaf: LeafId,
    /// `None` where they cannot.
    pub(super) place: Option<(Path, Arc<Codec>)>,
    /// Whether what stands there is at times another field's.
    pub(super) is_shared: bool,
}

pub(super) struct Loader<'l> {
    pub(super) entity: &'l Entity,
    pub(super) defaults: &'l Defaults,
    pub(super) found: &'l mut Diagnostics,
    pub(super) lines: Lines,
    /// Native places that are written: the list they stand in, the path, and who writes.
    pub(super) written: Vec<Written>,
    /// Number of the list whose elements are being mapped; 0 outside.
    pub(super) list: u16,
    pub(super) lists: u16,
    /// How many lists deep that is.
    pub(super) depth: usize,
    /// Where the lists stand whose elements are being mapped.
    pub(super) within: Path,
    /// Switches on which the lines at hand hang, and how they stand.
    pub(super) guards: Vec<Guard>,
    /// Lists whose elements are written by themselves.
    pub(super) parts: super::parts::PartWords,
    /// Whether the line at hand puts several fields of an object into one text.
    texts: bool,
    /// Whether some line is found by a code.
    pub(super) finds: bool,
    /// Whether the line at hand is.
    pub(super) finding: bool,
    /// Whether the lines at hand are those of an element of `entries`.
    pub(super) in_entry: bool,
    /// Lists that are kept under free names.
    pub(super) claims: Vec<super::entries::Claim>,
    /// Whether the object at hand is a place whose switches have been read.
    switched: bool,
    /// Whether a new record says in its request what parent it goes to.
    pub(super) names_over: bool,
}

/// A field that is being mapped.
#[derive(Clone, Copy)]
pub(super) struct At<'s> {
    pub(super) field: &'s Field,
    pub(super) position: u16,
    /// Whether callers may ever write it.
    pub(super) read_only: bool,
}

impl<'l> Loader<'l> {
    pub(super) fn new(entity: &'l Entity, defaults: &'l Defaults, found: &'l mut Diagnostics) -> Self {
        Self {
            entity,
            defaults,
            found,
            lines: Lines::default(),
            written: Vec::new(),
            list: 0,
            lists: 0,
            depth: 0,
            within: Path::default(),
            guards: Vec::new(),
            parts: super::parts::PartWords::default(),
            texts: false,
            finds: false,
            finding: false,
            in_entry: false,
            claims: Vec::new(),
            switched: false,
            names_over: false,
        }
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
        let switched = std::mem::take(&mut self.switched);
        for (key, node) in pairs(Some(node), self.found) {
            if self.in_entry && (key.text.starts_with('$') || key.text.ends_with('+')) {
                let text = format!("`{}` does not stand in `entries`", key.text);
                self.found.push(
                    Diagnostic::error(&key.place, text)
                        .help("a line there is `$name`, `$value`, a map with `at`, or a constant"),
                );
                continue;
            }
            if key.text == "$one_of" {
                self.one_of(shape, part, node, frame, read_only);
                continue;
            }
            if key.text == "$when" {
                if !switched {
                    self.found.push(
                        Diagnostic::error(&key.place, "`$when` stands in a fixed place of a list")
                            .help("say `when` beside the `at` of each line"),
                    );
                }
                continue;
            }
            let (text, texts) = key.text.strip_suffix('+').map_or((&*key.text, false), |text| (text, true));
            if texts && text.is_empty() {
                self.texts(shape, part, node, frame, read_only);
                continue;
            }
            self.texts = texts;
            match Path::parse(text) {
                Ok(path) => self.put(shape, part, path.steps(), &key.place, node, frame, read_only),
                Err(why) => self.found.error(&key.place, why),
            }
        }
        self.texts = false;
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
        if self.texts && rest.is_empty() && !matches!(field.shape, Shape::Object(_)) {
            return self.found.error(
                place,
                format!("`{name}+` stands for several fields; `{name}` is no group of fields"),
            );
        }
        match (&field.shape, rest) {
            (Shape::Leaf(_), [_, ..]) => self.found.error(place, format!("`{name}` is a single value")),
            (Shape::Leaf(leaf), []) => self.leaf(into, at, *leaf, place, node, frame),
            (Shape::Object(object), rest) => {
                let child = entry(into, at, || Part::Object(ObjectPart::default()));
                let Some(Part::Object(child)) = child else { return };
                match rest {
                    [] if std::mem::take(&mut self.texts) => {
                        self.texts(object, child, node, frame, at.read_only);
                    }
                    [] => self.fill_object(object, child, node, frame, at.read_only),
                    rest => {
                        self.put(object, child, rest, place, node, frame, at.read_only);
                        child.parts.sort_by_key(|named| named.position);
                    }
                }
            }
            (Shape::List(_), _) if self.in_entry => self.no_list(at, place),
            (Shape::List(item), []) if is_of_lists(node) => self.in_turn(item, into, at, place, node, frame),
            (Shape::List(item), []) if node.as_list().is_some() => {
                let items = node.as_list().unwrap_or_default();
                for (index, node) in items.iter().enumerate() {
                    self.slot(item, into, at, index, &[], &node.place, node, frame);
                }
            }
            (Shape::List(item), []) => self.list(item, into, at, place, node, frame),
            (Shape::List(item), [Step::Index(index), rest @ ..]) => {
                self.slot(item, into, at, usize::from(*index), rest, place, node, frame);
            }
            (Shape::List(_), [_, ..]) => self.found.push(
                Diagnostic::error(place, format!("`{name}` is a list"))
                    .help(format!("write `{name}[0].…` for a fixed place, or `{name}: {{ each: … }}`")),
            ),
        }
    }

    /// A list that is read from one native place.
    fn list(
        &mut self,
        item: &Shape,
        into: &mut ObjectPart,
        at: At<'_>,
        place: &Place,
        node: &Node,
        frame: &mut Frame,
    ) {
        let part = match (node.get("split"), node.get("entries")) {
            (Some(_), _) => self.split(at, item, node, frame).map(|part| Part::Split(Box::new(part))),
            (None, Some(_)) => self.entries(at, item, node, frame).map(Part::Each),
            (None, None) => self.each(at, item, node, frame).map(Part::Each),
        };
        if let Some(part) = part {
            self.add(into, at, part, place);
        }
    }

    /// A list that is read from several native lists, one after the other. Nobody could say to which of them a new
    /// element goes.
    fn in_turn(
        &mut self,
        item: &Shape,
        into: &mut ObjectPart,
        at: At<'_>,
        place: &Place,
        node: &Node,
        frame: &mut Frame,
    ) {
        let lists = node.as_list().unwrap_or_default();
        if lists.len() > SLOTS_MAX {
            self.found.error(place, format!("at most {SLOTS_MAX} native lists make one list"));
        }
        let mut all = Vec::new();
        for node in lists.iter().take(SLOTS_MAX) {
            if node.get("each").is_none() {
                let text = "fixed places and native lists do not make one list together";
                self.found.push(Diagnostic::error(&node.place, text).help("say `each` in all of them"));
                continue;
            }
            let Some(part) = self.each(at, item, node, frame) else { continue };
            if part.create {
                let text = format!("`{}` is read from several lists, and written to none", at.field.name);
                self.found.push(Diagnostic::error(&node.place, text).help("say `write: never`"));
            }
            all.push(part);
        }
        let mut all = all.into_iter();
        if let Some(mut first) = all.next() {
            first.behind = all.collect();
            self.add(into, at, Part::Each(first), place);
        }
    }

    /// A line of a single value, with the switches on which it hangs.
    fn leaf(
        &mut self,
        into: &mut ObjectPart,
        at: At<'_>,
        leaf: LeafId,
        place: &Place,
        node: &Node,
        frame: &mut Frame,
    ) {
        let when = node.get("when").filter(|_| node.get("at").is_some() || node.get("calc").is_some());
        let (mark, guards) = (self.mark(), self.guards.len());
        let (switches, holds) = self.switches_of_line(when, at, frame);
        if let Some(line) = self.line(at, leaf, node, frame) {
            self.sets_switches(&line, &switches, place);
            let own = self.lines.filters.get_mut(mark.filters()..).unwrap_or_default();
            own.iter_mut().for_each(|filter| filter.is_shared = !switches.is_empty());
            match holds {
                true => self.add(into, at, under(switches, Part::Leaf(line)), place),
                false => self.forget(&mark),
            }
        }
        self.guards.truncate(guards);
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
                let when = node.get("$when").filter(|_| rest.is_empty());
                let switches = self.switches(when, at, frame);
                self.switched = when.is_some();
                let guards = switches.len();
                if index == slots.len() {
                    slots.push(under(switches, Part::Object(ObjectPart::default())));
                } else if when.is_some() {
                    self.found.error(place, format!("this place of `{name}` is mapped already"));
                }
                let Some(Part::Object(child)) = slots.get_mut(index).map(bare) else { return };
                match rest {
                    [] if std::mem::take(&mut self.texts) => {
                        self.texts(object, child, node, frame, at.read_only);
                    }
                    [] => self.fill_object(object, child, node, frame, at.read_only),
                    rest => {
                        self.put(object, child, rest, place, node, frame, at.read_only);
                        child.parts.sort_by_key(|named| named.position);
                    }
                }
                self.guards.truncate(self.guards.len().saturating_sub(guards));
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

    pub(super) fn add(&mut self, into: &mut ObjectPart, at: At<'_>, part: Part, place: &Place) {
        if into.at(at.position).is_some() || into.is_chosen(at.position) {
            return self.found.error(place, format!("`{}` is mapped a second time", at.field.name));
        }
        into.parts.push(named(at, part));
    }

    /// A line that is just a path.
    pub(super) fn line_of(&mut self, at: At<'_>, leaf: LeafId, native: &Path, frame: &mut Frame) -> Line {
        let mut codec = self.codec(leaf);
        if native.steps() == [Step::Received] {
            // The gate says it, in its own spelling.
            (codec.forms, codec.tag) = (Forms::default(), None);
        }
        let codec = Arc::new(codec);
        let slot = super::lines::slot(frame, native, &codec);
        self.reads(leaf, native);
        let create = !at.read_only && (!native.is_rooted() || self.is_over(native));
        let update = create && !native.is_rooted() && !native.finds();
        let native = Native::plain(slot, codec, native.clone(), create, update);
        Line { leaf, nullable: at.field.nullable, source: Source::Native(Box::new(native)) }
    }

    pub(super) fn line(&mut self, at: At<'_>, leaf: LeafId, node: &Node, frame: &mut Frame) -> Option<Line> {
        if !self.fits_entry(node) {
            return None;
        }
        self.lines.places.push((leaf, node.place.clone()));
        let source = match &node.value {
            tree::Value::Scalar(scalar) => match scalar.text.strip_prefix('=') {
                Some(_) => Source::Constant(self.value_of(leaf, node)?),
                None => {
                    let native = self.source(node)?;
                    let is_moment = |leaf: &Leaf| leaf.kind == LeafKind::Instant;
                    if native.steps() == [Step::Received] && !self.entity.leaf(leaf).is_some_and(is_moment) {
                        let message = format!("`$received` is a moment, and `{}` is none", at.field.name);
                        self.found.error(&node.place, message);
                    }
                    let line = self.line_of(at, leaf, &native, frame);
                    self.filter(leaf, &line.source, Some(native.clone()).filter(|_| self.list == 0));
                    if !at.read_only && !native.is_rooted() {
                        self.writes(&native, &at.field.name, &node.place);
                    }
                    return Some(line);
                }
            },
            tree::Value::Map(_) if node.get("join").is_some() => {
                Source::Join(self.join(at, leaf, node, frame)?)
            }
            tree::Value::Map(_) if node.get("first").is_some() => {
                Source::First(self.first(leaf, node, frame)?)
            }
            tree::Value::Map(_) if node.get("jq").is_some() => self.filtered(at, leaf, node, frame)?,
            tree::Value::Map(_) if node.get("calc").is_some() => Source::Calc(self.calc(leaf, node, frame)?),
            tree::Value::Map(_) if node.get("behind").is_some() => {
                Source::Behind(Box::new(self.behind(at, leaf, node, frame)?))
            }
            tree::Value::Map(_) if super::tuples::is_list(node, self.found) => {
                Source::Tuple(Box::new(self.tuple(at, leaf, node, frame)?))
            }
            tree::Value::Map(_) => self.native(at, leaf, node, frame)?,
            tree::Value::Null | tree::Value::List(_) => {
                expected(node, "a native path, `=constant`, or a map with `at`", self.found);
                return None;
            }
        };
        match source {
            Source::Constant(_)
            | Source::Join(_)
            | Source::First(_)
            | Source::Calc(_)
            | Source::Hole(_)
            | Source::Behind(_)
            | Source::Tuple(_) => {
                self.filter(leaf, &source, None);
            }
            Source::Native(_) => {}
        }
        Some(Line { leaf, nullable: at.field.nullable, source })
    }

    fn native(&mut self, at: At<'_>, leaf: LeafId, node: &Node, frame: &mut Frame) -> Option<Source> {
        let mut keys = Keys::of(node, self.found)?;
        let source: Option<Node> = keys.required("at", self.found);
        let native = source.as_ref().and_then(|source| self.source(source));
        keys.take("when");
        let write = self.write_word(&mut keys);
        let mut codec = self.codec(leaf);
        self.codec_words(leaf, &mut codec, &mut keys);
        self.reference(leaf, &mut keys);
        let find = keys.take("find").and_then(|node| super::finds::named(node, self.defaults, self.found));
        self.finds |= find.is_some();
        let [write_at, update_at] = self.write_places(&mut keys);
        let write_at = write_at.or_else(|| native.clone());
        let filter_at = match keys.take("filter_at") {
            Some(node) if node.as_text() == Some("never") => None,
            Some(node) => path(node, self.found),
            // What filters call a field of elements, the file has to say.
            None => native.clone().filter(|_| self.list == 0),
        };
        // ORDER: every word has been asked for by now, so that all mistakes of the line are told.
        keys.finish(self.found);
        let (source, native, write_at) = (source?, native?, write_at?);
        let updated_at = update_at.as_ref().unwrap_or(&write_at);
        let (create, update) = self.when_written(at, write, &native, updated_at, &source.place);
        self.is_written_there(node, (create, update));
        if create || update {
            self.invertible(leaf, &codec, node);
            self.finding = find.is_some();
            self.writes(&write_at, &at.field.name, &source.place);
            if let Some(update_at) = update_at.as_ref().filter(|path| **path != write_at) {
                self.writes(update_at, &at.field.name, &source.place);
            }
            self.finding = false;
        }
        self.reads(leaf, &native);
        let slot = super::lines::slot(frame, &native, &codec);
        let read_at = Some(native).filter(|native| *native != write_at);
        let codec = Arc::new(codec);
        let source = Source::Native(Box::new(Native {
            slot,
            codec,
            write_at,
            update_at,
            read_at,
            find,
            create,
            update,
        }));
        self.filter(leaf, &source, filter_at);
        Some(source)
    }

    pub(super) fn write_word(&mut self, keys: &mut Keys<'_>) -> Option<WriteWord> {
        keys.take("write").and_then(|node| WriteWord::read(node, self.found))
    }
}

/// A part that is there where its switches stand so; the part itself where there are none.
fn under(switches: Vec<Narrow>, part: Part) -> Part {
    match switches.is_empty() {
        true => part,
        false => Part::When(When { switches, part: Box::new(part) }),
    }
}

fn bare(part: &mut Part) -> &mut Part {
    match part {
        Part::When(when) => &mut when.part,
        part => part,
    }
}

/// The part at a field's position, made when there is none; always there.
pub(super) fn entry<'p>(
    into: &'p mut ObjectPart,
    at: At<'_>,
    make: impl FnOnce() -> Part,
) -> Option<&'p mut Part> {
    let index = into.parts.iter().position(|named| named.position == at.position).unwrap_or_else(|| {
        into.parts.push(named(at, make()));
        into.parts.len() - 1
    });
    into.parts.get_mut(index).map(|named| &mut named.part)
}

pub(super) fn named(at: At<'_>, part: Part) -> Named {
    Named { position: at.position, name: at.field.name.clone(), leaves: leaves(at.field), part }
}

pub(super) fn leaves(field: &Field) -> FieldSet {
    field.leaves.clone().filter_map(|n| u8::try_from(n).ok()).map(LeafId).collect()
}

/// Whether some place of a list is a native list.
fn is_of_lists(node: &Node) -> bool {
    node.as_list().is_some_and(|items| items.iter().any(|item| item.get("each").is_some()))
}
