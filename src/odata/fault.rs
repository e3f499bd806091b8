//! What of a request this door does not take, for the caller.

use crate::schema::query::{QueryFault, QueryFaultKind};

/// Characters of a caller's own word that a message repeats.
const WORD_CHARS_MAX: usize = 60;

/// Why a request cannot be answered as it is put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is wrong.
    Query(Vec<QueryFault>),
    /// It cannot be met.
    Unmet(Unmet),
}

/// What is asked well and not answered here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmet {
    /// A part of OData that this door does not have; says which.
    #[error("{0}")]
    Unsupported(String),
    /// No form of answer that the caller takes.
    #[error("{0}")]
    NotAcceptable(&'static str),
    /// More records than are counted for one request.
    #[error("{0} to count")]
    TooManyToCount(CountBound),
    /// The list cannot be told whole, and a list of this door's is taken for whole.
    #[error("the system cannot page to the end of this list")]
    Cut,
}

/// What a count is bounded by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CountBound {
    /// Beside a page: records that the caller may see, and pages of the system. Which of them it was would tell of
    /// records that it may not see.
    #[error("more than {rows_max} records, or more than {pages_max} pages of the system,")]
    Rows {
        /// Records.
        rows_max: usize,
        /// Pages.
        pages_max: usize,
    },
    /// Beside a record: records beside it, and records beside all of the answer.
    #[error("more than {beside_one_max} records beside one, or {in_all_max} in one answer,")]
    Beside {
        /// Records beside one.
        beside_one_max: usize,
        /// Records in all.
        in_all_max: usize,
    },
    /// Alone: pages of the system.
    #[error("more than {pages_max} pages of the system")]
    Pages {
        /// Pages.
        pages_max: usize,
    },
}

impl Fault {
    /// One thing that is wrong with an option.
    pub(super) fn of(option: &str, kind: QueryFaultKind, message: impl Into<String>) -> Self {
        Self::Query(vec![QueryFault { parameter: told(option), kind, message: message.into() }])
    }

    /// A value that is none.
    pub(super) fn value(option: &str, message: impl Into<String>) -> Self {
        Self::of(option, QueryFaultKind::Value, message)
    }

    /// A part of OData that is not there.
    pub(super) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unmet(Unmet::Unsupported(what.into()))
    }
}

/// A word of the caller's as a message repeats it.
pub(super) fn told(word: &str) -> String {
    match word.char_indices().nth(WORD_CHARS_MAX) {
        Some((end, _)) => format!("{}…", word.get(..end).unwrap_or_default()),
        None => word.to_owned(),
    }
}
