//! The suite that drives the real binary over real sockets: one file a promise, one test a sentence of it.
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

mod accounted;
mod across;
mod admin;
mod beside;
mod book;
mod bundles;
mod claims;
mod cli;
mod client;
mod codes;
mod compared;
mod compile;
mod counters;
mod demo;
mod deploy;
mod describing;
mod elements;
mod encrypted;
mod erasing;
mod exchanging;
mod expanded;
mod explained;
mod exposure;
mod filtered;
mod gathered;
mod glass;
mod guesses;
mod ids;
mod included;
mod issued;
mod joined;
mod joined_writes;
mod journal;
mod keyed;
mod kill;
mod kit;
mod ksef;
mod lagging;
mod line;
mod linted;
mod lists;
mod load;
mod logged;
mod matrix;
mod mint;
mod odata;
mod owasp;
mod paced;
mod parts;
mod publishing;
mod reads;
mod refusing;
mod related;
mod reload;
mod repeats;
mod replayed;
mod retained;
mod returned;
mod seen;
mod shadowed;
mod side_channels;
mod sinks;
mod sources;
mod spelt;
mod stage;
mod swapping;
mod tables;
mod tools;
mod trusted;
mod unheld;
mod withdrawn;
mod writes;
