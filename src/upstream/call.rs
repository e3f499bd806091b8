//! The governed calls: fetch, effect and open. What bounds them, and what is tried again.

use std::sync::{Arc, atomic::Ordering};

use http::{Method, Request, Response};
use tower::retry::budget::Budget;

use super::{
    SignInError, Upstream, UpstreamError,
    attempt::{Attempt, Flight, Followed, Streamed, Told, is_unavailable},
    pace::Early,
    sign_in::{About, Chosen, Keeps, Proof, Refused, SignedIn, Unfinished, settings::CallKind},
};
use crate::{
    audit::{Effect, Fetch, Receipt},
    body::Body,
    clock::{self, Now},
    mapping::{NativeAnswer, NativeRequest},
    wire::{Deadline, Pool, Sent, Tunnel, copied, is_safe},
    words::RequestId,
};

/// The pools of one core. Cheap to clone; to be used on its core only.
#[derive(Clone, Debug)]
pub struct CorePools {
    pub(super) pool: Pool,
}

/// What a passed-through call came to.
#[derive(Debug)]
pub enum Opened {
    /// An answer, its body still streaming. While it does, the call counts against the system's concurrency.
    Answer(Response<Body>),
    /// A switch of protocols that the caller had asked for: the head to repeat to it (cleaned of what belongs to the
    /// connection, but not yet by [`Upstream::clean_answer`]), the system's end of the stream, and the slot to hold
    /// while it lasts.
    Switched(Response<()>, Tunnel, Slot),
}

/// What an open stream takes of its system, until dropped: it counts against the system's concurrency, and as load of
/// the address it goes to.
#[derive(Debug)]
pub struct Slot {
    _counted: Counted,
    _flight: Flight,
}

/// A call counted against its system's concurrency, until dropped.
#[derive(Debug)]
struct Counted(Arc<Upstream>);

/// For whom a system is called, and what about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker<'a> {
    pub(super) id: RequestId,
    pub(super) about: About<'a>,
    /// Whose share of the system's pace it takes.
    pub(super) whose: Option<(&'a str, &'a str)>,
}

/// What may still be tried of one call.
struct Tries {
    left: u32,
    /// Whether our sign-in was renewed for it, and whether a token against forged requests was.
    renewed: bool,
    fetched_again: bool,
}

impl CorePools {
    /// Pools that keep at most so many idle connections in all, on this core.
    pub fn new(idle_max: usize) -> Self {
        Self { pool: Pool::new(idle_max) }
    }

    /// Drops idle connections that are too old or closed; to be called every few seconds, on this core.
    pub fn sweep(&self, now: Now) {
        self.pool.sweep(now);
    }

    /// How many connections are idle.
    pub fn idle(&self) -> usize {
        self.pool.idle()
    }
}

impl Upstream {
    /// A reading call: may be tried again. Several fetches go under one receipt (pages).
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn fetch(
        self: &Arc<Self>,
        core: &CorePools,
        receipt: &Receipt<Fetch>,
        request: NativeRequest,
        deadline: Deadline,
    ) -> Result<NativeAnswer, UpstreamError> {
        let told = self.native(core, Asker::of(receipt), &request, CallKind::Reading, deadline).await?;
        Ok(told.answer)
    }

