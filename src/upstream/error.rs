//! Why a system gave no usable answer: which kind, and whether it may have heard us.

use std::{borrow::Cow, fmt, time::Duration};

use crate::{
    body::BodyError,
    wire::{Clock, Failed, Sent, WireError},
};

/// Why a call came to nothing. `Display` is the operator's voice; a caller learns the kind only.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// As many calls as the system may have at once are under way.
    #[error("the system has {concurrency_max} calls under way, which is its bound")]
    Busy {
        /// The bound.
        concurrency_max: u32,
    },
    /// As many calls as the system takes in a time were sent to it, for everybody or for this caller.
    #[error("the system takes no more calls for another {} ms{}", .retry_after.as_millis(), of_whom(*.is_share))]
    Paced {
        /// When one more is sent.
        retry_after: Duration,
        /// Whether it is the caller's own share that is used up.
        is_share: bool,
    },
    /// The system kept failing and is left alone.
    #[error("the system kept failing and is left alone for another {} ms", .retry_after.as_millis())]
    BreakerOpen {
        /// When a call is tried again.
        retry_after: Duration,
    },
    /// No connection: nothing was sent.
    #[error(transparent)]
    Connect(WireError),
    /// A clock ran out.
    #[error("the {} clock ran out", .clock.as_str())]
    Timeout {
        /// Which.
        clock: Clock,
        /// Whether the system may have heard us.
        sent: Sent,
    },
    /// The connection broke.
    #[error(transparent)]
    Broken {
        /// How.
        #[from]
        source: Broken,
    },
    /// The answer passes the system's bound.
    #[error("the answer is larger than {bytes_max} bytes, which is the system's `answer_bytes`")]
    AnswerTooLarge {
        /// The bound.
        bytes_max: u64,
    },
    /// The answer is not HTTP we are willing to reason about.
    #[error("the answer is not sound: {0}")]
    BadAnswer(&'static str),
    /// We could not sign in; nothing was sent to the system itself.
    #[error("signing in failed: {0}")]
    SignIn(#[source] SignInError),
    /// The request's own body failed: the caller's fault.
    #[error("the request's body failed: {0}")]
    Upload(#[source] BodyError),
    /// The request cannot be sent as it is.
    #[error("the request cannot be sent: {0}")]
    BadRequest(&'static str),
    /// What was left unfinished cannot be asked for any more.
    #[error("the steps of `delivers` are others than those it was sent by")]
    Superseded,
}

/// Whose calls are meant.
fn of_whom(is_share: bool) -> &'static str {
    if is_share {
        " from this caller, whose share of its `rate` is used up"
    } else {
        ": its `rate` is used up"
    }
}

/// A broken connection.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Broken {
    /// How.
    pub error: WireError,
    /// Whether the system may have heard us.
    pub sent: Sent,
}

/// Why we are not signed in.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SignInError {
    /// Whom we asked was not reached, or broke off.
    #[error("{asked}: {why}")]
    Unreachable {
        /// Whom.
        asked: Asked,
        /// How that went.
        why: String,
    },
    /// Whom we asked refused us.
    #[error("{asked} answered {status} (`{code}`)")]
    Refused {
        /// Whom.
        asked: Asked,
        /// The status.
        status: u16,
        /// The `error` of the answer, if it is one.
        code: String,
    },
    /// What was given cannot be used.
    #[error("{asked}'s answer is not usable: {why}")]
    Unusable {
        /// By whom.
        asked: Asked,
        /// Why not; of the answer itself nothing but the words that the file's `errors` find.
        why: Cow<'static, str>,
    },
    /// The call's own clock ran out meanwhile.
    #[error("{asked} took too long")]
    Late {
        /// Who did.
        asked: Asked,
    },
    /// The system goes on refusing what it just gave.
    #[error("the system refuses a sign-in that is new")]
    Spent,
}

