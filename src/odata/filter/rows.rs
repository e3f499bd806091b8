//! A `$filter` of the rows that are items of a list: what it asks of the records they stand in, and what of a row.

use super::{
    Expr, OPTION,
    bind::{Binder, Item, Names},
};
use crate::{
    odata::fault::Fault,
    schema::{Filter, Items, query::QueryFaultKind},
};

/// What stands for a row; no field is called so.
const ROW: &str = "$row";

/// What a filter of rows comes to.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::odata) struct RowFilter {
    /// Of the records, so that none is asked for without a row that passes.
    pub(in crate::odata) records: Filter,
    /// Of each row.
    pub(in crate::odata) row: Filter,
}

/// Binds an expression over the fields of an item of the list at `list`, and `parent`, the id of its record.
///
/// # Errors
/// As of [`filter`](super::filter); and what asks for the record and for the row other than by `and`.
pub(in crate::odata) fn rows(
    names: Names<'_>,
    (list, parent): (&str, &str),
    items: Items,
    expr: Expr,
) -> Result<RowFilter, Fault> {
    let (mut of_record, mut of_row) = (Vec::new(), Vec::new());
    let mut parts = vec![expr];
    while let Some(part) = parts.pop() {
        match part {
            Expr::All(all) => parts.extend(all.into_iter().rev()),
            mut part => {
                let mut seen = (false, false);
                renamed(&mut part, parent, &mut seen);
                match seen {
                    (true, true) => {
                        let what = format!("`{parent}` beside a row's own fields, but for `and`");
                        return Err(Fault::unsupported(what));
                    }
                    (true, false) => of_record.push(part),
                    (false, _) => of_row.push(part),
                }
            }
        }
    }
    let records = Binder { names, item: None }.holds(&Expr::All(of_record), true)?;
    let item = Item { variable: ROW, path: list };
    let of_row = Expr::All(of_row);
    let row =
        Binder { names, item: Some(item) }.holds(&of_row, true).map_err(|fault| in_rows(fault, list))?;
    let row = row.simplified();
    let records = match row.is_everything() {
        true => records,
        false => records.and(Filter::Item(items, Box::new(row.clone()))),
    };
    Ok(RowFilter { records: records.simplified(), row })
}

/// Calls fields as the binder does; whether the record's id is among them, and whether others are. Recursion is bounded
/// by the reader's depth.
fn renamed(expr: &mut Expr, parent: &str, seen: &mut (bool, bool)) {
    match expr {
        Expr::All(parts) | Expr::Any(parts) | Expr::Call(_, parts) => {
            parts.iter_mut().for_each(|part| renamed(part, parent, seen));
        }
        Expr::Not(inner) => renamed(inner, parent, seen),
        Expr::Compare(_, sides) => {
            renamed(&mut sides.0, parent, seen);
            renamed(&mut sides.1, parent, seen);
        }
        Expr::In(left, values) => {
            renamed(left, parent, seen);
            values.iter_mut().for_each(|value| renamed(value, parent, seen));
        }
        Expr::Path(path) if path == parent => {
            seen.0 = true;
            "id".clone_into(path);
        }
        Expr::Path(path) => {
            seen.1 = true;
            *path = format!("{ROW}/{path}");
        }
        // A list inside a row is not looked into, which the binder says.
        Expr::Lambda { .. } => seen.1 = true,
        Expr::Literal(_) => {}
    }
}

/// Names fields as rows do.
fn in_rows(fault: Fault, list: &str) -> Fault {
    let Fault::Query(faults) = fault else { return fault };
    let told = faults.into_iter().map(|mut fault| {
        if fault.kind == QueryFaultKind::Unknown && fault.parameter == OPTION {
            fault.message = fault.message.replace(&format!("`{list}/"), "`");
        }
        fault
    });
    Fault::Query(told.collect())
}
