//! Facts of this room.
