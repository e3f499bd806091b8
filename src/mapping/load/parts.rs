//! `parts:` of `create` and `update` — lists whose elements are written by requests of their own.

use std::collections::HashMap;

use http::Method;

use super::{
    Defaults, bodies,
    entity::texts,
    fields::{At, Loader},
    headers, key, pairs, path,
};
use crate::{
    mapping::{
        body::{Hole, KEY},
        key::Key as RecordKey,
        model::{KeyForm, ObjectPart, Part, Source, Speaks},
        parts::{PARTS_MAX, PartCall, PartCalls, Parts, Piece},
        trie::Frame,
    },
    schema::{Entity, Object, Shape},
    words::{
        Diagnostic, Diagnostics,
        tree::{Key, Node},
        yaml::{FromYaml, Keys, expected},
    },
};

/// Most elements that a file may let one write touch.
const MOST_MAX: usize = 1000;

/// What is said of the lists of one entity, by their fields: with a change, and with a new record.
#[derive(Clone, Debug, Default)]
pub(super) struct PartWords(HashMap<String, (Option<Node>, Option<Node>)>);

impl PartWords {
    /// Reads the names; what is no list of the entity is told.
    pub(super) fn read(entity: &Entity, node: &Node, found: &mut Diagnostics) -> Self {
        let mut words = Self::default();
        for (call, is_update) in [("update", true), ("create", false)] {
            let parts = node.get(call).and_then(|call| call.get("parts"));
            for (key, part) in pairs(parts, found) {
                if !is_list(entity, key, node, found) {
                    continue;
                }
                let (update, create) = words.0.entry(key.text.clone()).or_default();
                *(if is_update { update } else { create }) = Some(part.clone());
            }
        }
        words
    }
}

/// Whether a name is that of a list which the entity reads element by element.
fn is_list(entity: &Entity, key: &Key, node: &Node, found: &mut Diagnostics) -> bool {
    let field = entity.root.field(&key.text).map(|(_, field)| field);
    let each = node.get("fields").and_then(|fields| fields.get(&key.text)?.get("each"));
    let is_list = each.is_some() && field.is_some_and(|field| matches!(field.shape, Shape::List(_)));
    if !is_list {
        let names = entity.root.fields.iter().filter(|field| matches!(field.shape, Shape::List(_)));
        found.push(
            Diagnostic::error(
                &key.place,
                format!("`{}` is no native list of `{}` here", key.text, entity.name),
            )
            .help("name a field whose line has `each`; its elements are written one by one")
            .suggest(&key.text, names.map(|field| &*field.name)),
        );
    }
    is_list
}

