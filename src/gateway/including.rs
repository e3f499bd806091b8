//! `?include=orders`: records that stand beside those of an answer, one level deep.
//!
//! What is included is a list of its own: permitted, charged, judged, shown and written down as if the caller had sent
//! it, with the ids of what it was shown just before. It tells nothing that this list would not. A collection can be
//! named only where the caller could filter it by the reference, and where it sees what the reference is compared
//! with, both without a mask; any other name is an unknown one. A record that is hidden leads to no question.

use std::collections::HashMap;

use compact_str::CompactString;
use http::Method;
use smallvec::SmallVec;

use super::{
    documents::Describing,
    exchange::Exchange,
    foresee,
    listing::{self, Found, Sought},
};
use crate::{
    answer::{Around, Beside, Gathered},
    catalog::{Action, Operation},
    intake::Head,
    policy::{self, Target},
    quota::{Admission, Over},
    refusal::Refusal,
    schema::{
        Entity, FieldSet, Filter, LeafId, Op, Query, Record, Relation, Value, Way,
        query::{self, QueryFault},
    },
};

/// LIMIT: records of one collection beside one record.
pub(super) const BESIDE_ONE_MAX: usize = 100;
/// LIMIT: records of one collection that are included, those that are told with several records counted each time.
pub(super) const INCLUDED_MAX: usize = 1000;
/// Ids that a system is asked for at once: with more of them, GUIDs above all, a filter grows longer than a mapping
/// sends, and without one the whole collection would be looked through.
pub(super) const IDS_AT_ONCE: usize = 50;
/// LIMIT: records that are read by their ids, where a system cannot be asked for several of them.
pub(super) const READ_MAX: usize = 50;

/// What a caller wants beside its records.
#[derive(Debug, Default)]
pub(super) struct Including(Vec<Relation>);

/// The values of a record that link it to others.
#[derive(Debug, Default)]
pub(super) struct Links(Vec<(LeafId, CompactString)>);

/// What a request includes. The faults of its other parameters are told with those of `include`.
pub(super) async fn wanted<T>(
    exchange: &mut Exchange,
    admission: &Admission,
    head: &Head,
    read: Result<T, Vec<QueryFault>>,
) -> Result<(Including, T), Refusal> {
    let raw = head.query.as_deref().unwrap_or_default();
    if !query::has_include(raw) {
        return read.map(|read| (Including::default(), read)).map_err(Refusal::Query);
    }
    let possible = possible(exchange, admission, head).await?;
    let names: Vec<&str> = possible.iter().map(|relation| &*relation.name).collect();
    match (query::include(raw, &names), read) {
        (Ok(chosen), Ok(read)) => {
            let relations = chosen.iter().filter_map(|at| possible.get(*at)).cloned().collect();
            Ok((Including(relations), read))
        }
        (Err(faults), Ok(_)) | (Ok(_), Err(faults)) => Err(Refusal::Query(faults)),
        (Err(mut faults), Err(others)) => {
            faults.extend(others);
            Err(Refusal::Query(faults))
        }
    }
}

/// What this caller may include. No record, no I/O.
pub(super) async fn possible(
    exchange: &mut Exchange,
    admission: &Admission,
    head: &Head,
) -> Result<Vec<Relation>, Refusal> {
    let prospect = admission.prospect();
    let entity = prospect.operation().entity().ok_or(Refusal::Broken)?;
    let snapshot = exchange.snapshot.clone();
    let sources = snapshot.serving(entity).ok_or(Refusal::Broken)?;
    let (own, facts) = (sources.telling(&prospect.clear()), prospect.caller().facts());
    let relations = snapshot.schema.relations(entity);
    let is_at_hand = |relation: &Relation| {
        let operation = Operation::List(relation.entity.clone());
        policy::is_at_hand(&snapshot.policies, &exchange.core.memo, facts, &operation)
    };
    let are_at_hand = relations.iter().all(is_at_hand);
    let describing = Describing::of(exchange, facts, head);
    let told = move || -> Vec<Relation> {
        relations.into_iter().filter(|relation| is_possible(&describing, &own, relation)).collect()
    };
    // The first time, statements are specialised.
    if are_at_hand { Ok(told()) } else { exchange.core.aside(told).await.ok_or(Refusal::Broken) }
}

