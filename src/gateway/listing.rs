//! Many records: pages of the system, each record shown or dropped, until the caller's page is full.
//!
//! What the system can filter and sort is pushed into it, as a superset; every record is matched and judged
//! again. Records dropped by policy make a page need several of the system's; how many is bounded, and a page
//! that stays short has a cursor that goes on. A list that the system cannot page to its end says so. Of several systems
//! one is listed after another ([`turns`]), and one that is away refuses the list.

mod beside;
mod named;
mod rows;
mod turns;

use jiff::Timestamp;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{
    Outcome, also,
    exchange::{Exchange, Side, not_possible},
    ids,
    including::{self, Links},
    joined,
    shadowing::Question,
    wanted::{Subjects, needed, untold},
};
use crate::{
    answer::{Answer, Next},
    audit::{Came, Withheld},
    catalog::{Action, Cursor, Operation},
    clock,
    config::{EntitySource, EntitySources, Snapshot},
    intake::Head,
    mapping::{Answered, Inward, ListError, Listing, Mapping, NativeAnswer, NativeRequest, Page, RowFault},
    odata::{CountBound, Unmet, WantedRows},
    policy::{self, Grounds, Judged, Prospect, Shown, Unseen, Verdict},
    quota::{Admission, Exposed, Over, Whose},
    refusal::Refusal,
    schema::{
        self, Entity, FieldSet, Filter, Pinned, Query,
        query::{self, QueryFault, QueryFaultKind},
    },
    words::{Digest, StatementId},
};

use turns::Parents;

pub(super) use beside::{By, beside, by_ids};

/// LIMIT: pages of a system that one request may cause.
const PAGES_MAX: usize = 20;
/// LIMIT: records the gate sorts itself, and pages of a system it looks through for them.
const SORTED_ROWS_MAX: usize = 2000;
const SORTED_PAGES_MAX: usize = 100;
/// What a count beside a page is bounded by.
const ROWS_AND_PAGES: CountBound =
    CountBound::Rows { rows_max: SORTED_ROWS_MAX, pages_max: SORTED_PAGES_MAX };

/// A list on its way.
struct List<'a> {
    exchange: &'a mut Exchange,
    admission: &'a Admission,
    sources: &'a EntitySources,
    /// The system whose turn it is, and its place among them.
    source: &'a EntitySource,
    turn: usize,
    entity: &'a Entity,
    query: &'a Query,
    /// What systems are asked to filter by: what the caller asks for and what statements can permit.
    filter: Filter,
    /// The ids that it pins the list to, where systems are asked by them.
    pinned: Option<Pinned>,
    /// The filter as this system can be asked for it, where that is something else.
    asked: Option<Filter>,
    /// What its lists run over, in order, and whose records are listed now; none where they run over nothing.
    parents: Option<Parents>,
    fetched: FieldSet,
    /// What is filtered and sorted by: no system may leave it untold, and which records are told tells of it.
    must: FieldSet,
    subjects: Subjects,
    /// Rows that are wanted of a system where the gate leaves none of them out; all it gives where it does.
    wanted: u32,
    /// Rows that pages of the system whose turn it is are asked for; none before the first. INVARIANT: the same along a
    /// cursor, whose place is one inside such a page, and which holds it.
    size: Option<u32>,
    /// Whether there is more that the system cannot page to.
    truncated: bool,
    /// What statements read and the system did not tell, of any row.
    untold: FieldSet,
    /// The addresses of people that no filter and no order may tell of.
    unseen: Unseen,
    /// Records still to be passed over.
    skip: u64,
    /// Whether all records are counted.
    counted: bool,
    count: Option<u64>,
    /// What may be shown, once it is counted.
    shown: Vec<(Shown, Whose)>,
    /// What is asked of rows of the records, where those are told.
    of_rows: Option<&'a WantedRows>,
    /// Rows still to be passed over in the next record that is shown.
    within: usize,
    /// The rows that are told: the place of the record among those shown, and the row's number there.
    rows: Vec<(usize, u64)>,
    /// The leaves whose values say what stands beside a record.
    linking: FieldSet,
    links: Vec<Links>,
}

/// All records of a list.
#[derive(Debug)]
enum Whole {
    /// They are these.
    All(Vec<Inward>),
    /// They are these of those that a default of a mapping asks for.
    Narrowed(Vec<Inward>),
    /// A system cannot page to the end of them.
    Cut,
    /// They are more, or stand on more pages, than are gathered. Which of the two would tell of records that the caller
    /// may not see.
    TooMany,
}

