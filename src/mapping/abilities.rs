//! What a mapping can be asked for, told without asking its system: for whoever compares two of them.
//!
//! Promises: what is told here is what the road does, for it is the road's own faces that are tried: an operation is told
//! that [`Mapping::can`] do, a filter where the list that would be asked says something of it. A filter is tried with
//! ordinary values of the field, so of one value that is not ordinary (what stands for the unknown, a text that the
//! dialect cannot hold) nothing is told.

use compact_str::CompactString;
use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;

use super::{
    codec::Tabled,
    model::{KeyForm, Mapping, Next},
};
use crate::{
    catalog::Action,
    schema::{Direction, FieldSet, Filter, LeafId, LeafKind, Op, Sort, Standard, Value, query::fits},
};

/// Every comparison, in the order in which they are told.
const OPS: [Op; 10] =
    [Op::Eq, Op::Ne, Op::In, Op::Lt, Op::Lte, Op::Gt, Op::Gte, Op::Contains, Op::StartsWith, Op::EndsWith];

/// What can be asked of a system for one entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Operations on records.
    pub actions: Vec<Action>,
    /// Leaves that some line fills.
    pub told: FieldSet,
    /// Of them those that are the moment at which an answer was received, and nothing of the record.
    pub received: FieldSet,
    /// Leaves that a new record may have.
    pub created: FieldSet,
    /// Leaves that a new record must have.
    pub required: FieldSet,
    /// Leaves that a change may have.
    pub updated: FieldSet,
    /// Comparisons that the system makes itself, for ordinary values of the leaf.
    pub filters: Vec<(LeafId, Op)>,
    /// Leaves by which the system sorts itself, upwards and downwards.
    pub sorts: FieldSet,
    /// How a list goes on; none where there is no list.
    pub paging: Option<Paging>,
    /// Whether a record has a version, so that a write can be guarded against others.
    pub has_version: bool,
}

/// How a list that asks for nothing in particular goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paging {
    /// By what the next page is asked for, as a file says it; `none` where there is one page only.
    pub by: &'static str,
    /// Most records of a page.
    pub most: u32,
    /// Records after which no more are given; none where there is no such end.
    pub reach: Option<u64>,
}

impl Abilities {
    /// What can be asked of two systems that serve one collection together: a list of both, anything else of either.
    /// What one of them does not do itself the gate does for both.
    pub fn beside(self, other: Self) -> Self {
        let has = |of: &Self, action: Action| of.actions.contains(&action);
        let can = |action: &Action| match action {
            Action::List => has(&self, *action) && has(&other, *action),
            Action::Read | Action::Create | Action::Update | Action::Delete | Action::Call => {
                has(&self, *action) || has(&other, *action)
            }
        };
        let needed = match [&self, &other].map(|of| has(of, Action::Create)) {
            [true, true] => self.required.intersection(&other.required),
            // One that makes no records needs nothing of them.
            [true, false] => self.required,
            [false, _] => other.required,
        };
        let paging = self.paging.zip(other.paging).map(|(one, two)| Paging {
            by: "one system after another",
            most: one.most.max(two.most),
            reach: [one.reach, two.reach].into_iter().flatten().min(),
        });
        Self {
            actions: Action::ALL.into_iter().filter(can).collect(),
            told: self.told.union(&other.told),
            received: self.received.intersection(&other.received),
            created: self.created.union(&other.created),
            required: needed,
            updated: self.updated.union(&other.updated),
            filters: self.filters.iter().copied().filter(|one| other.filters.contains(one)).collect(),
            // Their records stand in each other's order only where the gate sorts them.
            sorts: FieldSet::EMPTY,
            paging,
            has_version: self.has_version && other.has_version,
        }
    }
}

impl Mapping {
    /// How far behind what was written the index may lie that a list comes from.
    pub fn lag(&self, listing: &super::Listing) -> Option<std::time::Duration> {
        self.lists.get(listing.variant)?.lag
    }

    /// All of it.
    pub fn abilities(&self) -> Abilities {
        let actions = Action::ALL.into_iter().filter(|action| self.can(*action)).collect();
        let create = self.view(Action::Create);
        let mut filters = Vec::new();
        for leaf in self.entity.ids() {
            filters.extend(OPS.into_iter().filter(|op| self.compares(leaf, *op)).map(|op| (leaf, op)));
        }
        // What the schema keeps from callers is not theirs to write, whatever the lines say.
        let open = self.entity.writable();
        Abilities {
            actions,
            told: self.mapped(),
            received: self.received(),
            created: create.writable.intersection(&open),
            required: create.required.intersection(&open),
            updated: self.view(Action::Update).writable.intersection(&open),
            filters,
            sorts: self.entity.ids().filter(|leaf| self.sorts(*leaf)).collect(),
            paging: self.pages(),
            has_version: self.version.is_some(),
        }
    }

