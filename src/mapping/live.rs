//! Value tables that a system tells itself: which of its own ids mean what differs from one installation to the next.
//!
//! A [`LiveTable`] says how its rows are asked for ([`LiveTable::listing`]), reads them ([`LiveTable::read`]) and takes
//! them ([`LiveTable::fill`]): the lines that use it go by them from then on, all of them at once. Before that they tell
//! nothing, unless the file says what stands in. Whoever asks the system decides when; what
//! came last is kept here.

use std::{collections::HashMap, sync::Arc, time::Duration};

use compact_str::CompactString;
use jiff::Timestamp;
use parking_lot::RwLock;

use super::{
    codec::{Cell, Codec, Table},
    errors::SystemFault,
    inward::{Inward, RowFault},
    listing::{ListError, Listing},
    load::written,
    model::Mapping,
    native::NativeAnswer,
};
use crate::{
    schema::{Entity, FieldSet, Filter, LeafId, Value},
    words::{Diagnostic, Diagnostics, EntityName, Place},
};

/// A table of a system's file that the system fills.
#[derive(Debug)]
pub struct LiveTable {
    pub(super) name: Box<str>,
    /// Its rows as records: the id is the native value, each other field a meaning.
    pub(super) rows: Mapping,
    pub(super) aged: Duration,
    pub(super) again: Duration,
    /// LIMIT: rows.
    pub(super) rows_max: usize,
    /// The lines that use it, in the order of their tables in the cell.
    pub(super) uses: Vec<Use>,
    pub(super) cell: Arc<Cell>,
    /// What stands in until it was told.
    pub(super) stand_in: Option<Vec<LiveRow>>,
    /// An answer of the system, for samples.
    pub(super) sample: Option<(Place, String)>,
    /// What was told last; none before.
    pub(super) told: RwLock<Option<Arc<[LiveRow]>>>,
}

/// A row: a value of the system's, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveRow {
    pub(super) native: CompactString,
    /// By the number of the meaning.
    pub(super) means: Vec<Option<CompactString>>,
}

/// A line that goes by a table.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) entity: EntityName,
    pub(super) leaf: LeafId,
    pub(super) field: Box<str>,
    pub(super) meaning: usize,
    /// How values are spelt in the file.
    pub(super) codec: Codec,
    pub(super) back: Vec<(Value, Box<str>)>,
    pub(super) one_way: Vec<Value>,
    pub(super) is_written: bool,
}

/// Values of a line that cannot be written: several native ones mean each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Several {
    /// The entity.
    pub entity: EntityName,
    /// The field.
    pub field: String,
    /// Each value, with the native ones.
    pub values: Vec<(String, Vec<String>)>,
}

impl LiveTable {
    /// Its name in the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How long rows are fresh.
    pub fn aged(&self) -> Duration {
        self.aged
    }

    /// How soon at the earliest it is asked for again, after it failed or for a value that it does not know.
    pub fn again(&self) -> Duration {
        self.again
    }

    /// Whether lines can go by it: it was told, or something stands in.
    pub fn is_there(&self) -> bool {
        self.cell.is_told()
    }

    /// How many rows the system told; none where it never did.
    pub fn told(&self) -> Option<usize> {
        self.told.read().as_ref().map(|rows| rows.len())
    }

    /// Whether something was read that it does not know, since it was told.
    pub fn has_missed(&self) -> bool {
        self.cell.has_missed()
    }

    /// The request for its rows, or for the next page of them.
    ///
    /// # Errors
    /// The cursor is none of its list.
    pub fn listing(&self, now: Timestamp, cursor: Option<&str>) -> Result<Listing, ListError> {
        let (all, every) = (self.rows.entity().all(), Filter::everything());
        self.rows.list_at(Some(now), &all, (&every, &[]), cursor, u32::MAX)
    }

    /// Reads a page of rows: the cursor of the next one, where there is one.
    ///
    /// # Errors
    /// What the system said went wrong, that its answer is none, or that there are more rows than may be.
    pub fn read(
        &self,
        listing: &Listing,
        answer: &NativeAnswer,
        into: &mut Vec<LiveRow>,
    ) -> Result<Option<String>, SystemFault> {
        let page = self.rows.inward_list(listing, answer, &self.rows.entity().all())?;
        self.take(page.rows, into)?;
        match page.truncated {
            true => Err(SystemFault::unreadable("the table does not come to its end".to_owned())),
            false => Ok(page.next),
        }
    }

    fn take(&self, rows: Vec<Result<Inward, RowFault>>, into: &mut Vec<LiveRow>) -> Result<(), SystemFault> {
        for row in rows {
            match row {
                Ok(row) => into.push(self.row(&row)),
                // One that `where` leaves out, or that has no value of its own to mean anything by.
                Err(RowFault::Other | RowFault::NoKey | RowFault::Gone) => {}
                Err(fault @ (RowFault::Twice | RowFault::NotAnObject | RowFault::Cells)) => {
                    return Err(SystemFault::unreadable(fault.to_string()));
                }
            }
            if into.len() > self.rows_max {
                let text = format!("the table has more than {} rows", self.rows_max);
                return Err(SystemFault::unreadable(text));
            }
        }
        Ok(())
    }

