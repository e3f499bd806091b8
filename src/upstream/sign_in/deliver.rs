//! A new record that no single request takes: a session is opened, the record goes in sealed, the session is closed,
//! and what became of it is asked for.
//!
//! The steps are those of a login, with the record at hand and a key of its own for each run. Nothing here does I/O:
//! whoever runs it sends each request and tells what came. Until the step that carries the record, an answer that is
//! no success is the answer. From then on the record may be the system's: it is told as made, as refused where the
//! system says so, or else as accepted, never as a failure that asks for another try.
//!
//! What is accepted is not lost: an [`Unfinished`] holds what it takes to ask later, and nothing that would send the
//! record again.

use std::{fmt, sync::Arc, time::Duration};

use aws_lc_rs::rand;
use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use futures_util::future::BoxFuture;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    super::UpstreamError,
    before::{Before, Seen, made_fields},
    detached::{Detached, Strayed},
    recipe::{Recipe, Scene},
    session::{Taken, taken_from},
};
use crate::{
    body::Body,
    mapping::NativeAnswer,
    wire::Origin,
    words::{Digest, Secret},
};

/// Names of the key and the initialisation vector of a run, in hexadecimal.
pub(super) const FRESH: [(&str, usize); 2] = [("$key", 32), ("$iv", 16)];

/// How new records reach a system.
pub(in crate::upstream) struct Delivery {
    /// The path that a mapping posts them to.
    pub(super) path: Box<str>,
    pub(super) steps: Box<[Before]>,
    /// The step that carries the record.
    pub(super) document: usize,
    /// Fields of the answer.
    pub(super) fields: Box<[(HeaderName, Recipe)]>,
    /// Whether the answer holds the record as it was sent.
    pub(super) is_echoed: bool,
    /// Where links of the answers may lead.
    pub(super) detached: Detached,
    /// The steps as the file has them: what is left unfinished under others cannot be gone on with.
    pub(super) plan: Digest,
}

/// A record that a system has taken without saying what became of it: what it takes to ask again.
pub struct Unfinished {
    plan: Digest,
    at: usize,
    /// What the steps that are left are made of, and no more.
    taken: Taken,
    /// The record, where the answer will hold it.
    document: Bytes,
}

/// Keeps what it takes to ask for a record that a system has. It is told before anybody asks: whoever is killed while it
/// asks has not lost the record.
pub trait Keeps: Send + Sync {
    /// Keeps it, if that can be done.
    fn keep(&self, left: Unfinished) -> BoxFuture<'_, ()>;
}

/// One record under way.
pub(in crate::upstream) struct Run<'d> {
    delivery: &'d Delivery,
    document: Bytes,
    taken: Taken,
    at: usize,
    asked: u32,
    /// Whether an earlier run sent the record.
    is_resumed: bool,
    /// Links that were followed or not, for the journal.
    strayed: Vec<Strayed>,
}

/// A link's request: to whom, with what, and how it is told when there is no answer.
pub(in crate::upstream) type Beyond<'d> = (&'d Arc<Origin>, Request<Body>, Strayed);

/// What is next.
pub(in crate::upstream) enum Next {
    /// The next request.
    Send,
    /// The same again, after a pause.
    Wait(Duration),
    /// It is over.
    Done(NativeAnswer),
    /// The system has it, and nothing more is known now.
    Accepted,
}

impl Delivery {
    /// Whether a request goes this way.
    pub(in crate::upstream) fn takes(&self, request: &Request<Body>) -> bool {
        *request.method() == Method::POST && request.uri().path() == &*self.path
    }

    /// Whether it takes what is posted to a path under this prefix.
    pub(in crate::upstream) fn is_at(&self, prefix: &str, path: &str) -> bool {
        self.path.strip_prefix(prefix) == Some(path)
    }

    /// Begins with a record, under a key of its own.
    ///
    /// # Errors
    /// [`UpstreamError::BadRequest`] for a body that is not at hand.
    pub(in crate::upstream) fn begin(&self, body: Body) -> Result<Run<'_>, UpstreamError> {
        const STREAMED: UpstreamError = UpstreamError::BadRequest("what is delivered in steps is no stream");
        let document = match body {
            Body::Full(bytes) => bytes,
            Body::Empty => Bytes::new(),
            Body::Incoming(_) | Body::Stream(_) => return Err(STREAMED),
        };
        let mut taken = Taken::new();
        for (name, length) in FRESH {
            let mut bytes = zeroize::Zeroizing::new(vec![0; length]);
            rand::fill(&mut bytes)
                .map_err(|_| UpstreamError::BadRequest("there is no randomness for a key"))?;
            taken.push((name.into(), Secret::new(HEXLOWER.encode(&bytes))));
        }
        Ok(Run { delivery: self, document, taken, at: 0, asked: 0, is_resumed: false, strayed: Vec::new() })
    }

    /// Goes on with what an earlier run left unfinished. None where the file has other steps by now.
    pub(in crate::upstream) fn resume(&self, left: &Unfinished) -> Option<Run<'_>> {
        let Unfinished { plan, at, taken, document } = left;
        let at = self.asking(*at).filter(|_| *plan == self.plan)?;
        let (taken, document) = (taken.clone(), document.clone());
        Some(Run { delivery: self, document, taken, at, asked: 0, is_resumed: true, strayed: Vec::new() })
    }

    /// Where it goes on by asking alone, behind a step that was tried: what changes something is sent once if at all,
    /// and done without where nothing is taken of it.
    fn asking(&self, at: usize) -> Option<usize> {
        let asks = |step: &&Before| step.ask.method == Method::GET;
        let rest = self.steps.get(at..).filter(|_| at > self.document)?;
        let (passed, asking) = rest.split_at_checked(rest.iter().position(|step| asks(&step))?)?;
        let can = passed.iter().all(|step| step.take.is_empty()) && asking.iter().all(|step| asks(&step));
        can.then(|| at.saturating_add(passed.len()))
    }
}

