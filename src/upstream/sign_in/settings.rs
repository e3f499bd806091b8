//! What a system's file says about signing in, as it is written.

use std::{path::PathBuf, time::Duration};

use serde_json::{Value as Json, json};

use crate::{
    words::{
        Diagnostic, Diagnostics, Period, Place,
        tree::{Node, Value},
        yaml::{FromYaml, Keys, Named, Spanned, expected},
    },
    yaml_object, yaml_words,
};

yaml_object! {
    /// A user and a password.
    pub struct Basic {
        /// The user.
        pub user: Spanned<String>;
        /// The password: a secret, as in `${env:ERP_PASSWORD}`.
        pub password: Spanned<String>;
    }

    /// A key in a header field of its own.
    pub struct HeaderKey {
        /// The field's name.
        pub name: Spanned<String>;
        /// The key: a secret, as in `${env:SHOP_KEY}`; or a text made of names and functions, as in `Key {user}:base64({key})`.
        pub value: Spanned<String>;
    }

    /// A key in the query.
    pub struct QueryKey {
        /// The parameter's name.
        pub name: Spanned<String>;
        /// The key, as in `headers`.
        pub value: Spanned<String>;
    }

    /// A key in a JSON body.
    pub struct BodyKey {
        /// The path of the field, keys alone.
        pub at: Spanned<String>;
        /// The key, as in `headers`. `{$now_ms}` alone is written as a number.
        pub value: Spanned<String>;
    }

    /// A token of an issuer (RFC 6749).
    pub struct OAuth2 {
        /// Where tokens are given out.
        pub token_url: Spanned<String>;
        /// Our id there.
        pub client_id: Spanned<String>;
        /// Our secret there, as in `${env:BC_SECRET}`. Needed for `client_credentials`.
        pub client_secret: Option<Spanned<String>> = None;
        /// By whose right: `client_credentials`, `password`, `refresh_token` or `jwt_bearer`. Default `client_credentials`.
        pub grant: GrantType = GrantType::ClientCredentials;
        /// With `password`: the user and the password.
        pub user: Option<Basic> = None;
        /// With `refresh_token`: the token, a secret. One that the issuer gives in its place is used until the gate ends, and then lost.
        pub refresh_token: Option<Spanned<String>> = None;
        /// With `jwt_bearer`: what is signed.
        pub assertion: Option<SignedClaims> = None;
        /// What is asked for.
        pub scope: Option<String> = None;
        /// For whom, where the issuer wants to know.
        pub audience: Option<String> = None;
        /// How the secret is shown: in the `body` or by `basic`. Default `basic`, which every issuer must take.
        pub authenticate: Authenticate = Authenticate::Basic;
        /// PEM of the CAs to trust for the token address instead of the platform's.
        pub ca: Option<Spanned<PathBuf>> = None;
        /// How long a token lasts whose issuer does not say. Default 1h.
        pub lifetime: Option<Period> = None;
        /// Where the issuer's answer names the address to call.
        pub base_from: Option<BaseAddress> = None;
    }

    /// What an assertion says (RFC 7523), besides `client_id` as its issuer and `scope`.
    pub struct SignedClaims {
        /// PEM of an RSA or P-256 key, PKCS#8: a secret, as in `${file:/run/secrets/crm.pem}`.
        pub key: Spanned<String>;
        /// The key's name at the issuer.
        pub key_id: Option<String> = None;
        /// For whom the token shall be. Default `client_id`.
        pub subject: Option<String> = None;
        /// To whom it is addressed. Default `audience`, or else `token_url`.
        pub audience: Option<String> = None;
    }

    /// The address that comes with a token. The path of `base` stays before all others.
    pub struct BaseAddress {
        /// Its path in the answer.
        pub at: Spanned<String>;
        /// Which hosts may be named: `host`, `host:port` or `*.domain`. Another one is refused.
        pub hosts: Vec<Spanned<String>>;
    }

    /// A request before a login.
    pub struct LoginStep {
        /// Its path under `base`, asked by POST; `{name}` is what was taken before.
        pub post: Option<Spanned<String>> = None;
        /// The same, asked by GET.
        pub get: Option<Spanned<String>> = None;
        /// Of `delivers`: the name of a link that was taken before, followed to an origin of `detached` and without any sign-in.
        pub link: Option<Spanned<String>> = None;
        /// Its JSON body, whose texts may be made of names, as in `base64({token})`.
        pub json: Option<Node> = None;
        /// Fields that go along with this request.
        pub headers: Several<HeaderKey> = Several(Vec::new());
        /// Texts of the answer by a name of ours: a path in its JSON, `{ header: NAME }`, or `{ body: true }`.
        pub take: Named<TakeFrom> = Named::default();
        /// Asked again until the answer says so.
        pub until: Option<LoginUntil> = None;
        /// Of `delivers`, behind the step that carries the record: what it takes may be had or not.
        pub optional: Option<Spanned<bool>> = None;
    }

    /// How new records reach a system that takes none by one request.
    pub struct Delivers {
        /// The path under `base` that a mapping's `create` posts them to.
        pub post: Spanned<String>;
        /// Names for texts of the steps.
        pub values: Named<Spanned<String>> = Named::default();
        /// What is sent instead, one after the other. `{$body}` is the record, `{$key}` and `{$iv}` are 32 and 16 fresh bytes in hexadecimal.
        pub steps: Vec<LoginStep>;
        /// Fields of the answer, made of what was taken. One that needs what an optional step did not give is left out.
        pub answer: Several<HeaderKey> = Several(Vec::new());
        /// Whether the answer holds the record as it was sent.
        pub echo: bool = false;
    }

    /// When an answer is the one that was waited for.
    pub struct LoginUntil {
        /// A path in its JSON.
        pub at: Spanned<String>;
        /// What stands there then.
        pub equals: String;
        /// What stands there until then, one or a list. Anything else is a refusal.
        pub pending: Several<String>;
        /// Of `delivers`: what stands there otherwise, each with the status that the refusal is told as. Default 422.
        pub otherwise: Named<Spanned<u16>> = Named::default();
        /// The pause between two. Default 1s.
        pub every: Option<Period> = None;
        /// How many times it is asked at most. Default 30.
        pub most: Option<u32> = None;
    }

    /// A login, and what of its answer goes along with every request.
    pub struct SessionLogin {
        /// Requests before it, one after the other.
        pub before: Vec<LoginStep> = Vec::new();
        /// Fields that go along with the login itself, made of what was taken before it.
        pub with: Several<HeaderKey> = Several(Vec::new());
        /// The path of the login under `base`, asked by POST.
        pub post: Option<Spanned<String>> = None;
        /// The same, asked by GET.
        pub get: Option<Spanned<String>> = None;
        /// The login's JSON body. Secrets stand in it as `${env:NAME}` or `${file:/path}`.
        pub json: Option<Node> = None;
        /// Or its form.
        pub form: Option<Named<Spanned<String>>> = None;
        /// Or a user and a password in its head.
        pub basic: Option<Basic> = None;
        /// Cookies of the answer that go along, by name.
        pub cookies: Vec<Spanned<String>> = Vec::new();
        /// Texts of the answer by a name of ours: a path in its JSON, or `{ header: NAME }`.
        pub take: Named<TakeFrom> = Named::default();
        /// Fields that go along, made of what was taken: `{ name: Authorization, value: "Session {token}" }`.
        pub headers: Several<HeaderKey> = Several(Vec::new());
        /// How long it lasts: a period, or `{ at, unit }` of the answer. Default 1h; a refusal renews it sooner.
        pub lifetime: SessionLifetime = SessionLifetime::Untold;
    }

    /// A token against forged requests, for methods that change something.
    pub struct CsrfFetch {
        /// The path under `base` that gives it to a GET.
        pub get: Spanned<String>;
        /// The field it is asked for and sent back in. Default `X-CSRF-Token`.
        pub header: Option<Spanned<String>> = None;
    }

    /// An answer that says, besides 401, that what was fetched is spent.
    pub struct ExpiredAnswer {
        /// The status. Default any.
        pub status: Option<Spanned<u16>> = None;
        /// A path in its JSON body. Not looked at where a call is passed through.
        pub at: Option<Spanned<String>> = None;
        /// Or a field of its head.
        pub header: Option<Spanned<String>> = None;
        /// What stands there.
        pub equals: Option<String> = None;
    }
}

