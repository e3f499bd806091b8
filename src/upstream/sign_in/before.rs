//! What has to be asked before a login: a challenge, a token that is not ready yet, a number to ask for it by.
//!
//! One request after the other, each bounded, each to the system itself. What one answers goes into the next as a
//! value: into a JSON text, a header field, or one step of a path, where it may hold nothing that ends the step. A
//! question that is asked again is asked so many times and no more.

use std::{fmt, time::Duration};

use http::{HeaderName, HeaderValue, StatusCode, Uri};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    super::{Asked, SignInError},
    ask::{Ask, Form},
    json::{Steps, quoted},
    recipe::{Recipe, Scene},
    session::{Take, Taken, taken_from},
    shown::{Shown, sensitive},
};
use crate::{clock::Now, words::Secret};

/// Longest value that stands in a path.
const PATH_VALUE_BYTES_MAX: usize = 256;

/// Texts, and the name of what follows each.
pub(super) type Holes = Box<[(Box<str>, Option<Box<str>>)]>;

/// A request before a login.
pub(super) struct Before {
    pub(super) ask: Ask,
    /// The name of a link that was taken, which is followed in the place of all else.
    pub(super) link: Option<Box<str>>,
    /// What of the path follows the system's own: texts, and names of what was taken behind each.
    pub(super) path: Holes,
    pub(super) json: Option<Json>,
    pub(super) fields: Box<[(HeaderName, Recipe)]>,
    pub(super) take: Box<[(Box<str>, Take)]>,
    pub(super) until: Option<Until>,
    /// Whether it goes on without what is not there.
    pub(super) is_optional: bool,
}

/// A JSON document whose texts are made for each login.
pub(super) enum Json {
    /// A number, a boolean or null, as it is written.
    Literal(Box<str>),
    Text(Recipe),
    List(Vec<Json>),
    Map(Vec<(Box<str>, Json)>),
}

/// When an answer is the one that was waited for.
#[derive(Debug)]
pub(super) struct Until {
    pub(super) at: Steps,
    pub(super) equals: Box<str>,
    /// What says that it is not there yet; anything else is a refusal.
    pub(super) pending: Box<[Box<str>]>,
    /// Statuses that refusals stand for; 422 where none does.
    pub(super) otherwise: Box<[(Box<str>, StatusCode)]>,
    pub(super) every: Duration,
    /// Most times it is asked.
    pub(super) most: u32,
}

/// A request, made.
pub(super) struct Made {
    pub(super) target: Uri,
    pub(super) fields: Vec<(HeaderName, HeaderValue)>,
    pub(super) json: Option<Secret>,
}

/// What an answer says that is asked for again.
pub(super) enum Seen {
    There,
    Pending,
    /// It will not be, with the status that the file has for that.
    Refused(StatusCode),
    /// It says nothing of that.
    Neither,
}

impl Before {
    /// Asks, and adds what was taken of the answer.
    pub(super) async fn run(
        &self,
        taken: &mut Taken,
        always: Option<&Shown>,
        now: Now,
    ) -> Result<(), SignInError> {
        let parts: Vec<_> = always.into_iter().collect();
        let scene = Scene { now: now.wall, method: "", url: "", body: None };
        let Made { target, fields, json } = self.made(taken, &scene).map_err(unusable)?;
        let form = json.map(Form::Json);
        let most = self.until.as_ref().map_or(1, |until| until.most);
        for asked in 0..most {
            if let (Some(until), true) = (&self.until, asked > 0) {
                tokio::time::sleep(until.every).await;
            }
            let sign = super::signing(Asked::Login, &parts, now);
            let edit = |request: &mut http::Request<crate::body::Body>, origin: &crate::wire::Origin| {
                *request.uri_mut() = target.clone();
                request.headers_mut().extend(fields.iter().cloned());
                sign(request, origin)
            };
            let answer = self.ask.send(None, form.as_ref(), edit, now).await?;
            match self.until.as_ref().map_or(Seen::There, |until| until.seen(answer.body())) {
                Seen::There => return taken_from(&self.take, &answer, taken),
                Seen::Pending => {}
                Seen::Refused(_) | Seen::Neither => {
                    return Err(unusable("it says neither that it is there nor that it will be".to_owned()));
                }
            }
        }
        Err(unusable("it is not there yet, however often it was asked for".to_owned()))
    }

    /// The request, with what was taken in its place; the error says what cannot be.
    pub(super) fn made(&self, taken: &Taken, scene: &Scene<'_>) -> Result<Made, String> {
        let json = match &self.json {
            None => None,
            Some(json) => {
                let mut text = Zeroizing::new(String::new());
                json.write(taken, scene, &mut text)?;
                Some(Secret::new(std::mem::take(&mut *text)))
            }
        };
        let fields = made_fields(&self.fields, taken, scene)?;
        Ok(Made { target: self.target(taken)?, fields, json })
    }