/// What a list is asked for, by whichever door.
#[derive(Debug)]
pub(super) struct Sought {
    /// Which records, in which order, with which fields, how many a page.
    pub(super) query: Query,
    /// Where it goes on.
    pub(super) cursor: Option<String>,
    /// What a cursor of this list is good for: the query as it was sent, without what moves along the list.
    pub(super) bound_to: String,
    /// How many records, or rows of them, to pass over that the caller may see.
    pub(super) skip: u64,
    /// Rows that are wanted of the system besides those passed over; where the gate leaves some of them out it asks for
    /// more.
    pub(super) rows: u32,
    /// Whether all of them are counted.
    pub(super) counted: bool,
    /// Leaves whose values are wanted beside what is shown, to find what stands beside a record by them.
    pub(super) linking: FieldSet,
    /// What is asked of the rows of records, where those are told and counted.
    pub(super) of_rows: Option<WantedRows>,
    /// What is done with records that a budget has no room for.
    pub(super) over: Over,
}

/// A page of a list.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What the caller is shown.
    pub(super) shown: Vec<Exposed>,
    /// What links each of them to others, in the same order.
    pub(super) links: Vec<Links>,
    /// The rows that are told, where rows are asked for: the place of the record, and the row's number there.
    pub(super) rows: Vec<(usize, u64)>,
    /// The sealed cursor of the next page.
    pub(super) next: Option<String>,
    /// How many records are still to be passed over there.
    pub(super) skip: u64,
    /// Whether there is more that the system cannot page to.
    pub(super) truncated: bool,
    /// How many records there are in all, where they were counted.
    pub(super) count: Option<u64>,
}

/// Lists records for a caller.
pub(super) async fn list(exchange: &mut Exchange, admission: &Admission, head: &Head) -> Outcome {
    let Operation::List(entity) = admission.prospect().operation() else { return Err(Refusal::Broken) };
    let snapshot = exchange.snapshot.clone();
    let (visible, clear) = sight(&snapshot, admission.prospect(), entity)?;
    let raw = head.query.as_deref().unwrap_or_default();
    let read = query::read(entity, query::without_include(raw), &clear, &visible, &snapshot.limits);
    let (including, (query, cursor)) = including::wanted(exchange, admission, head, read).await?;
    unheld(entity, snapshot.serving(entity).ok_or(Refusal::Broken)?, &query)?;
    let (rest, rows) = (without_cursor(raw), query.limit);
    let linking = including.linking();
    let sought = Sought {
        query,
        cursor,
        bound_to: rest,
        skip: 0,
        rows,
        counted: false,
        linking,
        of_rows: None,
        over: Over::LeftOut,
    };
    let found = find(exchange, admission, &sought).await?;
    let beside = including.find(exchange, admission, head, &found.links).await?;
    let next = found.next.as_deref();
    let next = next.map(|cursor| Next { path: head.path.as_str(), query: &sought.bound_to, cursor });
    let lacks = exchange.lacks(entity, &sought.query.fields.unwrap_or(visible));
    Ok(Answer::page(&found.shown, &beside, next, found.truncated).lacking(&lacks))
}

/// Refuses to look for what no system holds: no record would fit, and nobody would know why.
fn unheld(entity: &Entity, sources: &EntitySources, query: &Query) -> Result<(), Refusal> {
    let unheld = query.filter.leaves().union(&sorted(query)).minus(&sources.mapped());
    let fault = |leaf| {
        let path = entity.leaf(leaf).map_or_else(String::new, |leaf| leaf.path.to_string());
        let message = format!("the system behind this collection does not hold `{path}`");
        QueryFault { parameter: path, kind: QueryFaultKind::Unknown, message }
    };
    let faults: Vec<QueryFault> = unheld.iter().map(fault).collect();
    if faults.is_empty() { Ok(()) } else { Err(Refusal::Query(faults)) }
}

/// A bound without which the system does not list.
fn lacking(name: &str) -> QueryFault {
    let (field, what) = match name.split_once('[') {
        Some((field, "gte]")) => (field, "at least"),
        Some((field, _)) => (field, "at most"),
        None => (name, "equal to something"),
    };
    let message = format!(
        "the system behind this collection does not list without it: say what `{field}` has to be {what}"
    );
    QueryFault { parameter: name.to_owned(), kind: QueryFaultKind::Missing, message }
}

