//! `key` and `version`: what names a record, and what tells whether it changed.

use super::{Defaults, calls, path};
use crate::{
    mapping::{
        body::Body,
        key::{Key, KeyPart},
        model::{Call, KeyForm, ListCall, Narrow, Returns, Speaks, Version},
        path::{Path, Step},
        trie::Frame,
    },
    words::{
        Diagnostic, Diagnostics,
        tree::{Node, Value},
        yaml::{FromYaml, Keys, expected},
        yaml_words,
    },
};

/// Most parts of a key.
const PARTS_MAX: usize = 16;
/// Most values that a key is a digest of.
const DIGESTED_MAX: usize = 32;

yaml_words! {
    /// What a key may look like.
    enum KeyWord {
        /// Any text.
        Text = "text",
        /// Decimal digits.
        Digits = "digits",
        /// A GUID.
        Guid = "guid",
        /// Letters and digits.
        Alnum = "alnum",
    }
}

/// The form of a key, or of a reference to one.
pub(super) fn form(node: &Node, found: &mut Diagnostics) -> Option<KeyForm> {
    Some(match KeyWord::read(node, found)? {
        KeyWord::Text => KeyForm::Text,
        KeyWord::Digits => KeyForm::Digits,
        KeyWord::Guid => KeyForm::Guid,
        KeyWord::Alnum => KeyForm::Alnum,
    })
}

/// What is said of a part of a key.
struct Said {
    at: Path,
    form: KeyForm,
    asked_by: AskedBy,
}

/// What a filter calls a part of a key, and what it looks like there.
enum AskedBy {
    /// Nothing is said: in OData by its own name, elsewhere by none.
    Usual,
    /// By none.
    Nothing,
    Place(Path, KeyForm),
}

impl Said {
    fn of(at: Path) -> Self {
        Self { at, form: KeyForm::Text, asked_by: AskedBy::Usual }
    }
}

