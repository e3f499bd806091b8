//! OAuth2: a token from an issuer, by client credentials, a password, a refresh token or a signed assertion.
//!
//! The answer may also name the address that the token is good for; then only hosts that the file lists are called.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{Method, Uri, header::AUTHORIZATION};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::{
    super::{Asked, SignInError},
    ask::{Ask, Form, basic},
    json::Steps,
    kept::{Got, Kept},
    settings::Authenticate,
    shown::{Shown, encoded, sensitive},
};
use crate::{
    clock::Now,
    wire::{Keep, Local, Origin, TlsClient},
    words::Secret,
};

/// Longest token.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// How long a signed assertion holds; issuers refuse much longer ones.
const ASSERTION_SECONDS: i64 = 180;

/// The tokens of one issuer for one of our ids.
pub(super) struct Tokens {
    ask: Ask,
    /// What of the form is always the same.
    form: Secret,
    by: By,
    /// Where the issuer does not say.
    lifetime: Option<Duration>,
    base: Option<BaseFrom>,
    pub(super) kept: Kept,
}

/// What is asked of a token issuer.
#[derive(Debug)]
pub(super) struct Grant<'a> {
    pub(super) client_id: &'a str,
    pub(super) client_secret: Option<&'a Secret>,
    pub(super) by: By,
    pub(super) scope: Option<&'a str>,
    pub(super) audience: Option<&'a str>,
    pub(super) authenticate: Authenticate,
    pub(super) lifetime: Option<Duration>,
    pub(super) base: Option<BaseFrom>,
}

/// Whose right a token is asked by.
#[derive(Debug)]
pub(super) enum By {
    /// Our own (RFC 6749 §4.4).
    Client,
    /// A user's, by password (§4.3).
    Password { user: String, password: Secret },
    /// A user's, by a token that was got before (§6). What the issuer gives in its place is used from then on.
    Refresh(Mutex<Secret>),
    /// By a signed assertion (RFC 7523).
    Assertion(Box<Assertion>),
}

/// What is signed.
pub(super) struct Assertion {
    pub(super) key: jsonwebtoken::EncodingKey,
    pub(super) algorithm: jsonwebtoken::Algorithm,
    pub(super) key_id: Option<String>,
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) audience: String,
    pub(super) scope: Option<String>,
}

/// How an answer names the address to call.
#[derive(Debug)]
pub(super) struct BaseFrom {
    pub(super) at: Steps,
    /// `host`, `host:port`, or `*.domain`: which may be named.
    pub(super) hosts: Box<[Box<str>]>,
    /// As the file's own address has it.
    pub(super) scheme: Box<str>,
    pub(super) tls: Option<TlsClient>,
    pub(super) local: Local,
    pub(super) keep: Keep,
    /// The one that was named last: connections belong to it, so it stays the same one.
    pub(super) last: Mutex<Option<(Url, Arc<Origin>)>>,
}

/// An issuer's answer (RFC 6749 §5.1).
#[derive(Deserialize)]
struct Granted<'a> {
    #[serde(borrow)]
    access_token: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    token_type: Option<std::borrow::Cow<'a, str>>,
    expires_in: Option<Seconds>,
    #[serde(borrow)]
    refresh_token: Option<std::borrow::Cow<'a, str>>,
}

/// Some issuers write the number as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(u64),
    Text(String),
}

/// RFC 7523 §3.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
}

