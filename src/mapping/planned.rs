//! How a query of a list is served, for whoever writes a mapping: the request that goes out, which conditions and which
//! order go with it, and what the gate does itself, with why.
//!
//! Nothing here is asked by the road. The request is the one that the road would send; each condition is put to the dialect
//! once more, alone, to tell whether it says it. Whatever goes along, the gate looks through what comes all the same.

use jiff::Timestamp;

use super::{
    dialect::Dialect,
    listing::{ListError, Listing},
    model::{Filterable, ListCall, Mapping, Next},
    native::NativeRequest,
    push::is_spelt_so,
};
use crate::schema::{Direction, FieldSet, Filter, LeafId, LeafKind, Op, Query, Sort, Value};

/// A query, planned.
#[derive(Debug)]
pub struct Planned {
    /// The request of its first page; of the first parent, where lists run over parents.
    pub listing: Listing,
    /// What the list runs over; none where over nothing.
    pub over: Option<PlannedOver>,
    /// The request for the first of the records that it names by their keys, where each is read by itself and no list is
    /// asked.
    pub read: Option<NativeRequest>,
    /// Which of the file's lists serves it, counted from 1, and how many there are.
    pub variant: (usize, usize),
    /// Whether its rows are keys alone, so that records are read by further requests.
    pub is_keys: bool,
    /// Its conditions.
    pub filter: Vec<Said>,
    /// Its order.
    pub sort: Option<Said>,
}

/// What a list runs over, planned.
#[derive(Debug)]
pub struct PlannedOver {
    /// The request that tells of the parents; none where the file does.
    pub asked: Option<NativeRequest>,
    /// Whether there may be one that holds what passes; else nothing is asked.
    pub is_met: bool,
    /// The key of the parent that the request of the list is shown for; made up where the system tells them.
    pub key: String,
}

/// A part of a query.
#[derive(Debug)]
pub struct Said {
    /// It, as callers write it.
    pub told: String,
    /// Why the system is not asked for it; none where it is.
    pub left: Option<&'static str>,
}

impl Mapping {
    /// How a query is served, where `fields` are wanted and a page has so many rows.
    ///
    /// # Errors
    /// There is no list, or the filter lacks what the list needs.
    pub fn planned(
        &self,
        query: &Query,
        fields: &FieldSet,
        rows: u32,
        now: Timestamp,
    ) -> Result<Planned, ListError> {
        let (known, asked) = self.tried_parents(&query.filter);
        let is_met = known.is_some() || asked.is_some();
        let parent = known.or_else(|| self.any_parent());
        let list =
            |rows| self.list_of(parent.as_ref(), Some(now), fields, (&query.filter, &query.sort), None, rows);
        let of_keys = self.planned_of_keys(query, fields, now);
        let is_named = of_keys.is_some();
        let (listing, read) = match of_keys {
            Some(OfThem::Listed(listing)) => (*listing, None),
            of_keys => {
                let listing = match list(rows)? {
                    listing if listing.sort_pushed && listing.asks_all => listing,
                    // All of them are needed to sort them; and a page whose rows are looked through holds what it can.
                    _ => list(u32::MAX)?,
                };
                (listing, of_keys.and_then(OfThem::read))
            }
        };
        let call = self.lists.get(listing.variant).ok_or(ListError::NoList)?;
        let parts = match &query.filter {
            Filter::All(parts) => parts.as_slice(),
            one => std::slice::from_ref(one),
        };
        let filter = parts
            .iter()
            .map(|part| {
                let left = if read.is_some() { Some(why_read(part)) } else { self.left(call, part) };
                Said { told: self.condition(part), left }
            })
            .collect();
        let sort = (!query.sort.is_empty()).then(|| Said {
            told: query.sort.iter().map(|sort| self.sort_told(sort)).collect::<Vec<_>>().join(","),
            left: match is_named {
                true => Some("the few records that keys name are sorted when they have come"),
                false => (!listing.sort_pushed).then(|| self.why_unsorted(call, &query.sort)),
            },
        });
        let variant = (listing.variant.saturating_add(1), self.lists.len());
        let over = parent.map(|parent| PlannedOver { asked, is_met, key: parent.key().to_owned() });
        Ok(Planned { read, variant, is_keys: call.batch.is_some(), filter, sort, over, listing })
    }

    /// How the records are asked for that a query names by their keys; none where it names none so.
    fn planned_of_keys(&self, query: &Query, fields: &FieldSet, now: Timestamp) -> Option<OfThem> {
        let mut pinned = query.filter.pinned(LeafId(0))?;
        pinned.values.retain(|key| self.is_key(key));
        let first = pinned.values.first()?;
        match self.list_of_keys(now, fields, &pinned.values, &pinned.rest) {
            Some(asked) => Some(OfThem::Listed(Box::new(asked.listing().clone()))),
            None => self.read(first, fields).map(OfThem::Read),
        }
    }

    fn path_of(&self, leaf: LeafId) -> &str {
        self.entity.leaf(leaf).map_or("", |leaf| leaf.path.as_str())
    }

    fn sort_told(&self, sort: &Sort) -> String {
        let sign = if sort.direction == Direction::Descending { "-" } else { "" };
        format!("{sign}{}", self.path_of(sort.leaf))
    }

