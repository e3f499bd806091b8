//! `columns` and `unpivot` — rows of cells under headers, and figures of a row that are records of their own.

use super::{path, place};
use crate::{
    mapping::{
        cells::{Cells, Columns, RECORDS_MAX, Unpivot},
        key::Key,
        model::{Call, ListCall},
        path::{Path, Step},
        trie::Frame,
    },
    schema::FieldSet,
    words::{
        Diagnostic, Diagnostics,
        tree::Node,
        yaml::{FromYaml, Keys, expected},
    },
};

/// Most lists of cells in a row.
const COLUMNS_MAX: usize = 8;
/// Most figures of a row.
const FIGURES_MAX: usize = 64;

/// Both, as written.
#[derive(Default)]
pub(super) struct Written {
    pub(super) cells: Cells,
    /// Where the figures of a row stand.
    figures: Vec<Path>,
    /// Where a record has its own one, by name and value.
    own: Option<Path>,
}

/// Reads both, if they are there.
pub(super) fn load(
    keys: &mut Keys<'_>,
    record: &mut Frame,
    is_json: bool,
    found: &mut Diagnostics,
) -> Written {
    let (columns, unpivot) = (keys.take("columns"), keys.take("unpivot"));
    let mut written = Written::default();
    if let (Some(node), false) = (columns.or(unpivot), is_json) {
        found.error(&node.place, "cells and figures are read of a system that answers in JSON");
        return written;
    }
    if let Some(node) = columns {
        let nodes = node.as_list().unwrap_or(std::slice::from_ref(node));
        if nodes.len() > COLUMNS_MAX {
            found.error(&node.place, format!("a row has at most {COLUMNS_MAX} lists of cells"));
        }
        let mut headers = Frame::default();
        let read = |node| one(node, record, &mut headers, found);
        written.cells.columns = nodes.iter().take(COLUMNS_MAX).filter_map(read).collect();
        if !headers.finish() {
            found.error(&node.place, "a name in `columns` is too long");
        }
        (written.cells.headers, written.cells.frame) = (headers.root, headers.slots);
    }
    if let Some(node) = unpivot {
        unpivoted(node, record, &mut written, found);
    }
    written
}

/// One list of cells, with its headers.
fn one(node: &Node, record: &mut Frame, headers: &mut Frame, found: &mut Diagnostics) -> Option<Columns> {
    let mut keys = Keys::of(node, found)?;
    let (list, cells): (Option<Node>, Option<Node>) =
        (keys.required("headers", found), keys.required("cells", found));
    let mut part = |key, found: &mut Diagnostics| {
        keys.take(key).map_or(Some(Path::default()), |node| place(node, found))
    };
    let (name, value) = (part("name", found), part("value", found));
    let under = part("under", found);
    keys.finish(found);
    let (list, cells_node) = (place(&list?, found)?, cells?);
    let (cells, name, value, under) = (place(&cells_node, found)?, name?, value?, under?);
    if under.steps().iter().any(|step| !matches!(step, Step::Key(_))) {
        found.error(&node.place, "`under` is made of names");
        return None;
    }
    let mut header = Frame::default();
    let name = header.slot(name.steps());
    let list = headers.each(list.steps(), "", header);
    let (mut row, mut cell) = (Frame::default(), Frame::default());
    let value = cell.slot(value.steps());
    let each = row.each(cells.steps(), "", cell);
    // What the cells stand in is known, and nothing that no line reads.
    if !cells.steps().is_empty() {
        record.slot(cells.steps());
    }
    let fits = row.finish();
    let (Some(list), Some(each), true) = (list, each, fits) else {
        found.error(&node.place, "these headers or cells are named already, or a name is too long");
        return None;
    };
    let is_row = cells.steps().is_empty();
    Some(Columns { headers: list, name, row: row.root, frame: row.slots, cells: each, value, under, is_row })
}

