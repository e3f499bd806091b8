//! `also` of an entity: what other records of the system tell of its records.

use std::sync::Arc;

use super::{Defaults, batches, key, pairs, path_at};
use crate::{
    mapping::{
        also::{Also, IfMissing, NAME, Sort},
        merge::{Dropped, Way},
        model::{Call, Envelope, KeyForm, ListCall, Words},
        path::Step,
        trie::Frame,
    },
    schema::FieldSet,
    words::{
        Diagnostic, Diagnostics,
        tree::Node,
        yaml::{FromYaml, Keys},
    },
};

/// What lines read: of which sort, and whether from within a list.
type Read = [(FieldSet, Arc<str>, bool)];

/// LIMIT: sorts of other records.
const SORTS_MAX: usize = 4;

/// Reads `also`, if it is there: what lines read of it is `read`.
pub(super) fn load(
    node: &Node,
    (read, is_whole, words, lists): (&Read, bool, &Words, &[ListCall]),
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Option<Box<Also>> {
    let Some(also) = node.get("also") else {
        if let Some((_, name, _)) = read.first() {
            let text = format!("`$also.{name}` is read, and no `also` says where it is from");
            found.push(
                Diagnostic::error(&node.place, text)
                    .help("say `also: { NAME: { of: …, key: …, read: { get: …, rows: … } } }`"),
            );
        }
        return None;
    };
    let sorts = pairs(Some(also), found);
    let (place, mut frame, mut all) = (&also.place, Frame::default(), Vec::new());
    for (name, node) in sorts {
        all.extend(sort(&name.text, node, &mut frame, (read, defaults), found));
    }
    let mut refuse = |is: bool, text: &str| {
        if is {
            found.error(place, text);
        }
    };
    refuse(
        sorts.is_empty() || sorts.len() > SORTS_MAX,
        &format!("`also` names 1 to {SORTS_MAX} sorts of records"),
    );
    refuse(
        !is_whole,
        "`also` goes with records that are asked for whole: leave out `select` and `columns`, in OData say `select: never`",
    );
    let is_plain = words.xml.as_ref().is_none_or(|names| !names.is_soap() && !names.is_bound());
    refuse(!is_plain, "`also` does not go with `namespaces` or SOAP");
    refuse(lists.iter().any(|list| list.batch.is_some()), "`also` does not go with lists of keys");
    refuse(
        read.iter().any(|(_, _, is_inside)| *is_inside),
        "what `also` names stands in the record: no line within a list reads it",
    );
    for (_, name, _) in read {
        refuse(
            sorts.iter().all(|(known, _)| known.text != **name),
            &format!("`$also.{name}` is read, and `also` does not name it"),
        );
    }
    frame.finish().then_some(())?;
    Some(Box::new(Also { sorts: all, of: Envelope { root: frame.root, frame: frame.slots } }))
}

/// A change that sends a record back whole leaves out what others tell of it.
pub(super) fn apart(update: Option<Call>) -> Option<Call> {
    let mut update = update?;
    if let Some(merge) = &mut update.merge {
        merge.drop.push(Dropped(vec![Way::Step(Step::Key(NAME.into()))]));
    }
    Some(update)
}

fn sort(
    name: &str,
    node: &Node,
    frame: &mut Frame,
    (read, defaults): (&Read, &Defaults),
    found: &mut Diagnostics,
) -> Option<Sort> {
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !is_name {
        found.error(&node.place, format!("`{name}` is no name here: small letters, digits and `_`"));
    }
    let mut keys = Keys::of(node, found)?;
    let of = path_at(&mut keys, "of", found);
    let key_at = keys.take("key").and_then(|node| batches::tree_of(node, found));
    let form = keys.take("form").map_or(Some(KeyForm::Digits), |node| key::form(node, found));
    let read_by = keys.take("read");
    let missing =
        keys.take("missing").and_then(|node| IfMissing::read(node, found)).unwrap_or(IfMissing::Told);
    keys.finish(found);
    let (Some(of), Some(key_at), Some(read_by)) = (of, key_at, read_by) else {
        found.push(
            Diagnostic::error(&node.place, "what others tell of a record needs `of`, `key` and `read`").help(
                "`of` is what the record says, `key` where a row says the same, `read` how rows are asked for by it",
            ),
        );
        return None;
    };
    let form = form?;
    let call = batches::call(read_by, key_at, defaults, found)?;
    if form == KeyForm::Text && call.by.is_some() {
        let text = "a text can hold what stands around it in an address";
        found.push(Diagnostic::error(&node.place, text).help("say `form: digits` or `form: guid`"));
    }
    if !call.before.starts_with('/') {
        found.error(&read_by.place, "an address under `base` begins with `/`");
    }
    let leaves = read.iter().filter(|(_, sort, _)| **sort == *name);
    let leaves = leaves.fold(FieldSet::EMPTY, |all, (leaves, ..)| all.union(leaves));
    if leaves.is_empty() {
        let text = format!("no line reads `$also.{name}`");
        found.push(Diagnostic::warning(&node.place, text).help("take it out, or write a line"));
    }
    Some(Sort { name: name.into(), slot: frame.slot(of.steps()), form, call: *call, leaves, missing })
}
