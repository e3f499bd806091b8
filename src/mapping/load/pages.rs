//! `page:` — how a list goes on and where it ends.

use http::Method;

use super::{
    calls::{At, at, header},
    path, path_at,
};
use crate::{
    mapping::{
        body::{Body, Hole},
        dialect::Statement,
        keyset::Keyset,
        model::{Carrier, CountAt, Ends, LinkAt, Next, Page, Size},
        trie::Frame,
    },
    schema::Entity,
    words::{
        Diagnostic, Diagnostics,
        tree::Node,
        yaml::{FromYaml, Keys},
        yaml_words,
    },
};

/// Rows asked for where a page has no bound of its own.
const PAGE_ROWS: u32 = 100;

yaml_words! {
    /// An end that no number tells.
    enum EndsWord {
        /// A page with fewer rows than were asked for.
        ShortPage = "short_page",
    }
}

/// What of a page the body's template or the statement carries.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Holes {
    limit: bool,
    offset: bool,
    page: bool,
    token: bool,
    /// Whether a statement says which rows come first.
    is_stated: bool,
}

impl Holes {
    pub(super) fn of(body: Option<&Body>, statement: Option<&Statement>) -> Self {
        let has = |hole: Hole| body.is_some_and(|body| body.has(&|one| *one == hole));
        Self {
            limit: has(Hole::Limit) || statement.is_some_and(Statement::limits),
            offset: has(Hole::Offset) || statement.is_some_and(Statement::pages),
            page: has(Hole::Page),
            token: has(Hole::Token),
            is_stated: statement.is_some_and(Statement::pages),
        }
    }
}

/// Reads `page` of a list.
pub(super) fn load(
    list: &Node,
    node: Option<&Node>,
    (method, holes, of): (&Method, Holes, (Option<&Entity>, bool)),
    frame: &mut Frame,
    found: &mut Diagnostics,
) -> Option<Page> {
    let Some(node) = node else {
        // A statement that skips rows says all there is to say.
        let next = match holes.is_stated {
            true => Next::Offset { to: Carrier::Hole, from: 0 },
            false => Next::None,
        };
        if (holes.offset && !holes.is_stated) || holes.page || holes.token {
            let text =
                "the body asks for one page of many, so the list needs `page`: how it goes on and ends";
            found.error(&list.place, text);
            return None;
        }
        let size = if holes.limit { Size::At(Carrier::Hole) } else { Size::Own };
        let (most, ends) = (PAGE_ROWS, Ends::ShortPage);
        return Some(Page { next, size, most, window: None, keyset: None, more: None, ends });
    };
    let mut keys = Keys::of(node, found)?;
    let most_said = keys.take("most").and_then(|node| u32::read(node, found));
    let most = most_said.unwrap_or(PAGE_ROWS);
    let window = keys.take("window").and_then(|node| u64::read(node, found));
    let keyset = keys.take("keyset").map(|node| Keyset::load(node, of, found).ok_or(()));
    let keyset = keyset.transpose().ok()?;
    let more = keys.take("more").and_then(|node| path(node, found)).map(|path| frame.slot(path.steps()));
    let ends = ends(&mut keys, node, frame, found);
    let range = keys.take("range").map(|node| String::read(node, found));
    let (size, next) = match range {
        Some(name) => (Some(Size::At(Carrier::Hole)), ranged(name?, &mut keys, node, holes, found)),
        None => (
            size(&mut keys, node, (method, holes), found),
            next(&mut keys, node, (method, holes), frame, found),
        ),
    };
    keys.finish(found);
    let (ends, size, next) = (ends?, size?, next?);
    if most == 0 {
        found.error(&node.place, "`most` must be at least 1");
    }
    let next = match (next, &keyset) {
        (Next::None, Some(_)) => Next::Keyset,
        (next, _) => next,
    };
    if keyset.is_some() && window.is_none() && !matches!(next, Next::Keyset | Next::Offset { .. }) {
        let text = "`keyset` beside another way on says how a list starts anew where its `window` ends";
        found.push(Diagnostic::error(&node.place, text).help("say `window`, or leave out one of the two"));
    }
    if window.is_some() && matches!(next, Next::Link { .. } | Next::None | Next::Keyset) {
        let text = "`window` counts rows from page to page, so it goes with `next`, `offset` or `number`";
        found.error(&node.place, text);
    }
    agree(node, (&next, &size), (ends.is_some(), more.is_some(), most_said.is_some()), found);
    Some(Page { next, size, most: most.max(1), window, keyset, more, ends: ends.unwrap_or(Ends::ShortPage) })
}

