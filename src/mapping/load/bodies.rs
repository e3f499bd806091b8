//! `body:` — the template of a body as written: constants as they look, holes in quotes.

use super::{Defaults, needs};
use crate::{
    mapping::{
        body::{Body, Hole, KEY},
        model::Speaks,
        number::is_number,
        out::Out,
    },
    words::{
        Diagnostic, Diagnostics,
        tree::{self, Node},
        yaml::{Keys, expected},
    },
};

/// The holes of a list's body, of one that reads a batch, of a read's, of a create's, of an update's and of a delete's.
pub(super) const OF_LIST: &[&str] = &["fields", "filter", "sort", "limit", "offset", "page", "token", "over"];
pub(super) const OF_BATCH: &[&str] = &["keys", "fields"];
pub(super) const OF_READ: &[&str] = &["key", "fields", "over"];
pub(super) const OF_CREATE: &[&str] = &["record", "over"];
pub(super) const OF_UPDATE: &[&str] = &["record", "key", "version", "over"];
pub(super) const OF_DELETE: &[&str] = &["key", "version", "over"];
/// The same of an element that is written by itself, and of one that goes.
pub(super) const OF_PART: &[&str] = &["record", "key", PART_OF_KEY];
pub(super) const OF_PART_GONE: &[&str] = &["key", PART_OF_KEY];

/// How a part of a key of several is told of; in a file its own name stands there.
const PART_OF_KEY: &str = "key.NAME";

/// What stands for the key in the form of a hole.
const VALUE: &str = "{value}";