impl Loader<'_> {
    /// How the elements of a list are written by themselves, where the file says so.
    pub(super) fn parts(
        &mut self,
        at: At<'_>,
        (item, part): (&Shape, &Part),
        element: &mut Frame,
        node: &Node,
    ) -> Option<Box<Parts>> {
        let is_root = self.entity.root.at(at.position).is_some_and(|field| std::ptr::eq(field, at.field));
        let (update, create) = self.parts.0.get(&*at.field.name).filter(|_| is_root).cloned()?;
        let of = update.as_ref().or(create.as_ref())?;
        if self.defaults.speaks == Speaks::Xml {
            self.found.error(&of.place, "only a system that speaks JSON or OData has `parts`");
            return None;
        }
        let Some((key, key_leaf, slot)) = key_of(item, part) else {
            self.found.push(
                Diagnostic::error(&node.place, format!("the elements of `{}` are not told apart", at.field.name))
                    .help("say where an element's own key stands: `key: lineId`; the schema's element needs an `id`"),
            );
            return None;
        };
        let mut parts = Parts {
            position: at.position,
            key,
            key_leaf,
            slot,
            form: KeyForm::Text,
            version: None,
            update: None,
            create: None,
            most: PARTS_MAX,
        };
        if let Some(node) = &update {
            self.parts_of_update(node, &mut parts, element);
        }
        if let Some(node) = &create {
            let mut keys = Keys::of(node, self.found)?;
            let add = self.call(&mut keys, "add");
            keys.finish(self.found);
            if add.is_none() {
                self.found.error(&node.place, "`parts` of `create` need `add`: how one of them is made");
            }
            parts.create = add;
        }
        Some(Box::new(parts))
    }

    fn parts_of_update(&mut self, node: &Node, parts: &mut Parts, element: &mut Frame) {
        let Some(mut keys) = Keys::of(node, self.found) else { return };
        if let Some(form) = keys.take("form").and_then(|node| key::form(node, self.found)) {
            parts.form = form;
        }
        if let Some(node) = keys.take("version") {
            parts.version = self.part_version(node, element);
        }
        if let Some(most) = keys.take("most") {
            match usize::read(most, self.found) {
                Some(number @ 1..=MOST_MAX) => parts.most = number,
                Some(_) => self.found.error(&most.place, format!("`most` is from 1 to {MOST_MAX}")),
                None => {}
            }
        }
        let [add, change, remove] = ["add", "change", "remove"].map(|name| self.call(&mut keys, name));
        keys.finish(self.found);
        if add.is_none() && change.is_none() && remove.is_none() {
            self.found.error(&node.place, "`parts` say what can be done: `add`, `change`, `remove`");
        }
        parts.update = Some(PartCalls { add, change, remove });
    }

    fn part_version(&mut self, node: &Node, element: &mut Frame) -> Option<(u16, http::HeaderName)> {
        let mut keys = Keys::of(node, self.found)?;
        let at: Option<Node> = keys.required("at", self.found);
        let send: Option<String> = keys.required("send", self.found);
        keys.finish(self.found);
        let at = at?;
        let steps = path(&at, self.found)?;
        match send?.parse() {
            Ok(header) => Some((element.slot(steps.steps()), header)),
            Err(_) => {
                self.found.error(&at.place, "`send` names a header field");
                None
            }
        }
    }

    /// The request that adds, changes or removes one element.
    fn call(&mut self, keys: &mut Keys<'_>, name: &'static str) -> Option<PartCall> {
        let node = keys.take(name)?;
        let mut keys = Keys::of(node, self.found)?;
        let mut chosen = None;
        for (word, method) in [
            ("post", Method::POST),
            ("put", Method::PUT),
            ("patch", Method::PATCH),
            ("delete", Method::DELETE),
        ] {
            if let Some(address) = keys.take(word) {
                chosen = Some((method, address));
            }
        }
        let query = texts(keys.take("query"), self.found);
        let headers = headers::load(&mut keys, node, self.defaults, self.found);
        let holes = if name == "remove" { bodies::OF_PART_GONE } else { bodies::OF_PART };
        let body = bodies::load(&mut keys, holes, self.defaults, self.found);
        keys.finish(self.found);
        let Some((method, address)) = chosen else {
            self.found.push(
                Diagnostic::error(
                    &node.place,
                    format!("`{name}` says by which method, and to which address"),
                )
                .help("write `{ patch: \"/lines({part})\" }`"),
            );
            return None;
        };
        if let Some(body) = &body
            && name != "remove"
            && body.count(&|hole| *hole == Hole::Record) != 1
        {
            let text = format!("the body of `{name}` must hold the element once");
            self.found
                .push(Diagnostic::error(&node.place, text).help("write `\"{record}\"` where it stands"));
        }
        let address = address_of(address, name, self.defaults, self.found)?;
        Some(PartCall { method, address, query, headers, body })
    }
}

/// What no list can tell by itself: that its requests say of which record an element is, by a key as it is.
pub(super) fn fit_together(
    entity: &Node,
    (key, root, speaks): (&RecordKey, &ObjectPart, Speaks),
    found: &mut Diagnostics,
) {
    for named in &root.parts {
        let Part::Each(each) = &named.part else { continue };
        let Some(parts) = &each.parts else { continue };
        let made = [("create", "add", parts.create.as_ref())];
        let changed = parts.update.iter().flat_map(|calls| {
            let PartCalls { add, change, remove } = calls;
            [
                ("update", "add", add.as_ref()),
                ("update", "change", change.as_ref()),
                ("update", "remove", remove.as_ref()),
            ]
        });
        for (of, name, call) in made.into_iter().chain(changed) {
            let Some(call) = call else { continue };
            let written = entity.get(of).and_then(|of| of.get("parts")?.get(&named.name)?.get(name));
            if let Some((text, help)) = wrong(call, name, key, speaks) {
                found.push(Diagnostic::error(&written.unwrap_or(entity).place, text).help(help));
            }
        }
    }
}

