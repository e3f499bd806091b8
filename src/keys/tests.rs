//! Facts of the keys of outside issuers.