    /// Whether the system makes a comparison for ordinary values.
    fn compares(&self, leaf: LeafId, op: Op) -> bool {
        let Some(kind) = self.entity.leaf(leaf).map(|leaf| &leaf.kind).filter(|kind| fits(kind, op)) else {
            return false;
        };
        self.ordinary(leaf, kind).into_iter().any(|value| {
            // Twice, for a list of one is asked for as the one.
            let value = if op == Op::In { Value::List(vec![value.clone(), value]) } else { value };
            self.is_pushed(&Filter::test(leaf, op, value))
        })
    }

    /// Whether the list that serves a filter says something of it to the system.
    fn is_pushed(&self, filter: &Filter) -> bool {
        let listing = self.list(&FieldSet::ID, &self.suited(filter.clone()), &[], None, 1).ok();
        let call = listing.and_then(|listing| self.lists.get(listing.variant));
        call.is_some_and(|call| {
            call.bounds.iter().any(|bound| bound.compares(filter)) || self.is_said(call, filter)
        })
    }

    /// Whether the system sorts by a leaf, both ways.
    fn sorts(&self, leaf: LeafId) -> bool {
        let is_pushed = |direction| {
            let sort = [Sort { leaf, direction }];
            let listing = self.list(&FieldSet::ID, &self.suited(Filter::everything()), &sort, None, 1);
            listing.is_ok_and(|listing| listing.sort_pushed)
        };
        // A field with several values is no order.
        self.entity.leaf(leaf).is_some_and(|leaf| !leaf.in_list)
            && [Direction::Ascending, Direction::Descending].into_iter().all(is_pushed)
    }

    /// Values as a caller might ask for: of a closed list all, of a value table those that it knows.
    fn ordinary(&self, leaf: LeafId, kind: &LeafKind) -> Vec<Value> {
        let text = |text: &str| Value::Text(CompactString::from(text));
        let places = self.filters.get(usize::from(leaf.0)).into_iter().flatten();
        let tables: Vec<_> =
            places.filter_map(|place| place.codec.table.as_ref().and_then(Tabled::now)).collect();
        let known = tables.iter().flat_map(|table| table.rows.iter().map(|(_, value)| value.clone()));
        match kind {
            // One of a list that everybody shares is like the others; a system may know some of it.
            LeafKind::Code(codes) if Standard::of(codes).is_some() => {
                codes.first().map(|code| text(code)).into_iter().chain(known).collect()
            }
            LeafKind::Code(codes) => codes.iter().map(|code| text(code)).collect(),
            LeafKind::Text { .. } | LeafKind::Id => {
                let forms = [KeyForm::Digits, KeyForm::Guid].map(|form| text(form.sample()));
                std::iter::once(text("Nowak")).chain(forms).chain(known).collect()
            }
            LeafKind::Decimal => vec![Value::Decimal(Decimal::ONE)],
            LeafKind::Integer => vec![Value::Integer(1)],
            LeafKind::Boolean => vec![Value::Boolean(true), Value::Boolean(false)],
            LeafKind::Date => vec![Value::Date(Date::constant(2026, 3, 1))],
            LeafKind::Instant => {
                // 1 March 2026, eight in the morning.
                Timestamp::from_second(1_772_352_000).map(Value::Instant).into_iter().collect()
            }
        }
    }

    fn pages(&self) -> Option<Paging> {
        let listing = self.listing_of_answer(1).ok()?;
        let page = &self.lists.get(listing.variant)?.page;
        // Where a window ends, a list goes on after its last key.
        let window = page.window.filter(|_| page.keyset.is_none());
        let (by, reach) = match &page.next {
            Next::None => ("none", Some(u64::from(page.most))),
            Next::Token { .. } => ("next", window),
            Next::Link { .. } => ("link", window),
            Next::Offset { .. } => ("offset", window),
            Next::Number { .. } => ("number", window),
            Next::Keyset => ("keyset", None),
        };
        Some(Paging { by, most: page.most, reach })
    }
}
