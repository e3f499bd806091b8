//! Records as JSON for callers: a writer straight from the record, and a strict reader that tells every
//! fault of a body at once. No tree of values stands between the bytes and the record.

mod read;
#[cfg(test)]
mod tests;
pub(crate) mod tokens;
mod write;

pub(in crate::schema) use read::shortened;
pub use read::{Body, FAULTS_MAX, Fault, FaultKind, Proposed, View, read};
pub use tokens::SyntaxError;
pub use write::{text, write};