/// Reads `body`, if it is there.
pub(super) fn load(
    keys: &mut Keys<'_>,
    holes: &[&'static str],
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Option<Body> {
    let node = keys.take("body")?;
    if node.as_map().is_none() {
        expected(node, "a map", found);
        return None;
    }
    Reader { holes, defaults, found }.part(node)
}

/// A tree with holes.
pub(in crate::mapping) fn tree(
    node: &Node,
    holes: &[&'static str],
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Option<Body> {
    Reader { holes, defaults, found }.part(node)
}

/// A constant as it looks: a quoted text is text, and so is a setting unless it is a number or a boolean without quotes.
pub(super) fn constant(
    scalar: &tree::Scalar,
    node: &Node,
    defaults: &Defaults,
    found: &mut Diagnostics,
) -> Option<Out> {
    let text = defaults.setting(&scalar.text, node, found)?;
    Some(match (scalar.quoted, text) {
        (false, "true") => Out::Boolean(true),
        (false, "false") => Out::Boolean(false),
        (false, text) if is_number(text) => Out::Number(text.into()),
        (_, text) => Out::text(text),
    })
}

struct Reader<'r> {
    holes: &'r [&'static str],
    defaults: &'r Defaults,
    found: &'r mut Diagnostics,
}

impl Reader<'_> {
    /// Recursion is bounded by the depth of the file.
    fn part(&mut self, node: &Node) -> Option<Body> {
        match &node.value {
            tree::Value::Null => Some(Body::Constant(Out::Null)),
            tree::Value::Scalar(scalar) => self.scalar(scalar, node),
            tree::Value::List(items) => {
                let items: Vec<_> = items.iter().map(|item| self.part(item)).collect();
                items.into_iter().collect::<Option<_>>().map(Body::List)
            }
            tree::Value::Map(pairs) => self.map(pairs, node),
        }
    }

    fn map(&mut self, pairs: &[(tree::Key, Node)], node: &Node) -> Option<Body> {
        // `{record}` without quotes is a map to YAML.
        if let [(key, Node { value: tree::Value::Null, .. })] = pairs
            && self.holes.contains(&key.text.as_str())
        {
            let name = &key.text;
            self.found.push(
                Diagnostic::error(&node.place, format!("`{{{name}}}` without quotes is a map"))
                    .help(format!("write `\"{{{name}}}\"` in quotes")),
            );
            return None;
        }
        let (mut parts, mut with_record) = (Vec::new(), false);
        for (key, node) in pairs {
            match (name_of(&key.text), &node.value) {
                (Some("record"), tree::Value::Null) => with_record = self.allows("record", node),
                (Some("record"), _) => {
                    let text = "`\"{record}\":` puts what the record holds beside the other names: nothing stands under it";
                    self.found.error(&node.place, text);
                }
                (_, _) if key.text.contains(KEY) && !self.may_name() => {
                    self.found.error(&key.place, "the key cannot stand in a name here");
                }
                (Some(_) | None, _) => parts.push((key.text.as_str().into(), self.part(node))),
            }
        }
        let pairs = parts.into_iter().map(|(name, part)| Some((name, part?))).collect::<Option<_>>()?;
        Some(Body::Object { pairs, with_record })
    }

    fn scalar(&mut self, scalar: &tree::Scalar, node: &Node) -> Option<Body> {
        let text = scalar.text.as_str();
        if let Some(name) = name_of(text) {
            return self.hole(name, node).map(Body::Hole);
        }
        constant(scalar, node, self.defaults, self.found).map(Body::Constant)
    }

    /// Whether a name may hold the key: where there is one, and names are JSON's.
    fn may_name(&self) -> bool {
        self.holes.contains(&"key") && self.defaults.speaks != Speaks::Xml
    }

    fn allows(&mut self, name: &str, node: &Node) -> bool {
        let known = name.strip_prefix("key.").map_or(name, |_| PART_OF_KEY);
        let is_known = self.holes.contains(&known);
        if !is_known {
            let there = self.holes.join("}`, `{");
            let text = format!("`{{{name}}}` is nothing to fill in here; there are `{{{there}}}`");
            self.found.push(Diagnostic::error(&node.place, text).suggest(name, self.holes.iter().copied()));
        }
        is_known
    }

    fn hole(&mut self, text: &str, node: &Node) -> Option<Hole> {
        let (name, form) = text.split_once(':').map_or((text, None), |(name, form)| (name, Some(form)));
        if !self.allows(name, node) {
            return None;
        }
        if let Some(part) = name.strip_prefix("key.") {
            match form {
                None => return Some(Hole::KeyPart(part.into())),
                Some("number") => return Some(Hole::KeyPartNumber(part.into())),
                Some(_) => {}
            }
        }
        Some(match (name, form) {
            ("record", None) => Hole::Record,
            ("key", None) => Hole::Key,
            ("key", Some("number")) => Hole::KeyNumber,
            ("key", Some(form)) if form.contains(VALUE) => {
                let (before, after) = form.split_once(VALUE)?;
                Hole::KeyIn(before.into(), after.into())
            }
            ("over", None) => Hole::Over,
            ("over", Some("number")) => Hole::OverNumber,
            ("version", None) => Hole::Version,
            ("keys", None) => Hole::Keys,
            ("keys", Some("number")) => Hole::KeysNumber,
            ("fields", None) => Hole::Fields,
            ("fields", Some(by)) => Hole::FieldsBy(by.to_owned()),
            ("filter", None) => Hole::Filter,
            ("filter", Some(bound)) => Hole::Bound(needs::canonical(bound).into()),
            ("sort", None) => Hole::Sort,
            ("limit", None) => Hole::Limit,
            ("offset", None) => Hole::Offset,
            ("page", None) => Hole::Page,
            ("token", None) => Hole::Token,
            _ => {
                let text = format!("`{{{text}}}` has no such form; write `{{{name}}}`");
                self.found.error(&node.place, text);
                return None;
            }
        })
    }
}

/// The name of a hole, as `{name}` or `{name:form}`; other text in braces is a constant.
fn name_of(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    let name = inner.split_once(':').map_or(inner, |(name, _)| name);
    if name == "key" && inner.matches(VALUE).count() == 1 && inner.matches(['{', '}']).count() == 2 {
        return Some(inner);
    }
    let is_part = name.strip_prefix("key.").is_some_and(|part| !part.is_empty());
    let is_word = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let is_plain = !inner.contains(['{', '}', '\n']);
    ((is_word || is_part) && is_plain).then_some(inner)
}
