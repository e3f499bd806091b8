//! Tokens, API keys and admin tokens told alike: what a list of credentials says of each. Never its text.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::{
    clock::Now,
    store::{AdminRole, AdminTokenRecord, ApiKeyRow, Store, StoreError, TokenRow},
    words::{GroupName, Kind, PrincipalId},
};

/// A credential of ours, as far as it may be told.
#[derive(Clone, Debug)]
pub(crate) struct Credential {
    /// What sort it is.
    pub(crate) sort: Sort,
    /// A token's `jti`, an API key's public prefix, an admin token's name.
    pub(crate) id: Arc<str>,
    /// Whose it is.
    pub(crate) whose: Whose,
    /// Only these groups, where it is narrower than its principal.
    pub(crate) groups: Option<Vec<GroupName>>,
    /// Its scopes.
    pub(crate) scopes: Vec<Arc<str>>,
    /// What was noted beside it.
    pub(crate) note: Option<Arc<str>>,
    /// When it was issued.
    pub(crate) issued_at: Timestamp,
    /// When it ends, if ever.
    pub(crate) expires_at: Option<Timestamp>,
    /// When it was taken back.
    pub(crate) revoked_at: Option<Timestamp>,
}

/// What sort of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sort {
    /// A signed token.
    Token,
    /// An API key.
    ApiKey,
    /// An operator's token.
    Admin,
}

/// Whose a credential is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// A caller's.
    Principal(Kind, PrincipalId),
    /// An operator's, for one role.
    Operator(AdminRole),
}

impl Sort {
    /// Its name in lists and entries.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::ApiKey => "api-key",
            Self::Admin => "admin-token",
        }
    }
}

impl Credential {
    /// Whether it still opens anything.
    pub(crate) fn state(&self, now: Now) -> &'static str {
        if self.revoked_at.is_some() {
            "revoked"
        } else if self.expires_at.is_some_and(|end| end <= now.wall) {
            "ended"
        } else {
            "alive"
        }
    }

    /// As a list tells it.
    pub(crate) fn json(&self, now: Now) -> Json {
        let mut told = json!({
            "sort": self.sort.as_str(),
            "id": &*self.id,
            "state": self.state(now),
            "issued_at": self.issued_at.to_string(),
            "expires_at": self.expires_at.map(|moment| moment.to_string()),
            "revoked_at": self.revoked_at.map(|moment| moment.to_string()),
        });
        let Some(map) = told.as_object_mut() else { return told };
        match &self.whose {
            Whose::Principal(kind, id) => {
                map.insert("principal".into(), json!({ "kind": kind.as_str(), "id": id.as_str() }));
                let groups: Option<Vec<&str>> =
                    self.groups.as_ref().map(|groups| groups.iter().map(GroupName::as_str).collect());
                map.insert("groups".into(), json!(groups));
                map.insert("scopes".into(), json!(self.scopes));
                map.insert("note".into(), json!(self.note));
            }
            Whose::Operator(role) => {
                map.insert("role".into(), role.as_str().into());
            }
        }
        told
    }

    /// Every credential there is, tokens first, newest first; of one principal, or of all (then with those
    /// of operators).
    pub(crate) async fn all(
        store: &Store,
        of: Option<(Kind, PrincipalId)>,
        now: Now,
    ) -> Result<Vec<Self>, StoreError> {
        let mut all: Vec<Self> =
            store.tokens(of.clone(), now.wall).await?.into_iter().map(Self::from).collect();
        all.extend(store.api_keys(of.clone()).await?.into_iter().map(Self::from));
        if of.is_none() {
            all.extend(store.admin_tokens().await?.into_iter().map(Self::from));
        }
        Ok(all)
    }
}

impl From<TokenRow> for Credential {
    fn from(row: TokenRow) -> Self {
        Self {
            sort: Sort::Token,
            id: row.jti,
            whose: Whose::Principal(row.kind, row.principal),
            groups: row.groups,
            scopes: row.scopes,
            note: row.note,
            issued_at: row.issued_at,
            expires_at: Some(row.expires_at),
            revoked_at: row.revoked_at,
        }
    }
}

impl From<ApiKeyRow> for Credential {
    fn from(row: ApiKeyRow) -> Self {
        Self {
            sort: Sort::ApiKey,
            id: row.prefix,
            whose: Whose::Principal(row.kind, row.principal),
            groups: row.groups,
            scopes: row.scopes,
            note: row.note,
            issued_at: row.issued_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        }
    }
}

impl From<AdminTokenRecord> for Credential {
    fn from(row: AdminTokenRecord) -> Self {
        Self {
            sort: Sort::Admin,
            id: row.name,
            whose: Whose::Operator(row.role),
            groups: None,
            scopes: Vec::new(),
            note: None,
            issued_at: row.issued_at,
            expires_at: Some(row.expires_at),
            revoked_at: row.revoked_at,
        }
    }
}
