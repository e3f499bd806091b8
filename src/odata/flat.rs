//! Flat sets: the items of a list as rows of their own, for tools that load tables and follow no list inside a record.
//!
//! `order_lines` has a row for each item of `lines` of each order. A row is the item's own fields, the id of its record,
//! and its number there; those two are its key. Rows come out of records as those are shown, so nothing is in them that
//! the records do not show.

use super::{
    accept::{Level, Style},
    fault::Fault,
    filter::{self, RowFilter},
    json::{Members, Writer, integer},
    names,
    options::{self, Servable, number},
};
use crate::schema::{
    Entity, Field, FieldSet, Filter, Items, LEAVES_MAX, LeafId, Object, Record, Shape, Value,
    query::{Limits, QueryFaultKind},
};

/// The number of a row in its record, from 1.
pub(super) const ROW: &str = "row";
/// What may be asked of rows.
const OF_ROWS: [&str; 5] = ["$filter", "$select", "$top", "$skiptoken", "$format"];
/// What may be asked of records, and not of rows.
const OF_RECORDS_ALONE: [&str; 3] = ["$orderby", "$skip", "$count"];

/// A flat set of an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flat {
    /// Its name: `order_lines`.
    pub name: String,
    /// What names a row's record: `order_id`.
    pub(super) parent: String,
    /// The list's name, and its leaves.
    list: String,
    items: Items,
}

/// What is asked of rows.
#[derive(Clone, Debug)]
pub struct WantedRows {
    /// Which records.
    pub filter: Filter,
    /// The leaves that are read of records, for the rows and for what is asked of them.
    pub fields: FieldSet,
    /// `$top`: how many rows in all.
    pub top: Option<u64>,
    /// `$skiptoken`: the cursor.
    pub cursor: Option<String>,
    row: Filter,
    columns: FieldSet,
    /// Whether the record's id and the row's number are told.
    keys: [bool; 2],
    selected: Vec<String>,
}

