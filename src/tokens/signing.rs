//! Signing keys: ES256, the private half in a file of its owner's alone, the public half in the store.
//! Rotation retires the last key at once; its public half stays until its last token has ended.

use std::{
    collections::HashMap,
    fmt, fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde_json::json;
use zeroize::Zeroizing;

use super::{TokenError, Tokens};
use crate::{
    clock::Now,
    identity::{Algorithm, VerifyKey},
    store::{SigningKeyRow, StoreError, check_rights},
    words::Digest,
};

/// Largest file that may be a key.
const KEY_FILE_BYTES_MAX: u64 = 4096;

/// A key that signs.
pub(super) struct SigningKey {
    pub(super) kid: Arc<str>,
    pair: EcdsaKeyPair,
}

/// The keys at one moment.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    signing: Option<Arc<SigningKey>>,
    /// The one that signs and those whose tokens are still alive, each with its public point.
    verifying: HashMap<Arc<str>, (Arc<VerifyKey>, Vec<u8>)>,
}

impl SigningKey {
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TokenError> {
        let signature = self.pair.sign(&SystemRandom::new(), message).map_err(|_| TokenError::Crypto)?;
        Ok(signature.as_ref().to_vec())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}

impl KeySet {
    pub(super) fn get(&self, kid: &str) -> Option<Arc<VerifyKey>> {
        self.verifying.get(kid).map(|(key, _)| key.clone())
    }

    pub(super) fn signing(&self) -> Option<&SigningKey> {
        self.signing.as_deref()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.verifying.is_empty()
    }

    pub(super) fn jwks(&self) -> String {
        let mut keys: Vec<_> = self.verifying.iter().collect();
        keys.sort_by_key(|(kid, _)| *kid);
        let keys: Vec<_> = keys
            .into_iter()
            .filter_map(|(kid, (_, point))| {
                // An uncompressed point: 4, x, y.
                let (x, y) = point.get(1..)?.split_at_checked(32)?;
                let (x, y) = (BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y));
                Some(json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid, "use": "sig", "alg": "ES256" }))
            })
            .collect();
        json!({ "keys": keys }).to_string()
    }
}