/// The leaves that a list may be asked for, and those that may serve its filter and order.
pub(super) fn sight(
    snapshot: &Snapshot,
    prospect: &Prospect,
    entity: &Entity,
) -> Result<(FieldSet, FieldSet), Refusal> {
    let sources = snapshot.serving(entity).ok_or(Refusal::Broken)?;
    if !sources.can(Action::List) {
        return Err(not_possible(sources.all(), Action::List));
    }
    // A constant tells that what stands beside it is there, so it serves a query only where all of that may too.
    Ok((prospect.visible(), sources.telling(&prospect.clear())))
}

/// A page of a list.
pub(super) async fn find(
    exchange: &mut Exchange,
    admission: &Admission,
    sought: &Sought,
) -> Result<Found, Refusal> {
    let Operation::List(entity) = admission.prospect().operation() else { return Err(Refusal::Broken) };
    let snapshot = exchange.snapshot.clone();
    let scope = scope(&snapshot.digest, admission.prospect(), entity, &sought.bound_to);
    let core = exchange.core.clone();
    let cursor = match &sought.cursor {
        Some(text) => core.gate.cursors.open(&scope, text).map_err(|_| Refusal::Cursor)?,
        None => Cursor { began: exchange.opened.wall.as_microsecond(), ..Cursor::default() },
    };
    let began = cursor.began;
    let by = sought.query.filter.leaves().union(&sorted(&sought.query));
    exchange.entry.asked_for(entity, sought.query.fields.as_ref(), &by);
    let mut list = List::of(exchange, admission, entity, &snapshot, sought)?.pinned()?;
    let next = list.page_at(cursor).await;
    let List { exchange, untold, truncated, shown, links, rows, skip, count, .. } = list;
    exchange.note_untold(admission.prospect(), &untold);
    let next = next?;
    if truncated {
        exchange.entry.note("truncated", true);
    }
    let seal = |next| core.gate.cursors.seal(&scope, &Cursor { began, ..next });
    let next = next.map(seal).transpose().map_err(|_| Refusal::Broken)?;
    let (shown, links) = exposed(exchange, admission, (shown, links), sought.over).await?;
    Ok(Found { shown, links, rows, next, skip, truncated, count })
}

/// What of the records of a page is told, and what links those to others.
async fn exposed(
    exchange: &mut Exchange,
    admission: &Admission,
    (shown, links): (Vec<(Shown, Whose)>, Vec<Links>),
    over: Over,
) -> Result<(Vec<Exposed>, Vec<Links>), Refusal> {
    let exposed = exchange.expose(admission, shown, over).await?;
    let told = exposed.into_iter().zip(links).filter_map(|(exposed, links)| Some((exposed?, links)));
    Ok(told.unzip())
}

/// What a list means by now: the moment of its first page, which a cursor holds. One that does not open is refused where
/// the list is looked for.
pub(super) fn began(
    exchange: &Exchange,
    admission: &Admission,
    (cursor, bound_to): (Option<&str>, &str),
) -> Timestamp {
    let of = |micros| Timestamp::from_microsecond(micros).ok();
    let opened = || {
        let Operation::List(entity) = admission.prospect().operation() else { return None };
        let scope = scope(&exchange.snapshot.digest, admission.prospect(), entity, bound_to);
        of(exchange.core.gate.cursors.open(&scope, cursor?).ok()?.began)
    };
    let wall = exchange.opened.wall;
    opened().or_else(|| of(wall.as_microsecond())).unwrap_or(wall)
}

/// How many records a caller may see that pass a filter, or how many rows of them. None of them is shown or kept.
pub(super) async fn count(
    exchange: &mut Exchange,
    admission: &Admission,
    filter: Filter,
    of_rows: Option<WantedRows>,
) -> Result<u64, Refusal> {
    let Operation::List(entity) = admission.prospect().operation() else { return Err(Refusal::Broken) };
    let snapshot = exchange.snapshot.clone();
    let linking = of_rows.as_ref().map_or(FieldSet::EMPTY, WantedRows::looked_at);
    let query = Query { filter, sort: Vec::new(), fields: Some(FieldSet::ID), limit: 0 };
    let sought = Sought {
        query,
        cursor: None,
        bound_to: String::new(),
        skip: 0,
        rows: u32::MAX,
        counted: true,
        linking,
        of_rows,
        over: Over::Refused,
    };
    let mut list = List::of(exchange, admission, entity, &snapshot, &sought)?.pinned()?;
    let counted = list.count_all().await;
    let List { exchange, untold, .. } = list;
    exchange.note_untold(admission.prospect(), &untold);
    counted
}

