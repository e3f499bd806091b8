//! Why an operator's request is refused: what it is told, and what is counted.

use std::{io, sync::Arc};

use http::StatusCode;

use super::acts::ActError;
use crate::{
    audit::JournalError,
    body::BodyError,
    intake::Rejected,
    store::{AdminRole, StoreError},
    tokens::TokenError,
};

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Fault {
    /// The head is not one to reason about, or names another host.
    Head(Rejected),
    /// A page of somebody else's asks through its reader's browser.
    Origin,
    /// Nothing stands under this path.
    NoSuchPath,
    /// Not by this method.
    NoSuchMethod(&'static str),
    /// No token of an operator, or one that ended.
    Nobody,
    /// A token of another role: the one that is needed, and whose token it is.
    Role(AdminRole, Arc<str>),
    /// More of what is work than a minute has room for: the seconds until there is room, and whose token it is.
    Often(u64, Arc<str>),
    /// A query that is not known here.
    Query(&'static str),
    /// The body is not said to be JSON.
    MediaType,
    /// The body did not come to its end within its bounds.
    Body(BodyError),
    /// The body does not say what it should.
    Invalid(String),
    /// An act was not done.
    Act(ActError),
    /// The store did not answer.
    Store(StoreError),
    /// The journal did not take it, or cannot be read.
    Journal(JournalError),
    /// A bundle could not be kept, so it does not serve.
    Unkept(io::Error),
    /// It took too long.
    Late,
    /// Something broke inside.
    Broken,
}

impl Fault {
    /// The status code.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Head(Rejected::UnknownHost) => StatusCode::MISDIRECTED_REQUEST,
            Self::Head(Rejected::TooManyHeaders(_) | Rejected::HeadersTooLarge(_)) => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::Head(_) | Self::Query(_) => StatusCode::BAD_REQUEST,
            Self::Origin | Self::Role(..) => StatusCode::FORBIDDEN,
            Self::Often(..) => StatusCode::TOO_MANY_REQUESTS,
            Self::NoSuchPath => StatusCode::NOT_FOUND,
            Self::NoSuchMethod(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Nobody => StatusCode::UNAUTHORIZED,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Body(BodyError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body(BodyError::TooSlow { .. }) => StatusCode::REQUEST_TIMEOUT,
            Self::Body(BodyError::Broken(_) | BodyError::Ended(_)) => StatusCode::BAD_REQUEST,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Act(error) => of_act(error),
            Self::Store(_) | Self::Journal(_) | Self::Unkept(_) | Self::Late => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// A short word for metrics; the set is fixed.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Head(Rejected::UnknownHost) => "admin_host",
            Self::Head(_) => "admin_head",
            Self::Origin => "admin_origin",
            Self::NoSuchPath => "admin_no_such_path",
            Self::NoSuchMethod(_) => "admin_no_such_method",
            Self::Nobody => "admin_nobody",
            Self::Role(..) => "admin_role",
            Self::Often(..) => "admin_often",
            Self::Query(_) => "admin_query",
            Self::MediaType => "admin_media_type",
            Self::Body(_) => "admin_body",
            Self::Invalid(_) => "admin_invalid",
            Self::Act(_) => "admin_act",
            Self::Store(_) => "admin_store",
            Self::Journal(_) => "admin_journal",
            Self::Unkept(_) => "admin_unkept",
            Self::Late => "admin_late",
            Self::Broken => "admin_broken",
        }
    }

    /// What the caller is told: type, title, detail.
    pub(super) fn told(&self) -> (&'static str, &'static str, Option<String>) {
        match self {
            Self::Head(Rejected::UnknownHost) => ("host", "this host is not served here", None),
            Self::Head(rejected) => ("head", "the request is not accepted", Some(rejected.to_string())),
            Self::Origin => ("origin", "another origin has no business here", None),
            Self::NoSuchPath => ("not-found", "not found", None),
            Self::NoSuchMethod(allow) => ("method", "not by this method", Some(format!("allowed: {allow}"))),
            Self::Nobody => ("unidentified", "an operator's token is needed", None),
            Self::Role(role, _) => {
                ("role", "the token has another role", Some(format!("this needs `{}`", role.as_str())))
            }
            Self::Often(wait, _) => {
                ("too-often", "too many of these in a minute", Some(format!("wait {wait} s")))
            }
            Self::Query(expected) => ("query", "the query does not fit", Some((*expected).to_owned())),
            Self::MediaType => {
                ("media-type", "the body's type is not accepted", Some("send `application/json`".into()))
            }
            Self::Body(error) => ("body", "the body was not accepted", Some(error.to_string())),
            Self::Invalid(why) => ("invalid", "the body does not fit", Some(why.clone())),
            Self::Act(ActError::InForce(_)) => {
                let detail = "in force, not kept: repeat it, or a restart of the gate forgets it";
                ("in-force-not-kept", "in force, not kept", Some(detail.into()))
            }
            Self::Act(ActError::Journal(_)) | Self::Journal(_) => {
                ("journal", "the journal cannot be used", Some("what it does not take is not done".into()))
            }
            Self::Act(ActError::Token(error)) if of_token(error).is_server_error() => {
                ("store", "the credential could not be kept", None)
            }
            Self::Act(error) => ("invalid", "this cannot be issued or taken back", Some(error.to_string())),
            Self::Store(_) => ("store", "the store does not answer", None),
            Self::Unkept(_) => ("unkept", "the policies could not be kept, so they do not serve", None),
            Self::Late => ("late", "it took too long", None),
            Self::Broken => ("broken", "something broke inside the gate", None),
        }
    }

    /// Whether somebody was turned away, which is an entry of its own; and whose token it was, where that was found.
    pub(super) fn refused(&self) -> Option<Option<&str>> {
        match self {
            Self::Role(_, by) | Self::Often(_, by) => Some(Some(by)),
            Self::Head(_) | Self::Origin | Self::Nobody => Some(None),
            Self::NoSuchPath
            | Self::NoSuchMethod(_)
            | Self::Query(_)
            | Self::MediaType
            | Self::Body(_)
            | Self::Invalid(_)
            | Self::Act(_)
            | Self::Store(_)
            | Self::Journal(_)
            | Self::Unkept(_)
            | Self::Late
            | Self::Broken => None,
        }
    }

    /// What the log says where something of ours failed.
    pub(super) fn words(&self) -> Option<String> {
        match self {
            Self::Act(ActError::InForce(why)) => Some(format!("what was taken back is not kept: {why}")),
            Self::Act(ActError::Journal(error)) | Self::Journal(error) => Some(error.to_string()),
            Self::Act(ActError::Token(TokenError::Store(error))) | Self::Store(error) => {
                Some(error.to_string())
            }
            Self::Act(error) if self.status().is_server_error() => Some(error.to_string()),
            Self::Unkept(error) => Some(error.to_string()),
            Self::Late | Self::Broken => Some(self.told().1.to_owned()),
            _ => None,
        }
    }
}

fn of_act(error: &ActError) -> StatusCode {
    match error {
        ActError::Token(error) => of_token(error),
        ActError::Journal(_) | ActError::InForce(_) => StatusCode::SERVICE_UNAVAILABLE,
        ActError::Note | ActError::Name(_) => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

fn of_token(error: &TokenError) -> StatusCode {
    match error {
        TokenError::UnknownPrincipal { .. }
        | TokenError::Disabled { .. }
        | TokenError::Ended { .. }
        | TokenError::Outside { .. }
        | TokenError::Life { .. }
        | TokenError::NotInGroup { .. }
        | TokenError::Scope { .. }
        | TokenError::Name { .. }
        | TokenError::NoIssuer => StatusCode::UNPROCESSABLE_ENTITY,
        TokenError::Store(StoreError::Taken { .. }) => StatusCode::CONFLICT,
        TokenError::Store(_) | TokenError::Replaced(_) => StatusCode::SERVICE_UNAVAILABLE,
        TokenError::NoSigningKey { .. }
        | TokenError::KeyFile { .. }
        | TokenError::BadKeyFile { .. }
        | TokenError::Crypto => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
