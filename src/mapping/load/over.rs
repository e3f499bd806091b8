//! `over:` — what the lists of an entity run over, as written.

use compact_str::CompactString;

use super::{Defaults, bodies, key, lists};
use crate::{
    mapping::{
        body::{Body, Hole},
        key::Key,
        model::{Call, KeyForm, Line, ListCall, Native, Next, ObjectPart, Source as From, Speaks},
        over::{Asked, OVER, Over, Source},
        path::{Path, Step},
        trie::Frame,
    },
    schema::{Entity, FieldSet},
    words::{
        Diagnostic, Diagnostics,
        tree::{self, Node},
        yaml::{FromYaml, Keys, expected},
    },
};

/// Parents that a list may run over where the file says nothing else, and at most.
const PARENTS: usize = 100;
const PARENTS_MAX: usize = 1000;

/// Reads `over`, if it is there, once all lines are read that read of the parent; the outer none is a mistake.
pub(super) fn load(
    keys: &mut Keys<'_>,
    record: &Frame,
    (entity, root): (&Entity, &ObjectPart),
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Option<Option<Over>> {
    let Some(node) = keys.take("over") else { return Some(None) };
    over(node, record, (entity, root), defaults, found).map(Some)
}

fn over(
    node: &Node,
    record: &Frame,
    (entity, root): (&Entity, &ObjectPart),
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Option<Over> {
    let mut keys = Keys::of(node, found)?;
    let most = keys.take("most").map_or(Some(PARENTS), |node| usize::read(node, found));
    let new = keys.take("new").and_then(|node| constant(node, defaults, found));
    let (of, list, key) = (keys.take("of"), keys.take("list"), keys.take("key"));
    keys.finish(found);
    let most = most.filter(|most| (1..=PARENTS_MAX).contains(most));
    if most.is_none() {
        found.error(&node.place, format!("`most` is between 1 and {PARENTS_MAX}"));
    }
    let (form, from) = match (of, list) {
        (Some(of), None) => {
            let form = key.map_or(Some(KeyForm::Text), |node| key::form(node.get("form")?, found));
            (form?, Source::Fixed(fixed(of, (form?, most?), defaults, found)?))
        }
        (None, Some(list)) => {
            let Some(key) = key else {
                found.error(&node.place, "key `key` is missing: where a row of `list` says its key");
                return None;
            };
            let (at, form) = key::one(key, found)?;
            (form, Source::Asked(Box::new(asked(list, &at, record, defaults, found)?)))
        }
        (Some(_), Some(_)) | (None, None) => {
            let mistake = Diagnostic::error(&node.place, "what lists run over is said by `list` or by `of`");
            found.push(mistake.help("`list` asks the system for them, `of` is a list of their keys"));
            return None;
        }
    };
    if new.as_ref().is_some_and(|new| !form.fits(new)) {
        found.error(&node.place, "`new` is no key of that form");
    }
    let slots = record.outside.iter();
    let slots = slots.filter(|(steps, _)| *steps == [Step::Over]).map(|(_, slot)| *slot).collect();
    Some(Over { from, form, most: most?, new, keys: slots, leaves: leaves(entity, root) })
}

/// The keys that a file says.
fn fixed(
    node: &Node,
    (form, most): (KeyForm, usize),
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Option<Vec<CompactString>> {
    let items = node.as_list().unwrap_or_default();
    if !(1..=most).contains(&items.len()) {
        expected(node, &format!("a list of 1 to {most} keys"), found);
        return None;
    }
    let keys: Vec<_> = items.iter().filter_map(|item| constant(item, defaults, found)).collect();
    if let Some(other) = keys.iter().find(|key| !form.fits(key) || matches!(key.as_str(), "" | "." | "..")) {
        found.error(&node.place, format!("`{other}` is no key of that form"));
    }
    Some(keys)
}

fn constant(node: &Node, defaults: &Defaults, found: &mut Diagnostics) -> Option<CompactString> {
    match &node.value {
        tree::Value::Scalar(scalar) => {
            bodies::constant(scalar, node, defaults, found)?.raw().text().map(Into::into)
        }
        tree::Value::Null | tree::Value::List(_) | tree::Value::Map(_) => {
            expected(node, "a single value", found);
            None
        }
    }
}

/// A list of parents: how it is asked for, and what is read of a row.
fn asked(
    node: &Node,
    key: &Path,
    record: &Frame,
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Option<Asked> {
    if defaults.speaks == Speaks::Xml {
        let mistake = Diagnostic::error(&node.place, "what lists run over is asked for in JSON only");
        found.push(mistake.help("name the keys with `of`"));
        return None;
    }
    let call = lists::variant(node, "", (None, defaults), found)?;
    let is_plain = call.batch.is_none() && !matches!(call.page.next, Next::Keyset) && !call.at.is_empty();
    let is_filled = |hole: &Hole| matches!(hole, Hole::Bound(_) | Hole::Over | Hole::OverNumber | Hole::Sort);
    if !is_plain || call.body.as_ref().is_some_and(|body| body.has(&is_filled)) {
        let text = "what lists run over has an `at` of its own, and rows that are told whole, in no order";
        found.push(
            Diagnostic::error(&node.place, text).help("as in `list: { at: /lists, rows: lists, page: … }`"),
        );
        return None;
    }
    let mut frame = Frame::default();
    // INVARIANT: the key has slot 1.
    frame.slot(key.steps());
    let told = record.outside.iter().filter_map(|(steps, to)| match steps.as_slice() {
        [Step::Over, rest @ ..] if !rest.is_empty() => Some((frame.slot(rest), *to)),
        _ => None,
    });
    let told = told.collect();
    if !frame.finish() {
        found.error(&node.place, "more names are read of one row than there is room for");
        return None;
    }
    Some(Asked { call, row: frame.root, frame: frame.slots, told })
}

/// Leaves that are read of the parent and of nothing else.
fn leaves(entity: &Entity, root: &ObjectPart) -> FieldSet {
    let (mut of_parent, mut of_others) = (FieldSet::EMPTY, FieldSet::EMPTY);
    each(root, &mut |line| match &line.source {
        From::Native(native) if reads_over(native) => of_parent.insert(line.leaf),
        _ => of_others.insert(line.leaf),
    });
    let is_plain = |leaf: &crate::schema::LeafId| entity.leaf(*leaf).is_some_and(|leaf| !leaf.in_list);
    of_parent.minus(&of_others).iter().filter(is_plain).collect()
}

fn each<'p>(root: &'p ObjectPart, see: &mut dyn FnMut(&'p Line)) {
    root.lines(false, &mut |line, _| see(line));
}

fn reads_over(native: &Native) -> bool {
    let at = native.read_at.as_ref().unwrap_or(&native.write_at);
    at.steps().first() == Some(&Step::Over)
}

/// Whether a create says what parent a new record goes to: then a line of its key is sent.
pub(super) fn is_sent(entity: &Node) -> bool {
    entity.get("create").is_some_and(holds)
}

/// Whether some text of a file's part names the parent. Recursion is bounded by the depth of the file.
fn holds(node: &Node) -> bool {
    match &node.value {
        tree::Value::Null => false,
        tree::Value::Scalar(scalar) => scalar.text.contains(OVER) || scalar.text == "{over:number}",
        tree::Value::List(items) => items.iter().any(holds),
        tree::Value::Map(pairs) => pairs.iter().any(|(_, node)| holds(node)),
    }
}

impl Call {
    /// Whether it names the parent.
    fn names_over(&self, at: &str) -> bool {
        let before = self.address(at);
        let mut texts =
            [&*before, &*self.after].into_iter().chain(self.key_parts.iter().map(|(_, s)| s.as_str()));
        texts.any(|text| text.contains(OVER)) || self.body.as_ref().is_some_and(Body::has_over)
    }
}

impl ListCall {
    fn names_over(&self) -> bool {
        let is_asked = self.query.iter().any(|(_, value)| value.contains(OVER));
        is_asked || self.at.contains(OVER) || self.body.as_ref().is_some_and(Body::has_over)
    }

    fn over_as_number(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.has(&|hole| *hole == Hole::OverNumber))
    }
}

/// What no part of an entity can tell by itself: that each of its requests says which parent it is about. The key, with
/// the form of the parent's.
pub(super) fn fit_together(
    node: &Node,
    (over, key, root): (Option<&Over>, Key, &ObjectPart),
    (at, all, lists): (&str, [&Option<Call>; 4], &[ListCall]),
    record: &Frame,
    found: &mut Diagnostics,
) -> Key {
    fit(node, (over, &key, root), (at, all, lists), record, found);
    over.into_iter().fold(key, |key, over| key.with_form(over.form))
}

fn fit(
    node: &Node,
    (over, key, root): (Option<&Over>, &Key, &ObjectPart),
    (at, all, lists): (&str, [&Option<Call>; 4], &[ListCall]),
    record: &Frame,
    found: &mut Diagnostics,
) {
    let mut mistake = |text: &str, help: &str| found.push(Diagnostic::error(&node.place, text).help(help));
    let [read, create, update, delete] = all;
    let reads = record.outside.iter().any(|(steps, _)| steps.first() == Some(&Step::Over));
    let keyed = [("read", read), ("update", update), ("delete", delete)];
    let Some(over) = over else {
        let calls = all.into_iter().flatten().any(|call| call.names_over(at));
        if reads || calls || lists.iter().any(ListCall::names_over) {
            mistake(
                "nothing says what `over` is",
                "say `over: { key: …, list: { … } }`, or `over: { of: [ … ] }`",
            );
        }
        return;
    };
    if lists.is_empty() || !lists.iter().all(|list| list.names_over() || at.contains(OVER)) {
        let text = "a list does not say which parent it is about, so it would be the same for all";
        mistake(text, "write `{over}` into its address or its `query`, or `\"{over}\"` into its body");
    }
    if lists.iter().any(|list| list.batch.is_some()) {
        mistake("records of parents are not read by several keys at once", "list the records themselves");
    }
    let numbers =
        |call: &Call| call.body.as_ref().is_some_and(|body| body.has(&|hole| *hole == Hole::OverNumber));
    if over.form != KeyForm::Digits
        && (lists.iter().any(ListCall::over_as_number) || all.into_iter().flatten().any(numbers))
    {
        mistake("`{over:number}` needs a key that is one", "say `key: { at: …, form: digits }` under `over`");
    }
    for (name, call) in keyed {
        let Some(call) = call else { continue };
        if call.names_over(at) != key.has_over() {
            let text =
                format!("`{name}` and the key do not agree on whether a record is named with its parent");
            mistake(
                &text,
                "say `key: [$over, …]` and write `{over}` into each request on one record, or neither",
            );
        }
        if !key.has_over() && reads {
            let text = format!("a record of `{name}` does not say its parent, and lines read it");
            mistake(&text, "say `key: [$over, …]`");
        }
    }
    let is_told = over.new.is_some() || sends(root);
    if let Some(create) = create {
        match (create.names_over(at), is_told) {
            (false, _) if key.has_over() => mistake(
                "nothing says what parent a new record goes to",
                "write `{over}` into the address of `create`, or `\"{over}\"` into its body",
            ),
            (true, false) => mistake(
                "no line says what parent a new record goes to",
                "write a line of the parent's key, as `code: $over`, or say `new: KEY` under `over`",
            ),
            (_, _) => {}
        }
    }
}

/// Whether a line of the parent's key is sent with a new record.
fn sends(root: &ObjectPart) -> bool {
    let mut is_sent = false;
    each(root, &mut |line| {
        let is_key = |native: &Native| native.create && native.write_at.steps() == [Step::Over];
        is_sent |= matches!(&line.source, From::Native(native) if is_key(native));
    });
    is_sent
}
