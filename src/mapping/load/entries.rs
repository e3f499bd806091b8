//! `entries`: an object whose names are free, as a list of its names and what stands under them.

use super::{
    fields::{At, Loader, WriteWord, leaves},
    place,
};
use crate::{
    mapping::{
        codec::Charset,
        entries::{Entries, NAME, Names, VALUE},
        model::{EachPart, ObjectPart, Part, Source},
        path::{Path, Step},
        trie::Frame,
    },
    schema::{Object, Shape},
    words::{
        Diagnostic, Place,
        tree::Node,
        yaml::{FromYaml, Keys},
    },
};

/// A list that is kept under free names.
pub(super) struct Claim {
    /// Number of the list that the object stands in.
    list: u16,
    at: Path,
    names: Names,
    place: Place,
}

impl Loader<'_> {
    /// A list of the names of an object.
    pub(super) fn entries(
        &mut self,
        at: At<'_>,
        item: &Shape,
        node: &Node,
        frame: &mut Frame,
    ) -> Option<EachPart> {
        let mut keys = Keys::of(node, self.found)?;
        let source: Option<Node> = keys.required("entries", self.found);
        let native = source.as_ref().and_then(|source| place(source, self.found));
        let names = self.entry_names(keys.take("names"), node);
        let write = self.list_write_word(&mut keys, &at.field.name);
        let fields: Option<Node> = keys.required("fields", self.found);
        keys.finish(self.found);
        let Shape::Object(object) = item else {
            self.found.push(
                Diagnostic::error(&node.place, format!("elements of `{}` are single values", at.field.name))
                    .help("`entries` make elements of a name and a value; read a list by `each`"),
            );
            return None;
        };
        let (native, names, fields) = (native?, names?, fields?);
        let (part, mut element) = self.entry(at, object, &fields);
        let create = !at.read_only && write != Some(WriteWord::Never);
        if create && !names_elements(&part) {
            let text = format!(
                "no line of `{}` is written to `$name`, by which the system keeps each",
                at.field.name
            );
            self.found.push(Diagnostic::error(&node.place, text).help("say `write: never`"));
        }
        let merges = create && write == Some(WriteWord::Always);
        if merges && self.defaults.charset() == Charset::Xml {
            let text =
                format!("`{}` cannot be changed with the record: a document is sent whole", at.field.name);
            self.found.push(Diagnostic::error(&node.place, text).help("say `write: create`"));
        }
        let name = element.name();
        let Some(slot) = frame.entries(native.steps(), names.clone(), element) else {
            let text = format!("`{native}` is read as a list or as entries already");
            self.found.error(&node.place, text);
            return None;
        };
        if self.list == 0 && !native.steps().is_empty() {
            self.lines.reads.push((leaves(at.field), native.clone(), false));
        }
        if create {
            let (at, names, place) = (native.clone(), names.clone(), node.place.clone());
            self.claims.push(Claim { list: self.list, at, names, place });
        }
        Some(EachPart {
            within: None,
            behind: Vec::new(),
            slot,
            more: None,
            at: native,
            item: Box::new(Part::Object(part)),
            narrow: Vec::new(),
            set: Vec::new(),
            create,
            update: merges,
            commands: None,
            parts: None,
            entries: Some(Entries { names, slot: name }),
        })
    }

    /// What an element is made of, and its frame.
    fn entry(&mut self, at: At<'_>, object: &Object, fields: &Node) -> (ObjectPart, Frame) {
        let outer = std::mem::replace(&mut self.list, self.lists + 1);
        self.lists += 1;
        self.depth += 1;
        let guards = std::mem::take(&mut self.guards);
        let was_in = std::mem::replace(&mut self.in_entry, true);
        let mut element = Frame::default();
        let part = self.object(object, fields, &mut element, at.read_only);
        self.in_entry = was_in;
        self.guards = guards;
        self.depth -= 1;
        self.list = outer;
        (part, element)
    }

    fn entry_names(&mut self, node: Option<&Node>, list: &Node) -> Option<Names> {
        let is_xml = self.defaults.charset() == Charset::Xml;
        if is_xml && self.defaults.has_namespaces {
            let text = "`entries` read names of XML as they are spelt, and the file says `namespaces`";
            self.found.push(Diagnostic::error(&list.place, text).help("leave `namespaces` out"));
        }
        let text = match node {
            Some(node) => Some(String::read(node, self.found)?),
            None => None,
        };
        let place = node.map_or(&list.place, |node| &node.place);
        Names::parse(text.as_deref(), is_xml).map_err(|why| self.found.error(place, why)).ok()
    }

    /// A path of an element: its name, or what stands under it.
    pub(super) fn entry_source(&mut self, node: &Node) -> Option<Path> {
        let text = node.as_text().unwrap_or_default();
        let key = |name: &str| Path(vec![Step::Key(name.into())]);
        let under = |rest: &str| match Path::parse(rest.strip_prefix('.').unwrap_or(rest)) {
            Ok(path) => Some(Path(key(VALUE).0.into_iter().chain(path.0).collect())),
            Err(_) => None,
        };
        let path = match text.strip_prefix(VALUE) {
            Some("") => Some(key(VALUE)),
            Some(rest) if rest.starts_with(['.', '[']) => under(rest),
            Some(_) => None,
            None if text == NAME => Some(key(NAME)),
            None => None,
        };
        if path.is_none() {
            self.found.push(
                Diagnostic::error(&node.place, format!("`{text}` is no path of an entry"))
                    .help("write `$name`, `$value`, or `$value.…` for what stands under the name"),
            );
        }
        path
    }

    /// Tells of a list in an element of `entries`.
    pub(super) fn no_list(&mut self, at: At<'_>, place: &Place) {
        self.found.push(
            Diagnostic::error(place, format!("`{}` is a list, which stands in no entry", at.field.name))
                .help("leave it out, or read the whole by `each` where the system has a list"),
        );
    }

    /// Tells of a line that is none of an element of `entries`.
    pub(super) fn fits_entry(&mut self, node: &Node) -> bool {
        const OTHERS: [&str; 8] = ["join", "first", "jq", "calc", "behind", "write_at", "filter_at", "when"];
        let other = OTHERS.into_iter().find(|word| node.get(word).is_some());
        if let (true, Some(word)) = (self.in_entry, other) {
            self.found.push(
                Diagnostic::error(&node.place, format!("a line in `entries` has no `{word}`"))
                    .help("it is `$name`, `$value`, a map with `at`, or a constant"),
            );
            return false;
        }
        true
    }

    /// Tells where another line writes a name that is an element's.
    pub(super) fn check_claims(&mut self) {
        for claim in &self.claims {
            let is_other = |path: &Path| match path.0.strip_prefix(claim.at.0.as_slice()) {
                Some([Step::Key(name), ..]) => claim.names.within(name).is_some(),
                Some([]) => true,
                Some(_) | None => false,
            };
            let other =
                self.written.iter().find(|written| written.is_in(claim.list) && is_other(&written.path));
            if let Some(other) = other {
                self.found.push(
                    Diagnostic::error(
                        &claim.place,
                        format!("`{}` is a name of its own and one of these", other.path),
                    )
                    .help(
                        "say by `names` which are these, as in `names: \"field_{name}\"`, or `write: never`",
                    ),
                );
            }
        }
    }
}

/// Whether some line writes what an element is called.
fn names_elements(part: &ObjectPart) -> bool {
    let mut names = false;
    part.lines(true, &mut |line, _| {
        if let Source::Native(native) = &line.source {
            names |= native.create && native.write_at.0 == [Step::Key(NAME.into())];
        }
    });
    names
}
