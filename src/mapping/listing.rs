//! Requests that read: one record by key, many by filter, order and cursor; names chosen by what is wanted.
//!
//! What a request carries is a tree, of the file's own template where it has one; values are put into it, never text.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method,
    header::{ACCEPT, CONTENT_TYPE},
};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    body::{Body, Holes},
    cursor::Place,
    dialect::{Dialect, Filled, Literal},
    keyset::After,
    model::{Call, Carrier, KeyForm, ListCall, Mapping, Next, Page, Select, Size, WITHIN},
    native::NativeRequest,
    needs::Bounds,
    out::Out,
    over::{OVER, Parent, with_over},
    path::Path,
    push::{Push, Test},
    xml,
};
use crate::schema::{FieldSet, Filter, LeafId, Op, Sort};

/// Longest key of a record, in bytes.
pub(super) const KEY_BYTES_MAX: usize = 512;
/// What may stand in a path or query as it is.
pub(super) const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A list request and what it leaves to the gate.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The request.
    pub request: NativeRequest,
    /// Whether the rows come in the order asked for; else the gate must sort them all.
    pub sort_pushed: bool,
    /// Whether the system is asked for all of the filter, in a way that leaves none to the gate but by chance.
    pub asks_all: bool,
    /// Rows asked for.
    pub size: u32,
    pub(super) variant: usize,
    /// Whether a default of the file leaves out what the filter asks for.
    pub(super) is_narrowed: bool,
    /// Whether rows come in the order of their keys, so that the list can go on after one.
    pub(super) by_key: bool,
    /// The moment that goes before the key in that order.
    pub(super) moment: Option<LeafId>,
    /// Where in the list this page is.
    pub(super) place: Place,
    /// The parent that it is asked for, where lists run over parents.
    pub(super) parent: Option<Arc<Parent>>,
}

/// Why a list cannot be asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// The system has no list of this entity.
    #[error("the system cannot list this entity")]
    NoList,
    /// The cursor is none of this list.
    #[error("the cursor does not belong to this list")]
    BadCursor,
    /// The system does not list without these bounds, named as a caller writes them.
    #[error("the list needs {}", .0.join(", "))]
    Needs(Vec<Box<str>>),
}

impl Mapping {
    /// The request that reads one record; `None` when no record can have that id.
    pub fn read(&self, id: &str, wanted: &FieldSet) -> Option<NativeRequest> {
        let call = self.read.as_ref()?;
        let address = self.address(call, id)?;
        let mut request = Request::new(call.method.clone(), address).with(&call.query, &call.headers);
        let Some(body) = &call.body else {
            request.select(self.select.as_ref(), wanted);
            return Some(self.finish(request, None));
        };
        if !body.has_fields() {
            request.select(self.select.as_ref(), wanted);
        }
        let named = self.key.apart(id)?;
        let mut holes = Holes {
            key: Some(&named.own),
            over: named.over.as_deref(),
            fields: self.names(wanted),
            ..Holes::default()
        };
        Some(self.finish(request, Some(body.fill(&mut holes))))
    }

    /// The names that wanted fields are asked for by.
    pub(super) fn names(&self, wanted: &FieldSet) -> Vec<&str> {
        self.select.iter().flat_map(|select| select.names(wanted, false)).collect()
    }

