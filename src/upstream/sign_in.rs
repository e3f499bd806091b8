//! How the gate proves itself to a system. Every kind ends as one header field; OAuth2 client credentials
//! fetch theirs, once for all cores, and again shortly before it expires or when the system refuses it.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use data_encoding::BASE64;
use http::{
    HeaderName, HeaderValue, Method, Request, Uri,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use parking_lot::Mutex;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{SignInError, settings::Authenticate};
use crate::{
    body::Body,
    clock::{self, Now},
    wire::{Bounds, Deadline, Origin, once},
    words::Secret,
};

/// How long before its end a token is replaced, at most.
const MARGIN_MAX: Duration = Duration::from_secs(60);
/// How long a token lasts whose issuer does not say; a refusal renews it sooner.
const UNTOLD_LIFE: Duration = Duration::from_secs(3600);
/// How long a failure is remembered before the issuer is asked again.
const FAILURE_HELD: Duration = Duration::from_secs(1);
/// Between two tokens given up because a system refused them: one that refuses every token, or callers whom it
/// refuses for reasons of its own, must not make us hammer the issuer.
const SPOILED_EVERY: Duration = Duration::from_secs(5);
/// Longest token.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// How the gate signs in to one system.
#[derive(Debug)]
pub(super) enum SignedIn {
    /// Not at all.
    No,
    /// Always by the same field.
    Always(HeaderName, HeaderValue),
    /// By a token that is fetched.
    Fetched(Box<Tokens>),
}

/// The field to add, and by which token it was made.
#[derive(Clone, Debug)]
pub(super) struct Proof {
    pub(super) name: HeaderName,
    pub(super) value: HeaderValue,
    token: Option<u64>,
}

/// The tokens of one issuer for one of our ids.
pub(super) struct Tokens {
    origin: Arc<Origin>,
    target: Uri,
    form: Secret,
    authorization: Option<HeaderValue>,
    held: Mutex<Held>,
    /// Single flight: whoever holds it asks the issuer, the others wait for what it got.
    flight: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Held {
    token: Option<Token>,
    /// How many tokens there were: a refusal of an older one spoils nothing.
    number: u64,
    failed: Option<(Instant, SignInError)>,
    /// When a refusal last spoiled one.
    spoiled: Option<Instant>,
}

#[derive(Clone)]
struct Token {
    value: HeaderValue,
    renew_at: Instant,
    expires_at: Instant,
}

impl SignedIn {
    /// A value no log prints.
    pub(super) fn always(name: HeaderName, value: &str) -> Option<Self> {
        Some(Self::Always(name, sensitive(value)?))
    }

    pub(super) fn bearer(token: &Secret) -> Option<Self> {
        Self::always(AUTHORIZATION, &format!("Bearer {}", token.expose()))
    }

    pub(super) fn basic(user: &str, password: &Secret) -> Option<Self> {
        if user.contains(':') {
            return None;
        }
        Self::always(AUTHORIZATION, &basic(user, password.expose()))
    }

    /// The field's name, which no caller may set.
    pub(super) fn field(&self) -> Option<&HeaderName> {
        match self {
            Self::No => None,
            Self::Always(name, _) => Some(name),
            Self::Fetched(_) => Some(&AUTHORIZATION),
        }
    }

    /// Whether a refusal may mean that the token is spent.
    pub(super) fn is_fetched(&self) -> bool {
        matches!(self, Self::Fetched(_))
    }

    /// The field to add to a request.
    pub(super) async fn proof(&self, deadline: Deadline, now: Now) -> Result<Option<Proof>, SignInError> {
        match self {
            Self::No => Ok(None),
            Self::Always(name, value) => {
                Ok(Some(Proof { name: name.clone(), value: value.clone(), token: None }))
            }
            Self::Fetched(tokens) => {
                let (value, number) = match tokens.fresh(now.mono) {
                    Some(fresh) => fresh?,
                    // Boxed: seldom taken, and large.
                    None => Box::pin(tokens.get(deadline, now)).await?,
                };
                Ok(Some(Proof { name: AUTHORIZATION, value, token: Some(number) }))
            }
        }
    }

    /// The system refused a proof: its token is not used again, unless one was given up just before. Whether another
    /// can be had.
    pub(super) fn spoil(&self, proof: Option<&Proof>, now: Instant) -> bool {
        match (self, proof.and_then(|proof| proof.token)) {
            (Self::Fetched(tokens), Some(number)) => tokens.spoil(number, now),
            (Self::Fetched(_), None) | (Self::No | Self::Always(..), _) => false,
        }
    }
}

/// What is asked of a token issuer.
#[derive(Debug)]
pub(super) struct Grant<'a> {
    pub(super) client_id: &'a str,
    pub(super) client_secret: &'a Secret,
    pub(super) scope: Option<&'a str>,
    pub(super) audience: Option<&'a str>,
    pub(super) authenticate: Authenticate,
}

impl Tokens {
    pub(super) fn new(origin: Arc<Origin>, target: Uri, grant: &Grant<'_>) -> Option<Self> {
        let mut form = String::from("grant_type=client_credentials");
        let mut field = |name: &str, value: &str| {
            form.push('&');
            form.push_str(name);
            form.push('=');
            form.push_str(&encoded(value));
        };
        let authorization = match grant.authenticate {
            Authenticate::Basic => {
                // RFC 6749 §2.3.1: form-encoded first, unlike any other basic sign-in.
                let (id, secret) = (encoded(grant.client_id), encoded(grant.client_secret.expose()));
                Some(sensitive(&basic(&id, &secret))?)
            }
            Authenticate::Body => {
                field("client_id", grant.client_id);
                field("client_secret", grant.client_secret.expose());
                None
            }
        };
        let optional = [("scope", grant.scope), ("audience", grant.audience)];
        for (name, value) in optional.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            field(name, value);
        }
        Some(Self {
            origin,
            target,
            form: Secret::new(form),
            authorization,
            held: Mutex::default(),
            flight: tokio::sync::Mutex::new(()),
        })
    }

    async fn get(&self, deadline: Deadline, now: Now) -> Result<(HeaderValue, u64), SignInError> {
        if let Some(fresh) = self.fresh(now.mono) {
            return fresh;
        }
        let old = self.held.lock().still_good(now.mono);
        let turn = match (self.flight.try_lock(), &old) {
            (Ok(turn), _) => Some(turn),
            // Somebody asks already. While the old token is good nobody else waits for an issuer that may hang.
            (Err(_), Some(old)) => return Ok(old.clone()),
            (Err(_), None) => None,
        };
        let renewed = tokio::time::timeout_at(deadline.into(), async {
            let _turn = match turn {
                Some(turn) => turn,
                None => self.flight.lock().await,
            };
            let now = clock::now();
            // Whoever was before us may have got it.
            match self.fresh(now.mono) {
                Some(fresh) => fresh,
                None => self.renew(now).await,
            }
        });
        renewed.await.unwrap_or_else(|_| old.ok_or(SignInError::Late))
    }

    /// What is known without asking: a token that is good for a while, or that the issuer just failed.
    fn fresh(&self, now: Instant) -> Option<Result<(HeaderValue, u64), SignInError>> {
        let held = self.held.lock();
        if let Some(token) = &held.token
            && now < token.renew_at
        {
            return Some(Ok((token.value.clone(), held.number)));
        }
        let (at, error) = held.failed.as_ref()?;
        if now.saturating_duration_since(*at) >= FAILURE_HELD {
            return None;
        }
        Some(held.still_good(now).ok_or_else(|| error.clone()))
    }

    async fn renew(&self, now: Now) -> Result<(HeaderValue, u64), SignInError> {
        let fetched = self.fetch(now).await;
        let now = clock::now().mono;
        let mut held = self.held.lock();
        match fetched {
            Ok(token) => {
                held.number += 1;
                held.failed = None;
                let value = token.value.clone();
                held.token = Some(token);
                Ok((value, held.number))
            }
            Err(error) => {
                held.failed = Some((now, error.clone()));
                held.still_good(now).ok_or(error)
            }
        }
    }

    async fn fetch(&self, now: Now) -> Result<Token, SignInError> {
        let mut request = Request::new(Body::from(self.form.expose().to_owned().into_bytes()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        let bounds = Bounds { bytes_max: 64 * 1024, ..Bounds::default() };
        let answer = once(&self.origin, request, &bounds, now)
            .await
            .map_err(|error| SignInError::Unreachable(error.to_string()))?;
        if !answer.status().is_success() {
            let code = serde_json::from_slice::<Refusal<'_>>(answer.body()).map(|refusal| refusal.error);
            return Err(SignInError::Refused {
                status: answer.status().as_u16(),
                code: code.ok().filter(|code| is_code(code)).unwrap_or("-").to_owned(),
            });
        }
        read(answer.body(), now.mono)
    }

    fn spoil(&self, number: u64, now: Instant) -> bool {
        let mut held = self.held.lock();
        if held.number != number || held.token.is_none() {
            return true;
        }
        if held.spoiled.is_some_and(|at| now.saturating_duration_since(at) < SPOILED_EVERY) {
            return false;
        }
        held.spoiled = Some(now);
        held.token = None;
        true
    }
}

impl Held {
    fn still_good(&self, now: Instant) -> Option<(HeaderValue, u64)> {
        let token = self.token.as_ref().filter(|token| now < token.expires_at)?;
        Some((token.value.clone(), self.number))
    }
}

/// An issuer's answer (RFC 6749 §5.1).
#[derive(Deserialize)]
struct Granted<'a> {
    #[serde(borrow)]
    access_token: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    token_type: Option<std::borrow::Cow<'a, str>>,
    expires_in: Option<Seconds>,
}

/// Some issuers write the number as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(u64),
    Text(String),
}

