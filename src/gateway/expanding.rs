//! `$expand`: records that stand beside those of an OData answer, one level deep.
//!
//! What is expanded is a list of its own, permitted, charged, judged, shown and written down as `?include=` has it
//! ([`including`]). Its readers take what they get for all there is: a collection that is not whole is told as the
//! address of its own list, which goes on to its end or is refused there; a system that is away refuses the whole.

use std::{collections::BTreeMap, sync::Arc};

use compact_str::CompactString;
use http::Method;

use super::{
    documents::Describing,
    exchange::Exchange,
    including::{self, BESIDE_ONE_MAX, IDS_AT_ONCE, INCLUDED_MAX, Links, READ_MAX, Wanted},
    listing::{self, By, Sought},
    odata::seen,
};
use crate::{
    answer::{self, Expanded, Place},
    catalog::{Operation, RecordId},
    config::EntitySources,
    identity::Facts,
    intake::Head,
    odata::{self, CountBound, Expandable, Expansion, Navigation, Unmet},
    policy,
    quota::{Admission, Exposed, Over},
    refusal::Refusal,
    schema::{Entity, FieldSet, Filter, LeafId, Op, Query, Relation, Value, Way},
};

/// Records of a page whose records others stand beside: no more than are read one by one, so that what each of them
/// names is told.
pub(super) const PAGE_ROWS_MAX: u32 = 50;

/// What a request expands.
#[derive(Debug, Default)]
pub(super) struct Expanding(Vec<(Expandable, Expansion)>);

/// What this caller may expand beside records of an entity of which it sees the leaves `own` unmasked. No record, no
/// I/O.
pub(super) async fn expandable(
    exchange: &mut Exchange,
    facts: &Arc<Facts>,
    head: &Head,
    entity: &Entity,
    own: FieldSet,
) -> Result<Vec<Expandable>, Refusal> {
    let describing = Describing::of(exchange, facts, head);
    let own = told(&describing, entity, &own);
    let navigations = odata::navigations(&exchange.snapshot.schema, entity);
    let (policies, memo) = (&exchange.snapshot.policies, &exchange.core.memo);
    let are_at_hand = navigations.iter().all(|navigation| {
        let of = &navigation.relation.entity;
        let operations =
            [Operation::List(of.clone()), Operation::Read(of.clone(), RecordId(CompactString::default()))];
        operations.iter().all(|operation| policy::is_at_hand(policies, memo, facts, operation))
    });
    let all = move || -> Vec<Expandable> {
        navigations.into_iter().filter_map(|navigation| followed(&describing, &own, navigation)).collect()
    };
    // The first time, statements are specialised.
    if are_at_hand { Ok(all()) } else { exchange.core.aside(all).await.ok_or(Refusal::Broken) }
}

/// The navigation properties that a caller may follow from records of which it sees the leaves `own` unmasked.
pub(super) fn navigations(describing: &Describing, entity: &Entity, own: &FieldSet) -> Vec<Navigation> {
    let own = told(describing, entity, own);
    let mut navigations = odata::navigations(&describing.snapshot.schema, entity);
    navigations.retain(|navigation| is_followed(describing, &own, &navigation.relation));
    navigations
}

/// Those of some leaves that the system tells: what it does not hold leads nowhere, whatever there is.
fn told(describing: &Describing, entity: &Entity, leaves: &FieldSet) -> FieldSet {
    let mapped = describing.snapshot.serving(entity).map_or(FieldSet::EMPTY, EntitySources::mapped);
    leaves.intersection(&mapped.union(&FieldSet::ID))
}

/// What a caller finds at the end of a navigation property; none where it may not follow it.
fn followed(describing: &Describing, own: &FieldSet, navigation: Navigation) -> Option<Expandable> {
    if !is_followed(describing, own, &navigation.relation) {
        return None;
    }
    let sight = seen(describing, &navigation.relation.entity)?;
    // Without its id it has no type.
    let has_key = sight.columns.contains(LeafId(0));
    has_key.then_some(Expandable {
        navigation,
        columns: sight.columns,
        clear: sight.clear,
        unheld: sight.unheld,
    })
}

/// Whether a caller could ask for what stands there, and the system of the others says whom they belong to.
fn is_followed(describing: &Describing, own: &FieldSet, relation: &Relation) -> bool {
    let theirs = FieldSet::of(relation.theirs());
    !told(describing, &relation.entity, &theirs).is_empty()
        && including::is_possible(describing, own, relation)
}