    /// The request that reads a page of records, at no moment in particular: [`list_at`](Self::list_at) without
    /// defaults that hang on the clock.
    ///
    /// # Errors
    /// There is no list, the cursor is none of it, or the filter lacks what the list needs.
    pub fn list(
        &self,
        wanted: &FieldSet,
        filter: &Filter,
        sort: &[Sort],
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Listing, ListError> {
        self.list_at(None, wanted, (filter, sort), cursor, limit)
    }

    /// The request that reads a page of records. `now` is the moment of the first page; along a cursor it stays that.
    ///
    /// # Errors
    /// There is no list, or none without a parent; the cursor is none of it, or the filter lacks what the list needs.
    pub fn list_at(
        &self,
        now: Option<Timestamp>,
        wanted: &FieldSet,
        asked: (&Filter, &[Sort]),
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Listing, ListError> {
        self.list_of(None, now, wanted, asked, cursor, limit)
    }

    /// The same of the records of a parent, which there is where lists run over parents.
    ///
    /// # Errors
    /// As of [`list_at`](Self::list_at).
    pub fn list_of(
        &self,
        parent: Option<&Arc<Parent>>,
        now: Option<Timestamp>,
        wanted: &FieldSet,
        (filter, sort): (&Filter, &[Sort]),
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Listing, ListError> {
        if parent.is_some() != self.over.is_some() {
            return Err(ListError::NoList);
        }
        let began = cursor.and_then(Place::began);
        let now = began.map_or(now, |began| Timestamp::from_millisecond(began).ok());
        let after = cursor.and_then(Place::after);
        let plan = self.plan(filter, sort, (now, after.as_ref()))?;
        let call = self.lists.get(plan.variant).ok_or(ListError::NoList)?;
        let over = parent.map(|parent| parent.key().to_owned());
        let place = match cursor {
            Some(cursor) => Place::parse(cursor, plan.variant, &call.page)
                .filter(|place| place.over == over)
                .ok_or(ListError::BadCursor)?,
            None => {
                let began = now.map(Timestamp::as_millisecond).filter(|_| plan.is_of_now);
                Place::first(began, over)
            }
        };
        // A place in another order is none of this list.
        if place.after.as_ref().is_some_and(|after| after.moment.is_some() != plan.moment.is_some()) {
            return Err(ListError::BadCursor);
        }
        let size = self.size(call, &place, limit)?;
        let request = self.list_request(call, &plan, &place, size, &with(wanted, plan.moment));
        let Plan { sorted, variant, is_narrowed, by_key, moment, .. } = plan;
        // Of several parents nobody has one order.
        let sort_pushed = sorted && (sort.is_empty() || parent.is_none());
        let (parent, asks_all) = (parent.cloned(), self.asks_all(variant, filter));
        Ok(Listing {
            request,
            sort_pushed,
            asks_all,
            size,
            variant,
            is_narrowed,
            by_key,
            moment,
            place,
            parent,
        })
    }

    /// The request that reads a page of what lists run over.
    pub(super) fn listing_of_parents(&self, call: &ListCall, place: Place) -> Listing {
        let size = self.size(call, &place, u32::MAX).unwrap_or(call.page.most);
        let plan = Plan { names_nothing: true, ..Plan::default() };
        let request = self.list_request(call, &plan, &place, size, &FieldSet::EMPTY);
        Listing {
            request,
            sort_pushed: true,
            asks_all: true,
            size,
            variant: 0,
            is_narrowed: false,
            by_key: false,
            moment: None,
            place,
            parent: None,
        }
    }

    /// How many rows to ask for.
    fn size(&self, call: &ListCall, place: &Place, limit: u32) -> Result<u32, ListError> {
        let page = &call.page;
        let size = match (&page.next, &page.size) {
            // There is no second page, so the first is asked for whole. Where the size is the system's own, it is as
            // the file says.
            (Next::None, _) | (_, Size::Own) => page.most,
            (
                Next::Token { .. }
                | Next::Link { .. }
                | Next::Offset { .. }
                | Next::Number { .. }
                | Next::Keyset,
                _,
            ) => limit.clamp(1, page.most),
        };
        let Some(window) = page.window else { return Ok(size) };
        let left = match page.next {
            // Numbered pages are all of one size.
            Next::Number { .. } => window,
            Next::None | Next::Token { .. } | Next::Link { .. } | Next::Offset { .. } | Next::Keyset => {
                window.checked_sub(place.seen).filter(|left| *left > 0).ok_or(ListError::BadCursor)?
            }
        };
        Ok(size.min(u32::try_from(left).unwrap_or(u32::MAX)).max(1))
    }

    pub(super) fn list_request(
        &self,
        call: &ListCall,
        plan: &Plan<'_>,
        place: &Place,
        size: u32,
        wanted: &FieldSet,
    ) -> NativeRequest {
        let token = place.native.as_deref();
        let (offset, page) = call.page.next.numbers(place);
        // The link is the whole request; the page size stands in a header, if anywhere.
        if let (Next::Link { .. }, Some(link)) = (&call.page.next, token) {
            let mut request = Request::new(call.method.clone(), link.to_owned()).with(&[], &call.headers);
            request.prefer(&call.page.size, size);
            return self.finish(request, None);
        }
        let mut request = call.asked(&plan.bounds, place.over.as_deref());
        request.query.extend(plan.query.iter().cloned());
        let mut holes = Holes {
            fields: self.names(wanted),
            filter: plan.filter.clone().or_else(|| call.all()),
            bounds: &plan.bounds,
            sort: plan.sort.clone(),
            limit: Some(u64::from(size)),
            offset,
            page,
            token,
            over: place.over.as_deref(),
            ..Holes::default()
        };
        let mut body = match &call.body {
            Some(template) => Some(template.fill(&mut holes)),
            None => (call.method == Method::POST).then(Out::object),
        };
        if let Some(body) = &mut body {
            // What the template has no hole for stands at its own place.
            for part in [holes.filter, holes.sort].into_iter().flatten() {
                body.merge(part);
            }
        }
        let stated = call.statement.as_ref().is_some_and(|statement| {
            let text = statement.fill(Filled {
                fields: &holes.fields.join(", "),
                filter: plan.filter_text.as_deref(),
                sort: plan.sort_text.as_deref(),
                limit: size,
                offset: place.seen,
            });
            // One that has nothing to say is not said.
            if !text.is_empty() {
                request.carry(&statement.to, &text, false, body.as_mut());
            }
            statement.selects()
        });
        // Rows that are keys alone are asked for no names.
        let has_fields = plan.names_nothing
            || stated
            || call.batch.is_some()
            || call.body.as_ref().is_some_and(Body::has_fields);
        match (&call.select_body, &self.select, &mut body) {
            (Some(path), Some(_), Some(body)) => {
                let names = holes.fields.iter().copied().map(Out::text).collect();
                body.put(path.steps(), Out::List(names));
            }
            (_, select, _) => request.select(select.as_ref().filter(|_| !has_fields), wanted),
        }
        request.turn(&call.page, place, size, body.as_mut());
        self.finish(request, body)
    }

    /// Which variant serves the query, and what of it: of those that need no more than the filter gives.
    fn plan(
        &self,
        filter: &Filter,
        sort: &[Sort],
        (now, after): (Option<Timestamp>, Option<&After>),
    ) -> Result<Plan<'_>, ListError> {
        let (mut ways, mut lacking, mut unfixed) = (Vec::with_capacity(self.lists.len()), None, None);
        let (by_fields, rest): (Vec<_>, Vec<_>) =
            self.lists.iter().enumerate().partition(|(_, call)| call.for_fields);
        // ORDER: what looks records up asks for the fewest; what it lacks is told where there is no other way.
        for (variant, call) in by_fields.into_iter().chain(rest) {
            match call.bounds(filter, now) {
                Ok(bounds) => ways.push((variant, call, bounds)),
                Err(names) if call.for_fields => unfixed = unfixed.or(Some(names)),
                Err(names) => lacking = lacking.or(Some(names)),
            }
        }
        let asks = *filter != Filter::everything() || !sort.is_empty() || !self.narrow.is_empty();
        let planned = |(_, call, bounds): &(usize, &ListCall, Bounds<'_>)| {
            let asks = asks || call.page.keyset.is_some();
            let plan = match bounds.added.is_empty() {
                true if asks => self.plan_with(call, filter, sort, after),
                true => None,
                false => {
                    let all = bounds.added.iter().chain([filter]).cloned().collect();
                    self.plan_with(call, &Filter::All(all).simplified(), sort, after)
                }
            };
            let by_fields = || Plan { sorted: sort.is_empty(), ..Plan::default() };
            plan.or_else(|| call.for_fields.then(by_fields))
        };
        let first = ways.iter().enumerate().find_map(|(at, way)| Some((at, planned(way)?)));
        let (chosen, plan) = first.unwrap_or_else(|| {
            let plain = ways.iter().position(|(_, call, _)| !call.for_queries);
            (plain.unwrap_or_default(), Plan { sorted: sort.is_empty(), ..Plan::default() })
        });
        if chosen >= ways.len() {
            return Err(lacking.or(unfixed).map_or(ListError::NoList, ListError::Needs));
        }
        let (variant, _, Bounds { told: bounds, is_narrowed, is_of_now, .. }) = ways.swap_remove(chosen);
        Ok(Plan { variant, bounds, is_narrowed, is_of_now, ..plan })
    }

    /// The plan by one variant, when it can be asked for anything of the query.
    fn plan_with<'m>(
        &self,
        call: &ListCall,
        filter: &Filter,
        sort: &[Sort],
        after: Option<&After>,
    ) -> Option<Plan<'m>> {
        let dialect = call.filter.as_ref()?;
        let mut parts: Vec<Push> = self
            .narrow
            .iter()
            .filter_map(|narrow| {
                let name = super::path::joined(narrow.at.steps(), '.');
                let value = Literal::Text((&*narrow.value).into());
                narrow
                    .is_asked()
                    .then(|| Push::Test(Test { name: name.into(), op: Op::Eq, values: vec![value] }))
            })
            .collect();
        parts.extend(self.push(dialect, filter));
        let is_keyed = matches!(call.page.next, Next::Keyset);
        let keyset = call.page.keyset.as_ref();
        let moment = keyset.and_then(|keyset| keyset.moment(filter, sort));
        let name = self.moment_name(moment);
        let is_ordered = sort.is_empty() || is_keyed || moment.is_some();
        let pushed = if is_ordered { None } else { self.push_sort(dialect, sort) };
        // What is for queries only is not asked where there is nothing to ask.
        let goes_by_key = keyset.is_some() && (is_keyed || moment.is_some() || !call.for_queries);
        if parts.is_empty() && pushed.is_none() && !goes_by_key {
            return None;
        }
        // Whatever the system is not asked to order comes in the order of its keys, where that helps to come to the end.
        let keyset = keyset.filter(|_| pushed.is_none());
        // ORDER: a filter that is too long for the system loses its last parts, and this one may not go.
        parts.splice(..0, keyset.zip(after).map(|(keyset, after)| keyset.after(name, after)));
        let order = keyset.map(|keyset| keyset.order(name)).or(pushed);
        let sorted = sort.is_empty() || moment.is_some() || (keyset.is_none() && order.is_some());
        let mut plan = Plan { sorted, by_key: keyset.is_some(), moment, ..Plan::default() };
        if !parts.is_empty() {
            let whole = if parts.len() == 1 { parts.pop()? } else { Push::All(parts) };
            let asked = dialect.filter(&whole);
            plan.query.extend(asked.query);
            plan.filter = whole_of(asked.body);
            plan.filter_text = asked.text;
        }
        if let (Some(order), Some(words)) = (order, &dialect.sort) {
            let asked = dialect.order(words, &order);
            plan.query.extend(asked.query);
            plan.sort = whole_of(asked.body);
            plan.sort_text = asked.text;
        }
        Some(plan)
    }

