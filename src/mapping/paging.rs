//! From one page of a list to the next: where the answer names it, when the list is at its end, and when it only
//! seems to be.
//!
//! A list never looks whole because an answer cannot be understood, and never goes on without end: what should name
//! the next page and does not is a fault, pages in a circle are found out, and an end that the system's own count
//! denies is told as a cut.

use std::borrow::Cow;

use http::HeaderName;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use super::{
    cells::Rows,
    cursor::{Place, again},
    errors::{FaultKind, SystemFault},
    inward::{Inward, Page},
    keyset::{At, Keys},
    link,
    listing::Listing,
    model::{CountAt, Ends, LinkAt, ListCall, Mapping, Next, Size},
    native::NativeAnswer,
    scan::Raw,
    trie::Raws,
};
use crate::schema::{LeafId, Value};

/// What a page comes to besides its rows.
#[derive(Debug)]
pub(super) struct Turned {
    pub(super) next: Option<String>,
    pub(super) truncated: bool,
    /// Whether that is only what a default keeps out.
    pub(super) narrowed: bool,
    /// Whether it is the page before once more.
    pub(super) is_repeated: bool,
}

/// What follows a page.
#[derive(Debug)]
enum After {
    /// Another page.
    Page(Place),
    /// Nothing: it was all.
    End,
    /// Nothing that the system can page to, though there may be more.
    Cut,
}

impl Mapping {
    /// A page of an answer, from its envelope and its rows.
    pub(super) fn page(
        &self,
        listing: &Listing,
        call: &ListCall,
        from: (&NativeAnswer, &Raws<'_>),
        Rows { records: mut rows, natives }: Rows,
    ) -> Result<Page, SystemFault> {
        let at = |row| Some((self.moment_of(row, listing.moment)?, self.key.apart(&row.id)?.own));
        let keys: Vec<_> = rows.iter().flatten().filter_map(at).collect();
        let keys = Keys::of(natives, keys.iter().map(|(moment, key)| At { moment: *moment, key }));
        let turned = self.turned(listing, call, from, &keys)?;
        if turned.is_repeated {
            rows.clear();
        }
        Ok(Page { rows, next: turned.next, truncated: turned.truncated, narrowed: turned.narrowed })
    }

    /// The cursor of what comes after a row of a page, where the list goes on after rows; none where it counts them.
    pub fn behind(&self, listing: &Listing, row: &Inward) -> Option<String> {
        let call = self.lists.get(listing.variant).filter(|_| listing.by_key)?;
        let (moment, key) = (self.moment_of(row, listing.moment)?, self.key.apart(&row.id)?.own);
        let place = self.place_behind(listing, call, At { moment, key: &key })?;
        place.cursor(listing.variant).ok()
    }

    /// The place behind a row, where that can be asked for.
    fn place_behind(&self, listing: &Listing, call: &ListCall, at: At<'_>) -> Option<Place> {
        let (keyset, dialect) = call.page.keyset.as_ref().zip(call.filter.as_ref())?;
        let is_told = listing.by_key && keyset.is_told(dialect, self.moment_name(listing.moment), at);
        is_told.then(|| listing.place.anew(at))
    }

    /// The moment by which a row stands where it does; `None` where it has to tell one and does not.
    fn moment_of(&self, row: &Inward, leaf: Option<LeafId>) -> Option<Option<Timestamp>> {
        let Some(leaf) = leaf else { return Some(None) };
        match row.record.first(&self.entity, leaf) {
            Some(Value::Instant(at)) => Some(Some(*at)),
            Some(_) | None => None,
        }
    }

    /// What follows a page of rows with these keys.
    pub(super) fn turned(
        &self,
        listing: &Listing,
        call: &ListCall,
        (answer, raws): (&NativeAnswer, &Raws<'_>),
        keys: &Keys<'_>,
    ) -> Result<Turned, SystemFault> {
        call.is_list(raws)?;
        let page = Answered { mapping: self, listing, call, answer, raws, keys };
        let (rows, first) = (u64::try_from(keys.rows).unwrap_or(u64::MAX), keys.first.map(|first| first.key));
        if listing.by_key {
            keys.are_after(listing.place.after.as_ref())?;
        }
        let is_counted = matches!(call.page.next, Next::Offset { .. } | Next::Number { .. });
        let is_repeated = is_counted && listing.place.repeats(first);
        let after = match &call.page.next {
            Next::None => page.only(rows),
            Next::Token { .. } | Next::Link { .. } => page.named(rows)?,
            Next::Offset { .. } | Next::Number { .. } if is_repeated => After::Cut,
            Next::Offset { .. } | Next::Number { .. } => page.counted(rows, first)?,
            Next::Keyset => page.keyed(rows)?,
        };
        let (next, truncated, narrowed) = match after {
            After::Page(place) => (Some(place.cursor(listing.variant)?), false, false),
            // What a default keeps out may be there.
            After::End => (None, listing.is_narrowed, listing.is_narrowed),
            After::Cut => (None, true, false),
        };
        Ok(Turned { next, truncated, narrowed, is_repeated })
    }
}

impl ListCall {
    /// Whether rows stand where they are due, be it none.
    pub(super) fn is_list(&self, raws: &Raws<'_>) -> Result<(), SystemFault> {
        let stands = raws.get(0, 1);
        let is_there = self.rows_in.is_some_and(|slot| raws.get(0, slot) == Raw::Object);
        let is_none = matches!(stands, Raw::Absent | Raw::Null) && is_there;
        if stands == Raw::Array || is_none {
            return Ok(());
        }
        Err(SystemFault::unreadable("the answer holds no list where rows are due".to_owned()))
    }

    /// The header field that says what follows a page, where one does.
    pub(super) fn pages_by_head(&self) -> Option<&HeaderName> {
        match (&self.page.next, &self.page.ends) {
            (Next::Link { at: LinkAt::Header { name, .. } }, _) => Some(name),
            (Next::Offset { .. } | Next::Number { .. }, Ends::Total(CountAt::Header(name)))
            | (Next::Offset { .. } | Next::Number { .. }, Ends::Pages(CountAt::Header(name))) => Some(name),
            (
                Next::None
                | Next::Token { .. }
                | Next::Link { .. }
                | Next::Offset { .. }
                | Next::Number { .. }
                | Next::Keyset,
                _,
            ) => None,
        }
    }
}

/// An answer to a list.
struct Answered<'a> {
    mapping: &'a Mapping,
    listing: &'a Listing,
    call: &'a ListCall,
    answer: &'a NativeAnswer,
    raws: &'a Raws<'a>,
    keys: &'a Keys<'a>,
}

impl Answered<'_> {
    fn seen(&self, rows: u64) -> u64 {
        self.listing.place.seen.saturating_add(rows)
    }

