//! Proof that an exchange is on record: a system is asked only against a receipt.

use std::{marker::PhantomData, sync::Arc};

use crate::{
    identity::Facts,
    schema::Entity,
    words::{GroupName, RequestId},
};

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
    whose: Option<Arc<Facts>>,
    entity: Option<Arc<Entity>>,
    kind: PhantomData<fn() -> Kind>,
}

/// Receipts of one intent that says how many calls it takes.
#[derive(Debug)]
pub struct Receipts {
    of: Receipt<Effect>,
    left: usize,
}

impl Receipts {
    pub(super) fn new(of: Receipt<Effect>, calls: usize) -> Self {
        Self { of, left: calls }
    }

    /// The receipt of the next call; none where the intent speaks of no more.
    pub fn take(&mut self) -> Option<Receipt<Effect>> {
        self.left = self.left.checked_sub(1)?;
        let Receipt { request, whose, entity, .. } = &self.of;
        Some(Receipt::new(*request).about(whose.clone(), entity.clone()))
    }
}

impl<Kind> Receipt<Kind> {
    pub(super) fn new(request: RequestId) -> Self {
        Self { request, whose: None, entity: None, kind: PhantomData }
    }

    /// The same for a caller, about an entity where it is about one.
    pub(super) fn about(self, whose: Option<Arc<Facts>>, entity: Option<Arc<Entity>>) -> Self {
        Self { whose, entity, ..self }
    }

    /// The exchange it belongs to.
    pub fn request(&self) -> RequestId {
        self.request
    }

    /// The groups of whoever asks.
    pub fn groups(&self) -> &[GroupName] {
        self.whose.as_ref().map_or(&[], |facts| &facts.groups)
    }

    /// Whose use of a system it is: a partner's, with all its programs and people, else the principal's own.
    pub fn holder(&self) -> Option<(&str, &str)> {
        let facts = self.whose.as_ref()?;
        Some(match &facts.partner {
            Some(partner) => ("partner", partner.as_str()),
            None => (facts.kind.as_str(), facts.id.as_str()),
        })
    }

    /// The entity that is asked about; none where a request is passed through.
    pub fn entity(&self) -> Option<&str> {
        self.entity.as_ref().map(|entity| entity.name.as_str())
    }
}
