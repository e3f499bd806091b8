//! A listener's TLS: certificates by SNI, client certificates, and what happens when the files change.
//!
//! A missing, empty or unreadable file is an error at load, never a listener that asks for less. A change is
//! loaded whole beside the old terms and swapped in; when it does not load, the old terms stay. With client
//! certificates there is no resumption at all, and a change of terms winds down the connections that rest on
//! the old ones. Their streams live on where the new terms let the certificate in, and end where they do not: a
//! revoked certificate neither resumes nor stays.

use std::{
    collections::HashMap,
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::{
    CipherSuite, RootCertStore, ServerConfig, SupportedCipherSuite,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime, pem, pem::PemObject},
    server::{
        ClientHello, NoServerSessionStorage, ResolvesServerCert, VerifierBuilderError, WebPkiClientVerifier,
        danger::ClientCertVerifier,
    },
    sign::CertifiedKey,
};
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};
use zeroize::Zeroizing;

use super::{
    drain::Stop,
    settings::{ClientCertificates, Resumption, TlsTerms},
};
use crate::words::{Digest, open_file};

/// Largest file that is read.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The TLS of one listener.
pub(super) struct Tls {
    terms: TlsTerms,
    base: PathBuf,
    current: ArcSwap<Generation>,
}

/// One reading of the files.
pub(super) struct Generation {
    pub(super) config: Arc<ServerConfig>,
    /// Ended when other terms took its place, or the door closes: for connections that rest on a certificate.
    pub(super) over: Stop,
    /// By which client certificates are let in; none where they are not asked for.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    digest: Digest,
    keys: Vec<PathBuf>,
}

/// What a look at the files found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// The same bytes; nothing was done.
    Unchanged,
    /// New terms serve new connections.
    Swapped,
}

