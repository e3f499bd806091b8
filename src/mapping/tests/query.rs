//! Facts: query.
