//! Where two records of the same thing differ, field by field.
//!
//! Promises: values are compared as the schema means them, decimals and moments by value; a list is compared item by
//! item whatever its order, for systems keep none. That nothing is told and that a thing is empty are the same here:
//! neither is a value.

use std::collections::BTreeMap;

use crate::schema::{Class, Entity, FieldSet, LeafId, Object, Record, Shape, Value, value};

/// LIMIT: characters of a value that are told.
const TOLD_CHARS_MAX: usize = 200;
/// What stands for a value that is not told.
const MASK: &str = "***";

/// Whether values of personal and confidential fields are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Values {
    Masked,
    Shown,
}

/// How two values differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum How {
    /// The new system has none.
    Missing,
    /// The old system has none.
    Added,
    /// Only in upper and lower case.
    Case,
    /// Only in spaces and other signs: letters and digits are the same.
    Signs,
    /// The same values stand in other items of a list.
    Items,
    /// They are others.
    Value,
}

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) field: String,
    pub(super) how: How,
    /// None where there is no value.
    pub(super) old: Option<String>,
    pub(super) new: Option<String>,
}

impl How {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Added => "added",
            Self::Case => "case",
            Self::Signs => "signs",
            Self::Items => "items",
            Self::Value => "value",
        }
    }

    fn of(old: &str, new: &str) -> Self {
        let bare = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
        let (one, other) = (bare(old), bare(new));
        match () {
            () if old.to_lowercase() == new.to_lowercase() => Self::Case,
            () if one == other && !one.is_empty() => Self::Signs,
            () => Self::Value,
        }
    }
}

/// What is compared: these fields of an entity.
pub(super) struct Differ<'e> {
    pub(super) entity: &'e Entity,
    pub(super) fields: FieldSet,
    pub(super) values: Values,
}

impl Differ<'_> {
    /// Where the two differ, in schema order.
    pub(super) fn differences(&self, old: &Record, new: &Record) -> Vec<Difference> {
        let mut found = Vec::new();
        let (old, new) = (Value::Object(old.fields.clone()), Value::Object(new.fields.clone()));
        self.object(&self.entity.root, Some(&old), Some(&new), "", &mut found);
        found
    }

    /// Recursion is bounded by the depth of the entity.
    fn object(
        &self,
        object: &Object,
        old: Option<&Value>,
        new: Option<&Value>,
        path: &str,
        found: &mut Vec<Difference>,
    ) {
        for (at, field) in
            object.fields.iter().enumerate().filter(|(_, field)| self.fields.any_in(&field.leaves))
        {
            let under = |value: Option<&'_ Value>| -> Option<Value> {
                let Some(Value::Object(fields)) = value else { return None };
                fields.at(u16::try_from(at).ok()?).filter(|value| !is_nothing(value)).cloned()
            };
            let (old, new) = (under(old), under(new));
            let path =
                if path.is_empty() { field.name.to_string() } else { format!("{path}.{}", field.name) };
            match &field.shape {
                Shape::Object(object) => self.object(object, old.as_ref(), new.as_ref(), &path, found),
                Shape::Leaf(leaf) => found.extend(self.leaf(*leaf, old.as_ref(), new.as_ref())),
                Shape::List(item) => self.list(item, old.as_ref(), new.as_ref(), path, found),
            }
        }
    }

    fn leaf(&self, leaf: LeafId, old: Option<&Value>, new: Option<&Value>) -> Option<Difference> {
        let text = |value: Option<&Value>| value.map(printed);
        self.differs(leaf, old == new, text(old), text(new))
    }

    /// A list: item by item, and where items differ field by field.
    fn list(
        &self,
        item: &Shape,
        old: Option<&Value>,
        new: Option<&Value>,
        path: String,
        found: &mut Vec<Difference>,
    ) {
        let items = |value: Option<&Value>| -> Vec<String> {
            let mut items: Vec<String> = match value {
                Some(Value::List(items)) => {
                    items.iter().filter_map(|value| self.canonical(item, value)).collect()
                }
                Some(_) | None => Vec::new(),
            };
            items.sort_unstable();
            items
        };
        if items(old) == items(new) {
            return;
        }
        let before = found.len();
        let mut values = [BTreeMap::<LeafId, Vec<String>>::new(), BTreeMap::new()];
        for (side, list) in values.iter_mut().zip([old, new]) {
            if let Some(Value::List(list)) = list {
                list.iter().for_each(|value| self.gather(item, value, side));
            }
        }
        let [old, new] = values;
        for leaf in old.keys().chain(new.keys().filter(|leaf| !old.contains_key(*leaf))) {
            let joined = |of: &BTreeMap<LeafId, Vec<String>>| {
                let mut values = of.get(leaf).cloned().unwrap_or_default();
                values.sort_unstable();
                (!values.is_empty()).then(|| values.join(" | "))
            };
            let (old, new) = (joined(&old), joined(&new));
            found.extend(self.differs(*leaf, old == new, old, new));
        }
        if found.len() == before {
            // The same values, in other company.
            found.push(Difference { field: path, how: How::Items, old: None, new: None });
        }
    }

    fn differs(
        &self,
        leaf: LeafId,
        is_same: bool,
        old: Option<String>,
        new: Option<String>,
    ) -> Option<Difference> {
        if is_same || !self.fields.contains(leaf) {
            return None;
        }
        let how = match (&old, &new) {
            (Some(old), Some(new)) => How::of(old, new),
            (Some(_), None) => How::Missing,
            (None, Some(_)) => How::Added,
            (None, None) => return None,
        };
        let leaf = self.entity.leaf(leaf)?;
        let told = |text: Option<String>| text.map(|text| self.told(leaf.class, text));
        Some(Difference { field: leaf.path.to_string(), how, old: told(old), new: told(new) })
    }

    /// A value as the operator may see it.
    fn told(&self, class: Class, text: String) -> String {
        let is_open = match class {
            Class::Public | Class::Internal => true,
            Class::Confidential | Class::Personal => self.values == Values::Shown,
            Class::Secret => false,
        };
        match text.char_indices().nth(TOLD_CHARS_MAX).and_then(|(at, _)| text.get(..at)) {
            _ if !is_open => MASK.to_owned(),
            Some(cut) => format!("{cut}…"),
            None => text,
        }
    }
}

