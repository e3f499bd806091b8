//! OData v4 over the shared schema, read only: what BI tools ask becomes a list's [`Query`](crate::schema::Query)
//! or one record's id, and records become OData's JSON. No I/O and no policy: who may see what is decided
//! elsewhere and comes in as sets of leaves.
//!
//! [`Resource`] is what stands under `/odata/`, [`list`] and [`one`] read the options of a URL, [`Style`] the form of
//! answer that a caller takes, [`metadata`] describes what it may ask for, [`page`] and [`entity`] write answers,
//! [`navigations`] are the ways from a record to others, [`Flat`] sets have the items of lists as rows. A part of OData that is not here is refused by name
//! ([`Unmet`]): nothing of a request is left out in silence.
//!
//! ```
//! use bramka::{odata::{self, Resource}, schema::{FieldSet, load, query::Limits}, words::{Diagnostics, tree}};
//!
//! assert_eq!(Resource::parse("/odata/orders('7')"), Some(Resource::One { set: "orders".into(), key: "7".into() }));
//!
//! let file = "schema/tag.yaml".into();
//! let text = "
//! title: Tag
//! description: A word put on things
//! x-collection: tags
//! type: object
//! properties:
//!   id: { type: string, readOnly: true, x-class: public, description: Names it }
//!   word: { type: string, maxLength: 9, x-class: public, description: The word }
//! ";
//! let mut found = Diagnostics::default();
//! let tag = load::entity(&file, &tree::parse(&file, text).unwrap(), &mut found).unwrap();
//! let all = tag.all();
//! let servable = odata::Servable { clear: &all, unheld: &FieldSet::EMPTY, now: jiff::Timestamp::UNIX_EPOCH };
//! let wanted = odata::list(&tag, "$filter=word%20eq%20'new'&$top=5", servable, &all, &[], &Limits::default()).unwrap();
//! assert_eq!((wanted.query.filter.tests(), wanted.top), (1, Some(5)));
//! assert!(odata::list(&tag, "$filter=word eq new", servable, &all, &[], &Limits::default()).is_err());
//! ```

/// What every answer says in `OData-Version`.
pub const VERSION: &str = "4.0";

mod accept;
mod fault;
mod filter;
mod flat;
mod json;
mod metadata;
mod names;
mod navigation;
mod options;
mod path;

pub use accept::{Level, MetadataForm, Style, is_spoken, max_page_size, metadata_form};
pub use fault::{CountBound, Fault, Unmet};
pub use flat::{Around, Flat, Row, WantedRows};
pub use json::{Beside, Expanded, Frame, entity, error, page, service};
pub use metadata::{Described, metadata};
pub use names::{NAMESPACE, set};
pub use navigation::{Expandable, Navigation, navigations};
pub use options::{
    Expansion, Servable, Wanted, WantedOne, beside, count, has_navigation, list, one, only_format, rest,
    skiptoken, without_paging,
};
pub use path::{PREFIX, Resource};