fn sorted(query: &Query) -> FieldSet {
    query.sort.iter().map(|sort| sort.leaf).collect()
}

/// Rows that are wanted of a system: all it gives where statements go by what it is not asked for, so that a small page is
/// not empty because the first few records are hidden.
fn rows_wanted(prospect: &Prospect, sought: &Sought) -> u32 {
    let is_asked = !prospect.forbids_by_record()
        && prospect.decides_by().minus(&prospect.pushdown().leaves()).is_empty();
    let skipped = u32::try_from(sought.skip).unwrap_or(u32::MAX);
    if is_asked { sought.rows.saturating_add(skipped) } else { u32::MAX }
}

/// What must be asked of the system for every record.
fn fetched(
    prospect: &Prospect,
    mapping: &Mapping,
    query: &Query,
    linking: &FieldSet,
    visible: &FieldSet,
) -> FieldSet {
    let wanted =
        query.fields.unwrap_or(*visible).union(&query.filter.leaves()).union(&sorted(query)).union(linking);
    needed(mapping, &wanted, visible, &prospect.reads())
}

/// Where a list goes on: at a row of a page. What is counted in a page moves with what comes and goes there; what is behind
/// another row does not.
fn place(page: Cursor, row: usize, behind: Option<String>) -> Result<Cursor, Refusal> {
    let skip = u32::try_from(row).map_err(|_| Refusal::Broken)?;
    Ok(match behind {
        Some(native) => Cursor { native: Some(native), skip: 0, ..page },
        None => Cursor { skip, ..page },
    })
}

/// What a cursor is good for: this bundle, this caller, this entity, this query. The native cursor inside it may
/// hold all that was asked for when the list began, so it must not outlive what was permitted then.
fn scope(bundle: &Digest, prospect: &Prospect, entity: &Entity, raw: &str) -> Digest {
    let rest = without_cursor(raw);
    let caller = prospect.caller().facts().digest;
    let length = u64::try_from(entity.name.as_str().len()).unwrap_or(0).to_le_bytes();
    Digest::of_parts(&[&bundle.0, &caller.0, &length, entity.name.as_str().as_bytes(), rest.as_bytes()])
}

/// The query without its cursor, as it may stand in a link: callers send brackets and quotes as they are.
fn without_cursor(raw: &str) -> String {
    let kept: Vec<&str> =
        raw.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor=")).collect();
    utf8_percent_encode(&kept.join("&"), NOT_IN_QUERIES).to_string()
}

/// What RFC 3986 §3.4 has no place for in a query.
const NOT_IN_QUERIES: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

impl<'a> List<'a> {
    fn of(
        exchange: &'a mut Exchange,
        admission: &'a Admission,
        entity: &'a Entity,
        snapshot: &'a Snapshot,
        sought: &'a Sought,
    ) -> Result<Self, Refusal> {
        let (prospect, query) = (admission.prospect(), &sought.query);
        let sources = snapshot.serving(entity).ok_or(Refusal::Broken)?;
        let source = sources.all().first().ok_or(Refusal::Broken)?;
        let visible = prospect.visible();
        let ordered = sought.of_rows.as_ref().map_or(FieldSet::EMPTY, WantedRows::ordered_by);
        Ok(Self {
            exchange,
            admission,
            sources,
            source,
            turn: 0,
            entity,
            filter: query.filter.clone().and(prospect.pushdown()).simplified(),
            pinned: None,
            asked: None,
            parents: None,
            query,
            fetched: fetched(prospect, &source.mapping, query, &sought.linking, &visible),
            must: query.filter.leaves().union(&sorted(query)).union(&ordered),
            subjects: Subjects::of(entity, &visible),
            wanted: rows_wanted(prospect, sought),
            size: None,
            truncated: false,
            untold: FieldSet::EMPTY,
            unseen: prospect.unseen(entity),
            skip: sought.skip,
            counted: sought.counted,
            count: None,
            shown: Vec::new(),
            linking: sought.linking,
            links: Vec::new(),
            of_rows: sought.of_rows.as_ref(),
            within: 0,
            rows: Vec::new(),
        })
    }