/// Whom we ask to be signed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asked {
    /// An issuer of tokens.
    #[default]
    Issuer,
    /// The system, for a session.
    Login,
    /// The system, for a token against forged requests.
    Csrf,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Issuer => "the token issuer",
            Self::Login => "the login",
            Self::Csrf => "the giver of CSRF tokens",
        })
    }
}

impl SignInError {
    pub(super) fn unusable(asked: Asked, why: impl Into<Cow<'static, str>>) -> Self {
        Self::Unusable { asked, why: why.into() }
    }

    /// Whether somebody said no: less and less worth another try.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::Unusable { .. } | Self::Spent => true,
            Self::Unreachable { .. } | Self::Late { .. } => false,
        }
    }
}

impl UpstreamError {
    /// Whether the system may have heard the request.
    pub fn sent(&self) -> Sent {
        match self {
            Self::Busy { .. }
            | Self::Paced { .. }
            | Self::BreakerOpen { .. }
            | Self::Connect(_)
            | Self::SignIn(_)
            | Self::Superseded
            | Self::BadRequest(_) => Sent::No,
            Self::AnswerTooLarge { .. } | Self::BadAnswer(_) | Self::Upload(_) => Sent::Maybe,
            Self::Timeout { sent, .. } | Self::Broken { source: Broken { sent, .. } } => *sent,
        }
    }

    /// Whether the time that the whole call had is over.
    pub fn is_past_deadline(&self) -> bool {
        matches!(self, Self::Timeout { clock: Clock::Call, .. })
    }

    /// Of an answer whose head came and whose body did not come whole.
    pub fn of_answer(error: WireError) -> Self {
        Self::of_wire(error, Sent::Maybe)
    }

    /// What it says of the system's health: well, badly, or nothing.
    pub(super) fn verdict(&self) -> Option<bool> {
        match self {
            // It goes away, or has enough streams for now: no more than that.
            Self::Broken { source: Broken { error: WireError::Untaken(_), .. } } => None,
            Self::Connect(_) | Self::Timeout { .. } | Self::Broken { .. } | Self::BadAnswer(_) => Some(false),
            Self::AnswerTooLarge { .. } => Some(true),
            Self::Busy { .. }
            | Self::Paced { .. }
            | Self::BreakerOpen { .. }
            | Self::SignIn(_)
            | Self::BadRequest(_)
            | Self::Superseded
            | Self::Upload(_) => None,
        }
    }

    /// Whether another try can help: the way to the system failed, not the clock and not the answer.
    pub(super) fn is_of_the_way(&self) -> bool {
        match self {
            Self::Connect(WireError::Local { .. } | WireError::Address { .. }) => false,
            Self::Connect(_) | Self::Broken { .. } => true,
            Self::Timeout { clock: Clock::Connect, .. } => true,
            Self::Timeout { clock: Clock::FirstByte | Clock::Call, .. }
            | Self::Busy { .. }
            | Self::Paced { .. }
            | Self::BreakerOpen { .. }
            | Self::SignIn(_)
            | Self::BadRequest(_)
            | Self::Superseded
            | Self::BadAnswer(_)
            | Self::AnswerTooLarge { .. }
            | Self::Upload(_) => false,
        }
    }

    pub(super) fn of_wire(error: WireError, sent: Sent) -> Self {
        match error {
            WireError::Address { .. }
            | WireError::Resolve { .. }
            | WireError::Local { .. }
            | WireError::Connect { .. }
            | WireError::Version { .. }
            | WireError::Tls { .. } => Self::Connect(error),
            WireError::Timeout(clock) => Self::Timeout { clock, sent },
            WireError::BadAnswer(why) => Self::BadAnswer(why),
            WireError::TooLarge { bytes_max } => Self::AnswerTooLarge { bytes_max },
            WireError::Upload(fault) => Self::Upload(fault),
            WireError::Broken(_) | WireError::Truncated(_) | WireError::Untaken(_) => {
                Broken { error, sent }.into()
            }
        }
    }
}

impl From<Box<Failed>> for UpstreamError {
    fn from(failed: Box<Failed>) -> Self {
        Self::of_wire(failed.error, failed.sent)
    }
}
