//! Requests that read: one record by key, many by filter, order and cursor; names chosen by what is wanted.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method,
    header::{ACCEPT, CONTENT_TYPE},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{
    cursor::{Place, again},
    errors::{FaultKind, SystemFault},
    model::{Call, Carrier, KeyForm, ListCall, Mapping, Next, Page, Select, Size, Speaks},
    native::NativeRequest,
    out::Out,
    push::{Literal, Push, Test},
};
use crate::schema::{FieldSet, Filter, Op, Sort};

/// Longest key of a record, in bytes.
pub(super) const KEY_BYTES_MAX: usize = 512;
/// What may stand in a path or query as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A list request and what it leaves to the gate.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The request.
    pub request: NativeRequest,
    /// Whether the rows come in the order asked for; else the gate must sort them all.
    pub sort_pushed: bool,
    /// Rows asked for.
    pub size: u32,
    pub(super) variant: usize,
    /// Where in the list this page is.
    place: Place,
}

/// Why a list cannot be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// The system has no list of this entity.
    #[error("the system cannot list this entity")]
    NoList,
    /// The cursor is none of this list.
    #[error("the cursor does not belong to this list")]
    BadCursor,
}

impl Mapping {
    /// The request that reads one record; `None` when no record can have that id.
    pub fn read(&self, id: &str, wanted: &FieldSet) -> Option<NativeRequest> {
        let call = self.read.as_ref()?;
        let mut request = Request::new(call.method.clone(), self.address(call, id)?);
        request.query.extend(call.query.iter().cloned());
        request.select(self.select.as_ref(), wanted);
        Some(self.finish(request, None))
    }

