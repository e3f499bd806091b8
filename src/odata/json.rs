//! Records, the service document and errors as OData's JSON, written digit by digit: no tree, no float.
//!
//! Every field that was asked for is there. One without a value is null, a list without one is `[]`: hidden, withheld
//! and empty look the same, as in every answer.

use super::{
    accept::{Level, Style},
    names,
};
use crate::schema::{Entity, FieldSet, Fields, LeafKind, Object, Record, Shape, Value, json, value};

/// What stands around records.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// How they are written.
    pub style: Style,
    /// The address of the service document: `https://gate.example/odata/`.
    pub root: &'a str,
    /// The fields of every record.
    pub columns: &'a FieldSet,
    /// Whether they were selected by the caller.
    pub selected: bool,
}

/// What stands beside the records of an answer, under one navigation property.
#[derive(Clone, Debug)]
pub struct Expanded<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it leads to.
    pub entity: &'a Entity,
    /// The fields of every record there.
    pub columns: &'a FieldSet,
    /// Whether they were selected by the caller.
    pub selected: bool,
    /// Whether several records may stand there.
    pub is_list: bool,
    /// What stands beside each record of the answer, in its order.
    pub beside: Vec<Beside<'a>>,
}

/// What stands beside one record.
#[derive(Clone, Debug, Default)]
pub struct Beside<'a> {
    /// The records.
    pub records: Vec<&'a Record>,
    /// How many there are in all, where they were counted.
    pub count: Option<u64>,
    /// The address of those that are not told.
    pub next: Option<&'a str>,
}

/// A page of records, what stands beside each, how many there are in all, and where the next page stands.
pub fn page(
    frame: &Frame<'_>,
    entity: &Entity,
    records: &[&Record],
    expanded: &[Expanded<'_>],
    count: Option<u64>,
    next: Option<&str>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + records.len() * 512);
    let mut members = Members::open(&mut out);
    if frame.style.level != Level::None {
        members.text("@odata.context", &context(frame, entity, expanded, ""));
    }
    if let Some(count) = count {
        members.name("@odata.count");
        integer(frame.style, count, members.out);
    }
    members.name("value");
    members.out.push(b'[');
    for (n, record) in records.iter().enumerate() {
        if n > 0 {
            members.out.push(b',');
        }
        one(frame, entity, record, None, (expanded, n), members.out);
    }
    members.out.push(b']');
    if let Some(next) = next {
        members.text("@odata.nextLink", next);
    }
    members.close();
    out
}

/// One record and what stands beside it, with its entity tag where it is known.
pub fn entity(
    frame: &Frame<'_>,
    entity: &Entity,
    record: &Record,
    expanded: &[Expanded<'_>],
    etag: Option<&str>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let context = context(frame, entity, expanded, "/$entity");
    let head = Head { context: (frame.style.level != Level::None).then_some(&context), etag };
    one(frame, entity, record, Some(head), (expanded, 0), &mut out);
    out
}

/// The service document: the entity sets that a caller may list.
pub fn service(style: Style, root: &str, sets: &[String]) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut members = Members::open(&mut out);
    if style.level != Level::None {
        members.text("@odata.context", &format!("{root}$metadata"));
    }
    members.name("value");
    members.out.push(b'[');
    for (n, set) in sets.iter().enumerate() {
        if n > 0 {
            members.out.push(b',');
        }
        let mut set_members = Members::open(members.out);
        set_members.text("name", set);
        set_members.text("kind", "EntitySet");
        set_members.text("url", set);
        set_members.close();
    }
    members.out.push(b']');
    members.close();
    out
}

/// An error: a code, a message, and details as `(target, message)`.
pub fn error(code: &str, message: &str, details: &[(&str, &str)], request: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"{\"error\":");
    let mut members = Members::open(&mut out);
    members.text("code", code);
    members.text("message", message);
    if !details.is_empty() {
        members.name("details");
        members.out.push(b'[');
        for (n, (target, message)) in details.iter().enumerate() {
            if n > 0 {
                members.out.push(b',');
            }
            let mut detail = Members::open(members.out);
            detail.text("code", code);
            detail.text("target", target);
            detail.text("message", message);
            detail.close();
        }
        members.out.push(b']');
    }
    members.name("innererror");
    let mut inner = Members::open(members.out);
    inner.text("request_id", request);
    inner.close();
    members.close();
    out.push(b'}');
    out
}

