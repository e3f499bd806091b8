//! From what a file says of signing in to a sign-in that works. Everything wrong with it is told at once.

use std::sync::Arc;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri,
    header::{AUTHORIZATION, COOKIE},
};
use url::Url;

use super::{
    Fetched, SignIns, SignedIn,
    ask::{Ask, Form, basic},
    choice::Terms,
    csrf::Csrf,
    expired::{Expired, Test},
    json::{Steps, quoted},
    kept::Kept,
    recipe::{Names, Recipe},
    session::{Lifetime, Session, Take},
    settings::{
        Basic, ExpiredAnswer, HeaderKey, SessionLifetime, SessionLogin, SignIn, SignIns as SignInSettings,
        Way,
    },
    shown::{Field, Shown, encoded, sensitive},
};
use crate::{
    upstream::{Asked, Settings, configure::Build},
    wire::{Origin, TlsClient},
    words::{
        Place, Secret,
        tree::{Node, Value},
        yaml::{Named, Spanned},
    },
};

mod before;

const NO_FIELD: &str = "this cannot stand in a header field";

/// The system's own address, as far as it is known.
#[derive(Clone, Copy)]
pub(in crate::upstream) struct Home<'a> {
    /// The first of its addresses.
    pub(in crate::upstream) url: Option<&'a Url>,
    /// None where it needs none, or where that failed and was told.
    pub(in crate::upstream) tls: Option<&'a TlsClient>,
}

impl Build<'_, '_> {
    /// Every sign-in of a system.
    pub(in crate::upstream) fn sign_ins(&mut self, settings: &Settings, home: Home<'_>) -> Option<SignIns> {
        let SignInSettings { some, all } = &settings.sign_in;
        let text = |names: &[Spanned<String>]| names.iter().map(|name| name.value.clone()).collect();
        let some: Vec<_> = some
            .iter()
            .map(|(terms, sign_in)| {
                let (entities, groups) = (text(&terms.entities), text(&terms.groups));
                let signed_in = self.signed_in(settings, sign_in, home)?;
                Some((Terms { calls: terms.calls, entities, groups }, signed_in))
            })
            .collect();
        let all = self.signed_in(settings, all, home);
        Some(SignIns::new(some.into_iter().collect::<Option<_>>()?, all?))
    }

    fn signed_in(&mut self, settings: &Settings, sign_in: &SignIn, home: Home<'_>) -> Option<SignedIn> {
        let values = self.values(&sign_in.values)?;
        let always = self.always(sign_in, &values);
        let fetched = match &sign_in.way {
            Way::None | Way::Bearer(_) | Way::Basic(_) => Some(None),
            Way::OAuth2(oauth2) => self.tokens(settings, oauth2, home).map(Some),
            Way::Session(login) => self.session(settings, (login, &sign_in.place), &values, home).map(Some),
        };
        let csrf = match &sign_in.csrf {
            None => Some(None),
            Some(fetch) => {
                let header = match &fetch.header {
                    Some(name) => self.field(name),
                    None => Some(HeaderName::from_static("x-csrf-token")),
                };
                let ask = self.ask(settings, Asked::Csrf, Method::GET, &fetch.get, home);
                ask.and_then(|ask| Some(Some(Box::new(Csrf::new(ask, header?)))))
            }
        };
        let expired: Vec<_> = sign_in.expired.iter().map(|one| self.expired(one, &sign_in.place)).collect();
        if !expired.is_empty() && !matches!(sign_in.way, Way::OAuth2(_) | Way::Session(_)) {
            self.found.error(&sign_in.place, "only what is fetched can expire: `oauth2` or `session`");
            return None;
        }
        let expired = expired.into_iter().collect::<Option<_>>()?;
        let (always, fetched, csrf) = (always?, fetched?, csrf?);
        let (struck, kept_back) = fields(&always, fetched.as_ref(), csrf.as_deref());
        let always = (!always.is_empty()).then(|| Arc::new(always));
        Some(SignedIn { always, fetched, csrf, expired, struck, kept_back })
    }

