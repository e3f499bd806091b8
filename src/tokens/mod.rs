//! Our own issuer: signed tokens, API keys and admin tokens; issued, listed, taken back, rotated.
//!
//! No text of a credential is ever kept: of a token its `jti`, of a key its hash. A token is written down
//! before its text is handed out. What another process takes back reaches a running gate through
//! [`Tokens::follow`] within a fraction of a second, open streams included.

mod admin;
mod follow;
mod signing;
#[cfg(test)]
mod tests;

use std::{
    error::Error,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use aws_lc_rs::rand;
use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD, HEXLOWER};
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::{
    clock::Now,
    identity::{
        API_KEY_LEAD, API_KEY_PREFIX_LEN, ApiKeyRecord, ISSUER_MARK, KeyProblem, OwnCredentials, Revocation,
        Revocations, Sources, TokenRecord, VerifyKey, api_key_hash, principals::Principal,
    },
    store::{ApiKeyRow, Store, StoreError, TokenRow},
    words::{GroupName, Kind, PrincipalId, Secret},
};
pub use admin::{ADMIN_TOKEN_LEAD, ADMIN_TTL_MAX};
pub use follow::FOLLOW_EVERY;
use signing::{KeySet, SigningKey};

/// How often strangers' key ids may make us look into the store.
const REFRESH_GAP: Duration = Duration::from_millis(200);
/// LIMIT: credentials of one sort that are looked up at once; the store's queue keeps its room for others. Who
/// comes then waits.
const LOOK_UPS_MAX: usize = 64;
/// How long a caller may wait for the store, its turn included.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(2);
/// Most scopes of one credential.
const SCOPES_MAX: usize = 64;

/// Our own issuer.
#[derive(Debug)]
pub struct Tokens {
    store: Store,
    folder: PathBuf,
    keys: ArcSwap<KeySet>,
    /// When the keys were last read, as of the reading's begin.
    refreshed: Mutex<Option<Instant>>,
    /// One reading at a time: an older one must not put back what a newer one took away.
    refreshing: tokio::sync::Mutex<()>,
    /// One at a time asks for a key that nobody knows.
    asking: tokio::sync::Mutex<()>,
    /// Turns of tokens, and of API keys: strangers can ask for those.
    token_turns: Semaphore,
    api_key_turns: Semaphore,
    /// How often it was told that the signing keys changed, and up to which of these they were read.
    keys_told: AtomicU64,
    #[cfg(test)]
    readings: AtomicU64,
    keys_read: AtomicU64,
    revocations: Arc<Revocations>,
    /// The number of the last change that was heard.
    heard: AtomicI64,
    followed: Mutex<Option<Instant>>,
    /// Why nothing was heard the last time.
    unheard: Mutex<Option<String>>,
}

/// Why a credential was not issued or taken back.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Nobody of that name.
    #[error("{kind} `{id}` is not in principals/")]
    UnknownPrincipal {
        /// What sort of caller.
        kind: Kind,
        /// Which.
        id: PrincipalId,
    },
    /// Its last day is over.
    #[error("the last day of {kind} `{id}` is over (`until` in principals/)")]
    Ended {
        /// What sort of caller.
        kind: Kind,
        /// Which.
        id: PrincipalId,
    },
    /// Switched off.
    #[error("{kind} `{id}` is disabled in principals/")]
    Disabled {
        /// What sort of caller.
        kind: Kind,
        /// Which.
        id: PrincipalId,
    },
    /// An outside issuer vouches for it, not we.
    #[error("`{id}` belongs to an outside issuer; its tokens come from there")]
    Outside {
        /// Which.
        id: PrincipalId,
    },
    /// Not a life we give.
    #[error("a credential lives between 1s and {days_max} days")]
    Life {
        /// The bound.
        days_max: i64,
    },
    /// The principal is not in it.
    #[error("the principal is not in group `{group}`")]
    NotInGroup {
        /// Which.
        group: GroupName,
    },
    /// Not a scope.
    #[error("`{scope}` is not a scope: printable, without spaces, at most {SCOPES_MAX} of them")]
    Scope {
        /// Which.
        scope: String,
    },
    /// Not a name that can be told in a list.
    #[error("`{name}` is not a name: 1 to 64 letters, digits, `-`, `_`, `.`")]
    Name {
        /// Which.
        name: Arc<str>,
    },
    /// The bundle has no issuer of its own.
    #[error("the bundle names no issuer of its own (`identity.issuer`)")]
    NoIssuer,
    /// The private half of the signing key is not here.
    #[error("the signing key is not in `{folder}`; run `bramka token rotate` to make a new one")]
    NoSigningKey {
        /// Where it should be.
        folder: PathBuf,
    },
    /// A key file cannot be read or written.
    #[error("cannot use `{path}`")]
    KeyFile {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A key file holds something else.
    #[error("`{path}` is not the signing key it is named after")]
    BadKeyFile {
        /// Which.
        path: PathBuf,
    },
    /// The random source or the signature failed.
    #[error("the cryptographic library refused")]
    Crypto,
    /// The store refused.
    #[error("the store did not take it")]
    Store(#[source] StoreError),
    /// Another file goes by the store's path: what other processes take back is not heard.
    #[error(transparent)]
    Replaced(StoreError),
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Replaced { .. } => Self::Replaced(error),
            error => Self::Store(error),
        }
    }
}