    /// Path of one record; `None` when the id cannot be a key.
    pub(super) fn address(&self, call: &Call, id: &str) -> Option<String> {
        let key = self.naming_key(call);
        let (values, named) = (key.split(id)?, key.apart(id)?);
        let takes = call.body.as_ref().is_none_or(|body| body.takes_key(&named.own))
            && self.words.xml.as_ref().is_none_or(|_| xml::holds(id));
        if !takes || matches!(&*named.own, "." | "..") {
            return None;
        }
        let address = with_over(call.address(&self.at), named.over.as_deref());
        let mut address = address?;
        if !call.key_parts.is_empty() {
            for (part, after) in &call.key_parts {
                // Each is a step of its own, and one that is empty or a dot would make it another address.
                let value = values.get(*part).filter(|value| !matches!(&***value, "" | "." | ".."))?;
                address.extend(utf8_percent_encode(value, PLAIN));
                address.push_str(after);
            }
            return with_over(address, named.over.as_deref());
        }
        // Else the body names the record.
        if call.is_keyed {
            address.push_str(&key.in_address(&values, self.words.speaks)?);
            address.push_str(&call.after);
        }
        with_over(address, named.over.as_deref())
    }
}

impl ListCall {
    /// The request of a parent's list, without what a query adds to it.
    fn asked(&self, bounds: &[(&str, Out)], over: Option<&str>) -> Request {
        // INVARIANT: a place of a list that runs over parents has one, see `list_of`.
        let address = with_over(self.address(bounds), over).unwrap_or_default();
        let mut request = Request::new(self.method.clone(), address).with(&self.query, &self.headers);
        if let Some(over) = over {
            request.query.iter_mut().for_each(|(_, value)| *value = value.replace(OVER, over));
        }
        request
    }

