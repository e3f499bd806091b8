//! SSH signatures of files (`ssh-keygen -Y sign`): whose key made one, and whether it is of this text.
//!
//! What is no part of a good signature here: a key of DSA, one of RSA with fewer than 3072 bits, SHA-1, another
//! namespace, and a hardware key that nobody touched. Certificates are no keys.
//!
//! The library reads forms; every signature is verified by the gate's one cryptographic library.

use aws_lc_rs::{
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use ssh_key::{
    Algorithm, EcdsaCurve, HashAlg, SshSig,
    public::{EcdsaPublicKey, KeyData, RsaPublicKey},
};

use crate::words::Digest;

/// What a signature of a bundle's lock is for: it is worth nothing elsewhere, and others nothing here.
pub(super) const NAMESPACE: &str = "bramka-bundle";
/// The smallest RSA key, in bytes: 3072 bits.
const RSA_BYTES_MIN: usize = 384;
/// A hardware key was touched.
const TOUCHED: u8 = 1;
/// Behind a hardware key's signature: one byte of flags, four of a counter.
const SK_TRAILER: usize = 5;

/// Why a signature counts for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadSignature {
    #[error("it is no signature that `ssh-keygen -Y sign` makes")]
    Form,
    #[error("it is not for `{NAMESPACE}`; sign with `-n {NAMESPACE}`")]
    Namespace,
    #[error("it was made with SHA-1")]
    Sha1,
    #[error("nobody touched the hardware key that made it")]
    Untouched,
    #[error("it is not of this lock: the lock or the signature was changed since")]
    Wrong,
}

/// Why a key is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadKey {
    #[error("an RSA key needs 3072 bits or more")]
    Small,
    #[error(
        "keys of this kind are not believed: take Ed25519, ECDSA, RSA, or a hardware key of the first two"
    )]
    Kind,
}

/// A signature as it reads; nothing is verified yet.
#[derive(Debug)]
pub(super) struct Signature(SshSig);

impl Signature {
    /// Reads the text of a signature.
    pub(super) fn read(text: &str) -> Result<Self, BadSignature> {
        let read = SshSig::from_pem(text).map_err(|_| BadSignature::Form)?;
        if read.namespace() != NAMESPACE {
            return Err(BadSignature::Namespace);
        }
        Ok(Self(read))
    }

    /// The key that it says it was made with.
    pub(super) fn key(&self) -> &KeyData {
        self.0.public_key()
    }

    /// Whether its key made it of that text.
    pub(super) fn verify(&self, text: &[u8]) -> Result<(), BadSignature> {
        let signed =
            SshSig::signed_data(NAMESPACE, self.0.hash_alg(), text).map_err(|_| BadSignature::Form)?;
        let algorithm = self.0.signature().algorithm();
        let bytes = self.0.signature_bytes();
        match (self.key(), algorithm) {
            (KeyData::Ed25519(key), Algorithm::Ed25519) => fits(&ED25519, key.as_ref(), &signed, bytes),
            (KeyData::Ecdsa(key), Algorithm::Ecdsa { curve }) if key.curve() == curve => {
                ecdsa(key, &signed, bytes)
            }
            (KeyData::Rsa(key), Algorithm::Rsa { hash: Some(hash) }) => rsa(key, hash, &signed, bytes),
            (KeyData::Rsa(_), Algorithm::Rsa { hash: None }) => Err(BadSignature::Sha1),
            (KeyData::SkEd25519(key), Algorithm::SkEd25519) => {
                let (signed, bytes) = touched(key.application(), &signed, bytes)?;
                fits(&ED25519, key.public_key().as_ref(), &signed, bytes)
            }
            (KeyData::SkEcdsaSha2NistP256(key), Algorithm::SkEcdsaSha2NistP256) => {
                let (signed, bytes) = touched(key.application(), &signed, bytes)?;
                ecdsa(&EcdsaPublicKey::NistP256(*key.ec_point()), &signed, bytes)
            }
            (_, _) => Err(BadSignature::Form),
        }
    }
}

/// Whether a key may be believed at all.
pub(super) fn is_good(key: &KeyData) -> Result<(), BadKey> {
    match key {
        KeyData::Ed25519(_) | KeyData::Ecdsa(_) | KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_) => {
            Ok(())
        }
        KeyData::Rsa(key) => {
            let bytes = key.n.as_positive_bytes().unwrap_or_default();
            // The first byte of the smallest number of 3072 bits has its first bit set.
            let is_long = bytes.len() > RSA_BYTES_MIN
                || (bytes.len() == RSA_BYTES_MIN && bytes.first().is_some_and(|first| *first >= 0x80));
            if is_long { Ok(()) } else { Err(BadKey::Small) }
        }
        // The library's list of kinds may grow; what is not known is not believed.
        _ => Err(BadKey::Kind),
    }
}

fn fits(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
    signed: &[u8],
    signature: &[u8],
) -> Result<(), BadSignature> {
    UnparsedPublicKey::new(algorithm, key).verify(signed, signature).map_err(|_| BadSignature::Wrong)
}