impl TokenError {
    /// The whole of it in one line, for operators.
    fn told(&self) -> String {
        match self.source() {
            Some(cause) => format!("{self}: {cause}"),
            None => self.to_string(),
        }
    }
}

/// What to issue to whom.
#[derive(Clone, Debug)]
pub struct Order {
    /// To whom.
    pub kind: Kind,
    /// To whom.
    pub id: PrincipalId,
    /// For how long; an API key may be without end.
    pub ttl: Option<SignedDuration>,
    /// Only these of its groups.
    pub groups: Option<Vec<GroupName>>,
    /// Scopes it asserts.
    pub scopes: Vec<Arc<str>>,
    /// What to note beside it.
    pub note: Option<Arc<str>>,
}

impl Tokens {
    /// Opens the signing keys in `folder`, makes the first where there is none, and hears of everything that
    /// was taken back. Nothing may be served before this is done.
    ///
    /// # Errors
    /// The store or a key file cannot be used.
    pub async fn open(
        store: Store,
        folder: &Path,
        revocations: Arc<Revocations>,
        now: Now,
    ) -> Result<Self, TokenError> {
        crate::store::private_folder(folder)?;
        let tokens = Self {
            store,
            folder: folder.to_owned(),
            keys: ArcSwap::default(),
            refreshed: Mutex::default(),
            refreshing: tokio::sync::Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            token_turns: Semaphore::new(LOOK_UPS_MAX),
            api_key_turns: Semaphore::new(LOOK_UPS_MAX),
            keys_told: AtomicU64::new(0),
            #[cfg(test)]
            readings: AtomicU64::new(0),
            keys_read: AtomicU64::new(0),
            revocations,
            heard: AtomicI64::new(0),
            followed: Mutex::default(),
            unheard: Mutex::default(),
        };
        tokens.follow(now).await?;
        tokens.refresh_keys(now).await?;
        tokens.check_private_key().await?;
        if tokens.keys.load().is_empty() {
            tokens.rotate(now).await?;
        }
        Ok(tokens)
    }

    /// The store it writes to.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Issues a token; its text is handed out once and kept nowhere.
    ///
    /// # Errors
    /// The principal, life, groups or scopes do not fit, or the key or store cannot be used.
    pub async fn issue(
        &self,
        sources: &Sources,
        order: Order,
        now: Now,
    ) -> Result<(Secret, TokenRow), TokenError> {
        let (issuer, audience) = sources.own_names().ok_or(TokenError::NoIssuer)?;
        check(sources, &order, now.wall)?;
        let ttl = order.ttl.unwrap_or(sources.token_ttl_max());
        if ttl < SignedDuration::from_secs(1) || ttl > sources.token_ttl_max() {
            return Err(TokenError::Life { days_max: sources.token_ttl_max().as_hours() / 24 });
        }
        let keys = self.keys.load_full();
        let key = keys.signing().ok_or_else(|| TokenError::NoSigningKey { folder: self.folder.clone() })?;
        let whole = |moment: Timestamp| Timestamp::from_second(moment.as_second()).unwrap_or(moment);
        let issued_at = whole(now.wall);
        let row = TokenRow {
            jti: HEXLOWER.encode(&random::<16>()?).into(),
            kind: order.kind,
            principal: order.id,
            kid: key.kid.clone(),
            groups: order.groups,
            scopes: order.scopes,
            note: order.note,
            issued_at,
            expires_at: whole(issued_at.checked_add(ttl).map_err(|_| TokenError::Life { days_max: 0 })?),
            revoked_at: None,
        };
        let text = signed(&row, key, issuer, audience)?;
        // ORDER: written down before it is handed out, so that every token there is can be listed and ended.
        self.store.issue_token(row.clone()).await?;
        Ok((text, row))
    }