    /// What is the same for every request.
    fn always(&mut self, sign_in: &SignIn, values: &[(String, Secret)]) -> Option<Shown> {
        let mut shown = Shown::default();
        let first = match &sign_in.way {
            Way::None | Way::OAuth2(_) | Way::Session(_) => Some(None),
            Way::Bearer(token) => {
                let secret = self.secret(token)?;
                let value = sensitive(&format!("Bearer {}", secret.expose()));
                self.told(value, token, NO_FIELD).map(Some)
            }
            Way::Basic(basic) => self.basic(basic).map(Some),
        };
        let names = Names { values, taken: &[], request: true };
        let fields = self.recipes(&sign_in.headers, &names);
        let names = Names { request: false, ..names };
        let query: Vec<_> = sign_in
            .query
            .iter()
            .map(|key| Some((Box::from(key.name.value.as_str()), self.recipe(&key.value, &names)?)))
            .collect();
        let body: Vec<_> = sign_in
            .body
            .iter()
            .map(|key| {
                let at = self.path(&key.at).filter(|at| {
                    if !at.is_of_keys() {
                        self.found.error(&key.at.place, "a field is put in by keys alone, not into a list");
                    }
                    at.is_of_keys()
                });
                let recipe = self.recipe(&key.value, &names);
                Some((at?, recipe?))
            })
            .collect();
        if let Some(value) = first? {
            shown.fields.push((AUTHORIZATION, Field::Fixed(value)));
        }
        for ((name, recipe), key) in fields?.into_iter().zip(&sign_in.headers) {
            let field = Field::of(recipe);
            shown.fields.push((name, self.told(field, &key.value, NO_FIELD)?));
        }
        shown.query = query.into_iter().collect::<Option<_>>()?;
        shown.body = body.into_iter().collect::<Option<_>>()?;
        Some(shown)
    }

    fn session(
        &mut self,
        settings: &Settings,
        (login, place): (&SessionLogin, &Place),
        values: &[(String, Secret)],
        home: Home<'_>,
    ) -> Option<Fetched> {
        let (method, path) = match (&login.post, &login.get) {
            (Some(path), None) => (Method::POST, path),
            (None, Some(path)) => (Method::GET, path),
            (Some(_), Some(_)) | (None, None) => {
                self.found.error(place, "a session needs one of `post` and `get`: the path of the login");
                return None;
            }
        };
        if login.cookies.is_empty() && login.headers.0.is_empty() {
            self.found.error(
                place,
                "say what of the login's answer goes along: `cookies`, or `take` and `headers` made of it",
            );
            return None;
        }
        let form = self.login_body(login)?;
        let (before, mut taken) = self.before(settings, (&login.before, place), values, home)?;
        let with = self.recipes(&login.with.0, &Names { values, taken: &taken, request: false });
        let take = self.takes(&login.take);
        self.names_taken(&login.take, &mut taken);
        let fields = self.recipes(&login.headers.0, &Names { values, taken: &taken, request: false });
        let lifetime = match &login.lifetime {
            SessionLifetime::Untold => Lifetime::Untold,
            SessionLifetime::Fixed(period) => Lifetime::Fixed(period.0),
            SessionLifetime::Told(at, unit) => Lifetime::Told(self.path(at)?, *unit),
        };
        let mut ask = self.ask(settings, Asked::Login, method, path, home)?;
        if let Some(basic) = &login.basic {
            ask.headers.insert(AUTHORIZATION, self.basic(basic)?);
        }
        Some(Fetched::Session(Box::new(Session {
            ask,
            form,
            cookies: login.cookies.iter().map(|name| name.value.as_str().into()).collect(),
            before,
            with: with?.into(),
            take: take?,
            fields: fields?.into(),
            lifetime,
            refusals: self.refusals(),
            kept: Kept::of(Asked::Login),
        })))
    }

    /// What a login sends; within, whether it sends anything.
    fn login_body(&mut self, login: &SessionLogin) -> Option<Option<Form>> {
        Some(match (&login.json, &login.form) {
            (Some(json), None) => {
                let mut text = zeroize::Zeroizing::new(String::new());
                self.json(json, None, &mut text)?;
                Some(Form::Json(Secret::new(std::mem::take(&mut *text))))
            }
            (None, Some(form)) => Some(Form::Url(self.form(form)?)),
            (None, None) => None,
            (Some(json), Some(_)) => {
                self.found.error(&json.place, "a login has one body: `json` or `form`");
                return None;
            }
        })
    }

