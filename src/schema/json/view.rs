//! What a caller may send, what a body asks for, and what may be wrong with it.

use std::fmt;

use crate::schema::{entity::Entity, fields::FieldSet, record::Record};

/// Most faults told of one body.
pub const FAULTS_MAX: usize = 100;
/// How many of the first faults may name the nearest valid name.
pub(in crate::schema) const HINTS_MAX: usize = 16;
/// What a body is to the record it speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// A whole new record.
    Create,
    /// A JSON merge-patch (RFC 7396): what is not mentioned stays, null clears, lists are replaced whole.
    Patch,
    /// Everything the caller may write: what is not mentioned is cleared, what it may not write stays.
    Replace,
}

/// What a caller may write in this operation.
#[derive(Clone, Debug)]
pub struct View {
    /// What the body is.
    pub body: Body,
    /// The leaves that may be sent.
    pub writable: FieldSet,
    /// The leaves that must be there: in a new record, in what replaces one, in every item of a list.
    pub required: FieldSet,
    /// The leaves the caller may see: only they are named in hints.
    pub visible: FieldSet,
}

impl View {
    /// All that the entity's file allows.
    pub fn of(entity: &Entity, body: Body) -> Self {
        let writable = entity.writable();
        Self { body, writable, required: entity.required().intersection(&writable), visible: entity.all() }
    }
}

/// What a body asks for.
#[derive(Clone, Debug)]
pub struct Proposed {
    /// The fields that were sent; null where they are to be cleared.
    pub record: Record,
    /// The leaves that were mentioned.
    pub present: FieldSet,
    /// The leaves that null clears.
    pub cleared: FieldSet,
    /// All leaves of the groups and lists that are null: those too that the caller may not write.
    pub emptied: FieldSet,
}

/// One thing that is wrong with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where: a JSON Pointer (RFC 6901).
    pub pointer: String,
    /// What sort of fault.
    pub kind: FaultKind,
    /// What was expected, for the caller.
    pub message: String,
}

/// What sort of fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// Not JSON; nothing after it was looked at.
    Syntax,
    /// No such field, or none the caller may know of.
    Unknown,
    /// A field the caller sees and may not write here.
    NotWritable,
    /// Not of the field's type.
    Type,
    /// Not in the field's closed list.
    Code,
    /// A longer text or larger number than the field holds.
    TooLong,
    /// More items than the list holds.
    TooMany,
    /// A field that must be there.
    Missing,
    /// A field sent twice.
    Duplicate,
    /// Null where the field cannot be cleared.
    Null,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pointer, self.message)
    }
}