    /// Makes an API key; its text is handed out once and kept nowhere.
    ///
    /// # Errors
    /// The principal, groups or scopes do not fit, or the store cannot be used.
    pub async fn issue_api_key(
        &self,
        sources: &Sources,
        order: Order,
        now: Now,
    ) -> Result<(Secret, ApiKeyRow), TokenError> {
        check(sources, &order, now.wall)?;
        if order.ttl.is_some_and(|ttl| ttl < SignedDuration::from_secs(1)) {
            return Err(TokenError::Life { days_max: i64::MAX });
        }
        let prefix: String = BASE32_NOPAD.encode(&random::<8>()?).to_lowercase();
        let prefix: String = prefix.chars().take(API_KEY_PREFIX_LEN).collect();
        let text = format!("{API_KEY_LEAD}{prefix}_{}", BASE64URL_NOPAD.encode(&random::<32>()?));
        let expires_at = order.ttl.map(|ttl| now.wall.checked_add(ttl)).transpose();
        let row = ApiKeyRow {
            prefix: prefix.into(),
            hash: api_key_hash(&text),
            kind: order.kind,
            principal: order.id,
            groups: order.groups,
            scopes: order.scopes,
            note: order.note,
            issued_at: now.wall,
            expires_at: expires_at.map_err(|_| TokenError::Life { days_max: 0 })?,
            revoked_at: None,
        };
        self.store.issue_api_key(row.clone()).await?;
        Ok((Secret::new(text), row))
    }

    /// Takes back a token by its `jti` or an API key by its public prefix. True when it was alive.
    ///
    /// # Errors
    /// The store did not take it.
    pub async fn revoke(&self, name: &str, now: Now) -> Result<bool, TokenError> {
        let token = self.store.revoke_token(name.into(), now.wall).await?;
        let alive = token || self.store.revoke_api_key(name.into(), now.wall).await?;
        self.follow(now).await?;
        Ok(alive)
    }

    /// Takes back a token or an API key in this process alone, at once and whatever else can be written: until it
    /// ends. True where it is ours, or nobody can say.
    pub async fn end_here(&self, name: &str, now: Now) -> bool {
        let known = async {
            Ok::<_, StoreError>((
                self.store.token_by_jti(name.into()).await?.map(|row| row.expires_at),
                self.store.api_key_by_prefix(name.into()).await?.is_some(),
            ))
        };
        let known = tokio::time::timeout(LOOK_UP_TIMEOUT, known).await;
        let (until, is_key) = match known {
            Ok(Ok(known)) => known,
            // LIMIT: as many as operators name while the store is away.
            Ok(Err(_)) | Err(_) => (Some(Timestamp::MAX), true),
        };
        let token = until.map(|until| Revocation::Token { jti: name.into(), until });
        let key = is_key.then(|| Revocation::ApiKey { prefix: name.into() });
        let ended: Vec<Revocation> = token.into_iter().chain(key).collect();
        self.revocations.apply(&ended, now.wall);
        !ended.is_empty()
    }

    /// Takes back everything a principal holds; how many of ours were alive. Tokens of an outside issuer are
    /// taken back by the moment they were issued.
    ///
    /// # Errors
    /// The store did not take it.
    pub async fn revoke_all(&self, kind: Kind, id: PrincipalId, now: Now) -> Result<usize, TokenError> {
        let outside = id.as_str().contains(ISSUER_MARK);
        let many = self.store.revoke_principal(kind, id, outside, now.wall).await?;
        self.follow(now).await?;
        Ok(many)
    }

    /// The public keys for `/.well-known/jwks.json`.
    pub fn jwks(&self) -> String {
        self.keys.load().jwks()
    }

    /// How long to wait before the keys may be read again for someone whom nobody knows.
    fn refresh_due_in(&self, now: Now) -> Duration {
        let since = self.refreshed.lock().map(|at| now.mono.saturating_duration_since(at));
        since.map_or(Duration::ZERO, |since| REFRESH_GAP.saturating_sub(since))
    }

    /// Whether the keys were read after a moment.
    fn is_refreshed_after(&self, moment: Instant) -> bool {
        self.refreshed.lock().is_some_and(|at| at > moment)
    }
}

impl OwnCredentials for Tokens {
    fn key<'a>(&'a self, kid: &'a str, now: Now) -> BoxFuture<'a, Result<Arc<VerifyKey>, KeyProblem>> {
        Box::pin(async move {
            if let Some(key) = self.keys.load().get(kid) {
                return Ok(key);
            }
            // A key made by another process a moment ago? Looked for seldom, whoever asks, and by one at a time: who
            // comes while somebody waits or looks takes over what that one finds.
            let _turn = self.asking.lock().await;
            if !self.is_refreshed_after(now.mono) {
                let wait = self.refresh_due_in(now);
                tokio::time::sleep(wait).await;
                let now = Now { mono: now.mono.checked_add(wait).unwrap_or(now.mono), ..now };
                self.refresh_keys(now).await.map_err(|_| KeyProblem::Unavailable)?;
            }
            self.keys.load().get(kid).ok_or(KeyProblem::Unknown)
        })
    }

