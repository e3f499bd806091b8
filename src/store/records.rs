//! What the store keeps, in types that cannot be wrong; and how they stand in rows.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Row, types::Type};

use crate::words::{Digest, GroupName, Kind, PrincipalId};

/// A token of our own, as it was issued. Its text is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// Its id.
    pub jti: Arc<str>,
    /// Whose.
    pub kind: Kind,
    /// Whose.
    pub principal: PrincipalId,
    /// Which key signed it.
    pub kid: Arc<str>,
    /// Only these groups, where it is narrower than its principal.
    pub groups: Option<Vec<GroupName>>,
    /// Its scopes.
    pub scopes: Vec<Arc<str>>,
    /// What the issuer noted: who asked, what for.
    pub note: Option<Arc<str>>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

/// An API key. Its text is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyRow {
    /// Its public prefix.
    pub prefix: Arc<str>,
    /// SHA-256 of its text.
    pub hash: Digest,
    /// Whose.
    pub kind: Kind,
    /// Whose.
    pub principal: PrincipalId,
    /// Only these groups, where it is narrower than its principal.
    pub groups: Option<Vec<GroupName>>,
    /// Its scopes.
    pub scopes: Vec<Arc<str>>,
    /// What the issuer noted.
    pub note: Option<Arc<str>>,
    /// When it was made.
    pub issued_at: Timestamp,
    /// When it ends, if ever.
    pub expires_at: Option<Timestamp>,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

/// The public half of a signing key; the private half is a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKeyRow {
    /// Its id.
    pub kid: Arc<str>,
    /// The uncompressed point on P-256.
    pub public: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when nothing new is signed with it.
    pub retired_at: Option<Timestamp>,
    /// When the last token signed by it ends; none where there is none alive.
    pub last_token_ends: Option<Timestamp>,
}

/// Something a running gate must hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A token was taken back.
    Token {
        /// Its `jti`.
        jti: Arc<str>,
        /// When it would have ended anyway.
        until: Timestamp,
    },
    /// An API key was taken back.
    ApiKey {
        /// Its public prefix.
        prefix: Arc<str>,
    },
    /// Every token of a principal issued so far was taken back.
    Principal {
        /// Whose.
        kind: Kind,
        /// Whose.
        id: PrincipalId,
        /// Issued at or before this moment.
        issued_until: Timestamp,
    },
    /// The signing keys changed: read them again.
    SigningKeys,
}

/// Changes in order, and where to ask from next time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The changes.
    pub changes: Vec<Change>,
    /// The number of the last one.
    pub seq: i64,
    /// Whether more wait; ask again at once.
    pub more: bool,
}

/// What an admin token lets its holder do: one thing each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdminRole {
    /// Look at state.
    Read,
    /// Read the journal.
    Audit,
    /// Issue and take back credentials.
    Issue,
    /// Reload, drain.
    Operate,
}

impl AdminRole {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Read, Self::Audit, Self::Issue, Self::Operate];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Audit => "audit",
            Self::Issue => "issue",
            Self::Operate => "operate",
        }
    }

    /// The role of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// An admin token. Its text is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminTokenRecord {
    /// SHA-256 of its text.
    pub hash: Digest,
    /// Its name.
    pub name: Arc<str>,
    /// What it lets its holder do.
    pub role: AdminRole,
    /// When it was made.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

/// The newest signed head of a lane of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadRow {
    /// Which lane.
    pub lane: Arc<str>,
    /// How many entries it covers.
    pub size: u64,
    /// The checkpoint as it was signed.
    pub checkpoint: String,
}

/// Milliseconds, the unit of every moment in the store.
pub(super) fn millis(moment: Timestamp) -> i64 {
    moment.as_millisecond()
}

pub(super) fn moment(row: &Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    let millis: i64 = row.get(column)?;
    Timestamp::from_millisecond(millis).map_err(|_| unreadable(column))
}

pub(super) fn moment_or_none(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    let millis: Option<i64> = row.get(column)?;
    millis.map(|millis| Timestamp::from_millisecond(millis).map_err(|_| unreadable(column))).transpose()
}

pub(super) fn kind(row: &Row<'_>, column: &str) -> rusqlite::Result<Kind> {
    let name: String = row.get(column)?;
    Kind::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| unreadable(column))
}

pub(super) fn role(row: &Row<'_>) -> rusqlite::Result<AdminRole> {
    let name: String = row.get("role")?;
    AdminRole::named(&name).ok_or_else(|| unreadable("role"))
}

pub(super) fn digest(row: &Row<'_>) -> rusqlite::Result<Digest> {
    row.get::<_, [u8; 32]>("hash").map(Digest)
}

/// Names as a JSON list: a name may hold any printable character.
pub(super) fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    serde_json::Value::from_iter(names).to_string()
}

pub(super) fn groups(row: &Row<'_>) -> rusqlite::Result<Option<Vec<GroupName>>> {
    let text: Option<String> = row.get("groups")?;
    let Some(text) = text else { return Ok(None) };
    let names: Vec<String> = serde_json::from_str(&text).map_err(|_| unreadable("groups"))?;
    Ok(Some(names.into_iter().map(GroupName::new).collect()))
}

pub(super) fn scopes(row: &Row<'_>) -> rusqlite::Result<Vec<Arc<str>>> {
    let text: String = row.get("scopes")?;
    let names: Vec<String> = serde_json::from_str(&text).map_err(|_| unreadable("scopes"))?;
    Ok(names.into_iter().map(Arc::from).collect())
}

pub(super) fn unreadable(what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, format!("`{what}` is not as we write it").into())
}
