//! The shared schema: entities, the classes of their fields, records, and the one [`Filter`] tree of all
//! doors and dialects.
//!
//! An [`Entity`] is compiled from its JSON Schema file at load ([`load`]): every leaf gets a number, so that
//! a set of fields is a handful of bits ([`FieldSet`]) and a [`Record`] needs no names. A record is never a
//! `serde_json::Value`; money is a decimal, never a float. [`json`] is the way in and out for callers,
//! [`query`] reads what a list asks for, [`openapi`] tells a caller what it may call.
//!
//! ```
//! use bramka::{schema::{Body, View, json, load}, words::{Diagnostics, tree}};
//!
//! let file = "schema/tag.yaml".into();
//! let text = "
//! title: Tag
//! description: A word put on things
//! x-collection: tags
//! type: object
//! required: [word]
//! properties:
//!   id: { type: string, readOnly: true, x-class: public, description: Names it }
//!   word: { type: string, maxLength: 9, x-class: public, description: The word }
//! ";
//! let mut found = Diagnostics::default();
//! let tag = load::entity(&file, &tree::parse(&file, text).unwrap(), &mut found).unwrap();
//!
//! let view = View::of(&tag, Body::Create);
//! let proposed = json::read(&tag, br#"{"word":"new"}"#, &view).unwrap();
//! let mut out = Vec::new();
//! json::write(&tag, &proposed.record, None, &mut out);
//! assert_eq!(out, br#"{"word":"new"}"#);
//!
//! let faults = json::read(&tag, br#"{"wrod":"new"}"#, &view).unwrap_err();
//! assert_eq!(faults[0].to_string(), "/wrod: unknown field `wrod`, did you mean `word`?");
//! assert_eq!(faults[1].to_string(), "/word: `word` is missing");
//! ```

mod change;
mod codes;
mod contact;
mod entity;
mod fields;
mod filter;
pub mod json;
mod languages;
pub mod load;
mod money;
mod numbers;
pub mod openapi;
pub mod query;
mod record;
mod relation;
pub mod value;

#[cfg(test)]
pub(crate) mod testing;

pub use change::{changed, merge};
pub use codes::Standard;
pub use contact::Contact;
pub use entity::{Class, ElementOf, Entity, Field, Leaf, LeafKind, Object, Schema, Shape};
pub use fields::{FieldSet, LEAVES_MAX, LeafId};
pub(crate) use filter::nanos_of_day;
pub use filter::{Derive, Direction, Filter, Items, Op, Pinned, Query, Side, Sort, by_value, order};
pub use json::{Body, Fault, FaultKind, Proposed, View};
pub use money::{Money, Term};
pub(crate) use numbers::names_country;
pub use numbers::{Numbers, Spelling, Unsound};
pub use record::{Fields, Record, Related, Value};
pub use relation::{Relation, Way};
