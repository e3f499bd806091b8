//! A first version of a system's file, from what the system says of itself: recorded answers, an OpenAPI description,
//! the `$metadata` of OData or a list of its fields.
//!
//! Promises: what is drafted is a proposal and says of each line how sure it is; nothing is invented that no name, type
//! or value speaks for; a native field is read once. Whoever drafts reviews: a mapping decides what a field *is*.
//!
//! [`Natives`] holds what is known of the system's fields, [`matching`] says which of them is which leaf of the entity,
//! [`Draft`] is the text. Nothing here loads what it wrote; the verb that uses it does, and runs the samples.

mod edmx;
mod likeness;
mod listed;
mod matching;
mod names;
mod natives;
mod openapi;
mod stands;
#[cfg(test)]
mod tests;
mod text;

pub use edmx::{Described, EdmxError, KeyPart, Version, described_edmx};
pub use listed::{Listed, NoList, listed};
pub use matching::{Line, Sure, matched};
pub use natives::{Hints, Native, Natives, WrittenOn};
pub use openapi::{DescribedError, described};
pub use stands::Stands;
pub use text::{Draft, Drafted, Odata, Places};