    /// A request of our own to the system itself.
    fn ask(
        &mut self,
        settings: &Settings,
        asked: Asked,
        method: Method,
        path: &Spanned<String>,
        home: Home<'_>,
    ) -> Option<Ask> {
        if settings.base.0.len() > 1 {
            let told =
                "`session` and `csrf` go with one address: `base` names several, which may not share them";
            self.found.error(&path.place, told);
            return None;
        }
        let url = home.url?;
        let text = path.value.as_str();
        let is_bad = |text: &str| {
            text.bytes().any(|byte| byte == b'#' || byte == b'\\' || !byte.is_ascii_graphic())
                || text.split(['/', '?']).any(|part| part == ".." || part == ".")
        };
        let whole = format!("{}{text}", url.path().trim_end_matches('/'));
        let target = (text.starts_with('/') && !is_bad(text)).then(|| Uri::try_from(whole).ok()).flatten();
        let target = self.told(target, path, "expected a path under `base`, as in `/Login`")?;
        let server_name = settings.tls.server_name.as_ref().map(|name| name.value.as_str());
        let origin = Origin::new(url, home.tls, server_name, self.local(settings), self.keep(settings));
        // What is wrong with the address is told of the address.
        let mut ask = Ask::new(asked, Arc::new(origin.ok()?), method, target);
        let mut own = HeaderMap::new();
        for (name, value) in settings.headers.iter() {
            let name = HeaderName::from_bytes(name.value.as_bytes()).ok()?;
            own.insert(name, HeaderValue::from_str(&value.value).ok()?);
        }
        ask.headers.extend(own);
        Some(ask)
    }

    fn expired(&mut self, answer: &ExpiredAnswer, home: &Place) -> Option<Expired> {
        let status = match &answer.status {
            None => None,
            Some(status) => {
                let known = StatusCode::from_u16(status.value).ok();
                Some(self.told(known, status, "expected a status, as in `403`")?)
            }
        };
        let test = match (&answer.at, &answer.header, &answer.equals) {
            (Some(at), None, Some(text)) => Test::Body(self.path(at)?, text.as_str().into()),
            (None, Some(header), Some(text)) => Test::Header(self.field(header)?, text.as_str().into()),
            (None, None, None) if status.is_some() => Test::Nothing,
            (at, header, _) => {
                let place = at.as_ref().or(header.as_ref()).map(|place| &place.place);
                let told = "`expired` is a `status`, or `at` or `header` with `equals`, or both";
                match (place, &answer.status) {
                    (Some(place), _) => self.found.error(place, told),
                    (None, Some(status)) => self.found.error(&status.place, told),
                    (None, None) => self.found.error(home, told),
                }
                return None;
            }
        };
        Some(Expired { status, test })
    }

    fn basic(&mut self, given: &Basic) -> Option<HeaderValue> {
        let password = self.secret(&given.password)?;
        let value = basic(&given.user.value, password.expose()).filter(|_| !given.user.value.contains(':'));
        self.told(value, &given.user, "this cannot stand in a header field (a user has no `:`)")
    }

    /// What texts may name.
    fn values(&mut self, values: &Named<Spanned<String>>) -> Option<Vec<(String, Secret)>> {
        let read: Vec<_> = values
            .iter()
            .map(|(name, text)| {
                let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
                if name.value.is_empty() || !name.value.bytes().all(is_name) {
                    self.found.error(&name.place, "a name is made of letters, digits, `_` and `-`");
                    return None;
                }
                Some((name.value.clone(), self.plain_or_secret(Some(&name.value), text)?))
            })
            .collect();
        read.into_iter().collect()
    }

    fn recipes(&mut self, keys: &[HeaderKey], names: &Names<'_>) -> Option<Vec<(HeaderName, Recipe)>> {
        let read: Vec<_> = keys
            .iter()
            .map(|key| {
                let recipe = self.recipe(&key.value, names);
                Some((self.field(&key.name)?, recipe?))
            })
            .collect();
        read.into_iter().collect()
    }

    /// A secret, or a text that is made of some: one with a brace in it.
    fn recipe(&mut self, text: &Spanned<String>, names: &Names<'_>) -> Option<Recipe> {
        if text.value.starts_with("${") || !text.value.contains('{') {
            return self.secret(text).map(Recipe::of);
        }
        match Recipe::parse(&text.value, names) {
            Ok(recipe) => Some(recipe),
            Err(why) => {
                self.found.error(&text.place, why);
                None
            }
        }
    }

