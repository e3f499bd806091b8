//! The fields of an entity's file, node by node.

mod leaf;
mod money;

pub(super) use leaf::formats;

use super::is_field_name;
use crate::{
    schema::{
        entity::{ElementOf, Field, Leaf, LeafKind, Object, Shape},
        fields::LEAVES_MAX,
        numbers::{SCHEME, Spelling},
    },
    words::{
        Diagnostic, Diagnostics, EntityName, FieldPath, Place,
        tree::{Key, Node, Value},
        yaml::{FromYaml, Keys, Spanned, expected},
    },
};

/// Deepest nesting of objects and lists.
const DEPTH_MAX: usize = 8;
/// Most fields that are looked at, so that definitions that use definitions cannot blow up.
const FIELDS_MAX: usize = 1024;
/// Most items of a list that does not say.
const ITEMS_DEFAULT: u32 = 1000;
/// Where local definitions stand.
const DEFINITIONS: &str = "#/$defs/";
/// What a node's keywords may be, besides those of its type.
const COMMON: [&str; 4] = ["$comment", "type", "description", "readOnly"];

/// A reference to another entity and where it stands.
pub(super) struct Link {
    pub(super) entity: EntityName,
    pub(super) place: Place,
}

/// Compiles one file's fields; collects leaves, links and mistakes on the way.
pub(super) struct Compiler<'a> {
    definitions: &'a [(Key, Node)],
    used: Vec<&'a str>,
    open: Vec<&'a str>,
    subject: Option<Spanned<String>>,
    subjects: Vec<(FieldPath, Place)>,
    leaves: Vec<Leaf>,
    links: Vec<Link>,
    elements: Vec<(ElementOf, Place)>,
    money: money::Said<'a>,
    path: String,
    fields: usize,
    found: &'a mut Diagnostics,
}

/// What holds for a node because of where it stands.
#[derive(Clone, Copy)]
struct Around<'a> {
    name: &'a str,
    depth: usize,
    in_list: bool,
    unordered: bool,
    read_only: bool,
}

/// The references outside lists.
fn references(leaves: &[Leaf]) -> impl Iterator<Item = &str> + Clone {
    leaves.iter().filter(|leaf| leaf.reference.is_some() && !leaf.in_list).map(|leaf| leaf.path.as_str())
}

/// What a node turned out to be.
struct Compiled {
    shape: Shape,
    nullable: bool,
    read_only: bool,
    items_max: u32,
    description: String,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(
        definitions: Option<&'a Node>,
        subject: Option<Spanned<String>>,
        found: &'a mut Diagnostics,
    ) -> Self {
        if let Some(node) = definitions.filter(|node| node.as_map().is_none()) {
            expected(node, "a map of definitions", found);
        }
        Self {
            definitions: definitions.and_then(Node::as_map).unwrap_or_default(),
            used: Vec::new(),
            open: Vec::new(),
            subject,
            subjects: Vec::new(),
            leaves: Vec::new(),
            links: Vec::new(),
            elements: Vec::new(),
            money: money::Said::default(),
            path: String::new(),
            fields: 0,
            found,
        }
    }

    /// The fields of the file's root.
    pub(super) fn root(&mut self, node: &'a Node) -> Object {
        if let Some(kind) = node.get("type").filter(|kind| kind.as_text() != Some("object")) {
            expected(kind, "`object`", self.found);
        } else if node.get("type").is_none() {
            self.found.error(&node.place, "key `type` is missing: `type: object`");
        }
        let around = Around { name: "", depth: 0, in_list: false, unordered: false, read_only: false };
        let root = self.object(node, node.get("properties"), node.get("required"), around);
        if self.leaves.len() > LEAVES_MAX {
            self.found.error(&node.place, format!("an entity has at most {LEAVES_MAX} leaves"));
        } else if self.fields > FIELDS_MAX {
            self.found.error(&node.place, format!("an entity has at most {FIELDS_MAX} fields"));
        }
        root
    }

