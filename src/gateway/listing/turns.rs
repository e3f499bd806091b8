//! Whose turn it is in a list of several systems: one after another, in the order in which `serves` names them.
//!
//! A system that cannot hold what is asked for is passed over. Where there is one system it is its turn from first to last.
//! A system that lists its records once for each of some parents does so in their order, one parent after another.
//! An order of the caller's is left to a system only where no other has records to give; else all are sorted here.

use std::sync::Arc;

use super::{
    super::{ids, over, tables},
    List, fetched,
};
use crate::{
    catalog::Cursor,
    config::EntitySource,
    mapping::{GoesOn, Listing, Parent},
    refusal::Refusal,
    schema::Filter,
};

/// What the lists of a system run over.
pub(super) struct Parents {
    /// In order. INVARIANT: there is one.
    all: Vec<Arc<Parent>>,
    /// Whose records are listed.
    at: usize,
}

impl Parents {
    /// The parent whose records are listed.
    pub(super) fn now(&self) -> Option<&Arc<Parent>> {
        self.all.get(self.at)
    }

    /// Turns to the next parent; none after the last.
    fn next(&mut self) -> Option<Arc<Parent>> {
        let next = self.all.get(self.at.saturating_add(1))?.clone();
        self.at = self.at.saturating_add(1);
        Some(next)
    }
}

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
        let first = |turn| Cursor { turn, ..Cursor::default() };
        if self.turn != turn {
            return Ok(Some(first(self.number())));
        }
        let Some(parents) = &mut self.parents else { return Ok(Some(cursor)) };
        match self.source.mapping.parent_at(&parents.all, cursor.native.as_deref()) {
            None => Err(Refusal::Cursor),
            Some(Some((at, goes_on))) => {
                parents.at = at;
                // Of the place in a parent that is gone nothing is left.
                Ok(Some(if goes_on == GoesOn::There { cursor } else { first(cursor.turn) }))
            }
            Some(None) => {
                let is_left = self.turn_from(turn.saturating_add(1)).await?;
                Ok(is_left.then(|| first(self.number())))
            }
        }
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
            let asked = asked.or(left);
            let filter = asked.as_ref().unwrap_or(&self.filter);
            let parents = over::parents(self.exchange, self.admission, source, filter).await?;
            if parents.as_ref().is_some_and(Vec::is_empty) {
                continue;
            }
            self.parents = parents.map(|all| Parents { all, at: 0 });
            self.asked = asked;
            self.turn = turn;
            self.give(source);
            // ORDER: before the system is asked for what goes by them.
            let goes_by = (&self.fetched, &self.must);
            tables::ready(self.exchange, self.admission, &source.mapping, goes_by).await?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Where the list goes on after a page: in the same system where there is a next one. None at the end of the list.
    pub(super) async fn turn_after(
        &mut self,
        listing: &Listing,
        next: Option<String>,
    ) -> Result<Option<Cursor>, Refusal> {
        if next.is_some() {
            return Ok(Some(Cursor { native: next, turn: self.number(), ..Cursor::default() }));
        }
        if let Some(parents) = &mut self.parents
            && let Some(parent) = parents.next()
        {
            let native = Some(self.beginning(listing, &parent)?);
            return Ok(Some(Cursor { native, turn: self.number(), ..Cursor::default() }));
        }
        let goes_on = self.turn_from(self.turn.saturating_add(1)).await?;
        Ok(goes_on.then(|| Cursor { turn: self.number(), ..Cursor::default() }))
    }

    /// The first page of a parent's records.
    pub(super) fn beginning(&self, listing: &Listing, parent: &Parent) -> Result<String, Refusal> {
        listing.begins(parent).map_err(|fault| self.exchange.refused_by(self.source.name(), fault))
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
            self.size = None;
            self.fetched = fetched(prospect, &source.mapping, self.query, &self.linking, &prospect.visible());
        }
    }

    fn number(&self) -> u8 {
        u8::try_from(self.turn).unwrap_or(Cursor::TOGETHER)
    }
}
