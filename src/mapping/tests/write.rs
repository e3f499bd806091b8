//! Facts: write.
