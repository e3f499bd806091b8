//! What a file says of the requests before a login.

use std::{sync::Arc, time::Duration};

use http::{Method, StatusCode};
use url::Url;

use super::super::{
    before::{Before, Holes, Json, Until},
    deliver::{Delivery, FRESH},
    detached::Detached,
    recipe::{Names, Recipe},
    session::Take,
    settings::{LoginStep, LoginUntil, TakeFrom},
};
use super::Home;
use crate::{
    upstream::{Asked, Settings, configure::Build},
    wire::{Keep, Origin, Trust, Versions},
    words::{
        Digest, Place, Secret,
        tree::{Node, Value},
        yaml::{Named, Spanned},
    },
};

/// Most requests before a login.
const STEPS_MAX: usize = 8;
/// Most times one is asked again.
const TRIES_MAX: u32 = 60;
/// Longest pause between two tries.
const EVERY_MAX: Duration = Duration::from_secs(10);

/// Most origins that links may lead to.
const ORIGINS_MAX: usize = 16;

const NO_ORIGIN: &str =
    "expected `https://host[:port]` without a path, a user or a query; `http://` where `allow_local` is on";
const UNUSED: &str = "no step of `delivers` follows a link: write one as `link: NAME`, or leave this out";

/// Requests, and the names of what is known after them.
type Steps = (Box<[Before]>, Vec<Box<str>>);
/// Values of the file, names of what is known before, and whether there is a record.
type Known<'k> = (&'k [(String, Secret)], Vec<Box<str>>, bool);
/// Where what is taken stands, by its name.
type Takes = Box<[(Box<str>, Take)]>;

/// What tells steps apart: where they lead, and what is taken on the way.
fn plan(steps: &[LoginStep]) -> Digest {
    let mut parts: Vec<&[u8]> = vec![b"bramka steps of a delivery"];
    for step in steps {
        for (word, path) in [("post", &step.post), ("get", &step.get), ("link", &step.link)] {
            parts.extend(path.iter().flat_map(|path| [word.as_bytes(), path.value.as_bytes()]));
        }
        parts.extend(step.take.iter().map(|(name, _)| name.value.as_bytes()));
    }
    Digest::of_parts(&parts)
}

/// Whether an address is an origin and nothing else.
fn is_bare(url: &Url) -> bool {
    url.path() == "/" && url.query().is_none() && url.fragment().is_none()
}

impl Build<'_, '_> {
    /// The requests before a login, and the names of what they take.
    pub(super) fn before(
        &mut self,
        settings: &Settings,
        (steps, place): (&[LoginStep], &Place),
        values: &[(String, Secret)],
        home: Home<'_>,
    ) -> Option<Steps> {
        for until in steps.iter().filter_map(|step| step.until.as_ref()) {
            if let Some((text, _)) = until.otherwise.iter().next() {
                self.found.error(&text.place, "`otherwise` is of `delivers`; a login has no status");
            }
        }
        for link in steps.iter().filter_map(|step| step.link.as_ref()) {
            self.found.error(&link.place, "`link` is of `delivers`; a login goes to the system alone");
        }
        for optional in steps.iter().filter_map(|step| step.optional.as_ref()) {
            self.found
                .error(&optional.place, "`optional` is of `delivers`; a login needs all that it asks for");
        }
        self.steps(settings, (steps, place), (values, Vec::new(), false), home)
    }

    /// Requests one after the other, and the names of what they take.
    fn steps(
        &mut self,
        settings: &Settings,
        (steps, place): (&[LoginStep], &Place),
        (values, mut taken, request): Known<'_>,
        home: Home<'_>,
    ) -> Option<Steps> {
        if steps.len() > STEPS_MAX {
            self.found.error(place, format!("at most {STEPS_MAX} requests stand here"));
            return None;
        }
        let mut out = Vec::new();
        let mut is_whole = true;
        for step in steps {
            let names = Names { values, taken: &taken, request };
            let one = self.step(settings, (step, place), &names, home);
            self.names_taken(&step.take, &mut taken);
            is_whole &= one.is_some();
            out.extend(one);
        }
        is_whole.then(|| (out.into(), taken))
    }

