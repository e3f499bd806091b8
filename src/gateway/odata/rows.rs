//! Flat sets of the OData door: a list of records, told as the rows of one of their lists.
//!
//! It is the list of the records that is asked for, admitted, charged and written down: a row shows what its record does.

use std::sync::Arc;

use http::HeaderValue;

use super::{PREFER, PREFERENCE_APPLIED, Sight, query, root, text, unmet};
use crate::{
    answer::Answer,
    catalog::NotInCatalog,
    config::Snapshot,
    gateway::{
        Outcome,
        exchange::Exchange,
        expanding::PAGE_ROWS_MAX,
        listing::{self, Found, Sought},
    },
    intake::Head,
    odata::{self, Around, Flat, Servable, Style, Unmet},
    quota::{Admission, Over},
    refusal::Refusal,
    schema::{Entity, FieldSet, LeafId, Query},
};

/// A flat set, and what of its entity is seen.
type Asked<'a> = (&'a Sight, &'a Flat);

/// What of a flat set is told.
struct Told {
    /// The leaves of records that may be.
    columns: FieldSet,
    /// Those that serve filter and order.
    clear: FieldSet,
}

/// The flat set of that name, of an entity that is served. What is called like a collection is that collection.
pub(super) fn named(snapshot: &Snapshot, name: &str) -> Option<(Arc<Entity>, Flat)> {
    let mut served = snapshot.schema.entities().iter().filter(|entity| snapshot.serving(entity).is_some());
    served.find_map(|entity| {
        let flat = Flat::all(entity).find(|flat| flat.name == name)?;
        Some((entity.clone(), flat))
    })
}

/// The names of the flat sets of which a caller who lists records sees something.
pub(super) fn seen(sights: &[Sight]) -> Vec<String> {
    let is_free = |flat: &Flat| sights.iter().all(|sight| odata::set(&sight.entity) != flat.name);
    let listed = sights.iter().filter(|sight| sight.listed && sight.columns.contains(LeafId(0)));
    let flats = listed.flat_map(|sight| {
        let is_seen = |flat: &Flat| !flat.leaves().intersection(&sight.columns).is_empty();
        Flat::all(&sight.entity).filter(is_seen).collect::<Vec<_>>()
    });
    flats.filter(is_free).map(|flat| flat.name).collect()
}

/// The leaves of a flat set that are told. One of which nothing is seen, or whose records cannot be named, is not there.
fn told(exchange: &Exchange, admission: &Admission, (sight, flat): Asked<'_>) -> Result<Told, Refusal> {
    let (visible, clear) = listing::sight(&exchange.snapshot, admission.prospect(), &sight.entity)?;
    let columns = visible.intersection(&sight.columns);
    if flat.leaves().intersection(&columns).is_empty() || !columns.contains(LeafId(0)) {
        return Err(Refusal::NotInCatalog(NotInCatalog::Path));
    }
    Ok(Told { columns, clear })
}

/// A page of rows.
pub(super) async fn list(
    exchange: &mut Exchange,
    admission: &Admission,
    head: &Head,
    style: Style,
    (sight, flat): Asked<'_>,
) -> Outcome {
    let snapshot = exchange.snapshot.clone();
    let Told { columns, clear } = told(exchange, admission, (sight, flat))?;
    let (raw, limits) = (query(head), &snapshot.limits);
    let bound_to = format!("\n{}\n{}", flat.name, odata::without_paging(raw));
    let now = listing::began(exchange, admission, (odata::skiptoken(raw).as_deref(), &bound_to));
    let servable = Servable { clear: &clear, unheld: &sight.unheld, now };
    let wanted = flat.wanted(&sight.entity, raw, servable, &columns, limits).map_err(unmet)?;
    // LIMIT: what a page holds: of rows in an order of their own so many, else the rows of so many records.
    let preferred = odata::max_page_size(text(head, PREFER)).filter(|_| wanted.has_own_order());
    let most = if wanted.tells_records() { limits.limit_max.min(PAGE_ROWS_MAX) } else { limits.limit_max };
    let page = preferred.unwrap_or(most).min(most);
    let (top, count) = (wanted.top, wanted.count);
    let found = if top == Some(0) && !count {
        Found::default()
    } else {
        let query = Query {
            filter: wanted.filter.clone(),
            sort: wanted.sort.clone(),
            fields: Some(wanted.fields),
            // No more records are shown than rows are wanted.
            limit: top.and_then(|top| u32::try_from(top).ok()).unwrap_or(page).min(page),
        };
        let rows = query.limit;
        let (cursor, skip, linking) = (wanted.cursor.clone(), wanted.skip, wanted.ordered_by());
        let of_rows = Some(wanted.clone());
        let sought = Sought {
            query,
            cursor,
            bound_to,
            skip,
            rows,
            counted: count,
            linking,
            of_rows,
            over: Over::Refused,
        };
        listing::find(exchange, admission, &sought).await?
    };
    let most = top.and_then(|top| usize::try_from(top).ok()).unwrap_or(usize::MAX);
    let rows: Vec<(usize, u64)> = found.rows.into_iter().take(most).collect();
    let left = top.map(|top| top.saturating_sub(u64::try_from(rows.len()).unwrap_or(u64::MAX)));
    if found.truncated && left != Some(0) {
        return Err(Refusal::Unmet(Unmet::Cut));
    }
    let root = root(exchange, head);
    let next = found.next.as_deref().filter(|_| left != Some(0)).map(|cursor| {
        let rest = odata::rest(raw, found.skip, left);
        let mark = if rest.is_empty() { "" } else { "&" };
        format!("{root}{}?{rest}{mark}$skiptoken={cursor}", flat.name)
    });
    let around = Around { style, root: &root, count: found.count, next: next.as_deref() };
    let answer = Answer::rows(&around, (&sight.entity, flat), (&found.shown, &rows), &wanted);
    Ok(match preferred.and_then(|_| HeaderValue::try_from(format!("odata.maxpagesize={page}")).ok()) {
        Some(applied) => answer.with(PREFERENCE_APPLIED, applied),
        None => answer,
    })
}

/// How many rows there are.
pub(super) async fn count(
    exchange: &mut Exchange,
    admission: &Admission,
    head: &Head,
    (sight, flat): Asked<'_>,
) -> Outcome {
    let snapshot = exchange.snapshot.clone();
    let Told { columns, clear } = told(exchange, admission, (sight, flat))?;
    let servable = Servable { clear: &clear, unheld: &sight.unheld, now: exchange.opened.wall };
    let wanted = flat.counted(&sight.entity, query(head), servable, &columns, &snapshot.limits);
    let wanted = wanted.map_err(unmet)?;
    let count = listing::count(exchange, admission, wanted.filter.clone(), Some(wanted)).await?;
    Ok(Answer::count(admission, count))
}
