//! `read`, `create`, `update`, `delete` — the requests on one record, and what they answer.

use http::Method;

use super::{Defaults, addresses::sendable, bodies, entity::texts, headers, lists, merged, path, place};
use crate::{
    mapping::{
        body::{Body, Hole},
        dialect::Statement,
        errors::Pattern,
        key::Key,
        model::{Call, Envelope, KeyAt, KeyForm, KeyPlace, ListCall, Returns, Speaks},
        path::Path,
        trie::Frame,
    },
    words::{
        Diagnostic, Diagnostics,
        tree::{self, Node},
        yaml::{FromYaml, Keys, expected},
        yaml_words,
    },
};

yaml_words! {
    /// What a delete means to the system.
    enum MeansWord {
        /// The record is gone.
        Removed = "removed",
        /// It is kept out of sight.
        Archived = "archived",
        /// It stays, cancelled.
        Cancelled = "cancelled",
    }

    /// What a system answers to a write.
    enum ReturnsWord {
        /// The record.
        Record = "record",
        /// Its key.
        Key = "key",
        /// Nothing of interest.
        Nothing = "nothing",
    }
}

/// One of the four.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    /// The method that is meant where none is named.
    usual: &'static str,
    holes: &'static [&'static str],
    /// Whether it is about a record that has a key.
    is_keyed: bool,
    /// Whether it carries a record.
    is_written: bool,
}