impl Tokens {
    /// Makes a new signing key. Tokens signed before stay good until they end; the old private key is gone.
    ///
    /// # Errors
    /// The file or the store cannot be written.
    pub async fn rotate(&self, now: Now) -> Result<Arc<str>, TokenError> {
        let pair =
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| TokenError::Crypto)?;
        let public = pair.public_key().as_ref().to_vec();
        let kid = key_id(&public);
        let document = pair.to_pkcs8v1().map_err(|_| TokenError::Crypto)?;
        let path = self.key_path(&kid);
        write_private(&path, document.as_ref()).map_err(|source| TokenError::KeyFile { path, source })?;
        // ORDER: the file first, so that nobody is told of a key that cannot sign.
        self.store().rotate_signing_key(kid.clone(), public, now.wall).await?;
        self.refresh_keys(now).await?;
        self.remove_retired_private_keys().await?;
        Ok(kid)
    }

    /// Takes back a key and with it everything it signed, and makes a new one where it was the one that signs.
    /// True when it was there.
    ///
    /// # Errors
    /// The store did not take it.
    pub async fn revoke_key(&self, kid: &str, now: Now) -> Result<bool, TokenError> {
        let there = self.store().revoke_signing_key(kid.into(), now.wall).await?;
        if there {
            // Its name is a file of ours only where the store knew it.
            self.remove_private_key(kid)?;
        }
        self.refresh_keys(now).await?;
        let signs = self.keys.load().signing.is_some();
        if !signs {
            self.rotate(now).await?;
        }
        Ok(there)
    }

    /// Reads the keys again. Those that went are retired, so that what they signed ends.
    pub(super) async fn refresh_keys(&self, now: Now) -> Result<(), TokenError> {
        let _alone = self.refreshing.lock().await;
        *self.refreshed.lock() = Some(now.mono);
        #[cfg(test)]
        self.readings.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let rows = self.store().signing_keys().await?;
        let before = self.keys.load_full();
        let mut after = KeySet::default();
        for row in rows {
            let signs = row.retired_at.is_none();
            if !signs && row.last_token_ends.is_none_or(|end| end <= now.wall) {
                continue;
            }
            let kept = before.verifying.get(&row.kid).filter(|(_, point)| *point == row.public);
            let key = match kept {
                Some((key, _)) => key.clone(),
                None => Arc::new(public_key(&row)?),
            };
            if signs && after.signing.is_none() {
                after.signing = self.private_key(&row, &before).unwrap_or_else(|error| {
                    // What was signed can still be verified, and what was taken back must not wait.
                    tracing::error!(kid = %row.kid, %error, "nothing can be signed: the private key cannot be used");
                    None
                });
            }
            after.verifying.insert(row.kid, (key, row.public));
        }
        let mut went = false;
        for (kid, (key, _)) in &before.verifying {
            if !after.verifying.get(kid).is_some_and(|(kept, _)| Arc::ptr_eq(kept, key)) {
                key.retire();
                went = true;
            }
        }
        self.keys.store(Arc::new(after));
        if went {
            self.revocations.bump();
        }
        Ok(())
    }

    /// Refuses to start with a private half that cannot be used.
    pub(super) async fn check_private_key(&self) -> Result<(), TokenError> {
        let rows = self.store().signing_keys().await?;
        match rows.iter().find(|row| row.retired_at.is_none()) {
            Some(row) => self.private_key(row, &self.keys.load()).map(drop),
            None => Ok(()),
        }
    }

    /// The private half, where it is here: a gate that only verifies needs none.
    fn private_key(
        &self,
        row: &SigningKeyRow,
        before: &KeySet,
    ) -> Result<Option<Arc<SigningKey>>, TokenError> {
        if let Some(known) = before.signing.as_ref().filter(|known| known.kid == row.kid) {
            return Ok(Some(known.clone()));
        }
        let path = self.key_path(&row.kid);
        let failed = |source| TokenError::KeyFile { path: path.clone(), source };
        match fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
            Ok(metadata) if metadata.len() > KEY_FILE_BYTES_MAX => {
                return Err(TokenError::BadKeyFile { path: path.clone() });
            }
            Ok(_) => check_rights(&path, "600")?,
        }
        let bytes = Zeroizing::new(fs::read(&path).map_err(failed)?);
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &bytes)
            .map_err(|_| TokenError::BadKeyFile { path: path.clone() })?;
        if pair.public_key().as_ref() != row.public {
            return Err(TokenError::BadKeyFile { path });
        }
        Ok(Some(Arc::new(SigningKey { kid: row.kid.clone(), pair })))
    }

    fn key_path(&self, kid: &str) -> PathBuf {
        self.folder.join(format!("{kid}.p8"))
    }

    /// Removes the private halves of retired keys. Only those the store knows as retired: another process may
    /// just have made one that it does not know yet.
    async fn remove_retired_private_keys(&self) -> Result<(), TokenError> {
        for row in self.store().signing_keys().await? {
            if row.retired_at.is_some() {
                self.remove_private_key(&row.kid)?;
            }
        }
        Ok(())
    }

    fn remove_private_key(&self, kid: &str) -> Result<(), TokenError> {
        let path = self.key_path(kid);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(TokenError::KeyFile { path, source })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

fn public_key(row: &SigningKeyRow) -> Result<VerifyKey, TokenError> {
    VerifyKey::curve(Some(row.kid.clone()), Algorithm::Es256, &row.public)
        .map_err(|_| StoreError::Unreadable { what: "a signing key", value: row.kid.to_string() }.into())
}

/// A key's id is drawn from the key, so that no two keys share one.
fn key_id(public: &[u8]) -> Arc<str> {
    let digest = Digest::of(public);
    HEXLOWER.encode(digest.0.first_chunk::<10>().map_or(&[][..], |head| &head[..])).into()
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
