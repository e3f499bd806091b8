//! Flat sets: the items of a list as rows of their own, for tools that load tables and follow no list inside a record.
//!
//! `order_lines` has a row for each item of `lines` of each order. A row is the item's own fields, the id of its record,
//! and its number there; those two are its key. `order` leads to its record: rows are filtered and ordered by fields of
//! it, and it is told beside them where it is asked for. Rows come out of records as those are shown, so nothing is in
//! them that the records do not show.

mod wanted;

use super::{
    accept::{Level, Style},
    json::{self, Frame, Members, Writer, integer},
    names,
};
use crate::schema::{Entity, Field, FieldSet, Items, LeafId, Object, Record, Shape, Value};

pub use wanted::{Row, WantedRows};

/// The number of a row in its record, from 1.
pub(super) const ROW: &str = "row";

/// A flat set of an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flat {
    /// Its name: `order_lines`.
    pub name: String,
    /// What leads to a row's record: `order`.
    pub(super) one: String,
    /// What names a row's record: `order_id`.
    pub(super) parent: String,
    /// The list's name, and its leaves.
    pub(super) list: String,
    pub(super) items: Items,
}

/// What stands around rows.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// How they are written.
    pub style: Style,
    /// The address of the service document.
    pub root: &'a str,
    /// How many there are in all, where they were counted.
    pub count: Option<u64>,
    /// Where the next page stands.
    pub next: Option<&'a str>,
}

/// An item of a list, its shape and the group that it is.
#[derive(Clone, Copy)]
struct Item<'a> {
    shape: &'a Shape,
    object: &'a Object,
    value: &'a Value,
}

impl Flat {
    /// The flat sets of an entity: one for each list of groups, whose fields are called otherwise than what is added.
    pub fn all(entity: &Entity) -> impl Iterator<Item = Self> {
        let one = snake(entity.name.as_str());
        let parent = format!("{one}_id");
        entity.root.fields.iter().filter_map(move |field| {
            let object = item_of(field)?;
            let is_taken = [&*one, &*parent, ROW].iter().any(|name| object.field(name).is_some());
            let items = Items::at(entity, &field.name).filter(|_| !is_taken)?;
            let (name, list) = (format!("{one}_{}", field.name), field.name.to_string());
            Some(Self { name, one: one.clone(), parent: parent.clone(), list, items })
        })
    }

    /// The leaves of its rows.
    pub fn leaves(&self) -> FieldSet {
        self.items.leaves()
    }

    pub(super) fn kind(&self, entity: &Entity) -> String {
        format!("{}__row", self.item_kind(entity))
    }

    pub(super) fn item_kind(&self, entity: &Entity) -> String {
        format!("{}_{}", entity.name, self.list)
    }

    /// The group that a row is.
    pub(super) fn object<'e>(&self, entity: &'e Entity) -> Option<&'e Object> {
        entity.root.field(&self.list).and_then(|(_, field)| item_of(field))
    }

    /// A leaf's path as rows have it.
    pub(super) fn of<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_prefix(&*self.list)?.strip_prefix(['.', '/'])
    }

    /// The path in a row's record of what rows call so; none of what is a row's own.
    pub(super) fn of_record<'p>(&self, path: &'p str) -> Option<&'p str> {
        if path == self.parent { Some("id") } else { path.strip_prefix(&*self.one)?.strip_prefix('/') }
    }

    /// Writes a page: rows of records, by the record's place among them and the row's number there.
    pub fn page(
        &self,
        around: &Around<'_>,
        (entity, records): (&Entity, &[&Record]),
        rows: &[(usize, u64)],
        wanted: &WantedRows,
    ) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + rows.len() * 256);
        let mut members = Members::open(&mut out);
        if around.style.level != Level::None {
            members.text("@odata.context", &self.context(around, entity, wanted));
        }
        if let Some(count) = around.count {
            members.name("@odata.count");
            integer(around.style, count, members.out);
        }
        members.name("value");
        members.out.push(b'[');
        let found = rows.iter().filter_map(|(at, number)| {
            let record = records.get(*at)?;
            let nth = usize::try_from(number.checked_sub(1)?).ok()?;
            Some((*record, *number, self.items(entity, record).nth(nth)?))
        });
        for (n, (record, number, item)) in found.enumerate() {
            if n > 0 {
                members.out.push(b',');
            }
            self.row(around, (entity, record), (number, item), wanted, members.out);
        }
        members.out.push(b']');
        if let Some(next) = around.next {
            members.text("@odata.nextLink", next);
        }
        members.close();
        out
    }

    fn context(&self, around: &Around<'_>, entity: &Entity, wanted: &WantedRows) -> String {
        let mut listed = wanted.selected.clone();
        if let Some(columns) = &wanted.record {
            listed.push(format!("{}({})", self.one, names::selected(entity, columns).join(",")));
        }
        let of = if listed.is_empty() { String::new() } else { format!("({})", listed.join(",")) };
        format!("{}$metadata#{}{of}", around.root, self.name)
    }

    /// The items of a record that are rows.
    fn items<'r>(&self, entity: &'r Entity, record: &'r Record) -> impl Iterator<Item = Item<'r>> {
        let field = entity.root.field(&self.list);
        let parts = field.and_then(|(position, field)| {
            let (Shape::List(shape), Some(object)) = (&field.shape, item_of(field)) else { return None };
            let Some(Value::List(values)) = record.fields.at(position) else { return None };
            Some((&**shape, object, values))
        });
        parts.into_iter().flat_map(|(shape, object, values)| {
            let items = values.iter().filter(|value| matches!(value, Value::Object(_)));
            items.map(move |value| Item { shape, object, value })
        })
    }

    fn row(
        &self,
        around: &Around<'_>,
        (entity, record): (&Entity, &Record),
        (number, item): (u64, Item<'_>),
        wanted: &WantedRows,
        out: &mut Vec<u8>,
    ) {
        let style = around.style;
        let mut members = Members::open(out);
        if style.level == Level::Full {
            members.text("@odata.type", &format!("#{}.{}", names::NAMESPACE, self.kind(entity)));
        }
        let [id, row] = wanted.keys;
        if let Some(id) = record.first(entity, LeafId(0)).and_then(Value::as_text).filter(|_| id) {
            members.text(&self.parent, id);
        }
        if row {
            if style.level == Level::Full {
                members.text(&format!("{ROW}@odata.type"), "#Int64");
            }
            members.name(ROW);
            integer(style, number, members.out);
        }
        if let Value::Object(fields) = item.value {
            let writer = Writer { entity, columns: &wanted.columns, style };
            writer.fields(item.object, &self.item_kind(entity), fields, &mut members);
        }
        if let Some(columns) = &wanted.record {
            let frame = Frame { style, root: around.root, columns, selected: true };
            members.name(&self.one);
            json::nested(&frame, entity, record, members.out);
        }
        members.close();
    }
}

/// The group that each item of a list is; none of another field.
fn item_of(field: &Field) -> Option<&Object> {
    match &field.shape {
        Shape::List(item) => match &**item {
            Shape::Object(object) => Some(object),
            Shape::Leaf(_) | Shape::List(_) => None,
        },
        Shape::Leaf(_) | Shape::Object(_) => None,
    }
}

/// `StockLevel` as `stock_level`.
fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len().saturating_add(2));
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}
