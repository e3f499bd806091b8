//! `list:` — the requests that read many records, and how they page.

use http::Method;

use super::{Defaults, entity::texts, path, path_at};
use crate::{
    mapping::{
        model::{Carrier, ListCall, Next, Page, Size, Speaks},
        path::Path,
        trie::Frame,
    },
    words::{
        Diagnostic, Diagnostics, Period,
        tree::{self, Node},
        yaml::{FromYaml, Keys},
        yaml_words,
    },
};

/// Rows asked for where a page has no bound of its own.
const PAGE_ROWS: u32 = 100;

yaml_words! {
    /// What a list variant is for.
    enum ForWord {
        /// Conditions.
        Filter = "filter",
        /// An order.
        Sort = "sort",
    }
}

/// The variants, plain ones first come first.
pub(super) fn load(
    keys: &mut Keys<'_>,
    at: &str,
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Vec<ListCall> {
    match keys.take("list") {
        None => Vec::new(),
        Some(node) => match node.as_list() {
            Some(nodes) => nodes.iter().filter_map(|node| variant(node, at, defaults, found)).collect(),
            None => variant(node, at, defaults, found).into_iter().collect(),
        },
    }
}

fn variant(node: &Node, at: &str, defaults: &Defaults, found: &mut Diagnostics) -> Option<ListCall> {
    let mut keys = Keys::of(node, found)?;
    let purposes: Vec<ForWord> = keys.or("for", Vec::new, found).unwrap_or_default();
    let (method, suffix) = match (keys.take("get"), keys.take("post")) {
        (Some(node), None) => (Method::GET, suffix(node, found)?),
        (None, Some(node)) => (Method::POST, suffix(node, found)?),
        (None, None) => (Method::GET, String::new()),
        (Some(_), Some(node)) => {
            found.error(&node.place, "a list is asked for by `get` or by `post`, not both");
            return None;
        }
    };
    let mut frame = Frame::default();
    let rows = match (keys.take("rows"), defaults.speaks) {
        (Some(node), _) => path(node, found)?,
        (None, Speaks::Odata4) => Path::parse("value").ok()?,
        (None, Speaks::Json | Speaks::Xml) => {
            found.error(&node.place, "key `rows` is missing: where records stand in the answer");
            return None;
        }
    };
    // INVARIANT: the rows' slot is the envelope's first, 1.
    frame.slot(rows.steps());
    frame.rows(rows.steps());
    let filter = match (keys.take("filter"), defaults.speaks) {
        (Some(node), _) => {
            let name = String::read(node, found)?;
            let dialect = defaults.dialects.get(&name);
            if dialect.is_none() {
                found.push(
                    Diagnostic::error(&node.place, format!("`{name}` is not in `filters`"))
                        .suggest(&name, defaults.dialects.keys().map(String::as_str)),
                );
            }
            dialect.cloned()
        }
        (None, Speaks::Odata4) => defaults.dialects.get("odata4").cloned(),
        (None, Speaks::Json | Speaks::Xml) => None,
    };
    let select_body = keys.take("select").and_then(|node| {
        let mut keys = Keys::of(node, found)?;
        let body = path_at(&mut keys, "body", found);
        keys.finish(found);
        body
    });
    // How long the system's index may lag behind; for the reader, and checked to be a period.
    if let Some(lag) = keys.take("lag") {
        Period::read(lag, found);
    }
    let query = texts(keys.take("query"), found);
    let page = match keys.take("page") {
        Some(node) => page(node, &method, &mut frame, found)?,
        None => Page { next: Next::None, size: Size::Own, most: PAGE_ROWS, window: None },
    };
    keys.finish(found);
    if !frame.finish() {
        found.error(&node.place, "a name in `rows` or `page` is too long");
        return None;
    }
    Some(ListCall {
        method,
        at: format!("{at}{suffix}"),
        query,
        for_queries: !purposes.is_empty(),
        filter,
        select_body,
        page,
        envelope: frame.root,
        frame: frame.slots,
    })
}

fn suffix(node: &Node, found: &mut Diagnostics) -> Option<String> {
    match node.value {
        tree::Value::Null => Some(String::new()),
        tree::Value::Scalar(_) | tree::Value::List(_) | tree::Value::Map(_) => String::read(node, found),
    }
}

fn page(node: &Node, method: &Method, frame: &mut Frame, found: &mut Diagnostics) -> Option<Page> {
    let mut keys = Keys::of(node, found)?;
    let most = keys.or("most", || PAGE_ROWS, found)?;
    let window = keys.take("window").and_then(|node| u64::read(node, found));
    let next = keys.take("next").and_then(|node| path(node, found));
    let link = keys.take("link").and_then(|node| path(node, found));
    let offset = keys.take("offset").and_then(|node| String::read(node, found));
    let query = keys.take("query").and_then(|node| String::read(node, found));
    let body = path_at(&mut keys, "body", found);
    let prefer = keys.take("prefer").and_then(|node| String::read(node, found));
    let size = keys.take("size").map(|node| carrier(node, method, found));
    keys.finish(found);
    let next = match (next, link, offset) {
        (Some(next), None, None) => {
            let to = match (query, body) {
                (Some(name), None) => Carrier::Query(name),
                (None, Some(path)) => Carrier::Body(path),
                (Some(_), Some(_)) | (None, None) => {
                    found.error(&node.place, "the token of `next` goes into `query` or into `body`");
                    return None;
                }
            };
            Next::Token { slot: frame.slot(next.steps()), to }
        }
        (None, Some(link), None) => Next::Link { slot: frame.slot(link.steps()) },
        (None, None, Some(offset)) => Next::Offset { to: Carrier::Query(offset) },
        (None, None, None) => Next::None,
        _ => {
            found.error(&node.place, "a list pages by one of `next`, `link` and `offset`");
            return None;
        }
    };
    let size = match (size, prefer) {
        (Some(carrier), None) => Size::At(carrier?),
        (None, Some(name)) => Size::Prefer(name),
        (None, None) => Size::Own,
        (Some(_), Some(_)) => {
            found.error(&node.place, "the size of a page is asked for by `size` or by `prefer`, not both");
            return None;
        }
    };
    if most == 0 {
        found.error(&node.place, "`most` must be at least 1");
    }
    if window.is_some() && matches!(next, Next::Link { .. } | Next::None) {
        found
            .error(&node.place, "`window` counts rows from page to page, so it goes with `next` or `offset`");
    }
    Some(Page { next, size, most: most.max(1), window })
}

/// A parameter of the query for `get`, a path in the body for `post`.
fn carrier(node: &Node, method: &Method, found: &mut Diagnostics) -> Option<Carrier> {
    if *method == Method::POST {
        return path(node, found).map(Carrier::Body);
    }
    String::read(node, found).map(Carrier::Query)
}
