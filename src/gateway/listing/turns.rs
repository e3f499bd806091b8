//! Whose turn it is in a list of several systems: one after another, in the order in which `serves` names them.
//!
//! A system that cannot hold what is asked for is passed over. Where there is one system it is its turn from first to last.
//! An order of the caller's is left to a system only where no other has records to give; else all are sorted here.

use super::{
    super::{ids, tables},
    List, fetched,
};
use crate::{catalog::Cursor, config::EntitySource, refusal::Refusal, schema::Filter};

impl<'a> List<'a> {
    /// Gives the turn to the system of a cursor, or to one after it: where to begin there. None where no system is left.
    pub(super) async fn turn_of(&mut self, cursor: Cursor) -> Result<Option<Cursor>, Refusal> {
        if cursor.turn == Cursor::TOGETHER && cursor.turn == self.turn_of_all() {
            return Ok(self.turn_from(0).await?.then_some(cursor));
        }
        let turn = usize::from(cursor.turn);
        if turn >= self.sources.all().len() {
            return Err(Refusal::Cursor);
        }
        if !self.turn_from(turn).await? {
            return Ok(None);
        }
        // Of the place in a system that has nothing to give any more nothing is left.
        Ok(Some(if self.turn == turn { cursor } else { Cursor { turn: self.number(), ..Cursor::default() } }))
    }

    /// Gives the turn to the first system from a place on that can hold what is asked for. False where there is none.
    pub(super) async fn turn_from(&mut self, first: usize) -> Result<bool, Refusal> {
        for (turn, source) in self.sources.all().iter().enumerate().skip(first) {
            let left = source.left_of(&self.filter);
            if left.as_ref().is_some_and(Filter::is_nothing) {
                continue;
            }
            let asked =
                ids::filter(self.exchange, &source.mapping, left.as_ref().unwrap_or(&self.filter)).await?;
            if asked.as_ref().is_some_and(Filter::is_nothing) {
                continue;
            }
            self.asked = asked.or(left);
            self.turn = turn;
            self.give(source);
            // ORDER: before the system is asked for what goes by them.
            let goes_by = (&self.fetched, &self.must);
            tables::ready(self.exchange, self.admission, &source.mapping, goes_by).await?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Whose turn it is after a page: of the same system where there is a next one. None at the end of the list.
    pub(super) async fn turn_after(&mut self, next: Option<&str>) -> Result<Option<u8>, Refusal> {
        let goes_on = next.is_some() || self.turn_from(self.turn.saturating_add(1)).await?;
        Ok(goes_on.then(|| self.number()))
    }

    /// Whether no other system has records to give, from a cursor on.
    pub(super) fn is_last(&self, cursor: &Cursor) -> bool {
        let after = self.sources.all().iter().skip(self.turn.saturating_add(1));
        cursor.turn != Cursor::TOGETHER && !after.into_iter().any(|source| source.may_hold(&self.filter))
    }

    /// The turn of a place among the records of all systems.
    pub(super) fn turn_of_all(&self) -> u8 {
        if self.sources.only().is_some() { 0 } else { Cursor::TOGETHER }
    }

    /// What is asked of a system from now on.
    pub(super) fn give(&mut self, source: &'a EntitySource) {
        if !std::ptr::eq(self.source, source) {
            let prospect = self.admission.prospect();
            self.source = source;
            self.fetched = fetched(prospect, &source.mapping, self.query, &self.linking, &prospect.visible());
        }
    }

    fn number(&self) -> u8 {
        u8::try_from(self.turn).unwrap_or(Cursor::TOGETHER)
    }
}
