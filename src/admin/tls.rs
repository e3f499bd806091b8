//! The listener's own certificate, read again when its files change; or none, on loopback only.

use std::{
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::NoServerSessionStorage,
};
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use crate::{
    config::AdminTls,
    words::{Digest, open_file},
};

/// LIMIT: bytes of a certificate or key file.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// How connections are taken.
#[derive(Clone)]
pub(super) enum Terms {
    /// Not at all: the files do not serve yet.
    Closed,
    /// Without TLS.
    Plain,
    /// Under TLS.
    Tls(TlsAcceptor),
}

/// The terms now.
pub(super) struct Current {
    terms: ArcSwap<Terms>,
    /// What they were made of.
    digest: ArcSwap<Option<Digest>>,
    /// Whether the socket is reached from this machine only.
    is_loopback: bool,
}

/// Why terms do not serve.
#[derive(Debug, thiserror::Error)]
pub(super) enum TermsError {
    /// The socket is open to other machines.
    #[error("`none` is for a listener on a loopback address")]
    Open,
    /// A file cannot be read.
    #[error("cannot read `{path}`: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("`{path}` holds no {what} in PEM")]
    Pem {
        /// Which.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// Certificate and key do not serve.
    #[error("certificate and key do not serve: {0}")]
    Unfit(#[from] rustls::Error),
}

impl Current {
    /// None yet.
    pub(super) fn new(is_loopback: bool) -> Self {
        Self { terms: ArcSwap::from_pointee(Terms::Closed), digest: ArcSwap::default(), is_loopback }
    }

    /// The terms for the next connection.
    pub(super) fn terms(&self) -> Arc<Terms> {
        self.terms.load_full()
    }

    /// Reads the files anew; true where other terms serve now. What does not serve changes nothing. Blocks.
    pub(super) fn refresh(&self, wanted: &AdminTls, base: &Path) -> Result<bool, TermsError> {
        let (terms, digest) = match wanted {
            AdminTls::None if !self.is_loopback => return Err(TermsError::Open),
            AdminTls::None => (Terms::Plain, Digest::of(b"none")),
            AdminTls::Files { certificate, key } => {
                let (certificate, key) = (base.join(certificate), base.join(key));
                let (chain, private) = (read(&certificate)?, read(&key)?);
                let digest = Digest::of_parts(&[&Digest::of(&chain).0, &Digest::of(&private).0]);
                if **self.digest.load() == Some(digest) {
                    return Ok(false);
                }
                (Terms::Tls(acceptor((&certificate, &chain), (&key, &private))?), digest)
            }
        };
        let is_same = **self.digest.load() == Some(digest);
        if !is_same {
            self.terms.store(Arc::new(terms));
            self.digest.store(Arc::new(Some(digest)));
        }
        Ok(!is_same)
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TermsError> {
    let mut bytes = Zeroizing::new(Vec::new());
    let read = open_file(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
    read.map_err(|source| TermsError::File { path: path.to_owned(), source })?;
    Ok(bytes)
}

fn acceptor(certificate: (&Path, &[u8]), key: (&Path, &[u8])) -> Result<TlsAcceptor, TermsError> {
    let missing = |path: &Path, what| TermsError::Pem { path: path.to_owned(), what };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate.1)
        .collect::<Result<_, _>>()
        .map_err(|_| missing(certificate.0, "certificate"))?;
    if chain.is_empty() {
        return Err(missing(certificate.0, "certificate"));
    }
    let private = PrivateKeyDer::from_pem_slice(key.1).map_err(|_| missing(key.0, "private key"))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use jiff::Timestamp;

    use super::*;
    use crate::certs::DevelopmentCerts;

    fn files(certs: &DevelopmentCerts) -> AdminTls {
        AdminTls::Files { certificate: certs.server.clone(), key: certs.server_key.clone() }
    }

    #[test]
    fn a_changed_certificate_is_taken_over_and_a_broken_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::from_second(1_780_000_000).unwrap();
        let certs = DevelopmentCerts::ensure(&folder.path().join("a"), now).unwrap();
        let others = DevelopmentCerts::ensure(&folder.path().join("b"), now).unwrap();
        let current = Current::new(true);
        assert!(matches!(*current.terms(), Terms::Closed));
        assert!(current.refresh(&files(&certs), folder.path()).unwrap());
        assert!(!current.refresh(&files(&certs), folder.path()).unwrap());
        // Half of the change is there: a certificate without its key.
        fs::copy(&others.server, &certs.server).unwrap();
        assert!(matches!(current.refresh(&files(&certs), folder.path()), Err(TermsError::Unfit(_))));
        assert!(matches!(*current.terms(), Terms::Tls(_)));
        fs::copy(&others.server_key, &certs.server_key).unwrap();
        assert!(current.refresh(&files(&certs), folder.path()).unwrap());
        // A pipe that nobody writes to is not waited for.
        fs::remove_file(&certs.server_key).unwrap();
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        let pipe = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &certs.server_key, pipe, mode, 0).unwrap();
        assert!(matches!(current.refresh(&files(&certs), folder.path()), Err(TermsError::File { .. })));
    }

    #[test]
    fn without_tls_only_this_machine_is_served() {
        let here = Path::new(".");
        assert!(Current::new(true).refresh(&AdminTls::None, here).unwrap());
        assert!(matches!(Current::new(false).refresh(&AdminTls::None, here), Err(TermsError::Open)));
    }
}
