//! `set`: what a new record, or a new element of a native list, carries besides its fields.

use super::{
    bodies::constant,
    elements::{DEFAULT, SET},
    fields::Loader,
    pairs, path_at,
};
use crate::{
    mapping::{
        calc,
        codec::Wire,
        path::Path,
        sets::{Set, SetValue, Worked},
        trie::Frame,
    },
    schema::LeafKind,
    words::{
        Diagnostic,
        tree::{Node, Value},
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

impl Loader<'_> {
    /// Each line: a constant, `$settings.name`, `$now`, in a list `$index`; `{ calc }`; or `{ value, unless }`.
    pub(super) fn sets(&mut self, node: Option<&Node>, within: Within) -> Vec<Set> {
        let mut out = Vec::new();
        for (key, node) in pairs(node, self.found) {
            let at = match Path::parse(&key.text) {
                Ok(at) => at,
                Err(why) => {
                    self.found.error(&key.place, why);
                    continue;
                }
            };
            let set = self.set(node, at, within);
            if let Some(set) = set {
                let is_default = set.unless.as_ref() == Some(&set.at);
                self.writes(&set.at, if is_default { DEFAULT } else { SET }, &key.place);
                out.push(set);
            }
        }
        out
    }

    fn set(&mut self, node: &Node, at: Path, within: Within) -> Option<Set> {
        if node.as_map().is_none() {
            return Some(Set { at, value: self.set_value(node, within)?, unless: None });
        }
        let mut keys = Keys::of(node, self.found)?;
        let (value, text) = (keys.take("value"), keys.take("calc"));
        let unless = path_at(&mut keys, "unless", self.found);
        keys.finish(self.found);
        let value = match (value, text) {
            (Some(value), None) => self.set_value(value, within)?,
            (None, Some(text)) => SetValue::Calc(self.worked(text, within)?),
            (Some(_), Some(_)) | (None, None) => {
                self.found.error(&node.place, "what is set has either `value` or `calc`");
                return None;
            }
        };
        Some(Set { at, value, unless })
    }

    fn set_value(&mut self, node: &Node, within: Within) -> Option<SetValue> {
        match (node.as_text(), within) {
            (Some("$now"), _) => Some(SetValue::Now),
            (Some("$index"), Within::List) => Some(SetValue::Index),
            (Some("$index"), Within::Record) => {
                self.found.push(
                    Diagnostic::error(&node.place, "only an element of a native list has an `$index`")
                        .help("say `set` beside `each`"),
                );
                None
            }
            (Some(text), _) if text.starts_with('$') && !text.starts_with("$settings.") => {
                self.found.push(
                    Diagnostic::error(&node.place, format!("`{text}` is nothing that can be set"))
                        .suggest(text, ["$now", "$index", "$settings."]),
                );
                None
            }
            (Some(_) | None, _) => match &node.value {
                Value::Scalar(scalar) => constant(scalar, node, self.defaults, self.found).map(SetValue::Is),
                Value::Null | Value::List(_) | Value::Map(_) => {
                    expected(node, "a single value", self.found);
                    None
                }
            },
        }
    }

    fn worked(&mut self, node: &Node, within: Within) -> Option<Box<Worked>> {
        let Some(text) = node.as_text() else {
            expected(node, "a calculation, as in `price * quantity`", self.found);
            return None;
        };
        let mut frame = Frame::default();
        let calc = calc::parse(text, &mut frame, &mut |_, _| {});
        let calc = calc.map_err(|why| self.found.error(&node.place, why)).ok()?;
        if !frame.outside.is_empty() || !frame.finish() {
            let what = match within {
                Within::Record => "what a record is sent with is worked out of that record alone",
                Within::List => "what an element is sent with is worked out of that element alone",
            };
            self.found.error(&node.place, what);
            return None;
        }
        let is_text = self.defaults.wire(&LeafKind::Decimal) == Wire::Text;
        Some(Box::new(Worked { calc, node: frame.root, frame: frame.slots, is_text }))
    }
}
