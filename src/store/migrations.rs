//! The tables, version by version. A version that was ever released is never edited.

use rusqlite::{Connection, OptionalExtension};

use super::StoreError;

const VERSIONS: &[&str] = &[
    "
CREATE TABLE tokens (
    jti TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    principal TEXT NOT NULL,
    kid TEXT NOT NULL,
    groups TEXT,
    scopes TEXT NOT NULL,
    note TEXT,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_by_principal ON tokens (kind, principal);
CREATE INDEX tokens_by_end ON tokens (expires_at);

CREATE TABLE api_keys (
    prefix TEXT PRIMARY KEY,
    hash BLOB NOT NULL,
    kind TEXT NOT NULL,
    principal TEXT NOT NULL,
    groups TEXT,
    scopes TEXT NOT NULL,
    note TEXT,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX api_keys_by_principal ON api_keys (kind, principal);

CREATE TABLE signing_keys (
    kid TEXT PRIMARY KEY,
    public BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    retired_at INTEGER,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    what TEXT NOT NULL,
    subject TEXT NOT NULL,
    subject_kind TEXT,
    at INTEGER NOT NULL,
    until INTEGER
) STRICT;

CREATE TABLE admin_tokens (
    hash BLOB PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE quota (
    key TEXT NOT NULL,
    day INTEGER NOT NULL,
    granted INTEGER NOT NULL,
    PRIMARY KEY (day, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE heads (
    lane TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    checkpoint TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
",
    "
CREATE INDEX tokens_by_key ON tokens (kid, expires_at);
",
    "
CREATE TABLE quality (
    system TEXT NOT NULL,
    entity TEXT NOT NULL,
    field TEXT NOT NULL,
    flaw TEXT NOT NULL,
    count INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    examples TEXT NOT NULL,
    known_values TEXT NOT NULL,
    PRIMARY KEY (system, entity, field, flaw)
) STRICT;
CREATE INDEX quality_by_age ON quality (last_at);
CREATE TABLE quality_looked (
    system TEXT NOT NULL,
    entity TEXT NOT NULL,
    records INTEGER NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (system, entity)
) STRICT, WITHOUT ROWID;
",
    "
CREATE TABLE repeats (
    key BLOB NOT NULL UNIQUE,
    principal BLOB NOT NULL,
    fingerprint BLOB NOT NULL,
    request BLOB NOT NULL,
    state TEXT NOT NULL,
    begun_at INTEGER NOT NULL,
    running_until INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    answer BLOB
) STRICT;
CREATE INDEX repeats_by_principal ON repeats (principal, begun_at);
CREATE INDEX repeats_by_age ON repeats (begun_at);
CREATE INDEX repeats_by_end ON repeats (ends_at);
",
    "
CREATE TABLE crosswalk (
    entity TEXT NOT NULL,
    system TEXT NOT NULL,
    native TEXT NOT NULL,
    id BLOB NOT NULL,
    PRIMARY KEY (entity, system, native)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX crosswalk_by_id ON crosswalk (id, system);
",
    "
ALTER TABLE quality ADD COLUMN oldest_at INTEGER;
ALTER TABLE quality ADD COLUMN oldest_seen_at INTEGER;
ALTER TABLE quality_looked ADD COLUMN sampled INTEGER NOT NULL DEFAULT 0;
CREATE TABLE quality_references (
    system TEXT NOT NULL,
    entity TEXT NOT NULL,
    field TEXT NOT NULL,
    record TEXT NOT NULL,
    target_entity TEXT NOT NULL,
    target TEXT NOT NULL,
    seen_at INTEGER NOT NULL,
    checked_at INTEGER,
    dangling_at INTEGER,
    PRIMARY KEY (system, entity, field, record, target)
) STRICT;
CREATE INDEX quality_references_by_age ON quality_references (system, seen_at);
CREATE INDEX quality_references_by_target ON quality_references (target_entity, target);
",
    "
CREATE TABLE accepted (
    key BLOB NOT NULL UNIQUE,
    principal BLOB NOT NULL,
    progress TEXT NOT NULL,
    begun_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    state BLOB NOT NULL
) STRICT;
CREATE INDEX accepted_by_principal ON accepted (principal, begun_at);
CREATE INDEX accepted_by_age ON accepted (begun_at);
CREATE INDEX accepted_by_end ON accepted (ends_at);
",
    "
CREATE TABLE purses (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    number INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    count INTEGER NOT NULL,
    most INTEGER NOT NULL,
    UNIQUE (key, number)
) STRICT;
CREATE INDEX purses_by_end ON purses (ends_at);
CREATE TABLE exposed (
    purse INTEGER NOT NULL,
    digest INTEGER NOT NULL,
    PRIMARY KEY (purse, digest)
) STRICT, WITHOUT ROWID;
",
    "
CREATE TABLE newest_bundle (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    version INTEGER NOT NULL,
    bundle BLOB NOT NULL,
    at INTEGER NOT NULL
) STRICT;
",
    "
CREATE TABLE glass (
    user TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    approved_by TEXT
) STRICT;
CREATE INDEX glass_by_user ON glass (user, ends_at);
",
];

/// Brings the tables to this program's version, each version in one transaction.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    // Nothing is written where nothing is due: a full disk keeps nobody from opening the store.
    if found(connection) == Some(known()) {
        return Ok(());
    }
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS version (only INTEGER PRIMARY KEY CHECK (only = 1), version INTEGER NOT NULL) STRICT",
    )?;
    let known = known();
    // Two processes may start at once: whoever comes second finds it done.
    let transaction = connection.transaction()?;
    let found: i64 =
        transaction.query_row("SELECT version FROM version", [], |row| row.get(0)).optional()?.unwrap_or(0);
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    for script in VERSIONS.iter().skip(usize::try_from(found).unwrap_or(usize::MAX)) {
        transaction.execute_batch(script)?;
    }
    transaction.execute(
        "INSERT INTO version (only, version) VALUES (1, ?1) ON CONFLICT (only) DO UPDATE SET version = ?1",
        [known],
    )?;
    transaction.commit()?;
    Ok(())
}

/// The version of this program.
fn known() -> i64 {
    i64::try_from(VERSIONS.len()).unwrap_or(i64::MAX)
}

/// The version of the tables, where they have one.
fn found(connection: &Connection) -> Option<i64> {
    connection.query_row("SELECT version FROM version", [], |row| row.get(0)).ok()
}