    fn is_full(&self, rows: u64) -> bool {
        rows >= u64::from(self.listing.size)
    }

    /// Whether the window is used up. A system that reaches it may stop with a cursor or without one: the same
    /// either way.
    fn is_past(&self, seen: u64) -> bool {
        self.call.page.window.is_some_and(|window| seen >= window)
    }

    /// Where the system gives no more by itself: the list goes on after the last key, where it can.
    fn past(&self) -> After {
        let place = self.keys.last.and_then(|at| self.mapping.place_behind(self.listing, self.call, at));
        place.map_or(After::Cut, After::Page)
    }

    /// Whether rows are counted only in an order that is not that of their keys.
    fn goes_by_key(&self) -> bool {
        let page = &self.call.page;
        let is_beside = matches!(page.next, Next::Offset { .. }) && page.window.is_none();
        is_beside && page.keyset.is_some() && self.listing.by_key
    }

    /// The list goes on after the last key.
    fn keyed(&self, rows: u64) -> Result<After, SystemFault> {
        let is_end = match (self.more()?, &self.call.page.size) {
            (Some(more), _) => !more,
            (None, Size::Own) => rows == 0,
            (None, Size::At(_) | Size::Prefer(_)) => !self.is_full(rows),
        };
        Ok(if is_end { After::End } else { self.past() })
    }

    /// Of one page, a full one is not known to be the whole.
    fn only(&self, rows: u64) -> After {
        let is_asked = !matches!(self.call.page.size, Size::Own);
        if self.is_full(rows) && is_asked { After::Cut } else { After::End }
    }