    /// Where it goes, with the values of the filter that are steps of it.
    fn address(&self, bounds: &[(&str, Out)]) -> String {
        let mut address = self.at.clone();
        for (name, after) in &self.at_bounds {
            let told = bounds.iter().find(|(bound, _)| **bound == **name);
            let text = told.and_then(|(_, out)| out.raw().text()).unwrap_or_default();
            address.extend(utf8_percent_encode(&text, PLAIN));
            address.push_str(after);
        }
        address
    }

    /// What stands for no condition, where something has to.
    fn all(&self) -> Option<Out> {
        self.filter.as_ref().filter(|dialect| dialect.is_whole()).map(|_| Out::List(Vec::new()))
    }
}

/// How a query is served.
#[derive(Default)]
pub(super) struct Plan<'m> {
    variant: usize,
    sorted: bool,
    by_key: bool,
    moment: Option<LeafId>,
    /// What stands at places of the body.
    bounds: Vec<(&'m str, Out)>,
    is_narrowed: bool,
    is_of_now: bool,
    query: Vec<(String, String)>,
    /// What a body says of the filter and of the order; none where it says nothing.
    filter: Option<Out>,
    sort: Option<Out>,
    /// Whether it is about no record, whose fields have names.
    pub(super) names_nothing: bool,
    /// Conditions and order for a statement.
    filter_text: Option<String>,
    sort_text: Option<String>,
}

