//! How a batch leaves: what each kind of receiver counts as taken, and what it says instead.

mod file;
mod otlp;
mod post;
mod syslog;

use std::{io::Read as _, path::Path, time::Duration};

use self::{file::ToFile, post::Post, syslog::Syslog};
use super::{
    reading::Batch,
    settings::{SinkSettings, Target, TlsSettings},
};
use crate::{
    clock::Now,
    wire::{Certificate, TlsClient, Trust},
    words::{Secret, open_file, secret_file},
};

/// LIMIT: bytes of a file of certificates.
const PEM_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Why a batch was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It may be taken later: as soon as this says, where it says so.
    Again { why: String, after: Option<Duration> },
    /// Somebody has to look at it; nothing is left out meanwhile.
    Refused { why: String },
    /// It is too large for the receiver.
    TooLarge { why: String },
}

impl Fault {
    /// It may be taken later.
    fn again(why: impl ToString) -> Self {
        Self::Again { why: why.to_string(), after: None }
    }

    /// In words.
    pub(super) fn why(&self) -> &str {
        match self {
            Self::Again { why, .. } | Self::Refused { why } | Self::TooLarge { why } => why,
        }
    }
}

/// A way out.
#[derive(Debug)]
pub(super) enum Sender {
    Post(Box<Post>),
    Syslog(Box<Syslog>),
    File(ToFile),
}

impl Sender {
    /// Reads what it needs: certificates and the like. Blocks.
    pub(super) fn open(settings: &SinkSettings, gate: &str, base: &Path) -> Result<Self, Fault> {
        Ok(match &settings.target {
            Target::Http(posting) => {
                Self::Post(Box::new(Post::ndjson(posting, (gate, &settings.name), base)?))
            }
            Target::Otlp(posting) => Self::Post(Box::new(Post::otlp(posting, (gate, &settings.name), base)?)),
            Target::Syslog { to, facility, confirmed_by, tls } => {
                let tls = trusting(tls, base)?;
                Self::Syslog(Box::new(Syslog::new(to, (*facility, *confirmed_by), gate, &tls)?))
            }
            Target::File { path, bytes_max, files_max } => {
                Self::File(ToFile::new(base.join(path), *bytes_max, *files_max))
            }
        })
    }

    /// Sends a batch; when this returns the receiver has it, in its sense of the word.
    pub(super) async fn send(&self, batch: &Batch, now: Now) -> Result<(), Fault> {
        match self {
            Self::Post(post) => post.send(batch, now).await,
            Self::Syslog(syslog) => syslog.send(batch).await,
            Self::File(file) => file.send(batch).await,
        }
    }

    /// How long after one batch the next may leave, where less than a full one waits.
    pub(super) fn pace(&self) -> Duration {
        match self {
            Self::Post(_) | Self::File(_) => Duration::ZERO,
            // A connection each.
            Self::Syslog(_) => Duration::from_secs(1),
        }
    }
}

/// Whom a connection trusts and as whom it is made. Blocks.
fn trusting(tls: &TlsSettings, base: &Path) -> Result<TlsClient, Fault> {
    let pem = |path: &Path| {
        let told = |why: &dyn std::fmt::Display| Fault::again(format!("`{}`: {why}", path.display()));
        let mut pem = Vec::new();
        // One byte more than allowed is enough to know that a file is too large.
        let read = open_file(&base.join(path))
            .and_then(|file| file.take(PEM_BYTES_MAX.saturating_add(1)).read_to_end(&mut pem));
        match read {
            Ok(bytes) if bytes as u64 <= PEM_BYTES_MAX => Ok(pem),
            Ok(_) => Err(told(&"it is larger than 4MiB")),
            Err(error) => Err(told(&error)),
        }
    };
    let ca = tls.ca.as_deref().map(pem).transpose()?;
    let certificate = match &tls.identity {
        Some((chain, key)) => {
            let key = Secret::new(secret_file(&base.join(key)).map_err(Fault::again)?);
            Some(Certificate { chain: pem(chain)?, key })
        }
        None => None,
    };
    TlsClient::new(&Trust { ca, certificate }).map_err(Fault::again)
}