    /// The answer names the next page.
    fn named(&self, rows: u64) -> Result<After, SystemFault> {
        let seen = self.seen(rows);
        let more = self.more()?;
        let name = self.name()?;
        if self.is_past(seen) {
            return Ok(self.past());
        }
        let name = match (name, more) {
            (Some(name), Some(true) | None) => name,
            (_, Some(false)) | (None, None) => return Ok(After::End),
            (None, Some(true)) => {
                let text = "the answer says that there is more and names no next page";
                return Err(SystemFault::unreadable(text.to_owned()));
            }
        };
        let place = &self.listing.place;
        let native = match &self.call.page.next {
            Next::Link { .. } => self.mapping.own_link(&name, &self.listing.request.target)?,
            Next::Token { .. } | Next::None | Next::Offset { .. } | Next::Number { .. } | Next::Keyset => {
                if place.native.as_deref() == Some(&*name) {
                    return Err(again());
                }
                name.into_owned()
            }
        };
        place.on(seen, native).map(After::Page)
    }

    /// The gate counts the pages.
    fn counted(&self, rows: u64, first: Option<&str>) -> Result<After, SystemFault> {
        let page = &self.call.page;
        let (place, seen) = (&self.listing.place, self.seen(rows));
        let next = place.counted(seen, first);
        let is_end = match (&page.ends, self.more()?) {
            (_, Some(more)) => !more,
            (Ends::ShortPage, None) => !self.is_full(rows),
            (Ends::Total(at), None) => self.told(at, rows)?.is_none_or(|total| seen >= total),
            (Ends::Pages(at), None) => self.told(at, rows)?.is_none_or(|pages| next.steps >= pages),
        };
        // Numbered pages keep their size, so the last one must end before the window does.
        let ahead = match page.next {
            Next::Number { .. } => u64::from(self.listing.size).saturating_sub(1),
            Next::Offset { .. } | Next::Token { .. } | Next::Link { .. } | Next::None | Next::Keyset => 0,
        };
        Ok(match is_end {
            _ if self.is_past(seen) => self.past(),
            true => After::End,
            false if rows == 0 => After::Cut,
            // Rows that come and go move those that are counted; what comes after a key stays.
            false if self.goes_by_key() => self.past(),
            false if self.is_past(seen.saturating_add(ahead)) => self.past(),
            false => After::Page(next),
        })
    }

    /// How many the answer says there are; it need not say so of nothing.
    fn told(&self, at: &CountAt, rows: u64) -> Result<Option<u64>, SystemFault> {
        let text = match at {
            CountAt::Body(slot) => self.raws.get(0, *slot).text(),
            CountAt::Header(name) => self.header(name),
        };
        let told = text.as_deref().map(str::trim).filter(|text| !text.is_empty());
        match told {
            None if rows == 0 => Ok(None),
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Ok(Some(digits.parse().unwrap_or(u64::MAX)))
            }
            None | Some(_) => {
                Err(SystemFault::unreadable("the answer does not say how many there are".to_owned()))
            }
        }
    }

    fn header(&self, name: &HeaderName) -> Option<Cow<'_, str>> {
        self.answer.headers.get(name)?.to_str().ok().map(Cow::Borrowed)
    }

    /// Whether the answer says that there is more, where it is due to.
    fn more(&self) -> Result<Option<bool>, SystemFault> {
        let Some(slot) = self.call.page.more else { return Ok(None) };
        match self.raws.get(0, slot).text().as_deref() {
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) | None => {
                Err(SystemFault::unreadable("the answer does not say whether there is more".to_owned()))
            }
        }
    }

    /// The token or link of the next page; none where the answer has none. What can be neither is no end of the list.
    fn name(&self) -> Result<Option<Cow<'_, str>>, SystemFault> {
        let next = &self.call.page.next;
        if let Next::Link { at: LinkAt::Header { name, rel } } = next {
            return link::target(&self.answer.headers, name, rel).map(|target| target.map(Cow::Owned));
        }
        let raw = self.raws.get(0, next.slot());
        let is_due = match raw {
            Raw::Absent | Raw::Null => return Ok(None),
            Raw::Text(_) | Raw::Escaped(_) | Raw::Marked(..) => true,
            Raw::Number(_) => matches!(next, Next::Token { .. }),
            Raw::Boolean(_)
            | Raw::Tree(_)
            | Raw::Object
            | Raw::Array
            | Raw::Elements { .. }
            | Raw::Next(_) => false,
        };
        match raw.text().filter(|_| is_due) {
            Some(text) => Ok(Some(text).filter(|text| !text.is_empty())),
            None => Err(SystemFault::unreadable("what should name the next page is no text".to_owned())),
        }
    }
}

impl Mapping {
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
}

/// A target as it means, however it is spelt.
fn plain(target: &str) -> Vec<u8> {
    percent_decode_str(target).collect()
}