/// What is wrong with a file, and what to write instead.
type Wrong = (String, String);

/// Why a request does not say of which record an element is.
fn wrong(call: &PartCall, name: &str, key: &RecordKey, speaks: Speaks) -> Option<Wrong> {
    if key.has_over() || key.is_digest() {
        let text = "elements are not written by themselves where the key is not the record's own alone";
        return Some((text.to_owned(), "leave out `parts`".to_owned()));
    }
    match key.is_parted() {
        true => wrong_of_several(call, name, key, speaks),
        false => wrong_of_one(call, name, key.form()),
    }
}

/// The same where the key is one value.
fn wrong_of_one(call: &PartCall, name: &str, form: KeyForm) -> Option<Wrong> {
    if !call.key_parts().is_empty() {
        return Some(("the key has one part".to_owned(), "write `{key}`".to_owned()));
    }
    if !call.has_key() && !call.address.contains(&Piece::Part) {
        let text = format!("`{name}` must say of which record the element is");
        return Some((text, "write `{key}` in its address or its body".to_owned()));
    }
    let has_number = call.body.as_ref().is_some_and(|body| body.has(&|hole| *hole == Hole::KeyNumber));
    (has_number && form != KeyForm::Digits).then(|| {
        let help = "say `key: { at: …, form: digits }`, or write `{key}`";
        ("`{key:number}` needs a key that is one".to_owned(), help.to_owned())
    })
}

/// The same where the key has several parts: each stands where it belongs, since no text is all of them.
fn wrong_of_several(call: &PartCall, name: &str, key: &RecordKey, speaks: Speaks) -> Option<Wrong> {
    let all: Vec<_> = key.own().map(|(_, part)| (part.name(speaks), part)).collect();
    let names = all.iter().map(|(name, _)| format!("`{{key.{name}}}`")).collect::<Vec<_>>().join(", ");
    let said = call.key_parts();
    let is_part = |(name, as_number): &(Box<str>, bool)| {
        all.iter().any(|(known, part)| **known == **name && (!as_number || part.form == KeyForm::Digits))
    };
    if let Some((other, _)) = said.iter().find(|said| !is_part(said)) {
        let text = format!("`{{key.{other}}}` is no part of the key, or none that is a number");
        return Some((text, format!("its parts are {names}")));
    }
    // OData names all of them in brackets.
    let by_name = speaks != Speaks::Json && call.address.contains(&Piece::Key) && call.is_in_brackets();
    if call.has_key() && (!by_name || call.names_key_in_body()) {
        let text = format!("`{name}` names a key of several parts as a whole");
        return Some((text, format!("name each part where it stands: {names}")));
    }
    if by_name || call.address.contains(&Piece::Part) {
        return None;
    }
    let is_said = |name: &str| said.iter().any(|(said, _)| **said == *name);
    let (left_out, _) = all.iter().find(|(name, part)| part.fixed.is_none() && !is_said(name))?;
    let text =
        format!("`{name}` must say of which record the element is, and leaves out `{{key.{left_out}}}`");
    Some((text, format!("write {names} in its address or its body")))
}

impl PartCall {
    /// Whether it names the record by all of its key.
    fn has_key(&self) -> bool {
        self.address.contains(&Piece::Key) || self.names_key_in_body()
    }

    fn names_key_in_body(&self) -> bool {
        let Some(body) = &self.body else { return false };
        let mut is_named = body.has_key();
        body.names(&mut |name, _| is_named |= name.contains(KEY));
        is_named
    }

