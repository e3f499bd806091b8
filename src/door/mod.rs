//! A socket becomes HTTP requests with a known peer.
