//! Who is asking, how much it may ask for, and what must never be seen: the real binary over real TLS sockets.
//!
//! Nothing sleeps, nothing listens on a fixed port, nothing leaves the machine. Each test has a gate of its own.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
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
#[expect(dead_code, reason = "shared between binaries; not all of it is used here")]
#[path = "../it/mint.rs"]
mod mint;

mod certificates;
mod credentials;
mod ground;
mod oidc;
mod quota;
mod revoked;
mod secrets;
