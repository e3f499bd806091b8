//! Facts of this room, through its face: headers in, a caller or a reason out.

mod credentials;
mod issued;
mod kit;
mod memory;
mod registry;
mod rights;
mod tokens;
