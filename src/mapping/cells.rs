//! Rows that are tables inside: cells that stand by position under headers named elsewhere in the answer, and rows of
//! several figures, each of which is a record of its own.
//!
//! A cell is read where its header says, as if the row were an object of named values; lines do not know the difference.
//! A row whose cells are not as many as their headers is refused and counted: which value belongs to which name would be
//! a guess. Two headers of one name make every row such a guess, so then the answer is a fault of the system.

use super::{
    errors::SystemFault,
    inward::{Inward, RowFault},
    model::Mapping,
    path::{Path, Step},
    scan::{BadJson, Raw, Scanner},
    trie::{Node, Raws, walk},
};
use crate::schema::FieldSet;

/// LIMIT: records of one answer that the rows of a page may become.
pub(super) const RECORDS_MAX: u32 = 100_000;

/// How rows become records, where they are none as they stand.
#[derive(Debug, Default)]
pub(super) struct Cells {
    /// Native tree of the headers in an answer, and the size of its frame.
    pub(super) headers: Node,
    pub(super) frame: u16,
    pub(super) columns: Vec<Columns>,
    pub(super) unpivot: Option<Unpivot>,
}

/// Cells by position, and their names.
#[derive(Debug)]
pub(super) struct Columns {
    /// Slot of the list of headers in an answer, and of the name in one.
    pub(super) headers: u16,
    pub(super) name: u16,
    /// Native tree of the cells in a row, and the size of its frame.
    pub(super) row: Node,
    pub(super) frame: u16,
    /// Slot of the list of cells in a row, and of the value in one.
    pub(super) cells: u16,
    pub(super) value: u16,
    /// Under which names of the record the cells stand.
    pub(super) under: Path,
    /// Whether a row is the list of its cells.
    pub(super) is_row: bool,
}

/// Values of a row each of which makes a record.
#[derive(Debug)]
pub(super) struct Unpivot {
    /// The figures: what each is called, and its slot.
    pub(super) figures: Vec<(Box<str>, u16)>,
    /// The slots in which a record has the name and the value of its own figure.
    pub(super) name: u16,
    pub(super) value: u16,
    /// What a figure stands for that a row leaves out; without it there is no record of it.
    pub(super) absent: Option<Box<str>>,
}

/// Where each cell of a row goes, by the headers of one answer; none where no line reads it.
pub(super) type Headings = Vec<Vec<Option<u16>>>;

/// The rows of an answer.
#[derive(Debug)]
pub(super) struct Rows {
    /// Records, in the system's order.
    pub(super) records: Vec<Result<Inward, RowFault>>,
    /// Rows that they were, by which pages are counted.
    pub(super) natives: usize,
}

impl Cells {
    /// Whether rows are records as they stand.
    pub(super) fn is_plain(&self) -> bool {
        self.columns.is_empty() && self.unpivot.is_none()
    }

    /// How many records a row may become.
    pub(super) fn width(&self) -> usize {
        self.unpivot.as_ref().map_or(1, |unpivot| unpivot.figures.len())
    }
}

impl Mapping {
    /// The headers of an answer.
    pub(super) fn headings(&self, body: &[u8]) -> Result<Headings, SystemFault> {
        let cells = &self.cells;
        if cells.columns.is_empty() {
            return Ok(Vec::new());
        }
        let mut raws = Raws::default();
        raws.restart(cells.frame);
        let mut read = || {
            let mut scan = Scanner::new(body)?;
            walk(&mut scan, &cells.headers, 0, &mut raws, &mut |scan| scan.skip())?;
            scan.end()
        };
        read().map_err(SystemFault::bad_json)?;
        if raws.twice {
            return Err(SystemFault::unreadable(RowFault::Twice.to_string()));
        }
        cells.columns.iter().map(|columns| self.heading(columns, &raws)).collect()
    }