    /// Whether what was taken under a name stands in it.
    pub(super) fn needs(&self, name: &str) -> bool {
        self.link.as_deref() == Some(name)
            || self.path.iter().any(|(_, hole)| hole.as_deref() == Some(name))
            || self.json.as_ref().is_some_and(|json| json.needs(name))
            || self.fields.iter().any(|(_, made)| made.needs(name))
    }

    fn target(&self, taken: &Taken) -> Result<Uri, String> {
        let mut text = self.ask.target.to_string();
        for (literal, name) in &self.path {
            text.push_str(literal);
            let Some(name) = name else { continue };
            let value = taken.iter().find(|(known, _)| known == name);
            let is_plain = |value: &str| {
                let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
                !value.is_empty()
                    && value.len() <= PATH_VALUE_BYTES_MAX
                    && value.bytes().all(plain)
                    && !value.bytes().all(|b| b == b'.')
            };
            let value = value.map(|(_, value)| value.expose()).filter(|value| is_plain(value));
            text.push_str(value.ok_or_else(|| format!("`{name}` cannot stand in a path"))?);
        }
        Uri::try_from(text).map_err(|_| "it leads to no path".to_owned())
    }
}

impl Until {
    /// What an answer says.
    pub(super) fn seen(&self, body: &[u8]) -> Seen {
        let Ok(document) = serde_json::from_slice::<Value>(body) else { return Seen::Neither };
        let Some(text) = self.at.text(&document) else { return Seen::Neither };
        if *text == *self.equals {
            return Seen::There;
        }
        if self.pending.iter().any(|pending| **pending == *text) {
            return Seen::Pending;
        }
        let known = self.otherwise.iter().find(|(known, _)| **known == *text);
        Seen::Refused(known.map_or(StatusCode::UNPROCESSABLE_ENTITY, |(_, status)| *status))
    }
}

impl Json {
    /// As deep as the file's.
    fn write(&self, taken: &Taken, scene: &Scene<'_>, out: &mut Zeroizing<String>) -> Result<(), String> {
        match self {
            Self::Literal(text) => out.push_str(text),
            Self::Text(recipe) => {
                let text = made(recipe, taken, scene)?;
                match recipe.is_number() {
                    true => out.push_str(text.expose()),
                    false => out.push_str(&Zeroizing::new(quoted(text.expose()))),
                }
            }
            Self::List(items) => {
                out.push('[');
                for (number, item) in items.iter().enumerate() {
                    out.push_str(if number > 0 { "," } else { "" });
                    item.write(taken, scene, out)?;
                }
                out.push(']');
            }
            Self::Map(pairs) => {
                out.push('{');
                for (number, (name, item)) in pairs.iter().enumerate() {
                    out.push_str(if number > 0 { "," } else { "" });
                    out.push_str(&quoted(name));
                    out.push(':');
                    item.write(taken, scene, out)?;
                }
                out.push('}');
            }
        }
        Ok(())
    }

    /// Whether the record at hand stands in it.
    pub(super) fn uses_body(&self) -> bool {
        match self {
            Self::Literal(_) => false,
            Self::Text(recipe) => recipe.uses_body(),
            Self::List(items) => items.iter().any(Self::uses_body),
            Self::Map(pairs) => pairs.iter().any(|(_, item)| item.uses_body()),
        }
    }

    /// Whether what was taken under a name stands in it.
    fn needs(&self, name: &str) -> bool {
        match self {
            Self::Literal(_) => false,
            Self::Text(recipe) => recipe.needs(name),
            Self::List(items) => items.iter().any(|item| item.needs(name)),
            Self::Map(pairs) => pairs.iter().any(|(_, item)| item.needs(name)),
        }
    }
}

/// Header fields made of what was taken; no log prints them. The error says what cannot be.
pub(super) fn made_fields(
    fields: &[(HeaderName, Recipe)],
    taken: &Taken,
    scene: &Scene<'_>,
) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let made = fields.iter().map(|(name, recipe)| {
        let value = sensitive(made(recipe, taken, scene)?.expose());
        Ok((name.clone(), value.ok_or_else(|| format!("it cannot stand in the field `{name}`"))?))
    });
    made.collect()
}

fn made(recipe: &Recipe, taken: &Taken, scene: &Scene<'_>) -> Result<Secret, String> {
    let bound = recipe.bind(taken).ok_or_else(|| "a value for the next request is not in it".to_owned())?;
    bound.make(scene).map_err(|why| why.as_str().to_owned())
}

fn unusable(why: String) -> SignInError {
    SignInError::unusable(Asked::Login, why)
}

impl fmt::Debug for Before {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Before({})", self.ask.origin.peer())
    }
}