impl Plan<'_> {
    /// The plan of one condition; `None` where it cannot be asked for.
    pub(super) fn of(dialect: &Dialect, push: &Push) -> Option<Self> {
        let asked = dialect.filter(push);
        let plan = Self {
            query: asked.query,
            filter: whole_of(asked.body),
            filter_text: asked.text,
            ..Self::default()
        };
        let is_asked = !plan.query.is_empty() || plan.filter.is_some() || plan.filter_text.is_some();
        is_asked.then_some(plan)
    }
}

impl Plan<'_> {
    /// Whether it asks for the same as another one.
    pub(super) fn asks_as(&self, other: &Self) -> bool {
        (&self.query, &self.filter, &self.filter_text) == (&other.query, &other.filter, &other.filter_text)
    }
}

impl Next {
    /// Offset and number of the page at a place.
    fn numbers(&self, place: &Place) -> (Option<u64>, Option<u64>) {
        match self {
            Self::Offset { from, .. } => (Some(place.seen.saturating_add(*from)), None),
            Self::Number { from, .. } => (None, Some(place.steps.saturating_add(*from))),
            Self::None | Self::Token { .. } | Self::Link { .. } | Self::Keyset => (None, None),
        }
    }
}

impl Out {
    /// Puts what another tree holds into this one, each at its own place. Recursion is bounded by the depth of what a
    /// dialect's file describes.
    fn merge(&mut self, other: Self) {
        let (Self::Object(pairs), Self::Object(others)) = (&mut *self, other) else { return };
        for (name, value) in others {
            match pairs.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) if matches!((&*known, &value), (Self::Object(_), Self::Object(_))) => {
                    known.merge(value);
                }
                Some((_, known)) => *known = value,
                None => pairs.push((name, value)),
            }
        }
    }
}

