//! One exchange on its way: its entry, its snapshot, and how it ends.

mod part;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use http::{HeaderName, HeaderValue, Request, Response, header};
use hyper::upgrade::OnUpgrade;

use super::{
    Core, Outcome,
    exposing::LeftOut,
    joined::{Fetched, Untold},
    known::Known,
    once::Once,
    wanted::untold,
};
use crate::{
    answer::Answer,
    audit::{Answered, Came, Entry, Withheld},
    body::Body,
    catalog::{Action, Operation},
    clock::{self, Now},
    config::{EntitySource, Listener, Snapshot},
    idempotency::AcceptedId,
    mapping::{FaultKind, Inward, Listing, Mapping, NativeAnswer, NativeRequest, RowFault, SystemFault},
    policy::{Change, Denied, Detail, Judged, Mismatch, Policies, Prospect, WritePermit},
    quality::Flaw,
    quota::{self, Standing},
    refusal::{Form, Refusal, told_faults},
    schema::{FieldSet, Record},
    telemetry::{Reason, SystemLabel},
    upstream::{Strayed, Unfinished, UpstreamError},
    wire::Deadline,
    words::{Channel, Digest, RequestId, StatementId, SystemName},
};

/// What every step of an exchange has at hand.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) core: Arc<Core>,
    /// The bundle this exchange is judged by, from first to last.
    pub(super) snapshot: Arc<Snapshot>,
    /// The listener it came to, as that bundle has it.
    listener: Option<Arc<Listener>>,
    pub(super) entry: Entry,
    pub(super) channel: Arc<Channel>,
    pub(super) known: Arc<Known>,
    pub(super) opened: Now,
    pub(super) standing: Option<Standing>,
    /// The caller's trace, passed on to systems (W3C Trace Context).
    pub(super) traceparent: Option<HeaderValue>,
    /// The caller's body where it was gathered, until its digest is written down.
    pub(super) sent: Option<Bytes>,
    /// The `Idempotency-Key` of a write.
    pub(super) once: Option<Box<Once>>,
    /// How far a change has got.
    pub(super) progress: Progress,
    /// What the system accepted and did not finish.
    pub(super) unfinished: Option<Box<Unfinished>>,
    /// By what that is asked for, where it was kept before the system was asked.
    pub(super) early: Option<AcceptedId>,
    /// What other systems have left untold of the answer.
    pub(super) untold: Vec<Untold>,
    /// Records that others name, as far as statements go by them.
    pub(super) related: Fetched,
    /// Of the record that is judged next, what its system told.
    pub(super) fetched: FieldSet,
    /// Records that a budget has no room for.
    pub(super) left_out: Option<LeftOut>,
    /// Seconds for which what was found may lack what this gate wrote.
    lag: Option<u64>,
    /// How refusals are told here.
    pub(super) form: Form,
    /// The refusal that is counted already.
    refused: Option<&'static str>,
    /// A statement that could not be judged was told already.
    erred: bool,
    action: &'static str,
}

/// How far a change of a system has got. A refusal says so: whoever is told of a failure tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing was sent, or the system said no.
    Nothing,
    /// An intent is written; the system may have heard of it.
    Begun,
    /// The system has done some of it, and certainly not the rest.
    Partly,
    /// The system has done it.
    Done,
}

/// Which record a judgement looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// As the system holds it.
    Stored,
    /// As it would be.
    New,
}

impl Exchange {
    /// Boxed: it goes through many hands, and every one of them would have a place for a copy.
    pub(super) fn open(core: Arc<Core>, channel: Arc<Channel>) -> Box<Self> {
        let opened = clock::now();
        let snapshot = core.gate.live.snapshot();
        let listener = snapshot.listeners.get(channel.listener.as_str()).cloned();
        let known = core.connections.known(&channel);
        let mut entry = Entry::open_with(&core.lane, core.request_id(), &known.words, opened);
        entry.bundle(snapshot.digest);
        Box::write(
            Box::new_uninit(),
            Self {
                core,
                snapshot,
                listener,
                entry,
                channel,
                known,
                opened,
                standing: None,
                traceparent: None,
                sent: None,
                once: None,
                progress: Progress::Nothing,
                unfinished: None,
                early: None,
                untold: Vec::new(),
                related: Fetched::default(),
                fetched: FieldSet::EMPTY,
                left_out: None,
                lag: None,
                form: Form::Problem,
                refused: None,
                erred: false,
                action: "none",
            },
        )
    }

