//! What goes through the gate as it is, and how the gate ends: streams, upgrades, systems that fail, load, drain
//! and hand-over. The real binary over real sockets, in front of systems that the tests write byte by byte.
//!
//! Nothing sleeps, nothing listens on a fixed port, nothing leaves the machine. Each test has a gate of its own.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
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
#[expect(dead_code, reason = "shared between binaries; not all of it is used here")]
#[path = "../it/line.rs"]
mod line;

mod checked;
mod ending;
mod failing;
mod ground;
mod hangups;
mod heads;
mod load;
mod rpc;
mod stopping;
mod upgrades;
mod volume;
mod websocket;
