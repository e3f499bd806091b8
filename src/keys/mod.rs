//! Keys: our signing keys, and those of outside issuers.
