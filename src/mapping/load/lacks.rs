//! `lacks:` — why a system cannot do something with an entity, in words for whoever asks for it.
//!
//! A reason stands only beside what the mapping does not offer, and is short text without control characters: it
//! goes to callers as it stands in the file.

use super::pairs;
use crate::{
    catalog::Action,
    mapping::model::{Call, ListCall, Mapping},
    words::{
        Diagnostic, Diagnostics,
        tree::Node,
        yaml::{FromYaml, Keys},
    },
};

/// Longest reason, in characters.
const REASON_CHARS_MAX: usize = 160;

/// What of an entity a system has no way for, each with its reason.
#[derive(Debug, Default)]
pub(in crate::mapping) struct Lacks(Vec<(Action, Box<str>)>);

impl Mapping {
    /// Why the system cannot do it, where its file says so.
    pub fn lack(&self, action: Action) -> Option<&str> {
        self.lacks.0.iter().find(|(lacked, _)| *lacked == action).map(|(_, reason)| &**reason)
    }
}

/// Reads `lacks`, beside what the entity has.
pub(super) fn load(
    keys: &mut Keys<'_>,
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
        let Some((action, is_there)) = has.iter().find(|(action, _)| action.as_str() == key.text) else {
            let mistake =
                Diagnostic::error(&key.place, format!("`{}` is nothing that a system could do", key.text));
            found.push(mistake.suggest(&key.text, has.iter().map(|(action, _)| action.as_str())));
            continue;
        };
        if *is_there {
            let mistake = Diagnostic::error(&key.place, format!("the entity has `{}`", key.text));
            found.push(mistake.help("take it out here, or there"));
        }
        if let Some(reason) = reason(node, found) {
            out.push((*action, reason));
        }
    }
    Lacks(out)
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
