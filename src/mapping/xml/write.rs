//! A request body as XML. Attributes stand in the start tag, `#` is an element's own text, a list is its element
//! repeated; elements stand in the order that the file asks for.

use std::collections::HashMap;

use super::{
    NIL_NAMESPACE, Names,
    chars::{Place, escape, qualified},
    soap::Soap,
};
use crate::mapping::{out::Out, path::Step};

/// The order of elements, as paths from the root; those that none of them names come last.
#[derive(Debug, Default)]
pub(in crate::mapping) struct Order {
    ranks: HashMap<Box<str>, (usize, Order)>,
}

impl Order {
    /// Adds a path behind those that are there.
    pub(super) fn add(&mut self, steps: &[Step]) {
        let mut at = self;
        for step in steps {
            let Step::Key(name) = step else { continue };
            let rank = at.ranks.len();
            at = &mut at.ranks.entry((&**name).into()).or_insert_with(|| (rank, Self::default())).1;
        }
    }

    /// Whether anything is asked for.
    pub(super) fn is_asked(&self) -> bool {
        !self.ranks.is_empty()
    }

    /// The order of what stands in an element.
    pub(super) fn below(&self, name: &str) -> Option<&Self> {
        self.ranks.get(name).map(|(_, below)| below)
    }

    pub(super) fn rank(&self, name: &str) -> usize {
        self.ranks.get(name).map_or(usize::MAX, |(rank, _)| *rank)
    }
}

/// Whether every name in a body can be an element's or an attribute's.
pub(super) fn names_fit(body: &Out) -> bool {
    let fits = |name: &str| name == "#" || qualified(name.strip_prefix('@').unwrap_or(name)).is_some();
    match body {
        Out::Object(pairs) => pairs.iter().all(|(name, value)| fits(name) && names_fit(value)),
        Out::List(items) => items.iter().all(names_fit),
        Out::Null | Out::Boolean(_) | Out::Number(_) | Out::Text(_) => true,
    }
}

/// The document whose root is the one pair of an object; nothing of another value.
pub(super) fn document(body: &Out, names: &Names, order: Option<&Order>) -> Vec<u8> {
    let mut writer = Writer { names, out: Vec::with_capacity(512) };
    let Out::Object(pairs) = body else { return Vec::new() };
    let [(root, value)] = pairs.as_slice() else { return Vec::new() };
    writer.out.extend_from_slice(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let below = order.and_then(|order| order.below(root));
    match names.soap {
        Some(soap) => writer.envelope(soap, |writer| writer.one(root, value, below, false)),
        None => writer.one(root, value, below, true),
    }
    writer.out
}

struct Writer<'w> {
    names: &'w Names,
    out: Vec<u8>,
}

impl Writer<'_> {
    /// An envelope around what its body holds; the file's namespaces are declared on it.
    fn envelope(&mut self, soap: Soap, body: impl FnOnce(&mut Self)) {
        self.put(&["<soap:Envelope"]);
        self.namespaces();
        if !self.names.is_bound() {
            self.attribute("xmlns:soap", soap.namespace());
        }
        self.put(&[">"]);
        if let Some(Out::Object(pairs)) = &self.names.header {
            self.put(&["<soap:Header>"]);
            pairs.iter().for_each(|(name, value)| self.element(name, value, None));
            self.put(&["</soap:Header>"]);
        }
        self.put(&["<soap:Body>"]);
        body(self);
        self.put(&["</soap:Body></soap:Envelope>"]);
    }

    /// An element, or each of a list. Recursion goes as deep as paths of the file do.
    fn element(&mut self, name: &str, value: &Out, order: Option<&Order>) {
        match value {
            Out::List(items) => items.iter().for_each(|item| self.one(name, item, order, false)),
            value => self.one(name, value, order, false),
        }
    }

    fn one(&mut self, name: &str, value: &Out, order: Option<&Order>, root: bool) {
        let pairs: &[_] = if let Out::Object(pairs) = value { pairs } else { &[] };
        let own = pairs.iter().find(|(name, _)| &**name == "#").map_or(value, |(_, own)| own);
        self.put(&["<", name]);
        if root {
            self.namespaces();
        }
        for (name, value) in pairs {
            if let Some(name) = name.strip_prefix('@') {
                self.attribute(name, text_of(value));
            }
        }
        if *own == Out::Null {
            self.attribute("xmlns:xsi", NIL_NAMESPACE);
            self.attribute("xsi:nil", "true");
        }
        let mut inside: Vec<_> = pairs.iter().filter(|(name, _)| !name.starts_with(['@', '#'])).collect();
        if let Some(order) = order {
            inside.sort_by_key(|(name, _)| order.rank(name));
        }
        if text_of(own).is_empty() && inside.is_empty() {
            return self.put(&["/>"]);
        }
        self.put(&[">"]);
        escape(text_of(own), Place::Content, &mut self.out);
        for (name, value) in inside {
            let below = order.and_then(|order| order.below(name));
            self.element(name, value, below);
        }
        self.put(&["</", name, ">"]);
    }

    fn namespaces(&mut self) {
        let names = self.names;
        for (prefix, namespace) in names.written() {
            match prefix.is_empty() {
                true => self.attribute("xmlns", namespace),
                false => self.attribute(&format!("xmlns:{prefix}"), namespace),
            }
        }
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.put(&[" ", name, "=\""]);
        escape(value, Place::Attribute, &mut self.out);
        self.put(&["\""]);
    }

    /// Puts names and marks, which are no caller's.
    fn put(&mut self, words: &[&str]) {
        words.iter().for_each(|word| self.out.extend_from_slice(word.as_bytes()));
    }
}

/// A scalar as text; nothing of another value. An attribute cannot be null, so it is empty then.
pub(super) fn text_of(value: &Out) -> &str {
    match value {
        Out::Text(text) | Out::Number(text) => text,
        Out::Boolean(true) => "true",
        Out::Boolean(false) => "false",
        Out::Null | Out::Object(_) | Out::List(_) => "",
    }
}
