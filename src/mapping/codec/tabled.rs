//! The table of a line: one of the file, or one that its system tells and that is swapped as a whole.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::{ArcSwapOption, Guard};

use super::Table;

/// Where a line's table stands.
#[derive(Clone, Debug)]
pub(in crate::mapping) enum Tabled {
    /// In the file.
    Fixed(Arc<Table>),
    /// In a cell, at this place.
    Live(Arc<Cell>, usize),
}

/// What a system told last of a table: what its rows mean to each of the lines that use it. None before it was told.
#[derive(Debug, Default)]
pub(in crate::mapping) struct Cell {
    held: ArcSwapOption<Vec<Table>>,
    /// Whether something was read that it does not know.
    missed: AtomicBool,
}

/// A table as it is now.
pub(in crate::mapping) enum Known<'t> {
    /// One of the file.
    Fixed(&'t Table),
    /// One that was told; it stays as it is while it is looked at. INVARIANT: it has the place.
    Live(Guard<Option<Arc<Vec<Table>>>>, usize),
}

impl Tabled {
    /// The table as it is now; none of one that was never told.
    #[inline]
    pub(in crate::mapping) fn now(&self) -> Option<Known<'_>> {
        match self {
            Self::Fixed(table) => Some(Known::Fixed(table)),
            Self::Live(cell, at) => {
                let held = cell.held.load();
                let has_place = held.as_ref().is_some_and(|tables| tables.get(*at).is_some());
                has_place.then_some(Known::Live(held, *at))
            }
        }
    }

    /// The table, where it is the same whatever the system tells.
    pub(in crate::mapping) fn fixed(&self) -> Option<&Table> {
        match self {
            Self::Fixed(table) => Some(table),
            Self::Live(..) => None,
        }
    }

    /// Notes that something was read which the table does not know.
    pub(in crate::mapping) fn missed(&self) {
        match self {
            Self::Fixed(_) => {}
            Self::Live(cell, _) => cell.missed.store(true, Ordering::Relaxed),
        }
    }
}

impl Cell {
    /// Takes the tables of all lines at once, or none any more.
    pub(in crate::mapping) fn hold(&self, tables: Option<Vec<Table>>) {
        self.held.store(tables.map(Arc::new));
        self.missed.store(false, Ordering::Relaxed);
    }

    /// Whether it holds any.
    pub(in crate::mapping) fn is_told(&self) -> bool {
        self.held.load().is_some()
    }

    /// Whether something was read since that it does not know.
    pub(in crate::mapping) fn has_missed(&self) -> bool {
        self.missed.load(Ordering::Relaxed)
    }
}

/// What stands at a place that is none.
static NOTHING: std::sync::LazyLock<Table> = std::sync::LazyLock::new(Table::default);

impl Deref for Known<'_> {
    type Target = Table;

    fn deref(&self) -> &Table {
        match self {
            Self::Fixed(table) => table,
            Self::Live(held, at) => held.as_ref().and_then(|tables| tables.get(*at)).unwrap_or(&NOTHING),
        }
    }
}