    fn heading(&self, columns: &Columns, raws: &Raws<'_>) -> Result<Vec<Option<u16>>, SystemFault> {
        let (first, count) = match raws.get(0, columns.headers) {
            Raw::Elements { first, count } => (first, count),
            // A system that leaves its headers out has no rows either: else each is refused.
            Raw::Absent | Raw::Null => return Ok(Vec::new()),
            _ => return Err(SystemFault::unreadable("there is no list where headers are due".to_owned())),
        };
        let place = self.record.at(columns.under.steps());
        let (mut slots, mut names) = (Vec::new(), std::collections::HashSet::new());
        for frame in raws.elements(first, count) {
            let Some(name) = raws.get(frame, columns.name).text() else {
                return Err(SystemFault::unreadable("a header of a column has no name".to_owned()));
            };
            slots.push(place.and_then(|place| place.find(&name)).and_then(|(_, node)| node.slot));
            if !names.insert(name) {
                return Err(SystemFault::unreadable("two columns have one name".to_owned()));
            }
        }
        Ok(slots)
    }

    /// The records of one row.
    pub(super) fn records<'a>(
        &'a self,
        scan: &mut Scanner<'a>,
        headings: &Headings,
        raws: &mut Raws<'a>,
        wanted: &FieldSet,
        into: &mut Vec<Result<Inward, RowFault>>,
    ) -> Result<(), BadJson> {
        if self.cells.is_plain() {
            into.push(self.row(scan, raws, wanted)?);
            return Ok(());
        }
        match self.spread(scan, headings, raws)? {
            Err(fault) => into.push(Err(fault)),
            Ok(()) => self.figures(raws, wanted, into),
        }
        Ok(())
    }

    /// Puts the cells of a row where their headers say.
    fn spread<'a>(
        &'a self,
        scan: &mut Scanner<'a>,
        headings: &Headings,
        raws: &mut Raws<'a>,
    ) -> Result<Result<(), RowFault>, BadJson> {
        raws.restart(self.frame);
        let is_row = match scan.peek()? {
            b'{' => true,
            b'[' => self.cells.columns.iter().any(|columns| columns.is_row),
            _ => false,
        };
        let cells = scan.clone();
        walk(scan, &self.record, 0, raws, &mut |scan| scan.skip())?;
        if !is_row {
            return Ok(Err(RowFault::NotAnObject));
        }
        for (columns, slots) in self.cells.columns.iter().zip(headings) {
            let mut row = Raws::default();
            row.restart(columns.frame);
            walk(&mut cells.clone(), &columns.row, 0, &mut row, &mut |scan| scan.skip())?;
            raws.twice |= row.twice;
            let (first, count) = match row.get(0, columns.cells) {
                Raw::Elements { first, count } => (first, count),
                _ => (0, 0),
            };
            if usize::try_from(count) != Ok(slots.len()) {
                return Ok(Err(RowFault::Cells));
            }
            for (frame, slot) in row.elements(first, count).zip(slots) {
                if let Some(slot) = slot {
                    raws.set(0, *slot, row.get(frame, columns.value));
                }
            }
        }
        raws.lift(&self.record, 0);
        Ok(if raws.twice { Err(RowFault::Twice) } else { Ok(()) })
    }

    /// A record of each figure; the record itself where there are none to tell apart.
    fn figures<'a>(
        &'a self,
        raws: &mut Raws<'a>,
        wanted: &FieldSet,
        into: &mut Vec<Result<Inward, RowFault>>,
    ) {
        let Some(unpivot) = &self.cells.unpivot else { return into.push(self.build(raws, wanted)) };
        for (name, slot) in &unpivot.figures {
            let raw = match (raws.get(0, *slot), &unpivot.absent) {
                (Raw::Absent | Raw::Null, Some(text)) => Raw::Text(text),
                (Raw::Absent | Raw::Null, None) => continue,
                (raw, _) => raw,
            };
            raws.set(0, unpivot.name, Raw::Text(name));
            raws.set(0, unpivot.value, raw);
            into.push(self.build(raws, wanted));
        }
    }
}

impl Node {
    /// The node at names; none where no line reads anything there.
    pub(super) fn at(&self, steps: &[Step]) -> Option<&Self> {
        steps.iter().try_fold(self, |node, step| match step {
            Step::Key(name) => node.find(name).map(|(_, child)| child),
            Step::Index(_)
            | Step::Up
            | Step::Answer
            | Step::Head
            | Step::Asked
            | Step::Received
            | Step::Over
            | Step::Find(..) => None,
        })
    }
}
