//! Our side of TLS towards peers: always verified, by the platform's roots or by a CA that was named.

use std::{fmt, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::Versions;
use crate::words::Secret;

/// Whom we trust and who we say we are. Two of these never share a connection or a session ticket.
#[derive(Clone)]
pub struct TlsClient {
    pub(super) config: Arc<ClientConfig>,
}

/// What HTTP/1.1 and HTTP/2 are called in a handshake (RFC 7301).
const HTTP_1: &[u8] = b"http/1.1";
pub(super) const HTTP_2: &[u8] = b"h2";

/// What a [`TlsClient`] is made of.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// PEM of the CAs to trust instead of the platform's.
    pub ca: Option<Vec<u8>>,
    /// Our certificate, for peers that ask.
    pub certificate: Option<Certificate>,
}

/// A client certificate.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// PEM: leaf first.
    pub chain: Vec<u8>,
    /// PEM of the leaf's key.
    pub key: Secret,
}

/// Why TLS settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// Nothing to trust would trust nobody or everybody; both are wrong.
    #[error("the CA file holds no certificate")]
    NoCa,
    /// Unreadable PEM.
    #[error("the {what} is not PEM: {source}")]
    Pem {
        /// Which file.
        what: &'static str,
        /// What the reader said.
        source: rustls::pki_types::pem::Error,
    },
    /// No certificate in the chain.
    #[error("the client certificate file holds no certificate")]
    NoCertificate,
    /// What rustls refuses: a bad CA, a key that does not fit.
    #[error("TLS cannot be set up: {0}")]
    Rustls(#[from] rustls::Error),
}

impl TlsClient {
    /// Builds one; an empty or unreadable CA is an error, never "no check".
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn new(trust: &Trust) -> Result<Self, TrustError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let builder = match &trust.ca {
            Some(pem) => builder.with_root_certificates(roots(pem)?),
            None => {
                let verifier = rustls_platform_verifier::Verifier::new(provider)?;
                builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
            }
        };
        let mut config = match &trust.certificate {
            Some(certificate) => {
                let chain = certificates(&certificate.chain, "client certificate")?;
                if chain.is_empty() {
                    return Err(TrustError::NoCertificate);
                }
                let key = PrivateKeyDer::from_pem_slice(certificate.key.expose().as_bytes())
                    .map_err(|source| TrustError::Pem { what: "client key", source })?;
                builder.with_client_auth_cert(chain, key)?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![HTTP_1.to_vec()];
        Ok(Self { config: Arc::new(config) })
    }

    /// The same identity and trust for what is no HTTP: no version of it is offered.
    #[must_use]
    pub fn without_http(&self) -> Self {
        let mut config = (*self.config).clone();
        config.alpn_protocols = Vec::new();
        Self { config: Arc::new(config) }
    }

    /// The same identity and trust, offering other versions.
    pub(super) fn offering(&self, versions: Versions) -> Self {
        let mut config = (*self.config).clone();
        config.alpn_protocols = match versions {
            Versions::One => vec![HTTP_1.to_vec()],
            Versions::Two => vec![HTTP_2.to_vec()],
            Versions::Auto => vec![HTTP_2.to_vec(), HTTP_1.to_vec()],
        };
        Self { config: Arc::new(config) }
    }
}

fn roots(pem: &[u8]) -> Result<RootCertStore, TrustError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(pem, "CA file")? {
        store.add(certificate)?;
    }
    if store.is_empty() { Err(TrustError::NoCa) } else { Ok(store) }
}

fn certificates(pem: &[u8], what: &'static str) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|source| TrustError::Pem { what, source })
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsClient(…)")
    }
}