yaml_object! {
    /// For which calls a sign-in is. All that is there must fit.
    pub struct Terms {
        /// Whether a call only looks (`reading`) or may change something (`changing`). What is read for a change is reading; of calls that are passed through, safe methods are. Default both.
        pub calls: Option<CallKind> = None;
        /// The entities that a call may be about. A call that is passed through is about none. Default any.
        pub entities: Vec<Spanned<String>> = Vec::new();
        /// Groups of which the caller must be in one. Default any caller.
        pub groups: Vec<Spanned<String>> = Vec::new();
    }
}

yaml_words! {
    /// What a call does to a system.
    pub enum CallKind {
        /// It only looks.
        Reading = "reading",
        /// It may change something.
        Changing = "changing",
    }

    /// How a client secret is shown to a token issuer.
    pub enum Authenticate {
        /// In the `Authorization` field.
        Basic = "basic",
        /// In the form.
        Body = "body",
    }

    /// By whose right a token is asked for.
    pub enum GrantType {
        /// Our own (RFC 6749 §4.4).
        ClientCredentials = "client_credentials",
        /// A user's, by password (§4.3).
        Password = "password",
        /// A user's, by a token that was got before (§6).
        RefreshToken = "refresh_token",
        /// By a signed assertion (RFC 7523).
        JwtBearer = "jwt_bearer",
    }

    /// What a number counts.
    pub enum TimeUnit {
        /// Milliseconds.
        Milliseconds = "milliseconds",
        /// Seconds.
        Seconds = "seconds",
        /// Minutes.
        Minutes = "minutes",
    }
}

