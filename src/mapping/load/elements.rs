//! Lists read from native lists, and what hangs on how a native scalar stands; who writes which native place.

use super::{
    Defaults,
    entity::constants,
    fields::{At, FilterLine, Loader, WriteWord, leaves, named},
    path_at,
    sets::Within,
};
use crate::{
    mapping::{
        codec::{Codec, Wire},
        model::{Commands, EachPart, Narrow, ObjectPart, Part, Source, Speaks},
        out::Out,
        path::{Path, Step},
        trie::Frame,
    },
    schema::{FieldSet, LeafId, LeafKind, Object, Shape, Spelling},
    words::{
        Diagnostic, Diagnostics, Place,
        tree::{Node, Value},
        yaml::{FromYaml, Keys, expected},
    },
};

/// A switch, and each value of it by which something is there.
pub(in crate::mapping) type Guard = (Path, Vec<Box<str>>);

/// A native place that a line writes.
pub(in crate::mapping) struct Written {
    list: u16,
    pub(in crate::mapping) path: Path,
    who: String,
    /// Whether what is written there is found by a code.
    is_found: bool,
    /// Switches on which it hangs.
    guards: Vec<Guard>,
}

/// Who writes a switch, whatever hangs on it.
pub(super) const SWITCH: &str = "$when";

/// Who writes what every new element or record holds.
pub(super) const WHERE: &str = "where";
/// Who writes what every new element or record holds, whatever is sent.
pub(super) const SET: &str = "set";

/// Who writes where nobody else did.
pub(super) const DEFAULT: &str = "unless";

impl Written {
    /// Whether it stands in the elements of the list of that number.
    pub(super) fn is_in(&self, list: u16) -> bool {
        self.list == list
    }
}

