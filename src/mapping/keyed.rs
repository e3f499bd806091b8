//! Records of some keys: asked of a list at once, where its filter knows the key.

use compact_str::CompactString;
use jiff::Timestamp;

use super::{
    dialect::Compares,
    listing::{ListError, Listing},
    model::{ListCall, Mapping},
};
use crate::{
    catalog::Action,
    schema::{FieldSet, Filter, LeafId, LeafKind, Op, Value},
};

/// Keys that a list is asked for at once; with more of them, GUIDs above all, a filter grows longer than is sent.
const KEYS_AT_ONCE: usize = 50;

/// A question to a list for the records of some keys.
#[derive(Debug)]
pub struct OfKeys {
    listing: Listing,
    filter: Filter,
    count: usize,
    now: Timestamp,
}

impl OfKeys {
    /// The list.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// Of how many keys, from the first on.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The same from a further page on.
    ///
    /// # Errors
    /// The cursor is none of this list.
    pub fn on(self, mapping: &Mapping, wanted: &FieldSet, cursor: &str) -> Result<Self, ListError> {
        let size = u32::try_from(self.count).unwrap_or(u32::MAX);
        let asked = (&self.filter, &[][..]);
        let listing = mapping.list_at(Some(self.now), wanted, asked, Some(cursor), size)?;
        Ok(Self { listing, ..self })
    }
}

impl Mapping {
    /// Whether a text may be the key of a record.
    pub fn is_key(&self, text: &str) -> bool {
        self.key.split(text).is_some()
    }

    /// A key as it is compared with others.
    pub fn spelt(&self, key: &str) -> CompactString {
        self.key.spelt(key)
    }

    /// How a list is asked for the records of the first of some keys; conditions on what else they are go along where
    /// they can. None where no list can be asked for them, or where records are better read each by itself.
    pub fn list_of_keys(
        &self,
        now: Timestamp,
        wanted: &FieldSet,
        keys: &[CompactString],
        rest: &Filter,
    ) -> Option<OfKeys> {
        if self.over.is_some() {
            return None;
        }
        let mut count = keys.len().min(KEYS_AT_ONCE);
        while let Some(some) = keys.get(..count).filter(|some| !some.is_empty()) {
            let one_by_one = count == 1 && keys.len() > 1 && self.can(Action::Read);
            let ways = [rest, &Filter::everything()];
            let mut ways = ways.into_iter().filter(|_| !one_by_one);
            let asked = ways.find_map(|rest| self.asks_for(now, wanted, some, rest));
            if asked.is_some() {
                return asked;
            }
            if count == 1 {
                return None;
            }
            count = count.div_ceil(2);
        }
        None
    }

    /// The request for the records of all these keys; none where it would ask for others too.
    fn asks_for(
        &self,
        now: Timestamp,
        wanted: &FieldSet,
        keys: &[CompactString],
        rest: &Filter,
    ) -> Option<OfKeys> {
        let mut values: Vec<_> = keys.iter().cloned().map(Value::Text).collect();
        let of_keys = match (values.len(), values.pop()) {
            (1, Some(one)) => Filter::test(LeafId(0), Op::Eq, one),
            (_, last) => {
                Filter::test(LeafId(0), Op::In, Value::List(values.into_iter().chain(last).collect()))
            }
        };
        // ORDER: a filter that is too long for the system loses its last parts.
        let filter = of_keys.and(rest.clone());
        let size = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        let list = |filter: &Filter| self.list_at(Some(now), wanted, (filter, &[]), None, size).ok();
        // What a default leaves out may be among them.
        let listing = list(&filter).filter(|listing| !listing.is_narrowed)?;
        let told = |listing: &Listing| (listing.request.target.clone(), listing.request.body.clone());
        let is_asked = list(rest).is_none_or(|others| told(&others) != told(&listing));
        is_asked.then_some(OfKeys { listing, filter, count: keys.len(), now })
    }

    /// How many of some values of a leaf, from the first on, a list can be asked for at once; one at least.
    pub fn askable(&self, leaf: LeafId, values: &[CompactString]) -> usize {
        let mut count = values.len().min(KEYS_AT_ONCE);
        while let Some(some) = values.get(..count).filter(|_| count > 1) {
            let some = some.iter().cloned().map(Value::Text).collect();
            let filter = Filter::test(leaf, Op::In, Value::List(some));
            if self.lists.iter().any(|call| self.is_said(call, &filter)) {
                return count;
            }
            count = count.div_ceil(2);
        }
        1
    }

    /// Whether a list can be asked for all of a filter and of what makes a record one of this entity.
    pub(super) fn asks_all(&self, variant: usize, filter: &Filter) -> bool {
        let Some(call) = self.lists.get(variant) else { return false };
        let is_narrowed = self.narrow.iter().all(|narrow| call.filter.is_some() && narrow.is_asked());
        let parts = match filter {
            Filter::All(parts) => parts.as_slice(),
            one => std::slice::from_ref(one),
        };
        let is_bound = |part: &Filter| call.bounds.iter().any(|bound| bound.compares(part));
        let is_asked =
            |part: &Filter| is_bound(part) || (self.is_exact(call, part) && self.is_said(call, part));
        is_narrowed && parts.iter().all(is_asked)
    }

    /// Whether what a system finds by a filter is what passes it: not where it overlooks spellings of texts, nor where
    /// the gate looks at one item of a list. Recursion is bounded by what reads a query and compiles a statement.
    fn is_exact(&self, call: &ListCall, filter: &Filter) -> bool {
        match filter {
            Filter::All(parts) | Filter::Any(parts) => parts.iter().all(|part| self.is_exact(call, part)),
            Filter::Test { leaf, .. } => {
                let is_loose = call.filter.as_ref().is_some_and(|dialect| dialect.text == Compares::Loosely);
                let kind = self.entity.leaf(*leaf).map(|leaf| &leaf.kind);
                !(is_loose && matches!(kind, Some(LeafKind::Text { .. })))
            }
            Filter::Not(_) | Filter::Derived { .. } | Filter::Pair { .. } | Filter::Item(..) => false,
        }
    }

    /// Whether a list's dialect says something of a filter.
    pub(super) fn is_said(&self, call: &ListCall, filter: &Filter) -> bool {
        let Some(dialect) = &call.filter else { return false };
        let asked = self.push(dialect, filter).map(|push| dialect.filter(&push));
        asked.is_some_and(|asked| !asked.is_empty())
    }
}
