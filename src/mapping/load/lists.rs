//! `list:` — the requests that read many records.

use std::sync::Arc;

use http::Method;

use super::{
    Defaults, addresses::sendable, batches, bodies, entity::texts, headers, needs, pages, pages::Holes,
    path_at, place,
};
use crate::{
    mapping::{
        batch::BATCHES_MAX,
        body::Hole,
        dialect::{Dialect, SortWords, Statement},
        model::{ListCall, Speaks},
        path::Path,
        trie::Frame,
    },
    schema::Entity,
    words::{
        Diagnostic, Diagnostics, Period,
        tree::{self, Node},
        yaml::{FromYaml, Keys},
        yaml_words,
    },
};

yaml_words! {
    /// What an answer without rows means.
    enum AbsentWord {
        /// There are none.
        Empty = "empty",
    }

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
    (entity, defaults): (&Entity, &Defaults),
    found: &mut Diagnostics,
) -> Vec<ListCall> {
    let of = (Some(entity), defaults);
    match keys.take("list") {
        None => Vec::new(),
        Some(node) => match node.as_list() {
            Some(nodes) => nodes.iter().filter_map(|node| variant(node, at, of, found)).collect(),
            None => variant(node, at, of, found).into_iter().collect(),
        },
    }
}

pub(super) fn variant(
    node: &Node,
    at: &str,
    (entity, defaults): (Option<&Entity>, &Defaults),
    found: &mut Diagnostics,
) -> Option<ListCall> {
    let mut keys = Keys::of(node, found)?;
    let (for_queries, fields) = purposes(keys.take("for"), found);
    let (method, suffix) = address(&mut keys, defaults, found)?;
    let (at, at_bounds) = place_of(&mut keys, (node, at, &suffix), found)?;
    let mut frame = Frame::default();
    let said = keys.take("rows");
    let (rows, inner, may_lack_rows) = rows(said, node, defaults, found)?;
    // INVARIANT: the rows' slot is the envelope's first, 1.
    frame.slot(rows.steps());
    match &inner {
        None => frame.rows(rows.steps()),
        Some(inner) => frame.rows_in_each(rows.steps(), inner.steps(), may_lack_rows),
    }
    let may_lack = may_lack_rows && inner.is_none();
    let rows_in = rows.steps().split_last().filter(|_| may_lack).map(|(_, parent)| frame.slot(parent));
    let filter = dialect(&mut keys, defaults, found)?;
    let select_body = keys.take("select").and_then(|node| select_body(node, found));
    let lag = keys.take("lag").and_then(|lag| Period::read(lag, found)).map(|lag| lag.0);
    let query = texts(keys.take("query"), found);
    let headers = headers::load(&mut keys, node, defaults, found);
    let body = bodies::load(&mut keys, bodies::OF_LIST, defaults, found);
    // A search for keys is bounded by its codes alone.
    let bounds = entity.map(|entity| {
        needs::load(node, &mut keys, (fields, body.as_ref(), &at_bounds), (entity, defaults), found)
    });
    let statement = keys.take("statement").map(|node| Statement::load(node, found).ok_or(()));
    let statement = statement.transpose().ok()?;
    stated(node, statement.as_ref(), filter.as_deref(), found);
    let holes = Holes::of(body.as_ref(), statement.as_ref());
    let (said, of) = (keys.take("page"), (entity, defaults.text_numbers));
    let page = pages::load(node, said, (&method, holes, of), &mut frame, found);
    let batch = batches::load(&mut keys, defaults, found)?;
    keys.finish(found);
    let page = page?;
    if !frame.finish() {
        found.error(&node.place, "a name in `rows` or `page` is too long");
        return None;
    }
    let call = ListCall {
        method,
        at,
        at_bounds,
        query,
        headers,
        for_queries,
        for_fields: fields.is_some(),
        filter,
        statement,
        select_body,
        body,
        bounds: bounds.unwrap_or_default(),
        rows_in,
        page,
        batch,
        lag,
        envelope: frame.root,
        frame: frame.slots,
    };
    fits(&call, rows.steps().is_empty() && inner.is_none(), node, found);
    Some(call)
}

/// A value of the filter that is a step of an address, by its bound, and what follows it.
pub(super) type Step = (Box<str>, String);

/// Where the list stands, which may be elsewhere than the records.
fn place_of(
    keys: &mut Keys<'_>,
    (node, at, suffix): (&Node, &str, &str),
    found: &mut Diagnostics,
) -> Option<(String, Vec<Step>)> {
    let at = match keys.take("at") {
        Some(node) => String::read(node, found).filter(|at| is_address(at, node, found))?,
        None => at.to_owned(),
    };
    bounds_of(&format!("{at}{suffix}"), node, found)
}