    /// A changing call: sent once. It is tried again only while certainly nothing was sent, or when the system
    /// refused our sign-in. [`UpstreamError::sent`] says what is known. What the system takes and does not finish is
    /// kept before it is asked for.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn effect(
        self: &Arc<Self>,
        core: &CorePools,
        receipt: Receipt<Effect>,
        request: NativeRequest,
        deadline: Deadline,
        keeper: &dyn Keeps,
    ) -> Result<Told, UpstreamError> {
        let kind = (CallKind::Changing, Some(keeper));
        self.kept(core, Asker::of(&receipt), &request, kind, deadline).await
    }

    /// Asks what became of a change that was left unfinished. It only asks, by the sign-in of the change.
    ///
    /// # Errors
    /// [`UpstreamError`]; none of them says that nothing became of it.
    pub async fn follow(
        self: &Arc<Self>,
        core: &CorePools,
        receipt: &Receipt<Fetch>,
        left: &Unfinished,
        deadline: Deadline,
    ) -> Result<Told, UpstreamError> {
        let asker = Asker::of(receipt);
        let run = self.delivery.as_ref().and_then(|delivery| delivery.resume(left));
        let mut run = run.ok_or(UpstreamError::Superseded)?;
        let _counted = self.enter(asker)?;
        let mut now = clock::now();
        let deadline = deadline.sooner(Deadline::after(now, self.clocks.call));
        let mut tries = self.tries();
        let chosen @ Chosen { signed_in, .. } = self.sign_ins.choose(CallKind::Changing, asker.about);
        loop {
            let proof = proof(signed_in, &Method::GET, deadline, &mut now).await?;
            let (id, proof) = (asker.id, proof.as_ref());
            let attempt = Attempt { core, id, chosen, proof, keeper: None, deadline, now };
            match self.followed(&mut run, &attempt).await? {
                Followed::Told(told) => return Ok(told),
                Followed::Spent(refused) if tries.renews(signed_in, refused, proof) => {
                    now = clock::now();
                }
                Followed::Spent(_) => return Err(UpstreamError::SignIn(SignInError::Spent)),
            }
        }
    }

    /// A passed-through call: `request` comes from [`Upstream::forward`]; both bodies are streamed. The deadline
    /// holds until the answer's head, and so does the system's `call` clock, from the end of the request's body where
    /// that is streamed; until then it is whoever made it to bound.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn open(
        self: &Arc<Self>,
        core: &CorePools,
        receipt: Receipt<Effect>,
        request: Box<Request<Body>>,
        deadline: Deadline,
        now: Now,
    ) -> Result<Opened, UpstreamError> {
        self.passed(core, Asker::of(&receipt), request, deadline, now).await
    }

    pub(super) async fn native(
        self: &Arc<Self>,
        core: &CorePools,
        asker: Asker<'_>,
        request: &NativeRequest,
        kind: CallKind,
        deadline: Deadline,
    ) -> Result<Told, UpstreamError> {
        self.kept(core, asker, request, (kind, None), deadline).await
    }

    async fn kept(
        self: &Arc<Self>,
        core: &CorePools,
        asker: Asker<'_>,
        request: &NativeRequest,
        (kind, keeper): (CallKind, Option<&dyn Keeps>),
        deadline: Deadline,
    ) -> Result<Told, UpstreamError> {
        let _counted = self.enter(asker)?;
        let mut now = clock::now();
        let deadline = deadline.sooner(Deadline::after(now, self.clocks.call));
        let mut tries = self.tries();
        let chosen @ Chosen { signed_in, .. } = self.sign_ins.choose(kind, asker.about);
        let id = asker.id;
        loop {
            let proof = proof(signed_in, &request.method, deadline, &mut now).await?;
            let outgoing = self.outgoing(request)?;
            let attempt = Attempt { core, id, chosen, proof: proof.as_ref(), keeper, deadline, now };
            match self.gathered(outgoing, &attempt).await {
                Ok(told) => {
                    let answer = &told.answer;
                    let body = Some(&*answer.body);
                    if let Some(refused) = signed_in.refused(answer.status, &answer.headers, body) {
                        if tries.renews(signed_in, refused, proof.as_ref()) {
                            now = clock::now();
                            continue;
                        }
                        return match refused {
                            // Whoever reads the answer knows what it means.
                            Refused::Unauthorized => Ok(told),
                            Refused::Named | Refused::Csrf => Err(UpstreamError::SignIn(SignInError::Spent)),
                        };
                    }
                    let elsewhere = kind == CallKind::Reading && self.balance.len() > 1;
                    if !(elsewhere && is_unavailable(answer.status) && self.may_try(&mut tries, asker)) {
                        return Ok(told);
                    }
                }
                Err(error) => {
                    let repeatable = kind == CallKind::Reading || error.sent() == Sent::No;
                    if !(repeatable && error.is_of_the_way() && self.may_try(&mut tries, asker)) {
                        return Err(error);
                    }
                }
            }
            now = clock::now();
        }
    }

    pub(super) async fn passed(
        self: &Arc<Self>,
        core: &CorePools,
        asker: Asker<'_>,
        mut request: Box<Request<Body>>,
        deadline: Deadline,
        mut now: Now,
    ) -> Result<Opened, UpstreamError> {
        let counted = self.enter(asker)?;
        // An upload takes as long as its sender; the clocks start when it is through.
        let deadline = match request.body() {
            Body::Empty | Body::Full(_) => deadline.sooner(Deadline::after(now, self.clocks.call)),
            Body::Incoming(_) | Body::Stream(_) => deadline,
        };
        let mut tries = self.tries();
        let kind = if is_safe(request.method()) { CallKind::Reading } else { CallKind::Changing };
        let chosen @ Chosen { signed_in, .. } = self.sign_ins.choose(kind, asker.about);
        let id = asker.id;
        loop {
            let proof = proof(signed_in, request.method(), deadline, &mut now).await?;
            // What was fetched may turn out to be spent: then the request is needed once more.
            let copy = if signed_in.is_fetched() && !(tries.renewed && tries.fetched_again) {
                copied(&request).map(Box::new)
            } else {
                None
            };
            let attempt = Attempt { core, id, chosen, proof: proof.as_ref(), keeper: None, deadline, now };
            match self.streamed(request, &attempt).await {
                Ok(Streamed::Switched(head, tunnel, flight)) => {
                    let slot = Slot { _counted: counted, _flight: flight };
                    return Ok(Opened::Switched(head, tunnel, slot));
                }
                Ok(Streamed::Answer(answer, flight)) => {
                    // The token is spent for the next call too, whether or not this one can be sent again.
                    let refused = signed_in.refused(answer.status(), answer.headers(), None);
                    let renewed =
                        refused.is_some_and(|refused| tries.renews(signed_in, refused, proof.as_ref()));
                    match copy.filter(|_| renewed) {
                        Some(copy) => request = copy,
                        None => {
                            let slot = Slot { _counted: counted, _flight: flight };
                            return Ok(Opened::Answer(answer.map(|body| body.into_body(slot))));
                        }
                    }
                }
                Err((error, Some(unsent))) if error.is_of_the_way() && self.may_try(&mut tries, asker) => {
                    request = unsent;
                }
                Err((error, _)) => return Err(error),
            }
            now = clock::now();
        }
    }

    /// Counts a call, or refuses it: a queue in front of a slow system only makes it late for everybody.
    fn enter(self: &Arc<Self>, asker: Asker<'_>) -> Result<Counted, UpstreamError> {
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(self.clone());
        if before >= self.concurrency_max {
            return Err(UpstreamError::Busy { concurrency_max: self.concurrency_max });
        }
        self.take(asker)?;
        Ok(counted)
    }

    /// One more call in the system's own time.
    fn take(&self, asker: Asker<'_>) -> Result<(), UpstreamError> {
        let Some(pace) = &self.pace else { return Ok(()) };
        pace.take(asker.whose)
            .map_err(|Early { after, is_share }| UpstreamError::Paced { retry_after: after, is_share })
    }

    fn tries(&self) -> Tries {
        self.budget.deposit();
        Tries { left: self.tries_max, renewed: false, fetched_again: false }
    }

    /// Whether another try is granted.
    fn may_try(&self, tries: &mut Tries, asker: Asker<'_>) -> bool {
        if tries.left == 0 || !self.budget.withdraw() || self.take(asker).is_err() {
            return false;
        }
        tries.left -= 1;
        true
    }
}

/// What to sign in by. Fetching it may take a while, which is not the system's: its clocks start afterwards.
async fn proof(
    signed_in: &SignedIn,
    method: &Method,
    deadline: Deadline,
    now: &mut Now,
) -> Result<Option<Proof>, UpstreamError> {
    let proof = signed_in.proof(method, deadline, *now).await.map_err(UpstreamError::SignIn)?;
    if signed_in.is_fetched() {
        *now = clock::now();
    }
    Ok(proof)
}

impl<'a> Asker<'a> {
    fn of<K>(receipt: &'a Receipt<K>) -> Self {
        let about = About { entity: receipt.entity(), groups: receipt.groups() };
        Self { id: receipt.request(), about, whose: receipt.holder() }
    }
}

impl Tries {
    /// Whether a refusal of our sign-in is worth another one: once for each call.
    fn renews(&mut self, signed_in: &SignedIn, refused: Refused, proof: Option<&Proof>) -> bool {
        let another = signed_in.renews(refused, proof, clock::mono());
        let done = match refused {
            Refused::Unauthorized | Refused::Named => &mut self.renewed,
            Refused::Csrf => &mut self.fetched_again,
        };
        another && !std::mem::replace(done, true)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