/// `key: path`, `key: { at, form, filter_at }`, `key: $key`, or a list of such parts; what `where` fixes of a list is
/// fixed.
pub(super) fn key(
    node: Option<&Node>,
    narrow: &[Narrow],
    frame: &mut Frame,
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Option<Key> {
    let odata = matches!(defaults.speaks, Speaks::Odata4 | Speaks::Odata2);
    let mut part = |Said { at, form, asked_by }: Said, fixed| {
        let asked_by = match asked_by {
            AskedBy::Usual if odata && !at.is_rooted() => Some((at.clone(), form)),
            AskedBy::Usual | AskedBy::Nothing => None,
            AskedBy::Place(at, form) => Some((at, form)),
        };
        KeyPart { slot: frame.slot(at.steps()), at, form, fixed, asked_by }
    };
    let Some(node) = node else {
        return Key::of(vec![part(Said::of(Path::parse("id").ok()?), None)]);
    };
    if node.get("of").is_some() {
        let parts = of(node, found)?;
        return Key::digest(parts.into_iter().map(|at| part(Said::of(at), None)).collect());
    }
    let Value::List(items) = &node.value else {
        return Key::of(vec![part(said(node, found)?, None)]);
    };
    let read: Vec<_> = items.iter().map(|item| said(item, found)).collect();
    let read: Vec<_> = read.into_iter().collect::<Option<_>>()?;
    let mut mistake = |text: String, help: &str| found.push(Diagnostic::error(&node.place, text).help(help));
    if !(2..=PARTS_MAX).contains(&read.len()) {
        mistake(
            format!("a list of a key's parts has 2 to {PARTS_MAX}"),
            "write one path for a key of one part",
        );
        return None;
    }
    if read.iter().skip(1).any(|said| said.at.steps() == [Step::Over]) {
        mistake("`$over` is the first part of a key".to_owned(), "as in `key: [$over, id]`");
        return None;
    }
    for (n, Said { at, form, .. }) in read.iter().enumerate() {
        if read.iter().take(n).any(|other| other.at == *at) {
            mistake(format!("`{at}` is a part of the key twice"), "name each part once");
        }
        if odata && !at.steps().iter().all(|step| matches!(step, Step::Key(_) | Step::Over)) {
            mistake(
                format!("`{at}` is no name of a property"),
                "name the properties that OData's keys are of",
            );
        }
        let fixed = narrow.iter().find(|narrow| narrow.at == *at);
        if fixed.is_some_and(|fixed| !form.fits(&fixed.value)) {
            mistake(format!("what `where` says of `{at}` is no part of that form"), "leave out `form`");
        }
    }
    let parts = read.into_iter().map(|said| {
        let only = narrow.iter().find(|narrow| narrow.at == said.at && narrow.also.is_empty());
        let fixed = only.map(|narrow| narrow.value.clone());
        part(said, fixed)
    });
    let key = Key::of(parts.collect());
    if key.is_none() {
        mistake(
            "every part of the key is fixed by `where`".to_owned(),
            "one of them has to tell records apart; take that one out of `where`",
        );
    }
    key
}

/// The values that a key is a digest of.
fn of(node: &Node, found: &mut Diagnostics) -> Option<Vec<Path>> {
    let mut keys = Keys::of(node, found)?;
    let of: Node = keys.required("of", found)?;
    keys.finish(found);
    let items = of.as_list().unwrap_or_default();
    if !(1..=DIGESTED_MAX).contains(&items.len()) {
        expected(&of, &format!("a list of 1 to {DIGESTED_MAX} native paths"), found);
        return None;
    }
    Some(items.iter().filter_map(|item| native(item, found)).collect())
}

pub(super) fn one(node: &Node, found: &mut Diagnostics) -> Option<(Path, KeyForm)> {
    if node.as_text().is_some() {
        return Some((native(node, found)?, KeyForm::Text));
    }
    let mut keys = Keys::of(node, found)?;
    let one = placed(&mut keys, found);
    keys.finish(found);
    let (at, form) = one?;
    Some((native(&at, found)?, form))
}

/// The keys `at` and `form`.
fn placed(keys: &mut Keys<'_>, found: &mut Diagnostics) -> Option<(Node, KeyForm)> {
    let at: Option<Node> = keys.required("at", found);
    let form = keys.take("form").map_or(Some(KeyForm::Text), |node| form(node, found));
    Some((at?, form?))
}

/// A part of a record's own key.
fn said(node: &Node, found: &mut Diagnostics) -> Option<Said> {
    if node.as_text().is_some() {
        return native(node, found).map(Said::of);
    }
    let mut keys = Keys::of(node, found)?;
    let (one, filter_at) = (placed(&mut keys, found), keys.take("filter_at"));
    keys.finish(found);
    let (at, form) = one?;
    let asked_by = filter_at.map_or(Some(AskedBy::Usual), |node| AskedBy::read(node, form, found));
    Some(Said { at: native(&at, found)?, form, asked_by: asked_by? })
}

impl AskedBy {
    /// Reads `filter_at`: a native path, `{ at, form }` where it has another form there, or `never`.
    fn read(node: &Node, form: KeyForm, found: &mut Diagnostics) -> Option<Self> {
        if node.as_text() == Some("never") {
            return Some(Self::Nothing);
        }
        if node.as_text().is_some() {
            return path(node, found).map(|at| Self::Place(at, form));
        }
        let mut keys = Keys::of(node, found)?;
        let one = placed(&mut keys, found);
        keys.finish(found);
        let (at, form) = one?;
        path(&at, found).map(|at| Self::Place(at, form))
    }
}

/// Where a key stands: a path; `$key`, of a record that does not say its own; or `$over`, the parent.
fn native(node: &Node, found: &mut Diagnostics) -> Option<Path> {
    match node.as_text() {
        Some(text @ ("$key" | "$over")) => Path::source(text).ok(),
        Some(_) | None => path(node, found),
    }
}

/// `version: { at, send }`; without `send`, bodies have `"{version}"`.
pub(super) fn version(keys: &mut Keys<'_>, frame: &mut Frame, found: &mut Diagnostics) -> Option<Version> {
    let mut keys = Keys::of(keys.take("version")?, found)?;
    let at: Option<Node> = keys.required("at", found);
    let send = keys.take("send");
    let header = send.map(|node| calls::header(node, found));
    keys.finish(found);
    let at = path(&at?, found)?;
    let header = match header {
        Some(header) => Some(header?),
        None => None,
    };
    Some(Version { slot: frame.slot(at.steps()), at, header })
}

/// Whether an address puts a text into quotes of its own. OData's are the gate's.
fn is_quoted(key: &Key, call: &Call, speaks: Speaks) -> bool {
    let quotes = |before: &str| before.ends_with(['\'', '"']) || before.ends_with("%27");
    let is_text = |n: usize| key.parts().get(n).is_some_and(|part| part.form == KeyForm::Text);
    let befores = std::iter::once(&call.before).chain(call.key_parts.iter().map(|(_, after)| after));
    let mut parts = befores.zip(call.key_parts.iter().map(|(n, _)| *n));
    match speaks {
        Speaks::Odata4 | Speaks::Odata2 => false,
        Speaks::Json | Speaks::Xml if call.is_keyed => quotes(&call.before) && is_text(0),
        Speaks::Json | Speaks::Xml => parts.any(|(before, n)| quotes(before) && is_text(n)),
    }
}

/// `by` of `update`: what an address calls a record by, where that is not its key.
pub(super) fn by(
    entity: &Node,
    key: Option<&Key>,
    frame: &mut Frame,
    found: &mut Diagnostics,
) -> Option<Key> {
    let node = entity.get("update")?.get("by")?;
    if key.is_some_and(Key::has_over) {
        found.error(&node.place, "a record under a parent is changed by its key");
        return None;
    }
    let (at, form) = one(node, found)?;
    if matches!(at.steps(), [Step::Over | Step::Asked]) {
        found.error(&node.place, "`by` is a place in the record, where the system tells it of each");
        return None;
    }
    Key::of(vec![KeyPart { slot: frame.slot(at.steps()), at, form, fixed: None, asked_by: None }])
}

/// What no call can tell by itself: what it must name of a key of several parts, and that a version goes back.
pub(super) fn fit_together(
    node: &Node,
    (key, version): (&Key, Option<&Version>),
    [read, create, update, delete]: [&Option<Call>; 4],
    lists: &[ListCall],
    speaks: Speaks,
    found: &mut Diagnostics,
) {
    let mut mistake = |text: String, help: &str| found.push(Diagnostic::error(&node.place, text).help(help));
    for (name, call) in [("read", read), ("update", update), ("delete", delete)] {
        let Some((call, key)) = call.as_ref().map(|call| (call, call.by.as_ref().unwrap_or(key))) else {
            continue;
        };
        let by_body = call.body.as_ref().is_some_and(Body::has_key);
        let names: Vec<_> = key.own().map(|(_, part)| format!("{{key.{}}}", part.name(speaks))).collect();
        let whole_by_name = matches!(speaks, Speaks::Odata4 | Speaks::Odata2);
        if key.is_parted() && (by_body || (call.is_keyed && !whole_by_name)) {
            mistake(
                format!("`{name}` names a key of several parts as a whole"),
                &format!("name each part in the address: `{}`", names.join("/")),
            );
        }
        let left_out = |(n, part): (usize, &KeyPart)| {
            part.fixed.is_none() && !part.is_over() && !call.key_parts.iter().any(|(named, _)| *named == n)
        };
        if is_quoted(key, call, speaks) {
            mistake(
                format!("the address of `{name}` puts a text into quotes, and one may hold a quote itself"),
                "say `form: digits` or `form: guid` where the system has one",
            );
        }
        if !call.key_parts.is_empty() && key.parts().iter().enumerate().any(left_out) {
            mistake(
                format!("the address of `{name}` leaves out a part of the key"),
                &format!("two records would have one address; name each of `{}`", names.join("`, `")),
            );
        }
    }
    if key.is_parted() && lists.iter().any(|list| list.batch.is_some()) {
        mistake(
            "records are not read by several keys of several parts".to_owned(),
            "list the records themselves",
        );
    }
    let tells_key =
        create.as_ref().is_some_and(|call| matches!(call.returns, Returns::Key(_) | Returns::Keyed(_)));
    if tells_key && (key.is_parted() || key.is_digest()) {
        mistake(
            "`key_at` tells one value, and this key has several".to_owned(),
            "say `returns: record` or `returns: nothing`, without `key_at`",
        );
    }
    if key.parts().iter().any(|part| part.at.steps() == [Step::Asked]) {
        asked(key, [create, update], &mut mistake);
    }
    versions(version, [("update", update), ("delete", delete)], &mut mistake);
}

/// What holds a version, where records have one.
fn versions(
    version: Option<&Version>,
    calls: [(&str, &Option<Call>); 2],
    mistake: &mut dyn FnMut(String, &str),
) {
    for (name, call) in calls {
        let Some(call) = call else { continue };
        let holds = call.holds_version();
        match version {
            Some(Version { header: None, .. }) if !holds => mistake(
                format!(
                    "`version` says no header that carries it back, and the body of `{name}` does not hold it"
                ),
                "say `send: If-Match`, or write `\"{version}\"` where the version stands in the body",
            ),
            None if holds => mistake(
                format!("the body of `{name}` holds `{{version}}`, and nothing says where a record has one"),
                "say `version: { at: … }`",
            ),
            Some(_) | None => {}
        }
    }
}

/// `key: $key`: what a record is asked for by, where it does not say that itself.
fn asked(key: &Key, [create, update]: [&Option<Call>; 2], mistake: &mut dyn FnMut(String, &str)) {
    if key.is_parted() {
        mistake("`$key` is the whole key, not a part of one".to_owned(), "say `key: $key`");
    }
    if create.as_ref().is_some_and(|call| matches!(call.returns, Returns::Record)) {
        mistake(
            "a new record does not say its key, and nothing else does".to_owned(),
            "say where in the answer it stands, as in `key_at: { header: Location, pattern: \"{_}/{id}\" }`",
        );
    }
    if update.is_some() {
        mistake(
            "a record that does not say its own key is not changed".to_owned(),
            "leave out `update`; name the path of the key if records have one",
        );
    }
}
