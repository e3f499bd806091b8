//! Every refusal of the data listener, its status code and its two voices, in one exhaustive match each.
//!
//! What a caller may know stands in the problem document (RFC 9457); what the operator must know is the
//! `Display` of the cause, for the log. A record that is hidden and one that does not exist are one refusal.

mod behind;
mod document;
mod grpc;
mod key;
mod odata;
mod part;
mod places;

use std::{fmt, sync::Arc, time::Duration};

use compact_str::CompactString;
use http::{HeaderValue, Response, StatusCode, header};

use crate::{
    audit::JournalError,
    body::{Body, BodyError},
    catalog::{Action, NotInCatalog},
    crosswalk::CrosswalkError,
    idempotency,
    identity::Unidentified,
    intake::Rejected,
    mapping::{FaultKind, MappingFault, SystemFault, Whose},
    odata::Unmet,
    policy::{Basis, Denied},
    quota::{self, Limited},
    schema::{json, query::QueryFault},
    upstream::UpstreamError,
    words::{RequestId, SystemName},
};

pub use self::{
    part::PartFailed,
    places::{Places, told_faults},
};

use self::{
    behind::{
        body_detail, of_body, of_system, of_upstream, system_reason, system_told, upstream_reason,
        upstream_told,
    },
    places::ELSEWHERE,
};

/// Why an exchange is refused.
#[derive(Debug)]
pub enum Refusal {
    /// The head is not one to reason about.
    Head(Rejected),
    /// Nothing stands under this path, or not by this method.
    NotInCatalog(NotInCatalog),
    /// Nobody we know.
    Unidentified(Unidentified),
    /// Over a limit.
    Limited(Box<Limited>),
    /// No statement can permit it, whatever the record.
    Forbidden(Denied),
    /// The record is hidden or does not exist: one and the same.
    NoSuchRecord,
    /// The stored record is refused to this caller; the caller sees [`Refusal::NoSuchRecord`].
    Hidden(Denied),
    /// The system did not tell what statements read of the record; the caller sees [`Refusal::NoSuchRecord`].
    Untold,
    /// What would change may not be changed by this caller.
    Unwritable(Denied, Places),
    /// The system that serves the entity cannot do it.
    NotPossible {
        /// What was asked for.
        action: Action,
        /// The methods that are possible there.
        allow: String,
        /// Why, in the words of the system's file.
        why: Option<Box<str>>,
    },
    /// The query of the URL.
    Query(Vec<QueryFault>),
    /// More records than the gate sorts itself, or more pages than it looks through for them.
    TooManyToSort {
        /// Records.
        rows_max: usize,
        /// Pages of the system.
        pages_max: usize,
    },
    /// The cursor is not one of this list.
    Cursor,
    /// What the OData door does not have, or cannot tell whole.
    Unmet(Unmet),
    /// The body is not said to be JSON.
    MediaType(&'static str),
    /// The body did not come to its end within its bounds.
    Body(BodyError),
    /// What the body says does not fit the entity.
    Invalid(Vec<json::Fault>),
    /// What the body says cannot be written into this system.
    Unmappable(Vec<MappingFault>),
    /// `If-Match` names another version.
    Stale,
    /// Other writes of the record are under way, and this one's turn did not come in time.
    Occupied,
    /// The `Idempotency-Key` does not serve.
    Idempotency(idempotency::Fault),
    /// The ids of records cannot be had: nothing is shown without them.
    Ids(CrosswalkError),
    /// The system said no.
    System(SystemName, Box<SystemFault>),
    /// The system has such a record already, which this caller may read.
    Existing {
        /// Which system.
        system: SystemName,
        /// What it said.
        fault: Box<SystemFault>,
        /// The record's id.
        id: CompactString,
    },
    /// The system was not reached, or gave no usable answer.
    Upstream(SystemName, Box<UpstreamError>),
    /// A table that the request goes by was never told by its system.
    NoTable(Box<NoTable>),
    /// One of several calls of a write failed.
    Part(Box<PartFailed>),
    /// The journal cannot take the entry.
    Journal(JournalError),
    /// The same after a change was made or may have been: trying again would make it twice.
    Unrecorded(JournalError),
    /// A decision came out differently on the full set of statements.
    Mismatch,
    /// The credential was taken back while the request was under way.
    Revoked,
    /// Something broke inside.
    Broken,
}

/// A table that nobody knows.
#[derive(Clone, Debug)]
pub struct NoTable {
    /// The system that did not tell it.
    pub system: SystemName,
    /// Its name in the system's file.
    pub table: Box<str>,
    /// What went wrong, for the operator.
    pub why: Arc<str>,
    /// How long it is not asked for again.
    pub again: Duration,
}

/// In which form refusals are told: by the door that was come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Problem details (RFC 9457).
    #[default]
    Problem,
    /// OData's error object (OData JSON format, part 21).
    OData,
    /// A trailers-only answer of gRPC.
    Grpc,
}