    /// What is asked for is known.
    pub(super) fn asked(&mut self, operation: &Operation) {
        self.action = operation.action().as_str();
        let target = match operation {
            Operation::Call(call) => call.system.as_str(),
            Operation::Read(entity, _)
            | Operation::List(entity)
            | Operation::Create(entity)
            | Operation::Update(entity, ..)
            | Operation::Delete(entity, _) => entity.name.as_str(),
        };
        self.entry.operation(operation.action(), target);
        if let Operation::Call(call) = operation {
            self.entry.context("context.checked.call.path", &call.path);
        }
    }

    /// The listener's terms.
    ///
    /// # Errors
    /// The bundle has no such listener.
    pub(super) fn listener(&self) -> Result<&Arc<Listener>, Refusal> {
        self.listener.as_ref().ok_or(Refusal::Broken)
    }

    /// When the whole exchange must have ended.
    pub(super) fn deadline(&self) -> Deadline {
        Deadline::after(self.opened, self.time_max())
    }

    /// How long the whole exchange may take.
    pub(super) fn time_max(&self) -> Duration {
        let time = self.listener.as_ref().map(|listener| listener.bounds.request_deadline.0);
        time.unwrap_or(Duration::from_secs(60))
    }

    /// No statement can permit it.
    pub(super) fn denied(&mut self, denied: Denied) -> Refusal {
        if let Denied::Never(grounds) = &denied {
            self.entry.decided(&grounds.statements, grounds.detail);
        } else if let Denied::Erroring { statement, .. } = &denied {
            self.erring(statement);
        }
        Refusal::Forbidden(denied)
    }

    /// A statement could not be judged, which refuses what it was judged on. The log has it once an exchange.
    pub(super) fn erring(&mut self, statement: &StatementId) {
        self.entry.note("erring", statement);
        if !std::mem::replace(&mut self.erred, true) {
            let request = self.entry.request();
            tracing::warn!(%request, %statement, "a statement could not be judged, so it refuses");
        }
    }

    /// A sampled decision is repeated on the full set of statements; a difference refuses and alarms.
    pub(super) fn recheck(&self, prospect: &Prospect, record: Option<&Record>) -> Result<(), Refusal> {
        self.repeat(|policies| policies.recheck(prospect.outlook(), record, None))
    }

    /// The same for a change, on either side of it.
    pub(super) fn recheck_change(&self, prospect: &Prospect, change: &Change) -> Result<(), Refusal> {
        self.repeat(|policies| policies.recheck_change(prospect.outlook(), change))
    }

    /// The same for what a write's answer shows.
    pub(super) fn recheck_echo(&self, permit: &WritePermit, record: &Record) -> Result<(), Refusal> {
        self.repeat(|policies| policies.recheck_echo(permit, record))
    }

    /// The same for what the answer to a repeated write shows.
    pub(super) fn recheck_again(&self, prospect: &Prospect, record: &Record) -> Result<(), Refusal> {
        self.repeat(|policies| policies.recheck_again(prospect.outlook(), record))
    }

    fn repeat(&self, decision: impl FnOnce(&Policies) -> Result<(), Box<Mismatch>>) -> Result<(), Refusal> {
        if !self.core.is_sampled() {
            return Ok(());
        }
        let telemetry = &self.core.gate.telemetry;
        telemetry.rechecks.inc();
        decision(&self.snapshot.policies).map_err(|mismatch| {
            telemetry.mismatches.inc();
            tracing::error!(?mismatch, "the full set of statements decides differently");
            Refusal::Mismatch
        })
    }