impl Flat {
    /// The flat sets of an entity: one for each list of groups, whose fields are called otherwise than what is added.
    pub fn all(entity: &Entity) -> impl Iterator<Item = Self> {
        let one = snake(entity.name.as_str());
        let parent = format!("{one}_id");
        entity.root.fields.iter().filter_map(move |field| {
            let object = item_of(field)?;
            let is_taken = [&*parent, ROW].iter().any(|name| object.field(name).is_some());
            let items = Items::at(entity, &field.name).filter(|_| !is_taken)?;
            let (name, list) = (format!("{one}_{}", field.name), field.name.to_string());
            Some(Self { name, parent: parent.clone(), list, items })
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

    /// Reads the options of a list of rows. `visible` are the leaves that may be selected.
    ///
    /// # Errors
    /// What is wrong, or not here.
    pub fn wanted(
        &self,
        entity: &Entity,
        raw: &str,
        servable: Servable<'_>,
        visible: &FieldSet,
        limits: &Limits,
    ) -> Result<WantedRows, Fault> {
        let columns = self.leaves().intersection(visible);
        let mut wanted = WantedRows {
            filter: Filter::everything(),
            fields: FieldSet::ID.union(&columns),
            top: None,
            cursor: None,
            row: Filter::everything(),
            columns,
            keys: [true; 2],
            selected: Vec::new(),
        };
        for (name, value) in options::options(raw, &OF_ROWS).map_err(|fault| self.not_of_rows(raw, fault))? {
            match name {
                "$filter" => {
                    let (names, of) = (servable.names(entity, limits), (&*self.list, &*self.parent));
                    let bound = filter::rows(names, of, self.items.clone(), filter::parse(&value)?)?;
                    RowFilter { records: wanted.filter, row: wanted.row } = bound;
                }
                "$select" => self.select(entity, &value, &mut wanted)?,
                "$top" => wanted.top = Some(number("$top", &value)?),
                "$skiptoken" => wanted.cursor = Some(options::cursor(&value, limits)?),
                _ => {}
            }
        }
        if !wanted.columns.is_empty() {
            let asked = wanted.row.leaves().union(&wanted.filter.leaves());
            wanted.fields = FieldSet::ID.union(&wanted.columns).union(&asked.intersection(&wanted.fields));
        }
        Ok(wanted)
    }

    fn not_of_rows(&self, raw: &str, fault: Fault) -> Fault {
        let is_asked = |name: &&&str| options::has(raw, name);
        match OF_RECORDS_ALONE.iter().find(is_asked) {
            Some(name) => Fault::unsupported(format!("`{name}` of the rows of `{}`", self.name)),
            None => fault,
        }
    }

    fn select(&self, entity: &Entity, value: &str, wanted: &mut WantedRows) -> Result<(), Fault> {
        if value.split(',').nth(LEAVES_MAX).is_some() {
            let message = format!("at most {LEAVES_MAX} fields");
            return Err(Fault::of("$select", QueryFaultKind::TooMany, message));
        }
        let (all, mut columns, mut keys) = (wanted.columns, FieldSet::EMPTY, [false; 2]);
        let mut selected = Vec::new();
        for path in value.split(',').map(str::trim) {
            match path {
                "*" => return Ok(()),
                path if path == self.parent => keys = [true, keys[1]],
                ROW => keys = [keys[0], true],
                path if path.contains(['(', ')']) => {
                    return Err(Fault::unsupported("options inside `$select`"));
                }
                path => {
                    let full = format!("{}.{}", self.list, path.replace('/', "."));
                    let found = entity.leaves_under(&full).intersection(&all);
                    if found.is_empty() {
                        let message = format!("unknown field `{}`", super::fault::told(path));
                        return Err(Fault::of("$select", QueryFaultKind::Unknown, message));
                    }
                    columns = columns.union(&found);
                }
            }
            selected.push(path.to_owned());
        }
        (wanted.columns, wanted.keys, wanted.selected) = (columns, keys, selected);
        Ok(())
    }

    /// A page of rows: those of records, in their order, `top` at most; and how many they are.
    pub fn page(
        &self,
        (style, root): (Style, &str),
        entity: &Entity,
        records: &[&Record],
        wanted: &WantedRows,
        next: &dyn Fn(u64) -> Option<String>,
    ) -> (Vec<u8>, u64) {
        let mut out = Vec::with_capacity(256 + records.len() * 1024);
        let mut members = Members::open(&mut out);
        if style.level != Level::None {
            let of = if wanted.selected.is_empty() {
                String::new()
            } else {
                format!("({})", wanted.selected.join(","))
            };
            members.text("@odata.context", &format!("{root}$metadata#{}{of}", self.name));
        }
        members.name("value");
        members.out.push(b'[');
        let most = wanted.top.unwrap_or(u64::MAX);
        let mut told = 0_u64;
        for record in records {
            for (number, object, item) in self.rows(entity, record) {
                let is_wanted = wanted.row.is_everything() || wanted.row.matches_item(object.0, item);
                if told >= most || !is_wanted {
                    continue;
                }
                if told > 0 {
                    members.out.push(b',');
                }
                told = told.saturating_add(1);
                self.row((style, entity), record, (number, object.1, item), wanted, members.out);
            }
        }
        members.out.push(b']');
        if let Some(next) = next(told) {
            members.text("@odata.nextLink", &next);
        }
        members.close();
        (out, told)
    }

    /// The items of a record that are rows, with their numbers.
    fn rows<'r>(
        &self,
        entity: &'r Entity,
        record: &'r Record,
    ) -> impl Iterator<Item = (u64, (&'r Shape, &'r Object), &'r Value)> {
        let field = entity.root.field(&self.list);
        let parts = field.and_then(|(position, field)| {
            let (Shape::List(shape), Some(object)) = (&field.shape, item_of(field)) else { return None };
            let Some(Value::List(values)) = record.fields.at(position) else { return None };
            Some((&**shape, object, values))
        });
        parts.into_iter().flat_map(|(shape, object, values)| {
            let items = values.iter().filter(|value| matches!(value, Value::Object(_)));
            (1_u64..).zip(items).map(move |(number, item)| (number, (shape, object), item))
        })
    }

    fn row(
        &self,
        (style, entity): (Style, &Entity),
        record: &Record,
        (number, object, item): (u64, &Object, &Value),
        wanted: &WantedRows,
        out: &mut Vec<u8>,
    ) {
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
        if let Value::Object(fields) = item {
            let writer = Writer { entity, columns: &wanted.columns, style };
            writer.fields(object, &self.item_kind(entity), fields, &mut members);
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
