//! A session: a login once, and what its answer gave with every request from then on.
//!
//! One session a system. A request that is under way with an old one finishes with it. What the system gives
//! besides, a cookie that was not named or one that comes later, is not used. There is no logout: a session that was
//! replaced ends at the system by its own clock.

use std::{
    fmt,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response, header::SET_COOKIE};
use serde_json::Value;

use super::{
    super::{Asked, SignInError},
    ask::{Ask, Form},
    before::{Before, made_fields},
    json::Steps,
    kept::{Got, Kept},
    recipe::{Recipe, Scene},
    settings::TimeUnit,
    shown::{Field, Shown},
};
use crate::{
    body::Body,
    clock::{self, Now},
    mapping::{NativeAnswer, Refusals},
    wire::Origin,
    words::Secret,
};

/// Longest thing that is taken from an answer.
const TAKEN_BYTES_MAX: usize = 8 * 1024;
/// Longest answer that is taken whole.
const TAKEN_WHOLE_BYTES_MAX: usize = 64 * 1024;
/// Most cookies that are looked at.
const COOKIES_MAX: usize = 64;

/// How to log in, and what of the answer is kept.
pub(super) struct Session {
    /// What is asked before it.
    pub(super) before: Box<[Before]>,
    /// Fields of the login itself, made of what was taken before it.
    pub(super) with: Box<[(HeaderName, Recipe)]>,
    pub(super) ask: Ask,
    pub(super) form: Option<Form>,
    pub(super) cookies: Box<[Box<str>]>,
    pub(super) take: Box<[(Box<str>, Take)]>,
    pub(super) fields: Box<[(HeaderName, Recipe)]>,
    pub(super) lifetime: Lifetime,
    /// By what an answer of `200` says that it is none.
    pub(super) refusals: Refusals,
    pub(super) kept: Kept,
}

/// Where something stands in an answer.
#[derive(Debug)]
pub(super) enum Take {
    At(Steps),
    Header(HeaderName),
    Body,
}

/// How long a session lasts.
#[derive(Debug)]
pub(super) enum Lifetime {
    Untold,
    Fixed(Duration),
    Told(Steps, TimeUnit),
}

impl Session {
    pub(super) async fn fetch(&self, always: Option<&Shown>, now: Now) -> Result<Got, SignInError> {
        let parts: Vec<_> = always.into_iter().collect();
        let mut taken = Taken::new();
        for before in &self.before {
            before.run(&mut taken, always, now).await?;
        }
        let now = if self.before.is_empty() { now } else { clock::now() };
        let scene = Scene { now: now.wall, method: "", url: "", body: None };
        let with = made_fields(&self.with, &taken, &scene)
            .map_err(|why| SignInError::unusable(Asked::Login, why))?;
        let sign = super::signing(Asked::Login, &parts, now);
        let edit = |request: &mut Request<Body>, origin: &Origin| {
            request.headers_mut().extend(with);
            sign(request, origin)
        };
        let answer = self.ask.send(None, self.form.as_ref(), edit, now).await?;
        self.read(&answer, taken, now.mono).map_err(|why| self.told(why, answer))
    }

    /// What an answer that cannot be used lacks, and what the system said in it, as far as the file's `errors` find that.
    fn told(&self, why: SignInError, answer: Response<Bytes>) -> SignInError {
        let SignInError::Unusable { asked, why } = why else { return why };
        let (head, body) = answer.into_parts();
        let answer =
            NativeAnswer { status: head.status, headers: head.headers, body, received: None, over: None };
        let why = match self.refusals.said(&answer) {
            Some(said) => format!("{why}; the system said: {said}").into(),
            None => why,
        };
        SignInError::Unusable { asked, why }
    }

    fn read(&self, answer: &Response<Bytes>, mut taken: Taken, now: Instant) -> Result<Got, SignInError> {
        let document = match self.lifetime {
            Lifetime::Told(..) => document(answer)?,
            Lifetime::Untold | Lifetime::Fixed(_) => Value::Null,
        };
        taken_from(&self.take, answer, &mut taken)?;
        let mut shown = Shown { cookies: self.cookies(answer.headers())?, ..Shown::default() };
        for (name, recipe) in &self.fields {
            let field = recipe.bind(&taken).and_then(Field::of).ok_or_else(|| {
                SignInError::unusable(Asked::Login, format!("it cannot stand in the field `{name}`"))
            })?;
            shown.fields.push((name.clone(), field));
        }
        Ok(Got::new(shown, self.life(&document)?, now))
    }

    fn cookies(&self, headers: &HeaderMap) -> Result<Vec<(Box<str>, Secret)>, SignInError> {
        let set = set_cookies(headers);
        let wanted = self.cookies.iter().map(|name| {
            // The last of a name is the one a browser would keep.
            let (_, value) =
                set.iter().rev().find(|(set, _)| set == name).ok_or_else(|| missing("cookie ", name))?;
            Ok((name.clone(), value.clone()))
        });
        wanted.collect()
    }