impl Expanding {
    /// What was wanted, of what may be.
    pub(super) fn new(expandable: &[Expandable], wanted: Vec<Expansion>) -> Result<Self, Refusal> {
        let mut all = Vec::with_capacity(wanted.len());
        for expansion in wanted {
            let one = expandable.get(expansion.at).ok_or(Refusal::Broken)?.clone();
            all.push((one, expansion));
        }
        Ok(Self(all))
    }

    /// Whether nothing is expanded.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The leaves by which it is found.
    pub(super) fn linking(&self) -> FieldSet {
        self.0.iter().map(|(one, _)| one.navigation.relation.own()).collect()
    }

    /// Finds it, beside records that were shown and have these links. `root` is the address of the service.
    pub(super) async fn find(
        &self,
        exchange: &mut Exchange,
        admission: &Admission,
        head: &Head,
        root: &str,
        links: &[Links],
    ) -> Result<Vec<Expanded>, Refusal> {
        let mut all = Vec::with_capacity(self.0.len());
        for (one, expansion) in &self.0 {
            let relation = &one.navigation.relation;
            let wanted = Wanted::of(relation, links);
            let mut placing = Placing::of(expansion, &wanted, links.len());
            let items = if wanted.ids.is_empty() {
                Vec::new()
            } else {
                part(exchange, admission, head, one, expansion, &mut placing).await?
            };
            let places = placing.places(&one.navigation, root, links)?;
            all.push(Expanded {
                name: one.navigation.name.clone(),
                entity: relation.entity.clone(),
                columns: expansion.fields.unwrap_or(one.columns),
                selected: expansion.fields.is_some(),
                is_list: one.navigation.is_list,
                items,
                places,
            });
        }
        Ok(all)
    }
}

/// One expansion, as a request of its own.
async fn part(
    exchange: &mut Exchange,
    admission: &Admission,
    head: &Head,
    one: &Expandable,
    expansion: &Expansion,
    placing: &mut Placing<'_>,
) -> Result<Vec<Option<Exposed>>, Refusal> {
    let entity = &one.navigation.relation.entity;
    let operation = Operation::List(entity.clone());
    let path = format!("{}/{}", odata::PREFIX, odata::set(entity));
    let mut part = exchange.part(admission.prospect().caller(), &Method::GET, &path, &operation);
    match Box::pin(gather(&mut part, admission, head, operation, (one, expansion), placing)).await {
        Ok(items) => {
            exchange.standing = part.standing.take().or(exchange.standing.take());
            let bytes = items.iter().flatten().flat_map(|exposed| answer::encoded(exposed.shown())).collect();
            part.close(Ok(&bytes)).await?;
            Ok(items)
        }
        Err(refusal) => {
            part.close(Err(&refusal)).await?;
            Err(refusal)
        }
    }
}

/// The list itself: the whole road, from the statements to what is shown.
async fn gather(
    part: &mut Exchange,
    whole: &Admission,
    head: &Head,
    operation: Operation,
    (one, expansion): (&Expandable, &Expansion),
    placing: &mut Placing<'_>,
) -> Result<Vec<Option<Exposed>>, Refusal> {
    let admission = including::admit(part, whole, head, operation).await?;
    let (relation, ids) = (&one.navigation.relation, &placing.wanted.ids);
    let theirs = relation.theirs();
    let columns = expansion.fields.unwrap_or(one.columns);
    let fields = Some(columns.intersection(&admission.prospect().visible()));
    let sought = |filter: Filter| Sought {
        query: Query { filter, sort: expansion.sort.clone(), fields, limit: u32::MAX },
        cursor: None,
        bound_to: String::new(),
        skip: 0,
        rows: u32::try_from(INCLUDED_MAX).unwrap_or(u32::MAX),
        counted: false,
        linking: FieldSet::of(theirs),
        of_rows: None,
        over: Over::Refused,
    };
    let mut items = Vec::new();
    match relation.way {
        Way::Back(_) => {
            for ids in ids.chunks(IDS_AT_ONCE) {
                let values = ids.iter().map(|id| Value::Text((*id).clone())).collect();
                let theirs = Filter::test(theirs, Op::In, Value::List(values));
                let sought = sought(theirs.and(expansion.filter.clone()));
                let choose = |links: &[Links]| placing.choose(links);
                match listing::beside(part, &admission, &sought, By::Filter, choose).await? {
                    Some(told) => items.extend(told),
                    None => placing.cut(ids),
                }
            }
        }
        Way::Out(_) => {
            let (ids, beyond) = ids.split_at_checked(READ_MAX).unwrap_or((ids, &[]));
            placing.cut(beyond);
            let sought = sought(expansion.filter.clone());
            let choose = |links: &[Links]| placing.choose(links);
            let told = listing::beside(part, &admission, &sought, By::Ids(ids), choose).await?;
            items.extend(told.unwrap_or_default());
        }
    }
    Ok(items)
}

