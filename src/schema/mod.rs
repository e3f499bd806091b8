//! The shared schema: entities, the classes of their fields, records, and the one [`Filter`] tree of all
//! doors and dialects.
//!
//! An [`Entity`] is compiled from its JSON Schema file at load: every leaf gets a number, so that a set of
//! fields is a handful of bits ([`FieldSet`]) and a [`Record`] needs no names. A record is never a
//! `serde_json::Value`; money is a decimal, never a float.

mod entity;
mod fields;
mod filter;
mod record;

pub use entity::{Class, Entity, Field, Leaf, LeafKind, Object, Schema, Shape};
pub use fields::{FieldSet, LEAVES_MAX, LeafId};
pub use filter::{Direction, Filter, Op, Query, Sort};
pub use record::{Fields, Record, Value};