#[derive(Deserialize)]
struct Refusal<'a> {
    error: &'a str,
}

fn read(answer: &[u8], now: Instant) -> Result<Token, SignInError> {
    let granted: Granted<'_> =
        serde_json::from_slice(answer).map_err(|_| SignInError::Unusable("it is no token answer"))?;
    if granted.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(SignInError::Unusable("the token is no bearer token"));
    }
    let token = &*granted.access_token;
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX || !token.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Err(SignInError::Unusable("the token is empty, too long or no header value"));
    }
    let life = match granted.expires_in {
        None => UNTOLD_LIFE,
        Some(Seconds::Number(seconds)) => Duration::from_secs(seconds),
        Some(Seconds::Text(text)) => {
            Duration::from_secs(text.parse().map_err(|_| SignInError::Unusable("`expires_in` is no number"))?)
        }
    };
    // Nobody's clock is trusted for longer than a day.
    let life = life.min(Duration::from_secs(24 * 3600));
    let value =
        sensitive(&format!("Bearer {token}")).ok_or(SignInError::Unusable("it is no header value"))?;
    Ok(Token { value, renew_at: now + (life - (life / 10).min(MARGIN_MAX)), expires_at: now + life })
}

/// RFC 6749 §5.2: what an `error` may be made of; anything else is not repeated.
fn is_code(code: &str) -> bool {
    code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{user}:{password}").as_bytes()))
}