    fn token<'a>(&'a self, jti: &'a str) -> BoxFuture<'a, Result<Option<TokenRecord>, KeyProblem>> {
        Box::pin(async move {
            let row = look_up(&self.token_turns, self.store.token_by_jti(jti.into())).await?;
            Ok(row.map(|row| TokenRecord {
                kid: row.kid,
                kind: row.kind,
                id: row.principal,
                groups: row.groups,
                scopes: row.scopes,
                issued_at: row.issued_at,
                expires_at: row.expires_at,
                revoked: row.revoked_at.is_some(),
            }))
        })
    }

    fn api_key<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Option<ApiKeyRecord>, KeyProblem>> {
        Box::pin(async move {
            let row = look_up(&self.api_key_turns, self.store.api_key_by_prefix(prefix.into())).await?;
            Ok(row.map(|row| ApiKeyRecord {
                prefix: row.prefix,
                hash: row.hash,
                kind: row.kind,
                id: row.principal,
                groups: row.groups,
                scopes: row.scopes,
                issued_at: row.issued_at,
                expires_at: row.expires_at,
                revoked: row.revoked_at.is_some(),
            }))
        })
    }
}

/// One look into the store for a credential that was not seen before.
async fn look_up<T>(
    turns: &Semaphore,
    asked: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, KeyProblem> {
    let looking = async {
        let _turn = turns.acquire().await.map_err(|_closed| KeyProblem::Unavailable)?;
        asked.await.map_err(|error| {
            // Strangers can cause this line.
            tracing::debug!(%error, "a credential cannot be looked up");
            KeyProblem::Unavailable
        })
    };
    tokio::time::timeout(LOOK_UP_TIMEOUT, looking).await.map_err(|_late| KeyProblem::Unavailable)?
}

/// Whether this principal can be given such a credential.
fn check(sources: &Sources, order: &Order, now: Timestamp) -> Result<(), TokenError> {
    let (kind, id) = (order.kind, order.id.clone());
    if id.as_str().contains(ISSUER_MARK) {
        return Err(TokenError::Outside { id });
    }
    let principal: &Principal = match sources.registry().get(kind, id.as_str()) {
        None => return Err(TokenError::UnknownPrincipal { kind, id }),
        Some(principal) if principal.disabled => return Err(TokenError::Disabled { kind, id }),
        Some(principal) if principal.has_ended(now) => return Err(TokenError::Ended { kind, id }),
        Some(principal) => principal,
    };
    for group in order.groups.iter().flatten() {
        if !principal.groups.contains(group) {
            return Err(TokenError::NotInGroup { group: group.clone() });
        }
    }
    let plain =
        |scope: &str| !scope.is_empty() && scope.len() <= 255 && scope.bytes().all(|b| b.is_ascii_graphic());
    let odd = order.scopes.iter().enumerate().find(|(at, scope)| *at >= SCOPES_MAX || !plain(scope));
    match odd {
        Some((_, scope)) => Err(TokenError::Scope { scope: scope.to_string() }),
        None => Ok(()),
    }
}

fn signed(row: &TokenRow, key: &SigningKey, issuer: &str, audience: &str) -> Result<Secret, TokenError> {
    let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": row.kid });
    let mut claims = json!({
        "iss": issuer, "aud": audience, "sub": row.principal.as_str(), "kind": row.kind.as_str(),
        "jti": row.jti, "iat": row.issued_at.as_second(), "exp": row.expires_at.as_second(),
    });
    if let (Some(groups), Some(claims)) = (&row.groups, claims.as_object_mut()) {
        let names: Vec<&str> = groups.iter().map(GroupName::as_str).collect();
        claims.insert("groups".into(), names.into());
    }
    if let (false, Some(claims)) = (row.scopes.is_empty(), claims.as_object_mut()) {
        claims.insert("scope".into(), row.scopes.join(" ").into());
    }
    let part = |value: serde_json::Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = key.sign(message.as_bytes())?;
    Ok(Secret::new(format!("{message}.{}", BASE64URL_NOPAD.encode(&signature))))
}

fn random<const N: usize>() -> Result<[u8; N], TokenError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| TokenError::Crypto)?;
    Ok(bytes)
}
