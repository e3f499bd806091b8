//! A list of records that is told as the rows of one of their lists.
//!
//! What counts is the row: what is passed over, counted and put in order. Which rows a record has is what this caller
//! would be shown of it; the record is shown, and written down, where a row of it is told.

use super::List;
use crate::{
    catalog::Cursor,
    mapping::Inward,
    odata::{Row, WantedRows},
    policy,
    refusal::Refusal,
};

impl List<'_> {
    /// The rows of a record that this caller would be shown and asks for; none where it would not see the record, or
    /// no rows are asked for.
    pub(super) fn rows_of(&self, inward: &Inward, at: usize) -> Option<Vec<Row>> {
        let wanted = self.of_rows?;
        let outlook = self.admission.prospect().outlook();
        let (record, _) = policy::preview(outlook, inward.record.clone(), Some(&wanted.looked_at()))?;
        Some(wanted.rows(self.entity, &record, at))
    }

    /// How many a record counts for.
    pub(super) fn weight(&self, inward: &Inward) -> u64 {
        if self.of_rows.is_none() {
            return 1;
        }
        self.rows_of(inward, 0).and_then(|rows| u64::try_from(rows.len()).ok()).unwrap_or(0)
    }

    /// Passes over a record, where so many are still to be passed over; of its rows maybe some.
    pub(super) fn passes_over(&mut self, inward: &Inward) -> bool {
        if self.skip == 0 {
            return false;
        }
        let weight = self.weight(inward);
        match self.skip.checked_sub(weight) {
            Some(left) => {
                self.skip = left;
                true
            }
            None => {
                self.within = usize::try_from(std::mem::take(&mut self.skip)).unwrap_or(usize::MAX);
                false
            }
        }
    }

    /// Passes over a record that may be shown, or shows it.
    pub(super) fn pass_over_or_show(&mut self, inward: Inward) -> Result<(), Refusal> {
        if self.may_show(&inward)? && !self.passes_over(&inward) {
            self.show(inward);
        }
        Ok(())
    }

    /// Shows a record for its rows, those that are left of it; nothing of one that has none.
    pub(super) fn show_rows(&mut self, inward: Inward) {
        let Some(rows) = self.rows_of(&inward, 0) else { return self.tell(inward) };
        let rows: Vec<u64> =
            rows.iter().skip(std::mem::take(&mut self.within)).map(|row| row.number).collect();
        let before = self.shown.len();
        if !rows.is_empty() {
            self.tell(inward);
        }
        if self.shown.len() > before {
            self.rows.extend(rows.into_iter().map(|number| (before, number)));
        }
    }

    /// Rows in an order of their own: all records that the caller may see are gathered, up to a bound, and those are
    /// shown of which a row stands on the page.
    pub(super) async fn sorted_rows(
        &mut self,
        cursor: Cursor,
        wanted: &WantedRows,
    ) -> Result<Option<Cursor>, Refusal> {
        let records = self.all_from(&cursor).await?;
        let mut rows: Vec<Row> = Vec::new();
        for (at, inward) in records.iter().enumerate() {
            rows.extend(self.rows_of(inward, at).unwrap_or_default());
        }
        wanted.put_in_order(&mut rows);
        self.count = u64::try_from(rows.len()).ok().filter(|_| self.counted);
        let skip = u64::from(cursor.skip).saturating_add(std::mem::take(&mut self.skip));
        let from = usize::try_from(skip).unwrap_or(usize::MAX).min(rows.len());
        let to = from.saturating_add(self.limit()).min(rows.len());
        let mut records: Vec<Option<Inward>> = records.into_iter().map(Some).collect();
        let mut places: Vec<Option<usize>> = vec![None; records.len()];
        for row in rows.get(from..to).unwrap_or_default() {
            if let Some(inward) = records.get_mut(row.record).and_then(Option::take) {
                let before = self.shown.len();
                self.tell(inward);
                if let Some(place) = places.get_mut(row.record).filter(|_| self.shown.len() > before) {
                    *place = Some(before);
                }
            }
            if let Some(place) = places.get(row.record).copied().flatten() {
                self.rows.push((place, row.number));
            }
        }
        let skip = u32::try_from(to).map_err(|_| Refusal::Broken)?;
        Ok((to < rows.len()).then(|| Cursor { skip, turn: self.turn_of_all(), ..Cursor::default() }))
    }
}
