//! What breaks gateways, sent as bytes to the real binary over real TLS sockets.
//!
//! Nothing sleeps, nothing listens on a fixed port, nothing leaves the machine. Each test has a gate of its own
//! and, where a request could come through, a system that notes every byte of it.
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

mod clocks;
mod framing;
mod ground;
mod headers;
mod hosts;
mod numbers;
mod paths;
