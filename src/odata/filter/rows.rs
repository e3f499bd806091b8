//! A `$filter` of the rows that are items of a list: what it asks of the records they stand in, and what of a row.

use super::{
    Expr, OPTION,
    bind::{Binder, Item, Names},
};
use crate::{
    odata::{fault::Fault, flat::Flat},
    schema::{Filter, query::QueryFaultKind},
};

/// What stands for a row, and for its record; no field is called so.
const ROW: &str = "$row";
const RECORD: &str = "$record";

/// What a filter of rows comes to.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::odata) struct RowFilter {
    /// Of the records, so that none is asked for without a row that passes.
    pub(in crate::odata) records: Filter,
    /// Of each row, beside what `records` asks.
    pub(in crate::odata) row: Filter,
}

/// Binds an expression over the fields of an item, and of its record.
///
/// # Errors
/// As of [`filter`](super::filter).
pub(in crate::odata) fn rows(names: Names<'_>, flat: &Flat, expr: Expr) -> Result<RowFilter, Fault> {
    let (mut of_record, mut of_row) = (Vec::new(), Vec::new());
    let mut parts = vec![expr];
    while let Some(part) = parts.pop() {
        match part {
            Expr::All(all) => parts.extend(all.into_iter().rev()),
            mut part => match is_of_row(&part, flat) {
                true => {
                    renamed(&mut part, &|path| in_row(path, flat));
                    of_row.push(part);
                }
                false => {
                    renamed(&mut part, &|path| flat.of_record(path).unwrap_or(path).to_owned());
                    of_record.push(part);
                }
            },
        }
    }
    let records = Binder { names, item: None }.holds(&Expr::All(of_record), true)?;
    let item = Item { variable: ROW, path: &flat.list, record: Some(RECORD) };
    let of_row = Expr::All(of_row);
    let row = Binder { names, item: Some(item) }.holds(&of_row, true);
    let row = row.map_err(|fault| in_rows(fault, &flat.list))?.simplified();
    let records = match row.is_everything() {
        true => records,
        false => records.and(Filter::Item(flat.items.clone(), Box::new(row.clone()))),
    };
    Ok(RowFilter { records: records.simplified(), row })
}

/// Whether anything in an expression is a row's own. Recursion is bounded by the reader's depth.
fn is_of_row(expr: &Expr, flat: &Flat) -> bool {
    match expr {
        Expr::All(parts) | Expr::Any(parts) | Expr::Call(_, parts) => {
            parts.iter().any(|part| is_of_row(part, flat))
        }
        Expr::Not(inner) => is_of_row(inner, flat),
        Expr::Compare(_, sides) => is_of_row(&sides.0, flat) || is_of_row(&sides.1, flat),
        Expr::In(left, values) => is_of_row(left, flat) || values.iter().any(|value| is_of_row(value, flat)),
        // What its body asks is of the list's items.
        Expr::Path(path) | Expr::Lambda { path, .. } => flat.of_record(path).is_none(),
        Expr::Literal(_) => false,
    }
}

/// Calls fields as the binder does. Recursion is bounded by the reader's depth.
fn renamed(expr: &mut Expr, name: &dyn Fn(&str) -> String) {
    match expr {
        Expr::All(parts) | Expr::Any(parts) | Expr::Call(_, parts) => {
            parts.iter_mut().for_each(|part| renamed(part, name));
        }
        Expr::Not(inner) => renamed(inner, name),
        Expr::Compare(_, sides) => {
            renamed(&mut sides.0, name);
            renamed(&mut sides.1, name);
        }
        Expr::In(left, values) => {
            renamed(left, name);
            values.iter_mut().for_each(|value| renamed(value, name));
        }
        Expr::Path(path) | Expr::Lambda { path, .. } => *path = name(path),
        Expr::Literal(_) => {}
    }
}

/// A path as the binder knows it inside a row.
fn in_row(path: &str, flat: &Flat) -> String {
    match flat.of_record(path) {
        Some(of_record) => format!("{RECORD}/{of_record}"),
        None => format!("{ROW}/{path}"),
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