    fn life(&self, document: &Value) -> Result<Option<Duration>, SignInError> {
        let (at, unit) = match &self.lifetime {
            Lifetime::Untold => return Ok(None),
            Lifetime::Fixed(life) => return Ok(Some(*life)),
            Lifetime::Told(at, unit) => (at, unit),
        };
        let told = at.text(document).and_then(|text| text.parse::<u32>().ok()).filter(|told| *told > 0);
        let told =
            told.ok_or_else(|| SignInError::unusable(Asked::Login, "it does not say how long it lasts"))?;
        Ok(Some(unit.of(told)))
    }
}

/// What was taken of answers, by names of the file.
pub(super) type Taken = Vec<(Box<str>, Secret)>;

/// Adds what is taken of an answer.
pub(super) fn taken_from(
    take: &[(Box<str>, Take)],
    answer: &Response<Bytes>,
    taken: &mut Taken,
) -> Result<(), SignInError> {
    let is_read = |take: &Take| matches!(take, Take::At(_));
    let document = match take.iter().any(|(_, take)| is_read(take)) {
        true => document(answer)?,
        false => Value::Null,
    };
    for (name, take) in take {
        let text = match take {
            Take::At(steps) => steps.text(&document),
            Take::Header(name) => {
                answer.headers().get(name).and_then(|value| Some(value.to_str().ok()?.to_owned()))
            }
            // Its size is looked at before it is copied.
            Take::Body if answer.body().len() > TAKEN_WHOLE_BYTES_MAX => None,
            Take::Body => std::str::from_utf8(answer.body()).ok().map(str::to_owned),
        };
        let most = if matches!(take, Take::Body) { TAKEN_WHOLE_BYTES_MAX } else { TAKEN_BYTES_MAX };
        let text = text.filter(|text| !text.is_empty() && text.len() <= most);
        taken.push((name.clone(), Secret::new(text.ok_or_else(|| missing("", name))?)));
    }
    Ok(())
}

fn document(answer: &Response<Bytes>) -> Result<Value, SignInError> {
    serde_json::from_slice(answer.body()).map_err(|_| SignInError::unusable(Asked::Login, "it is no JSON"))
}

fn missing(kind: &str, name: &str) -> SignInError {
    SignInError::unusable(Asked::Login, format!("the {kind}`{name}` is not in it"))
}

/// What an answer sets as cookies (RFC 6265 §5.2), in its order; one that is empty, unsound or over at once is none.
pub(super) fn set_cookies(headers: &HeaderMap) -> Vec<(Box<str>, Secret)> {
    let lines = headers.get_all(SET_COOKIE).iter().take(COOKIES_MAX);
    lines
        .filter_map(|line| {
            let mut parts = line.to_str().ok()?.split(';');
            let (name, value) = parts.next()?.split_once('=')?;
            let (name, value) = (name.trim(), value.trim());
            let is_sound = |text: &str| {
                !text.is_empty()
                    && text.len() <= TAKEN_BYTES_MAX
                    && text.bytes().all(|byte| byte.is_ascii_graphic())
            };
            let is_over = parts.any(|attribute| {
                attribute.split_once('=').is_some_and(|(name, value)| {
                    name.trim().eq_ignore_ascii_case("max-age")
                        && value.trim().parse::<i64>().is_ok_and(|seconds| seconds <= 0)
                })
            });
            (is_sound(name) && is_sound(value) && !is_over)
                .then(|| (name.into(), Secret::new(value.to_owned())))
        })
        .collect()
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.ask.origin.peer())
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn set(lines: &[&'static str]) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(SET_COOKIE, HeaderValue::from_static(line));
        }
        let set = set_cookies(&headers);
        set.iter().map(|(name, value)| (name.to_string(), value.expose().to_owned())).collect()
    }

    #[test]
    fn only_a_cookie_that_could_be_sent_back_is_taken() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            set(&["B1SESSION=a-b; HttpOnly; Path=/b1s", " ROUTEID = .node1 ;Max-Age=60", "a=b=c"]),
            [pair("B1SESSION", "a-b"), pair("ROUTEID", ".node1"), pair("a", "b=c")]
        );
        for none in ["", "a", "=b", "a=", "a=b c", "a=\u{7f}", "a=b; Max-Age=0", "a=b; max-age=-1", "a b=c"] {
            let Ok(line) = HeaderValue::from_str(none) else { continue };
            let mut headers = HeaderMap::new();
            headers.append(SET_COOKIE, line);
            assert!(set_cookies(&headers).is_empty(), "{none}");
        }
    }
}
