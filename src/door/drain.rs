//! The word that ends connections gracefully.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// Ends what holds it, once. A flag beside the token, because the token's own takes a lock that all cores
/// would share on every poll of every connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    flag: AtomicBool,
    token: CancellationToken,
}

impl Stop {
    /// Says it.
    pub(super) fn end(&self) {
        // ORDER: the flag first, so whoever is woken by the token sees it.
        self.0.flag.store(true, Relaxed);
        self.0.token.cancel();
    }

    /// Whether it was said.
    pub(super) fn is_ended(&self) -> bool {
        self.0.flag.load(Relaxed)
    }

    /// Waits for it.
    pub(super) fn ended(&self) -> WaitForCancellationFuture<'_> {
        self.0.token.cancelled()
    }
}

/// How a core's connections ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// All came to their end.
    Clean,
    /// So many were open when the grace was over; they end with the runtime.
    Cut(usize),
}
