//! From an issuer to its keys: a file, or OIDC discovery and a JWKS over HTTPS. No redirect is followed, and
//! the discovery document may send us only to hosts the bundle names.

use std::{error::Error, io::Read, path::Path};

use serde::Deserialize;
use url::Url;

use super::{Fetch, JwksError, jwks};
use crate::{
    identity::{IssuerOrigin, VerifyKey},
    words::open_file,
};

/// Largest discovery document or JWKS.
pub const DOCUMENT_BYTES_MAX: usize = 256 * 1024;
/// Longest that is told of one trouble; an issuer may have written most of it.
const TOLD_CHARS_MAX: usize = 512;

/// Why an issuer's keys could not be had, for the operator.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The file cannot be read.
    #[error("the JWKS file cannot be read")]
    File(#[source] std::io::Error),
    /// The document is larger than such a document is.
    #[error("the document is larger than {DOCUMENT_BYTES_MAX} bytes")]
    TooLarge,
    /// The issuer was not reached.
    #[error("`{url}` was not reached: {cause}")]
    Unreached {
        /// What was asked for.
        url: String,
        /// Why.
        cause: String,
    },
    /// The issuer answered with something else.
    #[error("`{url}` answered {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// With what.
        status: u16,
    },
    /// It took too long.
    #[error("the issuer did not answer in time")]
    Timeout,
    /// The discovery document is not one.
    #[error("the discovery document is malformed: {0}")]
    Discovery(String),
    /// The discovery document speaks for another issuer.
    #[error("the discovery document is of issuer `{found}`")]
    OtherIssuer {
        /// Whose it is.
        found: String,
    },
    /// The discovery document sends us where the bundle does not let us go.
    #[error("`jwks_uri` is `{uri}`; name its host in `jwks_hosts` where that is right")]
    OtherHost {
        /// Where.
        uri: String,
    },
    /// The JWKS is not one.
    #[error("the JWKS cannot be used")]
    Jwks(#[from] JwksError),
}

impl FetchError {
    /// The whole chain of causes in one line, for the log and for operators. What an issuer wrote stands in it,
    /// so it is cut and control characters are spelt out.
    pub fn told(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        let mut told = String::new();
        for c in text.chars().take(TOLD_CHARS_MAX) {
            if c.is_control() { told.extend(c.escape_default()) } else { told.push(c) }
        }
        told
    }
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

/// The issuer's keys as they are now.
pub(super) async fn keys(
    fetch: &dyn Fetch,
    issuer: &str,
    origin: &IssuerOrigin,
) -> Result<Vec<VerifyKey>, FetchError> {
    let bytes = match origin {
        IssuerOrigin::Own => return Ok(Vec::new()),
        IssuerOrigin::File(path) => read_file(path)?,
        IssuerOrigin::Discovery { hosts, ca } => {
            let ca = ca.as_deref();
            let place = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
            let document = get(fetch, &place, ca).await?;
            let uri = jwks_uri(&document, issuer, hosts)?;
            get(fetch, &uri, ca).await?
        }
    };
    Ok(jwks::read(&bytes)?)
}

fn jwks_uri(document: &[u8], issuer: &str, hosts: &[String]) -> Result<String, FetchError> {
    let document: Document =
        serde_json::from_slice(document).map_err(|error| FetchError::Discovery(error.to_string()))?;
    if document.issuer != issuer {
        return Err(FetchError::OtherIssuer { found: document.issuer });
    }
    let uri = document.jwks_uri;
    let (Ok(there), Ok(here)) = (Url::parse(&uri), Url::parse(issuer)) else {
        return Err(FetchError::OtherHost { uri });
    };
    let same =
        there.host_str() == here.host_str() && there.port_or_known_default() == here.port_or_known_default();
    let named = there.host_str().is_some_and(|host| hosts.iter().any(|known| known == host))
        && there.port_or_known_default() == Some(443);
    let plain = there.scheme() == "https" && there.username().is_empty() && there.password().is_none();
    if plain && (same || named) { Ok(uri) } else { Err(FetchError::OtherHost { uri }) }
}

async fn get(fetch: &dyn Fetch, url: &str, ca: Option<&Path>) -> Result<Vec<u8>, FetchError> {
    let answer = fetch.get(url, ca, DOCUMENT_BYTES_MAX).await;
    let (status, body) = answer.map_err(|cause| FetchError::Unreached { url: url.to_owned(), cause })?;
    if status != 200 {
        return Err(FetchError::Status { url: url.to_owned(), status });
    }
    if body.len() > DOCUMENT_BYTES_MAX {
        return Err(FetchError::TooLarge);
    }
    Ok(body.into())
}

fn read_file(path: &Path) -> Result<Vec<u8>, FetchError> {
    let mut bytes = Vec::new();
    let bound = u64::try_from(DOCUMENT_BYTES_MAX).unwrap_or(u64::MAX);
    let mut file = open_file(path).map_err(FetchError::File)?.take(bound + 1);
    file.read_to_end(&mut bytes).map_err(FetchError::File)?;
    if bytes.len() > DOCUMENT_BYTES_MAX { Err(FetchError::TooLarge) } else { Ok(bytes) }
}