    /// The request that reads a page of records.
    ///
    /// # Errors
    /// There is no list, or the cursor is none of it.
    pub fn list(
        &self,
        wanted: &FieldSet,
        filter: &Filter,
        sort: &[Sort],
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Listing, ListError> {
        let plan = self.plan(filter, sort).ok_or(ListError::NoList)?;
        let call = self.lists.get(plan.variant).ok_or(ListError::NoList)?;
        let place = match cursor {
            Some(cursor) => Place::parse(cursor, plan.variant, &call.page).ok_or(ListError::BadCursor)?,
            None => Place::default(),
        };
        let mut size = match call.page.next {
            // There is no second page, so the first is asked for whole.
            Next::None => call.page.most,
            Next::Token { .. } | Next::Link { .. } | Next::Offset { .. } => limit.clamp(1, call.page.most),
        };
        if let Some(window) = call.page.window {
            let left = window.checked_sub(place.seen).filter(|left| *left > 0).ok_or(ListError::BadCursor)?;
            size = size.min(u32::try_from(left).unwrap_or(u32::MAX));
        }
        let request = self.list_request(call, &plan, place.native.as_deref(), size, wanted);
        Ok(Listing { request, sort_pushed: plan.sorted, size, variant: plan.variant, place })
    }

    fn list_request(
        &self,
        call: &ListCall,
        plan: &Plan,
        cursor: Option<&str>,
        size: u32,
        wanted: &FieldSet,
    ) -> NativeRequest {
        let mut request = match (&call.page.next, cursor) {
            // The link is the whole request; the page size stands in a header, if anywhere.
            (Next::Link { .. }, Some(link)) => {
                let mut request = Request::new(call.method.clone(), link.to_owned());
                request.prefer(&call.page.size, size);
                return self.finish(request, None);
            }
            (Next::Token { .. } | Next::Offset { .. } | Next::Link { .. } | Next::None, _) => {
                Request::new(call.method.clone(), call.at.clone())
            }
        };
        request.query.extend(call.query.iter().cloned());
        let mut body = (call.method == Method::POST).then(Out::object);
        request.query.extend(plan.query.iter().cloned());
        if let (Some(Out::Object(pairs)), true) = (&mut body, !plan.body.is_empty()) {
            pairs.extend(plan.body.iter().cloned());
        }
        match (&call.select_body, &self.select, &mut body) {
            (Some(path), Some(select), Some(body)) => {
                let names = select.names(wanted, false).map(Out::text).collect();
                body.put(path.steps(), Out::List(names));
            }
            (_, select, _) => request.select(select.as_ref(), wanted),
        }
        match (&call.page.next, cursor) {
            (Next::Token { to, .. } | Next::Offset { to }, Some(cursor)) => {
                request.carry(to, cursor, false, body.as_mut());
            }
            (Next::Token { .. } | Next::Offset { .. } | Next::Link { .. } | Next::None, _) => {}
        }
        match &call.page.size {
            Size::At(carrier) => request.carry(carrier, &size.to_string(), true, body.as_mut()),
            size_by @ (Size::Prefer(_) | Size::Own) => request.prefer(size_by, size),
        }
        self.finish(request, body)
    }

    /// Which variant serves the query, and what of it.
    fn plan(&self, filter: &Filter, sort: &[Sort]) -> Option<Plan> {
        let asks = *filter != Filter::everything() || !sort.is_empty();
        let ways = self.lists.iter().enumerate();
        if asks || !self.narrow.is_empty() {
            for (variant, call) in ways.clone() {
                if let Some(plan) = self.plan_with(variant, call, filter, sort) {
                    return Some(plan);
                }
            }
        }
        let (variant, _) =
            ways.clone().find(|(_, call)| !call.for_queries).or_else(|| ways.clone().next())?;
        Some(Plan { variant, sorted: sort.is_empty(), query: Vec::new(), body: Vec::new() })
    }

    /// The plan by one variant, when it can be asked for anything of the query.
    fn plan_with(&self, variant: usize, call: &ListCall, filter: &Filter, sort: &[Sort]) -> Option<Plan> {
        let dialect = call.filter.as_ref()?;
        let mut parts: Vec<Push> = self
            .narrow
            .iter()
            .filter_map(|narrow| {
                let name = super::path::joined(narrow.at.steps(), '.');
                let value = Literal::Text((&*narrow.value).into());
                matches!(narrow.out, Out::Text(_))
                    .then(|| Push::Test(Test { name: name.into(), op: Op::Eq, values: vec![value] }))
            })
            .collect();
        parts.extend(self.push(dialect, filter));
        let order = match sort {
            [] => None,
            sort => self.push_sort(dialect, sort),
        };
        if parts.is_empty() && order.is_none() {
            return None;
        }
        let mut plan =
            Plan { variant, sorted: sort.is_empty() || order.is_some(), query: Vec::new(), body: Vec::new() };
        if !parts.is_empty() {
            let whole = if parts.len() == 1 { parts.pop()? } else { Push::All(parts) };
            let asked = dialect.filter(&whole);
            plan.query.extend(asked.query);
            plan.body.extend(asked.body);
        }
        if let (Some(order), Some(words)) = (order, &dialect.sort) {
            let asked = dialect.order(words, &order);
            plan.query.extend(asked.query);
            plan.body.extend(asked.body);
        }
        Some(plan)
    }

    /// The cursor of the page after an answer, and whether there may be more that cannot be paged to.
    pub(super) fn next(
        &self,
        listing: &Listing,
        page: &Page,
        token: Option<&str>,
        rows: usize,
    ) -> Result<(Option<String>, bool), SystemFault> {
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        let seen = listing.place.seen.saturating_add(rows);
        let is_full = rows >= u64::from(listing.size);
        // A system that reaches its window may stop with a cursor or without one: the same either way.
        if page.window.is_some_and(|window| seen >= window) {
            return Ok((None, true));
        }
        let native = match (&page.next, token) {
            (Next::Token { .. }, Some(token)) if listing.place.native.as_deref() == Some(token) => {
                return Err(again());
            }
            (Next::Token { .. }, Some(token)) => token.to_owned(),
            (Next::Link { .. }, Some(link)) => self.own_link(link, &listing.request.target)?,
            (Next::Offset { .. }, _) if is_full => seen.to_string(),
            // Of one page, a full one is not known to be the whole.
            (Next::None, _) => return Ok((None, is_full && !matches!(page.size, Size::Own))),
            (Next::Token { .. } | Next::Link { .. } | Next::Offset { .. }, _) => return Ok((None, false)),
        };
        Ok((listing.place.on(seen, native)?.cursor(listing.variant, page)?, false))
    }

    /// A link as a target under the system's own address, resolved against the request it answers; another origin is
    /// never followed, nor a link to the same page.
    fn own_link(&self, link: &str, of: &str) -> Result<String, SystemFault> {
        let foreign = || SystemFault::of(FaultKind::ForeignLink, "the next page is at another address");
        for base in &self.words.bases {
            let root = base.path().trim_end_matches('/');
            let Ok(from) = base.join(&format!("{root}{of}")) else { continue };
            let Ok(url) = from.join(link) else { continue };
            let Some(path) = url.path().strip_prefix(root) else { continue };
            if url.origin() != base.origin() || !url.origin().is_tuple() || !path.starts_with('/') {
                continue;
            }
            let target = match url.query() {
                Some(query) => format!("{path}?{query}"),
                None => path.to_owned(),
            };
            return if plain(&target) == plain(of) { Err(again()) } else { Ok(target) };
        }
        Err(foreign())
    }

    /// Path of one record; `None` when the id cannot be a key.
    pub(super) fn address(&self, call: &Call, id: &str) -> Option<String> {
        let fits = self.key.form.fits(id) && !matches!(id, "." | "..");
        if id.is_empty() || id.len() > KEY_BYTES_MAX || !fits {
            return None;
        }
        let key = match (self.words.speaks, self.key.form) {
            (Speaks::Odata4, KeyForm::Text) => format!("'{}'", id.replace('\'', "''")),
            (Speaks::Json | Speaks::Odata4 | Speaks::Xml, _) => id.to_owned(),
        };
        let key = utf8_percent_encode(&key, PLAIN);
        Some(format!("{}{}{key}{}", self.at, call.before, call.after))
    }
}

/// A target as it means, however it is spelt.
fn plain(target: &str) -> Vec<u8> {
    percent_decode_str(target).collect()
}

/// How a query is served.
struct Plan {
    variant: usize,
    sorted: bool,
    query: Vec<(String, String)>,
    body: Vec<(std::sync::Arc<str>, Out)>,
}

impl KeyForm {
    /// Whether a text is of this form.
    pub(super) fn fits(self, text: &str) -> bool {
        match self {
            Self::Text => true,
            Self::Digits => !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()),
            Self::Guid => {
                let groups = text.split('-').map(str::len);
                groups.eq([8, 4, 4, 4, 12])
                    && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
            }
        }
    }

