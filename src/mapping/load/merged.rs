//! `send:` and `drop:` of `update` — whether a change is sent alone, or the stored record whole with it.

use crate::{
    mapping::{
        behind::Head,
        merge::{Dropped, Merge, Way},
        model::{Call, Line, Native, ObjectPart, Part, Source, Speaks},
        path::{Path, Step},
    },
    words::{
        Diagnostic, Diagnostics,
        tree::Node,
        yaml::{FromYaml, Keys, expected},
        yaml_words,
    },
};

/// LIMIT: native fields that are left out of one record.
const DROPPED_MAX: usize = 256;

yaml_words! {
    /// What a change sends.
    enum SendWord {
        /// What changes, and nothing else.
        Changed = "changed",
        /// The record as it was read, with what changes put over it.
        Merged = "merged",
    }
}

/// `send` and `drop` of a call.
pub(super) fn load(keys: &mut Keys<'_>, is_update: bool, found: &mut Diagnostics) -> Option<Merge> {
    let send = keys.take("send");
    let drop = keys.take("drop");
    let word = send.and_then(|send| SendWord::read(send, found)).unwrap_or(SendWord::Changed);
    match (word, send) {
        (SendWord::Merged, Some(send)) if !is_update => {
            found.error(&send.place, "`send: merged` is said of `update`: elsewhere nothing is stored yet");
            None
        }
        (SendWord::Merged, _) => Some(Merge { drop: dropped(drop, found) }),
        (SendWord::Changed, _) => {
            if let Some(drop) = drop {
                found.push(
                    Diagnostic::error(&drop.place, "`drop` goes with `send: merged`")
                        .help("where only what changes is sent, nothing has to be left out"),
                );
            }
            None
        }
    }
}

fn dropped(node: Option<&Node>, found: &mut Diagnostics) -> Vec<Dropped> {
    let Some(node) = node else { return Vec::new() };
    let Some(items) = node.as_list() else {
        expected(node, "a list of native paths", found);
        return Vec::new();
    };
    if items.len() > DROPPED_MAX {
        found.error(&node.place, format!("`drop` has more than {DROPPED_MAX} paths"));
    }
    items.iter().take(DROPPED_MAX).filter_map(|item| one(item, found)).map(Dropped).collect()
}

/// A path, in which `[]` stands for every element of a list.
fn one(node: &Node, found: &mut Diagnostics) -> Option<Vec<Way>> {
    let Some(text) = node.as_text() else {
        expected(node, "a native path", found);
        return None;
    };
    let mut ways = Vec::new();
    for (at, piece) in text.split("[]").enumerate() {
        if at > 0 {
            ways.push(Way::Any);
        }
        let piece = if at > 0 { piece.strip_prefix('.').unwrap_or(piece) } else { piece };
        match Path::parse(piece) {
            Ok(path) => ways.extend(path.steps().iter().cloned().map(Way::Step)),
            Err(_) if piece.is_empty() => {}
            Err(why) => {
                found.error(&node.place, why);
                return None;
            }
        }
    }
    match ways.last() {
        Some(Way::Step(Step::Key(name))) if &**name != "#" => Some(ways),
        Some(_) | None => {
            let mistake = Diagnostic::error(&node.place, format!("`{text}` names no field to be left out"));
            found.push(
                mistake.help("name a field, as in `stock`, or one of every element, as in `lines[].stock`"),
            );
            None
        }
    }
}

/// Tells of what contradicts a whole record: one that is not read whole, parts of it that are sent otherwise, and a place
/// that is both written and left out.
pub(super) fn check(
    node: &Node,
    (update, read): (&Option<Call>, &Option<Call>),
    (root, is_selected, speaks): (&ObjectPart, bool, Speaks),
    found: &mut Diagnostics,
) {
    if speaks != Speaks::Xml && update.as_ref().is_some_and(|call| call.merge.is_none()) {
        elements_alone(node, root, found);
    }
    let call = update.as_ref().filter(|call| call.merge.is_some());
    let (Some(call), Some(update)) = (call, node.get("update")) else { return };
    let send = update.get("send").unwrap_or(update);
    let mut mistake = |text: &str, help: &str| {
        found.push(Diagnostic::error(&send.place, text.to_owned()).help(help.to_owned()))
    };
    if read.is_none() {
        mistake("`send: merged` needs `read`", "a record is read before it is sent back whole");
    }
    if is_selected {
        mistake(
            "`send: merged` sends back all that was read, and `select` asks for some of it",
            "say `select: never`",
        );
    }
    if root.parts.iter().any(|named| is_sent_otherwise(&named.part)) {
        mistake(
            "`send: merged` sends lists as they were read, and one here is written by `parts` or `commands`",
            "leave out the one or the other, or say `write: create` of the list",
        );
    }
    if speaks == Speaks::Xml && call.body.is_some() {
        mistake("in XML `send: merged` goes without `body`", "`wrap` says what stands around the record");
    }
    check_drops(update, root, found);
}

