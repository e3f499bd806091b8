//! Rates, quotas, concurrency.