    /// The page at a cursor; none where no system can hold a record that matches, and none is asked.
    async fn page_at(&mut self, cursor: Cursor) -> Result<Option<Cursor>, Refusal> {
        if let Some(pinned) = self.pinned.clone() {
            return self.page_of(cursor, &pinned).await;
        }
        let Some(cursor) = self.turn_of(cursor).await? else {
            self.count = self.counted.then_some(0);
            return Ok(None);
        };
        self.size = Some(cursor.rows).filter(|rows| *rows > 0);
        if self.of_rows.is_some_and(WantedRows::has_own_order) {
            return self.sorted(cursor).await;
        }
        let listing = self.listing(cursor.native.as_deref())?;
        if !self.counted && (self.query.sort.is_empty() || (listing.sort_pushed && self.is_last(&cursor))) {
            return self.in_order(cursor, listing).await;
        }
        self.sorted(cursor).await
    }

    fn limit(&self) -> usize {
        usize::try_from(self.query.limit).unwrap_or(usize::MAX)
    }

    /// Whether the page holds what was asked for.
    fn is_full(&self) -> bool {
        let top = self.of_rows.and_then(|wanted| usize::try_from(wanted.top?).ok());
        self.shown.len() >= self.limit() || top.is_some_and(|top| self.rows.len() >= top)
    }

    /// Whether the gate may leave out rows of the system's pages.
    fn leaves_out(&self) -> bool {
        self.size == Some(u32::MAX)
    }

    /// The page at a cursor of the system: of as many rows as are wanted where the system leaves out whatever the gate
    /// would, else of as many as it gives at once.
    fn listing(&mut self, native: Option<&str>) -> Result<Listing, Refusal> {
        if let Some(size) = self.size {
            return self.listing_of(native, size);
        }
        let listing = self.listing_of(native, self.wanted)?;
        if listing.asks_all {
            self.size = Some(self.wanted);
            return Ok(listing);
        }
        self.size = Some(u32::MAX);
        self.listing_of(native, u32::MAX)
    }

    fn listing_of(&self, native: Option<&str>, size: u32) -> Result<Listing, Refusal> {
        let filter = self.asked.as_ref().unwrap_or(&self.filter);
        let (now, asked) = (clock::now().wall, (filter, &*self.query.sort));
        let parent = self.parents.as_ref().and_then(Parents::now);
        let mapping = &self.source.mapping;
        let listing = mapping.list_of(parent, Some(now), &self.fetched, asked, native, size);
        listing.map_err(|error| match error {
            ListError::NoList => not_possible(self.sources.all(), Action::List),
            ListError::BadCursor => Refusal::Cursor,
            ListError::Needs(names) => Refusal::Query(names.iter().map(|name| lacking(name)).collect()),
        })
    }

    /// The system's order is the caller's: page by page until the page is full.
    async fn in_order(&mut self, cursor: Cursor, first: Listing) -> Result<Option<Cursor>, Refusal> {
        let (mut at, mut listing) = (cursor, first);
        if let (None, Some(parent)) = (&at.native, listing.parent()) {
            // A place tells whose it is, or another one could be the first when the list goes on.
            at.native = Some(self.beginning(&listing, parent)?);
        }
        for _ in 0..PAGES_MAX {
            at.rows = self.size.unwrap_or_default();
            let page = self.page(&listing).await?;
            let (skip, mut behind) = (usize::try_from(at.skip).unwrap_or(usize::MAX), None);
            for (n, row) in page.rows.into_iter().enumerate().skip(skip) {
                let row_at = row.as_ref().ok().and_then(|row| self.source.mapping.behind(&listing, row));
                // A list goes on where there is more to see: that it goes on must not tell of what is hidden.
                if let Some(inward) = self.fits(row)
                    && self.is_beyond(inward)?
                {
                    return place(at, n, behind).map(Some);
                }
                behind = row_at.or(behind);
            }
            self.truncated |= page.next.is_none() && page.truncated;
            let Some(next) = self.turn_after(&listing, page.next).await? else { return Ok(None) };
            at = next;
            if self.is_full() && !self.leaves_out() {
                return Ok(Some(at));
            }
            listing = self.listing(at.native.as_deref())?;
        }
        Ok(Some(at))
    }

