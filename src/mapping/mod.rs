//! One system's records become an entity and back.
//!
//! A [`System`] is compiled from the mapping part of its file ([`System::KEYS`]): for each entity a
//! [`Mapping`] whose lines work in both directions. Inward, an answer becomes a record in one pass over its
//! bytes, without a tree ([`Mapping::inward`]); outward, a record or a change becomes a [`NativeRequest`]
//! ([`Mapping::create`], [`Mapping::update`]). Nothing here does I/O or knows a status code of the gate's own.
//!
//! ```
//! use bramka::{mapping::System, schema, words::{Diagnostics, tree}};
//! let read = |name: &str, text: &str| tree::parse(&name.into(), text).unwrap();
//! let tag = read("tag.yaml", "
//! title: Tag
//! description: A tag
//! x-collection: tags
//! type: object
//! properties:
//!   id: { type: string, x-class: internal, readOnly: true, description: names it }
//!   word: { type: string, x-class: internal, description: what it says }
//! ");
//! let (schema, _) = schema::load::schema(&[("tag.yaml".into(), tag)]).unwrap();
//! let file = read("shop.yaml", "
//! entities:
//!   Tag:
//!     at: /tags
//!     read: {}
//!     fields: { word: attributes.word }
//! ");
//! let mut found = Diagnostics::default();
//! let system = System::load(&"shop".into(), &file, &[], &schema, &mut found).unwrap();
//! let mapping = system.entity("Tag").unwrap();
//! let wanted = mapping.entity().all();
//! assert_eq!(mapping.read("a b", &wanted).unwrap().target, "/tags/a%20b");
//! let answer = bramka::mapping::NativeAnswer {
//!     status: http::StatusCode::OK,
//!     headers: http::HeaderMap::new(),
//!     body: bytes::Bytes::from_static(br#"{"id":"7","attributes":{"word":"new"}}"#),
//!     received: None,
//!     over: None,
//! };
//! let mut json = Vec::new();
//! let inward = mapping.inward(&answer, &wanted).unwrap();
//! schema::json::write(mapping.entity(), &inward.record, None, &mut json);
//! assert_eq!(json, br#"{"id":"7","word":"new"}"#);
//! ```

mod abilities;
mod actions;
mod also;
mod batch;
mod behind;
mod body;
mod calc;
mod cells;
mod check;
mod choice;
mod codec;
mod countries;
mod cursor;
mod dialect;
mod elsewhere;
mod entries;
mod errors;
mod faults;
mod finding;
mod fixed;
mod forks;
mod html;
mod inward;
mod jq;
mod key;
mod keyed;
mod keyset;
mod link;
mod listing;
mod live;
mod load;
mod merge;
mod model;
mod native;
mod needs;
mod number;
mod out;
mod outward;
mod over;
mod paging;
mod parts;
mod path;
mod pattern;
mod places;
mod planned;
mod push;
mod quoted;
mod refs;
mod returned;
mod scan;
mod sets;
mod settled;
mod shared;
mod sought;
mod tagged;
mod time;
mod trial;
mod trie;
mod tuple;
mod unread;
mod wait;
mod watched;
mod xml;

#[cfg(test)]
mod tests;

pub use abilities::{Abilities, Paging};
pub use actions::Lead;
pub use also::{Answered, Completion, IfMissing, Unasked};
pub use batch::Batch;
pub use countries::is_country_name;
pub use errors::{FaultKind, Refusals, SystemFault};
pub use finding::{Found, Search};
pub use inward::{Inward, Page, RowFault};
pub use keyed::OfKeys;
pub use listing::{ListError, Listing};
pub use live::{LiveRow, LiveTable, Several};
pub use load::System;
pub use model::{Finding, Mapping, What};
pub use native::{NativeAnswer, NativeRequest, Received};
pub use outward::{MappingFault, Whose, WriteView};
pub use over::{GoesOn, Parent, Parents, TooManyParents, Wanted};
pub use parts::{Changes, Creation, PartChange, PartDraft, PartRequest, PartVersions};
pub use planned::{Planned, PlannedOver, Said};
pub use refs::Reference;
pub use returned::Made;
pub use scan::BadJson;
pub use settled::{Before, Settled};
pub use trial::{Back, Follows, Trial, Tried};
pub use unread::NewFields;
pub use watched::Stale;
pub use xml::{BadXml, Tag, Tags, local_tree};
