//! One system's records become an entity and back.

mod native;

pub use native::{NativeAnswer, NativeRequest};