/// `read`, `create`, `update` and `delete`, those that can be done.
pub(super) fn load(
    keys: &mut Keys<'_>,
    (key, by): (Option<&Key>, Option<Key>),
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> [Option<Call>; 4] {
    let read = Kind { name: "read", usual: "get", holes: bodies::OF_READ, is_keyed: true, is_written: false };
    let create =
        Kind { name: "create", usual: "post", holes: bodies::OF_CREATE, is_keyed: false, is_written: true };
    let update =
        Kind { name: "update", usual: "patch", holes: bodies::OF_UPDATE, is_keyed: true, is_written: true };
    let delete =
        Kind { name: "delete", usual: "delete", holes: bodies::OF_DELETE, is_keyed: true, is_written: false };
    let [read, create, delete] = [read, create, delete].map(|kind| call(keys, (kind, key), defaults, found));
    let update = call(keys, (update, by.as_ref().or(key)), defaults, found);
    [read, create, update.map(|update| Call { by, ..update }), delete]
}

/// `undo` of `create`: whether a record goes again where one of its parts cannot be written.
pub(super) fn undo(entity: &Node, found: &mut Diagnostics) -> bool {
    let Some(create) = entity.get("create") else { return false };
    let Some(undo) = create.get("undo") else { return false };
    if undo.as_text() != Some("delete") {
        expected(undo, "`delete`", found);
        return false;
    }
    for (is_there, wrong) in [
        (
            create.get("parts").is_some(),
            "`undo` goes with `parts`: a record that is made by one request needs none",
        ),
        (entity.get("delete").is_some(), "`undo: delete` needs the entity's `delete`"),
    ] {
        if !is_there {
            found.error(&undo.place, wrong);
        }
    }
    true
}

/// A call that leads a field of one record to a value.
pub(super) fn action(
    node: &Node,
    key: Option<&Key>,
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Option<Call> {
    let kind =
        Kind { name: "actions", usual: "post", holes: bodies::OF_DELETE, is_keyed: true, is_written: false };
    call_at(node, (kind, key), defaults, found)
}

/// A call: its address under `at`, by method; left out, it cannot be done.
fn call(
    keys: &mut Keys<'_>,
    of: (Kind, Option<&Key>),
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Option<Call> {
    let node = keys.take(of.0.name)?;
    call_at(node, of, defaults, found)
}

fn call_at(
    node: &Node,
    (kind, key): (Kind, Option<&Key>),
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Option<Call> {
    let mut keys = Keys::of(node, found)?;
    let address = address(&mut keys, kind, defaults, found);
    let elsewhere = elsewhere(&mut keys, found);
    let merge = merged::load(&mut keys, kind.name == "update", found);
    if let Some(means) = keys.take("means") {
        MeansWord::read(means, found);
    }
    // Read with the key.
    if kind.name == "update" {
        keys.take("by");
    }
    // Read with the lines that they are about.
    if kind.is_written {
        keys.take("parts");
    }
    if kind.name == "create" {
        keys.take("undo");
        keys.take("found_by");
    }
    let query = texts(keys.take("query"), found);
    let headers = headers::load(&mut keys, node, defaults, found);
    let has_body = node.get("body").is_some();
    let body = bodies::load(&mut keys, kind.holes, defaults, found);
    let (rows_at, at) = match (keys.take("rows"), defaults.speaks) {
        (Some(node), _) => (place(node, found).unwrap_or_default(), node),
        (None, Speaks::Odata2) => (Path::parse("d").ok()?, node),
        (None, Speaks::Json | Speaks::Odata4 | Speaks::Xml) => (Path::default(), node),
    };
    let rows = record_at(&rows_at, at, found);
    let returns = returns(&mut keys, node, kind, found);
    keys.finish(found);
    let (method, text) = address?;
    if has_body && body.is_none() {
        return None;
    }
    if let Some(body) = &body {
        fits(body, &method, node, kind, found);
    }
    let by_body = body.as_ref().is_some_and(Body::has_key);
    let (text, key_parts) = named_parts(text, (kind, key), defaults, node, found)?;
    let (before, after, is_keyed) = around_key(text, kind, by_body || !key_parts.is_empty(), node, found)?;
    Some(Call {
        method,
        at: elsewhere?,
        before,
        after,
        is_keyed,
        key_parts,
        by: None,
        query,
        headers,
        is_written: kind.is_written,
        body,
        rows,
        rows_at,
        returns: returns?,
        merge,
    })
}

/// The address around `{key}`, and whether it stands there; elsewhere it is named otherwise or by nobody.
fn around_key(
    text: String,
    kind: Kind,
    is_named: bool,
    node: &Node,
    found: &mut Diagnostics,
) -> Option<(String, String, bool)> {
    match (text.split_once("{key}"), kind.is_keyed) {
        (Some((before, after)), true) if !after.contains("{key}") => {
            return Some((before.to_owned(), after.to_owned(), true));
        }
        (None, false) => return Some((text, String::new(), false)),
        (None, true) if is_named => return Some((text, String::new(), false)),
        (Some(_), _) => found.error(
            &node.place,
            "`{key}` stands once in the address of one record, never in that of `create`",
        ),
        (None, true) => found.error(
            &node.place,
            format!("the address of `{}` must hold `{{key}}`, or its `body` must", kind.name),
        ),
    }
    None
}

/// `at` of a call: an address that is not under the records'; none where it is left out.
fn elsewhere(keys: &mut Keys<'_>, found: &mut Diagnostics) -> Option<Option<String>> {
    let Some(node) = keys.take("at") else { return Some(None) };
    String::read(node, found).filter(|at| lists::is_address(at, node, found)).map(Some)
}

/// Method and address.
fn address(
    keys: &mut Keys<'_>,
    kind: Kind,
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Option<(Method, String)> {
    let standard = match (kind.is_keyed, defaults.speaks) {
        _ if defaults.soap.is_some() => "",
        (false, _) => "",
        (true, Speaks::Json | Speaks::Xml) => "/{key}",
        (true, Speaks::Odata4 | Speaks::Odata2) => "({key})",
    };
    let mut chosen = None;
    for (word, method) in [
        ("get", Method::GET),
        ("post", Method::POST),
        ("put", Method::PUT),
        ("patch", Method::PATCH),
        ("delete", Method::DELETE),
    ] {
        let default_here = word == if defaults.soap.is_some() { "post" } else { kind.usual };
        if let Some(node) = keys.take(word) {
            let text = match &node.value {
                tree::Value::Null => Some(standard.to_owned()),
                _ => String::read(node, found),
            };
            if let Some(text) = text {
                sendable(&text, node, found);
                chosen = Some((method, text));
            }
        } else if default_here && chosen.is_none() {
            chosen = Some((method, standard.to_owned()));
        }
    }
    chosen
}

/// The address up to the first part of the key that it names, and each part it names with what follows it.
fn named_parts(
    text: String,
    (kind, key): (Kind, Option<&Key>),
    defaults: &Defaults,
    node: &Node,
    found: &mut Diagnostics,
) -> Option<(String, Vec<(usize, String)>)> {
    let Some((before, mut rest)) = text.split_once("{key.") else { return Some((text, Vec::new())) };
    let mut parts = Vec::new();
    // A key that could not be read was told of already.
    let key = key?;
    let mut mistake =
        |text: String, help: String| found.push(Diagnostic::error(&node.place, text).help(help));
    let names: Vec<_> = key.parts().iter().map(|part| part.name(defaults.speaks)).collect();
    if !kind.is_keyed || !key.is_parted() || matches!(defaults.speaks, Speaks::Odata4 | Speaks::Odata2) {
        let text = "the address names a part of the key by itself";
        let help = "write `{key}`; parts are named where a key has several, and by OData all of them at once";
        mistake(text.to_owned(), help.to_owned());
        return None;
    }
    loop {
        let known = rest
            .split_once('}')
            .and_then(|(name, rest)| Some((names.iter().position(|known| known == name)?, rest)));
        let Some((part, after)) = known else {
            let help = format!("its parts are `{{key.{}}}`", names.join("}`, `{key."));
            mistake("the address names no part of the key".to_owned(), help);
            return None;
        };
        match after.split_once("{key.") {
            Some((between, next)) => {
                parts.push((part, between.to_owned()));
                rest = next;
            }
            None => {
                parts.push((part, after.to_owned()));
                return Some((before.to_owned(), parts));
            }
        }
    }
}

/// What a body must hold, and who may carry one.
fn fits(body: &Body, method: &Method, node: &Node, kind: Kind, found: &mut Diagnostics) {
    if *method == Method::GET {
        found.error(&node.place, "a `get` carries no body; ask by `post`");
    }
    match (kind.is_written, body.count(&|hole| *hole == Hole::Record)) {
        (true, 0) => {
            let text = format!("the body of `{}` must hold the record", kind.name);
            found.push(
                Diagnostic::error(&node.place, text).help("write `\"{record}\"` where the record stands"),
            );
        }
        (true, 1) | (false, _) => {}
        (true, _) => found.error(&node.place, "`{record}` stands once in a body"),
    }
}

/// A place in an answer as a tree.
pub(super) fn envelope(path: &Path) -> Option<Envelope> {
    let mut frame = Frame::default();
    // INVARIANT: the place has slot 1, what it stands in slot 2.
    frame.slot(path.steps());
    if let Some((_, parent)) = path.steps().split_last() {
        frame.slot(parent);
    }
    frame.finish().then_some(Envelope { root: frame.root, frame: frame.slots })
}

/// `rows` of an answer about one record: where it stands.
fn record_at(path: &Path, node: &Node, found: &mut Diagnostics) -> Option<Envelope> {
    // `.` is what it would be anyway.
    let (_, parent) = path.steps().split_last()?;
    let mut frame = Frame::default();
    frame.slot(path.steps());
    frame.slot(parent);
    frame.rows(path.steps());
    if !frame.finish() {
        found.error(&node.place, "a name in `rows` is too long");
        return None;
    }
    Some(Envelope { root: frame.root, frame: frame.slots })
}

/// What the answer to a write is.
fn returns(keys: &mut Keys<'_>, node: &Node, kind: Kind, found: &mut Diagnostics) -> Option<Returns> {
    let word = keys.take("returns");
    let at = keys.take("key_at");
    let key_at = at.and_then(|at| key_at(at, found));
    let Some(word) = word else {
        if let Some(at) = at {
            found.error(&at.place, "`key_at` goes with `returns: key`");
        }
        return Some(Returns::Record);
    };
    let read = ReturnsWord::read(word, found)?;
    match (read, kind.is_written, kind.is_keyed) {
        (_, false, _) => found.error(&word.place, "`returns` is said of `create` and `update`"),
        (ReturnsWord::Key, true, true) => {
            found.error(&word.place, "the key of a record that is changed is known; say `returns: nothing`");
        }
        (ReturnsWord::Key, true, false) if at.is_none() => {
            let mistake =
                Diagnostic::error(&node.place, "`returns: key` needs `key_at`: where the key stands");
            found
                .push(mistake.help("a path of the answer, or `{ header: Location, pattern: \"{_}/{id}\" }`"));
        }
        (ReturnsWord::Key, true, false) => return key_at.map(Returns::Key),
        (ReturnsWord::Record, true, false) if at.is_some() => return key_at.map(Returns::Keyed),
        (ReturnsWord::Record | ReturnsWord::Nothing, true, _) => {
            if let Some(at) = at {
                found.error(&at.place, "`key_at` goes with `returns: key`, or `returns: record` of `create`");
            }
            return Some(match read {
                ReturnsWord::Nothing => Returns::Nothing,
                ReturnsWord::Record | ReturnsWord::Key => Returns::Record,
            });
        }
    }
    None
}

fn key_at(node: &Node, found: &mut Diagnostics) -> Option<KeyAt> {
    if node.as_text().is_some() {
        return Some(KeyAt { place: in_body(node, found)?, pattern: None });
    }
    let mut keys = Keys::of(node, found)?;
    let at = keys.take("at");
    let header = keys.take("header").and_then(|node| header(node, found));
    let pattern = keys.take("pattern");
    keys.finish(found);
    let place = match (at, header) {
        (Some(at), None) => in_body(at, found)?,
        (None, Some(header)) => KeyPlace::Header(header),
        (Some(_), Some(_)) | (None, None) => {
            found.error(&node.place, "a key stands `at` a path of the answer, or in a `header`");
            return None;
        }
    };
    let pattern = match pattern {
        None => None,
        Some(node) => {
            let pattern = Pattern::parse(&String::read(node, found)?);
            if !pattern.has_hole() {
                found.error(&node.place, "`pattern` says with `{id}` where the key stands; `{_}` skips");
                return None;
            }
            Some(pattern)
        }
    };
    Some(KeyAt { place, pattern })
}

fn in_body(node: &Node, found: &mut Diagnostics) -> Option<KeyPlace> {
    let envelope = envelope(&place(node, found)?);
    if envelope.is_none() {
        found.error(&node.place, "a name in `key_at` is too long");
    }
    envelope.map(KeyPlace::Body)
}

/// The name of a header field.
pub(super) fn header(node: &Node, found: &mut Diagnostics) -> Option<http::HeaderName> {
    let name = String::read(node, found)?;
    let parsed = name.parse().ok();
    if parsed.is_none() {
        found.error(&node.place, format!("`{name}` is no name of a header field"));
    }
    parsed
}

impl ListCall {
    fn joins_keys(&self) -> bool {
        self.batch.as_ref().is_some_and(|batch| batch.by.is_some())
    }

    /// Whether its rows, or the records behind them, are asked for by the names of their fields in a body.
    fn names_fields(&self) -> bool {
        let body = match &self.batch {
            Some(batch) => batch.body.as_ref(),
            None => self.body.as_ref(),
        };
        let is_stated = self.statement.as_ref().is_some_and(Statement::selects);
        is_stated || self.select_body.is_some() || body.is_some_and(Body::has_fields)
    }
}

/// What no call can tell by itself: a key that travels as a number is one, and where no parameter names the wanted
/// fields, bodies do.
pub(super) fn fit_together(
    node: &Node,
    (form, by_body): (KeyForm, bool),
    calls: [&Option<Call>; 3],
    lists: &[ListCall],
    found: &mut Diagnostics,
) {
    let batches = lists.iter().filter_map(|list| list.batch.as_ref()?.body.as_ref());
    let mut bodies = calls.iter().filter_map(|call| call.as_ref()?.body.as_ref()).chain(batches);
    let is_number = |hole: &Hole| matches!(hole, Hole::KeyNumber | Hole::KeysNumber);
    if form != KeyForm::Digits && bodies.any(|body| body.has(&is_number)) {
        let mistake = Diagnostic::error(&node.place, "`{key:number}` needs a key that is one");
        found.push(mistake.help("say `key: { at: …, form: digits }`, or write `{key}`"));
    }
    let is_in_text = |hole: &Hole| matches!(hole, Hole::KeyIn(..));
    let within = |call: &&Option<Call>| {
        call.as_ref().and_then(|call| call.body.as_ref()).is_some_and(|body| body.has(&is_in_text))
    };
    if form == KeyForm::Text && calls.iter().any(within) {
        let mistake = Diagnostic::error(
            &node.place,
            "a key stands within a text only where it cannot change what the text says",
        );
        found.push(
            mistake.help("say `key: { at: …, form: digits }`, `guid` or `alnum`, or write `\"{key}\"`"),
        );
    }
    if form == KeyForm::Text && lists.iter().any(ListCall::joins_keys) {
        let text = "keys are joined in an address only where they cannot hold what stands between them";
        let mistake = Diagnostic::error(&node.place, text);
        found.push(
            mistake.help(
                "say `key: { at: …, form: digits }`, `guid` or `alnum`, or put `\"{keys}\"` into a body",
            ),
        );
    }
    if !by_body {
        return;
    }
    let [read, ..] = calls;
    let reads = read.as_ref().is_none_or(|call| call.body.as_ref().is_some_and(Body::has_fields));
    let all = lists.iter().all(ListCall::names_fields);
    if !reads || !all {
        let text = "`select` has no `query`, so the body of every list and of `read` must name the fields";
        found.push(Diagnostic::error(&node.place, text).help("write `\"{fields}\"` where the names stand"));
    }
}

/// A path or a header field.
pub(super) enum At {
    /// A path of the answer.
    Body(Path),
    /// A header field.
    Header(http::HeaderName),
}

/// `path`, or `{ header: NAME }`.
pub(super) fn at(node: &Node, found: &mut Diagnostics) -> Option<At> {
    if node.as_text().is_some() {
        return path(node, found).map(At::Body);
    }
    let mut keys = Keys::of(node, found)?;
    let header: Option<Node> = keys.required("header", found);
    keys.finish(found);
    self::header(&header?, found).map(At::Header)
}
