//! What other records tell of one, in a system that speaks XML: where records end, and what is put there.

use serde_json::Value as Json;

use super::{
    BadXml, Names,
    chars::{Place, escape},
    walk::{Walker, document},
};
use crate::mapping::{
    also,
    errors::SystemFault,
    model::Envelope,
    trie::{Node, Raws},
};

/// Tells of each row of an answer what it says, and where its end tag begins.
pub(in crate::mapping) fn ends<'a>(
    names: &Names,
    place: &Node,
    body: &'a [u8],
    (envelope, raws): (&mut Raws<'a>, &mut Raws<'a>),
    of: &Envelope,
    tell: &mut dyn FnMut(&Raws<'a>, usize),
) -> Result<(), SystemFault> {
    let mut on_row = |walker: &mut Walker<'a, '_>| {
        raws.restart(of.frame);
        walker.row(&of.root, raws)?;
        let end = walker.ends();
        // One without an end tag of its own says nothing.
        if body.get(end..).is_some_and(|rest| rest.starts_with(b"</")) {
            tell(raws, end);
        }
        Ok(())
    };
    document(body, names, place, envelope, &mut on_row).map_err(unread)
}

/// Tells of each row of an answer what it names, and what stands in it, written anew: with local names, and with no
/// attribute of another language.
pub(in crate::mapping) fn also_rows<'a>(
    names: &Names,
    (place, rows_max): (&Node, usize),
    body: &'a [u8],
    (envelope, raws): (&mut Raws<'a>, &mut Raws<'a>),
    key: &Envelope,
    tell: &mut dyn FnMut(&Raws<'a>, String),
) -> Result<(), SystemFault> {
    let mut count = 0_usize;
    let mut on_row = |walker: &mut Walker<'a, '_>| {
        count = count.saturating_add(1);
        if count > rows_max {
            return Err(BadXml::TooMuch("rows"));
        }
        let tree = walker.clone().tree()?;
        raws.restart(key.frame);
        walker.row(&key.root, raws)?;
        let mut row = Vec::new();
        inside(&tree, &mut row);
        tell(raws, String::from_utf8_lossy(&row).into_owned());
        Ok(())
    };
    document(body, names, place, envelope, &mut on_row).map_err(unread)
}

/// Puts the rows of a record into it; a sort of which there are none is an element with nothing in it.
pub(in crate::mapping) fn put_also(told: &[(&str, &[String])], out: &mut Vec<u8>) {
    let mut put = |words: &[&str]| words.iter().for_each(|word| out.extend_from_slice(word.as_bytes()));
    put(&["<", also::NAME, ">"]);
    for (name, rows) in told {
        if rows.is_empty() {
            put(&["<", name, "/>"]);
        }
        for row in *rows {
            put(&["<", name, ">", row, "</", name, ">"]);
        }
    }
    put(&["</", also::NAME, ">"]);
}

/// What stands in an element. Recursion is as deep as the document that it was read from, whose depth is bounded.
fn inside(tree: &Json, out: &mut Vec<u8>) {
    match tree {
        Json::Object(pairs) => {
            for (name, value) in pairs.iter().filter(|(name, _)| !name.starts_with('@')) {
                match (name.as_str(), value) {
                    ("#", value) => inside(value, out),
                    (name, Json::Array(items)) => items.iter().for_each(|item| element(name, item, out)),
                    (name, value) => element(name, value, out),
                }
            }
        }
        Json::String(text) => escape(text, Place::Content, out),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) => {}
    }
}

fn element(name: &str, value: &Json, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<");
    out.extend_from_slice(name.as_bytes());
    for (name, value) in value.as_object().into_iter().flatten() {
        if let (Some(name), Json::String(text)) = (name.strip_prefix('@'), value) {
            out.extend_from_slice(b" ");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"=\"");
            escape(text, Place::Attribute, out);
            out.extend_from_slice(b"\"");
        }
    }
    out.extend_from_slice(b">");
    inside(value, out);
    out.extend_from_slice(b"</");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b">");
}

fn unread(why: BadXml) -> SystemFault {
    SystemFault::unreadable(why.to_string())
}
