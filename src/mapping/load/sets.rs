//! `set`: what a new record, or a new element of a native list, carries besides its fields.

use super::{Defaults, pairs};
use crate::{
    mapping::{
        out::Out,
        path::Path,
        sets::{Set, SetValue},
    },
    words::{
        Diagnostic, Diagnostics,
        tree::Node,
        yaml::{Keys, expected},
    },
};

/// Where it is set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    /// In a record.
    Record,
    /// In each element of a native list.
    List,
}

/// Each line: a constant, `$settings.name`, `$now`, in a list `$index`; or `{ value, unless }`.
pub(super) fn sets(
    node: Option<&Node>,
    within: Within,
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Vec<Set> {
    let mut out = Vec::new();
    for (key, node) in pairs(node, found) {
        let at = match Path::parse(&key.text) {
            Ok(at) => at,
            Err(why) => {
                found.error(&key.place, why);
                continue;
            }
        };
        let (value, unless) = match node.as_map() {
            None => (Some(node.clone()), None),
            Some(_) => {
                let Some(mut keys) = Keys::of(node, found) else { continue };
                let value: Option<Node> = keys.required("value", found);
                let unless = super::path_at(&mut keys, "unless", found);
                keys.finish(found);
                (value, unless)
            }
        };
        let value = value.and_then(|value| set_value(&value, within, defaults, found));
        out.extend(value.map(|value| Set { at, value, unless }));
    }
    out
}

fn set_value(node: &Node, within: Within, defaults: &Defaults, found: &mut Diagnostics) -> Option<SetValue> {
    match (node.as_text(), within) {
        (Some("$now"), _) => Some(SetValue::Now),
        (Some("$index"), Within::List) => Some(SetValue::Index),
        (Some("$index"), Within::Record) => {
            found.push(
                Diagnostic::error(&node.place, "only an element of a native list has an `$index`")
                    .help("say `set` beside `each`"),
            );
            None
        }
        (Some(text), _) if text.starts_with("$settings.") => {
            Some(SetValue::Is(Out::text(defaults.setting(text, node, found)?)))
        }
        (Some(text), _) if text.starts_with('$') => {
            found.push(
                Diagnostic::error(&node.place, format!("`{text}` is nothing that can be set"))
                    .suggest(text, ["$now", "$index", "$settings."]),
            );
            None
        }
        (Some(_), _) => super::entity::constant(node).map(SetValue::Is),
        (None, _) => {
            expected(node, "a single value", found);
            None
        }
    }
}