    /// Notes what of a record statements read, so that the decision can be replayed. ORDER: before it is judged,
    /// so that a refusal has it too.
    pub(super) fn judged_on(&mut self, prospect: &Prospect, record: &Record, side: Side) {
        let Some(entity) = prospect.operation().entity() else { return };
        let prefix = match side {
            Side::Stored => "",
            Side::New => "new:",
        };
        let mut reads = prospect.reads();
        // What a bundle that is tried goes by besides, as far as it is at hand: nothing is asked for it.
        if let Some(shadow) = &*self.core.gate.shadow.load()
            && let Some(named) = shadow.reads(self.snapshot.digest, &entity.name)
        {
            reads = reads.union(&named.intersection(&self.fetched));
        }
        let follows = prospect.outlook().follows();
        self.entry.judged_on(entity, (&reads, &follows), record, prefix);
    }

    /// Notes what came of the record that was judged last: it is shown, or not there.
    pub(super) fn came(&mut self, judged: &Judged) {
        self.entry.came(match judged {
            Judged::Shown(shown) => Came::Shown(shown.fields(), shown.masks().into()),
            Judged::Denied(_) => Came::Denied,
            Judged::Erroring { .. } => Came::Erring,
        });
    }

    /// Refuses a record of which the system did not tell what statements read.
    pub(super) fn told(
        &mut self,
        prospect: &Prospect,
        mapping: &Mapping,
        inward: &Inward,
    ) -> Result<(), Refusal> {
        let untold = untold(mapping, prospect, inward);
        if untold.is_empty() {
            return Ok(());
        }
        self.note_untold(prospect, &untold);
        Err(Refusal::Untold)
    }

    /// Notes the fields that statements read and a system did not tell.
    pub(super) fn note_untold(&mut self, prospect: &Prospect, untold: &FieldSet) {
        let Some(entity) = prospect.operation().entity() else { return };
        for leaf in untold.iter().filter_map(|leaf| entity.leaf(leaf)) {
            self.entry.note("untold", &leaf.path);
            let request = self.entry.request();
            tracing::warn!(%request, entity = %entity.name, field = %leaf.path, "statements read a field that the system did not tell");
        }
    }

    /// A list leaves a record out.
    pub(super) fn withheld(&mut self, why: Withheld) {
        let reason = match why {
            Withheld::Denied => "denied",
            Withheld::Erring => "erring",
            Withheld::Unfit => "unfit",
            Withheld::Spent => "spent",
        };
        self.core.gate.telemetry.withheld.get_or_create(&Reason { reason }).inc();
        self.entry.withheld(1, why);
    }

    /// A request to a system, with the caller's trace.
    pub(super) fn traced(&self, mut request: NativeRequest) -> NativeRequest {
        if let Some(trace) = &self.traceparent {
            request.headers.insert("traceparent", trace.clone());
        }
        request
    }

    /// Notes a call to a system.
    pub(super) fn called(
        &mut self,
        system: &SystemName,
        status: Option<u16>,
        began: Now,
        sent: usize,
        got: usize,
    ) {
        let took = clock::mono().saturating_duration_since(began.mono);
        self.called_for(system, (status, took), sent, got);
    }

    /// Notes a call that took so long.
    pub(super) fn called_for(
        &mut self,
        system: &SystemName,
        (status, took): (Option<u16>, Duration),
        sent: usize,
        got: usize,
    ) {
        let micros = took.as_micros();
        let narrow = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        self.entry.system(system, status, micros, narrow(sent), narrow(got));
        self.core.called(system);
        if status.is_some_and(|status| status >= 500) {
            self.failed(system);
        }
    }

    /// Notes links of a system's answers that were followed to another place, or were not.
    pub(super) fn strayed(&mut self, system: &SystemName, links: &[Strayed]) {
        let request = self.entry.request();
        for link in links.iter().filter(|link| !link.was_answered()) {
            tracing::warn!(%request, %system, %link, "a link that the system gave led to nothing");
        }
        if !links.is_empty() {
            let told: Vec<_> = links.iter().map(Strayed::to_string).collect();
            self.entry.note("links", told.join(", "));
        }
    }

