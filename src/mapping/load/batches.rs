//! `keys` and `read` of a list: its rows hold keys alone, and the records are read by them.

use http::Method;

use super::{Defaults, addresses::sendable, bodies, calls::envelope, entity::texts, headers, place};
use crate::{
    mapping::{
        body::Body,
        model::{BatchCall, Envelope, Speaks},
        path::Path,
        trie::Frame,
    },
    words::{
        Diagnostic, Diagnostics,
        tree::Node,
        yaml::{FromYaml, Keys},
    },
};

/// Keys in one request where the file says nothing else.
const KEYS: usize = 50;
/// LIMIT: keys in one request.
const KEYS_MAX: usize = 500;

/// Reads both, if they are there; the outer none is a mistake.
pub(super) fn load(
    keys: &mut Keys<'_>,
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Option<Option<Box<BatchCall>>> {
    let (key, read) = match (keys.take("keys"), keys.take("read")) {
        (None, None) => return Some(None),
        (Some(key), Some(read)) => (key, read),
        (Some(one), None) | (None, Some(one)) => {
            found.push(
                Diagnostic::error(&one.place, "a list of keys needs both `keys` and `read`")
                    .help("`keys` says where a row holds its key, `read` how records are read by keys"),
            );
            return None;
        }
    };
    let key = tree_of(key, found)?;
    call(read, key, defaults, found).map(Some)
}

pub(super) fn tree_of(node: &Node, found: &mut Diagnostics) -> Option<Envelope> {
    let envelope = envelope(&place(node, found)?);
    if envelope.is_none() {
        found.error(&node.place, "a name in `keys` is too long");
    }
    envelope
}

pub(super) fn call(
    node: &Node,
    key: Envelope,
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Option<Box<BatchCall>> {
    let mut keys = Keys::of(node, found)?;
    let (method, address) = match (keys.take("get"), keys.take("post")) {
        (Some(node), None) => {
            (Method::GET, String::read(node, found).inspect(|text| sendable(text, node, found))?)
        }
        (None, Some(node)) => {
            (Method::POST, String::read(node, found).inspect(|text| sendable(text, node, found))?)
        }
        (None, None) | (Some(_), Some(_)) => {
            found.error(&node.place, "records are read by `get` or by `post`");
            return None;
        }
    };
    let rows = match (keys.take("rows"), defaults.speaks) {
        (Some(node), _) => place(node, found)?,
        (None, Speaks::Odata4) => Path::parse("value").ok()?,
        (None, Speaks::Odata2) => Path::parse("d.results").ok()?,
        (None, Speaks::Json | Speaks::Xml) => {
            found.error(&node.place, "key `rows` is missing: where records stand in the answer");
            return None;
        }
    };
    let most = keys.take("most").map_or(Some(KEYS), |node| usize::read(node, found));
    let query = texts(keys.take("query"), found);
    let headers = headers::load(&mut keys, node, defaults, found);
    let body = bodies::load(&mut keys, bodies::OF_BATCH, defaults, found);
    keys.finish(found);
    let most = most?;
    if !(1..=KEYS_MAX).contains(&most) {
        found.error(&node.place, format!("`most` is between 1 and {KEYS_MAX}"));
    }
    if body.is_some() && method == Method::GET {
        found.error(&node.place, "a `get` carries no body; ask by `post`");
    }
    let (before, after, by) = split(address, body.as_ref(), node, found)?;
    let mut frame = Frame::default();
    // INVARIANT: the rows have slot 1.
    frame.slot(rows.steps());
    frame.rows(rows.steps());
    if !frame.finish() {
        found.error(&node.place, "a name in `rows` is too long");
        return None;
    }
    let rows = Envelope { root: frame.root, frame: frame.slots };
    Some(Box::new(BatchCall { key, method, before, after, by, query, headers, body, rows, most }))
}

/// The address around `{keys}`, and what stands between keys there.
fn split(
    address: String,
    body: Option<&Body>,
    node: &Node,
    found: &mut Diagnostics,
) -> Option<(String, String, Option<String>)> {
    let hole = address.split_once("{keys").and_then(|(before, rest)| {
        let (by, after) = rest.split_once('}')?;
        let by = if by.is_empty() { "," } else { by.strip_prefix(':')? };
        Some((before.to_owned(), after.to_owned(), by.to_owned()))
    });
    match (hole, body.is_some_and(Body::has_keys)) {
        (Some((before, after, by)), false) if !after.contains("{keys") && !by.is_empty() => {
            Some((before, after, Some(by)))
        }
        (None, true) if !address.contains("{keys") => Some((address, String::new(), None)),
        _ => {
            found
                .push(Diagnostic::error(&node.place, "keys stand once: in the address or in the body").help(
                "write `{keys}` in the address (joined by `,`, or `{keys:|}`), or `\"{keys}\"` in the body",
            ));
            None
        }
    }
}
