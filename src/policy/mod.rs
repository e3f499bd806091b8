//! Who may do what, to which records, seeing which fields.

use std::sync::Arc;

use compact_str::CompactString;

use crate::{
    catalog::{Action, Operation},
    identity::Caller,
    schema::{Entity, FieldSet, Record},
    words::StatementId,
};

/// How much an entry of the journal says about an exchange; the fullest of all satisfied statements wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Detail {
    /// What every entry says.
    #[default]
    Standard,
    /// Also a keyed digest of the bodies.
    BodyDigest,
}

/// Proof that some statement can still permit the operation to this caller.
#[derive(Debug)]
pub struct Prospect {
    caller: Caller,
    operation: Operation,
}

impl Prospect {
    /// Who asks.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What is asked for.
    pub fn operation(&self) -> &Operation {
        &self.operation
    }
}

/// A record as this caller may see it; only [`show`] makes one, and only this can be encoded for a caller.
#[derive(Debug)]
pub struct Shown {
    record: Record,
    entity: Arc<Entity>,
    fields: FieldSet,
    statements: Vec<StatementId>,
    detail: Detail,
}

impl Shown {
    /// The record, struck and masked.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Its entity.
    pub fn entity(&self) -> &Arc<Entity> {
        &self.entity
    }

    /// The leaves shown, masked ones included.
    pub fn fields(&self) -> FieldSet {
        self.fields
    }

    /// The permits that showed it.
    pub fn statements(&self) -> &[StatementId] {
        &self.statements
    }

    /// How much the journal says.
    pub fn detail(&self) -> Detail {
        self.detail
    }
}

/// Proof that a write was judged on the stored and the proposed record; it owns what will be sent.
#[derive(Debug)]
pub struct WritePermit {
    action: Action,
    entity: Arc<Entity>,
    record: Option<CompactString>,
    changed: FieldSet,
    statements: Vec<StatementId>,
    detail: Detail,
}

impl WritePermit {
    /// create, update or delete.
    pub fn action(&self) -> Action {
        self.action
    }

    /// Of which entity.
    pub fn entity(&self) -> &Arc<Entity> {
        &self.entity
    }

    /// The stored record's id; none for a create.
    pub fn record_id(&self) -> Option<&str> {
        self.record.as_deref()
    }

    /// The leaves that change.
    pub fn changed(&self) -> FieldSet {
        self.changed
    }

    /// The permits that allowed it.
    pub fn statements(&self) -> &[StatementId] {
        &self.statements
    }

    /// How much the journal says.
    pub fn detail(&self) -> Detail {
        self.detail
    }
}

/// Proof that a call to a system was judged.
#[derive(Debug)]
pub struct CallPermit {
    call: crate::catalog::Call,
    statements: Vec<StatementId>,
    detail: Detail,
}

impl CallPermit {
    /// What will be sent.
    pub fn call(&self) -> &crate::catalog::Call {
        &self.call
    }

    /// The permits that allowed it.
    pub fn statements(&self) -> &[StatementId] {
        &self.statements
    }

    /// How much the journal says.
    pub fn detail(&self) -> Detail {
        self.detail
    }
}
