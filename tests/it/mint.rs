//! An outside issuer of the test's own: a key, its JWKS file, and tokens that say whatever a test wants.

use std::{fs, path::Path};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use bramka::clock;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

/// Its name, as it stands in `iss`.
pub(crate) const ISSUER: &str = "https://corp.example";
const AUDIENCE: &str = "bramka";
const KEY_ID: &str = "corp-1";

/// The issuer.
pub(crate) struct Issuer(EcdsaKeyPair);

impl Issuer {
    /// Makes a key.
    pub(crate) fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    /// Writes itself into a bundle: as issuer `corp`, which may assert these groups, with principals that the
    /// registry knows.
    pub(crate) fn enrol(&self, policies: &Path, groups: &str, principals: &str) {
        let jwks = policies.with_file_name("corp.jwks");
        let point = self.0.public_key().as_ref();
        let number = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let key = json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KEY_ID,
            "x": number(&point[1..33]), "y": number(&point[33..65]),
        });
        fs::write(&jwks, json!({ "keys": [key] }).to_string()).unwrap();
        let gateway = policies.join("gateway.yaml");
        let text = fs::read_to_string(&gateway).unwrap();
        let issuers = format!(
            "  token_ttl_max: 90d\n  issuers:\n    corp:\n      issuer: {ISSUER}\n      audience: {AUDIENCE}\n      \
             jwks_file: {}\n      kinds: [App, Partner, User]\n      kind_claim: kind\n      groups: [{groups}]\n",
            jwks.display()
        );
        assert!(text.contains("  token_ttl_max: 90d\n"));
        fs::write(&gateway, text.replace("  token_ttl_max: 90d\n", &issuers)).unwrap();
        fs::write(policies.join("principals").join("corp.yaml"), format!("principals:\n{principals}"))
            .unwrap();
    }

    /// A token with whatever header and claims.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = self.0.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }

    /// A good token, but for what `change` makes of its header and claims.
    pub(crate) fn token_but(
        &self,
        subject: &str,
        groups: &[&str],
        change: impl FnOnce(&mut Value, &mut Value),
    ) -> String {
        let now = clock::now().wall.as_second();
        let mut header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": KEY_ID });
        let mut claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "kind": "App", "groups": groups,
            "iat": now - 10, "exp": now + 600,
        });
        change(&mut header, &mut claims);
        self.sign(&header, &claims)
    }

    /// A good token of an app.
    pub(crate) fn app(&self, subject: &str, groups: &[&str]) -> String {
        self.token_but(subject, groups, |_, _| {})
    }

    /// A good token of a partner.
    pub(crate) fn partner(&self, subject: &str) -> String {
        self.token_but(subject, &["partners"], |_, claims| claims["kind"] = "Partner".into())
    }
}