    /// Takes a record onto the page, passes it over or leaves it out; whether it may be shown and the page is full.
    fn is_beyond(&mut self, inward: Inward) -> Result<bool, Refusal> {
        if self.is_full() {
            return self.may_show(&inward);
        }
        if self.skip > 0 {
            self.pass_over_or_show(inward)?;
        } else {
            self.consider(inward)?;
        }
        Ok(false)
    }

    /// No system can sort by this: all records that the caller may see are sorted here, up to a bound; or their rows.
    async fn sorted(&mut self, cursor: Cursor) -> Result<Option<Cursor>, Refusal> {
        // All of them are needed, however few the caller wants at once.
        (self.wanted, self.size) = (u32::MAX, None);
        if let Some(wanted) = self.of_rows.filter(|wanted| wanted.has_own_order()) {
            return self.sorted_rows(cursor, wanted).await;
        }
        let rows = self.all_from(&cursor).await?;
        self.count = self.counted.then(|| rows.iter().map(|row| self.weight(row)).sum());
        let skip = usize::try_from(cursor.skip).unwrap_or(usize::MAX);
        for (n, inward) in rows.into_iter().enumerate().skip(skip) {
            if self.is_full() {
                let skip = u32::try_from(n).map_err(|_| Refusal::Broken)?;
                return Ok(Some(Cursor { skip, turn: self.turn_of_all(), ..Cursor::default() }));
            }
            if !self.passes_over(&inward) {
                self.show(inward);
            }
        }
        Ok(None)
    }

    /// All records that the caller may see, where a cursor is a place among them.
    async fn all_from(&mut self, cursor: &Cursor) -> Result<Vec<Inward>, Refusal> {
        self.is_among_all(cursor)?;
        self.all().await
    }

    /// Whether a cursor is a place among the records of all systems.
    fn is_among_all(&self, cursor: &Cursor) -> Result<(), Refusal> {
        let is_place = cursor.native.is_none() && (cursor.turn == self.turn_of_all() || cursor.skip == 0);
        is_place.then_some(()).ok_or(Refusal::Cursor)
    }

    async fn all(&mut self) -> Result<Vec<Inward>, Refusal> {
        match self.whole(SORTED_ROWS_MAX, SORTED_PAGES_MAX).await? {
            Whole::All(rows) => Ok(rows),
            // They are all that a default asks for, in their order; that there may be others is told.
            Whole::Narrowed(rows) if !self.counted => {
                self.truncated = true;
                Ok(rows)
            }
            Whole::Narrowed(_) | Whole::Cut => Err(Refusal::Unmet(Unmet::Cut)),
            Whole::TooMany if self.counted => Err(too_many_to_count(ROWS_AND_PAGES)),
            Whole::TooMany => {
                Err(Refusal::TooManyToSort { rows_max: SORTED_ROWS_MAX, pages_max: SORTED_PAGES_MAX })
            }
        }
    }

    /// All records that the caller may see, in its order, or why they cannot be had.
    async fn whole(&mut self, rows_max: usize, pages_max: usize) -> Result<Whole, Refusal> {
        if let Some(pinned) = self.pinned.clone() {
            let ids: Vec<_> = pinned.values.iter().collect();
            return self.named_in_order(&ids, &pinned.rest).await.map(Whole::All);
        }
        let (mut rows, mut narrowed) = (Vec::new(), false);
        let mut listing = self.listing(None)?;
        for _ in 0..pages_max {
            let page = self.page(&listing).await?;
            for row in page.rows {
                let Some(inward) = self.fits(row) else { continue };
                // What the caller may not see is not counted: a bound must not tell of it.
                if self.may_show(&inward)? {
                    rows.push(inward);
                }
            }
            if rows.len() > rows_max {
                return Ok(Whole::TooMany);
            }
            let is_end = page.next.is_none();
            if is_end && page.truncated && !page.narrowed {
                return Ok(Whole::Cut);
            }
            narrowed |= is_end && page.narrowed;
            match self.turn_after(&listing, page.next).await? {
                Some(next) => listing = self.listing(next.native.as_deref())?,
                None => {
                    self.in_callers_order(&mut rows);
                    return Ok(if narrowed { Whole::Narrowed(rows) } else { Whole::All(rows) });
                }
            }
        }
        Ok(Whole::TooMany)
    }