/// What an address says as it stands, and the values of the filter that are steps of it: `/{filter:FIELD}/lines`.
fn bounds_of(address: &str, node: &Node, found: &mut Diagnostics) -> Option<(String, Vec<Step>)> {
    const OPEN: &str = "{filter:";
    let mut pieces = address.split(OPEN);
    let first = pieces.next().unwrap_or_default().to_owned();
    let mut bounds = Vec::new();
    let mut before = first.as_str();
    for piece in pieces {
        let whole = piece.split_once('}').filter(|(_, after)| {
            // A value is a step of its own: beside other words it could become another address.
            before.ends_with('/') && (after.is_empty() || after.starts_with(['/', '.']))
        });
        let Some((name, after)) = whole else {
            let text = "a value of the filter is a whole step of an address";
            found
                .push(Diagnostic::error(&node.place, text).help("as in `get: \"/{filter:order}/payments\"`"));
            return None;
        };
        bounds.push((name.into(), after.to_owned()));
        before = after;
    }
    Some((first, bounds))
}

/// Where the names of wanted fields go in the body.
fn select_body(node: &Node, found: &mut Diagnostics) -> Option<Path> {
    let mut keys = Keys::of(node, found)?;
    let body = path_at(&mut keys, "body", found);
    keys.finish(found);
    body
}

/// Whether a variant is for queries with a filter or an order only, and the fields that such a filter has to fix.
fn purposes<'n>(node: Option<&'n Node>, found: &mut Diagnostics) -> (bool, Option<&'n Node>) {
    let Some(node) = node else { return (false, None) };
    if node.as_map().is_none() {
        return (Vec::<ForWord>::read(node, found).is_some_and(|words| !words.is_empty()), None);
    }
    let Some(mut keys) = Keys::of(node, found) else { return (false, None) };
    let fields = keys.take("filter");
    keys.finish(found);
    let is_list = |node: &&Node| node.as_list().is_some_and(|names| !names.is_empty());
    if fields.is_none_or(|node| !is_list(&node)) {
        let text = "`for: { filter: [ … ] }` names the fields that a filter has to fix";
        found.push(Diagnostic::error(&node.place, text).help("as in `for: { filter: [emails.value] }`"));
    }
    (true, fields.filter(is_list))
}

/// Tells of parts of a list that do not go together.
fn fits(call: &ListCall, is_bare: bool, node: &Node, found: &mut Diagnostics) {
    let keys_max = call.batch.as_ref().map_or(usize::MAX, |batch| batch.most.saturating_mul(BATCHES_MAX / 2));
    if usize::try_from(call.page.most).unwrap_or(usize::MAX) > keys_max {
        let text = format!("the records of one page are read in {} requests at most", BATCHES_MAX / 2);
        found.push(Diagnostic::error(&node.place, text).help("raise `read.most`, or lower `page.most`"));
    }
    if let Some(keyset) = &call.page.keyset
        && !call.filter.as_ref().is_some_and(|dialect| keyset.is_asked(dialect))
    {
        let text =
            format!("the list cannot be asked for what comes after a key in the order of `{}`", keyset.name);
        found.push(
            Diagnostic::error(&node.place, text)
                .help("name a `filter` whose `ops` have `gt` and whose `sort` knows that name"),
        );
    }
    if is_bare && call.frame > 2 {
        found.push(
            Diagnostic::error(&node.place, "an answer that is a bare list has no names beside its rows")
                .help("what tells of pages stands in a header: `{ header: NAME }`"),
        );
    }
    let is_whole = call.filter.as_ref().is_some_and(|dialect| dialect.is_whole());
    if is_whole && !call.body.as_ref().is_some_and(|body| body.has(&|hole| *hole == Hole::Filter)) {
        found.push(
            Diagnostic::error(&node.place, "the conditions have no place: the dialect's `body` is `.`")
                .help("write `\"{filter}\"` into the list's `body`, or a path into the dialect's"),
        );
    }
    if call.body.is_some() && call.method == Method::GET {
        found.error(&node.place, "a `get` carries no body; ask by `post`");
    }
}

/// Method and address.
fn address(keys: &mut Keys<'_>, defaults: &Defaults, found: &mut Diagnostics) -> Option<(Method, String)> {
    Some(match (keys.take("get"), keys.take("post")) {
        (Some(node), None) => (Method::GET, suffix(node, found)?),
        (None, Some(node)) => (Method::POST, suffix(node, found)?),
        (None, None) if defaults.soap.is_some() => (Method::POST, String::new()),
        (None, None) => (Method::GET, String::new()),
        (Some(_), Some(node)) => {
            found.error(&node.place, "a list is asked for by `get` or by `post`, not both");
            return None;
        }
    })
}