/// Why TLS does not load.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read.
    #[error("`{}` cannot be read", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// A file that is not what it should be.
    #[error("`{}` is not PEM", .0.display())]
    NotPem(PathBuf, #[source] pem::Error),
    /// A file without what it is for.
    #[error("`{path}` holds no {what}", path = .0.display(), what = .1)]
    Empty(PathBuf, &'static str),
    /// A certificate or key that does not serve.
    #[error("`{}` does not serve", .0.display())]
    Unfit(PathBuf, #[source] rustls::Error),
    /// Authorities or revocation lists that do not serve.
    #[error("`{}` does not serve", .0.display())]
    UnfitAuthority(PathBuf, #[source] VerifierBuilderError),
    /// A certificate whose names cannot be read.
    #[error("the names in `{}` cannot be read", .0.display())]
    Names(PathBuf),
    /// The library refuses the terms.
    #[error("tls cannot be set up")]
    Setup(#[source] rustls::Error),
}

impl Tls {
    /// Reads the files; paths are relative to `base`. Blocks.
    ///
    /// # Errors
    /// Whatever is missing, empty, unreadable or does not fit.
    pub(super) fn load(terms: TlsTerms, base: &Path) -> Result<Self, TlsError> {
        let generation = Generation::read(&terms, base)?;
        generation.keys.iter().for_each(|key| warn_of_loose_rights(key));
        let current = ArcSwap::from_pointee(generation);
        Ok(Self { terms, base: base.to_owned(), current })
    }

    /// Looks at the files again and swaps new terms in. Blocks; on an error the old terms stay.
    ///
    /// # Errors
    /// As at load.
    pub(super) fn reload(&self) -> Result<Reloaded, TlsError> {
        let fresh = Generation::read(&self.terms, &self.base)?;
        if fresh.digest == self.current.load().digest {
            return Ok(Reloaded::Unchanged);
        }
        fresh.keys.iter().for_each(|key| warn_of_loose_rights(key));
        let old = self.current.swap(Arc::new(fresh));
        old.over.end();
        Ok(Reloaded::Swapped)
    }

    /// The files to watch.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        files(&self.terms, &self.base)
    }

    pub(super) fn current(&self) -> Arc<Generation> {
        self.current.load_full()
    }

    /// Winds down the connections that rest on a client certificate.
    pub(super) fn retire(&self) {
        self.current.load().over.end();
    }

    /// Known by the bytes of its files and by its terms.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.current.load().digest == other.current.load().digest
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("terms", &self.terms).finish_non_exhaustive()
    }
}

fn asks(terms: &TlsTerms) -> bool {
    match terms.client_certificates {
        ClientCertificates::Off => false,
        ClientCertificates::Optional | ClientCertificates::Required => true,
    }
}

fn files(terms: &TlsTerms, base: &Path) -> Vec<PathBuf> {
    let own = terms.certificates.iter().flat_map(|files| [&files.certificate, &files.key]);
    own.chain(&terms.client_ca).chain(&terms.client_crl).map(|path| base.join(path)).collect()
}

impl Generation {
    /// Whether this reading would let in a client who shows this chain.
    pub(super) fn lets_in(&self, chain: &[CertificateDer<'static>], now: Timestamp) -> bool {
        let since = now.duration_since(Timestamp::UNIX_EPOCH);
        let (Some(verifier), Some((leaf, others)), Ok(since)) =
            (&self.verifier, chain.split_first(), Duration::try_from(since))
        else {
            return false;
        };
        verifier.verify_client_cert(leaf, others, UnixTime::since_unix_epoch(since)).is_ok()
    }

    fn read(terms: &TlsTerms, base: &Path) -> Result<Self, TlsError> {
        // ORDER: every file is read once, so what was digested is what is used.
        let mut files = Files { base, read: Vec::new(), keys: Vec::new() };
        let provider = Arc::new(provider());
        let certificates = Certificates::read(terms, &mut files, &provider)?;
        let verifier = verifier(terms, &mut files, &provider)?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_client_cert_verifier(verifier.clone())
            .with_cert_resolver(Arc::new(certificates));
        config.ignore_client_order = true;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        if terms.resumption == Resumption::On && !asks(terms) {
            // Keys of this listener and this reading: no other listener can read its tickets.
            config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(TlsError::Setup)?;
            config.send_tls13_tickets = 1;
        }
        let parts: Vec<&[u8]> = files.read.iter().map(|digest| &digest.0[..]).collect();
        let digest = Digest::of_parts(&[format!("{terms:?}").as_bytes(), &parts.concat()]);
        // The library's word for not asking cannot be asked.
        let verifier = asks(terms).then_some(verifier);
        Ok(Self { config: Arc::new(config), over: Stop::default(), verifier, digest, keys: files.keys })
    }
}

/// The library's suites, those over SHA-256 first: processors hash by it in hardware, and the many hashes of a
/// handshake over SHA-384 cost as much as its signature.
fn provider() -> CryptoProvider {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    let rank = |suite: &SupportedCipherSuite| match suite.suite() {
        CipherSuite::TLS13_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => 0,
        CipherSuite::TLS13_AES_256_GCM_SHA384
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => 1,
        _ => 2,
    };
    provider.cipher_suites.sort_by_key(rank);
    provider
}

struct Files<'a> {
    base: &'a Path,
    read: Vec<Digest>,
    /// Where the private keys stand.
    keys: Vec<PathBuf>,
}

impl Files<'_> {
    fn bytes(&mut self, path: &Path) -> Result<(PathBuf, Zeroizing<Vec<u8>>), TlsError> {
        use io::Read as _;
        let path = self.base.join(path);
        let mut bytes = Zeroizing::new(Vec::new());
        let read =
            open_file(&path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map(drop));
        read.map_err(|error| TlsError::Unreadable(path.clone(), error))?;
        self.read.push(Digest::of(&bytes));
        Ok((path, bytes))
    }

    /// Everything of one kind in a file; none of it is an error.
    fn all<T: PemObject>(&mut self, path: &Path, what: &'static str) -> Result<(PathBuf, Vec<T>), TlsError> {
        let (path, bytes) = self.bytes(path)?;
        let read: Result<Vec<T>, _> = T::pem_slice_iter(&bytes).collect();
        match read {
            Ok(found) if found.is_empty() => Err(TlsError::Empty(path, what)),
            Ok(found) => Ok((path, found)),
            Err(error) => Err(TlsError::NotPem(path, error)),
        }
    }
}

/// The listener's certificates by the names in them.
#[derive(Debug)]
struct Certificates {
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// `*.example.com` under `example.com`.
    wildcard: HashMap<String, Arc<CertifiedKey>>,
    first: Arc<CertifiedKey>,
}

impl Certificates {
    fn read(terms: &TlsTerms, files: &mut Files<'_>, provider: &CryptoProvider) -> Result<Self, TlsError> {
        let (mut exact, mut wildcard, mut first) = (HashMap::new(), HashMap::new(), None);
        for pair in &terms.certificates {
            let (path, chain) = files.all::<CertificateDer<'static>>(&pair.certificate, "certificate")?;
            let names = chain.first().and_then(names).ok_or_else(|| TlsError::Names(path.clone()))?;
            let (key_path, key) = files.bytes(&pair.key)?;
            files.keys.push(key_path.clone());
            let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| match error {
                pem::Error::NoItemsFound => TlsError::Empty(key_path, "private key"),
                error => TlsError::NotPem(key_path, error),
            })?;
            let certified =
                CertifiedKey::from_der(chain, key, provider).map_err(|error| TlsError::Unfit(path, error))?;
            let certified = Arc::new(certified);
            for name in names {
                match name.strip_prefix("*.") {
                    Some(parent) => wildcard.entry(parent.to_owned()).or_insert_with(|| certified.clone()),
                    None => exact.entry(name).or_insert_with(|| certified.clone()),
                };
            }
            first.get_or_insert(certified);
        }
        let first = first.ok_or_else(|| TlsError::Setup(rustls::Error::General("no certificate".into())))?;
        Ok(Self { exact, wildcard, first })
    }
}