    fn in_callers_order(&self, rows: &mut [Inward]) {
        // Where an address stands that the caller does not see whole, its place would tell of it: such records come last.
        let (unseen, leaves) = (self.unseen, sorted(self.query));
        rows.sort_by_cached_key(|row| unseen.is_in(self.entity, &row.record, &leaves));
        let last = rows.partition_point(|row| !unseen.is_in(self.entity, &row.record, &leaves));
        if let Some(seen) = rows.get_mut(..last) {
            seen.sort_by(|a, b| schema::order(self.entity, &self.query.sort, &a.record, &b.record));
        }
    }

    /// Counts what the caller may see, page by page.
    async fn count_all(&mut self) -> Result<u64, Refusal> {
        let mut count = 0;
        if self.pinned.is_some() {
            return Ok(self.all().await?.iter().map(|row| self.weight(row)).sum());
        }
        if !self.turn_from(0).await? {
            return Ok(count);
        }
        let mut listing = self.listing(None)?;
        for _ in 0..SORTED_PAGES_MAX {
            let page = self.page(&listing).await?;
            for row in page.rows {
                if let Some(inward) = self.fits(row) {
                    count += if self.may_show(&inward)? { self.weight(&inward) } else { 0 };
                }
            }
            if page.next.is_none() && page.truncated {
                return Err(Refusal::Unmet(Unmet::Cut));
            }
            match self.turn_after(&listing, page.next).await? {
                Some(next) => listing = self.listing(next.native.as_deref())?,
                None => return Ok(count),
            }
        }
        Err(too_many_to_count(CountBound::Pages { pages_max: SORTED_PAGES_MAX }))
    }

    /// A row that the caller asks for and statements can be judged on; others are counted where they are left out.
    fn fits(&mut self, row: Result<Inward, RowFault>) -> Option<Inward> {
        let inward = match row {
            Ok(inward) => inward,
            // What `where` leaves out is no record of this entity, whether or not the system could be asked so.
            Err(RowFault::Gone | RowFault::Other) => return None,
            Err(RowFault::NoKey | RowFault::Twice | RowFault::NotAnObject | RowFault::Cells) => {
                self.exchange.withheld(Withheld::Unfit);
                return None;
            }
        };
        if !self.passes(&inward) {
            return None;
        }
        let untold = untold(&self.source.mapping, self.admission.prospect(), &inward);
        if !untold.is_empty() {
            self.untold = self.untold.union(&untold);
            self.exchange.withheld(Withheld::Unfit);
            return None;
        }
        Some(inward)
    }

    /// Whether a record passes the caller's filter; none does by an address that stands out of its place and that the
    /// caller does not see whole: whether it passes would tell what it is.
    fn passes(&mut self, inward: &Inward) -> bool {
        let filter = &self.query.filter;
        if !filter.is_everything() && self.unseen.is_in(self.entity, &inward.record, &filter.leaves()) {
            self.exchange.withheld(Withheld::Unfit);
            return false;
        }
        filter.matches(self.entity, &inward.record)
    }

    /// Judges a record and shows it, or leaves it out.
    fn consider(&mut self, inward: Inward) -> Result<(), Refusal> {
        self.judged_on(&inward)?;
        self.show(inward);
        Ok(())
    }

    /// Whether a record may be shown; one that may not is left out.
    fn may_show(&mut self, inward: &Inward) -> Result<bool, Refusal> {
        self.judged_on(inward)?;
        match self.admission.prospect().outlook().verdict(Some(&inward.record), None) {
            Verdict::Permitted(_) => {
                self.exchange.entry.came(Came::Permitted);
                return Ok(true);
            }
            Verdict::Forbidden(grounds) | Verdict::Unpermitted(grounds) => {
                self.exchange.entry.came(Came::Denied);
                self.denied(&grounds);
            }
            Verdict::Erroring(statement) => {
                self.exchange.entry.came(Came::Erring);
                self.erring(&statement);
            }
        }
        Ok(false)
    }

    fn judged_on(&mut self, inward: &Inward) -> Result<(), Refusal> {
        let prospect = self.admission.prospect();
        let told = self.fetched.intersection(&self.source.mapping.mapped());
        self.exchange.fetched = told.minus(&inward.missing);
        self.exchange.judged_on(prospect, &inward.record, Side::Stored);
        self.exchange.recheck(prospect, Some(&inward.record))
    }

    fn show(&mut self, inward: Inward) {
        match self.of_rows {
            Some(_) => self.show_rows(inward),
            None => self.tell(inward),
        }
    }

