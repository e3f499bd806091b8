//! Many records: pages of the system, each record shown or dropped, until the caller's page is full.
//!
//! What the system can filter and sort is pushed into it, as a superset; every record is matched and judged
//! again. Records dropped by policy make a page need several of the system's; how many is bounded, and a page
//! that stays short has a cursor that goes on.

use super::{Outcome, exchange::Exchange, reading::needed};
use crate::{
    answer::{Answer, Next},
    audit::Withheld,
    catalog::{Action, Cursor, Operation},
    clock,
    config::Served,
    intake::Head,
    mapping::{Inward, ListError, Listing, Mapping, NativeAnswer, Page},
    policy::{self, Judged, Prospect, Shown},
    quota::Admission,
    refusal::Refusal,
    schema::{self, Entity, FieldSet, Filter, Query, query},
    words::Digest,
};

/// LIMIT: pages of a system that one request may cause.
const PAGES_MAX: usize = 20;
/// LIMIT: records the gate sorts itself, and pages of a system it looks through for them.
const SORTED_ROWS_MAX: usize = 2000;
const SORTED_PAGES_MAX: usize = 100;

/// A list on its way.
struct List<'a> {
    exchange: &'a mut Exchange,
    admission: &'a Admission,
    served: &'a Served,
    mapping: &'a Mapping,
    entity: &'a Entity,
    query: &'a Query,
    /// What the system is asked to filter by: what the caller asks for and what statements can permit.
    filter: Filter,
    fetched: FieldSet,
    shown: Vec<Shown>,
}

/// Lists records for a caller.
pub(super) async fn list(exchange: &mut Exchange, admission: &Admission, head: &Head) -> Outcome {
    let prospect = admission.prospect();
    let Operation::List(entity) = prospect.operation() else { return Err(Refusal::Broken) };
    let snapshot = exchange.snapshot.clone();
    let (served, mapping) = snapshot.serving(entity).ok_or(Refusal::Broken)?;
    if !mapping.can(Action::List) {
        return Err(Refusal::NotPossible(Action::List));
    }
    let (visible, clear) = (prospect.visible(), prospect.clear());
    let raw = head.query.as_deref().unwrap_or_default();
    let (query, cursor) =
        query::read(entity, query::pairs(raw), &clear, &visible, &snapshot.limits).map_err(Refusal::Query)?;
    let scope = scope(prospect, entity, raw);
    let core = exchange.core.clone();
    let cursor = match cursor {
        Some(text) => core.gate.cursors.open(&scope, &text).map_err(|_| Refusal::Cursor)?,
        None => Cursor::default(),
    };
    let fetched = fetched(prospect, &query, &visible);
    let mut list = List {
        exchange,
        admission,
        served,
        mapping,
        entity,
        filter: query.filter.clone().and(prospect.pushdown()).simplified(),
        query: &query,
        fetched,
        shown: Vec::new(),
    };
    let next = list.run(cursor).await?;
    let shown = list.shown;
    let sealed =
        next.map(|next| core.gate.cursors.seal(&scope, &next)).transpose().map_err(|_| Refusal::Broken)?;
    let rest = without_cursor(raw);
    let next = sealed.as_deref().map(|cursor| Next { path: head.path.as_str(), query: &rest, cursor });
    Ok(Answer::page(&shown, next))
}

/// What must be asked of the system for every record.
fn fetched(prospect: &Prospect, query: &Query, visible: &FieldSet) -> FieldSet {
    let wanted = query.fields.unwrap_or(*visible);
    let sorted: FieldSet = query.sort.iter().map(|sort| sort.leaf).collect();
    needed(&wanted, &prospect.reads()).union(&query.filter.leaves()).union(&sorted)
}

/// What a cursor is good for: this caller, this entity, this query.
fn scope(prospect: &Prospect, entity: &Entity, raw: &str) -> Digest {
    let rest = without_cursor(raw);
    let caller = prospect.caller().facts().digest;
    let length = u64::try_from(entity.name.as_str().len()).unwrap_or(0).to_le_bytes();
    Digest::of_parts(&[&caller.0, &length, entity.name.as_str().as_bytes(), rest.as_bytes()])
}

/// The query without its cursor and page size: a caller may change the size on the way.
fn without_cursor(raw: &str) -> String {
    let kept: Vec<&str> =
        raw.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor=")).collect();
    kept.join("&")
}