impl TimeUnit {
    /// So many of it.
    pub(super) fn of(self, count: u32) -> Duration {
        match self {
            Self::Milliseconds => Duration::from_millis(count.into()),
            Self::Seconds => Duration::from_secs(count.into()),
            Self::Minutes => Duration::from_secs(u64::from(count).saturating_mul(60)),
        }
    }
}

/// How the gate signs in.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// The way, of which there is one.
    pub way: Way,
    /// What goes along with every request, besides.
    pub headers: Vec<HeaderKey>,
    /// Parameters, likewise.
    pub query: Vec<QueryKey>,
    /// Fields of a body, likewise.
    pub body: Vec<BodyKey>,
    /// What texts may name: secrets, or texts as they are.
    pub values: Named<Spanned<String>>,
    /// A token against forged requests.
    pub csrf: Option<CsrfFetch>,
    /// What says that the sign-in is spent.
    pub expired: Vec<ExpiredAnswer>,
    /// Where all this stands.
    pub place: Place,
}

/// One sign-in, or several of which the first that is for a call is taken; the last is for all.
#[derive(Clone, Debug)]
pub struct SignIns {
    /// Those that are for some calls.
    pub some: Vec<(Terms, SignIn)>,
    /// The one for all others.
    pub all: SignIn,
}

/// The way to sign in.
#[derive(Clone, Debug)]
pub enum Way {
    /// None, or by what goes along alone.
    None,
    /// A bearer token, as a secret.
    Bearer(Spanned<String>),
    /// A user and a password.
    Basic(Basic),
    /// A token that is fetched.
    OAuth2(Box<OAuth2>),
    /// A session.
    Session(Box<SessionLogin>),
}

/// One or a list.
#[derive(Clone, Debug)]
pub struct Several<T>(pub Vec<T>);

/// Where something stands in a login's answer.
#[derive(Clone, Debug)]
pub enum TakeFrom {
    /// At a path of its JSON.
    At(Spanned<String>),
    /// In a field of its head.
    Header(Spanned<String>),
    /// All of its body, a text.
    Body,
}

/// How long a session lasts.
#[derive(Clone, Debug)]
pub enum SessionLifetime {
    /// Nobody says.
    Untold,
    /// So long.
    Fixed(Period),
    /// As the answer says at this path.
    Told(Spanned<String>, TimeUnit),
}

