//! Documents of samples, to be compared: names as they are spelt, white space between elements aside.

use std::borrow::Cow;

use serde_json::{Map, Value as Json};

use super::{
    BadXml, Names,
    reader::{Event, Reader},
    walk::Walker,
};
use crate::mapping::out::Out;

/// A document as a tree: an object of its names, attributes as `@x`, text beside attributes as `#`.
pub(in crate::mapping) fn tree(bytes: &[u8]) -> Result<Json, BadXml> {
    tree_by(bytes, &|reader| reader.spelt().to_owned())
}

/// The same with local names, by which the paths of a file without `namespaces` go.
///
/// # Errors
/// It is no document that a gate would read.
pub fn local_tree(bytes: &[u8]) -> Result<Json, BadXml> {
    tree_by(bytes, &own_name)
}

/// The name that paths have for an element.
fn own_name(reader: &Reader<'_, '_>) -> String {
    reader.name().map_or_else(|| reader.spelt().to_owned(), Cow::into_owned)
}

fn tree_by(bytes: &[u8], named: &dyn Fn(&Reader<'_, '_>) -> String) -> Result<Json, BadXml> {
    let names = Names::default();
    let mut reader = Reader::new(bytes, &names)?;
    let mut root = Map::new();
    while reader.next()? == Event::Start {
        let name = named(&reader);
        root.insert(name, element(&mut reader, named)?);
    }
    Ok(Json::Object(root))
}

impl Walker<'_, '_> {
    /// The element just begun as a tree, up to its end, with its names as paths have them.
    pub(in crate::mapping) fn tree(&mut self) -> Result<Json, BadXml> {
        element(&mut self.reader, &own_name)
    }
}

/// What will be written as a document, as the tree that it reads as.
pub(in crate::mapping) fn tree_of(out: &Out) -> Json {
    match out {
        Out::Null => Json::Null,
        Out::Boolean(is) => Json::String(is.to_string()),
        Out::Number(text) | Out::Text(text) => Json::String(text.to_string()),
        // One element of a name is no list to a reader.
        Out::List(items) => match items.as_slice() {
            [item] => tree_of(item),
            items => items.iter().map(tree_of).collect(),
        },
        Out::Object(pairs) => match pairs.as_slice() {
            [(name, own)] if &**name == "#" => tree_of(own),
            pairs => pairs.iter().map(|(name, value)| (name.to_string(), tree_of(value))).collect(),
        },
    }
}

/// Whether two documents have their elements in the same order.
pub(in crate::mapping) fn same_order(got: &[u8], want: &[u8]) -> Result<(), String> {
    let read = |bytes: &[u8]| order_of(bytes.trim_ascii()).map_err(|why| why.to_string());
    let (got, want) = (read(got)?, read(want)?);
    match got.iter().zip(&want).find(|(got, want)| got != want) {
        Some(((_, got), (_, want))) => Err(format!(
            "`sends` differs: `{got}` stands where `{want}` is due; the entity's `order` says so"
        )),
        None => Ok(()),
    }
}

/// The names of a document's elements with their depth, in the order they stand in.
fn order_of(bytes: &[u8]) -> Result<Vec<(usize, String)>, BadXml> {
    let names = Names::default();
    let mut reader = Reader::new(bytes, &names)?;
    let (mut order, mut depth) = (Vec::new(), 0_usize);
    loop {
        match reader.next()? {
            Event::Start => {
                order.push((depth, reader.spelt().to_owned()));
                depth += 1;
            }
            Event::End => depth = depth.saturating_sub(1),
            Event::Over => return Ok(order),
        }
    }
}

/// The element just begun, with its names as one likes them. Recursion is bounded by the reader's depth.
fn element(reader: &mut Reader<'_, '_>, named: &dyn Fn(&Reader<'_, '_>) -> String) -> Result<Json, BadXml> {
    let nil = reader.take_nil();
    let mut pairs = Map::new();
    for (name, value) in reader.attributes() {
        pairs.insert(format!("@{name}"), Json::String(value.text().unwrap_or_default().into_owned()));
    }
    let from = reader.here();
    let mut parent = false;
    while reader.next()? == Event::Start {
        parent = true;
        let name = named(reader);
        let value = element(reader, named)?;
        match pairs.remove(&name) {
            None => pairs.insert(name, value),
            Some(Json::Array(mut values)) => {
                values.push(value);
                pairs.insert(name, Json::Array(values))
            }
            Some(one) => pairs.insert(name, Json::Array(vec![one, value])),
        };
    }
    let text = || Json::String(reader.content(from).text().unwrap_or_default().into_owned());
    match (parent, nil, pairs.is_empty()) {
        (false, true, true) => return Ok(Json::Null),
        (false, true, false) => drop(pairs.insert("#".to_owned(), Json::Null)),
        (false, false, true) => return Ok(text()),
        (false, false, false) => drop(pairs.insert("#".to_owned(), text())),
        (true, _, _) => {}
    }
    Ok(Json::Object(pairs))
}
