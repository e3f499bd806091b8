//! What was taken back. One epoch counts every taking back, so that a remembered credential is looked at
//! again only when something changed, and open streams hear of it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwapOption;
use jiff::{SignedDuration, Timestamp};
use parking_lot::RwLock;
use tokio::sync::watch;

use super::{
    CredentialId, Facts, Sources,
    sources::{LEEWAY_MAX, signed},
    token::later,
};
use crate::{
    clock,
    words::{Kind, PrincipalId},
};

/// How long a token's revocation is remembered past the token's end: a clock that jumped ahead by less and came
/// back revives nothing.
const REMEMBERED_AFTER_END: SignedDuration = SignedDuration::from_hours(24);

/// A credential, or all of a principal's, that is worth nothing from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// One of our own tokens.
    Token {
        /// Its `jti`.
        jti: Arc<str>,
        /// When it would have ended anyway.
        until: Timestamp,
    },
    /// An API key.
    ApiKey {
        /// Its public prefix.
        prefix: Arc<str>,
    },
    /// Every token of a principal issued up to a moment; the way to end an outside issuer's tokens.
    Principal {
        /// Whose.
        kind: Kind,
        /// Whose.
        id: PrincipalId,
        /// Issued at or before this moment by our clock. An outside issuer's clock may be ahead, so what it
        /// issues within the largest leeway after it is taken back too.
        issued_until: Timestamp,
    },
}

/// What was taken back, shared by everything that must hear of it.
#[derive(Debug)]
pub struct Revocations {
    epoch: AtomicU64,
    heard: watch::Sender<u64>,
    taken_back: RwLock<TakenBack>,
    current: ArcSwapOption<Sources>,
}

#[derive(Debug, Default)]
struct TakenBack {
    tokens: HashMap<Arc<str>, Timestamp>,
    api_keys: HashMap<Arc<str>, ()>,
    principals: HashMap<(Kind, PrincipalId), Timestamp>,
}

impl Default for Revocations {
    fn default() -> Self {
        Self {
            epoch: AtomicU64::new(1),
            heard: watch::Sender::new(1),
            taken_back: RwLock::default(),
            current: ArcSwapOption::empty(),
        }
    }
}

impl Revocations {
    /// Takes back, then tells everyone. A token's revocation is forgotten a day after the token's end, so these
    /// are bounded by the tokens revoked that are alive or ended within a day. Revocations of API keys and
    /// principals are never forgotten: they are bounded by what was ever revoked.
    pub fn apply(&self, revocations: &[Revocation], now: Timestamp) {
        if revocations.is_empty() {
            return;
        }
        {
            let mut taken_back = self.taken_back.write();
            taken_back.tokens.retain(|_, until| later(*until, REMEMBERED_AFTER_END) > now);
            for one in revocations {
                match one {
                    Revocation::Token { jti, until } => {
                        taken_back.tokens.insert(jti.clone(), *until);
                    }
                    Revocation::ApiKey { prefix } => {
                        taken_back.api_keys.insert(prefix.clone(), ());
                    }
                    Revocation::Principal { kind, id, issued_until } => {
                        let slot = taken_back.principals.entry((*kind, id.clone())).or_insert(*issued_until);
                        *slot = (*slot).max(*issued_until);
                    }
                }
            }
        }
        self.bump();
    }

    /// Makes every remembered credential and every open stream look again.
    pub fn bump(&self) {
        let epoch = self.epoch.fetch_add(1, Ordering::AcqRel) + 1;
        self.heard.send_replace(epoch);
    }

    /// A new bundle is in force: streams of principals that it no longer knows end.
    pub fn adopt(&self, sources: &Arc<Sources>) {
        self.current.store(Some(sources.clone()));
        self.bump();
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    pub(super) fn listen(&self) -> watch::Receiver<u64> {
        self.heard.subscribe()
    }

    /// Whether what a caller was proved by was taken back.
    pub(super) fn covers(&self, facts: &Facts) -> bool {
        let taken_back = self.taken_back.read();
        let by_itself = match &facts.credential {
            CredentialId::Token(jti) => taken_back.tokens.contains_key(jti),
            CredentialId::ApiKey(prefix) => taken_back.api_keys.contains_key(prefix),
            CredentialId::None | CredentialId::Certificate(_) | CredentialId::Outside(..) => false,
        };
        if by_itself {
            return true;
        }
        let (Some(issued_at), false) = (facts.issued_at, taken_back.principals.is_empty()) else {
            return false;
        };
        let clocks_apart = match &facts.credential {
            // The issuer's own leeway would not do: a token from ahead of it is merely accepted a little later.
            CredentialId::Outside(..) => signed(LEEWAY_MAX),
            // Issued by the clock that revokes.
            CredentialId::None
            | CredentialId::Certificate(_)
            | CredentialId::Token(_)
            | CredentialId::ApiKey(_) => SignedDuration::ZERO,
        };
        let revoked = taken_back.principals.get(&(facts.kind, facts.id.clone()));
        revoked.is_some_and(|until| issued_at <= later(*until, clocks_apart))
    }

    /// Whether a caller is unknown to the bundle now in force.
    pub(super) fn disowned(&self, facts: &Facts) -> bool {
        self.current.load().as_ref().is_some_and(|sources| !sources.admits(facts, clock::now().wall))
    }
}
