//! Ids on their way: keys of systems become ids of the gate's own before anything judges a record, and ids become
//! keys before a system is asked.
//!
//! Between the two everything knows ids only: statements, filters, subjects, tags, cursors, kept writes, the journal.
//! The records of a page and all their references cost one question to the store, and none where they are remembered.
//! An id that nobody has is a record that does not exist: it is not asked for, and matches nothing. Where a bundle
//! says `ids: keys` nothing is done here.
//!
//! A reference in a record of a system is that system's key of the record it points to, unless the file says whose it is:
//! `Order.customer` in the ERP is a customer as the ERP knows it, or as the CRM does.

mod elements;

use std::{borrow::Cow, collections::HashMap};

use compact_str::CompactString;

use super::exchange::Exchange;
use crate::{
    config::{EntitySource, EntitySources},
    crosswalk::{CrosswalkError, KEYS_MAX, PublicId},
    mapping::{Inward, Mapping, RowFault},
    refusal::Refusal,
    schema::{
        Entity, FieldSet, Fields, Filter, LeafId, Object, Op, Record, Shape, Value,
        json::{Fault, FaultKind},
    },
    store::NativeKey,
    words::SystemName,
};

pub(super) use elements::Elements;

/// The id by which callers know a record that was put into their form.
pub(super) fn of(entity: &Entity, inward: &Inward) -> CompactString {
    let id = inward.record.first(entity, LeafId(0)).and_then(Value::as_text);
    id.map_or_else(|| inward.id.clone(), CompactString::from)
}

/// What of a system's records is a key there. What others tell of them has its ids already.
fn leaves(exchange: &Exchange, mapping: &Mapping) -> FieldSet {
    exchange.snapshot.ids.leaves(mapping.entity()).minus(&mapping.elsewhere())
}

/// Whether everything in a record of a system that must be an id is one.
pub(super) fn are_all(
    exchange: &Exchange,
    mapping: Option<&Mapping>,
    entity: &Entity,
    record: &Record,
) -> bool {
    let mut are_all = true;
    let elements = mapping.map_or(FieldSet::EMPTY, |mapping| elements::leaves(exchange, mapping));
    for leaf in exchange.snapshot.ids.leaves(entity).union(&elements).iter() {
        record.each(entity, leaf, &mut |value| {
            let text = value.as_text().filter(|text| !text.is_empty());
            are_all &= text.is_none_or(|text| text.parse::<PublicId>().is_ok());
        });
    }
    are_all
}

/// Puts ids in the places of keys in all records of a page.
pub(super) async fn page(
    exchange: &Exchange,
    mapping: &Mapping,
    rows: &mut [Result<Inward, RowFault>],
) -> Result<(), Refusal> {
    let mut records: Vec<&mut Record> = rows.iter_mut().flatten().map(|inward| &mut inward.record).collect();
    public(exchange, mapping, &mut records).await
}

/// Puts ids in the places of keys.
pub(super) async fn public(
    exchange: &Exchange,
    mapping: &Mapping,
    records: &mut [&mut Record],
) -> Result<(), Refusal> {
    told(exchange, mapping, &mapping.entity().all(), records).await
}

/// The same of some leaves. ORDER: elements first, whose ids are made of the keys of their records.
pub(super) async fn told(
    exchange: &Exchange,
    mapping: &Mapping,
    told: &FieldSet,
    records: &mut [&mut Record],
) -> Result<(), Refusal> {
    elements::public(exchange, mapping, told, records);
    let entity = mapping.entity();
    let leaves = leaves(exchange, mapping).intersection(told);
    if leaves.is_empty() {
        return Ok(());
    }
    let mut keys = Vec::with_capacity(records.len());
    for record in &mut *records {
        record.each_text_mut(entity, &leaves, &mut |leaf, native| {
            if let Some(name) = entity.points_to(leaf) {
                let (name, system) = (name.clone(), mapping.keys_of(leaf).clone());
                keys.push(NativeKey { entity: name, system, native: native.clone() });
            }
        });
    }
    let mut ids = Vec::with_capacity(keys.len());
    for keys in keys.chunks(KEYS_MAX) {
        ids.extend(exchange.core.gate.crosswalk.public(keys).await.map_err(Refusal::Ids)?);
    }
    let mut ids = ids.into_iter();
    for record in records {
        record.each_text_mut(entity, &leaves, &mut |_, text| {
            // They were gathered in this very order; a key never stays in the place of an id.
            *text = ids.next().map(|id| id.text()).unwrap_or_default();
        });
    }
    Ok(())
}