/// The DNS names of a certificate, lower case.
fn names(certificate: &CertificateDer<'static>) -> Option<Vec<String>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let names = parsed.subject_alternative_name().ok()?;
    let names = names.into_iter().flat_map(|extension| &extension.value.general_names);
    let dns = names.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    Some(dns.collect())
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // rustls gives the name lower case and without trailing dot.
        let chosen = hello.server_name().and_then(|name| {
            let wildcard = || self.wildcard.get(name.split_once('.')?.1);
            self.exact.get(name).or_else(wildcard)
        });
        Some(chosen.unwrap_or(&self.first).clone())
    }
}

fn verifier(
    terms: &TlsTerms,
    files: &mut Files<'_>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let allow_none = match terms.client_certificates {
        ClientCertificates::Off => return Ok(WebPkiClientVerifier::no_client_auth()),
        ClientCertificates::Optional => true,
        ClientCertificates::Required => false,
    };
    let ca = terms.client_ca.clone().unwrap_or_default();
    let (ca, authorities) = files.all::<CertificateDer<'static>>(&ca, "certificate")?;
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).map_err(|error| TlsError::Unfit(ca.clone(), error))?;
    }
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let mut named = ca;
    if let Some(crl) = &terms.client_crl {
        let (path, lists) = files.all::<CertificateRevocationListDer<'static>>(crl, "revocation list")?;
        builder = builder.with_crls(lists).enforce_revocation_expiration();
        named = path;
    }
    if allow_none {
        builder = builder.allow_unauthenticated();
    }
    builder.build().map_err(|error| TlsError::UnfitAuthority(named, error))
}

/// A private key that others on this machine can read is no longer private. Mounted secrets often are, so it is a
/// warning.
fn warn_of_loose_rights(path: &Path) {
    #[cfg(unix)]
    if let Ok(metadata) = std::fs::metadata(path) {
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
        if mode & 0o077 != 0 {
            tracing::warn!(key = %path.display(), rights = format!("{:o}", mode & 0o777), "others can read this key");
        }
    }
}
