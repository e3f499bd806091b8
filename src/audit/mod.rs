//! The journal: entries, lanes, tree, checkpoints, verification.

mod receipt;

pub use receipt::{Effect, Fetch, Receipt};