/// Methods that some path here takes.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// The 404 of records: whatever the reason.
const NO_SUCH_RECORD: &str = "not found";

impl Refusal {
    /// The status code.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Head(rejected) => of_head(*rejected),
            Self::NotInCatalog(NotInCatalog::Path) | Self::NoSuchRecord | Self::Hidden(_) | Self::Untold => {
                StatusCode::NOT_FOUND
            }
            Self::NotInCatalog(NotInCatalog::Method { .. }) | Self::NotPossible { .. } => {
                StatusCode::METHOD_NOT_ALLOWED
            }
            Self::Unidentified(Unidentified::StoreUnavailable) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unidentified(_) | Self::Revoked => StatusCode::UNAUTHORIZED,
            Self::Limited(limited) => match limited.kind {
                quota::LimitKind::Rate
                | quota::LimitKind::Concurrency
                | quota::LimitKind::Quota
                | quota::LimitKind::Exposure => StatusCode::TOO_MANY_REQUESTS,
                quota::LimitKind::Away | quota::LimitKind::Room | quota::LimitKind::Plan => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
            },
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Unwritable(denied, _) => match denied {
                Denied::Mask(_) => StatusCode::UNPROCESSABLE_ENTITY,
                Denied::Never(_)
                | Denied::Record(_)
                | Denied::Fields(_)
                | Denied::New(_)
                | Denied::Erroring { .. }
                | Denied::Unfit => StatusCode::FORBIDDEN,
            },
            Self::Query(_) | Self::TooManyToSort { .. } | Self::Cursor => StatusCode::BAD_REQUEST,
            Self::Unmet(unmet) => odata::status(unmet),
            Self::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Body(error) => of_body(error),
            Self::Unmappable(faults) if faults.iter().any(|fault| fault.whose == Whose::Several) => {
                StatusCode::CONFLICT
            }
            Self::Invalid(_) | Self::Unmappable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Stale => StatusCode::PRECONDITION_FAILED,
            Self::Idempotency(fault) => key::status(fault),
            Self::System(_, fault) | Self::Existing { fault, .. } => of_system(&fault.kind),
            Self::Upstream(_, error) => of_upstream(error),
            Self::Part(failed) => failed.status(),
            Self::Occupied | Self::Ids(_) | Self::Journal(_) | Self::NoTable(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Unrecorded(_) | Self::Mismatch | Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// A short word for the journal and metrics; the set is fixed.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Head(_) => "head",
            Self::NotInCatalog(NotInCatalog::Path) => "no_such_path",
            Self::NotInCatalog(NotInCatalog::Method { .. }) => "no_such_method",
            Self::Unidentified(why) => why.code(),
            Self::Limited(limited) => limited.kind.as_str(),
            Self::Forbidden(_) => "forbidden",
            Self::NoSuchRecord => "no_such_record",
            Self::Hidden(_) => "hidden",
            Self::Untold => "untold",
            Self::Unwritable(..) => "unwritable",
            Self::NotPossible { .. } => "not_possible",
            Self::Query(_) => "query",
            Self::TooManyToSort { .. } => "too_many_to_sort",
            Self::Cursor => "cursor",
            Self::Unmet(unmet) => odata::reason(unmet),
            Self::MediaType(_) => "media_type",
            Self::Body(_) => "body",
            Self::Invalid(_) => "invalid",
            Self::Unmappable(_) => "unmappable",
            Self::Stale => "stale",
            Self::Occupied => "occupied",
            Self::Idempotency(fault) => key::reason(fault),
            Self::Ids(_) => "ids",
            Self::System(_, fault) | Self::Existing { fault, .. } => system_reason(&fault.kind),
            Self::Upstream(_, error) => upstream_reason(error),
            Self::NoTable(_) => "no_table",
            Self::Part(failed) => failed.reason(),
            Self::Journal(_) => "journal",
            Self::Unrecorded(_) => "unrecorded",
            Self::Mismatch => "mismatch",
            Self::Revoked => "revoked_meanwhile",
            Self::Broken => "broken",
        }
    }

    /// The answer in a door's form.
    pub fn response_in(&self, form: Form, request: RequestId) -> Response<Body> {
        match form {
            Form::Problem => self.response(request),
            Form::OData => self.odata(request),
            Form::Grpc => self.grpc(request),
        }
    }

    /// The problem document as an answer.
    pub fn response(&self, request: RequestId) -> Response<Body> {
        let status = self.status();
        let mut response = Response::new(Body::from(self.problem(status, request)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self {
            Self::Unidentified(Unidentified::StoreUnavailable) => {}
            Self::Unidentified(_) | Self::Revoked => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"bramka\""));
            }
            Self::NotInCatalog(NotInCatalog::Method { allow }) => {
                headers.insert(header::ALLOW, HeaderValue::from_static(allow));
            }
            Self::NotPossible { allow, .. } => {
                let allow = HeaderValue::try_from(allow).unwrap_or(HeaderValue::from_static(""));
                headers.insert(header::ALLOW, allow);
            }
            Self::Head(Rejected::Method) => {
                headers.insert(header::ALLOW, HeaderValue::from_static(METHODS));
            }
            // Where a body's end is in doubt, so is the next request's beginning. HTTP/2 leaves the field out.
            Self::Head(Rejected::ContentLength | Rejected::Framing(_) | Rejected::UnexpectedBody) => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Self::Limited(limited) => {
                let (policy, left) = quota::headers(&limited.standing);
                headers.insert("ratelimit-policy", policy);
                headers.insert("ratelimit", left);
            }
            _ => {}
        }
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// Seconds after which another try makes sense.
    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Limited(limited) => Some(limited.retry_after_seconds()),
            Self::System(_, fault) => match fault.kind {
                FaultKind::RateLimited { after } => Some(after.unwrap_or(1)),
                FaultKind::Busy => Some(1),
                _ => None,
            },
            Self::Upstream(_, error) => match &**error {
                UpstreamError::Busy { .. } => Some(1),
                UpstreamError::BreakerOpen { retry_after } => Some(retry_after.as_secs().max(1)),
                UpstreamError::Paced { retry_after, .. } => Some(retry_after.as_secs().saturating_add(1)),
                _ => None,
            },
            Self::Idempotency(
                idempotency::Fault::Running | idempotency::Fault::Full | idempotency::Fault::Store(_),
            ) => Some(1),
            Self::Part(failed) if !failed.is_partly_done() => failed.cause.retry_after(),
            Self::Journal(_) => Some(5),
            Self::NoTable(lack) => Some(lack.again.as_secs().saturating_add(1)),
            Self::Unidentified(Unidentified::StoreUnavailable) | Self::Occupied | Self::Ids(_) => Some(1),
            _ => None,
        }
    }

    /// What the caller is told: the problem's type, its title, and what to do about it.
    fn told(&self) -> (&'static str, &'static str, Option<String>) {
        match self {
            Self::Head(rejected) => ("head", "the request is not well formed", Some(rejected.to_string())),
            Self::NotInCatalog(NotInCatalog::Path)
            | Self::NoSuchRecord
            | Self::Hidden(_)
            | Self::Untold => ("not-found", NO_SUCH_RECORD, None),
            Self::NotInCatalog(NotInCatalog::Method { allow }) => {
                ("method", "not possible by this method", Some(format!("possible here: {allow}")))
            }
            Self::NotPossible { action, why, .. } => {
                let why = why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
                let detail = format!("the system behind this collection cannot {}{why}", action.as_str());
                ("not-possible", "not possible here", Some(detail))
            }
            Self::Unidentified(Unidentified::StoreUnavailable) => {
                ("unavailable", "credentials cannot be checked now", Some("try again later".into()))
            }
            Self::Unidentified(_) | Self::Revoked => ("unidentified", "a valid credential is needed", None),
            Self::Limited(limited) => over(limited),
            Self::Forbidden(_) => ("forbidden", "not permitted", None),
            Self::Unwritable(denied, _) => ("unwritable", "this change is not permitted", unwritable(denied)),
            Self::Query(_) => ("query", "the query does not fit", None),
            Self::TooManyToSort { rows_max, pages_max } => (
                "too-many-to-sort",
                "too many records to sort",
                Some(format!(
                    "the system cannot sort by this, and the gate sorts at most {rows_max} records, from at most {pages_max} pages of it; narrow the filter"
                )),
            ),
            Self::Cursor => (
                "cursor",
                "the cursor is not one of this list",
                Some("it is good for one caller and query, until the policies change; start the list again without it".into()),
            ),
            Self::Unmet(unmet) => odata::told(unmet),
            Self::MediaType(expected) => {
                ("media-type", "the body's type is not accepted", Some(format!("send `{expected}`")))
            }
            Self::Body(error) => ("body", "the body was not accepted", body_detail(error)),
            Self::Invalid(_) => ("invalid", "the body does not fit the entity", None),
            Self::Unmappable(_) => ("unmappable", "the system behind this collection cannot hold this", None),
            Self::Stale => ("stale", "the record has changed", Some("read it again and decide anew".into())),
            Self::Occupied => occupied(),
            Self::Idempotency(fault) => key::told(fault),
            Self::Ids(_) => {
                ("unavailable", "ids of records cannot be looked up now", Some("try again later".into()))
            }
            Self::Existing { fault, .. } => existing_told(&fault.kind),
            Self::System(_, fault) => system_told(&fault.kind),
            Self::Upstream(_, error) => upstream_told(error),
            Self::NoTable(_) => no_table(),
            Self::Part(failed) => failed.told(),
            Self::Journal(_) => (
                "journal",
                "the gate cannot write its journal",
                Some("nothing is served that is not recorded; try again later".into()),
            ),
            Self::Unrecorded(_) => (
                "unrecorded",
                "done, or perhaps done, but not recorded",
                Some("the gate cannot write its journal; read the record before this is sent again".into()),
            ),
            Self::Mismatch | Self::Broken => ("broken", "something broke inside the gate", None),
        }
    }

    /// What is at fault: a sort of place, the place, and what is wrong there.
    fn faults(&self) -> Vec<(&'static str, &str, &str)> {
        match self {
            Self::Query(faults) => {
                faults.iter().map(|fault| ("parameter", &*fault.parameter, &*fault.message)).collect()
            }
            Self::Invalid(faults) => {
                faults.iter().map(|fault| ("pointer", &*fault.pointer, &*fault.message)).collect()
            }
            Self::Unmappable(faults) => of_mapping(faults),
            Self::System(_, fault) => match &fault.kind {
                FaultKind::Invalid(faults) => of_mapping(faults),
                _ => Vec::new(),
            },
            Self::Part(failed) => failed.faults().map(|(at, why)| ("pointer", at, why)).collect(),
            Self::Unwritable(_, places) => {
                let named =
                    places.pointers.iter().map(|pointer| ("pointer", &**pointer, "may not be changed"));
                named.chain(places.elsewhere.map(|_| ("pointer", "", ELSEWHERE))).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn no_table() -> (&'static str, &'static str, Option<String>) {
    let title = "the system behind this collection has not told what its own values mean";
    ("no-table", title, Some("nothing was changed; try again later".to_owned()))
}

/// What is told beside the id of a record that is there already.
fn existing_told(kind: &FaultKind) -> (&'static str, &'static str, Option<String>) {
    let (kind, title, _) = system_told(kind);
    (kind, title, Some("`existing` is its id".to_owned()))
}

fn occupied() -> (&'static str, &'static str, Option<String>) {
    let detail = "nothing was changed; try again later".to_owned();
    ("occupied", "other writes of this record are under way", Some(detail))
}

fn of_mapping(faults: &[MappingFault]) -> Vec<(&'static str, &str, &str)> {
    faults.iter().map(|fault| ("pointer", &*fault.pointer, &*fault.message)).collect()
}

fn of_head(rejected: Rejected) -> StatusCode {
    match rejected {
        Rejected::Method => StatusCode::METHOD_NOT_ALLOWED,
        Rejected::UnknownHost => StatusCode::MISDIRECTED_REQUEST,
        Rejected::Expectation => StatusCode::EXPECTATION_FAILED,
        Rejected::TooManyHeaders(_) | Rejected::HeadersTooLarge(_) => {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        }
        Rejected::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        Rejected::Framing(_)
        | Rejected::Path(_)
        | Rejected::Query
        | Rejected::Host
        | Rejected::TwoHosts
        | Rejected::MethodOverride(_)
        | Rejected::Repeated(_)
        | Rejected::HeaderBytes(_)
        | Rejected::ContentLength
        | Rejected::UnexpectedBody
        | Rejected::Upgrade => StatusCode::BAD_REQUEST,
    }
}

fn unwritable(denied: &Denied) -> Option<String> {
    let text = match denied {
        Denied::New(_) | Denied::Erroring { on: Basis::New, .. } => {
            "the record as it would be is not permitted"
        }
        Denied::Fields(_) => "some fields may not be changed",
        Denied::Mask(_) => "masked values were sent back",
        Denied::Never(_)
        | Denied::Record(_)
        | Denied::Erroring { on: Basis::Request | Basis::Stored, .. }
        | Denied::Unfit => return None,
    };
    Some(text.to_owned())
}

/// What is told of a limit.
fn over(limited: &Limited) -> (&'static str, &'static str, Option<String>) {
    let policy = &limited.standing.policy;
    if limited.kind == quota::LimitKind::Exposure {
        let seconds = limited.retry_after_seconds();
        let detail = format!(
            "the budget `{}` of {} is spent and begins anew in {seconds} seconds; what was shown since it began can be shown again",
            policy.name, policy.limit
        );
        return ("exposure", "no more may be shown for now", Some(detail));
    }
    let detail = format!("over the {} of `{}`", limited.kind.as_str(), policy.name);
    ("limited", "a limit is reached", Some(detail))
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head(rejected) => write!(f, "{rejected}"),
            Self::NotInCatalog(why) => write!(f, "{why}"),
            Self::Unidentified(why) => write!(f, "{why}"),
            Self::Limited(limited) => write!(f, "{limited}"),
            Self::Forbidden(denied) | Self::Hidden(denied) | Self::Unwritable(denied, _) => {
                write!(f, "{denied}")
            }
            Self::NoSuchRecord => f.write_str("there is no such record"),
            Self::Untold => f.write_str("the system did not tell what statements read"),
            Self::NotPossible { action, .. } => write!(f, "the system cannot {}", action.as_str()),
            Self::Query(faults) => write!(f, "{} faults in the query", faults.len()),
            Self::TooManyToSort { rows_max, pages_max } => {
                write!(
                    f,
                    "more than {rows_max} records to sort, or more than {pages_max} pages of the system"
                )
            }
            Self::Cursor => f.write_str("the cursor is not one of this list"),
            Self::Unmet(unmet) => write!(f, "{unmet}"),
            Self::MediaType(expected) => write!(f, "the body is not `{expected}`"),
            Self::Body(error) => write!(f, "{error}"),
            Self::Invalid(faults) => write!(f, "{} faults in the body", faults.len()),
            Self::Unmappable(faults) => write!(f, "{} faults in the mapping of the body", faults.len()),
            Self::Stale => f.write_str("another version"),
            Self::Occupied => f.write_str("other writes of the record did not end in time"),
            Self::Idempotency(fault) => {
                write!(f, "{fault}")?;
                std::error::Error::source(fault).map_or(Ok(()), |source| write!(f, ": {source}"))
            }
            Self::System(name, fault) | Self::Existing { system: name, fault, .. } => {
                write!(f, "{name}: {fault}")?;
                fault.code.as_ref().map_or(Ok(()), |code| write!(f, " (its code {code})"))?;
                fault.trace.as_ref().map_or(Ok(()), |trace| write!(f, " (its trace {trace})"))
            }
            Self::Upstream(name, error) => write!(f, "{name}: {error}"),
            Self::Part(failed) => {
                write!(f, "after {} of {} calls: {}", failed.done, failed.calls, failed.cause)
            }
            Self::NoTable(lack) => {
                write!(f, "{}: table `{}` was never told: {}", lack.system, lack.table, lack.why)
            }
            Self::Ids(error) => write!(f, "{error}"),
            Self::Journal(error) => write!(f, "{error}"),
            Self::Unrecorded(error) => write!(f, "a change is not recorded: {error}"),
            Self::Mismatch => f.write_str("the full set of statements decides differently"),
            Self::Revoked => f.write_str("the credential was taken back meanwhile"),
            Self::Broken => f.write_str("a panic"),
        }
    }
}

impl Refusal {
    /// Whether the operator should see it in the log: something of ours or of a system's failed.
    pub fn is_of_interest(&self) -> bool {
        self.status().is_server_error()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_may_be_done_is_not_told_to_be_tried_again() {
        let (journal, unrecorded) =
            (Refusal::Journal(JournalError::Full), Refusal::Unrecorded(JournalError::Full));
        let answer = |refusal: &Refusal| refusal.response(RequestId([0; 16]));
        assert!(answer(&journal).headers().contains_key(header::RETRY_AFTER));
        assert!(!answer(&unrecorded).headers().contains_key(header::RETRY_AFTER));
        assert_eq!(unrecorded.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
