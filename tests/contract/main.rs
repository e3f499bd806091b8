//! The contract: what a caller may count on, tried over every system of a family with the same tests.
//!
//! Each test names its capability. What a system cannot do is a gap that its family's table lists, with the reason
//! that the gate must answer: a gap that works fails here, and so does a capability that quietly does less. The
//! systems are stand-ins that refuse what the real ones would not understand, and one is real: `scripts/test` installs
//! Tryton, which `tests/erp` starts.
//!
//! Nothing sleeps, nothing listens on a fixed port, nothing leaves the machine. Each test has a gate of its own.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "tests fail by panicking, look at what they were given, and the kit is shared between binaries"
)]

#[expect(dead_code, reason = "shared between binaries; not all of it is used here")]
#[path = "../erp/company.rs"]
mod company;
#[expect(dead_code, reason = "shared between binaries; not all of it is used here")]
#[path = "../it/kit.rs"]
mod kit;
#[path = "../it/line.rs"]
#[expect(dead_code, reason = "shared between binaries; not all of it is used here")]
mod line;
#[expect(dead_code, reason = "shared between binaries; not all of it is used here")]
#[path = "../it/mint.rs"]
mod mint;
#[path = "../it/served.rs"]
mod served;

mod ads;
mod conditions;
mod crm;
mod dataverse;
mod erp;
mod ground;
mod laws;
mod mailing;
mod offices;
mod people;
mod recorded;
mod said;
mod salesforce;
mod shop;
mod standins;