impl Unfinished {
    /// As it is kept; to be sealed by whoever keeps it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let taken: Vec<_> = self.taken.iter().map(|(name, value)| (name, value.expose())).collect();
        let (plan, document) = (HEXLOWER.encode(&self.plan.0), BASE64.encode(&self.document));
        json!({ "plan": plan, "at": self.at, "taken": taken, "document": document }).to_string().into_bytes()
    }

    /// What was kept; none where it is not as it was written.
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let kept: Value = serde_json::from_slice(bytes).ok()?;
        let text = |name: &str| kept.get(name)?.as_str();
        let plan = HEXLOWER.decode(text("plan")?.as_bytes()).ok()?;
        let taken = kept.get("taken")?.as_array()?.iter().map(|pair| {
            let [name, value] = pair.as_array()?.as_slice() else { return None };
            Some((name.as_str()?.into(), Secret::new(value.as_str()?.to_owned())))
        });
        Some(Self {
            plan: Digest(plan.try_into().ok()?),
            at: kept.get("at")?.as_u64().and_then(|at| usize::try_from(at).ok())?,
            taken: taken.collect::<Option<_>>()?,
            document: BASE64.decode(text("document")?.as_bytes()).ok()?.into(),
        })
    }
}

impl<'d> Run<'d> {
    /// The next request, without what every request to the system has.
    ///
    /// # Errors
    /// [`UpstreamError::BadRequest`] where what was answered cannot stand in it.
    pub(in crate::upstream) fn request(&self, now: Timestamp) -> Result<Request<Body>, UpstreamError> {
        const UNMADE: UpstreamError = UpstreamError::BadRequest("a step of `delivers` cannot be made");
        let step = self.delivery.steps.get(self.at).ok_or(UNMADE)?;
        let scene = Scene { now, method: "", url: "", body: Some(&self.document) };
        let made = step.made(&self.taken, &scene).map_err(|_| UNMADE)?;
        let mut request = Request::new(match &made.json {
            Some(text) => Body::from(text.expose().to_owned().into_bytes()),
            None => Body::Empty,
        });
        *request.method_mut() = step.ask.method.clone();
        *request.uri_mut() = made.target;
        *request.headers_mut() = step.ask.headers.clone();
        if made.json.is_some() {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in made.fields {
            // In the place of what goes along otherwise, as what is asked for.
            request.headers_mut().insert(name, value);
        }
        Ok(request)
    }

    /// Whether the next step follows a link to another place.
    pub(in crate::upstream) fn is_elsewhere(&self) -> bool {
        self.delivery.steps.get(self.at).is_some_and(|step| step.link.is_some())
    }

    /// Where the link of the next step leads; none, and noted, where nobody there may be asked.
    pub(in crate::upstream) fn link(&mut self) -> Option<Beyond<'d>> {
        let delivery = self.delivery;
        let name = delivery.steps.get(self.at)?.link.as_deref()?;
        let (_, link) = self.taken.iter().find(|(known, _)| **known == *name)?;
        delivery.detached.request(link.expose()).map_err(|strayed| self.strayed.push(strayed)).ok()
    }

    /// Notes what became of a link.
    pub(in crate::upstream) fn note(&mut self, strayed: Strayed) {
        self.strayed.push(strayed);
    }

    /// Links that were followed or not. LIMIT: one for each step.
    pub(in crate::upstream) fn strayed(&mut self) -> Vec<Strayed> {
        std::mem::take(&mut self.strayed)
    }