impl<T: FromYaml> FromYaml for Several<T> {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        match node.value {
            Value::List(_) => Vec::read(node, found).map(Self),
            Value::Map(_) | Value::Scalar(_) | Value::Null => T::read(node, found).map(|one| Self(vec![one])),
        }
    }

    fn schema() -> Json {
        json!({ "oneOf": [T::schema(), { "type": "array", "items": T::schema() }] })
    }
}

impl FromYaml for TakeFrom {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        if node.as_map().is_none() {
            return Spanned::read(node, found).map(Self::At);
        }
        let mut keys = Keys::of(node, found)?;
        if let Some(node) = keys.take("body") {
            keys.finish(found);
            let is_whole = bool::read(node, found)?;
            if !is_whole {
                expected(node, "`body: true`, a path, or `{ header: NAME }`", found);
            }
            return is_whole.then_some(Self::Body);
        }
        let header = keys.required("header", found);
        keys.finish(found);
        header.map(Self::Header)
    }

    fn schema() -> Json {
        json!({ "oneOf": [
            { "type": "string", "examples": ["result[0].token"] },
            { "type": "object", "additionalProperties": false, "required": ["header"],
              "properties": { "header": { "type": "string" } } },
            { "type": "object", "additionalProperties": false, "required": ["body"],
              "properties": { "body": { "const": true } } },
        ] })
    }
}

impl FromYaml for SessionLifetime {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        if node.as_map().is_none() {
            return Period::read(node, found).map(Self::Fixed);
        }
        let mut keys = Keys::of(node, found)?;
        let (at, unit) = (keys.required("at", found), keys.required("unit", found));
        keys.finish(found);
        Some(Self::Told(at?, unit?))
    }

    fn schema() -> Json {
        json!({ "oneOf": [
            Period::schema(),
            { "type": "object", "additionalProperties": false, "required": ["at", "unit"],
              "properties": { "at": { "type": "string" }, "unit": TimeUnit::schema() } },
        ] })
    }
}

const WAYS: [&str; 4] = ["bearer", "basic", "oauth2", "session"];
const BESIDES: [&str; 7] = ["header", "headers", "query", "body", "values", "csrf", "expired"];
const EXPECTED: &str =
    "`none`, one of `bearer`, `basic`, `oauth2`, `session`, or what goes along: `header`, `query`, `body`";

impl SignIn {
    fn none(place: &Place) -> Self {
        Self {
            way: Way::None,
            headers: Vec::new(),
            query: Vec::new(),
            body: Vec::new(),
            values: Named::default(),
            csrf: None,
            expired: Vec::new(),
            place: place.clone(),
        }
    }

    /// Reads what stands under a key that is no way; whether it was one at all.
    fn beside(&mut self, key: &str, node: &Node, found: &mut Diagnostics) -> Option<bool> {
        match key {
            "header" | "headers" => self.headers.extend(Several::read(node, found)?.0),
            "query" => self.query = Several::read(node, found)?.0,
            "body" => self.body = Several::read(node, found)?.0,
            "values" => self.values = Named::read(node, found)?,
            "csrf" => self.csrf = Some(CsrfFetch::read(node, found)?),
            "expired" => self.expired = Several::read(node, found)?.0,
            _ => return Some(false),
        }
        Some(true)
    }
}

/// LIMIT: sign-ins of one system.
const SIGN_INS_MAX: usize = 16;

