//! The promises of the policy, each with a test named after it.
