//! Files become settings become one snapshot, swapped whole.
