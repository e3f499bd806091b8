//! Hostile peers, TLS and streams against the real binary: raw bytes on both sides of the gate.
//!
//! Nothing sleeps, nothing listens on a fixed port, nothing leaves the machine. Each test has a gate of its own,
//! and the system behind it is one that the test makes misbehave byte by byte.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "tests fail by panicking, look at what they were given, and the kit is shared between binaries"
)]

#[expect(dead_code, reason = "shared between binaries; this one reads entries only")]
#[path = "../it/book.rs"]
mod book;
#[expect(dead_code, reason = "shared between binaries; not all of it is used here")]
#[path = "../it/kit.rs"]
mod kit;

mod clocks;
mod drain;
mod floods;
mod frames;
mod framing;
mod heads;
mod passing;
mod pools;
mod sessions;
mod stand;
mod streams;
mod system;
mod systems;
mod tap;
mod tls;