/// Whether the way on and the end fit together.
fn agree(
    node: &Node,
    (next, size): (&Next, &Size),
    (ends, more, most): (bool, bool, bool),
    found: &mut Diagnostics,
) {
    let is_counted = matches!(next, Next::Number { .. } | Next::Offset { .. });
    if ends && !is_counted {
        let text =
            "`total`, `pages` and `ends` tell the end of pages that are counted by `number` or `offset`";
        found.error(&node.place, text);
    }
    if more && ends {
        found.error(&node.place, "a list ends by `more`, or by `total`, `pages` or `ends`");
    }
    if more && matches!(next, Next::None) {
        found.error(&node.place, "`more` needs a way on: `next`, `link`, `offset` or `number`");
    }
    if matches!(next, Next::Number { .. }) && !ends && !more {
        found.push(Diagnostic::error(&node.place, "a list by `number` does not say where it ends").help(
            "name the `total` of rows, the number of `pages`, a flag `more`, or say `ends: short_page`",
        ));
    }
    if is_counted && matches!(size, Size::Own) && !most {
        found.push(
            Diagnostic::error(&node.place, "pages are counted, and nothing says how many rows one has")
                .help("ask for it with `size`, or say with `most` how many the system gives"),
        );
    }
}

/// The end of counted pages; none where nothing is said.
fn ends(
    keys: &mut Keys<'_>,
    node: &Node,
    frame: &mut Frame,
    found: &mut Diagnostics,
) -> Option<Option<Ends>> {
    let mut count = |key: &'static str, found: &mut Diagnostics| {
        let node = keys.take(key)?;
        Some(at(node, found).map(|at| match at {
            At::Body(path) => CountAt::Body(frame.slot(path.steps())),
            At::Header(name) => CountAt::Header(name),
        }))
    };
    let (total, pages) = (count("total", found), count("pages", found));
    let word = keys.take("ends").map(|node| EndsWord::read(node, found));
    match (total, pages, word) {
        (None, None, None) => Some(None),
        (Some(at), None, None) => at.map(Ends::Total).map(Some),
        (None, Some(at), None) => at.map(Ends::Pages).map(Some),
        (None, None, Some(word)) => word.map(|EndsWord::ShortPage| Some(Ends::ShortPage)),
        _ => {
            found.error(&node.place, "a list ends by one of `total`, `pages` and `ends`");
            None
        }
    }
}

fn size(
    keys: &mut Keys<'_>,
    node: &Node,
    (method, holes): (&Method, Holes),
    found: &mut Diagnostics,
) -> Option<Size> {
    let prefer = keys.take("prefer").and_then(|node| String::read(node, found));
    let size = keys.take("size").map(|node| carrier(node, method, found));
    match (size, prefer, holes.limit) {
        (Some(carrier), None, false) => carrier.map(Size::At),
        (None, Some(name), false) => Some(Size::Prefer(name)),
        (None, None, true) => Some(Size::At(Carrier::Hole)),
        (None, None, false) => Some(Size::Own),
        _ => {
            let text = "the size of a page is asked for by one of `size`, `prefer` and `{limit}` in the body";
            found.error(&node.place, text);
            None
        }
    }
}

/// The way on.
fn next(
    keys: &mut Keys<'_>,
    node: &Node,
    (method, holes): (&Method, Holes),
    frame: &mut Frame,
    found: &mut Diagnostics,
) -> Option<Next> {
    let to = token_to(keys, node, holes, found)?;
    let mut way = |key| keys.take(key);
    let (next, link) = (way("next"), way("link"));
    let offset = counter(way("offset"), holes.offset, node, method, found)?;
    let number = counter(way("number"), holes.page, node, method, found)?;
    let from = way("from").and_then(|node| u64::read(node, found));
    if from.is_some() && offset.is_none() && number.is_none() {
        found.error(&node.place, "`from` is the first `number` or `offset`");
    }
    match (next, link, offset, number) {
        (Some(next), None, None, None) => {
            let next = path(next, found)?;
            let Some(to) = to else {
                let text = "the token of `next` goes into `query` or into `body`";
                found.push(Diagnostic::error(&node.place, text).help("or into `{token}` of the list's body"));
                return None;
            };
            Some(Next::Token { slot: frame.slot(next.steps()), to })
        }
        (None, Some(link), None, None) => Some(Next::Link { at: link_at(link, frame, found)? }),
        (None, None, Some(to), None) => Some(Next::Offset { to, from: from.unwrap_or(0) }),
        (None, None, None, Some(to)) => Some(Next::Number { to, from: from.unwrap_or(1) }),
        (None, None, None, None) if to.is_none() => Some(Next::None),
        (None, None, None, None) => {
            found.error(&node.place, "`next` is missing: where the token of the next page stands");
            None
        }
        _ => {
            found.error(&node.place, "a list pages by one of `next`, `link`, `offset` and `number`");
            None
        }
    }
}

