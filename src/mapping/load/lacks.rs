//! `lacks:` — why a system cannot do something with an entity, or does not take a field, in words for whoever asks.
//!
//! A reason stands only beside what the mapping does not offer, or does not always write, and is short text without control characters: it
//! goes to callers as it stands in the file.

use super::pairs;
use crate::{
    catalog::Action,
    mapping::{
        actions::LedField,
        model::{Call, Join, ListCall, Mapping, ObjectPart, Source},
        outward::writable,
    },
    schema::{Entity, LeafId},
    words::{
        Diagnostic, Diagnostics, nearest,
        tree::Node,
        yaml::{FromYaml, Keys},
    },
};

/// Longest reason, in characters.
const REASON_CHARS_MAX: usize = 160;

/// What of an entity a system has no way for, and the fields that it does not take, each with its reason.
#[derive(Debug, Default)]
pub(in crate::mapping) struct Lacks(Vec<(Lacked, Box<str>)>);

/// What a reason is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lacked {
    Action(Action),
    Field(LeafId),
}

impl Mapping {
    /// Why the system cannot do it, where its file says so.
    pub fn lack(&self, action: Action) -> Option<&str> {
        self.reason(Lacked::Action(action))
    }

    /// Why the system does not take a field, where its file says so.
    pub fn lack_of(&self, leaf: LeafId) -> Option<&str> {
        self.reason(Lacked::Field(leaf))
    }

    fn reason(&self, of: Lacked) -> Option<&str> {
        self.lacks.0.iter().find(|(lacked, _)| *lacked == of).map(|(_, reason)| &**reason)
    }
}

/// Reads `lacks`, beside what the entity has.
pub(super) fn load(
    keys: &mut Keys<'_>,
    (entity, root, led): (&Entity, &ObjectPart, &[LedField]),
    lists: &[ListCall],
    [read, create, update, delete]: [&Option<Call>; 4],
    found: &mut Diagnostics,
) -> Lacks {
    let has = [
        (Action::List, !lists.is_empty()),
        (Action::Read, read.is_some()),
        (Action::Create, create.is_some()),
        (Action::Update, update.is_some()),
        (Action::Delete, delete.is_some()),
    ];
    let mut out = Vec::new();
    for (key, node) in pairs(keys.take("lacks"), found) {
        // Of a list or a group all that is in it.
        let leaves = entity.leaves_under(&key.text);
        if !leaves.is_empty() {
            // A line of one operation has none for the other.
            let calls = [create, update].map(Option::is_some);
            let is_always = |leaf: LeafId| {
                let written = written(entity, root, leaf);
                let mut both = written.into_iter().zip(calls);
                both.all(|(is_written, is_there)| is_written || !is_there) && written.contains(&true)
            };
            let is_led = |leaf: LeafId| led.iter().any(|field| field.leaf == leaf);
            if leaves.iter().all(|leaf| is_led(leaf) || is_always(leaf)) {
                let mistake = Diagnostic::error(&key.place, format!("`{}` is written by its line", key.text));
                found.push(mistake.help("say `write: never` or `write: create` there, or take this out"));
            }
            if let Some(reason) = reason(node, found) {
                out.extend(leaves.iter().map(|leaf| (Lacked::Field(leaf), reason.clone())));
            }
            continue;
        }
        let Some((action, is_there)) = has.iter().find(|(action, _)| action.as_str() == key.text) else {
            let mistake =
                Diagnostic::error(&key.place, format!("`{}` is nothing that a system could do", key.text));
            let fields = entity.root.fields.iter().map(|field| &*field.name);
            let known = has.iter().map(|(action, _)| action.as_str());
            let help = match nearest(&key.text, known.chain(fields)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("name list, read, create, update, delete, or a field of {}", entity.name),
            };
            found.push(mistake.help(help));
            continue;
        };
        if *is_there {
            let mistake = Diagnostic::error(&key.place, format!("the entity has `{}`", key.text));
            found.push(mistake.help("take it out here, or there"));
        }
        if let Some(reason) = reason(node, found) {
            out.push((Lacked::Action(*action), reason));
        }
    }
    Lacks(out)
}

/// Whether some line writes a leaf with a new record, and whether one does by a change.
fn written(entity: &Entity, root: &ObjectPart, leaf: LeafId) -> [bool; 2] {
    let (mut create, mut update) = (false, false);
    root.lines(false, &mut |line, _| {
        let line = match &line.source {
            _ if line.leaf != leaf => return,
            Source::Native(native) | Source::Join(Join { back: Some(native), .. }) => {
                (native.create, native.update)
            }
            Source::Hole(held) => (held.create, held.update),
            Source::Behind(behind) => (behind.rest.create, behind.rest.update),
            Source::Tuple(tuple) => (tuple.create, tuple.update),
            Source::Constant(_) | Source::Join(_) | Source::First(_) | Source::Calc(_) => return,
        };
        create |= line.0;
        update |= line.1;
    });
    // A native list may be sent with a new record and never after.
    let may = |create| writable(root, &entity.root, create).contains(leaf);
    [create && may(true), update && may(false)]
}

fn reason(node: &Node, found: &mut Diagnostics) -> Option<Box<str>> {
    let text = String::read(node, found)?;
    let fits =
        !text.is_empty() && text.chars().count() <= REASON_CHARS_MAX && !text.chars().any(char::is_control);
    if !fits {
        let text = format!("a reason is one line of at most {REASON_CHARS_MAX} characters");
        found.error(&node.place, text);
    }
    fits.then(|| text.into())
}
