//! Documents of samples, to be compared: names as they are spelt, white space between elements aside.

use serde_json::{Map, Value as Json};

use super::{
    BadXml, Names,
    reader::{Event, Reader},
};

/// A document as a tree: an object of its names, attributes as `@x`, text beside attributes as `#`.
pub(in crate::mapping) fn tree(bytes: &[u8]) -> Result<Json, BadXml> {
    let names = Names::default();
    let mut reader = Reader::new(bytes, &names)?;
    let mut root = Map::new();
    while reader.next()? == Event::Start {
        let name = reader.spelt().to_owned();
        root.insert(name, element(&mut reader)?);
    }
    Ok(Json::Object(root))
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

/// The element just begun. Recursion is bounded by the reader's depth.
fn element(reader: &mut Reader<'_, '_>) -> Result<Json, BadXml> {
    let nil = reader.take_nil();
    let mut pairs = Map::new();
    for (name, value) in reader.attributes() {
        pairs.insert(format!("@{name}"), Json::String(value.text().unwrap_or_default().into_owned()));
    }
    let from = reader.here();
    let mut parent = false;
    while reader.next()? == Event::Start {
        parent = true;
        let name = reader.spelt().to_owned();
        let value = element(reader)?;
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