/// Pages of which one parameter tells where they begin and how long they are.
fn ranged(
    name: String,
    keys: &mut Keys<'_>,
    node: &Node,
    holes: Holes,
    found: &mut Diagnostics,
) -> Option<Next> {
    let from = keys.take("from").and_then(|node| u64::read(node, found));
    let mut is_alone = true;
    for other in ["next", "link", "offset", "number", "size", "prefer", "query", "body"] {
        if let Some(node) = keys.take(other) {
            is_alone = false;
            let text = format!("`range` says where a page begins and how long it is; leave out `{other}`");
            found.error(&node.place, text);
        }
    }
    if holes.limit || holes.offset || holes.page || holes.token {
        is_alone = false;
        found.error(&node.place, "`range` asks for the page, and so does a hole of the list");
    }
    is_alone.then(|| Next::Offset { to: Carrier::Range(name), from: from.unwrap_or(0) })
}

/// Where a token goes.
fn token_to(
    keys: &mut Keys<'_>,
    node: &Node,
    holes: Holes,
    found: &mut Diagnostics,
) -> Option<Option<Carrier>> {
    let query = keys.take("query").and_then(|node| String::read(node, found));
    let body = path_at(keys, "body", found);
    match (query, body, holes.token) {
        (Some(name), None, false) => Some(Some(Carrier::Query(name))),
        (None, Some(path), false) => Some(Some(Carrier::Body(path))),
        (None, None, true) => Some(Some(Carrier::Hole)),
        (None, None, false) => Some(None),
        _ => {
            let text = "the token of `next` goes into one of `query`, `body` and `{token}` in the body";
            found.error(&node.place, text);
            None
        }
    }
}

/// Where a number that counts pages or rows goes; none where there is no such number.
fn counter(
    said: Option<&Node>,
    hole: bool,
    node: &Node,
    method: &Method,
    found: &mut Diagnostics,
) -> Option<Option<Carrier>> {
    match (said, hole) {
        (Some(_), true) => {
            found.error(
                &node.place,
                "the number of a page goes into one place, and the body has a hole for it",
            );
            None
        }
        (Some(said), false) => carrier(said, method, found).map(Some),
        (None, true) => Some(Some(Carrier::Hole)),
        (None, false) => Some(None),
    }
}

/// A path of the answer, or a relation among the links of a header field.
fn link_at(node: &Node, frame: &mut Frame, found: &mut Diagnostics) -> Option<LinkAt> {
    if node.as_text().is_some() {
        return path(node, found).map(|path| LinkAt::Body(frame.slot(path.steps())));
    }
    let mut keys = Keys::of(node, found)?;
    let name: Option<Node> = keys.required("header", found);
    let rel = keys.or("rel", || "next".to_owned(), found);
    keys.finish(found);
    let name = header(&name?, found)?;
    Some(LinkAt::Header { name, rel: rel?.to_ascii_lowercase() })
}

/// A parameter of the query for `get`, a path in the body for `post`; or the one that is named.
fn carrier(node: &Node, method: &Method, found: &mut Diagnostics) -> Option<Carrier> {
    if node.as_map().is_some() {
        let mut keys = Keys::of(node, found)?;
        let query = keys.take("query").and_then(|node| String::read(node, found));
        let body = path_at(&mut keys, "body", found);
        keys.finish(found);
        return match (query, body) {
            (Some(name), None) => Some(Carrier::Query(name)),
            (None, Some(path)) if *method != Method::GET => Some(Carrier::Body(path)),
            (None, Some(_)) => {
                found.error(&node.place, "a `get` carries no body; ask by `post`");
                None
            }
            (Some(_), Some(_)) | (None, None) => {
                found.error(&node.place, "a number goes into `query` or into `body`");
                None
            }
        };
    }
    if *method == Method::POST {
        return path(node, found).map(Carrier::Body);
    }
    String::read(node, found).map(Carrier::Query)
}
