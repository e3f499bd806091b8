//! Facts of our own issuer.
