//! One exchange on its way: its entry, its snapshot, and how it ends.

use std::{sync::Arc, time::Duration};

use data_encoding::HEXLOWER;
use http::{HeaderName, HeaderValue, Request, Response, header};
use hyper::upgrade::OnUpgrade;

use super::{Core, Outcome};
use crate::{
    answer::Answer,
    audit::{Entry, Withheld},
    body::Body,
    catalog::Operation,
    clock::{self, Now},
    config::Snapshot,
    identity::Facts,
    mapping::{Finding, Mapping, NativeRequest, SystemFault},
    policy::{Denied, Detail, Prospect},
    quota::{self, Standing},
    refusal::Refusal,
    schema::{Record, value},
    telemetry::{FindingLabel, Reason, SystemLabel},
    upstream::UpstreamError,
    wire::Deadline,
    words::{Channel, Digest, RequestId, SystemName},
};

/// What every step of an exchange has at hand.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) core: Arc<Core>,
    /// The bundle this exchange is judged by, from first to last.
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) entry: Entry,
    pub(super) channel: Arc<Channel>,
    pub(super) opened: Now,
    pub(super) caller: Option<Arc<Facts>>,
    pub(super) standing: Option<Standing>,
    /// The caller's trace, passed on to systems (W3C Trace Context).
    pub(super) traceparent: Option<HeaderValue>,
    action: &'static str,
}

impl Exchange {
    pub(super) fn open(core: Arc<Core>, channel: Arc<Channel>) -> Self {
        let opened = clock::now();
        let snapshot = core.gate.live.snapshot();
        let mut entry = Entry::open(&core.lane, core.request_id(), &channel, opened);
        entry.bundle(snapshot.digest);
        Self {
            core,
            snapshot,
            entry,
            channel,
            opened,
            caller: None,
            standing: None,
            traceparent: None,
            action: "none",
        }
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
    }

    /// When the whole exchange must have ended.
    pub(super) fn deadline(&self) -> Deadline {
        let bounds = self.snapshot.listeners.get(self.channel.listener.as_str()).map(|l| &l.bounds);
        let time = bounds.map_or(Duration::from_secs(60), |bounds| bounds.request_deadline.0);
        Deadline::after(self.opened, time)
    }

    /// No statement can permit it.
    pub(super) fn denied(&mut self, denied: Denied) -> Refusal {
        if let Denied::Never(grounds) = &denied {
            self.entry.decided(&grounds.statements, grounds.detail);
        }
        Refusal::Forbidden(denied)
    }

    /// A sampled decision is repeated on the full set of statements; a difference refuses and alarms.
    pub(super) fn recheck(&self, prospect: &Prospect, record: Option<&Record>) -> Result<(), Refusal> {
        if !self.core.is_sampled() {
            return Ok(());
        }
        let telemetry = &self.core.gate.telemetry;
        telemetry.rechecks.inc();
        self.snapshot.policies.recheck(prospect.outlook(), record, None).map_err(|mismatch| {
            telemetry.mismatches.inc();
            tracing::error!(?mismatch, "the full set of statements decides differently");
            Refusal::Mismatch
        })
    }

    /// Notes what of a record statements read, so that the decision can be replayed.
    pub(super) fn judged_on(&mut self, prospect: &Prospect, record: &Record) {
        let Some(entity) = prospect.operation().entity() else { return };
        for leaf in prospect.reads().iter() {
            let Some(path) = entity.leaf(leaf).map(|leaf| leaf.path.as_str()) else { continue };
            let mut text = Vec::new();
            if let Some(value) = record.first(entity, leaf) {
                value::print(value, &mut text);
            }
            self.entry.context(path, String::from_utf8_lossy(&text));
        }
    }

    /// A list leaves a record out.
    pub(super) fn withheld(&mut self, why: Withheld) {
        let reason = match why {
            Withheld::Denied => "denied",
            Withheld::Erring => "erring",
            Withheld::Unfit => "unfit",
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
        let micros = clock::now().mono.saturating_duration_since(began.mono).as_micros();
        let narrow = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        self.entry.system(system, status, micros, narrow(sent), narrow(got));
        self.core.called(system);
    }

    /// A system was not reached or gave no usable answer.
    pub(super) fn unreached(&self, system: &SystemName, error: UpstreamError) -> Refusal {
        let label = SystemLabel { system: system.as_str().to_owned() };
        self.core.gate.telemetry.system_failures.get_or_create(&label).inc();
        Refusal::Upstream(system.clone(), Box::new(error))
    }

    /// A system said no.
    pub(super) fn refused_by(&self, system: &SystemName, fault: SystemFault) -> Refusal {
        Refusal::System(system.clone(), Box::new(fault))
    }

    /// Counts what of a record did not fit the schema.
    pub(super) fn findings(&self, mapping: &Mapping, findings: &[Finding]) {
        for finding in findings {
            let field =
                mapping.entity().leaf(finding.leaf).map(|leaf| leaf.path.as_str()).unwrap_or_default();
            let label = FindingLabel {
                system: mapping.system().as_str().to_owned(),
                field: format!("{}.{field}", mapping.entity().name),
            };
            self.core.gate.telemetry.findings.get_or_create(&label).inc();
            tracing::debug!(system = %mapping.system(), field, what = finding.what.as_str(), "a field does not fit");
        }
    }

    /// Ends a gathered exchange: the entry is written before the answer leaves.
    pub(super) async fn finish(self, outcome: Outcome) -> Response<Body> {
        match outcome {
            Ok(answer) => self.succeed(answer).await,
            Err(refusal) => self.refuse(&refusal).await,
        }
    }

    async fn succeed(mut self, answer: Answer) -> Response<Body> {
        if self.entry.detail() == Detail::BodyDigest && !answer.body().is_empty() {
            self.entry.body_digest("body_shown", &Digest::of(answer.body()));
        }
        let (status, bytes) = (answer.status().as_u16(), answer.body().len());
        let response = answer.response();
        self.conclude(response, status, bytes).await
    }

    /// Ends an exchange that is refused.
    pub(super) async fn refuse(mut self, refusal: &Refusal) -> Response<Body> {
        self.entry.refusal(refusal.reason());
        let id = self.entry.request();
        if refusal.is_of_interest() {
            tracing::warn!(request = %id, reason = refusal.reason(), cause = %refusal, "refused");
        }
        self.core.gate.telemetry.refused(refusal.reason());
        let response = refusal.response(id);
        let bytes = http_body::Body::size_hint(response.body()).exact().unwrap_or(0);
        let status = response.status().as_u16();
        self.conclude(response, status, usize::try_from(bytes).unwrap_or(0)).await
    }

    async fn conclude(self, mut response: Response<Body>, status: u16, bytes: usize) -> Response<Body> {
        let Self { core, entry, opened, standing, action, .. } = self;
        let id = entry.request();
        let now = clock::now();
        if let Err(error) = entry.answer(status, u64::try_from(bytes).ok(), now).await {
            tracing::error!(request = %id, %error, "the journal did not take an entry");
            response = Refusal::Journal(error).response(id);
        }
        let took = now.mono.saturating_duration_since(opened.mono);
        core.gate.telemetry.answered(action, response.status().as_u16(), took);
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

/// The caller's end of an upgrade, to be had only before the request is taken apart.
pub(super) fn on_upgrade(request: &mut Request<Body>) -> Option<OnUpgrade> {
    request.headers().contains_key(header::UPGRADE).then(|| hyper::upgrade::on(request))
}