impl Tokens {
    pub(super) fn new(origin: Arc<Origin>, target: Uri, grant: Grant<'_>) -> Option<Self> {
        let mut form = format!("grant_type={}", encoded(grant.by.grant_type()));
        let mut ask = Ask::new(Asked::Issuer, origin, Method::POST, target);
        let mut field = |name: &str, value: &str| {
            for part in ["&", name, "=", &encoded(value)] {
                form.push_str(part);
            }
        };
        match (grant.authenticate, grant.client_secret) {
            (Authenticate::Basic, Some(secret)) => {
                // RFC 6749 §2.3.1: form-encoded first, unlike any other basic sign-in.
                let (id, secret) = (encoded(grant.client_id), encoded(secret.expose()));
                ask.headers.insert(AUTHORIZATION, basic(&id, &secret)?);
            }
            (Authenticate::Body, Some(secret)) => {
                field("client_id", grant.client_id);
                field("client_secret", secret.expose());
            }
            // An assertion names its issuer itself.
            (_, None) if matches!(grant.by, By::Assertion(_)) => {}
            (_, None) => field("client_id", grant.client_id),
        }
        if let By::Password { user, password } = &grant.by {
            field("username", user);
            field("password", password.expose());
        }
        // An assertion says itself what it is for.
        let optional = match &grant.by {
            By::Assertion(_) => [("scope", None), ("audience", None)],
            By::Client | By::Password { .. } | By::Refresh(_) => {
                [("scope", grant.scope), ("audience", grant.audience)]
            }
        };
        for (name, value) in optional.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            field(name, value);
        }
        Some(Self {
            ask,
            form: Secret::new(form),
            by: grant.by,
            lifetime: grant.lifetime,
            base: grant.base,
            kept: Kept::default(),
        })
    }

    /// Whether it shows a refresh token.
    pub(super) fn is_by_refresh_token(&self) -> bool {
        matches!(self.by, By::Refresh(_))
    }

    pub(super) async fn fetch(&self, now: Now) -> Result<Got, SignInError> {
        let form = Form::Url(self.form(now)?);
        let answer = self.ask.send(None, Some(&form), |_, _| Ok(()), now).await?;
        self.read(answer.body(), now.mono)
    }

    fn form(&self, now: Now) -> Result<Secret, SignInError> {
        let (name, value) = match &self.by {
            By::Client | By::Password { .. } => return Ok(self.form.clone()),
            By::Refresh(token) => ("refresh_token", token.lock().clone()),
            By::Assertion(assertion) => ("assertion", assertion.sign(now)?),
        };
        Ok(Secret::new(format!("{}&{name}={}", self.form.expose(), encoded(value.expose()))))
    }

    fn read(&self, answer: &[u8], now: Instant) -> Result<Got, SignInError> {
        let granted: Granted<'_> =
            serde_json::from_slice(answer).map_err(|_| unusable("it is no token answer"))?;
        // Before anything else can fail: the old one may be spent already.
        if let (By::Refresh(held), Some(token)) = (&self.by, &granted.refresh_token)
            && is_token(token)
        {
            *held.lock() = Secret::new(token.clone().into_owned());
        }
        if granted.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err(unusable("the token is no bearer token"));
        }
        let token = &*granted.access_token;
        if !is_token(token) {
            return Err(unusable("the token is empty, too long or no header value"));
        }
        let life = match granted.expires_in {
            None => self.lifetime,
            Some(Seconds::Number(seconds)) => Some(Duration::from_secs(seconds)),
            Some(Seconds::Text(text)) => {
                let seconds = text.parse().map_err(|_| unusable("`expires_in` is no number"))?;
                Some(Duration::from_secs(seconds))
            }
        };
        let value = sensitive(&format!("Bearer {token}")).ok_or_else(|| unusable("it is no header value"))?;
        let mut shown = Shown::field(AUTHORIZATION, value);
        if let Some(base) = &self.base {
            let document: Value =
                serde_json::from_slice(answer).map_err(|_| unusable("it is no token answer"))?;
            shown.origin = Some(base.origin(&document)?);
        }
        Ok(Got::new(shown, life, now))
    }
}

impl By {
    fn grant_type(&self) -> &'static str {
        match self {
            Self::Client => "client_credentials",
            Self::Password { .. } => "password",
            Self::Refresh(_) => "refresh_token",
            Self::Assertion(_) => "urn:ietf:params:oauth:grant-type:jwt-bearer",
        }
    }
}

impl Assertion {
    fn sign(&self, now: Now) -> Result<Secret, SignInError> {
        let at = now.wall.as_second();
        let claims = Claims {
            iss: &self.issuer,
            sub: &self.subject,
            aud: &self.audience,
            iat: at,
            exp: at.saturating_add(ASSERTION_SECONDS),
            scope: self.scope.as_deref(),
        };
        let mut header = jsonwebtoken::Header::new(self.algorithm);
        header.kid.clone_from(&self.key_id);
        jsonwebtoken::encode(&header, &claims, &self.key)
            .map(Secret::new)
            .map_err(|_| unusable("no assertion could be signed"))
    }
}

