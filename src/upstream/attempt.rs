//! One try of a call: an address picked, the request addressed and signed, sent, and what became of it told to
//! breaker and balance.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use http::{
    HeaderName, HeaderValue, Request, Response, StatusCode,
    header::{HOST, USER_AGENT},
};

use super::{
    CorePools, Upstream, UpstreamError,
    balance::Picked,
    breaker::Pass,
    forward,
    sign_in::{Chosen, Delivery, Keeps, Next, Proof, Refused, Run, Strayed, Unfinished, accepted},
};
use crate::{
    body::Body,
    clock::{self, Now},
    mapping::{NativeAnswer, NativeRequest, Received},
    wire::{Answer, Deadline, Failed, Origin, Outcome, Tunnel, gather, is_safe},
    words::RequestId,
};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a try needs besides the request.
pub(super) struct Attempt<'a> {
    pub(super) core: &'a CorePools,
    pub(super) id: RequestId,
    pub(super) chosen: Chosen<'a>,
    pub(super) proof: Option<&'a Proof>,
    /// Who keeps what the system has taken and not finished.
    pub(super) keeper: Option<&'a dyn Keeps>,
    pub(super) deadline: Deadline,
    pub(super) now: Now,
}

/// What a mapped call came to.
#[derive(Debug)]
pub struct Told {
    /// The answer.
    pub answer: NativeAnswer,
    /// What the system has taken and not finished, where the answer says so and it can be asked for later.
    pub unfinished: Option<Box<Unfinished>>,
    /// Links to other places that were followed on the way, or were not.
    pub strayed: Vec<Strayed>,
}

/// How far asking for what was left unfinished got.
pub(super) enum Followed {
    Told(Told),
    /// Our sign-in was refused.
    Spent(Refused),
}

/// What a try of a passed-through call came to.
pub(super) enum Streamed {
    Answer(Response<Answer>, Flight),
    Switched(Response<()>, Tunnel, Flight),
}

/// An address counted as loaded, until dropped.
#[derive(Debug)]
pub(super) struct Flight {
    upstream: Arc<Upstream>,
    picked: Picked,
}

/// A call under way whose end will be told.
struct Departed<'a> {
    pass: Pass<'a>,
    flight: Flight,
}

impl Upstream {
    /// Sends and gathers.
    pub(super) async fn gathered(
        self: &Arc<Self>,
        mut request: Request<Body>,
        attempt: &Attempt<'_>,
    ) -> Result<Told, UpstreamError> {
        let departed = self.depart(attempt.now)?;
        let origin = attempt.origin(departed.flight.origin(attempt.chosen.number)?);
        if let Some(delivery) = self.delivery.as_ref().filter(|delivery| delivery.takes(&request)) {
            // Boxed: seldom taken, and large.
            let result = Box::pin(self.delivered(delivery, request, origin, attempt)).await;
            departed.arrive(match &result {
                Ok(told) => Some(!is_unavailable(told.answer.status)),
                Err(error) => error.verdict(),
            });
            return result;
        }
        self.address(&mut request, origin, attempt)?;
        let result = self.sent(origin, request, attempt, attempt.now).await;
        departed.arrive(match &result {
            Ok(answer) => Some(!is_unavailable(answer.status)),
            Err(error) => error.verdict(),
        });
        result.map(Told::from)
    }

    /// Sends a record in steps. Once it is out, whatever else fails leaves it accepted.
    async fn delivered(
        &self,
        delivery: &Delivery,
        request: Request<Body>,
        origin: &Arc<Origin>,
        attempt: &Attempt<'_>,
    ) -> Result<Told, UpstreamError> {
        let mut run = delivery.begin(request.into_body())?;
        let mut keeper = attempt.keeper;
        loop {
            let now = clock::now();
            let next = match self.step(&mut run, origin, attempt, now).await {
                Ok(answer) => run.came(answer, now.wall)?,
                Err(error) => match run.lost(now.wall) {
                    Some(next) => next,
                    None => return Err(error),
                },
            };
            let next = match next {
                Next::Wait(every) if Deadline::after(clock::now(), every) < attempt.deadline => {
                    tokio::time::sleep(every).await;
                    continue;
                }
                Next::Wait(_) => run.late(now.wall)?,
                next @ (Next::Send | Next::Done(_) | Next::Accepted) => next,
            };
            if let Some(told) = Told::at_the_end(next, &mut run) {
                return Ok(told);
            }
            // ORDER: before the first one that asks is sent.
            if run.is_out()
                && let Some(left) = run.unfinished()
                && let Some(keeper) = keeper.take()
            {
                keeper.keep(left).await;
            }
        }
    }