/// Warns of lines that write one element of a native list: a change sends a list of that element alone, and a system that
/// replaces lists then loses the others. Who says `send: changed` has thought of it.
fn elements_alone(node: &Node, root: &ObjectPart, found: &mut Diagnostics) {
    let Some(update) = node.get("update").filter(|update| update.get("send").is_none()) else { return };
    let mut written = Vec::new();
    of_object(root, &mut written);
    let is_one =
        |path: &&&Path| path.steps().iter().any(|step| matches!(step, Step::Index(_) | Step::Find(..)));
    if let Some(path) = written.iter().find(is_one) {
        let text = format!("a change of `{path}` sends a list of that one element");
        let help = "a system that replaces lists loses the others: say `send: merged`; or `send: changed` where it keeps them";
        found.push(Diagnostic::warning(&update.place, text).help(help));
    }
}

/// Whether elements of it are written by a change.
fn is_sent_otherwise(part: &Part) -> bool {
    match part {
        Part::Each(each) => each.update || each.parts.as_ref().is_some_and(|parts| parts.update.is_some()),
        Part::Object(object) => object.parts.iter().any(|named| is_sent_otherwise(&named.part)),
        Part::Slots(slots) => slots.iter().any(is_sent_otherwise),
        Part::When(when) => is_sent_otherwise(&when.part),
        Part::Leaf(_) | Part::Split(_) => false,
    }
}

/// Tells of places that a change writes and `drop` leaves out.
fn check_drops(update: &Node, root: &ObjectPart, found: &mut Diagnostics) {
    let mut written = Vec::new();
    of_object(root, &mut written);
    for item in update.get("drop").and_then(Node::as_list).unwrap_or_default() {
        // What is wrong with the path itself was told when it was read.
        let Some(ways) = one(item, &mut Diagnostics::default()) else { continue };
        let dropped = Dropped(ways);
        if let Some(path) = written.iter().find(|path| dropped.meets(path)) {
            let text = item.as_text().unwrap_or_default();
            found.push(
                Diagnostic::error(&item.place, format!("`{text}` is left out, and a line writes `{path}`"))
                    .help("take it out of `drop`, or say `write: never` or `write: create` of the line"),
            );
        }
    }
}

/// The places that a change of an object is written to, outside of native lists.
fn of_object<'p>(object: &'p ObjectPart, into: &mut Vec<&'p Path>) {
    object.texts.iter().for_each(|text| of_native(&text.native, into));
    object.parts.iter().for_each(|named| of_part(&named.part, into));
}

fn of_part<'p>(part: &'p Part, into: &mut Vec<&'p Path>) {
    match part {
        Part::Leaf(line) => of_line(line, into),
        Part::Split(split) => of_line(&split.line, into),
        Part::Object(object) => of_object(object, into),
        Part::Slots(slots) => slots.iter().for_each(|slot| of_part(slot, into)),
        Part::When(when) => {
            let before = into.len();
            of_part(&when.part, into);
            // Switches go along with what is written under them.
            if into.len() > before {
                into.extend(when.switches.iter().map(|switch| &switch.at));
            }
        }
        Part::Each(_) => {}
    }
}

fn of_line<'p>(line: &'p Line, into: &mut Vec<&'p Path>) {
    match &line.source {
        Source::Native(native) => of_native(native, into),
        Source::Join(join) => {
            if let Some(first) = join.back.as_deref().filter(|first| first.update) {
                of_native(first, into);
                into.extend(join.parts.iter().map(|(_, path)| path));
            }
        }
        Source::Behind(behind) => {
            of_native(&behind.rest, into);
            if let Head::At(head) = &behind.head {
                into.push(&head.at);
            }
        }
        Source::Tuple(tuple) if tuple.update => {
            into.extend(tuple.parts.iter().filter(|part| part.is_written).map(|part| &part.at));
        }
        Source::Constant(_) | Source::First(_) | Source::Calc(_) | Source::Hole(_) | Source::Tuple(_) => {}
    }
}

fn of_native<'p>(native: &'p Native, into: &mut Vec<&'p Path>) {
    if native.update {
        into.push(native.place(false));
    }
}
