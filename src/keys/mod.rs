//! Public keys of outside issuers: discovered over HTTPS or read from a file, cached, rotated, and kept for
//! a while when the issuer is down. A file is looked at every few seconds, an issuer when its keys have aged.
//!
//! One fetch an issuer at a time, in a task of its own: whoever asked may walk away. A key id that is not
//! cached causes a fetch at most once per [`REFETCH_GAP`], because ids come from strangers. A key that its
//! issuer no longer publishes is retired, which ends what it signed at once; a set without keys retires all.
//! Trouble with an issuer is logged when it changes, not each time it is met. The room opens no socket: [`Fetch`]
//! is handed in.

mod discovery;
mod jwks;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};
use parking_lot::Mutex;
use tokio::sync::watch;

pub use discovery::{DOCUMENT_BYTES_MAX, FetchError};
pub use jwks::{JWKS_KEYS_MAX, JwksError};

use crate::{
    clock::Now,
    identity::{Issuer, IssuerKeys, IssuerOrigin, KeyProblem, Revocations, Sources, VerifyKey},
};

/// After this, keys are fetched again.
pub const FRESH_FOR: Duration = Duration::from_secs(600);
/// After this, keys that could not be fetched again are no longer believed.
pub const STALE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Between two fetches of one issuer's keys, whatever ids are asked for.
pub const REFETCH_GAP: Duration = Duration::from_secs(30);
/// Between two fetches while nothing at all is cached: a gate that has just started should not wait long.
pub const FIRST_GAP: Duration = Duration::from_secs(2);
/// For one whole fetch, discovery included.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// Gets a document over verified HTTPS, following no redirect. Implemented by the room `wire`.
pub trait Fetch: Send + Sync {
    /// Status and body; the body is at most `bytes_max`, or it is an error. With `ca`, a PEM file, its CAs are
    /// trusted instead of the platform's; one that cannot be read is an error.
    fn get<'a>(
        &'a self,
        url: &'a str,
        ca: Option<&'a Path>,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<(u16, Bytes), String>>;
}

/// The keys of all outside issuers. Lives across bundles.
pub struct Issuers {
    fetch: Arc<dyn Fetch>,
    revocations: Arc<Revocations>,
    // LIMIT: issuers of the bundle in force; see `adopt`.
    states: Mutex<HashMap<Place, Arc<State>>>,
}

/// What an issuer's keys depend on; a changed setting starts anew.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    url: Arc<str>,
    origin: Arc<str>,
}

#[derive(Default)]
struct State {
    cached: Mutex<Cached>,
}

#[derive(Default)]
struct Cached {
    keys: Vec<Arc<VerifyKey>>,
    fetched_at: Option<Instant>,
    tried_at: Option<Instant>,
    flight: Option<Flight>,
    last_error: Option<Arc<FetchError>>,
    /// No bundle names it any more: what is still under way is not taken over.
    is_forgotten: bool,
}

/// A fetch under way. Nothing is ever sent: it is over when the other end is gone, be it that its task landed,
/// panicked, or went down with its runtime.
type Flight = watch::Receiver<()>;

/// How an issuer's keys stand, for `/readyz` and metrics.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Which issuer.
    pub issuer: Arc<str>,
    /// How many keys are cached.
    pub keys: usize,
    /// How old they are.
    pub age: Option<Duration>,
    /// What the last fetch failed by.
    pub last_error: Option<Arc<FetchError>>,
}

impl Issuers {
    /// No issuer yet. Keys that go are told to `revocations`.
    pub fn new(fetch: Arc<dyn Fetch>, revocations: Arc<Revocations>) -> Self {
        Self { fetch, revocations, states: Mutex::default() }
    }

    /// A new bundle is in force: issuers it does not name, or names otherwise, are forgotten and their keys
    /// retired.
    pub fn adopt(&self, sources: &Sources) {
        let named: Vec<Place> = sources.issuers().map(Place::of).collect();
        let mut gone = Vec::new();
        self.states.lock().retain(|place, state| {
            let stays = named.contains(place);
            if !stays {
                gone.push(state.clone());
            }
            stays
        });
        for state in &gone {
            state.forget();
        }
        if !gone.is_empty() {
            self.revocations.bump();
        }
    }

    /// Fetches what has aged, without a caller waiting for it, and retires what is too old to be believed.
    /// Call it every half minute; the first time before serving, so that the first caller does not wait. All
    /// issuers are asked at once: it takes [`FETCH_TIMEOUT`] at most, however many hang.
    pub async fn tend(&self, sources: &Sources, now: Now) {
        join_all(sources.issuers().map(|issuer| self.tend_one(issuer, now))).await;
    }

