//! A JSON Web Key Set, read strictly. Keys of a sort we do not verify with are passed over, as the standard
//! wants; a key that says one thing and is another makes the whole set unusable, because nothing good comes
//! from an issuer that mixes them up.

use std::{collections::HashSet, sync::Arc};

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;

use crate::identity::{Algorithm, BadKey, KID_BYTES_MAX, VerifyKey};

/// Most keys of one set.
pub const JWKS_KEYS_MAX: usize = 64;

/// Why a set cannot be used, for the operator.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// Not a set.
    #[error("not a JWKS: {0}")]
    Malformed(String),
    /// More keys than anybody needs.
    #[error("more than {JWKS_KEYS_MAX} keys")]
    TooMany,
    /// No key of it can verify a token.
    #[error("no key that verifies signatures by an algorithm we speak")]
    Empty,
    /// Two keys of one id: nobody could say which signed.
    #[error("key id `{kid}` stands twice, or several keys have none")]
    Ambiguous {
        /// Which.
        kid: String,
    },
    /// A private half was published.
    #[error("key `{kid}` carries its private half; whoever saw it can sign: rotate it")]
    Private {
        /// Which.
        kid: String,
    },
    /// The key's words do not fit each other.
    #[error("key `{kid}`: {what}")]
    Unfit {
        /// Which.
        kid: String,
        /// What does not fit.
        what: &'static str,
    },
    /// The key's numbers are no key.
    #[error("key `{kid}`")]
    Key {
        /// Which.
        kid: String,
        /// Why.
        #[source]
        source: BadKey,
    },
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    /// Present in private keys of every kind but `oct`.
    d: Option<serde::de::IgnoredAny>,
}

/// Reads a set.
pub(super) fn read(json: &[u8]) -> Result<Vec<VerifyKey>, JwksError> {
    let set: Set = serde_json::from_slice(json).map_err(|error| JwksError::Malformed(error.to_string()))?;
    if set.keys.len() > JWKS_KEYS_MAX {
        return Err(JwksError::TooMany);
    }
    let mut keys: Vec<VerifyKey> = Vec::new();
    let mut ids = HashSet::new();
    for jwk in set.keys {
        let Some(key) = key(&jwk)? else { continue };
        if !ids.insert(jwk.kid.clone()) {
            return Err(JwksError::Ambiguous { kid: jwk.kid.unwrap_or_default() });
        }
        keys.push(key);
    }
    if keys.is_empty() { Err(JwksError::Empty) } else { Ok(keys) }
}

/// One key; none where it is of a sort we do not verify with.
fn key(jwk: &Jwk) -> Result<Option<VerifyKey>, JwksError> {
    let name = jwk.kid.clone().unwrap_or_default();
    let unfit = |what| JwksError::Unfit { kid: name.clone(), what };
    let for_signatures = jwk.r#use.as_deref().is_none_or(|word| word == "sig")
        && jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
    if !for_signatures {
        return Ok(None);
    }
    if jwk.d.is_some() {
        return Err(JwksError::Private { kid: name });
    }
    if jwk.kid.as_ref().is_some_and(|kid| kid.is_empty() || kid.len() > KID_BYTES_MAX) {
        return Err(unfit("its id is empty or too long"));
    }
    // `EdDSA` is the right name for Ed448 too, so `alg` cannot tell a curve we do not speak from a mix-up.
    if jwk.kty == "OKP" && jwk.crv.as_deref().is_some_and(|curve| curve != "Ed25519") {
        return Ok(None);
    }
    let named = match jwk.alg.as_deref() {
        None => None,
        // Encryption, HMAC, curves we do not speak.
        Some(alg) => match Algorithm::named(alg) {
            None => return Ok(None),
            Some(algorithm) => Some(algorithm),
        },
    };
    let algorithm = match (jwk.kty.as_str(), jwk.crv.as_deref(), named) {
        ("EC", Some("P-256"), None | Some(Algorithm::Es256)) => Algorithm::Es256,
        ("EC", Some("P-384"), None | Some(Algorithm::Es384)) => Algorithm::Es384,
        ("OKP", Some("Ed25519"), None | Some(Algorithm::EdDsa)) => Algorithm::EdDsa,
        // OIDC's own default, where an issuer does not say.
        ("RSA", _, None) => Algorithm::Rs256,
        ("RSA", _, Some(algorithm)) if is_rsa(algorithm) => algorithm,
        ("EC" | "OKP", _, None) => return Ok(None),
        ("EC" | "OKP" | "RSA", _, Some(_)) => return Err(unfit("`alg` is not of its `kty` and `crv`")),
        (_, _, _) => return Ok(None),
    };
    let number = |value: &Option<String>, what| -> Result<Vec<u8>, JwksError> {
        let text = value.as_deref().ok_or_else(|| unfit(what))?;
        BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| unfit(what))
    };
    let kid: Option<Arc<str>> = jwk.kid.as_deref().map(Arc::from);
    let made = match algorithm {
        Algorithm::Es256 | Algorithm::Es384 => {
            let (x, y) = (number(&jwk.x, "`x` is not a number")?, number(&jwk.y, "`y` is not a number")?);
            VerifyKey::curve(kid, algorithm, &[&[4], x.as_slice(), y.as_slice()].concat())
        }
        Algorithm::EdDsa => VerifyKey::curve(kid, algorithm, &number(&jwk.x, "`x` is not a number")?),
        Algorithm::Rs256
        | Algorithm::Rs384
        | Algorithm::Rs512
        | Algorithm::Ps256
        | Algorithm::Ps384
        | Algorithm::Ps512 => {
            let (n, e) = (number(&jwk.n, "`n` is not a number")?, number(&jwk.e, "`e` is not a number")?);
            VerifyKey::rsa(kid, algorithm, &n, &e)
        }
    };
    made.map(Some).map_err(|source| JwksError::Key { kid: name.clone(), source })
}

fn is_rsa(algorithm: Algorithm) -> bool {
    match algorithm {
        Algorithm::Rs256
        | Algorithm::Rs384
        | Algorithm::Rs512
        | Algorithm::Ps256
        | Algorithm::Ps384
        | Algorithm::Ps512 => true,
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => false,
    }
}
