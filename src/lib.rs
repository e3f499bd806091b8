//! bramka: one gate in front of every internal system of a company.
//!
//! The rooms stand in the order of a request's journey; imports between them run one way.

pub mod body;
pub mod clock;
pub mod words;

pub mod audit;
pub mod catalog;
pub mod door;
pub mod identity;
pub mod intake;
pub mod mapping;
pub mod odata;
pub mod policy;
pub mod quality;
pub mod quota;
pub mod schema;
pub mod upstream;
pub mod wire;

pub mod answer;
pub mod gateway;
pub mod refusal;

pub mod admin;
pub mod certs;
pub mod claims;
pub mod cli;
pub mod config;
pub mod crosswalk;
pub mod demo;
pub mod drafting;
mod explaining;
pub mod idempotency;
pub mod keys;
pub mod replay;
pub mod sinks;
pub mod store;
pub mod telemetry;
pub mod tokens;