impl BaseFrom {
    /// The address that the answer names, if it may.
    fn origin(&self, answer: &Value) -> Result<Arc<Origin>, SignInError> {
        let text = self.at.text(answer).ok_or_else(|| unusable("it names no address"))?;
        let url = Url::parse(&text).map_err(|_| unusable("the address that it names is none"))?;
        let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if url.scheme() != &*self.scheme || !is_bare || !self.permits(&url) {
            return Err(unusable("it names an address that `base_from.hosts` does not list"));
        }
        let mut last = self.last.lock();
        if let Some((_, origin)) = last.as_ref().filter(|(known, _)| *known == url) {
            return Ok(origin.clone());
        }
        let origin = Origin::new(&url, self.tls.as_ref(), None, self.local.clone(), self.keep)
            .map_err(|_| unusable("the address that it names cannot be called"))?;
        let origin = Arc::new(origin);
        *last = Some((url, origin.clone()));
        Ok(origin)
    }

    fn permits(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let with_port = url.port().map(|port| format!("{host}:{port}"));
        let named = with_port.as_deref().unwrap_or(host);
        self.hosts.iter().any(|listed| match listed.strip_prefix("*.") {
            Some(domain) => named
                .strip_suffix(domain)
                .and_then(|rest| rest.strip_suffix('.'))
                .is_some_and(|label| !label.is_empty()),
            None => named == &**listed,
        })
    }
}

fn unusable(why: &'static str) -> SignInError {
    SignInError::unusable(Asked::Issuer, why)
}