/// Which of the records that are found stand beside which of the answer, and are told there.
struct Placing<'a> {
    expansion: &'a Expansion,
    wanted: &'a Wanted<'a>,
    /// How many are told, each as often as it is.
    told: usize,
    /// How many were chosen so far: each is an item.
    chosen: usize,
    of: Vec<Spot>,
}

/// What stands beside one record of the answer.
#[derive(Clone, Debug, Default)]
struct Spot {
    items: Vec<usize>,
    found: usize,
    /// There may be more than is told, so nothing of it is.
    is_cut: bool,
}

impl<'a> Placing<'a> {
    fn of(expansion: &'a Expansion, wanted: &'a Wanted<'a>, records: usize) -> Self {
        Self { expansion, wanted, told: 0, chosen: 0, of: vec![Spot::default(); records] }
    }

    /// Places all records with these links, and chooses those that are told somewhere.
    fn choose(&mut self, links: &[Links]) -> Vec<usize> {
        let mut beside: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (row, links) in links.iter().enumerate() {
            for record in self.wanted.records(links) {
                beside.entry(record).or_default().push(row);
            }
        }
        let bound = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let (skip, top) = (bound(self.expansion.skip), self.expansion.top.map_or(usize::MAX, bound));
        for (record, rows) in &mut beside {
            let Some(spot) = self.of.get_mut(*record) else { continue };
            spot.found = rows.len();
            *rows = rows.iter().copied().skip(skip).take(top).collect();
            let told = self.told.saturating_add(rows.len());
            spot.is_cut |= rows.len() > BESIDE_ONE_MAX || told > INCLUDED_MAX;
            if spot.is_cut {
                rows.clear();
            } else {
                self.told = told;
            }
        }
        let mut chosen: Vec<usize> = beside.values().flatten().copied().collect();
        chosen.sort_unstable();
        chosen.dedup();
        let item = |row: &usize| Some(self.chosen.saturating_add(chosen.binary_search(row).ok()?));
        for (record, rows) in &beside {
            if let Some(spot) = self.of.get_mut(*record) {
                spot.items = rows.iter().filter_map(item).collect();
            }
        }
        self.chosen = self.chosen.saturating_add(chosen.len());
        chosen
    }

    /// There may be more beside those that lead to these ids.
    fn cut(&mut self, ids: &[&CompactString]) {
        for record in self.wanted.leading(ids) {
            if let Some(spot) = self.of.get_mut(record) {
                spot.is_cut = true;
            }
        }
    }

    /// What is told beside each record. What is cut is told as the address of its own list.
    fn places(self, navigation: &Navigation, root: &str, links: &[Links]) -> Result<Vec<Place>, Refusal> {
        let counted = self.expansion.count;
        let place = |(spot, links): (Spot, &Links)| {
            if !spot.is_cut {
                let count = counted.then(|| u64::try_from(spot.found).unwrap_or(u64::MAX));
                return Ok(Place { items: spot.items, count, next: None });
            }
            if counted {
                return Err(Refusal::Unmet(Unmet::TooManyToCount(CountBound::Beside {
                    beside_one_max: BESIDE_ONE_MAX,
                    in_all_max: INCLUDED_MAX,
                })));
            }
            let mut ids: Vec<&str> = links.by(navigation.relation.own()).map(CompactString::as_str).collect();
            ids.sort_unstable();
            ids.dedup();
            let own = navigation.own_list(&ids, &self.expansion.written).filter(|_| navigation.is_list);
            let own = own.ok_or(Refusal::Unmet(Unmet::Cut))?;
            Ok(Place { items: Vec::new(), count: None, next: Some(format!("{root}{own}")) })
        };
        self.of.into_iter().zip(links).map(place).collect()
    }
}