    /// How new records reach the system, where it is not by one request.
    pub(in crate::upstream) fn delivery(
        &mut self,
        settings: &Settings,
        home: Home<'_>,
    ) -> Option<Option<Delivery>> {
        let Some(delivers) = &settings.delivers else {
            let unused = settings.detached.first();
            unused.into_iter().for_each(|first| self.found.error(&first.place, UNUSED));
            return unused.is_none().then_some(None);
        };
        let place = &delivers.post.place;
        let values = self.values(&delivers.values)?;
        let fresh: Vec<Box<str>> = FRESH.iter().map(|(name, _)| (*name).into()).collect();
        let (steps, taken) = self.steps(settings, (&delivers.steps, place), (&values, fresh, true), home)?;
        let names = Names { values: &values, taken: &taken, request: true };
        let fields = self.recipes(&delivers.answer.0, &names)?.into();
        let carries = |step: &Before| step.json.as_ref().is_some_and(Json::uses_body);
        let document = steps.iter().position(carries);
        let document = self.told(
            document.filter(|_| steps.iter().filter(|step| carries(step)).count() == 1),
            &delivers.post,
            "one of `steps` carries the record: `{$body}` stands in its `json`",
        )?;
        let optional = steps.iter().position(|step| step.is_optional);
        let is_behind =
            |first: usize| first > document && steps.iter().skip(first).all(|step| step.is_optional);
        self.told(
            optional.is_none_or(is_behind).then_some(()),
            &delivers.post,
            "a step is `optional` only behind the one that carries the record, and so is all that follows it",
        )?;
        let target = self.ask(settings, Asked::Login, Method::POST, &delivers.post, home)?.target;
        let detached = self.detached(settings, &delivers.steps)?;
        let (path, is_echoed, plan) = (target.path().into(), delivers.echo, plan(&delivers.steps));
        Some(Some(Delivery { path, steps, document, fields, is_echoed, detached, plan }))
    }

    /// Where links may lead: to the origins that the file lists, as nobody in particular.
    fn detached(&mut self, settings: &Settings, steps: &[LoginStep]) -> Option<Detached> {
        let mut links = steps.iter().skip_while(|step| step.link.is_none());
        // What is told of a link must not be lost by what fails behind it.
        if let Some(step) = links.clone().find(|step| step.link.is_none())
            && let Some(path) = step.post.as_ref().or(step.get.as_ref())
        {
            self.found.error(&path.place, "behind a `link` stand links alone");
            return None;
        }
        let link = links.next().and_then(|step| step.link.as_ref());
        match (link, settings.detached.as_slice()) {
            (None, []) => return Some(Detached::default()),
            (Some(link), []) => {
                self.found.error(
                    &link.place,
                    "a link is followed to a place that `detached` lists, and there is none",
                );
                return None;
            }
            (None, [first, ..]) => {
                self.found.error(&first.place, UNUSED);
                return None;
            }
            (Some(_), [_, .., last]) if settings.detached.len() > ORIGINS_MAX => {
                self.found.error(&last.place, format!("at most {ORIGINS_MAX} origins stand here"));
                return None;
            }
            (Some(_), [_, ..]) => {}
        }
        let ca = match &settings.tls.ca {
            Some(path) => Some(self.file(path)?),
            None => None,
        };
        let place = settings.tls.ca.as_ref().map_or(&settings.detached.first()?.place, |path| &path.place);
        let tls = self.client(&Trust { ca, certificate: None }, place)?;
        let keep = Keep { versions: Versions::One, ..self.keep(settings) };
        let read: Vec<_> = settings
            .detached
            .iter()
            .map(|text| {
                let is_safe = |url: &Url| url.scheme() == "https" || settings.allow_local;
                let url = Url::parse(&text.value).ok().filter(|url| is_safe(url) && is_bare(url));
                let url = self.told(url, text, NO_ORIGIN)?;
                match Origin::new(&url, Some(&tls), None, self.local(settings), keep) {
                    Ok(origin) => Some((url.origin(), Arc::new(origin))),
                    Err(error) => {
                        self.found.error(&text.place, error.to_string());
                        None
                    }
                }
            })
            .collect();
        Some(Detached(read.into_iter().collect::<Option<_>>()?))
    }