/// What is wanted, and the moment by which a row stands where it does.
pub(super) fn with(wanted: &FieldSet, moment: Option<LeafId>) -> FieldSet {
    moment.map_or(*wanted, |leaf| wanted.union(&FieldSet::of(leaf)))
}

/// What a dialect puts at its places, as one tree.
fn whole_of(parts: Vec<(Path, Out)>) -> Option<Out> {
    let mut parts = parts.into_iter();
    let mut whole = Out::object();
    let (at, first) = parts.next()?;
    whole.put(at.steps(), first);
    parts.for_each(|(at, part)| whole.put(at.steps(), part));
    Some(whole)
}

impl KeyForm {
    /// Whether a text is of this form.
    pub(super) fn fits(self, text: &str) -> bool {
        match self {
            Self::Text => true,
            Self::Digits => !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()),
            Self::Guid => {
                let is_dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
                let fits = |(at, byte): (usize, u8)| match is_dash(at) {
                    true => byte == b'-',
                    false => byte.is_ascii_hexdigit(),
                };
                text.len() == 36 && text.bytes().enumerate().all(fits)
            }
            Self::Alnum => !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        }
    }

    /// A text of this form, for trials.
    pub(super) fn sample(self) -> &'static str {
        match self {
            Self::Text | Self::Digits | Self::Alnum => "1",
            Self::Guid => "00000000-0000-0000-0000-000000000001",
        }
    }

    /// What is of this form, for a caller.
    pub(super) fn told(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Digits => "decimal digits",
            Self::Guid => "a GUID",
            Self::Alnum => "letters and digits",
        }
    }
}

/// Names with what stands in the records behind them in brackets, as OData 4 asks for it: `a,a/b,a/c` is
/// `a($expand=b,c)`.
fn in_brackets(names: &str) -> String {
    let mut all: Vec<(&str, Vec<&str>)> = Vec::new();
    for name in names.split(',') {
        let (outer, inner) = name.split_once(WITHIN).map_or((name, None), |(a, b)| (a, Some(b)));
        match all.iter_mut().find(|(known, _)| *known == outer) {
            Some((_, inners)) => inners.extend(inner),
            None => all.push((outer, inner.into_iter().collect())),
        }
    }
    let spelt = |(outer, inners): &(&str, Vec<&str>)| match inners.as_slice() {
        [] => (*outer).to_owned(),
        inners => format!("{outer}($expand={})", inners.join(",")),
    };
    all.iter().map(spelt).collect::<Vec<_>>().join(",")
}

impl Select {
    /// The names to ask for.
    fn names(&self, wanted: &FieldSet, expand: bool) -> impl Iterator<Item = &str> {
        let wanted = *wanted;
        self.names
            .iter()
            .filter(move |name| name.expand == expand)
            .filter(move |name| name.always || !name.leaves.intersection(&wanted).is_empty())
            .map(|name| name.name.as_str())
    }
}

/// A request under construction.
pub(super) struct Request {
    method: Method,
    path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
}

impl Request {
    pub(super) fn new(method: Method, path: String) -> Self {
        let mut headers = HeaderMap::with_capacity(3);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Self { method, path, query: Vec::new(), headers }
    }