    fn failed(&self, system: &SystemName) {
        let label = SystemLabel { system: system.as_str().to_owned() };
        self.core.gate.telemetry.system_failures.get_or_create(&label).inc();
    }

    /// A system was not reached or gave no usable answer.
    pub(super) fn unreached(&self, system: &SystemName, error: UpstreamError) -> Refusal {
        self.failed(system);
        Refusal::Upstream(system.clone(), Box::new(error))
    }

    /// A system said no to a question of ours: one that is not well put is no fault of the caller's.
    pub(super) fn refused_by(&self, system: &SystemName, mut fault: SystemFault) -> Refusal {
        if let FaultKind::Invalid(_) | FaultKind::Partial = fault.kind {
            fault.kind = FaultKind::Unknown;
        }
        Refusal::System(system.clone(), Box::new(fault))
    }

    /// A system said no to a change. Its faults are told as far as this caller knows of the fields.
    pub(super) fn change_refused_by(
        &self,
        prospect: &Prospect,
        system: &SystemName,
        mut fault: SystemFault,
    ) -> Refusal {
        if let FaultKind::Invalid(faults) = &mut fault.kind {
            *faults = told_faults(&known(prospect), std::mem::take(faults));
        }
        Refusal::System(system.clone(), Box::new(fault))
    }