    /// Adds the names of what is taken; each once.
    pub(super) fn names_taken(&mut self, take: &Named<TakeFrom>, taken: &mut Vec<Box<str>>) {
        for (name, _) in take.iter() {
            if taken.iter().any(|known| **known == *name.value) {
                self.found.error(&name.place, format!("`{}` is taken already", name.value));
            }
            taken.push(name.value.as_str().into());
        }
    }

    /// Where what is taken stands.
    pub(super) fn takes(&mut self, take: &Named<TakeFrom>) -> Option<Takes> {
        let read: Vec<_> = take
            .iter()
            .map(|(name, from)| {
                let take = match from {
                    TakeFrom::At(path) => self.path(path).map(Take::At),
                    TakeFrom::Header(name) => self.field(name).map(Take::Header),
                    TakeFrom::Body => Some(Take::Body),
                };
                Some((Box::from(name.value.as_str()), take?))
            })
            .collect();
        read.into_iter().collect()
    }

    fn step(
        &mut self,
        settings: &Settings,
        (step, place): (&LoginStep, &Place),
        names: &Names<'_>,
        home: Home<'_>,
    ) -> Option<Before> {
        let (method, path) = match (&step.post, &step.get, &step.link) {
            (Some(path), None, None) => (Method::POST, path),
            (None, Some(path), None) => (Method::GET, path),
            (None, None, Some(link)) => return self.linked(settings, (step, link), names, home),
            _ => {
                self.found.error(place, "each request needs one of `post` and `get`, its path, or a `link`");
                return None;
            }
        };
        let (first, path_rest) = self.holes(path, names.taken)?;
        let first = Spanned { value: first, place: path.place.clone() };
        let ask = self.ask(settings, Asked::Login, method, &first, home);
        let json = match &step.json {
            None => None,
            Some(node) => Some(self.made_json(node, None, names)?),
        };
        let fields = self.recipes(&step.headers.0, names)?.into();
        let take = self.takes(&step.take)?;
        let until = match &step.until {
            None => None,
            Some(until) => Some(self.until(until)?),
        };
        let is_optional = step.optional.as_ref().is_some_and(|optional| optional.value);
        Some(Before { ask: ask?, link: None, path: path_rest, json, fields, take, until, is_optional })
    }

    /// A step that follows a link. Nothing of the file goes along.
    fn linked(
        &mut self,
        settings: &Settings,
        (step, link): (&LoginStep, &Spanned<String>),
        names: &Names<'_>,
        home: Home<'_>,
    ) -> Option<Before> {
        let is_optional = step.optional.as_ref().is_some_and(|optional| optional.value);
        let is_bare = step.json.is_none() && step.headers.0.is_empty() && step.until.is_none();
        let known = names.taken.iter().find(|known| ***known == *link.value);
        let known = self.told(known, link, "expected the name of what was `take`n before this step");
        self.told(
            (is_bare && is_optional).then_some(()),
            link,
            "a link is `optional: true`, the record is made all the same; it has no `json`, `headers` and `until`",
        )?;
        let root = Spanned { value: "/".to_owned(), place: link.place.clone() };
        let ask = self.ask(settings, Asked::Login, Method::GET, &root, home);
        let (path, fields, link) = (Box::default(), Box::default(), Some(known?.clone()));
        let take = self.takes(&step.take)?;
        Some(Before { ask: ask?, link, path, json: None, fields, take, until: None, is_optional })
    }