/// What a record that stands alone has before its fields.
#[derive(Clone, Copy)]
struct Head<'a> {
    context: Option<&'a String>,
    etag: Option<&'a str>,
}

/// A record beside what it belongs to.
pub(super) fn nested(frame: &Frame<'_>, entity: &Entity, record: &Record, out: &mut Vec<u8>) {
    one(frame, entity, record, None, (&[], 0), out);
}

/// A record, and what stands beside the record of that number.
fn one(
    frame: &Frame<'_>,
    entity: &Entity,
    record: &Record,
    head: Option<Head<'_>>,
    (expanded, n): (&[Expanded<'_>], usize),
    out: &mut Vec<u8>,
) {
    let mut members = Members::open(out);
    if let Some(context) = head.and_then(|head| head.context) {
        members.text("@odata.context", context);
    }
    let writer = Writer { entity, columns: frame.columns, style: frame.style };
    if frame.style.level == Level::Full {
        members.text("@odata.type", &format!("#{}.{}", names::NAMESPACE, entity.name));
        let id = record.first(entity, crate::schema::LeafId(0)).and_then(Value::as_text);
        if let Some(id) = id.filter(|_| frame.columns.contains(crate::schema::LeafId(0))) {
            let address = format!("{}{}", frame.root, names::address(entity, id));
            members.text("@odata.id", &address);
            members.text("@odata.readLink", &address);
        }
    }
    if let Some(etag) = head.and_then(|head| head.etag).filter(|_| frame.style.level != Level::None) {
        members.text("@odata.etag", etag);
    }
    writer.fields(&entity.root, entity.name.as_str(), &record.fields, &mut members);
    for expanded in expanded {
        // What is not known to be there is not told as empty.
        let Some(beside) = expanded.beside.get(n) else { continue };
        navigation(frame, expanded, beside, &mut members);
    }
    members.close();
}

/// What stands beside a record: no record expands further, so this goes one level down and no deeper.
fn navigation(frame: &Frame<'_>, expanded: &Expanded<'_>, beside: &Beside<'_>, members: &mut Members<'_>) {
    let Expanded { name, entity, columns, selected, is_list, .. } = *expanded;
    let frame = Frame { columns, selected, ..*frame };
    if let Some(count) = beside.count {
        members.name(&format!("{name}@odata.count"));
        integer(frame.style, count, members.out);
    }
    members.name(name);
    if is_list {
        members.out.push(b'[');
        for (n, record) in beside.records.iter().enumerate() {
            if n > 0 {
                members.out.push(b',');
            }
            one(&frame, entity, record, None, (&[], 0), members.out);
        }
        members.out.push(b']');
    } else if let Some(record) = beside.records.first() {
        one(&frame, entity, record, None, (&[], 0), members.out);
    } else {
        members.out.extend_from_slice(b"null");
    }
    if let Some(next) = beside.next {
        members.text(&format!("{name}@odata.nextLink"), next);
    }
}

/// `https://gate.example/odata/$metadata#orders(id,number,invoices(id))/$entity`
fn context(frame: &Frame<'_>, entity: &Entity, expanded: &[Expanded<'_>], end: &str) -> String {
    let mut out = format!("{}$metadata#{}", frame.root, names::set(entity));
    let mut listed = if frame.selected { names::selected(entity, frame.columns) } else { Vec::new() };
    for expanded in expanded {
        let of = if expanded.selected {
            names::selected(expanded.entity, expanded.columns).join(",")
        } else {
            String::new()
        };
        listed.push(format!("{}({of})", expanded.name));
    }
    if frame.selected || !listed.is_empty() {
        out.push('(');
        out.push_str(&listed.join(","));
        out.push(')');
    }
    out.push_str(end);
    out
}

pub(super) struct Writer<'a> {
    pub(super) entity: &'a Entity,
    pub(super) columns: &'a FieldSet,
    pub(super) style: Style,
}