    /// Asks what became of a record that was left unfinished: once, whoever wants to know more asks again.
    pub(super) async fn followed(
        self: &Arc<Self>,
        run: &mut Run<'_>,
        attempt: &Attempt<'_>,
    ) -> Result<Followed, UpstreamError> {
        let departed = self.depart(attempt.now)?;
        let origin = attempt.origin(departed.flight.origin(attempt.chosen.number)?);
        let result = self.asked_on(run, origin, attempt).await;
        departed.arrive(match &result {
            Ok(_) => Some(true),
            Err(error) => error.verdict(),
        });
        result
    }

    async fn asked_on(
        &self,
        run: &mut Run<'_>,
        origin: &Arc<Origin>,
        attempt: &Attempt<'_>,
    ) -> Result<Followed, UpstreamError> {
        loop {
            let (now, is_ours) = (clock::now(), !run.is_elsewhere());
            let next = match self.step(run, origin, attempt, now).await {
                Ok(answer) => {
                    let (signed_in, body) = (attempt.chosen.signed_in, Some(&*answer.body));
                    let refused = signed_in.refused(answer.status, &answer.headers, body);
                    if let Some(refused) = refused.filter(|_| is_ours) {
                        return Ok(Followed::Spent(refused));
                    }
                    run.came(answer, now.wall)?
                }
                Err(error) => run.lost(now.wall).ok_or(error)?,
            };
            let next = match next {
                Next::Wait(_) => run.late(now.wall)?,
                next @ (Next::Send | Next::Done(_) | Next::Accepted) => next,
            };
            if let Some(told) = Told::at_the_end(next, run) {
                return Ok(Followed::Told(told));
            }
        }
    }

    /// Sends one request of several.
    async fn step(
        &self,
        run: &mut Run<'_>,
        origin: &Arc<Origin>,
        attempt: &Attempt<'_>,
        now: Now,
    ) -> Result<NativeAnswer, UpstreamError> {
        if run.is_elsewhere() {
            return self.beyond(run, attempt, now).await;
        }
        let mut request = run.request(now.wall)?;
        let method = request.method().clone();
        let body = std::mem::take(request.body_mut());
        forward::frame(&method, request.headers_mut(), &body);
        *request.body_mut() = body;
        self.address(&mut request, origin, attempt)?;
        self.sent(origin, request, attempt, now).await
    }

    /// Follows a link to another place, within the system's bounds and with nothing of its own.
    async fn beyond(
        &self,
        run: &mut Run<'_>,
        attempt: &Attempt<'_>,
        now: Now,
    ) -> Result<NativeAnswer, UpstreamError> {
        const LOST: UpstreamError = UpstreamError::BadAnswer("a link leads where nobody may be asked");
        let (origin, request, strayed) = run.link().ok_or(LOST)?;
        let came = self.sent(origin, request, attempt, now).await;
        run.note(match &came {
            Ok(answer) => strayed.answered(answer.status.as_u16()),
            Err(_) => strayed,
        });
        came
    }

    /// Sends a request that is whole, and gathers its answer.
    async fn sent(
        &self,
        origin: &Arc<Origin>,
        request: Request<Body>,
        attempt: &Attempt<'_>,
        now: Now,
    ) -> Result<NativeAnswer, UpstreamError> {
        match attempt.core.pool.send(origin, request, &self.clocks, attempt.deadline, now).await {
            Ok(Outcome::Answered(answer)) => self.gather(answer, attempt.deadline).await,
            Ok(Outcome::Switched(..)) => Err(UpstreamError::BadAnswer("it switched protocols")),
            Err(failed) => Err(failed.into()),
        }
    }

    /// Sends, up to the answer's head. A request of which nothing was sent, or that may be repeated, comes back.
    pub(super) async fn streamed(
        self: &Arc<Self>,
        mut request: Box<Request<Body>>,
        attempt: &Attempt<'_>,
    ) -> Result<Streamed, (UpstreamError, Option<Box<Request<Body>>>)> {
        let departed = self.depart(attempt.now).map_err(|error| (error, None))?;
        let origin =
            attempt.origin(departed.flight.origin(attempt.chosen.number).map_err(|error| (error, None))?);
        let repeatable = is_safe(request.method());
        self.address(&mut request, origin, attempt).map_err(|error| (error, None))?;
        let (pool, clocks, deadline) = (&attempt.core.pool, &self.clocks, attempt.deadline);
        let sent = if repeatable {
            pool.send_repeatable(origin, request, clocks, deadline, attempt.now).await
        } else {
            pool.send(origin, request, clocks, deadline, attempt.now).await
        };
        match sent {
            Ok(Outcome::Answered(answer)) => {
                let flight = departed.arrive(Some(!is_unavailable(answer.status())));
                Ok(Streamed::Answer(answer, flight))
            }
            Ok(Outcome::Switched(head, tunnel)) => {
                let flight = departed.arrive(Some(true));
                Ok(Streamed::Switched(head, tunnel, flight))
            }
            Err(failed) => {
                let Failed { error, sent, unsent } = *failed;
                let error = UpstreamError::of_wire(error, sent);
                departed.arrive(error.verdict());
                Err((error, unsent))
            }
        }
    }

