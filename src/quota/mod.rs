//! Rates, quotas, concurrency and budgets.

use crate::policy::Prospect;

/// Proof that the plans were charged; the slot it holds returns when it is dropped.
#[derive(Debug)]
pub struct Admission {
    prospect: Prospect,
}

impl Admission {
    /// What was admitted.
    pub fn prospect(&self) -> &Prospect {
        &self.prospect
    }
}
