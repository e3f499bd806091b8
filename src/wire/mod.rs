//! The HTTP client: pool, TLS, timeouts; knows no policy.