fn is_token(token: &str) -> bool {
    !token.is_empty() && token.len() <= TOKEN_BYTES_MAX && token.bytes().all(|byte| byte.is_ascii_graphic())
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.ask.origin.peer())
    }
}

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Assertion({:?})", self.algorithm)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;
    use http::HeaderValue;

    use super::{super::shown::Field, *};
    use crate::{
        clock,
        wire::{
            Deadline,
            tests::rig::{Peer, read_request},
        },
    };

    fn grant(secret: &Secret) -> Grant<'_> {
        Grant {
            client_id: "gate",
            client_secret: Some(secret),
            by: By::Client,
            scope: None,
            audience: None,
            authenticate: Authenticate::Basic,
            lifetime: None,
            base: None,
        }
    }

    fn tokens(grant: Grant<'_>) -> Tokens {
        let url = Url::parse("http://issuer").unwrap();
        let origin = Origin::new(&url, None, None, Local::default(), Keep::default()).unwrap();
        Tokens::new(Arc::new(origin), Uri::from_static("/token"), grant).unwrap()
    }

    fn read(answer: &str) -> Result<Got, SignInError> {
        tokens(grant(&Secret::new("secret".into()))).read(answer.as_bytes(), clock::mono())
    }

    fn field(shown: &Shown) -> &str {
        let Field::Fixed(value) = &shown.fields[0].1 else { panic!() };
        value.to_str().unwrap()
    }

    fn told(answer: &str) -> String {
        match read(answer) {
            Ok(got) => field(got.shown()).to_owned(),
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
        for (answer, ahead) in [
            (r#"{"access_token":"abc","expires_in":100}"#, 10),
            (r#"{"access_token":"abc","expires_in":3600}"#, 60),
            (r#"{"access_token":"abc"}"#, 60),
        ] {
            let (renew_at, expires_at) = read(answer).unwrap().clocks();
            assert_eq!(expires_at - renew_at, Duration::from_secs(ahead), "{answer}");
        }
    }

    #[tokio::test]
    async fn an_issuer_that_hangs_keeps_nobody_waiting_who_holds_a_good_token() {
        let issuer =
            Peer::new(|mut stream, _| async move { while read_request(&mut stream).await.is_some() {} })
                .await;
        let secret = Secret::new("secret".into());
        let tokens = Tokens::new(issuer.origin(), Uri::from_static("/token"), grant(&secret)).unwrap();
        let now = clock::now();
        let old = HeaderValue::from_static("Bearer old");
        let soon_over = now.mono - Duration::from_secs(58);
        tokens.kept.hold(Got::new(
            Shown::field(AUTHORIZATION, old),
            Some(Duration::from_secs(60)),
            soon_over,
        ));
        let get = |millis| {
            let deadline = Deadline::after(now, Duration::from_millis(millis));
            tokens.kept.get(0, deadline, now, |now| tokens.fetch(now))
        };
        let mut asking = pin!(get(200));
        assert!(asking.as_mut().now_or_never().is_none(), "one asks for a new one");
        for _ in 0..3 {
            let got = get(8000).now_or_never().expect("the others do not wait").unwrap();
            assert_eq!(field(&got.0), "Bearer old");
        }
        assert_eq!(
            field(&asking.await.unwrap().0),
            "Bearer old",
            "and goes on with the old one when its time is up"
        );
    }

    #[test]
    fn only_a_listed_host_is_called_instead() {
        let mut by_host = grant_with_base(&["*.my.example", "login.example:8443"]);
        by_host.scheme = "https".into();
        for (named, permitted) in [
            ("https://eu1.my.example", true),
            ("https://a.b.my.example/", true),
            ("https://login.example:8443", true),
            ("https://my.example", false),
            ("https://.my.example", false),
            ("https://evilmy.example", false),
            ("https://my.example.evil", false),
            ("https://eu1.my.example:444", false),
            ("https://login.example", false),
            ("http://eu1.my.example", false),
            ("https://eu1.my.example/path", false),
            ("https://eu1.my.example/?x", false),
            ("https://evil/@eu1.my.example", false),
            ("https://eu1.my.example@evil", false),
            ("eu1.my.example", false),
        ] {
            let told = by_host.origin(&serde_json::json!({ "instance_url": named }));
            // There is no TLS here: a listed one gets as far as that.
            let got_far = told.is_err_and(|why| why.to_string().contains("cannot be called"));
            assert_eq!(got_far, permitted, "{named}");
        }
    }

    #[test]
    fn the_same_address_stays_the_same_origin() {
        let base = grant_with_base(&["a.example", "b.example"]);
        let named = |host: &str| base.origin(&serde_json::json!({ "instance_url": host })).unwrap();
        let first = named("http://a.example");
        assert!(Arc::ptr_eq(&first, &named("http://a.example/")));
        assert!(!Arc::ptr_eq(&first, &named("http://b.example")));
    }

    fn grant_with_base(hosts: &[&str]) -> BaseFrom {
        BaseFrom {
            at: Steps::parse("instance_url").unwrap(),
            hosts: hosts.iter().map(|host| Box::from(*host)).collect(),
            scheme: "http".into(),
            tls: None,
            local: Local::default(),
            keep: Keep::default(),
            last: Mutex::default(),
        }
    }

    #[test]
    fn a_refresh_token_that_was_replaced_is_shown_from_then_on() {
        let by = By::Refresh(Mutex::new(Secret::new("r1".into())));
        let tokens = tokens(Grant { by, client_secret: None, ..grant(&Secret::new(String::new())) });
        let shown = || tokens.form(clock::now()).unwrap().expose().to_owned();
        assert_eq!(shown(), "grant_type=refresh_token&client_id=gate&refresh_token=r1");
        tokens.read(br#"{"access_token":"abc","refresh_token":"r2"}"#, clock::mono()).map(|_| ()).unwrap();
        assert!(shown().ends_with("&refresh_token=r2"));
        tokens.read(br#"{"access_token":"","refresh_token":"r3"}"#, clock::mono()).map(|_| ()).unwrap_err();
        assert!(shown().ends_with("&refresh_token=r3"), "the old one may be spent, whatever else is wrong");
        tokens.read(br#"{"access_token":"abc"}"#, clock::mono()).map(|_| ()).unwrap();
        assert!(shown().ends_with("&refresh_token=r3"));
        assert!(!format!("{tokens:?}").contains("r3"));
    }
}