/// `application/x-www-form-urlencoded`, with `%20` for the space, which every reader takes.
fn encoded(text: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*');
    utf8_percent_encode(text, KEPT).to_string()
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.origin.peer())
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;

    use super::*;
    use crate::wire::tests::rig::{Peer, read_request};

    fn told(answer: &str) -> String {
        match read(answer.as_bytes(), clock::now().mono) {
            Ok(token) => token.value.to_str().unwrap().to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn only_a_usable_bearer_token_is_taken() {
        assert_eq!(told(r#"{"access_token":"abc","token_type":"Bearer","expires_in":60}"#), "Bearer abc");
        assert_eq!(told(r#"{"access_token":"abc","expires_in":"60"}"#), "Bearer abc");
        for bad in [
            r#"{"access_token":"","token_type":"bearer"}"#,
            r#"{"access_token":"a\r\nx: y"}"#,
            r#"{"access_token":"abc","token_type":"mac"}"#,
            r#"{"token":"abc"}"#,
            "<html>",
        ] {
            assert!(told(bad).starts_with("the token issuer's answer is not usable"), "{bad}");
        }
    }

    #[test]
    fn a_token_is_renewed_before_it_ends() {
        let now = clock::now().mono;
        let token = read(br#"{"access_token":"abc","expires_in":100}"#, now).unwrap();
        assert_eq!(
            (token.renew_at - now, token.expires_at - now),
            (Duration::from_secs(90), Duration::from_secs(100))
        );
        let token = read(br#"{"access_token":"abc","expires_in":3600}"#, now).unwrap();
        assert_eq!(token.renew_at - now, Duration::from_secs(3540));
    }

    #[tokio::test]
    async fn an_issuer_that_hangs_keeps_nobody_waiting_who_holds_a_good_token() {
        let issuer =
            Peer::new(|mut stream, _| async move { while read_request(&mut stream).await.is_some() {} })
                .await;
        let grant = Grant {
            client_id: "gate",
            client_secret: &Secret::new("secret".into()),
            scope: None,
            audience: None,
            authenticate: Authenticate::Basic,
        };
        let tokens = Tokens::new(issuer.origin(), Uri::from_static("/token"), &grant).unwrap();
        let now = clock::now();
        let old = HeaderValue::from_static("Bearer old");
        let expires_at = now.mono + Duration::from_secs(60);
        tokens.held.lock().token = Some(Token { value: old.clone(), renew_at: now.mono, expires_at });
        let mut asking = pin!(tokens.get(Deadline::after(now, Duration::from_millis(200)), now));
        assert!(asking.as_mut().now_or_never().is_none(), "one asks for a new one");
        for _ in 0..3 {
            let got = tokens.get(Deadline::after(now, Duration::from_secs(8)), now).now_or_never();
            assert_eq!(got.expect("the others do not wait").unwrap().0, old);
        }
        assert_eq!(asking.await.unwrap().0, old, "and goes on with the old one when its time is up");
    }

    #[test]
    fn no_proof_prints() {
        let signed = SignedIn::basic("user", &Secret::new("pass".into())).unwrap();
        let printed = format!("{signed:?}");
        assert!(!printed.contains("dXNlcjpwYXNz") && printed.contains("Sensitive"), "{printed}");
        assert!(SignedIn::basic("us:er", &Secret::new("pass".into())).is_none());
        assert!(SignedIn::bearer(&Secret::new("a\nb".into())).is_none());
    }
}