    /// Looks at the key files of issuers that have one, whatever was read of them before: a key withdrawn there ends
    /// at once. Call it every second or few, and when somebody asks for a reload.
    pub async fn look_at_files(&self, sources: &Sources, now: Now) {
        let with_file = sources.issuers().filter(|issuer| matches!(issuer.origin, IssuerOrigin::File(_)));
        join_all(with_file.map(|issuer| self.look_at_file(issuer, now))).await;
    }

    async fn look_at_file(&self, issuer: &Issuer, now: Now) {
        let state = self.state(issuer);
        // ORDER: a look under way may have read what stood there before; another comes after it.
        let under_way = state.cached.lock().under_way();
        if let Some(flight) = under_way {
            over(flight).await;
        }
        let flight = {
            let mut cached = state.cached.lock();
            cached.under_way().unwrap_or_else(|| self.launch(&state, &mut cached, issuer, now))
        };
        over(flight).await;
    }

    /// How every issuer's keys stand, by name.
    pub fn standing(&self, sources: &Sources, now: Now) -> Vec<Standing> {
        let one = |issuer: &Issuer| {
            let state = self.state(issuer);
            let cached = state.cached.lock();
            Standing {
                issuer: issuer.name.clone(),
                keys: cached.keys.len(),
                age: cached.age(now),
                last_error: cached.last_error.clone(),
            }
        };
        let mut all: Vec<_> = sources.issuers().map(one).collect();
        all.sort_by(|one, other| one.issuer.cmp(&other.issuer));
        all
    }

    async fn tend_one(&self, issuer: &Issuer, now: Now) {
        let state = self.state(issuer);
        let due = state.cached.lock().age(now).is_none_or(|age| age >= FRESH_FOR);
        if let (true, Some(flight)) = (due, self.flight(&state, issuer, now)) {
            over(flight).await;
        }
        if state.drop_too_old(now) {
            tracing::warn!(issuer = %issuer.name, "keys of an issuer are too old to be believed");
            self.revocations.bump();
        }
    }

    async fn find(&self, issuer: &Issuer, kid: Option<&str>, now: Now) -> Result<Arc<VerifyKey>, KeyProblem> {
        let state = self.state(issuer);
        let (found, age) = state.look(kid, now);
        match (found, age) {
            (Some(key), Some(age)) if age < FRESH_FOR => return Ok(key),
            (Some(key), Some(age)) if age < STALE_MAX => {
                // Good enough to answer with; whoever tends the issuers fetches anew.
                return Ok(key);
            }
            (_, _) => {}
        }
        if let Some(flight) = self.flight(&state, issuer, now) {
            over(flight).await;
        }
        match state.look(kid, now) {
            (Some(key), Some(age)) if age < STALE_MAX => Ok(key),
            (None, Some(age)) if age < STALE_MAX => Err(KeyProblem::Unknown),
            (_, _) => Err(KeyProblem::Unavailable),
        }
    }

    fn state(&self, issuer: &Issuer) -> Arc<State> {
        self.states.lock().entry(Place::of(issuer)).or_default().clone()
    }

    /// The fetch that is under way, or a new one where it is time. Its task goes on whoever waits for it, and
    /// ends by [`FETCH_TIMEOUT`].
    fn flight(&self, state: &Arc<State>, issuer: &Issuer, now: Now) -> Option<Flight> {
        let mut cached = state.cached.lock();
        if let Some(flight) = cached.under_way() {
            return Some(flight);
        }
        let gap = if cached.fetched_at.is_some() { REFETCH_GAP } else { FIRST_GAP };
        if cached.tried_at.is_some_and(|at| now.mono.saturating_duration_since(at) < gap) {
            return None;
        }
        Some(self.launch(state, &mut cached, issuer, now))
    }

    fn launch(&self, state: &Arc<State>, cached: &mut Cached, issuer: &Issuer, now: Now) -> Flight {
        cached.tried_at = Some(now.mono);
        let (under_way, flight) = watch::channel(());
        cached.flight = Some(flight.clone());
        let (fetch, revocations, state) = (self.fetch.clone(), self.revocations.clone(), state.clone());
        let (name, url, origin) = (issuer.name.clone(), issuer.url.clone(), issuer.origin.clone());
        tokio::spawn(async move {
            let answer =
                match tokio::time::timeout(FETCH_TIMEOUT, discovery::keys(&*fetch, &url, &origin)).await {
                    Ok(answer) => answer,
                    Err(_) => Err(FetchError::Timeout),
                };
            if state.land(&name, answer, now) {
                revocations.bump();
            }
            drop(under_way);
        });
        flight
    }
}