    fn row(&self, row: &Inward) -> LiveRow {
        let entity = self.rows.entity();
        let meanings = entity.all().minus(&FieldSet::ID);
        let text = |leaf| row.record.first(entity, leaf).and_then(Value::as_text).map(CompactString::from);
        LiveRow { native: row.id.clone(), means: meanings.iter().map(text).collect() }
    }

    /// Goes by these rows from now on; what of it cannot be written.
    ///
    /// # Errors
    /// There is none: that would make every value one that nobody knows.
    pub fn fill(&self, rows: Vec<LiveRow>) -> Result<Vec<Several>, SystemFault> {
        if rows.is_empty() {
            return Err(SystemFault::unreadable("the table has no rows".to_owned()));
        }
        let several = self.hold(&rows);
        *self.told.write() = Some(rows.into());
        Ok(several)
    }

    /// Takes over what another of the same file was told; false where it was told nothing.
    pub fn inherit(&self, other: &Self) -> bool {
        let told = other.told.read().clone();
        told.is_some_and(|rows| self.fill(rows.to_vec()).is_ok())
    }

    /// What stands in, until it is told.
    pub(super) fn rest(&self) {
        match &self.stand_in {
            Some(rows) => drop(self.hold(rows)),
            None => self.cell.hold(None),
        }
    }

    /// What its sample says, or else what stands in: for samples and for those who try a file.
    pub(super) fn rehearse(&self) -> Result<(), Diagnostic> {
        let Some((place, sample)) = &self.sample else {
            self.rest();
            return Ok(());
        };
        let rows = self.sampled(sample).map_err(|fault| {
            Diagnostic::error(place, format!("the sample of table `{}` does not read: {fault}", self.name))
        })?;
        self.hold(&rows);
        Ok(())
    }

    fn sampled(&self, sample: &str) -> Result<Vec<LiveRow>, SystemFault> {
        let answer = super::check::answer_of(sample);
        let listing =
            self.rows.listing_of_answer(u32::MAX).map_err(|why| SystemFault::unreadable(why.to_string()))?;
        let (_, _, rows) = self.rows.listed(&listing, &answer, &self.rows.entity().all())?;
        let mut told = Vec::new();
        self.take(rows.records, &mut told)?;
        match told.is_empty() {
            true => Err(SystemFault::unreadable("it has no rows".to_owned())),
            false => Ok(told),
        }
    }

    fn hold(&self, rows: &[LiveRow]) -> Vec<Several> {
        let tables: Vec<_> = self.uses.iter().map(|line| line.table(rows)).collect();
        let several = self.uses.iter().zip(&tables).filter_map(|(line, table)| line.several(table)).collect();
        self.cell.hold(Some(tables));
        several
    }

    /// Tells what the lines that use it could never mean.
    pub(super) fn check(&self, found: &mut Diagnostics) {
        if let Err(why) = self.rehearse() {
            found.push(why);
        }
    }

    /// The leaves of an entity that go by it, with the amounts that are nothing without their currency.
    pub(super) fn leaves(&self, entity: &Entity) -> FieldSet {
        let own: FieldSet =
            self.uses.iter().filter(|line| line.entity == entity.name).map(|line| line.leaf).collect();
        let amounts = entity.amounts().filter(|(_, money)| own.contains(money.currency));
        amounts.fold(own, |all, (amount, _)| all.union(&FieldSet::of(amount)))
    }
}

impl Use {
    /// What rows mean to this line. A native value that two rows give two meanings has none.
    fn table(&self, rows: &[LiveRow]) -> Table {
        let mut meant: HashMap<&str, Option<Value>> = HashMap::new();
        for row in rows {
            let value = row.means.get(self.meaning).and_then(Option::as_deref);
            let value = value.and_then(|text| self.codec.parse(text).ok());
            meant
                .entry(&row.native)
                .and_modify(|one| *one = one.take().filter(|one| Some(one) == value.as_ref()))
                .or_insert(value);
        }
        let mut table = Table { one_way: self.one_way.clone(), ..Table::default() };
        for row in rows {
            if let Some(Some(value)) = meant.remove(&*row.native) {
                table.read.insert(row.native.as_str().into(), value.clone());
                table.rows.push((row.native.as_str().into(), value));
            }
        }
        let is_so = |(value, native): &&(Value, Box<str>)| table.read.get(native) == Some(value);
        table.back = self.back.iter().filter(is_so).cloned().collect();
        let mut several = Vec::new();
        for (at, (_, value)) in table.rows.iter().enumerate() {
            let is_again = table.rows.iter().take(at).any(|(_, other)| other == value);
            let is_said = table.back.iter().any(|(said, _)| said == value) || self.one_way.contains(value);
            if is_again && !is_said && !several.contains(value) {
                several.push(value.clone());
            }
        }
        table.one_way.extend(several.iter().cloned());
        table.several = several;
        table
    }

    /// What of a line that is written cannot be.
    fn several(&self, table: &Table) -> Option<Several> {
        let natives = |value: &Value| table.natives(value).map(str::to_owned).collect();
        let values: Vec<_> = table.several.iter().map(|value| (written(value), natives(value))).collect();
        let told = Several { entity: self.entity.clone(), field: self.field.to_string(), values };
        (self.is_written && !told.values.is_empty()).then_some(told)
    }
}
