//! The wire against peers that misbehave.