impl Loader<'_> {
    pub(super) fn each(
        &mut self,
        at: At<'_>,
        item: &Shape,
        node: &Node,
        frame: &mut Frame,
    ) -> Option<EachPart> {
        let mut keys = Keys::of(node, self.found)?;
        let source: Node = keys.required("each", self.found)?;
        let (within, native) = self.list_at(&source)?;
        let key = path_at(&mut keys, "key", self.found);
        let more = if within.is_none() { self.more(at, &mut keys, frame) } else { None };
        let commands = self.commands_at(&mut keys);
        let write = self.list_write_word(&mut keys, &at.field.name);
        let outer = std::mem::replace(&mut self.list, self.lists + 1);
        self.lists += 1;
        let deep = 1 + usize::from(within.is_some());
        self.depth += deep;
        let guards = std::mem::take(&mut self.guards);
        let outside = self.within.0.len();
        self.within.0.extend(within.iter().chain([&native]).flat_map(|path| path.0.iter().cloned()));
        let mut element = Frame::default();
        let narrow = narrows(keys.take("where"), &mut element, self.defaults, self.found);
        for path in narrow.iter().map(|narrow| &narrow.at).chain(&key) {
            self.reads_inside(leaves(at.field), path);
        }
        for narrow in &narrow {
            self.writes(&narrow.at, WHERE, &source.place);
        }
        let set = self.sets(keys.take("set"), Within::List);
        let part = self.item(at, item, (node, keys.take("fields")), key.as_ref(), &mut element)?;
        self.list = outer;
        self.depth -= deep;
        self.within.0.truncate(outside);
        self.guards = guards;
        keys.finish(self.found);
        let parts = if outer == 0 { self.parts(at, (item, &part), &mut element, node) } else { None };
        let (place, part_name) = part_of_list(&native, &narrow);
        let (slot, outer_slot) =
            self.put_list(frame, (within.as_ref(), &native), &part_name, element, &source.place)?;
        self.reads_list(leaves(at.field), within.as_ref(), &native);
        let create = !at.read_only && !matches!(write, Some(WriteWord::Never)) && !native.is_rooted();
        if create {
            self.writes_list(at, within.is_some(), &place, &source.place);
        }
        if parts.is_some() {
            self.written_once(at, (create, commands.is_some()), &source.place);
        }
        let commands = self.commands(commands, key.as_ref(), item);
        let may_change = matches!(write, None | Some(WriteWord::Always));
        let update = create && may_change && commands.as_ref().is_some_and(Commands::may_change);
        Some(EachPart {
            slot,
            within: outer_slot,
            behind: Vec::new(),
            more,
            at: native,
            item: Box::new(part),
            narrow,
            create,
            set,
            update,
            commands,
            parts,
            entries: None,
        })
    }

    /// `path`, or `path[].path`: a list, or all those that stand in the elements of a list.
    fn list_at(&mut self, node: &Node) -> Option<(Option<Path>, Path)> {
        let text = node.as_text().unwrap_or_default();
        let Some((outer, inner)) = text.split_once("[].") else {
            return Some((None, self.list_source(node)?));
        };
        if self.defaults.speaks == Speaks::Xml {
            let text = "lists in the elements of lists are read of JSON only";
            self.found
                .push(Diagnostic::error(&node.place, text).help("name a list that stands in one place"));
            return None;
        }
        match (Path::parse(outer), Path::parse(inner)) {
            (Ok(outer), Ok(inner)) => Some((Some(outer), inner)),
            (Err(why), _) | (_, Err(why)) => {
                let mistake = Diagnostic::error(&node.place, why);
                self.found.push(mistake.help("`[]` stands once: `addresses[].emails`"));
                None
            }
        }
    }

    /// Makes a list one that is read element by element: its slot, and that of the list in whose elements it stands.
    fn put_list(
        &mut self,
        frame: &mut Frame,
        (within, native): (Option<&Path>, &Path),
        part: &str,
        element: Frame,
        place: &Place,
    ) -> Option<(u16, Option<u16>)> {
        let put = match within {
            None => frame.each(native.steps(), part, element).map(|slot| (slot, None)),
            // The outer list is read once for each inner one, beside what else is read of it.
            Some(within) => {
                let mut outer = Frame::default();
                let slot = outer.each(native.steps(), part, element)?;
                let outer = frame.each(within.steps(), &format!("[].{native}&{part}"), outer);
                outer.map(|outer| (slot, Some(outer)))
            }
        };
        if put.is_none() {
            self.found.push(
                Diagnostic::error(place, format!("`{native}` is read element by element already"))
                    .help("say of each part which elements are its own: `where: { type: email }`"),
            );
        }
        put
    }

    /// What is read of a list, for whoever asks for it by name.
    fn reads_list(&mut self, leaves: FieldSet, within: Option<&Path>, native: &Path) {
        if let Some(sort) = native.also() {
            self.lines.also.push((leaves, sort.clone(), self.list != 0));
            return;
        }
        match within {
            _ if self.list != 0 => {}
            None => self.lines.reads.push((leaves, native.clone(), true)),
            Some(outer) => self.lines.nested.push((leaves, outer.clone(), native.clone())),
        }
    }

    /// A list that goes along with a new record, to a place of its own.
    fn writes_list(&mut self, at: At<'_>, is_nested: bool, to: &Path, place: &Place) {
        if !is_nested {
            return self.writes(to, &at.field.name, place);
        }
        let text = format!("`{}` is a list in the elements of a list, which is only read", at.field.name);
        self.found.push(Diagnostic::error(place, text).help("say `write: never`"));
    }

    /// A list whose elements are written by themselves is written, and not in another way too.
    fn written_once(&mut self, at: At<'_>, (create, has_commands): (bool, bool), place: &Place) {
        if !create {
            let text = format!("`{}` is never written, and yet has `parts`", at.field.name);
            self.found.push(Diagnostic::error(place, text).help("leave out `write: never`"));
        }
        if has_commands {
            let text = format!("`{}` is written by `parts` or as `commands`, not both", at.field.name);
            self.found.push(Diagnostic::error(place, text).help("leave out one of the two"));
        }
    }

    /// `more`: where what holds the list says that more elements are there than came.
    fn more(&mut self, at: At<'_>, keys: &mut Keys<'_>, frame: &mut Frame) -> Option<u16> {
        let path = path_at(keys, "more", self.found)?;
        if self.list == 0 {
            self.lines.reads.push((leaves(at.field), path.clone(), false));
        } else {
            self.reads_inside(leaves(at.field), &path);
        }
        Some(frame.slot(path.steps()))
    }

    /// What an element is made of.
    fn item(
        &mut self,
        at: At<'_>,
        item: &Shape,
        (node, fields): (&Node, Option<&Node>),
        key: Option<&Path>,
        element: &mut Frame,
    ) -> Option<Part> {
        match (item, fields) {
            (Shape::Object(object), Some(fields)) => {
                let mut part = self.object(object, fields, element, at.read_only);
                if let Some(key) = key {
                    self.element_id(object, &mut part, key, element);
                }
                Some(Part::Object(part))
            }
            (Shape::Object(_), None) => {
                self.found.error(&node.place, "key `fields` is missing");
                None
            }
            (Shape::Leaf(leaf), _) => Some(Part::Leaf(self.line_of(at, *leaf, &Path::default(), element))),
            (Shape::List(_), _) => {
                self.found.error(&node.place, "a list of lists cannot be mapped");
                None
            }
        }
    }

    /// Where the commands of a list go.
    fn commands_at(&mut self, keys: &mut Keys<'_>) -> Option<Path> {
        let node = keys.take("commands")?;
        if self.defaults.commands.is_none() {
            self.found.push(Diagnostic::error(&node.place, "the file says no `commands`").help(
                "at its top, as in `commands: { add: [create, [\"{record}\"]], change: …, remove: … }`",
            ));
        }
        super::path(node, self.found)
    }

    /// How a list is written as commands, and by which field of its elements.
    fn commands(&self, at: Option<Path>, key: Option<&Path>, item: &Shape) -> Option<Commands> {
        let words = self.defaults.commands.clone()?;
        let key = key.and_then(|_| match item {
            Shape::Object(object) => object.field("id").map(|(position, _)| position),
            Shape::Leaf(_) | Shape::List(_) => None,
        });
        Some(Commands { at: at?, words, key })
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

    /// The word of a native list, which is sent with a new record or never.
    pub(super) fn list_write_word(&mut self, keys: &mut Keys<'_>, name: &str) -> Option<WriteWord> {
        let node = keys.take("write")?;
        let word = WriteWord::read(node, self.found)?;
        if word == WriteWord::Update {
            self.found.push(
                Diagnostic::error(
                    &node.place,
                    format!("`{name}` cannot be changed with the record: it is a native list"),
                )
                .help("say `write: create` or `write: never`, or how its elements are written by themselves: `update: { parts: … }`"),
            );
        }
        Some(word)
    }

    pub(super) fn filter(&mut self, leaf: LeafId, source: &Source, at: Option<Path>) {
        let place = match source {
            // A value that stands for nothing is nowhere in the system's own data.
            Source::Native(native) if native.codec.default.is_none() => {
                at.filter(|at| !at.is_rooted()).map(|at| (at, native.codec.clone()))
            }
            Source::Native(_)
            | Source::Constant(_)
            | Source::Join(_)
            | Source::First(_)
            | Source::Calc(_)
            | Source::Hole(_)
            | Source::Behind(_)
            | Source::Tuple(_) => None,
        };
        // Several values are no order.
        self.lines.filters.push(FilterLine { leaf, place, is_shared: self.list != 0 });
    }

    /// The path of a native list, which may be one that other records tell.
    fn list_source(&mut self, node: &Node) -> Option<Path> {
        match node.as_text().is_some_and(|text| text.starts_with("$also.")) {
            true => self.source(node),
            false => super::path(node, self.found),
        }
    }

    /// A path that may begin at a root.
    pub(super) fn source(&mut self, node: &Node) -> Option<Path> {
        if self.in_entry {
            return self.entry_source(node);
        }
        let text = node.as_text().filter(|text| text.starts_with('$'));
        let Some(text) = text else { return super::path(node, self.found) };
        match Path::source(text) {
            Ok(path) if path.ups() > self.depth => {
                self.found.error(
                    &node.place,
                    "`$up` goes from an element of a native list to what holds the list; there is no such list here",
                );
                None
            }
            Ok(path) => Some(path),
            Err(why) => {
                self.found.error(&node.place, why);
                None
            }
        }
    }

    /// When a line is written: with a new record, with a change.
    pub(super) fn when_written(
        &mut self,
        at: At<'_>,
        word: Option<WriteWord>,
        native: &Path,
        write_at: &Path,
        place: &Place,
    ) -> (bool, bool) {
        let (create, update) = match word {
            // Whether a system keeps the other elements of a list when it is sent one of them, its file must say.
            None => (true, !write_at.finds()),
            Some(WriteWord::Always) => (true, true),
            Some(WriteWord::Never) => (false, false),
            Some(WriteWord::Create) => (true, false),
            Some(WriteWord::Update) => (false, true),
        };
        if self.is_over(native) && word.is_none_or(|word| word == WriteWord::Create) {
            return (!at.read_only, false);
        }
        if native.is_rooted() && word.is_some() && (create || update) {
            self.found.push(
                Diagnostic::error(
                    place,
                    format!("`{native}` is outside of the record and cannot be written"),
                )
                .help("say `write: never`, or nothing"),
            );
        }
        let may = !at.read_only && !native.is_rooted();
        (create && may, update && may)
    }

    /// Whether a path is the parent's key, which a new record says in its request.
    pub(super) fn is_over(&self, path: &Path) -> bool {
        self.names_over && self.depth == 0 && path.steps() == [Step::Over]
    }

    pub(super) fn reads(&mut self, leaf: LeafId, path: &Path) {
        self.reads_for(FieldSet::of(leaf), path);
    }

    /// Some leaves are read from a path, or by what stands there.
    pub(super) fn reads_for(&mut self, leaves: FieldSet, path: &Path) {
        if self.in_entry {
            return;
        }
        if let Some(sort) = path.also() {
            self.lines.also.push((leaves, sort.clone(), self.depth > 0));
        }
        if self.depth > 0 && !path.is_rooted() {
            self.reads_inside(leaves, path);
        }
        // From inside of lists only what goes up to the record stands outside of them.
        let Some(steps) = path.0.get(self.depth..).filter(|_| path.ups() == self.depth) else { return };
        let path = Path(steps.to_vec());
        if !path.is_rooted() {
            self.lines.reads.push((leaves, path, false));
        }
    }

    /// What is read of each element of the list at hand.
    fn reads_inside(&mut self, leaves: FieldSet, path: &Path) {
        let path = Path(self.within.0.iter().chain(&path.0).cloned().collect());
        self.lines.inner.push((leaves, path));
    }

    /// Tells when two lines write one native place.
    pub(super) fn writes(&mut self, path: &Path, who: &str, place: &Place) {
        let says_itself = path
            .0
            .windows(2)
            .any(|pair| matches!(pair, [Step::Find(key, _), Step::Key(name)] if key == name));
        if says_itself {
            self.found.push(
                Diagnostic::error(place, format!("`{path}` is what the element is found by"))
                    .help("say `write: never`"),
            );
        }
        let apart = |a: &[Guard], b: &[Guard]| {
            let is_other = |is: &[Box<str>], i: &[Box<str>]| !is.iter().any(|value| i.contains(value));
            a.iter().any(|(path, is)| b.iter().any(|(other, i)| path == other && is_other(is, i)))
        };
        let clash = |other: &&Written| {
            // A line may say a switch too: what is sent is refused where the two do not agree.
            let is_field = |who: &str| !matches!(who, WHERE | SET);
            let switches = [who, &*other.who].into_iter().filter(|who| *who == SWITCH).count();
            let agrees = *path == other.path && is_field(who) && is_field(&other.who);
            let both_switch = switches == 2 || (switches == 1 && agrees);
            let is_open = who == DEFAULT || other.who == DEFAULT;
            other.list == self.list
                && path.meets(&other.path)
                && !both_switch
                && !is_open
                // A key may be said as it is, or by a code.
                && self.finding == other.is_found
                && !apart(&self.guards, &other.guards)
        };
        if let Some(other) = self.written.iter().find(clash) {
            self.found.push(
                Diagnostic::error(place, format!("`{path}` is written by `{}` already", other.who))
                    .help("say `write: never` on one of the two"),
            );
        }
        self.written.push(Written {
            list: self.list,
            path: path.clone(),
            who: who.to_owned(),
            is_found: self.finding,
            guards: self.guards.clone(),
        });
    }
}