    /// The same, with what always goes along.
    pub(super) fn with(mut self, query: &[(String, String)], headers: &HeaderMap) -> Self {
        self.query.extend(query.iter().cloned());
        for (name, value) in headers {
            self.headers.insert(name.clone(), value.clone());
        }
        self
    }

    pub(super) fn select(&mut self, select: Option<&Select>, wanted: &FieldSet) {
        let Some(select) = select else { return };
        let join = |expand| select.names(wanted, expand).collect::<Vec<_>>().join(",");
        let (mut names, mut expanded) = (join(false), join(true));
        if select.with_expanded && !names.is_empty() && !expanded.is_empty() {
            names.push(',');
            names.push_str(&expanded);
        }
        if !select.with_expanded {
            expanded = in_brackets(&expanded);
        }
        if let (Some(query), false) = (&select.query, names.is_empty()) {
            self.query.push((query.clone(), names));
        }
        if let (Some(expand), false) = (&select.expand, expanded.is_empty()) {
            self.query.push((expand.clone(), expanded));
        }
    }

    /// Asks for the page at a place, and for its size.
    fn turn(&mut self, page: &Page, place: &Place, size: u32, mut body: Option<&mut Out>) {
        let (offset, number) = page.next.numbers(place);
        match &page.next {
            Next::Token { to, .. } => {
                if let Some(token) = &place.native {
                    self.carry(to, token, false, body.as_deref_mut());
                }
            }
            Next::Number { to, .. } => self.carry_number(to, number, body.as_deref_mut()),
            Next::Offset { to: Carrier::Range(name), .. } => {
                let rows = format!("{},{size}", offset.unwrap_or_default());
                self.query.push((name.clone(), rows));
            }
            // The first page begins where a system begins by itself.
            Next::Offset { to, .. } if place.steps > 0 => self.carry_number(to, offset, body.as_deref_mut()),
            Next::Offset { .. } | Next::Link { .. } | Next::None | Next::Keyset => {}
        }
        match &page.size {
            Size::At(carrier) => self.carry(carrier, &size.to_string(), true, body),
            size_by @ (Size::Prefer(_) | Size::Own) => self.prefer(size_by, size),
        }
    }

    fn carry(&mut self, to: &Carrier, value: &str, number: bool, body: Option<&mut Out>) {
        match (to, body) {
            (Carrier::Query(name), _) => self.query.push((name.clone(), value.to_owned())),
            (Carrier::Body(path), Some(body)) if number => body.put(path.steps(), Out::Number(value.into())),
            (Carrier::Body(path), Some(body)) => body.put(path.steps(), Out::text(value)),
            (Carrier::Body(_), None) | (Carrier::Hole | Carrier::Range(_), _) => {}
        }
    }

    fn carry_number(&mut self, to: &Carrier, value: Option<u64>, body: Option<&mut Out>) {
        if let Some(value) = value {
            self.carry(to, &value.to_string(), true, body);
        }
    }

    fn prefer(&mut self, by: &Size, size: u32) {
        let Size::Prefer(name) = by else { return };
        if let Ok(value) = HeaderValue::try_from(format!("{name}={size}")) {
            self.headers.insert("prefer", value);
        }
    }

    pub(super) fn finish(mut self, body: Option<Out>) -> NativeRequest {
        let mut target = self.path;
        for (at, (name, value)) in self.query.iter().enumerate() {
            let sign = if at == 0 && !target.contains('?') { '?' } else { '&' };
            target.push(sign);
            // A `$` begins the names that OData keeps for itself.
            let (dollar, name) = name.strip_prefix('$').map_or(("", name.as_str()), |name| ("$", name));
            target.push_str(dollar);
            target.extend(utf8_percent_encode(name, PLAIN));
            target.push('=');
            target.extend(utf8_percent_encode(value, PLAIN));
        }
        let body = match body {
            Some(body) => {
                self.headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
                Bytes::from(body.to_bytes())
            }
            None => Bytes::new(),
        };
        NativeRequest { method: self.method, target, headers: self.headers, body }
    }
}
