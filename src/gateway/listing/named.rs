//! Records that ids name: by a filter that pins them, or because something else refers to them.
//!
//! No list is walked for them. Ids become keys of the systems that have the records; an id that none of them knows
//! names nothing. A system is asked for many keys at once where its list can be, else for several records at the same
//! time. What comes is a row of a list: judged, shown and written down as one.

use std::collections::HashMap;

use compact_str::CompactString;

use super::{
    super::{ids, reading, tables},
    List, PAGES_MAX,
};
use crate::{
    catalog::{Action, Cursor},
    clock,
    config::EntitySource,
    mapping::{FaultKind, Inward, OfKeys, SystemFault},
    refusal::Refusal,
    schema::{
        Filter, LeafId, Pinned,
        query::{QueryFault, QueryFaultKind},
    },
};

/// LIMIT: ids that a list is filtered by.
const NAMED_MAX: usize = 100;
/// Ids of which the records are looked for at once, where a page is not full of the first of them.
const AT_ONCE: usize = 50;

/// Records that are wanted of a system: the place of each among all, and its key.
type Held<'a> = (&'a EntitySource, Vec<usize>, Vec<CompactString>);

impl<'a> List<'a> {
    /// The list, pinned to the ids that its filter names, where all that serve the collection can be asked for records by
    /// them.
    pub(super) fn pinned(mut self) -> Result<Self, Refusal> {
        let is_asked =
            |source: &EntitySource| source.mapping.can(Action::Read) || source.mapping.finds_by(LeafId(0));
        if !self.sources.all().iter().all(is_asked) {
            return Ok(self);
        }
        let fits = |pinned: &Pinned| pinned.values.len() <= NAMED_MAX;
        self.pinned = self.filter.pinned(LeafId(0)).filter(fits);
        if self.pinned.is_none() && self.query.filter.pinned(LeafId(0)).is_some() {
            let message = format!("at most {NAMED_MAX} ids");
            let kind = QueryFaultKind::TooMany;
            return Err(Refusal::Query(vec![QueryFault { parameter: "id".to_owned(), kind, message }]));
        }
        Ok(self)
    }

    /// A page of what ids name, in their order, or in the caller's.
    pub(super) async fn page_of(
        &mut self,
        cursor: Cursor,
        pinned: &Pinned,
    ) -> Result<Option<Cursor>, Refusal> {
        self.is_among_all(&cursor)?;
        if self.counted || !self.query.sort.is_empty() {
            return self.sorted(cursor).await;
        }
        let ids: Vec<&CompactString> = pinned.values.iter().collect();
        let mut at = usize::try_from(cursor.skip).unwrap_or(usize::MAX).min(ids.len());
        // No more records are asked for than are wanted, until some of them turn out not to be shown.
        let mut some = self.limit().saturating_sub(self.shown.len()).clamp(1, AT_ONCE);
        while let Some(asked) =
            ids.get(at..ids.len().min(at.saturating_add(some))).filter(|ids| !ids.is_empty())
        {
            for (n, inward) in self.named(asked, &pinned.rest).await? {
                if self.is_full() {
                    return self.behind_ids(at.saturating_add(n)).map(Some);
                }
                match self.skip {
                    0 => self.consider(inward)?,
                    _ => self.pass_over_or_show(inward)?,
                }
            }
            at = at.saturating_add(asked.len());
            if self.is_full() && at < ids.len() {
                return self.behind_ids(at).map(Some);
            }
            some = AT_ONCE;
        }
        Ok(None)
    }

    /// The place behind so many ids.
    fn behind_ids(&self, count: usize) -> Result<Cursor, Refusal> {
        let skip = u32::try_from(count).map_err(|_| Refusal::Broken)?;
        Ok(Cursor { skip, turn: self.turn_of_all(), ..Cursor::default() })
    }

    /// What ids name, as far as it may be shown, in the caller's order.
    pub(super) async fn named_in_order(
        &mut self,
        wanted: &[&CompactString],
        rest: &Filter,
    ) -> Result<Vec<Inward>, Refusal> {
        let mut rows = Vec::with_capacity(wanted.len());
        for (_, inward) in self.named(wanted, rest).await? {
            // What the caller may not see is not counted: a bound must not tell of it.
            if self.may_show(&inward)? {
                rows.push(inward);
            }
        }
        self.in_callers_order(&mut rows);
        Ok(rows)
    }