    /// A condition as callers write it.
    fn condition(&self, part: &Filter) -> String {
        let Filter::Test { leaf, op, value } = part else { return "a condition of several".to_owned() };
        let op = match op {
            Op::Eq => "",
            Op::Ne => "[ne]",
            Op::Lt => "[lt]",
            Op::Lte => "[lte]",
            Op::Gt => "[gt]",
            Op::Gte => "[gte]",
            Op::In => "[in]",
            Op::Contains => "[contains]",
            Op::StartsWith => "[starts_with]",
            Op::EndsWith => "[ends_with]",
        };
        format!("{}{op}={}", self.path_of(*leaf), spelt(value))
    }

    /// Why a condition is left to the gate.
    fn left(&self, call: &ListCall, part: &Filter) -> Option<&'static str> {
        if call.bounds.iter().any(|bound| bound.compares(part)) {
            return None;
        }
        if self.over.as_ref().is_some_and(|over| part.leaves().minus(&over.leaves).is_empty()) {
            return Some("it says which of those that the list runs over are asked");
        }
        let Some(dialect) = &call.filter else { return Some("this list has no `filter`") };
        match self.push(dialect, part).map(|push| dialect.filter(&push)) {
            Some(asked) if !asked.is_empty() => None,
            Some(_) => Some("`filters` has no word for this comparison of it"),
            None => Some(self.why_unasked(dialect, part)),
        }
    }

    fn why_unasked(&self, dialect: &Dialect, part: &Filter) -> &'static str {
        let Filter::Test { leaf, op, value } = part else { return "no system is asked for several at once" };
        let places: &[Filterable] = self.filters.get(usize::from(leaf.0)).map_or(&[], Vec::as_slice);
        let all = |is: &dyn Fn(&Filterable) -> bool| places.iter().all(is);
        match op {
            _ if *leaf == LeafId(0) && places.is_empty() => {
                "no list is asked for records by this key (`filter_at` of `key`)"
            }
            _ if places.is_empty() => {
                "its line is none that a system can be asked for: a constant, a `join`, `first` or `default`, or `filter_at: never`"
            }
            Op::Ne | Op::Contains | Op::StartsWith | Op::EndsWith => "no system is asked for this comparison",
            Op::Eq | Op::In | Op::Lt | Op::Lte | Op::Gt | Op::Gte => match () {
                () if !all(&|place| is_spelt_so(dialect, &place.codec)) => {
                    "the system may keep it in another spelling: by `norm`, or a number with blanks (`spelt: once`)"
                }
                () if places.iter().any(|place| place.codec.otherwise.as_ref() == Some(value)) => {
                    "`else` stands for many native values"
                }
                () if places.iter().any(|place| place.codec.table.is_some()) => {
                    "no native value of its table is it"
                }
                () if places.len() > 1 => {
                    "it stands in several places, and `filters` has no `or` across them"
                }
                () => {
                    "the system keeps it in a form that its filter does not compare, or that it cannot hold"
                }
            },
        }
    }

    fn why_unsorted(&self, call: &ListCall, sort: &[Sort]) -> &'static str {
        if self.has_parents() {
            return "nobody has one order of what several parents hold";
        }
        if call.page.keyset.as_ref().is_some_and(|keyset| keyset.wants_bound(sort)) {
            return "a record that does not tell it has no place in that order: bound it, as by `[gte]`";
        }
        if matches!(call.page.next, Next::Keyset) {
            return "the pages go by key";
        }
        let Some(dialect) = &call.filter else { return "this list has no `filter`" };
        let Some(words) = &dialect.sort else { return "its `filters` has no `sort`" };
        for Sort { leaf, .. } in sort {
            let places: &[Filterable] = self.filters.get(usize::from(leaf.0)).map_or(&[], Vec::as_slice);
            let [place] = places else {
                return "it stands in no one place that a system can be asked for";
            };
            match place.codec.kind {
                LeafKind::Text { .. } | LeafKind::Code(_) | LeafKind::Id | LeafKind::Boolean => {
                    return "systems order texts and codes in ways of their own";
                }
                LeafKind::Decimal | LeafKind::Integer | LeafKind::Date | LeafKind::Instant => {}
            }
            if !words.knows(&place.name) {
                return "`sort.fields` does not name it";
            }
        }
        match sort.len() >= words.most {
            true => "its `sort` takes fewer keys (`most`), of which one keeps equal ones in order",
            false => "the system keeps it in a form that it does not order by",
        }
    }
}

/// How records are asked for that are named by their keys.
enum OfThem {
    /// Several at once.
    Listed(Box<Listing>),
    /// Each by itself, the first of them so.
    Read(NativeRequest),
}

impl OfThem {
    fn read(self) -> Option<NativeRequest> {
        match self {
            Self::Listed(_) => None,
            Self::Read(request) => Some(request),
        }
    }
}

/// Why a condition is left to the gate where records are read.
fn why_read(part: &Filter) -> &'static str {
    match part.pinned(LeafId(0)) {
        Some(_) => {
            "no list is asked for records by their keys (`filter_at` of `key`): each is read by itself"
        }
        None => "the records that keys name are read, and looked at when they have come",
    }
}

fn spelt(value: &Value) -> String {
    match value {
        Value::Null | Value::Object(_) => "null".to_owned(),
        Value::Boolean(is) => is.to_string(),
        Value::Text(text) => text.to_string(),
        Value::Integer(n) => n.to_string(),
        Value::Decimal(n) => n.to_string(),
        Value::Date(day) => day.to_string(),
        Value::Instant(at) => at.to_string(),
        // Lists stand in no list.
        Value::List(values) => {
            let one = |value: &Value| match value {
                Value::List(_) => String::new(),
                value => spelt(value),
            };
            values.iter().map(one).collect::<Vec<_>>().join(",")
        }
    }
}
