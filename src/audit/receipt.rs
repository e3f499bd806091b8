//! Proof that an exchange is on record: a system is asked only against a receipt.

use std::marker::PhantomData;

use crate::words::RequestId;

/// A reading call: may look, not show. The exchange's entry is open and will be written before the answer.
#[derive(Debug)]
pub enum Fetch {}

/// A changing call: its intent is in the journal, synced.
#[derive(Debug)]
pub enum Effect {}

/// A receipt; only the journal makes one.
#[derive(Debug)]
pub struct Receipt<Kind> {
    request: RequestId,
    kind: PhantomData<fn() -> Kind>,
}

impl<Kind> Receipt<Kind> {
    pub(super) fn new(request: RequestId) -> Self {
        Self { request, kind: PhantomData }
    }

    /// The exchange it belongs to.
    pub fn request(&self) -> RequestId {
        self.request
    }
}