    /// A path's text up to its first hole; then names of what was taken, and the text behind each.
    fn holes(&mut self, path: &Spanned<String>, taken: &[Box<str>]) -> Option<(String, Holes)> {
        let mut parts = path.value.split('{');
        let first = parts.next().unwrap_or_default().to_owned();
        let mut rest: Vec<(Box<str>, Option<Box<str>>)> = Vec::new();
        for part in parts {
            let Some((name, behind)) = part.split_once('}') else {
                self.found.error(&path.place, "a `{` has no `}`");
                return None;
            };
            if !taken.iter().any(|known| **known == *name) {
                let told = format!("`{{{name}}}` is not taken before this request");
                self.found.error(&path.place, told);
                return None;
            }
            let is_bad = |b: u8| !b.is_ascii_graphic() || matches!(b, b'#' | b'\\' | b'}');
            if behind.bytes().any(is_bad) || behind.split(['/', '?']).any(|part| matches!(part, "." | "..")) {
                self.found.error(&path.place, "expected a path under `base`, as in `/login/{number}`");
                return None;
            }
            rest.push(("".into(), Some(name.into())));
            rest.push((behind.into(), None));
        }
        Some((first, rest.into()))
    }

    fn until(&mut self, until: &LoginUntil) -> Option<Until> {
        let at = self.path(&until.at)?;
        let every = until.every.as_ref().map_or(Duration::from_secs(1), |every| every.0);
        let most = until.most.unwrap_or(TRIES_MAX / 2);
        if every > EVERY_MAX || !(1..=TRIES_MAX).contains(&most) {
            self.found.error(
                &until.at.place,
                format!(
                    "it is asked at most {TRIES_MAX} times, with at most {} seconds between",
                    EVERY_MAX.as_secs()
                ),
            );
            return None;
        }
        let otherwise: Vec<_> = until
            .otherwise
            .iter()
            .map(|(text, status)| {
                let known = StatusCode::from_u16(status.value).ok().filter(|status| status.is_client_error());
                let told = "what a refusal stands for is a status from 400 to 499";
                Some((Box::from(text.value.as_str()), self.told(known, status, told)?))
            })
            .collect();
        let otherwise = otherwise.into_iter().collect::<Option<_>>()?;
        let pending = until.pending.0.iter().map(|text| text.as_str().into()).collect();
        Some(Until { at, equals: until.equals.as_str().into(), pending, otherwise, every, most })
    }

    /// A JSON document whose texts may be made of names. The depth is bounded by the tree's reader.
    fn made_json(&mut self, node: &Node, key: Option<&str>, names: &Names<'_>) -> Option<Json> {
        Some(match &node.value {
            Value::Null => Json::Literal("null".into()),
            Value::Scalar(scalar) => {
                let is_literal = !scalar.quoted
                    && serde_json::from_str::<serde_json::Value>(&scalar.text)
                        .is_ok_and(|value| value.is_number() || value.is_boolean());
                let text = Spanned { value: scalar.text.clone(), place: node.place.clone() };
                match () {
                    () if is_literal => Json::Literal(scalar.text.as_str().into()),
                    () if scalar.text.contains('{') && !scalar.text.contains("${") => {
                        Json::Text(self.recipe(&text, names)?)
                    }
                    () => Json::Text(Recipe::of(self.plain_or_secret(key, &text)?)),
                }
            }
            Value::List(items) => {
                let made: Vec<_> = items.iter().map(|item| self.made_json(item, key, names)).collect();
                Json::List(made.into_iter().collect::<Option<_>>()?)
            }
            Value::Map(pairs) => {
                let made: Vec<_> = pairs
                    .iter()
                    .map(|(key, item)| {
                        let made = self.made_json(item, Some(&key.text), names)?;
                        Some((Box::from(key.text.as_str()), made))
                    })
                    .collect();
                Json::Map(made.into_iter().collect::<Option<_>>()?)
            }
        })
    }
}
