//! Why a decision comes out as it does, for whoever looks after the policies: on the command line by a bundle's files, at
//! the admin listener by the bundle in force. Both tell the same, for they ask here.
//!
//! A request is described ([`Described`]), put to the statements, and told ([`Told`]): what each of them has to do with
//! it, what is left of a record, which limits it meets and what systems would be asked. One that was made is told as the
//! journal has it ([`Station`]). Nothing is asked of a system, charged or changed, and pseudonyms are not the gate's.

mod ask;
mod charged;
mod described;
mod ids;
mod judging;
mod logged;
mod names;
mod pushed;
mod related;
mod told;

pub(crate) use ask::{ActionWord, CallSpec, Over, Who, entity, kind, open_view, principal, proposed, sent};
pub(crate) use described::{Described, Form, Written};
pub(crate) use ids::Naming;
pub(crate) use judging::{Matter, OutcomeWord, Question, Ruling, judge};
pub(crate) use logged::{ENTRIES_MAX, Station, bundle_of};
pub(crate) use names::{InFiles, InStore};
pub(crate) use related::Beside;
pub(crate) use told::Told;