/// The id of a record that a system knows by a key.
pub(super) async fn named(
    exchange: &Exchange,
    mapping: &Mapping,
    key: CompactString,
) -> Result<CompactString, Refusal> {
    let name = &mapping.entity().name;
    if !exchange.snapshot.ids.are_opaque(name.as_str()) {
        return Ok(key);
    }
    let key = NativeKey { entity: name.clone(), system: mapping.system().clone(), native: key };
    let ids = exchange.core.gate.crosswalk.public(std::slice::from_ref(&key)).await.map_err(Refusal::Ids)?;
    ids.first().map(PublicId::text).ok_or(Refusal::Broken)
}

/// The keys by which a system knows the records of some ids that callers may have made up; none of those that it does
/// not know.
pub(super) async fn known(
    exchange: &Exchange,
    mapping: &Mapping,
    ids: &[&CompactString],
) -> Result<Vec<Option<CompactString>>, Refusal> {
    if !exchange.snapshot.ids.are_opaque(mapping.name().as_str()) {
        return Ok(ids.iter().map(|id| Some((*id).clone())).collect());
    }
    let parsed: Vec<Option<PublicId>> = ids.iter().map(|id| id.parse().ok()).collect();
    let asked: Vec<_> = parsed.iter().flatten().map(|id| (LeafId(0), *id)).collect();
    let mut keys = Vec::with_capacity(asked.len());
    for asked in asked.chunks(KEYS_MAX) {
        keys.extend(natives(exchange, mapping, asked).await.map_err(Refusal::Ids)?);
    }
    let mut keys = keys.into_iter();
    Ok(parsed.iter().map(|id| id.and_then(|_| keys.next().flatten())).collect())
}

/// The system that has the record of an id, of those that serve its collection, and its key there. What none of them
/// knows is not there.
pub(super) async fn source<'s>(
    exchange: &Exchange,
    sources: &'s EntitySources,
    id: &str,
) -> Result<(&'s EntitySource, CompactString), Refusal> {
    for source in sources.all() {
        match key(exchange, &source.mapping, id).await {
            Err(Refusal::NoSuchRecord) => {}
            key => return key.map(|key| (source, key)),
        }
    }
    Err(Refusal::NoSuchRecord)
}

/// The key by which a system knows a record; what it does not know is not there.
async fn key(exchange: &Exchange, mapping: &Mapping, id: &str) -> Result<CompactString, Refusal> {
    let name = &mapping.entity().name;
    if !exchange.snapshot.ids.are_opaque(name.as_str()) {
        return Ok(id.into());
    }
    let id: PublicId = id.parse().map_err(|_| Refusal::NoSuchRecord)?;
    let key = exchange.core.gate.crosswalk.native(name, mapping.system(), id).await;
    key.map_err(Refusal::Ids)?.ok_or(Refusal::NoSuchRecord)
}

/// The keys by which a system knows the records of some ids; none of those that it does not know.
pub(super) async fn keys(
    exchange: &Exchange,
    mapping: &Mapping,
    ids: &[CompactString],
) -> Result<Vec<Option<CompactString>>, Refusal> {
    if !exchange.snapshot.ids.are_opaque(mapping.name().as_str()) {
        return Ok(ids.iter().cloned().map(Some).collect());
    }
    let parsed: Option<Vec<_>> = ids.iter().map(|id| Some((LeafId(0), id.parse().ok()?))).collect();
    let mut keys = Vec::with_capacity(ids.len());
    for ids in parsed.ok_or(Refusal::Broken)?.chunks(KEYS_MAX) {
        keys.extend(natives(exchange, mapping, ids).await.map_err(Refusal::Ids)?);
    }
    Ok(keys)
}