/// Waits until a fetch is over.
async fn over(mut flight: Flight) {
    while flight.changed().await.is_ok() {}
}

impl IssuerKeys for Issuers {
    fn key<'a>(
        &'a self,
        issuer: &'a Issuer,
        kid: Option<&'a str>,
        now: Now,
    ) -> BoxFuture<'a, Result<Arc<VerifyKey>, KeyProblem>> {
        Box::pin(self.find(issuer, kid, now))
    }
}

impl Place {
    fn of(issuer: &Issuer) -> Self {
        let origin = match &issuer.origin {
            IssuerOrigin::Own => "own".to_owned(),
            IssuerOrigin::File(path) => format!("file {}", path.display()),
            IssuerOrigin::Discovery { hosts, ca } => format!("discovery {} by {ca:?}", hosts.join(" ")),
        };
        Self { url: issuer.url.clone(), origin: origin.into() }
    }
}

impl State {
    /// The key of an id, and how old the keys are. Without an id only an only key will do.
    fn look(&self, kid: Option<&str>, now: Now) -> (Option<Arc<VerifyKey>>, Option<Duration>) {
        let cached = self.cached.lock();
        let found = match (kid, cached.keys.as_slice()) {
            (Some(kid), keys) => keys.iter().find(|key| key.kid() == Some(kid)).cloned(),
            (None, [only]) => Some(only.clone()),
            (None, _) => None,
        };
        (found, cached.age(now))
    }

    /// Takes over what was fetched. Keys that stay are the same objects as before, so what they signed stays
    /// remembered; true when one went.
    fn land(&self, issuer: &str, answer: Result<Vec<VerifyKey>, FetchError>, now: Now) -> bool {
        let mut cached = self.cached.lock();
        cached.flight = None;
        if cached.is_forgotten {
            return false;
        }
        let (fetched, error) = match answer {
            Ok(keys) => (keys, None),
            // A set that is read and holds no key of ours has withdrawn them all; that is told as trouble too.
            Err(error @ FetchError::Jwks(JwksError::Empty)) => (Vec::new(), Some(error)),
            Err(error) => {
                cached.tell(issuer, Some(&error));
                cached.last_error = Some(Arc::new(error));
                return false;
            }
        };
        let before = std::mem::take(&mut cached.keys);
        cached.keys = fetched
            .into_iter()
            .map(|key| match before.iter().find(|old| old.same(&key)) {
                Some(old) => old.clone(),
                None => Arc::new(key),
            })
            .collect();
        cached.fetched_at = Some(now.mono);
        cached.tell(issuer, error.as_ref());
        cached.last_error = error.map(Arc::new);
        let mut went = false;
        for old in &before {
            if !cached.keys.iter().any(|key| Arc::ptr_eq(key, old)) {
                old.retire();
                went = true;
            }
        }
        went
    }

    /// Retires its keys, for good.
    fn forget(&self) {
        let mut cached = self.cached.lock();
        cached.is_forgotten = true;
        for key in std::mem::take(&mut cached.keys) {
            key.retire();
        }
    }

    fn drop_too_old(&self, now: Now) -> bool {
        let mut cached = self.cached.lock();
        if cached.age(now).is_none_or(|age| age < STALE_MAX) || cached.keys.is_empty() {
            return false;
        }
        for key in std::mem::take(&mut cached.keys) {
            key.retire();
        }
        true
    }
}

impl Cached {
    /// The fetch under way.
    fn under_way(&self) -> Option<Flight> {
        self.flight.as_ref().filter(|flight| flight.has_changed().is_ok()).cloned()
    }

    /// Logs what the fetch that landed changes: another trouble than before, or the end of it.
    fn tell(&self, issuer: &str, error: Option<&FetchError>) {
        match (self.last_error.as_ref().map(|before| before.told()), error.map(FetchError::told)) {
            (before, Some(error)) if before.as_ref() != Some(&error) => {
                tracing::warn!(issuer, %error, keys = self.keys.len(), "keys of an issuer were not fetched");
            }
            (Some(_), None) => tracing::warn!(issuer, "keys of an issuer are fetched again"),
            (_, _) => {}
        }
    }

    fn age(&self, now: Now) -> Option<Duration> {
        self.fetched_at.map(|at| now.mono.saturating_duration_since(at))
    }
}

impl fmt::Debug for Issuers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuers").field("issuers", &self.states.lock().len()).finish_non_exhaustive()
    }
}
