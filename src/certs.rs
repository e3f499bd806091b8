//! A certificate authority for development: `bramka certs init` and the demo.
//!
//! It makes a CA, a server certificate for this machine's own names and a client certificate, each with its
//! own P-256 key. Key files are readable by their owner only, and nothing that exists is overwritten. It is
//! not for production: the CA's key lies beside what it signed.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use jiff::{Timestamp, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// Names the server certificate is for.
pub const SERVER_NAMES: [&str; 4] = ["localhost", "127.0.0.1", "::1", "bramka.test"];

/// Where the files are.
#[derive(Clone, Debug)]
pub struct DevelopmentCerts {
    /// The CA's certificate: what a client trusts.
    pub ca: PathBuf,
    /// The server's certificate chain.
    pub server: PathBuf,
    /// The server's key.
    pub server_key: PathBuf,
    /// A client's certificate chain.
    pub client: PathBuf,
    /// The client's key.
    pub client_key: PathBuf,
}

/// Why they could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CertsError {
    /// A file or folder could not be written.
    #[error("cannot write `{path}`")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    /// Some of the files are there and some are not.
    #[error("`{0}` holds some of the certificates but not all; move them away or finish the set by hand")]
    Partial(PathBuf),
}

impl DevelopmentCerts {
    /// The files' places inside a folder.
    pub fn at(folder: &Path) -> Self {
        Self {
            ca: folder.join("ca.pem"),
            server: folder.join("server.pem"),
            server_key: folder.join("server.key"),
            client: folder.join("client.pem"),
            client_key: folder.join("client.key"),
        }
    }

    fn files(&self) -> [&Path; 5] {
        [&self.ca, &self.server, &self.server_key, &self.client, &self.client_key]
    }

    /// The certificates of a folder, made when they are not there.
    ///
    /// # Errors
    /// When the folder cannot be written, or holds only some of the files.
    pub fn ensure(folder: &Path, now: Timestamp) -> Result<Self, CertsError> {
        let certs = Self::at(folder);
        let there = certs.files().iter().filter(|file| file.exists()).count();
        if there == certs.files().len() {
            return Ok(certs);
        }
        if there > 0 {
            return Err(CertsError::Partial(folder.to_owned()));
        }
        fs::create_dir_all(folder).map_err(|source| CertsError::Write { path: folder.to_owned(), source })?;
        certs.make(folder, now)?;
        Ok(certs)
    }

    fn make(&self, folder: &Path, now: Timestamp) -> Result<(), CertsError> {
        let ca_key = KeyPair::generate()?;
        let mut params = params("bramka development CA", &[], now, 10)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let ca = params.self_signed(&ca_key)?;
        write(&folder.join("ca.key"), &ca_key.serialize_pem(), Secrecy::Secret)?;
        let issuer = Issuer::new(params, ca_key);
        write(&self.ca, &ca.pem(), Secrecy::Open)?;
        for (name, names, usage, certificate, key) in [
            (
                "localhost",
                &SERVER_NAMES[..],
                ExtendedKeyUsagePurpose::ServerAuth,
                &self.server,
                &self.server_key,
            ),
            ("acme-portal", &[], ExtendedKeyUsagePurpose::ClientAuth, &self.client, &self.client_key),
        ] {
            let own_key = KeyPair::generate()?;
            let mut leaf = self::params(name, names, now, 2)?;
            leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            leaf.extended_key_usages = vec![usage];
            leaf.use_authority_key_identifier_extension = true;
            let signed = leaf.signed_by(&own_key, &issuer)?;
            write(key, &own_key.serialize_pem(), Secrecy::Secret)?;
            write(certificate, &signed.pem(), Secrecy::Open)?;
        }
        Ok(())
    }
}

fn params(name: &str, names: &[&str], now: Timestamp, years: i32) -> Result<CertificateParams, rcgen::Error> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, name);
    let today = now.to_zoned(TimeZone::UTC).date();
    // A day early, so that a machine whose clock lags can use them at once; the 28th exists in every month.
    let day = u8::try_from(today.day()).unwrap_or(1).min(28);
    let month = u8::try_from(today.month()).unwrap_or(1);
    params.not_before = date_time_ymd(i32::from(today.year()) - 1, month, day);
    params.not_after = date_time_ymd(i32::from(today.year()) + years, month, day);
    Ok(params)
}

#[derive(Clone, Copy)]
enum Secrecy {
    Open,
    Secret,
}

fn write(path: &Path, text: &str, secrecy: Secrecy) -> Result<(), CertsError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(match secrecy {
            Secrecy::Open => 0o644,
            Secrecy::Secret => 0o600,
        });
    }
    options
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| CertsError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn keys_are_for_their_owner_only_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::from_second(1_780_000_000).unwrap();
        let certs = DevelopmentCerts::ensure(folder.path(), now).unwrap();
        for key in [&certs.server_key, &certs.client_key, &folder.path().join("ca.key")] {
            assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600, "{key:?}");
        }
        let before = fs::read(&certs.server).unwrap();
        DevelopmentCerts::ensure(folder.path(), now).unwrap();
        assert_eq!(fs::read(&certs.server).unwrap(), before);
        fs::remove_file(&certs.client).unwrap();
        assert!(matches!(DevelopmentCerts::ensure(folder.path(), now), Err(CertsError::Partial(_))));
    }
}
