//! The promises, kept by the real binary over real sockets.

mod kit;

mod admin;
mod cli;