/// Native conditions, and the slots by which they are read.
pub(super) fn narrows(
    node: Option<&Node>,
    frame: &mut Frame,
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Vec<Narrow> {
    narrows_by(Path::parse, node, frame, defaults, found)
}

/// The same, by paths that are read so.
pub(super) fn narrows_by(
    parse: fn(&str) -> Result<Path, String>,
    node: Option<&Node>,
    frame: &mut Frame,
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Vec<Narrow> {
    let mut out = Vec::new();
    let (firsts, also) = node.map(|node| several(parse, node, found)).unzip();
    let also: Vec<Guard> = also.unwrap_or_default();
    for (at, value) in constants(parse, firsts.as_ref(), defaults, found) {
        let text = match &value {
            Out::Text(text) | Out::Number(text) => text.as_str(),
            Out::Boolean(true) => "true",
            Out::Boolean(false) => "false",
            Out::Null | Out::Object(_) | Out::List(_) => continue,
        };
        out.push(Narrow {
            slot: frame.slot(at.steps()),
            value: text.into(),
            also: also
                .iter()
                .find(|(path, _)| *path == at)
                .map(|(_, values)| values.clone())
                .unwrap_or_default(),
            at,
            out: value,
        });
    }
    out
}

/// The first of several values that say the same, which is the one that is written, and the others.
fn several(
    parse: fn(&str) -> Result<Path, String>,
    node: &Node,
    found: &mut Diagnostics,
) -> (Node, Vec<Guard>) {
    let mut also = Vec::new();
    let mut firsts = Vec::new();
    for (key, value) in node.as_map().unwrap_or_default() {
        let (first, rest) = match value.as_list() {
            None => (value, &[][..]),
            Some([first, rest @ ..]) => (first, rest),
            Some([]) => {
                expected(value, "a value, or a list of values", found);
                continue;
            }
        };
        firsts.push((key.clone(), first.clone()));
        let mut values = Vec::new();
        for other in rest {
            match other.as_text() {
                Some(text) => values.push(text.into()),
                None => expected(other, "a value", found),
            }
        }
        if let (false, Ok(path)) = (values.is_empty(), parse(&key.text)) {
            also.push((path, values));
        }
    }
    let value = if node.as_map().is_some() { Value::Map(firsts) } else { node.value.clone() };
    (Node { value, place: node.place.clone() }, also)
}

/// The native place of this part of a list, and its name: other parts of the list are written beside.
fn part_of_list(native: &Path, narrow: &[Narrow]) -> (Path, String) {
    let mut place = native.clone();
    if let Some(first) = narrow.first() {
        place.0.push(Step::Find(first.at.to_string().into(), first.value.clone().into()));
    }
    let is_part = |narrow: &Narrow| format!("{}={}", narrow.at, narrow.value);
    (place, narrow.iter().map(is_part).collect::<Vec<_>>().join("&"))
}

/// A codec that only passes text through.
pub(super) fn plain_text(loader: &Loader<'_>, leaf: LeafId) -> Codec {
    let kind = LeafKind::Text { chars_max: u32::MAX, spelling: Spelling::Free };
    Codec { kind, wire: Wire::Text, tag: None, ..loader.codec(leaf) }
}
