//! What the tests of this room share: an entity with every kind of leaf, the shipped files, random records.

use std::sync::Arc;

use proptest::prelude::*;

use super::{
    Body, Entity, FieldSet, Fields, LeafKind, Object, Record, Schema, Shape, Value, View, json, load,
};
use crate::words::{Diagnostics, tree};

/// An order in small: every kind of leaf, a group, a list of groups with ids, a list of texts.
pub(crate) const ORDER: &str = r##"
title: Order
description: An order in small
x-collection: orders
x-subject: customer
type: object
required: [customer, lines]
properties:
  id: { type: string, readOnly: true, x-class: internal, description: Names it }
  number: { type: string, maxLength: 20, readOnly: true, x-class: internal, description: Its number }
  urgent: { type: boolean, x-class: internal, description: Whether it hurries }
  priority: { type: [integer, "null"], x-class: internal, description: How much }
  customer: { type: string, x-ref: Order, x-class: internal, description: Who }
  status: { type: string, enum: [draft, open, closed], x-class: internal, description: How far }
  total: { type: string, format: decimal, x-class: confidential, description: What it costs }
  ordered_on: { type: string, format: date, x-class: internal, description: When }
  updated_at: { type: string, format: date-time, x-class: internal, description: Last change }
  ship_to: { $ref: "#/$defs/Address", description: Where to }
  lines:
    type: array
    maxItems: 50
    description: What
    items:
      type: object
      required: [quantity]
      properties:
        id: { type: string, x-class: internal, description: Names the line }
        sku: { type: string, maxLength: 12, x-class: internal, description: Which }
        quantity: { type: string, format: decimal, x-class: internal, description: How many }
        net_total: { type: string, format: decimal, readOnly: true, x-class: confidential, description: For how much }
  tags: { type: array, x-unordered: true, description: Words, items: { type: string, maxLength: 10, x-class: internal } }
$defs:
  Address:
    type: object
    properties:
      city: { type: string, maxLength: 40, x-class: personal, description: Town }
      country: { type: string, maxLength: 2, x-class: internal, description: Country }
"##;

pub(crate) fn compiled(file: &str, text: &str) -> (Option<Entity>, String) {
    let file: Arc<str> = file.into();
    let mut found = Diagnostics::default();
    let entity = load::entity(&file, &tree::parse(&file, text).unwrap(), &mut found);
    (entity, found.to_string())
}

pub(crate) fn order_entity() -> Entity {
    let (entity, told) = compiled("schema/order.yaml", ORDER);
    assert_eq!(told, "");
    entity.unwrap()
}

/// The files of `policies/schema`, loaded.
pub(crate) fn shipped() -> Schema {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/schema");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file: Arc<str> = format!("schema/{}", path.file_name().unwrap().to_str().unwrap()).into();
        let node = tree::parse(&file, &std::fs::read_to_string(&path).unwrap()).unwrap();
        files.push((file, node));
    }
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    let (schema, warnings) = load::schema(&files).unwrap_or_else(|found| panic!("{found}"));
    assert_eq!(warnings.to_string(), "");
    schema
}

/// A view that allows everything, read-only fields included.
pub(crate) fn open_view(entity: &Entity, body: Body) -> View {
    View { body, writable: entity.all(), required: FieldSet::EMPTY, visible: entity.all() }
}

pub(crate) fn record(entity: &Entity, text: &str) -> Record {
    match json::read(entity, text.as_bytes(), &open_view(entity, Body::Create)) {
        Ok(proposed) => proposed.record,
        Err(faults) => panic!("{faults:?}"),
    }
}

pub(crate) fn written(entity: &Entity, record: &Record, fields: Option<&FieldSet>) -> String {
    let mut out = Vec::new();
    json::write(entity, record, fields, &mut out);
    String::from_utf8(out).unwrap()
}

/// Random records of an entity, without nulls (which are written as absence).
pub(crate) fn records(entity: &Entity) -> BoxedStrategy<Record> {
    object(entity, &entity.root).prop_map(Record::from).boxed()
}

fn object(entity: &Entity, shape: &Object) -> BoxedStrategy<Fields> {
    let fields: Vec<_> =
        shape.fields.iter().map(|field| proptest::option::of(value(entity, &field.shape)).boxed()).collect();
    let collect = |values: Vec<Option<Value>>| {
        let mut fields = Fields::default();
        for (position, value) in (0_u16..).zip(values) {
            // An object with nothing in it is written as absence.
            let value = value.filter(|value| !matches!(value, Value::Object(fields) if fields.is_empty()));
            if let Some(value) = value {
                fields.set(position, value);
            }
        }
        fields
    };
    fields.prop_map(collect).boxed()
}

fn value(entity: &Entity, shape: &Shape) -> BoxedStrategy<Value> {
    match shape {
        Shape::Object(shape) => object(entity, shape).prop_map(Value::Object).boxed(),
        Shape::List(item) => {
            proptest::collection::vec(value(entity, item), 0..4).prop_map(Value::List).boxed()
        }
        Shape::Leaf(leaf) => match entity.leaf(*leaf).unwrap().kind.clone() {
            LeafKind::Text { spelling, .. } if spelling.refuses("") => {
                proptest::sample::select(spelling.examples())
                    .prop_map(|text| Value::Text(text.into()))
                    .boxed()
            }
            LeafKind::Text { chars_max, spelling } => {
                proptest::collection::vec(any::<char>(), 0..chars_max.min(12) as usize)
                    .prop_map(move |chars| {
                        Value::Text(spelling.normal(&chars.into_iter().collect::<String>()).as_ref().into())
                    })
                    .boxed()
            }
            LeafKind::Code(codes) => {
                (0..codes.len()).prop_map(move |at| Value::Text((&*codes[at]).into())).boxed()
            }
            LeafKind::Id => "[a-z0-9]{1,3}".prop_map(|text| Value::Text(text.into())).boxed(),
            LeafKind::Decimal => (any::<i64>(), 0_u32..6)
                .prop_map(|(mantissa, scale)| Value::Decimal(rust_decimal::Decimal::new(mantissa, scale)))
                .boxed(),
            LeafKind::Integer => any::<i64>().prop_map(Value::Integer).boxed(),
            LeafKind::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
            LeafKind::Date => (0_i16..3000, 1_i8..13, 1_i8..29)
                .prop_map(|(year, month, day)| Value::Date(jiff::civil::date(year, month, day)))
                .boxed(),
            LeafKind::Instant => (0_i64..4_000_000_000, 0_i32..1_000_000_000)
                .prop_map(|(second, nanos)| Value::Instant(jiff::Timestamp::new(second, nanos).unwrap()))
                .boxed(),
        },
    }
}
