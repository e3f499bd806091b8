//! What is asked of the rows of a flat set.

use std::cmp::Ordering;

use super::{Flat, Item, ROW};
use crate::{
    odata::{
        fault::{Fault, told},
        filter::{self, RowFilter},
        options::{self, OF_COUNT, Servable, number},
    },
    schema::{
        Direction, Entity, FieldSet, Filter, LEAVES_MAX, LeafId, Record, Sort, Value, by_value,
        query::{Limits, QueryFaultKind},
    },
    words::nearest,
};

/// What may be asked of rows.
const OF_ROWS: [&str; 9] =
    ["$filter", "$select", "$expand", "$orderby", "$top", "$skip", "$count", "$skiptoken", "$format"];

/// What is asked of rows.
#[derive(Clone, Debug)]
pub struct WantedRows {
    /// Which records.
    pub filter: Filter,
    /// The leaves that are told of records.
    pub fields: FieldSet,
    /// The order of records, where rows follow it.
    pub sort: Vec<Sort>,
    /// `$top`: how many rows in all.
    pub top: Option<u64>,
    /// `$skip`: how many rows to pass over.
    pub skip: u64,
    /// `$count=true`.
    pub count: bool,
    /// `$skiptoken`: the cursor.
    pub cursor: Option<String>,
    flat: Flat,
    row: Filter,
    /// The order of rows, where it is none of records.
    order: Vec<(Key, Direction)>,
    pub(super) columns: FieldSet,
    /// Whether the record's id and the row's number are told.
    pub(super) keys: [bool; 2],
    pub(super) selected: Vec<String>,
    /// `$expand`: the leaves of the record beside each row.
    pub(super) record: Option<FieldSet>,
}

/// A row that was found.
#[derive(Clone, Debug)]
pub struct Row {
    /// The place of its record.
    pub record: usize,
    /// Its number there, from 1.
    pub number: u64,
    /// What it is ordered by.
    keys: Vec<Option<Value>>,
}

/// One key of an order of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    /// A field of the row.
    Own(LeafId),
    /// A field of its record.
    Record(LeafId),
    /// Its number.
    Number,
}