    /// A text of a login: a reference to a secret, or as it stands. `key` is what it stands under.
    fn plain_or_secret(&mut self, key: Option<&str>, text: &Spanned<String>) -> Option<Secret> {
        if text.value.contains("${") {
            return self.secret(text);
        }
        let key = key.unwrap_or_default().to_ascii_lowercase();
        if ["passw", "secret", "token", "apikey", "api_key"].iter().any(|word| key.contains(word)) {
            self.found.error(
                &text.place,
                "a secret never stands in a file: write `${env:NAME}` or `${file:/path}`",
            );
            return None;
        }
        Some(Secret::new(text.value.clone()))
    }

    fn form(&mut self, form: &Named<Spanned<String>>) -> Option<Secret> {
        let mut text = zeroize::Zeroizing::new(String::new());
        let mut is_whole = true;
        for (name, value) in form.iter() {
            let Some(value) = self.plain_or_secret(Some(&name.value), value) else {
                is_whole = false;
                continue;
            };
            let and = if text.is_empty() { "" } else { "&" };
            for part in [and, &encoded(&name.value), "=", &encoded(value.expose())] {
                text.push_str(part);
            }
        }
        is_whole.then(|| Secret::new(std::mem::take(&mut *text)))
    }

    /// A login's body. What has no quotes and looks like a number, a boolean or nothing is one. The depth is bounded
    /// by the tree's reader.
    fn json(&mut self, node: &Node, key: Option<&str>, out: &mut String) -> Option<()> {
        match &node.value {
            Value::Null => out.push_str("null"),
            Value::Scalar(scalar) => {
                let is_literal = !scalar.quoted
                    && serde_json::from_str::<serde_json::Value>(&scalar.text)
                        .is_ok_and(|value| value.is_number() || value.is_boolean());
                if is_literal {
                    out.push_str(&scalar.text);
                } else {
                    let text = Spanned { value: scalar.text.clone(), place: node.place.clone() };
                    out.push_str(&quoted(self.plain_or_secret(key, &text)?.expose()));
                }
            }
            Value::List(items) => {
                out.push('[');
                for (number, item) in items.iter().enumerate() {
                    out.push_str(if number > 0 { "," } else { "" });
                    self.json(item, key, out)?;
                }
                out.push(']');
            }
            Value::Map(pairs) => {
                out.push('{');
                for (number, (key, item)) in pairs.iter().enumerate() {
                    out.push_str(if number > 0 { "," } else { "" });
                    out.push_str(&quoted(&key.text));
                    out.push(':');
                    self.json(item, Some(&key.text), out)?;
                }
                out.push('}');
            }
        }
        Some(())
    }

    pub(super) fn path(&mut self, text: &Spanned<String>) -> Option<Steps> {
        match Steps::parse(&text.value) {
            Ok(steps) => Some(steps),
            Err(why) => {
                self.found.error(&text.place, why);
                None
            }
        }
    }

    /// What was made, or a word about why not.
    pub(super) fn told<T, U>(&mut self, made: Option<T>, of: &Spanned<U>, why: &str) -> Option<T> {
        if made.is_none() {
            self.found.error(&of.place, why);
        }
        made
    }
}

/// Which fields no caller may set, and which of an answer none may see.
fn fields(
    always: &Shown,
    fetched: Option<&Fetched>,
    csrf: Option<&Csrf>,
) -> (Box<[HeaderName]>, Box<[HeaderName]>) {
    let mut struck: Vec<_> = always.fields.iter().map(|(name, _)| name.clone()).collect();
    let mut kept_back = Vec::new();
    match fetched {
        None => {}
        Some(Fetched::Tokens(_)) => struck.push(AUTHORIZATION),
        Some(Fetched::Session(session)) => {
            struck.extend(session.fields.iter().map(|(name, _)| name.clone()));
            // A caller's cookies could name another session.
            struck.push(COOKIE);
            kept_back.extend(session.take.iter().filter_map(|(_, take)| match take {
                Take::Header(name) => Some(name.clone()),
                Take::At(_) | Take::Body => None,
            }));
        }
    }
    if let Some(csrf) = csrf {
        struck.extend([csrf.header.clone(), COOKIE]);
        kept_back.push(csrf.header.clone());
    }
    (struck.into(), kept_back.into())
}
