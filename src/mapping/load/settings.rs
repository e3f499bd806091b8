//! Settings inside of paths: `descriptions[language=$settings.language].text` names the element that a setting does.

use super::Defaults;
use crate::words::{
    Diagnostics,
    tree::{Key, Node, Scalar, Value},
};

/// What stands before a setting in a path.
const BEFORE: &str = "=$settings.";

impl Defaults {
    /// The lines of an entity, with settings in the paths that name one. Recursion is bounded by the depth of the file.
    pub(super) fn settled(&self, node: &Node, found: &mut Diagnostics) -> Node {
        let value = match &node.value {
            Value::Null => Value::Null,
            Value::Scalar(scalar) => {
                let text = self.settled_path(&scalar.text, node, found);
                Value::Scalar(Scalar { text, quoted: scalar.quoted })
            }
            Value::List(items) => Value::List(items.iter().map(|item| self.settled(item, found)).collect()),
            Value::Map(pairs) => {
                let settled = pairs.iter().map(|(key, value)| {
                    let text = self.settled_path(&key.text, value, found);
                    (Key { text, place: key.place.clone() }, self.settled(value, found))
                });
                Value::Map(settled.collect())
            }
        };
        Node { value, place: node.place.clone() }
    }

    fn settled_path(&self, text: &str, node: &Node, found: &mut Diagnostics) -> String {
        let mut parts = text.split('[');
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            out.push('[');
            let named = part.split_once(BEFORE).and_then(|(key, rest)| Some((key, rest.split_once(']')?)));
            let Some((key, (name, rest))) = named else {
                out.push_str(part);
                continue;
            };
            out.push_str(key);
            out.push('=');
            let value = self.setting(&format!("$settings.{name}"), node, found).unwrap_or(name).to_owned();
            for sign in value.chars() {
                // What is in a setting is text, whatever it means in a path.
                if matches!(sign, '\\' | ']') {
                    out.push('\\');
                }
                out.push(sign);
            }
            out.push(']');
            out.push_str(rest);
        }
        out
    }
}
