//! Facts of the store.