    /// The parts of the key that it names by themselves, and whether each is sent as a number.
    fn key_parts(&self) -> Vec<(Box<str>, bool)> {
        let mut out = Vec::new();
        for piece in &self.address {
            if let Piece::KeyPart(name) = piece {
                out.push((name.clone(), false));
            }
        }
        if let Some(body) = &self.body {
            body.each_hole(&mut |hole| {
                if let Hole::KeyPart(name) | Hole::KeyPartNumber(name) = hole {
                    out.push((name.clone(), matches!(hole, Hole::KeyPartNumber(_))));
                }
            });
        }
        out
    }

    /// Whether `{key}` is all that stands in brackets, wherever it stands.
    fn is_in_brackets(&self) -> bool {
        let ends = |piece: Option<&Piece>, ends: &dyn Fn(&str) -> bool| match piece {
            Some(Piece::Text(text)) => ends(text),
            Some(Piece::Key | Piece::KeyPart(_) | Piece::Part) | None => false,
        };
        self.address.iter().enumerate().filter(|(_, piece)| **piece == Piece::Key).all(|(at, _)| {
            let before = at.checked_sub(1).and_then(|before| self.address.get(before));
            let after = self.address.get(at.saturating_add(1));
            ends(before, &|text| text.ends_with('(')) && ends(after, &|text| text.starts_with(')'))
        })
    }
}

/// The field of an element's key, its leaf and its slot.
fn key_of(item: &Shape, part: &Part) -> Option<(u16, crate::schema::LeafId, u16)> {
    let (Shape::Object(shape), Part::Object(part)) = (item, part) else { return None };
    key_in(shape, part)
}

fn key_in(shape: &Object, part: &ObjectPart) -> Option<(u16, crate::schema::LeafId, u16)> {
    let (position, _) = shape.field("id")?;
    match &part.at(position)?.part {
        Part::Leaf(line) => match &line.source {
            Source::Native(native) => Some((position, line.leaf, native.slot)),
            Source::Constant(_)
            | Source::Join(_)
            | Source::First(_)
            | Source::Calc(_)
            | Source::Hole(_)
            | Source::Behind(_)
            | Source::Tuple(_) => None,
        },
        Part::Object(_) | Part::Slots(_) | Part::Each(_) | Part::Split(_) | Part::When(_) => None,
    }
}

/// An address with `{key}` and `{part}` in it.
fn address_of(node: &Node, name: &str, defaults: &Defaults, found: &mut Diagnostics) -> Option<Vec<Piece>> {
    let Some(text) = node.as_text() else {
        expected(node, "an address under `base`", found);
        return None;
    };
    let text = defaults.setting(text, node, found)?;
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((hole, after)) = after.split_once('}') else { break };
        pieces.push(Piece::Text(before.to_owned()));
        pieces.push(match hole {
            "key" => Piece::Key,
            "part" => Piece::Part,
            _ => match hole.strip_prefix("key.") {
                Some(name) => Piece::KeyPart(name.into()),
                None => {
                    let text = format!(
                        "`{{{hole}}}` is nothing to fill in here; there are `{{key}}` and `{{part}}`"
                    );
                    found.error(&node.place, text);
                    return None;
                }
            },
        });
        rest = after;
    }
    pieces.push(Piece::Text(rest.to_owned()));
    let parts = pieces.iter().filter(|piece| **piece == Piece::Part).count();
    let wrong = match name {
        _ if !text.starts_with('/') || text.contains(['?', '#']) || rest.contains(['{', '}']) => {
            Some("it begins with `/`, and has no query; `{key}` and `{part}` stand in it whole")
        }
        "add" if parts > 0 => Some("a new element has no key yet, so `{part}` does not stand in it"),
        "change" | "remove" if parts != 1 => Some("`{part}`, the key of the element, stands in it once"),
        _ => None,
    };
    if let Some(wrong) = wrong {
        let help = if name == "add" { "/orders({key})/lines" } else { "/lines({part})" };
        found.push(
            Diagnostic::error(&node.place, format!("this is no address of `{name}`: {wrong}"))
                .help(format!("write it as in `\"{help}\"`, under `base`")),
        );
        return None;
    }
    Some(pieces)
}