impl Flat {
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
        let mut wanted = self.everything(columns);
        for (name, value) in options::options(raw, &OF_ROWS)? {
            match name {
                "$filter" => self.filter(entity, &value, servable, limits, &mut wanted)?,
                "$select" => self.select(entity, &value, &mut wanted)?,
                "$expand" => wanted.record = Some(self.expand(entity, &value, visible)?),
                "$orderby" => self.order(entity, &value, servable, limits, &mut wanted)?,
                "$top" => wanted.top = Some(number("$top", &value)?),
                "$skip" => wanted.skip = number("$skip", &value)?,
                "$count" => wanted.count = options::boolean(&value)?,
                "$skiptoken" => wanted.cursor = Some(options::cursor(&value, limits)?),
                _ => {}
            }
        }
        if let Some(columns) = &wanted.record {
            wanted.fields = wanted.fields.union(columns);
        }
        Ok(wanted)
    }

    /// Reads the options of a count of rows.
    ///
    /// # Errors
    /// What is wrong, or not here.
    pub fn counted(
        &self,
        entity: &Entity,
        raw: &str,
        servable: Servable<'_>,
        visible: &FieldSet,
        limits: &Limits,
    ) -> Result<WantedRows, Fault> {
        let mut wanted = self.everything(self.leaves().intersection(visible));
        for (name, value) in options::options(raw, &OF_COUNT)? {
            match name {
                "$filter" => self.filter(entity, &value, servable, limits, &mut wanted)?,
                // It is read, and changes nothing.
                "$orderby" => {
                    self.order(entity, &value, servable, limits, &mut self.everything(FieldSet::EMPTY))?;
                }
                name => drop(number(name, &value)?),
            }
        }
        Ok(wanted)
    }

    /// Every row. All of the list is read whatever is selected: an item's number must not hang on it.
    fn everything(&self, columns: FieldSet) -> WantedRows {
        WantedRows {
            filter: Filter::everything(),
            fields: FieldSet::ID.union(&columns),
            sort: Vec::new(),
            top: None,
            skip: 0,
            count: false,
            cursor: None,
            flat: self.clone(),
            row: Filter::everything(),
            order: Vec::new(),
            columns,
            keys: [true; 2],
            selected: Vec::new(),
            record: None,
        }
    }

    fn filter(
        &self,
        entity: &Entity,
        value: &str,
        servable: Servable<'_>,
        limits: &Limits,
        wanted: &mut WantedRows,
    ) -> Result<(), Fault> {
        let bound = filter::rows(servable.names(entity, limits), self, filter::parse(value, servable.now)?)?;
        RowFilter { records: wanted.filter, row: wanted.row } = bound;
        Ok(())
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
                // What is expanded may be named too.
                path if path == self.one => continue,
                path if path == self.parent => keys = [true, keys[1]],
                ROW => keys = [keys[0], true],
                path if path.contains(['(', ')']) => {
                    return Err(Fault::unsupported("options inside `$select`"));
                }
                path => {
                    let full = format!("{}.{}", self.list, path.replace('/', "."));
                    let found = entity.leaves_under(&full).intersection(&all);
                    if found.is_empty() {
                        let message = format!("unknown field `{}`", told(path));
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

    /// The leaves of the record that are told beside each row.
    fn expand(&self, entity: &Entity, value: &str, visible: &FieldSet) -> Result<FieldSet, Fault> {
        let (name, selected) = options::only_select(value)?;
        if name != self.one {
            let message = match nearest(name, std::iter::once(&*self.one)) {
                Some(near) => format!("unknown navigation property `{}`, did you mean `{near}`?", told(name)),
                None => format!("unknown navigation property `{}`", told(name)),
            };
            return Err(Fault::of("$expand", QueryFaultKind::Unknown, message));
        }
        let selected = selected.map(|value| options::select(entity, visible, &[], value)).transpose()?;
        // LIMIT: with its list a record would be told as many times as it has items, each time with all of them.
        match selected.flatten() {
            None => Ok(visible.minus(&self.leaves())),
            Some(columns) if columns.intersection(&self.leaves()).is_empty() => Ok(columns),
            Some(_) => Err(Fault::unsupported(format!("`{}` beside the rows that are its items", self.list))),
        }
    }

    fn order(
        &self,
        entity: &Entity,
        value: &str,
        servable: Servable<'_>,
        limits: &Limits,
        wanted: &mut WantedRows,
    ) -> Result<(), Fault> {
        let mut keys: Vec<(Key, Direction)> = Vec::new();
        for (path, direction) in options::order_keys(value, limits.sort_keys_max)? {
            let key = self.key(entity, path, servable)?;
            if keys.iter().any(|(earlier, _)| *earlier == key) {
                return Err(options::twice(path));
            }
            keys.push((key, direction));
        }
        // Rows follow their records unless more is asked of them, and those have one place each by their ids.
        let by_id = keys.iter().any(|(key, _)| *key == Key::Record(LeafId(0)));
        let told = match keys.split_last() {
            Some(((Key::Number, Direction::Ascending), before)) if by_id => before,
            _ => &keys,
        };
        let of_records = told.iter().map(|(key, direction)| match key {
            Key::Record(leaf) => Some(Sort { leaf: *leaf, direction: *direction }),
            Key::Own(_) | Key::Number => None,
        });
        match of_records.collect::<Option<Vec<Sort>>>() {
            Some(sort) => wanted.sort = sort,
            None => wanted.order = keys,
        }
        Ok(())
    }

    fn key(&self, entity: &Entity, path: &str, servable: Servable<'_>) -> Result<Key, Fault> {
        if path == ROW {
            return Ok(Key::Number);
        }
        let of_record = self.of_record(path);
        let full = of_record.map_or_else(|| format!("{}/{path}", self.list), str::to_owned);
        let (id, leaf) = options::order_leaf(entity, servable, &full)?;
        // Of an item it is one value where no list stands in it.
        let is_single = match of_record {
            Some(_) => !leaf.in_list,
            None => filter::is_single_under(entity, &self.list, &full.replace('/', ".")),
        };
        if !is_single {
            let message = format!("`{}` has several values, so it cannot be an order", told(path));
            return Err(Fault::of("$orderby", QueryFaultKind::Operator, message));
        }
        Ok(if of_record.is_some() { Key::Record(id) } else { Key::Own(id) })
    }
}

impl WantedRows {
    /// Whether rows have an order that is none of their records.
    pub fn has_own_order(&self) -> bool {
        !self.order.is_empty()
    }

    /// Whether the record is told beside each row.
    pub fn tells_records(&self) -> bool {
        self.record.is_some()
    }

    /// The leaves of records that rows are ordered by.
    pub fn ordered_by(&self) -> FieldSet {
        let leaves = self.order.iter().filter_map(|(key, _)| match key {
            Key::Own(leaf) | Key::Record(leaf) => Some(*leaf),
            Key::Number => None,
        });
        leaves.collect()
    }

    /// The leaves of a record that say which of its rows are wanted, and where.
    pub fn looked_at(&self) -> FieldSet {
        self.fields.union(&self.row.leaves()).union(&self.ordered_by())
    }

    /// The rows of a record, as it is shown, that are wanted. `at` is its place.
    pub fn rows(&self, entity: &Entity, record: &Record, at: usize) -> Vec<Row> {
        let items = (1_u64..).zip(self.flat.items(entity, record));
        let wanted = items.filter(|(_, Item { shape, value, .. })| {
            self.row.is_everything()
                || self.row.matches_item((entity, record), &self.flat.items, (shape, value))
        });
        let row = |(number, item): (u64, Item<'_>)| {
            let key = |(key, _): &(Key, Direction)| match key {
                Key::Own(leaf) => item.shape.first(item.value, *leaf).cloned(),
                Key::Record(leaf) => record.first(entity, *leaf).cloned(),
                Key::Number => i64::try_from(number).ok().map(Value::Integer),
            };
            Row { record: at, number, keys: self.order.iter().map(key).collect() }
        };
        wanted.map(row).collect()
    }

    /// Puts rows into their order; those that are equal in all of it stay as they stand.
    pub fn put_in_order(&self, rows: &mut [Row]) {
        rows.sort_by(|a, b| {
            let keys = self.order.iter().zip(a.keys.iter().zip(&b.keys));
            let by_key = keys.map(|((_, way), (a, b))| by_value(a.as_ref(), b.as_ref(), *way));
            by_key.fold(Ordering::Equal, Ordering::then)
        });
    }
}
