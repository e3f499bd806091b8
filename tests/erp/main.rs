//! A real ERP behind the gate: customers, products, stock and orders of Tryton in the shared schema, both ways. What a
//! test says of the ERP it asks the ERP itself, beside the gate.
//!
//! `scripts/test` installs `trytond` and seeds its database once; each test has a copy, a server and a gate of its own.
//! Nothing sleeps, nothing listens on a fixed port, nothing leaves the machine.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "tests fail by panicking, look at what they were given, and the kit is shared between binaries"
)]

#[expect(dead_code, reason = "shared between binaries; not all of it is used here")]
#[path = "../it/kit.rs"]
mod kit;
#[expect(dead_code, reason = "shared between binaries; not all of it is used here")]
#[path = "../it/line.rs"]
mod line;
#[expect(dead_code, reason = "shared between binaries; not all of it is used here")]
#[path = "../it/mint.rs"]
mod mint;
#[expect(dead_code, reason = "shared between binaries; not all of it is used here")]
#[path = "../it/served.rs"]
mod served;

#[expect(dead_code, reason = "shared between binaries; not all of it is used here")]
mod company;
mod gate;
mod reads;
mod states;
mod writes;
