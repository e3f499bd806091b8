//! Which operation is asked for.
//!
//! A path and a method become one [`Operation`]: an action on an entity of the shared schema, or a call
//! passed through to a system as it is. What is not in the catalogue does not exist.

mod cursor;
mod resolve;

use std::sync::Arc;

use compact_str::CompactString;

pub use cursor::{BadCursor, Cursor, CursorKey, Unsealed};
pub use resolve::{Asked, Catalog, NotInCatalog};

use crate::{schema::Entity, words::SystemName};

/// What a statement's `action` may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// One record by id.
    Read,
    /// Records by query.
    List,
    /// A new record.
    Create,
    /// A change of a record.
    Update,
    /// The end of a record, whatever the system means by it.
    Delete,
    /// A request passed through to a system.
    Call,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 6] = [Self::Read, Self::List, Self::Create, Self::Update, Self::Delete, Self::Call];

    /// As statements name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::List => "list",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Call => "call",
        }
    }
}

/// One operation of the shared schema or of a system.
#[derive(Debug)]
pub enum Operation {
    /// `GET /v1/{collection}/{id}`
    Read(Arc<Entity>, RecordId),
    /// `GET /v1/{collection}`; its query is read once it is known which fields the caller may name.
    List(Arc<Entity>),
    /// `POST /v1/{collection}`
    Create(Arc<Entity>),
    /// `PATCH` or `PUT /v1/{collection}/{id}`
    Update(Arc<Entity>, RecordId, UpdateMode),
    /// `DELETE /v1/{collection}/{id}`
    Delete(Arc<Entity>, RecordId),
    /// `/systems/{name}/{path}`
    Call(Call),
}

/// A request passed through to a system as it is.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which system.
    pub system: SystemName,
    /// The method.
    pub method: http::Method,
    /// The path inside the system, normalised, beginning with `/`: judged as it is sent.
    pub path: CompactString,
    /// The query as sent, without `?`.
    pub query: Option<CompactString>,
}

/// How an update treats what it does not mention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateMode {
    /// PATCH: JSON merge-patch (RFC 7396); what is not mentioned stays.
    Merge,
    /// PUT: what the caller may write and does not mention is cleared.
    Replace,
}

/// A record's id in the shared schema: opaque text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecordId(pub CompactString);

impl Operation {
    /// The action statements know it by.
    pub fn action(&self) -> Action {
        match self {
            Self::Read(..) => Action::Read,
            Self::List(..) => Action::List,
            Self::Create(_) => Action::Create,
            Self::Update(..) => Action::Update,
            Self::Delete(..) => Action::Delete,
            Self::Call(_) => Action::Call,
        }
    }

    /// The entity it is about; none for a call.
    pub fn entity(&self) -> Option<&Arc<Entity>> {
        match self {
            Self::Read(entity, _)
            | Self::List(entity)
            | Self::Create(entity)
            | Self::Update(entity, ..)
            | Self::Delete(entity, _) => Some(entity),
            Self::Call(_) => None,
        }
    }

    /// The record it is about, where it names one.
    pub fn record(&self) -> Option<(&Arc<Entity>, &RecordId)> {
        match self {
            Self::Read(entity, id) | Self::Update(entity, id, _) | Self::Delete(entity, id) => {
                Some((entity, id))
            }
            Self::List(_) | Self::Create(_) | Self::Call(_) => None,
        }
    }
}