/// A record with keys in the places of ids, for the system; `elements` are those of the record as it is stored.
/// INVARIANT: what callers sent was looked at before ([`sent`]), and everything else in it came from that system.
pub(super) async fn native<'r>(
    exchange: &Exchange,
    mapping: &Mapping,
    elements: &Elements,
    record: &'r Record,
) -> Result<Cow<'r, Record>, Refusal> {
    if leaves(exchange, mapping).union(&elements::leaves(exchange, mapping)).is_empty() {
        return Ok(Cow::Borrowed(record));
    }
    keyed(exchange, mapping, elements, record.clone()).await.map(Cow::Owned)
}

/// The same in the record's own place.
pub(super) async fn keyed(
    exchange: &Exchange,
    mapping: &Mapping,
    elements: &Elements,
    mut record: Record,
) -> Result<Record, Refusal> {
    elements.keyed(exchange, mapping, &mut record);
    let entity = mapping.entity();
    let leaves = leaves(exchange, mapping);
    if leaves.is_empty() {
        return Ok(record);
    }
    let (mut ids, mut is_known) = (Vec::new(), true);
    record.each_text_mut(entity, &leaves, &mut |leaf, text| match (entity.points_to(leaf), text.parse()) {
        (Some(_), Ok(id)) => ids.push((leaf, id)),
        (Some(_) | None, _) => is_known = false,
    });
    let keys = natives(exchange, mapping, &ids).await.map_err(Refusal::Ids)?;
    let mut keys = keys.into_iter();
    record.each_text_mut(entity, &leaves, &mut |_, text| match keys.next().flatten() {
        Some(key) => *text = key,
        None => is_known = false,
    });
    if is_known { Ok(record) } else { Err(Refusal::Broken) }
}

/// Refuses a body that points to what the system does not know, each place by its name.
pub(super) async fn sent(exchange: &Exchange, mapping: &Mapping, proposed: &Record) -> Result<(), Refusal> {
    let entity = mapping.entity();
    let leaves = leaves(exchange, mapping);
    if leaves.is_empty() {
        return Ok(());
    }
    let mut search = Search { leaves: &leaves, pointer: String::new(), found: Vec::new() };
    search.fields(&entity.root, &proposed.fields);
    let (mut ids, mut unknown) = (Vec::new(), Vec::new());
    let mut places = Vec::new();
    for Pointed { leaf, text, pointer } in search.found {
        match text.parse() {
            Ok(id) => {
                ids.push((leaf, id));
                places.push(pointer);
            }
            Err(_) => unknown.push(pointer),
        }
    }
    let keys = natives(exchange, mapping, &ids).await.map_err(Refusal::Ids)?;
    unknown.extend(places.into_iter().zip(keys).filter(|(_, key)| key.is_none()).map(|(pointer, _)| pointer));
    if unknown.is_empty() {
        return Ok(());
    }
    let fault = |pointer| Fault { pointer, kind: FaultKind::Code, message: UNKNOWN.to_owned() };
    Err(Refusal::Invalid(unknown.into_iter().take(FAULTS_MAX).map(fault).collect()))
}

/// What is said of an id that leads nowhere.
const UNKNOWN: &str = "there is no such record in the system that would hold this";
/// LIMIT: such faults of one body.
const FAULTS_MAX: usize = 32;