fn unpivoted(node: &Node, record: &mut Frame, written: &mut Written, found: &mut Diagnostics) {
    let Some(mut keys) = Keys::of(node, found) else { return };
    let each: Option<Node> = keys.required("each", found);
    let own: Option<Node> = keys.required("as", found);
    let absent = keys.take("absent").and_then(|node| String::read(node, found));
    keys.finish(found);
    let (Some(each), Some(own)) = (each, own) else { return };
    let Some(items) = each.as_list().filter(|items| !items.is_empty()) else {
        return expected(&each, "a list of native paths", found);
    };
    if items.len() > FIGURES_MAX {
        found.error(&each.place, format!("a row has at most {FIGURES_MAX} figures"));
    }
    let Some(own) = path(&own, found) else { return };
    let mut figures = Vec::new();
    for item in items.iter().take(FIGURES_MAX) {
        let Some(at) = path(item, found) else { continue };
        let Some(Step::Key(name)) = at.steps().last() else {
            found.error(&item.place, "a figure is called by the last name of its path");
            continue;
        };
        if figures.iter().any(|(known, _): &(Box<str>, u16)| **known == **name) {
            found.error(&item.place, format!("two figures are called `{name}`"));
        }
        figures.push(((&**name).into(), record.slot(at.steps())));
        written.figures.push(at);
    }
    let mut slot = |name: &str| record.slot(of(&own, name).steps());
    let (name, value) = (slot("name"), slot("value"));
    written.cells.unpivot = Some(Unpivot { figures, name, value, absent: absent.map(Into::into) });
    written.own = Some(own);
}

/// A name of a record's own figure.
fn of(own: &Path, name: &str) -> Path {
    let mut path = own.clone();
    path.0.push(Step::Key(name.into()));
    path
}

impl Written {
    /// Whether a path leads to what a record has of its own figure, which no system knows by that name.
    pub(super) fn is_own(&self, path: &Path) -> bool {
        self.own.as_ref().is_some_and(|own| path.steps().starts_with(own.steps()))
    }

    /// What is read of the system: for a record's own figure, all of them.
    pub(super) fn reads(&self, reads: Vec<(FieldSet, Path, bool)>) -> Vec<(FieldSet, Path, bool)> {
        reads.into_iter().filter(|(_, path, _)| !self.is_own(path)).collect()
    }

    /// The places of the figures: whichever is wanted, it takes all of them to know which records there are.
    pub(super) fn figures(&self) -> &[Path] {
        &self.figures
    }

    /// Tells of what cannot go with rows that are not records as they stand.
    pub(super) fn check(
        &self,
        node: &Node,
        key: &Key,
        calls: [&Option<Call>; 4],
        lists: &[ListCall],
        found: &mut Diagnostics,
    ) {
        let is_many = key.is_digest();
        if (is_many || !self.cells.is_plain()) && calls.iter().any(|call| call.is_some()) {
            let text = "a key of several parts names a record to callers, and none to the system";
            let mistake = Diagnostic::error(
                &node.place,
                if is_many { text } else { "rows of cells are read by lists alone" },
            );
            found.push(
                mistake.help("leave out `read`, `create`, `update` and `delete`, and say why under `lacks`"),
            );
        }
        if (is_many || !self.cells.is_plain()) && lists.iter().any(|list| list.batch.is_some()) {
            found.error(&node.place, "records that are read by their keys have one key each, and no cells");
        }
        if let Some(own) = &self.own
            && !key.parts().iter().any(|part| part.at == of(own, "name"))
        {
            let text =
                format!("the records of one row would have one key: `{}` is no part of it", of(own, "name"));
            found.push(Diagnostic::error(&node.place, text).help(format!(
                "say `key: {{ of: [NAME, …, {}] }}` with all that tells rows apart",
                of(own, "name")
            )));
        }
        let width = u32::try_from(self.cells.width()).unwrap_or(u32::MAX);
        if lists.iter().any(|list| list.page.most.saturating_mul(width) > RECORDS_MAX) {
            let text = format!(
                "a page of so many rows, of {width} figures each, has more than {RECORDS_MAX} records"
            );
            found.push(Diagnostic::error(&node.place, text).help("lower `page.most`"));
        }
    }
}
