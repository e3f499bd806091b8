//! Records that other records name, as far as statements go by them: one step away, asked for before anything is judged.
//!
//! They are asked for by the gate and shown to nobody. Each is asked for once in a request, with the others of its
//! collection, and no more than [`RELATED_MAX`] are. A system that cannot be asked refuses the request, for nobody can
//! say what it would have told. A record that is not there, of which several could be meant, or that does not tell what
//! is read, is not put beside those that name it: statements that go by it cannot be judged then.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use compact_str::CompactString;
use foldhash::fast::RandomState;

use super::{Ask, Asked, Called, Failed, Told};
use crate::{
    config::{EntitySource, Part},
    gateway::{exchange::Exchange, ids, tables},
    mapping::{IfMissing, Inward, Mapping},
    policy::Relation,
    quota::Admission,
    refusal::Refusal,
    schema::{Entity, FieldSet, LeafId, Record, Related, Value},
    words::EntityName,
};

/// LIMIT: records that are asked for in one request because others name them.
const RELATED_MAX: usize = 1_000;

/// Records by collection and id; none where it cannot be gone by.
pub(in crate::gateway) type Fetched = HashMap<(EntityName, CompactString), Option<Arc<Record>>, RandomState>;

/// Puts beside records what they name, as far as statements of this request go by it.
pub(in crate::gateway) async fn relate(
    exchange: &mut Exchange,
    admission: &Admission,
    mapping: &Mapping,
    records: &mut [&mut Record],
) -> Result<(), Refusal> {
    let follows = admission.prospect().outlook().follows();
    if follows.is_empty() || records.is_empty() {
        return Ok(());
    }
    let entity = mapping.entity();
    for relation in &follows {
        let whole = whole(relation, &follows);
        let mut wanted: Vec<CompactString> = Vec::new();
        let mut seen: HashSet<&str> = HashSet::new();
        let named = records.iter().filter_map(|record| named(entity, record, relation.by));
        for id in named.filter(|id| seen.insert(id)) {
            if !exchange.related.contains_key(&(relation.to.name.clone(), id.into())) {
                wanted.push(id.into());
            }
        }
        let room = RELATED_MAX.saturating_sub(exchange.related.len());
        if wanted.len() > room {
            exchange.entry.note("related", format_args!("{} more than {RELATED_MAX}", wanted.len() - room));
            wanted.truncate(room);
        }
        Box::pin(fetch(exchange, admission, (mapping, &whole), wanted)).await?;
    }
    for record in records.iter_mut() {
        let related: Vec<Related> = follows
            .iter()
            .filter_map(|relation| {
                let id: CompactString = named(entity, record, relation.by)?.into();
                let found = exchange.related.get(&(relation.to.name.clone(), id.clone()))?.clone()?;
                Some(Related { by: relation.by, id, record: found })
            })
            .collect();
        **record = std::mem::take(*record).with_related(related);
    }
    Ok(())
}

/// A relation with all that any reference to the same collection is followed for: a record is asked for once.
fn whole(relation: &Relation, all: &[Relation]) -> Relation {
    let same = all.iter().filter(|other| other.to.name == relation.to.name);
    same.fold(relation.clone(), |whole, other| Relation {
        reads: whole.reads.union(&other.reads),
        names: whole.names.union(&other.names),
        ..whole
    })
}

/// The id by which a record names another.
fn named<'r>(entity: &Entity, record: &'r Record, by: LeafId) -> Option<&'r str> {
    record.first(entity, by).and_then(Value::as_text).filter(|id| !id.is_empty())
}

/// Asks for records by their ids and keeps what came.
async fn fetch(
    exchange: &mut Exchange,
    admission: &Admission,
    (mapping, relation): (&Mapping, &Relation),
    wanted: Vec<CompactString>,
) -> Result<(), Refusal> {
    let (snapshot, name) = (exchange.snapshot.clone(), &relation.to.name);
    let sources = snapshot.serving(&relation.to).ok_or(Refusal::Broken)?;
    let is_opaque = snapshot.ids.are_opaque(name.as_str());
    let mut left = wanted;
    for source in sources.all() {
        // Where ids are the systems' keys, a key is of whom the reference's file says: to another it is of some other
        // record, or of none.
        let is_theirs = is_opaque || source.name() == mapping.keys_of(relation.by);
        if left.is_empty() || !is_theirs {
            continue;
        }
        let keys = ids::keys(exchange, &source.mapping, &left).await?;
        let (known, unknown): (Vec<_>, Vec<_>) =
            left.into_iter().zip(keys).partition(|(_, key)| key.is_some());
        left = unknown.into_iter().map(|(id, _)| id).collect();
        let ids: HashMap<_, _> = known.into_iter().filter_map(|(id, key)| Some((key?, id))).collect();
        if ids.is_empty() {
            continue;
        }
        let keys = ids.keys().cloned().map(Some).collect();
        for (key, mut found) in ask(exchange, admission, source, (keys, &relation.reads)).await? {
            let Some(id) = ids.get(&key) else { continue };
            let told = source.mapping.mapped().union(&relation.names);
            let is_told = !found.missing.intersection(&relation.reads).meets(&told);
            ids::public(exchange, &source.mapping, &mut [&mut found.record]).await?;
            let sound = (is_told && relation.is_sound(&found.record)).then(|| Arc::new(found.record));
            // Of two that are meant neither is taken.
            let seen = exchange.related.entry((name.clone(), id.clone()));
            seen.and_modify(|known| *known = None).or_insert(sound);
        }
        // Another system may have what this one has not.
        left.extend(
            ids.into_values().filter(|id| !exchange.related.contains_key(&(name.clone(), id.clone()))),
        );
    }
    for id in left {
        exchange.related.entry((name.clone(), id)).or_insert(None);
    }
    Ok(())
}

/// Asks one system for records by their keys there.
async fn ask(
    exchange: &mut Exchange,
    admission: &Admission,
    source: &EntitySource,
    (values, reads): (Vec<Option<CompactString>>, &FieldSet),
) -> Result<Vec<(CompactString, Inward)>, Refusal> {
    let (mapping, system) = (&source.mapping, source.name());
    tables::ready_for(exchange, mapping, (reads, reads)).await?;
    let wanted = mapping.entity().with_currencies(&mapping.deciding(&reads.union(&FieldSet::ID)));
    let ask = Ask {
        core: exchange.core.clone(),
        upstream: source.upstream.clone(),
        mapping: mapping.clone(),
        receipt: exchange.entry.fetch(admission),
        trace: exchange.traceparent.clone(),
        part: Part {
            system: system.clone(),
            leaves: *reads,
            on: LeafId(0),
            missing: IfMissing::Refused,
            within: exchange.time_max(),
        },
        deadline: exchange.deadline(),
        wanted: mapping.entity().with_records_of_elements(&wanted),
        values,
    };
    let Told { ask, asked: Asked { calls, looks }, outcome } = ask.tell().await;
    for Called { status, took, sent, got } in calls {
        exchange.called_for(system, (status, took), sent, got);
    }
    for look in &looks {
        let seen = (look.listing.as_ref(), &look.answer);
        exchange.looked_at(mapping, &ask.wanted, look.rows.iter().map(Result::as_ref), seen);
    }
    outcome.map_err(|failed| match failed {
        Failed::Unreached(error) => exchange.unreached(system, error),
        Failed::Fault(fault) => exchange.refused_by(system, fault),
    })?;
    let rows = looks.into_iter().flat_map(|look| look.rows).flatten();
    Ok(rows.map(|inward| (inward.id.clone(), inward)).collect())
}
