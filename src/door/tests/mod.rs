//! The room over real sockets.

mod kit;
mod plain;
mod tls;