fn rsa(key: &RsaPublicKey, hash: HashAlg, signed: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
    let (Some(n), Some(e)) = (key.n.as_positive_bytes(), key.e.as_positive_bytes()) else {
        return Err(BadSignature::Form);
    };
    let by = match hash {
        HashAlg::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        HashAlg::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
        _ => return Err(BadSignature::Form),
    };
    PublicKeyComponents { n, e }.verify(by, signed, signature).map_err(|_| BadSignature::Wrong)
}

fn ecdsa(key: &EcdsaPublicKey, signed: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
    let (algorithm, size): (&'static dyn VerificationAlgorithm, usize) = match key.curve() {
        EcdsaCurve::NistP256 => (&ECDSA_P256_SHA256_FIXED, 32),
        EcdsaCurve::NistP384 => (&ECDSA_P384_SHA384_FIXED, 48),
        EcdsaCurve::NistP521 => (&ECDSA_P521_SHA512_FIXED, 66),
    };
    let signature = fixed(signature, size).ok_or(BadSignature::Form)?;
    fits(algorithm, key.as_sec1_bytes(), signed, &signature)
}

/// The two numbers of an ECDSA signature side by side, each of that many bytes.
fn fixed(mut signature: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(size * 2);
    for _ in 0..2 {
        let (length, rest) = signature.split_first_chunk::<4>()?;
        let (number, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        out.resize(out.len() + size.checked_sub(number.len())?, 0);
        out.extend_from_slice(number);
        signature = rest;
    }
    signature.is_empty().then_some(out)
}

/// What a hardware key signs: what it is for, that it was touched, how often it was used, and the digest of the rest.
fn touched<'a>(
    application: &str,
    signed: &[u8],
    bytes: &'a [u8],
) -> Result<(Vec<u8>, &'a [u8]), BadSignature> {
    let at = bytes.len().checked_sub(SK_TRAILER).ok_or(BadSignature::Form)?;
    let (signature, trailer) = bytes.split_at_checked(at).ok_or(BadSignature::Form)?;
    if trailer.first().is_none_or(|flags| flags & TOUCHED == 0) {
        return Err(BadSignature::Untouched);
    }
    let (what, digest) = (Digest::of(application.as_bytes()), Digest::of(signed));
    Ok(([&what.0, trailer, &digest.0].concat(), signature))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use ssh_key::{
        LineEnding,
        public::{Ed25519PublicKey, SkEd25519},
    };

    use super::*;

    const TEXT: &[u8] = b"version: 1\n";

    /// What a hardware key makes of [`TEXT`] with those flags.
    fn by_hardware(flags: u8) -> Signature {
        let pair = Ed25519KeyPair::generate().unwrap();
        let public = Ed25519PublicKey(pair.public_key().as_ref().try_into().unwrap());
        let key = KeyData::SkEd25519(SkEd25519::new(public, "ssh:"));
        let signed = SshSig::signed_data(NAMESPACE, HashAlg::Sha512, TEXT).unwrap();
        let trailer = [flags, 0, 0, 0, 9];
        let all = [&Digest::of(b"ssh:").0[..], &trailer, &Digest::of(&signed).0].concat();
        let bytes = [pair.sign(&all).as_ref(), &trailer].concat();
        let made = ssh_key::Signature::new(Algorithm::SkEd25519, bytes).unwrap();
        let text =
            SshSig::new(key, NAMESPACE, HashAlg::Sha512, made).unwrap().to_pem(LineEnding::LF).unwrap();
        Signature::read(&text).unwrap()
    }

    #[test]
    fn a_hardware_key_signs_when_it_is_touched() {
        assert_eq!(by_hardware(TOUCHED).verify(TEXT), Ok(()));
        assert_eq!(by_hardware(TOUCHED).verify(b"version: 2\n"), Err(BadSignature::Wrong));
        assert_eq!(by_hardware(0).verify(TEXT), Err(BadSignature::Untouched));
    }

    #[test]
    fn what_is_no_signature_is_told_and_breaks_nothing() {
        for text in [
            "",
            "-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n",
            "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n",
        ] {
            assert_eq!(Signature::read(text).unwrap_err(), BadSignature::Form, "{text}");
        }
        for short in [&[][..], &[0, 0, 0], &[0, 0, 0, 9, 1], &[0xff; 8]] {
            assert!(fixed(short, 32).is_none());
        }
        assert!(touched("ssh:", TEXT, &[1; SK_TRAILER - 1]).is_err());
        let long = [&[0, 0, 0, 33][..], &[1; 33], &[0, 0, 0, 1, 1]].concat();
        assert!(fixed(&long, 32).is_none(), "a number that does not fit");
        let padded = fixed(&[0, 0, 0, 2, 0, 0x80, 0, 0, 0, 1, 7], 2).unwrap();
        assert_eq!(padded, [0, 0x80, 0, 7]);
    }
}