/// A filter as the system can be asked for it; none where nothing in it is an id. What no key stands for matches
/// nothing, and what only ids can tell lets everything pass: it is matched again here.
pub(super) async fn filter(
    exchange: &Exchange,
    mapping: &Mapping,
    filter: &Filter,
) -> Result<Option<Filter>, Refusal> {
    let entity = mapping.entity();
    let records = leaves(exchange, mapping);
    let leaves = records.union(&elements::leaves(exchange, mapping));
    if filter.leaves().intersection(&leaves).is_empty() {
        return Ok(None);
    }
    let mut ids = Vec::new();
    gather(filter, &records, &mut ids);
    let keys = natives(exchange, mapping, &ids).await.map_err(Refusal::Ids)?;
    let known: HashMap<(LeafId, PublicId), CompactString> =
        ids.into_iter().zip(keys).filter_map(|(id, key)| Some((id, key?))).collect();
    let key = |leaf: LeafId, text: &str| known.get(&(leaf, text.parse().ok()?)).cloned();
    Ok(Some(translated(filter, entity, &leaves, &key).simplified()))
}

/// The ids that a filter asks for. Recursion is bounded by what reads a query and compiles a statement.
fn gather(filter: &Filter, leaves: &FieldSet, ids: &mut Vec<(LeafId, PublicId)>) {
    match filter {
        Filter::All(parts) | Filter::Any(parts) => {
            parts.iter().for_each(|part| gather(part, leaves, ids));
        }
        Filter::Item(_, inner) => gather(inner, leaves, ids),
        Filter::Test { leaf, op: Op::Eq | Op::In, value } if leaves.contains(*leaf) => {
            let texts = one_or_more(value).filter_map(Value::as_text);
            ids.extend(texts.filter_map(|text| Some((*leaf, text.parse().ok()?))));
        }
        Filter::Test { .. } | Filter::Derived { .. } | Filter::Pair { .. } | Filter::Not(_) => {}
    }
}

fn translated(
    filter: &Filter,
    entity: &Entity,
    leaves: &FieldSet,
    key: &dyn Fn(LeafId, &str) -> Option<CompactString>,
) -> Filter {
    let each = |parts: &[Filter]| parts.iter().map(|part| translated(part, entity, leaves, key)).collect();
    match filter {
        Filter::All(parts) => Filter::All(each(parts)),
        Filter::Any(parts) => Filter::Any(each(parts)),
        Filter::Item(items, inner) => {
            Filter::Item(items.clone(), Box::new(translated(inner, entity, leaves, key)))
        }
        filter if filter.leaves().intersection(leaves).is_empty() => filter.clone(),
        Filter::Test { leaf, op: Op::Eq | Op::In, value } => match (entity.points_to(*leaf), value) {
            (Some(_), Value::Null) => filter.clone(),
            (Some(_), value) => {
                let texts = one_or_more(value).filter_map(Value::as_text);
                let keys: Vec<Value> = texts.filter_map(|text| key(*leaf, text)).map(Value::Text).collect();
                match keys.is_empty() {
                    true => Filter::nothing(),
                    false => Filter::test(*leaf, Op::In, Value::List(keys)),
                }
            }
            (None, _) => Filter::everything(),
        },
        // Of keys it says something else than of ids.
        Filter::Test { .. } | Filter::Derived { .. } | Filter::Pair { .. } | Filter::Not(_) => {
            Filter::everything()
        }
    }
}

fn one_or_more(value: &Value) -> std::slice::Iter<'_, Value> {
    match value {
        Value::List(values) => values.iter(),
        value => std::slice::from_ref(value).iter(),
    }
}

/// The keys of ids in the systems whose keys stand in their leaves: one question to the store for each system.
async fn natives(
    exchange: &Exchange,
    mapping: &Mapping,
    ids: &[(LeafId, PublicId)],
) -> Result<Vec<Option<CompactString>>, CrosswalkError> {
    let mut systems: Vec<&SystemName> = ids.iter().map(|(leaf, _)| mapping.keys_of(*leaf)).collect();
    systems.sort_unstable();
    systems.dedup();
    let mut keys = vec![None; ids.len()];
    for system in systems {
        let of = ids.iter().enumerate().filter(|(_, (leaf, _))| mapping.keys_of(*leaf) == system);
        let named = |(at, (leaf, id)): (usize, &(LeafId, PublicId))| {
            Some((at, (mapping.entity().points_to(*leaf)?.clone(), *id)))
        };
        let (places, asked): (Vec<usize>, Vec<_>) = of.filter_map(named).unzip();
        let told = exchange.core.gate.crosswalk.natives(system, &asked).await?;
        for (at, key) in places.into_iter().zip(told) {
            if let Some(place) = keys.get_mut(at) {
                *place = key;
            }
        }
    }
    Ok(keys)
}