/// Whether a caller that sees the leaves `own` of a record unmasked could ask for what stands beside it. Where the other
/// system does not hold the reference there is nothing to ask by.
pub(super) fn is_possible(describing: &Describing, own: &FieldSet, relation: &Relation) -> bool {
    let Some(sources) = describing.snapshot.serving(&relation.entity) else { return false };
    let is_found = match relation.way {
        Way::Back(_) => sources.mapped().contains(relation.theirs()),
        Way::Out(_) => sources.can(Action::Read),
    };
    let outlook = || describing.outlook(Action::List, Target::Entity(relation.entity.clone()));
    own.contains(relation.own())
        && sources.can(Action::List)
        && is_found
        && outlook().is_some_and(|outlook| sources.telling(&outlook.clear()).contains(relation.theirs()))
}

impl Links {
    /// The values of some leaves.
    pub(super) fn of(entity: &Entity, record: &Record, leaves: &FieldSet) -> Self {
        let mut links = Vec::new();
        for leaf in leaves.iter() {
            record.each(entity, leaf, &mut |value| {
                if let Some(text) = value.as_text().filter(|text| !text.is_empty()) {
                    links.push((leaf, text.into()));
                }
            });
        }
        Self(links)
    }

    /// The values of one of them.
    pub(super) fn by(&self, leaf: LeafId) -> impl Iterator<Item = &CompactString> {
        self.0.iter().filter(move |(of, _)| *of == leaf).map(|(_, text)| text)
    }
}

impl Including {
    /// The leaves by which it is found.
    pub(super) fn linking(&self) -> FieldSet {
        self.0.iter().map(Relation::own).collect()
    }

    /// Finds it, beside records that were shown and have these links.
    pub(super) async fn find(
        &self,
        exchange: &mut Exchange,
        admission: &Admission,
        head: &Head,
        links: &[Links],
    ) -> Result<Beside, Refusal> {
        let mut all = Vec::new();
        for relation in &self.0 {
            all.push(around(exchange, admission, head, relation, links).await?);
        }
        Ok(Beside::new(all))
    }
}

/// One collection of it. A system that is away does not sink what another one has; what else is refused sinks the
/// whole.
async fn around(
    exchange: &mut Exchange,
    admission: &Admission,
    head: &Head,
    relation: &Relation,
    links: &[Links],
) -> Result<Around, Refusal> {
    let name = relation.name.clone();
    let wanted = Wanted::of(relation, links);
    if wanted.ids.is_empty() {
        return Ok(Around { name, found: Ok(Gathered::new(links.len())) });
    }
    let operation = Operation::List(relation.entity.clone());
    let path = format!("/v1/{}", relation.entity.collection);
    let mut part = exchange.part(admission.prospect().caller(), &Method::GET, &path, &operation);
    let request = part.entry.request();
    match Box::pin(gather(&mut part, admission, head, operation, &wanted)).await {
        Ok(gathered) => {
            exchange.standing = part.standing.take().or(exchange.standing.take());
            part.close(Ok(&gathered.bytes())).await?;
            Ok(Around { name, found: Ok(gathered) })
        }
        Err(refusal) => {
            part.close(Err(&refusal)).await?;
            match refusal {
                Refusal::System(..) | Refusal::Upstream(..) => Ok(Around::failed(name, &refusal, request)),
                refusal => Err(refusal),
            }
        }
    }
}

/// Which records are to be found, and beside which of the answer's each belongs.
pub(super) struct Wanted<'a> {
    relation: &'a Relation,
    records: usize,
    /// What the reference is compared with, each once, in the order of the answer.
    pub(super) ids: Vec<&'a CompactString>,
    of: HashMap<&'a str, SmallVec<[usize; 1]>>,
}

impl<'a> Wanted<'a> {
    /// What the links of an answer's records lead to.
    pub(super) fn of(relation: &'a Relation, links: &'a [Links]) -> Self {
        let mut wanted = Self { relation, records: links.len(), ids: Vec::new(), of: HashMap::new() };
        for (record, links) in links.iter().enumerate() {
            for id in links.by(relation.own()) {
                let of = wanted.of.entry(id.as_str()).or_insert_with(|| {
                    wanted.ids.push(id);
                    SmallVec::new()
                });
                if of.last() != Some(&record) {
                    of.push(record);
                }
            }
        }
        wanted
    }

    /// The records of the answer beside which one with these links belongs, each once.
    pub(super) fn records(&self, links: &Links) -> Vec<usize> {
        let theirs = links.by(self.relation.theirs());
        let mut records: Vec<usize> =
            theirs.filter_map(|id| self.of.get(id.as_str())).flatten().copied().collect();
        records.sort_unstable();
        records.dedup();
        records
    }

