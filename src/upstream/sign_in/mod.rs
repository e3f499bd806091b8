//! How the gate proves itself to a system.
//!
//! Every form ends as something that is put into a request on its way out: header fields, cookies, parameters,
//! fields of a body ([`shown`]). Some of it is always the same; some is fetched, once for all cores, kept while it is
//! good, and fetched again shortly before it ends or when the system refuses it ([`kept`]): a token ([`oauth2`]), a
//! session ([`session`]), a token against forged requests ([`csrf`]).
//!
//! A system may have several, chosen by what a call is ([`choice`]); none of what one fetched goes with another.
//!
//! It promises: nothing of a sign-in reaches a caller, another system, a log or the journal; what a caller sends
//! under the same name does not reach the system; a failed sign-in is an error of the gate's own call
//! ([`SignInError`]), never an answer of the system. It does not follow redirects and does not log out.

mod ask;
mod before;
mod build;
mod choice;
mod csrf;
mod deliver;
mod detached;
mod expired;
mod grants;
mod json;
mod kept;
mod oauth2;
mod recipe;
mod session;
pub(super) mod settings;
mod shown;

pub(super) use self::{
    build::Home,
    choice::{About, Chosen, SignIns},
    deliver::{Delivery, Next, Run, accepted},
};

pub use self::{
    deliver::{Keeps, Unfinished},
    detached::Strayed,
};

use std::{sync::Arc, time::Instant};

use http::{HeaderMap, HeaderName, Method, Request, StatusCode};
use smallvec::SmallVec;

use self::{csrf::Csrf, expired::Expired, kept::Numbered, oauth2::Tokens, session::Session, shown::Shown};
use super::{Asked, SignInError, UpstreamError};
use crate::{
    body::Body,
    clock::{self, Now},
    wire::{Deadline, Origin, is_safe},
};

/// How the gate signs in to one system.
#[derive(Debug, Default)]
pub(super) struct SignedIn {
    /// What is the same for every request.
    always: Option<Arc<Shown>>,
    fetched: Option<Fetched>,
    csrf: Option<Box<Csrf>>,
    /// What says, besides 401, that what was fetched is spent.
    expired: Box<[Expired]>,
    /// Fields that no caller may set.
    struck: Box<[HeaderName]>,
    /// Fields of an answer that no caller may see.
    kept_back: Box<[HeaderName]>,
}

/// What is fetched.
#[derive(Debug)]
enum Fetched {
    Tokens(Box<Tokens>),
    Session(Box<Session>),
}

/// What to put into a request, and which of those fetched it is.
#[derive(Debug)]
pub(super) struct Proof {
    always: Option<Arc<Shown>>,
    fetched: Option<Numbered>,
    csrf: Option<Numbered>,
}

/// What an answer says of our sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is spent: by its status, which every reader of it knows.
    Unauthorized,
    /// It is spent: by a word that only the file knows.
    Named,
    /// A token against forged requests is missing or spent.
    Csrf,
}

impl SignedIn {
    /// Whether getting a proof may take a while, and a refusal may mean that it is spent.
    pub(super) fn is_fetched(&self) -> bool {
        self.fetched.is_some() || self.csrf.is_some()
    }

    /// Whether what it shows may be good for one time only.
    fn may_use_up_a_secret(&self) -> bool {
        matches!(&self.fetched, Some(Fetched::Tokens(tokens)) if tokens.is_by_refresh_token())
    }

    /// Whether a caller's own request can be signed in.
    ///
    /// # Errors
    /// [`UpstreamError::BadRequest`] for one that names the gate's own parameter, or would need its body changed.
    pub(super) fn permits(&self, query: Option<&str>) -> Result<(), UpstreamError> {
        let Some(always) = &self.always else { return Ok(()) };
        if !always.body.is_empty() {
            const WHY: &str =
                "the system is signed in to by a field of the body, which is not passed through";
            return Err(UpstreamError::BadRequest(WHY));
        }
        let mut pairs = query.unwrap_or_default().split(['&', ';']);
        if pairs.any(|pair| always.query.iter().any(|(name, _)| shown::names(pair, name))) {
            return Err(UpstreamError::BadRequest("its query sets the parameter by which the gate signs in"));
        }
        Ok(())
    }

    /// What to put into a request with this method.
    ///
    /// # Errors
    /// [`SignInError`].
    pub(super) async fn proof(
        &self,
        method: &Method,
        deadline: Deadline,
        now: Now,
    ) -> Result<Option<Proof>, SignInError> {
        if self.always.is_none() && !self.is_fetched() {
            return Ok(None);
        }
        let mut proof = self.first(deadline, now).await?;
        let Some(csrf) = self.csrf.as_ref().filter(|_| !is_safe(method)) else { return Ok(Some(proof)) };
        let token = match csrf.get(&proof, deadline, now).await {
            // The session ended unnoticed.
            Err(SignInError::Refused { status: 401, .. }) if self.spoil(&proof, clock::mono()) => {
                let now = clock::now();
                proof = self.first(deadline, now).await?;
                csrf.get(&proof, deadline, now).await
            }
            told => told,
        };
        proof.csrf = Some(token?);
        Ok(Some(proof))
    }

