//! Why a verb did not do what it was asked for.

use std::{error::Error, io, path::PathBuf};

use crate::{
    admin::ActError, audit::JournalError, certs::CertsError, config::Report, store::StoreError,
    tokens::TokenError,
};

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum VerbError {
    /// The bundle does not load.
    #[error("the policies do not load")]
    Bundle(Report),
    /// There is no gate's data.
    #[error("there is no gate's data in `{0}`; `--data` names the folder of a gate that was started once")]
    NoData(PathBuf),
    /// What was asked for does not exist.
    #[error("{0}")]
    NotThere(String),
    /// The command line says something that cannot be meant.
    #[error("{0}")]
    Misused(String),
    /// The store cannot be used.
    #[error("the store")]
    Store(#[from] StoreError),
    /// A credential was not issued or taken back.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// An act on a credential was not done.
    #[error(transparent)]
    Act(#[from] ActError),
    /// Nobody has the text of what was issued.
    #[error("the text of {id} could not be written, so it was taken back")]
    Unsaid {
        /// What was issued.
        id: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The journal cannot be used; nothing is done that it does not take.
    #[error("the journal")]
    Journal(#[from] JournalError),
    /// Certificates cannot be made.
    #[error("the certificates")]
    Certs(#[from] CertsError),
    /// A file cannot be used.
    #[error("cannot use `{path}`")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The system gave no thread, runtime or pipe.
    #[error("the system refused")]
    System(#[from] io::Error),
}

impl VerbError {
    /// A file that cannot be used.
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}

/// An error and all its causes, in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // A transparent error tells its cause's words already.
        let words = cause.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = cause.source();
    }
    text
}
