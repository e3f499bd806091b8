//! A principal whose credential was checked.

use std::sync::Arc;

use super::Facts;

/// Proof that a caller was identified. Only this room makes one; the next step takes it by value.
#[derive(Debug)]
pub struct Caller {
    facts: Arc<Facts>,
}

impl Caller {
    #[cfg_attr(not(test), expect(dead_code, reason = "made once a credential was checked"))]
    pub(super) fn proven(facts: Arc<Facts>) -> Self {
        Self { facts }
    }

    /// A caller of these facts without any credential, for the tests of other rooms.
    #[cfg(test)]
    pub(crate) fn assumed(facts: Facts) -> Self {
        Self::proven(Arc::new(facts))
    }

    /// What is known of it.
    pub fn facts(&self) -> &Arc<Facts> {
        &self.facts
    }
}