    /// All but the token against forged requests.
    async fn first(&self, deadline: Deadline, now: Now) -> Result<Proof, SignInError> {
        let fetched = match &self.fetched {
            None => None,
            Some(fetched) => Some(match fetched.fresh(now.mono) {
                Some(fresh) => fresh?,
                // Boxed: seldom taken, and large.
                None => Box::pin(fetched.get(self.always.as_deref(), deadline, now)).await?,
            }),
        };
        Ok(Proof { always: self.always.clone(), fetched, csrf: None })
    }

    /// What an answer says of our sign-in. A body that is not there is not asked.
    pub(super) fn refused(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: Option<&[u8]>,
    ) -> Option<Refused> {
        if self.csrf.as_ref().is_some_and(|csrf| csrf.is_required(status, headers)) {
            return Some(Refused::Csrf);
        }
        self.fetched.as_ref()?;
        if status == StatusCode::UNAUTHORIZED {
            return Some(Refused::Unauthorized);
        }
        self.expired.iter().any(|one| one.is(status, headers, body)).then_some(Refused::Named)
    }

    /// The system refused a proof: what it was made of is not used again, unless one was given up just before.
    /// Whether another can be had.
    pub(super) fn renews(&self, refused: Refused, proof: Option<&Proof>, now: Instant) -> bool {
        let Some(proof) = proof else { return false };
        match (refused, &self.csrf, &proof.csrf) {
            (Refused::Csrf, Some(csrf), Some((_, number))) => csrf.kept.spoil(*number, now),
            (Refused::Csrf, _, _) => false,
            (Refused::Unauthorized | Refused::Named, _, _) => self.spoil(proof, now),
        }
    }

    fn spoil(&self, proof: &Proof, now: Instant) -> bool {
        match (&self.fetched, &proof.fetched) {
            (Some(fetched), Some((_, number))) => fetched.kept().spoil(*number, now),
            (Some(_), None) | (None, _) => false,
        }
    }
}

impl Fetched {
    fn kept(&self) -> &kept::Kept {
        match self {
            Self::Tokens(tokens) => &tokens.kept,
            Self::Session(session) => &session.kept,
        }
    }

    fn fresh(&self, now: Instant) -> Option<Result<Numbered, SignInError>> {
        self.kept().fresh(0, now)
    }

    async fn get(
        &self,
        always: Option<&Shown>,
        deadline: Deadline,
        now: Now,
    ) -> Result<Numbered, SignInError> {
        match self {
            Self::Tokens(tokens) => tokens.kept.get(0, deadline, now, |now| tokens.fetch(now)).await,
            Self::Session(session) => {
                session.kept.get(0, deadline, now, |now| session.fetch(always, now)).await
            }
        }
    }
}

impl Proof {
    fn parts(&self) -> SmallVec<[&Shown; 3]> {
        let fetched = [&self.fetched, &self.csrf].into_iter().flatten().map(|(shown, _)| &**shown);
        self.always.as_deref().into_iter().chain(fetched).collect()
    }

    /// Which of those fetched it is; 0 where none is.
    fn number(&self) -> u64 {
        self.fetched.as_ref().map_or(0, |(_, number)| *number)
    }

    /// The address to call instead of the file's.
    pub(super) fn origin(&self) -> Option<&Arc<Origin>> {
        self.fetched.as_ref()?.0.origin.as_ref()
    }

    /// Puts it into a request that goes to that origin.
    ///
    /// # Errors
    /// [`UpstreamError::BadRequest`] where the request has no place for it.
    pub(super) fn sign(
        &self,
        request: &mut Request<Body>,
        origin: &Origin,
        now: Now,
    ) -> Result<(), UpstreamError> {
        shown::sign(&self.parts(), request, origin, now.wall)
    }
}

/// Signs a request of our own to the same system.
fn signing<'a>(
    asked: Asked,
    parts: &'a [&'a Shown],
    now: Now,
) -> impl FnOnce(&mut Request<Body>, &Origin) -> Result<(), SignInError> + 'a {
    move |request, origin| {
        shown::sign(parts, request, origin, now.wall)
            .map_err(|error| SignInError::unusable(asked, error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;

    use super::*;

    #[test]
    fn no_proof_prints() {
        let value = ask::basic("user", "pass").unwrap();
        let always = Some(Arc::new(Shown::field(AUTHORIZATION, value)));
        let printed = format!("{:?}", SignedIn { always, ..SignedIn::default() });
        assert!(!printed.contains("dXNlcjpwYXNz") && printed.contains("Sensitive"), "{printed}");
        assert!(ask::basic("user", "a\nb").is_some(), "base64 makes it harmless");
        assert!(shown::sensitive("a\nb").is_none());
    }
}