    /// The records of the answer that lead to some ids.
    pub(super) fn leading(&self, ids: &[&CompactString]) -> impl Iterator<Item = usize> {
        ids.iter().filter_map(|id| self.of.get(id.as_str())).flatten().copied()
    }

    /// Those with some ids.
    fn among(&self, ids: &[&CompactString]) -> Filter {
        let ids = ids.iter().map(|id| Value::Text((*id).clone())).collect();
        Filter::test(self.relation.theirs(), Op::In, Value::List(ids))
    }

    /// The list of those that pass a filter.
    fn sought(&self, filter: Filter, left: usize) -> Sought {
        let limit = u32::try_from(left).unwrap_or(u32::MAX);
        let theirs = self.relation.theirs();
        let query = Query { filter, sort: Vec::new(), fields: None, limit };
        Sought {
            query,
            cursor: None,
            bound_to: String::new(),
            skip: 0,
            rows: limit,
            counted: false,
            linking: FieldSet::of(theirs),
            of_rows: None,
            over: Over::LeftOut,
        }
    }
}

/// Lets a part of a request in: it is permitted and charged by itself.
pub(super) async fn admit(
    part: &mut Exchange,
    whole: &Admission,
    head: &Head,
    operation: Operation,
) -> Result<Admission, Refusal> {
    let caller = whole.prospect().caller().for_part();
    let prospect = foresee(part, caller, operation, head).await?;
    let (core, snapshot, now) = (part.core.clone(), part.snapshot.clone(), part.opened);
    let admitted =
        core.gate.quota.admit_part(&snapshot.plans, whole, prospect, part.channel.address, now).await;
    let admission = admitted.map_err(|limited| Refusal::Limited(Box::new(limited)))?;
    part.standing = Some(admission.standing().clone());
    Ok(admission)
}

/// The list itself: the whole road, from the statements to what is shown.
async fn gather(
    part: &mut Exchange,
    whole: &Admission,
    head: &Head,
    operation: Operation,
    wanted: &Wanted<'_>,
) -> Result<Gathered, Refusal> {
    let admission = admit(part, whole, head, operation).await?;
    let mut gathering = Gathering { wanted, gathered: Gathered::new(wanted.records), told: 0, listed: 0 };
    match wanted.relation.way {
        Way::Back(_) => {
            for ids in wanted.ids.chunks(IDS_AT_ONCE) {
                let left = INCLUDED_MAX.saturating_sub(gathering.listed);
                if left == 0 {
                    gathering.cut(ids);
                    continue;
                }
                let found = listing::find(part, &admission, &wanted.sought(wanted.among(ids), left)).await?;
                gathering.take(&found);
                if found.next.is_some() || found.truncated {
                    gathering.cut(ids);
                }
            }
        }
        Way::Out(_) => {
            let (ids, beyond) = wanted.ids.split_at_checked(READ_MAX).unwrap_or((&wanted.ids, &[]));
            gathering.cut(beyond);
            let found =
                listing::by_ids(part, &admission, &wanted.sought(Filter::everything(), READ_MAX), ids)
                    .await?;
            gathering.take(&found);
        }
    }
    let mut gathered = gathering.gathered;
    gathered.lacks = part.lacks(&wanted.relation.entity, &admission.prospect().visible());
    Ok(gathered)
}

struct Gathering<'a> {
    wanted: &'a Wanted<'a>,
    gathered: Gathered,
    /// How many were told, each as often as it is.
    told: usize,
    listed: usize,
}

impl Gathering<'_> {
    /// Puts what was found beside the records it belongs to.
    fn take(&mut self, found: &Found) {
        self.listed = self.listed.saturating_add(found.shown.len());
        for (shown, links) in found.shown.iter().zip(&found.links) {
            let item = self.gathered.add(shown);
            for record in self.wanted.records(links) {
                if self.told >= INCLUDED_MAX || self.gathered.count(record) >= BESIDE_ONE_MAX {
                    self.gathered.cut(record);
                } else {
                    self.gathered.put(record, item);
                    self.told += 1;
                }
            }
        }
    }

    /// There may be more of these than were found.
    fn cut(&mut self, ids: &[&CompactString]) {
        self.wanted.leading(ids).for_each(|record| self.gathered.cut(record));
    }
}