    /// Counts the records that a system gave in an answer, to a list where there is one, and what of them does not fit
    /// the schema. Of a few, seldom, native fields are looked at that no line reads.
    pub(super) fn looked_at<'a>(
        &self,
        mapping: &Mapping,
        wanted: &FieldSet,
        rows: impl ExactSizeIterator<Item = Result<&'a Inward, &'a RowFault>>,
        (listing, answer): (Option<&Listing>, &NativeAnswer),
    ) {
        let gate = &self.core.gate;
        let now = clock::now().wall;
        self.core.looked_at(mapping.system(), mapping.name(), rows.len());
        let seen = gate.quality.page(mapping, wanted, rows, now);
        for (field, flaw, count) in seen.flaws {
            tracing::debug!(system = %mapping.system(), entity = %mapping.name(), field, flaw = flaw.as_str(), count, "records do not fit");
            gate.telemetry.flawed(
                mapping.system().as_str(),
                mapping.name().as_str(),
                field,
                flaw.as_str(),
                count,
            );
        }
        if seen.look.is_empty() {
            return;
        }
        let found = mapping.new_fields(listing, answer, &seen.look);
        if found.flawed > 0 {
            // A native path is nothing that a label may be: a system could name any number of them.
            let (system, entity) = (mapping.system().as_str(), mapping.name().as_str());
            gate.telemetry.flawed(
                system,
                entity,
                String::new(),
                Flaw::NewField.as_str(),
                found.flawed.into(),
            );
        }
        gate.quality.looked(mapping, found, now);
    }

    /// Notes that a list comes from an index that may lack what this gate wrote.
    pub(super) fn lags(&mut self, mapping: &Mapping, listing: &Listing) {
        let written = &self.core.gate.written;
        let left = mapping
            .lag(listing)
            .and_then(|lag| written.left(mapping.system(), mapping.name(), lag, clock::mono()));
        let left = left.map(|left| left.as_secs().saturating_add(1));
        self.lag = self.lag.max(left);
    }

    /// Ends a gathered exchange: the entry is written before the answer leaves.
    pub(super) async fn finish(self: Box<Self>, outcome: Outcome) -> Response<Body> {
        match outcome {
            Ok(answer) => self.succeed(answer).await,
            Err(refusal) => self.refuse(&refusal).await,
        }
    }

    async fn succeed(mut self: Box<Self>, answer: Answer) -> Response<Body> {
        self.digests(answer.body());
        let (status, bytes) = (answer.status().as_u16(), answer.body().len());
        let mut response = answer.response();
        if let Some(lag) = self.lag {
            self.entry.note("lag", lag);
            response.headers_mut().insert(LAG, HeaderValue::from(lag));
        }
        self.conclude(response, status, bytes).await
    }

    /// Ends an exchange that is refused.
    pub(super) async fn refuse(mut self: Box<Self>, refusal: &Refusal) -> Response<Body> {
        self.entry.refusal(refusal.reason());
        self.note_progress();
        let id = self.entry.request();
        if refusal.is_of_interest() {
            tracing::warn!(request = %id, reason = refusal.reason(), cause = %refusal, "refused");
        }
        self.core.gate.telemetry.refused(refusal.reason());
        self.refused = Some(refusal.reason());
        let response = refusal.response_in(self.form, id);
        // The refusal's own: some forms tell it inside a 200.
        let status = refusal.status().as_u16();
        let bytes = match response.body() {
            Body::Full(bytes) => bytes.clone(),
            Body::Empty | Body::Incoming(_) | Body::Stream(_) => Bytes::new(),
        };
        self.digests(&bytes);
        self.conclude(response, status, bytes.len()).await
    }

    /// Notes, of a refusal, how far a change has got all the same.
    fn note_progress(&mut self) {
        match self.progress {
            Progress::Nothing => {}
            Progress::Begun => self.entry.note("outcome", "unknown"),
            Progress::Partly => self.entry.note("outcome", "partly"),
            Progress::Done => self.entry.note("outcome", "done"),
        }
    }

    /// Digests of both bodies, where a statement that decided asks for them.
    fn digests(&mut self, shown: &Bytes) {
        self.digest_sent();
        if self.entry.detail() == Detail::BodyDigest && !shown.is_empty() {
            self.entry.body_digest("body_shown", &Digest::of(shown));
        }
    }

    /// The digest of what the caller sent: once, and before an intent.
    pub(super) fn digest_sent(&mut self) {
        if self.entry.detail() == Detail::BodyDigest
            && let Some(sent) = self.sent.take()
        {
            self.entry.body_digest("body_sent", &Digest::of(&sent));
        }
    }

    async fn conclude(
        self: Box<Self>,
        mut response: Response<Body>,
        mut status: u16,
        bytes: usize,
    ) -> Response<Body> {
        let Self { core, entry, opened, standing, progress, form, refused, action, .. } = *self;
        let id = entry.request();
        let now = clock::now();
        let answered = entry.answer(status, u64::try_from(bytes).ok(), now).await;
        if let Ok(answered) = &answered {
            with_receipt(&mut response, answered);
        }
        if let Err(error) = answered {
            tracing::error!(request = %id, %error, "the journal did not take an entry");
            let refusal = match progress {
                Progress::Nothing => Refusal::Journal(error),
                // Whoever is told to try again makes the change twice.
                Progress::Begun | Progress::Partly | Progress::Done => Refusal::Unrecorded(error),
            };
            if refused != Some(refusal.reason()) {
                core.gate.telemetry.refused(refusal.reason());
            }
            status = refusal.status().as_u16();
            response = refusal.response_in(form, id);
        }
        let took = now.mono.saturating_duration_since(opened.mono);
        core.gate.telemetry.answered(action, status, took);
        if let Some(standing) = standing {
            with_standing(&mut response, &standing);
        }
        bare(response, id)
    }

    /// The parts that outlive the head of a streamed answer.
    pub(super) fn action(&self) -> &'static str {
        self.action
    }
}

/// The leaves a caller knows of: those it may see or write. No other is named to it.
pub(super) fn known(prospect: &Prospect) -> FieldSet {
    prospect.visible().union(&prospect.writable())
}

