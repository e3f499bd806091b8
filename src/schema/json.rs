//! Records as JSON for callers: a writer straight from the record, and a strict reader that tells every
//! fault of a body at once. No tree of values stands between the bytes and the record.

mod read;
#[cfg(test)]
mod tests;
pub(crate) mod tokens;
mod view;
mod write;

pub use read::read;
pub(in crate::schema) use read::shortened;
pub use tokens::SyntaxError;
pub(in crate::schema) use view::HINTS_MAX;
pub use view::{Body, FAULTS_MAX, Fault, FaultKind, Proposed, View};
pub use write::{text, write};
