//! How one system's records become an entity and back.