impl List<'_> {
    async fn run(&mut self, cursor: Cursor) -> Result<Option<Cursor>, Refusal> {
        let listing = self.listing(cursor.native.as_deref())?;
        let in_order = self.query.sort.is_empty() || listing.sort_pushed;
        if in_order { self.in_order(cursor, listing).await } else { self.sorted(cursor, listing).await }
    }

    fn limit(&self) -> usize {
        usize::try_from(self.query.limit).unwrap_or(usize::MAX)
    }

    fn listing(&self, native: Option<&str>) -> Result<Listing, Refusal> {
        self.mapping.list(&self.fetched, &self.filter, &self.query.sort, native, self.query.limit).map_err(
            |error| match error {
                ListError::NoList => Refusal::NotPossible(Action::List),
                ListError::BadCursor => Refusal::Cursor,
            },
        )
    }

    /// The system's order is the caller's: page by page until the page is full.
    async fn in_order(&mut self, cursor: Cursor, first: Listing) -> Result<Option<Cursor>, Refusal> {
        let (mut at, mut listing) = (cursor, first);
        for _ in 0..PAGES_MAX {
            let page = self.page(&listing).await?;
            let skip = usize::try_from(at.skip).unwrap_or(usize::MAX);
            for (n, row) in page.rows.into_iter().enumerate().skip(skip) {
                if self.shown.len() >= self.limit() {
                    let skip = u32::try_from(n).map_err(|_| Refusal::Broken)?;
                    return Ok(Some(Cursor { native: at.native, skip }));
                }
                match row {
                    Ok(inward) => self.consider(inward)?,
                    Err(_) => self.exchange.withheld(Withheld::Unfit),
                }
            }
            let Some(next) = page.next else { return Ok(None) };
            at = Cursor { native: Some(next), skip: 0 };
            if self.shown.len() >= self.limit() {
                return Ok(Some(at));
            }
            listing = self.listing(at.native.as_deref())?;
        }
        Ok(Some(at))
    }

    /// The system cannot sort by this: all records that match are sorted here, up to a bound.
    async fn sorted(&mut self, cursor: Cursor, first: Listing) -> Result<Option<Cursor>, Refusal> {
        if cursor.native.is_some() {
            return Err(Refusal::Cursor);
        }
        let rows = self.all(first).await?;
        let skip = usize::try_from(cursor.skip).unwrap_or(usize::MAX);
        for (n, inward) in rows.into_iter().enumerate().skip(skip) {
            if self.shown.len() >= self.limit() {
                let skip = u32::try_from(n).map_err(|_| Refusal::Broken)?;
                return Ok(Some(Cursor { native: None, skip }));
            }
            self.consider(inward)?;
        }
        Ok(None)
    }

    async fn all(&mut self, first: Listing) -> Result<Vec<Inward>, Refusal> {
        let mut rows = Vec::new();
        let mut listing = first;
        let too_many = || Refusal::TooManyToSort { rows_max: SORTED_ROWS_MAX };
        for _ in 0..SORTED_PAGES_MAX {
            let page = self.page(&listing).await?;
            for row in page.rows {
                match row {
                    Ok(inward) if self.matches(&inward) => rows.push(inward),
                    Ok(_) => {}
                    Err(_) => self.exchange.withheld(Withheld::Unfit),
                }
            }
            if rows.len() > SORTED_ROWS_MAX {
                return Err(too_many());
            }
            match page.next {
                Some(next) => listing = self.listing(Some(&next))?,
                None => {
                    rows.sort_by(|a, b| schema::order(self.entity, &self.query.sort, &a.record, &b.record));
                    return Ok(rows);
                }
            }
        }
        Err(too_many())
    }

    fn matches(&self, inward: &Inward) -> bool {
        self.query.filter.matches(self.entity, &inward.record)
    }

    /// Shows a record or drops it.
    fn consider(&mut self, inward: Inward) -> Result<(), Refusal> {
        self.exchange.findings(self.mapping, &inward.findings);
        if !self.matches(&inward) {
            return Ok(());
        }
        let prospect = self.admission.prospect();
        self.exchange.recheck(prospect, Some(&inward.record))?;
        match policy::show(prospect, inward.record, self.query.fields.as_ref()) {
            Judged::Shown(shown) => {
                self.exchange.entry.shown(&shown, &inward.id);
                self.shown.push(shown);
            }
            Judged::Denied(_) => self.exchange.withheld(Withheld::Denied),
            Judged::Erroring { .. } => self.exchange.withheld(Withheld::Erring),
        }
        Ok(())
    }

    /// One page of the system.
    async fn page(&mut self, listing: &Listing) -> Result<Page, Refusal> {
        let receipt = self.exchange.entry.fetch(self.admission);
        let (began, sent) = (clock::now(), listing.request.body.len());
        let core = self.exchange.core.clone();
        let deadline = self.exchange.deadline();
        let request = self.exchange.traced(listing.request.clone());
        let answer = self.served.upstream.fetch(&core.pools, &receipt, request, deadline).await;
        let answer: NativeAnswer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.exchange.called(&self.served.name, None, began, sent, 0);
                return Err(self.exchange.unreached(&self.served.name, error));
            }
        };
        self.exchange.called(&self.served.name, Some(answer.status.as_u16()), began, sent, answer.body.len());
        self.mapping
            .inward_list(listing, &answer, &self.fetched)
            .map_err(|fault| self.exchange.refused_by(&self.served.name, fault))
    }
}