impl FromYaml for SignIns {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let Some(items) = node.as_list() else {
            return SignIn::read(node, found).map(|all| Self { some: Vec::new(), all });
        };
        let (Some((last, first)), true) = (items.split_last(), items.len() <= SIGN_INS_MAX) else {
            expected(node, "up to 16 sign-ins, of which the last is for all", found);
            return None;
        };
        let some: Vec<_> = first.iter().map(|item| for_some(item, found)).collect();
        if let Some((key, _)) = last.as_map().and_then(|pairs| pairs.iter().find(|(key, _)| key.text == FOR))
        {
            found
                .error(&key.place, "the last sign-in is for all calls that no other is for: it has no `for`");
            return None;
        }
        let all = SignIn::read(last, found);
        Some(Self { some: some.into_iter().collect::<Option<_>>()?, all: all? })
    }

    fn schema() -> Json {
        let mut some = SignIn::schema();
        if let Some(object) = some.pointer_mut("/oneOf/1/properties").and_then(Json::as_object_mut) {
            object.insert(FOR.into(), Terms::schema());
        }
        json!({ "oneOf": [
            SignIn::schema(),
            { "type": "array", "minItems": 1, "maxItems": SIGN_INS_MAX, "items": some },
        ] })
    }
}

const FOR: &str = "for";

/// A sign-in with its terms.
fn for_some(item: &Node, found: &mut Diagnostics) -> Option<(Terms, SignIn)> {
    let pairs = item.as_map().unwrap_or_default();
    let Some((key, terms)) = pairs.iter().find(|(key, _)| key.text == FOR) else {
        let told =
            "a sign-in that is not the last says which calls it is for, as in `for: { calls: reading }`";
        found.error(&item.place, told);
        return None;
    };
    let rest: Vec<_> = pairs.iter().filter(|(key, _)| key.text != FOR).cloned().collect();
    let sign_in = SignIn::read(&Node { value: Value::Map(rest), place: item.place.clone() }, found);
    let terms = Terms::read(terms, found)?;
    if terms.calls.is_none() && terms.entities.is_empty() && terms.groups.is_empty() {
        found.error(
            &key.place,
            "`for` says one of `calls`, `entities`, `groups`; what is for all stands last",
        );
        return None;
    }
    Some((terms, sign_in?))
}

impl FromYaml for SignIn {
    fn read(node: &Node, found: &mut Diagnostics) -> Option<Self> {
        let mut this = Self::none(&node.place);
        if node.as_text() == Some("none") {
            return Some(this);
        }
        let pairs = node.as_map().unwrap_or_default();
        if pairs.is_empty() {
            expected(node, EXPECTED, found);
            return None;
        }
        let (mut ways, mut is_whole) = (0, true);
        for (key, node) in pairs {
            let way = match key.text.as_str() {
                "bearer" => Spanned::read(node, found).map(Way::Bearer),
                "basic" => Basic::read(node, found).map(Way::Basic),
                "oauth2" => OAuth2::read(node, found).map(|way| Way::OAuth2(Box::new(way))),
                "session" => SessionLogin::read(node, found).map(|way| Way::Session(Box::new(way))),
                other => {
                    let read = this.beside(other, node, found);
                    if read == Some(false) {
                        let told = Diagnostic::error(&key.place, format!("`{other}` is no way to sign in"));
                        found.push(told.suggest(other, WAYS.into_iter().chain(BESIDES)));
                    }
                    is_whole &= read == Some(true);
                    continue;
                }
            };
            ways += 1;
            if ways > 1 {
                found.error(&key.place, "there is one way to sign in; what goes along besides stands in `headers`, `query` or `body`");
            }
            match way {
                Some(way) => this.way = way,
                None => is_whole = false,
            }
        }
        if ways == 0 && is_whole && this.headers.is_empty() && this.query.is_empty() && this.body.is_empty() {
            expected(node, EXPECTED, found);
            return None;
        }
        (is_whole && ways <= 1).then_some(this)
    }

    fn schema() -> Json {
        json!({ "oneOf": [
            { "const": "none" },
            { "type": "object", "additionalProperties": false, "minProperties": 1, "properties": {
                "bearer": String::schema(),
                "basic": Basic::schema(),
                "oauth2": OAuth2::schema(),
                "session": SessionLogin::schema(),
                "header": HeaderKey::schema(),
                "headers": Several::<HeaderKey>::schema(),
                "query": Several::<QueryKey>::schema(),
                "body": Several::<BodyKey>::schema(),
                "values": Named::<Spanned<String>>::schema(),
                "csrf": CsrfFetch::schema(),
                "expired": Several::<ExpiredAnswer>::schema(),
            } },
        ] })
    }
}