    /// A mapped request without what each try adds.
    pub(super) fn outgoing(&self, native: &NativeRequest) -> Result<Request<Body>, UpstreamError> {
        let (path, query) = match native.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (native.target.as_str(), None),
        };
        let (mut headers, body) = (native.headers.clone(), Body::from(native.body.clone()));
        forward::frame(&native.method, &mut headers, &body);
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static("bramka"));
        let mut request = Request::new(body);
        *request.uri_mut() = self.target(path, query)?.into();
        *request.method_mut() = native.method.clone();
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// Adds what each try has of its own.
    fn address(
        &self,
        request: &mut Request<Body>,
        origin: &Origin,
        attempt: &Attempt<'_>,
    ) -> Result<(), UpstreamError> {
        let headers = request.headers_mut();
        headers.insert(HOST, origin.authority().clone());
        if let Ok(id) = HeaderValue::try_from(HEXLOWER.encode(&attempt.id.0)) {
            headers.insert(X_REQUEST_ID, id);
        }
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        // ORDER: last, so that it holds whatever the file and the caller say, and signs what is sent.
        match attempt.proof {
            Some(proof) => proof.sign(request, origin, attempt.now),
            None => Ok(()),
        }
    }

    fn depart(self: &Arc<Self>, now: Now) -> Result<Departed<'_>, UpstreamError> {
        let pass =
            self.breaker.enter(now.mono).map_err(|retry_after| UpstreamError::BreakerOpen { retry_after })?;
        let flight = Flight { upstream: self.clone(), picked: self.balance.pick(now.mono) };
        Ok(Departed { pass, flight })
    }

    async fn gather(
        &self,
        answer: Response<Answer>,
        deadline: Deadline,
    ) -> Result<NativeAnswer, UpstreamError> {
        let (parts, body) = answer.into_parts();
        let body = gather(body, self.answer_bytes_max, deadline).await.map_err(UpstreamError::of_answer)?;
        let received = Some(Received::at(clock::now().wall));
        Ok(NativeAnswer { status: parts.status, headers: parts.headers, body, received, over: None })
    }
}

impl Told {
    /// What a record that goes in steps came to; none where it goes on.
    fn at_the_end(next: Next, run: &mut Run<'_>) -> Option<Self> {
        let (answer, unfinished) = match next {
            Next::Send | Next::Wait(_) => return None,
            Next::Done(answer) => (answer, None),
            Next::Accepted => (accepted(), run.unfinished().map(Box::new)),
        };
        Some(Self { answer, unfinished, strayed: run.strayed() })
    }
}

impl From<NativeAnswer> for Told {
    fn from(answer: NativeAnswer) -> Self {
        Self { answer, unfinished: None, strayed: Vec::new() }
    }
}

impl<'a> Attempt<'a> {
    /// The address to call: the one picked, unless the sign-in is good for another.
    fn origin<'o>(&self, picked: &'o Arc<Origin>) -> &'o Arc<Origin>
    where
        'a: 'o,
    {
        self.proof.and_then(Proof::origin).unwrap_or(picked)
    }
}

impl Departed<'_> {
    /// Tells how the system did, if that is known; the address stays loaded until the flight is dropped.
    fn arrive(self, well: Option<bool>) -> Flight {
        let Self { pass, flight } = self;
        let balance = &flight.upstream.balance;
        match well {
            Some(true) => {
                balance.did_well(flight.picked);
                pass.did_well();
            }
            Some(false) => {
                let now = clock::now().mono;
                balance.failed(flight.picked, now);
                pass.failed(now);
            }
            None => {}
        }
        flight
    }
}

impl Flight {
    fn origin(&self, sign_in: usize) -> Result<&Arc<Origin>, UpstreamError> {
        self.upstream
            .balance
            .origin(self.picked, sign_in)
            .ok_or(UpstreamError::BadRequest("the system has no address"))
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.upstream.balance.put_back(self.picked);
    }
}

/// Answers by which a system, or what stands before it, says that it is not there.
pub(super) fn is_unavailable(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}
