//! A token that a system wants with every changing request (against cross-site request forgery): fetched by a reading
//! one, good together with the cookies that came with it and with the sign-in it was fetched under.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use super::{
    super::{Asked, SignInError},
    Proof,
    ask::Ask,
    kept::{Got, Kept, Numbered},
    session::set_cookies,
    shown::{Field, Shown},
};
use crate::{clock::Now, wire::Deadline};

/// Longest token.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Most cookies that go along.
const COOKIES_MAX: usize = 16;

/// Where the token is had.
pub(super) struct Csrf {
    pub(super) ask: Ask,
    pub(super) header: HeaderName,
    pub(super) kept: Kept,
}

impl Csrf {
    pub(super) fn new(mut ask: Ask, header: HeaderName) -> Self {
        ask.headers.insert(&header, HeaderValue::from_static("Fetch"));
        Self { ask, header, kept: Kept::of(Asked::Csrf) }
    }

    /// The token for requests under that proof.
    pub(super) async fn get(
        &self,
        proof: &Proof,
        deadline: Deadline,
        now: Now,
    ) -> Result<Numbered, SignInError> {
        let under = proof.number();
        match self.kept.fresh(under, now.mono) {
            Some(fresh) => fresh,
            // Boxed: seldom taken, and large.
            None => Box::pin(self.kept.get(under, deadline, now, |now| self.fetch(proof, now))).await,
        }
    }

    async fn fetch(&self, proof: &Proof, now: Now) -> Result<Got, SignInError> {
        let parts = proof.parts();
        let answer =
            self.ask.send(proof.origin(), None, super::signing(Asked::Csrf, &parts, now), now).await?;
        Ok(self.read(&answer, now)?.under(proof.number()))
    }

    fn read(&self, answer: &Response<Bytes>, now: Now) -> Result<Got, SignInError> {
        let token = answer.headers().get(&self.header).filter(|token| {
            let is_word = |word: &str| token.as_bytes().eq_ignore_ascii_case(word.as_bytes());
            !token.is_empty() && token.len() <= TOKEN_BYTES_MAX && !is_word("required") && !is_word("fetch")
        });
        let mut token = token
            .ok_or_else(|| SignInError::unusable(Asked::Csrf, format!("no `{}` is in it", self.header)))?
            .clone();
        token.set_sensitive(true);
        let mut cookies = set_cookies(answer.headers());
        cookies.truncate(COOKIES_MAX);
        let fields = vec![(self.header.clone(), Field::Fixed(token))];
        Ok(Got::new(Shown { fields, cookies, ..Shown::default() }, None, now.mono))
    }

    /// Whether an answer says that the token is missing or spent.
    pub(super) fn is_required(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        status == StatusCode::FORBIDDEN
            && headers
                .get(&self.header)
                .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"required"))
    }
}

impl fmt::Debug for Csrf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Csrf({})", self.ask.origin.peer())
    }
}