/// What the variant filters and sorts by; none where it names one that is not there.
fn dialect(
    keys: &mut Keys<'_>,
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Option<Option<Arc<Dialect>>> {
    let Some(node) = keys.take("filter") else {
        return Some(match defaults.speaks {
            Speaks::Odata4 => defaults.dialects.get("odata4").cloned(),
            Speaks::Odata2 => defaults.dialects.get("odata2").cloned(),
            Speaks::Json | Speaks::Xml => None,
        });
    };
    let name = String::read(node, found)?;
    if defaults.unloaded.contains(&name) {
        return None;
    }
    let dialect = defaults.dialects.get(&name);
    if dialect.is_none() {
        found.push(
            Diagnostic::error(&node.place, format!("`{name}` is not in `filters`"))
                .suggest(&name, defaults.dialects.keys().map(String::as_str)),
        );
    }
    dialect.cloned().map(Some)
}

/// Whether a list can be asked for there.
pub(super) fn is_address(at: &str, node: &Node, found: &mut Diagnostics) -> bool {
    let is_one = at.starts_with('/') && !at.contains(['?', '#', '{']);
    if !is_one {
        found.error(&node.place, "`at` begins with `/` and has no query");
    }
    sendable(at, node, found);
    is_one
}

/// Tells when a statement and the dialect of a list do not fit each other.
fn stated(node: &Node, statement: Option<&Statement>, dialect: Option<&Dialect>, found: &mut Diagnostics) {
    let (filters, sorts) = statement.map_or((false, false), Statement::asks);
    let makes_text = dialect.is_some_and(Dialect::needs_statement);
    let mut tell = |message: &str, help: &str| {
        found.push(Diagnostic::error(&node.place, message).help(help));
    };
    if makes_text && !filters {
        tell(
            "the filter's text has no place",
            "write a `statement` with `[ WHERE {filter}]`, or say `query: NAME` in the dialect",
        );
    }
    if filters && !makes_text {
        tell("`{filter}` has nothing to say", "name a `filter` of shape `text` without `query`");
    }
    let sort_text = dialect.and_then(|dialect| dialect.sort.as_ref());
    let sort_text = makes_text && sort_text.is_some_and(SortWords::needs_statement);
    if sort_text && !sorts {
        tell("the order's text has no place", "put `[ ORDER BY {sort}]` into the statement");
    }
}

fn suffix(node: &Node, found: &mut Diagnostics) -> Option<String> {
    match node.value {
        tree::Value::Null => Some(String::new()),
        tree::Value::Scalar(_) | tree::Value::List(_) | tree::Value::Map(_) => {
            String::read(node, found).inspect(|text| sendable(text, node, found))
        }
    }
}

/// Where the rows stand, `.` for a bare list; where they stand in each element of that, if they do; and whether none are
/// there when the answer has no such place.
fn rows(
    said: Option<&Node>,
    list: &Node,
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Option<(Path, Option<Path>, bool)> {
    let node = match (said, defaults.speaks) {
        (Some(node), _) => node,
        (None, Speaks::Odata4) => return Some((Path::parse("value").ok()?, None, false)),
        (None, Speaks::Odata2) => return Some((Path::parse("d.results").ok()?, None, false)),
        (None, Speaks::Json | Speaks::Xml) => {
            found.error(&list.place, "key `rows` is missing: where records stand in the answer");
            return None;
        }
    };
    if node.as_text().is_some() {
        return rows_at(node, defaults, found).map(|(path, inner)| (path, inner, false));
    }
    let mut keys = Keys::of(node, found)?;
    let at: Option<Node> = keys.required("at", found);
    let absent: Option<AbsentWord> = keys.required("absent", found);
    keys.finish(found);
    absent.and(rows_at(&at?, defaults, found)).map(|(path, inner)| (path, inner, true))
}

/// `path`, or `path[].path`: a list, and what stands in each of its elements. `[].path` where the answer is that list.
fn rows_at(node: &Node, defaults: &Defaults, found: &mut Diagnostics) -> Option<(Path, Option<Path>)> {
    let text = node.as_text().unwrap_or_default();
    let Some((outer, inner)) = text.split_once("[].") else { return Some((place(node, found)?, None)) };
    if defaults.speaks == Speaks::Xml {
        found.push(
            Diagnostic::error(&node.place, "rows of XML stand in one place")
                .help("name the elements on the way; a repeated one needs no `[]`"),
        );
        return None;
    }
    let outer = if outer.is_empty() { Ok(Path::default()) } else { Path::parse(outer) };
    match (outer, Path::parse(inner)) {
        (Ok(outer), Ok(inner)) => Some((outer, Some(inner))),
        (Err(why), _) | (_, Err(why)) => {
            found.push(Diagnostic::error(&node.place, why).help("`[]` stands once: `chunks[].rows`"));
            None
        }
    }
}
