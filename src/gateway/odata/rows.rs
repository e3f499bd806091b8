//! Flat sets of the OData door: a list of records, told as the rows of one of their lists.
//!
//! It is the list of the records that is asked for, admitted, charged and written down: a row shows what its record does.

use std::sync::Arc;

use super::{Sight, query, root, unmet};
use crate::{
    answer::Answer,
    catalog::NotInCatalog,
    config::Snapshot,
    gateway::{
        Outcome,
        exchange::Exchange,
        listing::{self, Found, PAGE_ROWS_MIN, Sought},
    },
    intake::Head,
    odata::{self, Flat, Servable, Style, Unmet},
    quota::Admission,
    refusal::Refusal,
    schema::{Entity, FieldSet, LeafId, Query},
};

/// LIMIT: records whose rows are one page. Their lists may be long.
const RECORDS_MAX: u32 = 50;

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

/// A page of rows.
pub(super) async fn list(
    exchange: &mut Exchange,
    admission: &Admission,
    head: &Head,
    style: Style,
    (sight, flat): (&Sight, &Flat),
) -> Outcome {
    let snapshot = exchange.snapshot.clone();
    let (visible, clear) = listing::sight(&snapshot, admission.prospect(), &sight.entity)?;
    // Rows of which nothing is seen, or whose record cannot be named, are not there.
    let columns = visible.intersection(&sight.columns);
    if flat.leaves().intersection(&columns).is_empty() || !columns.contains(LeafId(0)) {
        return Err(Refusal::NotInCatalog(NotInCatalog::Path));
    }
    let (raw, limits) = (query(head), &snapshot.limits);
    let servable = Servable { clear: &clear, unheld: &sight.unheld };
    let wanted = flat.wanted(&sight.entity, raw, servable, &columns, limits).map_err(unmet)?;
    let query = Query {
        filter: wanted.filter.clone(),
        sort: Vec::new(),
        fields: Some(wanted.fields.intersection(&visible)),
        // No more records are shown than rows are wanted.
        limit: wanted
            .top
            .and_then(|top| u32::try_from(top).ok())
            .unwrap_or(RECORDS_MAX)
            .min(RECORDS_MAX)
            .min(limits.limit_max),
    };
    let found = if wanted.top == Some(0) {
        Found { shown: Vec::new(), links: Vec::new(), next: None, skip: 0, truncated: false, count: None }
    } else {
        let bound_to = format!("\n{}\n{}", flat.name, odata::without_paging(raw));
        let rows = limits.limit_max.max(PAGE_ROWS_MIN);
        let (cursor, linking) = (wanted.cursor.clone(), FieldSet::EMPTY);
        let sought = Sought { query, cursor, bound_to, skip: 0, rows, counted: false, linking };
        listing::find(exchange, admission, &sought).await?
    };
    let root = root(exchange, head);
    let left = |told: u64| wanted.top.map(|top| top.saturating_sub(told));
    let next = |told: u64| {
        let (left, cursor) = (left(told), found.next.as_deref()?);
        let rest = odata::rest(raw, 0, left);
        let mark = if rest.is_empty() { "" } else { "&" };
        (left != Some(0)).then(|| format!("{root}{}?{rest}{mark}$skiptoken={cursor}", flat.name))
    };
    let (answer, told) = Answer::rows((style, &root), (&sight.entity, flat), &found.shown, &wanted, &next);
    match found.truncated && left(told) != Some(0) {
        true => Err(Refusal::Unmet(Unmet::Cut)),
        false => Ok(answer),
    }
}
