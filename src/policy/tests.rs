//! The promises of the policy, each with a test named after it.

mod circumstances;
mod differential;
mod explaining;
mod kit;
mod loading;
mod naive;
mod reached;
mod related;
mod rules;
mod shipped;
mod writes;