    /// The records of some ids that the caller asks for and statements can be judged on, in this order and each with its
    /// place among the ids. What a system does not have is left out; so may be what does not pass `rest`.
    pub(super) async fn named(
        &mut self,
        wanted: &[&CompactString],
        rest: &Filter,
    ) -> Result<Vec<(usize, Inward)>, Refusal> {
        let mut found = Vec::with_capacity(wanted.len());
        for (source, places, keys) in self.held(wanted).await? {
            let left = source.left_of(rest);
            let left = left.as_ref().unwrap_or(rest);
            let asked = ids::filter(self.exchange, &source.mapping, left).await?;
            let rest = asked.as_ref().unwrap_or(left);
            if rest.is_nothing() {
                continue;
            }
            self.give(source);
            for (at, row) in places.into_iter().zip(self.of_keys(&keys, rest).await?) {
                found.extend(row.and_then(|row| self.fits(Ok(row))).map(|row| (at, row)));
            }
        }
        found.sort_by_key(|(at, _)| *at);
        Ok(found)
    }

    /// Which system has which of them.
    async fn held(&self, wanted: &[&CompactString]) -> Result<Vec<Held<'a>>, Refusal> {
        let mut left: Vec<usize> = (0..wanted.len()).collect();
        let mut held = Vec::new();
        for source in self.sources.all() {
            let ids: Vec<&CompactString> = left.iter().filter_map(|at| wanted.get(*at).copied()).collect();
            let known = ids::known(self.exchange, &source.mapping, &ids).await?;
            let (mut places, mut keys, mut others) = (Vec::new(), Vec::new(), Vec::new());
            for (at, key) in left.into_iter().zip(known) {
                match key {
                    Some(key) if source.mapping.is_key(&key) => {
                        places.push(at);
                        keys.push(key);
                    }
                    // No record has it.
                    Some(_) => {}
                    None => others.push(at),
                }
            }
            if !keys.is_empty() {
                held.push((source, places, keys));
            }
            left = others;
        }
        Ok(held)
    }

    /// The records of some keys in the system whose turn it is, in their order; none for one that is not there.
    async fn of_keys(
        &mut self,
        keys: &[CompactString],
        rest: &Filter,
    ) -> Result<Vec<Option<Inward>>, Refusal> {
        let (source, fetched, must) = (self.source, self.fetched, self.must);
        let goes_by = (&fetched, &must);
        tables::ready(self.exchange, self.admission, &source.mapping, goes_by).await?;
        let (mut all, mut left) = (Vec::with_capacity(keys.len()), keys);
        while !left.is_empty() {
            let Some(asked) = source.mapping.list_of_keys(clock::now().wall, &fetched, left, rest) else {
                all.extend(reading::several(self.exchange, self.admission, source, left, goes_by).await?);
                return Ok(all);
            };
            let (some, others) = left.split_at_checked(asked.count()).unwrap_or((left, &[]));
            match self.listed(asked, some).await {
                // Something that looks like a key and is none there can be an ill-put question.
                Err(Refusal::System(_, fault))
                    if fault.kind == FaultKind::Unknown && source.mapping.can(Action::Read) =>
                {
                    let read = reading::several(self.exchange, self.admission, source, some, goes_by);
                    all.extend(read.await?);
                }
                listed => all.extend(listed?),
            }
            left = others;
        }
        Ok(all)
    }

    /// The records of some keys that a list was asked for, in their order; none for one that it does not tell.
    async fn listed(
        &mut self,
        mut asked: OfKeys,
        keys: &[CompactString],
    ) -> Result<Vec<Option<Inward>>, Refusal> {
        let mapping = &self.source.mapping;
        let spelt: Vec<CompactString> = keys.iter().map(|key| mapping.spelt(key)).collect();
        let mut found: HashMap<CompactString, Inward> = HashMap::with_capacity(keys.len());
        for _ in 0..PAGES_MAX {
            let page = self.page(asked.listing()).await?;
            for row in page.rows {
                match row {
                    Ok(inward) => {
                        let key = mapping.spelt(&inward.id);
                        if spelt.contains(&key) {
                            found.entry(key).or_insert(inward);
                        }
                    }
                    Err(fault) => drop(self.fits(Err(fault))),
                }
            }
            // More rows than keys are others' records.
            let Some(next) = page.next.filter(|_| found.len() < spelt.len()) else {
                if page.truncated && found.len() < spelt.len() {
                    break;
                }
                return Ok(spelt.iter().map(|key| found.remove(key)).collect());
            };
            asked = asked.on(mapping, &self.fetched, &next).map_err(|_| Refusal::Broken)?;
        }
        let text = "a list that was asked for records by their keys did not come to its end".to_owned();
        Err(self.exchange.refused_by(self.source.name(), SystemFault::unreadable(text)))
    }
}