    /// What an answer means.
    ///
    /// # Errors
    /// [`UpstreamError::BadAnswer`], before the record was taken.
    pub(in crate::upstream) fn came(
        &mut self,
        answer: NativeAnswer,
        now: Timestamp,
    ) -> Result<Next, UpstreamError> {
        let Some(step) = self.delivery.steps.get(self.at) else { return Ok(Next::Accepted) };
        if !answer.status.is_success() && step.is_optional {
            return Ok(self.on(now));
        }
        if !answer.status.is_success() {
            return Ok(if self.is_out() { Next::Accepted } else { Next::Done(bare(&answer)) });
        }
        // Whatever the answer holds, the record is the system's now.
        let is_out = self.at >= self.delivery.document;
        if let Some(until) = &step.until {
            match until.seen(&answer.body) {
                Seen::There => {}
                Seen::Pending if self.asked.saturating_add(1) < until.most => {
                    self.asked += 1;
                    return Ok(Next::Wait(until.every));
                }
                Seen::Refused(_) if step.is_optional => return Ok(self.on(now)),
                Seen::Refused(status) => return Ok(Next::Done(said(status, HeaderMap::new()))),
                Seen::Pending | Seen::Neither if step.is_optional => return Ok(self.on(now)),
                Seen::Pending | Seen::Neither => return self.unclear(is_out),
            }
        }
        let mut response = Response::new(answer.body);
        *response.headers_mut() = answer.headers;
        if taken_from(&step.take, &response, &mut self.taken).is_err() && !step.is_optional {
            return self.unclear(is_out);
        }
        Ok(self.on(now))
    }

    /// A request got no answer: what is next all the same. Who only asks may ask again.
    pub(in crate::upstream) fn lost(&mut self, now: Timestamp) -> Option<Next> {
        let is_optional = self.delivery.steps.get(self.at).is_some_and(|step| step.is_optional);
        match is_optional {
            true => Some(self.on(now)),
            false => (self.is_out() && !self.is_resumed).then_some(Next::Accepted),
        }
    }

    /// Goes on to the next step; behind the last one it is made.
    fn on(&mut self, now: Timestamp) -> Next {
        (self.at, self.asked) = (self.at.saturating_add(1), 0);
        if self.at < self.delivery.steps.len() {
            return Next::Send;
        }
        let scene = Scene { now, method: "", url: "", body: Some(&self.document) };
        // What an optional step did not give is not there: whatever else a field is made of was taken.
        let known = |field: &&(HeaderName, Recipe)| field.1.bind(&self.taken).is_some();
        let fields: Box<[_]> = self.delivery.fields.iter().filter(known).cloned().collect();
        let mut answer = match made_fields(&fields, &self.taken, &scene) {
            Ok(fields) => said(StatusCode::CREATED, fields.into_iter().collect()),
            Err(_) => return Next::Accepted,
        };
        if self.delivery.is_echoed {
            answer.body = self.document.clone();
        }
        Next::Done(answer)
    }

    /// Whether the record may be the system's though what came next failed.
    pub(in crate::upstream) fn is_out(&self) -> bool {
        self.at > self.delivery.document
    }

    /// There is no time to ask again.
    ///
    /// # Errors
    /// [`UpstreamError::BadAnswer`], before the record was taken.
    pub(in crate::upstream) fn late(&mut self, now: Timestamp) -> Result<Next, UpstreamError> {
        // There is no time for what is behind it either.
        while self.delivery.steps.get(self.at).is_some_and(|step| step.is_optional) {
            if let done @ (Next::Done(_) | Next::Accepted) = self.on(now) {
                return Ok(done);
            }
        }
        match self.at >= self.delivery.document {
            true => Ok(Next::Accepted),
            false => Err(UpstreamError::BadAnswer("a step of `delivers` was not ready in time")),
        }
    }

    /// What it takes to ask later. None where there is nothing to ask by.
    pub(in crate::upstream) fn unfinished(&self) -> Option<Unfinished> {
        let at = self.delivery.asking(self.at)?;
        let rest = self.delivery.steps.get(at..)?;
        let fields = &self.delivery.fields;
        let is_needed = |name: &str| {
            rest.iter().any(|step| step.needs(name)) || fields.iter().any(|(_, made)| made.needs(name))
        };
        let taken = self.taken.iter().filter(|(name, _)| is_needed(name)).cloned().collect();
        // A field of the answer may be made of it too.
        let is_kept = self.delivery.is_echoed || fields.iter().any(|(_, made)| made.uses_body());
        let document = if is_kept { self.document.clone() } else { Bytes::new() };
        Some(Unfinished { plan: self.delivery.plan, at, taken, document })
    }

    fn unclear(&self, is_out: bool) -> Result<Next, UpstreamError> {
        match is_out {
            true => Ok(Next::Accepted),
            false => Err(UpstreamError::BadAnswer("a step of `delivers` was answered otherwise than said")),
        }
    }
}

/// The system has it, and has not said what became of it.
pub(in crate::upstream) fn accepted() -> NativeAnswer {
    said(StatusCode::ACCEPTED, HeaderMap::new())
}

fn said(status: StatusCode, headers: HeaderMap) -> NativeAnswer {
    NativeAnswer { status, headers, body: Bytes::new(), received: None, over: None }
}

/// An answer to a step: its body is of another form than those of the mapping's own requests.
fn bare(answer: &NativeAnswer) -> NativeAnswer {
    let kept = answer.headers.get(RETRY_AFTER).map(|value| (RETRY_AFTER, value.clone()));
    said(answer.status, kept.into_iter().collect())
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Delivery({}, {} steps)", self.path, self.steps.len())
    }
}

impl fmt::Debug for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unfinished(step {})", self.at)
    }
}

impl fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Run({}, step {})", self.delivery.path, self.at)
    }
}