    /// Checks what could be checked only with all leaves known, and gives them.
    pub(super) fn finish(mut self) -> (Vec<Leaf>, Vec<Link>, Vec<(ElementOf, Place)>) {
        if let Some(subject) = self.subject.take() {
            self.subjects.push((FieldPath::new(subject.value), subject.place));
        }
        for (path, place) in &self.subjects {
            if !super::is_subject(&self.leaves, path) {
                let message = format!("`{path}` is no subject: it is `self`, or a reference outside lists");
                let names = references(&self.leaves).chain([super::SELF]);
                self.found.push(Diagnostic::error(place, message).suggest(path.as_str(), names));
            }
        }
        for (of, place) in &self.elements {
            let (references, path) = (references(&self.leaves), of.record.as_str());
            if !references.clone().any(|known| known == path) {
                let message = format!("`{path}` is no reference outside lists");
                self.found.push(Diagnostic::error(place, message).suggest(path, references));
            }
        }
        self.settle_money();
        for (name, _) in self.definitions {
            if !self.used.contains(&name.text.as_str()) {
                let message = format!("definition `{}` is not used", name.text);
                self.found.push(Diagnostic::warning(&name.place, message));
            }
        }
        (self.leaves, self.links, self.elements)
    }

    /// Whether the bounds are passed: then nothing more is looked at.
    fn is_full(&self) -> bool {
        self.leaves.len() > LEAVES_MAX || self.fields > FIELDS_MAX
    }

    fn object(
        &mut self,
        node: &'a Node,
        properties: Option<&'a Node>,
        required: Option<&'a Node>,
        around: Around<'a>,
    ) -> Object {
        let Some(pairs) = properties.and_then(Node::as_map).filter(|pairs| !pairs.is_empty()) else {
            let message = "an object needs `properties`: a map of its fields";
            self.found.error(&properties.unwrap_or(node).place, message);
            return Object::default();
        };
        let required = self.required(pairs, required);
        let mut fields = Vec::with_capacity(pairs.len());
        for (key, node) in pairs {
            self.fields += 1;
            if self.is_full() {
                break;
            }
            if !is_field_name(&key.text) {
                let error = Diagnostic::error(&key.place, format!("`{}` is no name of a field", key.text));
                self.found.push(error.help("lower case with `_`, as in `given_name`"));
            }
            let first = self.leaves.len();
            fields.extend(self.field(key, node, required.contains(&key.text.as_str()), around));
            self.has_scheme(key, pairs, first);
        }
        Object { fields }
    }

    /// A tax number stands beside the scheme that says what it is.
    fn has_scheme(&mut self, key: &'a Key, pairs: &'a [(Key, Node)], first: usize) {
        let is_number = match self.leaves.get(first..) {
            Some([leaf]) => matches!(leaf.kind, LeafKind::Text { spelling: Spelling::TaxNumber, .. }),
            Some(_) | None => false,
        };
        if is_number && !pairs.iter().any(|(known, _)| known.text == SCHEME) {
            let error = Diagnostic::error(&key.place, format!("nothing says what number `{}` is", key.text));
            self.found
                .push(error.help("`format: tax-number` needs a field `scheme` beside it, as in `PL:NIP`"));
        }
    }

