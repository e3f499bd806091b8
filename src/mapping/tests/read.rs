//! Facts: read.