    /// What is of this form, for a caller.
    pub(super) fn told(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Digits => "decimal digits",
            Self::Guid => "a GUID",
        }
    }
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

    pub(super) fn select(&mut self, select: Option<&Select>, wanted: &FieldSet) {
        let Some(select) = select else { return };
        let join = |expand| select.names(wanted, expand).collect::<Vec<_>>().join(",");
        let (names, expanded) = (join(false), join(true));
        if !names.is_empty() {
            self.query.push((select.query.clone(), names));
        }
        if let (Some(expand), false) = (&select.expand, expanded.is_empty()) {
            self.query.push((expand.clone(), expanded));
        }
    }

    fn carry(&mut self, to: &Carrier, value: &str, number: bool, body: Option<&mut Out>) {
        match (to, body) {
            (Carrier::Query(name), _) => self.query.push((name.clone(), value.to_owned())),
            (Carrier::Body(path), Some(body)) if number => body.put(path.steps(), Out::Number(value.into())),
            (Carrier::Body(path), Some(body)) => body.put(path.steps(), Out::text(value)),
            (Carrier::Body(_), None) => {}
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
                self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                Bytes::from(body.to_bytes())
            }
            None => Bytes::new(),
        };
        NativeRequest { method: self.method, target, headers: self.headers, body }
    }
}