    fn tell(&mut self, inward: Inward) {
        let whose = self.subjects.named(self.entity, &inward.record);
        let id = ids::of(self.entity, &inward);
        let links = Links::of(self.entity, &inward.record, &self.linking);
        let judged = policy::show(self.admission.prospect(), inward.record, self.query.fields.as_ref());
        self.exchange.came(&judged);
        match judged {
            Judged::Shown(shown) => {
                let whose = whose.whose(&shown, &self.must, id);
                self.shown.push((shown, whose));
                self.links.push(links);
            }
            Judged::Denied(grounds) => self.denied(&grounds),
            Judged::Erroring { statement } => self.erring(&statement),
        }
    }

    fn denied(&mut self, grounds: &Grounds) {
        self.exchange.entry.decided(&grounds.statements, grounds.detail);
        self.exchange.withheld(Withheld::Denied);
    }

    fn erring(&mut self, statement: &StatementId) {
        self.exchange.erring(statement);
        self.exchange.withheld(Withheld::Erring);
    }

    /// What this page answers, for a bundle that is tried.
    fn question(&self, listing: &Listing) -> Question {
        let filter = self.asked.as_ref().unwrap_or(&self.filter).clone();
        Question::List(Box::new((listing.clone(), filter, self.query.sort.clone())))
    }

    /// One page of the system.
    async fn page(&mut self, listing: &Listing) -> Result<Page, Refusal> {
        self.exchange.lags(&self.source.mapping, listing);
        let answer = self.asked(listing.request.clone()).await?;
        let (source, core) = (self.source, self.exchange.core.clone());
        let (mapping, system) = (&source.mapping, source.name());
        let batch = mapping.batch(listing, &answer);
        let mut page = match batch.map_err(|fault| self.exchange.refused_by(system, fault))? {
            None => {
                let of = (Answered::List(listing), &answer);
                let asked = (&self.fetched, &self.must);
                let whole = also::told(self.exchange, self.admission, source, of, asked).await?;
                let read = (whole.as_ref().unwrap_or(&answer), &self.fetched);
                self.exchange.sample(mapping, read, || self.question(listing));
                let page = core.inward(mapping, listing, read, Mapping::inward_list).await;
                page.ok_or(Refusal::Broken)?.map_err(|fault| self.exchange.refused_by(system, fault))?
            }
            Some(mut batch) => {
                while let Some(request) = batch.request(&self.fetched) {
                    let answer = self.asked(request).await?;
                    let rows =
                        core.inward(mapping, listing, (&answer, &self.fetched), Mapping::batch_rows).await;
                    let taken = batch.take(rows.ok_or(Refusal::Broken)?);
                    taken.map_err(|fault| self.exchange.refused_by(system, fault))?;
                }
                batch.page()
            }
        };
        let rows = page.rows.iter().map(Result::as_ref);
        self.exchange.looked_at(mapping, &self.fetched, rows, (Some(listing), &answer));
        ids::page(self.exchange, mapping, &mut page.rows).await?;
        let mut rows: Vec<&mut Inward> = page.rows.iter_mut().flatten().collect();
        let asked = (&self.fetched, &self.must);
        joined::complete(self.exchange, self.admission, mapping, asked, &mut rows, Vec::new()).await?;
        let mut records: Vec<_> = rows.into_iter().map(|inward| &mut inward.record).collect();
        joined::relate(self.exchange, self.admission, mapping, &mut records).await?;
        Ok(page)
    }

    /// The system's answer to a request.
    async fn asked(&mut self, request: NativeRequest) -> Result<NativeAnswer, Refusal> {
        let receipt = self.exchange.entry.fetch(self.admission);
        let (began, sent) = (clock::now(), request.body.len());
        let core = self.exchange.core.clone();
        let deadline = self.exchange.deadline();
        let request = self.exchange.traced(request);
        let answer = match self.source.upstream.fetch(&core.pools, &receipt, request, deadline).await {
            Ok(answer) => answer,
            Err(error) => {
                self.exchange.called(self.source.name(), None, began, sent, 0);
                return Err(self.exchange.unreached(self.source.name(), error));
            }
        };
        self.exchange.called(
            self.source.name(),
            Some(answer.status.as_u16()),
            began,
            sent,
            answer.body.len(),
        );
        Ok(answer)
    }
}

fn too_many_to_count(bound: CountBound) -> Refusal {
    Refusal::Unmet(Unmet::TooManyToCount(bound))
}