/// An id in a body, and where it stands.
struct Pointed {
    leaf: LeafId,
    text: CompactString,
    pointer: String,
}

/// Looks for ids in a body. Recursion is bounded by the depth of the entity.
struct Search<'a> {
    leaves: &'a FieldSet,
    pointer: String,
    found: Vec<Pointed>,
}

impl Search<'_> {
    fn fields(&mut self, object: &Object, fields: &Fields) {
        for (position, value) in fields.iter() {
            let Some(field) = object.at(position).filter(|field| self.leaves.any_in(&field.leaves)) else {
                continue;
            };
            // Names of fields hold nothing that a pointer escapes (RFC 6901 §3).
            self.within(&field.name, |search| search.value(&field.shape, value));
        }
    }

    fn value(&mut self, shape: &Shape, value: &Value) {
        match (shape, value) {
            (Shape::Leaf(leaf), Value::Text(text)) if self.leaves.contains(*leaf) && !text.is_empty() => {
                let (leaf, text, pointer) = (*leaf, text.clone(), self.pointer.clone());
                self.found.push(Pointed { leaf, text, pointer });
            }
            (Shape::Object(object), Value::Object(fields)) => self.fields(object, fields),
            (Shape::List(item), Value::List(items)) => {
                for (index, value) in items.iter().enumerate() {
                    self.within(&index.to_string(), |search| search.value(item, value));
                }
            }
            (Shape::Leaf(_) | Shape::Object(_) | Shape::List(_), _) => {}
        }
    }

    fn within(&mut self, name: &str, then: impl FnOnce(&mut Self)) {
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(name);
        then(self);
        self.pointer.truncate(length);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        schema::{self, Body, Items, View, json},
        words::tree,
    };

    const FILES: [(&str, &str); 2] = [
        (
            "schema/customer.yaml",
            "title: Customer\ndescription: A customer\nx-collection: customers\ntype: object\nproperties:\n  \
             id: { type: string, readOnly: true, x-class: internal, description: id }\n",
        ),
        (
            "schema/order.yaml",
            "title: Order\ndescription: An order\nx-collection: orders\ntype: object\nproperties:\n  \
             id: { type: string, readOnly: true, x-class: internal, description: id }\n  \
             customer: { type: string, x-ref: Customer, x-class: internal, description: who }\n  \
             note: { type: string, maxLength: 40, x-class: internal, description: note }\n  \
             others:\n    type: array\n    description: others\n    \
             items: { type: string, x-ref: Customer, x-class: internal, description: one }\n  \
             lines:\n    type: array\n    description: lines\n    items:\n      type: object\n      properties:\n        \
             id: { type: string, x-class: internal, description: names it }\n",
        ),
    ];

    fn order() -> Arc<Entity> {
        let files = FILES.map(|(file, text)| (Arc::from(file), tree::parse(&file.into(), text).unwrap()));
        let schema = schema::load::schema(&files).unwrap_or_else(|found| panic!("{found}")).0;
        schema.entity("Order").unwrap().clone()
    }

    /// Ids of a handful of records; the last one is nobody's.
    const IDS: [&str; 5] = ["a", "b", "c", "d", "nobody"];

    fn key(_: LeafId, id: &str) -> Option<CompactString> {
        IDS.iter().position(|known| *known == id).filter(|at| *at < 4).map(|at| format!("k{}", 9 - at).into())
    }

    fn record(entity: &Entity, [id, customer, other]: [usize; 3], is_native: bool) -> Record {
        let of = |at: usize| match is_native {
            true => key(LeafId(0), IDS[at]).unwrap().to_string(),
            false => IDS[at].to_owned(),
        };
        let text = format!(
            r#"{{"id":"{}","customer":"{}","note":"a","others":["{}","{}"]}}"#,
            of(id),
            of(customer),
            of(other),
            of(customer)
        );
        let view = View { writable: entity.all(), ..View::of(entity, Body::Patch) };
        json::read(entity, text.as_bytes(), &view).unwrap().record
    }

    fn filters() -> impl Strategy<Value = Filter> {
        let text = || prop::sample::select(IDS.to_vec()).prop_map(|id| Value::Text(id.into()));
        let ops = vec![Op::Eq, Op::Ne, Op::Lt, Op::Gte, Op::Contains, Op::StartsWith];
        let one = (0..4_u8, prop::sample::select(ops), text())
            .prop_map(|(leaf, op, value)| Filter::test(LeafId(leaf), op, value));
        let several = (0..4_u8, prop::collection::vec(text(), 0..3))
            .prop_map(|(leaf, values)| Filter::test(LeafId(leaf), Op::In, Value::List(values)));
        let null = (0..4_u8).prop_map(|leaf| Filter::test(LeafId(leaf), Op::Eq, Value::Null));
        prop_oneof![one, several, null].prop_recursive(4, 24, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Filter::All),
                prop::collection::vec(inner.clone(), 0..3).prop_map(Filter::Any),
                inner.prop_map(|inner| Filter::Not(Box::new(inner))),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_filter_for_a_system_lets_every_record_pass_that_passes_the_callers(
            filter in filters(),
            of in [0..4_usize, 0..4_usize, 0..4_usize],
        ) {
            let entity = order();
            let leaves: FieldSet = ["id", "customer", "others"].iter().filter_map(|path| entity.leaf_at(path)).collect();
            let asked = translated(&filter, &entity, &leaves, &key).simplified();
            if filter.matches(&entity, &record(&entity, of, false)) {
                prop_assert!(asked.matches(&entity, &record(&entity, of, true)), "{:?}", asked);
            }
        }
    }

    #[test]
    fn an_id_that_nobody_has_asks_a_system_for_nothing() {
        let entity = order();
        let leaves = FieldSet::ID;
        let asked = |filter: &Filter| translated(filter, &entity, &leaves, &key).simplified();
        let nobody = Filter::test(LeafId(0), Op::Eq, Value::Text("nobody".into()));
        assert!(asked(&nobody).is_nothing());
        let both = nobody.clone().and(Filter::test(LeafId(2), Op::Eq, Value::Text("a".into())));
        assert!(asked(&both).is_nothing());
        // Denied, it is matched here.
        assert!(asked(&Filter::Not(Box::new(nobody))).is_everything());
    }

    #[test]
    fn ids_of_elements_are_matched_here_and_no_system_is_asked_for_them() {
        let entity = order();
        let lines = entity.leaf_at("lines.id").unwrap();
        let leaves = FieldSet::ID.union(&FieldSet::of(lines));
        let asked = |filter: &Filter| translated(filter, &entity, &leaves, &key).simplified();
        let of = |op, value| Filter::test(lines, op, value);
        let text = || Value::Text("a".into());
        for filter in [
            of(Op::Eq, text()),
            of(Op::In, Value::List(vec![text(), text()])),
            of(Op::Ne, text()),
            Filter::Not(Box::new(of(Op::Eq, text()))),
        ] {
            let any = Filter::Item(Items::at(&entity, "lines").unwrap(), Box::new(filter.clone()));
            assert!(asked(&filter).is_everything(), "{filter:?}");
            assert!(asked(&Filter::Not(Box::new(any.clone()))).is_everything(), "{any:?}");
            let Filter::Item(_, left) = asked(&any) else { panic!("{any:?}") };
            assert!(left.is_everything(), "{left:?}");
        }
    }
}