impl Writer<'_> {
    /// The fields of an object that are wanted, each of them.
    pub(super) fn fields(&self, object: &Object, of: &str, fields: &Fields, members: &mut Members<'_>) {
        for (position, field) in (0_u16..).zip(&object.fields) {
            if !self.columns.any_in(&field.leaves) {
                continue;
            }
            let inner = format!("{of}_{}", field.name);
            let found = fields.at(position).unwrap_or(&Value::Null);
            if let Some(kind) = self.told_type(&field.shape, &inner, found) {
                members.text(&format!("{}@odata.type", field.name), &kind);
            }
            members.name(&field.name);
            self.value(&field.shape, &inner, found, members.out);
        }
    }

    fn value(&self, shape: &Shape, of: &str, found: &Value, out: &mut Vec<u8>) {
        match (shape, found) {
            (Shape::Leaf(_), found) => self.leaf(found, out),
            (Shape::Object(object), Value::Object(fields)) => self.object(object, of, fields, out),
            (Shape::List(item), found) => {
                out.push(b'[');
                let values = match found {
                    Value::List(values) => values.as_slice(),
                    _ => &[],
                };
                // A list holds no null.
                let values = values.iter().filter(|value| !matches!(value, Value::Null | Value::List(_)));
                for (n, value) in values.enumerate() {
                    if n > 0 {
                        out.push(b',');
                    }
                    self.value(item, of, value, out);
                }
                out.push(b']');
            }
            (Shape::Object(_), _) => out.extend_from_slice(b"null"),
        }
    }

    fn object(&self, object: &Object, of: &str, fields: &Fields, out: &mut Vec<u8>) {
        let mut members = Members::open(out);
        if self.style.level == Level::Full {
            members.text("@odata.type", &format!("#{}.{of}", names::NAMESPACE));
        }
        self.fields(object, of, fields, &mut members);
        members.close();
    }

    fn leaf(&self, found: &Value, out: &mut Vec<u8>) {
        match found {
            Value::Text(found) => json::text(found, out),
            Value::Boolean(_) => value::print(found, out),
            Value::Integer(_) | Value::Decimal(_) if !self.style.numbers_as_text => value::print(found, out),
            Value::Integer(_) | Value::Decimal(_) | Value::Date(_) | Value::Instant(_) => {
                out.push(b'"');
                value::print(found, out);
                out.push(b'"');
            }
            Value::Null | Value::Object(_) | Value::List(_) => out.extend_from_slice(b"null"),
        }
    }

    /// The type of a field as a reader cannot guess it; only where all is told.
    fn told_type(&self, shape: &Shape, of: &str, found: &Value) -> Option<String> {
        if self.style.level != Level::Full || matches!((shape, found), (Shape::Leaf(_), Value::Null)) {
            return None;
        }
        let leaf = |shape: &Shape| match shape {
            Shape::Leaf(leaf) => {
                let kind = self.entity.leaf(*leaf).map(|leaf| names::primitive(&leaf.kind));
                kind.map(|kind| kind.trim_start_matches("Edm."))
            }
            Shape::Object(_) | Shape::List(_) => None,
        };
        match shape {
            Shape::List(item) => Some(match leaf(item) {
                Some(name) => format!("#Collection({name})"),
                None => format!("#Collection({}.{of})", names::NAMESPACE),
            }),
            Shape::Object(_) => None,
            Shape::Leaf(id) => match self.entity.leaf(*id)?.kind {
                LeafKind::Text { .. } | LeafKind::Code(_) | LeafKind::Id | LeafKind::Boolean => None,
                LeafKind::Decimal | LeafKind::Integer | LeafKind::Date | LeafKind::Instant => {
                    Some(format!("#{}", leaf(shape)?))
                }
            },
        }
    }
}

pub(super) fn integer(style: Style, number: u64, out: &mut Vec<u8>) {
    if style.numbers_as_text {
        json::text(&number.to_string(), out);
    } else {
        out.extend_from_slice(number.to_string().as_bytes());
    }
}

/// The members of an object, one by one.
pub(super) struct Members<'a> {
    pub(super) out: &'a mut Vec<u8>,
    any: bool,
}

impl<'a> Members<'a> {
    pub(super) fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, any: false }
    }

    pub(super) fn name(&mut self, name: &str) {
        if self.any {
            self.out.push(b',');
        }
        self.any = true;
        json::text(name, self.out);
        self.out.push(b':');
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        json::text(value, self.out);
    }

    pub(super) fn close(self) {
        self.out.push(b'}');
    }
}

#[cfg(test)]
mod tests;