    fn required(&mut self, pairs: &'a [(Key, Node)], node: Option<&'a Node>) -> Vec<&'a str> {
        let Some(node) = node else { return Vec::new() };
        let Some(items) = node.as_list() else {
            expected(node, "a list of fields", self.found);
            return Vec::new();
        };
        let names = || pairs.iter().map(|(key, _)| key.text.as_str());
        let mut required = Vec::with_capacity(items.len());
        for item in items {
            match item.as_text() {
                Some(name) if required.contains(&name) => {
                    self.found.error(&item.place, format!("`{name}` stands here a second time"));
                }
                Some(name) if names().any(|known| known == name) => required.push(name),
                Some(name) => {
                    let error = Diagnostic::error(&item.place, format!("there is no field `{name}` here"));
                    self.found.push(error.suggest(name, names()));
                }
                None => expected(item, "a field's name", self.found),
            }
        }
        required
    }

    fn field(&mut self, key: &'a Key, node: &'a Node, required: bool, around: Around<'a>) -> Option<Field> {
        let parent = self.path.len();
        if parent > 0 {
            self.path.push('.');
        }
        self.path.push_str(&key.text);
        let start = u16::try_from(self.leaves.len()).unwrap_or(u16::MAX);
        let compiled = self.node(node, Around { name: &key.text, depth: around.depth + 1, ..around });
        let end = u16::try_from(self.leaves.len()).unwrap_or(u16::MAX);
        if let Some(compiled) = compiled.as_ref().filter(|compiled| compiled.description.is_empty()) {
            let kind = match compiled.shape {
                Shape::Leaf(_) => "field",
                Shape::Object(_) => "group",
                Shape::List(_) => "list",
            };
            let message = format!("{kind} `{}` has no description", self.path);
            self.found.push(Diagnostic::warning(&key.place, message).help("say what it means in a sentence"));
        }
        if let (true, Some(compiled)) = (required, &compiled)
            && !requires_leaf(&compiled.shape)
        {
            let message = format!("`{}` is required, but nothing in it is", self.path);
            self.found.push(
                Diagnostic::error(&key.place, message).help("name the fields it needs in its own `required`"),
            );
        }
        self.path.truncate(parent);
        let compiled = compiled?;
        Some(Field {
            name: key.text.as_str().into(),
            shape: compiled.shape,
            leaves: start..end,
            required,
            nullable: compiled.nullable,
            read_only: compiled.read_only,
            items_max: compiled.items_max,
            description: compiled.description.into(),
        })
    }

    fn node(&mut self, node: &'a Node, around: Around<'a>) -> Option<Compiled> {
        if around.depth > DEPTH_MAX {
            self.found.error(&node.place, format!("nested deeper than {DEPTH_MAX} levels"));
            return None;
        }
        if node.get("$ref").is_some() {
            return self.reference(node, around);
        }
        let mut keys = Keys::of(node, self.found)?;
        for common in COMMON {
            keys.take(common);
        }
        let (kind, nullable) = self.kind(node)?;
        let description = optional::<String>(node, "description", self.found).unwrap_or_default();
        let read_only = optional::<bool>(node, "readOnly", self.found).unwrap_or(false) || around.read_only;
        let around = Around { read_only, ..around };
        let (mut items_max, mut items_read_only) = (1, false);
        let shape = match kind {
            "object" => {
                let (properties, required) = (keys.take("properties"), keys.take("required"));
                keys.finish(self.found);
                Shape::Object(self.object(node, properties, required, around))
            }
            "array" => {
                let items = keys.take("items");
                items_max = keys.or("maxItems", || ITEMS_DEFAULT, self.found)?;
                let unordered = keys.or("x-unordered", || false, self.found)?;
                keys.finish(self.found);
                let item = self.item(node, items, Around { in_list: true, unordered, ..around })?;
                items_read_only = item.read_only;
                Shape::List(Box::new(item.shape))
            }
            _ => self.leaf(node, kind, keys, around)?,
        };
        Some(Compiled { shape, nullable, read_only: read_only || items_read_only, items_max, description })
    }

    /// A local reference, written out; `description` and `readOnly` beside it hold for this use.
    fn reference(&mut self, node: &'a Node, around: Around<'a>) -> Option<Compiled> {
        let mut keys = Keys::of(node, self.found)?;
        let target = keys.required::<Spanned<String>>("$ref", self.found);
        keys.take("$comment");
        let description = keys.or::<String>("description", String::new, self.found)?;
        let read_only = keys.or("readOnly", || false, self.found)? || around.read_only;
        keys.finish(self.found);
        let target = target?;
        let Some(name) = target.value.strip_prefix(DEFINITIONS) else {
            let message = format!("`{}` is no definition of this file", target.value);
            self.found.push(Diagnostic::error(&target.place, message).help("as in `#/$defs/Address`"));
            return None;
        };
        let definitions = self.definitions;
        let Some((key, definition)) = definitions.iter().find(|(key, _)| key.text == name) else {
            let error = Diagnostic::error(&target.place, format!("there is no definition `{name}`"));
            self.found.push(error.suggest(name, definitions.iter().map(|(key, _)| key.text.as_str())));
            return None;
        };
        if self.open.contains(&key.text.as_str()) {
            self.found.error(&target.place, format!("definition `{name}` holds itself"));
            return None;
        }
        self.used.push(&key.text);
        self.open.push(&key.text);
        let compiled = self.node(definition, Around { read_only, depth: around.depth + 1, ..around });
        self.open.pop();
        let compiled = compiled?;
        let description = if description.is_empty() { compiled.description } else { description };
        Some(Compiled { description, read_only: compiled.read_only || read_only, ..compiled })
    }

    /// The type of a node, and whether null is a value of it.
    fn kind(&mut self, node: &'a Node) -> Option<(&'a str, bool)> {
        const KINDS: [&str; 5] = ["string", "integer", "boolean", "object", "array"];
        let Some(kind) = node.get("type") else {
            let message = format!("`{}` has no `type`", self.path);
            self.found
                .push(Diagnostic::error(&node.place, message).help(format!("one of: {}", KINDS.join(", "))));
            return None;
        };
        let words: Vec<&'a Node> = match &kind.value {
            Value::List(items) => items.iter().collect(),
            Value::Scalar(_) | Value::Null | Value::Map(_) => vec![kind],
        };
        let (nulls, others): (Vec<&Node>, Vec<&Node>) =
            words.into_iter().partition(|word| word.as_text() == Some("null"));
        let name = match others.as_slice() {
            [one] => one.as_text(),
            _ => None,
        };
        match name {
            Some("number") => {
                let error = Diagnostic::error(&kind.place, "a number with a fraction would be a float");
                self.found.push(error.help("write `type: string, format: decimal`, or `type: integer`"));
                None
            }
            Some(name) if KINDS.contains(&name) && nulls.len() <= 1 => Some((name, !nulls.is_empty())),
            Some(name) => {
                let error = Diagnostic::error(&kind.place, format!("`{name}` is no type"));
                self.found.push(error.suggest(name, KINDS));
                None
            }
            None => {
                expected(kind, "one type, or one type and \"null\"", self.found);
                None
            }
        }
    }

    /// What a list holds: a value or a group, never null.
    fn item(&mut self, node: &'a Node, items: Option<&'a Node>, around: Around<'a>) -> Option<Compiled> {
        let Some(items) = items else {
            self.found.error(&node.place, "an array needs `items`: the shape of one");
            return None;
        };
        let item = self.node(items, Around { depth: around.depth + 1, ..around })?;
        if item.nullable {
            self.found.error(&items.place, "an item is never null; it is left out");
        }
        match item.shape {
            Shape::List(_) => {
                self.found.error(&items.place, "a list of lists has no place here; put an object between");
                None
            }
            Shape::Leaf(_) | Shape::Object(_) => Some(item),
        }
    }
}

/// Whether requiring a shape demands anything: an object that may be empty demands nothing.
fn requires_leaf(shape: &Shape) -> bool {
    match shape {
        Shape::Leaf(_) => true,
        Shape::List(item) => requires_leaf(item),
        Shape::Object(object) => {
            object.fields.iter().any(|field| field.required && requires_leaf(&field.shape))
        }
    }
}

fn optional<T: FromYaml>(node: &Node, key: &str, found: &mut Diagnostics) -> Option<T> {
    node.get(key).and_then(|node| T::read(node, found))
}
