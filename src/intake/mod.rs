//! An HTTP head becomes one we are willing to reason about, or is refused.