/// The systems behind a collection cannot do it; what they can is told (RFC 9110 §15.5.6).
pub(super) fn not_possible(sources: &[EntitySource], action: Action) -> Refusal {
    let methods: &[(Action, &str)] = match action {
        Action::List | Action::Create => &[(Action::List, "GET, HEAD"), (Action::Create, "POST")],
        Action::Read | Action::Update | Action::Delete => {
            &[(Action::Read, "GET, HEAD"), (Action::Update, "PATCH, PUT"), (Action::Delete, "DELETE")]
        }
        Action::Call => &[],
    };
    let can = |action| sources.iter().any(|source| source.mapping.can(action));
    let allow: Vec<&str> =
        methods.iter().filter(|(action, _)| can(*action)).map(|(_, methods)| *methods).collect();
    let why = sources.iter().find_map(|source| source.mapping.lack(action));
    Refusal::NotPossible { action, allow: allow.join(", "), why: why.map(Into::into) }
}

/// Seconds for which what was found may lack what was written.
const LAG: HeaderName = HeaderName::from_static("bramka-lag");

/// Adds how the caller stands with its limits, where the answer does not say it already.
pub(super) fn with_standing(response: &mut Response<Body>, standing: &Standing) {
    if !response.headers().contains_key(&RATELIMIT) {
        let (policy, left) = quota::headers(standing);
        response.headers_mut().insert(RATELIMIT_POLICY, policy);
        response.headers_mut().insert(RATELIMIT, left);
    }
}

/// Headers that every gathered answer has.
pub(super) fn bare(mut response: Response<Body>, id: RequestId) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    with_id(&mut response, id);
    response
}

/// Ends an exchange that broke. What a panic left of its entry is written before the answer leaves; nothing is left
/// where it broke after that.
pub(super) async fn broke(core: &Core, left: Option<Entry>, id: RequestId, opened: Now) -> Response<Body> {
    let response = Refusal::Broken.response(id);
    let telemetry = &core.gate.telemetry;
    telemetry.refused(Refusal::Broken.reason());
    let status = response.status().as_u16();
    let bytes = http_body::Body::size_hint(response.body()).exact();
    if let Some(entry) = left {
        written_off(entry, status, bytes).await;
    }
    let took = clock::mono().saturating_duration_since(opened.mono);
    telemetry.answered("none", status, took);
    bare(response, id)
}

/// Writes the entry of an exchange that broke.
pub(super) async fn written_off(mut entry: Entry, status: u16, bytes: Option<u64>) {
    let id = entry.request();
    entry.refusal(Refusal::Broken.reason());
    if let Err(error) = entry.answer(status, bytes, clock::now()).await {
        tracing::error!(request = %id, %error, "the journal did not take an entry");
    }
}

/// What is left of an answer to a HEAD: its head, with the length that its body had (RFC 9110 §9.3.2). HTTP/1
/// leaves the body out by itself, HTTP/2 does not.
pub(super) fn head_only(mut response: Response<Body>) -> Response<Body> {
    let length = http_body::Body::size_hint(response.body()).exact().filter(|length| *length > 0);
    if let Some(length) = length.filter(|_| !response.headers().contains_key(header::CONTENT_LENGTH)) {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response.map(|_| Body::Empty)
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const AUDIT_RECEIPT: HeaderName = HeaderName::from_static("audit-receipt");
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The id by which the journal knows the exchange.
pub(super) fn with_id(response: &mut Response<Body>, id: RequestId) {
    let mut text = [0; 32];
    HEXLOWER.encode_mut(&id.0, &mut text);
    if let Ok(value) = HeaderValue::from_bytes(&text) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
}

/// The hash of the answer's entry, where receipts are given.
pub(super) fn with_receipt(response: &mut Response<Body>, answered: &Answered) {
    let Some(receipt) = answered.receipt() else { return };
    let mut text = [0; RECEIPT_LEN];
    BASE64URL_NOPAD.encode_mut(&receipt.0, &mut text);
    if let Ok(value) = HeaderValue::from_bytes(&text) {
        response.headers_mut().insert(AUDIT_RECEIPT, value);
    }
}

/// Letters of a receipt.
const RECEIPT_LEN: usize = 43;

/// The caller's end of an upgrade, to be had only before the request is taken apart.
pub(super) fn on_upgrade(request: &mut Request<Body>) -> Option<OnUpgrade> {
    request.headers().contains_key(header::UPGRADE).then(|| hyper::upgrade::on(request))
}
