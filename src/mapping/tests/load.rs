//! Facts: load.
