//! Public keys of issuers. The algorithm is the key's own: no token chooses how it is checked.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use aws_lc_rs::signature::{self, ParsedPublicKey};
use futures_util::future::BoxFuture;
use jsonwebtoken::DecodingKey;

use super::Issuer;
use crate::clock::Now;

/// Smallest RSA modulus that is believed.
pub(super) const RSA_BITS_MIN: usize = 2048;
/// Largest RSA modulus that is computed with.
pub(super) const RSA_BITS_MAX: usize = 8192;

/// How a key signs. Symmetric algorithms and `none` cannot be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// ECDSA on P-256.
    Es256,
    /// ECDSA on P-384.
    Es384,
    /// Ed25519.
    EdDsa,
    /// RSA, PKCS#1 v1.5.
    Rs256,
    /// RSA, PKCS#1 v1.5.
    Rs384,
    /// RSA, PKCS#1 v1.5.
    Rs512,
    /// RSA, PSS.
    Ps256,
    /// RSA, PSS.
    Ps384,
    /// RSA, PSS.
    Ps512,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 9] = [
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
    ];

    /// As `alg` names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
        }
    }

    /// The algorithm of this name; none for symmetric ones, `none` and what we do not speak.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    fn rsa(self) -> Option<jsonwebtoken::Algorithm> {
        match self {
            Self::Es256 | Self::Es384 | Self::EdDsa => None,
            Self::Rs256 => Some(jsonwebtoken::Algorithm::RS256),
            Self::Rs384 => Some(jsonwebtoken::Algorithm::RS384),
            Self::Rs512 => Some(jsonwebtoken::Algorithm::RS512),
            Self::Ps256 => Some(jsonwebtoken::Algorithm::PS256),
            Self::Ps384 => Some(jsonwebtoken::Algorithm::PS384),
            Self::Ps512 => Some(jsonwebtoken::Algorithm::PS512),
        }
    }
}

/// A public key, ready to verify with.
pub struct VerifyKey {
    kid: Option<Arc<str>>,
    algorithm: Algorithm,
    /// What the key is made of, to tell a key kept from one replaced under its old name.
    material: Vec<u8>,
    verifier: Verifier,
    gone: AtomicBool,
}

enum Verifier {
    /// Parsed once: an elliptic curve point costs more to read than one might think.
    Parsed(Box<ParsedPublicKey>),
    Rsa(DecodingKey, jsonwebtoken::Algorithm),
}

/// What is wrong with key material, for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Not a point, not a modulus, not this algorithm's.
    #[error("the key material is not a public key of its algorithm")]
    Material,
    /// Too small to be believed or too large to be computed with.
    #[error("an RSA modulus has {RSA_BITS_MIN} to {RSA_BITS_MAX} bits")]
    RsaSize,
    /// An exponent that nobody honest uses.
    #[error("an RSA exponent is odd, at least 3 and at most 32 bits")]
    RsaExponent,
}

impl VerifyKey {
    /// A key on P-256 or P-384 from its uncompressed point, or an Ed25519 key from its 32 bytes.
    ///
    /// # Errors
    /// The bytes are no such key.
    pub fn curve(kid: Option<Arc<str>>, algorithm: Algorithm, point: &[u8]) -> Result<Self, BadKey> {
        let scheme: &'static dyn signature::VerificationAlgorithm = match algorithm {
            Algorithm::Es256 => &signature::ECDSA_P256_SHA256_FIXED,
            Algorithm::Es384 => &signature::ECDSA_P384_SHA384_FIXED,
            Algorithm::EdDsa => &signature::ED25519,
            Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512 => return Err(BadKey::Material),
        };
        let parsed = ParsedPublicKey::new(scheme, point).map_err(|_| BadKey::Material)?;
        Ok(Self::made(kid, algorithm, point.to_vec(), Verifier::Parsed(Box::new(parsed))))
    }

    /// An RSA key from modulus and exponent, big-endian.
    ///
    /// # Errors
    /// The modulus or exponent is outside its bounds.
    pub fn rsa(kid: Option<Arc<str>>, algorithm: Algorithm, n: &[u8], e: &[u8]) -> Result<Self, BadKey> {
        let scheme = algorithm.rsa().ok_or(BadKey::Material)?;
        let significant =
            |bytes: &[u8]| -> Vec<u8> { bytes.iter().copied().skip_while(|b| *b == 0).collect() };
        let (n, e) = (significant(n), significant(e));
        let zeros = n.first().map_or(0, |head| usize::try_from(head.leading_zeros()).unwrap_or(0));
        if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&(n.len() * 8).saturating_sub(zeros)) {
            return Err(BadKey::RsaSize);
        }
        let exponent = e.iter().fold(0_u64, |value, byte| (value << 8) | u64::from(*byte));
        if e.len() > 4 || exponent < 3 || exponent.is_multiple_of(2) {
            return Err(BadKey::RsaExponent);
        }
        let key = DecodingKey::from_rsa_raw_components(&n, &e);
        let material = [n.as_slice(), e.as_slice()].concat();
        Ok(Self::made(kid, algorithm, material, Verifier::Rsa(key, scheme)))
    }

    fn made(kid: Option<Arc<str>>, algorithm: Algorithm, material: Vec<u8>, verifier: Verifier) -> Self {
        Self { kid, algorithm, material, verifier, gone: AtomicBool::new(false) }
    }

    /// Its id.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// How it signs.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether both are one key under one name.
    pub fn same(&self, other: &Self) -> bool {
        self.kid == other.kid && self.algorithm == other.algorithm && self.material == other.material
    }

    /// Its issuer no longer vouches for it: what it signed is worth nothing from now on. Whoever says so also
    /// tells [`super::Revocations::bump`], so that open streams hear of it.
    pub fn retire(&self) {
        self.gone.store(true, Ordering::Release);
    }

    /// Whether it was retired.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Whether `signature` (raw bytes) is this key's over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.verifier {
            Verifier::Parsed(key) => key.verify_sig(message, signature).is_ok(),
            Verifier::Rsa(key, scheme) => {
                let text = data_encoding::BASE64URL_NOPAD.encode(signature);
                jsonwebtoken::crypto::verify(&text, message, key, *scheme).unwrap_or(false)
            }
        }
    }
}

impl fmt::Debug for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyKey({} {:?})", self.algorithm.as_str(), self.kid)
    }
}

/// Why a key is not at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyProblem {
    /// The issuer does not publish such a key.
    Unknown,
    /// The issuer cannot be asked, and what is cached is too old.
    Unavailable,
}

/// Where the public keys of outside issuers come from. Implemented by the room `keys`.
pub trait IssuerKeys: Send + Sync {
    /// The key of this id; without an id, the issuer's only key.
    fn key<'a>(
        &'a self,
        issuer: &'a Issuer,
        kid: Option<&'a str>,
        now: Now,
    ) -> BoxFuture<'a, Result<Arc<VerifyKey>, KeyProblem>>;
}