impl Differ<'_> {
    /// The values of every field in a list. Recursion is bounded by the depth of the entity.
    fn gather(&self, shape: &Shape, value: &Value, into: &mut BTreeMap<LeafId, Vec<String>>) {
        match (shape, value) {
            (Shape::Leaf(leaf), value) if !is_nothing(value) => {
                into.entry(*leaf).or_default().push(printed(value));
            }
            (Shape::Object(object), Value::Object(fields)) => {
                for (at, value) in fields.iter() {
                    if let Some(field) = object.at(at) {
                        self.gather(&field.shape, value, into);
                    }
                }
            }
            (Shape::List(item), Value::List(items)) => {
                items.iter().for_each(|value| self.gather(item, value, into));
            }
            (Shape::Leaf(_) | Shape::Object(_) | Shape::List(_), _) => {}
        }
    }

    /// One text for all items that say the same in the fields that are compared; none for one that says nothing.
    fn canonical(&self, shape: &Shape, value: &Value) -> Option<String> {
        let whole = |parts: Vec<String>| (!parts.is_empty()).then(|| parts.concat());
        // With its length in front, so that no value can be taken for two.
        let part = |name: u16, text: &str| format!("{name}:{}:{text}", text.len());
        match (shape, value) {
            (Shape::Leaf(leaf), value) => {
                (self.fields.contains(*leaf) && !is_nothing(value)).then(|| printed(value))
            }
            (Shape::Object(object), Value::Object(fields)) => {
                let text = |(at, value)| Some(part(at, &self.canonical(&object.at(at)?.shape, value)?));
                whole(fields.iter().filter_map(text).collect())
            }
            (Shape::List(item), Value::List(items)) => {
                let mut parts: Vec<String> =
                    items.iter().filter_map(|value| Some(part(0, &self.canonical(item, value)?))).collect();
                parts.sort_unstable();
                whole(parts)
            }
            (Shape::Object(_) | Shape::List(_), _) => None,
        }
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Text(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Boolean(_) | Value::Integer(_) | Value::Decimal(_) | Value::Date(_) | Value::Instant(_) => {
            false
        }
    }
}

/// A value as text, decimals without needless zeros at their end.
fn printed(value: &Value) -> String {
    let mut text = Vec::new();
    match value {
        Value::Decimal(decimal) => value::print(&Value::Decimal(decimal.normalize()), &mut text),
        value => value::print(value, &mut text),
    }
    String::from_utf8_lossy(&text).into_owned()
}
